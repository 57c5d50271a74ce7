/* The index price (rules.md section 3, "Index"): the median of the fresh sources after each one's
 * slow basis is taken off, in integers only. Feeds put quotes in as they arrive; the grid timer
 * takes the index at each grid point.
 *
 *     index_quote ...          the latest book or trade of each source
 *     index_take  -> tick      steps 1 to 5; nothing has changed yet
 *     index_commit             step 6, once the tick is on its way into the journal
 *
 * A basis moves only with a tick that was recorded, so an auditor can follow every basis from the
 * records alone: index_audit does, with the same arithmetic.
 *
 * Reading of the rule where it is short: a message of either kind is a price message, so a trade
 * keeps a source with a book fresh, though its price stays that of the book. A source has a basis
 * of its own from the first time it was part of a valid index; until then its difference from m0 at
 * that moment serves, so that a source that starts as an outlier is not taken for the norm.
 *
 * **Thread:** one (the network loop). Names, once heard, stay in place and unchanged for the life
 * of the struct, so another thread may read those of a tick that was handed to it. */
#ifndef TAPLINE_INGRESS_INDEX_H
#define TAPLINE_INGRESS_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"
#include "statemachine/input.h"

#define INDEX_FRESH_MS       3000          /* greatest age of a source's last price message */
#define INDEX_OUTLIER_BP     25            /* outliers and the clamp of the basis */
#define INDEX_SPREAD_BP      10            /* widest valid index */
#define INDEX_BASIS_FRACTION 12            /* fraction bits of the EWMA, and its shift */
#define INDEX_PRICE_MAX_E4   1000000000000 /* 10^12, as for a PriceTick */

enum quote_kind {
    QUOTE_BOOK,
    QUOTE_TRADE
};

/* One price message of one source. */
struct source_quote {
    const char *source; /* 1..LIMIT_SOURCE_BYTES characters of [A-Za-z0-9._-], NUL terminated */
    enum quote_kind kind;
    int64_t bid_e4;     /* QUOTE_BOOK */
    int64_t ask_e4;     /* QUOTE_BOOK */
    int64_t price_e4;   /* QUOTE_TRADE */
    int64_t receive_ms; /* local monotonic receive time (clock.h) */
};

/* Fields are private to index.c; names[i] is bit i of the source set. */
struct index_source {
    char name[LIMIT_SOURCE_BYTES + 1];
    size_t name_bytes;
    bool book_seen;
    int64_t bid_e4;
    int64_t ask_e4;
    int64_t trade_e4;
    int64_t receive_ms;
    bool basis_known;
    int64_t basis; /* e4 with INDEX_BASIS_FRACTION fraction bits */
    bool used;     /* part of the last index taken */
};

struct index {
    size_t count;
    struct index_source sources[LIMIT_SOURCES];
    /* What index_commit will do: of the last valid index taken. */
    bool pending;
    uint32_t pending_set;
    int64_t pending_m0_e4;
    int64_t pending_price_e4[LIMIT_SOURCES];
};

/* What steps 2 to 5 make of the sources of step 1. */
struct index_result {
    bool valid;
    int64_t price_e4;
    int64_t spread_e4;
    int64_t m0_e4;
    uint32_t sources; /* how many quotes make the rest */
    uint32_t kept;    /* bit mask over the positions in the quotes array */
};

/* One source as /v1/status shows it. */
struct index_view {
    const char *name;
    int64_t price_e4; /* 0 while unusable (no book, crossed book) */
    int64_t basis_e4; /* B >> 12, before the clamp; 0 while it has none */
    int64_t age_ms;
    bool used; /* part of the last index taken */
};

/* Empty: no source heard. */
void index_init(struct index *index);

/* Forgets every basis; sources and their bits stay. */
void index_reset(struct index *index);

/* Takes one price message. A price outside 1..INDEX_PRICE_MAX_E4, or a book that is crossed, locked
 * or one-sided, makes the source unusable until its next good message.
 * **Errors:** STATUS_INVALID a name out of its shape; STATUS_FULL the name would be the 33rd. */
MUST_USE enum status index_quote(struct index *index, const struct source_quote *quote);

/* Takes the index at receive time now_ms (steps 1 to 5). True when it is valid: *tick is filled,
 * with grid_ms as given and names borrowed from `index`. Else false, *tick is untouched. */
MUST_USE bool index_take(struct index *index, int64_t now_ms, int64_t grid_ms, int64_t quorum,
                         struct price_tick *tick);

/* Step 6 for the last index taken, when it was valid; once. */
void index_commit(struct index *index);

/* Steps 2, 4 and 5 from the prices and applied basis of the sources of step 1: a pure function,
 * used by index_take and by whoever recomputes a record. count is at most LIMIT_SOURCES. */
void index_from_quotes(const struct quote *quotes, size_t count, int64_t quorum,
                       struct index_result *result);

/* Recomputes a recorded tick from its quotes, applied basis included, and moves the basis of each
 * source on. `index` begins empty at the first record and after each Start record (index_init) and
 * sees each PriceTick once, in order. The state machine's epoch need not be known: the quorum is
 * left out. **Errors:** STATUS_MISMATCH the record does not follow from its quotes or their
 * history. */
MUST_USE enum status index_audit(struct index *index, const struct price_tick *tick);

/* Fills views[0..count) in the order of bits and returns count. Names are borrowed from `index`. */
size_t index_views(const struct index *index, int64_t now_ms,
                   struct index_view views[LIMIT_SOURCES]);

#endif
