/* test_router.c -- paths to routes: captures, 404, 405 with Allow, and the table itself.
 *
 * Includes router.c, so that stubs can stand for the handlers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */
#include "api/router.c"

#define STUB(handler)                                                                              \
    enum err api_##handler(struct api_job *job, struct diag *reterr_why)                           \
    {                                                                                              \
        (void)job;                                                                                 \
        (void)reterr_why;                                                                          \
        return ERR_OK;                                                                             \
    }
STUB(list_traces)
STUB(list_unmapped)
STUB(list_pins)
STUB(list_logs)
STUB(get_instrumentation)
STUB(sql)
STUB(get_trace)
STUB(get_trace_summary)
STUB(get_content_places)
STUB(list_spans)
STUB(get_span)
STUB(get_payload)
STUB(list_events)
STUB(list_scores)
STUB(aggregate)
STUB(list_sessions)
STUB(get_session)
STUB(list_users)
STUB(get_user)
STUB(retrieval)
STUB(prompts)
STUB(models)
STUB(compare)
STUB(complete)
STUB(get_config)
STUB(get_status)
STUB(openapi)
STUB(healthz)
STUB(readyz)
STUB(metrics)
STUB(search)
STUB(verdicts)
STUB(conversations)
STUB(get_conversation)
STUB(services)
STUB(get_trace_services)
STUB(metrics_otlp)
STUB(list_metrics)
STUB(query_metric)
STUB(changes)
STUB(steps)
STUB(expensive)
STUB(get_trace_steps)
STUB(get_retention)
STUB(run_retention)

static enum err match(const char *method, const char *path, struct route_match *ret_match)
{
    struct diag why = DIAG_NONE;
    enum err code = router_match(str_from_c(method), str_from_c(path), ret_match, &why);
    assert_int_equal(router_match(str_from_c(method), str_from_c(path), ret_match, NULL), code);
    return code;
}

static void a_path_finds_its_route_and_captures(void **state)
{
    (void)state;
    struct route_match found;
    assert_int_equal(match("GET", "/api/v1/traces", &found), ERR_OK);
    assert_string_equal(found.route->name, "list_traces");
    assert_int_equal(found.param_count, 0);
    assert_int_equal(match("GET", "/api/v1/traces/4f7a/summary", &found), ERR_OK);
    assert_string_equal(found.route->name, "get_trace_summary");
    assert_true(str_equal_c(found.params[0], "4f7a"));
    assert_int_equal(match("GET", "/api/v1/spans/ab/cd/payload", &found), ERR_OK);
    assert_ptr_equal(found.route->handle, api_get_payload);
    assert_int_equal(found.param_count, 2);
    assert_true(str_equal_c(found.params[1], "cd"));
    assert_int_equal(match("GET", "/api/v1/sessions/chat/3", &found), ERR_OK);
    assert_true(str_equal_c(found.params[0], "chat/3"));
    assert_int_equal(match("GET", "/api/v1/sessions/a", &found), ERR_OK);
    assert_true(str_equal_c(found.params[0], "a"));
    assert_int_equal(match("GET", "/api/v1/sessions/", &found), ERR_NOT_FOUND);
    assert_false(found.is_head);
    assert_int_equal(match("HEAD", "/healthz", &found), ERR_OK);
    assert_true(found.is_head);
    assert_int_equal(match("GET", "/api/v1/live", &found), ERR_OK);
    assert_true(found.route->is_stream);
    assert_null(found.route->handle);
}

static void what_is_no_path_is_not_found(void **state)
{
    (void)state;
    struct route_match found;
    static const char *const paths[] = { "",
                                         "/",
                                         "healthz",
                                         "/healthz/",
                                         "//healthz",
                                         "/api/v1",
                                         "/api/v1/traces/",
                                         "/api/v1/traces//summary",
                                         "/api/v1/traces/a/b",
                                         "/api/v1/spans/a",
                                         "/api/v1/spans//b",
                                         "/API/v1/traces",
                                         "/api/v1/traces/a/summary/x" };
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        if (match("GET", paths[i], &found) != ERR_NOT_FOUND)
            fail_msg("found %s", paths[i]);
}

static void another_method_is_refused_with_allow(void **state)
{
    (void)state;
    struct route_match found;
    static const char *const methods[] = { "POST", "PUT", "DELETE", "get", "OPTIONS", "" };
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        assert_int_equal(match(methods[i], "/api/v1/aggregate", &found), ERR_METHOD);
        assert_string_equal(found.allow, "GET, HEAD");
    }
    assert_int_equal(match("POST", "/nowhere", &found), ERR_NOT_FOUND);
}

/* shows: P6 P17 */
static void content_needs_its_own_permission_and_only_probes_need_none(void **state)
{
    (void)state;
    size_t count, open = 0;
    const struct route *table = router_routes(&count);
    for (size_t i = 0; i < count; i++) {
        bool is_payload = strstr(table[i].path, "/payload") || strstr(table[i].path, "/search");
        assert_int_equal(is_payload, table[i].permission == AUTH_PAYLOAD_READ);
        open += table[i].permission == AUTH_NONE;
    }
    assert_int_equal(open, 4); /* healthz, readyz and the document at two paths */
}

static void no_two_rows_have_the_same_method_and_path(void **state)
{
    (void)state;
    size_t count;
    const struct route *table = router_routes(&count);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            assert_true(strcmp(table[i].path, table[j].path) != 0 ||
                        strcmp(table[i].method, table[j].method) != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_finds_its_route_and_captures),
        cmocka_unit_test(what_is_no_path_is_not_found),
        cmocka_unit_test(another_method_is_refused_with_allow),
        cmocka_unit_test(content_needs_its_own_permission_and_only_probes_need_none),
        cmocka_unit_test(no_two_rows_have_the_same_method_and_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
