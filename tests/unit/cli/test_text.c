/* test_text.c -- texts for a terminal: nothing moves the cursor, everything lines up.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"
/* after cmocka */
#include "base/utf8.h"
#include "cli/cli_int.h"
#include <locale.h>
#include <math.h>

static const struct cli_screen plain = { .is_tty = true }, colours = { true, true, 80 };

/* Widths of characters come from the locale, as cli_run sets it. */
static int setup(void **state)
{
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    assert_true(utf8 != (locale_t)0);
    *state = utf8;
    uselocale(utf8);
    return 0;
}

static int teardown(void **state)
{
    uselocale(LC_GLOBAL_LOCALE);
    freelocale(*state);
    return 0;
}

static void check(struct buf *out, const char *expected)
{
    buf_add_char(out, '\0');
    assert_string_equal(out->ptr, expected);
    buf_clear(out);
}

static void check_clean(const char *text, enum cli_lines lines, const char *expected)
{
    struct buf out;
    buf_init(&out, MIB);
    cli_clean(&out, str_from_c(text), lines);
    check(&out, expected);
}

static void controls_become_pictures(void **state)
{
    (void)state;
    check_clean("a\033[2Jb", CLI_ONE_LINE, "a\xE2\x90\x9B[2Jb");
    check_clean("bell\a del\x7F", CLI_ONE_LINE, "bell\xE2\x90\x87 del\xE2\x90\xA1");
    check_clean("one\r\ntwo\tthree", CLI_ONE_LINE, "one two three");
    check_clean("one\r\ntwo\tthree", CLI_MANY_LINES, "one\ntwo    three");
    check_clean("grüße 日本", CLI_ONE_LINE, "grüße 日本");
}

static void deceptive_and_invalid_bytes_are_replaced(void **state)
{
    (void)state;
    static const char *const deceptive[] = {
        "\xC2\x9B", "\xE2\x80\xAE", "\xE2\x81\xA6", "\xEF\xBB\xBF", "\xE2\x80\xA8", "\xFF", "\xC3",
    };
    for (size_t i = 0; i < COUNT_OF(deceptive); i++)
        check_clean(deceptive[i], CLI_MANY_LINES, "\xEF\xBF\xBD");
}

static bool is_harmless(str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c == 0x7F || (c == 0xC2 && (unsigned char)text.ptr[i + 1] < 0xA0))
            return false;
    }
    return utf8_valid_prefix(text) == text.len;
}

static void any_bytes_become_harmless_and_stay_as_they_are(void **state)
{
    (void)state;
    struct dice dice = { 7 };
    for (int round = 0; round < 3000; round++) {
        char bytes[64];
        struct buf once, twice, cut;
        size_t len = dice_roll(&dice, sizeof bytes);
        dice_fill(&dice, bytes, len);
        buf_init(&once, MIB);
        buf_init(&twice, MIB);
        buf_init(&cut, MIB);
        cli_clean(&once, str_make(bytes, len), CLI_ONE_LINE);
        cli_clean(&twice, buf_str(&once), CLI_ONE_LINE);
        assert_true(is_harmless(buf_str(&once)));
        assert_true(str_equal(buf_str(&once), buf_str(&twice)));
        uint32_t columns = dice_roll(&dice, 40);
        cli_add_cut(&cut, buf_str(&once), columns);
        assert_true(cli_columns(buf_str(&cut)) <= columns);
        assert_true(is_harmless(buf_str(&cut)));
        buf_clear(&once);
        buf_clear(&twice);
        buf_clear(&cut);
    }
}

static void wide_characters_take_two_columns_and_marks_none(void **state)
{
    (void)state;
    assert_int_equal(cli_columns(STR_OF("abc")), 3);
    assert_int_equal(cli_columns(STR_OF("日本")), 4);
    assert_int_equal(cli_columns(STR_OF("e\xCC\x81")), 1);
}

static void a_cut_text_ends_with_an_ellipsis_and_fills_its_columns(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t columns;
        const char *expected;
    } cases[] = {
        { "abcdef", 6, "abcdef" }, { "abcdef", 5, "abcd…" }, { "abcdef", 1, "…" },
        { "日本語", 5, "日本…" },  { "日本語", 4, "日… " },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf out;
        buf_init(&out, KIB);
        cli_add_cut(&out, str_from_c(cases[i].text), cases[i].columns);
        check(&out, cases[i].expected);
    }
}

static void colour_is_for_screens_that_have_it(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, KIB);
    cli_paint(&out, &plain, CLI_RED, STR_OF("a"));
    cli_paint(&out, &colours, CLI_RED, STR_OF("b"));
    cli_paint(&out, &colours, CLI_RED, STR_OF(""));
    cli_paint(&out, &colours, CLI_PLAIN, STR_OF("c"));
    check(&out, "a\033[31mb\033[0mc");
}

static void bars_are_exact_to_an_eighth_and_never_empty_for_something(void **state)
{
    (void)state;
    static const struct {
        double share;
        const char *expected;
    } cases[] = {
        { 0, "    " },    { 1, "████" }, { 0.5, "██  " }, { 0.53125, "██▏ " },
        { 1e-9, "▏   " }, { 7, "████" }, { -1, "    " },  { (double)NAN, "    " },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf out;
        buf_init(&out, KIB);
        cli_add_bar(&out, cases[i].share, 4);
        check(&out, cases[i].expected);
    }
}

static void a_sparkline_is_as_high_as_its_largest_value(void **state)
{
    static const double values[] = { 0, 1, 4, 8, (double)NAN, -1, 1e-9 };
    struct buf out;
    (void)state;
    buf_init(&out, KIB);
    cli_add_spark(&out, values, COUNT_OF(values));
    check(&out, " ▁▄█  ▁");
    cli_add_spark(&out, values, 1);
    check(&out, " ");
}

static void check_str(str text, const char *expected)
{
    char copy[64];
    snprintf(copy, sizeof copy, "%.*s", STR_ARG(text));
    assert_string_equal(copy, expected);
}

/* shows: A63 G4 */
static void numbers_are_short_and_unknown_is_never_zero(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, MIB);
    struct value v;
    check_str(cli_human_ms(&arena, NULL), "–");
    check_str(cli_human_usd(&arena, NULL), "–");
    check_str(cli_human_count(&arena, NULL), "–");
#define MS(number, text) check_str((v = value_f64(number), cli_human_ms(&arena, &v)), text)
#define USD(number, text) check_str((v = value_f64(number), cli_human_usd(&arena, &v)), text)
#define COUNT(number, text) check_str((v = value_f64(number), cli_human_count(&arena, &v)), text)
    MS(0, "0 µs");
    MS(0.033, "33 µs");
    MS(9.94, "9.9 ms");
    MS(999.4, "999 ms");
    MS(999.6, "1.0 s");
    MS(59949, "59.9 s");
    MS(59950, "1 m 00 s");
    MS(3600000, "1 h 00 m");
    MS(90000000, "1 d 1 h");
    USD(0, "$0");
    USD(0.0000001, "<$0.000001");
    USD(0.000467, "$0.000467");
    USD(0.9999999, "$1.0000");
    USD(12.5, "$12.5000");
    USD(1234.5, "$1234.50");
    USD(-0.5, "-$0.500000");
    COUNT(999, "999");
    COUNT(1842, "1.8k");
    COUNT(999949, "999.9k");
    COUNT(999951, "1.0M");
    check_str(cli_human_bytes(&arena, 1023), "1023 B");
    check_str(cli_human_bytes(&arena, 1024), "1.0 KiB");
    check_str(cli_human_bytes(&arena, 1024.0 * 1024 * 1024 * 1.5), "1.5 GiB");
    arena_clear(&arena);
}

static void a_table_gives_way_in_its_flexible_columns_only(void **state)
{
    (void)state;
    static const struct cli_column columns[] = { { "ID", false, false },
                                                 { "NAME", false, true },
                                                 { "COST", true, false } };
    struct arena arena;
    struct cli_table table;
    struct buf out;
    arena_init(&arena, MIB);
    buf_init(&out, MIB);
    cli_table_init(&table, &arena, columns, COUNT_OF(columns));
    cli_table_add(&table, STR_OF("12345678"), CLI_PLAIN);
    cli_table_add(&table, STR_OF("a long name of\nsome thing"), CLI_PLAIN);
    cli_table_add(&table, STR_OF("$1"), CLI_PLAIN);
    struct cli_screen narrow = { .width = 26 };
    cli_table_print(&table, &narrow, &out);
    check(&out, "ID        NAME        COST\n"
                "12345678  a long na…    $1\n");
    buf_init(&out, MIB);
    cli_table_print(&table, &(struct cli_screen){ 0 }, &out);
    check(&out, "ID        NAME                       COST\n"
                "12345678  a long name of some thing    $1\n");
    cli_table_clear(&table);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sparkline_is_as_high_as_its_largest_value),
        cmocka_unit_test(controls_become_pictures),
        cmocka_unit_test(deceptive_and_invalid_bytes_are_replaced),
        cmocka_unit_test(any_bytes_become_harmless_and_stay_as_they_are),
        cmocka_unit_test(wide_characters_take_two_columns_and_marks_none),
        cmocka_unit_test(a_cut_text_ends_with_an_ellipsis_and_fills_its_columns),
        cmocka_unit_test(colour_is_for_screens_that_have_it),
        cmocka_unit_test(bars_are_exact_to_an_eighth_and_never_empty_for_something),
        cmocka_unit_test(numbers_are_short_and_unknown_is_never_zero),
        cmocka_unit_test(a_table_gives_way_in_its_flexible_columns_only),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
