/* test_jobs.c -- the pool of query threads: bounded, with a deadline, and never in the way.
 *
 * Includes jobs.c, to start its threads without a store.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "api/jobs.c"

#include "api_fixture.h"

enum { THIRTY_SECONDS = 30 };

static void start_pool(struct surface *surface)
{
    for (uint32_t i = 0; i < surface->api->config.query_threads; i++)
        thread_start(&surface->api->threads[i].thread, "query", thread_run,
                     &surface->api->threads[i]);
}

static void a_question_is_answered_by_the_pool(void **state)
{
    (void)state;
    struct surface surface;
    struct buf text;
    buf_init(&text, MIB);
    surface_start(&surface, 2, 4, THIRTY_SECONDS * NS_PER_S);
    start_pool(&surface);
    int fd = surface_get(&surface, "/healthz");
    assert_int_equal(read_status(fd, &text), 200);
    assert_int_equal(atomic_load(&surface.api->queries), 1);
    close(fd);
    surface_stop(&surface);
    buf_clear(&text);
}

/* Nobody takes jobs: what is over the queue is refused at once, the rest answered later.
 * shows: C10 */
static void questions_wait_to_the_limit_and_one_past_it_is_refused(void **state)
{
    (void)state;
    enum { WAITING = 3 };
    struct surface surface;
    struct buf text;
    int fds[WAITING];
    buf_init(&text, MIB);
    surface_start(&surface, 1, WAITING, THIRTY_SECONDS * NS_PER_S);
    for (size_t i = 0; i < WAITING; i++) {
        fds[i] = surface_get(&surface, "/healthz");
        while (queue_length(surface.api->threads[0].jobs) <= i)
            sched_yield();
    }
    int past = surface_get(&surface, "/healthz");
    assert_int_equal(read_status(past, &text), 503);
    assert_true(str_find(buf_str(&text), STR_OF("retry-after: 1")) < text.len);
    assert_int_equal(atomic_load(&surface.api->queries_refused), 1);
    start_pool(&surface);
    for (size_t i = 0; i < WAITING; i++) {
        assert_int_equal(read_status(fds[i], &text), 200);
        close(fds[i]);
    }
    close(past);
    surface_stop(&surface);
    buf_clear(&text);
}

static void a_question_that_waited_too_long_is_answered_with_504(void **state)
{
    (void)state;
    struct surface surface;
    struct buf text;
    buf_init(&text, MIB);
    surface_start(&surface, 1, 4, NS_PER_MS);
    int fd = surface_get(&surface, "/healthz");
    while (queue_length(surface.api->threads[0].jobs) == 0)
        sched_yield();
    clock_sleep_ns(5 * NS_PER_MS);
    start_pool(&surface);
    assert_int_equal(read_status(fd, &text), 504);
    assert_int_equal(atomic_load(&surface.api->queries_failed), 1);
    close(fd);
    surface_stop(&surface);
    buf_clear(&text);
}

static void who_left_before_the_answer_is_forgotten(void **state)
{
    (void)state;
    enum { CLIENTS = 20 };
    struct surface surface;
    struct buf text;
    buf_init(&text, MIB);
    surface_start(&surface, 1, CLIENTS, THIRTY_SECONDS * NS_PER_S);
    for (size_t i = 0; i < CLIENTS; i++) {
        int fd = surface_get(&surface, "/healthz");
        while (queue_length(surface.api->threads[0].jobs) <= i)
            sched_yield();
        struct linger at_once = { 1, 0 }; /* a reset, not a half-close */
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close(fd);
    }
    settle_loop(&surface);
    start_pool(&surface);
    int fd = surface_get(&surface, "/healthz"); /* refused or answered, but alive */
    int status = read_status(fd, &text);
    assert_true(status == 200 || status == 503);
    close(fd);
    surface_stop(&surface);
    buf_clear(&text);
}

/* All questions are read in one turn of the loop, which only then takes the answers: there
 * must be room for them. */
static void many_questions_in_one_turn_of_the_loop_are_all_answered(void **state)
{
    (void)state;
    enum { CLIENTS = 60, ROUNDS = 5 };
    struct surface surface;
    struct buf text;
    int fds[CLIENTS];
    buf_init(&text, MIB);
    surface_start(&surface, 1, 1, THIRTY_SECONDS * NS_PER_S);
    start_pool(&surface);
    size_t answered = 0, refused = 0;
    for (size_t i = 0; i < CLIENTS; i++) { /* accepted, and waiting for a head */
        fds[i] = surface_get(&surface, "/healthz");
        int status = read_status(fds[i], &text);
        assert_true(status == 200 || status == 503);
    }
    for (int round = 0; round < ROUNDS; round++) {
        static const char request[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
        hold_loop(&surface);
        for (size_t i = 0; i < CLIENTS; i++)
            assert_int_equal(send(fds[i], request, sizeof request - 1, MSG_NOSIGNAL),
                             sizeof request - 1);
        release_loop(&surface);
        for (size_t i = 0; i < CLIENTS; i++) {
            int status = read_status(fds[i], &text);
            assert_true(status == 200 || status == 503);
            answered += status == 200;
            refused += status == 503;
        }
    }
    assert_int_equal(answered + refused, CLIENTS * ROUNDS);
    assert_true(answered >= ROUNDS);
    for (size_t i = 0; i < CLIENTS; i++)
        close(fds[i]);
    surface_stop(&surface);
    buf_clear(&text);
}

static void an_error_is_json_with_code_message_hint_and_place(void **state)
{
    (void)state;
    struct buf out;
    struct diag why = DIAG_NONE;
    buf_init(&out, MIB);
    diag_set_at(&why, ERR_BAD_INPUT, 7, "a \"quoted\" thing");
    (void)diag_hint(&why, "do this");
    api_error_json(&out, ERR_BAD_INPUT, &why, STR_OF("/api/v1/traces"));
    assert_true(str_equal_c(buf_str(&out),
                            "{\"error\":{\"code\":\"BAD_INPUT\",\"message\":\"a \\\"quoted\\\" "
                            "thing\",\"hint\":\"do this\",\"offset\":7,\"path\":"
                            "\"/api/v1/traces\"}}\n"));
    buf_reset(&out);
    api_error_json(&out, ERR_BUSY, NULL, STR_OF("/"));
    assert_true(str_find(buf_str(&out), STR_OF("\"hint\":null,\"offset\":null")) < out.len);
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_is_answered_by_the_pool),
        cmocka_unit_test(questions_wait_to_the_limit_and_one_past_it_is_refused),
        cmocka_unit_test(a_question_that_waited_too_long_is_answered_with_504),
        cmocka_unit_test(who_left_before_the_answer_is_forgotten),
        cmocka_unit_test(many_questions_in_one_turn_of_the_loop_are_all_answered),
        cmocka_unit_test(an_error_is_json_with_code_message_hint_and_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
