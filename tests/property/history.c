#include "tests/property/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "journal/codec.h"

#define ATTEST_BACK 20

static void must(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "make_history: %s\n", what);
        exit(1);
    }
}

void history_open(struct history *history, const char *dir, uint64_t seed, int64_t start_ms,
                  size_t segment_bytes)
{
    *history = (struct history){.random = {.state = seed}, .now_ms = start_ms};
    must(applier_open(NULL, &history->applier) == STATUS_OK, "no memory for a machine");
    /* The journal's own epoch is given, so that the same seed makes the same bytes. */
    const struct journal_options options = {
        .segment_bytes = segment_bytes != 0 ? segment_bytes : HISTORY_SEGMENT_BYTES,
        .epoch = seed + 1,
    };
    struct journal_report report;
    must(journal_open(dir, &options, &history->journal, &report) == STATUS_OK, report.reason);
    struct journal_head head;
    journal_head(history->journal, &head);
    must(head.seq == 0, "there is a journal already");
    must(journal_start(history->journal) == STATUS_OK, "the journal does not start");
}

static void pause_a_moment(void)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    (void)nanosleep(&pause, NULL); /* cut short by a signal, it only ends sooner */
}

/* The queue is bounded and the writer is behind us most of the time. */
static void append(struct history *history, const uint8_t *record, size_t bytes)
{
    enum status status;
    while ((status = journal_append(history->journal, record, bytes)) == STATUS_FULL) {
        pause_a_moment();
    }
    must(status == STATUS_OK, "the journal takes no record");
}

static void put(struct history *history, struct input *input, const struct event_sink *sink)
{
    static uint8_t record[LIMIT_RECORD_BYTES];
    input->seq = applier_seq(history->applier) + 1;
    input->time_ms = history->now_ms;
    const size_t bytes = codec_encode(input, record, sizeof record);
    must(bytes > 0, "a record does not encode");
    append(history, record, bytes);
    const enum status status = applier_apply(history->applier, input->seq, record, bytes, sink);
    must(status == STATUS_OK, applier_report(history->applier)->reason);
}

void history_put(struct history *history, struct input *input)
{
    put(history, input, NULL);
}

void history_put_rules(struct history *history, struct input *input)
{
    history_put(history, input);
    struct journal_head head;
    journal_head(history->journal, &head);
    while (head.seq < input->seq) {
        pause_a_moment();
        journal_head(history->journal, &head);
    }
    journal_set_rules(history->journal, machine_rules(history_machine(history)));
}

/* What the step of a tap did, in the words of the advisory check. */
static void note_outcome(void *context, const struct event *event)
{
    struct tap_check *outcome = context;
    if (event->kind == EVENT_TAP_REPEATED) {
        *outcome = (struct tap_check){.outcome = TAP_REPEATED, .bet = event->of.tap.bet};
    } else if (event->kind == EVENT_TAP_REFUSED) {
        *outcome = (struct tap_check){.outcome = TAP_REFUSED, .reason = event->of.tap.reason};
    } else if (event->kind == EVENT_BET_REJECTED && event->of.bet->accepted_seq == 0) {
        *outcome = (struct tap_check){.outcome = TAP_REFUSED, .reason = event->of.bet->reason};
    }
}

/* The applier hands postings on to whoever listens; this one looks at events alone. */
static void ignore_posting(void *context, const struct posting *posting)
{
    (void)context;
    (void)posting;
}

void history_put_tap(struct history *history, struct input *input)
{
    const struct tap_check check =
        machine_check_tap(history_machine(history), &input->of.tap, history->now_ms, false);
    struct tap_check outcome = {.outcome = TAP_WOULD_BET};
    const struct event_sink sink = {
        .context = &outcome, .event = note_outcome, .posting = ignore_posting};
    put(history, input, &sink);
    must(check.outcome == outcome.outcome && check.reason == outcome.reason &&
             check.bet == outcome.bet,
         "the advisory check of a tap and its step disagree");
}

void history_attest(struct history *history)
{
    const uint64_t last = applier_seq(history->applier);
    if (last == 0) {
        return;
    }
    const uint64_t back = random_below(&history->random, last < ATTEST_BACK ? last : ATTEST_BACK);
    struct input input = {.kind = INPUT_ATTEST, .of.attest = {.of_seq = last - back}};
    const uint8_t *digest = applier_digest_of(history->applier, last - back);
    must(digest != NULL, "a digest is forgotten already");
    memcpy(input.of.attest.digest, digest, HASH_BYTES);
    history_put(history, &input);
}

uint64_t history_close(struct history *history)
{
    const uint64_t records = applier_seq(history->applier);
    const char *broken = machine_invariant(applier_machine(history->applier));
    must(broken == NULL, broken);
    must(journal_close(history->journal) == STATUS_OK, "the journal does not close");
    applier_free(history->applier);
    return records;
}

const struct machine *history_machine(const struct history *history)
{
    return applier_machine(history->applier);
}

bool history_chance(struct history *history, unsigned per_mille)
{
    return random_below(&history->random, 1000) < per_mille;
}

int64_t history_between(struct history *history, int64_t low, int64_t high)
{
    const uint64_t span = (uint64_t)high - (uint64_t)low + 1;
    return high <= low ? low : low + (int64_t)random_below(&history->random, span);
}

int64_t history_pick(struct history *history, const int64_t *values, size_t count)
{
    return values[random_below(&history->random, count)];
}

struct text_view history_text(const char *text)
{
    return (struct text_view){text, strlen(text)};
}
