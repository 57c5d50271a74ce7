/* What a figure depends on besides the program: the machine, the disk, who else used the cores, and
 * how fast one core recovers a signer, which is the yardstick for the work of a tap. */
#ifndef TAPLINE_TOOLS_BENCH_SURROUNDINGS_H
#define TAPLINE_TOOLS_BENCH_SURROUNDINGS_H

#include <stdint.h>

#include "base/status.h"
#include "tools/bench/figures.h"
#include "tools/bench/wallets.h"

/* Says cores, model, kernel, and the file system that holds `directory`. */
void surroundings_say(struct figures *figures, const char *directory);

/* CPU time that all processes together have used, ns, over all cores; 0 when it cannot be told. */
int64_t surroundings_busy_ns(void);

/* CPU time of this process, all threads, ns. */
int64_t surroundings_own_ns(void);

/* Signature checks (hash, recover, compare) a second of CPU time on this thread, over measure_ms.
 */
double surroundings_recover_rate(const struct wallets *wallets, int64_t measure_ms);

/* Signatures made a second of CPU time on this thread. */
double surroundings_sign_rate(const struct wallets *wallets, int64_t measure_ms);

#endif
