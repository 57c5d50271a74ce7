#include "story.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "projections/sqlite_audit.h"
#include "projections/sqlite_db.h"

const uint8_t story_accounts[3][ADDRESS_BYTES] = {
    {0},
    {0x5a, 0xae, 0xb6, 0x05, 0x3f, 0x3e, 0x94, 0xc9, 0xb9, 0xa0,
     0x9f, 0x33, 0x66, 0x94, 0x35, 0xe7, 0xef, 0x1b, 0xea, 0xed},
    {0xfb, 0x69, 0x16, 0x09, 0x5c, 0xa1, 0xdf, 0x60, 0xbb, 0x79,
     0xce, 0x92, 0xce, 0x3e, 0xa7, 0x4c, 0x37, 0xc5, 0xd3, 0x59},
};

/* The teller: the outbox in the making and the books. */
struct teller {
    struct story *story;
    size_t cut;
    struct outbox *outbox;
    struct event_sink sink;
    size_t records; /* in the outbox */
    uint64_t seq;
    int64_t time_ms;
    uint32_t line;
    int64_t available[3];
    int64_t held[3];
    struct bet bets[STORY_RECORDS + 1];
};

static void seal(struct teller *teller)
{
    uint8_t digest[HASH_BYTES];
    memset(digest, (int)teller->seq, sizeof(digest));
    assert_int_equal(outbox_seal(teller->outbox, digest), STATUS_OK);
    teller->story->outboxes[teller->story->count] = teller->outbox;
    teller->story->count += 1;
    teller->outbox = NULL;
}

static void record(struct teller *teller, int64_t from_border_ms)
{
    if (teller->outbox != NULL && teller->records == teller->cut) {
        seal(teller);
    }
    if (teller->outbox == NULL) {
        teller->outbox = outbox_new();
        assert_non_null(teller->outbox);
        teller->sink = outbox_sink(teller->outbox);
        teller->records = 0;
    }
    teller->seq += 1;
    teller->time_ms = STORY_BORDER_MS + from_border_ms;
    teller->line = 0;
    teller->records += 1;
    outbox_begin_record(teller->outbox, teller->seq, teller->time_ms);
}

static void tell(struct teller *teller, const struct event *event)
{
    teller->sink.event(teller->sink.context, event);
}

/* One posting; `user` for the user's accounts, `id` a bet, a column, or 0 with a reference. */
static void post(struct teller *teller, enum ledger_account account, uint64_t user, int64_t amount,
                 enum ref_type type, uint64_t id, const char *reference)
{
    struct posting posting = {.line = teller->line,
                              .account = account,
                              .amount_micro = amount,
                              .ref_type = type,
                              .ref_id = id,
                              .reference = reference};
    posting.reference_length = reference == NULL ? 0 : (uint32_t)strlen(reference);
    if (account == LEDGER_AVAILABLE || account == LEDGER_HELD) {
        int64_t *balance =
            account == LEDGER_AVAILABLE ? &teller->available[user] : &teller->held[user];
        *balance += amount;
        posting.user_id = user;
        posting.address = story_accounts[user];
        posting.balance_after_micro = *balance;
    }
    teller->line += 1;
    teller->sink.posting(teller->sink.context, &posting);
}

static void tick(struct teller *teller, int64_t price_e4)
{
    tell(teller, &(struct event){.kind = EVENT_TICK,
                                 .of.tick = {.grid_ms = teller->time_ms,
                                             .price_e4 = price_e4,
                                             .spread_e4 = price_e4 == 0 ? 0 : 1500,
                                             .sources = price_e4 == 0 ? 0 : 2,
                                             .set = price_e4 == 0 ? 0 : 3}});
}

static void deposit(struct teller *teller, uint64_t user, int64_t amount, const char *reference)
{
    tell(teller, &(struct event){.kind = EVENT_ACCOUNT_OPENED,
                                 .of.account = {.user_id = user, .address = story_accounts[user]}});
    post(teller, LEDGER_EXTERNAL, 0, -amount, REF_DEPOSIT, 0, reference);
    post(teller, LEDGER_AVAILABLE, user, amount, REF_DEPOSIT, 0, reference);
    tell(teller, &(struct event){.kind = EVENT_TRANSFER_APPLIED,
                                 .of.transfer = {.first_seq = teller->seq}});
}

static struct bet *place(struct teller *teller, uint64_t user, int64_t column_ms, int64_t stake)
{
    struct bet *bet = &teller->bets[teller->seq];
    *bet = (struct bet){.bet = teller->seq,
                        .user_id = user,
                        .column_ms = column_ms,
                        .band = 4861,
                        .lo_e4 = 972200000,
                        .hi_e4 = 972400000,
                        .stake_micro = stake,
                        .min_mult_centi = 105,
                        .config = 1,
                        .state = BET_ACCEPTED};
    memcpy(bet->account, story_accounts[user], ADDRESS_BYTES);
    memset(bet->nonce, (int)teller->seq, NONCE_BYTES);
    return bet;
}

static struct bet *accept(struct teller *teller, uint64_t user, int64_t column_ms, int64_t stake)
{
    struct bet *bet = place(teller, user, column_ms, stake);
    bet->accepted_at_ms = teller->time_ms;
    bet->accepted_seq = teller->seq;
    post(teller, LEDGER_AVAILABLE, user, -stake, REF_BET_HOLD, bet->bet, NULL);
    post(teller, LEDGER_HELD, user, stake, REF_BET_HOLD, bet->bet, NULL);
    tell(teller, &(struct event){.kind = EVENT_BET_ACCEPTED, .of.bet = bet});
    return bet;
}

static void confirm(struct teller *teller, struct bet *bet, uint32_t mult_centi)
{
    bet->state = BET_CONFIRMED;
    bet->mult_centi = mult_centi;
    bet->payout_micro = bet->stake_micro * mult_centi / 100;
    bet->priced_at_ms = teller->time_ms;
    bet->priced_seq = teller->seq;
    bet->tick_ms = teller->time_ms;
    bet->price_e4 = 972301234;
    const int64_t loss = bet->payout_micro - bet->stake_micro;
    post(teller, LEDGER_HELD, bet->user_id, -bet->stake_micro, REF_BET_CONFIRM, bet->bet, NULL);
    post(teller, LEDGER_ESCROW, 0, bet->stake_micro, REF_BET_CONFIRM, bet->bet, NULL);
    post(teller, LEDGER_BANKROLL, 0, -loss, REF_BET_CONFIRM, bet->bet, NULL);
    post(teller, LEDGER_RESERVED, 0, loss, REF_BET_CONFIRM, bet->bet, NULL);
    tell(teller, &(struct event){.kind = EVENT_BET_CONFIRMED, .of.bet = bet});
}

static void settle(struct teller *teller, struct bet *bet, enum bet_state state, int64_t paid)
{
    bet->state = state;
    bet->paid_micro = paid;
    bet->settled_at_ms = teller->time_ms;
    bet->settled_seq = teller->seq;
    bet->settle_price_e4 = state == BET_VOID ? 0 : 972305678;
    if (paid > 0) {
        const enum ref_type type = state == BET_WON ? REF_BET_WIN : REF_BET_VOID;
        post(teller, LEDGER_ESCROW, 0, -bet->stake_micro, type, bet->bet, NULL);
        if (paid != bet->stake_micro) {
            post(teller, LEDGER_RESERVED, 0, bet->stake_micro - paid, type, bet->bet, NULL);
        }
        post(teller, LEDGER_AVAILABLE, bet->user_id, paid, type, bet->bet, NULL);
    }
    tell(teller, &(struct event){.kind = EVENT_BET_SETTLED, .of.bet = bet});
}

static void column(struct teller *teller, int64_t column_ms, enum reason reason, int64_t bets,
                   int64_t stakes, int64_t paid)
{
    struct column_result result = {.column_ms = column_ms,
                                   .band_e4 = 200000,
                                   .is_void = reason != REASON_NONE,
                                   .reason = reason,
                                   .price_e4 = reason == REASON_NONE ? 972305678 : 0,
                                   .band = reason == REASON_NONE ? 4861 : 0,
                                   .bets = bets,
                                   .stakes_micro = stakes,
                                   .paid_micro = paid};
    for (int i = 0; i < SETTLEMENT_TICKS; i++) {
        result.ticks[i].time_ms = column_ms - (4 - i) * 200;
        result.ticks[i].price_e4 = i == 1 ? 0 : 972305678;
        result.ticks[i].sources = i == 1 ? 0 : 2;
        result.ticks[i].set = i == 1 ? 0 : 3;
    }
    tell(teller, &(struct event){.kind = EVENT_COLUMN_SETTLED, .of.column = &result});
}

static void tell_first_week(struct teller *teller)
{
    static const struct config config = {.market = "BTC-USD",
#define X(name, standard, least, greatest, fixed) .name = standard,
                                         CONFIG_KEY_LIST(X)
#undef X
    };
    record(teller, -3600000);
    tell(teller,
         &(struct event){.kind = EVENT_CONFIG, .of.config = {.epoch = 1, .config = &config}});
    record(teller, -3599000);
    post(teller, LEDGER_EXTERNAL, 0, -1000000000, REF_HOUSE_DEPOSIT, 0, "demo");
    post(teller, LEDGER_BANKROLL, 0, 1000000000, REF_HOUSE_DEPOSIT, 0, "demo");
    record(teller, -3598000);
    deposit(teller, 1, 10000000, "d1");
    record(teller, -3597000);
    deposit(teller, 2, 5000000, "d2 \"x\"");
    record(teller, -3596000);
    tick(teller, 972301234);
    record(teller, -3595000);
    accept(teller, 1, STORY_BORDER_MS - 3585000, 1500000);
    record(teller, -3594400);
    tick(teller, 972301234);
    confirm(teller, &teller->bets[6], 210);
    record(teller, -3594000);
    struct bet *late = place(teller, 2, STORY_BORDER_MS - 3590000, 1000000);
    late->state = BET_REJECTED;
    late->reason = REASON_TOO_LATE;
    late->priced_at_ms = teller->time_ms;
    late->priced_seq = teller->seq;
    tell(teller, &(struct event){.kind = EVENT_BET_REJECTED, .of.bet = late});
    record(teller, -3593000);
    accept(teller, 2, STORY_BORDER_MS - 3580000, 1000000);
    record(teller, -3592400);
    tick(teller, 972301234);
    struct bet *moved = &teller->bets[9];
    moved->state = BET_REJECTED;
    moved->reason = REASON_PRICE_MOVED;
    moved->priced_at_ms = teller->time_ms;
    moved->priced_seq = teller->seq;
    moved->tick_ms = teller->time_ms;
    moved->price_e4 = 972301234;
    post(teller, LEDGER_HELD, 2, -1000000, REF_BET_RELEASE, 9, NULL);
    post(teller, LEDGER_AVAILABLE, 2, 1000000, REF_BET_RELEASE, 9, NULL);
    tell(teller, &(struct event){.kind = EVENT_BET_REJECTED, .of.bet = moved});
    record(teller, -3585000);
    tick(teller, 972305678);
    settle(teller, &teller->bets[6], BET_WON, 3150000);
    column(teller, STORY_BORDER_MS - 3585000, REASON_NONE, 1, 1500000, 3150000);
    record(teller, -10000);
    accept(teller, 1, STORY_BORDER_MS + 5000, 2000000);
    record(teller, -9400);
    tick(teller, 972301234);
    confirm(teller, &teller->bets[12], 300);
    record(teller, -200);
    accept(teller, 2, STORY_BORDER_MS + 5000, 1000000);
}

static void tell_second_week(struct teller *teller)
{
    record(teller, 200);
    tick(teller, 972301234);
    confirm(teller, &teller->bets[14], 150);
    record(teller, 5000);
    tick(teller, 972305678);
    teller->bets[12].reason = REASON_SOURCE_JUMP;
    settle(teller, &teller->bets[12], BET_VOID, 2000000);
    settle(teller, &teller->bets[14], BET_LOST, 0);
    const int64_t left = 4000000 + 1000000 + 500000; /* reserved twice, the lost stake */
    post(teller, LEDGER_ESCROW, 0, -1000000, REF_COLUMN, STORY_BORDER_MS + 5000, NULL);
    post(teller, LEDGER_RESERVED, 0, -4500000, REF_COLUMN, STORY_BORDER_MS + 5000, NULL);
    post(teller, LEDGER_BANKROLL, 0, left, REF_COLUMN, STORY_BORDER_MS + 5000, NULL);
    column(teller, STORY_BORDER_MS + 5000, REASON_SOURCE_JUMP, 2, 3000000, 2000000);
    record(teller, 6000);
    post(teller, LEDGER_AVAILABLE, 2, -1000000, REF_WITHDRAWAL, 0, "w1");
    post(teller, LEDGER_EXTERNAL, 0, 1000000, REF_WITHDRAWAL, 0, "w1");
    record(teller, 7000);
    struct bet *bet = accept(teller, 1, STORY_BORDER_MS + 20000, 500000);
    confirm(teller, bet, 200);
    record(teller, 20000);
    tick(teller, 0);
    record(teller, 21000);
    tell(teller, &(struct event){.kind = EVENT_START});
}

void story_tell(struct story *story, size_t cut)
{
    *story = (struct story){0};
    struct teller teller = {.story = story, .cut = cut};
    tell_first_week(&teller);
    tell_second_week(&teller);
    seal(&teller);
    assert_int_equal(teller.seq, STORY_RECORDS);
}

void story_free(struct story *story)
{
    for (size_t i = 0; i < story->count; i++) {
        outbox_release(story->outboxes[i]);
    }
    story->count = 0;
}

void story_directory(char dir[64])
{
    snprintf(dir, 64, "/tmp/tapline-story-XXXXXX");
    assert_non_null(mkdtemp(dir));
}

static void join(char path[512], const char *dir, const char *name)
{
    snprintf(path, 512, "%s/%s", dir, name);
}

void story_remove_directory(const char *dir)
{
    DIR *stream = opendir(dir);
    assert_non_null(stream);
    const struct dirent *entry;
    while ((entry = readdir(stream)) != NULL) {
        if (entry->d_name[0] != '.') {
            story_remove(dir, entry->d_name);
        }
    }
    closedir(stream);
    assert_int_equal(rmdir(dir), 0);
}

void story_remove(const char *dir, const char *name)
{
    char path[512];
    join(path, dir, name);
    assert_int_equal(unlink(path), 0);
}

bool story_exists(const char *dir, const char *name)
{
    char path[512];
    join(path, dir, name);
    return access(path, F_OK) == 0;
}

void story_copy(const char *dir, const char *name, const char *to)
{
    char path[512];
    join(path, dir, name);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    join(path, dir, to);
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    char buffer[4096];
    size_t count;
    while ((count = fread(buffer, 1, sizeof(buffer), in)) > 0) {
        assert_int_equal(fwrite(buffer, 1, count, out), count);
    }
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

struct sqlite_writer *story_writer(const char *dir, struct sqlite_writer_report *report)
{
    const struct sqlite_writer_options options = {
        .head_seq = UINT64_MAX, .repair = true, .check_pages = true};
    struct sqlite_writer *writer = NULL;
    const enum status status = sqlite_writer_open(dir, &options, &writer, report);
    if (status != STATUS_OK) {
        print_error("%s\n", report->text);
    }
    assert_int_equal(status, STATUS_OK);
    return writer;
}

void story_apply(struct sqlite_writer *writer, const struct story *story, uint64_t after,
                 uint64_t last)
{
    for (size_t i = 0; i < story->count; i++) {
        if (outbox_last_seq(story->outboxes[i]) <= after ||
            outbox_first_seq(story->outboxes[i]) > last) {
            continue;
        }
        const enum status status = sqlite_writer_apply(writer, story->outboxes[i]);
        if (status != STATUS_OK) {
            print_error("%s\n", sqlite_writer_error(writer));
        }
        assert_int_equal(status, STATUS_OK);
    }
}

void story_bring_up(const char *dir, size_t cut)
{
    struct story story;
    story_tell(&story, cut);
    struct sqlite_writer_report report;
    struct sqlite_writer *writer = story_writer(dir, &report);
    story_apply(writer, &story, report.applied_seq, STORY_RECORDS);
    assert_int_equal(sqlite_writer_applied(writer), STORY_RECORDS);
    sqlite_writer_close(writer);
    story_free(&story);
}

void story_execute(const char *dir, const char *name, const char *sql)
{
    struct sqlite_db db;
    assert_int_equal(sqlite_db_open(&db, dir, name, SQLITE_DB_CREATE), STATUS_OK);
    assert_int_equal(sqlite_db_execute(&db, sql), STATUS_OK);
    sqlite_db_close(&db);
}

int64_t story_query(const char *dir, const char *name, const char *sql)
{
    struct sqlite_db db;
    int64_t value = 0;
    assert_int_equal(sqlite_db_open(&db, dir, name, SQLITE_DB_READ), STATUS_OK);
    const enum status status = sqlite_db_query_i64(&db, sql, &value);
    if (status != STATUS_OK) {
        print_error("%s\n", db.error);
    }
    assert_int_equal(status, STATUS_OK);
    sqlite_db_close(&db);
    return value;
}

static void take_digest(void *context, const struct sqlite_audit_table *table)
{
    char *to = context;
    const size_t used = strlen(to);
    char digest[2 * HASH_BYTES + 1];
    text_format_hex(digest, table->digest, HASH_BYTES);
    snprintf(to + used, STORY_DIGESTS_BYTES - used, "%s %s %llu %s\n", table->file, table->table,
             (unsigned long long)table->rows, digest);
}

void story_digests(const char *dir, char to[STORY_DIGESTS_BYTES])
{
    char text[SQLITE_AUDIT_TEXT_BYTES];
    to[0] = '\0';
    const enum status status = sqlite_audit_tables(dir, to, take_digest, text);
    if (status != STATUS_OK) {
        print_error("%s\n", text);
    }
    assert_int_equal(status, STATUS_OK);
}
