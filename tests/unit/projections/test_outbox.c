#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "projections/outbox.h"

static const uint8_t digest_of_test[HASH_BYTES] = {7, 8, 9};

/* Proves that everything an event or posting borrows is copied: the originals are overwritten
 * before the copies are read. */
static void copies_outlive_their_sources(void **state)
{
    (void)state;
    struct outbox *outbox = outbox_new();
    assert_non_null(outbox);
    const struct event_sink sink = outbox_sink(outbox);
    struct bet bet = {.bet = 5, .stake_micro = 100, .state = BET_ACCEPTED};
    struct column_result column = {.column_ms = 5000, .bets = 3};
    struct config config = {.market = "BTC-USD", .columns = 12};
    uint8_t address[ADDRESS_BYTES] = {1, 2, 3};
    uint8_t nonce[NONCE_BYTES] = {4, 5};
    char reference[] = "wire-1";
    outbox_begin_record(outbox, 5, 1000);
    sink.posting(sink.context, &(struct posting){.line = 0,
                                                 .account = LEDGER_AVAILABLE,
                                                 .user_id = 1,
                                                 .address = address,
                                                 .amount_micro = -100,
                                                 .ref_type = REF_DEPOSIT,
                                                 .reference = reference,
                                                 .reference_length = 6});
    sink.event(sink.context, &(struct event){.kind = EVENT_BET_ACCEPTED, .of.bet = &bet});
    sink.event(sink.context, &(struct event){.kind = EVENT_COLUMN_SETTLED, .of.column = &column});
    sink.event(sink.context,
               &(struct event){.kind = EVENT_CONFIG, .of.config = {.epoch = 2, .config = &config}});
    sink.event(sink.context, &(struct event){.kind = EVENT_TAP_REFUSED,
                                             .of.tap = {.account = address, .nonce = nonce}});
    outbox_begin_record(outbox, 6, 1001);
    memset(&bet, 0xff, sizeof(bet));
    memset(&column, 0xff, sizeof(column));
    memset(&config, 0xff, sizeof(config));
    memset(address, 0xff, sizeof(address));
    memset(nonce, 0xff, sizeof(nonce));
    memset(reference, 'x', sizeof(reference));
    assert_int_equal(outbox_seal(outbox, digest_of_test), STATUS_OK);

    assert_int_equal(outbox_first_seq(outbox), 5);
    assert_int_equal(outbox_last_seq(outbox), 6);
    assert_memory_equal(outbox_digest(outbox), digest_of_test, HASH_BYTES);
    const struct outbox_record *record = outbox_records(outbox);
    assert_int_equal(record->seq, 5);
    assert_int_equal(record->time_ms, 1000);
    const struct outbox_item *item = record->items;
    assert_int_equal(item->kind, OUTBOX_POSTING);
    assert_int_equal(item->of.posting.address[2], 3);
    assert_memory_equal(item->of.posting.reference, "wire-1", 6);
    item = item->next;
    assert_int_equal(item->kind, OUTBOX_EVENT);
    assert_int_equal(item->of.event.of.bet->stake_micro, 100);
    item = item->next;
    assert_int_equal(item->of.event.of.column->bets, 3);
    item = item->next;
    assert_string_equal(item->of.event.of.config.config->market, "BTC-USD");
    item = item->next;
    assert_int_equal(item->of.event.of.tap.account[0], 1);
    assert_int_equal(item->of.event.of.tap.nonce[1], 5);
    assert_null(item->next);
    record = record->next;
    assert_int_equal(record->seq, 6);
    assert_null(record->items);
    assert_null(record->next);
    outbox_release(outbox);
}

/* Proves that a large batch keeps all records and items in order, over many blocks of memory. */
static void large_batch_keeps_its_order(void **state)
{
    (void)state;
    enum {
        RECORDS = 8190,
        POSTINGS = 7
    };
    struct outbox *outbox = outbox_new();
    const struct event_sink sink = outbox_sink(outbox);
    for (uint64_t seq = 1; seq <= RECORDS; seq++) {
        outbox_begin_record(outbox, seq, (int64_t)seq);
        for (uint32_t line = 0; line < POSTINGS; line++) {
            sink.posting(sink.context, &(struct posting){.line = line, .ref_id = seq});
        }
    }
    assert_int_equal(outbox_seal(outbox, digest_of_test), STATUS_OK);
    uint64_t seq = 0;
    for (const struct outbox_record *record = outbox_records(outbox); record != NULL;
         record = record->next) {
        seq += 1;
        assert_int_equal(record->seq, seq);
        uint32_t line = 0;
        for (const struct outbox_item *item = record->items; item != NULL; item = item->next) {
            assert_int_equal(item->of.posting.line, line);
            assert_int_equal(item->of.posting.ref_id, seq);
            line += 1;
        }
        assert_int_equal(line, POSTINGS);
    }
    assert_int_equal(seq, RECORDS);
    assert_true(outbox_bytes(outbox) < (size_t)RECORDS * POSTINGS * 256);
    outbox_release(outbox);
}

static void *read_and_release(void *context)
{
    struct outbox *outbox = context;
    uint64_t sum = 0;
    for (const struct outbox_record *record = outbox_records(outbox); record != NULL;
         record = record->next) {
        sum += record->seq;
    }
    outbox_release(outbox);
    return (void *)(uintptr_t)sum;
}

/* Proves that holders on several threads read the same copy and the last one frees it (sanitizers).
 */
static void last_holder_frees(void **state)
{
    (void)state;
    enum {
        THREADS = 4
    };
    struct outbox *outbox = outbox_new();
    for (uint64_t seq = 10; seq < 20; seq++) {
        outbox_begin_record(outbox, seq, 0);
    }
    assert_int_equal(outbox_seal(outbox, digest_of_test), STATUS_OK);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, read_and_release, outbox_retain(outbox)),
                         0);
    }
    outbox_release(outbox);
    for (int i = 0; i < THREADS; i++) {
        void *sum;
        assert_int_equal(pthread_join(threads[i], &sum), 0);
        assert_int_equal((uintptr_t)sum, 145);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_outlive_their_sources),
        cmocka_unit_test(large_batch_keeps_its_order),
        cmocka_unit_test(last_holder_frees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
