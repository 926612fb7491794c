/* test_projection.c -- what a month will come to, by lines whose end is known.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"
#include "query/query.h"

#include <math.h>

enum { DAYS = 56, LEFT = 10 };

/* A day of a line with a weekly pattern; noise of both signs. */
static double day_value(size_t day, double trend, double weekly, double noise)
{
    uint64_t dice = hash_bytes(&day, sizeof day);
    double random = (double)(dice % 2001) / 1000 - 1;
    return 100 + trend * (double)day + weekly * (double)(day % 7 < 5) + noise * random;
}

static struct query_projection project(size_t count, double trend, double weekly, double noise,
                                       double *ret_truth)
{
    double values[DAYS];
    for (size_t i = 0; i < count; i++)
        values[i] = day_value(i, trend, weekly, noise);
    struct query_days days = {
        .days = values, .count = count, .days_left = LEFT, .today_over = 0.5, .month_so_far = 1000
    };
    *ret_truth = 1000 + 0.5 * day_value(count, trend, weekly, noise);
    for (size_t i = 1; i <= LEFT; i++)
        *ret_truth += day_value(count + i, trend, weekly, noise);
    struct query_projection projection;
    query_project(&days, &projection);
    return projection;
}

/* shows: G14 */
static void a_line_is_continued_within_a_percent(void **state)
{
    (void)state;
    double truth;
    for (size_t count = 7; count <= DAYS; count += 7) {
        struct query_projection projection = project(count, 3, 0, 0, &truth);
        assert_true(projection.is_known && projection.day_count == count);
        assert_true(fabs(projection.expected - truth) < 0.01 * truth);
    }
}

/* shows: G14 */
static void weekdays_are_respected_from_three_weeks_on(void **state)
{
    (void)state;
    double truth;
    struct query_projection projection = project(21, 2, 400, 0, &truth);
    assert_true(projection.has_weekdays && fabs(projection.expected - truth) < 0.01 * truth);
    projection = project(20, 2, 400, 0, &truth);
    assert_false(projection.has_weekdays);
}

/* shows: G14 */
static void the_range_holds_the_truth_of_noisy_days(void **state)
{
    (void)state;
    double truth;
    for (double noise = 5; noise <= 80; noise *= 2) {
        struct query_projection projection = project(DAYS, 1, 50, noise, &truth);
        assert_true(projection.low <= truth && truth <= projection.high);
        assert_true(projection.low < projection.expected && projection.expected < projection.high);
        assert_true(projection.high - projection.low < 30 * noise); /* and says something */
    }
}

static void two_days_say_nothing_and_three_do(void **state)
{
    (void)state;
    double truth;
    assert_false(project(2, 0, 0, 0, &truth).is_known);
    struct query_projection projection = project(3, 0, 0, 0, &truth);
    assert_true(projection.is_known && fabs(projection.expected - truth) < 1e-6);
    assert_true(projection.spent == 1000);
}

static void a_fall_does_not_go_below_what_is_spent(void **state)
{
    (void)state;
    double truth;
    struct query_projection projection = project(30, -20, 0, 1, &truth);
    assert_true(projection.is_known && projection.expected >= 1000 && projection.low >= 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_continued_within_a_percent),
        cmocka_unit_test(weekdays_are_respected_from_three_weeks_on),
        cmocka_unit_test(the_range_holds_the_truth_of_noisy_days),
        cmocka_unit_test(two_days_say_nothing_and_three_do),
        cmocka_unit_test(a_fall_does_not_go_below_what_is_spent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
