/* test_prop.c -- random spans: never a crash, valid parts, and every attribute accounted for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/utf8.h"
#include "norm/norm_int.h"
#include "norm_help.h"
#include "wire/json.h"
#undef assert

enum { ROUNDS = 20000, DEPTH = 3 };

static struct help help;
static uint64_t seed;

static uint32_t dice(uint32_t sides)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % sides;
}

static const char *const texts[] = {
    "",
    "x",
    "12",
    "-1",
    "true",
    "[1,2",
    "{\"a\":1}",
    "[{\"role\":\"user\",\"content\":\"hi\"}]",
    "[\"a\"]",
    "a,b,c",
    "LLM",
    "chat",
    "\xff\xfe",
    "\"quoted\"",
    "OpenAI",
    "langchain",
    "1e400",
    "{\"messages\":[{\"role\":\"user\",\"parts\":[]}]}",
    "[[[[[[[[[[[[[[]]]]]]]]]]]]]]",
    "[{\"type\":\"refusal\",\"refusal\":1}]",
    "{\"input\":5,\"output\":3,\"input_cached_tokens\":2}",
    "0.5",
    "nan",
    "[{\"text\":\"x\"},{}]",
};
static const char *const tails[] = { "0.role",
                                     "0.content",
                                     "1.message.role",
                                     "1.message.content",
                                     "999999999.role",
                                     "0",
                                     "x",
                                     "0.tool_calls.0.function.name",
                                     "0.document.content",
                                     "0.document.score",
                                     "0.embedding.vector",
                                     "variable.k",
                                     "..",
                                     "0..",
                                     "user_id" };
static const char *const heads[] = {
    "gen_ai.prompt.",
    "gen_ai.completion.",
    "llm.input_messages.",
    "llm.output_messages.",
    "retrieval.documents.",
    "llm.tools.",
    "embedding.embeddings.",
    "gen_ai.request.",
    "traceloop.association.properties.",
    "reranker.input_documents.",
    "llm.choices.",
};

static struct value random_value(int depth)
{
    struct value value = { .type = (enum value_type)dice(depth ? 8 : 6) };
    if (value.type == VALUE_BOOL)
        value.boolean = dice(2);
    else if (value.type == VALUE_I64)
        value.i64 = dice(4) ? (int64_t)dice(1000) : (int64_t)(seed);
    else if (value.type == VALUE_F64)
        value.f64 = dice(4) ? dice(100) / 8.0 : (dice(2) ? 1e300 : -0.0 / 1.0);
    else if (value.type == VALUE_STR || value.type == VALUE_BYTES)
        value.text = str_from_c(texts[dice(COUNT_OF(texts))]);
    else if (value.type == VALUE_ARRAY || value.type == VALUE_MAP) {
        static const char *const keys[] = { "role", "content", "parts",      "type",
                                            "text", "message", "tool_calls", "function",
                                            "name", "id",      "choices" };
        value.count = dice(4);
        value.items = NULL;
        if (value.type == VALUE_ARRAY && value.count)
            value.items = arena_new(&help.arena, struct value, value.count);
        if (value.type == VALUE_MAP && value.count)
            value.attrs = arena_new(&help.arena, struct attr, value.count);
        for (uint32_t i = 0; i < value.count; i++) {
            struct value inner = random_value(depth - 1);
            if (value.type == VALUE_ARRAY)
                value.items[i] = inner;
            else
                value.attrs[i] = (struct attr){ str_from_c(keys[dice(COUNT_OF(keys))]), inner };
        }
    }
    return value;
}

static str random_key(void)
{
    if (dice(10) == 0)
        return arena_printf(&help.arena, "x.%u", dice(1000));
    if (dice(4) == 0)
        return arena_printf(&help.arena, "%s%s", heads[dice(COUNT_OF(heads))],
                            tails[dice(COUNT_OF(tails))]);
    return dialect_row(dice((uint32_t)dialect_row_count()))->key;
}

static bool in_span(const struct span *span, const struct attr *attr)
{
    for (uint32_t i = 0; i < span->attr_count; i++)
        if (str_equal(span->attrs[i].key, attr->key))
            return true;
    for (uint32_t i = 0; i < span->part_count; i++)
        if (str_find(span->parts[i].json, attr->key) < span->parts[i].json.len)
            return true;
    return false;
}

/* A kept attribute, a known target, or content: nothing may vanish. */
static void check_one(const struct span *span, const struct attr *attr)
{
    if (in_span(span, attr) || attr->value.type == VALUE_NULL || span->dropped_attr_count)
        return;
    const struct row *row = dialect_find(attr->key);
    bool is_field =
        row && row->target < (unsigned)FIELD_COUNT && (span_knows(span, (enum field)row->target));
    bool is_count = row && row->conversion == CONV_COUNT;
    bool is_content = row && row->target >= (unsigned)TARGET_text_input && span->part_count > 0;
    bool is_clue = row && row->target >= (unsigned)TARGET_is_openinference_kind;
    bool is_flat = !row && span->part_count > 0;
    bool is_retry = str_starts(attr->key, STR_OF("traceloop.association.properties."));
    if (!is_field && !is_count && !is_content && !is_clue && !is_flat && !is_retry)
        fail_msg("attribute %.*s vanished (seed %llu)", STR_ARG(attr->key),
                 (unsigned long long)seed);
}

static void random_spans_keep_everything_and_give_valid_parts(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t round_seed = seed;
        help_reset(&help);
        help.config.attr_value_bytes_max = 1 + dice(40);
        help.config.text_field_bytes_max = 1 + dice(40);
        uint32_t count = dice(30);
        for (uint32_t i = 0; i < count; i++)
            help.attrs[i] = (struct attr){ random_key(), random_value(DEPTH) };
        help.span.attr_count = count;
        help.resource.attr_count = dice(6);
        for (uint32_t i = 0; i < help.resource.attr_count; i++)
            help.place_attrs[i] = (struct attr){ random_key(), random_value(1) };
        static struct attr event_attrs[16][3];
        static const char *const names[] = {
            "gen_ai.user.message",   "gen_ai.choice", "exception",
            "gen_ai.content.prompt", "other",         "gen_ai.client.inference.operation.details"
        };
        for (uint32_t i = dice(5); i > 0; i--) {
            for (int k = 0; k < 3; k++)
                event_attrs[i][k] =
                    (struct attr){ k ? random_key() : STR_OF("content"), random_value(DEPTH) };
            help_event(&help, names[dice(COUNT_OF(names))], event_attrs[i], 3);
        }
        struct span *span = help_run(&help);
        for (uint32_t i = 0; i < span->part_count; i++)
            if (!json_check(span->parts[i].json))
                fail_msg("part %s is not JSON (seed %llu): %.*s",
                         content_role_name(span->parts[i].role), (unsigned long long)round_seed,
                         STR_ARG(span->parts[i].json));
        for (uint32_t i = 0; i < count; i++)
            check_one(span, &help.attrs[i]);
        struct buf out;
        buf_init(&out, 1 * MIB);
        buf_add_char(&out, '{');
        span_fields_to_json(&out, span);
        buf_add_char(&out, '}');
        if (!json_check(buf_str(&out)))
            fail_msg("fields are not JSON (seed %llu)", (unsigned long long)round_seed);
        buf_clear(&out);
    }
}

static void every_row_is_found_and_only_under_its_own_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < dialect_row_count(); i++) {
        const struct row *row = dialect_row(i);
        if (row->until) {
            assert_ptr_equal(dialect_find_at(row->key, row->until), row);
            continue;
        }
        assert_ptr_equal(dialect_find(row->key), row);
        assert_ptr_equal(dialect_find_at(row->key, MAPPING_TABLES), row);
        assert_null(dialect_find(str_sub(row->key, 0, row->key.len - 1)) == row ? row : NULL);
    }
}

int main(int argc, char **argv)
{
    seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 20261121;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_spans_keep_everything_and_give_valid_parts),
        cmocka_unit_test(every_row_is_found_and_only_under_its_own_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
