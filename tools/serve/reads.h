/* Reads of the SQLite projection, off the loop thread: a bounded queue, two reader threads, and the
 * answers posted back to the loop. Each read waits until the projection has what its asker was
 * already told (at_least_seq). */
#ifndef TAPLINE_TOOLS_SERVE_READS_H
#define TAPLINE_TOOLS_SERVE_READS_H

#include <stdint.h>

#include "base/json.h"
#include "base/status.h"
#include "ingress/mailbox.h"
#include "projections/projector.h"
#include "projections/sqlite_reader.h"

#define READS_QUEUE   4096 /* on their way, from the submit until the loop has the answer */
#define READS_THREADS 2

enum read_kind {
    READ_BET,
    READ_BET_BY_NONCE,
    READ_ACCOUNT,
    READ_BETS,
    READ_LEDGER,
    READ_COLUMN,
    READ_CONFIG,
};

/* One read. The loop makes it and gets it back in its mailbox with status and json filled. */
struct read {
    enum read_kind kind;
    uint64_t at_least_seq;
    uint64_t id; /* bet, column or epoch */
    uint8_t account[ADDRESS_BYTES];
    uint8_t nonce[NONCE_BYTES];
    struct sqlite_reader_query query; /* BETS, LEDGER; its texts point to `ref_type`, `ref_id` */
    char ref_type[LIMIT_REFERENCE_BYTES + 1];
    char ref_id[LIMIT_REFERENCE_BYTES + 1];

    enum status status;
    struct json json;

    /* The asker's own. */
    void (*done)(void *context, struct read *read); /* on the loop; frees it */
    void *context;
    uint64_t connection;
    char op_id[LIMIT_REQUEST_ID_BYTES + 1];
    struct read *next;
};

struct reads;

/* Starts the threads. `mailbox`, with room for READS_QUEUE items, gets each finished read. Owns:
 * *reads is freed by reads_close. Errors: STATUS_NO_MEMORY. */
MUST_USE enum status reads_open(const char *data_dir, struct projector *projector,
                                struct mailbox *mailbox, struct reads **reads);

/* NULL when memory is out. Owns: read_free. */
struct read *read_new(enum read_kind kind);
void read_free(struct read *read);

/* Hands a read over. Errors: STATUS_FULL (OVERLOADED), the read stays the caller's. Thread: the
 * loop. */
MUST_USE enum status reads_submit(struct reads *reads, struct read *read);

/* A finished read has left the mailbox: there is room for another. Thread: the loop. */
void reads_taken(struct reads *reads);

/* Reads on their way; for metrics. Thread: any. */
uint32_t reads_waiting(struct reads *reads);

/* Ends the threads and frees; what no thread has begun goes to the mailbox with STATUS_CLOSED. The
 * mailbox is closed after this. NULL is allowed. */
void reads_close(struct reads *reads);

#endif
