#include "tools/config_follower.h"

#include <stdlib.h>
#include <string.h>

#include "statemachine/machine.h"

struct config_follower {
    void *arena;
    struct machine *machine;
    int64_t time_ms;
    uint64_t seq;                 /* of its own: the machine wants dense ones */
    struct record_config *became; /* during a take */
};

enum status config_follower_open(struct config_follower **follower)
{
    const struct machine_limits limits = {
        .accounts_max = 1,
        .open_bets_max = 1,
        .nonces_max = 1,
        .transfers_max = 1,
    };
    struct config_follower *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    const size_t bytes = (machine_bytes(&limits) + 63) / 64 * 64;
    made->arena = aligned_alloc(64, bytes);
    if (made->arena == NULL) {
        free(made);
        return STATUS_NO_MEMORY;
    }
    memset(made->arena, 0, bytes);
    made->machine = machine_init(made->arena, &limits);
    *follower = made;
    return STATUS_OK;
}

static void take_event(void *context, const struct event *event)
{
    struct config_follower *follower = context;
    if (event->kind == EVENT_CONFIG) {
        follower->became->epoch = event->of.config.epoch;
        follower->became->config = *event->of.config.config;
    }
}

static void ignore_posting(void *context, const struct posting *posting)
{
    (void)context;
    (void)posting;
}

void config_follower_take(struct config_follower *follower, const struct input *input,
                          struct record_config *became)
{
    struct config defaults;
    config_defaults(&defaults);
    const struct config *base = machine_config(follower->machine);
    *became = (struct record_config){.known = true};
    /* What it asked for, unless the event says what came of it. */
    config_merge(base != NULL ? base : &defaults, &input->of.config, &became->config);
    follower->became = became;
    follower->seq += 1;
    struct input renumbered = *input;
    renumbered.seq = follower->seq;
    if (renumbered.time_ms < follower->time_ms) {
        renumbered.time_ms = follower->time_ms; /* a forged journal; the machine would trap */
    }
    follower->time_ms = renumbered.time_ms;
    const struct event_sink sink = {follower, take_event, ignore_posting};
    machine_apply(follower->machine, &renumbered, &sink);
    follower->became = NULL;
}

void config_follower_free(struct config_follower *follower)
{
    if (follower == NULL) {
        return;
    }
    free(follower->arena);
    free(follower);
}
