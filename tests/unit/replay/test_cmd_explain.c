/* tapline explain --all; the stories themselves are held against an oracle by
 * tests/property/audit.py. */
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

#include "capture.h"
#include "sample.h"

struct run {
    int code;
    struct capture capture;
};

static void run_explain(struct run *run, const char *const *texts, int count)
{
    char *argv[16] = {NULL};
    memcpy(argv, texts, (size_t)count * sizeof argv[0]);
    capture_begin(&run->capture);
    run->code = command_explain(count, argv);
    capture_end(&run->capture);
}

#define RUN(run, ...)                                                                              \
    run_explain((run), (const char *[]){"explain", __VA_ARGS__},                                   \
                (int)(sizeof((const char *[]){"explain", __VA_ARGS__}) / sizeof(char *)))

static void end(struct run *run)
{
    capture_free(&run->capture);
}

static uint64_t bet_of(const char *line)
{
    json_error_t error;
    json_t *story = json_loads(line, JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, &error);
    assert_non_null(story);
    assert_string_equal(json_string_value(json_object_get(story, "recomputed")), "equal");
    const uint64_t bet = strtoull(
        json_string_value(json_object_get(json_object_get(story, "bet"), "bet")), NULL, 10);
    json_decref(story);
    return bet;
}

/* Counts the lines; `seen` holds the bets in their order. */
static size_t read_bets(const char *output, uint64_t seen[16])
{
    size_t count = 0;
    for (const char *line = output; *line != '\0'; line = strchr(line, '\n') + 1) {
        assert_true(count < 16);
        seen[count] = bet_of(line);
        count += 1;
    }
    return count;
}

/* Every bet has one line, and each line is, to the byte, what --bet says of it alone. */
static void all_says_of_each_what_one_says(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.second_config = true});
    struct run all;
    RUN(&all, "--data", sample.dir, "--all", "--json");
    assert_string_equal(all.capture.errors, "");
    assert_int_equal(all.code, EXIT_GOOD);
    uint64_t seen[16];
    const size_t count = read_bets(all.capture.output, seen);
    assert_true(count >= 4); /* won, lost, rejected, neighbour; no line for taps without a bet */
    const char *line = all.capture.output;
    for (size_t i = 0; i < count; i++) {
        char id[32];
        snprintf(id, sizeof id, "%" PRIu64, seen[i]);
        struct run one;
        RUN(&one, "--data", sample.dir, "--bet", id, "--json");
        assert_int_equal(one.code, EXIT_GOOD);
        const size_t length = strlen(one.capture.output);
        assert_int_equal(strncmp(line, one.capture.output, length), 0);
        line += length;
        end(&one);
    }
    assert_int_equal(*line, '\0');
    end(&all);
    sample_remove(&sample);
}

/* --from and --to choose by the bet's id; what came before still counts in the cells. */
static void a_range_is_told_alone(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
    struct run run;
    uint64_t all[16];
    uint64_t seen[16];
    RUN(&run, "--data", sample.dir, "--all", "--json");
    const size_t count = read_bets(run.capture.output, all);
    end(&run);
    char from[32];
    char to[32];
    snprintf(from, sizeof from, "%" PRIu64, sample.won_bet);
    snprintf(to, sizeof to, "%" PRIu64, sample.lost_bet);
    RUN(&run, "--data", sample.dir, "--all", "--json", "--from", from, "--to", to);
    assert_int_equal(run.code, EXIT_GOOD);
    const size_t told = read_bets(run.capture.output, seen);
    size_t expected = 0;
    for (size_t i = 0; i < count; i++) {
        if (all[i] >= sample.won_bet && all[i] <= sample.lost_bet) {
            assert_int_equal(seen[expected], all[i]);
            expected += 1;
        }
    }
    assert_int_equal(told, expected);
    assert_true(told >= 1);
    assert_true(told < count);
    end(&run);
    sample_remove(&sample);
}

/* A forged signature ends with 1, and its story says so; the others are told all the same. */
static void a_wrong_signature_ends_with_one(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.forged_signature = true});
    struct run run;
    RUN(&run, "--data", sample.dir, "--all", "--json");
    assert_int_equal(run.code, EXIT_DIFFERENCE);
    assert_non_null(strstr(run.capture.output, "\"signature\":\"wrong\""));
    assert_non_null(strstr(run.capture.output, "\"signature\":\"good\""));
    end(&run);
    sample_remove(&sample);
}

/* One bet or all, not both, and a range of all only. */
static void wrong_use_ends_with_64(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
    struct run run;
    RUN(&run, "--data", sample.dir, "--all", "--bet", "5");
    assert_int_equal(run.code, EXIT_USAGE);
    end(&run);
    RUN(&run, "--data", sample.dir, "--bet", "5", "--from", "5");
    assert_int_equal(run.code, EXIT_USAGE);
    end(&run);
    RUN(&run, "--data", sample.dir, "--all", "--to", "soon");
    assert_int_equal(run.code, EXIT_USAGE);
    assert_non_null(strstr(run.capture.errors, "--bet ID"));
    end(&run);
    sample_remove(&sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_says_of_each_what_one_says),
        cmocka_unit_test(a_range_is_told_alone),
        cmocka_unit_test(a_wrong_signature_ends_with_one),
        cmocka_unit_test(wrong_use_ends_with_64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
