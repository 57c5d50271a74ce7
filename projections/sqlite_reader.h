/* Answers reads from the projection files over read-only connections, as JSON by shapes.h. Reads
 * never enter the journal and never block the writer (WAL). One thread owns a reader; make one per
 * thread. The history is all week files that are present (some weeks are archived and gone after a
 * month).
 *
 * at_least_seq: the caller's own write. The read first waits until the projection has applied it,
 * by the wait of the options; 0 waits for nothing.
 *
 * Errors of every read: STATUS_FULL not applied in time (answer OVERLOADED); STATUS_CLOSED the
 * projection has halted; STATUS_DAMAGED, STATUS_IO, STATUS_NO_MEMORY. On error nothing was written
 * to json. */
#ifndef TAPLINE_PROJECTIONS_SQLITE_READER_H
#define TAPLINE_PROJECTIONS_SQLITE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/status.h"
#include "statemachine/event.h"
#include "statemachine/view.h"

#define SQLITE_READER_WEEKS   16 /* connections to week files kept open */
#define SQLITE_READER_WAIT_MS 2000
#define SQLITE_READER_PAGE    50 /* rows of a page unless asked otherwise */

struct sqlite_reader;

struct sqlite_reader_options {
    void *context;
    /* Waits until seq is applied, at most timeout_ms: projector_wait. NULL: never waits. */
    enum status (*wait)(void *context, uint64_t seq, int timeout_ms);
    int wait_ms; /* 0: SQLITE_READER_WAIT_MS */
};

/* Owns: *reader is freed by sqlite_reader_close. main.db may come later: until then reads find
 * nothing. Errors: STATUS_NO_MEMORY. */
MUST_USE enum status sqlite_reader_open(const char *dir,
                                        const struct sqlite_reader_options *options,
                                        struct sqlite_reader **reader);
void sqlite_reader_close(struct sqlite_reader *reader); /* NULL is allowed */

/* What the last failed read says, one line. */
const char *sqlite_reader_error(const struct sqlite_reader *reader);

/* The bet object; by nonce the latest one. Errors: STATUS_NOT_FOUND. */
MUST_USE enum status sqlite_reader_bet(struct sqlite_reader *reader, uint64_t bet,
                                       uint64_t at_least_seq, struct json *json);
MUST_USE enum status sqlite_reader_bet_by_nonce(struct sqlite_reader *reader,
                                                const uint8_t account[ADDRESS_BYTES],
                                                const uint8_t nonce[NONCE_BYTES],
                                                uint64_t at_least_seq, struct json *json);

/* The same as structs, for callers that decide by it. market may be NULL. */
MUST_USE enum status sqlite_reader_find_bet(struct sqlite_reader *reader, uint64_t id,
                                            uint64_t at_least_seq, struct bet *bet,
                                            char market[LIMIT_MARKET_BYTES + 1]);
MUST_USE enum status sqlite_reader_find_nonce(struct sqlite_reader *reader,
                                              const uint8_t account[ADDRESS_BYTES],
                                              const uint8_t nonce[NONCE_BYTES],
                                              uint64_t at_least_seq, struct bet *bet,
                                              char market[LIMIT_MARKET_BYTES + 1]);

/* {account,seq,available,held,open_bets}; zeros for an unknown account. */
MUST_USE enum status sqlite_reader_account(struct sqlite_reader *reader,
                                           const uint8_t account[ADDRESS_BYTES],
                                           uint64_t at_least_seq, struct json *json);

/* One page of an account's bets or ledger rows, newest first. */
struct sqlite_reader_query {
    const uint8_t *account; /* ADDRESS_BYTES */
    uint64_t at_least_seq;
    uint64_t
        before; /* the `next` of the page before; a plain seq or bet id works too; 0: the newest */
    uint32_t limit;       /* 1..LIMIT_PAGE_ROWS; 0: SQLITE_READER_PAGE */
    enum bet_state state; /* bets: only these; 0: all */
    const char *ref_type; /* ledger: only these; NULL: all */
    const char *ref_id;   /* ledger: only these; NULL: all */
    int64_t from_ms;      /* ledger: from <= at */
    int64_t to_ms;        /* ledger: at < to; 0: no end */
};

/* {seq,bets:[bet],next}. */
MUST_USE enum status sqlite_reader_bets(struct sqlite_reader *reader,
                                        const struct sqlite_reader_query *query, struct json *json);

/* {seq,rows:[...],next}. The OPENING rows of SQLite are not postings and are not shown. */
MUST_USE enum status sqlite_reader_ledger(struct sqlite_reader *reader,
                                          const struct sqlite_reader_query *query,
                                          struct json *json);

/* The settled or void column T. Errors: STATUS_NOT_FOUND. */
MUST_USE enum status sqlite_reader_column(struct sqlite_reader *reader, int64_t column_ms,
                                          uint64_t at_least_seq, struct json *json);

/* The configuration of an epoch, 0 for the current one. Errors: STATUS_NOT_FOUND. */
MUST_USE enum status sqlite_reader_config(struct sqlite_reader *reader, uint64_t epoch,
                                          uint64_t at_least_seq, struct json *json);

/* The last seq in main.db; 0 when there is none. */
MUST_USE enum status sqlite_reader_seq(struct sqlite_reader *reader, uint64_t *seq);

#endif
