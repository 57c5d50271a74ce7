#define _GNU_SOURCE /* epoll_pwait2 */
#include "tools/bench/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/check.h"
#include "ingress/clock.h"
#include "tools/progress.h"

#define NS_PER_S    1000000000
#define EVENTS_MAX  256
#define IDLE_NS     50000000 /* the longest sleep */
#define STARVED_NS  500000   /* between looks for a signed tap */
#define START_NS    20000000
#define OVERTIME_NS 1000000000 /* for what became due just before the end */

/* One request on its way. */
struct slot {
    int64_t due_ns;
    bool busy;
};

struct load {
    const struct load_options *options;
    struct load_result *result;
    int epoll;
    struct link *links;
    bool *writing;      /* of each link: epoll watches for room to write */
    struct slot *slots; /* slot s of link l is slots[l * depth + s] */

    /* Free slots in a ring, first in first out, so that all connections take part. */
    uint32_t *free;
    uint64_t free_taken;
    uint64_t free_put;
    int64_t free_since_ns; /* when the ring was last filled from empty */

    uint32_t current; /* the link being read */
    uint64_t in_flight;
    int64_t start_ns;
    int64_t end_ns;
    int64_t timed_from_ns;
    int64_t last_answer_ns;
};

static uint64_t slot_count(const struct load *load)
{
    return (uint64_t)load->options->connections * load->options->depth;
}

static void put_free(struct load *load, uint32_t slot)
{
    if (load->free_put == load->free_taken) {
        load->free_since_ns = clock_elapsed_ns();
    }
    load->free[load->free_put % slot_count(load)] = slot;
    load->free_put += 1;
}

/* --- Answers. --- */

static void count_code(struct load_result *result, const char *code)
{
    size_t i = 0;
    while (i < result->code_count && strcmp(result->codes[i].code, code) != 0) {
        i += 1;
    }
    if (i == LOAD_CODES_MAX) {
        return; /* there are fewer codes than that */
    }
    if (i == result->code_count) {
        snprintf(result->codes[i].code, sizeof(result->codes[i].code), "%s", code);
        result->code_count += 1;
    }
    result->codes[i].count += 1;
}

static void on_answer(void *context, const struct link_answer *answer)
{
    struct load *load = context;
    struct load_result *result = load->result;
    const uint32_t number = load->current * load->options->depth + answer->slot;
    if (answer->slot >= load->options->depth || !load->slots[number].busy) {
        result->failed += 1; /* an answer to nothing */
        return;
    }
    struct slot *slot = &load->slots[number];
    const int64_t now_ns = clock_elapsed_ns();
    const int64_t took_ns = now_ns - slot->due_ns;
    const bool timed = slot->due_ns >= load->timed_from_ns;
    slot->busy = false;
    load->in_flight -= 1;
    load->last_answer_ns = now_ns;
    put_free(load, number);
    if (answer->status == 202) {
        result->accepted += 1;
        if (timed) {
            samples_add(&result->accept, took_ns);
        }
    } else if (answer->code[0] != '\0' && strcmp(answer->code, "INTERNAL") != 0) {
        result->refused += 1;
        count_code(result, answer->code);
        if (timed) {
            samples_add(&result->refuse, took_ns);
        }
    } else {
        result->failed += 1;
    }
}

/* --- Connections. --- */

static enum status watch(struct load *load, uint32_t number, int operation)
{
    const bool write = link_wants_to_write(&load->links[number]);
    struct epoll_event event = {.events = EPOLLIN | (write ? (uint32_t)EPOLLOUT : 0),
                                .data.u32 = number};
    load->writing[number] = write;
    return epoll_ctl(load->epoll, operation, load->links[number].descriptor, &event) == 0
               ? STATUS_OK
               : STATUS_IO;
}

static enum status open_link(struct load *load, uint32_t number)
{
    const enum status status =
        link_open(&load->links[number], load->options->kind, load->options->port);
    return status == STATUS_OK ? watch(load, number, EPOLL_CTL_ADD) : status;
}

/* A connection ended: what it carried is lost; its slots go on over a new one. */
static void reopen_link(struct load *load, uint32_t number)
{
    link_close(&load->links[number]); /* epoll forgets it with its descriptor */
    for (uint32_t i = 0; i < load->options->depth; i++) {
        const uint32_t slot = number * load->options->depth + i;
        if (load->slots[slot].busy) {
            load->slots[slot].busy = false;
            load->in_flight -= 1;
            load->result->broken += 1;
            put_free(load, slot);
        }
    }
    /* When that fails too, each request that gets one of its slots tries again and counts. */
    (void)open_link(load, number);
}

/* After a call on the link: watch for room to write, or open it anew. */
static void settle_link(struct load *load, uint32_t number, enum status status)
{
    if (status == STATUS_OK && link_wants_to_write(&load->links[number]) != load->writing[number]) {
        status = watch(load, number, EPOLL_CTL_MOD);
    }
    if (status != STATUS_OK) {
        reopen_link(load, number);
    }
}

static void serve_link(struct load *load, const struct epoll_event *event)
{
    const uint32_t number = event->data.u32;
    if (load->links[number].descriptor < 0) {
        return;
    }
    load->current = number;
    enum status status = STATUS_OK;
    if ((event->events & EPOLLOUT) != 0) {
        status = link_flush(&load->links[number]);
    }
    if (status == STATUS_OK && (event->events & ~(uint32_t)EPOLLOUT) != 0) {
        status = link_read(&load->links[number], load, on_answer);
    }
    settle_link(load, number, status);
}

/* --- The schedule. --- */

/* When request i of an open loop is due. */
static int64_t due_ns(const struct load *load, uint64_t i)
{
    const uint64_t rate = load->options->rate;
    return load->start_ns + (int64_t)(i / rate) * NS_PER_S + (int64_t)(i % rate * NS_PER_S / rate);
}

static bool all_sent(const struct load *load, int64_t now_ns)
{
    if (*load->options->stop) {
        return true;
    }
    return load->options->rate == 0
               ? now_ns >= load->end_ns
               : load->result->sent == load->result->offered || now_ns > load->end_ns + OVERTIME_NS;
}

static void send_one(struct load *load, int64_t due, int64_t now_ns, const struct tap_body *body)
{
    struct load_result *result = load->result;
    const uint32_t number = load->free[load->free_taken % slot_count(load)];
    const uint32_t link = number / load->options->depth;
    load->free_taken += 1;
    load->slots[number] = (struct slot){due, true};
    load->in_flight += 1;
    result->sent += 1;
    if (due >= load->timed_from_ns) {
        /* While every connection was taken, the wait was the server's, not the generator's. */
        const bool pool_wait = load->free_since_ns > due;
        result->pool_waits += pool_wait ? 1 : 0;
        samples_add(&result->lag, now_ns - (pool_wait ? load->free_since_ns : due));
    }
    settle_link(load, link,
                load->links[link].descriptor < 0
                    ? STATUS_IO
                    : link_send(&load->links[link], number % load->options->depth, body));
    tap_source_done(load->options->source);
}

/* Sends all that is due; returns when to look again. */
static int64_t send_due(struct load *load)
{
    const bool open_loop = load->options->rate > 0;
    for (;;) {
        const int64_t now_ns = clock_elapsed_ns();
        if (now_ns < load->start_ns) {
            return load->start_ns;
        }
        if (all_sent(load, now_ns) || load->free_put == load->free_taken) {
            return now_ns + IDLE_NS;
        }
        const int64_t due = open_loop ? due_ns(load, load->result->sent) : now_ns;
        if (due > now_ns) {
            return due;
        }
        const struct tap_body *body = tap_source_next(load->options->source);
        if (body == NULL) {
            return now_ns + STARVED_NS;
        }
        send_one(load, due, now_ns, body);
    }
}

static enum status run(struct load *load)
{
    const struct load_options *options = load->options;
    struct progress progress;
    progress_start(&progress, "load");
    for (;;) {
        const int64_t wake_ns = send_due(load);
        const int64_t now_ns = clock_elapsed_ns();
        if (all_sent(load, now_ns) &&
            (load->in_flight == 0 || now_ns > load->end_ns + LOAD_WAIT_NS)) {
            break;
        }
        const int64_t wait_ns = wake_ns > now_ns ? wake_ns - now_ns : 0;
        const struct timespec wait = {wait_ns / NS_PER_S, wait_ns % NS_PER_S};
        struct epoll_event events[EVENTS_MAX];
        const int count = epoll_pwait2(load->epoll, events, EVENTS_MAX, &wait, NULL);
        if (count < 0 && errno != EINTR) {
            return STATUS_IO;
        }
        for (int i = 0; i < count; i++) {
            serve_link(load, &events[i]);
        }
        progress_update(&progress, load->result->sent, (uint64_t)(now_ns - load->start_ns),
                        options->seconds * NS_PER_S);
    }
    progress_finish(&progress);
    return STATUS_OK;
}

static enum status prepare(struct load *load)
{
    const struct load_options *options = load->options;
    const uint64_t slots = slot_count(load);
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    load->links = calloc(options->connections, sizeof(*load->links));
    load->writing = calloc(options->connections, sizeof(*load->writing));
    load->slots = calloc(slots, sizeof(*load->slots));
    load->free = calloc(slots, sizeof(*load->free));
    if (load->links == NULL || load->writing == NULL || load->slots == NULL || load->free == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (uint32_t i = 0; i < options->connections; i++) {
        load->links[i].descriptor = -1;
    }
    if (load->epoll < 0) {
        return STATUS_IO;
    }
    for (uint32_t i = 0; i < options->connections; i++) {
        const enum status status = open_link(load, i);
        if (status != STATUS_OK) {
            return status;
        }
    }
    for (uint32_t i = 0; i < options->depth; i++) {
        for (uint32_t link = 0; link < options->connections; link++) {
            put_free(load, link * options->depth + i);
        }
    }
    return STATUS_OK;
}

static void release(struct load *load)
{
    for (uint32_t i = 0; load->links != NULL && i < load->options->connections; i++) {
        link_close(&load->links[i]);
    }
    if (load->epoll >= 0) {
        close(load->epoll);
    }
    free(load->links);
    free(load->writing);
    free(load->slots);
    free(load->free);
}

enum status load_run(const struct load_options *options, struct load_result *result)
{
    CHECK(options->kind == LINK_WS || options->depth == 1);
    struct load load = {.options = options, .result = result};
    *result = (struct load_result){0};
    enum status status = prepare(&load);
    if (status == STATUS_OK) {
        load.start_ns = load.last_answer_ns = clock_elapsed_ns() + START_NS;
        load.free_since_ns = 0;
        load.end_ns = load.start_ns + (int64_t)options->seconds * NS_PER_S;
        load.timed_from_ns = load.start_ns + (int64_t)options->warmup_s * NS_PER_S;
        result->offered = options->rate * options->seconds;
        status = run(&load);
        result->offered = options->rate == 0 ? result->sent : result->offered;
        result->unsent = result->offered - result->sent;
        result->unanswered = load.in_flight;
        result->elapsed_ns = load.last_answer_ns - load.start_ns;
        samples_sort(&result->accept);
        samples_sort(&result->refuse);
        samples_sort(&result->lag);
    }
    release(&load);
    return status;
}

uint64_t load_errors(const struct load_result *result)
{
    return result->failed + result->broken + result->unanswered + result->unsent;
}

void load_result_free(struct load_result *result)
{
    samples_free(&result->accept);
    samples_free(&result->refuse);
    samples_free(&result->lag);
}
