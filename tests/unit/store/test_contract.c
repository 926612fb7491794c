/* test_contract.c -- what every store must do, run over each of them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_help.h"
#include "sys/clock.h"
#include "sys/thread.h"

#include <stdatomic.h>

static int setup_gathering(void **state)
{
    return setup_of_store(state, &store_duckdb, 3600 * NS_PER_S);
}
static void appended_spans_are_visible_and_not_settled(void **state)
{
    struct fixture *f = *state;
    struct store_span rows[2] = { span_make(1, 1, T0), span_make(1, 2, T0 + 5) };
    assert_int_equal(f->ops->append(f->store, rows, 2, &f->why), ERR_OK);
    struct store_span *spans;
    size_t count;
    struct store_list list = list_of(NULL, 10);
    assert_int_equal(f->ops->spans(f->store, &list, &f->arena, &spans, &count, &f->why), ERR_OK);
    assert_int_equal(count, 2);
    assert_int_equal(spans[0].span.start_time, T0 + 5);
    assert_false(spans[0].settled);
    assert_int_equal(spans[0].log_offset, 7);
    struct trace_row *traces;
    assert_int_equal(f->ops->traces(f->store, &list, &f->arena, &traces, &count, &f->why), ERR_OK);
    assert_int_equal(count, 1);
    assert_false(traces[0].settled);
    assert_int_equal(traces[0].span_count, 2);
    assert_int_equal(traces[0].model_call_count, 2);
    assert_false(traces[0].has_input || traces[0].has_output);
}

static void a_trace_without_its_root_shows_its_earliest_span(void **state)
{
    struct fixture *f = *state;
    struct store_span rows[3] = { span_make(1, 2, T0 + 5), span_make(1, 3, T0 + 4),
                                  span_make(1, 1, T0 + 9) };
    SPAN_SET(&rows[0].span, parent_span_id, span_of(1));
    SPAN_SET(&rows[1].span, parent_span_id, span_of(1));
    SPAN_SET(&rows[1].span, name, STR_OF("first seen"));
    SPAN_SET(&rows[1].span, service, STR_OF("shop"));
    SPAN_SET(&rows[1].span, status, STR_OF("error"));
    SPAN_SET(&rows[2].span, name, STR_OF("root"));
    SPAN_SET(&rows[2].span, step, STR_OF("request"));
    SPAN_SET(&rows[2].span, service, STR_OF("front"));
    for (uint32_t count = 2; count <= 3; count++) {
        struct trace_row *traces;
        size_t trace_count;
        bool has_root = count == 3;
        struct store_list list = list_of(NULL, 10);
        assert_int_equal(f->ops->append(f->store, rows, count, &f->why), ERR_OK);
        assert_int_equal(f->ops->traces(f->store, &list, &f->arena, &traces, &trace_count, &f->why),
                         ERR_OK);
        assert_int_equal(trace_count, 1);
        assert_true(str_equal_c(traces[0].root_name, has_root ? "root" : "first seen"));
        assert_true(str_equal_c(traces[0].root_step, has_root ? "request" : "model"));
        assert_true(str_equal_c(traces[0].service, has_root ? "front" : "shop"));
        assert_true(str_equal_c(traces[0].status, has_root ? "ok" : "error"));
        assert_int_equal(!id8_is_zero(traces[0].root_span_id), has_root);
    }
}

static void a_span_appended_again_replaces_the_first(void **state)
{
    struct fixture *f = *state;
    struct store_span rows[2] = { span_make(1, 1, T0), span_make(1, 1, T0) };
    rows[1].span.name = STR_OF("second");
    assert_int_equal(f->ops->append(f->store, rows, 2, &f->why), ERR_OK);
    assert_int_equal(count_spans(f, list_of(NULL, 10)), 1);
    rows[0].span.name = STR_OF("third");
    assert_int_equal(f->ops->append(f->store, rows, 1, &f->why), ERR_OK);
    struct filter third = leaf_of(FILTER_EQ, FIELD_name, value_str(STR_OF("third")));
    assert_int_equal(count_spans(f, list_of(&third, 10)), 1);
    assert_int_equal(count_spans(f, list_of(NULL, 10)), 1);
}

static void commit_replaces_what_was_appended(void **state)
{
    struct fixture *f = *state;
    struct store_span rows[2] = { span_make(1, 1, T0), span_make(1, 2, T0 + 5) };
    bool known = true;
    struct id16 id = trace_of(1);
    str project = STR_OF("p1");
    assert_int_equal(f->ops->append(f->store, rows, 2, &f->why), ERR_OK);
    assert_int_equal(f->ops->known(f->store, &project, &id, 1, &known, &f->why), ERR_OK);
    assert_false(known);
    assert_int_equal(commit_trace_of(f, rows, 2, 5), ERR_OK);
    assert_int_equal(f->ops->known(f->store, &project, &id, 1, &known, &f->why), ERR_OK);
    assert_true(known);
    assert_int_equal(count_spans(f, list_of(NULL, 10)), 2);
    assert_int_equal(count_traces(f, list_of(NULL, 10)), 1);
    struct store_status status;
    f->ops->status(f->store, &status);
    assert_int_equal(status.span_count, 2);
    assert_int_equal(status.unsettled_count, 0);
    assert_int_equal(status.checkpoint_sequence, f->gather_ns ? 0 : 5);
}

static struct log_record log_make(uint64_t id)
{
    return (struct log_record){ .log_id = span_of(id),
                                .trace_id = trace_of(1),
                                .span_id = span_of(1),
                                .time_ns = T0 + (int64_t)id,
                                .severity = 9,
                                .severity_text = STR_OF("INFO"),
                                .event_name = STR_NONE,
                                .service = STR_OF("s") };
}

static void the_same_commit_twice_stores_it_once(void **state)
{
    struct fixture *f = *state;
    struct store_span rows[2] = { span_make(1, 1, T0), span_make(1, 2, T0 + 5) };
    const struct store_span *spans = rows;
    uint32_t count = 2;
    struct trace_row trace = trace_make(rows, 2);
    struct log_record logs[2] = { log_make(1), log_make(2) };
    struct metric_point point = { .type = METRIC_SUM,
                                  .name = STR_OF("m"),
                                  .unit = STR_OF("1"),
                                  .service = STR_OF("s"),
                                  .time_ns = T0,
                                  .has_value = true };
    str projects[2] = { STR_OF("p1"), STR_OF("p1") };
    struct store_commit commit = { .traces = &trace,
                                   .spans = &spans,
                                   .span_counts = &count,
                                   .trace_count = 1,
                                   .logs = logs,
                                   .log_projects = projects,
                                   .log_count = 2,
                                   .metrics = &point,
                                   .metric_projects = projects,
                                   .metric_count = 1,
                                   .checkpoint_sequence = 9 };
    for (int i = 0; i < 3; i++)
        assert_int_equal(f->ops->commit(f->store, &commit, &f->why), ERR_OK);
    struct store_status status;
    f->ops->status(f->store, &status);
    assert_int_equal(status.span_count, 2);
    assert_int_equal(status.trace_count, 1);
    assert_int_equal(status.log_count, 2);
    assert_int_equal(status.metric_count, 1);
    struct store_log *answer;
    size_t log_count;
    struct store_scope scope = { .project = STR_OF("p1"), .range = EVER };
    assert_int_equal(
        f->ops->logs(f->store, &scope, trace_of(1), &f->arena, &answer, &log_count, &f->why),
        ERR_OK);
    assert_int_equal(log_count, 2);
    assert_int_equal(answer[0].log.time_ns, T0 + 1);
    assert_true(str_is_none(answer[0].log.event_name));
    scope.tenant = STR_OF("acme");
    assert_int_equal(
        f->ops->logs(f->store, &scope, trace_of(1), &f->arena, &answer, &log_count, &f->why),
        ERR_OK);
    assert_int_equal(log_count, 0);
}

static void a_commit_says_up_to_where_items_are_stored(void **state)
{
    struct fixture *f = *state;
    struct log_record log = log_make(1);
    str project = STR_OF("p1");
    struct store_status status;
    struct store_commit commit = { .logs = &log, .log_projects = &project, .log_count = 1 };
    f->ops->status(f->store, &status);
    assert_int_equal(status.items_sequence, 0);
    commit.checkpoint_sequence = 3;
    commit.items_sequence = 8;
    assert_int_equal(f->ops->commit(f->store, &commit, &f->why), ERR_OK);
    f->ops->status(f->store, &status);
    assert_int_equal(status.checkpoint_sequence, f->gather_ns ? 0 : 3);
    assert_int_equal(status.items_sequence, 8);
    commit.log_count = 0; /* a trace that was open then: its sequences are behind */
    commit.checkpoint_sequence = 5;
    commit.items_sequence = 7;
    assert_int_equal(f->ops->commit(f->store, &commit, &f->why), ERR_OK);
    f->ops->status(f->store, &status);
    assert_int_equal(status.checkpoint_sequence, f->gather_ns ? 0 : 5);
    assert_int_equal(status.items_sequence, 8);
    assert_int_equal(status.log_count, 1);
    if (f->ops != &store_duckdb)
        return;
    f->ops->close(f->store);
    assert_true(fixture_open(f));
    f->ops->status(f->store, &status);
    assert_int_equal(status.checkpoint_sequence, 5);
    assert_int_equal(status.items_sequence, 8);
}

static void late_spans_join_a_settled_trace_once(void **state)
{
    struct fixture *f = *state;
    struct store_span rows[3] = { span_make(1, 1, T0), span_make(1, 2, T0 + 5),
                                  span_make(1, 3, T0 + 9) };
    assert_int_equal(commit_trace_of(f, rows, 2, 5), ERR_OK);
    /* one that is final already, one new */
    assert_int_equal(f->ops->append(f->store, rows + 1, 2, &f->why), ERR_OK);
    assert_int_equal(count_spans(f, list_of(NULL, 10)), 3);
    assert_int_equal(count_traces(f, list_of(NULL, 10)), 1);
    assert_int_equal(commit_trace_of(f, rows, 3, 6), ERR_OK);
    assert_int_equal(count_spans(f, list_of(NULL, 10)), 3);
    /* its start moves to another day */
    rows[2].span.start_time = T0 - 3 * 86400 * NS_PER_S;
    assert_int_equal(commit_trace_of(f, rows, 3, 7), ERR_OK);
    assert_int_equal(count_spans(f, list_of(NULL, 10)), 3);
    assert_int_equal(count_traces(f, list_of(NULL, 10)), 1);
}

static void projects_and_tenants_are_separate(void **state)
{
    struct fixture *f = *state;
    struct store_span rows[3] = { span_make(1, 1, T0), span_make(1, 1, T0), span_make(2, 2, T0) };
    rows[1].span.project = STR_OF("p2");
    SPAN_SET(&rows[2].span, tenant_id, STR_OF("acme"));
    assert_int_equal(f->ops->append(f->store, rows, 3, &f->why), ERR_OK);
    for (int pass = 0; pass < 2; pass++) {
        struct store_list list = list_of(NULL, 10);
        assert_int_equal(count_spans(f, list), 2);
        assert_int_equal(count_traces(f, list), 2);
        list.scope.tenant = STR_OF("acme");
        assert_int_equal(count_spans(f, list), 1);
        assert_int_equal(count_traces(f, list), 1);
        list.scope.tenant = STR_OF("nobody");
        assert_int_equal(count_spans(f, list), 0);
        list.scope.tenant = STR_NONE;
        list.scope.project = STR_OF("p2");
        assert_int_equal(count_spans(f, list), 1);
        list.scope.project = STR_OF("p3");
        assert_int_equal(count_spans(f, list), 0);
        for (uint64_t i = 0; i < 3; i++)
            assert_int_equal(commit_trace_of(f, &rows[i], 1, i + 1), ERR_OK);
    }
}

static const char *const attacks[] = {
    "'; DROP TABLE spans; --",
    "\" OR 1=1 --",
    "$1",
    "?",
    "%",
    "_",
    "\\",
    "a\\'b",
    "*",
    "\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80",
    "{\"a\":1}",
    "/~0~1",
    "$.x",
    "[0]",
    "",
    " ",
    "\t\n\x01",
};

static void texts_come_back_and_match_byte_for_byte(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i <= COUNT_OF(attacks); i++) {
        str text = i < COUNT_OF(attacks) ? str_from_c(attacks[i]) : str_make("a\0b", 3);
        struct store_span row = span_make(i + 1, 1, T0 + (int64_t)i);
        SPAN_SET(&row.span, user_id, text);     /* column */
        SPAN_SET(&row.span, feature, text);     /* dictionary */
        SPAN_SET(&row.span, parse_error, text); /* rare */
        SPAN_SET(&row.span, finish_reason, ((struct strs){ &text, 1 }));
        SPAN_SET(&row.span, chunk_ids, ((struct strs){ &text, 1 }));
        SPAN_SET(&row.span, parameters, text);
        struct attr attr = { text.len ? text : STR_OF("k"), value_str(text) };
        row.span.attrs = &attr;
        row.span.attr_count = 1;
        assert_int_equal(f->ops->append(f->store, &row, 1, &f->why), ERR_OK);
        for (int pass = 0; pass < 2; pass++) {
            enum field fields[] = { FIELD_user_id,       FIELD_feature,   FIELD_parse_error,
                                    FIELD_finish_reason, FIELD_chunk_ids, FIELD_parameters,
                                    FIELD_COUNT };
            for (size_t k = 0; k < COUNT_OF(fields); k++) {
                struct filter equal = leaf_of(FILTER_EQ, fields[k], value_str(text));
                equal.attr_key = attr.key;
                struct store_list list = list_of(&equal, 10);
                struct store_span *spans;
                size_t count = 0;
                assert_int_equal(f->ops->spans(f->store, &list, &f->arena, &spans, &count, &f->why),
                                 ERR_OK);
                if (count != 1)
                    fprintf(stderr, "# text %zu field %zu pass %d\n", i, k, pass);
                assert_int_equal(count, 1);
                assert_true(str_equal(spans[0].span.user_id, text));
                assert_true(str_equal(spans[0].span.feature, text));
                assert_true(str_equal(spans[0].span.parse_error, text));
                assert_true(str_equal(spans[0].span.chunk_ids.items[0], text));
            }
            assert_int_equal(commit_trace_of(f, &row, 1, i + 1), ERR_OK);
        }
    }
}

static void extreme_numbers_come_back(void **state)
{
    struct fixture *f = *state;
    int64_t numbers[] = { INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX };
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        struct store_span row = span_make(i + 1, 1, numbers[i]);
        SPAN_SET(&row.span, input_tokens, numbers[i]);
        SPAN_SET(&row.span, latency_ns, numbers[i]);
        SPAN_SET(&row.span, max_tokens, numbers[i]);
        SPAN_SET(&row.span, temperature, i % 2 ? 1e308 : 5e-324);
        struct attr attr = { STR_OF("n"), value_i64(numbers[i]) };
        row.span.attrs = &attr;
        row.span.attr_count = 1;
        assert_int_equal(f->ops->append(f->store, &row, 1, &f->why), ERR_OK);
        if (i % 2)
            assert_int_equal(commit_trace_of(f, &row, 1, i + 1), ERR_OK);
        enum field fields[] = { FIELD_input_tokens, FIELD_max_tokens, FIELD_COUNT };
        for (size_t k = 0; k < COUNT_OF(fields); k++) {
            struct filter equal = leaf_of(FILTER_EQ, fields[k], value_i64(numbers[i]));
            equal.attr_key = STR_OF("n");
            struct store_list list = list_of(&equal, 10);
            list.scope.range.to_ns = INT64_MAX;
            size_t expected = numbers[i] == INT64_MAX ? 0 : 1; /* the range's end is outside */
            assert_int_equal(count_spans(f, list), expected);
        }
    }
    assert_int_equal(count_traces(f, list_of(NULL, 10)), COUNT_OF(numbers) - 1);
    struct store_aggregate ask = { .scope = { .project = STR_OF("p1"), .range = EVER },
                                   .measures = { measure_field(STORE_OP_SUM, FIELD_input_tokens),
                                                 measure_quantile(FIELD_latency_ns, 0.5) },
                                   .measure_count = 2,
                                   .limit = 10,
                                   .step_ns = 60 * NS_PER_S };
    struct store_group *groups;
    size_t count;
    assert_int_equal(f->ops->aggregate(f->store, &ask, &f->arena, &groups, &count, &f->why),
                     ERR_OK);
}

static void pages_follow_each_other_without_gap_or_repeat(void **state)
{
    struct fixture *f = *state;
    for (uint64_t i = 0; i < 40; i++) {
        struct store_span row = span_make(i + 1, 1, T0 - (int64_t)(i / 3) * 20000 * NS_PER_S);
        SPAN_SET(&row.span, latency_ns, (int64_t)(i % 5) * NS_PER_MS);
        if (i % 4)
            assert_int_equal(commit_trace_of(f, &row, 1, i + 1), ERR_OK);
        else
            assert_int_equal(f->ops->append(f->store, &row, 1, &f->why), ERR_OK);
    }
    for (enum store_sort sort = STORE_SORT_START; sort <= STORE_SORT_OLDEST; sort++) {
        struct store_list list = list_of(NULL, 7);
        list.sort = sort;
        size_t total = 0, count;
        struct sort_key last = { 0 };
        do {
            struct store_span *spans;
            assert_int_equal(f->ops->spans(f->store, &list, &f->arena, &spans, &count, &f->why),
                             ERR_OK);
            for (size_t i = 0; i < count; i++) {
                struct sort_key key = sort_key_of(&spans[i].span, sort);
                assert_true(total + i == 0 || sort_key_cmp(&last, &key) < 0);
                last = key;
            }
            total += count;
            list.has_after = true;
            list.after_value = last.value;
            list.after_start_ns = last.start_ns;
            list.after_trace_id = last.trace_id;
            list.after_span_id = last.span_id;
        } while (count > 0);
        assert_int_equal(total, 40);
    }
}

static void sums_leave_out_rollups_and_unknowns(void **state)
{
    struct fixture *f = *state;
    struct store_span rows[3] = { span_make(1, 1, T0), span_make(1, 2, T0 + 1),
                                  span_make(2, 3, T0 + 2) };
    SPAN_SET(&rows[0].span, input_tokens, 10);
    SPAN_SET(&rows[0].span, cost_nanousd, 500);
    SPAN_SET(&rows[1].span, input_tokens, 10);
    SPAN_SET(&rows[1].span, rollup, true);
    SPAN_SET(&rows[1].span, latency_ns, 50 * NS_PER_MS);
    SPAN_SET(&rows[2].span, cost_source, STR_OF("unknown"));
    SPAN_SET(&rows[2].span, status, STR_OF("error"));
    assert_int_equal(commit_trace_of(f, rows, 2, 1), ERR_OK);
    assert_int_equal(f->ops->append(f->store, &rows[2], 1, &f->why), ERR_OK);
    struct filter rollup = leaf_of(FILTER_EQ, FIELD_rollup, value_bool(true));
    struct filter once = { .op = FILTER_NOT, .left = &rollup };
    struct filter error = leaf_of(FILTER_EQ, FIELD_status, value_str(STR_OF("error")));
    struct filter unpriced = leaf_of(FILTER_EQ, FIELD_cost_source, value_str(STR_OF("unknown")));
    struct store_aggregate ask = {
        .scope = { .project = STR_OF("p1"), .range = EVER },
        .measures = { measure_of(STORE_OP_COUNT), measure_where(measure_of(STORE_OP_COUNT), &error),
                      measure_where(measure_field(STORE_OP_SUM, FIELD_input_tokens), &once),
                      measure_where(measure_field(STORE_OP_SUM, FIELD_output_tokens), &once),
                      measure_where(measure_field(STORE_OP_SUM, FIELD_cost_nanousd), &once),
                      measure_where(measure_of(STORE_OP_COUNT), &unpriced),
                      measure_quantile(FIELD_latency_ns, 0.95),
                      measure_quantile(FIELD_ttft_ns, 0.5), measure_of(STORE_OP_TRACES) },
        .measure_count = 9,
        .limit = 10
    };
    struct store_group *groups;
    size_t count;
    assert_int_equal(f->ops->aggregate(f->store, &ask, &f->arena, &groups, &count, &f->why),
                     ERR_OK);
    assert_int_equal(count, 1);
    double expected[9] = { 3, 1, 10, -1, 500, 1, 50e6, -1, 2 };
    for (int i = 0; i < 9; i++) {
        assert_int_equal(groups[0].known[i], expected[i] >= 0);
        if (expected[i] >= 0)
            assert_true(groups[0].values[i] == expected[i]);
    }
    assert_memory_equal(&groups[0].exemplar_trace_id, &rows[1].span.trace_id, 16);
}

static void a_trace_condition_holds_for_its_row_or_for_some_span(void **state)
{
    struct fixture *f = *state;
    struct store_span rows[2] = { span_make(1, 1, T0), span_make(1, 2, T0 + 5) };
    SPAN_SET(&rows[1].span, step, STR_OF("tool"));
    SPAN_SET(&rows[1].span, tool_name, STR_OF("shell"));
    assert_int_equal(f->ops->append(f->store, rows, 2, &f->why), ERR_OK);
    for (int pass = 0; pass < 2; pass++) {
        struct filter tool = leaf_of(FILTER_EQ, FIELD_step, value_str(STR_OF("tool")));
        struct filter shell = leaf_of(FILTER_LIKE, FIELD_tool_name, value_str(STR_OF("sh*l")));
        struct filter guard = leaf_of(FILTER_NE, FIELD_step, value_str(STR_OF("guard")));
        struct filter slow = leaf_of(FILTER_GT, FIELD_latency_ns, value_i64(NS_PER_MS));
        struct filter both = { .op = FILTER_AND, .left = &tool, .right = &shell };
        struct filter no_tool = { .op = FILTER_NOT, .left = &tool };
        assert_int_equal(count_traces(f, list_of(&both, 10)), 1);
        assert_int_equal(count_traces(f, list_of(&guard, 10)), 1);
        assert_int_equal(count_traces(f, list_of(&slow, 10)), 1); /* 5 ns more than a span */
        assert_int_equal(count_traces(f, list_of(&no_tool, 10)), 0);
        assert_int_equal(commit_trace_of(f, rows, 2, 1), ERR_OK);
    }
}

static void a_passed_deadline_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct store_span row = span_make(1, 1, T0);
    assert_int_equal(commit_trace_of(f, &row, 1, 1), ERR_OK);
    struct store_list list = list_of(NULL, 10);
    list.scope.deadline_ns = 1;
    struct store_span *spans;
    size_t count;
    assert_int_equal(f->ops->spans(f->store, &list, &f->arena, &spans, &count, &f->why),
                     ERR_DEADLINE);
    list.scope.deadline_ns = 0;
    assert_int_equal(count_spans(f, list), 1); /* the connection is usable again */
}

static void a_filter_too_deep_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct filter nodes[STORE_FILTER_DEPTH_MAX + 1];
    struct value name = value_str(STR_OF("chat"));
    for (int depth = STORE_FILTER_DEPTH_MAX; depth <= STORE_FILTER_DEPTH_MAX + 1; depth++) {
        for (int i = 0; i + 1 < depth; i++)
            nodes[i] = (struct filter){ .op = FILTER_NOT, .left = &nodes[i + 1] };
        nodes[depth - 1] = leaf_of(FILTER_EQ, FIELD_name, name);
        struct store_list list = list_of(nodes, 10);
        struct store_span *spans;
        size_t count;
        assert_int_equal(f->ops->spans(f->store, &list, &f->arena, &spans, &count, &f->why),
                         depth <= STORE_FILTER_DEPTH_MAX ? ERR_OK : ERR_LIMIT);
    }
}

/* Readers while a writer moves traces to disk: each span exactly once, always. */
enum { MOVE_TRACES = 60, MOVE_SPANS = 5 };
struct mover {
    struct fixture *f;
    _Atomic bool done;
    _Atomic uint32_t begun, appended;
    enum err code;
};

static void rows_of(uint64_t t, struct store_span rows[MOVE_SPANS])
{
    for (uint64_t i = 0; i < MOVE_SPANS; i++)
        rows[i] = span_make(t, i + 1, T0 + (int64_t)t * 3000 * NS_PER_S);
}

/* A new trace, and in the same commit one that is stored already. */
static enum err move_one(struct mover *mover, uint64_t t)
{
    struct store_span rows[2][MOVE_SPANS];
    const struct store_span *spans[2] = { rows[0], rows[1] };
    const uint32_t counts[2] = { MOVE_SPANS, MOVE_SPANS };
    rows_of(t, rows[0]);
    rows_of(t - 1, rows[1]);
    struct trace_row traces[2] = { trace_make(rows[0], MOVE_SPANS),
                                   trace_make(rows[1], MOVE_SPANS) };
    struct store_commit commit = { .traces = traces,
                                   .spans = spans,
                                   .span_counts = counts,
                                   .trace_count = t > 1 ? 2 : 1,
                                   .checkpoint_sequence = t };
    atomic_fetch_add(&mover->begun, MOVE_SPANS);
    enum err code = mover->f->ops->append(mover->f->store, rows[0], MOVE_SPANS, NULL);
    atomic_fetch_add(&mover->appended, MOVE_SPANS);
    return code == ERR_OK ? mover->f->ops->commit(mover->f->store, &commit, NULL) : code;
}

static void move_all(void *arg)
{
    struct mover *mover = arg;
    for (uint64_t t = 1; t <= MOVE_TRACES && mover->code == ERR_OK; t++)
        mover->code = move_one(mover, t);
    atomic_store(&mover->done, true);
}

static uint64_t count_by_aggregate(struct fixture *f)
{
    struct store_aggregate ask = { .scope = { .project = STR_OF("p1"), .range = EVER },
                                   .measures = { measure_of(STORE_OP_COUNT) },
                                   .measure_count = 1,
                                   .limit = 1 };
    struct store_group *groups;
    struct diag why = DIAG_NONE;
    size_t count = 0;
    if (f->ops->aggregate(f->store, &ask, &f->arena, &groups, &count, &why) != ERR_OK)
        return UINT64_MAX;
    return count ? (uint64_t)groups[0].values[0] : 0;
}

static void a_moving_trace_is_seen_exactly_once(void **state)
{
    struct fixture *f = *state;
    struct mover mover = { .f = f };
    struct thread thread = { 0 };
    thread_start(&thread, "mover", move_all, &mover);
    while (!atomic_load(&mover.done)) {
        arena_reset(&f->arena);
        for (int how = 0; how < 3; how++) {
            struct store_list list = list_of(NULL, 10000);
            list.sort = how == 2 ? STORE_SORT_LATENCY : STORE_SORT_START;
            uint32_t before = atomic_load(&mover.appended);
            uint64_t seen = how == 0 ? count_by_aggregate(f) : count_spans(f, list);
            uint32_t after = atomic_load(&mover.begun);
            assert_in_range(seen, before, after);
            assert_int_equal(seen % MOVE_SPANS, 0);
        }
    }
    thread_join(&thread);
    assert_int_equal(mover.code, ERR_OK);
    assert_int_equal(count_by_aggregate(f), MOVE_TRACES * MOVE_SPANS);
}

#define OVER(setup_of)                                                                             \
    cmocka_unit_test_setup_teardown(appended_spans_are_visible_and_not_settled, setup_of,          \
                                    teardown),                                                     \
        cmocka_unit_test_setup_teardown(a_trace_without_its_root_shows_its_earliest_span,          \
                                        setup_of, teardown),                                       \
        cmocka_unit_test_setup_teardown(a_span_appended_again_replaces_the_first, setup_of,        \
                                        teardown),                                                 \
        cmocka_unit_test_setup_teardown(commit_replaces_what_was_appended, setup_of, teardown),    \
        cmocka_unit_test_setup_teardown(the_same_commit_twice_stores_it_once, setup_of, teardown), \
        cmocka_unit_test_setup_teardown(a_commit_says_up_to_where_items_are_stored, setup_of,      \
                                        teardown),                                                 \
        cmocka_unit_test_setup_teardown(late_spans_join_a_settled_trace_once, setup_of, teardown), \
        cmocka_unit_test_setup_teardown(projects_and_tenants_are_separate, setup_of, teardown),    \
        cmocka_unit_test_setup_teardown(texts_come_back_and_match_byte_for_byte, setup_of,         \
                                        teardown),                                                 \
        cmocka_unit_test_setup_teardown(extreme_numbers_come_back, setup_of, teardown),            \
        cmocka_unit_test_setup_teardown(pages_follow_each_other_without_gap_or_repeat, setup_of,   \
                                        teardown),                                                 \
        cmocka_unit_test_setup_teardown(sums_leave_out_rollups_and_unknowns, setup_of, teardown),  \
        cmocka_unit_test_setup_teardown(a_trace_condition_holds_for_its_row_or_for_some_span,      \
                                        setup_of, teardown),                                       \
        cmocka_unit_test_setup_teardown(a_passed_deadline_is_an_error, setup_of, teardown),        \
        cmocka_unit_test_setup_teardown(a_filter_too_deep_is_an_error, setup_of, teardown),        \
        cmocka_unit_test_setup_teardown(a_moving_trace_is_seen_exactly_once, setup_of, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = { OVER(setup_memory), OVER(setup_duckdb),
                                        OVER(setup_gathering) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
