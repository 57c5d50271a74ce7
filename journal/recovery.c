#include "journal/recovery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define COPY_BYTES          ((size_t)1 << 16)
#define QUARANTINE_TRIES    1000
#define QUARANTINE_NAME_FMT "quarantine-%020llu-%llu-%d"

/* --- The table ---------------------------------------------------------------------------------
 */

static struct recovery_verdict refuse(char rule, enum status status)
{
    return (struct recovery_verdict){RECOVERY_REFUSE, status, rule};
}

/* An END, BROKEN_FRAME, FOREIGN_FRAME or EMPTY_HEADER in the last segment, with nothing of this
 * journal behind it, and nobody saw what is missing: what a crash leaves. */
static struct recovery_verdict unwitnessed_tail(const struct finding *finding, uint64_t witness_seq)
{
    struct recovery_verdict verdict = {RECOVERY_CUT_TAIL, STATUS_OK, 'a'};
    if (finding->kind == FINDING_END) {
        /* Batches that nobody confirmed are kept and applied; clients learn of them by asking. */
        verdict.action = RECOVERY_GO_ON;
        verdict.rule = finding->seq - 1 > witness_seq ? 'h' : 0;
    } else if (finding->kind == FINDING_EMPTY_HEADER) {
        verdict.action = RECOVERY_REMOVE_SEGMENT;
        verdict.rule = 'f';
    } else if (finding->kind == FINDING_FOREIGN_FRAME) {
        verdict.rule = 'i';
    }
    return verdict;
}

struct recovery_verdict recovery_decide(const struct finding *finding, uint64_t witness_seq)
{
    switch (finding->kind) {
    case FINDING_UNKNOWN_VERSION:
        return refuse(0, STATUS_VERSION);
    case FINDING_WRONG_TREE:
        return refuse('g', STATUS_DAMAGED);
    case FINDING_BROKEN_HEADER: /* it was durable before the segment got its name: not a torn write
                                 */
    case FINDING_WRONG_SIZE:
    case FINDING_SEGMENT_ORDER:
        return refuse('d', STATUS_DAMAGED);
    case FINDING_WRONG_SEQ: /* a whole batch of this journal in the wrong place: no crash does that
                             */
        return refuse('b', STATUS_DAMAGED);
    case FINDING_END:
    case FINDING_BROKEN_FRAME:
    case FINDING_FOREIGN_FRAME:
    case FINDING_EMPTY_HEADER:
        break;
    }
    if (!finding->in_last_segment) {
        return refuse('d', STATUS_DAMAGED);
    }
    if (finding->later_frame) {
        return refuse('b', STATUS_DAMAGED);
    }
    if (finding->seq <= witness_seq) {
        return finding->kind == FINDING_END ? refuse('e', STATUS_LOST_TAIL)
                                            : refuse('c', STATUS_DAMAGED);
    }
    return unwitnessed_tail(finding, witness_seq);
}

/* --- The words ---------------------------------------------------------------------------------
 */

static const char *found_what(enum finding_kind kind)
{
    switch (kind) {
    case FINDING_END:
        return "the journal ends";
    case FINDING_BROKEN_FRAME:
        return "a batch fails its checksum";
    case FINDING_FOREIGN_FRAME:
        return "a batch of another journal";
    case FINDING_WRONG_SEQ:
        return "a batch is out of order";
    case FINDING_WRONG_TREE:
        return "the history does not match its tree head";
    case FINDING_EMPTY_HEADER:
        return "the segment has no header";
    case FINDING_BROKEN_HEADER:
        return "the segment's header is damaged";
    case FINDING_WRONG_SIZE:
        return "the file has not the size its header says";
    case FINDING_SEGMENT_ORDER:
        return "a segment is missing, repeated or out of order";
    case FINDING_UNKNOWN_VERSION:
        return "the format or the rules are newer than this program";
    }
    return "?";
}

static const char *why_and_what_to_do(const struct recovery_verdict *verdict)
{
    switch (verdict->rule) {
    case 'a':
        return "torn by a crash before it was confirmed: moved to quarantine, nothing to do";
    case 'b':
        return "whole batches follow or it is one, so no crash did this: " JOURNAL_ADVICE;
    case 'd':
        return "in a sealed or misplaced segment: " JOURNAL_ADVICE;
    case 'f':
        return "moved to quarantine; a crash while a segment began leaves such a file, and then "
               "there is nothing to do; if none came before, records may have been in it: look at "
               "the file and at what clients were told";
    case 'g':
        return "files were mixed up or edited: " JOURNAL_ADVICE;
    case 'h':
        return "batches behind the last witness are whole and kept, nothing to do";
    case 'i':
        return "an old block behind the end: moved to quarantine, nothing to do";
    default:
        return verdict->status == STATUS_VERSION ? "start the program that wrote it, or a newer one"
                                                 : "";
    }
}

void recovery_describe(const struct finding *finding, const struct recovery_verdict *verdict,
                       const struct recovery_witness *witness, struct journal_report *report)
{
    memset(report, 0, sizeof *report);
    if (verdict->rule == 0 && verdict->status == STATUS_OK) {
        return; /* clean */
    }
    memcpy(report->segment, finding->segment, sizeof report->segment);
    report->offset = finding->offset;
    report->seq = finding->seq;
    report->rule = verdict->rule;
    /* Of an end the seq is the first that is not there any more. */
    const char *where = finding->kind == FINDING_END ? "before" : "at";
    const unsigned long long seq = finding->seq;
    if (verdict->rule == 'c' || verdict->rule == 'e') {
        const unsigned long long seen = witness->seq;
        (void)snprintf(report->reason, sizeof report->reason,
                       "%s %s seq %llu, but %s has seen seq %llu, so seq %llu to %llu are %s: %s",
                       found_what(finding->kind), where, seq, witness->name, seen, seq, seen,
                       verdict->rule == 'e' ? "missing" : "not readable",
                       JOURNAL_ADVICE); /* a cut text is still a text */
    } else {
        (void)snprintf(report->reason, sizeof report->reason, "%s %s seq %llu: %s",
                       found_what(finding->kind), where, seq,
                       why_and_what_to_do(verdict)); /* likewise */
    }
}

/* --- The repairs -------------------------------------------------------------------------------
 */

/* A path in the directory that no file has yet; an older quarantine is never overwritten. */
static enum status quarantine_path(const struct disk *disk, const char *directory,
                                   const struct finding *finding, char **path)
{
    for (int i = 0; i < QUARANTINE_TRIES; i++) {
        char name[FORMAT_NAME_BYTES];
        const int length = snprintf(name, sizeof name, QUARANTINE_NAME_FMT,
                                    (unsigned long long)finding->segment_first_seq,
                                    (unsigned long long)finding->offset, i);
        CHECK(length > 0 && (size_t)length < sizeof name);
        *path = chain_path(directory, name);
        if (*path == NULL) {
            return STATUS_NO_MEMORY;
        }
        struct disk_file *file;
        const enum status status = disk->open(disk->context, *path, false, true, &file);
        if (status == STATUS_NOT_FOUND) {
            return STATUS_OK;
        }
        free(*path);
        *path = NULL;
        if (status != STATUS_OK) {
            return status;
        }
        (void)disk->close(disk->context, file); /* was read only */
    }
    return STATUS_NO_SPACE;
}

/* Copies [from, to) of `source` to the begin of `copy`; copy NULL: zeroes the range in source. */
static enum status move_range(const struct disk *disk, struct disk_file *source, uint64_t from,
                              uint64_t to, struct disk_file *copy)
{
    uint8_t bytes[COPY_BYTES] = {0};
    for (uint64_t at = from; at < to;) {
        const size_t step = to - at < sizeof bytes ? (size_t)(to - at) : sizeof bytes;
        enum status status;
        if (copy != NULL) {
            size_t done = 0;
            status = disk->read(disk->context, source, at, bytes, step, &done);
            if (status == STATUS_OK) {
                status = done < step ? STATUS_IO
                                     : disk->write(disk->context, copy, at - from, bytes, step);
            }
        } else {
            status = disk->write(disk->context, source, at, bytes, step);
        }
        if (status != STATUS_OK) {
            return status;
        }
        at += step;
    }
    return STATUS_OK;
}

static enum status sync_and_close(const struct disk *disk, struct disk_file *file,
                                  enum status status)
{
    if (status == STATUS_OK) {
        status = disk->sync(disk->context, file);
    }
    const enum status closed = disk->close(disk->context, file);
    return status != STATUS_OK ? status : closed;
}

static enum status cut_tail(const struct disk *disk, const char *directory,
                            const struct finding *finding, const char *segment_path,
                            const char *copy_path)
{
    struct disk_file *segment;
    struct disk_file *copy;
    enum status status = disk->open(disk->context, segment_path, false, false, &segment);
    if (status != STATUS_OK) {
        return status;
    }
    status = disk->open(disk->context, copy_path, true, false, &copy);
    if (status != STATUS_OK) {
        return sync_and_close(disk, segment, status);
    }
    uint64_t bytes;
    uint64_t end = finding->used_end;
    status = disk->size(disk->context, segment, &bytes);
    if (status == STATUS_OK && end > bytes) {
        end = bytes;
    }
    if (status == STATUS_OK) {
        status = move_range(disk, segment, finding->offset, end, copy);
    }
    status = sync_and_close(disk, copy, status);
    if (status == STATUS_OK) {
        status = disk->sync_directory(disk->context, directory);
    }
    /* Only now, with the copy durable, are they taken out of the journal. */
    if (status == STATUS_OK) {
        status = move_range(disk, segment, finding->offset, end, NULL);
    }
    return sync_and_close(disk, segment, status);
}

enum status recovery_repair(const struct disk *disk, const char *directory,
                            const struct finding *finding, const struct recovery_verdict *verdict)
{
    CHECK(verdict->action == RECOVERY_CUT_TAIL || verdict->action == RECOVERY_REMOVE_SEGMENT);
    char *quarantine;
    enum status status = quarantine_path(disk, directory, finding, &quarantine);
    if (status != STATUS_OK) {
        return status;
    }
    char *segment = chain_path(directory, finding->segment);
    if (segment == NULL) {
        free(quarantine);
        return STATUS_NO_MEMORY;
    }
    if (verdict->action == RECOVERY_CUT_TAIL) {
        status = cut_tail(disk, directory, finding, segment, quarantine);
    } else {
        status = disk->rename(disk->context, segment, quarantine);
        if (status == STATUS_OK) {
            status = disk->sync_directory(disk->context, directory);
        }
    }
    free(segment);
    free(quarantine);
    return status;
}
