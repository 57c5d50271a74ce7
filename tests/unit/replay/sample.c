#include "sample.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ingress/index.h"
#include "ingress/tap_text.h"
#include "ingress/wallet.h"
#include "journal/codec.h"
#include "journal/journal.h"

#define TICK_MS  200
#define PRICE_E4 ((int64_t)970000000) /* $97,000 */
#define BAND_E4  200000
#define OURS     1 /* secrets */
#define OTHER    3

const struct machine_limits sample_limits = {
    .accounts_max = 64,
    .open_bets_max = 64,
    .nonces_max = 64,
    .transfers_max = 64,
};

struct maker {
    struct sample *sample;
    const struct sample_options *options;
    struct journal *journal;
    struct applier *applier;
    struct wallet *wallet;
    struct index index;
    int64_t now_ms;
};

static struct text_view view(const char *text)
{
    return (struct text_view){text, strlen(text)};
}

static uint64_t put(struct maker *maker, struct input *input)
{
    struct sample *sample = maker->sample;
    static uint8_t record[LIMIT_RECORD_BYTES];
    input->seq = sample->records + 1;
    input->time_ms = maker->now_ms;
    const size_t bytes = codec_encode(input, record, sizeof record);
    assert_true(bytes > 0);
    assert_int_equal(journal_append(maker->journal, record, bytes), STATUS_OK);
    const enum status status = applier_apply(maker->applier, input->seq, record, bytes, NULL);
    assert_true(status == STATUS_OK || status == STATUS_MISMATCH);
    assert_true(input->seq <= SAMPLE_RECORDS_MAX);
    sample->records = input->seq;
    sample->time_ms = maker->now_ms;
    sample->times_ms[input->seq] = maker->now_ms;
    memcpy(sample->digests[input->seq], applier_digest(maker->applier), HASH_BYTES);
    return input->seq;
}

static void put_config(struct maker *maker, bool first)
{
    struct input input = {.kind = INPUT_CONFIG};
    struct config_change *change = &input.of.config;
    if (first) {
        change->given = 1u << CONFIG_quorum | 1u << CONFIG_vol_warmup;
        change->values[CONFIG_quorum] = 1;
    } else {
        change->given = 1u << CONFIG_edge_bp;
        change->values[CONFIG_edge_bp] = 600;
    }
    snprintf(change->operator_name, sizeof change->operator_name, "tester");
    put(maker, &input);
}

static void put_transfer_of(struct maker *maker, enum input_kind kind, const uint8_t *account,
                            int64_t amount_micro, const char *reference)
{
    struct input input = {.kind = kind};
    input.of.transfer = (struct transfer){
        .amount_micro = amount_micro,
        .reference = view(reference),
        .operator_name = view("tester"),
    };
    if (kind != INPUT_HOUSE_DEPOSIT && kind != INPUT_HOUSE_WITHDRAWAL) {
        memcpy(input.of.transfer.account, account, ADDRESS_BYTES);
    }
    put(maker, &input);
}

static void put_transfer(struct maker *maker, enum input_kind kind, int64_t amount_micro,
                         const char *reference)
{
    put_transfer_of(maker, kind, maker->sample->account, amount_micro, reference);
}

static void put_start(struct maker *maker)
{
    struct input input = {.kind = INPUT_START};
    input.of.start.version = view("0.1.0-test");
    put(maker, &input);
}

/* One grid point: the price wanders a little, so that volatility has something to see. */
static void put_price(struct maker *maker)
{
    const int64_t step = (maker->now_ms / TICK_MS) % 7;
    const struct source_quote quote = {
        .source = "sim",
        .kind = QUOTE_BOOK,
        .bid_e4 = PRICE_E4 + step * 1000 - 500,
        .ask_e4 = PRICE_E4 + step * 1000 + 500,
        .receive_ms = maker->now_ms,
    };
    assert_int_equal(index_quote(&maker->index, &quote), STATUS_OK);
    struct input input = {.kind = INPUT_PRICE_TICK};
    assert_true(index_take(&maker->index, maker->now_ms, maker->now_ms, 1, &input.of.price_tick));
    const bool bend =
        maker->options->wrong_price && maker->sample->price_seq == 0 && maker->sample->records > 30;
    input.of.price_tick.price_e4 += bend ? 1 : 0;
    const uint64_t seq = put(maker, &input);
    index_commit(&maker->index);
    if (bend) {
        maker->sample->price_seq = seq;
    }
}

/* Attests are as the engine writes them: of a record a little further back. */
static void put_attest(struct maker *maker, bool wrong)
{
    const uint64_t of_seq = maker->sample->records - 1;
    struct input input = {.kind = INPUT_ATTEST};
    input.of.attest.of_seq = of_seq;
    memcpy(input.of.attest.digest, maker->sample->digests[of_seq], HASH_BYTES);
    input.of.attest.digest[0] ^= wrong ? 1 : 0;
    maker->sample->attested_seq = of_seq;
    put(maker, &input);
}

struct sample_tap {
    uint8_t secret; /* of the wallet that taps */
    uint8_t nonce;
    int64_t column_ms;
    int64_t band;
    int64_t stake_micro;
    int64_t min_mult_centi;
};

static uint64_t put_tap(struct maker *maker, const struct sample_tap *like, bool forged)
{
    struct input input = {.kind = INPUT_TAP};
    struct tap *tap = &input.of.tap;
    *tap = (struct tap){
        .market = view("BTC-USD"),
        .origin = view("http://127.0.0.1:8080"),
        .column_ms = like->column_ms,
        .band = like->band,
        .stake_micro = like->stake_micro,
        .min_mult_centi = like->min_mult_centi,
        .config = 1,
        .message_ms = maker->now_ms - 50,
    };
    uint8_t secret[WALLET_SECRET_BYTES] = {[31] = like->secret};
    assert_true(wallet_address(maker->wallet, secret, tap->account));
    tap->nonce[0] = like->nonce;
    char text[TAP_TEXT_BYTES_MAX];
    const size_t length = tap_text_format(text, tap);
    assert_true(length > 0);
    secret[30] = forged ? 1 : 0;
    uint8_t signature[LIMIT_SIGNATURE_BYTES];
    assert_true(wallet_sign(maker->wallet, secret, text, length, signature));
    tap->signature = signature;
    tap->signature_bytes = sizeof signature;
    return put(maker, &input);
}

static void ticks_until(struct maker *maker, int64_t time_ms)
{
    while (maker->now_ms < time_ms) {
        maker->now_ms += TICK_MS;
        put_price(maker);
        if (maker->now_ms % 1000 == 0) {
            put_attest(maker, false);
        }
    }
}

/* Taps at +6.05 s: a neighbour's and ours in the middle band (won), far from it (lost), at too high
 * a least multiplier (rejected), the first one again, and one that has no money behind it. */
static void put_taps(struct maker *maker)
{
    struct sample *sample = maker->sample;
    const int64_t column_ms = SAMPLE_START_MS + 15000;
    const int64_t middle = PRICE_E4 / BAND_E4;
    maker->now_ms += 50;
    const struct sample_tap neighbour = {OTHER, 9, column_ms, middle, 7000000, 100};
    sample->neighbour_bet = put_tap(maker, &neighbour, false);
    const struct sample_tap first = {OURS, 1, column_ms, middle, 5000000, 100};
    sample->won_bet = put_tap(maker, &first, maker->options->forged_signature);
    const struct sample_tap far = {OURS, 2, column_ms, middle + 1, 2000000, 100};
    sample->lost_bet = put_tap(maker, &far, false);
    const struct sample_tap greedy = {OURS, 3, column_ms + 5000, middle, 1000000, 5000};
    sample->rejected_bet = put_tap(maker, &greedy, false);
    sample->repeated_tap = put_tap(maker, &first, maker->options->forged_signature);
    const struct sample_tap poor = {OURS, 4, column_ms + 5000, middle + 1, 99000000, 100};
    sample->refused_tap = put_tap(maker, &poor, false);
    maker->now_ms -= maker->now_ms % TICK_MS;
    maker->now_ms += TICK_MS;
}

static void write_story(struct maker *maker)
{
    put_config(maker, true);
    put_transfer(maker, INPUT_HOUSE_DEPOSIT, 1000000 * MICRO_PER_USD, "demo");
    put_start(maker);
    put_transfer(maker, INPUT_DEPOSIT, 20 * MICRO_PER_USD, "deposit-1");
    const uint8_t secret[WALLET_SECRET_BYTES] = {[31] = OTHER};
    uint8_t other[ADDRESS_BYTES];
    assert_true(wallet_address(maker->wallet, secret, other));
    put_transfer_of(maker, INPUT_DEPOSIT, other, 20 * MICRO_PER_USD, "deposit-2");
    ticks_until(maker, SAMPLE_START_MS + 6000);
    put_taps(maker);
    put_price(maker);
    ticks_until(maker, SAMPLE_START_MS + 16000);
    put_transfer(maker, INPUT_WITHDRAWAL, 3 * MICRO_PER_USD, "withdrawal-1");
    put_transfer(maker, INPUT_GOODWILL, 1 * MICRO_PER_USD, "goodwill-1");
    if (maker->options->second_config) {
        put_config(maker, false);
    }
    put_attest(maker, maker->options->wrong_attest);
    ticks_until(maker, SAMPLE_START_MS + 17000);
}

void sample_make(struct sample *sample, const struct sample_options *options)
{
    *sample = (struct sample){.records = 0};
    sample_directory(sample->dir);
    struct maker maker = {.sample = sample, .options = options, .now_ms = SAMPLE_START_MS};
    index_init(&maker.index);
    assert_int_equal(wallet_open(&maker.wallet), STATUS_OK);
    const uint8_t secret[WALLET_SECRET_BYTES] = {[31] = OURS};
    assert_true(wallet_address(maker.wallet, secret, sample->account));
    assert_int_equal(applier_open(&sample_limits, &maker.applier), STATUS_OK);
    struct journal_report report;
    const struct journal_options journal_options = {
        .segment_bytes = options->segment_bytes != 0 ? options->segment_bytes : 1 << 20,
    };
    assert_int_equal(journal_open(sample->dir, &journal_options, &maker.journal, &report),
                     STATUS_OK);
    assert_int_equal(journal_start(maker.journal), STATUS_OK);
    write_story(&maker);
    assert_int_equal(journal_close(maker.journal), STATUS_OK);
    applier_free(maker.applier);
    wallet_free(maker.wallet);
}

void sample_remove(struct sample *sample)
{
    sample_remove_directory(sample->dir);
}

void sample_directory(char path[256])
{
    const char *parent = getenv("TMPDIR");
    snprintf(path, 256, "%s/tapline-test-XXXXXX", parent != NULL ? parent : "/tmp");
    assert_non_null(mkdtemp(path));
}

void sample_remove_directory(const char *path)
{
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return;
    }
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        char inside[600];
        snprintf(inside, sizeof inside, "%s/%s", path, entry->d_name);
        struct stat about;
        if (lstat(inside, &about) == 0 && S_ISDIR(about.st_mode)) {
            sample_remove_directory(inside);
        } else {
            (void)unlink(inside); /* litter in a temporary directory, no more */
        }
    }
    (void)closedir(directory);
    (void)rmdir(path);
}
