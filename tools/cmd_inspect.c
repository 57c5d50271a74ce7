/* tapline inspect: journal records as text or JSON lines, and with --events what the state machine
 * made of each. Reads only, passes over damage, and is safe on a live directory. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "journal/codec.h"
#include "journal/disk.h"
#include "projections/client_event.h"
#include "projections/shapes.h"
#include "replay/applier.h"
#include "tools/bug_trap.h"
#include "tools/commands.h"
#include "tools/config_follower.h"
#include "tools/moment.h"
#include "tools/offline.h"
#include "tools/options.h"
#include "tools/record_fields.h"
#include "tools/salvage.h"

enum row {
    ROW_DATA,
    ROW_FROM,
    ROW_TO,
    ROW_JSON,
    ROW_EVENTS,
    ROW_COUNT
};

struct inspect {
    const char *data_dir;
    struct moment from;
    struct moment to;
    bool as_json;
    struct config_follower *follower; /* opened at the first Config record */
    bool asked_part;                  /* --from or --to was given */
    bool shown;                       /* a record was within --from and --to */
    bool gap;                         /* records were missing before the present one */
    bool damaged;
    struct applier *applier; /* --events; NULL once the state is not known any more */
    bool with_events;
    struct json line;
    struct json events; /* --json: both arrays; else lines, events and postings in turn */
    struct json postings;
    struct codec_scratch scratch;
};

/* --- What the state machine says.
 * ----------------------------------------------------------------- */

static void begin_item(struct inspect *inspect, struct json *json)
{
    if (!inspect->as_json) {
        json_append(json, "\n    ", 5);
        json->comma = false;
    }
}

static void take_event(void *context, const struct event *event)
{
    struct inspect *inspect = context;
    begin_item(inspect, &inspect->events);
    client_event_inspect(&inspect->events, event);
}

static void take_posting(void *context, const struct posting *posting)
{
    struct inspect *inspect = context;
    struct json *json = inspect->as_json ? &inspect->postings : &inspect->events;
    begin_item(inspect, json);
    shapes_posting(json, posting);
}

static void forget_state(struct inspect *inspect, uint64_t seq, const char *why)
{
    fprintf(stderr, "tapline inspect: seq %" PRIu64 ": %s; no events are shown from here on\n", seq,
            why);
    applier_free(inspect->applier);
    inspect->applier = NULL;
}

/* True when events and postings of the record were made. */
static bool apply(struct inspect *inspect, uint64_t seq, const uint8_t *bytes, size_t length)
{
    json_reset(&inspect->events);
    json_reset(&inspect->postings);
    if (inspect->applier == NULL) {
        return false;
    }
    if (inspect->as_json) {
        json_open(&inspect->events, '[');
        json_open(&inspect->postings, '[');
    }
    const struct event_sink sink = {inspect, take_event, take_posting};
    bug_trap_note(seq);
    const enum status status = applier_apply(inspect->applier, seq, bytes, length, &sink);
    if (status == STATUS_MISMATCH) {
        inspect->damaged = true;
        fprintf(stderr, "tapline inspect: %s\n", applier_report(inspect->applier)->reason);
    } else if (status != STATUS_OK) {
        forget_state(inspect, seq, "the records before it are not all here");
        return false;
    }
    if (inspect->as_json) {
        json_close(&inspect->events, ']');
        json_close(&inspect->postings, ']');
    }
    return true;
}

/* --- What a Config record became.
 * ----------------------------------------------------------------- */

struct catch_up {
    struct inspect *inspect;
    uint64_t before_seq;
    uint64_t next_seq;
    struct codec_scratch scratch;
};

static enum status follow_old_record(void *context, uint64_t seq, const uint8_t *bytes,
                                     size_t length)
{
    struct catch_up *catch_up = context;
    struct inspect *inspect = catch_up->inspect;
    if (seq >= catch_up->before_seq) {
        return STATUS_END;
    }
    struct input input;
    const bool dense = seq == catch_up->next_seq;
    catch_up->next_seq = seq + 1;
    if (!dense || codec_decode(&catch_up->scratch, seq, bytes, length, &input) != STATUS_OK) {
        inspect->gap = true;
        return STATUS_END;
    }
    if (input.kind == INPUT_CONFIG) {
        struct record_config became;
        config_follower_take(inspect->follower, &input, &became);
    }
    return STATUS_OK;
}

static void ignore_damage(void *context, const char *line, bool serious)
{
    (void)context;
    (void)line;
    (void)serious;
}

/* The Config records before the first one that is shown were not looked at: they are read now. From
 * here on every one is shown, and so followed. */
static enum status open_follower(struct inspect *inspect, uint64_t before_seq)
{
    enum status status = config_follower_open(&inspect->follower);
    if (status != STATUS_OK) {
        return status;
    }
    struct catch_up catch_up = {.inspect = inspect, .before_seq = before_seq, .next_seq = 1};
    const struct salvage_visitor visitor = {&catch_up, follow_old_record, ignore_damage};
    status = salvage_run(inspect->data_dir, 1, &visitor);
    if (status == STATUS_OK && catch_up.next_seq != before_seq) {
        inspect->gap = true;
    }
    return status;
}

static enum status follow_config(struct inspect *inspect, const struct input *input,
                                 struct record_config *became)
{
    *became = (struct record_config){.known = false};
    if (input->kind != INPUT_CONFIG) {
        return STATUS_OK;
    }
    if (inspect->follower == NULL) {
        const enum status status = open_follower(inspect, input->seq);
        if (status != STATUS_OK) {
            return status;
        }
    }
    config_follower_take(inspect->follower, input, became);
    became->known = !inspect->gap;
    return STATUS_OK;
}

/* --- One record.
 * ----------------------------------------------------------------------------------- */

static bool is_asked(const struct inspect *inspect, const struct input *input)
{
    return input->seq >= inspect->from.seq && input->time_ms >= inspect->from.time_ms;
}

static bool is_beyond(const struct inspect *inspect, uint64_t seq)
{
    return inspect->to.seq != 0 && seq > inspect->to.seq;
}

static enum status print_unreadable(struct inspect *inspect, uint64_t seq, const uint8_t *bytes,
                                    size_t length)
{
    inspect->damaged = true;
    fprintf(stderr, "tapline inspect: seq %" PRIu64 ": is not a well-formed record\n", seq);
    if (seq < inspect->from.seq) {
        return STATUS_OK;
    }
    inspect->shown = true;
    struct fields fields = {.out = &inspect->line, .json = inspect->as_json};
    if (inspect->as_json) {
        fields_open(&fields, NULL, '{');
    }
    fields_u64(&fields, "seq", seq);
    fields_null(&fields, inspect->as_json ? "time" : NULL);
    fields_string(&fields, inspect->as_json ? "kind" : NULL, "unreadable");
    fields_hex(&fields, "bytes", "", bytes, length);
    if (inspect->as_json) {
        fields_close(&fields, '}');
    }
    return offline_print(&inspect->line) ? STATUS_OK : STATUS_IO;
}

static void put_events(struct inspect *inspect, bool made)
{
    if (!inspect->as_json) {
        json_append(&inspect->line, inspect->events.length > 0 ? inspect->events.text : "",
                    inspect->events.length);
        return;
    }
    json_key(&inspect->line, "events");
    if (made) {
        json_raw(&inspect->line, inspect->events.text, inspect->events.length);
    } else {
        json_null(&inspect->line);
    }
    json_key(&inspect->line, "postings");
    if (made) {
        json_raw(&inspect->line, inspect->postings.text, inspect->postings.length);
    } else {
        json_null(&inspect->line);
    }
}

static enum status take_record(void *context, uint64_t seq, const uint8_t *bytes, size_t length)
{
    struct inspect *inspect = context;
    if (is_beyond(inspect, seq)) {
        return STATUS_END;
    }
    const bool made = apply(inspect, seq, bytes, length);
    struct input input;
    if (codec_decode(&inspect->scratch, seq, bytes, length, &input) != STATUS_OK) {
        return print_unreadable(inspect, seq, bytes, length);
    }
    if (inspect->to.time_ms != 0 && input.time_ms > inspect->to.time_ms) {
        return STATUS_END;
    }
    if (!is_asked(inspect, &input)) {
        return STATUS_OK;
    }
    inspect->shown = true;
    struct record_config became;
    const enum status status = follow_config(inspect, &input, &became);
    if (status != STATUS_OK) {
        return status;
    }
    struct fields fields = {.out = &inspect->line, .json = inspect->as_json};
    if (inspect->as_json) {
        fields_open(&fields, NULL, '{');
    }
    record_fields(&fields, &input, &became);
    if (inspect->with_events) {
        put_events(inspect, made);
    }
    if (inspect->as_json) {
        fields_close(&fields, '}');
    }
    return offline_print(&inspect->line) ? STATUS_OK : STATUS_IO;
}

static void take_damage(void *context, const char *line, bool serious)
{
    struct inspect *inspect = context;
    fprintf(stderr, "tapline inspect: %s\n", line);
    if (serious) {
        inspect->damaged = true;
        inspect->gap = true;
    }
}

/* --- The command.
 * ---------------------------------------------------------------------------------- */

static int run(struct inspect *inspect)
{
    if (inspect->with_events) {
        const enum status opened = applier_open(NULL, &inspect->applier);
        if (opened != STATUS_OK) {
            return offline_fail("inspect", opened, "");
        }
    }
    const struct salvage_visitor visitor = {inspect, take_record, take_damage};
    const bool from_first = inspect->with_events || inspect->from.seq == 0;
    const enum status status =
        salvage_run(inspect->data_dir, from_first ? 1 : inspect->from.seq, &visitor);
    if (status == STATUS_NOT_FOUND) {
        char problem[512];
        snprintf(problem, sizeof problem, "%s/journal: there is no journal", inspect->data_dir);
        return offline_fail("inspect", status, problem);
    }
    if (status != STATUS_OK) {
        return offline_fail("inspect", status, disk_problem(disk_posix(), status));
    }
    if (inspect->damaged) {
        return EXIT_DAMAGED;
    }
    if (inspect->asked_part && !inspect->shown) {
        fprintf(
            stderr,
            "tapline inspect: the journal has no record there; 'tapline inspect' without --from "
            "and --to shows all\n");
        return EXIT_DIFFERENCE;
    }
    return EXIT_GOOD;
}

/* No record can lie in it. Of a seq and a time the order is not known before the journal is read.
 */
static bool ends_before_it_begins(const struct inspect *inspect)
{
    const struct moment *from = &inspect->from;
    const struct moment *to = &inspect->to;
    return (to->seq != 0 && from->seq > to->seq) ||
           (to->time_ms != 0 && from->time_ms > to->time_ms);
}

static int check_and_run(const struct option_row *rows, struct inspect *inspect)
{
    inspect->data_dir = rows[ROW_DATA].value;
    inspect->as_json = rows[ROW_JSON].given;
    inspect->with_events = rows[ROW_EVENTS].given;
    if (rows[ROW_FROM].value != NULL && !moment_parse(rows[ROW_FROM].value, &inspect->from)) {
        return offline_fail("inspect", STATUS_USAGE, "--from takes a seq or a time, see --help");
    }
    if (rows[ROW_TO].value != NULL && !moment_parse(rows[ROW_TO].value, &inspect->to)) {
        return offline_fail("inspect", STATUS_USAGE, "--to takes a seq or a time, see --help");
    }
    if (ends_before_it_begins(inspect)) {
        return offline_fail("inspect", STATUS_USAGE,
                            "--from lies behind --to; give the earlier first");
    }
    inspect->asked_part = rows[ROW_FROM].value != NULL || rows[ROW_TO].value != NULL;
    int code;
    if (!offline_is_directory("inspect", "--data", inspect->data_dir, &code)) {
        return code;
    }
    code = run(inspect);
    config_follower_free(inspect->follower);
    applier_free(inspect->applier);
    json_text_free(&inspect->line);
    json_text_free(&inspect->events);
    json_text_free(&inspect->postings);
    return code;
}

int command_inspect(int argc, char **argv)
{
    struct option_row rows[ROW_COUNT] = {
        [ROW_DATA] = OPTION_ROW("data", OPTION_TEXT, "DIR", "./data", "the data directory"),
        [ROW_FROM] = OPTION_ROW("from", OPTION_TEXT, "SEQ|TIME", NULL, "the first record"),
        [ROW_TO] = OPTION_ROW("to", OPTION_TEXT, "SEQ|TIME", NULL, "the last record"),
        [ROW_JSON] = OPTION_ROW("json", OPTION_FLAG, NULL, NULL, "one JSON object a line"),
        [ROW_EVENTS] = OPTION_ROW("events", OPTION_FLAG, NULL, NULL,
                                  "also what the state machine made of each, by replay"),
    };
    struct options options = {
        .command = "inspect",
        .usage = "tapline inspect --data DIR [--from SEQ] [--to SEQ] [--json] [--events]",
        .summary = "Shows the records of the journal, as many of a damaged one as can be read.",
        .notes = MOMENT_HELP
        "\nExit 1 when no record lies within --from and --to.\n\n" OFFLINE_EXIT_HELP,
        .rows = rows,
        .row_count = ROW_COUNT,
    };
    int code;
    if (!options_parse(&options, argc, argv, &code)) {
        return code;
    }
    struct inspect inspect = {.data_dir = NULL};
    code = check_and_run(rows, &inspect);
    options_free(&options);
    return code;
}
