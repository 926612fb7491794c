/* test_estimate.c -- tokens of a call that nobody counted: when, how many, and when not.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "pipeline/assemble.h"
#include "pipeline/estimate.h"

static const char hello[] =
    "[{\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"content\":\"hello\"}]}]";
static struct arena arena;
static struct estimator *estimator;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 64 * MIB);
    estimator = estimator_new(NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_clear(&arena);
    estimator_free(estimator);
    return 0;
}

/* A call of that model which answered "hello", one token. */
static struct span *call(const char *model, const char *asked)
{
    struct span *span = arena_new(&arena, struct span, 1);
    assert_non_null(span);
    SPAN_SET(span, step, STR_OF("model"));
    SPAN_SET(span, request_model, str_from_c(model));
    SPAN_SET(span, usage_source, STR_OF("unknown"));
    if (asked)
        span_add_part(span, CONTENT_INPUT, str_from_c(asked));
    span_add_part(span, CONTENT_OUTPUT, str_from_c(hello));
    return span;
}

static bool estimate(struct span *span)
{
    bool done = true;
    assert_int_equal(estimate_usage(estimator, &arena, span, &done), ERR_OK);
    return done;
}

/* shows: A59 A60 */
static void words_and_what_stands_around_them_are_counted(void **state)
{
    (void)state;
    struct span *span = call("gpt-4o", hello);
    assert_true(estimate(span));
    assert_int_equal(span->output_tokens, 1);
    assert_int_equal(span->input_tokens, 1 + ESTIMATE_MESSAGE_TOKENS + 1 + ESTIMATE_REPLY_TOKENS);
    assert_int_equal(span->total_tokens, span->input_tokens + 1);
    assert_true(str_equal_c(span->usage_source, "estimated"));
    assert_false(SPAN_KNOWS(span, cache_read) || SPAN_KNOWS(span, reasoning) ||
                 SPAN_KNOWS(span, flags) || SPAN_KNOWS(span, cost_nanousd));
    int64_t before = span->input_tokens;
    span = call("gpt-4o", hello);
    span_add_part(span, CONTENT_SYSTEM, STR_OF("[{\"type\":\"text\",\"content\":\"hello\"}]"));
    assert_true(estimate(span));
    assert_int_equal(span->input_tokens, before + 1 + ESTIMATE_MESSAGE_TOKENS + 1);
}

static void tools_are_counted_without_their_braces_and_as_json_for_a_foreign_model(void **state)
{
    (void)state;
    static const char tools[] =
        "[{\"type\":\"function\",\"function\":{\"name\":\"hello\",\"parameters\":{\"type\":"
        "\"object\","
        "\"properties\":{\"hello\":{\"type\":\"hello\",\"enum\":[\"hello\",\"hello\"]}}}}}]";
    struct span *bare = call("gpt-4o", hello), *span = call("gpt-4o", hello),
                *foreign = call("x", hello);
    span_add_part(span, CONTENT_TOOLS, str_from_c(tools));
    span_add_part(foreign, CONTENT_TOOLS, str_from_c(tools));
    assert_true(estimate(bare) && estimate(span) && estimate(foreign));
    assert_int_equal(span->input_tokens - bare->input_tokens,
                     5 + ESTIMATE_TOOLS_TOKENS + ESTIMATE_TOOL_TOKENS + 3 * ESTIMATE_MEMBER_TOKENS);
    assert_true(foreign->input_tokens > bare->input_tokens + 30);
    assert_true(SPAN_KNOWS(foreign, flags) &&
                str_equal_c(foreign->flags.items[0], "usage_approximate"));
}

static void what_is_no_text_leaves_the_input_unknown(void **state)
{
    (void)state;
    static const char *const inputs[] = {
        NULL,
        "[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"x\"},{\"type\":\"blob\"}]}"
        "]",
    };
    for (size_t i = 0; i < COUNT_OF(inputs); i++) {
        struct span *span = call("gpt-4o", inputs[i]);
        assert_true(estimate(span));
        assert_int_equal(span->output_tokens, 1);
        assert_false(SPAN_KNOWS(span, input_tokens) || SPAN_KNOWS(span, total_tokens));
    }
}

static void only_a_silent_call_that_counts_is_estimated(void **state)
{
    (void)state;
    struct span *reported = call("gpt-4o", hello), *repeats = call("gpt-4o", hello);
    struct span *tool = call("gpt-4o", hello), *failed = call("gpt-4o", hello);
    SPAN_SET(reported, output_tokens, 7);
    SPAN_SET(repeats, rollup, true);
    SPAN_SET(tool, step, STR_OF("tool"));
    failed->part_count = 1; /* no answer */
    assert_false(estimate(reported) || estimate(repeats) || estimate(tool) || estimate(failed));
    struct span *refused = call("gpt-4o", hello), *broken = call("gpt-4o", hello);
    SPAN_SET(refused, status, STR_OF("error"));
    SPAN_SET(broken, status, STR_OF("error"));
    SPAN_SET(broken, stream, true);
    assert_true(!estimate(refused) && estimate(broken));
    struct span *twice = call("gpt-4o", hello);
    assert_true(estimate(twice));
    assert_false(estimate(twice));
}

static void content_that_is_too_long_or_broken_is_counted_as_text(void **state)
{
    (void)state;
    size_t len = (size_t)ESTIMATE_BYTES_MAX * 2;
    char *text = arena_alloc(&arena, len);
    assert_non_null(text);
    for (size_t i = 0; i < len; i++)
        text[i] = " a"[i % 2];
    struct span *span = call("gpt-4o", NULL);
    span_add_part(span, CONTENT_INPUT, str_make(text, len));
    assert_true(estimate(span));
    assert_in_range(span->input_tokens, len / 2 - 10, len / 2 + 10);
    span = call("gpt-4o", "[{\"role\":\"user\",\"parts\":[{");
    assert_true(estimate(span));
    assert_in_range(span->input_tokens, 5, 20);
}

/* shows: C9 */
static void an_estimate_counts_less_than_a_report_of_the_same_call(void **state)
{
    (void)state;
    struct span *outer = call("gpt-4o", hello), *inner = call("gpt-4o", hello);
    outer->span_id.bytes[0] = 1;
    inner->span_id.bytes[0] = 2;
    SPAN_SET(inner, parent_span_id, outer->span_id);
    SPAN_SET(outer, start_time, 100);
    SPAN_SET(inner, start_time, 100);
    assert_true(estimate(outer)); /* it settled before the other came */
    SPAN_SET(inner, input_tokens, 50);
    SPAN_SET(inner, output_tokens, 10);
    SPAN_SET(inner, usage_source, STR_OF("reported"));
    struct span *spans[] = { outer, inner };
    struct trace_row row;
    assert_int_equal(assemble_trace(&arena, spans, 2, &row), ERR_OK);
    assert_int_equal(row.input_tokens, 50);
    assert_int_equal(row.output_tokens, 10);
    assert_true(outer->rollup && !SPAN_KNOWS(inner, rollup));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(words_and_what_stands_around_them_are_counted),
        TEST(tools_are_counted_without_their_braces_and_as_json_for_a_foreign_model),
        TEST(what_is_no_text_leaves_the_input_unknown),
        TEST(only_a_silent_call_that_counts_is_estimated),
        TEST(content_that_is_too_long_or_broken_is_counted_as_text),
        TEST(an_estimate_counts_less_than_a_report_of_the_same_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
