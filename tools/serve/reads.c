#include "tools/serve/reads.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/check.h"

struct reads {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct read *first;
    struct read *last;
    uint32_t count; /* on their way: waiting, being read, or in the mailbox */
    bool stopping;
    struct mailbox *mailbox;
    pthread_t threads[READS_THREADS];
    struct sqlite_reader *readers[READS_THREADS];
    uint32_t thread_count;
};

/* What one thread needs to know; lives until the thread has read it. */
struct start {
    struct reads *reads;
    struct sqlite_reader *reader;
};

static enum status wait_applied(void *context, uint64_t seq, int timeout_ms)
{
    return projector_wait(context, seq, timeout_ms);
}

struct read *read_new(enum read_kind kind)
{
    struct read *read = calloc(1, sizeof(*read));
    if (read != NULL) {
        read->kind = kind;
    }
    return read;
}

void read_free(struct read *read)
{
    if (read != NULL) {
        json_text_free(&read->json);
        free(read);
    }
}

static enum status answer(struct sqlite_reader *reader, struct read *read)
{
    switch (read->kind) {
    case READ_BET:
        return sqlite_reader_bet(reader, read->id, read->at_least_seq, &read->json);
    case READ_BET_BY_NONCE:
        return sqlite_reader_bet_by_nonce(reader, read->account, read->nonce, read->at_least_seq,
                                          &read->json);
    case READ_ACCOUNT:
        return sqlite_reader_account(reader, read->account, read->at_least_seq, &read->json);
    case READ_BETS:
    case READ_LEDGER:
        read->query.account = read->account;
        read->query.at_least_seq = read->at_least_seq;
        return read->kind == READ_BETS ? sqlite_reader_bets(reader, &read->query, &read->json)
                                       : sqlite_reader_ledger(reader, &read->query, &read->json);
    case READ_COLUMN:
        return sqlite_reader_column(reader, (int64_t)read->id, read->at_least_seq, &read->json);
    case READ_CONFIG:
        return sqlite_reader_config(reader, read->id, read->at_least_seq, &read->json);
    }
    return STATUS_INVALID;
}

/* The mailbox has room for all reads on their way, as those in it still count. */
static void hand_back(struct reads *reads, struct read *read)
{
    const enum status posted = mailbox_post(reads->mailbox, read);
    if (posted != STATUS_OK) {
        CHECK(posted == STATUS_CLOSED);
        read_free(read);
    }
}

static void *run(void *context)
{
    struct start start = *(struct start *)context;
    free(context);
    struct reads *reads = start.reads;
    pthread_mutex_lock(&reads->lock);
    for (;;) {
        while (reads->first == NULL && !reads->stopping) {
            pthread_cond_wait(&reads->wake, &reads->lock);
        }
        if (reads->stopping) {
            break;
        }
        struct read *read = reads->first;
        reads->first = read->next;
        if (reads->first == NULL) {
            reads->last = NULL;
        }
        pthread_mutex_unlock(&reads->lock);

        read->status = answer(start.reader, read);
        hand_back(reads, read);
        pthread_mutex_lock(&reads->lock);
    }
    pthread_mutex_unlock(&reads->lock);
    return NULL;
}

static enum status start_thread(struct reads *reads, const char *data_dir,
                                struct projector *projector)
{
    const struct sqlite_reader_options options = {.context = projector, .wait = wait_applied};
    struct sqlite_reader **reader = &reads->readers[reads->thread_count];
    const enum status status = sqlite_reader_open(data_dir, &options, reader);
    if (status != STATUS_OK) {
        return status;
    }
    struct start *start = malloc(sizeof(*start));
    if (start == NULL) {
        return STATUS_NO_MEMORY;
    }
    *start = (struct start){reads, *reader};
    if (pthread_create(&reads->threads[reads->thread_count], NULL, run, start) != 0) {
        free(start);
        return STATUS_NO_MEMORY;
    }
    reads->thread_count += 1;
    return STATUS_OK;
}

enum status reads_open(const char *data_dir, struct projector *projector, struct mailbox *mailbox,
                       struct reads **reads)
{
    struct reads *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    CHECK(pthread_mutex_init(&made->lock, NULL) == 0);
    CHECK(pthread_cond_init(&made->wake, NULL) == 0);
    made->mailbox = mailbox;
    for (int i = 0; i < READS_THREADS; i++) {
        const enum status status = start_thread(made, data_dir, projector);
        if (status != STATUS_OK) {
            reads_close(made);
            return status;
        }
    }
    *reads = made;
    return STATUS_OK;
}

enum status reads_submit(struct reads *reads, struct read *read)
{
    enum status status = STATUS_FULL;
    pthread_mutex_lock(&reads->lock);
    if (reads->count < READS_QUEUE) {
        read->next = NULL;
        if (reads->last == NULL) {
            reads->first = read;
        } else {
            reads->last->next = read;
        }
        reads->last = read;
        reads->count += 1;
        pthread_cond_signal(&reads->wake);
        status = STATUS_OK;
    }
    pthread_mutex_unlock(&reads->lock);
    return status;
}

void reads_taken(struct reads *reads)
{
    pthread_mutex_lock(&reads->lock);
    CHECK(reads->count > 0);
    reads->count -= 1;
    pthread_mutex_unlock(&reads->lock);
}

uint32_t reads_waiting(struct reads *reads)
{
    pthread_mutex_lock(&reads->lock);
    const uint32_t count = reads->count;
    pthread_mutex_unlock(&reads->lock);
    return count;
}

void reads_close(struct reads *reads)
{
    if (reads == NULL) {
        return;
    }
    pthread_mutex_lock(&reads->lock);
    reads->stopping = true;
    pthread_cond_broadcast(&reads->wake);
    pthread_mutex_unlock(&reads->lock);
    for (uint32_t i = 0; i < reads->thread_count; i++) {
        CHECK(pthread_join(reads->threads[i], NULL) == 0);
    }
    for (int i = 0; i < READS_THREADS; i++) {
        sqlite_reader_close(reads->readers[i]);
    }
    for (struct read *read = reads->first; read != NULL;) {
        struct read *next = read->next;
        read->status = STATUS_CLOSED;
        hand_back(reads, read);
        read = next;
    }
    pthread_mutex_destroy(&reads->lock);
    pthread_cond_destroy(&reads->wake);
    free(reads);
}
