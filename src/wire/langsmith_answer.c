/* langsmith_answer.c -- what only the answer of a model's run says: usage, model, id, end.
 *
 * LangSmith's wrappers put usage_metadata beside the provider's own answer; LangChain has
 * generations[][].message with usage and response metadata inside, or llm_output beside them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "wire/langsmith_int.h"

static const struct value *get(const struct value *map, const char *key)
{
    const struct attr *attr =
        map && map->type == VALUE_MAP ? attr_find(map->attrs, map->count, str_from_c(key)) : NULL;
    return attr && attr->value.type != VALUE_NULL ? &attr->value : NULL;
}

static const struct value *first_of(const struct value *list)
{
    for (int depth = 0; list && list->type == VALUE_ARRAY && depth < 4; depth++)
        list = list->count ? &list->items[0] : NULL;
    return list;
}

/* The message of an answer, without what a serialiser puts around it. */
static const struct value *message_of(const struct value *outputs)
{
    const struct value *generation = first_of(get(outputs, "generations"));
    const struct value *message = get(generation, "message");
    const struct value *inner =
        get(message, "kwargs") ? get(message, "kwargs") : get(message, "data");
    return inner ? inner : message;
}

static void add(struct langsmith *langsmith, struct native_attrs *attrs, const char *key,
                const struct value *value)
{
    if (value && value->type != VALUE_MAP && value->type != VALUE_ARRAY &&
        !attr_find(attrs->items, attrs->count, str_from_c(key)) &&
        !native_attr_add(langsmith->arena, attrs, str_from_c(key), *value))
        langsmith->is_spent = true;
}

static void add_usage(struct langsmith *langsmith, struct native_attrs *attrs,
                      const struct value *usage)
{
    struct buf out;
    if (!usage || usage->type != VALUE_MAP || usage->count == 0)
        return;
    buf_init(&out, 64 * KIB);
    value_to_json(&out, usage);
    str text = buf_failed(&out) ? STR_NONE : arena_str(langsmith->arena, buf_str(&out));
    buf_clear(&out);
    if (str_is_none(text))
        return;
    struct value value = value_str(text);
    add(langsmith, attrs, "langsmith.metadata.usage_metadata", &value);
    add(langsmith, attrs, "gen_ai.usage.cost", get(usage, "total_cost"));
}

void langsmith_answer(struct langsmith *langsmith, str json, struct native_attrs *attrs)
{
    static const char *const ends[] = { "finish_reason", "stop_reason", "stopReason" };
    const struct value outputs = langsmith_value(langsmith, json);
    const struct value *message = message_of(&outputs), *beside = get(&outputs, "llm_output");
    const struct value *meta = get(message, "response_metadata");
    const struct value *info = get(first_of(get(&outputs, "generations")), "generation_info");
    const struct value *usages[] = { get(&outputs, "usage_metadata"),
                                     get(message, "usage_metadata"), get(beside, "token_usage"),
                                     get(beside, "usage"), get(&outputs, "usage") };
    for (size_t i = 0; i < COUNT_OF(usages); i++)
        add_usage(langsmith, attrs, usages[i]); /* the first */
    add(langsmith, attrs, "gen_ai.response.model", get(meta, "model_name"));
    add(langsmith, attrs, "gen_ai.response.model", get(meta, "model"));
    add(langsmith, attrs, "gen_ai.response.model", get(beside, "model_name"));
    add(langsmith, attrs, "gen_ai.response.model", get(&outputs, "model"));
    add(langsmith, attrs, "gen_ai.response.id", get(meta, "id"));
    add(langsmith, attrs, "gen_ai.response.id", get(beside, "id"));
    if (get(&outputs, "choices") || get(&outputs, "model"))
        add(langsmith, attrs, "gen_ai.response.id", get(&outputs, "id"));
    add(langsmith, attrs, "gen_ai.response.service_tier", get(meta, "service_tier"));
    add(langsmith, attrs, "gen_ai.response.service_tier", get(&outputs, "service_tier"));
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        add(langsmith, attrs, "gen_ai.response.finish_reason", get(info, ends[i]));
        add(langsmith, attrs, "gen_ai.response.finish_reason", get(meta, ends[i]));
        add(langsmith, attrs, "gen_ai.response.finish_reason", get(&outputs, ends[i]));
    }
}
