/* Recorded price data, line by line. Four formats, told apart by the first line:
 *
 *   frames         <local_recv_ns> <json>      raw frames of Binance's combined stream, no header
 *   several        recv_ns,src,kind,...        sources by name; kind B = best bid and ask, T =
 * trade mids           ts_ms,mid_e4                one mid a second, taken as trades of
 * binance-spot bars           ts_ms,open_e4,...           a trade at the close price, received at
 * ts_ms: a bar does not say when within it that price was seen. Source `coinbase` where volume is
 * in BTC, `ftx` where in USD
 *
 * Strict: a line that is not of the format, or whose time is before the last one's, is an error. */
#ifndef TAPLINE_INGRESS_RECORDING_H
#define TAPLINE_INGRESS_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"
#include "ingress/index.h"

enum recording_format {
    RECORDING_FRAMES,
    RECORDING_SEVERAL,
    RECORDING_MIDS,
    RECORDING_COINBASE_BARS,
    RECORDING_FTX_BARS,
};

/* One line of data. */
struct recording_line {
    int64_t receive_ns; /* local receive time since the epoch */
    bool has_quote;     /* false: a frame that carries no price */
    struct source_quote quote;
    char source[LIMIT_SOURCE_BYTES + 1]; /* quote.source points here or at a literal */
};

/* Tells the format by the first line (without its line feed); *header is true when that line is a
 * header and no data. False when it is none of them. */
MUST_USE bool recording_detect(const char *line, size_t length, enum recording_format *format,
                               bool *header);

/* Parses one line of data (without its line feed). **Errors:** STATUS_INVALID, *line untouched. */
MUST_USE enum status recording_parse(enum recording_format format, const char *text, size_t length,
                                     struct recording_line *line);

#endif
