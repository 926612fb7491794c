/* test_score.c -- whose opinion a score is, and when a second one replaces the first.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "model/score.h"

static struct score a_score(void)
{
    struct score score = { .has_trace_id = true, .name = STR_OF("helpful") };
    str *texts[SCORE_TEXTS];
    score_texts(&score, texts);
    for (size_t i = 0; i < SCORE_TEXTS; i++)
        *texts[i] = STR_NONE;
    score.trace_id.bytes[0] = 7;
    return score;
}

static bool same(const struct score *a, const struct score *b, const char *id_a, const char *id_b)
{
    struct id16 one = score_identity(STR_OF("shop"), a, id_a ? str_from_c(id_a) : STR_NONE);
    struct id16 two = score_identity(STR_OF("shop"), b, id_b ? str_from_c(id_b) : STR_NONE);
    return memcmp(&one, &two, sizeof one) == 0;
}

static void the_senders_id_says_which_score_is_meant(void **state)
{
    (void)state;
    struct score a = a_score(), b = a_score();
    b.name = STR_OF("other");
    b.has_trace_id = false;
    assert_true(same(&a, &b, "score-1", "score-1"));
    assert_false(same(&a, &a, "score-1", "score-2"));
    assert_false(same(&a, &a, "score-1", NULL));
    assert_true(same(&a, &a, "", NULL));
    struct id16 here = score_identity(STR_OF("shop"), &a, STR_OF("score-1"));
    struct id16 there = score_identity(STR_OF("bank"), &a, STR_OF("score-1"));
    assert_true(memcmp(&here, &there, sizeof here) != 0);
}

static void without_one_target_name_and_source_do(void **state)
{
    (void)state;
    struct score a = a_score(), b = a_score();
    b.value = 0.5;
    b.comment = STR_OF("on second thought");
    assert_true(same(&a, &b, NULL, NULL));
    b = a_score();
    b.name = STR_OF("correct");
    assert_false(same(&a, &b, NULL, NULL));
    b = a_score();
    b.source = SCORE_BY_HUMAN;
    assert_false(same(&a, &b, NULL, NULL));
    b = a_score();
    b.has_span_id = true;
    assert_false(same(&a, &b, NULL, NULL));
    b = a_score();
    b.trace_id.bytes[15] = 1;
    assert_false(same(&a, &b, NULL, NULL));
    b = a_score();
    b.session_id = STR_OF("s");
    assert_false(same(&a, &b, NULL, NULL));
    a.response_id = STR_OF("s");
    assert_false(same(&a, &b, NULL, NULL));
}

static void sources_have_names_and_those_of_others_are_known(void **state)
{
    (void)state;
    enum score_source source;
    for (int i = 0; i < SCORE_IS_DEPLOY; i++) {
        assert_true(score_source_of(score_source_name((enum score_source)i), &source));
        assert_int_equal(source, i);
    }
    assert_true(score_source_of(STR_OF("LLM"), &source));
    assert_int_equal(source, SCORE_BY_JUDGE);
    assert_true(score_source_of(STR_OF("ANNOTATION"), &source));
    assert_int_equal(source, SCORE_BY_HUMAN);
    assert_false(score_source_of(score_source_name(SCORE_IS_DEPLOY), &source)); /* no opinion */
    assert_false(score_source_of(STR_OF("oracle"), &source));
    assert_int_equal(source, SCORE_BY_API);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_senders_id_says_which_score_is_meant),
        cmocka_unit_test(without_one_target_name_and_source_do),
        cmocka_unit_test(sources_have_names_and_those_of_others_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
