/* test_queue.c -- the bounded queue: order, refusal, waiting, and many senders at once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "base/arena.h"
#include "sys/clock.h"
#include "sys/queue.h"
#include "sys/thread.h"
#include <poll.h>
#include <sched.h>

static bool is_readable(struct queue *queue)
{
    struct pollfd ready = { .fd = queue_fd(queue), .events = POLLIN };
    return poll(&ready, 1, 0) == 1;
}

static void *message_of(uintptr_t number)
{
    return (void *)(number + 1);
}

static void a_full_queue_refuses_and_keeps_its_order(void **state)
{
    (void)state;
    struct queue *queue = queue_new(3);
    void *taken[8];
    for (uintptr_t round = 0; round < 5; round++) { /* over the end of the ring */
        for (uintptr_t i = 0; i < 3; i++)
            assert_true(queue_send(queue, message_of(round * 10 + i)));
        assert_false(queue_send(queue, message_of(99)));
        assert_int_equal(queue_length(queue), 3);
        assert_int_equal(queue_take(queue, taken, 2), 2);
        assert_ptr_equal(taken[0], message_of(round * 10));
        assert_ptr_equal(taken[1], message_of(round * 10 + 1));
        assert_int_equal(queue_take(queue, taken, 8), 1);
        assert_ptr_equal(taken[0], message_of(round * 10 + 2));
    }
    assert_int_equal(queue_take(queue, taken, 8), 0);
    queue_free(queue);
    queue_free(NULL);
}

static void the_descriptor_is_readable_while_messages_wait(void **state)
{
    (void)state;
    struct queue *queue = queue_new(4);
    void *taken[4];
    assert_false(is_readable(queue));
    assert_true(queue_send(queue, message_of(1)));
    assert_true(queue_send(queue, message_of(2)));
    assert_true(is_readable(queue));
    assert_int_equal(queue_take(queue, taken, 1), 1);
    assert_true(is_readable(queue)); /* one is left */
    assert_int_equal(queue_take(queue, taken, 1), 1);
    assert_false(is_readable(queue));
    assert_true(queue_send(queue, message_of(3)));
    assert_true(is_readable(queue));
    assert_int_equal(queue_wait(queue, taken, 4, 0), 1);
    assert_false(is_readable(queue));
    queue_free(queue);
}

static void a_closed_queue_is_drained_and_takes_no_more(void **state)
{
    (void)state;
    struct queue *queue = queue_new(4);
    void *taken[4];
    assert_true(queue_send(queue, message_of(1)));
    assert_false(queue_is_closed(queue));
    queue_close(queue);
    assert_true(queue_is_closed(queue));
    assert_false(queue_send(queue, message_of(2)));
    assert_int_equal(queue_wait(queue, taken, 4, -1), 1);
    assert_int_equal(queue_wait(queue, taken, 4, -1), 0); /* does not wait for ever */
    queue_free(queue);
}

static void waiting_ends_with_its_time(void **state)
{
    (void)state;
    struct queue *queue = queue_new(1);
    void *taken[1];
    int64_t start = clock_monotonic_ns();
    assert_int_equal(queue_wait(queue, taken, 1, 30 * NS_PER_MS), 0);
    assert_true(clock_monotonic_ns() - start >= 30 * NS_PER_MS);
    assert_int_equal(queue_wait(queue, taken, 1, 0), 0);
    queue_free(queue);
}

enum { SENDERS = 4, EACH = 20000 };
struct sender {
    struct thread thread;
    struct queue *queue;
    uintptr_t number;
};

static void send_all(void *arg)
{
    struct sender *sender = arg;
    for (uintptr_t i = 0; i < EACH; i++)
        while (!queue_send(sender->queue, message_of(sender->number * EACH + i)))
            sched_yield();
}

/* Which way the receiver listens: blocked, or as an event loop does. */
static size_t receive(struct queue *queue, bool by_descriptor, void **taken, size_t max)
{
    if (!by_descriptor)
        return queue_wait(queue, taken, max, 10 * NS_PER_S);
    struct pollfd ready = { .fd = queue_fd(queue), .events = POLLIN };
    assert_int_equal(poll(&ready, 1, 10000), 1); /* a lost wake-up would end here */
    return queue_take(queue, taken, max);
}

static void exchange(bool by_descriptor)
{
    struct queue *queue = queue_new(37);
    struct sender senders[SENDERS];
    uintptr_t next[SENDERS] = { 0 };
    for (uintptr_t i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){ .queue = queue, .number = i };
        thread_start(&senders[i].thread, "sender", send_all, &senders[i]);
    }
    for (size_t total = 0; total < SENDERS * EACH;) {
        void *taken[10];
        size_t count = receive(queue, by_descriptor, taken, 1 + total % 10);
        assert_true(by_descriptor || count > 0);
        for (size_t i = 0; i < count; i++) {
            uintptr_t number = (uintptr_t)taken[i] - 1;
            assert_int_equal(number % EACH, next[number / EACH]++); /* in order per sender */
        }
        total += count;
    }
    for (size_t i = 0; i < SENDERS; i++)
        thread_join(&senders[i].thread);
    assert_int_equal(queue_length(queue), 0);
    queue_free(queue);
}

static void many_senders_lose_nothing_and_keep_their_order(void **state)
{
    (void)state;
    exchange(false);
}

static void an_event_loop_is_woken_for_every_message(void **state)
{
    (void)state;
    exchange(true);
}

static void close_it(void *arg)
{
    clock_sleep_ns(5 * NS_PER_MS);
    queue_close(arg);
}

static void closing_wakes_who_waits(void **state)
{
    (void)state;
    struct queue *queue = queue_new(1);
    struct thread thread = { 0 };
    void *taken[1];
    thread_start(&thread, "closer", close_it, queue);
    assert_int_equal(queue_wait(queue, taken, 1, -1), 0);
    thread_join(&thread);
    queue_free(queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_queue_refuses_and_keeps_its_order),
        cmocka_unit_test(the_descriptor_is_readable_while_messages_wait),
        cmocka_unit_test(a_closed_queue_is_drained_and_takes_no_more),
        cmocka_unit_test(waiting_ends_with_its_time),
        cmocka_unit_test(many_senders_lose_nothing_and_keep_their_order),
        cmocka_unit_test(an_event_loop_is_woken_for_every_message),
        cmocka_unit_test(closing_wakes_who_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
