/* The units of every integer in the project (rules.md section 1 of the specification):
 *   time         int64_t   milliseconds since the Unix epoch, UTC       name ends in _ms
 *   money        int64_t   micro-USD                                    name ends in _micro
 *   price        int64_t   1e-4 USD                                     name ends in _e4
 *   multiplier   uint32_t  centi, 100 = 1.00x, stake included           name ends in _centi
 *   probability  uint64_t  Q32, ONE = 2^32 - 1                          name ends in _q32
 *   variance     uint64_t  Q64 per second                               name ends in _q64
 *   edge, skew   uint32_t  basis points                                 name ends in _bp
 * There is no floating point anywhere in the state machine. */
#ifndef TAPLINE_BASE_UNITS_H
#define TAPLINE_BASE_UNITS_H

#include <stdint.h>

#define MICRO_PER_USD ((int64_t)1000000)
#define Q32_ONE       ((uint64_t)0xffffffff)
#define BP_ONE        10000u

#define ADDRESS_BYTES 20 /* an Ethereum address */
#define NONCE_BYTES   16
#define HASH_BYTES    32 /* SHA-256 and Keccak-256 */

#endif
