/* test_changes.c -- a change taken apart: parts that sum to it, and the planted one first.
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
#include "base/hash.h"
#include "query/cost_parts.c"
#include <math.h>
#include <stdlib.h>

/* n calls of 1,000 tokens in (so many of them cached) and 100 out; 10, 5 and 40 nano-dollars each.
 */
static struct cost_sums sums(double calls, double cached)
{
    struct cost_sums of = { .calls = calls,
                            .fresh = calls * (1000 - cached),
                            .cached = calls * cached,
                            .output = calls * 100 };
    of.cost_fresh = of.fresh * 10;
    of.cost_cached = of.cached * 5;
    of.cost_output = of.output * 40;
    of.cost = of.cost_fresh + of.cost_cached + of.cost_output;
    return of;
}

static int64_t sum_of(const int64_t parts[COST_PART_COUNT])
{
    int64_t sum = 0;
    for (int i = 0; i < COST_PART_COUNT; i++)
        sum += parts[i];
    return sum;
}

static void expect_alone(const struct cost_model *models, size_t count, enum cost_part part)
{
    int64_t parts[COST_PART_COUNT], change = 0;
    for (size_t i = 0; i < count; i++)
        change += llround(models[i].sums[1].cost - models[i].sums[0].cost);
    cost_parts(models, count, parts);
    for (int i = 0; i < COST_PART_COUNT; i++)
        if (parts[i] != (i == (int)part ? change : 0))
            fail_msg("%s has %lld of %lld", cost_part_names[i], (long long)parts[i],
                     (long long)change);
}

/* shows: G18 */
static void what_changes_alone_is_the_whole_change(void **state)
{
    (void)state;
    struct cost_model one = { .model = STR_OF("m"), .sums = { sums(100, 0), sums(250, 0) } };
    expect_alone(&one, 1, COST_PART_CALLS);
    one.sums[0] = one.sums[1] = sums(100, 200);
    one.sums[1].fresh *= 2;
    one.sums[1].cached *= 2;
    one.sums[1].cost += one.sums[1].cost_fresh + one.sums[1].cost_cached;
    one.sums[1].cost_fresh *= 2;
    one.sums[1].cost_cached *= 2;
    expect_alone(&one, 1, COST_PART_INPUT);
    one.sums[1] = one.sums[0];
    one.sums[1].output *= 3;
    one.sums[1].cost += 2 * one.sums[1].cost_output;
    one.sums[1].cost_output *= 3;
    expect_alone(&one, 1, COST_PART_OUTPUT);
    one.sums[1] = sums(100, 800);
    expect_alone(&one, 1, COST_PART_CACHE);
    one.sums[1] = one.sums[0];
    one.sums[1].cost_output *= 2;
    one.sums[1].cost += one.sums[0].cost_output;
    expect_alone(&one, 1, COST_PART_PRICES);
    one.sums[1] = one.sums[0];
    one.sums[1].cost += 12345;
    expect_alone(&one, 1, COST_PART_OTHER);
    struct cost_model two[] = {
        { .model = STR_OF("m"), .sums = { sums(100, 0), sums(100, 0) } },
        { .model = STR_OF("m"), .is_repeat = true, .sums = { { 0 }, sums(60, 0) } }
    };
    expect_alone(two, 2, COST_PART_REPEATS);
    two[1] = (struct cost_model){ .model = STR_OF("dear"), .sums = { { 0 }, sums(90, 0) } };
    two[1].sums[1].cost *= 8;
    two[1].sums[1].cost_fresh *= 8;
    two[1].sums[1].cost_output *= 8;
    two[0].sums[1] = sums(10, 0);
    expect_alone(two, 2, COST_PART_MODELS);
}

/* shows: G18 */
static void parts_sum_to_the_change_whatever_has_changed(void **state)
{
    (void)state;
    struct cost_model models[6];
    for (uint64_t seed = 1; seed <= 300; seed++) {
        double change = 0;
        for (size_t i = 0; i < COUNT_OF(models); i++) {
            models[i] = (struct cost_model){ .is_repeat = i % 3 == 2 };
            for (int period = 0; period < 2; period++) {
                uint64_t about[] = { seed, i, (uint64_t)period };
                uint64_t dice = hash_bytes(about, sizeof about);
                struct cost_sums *of = &models[i].sums[period];
                if (dice % 4 == 0)
                    continue; /* not in this period */
                *of = sums((double)(dice % 97 + 1), (double)(dice / 97 % 1000));
                of->cost_output += (double)(dice % 7919);
                of->cost = of->cost_fresh + of->cost_cached + of->cost_output + (double)(dice % 11);
            }
            change += models[i].sums[1].cost - models[i].sums[0].cost;
        }
        int64_t parts[COST_PART_COUNT];
        cost_parts(models, COUNT_OF(models), parts);
        assert_int_equal(sum_of(parts), llround(change));
        /* both ends are the spends themselves: nothing but rounding is put to the largest */
        struct factors room[COUNT_OF(models)][2];
        struct state made;
        state_make(&made, room, models, COUNT_OF(models));
        double ends[2] = { spend(&made, 0), spend(&made, (1U << COST_PART_COUNT) - 1) };
        for (int period = 0; period < 2; period++)
            assert_true(fabs(ends[period] - (double)spent(models, COUNT_OF(models), period)) < 1);
    }
}

static void from_nothing_it_is_the_calls(void **state)
{
    (void)state;
    struct cost_model one = { .model = STR_OF("m"), .sums = { { 0 }, sums(7, 100) } };
    expect_alone(&one, 1, COST_PART_CALLS);
    one.is_repeat = true; /* repeats of calls before the period */
    expect_alone(&one, 1, COST_PART_CALLS);
    int64_t parts[COST_PART_COUNT];
    cost_parts(NULL, 0, parts);
    assert_int_equal(sum_of(parts), 0);
}

/* -- dimensions -- */

static void changes_of(struct changes *changes, const struct query_aggregate *plan,
                       double top_before, double top_after)
{
    *changes = (struct changes){ .plan = plan, .is_ratio = true, .known = { true, true } };
    changes->top[0] = top_before;
    changes->top[1] = top_after;
    changes->bottom[0] = changes->bottom[1] = 100;
    changes->whole[0] = top_before / 100;
    changes->whole[1] = top_after / 100;
}

static void a_switch_of_values_explains_all_and_is_named_before_where_it_shows(void **state)
{
    (void)state;
    const struct query_aggregate plan = { .metric_count = 1 };
    struct changes changes;
    changes_of(&changes, &plan, 1000, 2000);
    struct change_value tenants[] = { { STR("a"), { 500, 1500 }, { 50, 50 }, 0 },
                                      { STR("b"), { 500, 500 }, { 50, 50 }, 0 } };
    struct change_value same[] = { { STR("x"), { 600, 1200 }, { 60, 60 }, 0 },
                                   { STR("y"), { 400, 800 }, { 40, 40 }, 0 } };
    struct change_value prompts[] = { { STR("v1"), { 1000, 0 }, { 100, 0 }, 0 },
                                      { STR("v2"), { 0, 2000 }, { 0, 100 }, 0 } };
    struct change tenant = { .dimension = CHANGE_tenant_id, .values = tenants, .count = 2 };
    struct change region = { .dimension = CHANGE_region, .values = same, .count = 2 };
    struct change prompt = { .dimension = CHANGE_prompt_version, .values = prompts, .count = 2 };
    struct change release = { .dimension = CHANGE_release, .values = prompts, .count = 2 };
    changes_add(&changes, &release);
    changes_add(&changes, &tenant);
    changes_add(&changes, &region);
    changes_add(&changes, &prompt);
    changes_rank(&changes);
    assert_int_equal(changes.count, 3); /* region: every value by its share */
    assert_int_equal(changes.items[0].dimension, CHANGE_prompt_version);
    assert_int_equal(changes.items[1].dimension, CHANGE_release);
    assert_int_equal(changes.items[2].dimension, CHANGE_tenant_id);
    assert_true(fabs(changes.items[0].score - 1) < 1e-9 && !changes.items[0].by_segment);
    assert_true(fabs(changes.items[2].score - 0.9) < 1e-9 && changes.items[2].by_segment);
    assert_true(fabs(tenants[0].part - 10) < 1e-9 && fabs(tenants[1].part) < 1e-9);
    assert_true(fabs(prompts[0].part + prompts[1].part - 10) < 1e-9);
}

static void without_a_change_nothing_explains_it(void **state)
{
    (void)state;
    const struct query_aggregate plan = { .metric_count = 1 };
    struct changes changes;
    changes_of(&changes, &plan, 1000, 1000);
    struct change_value values[] = { { STR("v1"), { 1000, 0 }, { 100, 0 }, 0 },
                                     { STR("v2"), { 0, 1000 }, { 0, 100 }, 0 } };
    struct change change = { .dimension = CHANGE_prompt_version, .values = values, .count = 2 };
    changes_add(&changes, &change);
    assert_int_equal(changes.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_changes_alone_is_the_whole_change),
        cmocka_unit_test(parts_sum_to_the_change_whatever_has_changed),
        cmocka_unit_test(from_nothing_it_is_the_calls),
        cmocka_unit_test(a_switch_of_values_explains_all_and_is_named_before_where_it_shows),
        cmocka_unit_test(without_a_change_nothing_explains_it),
    };
    return cmocka_run_group_tests_name("changes", tests, NULL, NULL);
}
