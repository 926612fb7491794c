/* test_datadog.c -- which requests are a Datadog tracer's, and how each is answered.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "source_help.h"

static const char json[] = "application/json", msgpack[] = "application/msgpack";

static void the_intake_is_found_directly_and_behind_each_proxy(void **state)
{
    (void)state;
    static const char *const proxies[] = { "", "/evp_proxy/v1", "/evp_proxy/v2", "/evp_proxy/v4" };
    static const char *const paths[] = { "/api/v2/llmobs", "/api/intake/llm-obs/v1/eval-metric",
                                         "/api/intake/llm-obs/v2/eval-metric" };
    for (size_t i = 0; i < COUNT_OF(proxies); i++)
        for (size_t k = 0; k < COUNT_OF(paths); k++) {
            char path[100];
            snprintf(path, sizeof path, "%s%s", proxies[i], paths[k]);
            assert_int_equal(asked("POST", path, json), ERR_OK);
            assert_ptr_equal(route.source, &source_datadog);
            assert_true(str_equal_c(answered(ERR_OK), "{}"));
            assert_int_equal(request.response.status, 202);
        }
}

static void the_agent_answers_traces_with_the_rates_to_keep(void **state)
{
    (void)state;
    static const char *const paths[] = { "/v0.4/traces", "/v0.5/traces" };
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        assert_int_equal(asked(i ? "PUT" : "POST", paths[i], msgpack), ERR_OK);
        assert_true(str_equal_c(answered(ERR_OK), "{\"rate_by_service\":{\"service:,env:\":1.0}}"));
        assert_int_equal(request.response.status, 200);
    }
    assert_int_equal(asked("PUT", "/v0.3/traces", msgpack), ERR_OK);
    assert_true(str_equal_c(answered(ERR_OK), "OK\n"));
}

static void what_a_tracer_sends_besides_is_taken_without_a_key(void **state)
{
    (void)state;
    static const char *const paths[] = { "/v0.6/stats", "/v0.7/config",
                                         "/telemetry/proxy/api/v2/apmtelemetry" };
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        assert_int_equal(asked("POST", paths[i], json), ERR_OK);
        assert_true(route.is_open);
        assert_true(str_equal_c(answered(ERR_OK), "{}"));
        assert_int_equal(request.response.status, 200);
    }
}

static void a_wrong_key_is_refused_in_the_words_that_tracers_look_for(void **state)
{
    (void)state;
    assert_int_equal(asked("POST", "/api/v2/llmobs", json), ERR_OK);
    assert_false(route.is_open);
    why.code = ERR_UNAUTHENTICATED;
    str body = answered(ERR_UNAUTHENTICATED);
    assert_int_equal(request.response.status, 403);
    assert_true(str_find(body, STR_OF("API key is invalid")) < body.len);
}

static void another_method_or_type_is_refused_and_other_paths_are_not_ours(void **state)
{
    (void)state;
    assert_int_equal(asked("GET", "/v0.4/traces", NULL), ERR_METHOD);
    assert_int_equal(asked("POST", "/v0.4/traces", json), ERR_MEDIA_TYPE);
    assert_int_equal(asked("POST", "/api/v2/llmobs", msgpack), ERR_MEDIA_TYPE);
    (void)answered(ERR_MEDIA_TYPE);
    assert_int_equal(request.response.status, 415);
    assert_int_equal(asked("OPTIONS", "/api/v2/llmobs", NULL), ERR_OK);
    assert_true(route.is_options);
    static const char *const others[] = { "/v0.6/traces", "/evp_proxy/v9/api/v2/llmobs",
                                          "/evp_proxy/v2/api/v2/spans", "/api/v2/llmobs/x" };
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_int_equal(asked("POST", others[i], json), ERR_NOT_FOUND);
}

static void a_body_is_read_by_the_form_of_its_path(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        str body;
        uint32_t spans, scores;
    } rows[] = {
        { "/api/v2/llmobs", STR("{\"spans\":[{\"trace_id\":\"1\",\"span_id\":\"2\"}]}"), 1, 0 },
        { "/api/intake/llm-obs/v2/eval-metric",
          STR("{\"data\":{\"attributes\":{\"metrics\":[{\"span_id\":\"1\",\"label\":\"l\","
              "\"metric_type\":\"score\",\"score_value\":1}]}}}"),
          0, 1 },
        { "/v0.4/traces", STR("\x91\x91\x82\xa8trace_id\x01\xa7span_id\x02"), 1, 0 },
        { "/v0.5/traces",
          STR("\x92\x91\xa0\x91\x91\x9c\x00\x00\x00\x01\x02\x00\x05\x06\x00\x80\x80\x00"), 1, 0 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct raw_batch batch;
        assert_int_equal(asked("POST", rows[i].path, NULL), ERR_OK);
        struct intake_body body = { .endpoint = route.endpoint,
                                    .head = &request.head,
                                    .bytes = rows[i].body };
        assert_int_equal(route.source->decode(&request.arena, &body, &batch, &why), ERR_OK);
        assert_int_equal(batch.span_count, rows[i].spans);
        assert_int_equal(batch.score_count, rows[i].scores);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_intake_is_found_directly_and_behind_each_proxy),
        cmocka_unit_test(the_agent_answers_traces_with_the_rates_to_keep),
        cmocka_unit_test(what_a_tracer_sends_besides_is_taken_without_a_key),
        cmocka_unit_test(a_wrong_key_is_refused_in_the_words_that_tracers_look_for),
        cmocka_unit_test(another_method_or_type_is_refused_and_other_paths_are_not_ours),
        cmocka_unit_test(a_body_is_read_by_the_form_of_its_path),
    };
    return cmocka_run_group_tests(tests, source_setup, request_teardown);
}
