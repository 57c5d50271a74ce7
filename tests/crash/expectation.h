/* The decision table of docs/JOURNAL_FORMAT.md read a second time, by comparing bytes with those
 * that a made journal had: no frame is parsed, no checksum computed, no function of journal/ asked.
 * The damage is in the last segment alone; the segments before are whole. */
#ifndef TAPLINE_TEST_EXPECTATION_H
#define TAPLINE_TEST_EXPECTATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "made_journal.h"

struct expectation {
    enum status status;
    char rule;       /* 'a' .. 'i', 0: clean */
    uint64_t offset; /* of the finding, in the last segment */
    uint64_t seq;    /* the first that cannot be read */
    bool cut;        /* the bytes from offset on are in quarantine, and zeros in the journal */
    bool removed;    /* the whole file is in quarantine */
};

/* `other` is a journal of an older epoch whose frames may stand in the image; witness the highest
 * seq that anything has seen. */
struct expectation expect_verdict(const struct made_journal *made, const struct made_journal *other,
                                  const uint8_t *image, size_t size, uint64_t witness);

#endif
