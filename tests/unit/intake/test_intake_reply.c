/* test_intake_reply.c -- answers of JSON, forms of errors, parameters of a query.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "request_help.h"

#include "intake/reply.h"

static struct intake_reply reply;
static struct intake_route route;
static struct intake_answer outcome;

static int setup(void **state)
{
    route = (struct intake_route){ 0 };
    outcome = (struct intake_answer){ 0 };
    head_is("POST", "/x");
    return request_setup(state);
}

static void begin(void)
{
    intake_reply_begin(&reply, &request, &route, &outcome, KIB);
}

static void assert_sent(int status, const char *type, const char *body)
{
    intake_reply_send(&reply);
    assert_int_equal(request.response.status, status);
    assert_true(type ? str_equal_c(request.response.content_type, type)
                     : str_is_none(request.response.content_type));
    assert_true(str_equal_c(request.response.body, body));
}

static void a_body_is_json_with_status_200(void **state)
{
    (void)state;
    begin();
    buf_add_c(&reply.body, "{}");
    assert_sent(200, "application/json", "{}");
}

static void what_decode_prepared_is_sent_where_nothing_else_was_written(void **state)
{
    (void)state;
    outcome = (struct intake_answer){ .reply_status = 207, .reply = STR("[1]") };
    begin();
    assert_sent(207, "application/json", "[1]");
    outcome = (struct intake_answer){ .reply_status = 204 };
    begin();
    assert_sent(204, NULL, "");
}

static void a_preflight_has_no_body_whatever_was_written(void **state)
{
    (void)state;
    route.is_options = true;
    outcome.err = ERR_BAD_INPUT;
    begin();
    buf_add_c(&reply.body, "{}");
    intake_reply_error(&reply, "{\"a\":$m}");
    assert_sent(204, NULL, "");
}

static void an_error_fills_the_words_of_the_protocol(void **state)
{
    (void)state;
    struct diag why = DIAG_NONE;
    diag_set(&why, ERR_BUSY, "wait \"here\"");
    outcome = (struct intake_answer){ .err = ERR_BUSY, .why = &why, .retry_after_ms = 2000 };
    begin();
    intake_reply_error(&reply, "{\"m\":$m,\"n\":$n,\"s\":\"$s\"}");
    assert_sent(429, "application/json",
                "{\"m\":\"wait \\\"here\\\"\",\"n\":\"BUSY\",\"s\":\"429\"}");
    assert_true(str_equal_c(said("retry-after"), "2"));
    outcome = (struct intake_answer){ .err = ERR_UNAUTHENTICATED };
    begin();
    intake_reply_error(&reply, "$t");
    char text[200];
    snprintf(text, sizeof text, "\"%s\"", err_text(ERR_UNAUTHENTICATED));
    assert_sent(401, "application/json", text);
}

static void what_was_left_out_is_counted_with_its_reason(void **state)
{
    (void)state;
    begin();
    intake_reply_rejected(&reply);
    assert_sent(200, "application/json", "{\"rejected\":0}");
    outcome = (struct intake_answer){ .rejected_count = 2, .rejected_why = STR("item 3: \"x\"") };
    begin();
    intake_reply_rejected(&reply);
    assert_sent(200, "application/json", "{\"rejected\":2,\"message\":\"item 3: \\\"x\\\"\"}");
}

static void a_prepared_reply_that_does_not_fit_is_an_error(void **state)
{
    (void)state;
    for (size_t room = 3; room <= 4; room++) {
        struct raw_batch batch = { 0 };
        struct diag why = DIAG_NONE;
        struct buf out;
        buf_init(&out, room);
        buf_add_c(&out, "[12]");
        enum err err = intake_reply_prepare(&request.arena, &out, &batch, &why);
        assert_int_equal(err, room == 4 ? ERR_OK : ERR_LIMIT);
        assert_int_equal(str_is_none(batch.reply), room == 3);
    }
}

static void a_parameter_of_a_query_is_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *query, *value; /* NULL: absent */
    } rows[] = { { "name=a", "a" },
                 { "x=1&name=a+b%20c%C3%a4&name=z", "a b c\xc3\xa4" },
                 { "name=", "" },
                 { "name=%4", "%4" },
                 { "name=%zz%41", "%zzA" },
                 { "names=a", NULL },
                 { "name", "" },
                 { "", NULL } };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        str value = intake_query_parameter(&request.arena, str_from_c(rows[i].query), "name");
        assert_int_equal(str_is_none(value), rows[i].value == NULL);
        assert_true(!rows[i].value || str_equal_c(value, rows[i].value));
    }
}

static void a_parameter_is_taken_to_its_limit_and_not_past_it(void **state)
{
    (void)state;
    static char query[INTAKE_QUERY_BYTES_MAX + 8];
    for (size_t past = 0; past < 2; past++) {
        size_t len = 5 + INTAKE_QUERY_BYTES_MAX + past;
        memset(query, 'v', len);
        memcpy(query, "name=", 5);
        str value = intake_query_parameter(&request.arena, str_make(query, len), "name");
        assert_int_equal(value.len, past ? 0 : INTAKE_QUERY_BYTES_MAX);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, request_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_body_is_json_with_status_200),
        TEST(what_decode_prepared_is_sent_where_nothing_else_was_written),
        TEST(a_preflight_has_no_body_whatever_was_written),
        TEST(an_error_fills_the_words_of_the_protocol),
        TEST(what_was_left_out_is_counted_with_its_reason),
        TEST(a_prepared_reply_that_does_not_fit_is_an_error),
        TEST(a_parameter_of_a_query_is_decoded),
        TEST(a_parameter_is_taken_to_its_limit_and_not_past_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
