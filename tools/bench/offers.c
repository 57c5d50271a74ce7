#include "tools/bench/offers.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
    while (b != 0) {
        const uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

void offers_init(struct offers *offers, uint32_t accounts)
{
    CHECK(accounts > 0);
    memset(offers, 0, sizeof(*offers));
    CHECK(pthread_mutex_init(&offers->lock, NULL) == 0);
    offers->accounts = accounts;
    /* Neighbours in a cell's order of accounts stand far apart, and every account comes once. */
    offers->stride = 7919;
    while (common_divisor(offers->stride, accounts) != 1) {
        offers->stride += 1;
    }
}

static void put_on_offer(struct offers *offers, int64_t column_ms, int64_t band)
{
    for (size_t i = 0; i < offers->count; i++) {
        if (offers->cells[i].column_ms == column_ms && offers->cells[i].band == band) {
            offers->cells[i].on_offer = true;
            return;
        }
    }
    if (offers->count < OFFERS_CELLS_MAX) { /* full: what there is suffices */
        offers->cells[offers->count++] = (struct offer){column_ms, band, true, 0};
    }
}

static void forget_past(struct offers *offers, int64_t now_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < offers->count; i++) {
        if (offers->cells[i].column_ms > now_ms) {
            offers->cells[kept] = offers->cells[i];
            offers->cells[kept++].on_offer = false;
        }
    }
    offers->count = kept;
}

size_t offers_take_grid(struct offers *offers, const char *text, int64_t now_ms)
{
    static const char column_key[] = "\"column\":\"";
    static const char band_key[] = "\"band\":\"";
    size_t found = 0;
    pthread_mutex_lock(&offers->lock);
    forget_past(offers, now_ms);
    for (const char *column = strstr(text, column_key); column != NULL;) {
        const char *next = strstr(column + 1, column_key);
        const char *end = next == NULL ? text + strlen(text) : next;
        const int64_t column_ms = strtoll(column + strlen(column_key), NULL, 10);
        const char *open = strstr(column, "\"open\":true");
        if (open != NULL && open < end) {
            for (const char *cell = strstr(open, band_key); cell != NULL && cell < end;
                 cell = strstr(cell + 1, band_key)) {
                put_on_offer(offers, column_ms, strtoll(cell + strlen(band_key), NULL, 10));
                found += 1;
            }
        }
        column = next;
    }
    pthread_mutex_unlock(&offers->lock);
    return found;
}

bool offers_choose(struct offers *offers, int64_t now_ms, struct offer_choice *choice)
{
    bool found = false;
    pthread_mutex_lock(&offers->lock);
    for (size_t tried = 0; tried < offers->count && !found; tried++) {
        offers->next = (offers->next + 1) % offers->count;
        struct offer *cell = &offers->cells[offers->next];
        if (!cell->on_offer || cell->column_ms - now_ms < OFFERS_LEAD_MS ||
            cell->taken == offers->accounts) {
            continue;
        }
        const uint64_t first =
            (uint64_t)(cell->column_ms / 1000) * 2654435761u + (uint64_t)cell->band * 40503u;
        *choice = (struct offer_choice){
            .column_ms = cell->column_ms,
            .band = cell->band,
            .account =
                (uint32_t)((first + (uint64_t)cell->taken * offers->stride) % offers->accounts),
        };
        cell->taken += 1;
        found = true;
    }
    pthread_mutex_unlock(&offers->lock);
    return found;
}
