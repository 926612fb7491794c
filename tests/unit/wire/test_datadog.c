/* test_datadog.c -- what Datadog's tracers send, as spans and scores.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "vendor_help.h"

#include "base/text.h"
#include "wire/datadog_int.h"

static str hex(const void *bytes, size_t len)
{
    static char text[40];
    hex_encode(bytes, len, text);
    return str_make(text, 2 * len);
}

/* ---- ids ---- */

static void ids_are_decimal_or_hexadecimal(void **state)
{
    (void)state;
    static const struct {
        const char *text, *id;
    } spans[] = {
        { "1", "0000000000000001" },
        { "18446744073709551615", "ffffffffffffffff" },
        { "1234567890123456", "000462d53c8abac0" }, /* 16 digits: decimal all the same */
        { "00f067aa0ba902b7", "00f067aa0ba902b7" },
        { "0", "0000000000000000" },
        { "undefined", "0000000000000000" },
        { "", "0000000000000000" },
    };
    static const struct {
        const char *text, *id;
    } traces[] = {
        { "6b0235a70000000083a802d39753bc23", "6b0235a70000000083a802d39753bc23" },
        { "13564036522037300351", "0000000000000000bc3d2359f8754c7f" },
        { "18446744073709551616", "00000000000000010000000000000000" },
        { "340282366920938463463374607431768211455", "ffffffffffffffffffffffffffffffff" },
        { "11111111111111111111111111111111", "11111111111111111111111111111111" },
        { "undefined", "00000000000000000000000000000000" },
    };
    for (size_t i = 0; i < COUNT_OF(spans); i++) {
        struct id8 id = datadog_span_id(str_from_c(spans[i].text));
        assert_text(hex(&id, sizeof id), spans[i].id);
    }
    for (size_t i = 0; i < COUNT_OF(traces); i++) {
        struct id16 id = datadog_trace_id(str_from_c(traces[i].text));
        assert_text(hex(&id, sizeof id), traces[i].id);
    }
    struct id16 past = datadog_trace_id(STR_OF("340282366920938463463374607431768211456"));
    assert_false(id16_is_zero(past)); /* hashed */
}

/* ---- events ---- */

static const struct raw_span *event(const char *span_json)
{
    str body = arena_printf(&arena, "[{\"event_type\":\"span\",\"spans\":[%s]}]", span_json);
    assert_int_equal(datadog_decode_events(&arena, body, NULL, &batch, &why), ERR_OK);
    assert_int_equal(batch.rejected_count, 0);
    assert_int_equal(batch.span_count, 1);
    return &batch.spans[0];
}

#define IDS "\"trace_id\":\"ab\",\"span_id\":\"7\",\"_dd\":{\"apm_trace_id\":\"12\"}"

/* shows: R5 */
static void an_event_belongs_to_the_apm_trace_and_keeps_the_id_of_its_own(void **state)
{
    (void)state;
    const struct raw_span *span =
        event("{" IDS ",\"parent_id\":\"undefined\",\"name\":\"answer\",\"start_ns\":1000,"
              "\"duration\":50,\"status\":\"ok\",\"meta\":{\"span\":{\"kind\":\"llm\"}}}");
    assert_text(hex(&span->trace_id, 16), "0000000000000000000000000000000c");
    assert_text(hex(&span->span_id, 8), "0000000000000007");
    assert_true(id8_is_zero(span->parent_span_id));
    assert_text(span->source_id, "7");
    assert_text(span->name, "answer");
    assert_int_equal(span->start_ns, 1000);
    assert_int_equal(span->end_ns, 1050);
    assert_int_equal(span->status_code, 1);
    assert_false(span->is_addition);
    ASSERT_ATTR(span, "_ml_obs.trace_id", "\"ab\"");
    ASSERT_ATTR(span, "_dd.llmobs.span_kind", "\"llm\"");
}

static void messages_have_calls_results_and_media_under_the_names_of_others(void **state)
{
    (void)state;
    const struct raw_span *span = event(
        "{" IDS ",\"meta\":{\"span.kind\":\"llm\",\"input\":{\"messages\":["
        "{\"role\":\"user\",\"content\":\"hi\",\"image_parts\":[{\"mime_type\":\"image/png\","
        "\"content\":\"AA==\"}]},"
        "{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"name\":\"f\",\"arguments\":{"
        "\"q\":1},\"tool_id\":\"c1\",\"type\":\"function\"}]},"
        "{\"role\":\"tool\",\"tool_results\":[{\"name\":\"f\",\"result\":\"21\",\"tool_id\":\"c1\"}"
        "]}]},\"output\":{\"messages\":[{\"content\":\"ok\"}]},"
        "\"tool_definitions\":[{\"name\":\"f\",\"schema\":{}}]}}");
    ASSERT_ATTR(span, "_ml_obs.meta.input.messages",
                "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"},"
                "{\"type\":\"blob\",\"modality\":\"image\",\"mime_type\":\"image/png\","
                "\"content\":\"AA==\"}]},"
                "{\"role\":\"assistant\",\"tool_calls\":[{\"name\":\"f\",\"arguments\":{\"q\":1},"
                "\"id\":\"c1\",\"type\":\"function\"}],\"content\":\"\"},"
                "{\"role\":\"tool\",\"content\":[{\"type\":\"tool_call_response\",\"id\":\"c1\","
                "\"response\":\"21\"}]}]");
    ASSERT_ATTR(span, "_ml_obs.meta.output.messages",
                "[{\"role\":\"assistant\",\"content\":\"ok\"}]");
    ASSERT_ATTR(span, "_ml_obs.meta.tool_definitions",
                "[{\"type\":\"function\",\"name\":\"f\",\"parameters\":{}}]");
}

static void what_a_tracer_does_not_know_stays_unknown(void **state)
{
    (void)state;
    const struct raw_span *span = event(
        "{" IDS ",\"meta\":{\"span.kind\":\"llm\",\"model_name\":\"custom\",\"model_provider\":"
        "\"unknown\",\"input\":{\"value\":\"\"},\"metadata\":{}},\"metrics\":{}}");
    ASSERT_ATTR(span, "_dd.llmobs.model_name", "");
    ASSERT_ATTR(span, "_dd.llmobs.model_provider", "");
    ASSERT_ATTR(span, "_ml_obs.meta.input.value", "");
    assert_int_equal(span->status_code, 0);
    assert_int_equal(span->start_ns, 0);
}

static void tags_errors_metrics_prompt_and_links_have_their_places(void **state)
{
    (void)state;
    const struct raw_span *span = event(
        "{" IDS ",\"session_id\":\"s1\",\"status\":\"error\",\"tags\":[\"env:test\",\"version:3\","
        "\"service:shop\",\"session_id:s1\",\"ml_app:app\",\"user.id:u:1\",\"error:1\","
        "\"error_type:Timeout\",\"source:integration\",\"alone\"],"
        "\"metrics\":{\"input_tokens\":5,\"time_to_first_token\":0.25,\"mine\":1},"
        "\"span_links\":[{\"trace_id\":\"12\",\"span_id\":\"9\",\"attributes\":{\"from\":"
        "\"output\"}}],\"collection_errors\":[\"dropped_io\"],"
        "\"meta\":{\"span.kind\":\"tool\",\"error.message\":\"slow\",\"error.type\":"
        "\"Timeout\",\"error.stack\":\"at f\",\"metadata\":{\"temperature\":0.5},"
        "\"input\":{\"prompt\":{\"id\":\"p\",\"version\":\"2\",\"template\":\"t\"}},"
        "\"intent\":\"x\"}}");
    ASSERT_ATTR(span, "deployment.environment.name", "\"test\"");
    ASSERT_ATTR(span, "service.version", "\"3\"");
    ASSERT_ATTR(span, "service.name", "\"shop\"");
    ASSERT_ATTR(span, "_ml_obs.session_id", "\"s1\"");
    ASSERT_ATTR(span, "_ml_obs.meta.ml_app", "\"app\"");
    ASSERT_ATTR(span, "user.id", "\"u:1\"");
    ASSERT_ATTR(span, "alone", "true");
    ASSERT_ATTR(span, "source", "");
    ASSERT_ATTR(span, "error.type", "\"Timeout\"");
    ASSERT_ATTR(span, "_dd.llmobs.input_tokens", "5");
    ASSERT_ATTR(span, "_dd.llmobs.time_to_first_token", "0.25");
    ASSERT_ATTR(span, "_dd.llmobs.mine", "1");
    ASSERT_ATTR(span, "_ml_obs.meta.metadata.temperature", "0.5");
    ASSERT_ATTR(span, "_ml_obs.meta.input.prompt.id", "\"p\"");
    ASSERT_ATTR(span, "_ml_obs.meta.input.prompt.version", "\"2\"");
    ASSERT_ATTR(span, "_ml_obs.meta.input.prompt", "{\"template\":\"t\"}");
    ASSERT_ATTR(span, "_ml_obs.meta.intent", "\"x\"");
    ASSERT_ATTR(span, "_ml_obs.collection_errors", "[\"dropped_io\"]");
    assert_int_equal(span->status_code, 2);
    assert_text(span->status_message, "slow");
    assert_int_equal(span->event_count, 1);
    assert_text(
        attr_json(span->events[0].attrs, span->events[0].attr_count, "exception.stacktrace"),
        "\"at f\"");
    assert_int_equal(span->link_count, 1);
    assert_text(hex(&span->links[0].span_id, 8), "0000000000000009");
    assert_text(attr_json(span->links[0].attrs, span->links[0].attr_count, "from"), "\"output\"");
}

static void a_bad_span_is_left_out_alone(void **state)
{
    (void)state;
    char deep[600] = "";
    for (int i = 0; i < 80; i++)
        strncat(deep, "[", 2);
    for (int i = 0; i < 80; i++)
        strncat(deep, "]", 2);
    str body = arena_printf(
        &arena,
        "[{\"spans\":[{\"span_id\":\"1\"},{\"trace_id\":\"1\"},7,"
        "{\"trace_id\":\"1\",\"span_id\":\"1\",\"start_ns\":\"x\"},"
        "{\"trace_id\":\"1\",\"span_id\":\"1\",\"duration\":-1},"
        "{\"trace_id\":\"1\",\"span_id\":\"1\",\"start_ns\":1e300},"
        "{\"trace_id\":\"1\",\"span_id\":\"1\",\"meta\":%s},"
        "{\"trace_id\":\"1\",\"span_id\":\"8\",\"meta\":[],\"tags\":7,\"metrics\":\"x\"}]},"
        "5,{\"spans\":{}},{\"event_type\":\"other\"},{\"spans\":[]}]",
        deep);
    assert_int_equal(datadog_decode_events(&arena, body, NULL, &batch, &why), ERR_OK);
    assert_int_equal(batch.span_count, 1);
    assert_int_equal(batch.rejected_count, 7 + 3);
    assert_string_equal(batch.rejected_why, "event 1, span 1: trace_id is missing");
    assert_text(batch.spans[0].source_id, "8");
}

static void a_body_that_is_no_list_of_events_is_refused(void **state)
{
    (void)state;
    static const char *const bodies[] = { "",    "7",
                                          "[",   "[{\"spans\":[{]}]",
                                          "[]]", "[{\"spans\":[{\"trace_id\":\"1\"" };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        why = DIAG_NONE;
        assert_int_equal(datadog_decode_events(&arena, str_from_c(bodies[i]), NULL, &batch, &why),
                         ERR_BAD_INPUT);
        assert_true(why.text[0]);
    }
    assert_int_equal(datadog_decode_events(&arena, STR_OF("[]"), NULL, &batch, &why), ERR_OK);
    assert_int_equal(batch.span_count, 0);
}

/* shows: C7 */
static void limits_hold_at_their_number_and_not_past_it(void **state)
{
    (void)state;
    str two = STR_OF("{\"spans\":[{" IDS ",\"tags\":[\"a:1\",\"b:2\",\"c:3\"]},{" IDS "}]}");
    limits.items_max = 2;
    limits.attrs_max = 2;
    assert_int_equal(datadog_decode_events(&arena, two, &limits, &batch, &why), ERR_OK);
    assert_int_equal(batch.spans[0].attr_count, 2);
    assert_int_equal(batch.spans[0].dropped_attr_count, 2); /* the trace's id is one */
    limits.items_max = 1;
    assert_int_equal(datadog_decode_events(&arena, two, &limits, &batch, &why), ERR_LIMIT);
    struct arena small;
    arena_init(&small, 1024);
    assert_int_equal(datadog_decode_events(&small, two, NULL, &batch, &why), ERR_LIMIT);
    arena_clear(&small);
}

/* ---- scores ---- */

static void scores_of(const char *metrics)
{
    str body = arena_printf(&arena,
                            "{\"data\":{\"type\":\"evaluation_metric\",\"attributes\":{"
                            "\"metrics\":[%s]}}}",
                            metrics);
    assert_int_equal(datadog_decode_scores(&arena, body, NULL, &batch, &why), ERR_OK);
}

/* shows: A78 */
static void each_kind_of_evaluation_is_a_score(void **state)
{
    (void)state;
    scores_of("{\"join_on\":{\"span\":{\"span_id\":\"7\",\"trace_id\":\"ab\"}},\"label\":\"l\","
              "\"metric_type\":\"score\",\"score_value\":0.5,\"timestamp_ms\":1700000000000,"
              "\"reasoning\":\"why\",\"assessment\":\"pass\",\"tags\":[\"a:b\"],\"ml_app\":\"x\","
              "\"metadata\":{\"m\":1}},"
              "{\"span_id\":\"7\",\"trace_id\":\"ab\",\"label\":\"v1\",\"metric_type\":"
              "\"categorical\",\"categorical_value\":\"kind\"},"
              "{\"span_id\":\"7\",\"label\":\"b\",\"metric_type\":\"boolean\",\"boolean_value\":"
              "true},"
              "{\"span_id\":\"7\",\"label\":\"j\",\"metric_type\":\"json\",\"json_value\":{\"a\":"
              "1}},"
              "{\"event_kind\":\"feedback\",\"session_id\":\"s\",\"label\":\"t\",\"metric_type\":"
              "\"text\",\"text_value\":\"nice\",\"submitter\":{\"id\":\"u\",\"type\":\"end\"}},"
              "{\"trace_id\":\"ab\",\"label\":\"n\",\"metric_type\":\"numerical\","
              "\"numerical_value\":3},"
              "{\"join_on\":{\"tag\":{\"key\":\"msg\",\"value\":\"m1\"}},\"label\":\"k\","
              "\"metric_type\":\"score\",\"score_value\":1}");
    assert_int_equal(batch.score_count, 7);
    assert_int_equal(batch.rejected_count, 0);
    const struct score *first = &batch.scores[0].score;
    assert_true(first->has_span_id && !first->has_trace_id);
    assert_text(hex(&first->span_id, 8), "0000000000000007");
    assert_true(first->has_value && first->value == 0.5 && first->type == SCORE_NUMBER);
    assert_int_equal(first->time_ns, INT64_C(1700000000000000000));
    assert_text(first->comment, "why");
    assert_text(attr_json(first->attrs, first->attr_count, "_ml_obs.trace_id"), "\"ab\"");
    assert_text(attr_json(first->attrs, first->attr_count, "assessment"), "\"pass\"");
    assert_text(attr_json(first->attrs, first->attr_count, "a"), "\"b\"");
    assert_text(attr_json(first->attrs, first->attr_count, "m"), "1");
    assert_text(batch.scores[1].score.label, "kind");
    assert_int_equal(batch.scores[2].score.type, SCORE_BOOL);
    assert_text(batch.scores[3].score.label, "{\"a\":1}");
    assert_text(batch.scores[4].score.session_id, "s");
    assert_text(batch.scores[4].score.evaluator, "u");
    assert_int_equal(batch.scores[4].score.source, SCORE_BY_USER);
    assert_true(batch.scores[5].score.has_trace_id);
    assert_text(batch.scores[6].score.response_id, "m1");
}

static void a_bad_evaluation_is_left_out_alone(void **state)
{
    (void)state;
    scores_of("7,{},{\"label\":\"l\"},{\"label\":\"l\",\"metric_type\":\"score\",\"score_value\":"
              "1},{\"span_id\":\"1\",\"label\":\"l\",\"metric_type\":\"score\",\"score_value\":"
              "\"x\"},{\"span_id\":\"1\",\"label\":\"l\",\"metric_type\":\"boolean\"},"
              "{\"span_id\":\"1\",\"label\":\"l\",\"metric_type\":\"score\",\"score_value\":1,"
              "\"timestamp_ms\":-1},"
              "{\"span_id\":\"1\",\"label\":\"good\",\"metric_type\":\"score\",\"score_value\":1}");
    assert_int_equal(batch.score_count, 1);
    assert_int_equal(batch.rejected_count, 7);
    assert_int_equal(batch.rejected_scores, 7);
    static const char *const bodies[] = { "", "[]", "{\"data\":7}", "{\"data\":{}", "nul" };
    for (size_t i = 0; i < COUNT_OF(bodies); i++)
        assert_int_equal(datadog_decode_scores(&arena, str_from_c(bodies[i]), NULL, &batch, &why),
                         ERR_BAD_INPUT);
}

/* ---- traces: a small writer of MessagePack ---- */

static struct buf out;

static void write_number(uint64_t number, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        buf_add_char(&out, (char)(number >> (8 * i)));
}

static void write_head(char head, uint32_t count)
{
    buf_add_char(&out, head);
    write_number(count, 4);
}

static void write_map(uint32_t count)
{
    write_head('\xdf', count);
}

static void write_list(uint32_t count)
{
    write_head('\xdd', count);
}

static void write_text(const char *text)
{
    write_head('\xdb', (uint32_t)strlen(text));
    buf_add_c(&out, text);
}

static void write_u64(uint64_t number)
{
    buf_add_char(&out, '\xcf');
    write_number(number, 8);
}

static void write_pair(const char *key, const char *text)
{
    write_text(key);
    write_text(text);
}

static void write_count(const char *key, uint64_t number)
{
    write_text(key);
    write_u64(number);
}

/* trace_id, span_id, parent_id, start, duration: five members. */
static void write_ids(uint64_t span_id, uint64_t parent_id)
{
    write_count("trace_id", 5);
    write_count("span_id", span_id);
    write_count("parent_id", parent_id);
    write_count("start", 1000);
    write_count("duration", 50);
}

static enum err traces_decode(enum datadog_traces format)
{
    struct datadog_body body = { .bytes = arena_str(&arena, buf_str(&out)),
                                 .format = format,
                                 .sender = { STR("python"), STR("4") } };
    buf_clear(&out);
    return datadog_decode_traces(&arena, &body, NULL, &batch, &why);
}

/* shows: R5 */
static void spans_of_a_trace_share_the_upper_half_of_its_id(void **state)
{
    (void)state;
    buf_init(&out, MIB);
    write_list(1);
    write_list(2);
    write_map(8);
    write_ids(1, 0);
    write_pair("name", "web.request");
    write_pair("resource", "POST /ask");
    write_pair("type", "web");
    write_map(7);
    write_ids(2, 1);
    write_pair("service", "db");
    write_text("meta");
    write_map(3);
    write_pair("_dd.p.tid", "6b0235a700000000");
    write_pair("span.kind", "client");
    write_pair("env", "test");
    assert_int_equal(traces_decode(DATADOG_TRACES_V04), ERR_OK);
    assert_int_equal(batch.span_count, 2);
    for (int i = 0; i < 2; i++)
        assert_text(hex(&batch.spans[i].trace_id, 16), "6b0235a7000000000000000000000005");
    assert_text(batch.spans[0].name, "POST /ask");
    ASSERT_ATTR(&batch.spans[0], "operation.name", "\"web.request\"");
    assert_int_equal(batch.spans[1].kind, 3);
    assert_text(hex(&batch.spans[1].parent_span_id, 8), "0000000000000001");
    assert_int_equal(batch.spans[1].end_ns, 1050);
    ASSERT_ATTR(&batch.spans[1], "service.name", "\"db\"");
    ASSERT_ATTR(&batch.spans[1], "deployment.environment.name", "\"test\"");
    assert_text(attr_json(batch.spans[0].scope->resource->attrs,
                          batch.spans[0].scope->resource->attr_count, "telemetry.sdk.language"),
                "\"python\"");
}

/* shows: A59 */
static void an_llm_span_tells_its_counts_once(void **state)
{
    (void)state;
    buf_init(&out, MIB);
    write_list(1);
    write_list(2);
    write_map(8);
    write_ids(1, 0);
    write_pair("name", "openai.request");
    write_text("metrics");
    write_map(1);
    write_count("gen_ai.usage.input_tokens", 9);
    write_text("meta_struct");
    write_map(1);
    write_text("_llmobs");
    static const char tree[] = "\x82\xa4name\xa1n\xa7metrics\x81\xacinput_tokens\x05";
    buf_add_char(&out, '\xc4');
    buf_add_char(&out, (char)(sizeof tree - 1));
    buf_add(&out, tree, sizeof tree - 1);
    write_map(7);
    write_ids(2, 1);
    write_text("meta");
    write_map(3);
    write_pair("_dd.llmobs.submitted", "1");
    write_pair("gen_ai.operation.name", "llm");
    write_pair("openai.request.model", "m");
    write_text("metrics");
    write_map(1);
    write_count("gen_ai.usage.input_tokens", 9);
    assert_int_equal(traces_decode(DATADOG_TRACES_V04), ERR_OK);
    const struct raw_span *inside = &batch.spans[0], *apart = &batch.spans[1];
    assert_text(inside->name, "n");
    assert_false(inside->is_addition);
    ASSERT_ATTR(inside, "_dd.llmobs.input_tokens", "5");
    ASSERT_ATTR(inside, "gen_ai.usage.input_tokens", "");
    assert_true(apart->is_addition); /* its event has the counts */
    ASSERT_ATTR(apart, "gen_ai.usage.input_tokens", "");
    ASSERT_ATTR(apart, "gen_ai.operation.name", "");
    ASSERT_ATTR(apart, "openai.request.model", "\"m\"");
}

static void a_table_of_texts_is_looked_up(void **state)
{
    (void)state;
    buf_init(&out, MIB);
    write_list(2);
    write_list(5);
    write_text("");
    write_text("shop");
    write_text("GET /");
    write_text("error.message");
    write_text("boom");
    write_list(1);
    write_list(2);
    for (uint64_t name = 2; name < 9; name += 6) { /* the second is not in the table */
        write_list(12);
        const uint64_t before[] = { 1, name, 2, 5, 6, 0, 1000, 50, 1 };
        for (size_t i = 0; i < COUNT_OF(before); i++)
            write_u64(before[i]);
        write_map(1);
        write_u64(3);
        write_u64(4);
        write_map(0);
        write_u64(0);
    }
    assert_int_equal(traces_decode(DATADOG_TRACES_V05), ERR_OK);
    assert_int_equal(batch.span_count, 1);
    assert_int_equal(batch.rejected_count, 1);
    assert_string_equal(batch.rejected_why, "trace 1, span 2: a text is not in the table");
    assert_text(batch.spans[0].name, "GET /");
    assert_int_equal(batch.spans[0].status_code, 2);
    assert_text(batch.spans[0].status_message, "boom");
}

static void a_span_of_wrong_types_is_left_out_alone(void **state)
{
    (void)state;
    buf_init(&out, MIB);
    write_list(3);
    write_u64(7); /* no trace */
    write_list(4);
    write_u64(7); /* no span */
    write_map(1);
    write_pair("trace_id", "text");
    write_map(6);
    write_ids(3, 0);
    write_pair("metrics", "text");
    write_map(5);
    write_ids(4, 0);
    write_list(1);
    write_map(1);
    write_count("span_id", 9);
    assert_int_equal(traces_decode(DATADOG_TRACES_V04), ERR_OK);
    assert_int_equal(batch.span_count, 1);
    assert_int_equal(batch.rejected_count, 5);
    assert_text(batch.spans[0].source_id, "4");
}

static void bytes_that_are_no_traces_are_refused(void **state)
{
    (void)state;
    static const str bodies[] = { STR(""),
                                  STR("\xc1"),
                                  STR("\x91\x91\xc1"),
                                  STR("\x91\x92\x80"),
                                  STR("{}"),
                                  STR("\x91\x91\x81\xa1"),
                                  STR("\x90\x01"),
                                  STR("\x92\x90") };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        buf_init(&out, MIB);
        buf_add_str(&out, bodies[i]);
        why = DIAG_NONE;
        assert_int_equal(traces_decode(i % 2 ? DATADOG_TRACES_V05 : DATADOG_TRACES_V04),
                         ERR_BAD_INPUT);
        assert_true(why.text[0]);
    }
    buf_init(&out, MIB);
    buf_add_str(&out, STR_OF("\x90")); /* a tracer asks whether anybody is there */
    assert_int_equal(traces_decode(DATADOG_TRACES_V04), ERR_OK);
    assert_int_equal(batch.span_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ids_are_decimal_or_hexadecimal, setup, teardown),
        cmocka_unit_test_setup_teardown(
            an_event_belongs_to_the_apm_trace_and_keeps_the_id_of_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(
            messages_have_calls_results_and_media_under_the_names_of_others, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_tracer_does_not_know_stays_unknown, setup, teardown),
        cmocka_unit_test_setup_teardown(tags_errors_metrics_prompt_and_links_have_their_places,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_bad_span_is_left_out_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(a_body_that_is_no_list_of_events_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(limits_hold_at_their_number_and_not_past_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(each_kind_of_evaluation_is_a_score, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bad_evaluation_is_left_out_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(spans_of_a_trace_share_the_upper_half_of_its_id, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_llm_span_tells_its_counts_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_table_of_texts_is_looked_up, setup, teardown),
        cmocka_unit_test_setup_teardown(a_span_of_wrong_types_is_left_out_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_that_are_no_traces_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
