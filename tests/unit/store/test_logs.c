/* test_logs.c -- log records in every store: found, paged, counted, and seen by whom they may be.
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

/* A line of text as the log gives it to the store. */
static struct log_record line_make(uint64_t id, int64_t time_ns, struct attr attrs[2],
                                   const char *body)
{
    attrs[0] = (struct attr){ STR(LOG_UNSTRUCTURED_ATTR), value_bool(true) };
    attrs[1] = (struct attr){ STR(LOG_BODY_ATTR), value_str(str_from_c(body)) };
    return (struct log_record){ .log_id = span_of(id),
                                .time_ns = time_ns,
                                .severity_text = STR_OF(""),
                                .event_name = STR_OF(""),
                                .service = STR_OF("shop"),
                                .attrs = attrs,
                                .attr_count = 2 };
}

static void put_as(struct fixture *f, const char *project, const struct log_record *logs,
                   size_t count)
{
    str projects[64];
    assert_true(count <= COUNT_OF(projects));
    for (size_t i = 0; i < count; i++)
        projects[i] = str_from_c(project);
    struct store_commit commit = { .logs = logs, .log_projects = projects, .log_count = count };
    assert_int_equal(f->ops->commit(f->store, &commit, &f->why), ERR_OK);
}

static struct store_log_list ask_all(void)
{
    return (struct store_log_list){
        .scope = { .project = STR_OF("p1"), .tenant = STR_NONE, .range = EVER },
        .text = STR_NONE,
        .limit = 100
    };
}

static size_t get(struct fixture *f, struct store_log_list ask, struct store_log **ret_logs)
{
    size_t count = 0;
    enum err err = f->ops->log_list(f->store, &ask, &f->arena, ret_logs, &count, &f->why);
    if (err)
        fprintf(stderr, "# %s: %s\n", err_name(err), f->why.text);
    assert_int_equal(err, ERR_OK);
    return count;
}

static size_t count_text(struct fixture *f, const char *text)
{
    struct store_log *logs;
    struct store_log_list ask = ask_all();
    ask.text = str_from_c(text);
    return get(f, ask, &logs);
}

/* shows: C13 */
static void a_line_is_found_by_a_part_of_it(void **state)
{
    struct fixture *f = *state;
    struct attr attrs[3][2];
    struct log_record logs[3] = {
        line_make(1, T0, attrs[0], "timeout while asking \"gpt\"\tfor tenant acme"),
        line_make(2, T0 + 1, attrs[1], "Timeout 100% f\xC3\xBCr _x"),
        line_make(3, T0 + DAY_NS, attrs[2], "all well"),
    };
    put_as(f, "p1", logs, 3);
    assert_int_equal(count_text(f, "timeout"), 1);
    assert_int_equal(count_text(f, "imeout"), 2);
    assert_int_equal(count_text(f, "\"gpt\"\tfor"), 1);
    assert_int_equal(count_text(f, "100% f\xC3\xBCr"), 1);
    assert_int_equal(count_text(f, "100_"), 0);
    assert_int_equal(count_text(f, "%"), 1);
    assert_int_equal(count_text(f, "telltale"), 0); /* of our own mark, no part of the line */
    assert_int_equal(count_text(f, ""), 3);
    struct store_log *got;
    struct store_log_list ask = ask_all();
    assert_int_equal(get(f, ask, &got), 3);
    assert_int_equal(got[0].log.time_ns, T0 + DAY_NS);
    assert_int_equal(got[2].log.time_ns, T0);
    assert_true(str_equal_c(got[2].log.service, "shop"));
    assert_true(id16_is_zero(got[2].log.trace_id));
}

static void conditions_of_trace_severity_range_and_filter_all_hold(void **state)
{
    struct fixture *f = *state;
    struct attr attrs[4][2];
    struct log_record logs[4];
    for (uint64_t i = 0; i < 4; i++) {
        logs[i] = line_make(i + 1, T0 + (int64_t)i, attrs[i], "x");
        logs[i].severity = (int32_t)(i * 8 + 1); /* 1 9 17 25: unknown is none of them */
    }
    logs[0].severity = 0;
    logs[1].trace_id = trace_of(7);
    attrs[2][0] = (struct attr){ STR("http.status"), value_i64(503) };
    logs[3].service = STR_OF("front");
    logs[3].event_name = STR_OF("cart.emptied");
    put_as(f, "p1", logs, 4);
    struct store_log *got;
    struct store_log_list ask = ask_all();
    ask.severity_min = 9;
    assert_int_equal(get(f, ask, &got), 3);
    ask.severity_min = 10;
    assert_int_equal(get(f, ask, &got), 2);
    ask = ask_all();
    ask.has_trace_id = true;
    ask.trace_id = trace_of(7);
    assert_int_equal(get(f, ask, &got), 1);
    assert_memory_equal(&got->log.trace_id, &ask.trace_id, 16);
    ask = ask_all();
    ask.scope.range = (struct time_range){ T0 + 1, T0 + 3 };
    assert_int_equal(get(f, ask, &got), 2);
    struct filter status = { .op = FILTER_GE,
                             .field = FIELD_COUNT,
                             .attr_key = STR("http.status") };
    status.value = value_i64(500);
    ask = ask_all();
    ask.filter = &status;
    assert_int_equal(get(f, ask, &got), 1);
    assert_int_equal(got->log.time_ns, T0 + 2);
    struct filter name = leaf_of(FILTER_LIKE, FIELD_name, value_str(STR_OF("cart.*")));
    struct filter service = leaf_of(FILTER_EQ, FIELD_service, value_str(STR_OF("front")));
    struct filter both = { .op = FILTER_AND, .left = &name, .right = &service };
    struct filter none = { .op = FILTER_NOT, .left = &both };
    ask.filter = &both;
    assert_int_equal(get(f, ask, &got), 1);
    ask.filter = &none;
    assert_int_equal(get(f, ask, &got), 3);
}

static void pages_of(struct fixture *f, const char *text)
{
    struct store_log_list ask = ask_all();
    struct log_record last = { .time_ns = INT64_MAX };
    size_t seen = 0, count;
    ask.limit = 7;
    ask.text = text ? str_from_c(text) : STR_NONE;
    do {
        struct store_log *got;
        count = get(f, ask, &got);
        for (size_t i = 0; i < count; i++) {
            assert_true(seen == 0 || log_order(&last, &got[i].log) < 0);
            last = got[i].log;
            seen++;
        }
        ask.has_after = true;
        ask.after_time_ns = last.time_ns;
        ask.after_id = last.log_id;
    } while (count == ask.limit);
    assert_int_equal(seen, 60);
}

static void pages_follow_each_other_without_gap_or_repeat(void **state)
{
    struct fixture *f = *state;
    struct attr attrs[60][2];
    struct log_record logs[60];
    for (uint64_t i = 0; i < 60; i++) /* three days, three of each time */
        logs[i] = line_make(i + 1, T0 + (int64_t)(i % 20) * (DAY_NS / 8), attrs[i], "a line");
    put_as(f, "p1", logs, 60);
    pages_of(f, NULL);
    pages_of(f, "line"); /* sorted here, not by the engine */
}

static void nobody_sees_the_logs_of_another_project_or_tenant(void **state)
{
    struct fixture *f = *state;
    struct attr attrs[3][2];
    struct log_record logs[3] = { line_make(1, T0, attrs[0], "of acme"),
                                  line_make(2, T0, attrs[1], "of nobody"),
                                  line_make(3, T0, attrs[2], "of another") };
    struct store_span spans[2] = { span_make(1, 1, T0), span_make(2, 2, T0) };
    SPAN_SET(&spans[0].span, tenant_id, STR_OF("acme"));
    SPAN_SET(&spans[1].span, tenant_id, STR_OF("other"));
    logs[0].trace_id = trace_of(1);
    logs[2].trace_id = trace_of(2);
    assert_int_equal(commit_trace_of(f, &spans[0], 1, 1), ERR_OK);
    assert_int_equal(f->ops->append(f->store, &spans[1], 1, &f->why), ERR_OK);
    put_as(f, "p1", logs, 3);
    struct store_log *got;
    struct store_log_list ask = ask_all();
    ask.scope.project = STR_OF("p2");
    assert_int_equal(get(f, ask, &got), 0);
    ask = ask_all();
    for (int how = 0; how < 2; how++) {
        ask.text = how ? STR_OF("of ") : STR_NONE;
        ask.scope.tenant = STR_OF("acme");
        assert_int_equal(get(f, ask, &got), 1);
        assert_memory_equal(&got->log.log_id, &logs[0].log_id, 8);
        ask.scope.tenant = STR_OF("other"); /* not settled yet */
        assert_int_equal(get(f, ask, &got), 1);
        assert_memory_equal(&got->log.log_id, &logs[2].log_id, 8);
        ask.scope.tenant = STR_OF("nobody");
        assert_int_equal(get(f, ask, &got), 0);
    }
}

/* shows: C13 */
static void they_are_counted_by_service_and_plain_text_apart(void **state)
{
    struct fixture *f = *state;
    struct attr attrs[4][2];
    struct log_record logs[4];
    struct store_log_count *counts;
    size_t count = 0;
    struct store_scope scope = ask_all().scope;
    assert_int_equal(f->ops->log_counts(f->store, &scope, &f->arena, &counts, &count, &f->why),
                     ERR_OK);
    assert_int_equal(count, 0);
    for (uint64_t i = 0; i < 4; i++)
        logs[i] = line_make(i + 1, T0 + (int64_t)i * DAY_NS, attrs[i], "x");
    attrs[1][0].key = STR_OF("structured");
    logs[3].service = STR_OF("");
    put_as(f, "p1", logs, 4);
    put_as(f, "p2", logs, 1);
    assert_int_equal(f->ops->log_counts(f->store, &scope, &f->arena, &counts, &count, &f->why),
                     ERR_OK);
    assert_int_equal(count, 2);
    assert_true(str_equal_c(counts[0].service, "shop"));
    assert_int_equal(counts[0].count, 3);
    assert_int_equal(counts[0].unstructured_count, 2);
    assert_int_equal(counts[1].service.len, 0);
    assert_int_equal(counts[1].count, 1);
    scope.range.to_ns = T0 + DAY_NS;
    assert_int_equal(f->ops->log_counts(f->store, &scope, &f->arena, &counts, &count, &f->why),
                     ERR_OK);
    assert_int_equal(count, 1);
    assert_int_equal(counts[0].count, 1);
    scope.tenant = STR_OF("acme");
    assert_int_equal(f->ops->log_counts(f->store, &scope, &f->arena, &counts, &count, &f->why),
                     ERR_OK);
    assert_int_equal(count, 0);
}

static void a_passed_deadline_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct attr attrs[2];
    struct log_record log = line_make(1, T0, attrs, "x");
    struct store_log *logs;
    struct store_log_count *counts;
    size_t count;
    put_as(f, "p1", &log, 1);
    struct store_log_list ask = ask_all();
    ask.scope.deadline_ns = 1;
    assert_int_equal(f->ops->log_list(f->store, &ask, &f->arena, &logs, &count, &f->why),
                     ERR_DEADLINE);
    assert_int_equal(f->ops->log_counts(f->store, &ask.scope, &f->arena, &counts, &count, &f->why),
                     ERR_DEADLINE);
}

#define OVER(setup_of)                                                                             \
    cmocka_unit_test_setup_teardown(a_line_is_found_by_a_part_of_it, setup_of, teardown),          \
        cmocka_unit_test_setup_teardown(conditions_of_trace_severity_range_and_filter_all_hold,    \
                                        setup_of, teardown),                                       \
        cmocka_unit_test_setup_teardown(pages_follow_each_other_without_gap_or_repeat, setup_of,   \
                                        teardown),                                                 \
        cmocka_unit_test_setup_teardown(nobody_sees_the_logs_of_another_project_or_tenant,         \
                                        setup_of, teardown),                                       \
        cmocka_unit_test_setup_teardown(they_are_counted_by_service_and_plain_text_apart,          \
                                        setup_of, teardown),                                       \
        cmocka_unit_test_setup_teardown(a_passed_deadline_is_an_error, setup_of, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = { OVER(setup_memory), OVER(setup_duckdb) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
