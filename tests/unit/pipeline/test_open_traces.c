/* test_open_traces.c -- which trace is due when, by a clock that the test holds.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "pipeline/open_traces.h"

static const struct settle_times times = { 10 * NS_PER_S, 60 * NS_PER_S, 600 * NS_PER_S };
static const int64_t start = 1000 * NS_PER_S;

static struct id16 id_of(uint64_t number)
{
    struct id16 id = { { 0 } };
    memcpy(id.bytes, &number, sizeof number);
    return id;
}

static struct open_trace *hear(struct open_traces *traces, uint64_t number, bool is_root,
                               int64_t now_ns)
{
    struct open_trace *trace =
        open_traces_get(traces, STR_OF("p"), id_of(number), number + 1, now_ns);
    open_traces_add_ref(traces, trace, (struct span_ref){ { 1, 2 }, 3 }, is_root, now_ns);
    return trace;
}

/* How many are due, and give them back. */
static size_t settle(struct open_traces *traces, int64_t now_ns)
{
    struct open_trace *due[64];
    size_t total = 0, count;
    while ((count = open_traces_take_due(traces, now_ns, false, due, COUNT_OF(due))) > 0) {
        for (size_t i = 0; i < count; i++)
            open_traces_done(traces, due[i]);
        total += count;
    }
    return total;
}

/* The wheel looks once per tick of 100 ms: due at t is taken at most two ticks later. */
static const int64_t slack = 200 * NS_PER_MS;

static void due_times_follow_the_root(void **state)
{
    (void)state;
    struct open_traces *traces = open_traces_new(&times);
    hear(traces, 1, true, start);
    assert_int_equal(settle(traces, start + times.root_ns - 1), 0);
    assert_int_equal(settle(traces, start + times.root_ns + slack), 1);
    assert_int_equal(open_traces_count(traces), 0);
    open_traces_free(traces);
}

static void a_root_that_comes_late_brings_the_due_time_forward(void **state)
{
    (void)state;
    struct open_traces *traces = open_traces_new(&times);
    hear(traces, 1, false, start);
    assert_int_equal(settle(traces, start + 5 * NS_PER_S), 0);
    hear(traces, 1, true, start + 5 * NS_PER_S);
    assert_int_equal(settle(traces, start + 15 * NS_PER_S - 1), 0);
    assert_int_equal(settle(traces, start + 15 * NS_PER_S + slack), 1);
    open_traces_free(traces);
}

static void without_a_root_each_span_puts_the_due_time_off(void **state)
{
    (void)state;
    struct open_traces *traces = open_traces_new(&times);
    int64_t now = start;
    for (int i = 0; i < 5; i++) {
        hear(traces, 7, false, now);
        assert_int_equal(settle(traces, now + times.idle_ns - 1), 0);
        now += times.idle_ns - NS_PER_S;
    }
    now += NS_PER_S; /* one idle time after the last */
    assert_int_equal(settle(traces, now + slack), 1);
    open_traces_free(traces);
}

static void a_trace_that_never_rests_is_due_at_the_maximum(void **state)
{
    (void)state;
    struct open_traces *traces = open_traces_new(&times);
    size_t settled = 0;
    int64_t now = start;
    for (; now < start + times.max_ns; now += 30 * NS_PER_S) {
        assert_int_equal(settle(traces, now), 0);
        hear(traces, 7, false, now);
    }
    assert_int_equal(settle(traces, start + times.max_ns - 1), 0);
    settled += settle(traces, start + times.max_ns + slack);
    assert_int_equal(settled, 1);
    open_traces_free(traces);
}

static void force_takes_the_oldest_first_and_not_twice(void **state)
{
    (void)state;
    struct open_traces *traces = open_traces_new(&times);
    for (uint64_t i = 0; i < 100; i++)
        hear(traces, i, i % 3 == 0, start + (int64_t)i);
    struct open_trace *due[64];
    uint64_t next = 0;
    size_t count;
    while ((count = open_traces_take_due(traces, start, true, due, 7)) > 0) {
        for (size_t i = 0; i < count; i++) {
            struct id16 expected = id_of(next++);
            assert_memory_equal(&due[i]->trace_id, &expected, sizeof expected);
            open_traces_done(traces, due[i]);
        }
    }
    assert_int_equal(next, 100);
    assert_int_equal(open_traces_first_sequence(traces), UINT64_MAX);
    open_traces_free(traces);
}

static void first_sequence_is_the_oldest_trace_that_is_not_done(void **state)
{
    (void)state;
    struct open_traces *traces = open_traces_new(&times);
    assert_int_equal(open_traces_first_sequence(traces), UINT64_MAX);
    hear(traces, 41, false, start); /* sequence 42 */
    hear(traces, 50, true, start + 1);
    hear(traces, 41, false, start + 2); /* keeps the sequence of its first record */
    assert_int_equal(open_traces_first_sequence(traces), 42);
    struct open_trace *due[4];
    assert_int_equal(open_traces_take_due(traces, start, true, due, 1), 1);
    assert_int_equal(open_traces_first_sequence(traces), 42); /* taken is not stored yet */
    open_traces_done(traces, due[0]);
    assert_int_equal(open_traces_first_sequence(traces), 51);
    assert_int_equal(open_traces_take_due(traces, start, true, due, 4), 1);
    open_traces_done(traces, due[0]);
    assert_int_equal(open_traces_first_sequence(traces), UINT64_MAX);
    open_traces_free(traces);
}

static void projects_with_the_same_trace_id_stay_apart(void **state)
{
    (void)state;
    struct open_traces *traces = open_traces_new(&times);
    struct open_trace *a = open_traces_get(traces, STR_OF("a"), id_of(1), 1, start);
    struct open_trace *b = open_traces_get(traces, STR_OF("b"), id_of(1), 2, start);
    assert_ptr_not_equal(a, b);
    assert_ptr_equal(a, open_traces_get(traces, STR_OF("a"), id_of(1), 3, start));
    assert_true(str_equal_c(open_traces_project(traces, a->project), "a"));
    assert_true(str_equal_c(open_traces_project(traces, b->project), "b"));
    assert_int_equal(open_traces_count(traces), 2);
    open_traces_free(traces);
}

static void refs_past_the_inline_ones_are_kept_in_order_and_counted_as_memory(void **state)
{
    (void)state;
    struct open_traces *traces = open_traces_new(&times);
    struct open_trace *trace = open_traces_get(traces, STR_OF("p"), id_of(1), 1, start);
    size_t small = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        open_traces_add_ref(traces, trace, (struct span_ref){ { 1, i * 8 }, i }, false, start);
        if (i + 1 == OPEN_TRACE_INLINE_REFS)
            small = open_traces_memory(traces);
    }
    assert_int_equal(trace->ref_count, 1000);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(trace->refs[i].index, i);
    assert_true(open_traces_memory(traces) >= small + 900 * sizeof(struct span_ref));
    struct open_trace *due[1];
    assert_int_equal(open_traces_take_due(traces, start, true, due, 1), 1);
    open_traces_done(traces, due[0]);
    assert_int_equal(open_traces_memory(traces), 0);
    open_traces_free(traces);
}

/* Against a plain list, over a whole turn of the wheel and more. */
static void thousands_of_traces_are_due_within_their_tick(void **state)
{
    (void)state;
    enum { COUNT = 6000 };
    struct open_traces *traces = open_traces_new(&times);
    int64_t *due_at = xcalloc(COUNT, sizeof *due_at);
    uint64_t seed = 12345;
    size_t open = 0, settled = 0, made = 0;
    for (int64_t now = start; now < start + 2400 * NS_PER_S; now += 50 * NS_PER_MS) {
        for (int i = 0; i < 4 && made < COUNT && now < start + 1500 * NS_PER_S; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            if (seed >> 60)
                continue;
            bool is_root = seed >> 40 & 1;
            hear(traces, made, is_root, now);
            due_at[made++] = now + (is_root ? times.root_ns : times.idle_ns);
            open++;
        }
        struct open_trace *due[32];
        size_t count = open_traces_take_due(traces, now, false, due, COUNT_OF(due));
        for (size_t i = 0; i < count; i++) {
            uint64_t number;
            memcpy(&number, due[i]->trace_id.bytes, sizeof number);
            assert_true(due_at[number] <= now && now <= due_at[number] + slack);
            due_at[number] = INT64_MAX;
            open_traces_done(traces, due[i]);
        }
        settled += count;
        open -= count;
        assert_int_equal(open_traces_count(traces), open);
    }
    assert_true(made > 2000);
    assert_int_equal(settled, made);
    xfree(due_at);
    open_traces_free(traces);
}

static void settle_times_beyond_one_turn_of_the_wheel_still_hold(void **state)
{
    (void)state;
    const struct settle_times slow = { 3000 * NS_PER_S, 4000 * NS_PER_S, 5000 * NS_PER_S };
    struct open_traces *traces = open_traces_new(&slow);
    hear(traces, 1, true, start);
    hear(traces, 2, false, start);
    for (int64_t now = start; now < start + slow.root_ns; now += 77 * NS_PER_S)
        assert_int_equal(settle(traces, now), 0);
    assert_int_equal(settle(traces, start + slow.root_ns + slack), 1);
    assert_int_equal(settle(traces, start + slow.idle_ns - 1), 0);
    assert_int_equal(settle(traces, start + slow.idle_ns + slack), 1);
    open_traces_free(traces);
}

static void a_long_silence_does_not_confuse_the_wheel(void **state)
{
    (void)state;
    struct open_traces *traces = open_traces_new(&times);
    hear(traces, 1, true, start);
    assert_int_equal(settle(traces, start + times.root_ns + slack), 1);
    int64_t later = start + 90000 * NS_PER_S; /* a day with nothing open */
    hear(traces, 2, true, later);
    assert_int_equal(settle(traces, later + times.root_ns - 1), 0);
    assert_int_equal(settle(traces, later + times.root_ns + slack), 1);
    open_traces_free(traces);
}

static void more_than_fits_one_call_comes_with_the_next(void **state)
{
    (void)state;
    struct open_traces *traces = open_traces_new(&times);
    for (uint64_t i = 0; i < 100; i++)
        hear(traces, i, true, start);
    struct open_trace *due[30];
    size_t total = 0;
    for (int i = 0; i < 4; i++) {
        size_t count = open_traces_take_due(traces, start + times.root_ns + slack, false, due, 30);
        assert_int_equal(count, i < 3 ? 30 : 10);
        for (size_t j = 0; j < count; j++)
            open_traces_done(traces, due[j]);
        total += count;
    }
    assert_int_equal(total, 100);
    open_traces_free(traces);
}

/* They are read from the log in this order: forwards costs a disk much less than backwards. */
static void due_traces_come_in_the_order_of_the_log(void **state)
{
    (void)state;
    struct open_traces *traces = open_traces_new(&times);
    for (uint64_t i = 0; i < 60; i++)
        hear(traces, i, true, start + (int64_t)i * 20 * NS_PER_MS);
    struct open_trace *due[64];
    size_t count = open_traces_take_due(traces, start + times.root_ns + 2 * NS_PER_S, false, due,
                                        COUNT_OF(due));
    assert_int_equal(count, 60);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(due[i]->first_sequence, i + 1);
        open_traces_done(traces, due[i]);
    }
    open_traces_free(traces);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(due_times_follow_the_root),
        cmocka_unit_test(a_root_that_comes_late_brings_the_due_time_forward),
        cmocka_unit_test(without_a_root_each_span_puts_the_due_time_off),
        cmocka_unit_test(a_trace_that_never_rests_is_due_at_the_maximum),
        cmocka_unit_test(force_takes_the_oldest_first_and_not_twice),
        cmocka_unit_test(first_sequence_is_the_oldest_trace_that_is_not_done),
        cmocka_unit_test(projects_with_the_same_trace_id_stay_apart),
        cmocka_unit_test(refs_past_the_inline_ones_are_kept_in_order_and_counted_as_memory),
        cmocka_unit_test(thousands_of_traces_are_due_within_their_tick),
        cmocka_unit_test(settle_times_beyond_one_turn_of_the_wheel_still_hold),
        cmocka_unit_test(a_long_silence_does_not_confuse_the_wheel),
        cmocka_unit_test(more_than_fits_one_call_comes_with_the_next),
        cmocka_unit_test(due_traces_come_in_the_order_of_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
