#include "tools/bench/tap_source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/address.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/text.h"
#include "ingress/tap_text.h"

#define MARKET      "BTC-USD"
#define EPOCH       1 /* the benchmark changes no configuration */
#define FULL_NAP_NS 1000000
#define DRY_NAP_NS  5000000

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void nap(long ns)
{
    const struct timespec time = {.tv_nsec = ns};
    nanosleep(&time, NULL);
}

static void make_body(const struct tap_source *source, const struct offer_choice *choice,
                      int64_t now_ms, uint64_t number, struct tap_body *body)
{
    struct tap tap = {
        .market = {MARKET, strlen(MARKET)},
        .origin = {source->origin, strlen(source->origin)},
        .column_ms = choice->column_ms,
        .band = choice->band,
        .stake_micro = TAP_SOURCE_STAKE,
        .min_mult_centi = TAP_SOURCE_MULT,
        .config = EPOCH,
        .message_ms = now_ms,
    };
    memcpy(tap.account, source->wallets->addresses[choice->account], ADDRESS_BYTES);
    store_u64(tap.nonce, source->run);
    store_u64(tap.nonce + 8, number);
    char text[TAP_TEXT_BYTES_MAX];
    uint8_t secret[WALLET_SECRET_BYTES];
    uint8_t signature[LIMIT_SIGNATURE_BYTES];
    const size_t length = tap_text_format(text, &tap);
    wallets_secret(choice->account, secret);
    CHECK(length > 0);
    CHECK(wallet_sign(source->wallets->curve, secret, text, length, signature));

    char account[ADDRESS_TEXT_BYTES + 1];
    char nonce[2 * NONCE_BYTES + 1];
    char sig[2 * LIMIT_SIGNATURE_BYTES + 1];
    address_format(account, tap.account);
    text_format_hex(nonce, tap.nonce, NONCE_BYTES);
    text_format_hex(sig, signature, LIMIT_SIGNATURE_BYTES);
    const int bytes =
        snprintf(body->text, sizeof(body->text),
                 "\"account\":\"%s\",\"market\":\"" MARKET "\",\"column\":\"%" PRId64
                 "\",\"band\":\"%" PRId64 "\",\"stake\":\"%d\",\"min_mult\":\"%d\","
                 "\"config\":\"%d\",\"nonce\":\"%s\",\"time\":\"%" PRId64 "\",\"sig\":\"0x%s\"}",
                 account, tap.column_ms, tap.band, TAP_SOURCE_STAKE, TAP_SOURCE_MULT, EPOCH, nonce,
                 tap.message_ms, sig);
    CHECK(bytes > 0 && (size_t)bytes < sizeof(body->text));
    body->length = (size_t)bytes;
}

static void *sign_ahead(void *context)
{
    struct tap_source *source = context;
    while (!atomic_load(&source->stopping)) {
        const uint64_t made = atomic_load(&source->made);
        if (made - atomic_load(&source->taken) >= source->ahead) {
            nap(FULL_NAP_NS);
            continue;
        }
        struct offer_choice choice;
        const int64_t now_ms = wall_ms();
        if (!offers_choose(source->offers, now_ms, &choice)) {
            atomic_fetch_add(&source->dry, 1);
            nap(DRY_NAP_NS);
            continue;
        }
        make_body(source, &choice, now_ms, made, &source->ring[made % TAP_SOURCE_RING_MAX]);
        atomic_store(&source->made, made + 1);
    }
    return NULL;
}

enum status tap_source_open(struct tap_source *source, const struct wallets *wallets,
                            struct offers *offers, const char *origin, uint32_t ahead)
{
    CHECK(ahead > 0);
    CHECK(ahead <= TAP_SOURCE_RING_MAX);
    memset(source, 0, sizeof(*source));
    source->wallets = wallets;
    source->offers = offers;
    source->origin = origin;
    source->ahead = ahead;
    source->ring = calloc(TAP_SOURCE_RING_MAX, sizeof(*source->ring));
    if (source->ring == NULL ||
        getrandom(&source->run, sizeof(source->run), 0) != (ssize_t)sizeof(source->run) ||
        pthread_create(&source->thread, NULL, sign_ahead, source) != 0) {
        free(source->ring);
        return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

const struct tap_body *tap_source_next(struct tap_source *source)
{
    const uint64_t taken = atomic_load(&source->taken);
    return taken == atomic_load(&source->made) ? NULL : &source->ring[taken % TAP_SOURCE_RING_MAX];
}

void tap_source_done(struct tap_source *source)
{
    atomic_fetch_add(&source->taken, 1);
}

uint64_t tap_source_dry(const struct tap_source *source)
{
    return atomic_load(&source->dry);
}

void tap_source_close(struct tap_source *source)
{
    atomic_store(&source->stopping, true);
    CHECK(pthread_join(source->thread, NULL) == 0);
    free(source->ring);
    source->ring = NULL;
}
