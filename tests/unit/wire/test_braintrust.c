/* test_braintrust.c -- rows of a log as parts of spans and as scores, and their limits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "vendor_help.h"

#include "wire/braintrust.h"

#define SPAN                                                                                       \
    "{\"id\":\"r\",\"span_id\":\"96d969b88a3c69ac\",\"root_span_id\":\"t\",\"input\":\"i\","       \
    "\"metadata\":{\"a\":1,\"b\":2},\"error\":\"Traceback\\n  x\\nKeyError: 'k'\\n\","             \
    "\"scores\":{\"q\":0.5,\"none\":null,\"text\":\"x\"}}"

static enum err decoded(const char *text)
{
    return braintrust_decode(&arena, str_from_c(text), &limits, &batch, NULL);
}

static void a_row_is_a_part_of_a_span_and_its_scores(void **state)
{
    (void)state;
    assert_int_equal(decoded("{\"rows\":[" SPAN "]}"), ERR_OK);
    assert_int_equal(batch.span_count, 1);
    assert_int_equal(batch.score_count, 1); /* null and texts are none */
    const struct raw_span *span = &batch.spans[0];
    assert_true(span->is_addition && span->status_code == 2);
    assert_true(str_equal_c(span->source_id, "r"));
    assert_true(str_equal_c(span->events[0].attrs[0].value.text, "KeyError"));
    assert_true(str_equal_c(span->events[0].attrs[1].value.text, "'k'"));
    assert_true(str_equal_c(batch.reply, "{\"row_ids\":[\"r\"],\"xact_id\":\"1\"}"));
}

static void feedback_names_the_row(void **state)
{
    (void)state;
    assert_int_equal(
        decoded("{\"rows\":[{\"id\":\"r\",\"scores\":{\"q\":1}},{\"id\":\"c\",\"comment\":{"
                "\"text\":\"nice\"},\"origin\":{\"id\":\"r\"}}]}"),
        ERR_OK);
    assert_int_equal(batch.span_count, 0);
    assert_int_equal(batch.score_count, 2);
    for (uint32_t i = 0; i < 2; i++)
        assert_true(str_equal_c(batch.scores[i].score.response_id, "r"));
    assert_true(str_equal_c(batch.scores[1].score.comment, "nice"));
}

/* shows: C7 */
static void limits_hold_at_and_one_past(void **state)
{
    (void)state;
    limits.items_max = 1;
    assert_int_equal(decoded("{\"rows\":[" SPAN "]}"), ERR_OK);
    assert_int_equal(decoded("{\"rows\":[" SPAN "," SPAN "]}"), ERR_LIMIT);
    limits.items_max = 9;
    limits.attrs_max = 3;
    assert_int_equal(decoded("{\"rows\":[" SPAN "]}"), ERR_OK);
    assert_int_equal(batch.spans[0].attr_count, 3);
    assert_int_equal(batch.spans[0].dropped_attr_count, 0);
    limits.attrs_max = 2;
    assert_int_equal(decoded("{\"rows\":[" SPAN "]}"), ERR_OK);
    assert_int_equal(batch.spans[0].attr_count, 2);
    assert_int_equal(batch.spans[0].dropped_attr_count, 1);
}

static void a_spent_budget_is_a_limit_at_any_point(void **state)
{
    (void)state;
    ASSERT_SPENT_BUDGET_IS_A_LIMIT(decoded("{\"rows\":[" SPAN "]}"));
    assert_int_equal(batch.span_count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_row_is_a_part_of_a_span_and_its_scores),
        TEST(feedback_names_the_row),
        TEST(limits_hold_at_and_one_past),
        TEST(a_spent_budget_is_a_limit_at_any_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
