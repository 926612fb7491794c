/* test_named_spans.c -- the trace of a span that is named alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "pipeline/named_spans.h"

static struct id8 span_of(uint64_t number)
{
    struct id8 id;
    memcpy(id.bytes, &number, sizeof id.bytes);
    return id;
}

static struct id16 trace_of(uint64_t number)
{
    struct id16 id = { { 0 } };
    memcpy(id.bytes, &number, sizeof number);
    return id;
}

static bool finds(const struct named_spans *spans, const char *project, uint64_t span,
                  uint64_t trace)
{
    struct id16 found = named_spans_find(spans, str_from_c(project), span_of(span));
    struct id16 wanted = trace_of(trace);
    return memcmp(&found, &wanted, sizeof found) == 0;
}

static void a_span_is_found_in_its_project_only(void **state)
{
    (void)state;
    struct named_spans spans = { 0 };
    assert_false(finds(&spans, "p", 1, 10));
    named_spans_put(&spans, STR_OF("p"), span_of(1), trace_of(10));
    named_spans_put(&spans, STR_OF("q"), span_of(1), trace_of(20));
    assert_true(finds(&spans, "p", 1, 10));
    assert_true(finds(&spans, "q", 1, 20));
    assert_false(finds(&spans, "r", 1, 10));
    named_spans_put(&spans, STR_OF("p"), span_of(1), trace_of(11));
    assert_true(finds(&spans, "p", 1, 11));
    named_spans_clear(&spans);
}

static void one_that_is_not_known_has_a_trace_of_its_own(void **state)
{
    (void)state;
    struct named_spans spans = { 0 };
    struct id16 a = named_spans_find(&spans, STR_OF("p"), span_of(1));
    struct id16 b = named_spans_find(&spans, STR_OF("p"), span_of(2));
    assert_false(id16_is_zero(a));
    assert_memory_not_equal(&a, &b, sizeof a);
}

static void the_last_are_remembered_and_the_first_give_way(void **state)
{
    (void)state;
    struct named_spans spans = { 0 };
    const uint64_t count = 4 * NAMED_SPANS_MAX;
    for (uint64_t i = 1; i <= count; i++)
        named_spans_put(&spans, STR_OF("p"), span_of(i), trace_of(i));
    uint64_t last = 0, first = 0;
    for (uint64_t i = 1; i <= NAMED_SPANS_MAX / 4; i++) {
        first += finds(&spans, "p", i, i);
        last += finds(&spans, "p", count - i, count - i);
    }
    assert_int_equal(first, 0);
    assert_true(last > NAMED_SPANS_MAX / 4 * 99 / 100);
    named_spans_clear(&spans);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_span_is_found_in_its_project_only),
        cmocka_unit_test(one_that_is_not_known_has_a_trace_of_its_own),
        cmocka_unit_test(the_last_are_remembered_and_the_first_give_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
