#include "gate_disk.h"

static enum status gate_sync(void *context, struct disk_file *file)
{
    struct gate_disk *disk = context;
    pthread_mutex_lock(&disk->lock);
    while (disk->shut) {
        disk->waiting = true;
        pthread_cond_broadcast(&disk->changed);
        pthread_cond_wait(&disk->changed, &disk->lock);
    }
    disk->waiting = false;
    const bool broken = disk->broken;
    pthread_mutex_unlock(&disk->lock);
    return broken ? STATUS_IO : disk->sync(context, file);
}

void gate_disk_init(struct gate_disk *disk)
{
    memory_disk_init(&disk->memory);
    disk->sync = disk->memory.disk.sync;
    disk->memory.disk.sync = gate_sync;
    disk->memory.disk.context = disk;
    pthread_mutex_init(&disk->lock, NULL);
    pthread_cond_init(&disk->changed, NULL);
    disk->shut = disk->broken = disk->waiting = false;
}

void gate_disk_free(struct gate_disk *disk)
{
    memory_disk_free(&disk->memory);
    pthread_mutex_destroy(&disk->lock);
    pthread_cond_destroy(&disk->changed);
}

void gate_disk_shut(struct gate_disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    disk->shut = true;
    pthread_mutex_unlock(&disk->lock);
}

void gate_disk_await(struct gate_disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    while (!disk->waiting) {
        pthread_cond_wait(&disk->changed, &disk->lock);
    }
    pthread_mutex_unlock(&disk->lock);
}

static void open_gate(struct gate_disk *disk, bool broken)
{
    pthread_mutex_lock(&disk->lock);
    disk->shut = false;
    disk->broken = broken;
    pthread_cond_broadcast(&disk->changed);
    pthread_mutex_unlock(&disk->lock);
}

void gate_disk_open(struct gate_disk *disk)
{
    open_gate(disk, false);
}

void gate_disk_break(struct gate_disk *disk)
{
    open_gate(disk, true);
}
