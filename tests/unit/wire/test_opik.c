/* test_opik.c -- objects of Opik's own API, one by one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "vendor_help.h"

#include "wire/opik.h"

#define T0 UINT64_C(1795255200000000000) /* 2026-11-21T10:00:00Z */

static enum err items(enum opik_kind kind, bool is_list, const char *id, const char *body)
{
    struct opik_request request = { .kind = kind,
                                    .is_list = is_list,
                                    .id = id ? str_from_c(id) : STR_NONE,
                                    .body = str_from_c(body),
                                    .limits = &otlp_limits_default };
    return opik_items_decode(&arena, &request, &batch, &why);
}

static enum err scores(enum opik_kind kind, const char *id, const char *body)
{
    struct opik_request request = { .kind = kind,
                                    .is_list = id == NULL,
                                    .id = id ? str_from_c(id) : STR_NONE,
                                    .body = str_from_c(body),
                                    .limits = &otlp_limits_default };
    return opik_scores_decode(&arena, &request, &batch, &why);
}

static bool text_is(const struct raw_span *span, const char *key, const char *text)
{
    const struct attr *found = attr_find(span->attrs, span->attr_count, str_from_c(key));
    return found && found->value.type == VALUE_STR && str_equal_c(found->value.text, text);
}

static bool has(const struct raw_span *span, const char *key)
{
    return attr_find(span->attrs, span->attr_count, str_from_c(key)) != NULL;
}

static void a_span_of_a_list_is_a_part_below_its_trace(void **state)
{
    (void)state;
    assert_int_equal(
        items(OPIK_SPAN, true, NULL,
              "{\"spans\":[{\"id\":\"s\",\"trace_id\":\"t\",\"name\":\"answer\",\"type\":\"llm\","
              "\"start_time\":\"2026-11-21T10:00:00Z\",\"end_time\":\"2026-11-21T10:00:01Z\","
              "\"input\":{\"q\":1},\"usage\":{\"prompt_tokens\":3},\"metadata\":{\"k\":\"v\"},"
              "\"last_updated_at\":\"2026-11-21T10:00:02Z\",\"somethingNew\":[1]},"
              "{\"id\":\"c\",\"trace_id\":\"t\",\"parent_span_id\":\"s\"}]}"),
        ERR_OK);
    assert_int_equal(batch.span_count, 2);
    assert_int_equal(batch.reply_status, 204);
    const struct raw_span *span = &batch.spans[0];
    struct id16 trace_id = native_trace_id(STR_OF("t"));
    struct id8 span_id = native_span_id(STR_OF("s")), root_id = native_root_id(STR_OF("t"));
    assert_memory_equal(&span->trace_id, &trace_id, sizeof trace_id);
    assert_memory_equal(&span->span_id, &span_id, sizeof span_id);
    assert_memory_equal(&span->parent_span_id, &root_id, sizeof root_id);
    assert_memory_equal(&batch.spans[1].parent_span_id, &span_id, sizeof span_id);
    assert_true(span->is_addition && str_equal_c(span->source_id, "s"));
    assert_int_equal(span->start_ns, T0);
    assert_int_equal(span->end_ns, T0 + 1000000000);
    assert_true(text_is(span, "opik.type", "llm") && text_is(span, "opik.input", "{\"q\":1}"));
    assert_true(text_is(span, "opik.metadata.k", "v") && has(span, "opik.usage.prompt_tokens"));
    assert_true(text_is(span, "opik.somethingNew", "[1]"));
    assert_false(has(span, "opik.last_updated_at"));
}

static void a_patch_is_of_the_object_that_its_path_names(void **state)
{
    (void)state;
    assert_int_equal(
        items(OPIK_SPAN, false, "s",
              "{\"id\":\"other\",\"trace_id\":\"t\",\"error_info\":{\"message\":\"m\"}}"),
        ERR_OK);
    struct id8 span_id = native_span_id(STR_OF("s"));
    assert_memory_equal(&batch.spans[0].span_id, &span_id, sizeof span_id);
    assert_true(id8_is_zero(batch.spans[0].parent_span_id));
    assert_int_equal(batch.spans[0].status_code, 2);
    assert_int_equal(batch.spans[0].event_count, 1);
    assert_int_equal(batch.reply_status, 204);
    assert_int_equal(items(OPIK_SPAN, false, "s", "{}"), ERR_BAD_INPUT);
    assert_non_null(strstr(why.text, "trace_id is missing"));
}

static void a_trace_is_its_root_span(void **state)
{
    (void)state;
    assert_int_equal(items(OPIK_TRACE, false, NULL,
                           "{\"id\":\"t\",\"name\":\"n\",\"thread_id\":\"th\",\"tags\":[\"a\"]}"),
                     ERR_OK);
    assert_int_equal(batch.reply_status, 201);
    struct id8 root_id = native_root_id(STR_OF("t"));
    assert_memory_equal(&batch.spans[0].span_id, &root_id, sizeof root_id);
    assert_true(id8_is_zero(batch.spans[0].parent_span_id));
    assert_true(text_is(&batch.spans[0], "opik.thread_id", "th"));
}

static void scores_are_of_spans_traces_and_threads(void **state)
{
    (void)state;
    struct id8 span_id = native_span_id(STR_OF("x"));
    struct id16 trace_id = native_trace_id(STR_OF("x"));
    const char *body = "{\"scores\":[{\"id\":\"x\",\"name\":\"n\",\"value\":0.5,\"category_name\":"
                       "\"c\",\"reason\":\"r\",\"source\":\"ui\",\"project_name\":\"p\"}]}";
    assert_int_equal(scores(OPIK_SPAN, NULL, body), ERR_OK);
    const struct score *score = &batch.scores[0].score;
    assert_memory_equal(&score->span_id, &span_id, sizeof span_id);
    assert_true(score->has_span_id && !score->has_trace_id && score->has_value);
    assert_true(str_equal_c(score->label, "c") && str_equal_c(score->comment, "r"));
    assert_int_equal(score->source, SCORE_BY_HUMAN);
    assert_int_equal(score->attr_count, 1);
    assert_int_equal(scores(OPIK_TRACE, NULL, body), ERR_OK);
    assert_memory_equal(&batch.scores[0].score.trace_id, &trace_id, sizeof trace_id);
    assert_int_equal(scores(OPIK_THREAD, NULL, body), ERR_OK);
    assert_true(str_equal_c(batch.scores[0].score.session_id, "x"));
    assert_int_equal(scores(OPIK_SPAN, "x", "{\"name\":\"n\",\"value\":1}"), ERR_OK);
    assert_memory_equal(&batch.scores[0].score.span_id, &span_id, sizeof span_id);
}

static void one_that_cannot_be_read_is_left_out_alone(void **state)
{
    (void)state;
    assert_int_equal(items(OPIK_TRACE, true, NULL, "{\"traces\":[5,{\"id\":\"t\"},{\"id\":5},{}]}"),
                     ERR_OK);
    assert_int_equal(batch.span_count, 1);
    assert_int_equal(batch.rejected_count, 3);
    assert_string_equal(batch.rejected_why, "item 1: it must be an object");
    assert_int_equal(scores(OPIK_TRACE, NULL, "{\"scores\":[{\"id\":\"t\"}]}"), ERR_BAD_INPUT);
    assert_int_equal(batch.rejected_scores, 1);
}

static void items_are_taken_to_the_limit_and_not_past_it(void **state)
{
    (void)state;
    limits = (struct otlp_limits){ .items_max = 2, .attrs_max = 1 };
    struct opik_request request = {
        .is_list = true,
        .id = STR_NONE,
        .body = STR("{\"traces\":[{\"id\":\"1\",\"a\":1,\"b\":1},{\"id\":\"2\"}]}"),
        .limits = &limits
    };
    assert_int_equal(opik_items_decode(&arena, &request, &batch, &why), ERR_OK);
    assert_int_equal(batch.spans[0].attr_count, 1);
    assert_int_equal(batch.spans[0].dropped_attr_count, 1);
    request.body = STR_OF("{\"traces\":[5,5,5]}");
    assert_int_equal(opik_items_decode(&arena, &request, &batch, &why), ERR_LIMIT);
}

static void a_spent_budget_is_told(void **state)
{
    (void)state;
    struct arena small;
    struct buf text;
    arena_init(&small, 64 * KIB);
    buf_init(&text, 4 * MIB);
    buf_add_c(&text, "{\"spans\":[");
    for (int i = 0; i < 2000; i++)
        buf_printf(&text, "%s{\"id\":\"%d\",\"trace_id\":\"t\",\"type\":\"llm\"}", i ? "," : "", i);
    buf_add_c(&text, "]}");
    struct opik_request request = { .kind = OPIK_SPAN,
                                    .is_list = true,
                                    .id = STR_NONE,
                                    .body = buf_str(&text),
                                    .limits = &otlp_limits_default };
    assert_int_equal(opik_items_decode(&small, &request, &batch, &why), ERR_LIMIT);
    buf_clear(&text);
    arena_clear(&small);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_span_of_a_list_is_a_part_below_its_trace),
        TEST(a_patch_is_of_the_object_that_its_path_names),
        TEST(a_trace_is_its_root_span),
        TEST(scores_are_of_spans_traces_and_threads),
        TEST(one_that_cannot_be_read_is_left_out_alone),
        TEST(items_are_taken_to_the_limit_and_not_past_it),
        TEST(a_spent_budget_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
