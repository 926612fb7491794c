/* messages.c -- any shape of messages into the one of the OTel GenAI schema.
 *
 * Shapes: {role, parts}; OpenAI {role, content, tool_calls}; content as text or as a
 * list of OpenAI, Anthropic, Bedrock or Gemini blocks; OpenInference's and
 * OpenLLMetry's unflattened trees; LangChain {type, content} and its serialised forms; a whole
 * request ({messages}, {contents}) or answer ({choices}); a single message; bare text.  What is not
 * understood is kept as it came, in a part of its own type.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "norm/norm_int.h"
#include "wire/json.h"

enum { NEST_MAX = 8 }; /* lists in lists of messages */

struct part_writer {
    struct norm *norm;
    uint32_t count;
};

static void member(struct buf *out, const char *key)
{
    if (out->len && out->ptr[out->len - 1] != '{')
        buf_add_char(out, ',');
    buf_add_char(out, '"');
    buf_add_c(out, key);
    buf_add_c(out, "\":");
}

static void member_text(struct buf *out, const char *key, str text)
{
    if (str_is_none(text))
        return;
    member(out, key);
    buf_add_json_str(out, text);
}

static void member_value(struct buf *out, const char *key, const struct value *value)
{
    if (!value)
        return;
    member(out, key);
    value_to_json(out, value);
}

/* Arguments and results: JSON in a text becomes JSON. */
static void member_json(struct buf *out, const char *key, const struct value *value)
{
    if (!value)
        return;
    member(out, key);
    if (value->type == VALUE_STR && looks_like_json(value->text) && json_check(value->text))
        buf_add_str(out, str_trim(value->text));
    else
        value_to_json(out, value);
}

static struct buf *part_open(struct part_writer *writer, const char *type)
{
    struct buf *out = &writer->norm->out;
    if (writer->count++)
        buf_add_char(out, ',');
    buf_add_c(out, "{\"type\":\"");
    buf_add_c(out, type);
    buf_add_char(out, '"');
    return out;
}

static void part_close(struct part_writer *writer)
{
    buf_add_char(&writer->norm->out, '}');
}

static void part_text(struct part_writer *writer, const char *type, str text)
{
    member_text(part_open(writer, type), "content", text);
    part_close(writer);
}

static const struct value *first_of(const struct value *map, const char *a, const char *b,
                                    const char *c)
{
    const struct value *value = map_get(map, a);
    if (!value && b)
        value = map_get(map, b);
    if (!value && c)
        value = map_get(map, c);
    return value;
}

static void part_tool_call(struct part_writer *writer, const struct value *id,
                           const struct value *name, const struct value *arguments)
{
    struct buf *out = part_open(writer, "tool_call");
    member_value(out, "id", id);
    member(out, "name");
    if (name)
        value_to_json(out, name);
    else
        buf_add_c(out, "\"\"");
    member_json(out, "arguments", arguments);
    part_close(writer);
}

const struct value *sole_text(const struct value *value)
{
    const struct value *only =
        value->type == VALUE_ARRAY && value->count == 1 ? value->items : NULL;
    const struct value *text =
        only && only->type == VALUE_MAP && only->count == 1 ? map_get(only, "text") : NULL;
    return text ? text : value;
}

static void part_tool_response(struct part_writer *writer, const struct value *id,
                               const struct value *response)
{
    struct buf *out = part_open(writer, "tool_call_response");
    member_value(out, "id", id);
    if (response)
        member_json(out, "response", response);
    else
        buf_add_c(out, ",\"response\":null");
    part_close(writer);
}

/* data:image/png;base64,... is a blob; everything else a URI. */
static void part_url(struct part_writer *writer, const char *modality, str url)
{
    size_t comma = str_find(url, STR_OF(";base64,"));
    struct buf *out;
    if (str_starts(url, STR_OF("data:")) && comma < url.len) {
        out = part_open(writer, "blob");
        member_text(out, "mime_type", str_sub(url, 5, comma - 5));
        member_text(out, "content", str_from(url, comma + 8));
    } else {
        out = part_open(writer, "uri");
        member_text(out, "uri", url);
    }
    member_text(out, "modality", str_from_c(modality));
    part_close(writer);
}

/* Anthropic's {source:{type:"base64"|"url",...}}. */
static bool part_source(struct part_writer *writer, const struct value *block, const char *modality)
{
    const struct value *source = map_get(block, "source");
    str data = map_text(source, "data"), url = map_text(source, "url");
    if (!str_is_none(url)) {
        part_url(writer, modality, url);
        return true;
    }
    if (str_is_none(data))
        return false;
    struct buf *out = part_open(writer, "blob");
    member_text(out, "modality", str_from_c(modality));
    member_text(out, "mime_type", map_text(source, "media_type"));
    member_text(out, "content", data);
    part_close(writer);
    return true;
}

static bool part_image(struct part_writer *writer, const struct value *block)
{
    const struct value *image = first_of(block, "image_url", "image", NULL);
    if (image && image->type == VALUE_MAP && map_get(image, "image"))
        image = map_get(image, "image"); /* OpenInference: image.image.url */
    str url = image && image->type == VALUE_STR ? image->text : map_text(image, "url");
    if (str_is_none(url))
        url = map_text(block, "url");
    if (!str_is_none(url)) {
        part_url(writer, "image", url);
        return true;
    }
    return part_source(writer, block, "image");
}

static bool part_audio(struct part_writer *writer, const struct value *block)
{
    const struct value *audio = first_of(block, "input_audio", "audio", NULL);
    str data = map_text(audio, "data");
    if (str_is_none(data))
        return false;
    struct buf *out = part_open(writer, "blob");
    member_text(out, "modality", STR_OF("audio"));
    member_text(out, "mime_type", map_text(audio, "format"));
    member_text(out, "content", data);
    part_close(writer);
    return true;
}

/* As it came, with a type in front when it has none. */
static void part_verbatim(struct part_writer *writer, const struct value *block)
{
    struct buf *out = &writer->norm->out;
    if (block->type == VALUE_MAP && !str_is_none(map_text(block, "type"))) {
        if (writer->count++)
            buf_add_char(out, ',');
        value_to_json(out, block);
        return;
    }
    member_value(part_open(writer, "generic"), "content", block);
    part_close(writer);
}

/* Blocks that name their type.  False: not one of these. */
static bool part_typed(struct part_writer *writer, const struct value *block, str type)
{
    const struct value *content = map_get(block, "content");
    str text = map_text(block, "text");
    if (str_equal_c(type, "text") || str_equal_c(type, "input_text") ||
        str_equal_c(type, "output_text")) {
        text = str_is_none(text) ? map_text(block, "content") : text;
        if (!str_is_none(text))
            part_text(writer, "text", text);
        return !str_is_none(text);
    }
    if (str_equal_c(type, "thinking") || str_equal_c(type, "reasoning")) {
        const struct value *thought = first_of(block, "thinking", "content", "text");
        if (thought && thought->type == VALUE_STR)
            part_text(writer, "reasoning", thought->text);
        return thought && thought->type == VALUE_STR;
    }
    if (str_equal_c(type, "refusal")) {
        part_text(writer, "refusal",
                  first_of(block, "refusal", "content", NULL)
                      ? first_of(block, "refusal", "content", NULL)->text
                      : STR_OF(""));
        return true;
    }
    if (str_equal_c(type, "tool_use") || str_equal_c(type, "function_call") ||
        str_equal_c(type, "tool_call") || str_equal_c(type, "tool-call")) {
        part_tool_call(writer, first_of(block, "id", "call_id", "toolCallId"),
                       first_of(block, "name", "toolName", NULL),
                       first_of(block, "arguments", "input", "args"));
        return true;
    }
    if (str_equal_c(type, "tool_result") || str_equal_c(type, "function_call_output") ||
        str_equal_c(type, "tool_call_response") || str_equal_c(type, "tool-result")) {
        const struct value *response = first_of(block, "response", "result", "output");
        const struct value *id = first_of(block, "id", "tool_use_id", "call_id");
        if (response && !str_is_none(map_text(response, "type")) && map_get(response, "value"))
            response = map_get(response, "value"); /* AI SDK: {type: "json", value} */
        part_tool_response(writer, id ? id : map_get(block, "toolCallId"),
                           response ? response : content);
        return true;
    }
    if (str_equal_c(type, "image_url") || str_equal_c(type, "input_image") ||
        str_equal_c(type, "image"))
        return part_image(writer, block);
    if (str_equal_c(type, "input_audio") || str_equal_c(type, "audio"))
        return part_audio(writer, block);
    if (str_equal_c(type, "document"))
        return part_source(writer, block, "document");
    return false;
}

/* Blocks that are known by a member: Bedrock, Gemini and Haystack. */
static bool part_untyped(struct part_writer *writer, const struct value *block)
{
    str text = map_text(block, "text");
    const struct value *call = first_of(block, "toolUse", "functionCall", "function_call");
    const struct value *result =
        first_of(block, "toolResult", "functionResponse", "function_response");
    call = call ? call : map_get(block, "tool_call");
    result = result ? result : map_get(block, "tool_call_result");
    if (!str_is_none(text)) {
        part_text(writer, "text", text);
    } else if (call && call->type == VALUE_MAP) {
        part_tool_call(writer, first_of(call, "toolUseId", "id", NULL),
                       first_of(call, "name", "tool_name", NULL),
                       first_of(call, "input", "args", "arguments"));
    } else if (result && result->type == VALUE_MAP) {
        const struct value *origin = map_get(result, "origin");
        const struct value *id = first_of(result, "toolUseId", "id", NULL);
        const struct value *response = first_of(result, "content", "response", "result");
        part_tool_response(writer, id || !origin ? id : map_get(origin, "id"),
                           response ? sole_text(response) : NULL);
    } else {
        return false;
    }
    return true;
}

static void part_any(struct part_writer *writer, const struct value *block)
{
    if (block->type == VALUE_STR) {
        part_text(writer, "text", block->text);
        return;
    }
    const struct value *inner = map_get(block, "message_content"); /* OpenInference */
    if (inner && inner->type == VALUE_MAP)
        block = inner;
    str type = map_text(block, "type");
    bool done = !str_is_none(type) ? part_typed(writer, block, type) : part_untyped(writer, block);
    if (!done)
        part_verbatim(writer, block);
}

static bool is_block(const struct value *value)
{
    static const char *const members[] = { "type",       "text",      "toolUse",
                                           "toolResult", "tool_call", "tool_call_result" };
    for (size_t i = 0; i < COUNT_OF(members); i++)
        if (map_get(value, members[i]))
            return true;
    return false;
}

static bool is_block_list(const struct value *value)
{
    if (value->type != VALUE_ARRAY || value->count == 0)
        return false;
    for (uint32_t i = 0; i < value->count; i++)
        if (!is_block(&value->items[i]))
            return false;
    return true;
}

/* `content` of a message: text (perhaps a JSON list of blocks), list, or object. */
static void content_add(struct part_writer *writer, const struct value *content)
{
    struct value tree;
    if (content->type == VALUE_STR && str_starts(str_trim(content->text), STR_OF("[{")) &&
        parse_json(writer->norm, content->text, &tree) && is_block_list(&tree))
        content = &tree;
    if (content->type == VALUE_ARRAY) {
        for (uint32_t i = 0; i < content->count; i++)
            part_any(writer, &content->items[i]);
    } else {
        part_any(writer, content);
    }
}

static void tool_calls_add(struct part_writer *writer, const struct value *calls)
{
    struct value tree;
    if (calls->type == VALUE_STR) {
        if (!parse_json(writer->norm, calls->text, &tree))
            return;
        calls = &tree;
    }
    if (calls->type != VALUE_ARRAY)
        return;
    for (uint32_t i = 0; i < calls->count; i++) {
        const struct value *call = &calls->items[i];
        if (map_get(call, "tool_call")) /* OpenInference */
            call = map_get(call, "tool_call");
        const struct value *function = map_get(call, "function");
        const struct value *from = function && function->type == VALUE_MAP ? function : call;
        const struct value *name = map_get(from, "name");
        const struct value *arguments = first_of(from, "arguments", "args", "input");
        if (!name)
            name = first_of(call, "function.name", "toolName", NULL);
        part_tool_call(writer, first_of(call, "id", "toolCallId", NULL), name, arguments);
    }
}

static str message_role(const struct value *message, bool output)
{
    static const char *const langchain[][2] = {
        { "human", "user" },
        { "ai", "assistant" },
        { "system", "system" },
        { "tool", "tool" },
        { "AIMessageChunk", "assistant" },
    };
    str role = map_text(message, "role");
    if (str_equal_c(role, "model") || str_equal_c(role, "ai"))
        return STR_OF("assistant");
    if (str_equal_c(role, "human"))
        return STR_OF("user");
    if (!str_is_none(role))
        return role;
    str type = map_text(message, "type");
    for (size_t i = 0; i < COUNT_OF(langchain); i++)
        if (str_equal_c(type, langchain[i][0]))
            return str_from_c(langchain[i][1]);
    return output ? STR_OF("assistant") : STR_OF("user");
}

/* The parts of a message that is not {role, parts}. */
static void message_content(struct part_writer *writer, const struct value *message, str role)
{
    const struct value *content = first_of(message, "content", "contents", "text");
    const struct value *calls = first_of(message, "tool_calls", "toolCalls", NULL);
    calls = calls && calls->type == VALUE_ARRAY && calls->count == 0 ? NULL : calls;
    const struct value *id = first_of(message, "tool_call_id", "toolCallId", NULL);
    if (str_equal_c(role, "tool") && !id)
        id = map_get(message, "id");
    str reasoning = map_text(message, "reasoning_content");
    if (!str_is_none(reasoning) && reasoning.len)
        part_text(writer, "reasoning", reasoning);
    struct value tree;
    bool is_told = content && content->type == VALUE_STR &&
                   str_starts(str_trim(content->text), STR_OF("[{\"toolResult\"")) &&
                   parse_json(writer->norm, content->text, &tree); /* Strands */
    content = is_told ? &tree : content;
    bool is_result = content && (str_equal_c(role, "tool") || map_get(message, "tool_call_id"));
    if (is_result && !is_block_list(content))
        part_tool_response(writer, id, content);
    else if (content && !(calls && content->type == VALUE_STR && content->text.len == 0))
        content_add(writer, content);
    str refusal = map_text(message, "refusal");
    if (!str_is_none(refusal) && refusal.len)
        part_text(writer, "refusal", refusal);
    if (calls)
        tool_calls_add(writer, calls);
    const struct value *function = map_get(message, "function_call");
    if (function && function->type == VALUE_MAP)
        part_tool_call(writer, NULL, map_get(function, "name"), map_get(function, "arguments"));
    if (map_get(message, "function_call_name"))
        part_tool_call(writer, NULL, map_get(message, "function_call_name"),
                       map_get(message, "function_call_arguments_json"));
}

/* LiteLLM puts a call beside the parts, and a tool's result into a part of text. */
static void message_parts(struct part_writer *writer, const struct value *message,
                          const struct value *parts, str role)
{
    const struct value *calls = map_get(message, "tool_calls");
    const struct value *id = map_get(message, "tool_call_id");
    const struct value *text = parts->count == 1 ? map_get(parts->items, "content") : NULL;
    bool is_text = text && str_equal_c(map_text(parts->items, "type"), "text");
    if (is_text && id && str_equal_c(role, "tool"))
        part_tool_response(writer, id, text);
    else if (!(is_text && calls && text->type == VALUE_STR && text->text.len == 0))
        for (uint32_t i = 0; i < parts->count; i++)
            part_any(writer, &parts->items[i]);
    if (calls)
        tool_calls_add(writer, calls);
}

static void message_add(struct norm *norm, const struct value *message, bool output,
                        const struct value *finish, uint32_t *count)
{
    struct buf *out = &norm->out;
    struct part_writer writer = { .norm = norm };
    str role = message_role(message, output);
    if ((*count)++)
        buf_add_char(out, ',');
    buf_add_char(out, '{');
    member_text(out, "role", role);
    member_value(out, "name", map_get(message, "name"));
    member(out, "parts");
    buf_add_char(out, '[');
    const struct value *parts = map_get(message, "parts");
    if (parts && parts->type == VALUE_ARRAY)
        message_parts(&writer, message, parts, role);
    else
        message_content(&writer, message, role);
    buf_add_char(out, ']');
    if (!finish)
        finish = first_of(message, "finish_reason", "finishReason", "stop_reason");
    member_value(out, "finish_reason", finish);
    buf_add_char(out, '}');
}

static void message_text(struct norm *norm, str text, bool output, uint32_t *count)
{
    struct part_writer writer = { .norm = norm };
    struct buf *out = &norm->out;
    if ((*count)++)
        buf_add_char(out, ',');
    buf_add_c(out,
              output ? "{\"role\":\"assistant\",\"parts\":[" : "{\"role\":\"user\",\"parts\":[");
    part_text(&writer, "text", text);
    buf_add_c(out, "]}");
}

static void any_add(struct norm *norm, const struct value *value, bool output, int depth,
                    uint32_t *count);

/* The AI SDK's whole request: {system, prompt} or {system, messages}, and nothing else. */
static bool is_request(const struct value *value)
{
    bool has_text = false;
    for (uint32_t i = 0; i < value->count; i++) {
        str key = value->attrs[i].key;
        bool is_text = str_equal_c(key, "prompt");
        if (!is_text && !str_equal_c(key, "system") && !str_equal_c(key, "messages"))
            return false;
        has_text = has_text || is_text || str_equal_c(key, "messages");
    }
    return has_text;
}

static void request_add(struct norm *norm, const struct value *value, bool output, int depth,
                        uint32_t *count)
{
    const struct value *system = map_get(value, "system");
    const struct value *rest = first_of(value, "prompt", "messages", NULL);
    if (system) {
        struct value message = { .type = VALUE_MAP, .count = 2 };
        message.attrs = (struct attr[]){ { STR_OF("role"), value_str(STR_OF("system")) },
                                         { STR_OF("content"), *system } };
        message_add(norm, &message, output, NULL, count);
    }
    if (rest)
        any_add(norm, rest, output, depth + 1, count);
}

/* LangChain's serialised objects: {lc, type: "constructor", id: [..., "AIMessage"], kwargs}. */
static bool langchain_add(struct norm *norm, const struct value *value, bool output, int depth,
                          uint32_t *count)
{
    static const char *const roles[][2] = { { "HumanMessage", "user" },
                                            { "SystemMessage", "system" },
                                            { "ToolMessage", "tool" },
                                            { "AIMessage", "assistant" },
                                            { "AIMessageChunk", "assistant" } };
    const struct value *id = map_get(value, "id"), *kwargs = map_get(value, "kwargs");
    if (!map_get(value, "lc") || !kwargs || kwargs->type != VALUE_MAP || !id ||
        id->type != VALUE_ARRAY || id->count == 0)
        return false;
    const struct value *inner = map_get(kwargs, "messages"); /* of a ChatPromptValue */
    if (inner) {
        any_add(norm, inner, output, depth + 1, count);
        return true;
    }
    const struct value *name = &id->items[id->count - 1];
    for (size_t i = 0; name->type == VALUE_STR && i < COUNT_OF(roles); i++) {
        if (!str_equal_c(name->text, roles[i][0]))
            continue;
        struct value message = { .type = VALUE_MAP, .count = kwargs->count + 1 };
        message.attrs = arena_new(norm->arena, struct attr, message.count);
        if (!message.attrs) {
            norm->spent = true;
            return true;
        }
        message.attrs[0] = (struct attr){ STR_OF("role"), value_str(str_from_c(roles[i][1])) };
        memcpy(message.attrs + 1, kwargs->attrs, kwargs->count * sizeof(struct attr));
        message_add(norm, &message, output, NULL, count);
        return true;
    }
    return false;
}

/* {"input": x} or {"output": x}, and nothing else. */
static const struct value *sole_side(const struct value *value)
{
    if (value->type != VALUE_MAP || value->count != 1 || value->attrs[0].value.type == VALUE_NULL)
        return NULL;
    static const char *const names[] = { "input", "inputs", "output", "outputs" };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_equal_c(value->attrs[0].key, names[i]))
            return &value->attrs[0].value;
    return NULL;
}

/* What LangChain's serialisers and LangGraph's commands put around a message. */
const struct value *unwrapped(const struct value *value)
{
    const struct value *kwargs = map_get(value, "kwargs"); /* {lc, type: "constructor", id} */
    if (kwargs && kwargs->type == VALUE_MAP && map_get(value, "lc"))
        return kwargs;
    const struct value *data = map_get(value, "data"); /* {type: "human", data: {content}} */
    if (data && data->type == VALUE_MAP && map_get(data, "content") && map_get(value, "type"))
        return data;
    const struct value *update = map_get(value, "update"); /* {graph, update, goto} */
    if (update && map_get(value, "graph"))
        return update;
    const struct value *side = sole_side(value);
    return side ? side : value;
}

/* {choices:[{message, finish_reason}]}, one choice event, or a wrapped message. */
static bool wrapped_add(struct norm *norm, const struct value *value, bool output, int depth,
                        uint32_t *count)
{
    if (is_request(value)) {
        request_add(norm, value, output, depth, count);
        return true;
    }
    static const char *const lists[] = { "messages", "choices",     "candidates",
                                         "contents", "generations", "replies" };
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        const struct value *list = map_get(value, lists[i]);
        bool is_content = i == 3 && (map_get(value, "role") || map_get(value, "message"));
        if (list && list->type == VALUE_ARRAY && !is_content) {
            any_add(norm, list, output, depth + 1, count);
            return true;
        }
    }
    const struct value *message = first_of(value, "message", "prompt", "completion");
    if (!message || (message->type != VALUE_MAP && !map_get(message, "text")))
        message = map_get(value, "content"); /* Gemini candidate: {content:{parts,role}} */
    if (!message || message->type != VALUE_MAP)
        return false;
    if (unwrapped(message)->type == VALUE_MAP)
        message = unwrapped(message);
    const struct value *finish = first_of(value, "finish_reason", "finishReason", NULL);
    const struct value *info = map_get(value, "generation_info"); /* LangChain */
    if (!finish && info)
        finish = map_get(info, "finish_reason");
    const struct value *calls =
        map_get(value, "tool_calls"); /* beside `message` in gen_ai.choice */
    if (calls && !map_get(message, "tool_calls")) {
        struct value joined = { .type = VALUE_MAP, .count = message->count + 1 };
        joined.attrs = arena_new(norm->arena, struct attr, joined.count);
        if (!joined.attrs) {
            norm->spent = true;
            return true;
        }
        if (message->count)
            memcpy(joined.attrs, message->attrs, message->count * sizeof(struct attr));
        joined.attrs[message->count] = (struct attr){ STR_OF("tool_calls"), *calls };
        message_add(norm, &joined, output, finish, count);
    } else {
        message_add(norm, message, output, finish, count);
    }
    return true;
}

static bool is_message(const struct value *value)
{
    return map_get(value, "role") || map_get(value, "parts") || map_get(value, "tool_calls") ||
           (map_get(value, "content") && map_get(value, "content")->type != VALUE_MAP);
}

/* {text, toolCalls, files, ...}: an answer of the AI SDK as an object. */
static bool is_answer(const struct value *value)
{
    return !str_is_none(map_text(value, "text")) &&
           (map_get(value, "toolCalls") || map_get(value, "files"));
}

/* A tree in a text that is messages, and not what an application said in JSON. */
static bool is_known(const struct value *tree)
{
    static const char *const wrappers[] = { "messages", "choices",     "candidates",
                                            "contents", "generations", "replies" };
    if (tree->type == VALUE_ARRAY || tree->type == VALUE_STR || is_message(tree) ||
        unwrapped(tree) != tree || is_answer(tree) || (tree->type == VALUE_MAP && is_request(tree)))
        return true;
    for (size_t i = 0; i < COUNT_OF(wrappers); i++)
        if (map_get(tree, wrappers[i]))
            return true;
    return false;
}

static void text_add(struct norm *norm, str text, bool output, int depth, uint32_t *count)
{
    struct value tree;
    if (looks_like_json(text) && depth < NEST_MAX) {
        if (parse_json(norm, text, &tree)) {
            if (is_known(&tree)) {
                any_add(norm, &tree, output, depth + 1, count);
                return;
            }
        } else if (str_trim(text).ptr[0] != '"') {
            norm->odd |= ODD_JSON_BROKEN;
        }
    }
    message_text(norm, text, output, count);
}

/* A list without messages in it is the parts of one message. */
static bool is_parts(const struct value *list)
{
    if (!is_block_list(list))
        return false;
    for (uint32_t i = 0; i < list->count; i++)
        if (unwrapped(&list->items[i]) != &list->items[i] || map_get(&list->items[i], "message") ||
            (is_message(&list->items[i]) && !map_get(&list->items[i], "type")))
            return false;
    str type = map_text(&list->items[0], "type");
    static const char *const langchain[] = { "human", "ai", "system", "tool", "AIMessageChunk" };
    for (size_t i = 0; i < COUNT_OF(langchain); i++)
        if (str_equal_c(type, langchain[i]))
            return false;
    return !map_get(&list->items[0], "role") && !map_get(&list->items[0], "lc");
}

static void any_add(struct norm *norm, const struct value *value, bool output, int depth,
                    uint32_t *count)
{
    if (langchain_add(norm, value, output, depth, count))
        return;
    value = unwrapped(value);
    if (value->type == VALUE_STR) {
        text_add(norm, value->text, output, depth, count);
    } else if (value->type == VALUE_ARRAY && is_parts(value)) {
        struct value message = { .type = VALUE_MAP, .count = 1 };
        message.attrs = &(struct attr){ STR_OF("parts"), *value };
        message_add(norm, &message, output, NULL, count);
    } else if (value->type == VALUE_ARRAY && depth < NEST_MAX) {
        for (uint32_t i = 0; i < value->count; i++)
            any_add(norm, &value->items[i], output, depth + 1, count);
    } else if (value->type == VALUE_MAP && depth < NEST_MAX &&
               wrapped_add(norm, value, output, depth, count)) {
        return;
    } else if (value->type == VALUE_MAP && (is_message(value) || map_get(value, "text"))) {
        message_add(norm, value, output, NULL, count);
    } else if (value->type != VALUE_NULL) {
        struct value message = { .type = VALUE_MAP, .count = 1 };
        message.attrs = &(struct attr){ STR_OF("content"), *value };
        message_add(norm, &message, output, NULL, count);
    }
}

void messages_add(struct norm *norm, const struct value *value, bool output, uint32_t *count)
{
    any_add(norm, value, output, 0, count);
}

void parts_add(struct norm *norm, const struct value *value, uint32_t *count)
{
    struct part_writer writer = { .norm = norm, .count = *count };
    struct value tree;
    if (value->type == VALUE_STR && looks_like_json(value->text)) {
        if (parse_json(norm, value->text, &tree))
            value = &tree;
        else
            norm->odd |= ODD_JSON_BROKEN;
    }
    const struct value *inner = first_of(value, "parts", "content", NULL);
    content_add(&writer, inner ? inner : value);
    *count = writer.count;
}
