/* The plan of a recovery in words. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"
#include "tools/moment.h"
#include "tools/record_fields.h"
#include "tools/recover.h"

static void say(struct json *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct json *text, const char *format, ...)
{
    char line[2048];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    const size_t bytes = length < (int)sizeof line ? (size_t)length : sizeof line - 1;
    json_append(text, line, bytes);
}

static void say_found(const struct recover_plan *plan, struct json *text)
{
    const struct journal_report *report = &plan->report;
    if (plan->damaged) {
        say(text, "damage       segment %s, offset %" PRIu64 ", seq %" PRIu64 ", row %c: %s\n",
            report->segment[0] == '\0' ? "-" : report->segment, report->offset, report->seq,
            report->rule, report->reason);
    } else if (report->rule != 0) {
        say(text, "note         segment %s, offset %" PRIu64 ", row %c: %s\n", report->segment,
            report->offset, report->rule, report->reason);
    }
    if (plan->cut_by_hand) {
        say(text, "cut          by --to: records behind it are sound and left out\n");
    }
}

static void say_kept(const struct recover_plan *plan, struct json *text)
{
    char root[2 * HASH_BYTES + 1];
    char time[MOMENT_TEXT_BYTES];
    text_format_hex(root, plan->root, HASH_BYTES);
    moment_format(time, plan->kept_time_ms);
    say(text, "kept         seq 1 to %" PRIu64 ", the last of %s\n", plan->kept_to, time);
    say(text, "tree head    %s at seq %" PRIu64 "\n", root, plan->kept_to);
    say(text, "epoch        %016" PRIx64 " before\n", plan->epoch_before);
    if (plan->open_bets > 0) {
        say(text,
            "open bets    %" PRId64 "; the columns that closed meanwhile are void, their stakes "
            "come back\n",
            plan->open_bets);
    }
}

static void say_ranges(const struct recover_plan *plan, struct json *text)
{
    say(text, "readable    ");
    for (unsigned i = 0; i < plan->range_count; i++) {
        say(text, "%s seq %" PRIu64 " to %" PRIu64, i == 0 ? "" : ",", plan->ranges[i].from,
            plan->ranges[i].to);
    }
    say(text, "%s: %" PRIu64 " records of whole batches behind it\n",
        plan->ranges_cut ? " and more" : "", plan->lost_readable);
    say(text, "            ");
    for (unsigned kind = 1; kind < RECOVER_KINDS; kind++) {
        if (plan->lost_kinds[kind] > 0) {
            say(text, " %s %" PRIu64, record_kind_text((enum input_kind)kind),
                plan->lost_kinds[kind]);
        }
    }
    if (plan->lost_kinds[0] > 0) {
        say(text, " unknown %" PRIu64, plan->lost_kinds[0]);
    }
    say(text, "\n");
}

static void say_lost(const struct recover_plan *plan, struct json *text)
{
    if (plan->lost_to == 0) {
        say(text, "lost         nothing has seen a record behind it\n");
        return;
    }
    say(text, "lost         seq %" PRIu64 " to %" PRIu64 ": %" PRIu64 " records, seen by %s\n",
        plan->kept_to + 1, plan->lost_to, plan->lost_to - plan->kept_to, plan->seen_by);
    if (plan->lost_readable > 0) {
        say_ranges(plan, text);
    } else {
        say(text, "readable     none of them\n");
    }
}

static void say_lines(const struct recover_plan *plan, struct json *text)
{
    if (plan->line_count == 0) {
        return;
    }
    say(text,
        "\nLost records that move money or change the rules, as far as they can be read. A tap "
        "was signed by its\nplayer and may have been accepted, and have taken its stake: look for "
        "its seq, the bet's id, in the SQLite\nfiles of the damaged directory, and make good what "
        "is owed by 'tapline admin goodwill'. A deposit or\nwithdrawal has to be entered again, "
        "with its reference.\n\n");
    json_append(text, plan->lines.text, plan->lines.length);
    if (plan->lines_left_out > 0) {
        say(text, "  ... and %" PRIu64 " more: 'tapline inspect --from %" PRIu64 "' shows them\n",
            plan->lines_left_out, plan->kept_to + 1);
    }
}

void recover_describe(const struct recover_options *options, const struct recover_plan *plan,
                      struct json *text)
{
    say(text, "journal      %s\n", options->data_dir);
    say_found(plan, text);
    say_kept(plan, text);
    say_lost(plan, text);
    if (plan->unreadable[0] != '\0') {
        say(text, "not looked   at the rest: %s\n", plan->unreadable);
    }
    say_lines(plan, text);
}
