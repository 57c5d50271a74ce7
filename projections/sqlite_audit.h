/* Looks at the projection files from outside, for `verify`, for tests and for the journal's
 * witness: a digest of every table, all users for a comparison with a replayed state, the sums of
 * the ledger. Opens read-only connections of its own and needs no writer. */
#ifndef TAPLINE_PROJECTIONS_SQLITE_AUDIT_H
#define TAPLINE_PROJECTIONS_SQLITE_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "base/units.h"

#define SQLITE_AUDIT_TEXT_BYTES 512

/* The highest applied seq of all projection files in dir and the file that has it (for
 * journal_options.witness_seq); 0 and "" when there is none. Unreadable files are no witnesses. */
void sqlite_audit_witness(const char *dir, uint64_t *seq, char name[32]);

/* One table's rows, each value with its type and length, in the order of the primary key. */
struct sqlite_audit_table {
    const char *file; /* "main.db", "bets_2026_w47.db" */
    const char *table;
    uint64_t rows;
    uint8_t digest[HASH_BYTES]; /* SHA-256 */
};

/* Calls visit for each table of each file, both in the order of names: equal histories give equal
 * digests, whatever the cuts of the transactions were. `applied` is not among them (its seq depends
 * on those cuts), nor is weeks.archived. `text` gets one line on error. Errors: STATUS_DAMAGED,
 * STATUS_VERSION, STATUS_IO, STATUS_NO_MEMORY. */
MUST_USE enum status sqlite_audit_tables(const char *dir, void *context,
                                         void (*visit)(void *context,
                                                       const struct sqlite_audit_table *table),
                                         char text[SQLITE_AUDIT_TEXT_BYTES]);

struct sqlite_audit_user {
    uint64_t id;
    const uint8_t *account; /* ADDRESS_BYTES, borrowed */
    int64_t balance_micro;
    int64_t held_micro;
    int64_t open_bets;
};

/* main.db's users in the order of ids, and the seq (and state digest) they are as of.
 * Errors: STATUS_NOT_FOUND no main.db; as above. */
MUST_USE enum status
sqlite_audit_users(const char *dir, void *context,
                   void (*visit)(void *context, const struct sqlite_audit_user *user),
                   uint64_t *seq, uint8_t digest[HASH_BYTES], char text[SQLITE_AUDIT_TEXT_BYTES]);

/* Checks users.balance = SUM(amount) of the newest week, and, when all weeks are present, over all
 * weeks without the OPENING rows. Only while nothing is being written. Errors: STATUS_MISMATCH with
 * the first user that differs in `text`; as above. */
MUST_USE enum status sqlite_audit_sums(const char *dir, char text[SQLITE_AUDIT_TEXT_BYTES]);

#endif
