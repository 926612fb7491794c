/* test_json.c -- the pull reader against RFC 8259: JSONTestSuite, depths, texts, values.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "wire/json.h"

enum { ARENA_BYTES = 8 * 1024 * 1024, FILE_BYTES_MAX = 1 << 20 };

/* Exactly as large as the file, so that ASan sees one byte too many. */
static str file_load(const char *folder, const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/json/%s/%s", TEST_FIXTURES, folder, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *large = malloc(FILE_BYTES_MAX);
    size_t len = fread(large, 1, FILE_BYTES_MAX, file);
    fclose(file);
    char *exact = malloc(len ? len : 1);
    memcpy(exact, large, len);
    free(large);
    return str_make(exact, len);
}

static bool reader_accepts(str text)
{
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct json json;
    json_init(&json, &arena, text, JSON_DEPTH_MAX);
    enum json_token token;
    do
        token = json_next(&json);
    while (token != JSON_END && token != JSON_ERROR);
    arena_clear(&arena);
    return token == JSON_END;
}

static bool skipper_accepts(str text)
{
    struct json json;
    json_init(&json, NULL, text, JSON_DEPTH_MAX);
    return json_skip(&json, json_next(&json)) && json_next(&json) == JSON_END;
}

static bool value_accepts(str text)
{
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct json json;
    struct value value;
    json_init(&json, &arena, text, JSON_DEPTH_MAX);
    bool ok = json_value(&json, json_next(&json), &value) && json_next(&json) == JSON_END;
    arena_clear(&arena);
    return ok;
}

static void every_file_of_the_suite_is_judged_right(void **state)
{
    (void)state;
    int counts[3] = { 0 };
    char folder[1024];
    snprintf(folder, sizeof folder, "%s/json/test_parsing", TEST_FIXTURES);
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        str text = file_load("test_parsing", entry->d_name);
        bool strict = json_check(text), read = reader_accepts(text);
        bool skipped = skipper_accepts(text), built = value_accepts(text);
        if (entry->d_name[0] != 'i') {
            bool expected = entry->d_name[0] == 'y';
            if (strict != expected || read != expected || skipped != expected || built != expected)
                fail_msg("%s: strict %d, read %d, skipped %d, built %d", entry->d_name, strict,
                         read, skipped, built);
        } else if (utf8_is_valid(text)) {
            assert_int_equal(strict, read);
        }
        assert_int_equal(read, skipped); /* skipping is as strict as reading */
        counts[entry->d_name[0] == 'y' ? 0 : entry->d_name[0] == 'n' ? 1 : 2]++;
        free((void *)(uintptr_t)text.ptr);
    }
    closedir(dir);
    assert_int_equal(counts[0], 95);
    assert_int_equal(counts[1], 188);
    assert_int_equal(counts[2], 35);
}

static void every_transform_file_is_read_or_refused_without_harm(void **state)
{
    (void)state;
    char folder[1024];
    snprintf(folder, sizeof folder, "%s/json/test_transform", TEST_FIXTURES);
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        str text = file_load("test_transform", entry->d_name);
        assert_true(reader_accepts(text));
        assert_true(value_accepts(text));
        free((void *)(uintptr_t)text.ptr);
    }
    closedir(dir);
}

static str nested(char *out, size_t depth)
{
    memset(out, '[', depth);
    memset(out + depth, ']', depth);
    return str_make(out, 2 * depth);
}

static void depth_is_accepted_at_its_limit_and_refused_past_it(void **state)
{
    (void)state;
    char text[2 * (JSON_DEPTH_MAX + 1)];
    assert_true(json_check(nested(text, JSON_DEPTH_MAX)));
    assert_false(json_check(nested(text, JSON_DEPTH_MAX + 1)));
    struct json json;
    for (uint32_t depth = 1; depth <= 9; depth++) {
        json_init(&json, NULL, nested(text, depth), 8);
        assert_int_equal(json_skip(&json, json_next(&json)), depth <= 8);
    }
    assert_int_equal(json_error(&json, NULL), ERR_BAD_INPUT);
    assert_true(value_accepts(nested(text, VALUE_DEPTH_MAX)));
    assert_false(value_accepts(nested(text, VALUE_DEPTH_MAX + 1)));
}

static void a_hundred_thousand_levels_do_not_overflow_the_stack(void **state)
{
    (void)state;
    enum { LEVELS = 100000 };
    char *text = malloc((size_t)LEVELS * 2);
    str input = nested(text, LEVELS);
    assert_false(json_check(input));
    assert_false(skipper_accepts(input));
    assert_false(value_accepts(input));
    free(text);
}

static void text_is(const char *json_text, const char *expected, size_t len)
{
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct json json;
    json_init(&json, &arena, str_from_c(json_text), 4);
    assert_int_equal(json_next(&json), JSON_STRING);
    assert_int_equal(json.text.len, len);
    assert_memory_equal(json.text.ptr, expected, len);
    assert_int_equal(json_next(&json), JSON_END);
    arena_clear(&arena);
}

static void escapes_are_decoded_and_lone_surrogates_replaced(void **state)
{
    (void)state;
    text_is("\"plain\"", "plain", 5);
    text_is("\"\"", "", 0);
    text_is("\"a\\n\\t\\r\\b\\f\\\"\\\\\\/b\"", "a\n\t\r\b\f\"\\/b", 10);
    text_is("\"\\u0041\\u00e9\\u20ac\"", "A\xc3\xa9\xe2\x82\xac", 6);
    text_is("\"\\uD83D\\uDE00\"", "\xf0\x9f\x98\x80", 4);
    text_is("\"x\\u0000y\"", "x\0y", 3);
    text_is("\"\\uD83Dz\"", "\xef\xbf\xbdz", 4);
    text_is("\"\\uDE00\"", "\xef\xbf\xbd", 3);
    text_is("\"\\uD83D\\u0041\"",
            "\xef\xbf\xbd"
            "A",
            4);
    text_is("\"0123456789abcdef0123456789abcdef\\n0123456789abcdef\"",
            "0123456789abcdef0123456789abcdef\n0123456789abcdef", 49);
}

static void without_an_arena_escapes_stay_as_they_were_written(void **state)
{
    (void)state;
    struct json json;
    json_init(&json, NULL, STR_OF("\"a\\n\\\"b\""), 4);
    assert_int_equal(json_next(&json), JSON_STRING);
    assert_true(str_equal_c(json.text, "a\\n\\\"b"));
    assert_int_equal(json_next(&json), JSON_END);
}

static void a_control_character_is_found_at_every_position(void **state)
{
    (void)state;
    for (size_t at = 0; at < 40; at++)
        for (int c = 0; c < 256; c++) {
            char text[42];
            memset(text, 'x', sizeof text);
            text[0] = text[41] = '"';
            text[at + 1] = (char)c;
            bool expected = c >= 0x20 && c != '"' && c != '\\';
            if (skipper_accepts(str_make(text, sizeof text)) != expected)
                fail_msg("byte %d at %zu", c, at);
        }
}

static void invalid_utf8_is_refused_by_check_and_repaired_in_values(void **state)
{
    (void)state;
    str text = STR_OF("{\"k\xff\":\"a\xc3\"}");
    assert_false(json_check(text));
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct json json;
    struct value value;
    json_init(&json, &arena, text, 4);
    assert_true(json_value(&json, json_next(&json), &value));
    assert_true(str_equal_c(value.attrs[0].key, "k\xef\xbf\xbd"));
    assert_true(str_equal_c(value.attrs[0].value.text, "a\xef\xbf\xbd"));
    arena_clear(&arena);
}

static void values_keep_types_order_and_lossless_numbers(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct json json;
    struct value value;
    struct buf out;
    buf_init(&out, ARENA_BYTES);
    str text = STR_OF("{\"b\":[1,-2,3.5,true,null,\"x\",1e999,18446744073709551616],\"a\":{}}");
    json_init(&json, &arena, text, 8);
    assert_true(json_value(&json, json_next(&json), &value));
    assert_int_equal(value.attrs[0].value.items[0].type, VALUE_I64);
    assert_int_equal(value.attrs[0].value.items[2].type, VALUE_F64);
    assert_int_equal(value.attrs[0].value.items[4].type, VALUE_NULL);
    assert_true(str_equal_c(value.attrs[0].value.items[6].text, "1e999"));
    assert_int_equal(value.attrs[0].value.count, 8);
    assert_int_equal(value.attrs[1].value.type, VALUE_MAP);
    buf_clear(&out);
    arena_clear(&arena);
}

static void raw_gives_the_bytes_as_written_and_unwind_leaves_the_middle(void **state)
{
    (void)state;
    struct json json;
    str raw;
    json_init(&json, NULL, STR_OF(" {\"a\" : [ 1, {\"b\":2} ] , \"c\":[[[1]]], \"d\":4}"), 8);
    assert_int_equal(json_next(&json), JSON_OBJECT);
    assert_int_equal(json_next(&json), JSON_KEY);
    assert_true(json_raw(&json, json_next(&json), &raw));
    assert_true(str_equal_c(raw, "[ 1, {\"b\":2} ]"));
    assert_int_equal(json_next(&json), JSON_KEY);
    for (int i = 0; i < 3; i++)
        assert_int_equal(json_next(&json), JSON_ARRAY);
    assert_true(json_unwind(&json, 1));
    assert_int_equal(json_next(&json), JSON_KEY);
    assert_true(str_equal_c(json.text, "d"));
    assert_true(json_raw(&json, json_next(&json), &raw));
    assert_true(str_equal_c(raw, "4"));
    assert_int_equal(json_next(&json), JSON_OBJECT_END);
    assert_int_equal(json_next(&json), JSON_END);
    assert_int_equal(json_next(&json), JSON_END);
}

static void a_spent_budget_is_a_limit_and_a_broken_text_has_its_offset(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 16);
    struct json json;
    struct diag why = DIAG_NONE;
    json_init(&json, &arena, STR_OF("\"0123456789012345678901234567890123456789\\n\""), 4);
    assert_int_equal(json_next(&json), JSON_ERROR);
    assert_int_equal(json_error(&json, &why), ERR_LIMIT);
    arena_clear(&arena);
    json_init(&json, NULL, STR_OF("[1,2 3]"), 4);
    assert_false(json_skip(&json, json_next(&json)));
    assert_int_equal(json_error(&json, &why), ERR_BAD_INPUT);
    assert_int_equal(why.offset, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_file_of_the_suite_is_judged_right),
        cmocka_unit_test(every_transform_file_is_read_or_refused_without_harm),
        cmocka_unit_test(depth_is_accepted_at_its_limit_and_refused_past_it),
        cmocka_unit_test(a_hundred_thousand_levels_do_not_overflow_the_stack),
        cmocka_unit_test(escapes_are_decoded_and_lone_surrogates_replaced),
        cmocka_unit_test(without_an_arena_escapes_stay_as_they_were_written),
        cmocka_unit_test(a_control_character_is_found_at_every_position),
        cmocka_unit_test(invalid_utf8_is_refused_by_check_and_repaired_in_values),
        cmocka_unit_test(values_keep_types_order_and_lossless_numbers),
        cmocka_unit_test(raw_gives_the_bytes_as_written_and_unwind_leaves_the_middle),
        cmocka_unit_test(a_spent_budget_is_a_limit_and_a_broken_text_has_its_offset),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
