#include "tools/serve/history.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "projections/client_event.h"

static struct history_entry *entry_at(const struct history *history, uint64_t number)
{
    return &history->entries[number % HISTORY_EVENTS];
}

static uint64_t *head_of(const struct history *history, const uint8_t *account)
{
    const uint64_t mixed =
        (load_u64(account) ^ load_u64(account + 12)) * (uint64_t)0x9e3779b97f4a7c15u;
    return &history->heads[(mixed >> 40) % HISTORY_EVENTS];
}

enum status history_open(struct history *history)
{
    history->entries = calloc(HISTORY_EVENTS, sizeof(*history->entries));
    history->heads = calloc(HISTORY_EVENTS, sizeof(*history->heads));
    if (history->entries == NULL || history->heads == NULL) {
        history_free(history);
        return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

static bool is_live(const struct history *history, uint64_t number)
{
    return number != 0 && number + HISTORY_EVENTS > history->last;
}

/* The events of seq and before are not all here any more. */
static void forget(struct history *history, uint64_t seq)
{
    if (history->complete_from <= seq) {
        history->complete_from = seq + 1;
    }
}

static const struct history_entry *add(struct history *history, uint64_t seq,
                                       const uint8_t *account, const struct json *body)
{
    history->last += 1;
    struct history_entry *entry = entry_at(history, history->last);
    if (entry->body != NULL) {
        forget(history, entry->seq);
        free(entry->body);
    }
    entry->body = malloc(body->length + 1);
    if (entry->body == NULL) {
        forget(history, seq);
        entry->length = 0;
    } else {
        memcpy(entry->body, body->text, body->length + 1);
        entry->length = (uint32_t)body->length;
    }
    entry->seq = seq;
    memcpy(entry->account, account, ADDRESS_BYTES);
    uint64_t *head = head_of(history, account);
    entry->before = *head; /* of the same bucket; other accounts are skipped when walking */
    *head = history->last;
    return entry;
}

/* The balances of user `id`, growing the table to it; NULL when memory is out. Ids count from 1. */
static struct history_balance *balance_of(struct history *history, uint64_t id)
{
    if (id > history->balance_capacity) {
        uint64_t capacity = history->balance_capacity == 0 ? 1024 : history->balance_capacity;
        while (capacity < id) {
            capacity *= 2;
        }
        struct history_balance *grown =
            realloc(history->balances, capacity * sizeof(*history->balances));
        if (grown == NULL) {
            return NULL;
        }
        memset(grown + history->balance_capacity, 0,
               (capacity - history->balance_capacity) * sizeof(*grown));
        history->balances = grown;
        history->balance_capacity = capacity;
    }
    return &history->balances[id - 1];
}

/* --- Beginning at a state. --- */

struct beginning {
    struct history *history;
    enum status status;
};

static void begin_account(void *context, const uint8_t *address, const struct account_view *view)
{
    struct beginning *beginning = context;
    struct history_balance *balance = balance_of(beginning->history, view->user_id);
    if (balance == NULL) {
        beginning->status = STATUS_NO_MEMORY;
        return;
    }
    memcpy(balance->account, address, ADDRESS_BYTES);
    balance->available_micro = view->available_micro;
    balance->held_micro = view->held_micro;
    beginning->history->users_micro += view->available_micro + view->held_micro;
}

static void begin_escrow(void *context, const struct bet *bet)
{
    struct beginning *beginning = context;
    if (bet->state == BET_CONFIRMED) {
        beginning->history->escrow_micro += bet->stake_micro;
    }
}

enum status history_begin(struct history *history, const struct machine *machine)
{
    history_free(history);
    struct beginning beginning = {history, history_open(history)};
    if (beginning.status == STATUS_OK) {
        struct market_view market;
        machine_market(machine, &market);
        history->complete_from = market.seq == 0 ? 0 : market.seq + 1;
        machine_each_account(machine, &beginning, begin_account);
        machine_each_open_bet(machine, &beginning, begin_escrow);
    }
    return beginning.status;
}

struct teller {
    struct history *history;
    void *context;
    void (*told)(void *context, const struct history_entry *entry);
    struct json json;
};

static void tell(struct teller *teller, uint64_t seq, const uint8_t *account)
{
    const struct history_entry *entry = add(teller->history, seq, account, &teller->json);
    json_reset(&teller->json);
    if (teller->told != NULL && entry->body != NULL) {
        teller->told(teller->context, entry);
    }
}

/* Follows a posting. Users touched by the record are chained in the order of their first posting.
 */
static void note_posting(struct history *history, const struct posting *posting, uint64_t seq,
                         uint64_t *first, uint64_t *last)
{
    if (posting->account == LEDGER_ESCROW) {
        history->escrow_micro += posting->amount_micro;
    }
    if (posting->account != LEDGER_AVAILABLE && posting->account != LEDGER_HELD) {
        return;
    }
    history->users_micro += posting->amount_micro;
    struct history_balance *balance = balance_of(history, posting->user_id);
    if (balance == NULL) {
        forget(history, seq); /* a balance event is missing */
        return;
    }
    memcpy(balance->account, posting->address, ADDRESS_BYTES);
    if (posting->account == LEDGER_AVAILABLE) {
        balance->available_micro = posting->balance_after_micro;
    } else {
        balance->held_micro = posting->balance_after_micro;
    }
    if (balance->touched_seq == seq) {
        return;
    }
    balance->touched_seq = seq;
    balance->next_touched = 0;
    if (*last == 0) {
        *first = posting->user_id;
    } else {
        history->balances[*last - 1].next_touched = posting->user_id;
    }
    *last = posting->user_id;
}

static bool is_bet_event(enum event_kind kind)
{
    return kind == EVENT_BET_ACCEPTED || kind == EVENT_BET_CONFIRMED ||
           kind == EVENT_BET_REJECTED || kind == EVENT_BET_SETTLED;
}

static void tell_record(struct teller *teller, const struct outbox_record *record)
{
    struct history *history = teller->history;
    uint64_t first = 0;
    uint64_t last = 0;
    for (const struct outbox_item *item = record->items; item != NULL; item = item->next) {
        if (item->kind == OUTBOX_POSTING) {
            note_posting(history, &item->of.posting, record->seq, &first, &last);
        } else if (is_bet_event(item->of.event.kind)) {
            (void)client_event_of(&teller->json, record->seq, record->time_ms, &item->of.event);
            tell(teller, record->seq, item->of.event.of.bet->account);
        }
    }
    for (uint64_t user = first; user != 0; user = history->balances[user - 1].next_touched) {
        const struct history_balance *balance = &history->balances[user - 1];
        client_event_balance(&teller->json, record->seq, record->time_ms, balance->available_micro,
                             balance->held_micro);
        tell(teller, record->seq, balance->account);
    }
}

void history_add(struct history *history, const struct outbox *outbox, void *context,
                 void (*told)(void *context, const struct history_entry *entry))
{
    struct teller teller = {.history = history, .context = context, .told = told};
    const struct outbox_record *record = outbox_records(outbox);
    for (; record != NULL; record = record->next) {
        tell_record(&teller, record);
    }
    json_text_free(&teller.json);
}

void history_follow(struct history *history, const struct outbox *outbox)
{
    const struct outbox_record *record = outbox_records(outbox);
    for (; record != NULL; record = record->next) {
        uint64_t first = 0;
        uint64_t last = 0;
        for (const struct outbox_item *item = record->items; item != NULL; item = item->next) {
            if (item->kind == OUTBOX_POSTING) {
                note_posting(history, &item->of.posting, record->seq, &first, &last);
            }
        }
    }
    history->complete_from = outbox_last_seq(outbox) + 1;
}

uint64_t history_least_events(const struct outbox *outbox)
{
    uint64_t events = 0;
    const struct outbox_record *record = outbox_records(outbox);
    for (; record != NULL; record = record->next) {
        bool tells_balance = false;
        for (const struct outbox_item *item = record->items; item != NULL; item = item->next) {
            if (item->kind == OUTBOX_POSTING) {
                tells_balance = tells_balance || item->of.posting.account == LEDGER_AVAILABLE ||
                                item->of.posting.account == LEDGER_HELD;
            } else if (is_bet_event(item->of.event.kind)) {
                events += 1;
            }
        }
        events += tells_balance ? 1 : 0;
    }
    return events;
}

bool history_since(const struct history *history, const uint8_t *account, uint64_t after,
                   const struct history_entry **entries, size_t *count)
{
    if (after < history->complete_from) {
        return false;
    }
    size_t found = 0;
    size_t bytes = 0;
    for (uint64_t number = *head_of(history, account); is_live(history, number);
         number = entry_at(history, number)->before) {
        const struct history_entry *entry = entry_at(history, number);
        if (entry->seq < after) {
            break;
        }
        if (memcmp(entry->account, account, ADDRESS_BYTES) != 0) {
            continue;
        }
        bytes += entry->length;
        if (found == HISTORY_RESUMED || bytes > HISTORY_RESUMED_BYTES) {
            return false;
        }
        entries[found++] = entry;
    }
    for (size_t i = 0; i < found / 2; i++) {
        const struct history_entry *swapped = entries[i];
        entries[i] = entries[found - 1 - i];
        entries[found - 1 - i] = swapped;
    }
    *count = found;
    return true;
}

void history_free(struct history *history)
{
    for (size_t i = 0; history->entries != NULL && i < HISTORY_EVENTS; i++) {
        free(history->entries[i].body);
    }
    free(history->entries);
    free(history->heads);
    free(history->balances);
    *history = (struct history){0};
}
