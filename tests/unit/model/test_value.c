/* test_value.c -- typed values: what reads as what, and their JSON.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "base/arena.h"
#include "model/value.h"
#include <jansson.h>
#include <math.h>

static struct value text_value(const char *text)
{
    return value_str(str_from_c(text));
}

static void whole_numbers_are_read_from_numbers_and_texts(void **state)
{
    (void)state;
    int64_t number = 0;
    static const struct {
        const char *text;
        int64_t number;
    } texts[] = { { "12", 12 },
                  { " -3 ", -3 },
                  { "1e3", 1000 },
                  { "5.0", 5 },
                  { "9223372036854775807", INT64_MAX } };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct value value = text_value(texts[i].text);
        assert_true(value_as_i64(&value, &number));
        assert_int_equal(number, texts[i].number);
    }
    struct value whole = value_f64(-7), exact = value_i64(INT64_MIN);
    assert_true(value_as_i64(&whole, &number));
    assert_int_equal(number, -7);
    assert_true(value_as_i64(&exact, &number));
    assert_int_equal(number, INT64_MIN);
}

static void what_is_not_whole_or_out_of_range_is_no_integer(void **state)
{
    (void)state;
    int64_t number = 42;
    const struct value bad[] = { value_f64(1.5),
                                 value_f64(9223372036854775808.0),
                                 value_f64(-9223372036854777856.0),
                                 value_f64((double)NAN),
                                 value_f64((double)INFINITY),
                                 value_bool(true),
                                 text_value(""),
                                 text_value("1.5"),
                                 text_value("12 apples"),
                                 text_value("1e400"),
                                 text_value("9223372036854775808"),
                                 { .type = VALUE_NULL },
                                 { .type = VALUE_ARRAY },
                                 { .type = VALUE_MAP } };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(value_as_i64(&bad[i], &number));
    assert_int_equal(number, 42);
    struct value least = value_f64(-9223372036854775808.0);
    assert_true(value_as_i64(&least, &number));
    assert_int_equal(number, INT64_MIN);
}

static void decimal_numbers_are_finite(void **state)
{
    (void)state;
    double number = 0;
    struct value half = value_f64(0.5), two = value_i64(2), text = text_value(" 1.25 ");
    assert_true(value_as_f64(&half, &number) && number == 0.5);
    assert_true(value_as_f64(&two, &number) && number == 2);
    assert_true(value_as_f64(&text, &number) && number == 1.25);
    const struct value bad[] = { value_f64((double)NAN), value_f64((double)INFINITY),
                                 text_value("NaN"),      text_value("Infinity"),
                                 text_value("1e999"),    text_value(""),
                                 value_bool(true),       { .type = VALUE_NULL } };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(value_as_f64(&bad[i], &number));
}

static void booleans_are_read_from_words_and_digits(void **state)
{
    (void)state;
    bool flag = false;
    const struct value yes[] = { value_bool(true), value_i64(1), text_value("true"),
                                 text_value("TRUE"), text_value("1") };
    const struct value no[] = { value_bool(false), value_i64(0), text_value("false"),
                                text_value("False"), text_value("0") };
    const struct value neither[] = { value_i64(2),      value_i64(-1),  value_f64(1),
                                     text_value("yes"), text_value(""), { .type = VALUE_NULL } };
    for (size_t i = 0; i < COUNT_OF(yes); i++)
        assert_true(value_as_bool(&yes[i], &flag) && flag);
    for (size_t i = 0; i < COUNT_OF(no); i++)
        assert_true(value_as_bool(&no[i], &flag) && !flag);
    for (size_t i = 0; i < COUNT_OF(neither); i++)
        assert_false(value_as_bool(&neither[i], &flag));
}

static void of_equal_keys_the_first_is_found(void **state)
{
    (void)state;
    struct attr attrs[] = { { STR("a"), { .type = VALUE_I64, .i64 = 1 } },
                            { STR("b"), { .type = VALUE_I64, .i64 = 2 } },
                            { STR("a"), { .type = VALUE_I64, .i64 = 3 } } };
    assert_ptr_equal(attr_find(attrs, 3, STR_OF("a")), &attrs[0]);
    assert_ptr_equal(attr_find(attrs, 3, STR_OF("b")), &attrs[1]);
    assert_null(attr_find(attrs, 3, STR_OF("c")));
    assert_null(attr_find(attrs, 0, STR_OF("a")));
    assert_null(attr_find(NULL, 0, STR_OF("a")));
}

static void assert_json(const struct value *value, const char *expected)
{
    struct buf out;
    buf_init(&out, MIB);
    value_to_json(&out, value);
    assert_true(str_equal_c(buf_str(&out), expected));
    buf_clear(&out);
}

static void json_keeps_every_type_apart(void **state)
{
    (void)state;
    struct value items[] = { value_i64(1),
                             value_f64(1),
                             value_f64((double)NAN),
                             value_f64(-(double)INFINITY),
                             { .type = VALUE_NULL },
                             value_bool(false),
                             { .type = VALUE_BYTES, .text = STR("\x01\xff") } };
    struct value array = { .type = VALUE_ARRAY, .count = COUNT_OF(items), .items = items };
    assert_json(&array, "[1,1.0,\"NaN\",\"-Infinity\",null,false,\"Af8=\"]");
    struct attr attrs[] = { { STR("k\""), value_i64(INT64_MIN) }, { STR("k\""), array } };
    struct value map = { .type = VALUE_MAP, .count = 1, .attrs = attrs };
    assert_json(&map, "{\"k\\\"\":-9223372036854775808}");
    struct buf out;
    buf_init(&out, MIB);
    attrs_to_json(&out, NULL, 0);
    assert_true(str_equal_c(buf_str(&out), "{}"));
    buf_reset(&out);
    attrs_to_json(&out, attrs, 2); /* equal keys are both written */
    assert_true(str_starts(buf_str(&out), STR_OF("{\"k\\\"\":-9223372036854775808,\"k\\\"\":[1,")));
    buf_clear(&out);
}

static void values_nested_to_the_limit_are_written_and_deeper_ones_are_null(void **state)
{
    (void)state;
    enum { LEVELS = VALUE_DEPTH_MAX + 2 };
    struct value levels[LEVELS];
    struct buf out;
    buf_init(&out, MIB);
    levels[LEVELS - 1] = value_i64(7);
    for (size_t i = LEVELS - 1; i-- > 0;)
        levels[i] = (struct value){ .type = VALUE_ARRAY, .count = 1, .items = &levels[i + 1] };
    value_to_json(&out, &levels[1]); /* VALUE_DEPTH_MAX arrays around the number */
    assert_int_equal(str_find_char(buf_str(&out), '7'), VALUE_DEPTH_MAX);
    buf_reset(&out);
    value_to_json(&out, &levels[0]);
    assert_true(str_find_char(buf_str(&out), '7') == out.len);
    assert_int_equal(str_find(buf_str(&out), STR_OF("null")), VALUE_DEPTH_MAX + 1);
    buf_clear(&out);
}

static struct value random_value(struct dice *dice, struct arena *arena, int depth)
{
    struct value value = { .type = (enum value_type)dice_roll(dice, depth ? 8 : 6) };
    if (value.type == VALUE_STR || value.type == VALUE_BYTES) {
        size_t len = dice_roll(dice, 20);
        char *text = arena_alloc(arena, len);
        dice_fill(dice, text, len);
        value.text = str_make(text, len);
    } else if (value.type == VALUE_BOOL) {
        value.boolean = dice_roll(dice, 2);
    } else if (value.type == VALUE_I64) {
        value.i64 = dice_i64(dice);
    } else if (value.type == VALUE_F64) {
        uint64_t bits = dice_u64(dice);
        memcpy(&value.f64, &bits, sizeof bits);
    } else if (value.type == VALUE_ARRAY) {
        value.count = dice_roll(dice, 5);
        value.items = arena_new(arena, struct value, value.count);
        for (uint32_t i = 0; i < value.count; i++)
            value.items[i] = random_value(dice, arena, depth - 1);
    } else if (value.type == VALUE_MAP) {
        value.count = dice_roll(dice, 5);
        value.attrs = arena_new(arena, struct attr, value.count);
        for (uint32_t i = 0; i < value.count; i++)
            value.attrs[i] = (struct attr){ arena_printf(arena, "k%u", i),
                                            random_value(dice, arena, depth - 1) };
    }
    return value;
}

static void json_is_what_another_reader_takes(struct dice *dice)
{
    struct arena arena;
    struct buf out;
    arena_init(&arena, 16 * MIB);
    buf_init(&out, MIB);
    for (int i = 0; i < 5000; i++) {
        arena_reset(&arena);
        buf_reset(&out);
        struct value value = random_value(dice, &arena, 4);
        value_to_json(&out, &value);
        assert_false(buf_failed(&out));
        json_t *read = json_loadb(out.ptr, out.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_non_null(read);
        if (value.type == VALUE_I64)
            assert_int_equal(json_integer_value(read), value.i64);
        if (value.type == VALUE_F64 && isfinite(value.f64))
            assert_true(json_is_real(read) && json_real_value(read) == value.f64);
        json_decref(read);
    }
    buf_clear(&out);
    arena_clear(&arena);
}

static void any_value_is_valid_json(void **state)
{
    (void)state;
    dice_each_seed(json_is_what_another_reader_takes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_are_read_from_numbers_and_texts),
        cmocka_unit_test(what_is_not_whole_or_out_of_range_is_no_integer),
        cmocka_unit_test(decimal_numbers_are_finite),
        cmocka_unit_test(booleans_are_read_from_words_and_digits),
        cmocka_unit_test(of_equal_keys_the_first_is_found),
        cmocka_unit_test(json_keeps_every_type_apart),
        cmocka_unit_test(values_nested_to_the_limit_are_written_and_deeper_ones_are_null),
        cmocka_unit_test(any_value_is_valid_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
