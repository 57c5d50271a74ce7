/* SQLite against a replay, row by row while the replay runs: for `verify` and for the daily check
 * beside a live server. Nothing is built and nothing is written. It hears the events and postings
 * that a writer would hear, and looks whether the rows are there that the writer would have made.
 *
 * Each file is compared as of the record that it had applied when the check was opened; files
 * commit one after the other, so each has its own. Rows that never change again (postings, columns,
 * configurations, weeks, bets that are over) are read from the file in the order of their keys, as
 * the replay comes to them; what a server goes on changing (users, open bets) was copied when the
 * check was opened. Read transactions are short. Memory grows with the users, and with the bets
 * that are younger than the oldest open one.
 *
 *     sqlite_checker_open(dir, &checker, text);
 *     for each record from seq 1 on:
 *         sqlite_checker_begin_record(checker, seq, time_ms);
 *         machine_apply(machine, &input, sink);             // sqlite_checker_sink(checker)
 *         sqlite_checker_end_record(checker, digest);
 *     sqlite_checker_finish(checker, &result);
 *     sqlite_checker_close(checker);
 *
 * Missing files are counted and no difference: all but the journal may be deleted and comes back.
 * A kill may have come between two files' commits, so a week file may be one transaction ahead of
 * main.db; any other distance tells of an older copy. A failure of SQLite ends the comparison, not
 * the replay; sqlite_checker_finish tells it. Thread: one. */
#ifndef TAPLINE_PROJECTIONS_SQLITE_CHECKER_H
#define TAPLINE_PROJECTIONS_SQLITE_CHECKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "base/units.h"
#include "statemachine/event.h"

#define SQLITE_CHECKER_TEXT_BYTES 1024

struct sqlite_checker;

struct sqlite_checker_result {
    uint64_t tables;      /* compared */
    uint64_t rows;        /* in them */
    uint64_t missing;     /* files that a replay makes and that are not here */
    uint64_t seq;         /* the record that main.db stands at; 0: it is missing or only begun */
    uint64_t differences; /* rows, digests and positions that differ */
    uint64_t first_seq;   /* the first record that a row differs in; 0: no difference */
    char problem[SQLITE_CHECKER_TEXT_BYTES]; /* one line: file, table, row, column, values; or "" */
};

/* Takes down what the files of `dir` stand at. Errors, in words in `text`: STATUS_DAMAGED,
 * STATUS_VERSION, STATUS_IO, STATUS_NO_MEMORY. Owns: sqlite_checker_close. */
MUST_USE enum status sqlite_checker_open(const char *dir, struct sqlite_checker **checker,
                                         char text[SQLITE_CHECKER_TEXT_BYTES]);

/* The highest record that any file has applied; behind it nothing is compared. 0: no files. */
uint64_t sqlite_checker_last(const struct sqlite_checker *checker);

/* Records are dense from seq 1 on. */
void sqlite_checker_begin_record(struct sqlite_checker *checker, uint64_t seq, int64_t time_ms);
struct event_sink sqlite_checker_sink(struct sqlite_checker *checker);
void sqlite_checker_end_record(struct sqlite_checker *checker, const uint8_t *digest);

/* Compares the indexes of closed weeks and of main.db with their tables, open_too: of all files.
 * One that lies is a difference: reads by it are wrong, though all rows are right. Each file is one
 * read transaction of some seconds a million bets, during which the log of a file that is written
 * grows.
 */
struct sqlite_index_findings {
    enum status failed; /* why not all could be read */
    char error[SQLITE_CHECKER_TEXT_BYTES];
    uint64_t count;
    uint64_t seq;                         /* the position of the first file that has one */
    char text[SQLITE_CHECKER_TEXT_BYTES]; /* its words */
};

/* Ends early when *stop becomes true, `failed` is STATUS_CLOSED then. Thread: any, also while
 * another tells the replay. */
void sqlite_checker_check_indexes(const struct sqlite_checker *checker, bool open_too,
                                  const _Atomic bool *stop, struct sqlite_index_findings *findings);

/* Makes what was found a part of the result. */
void sqlite_checker_add_indexes(struct sqlite_checker *checker,
                                const struct sqlite_index_findings *findings);

/* The record of the replay so far. Errors: STATUS_MISMATCH a difference, named in the result;
 * STATUS_LOST_TAIL a file has applied more than the replay had; a failure of SQLite. Each has its
 * line in the result. */
MUST_USE enum status sqlite_checker_finish(struct sqlite_checker *checker,
                                           struct sqlite_checker_result *result);

void sqlite_checker_close(struct sqlite_checker *checker); /* NULL is allowed */

#endif
