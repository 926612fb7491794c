/* test_tree.c -- spans into a tree, whatever their parents say.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"
/* after cmocka */
#include "cli/trace_int.h"

/* The ids in the order in which they are drawn, each with its depth: "a0 b1 c2". */
static void check_order(const char *spans, const char *expected)
{
    struct arena arena;
    struct value value;
    struct tree tree;
    struct buf out;
    arena_init(&arena, 16 * MIB);
    buf_init(&out, MIB);
    assert_int_equal(cli_json_parse(&arena, str_from_c(spans), &value, NULL), ERR_OK);
    assert_true(tree_build(&arena, &value, &tree));
    for (uint32_t at = tree.first_root; at != TREE_NONE; at = tree_next(&tree, at))
        buf_printf(&out, "%s%.*s%u", out.len ? " " : "", STR_ARG(tree.nodes[at].id),
                   tree.nodes[at].depth);
    buf_add_char(&out, '\0');
    assert_string_equal(out.ptr, expected);
    buf_clear(&out);
    arena_clear(&arena);
}

/* shows: B4 */
static void children_follow_their_parent_in_the_order_of_the_answer(void **state)
{
    (void)state;
    check_order("[{\"span_id\":\"c\",\"parent_span_id\":\"b\"},{\"span_id\":\"a\"},"
                "{\"span_id\":\"b\",\"parent_span_id\":\"a\"},"
                "{\"span_id\":\"d\",\"parent_span_id\":\"a\"}]",
                "a0 b1 c2 d1");
}

static void a_span_whose_parent_is_absent_is_a_root(void **state)
{
    (void)state;
    check_order("[{\"span_id\":\"a\",\"parent_span_id\":\"x\"},{\"span_id\":\"b\"}]", "a0 b0");
    check_order("[{\"span_id\":\"a\",\"parent_span_id\":null}]", "a0");
    check_order("[]", "");
}

static void rings_and_own_parents_are_cut_open_once(void **state)
{
    (void)state;
    check_order("[{\"span_id\":\"a\",\"parent_span_id\":\"a\"}]", "a0");
    check_order("[{\"span_id\":\"a\",\"parent_span_id\":\"b\"},"
                "{\"span_id\":\"b\",\"parent_span_id\":\"a\"},"
                "{\"span_id\":\"c\",\"parent_span_id\":\"b\"}]",
                "b0 a1 c1");
}

/* Every span is drawn exactly once, whatever the parents are. */
static void any_parents_make_a_tree_of_all_spans(void **state)
{
    (void)state;
    enum { SPANS = 12, ROUNDS = 2000 };
    struct dice dice = { 3 };
    for (int round = 0; round < ROUNDS; round++) {
        struct buf text;
        struct arena arena;
        struct value value;
        struct tree tree;
        uint32_t seen = 0;
        buf_init(&text, MIB);
        arena_init(&arena, MIB);
        for (int i = 0; i < SPANS; i++)
            buf_printf(&text, "%c{\"span_id\":\"%d\",\"parent_span_id\":\"%u\"}", i ? ',' : '[', i,
                       dice_roll(&dice, SPANS + 2));
        buf_add_char(&text, ']');
        assert_int_equal(cli_json_parse(&arena, buf_str(&text), &value, NULL), ERR_OK);
        assert_true(tree_build(&arena, &value, &tree));
        for (uint32_t at = tree.first_root; at != TREE_NONE; at = tree_next(&tree, at)) {
            assert_false(seen >> at & 1);
            seen |= 1u << at;
        }
        assert_int_equal(seen, (1u << SPANS) - 1);
        buf_clear(&text);
        arena_clear(&arena);
    }
}

static void the_trace_spans_from_its_first_start_to_its_last_end(void **state)
{
    (void)state;
    struct arena arena;
    struct value value;
    struct tree tree;
    arena_init(&arena, MIB);
    str text =
        STR("[{\"span_id\":\"a\",\"start_time\":\"2026-11-21T11:00:01Z\",\"latency_ms\":500},"
            "{\"span_id\":\"b\",\"start_time\":\"2026-11-21T11:00:00Z\",\"latency_ms\":null},"
            "{\"span_id\":\"c\",\"start_time\":\"nonsense\",\"latency_ms\":-1}]");
    assert_int_equal(cli_json_parse(&arena, text, &value, NULL), ERR_OK);
    assert_true(tree_build(&arena, &value, &tree));
    assert_int_equal(tree.end_ns - tree.start_ns, 1500 * NS_PER_MS);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(children_follow_their_parent_in_the_order_of_the_answer),
        cmocka_unit_test(a_span_whose_parent_is_absent_is_a_root),
        cmocka_unit_test(rings_and_own_parents_are_cut_open_once),
        cmocka_unit_test(any_parents_make_a_tree_of_all_spans),
        cmocka_unit_test(the_trace_spans_from_its_first_start_to_its_last_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
