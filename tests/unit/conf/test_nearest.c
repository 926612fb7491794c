/* test_nearest.c -- suggestions are near, or none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* before base/check.h, which redefines assert */
#include <cmocka.h>

#include "conf/nearest.h"

static size_t distance(const char *a, const char *b)
{
    return nearest_distance(str_from_c(a), str_from_c(b), 20);
}

static void edits_are_counted(void **state)
{
    (void)state;
    assert_int_equal(distance("", ""), 0);
    assert_int_equal(distance("abc", "abc"), 0);
    assert_int_equal(distance("ABC", "abc"), 0);
    assert_int_equal(distance("", "abc"), 3);
    assert_int_equal(distance("abc", ""), 3);
    assert_int_equal(distance("abc", "abd"), 1);
    assert_int_equal(distance("abc", "abcd"), 1);
    assert_int_equal(distance("abcd", "abc"), 1);
    assert_int_equal(distance("form", "from"), 1); /* a swap */
    assert_int_equal(distance("kitten", "sitting"), 3);
}

static void a_distance_past_the_limit_is_the_limit_and_one(void **state)
{
    (void)state;
    assert_int_equal(nearest_distance(STR_OF("kitten"), STR_OF("sitting"), 3), 3);
    assert_int_equal(nearest_distance(STR_OF("kitten"), STR_OF("sitting"), 2), 3);
    char text[NEAREST_TEXT_MAX + 1];
    memset(text, 'a', sizeof text);
    str at = str_make(text, NEAREST_TEXT_MAX), past = str_make(text, NEAREST_TEXT_MAX + 1);
    assert_int_equal(nearest_distance(at, at, 5), 0);
    assert_int_equal(nearest_distance(past, past, 5), 6);
}

static str suggest(const char *word)
{
    struct nearest nearest;
    nearest_init(&nearest, str_from_c(word));
    nearest_consider(&nearest, STR_OF("timeout_ms"));
    nearest_consider(&nearest, STR_OF("listen"));
    nearest_consider(&nearest, STR_OF("retention"));
    return nearest_best(&nearest);
}

static void the_nearest_is_suggested_and_nothing_far_is(void **state)
{
    (void)state;
    assert_true(str_equal_c(suggest("timeuot_ms"), "timeout_ms"));
    assert_true(str_equal_c(suggest("listne"), "listen"));
    assert_true(str_equal_c(suggest("Retention"), "retention"));
    assert_true(str_is_none(suggest("password")));
    assert_true(str_is_none(suggest("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edits_are_counted),
        cmocka_unit_test(a_distance_past_the_limit_is_the_limit_and_one),
        cmocka_unit_test(the_nearest_is_suggested_and_nothing_far_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
