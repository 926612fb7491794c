/* test_buf.c -- the growing buffer: its maximum, its sticky error, its number formats.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/utf8.h"
#include <math.h>

static void the_maximum_fits_and_one_past_it_is_sticky(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 10);
    buf_add(&buf, "0123456789", 10);
    assert_false(buf_failed(&buf));
    assert_int_equal(buf.len, 10);
    buf_add_char(&buf, 'x');
    assert_true(buf_failed(&buf));
    assert_int_equal(buf.len, 10);
    buf_reset(&buf);
    assert_false(buf_failed(&buf));
    buf_add(&buf, "0123456789x", 11);
    assert_true(buf_failed(&buf));
    buf_add(&buf, "0", 1); /* it would fit, but the error sticks */
    assert_int_equal(buf.len, 0);
    buf_clear(&buf);
    assert_false(buf_failed(&buf));
    assert_int_equal(buf.max_bytes, 10);
}

static void nothing_fits_where_the_maximum_is_zero(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 0);
    buf_add(&buf, "", 0);
    assert_false(buf_failed(&buf));
    buf_add_char(&buf, 'x');
    assert_true(buf_failed(&buf));
    assert_int_equal(buf_str(&buf).len, 0);
    assert_non_null(buf_str(&buf).ptr);
    buf_clear(&buf);
}

static void an_absurd_reservation_fails_without_memory(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, MIB);
    buf_add_c(&buf, "abc");
    assert_null(buf_reserve(&buf, SIZE_MAX));
    assert_true(buf_failed(&buf));
    assert_true(buf.capacity < MIB);
    buf_clear(&buf);
}

static void a_reservation_has_room_for_what_was_asked(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 4 * MIB);
    for (size_t extra = 1; extra < MIB; extra = extra * 3 + 1) {
        char *room = buf_reserve(&buf, extra);
        assert_non_null(room);
        memset(room, 'a', extra);
        buf.len += extra;
        assert_true(buf.len <= buf.capacity && buf.capacity <= buf.max_bytes);
    }
    buf_clear(&buf);
}

static void a_reservation_of_nothing_is_no_failure(void **state)
{
    (void)state;
    struct buf buf;
    for (size_t max = 0; max < 2; max++) {
        buf_init(&buf, max);
        assert_non_null(buf_reserve(&buf, 0)); /* NULL means that it did not fit */
        assert_false(buf_failed(&buf));
        buf_clear(&buf);
    }
}

static void taken_bytes_belong_to_the_caller(void **state)
{
    (void)state;
    struct buf buf;
    size_t len = 99;
    buf_init(&buf, 100);
    buf_add_c(&buf, "mine");
    char *bytes = buf_take(&buf, &len);
    assert_int_equal(len, 4);
    assert_memory_equal(bytes, "mine", 4);
    assert_int_equal(buf.len, 0);
    assert_int_equal(buf.max_bytes, 100);
    buf_add_c(&buf, "again");
    assert_true(str_equal_c(buf_str(&buf), "again"));
    xfree(bytes);
    buf_clear(&buf);
}

static void assert_written(struct buf *buf, const char *expected)
{
    str text = buf_str(buf);
    if (!str_equal_c(text, expected))
        print_error("written: %.*s\n", STR_ARG(text));
    assert_true(str_equal_c(text, expected));
    buf_reset(buf);
}

static void integers_are_written_to_both_ends_of_their_range(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1000);
    buf_add_i64(&buf, 0);
    assert_written(&buf, "0");
    buf_add_i64(&buf, INT64_MIN);
    assert_written(&buf, "-9223372036854775808");
    buf_add_i64(&buf, INT64_MAX);
    assert_written(&buf, "9223372036854775807");
    buf_add_u64(&buf, UINT64_MAX);
    assert_written(&buf, "18446744073709551615");
    buf_clear(&buf);
}

static void integers_read_back(struct dice *dice)
{
    struct buf buf;
    buf_init(&buf, 100);
    for (int i = 0; i < 20000; i++) {
        int64_t number = dice_i64(dice), again = 0;
        uint64_t wide = (uint64_t)number, wide_again = 0;
        buf_reset(&buf);
        buf_add_i64(&buf, number);
        assert_true(str_to_i64(buf_str(&buf), &again));
        assert_int_equal(again, number);
        buf_reset(&buf);
        buf_add_u64(&buf, wide);
        assert_true(str_to_u64(buf_str(&buf), &wide_again));
        assert_int_equal(wide_again, wide);
    }
    buf_clear(&buf);
}

static void every_integer_reads_back_the_same(void **state)
{
    (void)state;
    dice_each_seed(integers_read_back);
}

static void doubles_are_short_and_never_nan(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = { { 0.1, "0.1" },
                  { 0, "0" },
                  { -2.5, "-2.5" },
                  { 1e21, "1e+21" },
                  { 1.0 / 3, "0.3333333333333333" },
                  { 123456789, "123456789" },
                  { (double)NAN, "null" },
                  { (double)INFINITY, "null" },
                  { -(double)INFINITY, "null" } };
    struct buf buf;
    buf_init(&buf, 100);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buf_add_f64(&buf, cases[i].value);
        assert_written(&buf, cases[i].text);
    }
    buf_clear(&buf);
}

static void doubles_read_back(struct dice *dice)
{
    struct buf buf;
    buf_init(&buf, 100);
    for (int i = 0; i < 50000; i++) {
        uint64_t bits = dice_u64(dice);
        double number, again = 0;
        memcpy(&number, &bits, sizeof number);
        if (!isfinite(number))
            continue;
        buf_reset(&buf);
        buf_add_f64(&buf, number);
        assert_true(buf.len <= 24);
        assert_true(str_to_f64(buf_str(&buf), &again));
        assert_memory_equal(&again, &number, sizeof number);
    }
    buf_clear(&buf);
}

static void every_finite_double_reads_back_the_same(void **state)
{
    (void)state;
    dice_each_seed(doubles_read_back);
}

/* shows: A63 */
static void money_is_exact_to_the_nano_dollar(void **state)
{
    (void)state;
    static const struct {
        int64_t nanousd;
        const char *text;
    } cases[] = { { 0, "0" },
                  { 1, "0.000000001" },
                  { 1500000, "0.0015" },
                  { 999999999, "0.999999999" },
                  { 1000000000, "1" },
                  { -1, "-0.000000001" },
                  { -2500000000, "-2.5" },
                  { INT64_MAX, "9223372036.854775807" },
                  { INT64_MIN, "-9223372036.854775808" } };
    struct buf buf;
    buf_init(&buf, 100);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buf_add_nanousd(&buf, cases[i].nanousd);
        assert_written(&buf, cases[i].text);
    }
    buf_clear(&buf);
}

/* Read by another way: digits before and after the point, as integers. */
static int64_t nanousd_of(str text)
{
    bool negative = text.ptr[0] == '-';
    str whole, rest = str_from(text, negative);
    uint64_t dollars = 0, nano = 0;
    assert_true(str_next(&rest, '.', &whole));
    assert_true(str_to_u64(whole, &dollars));
    if (!str_is_none(rest)) {
        assert_in_range(rest.len, 1, 9);
        assert_int_not_equal(rest.ptr[rest.len - 1], '0');
        assert_true(str_to_u64(rest, &nano));
        for (size_t i = rest.len; i < 9; i++)
            nano *= 10;
    }
    uint64_t total = dollars * 1000000000u + nano;
    return (int64_t)(negative ? 0 - total : total);
}

static void money_reads_back(struct dice *dice)
{
    struct buf buf;
    buf_init(&buf, 100);
    for (int i = 0; i < 20000; i++) {
        int64_t number = dice_i64(dice);
        buf_reset(&buf);
        buf_add_nanousd(&buf, number);
        assert_int_equal(nanousd_of(buf_str(&buf)), number);
    }
    buf_clear(&buf);
}

static void every_sum_of_money_reads_back_the_same(void **state)
{
    (void)state;
    dice_each_seed(money_reads_back);
}

static void json_texts_escape_what_json_forbids(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1000);
    buf_add_json_str(&buf, STR_OF(""));
    assert_written(&buf, "\"\"");
    buf_add_json_str(&buf, STR_OF("a\"b\\c\n\r\t\x01\x1f\x7f/"));
    assert_written(&buf, "\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u001f\x7f/\"");
    buf_add_json_str(&buf, str_make("a\0b", 3));
    assert_written(&buf, "\"a\\u0000b\"");
    buf_add_json_str(&buf, STR_OF("\xc3\xa9\xf0\x9f\x98\x80"));
    assert_written(&buf, "\"\xc3\xa9\xf0\x9f\x98\x80\"");
    buf_add_json_str(&buf, STR_OF("x\xffy"));
    assert_written(&buf, "\"x\xef\xbf\xbdy\"");
    buf_clear(&buf);
}

/* What is written for broken UTF-8 is what utf8_repair() would have made of it. */
static void json_repairs_alike(struct dice *dice)
{
    static const char bytes[] =
        "a\"\\\n\x80\xbf\xc3\xa9\xe2\x82\xac\xed\xa0\xf0\x9f\x98\xf4\x90\xff";
    struct arena arena;
    struct buf direct, repaired;
    arena_init(&arena, MIB);
    buf_init(&direct, KIB);
    buf_init(&repaired, KIB);
    for (int i = 0; i < 50000; i++) {
        char text[24];
        size_t len = dice_roll(dice, sizeof text);
        for (size_t k = 0; k < len; k++)
            text[k] = bytes[dice_roll(dice, sizeof bytes - 1)];
        arena_reset(&arena);
        buf_reset(&direct);
        buf_reset(&repaired);
        buf_add_json_str(&direct, str_make(text, len));
        buf_add_json_str(&repaired, utf8_repair(&arena, str_make(text, len)));
        assert_true(utf8_is_valid(buf_str(&direct)));
        assert_true(str_equal(buf_str(&direct), buf_str(&repaired)));
    }
    buf_clear(&direct);
    buf_clear(&repaired);
    arena_clear(&arena);
}

static void json_texts_are_valid_utf8_whatever_came(void **state)
{
    (void)state;
    dice_each_seed(json_repairs_alike);
}

static void printf_at_the_maximum(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 6); /* printf wants a byte for its NUL */
    buf_printf(&buf, "%d", 12345);
    assert_written(&buf, "12345");
    buf_printf(&buf, "%d", 123456);
    assert_true(buf_failed(&buf));
    buf_clear(&buf);
}

static void hex_is_lower_case(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 8);
    buf_add_hex(&buf, "\x00\xAB\xff\x10", 4);
    assert_written(&buf, "00abff10");
    buf_add_hex(&buf, "12345", 5);
    assert_true(buf_failed(&buf));
    assert_int_equal(buf.len, 0);
    buf_clear(&buf);
}

/* The short way that most numbers take writes what printf would. */
static void decimals_are_written_as_printf_writes_them(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 64);
    for (int64_t i = -30000; i <= 30000; i++) {
        static const double divisors[] = { 1, 10, 100, 1000, 10000, 3, 100000, 1e-9 };
        for (size_t k = 0; k < COUNT_OF(divisors); k++) {
            double number = (double)i / divisors[k];
            char text[40];
            snprintf(text, sizeof text, "%.15g", number);
            if (strtod(text, NULL) != number)
                continue;
            buf_reset(&buf);
            buf_add_f64(&buf, number);
            buf_add_char(&buf, 0);
            assert_string_equal(buf.ptr, text);
        }
    }
    buf_clear(&buf);
}

/* Texts are looked at eight bytes at a time: an odd byte is found wherever it stands. */
static void json_texts_escape_at_every_place(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 256);
    for (size_t len = 1; len <= 20; len++) {
        for (size_t at = 0; at < len; at++) {
            for (int byte = 0; byte < 256; byte++) {
                char text[20];
                memset(text, 0x7e, sizeof text);
                text[at] = (char)byte;
                buf_reset(&buf);
                buf_add_json_str(&buf, str_make(text, len));
                bool is_plain = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
                assert_int_equal(buf.len == len + 2, is_plain);
                assert_memory_equal(buf.ptr + 1, text, at);
                assert_int_equal(utf8_is_valid(str_make(text, len)), byte < 0x80);
            }
        }
    }
    buf_clear(&buf);
}

/* Behind an escape, too, and beside letters of more than one byte. */
static void json_texts_with_two_escapes_are_those_of_the_reference(void **state)
{
    (void)state;
    struct buf buf, expected;
    buf_init(&buf, 1000);
    buf_init(&expected, 1000);
    for (unsigned byte = 0; byte < 0x80; byte++) {
        for (size_t at = 3; at < 30; at++) {
            char text[32] = "\n\xc3\xa9"; /* an escape, a letter */
            memset(text + 3, at % 2 ? 'x' : '~', sizeof text - 3);
            text[at] = (char)byte;
            buf_reset(&expected);
            buf_add_c(&expected, "\"\\n\xc3\xa9");
            for (size_t i = 3; i < sizeof text; i++) {
                bool is_quoted = text[i] == '"' || text[i] == '\\';
                if (i != at || (byte >= 0x20 && !is_quoted))
                    buf_add_char(&expected, text[i]);
                else if (is_quoted)
                    buf_printf(&expected, "\\%c", text[i]);
                else if (byte == '\n' || byte == '\r' || byte == '\t')
                    buf_printf(&expected, "\\%c", byte == '\n' ? 'n' : byte == '\r' ? 'r' : 't');
                else
                    buf_printf(&expected, "\\u%04x", byte);
            }
            buf_add_char(&expected, '"');
            buf_reset(&buf);
            buf_add_json_str(&buf, str_make(text, sizeof text));
            assert_true(str_equal(buf_str(&buf), buf_str(&expected)));
        }
    }
    buf_clear(&buf);
    buf_clear(&expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_maximum_fits_and_one_past_it_is_sticky),
        cmocka_unit_test(nothing_fits_where_the_maximum_is_zero),
        cmocka_unit_test(an_absurd_reservation_fails_without_memory),
        cmocka_unit_test(a_reservation_has_room_for_what_was_asked),
        cmocka_unit_test(a_reservation_of_nothing_is_no_failure),
        cmocka_unit_test(taken_bytes_belong_to_the_caller),
        cmocka_unit_test(integers_are_written_to_both_ends_of_their_range),
        cmocka_unit_test(every_integer_reads_back_the_same),
        cmocka_unit_test(doubles_are_short_and_never_nan),
        cmocka_unit_test(every_finite_double_reads_back_the_same),
        cmocka_unit_test(money_is_exact_to_the_nano_dollar),
        cmocka_unit_test(every_sum_of_money_reads_back_the_same),
        cmocka_unit_test(json_texts_escape_what_json_forbids),
        cmocka_unit_test(json_texts_are_valid_utf8_whatever_came),
        cmocka_unit_test(decimals_are_written_as_printf_writes_them),
        cmocka_unit_test(json_texts_escape_at_every_place),
        cmocka_unit_test(json_texts_with_two_escapes_are_those_of_the_reference),
        cmocka_unit_test(printf_at_the_maximum),
        cmocka_unit_test(hex_is_lower_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
