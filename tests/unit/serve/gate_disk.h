/* A disk in memory whose sync the test holds back or lets fail: what is not synced is not durable,
 * and nobody may have heard of it. */
#ifndef TAPLINE_TEST_GATE_DISK_H
#define TAPLINE_TEST_GATE_DISK_H

#include <pthread.h>
#include <stdbool.h>

#include "tests/unit/journal/memory_disk.h"

struct gate_disk {
    struct memory_disk memory; /* first: its context is this whole */
    enum status (*sync)(void *context, struct disk_file *file);
    pthread_mutex_t lock; /* over the rest */
    pthread_cond_t changed;
    bool shut;    /* a sync waits */
    bool broken;  /* a sync fails */
    bool waiting; /* a sync is at the gate */
};

void gate_disk_init(struct gate_disk *disk);
void gate_disk_free(struct gate_disk *disk);

/* From now on every sync waits; returns at once. */
void gate_disk_shut(struct gate_disk *disk);
/* Waits until a sync stands at the shut gate. */
void gate_disk_await(struct gate_disk *disk);
void gate_disk_open(struct gate_disk *disk);
/* Opens; this sync and all later ones fail. */
void gate_disk_break(struct gate_disk *disk);

#endif
