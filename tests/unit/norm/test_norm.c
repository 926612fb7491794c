/* test_norm.c -- precedence, usage, messages, content, events, logs, resources, attacks.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "norm_help.h"
#include "wire/json.h"

static struct help help;

#define FIELD_IS(span, name, json) assert_string_equal(help_field(&help, span, name), json)
#define PART_IS(span, role, json) assert_string_equal(help_part(&help, span, role), json)

static int reset(void **state)
{
    (void)state;
    help_reset(&help);
    return 0;
}

/* ---- precedence and what is kept ---- */

static void the_newest_name_wins_in_any_order_and_the_loser_stays(void **state)
{
    (void)state;
    for (int turn = 0; turn < 2; turn++) {
        help_reset(&help);
        help_text(&help, turn ? "gen_ai.provider.name" : "gen_ai.system",
                  turn ? "anthropic" : "openai");
        help_text(&help, turn ? "gen_ai.system" : "gen_ai.provider.name",
                  turn ? "openai" : "anthropic");
        struct span *span = help_run(&help);
        FIELD_IS(span, "provider", "\"anthropic\"");
        assert_string_equal(help_kept(&help, span, "gen_ai.system"), "\"openai\"");
        assert_int_equal(span->attr_count, 1);
    }
}

static void a_value_that_cannot_be_read_leaves_the_next_name_its_chance(void **state)
{
    (void)state;
    help_text(&help, "gen_ai.usage.input_tokens", "many");
    help_attr(&help, "llm.token_count.prompt", value_i64(7));
    struct span *span = help_run(&help);
    FIELD_IS(span, "input_tokens", "7");
    assert_string_equal(help_kept(&help, span, "gen_ai.usage.input_tokens"), "\"many\"");
    assert_true(help_flagged(span, "usage_invalid"));
}

/* shows: X4 */
static void an_unknown_attribute_is_kept_with_its_type(void **state)
{
    (void)state;
    help_attr(&help, "x.y.z", value_f64(1.5));
    help_attr(&help, "x.flag", value_bool(true));
    struct span *span = help_run(&help);
    assert_string_equal(help_kept(&help, span, "x.y.z"), "1.5");
    assert_string_equal(help_kept(&help, span, "x.flag"), "true");
}

static void the_span_beats_its_resource_and_the_rest_is_copied_once(void **state)
{
    (void)state;
    help_resource(&help, "service.name", "svc");
    help_resource(&help, "deployment.environment.name", "prod");
    help_resource(&help, "telemetry.sdk.language", "python");
    help_resource(&help, "x.same", "resource");
    help_text(&help, "environment", "test");
    help_text(&help, "x.same", "span");
    struct span *span = help_run(&help);
    FIELD_IS(span, "service", "\"svc\"");
    FIELD_IS(span, "environment", "\"test\"");
    assert_string_equal(help_kept(&help, span, "deployment.environment.name"), "\"prod\"");
    assert_string_equal(help_kept(&help, span, "telemetry.sdk.language"), "\"python\"");
    assert_string_equal(help_kept(&help, span, "x.same"), "\"span\"");
    assert_int_equal(span->attr_count, 3);
}

static void a_resource_with_too_many_attributes_is_cut_and_counted(void **state)
{
    (void)state;
    static struct attr many[NORM_PLACE_ATTRS_MAX + 1];
    for (uint32_t i = 0; i < COUNT_OF(many); i++)
        many[i] = (struct attr){ arena_printf(&help.arena, "r.%u", i), value_i64((int64_t)i) };
    help.resource.attrs = many;
    help.resource.attr_count = NORM_PLACE_ATTRS_MAX;
    struct span *span = help_run(&help);
    assert_int_equal(span->attr_count, NORM_PLACE_ATTRS_MAX);
    assert_int_equal(span->dropped_attr_count, 0);
    help.resource.attr_count++;
    span = help_run(&help);
    assert_int_equal(span->attr_count, NORM_PLACE_ATTRS_MAX);
    assert_int_equal(span->dropped_attr_count, 1);
    assert_true(help_flagged(span, "attributes_dropped"));
}

/* shows: A18 */
static void a_framework_is_not_a_provider(void **state)
{
    (void)state;
    help_text(&help, "gen_ai.system", "langchain");
    struct span *span = help_run(&help);
    assert_false(SPAN_KNOWS(span, provider));
    assert_true(help_flagged(span, "framework_as_provider"));
    help_reset(&help);
    help_text(&help, "gen_ai.system", "Az.AI.OpenAI");
    FIELD_IS(help_run(&help), "provider", "\"azure.ai.openai\"");
    assert_string_equal(help_kept(&help, &help.batch.spans[0], "gen_ai.system"),
                        "\"Az.AI.OpenAI\"");
}

/* shows: A87 */
static void a_version_object_fills_what_no_attribute_gave(void **state)
{
    (void)state;
    help_text(&help, "app.versions",
              "{\"prompt_version\":\"p1\",\"tool_manifest_version\":\"t1\","
              "\"judge_model\":\"j\",\"other\":1}");
    help_text(&help, "app.prompt_version", "p2");
    struct span *span = help_run(&help);
    FIELD_IS(span, "prompt_version", "\"p2\"");
    FIELD_IS(span, "tool_manifest_version", "\"t1\"");
    FIELD_IS(span, "judge_model", "\"j\"");
    assert_string_not_equal(help_kept(&help, span, "app.versions"), "(none)");
}

static void association_properties_are_the_names_behind_the_prefix(void **state)
{
    (void)state;
    help_text(&help, "traceloop.association.properties.session_id", "s1");
    help_text(&help, "traceloop.association.properties.user_id", "weak");
    help_text(&help, "traceloop.association.properties.color", "red");
    help_text(&help, "user.id", "strong");
    struct span *span = help_run(&help);
    FIELD_IS(span, "session_id", "\"s1\"");
    FIELD_IS(span, "user_id", "\"strong\"");
    assert_string_equal(help_kept(&help, span, "traceloop.association.properties.color"),
                        "\"red\"");
    FIELD_IS(span, "dialect", "\"openllmetry\"");
}

/* ---- usage ---- */

static void usage(int64_t input, int64_t output, int64_t read, int64_t write, int64_t total)
{
    help_reset(&help);
    help_text(&help, "gen_ai.operation.name", "chat");
    if (input >= 0)
        help_attr(&help, "gen_ai.usage.input_tokens", value_i64(input));
    if (output >= 0)
        help_attr(&help, "gen_ai.usage.output_tokens", value_i64(output));
    if (read >= 0)
        help_attr(&help, "gen_ai.usage.cache_read.input_tokens", value_i64(read));
    if (write >= 0)
        help_attr(&help, "gen_ai.usage.cache_creation.input_tokens", value_i64(write));
    if (total >= 0)
        help_attr(&help, "gen_ai.usage.total_tokens", value_i64(total));
}

/* shows: A62 */
static void cached_tokens_are_not_counted_twice(void **state)
{
    (void)state;
    usage(100, 10, 60, 20, -1);
    struct span *span = help_run(&help);
    FIELD_IS(span, "input_tokens", "100");
    FIELD_IS(span, "input_fresh", "20");
    FIELD_IS(span, "cache_read", "60");
    FIELD_IS(span, "cache_write_5m", "20");
    FIELD_IS(span, "cache_write", "20");
    FIELD_IS(span, "total_tokens", "110");
    FIELD_IS(span, "usage_source", "\"reported\"");
    FIELD_IS(span, "sender_usage", "null");
}

static void an_exclusive_count_gives_itself_away(void **state)
{
    (void)state;
    usage(5, 10, 60, 20, -1); /* parts exceed the whole */
    struct span *span = help_run(&help);
    FIELD_IS(span, "input_tokens", "85");
    FIELD_IS(span, "input_fresh", "5");
    FIELD_IS(span, "total_tokens", "95");
    assert_true(help_flagged(span, "usage_exclusive"));
    assert_non_null(
        strstr(help_field(&help, span, "sender_usage"), "\"gen_ai.usage.input_tokens\":5"));
    usage(100, 10, 60, -1, 170); /* only the total tells */
    FIELD_IS(help_run(&help), "input_tokens", "160");
    usage(100, 10, 60, -1, 110);
    FIELD_IS(help_run(&help), "input_tokens", "100");
    usage(80, 10, 60, 20, -1); /* at the limit: equal is inclusive */
    FIELD_IS(help_run(&help), "input_fresh", "0");
}

static void reasoning_is_part_of_output(void **state)
{
    (void)state;
    usage(10, 30, -1, -1, -1);
    help_attr(&help, "gen_ai.usage.reasoning.output_tokens", value_i64(20));
    struct span *span = help_run(&help);
    FIELD_IS(span, "output_text", "10");
    FIELD_IS(span, "reasoning", "20");
    usage(10, 30, -1, -1, -1);
    help_attr(&help, "gen_ai.usage.reasoning.output_tokens", value_i64(31));
    span = help_run(&help);
    FIELD_IS(span, "output_tokens", "61");
    FIELD_IS(span, "output_text", "30");
}

static void unknown_usage_is_not_zero(void **state)
{
    (void)state;
    usage(-1, -1, -1, -1, -1);
    struct span *span = help_run(&help);
    FIELD_IS(span, "input_tokens", "null");
    FIELD_IS(span, "total_tokens", "null");
    FIELD_IS(span, "usage_source", "\"unknown\"");
    usage(10, -1, -1, -1, -1);
    span = help_run(&help);
    FIELD_IS(span, "usage_source", "\"partial\"");
    FIELD_IS(span, "output_tokens", "null");
    FIELD_IS(span, "total_tokens", "null");
    usage(10, -1, -1, -1, 15); /* the total tells the rest */
    FIELD_IS(help_run(&help), "output_tokens", "5");
    usage(10, 5, -1, -1, 99);
    assert_true(help_flagged(help_run(&help), "usage_mismatch"));
}

static void absurd_counts_are_ignored_and_flagged(void **state)
{
    (void)state;
    static const int64_t bad[] = { -1, INT64_C(1000000000001), INT64_MAX, INT64_MIN };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        help_reset(&help);
        help_attr(&help, "gen_ai.usage.input_tokens", value_i64(bad[i]));
        struct span *span = help_run(&help);
        assert_false(SPAN_KNOWS(span, input_tokens));
        assert_true(help_flagged(span, "usage_invalid"));
        assert_string_not_equal(help_kept(&help, span, "gen_ai.usage.input_tokens"), "(none)");
    }
    help_reset(&help);
    help_attr(&help, "gen_ai.usage.input_tokens", value_i64(INT64_C(1000000000000)));
    assert_true(SPAN_KNOWS(help_run(&help), input_tokens));
}

/* ---- messages ---- */

#define CANONICAL                                                                                  \
    "[{\"role\": \"user\", \"parts\": [{\"type\": \"text\", \"content\": \"h\\u00e9llo\"}]}]"

/* shows: A31 A33 */
static void canonical_messages_pass_through_unchanged(void **state)
{
    (void)state;
    static const char text[] = CANONICAL;
    help_text(&help, "gen_ai.input.messages", text);
    struct span *span = help_run(&help);
    assert_ptr_equal(span_part(span, CONTENT_INPUT)->json.ptr, text);
    FIELD_IS(span, "prompt_length", "5");
    assert_int_equal(span->attr_count, 0);
    assert_true(str_starts(span->prompt_hash, STR_OF("hmac-sha256:")));
}

/* shows: A28 */
static void the_same_prompt_has_one_hash_in_every_shape(void **state)
{
    (void)state;
    static const char *const forms[][2] = {
        { "gen_ai.input.messages", CANONICAL },
        { "gen_ai.input.messages",
          "[{\"parts\":[{\"content\":\"h\u00e9llo\",\"type\":\"text\"}],\"role\":\"user\"}]" },
        { "gen_ai.input.messages", "[{\"role\":\"user\",\"content\":\"h\u00e9llo\"}]" },
        { "gen_ai.input.messages",
          "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"h\u00e9llo\"}]}" },
        { "gen_ai.input.messages", "h\u00e9llo" },
        { "gen_ai.prompt", "[{\"role\":\"user\",\"content\":\"h\u00e9llo\"}]" },
        { "input.value", "h\u00e9llo" },
        { "input.value", "{\"messages\":[{\"role\":\"user\",\"content\":\"h\u00e9llo\"}]}" },
        { "gen_ai.prompt.0.content", "h\u00e9llo" },
        { "llm.input_messages.0.message.content", "h\u00e9llo" },
        { "llm.prompts.0.prompt.text", "h\u00e9llo" },
    };
    char first[64] = "";
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        help_reset(&help);
        help_text(&help, forms[i][0], forms[i][1]);
        struct span *span = help_run(&help);
        const char *hash = help_field(&help, span, "prompt_hash");
        if (i == 0)
            snprintf(first, sizeof first, "%.60s", hash);
        if (strcmp(first, hash) != 0)
            fail_msg("form %zu: %s, part %s", i, hash, help_part(&help, span, CONTENT_INPUT));
    }
}

static const struct {
    const char *key, *sent, *role_json;
} shapes[] = {
    { "gen_ai.output.messages",
      "[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c1\",\"type\":"
      "\"function\","
      "\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]}]",
      "[{\"role\":\"assistant\",\"parts\":[{\"type\":\"tool_call\",\"id\":\"c1\",\"name\":\"f\","
      "\"arguments\":{\"a\":1}}]}]" },
    { "gen_ai.output.messages",
      "[{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\"},"
      "{\"type\":\"text\",\"text\":\"hi\"},{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\","
      "\"input\":{\"a\":1}}]}]",
      "[{\"role\":\"assistant\",\"parts\":[{\"type\":\"reasoning\",\"content\":\"hm\"},"
      "{\"type\":\"text\",\"content\":\"hi\"},{\"type\":\"tool_call\",\"id\":\"t\",\"name\":\"f\","
      "\"arguments\":{\"a\":1}}]}]" },
    { "gen_ai.output.messages",
      "[{\"role\":\"tool\",\"parts\":[{\"type\":\"tool_call_response\",\"id\":\"c\",\"result\":"
      "\"ok\"}]}]",
      "[{\"role\":\"tool\",\"parts\":[{\"type\":\"tool_call_response\",\"id\":\"c\",\"response\":"
      "\"ok\"}]}]" },
    { "output.value",
      "{\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\","
      "\"content\":\"hi\"}}]}",
      "[{\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"content\":\"hi\"}],"
      "\"finish_reason\":\"stop\"}]" },
    { "gen_ai.output.messages", "plain words",
      "[{\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"content\":\"plain words\"}]}]" },
    { "gen_ai.output.messages", "[{\"role\":\"assistant\",\"content\":\"cut he",
      "[{\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"content\":"
      "\"[{\\\"role\\\":\\\"assistant\\\",\\\"content\\\":\\\"cut he\"}]}]" },
    { "gen_ai.output.messages",
      "[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x/"
      "i.png\"}},"
      "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/"
      "png\",\"data\":\"QUI=\"}}]}]",
      "[{\"role\":\"user\",\"parts\":[{\"type\":\"uri\",\"uri\":\"https://x/"
      "i.png\",\"modality\":\"image\"},"
      "{\"type\":\"blob\",\"modality\":\"image\",\"mime_type\":\"image/"
      "png\",\"content\":\"QUI=\"}]}]" },
    { "gen_ai.output.messages", "[{\"role\":\"x\",\"parts\":[{\"type\":\"odd\",\"k\":[1]}]}]",
      "[{\"role\":\"x\",\"parts\":[{\"type\":\"odd\",\"k\":[1]}]}]" },
    { "gen_ai.output.messages",
      "{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"hi\"}]},"
      "\"finishReason\":\"STOP\"}]}",
      "[{\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"content\":\"hi\"}],"
      "\"finish_reason\":\"STOP\"}]" },
};

/* shows: A38 */
static void each_shape_of_messages_becomes_the_canonical_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        help_reset(&help);
        help_text(&help, shapes[i].key, shapes[i].sent);
        PART_IS(help_run(&help), CONTENT_OUTPUT, shapes[i].role_json);
    }
}

static void truncated_json_is_kept_as_text_and_flagged(void **state)
{
    (void)state;
    help_text(&help, "gen_ai.input.messages", "[{\"role\":\"user\",\"parts\":[{\"ty");
    assert_true(help_flagged(help_run(&help), "json_broken"));
}

static void structured_values_work_like_json_text(void **state)
{
    (void)state;
    struct attr part[] = { { STR("type"), value_str(STR_OF("text")) },
                           { STR("content"), value_str(STR_OF("hi")) } };
    struct value parts = { .type = VALUE_MAP, .count = 2, .attrs = part };
    struct attr message[] = {
        { STR("role"), value_str(STR_OF("user")) },
        { STR("parts"), { .type = VALUE_ARRAY, .count = 1, .items = &parts } },
    };
    struct value messages = { .type = VALUE_MAP, .count = 2, .attrs = message };
    help_attr(&help, "gen_ai.input.messages",
              (struct value){ .type = VALUE_ARRAY, .count = 1, .items = &messages });
    PART_IS(help_run(&help), CONTENT_INPUT,
            "[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"hi\"}]}]");
}

static void flattened_messages_come_back_in_number_order_with_gaps(void **state)
{
    (void)state;
    help_text(&help, "gen_ai.prompt.10.content", "last");
    help_text(&help, "gen_ai.prompt.2.content", "second");
    help_text(&help, "gen_ai.prompt.2.role", "user");
    help_text(&help, "gen_ai.prompt.0.role", "system");
    help_text(&help, "gen_ai.prompt.0.content", "first");
    help_text(&help, "gen_ai.prompt.10.role", "assistant");
    help_text(&help, "gen_ai.prompt.10.tool_calls.0.name", "f");
    help_text(&help, "gen_ai.prompt.10.tool_calls.0.arguments", "{\"a\":1}");
    struct span *span = help_run(&help);
    PART_IS(span, CONTENT_INPUT,
            "[{\"role\":\"system\",\"parts\":[{\"type\":\"text\",\"content\":\"first\"}]},"
            "{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"second\"}]},"
            "{\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"content\":\"last\"},"
            "{\"type\":\"tool_call\",\"name\":\"f\",\"arguments\":{\"a\":1}}]}]");
    assert_int_equal(span->attr_count, 0);
    assert_true(SPAN_KNOWS(span, system_prompt_hash));
}

static void an_index_of_any_size_costs_nothing(void **state)
{
    (void)state;
    help_text(&help, "gen_ai.prompt.999999999.role", "user");
    help_text(&help, "gen_ai.prompt.999999999.content", "b");
    help_text(&help, "gen_ai.prompt.99999999999999999999999999.content", "c");
    help_text(&help, "gen_ai.prompt.0000000001.content", "a");
    help_text(&help, "gen_ai.prompt.5", "leaf");
    help_text(&help, "gen_ai.prompt.5.content", "branch");
    help_text(&help, "gen_ai.prompt.6.", "dot");
    help_text(&help, "gen_ai.prompt.6..x", "dots");
    struct span *span = help_run(&help);
    assert_true(json_check(span_part(span, CONTENT_INPUT)->json));
    assert_true(help.arena.used_bytes < 1 * MIB);
}

static void a_deep_path_ends_at_the_limit(void **state)
{
    (void)state;
    static char key[4096] = "llm.input_messages.0";
    for (int i = 0; i < 1000; i++)
        strcat(key, ".1");
    help_text(&help, key, "x");
    assert_true(json_check(span_part(help_run(&help), CONTENT_INPUT)->json));
}

/* ---- content ---- */

static void a_long_value_is_content_and_leaves_a_marker(void **state)
{
    (void)state;
    static char at_limit[1025], past[1026];
    memset(at_limit, 'a', 1024);
    memset(past, 'b', 1025);
    help_text(&help, "x.at", at_limit);
    help_text(&help, "x.past", past);
    struct span *span = help_run(&help);
    assert_int_equal(strlen(help_kept(&help, span, "x.at")), 1026);
    assert_string_equal(help_kept(&help, span, "x.past"), "\"" NORM_CONTENT_MARKER "\"");
    assert_int_equal(span_part(span, CONTENT_ATTRS)->json.len, 1025 + strlen("{\"x.past\":\"\"}"));
}

/* shows: A65 A77 H2 */
static void query_and_chunks_are_never_attributes(void **state)
{
    (void)state;
    help_text(&help, "rag.query", "how do I reset?");
    help_text(&help, "rag.chunk.text", "secret chunk");
    struct span *span = help_run(&help);
    assert_int_equal(span->attr_count, 0);
    PART_IS(span, CONTENT_QUERY, "\"how do I reset?\"");
    PART_IS(span, CONTENT_DOCUMENTS, "[{\"content\":\"secret chunk\"}]");
    assert_true(SPAN_KNOWS(span, query_hash));
}

/* shows: A41 */
static void tool_arguments_and_result_are_content(void **state)
{
    (void)state;
    help_text(&help, "gen_ai.operation.name", "execute_tool");
    help_text(&help, "gen_ai.tool.call.arguments", "{\"a\":1}");
    help_text(&help, "output.value", "done");
    struct span *span = help_run(&help);
    FIELD_IS(span, "step", "\"tool\"");
    PART_IS(span, CONTENT_TOOL_ARGUMENTS, "{\"a\":1}");
    PART_IS(span, CONTENT_TOOL_RESULT, "\"done\"");
}

static void a_too_long_field_is_cut_at_a_character_and_kept_whole(void **state)
{
    (void)state;
    static char text[2100];
    for (size_t i = 0; i < 1000; i++)
        memcpy(text + 2 * i, "\u00e9", 2);
    help.config.text_field_bytes_max = 1023;
    help_text(&help, "app.feature", text);
    struct span *span = help_run(&help);
    assert_int_equal(span->feature.len, 1022);
    assert_true(help_flagged(span, "truncated"));
    assert_non_null(span_part(span, CONTENT_ATTRS));
}

static void invalid_utf8_is_repaired_wherever_it_is_kept(void **state)
{
    (void)state;
    help_text(&help, "app.feature", "a\xff");
    help_text(&help, "x.\xff", "b\xff");
    help_text(&help, "gen_ai.input.messages", "[{\"role\":\"user\",\"content\":\"c\xff\"}]");
    struct span *span = help_run(&help);
    FIELD_IS(span, "feature", "\"a\uFFFD\"");
    assert_string_equal(help_kept(&help, span, "x.\uFFFD"), "\"b\uFFFD\"");
    assert_true(json_check(span_part(span, CONTENT_INPUT)->json));
}

/* ---- times, errors, events ---- */

static void odd_times_are_flagged(void **state)
{
    (void)state;
    help.span.end_ns = help.span.start_ns - 1;
    struct span *span = help_run(&help);
    assert_true(help_flagged(span, "end_before_start"));
    assert_false(SPAN_KNOWS(span, latency_ns));
    assert_true(SPAN_KNOWS(span, sender_latency_ns) && span->sender_latency_ns == -1);
    static const uint64_t suspects[] = { 1, 7258118400000000000u, UINT64_MAX };
    for (size_t i = 0; i < COUNT_OF(suspects); i++) {
        help_reset(&help);
        help.span.start_ns = help.span.end_ns = suspects[i];
        assert_true(help_flagged(help_run(&help), "time_suspect"));
    }
    help_reset(&help);
    assert_false(SPAN_KNOWS(help_run(&help), flags));
}

/* shows: A49 */
static void a_differing_latency_of_the_sender_is_kept_and_shown(void **state)
{
    (void)state;
    help_attr(&help, "latency_ms", value_i64(2100)); /* span: 2000 ms */
    assert_false(help_flagged(help_run(&help), "latency_differs"));
    help_reset(&help);
    help_attr(&help, "latency_ms", value_i64(2101));
    struct span *span = help_run(&help);
    assert_true(help_flagged(span, "latency_differs"));
    FIELD_IS(span, "latency_ns", "2000");
}

/* shows: A45 A57 */
static void error_classes_are_kept_apart(void **state)
{
    (void)state;
    static const struct {
        const char *type, *class_name;
    } rows[] = {
        { "429", "rate_limit" },
        { "RateLimitError", "rate_limit" },
        { "503", "http" },
        { "TimeoutError", "timeout" },
        { "504", "timeout" },
        { "content_filter", "content_filter" },
        { "JSONDecodeError", "parsing" },
        { "GuardrailTripwire", "safety" },
        { "tool_error", "tool" },
        { "ValueError", "other" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        help_reset(&help);
        help_text(&help, "error.type", rows[i].type);
        struct span *span = help_run(&help); /* status unset: error.type alone is an error */
        FIELD_IS(span, "status", "\"error\"");
        assert_true(str_equal_c(span->error_class, rows[i].class_name));
    }
}

/* shows: A57 A50 */
static void exception_and_first_token_events_are_read(void **state)
{
    (void)state;
    struct attr exception[] = {
        { STR("exception.type"), value_str(STR_OF("openai.RateLimitError")) },
        { STR("exception.message"), value_str(STR_OF("slow down")) },
    };
    help_event(&help, "exception", exception, 2);
    help_event(&help, "gen_ai.first_token", NULL, 0);
    help.span.status_code = 2;
    struct span *span = help_run(&help);
    FIELD_IS(span, "error_type", "\"openai.RateLimitError\"");
    FIELD_IS(span, "error_class", "\"rate_limit\"");
    FIELD_IS(span, "status_message", "\"slow down\"");
    FIELD_IS(span, "ttft_ns", "500");
    assert_non_null(
        strstr(help_field(&help, span, "events"),
               "\"attributes\":{\"exception.type\":\"openai.RateLimitError\","
               "\"exception.message\":\"slow down\"}},{\"name\":\"gen_ai.first_token\""));
    assert_null(span_part(span, CONTENT_EVENTS));
}

/* shows: A20 A21 T13 */
static void the_model_asked_for_stays_apart_from_the_one_that_answered(void **state)
{
    static const struct {
        const char *invocation, *asked;
    } cases[] = {
        { "{\"model\":\"gpt-4o\",\"temperature\":1}", "\"gpt-4o\"" },
        { "{\"temperature\":1}", "\"gpt-4o-2024-08-06\"" },
        { "{\"model\":7}", "\"gpt-4o-2024-08-06\"" },
        { "{\"model\":\"\"}", "\"gpt-4o-2024-08-06\"" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        reset(state);
        help_text(&help, "llm.invocation_parameters", cases[i].invocation);
        help_text(&help, "llm.model_name", "gpt-4o-2024-08-06");
        struct span *span = help_run(&help);
        FIELD_IS(span, "request_model", cases[i].asked);
        FIELD_IS(span, "generator_model", "\"gpt-4o-2024-08-06\"");
    }
}

/* shows: D4 */
static void what_does_not_fit_the_field_of_events_is_content(void **state)
{
    static char run[1025];
    memset(run, 's', sizeof run);
    str text = str_make(run, sizeof run);
    struct attr fits[] = { { STR("exception.stacktrace"), value_str(str_sub(text, 0, 1024)) } };
    struct attr longer[] = { { STR("exception.stacktrace"), value_str(text) } };
    help_event(&help, "exception", fits, 1);
    struct span *span = help_run(&help);
    assert_null(span_part(span, CONTENT_EVENTS));
    assert_non_null(strstr(help_field(&help, span, "events"), "ssss"));
    reset(state);
    help_event(&help, "exception", longer, 1);
    help_event(&help, "cache.miss", NULL, 0);
    span = help_run(&help);
    assert_non_null(strstr(help_field(&help, span, "events"), "\"" NORM_CONTENT_MARKER "\""));
    assert_null(strstr(help_field(&help, span, "events"), "ssss"));
    assert_non_null(strstr(help_part(&help, span, CONTENT_EVENTS), "ssss"));
    assert_non_null(strstr(help_part(&help, span, CONTENT_EVENTS), "cache.miss"));
    reset(state);
    for (int i = 0; i < 16; i++)
        help_event(&help, "exception", fits, 1);
    span = help_run(&help);
    assert_true(span->events.len <= NORM_EVENTS_BYTES_MAX + 1 && span->events.len > 15000);
    assert_true(span_part(span, CONTENT_EVENTS)->json.len > 16 * 1024);
}

/* shows: A31 A38 */
static void content_events_become_parts_and_leave_no_text(void **state)
{
    (void)state;
    struct attr prompt[] = { { STR("content"),
                               value_str(STR_OF("[{\"role\":\"user\",\"content\":\"q\"}]")) } };
    struct attr completion[] = { { STR("content"), value_str(STR_OF("answer")) } };
    help_event(&help, "gen_ai.content.prompt", prompt, 1);
    help_event(&help, "gen_ai.content.completion", completion, 1);
    struct span *span = help_run(&help);
    PART_IS(span, CONTENT_INPUT,
            "[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"q\"}]}]");
    PART_IS(span, CONTENT_OUTPUT,
            "[{\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"content\":\"answer\"}]}]");
    assert_null(span_part(span, CONTENT_EVENTS));
    assert_non_null(strstr(help_field(&help, span, "events"), "gen_ai.content.completion"));
    assert_null(strstr(help_field(&help, span, "events"), "answer"));
}

static void the_spans_copy_beats_the_events_which_is_kept_as_content(void **state)
{
    (void)state;
    struct attr prompt[] = { { STR("content"), value_str(STR_OF("event text")) } };
    help_event(&help, "gen_ai.content.prompt", prompt, 1);
    help_text(&help, "gen_ai.input.messages", "span text");
    struct span *span = help_run(&help);
    assert_non_null(strstr(help_part(&help, span, CONTENT_INPUT), "span text"));
    assert_non_null(strstr(help_part(&help, span, CONTENT_EVENTS), "event text"));
    assert_non_null(strstr(help_field(&help, span, "events"), NORM_CONTENT_MARKER));
}

/* ---- logs ---- */

static struct raw_log log_of(const char *name, struct value body)
{
    struct raw_log log = {
        .scope = &help.scope, .time_ns = START_NS, .body = body, .event_name = str_from_c(name)
    };
    log.trace_id.bytes[0] = 1;
    log.span_id.bytes[0] = 2;
    return log;
}

static void run_logs(struct raw_log *logs, uint32_t count)
{
    struct raw_batch raw = { .logs = logs, .log_count = count };
    assert_int_equal(norm_batch(&help.arena, &help.config, &raw, &help.batch, NULL), ERR_OK);
}

/* shows: A31 A38 */
static void message_logs_become_one_addition_to_their_span(void **state)
{
    (void)state;
    struct attr user[] = { { STR("content"), value_str(STR_OF("q")) } };
    struct attr message[] = { { STR("content"), value_str(STR_OF("a")) } };
    struct attr choice[] = {
        { STR("index"), value_i64(0) },
        { STR("finish_reason"), value_str(STR_OF("stop")) },
        { STR("message"), { .type = VALUE_MAP, .count = 1, .attrs = message } },
    };
    struct raw_log logs[] = {
        log_of("gen_ai.user.message",
               (struct value){ .type = VALUE_MAP, .count = 1, .attrs = user }),
        log_of("gen_ai.choice", (struct value){ .type = VALUE_MAP, .count = 3, .attrs = choice }),
        log_of("something", value_str(STR_OF("plain"))),
    };
    run_logs(logs, 3);
    assert_int_equal(help.batch.span_count, 1);
    assert_int_equal(help.batch.log_count, 1);
    struct span *span = &help.batch.spans[0];
    assert_true(span->is_addition);
    assert_false(SPAN_KNOWS(span, start_time));
    FIELD_IS(span, "finish_reason", "[\"stop\"]");
    PART_IS(span, CONTENT_INPUT,
            "[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"q\"}]}]");
    PART_IS(span, CONTENT_OUTPUT,
            "[{\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"content\":\"a\"}],"
            "\"finish_reason\":\"stop\"}]");
    assert_true(str_equal_c(help.batch.logs[0].body_json, "\"plain\""));
}

static void a_message_log_without_a_span_stays_a_log(void **state)
{
    (void)state;
    struct raw_log log = log_of("gen_ai.user.message", value_str(STR_OF("q")));
    memset(&log.span_id, 0, sizeof log.span_id);
    run_logs(&log, 1);
    assert_int_equal(help.batch.span_count, 0);
    assert_int_equal(help.batch.log_count, 1);
}

static void metrics_get_their_service(void **state)
{
    (void)state;
    help_resource(&help, "service.name", "svc");
    struct raw_metric metric = { .scope = &help.scope,
                                 .type = METRIC_SUM,
                                 .name = STR("gen_ai.client.token.usage"),
                                 .has_value = true,
                                 .value = 3 };
    struct raw_batch raw = { .metrics = &metric, .metric_count = 1 };
    assert_int_equal(norm_batch(&help.arena, &help.config, &raw, &help.batch, NULL), ERR_OK);
    assert_int_equal(help.batch.metric_count, 1);
    assert_true(str_equal_c(help.batch.metrics[0].service, "svc"));
}

static void a_spent_budget_is_an_error_not_a_crash(void **state)
{
    (void)state;
    help_text(&help, "gen_ai.input.messages", "[{\"role\":\"user\",\"content\":\"hello\"}]");
    help_text(&help, "x", "\xff");
    struct raw_batch raw = { .spans = &help.span, .span_count = 1 };
    size_t budget;
    for (budget = 0;; budget += 64) {
        arena_clear(&help.arena);
        arena_init(&help.arena, budget);
        enum err code = norm_batch(&help.arena, &help.config, &raw, &help.batch, NULL);
        if (code == ERR_OK)
            break;
        assert_int_equal(code, ERR_LIMIT);
        assert_true(budget < 1 * MIB);
    }
    assert_true(budget > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_newest_name_wins_in_any_order_and_the_loser_stays, reset),
        cmocka_unit_test_setup(a_value_that_cannot_be_read_leaves_the_next_name_its_chance, reset),
        cmocka_unit_test_setup(an_unknown_attribute_is_kept_with_its_type, reset),
        cmocka_unit_test_setup(the_span_beats_its_resource_and_the_rest_is_copied_once, reset),
        cmocka_unit_test_setup(a_resource_with_too_many_attributes_is_cut_and_counted, reset),
        cmocka_unit_test_setup(a_framework_is_not_a_provider, reset),
        cmocka_unit_test_setup(a_version_object_fills_what_no_attribute_gave, reset),
        cmocka_unit_test_setup(association_properties_are_the_names_behind_the_prefix, reset),
        cmocka_unit_test_setup(cached_tokens_are_not_counted_twice, reset),
        cmocka_unit_test_setup(an_exclusive_count_gives_itself_away, reset),
        cmocka_unit_test_setup(reasoning_is_part_of_output, reset),
        cmocka_unit_test_setup(unknown_usage_is_not_zero, reset),
        cmocka_unit_test_setup(absurd_counts_are_ignored_and_flagged, reset),
        cmocka_unit_test_setup(canonical_messages_pass_through_unchanged, reset),
        cmocka_unit_test_setup(the_same_prompt_has_one_hash_in_every_shape, reset),
        cmocka_unit_test_setup(each_shape_of_messages_becomes_the_canonical_one, reset),
        cmocka_unit_test_setup(truncated_json_is_kept_as_text_and_flagged, reset),
        cmocka_unit_test_setup(structured_values_work_like_json_text, reset),
        cmocka_unit_test_setup(flattened_messages_come_back_in_number_order_with_gaps, reset),
        cmocka_unit_test_setup(an_index_of_any_size_costs_nothing, reset),
        cmocka_unit_test_setup(a_deep_path_ends_at_the_limit, reset),
        cmocka_unit_test_setup(a_long_value_is_content_and_leaves_a_marker, reset),
        cmocka_unit_test_setup(query_and_chunks_are_never_attributes, reset),
        cmocka_unit_test_setup(tool_arguments_and_result_are_content, reset),
        cmocka_unit_test_setup(a_too_long_field_is_cut_at_a_character_and_kept_whole, reset),
        cmocka_unit_test_setup(invalid_utf8_is_repaired_wherever_it_is_kept, reset),
        cmocka_unit_test_setup(odd_times_are_flagged, reset),
        cmocka_unit_test_setup(a_differing_latency_of_the_sender_is_kept_and_shown, reset),
        cmocka_unit_test_setup(error_classes_are_kept_apart, reset),
        cmocka_unit_test_setup(exception_and_first_token_events_are_read, reset),
        cmocka_unit_test_setup(the_model_asked_for_stays_apart_from_the_one_that_answered, reset),
        cmocka_unit_test_setup(what_does_not_fit_the_field_of_events_is_content, reset),
        cmocka_unit_test_setup(content_events_become_parts_and_leave_no_text, reset),
        cmocka_unit_test_setup(the_spans_copy_beats_the_events_which_is_kept_as_content, reset),
        cmocka_unit_test_setup(message_logs_become_one_addition_to_their_span, reset),
        cmocka_unit_test_setup(a_message_log_without_a_span_stays_a_log, reset),
        cmocka_unit_test_setup(metrics_get_their_service, reset),
        cmocka_unit_test_setup(a_spent_budget_is_an_error_not_a_crash, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
