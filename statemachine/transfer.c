#include "statemachine/transfer.h"

#include <stddef.h>
#include <string.h>

#include "base/money.h"
#include "statemachine/ledger.h"
#include "statemachine/mix.h"
#include "statemachine/state.h"

static uint64_t hash_of(const char *reference, size_t length)
{
    struct mix mix = MIX_START;
    mix_bytes(&mix, (const uint8_t *)reference, length);
    return mix.first;
}

const struct transfer_record *transfers_find(const struct transfers *transfers,
                                             const struct text_view *reference)
{
    struct table_walk walk =
        table_walk(&transfers->by_reference, hash_of(reference->text, reference->length));
    uint32_t number;
    while ((number = table_next(&walk)) != 0) {
        const struct transfer_record *record = &transfers->records[number];
        if (record->reference_length == reference->length &&
            memcmp(record->reference, reference->text, reference->length) == 0) {
            return record;
        }
    }
    return NULL;
}

void transfers_put(struct transfers *transfers, const struct transfer_record *record)
{
    CHECK(transfers->count < transfers->capacity);
    transfers->count += 1;
    transfers->records[transfers->count] = *record;
    table_insert(&transfers->by_reference, hash_of(record->reference, record->reference_length),
                 transfers->count);
}

static bool reference_is_well_formed(const struct text_view *reference)
{
    if (reference->length < 1 || reference->length > LIMIT_REFERENCE_BYTES) {
        return false;
    }
    for (size_t i = 0; i < reference->length; i++) {
        if (reference->text[i] < ' ' || reference->text[i] > '~') {
            return false;
        }
    }
    return true;
}

static bool is_of_account(enum ref_type type)
{
    return type == REF_DEPOSIT || type == REF_WITHDRAWAL || type == REF_GOODWILL;
}

static struct transfer_record record_of(uint64_t seq, enum ref_type type,
                                        const struct transfer *transfer)
{
    struct transfer_record record = {
        .seq = seq,
        .amount_micro = transfer->amount_micro,
        .type = (uint8_t)type,
        .reference_length = (uint8_t)transfer->reference.length,
    };
    if (is_of_account(type)) {
        memcpy(record.account, transfer->account, ADDRESS_BYTES);
    }
    memcpy(record.reference, transfer->reference.text, transfer->reference.length);
    return record;
}

static bool same_content(const struct transfer_record *a, const struct transfer_record *b)
{
    return a->type == b->type && a->amount_micro == b->amount_micro &&
           memcmp(a->account, b->account, ADDRESS_BYTES) == 0;
}

/* Bankroll less the amount must leave the reserve; no amount makes the difference overflow. */
static bool house_can_pay(const struct machine *machine, int64_t amount_micro)
{
    return machine->bankroll_micro - amount_micro >= machine->config.house_reserve;
}

/* All balances but external are at least 0 and sum to -external, so when external holds, all do. */
static bool outside_can_give(const struct machine *machine, int64_t amount_micro)
{
    int64_t external;
    return money_subtract(machine->external_micro, amount_micro, &external) &&
           external >= -INT64_MAX;
}

static enum reason decide(const struct machine *machine, enum ref_type type, uint32_t user_id,
                          int64_t amount_micro)
{
    if (amount_micro < 1 || amount_micro > TRANSFER_AMOUNT_MAX_MICRO ||
        machine->transfers.count >= machine->transfers.limit) {
        return REASON_LIMIT;
    }
    const struct account *account = &machine->accounts.records[user_id];
    switch (type) {
    case REF_DEPOSIT:
        if (!outside_can_give(machine, amount_micro) ||
            (user_id == 0 && machine->accounts.count >= machine->accounts.limit)) {
            return REASON_LIMIT;
        }
        return REASON_NONE;
    case REF_WITHDRAWAL:
        /* An unknown account has 0. */
        return user_id != 0 && account->available_micro >= amount_micro ? REASON_NONE
                                                                        : REASON_INSUFFICIENT_FUNDS;
    case REF_HOUSE_DEPOSIT:
        return outside_can_give(machine, amount_micro) ? REASON_NONE : REASON_LIMIT;
    case REF_HOUSE_WITHDRAWAL:
        return house_can_pay(machine, amount_micro) ? REASON_NONE : REASON_INSUFFICIENT_FUNDS;
    case REF_GOODWILL:
        if (user_id == 0) {
            return REASON_NOT_FOUND;
        }
        return house_can_pay(machine, amount_micro) ? REASON_NONE : REASON_INSUFFICIENT_FUNDS;
    case REF_BET_HOLD:
    case REF_BET_RELEASE:
    case REF_BET_CONFIRM:
    case REF_BET_WIN:
    case REF_BET_VOID:
    case REF_COLUMN:
        break;
    }
    return REASON_BAD_REQUEST;
}

/* The two postings of the row, in the order of the table in section 7. */
static void move(struct step *step, uint32_t user_id, const struct transfer_record *record)
{
    const struct ledger_ref ref = {
        .type = (enum ref_type)record->type,
        .reference = record->reference,
        .reference_length = record->reference_length,
    };
    const int64_t amount = record->amount_micro;
    switch (ref.type) {
    case REF_DEPOSIT:
        ledger_post_external(step, -amount, &ref);
        ledger_post_available(step, user_id, amount, &ref);
        break;
    case REF_WITHDRAWAL:
        ledger_post_available(step, user_id, -amount, &ref);
        ledger_post_external(step, amount, &ref);
        break;
    case REF_HOUSE_DEPOSIT:
        ledger_post_external(step, -amount, &ref);
        ledger_post_bankroll(step, amount, &ref);
        break;
    case REF_HOUSE_WITHDRAWAL:
        ledger_post_bankroll(step, -amount, &ref);
        ledger_post_external(step, amount, &ref);
        break;
    case REF_GOODWILL:
        ledger_post_bankroll(step, -amount, &ref);
        ledger_post_available(step, user_id, amount, &ref);
        break;
    case REF_BET_HOLD:
    case REF_BET_RELEASE:
    case REF_BET_CONFIRM:
    case REF_BET_WIN:
    case REF_BET_VOID:
    case REF_COLUMN:
        CHECK(false);
    }
}

static void tell(struct step *step, enum event_kind kind, uint64_t first_seq, enum reason reason)
{
    const struct event event = {
        .kind = kind,
        .of.transfer = {.first_seq = first_seq, .reason = reason},
    };
    step_event(step, &event);
}

static uint32_t open_account(struct step *step, const uint8_t *address)
{
    struct accounts *accounts = &step->machine->accounts;
    const uint32_t user_id = accounts_open(accounts, address);
    const struct event event = {
        .kind = EVENT_ACCOUNT_OPENED,
        .of.account = {.user_id = user_id, .address = accounts->records[user_id].address},
    };
    step_event(step, &event);
    return user_id;
}

void transfer_apply(struct step *step, enum ref_type type, const struct transfer *transfer)
{
    struct machine *machine = step->machine;
    if (machine->epoch == 0) {
        tell(step, EVENT_TRANSFER_REFUSED, 0, REASON_NOT_FOUND);
        return;
    }
    if (!reference_is_well_formed(&transfer->reference)) {
        tell(step, EVENT_TRANSFER_REFUSED, 0, REASON_BAD_REQUEST);
        return;
    }
    const struct transfer_record record = record_of(step->seq, type, transfer);
    const struct transfer_record *known = transfers_find(&machine->transfers, &transfer->reference);
    if (known != NULL) {
        if (same_content(known, &record)) {
            tell(step, EVENT_TRANSFER_REPEATED, known->seq, REASON_NONE);
        } else {
            tell(step, EVENT_TRANSFER_REFUSED, known->seq, REASON_NONCE_REUSED);
        }
        return;
    }
    uint32_t user_id =
        is_of_account(type) ? accounts_find(&machine->accounts, transfer->account) : 0;
    const enum reason reason = decide(machine, type, user_id, transfer->amount_micro);
    if (reason != REASON_NONE) {
        tell(step, EVENT_TRANSFER_REFUSED, 0, reason);
        return;
    }
    if (type == REF_DEPOSIT && user_id == 0) {
        user_id = open_account(step, transfer->account);
    }
    move(step, user_id, &record);
    transfers_put(&machine->transfers, &record);
    tell(step, EVENT_TRANSFER_APPLIED, step->seq, REASON_NONE);
}
