#include "projections/sqlite_directory.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"

struct sqlite_week *sqlite_directory_find(const struct sqlite_directory *directory,
                                          int64_t start_ms)
{
    /* The newest are asked for, and there are few. */
    for (size_t i = directory->week_count; i > 0; i--) {
        if (directory->weeks[i - 1]->file.start_ms == start_ms) {
            return directory->weeks[i - 1];
        }
    }
    return NULL;
}

struct sqlite_week *sqlite_directory_add(struct sqlite_directory *directory, int64_t start_ms)
{
    CHECK(sqlite_directory_find(directory, start_ms) == NULL);
    struct sqlite_week *week = calloc(1, sizeof(*week));
    struct sqlite_week **weeks =
        realloc(directory->weeks, (directory->week_count + 1) * sizeof(struct sqlite_week *));
    if (weeks != NULL) {
        directory->weeks = weeks;
    }
    if (week == NULL || weeks == NULL) {
        free(week);
        return NULL;
    }
    sqlite_file_init_week(&week->file, start_ms);
    size_t at = directory->week_count;
    while (at > 0 && weeks[at - 1]->file.start_ms > start_ms) {
        weeks[at] = weeks[at - 1];
        at -= 1;
    }
    weeks[at] = week;
    directory->week_count += 1;
    return week;
}

uint64_t sqlite_directory_applied(const struct sqlite_directory *directory)
{
    uint64_t lowest = directory->main.applied_seq;
    for (size_t i = 0; i < directory->week_count; i++) {
        const struct sqlite_file *file = &directory->weeks[i]->file;
        if (file->verdict == SQLITE_FILE_GOOD && !file->closed && file->applied_seq < lowest) {
            lowest = file->applied_seq;
        }
    }
    return lowest;
}

void sqlite_directory_close(struct sqlite_directory *directory)
{
    for (size_t i = 0; i < directory->week_count; i++) {
        sqlite_file_rollback(&directory->weeks[i]->file);
        sqlite_file_close(&directory->weeks[i]->file);
        sqlite_bets_free(&directory->weeks[i]->waiting);
        free(directory->weeks[i]);
    }
    free(directory->weeks);
    directory->weeks = NULL;
    directory->week_count = 0;
    sqlite_file_rollback(&directory->main);
    sqlite_file_close(&directory->main);
}

/* Whether a file's pages are to be walked: a large one would hold up the start by what it takes to
 * read it. */
static bool walks_pages(const struct sqlite_directory *directory, const char *name,
                        const struct sqlite_writer_options *options)
{
    char path[sizeof(directory->dir) + WEEK_FILE_BYTES];
    struct stat about;
    snprintf(path, sizeof(path), "%s/%s", directory->dir, name); /* fits */
    return options->check_pages && (options->check_bytes_max == 0 || stat(path, &about) != 0 ||
                                    (uint64_t)about.st_size <= options->check_bytes_max);
}

/* Inspects every week file of the directory. */
static enum status inspect_weeks(struct sqlite_directory *directory,
                                 const struct sqlite_writer_options *options,
                                 struct sqlite_writer_report *report)
{
    DIR *stream = opendir(directory->dir);
    if (stream == NULL) {
        snprintf(report->text, sizeof(report->text), "%.400s: %s", directory->dir, strerror(errno));
        return STATUS_IO;
    }
    enum status status = STATUS_OK;
    const struct dirent *entry;
    while (status == STATUS_OK && (entry = readdir(stream)) != NULL) {
        int64_t start_ms;
        if (!week_from_file_name(entry->d_name, &start_ms)) {
            continue;
        }
        struct sqlite_week *week = sqlite_directory_add(directory, start_ms);
        if (week == NULL) {
            status = STATUS_NO_MEMORY;
            break;
        }
        status = sqlite_file_inspect(&week->file, directory->dir,
                                     walks_pages(directory, entry->d_name, options));
        if (status != STATUS_OK) {
            snprintf(report->text, sizeof(report->text), "%s", week->file.db.error);
        }
    }
    closedir(stream);
    return status;
}

/* Reads what main.db says of the weeks and the market. A week that it lists and that has no file
 * gets an ABSENT entry. */
static enum status read_main(struct sqlite_directory *directory)
{
    struct sqlite_db *db = &directory->main.db;
    struct sqlite3_stmt *rows;
    enum status status =
        sqlite_db_prepare(db, "SELECT start_ms, archived FROM weeks ORDER BY start_ms", &rows);
    if (status != STATUS_OK) {
        return status;
    }
    while ((status = sqlite_db_step(db, rows)) == STATUS_OK) {
        const int64_t start_ms = sqlite_db_i64(rows, 0);
        struct sqlite_week *week = sqlite_directory_find(directory, start_ms);
        if (week == NULL) {
            week = sqlite_directory_add(directory, start_ms);
        }
        if (week == NULL) {
            status = STATUS_NO_MEMORY;
            break;
        }
        week->listed = true;
        week->archived = sqlite_db_i64(rows, 1) != 0;
    }
    sqlite_db_finalize(rows);
    if (status != STATUS_END) {
        return status;
    }
    status = sqlite_db_prepare(db, "SELECT value FROM meta WHERE key = 'market'", &rows);
    if (status != STATUS_OK) {
        return status;
    }
    status = sqlite_db_step(db, rows);
    if (status == STATUS_OK) {
        snprintf(directory->market, sizeof(directory->market), "%s", sqlite_db_text(rows, 0, NULL));
    }
    sqlite_db_finalize(rows);
    return status == STATUS_END ? STATUS_OK : status;
}

/* Refuses what no repair may touch: a witness of lost records, and another program's database. */
static enum status refuse_file(const struct sqlite_file *file, uint64_t head_seq,
                               struct sqlite_writer_report *report)
{
    if (file->verdict == SQLITE_FILE_FOREIGN) {
        snprintf(report->text, sizeof(report->text),
                 "%s is a database of another program; move it out of the data directory",
                 file->name);
        return STATUS_USAGE;
    }
    if (file->verdict == SQLITE_FILE_GOOD && file->applied_seq > report->highest_seq) {
        report->highest_seq = file->applied_seq;
    }
    if (file->verdict == SQLITE_FILE_GOOD && file->applied_seq > head_seq) {
        snprintf(report->text, sizeof(report->text),
                 "%s has applied seq %llu, but the journal ends at %llu: the journal lost records",
                 file->name, (unsigned long long)file->applied_seq, (unsigned long long)head_seq);
        return STATUS_LOST_TAIL;
    }
    return STATUS_OK;
}

/* Adds one sentence to the report's line. */
static void report_line(struct sqlite_writer_report *report, const char *name, const char *what)
{
    const size_t used = strlen(report->text);
    snprintf(report->text + used, sizeof(report->text) - used, "%s%s %s", used == 0 ? "" : "; ",
             name, what);
}

/* Discards one file that cannot be used, or says what is wrong when nothing may be repaired. */
static enum status discard(struct sqlite_directory *directory, struct sqlite_file *file,
                           bool repair, const char *what, enum status status_if_not,
                           struct sqlite_writer_report *report)
{
    report_line(report, file->name, what);
    if (!repair) {
        return status_if_not;
    }
    report->rebuilds = true;
    sqlite_file_close(file);
    const bool keep = file->verdict == SQLITE_FILE_DAMAGED;
    return sqlite_file_discard(file, directory->dir, keep);
}

/* Discards `file` when its verdict says so; *lost is then set. */
static enum status settle_file(struct sqlite_directory *directory, struct sqlite_file *file,
                               bool repair, bool *lost, struct sqlite_writer_report *report)
{
    switch (file->verdict) {
    case SQLITE_FILE_ABSENT:
    case SQLITE_FILE_GOOD:
    case SQLITE_FILE_FOREIGN: /* refused before */
        return STATUS_OK;
    case SQLITE_FILE_VERSION:
        *lost = true;
        return discard(directory, file, repair, "is of another version and is rebuilt",
                       STATUS_VERSION, report);
    case SQLITE_FILE_DAMAGED:
        *lost = true;
        return discard(directory, file, repair, "is damaged; it is kept as .damaged and rebuilt",
                       STATUS_DAMAGED, report);
    }
    return STATUS_OK;
}

/* Decides about one week; *main_lost is set when main.db must be made again with it. */
static enum status settle_week(struct sqlite_directory *directory, struct sqlite_week *week,
                               bool repair, bool *main_lost, struct sqlite_writer_report *report)
{
    struct sqlite_file *file = &week->file;
    bool lost = false;
    enum status status = settle_file(directory, file, repair, &lost, report);
    if (status != STATUS_OK) {
        return status;
    }
    if (file->verdict == SQLITE_FILE_ABSENT && week->listed && week->archived) {
        file->closed = true; /* nothing to write, and nothing is missed */
        return STATUS_OK;
    }
    if (file->verdict == SQLITE_FILE_ABSENT && week->listed) {
        *main_lost = true;
        if (lost) {
            return STATUS_OK;
        }
        report_line(report, file->name, "is missing and is rebuilt");
        report->rebuilds = true;
        return repair ? STATUS_OK : STATUS_NOT_FOUND;
    }
    const struct sqlite_file *main = &directory->main;
    if (file->verdict == SQLITE_FILE_GOOD && main->verdict == SQLITE_FILE_GOOD && !week->listed &&
        file->applied_seq <= main->applied_seq) {
        /* main.db was there when this week should have opened, and knows nothing of it. */
        file->verdict = SQLITE_FILE_DAMAGED;
        return discard(directory, file, repair, "is not of this history; it is kept as .damaged",
                       STATUS_DAMAGED, report);
    }
    return STATUS_OK;
}

/* Drops the entries that have no file, archived ones apart: they are made when their time comes. */
static void forget_absent(struct sqlite_directory *directory, bool main_lost)
{
    size_t kept = 0;
    for (size_t i = 0; i < directory->week_count; i++) {
        struct sqlite_week *week = directory->weeks[i];
        week->listed = week->listed && !main_lost;
        if (week->file.verdict == SQLITE_FILE_ABSENT && !(week->listed && week->archived)) {
            free(week);
            continue;
        }
        directory->weeks[kept] = week;
        kept += 1;
    }
    directory->week_count = kept;
}

/* Made anew, it says how far the week files beside it have come: it catches up with them. */
static enum status create_main(struct sqlite_directory *directory, bool bulk)
{
    struct sqlite_file *main = &directory->main;
    main->bulk = bulk && directory->week_count == 0;
    enum status status = sqlite_file_create(main, directory->dir);
    if (status != STATUS_OK) {
        return status;
    }
    uint64_t until = 0;
    for (size_t i = 0; i < directory->week_count; i++) {
        const struct sqlite_file *file = &directory->weeks[i]->file;
        until = file->applied_seq > until ? file->applied_seq : until;
    }
    struct sqlite3_stmt *statement;
    status = sqlite_rows_statement(main, ROWS_MAIN_UNTIL, &statement);
    if (status == STATUS_OK) {
        sqlite_db_bind_i64(statement, 1, (int64_t)until);
        status = sqlite_db_run(&main->db, statement);
    }
    if (status == STATUS_OK) {
        status = sqlite_file_commit(main);
    }
    if (status != STATUS_OK) {
        sqlite_file_rollback(main);
    }
    return status;
}

static enum status repair_all(struct sqlite_directory *directory,
                              const struct sqlite_writer_options *options,
                              struct sqlite_writer_report *report)
{
    struct sqlite_file *main = &directory->main;
    bool main_lost = false;
    enum status status = settle_file(directory, main, options->repair, &main_lost, report);
    for (size_t i = 0; status == STATUS_OK && i < directory->week_count; i++) {
        status = settle_week(directory, directory->weeks[i], options->repair, &main_lost, report);
    }
    if (status == STATUS_OK && main_lost && main->verdict == SQLITE_FILE_GOOD) {
        status = discard(directory, main, true, "is rebuilt with it", STATUS_NOT_FOUND, report);
    }
    if (status != STATUS_OK) {
        return status;
    }
    main_lost = main->verdict == SQLITE_FILE_ABSENT;
    if (main_lost && directory->week_count > 0) {
        report->rebuilds = true;
        if (report->text[0] == '\0') {
            report_line(report, main->name, "is missing and is rebuilt");
        }
        if (!options->repair) {
            return STATUS_NOT_FOUND;
        }
    }
    forget_absent(directory, main_lost);
    if (main_lost) {
        directory->market[0] = '\0';
    }
    return main_lost ? create_main(directory, options->bulk) : STATUS_OK;
}

static enum status open_all(struct sqlite_directory *directory,
                            const struct sqlite_writer_options *options,
                            struct sqlite_writer_report *report)
{
    struct sqlite_file *main = &directory->main;
    enum status status =
        sqlite_file_inspect(main, directory->dir, walks_pages(directory, main->name, options));
    if (status != STATUS_OK) {
        return status;
    }
    status = inspect_weeks(directory, options, report);
    if (status != STATUS_OK) {
        return status;
    }
    if (main->verdict == SQLITE_FILE_GOOD) {
        status = read_main(directory);
        if (status == STATUS_DAMAGED) {
            main->verdict = SQLITE_FILE_DAMAGED;
            status = STATUS_OK;
        }
    }
    if (status == STATUS_OK) {
        status = refuse_file(main, options->head_seq, report);
    }
    for (size_t i = 0; status == STATUS_OK && i < directory->week_count; i++) {
        status = refuse_file(&directory->weeks[i]->file, options->head_seq, report);
    }
    return status == STATUS_OK ? repair_all(directory, options, report) : status;
}

static void report_end(struct sqlite_writer_report *report, const struct sqlite_file *file)
{
    if (file->verdict == SQLITE_FILE_GOOD && file->applied_seq > 0 &&
        report->end_count < SQLITE_WRITER_ENDS) {
        report->ends[report->end_count] = file->applied_seq;
        report->end_count += 1;
    }
}

enum status sqlite_directory_open(struct sqlite_directory *directory, const char *dir,
                                  const struct sqlite_writer_options *options,
                                  struct sqlite_writer_report *report)
{
    *directory = (struct sqlite_directory){0};
    *report = (struct sqlite_writer_report){0};
    sqlite_file_init_main(&directory->main);
    const int length = snprintf(directory->dir, sizeof(directory->dir), "%s", dir);
    if (length < 0 || (size_t)length >= sizeof(directory->dir)) {
        snprintf(report->text, sizeof(report->text), "the data directory's path is too long");
        return STATUS_IO;
    }
    const enum status status = open_all(directory, options, report);
    if (status != STATUS_OK) {
        if (report->text[0] == '\0') {
            snprintf(report->text, sizeof(report->text), "%s", directory->main.db.error);
        }
        sqlite_directory_close(directory);
        return status;
    }
    report->applied_seq = sqlite_directory_applied(directory);
    report_end(report, &directory->main);
    for (size_t i = directory->week_count; i > 0; i--) {
        report_end(report, &directory->weeks[i - 1]->file);
    }
    return STATUS_OK;
}
