/* unit.h -- what unit tests of several folders share: cmocka, and dice that say their seed.
 *
 * A property test runs once with a fixed seed and once with a fresh one, which it
 * prints; TEST_SEED=n in the environment repeats that run.
 *
 * Memory:  none.
 * Threads: a struct dice belongs to one thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct dice {
    uint64_t state;
};

/* splitmix64 */
static inline uint64_t dice_u64(struct dice *dice)
{
    uint64_t x = dice->state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* 0..sides-1 */
static inline uint32_t dice_roll(struct dice *dice, uint32_t sides)
{
    return (uint32_t)(dice_u64(dice) >> 33) % sides;
}

static inline void dice_fill(struct dice *dice, void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)(dice_u64(dice) >> 56);
}

/* A number of any size: small ones and the ends of the range are as likely as large ones. */
static inline int64_t dice_i64(struct dice *dice)
{
    static const int64_t ends[] = {
        0, 1, -1, INT64_MAX, INT64_MIN, INT32_MAX, INT32_MIN, UINT32_MAX
    };
    if (dice_roll(dice, 8) == 0)
        return ends[dice_roll(dice, sizeof ends / sizeof ends[0])];
    uint64_t bits = dice_u64(dice) >> dice_roll(dice, 64);
    return (int64_t)(dice_roll(dice, 2) ? bits : 0 - bits);
}

static inline uint64_t dice_fresh_seed(void)
{
    const char *given = getenv("TEST_SEED");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seed = given ? strtoull(given, NULL, 10)
                          : (uint64_t)now.tv_nsec * 2654435761u + (uint64_t)getpid();
    printf("# TEST_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

/* Run `property` with the fixed seed and with a fresh one. */
static inline void dice_each_seed(void (*property)(struct dice *dice))
{
    struct dice fixed = { 1 }, fresh = { dice_fresh_seed() };
    property(&fixed);
    property(&fresh);
}
