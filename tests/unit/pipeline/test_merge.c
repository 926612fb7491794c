/* test_merge.c -- versions of one span, and what events add to it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "pipeline/assemble.h"

static struct arena arena;
static const struct span nothing;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 64 * MIB);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static struct span *make(uint64_t id, const char *name)
{
    struct span *span = arena_new(&arena, struct span, 1);
    struct id8 span_id;
    memcpy(span_id.bytes, &id, sizeof span_id.bytes);
    SPAN_SET(span, span_id, span_id);
    if (name)
        SPAN_SET(span, name, str_from_c(name));
    return span;
}

static struct span *make_addition(uint64_t id, const char *name)
{
    struct span *span = make(id, name);
    span->is_addition = true;
    return span;
}

static str part_of(const struct span *span, enum content_role role)
{
    const struct content_part *part = span_part(span, role);
    return part ? part->json : STR_NONE;
}

static void the_later_version_wins_field_by_field(void **state)
{
    (void)state;
    struct span *open = make(1, "run"), *done = make(1, "run finished");
    SPAN_SET(open, user_id, STR_OF("u-1"));
    SPAN_SET(open, status, STR_OF("unset"));
    SPAN_SET(done, status, STR_OF("ok"));
    SPAN_SET(done, output_tokens, 12);
    span_merge(&arena, open, done);
    assert_true(str_equal_c(open->name, "run finished"));
    assert_true(str_equal_c(open->status, "ok"));
    assert_true(str_equal_c(open->user_id, "u-1")); /* unknown later does not wipe it */
    assert_int_equal(open->output_tokens, 12);
}

static void every_field_is_merged_with_its_whole_value(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        static const str texts[] = { STR("a"), STR("b") };
        static const double numbers[] = { 1, 2 };
        struct span from = nothing, into = nothing;
        enum field field = (enum field)i;
        enum field_type type = field_table[i].type;
        size_t size = 8;
        if (type == FIELD_TYPE_STRS)
            *(struct strs *)span_field(&from, field) = (struct strs){ texts, 2 };
        else if (type == FIELD_TYPE_F64S)
            *(struct f64s *)span_field(&from, field) = (struct f64s){ numbers, 2 };
        else if (type == FIELD_TYPE_STR || type == FIELD_TYPE_JSON)
            *(str *)span_field(&from, field) = texts[0];
        else if (type == FIELD_TYPE_BOOL)
            *(bool *)span_field(&from, field) = true;
        else
            memset(span_field(&from, field), 0x5a, type == FIELD_TYPE_ID16 ? 16 : 8);
        size = type == FIELD_TYPE_BOOL ? sizeof(bool)
               : type == FIELD_TYPE_STRS || type == FIELD_TYPE_F64S || type == FIELD_TYPE_ID16 ||
                       type == FIELD_TYPE_STR || type == FIELD_TYPE_JSON
                   ? 16
                   : size;
        span_mark(&from, field);
        span_merge(&arena, &into, &from);
        assert_true(span_knows(&into, field));
        assert_memory_equal(span_field(&into, field), span_field(&from, field), size);
        span_forget(&into, field);
        assert_memory_equal(into.known, nothing.known, sizeof into.known); /* and no other */
    }
}

static void the_longer_list_of_attributes_and_links_stays(void **state)
{
    (void)state;
    struct attr attrs[3] = { { STR("a"), { 0 } }, { STR("b"), { 0 } }, { STR("c"), { 0 } } };
    struct span_link links[2] = { 0 };
    struct span *first = make(1, "x"), *second = make(1, "x");
    first->attrs = attrs;
    first->attr_count = 3;
    second->attrs = attrs;
    second->attr_count = 1;
    second->links = links;
    second->link_count = 2;
    second->dropped_attr_count = 4;
    span_merge(&arena, first, second);
    assert_int_equal(first->attr_count, 3);
    assert_int_equal(first->link_count, 2);
    assert_int_equal(first->dropped_attr_count, 4);
}

static void an_addition_fills_in_and_overrules_no_envelope(void **state)
{
    (void)state;
    struct span *whole = make(1, "chat gpt-4o"), *event = make_addition(1, "gen_ai.choice");
    SPAN_SET(whole, start_time, 100);
    SPAN_SET(whole, latency_ns, 50);
    SPAN_SET(event, start_time, 120);
    SPAN_SET(event, kind, STR_OF("internal"));
    SPAN_SET(event, response_id, STR_OF("r-1"));
    span_merge(&arena, whole, event);
    assert_true(str_equal_c(whole->name, "chat gpt-4o"));
    assert_int_equal(whole->start_time, 100);
    assert_true(str_equal_c(whole->kind, "internal"));
    assert_true(str_equal_c(whole->response_id, "r-1"));
    assert_false(whole->is_addition);
}

static void the_order_of_span_and_event_does_not_matter(void **state)
{
    (void)state;
    for (int event_first = 0; event_first < 2; event_first++) {
        struct span *whole = make(1, "chat"), *event = make_addition(1, "event");
        struct span *list[] = { event_first ? event : whole, event_first ? whole : event };
        size_t count = 0;
        span_add_part(whole, CONTENT_OUTPUT, STR_OF("[\"own\"]"));
        span_add_part(event, CONTENT_OUTPUT, STR_OF("[\"told\"]"));
        span_add_part(event, CONTENT_INPUT, STR_OF("[\"asked\"]"));
        assemble_merge(&arena, list, 2, &count);
        assert_int_equal(count, 1);
        assert_true(str_equal_c(list[0]->name, "chat"));
        assert_true(str_equal_c(part_of(list[0], CONTENT_OUTPUT), "[\"own\"]"));
        assert_true(str_equal_c(part_of(list[0], CONTENT_INPUT), "[\"asked\"]"));
        assert_false(list[0]->is_addition);
    }
}

static void messages_of_events_follow_each_other_in_the_order_of_arrival(void **state)
{
    (void)state;
    static const str messages[] = { STR("[1]"), STR("[]"), STR("[2,3]"), STR("[4]") };
    struct span *list[COUNT_OF(messages) + 1];
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(messages); i++) {
        list[i] = make_addition(7, NULL);
        span_add_part(list[i], CONTENT_INPUT, messages[i]);
    }
    list[COUNT_OF(messages)] = make(7, "chat");
    assemble_merge(&arena, list, COUNT_OF(list), &count);
    assert_int_equal(count, 1);
    assert_true(str_equal_c(part_of(list[0], CONTENT_INPUT), "[1,2,3,4]"));
}

static void later_content_of_a_whole_span_replaces_the_earlier(void **state)
{
    (void)state;
    struct span *first = make(1, "x"), *second = make(1, "x");
    span_add_part(first, CONTENT_INPUT, STR_OF("[1]"));
    span_add_part(first, CONTENT_TOOLS, STR_OF("[9]"));
    span_add_part(second, CONTENT_INPUT, STR_OF("[1,2]"));
    span_merge(&arena, first, second);
    assert_true(str_equal_c(part_of(first, CONTENT_INPUT), "[1,2]"));
    assert_true(str_equal_c(part_of(first, CONTENT_TOOLS), "[9]"));
    assert_int_equal(first->part_count, 2);
}

static void parts_past_the_limit_are_left_out(void **state)
{
    (void)state;
    struct span *full = make(1, "x"), *more = make(1, "x");
    for (int i = 0; i < SPAN_PARTS_MAX; i++)
        span_add_part(full, CONTENT_OTHER, STR_OF("{}"));
    span_add_part(more, CONTENT_INPUT, STR_OF("[1]"));
    span_merge(&arena, full, more);
    assert_int_equal(full->part_count, SPAN_PARTS_MAX);
    assert_null(span_part(full, CONTENT_INPUT));
}

static void an_event_whose_span_never_came_stands_for_itself(void **state)
{
    (void)state;
    struct span *list[] = { make_addition(1, "event") };
    size_t count = 0;
    assemble_merge(&arena, list, 1, &count);
    assert_int_equal(count, 1);
    assert_false(list[0]->is_addition);
    assemble_merge(&arena, list, 0, &count);
    assert_int_equal(count, 0);
}

/* Against a plain map from id to the last value, by any mixture of ids. */
static void last_values_stay(struct dice *dice)
{
    enum { IDS = 20, RECORDS = 200 };
    for (int round = 0; round < 100; round++) {
        struct span *list[RECORDS];
        int64_t last[IDS], starts[IDS];
        bool seen[IDS] = { false };
        size_t count = 0, expected = 0;
        for (size_t i = 0; i < RECORDS; i++) {
            uint32_t id = dice_roll(dice, IDS);
            list[i] = make(id + 1, "x");
            SPAN_SET(list[i], input_tokens, (int64_t)i);
            SPAN_SET(list[i], start_time, dice_roll(dice, 5));
            expected += !seen[id];
            seen[id] = true;
            last[id] = (int64_t)i;
            starts[id] = list[i]->start_time;
        }
        assemble_merge(&arena, list, RECORDS, &count);
        assert_int_equal(count, expected);
        for (size_t i = 0; i < count; i++) {
            uint64_t id;
            memcpy(&id, list[i]->span_id.bytes, sizeof id);
            assert_int_equal(list[i]->input_tokens, last[id - 1]);
            assert_int_equal(list[i]->start_time, starts[id - 1]);
            assert_true(i == 0 || list[i - 1]->start_time <= list[i]->start_time);
        }
        arena_reset(&arena);
    }
}

static void of_many_records_the_last_of_each_span_stays_in_order_of_start(void **state)
{
    (void)state;
    dice_each_seed(last_values_stay);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
/* Create and update, each a part: LangSmith, Langfuse and Weave send calls like this. */
static void parts_of_a_span_in_any_order_make_it_whole(void **state)
{
    (void)state;
    for (int late_start = 0; late_start < 2; late_start++) {
        struct span *begun = make_addition(1, "call"), *ended = make_addition(1, NULL);
        SPAN_SET(begun, start_time, 5000);
        SPAN_SET(begun, received_time, 9000);
        SPAN_SET(ended, end_time, 7500);
        SPAN_SET(ended, received_time, 9100);
        SPAN_SET(ended, status, STR_OF("error"));
        struct span *spans[] = { late_start ? ended : begun, late_start ? begun : ended };
        size_t count;
        assemble_merge(&arena, spans, 2, &count);
        assert_int_equal(count, 1);
        assert_true(str_equal_c(spans[0]->name, "call"));
        assert_int_equal(spans[0]->start_time, 5000);
        assert_int_equal(spans[0]->latency_ns, 2500);
        assert_true(str_equal_c(spans[0]->status, "error"));
        assert_false(spans[0]->is_addition);
    }
}

static void a_part_that_stays_alone_begins_when_it_ends_or_was_received(void **state)
{
    (void)state;
    struct span *ended = make_addition(1, NULL), *named = make_addition(2, "late");
    SPAN_SET(ended, end_time, 7500);
    SPAN_SET(ended, received_time, 9000);
    SPAN_SET(named, received_time, 9100);
    struct span *spans[] = { ended, named };
    size_t count;
    assemble_merge(&arena, spans, 2, &count);
    assert_int_equal(count, 2);
    assert_int_equal(spans[0]->start_time, 7500);
    assert_false(SPAN_KNOWS(spans[0], latency_ns));
    assert_int_equal(spans[1]->start_time, 9100);
    assert_true(str_equal_c(spans[1]->status, "unset"));
}

static void the_later_part_says_what_both_say_and_attributes_add_up(void **state)
{
    (void)state;
    struct span *begun = make_addition(1, "call"), *ended = make_addition(1, "call, renamed");
    struct attr first[] = { { STR("a"), value_i64(1) },
                            { STR("b"), value_i64(1) },
                            { STR("c"), value_i64(1) } };
    struct attr second[] = { { STR("b"), value_i64(2) } };
    begun->attrs = first;
    begun->attr_count = COUNT_OF(first);
    ended->attrs = second;
    ended->attr_count = COUNT_OF(second);
    SPAN_SET(begun, start_time, 5000);
    struct span *spans[] = { begun, ended };
    size_t count;
    assemble_merge(&arena, spans, 2, &count);
    assert_true(str_equal_c(spans[0]->name, "call, renamed"));
    assert_int_equal(spans[0]->attr_count, 3);
    const struct attr *a = attr_find(spans[0]->attrs, 3, STR_OF("a"));
    const struct attr *b = attr_find(spans[0]->attrs, 3, STR_OF("b"));
    assert_int_equal(a->value.i64, 1);
    assert_int_equal(b->value.i64, 2);
}

static void an_attribute_of_the_span_itself_overrules_that_of_an_addition(void **state)
{
    (void)state;
    struct span *whole = make(1, "chat"), *started = make_addition(1, "chat");
    struct attr own[] = { { STR("logfire.span_type"), value_str(STR_OF("span")) } };
    struct attr told[] = { { STR("logfire.span_type"), value_str(STR_OF("pending_span")) },
                           { STR("only.told"), value_i64(1) } };
    whole->attrs = own;
    whole->attr_count = COUNT_OF(own);
    started->attrs = told;
    started->attr_count = COUNT_OF(told);
    span_merge(&arena, whole, started);
    assert_int_equal(whole->attr_count, 2);
    const struct attr *kind = attr_find(whole->attrs, 2, STR_OF("logfire.span_type"));
    assert_true(str_equal_c(kind->value.text, "span"));
}

static void a_version_that_knows_no_usage_does_not_hide_where_it_came_from(void **state)
{
    (void)state;
    struct span *first = make(1, "chat"), *second = make(1, NULL);
    SPAN_SET(first, input_tokens, 5);
    SPAN_SET(first, usage_source, STR_OF("reported"));
    SPAN_SET(second, usage_source, STR_OF("unknown"));
    span_merge(&arena, first, second);
    assert_true(str_equal_c(first->usage_source, "reported"));
    SPAN_SET(second, usage_source, STR_OF("partial"));
    span_merge(&arena, first, second);
    assert_true(str_equal_c(first->usage_source, "partial"));
}

static void what_was_derived_of_a_stored_part_is_open_again(void **state)
{
    (void)state;
    struct span *ended = make_addition(1, NULL);
    SPAN_SET(ended, source_id, STR_OF("run-1"));
    SPAN_SET(ended, end_time, 7500);
    SPAN_SET(ended, output_tokens, 3);
    struct span *spans[2] = { ended };
    size_t count;
    assemble_merge(&arena, spans, 1, &count);
    assert_int_equal(ended->start_time, 7500);
    assert_true(str_equal_c(ended->flags.items[0], ASSEMBLE_START_UNKNOWN));
    assert_true(str_equal_c(ended->step, "request"));

    assemble_reopen(&arena, ended); /* its beginning comes after it was stored */
    struct span *begun = make_addition(1, "call");
    SPAN_SET(begun, source_id, STR_OF("run-1"));
    SPAN_SET(begun, start_time, 5000);
    SPAN_SET(begun, step, STR_OF("model"));
    SPAN_SET(begun, request_model, STR_OF("m"));
    spans[0] = ended;
    spans[1] = begun;
    assemble_merge(&arena, spans, 2, &count);
    assert_int_equal(count, 1);
    assert_int_equal(spans[0]->start_time, 5000);
    assert_int_equal(spans[0]->latency_ns, 2500);
    assert_false(SPAN_KNOWS(spans[0], flags));
    assert_true(str_equal_c(spans[0]->step, "model"));
    assert_true(str_equal_c(spans[0]->generator_model, "m"));
    assert_true(str_equal_c(spans[0]->usage_source, "unknown"));
}

static void a_whole_span_is_not_opened_again(void **state)
{
    (void)state;
    struct span *whole = make(1, "call");
    SPAN_SET(whole, status, STR_OF("unset"));
    assemble_reopen(&arena, whole);
    assert_false(whole->is_addition);
    assert_true(str_equal_c(whole->status, "unset"));
}

static void of_two_parts_the_one_with_the_end_is_the_later(void **state)
{
    (void)state;
    struct span *ended = make_addition(1, "renamed"), *begun = make_addition(1, "call");
    SPAN_SET(ended, start_time, 5000);
    SPAN_SET(ended, latency_ns, 100);
    SPAN_SET(begun, start_time, 5000);
    struct span *spans[] = { ended, begun };
    size_t count;
    assemble_merge(&arena, spans, 2, &count);
    assert_true(str_equal_c(spans[0]->name, "renamed"));
}

static void objects_of_versions_join_and_what_says_nothing_wipes_nothing(void **state)
{
    (void)state;
    struct span *begun = make_addition(1, "call"), *ended = make_addition(1, "call");
    SPAN_SET(begun, source_id, STR_OF("run-1"));
    SPAN_SET(ended, source_id, STR_OF("run-1"));
    span_add_part(begun, CONTENT_PREVIEW, STR_OF("{\"input\":\"hi\",\"output\":null}"));
    span_add_part(ended, CONTENT_PREVIEW, STR_OF("{\"input\":null,\"output\":\"ho\"}"));
    span_add_part(begun, CONTENT_OTHER, STR_OF("{\"a\":1,\"b\":1}"));
    span_add_part(ended, CONTENT_OTHER, STR_OF("{\"b\":2}"));
    span_add_part(begun, CONTENT_INPUT, STR_OF("[1]"));
    span_add_part(ended, CONTENT_INPUT, STR_OF("[2]"));
    span_merge(&arena, begun, ended);
    assert_true(
        str_equal_c(part_of(begun, CONTENT_PREVIEW), "{\"input\":\"hi\",\"output\":\"ho\"}"));
    assert_true(str_equal_c(part_of(begun, CONTENT_OTHER), "{\"b\":2,\"a\":1}"));
    assert_true(str_equal_c(part_of(begun, CONTENT_INPUT), "[2]"));
}

/* Opik's updates do not repeat what kind of span it is. */
static void what_a_tool_gave_is_its_result_though_the_part_did_not_know_of_a_tool(void **state)
{
    (void)state;
    struct span *begun = make_addition(1, "lookup"), *ended = make_addition(1, NULL);
    SPAN_SET(begun, source_id, STR_OF("o"));
    SPAN_SET(ended, source_id, STR_OF("o"));
    SPAN_SET(begun, start_time, 5000);
    SPAN_SET(begun, step, STR_OF("tool"));
    span_add_part(begun, CONTENT_INPUT, STR_OF("[{\"parts\":[{\"content\":\"plain words\"}]}]"));
    span_add_part(ended, CONTENT_OUTPUT, STR_OF("[{\"parts\":[{\"content\":\"{\\\"n\\\":1}\"}]}]"));
    struct span *spans[] = { begun, ended };
    size_t count;
    assemble_merge(&arena, spans, 2, &count);
    assert_true(str_equal_c(part_of(spans[0], CONTENT_TOOL_RESULT), "{\"n\":1}"));
    assert_true(str_is_none(part_of(spans[0], CONTENT_OUTPUT)));
    assert_false(str_is_none(part_of(spans[0], CONTENT_INPUT)));
}

/* Langfuse's JavaScript SDK gives an update its own time. */
static void versions_with_a_start_of_their_own_begin_with_the_first(void **state)
{
    (void)state;
    struct span *begun = make_addition(1, "trace"), *updated = make_addition(1, NULL);
    SPAN_SET(begun, source_id, STR_OF("t"));
    SPAN_SET(updated, source_id, STR_OF("t"));
    SPAN_SET(begun, start_time, 5000);
    SPAN_SET(begun, latency_ns, 10);
    SPAN_SET(begun, step, STR_OF("model"));
    SPAN_SET(updated, start_time, 7000);
    SPAN_SET(updated, latency_ns, 500);
    SPAN_SET(updated, step, STR_OF("other"));
    struct span *spans[] = { begun, updated };
    size_t count;
    assemble_merge(&arena, spans, 2, &count);
    assert_int_equal(spans[0]->start_time, 5000);
    assert_int_equal(spans[0]->latency_ns, 2500);
    assert_true(str_equal_c(spans[0]->step, "model"));
}

static void an_update_after_the_end_is_the_later_one_and_the_first_token_counts(void **state)
{
    (void)state;
    struct span *begun = make_addition(1, "call"), *ended = make_addition(1, NULL);
    struct span *late = make_addition(1, NULL);
    SPAN_SET(begun, source_id, STR_OF("o"));
    SPAN_SET(ended, source_id, STR_OF("o"));
    SPAN_SET(late, source_id, STR_OF("o"));
    SPAN_SET(begun, start_time, 5000);
    SPAN_SET(ended, end_time, 7500);
    SPAN_SET(ended, output_tokens, 3);
    SPAN_SET(ended, first_token_time, 5600);
    SPAN_SET(late, output_tokens, 30);
    struct span *spans[] = { ended, late, begun };
    size_t count;
    assemble_merge(&arena, spans, 3, &count);
    assert_int_equal(count, 1);
    assert_int_equal(spans[0]->output_tokens, 30);
    assert_int_equal(spans[0]->latency_ns, 2500);
    assert_int_equal(spans[0]->ttft_ns, 600);
    assert_false(SPAN_KNOWS(spans[0], first_token_time));
}

static void what_is_said_of_a_trace_is_given_to_its_root(void **state)
{
    (void)state;
    struct span *root = make(1, "root"), *child = make(2, "child"), *said = make_addition(0, NULL);
    SPAN_SET(root, start_time, 100);
    SPAN_SET(child, start_time, 50); /* clocks of two machines */
    SPAN_SET(child, parent_span_id, root->span_id);
    said->span_id = id8_of_root();
    SPAN_SET(said, session_id, STR_OF("chat-9"));
    struct span *spans[] = { said, child, root };
    size_t count;
    assemble_merge(&arena, spans, 3, &count);
    assert_int_equal(count, 2);
    assert_true(str_equal_c(spans[1]->name, "root"));
    assert_true(str_equal_c(spans[1]->session_id, "chat-9"));
    assert_int_equal(spans[1]->span_id.bytes[0], 1);
    assert_false(spans[1]->is_addition || SPAN_KNOWS(spans[0], session_id));
}

static void a_span_whose_id_is_all_ones_is_a_span_like_others(void **state)
{
    (void)state;
    struct span *root = make(1, "root"), *child = make(2, "child");
    memset(&root->span_id, 0xff, sizeof root->span_id);
    SPAN_SET(child, parent_span_id, root->span_id);
    struct span *spans[] = { child, root };
    size_t count;
    assemble_merge(&arena, spans, 2, &count);
    assert_int_equal(count, 2);
}

static void what_is_said_of_a_trace_without_spans_stands_for_itself(void **state)
{
    (void)state;
    struct span *said = make_addition(0, NULL);
    said->span_id = id8_of_root();
    SPAN_SET(said, received_time, 7);
    struct span *spans[] = { said };
    size_t count;
    assemble_merge(&arena, spans, 1, &count);
    assert_int_equal(count, 1);
    assert_int_equal(spans[0]->start_time, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_later_version_wins_field_by_field),
        TEST(every_field_is_merged_with_its_whole_value),
        TEST(the_longer_list_of_attributes_and_links_stays),
        TEST(an_addition_fills_in_and_overrules_no_envelope),
        TEST(the_order_of_span_and_event_does_not_matter),
        TEST(messages_of_events_follow_each_other_in_the_order_of_arrival),
        TEST(later_content_of_a_whole_span_replaces_the_earlier),
        TEST(parts_past_the_limit_are_left_out),
        TEST(an_event_whose_span_never_came_stands_for_itself),
        TEST(of_many_records_the_last_of_each_span_stays_in_order_of_start),
        TEST(parts_of_a_span_in_any_order_make_it_whole),
        TEST(what_is_said_of_a_trace_is_given_to_its_root),
        TEST(a_span_whose_id_is_all_ones_is_a_span_like_others),
        TEST(what_is_said_of_a_trace_without_spans_stands_for_itself),
        TEST(a_version_that_knows_no_usage_does_not_hide_where_it_came_from),
        cmocka_unit_test_setup_teardown(a_part_that_stays_alone_begins_when_it_ends_or_was_received,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            an_attribute_of_the_span_itself_overrules_that_of_an_addition, setup, teardown),
        TEST(what_a_tool_gave_is_its_result_though_the_part_did_not_know_of_a_tool),
        TEST(versions_with_a_start_of_their_own_begin_with_the_first),
        TEST(an_update_after_the_end_is_the_later_one_and_the_first_token_counts),
        cmocka_unit_test_setup_teardown(the_later_part_says_what_both_say_and_attributes_add_up,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_derived_of_a_stored_part_is_open_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_whole_span_is_not_opened_again, setup, teardown),
        cmocka_unit_test_setup_teardown(of_two_parts_the_one_with_the_end_is_the_later, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            objects_of_versions_join_and_what_says_nothing_wipes_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
