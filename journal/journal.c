#include "journal/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "journal/chain.h"
#include "journal/outline.h"
#include "journal/recovery.h"
#include "journal/spare.h"
#include "journal/writer.h"

#define LOCK_NAME      "LOCK"
#define DIRECTORY_NAME "journal"
#define SEGMENT_UNIT   ((size_t)4096)
/* A repair is followed by another look; more than these cannot be a crash's doing. */
#define REPAIRS_MAX 3

struct journal {
    struct journal_options options; /* disk and segment_bytes filled in */
    char *directory;                /* DIR/journal */
    struct disk_file *lock;
    struct journal_tail tail;
    struct writer *writer; /* NULL until journal_start */
};

/* --- Opening -----------------------------------------------------------------------------------
 */

/* The directory that holds `path`, in memory of the caller's. */
static char *parent_of(const char *path)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') {
        length--;
    }
    while (length > 0 && path[length - 1] != '/') {
        length--;
    }
    return length == 0 ? strdup(".") : strndup(path, length);
}

/* Makes DIR and DIR/journal, with their names durable: a journal in a directory that a power cut
 * takes away is lost as well. */
static enum status make_directories(const struct journal *journal, const char *data_dir)
{
    const struct disk *disk = journal->options.disk;
    enum status status = disk->make_directory(disk->context, data_dir);
    if (status == STATUS_OK) {
        status = disk->make_directory(disk->context, journal->directory);
    }
    if (status == STATUS_OK) {
        status = disk->sync_directory(disk->context, data_dir);
    }
    if (status != STATUS_OK) {
        return status;
    }
    char *parent = parent_of(data_dir);
    if (parent == NULL) {
        return STATUS_NO_MEMORY;
    }
    status = disk->sync_directory(disk->context, parent);
    free(parent);
    return status;
}

static void ignore_name(void *visitor, const char *name)
{
    (void)visitor;
    (void)name;
}

static bool folder_is_missing(const struct journal *journal)
{
    const struct disk *disk = journal->options.disk;
    return disk->list(disk->context, journal->directory, NULL, ignore_name) == STATUS_NOT_FOUND;
}

/* The highest witness outside of the journal for the journal that `chain` has read, NULL where none
 * is there to be read. A snapshot of another journal says nothing of this one. */
static struct recovery_witness outer_witness(const struct journal_options *options,
                                             const struct chain *chain)
{
    struct recovery_witness witness = {options->witness_seq, options->witness_name};
    const bool same_journal =
        chain == NULL || !chain->has_epoch || chain->epoch == options->snapshot_epoch;
    if (same_journal && options->snapshot_seq > witness.seq) {
        witness = (struct recovery_witness){options->snapshot_seq, options->snapshot_name};
    }
    if (witness.name == NULL) {
        witness.name = "a witness";
    }
    return witness;
}

/* Without its folder all of the journal is missing. That is said before anything is made, so that
 * the folder can be put back where it was. */
static enum status refuse_lost_folder(const struct journal *journal, struct journal_report *report)
{
    const struct recovery_witness witness = outer_witness(&journal->options, NULL);
    if (witness.seq == 0 || !folder_is_missing(journal)) {
        return STATUS_OK;
    }
    const struct finding finding = {.kind = FINDING_END, .in_last_segment = true, .seq = 1};
    const struct recovery_verdict verdict = recovery_decide(&finding, witness.seq);
    recovery_describe(&finding, &verdict, &witness, report);
    return verdict.status;
}

static enum status take_lock(struct journal *journal, const char *data_dir)
{
    const struct disk *disk = journal->options.disk;
    char *path = chain_path(data_dir, LOCK_NAME);
    if (path == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = disk->open(disk->context, path, false, false, &journal->lock);
    if (status == STATUS_NOT_FOUND) {
        status = make_directories(journal, data_dir);
        if (status == STATUS_OK) {
            status = disk->open(disk->context, path, true, false, &journal->lock);
        }
    }
    free(path);
    if (status != STATUS_OK) {
        journal->lock = NULL;
        return status;
    }
    status = disk->lock(disk->context, journal->lock);
    if (status == STATUS_OK && folder_is_missing(journal)) {
        status = make_directories(journal, data_dir);
    }
    return status;
}

/* Makes what is read below what the disk has: a batch that only the cache still holds would be
 * applied and told now, and lost with the next power cut. Only the last segment can hold one. */
static enum status settle_last_segment(const struct disk *disk, const char *directory,
                                       const struct chain *chain)
{
    if (chain->segment_count == 0) {
        return STATUS_OK;
    }
    char name[FORMAT_NAME_BYTES];
    format_segment_name(chain->first_seqs[chain->segment_count - 1], name);
    char *path = chain_path(directory, name);
    if (path == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct disk_file *file;
    enum status status = disk->open(disk->context, path, false, false, &file);
    free(path);
    if (status != STATUS_OK) {
        return status;
    }
    status = disk->sync(disk->context, file);
    if (status == STATUS_OK && disk->drop_cache != NULL) {
        status = disk->drop_cache(disk->context, file);
    }
    const enum status closed = disk->close(disk->context, file);
    status = status == STATUS_OK ? closed : status;
    return status == STATUS_OK ? disk->sync_directory(disk->context, directory) : status;
}

/* Opens the chain where recovery's walk begins: the older part of a long journal is not read. */
static enum status open_chain(const struct journal *journal, struct chain *chain)
{
    const struct disk *disk = journal->options.disk;
    uint64_t from_seq;
    enum status status = chain_open(chain, disk, journal->directory, 1);
    if (status == STATUS_OK) {
        status = outline_begin(chain, journal->options.recovery_bytes, &from_seq);
    }
    if (status == STATUS_OK && from_seq > 1) {
        chain_close(chain);
        status = chain_open(chain, disk, journal->directory, from_seq);
    }
    return status;
}

/* Walks to the journal's end. STATUS_END: *finding says what is there. */
static enum status walk(struct chain *chain, struct finding *finding)
{
    struct chain_batch batch;
    enum status status;
    do {
        status = chain_next(chain, &batch, finding);
    } while (status == STATUS_OK);
    return status;
}

static void describe_io_error(const struct chain *chain, struct journal_report *report)
{
    memset(report, 0, sizeof *report);
    if (chain->segment_index < chain->segment_count) {
        format_segment_name(chain->first_seqs[chain->segment_index], report->segment);
    }
    report->offset = chain->offset;
    report->seq = chain->next_seq;
}

/* An error of the disk, in the system's words. A repair that was told of did not come to its end.
 */
static void describe_failure(const struct journal *journal, enum status status,
                             struct journal_report *report)
{
    switch (status) {
    case STATUS_IO:
    case STATUS_INVALID:
    case STATUS_NO_SPACE:
    case STATUS_NOT_FOUND:
    case STATUS_NO_MEMORY:
        report->rule = 0;
        (void)snprintf(report->reason, sizeof report->reason,
                       "%s: look at the disk, then start again",
                       disk_problem(journal->options.disk, status)); /* fits */
        break;
    case STATUS_OK:
    case STATUS_END:
    case STATUS_USAGE:
    case STATUS_IN_USE:
    case STATUS_DAMAGED:
    case STATUS_LOST_TAIL:
    case STATUS_VERSION:
    case STATUS_MISMATCH:
    case STATUS_FULL:
    case STATUS_CLOSED:
        break;
    }
}

static void keep_tail(struct journal *journal, const struct chain *chain)
{
    struct journal_tail *tail = &journal->tail;
    tail->is_new = chain->segment_count == 0;
    tail->tree = chain->tree;
    if (!tail->is_new) {
        tail->epoch = chain->epoch;
        tail->segment_first_seq = chain->header.tree.size + 1;
        tail->segment_bytes = chain->header.segment_bytes;
        tail->offset = chain->offset;
    }
}

/* Whether a directory has a segment's name: no crash makes one, and no walk goes past it. */
static bool is_directory(const struct journal *journal, const char *name)
{
    const struct disk *disk = journal->options.disk;
    struct disk_file *file;
    char *path = chain_path(journal->directory, name);
    if (path == NULL) {
        return false;
    }
    const enum status status = disk->open(disk->context, path, false, false, &file);
    free(path);
    if (status == STATUS_OK) {
        (void)disk->close(disk->context, file); /* nothing was written */
    }
    return status == STATUS_INVALID;
}

/* A disk's error while segments were opened and read: row d when it comes of a directory. */
static enum status judge_error(const struct journal *journal, const struct chain *chain,
                               enum status status, struct journal_report *report)
{
    for (size_t i = 0; i < chain->segment_count; i++) {
        char name[FORMAT_NAME_BYTES];
        format_segment_name(chain->first_seqs[i], name);
        if (is_directory(journal, name)) {
            *report = (struct journal_report){.seq = chain->first_seqs[i], .rule = 'd'};
            memcpy(report->segment, name, sizeof report->segment);
            (void)snprintf(report->reason, sizeof report->reason,
                           "a directory has a segment's name: " JOURNAL_ADVICE); /* fits */
            return STATUS_DAMAGED;
        }
    }
    if (report->rule == 0) {
        describe_io_error(chain, report);
    }
    return status;
}

/* One walk, its verdict, and the repair. *repaired: walk again. */
static enum status recover_once(struct journal *journal, struct journal_report *report,
                                bool *repaired)
{
    const struct disk *disk = journal->options.disk;
    *repaired = false;
    struct chain chain;
    struct finding finding;
    enum status status = open_chain(journal, &chain);
    if (status == STATUS_OK) {
        chain.rules_newest = journal->options.rules_newest;
        status = settle_last_segment(disk, journal->directory, &chain);
    }
    if (status == STATUS_OK) {
        status = walk(&chain, &finding);
    }
    if (status != STATUS_END) {
        status = judge_error(journal, &chain, status, report);
        chain_close(&chain);
        return status;
    }
    struct recovery_witness witness = outer_witness(&journal->options, &chain);
    if (chain.has_witness && chain.witness.seq > witness.seq) {
        witness = (struct recovery_witness){chain.witness.seq, FORMAT_HEAD_NAME};
    }
    const struct recovery_verdict verdict = recovery_decide(&finding, witness.seq);
    /* After a repair its report stays, unless there is worse to tell. */
    if (report->rule == 0 || verdict.action == RECOVERY_REFUSE) {
        recovery_describe(&finding, &verdict, &witness, report);
    }
    switch (verdict.action) {
    case RECOVERY_GO_ON:
        keep_tail(journal, &chain);
        break;
    case RECOVERY_CUT_TAIL:
    case RECOVERY_REMOVE_SEGMENT:
        *repaired = true;
        break;
    case RECOVERY_REFUSE:
        break;
    }
    chain_close(&chain);
    return *repaired ? recovery_repair(disk, journal->directory, &finding, &verdict)
                     : verdict.status;
}

static enum status recover(struct journal *journal, struct journal_report *report)
{
    enum status status = STATUS_OK;
    bool repaired = true;
    for (int i = 0; status == STATUS_OK && repaired; i++) {
        if (i > REPAIRS_MAX) {
            return STATUS_IO; /* what was repaired comes back: the disk does not keep what it is
                                 told */
        }
        status = recover_once(journal, report, &repaired);
    }
    /* Only now: what is refused stays as it is, to the last file. */
    return status == STATUS_OK ? spare_remove_left_over(journal->options.disk, journal->directory)
                               : status;
}

/* A journal without an epoch of its own gets a random one. Zero is not used: it would look unset.
 */
static enum status choose_epoch(struct journal *journal)
{
    uint64_t epoch = journal->options.epoch;
    while (epoch == 0) {
        if (getrandom(&epoch, sizeof epoch, 0) != (ssize_t)sizeof epoch) {
            return STATUS_IO;
        }
    }
    journal->tail.epoch = epoch;
    return STATUS_OK;
}

static void free_journal(struct journal *journal)
{
    if (journal->lock != NULL) {
        /* Closing gives the lock back; nothing was written to it. */
        (void)journal->options.disk->close(journal->options.disk->context, journal->lock);
    }
    free(journal->directory);
    free(journal);
}

static void fill_options(struct journal_options *options)
{
    if (options->disk == NULL) {
        options->disk = disk_posix();
    }
    if (options->segment_bytes == 0) {
        options->segment_bytes = JOURNAL_SEGMENT_BYTES;
    }
    if (options->recovery_bytes == 0) {
        options->recovery_bytes = JOURNAL_RECOVERY_BYTES;
    }
    options->segment_bytes -= options->segment_bytes % SEGMENT_UNIT;
    if (options->segment_bytes < WRITER_SEGMENT_BYTES_MIN) {
        options->segment_bytes = WRITER_SEGMENT_BYTES_MIN;
    }
}

enum status journal_open(const char *data_dir, const struct journal_options *options,
                         struct journal **journal, struct journal_report *report)
{
    memset(report, 0, sizeof *report);
    struct journal *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    made->options = *options;
    made->tail.rules_version = 1;
    fill_options(&made->options);
    made->directory = chain_path(data_dir, DIRECTORY_NAME);
    if (made->directory == NULL) {
        free_journal(made);
        return STATUS_NO_MEMORY;
    }
    enum status status = refuse_lost_folder(made, report);
    if (status == STATUS_OK) {
        status = take_lock(made, data_dir);
    }
    if (status == STATUS_OK) {
        status = recover(made, report);
    }
    if (status == STATUS_OK && made->tail.is_new) {
        status = choose_epoch(made);
    }
    if (status != STATUS_OK) {
        describe_failure(made, status, report);
        free_journal(made);
        return status;
    }
    *journal = made;
    return STATUS_OK;
}

/* --- The open journal --------------------------------------------------------------------------
 */

enum status journal_start(struct journal *journal)
{
    CHECK(journal->writer == NULL);
    return writer_open(&journal->options, journal->directory, &journal->tail, &journal->writer);
}

void journal_head(struct journal *journal, struct journal_head *head)
{
    if (journal->writer != NULL) {
        writer_head(journal->writer, head);
        return;
    }
    head->seq = journal->tail.tree.size;
    merkle_root(&journal->tail.tree, head->root);
}

uint64_t journal_epoch(const struct journal *journal)
{
    return journal->tail.epoch;
}

void journal_set_rules(struct journal *journal, uint32_t version)
{
    journal->tail.rules_version = version;
    if (journal->writer != NULL) {
        writer_set_rules(journal->writer, version);
    }
}

enum status journal_append(struct journal *journal, const uint8_t *record, size_t bytes)
{
    CHECK(journal->writer != NULL);
    return writer_append(journal->writer, record, bytes);
}

bool journal_has_room(struct journal *journal)
{
    CHECK(journal->writer != NULL);
    return writer_has_room(journal->writer);
}

void journal_failure(struct journal *journal, char text[DISK_PROBLEM_BYTES])
{
    CHECK(journal->writer != NULL);
    writer_problem(journal->writer, text);
}

enum status journal_close(struct journal *journal)
{
    const enum status status = journal->writer != NULL ? writer_close(journal->writer) : STATUS_OK;
    free_journal(journal);
    return status;
}
