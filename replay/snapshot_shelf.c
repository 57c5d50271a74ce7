#include "replay/snapshot_shelf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES (SNAPSHOT_PROBLEM_BYTES + 64)

enum status snapshot_shelf_open(struct snapshot_shelf *shelf, const struct disk *disk,
                                const char *data_dir, void *context,
                                void (*on_skipped)(void *context, const char *line))
{
    *shelf = (struct snapshot_shelf){.disk = disk != NULL ? disk : disk_posix(),
                                     .data_dir = data_dir,
                                     .context = context,
                                     .on_skipped = on_skipped};
    return snapshot_list(shelf->disk, data_dir, &shelf->list);
}

static void reject_at(struct snapshot_shelf *shelf, size_t index, const char *problem)
{
    char line[LINE_BYTES];
    shelf->rejected[index] = true;
    if (shelf->on_skipped != NULL) {
        (void)snprintf(line, sizeof line, "snapshot %s; it is not used", problem); /* fits */
        shelf->on_skipped(shelf->context, line);
    }
}

void snapshot_shelf_reject(struct snapshot_shelf *shelf, uint64_t seq, const char *why)
{
    char name[SNAPSHOT_NAME_BYTES];
    char problem[SNAPSHOT_PROBLEM_BYTES];
    snapshot_name(seq, name);
    (void)snprintf(problem, sizeof problem, "%s: %s", name, why); /* a cut text is a text */
    for (size_t i = 0; i < shelf->list.count; i++) {
        if (shelf->list.seqs[i] == seq) {
            reject_at(shelf, i, problem);
        }
    }
}

/* Reads the one at index; what is wrong with it is told, but for a lack of memory. */
static enum status read_at(struct snapshot_shelf *shelf, size_t index, struct snapshot *snapshot)
{
    char problem[SNAPSHOT_PROBLEM_BYTES];
    const enum status status =
        snapshot_read(shelf->disk, shelf->data_dir, shelf->list.seqs[index], snapshot, problem);
    if (status != STATUS_OK && status != STATUS_NO_MEMORY) {
        reject_at(shelf, index, problem);
    }
    return status;
}

bool snapshot_shelf_newest(struct snapshot_shelf *shelf, const uint64_t *epoch,
                           struct snapshot_header *header)
{
    for (size_t i = 0; i < shelf->list.count; i++) {
        struct snapshot snapshot;
        if (shelf->rejected[i] || read_at(shelf, i, &snapshot) != STATUS_OK) {
            continue;
        }
        free(snapshot.body);
        if (epoch == NULL || snapshot.header.place.epoch == *epoch) {
            *header = snapshot.header;
            return true;
        }
    }
    return false;
}

/* The state in a snapshot whose bytes are good. */
static enum status restore_at(struct snapshot_shelf *shelf, const struct snapshot *snapshot,
                              const struct machine_limits *limits, struct applier **applier)
{
    const struct snapshot_header *header = &snapshot->header;
    struct applier *made;
    const enum status status =
        applier_restore(limits, snapshot->body, (size_t)header->body_bytes, header->digest, &made);
    if (status == STATUS_NO_MEMORY) {
        return status;
    }
    if (status != STATUS_OK) {
        snapshot_shelf_reject(shelf, header->seq, status_text(status));
        return STATUS_NOT_FOUND;
    }
    if (applier_seq(made) != header->seq || applier_time_ms(made) != header->time_ms ||
        machine_rules(applier_machine(made)) != header->rules_version) {
        applier_free(made);
        snapshot_shelf_reject(shelf, header->seq, "its state is not that of its header");
        return STATUS_NOT_FOUND;
    }
    *applier = made;
    return STATUS_OK;
}

enum status snapshot_shelf_take(struct snapshot_shelf *shelf, uint64_t epoch, uint64_t newest_seq,
                                const struct machine_limits *limits, struct applier **applier,
                                struct snapshot_header *header)
{
    for (size_t i = 0; i < shelf->list.count; i++) {
        struct snapshot snapshot;
        if (shelf->rejected[i] || shelf->list.seqs[i] > newest_seq) {
            continue;
        }
        enum status status = read_at(shelf, i, &snapshot);
        if (status == STATUS_NO_MEMORY) {
            return status;
        }
        if (status != STATUS_OK) {
            continue;
        }
        if (snapshot.header.place.epoch != epoch) {
            snapshot_shelf_reject(shelf, snapshot.header.seq, "it is of another journal");
            status = STATUS_NOT_FOUND;
        } else {
            status = restore_at(shelf, &snapshot, limits, applier);
        }
        free(snapshot.body);
        if (status != STATUS_NOT_FOUND) {
            *header = snapshot.header;
            return status;
        }
    }
    return STATUS_NOT_FOUND;
}

bool snapshot_shelf_has(const struct snapshot_shelf *shelf, uint64_t oldest_seq,
                        uint64_t newest_seq)
{
    for (size_t i = 0; i < shelf->list.count; i++) {
        if (!shelf->rejected[i] && shelf->list.seqs[i] >= oldest_seq &&
            shelf->list.seqs[i] <= newest_seq) {
            return true;
        }
    }
    return false;
}
