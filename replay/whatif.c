#include "replay/whatif.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "journal/codec.h"

#define SLICE_FIRST_MS 1000

_Static_assert(WHATIF_POINTS % 2 == 0, "points are halved in pairs");

struct whatif {
    const struct whatif_options *options;
    struct whatif_result *result;
    struct applier *recorded;
    struct applier *other;
    uint64_t recorded_epoch; /* of the record just applied, 0: no Config that took effect */
    uint64_t other_epoch;
    const char *other_refusal; /* why the other side refused its Config record */
    bool over;                 /* the range has ended */
};

/* --- The house's result over time.
 * ---------------------------------------------------------------- */

/* Two slices become one; its value is the later one's, because they say "so far". */
static void halve(struct whatif_series *series)
{
    for (int i = 0; i < WHATIF_POINTS / 2; i++) {
        series->points[i] = series->points[2 * i + 1];
    }
    series->count = WHATIF_POINTS / 2;
    series->slice_ms *= 2;
}

static void put_point(struct whatif *whatif, int64_t time_ms)
{
    struct whatif_series *series = &whatif->result->series;
    if (series->count == 0) {
        series->start_ms = time_ms;
        series->slice_ms = SLICE_FIRST_MS;
    }
    while ((time_ms - series->start_ms) / series->slice_ms >= WHATIF_POINTS) {
        while (series->count < WHATIF_POINTS) {
            series->points[series->count] = series->points[series->count - 1];
            series->count += 1;
        }
        halve(series);
    }
    const int index = (int)((time_ms - series->start_ms) / series->slice_ms);
    while (series->count <= index) {
        series->points[series->count] =
            series->count == 0 ? (struct whatif_point){0} : series->points[series->count - 1];
        series->count += 1;
    }
    series->points[index] = (struct whatif_point){
        .recorded_micro = tally_house_micro(&whatif->result->recorded),
        .other_micro = tally_house_micro(&whatif->result->other),
    };
}

/* --- What the two state machines say.
 * ------------------------------------------------------------ */

static void take_recorded_event(void *context, const struct event *event)
{
    struct whatif *whatif = context;
    tally_event(&whatif->result->recorded, applier_input(whatif->recorded), event);
    if (event->kind == EVENT_CONFIG) {
        whatif->recorded_epoch = event->of.config.epoch;
        whatif->result->recorded_config = *event->of.config.config;
    }
}

static void take_recorded_posting(void *context, const struct posting *posting)
{
    struct whatif *whatif = context;
    tally_posting(&whatif->result->recorded, applier_input(whatif->recorded), posting);
}

static void take_other_event(void *context, const struct event *event)
{
    struct whatif *whatif = context;
    tally_event(&whatif->result->other, applier_input(whatif->other), event);
    if (event->kind == EVENT_CONFIG) {
        whatif->other_epoch = event->of.config.epoch;
        whatif->result->other_config = *event->of.config.config;
    } else if (event->kind == EVENT_CONFIG_REFUSED) {
        whatif->other_refusal = event->of.refusal.problem;
    }
}

static void take_other_posting(void *context, const struct posting *posting)
{
    struct whatif *whatif = context;
    tally_posting(&whatif->result->other, applier_input(whatif->other), posting);
}

/* --- The range.
 * ---------------------------------------------------------------------------------- */

static bool is_before(const struct whatif_bound *bound, const struct input *input)
{
    return input->seq < bound->seq || input->time_ms < bound->time_ms;
}

static bool is_behind(const struct whatif_bound *bound, const struct input *input)
{
    return (bound->seq != 0 && input->seq > bound->seq) ||
           (bound->time_ms != 0 && input->time_ms > bound->time_ms);
}

/* Both sides count taps of the same records. */
static void move_range(struct whatif *whatif, const struct input *input)
{
    struct whatif_result *result = whatif->result;
    if (is_behind(&whatif->options->to, input)) {
        whatif->over = true;
        return;
    }
    if (is_before(&whatif->options->from, input)) {
        return;
    }
    if (result->recorded.first_seq == 0) {
        result->recorded.first_seq = input->seq;
        result->other.first_seq = input->seq;
        result->first_ms = input->time_ms;
        put_point(whatif, input->time_ms);
    }
    result->recorded.last_seq = input->seq;
    result->other.last_seq = input->seq;
    result->last_ms = input->time_ms;
}

/* --- The other side's records.
 * ------------------------------------------------------------------- */

static enum status cannot_combine(struct whatif *whatif, uint64_t seq, const char *why)
{
    snprintf(whatif->result->problem, sizeof whatif->result->problem,
             "the Config record with seq %" PRIu64
             " does not go with the other configuration: %s; leave that key out or give it a value "
             "that fits",
             seq, why);
    return STATUS_USAGE;
}

static void put_over(const struct config_change *change, struct config_change *recorded)
{
    if (change->market_given) {
        recorded->market_given = true;
        memcpy(recorded->market, change->market, sizeof recorded->market);
    }
    for (unsigned key = 0; key < CONFIG_KEY_COUNT; key++) {
        if ((change->given >> key & 1) != 0) {
            recorded->given |= (uint32_t)1 << key;
            recorded->values[key] = change->values[key];
        }
    }
}

static enum status apply_other(struct whatif *whatif, uint64_t seq, const uint8_t *bytes,
                               size_t length)
{
    const struct event_sink sink = {whatif, take_other_event, take_other_posting};
    const enum status status = applier_apply(whatif->other, seq, bytes, length, &sink);
    /* Attest records speak of the recorded history, which this one is not. */
    return status == STATUS_MISMATCH ? STATUS_OK : status;
}

static enum status apply_other_input(struct whatif *whatif, const struct input *input)
{
    uint8_t bytes[LIMIT_RECORD_BYTES];
    const size_t length = codec_encode(input, bytes, sizeof bytes);
    CHECK(length > 0); /* what was decoded encodes, and a Config record has room for all keys */
    return apply_other(whatif, input->seq, bytes, length);
}

static void note_changed(struct whatif_result *result)
{
    for (unsigned i = 0; i < CONFIG_KEY_COUNT; i++) {
        const enum config_key key = (enum config_key)i;
        if (config_get(&result->recorded_config, key) != config_get(&result->other_config, key)) {
            result->changed |= (uint32_t)1 << i;
        }
    }
}

/* A record in the place of a Config record that had no effect: seqs are dense, and an attest says
 * nothing to the state. */
static enum status apply_nothing(struct whatif *whatif, const struct input *input)
{
    struct input nothing = {.seq = input->seq, .time_ms = input->time_ms, .kind = INPUT_ATTEST};
    nothing.of.attest.of_seq = input->seq;
    return apply_other_input(whatif, &nothing);
}

static enum status apply_other_config(struct whatif *whatif, const struct input *input)
{
    if (whatif->recorded_epoch == 0) {
        return apply_nothing(whatif, input);
    }
    const struct config *recorded = &whatif->result->recorded_config;
    struct config fixed;
    config_merge(recorded, whatif->options->change, &fixed);
    const char *problem = config_fixed_problem(recorded, &fixed);
    if (problem != NULL) {
        return cannot_combine(whatif, input->seq, problem);
    }
    struct input changed = *input;
    put_over(whatif->options->change, &changed.of.config);
    const enum status status = apply_other_input(whatif, &changed);
    if (status != STATUS_OK) {
        return status;
    }
    if (whatif->other_epoch == 0) {
        return cannot_combine(whatif, input->seq, whatif->other_refusal);
    }
    CHECK(whatif->other_epoch == whatif->recorded_epoch);
    note_changed(whatif->result);
    return STATUS_OK;
}

/* --- The pass.
 * ----------------------------------------------------------------------------------- */

static enum status before_record(void *context, struct applier *applier,
                                 const struct journal_record *record)
{
    struct whatif *whatif = context;
    const struct input *input = applier_input(applier);
    (void)record;
    move_range(whatif, input);
    if (whatif->over && tally_open(&whatif->result->recorded) == 0 &&
        tally_open(&whatif->result->other) == 0) {
        return STATUS_END;
    }
    whatif->recorded_epoch = 0;
    whatif->other_epoch = 0;
    whatif->other_refusal = "it is refused";
    if (input->kind == INPUT_TAP) {
        tally_tap(&whatif->result->recorded, input->seq);
        tally_tap(&whatif->result->other, input->seq);
    }
    return STATUS_OK;
}

static enum status after_record(void *context, struct applier *applier,
                                const struct journal_record *record)
{
    struct whatif *whatif = context;
    const struct input *input = applier_input(applier);
    const int64_t recorded = tally_house_micro(&whatif->result->recorded);
    const struct whatif_series *series = &whatif->result->series;
    const enum status status =
        input->kind == INPUT_CONFIG
            ? apply_other_config(whatif, input)
            : apply_other(whatif, record->seq, record->bytes, record->length);
    if (status != STATUS_OK) {
        return status;
    }
    const struct whatif_point now = {recorded, tally_house_micro(&whatif->result->other)};
    const struct whatif_point last =
        series->count > 0 ? series->points[series->count - 1] : (struct whatif_point){0};
    if (memcmp(&now, &last, sizeof now) != 0) {
        put_point(whatif, input->time_ms);
    }
    return STATUS_OK;
}

static enum status run(struct whatif *whatif, const char *data_dir)
{
    struct whatif_result *result = whatif->result;
    const struct event_sink sink = {whatif, take_recorded_event, take_recorded_posting};
    const struct replay_options options = {
        .disk = whatif->options->disk,
        .context = whatif,
        .sink = &sink,
        .before = before_record,
        .after = after_record,
        .progress_context = whatif->options->progress_context,
        .progress = whatif->options->progress,
    };
    struct replay_result replay;
    const enum status status = replay_run(whatif->recorded, data_dir, &options, &replay);
    result->records = replay.records;
    result->seq = applier_seq(whatif->recorded);
    if (result->first_ms != 0) {
        put_point(whatif, applier_time_ms(whatif->recorded));
    }
    memcpy(result->digest, applier_digest(whatif->recorded), HASH_BYTES);
    if (status != STATUS_OK && result->problem[0] == '\0') {
        snprintf(result->problem, sizeof result->problem, "%s", replay.problem);
    }
    if (status == STATUS_OK && machine_config(applier_machine(whatif->recorded)) == NULL) {
        snprintf(result->problem, sizeof result->problem, "%s: the journal holds no market yet",
                 data_dir);
        return STATUS_USAGE;
    }
    return status;
}

enum status whatif_run(const char *data_dir, const struct whatif_options *options,
                       struct whatif_result *result)
{
    *result = (struct whatif_result){0};
    struct whatif whatif = {.options = options, .result = result};
    enum status status = applier_open(NULL, &whatif.recorded);
    if (status == STATUS_OK) {
        status = applier_open(NULL, &whatif.other);
    }
    if (status == STATUS_OK) {
        status = run(&whatif, data_dir);
    }
    applier_free(whatif.other);
    applier_free(whatif.recorded);
    return status;
}
