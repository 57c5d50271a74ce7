/* One frame of Binance's combined stream as text, to a price message: `btcusdt@bookTicker` gives a
 * book, `btcusdt@trade` a trade. Every other frame carries no price for us. Its .c is the adapter
 * of the JSON library for what exchanges send (strict_json is that for what players send: its
 * limits are too narrow for a depth snapshot). */
#ifndef TAPLINE_INGRESS_BINANCE_FRAME_H
#define TAPLINE_INGRESS_BINANCE_FRAME_H

#include <stddef.h>

#include "base/status.h"
#include "ingress/index.h"

#define BINANCE_SOURCE "binance-spot"

/* Fills kind, prices and source (a literal) of *quote; receive_ms is left alone.
 * **Errors:** STATUS_NOT_FOUND a well-formed frame without a price; STATUS_INVALID anything else.
 */
MUST_USE enum status binance_frame_parse(const char *json, size_t length,
                                         struct source_quote *quote);

#endif
