/* test_posthog.c -- events about models as spans and scores, and their limits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "vendor_help.h"

#include "wire/posthog.h"

#define CALL                                                                                       \
    "{\"event\":\"$ai_generation\",\"distinct_id\":\"u\",\"timestamp\":\"2026-11-21T10:00:00Z\","  \
    "\"properties\":{\"$ai_trace_id\":\"t\",\"$ai_span_id\":\"s\",\"$ai_latency\":2,"              \
    "\"$ai_is_error\":true}}"

static enum err decoded(const char *text)
{
    return posthog_decode(&arena, str_from_c(text), &limits, &batch, NULL);
}

static void an_event_is_a_span_that_ended_at_its_time(void **state)
{
    (void)state;
    assert_int_equal(decoded(CALL), ERR_OK);
    assert_int_equal(batch.span_count, 1);
    const struct raw_span *span = &batch.spans[0];
    assert_true(span->end_ns - span->start_ns == 2 * (uint64_t)NS_PER_S && span->status_code == 2);
    assert_true(str_equal_c(span->name, "generation"));
    assert_true(attr_find(span->attrs, span->attr_count, STR_OF("posthog.distinct_id")));
}

static void an_absurd_latency_is_none(void **state)
{
    (void)state;
    assert_int_equal(decoded("{\"event\":\"$ai_span\",\"timestamp\":\"2026-11-21T10:00:00Z\","
                             "\"properties\":{\"$ai_trace_id\":7,\"$ai_span_id\":8,"
                             "\"$ai_latency\":1e300}}"),
                     ERR_OK);
    assert_true(batch.spans[0].start_ns == batch.spans[0].end_ns && batch.spans[0].end_ns > 0);
    assert_true(str_equal_c(batch.spans[0].source_id, "8"));
}

/* shows: C7 */
static void limits_hold_at_and_one_past(void **state)
{
    (void)state;
    limits.items_max = 1;
    assert_int_equal(decoded("[" CALL "]"), ERR_OK);
    assert_int_equal(decoded("{\"batch\":[" CALL "," CALL "]}"), ERR_LIMIT);
    limits.attrs_max = 6; /* two of ours, four of its properties */
    assert_int_equal(decoded(CALL), ERR_OK);
    assert_int_equal(batch.spans[0].dropped_attr_count, 0);
    limits.attrs_max = 5;
    assert_int_equal(decoded(CALL), ERR_OK);
    assert_int_equal(batch.spans[0].attr_count, 5);
    assert_int_equal(batch.spans[0].dropped_attr_count, 1);
}

static void a_spent_budget_is_a_limit_at_any_point(void **state)
{
    (void)state;
    ASSERT_SPENT_BUDGET_IS_A_LIMIT(decoded(CALL));
    assert_int_equal(batch.span_count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_event_is_a_span_that_ended_at_its_time),
        TEST(an_absurd_latency_is_none),
        TEST(limits_hold_at_and_one_past),
        TEST(a_spent_budget_is_a_limit_at_any_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
