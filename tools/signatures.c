#include "tools/signatures.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "ingress/tap_text.h"
#include "ingress/wallet.h"

#define BATCH_TAPS         64 /* some 2 ms of work */
#define BATCHES_PER_THREAD 2  /* one in the making or at work, one that waits */

/* A tap with its texts and signature in memory of its own. */
struct signed_tap {
    uint64_t seq;
    struct tap tap;
    char market[LIMIT_MARKET_BYTES];
    char origin[LIMIT_ORIGIN_BYTES];
    uint8_t signature[LIMIT_SIGNATURE_BYTES];
};

struct batch {
    struct batch *next;
    size_t count;
    struct signed_tap taps[BATCH_TAPS];
};

struct signatures {
    struct wallet *wallet;
    struct batch *batches; /* all of them, batch_count */
    size_t batch_count;
    struct batch *filling; /* the caller's */
    pthread_mutex_t mutex; /* over the rest */
    pthread_cond_t wake;   /* a batch waits, or the end has come */
    struct batch *empty;
    struct batch *ready; /* to be checked; any order */
    bool closing;
    struct signatures_result result;
    unsigned helper_count;
    pthread_t helpers[SIGNATURES_THREADS_MAX];
};

static void note_bad(struct signatures_result *result, uint64_t seq, const char *what)
{
    result->bad += 1;
    if (result->first_bad_seq == 0 || seq < result->first_bad_seq) {
        result->first_bad_seq = seq;
        result->first_bad = what;
    }
}

static void check_one(const struct wallet *wallet, const struct signed_tap *of,
                      struct signatures_result *result)
{
    char text[TAP_TEXT_BYTES_MAX];
    const size_t length = tap_text_format(text, &of->tap);
    if (length == 0 || of->tap.signature_bytes != LIMIT_SIGNATURE_BYTES) {
        note_bad(result, of->seq, "the tap has no text that a wallet could have signed");
    } else if (!wallet_check(wallet, text, length, of->signature, of->tap.account)) {
        note_bad(result, of->seq, "the signature of the tap is not of its account");
    } else {
        result->good += 1;
    }
}

static void merge(struct signatures_result *into, const struct signatures_result *from)
{
    into->good += from->good;
    into->bad += from->bad;
    if (from->first_bad_seq != 0 &&
        (into->first_bad_seq == 0 || from->first_bad_seq < into->first_bad_seq)) {
        into->first_bad_seq = from->first_bad_seq;
        into->first_bad = from->first_bad;
    }
}

/* Checks one batch that waits. Called and left with the mutex; without it meanwhile. */
static void check_batch(struct signatures *signatures)
{
    struct batch *batch = signatures->ready;
    signatures->ready = batch->next;
    pthread_mutex_unlock(&signatures->mutex);
    struct signatures_result result = {0};
    for (size_t i = 0; i < batch->count; i++) {
        check_one(signatures->wallet, &batch->taps[i], &result);
    }
    batch->count = 0;
    pthread_mutex_lock(&signatures->mutex);
    merge(&signatures->result, &result);
    batch->next = signatures->empty;
    signatures->empty = batch;
}

static void *help(void *argument)
{
    struct signatures *signatures = argument;
    pthread_mutex_lock(&signatures->mutex);
    for (;;) {
        while (signatures->ready == NULL && !signatures->closing) {
            pthread_cond_wait(&signatures->wake, &signatures->mutex);
        }
        if (signatures->ready == NULL) {
            break;
        }
        check_batch(signatures);
    }
    pthread_mutex_unlock(&signatures->mutex);
    return NULL;
}

/* Signals belong to the main thread; helpers are born with all of them blocked. */
static void start_helpers(struct signatures *signatures, unsigned count)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    while (signatures->helper_count < count &&
           pthread_create(&signatures->helpers[signatures->helper_count], NULL, help, signatures) ==
               0) {
        signatures->helper_count += 1;
    }
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
}

enum status signatures_open(unsigned threads, struct signatures **signatures)
{
    CHECK(threads >= 1 && threads <= SIGNATURES_THREADS_MAX);
    struct signatures *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    CHECK(pthread_mutex_init(&made->mutex, NULL) == 0);
    CHECK(pthread_cond_init(&made->wake, NULL) == 0);
    made->batch_count = (size_t)threads * BATCHES_PER_THREAD;
    made->batches = calloc(made->batch_count, sizeof made->batches[0]);
    const enum status status =
        made->batches == NULL ? STATUS_NO_MEMORY : wallet_open(&made->wallet);
    if (status != STATUS_OK) {
        signatures_free(made);
        return status;
    }
    for (size_t i = 1; i < made->batch_count; i++) {
        made->batches[i].next = made->empty;
        made->empty = &made->batches[i];
    }
    made->filling = &made->batches[0];
    start_helpers(made, threads - 1);
    *signatures = made;
    return STATUS_OK;
}

/* Hands the caller's batch on and gets him an empty one; he works while there is none. */
static void hand_on(struct signatures *signatures)
{
    pthread_mutex_lock(&signatures->mutex);
    signatures->filling->next = signatures->ready;
    signatures->ready = signatures->filling;
    pthread_cond_signal(&signatures->wake);
    while (signatures->empty == NULL && signatures->ready != NULL) {
        check_batch(signatures);
    }
    /* There are more batches than helpers: with none empty, one was ready. */
    CHECK(signatures->empty != NULL);
    signatures->filling = signatures->empty;
    signatures->empty = signatures->filling->next;
    pthread_mutex_unlock(&signatures->mutex);
}

static struct text_view keep(struct text_view text, char *to, size_t room)
{
    const size_t length = text.length < room ? text.length : room; /* the codec admits no more */
    if (length > 0) {
        memcpy(to, text.text, length);
    }
    return (struct text_view){to, length};
}

void signatures_put(struct signatures *signatures, uint64_t seq, const struct tap *tap)
{
    struct signed_tap *to = &signatures->filling->taps[signatures->filling->count];
    to->seq = seq;
    to->tap = *tap;
    to->tap.market = keep(tap->market, to->market, sizeof to->market);
    to->tap.origin = keep(tap->origin, to->origin, sizeof to->origin);
    if (tap->signature_bytes == LIMIT_SIGNATURE_BYTES) {
        memcpy(to->signature, tap->signature, LIMIT_SIGNATURE_BYTES);
    }
    to->tap.signature = to->signature;
    signatures->filling->count += 1;
    if (signatures->filling->count == BATCH_TAPS) {
        hand_on(signatures);
    }
}

static void join_helpers(struct signatures *signatures)
{
    pthread_mutex_lock(&signatures->mutex);
    signatures->closing = true;
    pthread_cond_broadcast(&signatures->wake);
    while (signatures->ready != NULL) {
        check_batch(signatures);
    }
    pthread_mutex_unlock(&signatures->mutex);
    for (unsigned i = 0; i < signatures->helper_count; i++) {
        CHECK(pthread_join(signatures->helpers[i], NULL) == 0);
    }
    signatures->helper_count = 0;
}

void signatures_finish(struct signatures *signatures, struct signatures_result *result)
{
    if (signatures->filling->count > 0) {
        hand_on(signatures);
    }
    join_helpers(signatures);
    *result = signatures->result;
}

void signatures_free(struct signatures *signatures)
{
    if (signatures == NULL) {
        return;
    }
    join_helpers(signatures);
    wallet_free(signatures->wallet);
    CHECK(pthread_cond_destroy(&signatures->wake) == 0);
    CHECK(pthread_mutex_destroy(&signatures->mutex) == 0);
    free(signatures->batches);
    free(signatures);
}
