/* reply.c -- what only the body of an answer says: which model it was, its usage, why it ended.
 *
 * Haystack writes them into {replies: [{meta}]}, LangChain's serialiser into
 * {generations: [[{message: {kwargs: {response_metadata, usage_metadata}}}]]}.  An attribute
 * that says the same wins.
 *
 * The provider's own body is often there whole, inside of another library's object.  Parsing
 * every answer again would cost more than all else, so its id, its model and its reasoning
 * are found by the bytes of the member.  Quotes inside of JSON texts are escaped, so what
 * somebody wrote can't be taken for a member; and an id must look like a provider's, a model
 * like a dated form of the one that was asked.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "norm/norm_int.h"

enum { MEMBER_BYTES_MAX = 256 }; /* of a member's value that is looked at */

static const struct value *first_item(const struct value *list)
{
    while (list && list->type == VALUE_ARRAY)
        list = list->count ? &list->items[0] : NULL;
    return list;
}

static void take_model(struct norm *norm, const struct value *meta, const char *key)
{
    const struct value *model = map_get(meta, key);
    str text;
    if (model && model->type == VALUE_STR && !SPAN_KNOWS(norm->span, generator_model) &&
        convert_text(norm, model, &text))
        SPAN_SET(norm->span, generator_model, text);
}

static void take_finish(struct norm *norm, const struct value *meta)
{
    const struct value *reason = meta ? map_get(meta, "finish_reason") : NULL;
    str *item =
        reason && !SPAN_KNOWS(norm->span, finish_reason) ? arena_new(norm->arena, str, 1) : NULL;
    if (item && convert_text(norm, reason, item))
        SPAN_SET(norm->span, finish_reason, (struct strs){ item, 1 });
}

static void take_haystack(struct norm *norm, const struct value *reply)
{
    const struct value *meta = map_get(reply, "meta");
    if (!meta || meta->type != VALUE_MAP)
        return;
    take_model(norm, meta, "model");
    take_finish(norm, meta);
    if (map_get(reply, "role") && !SPAN_KNOWS(norm->span, operation))
        SPAN_SET(norm->span, operation, STR_OF("chat"));
    norm->reply_usage = map_get(meta, "usage");
}

static void take_langchain(struct norm *norm, const struct value *generation)
{
    const struct value *message = map_get(generation, "message");
    const struct value *meta = message ? map_get(unwrapped(message), "response_metadata") : NULL;
    if (meta && meta->type == VALUE_MAP)
        take_model(norm, meta, "model_name");
    take_finish(norm, map_get(generation, "generation_info"));
}

/* What follows `"key":` next in *body, which is moved past it; false: there is none. */
static bool next_member(str *body, str key, str *ret_value)
{
    for (;;) {
        size_t at = str_find(*body, key);
        if (at >= body->len)
            return false;
        bool is_escaped = at > 0 && body->ptr[at - 1] == '\\';
        *body = str_from(*body, at + key.len);
        str rest = str_trim(str_sub(*body, 0, MIN(body->len, (size_t)MEMBER_BYTES_MAX)));
        if (is_escaped || !str_starts(rest, STR_OF(":")))
            continue;
        *ret_value = str_trim(str_from(rest, 1));
        return true;
    }
}

/* The text that a value begins with; STR_NONE: it is none, or too long. */
static str quoted(str value)
{
    if (!str_starts(value, STR_OF("\"")))
        return STR_NONE;
    str text = str_from(value, 1);
    size_t end = str_find_char(text, '"');
    return end < text.len ? str_sub(text, 0, end) : STR_NONE;
}

static void find_id(struct norm *norm, str body)
{
    static const str starts[] = { STR("chatcmpl-"), STR("resp_"), STR("msg_"), STR("gen-") };
    str value;
    while (!SPAN_KNOWS(norm->span, response_id) && next_member(&body, STR_OF("\"id\""), &value))
        for (size_t i = 0; i < COUNT_OF(starts); i++)
            if (str_starts(quoted(value), starts[i]))
                SPAN_SET(norm->span, response_id, text_clean(norm, quoted(value)));
}

/* gpt-4o-mini-2024-07-18, where gpt-4o-mini was asked for. */
static void find_model(struct norm *norm, str body, str key)
{
    struct span *span = norm->span;
    if (!SPAN_KNOWS(span, request_model) ||
        (SPAN_KNOWS(span, generator_model) &&
         !str_equal(span->generator_model, span->request_model)))
        return;
    str asked = span->request_model, value;
    for (size_t at; (at = str_find_char(asked, '/')) < asked.len;)
        asked = str_from(asked, at + 1);
    while (asked.len && next_member(&body, key, &value)) {
        str model = quoted(value);
        if (model.len <= asked.len + 1 || !str_starts(model, asked) || model.ptr[asked.len] != '-')
            continue;
        SPAN_SET(span, generator_model, text_clean(norm, model));
        return;
    }
}

static void find_reasoning(struct norm *norm, str body)
{
    str value;
    int64_t count = 0;
    if (has(norm, TARGET_use_reasoning) ||
        !next_member(&body, STR_OF("\"reasoning_tokens\""), &value))
        return;
    for (size_t i = 0; i < value.len && i < 9 && value.ptr[i] >= '0' && value.ptr[i] <= '9'; i++)
        count = count * 10 + (value.ptr[i] - '0');
    if (count == 0)
        return;
    norm->use[TARGET_use_reasoning - (unsigned)USE_FIRST] = count;
    norm->score[TARGET_use_reasoning] = 1;
    norm->winner[TARGET_use_reasoning] = (struct winner){ NULL, true };
}

static void take_body(struct norm *norm, str body)
{
    find_id(norm, body);
    find_model(norm, body, STR_OF("\"model\""));
    find_model(norm, body, STR_OF("\"model_name\""));
    find_reasoning(norm, body);
}

/* The libraries that say it in objects of their own. */
static void take_object(struct norm *norm, str body)
{
    static const uint32_t dialects = 1u << DIALECT_HAYSTACK | 1u << DIALECT_LANGSMITH;
    struct value *tree = norm->dialects & dialects ? arena_new(norm->arena, struct value, 1) : NULL;
    if (!tree || !parse_json(norm, body, tree))
        return;
    const struct value *reply = first_item(map_get(tree, "replies"));
    const struct value *generation = first_item(map_get(tree, "generations"));
    if (reply && reply->type == VALUE_MAP)
        take_haystack(norm, reply);
    else if (generation && generation->type == VALUE_MAP)
        take_langchain(norm, generation);
    if (norm->reply_usage && norm->reply_usage->type != VALUE_MAP)
        norm->reply_usage = NULL;
}

void norm_reply(struct norm *norm)
{
    const struct value *other = held(norm, TARGET_text_other);
    if (other && other->type == VALUE_STR &&
        str_equal_c(norm->winner[TARGET_text_other].attr->key, "mastra.metadata.body"))
        find_id(norm, other->text);
    const struct value *output = held(norm, TARGET_text_output);
    if (norm->step != STEP_MODEL || !output || output->type != VALUE_STR ||
        !str_starts(output->text, STR_OF("{")))
        return;
    take_object(norm, output->text);
    take_body(norm, output->text);
}
