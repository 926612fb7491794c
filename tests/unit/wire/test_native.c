/* test_native.c -- ids of any spelling, and what a batch of a vendor's API is made of.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "wire/native.h"

static str hex(const void *bytes, size_t len)
{
    static char text[40];
    hex_encode(bytes, len, text);
    return str_make(text, 2 * len);
}

static void a_uuid_is_its_32_digits(void **state)
{
    (void)state;
    struct id16 dashed = native_trace_id(STR_OF("0190a2b4-7c1e-7000-8000-0000000000ff"));
    struct id16 plain = native_trace_id(STR_OF("0190a2b47c1e70008000"
                                               "0000000000FF"));
    assert_true(str_equal_c(hex(&dashed, sizeof dashed), "0190a2b47c1e700080000000000000ff"));
    assert_memory_equal(&dashed, &plain, sizeof dashed);
}

static void
any_other_text_gives_the_same_id_each_time_and_another_one_for_another_text(void **state)
{
    (void)state;
    static const char *const texts[] = { "order-1",
                                         "order-2",
                                         "1",
                                         "00000000000000000000000000000000",
                                         "0190a2b4-7c1e-7000-8000-0000000000fg",
                                         "0190a2b4-7c1e-7000-8000-0000000000ff0" };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct id16 trace = native_trace_id(str_from_c(texts[i]));
        struct id8 span = native_span_id(str_from_c(texts[i]));
        assert_false(id16_is_zero(trace));
        assert_false(id8_is_zero(span));
        for (size_t j = 0; j < COUNT_OF(texts); j++) {
            struct id16 other_trace = native_trace_id(str_from_c(texts[j]));
            struct id8 other_span = native_span_id(str_from_c(texts[j]));
            assert_int_equal(memcmp(&trace, &other_trace, sizeof trace) == 0, i == j);
            assert_int_equal(memcmp(&span, &other_span, sizeof span) == 0, i == j);
        }
    }
}

/* These are stored: another hash would part what belongs together. */
static void a_hashed_id_never_changes(void **state)
{
    (void)state;
    struct id16 trace = native_trace_id(STR_OF("order-1"));
    assert_true(str_equal_c(hex(&trace, sizeof trace), "c06669b494d0bbd7f93fedde65df3ccc"));
    struct id8 span = native_span_id(STR_OF("order-1"));
    assert_true(str_equal_c(hex(&span, sizeof span), "3f800d7ef6913c81"));
}

static void sixteen_hex_digits_are_a_span_id_and_no_text_is_none(void **state)
{
    (void)state;
    struct id8 span = native_span_id(STR_OF("00f067aa0ba902b7"));
    assert_true(str_equal_c(hex(&span, sizeof span), "00f067aa0ba902b7"));
    assert_true(id8_is_zero(native_span_id(STR_OF(""))));
    assert_true(id16_is_zero(native_trace_id(STR_NONE)));
    assert_false(id8_is_zero(native_span_id(STR_OF("0000000000000000"))));
}

static void items_keep_their_content_while_the_arrays_grow(void **state)
{
    (void)state;
    struct arena arena;
    struct native_batch batch = { 0 };
    struct native_attrs attrs = { 0 };
    arena_init(&arena, MIB);
    for (uint64_t i = 0; i < 100; i++) {
        struct raw_span *span = native_span_new(&arena, &batch);
        assert_non_null(span);
        span->start_ns = i;
        struct raw_score *score = native_score_new(&arena, &batch);
        assert_non_null(score);
        score->score.value = (double)i;
        assert_true(native_attr_add(&arena, &attrs, STR_OF("n"), value_i64((int64_t)i)));
        assert_true(native_text_add(&arena, &attrs, STR_OF("nothing"), STR_NONE));
    }
    assert_int_equal(batch.span_count, 100);
    assert_int_equal(batch.score_count, 100);
    assert_int_equal(attrs.count, 100);
    for (uint64_t i = 0; i < 100; i++) {
        assert_int_equal(batch.spans[i].start_ns, i);
        assert_int_equal((int)batch.scores[i].score.value, i);
        assert_int_equal(attrs.items[i].value.i64, i);
    }
    arena_clear(&arena);
}

static void a_spent_budget_is_told(void **state)
{
    (void)state;
    struct arena arena;
    struct native_batch batch = { 0 };
    arena_init(&arena, 64 * KIB);
    int count = 0;
    while (count < 100000 && native_span_new(&arena, &batch))
        count++;
    assert_in_range(count, 8, 64 * KIB / (int)sizeof(struct raw_span));
    arena_clear(&arena);
}

static void the_first_reason_of_what_is_left_out_is_kept(void **state)
{
    (void)state;
    struct raw_batch batch = { 0 };
    native_reject(&batch, "event %d: %s", 3, "no id");
    native_reject(&batch, "event %d: %s", 4, "no type");
    assert_int_equal(batch.rejected_count, 2);
    assert_string_equal(batch.rejected_why, "event 3: no id");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_uuid_is_its_32_digits),
        cmocka_unit_test(
            any_other_text_gives_the_same_id_each_time_and_another_one_for_another_text),
        cmocka_unit_test(a_hashed_id_never_changes),
        cmocka_unit_test(sixteen_hex_digits_are_a_span_id_and_no_text_is_none),
        cmocka_unit_test(items_keep_their_content_while_the_arrays_grow),
        cmocka_unit_test(a_spent_budget_is_told),
        cmocka_unit_test(the_first_reason_of_what_is_left_out_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
