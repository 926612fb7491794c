/* test_helicone.c -- which requests are a Helicone logger's, and how each is answered.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "source_help.h"

static const char json[] = "application/json";

static void logs_feedback_and_scores_are_found_by_their_path(void **state)
{
    (void)state;
    static const char *const paths[] = { "/custom/v1/log",           "/oai/v1/log",
                                         "/anthropic/v1/log",        "/googleapis/v1/log",
                                         "/v1/request/r-1/feedback", "/v1/request/r-1/score" };
    static const char *const others[] = { "/v1/log", "/oai/v1/logs", "/v1/request//feedback",
                                          "/v1/request/a/b/score", "/v1/request/r-1" };
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        assert_int_equal(asked("POST", paths[i], json), ERR_OK);
        assert_ptr_equal(route.source, &source_helicone);
        (void)answered(ERR_OK);
        assert_int_equal(request.response.status, 200);
    }
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_int_equal(asked("POST", others[i], json), ERR_NOT_FOUND);
}

static void another_method_or_type_is_refused_with_a_reason(void **state)
{
    (void)state;
    assert_int_equal(asked("GET", "/oai/v1/log", NULL), ERR_METHOD);
    assert_int_equal(asked("POST", "/oai/v1/log", "text/plain"), ERR_MEDIA_TYPE);
    str body = answered(ERR_MEDIA_TYPE);
    assert_int_equal(request.response.status, 415);
    assert_true(str_find(body, STR_OF("is not JSON")) < body.len);
    assert_int_equal(asked("OPTIONS", "/oai/v1/log", NULL), ERR_OK);
    assert_true(route.is_options);
}

static enum err decoded(const char *path, const char *body_json, struct raw_batch *batch)
{
    assert_int_equal(asked("POST", path, json), ERR_OK);
    struct intake_body body = { .endpoint = route.endpoint,
                                .head = &request.head,
                                .bytes = str_from_c(body_json) };
    return route.source->decode(&request.arena, &body, batch, &why);
}

static void the_path_tells_provider_and_request(void **state)
{
    (void)state;
    struct raw_batch batch;
    assert_int_equal(decoded("/anthropic/v1/log", "{\"providerRequest\":{}}", &batch), ERR_OK);
    const struct attr *provider =
        attr_find(batch.spans[0].attrs, batch.spans[0].attr_count, STR_OF("helicone.provider"));
    assert_true(provider && str_equal_c(provider->value.text, "anthropic"));
    assert_int_equal(decoded("/v1/request/r-1/feedback", "{\"rating\":false}", &batch), ERR_OK);
    assert_int_equal(batch.score_count, 1);
    assert_int_equal(decoded("/v1/request/r-1/score", "{\"scores\":{\"a\":1}}", &batch), ERR_OK);
    assert_int_equal(batch.score_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logs_feedback_and_scores_are_found_by_their_path),
        cmocka_unit_test(another_method_or_type_is_refused_with_a_reason),
        cmocka_unit_test(the_path_tells_provider_and_request),
    };
    return cmocka_run_group_tests(tests, source_setup, request_teardown);
}
