/* Which epoch each Config record became, and with which values, told from Config records alone: a
 * small state machine of its own is fed with nothing else. What a Config record does depends on the
 * ones before it and on engine time only. So `inspect` shows a configuration as applied without a
 * replay. */
#ifndef TAPLINE_TOOLS_CONFIG_FOLLOWER_H
#define TAPLINE_TOOLS_CONFIG_FOLLOWER_H

#include "base/status.h"
#include "statemachine/input.h"
#include "tools/record_fields.h"

struct config_follower;

/* Owns: freed by config_follower_free. Errors: STATUS_NO_MEMORY. */
MUST_USE enum status config_follower_open(struct config_follower **follower);

/* Takes the next Config record in the order of seqs and tells what it became. */
void config_follower_take(struct config_follower *follower, const struct input *input,
                          struct record_config *became);

void config_follower_free(struct config_follower *follower); /* NULL is allowed */

#endif
