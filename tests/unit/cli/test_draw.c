/* test_draw.c -- a trace as lines: branches, depth, and names that someone else wrote.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "cli/trace_int.h"
#include <locale.h>

static struct cli_call call;

static int setup(void **state)
{
    (void)state;
    setlocale(LC_CTYPE, "C.UTF-8");
    arena_init(&call.arena, 64 * MIB);
    call.screen = (struct cli_screen){ .width = 0 };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_clear(&call.arena);
    return 0;
}

static struct tree tree_of(const char *json)
{
    struct value *spans = arena_new(&call.arena, struct value, 1);
    struct tree tree;
    assert_int_equal(cli_json_parse(&call.arena, str_from_c(json), spans, NULL), ERR_OK);
    assert_true(tree_build(&call.arena, spans, &tree));
    return tree;
}

static str drawing_of(const struct tree *tree)
{
    struct buf out;
    buf_init(&out, 64 * MIB);
    trace_spans(&call, &call.arena, tree, &out);
    assert_false(buf_failed(&out));
    str copy = arena_str(&call.arena, buf_str(&out));
    buf_clear(&out);
    return copy;
}

#define SPAN(id, parent, name)                                                                     \
    "{\"span_id\":\"" id "\",\"parent_span_id\":" parent ",\"name\":\"" name                       \
    "\",\"step\":\"tool\",\"start_time\":\"2026-11-21T11:08:00Z\",\"latency_ms\":5}"

static void children_follow_their_parent_and_branches_show_it(void **state)
{
    (void)state;
    struct tree tree =
        tree_of("[" SPAN("1", "null", "root") "," SPAN("2", "\"1\"", "first") "," SPAN(
            "3", "\"1\"", "second") "," SPAN("4", "\"2\"", "inner") "]");
    str text = drawing_of(&tree);
    size_t root = str_find(text, STR_OF("root")), first = str_find(text, STR_OF("first"));
    size_t inner = str_find(text, STR_OF("inner")), second = str_find(text, STR_OF("second"));
    assert_true(root < first && first < inner && inner < second && second < text.len);
    assert_true(str_find(text, STR_OF("\xE2\x94\x82  \xE2\x94\x94\xE2\x94\x80 ")) < text.len);
    assert_int_equal(tree.nodes[3].depth, 2);
}

static void a_very_deep_trace_says_how_deep(void **state)
{
    (void)state;
    struct buf json;
    buf_init(&json, 4 * MIB);
    buf_add_char(&json, '[');
    for (int i = 0; i < 2000; i++)
        buf_printf(&json, "%s{\"span_id\":\"%d\",\"parent_span_id\":\"%d\",\"name\":\"x\"}",
                   i ? "," : "", i, i - 1);
    buf_add_char(&json, ']');
    buf_add_char(&json, '\0');
    struct tree tree = tree_of(json.ptr);
    str text = drawing_of(&tree);
    assert_true(str_find(text, STR_OF("(1999)")) < text.len);
    assert_true(text.len < 2000 * 400); /* deep lines are not ever longer */
    buf_clear(&json);
}

static void names_from_the_wire_are_harmless_and_cut_to_the_screen(void **state)
{
    (void)state;
    call.screen.width = 80;
    struct tree tree = tree_of("[" SPAN("1", "null",
                                        "\\u001b[31mred and a very, very long name that "
                                        "goes on beyond the screen\\u202e") "]");
    str text = drawing_of(&tree), line, rest = text;
    assert_int_equal(str_find_char(text, '\033'), text.len);
    while (str_next(&rest, '\n', &line))
        assert_true(cli_columns(line) <= 80);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(children_follow_their_parent_and_branches_show_it),
        TEST(a_very_deep_trace_says_how_deep),
        TEST(names_from_the_wire_are_harmless_and_cut_to_the_screen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
