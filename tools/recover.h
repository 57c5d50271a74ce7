/* What can be kept of a damaged journal, and the new journal that is made of it: for `tapline
 * recover`, the last resort when no backup is there. The damaged directory is only read.
 *
 * Normal course: recover_plan walks the whole journal, replays what is sound, and goes on behind
 * the damage to see what is lost; recover_copy writes the sound records again as a new journal of
 * another epoch, with one Recovery record behind them, in a directory that gets its name only when
 * all of it is durable. */
#ifndef TAPLINE_TOOLS_RECOVER_H
#define TAPLINE_TOOLS_RECOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/status.h"
#include "base/units.h"
#include "journal/chain.h"
#include "journal/journal.h"

#define RECOVER_RANGES_MAX  256
#define RECOVER_LINES_MAX   100000
#define RECOVER_KINDS       17 /* above every input_kind */
#define RECOVER_TEXT_BYTES  768
#define RECOVER_UNFINISHED  ".unfinished" /* behind the new directory's name while it is made */
#define RECOVER_REPORT_NAME "RECOVERY.txt"

struct recover_options {
    const struct disk *disk; /* NULL: disk_posix() */
    const char *data_dir;
    uint64_t to_seq; /* keep no more than this; 0: all that is sound */
    /* The highest seq that anything outside of the journal has seen, as journal_open takes it. */
    uint64_t witness_seq;
    const char *witness_name;
    /* The newest good snapshot, of the journal with this epoch; 0: none. */
    uint64_t snapshot_seq;
    uint64_t snapshot_epoch;
    const char *snapshot_name;
    const struct machine_limits *limits; /* NULL: the state machine's own */
    void *progress_context;
    void (*progress)(void *context, uint64_t records, uint64_t done_bytes, uint64_t total_bytes);
};

/* Whole batches that follow the damage. */
struct recover_range {
    uint64_t from;
    uint64_t to;
};

struct recover_plan {
    bool damaged; /* the server refuses this journal; else it is sound, or repaired at a start */
    bool cut_by_hand;             /* to_seq leaves out records that are sound */
    struct journal_report report; /* of the damage, or of what a start would repair */
    uint64_t kept_to;
    int64_t kept_time_ms; /* engine time of that record */
    uint8_t root[HASH_BYTES];
    uint64_t epoch_before;
    uint64_t lost_to;       /* the highest seq that anything has seen, 0: nothing beyond kept_to */
    const char *seen_by;    /* who; static or of the options */
    int64_t open_bets;      /* after kept_to */
    uint64_t lost_readable; /* records behind kept_to that can still be read */
    uint64_t lost_kinds[RECOVER_KINDS];
    struct recover_range ranges[RECOVER_RANGES_MAX];
    unsigned range_count;
    bool ranges_cut;                     /* there are more */
    char unreadable[DISK_PROBLEM_BYTES]; /* why no more behind the damage could be read; "" all was
                                          */
    struct json lines; /* of lost records that move money or change rules, one each; owned */
    uint64_t line_count;
    uint64_t lines_left_out;
    char problem[RECOVER_TEXT_BYTES]; /* one line on an error */
};

/* Takes the lock of a directory that no server runs on, until recover_unlock. A directory without a
 * LOCK file has none to take. Errors: STATUS_IN_USE; STATUS_IO. */
MUST_USE enum status recover_lock(const struct disk *disk, const char *data_dir,
                                  struct disk_file **lock);
void recover_unlock(const struct disk *disk, struct disk_file *lock);

/* Fills the plan; recover_plan_free in any case. Errors, with the problem: STATUS_NOT_FOUND no
 * journal; STATUS_DAMAGED not one record is sound; STATUS_VERSION a newer program wrote it;
 * STATUS_INVALID, STATUS_MISMATCH a sound record that the rules cannot replay; STATUS_IO;
 * STATUS_NO_MEMORY. */
MUST_USE enum status recover_plan(const struct recover_options *options, struct recover_plan *plan);
void recover_plan_free(struct recover_plan *plan);

/* The plan in words, for people and for RECOVERY.txt. */
void recover_describe(const struct recover_options *options, const struct recover_plan *plan,
                      struct json *text);

/* Who makes the copy, and why: at most LIMIT_OPERATOR_BYTES and LIMIT_NOTE_BYTES. */
struct recover_author {
    const char *operator_name;
    const char *reason;
    const char *version;
    int64_t made_ms; /* the wall clock */
};

/* Makes out_dir, which must not exist. `text` becomes its RECOVERY.txt. On an error `problem` (of
 * RECOVER_TEXT_BYTES) says why, and out_dir is not there; what was begun stands beside it under the
 * name with RECOVER_UNFINISHED. Errors: STATUS_USAGE out_dir or an unfinished one exists;
 * STATUS_NO_SPACE; STATUS_IO; STATUS_NO_MEMORY. */
MUST_USE enum status recover_copy(const struct recover_options *options,
                                  const struct recover_plan *plan, const char *out_dir,
                                  const struct recover_author *author, const struct json *text,
                                  char problem[RECOVER_TEXT_BYTES]);

#endif
