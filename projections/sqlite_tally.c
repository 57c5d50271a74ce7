/* SQL's tally() and tally_ordered(), which the check of indexes is made of. A part of the adapter:
 * functions of SQL are spoken of in SQLite's own types. */
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "projections/sqlite_db.h"

#define BYTES_MAX 256 /* of one row's values; rows of ours are shorter, others are cut */

/* Zeroed by SQLite at the first row. */
struct tally {
    uint64_t rows;
    uint64_t sums[2];
    uint8_t last[BYTES_MAX + 4];
    size_t last_bytes;
    bool unordered;
    bool failed;
};

/* The finalizer of SplitMix64: every bit of the input moves every bit of the output. */
static uint64_t mix(uint64_t word)
{
    word ^= word >> 30;
    word *= 0xbf58476d1ce4e5b9u;
    word ^= word >> 27;
    word *= 0x94d049bb133111ebu;
    return word ^ word >> 31;
}

static uint64_t hash(const uint8_t *bytes, size_t count, uint64_t seed)
{
    uint64_t state = mix(seed ^ count);
    for (size_t at = 0; at < count; at += 8) {
        uint8_t word[8] = {0};
        memcpy(word, bytes + at, count - at < 8 ? count - at : 8);
        state = mix(state ^ load_u64(word)) + seed;
    }
    return state;
}

/* Appends a value so that the bytes of rows compare as the rows do: whole numbers by their value,
 * texts and blobs by their bytes, an end below every byte. */
static void append(struct tally *tally, uint8_t *row, size_t *count, sqlite3_value *value)
{
    uint8_t encoded[9];
    if (sqlite3_value_type(value) == SQLITE_INTEGER) {
        const uint64_t number = (uint64_t)sqlite3_value_int64(value) ^ (uint64_t)1 << 63;
        encoded[0] = 1;
        for (size_t i = 0; i < 8; i++) {
            encoded[1 + i] = (uint8_t)(number >> (56 - 8 * i));
        }
        if (*count + sizeof(encoded) <= BYTES_MAX) {
            memcpy(row + *count, encoded, sizeof(encoded));
            *count += sizeof(encoded);
        }
        return;
    }
    const uint8_t *bytes = sqlite3_value_blob(value);
    const size_t length = (size_t)sqlite3_value_bytes(value);
    if (bytes == NULL && length > 0) {
        tally->failed = true; /* no memory */
        return;
    }
    for (size_t i = 0; i < length && *count + 4 <= BYTES_MAX; i++) {
        row[(*count)++] = bytes[i];
        if (bytes[i] == 0) {
            row[(*count)++] = 0xff;
        }
    }
    row[(*count)++] = 0;
    row[(*count)++] = 0;
}

static bool above(const struct tally *tally, const uint8_t *row, size_t count)
{
    const size_t least = count < tally->last_bytes ? count : tally->last_bytes;
    const int order = memcmp(row, tally->last, least);
    return order > 0 || (order == 0 && count > tally->last_bytes);
}

static void step(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct tally *tally = sqlite3_aggregate_context(context, sizeof(*tally));
    if (tally == NULL) {
        sqlite3_result_error_nomem(context);
        return;
    }
    const uint64_t *seeds = sqlite3_user_data(context);
    uint8_t row[BYTES_MAX + 4];
    size_t bytes = 0;
    for (int i = 0; i < count; i++) {
        append(tally, row, &bytes, values[i]);
    }
    if (tally->rows > 0 && !above(tally, row, bytes)) {
        tally->unordered = true;
    }
    memcpy(tally->last, row, bytes);
    tally->last_bytes = bytes;
    tally->rows += 1;
    tally->sums[0] += hash(row, bytes, seeds[0]);
    tally->sums[1] += hash(row, bytes, seeds[1]);
}

static void give(sqlite3_context *context, bool ordered)
{
    const struct tally *tally = sqlite3_aggregate_context(context, 0);
    uint8_t result[SQLITE_DB_TALLY_BYTES] = {0};
    if (tally != NULL && tally->failed) {
        sqlite3_result_error_nomem(context);
        return;
    }
    if (tally != NULL && ordered && tally->unordered) {
        sqlite3_result_null(context);
        return;
    }
    if (tally != NULL) {
        store_u64(result, tally->rows);
        store_u64(result + 8, tally->sums[0]);
        store_u64(result + 16, tally->sums[1]);
    }
    sqlite3_result_blob(context, result, sizeof(result), SQLITE_TRANSIENT);
}

static void give_any(sqlite3_context *context)
{
    give(context, false);
}

static void give_ordered(sqlite3_context *context)
{
    give(context, true);
}

/* The seeds are of chance: nobody can prepare an index whose sums come out the same. */
static int add(struct sqlite3 *handle, const char *name, const uint64_t seeds[2],
               void (*final)(sqlite3_context *))
{
    uint64_t *own = malloc(2 * sizeof(uint64_t));
    if (own == NULL) {
        return SQLITE_NOMEM;
    }
    memcpy(own, seeds, 2 * sizeof(uint64_t));
    return sqlite3_create_function_v2(handle, name, -1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, own,
                                      NULL, step, final, free); /* frees `own` on failure, too */
}

enum status sqlite_db_add_tally(struct sqlite_db *db)
{
    uint64_t seeds[2];
    sqlite3_randomness(sizeof(seeds), seeds);
    int result = add(db->handle, "tally", seeds, give_any);
    if (result == SQLITE_OK) {
        result = add(db->handle, "tally_ordered", seeds, give_ordered);
    }
    return result == SQLITE_OK ? STATUS_OK : STATUS_NO_MEMORY;
}
