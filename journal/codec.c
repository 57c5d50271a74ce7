#include "journal/codec.h"

#include <stdbool.h>
#include <string.h>

#include "journal/tap_bytes.h"
#include "tapline.pb-c.h"

#define QUOTES_MAX ((size_t)LIMIT_SOURCES)

_Static_assert(sizeof(struct codec_scratch) >= 16384, "the scratch holds any record");

/* The kinds are the numbers of Record's fields, so that neither side needs a table. */
#define SAME_NUMBER(kind, field)                                                                   \
    _Static_assert((int)INPUT_##kind == (int)TAPLINE__RECORD__KIND_##field,                        \
                   "numbers of the journal")
SAME_NUMBER(CONFIG, CONFIG);
SAME_NUMBER(PRICE_TICK, PRICE_TICK);
SAME_NUMBER(CLOCK_TICK, CLOCK_TICK);
SAME_NUMBER(TAP, TAP);
SAME_NUMBER(DEPOSIT, DEPOSIT);
SAME_NUMBER(WITHDRAWAL, WITHDRAWAL);
SAME_NUMBER(HOUSE_DEPOSIT, HOUSE_DEPOSIT);
SAME_NUMBER(HOUSE_WITHDRAWAL, HOUSE_WITHDRAWAL);
SAME_NUMBER(GOODWILL, GOODWILL);
SAME_NUMBER(ATTEST, ATTEST);
SAME_NUMBER(START, START);
SAME_NUMBER(RULES_CHANGE, RULES_CHANGE);
SAME_NUMBER(RECOVERY, RECOVERY);

static bool kind_is_of_house(enum input_kind kind)
{
    return kind == INPUT_HOUSE_DEPOSIT || kind == INPUT_HOUSE_WITHDRAWAL;
}

/* --- Encoding: message structs on the stack point into the input; nothing is copied but by pack.
 * --- */

/* Room for the parts of the one message that a record holds. */
struct parts {
    Tapline__Integer integers[CONFIG_KEY_COUNT];
    Tapline__Quote quotes[LIMIT_SOURCES];
    Tapline__Quote *quote_pointers[LIMIT_SOURCES];
    Tapline__Config config;
    Tapline__PriceTick price_tick;
    Tapline__ClockTick clock_tick;
    Tapline__Tap tap;
    Tapline__Transfer transfer;
    Tapline__Attest attest;
    Tapline__Start start;
    Tapline__RulesChange rules_change;
    Tapline__Recovery recovery;
};

/* protobuf-c has no const: its pack functions only read, yet take pointers to non-const. */
static ProtobufCBinaryData data_of_bytes(const void *bytes, size_t length)
{
    union {
        const void *constant;
        uint8_t *data;
    } pointer = {.constant = bytes};
    return (ProtobufCBinaryData){.len = length, .data = pointer.data};
}

static ProtobufCBinaryData data_of_text(struct text_view text)
{
    return data_of_bytes(text.text, text.length);
}

static bool config_to_message(const struct config_change *config, struct parts *parts)
{
    tapline__config__init(&parts->config);
    const size_t operator_bytes = strnlen(config->operator_name, sizeof config->operator_name);
    const size_t market_bytes = strnlen(config->market, sizeof config->market);
    if (operator_bytes > LIMIT_OPERATOR_BYTES || market_bytes > LIMIT_MARKET_BYTES) {
        return false;
    }
    if ((config->given & ~(uint32_t)((UINT64_C(1) << CONFIG_KEY_COUNT) - 1)) != 0) {
        return false;
    }
    /* A market that is given but empty cannot be told from one that is not; no market is empty. */
    if (config->market_given && market_bytes == 0) {
        return false;
    }
    parts->config.operator_ = data_of_bytes(config->operator_name, operator_bytes);
    if (config->market_given) {
        parts->config.market = data_of_bytes(config->market, market_bytes);
    }
#define X(name, standard, least, greatest, fixed)                                                  \
    if ((config->given >> CONFIG_##name & 1) != 0) {                                               \
        Tapline__Integer *integer = &parts->integers[CONFIG_##name];                               \
        tapline__integer__init(integer);                                                           \
        integer->value = config->values[CONFIG_##name];                                            \
        parts->config.name = integer;                                                              \
    }
    CONFIG_KEY_LIST(X)
#undef X
    return true;
}

static bool price_tick_to_message(const struct price_tick *tick, struct parts *parts)
{
    if (tick->quote_count > QUOTES_MAX) {
        return false;
    }
    tapline__price_tick__init(&parts->price_tick);
    Tapline__PriceTick *message = &parts->price_tick;
    message->grid_ms = tick->grid_ms;
    message->price_e4 = tick->price_e4;
    message->spread_e4 = tick->spread_e4;
    message->m0_e4 = tick->m0_e4;
    message->sources = tick->sources;
    message->set = tick->set;
    message->n_quotes = tick->quote_count;
    message->quotes = parts->quote_pointers;
    for (size_t i = 0; i < tick->quote_count; i++) {
        const struct quote *quote = &tick->quotes[i];
        if (quote->name.length > LIMIT_SOURCE_BYTES) {
            return false;
        }
        tapline__quote__init(&parts->quotes[i]);
        parts->quotes[i].name = data_of_text(quote->name);
        parts->quotes[i].price_e4 = quote->price_e4;
        parts->quotes[i].basis_e4 = quote->basis_e4;
        parts->quote_pointers[i] = &parts->quotes[i];
    }
    return true;
}

static bool signature_length_is_good(size_t bytes)
{
    return bytes == LIMIT_SIGNATURE_BYTES || bytes == LIMIT_SIGNATURE_BYTES - 1;
}

static bool tap_to_message(const struct tap *tap, int64_t time_ms, struct parts *parts)
{
    /* An absent market is the usual one, so an empty one has no spelling; nobody can sign it. */
    if (tap->market.length == 0 || tap->market.length > LIMIT_MARKET_BYTES ||
        tap->origin.length > LIMIT_ORIGIN_BYTES ||
        !signature_length_is_good(tap->signature_bytes)) {
        return false;
    }
    tapline__tap__init(&parts->tap);
    Tapline__Tap *message = &parts->tap;
    if (__builtin_sub_overflow(tap->column_ms, time_ms, &message->column_after_ms) ||
        __builtin_sub_overflow(tap->message_ms, time_ms, &message->message_after_ms)) {
        return false;
    }
    message->account = data_of_bytes(tap->account, ADDRESS_BYTES);
    message->nonce = data_of_bytes(tap->nonce, NONCE_BYTES);
    if (!tap_bytes_is_usual_market(tap->market)) {
        message->market = data_of_text(tap->market);
    }
    message->origin = data_of_text(tap->origin);
    message->band = tap->band;
    message->stake_micro = tap->stake_micro;
    message->min_mult_centi = tap->min_mult_centi;
    message->config = tap->config;
    message->session = tap->session;
    message->signature = data_of_bytes(tap->signature, tap->signature_bytes);
    return true;
}

static bool transfer_to_message(const struct transfer *transfer, bool of_house, struct parts *parts)
{
    /* The reference has no limit of its own: the state machine refuses a wrong one in the open. */
    if (transfer->operator_name.length > LIMIT_OPERATOR_BYTES ||
        transfer->note.length > LIMIT_NOTE_BYTES) {
        return false;
    }
    tapline__transfer__init(&parts->transfer);
    Tapline__Transfer *message = &parts->transfer;
    if (!of_house) {
        message->account = data_of_bytes(transfer->account, ADDRESS_BYTES);
    }
    message->amount_micro = transfer->amount_micro;
    message->reference = data_of_text(transfer->reference);
    message->operator_ = data_of_text(transfer->operator_name);
    message->note = data_of_text(transfer->note);
    return true;
}

static bool start_to_message(const struct start *start, struct parts *parts)
{
    tapline__start__init(&parts->start);
    parts->start.version = data_of_text(start->version);
    parts->start.accounts = start->limits.accounts_max;
    parts->start.open_bets = start->limits.open_bets_max;
    parts->start.nonces = start->limits.nonces_max;
    parts->start.transfers = start->limits.transfers_max;
    return start->version.length <= LIMIT_VERSION_BYTES;
}

static bool rules_change_to_message(const struct rules_change *change, struct parts *parts)
{
    tapline__rules_change__init(&parts->rules_change);
    parts->rules_change.version = change->version;
    parts->rules_change.operator_ = data_of_text(change->operator_name);
    return change->operator_name.length <= LIMIT_OPERATOR_BYTES;
}

static bool recovery_to_message(const struct recovery *recovery, struct parts *parts)
{
    if (recovery->operator_name.length > LIMIT_OPERATOR_BYTES ||
        recovery->reason.length > LIMIT_NOTE_BYTES ||
        recovery->version.length > LIMIT_VERSION_BYTES) {
        return false;
    }
    tapline__recovery__init(&parts->recovery);
    Tapline__Recovery *message = &parts->recovery;
    message->kept_to = recovery->kept_to;
    message->lost_to = recovery->lost_to;
    message->epoch_before = recovery->epoch_before;
    message->tree_head = data_of_bytes(recovery->root, HASH_BYTES);
    message->made_ms = recovery->made_ms;
    message->operator_ = data_of_text(recovery->operator_name);
    message->reason = data_of_text(recovery->reason);
    message->version = data_of_text(recovery->version);
    return true;
}

static bool input_to_message(const struct input *input, struct parts *parts,
                             Tapline__Record *record)
{
    record->time_ms = input->time_ms;
    record->kind_case = (Tapline__Record__KindCase)input->kind;
    switch (input->kind) {
    case INPUT_CONFIG:
        record->config = &parts->config;
        return config_to_message(&input->of.config, parts);
    case INPUT_PRICE_TICK:
        record->price_tick = &parts->price_tick;
        return price_tick_to_message(&input->of.price_tick, parts);
    case INPUT_CLOCK_TICK:
        tapline__clock_tick__init(&parts->clock_tick);
        parts->clock_tick.grid_ms = input->of.clock_grid_ms;
        record->clock_tick = &parts->clock_tick;
        return true;
    case INPUT_TAP:
        record->tap = &parts->tap;
        return tap_to_message(&input->of.tap, input->time_ms, parts);
    case INPUT_DEPOSIT:
    case INPUT_WITHDRAWAL:
    case INPUT_HOUSE_DEPOSIT:
    case INPUT_HOUSE_WITHDRAWAL:
    case INPUT_GOODWILL:
        record->deposit = &parts->transfer; /* a union: the same place for all five */
        return transfer_to_message(&input->of.transfer, kind_is_of_house(input->kind), parts);
    case INPUT_ATTEST:
        tapline__attest__init(&parts->attest);
        parts->attest.of_seq = input->of.attest.of_seq;
        parts->attest.digest = data_of_bytes(input->of.attest.digest, HASH_BYTES);
        record->attest = &parts->attest;
        return true;
    case INPUT_START:
        record->start = &parts->start;
        return start_to_message(&input->of.start, parts);
    case INPUT_RULES_CHANGE:
        record->rules_change = &parts->rules_change;
        return rules_change_to_message(&input->of.rules_change, parts);
    case INPUT_RECOVERY:
        record->recovery = &parts->recovery;
        return recovery_to_message(&input->of.recovery, parts);
    }
    return false;
}

size_t codec_encode(const struct input *input, uint8_t *to, size_t capacity)
{
    struct parts parts;
    Tapline__Record record = TAPLINE__RECORD__INIT;
    if (!input_to_message(input, &parts, &record)) {
        return 0;
    }
    const size_t bytes = tapline__record__get_packed_size(&record);
    if (bytes > capacity || bytes > LIMIT_RECORD_BYTES) {
        return 0;
    }
    return tapline__record__pack(&record, to);
}

/* --- Decoding: protobuf-c unpacks into the scratch arena, then each field is checked and copied.
 * --- */

static void *arena_take(void *context, size_t bytes)
{
    struct codec_scratch *scratch = context;
    const size_t rounded = (bytes + 15) & ~(size_t)15;
    if (rounded < bytes || rounded > sizeof scratch->arena - scratch->used) {
        return NULL;
    }
    void *taken = scratch->arena + scratch->used;
    scratch->used += rounded;
    return taken;
}

static void arena_give_back(void *context, void *pointer)
{
    (void)context; /* the arena is emptied as a whole by the next decode */
    (void)pointer;
}

/* An unknown field anywhere is the mark of a newer program. */
static bool is_known(const ProtobufCMessage *message)
{
    return message->n_unknown_fields == 0;
}

static struct text_view text_of_data(ProtobufCBinaryData data)
{
    return (struct text_view){.text = (const char *)data.data, .length = data.len};
}

/* Copies bytes of exactly one length. */
static bool data_to_bytes(ProtobufCBinaryData data, uint8_t *bytes, size_t length)
{
    if (data.len != length) {
        return false;
    }
    memcpy(bytes, data.data, length);
    return true;
}

/* Copies a text of at most limit bytes without NUL into an array of limit + 1. */
static bool data_to_string(ProtobufCBinaryData data, char *to, size_t limit)
{
    if (data.len > limit) {
        return false;
    }
    if (data.len > 0) {
        if (memchr(data.data, 0, data.len) != NULL) {
            return false;
        }
        memcpy(to, data.data, data.len);
    }
    to[data.len] = '\0';
    return true;
}

static enum status config_from_message(const Tapline__Config *message, struct config_change *config)
{
    if (!is_known(&message->base)) {
        return STATUS_VERSION;
    }
    memset(config, 0, sizeof *config);
    if (!data_to_string(message->operator_, config->operator_name, LIMIT_OPERATOR_BYTES) ||
        !data_to_string(message->market, config->market, LIMIT_MARKET_BYTES)) {
        return STATUS_INVALID;
    }
    config->market_given = message->market.len > 0;
#define X(name, standard, least, greatest, fixed)                                                  \
    if (message->name != NULL) {                                                                   \
        if (!is_known(&message->name->base)) {                                                     \
            return STATUS_VERSION;                                                                 \
        }                                                                                          \
        config->given |= (uint32_t)1 << CONFIG_##name;                                             \
        config->values[CONFIG_##name] = message->name->value;                                      \
    }
    CONFIG_KEY_LIST(X)
#undef X
    return STATUS_OK;
}

static enum status price_tick_from_message(const Tapline__PriceTick *message,
                                           struct price_tick *tick)
{
    if (!is_known(&message->base)) {
        return STATUS_VERSION;
    }
    if (message->n_quotes > QUOTES_MAX) {
        return STATUS_INVALID;
    }
    tick->grid_ms = message->grid_ms;
    tick->price_e4 = message->price_e4;
    tick->spread_e4 = message->spread_e4;
    tick->m0_e4 = message->m0_e4;
    tick->sources = message->sources;
    tick->set = message->set;
    tick->quote_count = message->n_quotes;
    for (size_t i = 0; i < message->n_quotes; i++) {
        const Tapline__Quote *quote = message->quotes[i];
        if (!is_known(&quote->base)) {
            return STATUS_VERSION;
        }
        if (quote->name.len > LIMIT_SOURCE_BYTES) {
            return STATUS_INVALID;
        }
        tick->quotes[i].name = text_of_data(quote->name);
        tick->quotes[i].price_e4 = quote->price_e4;
        tick->quotes[i].basis_e4 = quote->basis_e4;
    }
    return STATUS_OK;
}

static enum status tap_from_message(const Tapline__Tap *message, int64_t time_ms, struct tap *tap)
{
    if (!is_known(&message->base)) {
        return STATUS_VERSION;
    }
    if (!data_to_bytes(message->account, tap->account, ADDRESS_BYTES) ||
        !data_to_bytes(message->nonce, tap->nonce, NONCE_BYTES) ||
        message->market.len > LIMIT_MARKET_BYTES || message->origin.len > LIMIT_ORIGIN_BYTES ||
        !signature_length_is_good(message->signature.len) ||
        __builtin_add_overflow(time_ms, message->column_after_ms, &tap->column_ms) ||
        __builtin_add_overflow(time_ms, message->message_after_ms, &tap->message_ms)) {
        return STATUS_INVALID;
    }
    tap->market =
        message->market.len == 0 ? tap_bytes_usual_market() : text_of_data(message->market);
    tap->origin = text_of_data(message->origin);
    tap->band = message->band;
    tap->stake_micro = message->stake_micro;
    tap->min_mult_centi = message->min_mult_centi;
    tap->config = message->config;
    tap->session = message->session;
    tap->signature = message->signature.data;
    tap->signature_bytes = message->signature.len;
    return STATUS_OK;
}

static enum status transfer_from_message(const Tapline__Transfer *message, bool of_house,
                                         struct transfer *transfer)
{
    if (!is_known(&message->base)) {
        return STATUS_VERSION;
    }
    memset(transfer->account, 0, ADDRESS_BYTES);
    const bool account_is_good =
        of_house ? message->account.len == 0
                 : data_to_bytes(message->account, transfer->account, ADDRESS_BYTES);
    if (!account_is_good || message->operator_.len > LIMIT_OPERATOR_BYTES ||
        message->note.len > LIMIT_NOTE_BYTES) {
        return STATUS_INVALID;
    }
    transfer->amount_micro = message->amount_micro;
    transfer->reference = text_of_data(message->reference);
    transfer->operator_name = text_of_data(message->operator_);
    transfer->note = text_of_data(message->note);
    return STATUS_OK;
}

static enum status attest_from_message(const Tapline__Attest *message, struct attest *attest)
{
    if (!is_known(&message->base)) {
        return STATUS_VERSION;
    }
    attest->of_seq = message->of_seq;
    return data_to_bytes(message->digest, attest->digest, HASH_BYTES) ? STATUS_OK : STATUS_INVALID;
}

static enum status start_from_message(const Tapline__Start *message, struct start *start)
{
    if (!is_known(&message->base)) {
        return STATUS_VERSION;
    }
    start->version = text_of_data(message->version);
    start->limits.accounts_max = message->accounts;
    start->limits.open_bets_max = message->open_bets;
    start->limits.nonces_max = message->nonces;
    start->limits.transfers_max = message->transfers;
    return start->version.length <= LIMIT_VERSION_BYTES ? STATUS_OK : STATUS_INVALID;
}

static enum status rules_change_from_message(const Tapline__RulesChange *message,
                                             struct rules_change *change)
{
    if (!is_known(&message->base)) {
        return STATUS_VERSION;
    }
    change->version = message->version;
    change->operator_name = text_of_data(message->operator_);
    return change->operator_name.length <= LIMIT_OPERATOR_BYTES ? STATUS_OK : STATUS_INVALID;
}

static enum status recovery_from_message(const Tapline__Recovery *message,
                                         struct recovery *recovery)
{
    if (!is_known(&message->base)) {
        return STATUS_VERSION;
    }
    if (!data_to_bytes(message->tree_head, recovery->root, HASH_BYTES) ||
        message->operator_.len > LIMIT_OPERATOR_BYTES || message->reason.len > LIMIT_NOTE_BYTES ||
        message->version.len > LIMIT_VERSION_BYTES) {
        return STATUS_INVALID;
    }
    recovery->kept_to = message->kept_to;
    recovery->lost_to = message->lost_to;
    recovery->epoch_before = message->epoch_before;
    recovery->made_ms = message->made_ms;
    recovery->operator_name = text_of_data(message->operator_);
    recovery->reason = text_of_data(message->reason);
    recovery->version = text_of_data(message->version);
    return STATUS_OK;
}

static enum status message_to_input(const Tapline__Record *record, struct input *input)
{
    input->time_ms = record->time_ms;
    input->kind = (enum input_kind)record->kind_case;
    switch (input->kind) {
    case INPUT_CONFIG:
        return config_from_message(record->config, &input->of.config);
    case INPUT_PRICE_TICK:
        return price_tick_from_message(record->price_tick, &input->of.price_tick);
    case INPUT_CLOCK_TICK:
        input->of.clock_grid_ms = record->clock_tick->grid_ms;
        return is_known(&record->clock_tick->base) ? STATUS_OK : STATUS_VERSION;
    case INPUT_TAP:
        return tap_from_message(record->tap, input->time_ms, &input->of.tap);
    case INPUT_DEPOSIT:
    case INPUT_WITHDRAWAL:
    case INPUT_HOUSE_DEPOSIT:
    case INPUT_HOUSE_WITHDRAWAL:
    case INPUT_GOODWILL:
        return transfer_from_message(record->deposit, kind_is_of_house(input->kind),
                                     &input->of.transfer);
    case INPUT_ATTEST:
        return attest_from_message(record->attest, &input->of.attest);
    case INPUT_START:
        return start_from_message(record->start, &input->of.start);
    case INPUT_RULES_CHANGE:
        return rules_change_from_message(record->rules_change, &input->of.rules_change);
    case INPUT_RECOVERY:
        return recovery_from_message(record->recovery, &input->of.recovery);
    }
    return STATUS_INVALID;
}

enum status codec_decode_general(struct codec_scratch *scratch, uint64_t seq, const uint8_t *bytes,
                                 size_t length, struct input *input)
{
    if (length == 0 || length > LIMIT_RECORD_BYTES) {
        return STATUS_INVALID;
    }
    scratch->used = 0;
    ProtobufCAllocator allocator = {
        .alloc = arena_take, .free = arena_give_back, .allocator_data = scratch};
    const Tapline__Record *record = tapline__record__unpack(&allocator, length, bytes);
    if (record == NULL) {
        return STATUS_INVALID;
    }
    if (!is_known(&record->base)) {
        return STATUS_VERSION;
    }
    input->seq = seq;
    return message_to_input(record, input);
}

/* The texts of a tap into the scratch, as of any other record. */
static void keep(struct codec_scratch *scratch, const uint8_t *from, size_t length,
                 const uint8_t **kept)
{
    if (length > 0) {
        memcpy(scratch->arena + scratch->used, from, length);
        *kept = scratch->arena + scratch->used;
        scratch->used += length;
    }
}

static struct text_view keep_text(struct codec_scratch *scratch, struct text_view text)
{
    const uint8_t *kept = NULL;
    keep(scratch, (const uint8_t *)text.text, text.length, &kept);
    return (struct text_view){(const char *)kept, text.length};
}

static void keep_texts(struct codec_scratch *scratch, struct tap *tap)
{
    scratch->used = 0;
    if (tap->market.text != tap_bytes_usual_market().text) {
        tap->market = keep_text(scratch, tap->market);
    }
    tap->origin = keep_text(scratch, tap->origin);
    keep(scratch, tap->signature, tap->signature_bytes, &tap->signature);
}

enum status codec_decode(struct codec_scratch *scratch, uint64_t seq, const uint8_t *bytes,
                         size_t length, struct input *input)
{
    struct tap *tap = &input->of.tap;
    if (!codec_peek_tap(bytes, length, &input->time_ms, tap)) {
        return codec_decode_general(scratch, seq, bytes, length, input);
    }
    input->seq = seq;
    input->kind = INPUT_TAP;
    keep_texts(scratch, tap);
    return STATUS_OK;
}

bool codec_peek_tap(const uint8_t *bytes, size_t length, int64_t *time_ms, struct tap *tap)
{
    return length <= LIMIT_RECORD_BYTES && tap_bytes_read(bytes, length, time_ms, tap);
}

void codec_take_tap(struct codec_scratch *scratch, uint64_t seq, int64_t time_ms,
                    const struct tap *tap, struct input *input)
{
    input->seq = seq;
    input->time_ms = time_ms;
    input->kind = INPUT_TAP;
    input->of.tap = *tap;
    keep_texts(scratch, &input->of.tap);
}
