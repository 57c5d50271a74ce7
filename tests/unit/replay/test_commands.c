/* The offline commands from their arguments to their exit codes and output, in this process, on a
 * journal made for it. */
#include "tools/commands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/text.h"
#include "capture.h"
#include "sample.h"

#define ARGUMENTS_MAX 12

struct run {
    int code;
    struct capture capture;
};

static void run_command(struct run *run, int (*command)(int argc, char **argv),
                        const char *const *texts, int count)
{
    char *argv[ARGUMENTS_MAX + 1] = {NULL};
    assert_true(count <= ARGUMENTS_MAX);
    memcpy(argv, texts, (size_t)count * sizeof argv[0]);
    capture_begin(&run->capture);
    run->code = command(count, argv);
    capture_end(&run->capture);
}

#define RUN(run, command, ...)                                                                     \
    run_command((run), (command), (const char *[]){__VA_ARGS__},                                   \
                (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)))

static void end(struct run *run)
{
    capture_free(&run->capture);
}

static json_t *parse(const char *text, size_t length)
{
    json_error_t error;
    json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL) {
        print_error("%s\n%.*s\n", error.text, (int)length, text);
    }
    assert_non_null(json);
    return json;
}

static const char *text_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value)) {
        print_error("no text under '%s'\n", key);
    }
    assert_true(json_is_string(value));
    return json_string_value(value);
}

/* Integers are texts of digits, in every object. */
static int64_t number_of(const json_t *object, const char *key)
{
    return strtoll(text_of(object, key), NULL, 10);
}

/* Line number `which` (from 0) of JSON lines; NULL behind the last. */
static json_t *json_line(const char *text, uint64_t which)
{
    while (which > 0) {
        text = strchr(text, '\n');
        assert_non_null(text);
        text += 1;
        which -= 1;
    }
    const char *line_end = strchr(text, '\n');
    return line_end == NULL ? NULL : parse(text, (size_t)(line_end - text));
}

static void make(struct sample *sample)
{
    sample_make(sample, &(struct sample_options){.second_config = true});
}

static void out_directory(const struct sample *sample, const char *name, char path[512])
{
    snprintf(path, 512, "%s/%s", sample->dir, name);
}

/* A sound journal verifies: every attest, price and signature; the digest is the one of its maker.
 */
static void verify_finds_a_sound_journal_good(void **state)
{
    (void)state;
    struct sample sample;
    make(&sample);
    struct run run;
    RUN(&run, command_verify, "verify", "--data", sample.dir, "--signatures", "--json", "--every",
        "1");
    assert_int_equal(run.code, EXIT_GOOD);
    assert_string_equal(run.capture.errors, "");
    json_t *result = parse(run.capture.output, strlen(run.capture.output));
    char digest[2 * HASH_BYTES + 1];
    text_format_hex(digest, sample.digests[sample.records], HASH_BYTES);
    assert_string_equal(text_of(result, "digest"), digest);
    assert_int_equal(number_of(result, "records"), sample.records);
    assert_int_equal(number_of(result, "signatures"), 6);
    assert_int_equal(number_of(result, "signatures_wrong"), 0);
    assert_true(number_of(result, "attests") >= 15);
    assert_true(number_of(result, "prices") >= 80);
    assert_int_equal(number_of(result, "prices_wrong"), 0);
    json_decref(result);
    end(&run);
    sample_remove(&sample);
}

/* Each planted fault ends with 1 and its seq: an attest, a signature (only when asked), a price. */
static void verify_names_the_first_difference(void **state)
{
    (void)state;
    struct sample sample;
    struct run run;
    char word[64];

    sample_make(&sample, &(struct sample_options){.wrong_attest = true});
    RUN(&run, command_verify, "verify", "--data", sample.dir);
    assert_int_equal(run.code, EXIT_DIFFERENCE);
    assert_non_null(strstr(run.capture.output, "DIFFERENCE"));
    assert_non_null(strstr(run.capture.errors, "digest after seq"));
    end(&run);
    sample_remove(&sample);

    sample_make(&sample, &(struct sample_options){.forged_signature = true});
    RUN(&run, command_verify, "verify", "--data", sample.dir);
    assert_int_equal(run.code, EXIT_GOOD);
    end(&run);
    RUN(&run, command_verify, "verify", "--data", sample.dir, "--signatures");
    assert_int_equal(run.code, EXIT_DIFFERENCE);
    snprintf(word, sizeof word, "seq %" PRIu64 ": the signature", sample.won_bet);
    assert_non_null(strstr(run.capture.errors, word));
    end(&run);
    sample_remove(&sample);

    sample_make(&sample, &(struct sample_options){.wrong_price = true});
    RUN(&run, command_verify, "verify", "--data", sample.dir);
    assert_int_equal(run.code, EXIT_DIFFERENCE);
    snprintf(word, sizeof word, "seq %" PRIu64 ": the index price", sample.price_seq);
    assert_non_null(strstr(run.capture.errors, word));
    end(&run);
    sample_remove(&sample);
}

static void flip_byte(const struct sample *sample, long offset)
{
    char path[512];
    snprintf(path, sizeof path, "%s/journal/00000000000000000001.seg", sample->dir);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    const int byte = fgetc(file);
    assert_true(byte != EOF);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    assert_true(fputc(byte ^ 1, file) != EOF);
    assert_int_equal(fclose(file), 0);
}

/* Damage ends verify with 2 and a line with segment, offset, seq and reason; inspect shows what is
 * left of the records, tells the same and ends with 2. */
static void damage_is_named_and_passed_over(void **state)
{
    (void)state;
    struct sample sample;
    make(&sample);
    flip_byte(&sample, 5000);
    struct run run;
    RUN(&run, command_verify, "verify", "--data", sample.dir);
    assert_int_equal(run.code, EXIT_DAMAGED);
    assert_non_null(strstr(run.capture.errors, "00000000000000000001.seg, offset "));
    assert_non_null(strstr(run.capture.errors, ", seq "));
    assert_ptr_equal(strchr(run.capture.errors, '\n'), strrchr(run.capture.errors, '\n'));
    end(&run);
    RUN(&run, command_inspect, "inspect", "--data", sample.dir, "--json");
    assert_int_equal(run.code, EXIT_DAMAGED);
    assert_non_null(strstr(run.capture.errors, "00000000000000000001.seg, offset "));
    end(&run);
    sample_remove(&sample);
}

/* Whichever byte is changed: inspect ends, what it shows has rising seqs and is as it was written,
 * and whatever is not shown is told on stderr and by the exit code. Only the room behind the last
 * batch, and padding that nothing reads, may be changed unseen by it. */
static void inspect_survives_any_changed_byte(void **state)
{
    (void)state;
    struct sample sample;
    make(&sample);
    struct run whole;
    RUN(&whole, command_inspect, "inspect", "--data", sample.dir, "--json");
    for (long offset = 0; offset < 40000; offset += 997) {
        flip_byte(&sample, offset);
        struct run run;
        RUN(&run, command_inspect, "inspect", "--data", sample.dir, "--json");
        uint64_t shown = 0;
        int64_t last_seq = 0;
        const char *at = run.capture.output;
        for (const char *line_end; (line_end = strchr(at, '\n')) != NULL; at = line_end + 1) {
            json_t *line = parse(at, (size_t)(line_end - at));
            assert_true(number_of(line, "seq") > last_seq);
            last_seq = number_of(line, "seq");
            json_decref(line);
            char *copy = strndup(at, (size_t)(line_end - at + 1));
            assert_non_null(copy);
            const bool is_config = strstr(copy, "\"kind\":\"config\"") != NULL;
            assert_true(is_config || strstr(whole.capture.output, copy) != NULL);
            free(copy);
            shown += 1;
        }
        assert_true(run.code == EXIT_GOOD || run.code == EXIT_DAMAGED);
        assert_true(shown == sample.records || run.capture.errors[0] != '\0');
        end(&run);
        flip_byte(&sample, offset);
    }
    end(&whole);
    sample_remove(&sample);
}

/* What replay builds is what verify expects beside the journal; a row that was changed is named
 * with its column and both values, and the exit code is 1. */
static void rebuilt_projections_verify_and_changed_ones_do_not(void **state)
{
    (void)state;
    struct sample sample;
    make(&sample);
    char out[512];
    out_directory(&sample, "out", out);
    struct run run;
    RUN(&run, command_replay, "replay", "--data", sample.dir, "--out", out, "--json");
    assert_int_equal(run.code, EXIT_GOOD);
    json_t *result = parse(run.capture.output, strlen(run.capture.output));
    char digest[2 * HASH_BYTES + 1];
    text_format_hex(digest, sample.digests[sample.records], HASH_BYTES);
    assert_string_equal(text_of(result, "digest"), digest);
    json_decref(result);
    end(&run);

    RUN(&run, command_replay, "replay", "--data", sample.dir, "--out", out);
    assert_int_equal(run.code, EXIT_USAGE); /* never over something */
    end(&run);

    char from[600];
    char to[600];
    static const char *const files[] = {"main.db", "bets_2024_w47.db"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(from, sizeof from, "%s/%s", out, files[i]);
        snprintf(to, sizeof to, "%s/%s", sample.dir, files[i]);
        assert_int_equal(rename(from, to), 0);
    }
    RUN(&run, command_verify, "verify", "--data", sample.dir, "--json");
    assert_int_equal(run.code, EXIT_GOOD);
    result = parse(run.capture.output, strlen(run.capture.output));
    assert_int_equal(number_of(result, "sqlite_seq"), sample.records);
    assert_int_equal(number_of(result, "sqlite_tables"), 7);
    assert_true(number_of(result, "sqlite_rows") > 15);
    json_decref(result);
    end(&run);

    /* An older main.db beside newer week files is what a kill between two commits leaves. */
    char early[512];
    out_directory(&sample, "early", early);
    char seq[32];
    snprintf(seq, sizeof seq, "%" PRIu64, sample.rejected_bet);
    RUN(&run, command_replay, "replay", "--data", sample.dir, "--out", early, "--to", seq);
    assert_int_equal(run.code, EXIT_GOOD);
    end(&run);
    snprintf(from, sizeof from, "%s/main.db", early);
    snprintf(to, sizeof to, "%s/main.db", sample.dir);
    assert_int_equal(rename(from, to), 0);
    RUN(&run, command_verify, "verify", "--data", sample.dir);
    assert_int_equal(run.code, EXIT_GOOD);
    end(&run);

    /* A week file that is behind main.db has lost rows. */
    snprintf(from, sizeof from, "%s/bets_2024_w47.db", early);
    snprintf(to, sizeof to, "%s/bets_2024_w47.db", sample.dir);
    assert_int_equal(remove(to), 0);
    assert_int_equal(rename(from, to), 0);
    char whole[512];
    out_directory(&sample, "whole", whole);
    RUN(&run, command_replay, "replay", "--data", sample.dir, "--out", whole);
    assert_int_equal(run.code, EXIT_GOOD);
    end(&run);
    snprintf(from, sizeof from, "%s/main.db", whole);
    snprintf(to, sizeof to, "%s/main.db", sample.dir);
    assert_int_equal(remove(to), 0);
    assert_int_equal(rename(from, to), 0);
    RUN(&run, command_verify, "verify", "--data", sample.dir);
    assert_int_equal(run.code, EXIT_DIFFERENCE);
    assert_non_null(strstr(run.capture.errors, "bets_2024_w47.db"));
    assert_non_null(strstr(run.capture.errors, "it is an older copy"));
    end(&run);
    sample_remove(&sample);
}

/* One JSON object a line, all records in the order of seq, each with the fields of its kind. */
static void inspect_shows_every_record_with_its_fields(void **state)
{
    (void)state;
    static const struct {
        const char *kind;
        const char *fields[14];
    } kinds[] = {
        {"config", {"epoch", "market", "column_ms", "vol_slow_start", "table_sha256"}},
        {"price_tick", {"grid", "price", "sources", "spread", "set", "m0"}},
        {"tap",
         {"account", "market", "column", "band", "stake", "min_mult", "config", "nonce", "msg_time",
          "origin", "sig"}},
        {"deposit", {"account", "amount", "ref", "operator"}},
        {"withdrawal", {"account", "amount", "ref", "operator"}},
        {"house_deposit", {"amount", "ref", "operator"}},
        {"goodwill", {"account", "amount", "ref", "operator", "note"}},
        {"attest", {"of_seq", "digest"}},
        {"start", {"version"}},
    };
    bool seen[sizeof kinds / sizeof kinds[0]] = {false};
    struct sample sample;
    make(&sample);
    struct run run;
    RUN(&run, command_inspect, "inspect", "--data", sample.dir, "--json");
    assert_int_equal(run.code, EXIT_GOOD);
    for (uint64_t seq = 1; seq <= sample.records; seq++) {
        json_t *line = json_line(run.capture.output, seq - 1);
        assert_non_null(line);
        assert_int_equal(number_of(line, "seq"), seq);
        assert_int_equal(number_of(line, "time"), sample.times_ms[seq]);
        assert_null(json_object_get(line, "events"));
        size_t kind = 0;
        while (strcmp(kinds[kind].kind, text_of(line, "kind")) != 0) {
            kind += 1;
            assert_true(kind < sizeof kinds / sizeof kinds[0]);
        }
        seen[kind] = true;
        for (size_t i = 0; kinds[kind].fields[i] != NULL; i++) {
            (void)text_of(line, kinds[kind].fields[i]);
        }
        json_decref(line);
    }
    assert_null(json_line(run.capture.output, sample.records));
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        assert_true(seen[i]);
    }
    end(&run);
    sample_remove(&sample);
}

/* --events tells what each record did; the postings of every record sum to zero. */
static void inspect_shows_events_and_balanced_postings(void **state)
{
    (void)state;
    struct sample sample;
    make(&sample);
    struct run run;
    RUN(&run, command_inspect, "inspect", "--data", sample.dir, "--json", "--events");
    assert_int_equal(run.code, EXIT_GOOD);
    for (uint64_t seq = 1; seq <= sample.records; seq++) {
        json_t *line = json_line(run.capture.output, seq - 1);
        const json_t *events = json_object_get(line, "events");
        const json_t *postings = json_object_get(line, "postings");
        assert_true(json_is_array(events));
        assert_true(json_is_array(postings));
        int64_t sum = 0;
        for (size_t i = 0; i < json_array_size(postings); i++) {
            const json_t *posting = json_array_get(postings, i);
            assert_int_equal(number_of(posting, "line"), i);
            sum += number_of(posting, "amount");
        }
        assert_int_equal(sum, 0);
        const char *type = NULL;
        if (seq == sample.won_bet) {
            type = "bet:accepted";
        } else if (seq == sample.repeated_tap) {
            type = "tap:repeated";
        } else if (seq == sample.refused_tap) {
            type = "bet:rejected";
        }
        if (type != NULL) {
            assert_int_equal(json_array_size(events), 1);
            assert_string_equal(text_of(json_array_get(events, 0), "type"), type);
        }
        json_decref(line);
    }
    end(&run);
    sample_remove(&sample);
}

/* --from and --to by seq and by time; a Config record shown alone still has its epoch and all its
 * keys, those it left out too. */
static void inspect_shows_a_part_with_configs_as_applied(void **state)
{
    (void)state;
    struct sample sample;
    make(&sample);
    struct run run;
    uint64_t config_seq = 0;
    RUN(&run, command_inspect, "inspect", "--data", sample.dir, "--json");
    for (uint64_t seq = 2; seq <= sample.records; seq++) {
        json_t *line = json_line(run.capture.output, seq - 1);
        if (strcmp(text_of(line, "kind"), "config") == 0) {
            config_seq = seq;
        }
        json_decref(line);
    }
    end(&run);
    assert_true(config_seq > 1);
    char seq[32];
    snprintf(seq, sizeof seq, "%" PRIu64, config_seq);
    RUN(&run, command_inspect, "inspect", "--data", sample.dir, "--json", "--from", seq, "--to",
        seq);
    assert_int_equal(run.code, EXIT_GOOD);
    json_t *line = json_line(run.capture.output, 0);
    assert_int_equal(number_of(line, "seq"), config_seq);
    assert_int_equal(number_of(line, "epoch"), 2);
    assert_int_equal(number_of(line, "edge_bp"), 600);
    assert_int_equal(number_of(line, "quorum"), 1);
    assert_int_equal(number_of(line, "columns"), 12);
    json_decref(line);
    assert_null(json_line(run.capture.output, 1));
    end(&run);
    char from[32];
    snprintf(from, sizeof from, "%" PRId64, sample.times_ms[sample.won_bet]);
    RUN(&run, command_inspect, "inspect", "--data", sample.dir, "--json", "--from", from, "--to",
        from);
    line = json_line(run.capture.output, 0);
    assert_int_equal(number_of(line, "seq"), sample.neighbour_bet);
    json_decref(line);
    assert_non_null(line = json_line(run.capture.output, 5));
    json_decref(line);
    assert_null(json_line(run.capture.output, 6));
    end(&run);
    sample_remove(&sample);
}

/* Balance, held and open bets while two bets run, and at the end; rows sum to the balance. */
static void account_is_as_of_any_moment(void **state)
{
    (void)state;
    struct sample sample;
    make(&sample);
    char address[ADDRESS_TEXT_BYTES + 1];
    address_format(address, sample.account);
    char at[32];
    snprintf(at, sizeof at, "%" PRIu64, sample.refused_tap);
    struct run run;
    RUN(&run, command_account, "account", "--data", sample.dir, "--account", address, "--at", at,
        "--json");
    assert_int_equal(run.code, EXIT_GOOD);
    json_t *account = parse(run.capture.output, strlen(run.capture.output));
    assert_int_equal(number_of(account, "available"), 12000000);
    assert_int_equal(number_of(account, "held"), 8000000);
    assert_int_equal(number_of(account, "open_bets"), 3);
    assert_int_equal(json_array_size(json_object_get(account, "bets")), 3);
    json_decref(account);
    end(&run);
    RUN(&run, command_account, "account", "--data", sample.dir, "--account", address, "--json");
    account = parse(run.capture.output, strlen(run.capture.output));
    const json_t *rows = json_object_get(account, "statement");
    int64_t sum = 0;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        sum += number_of(json_array_get(rows, i), "amount");
        assert_int_equal(number_of(json_array_get(rows, i), "balance_after"), sum);
    }
    assert_int_equal(json_array_size(rows), 8);
    assert_int_equal(number_of(account, "available"), sum);
    assert_int_equal(number_of(account, "held"), 0);
    json_decref(account);
    end(&run);
    RUN(&run, command_account, "account", "--data", sample.dir, "--account", "0x123");
    assert_int_equal(run.code, EXIT_USAGE);
    end(&run);
    sample_remove(&sample);
}

static json_t *explain(const struct sample *sample, uint64_t bet)
{
    char id[32];
    snprintf(id, sizeof id, "%" PRIu64, bet);
    struct run run;
    RUN(&run, command_explain, "explain", "--data", sample->dir, "--bet", id, "--json");
    assert_int_equal(run.code, EXIT_GOOD);
    json_t *story = parse(run.capture.output, strlen(run.capture.output));
    assert_string_equal(text_of(story, "recomputed"), "equal");
    end(&run);
    return story;
}

/* The stories of a won, a lost, a rejected and a repeated tap: every figure recomputed and equal,
 * digests around each step those of the first run. */
static void explain_recomputes_every_figure(void **state)
{
    (void)state;
    struct sample sample;
    make(&sample);
    json_t *story = explain(&sample, sample.won_bet);
    assert_string_equal(text_of(json_object_get(story, "tap"), "signature"), "good");
    const json_t *bet = json_object_get(story, "bet");
    const json_t *pricing = json_object_get(story, "pricing");
    assert_string_equal(text_of(bet, "state"), "won");
    assert_string_equal(text_of(bet, "mult"), text_of(pricing, "mult"));
    assert_string_equal(text_of(bet, "paid"), text_of(pricing, "payout"));
    assert_int_equal(json_array_size(json_object_get(pricing, "variances")), 3);
    /* The neighbour's payout is what skews this one's multiplier. */
    json_t *neighbour = explain(&sample, sample.neighbour_bet);
    const json_t *neighbour_pricing = json_object_get(neighbour, "pricing");
    assert_int_equal(number_of(neighbour_pricing, "cell_payouts"), 0);
    assert_string_equal(text_of(pricing, "cell_payouts"), text_of(neighbour_pricing, "payout"));
    json_decref(neighbour);
    const json_t *settlement = json_object_get(story, "settlement");
    assert_int_equal(json_array_size(json_object_get(settlement, "ticks")), 5);
    assert_string_equal(text_of(settlement, "median"), text_of(bet, "settle_price"));
    const json_t *steps = json_object_get(story, "steps");
    assert_int_equal(json_array_size(steps), 3);
    for (size_t i = 0; i < 3; i++) {
        const json_t *step = json_array_get(steps, i);
        const int64_t seq = number_of(step, "seq");
        char digest[2 * HASH_BYTES + 1];
        text_format_hex(digest, sample.digests[seq - 1], HASH_BYTES);
        assert_string_equal(text_of(step, "digest_before"), digest);
        text_format_hex(digest, sample.digests[seq], HASH_BYTES);
        assert_string_equal(text_of(step, "digest_after"), digest);
    }
    /* Hold 2, confirm 4, win 2: the neighbour's win has used up the escrow. */
    assert_int_equal(json_array_size(json_object_get(story, "ledger")), 8);
    json_decref(story);

    story = explain(&sample, sample.lost_bet);
    assert_string_equal(text_of(json_object_get(story, "bet"), "state"), "lost");
    json_decref(story);

    story = explain(&sample, sample.rejected_bet);
    assert_string_equal(text_of(json_object_get(story, "bet"), "reason"), "PRICE_MOVED");
    assert_true(number_of(json_object_get(story, "pricing"), "mult") < 5000);
    assert_true(json_is_null(json_object_get(story, "settlement")));
    json_decref(story);

    story = explain(&sample, sample.repeated_tap);
    assert_true(json_is_null(json_object_get(story, "bet")));
    assert_int_equal(number_of(json_object_get(story, "tap"), "repeats_bet"), sample.won_bet);
    json_decref(story);
    sample_remove(&sample);
}

/* A forged signature is told, with exit code 1; a seq that is no tap, or is not there, too. */
static void explain_tells_what_is_wrong(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.forged_signature = true});
    char id[32];
    snprintf(id, sizeof id, "%" PRIu64, sample.won_bet);
    struct run run;
    RUN(&run, command_explain, "explain", "--data", sample.dir, "--bet", id);
    assert_int_equal(run.code, EXIT_DIFFERENCE);
    assert_non_null(strstr(run.capture.output, "signature          wrong"));
    end(&run);
    RUN(&run, command_explain, "explain", "--data", sample.dir, "--bet", "1");
    assert_int_equal(run.code, EXIT_DIFFERENCE);
    assert_non_null(strstr(run.capture.errors, "no tap"));
    end(&run);
    RUN(&run, command_explain, "explain", "--data", sample.dir, "--bet", "100000");
    assert_int_equal(run.code, EXIT_DIFFERENCE);
    end(&run);
    RUN(&run, command_explain, "explain", "--data", sample.dir);
    assert_int_equal(run.code, EXIT_USAGE);
    end(&run);
    sample_remove(&sample);
}

/* Wherever there is no journal each command says so in one line and ends with 64. */
static void commands_without_a_journal_say_so(void **state)
{
    (void)state;
    char dir[256];
    sample_directory(dir);
    struct run runs[5];
    RUN(&runs[0], command_verify, "verify", "--data", dir);
    RUN(&runs[1], command_replay, "replay", "--data", dir, "--no-sqlite");
    RUN(&runs[2], command_inspect, "inspect", "--data", dir);
    RUN(&runs[3], command_account, "account", "--data", dir, "--account",
        "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf");
    RUN(&runs[4], command_explain, "explain", "--data", dir, "--bet", "1");
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(runs[i].code, EXIT_USAGE);
        const char *errors = runs[i].capture.errors;
        assert_non_null(strstr(errors, "--data"));
        assert_ptr_equal(strchr(errors, '\n'), strrchr(errors, '\n'));
        end(&runs[i]);
    }
    sample_remove_directory(dir);
}

/* A --data that is a file, or is not there, is wrong usage for every command, and nothing is made.
 */
static void commands_want_a_directory(void **state)
{
    (void)state;
    char dir[256];
    char file[300];
    char out[300];
    char beyond[300];
    sample_directory(dir);
    snprintf(file, sizeof file, "%s/file", dir);
    snprintf(out, sizeof out, "%s/out", dir);
    snprintf(beyond, sizeof beyond, "%s/none/out", dir);
    FILE *made = fopen(file, "w");
    assert_non_null(made);
    fclose(made);
    struct run runs[7];
    RUN(&runs[0], command_verify, "verify", "--data", file);
    RUN(&runs[1], command_replay, "replay", "--data", file, "--out", out);
    RUN(&runs[2], command_inspect, "inspect", "--data", file);
    RUN(&runs[3], command_account, "account", "--data", file, "--account",
        "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf");
    RUN(&runs[4], command_explain, "explain", "--data", file, "--bet", "1");
    RUN(&runs[5], command_verify, "verify", "--data", out);
    RUN(&runs[6], command_replay, "replay", "--data", dir, "--out", beyond);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(runs[i].code, EXIT_USAGE);
        const char *errors = runs[i].capture.errors;
        assert_non_null(strstr(errors, i < 5 ? "Not a directory" : "No such file or directory"));
        assert_ptr_equal(strchr(errors, '\n'), strrchr(errors, '\n'));
        end(&runs[i]);
    }
    struct run run;
    RUN(&run, command_replay, "replay", "--data", dir, "--out", file);
    assert_int_equal(run.code, EXIT_USAGE);
    assert_non_null(strstr(run.capture.errors, "Not a directory"));
    end(&run);
    FILE *none = fopen(out, "r");
    assert_null(none);
    sample_remove_directory(dir);
}

/* A range that no record can lie in is wrong usage; one that none lies in is told. */
static void inspect_tells_of_an_empty_range(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){0});
    struct run run;
    RUN(&run, command_inspect, "inspect", "--data", sample.dir, "--from", "9", "--to", "3");
    assert_int_equal(run.code, EXIT_USAGE);
    assert_non_null(strstr(run.capture.errors, "--from lies behind --to"));
    end(&run);
    RUN(&run, command_inspect, "inspect", "--data", sample.dir, "--from", "2026-11-20T00:00:00Z",
        "--to", "2026-11-19T00:00:00Z");
    assert_int_equal(run.code, EXIT_USAGE);
    end(&run);
    RUN(&run, command_inspect, "inspect", "--data", sample.dir, "--from", "100000000");
    assert_int_equal(run.code, EXIT_DIFFERENCE);
    assert_string_equal(run.capture.output, "");
    assert_non_null(strstr(run.capture.errors, "no record there"));
    end(&run);
    RUN(&run, command_inspect, "inspect", "--data", sample.dir, "--from", "3", "--to", "100000000");
    assert_int_equal(run.code, EXIT_GOOD);
    assert_string_equal(run.capture.errors, "");
    end(&run);
    sample_remove(&sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verify_finds_a_sound_journal_good),
        cmocka_unit_test(verify_names_the_first_difference),
        cmocka_unit_test(damage_is_named_and_passed_over),
        cmocka_unit_test(inspect_survives_any_changed_byte),
        cmocka_unit_test(rebuilt_projections_verify_and_changed_ones_do_not),
        cmocka_unit_test(inspect_shows_every_record_with_its_fields),
        cmocka_unit_test(inspect_shows_events_and_balanced_postings),
        cmocka_unit_test(inspect_shows_a_part_with_configs_as_applied),
        cmocka_unit_test(account_is_as_of_any_moment),
        cmocka_unit_test(explain_recomputes_every_figure),
        cmocka_unit_test(explain_tells_what_is_wrong),
        cmocka_unit_test(commands_without_a_journal_say_so),
        cmocka_unit_test(commands_want_a_directory),
        cmocka_unit_test(inspect_tells_of_an_empty_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
