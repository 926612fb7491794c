/* test_text_lines.c -- plain text becomes log records, a line each.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/text_lines.h"
#include <string.h>

#define T0 UINT64_C(1795255200000000000) /* 2026-11-21T10:00:00Z */
static struct arena arena;
static struct raw_batch batch;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 8 * MIB);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static void read_lines(const char *text, uint32_t items_max)
{
    struct otlp_limits limits = otlp_limits_default;
    struct text_lines lines = { .body = str_from_c(text),
                                .service = STR_OF("shop"),
                                .environment = STR_OF("") };
    limits.items_max = items_max;
    assert_int_equal(text_lines_decode(&arena, &lines, &limits, &batch, NULL), ERR_OK);
}

/* shows: C13 */
static void each_line_with_something_in_it_is_a_record_as_it_came(void **state)
{
    (void)state;
    read_lines("first\r\n\n \t \n  second, indented \nlast", 100);
    static const char *const bodies[] = { "first", "  second, indented ", "last" };
    assert_int_equal(batch.log_count, COUNT_OF(bodies));
    assert_int_equal(batch.rejected_count, 0);
    assert_true(batch.may_repeat);
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        assert_true(str_equal_c(batch.logs[i].body.text, bodies[i]));
        assert_int_equal(batch.logs[i].time_ns, 0);
        assert_int_equal(batch.logs[i].severity, 0);
        assert_int_equal(batch.logs[i].attr_count, 0);
    }
    const struct raw_resource *resource = batch.logs[0].scope->resource;
    assert_int_equal(resource->attr_count, 1); /* an empty environment is unknown */
    assert_true(str_equal_c(resource->attrs[0].key, "service.name"));
    read_lines("", 100);
    assert_int_equal(batch.log_count, 0);
}

static void a_time_at_the_beginning_is_the_records(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        uint64_t time_ns;
    } rows[] = {
        { "2026-11-21T10:00:00Z ERROR x", T0 },
        { "[2026-11-21T10:00:00.5Z] x", T0 + 500000000 },
        { "(2026-11-21T11:00:00+01:00) x", T0 },
        { "2026-11-21T10:00:00Z", T0 },
        { "2026-11-21 x", 0 },
        { "2026-13-41T10:00:00Z x", 0 },
        { "at 2026-11-21T10:00:00Z x", 0 },
        { "12:00 x", 0 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        read_lines(rows[i].line, 100);
        assert_int_equal(batch.log_count, 1);
        if (batch.logs[0].time_ns != rows[i].time_ns)
            fail_msg("%s is %llu", rows[i].line, (unsigned long long)batch.logs[0].time_ns);
        assert_true(str_equal_c(batch.logs[0].body.text, rows[i].line));
    }
}

static void lines_past_the_limit_are_rejected_and_counted(void **state)
{
    (void)state;
    read_lines("a\nb\nc\n", 3);
    assert_int_equal(batch.log_count, 3);
    assert_int_equal(batch.rejected_count, 0);
    read_lines("a\nb\nc\n\nd", 3);
    assert_int_equal(batch.log_count, 3);
    assert_int_equal(batch.rejected_count, 1);
    assert_string_equal(batch.rejected_why, "more than 3 lines");
}

static void a_line_too_long_is_cut_between_characters(void **state)
{
    (void)state;
    char *text = xmalloc(TEXT_LINE_BYTES_MAX + 16);
    memset(text, 'x', TEXT_LINE_BYTES_MAX + 1);
    text[TEXT_LINE_BYTES_MAX] = '\0';
    read_lines(text, 100);
    assert_int_equal(batch.logs[0].body.text.len, TEXT_LINE_BYTES_MAX);
    memcpy(text + TEXT_LINE_BYTES_MAX - 1, "\xE2\x82\xAC\n", 5);
    read_lines(text, 100);
    assert_int_equal(batch.logs[0].body.text.len, TEXT_LINE_BYTES_MAX - 1);
    xfree(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_line_with_something_in_it_is_a_record_as_it_came,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_time_at_the_beginning_is_the_records, setup, teardown),
        cmocka_unit_test_setup_teardown(lines_past_the_limit_are_rejected_and_counted, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_line_too_long_is_cut_between_characters, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
