/* test_query_json.c -- rows as JSON: names, units, null for what is unknown.
 *
 * Checked as text: the forms are short and their exact bytes are the contract.
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
#include <math.h>

static const int64_t start = INT64_C(1795258800) * NS_PER_S; /* 2026-11-21T11:00:00Z */

static int setup(void **state)
{
    struct buf *out = xcalloc(1, sizeof *out);
    buf_init(out, MIB);
    *state = out;
    return 0;
}

static int teardown(void **state)
{
    buf_clear(*state);
    xfree(*state);
    return 0;
}

static void expect_part(const struct buf *out, const char *part)
{
    if (str_find(buf_str(out), str_from_c(part)) == out->len)
        fail_msg("no %s in %.*s", part, STR_ARG(buf_str(out)));
}

static struct trace_row unknown_trace(void)
{
    return (struct trace_row){ .start_ns = start,
                               .end_ns = start,
                               .ttft_ns = -1,
                               .top_k_returned = -1,
                               .safety_blocked = -1,
                               .eval_sampled = -1,
                               .faithfulness = (double)NAN };
}

/* shows: A91 */
static void the_summary_has_exactly_its_18_keys_in_order(void **state)
{
    struct buf *out = *state;
    str ids[] = { STR("doc_1"), STR("doc_2") };
    struct trace_row trace = unknown_trace();
    trace.trace_id.bytes[0] = 0x4f;
    trace.request_id = STR_OF("req_123");
    trace.tenant_id = STR_OF("tenant_abc");
    trace.feature = STR_OF("support_assistant");
    trace.prompt_version = STR_OF("v3");
    trace.prompt_hash = STR_OF("sha256:ab");
    trace.generator_model = STR_OF("gpt-4o");
    trace.has_input = trace.has_output = true;
    trace.input_tokens = 1800;
    trace.output_tokens = 250;
    trace.has_cost = true;
    trace.cost_nanousd = 18700500; /* half even: 0.018700|5 -> 0.018700 */
    trace.retriever = STR_OF("hybrid");
    trace.index_version = STR_OF("i7");
    trace.top_k_returned = 8;
    trace.source_ids = (struct strs){ ids, 2 };
    trace.eval_sampled = 0;
    trace.faithfulness = 0.92;
    trace.safety_blocked = 1;
    trace.end_ns = start + 1234500000;
    query_summary_json(out, &trace);
    static const char expected[] =
        "{\"trace_id\":\"4f000000000000000000000000000000\",\"request_id\":\"req_123\","
        "\"tenant_id\":\"tenant_abc\",\"feature\":\"support_assistant\",\"prompt_version\":\"v3\","
        "\"prompt_hash\":\"sha256:ab\",\"generator_model\":\"gpt-4o\",\"input_tokens\":1800,"
        "\"output_tokens\":250,\"estimated_cost_usd\":0.018700,\"retriever\":\"hybrid\","
        "\"index_version\":\"i7\",\"top_k_returned\":8,\"source_ids\":[\"doc_1\",\"doc_2\"],"
        "\"eval_sampled\":false,\"faithfulness\":0.92,\"safety_blocked\":true,\"latency_ms\":1235}";
    expect_part(out, expected);
    assert_int_equal(out->len, sizeof expected - 1);
}

static void an_unknown_is_null_and_never_zero(void **state)
{
    struct buf *out = *state;
    struct trace_row trace = unknown_trace();
    query_summary_json(out, &trace);
    static const char expected[] =
        "{\"trace_id\":\"00000000000000000000000000000000\",\"request_id\":null,"
        "\"tenant_id\":null,\"feature\":null,\"prompt_version\":null,\"prompt_hash\":null,"
        "\"generator_model\":null,\"input_tokens\":null,\"output_tokens\":null,"
        "\"estimated_cost_usd\":null,\"retriever\":null,\"index_version\":null,"
        "\"top_k_returned\":null,\"source_ids\":[],\"eval_sampled\":null,\"faithfulness\":null,"
        "\"safety_blocked\":null,\"latency_ms\":0}";
    expect_part(out, expected);
    assert_int_equal(out->len, sizeof expected - 1);
    buf_reset(out);
    query_trace_json(out, &trace);
    expect_part(out, "\"root_span_id\":null");
    expect_part(out, "\"total_tokens\":null");
    expect_part(out, "\"estimated_cost_usd\":null");
    expect_part(out, "\"ttft_ms\":null");
}

static void money_has_six_places_in_the_summary_rounded_half_even(void **state)
{
    struct buf *out = *state;
    static const struct {
        int64_t nanousd;
        const char *part;
    } cases[] = {
        { 0, "_usd\":0.000000," },
        { 499, "_usd\":0.000000," },
        { 500, "_usd\":0.000000," },
        { 501, "_usd\":0.000001," },
        { 1500, "_usd\":0.000002," },
        { 2500, "_usd\":0.000002," },
        { 999999999500, "_usd\":1000.000000," },
        { -1500, "_usd\":-0.000002," },
        { -400, "_usd\":0.000000," },
    };
    struct trace_row trace = unknown_trace();
    trace.has_cost = true;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        trace.cost_nanousd = cases[i].nanousd;
        buf_reset(out);
        query_summary_json(out, &trace);
        expect_part(out, cases[i].part);
    }
}

static void a_span_has_fields_attributes_end_settled_and_payload_roles(void **state)
{
    struct buf *out = *state;
    struct attr attrs[] = { { STR("x.y"), value_i64(7) } };
    struct span_link link = { .attr_count = 0 };
    struct store_span row = { .settled = false,
                              .content_roles = 1u << CONTENT_INPUT | 1u << CONTENT_OUTPUT };
    row.span.attrs = attrs;
    row.span.attr_count = 1;
    row.span.links = &link;
    row.span.link_count = 1;
    SPAN_SET(&row.span, name, STR_OF("a \"b\""));
    SPAN_SET(&row.span, start_time, start);
    SPAN_SET(&row.span, latency_ns, 1500000);
    SPAN_SET(&row.span, cost_nanousd, 1500);
    query_span_json(out, &row);
    expect_part(out, "\"name\":\"a \\\"b\\\"\"");
    expect_part(out, "\"latency_ms\":1.5");
    expect_part(out, "\"estimated_cost_usd\":0.0000015");
    expect_part(out, "\"ttft_ms\":null");
    expect_part(out, "\"end_time\":\"2026-11-21T11:00:00.001500000Z\"");
    expect_part(out, "\"attributes\":{\"x.y\":7}");
    expect_part(out, "\"links\":[{\"trace_id\":\"00000000000000000000000000000000\"");
    expect_part(out, "\"payload\":{\"input\":null,\"output\":null}");
    expect_part(out, "\"settled\":false}");
    buf_reset(out);
    row.attrs_json = STR_OF("{\"from\":\"store\"}");
    row.span.attr_count = 0;
    span_forget(&row.span, FIELD_latency_ns);
    query_span_json(out, &row);
    expect_part(out, "\"attributes\":{\"from\":\"store\"}");
    expect_part(out, "\"end_time\":null");
}

#define measure_none                                                                               \
    {                                                                                              \
        .op = STORE_OP_COUNT                                                                       \
    }
static void groups_have_units_and_the_trace_behind_the_number(void **state)
{
    struct buf *out = *state;
    struct query_aggregate plan = {
        .ask = { .measures = { measure_none, measure_none, measure_none, measure_none },
                 .measure_count = 4,
                 .by = { FIELD_generator_model, FIELD_stream, FIELD_COUNT, FIELD_attempt },
                 .by_attr = { [2] = STR("x.y") },
                 .by_count = 4,
                 .step_ns = 3600 * NS_PER_S },
        .metrics = { { .json = STR("count"), .kind = QUERY_KIND_COUNT },
                     { .json = STR("cost_usd"), .kind = QUERY_KIND_NANO, .top = 1 },
                     { .json = STR("latency_p95_ms"), .kind = QUERY_KIND_NS, .top = 2 },
                     { .json = STR("rate"),
                       .kind = QUERY_KIND_SHARE,
                       .combine = QUERY_COMBINE_RATIO,
                       .top = 0,
                       .bottom = 3,
                       .unknown = 0,
                       .has_unknown = true } },
        .metric_count = 4
    };
    struct store_group group = { .bucket_ns = start,
                                 .by = { STR("gpt-4o"), STR("true"), { NULL, 0 }, STR("2") },
                                 .known = { true, true, true, false },
                                 .values = { 12, 18700000.4, 1.5e9, 0 } };
    struct store_group before = group;
    const struct store_group *baselines[] = { &before };
    struct query_answer answer = { .ask = &plan.ask, .groups = &group, .count = 1 };
    before.values[0] = 8;
    group.exemplar_trace_id.bytes[15] = 1;
    query_answer_json(out, &plan, &answer);
    expect_part(out, "{\"items\":[{\"time\":\"2026-11-21T11:00:00.000000000Z\","
                     "\"by\":{\"generator_model\":\"gpt-4o\",\"stream\":true,\"x.y\":null,"
                     "\"attempt\":2},\"values\":{\"count\":12,\"cost_usd\":0.0187,"
                     "\"latency_p95_ms\":1500,\"rate\":null},\"unknown\":{\"rate\":12},"
                     "\"exemplar_trace_id\":\"00000000000000000000000000000001\"}],"
                     "\"next_cursor\":null,\"metrics\":[\"count\",\"cost_usd\"");
    expect_part(out, "\"step_ms\":3600000");
    buf_reset(out);
    answer.baseline_ask = &plan.ask;
    answer.baselines = baselines;
    query_answer_json(out, &plan, &answer);
    expect_part(out, "\"baseline\":{\"time\":\"2026-11-21T11:00:00.000000000Z\",\"values\":"
                     "{\"count\":8,");
    expect_part(out, "\"change\":{\"count\":0.5,\"cost_usd\":0,\"latency_p95_ms\":0,"
                     "\"rate\":null}");
    buf_reset(out);
    plan.ask.step_ns = 0;
    answer = (struct query_answer){ .ask = &plan.ask };
    query_answer_json(out, &plan, &answer);
    expect_part(out, "{\"items\":[],\"next_cursor\":null");
    expect_part(out, "\"step_ms\":null");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_summary_has_exactly_its_18_keys_in_order),
        TEST(an_unknown_is_null_and_never_zero),
        TEST(money_has_six_places_in_the_summary_rounded_half_even),
        TEST(a_span_has_fields_attributes_end_settled_and_payload_roles),
        TEST(groups_have_units_and_the_trace_behind_the_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
