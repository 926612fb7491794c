/* test_weave.c -- calls and feedback of Weave's trace server: parts, limits, answers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "vendor_help.h"

#include "wire/weave.h"

static enum err decode(enum weave_body kind, const char *body)
{
    const struct weave_input input = { .kind = kind, .body = str_from_c(body), .limits = &limits };
    return weave_decode(&arena, &input, &batch, NULL);
}

static bool says(const char *key, const char *text)
{
    const struct raw_span *span = &batch.spans[0];
    const struct attr *attr = attr_find(span->attrs, span->attr_count, str_from_c(key));
    return attr && attr->value.type == VALUE_STR && str_equal_c(attr->value.text, text);
}

/* shows: R8 */
static void a_models_call_has_its_request_answer_and_usage(void **state)
{
    (void)state;
    static const char body[] =
        "{\"batch\":[{\"id\":\"c\",\"trace_id\":\"t\",\"parent_id\":\"p\",\"op_name\":"
        "\"weave:///e/p/op/openai.chat:d1\",\"started_at\":\"2026-11-22T10:00:00Z\","
        "\"ended_at\":\"2026-11-22T10:00:01Z\",\"attributes\":{\"k\":1},\"inputs\":{\"self\":{},"
        "\"model\":\"m\",\"messages\":[1],\"top_p\":0.5,\"stop\":\"NOT_GIVEN\",\"tools\":[{}]},"
        "\"output\":{\"model\":\"m-1\",\"id\":\"r\",\"usage\":{}},"
        "\"summary\":{\"usage\":{\"m-1\":{\"prompt_tokens\":3}},\"x\":1}}]}";
    assert_int_equal(decode(WEAVE_COMPLETE, body), ERR_OK);
    assert_int_equal(batch.span_count, 1);
    const struct raw_span *span = &batch.spans[0];
    assert_true(str_equal_c(span->name, "openai.chat") && span->status_code == 1);
    assert_true(span->is_addition && str_equal_c(span->source_id, "c"));
    assert_int_equal(span->end_ns - span->start_ns, NS_PER_S);
    assert_true(says("weave.span.kind", "llm") && says("weave.inputs", "[1]"));
    assert_true(says("gen_ai.request.model", "m") && says("gen_ai.response.model", "m-1"));
    assert_true(says("gen_ai.provider.name", "openai"));
    assert_true(says("gen_ai.tool.definitions", "[{}]"));
    assert_true(says("weave.usage", "{\"prompt_tokens\":3}"));
    assert_non_null(attr_find(span->attrs, span->attr_count, STR_OF("gen_ai.request.top_p")));
    assert_non_null(attr_find(span->attrs, span->attr_count, STR_OF("weave.attributes.k")));
    assert_null(attr_find(span->attrs, span->attr_count, STR_OF("gen_ai.request.stop")));
}

static void what_a_parent_sums_is_not_its_own(void **state)
{
    (void)state;
    assert_int_equal(decode(WEAVE_COMPLETE,
                            "{\"batch\":[{\"id\":\"c\",\"trace_id\":\"t\",\"output\":\"x\","
                            "\"summary\":{\"usage\":{\"m\":{\"prompt_tokens\":3}}}}]}"),
                     ERR_OK);
    assert_null(attr_find(batch.spans[0].attrs, batch.spans[0].attr_count, STR_OF("weave.usage")));
}

static void a_start_and_its_end_in_one_batch_are_one_call(void **state)
{
    (void)state;
    assert_int_equal(
        decode(WEAVE_BATCH,
               "{\"batch\":[{\"mode\":\"start\",\"req\":{\"start\":{\"id\":\"a\",\"trace_id\":"
               "\"t\"}}},"
               "{\"mode\":\"start\",\"req\":{\"start\":{\"id\":\"b\",\"trace_id\":\"t\"}}},"
               "{\"mode\":\"end\",\"req\":{\"end\":{\"id\":\"a\",\"output\":1}}},"
               "{\"mode\":\"end\",\"req\":{\"end\":{\"id\":\"z\"}}}]}"),
        ERR_OK);
    assert_int_equal(batch.span_count, 3);
    assert_true(str_equal_c(batch.reply,
                            "{\"res\":[{\"id\":\"a\",\"trace_id\":\"t\"},{\"id\":\"b\","
                            "\"trace_id\":\"t\"},{},{}]}"));
    assert_true(str_equal_c(batch.spans[0].source_id, "b"));
    assert_true(str_equal_c(batch.spans[1].source_id, "a"));
    assert_false(id16_is_zero(batch.spans[1].trace_id));
    assert_true(id16_is_zero(batch.spans[2].trace_id)); /* its trace is found by its id */
}

static void only_what_cannot_be_read_is_left_out(void **state)
{
    (void)state;
    assert_int_equal(decode(WEAVE_COMPLETE, "{\"batch\":[{\"id\":\"a\",\"trace_id\":\"t\"},{},5]}"),
                     ERR_OK);
    assert_int_equal(batch.span_count, 1);
    assert_int_equal(batch.rejected_count, 2);
    assert_string_equal(batch.rejected_why, "call 2: its id is missing");
    assert_int_equal(
        decode(WEAVE_FEEDBACK_BATCH,
               "{\"batch\":[5,{\"id\":\"f\",\"feedback_type\":\"wandb.note.1\",\"weave_ref\":"
               "\"weave:///e/p/call/c\",\"payload\":{\"note\":\"n\"}},{}]}"),
        ERR_OK);
    assert_int_equal(batch.score_count, 1);
    assert_int_equal(batch.rejected_scores, 2);
    assert_true(str_equal_c(batch.scores[0].score.name, "note"));
    assert_true(str_ends(batch.reply, STR_OF("\"payload\":{\"note\":\"n\"}}]}")));
    assert_true(str_starts(batch.reply, STR_OF("{\"res\":[{\"id\":\"f\"")));
}

/* shows: C7 */
static void limits_hold_at_and_one_past(void **state)
{
    (void)state;
    static const char two[] = "{\"batch\":[{\"id\":\"a\",\"k\":1,\"l\":2},{\"id\":\"b\"}]}";
    limits.items_max = 2;
    assert_int_equal(decode(WEAVE_COMPLETE, two), ERR_OK);
    limits.items_max = 1;
    assert_int_equal(decode(WEAVE_COMPLETE, two), ERR_LIMIT);
    limits.items_max = 2;
    limits.attrs_max = 1;
    assert_int_equal(decode(WEAVE_COMPLETE, two), ERR_OK);
    assert_int_equal(batch.spans[0].attr_count, 1);
    assert_int_equal(batch.spans[0].dropped_attr_count, 1);
}

static void a_spent_budget_is_an_error_not_a_crash(void **state)
{
    (void)state;
    ASSERT_SPENT_BUDGET_IS_A_LIMIT(
        decode(WEAVE_COMPLETE,
               "{\"batch\":[{\"id\":\"a\",\"inputs\":{\"model\":\"m\",\"prompt\":\"p\"}}]}"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_models_call_has_its_request_answer_and_usage),
        TEST(what_a_parent_sums_is_not_its_own),
        TEST(a_start_and_its_end_in_one_batch_are_one_call),
        TEST(only_what_cannot_be_read_is_left_out),
        TEST(limits_hold_at_and_one_past),
        TEST(a_spent_budget_is_an_error_not_a_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
