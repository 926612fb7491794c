/* test_point_series.c -- numbers of metric points: growth, resets, buckets, limits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <math.h>

#include <cmocka.h>

#include "query/points.h"

static struct arena arena;
static struct store_point points[POINT_ROWS_MAX + 8];
static size_t point_count;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 256 * MIB);
    point_count = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

/* Seconds since 1970; cumulative. */
static struct metric_point *put(enum metric_type type, int64_t at_s, double value)
{
    struct store_point *to = &points[point_count++];
    *to = (struct store_point){ .attrs_json = STR_NONE };
    to->point = (struct metric_point){ .type = type,
                                       .name = STR_OF("m"),
                                       .unit = STR_OF(""),
                                       .service = STR_OF(""),
                                       .time_ns = at_s * NS_PER_S,
                                       .is_monotonic = true,
                                       .temporality = 2,
                                       .has_value = true,
                                       .value = value,
                                       .buckets_json = STR_NONE };
    return &to->point;
}

static enum err answer(enum point_op op, int64_t step_s, struct point_answer *ret)
{
    struct diag why = DIAG_NONE;
    const struct point_plan plan = { .range = { 0, 1000000 * NS_PER_S },
                                     .now_ns = 1000000 * NS_PER_S,
                                     .step_ns = step_s * NS_PER_S,
                                     .op = op,
                                     .quantile = 0.5,
                                     .op_text = STR_OF("p50"),
                                     .limit = POINT_ROWS_MAX };
    return query_points(&arena, &plan, points, point_count, ret, &why);
}

static double number(enum point_op op)
{
    struct point_answer got;
    assert_int_equal(answer(op, 0, &got), ERR_OK);
    assert_int_equal(got.count, 1);
    assert_true(got.rows[0].is_known);
    return got.rows[0].value;
}

static void a_first_point_of_an_unknown_start_only_says_where_growth_begins(void **state)
{
    (void)state;
    put(METRIC_SUM, 10, 100);
    put(METRIC_SUM, 20, 130);
    assert_float_equal(number(POINT_SUM), 30, 0);
}

static void a_fall_without_a_new_start_is_a_reset(void **state)
{
    (void)state;
    put(METRIC_SUM, 10, 100);
    put(METRIC_SUM, 20, 7);
    put(METRIC_SUM, 30, 9);
    assert_float_equal(number(POINT_SUM), 9, 0);
}

static void a_new_start_with_a_larger_number_is_a_reset_too(void **state)
{
    (void)state;
    put(METRIC_SUM, 10, 5)->start_ns = 1;
    put(METRIC_SUM, 20, 50)->start_ns = 15 * NS_PER_S;
    assert_float_equal(number(POINT_SUM), 55, 0); /* the first began in the range as well */
}

static void growth_is_what_came_since_though_points_come_out_of_order(void **state)
{
    (void)state;
    put(METRIC_SUM, 30, 9);
    put(METRIC_SUM, 10, 1);
    put(METRIC_SUM, 20, 4);
    assert_float_equal(number(POINT_SUM), 8, 0);
}

static void a_summary_has_no_percentiles_to_add_up(void **state)
{
    (void)state;
    struct point_answer got;
    put(METRIC_SUMMARY, 10, 1);
    assert_int_equal(answer(POINT_QUANTILE, 0, &got), ERR_BAD_INPUT);
}

static void two_types_under_one_name_are_refused(void **state)
{
    (void)state;
    struct point_answer got;
    put(METRIC_SUM, 10, 1);
    put(METRIC_GAUGE, 20, 1);
    assert_int_equal(answer(POINT_OP_DEFAULT, 0, &got), ERR_BAD_INPUT);
    points[1].point.type = METRIC_SUM;
    points[1].point.unit = STR_OF("s");
    assert_int_equal(answer(POINT_OP_DEFAULT, 0, &got), ERR_BAD_INPUT);
}

static void rows_have_a_limit(void **state)
{
    (void)state;
    struct point_answer got;
    for (int64_t i = 0; i < POINT_ROWS_MAX; i++)
        put(METRIC_GAUGE, i, 1);
    assert_int_equal(answer(POINT_AVG, 1, &got), ERR_OK);
    assert_int_equal(got.count, POINT_ROWS_MAX);
    put(METRIC_GAUGE, POINT_ROWS_MAX, 1);
    assert_int_equal(answer(POINT_AVG, 1, &got), ERR_LIMIT);
}

/* ---- histograms ---- */

static struct point_histogram read(const char *text)
{
    struct point_histogram histogram;
    assert_true(point_histogram_read(&arena, str_from_c(text), &histogram));
    return histogram;
}

static double median(const char *text)
{
    struct point_histogram histogram = read(text);
    struct point_intervals intervals = { NULL, 0, 0, 0 };
    double value = 0;
    assert_true(point_intervals_add(&arena, &intervals, &histogram));
    assert_true(point_intervals_quantile(&intervals, 0.5, &value));
    return value;
}

static void
what_is_above_the_last_bound_is_that_bound_and_the_first_bucket_begins_at_0(void **state)
{
    (void)state;
    assert_float_equal(median("{\"bounds\":[1,2],\"counts\":[0,0,4]}"), 2, 0);
    assert_float_equal(median("{\"bounds\":[1,2],\"counts\":[4,0,0]}"), 0.5, 0);
    assert_float_equal(median("{\"bounds\":[-3,2],\"counts\":[4,0,0]}"), -3, 0);
}

static void negative_and_zero_buckets_stand_in_order(void **state)
{
    (void)state;
    assert_float_equal(median("{\"scale\":0,\"zero_count\":5,\"zero_threshold\":0,\"offset\":0,"
                              "\"counts\":[2],\"negative_offset\":0,\"negative_counts\":[2]}"),
                       0, 0);
    assert_true(fabs(median("{\"scale\":0,\"zero_count\":0,\"zero_threshold\":0,\"offset\":0,"
                            "\"counts\":[],\"negative_offset\":0,\"negative_counts\":[0,4]}") +
                     4 * 0.7071067811865476) < 1e-12);
}

static void growth_is_found_at_the_coarser_scale_also_below_1(void **state)
{
    (void)state;
    struct point_histogram grown;
    struct point_histogram before = read("{\"scale\":1,\"offset\":-3,\"counts\":[1,1,1,1]}");
    struct point_histogram now = read("{\"scale\":0,\"offset\":-2,\"counts\":[1,2,8]}");
    assert_true(point_histogram_less(&arena, &now, &before, &grown));
    assert_int_equal(grown.offset, -2);
    assert_int_equal(grown.counts[0] + grown.counts[1], 0);
    assert_int_equal(grown.counts[2], 7);
    assert_false(point_histogram_less(&arena, &before, &now, &grown));
}

static void buckets_in_a_row_have_a_limit(void **state)
{
    (void)state;
    struct point_intervals intervals = { NULL, 0, 0, 0 };
    uint64_t one = 1;
    for (int64_t i = 0; i < POINT_INTERVALS_MAX + 1; i++) {
        const struct point_histogram histogram = {
            .is_exponential = true, .scale = 10, .offset = i, .counts = &one, .count = 1
        };
        assert_int_equal(point_intervals_add(&arena, &intervals, &histogram),
                         i < POINT_INTERVALS_MAX);
    }
}

static void what_is_no_histogram_has_no_buckets(void **state)
{
    (void)state;
    static const char *const texts[] = { "",
                                         "[]",
                                         "{",
                                         "{}",
                                         "{\"bounds\":[1],\"counts\":[1]}",
                                         "{\"bounds\":1,\"counts\":{}}",
                                         "{\"quantiles\":[]}" };
    struct point_histogram histogram;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_false(point_histogram_read(&arena, str_from_c(texts[i]), &histogram));
}

/* Whatever a sender wrote: an answer or none, and no undefined step on the way. */
static void absurd_scales_and_offsets_do_no_harm(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"scale\":2147483647,\"offset\":2147483647,\"counts\":[1,18446744073709551615]}",
        "{\"scale\":-2147483648,\"offset\":-2147483648,\"counts\":[1,2],\"zero_count\":-5}",
        "{\"scale\":-20,\"offset\":5,\"counts\":[1]}",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        for (size_t k = 0; k < COUNT_OF(texts); k++) {
            struct point_histogram a = read(texts[i]), b = read(texts[k]), less;
            struct point_intervals intervals = { NULL, 0, 0, 0 };
            double value = 0;
            if (!point_histogram_less(&arena, &a, &b, &less))
                less = a;
            if (point_intervals_add(&arena, &intervals, &less) &&
                point_intervals_quantile(&intervals, 0.9, &value))
                assert_true(value >= 0);
        }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_first_point_of_an_unknown_start_only_says_where_growth_begins),
        TEST(a_fall_without_a_new_start_is_a_reset),
        TEST(a_new_start_with_a_larger_number_is_a_reset_too),
        TEST(growth_is_what_came_since_though_points_come_out_of_order),
        TEST(a_summary_has_no_percentiles_to_add_up),
        TEST(two_types_under_one_name_are_refused),
        TEST(rows_have_a_limit),
        TEST(what_is_above_the_last_bound_is_that_bound_and_the_first_bucket_begins_at_0),
        TEST(negative_and_zero_buckets_stand_in_order),
        TEST(growth_is_found_at_the_coarser_scale_also_below_1),
        TEST(buckets_in_a_row_have_a_limit),
        TEST(what_is_no_histogram_has_no_buckets),
        TEST(absurd_scales_and_offsets_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
