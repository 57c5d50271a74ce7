#include "tools/bench/journal_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "journal/chain.h"
#include "journal/disk.h"
#include "journal/format.h"

enum status journal_files_list(const char *data_dir, uint64_t **first_seqs, size_t *count)
{
    char *directory = chain_path(data_dir, "journal");
    if (directory == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct chain chain;
    const enum status status = chain_open(&chain, disk_posix(), directory, 1);
    if (status == STATUS_OK) {
        *first_seqs = chain.first_seqs;
        *count = chain.segment_count;
        chain.first_seqs = NULL; /* the caller's now */
    }
    chain_close(&chain);
    free(directory);
    return status;
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
