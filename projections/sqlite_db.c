#include "projections/sqlite_db.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

#define BUSY_MS      5000
#define STOP_EVERY   100000 /* steps of SQLite between two looks */
#define PATH_MAX_ALL 4096

static enum status status_of(int result)
{
    switch (result & 0xff) { /* the extended codes refine the low byte */
    case SQLITE_OK:
        return STATUS_OK;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return STATUS_DAMAGED;
    case SQLITE_FULL:
        return STATUS_NO_SPACE;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return STATUS_IN_USE;
    case SQLITE_CONSTRAINT:
        return STATUS_MISMATCH;
    case SQLITE_INTERRUPT:
        return STATUS_CLOSED;
    case SQLITE_NOMEM:
        return STATUS_NO_MEMORY;
    default: /* SQLite's codes are plain integers, and may grow */
        return STATUS_IO;
    }
}

/* Turns a failure into its status and describes it once. */
static enum status failed(struct sqlite_db *db, int result)
{
    snprintf(db->error, sizeof(db->error), "%s: %s (SQLite %d)", db->name,
             db->handle == NULL ? sqlite3_errstr(result) : sqlite3_errmsg(db->handle), result);
    return status_of(result);
}

/* A file is only trusted as far as its tables go: whoever can write it can put a trigger into it,
 * which the writer's own statements would then run. */
static void distrust(struct sqlite_db *db)
{
    static const int off[] = {SQLITE_DBCONFIG_ENABLE_TRIGGER, SQLITE_DBCONFIG_ENABLE_VIEW,
                              SQLITE_DBCONFIG_TRUSTED_SCHEMA};
    for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
        const int result = sqlite3_db_config(db->handle, off[i], 0, NULL);
        CHECK(result == SQLITE_OK); /* fails only for a switch that the library does not know */
    }
}

/* A directory that this process may not write into, and no log beside the file: a copy, or an
 * auditor's mount. SQLite cannot make the shared memory that readers of a log need; nor is there
 * any need. */
static bool is_at_rest(const char *dir, const char *path)
{
    char log[PATH_MAX_ALL + 8];
    struct stat about;
    snprintf(log, sizeof(log), "%s-wal", path);
    return access(dir, W_OK) != 0 &&
           (stat(log, &about) != 0 ? errno == ENOENT : about.st_size == 0);
}

/* The path as a URI that says that nobody writes the file. */
static void make_uri(const char *path, char uri[3 * PATH_MAX_ALL + 32])
{
    char *to = uri + snprintf(uri, 32, "file:");
    for (; *path != '\0'; path++) {
        if (strchr("%?#", *path) != NULL) {
            to += snprintf(to, 4, "%%%02X", (unsigned)(unsigned char)*path);
        } else {
            *to++ = *path;
        }
    }
    memcpy(to, "?immutable=1", sizeof("?immutable=1"));
}

enum status sqlite_db_open(struct sqlite_db *db, const char *dir, const char *name,
                           enum sqlite_db_mode mode)
{
    *db = (struct sqlite_db){0};
    snprintf(db->name, sizeof(db->name), "%s", name);
    char path[PATH_MAX_ALL];
    const int length = snprintf(path, sizeof(path), "%s/%s", dir, name);
    if (length < 0 || (size_t)length >= sizeof(path)) {
        snprintf(db->error, sizeof(db->error), "%s: the path is too long", name);
        return STATUS_IO;
    }
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    flags |= mode == SQLITE_DB_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    flags |= mode == SQLITE_DB_CREATE ? SQLITE_OPEN_CREATE : 0;
    char uri[3 * PATH_MAX_ALL + 32];
    const bool at_rest = mode == SQLITE_DB_READ && is_at_rest(dir, path);
    if (at_rest) {
        make_uri(path, uri);
        flags |= SQLITE_OPEN_URI;
    }
    const int result = sqlite3_open_v2(at_rest ? uri : path, &db->handle, flags, NULL);
    if (result != SQLITE_OK) {
        const enum status status = failed(db, result);
        sqlite3_close(db->handle);
        db->handle = NULL;
        /* SQLite says the same of a file that is absent and of one that cannot be opened now (no
         * descriptors left, no permission); only the first may be taken for "there is nothing". */
        return access(path, F_OK) != 0 && errno == ENOENT ? STATUS_NOT_FOUND : status;
    }
    sqlite3_busy_timeout(db->handle, BUSY_MS);
    distrust(db);
    return STATUS_OK;
}

enum status sqlite_db_open_memory(struct sqlite_db *db)
{
    *db = (struct sqlite_db){.name = "memory"};
    const int result = sqlite3_open_v2(":memory:", &db->handle,
                                       SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
                                           SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                                       NULL);
    if (result != SQLITE_OK) {
        const enum status status = failed(db, result);
        sqlite3_close(db->handle);
        db->handle = NULL;
        return status;
    }
    return STATUS_OK;
}

void sqlite_db_close(struct sqlite_db *db)
{
    if (db->handle != NULL) {
        const int result = sqlite3_close(db->handle);
        CHECK(result == SQLITE_OK); /* else a statement was forgotten */
        db->handle = NULL;
    }
}

enum status sqlite_db_execute(struct sqlite_db *db, const char *sql)
{
    const int result = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return result == SQLITE_OK ? STATUS_OK : failed(db, result);
}

enum status sqlite_db_prepare(struct sqlite_db *db, const char *sql,
                              struct sqlite3_stmt **statement)
{
    sqlite3_stmt *made = NULL;
    const int result =
        sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &made, NULL);
    if (result != SQLITE_OK) {
        return failed(db, result);
    }
    *statement = made;
    return STATUS_OK;
}

void sqlite_db_finalize(struct sqlite3_stmt *statement)
{
    (void)sqlite3_finalize(statement); /* repeats the error of the last step, which was handled */
}

void sqlite_db_bind_i64(struct sqlite3_stmt *statement, int index, int64_t value)
{
    const int result = sqlite3_bind_int64(statement, index, value);
    CHECK(result == SQLITE_OK); /* fails only for a wrong index or an active statement */
}

void sqlite_db_bind_i64_or_null(struct sqlite3_stmt *statement, int index, int64_t value)
{
    if (value != 0) {
        sqlite_db_bind_i64(statement, index, value);
        return;
    }
    const int result = sqlite3_bind_null(statement, index);
    CHECK(result == SQLITE_OK);
}

void sqlite_db_bind_text(struct sqlite3_stmt *statement, int index, const char *text, size_t length)
{
    const int result =
        sqlite3_bind_text64(statement, index, text, length, SQLITE_STATIC, SQLITE_UTF8);
    CHECK(result == SQLITE_OK);
}

void sqlite_db_bind_bytes(struct sqlite3_stmt *statement, int index, const uint8_t *bytes,
                          size_t count)
{
    const int result = sqlite3_bind_blob64(statement, index, bytes, count, SQLITE_STATIC);
    CHECK(result == SQLITE_OK);
}

enum status sqlite_db_step(struct sqlite_db *db, struct sqlite3_stmt *statement)
{
    const int result = sqlite3_step(statement);
    if (result == SQLITE_ROW) {
        return STATUS_OK;
    }
    return result == SQLITE_DONE ? STATUS_END : failed(db, result);
}

void sqlite_db_reset(struct sqlite3_stmt *statement)
{
    (void)sqlite3_reset(statement); /* repeats the error of the last step, which was handled */
}

enum status sqlite_db_run(struct sqlite_db *db, struct sqlite3_stmt *statement)
{
    const enum status status = sqlite_db_step(db, statement);
    sqlite_db_reset(statement);
    CHECK(status != STATUS_OK); /* a statement with rows is no matter for run */
    return status == STATUS_END ? STATUS_OK : status;
}

int64_t sqlite_db_changes(const struct sqlite_db *db)
{
    return sqlite3_changes64(db->handle);
}

int sqlite_db_column_count(struct sqlite3_stmt *statement)
{
    return sqlite3_column_count(statement);
}

const char *sqlite_db_column_name(struct sqlite3_stmt *statement, int column)
{
    const char *name = sqlite3_column_name(statement, column);
    return name == NULL ? "?" : name; /* NULL: no memory */
}

enum sqlite_db_type sqlite_db_type(struct sqlite3_stmt *statement, int column)
{
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
        return SQLITE_DB_INTEGER;
    case SQLITE_TEXT:
        return SQLITE_DB_TEXT;
    case SQLITE_BLOB:
        return SQLITE_DB_BYTES;
    case SQLITE_NULL:
        return SQLITE_DB_NULL;
    default: /* SQLITE_FLOAT is in no STRICT table of ours; where it is, it equals nothing of ours
              */
        return SQLITE_DB_BYTES;
    }
}

int64_t sqlite_db_i64(struct sqlite3_stmt *statement, int column)
{
    return sqlite3_column_int64(statement, column);
}

const char *sqlite_db_text(struct sqlite3_stmt *statement, int column, size_t *count)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    if (count != NULL) {
        *count = (size_t)sqlite3_column_bytes(statement, column);
    }
    return text == NULL ? "" : text;
}

const uint8_t *sqlite_db_bytes(struct sqlite3_stmt *statement, int column, size_t *count)
{
    const uint8_t *bytes = sqlite3_column_blob(statement, column);
    *count = (size_t)sqlite3_column_bytes(statement, column);
    return bytes;
}

bool sqlite_db_copy_bytes(struct sqlite3_stmt *statement, int column, uint8_t *to, size_t count)
{
    size_t stored;
    const uint8_t *bytes = sqlite_db_bytes(statement, column, &stored);
    if (bytes == NULL || stored != count) {
        return false;
    }
    memcpy(to, bytes, count);
    return true;
}

static int must_stop(void *context)
{
    const _Atomic bool *stop = context;
    return *stop ? 1 : 0;
}

void sqlite_db_stop_when(struct sqlite_db *db, const _Atomic bool *stop)
{
    /* SQLite hands the pointer back as it is; nothing is written through it. */
    sqlite3_progress_handler(db->handle, STOP_EVERY, must_stop, (void *)(uintptr_t)stop);
}

enum status sqlite_db_query_i64(struct sqlite_db *db, const char *sql, int64_t *value)
{
    struct sqlite3_stmt *statement;
    enum status status = sqlite_db_prepare(db, sql, &statement);
    if (status != STATUS_OK) {
        return status;
    }
    status = sqlite_db_step(db, statement);
    if (status == STATUS_OK) {
        *value = sqlite_db_i64(statement, 0);
    } else if (status == STATUS_END) {
        snprintf(db->error, sizeof(db->error), "%s: a row is missing", db->name);
        status = STATUS_DAMAGED;
    }
    sqlite_db_finalize(statement);
    return status;
}
