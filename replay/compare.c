#include "replay/compare.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "projections/sqlite_audit.h"
#include "projections/sqlite_difference.h"
#include "replay/rebuild.h"

#define NAME_BYTES 64
#define PATH_BYTES 1024

/* One table of one file, as the audit tells it. */
struct table {
    char file[NAME_BYTES];
    char name[NAME_BYTES];
    uint64_t rows;
    uint8_t digest[HASH_BYTES];
};

struct tables {
    struct table *of;
    size_t count;
    bool failed; /* no memory */
};

struct compare {
    const char *data_dir;
    const struct compare_options *options;
    struct compare_result *result;
    char scratch_dir[PATH_BYTES];
    struct applier *applier;
    uint64_t highest_seq;
    uint8_t digest[HASH_BYTES]; /* main.db's */
    struct tables live;
    struct tables at_main;    /* rebuilt to main.db's seq */
    struct tables at_highest; /* rebuilt to the highest; empty when they are the same */
};

static enum status say(struct compare *compare, enum status status, const char *text)
{
    snprintf(compare->result->problem, sizeof compare->result->problem, "%s", text);
    return status;
}

/* --- The tables of a directory. ------------------------------------------------------------------
 */

static void keep_table(void *context, const struct sqlite_audit_table *table)
{
    struct tables *tables = context;
    struct table *grown = realloc(tables->of, (tables->count + 1) * sizeof tables->of[0]);
    if (grown == NULL) {
        tables->failed = true;
        return;
    }
    tables->of = grown;
    struct table *kept = &tables->of[tables->count];
    snprintf(kept->file, sizeof kept->file, "%s", table->file);
    snprintf(kept->name, sizeof kept->name, "%s", table->table);
    kept->rows = table->rows;
    memcpy(kept->digest, table->digest, HASH_BYTES);
    tables->count += 1;
}

static enum status read_tables(struct compare *compare, const char *dir, struct tables *tables)
{
    char text[SQLITE_AUDIT_TEXT_BYTES] = "";
    const enum status status = sqlite_audit_tables(dir, tables, keep_table, text);
    if (status != STATUS_OK) {
        return say(compare, status, text);
    }
    return tables->failed ? say(compare, STATUS_NO_MEMORY, status_text(STATUS_NO_MEMORY))
                          : STATUS_OK;
}

static const struct table *find_table(const struct tables *tables, const struct table *like)
{
    for (size_t i = 0; i < tables->count; i++) {
        const struct table *table = &tables->of[i];
        if (strcmp(table->file, like->file) == 0 && strcmp(table->name, like->name) == 0) {
            return table;
        }
    }
    return NULL;
}

static bool has_file(const struct tables *tables, const char *file)
{
    for (size_t i = 0; i < tables->count; i++) {
        if (strcmp(tables->of[i].file, file) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_equal(const struct table *a, const struct table *b)
{
    return a != NULL && b != NULL && a->rows == b->rows &&
           memcmp(a->digest, b->digest, HASH_BYTES) == 0;
}

static bool file_is_equal(const struct tables *live, const struct tables *rebuilt, const char *file)
{
    if (!has_file(rebuilt, file)) {
        return false;
    }
    for (size_t i = 0; i < live->count; i++) {
        const struct table *table = &live->of[i];
        if (strcmp(table->file, file) == 0 && !is_equal(table, find_table(rebuilt, table))) {
            return false;
        }
    }
    return true;
}

/* --- The comparison. -----------------------------------------------------------------------------
 */

/* Keeps the difference with the lowest seq; one that no record is named for counts as the last. */
static void name_difference(struct compare *compare, const struct table *table)
{
    struct compare_result *result = compare->result;
    struct sqlite_difference difference;
    const enum status status = sqlite_difference_find(compare->data_dir, compare->scratch_dir,
                                                      table->file, table->name, &difference);
    const uint64_t seq = difference.seq != 0 ? difference.seq : applier_seq(compare->applier);
    if (result->first_seq != 0 && result->first_seq <= seq) {
        return;
    }
    result->first_seq = seq;
    snprintf(result->problem, sizeof result->problem,
             "%.200s/%s, table %s differs from the replay to seq %" PRIu64 ": %s",
             compare->data_dir, table->file, table->name, applier_seq(compare->applier),
             status == STATUS_MISMATCH ? difference.text : "the replay makes no such table");
}

/* One file, which the scratch directory has as of its own seq now. */
static void judge_file(struct compare *compare, const struct tables *rebuilt, const char *file)
{
    if (!has_file(&compare->live, file)) {
        compare->result->missing += 1;
        return;
    }
    const bool equal = file_is_equal(&compare->live, &compare->at_main, file) ||
                       file_is_equal(&compare->live, rebuilt, file);
    for (size_t i = 0; i < compare->live.count; i++) {
        const struct table *live = &compare->live.of[i];
        if (strcmp(live->file, file) != 0) {
            continue;
        }
        if (equal) {
            compare->result->tables += 1;
            compare->result->rows += live->rows;
        } else if (!is_equal(live, find_table(rebuilt, live))) {
            name_difference(compare, live);
        }
    }
}

static bool is_main(const char *file)
{
    return strcmp(file, "main.db") == 0;
}

/* Each file of the list once (tables come in the order of their files): main.db, the others, or
 * both. */
static void judge_files(struct compare *compare, const struct tables *list,
                        const struct tables *rebuilt, bool main_file, bool week_files)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *file = list->of[i].file;
        const bool first = i == 0 || strcmp(list->of[i - 1].file, file) != 0;
        const bool judged_before = list == &compare->live && has_file(rebuilt, file);
        if (first && !judged_before && (is_main(file) ? main_file : week_files)) {
            judge_file(compare, rebuilt, file);
        }
    }
}

/* What the replay has made, and what is here besides. */
static void judge(struct compare *compare, const struct tables *rebuilt, bool main_file,
                  bool week_files)
{
    judge_files(compare, rebuilt, rebuilt, main_file, week_files);
    judge_files(compare, &compare->live, rebuilt, main_file, week_files);
}

static enum status rebuild_to(struct compare *compare, uint64_t seq, struct tables *tables)
{
    const struct replay_options options = {
        .to_seq = seq,
        .progress_context = compare->options->progress_context,
        .progress = compare->options->progress,
        .mismatch_goes_on = true, /* verify has told it before */
    };
    struct replay_result result;
    const enum status status =
        rebuild_run(compare->applier, compare->data_dir, compare->scratch_dir, &options, &result);
    if (status != STATUS_OK) {
        return say(compare, status, result.problem);
    }
    if (applier_seq(compare->applier) < seq) {
        snprintf(compare->result->problem, sizeof compare->result->problem,
                 "the projections have applied seq %" PRIu64 ", the journal ends at seq %" PRIu64,
                 seq, applier_seq(compare->applier));
        return STATUS_LOST_TAIL;
    }
    return read_tables(compare, compare->scratch_dir, tables);
}

/* Before the rows: a row that differs earlier says more, and takes its place. */
static void judge_digest(struct compare *compare)
{
    if (memcmp(applier_digest(compare->applier), compare->digest, HASH_BYTES) == 0) {
        return;
    }
    compare->result->first_seq = compare->result->seq;
    char stored[2 * HASH_BYTES + 1];
    char computed[2 * HASH_BYTES + 1];
    text_format_hex(stored, compare->digest, HASH_BYTES);
    text_format_hex(computed, applier_digest(compare->applier), HASH_BYTES);
    snprintf(compare->result->problem, sizeof compare->result->problem,
             "%s/main.db: digest after seq %" PRIu64 " differs: %s computed, %s stored",
             compare->data_dir, compare->result->seq, computed, stored);
}

static void ignore_user(void *context, const struct sqlite_audit_user *user)
{
    (void)context;
    (void)user;
}

/* What the projections stand at. STATUS_NOT_FOUND: there is nothing to compare. */
static enum status read_position(struct compare *compare)
{
    char name[32];
    char text[SQLITE_AUDIT_TEXT_BYTES] = "";
    sqlite_audit_witness(compare->data_dir, &compare->highest_seq, name);
    const enum status status = sqlite_audit_users(compare->data_dir, NULL, ignore_user,
                                                  &compare->result->seq, compare->digest, text);
    return status == STATUS_OK ? STATUS_OK : say(compare, status, text);
}

/* A server may have written while the tables were read, and then they belong to no one seq. */
static enum status check_still(struct compare *compare)
{
    uint64_t highest;
    uint64_t seq = 0;
    uint8_t digest[HASH_BYTES];
    char name[32];
    char text[SQLITE_AUDIT_TEXT_BYTES] = "";
    sqlite_audit_witness(compare->data_dir, &highest, name);
    const enum status status =
        sqlite_audit_users(compare->data_dir, NULL, ignore_user, &seq, digest, text);
    if (status != STATUS_OK) {
        return say(compare, status, text);
    }
    if (highest != compare->highest_seq || seq != compare->result->seq) {
        return say(compare, STATUS_IN_USE,
                   "the projections are being written; stop the server to compare them");
    }
    return STATUS_OK;
}

static enum status compare_all(struct compare *compare)
{
    enum status status = read_tables(compare, compare->data_dir, &compare->live);
    if (status == STATUS_OK) {
        status = check_still(compare);
    }
    if (status == STATUS_OK) {
        status = rebuild_to(compare, compare->result->seq, &compare->at_main);
    }
    if (status != STATUS_OK) {
        return status;
    }
    judge_digest(compare);
    const bool weeks_ahead = compare->highest_seq > compare->result->seq;
    judge(compare, &compare->at_main, true, !weeks_ahead);
    if (weeks_ahead) {
        status = rebuild_to(compare, compare->highest_seq, &compare->at_highest);
        if (status != STATUS_OK) {
            return status;
        }
        judge(compare, &compare->at_highest, false, true);
    }
    return compare->result->first_seq != 0 ? STATUS_MISMATCH : STATUS_OK;
}

/* --- The directory to build in. ------------------------------------------------------------------
 */

static enum status make_scratch(struct compare *compare)
{
    const char *parent = compare->options->scratch_parent;
    if (parent == NULL) {
        parent = getenv("TMPDIR");
    }
    const int length = snprintf(compare->scratch_dir, sizeof compare->scratch_dir,
                                "%s/tapline-verify-XXXXXX", parent != NULL ? parent : "/tmp");
    if (length < 0 || (size_t)length >= sizeof compare->scratch_dir ||
        mkdtemp(compare->scratch_dir) == NULL) {
        compare->scratch_dir[0] = '\0';
        return say(compare, STATUS_IO, "cannot make a directory to rebuild in; set TMPDIR");
    }
    return STATUS_OK;
}

static void remove_scratch(const struct compare *compare)
{
    if (compare->scratch_dir[0] == '\0') {
        return;
    }
    DIR *directory = opendir(compare->scratch_dir);
    if (directory != NULL) {
        const struct dirent *entry;
        while ((entry = readdir(directory)) != NULL) {
            if (entry->d_name[0] != '.') {
                /* A file left behind is litter in a temporary directory, no more. */
                (void)unlinkat(dirfd(directory), entry->d_name, 0);
            }
        }
        (void)closedir(directory);
    }
    (void)rmdir(compare->scratch_dir);
}

enum status compare_run(const char *data_dir, const struct compare_options *options,
                        struct compare_result *result)
{
    struct compare compare = {.data_dir = data_dir, .options = options, .result = result};
    *result = (struct compare_result){0};
    enum status status = read_position(&compare);
    /* At seq 0 it was only begun: a kill came before its first transaction. */
    const bool has_main = status != STATUS_NOT_FOUND && (status != STATUS_OK || result->seq > 0);
    if (!has_main) {
        result->seq = 0;
        result->problem[0] = '\0';
        if (compare.highest_seq == 0) {
            return STATUS_OK;
        }
        status = STATUS_OK;
    }
    if (status == STATUS_OK) {
        status = make_scratch(&compare);
    }
    if (status == STATUS_OK) {
        status = applier_open(NULL, &compare.applier);
    }
    if (status == STATUS_OK) {
        /* Week files without main.db are made again with it, and are a witness all the same. */
        status = has_main ? compare_all(&compare)
                          : rebuild_to(&compare, compare.highest_seq, &compare.at_highest);
    }
    remove_scratch(&compare);
    applier_free(compare.applier);
    free(compare.live.of);
    free(compare.at_main.of);
    free(compare.at_highest.of);
    return status;
}
