/* test_verdict.c -- where good ends and where bad begins.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */
#include "query/verdict.h"

static void an_objective_is_good_up_to_it_and_bad_past_a_fifth_more(void **state)
{
    (void)state;
    assert_int_equal(verdict_of(100, 100, -1, 0), VERDICT_GOOD);
    assert_int_equal(verdict_of(101, 100, -1, 0), VERDICT_WARN);
    assert_int_equal(verdict_of(120, 100, -1, 0), VERDICT_WARN);
    assert_int_equal(verdict_of(121, 100, -1, 0), VERDICT_BAD);
    assert_int_equal(verdict_of(0, 0, -1, 0), VERDICT_GOOD);
    assert_int_equal(verdict_of(0.001, 0, -1, 0), VERDICT_BAD);
}

static void the_period_before_allows_a_tenth_more_and_warns_up_to_a_half(void **state)
{
    (void)state;
    assert_int_equal(verdict_of(110, -1, 100, 0), VERDICT_GOOD);
    assert_int_equal(verdict_of(111, -1, 100, 0), VERDICT_WARN);
    assert_int_equal(verdict_of(150, -1, 100, 0), VERDICT_WARN);
    assert_int_equal(verdict_of(151, -1, 100, 0), VERDICT_BAD);
}

static void a_point_more_failures_is_no_alarm_however_few_there_were(void **state)
{
    (void)state;
    assert_int_equal(verdict_of(0.01, -1, 0, 0.01), VERDICT_GOOD);
    assert_int_equal(verdict_of(0.011, -1, 0, 0.01), VERDICT_WARN);
    assert_int_equal(verdict_of(0.051, -1, 0, 0.01), VERDICT_BAD);
}

static void with_nothing_to_compare_with_it_is_unknown(void **state)
{
    (void)state;
    assert_int_equal(verdict_of(5, -1, -1, 0.01), VERDICT_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_objective_is_good_up_to_it_and_bad_past_a_fifth_more),
        cmocka_unit_test(the_period_before_allows_a_tenth_more_and_warns_up_to_a_half),
        cmocka_unit_test(a_point_more_failures_is_no_alarm_however_few_there_were),
        cmocka_unit_test(with_nothing_to_compare_with_it_is_unknown),
    };
    return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
