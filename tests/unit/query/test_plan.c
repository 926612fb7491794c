/* test_plan.c -- times, URL parameters, plans and cursors.
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
#include "query/query.h"
#include "store/store_int.h"
#include <stdio.h>

static const int64_t now = INT64_C(1795258800) * NS_PER_S; /* 2026-11-21T11:00:00Z */

static int setup(void **state)
{
    struct arena *arena = xcalloc(1, sizeof *arena);
    arena_init(arena, MIB);
    *state = arena;
    return 0;
}

static int teardown(void **state)
{
    arena_clear(*state);
    xfree(*state);
    return 0;
}

/* shows: A5 */
static void every_form_of_a_time_is_the_same_instant(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "1795258800",
        "1795258800.0",
        "1795258800000",
        "1795258800000000",
        "1795258800000000000",
        "2026-11-21T11:00:00Z",
        "2026-11-21T12:00:00+01:00",
        "2026-11-21T12:00:00 01:00",
        "now",
        "now-0s",
        " now ",
    };
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        int64_t ns = 0;
        assert_int_equal(query_parse_time(str_from_c(forms[i]), now, &ns, NULL), ERR_OK);
        if (ns != now)
            fail_msg("%s is %lld", forms[i], (long long)ns);
    }
    int64_t ns;
    assert_int_equal(query_parse_time(STR_OF("now-90m"), now, &ns, NULL), ERR_OK);
    assert_true(ns == now - 5400 * NS_PER_S);
    assert_int_equal(query_parse_time(STR_OF("now 5m"), now, &ns, NULL), ERR_OK);
    assert_true(ns == now + 300 * NS_PER_S);
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const forms[] = { "",
                                         "yesterday",
                                         "now-",
                                         "now-5",
                                         "nowish",
                                         "now*1h",
                                         "2026-13-01",
                                         "1e300",
                                         "nan",
                                         "99999999999999999999",
                                         "now-999999999d now" };
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        int64_t ns = 7;
        struct diag why = DIAG_NONE;
        if (query_parse_time(str_from_c(forms[i]), now, &ns, &why) != ERR_BAD_INPUT)
            fail_msg("accepted %s", forms[i]);
        assert_true(ns == 7);
        assert_true(why.hint[0] != '\0');
    }
}

static void parameters_are_decoded_strictly(void **state)
{
    struct query_param *params;
    size_t count;
    struct diag why = DIAG_NONE;
    str query = STR_OF("q=a%3Ab+c%20d&&limit=&flag&x=%C3%A9=");
    assert_int_equal(query_parse_params(*state, query, &params, &count, &why), ERR_OK);
    assert_int_equal(count, 4);
    assert_true(str_equal_c(query_param_find(params, count, STR_OF("q")), "a:b c d"));
    assert_true(str_equal_c(query_param_find(params, count, STR_OF("limit")), ""));
    assert_true(str_equal_c(query_param_find(params, count, STR_OF("flag")), ""));
    assert_true(str_equal_c(query_param_find(params, count, STR_OF("x")), "\xc3\xa9="));
    assert_true(str_is_none(query_param_find(params, count, STR_OF("y"))));
    static const char *const bad[] = { "q=%", "q=%4", "q=%zz", "q=%00", "q=%ff", "%" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(query_parse_params(*state, str_from_c(bad[i]), &params, &count, &why),
                         ERR_BAD_INPUT);
    assert_int_equal(query_parse_params(*state, STR_OF("a=b&q=%z"), &params, &count, &why),
                     ERR_BAD_INPUT);
    assert_int_equal(why.offset, 6);
    assert_int_equal(query_parse_params(*state, STR_NONE, &params, &count, &why), ERR_OK);
    assert_int_equal(count, 0);
}

static void the_number_of_parameters_is_limited(void **state)
{
    struct query_param *params;
    size_t count;
    str many = STR_OF("a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q&r&s&t&u&v&w&x&y&z&1&2&3&4&5&6&7");
    str enough = str_sub(many, 0, many.len - 2);
    assert_int_equal(query_parse_params(*state, enough, &params, &count, NULL), ERR_OK);
    assert_int_equal(count, QUERY_PARAMS_MAX);
    assert_int_equal(query_parse_params(*state, many, &params, &count, NULL), ERR_LIMIT);
}

static enum err plan_list(struct arena *arena, const char *query, struct store_list *ret_list,
                          struct diag *reterr_why)
{
    struct query_param *params;
    size_t count;
    assert_int_equal(query_parse_params(arena, str_from_c(query), &params, &count, NULL), ERR_OK);
    return query_plan_list(arena, params, count, now, ret_list, reterr_why);
}

static enum err plan_aggregate(struct arena *arena, const char *query,
                               struct query_aggregate *ret_plan, struct diag *reterr_why)
{
    struct query_param *params;
    size_t count;
    assert_int_equal(query_parse_params(arena, str_from_c(query), &params, &count, NULL), ERR_OK);
    return query_plan_aggregate(arena, params, count, now, ret_plan, reterr_why);
}

static void a_list_has_defaults(void **state)
{
    struct store_list list;
    assert_int_equal(plan_list(*state, "", &list, NULL), ERR_OK);
    assert_int_equal(list.limit, 50);
    assert_int_equal(list.sort, STORE_SORT_START);
    assert_null(list.filter);
    assert_false(list.has_after);
    assert_true(list.scope.range.from_ns == now - 86400 * NS_PER_S);
    assert_true(list.scope.range.to_ns == now + 300 * NS_PER_S);
    assert_int_equal(plan_list(*state, "to=now-1h", &list, NULL), ERR_OK);
    assert_true(list.scope.range.from_ns == now - 25 * 3600 * NS_PER_S);
    assert_true(list.scope.range.to_ns == now - 3600 * NS_PER_S);
    assert_int_equal(plan_list(*state, "limit=1000&sort=cost&q=cost%3E1", &list, NULL), ERR_OK);
    assert_int_equal(list.limit, 1000);
    assert_int_equal(list.sort, STORE_SORT_COST);
    assert_int_equal(list.filter->op, FILTER_GT);
    assert_int_equal(plan_list(*state, "limit=1", &list, NULL), ERR_OK);
}

struct refusal {
    const char *query;
    enum err code;
    const char *text, *hint; /* parts of them */
};

static void expect_why(const struct refusal *want, enum err code, const struct diag *why)
{
    if (code != want->code || !strstr(why->text, want->text) || !strstr(why->hint, want->hint))
        fail_msg("%s: %s: %s (%s)", want->query, err_name(code), why->text, why->hint);
}

static void a_list_refuses_with_the_parameter_and_a_suggestion(void **state)
{
    static const struct refusal refusals[] = {
        { "limt=5", ERR_BAD_INPUT, "'limt'", "'limit'" },
        { "limit=0", ERR_BAD_INPUT, "1 to 1000", "" },
        { "limit=1001", ERR_BAD_INPUT, "1 to 1000", "" },
        { "limit=-1", ERR_BAD_INPUT, "limit:", "" },
        { "limit=", ERR_BAD_INPUT, "limit:", "" },
        { "q=a&q=b", ERR_BAD_INPUT, "twice", "" },
        { "q=tenat:x", ERR_BAD_INPUT, "q: unknown field", "'tenant'" },
        { "from=soon", ERR_BAD_INPUT, "from:", "now-1h" },
        { "to=soon", ERR_BAD_INPUT, "to:", "now-1h" },
        { "from=now&to=now", ERR_BAD_INPUT, "from:", "" },
        { "sort=costs", ERR_BAD_INPUT, "sort:", "'cost'" },
        { "cursor=abc", ERR_BAD_INPUT, "cursor:", "next_cursor" },
    };
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        struct store_list list;
        struct diag why = DIAG_NONE;
        enum err code = plan_list(*state, refusals[i].query, &list, &why);
        expect_why(&refusals[i], code, &why);
        assert_int_equal(plan_list(*state, refusals[i].query, &list, NULL), refusals[i].code);
    }
}

static void an_aggregate_names_metrics_and_dimensions(void **state)
{
    struct query_aggregate plan;
    const struct store_aggregate *ask = &plan.ask;
    assert_int_equal(plan_aggregate(*state,
                                    "metric=cost,latency_p95,cost&by=model,tenant,x.y,rollup&"
                                    "step=1h&q=status:error&from=now-7d",
                                    &plan, NULL),
                     ERR_OK);
    assert_int_equal(plan.metric_count, 2);
    assert_true(str_equal_c(plan.metrics[0].json, "cost_usd"));
    assert_int_equal(ask->measures[0].op, STORE_OP_SUM);
    assert_int_equal(ask->measures[0].field, FIELD_cost_nanousd);
    assert_int_equal(ask->measures[0].filter->op, FILTER_NOT);
    assert_int_equal(ask->measures[1].op, STORE_OP_QUANTILE);
    assert_int_equal(ask->measures[1].field, FIELD_latency_ns);
    assert_true(ask->measures[1].quantile == 0.95);
    assert_int_equal(ask->by_count, 4);
    assert_int_equal(ask->by[0], FIELD_generator_model);
    assert_int_equal(ask->by[1], FIELD_tenant_id);
    assert_int_equal(ask->by[2], FIELD_COUNT);
    assert_true(str_equal_c(ask->by_attr[2], "x.y"));
    assert_true(ask->step_ns == 3600 * NS_PER_S);
    assert_int_equal(ask->limit, QUERY_STEP_ROWS_DEFAULT);
    assert_int_equal(plan_aggregate(*state, "by=%22my%20own%22", &plan, NULL), ERR_OK);
    assert_int_equal(ask->by[0], FIELD_COUNT);
    assert_int_equal(plan_aggregate(*state, "by=%22model%22", &plan, NULL), ERR_OK);
    assert_int_equal(ask->by[0], FIELD_request_model); /* what was sent as "model" */
    assert_int_equal(plan.metric_count, 1);
    assert_int_equal(ask->measures[0].op, STORE_OP_COUNT);
    assert_int_equal(ask->limit, QUERY_LIMIT_DEFAULT);
}

static void every_metric_of_the_table_can_be_planned(void **state)
{
    static const char *const names[] = {
#define METRIC(name, json, kind, combine, top, bottom, unknown, doc) name,
#include "query/metric.def"
#undef METRIC
    };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct query_aggregate plan;
        struct diag why = DIAG_NONE;
        str query = arena_printf(*state, "metric=%s,count", names[i]);
        const char *text = arena_printf(*state, "%.*s%c", STR_ARG(query), 0).ptr;
        enum err code = plan_aggregate(*state, text, &plan, &why);
        if (code != ERR_OK || aggregate_check(&plan.ask, &why) != ERR_OK)
            fail_msg("%s: %s (%s)", names[i], why.text, why.hint);
        assert_true(plan.metrics[0].combine == QUERY_COMBINE_ONE ||
                    plan.metrics[0].combine >= QUERY_COMBINE_PER_SECOND ||
                    plan.metrics[0].bottom == 1);
    }
}

static void a_metric_can_be_written_out(void **state)
{
    static const struct {
        const char *metric;
        enum store_op op;
        enum store_of of;
        enum query_kind kind;
        uint32_t measures;
    } cases[] = {
        { "p90(latency)", STORE_OP_QUANTILE, STORE_OF_FIELD, QUERY_KIND_NS, 1 },
        { "p99.9(queue)", STORE_OP_QUANTILE, STORE_OF_FIELD, QUERY_KIND_NS, 1 },
        { "median(cost)", STORE_OP_QUANTILE, STORE_OF_FIELD, QUERY_KIND_NANO, 1 },
        { "p0(my.number)", STORE_OP_QUANTILE, STORE_OF_ATTR, QUERY_KIND_NUMBER, 1 },
        { "p100(my.number)", STORE_OP_QUANTILE, STORE_OF_ATTR, QUERY_KIND_NUMBER, 1 },
        { "avg(input_tokens)", STORE_OP_SUM, STORE_OF_FIELD, QUERY_KIND_NUMBER, 2 },
        { "avg(latency)", STORE_OP_SUM, STORE_OF_FIELD, QUERY_KIND_NS, 2 },
        { "count(status:error and step:tool)", STORE_OP_COUNT, STORE_OF_SPANS, QUERY_KIND_COUNT,
          1 },
        { "traces(model:(a or b))", STORE_OP_TRACES, STORE_OF_SPANS, QUERY_KIND_COUNT, 1 },
        { "share(status:error)", STORE_OP_COUNT, STORE_OF_SPANS, QUERY_KIND_SHARE, 2 },
        { "share(status:error)%20where%20step:tool", STORE_OP_COUNT, STORE_OF_SPANS,
          QUERY_KIND_SHARE, 2 },
        { "sum(output_tokens)%20where%20model:%22a,b)%22", STORE_OP_SUM, STORE_OF_FIELD,
          QUERY_KIND_COUNT, 1 },
        { "distinct(user)", STORE_OP_DISTINCT, STORE_OF_FIELD, QUERY_KIND_COUNT, 1 },
        { "known(refusal_flag)", STORE_OP_COUNT, STORE_OF_FIELD, QUERY_KIND_COUNT, 1 },
        { "min(start_time)", STORE_OP_MIN, STORE_OF_FIELD, QUERY_KIND_TIME, 1 },
        { "max(end)", STORE_OP_MAX, STORE_OF_END, QUERY_KIND_TIME, 1 },
        { "avg(score.tone)", STORE_OP_SUM, STORE_OF_SCORES, QUERY_KIND_NUMBER, 2 },
        { "p10(score.tone)", STORE_OP_QUANTILE, STORE_OF_SCORES, QUERY_KIND_NUMBER, 1 },
        { "count(scores%20by%20judge%20user%20fail)", STORE_OP_COUNT, STORE_OF_SCORES,
          QUERY_KIND_COUNT, 1 },
    };
    struct query_aggregate plan;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct diag why = DIAG_NONE;
        str query = arena_printf(*state, "metric=%s%c", cases[i].metric, 0);
        if (plan_aggregate(*state, query.ptr, &plan, &why) != ERR_OK)
            fail_msg("%s: %s (%s)", cases[i].metric, why.text, why.hint);
        assert_int_equal(plan.metric_count, 1);
        assert_int_equal(plan.ask.measures[0].op, cases[i].op);
        assert_int_equal(plan.ask.measures[0].of, cases[i].of);
        assert_int_equal(plan.metrics[0].kind, cases[i].kind);
        assert_int_equal(plan.ask.measure_count, cases[i].measures);
    }
    assert_int_equal(plan.ask.measures[0].sources, 1 << SCORE_BY_JUDGE | 1 << SCORE_BY_USER);
    assert_int_equal(plan.ask.measures[0].verdict, STORE_VERDICT_FAIL);
}

static void a_comparison_is_a_second_question(void **state)
{
    struct query_aggregate plan;
    struct store_aggregate other;
    assert_int_equal(plan_aggregate(*state, "compare=previous&from=now-7d", &plan, NULL), ERR_OK);
    query_plan_baseline(&plan, &other);
    assert_true(other.scope.range.to_ns == plan.ask.scope.range.from_ns);
    assert_true(other.scope.range.from_ns == now - 14 * 86400 * NS_PER_S);
    assert_int_equal(plan_aggregate(*state, "compare=previous&from=now-90m&step=1h", &plan, NULL),
                     ERR_OK); /* steps lie over steps */
    query_plan_baseline(&plan, &other);
    assert_true(other.scope.range.from_ns == plan.ask.scope.range.from_ns - 7200 * NS_PER_S);
    assert_int_equal(plan_aggregate(*state, "compare=now-3d..now-2d", &plan, NULL), ERR_OK);
    query_plan_baseline(&plan, &other);
    assert_true(other.scope.range.to_ns == now - 2 * 86400 * NS_PER_S);
    assert_int_equal(
        plan_aggregate(*state, "compare=2026-11-01T00:00:00Z..2026-11-02T00:00:00Z", &plan, NULL),
        ERR_OK);
    assert_int_equal(plan.compare, QUERY_COMPARE_RANGE);
    assert_int_equal(
        plan_aggregate(*state, "compare=prompt_version:v1..v2&q=step:model", &plan, NULL), ERR_OK);
    query_plan_baseline(&plan, &other);
    assert_true(str_equal_c(plan.ask.filter->right->value.text, "v2"));
    assert_true(str_equal_c(other.filter->right->value.text, "v1"));
    assert_int_equal(plan_aggregate(*state, "compare=version:1.5&from=now-7d", &plan, NULL),
                     ERR_OK);
    assert_int_equal(plan.compare, QUERY_COMPARE_SINCE);
    query_plan_split(&plan, now - 86400 * NS_PER_S);
    query_plan_baseline(&plan, &other);
    assert_true(plan.ask.scope.range.from_ns == now - 86400 * NS_PER_S);
    assert_true(other.scope.range.from_ns == now - 2 * 86400 * NS_PER_S);
}

static void ratios_of_groups_are_of_their_sums(void **state)
{
    struct query_aggregate plan;
    struct store_group group = { .known = { true, true, true, true } };
    double value;
    assert_int_equal(
        plan_aggregate(*state, "metric=refusal_rate,tokens_per_day&from=now-2d", &plan, NULL),
        ERR_OK);
    group.values[0] = 3;
    group.values[1] = 12;
    group.values[plan.metrics[1].top] = 500;
    assert_true(query_metric_value(&plan, &plan.ask, &group, 0, &value) && value == 0.25);
    assert_true(query_metric_value(&plan, &plan.ask, &group, 1, &value) && value == 250);
    group.values[1] = 0; /* of none: unknown, not 0 */
    assert_false(query_metric_value(&plan, &plan.ask, &group, 0, &value));
}

static void an_aggregate_refuses_what_it_cannot_do(void **state)
{
    static const struct refusal refusals[] = {
        { "metric=costs", ERR_BAD_INPUT, "metric:", "'cost'" },
        { "metric=", ERR_BAD_INPUT, "metric:", "" },
        { "by=modle", ERR_BAD_INPUT, "by:", "'model'" },
        { "by=cost", ERR_BAD_INPUT, "by:", "" },
        { "by=trace_id", ERR_BAD_INPUT, "by:", "" },
        { "by=a.a,a.b,a.c,a.d,a.e", ERR_LIMIT, "by:", "" },
        { "step=999ms", ERR_BAD_INPUT, "step:", "" },
        { "step=5", ERR_BAD_INPUT, "step:", "" },
        { "step=1s", ERR_LIMIT, "step:", "larger" },
        { "step=1h&limit=10001", ERR_BAD_INPUT, "10000", "" },
        { "limit=1001", ERR_BAD_INPUT, "1000", "" },
        { "sort=cost", ERR_BAD_INPUT, "'sort'", "" },
        { "metric=latencyp95", ERR_BAD_INPUT, "latencyp95", "'latency_p95'" },
        { "metric=p101(latency)", ERR_BAD_INPUT, "p101", "" },
        { "metric=p-1(latency)", ERR_BAD_INPUT, "p-1", "" },
        { "metric=avg(model)", ERR_BAD_INPUT, "no number", "" },
        { "metric=avg(latensy)", ERR_BAD_INPUT, "latensy", "'latency'" },
        { "metric=avg(latency", ERR_BAD_INPUT, "OP(WHAT)", "" },
        { "metric=mean(latency)", ERR_BAD_INPUT, "no operation", "" },
        { "metric=share()", ERR_BAD_INPUT, "filter", "" },
        { "metric=count(statu:error)", ERR_BAD_INPUT, "statu", "'status'" },
        { "metric=count()%20if%20a:b", ERR_BAD_INPUT, "where", "" },
        { "metric=sum(latency)%20where%20", ERR_BAD_INPUT, "where", "" },
        { "metric=count(@calls)", ERR_OK, "", "" }, /* a word like others */
        { "metric=sum(bucket.x)", ERR_OK, "", "" }, /* an attribute */
        { "metric=distinct(latency)", ERR_BAD_INPUT, "no text", "" },
        { "metric=count(scores%20by%20nobody)", ERR_BAD_INPUT, "nobody", "" },
        { "top=0&by=model", ERR_BAD_INPUT, "1 to 100", "" },
        { "top=101&by=model", ERR_BAD_INPUT, "1 to 100", "" },
        { "top=100&by=model", ERR_OK, "", "" },
        { "top=5", ERR_BAD_INPUT, "'by'", "" },
        { "compare=yesterday", ERR_BAD_INPUT, "compare:", "" },
        { "compare=now..now-1h", ERR_BAD_INPUT, "compare:", "" },
        { "compare=modle:a..b", ERR_BAD_INPUT, "compare:", "'model'" },
        { "compare=model:..b", ERR_BAD_INPUT, "compare:", "" },
        { "projection=year", ERR_BAD_INPUT, "'month'", "" },
        { "projection=month&metric=latency_p95", ERR_BAD_INPUT, "latency_p95", "sums" },
        { "projection=month&metric=cost,total_tokens", ERR_OK, "", "" },
    };
    struct query_aggregate plan;
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        struct diag why = DIAG_NONE;
        enum err code = plan_aggregate(*state, refusals[i].query, &plan, &why);
        expect_why(&refusals[i], code, &why);
    }
    assert_int_equal(plan_aggregate(*state, "step=1s&from=now-10000s&to=now", &plan, NULL), ERR_OK);
    assert_int_equal(plan_aggregate(*state, "step=1h&limit=10000", &plan, NULL), ERR_OK);
}

static struct store_span some_span(void)
{
    struct store_span row = { .settled = true };
    for (size_t i = 0; i < sizeof row.span.trace_id.bytes; i++)
        row.span.trace_id.bytes[i] = (uint8_t)(i * 17 + 1);
    row.span.span_id.bytes[7] = 9;
    SPAN_SET(&row.span, start_time, now);
    SPAN_SET(&row.span, cost_nanousd, INT64_C(123456789));
    return row;
}

static void a_cursor_gives_back_its_row_and_only_for_its_sort(void **state)
{
    struct store_span row = some_span();
    struct store_list list;
    struct diag why = DIAG_NONE;
    char query[300];
    str cursor = query_cursor_of_span(*state, STORE_SORT_COST, &row);
    snprintf(query, sizeof query, "sort=cost&cursor=%.*s", STR_ARG(cursor));
    assert_int_equal(plan_list(*state, query, &list, NULL), ERR_OK);
    assert_true(list.has_after);
    assert_true(list.after_value == 123456789);
    assert_true(list.after_start_ns == now);
    assert_memory_equal(&list.after_trace_id, &row.span.trace_id, sizeof(struct id16));
    assert_memory_equal(&list.after_span_id, &row.span.span_id, sizeof(struct id8));
    snprintf(query, sizeof query, "cursor=%.*s", STR_ARG(cursor));
    assert_int_equal(plan_list(*state, query, &list, &why), ERR_BAD_INPUT);
    assert_non_null(strstr(why.text, "sort order"));
    cursor = query_cursor_of_span(*state, STORE_SORT_LATENCY, &row); /* unknown sorts as -1 */
    snprintf(query, sizeof query, "sort=latency&cursor=%.*s", STR_ARG(cursor));
    assert_int_equal(plan_list(*state, query, &list, &why), ERR_OK);
    assert_true(list.after_value == -1);
}

static void a_trace_cursor_gives_back_its_row(void **state)
{
    struct trace_row row = { .start_ns = now,
                             .end_ns = now + 5,
                             .has_input = true,
                             .has_output = true,
                             .input_tokens = 3,
                             .output_tokens = 4 };
    row.trace_id.bytes[0] = 0x4f;
    static const struct {
        const char *name;
        enum store_sort sort;
        int64_t value;
    } sorts[] = { { "start", STORE_SORT_START, INT64_C(1795258800000000000) },
                  { "latency", STORE_SORT_LATENCY, 5 },
                  { "cost", STORE_SORT_COST, -1 },
                  { "tokens", STORE_SORT_TOKENS, 7 },
                  { "oldest", STORE_SORT_OLDEST, -INT64_C(1795258800000000000) } };
    for (size_t i = 0; i < COUNT_OF(sorts); i++) {
        struct store_list list;
        char query[300];
        str cursor = query_cursor_of_trace(*state, sorts[i].sort, &row);
        snprintf(query, sizeof query, "sort=%s&cursor=%.*s", sorts[i].name, STR_ARG(cursor));
        assert_int_equal(plan_list(*state, query, &list, NULL), ERR_OK);
        assert_true(list.after_value == sorts[i].value);
        assert_memory_equal(&list.after_trace_id, &row.trace_id, sizeof(struct id16));
    }
}

static void any_changed_byte_of_a_cursor_is_noticed(void **state)
{
    struct store_span row = some_span();
    str cursor = query_cursor_of_span(*state, STORE_SORT_START, &row);
    char query[300];
    for (size_t i = 0; i < cursor.len; i++) {
        static const char changes[] = "AQgw_z9";
        for (size_t j = 0; j + 1 < sizeof changes; j++) {
            struct store_list list;
            struct diag why = DIAG_NONE;
            int len = snprintf(query, sizeof query, "cursor=%.*s", STR_ARG(cursor));
            if (query[7 + i] == changes[j])
                continue;
            query[7 + i] = changes[j];
            assert_int_equal(plan_list(*state, query, &list, &why), ERR_BAD_INPUT);
            assert_non_null(strstr(why.hint, "next_cursor"));
            query[(size_t)len - 1 - i % 10] = '\0'; /* cut as well */
            assert_int_equal(plan_list(*state, query, &list, &why), ERR_BAD_INPUT);
            arena_reset(*state);
            cursor = query_cursor_of_span(*state, STORE_SORT_START, &row);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_form_of_a_time_is_the_same_instant),
        TEST(what_is_no_time_is_refused),
        TEST(parameters_are_decoded_strictly),
        TEST(the_number_of_parameters_is_limited),
        TEST(a_list_has_defaults),
        TEST(a_list_refuses_with_the_parameter_and_a_suggestion),
        TEST(an_aggregate_names_metrics_and_dimensions),
        TEST(every_metric_of_the_table_can_be_planned),
        TEST(a_metric_can_be_written_out),
        TEST(a_comparison_is_a_second_question),
        TEST(ratios_of_groups_are_of_their_sums),
        TEST(an_aggregate_refuses_what_it_cannot_do),
        TEST(a_cursor_gives_back_its_row_and_only_for_its_sort),
        TEST(a_trace_cursor_gives_back_its_row),
        TEST(any_changed_byte_of_a_cursor_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
