/* test_steps.c -- each moment of a trace is counted once.
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
#include "base/hash.h"
#include "query/steps.h"
#include <math.h>

enum { RANDOM_SPANS = 40 };

static struct store_span span_of(uint8_t id, uint8_t parent, const char *step, int64_t from_ms,
                                 int64_t to_ms)
{
    struct store_span row = { .log_segment = 0 };
    struct id8 own = { { id } }, above = { { parent } };
    SPAN_SET(&row.span, span_id, own);
    if (parent)
        SPAN_SET(&row.span, parent_span_id, above);
    if (step)
        SPAN_SET(&row.span, step, str_from_c(step));
    SPAN_SET(&row.span, start_time, from_ms * NS_PER_MS);
    SPAN_SET(&row.span, latency_ns, (to_ms - from_ms) * NS_PER_MS);
    return row;
}

static void expect_self(const struct store_span *spans, const double *self_ms, size_t count,
                        double idle_ms)
{
    struct arena arena;
    struct steps steps;
    arena_init(&arena, MIB);
    assert_int_equal(steps_of_spans(&arena, spans, count, &steps, NULL), ERR_OK);
    for (size_t i = 0; i < count; i++)
        if (fabs(steps.self_ns[i] / (double)NS_PER_MS - self_ms[i]) > 1e-6)
            fail_msg("span %zu has %g ms of its own", i, steps.self_ns[i] / (double)NS_PER_MS);
    assert_true(fabs(steps.idle_ns / (double)NS_PER_MS - idle_ms) < 1e-6);
    arena_clear(&arena);
}

static void a_parent_has_what_its_children_leave_and_what_runs_together_shares(void **state)
{
    (void)state;
    const struct store_span serial[] = { span_of(1, 0, "request", 0, 100),
                                         span_of(2, 1, "retrieval", 10, 30),
                                         span_of(3, 1, "model", 30, 95) };
    expect_self(serial, (const double[]){ 15, 20, 65 }, 3, 0);
    const struct store_span beside[] = { span_of(1, 0, NULL, 0, 100), span_of(2, 1, NULL, 0, 60),
                                         span_of(3, 1, NULL, 40, 100) };
    expect_self(beside, (const double[]){ 0, 50, 50 }, 3, 0);
    /* a child that outlives its parent, a gap, and a span without a parent that came */
    const struct store_span loose[] = { span_of(1, 0, NULL, 0, 10), span_of(2, 1, NULL, 5, 20),
                                        span_of(3, 9, NULL, 50, 60) };
    expect_self(loose, (const double[]){ 5, 15, 10 }, 3, 30);
}

static void spans_that_are_each_others_parent_end(void **state)
{
    (void)state;
    const struct store_span ring[] = { span_of(1, 2, NULL, 0, 10), span_of(2, 1, NULL, 2, 8),
                                       span_of(3, 3, NULL, 0, 10) };
    struct arena arena;
    struct steps steps;
    arena_init(&arena, MIB);
    assert_int_equal(steps_of_spans(&arena, ring, COUNT_OF(ring), &steps, NULL), ERR_OK);
    double sum = steps.idle_ns;
    for (size_t i = 0; i < COUNT_OF(ring); i++)
        sum += steps.self_ns[i];
    assert_true(fabs(sum - 10.0 * (double)NS_PER_MS) < 1);
    arena_clear(&arena);
}

/* shows: E2 */
static void times_of_their_own_sum_to_the_whole_of_any_trace(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct store_span spans[RANDOM_SPANS];
        struct arena arena;
        struct steps steps;
        int64_t first = INT64_MAX, last = 0;
        double cost = 0, kinds_cost = 0, sum = 0, kinds_sum = 0;
        arena_init(&arena, MIB);
        for (size_t i = 0; i < RANDOM_SPANS; i++) {
            uint64_t about[] = { seed, i };
            uint64_t dice = hash_bytes(about, sizeof about);
            static const char *const kinds[] = { "model", "tool", "retrieval", NULL };
            int64_t from = (int64_t)(dice % 1000), to = from + (int64_t)(dice / 1000 % 300);
            spans[i] = span_of((uint8_t)(i + 1), (uint8_t)(i ? dice / 7 % i + 1 : 0),
                               kinds[dice % 4], from, to);
            SPAN_SET(&spans[i].span, cost_nanousd, (int64_t)(dice % 1000));
            cost += (double)(dice % 1000);
            if (to > from) {
                first = MIN(first, from);
                last = MAX(last, to);
            }
        }
        assert_int_equal(steps_of_spans(&arena, spans, RANDOM_SPANS, &steps, NULL), ERR_OK);
        for (size_t i = 0; i < RANDOM_SPANS; i++)
            sum += steps.self_ns[i];
        for (size_t i = 0; i < steps.count; i++) {
            kinds_sum += steps.kinds[i].self_ns;
            kinds_cost += steps.kinds[i].cost_nanousd;
        }
        assert_true(fabs(sum - kinds_sum) < 1 && fabs(cost - kinds_cost) < 1e-6);
        assert_true(fabs(sum + steps.idle_ns - steps.total_ns) < 1);
        assert_true(fabs(steps.total_ns - (double)((last - first) * NS_PER_MS)) < 1);
        arena_clear(&arena);
    }
}

static void a_call_that_repeats_one_is_a_retry(void **state)
{
    (void)state;
    struct store_span spans[] = { span_of(1, 0, "model", 0, 10), span_of(2, 0, "model", 10, 40) };
    SPAN_SET(&spans[1].span, attempt, 2);
    struct arena arena;
    struct steps steps;
    arena_init(&arena, MIB);
    assert_int_equal(steps_of_spans(&arena, spans, 2, &steps, NULL), ERR_OK);
    assert_true(str_equal_c(steps.kinds[0].name, "retries"));
    assert_true(str_equal_c(steps.kinds[1].name, "model"));
    assert_int_equal(steps_of_spans(&arena, NULL, 0, &steps, NULL), ERR_OK);
    assert_int_equal(steps.count, 0);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_parent_has_what_its_children_leave_and_what_runs_together_shares),
        cmocka_unit_test(spans_that_are_each_others_parent_end),
        cmocka_unit_test(times_of_their_own_sum_to_the_whole_of_any_trace),
        cmocka_unit_test(a_call_that_repeats_one_is_a_retry),
    };
    return cmocka_run_group_tests_name("steps", tests, NULL, NULL);
}
