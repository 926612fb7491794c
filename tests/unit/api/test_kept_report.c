/* test_kept_report.c -- answers that took long are given again for a while.
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
#include "api/kept_report.c"
#include <stdio.h>

static struct kept_reports kept;

static int done(void **state)
{
    (void)state;
    kept_reports_clear(&kept);
    return 0;
}

static bool has(const char *key, int64_t now_ns)
{
    str found = kept_report_find(&kept, str_from_c(key), now_ns);
    return str_equal_c(found, "answer");
}

static void put(const char *key, int64_t took_ns, int64_t now_ns)
{
    kept_report_put(&kept, str_from_c(key), STR_OF("answer"), took_ns, now_ns);
}

static void a_slow_answer_is_kept_twenty_times_as_long_and_a_quick_one_not(void **state)
{
    (void)state;
    put("quick", KEPT_REPORT_SLOW_NS - 1, 0);
    put("slow", KEPT_REPORT_SLOW_NS, 0);
    assert_false(has("quick", 0));
    assert_true(has("slow", 20 * KEPT_REPORT_SLOW_NS - 1));
    assert_false(has("slow", 20 * KEPT_REPORT_SLOW_NS));
    assert_false(has("slower", 0));
}

static void no_answer_is_kept_longer_than_the_limit(void **state)
{
    (void)state;
    put("a", 60 * NS_PER_S, 0);
    assert_true(has("a", KEPT_REPORT_NS_MAX - 1));
    assert_false(has("a", KEPT_REPORT_NS_MAX));
}

static void an_answer_past_the_limit_of_bytes_is_not_kept(void **state)
{
    (void)state;
    char *large = xcalloc(1, KEPT_REPORT_BYTES_MAX + 1);
    str at = str_make(large, KEPT_REPORT_BYTES_MAX);
    kept_report_put(&kept, STR_OF("at"), at, NS_PER_S, 0);
    kept_report_put(&kept, STR_OF("past"), str_make(large, KEPT_REPORT_BYTES_MAX + 1), NS_PER_S, 0);
    assert_int_equal(kept_report_find(&kept, STR_OF("at"), 1).len, KEPT_REPORT_BYTES_MAX);
    assert_true(str_is_none(kept_report_find(&kept, STR_OF("past"), 1)));
    xfree(large);
}

static void the_one_that_ends_first_makes_room_and_the_same_key_replaces(void **state)
{
    (void)state;
    char key[8];
    for (int i = 0; i < KEPT_REPORTS; i++) {
        snprintf(key, sizeof key, "k%d", i);
        put(key, NS_PER_S, i == 5 ? 0 : i + 1);
    }
    put("k7", NS_PER_S, 100);
    assert_true(has("k5", 1));
    put("one more", NS_PER_S, 100);
    assert_false(has("k5", 1));
    assert_true(has("k4", 1) && has("k7", 1) && has("one more", 1));
}

#define TEST(name) cmocka_unit_test_teardown(name, done)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_slow_answer_is_kept_twenty_times_as_long_and_a_quick_one_not),
        TEST(no_answer_is_kept_longer_than_the_limit),
        TEST(an_answer_past_the_limit_of_bytes_is_not_kept),
        TEST(the_one_that_ends_first_makes_room_and_the_same_key_replaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
