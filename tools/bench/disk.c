/* `tapline bench disk`: how long one synced write takes into a file that was filled with zeros
 * before, as the journal writes its batches. The floor under every accept. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "ingress/clock.h"
#include "journal/disk.h"
#include "tools/bench/commands.h"
#include "tools/bench/figures.h"
#include "tools/bench/samples.h"
#include "tools/bench/surroundings.h"
#include "tools/commands.h"
#include "tools/options.h"

#define FILE_BYTES (64u << 20)
#define MEASURE_NS 3000000000

enum row {
    ROW_DATA,
    ROW_JSON,
    ROW_COUNT
};

static enum status measure(struct figures *figures, const char *path, size_t bytes)
{
    static uint8_t block[65536];
    const struct disk *disk = disk_posix();
    struct disk_file *file;
    struct samples samples = {0};
    enum status status = disk->open(disk->context, path, true, false, &file);
    if (status != STATUS_OK) {
        return status;
    }
    memset(block, 0x5a, sizeof(block));
    status = disk->preallocate(disk->context, file, FILE_BYTES);
    if (status == STATUS_OK) {
        status = disk->sync(disk->context, file);
    }
    const int64_t start_ns = clock_elapsed_ns();
    for (uint64_t at = 0;
         status == STATUS_OK &&
                 clock_elapsed_ns() - start_ns<MEASURE_NS; at = at + 2 * bytes> FILE_BYTES
             ? 0
             : at + bytes) {
        const int64_t before_ns = clock_elapsed_ns();
        status = disk->write(disk->context, file, at, block, bytes);
        if (status == STATUS_OK) {
            status = disk->sync(disk->context, file);
        }
        samples_add(&samples, clock_elapsed_ns() - before_ns);
    }
    const enum status closed = disk->close(disk->context, file);
    if (status == STATUS_OK && closed == STATUS_OK) {
        char name[64];
        samples_sort(&samples);
        snprintf(name, sizeof(name), "sync_%zu_p50", bytes);
        figures_value(figures, name, samples_percentile_ms(&samples, 0.5), 3, "ms");
        snprintf(name, sizeof(name), "sync_%zu_p99", bytes);
        figures_value(figures, name, samples_percentile_ms(&samples, 0.99), 3, "ms");
        snprintf(name, sizeof(name), "sync_%zu_max", bytes);
        figures_value(figures, name, samples_percentile_ms(&samples, 1), 3, "ms");
    }
    samples_free(&samples);
    return status != STATUS_OK ? status : closed;
}

int bench_disk(int argc, char **argv)
{
    struct option_row rows[ROW_COUNT] = {
        [ROW_DATA] = OPTION_ROW("data", OPTION_TEXT, "DIR", ".", "where the file is made"),
        [ROW_JSON] = OPTION_ROW("json", OPTION_FLAG, NULL, NULL, "one JSON object"),
    };
    struct options options = {.command = "bench disk",
                              .usage = "tapline bench disk [--data DIR] [--json]",
                              .summary = "Writes and syncs as the journal does.",
                              .rows = rows,
                              .row_count = ROW_COUNT};
    int code;
    if (!options_parse(&options, argc, argv, &code)) {
        return code;
    }
    struct figures figures;
    char path[4096];
    snprintf(path, sizeof(path), "%s/tapline-bench-%ld", rows[ROW_DATA].value, (long)getpid());
    figures_open(&figures, rows[ROW_JSON].given);
    enum status status = measure(&figures, path, 4096);
    if (status == STATUS_OK) {
        status = measure(&figures, path, 65536);
    }
    (void)unlink(path); /* absent when it could not be made */
    surroundings_say(&figures, rows[ROW_DATA].value);
    if (status != STATUS_OK) {
        fprintf(stderr, "tapline bench disk: %s: %s\n", path, status_text(status));
    }
    options_free(&options);
    return figures_close(&figures) && status == STATUS_OK ? EXIT_GOOD : EXIT_DIFFERENCE;
}
