/* reply.c -- what only the body of an answer says: which model it was, its usage, why it ended.
 *
 * Haystack writes them into {replies: [{meta}]}, LangChain's serialiser into
 * {generations: [[{message: {kwargs: {response_metadata, usage_metadata}}}]]}.  An attribute
 * that says the same wins.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "norm/norm_int.h"

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

void norm_reply(struct norm *norm)
{
    static const uint32_t dialects = 1u << DIALECT_HAYSTACK | 1u << DIALECT_LANGSMITH;
    const struct value *output = held(norm, TARGET_text_output);
    struct value *tree;
    if (norm->step != STEP_MODEL || !(norm->dialects & dialects) || !output ||
        output->type != VALUE_STR || !str_starts(output->text, STR_OF("{")))
        return;
    tree = arena_new(norm->arena, struct value, 1);
    if (!tree || !parse_json(norm, output->text, tree))
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
