/* test_str.c -- slices: comparing, finding, cutting, numbers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "base/str.h"
#include <math.h>

static void absent_and_empty_are_different_things(void **state)
{
    (void)state;
    assert_true(str_is_none(STR_NONE));
    assert_true(str_is_empty(STR_NONE));
    assert_false(str_is_none(STR_OF("")));
    assert_true(str_is_none(str_from_c(NULL)));
    assert_false(str_is_none(str_from_c("")));
    assert_true(str_equal(STR_NONE, STR_OF(""))); /* as texts they are equal */
}

static void a_prefix_sorts_before_the_longer_text(void **state)
{
    (void)state;
    static const char *const sorted[] = { "", "A", "a", "aa", "ab", "b", "\x80", "\xff" };
    for (size_t i = 0; i < COUNT_OF(sorted); i++)
        for (size_t k = 0; k < COUNT_OF(sorted); k++) {
            int order = str_cmp(str_from_c(sorted[i]), str_from_c(sorted[k]));
            assert_int_equal(order < 0, i < k);
            assert_int_equal(order > 0, i > k);
        }
    assert_int_equal(str_cmp(STR_NONE, STR_OF("")), 0);
}

static void case_is_folded_in_ascii_only(void **state)
{
    (void)state;
    assert_true(str_equal_nocase(STR_OF("Content-TYPE"), STR_OF("content-type")));
    assert_false(str_equal_nocase(STR_OF("@"), STR_OF("`")));
    assert_false(str_equal_nocase(STR_OF("["), STR_OF("{")));
    assert_false(str_equal_nocase(STR_OF("\xc3\x84"), STR_OF("\xc3\xa4")));
    assert_false(str_equal_nocase(STR_OF("a"), STR_OF("ab")));
}

static void parts_are_clamped_to_the_text(void **state)
{
    (void)state;
    str text = STR_OF("hello");
    assert_true(str_equal_c(str_from(text, 2), "llo"));
    assert_true(str_equal_c(str_from(text, 99), ""));
    assert_true(str_equal_c(str_sub(text, 1, 3), "ell"));
    assert_true(str_equal_c(str_sub(text, 3, SIZE_MAX), "lo"));
    assert_true(str_equal_c(str_sub(text, 9, 9), ""));
    assert_true(str_starts(text, STR_OF("")) && str_ends(text, STR_OF("")));
    assert_true(str_starts(text, STR_OF("hello")) && str_ends(text, STR_OF("hello")));
    assert_false(str_starts(text, STR_OF("hello!")));
    assert_false(str_ends(text, STR_OF("Xhello")));
}

static void finding_nothing_gives_the_length(void **state)
{
    (void)state;
    assert_int_equal(str_find(STR_OF("abcabc"), STR_OF("ca")), 2);
    assert_int_equal(str_find(STR_OF("abc"), STR_OF("abcd")), 3);
    assert_int_equal(str_find(STR_OF("abc"), STR_OF("")), 0);
    assert_int_equal(str_find(STR_NONE, STR_OF("x")), 0);
    assert_int_equal(str_find_char(STR_OF("abc"), 'c'), 2);
    assert_int_equal(str_find_char(STR_OF("abc"), 'x'), 3);
    assert_int_equal(str_find_char(STR_NONE, 'x'), 0);
}

static void white_space_is_trimmed_at_both_ends(void **state)
{
    (void)state;
    assert_true(str_equal_c(str_trim(STR_OF(" \t\r\n\v\fa b \n")), "a b"));
    assert_true(str_equal_c(str_trim(STR_OF("   ")), ""));
    assert_true(str_equal_c(str_trim(STR_OF("")), ""));
    assert_true(str_equal_c(str_trim(STR_OF("\xc2\xa0x")), "\xc2\xa0x"));
}

static void pieces_joined_are_the_text(struct dice *dice)
{
    for (int i = 0; i < 5000; i++) {
        char text[30], joined[64];
        size_t len = dice_roll(dice, sizeof text), used = 0, pieces = 0, commas = 0;
        for (size_t k = 0; k < len; k++) {
            text[k] = dice_roll(dice, 3) ? 'x' : ',';
            commas += text[k] == ',';
        }
        str rest = str_make(text, len), piece;
        while (str_next(&rest, ',', &piece)) {
            if (pieces++)
                joined[used++] = ',';
            memcpy(joined + used, piece.ptr, piece.len);
            used += piece.len;
        }
        assert_int_equal(pieces, commas + 1);
        assert_int_equal(used, len);
        assert_memory_equal(joined, text, len);
    }
}

static void pieces_between_separators_make_up_the_text(void **state)
{
    (void)state;
    str rest = STR_NONE, piece;
    assert_false(str_next(&rest, ',', &piece));
    dice_each_seed(pieces_joined_are_the_text);
}

static void whole_numbers_and_nothing_else(void **state)
{
    (void)state;
    int64_t number = 7;
    static const char *const bad[] = { "",
                                       "-",
                                       "+1",
                                       " 1",
                                       "1 ",
                                       "1.0",
                                       "0x1",
                                       "--1",
                                       "1e3",
                                       "9223372036854775808",
                                       "-9223372036854775809",
                                       "99999999999999999999999999" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(str_to_i64(str_from_c(bad[i]), &number));
    assert_int_equal(number, 7); /* written on success only */
    assert_true(str_to_i64(STR_OF("9223372036854775807"), &number));
    assert_int_equal(number, INT64_MAX);
    assert_true(str_to_i64(STR_OF("-9223372036854775808"), &number));
    assert_int_equal(number, INT64_MIN);
    assert_true(str_to_i64(STR_OF("-0"), &number));
    assert_int_equal(number, 0);
    uint64_t wide = 0;
    assert_true(str_to_u64(STR_OF("18446744073709551615"), &wide));
    assert_int_equal(wide, UINT64_MAX);
    assert_false(str_to_u64(STR_OF("18446744073709551616"), &wide));
    assert_false(str_to_u64(STR_OF("-1"), &wide));
}

static void decimal_numbers_and_nothing_else(void **state)
{
    (void)state;
    double number = 7;
    static const char *const bad[] = { "",    "-",    ".",      "e5",  "1e", "1.2.3", "inf",
                                       "nan", "0x10", "1e5000", " 1",  "1 ", "1,5",   "1_000",
                                       "+-1", "--1",  "NaN",    "1e-", "1f", "-1e999" };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (str_to_f64(str_from_c(bad[i]), &number))
            print_error("case %zu was read as %g\n", i, number);
        assert_false(str_to_f64(str_from_c(bad[i]), &number));
    }
    assert_true(number == 7);
    assert_true(str_to_f64(STR_OF("-1.5e3"), &number));
    assert_true(number == -1500);
    assert_true(str_to_f64(STR_OF("1e308"), &number));
    assert_true(isfinite(number));
    assert_true(str_to_f64(STR_OF("1e-400"), &number)); /* too small to tell from nothing */
    assert_true(number == 0);
}

static void a_number_may_be_long_but_not_endless(void **state)
{
    (void)state;
    enum { LONGEST = 400 };
    char text[LONGEST + 1];
    double number = 0;
    memset(text, '0', sizeof text);
    text[1] = '.';
    assert_true(str_to_f64(str_make(text, LONGEST), &number));
    assert_false(str_to_f64(str_make(text, LONGEST + 1), &number));
}

static void a_star_stands_for_any_bytes_and_the_whole_text_must_match(void **state)
{
    (void)state;
    static const struct {
        const char *text, *pattern;
        bool with_one, want;
    } rows[] = {
        { "gpt-4o-mini", "gpt-*", false, true },
        { "gpt-4o-mini", "*mini", false, true },
        { "gpt-4o-mini", "gpt", false, false },
        { "gpt-4o-mini", "g*4*m*i", false, true },
        { "gpt-4o-mini", "g*5*", false, false },
        { "", "*", false, true },
        { "", "", false, true },
        { "a", "", false, false },
        { "aab", "a*ab", false, true },
        { "ab", "a?", false, false },
        { "ab", "a?", true, true },
        { "a", "a?", true, false },
        { "a?", "a?", false, true },
        { "abc", "**c", false, true },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(str_matches_glob(str_from_c(rows[i].text), str_from_c(rows[i].pattern),
                                          rows[i].with_one),
                         rows[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_and_empty_are_different_things),
        cmocka_unit_test(a_prefix_sorts_before_the_longer_text),
        cmocka_unit_test(case_is_folded_in_ascii_only),
        cmocka_unit_test(parts_are_clamped_to_the_text),
        cmocka_unit_test(finding_nothing_gives_the_length),
        cmocka_unit_test(white_space_is_trimmed_at_both_ends),
        cmocka_unit_test(pieces_between_separators_make_up_the_text),
        cmocka_unit_test(whole_numbers_and_nothing_else),
        cmocka_unit_test(decimal_numbers_and_nothing_else),
        cmocka_unit_test(a_number_may_be_long_but_not_endless),
        cmocka_unit_test(a_star_stands_for_any_bytes_and_the_whole_text_must_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
