#include "tools/bench/fill_taps.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "ingress/tap_text.h"

#define MARKET "BTC-USD"
#define ORIGIN "http://127.0.0.1:8080"

#define DRAWS_MAX 8

/* Far enough inside the limits of an offer that most cells still are on offer when priced. */
#define MULT_LEAST_CENTI 110
#define MULT_MOST_CENTI  1500

#define HOUSE_MICRO        ((int64_t)1000000000 * MICRO_PER_USD) /* the most that one transfer moves */
#define MISTAKES_PER_MILLE 10
#define OLD_MS             (LIMIT_TAP_AGE_MS + 10000)

/* One in so many taps is followed by one. */
#define DEPOSIT_EVERY    5000
#define WITHDRAWAL_EVERY 10000
#define GOODWILL_EVERY   50000

static const int64_t stakes_micro[] = {100000,  200000,  500000,  500000,
                                       1000000, 1000000, 2000000, 5000000};
#define STAKES (sizeof(stakes_micro) / sizeof(stakes_micro[0]))

uint64_t fill_random_next(struct fill_random *random)
{
    random->state += 0x9e3779b97f4a7c15u;
    uint64_t z = random->state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t fill_random_below(struct fill_random *random, uint64_t bound)
{
    return fill_random_next(random) % bound;
}

static uint32_t some_account(struct fill_taps *taps)
{
    return (uint32_t)fill_random_below(taps->random, taps->accounts);
}

/* --- Money. --- */

static bool transfer(struct fill_taps *taps, enum input_kind kind, uint32_t account,
                     int64_t amount_micro, int64_t now_ms)
{
    char reference[32];
    const int length = snprintf(reference, sizeof(reference), "fill-%" PRIu64, ++taps->references);
    taps->input.kind = kind;
    taps->input.of.transfer = (struct transfer){
        .amount_micro = amount_micro,
        .reference = {reference, (size_t)length},
        .operator_name = {"bench", 5},
    };
    if (kind != INPUT_HOUSE_DEPOSIT) {
        memcpy(taps->input.of.transfer.account, taps->wallets.addresses[account], ADDRESS_BYTES);
    }
    if (kind == INPUT_GOODWILL) {
        taps->input.of.transfer.note = (struct text_view){"thanks for your patience", 24};
    }
    return fill_engine_put(taps->engine, &taps->input, now_ms);
}

bool fill_taps_fund(struct fill_taps *taps, int64_t now_ms)
{
    bool going = transfer(taps, INPUT_HOUSE_DEPOSIT, 0, HOUSE_MICRO, now_ms);
    for (uint32_t i = 0; going && i < taps->accounts; i++) {
        going = transfer(taps, INPUT_DEPOSIT, i, FILL_DEPOSIT_MICRO, now_ms);
    }
    return going;
}

static bool withdraw(struct fill_taps *taps, int64_t now_ms)
{
    const uint32_t account = some_account(taps);
    struct account_view view;
    machine_account(fill_engine_machine(taps->engine), taps->wallets.addresses[account], &view);
    return transfer(taps, INPUT_WITHDRAWAL, account, view.available_micro / 4 + 1, now_ms);
}

static bool move_money(struct fill_taps *taps, int64_t now_ms)
{
    bool going = true;
    if (fill_random_below(taps->random, DEPOSIT_EVERY) == 0) {
        going = transfer(taps, INPUT_DEPOSIT, some_account(taps), 100 * MICRO_PER_USD, now_ms);
    }
    if (going && fill_random_below(taps->random, WITHDRAWAL_EVERY) == 0) {
        going = withdraw(taps, now_ms);
    }
    if (going && fill_random_below(taps->random, GOODWILL_EVERY) == 0) {
        going = transfer(taps, INPUT_GOODWILL, some_account(taps), MICRO_PER_USD, now_ms);
    }
    return going;
}

/* --- Taps. --- */

void fill_taps_see_grid(struct fill_taps *taps, int64_t tick_ms)
{
    const struct machine *machine = fill_engine_machine(taps->engine);
    const struct config *config = machine_config(machine);
    machine_grid(machine, &taps->grid);
    taps->offer_count = 0;
    for (uint32_t i = 0; i < taps->grid.column_count; i++) {
        const struct column_view *column = &taps->grid.columns[i];
        if (column->column_ms - taps->grid.time_ms <
            config->min_lead_ms + config->pricing_delay_ms + tick_ms + FILL_SPARE_MS) {
            continue;
        }
        for (uint32_t j = 0; j < column->cell_count; j++) {
            const struct cell_view *cell = &column->cells[j];
            if (cell->mult_centi >= MULT_LEAST_CENTI && cell->mult_centi <= MULT_MOST_CENTI) {
                taps->offers[taps->offer_count++] =
                    (struct fill_offer){column->column_ms, cell->band};
            }
        }
    }
}

/* 65 bytes in the shape of a signature: s of at most n/2, v of 27 or 28. */
static void make_filler(struct fill_taps *taps)
{
    for (size_t at = 0; at < LIMIT_SIGNATURE_BYTES - 1; at += 8) {
        store_u64(taps->signature + at, fill_random_next(taps->random));
    }
    taps->signature[32] &= 0x7f;
    taps->signature[64] = 27 + (taps->signature[0] & 1);
}

static void sign(struct fill_taps *taps, uint32_t account)
{
    char text[TAP_TEXT_BYTES_MAX];
    uint8_t secret[WALLET_SECRET_BYTES];
    const size_t length = tap_text_format(text, &taps->input.of.tap);
    wallets_secret(account, secret);
    CHECK(length > 0);
    CHECK(wallet_sign(taps->wallets.curve, secret, text, length, taps->signature));
}

static void new_nonce(struct fill_taps *taps)
{
    store_u64(taps->input.of.tap.nonce, fill_random_next(taps->random));
    store_u64(taps->input.of.tap.nonce + 8, fill_random_next(taps->random));
}

/* A good tap of the account on a random cell. */
static void draw_tap(struct fill_taps *taps, uint32_t account, int64_t now_ms)
{
    const struct fill_offer *offer =
        &taps->offers[fill_random_below(taps->random, taps->offer_count)];
    taps->input.kind = INPUT_TAP;
    taps->input.of.tap = (struct tap){
        .market = {MARKET, strlen(MARKET)},
        .origin = {ORIGIN, strlen(ORIGIN)},
        .column_ms = offer->column_ms,
        .band = offer->band,
        .stake_micro = stakes_micro[fill_random_below(taps->random, STAKES)],
        .min_mult_centi = 100,
        .config = (int64_t)taps->grid.epoch,
        .message_ms = now_ms - 20 - (int64_t)fill_random_below(taps->random, 300),
        .signature = taps->signature,
        .signature_bytes = LIMIT_SIGNATURE_BYTES,
    };
    memcpy(taps->input.of.tap.account, taps->wallets.addresses[account], ADDRESS_BYTES);
    new_nonce(taps);
}

static bool put_tap(struct fill_taps *taps, uint32_t account, int64_t now_ms)
{
    if (taps->with_signatures) {
        sign(taps, account);
    } else {
        make_filler(taps);
    }
    return fill_engine_put(taps->engine, &taps->input, now_ms);
}

/* What gets into a journal though it makes no bet. */
enum mistake {
    MISTAKE_MULT,     /* PRICE_MOVED */
    MISTAKE_STRANGER, /* INSUFFICIENT_FUNDS: an account that is unknown */
    MISTAKE_CLOCK,    /* TIME_SKEW */
    MISTAKE_EPOCH,    /* CONFIG_CHANGED */
    MISTAKE_LATE,     /* TOO_LATE */
    MISTAKE_TWICE,    /* the last tap again: its bet, no effect */
    MISTAKE_CELL,     /* CELL_TAKEN: the last one's cell */
    MISTAKE_NONCE,    /* NONCE_REUSED */
    MISTAKE_COUNT
};

static bool tap_wrongly(struct fill_taps *taps, int64_t now_ms)
{
    const enum mistake mistake =
        (enum mistake)fill_random_below(taps->random, (uint64_t)MISTAKE_COUNT);
    struct tap *tap = &taps->input.of.tap;
    uint32_t account = taps->last_account;
    draw_tap(taps, account, now_ms);
    switch (mistake) {
    case MISTAKE_MULT:
        tap->min_mult_centi = 5000;
        break;
    case MISTAKE_STRANGER:
        account = taps->accounts;
        memcpy(tap->account, taps->wallets.addresses[account], ADDRESS_BYTES);
        break;
    case MISTAKE_CLOCK:
        tap->message_ms = now_ms - OLD_MS;
        break;
    case MISTAKE_EPOCH:
        tap->config -= 1;
        break;
    case MISTAKE_LATE:
        tap->column_ms = taps->grid.columns[0].column_ms;
        break;
    case MISTAKE_TWICE:
        *tap = taps->last;
        memcpy(taps->signature, taps->last_signature, LIMIT_SIGNATURE_BYTES);
        return fill_engine_put(taps->engine, &taps->input, now_ms);
    case MISTAKE_CELL:
        tap->column_ms = taps->last.column_ms;
        tap->band = taps->last.band;
        break;
    case MISTAKE_NONCE:
        memcpy(tap->nonce, taps->last.nonce, NONCE_BYTES);
        break;
    case MISTAKE_COUNT:
        break;
    }
    return put_tap(taps, account, now_ms);
}

static bool tap_rightly(struct fill_taps *taps, int64_t now_ms)
{
    const struct machine *machine = fill_engine_machine(taps->engine);
    for (int draw = 0; draw < DRAWS_MAX; draw++) {
        const uint32_t account = some_account(taps);
        draw_tap(taps, account, now_ms);
        const struct tap_check check =
            machine_check_tap(machine, &taps->input.of.tap, now_ms, false);
        if (check.outcome == TAP_WOULD_BET) {
            const bool going = put_tap(taps, account, now_ms);
            taps->last = taps->input.of.tap;
            taps->last_account = account;
            memcpy(taps->last_signature, taps->signature, LIMIT_SIGNATURE_BYTES);
            taps->has_last = true;
            return going;
        }
        taps->edge_refused += 1;
        if (check.reason == REASON_INSUFFICIENT_FUNDS &&
            !transfer(taps, INPUT_DEPOSIT, account, FILL_DEPOSIT_MICRO, now_ms)) {
            return false;
        }
    }
    return true; /* too few accounts for the rate: this one does not tap */
}

bool fill_taps_tap(struct fill_taps *taps, int64_t now_ms)
{
    if (taps->offer_count == 0) {
        return true;
    }
    const bool wrong = taps->has_last && fill_random_below(taps->random, 1000) < MISTAKES_PER_MILLE;
    const bool going = wrong ? tap_wrongly(taps, now_ms) : tap_rightly(taps, now_ms);
    return going && move_money(taps, now_ms);
}

/* --- Opening. --- */

enum status fill_taps_open(struct fill_taps *taps, struct fill_engine *engine,
                           struct fill_random *random, uint32_t accounts, bool with_signatures)
{
    memset(taps, 0, sizeof(*taps));
    taps->engine = engine;
    taps->random = random;
    taps->accounts = accounts;
    taps->with_signatures = with_signatures;
    return wallets_open(&taps->wallets, accounts + 1);
}

void fill_taps_close(struct fill_taps *taps)
{
    wallets_close(&taps->wallets);
}
