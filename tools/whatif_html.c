/* The report of `whatif` as one HTML file. Plots are SVG made here; colours follow the reader's
 * preference for dark or light through CSS alone. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "statemachine/saturate.h"
#include "tools/moment.h"
#include "tools/whatif_report.h"

/* A plot: the frame in which figures are drawn, in user units. */
#define PLOT_WIDTH   880.0
#define PLOT_HEIGHT  340.0
#define PLOT_LEFT    90.0
#define PLOT_RIGHT   20.0
#define PLOT_TOP     20.0
#define PLOT_BOTTOM  50.0
#define TICKS_WANTED 5

__attribute__((format(printf, 2, 3))) static void put(struct json *out, const char *form, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, form);
    const int length = vsnprintf(text, sizeof text, form, arguments);
    va_end(arguments);
    json_append(out, text, length < (int)sizeof text ? (size_t)length : sizeof text - 1);
}

/* Text from outside: names of files. */
static void put_escaped(struct json *out, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '&':
            put(out, "&amp;");
            break;
        case '<':
            put(out, "&lt;");
            break;
        case '>':
            put(out, "&gt;");
            break;
        case '"':
            put(out, "&quot;");
            break;
        default:
            json_append(out, text, 1);
        }
    }
}

static const char style[] =
    ":root{color-scheme:light dark;--bg:#fbfaf7;--card:#fff;--ink:#1c1e21;--soft:#646a73;"
    "--line:#e3e1da;--grid:#ecebe6;--a:#2f6fde;--b:#d9730d;--bad:#c0392b}"
    "@media(prefers-color-scheme:dark){:root{--bg:#14161a;--card:#1c1f25;--ink:#e9e9e6;"
    "--soft:#9aa1ac;--line:#2d323a;--grid:#282c34;--a:#6ea3ff;--b:#ffab57;--bad:#ff7b6b}}"
    "*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);"
    "font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}"
    "main{max-width:960px;margin:0 auto;padding:40px 20px 64px}"
    "h1{font-size:28px;line-height:1.2;margin:0 0 6px;letter-spacing:-.01em}"
    "h2{font-size:18px;margin:0 0 4px}p{margin:0 0 12px}.soft{color:var(--soft)}"
    "section{background:var(--card);border:1px solid var(--line);border-radius:12px;"
    "padding:20px 24px;margin-top:20px;overflow-x:auto}"
    ".cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(205px,1fr));gap:16px;"
    "margin-top:24px}.card{background:var(--card);border:1px solid var(--line);border-radius:12px;"
    "padding:14px 18px}.card h3{margin:0 0 6px;font-size:13px;font-weight:600;color:var(--soft)}"
    ".card div{display:flex;justify-content:space-between;gap:12px;"
    "font-variant-numeric:tabular-nums}.card b{font-size:17px}"
    "table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}"
    "th,td{padding:5px 10px;text-align:right;border-bottom:1px solid var(--line);"
    "white-space:nowrap}th{font-size:13px;font-weight:600;color:var(--soft)}"
    "th:first-child,td:first-child{text-align:left;padding-left:0}tr:last-child td{border:0}"
    ".ca{color:var(--a)}.cb{color:var(--b)}.key{display:inline-block;width:11px;height:11px;"
    "border-radius:3px;margin:0 6px 0 14px}.key:first-child{margin-left:0}"
    "svg{display:block;width:100%;height:auto;min-width:640px;margin-top:8px}"
    "svg text{font:12.5px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;"
    "fill:var(--soft)}svg .v{fill:var(--ink)}svg .grid{stroke:var(--grid)}"
    "svg .axis{stroke:var(--soft)}svg .a{stroke:var(--a)}svg .b{stroke:var(--b)}"
    "svg .fa{fill:var(--a)}svg .fb{fill:var(--b)}svg .open{fill:var(--card)}"
    "svg .even{stroke:var(--bad);stroke-dasharray:5 4}svg path{fill:none}"
    "ul{margin:0;padding-left:20px}li{margin-bottom:6px}code{font-size:13px;"
    "overflow-wrap:anywhere}";

/* --- Axes.
 * --------------------------------------------------------------------------------------- */

struct axis {
    double low;
    double high;
    double step;
};

/* 1, 2 or 5 times a power of ten: what people read without counting. */
static double round_step(double span)
{
    const double rough = span / TICKS_WANTED;
    const double power = pow(10, floor(log10(rough)));
    const double part = rough / power;
    return (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10) * power;
}

static struct axis make_axis(double low, double high)
{
    if (high - low < 1e-9) {
        high = low + 1;
    }
    struct axis axis = {.step = round_step(high - low)};
    axis.low = floor(low / axis.step) * axis.step;
    axis.high = ceil(high / axis.step) * axis.step;
    return axis;
}

static double y_of(const struct axis *axis, double value)
{
    const double height = PLOT_HEIGHT - PLOT_TOP - PLOT_BOTTOM;
    const double share = (value - axis->low) / (axis->high - axis->low);
    return PLOT_TOP + height * (1 - fmin(fmax(share, 0), 1));
}

static void open_plot(struct json *out, const char *title, double height)
{
    put(out,
        "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"%s\">"
        "<g stroke-width=\"1\">",
        PLOT_WIDTH, height, title);
}

static void close_plot(struct json *out)
{
    put(out, "</g></svg>");
}

static void put_text(struct json *out, double x, double y, const char *anchor, const char *text)
{
    put(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>", x, y, anchor, text);
}

/* Lines across the plot with their values; `unit` stands behind each. */
static void put_y_axis(struct json *out, const struct axis *axis, const char *unit)
{
    const int count = (int)((axis->high - axis->low) / axis->step + 0.5);
    const int digits = axis->step >= 1 ? 0 : (int)ceil(-log10(axis->step) - 1e-9);
    for (int i = 0; i <= count; i++) {
        const double value = axis->low + i * axis->step;
        const double y = y_of(axis, value);
        char label[64];
        if (digits == 0) {
            char whole[WHATIF_MONEY_BYTES];
            whatif_report_count(whole, (int64_t)llround(value));
            snprintf(label, sizeof label, "%.30s%s", whole, unit);
        } else {
            snprintf(label, sizeof label, "%.*f%s", digits, value, unit);
        }
        put(out, "<line class=\"%s\" x1=\"%.0f\" x2=\"%.0f\" y1=\"%.1f\" y2=\"%.1f\"/>",
            fabs(value) < axis->step / 2 ? "axis" : "grid", PLOT_LEFT, PLOT_WIDTH - PLOT_RIGHT, y,
            y);
        put_text(out, PLOT_LEFT - 10, y + 4, "end", label);
    }
}

static void put_legend(struct json *out)
{
    put(out, "<p class=\"soft\"><span class=\"key\" style=\"background:var(--a)\"></span>as "
             "recorded<span class=\"key\" style=\"background:var(--b)\"></span>the other "
             "configuration</p>");
}

/* --- Return to players by multiplier.
 * -------------------------------------------------------------- */

#define RETURN_SHOWN_MAX                                                                           \
    400.0 /* per cent; a bucket of three lucky bets must not flatten the rest */

static double upper_of(const struct tally_bucket *bucket)
{
    const struct tally_return of = tally_return_of(bucket);
    return of.known ? (double)(of.return_bp + (of.has_interval ? of.error_bp : 0)) / 100 : 0;
}

static void put_return(struct json *out, const struct axis *axis, double x,
                       const struct tally_bucket *bucket, char side)
{
    const struct tally_return of = tally_return_of(bucket);
    if (!of.known) {
        return;
    }
    const double value = (double)of.return_bp / 100;
    const double error = of.has_interval ? (double)of.error_bp / 100 : 0;
    const double y = y_of(axis, value);
    const double y_high = y_of(axis, value + error);
    const double y_low = y_of(axis, value - error);
    put(out,
        "<path class=\"%c\" stroke-width=\"2\" d=\"M%.1f %.1fV%.1fM%.1f %.1fh10M%.1f %.1fh10\"/>",
        side, x, y_low, y_high, x - 5, y_low, x - 5, y_high);
    put(out,
        "<circle class=\"%c %s\" cx=\"%.1f\" cy=\"%.1f\" r=\"5\" stroke-width=\"2\"><title>"
        "%.2f %% +- %.2f, %" PRIu64 " bets in %" PRIu64 " columns</title></circle>",
        side,
        of.few        ? "open"
        : side == 'a' ? "fa"
                      : "fb",
        x, y, value, error, bucket->bets, bucket->columns);
}

static void put_return_plot(struct json *out, const struct whatif_result *result)
{
    double high = 120;
    for (int i = 0; i < TALLY_BUCKETS; i++) {
        high = fmax(high, upper_of(&result->recorded.buckets[i]));
        high = fmax(high, upper_of(&result->other.buckets[i]));
    }
    const struct axis axis = make_axis(0, fmin(high, RETURN_SHOWN_MAX));
    const int slots = TALLY_BUCKETS + 1;
    const double slot = (PLOT_WIDTH - PLOT_LEFT - PLOT_RIGHT) / slots;
    open_plot(out, "Return to players by multiplier", PLOT_HEIGHT);
    put_y_axis(out, &axis, " %");
    const double even = y_of(&axis, 100);
    put(out, "<line class=\"even\" x1=\"%.0f\" x2=\"%.0f\" y1=\"%.1f\" y2=\"%.1f\"/>", PLOT_LEFT,
        PLOT_WIDTH - PLOT_RIGHT, even, even);
    for (int i = 0; i < slots; i++) {
        const bool total = i == TALLY_BUCKETS;
        const double x = PLOT_LEFT + slot * (i + 0.5);
        char label[WHATIF_MONEY_BYTES] = "all bets";
        if (!total) {
            const double from = (double)tally_bucket_from_centi(i) / 100;
            const double to =
                (double)(tally_bucket_from_centi(i + 1) - (i + 1 == TALLY_BUCKETS)) / 100;
            snprintf(label, sizeof label, "%.4g\xe2\x80\x93%.4gx", from, to);
        }
        put_text(out, x, PLOT_HEIGHT - PLOT_BOTTOM + 20, "middle", label);
        put_return(out, &axis, x - 11, total ? &result->recorded.all : &result->recorded.buckets[i],
                   'a');
        put_return(out, &axis, x + 11, total ? &result->other.all : &result->other.buckets[i], 'b');
    }
    put_text(out, PLOT_LEFT + (PLOT_WIDTH - PLOT_LEFT - PLOT_RIGHT) / 2, PLOT_HEIGHT - 8, "middle",
             "multiplier of the bet");
    close_plot(out);
}

/* --- House result over time.
 * --------------------------------------------------------------------- */

static double usd(int64_t micro)
{
    return (double)micro / (double)MICRO_PER_USD;
}

static void put_line(struct json *out, const struct whatif_series *series, const struct axis *axis,
                     char side)
{
    const double width = PLOT_WIDTH - PLOT_LEFT - PLOT_RIGHT;
    const int last = series->count > 1 ? series->count - 1 : 1;
    put(out, "<path class=\"%c\" stroke-width=\"2\" stroke-linejoin=\"round\" d=\"", side);
    for (int i = 0; i < series->count; i++) {
        const struct whatif_point *point = &series->points[i];
        const double value = usd(side == 'a' ? point->recorded_micro : point->other_micro);
        put(out, "%c%.1f %.1f", i == 0 ? 'M' : 'L', PLOT_LEFT + width * i / last,
            y_of(axis, value));
    }
    put(out, "\"/>");
}

/* Days and minutes, seconds only where all of it is a matter of minutes. */
static void format_time_label(char to[MOMENT_TEXT_BYTES], int64_t time_ms, int64_t span_ms)
{
    char text[MOMENT_TEXT_BYTES];
    moment_format(text, time_ms);
    if (strlen(text) < 19) {
        snprintf(to, MOMENT_TEXT_BYTES, "%s", text);
    } else if (span_ms < (int64_t)1800 * 1000) {
        snprintf(to, MOMENT_TEXT_BYTES, "%.8s", text + 11);
    } else if (span_ms < (int64_t)86400 * 1000) {
        snprintf(to, MOMENT_TEXT_BYTES, "%.5s", text + 11);
    } else {
        snprintf(to, MOMENT_TEXT_BYTES, "%.5s %.5s", text + 5, text + 11);
    }
}

static void put_time_axis(struct json *out, const struct whatif_series *series)
{
    const double width = PLOT_WIDTH - PLOT_LEFT - PLOT_RIGHT;
    const int64_t span_ms = series->slice_ms * (series->count > 1 ? series->count - 1 : 1);
    for (int i = 0; i <= TICKS_WANTED; i++) {
        char label[MOMENT_TEXT_BYTES];
        format_time_label(label, series->start_ms + span_ms * i / TICKS_WANTED, span_ms);
        put_text(out, PLOT_LEFT + width * i / TICKS_WANTED, PLOT_HEIGHT - PLOT_BOTTOM + 20,
                 i == 0              ? "start"
                 : i == TICKS_WANTED ? "end"
                                     : "middle",
                 label);
    }
    char day[MOMENT_TEXT_BYTES];
    moment_format(day, series->start_ms);
    char caption[64];
    snprintf(caption, sizeof caption, "time, UTC, from %.10s", day);
    put_text(out, PLOT_LEFT + width / 2, PLOT_HEIGHT - 8, "middle", caption);
}

static void put_house_plot(struct json *out, const struct whatif_series *series)
{
    double low = 0;
    double high = 0;
    for (int i = 0; i < series->count; i++) {
        low = fmin(low,
                   fmin(usd(series->points[i].recorded_micro), usd(series->points[i].other_micro)));
        high = fmax(
            high, fmax(usd(series->points[i].recorded_micro), usd(series->points[i].other_micro)));
    }
    if (series->count == 0) {
        put(out, "<p class=\"soft\">No bet was settled.</p>");
        return;
    }
    const struct axis axis = make_axis(low, high);
    open_plot(out, "House result over time", PLOT_HEIGHT);
    put_y_axis(out, &axis, "");
    put_time_axis(out, series);
    put_line(out, series, &axis, 'a');
    put_line(out, series, &axis, 'b');
    close_plot(out);
}

/* --- Rejected share by reason.
 * --------------------------------------------------------------------- */

#define BAR_ROW   46.0
#define BAR_LEFT  190.0
#define BAR_RIGHT 90.0

static double share_of(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : 100.0 * (double)part / (double)whole;
}

static void put_bar(struct json *out, double y, double share, double most, char side)
{
    const double width = (PLOT_WIDTH - BAR_LEFT - BAR_RIGHT) * (most > 0 ? share / most : 0);
    put(out, "<rect class=\"f%c\" x=\"%.0f\" y=\"%.1f\" width=\"%.1f\" height=\"14\" rx=\"3\"/>",
        side, BAR_LEFT, y, fmax(width, share > 0 ? 2 : 0));
    put(out, "<text class=\"v\" x=\"%.1f\" y=\"%.1f\">%.2f %%</text>", BAR_LEFT + width + 8,
        y + 11.5, share);
}

static void put_reason_plot(struct json *out, const struct whatif_result *result)
{
    const struct tally *a = &result->recorded;
    const struct tally *b = &result->other;
    double most = 0;
    int rows = 0;
    for (int i = 0; i < TALLY_REASONS; i++) {
        const bool any = a->rejected_for[i] != 0 || b->rejected_for[i] != 0;
        rows += any ? 1 : 0;
        most = fmax(most, share_of(a->rejected_for[i], a->offered));
        most = fmax(most, share_of(b->rejected_for[i], b->offered));
    }
    if (rows == 0) {
        put(out, "<p class=\"soft\">No tap was rejected.</p>");
        return;
    }
    open_plot(out, "Rejected share by reason", rows * BAR_ROW + 8);
    double y = 4;
    for (int i = 0; i < TALLY_REASONS; i++) {
        if (a->rejected_for[i] == 0 && b->rejected_for[i] == 0) {
            continue;
        }
        put_text(out, BAR_LEFT - 12, y + 20, "end", reason_text((enum reason)i));
        put_bar(out, y, share_of(a->rejected_for[i], a->offered), most, 'a');
        put_bar(out, y + 17, share_of(b->rejected_for[i], b->offered), most, 'b');
        y += BAR_ROW;
    }
    close_plot(out);
}

/* --- The page.
 * ----------------------------------------------------------------------------------- */

static void put_card(struct json *out, const char *title, const char *a, const char *b)
{
    put(out,
        "<div class=\"card\"><h3>%s</h3><div><span class=\"ca\">recorded</span><b>%s</b></div>"
        "<div><span class=\"cb\">other</span><b>%s</b></div></div>",
        title, a, b);
}

static void put_cards(struct json *out, const struct whatif_result *result)
{
    const struct tally *a = &result->recorded;
    const struct tally *b = &result->other;
    char left[WHATIF_MONEY_BYTES + 8];
    char right[WHATIF_MONEY_BYTES + 8];
    put(out, "<div class=\"cards\">");
    whatif_report_money(left, tally_house_micro(a));
    whatif_report_money(right, tally_house_micro(b));
    put_card(out, "House result, USD", left, right);
    const struct tally_return of_a = tally_return_of(&a->all);
    const struct tally_return of_b = tally_return_of(&b->all);
    whatif_report_percent(left, of_a.return_bp);
    whatif_report_percent(right, of_b.return_bp);
    put_card(out, "Return to players, %", of_a.known ? left : "-", of_b.known ? right : "-");
    whatif_report_percent(left, tally_rejected_bp(a));
    whatif_report_percent(right, tally_rejected_bp(b));
    put_card(out, "Rejected of offered, %", left, right);
    whatif_report_money(left, a->worst_result_micro);
    whatif_report_money(right, b->worst_result_micro);
    put_card(out, "Worst column, USD", left, right);
    put(out, "</div>");
}

static void put_changed(struct json *out, const struct whatif_result *result)
{
    put(out, "<section><h2>What differs</h2><table><tr><th>market key</th><th class=\"ca\">recorded"
             "</th><th class=\"cb\">other</th></tr>");
    for (unsigned i = 0; i < CONFIG_KEY_COUNT; i++) {
        const enum config_key key = (enum config_key)i;
        if ((result->changed >> i & 1) != 0) {
            put(out, "<tr><td><code>%s</code></td><td>%" PRId64 "</td><td>%" PRId64 "</td></tr>",
                config_key_name(key), config_get(&result->recorded_config, key),
                config_get(&result->other_config, key));
        }
    }
    put(out, "%s</table></section>",
        result->changed == 0 ? "<tr><td>nothing</td><td></td><td></td></tr>" : "");
}

static void format_row(char to[WHATIF_MONEY_BYTES + 8], const struct whatif_row *row, int64_t value)
{
    if (strcmp(row->unit, "USD") == 0) {
        whatif_report_money(to, value);
    } else if (strcmp(row->unit, "bp") == 0) {
        whatif_report_percent(to, value);
        strcat(to, " %");
    } else {
        whatif_report_count(to, value);
    }
}

static void put_figures(struct json *out, const struct whatif_result *result)
{
    put(out,
        "<section><h2>Bets and money</h2><table><tr><th></th><th class=\"ca\">recorded</th><th "
        "class=\"cb\">other</th><th>difference</th></tr>");
    struct whatif_row rows[WHATIF_ROWS_MAX];
    const size_t count = whatif_report_rows(result, rows);
    for (size_t i = 0; i < count; i++) {
        char a[WHATIF_MONEY_BYTES + 8];
        char b[WHATIF_MONEY_BYTES + 8];
        char d[WHATIF_MONEY_BYTES + 8];
        char name[64];
        snprintf(name, sizeof name, "%s", rows[i].name);
        for (char *at = name; *at != '\0'; at++) {
            *at = (char)(*at == '_' ? ' ' : *at);
        }
        if (strcmp(rows[i].unit, "bp") == 0) {
            strcpy(name, "rejected of offered");
        }
        format_row(a, &rows[i], rows[i].recorded);
        format_row(b, &rows[i], rows[i].other);
        format_row(d, &rows[i], saturating_subtract(rows[i].other, rows[i].recorded));
        put(out, "<tr><td>%s%s</td><td>%s</td><td>%s</td><td>%s</td></tr>", name,
            strcmp(rows[i].unit, "USD") == 0 ? ", USD" : "", a, b, d);
    }
    put(out, "</table></section>");
}

static void put_note(void *context, const char *text)
{
    struct json *out = context;
    put(out, "<li>");
    put_escaped(out, text);
    put(out, "</li>");
}

static void put_head(struct json *out, const struct whatif_report *report)
{
    const struct whatif_result *result = report->result;
    char first[MOMENT_TEXT_BYTES] = "-";
    char last[MOMENT_TEXT_BYTES] = "-";
    if (result->first_ms != 0) {
        moment_format(first, result->first_ms);
        moment_format(last, result->last_ms);
    }
    put(out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width,initial-scale=1\"><title>tapline what if</title><style>");
    json_append(out, style, sizeof style - 1);
    put(out, "</style></head><body><main><h1>What if: <code>");
    put_escaped(out, report->market_file);
    put(out, "</code></h1><p class=\"soft\">The taps of <code>");
    put_escaped(out, report->data_dir);
    put(out,
        "</code>, seq %" PRIu64 " to %" PRIu64
        ", %.19s to %.19s UTC, told again under another market configuration.</p>",
        result->recorded.first_seq, result->recorded.last_seq, first, last);
}

void whatif_report_html(const struct whatif_report *report, struct json *out)
{
    const struct whatif_result *result = report->result;
    put_head(out, report);
    put_cards(out, result);
    put_changed(out, result);
    put(out, "<section><h2>Return to players by multiplier</h2><p class=\"soft\">What came back of "
             "what was staked. Bars are the 95 %% interval; hollow marks have too few columns or "
             "wins to trust it. The dashed line is where the house earns nothing.</p>");
    put_legend(out);
    put_return_plot(out, result);
    put(out, "</section><section><h2>House result over time, USD</h2>");
    put_legend(out);
    put_house_plot(out, &result->series);
    put(out,
        "</section><section><h2>Rejected taps by reason</h2><p class=\"soft\">Share of the taps "
        "that asked for a bet.</p>");
    put_legend(out);
    put_reason_plot(out, result);
    put(out, "</section>");
    put_figures(out, result);
    put(out, "<section><h2>How to read this</h2><ul>");
    whatif_report_notes(report, out, put_note);
    put(out, "</ul></section></main></body></html>\n");
}
