#include "replay/snapshot_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

/* Places in the header. */
#define AT_FORMAT   8
#define AT_RULES    12
#define AT_EPOCH    16
#define AT_SEQ      24
#define AT_TIME     32
#define AT_BODY     40
#define AT_DIGEST   48
#define AT_ROOT     80
#define AT_SUBTREES 112
#define AT_END      (AT_SUBTREES + MERKLE_LEVELS * HASH_BYTES)
_Static_assert(AT_END <= SNAPSHOT_HEADER_BYTES, "the subtrees fit");

#define SEQ_DIGITS  20
#define NAME_SUFFIX ".snap"

static const uint8_t magic[8] = {'T', 'A', 'P', 'S', 'N', 'A', 'P', 0x1a};

void snapshot_put_header(const struct snapshot_header *header, uint8_t *to)
{
    const struct merkle *tree = &header->place.tree;
    memset(to, 0, SNAPSHOT_HEADER_BYTES);
    memcpy(to, magic, sizeof magic);
    store_u32(to + AT_FORMAT, SNAPSHOT_FORMAT_VERSION);
    store_u32(to + AT_RULES, header->rules_version);
    store_u64(to + AT_EPOCH, header->place.epoch);
    store_u64(to + AT_SEQ, header->seq);
    store_u64(to + AT_TIME, (uint64_t)header->time_ms);
    store_u64(to + AT_BODY, header->body_bytes);
    memcpy(to + AT_DIGEST, header->digest, HASH_BYTES);
    merkle_root(tree, to + AT_ROOT);
    for (unsigned level = 0; level < MERKLE_LEVELS; level++) {
        if ((tree->size >> level & 1) != 0) {
            memcpy(to + AT_SUBTREES + level * HASH_BYTES, tree->subtrees[level], HASH_BYTES);
        }
    }
}

static bool is_zero(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

/* False when the places do not make up the tree head beside them. */
static bool get_tree(const uint8_t *from, struct merkle *tree)
{
    uint8_t root[HASH_BYTES];
    merkle_init(tree);
    tree->size = load_u64(from + AT_SEQ);
    for (unsigned level = 0; level < MERKLE_LEVELS; level++) {
        const uint8_t *place = from + AT_SUBTREES + level * HASH_BYTES;
        if ((tree->size >> level & 1) != 0) {
            memcpy(tree->subtrees[level], place, HASH_BYTES);
        } else if (!is_zero(place, HASH_BYTES)) {
            return false;
        }
    }
    merkle_root(tree, root);
    return memcmp(root, from + AT_ROOT, HASH_BYTES) == 0;
}

enum status snapshot_get_header(const uint8_t *from, uint32_t rules_newest,
                                struct snapshot_header *header, const char **problem)
{
    if (memcmp(from, magic, sizeof magic) != 0) {
        *problem = "it is no snapshot";
        return STATUS_DAMAGED;
    }
    if (load_u32(from + AT_FORMAT) != SNAPSHOT_FORMAT_VERSION) {
        *problem = "its format is another version";
        return STATUS_VERSION;
    }
    memset(header, 0, sizeof *header);
    header->rules_version = load_u32(from + AT_RULES);
    header->seq = load_u64(from + AT_SEQ);
    header->time_ms = (int64_t)load_u64(from + AT_TIME);
    header->body_bytes = load_u64(from + AT_BODY);
    memcpy(header->digest, from + AT_DIGEST, HASH_BYTES);
    header->place.epoch = load_u64(from + AT_EPOCH);
    if (header->rules_version == 0 || header->seq == 0 ||
        header->body_bytes > SNAPSHOT_BODY_BYTES_MAX || !get_tree(from, &header->place.tree) ||
        !is_zero(from + AT_END, SNAPSHOT_HEADER_BYTES - AT_END)) {
        *problem = "its header is damaged";
        return STATUS_DAMAGED;
    }
    if (header->rules_version > rules_newest) {
        *problem = "its rules are newer than this program";
        return STATUS_VERSION;
    }
    return STATUS_OK;
}

void snapshot_name(uint64_t seq, char name[SNAPSHOT_NAME_BYTES])
{
    (void)snprintf(name, SNAPSHOT_NAME_BYTES, "%020" PRIu64 NAME_SUFFIX, seq); /* 25 characters */
}

bool snapshot_parse_name(const char *name, uint64_t *seq)
{
    char wanted[SNAPSHOT_NAME_BYTES];
    uint64_t value = 0;
    if (strlen(name) != SEQ_DIGITS + sizeof NAME_SUFFIX - 1) {
        return false;
    }
    for (int i = 0; i < SEQ_DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(name[i] - '0');
    }
    snapshot_name(value, wanted); /* a number too large for 64 bits comes back as another */
    if (value == 0 || strcmp(name, wanted) != 0) {
        return false;
    }
    *seq = value;
    return true;
}
