/* test_clock.c -- which clock the offset moves, and which it does not.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "sys/clock.h"

static void the_wall_clock_is_that_of_the_system(void **state)
{
    (void)state;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t before = (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec, read = clock_now_ns();
    assert_true(read >= before && read - before < 60 * NS_PER_S);
}

static void the_offset_moves_the_wall_clock_alone(void **state)
{
    (void)state;
    int64_t wall = clock_now_ns(), steady = clock_monotonic_ns();
    clock_set_offset(86400 * NS_PER_S);
    assert_true(clock_now_ns() - wall >= 86400 * NS_PER_S);
    assert_true(clock_monotonic_ns() - steady < 60 * NS_PER_S);
    clock_set_offset(-86400 * NS_PER_S);
    assert_true(clock_now_ns() < wall);
    clock_set_offset(0);
    assert_true(clock_now_ns() - wall < 60 * NS_PER_S);
}

static void intervals_never_run_backwards(void **state)
{
    (void)state;
    int64_t last = clock_monotonic_ns();
    for (int i = 0; i < 100000; i++) {
        int64_t now = clock_monotonic_ns();
        assert_true(now >= last);
        last = now;
    }
}

static void sleeping_takes_wall_time_and_no_cpu(void **state)
{
    (void)state;
    int64_t cpu = clock_thread_cpu_ns(), start = clock_monotonic_ns();
    clock_sleep_ns(20 * NS_PER_MS);
    assert_true(clock_monotonic_ns() - start >= 20 * NS_PER_MS);
    assert_true(clock_thread_cpu_ns() - cpu < 20 * NS_PER_MS);
    clock_sleep_ns(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_wall_clock_is_that_of_the_system),
        cmocka_unit_test(the_offset_moves_the_wall_clock_alone),
        cmocka_unit_test(intervals_never_run_backwards),
        cmocka_unit_test(sleeping_takes_wall_time_and_no_cpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
