/* datadog_llm.c -- what an LLM span says of itself: kind, model, input, output, metrics, tags.
 *
 * The tree is the same in an event of the LLM Observability intake and in a span's meta_struct,
 * but that tags are a list of "key:value" there and a map here.  Messages, documents and tool
 * definitions get the names that others use for the same (`id` for `tool_id`, `parameters` for
 * `schema`, `content` for a document's `text`), since norm/ knows those.  Members that nobody
 * knows stay attributes under `_ml_obs.`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/datadog_int.h"

#define INPUT "_ml_obs.meta.input."
#define OUTPUT "_ml_obs.meta.output."

static bool is_empty(const struct value *value)
{
    return value->type == VALUE_NULL || (value->type == VALUE_STR && value->text.len == 0) ||
           ((value->type == VALUE_MAP || value->type == VALUE_ARRAY) && value->count == 0);
}

static struct value map_of(struct attr *attrs, uint32_t count)
{
    struct value map = { .type = VALUE_MAP, .count = count };
    map.attrs = attrs;
    return map;
}

static struct value array_of(struct value *items, uint32_t count)
{
    struct value array = { .type = VALUE_ARRAY, .count = count };
    array.items = items;
    return array;
}

/* Room for one more; NULL: no memory. */
static struct attr *attrs_for(struct datadog *datadog, size_t count)
{
    struct attr *attrs = arena_new(datadog->arena, struct attr, count + 1);
    datadog->spent = datadog->spent || !attrs;
    return attrs;
}

/* A map with a member under another name, and maybe one more member in front. */
static struct value renamed(struct datadog *datadog, const struct value *map, const char *from,
                            str to, const struct attr *more)
{
    struct attr *attrs = map->type == VALUE_MAP ? attrs_for(datadog, map->count) : NULL;
    uint32_t count = 0;
    if (!attrs)
        return *map;
    bool has_more = more && attr_find(map->attrs, map->count, more->key);
    if (more && !has_more)
        attrs[count++] = *more;
    bool has_name = attr_find(map->attrs, map->count, to) != NULL;
    for (uint32_t i = 0; i < map->count; i++) {
        attrs[count] = map->attrs[i];
        if (!has_name && str_equal_c(map->attrs[i].key, from))
            attrs[count].key = to;
        count++;
    }
    return map_of(attrs, count);
}

static struct value each_renamed(struct datadog *datadog, const struct value *list,
                                 const char *from, str to, const struct attr *more)
{
    struct value *items =
        list->type == VALUE_ARRAY ? arena_new(datadog->arena, struct value, list->count + 1) : NULL;
    if (!items)
        return *list;
    for (uint32_t i = 0; i < list->count; i++)
        items[i] = renamed(datadog, &list->items[i], from, to, more);
    return array_of(items, list->count);
}

/* ---- messages ---- */

/* {type, id, response} of {name, result, tool_id, type}. */
static struct value result_block(struct datadog *datadog, const struct value *result)
{
    struct attr *attrs = attrs_for(datadog, 3);
    const struct value *id = tree_get(result, "tool_id");
    const struct value *response = tree_get(result, "result");
    uint32_t count = 0;
    if (!attrs)
        return *result;
    attrs[count++] = (struct attr){ STR("type"), value_str(STR_OF("tool_call_response")) };
    if (id)
        attrs[count++] = (struct attr){ STR("id"), *id };
    attrs[count++] = (struct attr){ STR("response"), response ? *response : value_str(STR_OF("")) };
    return map_of(attrs, count);
}

static struct value text_block(struct datadog *datadog, const struct value *text)
{
    struct attr *attrs = attrs_for(datadog, 2);
    if (!attrs)
        return *text;
    attrs[0] = (struct attr){ STR("type"), value_str(STR_OF("text")) };
    attrs[1] = (struct attr){ STR("text"), *text };
    return map_of(attrs, 2);
}

/* {type: "blob", modality, mime_type, content}; one that was put elsewhere keeps its key. */
static struct value media_block(struct datadog *datadog, const struct value *part, str modality)
{
    struct attr *attrs = part->type == VALUE_MAP ? attrs_for(datadog, part->count + 2) : NULL;
    if (!attrs)
        return *part;
    bool is_here = tree_get(part, "content") != NULL;
    attrs[0] = (struct attr){ STR("type"), value_str(is_here ? STR_OF("blob") : STR_OF("file")) };
    attrs[1] = (struct attr){ STR("modality"), value_str(modality) };
    memcpy(attrs + 2, part->attrs, part->count * sizeof *attrs);
    return map_of(attrs, part->count + 2);
}

static uint32_t count_of(const struct value *message, const char *key)
{
    const struct value *list = tree_get(message, key);
    return list && list->type == VALUE_ARRAY ? list->count : 0;
}

/* Text, media and results of tools are blocks of one content. */
static struct value content_of(struct datadog *datadog, const struct value *message)
{
    const struct value *content = tree_get(message, "content");
    uint32_t results = count_of(message, "tool_results");
    uint32_t images = count_of(message, "image_parts"), sounds = count_of(message, "audio_parts");
    if (!results && !images && !sounds)
        return content ? *content : (struct value){ .type = VALUE_NULL };
    struct value *items =
        arena_new(datadog->arena, struct value, (size_t)results + images + sounds + 1);
    uint32_t count = 0;
    if (!items) {
        datadog->spent = true;
        return (struct value){ .type = VALUE_NULL };
    }
    if (content && !is_empty(content))
        items[count++] = text_block(datadog, content);
    for (uint32_t i = 0; i < images; i++)
        items[count++] =
            media_block(datadog, &tree_get(message, "image_parts")->items[i], STR_OF("image"));
    for (uint32_t i = 0; i < sounds; i++)
        items[count++] =
            media_block(datadog, &tree_get(message, "audio_parts")->items[i], STR_OF("audio"));
    for (uint32_t i = 0; i < results; i++)
        items[count++] = result_block(datadog, &tree_get(message, "tool_results")->items[i]);
    return array_of(items, count);
}

static struct value message_of(struct datadog *datadog, const struct value *message, bool output)
{
    static const char *const parts[] = { "content", "tool_results", "image_parts", "audio_parts" };
    struct attr *attrs =
        message->type == VALUE_MAP ? attrs_for(datadog, (size_t)message->count + 2) : NULL;
    uint32_t count = 0;
    if (!attrs)
        return *message;
    for (uint32_t i = 0; i < message->count; i++) {
        const struct attr *member = &message->attrs[i];
        bool is_part = is_empty(&member->value);
        for (size_t j = 0; j < COUNT_OF(parts); j++)
            is_part = is_part || str_equal_c(member->key, parts[j]);
        if (is_part)
            continue;
        attrs[count] = *member;
        if (str_equal_c(member->key, "tool_calls"))
            attrs[count].value =
                each_renamed(datadog, &member->value, "tool_id", STR_OF("id"), NULL);
        count++;
    }
    if (!tree_get(message, "role") || is_empty(tree_get(message, "role")))
        attrs[count++] =
            (struct attr){ STR("role"), value_str(output ? STR_OF("assistant") : STR_OF("user")) };
    attrs[count++] = (struct attr){ STR("content"), content_of(datadog, message) };
    return map_of(attrs, count);
}

static struct value messages_of(struct datadog *datadog, const struct value *list, bool output)
{
    struct value *items =
        list->type == VALUE_ARRAY ? arena_new(datadog->arena, struct value, list->count + 1) : NULL;
    if (!items)
        return *list;
    for (uint32_t i = 0; i < list->count; i++)
        items[i] = message_of(datadog, &list->items[i], output);
    return array_of(items, list->count);
}

/* "[1 embedding(s) returned with size 1536]" is text, though it looks like JSON. */
static struct value told(struct datadog *datadog, const struct value *text)
{
    struct attr *attrs = attrs_for(datadog, 1);
    if (!attrs)
        return *text;
    attrs[0] = (struct attr){ STR("content"), *text };
    return map_of(attrs, 1);
}

/* ---- meta ---- */

/* {id, version, template, variables, ...}: what names it, and the rest. */
static void prompt(struct datadog *datadog, struct datadog_item *item, const struct value *map)
{
    struct attr *rest = map->type == VALUE_MAP ? attrs_for(datadog, map->count) : NULL;
    uint32_t count = 0;
    if (!rest)
        return;
    for (uint32_t i = 0; i < map->count; i++) {
        const struct attr *member = &map->attrs[i];
        if (is_empty(&member->value))
            continue;
        if (str_equal_c(member->key, "id") || str_equal_c(member->key, "version"))
            datadog_attr_under(datadog, item, INPUT "prompt.", member->key, member->value);
        else
            rest[count++] = *member;
    }
    if (count)
        datadog_attr(datadog, item, STR_OF(INPUT "prompt"), map_of(rest, count));
}

/* Input or output. */
static void side(struct datadog *datadog, struct datadog_item *item, const struct value *map,
                 bool output)
{
    const char *prefix = output ? OUTPUT : INPUT;
    if (map->type != VALUE_MAP) { /* of an experiment: any value */
        if (!is_empty(map))
            datadog_attr_under(datadog, item, prefix, STR_OF("value"), *map);
        return;
    }
    for (uint32_t i = 0; i < map->count; i++) {
        str key = map->attrs[i].key;
        const struct value *value = &map->attrs[i].value;
        if (is_empty(value))
            continue;
        if (!output && str_equal_c(key, "prompt"))
            prompt(datadog, item, value);
        else if (str_equal_c(key, "messages"))
            datadog_attr_under(datadog, item, prefix, key, messages_of(datadog, value, output));
        else if (str_equal_c(key, "documents"))
            datadog_attr_under(datadog, item, prefix, key,
                               each_renamed(datadog, value, "text", STR_OF("content"), NULL));
        else if (output && str_equal_c(key, "value") && str_equal_c(item->kind, "embedding"))
            datadog_attr_under(datadog, item, prefix, key, told(datadog, value));
        else
            datadog_attr_under(datadog, item, prefix, key, *value);
    }
}

/* What the tracer writes when it does not know. */
static bool is_unknown(const struct value *value)
{
    return value->type == VALUE_STR &&
           (str_equal_c(value->text, "unknown") || str_equal_c(value->text, "custom"));
}

static void metadata(struct datadog *datadog, struct datadog_item *item, const struct value *map)
{
    if (map->type != VALUE_MAP) {
        if (!is_empty(map))
            datadog_attr(datadog, item, STR_OF("_ml_obs.meta.metadata"), *map);
        return;
    }
    for (uint32_t i = 0; i < map->count; i++)
        if (!is_empty(&map->attrs[i].value))
            datadog_attr_under(datadog, item, "_ml_obs.meta.metadata.", map->attrs[i].key,
                               map->attrs[i].value);
}

/* An agent, a tool and a workflow are called what their span is called. */
static void kind(struct datadog *datadog, struct datadog_item *item, str text)
{
    static const struct {
        const char *kind;
        str key;
    } names[] = {
        { "agent", STR("_ml_obs.agent_name") },
        { "tool", STR("_ml_obs.tool_name") },
        { "workflow", STR("_ml_obs.workflow_name") },
    };
    if (str_is_empty(text))
        return;
    item->kind = text;
    datadog_attr(datadog, item, STR_OF("_dd.llmobs.span_kind"), value_str(text));
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_equal_c(text, names[i].kind) && item->span.name.len)
            datadog_attr(datadog, item, names[i].key, value_str(item->span.name));
}

static void meta_member(struct datadog *datadog, struct datadog_item *item,
                        const struct attr *member)
{
    const struct attr type = { STR("type"), value_str(STR_OF("function")) };
    str key = member->key;
    const struct value *value = &member->value;
    if (str_equal_c(key, "input") || str_equal_c(key, "output"))
        side(datadog, item, value, str_equal_c(key, "output"));
    else if (str_equal_c(key, "metadata"))
        metadata(datadog, item, value);
    else if (is_empty(value) || str_equal_c(key, "span") || str_equal_c(key, "span.kind"))
        return;
    else if (str_equal_c(key, "model_name") || str_equal_c(key, "model_provider")) {
        if (!is_unknown(value))
            datadog_attr_under(datadog, item, "_dd.llmobs.", key, *value);
    } else if (str_equal_c(key, "tool_definitions"))
        datadog_attr_under(datadog, item, "_ml_obs.meta.", key,
                           each_renamed(datadog, value, "schema", STR_OF("parameters"), &type));
    else
        datadog_attr_under(datadog, item, "_ml_obs.meta.", key, *value);
}

static void error_text(str *to, const struct value *map, const char *key)
{
    str text = tree_text_as_sent(map, key);
    if (text.len && str_is_empty(*to))
        *to = text;
}

static bool is_error(str key)
{
    return str_equal_c(key, "error") || str_starts(key, STR_OF("error."));
}

static void meta(struct datadog *datadog, struct datadog_item *item, const struct value *map)
{
    if (map->type != VALUE_MAP)
        return;
    str text = tree_text_as_sent(tree_get(map, "span"), "kind");
    kind(datadog, item, str_is_empty(text) ? tree_text_as_sent(map, "span.kind") : text);
    const struct value *error = tree_get(map, "error");
    error_text(&item->error_type, error, "type");
    error_text(&item->error_message, error, "message");
    error_text(&item->error_stack, error, "stack");
    error_text(&item->error_type, map, "error.type");
    error_text(&item->error_message, map, "error.message");
    error_text(&item->error_stack, map, "error.stack");
    for (uint32_t i = 0; i < map->count; i++)
        if (!is_error(map->attrs[i].key))
            meta_member(datadog, item, &map->attrs[i]);
}

/* ---- beside meta ---- */

static void tags(struct datadog *datadog, struct datadog_item *item, const struct value *value)
{
    if (value->type == VALUE_MAP)
        for (uint32_t i = 0; i < value->count; i++)
            datadog_tag(datadog, item, value->attrs[i].key, value->attrs[i].value);
    if (value->type != VALUE_ARRAY)
        return;
    for (uint32_t i = 0; i < value->count; i++) {
        str text = value->items[i].type == VALUE_STR ? value->items[i].text : STR_OF("");
        size_t colon = str_find_char(text, ':');
        if (text.len && colon < text.len)
            datadog_tag(datadog, item, str_sub(text, 0, colon),
                        value_str(str_from(text, colon + 1)));
        else if (text.len) /* a tag without a value */
            datadog_tag(datadog, item, text, value_bool(true));
    }
}

static void metrics(struct datadog *datadog, struct datadog_item *item, const struct value *map)
{
    for (uint32_t i = 0; map->type == VALUE_MAP && i < map->count; i++)
        datadog_attr_under(datadog, item, "_dd.llmobs.", map->attrs[i].key, map->attrs[i].value);
}

static void links(struct datadog *datadog, struct datadog_item *item, const struct value *list)
{
    if (list->type != VALUE_ARRAY || item->span.links)
        return;
    uint32_t max = MIN(list->count, datadog->limits->links_max);
    item->span.links = arena_new(datadog->arena, struct span_link, max + 1);
    if (!item->span.links) {
        datadog->spent = true;
        return;
    }
    item->span.dropped_link_count = list->count - max;
    for (uint32_t i = 0; i < max; i++) {
        const struct value *attributes = tree_get(&list->items[i], "attributes");
        struct span_link link = {
            .trace_id = datadog_trace_id(tree_text_as_sent(&list->items[i], "trace_id")),
            .span_id = datadog_span_id(tree_text_as_sent(&list->items[i], "span_id")),
        };
        if (attributes && attributes->type == VALUE_MAP) {
            link.attrs = attributes->attrs;
            link.attr_count = attributes->count;
        }
        if (!id8_is_zero(link.span_id))
            item->span.links[item->span.link_count++] = link;
    }
}

static void top_member(struct datadog *datadog, struct datadog_item *item,
                       const struct attr *member)
{
    static const char *const envelope[] = {
        "span_id", "parent_id",  "start_ns", "duration", "status",      "_dd",
        "name",    "session_id", "ml_app",   "service",  "pagent_name", "pagent_span_id"
    };
    str key = member->key;
    for (size_t i = 0; i < COUNT_OF(envelope); i++)
        if (str_equal_c(key, envelope[i]))
            return;
    if (str_equal_c(key, "meta"))
        meta(datadog, item, &member->value);
    else if (str_equal_c(key, "tags"))
        tags(datadog, item, &member->value);
    else if (str_equal_c(key, "metrics"))
        metrics(datadog, item, &member->value);
    else if (str_equal_c(key, "span_links"))
        links(datadog, item, &member->value);
    else if (str_equal_c(key, "status_message") && member->value.type == VALUE_STR)
        item->span.status_message = member->value.text;
    else if (!is_empty(&member->value))
        datadog_attr_under(datadog, item, "_ml_obs.", key, member->value);
}

void datadog_llm(struct datadog *datadog, struct datadog_item *item, const struct value *tree)
{
    static const char *const first[] = { "session_id", "ml_app", "service" };
    str name = tree_text_as_sent(tree, "name");
    if (name.len)
        item->span.name = name;
    for (size_t i = 0; i < COUNT_OF(first); i++) { /* before the tags that repeat them */
        const struct value *value = tree_get(tree, first[i]);
        if (value)
            datadog_tag(datadog, item, str_from_c(first[i]), *value);
    }
    for (uint32_t i = 0; tree->type == VALUE_MAP && i < tree->count; i++)
        top_member(datadog, item, &tree->attrs[i]);
}
