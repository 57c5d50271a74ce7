/* The recorded prices that tests read through lie outside of the checkout: in the folder that the
 * environment variable TAPLINE_SHARED names, else beside the source directory. A test whose file is
 * absent says so loudly and is skipped. Header only; needs cmocka. */
#ifndef TAPLINE_TESTS_RECORDINGS_H
#define TAPLINE_TESTS_RECORDINGS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define RECORDING_FRAMES_FILE   "binance_spot_btcusdt_20240808_frames.gz"
#define RECORDING_SEVERAL_FILE  "binance_btc_3src_20240808.csv"
#define RECORDING_MIDS_FILE     "binance_spot_mid_1s_20240808.csv"
#define RECORDING_COINBASE_FILE "coinbase_btcusd_1s_trades_20161007_08.csv"
#define RECORDING_FTX_FILE      "ftx_btcperp_1m_20220101_20.csv"

/* Writes "replay:SHARED/data/NAME" and `options` behind it to spec, or skips the test. */
static inline void recording_spec(const char *name, const char *options, char *spec, size_t bytes)
{
    const char *shared = getenv("TAPLINE_SHARED");
    if (shared == NULL) {
        shared = TAPLINE_SHARED_DIR;
    }
    const int length = snprintf(spec, bytes, "replay:%s/data/%s", shared, name);
    assert_true(length > 0 && (size_t)length < bytes);
    if (access(spec + 7, R_OK) != 0) {
        printf("SKIPPED: no recording at %s (set TAPLINE_SHARED)\n", spec + 7);
        skip();
    }
    const int more = snprintf(spec + length, bytes - (size_t)length, "%s", options);
    assert_true(more >= 0 && (size_t)(length + more) < bytes);
}

#endif
