#include "tools/bench/kept_sqlite.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "journal/disk.h"
#include "projections/week.h"

#define PATH_BYTES 4096

struct reading {
    const char *data_dir;
    struct kept_sqlite *kept;
    enum status status;
};

static struct kept_tree *tree_of(struct kept_sqlite *kept, const char *name)
{
    for (size_t i = 0; i < kept->tree_count; i++) {
        if (strcmp(kept->trees[i].name, name) == 0) {
            return &kept->trees[i];
        }
    }
    if (kept->tree_count == KEPT_SQLITE_TREES) {
        return NULL;
    }
    struct kept_tree *tree = &kept->trees[kept->tree_count++];
    snprintf(tree->name, sizeof(tree->name), "%s", name);
    return tree;
}

/* Runs `sql` and gives each row to `take`. */
static enum status query(struct kept_sqlite *kept, sqlite3 *db, const char *sql,
                         enum status (*take)(struct kept_sqlite *kept, sqlite3_stmt *row))
{
    sqlite3_stmt *statement = NULL;
    enum status status = STATUS_OK;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(statement);
        if (code == SQLITE_ROW) {
            status = take(kept, statement);
            code = status == STATUS_OK ? code : SQLITE_DONE;
        }
    }
    if (code != SQLITE_DONE) {
        snprintf(kept->problem, sizeof(kept->problem), "%s", sqlite3_errmsg(db));
        status = STATUS_IO;
    }
    sqlite3_finalize(statement);
    return status;
}

static enum status take_tree(struct kept_sqlite *kept, sqlite3_stmt *row)
{
    struct kept_tree *tree = tree_of(kept, (const char *)sqlite3_column_text(row, 0));
    if (tree == NULL) {
        return STATUS_FULL;
    }
    tree->bytes += (uint64_t)sqlite3_column_int64(row, 1);
    tree->payload += (uint64_t)sqlite3_column_int64(row, 2);
    return STATUS_OK;
}

static enum status take_bets(struct kept_sqlite *kept, sqlite3_stmt *row)
{
    kept->bets += (uint64_t)sqlite3_column_int64(row, 0);
    kept->settled_bets += (uint64_t)sqlite3_column_int64(row, 1);
    return STATUS_OK;
}

static enum status take_file(struct kept_sqlite *kept, sqlite3_stmt *row)
{
    kept->files += 1;
    kept->file_bytes += (uint64_t)sqlite3_column_int64(row, 0);
    return STATUS_OK;
}

static enum status read_file(const char *data_dir, const char *name, bool is_week,
                             struct kept_sqlite *kept)
{
    char path[PATH_BYTES];
    sqlite3 *db = NULL;
    snprintf(path, sizeof(path), "%s/%s", data_dir, name);
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
        snprintf(kept->problem, sizeof(kept->problem), "%s: %s", name, sqlite3_errmsg(db));
        (void)sqlite3_close(db); /* it is not open */
        return STATUS_IO;
    }
    enum status status =
        query(kept, db, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
              take_file);
    if (status == STATUS_OK) {
        status = query(kept, db, "SELECT name, pgsize, payload FROM dbstat WHERE aggregate = TRUE",
                       take_tree);
    }
    if (status == STATUS_OK && is_week) {
        status = query(kept, db, "SELECT count(*), count(settled_seq) FROM bets", take_bets);
    }
    (void)sqlite3_close(db); /* it was only read, and all statements are gone */
    return status;
}

static void visit(void *context, const char *name)
{
    struct reading *reading = context;
    int64_t start_ms;
    const bool is_week = week_from_file_name(name, &start_ms);
    if (reading->status == STATUS_OK && (is_week || strcmp(name, "main.db") == 0)) {
        reading->status = read_file(reading->data_dir, name, is_week, reading->kept);
    }
}

enum status kept_sqlite_read(const char *data_dir, struct kept_sqlite *kept)
{
    const struct disk *disk = disk_posix();
    struct reading reading = {.data_dir = data_dir, .kept = kept};
    *kept = (struct kept_sqlite){0};
    const enum status status = disk->list(disk->context, data_dir, &reading, visit);
    return status == STATUS_OK ? reading.status : status;
}
