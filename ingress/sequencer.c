#include "ingress/sequencer.h"

#include "journal/codec.h"
#include "journal/journal.h"

void sequencer_init(struct sequencer *sequencer, struct journal *journal, uint64_t last_seq,
                    int64_t last_time_ms)
{
    sequencer->journal = journal;
    sequencer->last_seq = last_seq;
    sequencer->last_time_ms = last_time_ms;
    sequencer->waiting = false;
}

enum status sequencer_put(struct sequencer *sequencer, int64_t now_ms, struct input *input)
{
    if (sequencer->waiting) {
        return STATUS_FULL;
    }
    const uint64_t seq_before = input->seq;
    const int64_t time_before_ms = input->time_ms;
    input->seq = sequencer->last_seq + 1;
    input->time_ms = now_ms > sequencer->last_time_ms ? now_ms : sequencer->last_time_ms;

    const size_t bytes = codec_encode(input, sequencer->record, sizeof sequencer->record);
    const enum status status =
        bytes == 0 ? STATUS_INVALID : journal_append(sequencer->journal, sequencer->record, bytes);
    if (status != STATUS_OK) {
        input->seq = seq_before;
        input->time_ms = time_before_ms;
        return status;
    }
    sequencer->last_seq = input->seq;
    sequencer->last_time_ms = input->time_ms;
    sequencer->waiting = input->kind == INPUT_RULES_CHANGE;
    return STATUS_OK;
}

void sequencer_go_on(struct sequencer *sequencer)
{
    sequencer->waiting = false;
}
