/* CRC32C (Castagnoli), the checksum of frames and headers: it finds torn writes and rotten bytes
 * cheaply. By the processor's instruction where there is one, else by tables. */
#ifndef TAPLINE_JOURNAL_CRC32C_H
#define TAPLINE_JOURNAL_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of bytes[0..length) behind those that gave `crc`; begin with 0. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t length);

/* The same by tables alone; the two are compared by a test. */
uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t length);

#endif
