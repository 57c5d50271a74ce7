#include "tools/salvage.h"

#include <inttypes.h>
#include <stdio.h>

#include "journal/journal.h"

static void tell(const struct salvage_visitor *visitor, const struct journal_reader *reader,
                 bool serious)
{
    const struct journal_report *report = journal_reader_report(reader);
    char line[512];
    snprintf(line, sizeof line, "%s%s, offset %" PRIu64 ", seq %" PRIu64 ": %s",
             report->segment[0] != '\0' ? "segment " : "journal", report->segment, report->offset,
             report->seq, report->reason);
    visitor->damage(visitor->context, line, serious);
}

static void tell_gap(const struct salvage_visitor *visitor, uint64_t from, uint64_t before)
{
    char line[128];
    snprintf(line, sizeof line, "seq %" PRIu64 " to %" PRIu64 " cannot be read", from, before - 1);
    visitor->damage(visitor->context, line, true);
}

/* Takes one record, unless it is an old one that damage brought up again. */
static enum status take(const struct salvage_visitor *visitor, const struct journal_record *record,
                        uint64_t *next_seq)
{
    if (record->seq < *next_seq) {
        return STATUS_OK;
    }
    if (record->seq > *next_seq) {
        tell_gap(visitor, *next_seq, record->seq);
    }
    *next_seq = record->seq + 1;
    return visitor->record(visitor->context, record->seq, record->bytes, record->length);
}

static enum status read_all(struct journal_reader *reader, uint64_t from_seq,
                            const struct salvage_visitor *visitor)
{
    uint64_t next_seq = from_seq;
    for (;;) {
        struct journal_record record;
        enum status status = journal_reader_next(reader, &record);
        if (status == STATUS_OK) {
            status = take(visitor, &record, &next_seq);
        } else if (status == STATUS_END) {
            if (journal_reader_report(reader)->rule != 0) {
                tell(visitor, reader, false);
            }
        } else if (status == STATUS_DAMAGED || status == STATUS_LOST_TAIL ||
                   status == STATUS_VERSION) {
            tell(visitor, reader, true);
            status = journal_reader_skip_damage(reader);
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
}

enum status salvage_run(const char *data_dir, uint64_t from_seq,
                        const struct salvage_visitor *visitor)
{
    struct journal_reader *reader;
    enum status status = journal_reader_open(data_dir, NULL, from_seq, &reader);
    if (status != STATUS_OK) {
        return status;
    }
    status = read_all(reader, from_seq, visitor);
    journal_reader_free(reader);
    return status == STATUS_END ? STATUS_OK : status;
}
