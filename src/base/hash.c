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
#include <wmmintrin.h>
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
#define WITH_CRC __attribute__((target("sse4.2")))
#define WITH_CRC_AND_CLMUL __attribute__((target("sse4.2,pclmul")))

enum { CRC_LONG_BYTES = 512 };

WITH_CRC static uint32_t crc_hardware(uint32_t crc, const uint8_t *at, size_t len)
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

/* x^n modulo the polynomial, bits reflected as the instruction has them: the first 32-bit
 * shifts by the instruction, the rest by squaring. */
WITH_CRC_AND_CLMUL static uint32_t crc_power(uint64_t n)
{
    uint64_t steps = 1; /* of squaring, the last one first; a leading one ends them */
    for (; n > 191; n = (n >> 1) - 16)
        steps = steps << 1 | (~n & 1); /* reflected products are one bit short */
    uint32_t power = UINT32_C(0x80000000) >> (n & 31);
    for (n >>= 5; n; n--)
        power = _mm_crc32_u32(power, 0);
    for (; steps > 1; steps >>= 1) {
        __m128i x = _mm_cvtsi32_si128((int)power);
        uint64_t square = (uint64_t)_mm_cvtsi128_si64(_mm_clmulepi64_si128(x, x, 0));
        power = (uint32_t)_mm_crc32_u64(0, square << (steps & 1));
    }
    return power;
}

/* The crc as it is after `bytes` more zeros, as a product still to be reduced. */
WITH_CRC_AND_CLMUL static uint64_t crc_shift(uint32_t crc, size_t bytes)
{
    __m128i a = _mm_cvtsi32_si128((int)crc);
    __m128i b = _mm_cvtsi32_si128((int)crc_power((uint64_t)bytes * 8 - 33));
    return (uint64_t)_mm_cvtsi128_si64(_mm_clmulepi64_si128(a, b, 0));
}

/* Three thirds at once, since the instruction takes three cycles but can start each cycle;
 * the first word behind them takes up what the first two make. */
WITH_CRC_AND_CLMUL static uint32_t crc_thirds(uint32_t crc, const uint8_t *at, size_t len)
{
    const size_t third = (len - 8) / 24 * 8;
    uint64_t first = crc, second = 0, last = 0, word;
    for (size_t i = 0; i < third; i += 8) {
        memcpy(&word, at + i, 8);
        first = _mm_crc32_u64(first, word);
        memcpy(&word, at + third + i, 8);
        second = _mm_crc32_u64(second, word);
        memcpy(&word, at + 2 * third + i, 8);
        last = _mm_crc32_u64(last, word);
    }
    at += 3 * third;
    len -= 3 * third;
    memcpy(&word, at, 8);
    word ^= crc_shift((uint32_t)first, 2 * third + 8) ^ crc_shift((uint32_t)second, third + 8);
    return crc_hardware((uint32_t)_mm_crc32_u64(last, word), at + 8, len - 8);
}

static uint32_t crc_best(uint32_t crc, const uint8_t *at, size_t len)
{
    if (len >= CRC_LONG_BYTES && __builtin_cpu_supports("pclmul"))
        return crc_thirds(crc, at, len);
    return crc_hardware(crc, at, len);
}
#endif

uint32_t hash_crc32c(uint32_t crc, const void *bytes, size_t len)
{
    crc = ~crc;
#if defined(__x86_64__)
    crc = __builtin_cpu_supports("sse4.2") ? crc_best(crc, bytes, len)
                                           : crc_portable(crc, bytes, len);
#else
    crc = crc_portable(crc, bytes, len);
#endif
    return ~crc;
}
