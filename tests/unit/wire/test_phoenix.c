/* test_phoenix.c -- JSON as trees; Phoenix's spans and annotations, their limits and answers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "vendor_help.h"

#include "wire/json.h"
#include "wire/phoenix.h"
#include "wire/tree.h"

#define SPAN(id, more)                                                                             \
    "{\"name\":\"n\",\"context\":{\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\","              \
    "\"span_id\":\"" id "\"},\"span_kind\":\"LLM\",\"start_time\":\"2026-11-21T10:00:00Z\","       \
    "\"end_time\":\"2026-11-21T10:00:01Z\"" more "}"
#define NOTE(id) "{\"span_id\":\"" id "\",\"note\":\"text\"}"

static enum err decoded(enum phoenix_list list, const char *text)
{
    struct phoenix_body body = {
        .list = list, .project = STR_OF("shop"), .bytes = str_from_c(text), .limits = &limits
    };
    why = DIAG_NONE;
    return phoenix_decode(&arena, &body, &batch, &why);
}

static void times_are_told_by_their_size(void **state)
{
    (void)state;
    static const char *const same[] = {
        "1763719200",        "1763719200000", "1763719200000000",        "1763719200000000000",
        "\"1763719200000\"", "1763719200.0",  "\"2025-11-21T10:00:00Z\""
    };
    for (size_t i = 0; i < COUNT_OF(same); i++) {
        struct value root;
        int64_t ns = 0;
        str text = arena_printf(&arena, "{\"t\":%s}", same[i]);
        assert_int_equal(tree_parse(&arena, text, &root, &why), ERR_OK);
        assert_true(tree_time(&root, "t", &ns));
        assert_true(ns == INT64_C(1763719200000000000));
    }
    static const char *const none[] = { "null", "true", "-1", "\"soon\"", "[]", "1e300" };
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        struct value root;
        int64_t ns;
        str text = arena_printf(&arena, "{\"t\":%s}", none[i]);
        assert_int_equal(tree_parse(&arena, text, &root, &why), ERR_OK);
        assert_false(tree_time(&root, "t", &ns));
    }
}

static void a_document_ends_where_its_value_ends(void **state)
{
    (void)state;
    struct value root;
    assert_int_equal(tree_parse(&arena, STR_OF(""), &root, &why), ERR_BAD_INPUT);
    assert_int_equal(tree_parse(&arena, STR_OF("{} {}"), &root, &why), ERR_BAD_INPUT);
    assert_int_equal(tree_parse(&arena, STR_OF("{\"a\":null,\"b\":\"\"}"), &root, &why), ERR_OK);
    assert_null(tree_get(&root, "a"));
    assert_true(str_is_none(tree_text(&root, "b")) && str_is_none(tree_text(&root, "c")));
}

static void a_span_says_its_project_kind_and_times(void **state)
{
    (void)state;
    assert_int_equal(decoded(PHOENIX_SPANS, "{\"data\":[" SPAN("00f067aa0ba902b7",
                                                               ",\"status_code\":\"ERROR\"") "]}"),
                     ERR_OK);
    assert_int_equal(batch.span_count, 1);
    const struct raw_span *span = &batch.spans[0];
    assert_true(span->end_ns - span->start_ns == NS_PER_S && span->status_code == 2);
    assert_true(str_is_none(span->source_id));
    assert_true(str_equal_c(span->attrs[0].key, "openinference.span.kind"));
    assert_true(str_equal_c(span->scope->resource->attrs[0].value.text, "shop"));
    assert_true(str_equal_c(batch.reply, "{\"total_received\":1,\"total_queued\":1}"));
    assert_int_equal(batch.reply_status, 200);
}

static void an_id_of_another_form_is_kept_beside_the_one_made_of_it(void **state)
{
    (void)state;
    assert_int_equal(decoded(PHOENIX_SPANS, "{\"data\":[" SPAN("456", "") "]}"), ERR_OK);
    assert_true(str_equal_c(batch.spans[0].source_id, "456"));
    assert_false(id8_is_zero(batch.spans[0].span_id));
}

static void bad_items_are_answered_one_by_one_and_the_others_are_kept(void **state)
{
    (void)state;
    assert_int_equal(decoded(PHOENIX_SPAN_NOTES, "{\"data\":[" NOTE("01") ",{\"note\":\"x\"}]}"),
                     ERR_OK);
    assert_int_equal(batch.score_count, 1);
    assert_int_equal(batch.rejected_count, 1);
    assert_int_equal(batch.rejected_scores, 1);
    assert_int_equal(batch.reply_status, 422);
    assert_true(str_equal_c(batch.reply, "{\"detail\":[{\"type\":\"value_error\",\"loc\":[\"body\","
                                         "\"data\",1,\"span_id\"],\"msg\":\"Field required\"}]}"));
}

/* One note is answered by one id, a list of any length by a list. */
static void notes_are_answered_in_the_form_they_came_in(void **state)
{
    (void)state;
    assert_int_equal(decoded(PHOENIX_SPAN_NOTES, "{\"data\":[]}"), ERR_OK);
    assert_true(str_equal_c(batch.reply, "{\"data\":[]}"));
    assert_int_equal(decoded(PHOENIX_SPAN_NOTES, "{\"data\":" NOTE("1") "}"), ERR_OK);
    assert_true(str_starts(batch.reply, STR_OF("{\"data\":{")) && json_check(batch.reply));
    assert_int_equal(decoded(PHOENIX_SPAN_NOTES, "{\"data\":[" NOTE("1") "," NOTE("2") "]}"),
                     ERR_OK);
    assert_true(str_starts(batch.reply, STR_OF("{\"data\":[{")) && json_check(batch.reply));
}

/* shows: C7 */
static void limits_hold_at_and_one_past(void **state)
{
    (void)state;
    limits.items_max = 2;
    assert_int_equal(decoded(PHOENIX_SPAN_NOTES, "{\"data\":[" NOTE("1") "," NOTE("2") "]}"),
                     ERR_OK);
    assert_int_equal(batch.score_count, 2);
    assert_int_equal(
        decoded(PHOENIX_SPAN_NOTES, "{\"data\":[" NOTE("1") "," NOTE("2") "," NOTE("3") "]}"),
        ERR_LIMIT);
    limits.attrs_max = 2;
    const char *two = "{\"data\":[" SPAN("1", ",\"attributes\":{\"a\":1}") "]}";
    assert_int_equal(decoded(PHOENIX_SPANS, two), ERR_OK);
    assert_int_equal(batch.spans[0].attr_count, 2); /* the kind is one */
    assert_int_equal(batch.spans[0].dropped_attr_count, 0);
    const char *three = "{\"data\":[" SPAN("1", ",\"attributes\":{\"a\":1,\"b\":2}") "]}";
    assert_int_equal(decoded(PHOENIX_SPANS, three), ERR_OK);
    assert_int_equal(batch.spans[0].attr_count, 2);
    assert_int_equal(batch.spans[0].dropped_attr_count, 1);
}

static void a_spent_budget_is_a_limit_at_any_point(void **state)
{
    (void)state;
    ASSERT_SPENT_BUDGET_IS_A_LIMIT(
        decoded(PHOENIX_SPANS,
                "{\"data\":[" SPAN("1", ",\"attributes\":{\"a\":1}") "," SPAN("2", "") "]}"));
    assert_int_equal(batch.span_count, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(times_are_told_by_their_size),
        TEST(a_document_ends_where_its_value_ends),
        TEST(a_span_says_its_project_kind_and_times),
        TEST(an_id_of_another_form_is_kept_beside_the_one_made_of_it),
        TEST(bad_items_are_answered_one_by_one_and_the_others_are_kept),
        TEST(notes_are_answered_in_the_form_they_came_in),
        TEST(limits_hold_at_and_one_past),
        TEST(a_spent_budget_is_a_limit_at_any_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
