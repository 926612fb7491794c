/* test_assemble.c -- one model call counts once; what a root hands down; what a trace sums to.
 *
 * The rules are DECISIONS 8 of the design, restated in docs: each test is one of them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "pipeline/assemble.h"
#include <math.h>

enum { SPANS_MAX = 2000, TEST_ARENA_BYTES = 256 * 1024 * 1024 };

static const int64_t start = INT64_C(1790000000) * NS_PER_S;

/* A trace being built: span n has id n, and lies in 0..1 s unless moved. */
static struct made {
    struct arena arena;
    struct span spans[SPANS_MAX];
    struct span *list[SPANS_MAX];
    size_t count;
    struct trace_row row;
} made;

static int setup(void **state)
{
    (void)state;
    arena_init(&made.arena, TEST_ARENA_BYTES);
    made.count = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_clear(&made.arena);
    return 0;
}

static struct id8 id_of(uint64_t number)
{
    struct id8 id;
    memcpy(id.bytes, &number, sizeof id.bytes);
    return id;
}

/* parent 0: a root */
static struct span *add(uint64_t parent, str step)
{
    static const struct id16 trace_id = { { 1 } };
    static const struct span nothing;
    struct span *span = &made.spans[made.count];
    *span = nothing;
    SPAN_SET(span, trace_id, trace_id);
    SPAN_SET(span, project, STR_OF("shop"));
    SPAN_SET(span, span_id, id_of(made.count + 1));
    if (parent)
        SPAN_SET(span, parent_span_id, id_of(parent));
    SPAN_SET(span, step, step);
    SPAN_SET(span, start_time, start);
    SPAN_SET(span, latency_ns, NS_PER_S);
    made.list[made.count++] = span;
    return span;
}

static struct span *add_call(uint64_t parent, const char *model, int64_t input, int64_t output)
{
    struct span *span = add(parent, STR_OF("model"));
    SPAN_SET(span, request_model, str_from_c(model));
    SPAN_SET(span, kind, STR_OF("client"));
    if (input >= 0) {
        SPAN_SET(span, input_tokens, input);
        SPAN_SET(span, output_tokens, output);
        SPAN_SET(span, cost_nanousd, input * 10 + output);
        SPAN_SET(span, cost_source, STR_OF("table"));
    }
    return span;
}

static void assemble(void)
{
    assert_int_equal(assemble_trace(&made.arena, made.list, made.count, &made.row), ERR_OK);
}

static bool is_rollup(const struct span *span)
{
    return SPAN_KNOWS(span, rollup) && span->rollup;
}

static void assert_sums(uint32_t calls, int64_t input, int64_t output)
{
    assert_int_equal(made.row.model_call_count, calls);
    assert_int_equal(made.row.input_tokens, input);
    assert_int_equal(made.row.output_tokens, output);
    assert_int_equal(made.row.cost_nanousd, input * 10 + output);
}

/* ---- one call counts once ---- */

/* shows: C9 */
static void usage_on_an_agent_over_its_model_calls_is_a_rollup(void **state)
{
    (void)state;
    struct span *agent = add(0, STR_OF("agent"));
    SPAN_SET(agent, input_tokens, 300);
    SPAN_SET(agent, output_tokens, 30);
    struct span *first = add_call(1, "gpt-4o", 100, 10), *second = add_call(1, "gpt-4o", 200, 20);
    assemble();
    assert_true(is_rollup(agent));
    assert_false(SPAN_KNOWS(agent, flags));
    assert_false(is_rollup(first) || is_rollup(second));
    assert_sums(2, 300, 30);
}

/* shows: C9 */
static void client_and_server_of_one_call_count_once_at_the_client(void **state)
{
    (void)state;
    struct span *client = add_call(0, "gpt-4o", 100, 10), *server = add_call(1, "gpt-4o", 100, 10);
    SPAN_SET(server, kind, STR_OF("server"));
    assemble();
    assert_false(is_rollup(client));
    assert_true(is_rollup(server));
    assert_sums(1, 100, 10);
}

static void a_server_alone_with_usage_counts(void **state)
{
    (void)state;
    struct span *client = add_call(0, "gpt-4o", -1, -1), *server = add_call(1, "gpt-4o", 100, 10);
    SPAN_SET(server, kind, STR_OF("server"));
    assemble();
    assert_true(is_rollup(client)); /* it is the same call, and says nothing of tokens */
    assert_false(is_rollup(server));
    assert_sums(1, 100, 10);
}

/* shows: C9 */
static void of_framework_sdk_and_gateway_the_outermost_with_usage_counts(void **state)
{
    (void)state;
    struct span *framework = add_call(0, "gpt-4o", -1, -1);
    struct span *sdk = add_call(1, "openai/gpt-4o", 100, 10);
    struct span *gateway = add_call(2, "gpt-4o-2024-08-06", 100, 10);
    assemble();
    assert_true(is_rollup(framework));
    assert_false(is_rollup(sdk));
    assert_true(is_rollup(gateway));
    assert_sums(1, 100, 10);
}

static void equal_response_ids_are_one_call_wherever_they_stand(void **state)
{
    (void)state;
    add(0, STR_OF("request"));
    struct span *one = add_call(1, "gpt-4o", 100, 10), *other = add_call(1, "gpt-4o", 100, 10);
    SPAN_SET(one, response_id, STR_OF("chatcmpl-1"));
    SPAN_SET(other, response_id, STR_OF("chatcmpl-1"));
    assemble();
    assert_int_equal(is_rollup(one) + is_rollup(other), 1);
    assert_sums(1, 100, 10);
}

static void an_empty_response_id_joins_nothing(void **state)
{
    (void)state;
    add(0, STR_OF("request"));
    struct span *one = add_call(1, "gpt-4o", 100, 10), *other = add_call(1, "gpt-4o", 100, 10);
    SPAN_SET(one, response_id, STR_OF(""));
    SPAN_SET(other, response_id, STR_OF(""));
    assemble();
    assert_sums(2, 200, 20);
}

static void siblings_of_the_same_model_are_two_calls(void **state)
{
    (void)state;
    add(0, STR_OF("request"));
    add_call(1, "gpt-4o", 100, 10);
    add_call(1, "gpt-4o", 100, 10);
    assemble();
    assert_sums(2, 200, 20);
}

static void an_outer_call_over_two_distinct_calls_is_a_rollup(void **state)
{
    (void)state;
    struct span *outer = add_call(0, "gpt-4o", 300, 30);
    add_call(1, "gpt-4o", 100, 10);
    add_call(1, "gpt-4o", 200, 20);
    assemble();
    assert_true(is_rollup(outer));
    assert_sums(2, 300, 30);
}

static void a_nested_call_of_another_model_and_usage_is_a_call_of_its_own(void **state)
{
    (void)state;
    struct span *outer = add_call(0, "claude-sonnet-4", 100, 10);
    struct span *inner = add_call(1, "gpt-4o-mini", 40, 4);
    assemble();
    assert_false(is_rollup(outer) || is_rollup(inner));
    assert_sums(2, 140, 14);
}

static void a_model_name_that_goes_on_with_letters_is_another_model(void **state)
{
    (void)state;
    add_call(0, "gpt-4o", 100, 10);
    add_call(1, "gpt-4o-mini", 40, 4);
    assemble();
    assert_sums(2, 140, 14);
}

static void an_inner_call_may_stick_out_by_the_clock_skew_and_no_more(void **state)
{
    (void)state;
    for (int past = 0; past < 2; past++) {
        made.count = 0;
        add_call(0, "gpt-4o", 100, 10);
        struct span *inner = add_call(1, "gpt-4o", 100, 10);
        inner->latency_ns += ASSEMBLE_CLOCK_SKEW_NS + past;
        assemble();
        assert_int_equal(made.row.model_call_count, 1 + past);
        made.count = 0;
        add_call(0, "gpt-4o", 100, 10);
        inner = add_call(1, "gpt-4o", 100, 10);
        inner->start_time -= ASSEMBLE_CLOCK_SKEW_NS + past;
        assemble();
        assert_int_equal(made.row.model_call_count, 1 + past);
    }
}

static void usage_found_only_on_an_agent_counts_there(void **state)
{
    (void)state;
    add(0, STR_OF("workflow"));
    struct span *agent = add(1, STR_OF("agent"));
    SPAN_SET(agent, input_tokens, 70);
    SPAN_SET(agent, output_tokens, 7);
    SPAN_SET(agent, cost_nanousd, 707);
    add(2, STR_OF("tool"));
    assemble();
    assert_false(is_rollup(agent));
    assert_sums(0, 70, 7);
    assert_true(SPAN_KNOWS(agent, flags) && agent->flags.count == 1);
    assert_true(str_equal_c(agent->flags.items[0], "usage_of_wrapper"));
}

static void of_wrappers_with_usage_and_no_call_the_inner_counts(void **state)
{
    (void)state;
    struct span *workflow = add(0, STR_OF("workflow")), *agent = add(1, STR_OF("agent"));
    SPAN_SET(workflow, input_tokens, 70);
    SPAN_SET(workflow, output_tokens, 7);
    SPAN_SET(agent, input_tokens, 70);
    SPAN_SET(agent, output_tokens, 7);
    assemble();
    assert_true(is_rollup(workflow));
    assert_false(is_rollup(agent));
    assert_false(SPAN_KNOWS(workflow, flags));
    assert_int_equal(made.row.input_tokens, 70);
}

/* shows: A62 */
static void the_one_that_counts_takes_the_most_detailed_usage(void **state)
{
    (void)state;
    struct span *outer = add_call(0, "gpt-4o", 100, 10), *inner = add_call(1, "gpt-4o", 100, 10);
    SPAN_SET(inner, cache_read, 60);
    SPAN_SET(inner, reasoning, 5);
    SPAN_SET(inner, cost_nanousd, 800);
    SPAN_SET(inner, cost_by_bucket, STR_OF("{\"cache_read\":300}"));
    assemble();
    assert_false(is_rollup(outer));
    assert_true(SPAN_KNOWS(outer, cache_read));
    assert_int_equal(outer->cache_read, 60);
    assert_int_equal(outer->reasoning, 5);
    assert_int_equal(made.row.cost_nanousd, 800);
    assert_true(str_equal_c(outer->cost_by_bucket, "{\"cache_read\":300}"));
}

static void embeddings_and_reranking_cost_but_are_no_model_calls(void **state)
{
    (void)state;
    add(0, STR_OF("request"));
    struct span *embedding = add(1, STR_OF("embedding"));
    SPAN_SET(embedding, input_tokens, 50);
    SPAN_SET(embedding, output_tokens, 0);
    SPAN_SET(embedding, cost_nanousd, 500);
    assemble();
    assert_sums(0, 50, 0);
    assert_true(made.row.has_input && made.row.has_output && made.row.has_cost);
}

/* ---- totals ---- */

/* shows: A59 A60 */
static void one_known_side_of_usage_says_nothing_of_the_other(void **state)
{
    (void)state;
    add(0, STR_OF("request"));
    struct span *call = add_call(1, "gpt-4o", -1, -1);
    SPAN_SET(call, input_tokens, 30);
    assemble();
    assert_true(made.row.has_input && !made.row.has_output);
    assert_int_equal(made.row.input_tokens, 30);
    call = add_call(1, "gpt-4o", -1, -1);
    SPAN_SET(call, output_tokens, 4);
    assemble();
    assert_true(made.row.has_input && made.row.has_output);
    assert_int_equal(made.row.output_tokens, 4);
}

static void unknown_usage_and_cost_are_unknown_not_zero(void **state)
{
    (void)state;
    add(0, STR_OF("request"));
    struct span *call = add_call(1, "gpt-4o", -1, -1);
    SPAN_SET(call, cost_source, STR_OF("unknown"));
    assemble();
    assert_false(made.row.has_input || made.row.has_output || made.row.has_cost);
    assert_int_equal(made.row.unpriced_count, 1);
    assert_int_equal(made.row.model_call_count, 1);
    assert_int_equal(made.row.ttft_ns, -1);
    assert_int_equal(made.row.top_k_returned, -1);
    assert_int_equal(made.row.safety_blocked, -1);
    assert_true(isnan(made.row.faithfulness));
}

/* shows: A55 A58 A82 */
static void errors_tools_retries_and_flags_are_counted(void **state)
{
    (void)state;
    struct span *root = add(0, STR_OF("request"));
    SPAN_SET(root, status, STR_OF("ok"));
    SPAN_SET(root, name, STR_OF("POST /ask"));
    struct span *broken = add(1, STR_OF("tool")), *fine = add(1, STR_OF("tool"));
    struct span *call = add_call(1, "gpt-4o", 1, 1), *absurd = add_call(1, "gpt-4o", 1, 1);
    struct span *blocks = add(1, STR_OF("guard")), *passes = add(1, STR_OF("guard"));
    SPAN_SET(broken, status, STR_OF("error"));
    SPAN_SET(fine, status, STR_OF("unset"));
    SPAN_SET(call, retry_count, 2);
    SPAN_SET(absurd, retry_count, INT64_MAX); /* not added */
    SPAN_SET(blocks, safety_blocked, true);
    SPAN_SET(passes, safety_blocked, false);
    assemble();
    assert_int_equal(made.row.span_count, 7);
    assert_int_equal(made.row.error_count, 1);
    assert_true(str_equal_c(made.row.status, "ok")); /* a failed child does not overwrite it */
    assert_int_equal(made.row.tool_call_count, 2);
    assert_int_equal(made.row.retry_count, 2);
    assert_int_equal(made.row.safety_blocked, 1);
    assert_true(str_equal_c(made.row.root_name, "POST /ask"));
}

static void a_trace_spans_from_its_first_start_to_its_last_end(void **state)
{
    (void)state;
    add(0, STR_OF("request"));
    add(1, STR_OF("tool"))->start_time -= 5;
    add(1, STR_OF("tool"))->latency_ns += 7;
    span_forget(add(1, STR_OF("tool")), FIELD_latency_ns); /* still running */
    assemble();
    assert_int_equal(made.row.start_ns, start - 5);
    assert_int_equal(made.row.end_ns, start + NS_PER_S + 7);
}

static void the_answer_is_that_of_the_call_that_ends_last(void **state)
{
    (void)state;
    add(0, STR_OF("request"));
    struct span *late = add_call(1, "late", 1, 1), *early = add_call(1, "early", 1, 1);
    late->latency_ns += 10;
    SPAN_SET(late, generator_model, STR_OF("late-1"));
    SPAN_SET(late, prompt_version, STR_OF("v2"));
    SPAN_SET(late, ttft_ns, 5);
    SPAN_SET(early, generator_model, STR_OF("early-1"));
    SPAN_SET(early, prompt_version, STR_OF("v1"));
    assemble();
    assert_true(str_equal_c(made.row.generator_model, "late-1"));
    assert_true(str_equal_c(made.row.prompt_version, "v2"));
    assert_int_equal(made.row.ttft_ns, 5);
}

/* ---- what a root hands down ---- */

/* shows: A8 A9 A10 A26 */
static void the_roots_dimensions_hold_for_who_has_none_of_his_own(void **state)
{
    (void)state;
    struct span *root = add(0, STR_OF("request")), *tool = add(1, STR_OF("tool"));
    struct span *call = add_call(1, "gpt-4o", 1, 1), *own = add_call(1, "gpt-4o", 1, 1);
    SPAN_SET(root, tenant_id, STR_OF("acme"));
    SPAN_SET(root, user_id, STR_OF("u-1"));
    SPAN_SET(root, session_id, STR_OF("s-1"));
    SPAN_SET(root, prompt_version, STR_OF("v17"));
    SPAN_SET(own, tenant_id, STR_OF("globex"));
    SPAN_SET(own, prompt_version, STR_OF("v18"));
    assemble();
    assert_true(str_equal_c(tool->tenant_id, "acme"));
    assert_true(str_equal_c(tool->user_id, "u-1"));
    assert_true(str_equal_c(call->session_id, "s-1"));
    assert_true(str_equal_c(call->prompt_version, "v17"));
    assert_false(SPAN_KNOWS(tool, prompt_version)); /* a tool has no prompt */
    assert_true(str_equal_c(own->tenant_id, "globex"));
    assert_true(str_equal_c(own->prompt_version, "v18"));
    assert_true(str_equal_c(made.row.tenant_id, "acme"));
}

static void without_a_root_the_first_span_that_has_one_decides(void **state)
{
    (void)state;
    add(99, STR_OF("tool")); /* its parent never came */
    struct span *second = add(99, STR_OF("tool"));
    SPAN_SET(second, tenant_id, STR_OF("acme"));
    assemble();
    assert_true(str_equal_c(made.list[0]->tenant_id, "acme"));
    assert_true(id8_is_zero(made.row.root_span_id));
    assert_int_equal(made.row.span_count, 2);
}

/* ---- shapes that no sender should send ---- */

static void parents_in_a_circle_end(void **state)
{
    (void)state;
    add_call(1, "gpt-4o", 100, 10); /* its own parent */
    add_call(3, "gpt-4o", 100, 10); /* each other's */
    add_call(2, "gpt-4o", 100, 10);
    assemble();
    assert_int_equal(made.row.span_count, 3);
    assert_in_range(made.row.input_tokens, 100, 300);
}

static void a_chain_deeper_than_we_follow_is_still_summed(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 1000; i++)
        add(i, STR_OF("workflow"));
    add_call(1000, "gpt-4o", 100, 10);
    assemble();
    assert_sums(1, 100, 10);
    assert_int_equal(made.row.span_count, 1001);
}

static void a_spent_budget_is_an_error(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 100; i++)
        add_call(i, "gpt-4o", 1, 1);
    struct arena small;
    for (size_t budget = 0; budget < 4096; budget += 256) {
        arena_init(&small, budget);
        enum err err = assemble_trace(&small, made.list, made.count, &made.row);
        assert_int_equal(err, ERR_LIMIT);
        arena_clear(&small);
    }
}

/* ---- properties of random traces ---- */

/* Spans about one call tell the same numbers: usage follows from the model, and a response
 * id belongs to one model. */
static void add_random_call(struct dice *dice, uint64_t parent)
{
    static const char *const models[][2] = { { "gpt-4o", "openai/gpt-4o-2024-08-06" },
                                             { "claude-3", "anthropic/claude-3" },
                                             { "gemini-2", "gemini-2-001" } };
    static const char *const ids[][2] = { { "r1", "r2" }, { "r3", "r4" }, { "r5", "r6" } };
    uint32_t model = dice_roll(dice, COUNT_OF(models));
    int64_t input = dice_roll(dice, 2) ? 100 * (int64_t)(model + 1) : -1;
    struct span *span = add_call(parent, models[model][dice_roll(dice, 2)], input, 1);
    if (dice_roll(dice, 4) == 0)
        SPAN_SET(span, response_id, str_from_c(ids[model][dice_roll(dice, 2)]));
    if (dice_roll(dice, 4) == 0)
        SPAN_SET(span, kind, STR_OF("server"));
    if (input >= 0 && dice_roll(dice, 3) == 0)
        SPAN_SET(span, cache_read, 5);
}

static void add_random(struct dice *dice, size_t count)
{
    static const char *const steps[] = { "request", "agent", "workflow", "tool", "http" };
    made.count = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t parent = i ? 1 + dice_roll(dice, (uint32_t)i) : 0;
        if (dice_roll(dice, 2))
            add_random_call(dice, parent);
        else
            add(parent, str_from_c(steps[dice_roll(dice, COUNT_OF(steps))]));
        struct span *span = &made.spans[made.count - 1];
        span->start_time += dice_roll(dice, 1000) * NS_PER_MS;
        span->latency_ns = dice_roll(dice, 2000) * NS_PER_MS;
        if (dice_roll(dice, 6) == 0 && !SPAN_KNOWS(span, request_model))
            SPAN_SET(span, input_tokens, (int64_t)dice_roll(dice, 50));
    }
}

static void assert_same_row(const struct trace_row *a, const struct trace_row *b)
{
    assert_int_equal(a->span_count, b->span_count);
    assert_int_equal(a->model_call_count, b->model_call_count);
    assert_int_equal(a->input_tokens, b->input_tokens);
    assert_int_equal(a->output_tokens, b->output_tokens);
    assert_int_equal(a->cost_nanousd, b->cost_nanousd);
    assert_int_equal(a->start_ns, b->start_ns);
    assert_int_equal(a->end_ns, b->end_ns);
}

/* Usage of the trace is what is stored on spans that are no rollup: pages that sum spans and
 * pages that sum traces must agree. */
static void assert_row_is_sum_of_spans(void)
{
    int64_t input = 0, cost = 0;
    for (size_t i = 0; i < made.count; i++) {
        const struct span *span = made.list[i];
        if (is_rollup(span))
            continue;
        input += SPAN_KNOWS(span, input_tokens) ? span->input_tokens : 0;
        cost += SPAN_KNOWS(span, cost_nanousd) ? span->cost_nanousd : 0;
    }
    assert_int_equal(made.row.input_tokens, input);
    assert_int_equal(made.row.cost_nanousd, cost);
}

static void sums_hold(struct dice *dice)
{
    for (int round = 0; round < 3000; round++) {
        size_t count = 1 + dice_roll(dice, 30);
        add_random(dice, count);
        for (size_t i = count; i > 1; i--) { /* in any order of arrival */
            size_t other = dice_roll(dice, (uint32_t)i);
            struct span *span = made.list[i - 1];
            made.list[i - 1] = made.list[other];
            made.list[other] = span;
        }
        assemble_merge(&made.arena, made.list, made.count, &made.count);
        assert_int_equal(made.count, count);
        assemble();
        assert_row_is_sum_of_spans();
        struct trace_row before = made.row; /* a late span assembles what was stored again */
        assemble();
        assert_row_is_sum_of_spans();
        assert_same_row(&before, &made.row);
        arena_reset(&made.arena);
    }
}

/* shows: C9 */
static void sums_are_those_of_the_spans_and_do_not_change_when_done_again(void **state)
{
    (void)state;
    dice_each_seed(sums_hold);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(usage_on_an_agent_over_its_model_calls_is_a_rollup),
        TEST(client_and_server_of_one_call_count_once_at_the_client),
        TEST(a_server_alone_with_usage_counts),
        TEST(of_framework_sdk_and_gateway_the_outermost_with_usage_counts),
        TEST(equal_response_ids_are_one_call_wherever_they_stand),
        TEST(an_empty_response_id_joins_nothing),
        TEST(siblings_of_the_same_model_are_two_calls),
        TEST(an_outer_call_over_two_distinct_calls_is_a_rollup),
        TEST(a_nested_call_of_another_model_and_usage_is_a_call_of_its_own),
        TEST(a_model_name_that_goes_on_with_letters_is_another_model),
        TEST(an_inner_call_may_stick_out_by_the_clock_skew_and_no_more),
        TEST(usage_found_only_on_an_agent_counts_there),
        TEST(of_wrappers_with_usage_and_no_call_the_inner_counts),
        TEST(the_one_that_counts_takes_the_most_detailed_usage),
        TEST(embeddings_and_reranking_cost_but_are_no_model_calls),
        TEST(unknown_usage_and_cost_are_unknown_not_zero),
        TEST(one_known_side_of_usage_says_nothing_of_the_other),
        TEST(errors_tools_retries_and_flags_are_counted),
        TEST(a_trace_spans_from_its_first_start_to_its_last_end),
        TEST(the_answer_is_that_of_the_call_that_ends_last),
        TEST(the_roots_dimensions_hold_for_who_has_none_of_his_own),
        TEST(without_a_root_the_first_span_that_has_one_decides),
        TEST(parents_in_a_circle_end),
        TEST(a_chain_deeper_than_we_follow_is_still_summed),
        TEST(a_spent_budget_is_an_error),
        TEST(sums_are_those_of_the_spans_and_do_not_change_when_done_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
