#include "tools/audit.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "ingress/index.h"
#include "ingress/tap_text.h"
#include "ingress/verify_pool.h"
#include "ingress/wallet.h"

#define JOBS 256 /* signatures on their way at one time */

/* A copy of what one signature needs: the record's own bytes are gone with the next decode. */
struct signature_job {
    struct verify_job job; /* first, so that a job is its slot */
    uint64_t seq;
    char text[TAP_TEXT_BYTES_MAX];
    uint8_t signature[LIMIT_SIGNATURE_BYTES];
    uint8_t account[ADDRESS_BYTES];
};

struct audit {
    struct index index;
    struct wallet *wallet; /* NULL: signatures are not asked for */
    struct verify_pool *pool;
    struct signature_job *jobs;
    pthread_mutex_t mutex; /* over the rest */
    pthread_cond_t idle;   /* a slot came back */
    struct signature_job *free[JOBS];
    size_t free_count;
    struct audit_result result;
};

/* Under the mutex. */
static void note_bad(struct audit *audit, uint64_t seq, const char *what)
{
    struct audit_result *result = &audit->result;
    if (result->first_bad_seq == 0 || seq < result->first_bad_seq) {
        result->first_bad_seq = seq;
        snprintf(result->problem, sizeof result->problem, "seq %" PRIu64 ": %s", seq, what);
    }
}

static void take_verdicts(void *context, struct verify_job *const *jobs, size_t count)
{
    struct audit *audit = context;
    pthread_mutex_lock(&audit->mutex);
    for (size_t i = 0; i < count; i++) {
        struct signature_job *slot = (struct signature_job *)jobs[i];
        if (slot->job.good) {
            audit->result.signatures += 1;
        } else {
            audit->result.signatures_bad += 1;
            note_bad(audit, slot->seq, "the signature of the tap is not of its account");
        }
        audit->free[audit->free_count] = slot;
        audit->free_count += 1;
    }
    pthread_cond_signal(&audit->idle);
    pthread_mutex_unlock(&audit->mutex);
}

static enum status open_signatures(struct audit *audit)
{
    audit->jobs = calloc(JOBS, sizeof audit->jobs[0]);
    if (audit->jobs == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < JOBS; i++) {
        audit->free[i] = &audit->jobs[i];
    }
    audit->free_count = JOBS;
    const enum status status = wallet_open(&audit->wallet);
    if (status != STATUS_OK) {
        return status;
    }
    const struct verify_pool_options options = {
        .queue_jobs = JOBS,
        .context = audit,
        .done = take_verdicts,
    };
    return verify_pool_open(audit->wallet, &options, &audit->pool);
}

enum status audit_open(bool signatures, struct audit **audit)
{
    struct audit *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    index_init(&made->index);
    pthread_mutex_init(&made->mutex, NULL);
    pthread_cond_init(&made->idle, NULL);
    const enum status status = signatures ? open_signatures(made) : STATUS_OK;
    if (status != STATUS_OK) {
        audit_free(made);
        return status;
    }
    *audit = made;
    return STATUS_OK;
}

static struct signature_job *take_slot(struct audit *audit)
{
    pthread_mutex_lock(&audit->mutex);
    while (audit->free_count == 0) {
        pthread_cond_wait(&audit->idle, &audit->mutex);
    }
    audit->free_count -= 1;
    struct signature_job *slot = audit->free[audit->free_count];
    pthread_mutex_unlock(&audit->mutex);
    return slot;
}

static void audit_tap(struct audit *audit, uint64_t seq, const struct tap *tap)
{
    if (audit->wallet == NULL) {
        return;
    }
    if (tap->session != 0) {
        audit->result.signatures_skipped += 1; /* written by this thread alone */
        return;
    }
    struct signature_job *slot = take_slot(audit);
    const size_t length = tap_text_format(slot->text, tap);
    if (length == 0 || tap->signature_bytes != LIMIT_SIGNATURE_BYTES) {
        pthread_mutex_lock(&audit->mutex);
        audit->result.signatures_bad += 1;
        note_bad(audit, seq, "the tap has no text that a wallet could have signed");
        audit->free[audit->free_count] = slot;
        audit->free_count += 1;
        pthread_mutex_unlock(&audit->mutex);
        return;
    }
    slot->seq = seq;
    memcpy(slot->signature, tap->signature, LIMIT_SIGNATURE_BYTES);
    memcpy(slot->account, tap->account, ADDRESS_BYTES);
    slot->job = (struct verify_job){
        .text = slot->text,
        .text_length = length,
        .signature = slot->signature,
        .account = slot->account,
    };
    const enum status queued = verify_pool_submit(audit->pool, &slot->job);
    CHECK(queued == STATUS_OK); /* the queue has room for every slot */
}

static void audit_price(struct audit *audit, uint64_t seq, const struct price_tick *tick)
{
    if (index_audit(&audit->index, tick) == STATUS_OK) {
        audit->result.prices += 1; /* written by this thread alone */
        return;
    }
    pthread_mutex_lock(&audit->mutex);
    audit->result.prices_bad += 1;
    note_bad(audit, seq, "the index price does not follow from its quotes");
    pthread_mutex_unlock(&audit->mutex);
}

void audit_record(struct audit *audit, const struct input *input)
{
    switch (input->kind) {
    case INPUT_START:
        index_init(&audit->index); /* the basis lives and dies with the process */
        return;
    case INPUT_PRICE_TICK:
        audit_price(audit, input->seq, &input->of.price_tick);
        return;
    case INPUT_TAP:
        audit_tap(audit, input->seq, &input->of.tap);
        return;
    case INPUT_CONFIG:
    case INPUT_CLOCK_TICK:
    case INPUT_DEPOSIT:
    case INPUT_WITHDRAWAL:
    case INPUT_HOUSE_DEPOSIT:
    case INPUT_HOUSE_WITHDRAWAL:
    case INPUT_GOODWILL:
    case INPUT_ATTEST:
    case INPUT_RULES_CHANGE:
    case INPUT_RECOVERY:
        return;
    }
}

const struct audit_result *audit_finish(struct audit *audit)
{
    if (audit->pool != NULL) {
        verify_pool_close(audit->pool);
        audit->pool = NULL;
    }
    return &audit->result;
}

void audit_free(struct audit *audit)
{
    if (audit == NULL) {
        return;
    }
    verify_pool_close(audit->pool);
    wallet_free(audit->wallet);
    pthread_cond_destroy(&audit->idle);
    pthread_mutex_destroy(&audit->mutex);
    free(audit->jobs);
    free(audit);
}
