/* test_significance.c -- tests of differences, against tables and planted samples.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "query/significance.h"

#include <math.h>

/* Critical values of Student's t as every table has them. */
static void the_distribution_is_that_of_the_tables(void **state)
{
    (void)state;
    static const struct {
        double t, freedom, p;
    } table[] = { { 12.706, 1, 0.05 }, { 2.228, 10, 0.05 },  { 3.169, 10, 0.01 },
                  { 2.042, 30, 0.05 }, { 1.984, 100, 0.05 }, { 1.960, 1e6, 0.05 },
                  { 0, 7, 1 } };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        assert_true(fabs(student_two_sided(table[i].t, table[i].freedom) - table[i].p) < 1e-4);
}

/* shows: K5 */
static void a_planted_difference_is_shown_and_a_tie_is_not(void **state)
{
    (void)state;
    struct sample a = { 200, 100, 400 }, same = { 200, 100.5, 420 }, higher = { 200, 110, 400 };
    struct comparison tests[2];
    compare_means(&a, &same, &tests[0]);
    compare_means(&a, &higher, &tests[1]);
    compare_holm(tests, 2);
    assert_true(tests[0].is_tested && !tests[0].is_shown && tests[0].p > 0.5);
    assert_true(tests[1].is_shown && tests[1].difference == 10);
    assert_true(fabs(tests[1].low - (10 - 1.966 * 2)) < 0.01); /* error 2, 398 of freedom */
    assert_true(tests[0].low < 0 && 0 < tests[0].high);
}

static void shares_are_tested_by_their_counts(void **state)
{
    (void)state;
    struct sample a = { 1000, 0.10, 0 }, b = { 1000, 0.15, 0 }, c = { 1000, 0.11, 0 };
    struct comparison test;
    compare_shares(&a, &b, &test);
    assert_true(test.is_tested && fabs(test.p - 0.000724) < 1e-5); /* z = 3.3806 */
    compare_shares(&a, &c, &test);
    assert_true(test.p > 0.4);
    a.mean = b.mean = 0; /* nothing happened on either side */
    compare_shares(&a, &b, &test);
    assert_true(test.p == 1);
}

static void few_are_not_tested(void **state)
{
    (void)state;
    struct sample a = { SAMPLE_MIN - 1, 1, 1 }, b = { 1000, 100, 1 };
    struct comparison test;
    compare_means(&a, &b, &test);
    assert_false(test.is_tested);
    compare_shares(&a, &b, &test);
    assert_false(test.is_tested);
    a.count = SAMPLE_MIN;
    compare_means(&a, &b, &test);
    assert_true(test.is_tested && test.p < 1e-9);
}

static void what_does_not_scatter_differs_or_does_not(void **state)
{
    (void)state;
    struct sample a = { 50, 3, 0 }, b = { 50, 4, 0 };
    struct comparison test;
    compare_means(&a, &b, &test);
    assert_true(test.p == 0 && test.low == 1 && test.high == 1);
    compare_means(&a, &a, &test);
    assert_true(test.p == 1);
}

/* Of 20 tests one is below 5 % by chance: it is not shown. */
static void many_tests_ask_more_of_each(void **state)
{
    (void)state;
    struct comparison tests[20];
    for (int i = 0; i < 20; i++)
        tests[i] = (struct comparison){ .is_tested = true, .p = 0.3 };
    tests[7].p = 0.01;
    compare_holm(tests, 20);
    assert_false(tests[7].is_shown);
    tests[7].p = 0.0024; /* below 0.05 / 20 */
    compare_holm(tests, 20);
    assert_true(tests[7].is_shown && !tests[6].is_shown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_distribution_is_that_of_the_tables),
        cmocka_unit_test(a_planted_difference_is_shown_and_a_tie_is_not),
        cmocka_unit_test(shares_are_tested_by_their_counts),
        cmocka_unit_test(few_are_not_tested),
        cmocka_unit_test(what_does_not_scatter_differs_or_does_not),
        cmocka_unit_test(many_tests_ask_more_of_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
