#include "ingress/index.h"

#include <string.h>

#include "base/check.h"
#include "base/units.h"
#include "base/wide.h"

/* All sums below fit: a price is at most 10^12, a basis in 12 fraction bits 4.1 * 10^15, a product
 * with BP_ONE 2 * 10^16. Right shifts of negative numbers floor (gcc and clang both; rules.md
 * section 1 wants the floor). */
_Static_assert(-3 >> 1 == -2, "a right shift floors");
_Static_assert(INDEX_PRICE_MAX_E4 <= INT64_MAX / (4 * (int64_t)BP_ONE), "products fit");
_Static_assert(INDEX_PRICE_MAX_E4 <= INT64_MAX >> (INDEX_BASIS_FRACTION + 2), "a basis fits");
_Static_assert(LIMIT_SOURCES == 32, "a source set is a 32-bit mask");

#define BASIS_ONE ((int64_t)1 << INDEX_BASIS_FRACTION)

void index_init(struct index *index)
{
    memset(index, 0, sizeof *index);
}

void index_reset(struct index *index)
{
    for (size_t i = 0; i < index->count; i++) {
        index->sources[i].basis_known = false;
        index->sources[i].basis = 0;
    }
    index->pending = false;
}

static bool name_is_well_formed(const char *name, size_t bytes)
{
    if (bytes == 0 || bytes > LIMIT_SOURCE_BYTES) {
        return false;
    }
    for (size_t i = 0; i < bytes; i++) {
        const char c = name[i];
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        const bool digit = c >= '0' && c <= '9';
        if (!letter && !digit && c != '.' && c != '_' && c != '-') {
            return false;
        }
    }
    return true;
}

/* Finds the source or appends it; *source is untouched on an error. */
static enum status find_or_add(struct index *index, const char *name, size_t bytes,
                               struct index_source **source)
{
    if (!name_is_well_formed(name, bytes)) {
        return STATUS_INVALID;
    }
    for (size_t i = 0; i < index->count; i++) {
        struct index_source *known = &index->sources[i];
        if (known->name_bytes == bytes && memcmp(known->name, name, bytes) == 0) {
            *source = known;
            return STATUS_OK;
        }
    }
    if (index->count == LIMIT_SOURCES) {
        return STATUS_FULL;
    }
    struct index_source *added = &index->sources[index->count++];
    memset(added, 0, sizeof *added);
    memcpy(added->name, name, bytes);
    added->name_bytes = bytes;
    *source = added;
    return STATUS_OK;
}

enum status index_quote(struct index *index, const struct source_quote *quote)
{
    struct index_source *source;
    const size_t bytes = strnlen(quote->source, LIMIT_SOURCE_BYTES + 1);
    const enum status status = find_or_add(index, quote->source, bytes, &source);
    if (status != STATUS_OK) {
        return status;
    }
    switch (quote->kind) {
    case QUOTE_BOOK:
        source->book_seen = true;
        source->bid_e4 = quote->bid_e4;
        source->ask_e4 = quote->ask_e4;
        break;
    case QUOTE_TRADE:
        source->trade_e4 = quote->price_e4;
        break;
    }
    source->receive_ms = quote->receive_ms;
    return STATUS_OK;
}

/* The source's price, 0 when it has none that may be used. */
static int64_t source_price(const struct index_source *source)
{
    if (!source->book_seen) {
        const bool usable = source->trade_e4 > 0 && source->trade_e4 <= INDEX_PRICE_MAX_E4;
        return usable ? source->trade_e4 : 0;
    }
    const bool usable = source->bid_e4 > 0 && source->ask_e4 > source->bid_e4 &&
                        source->ask_e4 <= INDEX_PRICE_MAX_E4;
    return usable ? (source->bid_e4 + source->ask_e4) >> 1 : 0;
}

/* The median; an even count gives the floor of the mean of the middle two. Sorts `values`. */
static int64_t median(int64_t *values, size_t count)
{
    CHECK(count > 0);
    for (size_t i = 1; i < count; i++) {
        const int64_t value = values[i];
        size_t place = i;
        for (; place > 0 && values[place - 1] > value; place--) {
            values[place] = values[place - 1];
        }
        values[place] = value;
    }
    if (count % 2 == 1) {
        return values[count / 2];
    }
    return (values[count / 2 - 1] + values[count / 2]) >> 1;
}

static int64_t median_price(const struct quote *quotes, size_t count)
{
    int64_t prices[LIMIT_SOURCES];
    for (size_t i = 0; i < count; i++) {
        prices[i] = quotes[i].price_e4;
    }
    return median(prices, count);
}

/* Step 3: B >> 12, clamped to +-25 bp of m0. */
static int64_t applied_basis(int64_t basis, int64_t m0_e4)
{
    const int64_t limit = m0_e4 * INDEX_OUTLIER_BP / (int64_t)BP_ONE; /* m0 > 0: floors */
    const int64_t whole = basis >> INDEX_BASIS_FRACTION;
    if (whole > limit) {
        return limit;
    }
    return whole < -limit ? -limit : whole;
}

/* The source's own B, or what serves for it while it has none. */
static int64_t basis_before(const struct index_source *source, int64_t price_e4, int64_t m0_e4)
{
    return source->basis_known ? source->basis : (price_e4 - m0_e4) * BASIS_ONE;
}

/* Step 6. */
static void basis_move(struct index_source *source, int64_t price_e4, int64_t m0_e4)
{
    const int64_t before = basis_before(source, price_e4, m0_e4);
    source->basis = before + (price_e4 - m0_e4) - (before >> INDEX_BASIS_FRACTION);
    source->basis_known = true;
}

void index_from_quotes(const struct quote *quotes, size_t count, int64_t quorum,
                       struct index_result *result)
{
    memset(result, 0, sizeof *result);
    CHECK(count <= LIMIT_SOURCES);
    if (count == 0) {
        return;
    }
    int64_t adjusted[LIMIT_SOURCES];
    int64_t sorted[LIMIT_SOURCES];
    for (size_t i = 0; i < count; i++) {
        adjusted[i] = quotes[i].price_e4 - quotes[i].basis_e4;
        sorted[i] = adjusted[i];
    }
    result->m0_e4 = median_price(quotes, count);
    const int64_t m1 = median(sorted, count);

    int64_t rest[LIMIT_SOURCES];
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const int64_t distance = adjusted[i] > m1 ? adjusted[i] - m1 : m1 - adjusted[i];
        if (distance * (int64_t)BP_ONE <= INDEX_OUTLIER_BP * m1) {
            rest[kept++] = adjusted[i];
            result->kept |= (uint32_t)1 << i;
        }
    }
    if (kept == 0) {
        return;
    }
    result->sources = (uint32_t)kept;
    result->price_e4 = median(rest, kept); /* sorts */
    result->spread_e4 = rest[kept - 1] - rest[0];
    const bool narrow = result->spread_e4 * (int64_t)BP_ONE <= INDEX_SPREAD_BP * result->price_e4;
    const bool priced = result->price_e4 >= 1 && result->price_e4 <= INDEX_PRICE_MAX_E4;
    result->valid = narrow && priced && (int64_t)kept >= quorum;
}

/* Step 1: fills quotes (basis not yet) and the source number of each; returns how many. */
static size_t fresh_quotes(const struct index *index, int64_t now_ms, struct quote *quotes,
                           size_t *numbers)
{
    size_t count = 0;
    for (size_t i = 0; i < index->count; i++) {
        const struct index_source *source = &index->sources[i];
        const int64_t price_e4 = source_price(source);
        if (price_e4 == 0 || now_ms - source->receive_ms > INDEX_FRESH_MS) {
            continue;
        }
        quotes[count].name.text = source->name;
        quotes[count].name.length = source->name_bytes;
        quotes[count].price_e4 = price_e4;
        numbers[count++] = i;
    }
    return count;
}

bool index_take(struct index *index, int64_t now_ms, int64_t grid_ms, int64_t quorum,
                struct price_tick *tick)
{
    struct quote quotes[LIMIT_SOURCES];
    size_t numbers[LIMIT_SOURCES];
    index->pending = false;
    for (size_t i = 0; i < index->count; i++) {
        index->sources[i].used = false;
    }
    const size_t count = fresh_quotes(index, now_ms, quotes, numbers);
    if (count == 0) {
        return false;
    }
    const int64_t m0 = median_price(quotes, count);
    for (size_t i = 0; i < count; i++) {
        const struct index_source *source = &index->sources[numbers[i]];
        quotes[i].basis_e4 = applied_basis(basis_before(source, quotes[i].price_e4, m0), m0);
    }
    struct index_result result;
    index_from_quotes(quotes, count, quorum, &result);
    if (!result.valid) {
        return false;
    }
    index->pending = true;
    index->pending_m0_e4 = m0;
    index->pending_set = 0;
    for (size_t i = 0; i < count; i++) {
        if ((result.kept >> i & 1) != 0) {
            index->pending_set |= (uint32_t)1 << numbers[i];
            index->pending_price_e4[numbers[i]] = quotes[i].price_e4;
            index->sources[numbers[i]].used = true;
        }
    }
    tick->grid_ms = grid_ms;
    tick->price_e4 = result.price_e4;
    tick->spread_e4 = result.spread_e4;
    tick->m0_e4 = m0;
    tick->sources = result.sources;
    tick->set = index->pending_set;
    tick->quote_count = count;
    memcpy(tick->quotes, quotes, count * sizeof quotes[0]);
    return true;
}

void index_commit(struct index *index)
{
    if (!index->pending) {
        return;
    }
    index->pending = false;
    for (size_t i = 0; i < index->count; i++) {
        if ((index->pending_set >> i & 1) != 0) {
            basis_move(&index->sources[i], index->pending_price_e4[i], index->pending_m0_e4);
        }
    }
}

/* Looks up the source of each quote of a record; false when a name or price is out of its shape or
 * names repeat. */
static bool audit_sources(struct index *index, const struct price_tick *tick,
                          struct index_source *sources[LIMIT_SOURCES])
{
    if (tick->quote_count == 0 || tick->quote_count > LIMIT_SOURCES) {
        return false;
    }
    for (size_t i = 0; i < tick->quote_count; i++) {
        const struct quote *quote = &tick->quotes[i];
        if (quote->price_e4 < 1 || quote->price_e4 > INDEX_PRICE_MAX_E4 ||
            find_or_add(index, quote->name.text, quote->name.length, &sources[i]) != STATUS_OK) {
            return false;
        }
        for (size_t j = 0; j < i; j++) {
            if (sources[j] == sources[i]) {
                return false;
            }
        }
    }
    return true;
}

enum status index_audit(struct index *index, const struct price_tick *tick)
{
    struct index_source *sources[LIMIT_SOURCES];
    if (!audit_sources(index, tick, sources)) {
        return STATUS_MISMATCH;
    }
    const int64_t m0 = median_price(tick->quotes, tick->quote_count);
    for (size_t i = 0; i < tick->quote_count; i++) {
        const struct quote *quote = &tick->quotes[i];
        const int64_t basis = basis_before(sources[i], quote->price_e4, m0);
        if (quote->basis_e4 != applied_basis(basis, m0)) {
            return STATUS_MISMATCH;
        }
    }
    struct index_result result;
    index_from_quotes(tick->quotes, tick->quote_count, 1, &result);
    /* The set's bits follow the order in which the process heard the names, also of sources that
     * never were in a record: only their number can be checked here. */
    if (!result.valid || m0 != tick->m0_e4 || result.price_e4 != tick->price_e4 ||
        result.spread_e4 != tick->spread_e4 || result.sources != tick->sources ||
        __builtin_popcount(tick->set) != (int)result.sources) {
        return STATUS_MISMATCH;
    }
    for (size_t i = 0; i < tick->quote_count; i++) {
        if ((result.kept >> i & 1) != 0) {
            basis_move(sources[i], tick->quotes[i].price_e4, m0);
        }
    }
    return STATUS_OK;
}

size_t index_views(const struct index *index, int64_t now_ms,
                   struct index_view views[LIMIT_SOURCES])
{
    for (size_t i = 0; i < index->count; i++) {
        const struct index_source *source = &index->sources[i];
        views[i].name = source->name;
        views[i].price_e4 = source_price(source);
        views[i].basis_e4 = source->basis_known ? source->basis >> INDEX_BASIS_FRACTION : 0;
        views[i].age_ms = now_ms - source->receive_ms;
        views[i].used = source->used;
    }
    return index->count;
}
