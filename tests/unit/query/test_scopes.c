/* test_scopes.c -- filters that look beyond one span: other spans, sums, the trace's row, scores.
 *
 * Meaning is checked by asking the reference store for a small tree; the other store is held to
 * the same answers by tests/unit/store/test_filters.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */
#include "query/query.h"

/* Two traces of p1:  1: root(a) > agent(b) > tool(c) tool(d) model(e);  2: root(f) > model(g).
 * A filter's answer is the letters of the spans that match. */
struct fixture {
    struct arena arena;
    struct store *store;
};

static struct id16 trace_of(uint8_t number)
{
    return (struct id16){ { number } };
}

static struct id8 span_of(char letter)
{
    return (struct id8){ { (uint8_t)letter } };
}

static struct store_span span_make(uint8_t trace, const char *name, char parent, const char *step)
{
    struct store_span row = { .settled = false };
    SPAN_SET(&row.span, project, STR_OF("p1"));
    SPAN_SET(&row.span, trace_id, trace_of(trace));
    SPAN_SET(&row.span, span_id, span_of(name[0]));
    SPAN_SET(&row.span, name, str_from_c(name));
    SPAN_SET(&row.span, step, str_from_c(step));
    SPAN_SET(&row.span, start_time, (int64_t)name[0] * NS_PER_S);
    SPAN_SET(&row.span, latency_ns, (int64_t)(name[0] - 'a' + 1) * NS_PER_S);
    SPAN_SET(&row.span, session_id, trace == 1 ? STR_OF("s1") : STR_OF("s2"));
    if (parent)
        SPAN_SET(&row.span, parent_span_id, span_of(parent));
    return row;
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    arena_init(&f->arena, 16 * MIB);
    assert_int_equal(store_memory.open(&(struct store_config){ 0 }, &f->store, NULL), ERR_OK);
    struct store_span rows[] = {
        span_make(1, "a/base", 0, "request"), span_make(1, "b agent", 'a', "agent"),
        span_make(1, "c shell", 'b', "tool"), span_make(1, "d search", 'b', "tool"),
        span_make(1, "e chat", 'b', "model"), span_make(2, "f/base", 0, "request"),
        span_make(2, "g chat", 'f', "model"),
    };
    SPAN_SET(&rows[4].span, cost_nanousd, INT64_C(600000000));
    SPAN_SET(&rows[1].span, cost_nanousd, INT64_C(600000000)); /* the same call again */
    SPAN_SET(&rows[1].span, rollup, true);
    SPAN_SET(&rows[6].span, cost_nanousd, INT64_C(100000000));
    SPAN_SET(&rows[6].span, response_id, STR_OF("resp-g"));
    struct attr items = { STR("shop.items"), value_i64(3) };
    rows[2].span.attrs = &items;
    rows[2].span.attr_count = 1;
    assert_int_equal(store_memory.append(f->store, rows, COUNT_OF(rows), NULL), ERR_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    store_memory.close(f->store);
    arena_clear(&f->arena);
    xfree(f);
    return 0;
}

static void put_score(struct fixture *f, struct score score)
{
    static uint8_t number;
    score.score_id = trace_of(++number);
    str project = STR_OF("p1");
    struct store_commit commit = { .scores = &score, .score_projects = &project, .score_count = 1 };
    assert_int_equal(store_memory.commit(f->store, &commit, NULL), ERR_OK);
}

static const struct filter *parse(struct fixture *f, const char *text)
{
    const struct filter *filter;
    struct diag why = DIAG_NONE;
    if (query_parse_filter(&f->arena, str_from_c(text), 0, &filter, &why) != ERR_OK)
        fail_msg("%s: %s at %zu", text, why.text, why.offset);
    return filter;
}

static struct store_list list_of(const struct filter *filter)
{
    return (
        struct store_list){ .scope = { .project = STR_OF("p1"), .range = { INT64_MIN, INT64_MAX } },
                            .filter = filter,
                            .limit = 100 };
}

/* Oldest first. */
static void expect(struct fixture *f, const char *text, const char *letters)
{
    struct store_list list = list_of(parse(f, text));
    struct store_span *spans;
    size_t count;
    char found[16] = "";
    assert_int_equal(store_memory.spans(f->store, &list, &f->arena, &spans, &count, NULL), ERR_OK);
    for (size_t i = 0; i < count; i++)
        found[i] = spans[count - 1 - i].span.name.ptr[0];
    if (strcmp(found, letters) != 0)
        fail_msg("%s: '%s', not '%s'", text, found, letters);
}

/* Numbers of the traces that match, oldest first. */
static void expect_traces(struct fixture *f, const char *text, const char *numbers)
{
    struct store_list list = list_of(parse(f, text));
    struct trace_row *traces;
    size_t count;
    char found[16] = "";
    assert_int_equal(store_memory.traces(f->store, &list, &f->arena, &traces, &count, NULL),
                     ERR_OK);
    for (size_t i = 0; i < count; i++)
        found[i] = (char)('0' + traces[count - 1 - i].trace_id.bytes[0]);
    if (strcmp(found, numbers) != 0)
        fail_msg("%s: '%s', not '%s'", text, found, numbers);
}

static void scopes_ask_other_spans_of_the_trace(void **state)
{
    struct fixture *f = *state;
    expect(f, "any(op:tool)", "abcde");
    expect(f, "not any(op:tool)", "fg");
    expect(f, "root(name:f*)", "fg");
    expect(f, "op:model any(op:tool name:*shell)", "e");
    expect(f, "parent(op:agent)", "cde");
    expect(f, "not parent(op:agent)", "abfg");
    expect(f, "child(op:tool)", "b");
    expect(f, "ancestor(op:request)", "bcdeg");
    expect(f, "ancestor(op:agent)", "cde");
    expect(f, "descendant(op:tool)", "ab");
    expect(f, "descendant(op:model) -descendant(op:tool)", "f");
    expect(f, "parent(op:agent child(op:tool))", "cde");
    expect(f, "parent(parent(name:\"a/base\"))", "cde");
    expect(f, "ANY(op:tool) op:request", "a");
}

static void counts_and_sums_are_of_the_whole_trace(void **state)
{
    struct fixture *f = *state;
    expect(f, "count(op:tool)>1", "abcde");
    expect(f, "count(op:tool)<1", "fg");
    expect(f, "count(op:tool):0", "fg");
    expect(f, "count(op:tool)!=0", "abcde");
    expect(f, "count()>=5 op:agent", "b");
    expect(f, "sum(cost):0.6", "abcde"); /* what only repeats it is left out */
    expect(f, "sum(cost)<0.5", "fg");
    expect(f, "sum(cost, op:model)>$0.05 op:model", "eg");
    expect(f, "max(latency)>6s", "fg");
    expect(f, "max(latency, op:tool)>3s op:agent", "b");
    expect(f, "min(latency)<2s", "abcde");
    expect(f, "avg(latency)<=3s", "abcde");
    expect(f, "sum(shop.items)>2", "abcde");
    expect(f, "not sum(shop.items)>2", "fg");
    expect(f, "sum(tokens)>0 or not sum(tokens)>0", "abcdefg");
    expect(f, "sum(shop.items)!=4 op:tool", "cd");
}

static void the_trace_itself_can_be_asked(void **state)
{
    struct fixture *f = *state;
    expect(f, "trace.cost>0.5", "abcde");
    expect(f, "trace.cost<0.5", "fg");
    expect(f, "trace.service:x or trace.session:s2", "fg");
    expect(f, "trace(cost>0.5 session:s1) op:tool", "cd");
    expect(f, "trace.cost!=0.1 op:request", "a");
    expect(f, "has:trace.cost op:request", "af");
    expect(f, "trace(req_7) or trace(req_8 req_9)", "");
    expect_traces(f, "trace.cost>0.5", "1");
    expect_traces(f, "any(op:tool)", "1");
    expect_traces(f, "parent(op:request) cost<0.5", "2");
    expect_traces(f, "count(op:tool)>1", "1");
    expect_traces(f, "count(op:tool)<1", "2");
    expect_traces(f, "not child(op:tool)", "2");
}

/* shows: H5 */
static void scores_are_asked_by_any_name(void **state)
{
    struct fixture *f = *state;
    put_score(f, (struct score){ .name = STR_OF("faithfulness"),
                                 .has_trace_id = true,
                                 .trace_id = trace_of(1),
                                 .has_span_id = true,
                                 .span_id = span_of('e'),
                                 .has_value = true,
                                 .value = 0.4 });
    put_score(f, (struct score){ .name = STR_OF("context.recall"),
                                 .has_trace_id = true,
                                 .trace_id = trace_of(1),
                                 .has_value = true,
                                 .value = 0.9 });
    put_score(f, (struct score){ .name = STR_OF("odd name"),
                                 .type = SCORE_LABEL,
                                 .response_id = STR_OF("resp-g"),
                                 .label = STR_OF("off topic") });
    put_score(f, (struct score){ .name = STR_OF("thumb"),
                                 .type = SCORE_BOOL,
                                 .session_id = STR_OF("s2"),
                                 .has_value = true,
                                 .value = 0 });
    expect(f, "score.faithfulness<0.7", "e");
    expect(f, "score.\"faithfulness\"<0.7", "e");
    expect(f, "score.faithfulness<0.7 score.context.recall>0.8", "e");
    expect(f, "score.context.recall>0.8", "abcde");
    expect(f, "score.\"odd name\":\"off topic\"", "g");
    expect(f, "score.\"odd name\":off*", "g");
    expect(f, "score.\"odd name\"~/^off/", "g");
    expect(f, "score.thumb:false", "fg");
    expect(f, "score.thumb:true or score.thumb:\"false\"", "");
    expect(f, "has:score.thumb", "fg");
    expect(f, "has:score.\"odd name\"", "g");
    expect(f, "score.faithfulness!=1", "e");
    expect(f, "any(score.faithfulness<0.7) op:tool", "cd");
    expect_traces(f, "score.faithfulness<0.7 score.context.recall>0.8", "1");
    expect_traces(f, "score.\"odd name\":*topic score.thumb:false", "2");
    expect_traces(f, "not has:score.thumb", "1");
}

static void regular_expressions_find_parts(void **state)
{
    struct fixture *f = *state;
    expect(f, "name~/^[ab]/", "ab");
    expect(f, "name~/CHAT$/i", "eg");
    expect(f, "name~/CHAT$/", "");
    expect(f, "name~/\\/base/ op:request", "af");
    expect(f, "name~/ (s|a)[a-z]+$/", "bcd");
    expect(f, "any(name~/shell/) op:model", "e");
    expect(f, "has:cost op~/^mod/", "eg");
}

struct refusal {
    const char *text;
    enum err code;
    size_t offset;
    const char *hint;
};

static void errors_point_at_what_is_wrong(void **state)
{
    struct fixture *f = *state;
    static const struct refusal refusals[] = {
        { "anny(op:tool)", ERR_BAD_INPUT, 0, "'any('" },
        { "a childd(op:tool)", ERR_BAD_INPUT, 2, "'child('" },
        { "zzzzzz(op:tool)", ERR_BAD_INPUT, 0, "space" },
        { "any()", ERR_BAD_INPUT, 4, "" },
        { "any(op:tool", ERR_BAD_INPUT, 11, "" },
        { "any(tol:x)", ERR_BAD_INPUT, 4, "'tool'" },
        { "count(op:tool)", ERR_BAD_INPUT, 14, "" },
        { "count(op:tool)>x", ERR_BAD_INPUT, 15, "" },
        { "count(op:tool)>1.5", ERR_BAD_INPUT, 15, "" },
        { "count(op:tool):(1 or 2)", ERR_BAD_INPUT, 15, "" },
        { "count(op:tool)~/1/", ERR_BAD_INPUT, 15, "" },
        { "sum()>1", ERR_BAD_INPUT, 4, "" },
        { "sum(name)>1", ERR_BAD_INPUT, 4, "" },
        { "sum(start)>1", ERR_BAD_INPUT, 4, "" },
        { "sum(cots)>1", ERR_BAD_INPUT, 4, "'cost'" },
        { "sum(cost)>lots", ERR_BAD_INPUT, 10, "" },
        { "sum(cost op:chat)>1", ERR_BAD_INPUT, 9, "" },
        { "max(latency)>5parsec", ERR_BAD_INPUT, 13, "" },
        { "trace.tool:x", ERR_BAD_INPUT, 0, "any(" },
        { "trace.name:x", ERR_BAD_INPUT, 0, "any(" },
        { "trace(tool:x)", ERR_BAD_INPUT, 6, "any(" },
        { "trace(any(op:tool))", ERR_BAD_INPUT, 6, "" },
        { "trace.cots>1", ERR_BAD_INPUT, 0, "'cost'" },
        { "trace(score.x<1)", ERR_BAD_INPUT, 6, "any(" },
        { "score.:1", ERR_BAD_INPUT, 0, "score.faithfulness" },
        { "score.x>good", ERR_BAD_INPUT, 8, "" },
        { "name~/a", ERR_BAD_INPUT, 5, "" },
        { "name~/a/b", ERR_BAD_INPUT, 8, "" },
        { "name~/a(/", ERR_BAD_INPUT, 7, "" },
        { "name~/\\/(/i", ERR_BAD_INPUT, 8, "" },
        { "name~/(?=a)/", ERR_BAD_INPUT, 6, "" },
        { "name~/(a)\\1/", ERR_BAD_INPUT, 9, "" },
        { "latency~/1/", ERR_BAD_INPUT, 8, "" },
        { "trace_id~/1/", ERR_BAD_INPUT, 9, "" },
        { "name~/(a{100}){100}/", ERR_LIMIT, 6, "" },
    };
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        const struct refusal *want = &refusals[i];
        const struct filter *filter = NULL;
        struct diag why = DIAG_NONE;
        enum err code = query_parse_filter(&f->arena, str_from_c(want->text), 0, &filter, &why);
        if (code != want->code || why.offset != want->offset || !strstr(why.hint, want->hint))
            fail_msg("%s: %s at %zu: %s (%s)", want->text, err_name(code), why.offset, why.text,
                     why.hint);
    }
}

static enum err parse_repeated(struct fixture *f, size_t count, const char *piece, const char *last)
{
    const struct filter *filter;
    struct buf text;
    buf_init(&text, MIB);
    for (size_t i = 0; i < count; i++)
        buf_add_c(&text, piece);
    buf_add_c(&text, last);
    for (size_t i = 0; i < count && strchr(piece, '('); i++)
        buf_add_char(&text, ')');
    enum err code = query_parse_filter(&f->arena, buf_str(&text), 0, &filter, NULL);
    buf_clear(&text);
    return code;
}

static void limits_hold_at_and_past(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(parse_repeated(f, QUERY_BEYOND_MAX, "any(", "op:tool"), ERR_OK);
    assert_int_equal(parse_repeated(f, QUERY_BEYOND_MAX + 1, "any(", "op:tool"), ERR_LIMIT);
    assert_int_equal(parse_repeated(f, QUERY_BEYOND_MAX, "score.x:1 ", "op:tool"), ERR_OK);
    assert_int_equal(parse_repeated(f, QUERY_BEYOND_MAX + 1, "score.x:1 ", "op:tool"), ERR_LIMIT);
    assert_int_equal(parse_repeated(f, QUERY_BEYOND_MAX - 1, "not any(", "count()>1"), ERR_OK);
    assert_int_equal(parse_repeated(f, QUERY_BEYOND_MAX, "not any(", "count()>1"), ERR_LIMIT);
}

static void live_tail_refuses_what_one_span_cannot_answer(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        size_t offset; /* SIZE_MAX: it can */
    } filters[] = {
        { "op:tool latency>1s", SIZE_MAX },
        { "name~/a+/ has:x.y", SIZE_MAX },
        { "score.faithfulness<1", SIZE_MAX },
        { "op:tool any(op:tool)", 8 },
        { "op:tool or not count()>1", 15 },
        { "score.mine<1", 0 },
        { "a trace.cost>1", 2 },
    };
    for (size_t i = 0; i < COUNT_OF(filters); i++) {
        struct diag why = DIAG_NONE;
        enum err code = query_check_local(parse(f, filters[i].text), &why);
        assert_int_equal(code, filters[i].offset == SIZE_MAX ? ERR_OK : ERR_BAD_INPUT);
        assert_int_equal(why.offset, filters[i].offset);
        assert_true(code == ERR_OK || strstr(why.hint, "/api/v1/spans"));
    }
    struct span span = { 0 };
    SPAN_SET(&span, faithfulness, 0.5);
    assert_true(filter_matches(parse(f, "score.faithfulness<0.7"), &span));
    assert_false(filter_matches(parse(f, "score.faithfulness>0.7"), &span));
    SPAN_SET(&span, name, STR_OF("chat"));
    assert_true(filter_matches(parse(f, "name~/^ch.t$/"), &span));
}

static void what_is_scoped_is_written_and_read_again(void **state)
{
    struct fixture *f = *state;
    static const char *const pairs[][2] = {
        { "any(op:tool)", "any(operation:\"tool\" or step:\"tool\")" },
        { "trace.cost>1", "trace(estimated_cost_usd>1)" },
        { "count(name:x)>10k", "count(name:\"x\")>10000" },
        { "count()!=1", "count()!=1" },
        { "sum(cost, name:x)>=1 max(latency)<2s",
          "sum(estimated_cost_usd, name:\"x\")>=1 and max(latency_ms)<2s" },
        { "score.x<1 score.\"a b\":good", "score.\"x\"<1.0 and score.\"a b\":\"good\"" },
        { "name~/A\\/b\\d/i", "name~/(?i)A\\/b\\d/" },
        { "not parent(name:x or name:y)", "not parent(name:\"x\" or name:\"y\")" },
    };
    struct buf text;
    buf_init(&text, KIB);
    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        for (size_t k = 0; k < 2; k++) {
            buf_reset(&text);
            query_format_filter(&text, parse(f, pairs[i][k]));
            if (!str_equal_c(buf_str(&text), pairs[i][1]))
                fail_msg("%s: %.*s", pairs[i][k], STR_ARG(buf_str(&text)));
        }
    buf_clear(&text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(scopes_ask_other_spans_of_the_trace),
        TEST(counts_and_sums_are_of_the_whole_trace),
        TEST(the_trace_itself_can_be_asked),
        TEST(scores_are_asked_by_any_name),
        TEST(regular_expressions_find_parts),
        TEST(errors_point_at_what_is_wrong),
        TEST(limits_hold_at_and_past),
        TEST(live_tail_refuses_what_one_span_cannot_answer),
        TEST(what_is_scoped_is_written_and_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
