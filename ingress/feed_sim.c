/* The feed `sim`: three made-up sources around one random walk, for trying things out. All integers
 * and one seeded generator, so a seed gives the same walk on any machine.
 *
 * One fair price moves each STEP_MS by a normal step of 1.3 bps per root-second (what real BTC was
 * measured to have); each source shows a book around it with a basis of its own and a little noise,
 * every 50 to 100 ms. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ingress/feed_kind.h"

#define SOURCES       3
#define STEP_MS       10
#define GAP_LEAST_MS  50
#define GAP_RANGE_MS  51
#define FAIR_START_E4 972300000 /* $97,230 */
#define FAIR_LEAST_E4 1000000   /* a walk that comes down to $100 is turned back */
#define FAIR_MOST_E4  100000000000
#define FAIR_FRACTION 8
#define NOISE_E4      2000 /* up to $0.20 either way */
#define SIGMA_STEP_E7 130  /* 1.3 bps per root-second * sqrt(STEP_MS / 1000) = 130e-7 */
#define NORMAL_TERMS  12   /* the sum of 12 uniforms has variance 1 */
#define NORMAL_ONE    65536

static const struct {
    const char *name;
    int64_t basis_bp_tenths; /* of the fair price */
    int64_t half_spread_e4;
} traits[SOURCES] = {{"sim-a", 0, 50}, {"sim-b", 4, 500}, {"sim-c", -11, 2500}};

struct sim {
    struct feed_run *run;
    uint64_t random;
    int64_t fair;      /* e4 with FAIR_FRACTION bits */
    int64_t walked_ms; /* receive time up to which the walk has gone */
    int64_t due_ms[SOURCES];
};

/* splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014). */
static uint64_t next_random(struct sim *sim)
{
    sim->random += 0x9e3779b97f4a7c15u;
    uint64_t z = sim->random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int64_t random_below(struct sim *sim, int64_t bound)
{
    return (int64_t)(next_random(sim) % (uint64_t)bound); /* the bias is below 1e-15 */
}

/* About normal with mean 0 and deviation NORMAL_ONE. */
static int64_t random_normal(struct sim *sim)
{
    int64_t sum = -(NORMAL_TERMS / 2) * NORMAL_ONE;
    for (int i = 0; i < NORMAL_TERMS; i += 4) {
        const uint64_t bits = next_random(sim);
        for (int part = 0; part < 4; part++) {
            sum += (int64_t)(bits >> (16 * part) & 0xffff);
        }
    }
    return sum;
}

static void walk_one_step(struct sim *sim)
{
    const __int128 move = (__int128)sim->fair * SIGMA_STEP_E7 * random_normal(sim);
    sim->fair += (int64_t)(move / ((__int128)10000000 * NORMAL_ONE));
    if (sim->fair < (int64_t)FAIR_LEAST_E4 << FAIR_FRACTION) {
        sim->fair = (int64_t)FAIR_LEAST_E4 << FAIR_FRACTION;
    }
    if (sim->fair > (int64_t)FAIR_MOST_E4 << FAIR_FRACTION) {
        sim->fair = (int64_t)FAIR_MOST_E4 << FAIR_FRACTION;
    }
    sim->walked_ms += STEP_MS;
}

static void deliver(struct sim *sim, size_t i)
{
    const int64_t fair_e4 = sim->fair >> FAIR_FRACTION;
    const int64_t noise_e4 = random_below(sim, 2 * NOISE_E4 + 1) - NOISE_E4;
    const int64_t mid_e4 = fair_e4 + fair_e4 * traits[i].basis_bp_tenths / 100000 + noise_e4;
    const struct source_quote quote = {.source = traits[i].name,
                                       .kind = QUOTE_BOOK,
                                       .bid_e4 = mid_e4 - traits[i].half_spread_e4,
                                       .ask_e4 = mid_e4 + traits[i].half_spread_e4,
                                       .receive_ms = sim->due_ms[i]};
    sim->due_ms[i] += GAP_LEAST_MS + random_below(sim, GAP_RANGE_MS);
    (void)feed_deliver(sim->run, &quote); /* a refusal was said and counted there */
}

static void sim_advance(void *state, int64_t receive_ms)
{
    struct sim *sim = state;
    for (;;) {
        size_t first = 0;
        for (size_t i = 1; i < SOURCES; i++) {
            if (sim->due_ms[i] < sim->due_ms[first]) {
                first = i;
            }
        }
        if (sim->due_ms[first] > receive_ms) {
            return;
        }
        while (sim->walked_ms + STEP_MS <= sim->due_ms[first]) {
            walk_one_step(sim);
        }
        deliver(sim, first);
    }
}

static enum status sim_open(const char *arguments, void **state, struct feed_error *error)
{
    int64_t seed = 1;
    if (arguments[0] != '\0') {
        const char *value = arguments + strlen("seed=");
        if (strncmp(arguments, "seed=", strlen("seed=")) != 0 ||
            !text_parse_decimal(value, strlen(value), &seed)) {
            feed_error_set(error, "expected sim or sim:seed=N with a decimal N");
            return STATUS_USAGE;
        }
    }
    struct sim *sim = calloc(1, sizeof *sim);
    if (sim == NULL) {
        feed_error_set(error, "no memory");
        return STATUS_NO_MEMORY;
    }
    sim->random = (uint64_t)seed;
    sim->fair = (int64_t)FAIR_START_E4 << FAIR_FRACTION;
    *state = sim;
    return STATUS_OK;
}

static enum status sim_start(void *state, struct feed_run *run, struct feed_error *error)
{
    (void)error; /* nothing here can fail */
    struct sim *sim = state;
    sim->run = run;
    sim->walked_ms = clock_receive_ms(run->clock);
    for (size_t i = 0; i < SOURCES; i++) {
        sim->due_ms[i] = sim->walked_ms;
    }
    return STATUS_OK;
}

static void sim_free(void *state)
{
    free(state);
}

const struct feed_kind feed_sim = {
    .name = "sim", .open = sim_open, .start = sim_start, .advance = sim_advance, .free = sim_free};
