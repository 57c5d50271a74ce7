#include "projections/sqlite_file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "projections/sqlite_schema.h"
#include "projections/sqlite_writer.h"

/* Everything is made again from the journal, so a commit needs no sync of its own: NORMAL keeps the
 * file sound, and a power cut only costs the last transactions. */
#define SETTINGS                                                                                   \
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536;"          \
    "PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;"                      \
    "PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = OFF;"

/* Nothing is lost with a file that is only being made, so there is no log and no sync: one
 * transaction from its first row to its last. */
#define BULK_SETTINGS                                                                              \
    "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -131072;"            \
    "PRAGMA locking_mode = EXCLUSIVE; PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = OFF;"

/* Sorting in pieces that fit the processor's caches, by a second thread too, the pieces on the
 * disk: a week has many millions of rows. */
#define SORT_SETTINGS "PRAGMA cache_size = -16384; PRAGMA temp_store = FILE; PRAGMA threads = 2;"

void sqlite_file_init_main(struct sqlite_file *file)
{
    *file = (struct sqlite_file){.is_main = true};
    snprintf(file->name, sizeof(file->name), "%s", SQLITE_FILE_MAIN);
}

void sqlite_file_init_week(struct sqlite_file *file, int64_t start_ms)
{
    *file = (struct sqlite_file){.start_ms = start_ms};
    week_file_name(start_ms, file->name);
}

/* Reads the row of `applied`. */
static enum status read_applied(struct sqlite_file *file)
{
    struct sqlite3_stmt *statement;
    enum status status =
        sqlite_db_prepare(&file->db,
                          file->is_main ? "SELECT seq, digest, 0 FROM applied"
                                        : "SELECT seq, digest, closed FROM applied",
                          &statement);
    if (status != STATUS_OK) {
        return status;
    }
    status = sqlite_db_step(&file->db, statement);
    if (status == STATUS_OK) {
        file->applied_seq = (uint64_t)sqlite_db_i64(statement, 0);
        file->closed = sqlite_db_i64(statement, 2) != 0;
        if (!sqlite_db_copy_bytes(statement, 1, file->digest, HASH_BYTES)) {
            status = STATUS_DAMAGED;
        }
    } else if (status == STATUS_END) {
        status = STATUS_DAMAGED;
    }
    sqlite_db_finalize(statement);
    return status;
}

/* STATUS_DAMAGED when SQLite's own walk through the pages finds anything. */
static enum status check_all_pages(struct sqlite_file *file)
{
    struct sqlite3_stmt *statement;
    enum status status = sqlite_db_prepare(&file->db, "PRAGMA quick_check(1)", &statement);
    if (status != STATUS_OK) {
        return status;
    }
    status = sqlite_db_step(&file->db, statement);
    if (status == STATUS_OK && strcmp(sqlite_db_text(statement, 0, NULL), "ok") != 0) {
        status = STATUS_DAMAGED;
    }
    sqlite_db_finalize(statement);
    return status;
}

/* Judges the open file; errors of SQLite pass up. */
static enum status judge(struct sqlite_file *file, bool check_pages)
{
    int64_t application_id;
    int64_t version;
    int64_t tables;
    enum status status = sqlite_db_query_i64(&file->db, "PRAGMA application_id", &application_id);
    if (status == STATUS_OK) {
        status = sqlite_db_query_i64(&file->db, "PRAGMA user_version", &version);
    }
    if (status == STATUS_OK) {
        status = sqlite_db_query_i64(&file->db, "SELECT count(*) FROM sqlite_schema", &tables);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (application_id == 0 && tables == 0) {
        file->verdict = SQLITE_FILE_ABSENT;
        return STATUS_OK;
    }
    if (application_id != SQLITE_APPLICATION_ID) {
        file->verdict = SQLITE_FILE_FOREIGN;
        return STATUS_OK;
    }
    if (version != SQLITE_SCHEMA_VERSION) {
        file->verdict = SQLITE_FILE_VERSION;
        return STATUS_OK;
    }
    /* What others have added is named by the daily check; it does no harm, see sqlite_db_open. */
    char strange[SQLITE_SCHEMA_TEXT_BYTES];
    status = sqlite_schema_check(&file->db, file->is_main, strange);
    if (status == STATUS_OK) {
        status = read_applied(file);
    }
    if (status == STATUS_OK && check_pages && !file->closed) {
        status = check_all_pages(file);
    }
    if (status == STATUS_OK) {
        status = sqlite_db_execute(&file->db, SETTINGS);
    }
    if (status == STATUS_OK) {
        file->verdict = SQLITE_FILE_GOOD;
    }
    return status;
}

enum status sqlite_file_inspect(struct sqlite_file *file, const char *dir, bool check_pages)
{
    file->verdict = SQLITE_FILE_ABSENT;
    enum status status = sqlite_db_open(&file->db, dir, file->name, SQLITE_DB_WRITE);
    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    if (status != STATUS_OK) {
        return status;
    }
    status = judge(file, check_pages);
    if (status == STATUS_DAMAGED) {
        file->verdict = SQLITE_FILE_DAMAGED;
        status = STATUS_OK;
    }
    if (status != STATUS_OK || file->verdict != SQLITE_FILE_GOOD || file->closed) {
        sqlite_file_close(file);
    }
    return status;
}

/* The mark of our files, and the version of their tables. */
static enum status set_marks(struct sqlite_file *file, int version)
{
    char marks[96];
    snprintf(marks, sizeof(marks), "PRAGMA application_id = %d; PRAGMA user_version = %d;",
             SQLITE_APPLICATION_ID, version);
    return sqlite_db_execute(&file->db, marks);
}

static enum status create_tables(struct sqlite_file *file)
{
    enum status status = sqlite_file_begin(file);
    if (status == STATUS_OK) {
        status = set_marks(file, file->bulk ? 0 : SQLITE_SCHEMA_VERSION);
    }
    if (status == STATUS_OK) {
        status = sqlite_db_execute(&file->db, sqlite_schema_tables(file->is_main));
    }
    if (status == STATUS_OK && !file->is_main && !file->bulk) {
        status = sqlite_db_execute(&file->db, sqlite_schema_indexes());
    }
    if (status == STATUS_OK && file->bulk) {
        status = sqlite_file_commit(file); /* the version 0 is in the file before any row */
    }
    return status == STATUS_OK ? sqlite_file_begin(file) : status;
}

enum status sqlite_file_create(struct sqlite_file *file, const char *dir)
{
    enum status status = sqlite_db_open(&file->db, dir, file->name, SQLITE_DB_CREATE);
    if (status != STATUS_OK) {
        return status == STATUS_NOT_FOUND ? STATUS_IO : status; /* the directory is not usable */
    }
    status = sqlite_db_execute(&file->db, file->bulk ? BULK_SETTINGS : SETTINGS);
    if (status == STATUS_OK) {
        status = create_tables(file);
    }
    if (status != STATUS_OK) {
        sqlite_file_rollback(file);
        sqlite_file_close(file);
        return status;
    }
    file->verdict = SQLITE_FILE_GOOD;
    return STATUS_OK;
}

/* The sort may fill another disk than that of the file. */
static enum status make_indexes(struct sqlite_file *file)
{
    const enum status status = sqlite_db_execute(&file->db, sqlite_schema_indexes());
    if (status == STATUS_NO_SPACE || status == STATUS_IO) {
        const size_t length = strlen(file->db.error);
        snprintf(file->db.error + length, sizeof(file->db.error) - length,
                 "; its indexes are sorted in SQLITE_TMPDIR, TMPDIR or /var/tmp");
    }
    return status;
}

enum status sqlite_file_finish_bulk(struct sqlite_file *file)
{
    CHECK(file->bulk);
    enum status status = sqlite_file_commit(file); /* the rows */
    if (status == STATUS_OK && !file->is_main) {
        status = sqlite_db_execute(&file->db, SORT_SETTINGS);
    }
    if (status == STATUS_OK) {
        status = sqlite_file_begin(file);
    }
    if (status == STATUS_OK && !file->is_main) {
        status = make_indexes(file);
    }
    if (status == STATUS_OK) {
        status = sqlite_file_commit(file);
    }
    /* The rows first, then the version that says that they are there. The change to a log is a
     * write of its own, which syncs the whole file now that syncs are on again. */
    if (status == STATUS_OK) {
        status = sqlite_db_execute(&file->db, "PRAGMA synchronous = NORMAL;"
                                              "PRAGMA locking_mode = NORMAL;" SETTINGS);
    }
    if (status == STATUS_OK) {
        status = sqlite_file_begin(file);
    }
    if (status == STATUS_OK) {
        status = set_marks(file, SQLITE_SCHEMA_VERSION);
    }
    if (status == STATUS_OK) {
        status = sqlite_file_commit(file);
    }
    file->bulk = status != STATUS_OK;
    return status;
}

enum status sqlite_file_begin(struct sqlite_file *file)
{
    if (file->in_transaction) {
        return STATUS_OK;
    }
    const enum status status = sqlite_db_execute(&file->db, "BEGIN IMMEDIATE");
    file->in_transaction = status == STATUS_OK;
    return status;
}

enum status sqlite_file_set_applied(struct sqlite_file *file, uint64_t seq,
                                    const uint8_t digest[HASH_BYTES], bool closed,
                                    uint64_t main_seq)
{
    CHECK(file->in_transaction);
    CHECK(!closed || !file->is_main);
    struct sqlite3_stmt *statement;
    enum status status = sqlite_rows_statement(
        file, file->is_main ? ROWS_MAIN_APPLIED : ROWS_WEEK_APPLIED, &statement);
    if (status != STATUS_OK) {
        return status;
    }
    sqlite_db_bind_i64(statement, 1, (int64_t)seq);
    sqlite_db_bind_bytes(statement, 2, digest, HASH_BYTES);
    if (!file->is_main) {
        sqlite_db_bind_i64(statement, 3, closed ? 1 : 0);
        sqlite_db_bind_i64(statement, 4, (int64_t)main_seq);
    }
    status = sqlite_db_run(&file->db, statement);
    if (status == STATUS_OK) {
        file->applied_seq = seq;
        memcpy(file->digest, digest, HASH_BYTES);
        file->closed = closed;
    }
    return status;
}

enum status sqlite_file_commit(struct sqlite_file *file)
{
    if (!file->in_transaction) {
        return STATUS_OK;
    }
    const enum status status = sqlite_db_execute(&file->db, "COMMIT");
    file->in_transaction = status != STATUS_OK;
    return status;
}

void sqlite_file_rollback(struct sqlite_file *file)
{
    if (file->in_transaction) {
        /* Some failures (a full disk) have rolled back already, and closing does it as well. */
        const enum status ignored = sqlite_db_execute(&file->db, "ROLLBACK");
        (void)ignored;
        file->in_transaction = false;
    }
}

void sqlite_file_close(struct sqlite_file *file)
{
    for (int i = 0; i < SQLITE_ROWS_STATEMENTS; i++) {
        sqlite_db_finalize(file->statements[i]);
        file->statements[i] = NULL;
    }
    if (file->db.handle != NULL && file->verdict == SQLITE_FILE_GOOD) {
        /* Readers may hold it back; then the log stays beside the file, which is as good. */
        const enum status ignored = sqlite_db_execute(&file->db, "PRAGMA wal_checkpoint(TRUNCATE)");
        (void)ignored;
    }
    sqlite_db_close(&file->db);
}

/* Removes dir/name<suffix>, or renames it to dir/name.damaged. One that is not there is fine. */
static enum status remove_one(const char *dir, const char *name, const char *suffix, bool keep)
{
    char path[4096];
    char target[4096 + 16];
    const int length = snprintf(path, sizeof(path), "%s/%s%s", dir, name, suffix);
    CHECK(length > 0);
    CHECK((size_t)length < sizeof(path));
    snprintf(target, sizeof(target), "%s.damaged", path);
    const int result = keep ? rename(path, target) : remove(path);
    return result == 0 || errno == ENOENT ? STATUS_OK : STATUS_IO;
}

enum status sqlite_file_discard(struct sqlite_file *file, const char *dir, bool keep)
{
    CHECK(file->db.handle == NULL);
    enum status status = remove_one(dir, file->name, "", keep);
    if (status == STATUS_OK) {
        status = remove_one(dir, file->name, "-wal", false);
    }
    if (status == STATUS_OK) {
        status = remove_one(dir, file->name, "-shm", false);
    }
    if (status == STATUS_OK) {
        file->verdict = SQLITE_FILE_ABSENT;
        file->applied_seq = 0;
        file->closed = false;
        memset(file->digest, 0, HASH_BYTES);
    }
    return status;
}

enum status sqlite_file_open_read(struct sqlite_db *db, const char *dir, const char *name)
{
    enum status status = sqlite_db_open(db, dir, name, SQLITE_DB_READ);
    if (status != STATUS_OK) {
        return status;
    }
    int64_t application_id = 0;
    int64_t version = 0;
    int64_t tables = 0;
    status = sqlite_db_query_i64(db, "PRAGMA application_id", &application_id);
    if (status == STATUS_OK) {
        status = sqlite_db_query_i64(db, "PRAGMA user_version", &version);
    }
    if (status == STATUS_OK) {
        status = sqlite_db_query_i64(db, "SELECT count(*) FROM sqlite_schema", &tables);
    }
    const bool begun = application_id == 0 && tables == 0;
    const bool in_bulk = application_id == SQLITE_APPLICATION_ID && version == 0;
    if (status == STATUS_OK && (begun || in_bulk)) {
        status = STATUS_NOT_FOUND;
    } else if (status == STATUS_OK &&
               (application_id != SQLITE_APPLICATION_ID || version != SQLITE_SCHEMA_VERSION)) {
        snprintf(db->error, sizeof(db->error), "%s: not a file of this schema version", name);
        status = STATUS_VERSION;
    }
    if (status != STATUS_OK) {
        sqlite_db_close(db);
    }
    return status;
}

static int compare_starts(const void *a, const void *b)
{
    const int64_t left = *(const int64_t *)a;
    const int64_t right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

enum status sqlite_file_list_weeks(const char *dir, struct sqlite_file_weeks *weeks)
{
    *weeks = (struct sqlite_file_weeks){0};
    DIR *stream = opendir(dir);
    if (stream == NULL) {
        return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
    }
    enum status status = STATUS_OK;
    const struct dirent *entry;
    while ((entry = readdir(stream)) != NULL) {
        int64_t start_ms;
        if (!week_from_file_name(entry->d_name, &start_ms)) {
            continue;
        }
        int64_t *grown = realloc(weeks->starts_ms, (weeks->count + 1) * sizeof(int64_t));
        if (grown == NULL) {
            status = STATUS_NO_MEMORY;
            break;
        }
        weeks->starts_ms = grown;
        grown[weeks->count] = start_ms;
        weeks->count += 1;
    }
    closedir(stream);
    if (status != STATUS_OK) {
        free(weeks->starts_ms);
        *weeks = (struct sqlite_file_weeks){0};
    } else if (weeks->count > 0) {
        qsort(weeks->starts_ms, weeks->count, sizeof(int64_t), compare_starts);
    }
    return status;
}
