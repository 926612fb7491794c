/* test_server.c -- HTTP/1.1 over a real loopback socket: order, limits, deadlines, leaving.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net_fixture.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_CLOSE(path) "GET " path " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

static struct fixture server;
static struct buf answer;

static void start_with(const struct net_limits *limits)
{
    fixture_start(&server, limits, NULL, NULL);
    buf_init(&answer, 64 * MIB);
}

static void stop(void)
{
    buf_clear(&answer);
    fixture_stop(&server);
}

static struct net_limits short_limits(void)
{
    struct net_limits limits = net_limits_default;
    limits.head_timeout_ns = limits.body_timeout_ns = 200 * NS_PER_MS;
    limits.idle_timeout_ns = 300 * NS_PER_MS;
    return limits;
}

static size_t count_of(const char *needle)
{
    size_t count = 0, len = strlen(needle);
    str rest = buf_str(&answer);
    for (size_t at; (at = str_find(rest, str_make(needle, len))) < rest.len; count++)
        rest = str_from(rest, at + len);
    return count;
}

static bool answer_has(const char *needle)
{
    return count_of(needle) > 0;
}

/* Send, read until the server closes. */
static void talk(str input)
{
    int fd = raw_connect(server.port);
    raw_send(fd, input);
    buf_reset(&answer);
    assert_true(raw_read(fd, NULL, &answer));
    close(fd);
}

static void fixture_answer_held(void *arg)
{
    struct fixture *fixture = arg;
    struct response response = fixture_ok(STR_OF("held"));
    assert(fixture->held);
    request_respond(fixture->held, &response);
    fixture->held = NULL;
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    start_with(NULL);
    talk(STR_OF("POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n1;"
                "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                "2\r\n2;\r\n0\r\n\r\n" GET("/deny")
                    GET("/stream") "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: "
                                   "2\r\n\r\n3;" GET_CLOSE("/echo")));
    assert_int_equal(count_of("HTTP/1.1 "), 6);
    size_t one = str_find(buf_str(&answer), STR_OF("1;")),
           two = str_find(buf_str(&answer), STR_OF("2;")),
           denied = str_find(buf_str(&answer), STR_OF("denied")),
           event = str_find(buf_str(&answer), STR_OF("data: x")),
           three = str_find(buf_str(&answer), STR_OF("3;"));
    assert_true(one < two && two < denied && denied < event && event < three);
    stop();
}

static void hundred_pipelined_requests_survive_any_split(void **state)
{
    (void)state;
    start_with(NULL);
    struct buf input;
    buf_init(&input, MIB);
    for (int i = 0; i < 100; i++)
        buf_printf(&input, "POST /%s HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n%03d",
                   i % 2 ? "later" : "echo", i);
    buf_add_c(&input, GET_CLOSE("/echo"));
    int fd = raw_connect(server.port);
    for (size_t i = 0; i < input.len; i += 7)
        raw_send(fd, str_sub(buf_str(&input), i, 7));
    assert_true(raw_read(fd, NULL, &answer));
    close(fd);
    str rest = buf_str(&answer);
    for (int i = 0; i < 100; i++) {
        char wanted[16];
        snprintf(wanted, sizeof wanted, "\r\n\r\n%03d", i);
        size_t at = str_find(rest, str_from_c(wanted));
        assert_true(at < rest.len);
        rest = str_from(rest, at + 7);
    }
    buf_clear(&input);
    stop();
}

static void malformed_request_is_refused_and_what_follows_is_not_run(void **state)
{
    (void)state;
    start_with(NULL);
    talk(STR_OF("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\n" GET(
        "/echo")));
    assert_true(answer_has("HTTP/1.1 400 Bad Request\r\n"));
    assert_true(answer_has("connection: close\r\n"));
    assert_true(answer_has("{\"refused\":true}"));
    assert_int_equal(count_of("HTTP/1.1 "), 1);
    assert_int_equal(server.heads, 0);
    stop();
}

static void request_is_refused_before_its_body(void **state)
{
    (void)state;
    start_with(NULL);
    struct buf input;
    buf_init(&input, 4 * MIB);
    buf_add_c(&input, "POST /deny HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n");
    memset(buf_reserve(&input, 2000000), 'x', 2000000);
    input.len += 2000000;
    talk(buf_str(&input)); /* the answer arrives though the body is never read */
    assert_true(answer_has("HTTP/1.1 401 Unauthorized\r\n"));
    assert_true(answer_has("WWW-Authenticate: Bearer\r\n"));
    assert_false(answer_has("b: c"));
    assert_int_equal(server.bodies, 0);
    /* A short body is drained and the connection kept. */
    talk(STR_OF(
        "POST /deny HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" GET_CLOSE("/echo")));
    assert_int_equal(count_of("HTTP/1.1 "), 2);
    /* Refused without an answer of the handler's own. */
    talk(STR_OF("GET /busy HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    assert_true(answer_has("HTTP/1.1 429 Too Many Requests\r\n"));
    assert_int_equal(server.gones, 0);
    buf_clear(&input);
    stop();
}

static void expected_continue_is_sent_only_to_who_may_go_on(void **state)
{
    (void)state;
    start_with(NULL);
    int fd = raw_connect(server.port);
    raw_send(fd, STR_OF("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                        "Expect: 100-continue\r\n\r\n"));
    assert_true(raw_read(fd, "HTTP/1.1 100 Continue\r\n\r\n", &answer));
    raw_send(fd, STR_OF("hello"));
    assert_true(raw_read(fd, "\r\n\r\nhello", &answer));
    close(fd);
    talk(STR_OF("POST /deny HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                "Expect: 100-continue\r\n\r\n"));
    assert_true(answer_has("401") && !answer_has("100 Continue"));
    stop();
}

static void head_has_the_length_but_no_body(void **state)
{
    (void)state;
    start_with(NULL);
    talk(STR_OF("HEAD /deny HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    assert_true(answer_has("content-length: 6\r\n"));
    assert_false(answer_has("denied"));
    assert_true(answer_has("date: "));
    stop();
}

static void body_status(const char *head, size_t len, bool is_chunked, const char *status)
{
    struct buf input;
    buf_init(&input, 4 * MIB);
    buf_add_c(&input, head);
    if (is_chunked)
        buf_printf(&input, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n", len);
    else
        buf_printf(&input, "Content-Length: %zu\r\n\r\n", len);
    memset(buf_reserve(&input, len), 'x', len);
    input.len += len;
    buf_add_c(&input, is_chunked ? "\r\n0\r\n\r\n" : "");
    talk(buf_str(&input));
    assert_true(answer_has(status));
    buf_clear(&input);
}

static void body_at_its_limit_passes_and_past_it_is_413(void **state)
{
    (void)state;
    start_with(NULL);
    static const char head[] = "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
    body_status(head, FIXTURE_BODY_MAX, false, "HTTP/1.1 200 OK\r\n");
    assert_true(answer.len > FIXTURE_BODY_MAX);
    body_status(head, FIXTURE_BODY_MAX + 1, false, "HTTP/1.1 413 Content Too Large\r\n");
    body_status(head, FIXTURE_BODY_MAX, true, "HTTP/1.1 200 OK\r\n");
    assert_true(answer.len > FIXTURE_BODY_MAX);
    body_status(head, FIXTURE_BODY_MAX + 1, true, "HTTP/1.1 413 Content Too Large\r\n");
    assert_int_equal(server.gones, 2); /* head() had taken both */
    struct net_status status;
    loop_status(server.loop, &status);
    assert_int_equal(status.body_bytes_held, 0);
    assert_int_equal(status.refused_total, 2);
    stop();
}

/* shows: C10 */
static void bodies_over_the_budget_are_503(void **state)
{
    (void)state;
    struct net_limits limits = net_limits_default;
    limits.body_bytes_budget = 1000;
    start_with(&limits);
    static const char head[] = "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
    body_status(head, 1000, false, "HTTP/1.1 200 OK\r\n");
    body_status(head, 1001, false, "HTTP/1.1 503 Service Unavailable\r\n");
    assert_true(answer_has("retry-after: 1\r\n"));
    /* One unfinished body holds the budget; the next waits for nothing. */
    int fd = raw_connect(server.port);
    raw_send(fd, STR_OF("POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n"));
    char body[900] = { 0 };
    raw_send(fd, str_make(body, sizeof body));
    assert_true(event_wait(server.held_fd));
    body_status(head, 101, false, "HTTP/1.1 503 Service Unavailable\r\n");
    loop_post(server.loop, fixture_answer_held, &server);
    assert_true(raw_read(fd, "held", &answer));
    body_status(head, 1000, false, "HTTP/1.1 200 OK\r\n");
    close(fd);
    stop();
}

static void head_past_its_limit_is_431(void **state)
{
    (void)state;
    start_with(NULL);
    struct buf input;
    buf_init(&input, MIB);
    buf_add_c(&input, "GET /echo HTTP/1.1\r\nHost: a\r\nX: ");
    while (input.len < net_limits_default.header_bytes_max + 1)
        buf_add_char(&input, 'x');
    talk(buf_str(&input));
    assert_true(answer_has("HTTP/1.1 431 "));
    buf_clear(&input);
    stop();
}

/* One byte every 30 ms until the server has enough. */
static void drip(int fd, str bytes)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
    for (size_t i = 0; i < bytes.len; i++) {
        raw_send(fd, str_sub(bytes, i, 1));
        if (poll(&poll_fd, 1, 30) == 1)
            return;
    }
}

static void slow_drip_is_timed_out(void **state)
{
    (void)state;
    struct net_limits limits = short_limits();
    start_with(&limits);
    int64_t began_ns = clock_monotonic_ns();
    int fd = raw_connect(server.port);
    drip(fd, STR_OF(GET_CLOSE("/echo")));
    assert_true(raw_read(fd, NULL, &answer));
    assert_true(answer_has("HTTP/1.1 408 Request Timeout\r\n"));
    assert_int_equal(server.heads, 0);
    close(fd);
    fd = raw_connect(server.port);
    raw_send(fd, STR_OF("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"));
    drip(fd, STR_OF("0123456789012345678901234567890123456789"));
    buf_reset(&answer);
    assert_true(raw_read(fd, NULL, &answer));
    assert_true(answer_has("HTTP/1.1 408 Request Timeout\r\n"));
    assert_int_equal(server.gones, 1);
    close(fd);
    assert_true(clock_monotonic_ns() - began_ns < 4 * NS_PER_S);
    stop();
}

static void silent_connections_are_closed_without_a_word(void **state)
{
    (void)state;
    struct net_limits limits = short_limits();
    start_with(&limits);
    int fd = raw_connect(server.port);
    assert_true(raw_read(fd, NULL, &answer)); /* never sent anything */
    close(fd);
    assert_int_equal(answer.len, 0);
    fd = raw_connect(server.port);
    raw_send(fd, STR_OF(GET("/echo")));
    assert_true(raw_read(fd, NULL, &answer)); /* kept alive, then idle */
    close(fd);
    assert_int_equal(count_of("HTTP/1.1 "), 1);
    stop();
}

static void leaving_client_is_noticed_while_its_request_is_held(void **state)
{
    (void)state;
    start_with(NULL);
    int fd = raw_connect(server.port);
    raw_send(fd, STR_OF(GET("/hold")));
    assert_true(event_wait(server.held_fd));
    struct linger reset = { .l_onoff = 1 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
    assert_true(event_wait(server.gone_fd));
    fd = raw_connect(server.port);
    raw_send(fd, STR_OF(GET("/watch"))); /* asked that a FIN counts */
    assert_true(event_wait(server.held_fd));
    close(fd);
    assert_true(event_wait(server.gone_fd));
    fd = raw_connect(server.port);
    raw_send(fd, STR_OF("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf"));
    close(fd);
    assert_true(event_wait(server.gone_fd)); /* in the middle of a body */
    assert_int_equal(server.gones, 3);
    stop();
}

static void half_closing_client_still_gets_its_answers(void **state)
{
    (void)state;
    start_with(NULL);
    int fd = raw_connect(server.port);
    raw_send(fd, STR_OF(GET("/hold") GET("/later")));
    shutdown(fd, SHUT_WR);
    assert_true(event_wait(server.held_fd));
    loop_post(server.loop, fixture_answer_held, &server);
    assert_true(raw_read(fd, NULL, &answer));
    assert_int_equal(count_of("HTTP/1.1 200"), 2);
    assert_int_equal(server.gones, 0);
    close(fd);
    stop();
}

static void stream_waits_for_a_slow_reader_and_ends_when_it_leaves(void **state)
{
    (void)state;
    start_with(NULL);
    int fd = raw_connect(server.port);
    raw_send(fd, STR_OF(GET("/flood")));
    assert_true(raw_read(fd, "\r\n\r\n", &answer));
    /* Reading on makes room: more arrives than ever was buffered at once. */
    while (answer.len < 32 * MIB) {
        char *room = buf_reserve(&answer, 65536);
        assert_true(room && fd_wait(fd));
        ssize_t n = recv(fd, room, 65536, 0);
        assert_true(n > 0);
        answer.len += (size_t)n;
    }
    assert_true(server.drains > 0);
    close(fd);
    assert_true(event_wait(server.gone_fd));
    stop();
}

static void http10_stream_ends_with_the_connection(void **state)
{
    (void)state;
    start_with(NULL);
    talk(STR_OF("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    assert_true(answer_has("\r\n\r\ndata: x\n\ndata: x\n\ndata: x\n\n"));
    assert_false(answer_has("chunked"));
    stop();
}

static void connections_past_the_limit_are_closed(void **state)
{
    (void)state;
    struct net_limits limits = net_limits_default;
    limits.connections_max = 2;
    start_with(&limits);
    int fds[3];
    for (int i = 0; i < 2; i++) {
        fds[i] = raw_connect(server.port);
        raw_send(fds[i], STR_OF(GET("/echo")));
        buf_reset(&answer);
        assert_true(raw_read(fds[i], "\r\n\r\n", &answer));
    }
    fds[2] = raw_connect(server.port);
    buf_reset(&answer);
    assert_true(raw_read(fds[2], NULL, &answer));
    assert_int_equal(answer.len, 0);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    stop();
}

static void port_in_use_is_named(void **state)
{
    (void)state;
    start_with(NULL);
    struct loop *loop = loop_new();
    char address[32], port[8];
    snprintf(address, sizeof address, "127.0.0.1:%d", server.port);
    snprintf(port, sizeof port, "%d", server.port);
    struct net_listen listen_on = { .address = address };
    struct net_handler handler = { fixture_head, fixture_body, NULL, NULL, NULL, &server };
    struct diag why = DIAG_NONE;
    assert_int_equal(net_listen(loop, &listen_on, NULL, &handler, NULL, &why), ERR_CONFLICT);
    assert_non_null(strstr(why.text, port));
    assert_non_null(strstr(why.hint, port));
    static const char *const bad[] = {
        "127.0.0.1",   "", ":", "127.0.0.1:", "1.2.3.4:123456", "nonsense:x", "127.0.0.1:65536",
        "127.0.0.1:-1"
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        listen_on.address = bad[i];
        assert_int_equal(net_listen(loop, &listen_on, NULL, &handler, NULL, &why), ERR_BAD_INPUT);
    }
    loop_free(loop);
    stop();
}

static void several_loops_share_a_port_when_asked(void **state)
{
    (void)state;
    struct loop *loops[2] = { loop_new(), loop_new() };
    struct net_handler handler = { fixture_head, fixture_body, NULL, NULL, NULL, &server };
    struct net_listen listen_on = { .address = "127.0.0.1:0", .reuse_port = true };
    char address[32];
    for (int i = 0; i < 2; i++) {
        int port = 0;
        assert_int_equal(net_listen(loops[i], &listen_on, NULL, &handler, &port, NULL), ERR_OK);
        snprintf(address, sizeof address, "127.0.0.1:%d", port);
        listen_on.address = address;
    }
    loop_free(loops[0]);
    loop_free(loops[1]);
}

/* Else half of the connections would go to the server that was there before. */
static void a_shared_port_of_another_server_is_in_use(void **state)
{
    (void)state;
    struct loop *other = loop_new(), *loop = loop_new();
    struct net_handler handler = { fixture_head, fixture_body, NULL, NULL, NULL, &server };
    struct net_listen listen_on = { .address = "127.0.0.1:0",
                                    .reuse_port = true,
                                    .is_first = true };
    char address[32];
    int port = 0;
    assert_int_equal(net_listen(other, &listen_on, NULL, &handler, &port, NULL), ERR_OK);
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    listen_on.address = address;
    assert_int_equal(net_listen(loop, &listen_on, NULL, &handler, NULL, NULL), ERR_CONFLICT);
    loop_free(other);
    assert_int_equal(net_listen(loop, &listen_on, NULL, &handler, NULL, NULL), ERR_OK);
    loop_free(loop);
}

static void stop_flushes_what_is_pending_and_tells_who_is_not(void **state)
{
    (void)state;
    start_with(NULL);
    int held = raw_connect(server.port), idle = raw_connect(server.port);
    raw_send(idle, STR_OF(GET("/echo")));
    assert_true(raw_read(idle, "\r\n\r\n", &answer));
    raw_send(held, STR_OF(GET("/hold")));
    assert_true(event_wait(server.held_fd));
    int64_t began_ns = clock_monotonic_ns();
    loop_stop(server.loop);
    buf_reset(&answer);
    assert_true(raw_read(idle, NULL, &answer)); /* closed at once */
    loop_post(server.loop, fixture_answer_held, &server);
    buf_reset(&answer);
    assert_true(raw_read(held, NULL, &answer));
    assert_true(answer_has("200 OK") && answer_has("connection: close") && answer_has("held"));
    close(held);
    close(idle);
    stop();
    assert_true(clock_monotonic_ns() - began_ns < NS_PER_S);

    start_with(NULL); /* a handler that never answers */
    held = raw_connect(server.port);
    raw_send(held, STR_OF(GET("/hold")));
    assert_true(event_wait(server.held_fd));
    began_ns = clock_monotonic_ns();
    loop_stop(server.loop);
    assert_true(event_wait(server.gone_fd));
    int64_t took_ns = clock_monotonic_ns() - began_ns;
    assert_true(took_ns > 900 * NS_PER_MS && took_ns < 3 * NS_PER_S);
    close(held);
    stop();
}

enum { POST_THREADS = 4, POSTS_PER_THREAD = 5000 };

struct posting {
    struct fixture *fixture;
    int count; /* loop's thread only */
    int done_fd;
};

static void post_count(void *arg)
{
    struct posting *posting = arg;
    if (++posting->count == POST_THREADS * POSTS_PER_THREAD)
        eventfd_write(posting->done_fd, 1);
}

static void post_many(void *arg)
{
    struct posting *posting = arg;
    for (int i = 0; i < POSTS_PER_THREAD; i++)
        loop_post(posting->fixture->loop, post_count, posting);
}

static void posts_of_many_threads_all_run(void **state)
{
    (void)state;
    start_with(NULL);
    struct posting posting = { .fixture = &server, .done_fd = eventfd(0, EFD_CLOEXEC) };
    struct thread threads[POST_THREADS] = { 0 };
    for (int i = 0; i < POST_THREADS; i++)
        thread_start(&threads[i], "poster", post_many, &posting);
    assert_true(event_wait(posting.done_fd));
    for (int i = 0; i < POST_THREADS; i++)
        thread_join(&threads[i]);
    close(posting.done_fd);
    stop();
}

struct timing {
    struct loop *loop;
    int fd, ticks, reads;
};

static void timing_tick(void *arg)
{
    struct timing *timing = arg;
    timing->ticks++;
    eventfd_write(timing->fd, 1);
}

static void timing_read(void *arg)
{
    struct timing *timing = arg;
    eventfd_t count;
    assert(eventfd_read(timing->fd, &count) == 0);
    if (++timing->reads == 3)
        loop_stop(timing->loop);
}

static void timers_and_watched_descriptors_call_back(void **state)
{
    (void)state;
    struct timing timing = { .loop = loop_new(), .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) };
    loop_watch(timing.loop, timing.fd, timing_read, &timing);
    loop_every(timing.loop, 5 * NS_PER_MS, timing_tick, &timing);
    loop_run(timing.loop);
    assert_int_equal(timing.reads, 3);
    assert_true(timing.ticks >= 3);
    loop_free(timing.loop);
    close(timing.fd);
}

/* shows: P19 */
static void only_addresses_of_this_machine_are_loopback(void **state)
{
    (void)state;
    static const char *const local[] = { "127.0.0.1:1", "127.255.255.254:0", "[::1]:4318",
                                         "localhost:80" };
    static const char *const open[] = {
        "0.0.0.0:1",
        "128.0.0.1:1",
        "[::]:1",
        "*:1",
        ":1",
        "127.evil.test:1",
        "127.0.0.1.test:1",
        "localhost.test:1",
        "[::ffff:127.0.0.1]:1",
        "127.0.0.1",
        "no port",
        "192.168.1.2:127",
    };
    for (size_t i = 0; i < COUNT_OF(local); i++)
        assert_true(net_is_loopback(local[i]));
    for (size_t i = 0; i < COUNT_OF(open); i++)
        if (net_is_loopback(open[i]))
            fail_msg("%s", open[i]);
    assert_int_equal(net_address_check("127.0.0.1:65535", NULL), ERR_OK);
    assert_int_equal(net_address_check("127.0.0.1:65536", NULL), ERR_BAD_INPUT);
    assert_int_equal(net_address_check("127.0.0.1", NULL), ERR_BAD_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(hundred_pipelined_requests_survive_any_split),
        cmocka_unit_test(malformed_request_is_refused_and_what_follows_is_not_run),
        cmocka_unit_test(request_is_refused_before_its_body),
        cmocka_unit_test(expected_continue_is_sent_only_to_who_may_go_on),
        cmocka_unit_test(head_has_the_length_but_no_body),
        cmocka_unit_test(body_at_its_limit_passes_and_past_it_is_413),
        cmocka_unit_test(bodies_over_the_budget_are_503),
        cmocka_unit_test(head_past_its_limit_is_431),
        cmocka_unit_test(slow_drip_is_timed_out),
        cmocka_unit_test(silent_connections_are_closed_without_a_word),
        cmocka_unit_test(leaving_client_is_noticed_while_its_request_is_held),
        cmocka_unit_test(half_closing_client_still_gets_its_answers),
        cmocka_unit_test(stream_waits_for_a_slow_reader_and_ends_when_it_leaves),
        cmocka_unit_test(http10_stream_ends_with_the_connection),
        cmocka_unit_test(connections_past_the_limit_are_closed),
        cmocka_unit_test(port_in_use_is_named),
        cmocka_unit_test(several_loops_share_a_port_when_asked),
        cmocka_unit_test(a_shared_port_of_another_server_is_in_use),
        cmocka_unit_test(stop_flushes_what_is_pending_and_tells_who_is_not),
        cmocka_unit_test(posts_of_many_threads_all_run),
        cmocka_unit_test(timers_and_watched_descriptors_call_back),
        cmocka_unit_test(only_addresses_of_this_machine_are_loopback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
