/* Random market configurations: legal ones that bring the bounds within reach of a short history,
 * and changes of them, some of which the rules must refuse. */
#ifndef TAPLINE_TESTS_PROPERTY_MARKET_H
#define TAPLINE_TESTS_PROPERTY_MARKET_H

#include "tests/property/history.h"

/* What the first Config record says of a market whose price is near price_e4. */
void market_draw(struct history *history, const char *market, int64_t price_e4,
                 struct config_change *change);

/* A later Config record: a few keys, legal or not. */
void market_change(struct history *history, int64_t price_e4, struct config_change *change);

/* A Config record of a new W and nothing else. */
void market_change_band(struct history *history, int64_t price_e4, struct config_change *change);

#endif
