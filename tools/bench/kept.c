/* `tapline bench kept`: how many bytes a tap leaves behind for ever, and what they are: in the
 * journal by field, in its sealed segments after zstd, in SQLite by table and index. */
#include <stdio.h>
#include <string.h>

#include "statemachine/input.h"
#include "tools/bench/commands.h"
#include "tools/bench/figures.h"
#include "tools/bench/kept_journal.h"
#include "tools/bench/kept_sqlite.h"
#include "tools/commands.h"
#include "tools/offline.h"
#include "tools/options.h"

#define LEVEL_LEAST 1
#define LEVEL_MOST  19
#define NAME_BYTES  96

enum row {
    ROW_DATA,
    ROW_FAST,
    ROW_BEST,
    ROW_SAMPLE,
    ROW_JSON,
    ROW_COUNT
};

/* By the numbers of tapline.proto. */
static const char *const tap_fields[KEPT_FIELDS] = {
    [1] = "account", [2] = "nonce", [3] = "market",   [4] = "origin",
    [5] = "column",  [6] = "band",  [7] = "stake",    [8] = "min_mult",
    [9] = "config",  [10] = "time", [11] = "session", [12] = "signature",
};
static const char *const kinds[KEPT_FIELDS] = {
    [INPUT_CONFIG] = "configs",
    [INPUT_PRICE_TICK] = "price_ticks",
    [INPUT_CLOCK_TICK] = "clock_ticks",
    [INPUT_TAP] = "taps",
    [INPUT_DEPOSIT] = "deposits",
    [INPUT_WITHDRAWAL] = "withdrawals",
    [INPUT_HOUSE_DEPOSIT] = "house_deposits",
    [INPUT_HOUSE_WITHDRAWAL] = "house_withdrawals",
    [INPUT_GOODWILL] = "goodwill",
    [INPUT_ATTEST] = "attests",
    [INPUT_START] = "starts",
    [INPUT_RULES_CHANGE] = "rules_changes",
    [INPUT_RECOVERY] = "recoveries",
};

/* A part, shared by all taps (or bets). */
static void say_share(struct figures *figures, const char *group, const char *name, uint64_t bytes,
                      uint64_t whole, const char *unit)
{
    char text[NAME_BYTES];
    snprintf(text, sizeof(text), "%s.%s", group, name);
    figures_value(figures, text, whole == 0 ? 0 : (double)bytes / (double)whole, 2, unit);
}

/* A number without a name is a kind or field that this benchmark does not know. */
static void say_numbered(struct figures *figures, const char *group,
                         const char *const names[KEPT_FIELDS], const uint64_t bytes[KEPT_FIELDS],
                         uint64_t taps)
{
    for (int i = 0; i < KEPT_FIELDS; i++) {
        char number[32];
        snprintf(number, sizeof(number), "number_%d", i);
        if (bytes[i] > 0) {
            say_share(figures, group, names[i] == NULL ? number : names[i], bytes[i], taps,
                      "bytes/tap");
        }
    }
}

static uint64_t used_bytes(const struct kept_journal *kept)
{
    uint64_t bytes = kept->segment_header_bytes + kept->frame_header_bytes + kept->padding_bytes +
                     kept->length_bytes;
    for (int i = 0; i < KEPT_FIELDS; i++) {
        bytes += kept->kind_bytes[i];
    }
    return bytes;
}

static void say_journal(struct figures *figures, const struct kept_journal *kept,
                        const int levels[KEPT_LEVELS])
{
    const char *unit = "bytes/tap";
    figures_count(figures, "segments", kept->segments, "files");
    figures_count(figures, "frames", kept->frames, "frames");
    figures_count(figures, "records", kept->records, "records");
    figures_count(figures, "taps", kept->taps, "records");
    figures_value(figures, "batch",
                  kept->frames == 0 ? 0 : (double)kept->records / (double)kept->frames, 2,
                  "records/frame");
    say_share(figures, "journal", "all", used_bytes(kept), kept->taps, unit);
    say_share(figures, "journal", "segment_headers", kept->segment_header_bytes, kept->taps, unit);
    say_share(figures, "journal", "frame_headers", kept->frame_header_bytes, kept->taps, unit);
    say_share(figures, "journal", "frame_padding", kept->padding_bytes, kept->taps, unit);
    say_share(figures, "journal", "record_lengths", kept->length_bytes, kept->taps, unit);
    say_numbered(figures, "journal", kinds, kept->kind_bytes, kept->taps);
    say_numbered(figures, "tap", tap_fields, kept->tap_field_bytes, kept->taps);
    say_share(figures, "tap", "engine_time_and_tags", kept->tap_frame_bytes, kept->taps, unit);
    figures_count(figures, "zstd.segments", kept->packed_segments, "files");
    say_share(figures, "zstd", "before", kept->packed_from_bytes, kept->packed_taps, unit);
    for (int i = 0; i < KEPT_LEVELS; i++) {
        char name[32];
        snprintf(name, sizeof(name), "level_%d", levels[i]);
        say_share(figures, "zstd", name, kept->packed_to_bytes[i], kept->packed_taps, unit);
    }
}

static void say_sqlite(struct figures *figures, const struct kept_sqlite *kept)
{
    const char *unit = "bytes/settled_bet";
    figures_count(figures, "sqlite.files", kept->files, "files");
    if (kept->files == 0) {
        return;
    }
    figures_count(figures, "sqlite.file_bytes", kept->file_bytes, "bytes");
    figures_count(figures, "sqlite.bets", kept->bets, "bets");
    figures_count(figures, "sqlite.settled_bets", kept->settled_bets, "bets");
    say_share(figures, "sqlite", "all", kept->file_bytes, kept->settled_bets, unit);
    for (size_t i = 0; i < kept->tree_count; i++) {
        const struct kept_tree *tree = &kept->trees[i];
        say_share(figures, "sqlite.pages", tree->name, tree->bytes, kept->settled_bets, unit);
        say_share(figures, "sqlite.payload", tree->name, tree->payload, kept->settled_bets, unit);
    }
}

static int run(const char *data_dir, const int levels[KEPT_LEVELS], uint64_t sample, bool as_json)
{
    struct kept_journal journal;
    struct kept_sqlite sqlite;
    enum status status = kept_journal_read(data_dir, levels, sample, &journal);
    if (status != STATUS_OK) {
        return offline_fail("bench kept", status,
                            status == STATUS_NOT_FOUND ? "there is no journal in --data"
                                                       : status_text(status));
    }
    status = kept_sqlite_read(data_dir, &sqlite);
    if (status != STATUS_OK) {
        return offline_fail("bench kept", status,
                            sqlite.problem[0] == '\0' ? status_text(status) : sqlite.problem);
    }
    struct figures figures;
    figures_open(&figures, as_json);
    say_journal(&figures, &journal, levels);
    say_sqlite(&figures, &sqlite);
    return figures_close(&figures) ? EXIT_GOOD : EXIT_JOURNAL_IO;
}

static bool parse_level(const char *text, int *level)
{
    uint64_t value;
    if (!options_positive(text, &value) || value < LEVEL_LEAST || value > LEVEL_MOST) {
        fprintf(stderr, "tapline bench kept: a level is a number from %d to %d\n", LEVEL_LEAST,
                LEVEL_MOST);
        return false;
    }
    *level = (int)value;
    return true;
}

int bench_kept(int argc, char **argv)
{
    struct option_row rows[ROW_COUNT] = {
        [ROW_DATA] = OPTION_ROW("data", OPTION_TEXT, "DIR", "./data", "the data directory"),
        [ROW_FAST] = OPTION_ROW("level", OPTION_TEXT, "N", "3", "of zstd, 1 to 19"),
        [ROW_BEST] = OPTION_ROW("level-best", OPTION_TEXT, "N", "19", "another one"),
        [ROW_SAMPLE] = OPTION_ROW("sample", OPTION_TEXT, "N", "3",
                                  "sealed segments to compress, evenly spread; all: every one"),
        [ROW_JSON] = OPTION_ROW("json", OPTION_FLAG, NULL, NULL, "one JSON object"),
    };
    struct options options = {
        .command = "bench kept",
        .usage = "tapline bench kept --data DIR [options]",
        .summary = "Says how many bytes a tap leaves behind, and what they are.",
        .notes = OFFLINE_EXIT_HELP,
        .rows = rows,
        .row_count = ROW_COUNT,
    };
    int code;
    if (!options_parse(&options, argc, argv, &code)) {
        return code;
    }
    int levels[KEPT_LEVELS];
    uint64_t sample = 0;
    code = EXIT_USAGE;
    if (!parse_level(rows[ROW_FAST].value, &levels[0]) ||
        !parse_level(rows[ROW_BEST].value, &levels[1])) {
        /* said there */
    } else if (strcmp(rows[ROW_SAMPLE].value, "all") != 0 &&
               !options_positive(rows[ROW_SAMPLE].value, &sample)) {
        fprintf(stderr, "tapline bench kept: --sample takes a number from 1, or all\n");
    } else if (offline_is_directory("bench kept", "--data", rows[ROW_DATA].value, &code)) {
        code = run(rows[ROW_DATA].value, levels, sample, rows[ROW_JSON].given);
    }
    options_free(&options);
    return code;
}
