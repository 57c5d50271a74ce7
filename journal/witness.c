#include "journal/witness.h"

#include <stdlib.h>
#include <string.h>

#include "journal/chain.h"

#define FILE_BYTES (FORMAT_WITNESS_SLOTS * FORMAT_WITNESS_SLOT_BYTES)

/* The whole slots of an open file: *has and the newest one, *newest its number. */
static enum status read_slots(const struct disk *disk, struct disk_file *file, bool *has,
                              struct witness_head *head, unsigned *newest)
{
    *has = false;
    for (unsigned slot = 0; slot < FORMAT_WITNESS_SLOTS; slot++) {
        uint8_t bytes[FORMAT_WITNESS_BYTES];
        size_t done = 0;
        const enum status status = disk->read(disk->context, file, slot * FORMAT_WITNESS_SLOT_BYTES,
                                              bytes, sizeof bytes, &done);
        if (status != STATUS_OK) {
            return status;
        }
        struct witness_head found;
        if (done == sizeof bytes && format_get_witness(bytes, &found) &&
            (!*has || found.seq >= head->seq)) {
            *has = true;
            *head = found;
            *newest = slot;
        }
    }
    return STATUS_OK;
}

enum status witness_read(const struct disk *disk, const char *directory, bool *has,
                         struct witness_head *head)
{
    *has = false;
    char *path = chain_path(directory, FORMAT_HEAD_NAME);
    if (path == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct disk_file *file;
    enum status status = disk->open(disk->context, path, false, true, &file);
    free(path);
    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    if (status != STATUS_OK) {
        return status;
    }
    unsigned newest;
    status = read_slots(disk, file, has, head, &newest);
    (void)disk->close(disk->context, file); /* was read only */
    return status;
}

enum status witness_open(struct witness *witness, const struct disk *disk, const char *directory)
{
    memset(witness, 0, sizeof *witness);
    witness->disk = disk;
    char *path = chain_path(directory, FORMAT_HEAD_NAME);
    if (path == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = disk->open(disk->context, path, true, false, &witness->file);
    free(path);
    if (status != STATUS_OK) {
        return status;
    }
    bool has;
    struct witness_head head;
    unsigned newest = FORMAT_WITNESS_SLOTS - 1;
    status = disk->preallocate(disk->context, witness->file, FILE_BYTES);
    if (status == STATUS_OK) {
        status = disk->sync(disk->context, witness->file);
    }
    if (status == STATUS_OK) {
        status = disk->sync_directory(disk->context, directory);
    }
    if (status == STATUS_OK) {
        status = read_slots(disk, witness->file, &has, &head, &newest);
    }
    if (status != STATUS_OK) {
        (void)witness_close(witness); /* the first error is the one to tell */
        return status;
    }
    witness->slot = (newest + 1) % FORMAT_WITNESS_SLOTS;
    return STATUS_OK;
}

enum status witness_write(struct witness *witness, const struct witness_head *head, bool sync)
{
    uint8_t bytes[FORMAT_WITNESS_BYTES];
    const struct disk *disk = witness->disk;
    format_put_witness(head, bytes);
    const enum status status =
        disk->write(disk->context, witness->file, witness->slot * FORMAT_WITNESS_SLOT_BYTES, bytes,
                    sizeof bytes);
    if (status != STATUS_OK) {
        return status;
    }
    witness->slot = (witness->slot + 1) % FORMAT_WITNESS_SLOTS;
    return sync ? disk->sync(disk->context, witness->file) : STATUS_OK;
}

enum status witness_close(struct witness *witness)
{
    if (witness->file == NULL) {
        return STATUS_OK;
    }
    const enum status status = witness->disk->close(witness->disk->context, witness->file);
    witness->file = NULL;
    return status;
}
