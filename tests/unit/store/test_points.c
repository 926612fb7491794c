/* test_points.c -- metric points in every store: whole, in order, and seen by whom they may be.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_help.h"

#define DAY_NS (INT64_C(86400) * NS_PER_S)
#define BUCKETS "{\"bounds\":[1],\"counts\":[2,3]}"

static struct attr pod_a = { STR("pod"), { .type = VALUE_STR, .text = STR("a") } };

static struct metric_point point_make(const char *name, int64_t time_ns, double value)
{
    return (struct metric_point){ .type = METRIC_GAUGE,
                                  .name = str_from_c(name),
                                  .unit = STR_OF(""),
                                  .service = STR_OF("shop"),
                                  .time_ns = time_ns,
                                  .has_value = true,
                                  .value = value,
                                  .buckets_json = STR_NONE,
                                  .attrs = &pod_a,
                                  .attr_count = 1 };
}

static void put_as(struct fixture *f, const char *project, const struct metric_point *points,
                   size_t count)
{
    str projects[8];
    for (size_t i = 0; i < COUNT_OF(projects); i++)
        projects[i] = str_from_c(project);
    struct store_commit commit = { .metrics = points,
                                   .metric_projects = projects,
                                   .metric_count = count };
    assert_int_equal(f->ops->commit(f->store, &commit, &f->why), ERR_OK);
}

static struct store_points ask_for(const char *name)
{
    return (struct store_points){
        .scope = { .project = STR_OF("p1"), .tenant = STR_NONE, .range = EVER },
        .name = str_from_c(name),
        .limit = 100
    };
}

static size_t get(struct fixture *f, struct store_points ask, struct store_point **ret_points)
{
    size_t count = 0;
    assert_int_equal(f->ops->points(f->store, &ask, &f->arena, ret_points, &count, &f->why),
                     ERR_OK);
    return count;
}

static void a_point_comes_back_whole_and_in_order(void **state)
{
    struct fixture *f = *state;
    struct metric_point points[3] = { point_make("m", T0 + DAY_NS, 2), point_make("m", T0, 1.5),
                                      point_make("n", T0, 9) };
    points[0].type = METRIC_HISTOGRAM;
    points[0].unit = STR_OF("s");
    points[0].has_value = false;
    points[0].count = 5;
    points[0].start_ns = T0 - 1;
    points[0].temporality = 2;
    points[0].is_monotonic = true;
    points[0].buckets_json = STR_OF(BUCKETS);
    points[0].attr_count = 0;
    put_as(f, "p1", points, 3);
    put_as(f, "p1", points, 3); /* again: the same points */
    struct store_point *got;
    assert_int_equal(get(f, ask_for("m"), &got), 2);
    assert_float_equal(got[0].point.value, 1.5, 0);
    assert_true(got[0].point.has_value && got[0].point.type == METRIC_GAUGE);
    assert_true(str_equal_c(got[0].attrs_json, "{\"pod\":\"a\"}"));
    const struct metric_point *whole = &got[1].point;
    assert_true(whole->type == METRIC_HISTOGRAM && !whole->has_value && whole->count == 5);
    assert_true(whole->start_ns == T0 - 1 && whole->time_ns == T0 + DAY_NS);
    assert_true(whole->temporality == 2 && whole->is_monotonic);
    assert_true(str_equal_c(whole->unit, "s") && str_equal_c(whole->service, "shop"));
    assert_true(str_equal_c(whole->buckets_json, BUCKETS) && str_is_none(got[1].attrs_json));
}

static void range_and_filter_choose(void **state)
{
    struct fixture *f = *state;
    struct metric_point points[3] = { point_make("m", T0, 1), point_make("m", T0 + 1, 2),
                                      point_make("m", T0 + 2, 3) };
    points[1].attr_count = 0;
    put_as(f, "p1", points, 3);
    struct store_points ask = ask_for("m");
    struct filter is_a = { .op = FILTER_EQ, .field = FIELD_COUNT, .attr_key = STR("pod") };
    is_a.value = value_str(STR_OF("a"));
    struct store_point *got;
    ask.scope.range = (struct time_range){ T0 + 1, T0 + 2 };
    assert_int_equal(get(f, ask, &got), 1);
    assert_float_equal(got[0].point.value, 2, 0);
    ask = ask_for("m");
    ask.filter = &is_a;
    assert_int_equal(get(f, ask, &got), 2);
    is_a.field = FIELD_service;
    is_a.value = value_str(STR_OF("shop"));
    assert_int_equal(get(f, ask, &got), 3);
    is_a.value = value_str(STR_OF("other"));
    assert_int_equal(get(f, ask, &got), 0);
}

static void as_many_as_the_limit_are_given_and_one_more_is_refused(void **state)
{
    struct fixture *f = *state;
    struct metric_point points[2] = { point_make("m", T0, 1), point_make("m", T0 + 1, 2) };
    struct store_points ask = ask_for("m");
    struct store_point *got;
    size_t count;
    put_as(f, "p1", points, 2);
    ask.limit = 2;
    assert_int_equal(get(f, ask, &got), 2);
    ask.limit = 1;
    assert_int_equal(f->ops->points(f->store, &ask, &f->arena, &got, &count, &f->why), ERR_LIMIT);
    assert_non_null(strstr(f->why.hint, "shorter range"));
}

static void nobody_sees_points_of_another_project_and_no_tenant_any(void **state)
{
    struct fixture *f = *state;
    struct metric_point point = point_make("m", T0, 1);
    struct store_points ask = ask_for("m");
    struct store_point *got;
    struct store_point_name *names;
    size_t count = 1;
    put_as(f, "p2", &point, 1);
    assert_int_equal(get(f, ask, &got), 0);
    assert_int_equal(f->ops->point_names(f->store, &ask.scope, &f->arena, &names, &count, &f->why),
                     ERR_OK);
    assert_int_equal(count, 0);
    put_as(f, "p1", &point, 1);
    assert_int_equal(get(f, ask, &got), 1);
    ask.scope.tenant = STR_OF("t1");
    assert_int_equal(get(f, ask, &got), 0);
    assert_int_equal(f->ops->point_names(f->store, &ask.scope, &f->arena, &names, &count, &f->why),
                     ERR_OK);
    assert_int_equal(count, 0);
}

static void names_are_counted_by_kind_and_service(void **state)
{
    struct fixture *f = *state;
    struct metric_point points[4] = { point_make("m", T0, 1), point_make("m", T0 + 5, 2),
                                      point_make("m", T0, 3), point_make("m", T0, 4) };
    points[0].attr_count = 0;
    points[2].service = STR_OF("other");
    points[3].type = METRIC_SUM;
    put_as(f, "p1", points, 4);
    struct store_points ask = ask_for("m");
    struct store_point_name *names;
    size_t count = 0, seen = 0;
    assert_int_equal(f->ops->point_names(f->store, &ask.scope, &f->arena, &names, &count, &f->why),
                     ERR_OK);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++) {
        seen += names[i].count;
        if (names[i].count != 2)
            continue;
        assert_true(str_equal_c(names[i].of.service, "shop"));
        assert_true(names[i].first_ns == T0 && names[i].last_ns == T0 + 5);
        assert_true(str_equal_c(names[i].attrs_json, "{\"pod\":\"a\"}"));
    }
    assert_int_equal(seen, 4);
}

#define OVER(setup_of)                                                                             \
    cmocka_unit_test_setup_teardown(a_point_comes_back_whole_and_in_order, setup_of, teardown),    \
        cmocka_unit_test_setup_teardown(range_and_filter_choose, setup_of, teardown),              \
        cmocka_unit_test_setup_teardown(as_many_as_the_limit_are_given_and_one_more_is_refused,    \
                                        setup_of, teardown),                                       \
        cmocka_unit_test_setup_teardown(nobody_sees_points_of_another_project_and_no_tenant_any,   \
                                        setup_of, teardown),                                       \
        cmocka_unit_test_setup_teardown(names_are_counted_by_kind_and_service, setup_of, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = { OVER(setup_memory), OVER(setup_duckdb) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
