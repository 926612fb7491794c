/* keyhash.h -- the hash that finds an attribute name in a generated table.
 *
 * Three words of the key (start, middle, end) and its length tell all names of
 * dialect.def apart, so a look-up reads 24 bytes and compares once.
 * tools/gen_dialect.py computes the same function; test_dialect finds every row.
 *
 * Memory:  reads only inside the key.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/str.h"

static inline uint64_t key_word(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static inline uint64_t key_half(const char *at)
{
    uint32_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static inline uint64_t key_hash(str key, uint64_t seed)
{
    const uint64_t k1 = UINT64_C(0x9E3779B97F4A7C15), k2 = UINT64_C(0xC2B2AE3D27D4EB4F);
    const uint64_t k3 = UINT64_C(0x165667B19E3779F9);
    size_t n = key.len;
    uint64_t first = 0, mid = 0, last = 0;
    if (n >= 8) {
        first = key_word(key.ptr);
        mid = key_word(key.ptr + (n - 8) / 2);
        last = key_word(key.ptr + n - 8);
    } else if (n >= 4) {
        first = mid = key_half(key.ptr);
        last = key_half(key.ptr + n - 4);
    } else if (n > 0) {
        first = (unsigned char)key.ptr[0];
        mid = (unsigned char)key.ptr[n / 2];
        last = (unsigned char)key.ptr[n - 1];
    }
    uint64_t h = (first * k1) ^ (mid * k2) ^ (last * k3) ^ ((n ^ seed) * k2);
    h ^= h >> 32;
    h *= k1;
    return h ^ (h >> 29);
}
