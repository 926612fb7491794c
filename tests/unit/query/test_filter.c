/* test_filter.c -- the filter language: what it means, and how it says no.
 *
 * Meaning is checked by evaluating against spans, errors by their offset and hint.
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
#include "base/text.h"
#include "query/query.h"

static const int64_t now = INT64_C(1795258800) * NS_PER_S; /* 2026-11-21T11:00:00Z */

struct fixture {
    struct arena arena;
    struct span span;
    struct attr attrs[4];
    struct value tags[2];
    str reasons[2];
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    arena_init(&f->arena, MIB);
    f->tags[0] = value_str(STR_OF("red"));
    f->tags[1] = value_str(STR_OF("blue"));
    f->attrs[0] = (struct attr){ STR("x.y.z"), value_i64(17) };
    f->attrs[1] = (struct attr){ STR("shop.cart"), value_str(STR_OF("12")) };
    f->attrs[2] = (struct attr){ STR("two words"), value_bool(true) };
    f->attrs[3] =
        (struct attr){ STR("tags.all"), { .type = VALUE_ARRAY, .count = 2, .items = f->tags } };
    f->span.attrs = f->attrs;
    f->span.attr_count = COUNT_OF(f->attrs);
    struct id16 trace_id;
    assert_true(hex_decode(STR_OF("4f7a0000000000000000000000000001"), &trace_id, 16));
    SPAN_SET(&f->span, trace_id, trace_id);
    SPAN_SET(&f->span, name, STR_OF("chat gpt-4o refund policy"));
    SPAN_SET(&f->span, generator_model, STR_OF("gpt-4o-2024-08-06"));
    SPAN_SET(&f->span, operation, STR_OF("chat"));
    SPAN_SET(&f->span, step, STR_OF("model"));
    SPAN_SET(&f->span, status, STR_OF("error"));
    SPAN_SET(&f->span, tenant_id, STR_OF("acme"));
    SPAN_SET(&f->span, service, STR_OF("checkout"));
    SPAN_SET(&f->span, request_id, STR_OF("req_123"));
    SPAN_SET(&f->span, latency_ns, 9 * NS_PER_S);
    SPAN_SET(&f->span, cost_nanousd, INT64_C(60000000)); /* $0.06 */
    SPAN_SET(&f->span, total_tokens, 10000);
    SPAN_SET(&f->span, start_time, now - 1800 * NS_PER_S);
    SPAN_SET(&f->span, stream, true);
    SPAN_SET(&f->span, faithfulness, 0.5);
    f->reasons[0] = STR_OF("stop");
    f->reasons[1] = STR_OF("length");
    SPAN_SET(&f->span, finish_reason, (struct strs){ f->reasons, 2 });
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    arena_clear(&f->arena);
    xfree(f);
    return 0;
}

static bool matches(struct fixture *f, const char *text)
{
    const struct filter *filter;
    struct diag why = DIAG_NONE;
    enum err code = query_parse_filter(&f->arena, str_from_c(text), now, &filter, &why);
    if (code != ERR_OK)
        fail_msg("%s: %s at %zu", text, why.text, why.offset);
    return filter_matches(filter, &f->span);
}

static void expect_all(struct fixture *f, bool expected, const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (matches(f, texts[i]) != expected)
            fail_msg("expected %d: %s", expected, texts[i]);
}
#define YES(f, ...)                                                                                \
    expect_all(f, true, (const char *[]){ __VA_ARGS__ },                                           \
               COUNT_OF(((const char *[]){ __VA_ARGS__ })))
#define NO(f, ...)                                                                                 \
    expect_all(f, false, (const char *[]){ __VA_ARGS__ },                                          \
               COUNT_OF(((const char *[]){ __VA_ARGS__ })))

/* shows: E8 */
static void the_example_of_the_architecture_matches(void **state)
{
    YES(*state, "service:checkout model:gpt-4o* cost>0.05 latency>8s status:error tenant:acme "
                "score.faithfulness<0.7 \"refund policy\"");
}

static void units_are_understood(void **state)
{
    YES(*state, "latency>8s", "latency<10s", "latency:9s", "latency:9000", "latency=9000ms",
        "latency_ms>=9000", "latency<0.2m", "cost>$0.05", "cost:0.06", "estimated_cost_usd:0.06",
        "cost<0.060000001", "tokens:10k", "tokens<0.02M", "tokens>=10000", "stream:yes",
        "stream:true", "stream:1", "start>now-1h", "time<now", "start_time>2026-11-21T10:00:00Z",
        "start_time<=2026-11-21T10:30:00Z", "faithfulness:0.5");
    NO(*state, "latency>9s", "cost>0.06", "tokens>10k", "stream:no", "start>now-10m");
}

static void words_join_and_bind_as_documented(void **state)
{
    YES(*state, "tenant:acme status:error", "tenant:x or status:error",
        "tenant:acme AND not user:x", "tenant:acme or tenant:x status:ok",
        "(tenant:x or tenant:acme) status:error", "-tenant:x", "not (tenant:x or status:ok)",
        "tenant:x status:ok or service:checkout", "- tenant:x");
    NO(*state, "tenant:acme status:ok", "(tenant:acme or tenant:x) status:ok", "not tenant:acme",
       "not not tenant:x", "-(tenant:acme)");
}

static void comparing_something_unknown_is_false_and_not_of_it_true(void **state)
{
    NO(*state, "user:bob", "user!=bob", "ttft>1s", "ttft<1s", "user:b*", "user!=b*", "has:user",
       "a.b:1", "a.b!=1", "user:*", "user!=(a or b)");
    YES(*state, "not user:bob", "not user!=bob", "not ttft>1s", "not has:user", "not a.b!=1");
}

static void lists_and_wildcards(void **state)
{
    YES(*state, "tenant:(x or acme)", "tenant:(x, acme)", "tenant:(\"a b\" or ac*)",
        "tenant!=(x or y)", "tenant!=a*x", "tenant:*cm*", "tenant:*", "tenant~\"a*e\"",
        "finish_reason:length", "finish_reason:len*", "finish_reason!=content_filter");
    NO(*state, "tenant:(x or y)", "tenant!=(x or acme)", "tenant!=ac*", "tenant:\"ac*\"",
       "tenant~\"cm\"", "finish_reason!=stop", "tenant:ACME");
}

static void model_falls_back_to_the_model_asked_for(void **state)
{
    struct fixture *f = *state;
    YES(f, "model:gpt-4o*", "has:model", "model!=claude");
    span_forget(&f->span, FIELD_generator_model);
    NO(f, "model:gpt-4o*", "model!=claude", "has:model");
    SPAN_SET(&f->span, request_model, STR_OF("gpt-4o"));
    YES(f, "model:gpt-4o*", "model:gpt-4o", "model!=claude", "has:model");
}

static void op_is_operation_or_step(void **state)
{
    YES(*state, "op:chat", "op:model", "op:(chat or tool)", "op!=tool", "has:op");
    NO(*state, "op:tool", "op!=chat", "op!=model");
}

/* shows: A1 */
static void ids_are_found_whole_by_prefix_and_as_uuid(void **state)
{
    YES(*state, "trace_id:4f7a0000000000000000000000000001", "trace:4F7A", "trace_id:4f7a*",
        "trace:4f7a0000-0000-0000-0000-000000000001", "trace!=4f7b", "4f7a", "4F7A00");
    NO(*state, "trace:4f7b", "trace!=4f7a", "has:span_id", "4f7b");
}

/* shows: A3 E8 */
static void a_word_alone_is_part_of_the_name_or_the_start_of_an_id(void **state)
{
    YES(*state, "refund", "\"refund policy\"", "req_123", "req_", "gpt-4o");
    NO(*state, "refunds", "\"policy refund\"", "eq_123");
}

/* shows: X4 */
/* What became a field is found under the name it was sent by. shows: X4 */
static void sent_names_of_fields_find_the_field(void **state)
{
    YES(*state, "has:\"tenant_id\"", "has:app.tenant_id", "gen_ai.operation.name:chat");
    NO(*state, "gen_ai.request.model:no-such");
}

static void attributes_are_dotted_or_quoted(void **state)
{
    YES(*state, "x.y.z:17", "x.y.z>16", "x.y.z<17.5", "x.y.z:17.0", "x.y.z!=18", "x.y.z!=abc",
        "has:x.y.z", "x.y.z:\"17\"", "shop.cart:12", "shop.cart:\"12\"", "shop.cart:1*",
        "\"two words\":true", "has:\"two words\"", "\"x.y.z\":17", "x.y.z:1*", "has:tags.all");
    NO(*state, "x.y.z:abc", "x.y.z>17", "x.y.z!=17", "\"two words\":false", "shop.cart>11",
       "shop.cart:12.0", "tags.all:red", "x.y.z:17.5");
}

struct refusal {
    const char *text;
    enum err code;
    size_t offset;
    const char *hint; /* part of it */
};

static void expect_refusal(struct arena *arena, const struct refusal *want)
{
    const struct filter *filter = NULL;
    struct diag why = DIAG_NONE;
    enum err code = query_parse_filter(arena, str_from_c(want->text), now, &filter, &why);
    if (code != want->code || why.offset != want->offset || why.code != code)
        fail_msg("%s: %s at %zu: %s", want->text, err_name(code), why.offset, why.text);
    if (!strstr(why.hint, want->hint))
        fail_msg("%s: hint is '%s'", want->text, why.hint);
    assert_null(filter);
    assert_int_equal(query_parse_filter(arena, str_from_c(want->text), now, &filter, NULL), code);
}

static void errors_point_at_the_character_and_suggest_the_nearest_name(void **state)
{
    struct fixture *f = *state;
    static const struct refusal refusals[] = {
        { "tenat:acme", ERR_BAD_INPUT, 0, "'tenant'" },
        { "status:error modle:x", ERR_BAD_INPUT, 13, "'model'" },
        { "latency_ns>5", ERR_BAD_INPUT, 0, "'latency_ms'" },
        { "usage.cache_raed>5", ERR_BAD_INPUT, 0, "'usage.cache_read'" },
        { "qqqqqqqqq:1", ERR_BAD_INPUT, 0, "quotes" },
        { "has:tenat", ERR_BAD_INPUT, 4, "'tenant'" },
        { "cost>abc", ERR_BAD_INPUT, 5, "" },
        { "cost>0.0000000001", ERR_BAD_INPUT, 5, "" },
        { "latency>-5s", ERR_BAD_INPUT, 8, "" },
        { "latency>5parsec", ERR_BAD_INPUT, 8, "" },
        { "tokens>1.5", ERR_BAD_INPUT, 7, "" },
        { "stream:maybe", ERR_BAD_INPUT, 7, "" },
        { "start>yesterday", ERR_BAD_INPUT, 6, "" },
        { "faithfulness:nan", ERR_BAD_INPUT, 13, "" },
        { "trace:xyz", ERR_BAD_INPUT, 6, "source_id" },
        { "trace:4f", ERR_BAD_INPUT, 6, "" },
        { "tenant>acme", ERR_BAD_INPUT, 7, "" },
        { "x.y>abc", ERR_BAD_INPUT, 4, "" },
        { "latency~\"1*\"", ERR_BAD_INPUT, 8, "" },
        { "redactions:1", ERR_BAD_INPUT, 11, "has:redactions" },
        { "tenant:", ERR_BAD_INPUT, 7, "" },
        { "tenant: )", ERR_BAD_INPUT, 8, "" },
        { ":acme", ERR_BAD_INPUT, 0, "" },
        { "tenant>>5", ERR_BAD_INPUT, 7, "" },
        { "tenant!acme", ERR_BAD_INPUT, 6, "" },
        { "(tenant:a", ERR_BAD_INPUT, 9, "" },
        { "tenant:a)", ERR_BAD_INPUT, 8, "" },
        { "tenant:a or", ERR_BAD_INPUT, 11, "" },
        { "or tenant:a", ERR_BAD_INPUT, 0, "" },
        { "tenant:a and or b", ERR_BAD_INPUT, 13, "" },
        { "not", ERR_BAD_INPUT, 3, "" },
        { "tenant:\"acme", ERR_BAD_INPUT, 7, "" },
        { "\"a\\n\"", ERR_BAD_INPUT, 3, "" },
        { "\"\"", ERR_BAD_INPUT, 0, "" },
        { "\"\":5", ERR_BAD_INPUT, 0, "" },
        { "tenant:(a b)", ERR_BAD_INPUT, 10, "" },
        { "tenant:()", ERR_BAD_INPUT, 8, "" },
        { "tenant:(a or", ERR_BAD_INPUT, 12, "" },
        { "cost>(1 or 2)", ERR_BAD_INPUT, 5, "" },
        { "tenant:a,b", ERR_BAD_INPUT, 8, "" },
        { "caf\xe9", ERR_BAD_INPUT, 3, "" },
    };
    for (size_t i = 0; i < COUNT_OF(refusals); i++)
        expect_refusal(&f->arena, &refusals[i]);
}

static void a_nul_byte_is_refused(void **state)
{
    struct fixture *f = *state;
    const struct filter *filter;
    struct diag why = DIAG_NONE;
    str text = { "ab\0c", 4 };
    assert_int_equal(query_parse_filter(&f->arena, text, now, &filter, &why), ERR_BAD_INPUT);
    assert_int_equal(why.offset, 2);
}

static void an_empty_text_is_no_filter(void **state)
{
    struct fixture *f = *state;
    const struct filter *filter = (const struct filter *)1;
    assert_int_equal(query_parse_filter(&f->arena, STR_OF(" \t\n"), now, &filter, NULL), ERR_OK);
    assert_null(filter);
    assert_true(filter_matches(filter, &f->span));
}

/* `count` times `piece` between `before` and `after` */
static enum err parse_repeated(struct fixture *f, size_t count, const char *piece,
                               const char *after)
{
    const struct filter *filter;
    struct buf text;
    buf_init(&text, MIB);
    for (size_t i = 0; i < count; i++)
        buf_add_c(&text, piece);
    buf_add_c(&text, after);
    enum err code = query_parse_filter(&f->arena, buf_str(&text), now, &filter, NULL);
    buf_clear(&text);
    return code;
}

static void limits_hold_at_and_past(void **state)
{
    struct fixture *f = *state;
    /* n conditions are n leaves and n - 1 joints */
    assert_int_equal(parse_repeated(f, QUERY_NODES_MAX / 2, "tenant:a ", ""), ERR_OK);
    assert_int_equal(parse_repeated(f, QUERY_NODES_MAX / 2 + 1, "tenant:a ", ""), ERR_LIMIT);
    struct buf list;
    buf_init(&list, KIB);
    buf_add_c(&list, "tenant:(");
    for (int i = 0; i < 100; i++)
        buf_add_c(&list, i ? ",a" : "a");
    const struct filter *filter;
    size_t open_len = list.len;
    buf_add_char(&list, ')');
    assert_int_equal(query_parse_filter(&f->arena, buf_str(&list), now, &filter, NULL), ERR_OK);
    list.len = open_len;
    buf_add_c(&list, ",a)");
    assert_int_equal(query_parse_filter(&f->arena, buf_str(&list), now, &filter, NULL), ERR_LIMIT);
    buf_clear(&list);
    assert_int_equal(parse_repeated(f, QUERY_DEPTH_MAX - 1, "not ", "tenant:a"), ERR_OK);
    assert_int_equal(parse_repeated(f, QUERY_DEPTH_MAX, "not ", "tenant:a"), ERR_LIMIT);
    assert_int_equal(parse_repeated(f, QUERY_DEPTH_MAX, "-", "tenant:a"), ERR_LIMIT);
    assert_int_equal(parse_repeated(f, QUERY_DEPTH_MAX, "(", "tenant:a"), ERR_LIMIT);
    assert_int_equal(parse_repeated(f, QUERY_TEXT_BYTES_MAX - 8, " ", "tenant:a"), ERR_OK);
    assert_int_equal(parse_repeated(f, QUERY_TEXT_BYTES_MAX - 7, " ", "tenant:a"), ERR_LIMIT);
}

static void a_spent_arena_is_an_error_not_a_crash(void **state)
{
    struct fixture *f = *state;
    for (size_t budget = 0; budget < 6000; budget += 16) {
        struct arena small;
        const struct filter *filter;
        arena_init(&small, budget);
        enum err code = query_parse_filter(
            &small, STR_OF("model:a* \"x y\" trace:4f7a op:(a or b)"), now, &filter, NULL);
        assert_true(code == ERR_OK || code == ERR_LIMIT);
        if (budget == 0)
            assert_int_equal(code, ERR_LIMIT);
        arena_clear(&small);
    }
    assert_true(matches(f, "tenant:acme"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_example_of_the_architecture_matches),
        TEST(units_are_understood),
        TEST(words_join_and_bind_as_documented),
        TEST(comparing_something_unknown_is_false_and_not_of_it_true),
        TEST(lists_and_wildcards),
        TEST(model_falls_back_to_the_model_asked_for),
        TEST(op_is_operation_or_step),
        TEST(ids_are_found_whole_by_prefix_and_as_uuid),
        TEST(a_word_alone_is_part_of_the_name_or_the_start_of_an_id),
        TEST(sent_names_of_fields_find_the_field),
        TEST(attributes_are_dotted_or_quoted),
        TEST(errors_point_at_the_character_and_suggest_the_nearest_name),
        TEST(a_nul_byte_is_refused),
        TEST(an_empty_text_is_no_filter),
        TEST(limits_hold_at_and_past),
        TEST(a_spent_arena_is_an_error_not_a_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
