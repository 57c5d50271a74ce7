/* What `whatif` found, for three readers: a table for people, one JSON object for machines, and a
 * report in HTML with plots that stands alone (no script, nothing fetched from elsewhere). All are
 * made from one whatif_result, so that they cannot tell different things. */
#ifndef TAPLINE_TOOLS_WHATIF_REPORT_H
#define TAPLINE_TOOLS_WHATIF_REPORT_H

#include "base/json.h"
#include "replay/whatif.h"

struct whatif_report {
    const char *data_dir;
    const char *market_file;
    const struct whatif_result *result;
};

/* A figure of both sides, and where it stands. */
struct whatif_row {
    const char *name; /* "confirmed"; the key in JSON */
    const char *unit; /* "": a count; "USD"; "bp" */
    int64_t recorded;
    int64_t other;
};

#define WHATIF_ROWS_MAX 32

/* The figures in the order in which all three show them. Returns how many. */
size_t whatif_report_rows(const struct whatif_result *result,
                          struct whatif_row rows[WHATIF_ROWS_MAX]);

/* Sentences about what the changed keys mean for the answer, the limits of every answer last.
 * `line` is called for each. */
void whatif_report_notes(const struct whatif_report *report, void *context,
                         void (*line)(void *context, const char *text));

/* Appends to *out; out->failed when memory ran out. */
void whatif_report_people(const struct whatif_report *report, struct json *out);
void whatif_report_json(const struct whatif_report *report, struct json *out);
void whatif_report_html(const struct whatif_report *report, struct json *out);

#define WHATIF_MONEY_BYTES 40

/* "-1,234.56": micro-USD to whole cents, towards zero. */
void whatif_report_money(char to[WHATIF_MONEY_BYTES], int64_t micro);

/* "12,345", "95.31" (of basis points, per cent), "1.05 to 1.24x" of a bucket. */
void whatif_report_count(char to[WHATIF_MONEY_BYTES], int64_t count);
void whatif_report_percent(char to[WHATIF_MONEY_BYTES], int64_t bp);
void whatif_report_bucket(char to[WHATIF_MONEY_BYTES], int bucket);

#endif
