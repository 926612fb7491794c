/* test_diff.c -- two traces side by side: pairs of spans, and what differs in them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"
/* after cmocka */
#include "cli/diff_int.h"

#define SPAN(id, parent, name, more)                                                               \
    "{\"span_id\":\"" id "\",\"parent_span_id\":" parent ",\"step\":\"model\",\"name\":\"" name    \
    "\",\"start_time\":\"2026-01-01T00:00:00.000000000Z\",\"latency_ms\":5" more "}"

/* "group field a b; ..." of what is found. */
static void check(const char *a, const char *b, uint32_t ignored, const char *expected)
{
    struct arena arena;
    struct value left, right;
    struct differences found;
    struct buf out;
    arena_init(&arena, 4 * MIB);
    buf_init(&out, 64 * KIB);
    assert_int_equal(cli_json_parse(&arena, str_from_c(a), &left, NULL), ERR_OK);
    assert_int_equal(cli_json_parse(&arena, str_from_c(b), &right, NULL), ERR_OK);
    assert_true(diff_spans(&arena, &left, &right, ignored, &found));
    for (size_t i = 0; i < found.count; i++) {
        const struct difference *item = &found.items[i];
        buf_printf(&out, "%s%s %.*s", i ? "; " : "", diff_group_names[item->group],
                   STR_ARG(item->field.len ? item->field : STR_OF("span")));
        const struct value *values[2] = { item->a, item->b };
        for (int side = 0; side < 2 && item->field.len; side++) {
            buf_add_char(&out, ' ');
            if (values[side])
                value_to_json(&out, values[side]);
            else
                buf_add_char(&out, '?');
        }
        if (!item->field.len)
            buf_printf(&out, " of %s", item->span_a ? "a" : "b");
    }
    buf_add_char(&out, '\0');
    assert_string_equal(out.ptr, expected);
    buf_clear(&out);
    arena_clear(&arena);
}

static void the_same_trace_has_no_difference(void **state)
{
    (void)state;
    check("[]", "[]", 0, "");
    check("[" SPAN("01", "null", "a", ",\"temperature\":0.5") "]",
          "[" SPAN("77", "null", "a", ",\"temperature\":0.5,\"trace_id\":\"x\"") "]", 0, "");
    check("[" SPAN("01", "null", "a", ",\"temperature\":1") "]",
          "[" SPAN("77", "null", "a", ",\"temperature\":1.0") "]", 0, "");
}

static void exactly_what_was_changed_is_found(void **state)
{
    (void)state;
    check("[" SPAN("01", "null", "a", ",\"temperature\":0.5,\"source_ids\":[\"d1\",\"d2\"]") "]",
          "[" SPAN("77", "null", "a", ",\"temperature\":0.7,\"source_ids\":[\"d1\",\"d3\"]") "]", 0,
          "parameters temperature 0.5 0.7; retrieval source_ids [\"d1\",\"d2\"] [\"d1\",\"d3\"]");
    check("[" SPAN("01", "null", "a", ",\"usage\":{\"reasoning\":1}") "]",
          "[" SPAN("77", "null", "a", ",\"usage\":{\"reasoning\":null}") "]", 0,
          "cost usage.reasoning 1 ?");
    check("[" SPAN("01", "null", "a", ",\"attributes\":{\"x\":1,\"y\":{\"k\":[1]}}") "]",
          "[" SPAN("77", "null", "a", ",\"attributes\":{\"y\":{\"k\":[2]},\"z\":\"n\"}") "]", 0,
          "attributes x 1 ?; attributes y {\"k\":[1]} {\"k\":[2]}; attributes z ? \"n\"");
}

static void a_group_that_is_ignored_says_nothing(void **state)
{
    (void)state;
    const char *a = "[" SPAN("01", "null", "a", ",\"ttft_ms\":1,\"top_p\":1") "]";
    const char *b = "[" SPAN("77", "null", "a", ",\"ttft_ms\":2,\"top_p\":0.5") "]";
    check(a, b, 0, "parameters top_p 1 0.5; timing ttft_ms 1 2");
    check(a, b, 1U << DIFF_TIMING, "parameters top_p 1 0.5");
    check(a, b, 1U << DIFF_TIMING | 1U << DIFF_PARAMETERS, "");
}

static void children_are_paired_by_name_then_by_step(void **state)
{
    (void)state;
    check("[" SPAN("01", "null", "root", "") "," SPAN("02", "\"01\"", "x", "") "," SPAN(
              "03", "\"01\"", "y", ",\"top_p\":1") "]",
          "[" SPAN("01", "null", "root", "") "," SPAN("05", "\"01\"", "y", ",\"top_p\":0") "," SPAN(
              "06", "\"01\"", "z", "") "," SPAN("07", "\"01\"", "z", "") "]",
          0, "shape span of b; parameters top_p 1 0; shape name \"x\" \"z\"");
}

static void spans_in_one_trace_only_are_named(void **state)
{
    (void)state;
    check("[" SPAN("01", "null", "a", "") "]", "[]", 0, "shape span of a");
    check("[]", "[" SPAN("01", "null", "a", "") "]", 0, "shape span of b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_trace_has_no_difference),
        cmocka_unit_test(exactly_what_was_changed_is_found),
        cmocka_unit_test(a_group_that_is_ignored_says_nothing),
        cmocka_unit_test(children_are_paired_by_name_then_by_step),
        cmocka_unit_test(spans_in_one_trace_only_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
