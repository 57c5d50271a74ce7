#include "tools/whatif_report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "statemachine/saturate.h"
#include "tools/fields.h"
#include "tools/moment.h"

/* --- Numbers for people.
 * -------------------------------------------------------------------------- */

void whatif_report_count(char to[WHATIF_MONEY_BYTES], int64_t count)
{
    char digits[WHATIF_MONEY_BYTES];
    const int length = snprintf(digits, sizeof digits, "%" PRIu64,
                                count < 0 ? 0 - (uint64_t)count : (uint64_t)count);
    char *at = to;
    if (count < 0) {
        *at++ = '-';
    }
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            *at++ = ',';
        }
        *at++ = digits[i];
    }
    *at = '\0';
}

/* `value` in hundredths of what is shown. */
static void put_hundredths(char to[WHATIF_MONEY_BYTES], int64_t value)
{
    char whole[WHATIF_MONEY_BYTES];
    whatif_report_count(whole, value / 100);
    const char *sign = value < 0 && value > -100 ? "-" : ""; /* "-0" has lost its sign */
    const int64_t rest = value < 0 ? -(value % 100) : value % 100;
    snprintf(to, WHATIF_MONEY_BYTES, "%s%.30s.%02d", sign, whole, (int)rest);
}

void whatif_report_money(char to[WHATIF_MONEY_BYTES], int64_t micro)
{
    put_hundredths(to, micro / (MICRO_PER_USD / 100));
}

void whatif_report_percent(char to[WHATIF_MONEY_BYTES], int64_t bp)
{
    put_hundredths(to, bp);
}

void whatif_report_bucket(char to[WHATIF_MONEY_BYTES], int bucket)
{
    const int64_t from = tally_bucket_from_centi(bucket);
    const int64_t last = tally_bucket_from_centi(bucket + 1) - 1;
    snprintf(to, WHATIF_MONEY_BYTES, "%d.%02d to %d.%02dx", (int)(from / 100), (int)(from % 100),
             (int)(last / 100), (int)(last % 100));
}

/* --- What all three say.
 * -------------------------------------------------------------------------- */

static struct whatif_row counts(const char *name, uint64_t recorded, uint64_t other)
{
    return (struct whatif_row){name, "", (int64_t)recorded, (int64_t)other};
}

static struct whatif_row money(const char *name, int64_t recorded, int64_t other)
{
    return (struct whatif_row){name, "USD", recorded, other};
}

size_t whatif_report_rows(const struct whatif_result *result,
                          struct whatif_row rows[WHATIF_ROWS_MAX])
{
    const struct tally *a = &result->recorded;
    const struct tally *b = &result->other;
    const struct whatif_row all[] = {
        counts("taps", a->taps, b->taps),
        counts("repeated", a->repeated, b->repeated),
        counts("offered", a->offered, b->offered),
        counts("accepted", a->accepted, b->accepted),
        counts("confirmed", a->confirmed, b->confirmed),
        counts("rejected", a->rejected, b->rejected),
        {"rejected_share_bp", "bp", tally_rejected_bp(a), tally_rejected_bp(b)},
        counts("won", a->won, b->won),
        counts("lost", a->lost, b->lost),
        counts("void", a->voided, b->voided),
        counts("open", tally_open(a), tally_open(b)),
        money("stakes", a->stakes_micro, b->stakes_micro),
        money("payouts", a->payouts_micro, b->payouts_micro),
        money("void_stakes", a->void_stakes_micro, b->void_stakes_micro),
        money("house_result", tally_house_micro(a), tally_house_micro(b)),
        money("worst_column_result", a->worst_result_micro, b->worst_result_micro),
        money("largest_liability", a->liability_micro, b->liability_micro),
        counts("transfers_refused", a->transfers_refused, b->transfers_refused),
    };
    _Static_assert(sizeof all / sizeof all[0] <= WHATIF_ROWS_MAX, "all rows fit");
    memcpy(rows, all, sizeof all);
    return sizeof all / sizeof all[0];
}

static bool is_changed(const struct whatif_result *result, enum config_key key)
{
    return (result->changed >> (unsigned)key & 1) != 0;
}

void whatif_report_notes(const struct whatif_report *report, void *context,
                         void (*line)(void *context, const char *text))
{
    const struct whatif_result *result = report->result;
    if (result->changed == 0) {
        line(context, "The other configuration changes nothing: both sides are the same history.");
    }
    if (is_changed(result, CONFIG_band_e4)) {
        line(context, "band_e4 differs: a tap names its band by number, and with another width the "
                      "same number is another range of prices. Most taps are CELL_CLOSED for that "
                      "reason alone.");
    }
    if (is_changed(result, CONFIG_quorum)) {
        line(context, "quorum differs: where fewer sources than the recorded quorum agreed, the "
                      "journal holds no price, so a lower one brings none back.");
    }
    if (is_changed(result, CONFIG_edge_bp) || is_changed(result, CONFIG_skew_bp) ||
        is_changed(result, CONFIG_cell_payout_max)) {
        line(context, "Multipliers differ: min_mult was signed for the recorded ones. Lower ones "
                      "show as PRICE_MOVED, though players might have signed less.");
    }
    line(context, WHATIF_LIMITS);
    line(context,
         "The interval of a return is 95 %: 1.96 standard errors of a ratio, columns being "
         "what varies independently, because the bets of a column win and lose together. "
         "Fewer than 30 columns or 10 won bets are too few for it (marked).");
}

/* --- For people.
 * ---------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void put(struct json *out, const char *form, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, form);
    const int length = vsnprintf(text, sizeof text, form, arguments);
    va_end(arguments);
    json_append(out, text, length < (int)sizeof text ? (size_t)length : sizeof text - 1);
}

static void format_value(char to[WHATIF_MONEY_BYTES], const struct whatif_row *row, int64_t value)
{
    if (strcmp(row->unit, "USD") == 0) {
        whatif_report_money(to, value);
    } else if (strcmp(row->unit, "bp") == 0) {
        whatif_report_percent(to, value);
    } else {
        whatif_report_count(to, value);
    }
}

static void put_row(struct json *out, const char *label, const struct whatif_row *row)
{
    char a[WHATIF_MONEY_BYTES];
    char b[WHATIF_MONEY_BYTES];
    char d[WHATIF_MONEY_BYTES];
    format_value(a, row, row->recorded);
    format_value(b, row, row->other);
    format_value(d, row, saturating_subtract(row->other, row->recorded));
    put(out, "  %-28s %18s %18s %18s\n", label, a, b, d);
}

static const char *label_of(const struct whatif_row *row, char to[64])
{
    size_t i = 0;
    for (; row->name[i] != '\0' && i + 1 < 48; i++) {
        to[i] = (char)(row->name[i] == '_' ? ' ' : row->name[i]);
    }
    to[i] = '\0';
    if (strcmp(row->unit, "bp") == 0) {
        strcpy(to, "rejected of offered, %");
    } else if (row->unit[0] != '\0') {
        strcpy(to + i, ", USD");
    }
    return to;
}

static void put_reasons(struct json *out, const char *title, const uint64_t *a, const uint64_t *b)
{
    bool any = false;
    for (unsigned i = 0; i < TALLY_REASONS; i++) {
        if (a[i] == 0 && b[i] == 0) {
            continue;
        }
        if (!any) {
            put(out, "\n%-30s %18s %18s %18s\n", title, "recorded", "other", "difference");
            any = true;
        }
        const struct whatif_row row = counts("", a[i], b[i]);
        put_row(out, reason_text((enum reason)i), &row);
    }
}

static void format_return(char to[64], const struct tally_return *of)
{
    if (!of->known) {
        strcpy(to, "-");
        return;
    }
    char value[WHATIF_MONEY_BYTES];
    char error[WHATIF_MONEY_BYTES] = "?";
    whatif_report_percent(value, of->return_bp);
    if (of->has_interval) {
        whatif_report_percent(error, of->error_bp);
    }
    snprintf(to, 64, "%.20s +-%.20s%s", value, error, of->few ? " *" : "  ");
}

static void put_bucket(struct json *out, const char *label, const struct tally_bucket *a,
                       const struct tally_bucket *b)
{
    const struct tally_return of_a = tally_return_of(a);
    const struct tally_return of_b = tally_return_of(b);
    char text_a[64];
    char text_b[64];
    format_return(text_a, &of_a);
    format_return(text_b, &of_b);
    put(out, "  %-16s %9" PRIu64 " %7" PRIu64 " %20s %9" PRIu64 " %7" PRIu64 " %20s\n", label,
        a->bets, a->won, text_a, b->bets, b->won, text_b);
}

static void put_buckets(struct json *out, const struct whatif_result *result)
{
    put(out, "\n%-18s %9s %7s %20s %9s %7s %20s\n", "return to players, %", "recorded", "won",
        "return  ", "other", "won", "return  ");
    for (int i = 0; i < TALLY_BUCKETS; i++) {
        char label[WHATIF_MONEY_BYTES];
        whatif_report_bucket(label, i);
        put_bucket(out, label, &result->recorded.buckets[i], &result->other.buckets[i]);
    }
    put_bucket(out, "all", &result->recorded.all, &result->other.all);
    put(out, "  +- is the 95 %% interval; * too few columns or wins to trust it\n");
}

static void put_moment(struct json *out, const char *label, int64_t a_ms, int64_t b_ms)
{
    char a[MOMENT_TEXT_BYTES] = "-";
    char b[MOMENT_TEXT_BYTES] = "-";
    if (a_ms != 0) {
        moment_format(a, a_ms);
    }
    if (b_ms != 0) {
        moment_format(b, b_ms);
    }
    put(out, "  %-28s recorded %s, other %s\n", label, a, b);
}

static void put_changed(struct json *out, const struct whatif_result *result)
{
    put(out, "%-30s %18s %18s\n", "market keys that differ", "recorded", "other");
    for (unsigned i = 0; i < CONFIG_KEY_COUNT; i++) {
        const enum config_key key = (enum config_key)i;
        if (is_changed(result, key)) {
            put(out, "  %-28s %18" PRId64 " %18" PRId64 "\n", config_key_name(key),
                config_get(&result->recorded_config, key), config_get(&result->other_config, key));
        }
    }
    if (result->changed == 0) {
        put(out, "  none\n");
    }
}

/* Words up to a width, so that a terminal does not break inside one. */
static void put_sentence(void *context, const char *text)
{
    struct json *out = context;
    size_t column = 0;
    while (*text != '\0') {
        const size_t length = strcspn(text, " ");
        if (column == 0 || column + 1 + length > 96) {
            put(out, "\n%s", column == 0 ? "- " : "  ");
            column = 2;
        } else {
            put(out, " ");
            column += 1;
        }
        json_append(out, text, length);
        column += length;
        text += length + (text[length] == ' ' ? 1 : 0);
    }
}

void whatif_report_people(const struct whatif_report *report, struct json *out)
{
    const struct whatif_result *result = report->result;
    char first[MOMENT_TEXT_BYTES] = "-";
    char last[MOMENT_TEXT_BYTES] = "-";
    if (result->first_ms != 0) {
        moment_format(first, result->first_ms);
        moment_format(last, result->last_ms);
    }
    put(out, "taps of seq %" PRIu64 " to %" PRIu64 ", %s to %s\n\n", result->recorded.first_seq,
        result->recorded.last_seq, first, last);
    put_changed(out, result);
    put(out, "\n%-30s %18s %18s %18s\n", "bets and money", "recorded", "other", "difference");
    struct whatif_row rows[WHATIF_ROWS_MAX];
    const size_t count = whatif_report_rows(result, rows);
    for (size_t i = 0; i < count; i++) {
        char label[64];
        put_row(out, label_of(&rows[i], label), &rows[i]);
    }
    put_moment(out, "worst column", result->recorded.worst_column_ms,
               result->other.worst_column_ms);
    put_moment(out, "largest liability", result->recorded.liability_at_ms,
               result->other.liability_at_ms);
    put_reasons(out, "rejected", result->recorded.rejected_for, result->other.rejected_for);
    put_reasons(out, "void", result->recorded.void_for, result->other.void_for);
    put_buckets(out, result);
    whatif_report_notes(report, out, put_sentence);
}

/* --- For machines.
 * -------------------------------------------------------------------------------- */

static void put_json_reasons(struct fields *fields, const char *key, const uint64_t *counts_for)
{
    fields_open(fields, key, '[');
    for (unsigned i = 0; i < TALLY_REASONS; i++) {
        if (counts_for[i] != 0) {
            fields_open(fields, NULL, '{');
            fields_string(fields, "reason", reason_text((enum reason)i));
            fields_u64(fields, "bets", counts_for[i]);
            fields_close(fields, '}');
        }
    }
    fields_close(fields, ']');
}

static void put_json_bucket(struct fields *fields, int bucket, const struct tally_bucket *of)
{
    const struct tally_return returned = tally_return_of(of);
    fields_open(fields, NULL, '{');
    fields_i64(fields, "from", tally_bucket_from_centi(bucket < 0 ? 0 : bucket));
    fields_i64(fields, "to", tally_bucket_from_centi(bucket < 0 ? TALLY_BUCKETS : bucket + 1) - 1);
    fields_u64(fields, "bets", of->bets);
    fields_u64(fields, "won", of->won);
    fields_u64(fields, "columns", of->columns);
    fields_i64(fields, "stakes", of->stakes_micro);
    fields_i64(fields, "payouts", of->payouts_micro);
    if (returned.known) {
        fields_i64(fields, "return_bp", returned.return_bp);
    } else {
        fields_null(fields, "return_bp");
    }
    if (returned.has_interval) {
        fields_i64(fields, "error_bp", returned.error_bp);
    } else {
        fields_null(fields, "error_bp");
    }
    fields_bool(fields, "few", !returned.known || returned.few);
    fields_close(fields, '}');
}

static void put_json_side(struct fields *fields, const char *key, const struct tally *figures,
                          const struct config *config, const struct whatif_result *result)
{
    struct whatif_row rows[WHATIF_ROWS_MAX];
    const size_t count = whatif_report_rows(result, rows);
    fields_open(fields, key, '{');
    for (size_t i = 0; i < count; i++) {
        fields_i64(fields, rows[i].name,
                   figures == &result->recorded ? rows[i].recorded : rows[i].other);
    }
    fields_i64_or_null(fields, "worst_column", figures->worst_column_ms);
    fields_i64_or_null(fields, "largest_liability_at", figures->liability_at_ms);
    put_json_reasons(fields, "rejected_for", figures->rejected_for);
    put_json_reasons(fields, "void_for", figures->void_for);
    fields_open(fields, "buckets", '[');
    for (int i = 0; i < TALLY_BUCKETS; i++) {
        put_json_bucket(fields, i, &figures->buckets[i]);
    }
    put_json_bucket(fields, -1, &figures->all);
    fields_close(fields, ']');
    fields_open(fields, "config", '{');
    fields_string(fields, "market", config->market);
    for (unsigned i = 0; i < CONFIG_KEY_COUNT; i++) {
        const enum config_key name = (enum config_key)i;
        fields_i64(fields, config_key_name(name), config_get(config, name));
    }
    fields_close(fields, '}');
    fields_close(fields, '}');
}

static void put_json_note(void *context, const char *text)
{
    json_string(context, text);
}

static void put_json_series(struct fields *fields, const struct whatif_series *series)
{
    fields_open(fields, "house_result_over_time", '[');
    for (int i = 0; i < series->count; i++) {
        fields_open(fields, NULL, '{');
        fields_i64(fields, "time", series->start_ms + i * series->slice_ms);
        fields_i64(fields, "recorded", series->points[i].recorded_micro);
        fields_i64(fields, "other", series->points[i].other_micro);
        fields_close(fields, '}');
    }
    fields_close(fields, ']');
}

void whatif_report_json(const struct whatif_report *report, struct json *out)
{
    const struct whatif_result *result = report->result;
    struct fields fields = {.out = out, .json = true};
    fields_open(&fields, NULL, '{');
    fields_u64(&fields, "records", result->records);
    fields_u64(&fields, "seq", result->seq);
    fields_hex(&fields, "digest", "", result->digest, HASH_BYTES);
    fields_u64_or_null(&fields, "first_seq", result->recorded.first_seq);
    fields_u64_or_null(&fields, "last_seq", result->recorded.last_seq);
    fields_i64_or_null(&fields, "first_time", result->first_ms);
    fields_i64_or_null(&fields, "last_time", result->last_ms);
    fields_open(&fields, "changed", '[');
    for (unsigned i = 0; i < CONFIG_KEY_COUNT; i++) {
        if (is_changed(result, (enum config_key)i)) {
            json_string(out, config_key_name((enum config_key)i));
        }
    }
    fields_close(&fields, ']');
    put_json_side(&fields, "recorded", &result->recorded, &result->recorded_config, result);
    put_json_side(&fields, "other", &result->other, &result->other_config, result);
    struct whatif_row rows[WHATIF_ROWS_MAX];
    const size_t count = whatif_report_rows(result, rows);
    fields_open(&fields, "difference", '{');
    for (size_t i = 0; i < count; i++) {
        fields_i64(&fields, rows[i].name, saturating_subtract(rows[i].other, rows[i].recorded));
    }
    fields_close(&fields, '}');
    put_json_series(&fields, &result->series);
    fields_open(&fields, "notes", '[');
    whatif_report_notes(report, out, put_json_note);
    fields_close(&fields, ']');
    fields_close(&fields, '}');
}
