#include "statemachine/ledger.h"

#include "base/check.h"
#include "base/money.h"
#include "statemachine/state.h"

/* Moves a balance and tells the posting, whose account fields are filled. */
static void post(struct step *step, struct posting *posting, int64_t *balance_micro,
                 const struct ledger_ref *ref)
{
    if (posting->amount_micro == 0) {
        return;
    }
    CHECK(money_add(*balance_micro, posting->amount_micro, balance_micro));
    CHECK(*balance_micro >= 0 || posting->account == LEDGER_EXTERNAL);
    posting->line = step->line;
    posting->balance_after_micro = *balance_micro;
    posting->ref_type = ref->type;
    posting->reference = ref->reference;
    posting->reference_length = ref->reference_length;
    posting->ref_id = ref->id;
    step->line += 1;
    if (step->sink != NULL && step->sink->posting != NULL) {
        step->sink->posting(step->sink->context, posting);
    }
}

static void post_user(struct step *step, enum ledger_account account, uint32_t user_id,
                      int64_t amount_micro, const struct ledger_ref *ref)
{
    struct account *user = &step->machine->accounts.records[user_id];
    struct posting posting = {
        .account = account,
        .user_id = user_id,
        .address = user->address,
        .amount_micro = amount_micro,
    };
    post(step, &posting, account == LEDGER_HELD ? &user->held_micro : &user->available_micro, ref);
}

void ledger_post_available(struct step *step, uint32_t user_id, int64_t amount_micro,
                           const struct ledger_ref *ref)
{
    post_user(step, LEDGER_AVAILABLE, user_id, amount_micro, ref);
}

void ledger_post_held(struct step *step, uint32_t user_id, int64_t amount_micro,
                      const struct ledger_ref *ref)
{
    post_user(step, LEDGER_HELD, user_id, amount_micro, ref);
}

void ledger_post_escrow(struct step *step, struct column *column, int64_t amount_micro,
                        const struct ledger_ref *ref)
{
    struct posting posting = {
        .account = LEDGER_ESCROW,
        .column_ms = column->column_ms,
        .amount_micro = amount_micro,
    };
    post(step, &posting, &column->escrow_micro, ref);
}

void ledger_post_reserved(struct step *step, struct column *column, int64_t amount_micro,
                          const struct ledger_ref *ref)
{
    struct posting posting = {
        .account = LEDGER_RESERVED,
        .column_ms = column->column_ms,
        .amount_micro = amount_micro,
    };
    post(step, &posting, &column->reserved_micro, ref);
}

void ledger_post_bankroll(struct step *step, int64_t amount_micro, const struct ledger_ref *ref)
{
    struct posting posting = {.account = LEDGER_BANKROLL, .amount_micro = amount_micro};
    post(step, &posting, &step->machine->bankroll_micro, ref);
}

void ledger_post_external(struct step *step, int64_t amount_micro, const struct ledger_ref *ref)
{
    struct posting posting = {.account = LEDGER_EXTERNAL, .amount_micro = amount_micro};
    post(step, &posting, &step->machine->external_micro, ref);
}
