#include "tools/bench/journal_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "journal/disk.h"
#include "journal/format.h"

struct listing {
    uint64_t *first_seqs;
    size_t count;
    size_t room;
    bool failed;
};

static void visit(void *context, const char *name)
{
    struct listing *listing = context;
    uint64_t first_seq;
    if (listing->failed || !format_parse_segment_name(name, &first_seq)) {
        return;
    }
    if (listing->count == listing->room) {
        const size_t room = listing->room * 2 + 16;
        uint64_t *grown = realloc(listing->first_seqs, room * sizeof(*grown));
        if (grown == NULL) {
            listing->failed = true;
            return;
        }
        listing->first_seqs = grown;
        listing->room = room;
    }
    listing->first_seqs[listing->count++] = first_seq;
}

static int compare_seqs(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right ? 1 : 0;
}

enum status journal_files_list(const char *data_dir, uint64_t **first_seqs, size_t *count)
{
    const struct disk *disk = disk_posix();
    char path[JOURNAL_FILES_PATH_BYTES];
    struct listing listing = {0};
    snprintf(path, sizeof(path), "%s/journal", data_dir);
    enum status status = disk->list(disk->context, path, &listing, visit);
    if (status == STATUS_OK && listing.failed) {
        status = STATUS_NO_MEMORY;
    }
    if (status != STATUS_OK) {
        free(listing.first_seqs);
        return status;
    }
    if (listing.count > 0) {
        qsort(listing.first_seqs, listing.count, sizeof(*listing.first_seqs), compare_seqs);
    }
    *first_seqs = listing.first_seqs;
    *count = listing.count;
    return STATUS_OK;
}

void journal_files_path(const char *data_dir, uint64_t first_seq, char *to)
{
    char name[FORMAT_NAME_BYTES];
    format_segment_name(first_seq, name);
    snprintf(to, JOURNAL_FILES_PATH_BYTES, "%s/journal/%s", data_dir, name);
}

void journal_files_measure(const char *data_dir, struct journal_files *files)
{
    uint64_t *first_seqs;
    size_t count;
    *files = (struct journal_files){0};
    if (journal_files_list(data_dir, &first_seqs, &count) != STATUS_OK) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        char path[JOURNAL_FILES_PATH_BYTES];
        struct stat about;
        journal_files_path(data_dir, first_seqs[i], path);
        files->segments += 1;
        files->bytes += stat(path, &about) == 0 ? (uint64_t)about.st_size : 0;
    }
    free(first_seqs);
}
