/* test_forms.c -- spans as OTLP and CSV, files record by record, the line of progress.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"
/* after cmocka */
#include "cli/cli_int.h"
#include "cli/progress.h"
#include "cli/records.h"
#include "cli/span_form.h"
#include "norm/norm.h"
#include "wire/json.h"

static void each_name_of_an_export_is_read_as_the_field_it_is_written_for(void **state)
{
    static const struct {
        enum field field;
        const char *attribute;
    } names[] = {
#define NAME(field, attribute, instead) { FIELD_##field, attribute },
#include "cli/span_name.def"
#undef NAME
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_int_equal(norm_field_of_attr(str_from_c(names[i].attribute)), names[i].field);
}

static void parse(struct arena *arena, const char *json, struct value *ret)
{
    arena_init(arena, MIB);
    assert_int_equal(cli_json_parse(arena, str_from_c(json), ret, NULL), ERR_OK);
}

static void a_span_without_ids_or_start_is_no_otlp(void **state)
{
    static const char *const bad[] = {
        "[{}]",
        "[{\"trace_id\":\"zz\",\"span_id\":\"0102030405060708\",\"start_time\":\"2026-01-01T00:00:"
        "00Z\"}]",
        "[{\"trace_id\":\"0102030405060708090a0b0c0d0e0f10\",\"span_id\":\"0102030405060708\"}]",
        "[7]",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct arena arena;
        struct value spans;
        struct buf out;
        uint32_t place = 9;
        parse(&arena, bad[i], &spans);
        buf_init(&out, MIB);
        assert_false(spans_to_otlp(&out, spans.items, spans.count, &place));
        assert_int_equal(place, 0);
        assert_int_equal(out.len, 0);
        buf_clear(&out);
        arena_clear(&arena);
    }
}

#define HEAD "{\"trace_id\":\"0102030405060708090a0b0c0d0e0f10\",\"span_id\":\"0102030405060708\","
#define TIME "\"start_time\":\"2026-01-01T00:00:00.000000001Z\",\"latency_ms\":2.5,"

static void spans_of_one_resource_and_scope_share_them(void **state)
{
    struct arena arena;
    struct value spans;
    struct buf out;
    uint32_t bad;
    (void)state;
    parse(&arena,
          "[" HEAD TIME "\"service\":\"a\",\"scope\":{\"name\":\"s\"}}," HEAD TIME
          "\"service\":\"a\",\"scope\":{\"name\":\"s\"}}," HEAD TIME
          "\"service\":\"a\",\"scope\":{\"name\":\"t\"}}," HEAD TIME "\"service\":\"b\"}]",
          &spans);
    buf_init(&out, MIB);
    assert_true(spans_to_otlp(&out, spans.items, spans.count, &bad));
    str text = buf_str(&out);
    size_t resources = 0, scopes = 0, found = 0;
    for (size_t at = 0; at < text.len; at++) {
        str rest = str_from(text, at);
        resources += str_starts(rest, STR_OF("\"resource\":"));
        scopes += str_starts(rest, STR_OF("\"scope\":"));
        found += str_starts(rest, STR_OF("\"endTimeUnixNano\":\"1767225600002500001\""));
    }
    assert_true(json_check(text));
    assert_int_equal(resources, 2);
    assert_int_equal(scopes, 3);
    assert_int_equal(found, 4);
    buf_clear(&out);
    arena_clear(&arena);
}

static void check_cell(const char *text, bool is_text, const char *expected)
{
    struct buf out;
    buf_init(&out, KIB);
    csv_add_cell(&out, str_from_c(text), is_text);
    buf_add_char(&out, '\0');
    assert_string_equal(out.ptr, expected);
    buf_clear(&out);
}

static void a_text_that_could_be_a_formula_is_none_and_a_number_stays_one(void **state)
{
    (void)state;
    check_cell("=1+1", true, "\"'=1+1\"");
    check_cell("@x", true, "\"'@x\"");
    check_cell("\rx", true, "\"'\rx\"");
    check_cell("-5", true, "\"'-5\"");
    check_cell("-5", false, "-5");
    check_cell("a,b", true, "\"a,b\"");
    check_cell("say \"x\"", true, "\"say \"\"x\"\"\"");
    check_cell("1=2", true, "1=2");
    check_cell("", true, "");
}

/* ---- records ---- */

/* Records of a text, joined by |, each with its line; "!" where one cannot be read. */
static void check_records(const char *text, const char *expected)
{
    struct records *records = records_of(str_from_c(text));
    struct buf out;
    enum err err = ERR_OK;
    buf_init(&out, 64 * KIB);
    while (!err || err == ERR_BAD_INPUT) {
        str record;
        enum record_form form;
        uint64_t line;
        err = records_next(records, &record, &form, &line, NULL);
        if (err == ERR_NOT_FOUND)
            break;
        buf_printf(&out, "%s%d:", out.len ? "|" : "", (int)line);
        buf_add_str(&out, err ? STR_OF("!") : record);
    }
    buf_add_char(&out, '\0');
    assert_string_equal(out.ptr, expected);
    buf_clear(&out);
    records_close(records);
}

static void lines_documents_and_lists_are_told_apart(void **state)
{
    (void)state;
    check_records("", "");
    check_records(" \n\n", "");
    check_records("{\"a\":1}\n\n{\"b\":2}\n", "1:{\"a\":1}|3:{\"b\":2}");
    check_records("{\"a\":1}\n{\"b\":\n{\"c\":3}", "1:{\"a\":1}|2:{\"b\":|3:{\"c\":3}");
    check_records("broken\n{\"b\":2}\n", "1:broken|2:{\"b\":2}");
    check_records("{\n\"a\":\n1}\n", "1:{\n\"a\":\n1}");
    check_records("[\n{\"a\":\"]}\"},\n{\"b\":[2]}\n]\n", "2:{\"a\":\"]}\"}|3:{\"b\":[2]}");
    check_records("\xEF\xBB\xBF{\"a\":1}", "1:{\"a\":1}");
}

static void rows_of_csv_become_objects(void **state)
{
    (void)state;
    check_records("id,text\n1,\"two\nlines, \"\"quoted\"\"\"\n2,\n",
                  "2:{ \"id\":\"1\",\"text\":\"two\\nlines, \\\"quoted\\\"\"}|4:{ \"id\":\"2\"}");
    check_records("id,text\r\n7,'=1\r\n", "2:{ \"id\":\"7\",\"text\":\"=1\"}");
}

static void messages_have_their_length_before_them(void **state)
{
    (void)state;
    struct records *records =
        records_of(str_make("\0\0\0\x03\x0a\x01x\0\0\0\x03\x0a\x01y\0\0\0\x09\x0a\x01", 20));
    static const str expected[] = { STR("\x0a\x01x"), STR("\x0a\x01y") };
    str record;
    enum record_form form;
    uint64_t line;
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_int_equal(records_next(records, &record, &form, &line, NULL), ERR_OK);
        assert_int_equal(form, RECORD_PROTOBUF);
        assert_true(str_equal(record, expected[i]));
    }
    assert_int_equal(records_next(records, &record, &form, &line, NULL), ERR_BAD_INPUT);
    assert_int_equal(records_next(records, &record, &form, &line, NULL), ERR_NOT_FOUND);
    records_close(records);
}

static void progress_says_how_much_how_fast_and_how_long_yet(void **state)
{
    struct progress progress = { .verb = "imported",
                                 .unit = "records",
                                 .done = 2000,
                                 .bytes = 1024 * 1024,
                                 .total = 4 * 1024 * 1024 };
    struct buf out;
    (void)state;
    buf_init(&out, KIB);
    progress_line(&out, &progress, 10 * NS_PER_S);
    buf_add_char(&out, '\0');
    assert_non_null(strstr(out.ptr, "imported 2.0k records  1.0 MiB  ["));
    assert_non_null(strstr(out.ptr, "] 25%  200/s  30.0 s left"));
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_name_of_an_export_is_read_as_the_field_it_is_written_for),
        cmocka_unit_test(a_span_without_ids_or_start_is_no_otlp),
        cmocka_unit_test(spans_of_one_resource_and_scope_share_them),
        cmocka_unit_test(a_text_that_could_be_a_formula_is_none_and_a_number_stays_one),
        cmocka_unit_test(lines_documents_and_lists_are_told_apart),
        cmocka_unit_test(rows_of_csv_become_objects),
        cmocka_unit_test(messages_have_their_length_before_them),
        cmocka_unit_test(progress_says_how_much_how_fast_and_how_long_yet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
