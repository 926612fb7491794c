/* test_helicone.c -- a logged call as a span, a streamed answer put together, feedback and scores.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "vendor_help.h"

#include "wire/helicone_int.h"
#include "wire/native.h"

static str json_of(const struct value *value)
{
    struct buf out;
    buf_init(&out, MIB);
    value_to_json(&out, value);
    str text = arena_str(&arena, buf_str(&out));
    buf_clear(&out);
    return text;
}

static const struct attr headers[] = {
    { STR("helicone-session-id"), { .type = VALUE_STR, .text = STR("s-1") } },
    { STR("helicone-auth"), { .type = VALUE_STR, .text = STR("Bearer secret") } },
    { STR("authorization"), { .type = VALUE_STR, .text = STR("Bearer secret") } },
    { STR("helicone-property-plan"), { .type = VALUE_STR, .text = STR("gold") } },
};

static const struct raw_span *logged(const char *json)
{
    struct helicone_body body = { .bytes = str_from_c(json),
                                  .headers = headers,
                                  .header_count = COUNT_OF(headers),
                                  .provider = STR("openai") };
    assert_int_equal(helicone_decode_log(&arena, &body, NULL, &batch, &why), ERR_OK);
    assert_int_equal(batch.span_count, 1);
    return &batch.spans[0];
}

static void headers_tell_session_and_properties_and_never_a_key(void **state)
{
    (void)state;
    const struct raw_span *span =
        logged("{\"providerRequest\":{\"json\":{\"model\":\"m\"},\"meta\":{\"Helicone-User-Id\":"
               "\"u\",\"Helicone-Auth\":\"Bearer secret\",\"Other\":\"x\"}}}");
    struct id16 trace = native_trace_id(STR_OF("s-1"));
    assert_memory_equal(&span->trace_id, &trace, sizeof trace);
    ASSERT_ATTR(span, "helicone.session.id", "\"s-1\"");
    ASSERT_ATTR(span, "helicone.user_id", "\"u\"");
    ASSERT_ATTR(span, "helicone.property.plan", "\"gold\"");
    ASSERT_ATTR(span, "helicone.provider", "\"openai\"");
    assert_text(span->name, "chat m");
    for (uint32_t i = 0; i < span->attr_count; i++)
        assert_int_equal(str_find(json_of(&span->attrs[i].value), STR_OF("secret")),
                         json_of(&span->attrs[i].value).len);
}

static void counts_without_their_cache_are_told_as_such(void **state)
{
    (void)state;
    const struct raw_span *span =
        logged("{\"providerRequest\":{\"json\":{}},\"providerResponse\":{\"status\":200,\"json\":{"
               "\"usage\":"
               "{\"input_tokens\":7,\"cache_creation_input_tokens\":5,\"cache_creation\":{"
               "\"ephemeral_1h_input_tokens\":2},\"output_tokens\":3}}}}");
    ASSERT_ATTR(span, "helicone.usage",
                "\"{\\\"input\\\":7,\\\"output_tokens\\\":3,\\\"input_cache_creation\\\":5,"
                "\\\"input_cache_creation_1h\\\":2}\"");
    assert_int_equal(span->status_code, 1);
    span = logged("{\"providerRequest\":{\"json\":{}},\"providerResponse\":{\"json\":{\"usage\":{"
                  "\"prompt_tokens\":7}}}}");
    ASSERT_ATTR(span, "helicone.usage", "\"{\\\"prompt_tokens\\\":7}\"");
    assert_int_equal(span->status_code, 0);
}

static void times_are_seconds_and_milliseconds(void **state)
{
    (void)state;
    const struct raw_span *span =
        logged("{\"providerRequest\":{},\"timing\":{\"startTime\":{\"seconds\":1700000000,"
               "\"milliseconds\":250},\"endTime\":{\"seconds\":1700000001.5},"
               "\"timeToFirstToken\":120}}");
    assert_int_equal(span->start_ns, UINT64_C(1700000000250000000));
    assert_int_equal(span->end_ns, UINT64_C(1700000001500000000));
    ASSERT_ATTR(span, "helicone.time_to_first_token_ms", "120");
    span = logged("{\"providerRequest\":{},\"timing\":{\"startTime\":{\"seconds\":1e300},"
                  "\"endTime\":{\"seconds\":1,\"milliseconds\":-1}}}");
    assert_int_equal(span->start_ns, 0);
    assert_int_equal(span->end_ns, 0);
}

static bool stream(const char *text, struct value *answer)
{
    bool spent;
    bool good = helicone_stream(&arena, str_from_c(text), answer, &spent);
    assert_false(spent);
    return good;
}

static void chunks_of_either_provider_are_put_together(void **state)
{
    (void)state;
    struct value answer;
    assert_true(stream("data: {\"id\":\"i\",\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":"
                       "\"a\"}}]}\r\n\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"b\",\"tool_"
                       "calls\":[{\"index\":1,\"id\":\"c\",\"function\":{\"name\":\"f\","
                       "\"arguments\":\"{\"}}]},\"finish_reason\":\"stop\"}]}\n"
                       "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":1,\"function\":{"
                       "\"arguments\":\"}\"}}]}}],\"usage\":{\"total_tokens\":3}}\ndata: [DONE]\n",
                       &answer));
    assert_text(json_of(&answer),
                "{\"model\":\"m\",\"id\":\"i\",\"choices\":[{\"message\":{\"role\":\"assistant\","
                "\"content\":\"ab\",\"tool_calls\":[{\"id\":\"c\",\"name\":\"f\",\"arguments\":"
                "\"{}\"}]},\"finish_reason\":\"stop\"}],\"usage\":{\"total_tokens\":3}}");
    assert_true(
        stream("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":"
               "\"i\",\"model\":\"m\",\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n"
               "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":"
               "\"tool_use\",\"id\":\"t\",\"name\":\"f\"}}\n"
               "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"partial_json\":"
               "\"{}\"}}\n"
               "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"text\":\"x\"}}\n"
               "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},"
               "\"usage\":{\"output_tokens\":9}}\n{\"type\":\"message_stop\"}",
               &answer));
    assert_text(json_of(&answer),
                "{\"model\":\"m\",\"id\":\"i\",\"choices\":[{\"message\":{\"role\":\"assistant\","
                "\"content\":\"x\",\"tool_calls\":[{\"id\":\"t\",\"name\":\"f\",\"arguments\":"
                "\"{}\"}]},\"finish_reason\":\"tool_use\"}],\"usage\":{\"input_tokens\":5,"
                "\"output_tokens\":9}}");
}

static void what_is_no_stream_stays_text(void **state)
{
    (void)state;
    static const char *const texts[] = { "", "hello", "{}", "[]", "{\"choices\":[]}\nbroken", "7" };
    struct value answer;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_false(stream(texts[i], &answer));
    const struct raw_span *span = logged("{\"providerRequest\":{},\"providerResponse\":{\"status\":"
                                         "500,\"textBody\":\"boom\\nat f\"}}");
    assert_int_equal(span->status_code, 2);
    assert_text(span->status_message, "boom");
    ASSERT_ATTR(span, "helicone.response", "\"boom\\nat f\"");
}

static void a_bad_body_is_refused_and_a_limit_holds(void **state)
{
    (void)state;
    static const char *const bodies[] = { "", "{", "[]", "7", "{}", "{\"providerRequest\":{}" };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct helicone_body body = { .bytes = str_from_c(bodies[i]) };
        assert_int_equal(helicone_decode_log(&arena, &body, NULL, &batch, &why), ERR_BAD_INPUT);
        assert_int_equal(helicone_decode_feedback(&arena, &body, &batch, &why), ERR_BAD_INPUT);
        assert_int_equal(helicone_decode_scores(&arena, &body, NULL, &batch, &why), ERR_BAD_INPUT);
    }
    struct helicone_body body = { .bytes = STR("{\"providerRequest\":{\"json\":{\"a\":1}}}") };
    limits.attrs_max = 2;
    assert_int_equal(helicone_decode_log(&arena, &body, &limits, &batch, &why), ERR_OK);
    assert_int_equal(batch.spans[0].dropped_attr_count, 0);
    limits.attrs_max = 1;
    assert_int_equal(helicone_decode_log(&arena, &body, &limits, &batch, &why), ERR_OK);
    assert_int_equal(batch.spans[0].dropped_attr_count, 1);
    struct helicone_body scores = { .bytes = STR("{\"scores\":{\"a\":1,\"b\":2}}"),
                                    .request_id = STR("r") };
    limits.items_max = 2;
    assert_int_equal(helicone_decode_scores(&arena, &scores, &limits, &batch, &why), ERR_OK);
    limits.items_max = 1;
    assert_int_equal(helicone_decode_scores(&arena, &scores, &limits, &batch, &why), ERR_LIMIT);
}

static void feedback_and_scores_name_the_request(void **state)
{
    (void)state;
    struct id8 id = native_span_id(STR_OF("r-1"));
    struct helicone_body body = { .bytes = STR("{\"rating\":true}"), .request_id = STR("r-1") };
    assert_int_equal(helicone_decode_feedback(&arena, &body, &batch, &why), ERR_OK);
    assert_memory_equal(&batch.scores[0].score.span_id, &id, sizeof id);
    assert_int_equal(batch.scores[0].score.source, SCORE_BY_USER);
    body.bytes = STR_OF("{\"scores\":{\"a\":0.5,\"b\":false,\"c\":\"x\",\"\":1}}");
    assert_int_equal(helicone_decode_scores(&arena, &body, NULL, &batch, &why), ERR_OK);
    assert_int_equal(batch.score_count, 2);
    assert_int_equal(batch.rejected_scores, 2);
    assert_true(batch.scores[0].score.value == 0.5);
    assert_int_equal(batch.scores[1].score.type, SCORE_BOOL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(headers_tell_session_and_properties_and_never_a_key, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(counts_without_their_cache_are_told_as_such, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(times_are_seconds_and_milliseconds, setup, teardown),
        cmocka_unit_test_setup_teardown(chunks_of_either_provider_are_put_together, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_no_stream_stays_text, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bad_body_is_refused_and_a_limit_holds, setup, teardown),
        cmocka_unit_test_setup_teardown(feedback_and_scores_name_the_request, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
