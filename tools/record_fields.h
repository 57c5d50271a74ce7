/* A journal record as named fields: what `inspect` shows of it without replay (interface.md section
 * 8). */
#ifndef TAPLINE_TOOLS_RECORD_FIELDS_H
#define TAPLINE_TOOLS_RECORD_FIELDS_H

#include "statemachine/config.h"
#include "statemachine/input.h"
#include "tools/fields.h"

/* What a Config record became; only its replay knows. */
struct record_config {
    bool known;     /* else the journal before it is damaged: epoch null, given keys alone */
    uint64_t epoch; /* 0: refused, and `config` is what it asked for */
    struct config config;
};

/* "price_tick" and so on. */
const char *record_kind_text(enum input_kind kind);

/* Writes seq, time, kind and the fields of the kind. `config` for INPUT_CONFIG, else NULL. */
void record_fields(struct fields *fields, const struct input *input,
                   const struct record_config *config);

#endif
