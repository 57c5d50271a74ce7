/* The real state machine in front of the projection files: a random market over the border of two
 * weeks, whose rows must agree with the machine at the end, whatever was lost on the way. */
#include "story.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../random.h"
#include "projections/shapes.h"
#include "projections/sqlite_audit.h"
#include "projections/sqlite_reader.h"
#include "statemachine/machine.h"

enum {
    ACCOUNTS = 8,
    RECORDS = 6000,
    OUTBOXES = RECORDS,
    TICK_MS = 200
};

struct market {
    struct random random;
    struct machine *machine;
    void *arena;
    struct event_sink into_outbox;
    struct outbox *outbox;
    size_t cut; /* records left until the outbox is sealed */
    struct outbox *outboxes[OUTBOXES];
    size_t outbox_count;
    uint64_t seq;
    int64_t time_ms;
    int64_t price_e4;
    struct bet bets[RECORDS + 1]; /* as last told, by id */
};

/* Keeps the last state of each bet beside the outbox's copy. */
static void hear_event(void *context, const struct event *event)
{
    struct market *market = context;
    const bool is_bet = event->kind == EVENT_BET_ACCEPTED || event->kind == EVENT_BET_CONFIRMED ||
                        event->kind == EVENT_BET_REJECTED || event->kind == EVENT_BET_SETTLED;
    if (is_bet) {
        market->bets[event->of.bet->bet] = *event->of.bet;
    }
    market->into_outbox.event(market->into_outbox.context, event);
}

static void hear_posting(void *context, const struct posting *posting)
{
    struct market *market = context;
    market->into_outbox.posting(market->into_outbox.context, posting);
}

static void seal(struct market *market)
{
    uint8_t digest[HASH_BYTES];
    memset(digest, (int)(market->seq * 7), sizeof(digest));
    memcpy(digest, &market->seq, sizeof(market->seq));
    assert_int_equal(outbox_seal(market->outbox, digest), STATUS_OK);
    market->outboxes[market->outbox_count] = market->outbox;
    market->outbox_count += 1;
    market->outbox = NULL;
}

static void apply(struct market *market, struct input *input)
{
    if (market->outbox == NULL) {
        market->outbox = outbox_new();
        market->into_outbox = outbox_sink(market->outbox);
        market->cut = 1 + random_below(&market->random, 40);
    }
    market->seq += 1;
    input->seq = market->seq;
    input->time_ms = market->time_ms;
    const struct event_sink sink = {
        .context = market, .event = hear_event, .posting = hear_posting};
    outbox_begin_record(market->outbox, market->seq, market->time_ms);
    machine_apply(market->machine, input, &sink);
    market->cut -= 1;
    if (market->cut == 0) {
        seal(market);
    }
}

static void account_of(uint64_t number, uint8_t account[ADDRESS_BYTES])
{
    memset(account, (int)(number + 1), ADDRESS_BYTES);
}

static void do_config(struct market *market, int64_t pricing_delay_ms)
{
    struct input input = {.kind = INPUT_CONFIG};
    input.of.config.given =
        1u << CONFIG_vol_warmup | 1u << CONFIG_quorum | 1u << CONFIG_pricing_delay_ms;
    input.of.config.values[CONFIG_quorum] = 1;
    input.of.config.values[CONFIG_pricing_delay_ms] = pricing_delay_ms;
    apply(market, &input);
}

static void do_transfer(struct market *market, enum input_kind kind, int64_t amount_micro)
{
    char reference[32];
    const int length =
        snprintf(reference, sizeof(reference), "t%llu", (unsigned long long)market->seq);
    struct input input = {.kind = kind,
                          .of.transfer = {.amount_micro = amount_micro,
                                          .reference = {reference, (size_t)length},
                                          .operator_name = {"test", 4}}};
    account_of(random_below(&market->random, ACCOUNTS + 1), input.of.transfer.account);
    apply(market, &input);
}

static void do_tick(struct market *market)
{
    const int64_t grid_ms = market->time_ms - market->time_ms % TICK_MS;
    struct input input = {.kind = INPUT_PRICE_TICK};
    market->price_e4 += (int64_t)random_below(&market->random, 40001) - 20000;
    input.of.price_tick = (struct price_tick){.grid_ms = grid_ms,
                                              .price_e4 = market->price_e4,
                                              .m0_e4 = market->price_e4,
                                              .sources = 1,
                                              .set = 1};
    if (random_below(&market->random, 40) == 0) {
        input = (struct input){.kind = INPUT_CLOCK_TICK, .of.clock_grid_ms = grid_ms};
    }
    apply(market, &input);
}

static void do_tap(struct market *market)
{
    struct market_view view;
    machine_market(market->machine, &view);
    static const uint8_t signature[LIMIT_SIGNATURE_BYTES];
    struct input input = {.kind = INPUT_TAP};
    struct tap *tap = &input.of.tap;
    account_of(random_below(&market->random, ACCOUNTS), tap->account);
    memcpy(tap->nonce, &market->seq, sizeof(market->seq));
    tap->market = (struct text_view){"BTC-USD", 7};
    tap->origin = (struct text_view){"http://test", 11};
    tap->column_ms = market->time_ms - market->time_ms % 5000 +
                     5000 * (int64_t)(1 + random_below(&market->random, 12));
    tap->band = market->price_e4 / 200000 + (int64_t)random_below(&market->random, 9) - 4;
    tap->stake_micro = 100000 * (int64_t)(1 + random_below(&market->random, 300));
    tap->min_mult_centi = 105 + (int64_t)random_below(&market->random, 150);
    tap->config = (int64_t)view.epoch;
    tap->message_ms = market->time_ms;
    tap->signature = signature;
    tap->signature_bytes = sizeof(signature);
    apply(market, &input);
}

static struct market *make_market(void)
{
    struct market *market = calloc(1, sizeof(*market));
    assert_non_null(market);
    market->random = random_start("machine_history", 20261123);
    const struct machine_limits limits = {
        .accounts_max = 64, .open_bets_max = 4000, .nonces_max = 8000, .transfers_max = 8000};
    market->arena = aligned_alloc(64, (machine_bytes(&limits) + 63) / 64 * 64);
    assert_non_null(market->arena);
    memset(market->arena, 0, machine_bytes(&limits));
    market->machine = machine_init(market->arena, &limits);
    market->time_ms = STORY_BORDER_MS - 200000;
    market->price_e4 = 972301234;
    do_config(market, 400);
    do_transfer(market, INPUT_HOUSE_DEPOSIT, 1000000000000);
    return market;
}

/* Ticks every 200 ms, with taps, transfers and sometimes a stall or another configuration between.
 */
static void run_market(struct market *market)
{
    int64_t tick_ms = market->time_ms;
    while (market->seq < RECORDS) {
        const uint64_t dice = random_below(&market->random, 1000);
        if (dice < 400) {
            tick_ms += TICK_MS;
            market->time_ms = tick_ms + 3;
            do_tick(market);
        } else if (dice < 900) {
            do_tap(market);
        } else if (dice < 960) {
            do_transfer(market, INPUT_DEPOSIT, (int64_t)random_below(&market->random, 50000000));
        } else if (dice < 995) {
            do_transfer(market, INPUT_WITHDRAWAL, (int64_t)random_below(&market->random, 20000000));
        } else if (dice < 998) {
            do_config(market, random_below(&market->random, 2) == 0 ? 0 : 400);
        } else {
            tick_ms += TICK_MS * (int64_t)random_below(&market->random, 60);
        }
    }
    if (market->outbox != NULL) {
        seal(market);
    }
}

static void free_market(struct market *market)
{
    for (size_t i = 0; i < market->outbox_count; i++) {
        outbox_release(market->outboxes[i]);
    }
    free(market->arena);
    free(market);
}

/* Applies from where the files are to outbox `end`, several at once. */
static void bring_up_to(struct market *market, const char *dir, size_t end)
{
    struct sqlite_writer_report report;
    struct sqlite_writer *writer = story_writer(dir, &report);
    size_t at = 0;
    while (at < end && outbox_last_seq(market->outboxes[at]) <= report.applied_seq) {
        at += 1;
    }
    while (at < end) {
        size_t count = 1 + random_below(&market->random, 20);
        count = count > end - at ? end - at : count;
        const enum status status = sqlite_writer_apply_many(writer, &market->outboxes[at], count);
        if (status != STATUS_OK) {
            print_error("%s\n", sqlite_writer_error(writer));
        }
        assert_int_equal(status, STATUS_OK);
        at += count;
    }
    sqlite_writer_close(writer);
}

static void compare_user(void *context, const struct sqlite_audit_user *user)
{
    const struct market *market = context;
    struct account_view view;
    machine_account(market->machine, user->account, &view);
    assert_int_equal(view.user_id, user->id);
    assert_int_equal(view.available_micro, user->balance_micro);
    assert_int_equal(view.held_micro, user->held_micro);
    assert_int_equal(view.open_bets, user->open_bets);
}

/* Compares users, sums and each single bet with the machine and what it told. */
static void compare_all(struct market *market, const char *dir)
{
    char text[SQLITE_AUDIT_TEXT_BYTES];
    uint64_t seq;
    uint8_t digest[HASH_BYTES];
    assert_int_equal(sqlite_audit_users(dir, market, compare_user, &seq, digest, text), STATUS_OK);
    assert_int_equal(seq, market->seq);
    struct market_view view;
    machine_market(market->machine, &view);
    assert_int_equal(story_query(dir, "main.db", "SELECT count(*) FROM users"), view.accounts);
    assert_int_equal(story_query(dir, "main.db", "SELECT max(epoch) FROM configs"),
                     (int64_t)view.epoch);
    const enum status sums = sqlite_audit_sums(dir, text);
    if (sums != STATUS_OK) {
        print_error("%s\n", text);
    }
    assert_int_equal(sums, STATUS_OK);
    const struct sqlite_reader_options options = {0};
    struct sqlite_reader *reader;
    assert_int_equal(sqlite_reader_open(dir, &options, &reader), STATUS_OK);
    struct json expected = {0};
    struct json found = {0};
    size_t states[BET_VOID + 1] = {0};
    for (uint64_t id = 1; id <= market->seq; id++) {
        const struct bet *bet = &market->bets[id];
        if (bet->bet == 0) {
            assert_int_equal(sqlite_reader_bet(reader, id, 0, &found), STATUS_NOT_FOUND);
            continue;
        }
        states[bet->state] += 1;
        shapes_bet(&expected, "BTC-USD", bet);
        assert_int_equal(sqlite_reader_bet(reader, id, 0, &found), STATUS_OK);
        assert_string_equal(found.text, expected.text);
        json_reset(&expected);
        json_reset(&found);
    }
    /* The history is worth its name: every end of a bet is in it. */
    for (enum bet_state state = BET_ACCEPTED; state <= BET_VOID; state++) {
        printf("%s: %zu\n", bet_state_text(state), states[state]);
        assert_true(state == BET_ACCEPTED || state == BET_CONFIRMED || states[state] > 0);
    }
    sqlite_reader_close(reader);
    json_text_free(&expected);
    json_text_free(&found);
}

/* The same as a rebuild makes it. */
static void make_in_bulk(struct market *market, const char *dir)
{
    const struct sqlite_writer_options options = {.head_seq = UINT64_MAX, .bulk = true};
    struct sqlite_writer *writer;
    struct sqlite_writer_report report;
    assert_int_equal(sqlite_writer_open(dir, &options, &writer, &report), STATUS_OK);
    for (size_t at = 0; at < market->outbox_count; at += 1) {
        assert_int_equal(sqlite_writer_apply(writer, market->outboxes[at]), STATUS_OK);
    }
    assert_int_equal(sqlite_writer_finish_bulk(writer, NULL, NULL), STATUS_OK);
    sqlite_writer_close(writer);
}

/* Proves that the rows are a function of the history: applied in one go, in bulk, or with random
 * files thrown away, put back to an earlier state or damaged between, they agree with the machine
 * and each other. */
static void rows_agree_with_the_machine_whatever_was_lost(void **state)
{
    (void)state;
    static const char *const names[] = {"main.db", STORY_WEEK_1, STORY_WEEK_2};
    struct market *market = make_market();
    run_market(market);
    assert_true(market->time_ms > STORY_BORDER_MS + 60000);
    char straight[64];
    char rough[64];
    char bulk[64];
    char wanted[STORY_DIGESTS_BYTES];
    char digests[STORY_DIGESTS_BYTES];
    story_directory(straight);
    bring_up_to(market, straight, market->outbox_count);
    compare_all(market, straight);
    story_digests(straight, wanted);
    story_directory(rough);
    story_directory(bulk);
    for (int round = 0; round < 12; round++) {
        const size_t end = 1 + random_below(&market->random, market->outbox_count);
        bring_up_to(market, rough, end);
        const char *name = names[random_below(&market->random, 3)];
        if (!story_exists(rough, name)) {
            continue;
        }
        switch (random_below(&market->random, 3)) {
        case 0:
            story_remove(rough, name);
            break;
        case 1: /* an earlier state of one file, as after a power cut */
            story_copy(rough, name, "earlier");
            bring_up_to(market, rough, market->outbox_count);
            story_copy(rough, "earlier", name);
            story_remove(rough, "earlier");
            break;
        case 2:
            story_execute(rough, name, "PRAGMA user_version = 9");
            break;
        }
    }
    bring_up_to(market, rough, market->outbox_count);
    compare_all(market, rough);
    make_in_bulk(market, bulk);
    compare_all(market, bulk);
    story_digests(bulk, digests);
    assert_string_equal(digests, wanted);
    story_remove_directory(bulk);
    story_digests(rough, digests);
    assert_string_equal(digests, wanted);
    story_remove_directory(straight);
    story_remove_directory(rough);
    free_market(market);
}

/* Proves that the projector may be killed (SIGKILL) at any moment of any transaction: the next one
 * goes on from what the files say and ends with the same rows. */
static void killed_at_any_moment_it_goes_on(void **state)
{
    (void)state;
    enum {
        KILLS = 25,
        ALIVE_US_MAX = 60000
    };
    struct market *market = make_market();
    run_market(market);
    char straight[64];
    char killed[64];
    char wanted[STORY_DIGESTS_BYTES];
    char digests[STORY_DIGESTS_BYTES];
    story_directory(straight);
    bring_up_to(market, straight, market->outbox_count);
    story_digests(straight, wanted);
    story_directory(killed);
    for (int i = 0; i < KILLS; i++) {
        const uint64_t alive_us = random_below(&market->random, ALIVE_US_MAX);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            for (;;) { /* over and over, until it is killed */
                bring_up_to(market, killed, market->outbox_count);
                story_remove(killed, "main.db");
            }
        }
        assert_int_equal(usleep((useconds_t)alive_us), 0);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
    }
    bring_up_to(market, killed, market->outbox_count);
    compare_all(market, killed);
    story_digests(killed, digests);
    assert_string_equal(digests, wanted);
    story_remove_directory(straight);
    story_remove_directory(killed);
    free_market(market);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_agree_with_the_machine_whatever_was_lost),
        cmocka_unit_test(killed_at_any_moment_it_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
