/* hash.c -- XXH3 by libxxhash, and CRC-32C.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/hash.h"
#define XXH_INLINE_ALL
#define XXH_FORCE_MEMORY_ACCESS 1 /* words by packed structs: their memcpy may become a call */
#include <xxhash.h>
#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

uint64_t hash_bytes(const void *bytes, size_t len)
{
    return XXH3_64bits(bytes ? bytes : "", len);
}

uint64_t hash_bytes_seeded(const void *bytes, size_t len, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes ? bytes : "", len, seed);
}

static uint32_t crc_table_step(uint32_t crc, uint8_t byte)
{
    crc ^= byte;
    for (int bit = 0; bit < 8; bit++)
        crc = (crc >> 1) ^ (UINT32_C(0x82f63b78) & (0 - (crc & 1)));
    return crc;
}

static uint32_t crc_portable(uint32_t crc, const uint8_t *at, size_t len)
{
    while (len--)
        crc = crc_table_step(crc, *at++);
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_hardware(uint32_t crc, const uint8_t *at,
                                                               size_t len)
{
    uint64_t wide = crc;
    for (; len >= 8; at += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        wide = _mm_crc32_u64(wide, word);
    }
    crc = (uint32_t)wide;
    while (len--)
        crc = _mm_crc32_u8(crc, *at++);
    return crc;
}
#endif

uint32_t hash_crc32c(uint32_t crc, const void *bytes, size_t len)
{
    crc = ~crc;
#if defined(__x86_64__)
    crc = __builtin_cpu_supports("sse4.2") ? crc_hardware(crc, bytes, len)
                                           : crc_portable(crc, bytes, len);
#else
    crc = crc_portable(crc, bytes, len);
#endif
    return ~crc;
}
