#include "tests/vectors/golden.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <zstd.h>

#include "base/text.h"
#include "replay/replay.h"

#define LEVEL      19
#define PATH_BYTES 1024
#define KINDS      32
#define REASONS    64
#define EVERY      1000

static void must(bool good, const char *what, const char *of)
{
    if (!good) {
        fprintf(stderr, "golden: %s: %s\n", what, of);
        exit(1);
    }
}

/* --- Files. --- */

struct content {
    char *bytes;
    size_t count;
};

static struct content read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    must(file != NULL, "cannot open", path);
    struct content content = {0};
    size_t got = 1;
    while (got > 0) {
        content.bytes = realloc(content.bytes, content.count + 65536);
        must(content.bytes != NULL, "no memory for", path);
        got = fread(content.bytes + content.count, 1, 65536, file);
        content.count += got;
    }
    must(ferror(file) == 0, "cannot read", path);
    must(fclose(file) == 0, "cannot close", path);
    return content;
}

static void write_file(const char *path, const char *bytes, size_t count)
{
    FILE *file = fopen(path, "wb");
    must(file != NULL, "cannot make", path);
    must(fwrite(bytes, 1, count, file) == count, "cannot write", path);
    must(fclose(file) == 0, "cannot close", path);
}

static bool ends_with(const char *name, const char *end)
{
    const size_t length = strlen(name);
    return length > strlen(end) && strcmp(name + length - strlen(end), end) == 0;
}

static void join(char path[PATH_BYTES], const char *directory, const char *name, const char *end)
{
    const int length = snprintf(path, PATH_BYTES, "%s/%s%s", directory, name, end);
    must(length > 0 && length < PATH_BYTES, "too long a path", directory);
}

/* Calls `visit` for each file of the directory whose name ends so. */
static void each_file(const char *directory, const char *end, const char *to,
                      void (*visit)(const char *directory, const char *name, const char *to))
{
    DIR *open = opendir(directory);
    must(open != NULL, "cannot list", directory);
    const struct dirent *entry;
    unsigned found = 0;
    while ((entry = readdir(open)) != NULL) {
        if (ends_with(entry->d_name, end)) {
            visit(directory, entry->d_name, to);
            found += 1;
        }
    }
    must(closedir(open) == 0, "cannot close", directory);
    must(found > 0, "no segments in", directory);
}

static void pack_one(const char *directory, const char *name, const char *to)
{
    char path[PATH_BYTES];
    join(path, directory, name, "");
    const struct content plain = read_file(path);
    const size_t room = ZSTD_compressBound(plain.count);
    char *packed = malloc(room);
    must(packed != NULL, "no memory for", name);
    const size_t count = ZSTD_compress(packed, room, plain.bytes, plain.count, LEVEL);
    must(ZSTD_isError(count) == 0, "cannot compress", name);
    join(path, to, name, ".zst");
    write_file(path, packed, count);
    free(packed);
    free(plain.bytes);
}

static void unpack_one(const char *directory, const char *name, const char *to)
{
    char path[PATH_BYTES];
    join(path, directory, name, "");
    const struct content packed = read_file(path);
    const unsigned long long room = ZSTD_getFrameContentSize(packed.bytes, packed.count);
    must(room != ZSTD_CONTENTSIZE_ERROR && room != ZSTD_CONTENTSIZE_UNKNOWN, "no frame in", name);
    char *plain = malloc(room);
    must(plain != NULL, "no memory for", name);
    must(ZSTD_decompress(plain, room, packed.bytes, packed.count) == room, "damaged", name);
    join(path, to, name, "");
    path[strlen(path) - strlen(".zst")] = '\0';
    write_file(path, plain, room);
    free(plain);
    free(packed.bytes);
}

void golden_pack(const char *data_dir, const char *directory)
{
    char journal[PATH_BYTES];
    join(journal, data_dir, "journal", "");
    each_file(journal, ".seg", directory, pack_one);
}

void golden_unpack(const char *directory, const char *data_dir)
{
    char journal[PATH_BYTES];
    join(journal, data_dir, "journal", "");
    must(mkdir(journal, 0755) == 0, "cannot make", journal);
    each_file(directory, ".seg.zst", journal, unpack_one);
}

/* --- What a replay finds. --- */

struct tale {
    char *text;
    size_t length;
    uint64_t records[KINDS];
    uint64_t events[KINDS];
    uint64_t reasons[REASONS];
};

__attribute__((format(printf, 2, 3))) static void say(struct tale *tale, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const size_t room = GOLDEN_TEXT_BYTES - tale->length;
    const int length = vsnprintf(tale->text + tale->length, room, format, arguments);
    va_end(arguments);
    must(length >= 0 && (size_t)length < room, "too long a text for", format);
    tale->length += (size_t)length;
}

static enum reason reason_of(const struct event *event)
{
    switch (event->kind) {
    case EVENT_CONFIG_REFUSED:
    case EVENT_RULES_REFUSED:
        return event->of.refusal.reason;
    case EVENT_TRANSFER_REFUSED:
        return event->of.transfer.reason;
    case EVENT_TAP_REFUSED:
        return event->of.tap.reason;
    case EVENT_BET_REJECTED:
    case EVENT_BET_SETTLED:
        return event->of.bet->reason;
    case EVENT_COLUMN_SETTLED:
        return event->of.column->reason;
    case EVENT_CONFIG:
    case EVENT_ACCOUNT_OPENED:
    case EVENT_TRANSFER_APPLIED:
    case EVENT_TRANSFER_REPEATED:
    case EVENT_TAP_REPEATED:
    case EVENT_BET_ACCEPTED:
    case EVENT_BET_CONFIRMED:
    case EVENT_TICK:
    case EVENT_TICK_IGNORED:
    case EVENT_BREAKER:
    case EVENT_START:
    case EVENT_RULES:
    case EVENT_RECOVERY:
        return REASON_NONE;
    }
    return REASON_NONE;
}

static void on_event(void *context, const struct event *event)
{
    struct tale *tale = context;
    tale->events[event->kind % KINDS] += 1;
    tale->reasons[reason_of(event) % REASONS] += 1;
}

static void on_posting(void *context, const struct posting *posting)
{
    (void)context; /* the digest has it */
    (void)posting;
}

static void say_digest(struct tale *tale, const char *what, const uint8_t *digest)
{
    char hex[2 * HASH_BYTES + 1];
    text_format_hex(hex, digest, HASH_BYTES);
    say(tale, "%s %s\n", what, hex);
}

static enum status after(void *context, struct applier *applier,
                         const struct journal_record *record)
{
    struct tale *tale = context;
    tale->records[applier_input(applier)->kind % KINDS] += 1;
    if (record->seq % EVERY == 0) {
        char what[32];
        snprintf(what, sizeof what, "after %" PRIu64, record->seq);
        say_digest(tale, what, applier_digest(applier));
    }
    return STATUS_OK;
}

void golden_describe(const char *data_dir, char text[GOLDEN_TEXT_BYTES])
{
    static struct tale tale;
    struct applier *applier;
    struct replay_result result;
    tale = (struct tale){.text = text};
    const struct event_sink sink = {.context = &tale, .event = on_event, .posting = on_posting};
    const struct replay_options options = {
        .context = &tale,
        .sink = &sink,
        .after = after,
        .invariant_every = 100,
        .invariant_at_end = true,
    };
    must(applier_open(NULL, &applier) == STATUS_OK, "no memory for", data_dir);
    must(replay_run(applier, data_dir, &options, &result) == STATUS_OK, "the replay ends",
         result.problem);
    must(result.head.seq == result.records, "no tree head of", data_dir);
    say(&tale, "records %" PRIu64 "\n", result.records);
    say_digest(&tale, "digest", applier_digest(applier));
    say_digest(&tale, "tree", result.head.root);
    for (unsigned kind = 0; kind < KINDS; kind++) {
        if (tale.records[kind] > 0) {
            say(&tale, "record %u %" PRIu64 "\n", kind, tale.records[kind]);
        }
    }
    for (unsigned kind = 0; kind < KINDS; kind++) {
        if (tale.events[kind] > 0) {
            say(&tale, "event %u %" PRIu64 "\n", kind, tale.events[kind]);
        }
    }
    for (unsigned reason = 1; reason < REASONS; reason++) {
        if (tale.reasons[reason] > 0) {
            say(&tale, "reason %s %" PRIu64 "\n", reason_text((enum reason)reason),
                tale.reasons[reason]);
        }
    }
    applier_free(applier);
}
