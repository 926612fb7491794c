/* test_client.c -- the outbound client against our own server.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/client.h"
#include "net_fixture.h"

static struct fixture server;
static struct client *client;
static char url[64];

static int setup(void **state)
{
    (void)state;
    fixture_start(&server, NULL, NULL, NULL);
    client = client_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    client_free(client);
    fixture_stop(&server);
    return 0;
}

static struct client_request request_to(const char *method, const char *path, str body)
{
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", server.port, path);
    return (struct client_request){
        .method = method, .url = url, .body = body, .timeout_ns = 5 * NS_PER_S
    };
}

static void status_and_body_come_back(void **state)
{
    (void)state;
    struct buf body;
    int status = 0;
    buf_init(&body, 1024);
    struct client_request request = request_to("POST", "/echo", STR_OF("hello"));
    assert_int_equal(client_do(client, &request, &status, &body, NULL), ERR_OK);
    assert_int_equal(status, 200);
    assert_true(str_equal_c(buf_str(&body), "hello"));
    request = request_to("GET", "/deny", STR_NONE);
    buf_reset(&body);
    assert_int_equal(client_do(client, &request, &status, &body, NULL), ERR_OK);
    assert_int_equal(status, 401);
    assert_true(str_equal_c(buf_str(&body), "denied"));
    buf_clear(&body);
}

static void answer_at_the_limit_passes_and_past_it_fails(void **state)
{
    (void)state;
    struct buf body;
    struct diag why = DIAG_NONE;
    buf_init(&body, 5);
    struct client_request request = request_to("POST", "/echo", STR_OF("hello"));
    assert_int_equal(client_do(client, &request, NULL, &body, &why), ERR_OK);
    buf_reset(&body);
    request = request_to("POST", "/echo", STR_OF("hello!"));
    assert_int_equal(client_do(client, &request, NULL, &body, &why), ERR_LIMIT);
    buf_clear(&body);
}

static void silence_is_a_deadline_and_no_server_is_unavailable(void **state)
{
    (void)state;
    struct diag why = DIAG_NONE;
    struct client_request request = request_to("GET", "/hold", STR_NONE);
    request.timeout_ns = 100 * NS_PER_MS;
    assert_int_equal(client_do(client, &request, NULL, NULL, &why), ERR_DEADLINE);
    request.url = "http://127.0.0.1:1/";
    assert_int_equal(client_do(client, &request, NULL, NULL, &why), ERR_UNAVAILABLE);
    request.url = "file:///etc/hostname";
    assert_int_equal(client_do(client, &request, NULL, NULL, &why), ERR_BAD_INPUT);
}

static bool piece_count(void *arg, str bytes)
{
    size_t *total = arg;
    *total += bytes.len;
    return *total < 100000;
}

static void stream_is_handed_out_and_can_be_stopped(void **state)
{
    (void)state;
    size_t total = 0;
    int status = 0;
    struct client_request request = request_to("GET", "/stream", STR_NONE);
    request.piece = piece_count;
    request.arg = &total;
    assert_int_equal(client_do(client, &request, &status, NULL, NULL), ERR_OK);
    assert_int_equal(total, 3 * strlen("data: x\n\n"));
    total = 0;
    request = request_to("GET", "/flood", STR_NONE);
    request.piece = piece_count;
    request.arg = &total;
    assert_int_equal(client_do(client, &request, &status, NULL, NULL), ERR_OK);
    assert_true(total >= 100000 && total < 1000000);
}

enum { UPLOAD_BYTES = 300000, UPLOAD_FAILS_AT = 200000 };

static bool upload_read(void *arg, uint64_t offset, char *ret_bytes, size_t len)
{
    const uint64_t *fails_at = arg;
    for (size_t i = 0; i < len; i++)
        ret_bytes[i] = (char)('a' + (offset + i) % 26);
    return offset + len <= *fails_at;
}

static void upload_is_read_while_it_is_sent_and_may_give_up(void **state)
{
    (void)state;
    struct buf body;
    int status = 0;
    uint64_t fails_at = UPLOAD_BYTES;
    const struct client_upload upload = { upload_read, &fails_at, UPLOAD_BYTES };
    struct client_request request = request_to("PUT", "/echo", STR_NONE);
    request.upload = &upload;
    buf_init(&body, UPLOAD_BYTES);
    assert_int_equal(client_do(client, &request, &status, &body, NULL), ERR_OK);
    assert_int_equal(status, 200);
    assert_int_equal(body.len, UPLOAD_BYTES);
    for (size_t i = 0; i < body.len; i++)
        assert_int_equal(body.ptr[i], 'a' + i % 26);
    fails_at = UPLOAD_FAILS_AT;
    buf_reset(&body);
    assert_int_equal(client_do(client, &request, &status, &body, NULL), ERR_UNAVAILABLE);
    buf_clear(&body);
}

static void a_transfer_that_stalls_ends(void **state)
{
    (void)state;
    struct client_request request = request_to("GET", "/hold", STR_NONE);
    request.timeout_ns = 0;
    request.stall_ns = NS_PER_S;
    assert_int_equal(client_do(client, &request, NULL, NULL, NULL), ERR_DEADLINE);
}

static void a_refusal_is_kept_apart_from_what_a_stream_gets(void **state)
{
    (void)state;
    size_t total = 0;
    int status = 0;
    struct buf body;
    struct client_request request = request_to("GET", "/deny", STR_NONE);
    buf_init(&body, KIB);
    request.piece = piece_count;
    request.arg = &total;
    request.errors_apart = true;
    assert_int_equal(client_do(client, &request, &status, &body, NULL), ERR_OK);
    assert_int_equal(status, 401);
    assert_int_equal(total, 0);
    assert_true(str_equal_c(buf_str(&body), "denied"));
    request.errors_apart = false;
    assert_int_equal(client_do(client, &request, &status, NULL, NULL), ERR_OK);
    assert_int_equal(total, strlen("denied"));
    buf_clear(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_and_body_come_back),
        cmocka_unit_test(answer_at_the_limit_passes_and_past_it_fails),
        cmocka_unit_test(silence_is_a_deadline_and_no_server_is_unavailable),
        cmocka_unit_test(stream_is_handed_out_and_can_be_stopped),
        cmocka_unit_test(upload_is_read_while_it_is_sent_and_may_give_up),
        cmocka_unit_test(a_transfer_that_stalls_ends),
        cmocka_unit_test(a_refusal_is_kept_apart_from_what_a_stream_gets),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
