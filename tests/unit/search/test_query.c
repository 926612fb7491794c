/* test_query.c -- what is searched for, what a text must have for it, and what is shown of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "search/search_int.h"
#include <stdio.h>

static struct arena arena;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena, MIB);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static struct search_query *parsed(const char *text)
{
    struct search_query *query;
    assert_int_equal(search_parse(&arena, str_from_c(text), &query, NULL), ERR_OK);
    return query;
}

static bool has(const char *words, const char *json)
{
    struct buf scratch;
    struct search_snippet snippet;
    buf_init(&scratch, MIB);
    bool found = search_item(parsed(words), str_from_c(json), &scratch, &arena, &snippet);
    buf_clear(&scratch);
    return found;
}

static void all_words_must_be_there_in_any_order(void **state)
{
    (void)state;
    assert_true(has("b a", "[\"a x b\"]"));
    assert_true(has("a b", "[\"a\",\"b\"]")); /* in two parts of one field */
    assert_false(has("a c", "[\"a x b\"]"));
    assert_true(has("a a", "[\"a\"]"));
}

static void a_phrase_stands_side_by_side(void **state)
{
    (void)state;
    assert_true(has("\"a b\"", "[\"x a, b\"]"));
    assert_false(has("\"a b\"", "[\"a x b\"]"));
    assert_false(has("\"a b\"", "[\"a\",\"b\"]"));
    assert_true(has("\"a a b\"", "[\"a a a b\"]"));
    assert_false(has("\"a a b\"", "[\"a b a b\"]"));
    assert_true(has("\"a b\" \"b c\"", "[\"a b c\"]"));
    assert_true(has("user_id", "[\"the user id\"]"));
    assert_false(has("user_id", "[\"id user\"]"));
    assert_true(has("\"a b", "[\"a b\"]")); /* a quote that is not closed */
}

static void a_star_is_the_beginning_of_a_word(void **state)
{
    (void)state;
    assert_true(has("ref*", "[\"Refunds\"]"));
    assert_true(has("ref*", "[\"ref\"]"));
    assert_false(has("ref*", "[\"pref\"]"));
    assert_true(has("a.ref*", "[\"a refund\"]"));
    assert_false(has("\"ref*\"", "[\"refund\"]")); /* not in quotes */
}

static void a_filter_is_asked_for_every_whole_word(void **state)
{
    (void)state;
    assert_int_equal(parsed("a b \"b c\"")->probe_count, 3);
    assert_int_equal(parsed("ref*")->probe_count, 0);
    assert_int_equal(parsed("a.ref*")->probe_count, 1);
    assert_int_equal(parsed("東京")->probe_count, 3); /* each, and the pair */
}

static void a_question_has_limits(void **state)
{
    (void)state;
    char text[2 * SEARCH_TEXT_BYTES_MAX];
    struct search_query *query;
    struct diag why = DIAG_NONE;
    memset(text, 'a', sizeof text);
    assert_int_equal(search_parse(&arena, str_make(text, SEARCH_TEXT_BYTES_MAX), &query, &why),
                     ERR_OK);
    assert_int_equal(search_parse(&arena, str_make(text, SEARCH_TEXT_BYTES_MAX + 1), &query, &why),
                     ERR_BAD_INPUT);
    for (size_t i = 0; i < 2 * (SEARCH_WORDS_MAX + 1); i++)
        text[i] = i % 2 ? ' ' : 'a';
    assert_int_equal(search_parse(&arena, str_make(text, 2 * SEARCH_WORDS_MAX), &query, &why),
                     ERR_OK);
    assert_int_equal(query->count, SEARCH_WORDS_MAX);
    assert_int_equal(search_parse(&arena, str_make(text, 2 * SEARCH_WORDS_MAX + 1), &query, &why),
                     ERR_BAD_INPUT);
    assert_int_equal(search_parse(&arena, STR_OF(" \"\" * ..."), &query, &why), ERR_BAD_INPUT);
    assert_non_null(strstr(why.hint, "words="));
    assert_int_equal(search_parse(&arena, STR_OF("a\xff"), &query, &why), ERR_BAD_INPUT);
}

static void equal_questions_have_equal_words(void **state)
{
    (void)state;
    str one = search_query_words(&arena, parsed("  Refund \"The Policy\" x*"));
    str two = search_query_words(&arena, parsed("refund \"the, policy\" X*"));
    assert_true(str_equal(one, two));
    assert_false(str_equal(one, search_query_words(&arena, parsed("refund the policy x*"))));
    assert_false(str_equal(one, search_query_words(&arena, parsed("refund \"the policy\" x"))));
}

static void the_snippet_is_around_the_first_place(void **state)
{
    (void)state;
    struct search_snippet snippet;
    struct buf scratch;
    char json[4000], text[600] = "";
    for (int i = 0; i < 60; i++)
        strncat(text, "żółw ", sizeof text - strlen(text) - 1);
    snprintf(json, sizeof json, "[\"nothing\",\"%sneedle %sneedle\"]", text, text);
    buf_init(&scratch, MIB);
    assert_true(search_item(parsed("NEEDLE"), str_from_c(json), &scratch, &arena, &snippet));
    buf_clear(&scratch);
    assert_in_range(snippet.text.len, 200, 300);
    assert_int_equal(snippet.mark_count, 1);
    size_t at = str_find(snippet.text, STR_OF("needle"));
    uint32_t chars = 0;
    for (size_t i = 0; i < at; i++)
        chars += ((unsigned char)snippet.text.ptr[i] & 0xc0) != 0x80;
    assert_int_equal(snippet.marks[0].from, chars);
    assert_int_equal(snippet.marks[0].to, chars + 6);
}

static void a_snippet_marks_at_most_eight(void **state)
{
    (void)state;
    struct search_snippet snippet;
    struct buf scratch;
    buf_init(&scratch, MIB);
    assert_true(
        search_item(parsed("a"), STR_OF("[\"a a a a a a a a\"]"), &scratch, &arena, &snippet));
    assert_int_equal(snippet.mark_count, SEARCH_MARKS_MAX);
    assert_true(
        search_item(parsed("a"), STR_OF("[\"a a a a a a a a a\"]"), &scratch, &arena, &snippet));
    assert_int_equal(snippet.mark_count, SEARCH_MARKS_MAX);
    buf_clear(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_words_must_be_there_in_any_order, begin, end),
        cmocka_unit_test_setup_teardown(a_phrase_stands_side_by_side, begin, end),
        cmocka_unit_test_setup_teardown(a_star_is_the_beginning_of_a_word, begin, end),
        cmocka_unit_test_setup_teardown(a_filter_is_asked_for_every_whole_word, begin, end),
        cmocka_unit_test_setup_teardown(a_question_has_limits, begin, end),
        cmocka_unit_test_setup_teardown(equal_questions_have_equal_words, begin, end),
        cmocka_unit_test_setup_teardown(the_snippet_is_around_the_first_place, begin, end),
        cmocka_unit_test_setup_teardown(a_snippet_marks_at_most_eight, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
