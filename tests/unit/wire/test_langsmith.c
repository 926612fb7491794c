/* test_langsmith.c -- runs and feedback of LangSmith's API: names, times, limits, what is left out.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "vendor_help.h"

#include "base/text.h"
#include "wire/langsmith.h"

#define RUN_ID "0190a2b4-7c1e-7000-8000-0000000000ff"
#define CHILD_ID "0190a2b4-7c1e-7000-8000-0000000000aa"

static enum err decode(enum langsmith_body kind, str body)
{
    const struct langsmith_input input = { .kind = kind,
                                           .body = body,
                                           .id = STR_OF(RUN_ID),
                                           .content_type =
                                               STR_OF("multipart/form-data; boundary=B"),
                                           .limits = &limits };
    return langsmith_decode(&arena, &input, &batch, NULL);
}

static const struct raw_span *run_of(const char *json)
{
    assert_int_equal(decode(LANGSMITH_RUN, str_from_c(json)), ERR_OK);
    assert_int_equal(batch.span_count, 1);
    return &batch.spans[0];
}

static bool says(const struct raw_span *span, const char *key, const char *text)
{
    const struct attr *attr = attr_find(span->attrs, span->attr_count, str_from_c(key));
    return attr && attr->value.type == VALUE_STR && str_equal_c(attr->value.text, text);
}

static int64_t time_of(const char *text)
{
    int64_t time_ns;
    assert_true(time_parse(str_from_c(text), &time_ns));
    return time_ns;
}

/* shows: R7 */
static void a_run_has_the_names_of_its_vendors_attributes(void **state)
{
    (void)state;
    const struct raw_span *span = run_of(
        "{\"id\":\"" CHILD_ID "\",\"trace_id\":\"" RUN_ID "\",\"parent_run_id\":\"" RUN_ID
        "\",\"name\":\"ask\",\"run_type\":\"llm\",\"start_time\":\"2026-11-22T10:00:00.5\","
        "\"end_time\":\"2026-11-22T12:00:01+02:00\",\"inputs\":{\"messages\":[]},"
        "\"outputs\":{\"model\":\"m-1\",\"id\":\"r-1\",\"usage_metadata\":{\"input_tokens\":3,"
        "\"total_cost\":0.5}},\"tags\":[\"a\"],\"session_name\":\"shop\",\"more\":{\"x\":1},"
        "\"extra\":{\"metadata\":{\"k\":1,\"ls_invocation_params\":{\"top_k\":5}},"
        "\"invocation_params\":{\"model\":\"m\",\"_type\":\"t\",\"tools\":[{}]},\"batch_size\":1}"
        "}");
    struct id16 trace = native_trace_id(STR_OF(RUN_ID));
    struct id8 parent = native_span_id(STR_OF(RUN_ID));
    assert_memory_equal(&span->trace_id, &trace, sizeof trace);
    assert_memory_equal(&span->parent_span_id, &parent, sizeof parent);
    assert_int_equal(span->start_ns, time_of("2026-11-22T10:00:00.5Z"));
    assert_int_equal(span->end_ns, time_of("2026-11-22T10:00:01Z"));
    assert_true(str_equal_c(span->name, "ask") && str_equal_c(span->source_id, CHILD_ID));
    assert_true(span->is_addition && span->status_code == 1);
    assert_true(says(span, "langsmith.span.kind", "llm"));
    assert_true(says(span, "gen_ai.prompt", "{\"messages\":[]}"));
    assert_true(says(span, "gen_ai.response.model", "m-1"));
    assert_true(says(span, "gen_ai.response.id", "r-1"));
    assert_true(says(span, "gen_ai.request.model", "m"));
    assert_true(says(span, "gen_ai.tool.definitions", "[{}]"));
    assert_true(says(span, "langsmith.trace.session_name", "shop"));
    assert_true(says(span, "langsmith.more", "{\"x\":1}"));
    assert_non_null(attr_find(span->attrs, span->attr_count, STR_OF("gen_ai.request.top_k")));
    assert_non_null(attr_find(span->attrs, span->attr_count, STR_OF("gen_ai.usage.cost")));
    assert_non_null(attr_find(span->attrs, span->attr_count, STR_OF("langsmith.metadata.k")));
    assert_null(attr_find(span->attrs, span->attr_count, STR_OF("gen_ai.request._type")));
}

static void the_dotted_order_tells_trace_parent_and_start_where_nothing_else_does(void **state)
{
    (void)state;
    const struct raw_span *span = run_of(
        "{\"id\":\"" CHILD_ID "\",\"name\":\"n\",\"dotted_order\":\"20261122T100000000000Z" RUN_ID
        ".20261122T100001250000Z" CHILD_ID "\"}");
    struct id16 trace = native_trace_id(STR_OF(RUN_ID));
    struct id8 parent = native_span_id(STR_OF(RUN_ID));
    assert_memory_equal(&span->trace_id, &trace, sizeof trace);
    assert_memory_equal(&span->parent_span_id, &parent, sizeof parent);
    assert_int_equal(span->start_ns, time_of("2026-11-22T10:00:01.25Z"));
    assert_int_equal(span->status_code, 0);
}

static void a_time_may_be_a_number_of_any_unit(void **state)
{
    (void)state;
    static const char *const runs[] = {
        "{\"id\":\"1\",\"name\":\"n\",\"start_time\":1780000000}",
        "{\"id\":\"1\",\"name\":\"n\",\"start_time\":1780000000000}",
        "{\"id\":\"1\",\"name\":\"n\",\"start_time\":1780000000000000}",
        "{\"id\":\"1\",\"name\":\"n\",\"start_time\":1780000000000000000}",
    };
    for (size_t i = 0; i < COUNT_OF(runs); i++)
        assert_int_equal(run_of(runs[i])->start_ns, 1780000000 * NS_PER_S);
    assert_int_equal(run_of("{\"id\":\"1\",\"name\":\"n\",\"start_time\":1e300}")->start_ns, 0);
}

/* shows: A57 */
static void an_error_has_its_type_and_message_before_the_stack(void **state)
{
    (void)state;
    static const struct {
        const char *error, *type, *message;
    } cases[] = {
        { "ValueError('no')\\n\\nTraceback (most recent call last):\\n x", "ValueError",
          "ValueError('no')" },
        { "TypeError: no\\n    at f (a.js:1)", "TypeError", "TypeError: no" },
        { "openai.RateLimitError: wait", "openai.RateLimitError", "openai.RateLimitError: wait" },
        { "it: failed", NULL, "it: failed" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        str json =
            arena_printf(&arena, "{\"id\":\"1\",\"name\":\"n\",\"error\":\"%s\"}", cases[i].error);
        assert_int_equal(decode(LANGSMITH_RUN, json), ERR_OK);
        const struct raw_span *span = &batch.spans[0];
        assert_int_equal(span->status_code, 2);
        assert_true(str_equal_c(span->status_message, cases[i].message));
        assert_true(cases[i].type
                        ? says(span, "error.type", cases[i].type)
                        : !attr_find(span->attrs, span->attr_count, STR_OF("error.type")));
        assert_true(str_equal_c(span->events[0].name, "exception"));
    }
}

static void of_the_tokens_of_a_stream_the_first_is_kept_and_all_are_counted(void **state)
{
    (void)state;
    const struct raw_span *span = run_of(
        "{\"id\":\"1\",\"name\":\"n\",\"start_time\":1780000000,\"events\":["
        "{\"name\":\"start\",\"time\":\"2026-11-22T10:00:00\"},"
        "{\"name\":\"new_token\",\"time\":\"2026-11-22T10:00:01\",\"kwargs\":{\"token\":\"a\"}},"
        "{\"name\":\"new_token\",\"time\":\"2026-11-22T10:00:02\"},{\"time\":1},5]}");
    assert_int_equal(span->event_count, 2);
    assert_int_equal(span->dropped_event_count, 2);
    assert_int_equal(span->events[1].time_ns, time_of("2026-11-22T10:00:01Z"));
    const struct attr *tokens =
        attr_find(span->attrs, span->attr_count, STR_OF("langsmith.new_tokens"));
    assert_int_equal(tokens->value.i64, 2);
}

static void usage_is_found_wherever_langchain_puts_it(void **state)
{
    (void)state;
    static const char *const outputs[] = {
        "{\"usage_metadata\":{\"input_tokens\":3}}",
        "{\"generations\":[[{\"message\":{\"kwargs\":{\"usage_metadata\":{\"input_tokens\":3}}}}]]"
        "}",
        "{\"generations\":[{\"message\":{\"data\":{\"usage_metadata\":{\"input_tokens\":3}}}}]}",
        "{\"generations\":[],\"llm_output\":{\"token_usage\":{\"input_tokens\":3}}}",
        "{\"usage\":{\"input_tokens\":3}}",
    };
    for (size_t i = 0; i < COUNT_OF(outputs); i++) {
        str json = arena_printf(&arena, "{\"outputs\":%s}", outputs[i]);
        assert_int_equal(decode(LANGSMITH_RUN_PATCH, json), ERR_OK);
        assert_true(
            says(&batch.spans[0], "langsmith.metadata.usage_metadata", "{\"input_tokens\":3}"));
    }
    str chain =
        STR_OF("{\"run_type\":\"chain\",\"outputs\":{\"usage_metadata\":{\"input_tokens\":3}}}");
    assert_int_equal(decode(LANGSMITH_RUN_PATCH, chain), ERR_OK); /* of the calls inside it */
    assert_null(attr_find(batch.spans[0].attrs, batch.spans[0].attr_count,
                          STR_OF("langsmith.metadata.usage_metadata")));
}

/* shows: A78 */
static void feedback_is_a_number_a_yes_or_a_word(void **state)
{
    (void)state;
    static const struct {
        const char *members;
        enum score_type type;
        double value;
        const char *label;
    } cases[] = {
        { "\"score\":0.5", SCORE_NUMBER, 0.5, NULL },
        { "\"score\":true", SCORE_BOOL, 1, NULL },
        { "\"score\":1,\"value\":\"good\"", SCORE_NUMBER, 1, "good" },
        { "\"value\":\"good\"", SCORE_LABEL, 0, "good" },
        { "\"score\":null,\"value\":4", SCORE_NUMBER, 4, NULL },
        { "\"comment\":\"hm\"", SCORE_LABEL, 0, NULL },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        str json =
            arena_printf(&arena, "{\"id\":\"f\",\"key\":\"k\",\"run_id\":\"" CHILD_ID "\",%s}",
                         cases[i].members);
        assert_int_equal(decode(LANGSMITH_FEEDBACK, json), ERR_OK);
        const struct score *score = &batch.scores[0].score;
        assert_true(score->type == cases[i].type && score->has_span_id && !score->has_trace_id);
        assert_true(score->has_value == (cases[i].type != SCORE_LABEL));
        assert_true(!score->has_value ||
                    (score->value >= cases[i].value && score->value <= cases[i].value));
        assert_true(cases[i].label ? str_equal_c(score->label, cases[i].label)
                                   : str_is_none(score->label));
    }
    static const char *const bad[] = { "{}", "5", "{\"key\":\"k\"}",
                                       "{\"run_id\":\"r\",\"score\":1}",
                                       "{\"key\":\"k\",\"run_id\":\"r\",\"score\":\"x\"}" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(decode(LANGSMITH_FEEDBACK, str_from_c(bad[i])), ERR_BAD_INPUT);
}

static const char form[] = "--B\r\nContent-Disposition: form-data; name=\"post.1\"\r\n\r\n"
                           "{\"id\":\"1\",\"name\":\"a\"}\r\n"
                           "--B\r\nContent-Disposition: form-data; name=\"post.1.outputs\"\r\n\r\n"
                           "{\"output\":\"x\"}\r\n"
                           "--B\r\nContent-Disposition: form-data; name=\"attachment.1.f\"\r\n"
                           "Content-Type: text/csv; length=3\r\n\r\na,b\r\n"
                           "--B\r\nContent-Disposition: form-data; name=\"feedback.2\"\r\n\r\n"
                           "{\"key\":\"k\",\"run_id\":\"1\",\"score\":1}\r\n--B--\r\n";

static void parts_of_a_form_become_runs_and_scores(void **state)
{
    (void)state;
    assert_int_equal(decode(LANGSMITH_MULTIPART, str_from_c(form)), ERR_OK);
    assert_int_equal(batch.span_count, 1);
    assert_int_equal(batch.score_count, 1);
    assert_int_equal(batch.rejected_count, 0);
    assert_true(says(&batch.spans[0], "gen_ai.completion", "{\"output\":\"x\"}"));
    assert_true(says(&batch.spans[0], "langsmith.attachment.f",
                     "{\"mime_type\":\"text/csv\",\"bytes\":3}"));
    for (size_t len = 0; len < sizeof form - 5; len++) /* cut anywhere */
        assert_int_equal(decode(LANGSMITH_MULTIPART, str_make(form, len)), ERR_BAD_INPUT);
}

/* shows: C7 */
static void limits_hold_at_and_one_past(void **state)
{
    (void)state;
    str two = STR_OF("{\"post\":[{\"id\":\"1\",\"name\":\"a\"},{\"id\":\"2\",\"name\":\"b\"}]}");
    for (limits.items_max = 2; limits.items_max > 0; limits.items_max--)
        assert_int_equal(decode(LANGSMITH_BATCH, two), limits.items_max == 2 ? ERR_OK : ERR_LIMIT);
    limits.items_max = 2;
    assert_int_equal(decode(LANGSMITH_MULTIPART, str_from_c(form)), ERR_OK);
    limits.items_max = 1;
    assert_int_equal(decode(LANGSMITH_MULTIPART, str_from_c(form)), ERR_LIMIT);
    limits.attrs_max = 1;
    const struct raw_span *span =
        run_of("{\"id\":\"1\",\"name\":\"n\",\"run_type\":\"tool\",\"x\":1,\"y\":2}");
    assert_int_equal(span->attr_count, 1);
    assert_int_equal(span->dropped_attr_count, 2);
    limits.events_max = 1;
    span = run_of("{\"id\":\"1\",\"name\":\"n\",\"events\":[{\"name\":\"a\"},{\"name\":\"b\"}]}");
    assert_int_equal(span->event_count, 1);
    assert_int_equal(span->dropped_event_count, 1);
}

static void a_spent_budget_is_an_error_not_a_crash(void **state)
{
    (void)state;
    ASSERT_SPENT_BUDGET_IS_A_LIMIT(decode(LANGSMITH_MULTIPART, str_from_c(form)));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_run_has_the_names_of_its_vendors_attributes),
        TEST(the_dotted_order_tells_trace_parent_and_start_where_nothing_else_does),
        TEST(a_time_may_be_a_number_of_any_unit),
        TEST(an_error_has_its_type_and_message_before_the_stack),
        TEST(of_the_tokens_of_a_stream_the_first_is_kept_and_all_are_counted),
        TEST(usage_is_found_wherever_langchain_puts_it),
        TEST(feedback_is_a_number_a_yes_or_a_word),
        TEST(parts_of_a_form_become_runs_and_scores),
        TEST(limits_hold_at_and_one_past),
        TEST(a_spent_budget_is_an_error_not_a_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
