#include "replay/snapshot_file.h"

#include <nettle/sha2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define PATH_BYTES   4096
#define BUFFER_BYTES ((size_t)1 << 20)
#define PART_SUFFIX  ".part"
_Static_assert(SHA256_DIGEST_SIZE == HASH_BYTES, "a snapshot ends with a hash");

static enum status say(char *problem, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum status say(char *problem, enum status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(problem, SNAPSHOT_PROBLEM_BYTES, format, arguments); /* a cut text is a text */
    va_end(arguments);
    return status;
}

/* DIR/snapshots, DIR/snapshots/NAME or DIR/snapshots/NAME.part. False: longer than any path. */
static bool make_path(char path[PATH_BYTES], const char *data_dir, const char *name,
                      const char *suffix)
{
    const int length = snprintf(path, PATH_BYTES, "%s/" SNAPSHOT_FOLDER "%s%s%s", data_dir,
                                name[0] == '\0' ? "" : "/", name, suffix);
    return length > 0 && length < PATH_BYTES;
}

/* --- Listing ---------------------------------------------------------------------------------- */

static void list_name(void *visitor, const char *name)
{
    struct snapshot_list *list = visitor;
    uint64_t seq;
    if (!snapshot_parse_name(name, &seq)) {
        return;
    }
    size_t at = list->count;
    while (at > 0 && list->seqs[at - 1] < seq) {
        at--;
    }
    if (at == SNAPSHOT_LISTED_MAX) {
        return;
    }
    if (list->count < SNAPSHOT_LISTED_MAX) {
        list->count++;
    }
    memmove(&list->seqs[at + 1], &list->seqs[at], (list->count - 1 - at) * sizeof list->seqs[0]);
    list->seqs[at] = seq;
}

enum status snapshot_list(const struct disk *disk, const char *data_dir, struct snapshot_list *list)
{
    char path[PATH_BYTES];
    list->count = 0;
    if (!make_path(path, data_dir, "", "")) {
        return STATUS_IO;
    }
    const enum status status = disk->list(disk->context, path, list, list_name);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* Pieces of any size into the file, and into its hash. After the first error the rest is dropped.
 */
struct output {
    const struct disk *disk;
    struct disk_file *file;
    struct sha256_ctx sha;
    uint8_t *buffer; /* BUFFER_BYTES */
    size_t used;
    uint64_t offset;
    enum status status;
};

static void flush(struct output *output)
{
    if (output->status == STATUS_OK) {
        output->status = output->disk->write(output->disk->context, output->file, output->offset,
                                             output->buffer, output->used);
    }
    output->offset += output->used;
    output->used = 0;
}

static void put_unhashed(struct output *output, const uint8_t *bytes, size_t count)
{
    while (count > 0) {
        const size_t room = BUFFER_BYTES - output->used;
        const size_t step = count < room ? count : room;
        memcpy(output->buffer + output->used, bytes, step);
        output->used += step;
        bytes += step;
        count -= step;
        if (output->used == BUFFER_BYTES) {
            flush(output);
        }
    }
}

static void put(void *context, const uint8_t *bytes, size_t count)
{
    struct output *output = context;
    sha256_update(&output->sha, count, bytes);
    put_unhashed(output, bytes, count);
}

static void count_bytes(void *context, const uint8_t *bytes, size_t count)
{
    uint64_t *total = context;
    (void)bytes;
    *total += count;
}

static void fill_header(const struct applier *applier, const struct journal_place *place,
                        struct snapshot_header *header)
{
    const struct machine *machine = applier_machine(applier);
    *header = (struct snapshot_header){.rules_version = machine_rules(machine),
                                       .seq = applier_seq(applier),
                                       .time_ms = applier_time_ms(applier),
                                       .place = *place};
    memcpy(header->digest, applier_digest(applier), HASH_BYTES);
    machine_snapshot(machine, &header->body_bytes, count_bytes);
}

/* Header, body and hash into an open file. */
static enum status write_content(const struct disk *disk, struct disk_file *file,
                                 const struct applier *applier, const struct journal_place *place)
{
    struct output output = {.disk = disk, .file = file, .status = STATUS_OK};
    struct snapshot_header header;
    uint8_t bytes[SNAPSHOT_HEADER_BYTES];
    uint8_t hash[HASH_BYTES];
    output.buffer = malloc(BUFFER_BYTES);
    if (output.buffer == NULL) {
        return STATUS_NO_MEMORY;
    }
    fill_header(applier, place, &header);
    CHECK(header.place.tree.size == header.seq);
    sha256_init(&output.sha);
    snapshot_put_header(&header, bytes);
    put(&output, bytes, sizeof bytes);
    machine_snapshot(applier_machine(applier), &output, put);
    sha256_digest(&output.sha, HASH_BYTES, hash);
    put_unhashed(&output, hash, HASH_BYTES);
    flush(&output);
    free(output.buffer);
    /* A file of that name that was longer would be too long now. */
    return output.status != STATUS_OK
               ? output.status
               : disk->truncate(disk->context, file,
                                SNAPSHOT_HEADER_BYTES + header.body_bytes + HASH_BYTES);
}

static enum status write_part(const struct disk *disk, const char *part,
                              const struct applier *applier, const struct journal_place *place)
{
    struct disk_file *file;
    enum status status = disk->open(disk->context, part, true, false, &file);
    if (status != STATUS_OK) {
        return status;
    }
    status = write_content(disk, file, applier, place);
    if (status == STATUS_OK) {
        status = disk->sync(disk->context, file);
    }
    const enum status closed = disk->close(disk->context, file);
    return status != STATUS_OK ? status : closed;
}

/* DIR/snapshots, with its name durable in DIR. */
static enum status make_folder(const struct disk *disk, const char *data_dir, const char *folder)
{
    const enum status status = disk->make_directory(disk->context, folder);
    return status == STATUS_OK ? disk->sync_directory(disk->context, data_dir) : status;
}

/* Removes all but the newest up to `newest_seq`; what is beyond is not of this journal, takes no
 * place from those that are, and is left to a person. One that cannot be removed is tried again by
 * the next: it costs room, and nothing else. */
static void remove_old(const struct disk *disk, const char *data_dir, uint64_t newest_seq)
{
    struct snapshot_list list;
    size_t kept = 0;
    if (snapshot_list(disk, data_dir, &list) != STATUS_OK) {
        return;
    }
    for (size_t i = 0; i < list.count; i++) {
        if (list.seqs[i] > newest_seq || ++kept <= SNAPSHOT_KEPT) {
            continue;
        }
        char name[SNAPSHOT_NAME_BYTES];
        char path[PATH_BYTES];
        snapshot_name(list.seqs[i], name);
        if (make_path(path, data_dir, name, "")) {
            const enum status ignored = disk->remove(disk->context, path);
            (void)ignored;
        }
    }
}

enum status snapshot_write(const struct disk *disk, const char *data_dir,
                           const struct applier *applier, const struct journal_place *place,
                           char problem[SNAPSHOT_PROBLEM_BYTES])
{
    char name[SNAPSHOT_NAME_BYTES];
    char folder[PATH_BYTES];
    char path[PATH_BYTES];
    char part[PATH_BYTES];
    snapshot_name(applier_seq(applier), name);
    if (!make_path(folder, data_dir, "", "") || !make_path(path, data_dir, name, "") ||
        !make_path(part, data_dir, "new", PART_SUFFIX)) {
        return say(problem, STATUS_IO, "the path of the data directory is too long");
    }
    enum status status = make_folder(disk, data_dir, folder);
    if (status == STATUS_OK) {
        status = write_part(disk, part, applier, place);
        if (status == STATUS_OK) {
            status = disk->rename(disk->context, part, path);
        }
        if (status == STATUS_OK) {
            status = disk->sync_directory(disk->context, folder);
        }
        if (status != STATUS_OK) {
            const char *why = disk_problem(disk, status);
            (void)say(problem, status, "%s", why);
            /* Half a file would take the room that the journal may need. */
            const enum status ignored = disk->remove(disk->context, part);
            (void)ignored;
            return status;
        }
    }
    if (status != STATUS_OK) {
        return say(problem, status, "%s", disk_problem(disk, status));
    }
    remove_old(disk, data_dir, applier_seq(applier));
    return STATUS_OK;
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* All of `count` bytes from offset on. STATUS_DAMAGED: the file ends before. */
static enum status read_all(const struct disk *disk, struct disk_file *file, uint64_t offset,
                            uint8_t *to, uint64_t count)
{
    size_t done = 0;
    const enum status status = disk->read(disk->context, file, offset, to, (size_t)count, &done);
    if (status != STATUS_OK) {
        return status;
    }
    return done == count ? STATUS_OK : STATUS_DAMAGED;
}

/* The body and the hash behind it; the body goes to the caller. */
static enum status read_body(const struct disk *disk, struct disk_file *file, const uint8_t *header,
                             struct snapshot *snapshot)
{
    const uint64_t count = snapshot->header.body_bytes;
    uint8_t wanted[HASH_BYTES];
    uint8_t hash[HASH_BYTES];
    struct sha256_ctx sha;
    snapshot->body = malloc((size_t)count + 1);
    if (snapshot->body == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = read_all(disk, file, SNAPSHOT_HEADER_BYTES, snapshot->body, count);
    if (status == STATUS_OK) {
        status = read_all(disk, file, SNAPSHOT_HEADER_BYTES + count, wanted, HASH_BYTES);
    }
    if (status == STATUS_OK) {
        sha256_init(&sha);
        sha256_update(&sha, SNAPSHOT_HEADER_BYTES, header);
        sha256_update(&sha, (size_t)count, snapshot->body);
        sha256_digest(&sha, HASH_BYTES, hash);
        status = memcmp(hash, wanted, HASH_BYTES) == 0 ? STATUS_OK : STATUS_DAMAGED;
    }
    if (status != STATUS_OK) {
        free(snapshot->body);
        snapshot->body = NULL;
    }
    return status;
}

/* *why: a few words where the disk has none of its own. */
static enum status read_content(const struct disk *disk, struct disk_file *file, uint64_t seq,
                                struct snapshot *snapshot, const char **why)
{
    uint8_t header[SNAPSHOT_HEADER_BYTES];
    uint64_t bytes;
    enum status status = disk->size(disk->context, file, &bytes);
    if (status == STATUS_OK) {
        status = read_all(disk, file, 0, header, sizeof header);
        *why = "it is cut short";
    }
    if (status != STATUS_OK) {
        return status;
    }
    status = snapshot_get_header(header, machine_rules_newest(), &snapshot->header, why);
    if (status != STATUS_OK) {
        return status;
    }
    if (snapshot->header.seq != seq) {
        *why = "its header names another seq than the file";
        return STATUS_DAMAGED;
    }
    /* Before memory is taken for what it says. */
    if (bytes != SNAPSHOT_HEADER_BYTES + snapshot->header.body_bytes + HASH_BYTES) {
        *why = "it has not the length that its header says";
        return STATUS_DAMAGED;
    }
    *why = "its hash does not fit";
    return read_body(disk, file, header, snapshot);
}

enum status snapshot_read(const struct disk *disk, const char *data_dir, uint64_t seq,
                          struct snapshot *snapshot, char problem[SNAPSHOT_PROBLEM_BYTES])
{
    char name[SNAPSHOT_NAME_BYTES];
    char path[PATH_BYTES];
    struct disk_file *file;
    const char *why = "";
    snapshot->body = NULL;
    snapshot_name(seq, name);
    if (!make_path(path, data_dir, name, "")) {
        return say(problem, STATUS_IO, "the path of the data directory is too long");
    }
    enum status status = disk->open(disk->context, path, false, true, &file);
    if (status == STATUS_OK) {
        status = read_content(disk, file, seq, snapshot, &why);
        (void)disk->close(disk->context, file); /* was read only */
    }
    if (status == STATUS_DAMAGED || status == STATUS_VERSION) {
        return say(problem, status, "%s: %s", name, why);
    }
    return status == STATUS_OK ? STATUS_OK
                               : say(problem, status, "%s: %s", name, disk_problem(disk, status));
}
