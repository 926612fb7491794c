/* estimate.c -- see estimate.h.
 *
 * Content is canonical here: messages are {role, parts}, parts have a type.  The numbers around
 * messages and tools are those that OpenAI publishes for its chat form; other providers have
 * others, which is part of what makes theirs an approximation.  An image, a sound or a file has
 * tokens that no text tells: then the input stays unknown.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pipeline/estimate.h"
#include "base/buf.h"
#include "base/check.h"
#include "tokens/tokens.h"
#include "wire/json.h"

enum { SCRATCH_MAX = 96 * MIB, ROLE_TOKENS = 1 };

struct estimator {
    struct tokens *tokens;
    const struct price_table *prices;
    struct arena scratch; /* of one part */
    struct buf out;
};

/* The counting of one side of a call. */
struct tally {
    struct estimator *estimator;
    enum tokens_encoding encoding;
    uint64_t tokens;
    bool is_exact;  /* the encoding is the model's own */
    bool has_media; /* something that is no text */
};

struct estimator *estimator_new(const struct price_table *prices)
{
    struct estimator *estimator = xcalloc(1, sizeof *estimator);
    estimator->tokens = tokens_new();
    estimator->prices = prices;
    arena_init(&estimator->scratch, SCRATCH_MAX);
    buf_init(&estimator->out, SCRATCH_MAX);
    return estimator;
}

void estimator_free(struct estimator *estimator)
{
    if (!estimator)
        return;
    tokens_free(estimator->tokens);
    arena_clear(&estimator->scratch);
    buf_clear(&estimator->out);
    xfree(estimator);
}

static const struct value *member(const struct value *map, const char *key)
{
    const struct attr *attr =
        map->type == VALUE_MAP ? attr_find(map->attrs, map->count, str_from_c(key)) : NULL;
    return attr && attr->value.type != VALUE_NULL ? &attr->value : NULL;
}

static bool text_is(const struct value *value, const char *text)
{
    return value && value->type == VALUE_STR && str_equal_c(value->text, text);
}

static void add_text(struct tally *tally, str text)
{
    tally->tokens += tokens_count(tally->estimator->tokens, tally->encoding, text);
}

/* A text as it is, anything else as JSON. */
static void add_value(struct tally *tally, const struct value *value)
{
    if (!value)
        return;
    if (value->type == VALUE_STR) {
        add_text(tally, value->text);
        return;
    }
    struct buf *out = &tally->estimator->out;
    buf_reset(out);
    value_to_json(out, value);
    if (!buf_failed(out))
        add_text(tally, buf_str(out));
}

static void add_part(struct tally *tally, const struct value *part)
{
    const struct value *type = member(part, "type");
    if (text_is(type, "text") || text_is(type, "reasoning") || text_is(type, "refusal")) {
        add_value(tally, member(part, "content"));
    } else if (text_is(type, "tool_call")) {
        add_value(tally, member(part, "name"));
        add_value(tally, member(part, "arguments"));
        tally->tokens += ESTIMATE_MESSAGE_TOKENS;
    } else if (text_is(type, "tool_call_response")) {
        add_value(tally, member(part, "response"));
    } else {
        tally->has_media = true;
    }
}

static void add_parts(struct tally *tally, const struct value *parts)
{
    for (uint32_t i = 0; parts && parts->type == VALUE_ARRAY && i < parts->count; i++)
        add_part(tally, &parts->items[i]);
}

static void add_messages(struct tally *tally, const struct value *messages, bool with_frame)
{
    for (uint32_t i = 0; messages->type == VALUE_ARRAY && i < messages->count; i++) {
        const struct value *message = &messages->items[i];
        add_parts(tally, member(message, "parts"));
        if (with_frame)
            tally->tokens += ESTIMATE_MESSAGE_TOKENS + ROLE_TOKENS;
    }
}

/* Names, descriptions, types and choices of a schema; its braces are not sent to the model. */
static void add_schema(struct tally *tally, const struct value *schema, int depth)
{
    const struct value *properties = member(schema, "properties");
    if (depth >= JSON_DEPTH_MAX)
        return;
    for (uint32_t i = 0; properties && properties->type == VALUE_MAP && i < properties->count;
         i++) {
        const struct value *property = &properties->attrs[i].value;
        add_text(tally, properties->attrs[i].key);
        add_value(tally, member(property, "type"));
        add_value(tally, member(property, "description"));
        const struct value *choices = member(property, "enum");
        for (uint32_t c = 0; choices && choices->type == VALUE_ARRAY && c < choices->count; c++) {
            add_value(tally, &choices->items[c]);
            tally->tokens += ESTIMATE_MEMBER_TOKENS;
        }
        tally->tokens += ESTIMATE_MEMBER_TOKENS;
        add_schema(tally, property, depth + 1);
        const struct value *items = member(property, "items");
        if (items)
            add_schema(tally, items, depth + 1);
    }
}

/* OpenAI writes them in a form of its own; most others put them into the prompt as JSON. */
static void add_tools(struct tally *tally, const struct value *tools)
{
    if (!tally->is_exact) {
        add_value(tally, tools);
        return;
    }
    tally->tokens += ESTIMATE_TOOLS_TOKENS;
    for (uint32_t i = 0; tools->type == VALUE_ARRAY && i < tools->count; i++) {
        const struct value *tool = member(&tools->items[i], "function");
        tool = tool && tool->type == VALUE_MAP ? tool : &tools->items[i];
        const struct value *schema = member(tool, "parameters");
        schema = schema ? schema : member(tool, "input_schema");
        add_value(tally, member(tool, "name"));
        add_value(tally, member(tool, "description"));
        if (schema)
            add_schema(tally, schema, 0);
        tally->tokens += ESTIMATE_TOOL_TOKENS;
    }
}

/* A part that is too long, or no JSON after all, is counted as the text it is. */
static void add_raw(struct tally *tally, str json)
{
    uint64_t before = tally->tokens;
    str head = str_sub(json, 0, (size_t)ESTIMATE_BYTES_MAX);
    add_text(tally, head);
    if (head.len && head.len < json.len)
        tally->tokens = before + (uint64_t)((double)(tally->tokens - before) * (double)json.len /
                                            (double)head.len);
}

static void add_content(struct tally *tally, enum content_role role, str text)
{
    struct arena *scratch = &tally->estimator->scratch;
    struct json json;
    struct value value;
    arena_reset(scratch);
    json_init(&json, scratch, text, JSON_DEPTH_MAX);
    if (text.len > (size_t)ESTIMATE_BYTES_MAX || !json_value(&json, json_next(&json), &value)) {
        add_raw(tally, text);
    } else if (role == CONTENT_TOOLS) {
        add_tools(tally, &value);
    } else if (role == CONTENT_SYSTEM) {
        add_parts(tally, &value);
        tally->tokens += ESTIMATE_MESSAGE_TOKENS + ROLE_TOKENS;
    } else {
        add_messages(tally, &value, role == CONTENT_INPUT);
    }
}

static str model_of(const struct span *span)
{
    if (SPAN_KNOWS(span, generator_model))
        return span->generator_model;
    return SPAN_KNOWS(span, request_model) ? span->request_model : STR_NONE;
}

/* What a failed call "answered" is what went wrong; but a stream may break off. */
static bool is_answered(const struct span *span)
{
    bool failed = SPAN_KNOWS(span, status) && str_equal_c(span->status, "error");
    bool streamed = SPAN_KNOWS(span, stream) && span->stream;
    return span_part(span, CONTENT_OUTPUT) && (!failed || streamed);
}

static bool is_silent(const struct span *span)
{
    return !(SPAN_KNOWS(span, rollup) && span->rollup) && !SPAN_KNOWS(span, input_tokens) &&
           !SPAN_KNOWS(span, output_tokens) && !SPAN_KNOWS(span, total_tokens);
}

static bool step_is(const struct span *span, const char *step)
{
    return SPAN_KNOWS(span, step) && str_equal_c(span->step, step);
}

static void count_side(struct tally *tally, const struct span *span, bool output)
{
    static const enum content_role inputs[] = { CONTENT_SYSTEM, CONTENT_INPUT, CONTENT_TOOLS };
    const struct content_part *answer = span_part(span, CONTENT_OUTPUT);
    if (output) {
        add_content(tally, CONTENT_OUTPUT, answer->json);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(inputs); i++) {
        const struct content_part *part = span_part(span, inputs[i]);
        if (part)
            add_content(tally, part->role, part->json);
    }
    tally->tokens += ESTIMATE_REPLY_TOKENS;
}

/* False: nothing was told, or not in words; was it billed at all? */
static bool estimate_call(const struct tally *tally, struct span *span)
{
    struct tally input = *tally, output = *tally;
    if (!is_answered(span))
        return false;
    count_side(&output, span, true);
    if (output.tokens == 0)
        return false;
    SPAN_SET(span, output_tokens, (int64_t)output.tokens);
    SPAN_SET(span, output_text, (int64_t)output.tokens);
    if (span_part(span, CONTENT_INPUT))
        count_side(&input, span, false);
    if (input.tokens && !input.has_media) {
        SPAN_SET(span, input_tokens, (int64_t)input.tokens);
        SPAN_SET(span, input_fresh, (int64_t)input.tokens);
        SPAN_SET(span, total_tokens, (int64_t)(input.tokens + output.tokens));
    }
    return true;
}

/* What is embedded goes to the model as it is, with nothing around it; no words come back. */
static bool estimate_embedding(const struct tally *tally, struct span *span)
{
    struct tally input = *tally;
    const struct content_part *part = span_part(span, CONTENT_INPUT);
    if (!part || (SPAN_KNOWS(span, status) && str_equal_c(span->status, "error")))
        return false;
    add_content(&input, CONTENT_OUTPUT, part->json);
    if (input.tokens == 0 || input.has_media)
        return false;
    SPAN_SET(span, input_tokens, (int64_t)input.tokens);
    SPAN_SET(span, input_fresh, (int64_t)input.tokens);
    SPAN_SET(span, total_tokens, (int64_t)input.tokens);
    return true;
}

enum err estimate_usage(struct estimator *estimator, struct arena *arena, struct span *span,
                        bool *ret_done)
{
    *ret_done = false;
    bool is_call = step_is(span, "model"), is_embedding = step_is(span, "embedding");
    if (!estimator || !is_silent(span) || !(is_call || is_embedding))
        return ERR_OK;
    struct tally tally = { .estimator = estimator };
    tally.encoding = tokens_encoding_of(model_of(span), &tally.is_exact);
    *ret_done = is_call ? estimate_call(&tally, span) : estimate_embedding(&tally, span);
    if (!*ret_done)
        return ERR_OK;
    SPAN_SET(span, usage_source, STR_OF("estimated"));
    if (!tally.is_exact && !span_add_flag(span, arena, STR_OF("usage_approximate")))
        return ERR_LIMIT;
    return estimator->prices ? price_span(estimator->prices, arena, span) : ERR_OK;
}
