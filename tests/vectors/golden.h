/* Golden journals: made once for a released format and replayed for ever. A directory holds the
 * segments of one journal, each compressed (NAME.seg.zst), and `expected`: everything that a replay
 * must find in it, as text.
 *
 *     records 12345
 *     digest HEX              after the last record
 *     tree HEX                tree head over all records
 *     after 1000 HEX          digest after every thousandth record
 *     record 5 4567           records of a kind, by its number in input.h
 *     event 11 812            events of a kind, by its number in event.h
 *     reason PRICE_MOVED 97   refusals and voids for a reason
 */
#ifndef TAPLINE_TESTS_VECTORS_GOLDEN_H
#define TAPLINE_TESTS_VECTORS_GOLDEN_H

#define GOLDEN_TEXT_BYTES 32768
#define GOLDEN_EXPECTED   "expected"

/* Compresses the segments of DATA_DIR/journal into `directory`, which exists. Ends the program when
 * it cannot. */
void golden_pack(const char *data_dir, const char *directory);

/* Puts them back as a journal in data_dir, which exists and is empty. */
void golden_unpack(const char *directory, const char *data_dir);

/* Replays the journal of data_dir and writes what it found, in the form above. */
void golden_describe(const char *data_dir, char text[GOLDEN_TEXT_BYTES]);

#endif
