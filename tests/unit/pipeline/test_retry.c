/* test_retry.c -- which body is a retry: the set of the last ten minutes, by a clock in hand.
 *
 * Includes drain.c for its static functions.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "pipeline/drain.c"

static const int64_t start = 1000 * NS_PER_S;

static struct drain *drain_with_set(void)
{
    struct drain *drain = xcalloc(1, sizeof *drain);
    drain->seen = xcalloc(RETRY_SET_COUNT, sizeof *drain->seen);
    return drain;
}

static void drain_drop(struct drain *drain)
{
    xfree(drain->seen);
    xfree(drain);
}

/* shows: C8 */
static void a_body_is_a_retry_within_ten_minutes_and_not_after(void **state)
{
    (void)state;
    struct drain *drain = drain_with_set();
    assert_false(is_retry(drain, 7, start));
    assert_true(is_retry(drain, 7, start));
    assert_true(is_retry(drain, 7, start + DRAIN_RETRY_WINDOW_NS - 1));
    assert_false(is_retry(drain, 7, start + DRAIN_RETRY_WINDOW_NS));
    assert_true(is_retry(drain, 7, start + DRAIN_RETRY_WINDOW_NS + 1)); /* seen anew */
    assert_false(is_retry(drain, 8, start));
    drain_drop(drain);
}

static void a_body_without_a_hash_is_never_a_retry(void **state)
{
    (void)state;
    struct drain *drain = drain_with_set();
    assert_false(is_retry(drain, 0, start));
    assert_false(is_retry(drain, 0, start));
    drain_drop(drain);
}

/* A slot has room for eight; the ninth takes the place of the oldest. */
static void where_hashes_collide_the_oldest_is_forgotten(void **state)
{
    (void)state;
    enum { PROBES = 8 };
    struct drain *drain = drain_with_set();
    for (uint64_t i = 0; i <= PROBES; i++)
        assert_false(is_retry(drain, 5 + (i << 32), start + (int64_t)i));
    for (uint64_t i = 1; i <= PROBES; i++)
        assert_true(is_retry(drain, 5 + (i << 32), start + 100));
    assert_false(is_retry(drain, 5, start + 100));
    drain_drop(drain);
}

/* To take a new body for a retry would lose it; to miss a retry costs one merge. */
static void nothing_new_is_taken_for_a_retry(struct dice *dice)
{
    enum { BODIES = RETRY_SET_COUNT / 4 };
    struct drain *drain = drain_with_set();
    uint64_t *hashes = xcalloc(BODIES, sizeof *hashes);
    size_t found = 0;
    for (size_t i = 0; i < BODIES; i++) {
        hashes[i] = dice_u64(dice) | 1;
        assert_false(is_retry(drain, hashes[i], start + (int64_t)i));
    }
    for (size_t i = 0; i < BODIES; i++)
        found += is_retry(drain, hashes[i], start + BODIES);
    assert_true(found > BODIES * 99 / 100);
    xfree(hashes);
    drain_drop(drain);
}

static void random_bodies_are_never_taken_for_retries(void **state)
{
    (void)state;
    dice_each_seed(nothing_new_is_taken_for_a_retry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_is_a_retry_within_ten_minutes_and_not_after),
        cmocka_unit_test(a_body_without_a_hash_is_never_a_retry),
        cmocka_unit_test(where_hashes_collide_the_oldest_is_forgotten),
        cmocka_unit_test(random_bodies_are_never_taken_for_retries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
