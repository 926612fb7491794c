/* helicone_stream.c -- chunks of a streamed answer into the answer they are.
 *
 * OpenAI's chunks carry deltas of one choice; Anthropic's events open, fill and close blocks, with
 * usage at the beginning and the end.  Of several choices the first is read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "wire/helicone_int.h"
#include "wire/json.h"

enum { CALLS_MAX = 64, LINES_MAX = 1000000 };

struct call {
    str id, name;
    struct buf arguments;
};
struct stream {
    struct arena *arena;
    struct buf text, thought;
    struct call calls[CALLS_MAX];
    uint32_t call_count;
    str model, id, finish;
    struct attr usage[16]; /* later counts replace earlier ones */
    uint32_t usage_count;
    bool is_any, spent;
};

static void keep(str *to, str text)
{
    if (text.len)
        *to = text;
}

static void take_usage(struct stream *stream, const struct value *usage)
{
    for (uint32_t i = 0; usage && usage->type == VALUE_MAP && i < usage->count; i++) {
        uint32_t at = 0;
        while (at < stream->usage_count && !str_equal(stream->usage[at].key, usage->attrs[i].key))
            at++;
        if (at < COUNT_OF(stream->usage) && usage->attrs[i].value.type != VALUE_NULL) {
            stream->usage[at] = usage->attrs[i];
            stream->usage_count = MAX(stream->usage_count, at + 1);
        }
    }
}

/* The call with that number; NULL: there are too many. */
static struct call *call_at(struct stream *stream, const struct value *index)
{
    int64_t at = 0;
    if (index && (!value_as_i64(index, &at) || at < 0 || at >= CALLS_MAX))
        return NULL;
    while (stream->call_count <= (uint32_t)at) {
        buf_init(&stream->calls[stream->call_count].arguments, 4 * MIB);
        stream->calls[stream->call_count++].id = STR_NONE;
    }
    return &stream->calls[at];
}

static void take_openai(struct stream *stream, const struct value *chunk,
                        const struct value *choices)
{
    const struct value *choice =
        choices->type == VALUE_ARRAY && choices->count ? choices->items : NULL;
    const struct value *delta = tree_get(choice, "delta"), *calls = tree_get(delta, "tool_calls");
    keep(&stream->model, tree_text_as_sent(chunk, "model"));
    keep(&stream->id, tree_text_as_sent(chunk, "id"));
    keep(&stream->finish, tree_text_as_sent(choice, "finish_reason"));
    buf_add_str(&stream->text, tree_text_as_sent(delta, "content"));
    buf_add_str(&stream->thought, tree_text_as_sent(delta, "reasoning_content"));
    for (uint32_t i = 0; calls && calls->type == VALUE_ARRAY && i < calls->count; i++) {
        const struct value *function = tree_get(&calls->items[i], "function");
        struct call *call = call_at(stream, tree_get(&calls->items[i], "index"));
        if (!call)
            continue;
        keep(&call->id, tree_text_as_sent(&calls->items[i], "id"));
        keep(&call->name, tree_text_as_sent(function, "name"));
        buf_add_str(&call->arguments, tree_text_as_sent(function, "arguments"));
    }
}

static void take_anthropic(struct stream *stream, const struct value *event, str type)
{
    const struct value *message = tree_get(event, "message"), *delta = tree_get(event, "delta");
    const struct value *block = tree_get(event, "content_block"), *index = tree_get(event, "index");
    if (str_equal_c(type, "message_start")) {
        keep(&stream->model, tree_text_as_sent(message, "model"));
        keep(&stream->id, tree_text_as_sent(message, "id"));
        take_usage(stream, tree_get(message, "usage"));
    }
    keep(&stream->finish, tree_text_as_sent(delta, "stop_reason"));
    buf_add_str(&stream->text, tree_text_as_sent(delta, "text"));
    buf_add_str(&stream->thought, tree_text_as_sent(delta, "thinking"));
    bool is_call = str_equal_c(tree_text_as_sent(block, "type"), "tool_use");
    str json = tree_text_as_sent(delta, "partial_json");
    struct call *call = is_call || json.len ? call_at(stream, index) : NULL;
    if (!call)
        return;
    keep(&call->id, tree_text_as_sent(block, "id"));
    keep(&call->name, tree_text_as_sent(block, "name"));
    buf_add_str(&call->arguments, json);
}

static bool take_line(struct stream *stream, str line)
{
    struct json json;
    struct value chunk;
    line = str_trim(line);
    if (str_starts(line, STR_OF("data:")))
        line = str_trim(str_from(line, 5));
    if (line.len == 0 || str_equal_c(line, "[DONE]") || str_starts(line, STR_OF("event:")))
        return true;
    json_init(&json, stream->arena, line, JSON_DEPTH_MAX);
    if (!json_value(&json, json_next(&json), &chunk) || json_next(&json) != JSON_END) {
        stream->spent = json_error(&json, NULL) == ERR_LIMIT;
        return false;
    }
    const struct value *choices = tree_get(&chunk, "choices");
    str type = tree_text_as_sent(&chunk, "type");
    if (chunk.type != VALUE_MAP || (!choices && !type.len))
        return false;
    if (choices)
        take_openai(stream, &chunk, choices);
    else
        take_anthropic(stream, &chunk, type);
    take_usage(stream, tree_get(&chunk, "usage"));
    return stream->is_any = true;
}

/* ---- the answer ---- */

static str taken(struct stream *stream, struct buf *text)
{
    str copy = buf_failed(text) ? STR_NONE : arena_str(stream->arena, buf_str(text));
    stream->spent = stream->spent || str_is_none(copy);
    return copy;
}

static void add(struct value *map, const char *key, str text)
{
    if (text.len)
        map->attrs[map->count++] = (struct attr){ str_from_c(key), value_str(text) };
}

static bool map_new(struct stream *stream, uint32_t room, struct value *ret)
{
    *ret = (struct value){ .type = VALUE_MAP };
    ret->attrs = arena_new(stream->arena, struct attr, room);
    stream->spent = stream->spent || !ret->attrs;
    return ret->attrs != NULL;
}

static struct value calls_of(struct stream *stream)
{
    struct value list = { .type = VALUE_ARRAY };
    list.items = arena_new(stream->arena, struct value, CALLS_MAX);
    for (uint32_t i = 0; list.items && i < stream->call_count; i++) {
        struct call *call = &stream->calls[i];
        struct value *to = &list.items[list.count];
        if (!call->name.len || !map_new(stream, 3, to))
            continue;
        add(to, "id", call->id);
        add(to, "name", call->name);
        add(to, "arguments", taken(stream, &call->arguments));
        list.count++;
    }
    stream->spent = stream->spent || !list.items;
    return list;
}

/* {model, id, usage, choices: [{message, finish_reason}]}, whoever sent it. */
static bool answer_of(struct stream *stream, struct value *ret)
{
    struct value message, choice, list = { .type = VALUE_ARRAY, .count = 1 };
    list.items = arena_new(stream->arena, struct value, 1);
    if (!list.items || !map_new(stream, 4, &message) || !map_new(stream, 2, &choice) ||
        !map_new(stream, 6, ret))
        return false;
    struct value calls = calls_of(stream);
    add(&message, "role", STR_OF("assistant"));
    add(&message, "reasoning_content", taken(stream, &stream->thought));
    add(&message, "content", taken(stream, &stream->text));
    if (calls.count)
        message.attrs[message.count++] = (struct attr){ STR("tool_calls"), calls };
    choice.attrs[choice.count++] = (struct attr){ STR("message"), message };
    add(&choice, "finish_reason", stream->finish);
    list.items[0] = choice;
    add(ret, "model", stream->model);
    add(ret, "id", stream->id);
    ret->attrs[ret->count++] = (struct attr){ STR("choices"), list };
    if (stream->usage_count) {
        struct value usage;
        if (!map_new(stream, stream->usage_count, &usage))
            return false;
        memcpy(usage.attrs, stream->usage, stream->usage_count * sizeof stream->usage[0]);
        usage.count = stream->usage_count;
        ret->attrs[ret->count++] = (struct attr){ STR("usage"), usage };
    }
    return !stream->spent;
}

bool helicone_stream(struct arena *arena, str text, struct value *ret, bool *ret_spent)
{
    struct stream *stream = xcalloc(1, sizeof *stream);
    str line;
    bool good = true;
    stream->arena = arena;
    buf_init(&stream->text, 64 * MIB);
    buf_init(&stream->thought, 64 * MIB);
    for (int lines = 0; good && lines < LINES_MAX && str_next(&text, '\n', &line); lines++)
        good = take_line(stream, line);
    good = good && stream->is_any && answer_of(stream, ret);
    *ret_spent = stream->spent;
    buf_clear(&stream->text);
    buf_clear(&stream->thought);
    for (uint32_t i = 0; i < stream->call_count; i++)
        buf_clear(&stream->calls[i].arguments);
    xfree(stream);
    return good;
}
