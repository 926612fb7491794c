/* test_msgpack.c -- each type of MessagePack, and what is none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/check.h"
#include "wire/msgpack.h"

#define BYTES(text) str_make("" text, sizeof(text) - 1)

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, MIB);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

/* The JSON of the one value in `input`, or the error. */
static const char *read_one(str input, uint32_t depth_max)
{
    static char text[4096];
    struct msgpack msgpack;
    struct msgpack_item item;
    struct value value;
    struct diag why = DIAG_NONE;
    struct buf out;
    msgpack_init(&msgpack, input);
    msgpack_next(&msgpack, &item);
    if (!msgpack_value(&msgpack, &arena, &item, depth_max, &value)) {
        assert_int_not_equal(msgpack_error(&msgpack, &why), ERR_OK);
        snprintf(text, sizeof text, "%s", why.text);
        return text;
    }
    assert_ptr_equal(msgpack.at, msgpack.end);
    assert_int_equal(msgpack_next(&msgpack, &item), MSGPACK_END);
    buf_init(&out, sizeof text);
    value_to_json(&out, &value);
    snprintf(text, sizeof text, "%.*s", STR_ARG(buf_str(&out)));
    buf_clear(&out);
    return text;
}

static void each_type_is_read_in_each_of_its_widths(void **state)
{
    (void)state;
    static const struct {
        str bytes;
        const char *json;
    } rows[] = {
        { STR("\xc0"), "null" },
        { STR("\xc2"), "false" },
        { STR("\xc3"), "true" },
        { STR("\x7f"), "127" },
        { STR("\xff"), "-1" },
        { STR("\xe0"), "-32" },
        { STR("\xcc\xff"), "255" },
        { STR("\xcd\x01\x00"), "256" },
        { STR("\xce\xff\xff\xff\xff"), "4294967295" },
        { STR("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"), "9223372036854775807" },
        { STR("\xd0\x80"), "-128" },
        { STR("\xd0\x7f"), "127" },
        { STR("\xd1\xff\x00"), "-256" },
        { STR("\xd2\x80\x00\x00\x00"), "-2147483648" },
        { STR("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), "-9223372036854775808" },
        { STR("\xca\x3f\xc0\x00\x00"), "1.5" },
        { STR("\xcb\xc0\x02\x00\x00\x00\x00\x00\x00"), "-2.25" },
        { STR("\xa2hi"), "\"hi\"" },
        { STR("\xd9\x02hi"), "\"hi\"" },
        { STR("\xda\x00\x02hi"), "\"hi\"" },
        { STR("\xdb\x00\x00\x00\x02hi"), "\"hi\"" },
        { STR("\xc4\x01\x00"), "\"AA==\"" },
        { STR("\xc5\x00\x01\x00"), "\"AA==\"" },
        { STR("\xc6\x00\x00\x00\x01\x00"), "\"AA==\"" },
        { STR("\xd4\x01\x00"), "\"AQA=\"" },
        { STR("\xc7\x01\x01\x00"), "\"AQA=\"" },
        { STR("\x92\x01\x91\x02"), "[1,[2]]" },
        { STR("\xdc\x00\x01\x01"), "[1]" },
        { STR("\xdd\x00\x00\x00\x01\x01"), "[1]" },
        { STR("\x81\xa1k\xc3"), "{\"k\":true}" },
        { STR("\xde\x00\x01\xa1k\x80"), "{\"k\":{}}" },
        { STR("\xdf\x00\x00\x00\x01\x05\x90"), "{\"5\":[]}" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_string_equal(read_one(rows[i].bytes, 8), rows[i].json);
}

static void a_number_past_the_signed_range_keeps_its_bits_for_who_asks(void **state)
{
    (void)state;
    struct msgpack msgpack;
    struct msgpack_item item;
    msgpack_init(&msgpack, BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"));
    assert_int_equal(msgpack_next(&msgpack, &item), MSGPACK_UINT);
    assert_true(item.u64 == UINT64_MAX);
}

static void what_ends_too_early_is_an_error_at_its_place(void **state)
{
    (void)state;
    static const str rows[] = { STR(""),         STR("\xcd\x01"), STR("\xa2h"),
                                STR("\xdb\xff"), STR("\x92\x01"), STR("\x81\xa1k"),
                                STR("\xc7\x05"), STR("\xd8\x01"), STR("\xcb\x00") };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct msgpack msgpack;
        struct msgpack_item item;
        struct value value;
        struct diag why = DIAG_NONE;
        msgpack_init(&msgpack, rows[i]);
        msgpack_next(&msgpack, &item);
        assert_false(msgpack_value(&msgpack, &arena, &item, 8, &value));
        assert_int_equal(msgpack_error(&msgpack, &why), ERR_BAD_INPUT);
        assert_true(why.offset <= rows[i].len);
        assert_true(why.text[0]);
    }
}

static void a_count_that_the_bytes_cannot_hold_costs_nothing(void **state)
{
    (void)state;
    assert_non_null(strstr(read_one(BYTES("\xdd\xff\xff\xff\xff"), 8), "larger than the bytes"));
    assert_non_null(strstr(read_one(BYTES("\xdf\x80\x00\x00\x00"), 8), "larger than the bytes"));
    assert_non_null(strstr(read_one(BYTES("\x82\xa1k\x01"), 8), "larger than the bytes"));
}

static void values_may_be_nested_as_deep_as_allowed_and_no_deeper(void **state)
{
    (void)state;
    assert_string_equal(read_one(BYTES("\x91\x91\x91\x01"), 3), "[[[1]]]");
    assert_non_null(strstr(read_one(BYTES("\x91\x91\x91\x01"), 2), "too deep"));
}

static void a_key_is_text_or_a_number(void **state)
{
    (void)state;
    assert_string_equal(read_one(BYTES("\x81\xff\x01"), 8), "{\"-1\":1}");
    assert_non_null(strstr(read_one(BYTES("\x81\x90\x01"), 8), "key"));
}

static void a_byte_that_means_nothing_stops_the_reader_for_good(void **state)
{
    (void)state;
    struct msgpack msgpack;
    struct msgpack_item item;
    msgpack_init(&msgpack, BYTES("\xc1\x01"));
    assert_int_equal(msgpack_next(&msgpack, &item), MSGPACK_ERROR);
    assert_int_equal(msgpack_next(&msgpack, &item), MSGPACK_ERROR);
    assert_false(msgpack_skip(&msgpack, &item));
}

/* Nesting costs a skip no stack: 100,000 lists in each other. */
static void a_skip_passes_any_depth(void **state)
{
    (void)state;
    enum { DEPTH = 100000 };
    char *bytes = xmalloc(DEPTH + 2);
    memset(bytes, 0x91, DEPTH);
    bytes[DEPTH] = 0x01;
    bytes[DEPTH + 1] = 0x02;
    struct msgpack msgpack;
    struct msgpack_item item;
    msgpack_init(&msgpack, str_make(bytes, DEPTH + 2));
    msgpack_next(&msgpack, &item);
    assert_true(msgpack_skip(&msgpack, &item));
    assert_int_equal(msgpack_next(&msgpack, &item), MSGPACK_UINT);
    assert_int_equal(item.u64, 2);
    xfree(bytes);
}

static void a_spent_budget_is_a_limit_and_no_fault_of_the_bytes(void **state)
{
    (void)state;
    struct arena small;
    struct msgpack msgpack;
    struct msgpack_item item;
    struct value value;
    enum { ITEMS = 60000 };
    char *bytes = xcalloc(ITEMS + 3, 1);
    memcpy(bytes, "\xdc\xea\x60", 3);
    arena_init(&small, 64 * KIB);
    msgpack_init(&msgpack, str_make(bytes, ITEMS + 3));
    msgpack_next(&msgpack, &item);
    assert_int_equal(item.count, ITEMS);
    assert_false(msgpack_value(&msgpack, &small, &item, 8, &value));
    assert_int_equal(msgpack_error(&msgpack, NULL), ERR_LIMIT);
    arena_clear(&small);
    xfree(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_type_is_read_in_each_of_its_widths),
        cmocka_unit_test(a_number_past_the_signed_range_keeps_its_bits_for_who_asks),
        cmocka_unit_test(what_ends_too_early_is_an_error_at_its_place),
        cmocka_unit_test(a_count_that_the_bytes_cannot_hold_costs_nothing),
        cmocka_unit_test(values_may_be_nested_as_deep_as_allowed_and_no_deeper),
        cmocka_unit_test(a_key_is_text_or_a_number),
        cmocka_unit_test(a_byte_that_means_nothing_stops_the_reader_for_good),
        cmocka_unit_test(a_skip_passes_any_depth),
        cmocka_unit_test(a_spent_budget_is_a_limit_and_no_fault_of_the_bytes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
