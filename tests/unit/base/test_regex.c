/* test_regex.c -- regular expressions: what they find, what they refuse, and in what time.
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
#include "base/buf.h"
#include "base/regex.h"

static bool finds(const char *pattern, const char *text)
{
    struct arena arena;
    const struct regex *regex;
    struct diag why = DIAG_NONE;
    arena_init(&arena, MIB);
    if (regex_compile(&arena, str_from_c(pattern), &regex, &why) != ERR_OK)
        fail_msg("%s: %s at %zu", pattern, why.text, why.offset);
    bool found = regex_matches(regex, str_from_c(text));
    arena_clear(&arena);
    return found;
}

static void it_finds_what_the_notation_says(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *yes, *no;
    } cases[] = {
        { "b", "abc", "ac" },
        { "^ab$", "ab", "xab" },
        { "a.c", "abc", "a\nc" },
        { "a*b", "b", "a" },
        { "^a+$", "aaa", "" },
        { "^a?b$", "b", "aab" },
        { "^a{2}$", "aa", "aaa" },
        { "^a{2,}$", "aaaa", "a" },
        { "^a{1,2}$", "a", "aaa" },
        { "^(ab|c)+$", "abcab", "abca" },
        { "^(?:ab){2}$", "abab", "ab" },
        { "[a-cx]", "x", "d" },
        { "[^a-c]", "abcd", "abc" },
        { "[]a]", "]", "b" },
        { "[a-]", "-", "b" },
        { "[\\d_]", "a7", "a" },
        { "\\d\\s\\w", "x1 yz", "1-y" },
        { "\\D", "a", "12" },
        { "\\bcat\\b", "a cat.", "concat" },
        { "\\Bcat", "concat", "cat" },
        { "a\\.b", "a.b", "axb" },
        { "a\\/b", "a/b", "a\\b" },
        { "(?i)\xc3\xa9T", "\xc3\xa9t", "\xc3\x89t" }, /* case of ASCII only */
        { "(?i)[k-m]", "L", "n" },
        { "^.$", "\xe2\x82\xac", "\xe2\x82\xac!" }, /* a character, not a byte */
        { "[\xc3\xa0-\xc3\xbf]", "\xc3\xa9", "e" },
        { "a||b", "", "" },
        { "^(a*)*$", "aaa", "b" },
        { "a+?b", "aab", "b" },
        { "^$", "", "x" },
        { "\\t\\n", "\t\n", "tn" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (!finds(cases[i].pattern, cases[i].yes))
            fail_msg("%s does not find %s", cases[i].pattern, cases[i].yes);
        if (strcmp(cases[i].pattern, "a||b") != 0 && finds(cases[i].pattern, cases[i].no))
            fail_msg("%s finds %s", cases[i].pattern, cases[i].no);
    }
}

static void a_byte_that_is_no_utf8_is_one_character(void **state)
{
    (void)state;
    assert_true(finds("^a.b$", "a\xff"
                               "b"));
    assert_true(finds("\xef\xbf\xbd", "a\xff"));
}

static void errors_point_at_the_character(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        size_t offset;
    } cases[] = {
        { "a(b", 1 },     { "ab)", 2 },   { "x[a", 1 },       { "*a", 0 },
        { "a**", 2 },     { "a{2", 1 },   { "a{3,2}", 1 },    { "a{1001}", 1 },
        { "(?<n>a)", 0 }, { "(?!a)", 0 }, { "a\\1", 1 },      { "\\q", 0 },
        { "a\\", 1 },     { "[z-a]", 1 }, { "[\\d-z]x[", 7 }, { "[[:word:]]", 1 },
        { "\\pL", 0 },    { "(?m)a", 0 }, { "a{,3}", 1 },
    };
    struct arena arena;
    arena_init(&arena, MIB);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct regex *regex;
        struct diag why = DIAG_NONE;
        enum err code = regex_compile(&arena, str_from_c(cases[i].pattern), &regex, &why);
        if (code != ERR_BAD_INPUT || why.offset != cases[i].offset)
            fail_msg("%s: %s at %zu", cases[i].pattern, err_name(code), why.offset);
    }
    arena_clear(&arena);
}

static enum err compile_repeated(size_t count, const char *piece, const char *end)
{
    struct arena arena;
    struct buf text;
    const struct regex *regex;
    arena_init(&arena, 16 * MIB);
    buf_init(&text, MIB);
    for (size_t i = 0; i < count; i++)
        buf_add_c(&text, piece);
    for (size_t i = 0; i < (*end ? count : 0); i++)
        buf_add_c(&text, end);
    enum err code = regex_compile(&arena, buf_str(&text), &regex, NULL);
    buf_clear(&text);
    arena_clear(&arena);
    return code;
}

static void limits_hold_at_and_past(void **state)
{
    (void)state;
    assert_int_equal(compile_repeated(REGEX_STEPS_MAX, "a", ""), ERR_OK);
    assert_int_equal(compile_repeated(REGEX_STEPS_MAX + 1, "a", ""), ERR_LIMIT);
    assert_int_equal(compile_repeated(REGEX_DEPTH_MAX, "(", ")"), ERR_OK);
    assert_int_equal(compile_repeated(REGEX_DEPTH_MAX + 1, "(", ")"), ERR_LIMIT);
    assert_int_equal(compile_repeated(1, "(?:){1000}", ""), ERR_OK);
    assert_int_equal(compile_repeated(1, "((?:){100}){11}", ""), ERR_LIMIT);
}

static void a_spent_arena_is_an_error(void **state)
{
    (void)state;
    for (size_t budget = 0; budget < 4096; budget += 64) {
        struct arena arena;
        const struct regex *regex;
        arena_init(&arena, budget);
        assert_int_equal(regex_compile(&arena, STR_OF("(a|[b-d])*x{2,3}"), &regex, NULL),
                         ERR_LIMIT);
        arena_clear(&arena);
    }
}

/* With backtracking this would not end. */
static void nothing_is_slow(void **state)
{
    (void)state;
    char text[4097];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_false(finds("(a*)*b", text));
    assert_false(finds("(a|aa)+$b", text));
    assert_false(finds("(x+x+)+y", text));
}

static void the_portable_form_has_no_text_of_the_pattern(void **state)
{
    (void)state;
    struct arena arena;
    const struct regex *regex;
    arena_init(&arena, MIB);
    assert_int_equal(regex_compile(&arena, STR_OF("(?i)'; a|^[b-d]{2,}\\w$"), &regex, NULL),
                     ERR_OK);
    assert_string_equal(regex_portable(regex),
                        "(?:(?:\\x{27}\\x{3B}\\x{20}[\\x{41}\\x{61}])|(?:\\A(?:[\\x{42}-\\x{44}\\x{"
                        "62}-\\x{64}]){2,}"
                        "[\\x{30}-\\x{39}\\x{41}-\\x{5A}\\x{5F}\\x{61}-\\x{7A}]\\z))");
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_finds_what_the_notation_says),
        cmocka_unit_test(a_byte_that_is_no_utf8_is_one_character),
        cmocka_unit_test(errors_point_at_the_character),
        cmocka_unit_test(limits_hold_at_and_past),
        cmocka_unit_test(a_spent_arena_is_an_error),
        cmocka_unit_test(nothing_is_slow),
        cmocka_unit_test(the_portable_form_has_no_text_of_the_pattern),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
