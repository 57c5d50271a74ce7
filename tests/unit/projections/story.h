/* A hand-made history for the tests of the projections: twenty records around the border of two ISO
 * weeks, told through real outboxes, with every kind of event and posting that ends in a row. It
 * keeps its own books, so that postings carry true balances. Cut into outboxes of any size it is
 * the same history.
 *
 *     seq  time (from the border)
 *      1  -3600.0 s  configuration, epoch 1
 *      2  -3599.0    house deposit of 1,000 USD
 *      3  -3598.0    deposit of 10 USD opens user 1
 *      4  -3597.0    deposit of 5 USD opens user 2
 *      5  -3596.0    tick
 *      6  -3595.0    user 1: bet 6 of 1.50 accepted
 *      7  -3594.4    tick: bet 6 confirmed at 2.10x
 *      8  -3594.0    user 2: bet 8 refused in its own step, TOO_LATE
 *      9  -3593.0    user 2: bet 9 of 1.00 accepted
 *     10  -3592.4    tick: bet 9 rejected, PRICE_MOVED
 *     11  -3585.0    tick: bet 6 won, its column settled
 *     12    -10.0    user 1: bet 12 of 2.00 accepted
 *     13     -9.4    tick: bet 12 confirmed at 3.00x
 *     14     -0.2    user 2: bet 14 of 1.00 accepted
 *     15      0.2    tick, the first record of the new week: bet 14 confirmed at 1.50x
 *     16      5.0    tick: bet 12 void (SOURCE_JUMP), bet 14 lost, their column settled as void
 *     17      6.0    withdrawal of 1 USD by user 2
 *     18      7.0    user 1: bet 18 of 0.50, accepted and confirmed in one step
 *     19     20.0    clock tick
 *     20     21.0    a process began */
#ifndef TAPLINE_TESTS_UNIT_PROJECTIONS_STORY_H
#define TAPLINE_TESTS_UNIT_PROJECTIONS_STORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "projections/outbox.h"
#include "projections/sqlite_writer.h"

#define STORY_RECORDS   20
#define STORY_BORDER_MS ((int64_t)1795392000000) /* Monday 2026-11-23 00:00:00 UTC, of 2026-W48 */
#define STORY_WEEK_1    "bets_2026_w47.db"
#define STORY_WEEK_2    "bets_2026_w48.db"

extern const uint8_t story_accounts[3][ADDRESS_BYTES]; /* of users 1 and 2; [0] is nobody's */

struct story {
    struct outbox *outboxes[STORY_RECORDS];
    size_t count;
};

/* The whole history in outboxes of `cut` records each (the last may have less). */
void story_tell(struct story *story, size_t cut);
void story_free(struct story *story);

/* A new empty directory, and its removal with all files. */
void story_directory(char dir[64]);
void story_remove_directory(const char *dir);
/* dir/name removed; copied to dir/to. */
void story_remove(const char *dir, const char *name);
void story_copy(const char *dir, const char *name, const char *to);
bool story_exists(const char *dir, const char *name);

/* Opens a writer with repair allowed, any journal head. */
struct sqlite_writer *story_writer(const char *dir, struct sqlite_writer_report *report);

/* Applies the outboxes that end after `after` and begin at or before `last`, each on its own. */
void story_apply(struct sqlite_writer *writer, const struct story *story, uint64_t after,
                 uint64_t last);

/* Opens dir, applies the whole history from where the files are, closes. */
void story_bring_up(const char *dir, size_t cut);

/* Runs SQL on dir/name; and the one integer that a query gives. */
void story_execute(const char *dir, const char *name, const char *sql);
int64_t story_query(const char *dir, const char *name, const char *sql);

/* All table digests of dir as text lines "file table rows digest"; to is overwritten. */
#define STORY_DIGESTS_BYTES 4096
void story_digests(const char *dir, char to[STORY_DIGESTS_BYTES]);

#endif
