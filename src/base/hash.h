/* hash.h -- fast unkeyed hashing (XXH3), for tables and checksums.
 *
 * Not for anything an attacker must not predict: keyed hashes are in sys/crypt.h.
 *
 * Memory:  none.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/base.h"
#include "base/str.h"

uint64_t hash_bytes(const void *bytes, size_t len);
uint64_t hash_bytes_seeded(const void *bytes, size_t len, uint64_t seed);
static inline uint64_t hash_str(str s)
{
    return hash_bytes(s.ptr, s.len);
}
/* CRC-32C, for on-disk records. */
uint32_t hash_crc32c(uint32_t crc, const void *bytes, size_t len);
