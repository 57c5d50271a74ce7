/* Every limit has a name here, tied to its neighbours below. Reaching one is an answer (refuse,
 * wait, close), written where it happens. Limits of a single file's own making stay in that file.
 */
#ifndef TAPLINE_BASE_LIMITS_H
#define TAPLINE_BASE_LIMITS_H

/* Sizes of texts in records; lengths without NUL. */
#define LIMIT_MARKET_BYTES    16
#define LIMIT_ORIGIN_BYTES    128
#define LIMIT_REFERENCE_BYTES 64
#define LIMIT_OPERATOR_BYTES  64
#define LIMIT_NOTE_BYTES      256
#define LIMIT_SOURCE_BYTES    32
#define LIMIT_VERSION_BYTES   64
#define LIMIT_SIGNATURE_BYTES 65 /* EIP-191; an Ed25519 signature has 64 */

/* Sources of the index: bits of a mask (rules.md section 3). */
#define LIMIT_SOURCES 32

/* Market configuration (rules.md section 10). */
#define LIMIT_COLUMNS 60
#define LIMIT_BANDS   101

/* One journal record (framing not counted) and one batch of records (with its frame). */
#define LIMIT_RECORD_BYTES  8192
#define LIMIT_BATCH_BYTES   (1 << 20)
#define LIMIT_BATCH_RECORDS 8190

/* HTTP and WebSocket (interface.md section 3). */
#define LIMIT_BODY_BYTES       4096
#define LIMIT_JSON_DEPTH       8
#define LIMIT_PAGE_ROWS        200
#define LIMIT_REQUEST_ID       64                     /* characters */
#define LIMIT_REQUEST_ID_BYTES (4 * LIMIT_REQUEST_ID) /* of UTF-8 */
#define LIMIT_INDEX_TICKS      300
#define LIMIT_TAP_AGE_MS       30000 /* a signed text older than this is refused */
#define LIMIT_TAP_AHEAD_MS     5000
#define LIMIT_NONCE_KEPT_MS    90000

_Static_assert(LIMIT_BODY_BYTES < LIMIT_RECORD_BYTES, "a request fits a record");
_Static_assert(LIMIT_RECORD_BYTES < LIMIT_BATCH_BYTES, "a record fits a batch");
_Static_assert(LIMIT_TAP_AGE_MS < LIMIT_NONCE_KEPT_MS, "a nonce outlives its message");

#endif
