/* test_live.c -- live tails: who sees what, how many may listen, and what a slow one is told.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "api_fixture.h"

enum { SUBSCRIBERS = 64, TEXT_MAX = 64 * 1024 * 1024 };

static struct store_span span_of(const char *project, const char *tenant, str name)
{
    struct store_span row = { .settled = false };
    SPAN_SET(&row.span, project, str_from_c(project));
    SPAN_SET(&row.span, name, name);
    if (tenant)
        SPAN_SET(&row.span, tenant_id, str_from_c(tenant));
    return row;
}

static size_t count_of(str text, const char *what)
{
    size_t count = 0;
    for (size_t at; (at = str_find(text, str_from_c(what))) < text.len; count++)
        text = str_from(text, at + strlen(what));
    return count;
}

/* Connect and wait until the stream has begun. */
static int listen_to(const struct surface *surface, const char *path, struct buf *text)
{
    int fd = surface_get(surface, path);
    assert_int_equal(read_status(fd, text), 200);
    assert_true(read_until(fd, ": live", 1, text));
    buf_reset(text);
    return fd;
}

/* shows: P19 */
static void a_listener_sees_his_project_and_what_his_filter_says(void **state)
{
    (void)state;
    struct surface surface;
    struct buf all, some;
    buf_init(&all, TEXT_MAX);
    buf_init(&some, TEXT_MAX);
    surface_start(&surface, 1, 4, NS_PER_S);
    int all_fd = listen_to(&surface, "/api/v1/live", &all);
    int some_fd = listen_to(&surface, "/api/v1/live?q=tenant:acme", &some);
    struct store_span spans[] = { span_of("default", "acme", STR_OF("first")),
                                  span_of("other", "acme", STR_OF("not-mine")),
                                  span_of("default", "globex", STR_OF("second")),
                                  span_of("default", "acme", STR_OF("third")) };
    live_feed(surface.api->live, spans, COUNT_OF(spans));
    assert_true(read_until(all_fd, "event: span", 3, &all));
    assert_true(read_until(some_fd, "event: span", 2, &some));
    assert_true(read_until(some_fd, "third", 1, &some));
    assert_int_equal(count_of(buf_str(&all), "not-mine"), 0);
    assert_int_equal(count_of(buf_str(&some), "second"), 0);
    assert_int_equal(count_of(buf_str(&some), "\"first\""), 1); /* a name, not a part of a key */
    close(all_fd);
    close(some_fd);
    surface_stop(&surface);
    buf_clear(&all);
    buf_clear(&some);
}

static void a_filter_that_does_not_parse_is_refused(void **state)
{
    (void)state;
    struct surface surface;
    struct buf text;
    buf_init(&text, TEXT_MAX);
    surface_start(&surface, 1, 4, NS_PER_S);
    static const char *const bad[] = { "/api/v1/live?q=(", "/api/v1/live?qq=x" };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int fd = surface_get(&surface, bad[i]);
        assert_int_equal(read_status(fd, &text), 400);
        close(fd);
    }
    surface_stop(&surface);
    buf_clear(&text);
}

static void listeners_are_taken_to_the_limit_and_a_place_is_free_again(void **state)
{
    (void)state;
    struct surface surface;
    struct buf text;
    int fds[SUBSCRIBERS];
    buf_init(&text, TEXT_MAX);
    surface_start(&surface, 1, 4, NS_PER_S);
    for (size_t i = 0; i < SUBSCRIBERS; i++)
        fds[i] = listen_to(&surface, "/api/v1/live", &text);
    int past = surface_get(&surface, "/api/v1/live");
    assert_int_equal(read_status(past, &text), 503);
    close(past);
    close(fds[0]);
    int status = 0;
    for (int i = 0; i < 1000 && status != 200; i++) { /* until the loop saw that he left */
        fds[0] = surface_get(&surface, "/api/v1/live");
        status = read_status(fds[0], &text);
        if (status != 200)
            close(fds[0]);
    }
    assert_int_equal(status, 200);
    for (size_t i = 0; i < SUBSCRIBERS; i++)
        close(fds[i]);
    surface_stop(&surface);
    buf_clear(&text);
}

/* Sum of the counts in "event: dropped" events. */
static size_t dropped_in(str text)
{
    static const char key[] = "event: dropped\ndata: {\"count\":";
    size_t total = 0;
    for (size_t at; (at = str_find(text, str_from_c(key))) < text.len;) {
        uint64_t count = 0;
        text = str_from(text, at + strlen(key));
        assert_true(str_to_u64(str_sub(text, 0, str_find_char(text, '}')), &count));
        total += count;
    }
    return total;
}

static void assert_all_told(int fd, size_t fed, struct buf *text)
{
    assert_true(read_until(fd, "the-last-one", 1, text));
    assert_true(read_until(fd, "\n\n", 1, text));
    str said = buf_str(text);
    assert_int_equal(count_of(said, "event: span\n") + dropped_in(said), fed);
}

/* More than the outbox takes while the loop is busy; names of any length end anywhere in it. */
static void what_does_not_fit_is_counted_to_the_last_span(void **state)
{
    (void)state;
    enum { SPANS = 700 };
    static struct store_span spans[SPANS];
    struct surface surface;
    struct buf text;
    char name[400];
    memset(name, 'n', sizeof name);
    buf_init(&text, TEXT_MAX);
    surface_start(&surface, 1, 4, NS_PER_S);
    struct store_span last = span_of("default", NULL, STR_OF("the-last-one"));
    for (size_t len = 1; len < sizeof name; len += 29) {
        int fd = listen_to(&surface, "/api/v1/live", &text);
        for (size_t i = 0; i < SPANS; i++)
            spans[i] = span_of("default", NULL, str_make(name, len));
        hold_loop(&surface);
        live_feed(surface.api->live, spans, SPANS);
        release_loop(&surface);
        settle_loop(&surface);
        live_feed(surface.api->live, &last, 1);
        assert_all_told(fd, SPANS + 1, &text);
        assert_true(dropped_in(buf_str(&text)) > 0);
        close(fd);
    }
    surface_stop(&surface);
    buf_clear(&text);
}

/* Who does not read at all is told what he missed when he reads again. */
static void a_listener_that_reads_late_is_told_what_he_missed(void **state)
{
    (void)state;
    enum { FEEDS = 60, SPANS = 100 };
    static struct store_span spans[SPANS];
    struct surface surface;
    struct buf text;
    buf_init(&text, TEXT_MAX);
    surface_start(&surface, 1, 4, NS_PER_S);
    int fd = listen_to(&surface, "/api/v1/live", &text);
    for (size_t i = 0; i < SPANS; i++)
        spans[i] = span_of("default", NULL, STR_OF("one of many"));
    for (size_t i = 0; i < FEEDS; i++) {
        live_feed(surface.api->live, spans, SPANS);
        settle_loop(&surface);
    }
    struct buf early; /* makes room */
    buf_init(&early, TEXT_MAX);
    assert_true(read_until(fd, "event: span\n", 500, &early));
    buf_add_str(&text, buf_str(&early));
    buf_clear(&early);
    size_t fed = FEEDS * SPANS;
    struct store_span last = span_of("default", NULL, STR_OF("the-last-one"));
    while (str_find(buf_str(&text), STR_OF("the-last-one")) == text.len) {
        live_feed(surface.api->live, &last, 1); /* the output may still be full: again */
        fed++;
        settle_loop(&surface);
        struct pollfd ready = { .fd = fd, .events = POLLIN };
        while (poll(&ready, 1, 20) == 1) {
            char *room = buf_reserve(&text, 65536);
            ssize_t got = recv(fd, room, 65536, 0);
            assert_true(got > 0);
            text.len += (size_t)got;
        }
    }
    str said = buf_str(&text);
    assert_true(dropped_in(said) > 0);
    assert_int_equal(count_of(said, "event: span\n") + dropped_in(said), fed);
    close(fd);
    surface_stop(&surface);
    buf_clear(&text);
}

static void nobody_listening_costs_nothing(void **state)
{
    (void)state;
    struct surface surface;
    surface_start(&surface, 1, 4, NS_PER_S);
    struct store_span span = span_of("default", NULL, STR_OF("x"));
    for (int i = 0; i < 1000; i++)
        live_feed(surface.api->live, &span, 1);
    surface_stop(&surface);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listener_sees_his_project_and_what_his_filter_says),
        cmocka_unit_test(a_filter_that_does_not_parse_is_refused),
        cmocka_unit_test(listeners_are_taken_to_the_limit_and_a_place_is_free_again),
        cmocka_unit_test(what_does_not_fit_is_counted_to_the_last_span),
        cmocka_unit_test(a_listener_that_reads_late_is_told_what_he_missed),
        cmocka_unit_test(nobody_listening_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
