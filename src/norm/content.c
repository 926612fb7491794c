/* content.c -- what is content leaves the attributes and becomes parts.
 *
 * Per side one source wins: gen_ai.input.messages, then flattened messages,
 * then the rows of dialect.def in order, then span events.  What lost is kept whole in
 * CONTENT_OTHER under its sent name, for it is content too.  Text that is canonical
 * already passes through without a copy.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/utf8.h"
#include "norm/norm_int.h"
#include "wire/json.h"

str out_take(struct norm *norm)
{
    str text = STR_NONE;
    if (!buf_failed(&norm->out))
        text = arena_str(norm->arena, buf_str(&norm->out));
    if (!str_is_none(text))
        return text;
    norm->spent = true;
    return STR_OF("null");
}

bool looks_like_json(str text)
{
    text = str_trim(text);
    return text.len >= 2 && (text.ptr[0] == '{' || text.ptr[0] == '[' || text.ptr[0] == '"');
}

bool parse_json(struct norm *norm, str text, struct value *ret_value)
{
    struct json json;
    json_init(&json, norm->arena, text, VALUE_DEPTH_MAX);
    if (json_value(&json, json_next(&json), ret_value) && json_next(&json) == JSON_END)
        return true;
    if (json_error(&json, NULL) == ERR_LIMIT)
        norm->spent = true;
    return false;
}

void part_add(struct norm *norm, enum content_role role, str json)
{
    if (!norm->spent && !span_add_part(norm->span, role, json))
        norm->odd |= ODD_PARTS_LOST;
}

void part_add_attrs(struct norm *norm, enum content_role role, const struct attr *const *attrs,
                    uint32_t count)
{
    if (count == 0)
        return;
    struct buf *out = &norm->out;
    buf_reset(out);
    for (uint32_t i = 0; i < count; i++) {
        buf_add_char(out, i ? ',' : '{');
        buf_add_json_str(out, attrs[i]->key);
        buf_add_char(out, ':');
        value_to_json(out, &attrs[i]->value);
    }
    buf_add_char(out, '}');
    part_add(norm, role, out_take(norm));
}

/* Bytes of text in a tree, counted until past the limit. */
static size_t value_bytes(const struct value *value, size_t limit, int depth)
{
    size_t bytes = 8;
    if (depth > VALUE_DEPTH_MAX)
        return bytes;
    if (value->type == VALUE_STR || value->type == VALUE_BYTES)
        return bytes + value->text.len;
    for (uint32_t i = 0; i < value->count && bytes <= limit; i++) {
        if (value->type == VALUE_ARRAY)
            bytes += value_bytes(&value->items[i], limit, depth + 1);
        else if (value->type == VALUE_MAP)
            bytes +=
                value->attrs[i].key.len + value_bytes(&value->attrs[i].value, limit, depth + 1);
    }
    return bytes;
}

bool value_is_long(const struct norm *norm, const struct value *value)
{
    size_t limit = norm->config->attr_value_bytes_max;
    if (value->type == VALUE_STR || value->type == VALUE_BYTES)
        return value->text.len > limit;
    if (value->type != VALUE_ARRAY && value->type != VALUE_MAP)
        return false;
    return value_bytes(value, limit, 0) > limit;
}

static void other_add(struct norm *norm, const struct attr *attr)
{
    assert(norm->others_count < norm->attrs_max);
    norm->others[norm->others_count++] = attr;
}

/* ---- JSON objects that hold fields ---- */

static bool object_of(struct norm *norm, const struct value *value, struct value *ret)
{
    *ret = *value;
    if (value->type == VALUE_STR &&
        (!looks_like_json(value->text) || !parse_json(norm, value->text, ret)))
        return false;
    return ret->type == VALUE_MAP;
}

/* OpenInference overwrites llm.model_name with the model that answered; the one that was
 * asked for stays in the invocation. */
static void invocation_model(struct norm *norm)
{
    struct span *span = norm->span;
    const struct value *asked = map_get(&norm->invocation, "model");
    str text;
    if (!asked || asked->type != VALUE_STR || !convert_text(norm, asked, &text) ||
        !has(norm, TARGET_request_model) || has(norm, TARGET_generator_model) ||
        !str_equal_c(norm->winner[TARGET_request_model].attr->key, "llm.model_name"))
        return;
    SPAN_SET(span, generator_model, span->request_model);
    SPAN_SET(span, request_model, text);
}

void norm_early(struct norm *norm)
{
    static const enum target targets[] = { TARGET_text_versions, TARGET_text_metadata,
                                           TARGET_text_invocation };
    if (!norm->has_content)
        return;
    for (size_t i = 0; i < COUNT_OF(targets); i++) {
        const struct value *value = held(norm, targets[i]);
        struct value map;
        if (!value)
            continue;
        if (object_of(norm, value, &map)) {
            take_members(norm, &map);
            if (targets[i] == TARGET_text_invocation) {
                norm->invocation = map;
                invocation_model(norm);
            }
        }
        const struct attr *attr = norm->winner[targets[i]].attr;
        if (targets[i] == TARGET_text_invocation) {
            other_add(norm, attr);
        } else {
            assert(norm->kept_count < norm->attrs_max);
            norm->kept[norm->kept_count++] = *attr;
        }
        norm->score[targets[i]] = 0;
    }
}

static bool is_scalar(const struct value *value)
{
    return value->type == VALUE_I64 || value->type == VALUE_F64 || value->type == VALUE_BOOL ||
           (value->type == VALUE_STR && value->text.len <= 64);
}

/* gen_ai.request.* that have no field, and scalars of an invocation object (A25). */
static void add_parameters(struct norm *norm)
{
    static const str prefix = STR("gen_ai.request.");
    struct buf *out = &norm->out;
    buf_reset(out);
    buf_add_char(out, '{');
    for (uint32_t i = 0; i < norm->parameters_count; i++) {
        const struct attr *attr = norm->parameters[i];
        if (value_is_long(norm, &attr->value))
            continue;
        if (out->len > 1)
            buf_add_char(out, ',');
        buf_add_json_str(out, str_from(attr->key, prefix.len));
        buf_add_char(out, ':');
        value_to_json(out, &attr->value);
    }
    for (uint32_t i = 0; norm->invocation.type == VALUE_MAP && i < norm->invocation.count; i++) {
        const struct attr *attr = &norm->invocation.attrs[i];
        if (!is_scalar(&attr->value) || norm_field_of_attr(attr->key) != FIELD_COUNT)
            continue;
        if (out->len > 1)
            buf_add_char(out, ',');
        buf_add_json_str(out, attr->key);
        buf_add_char(out, ':');
        value_to_json(out, &attr->value);
    }
    buf_add_char(out, '}');
    if (out->len > 2)
        SPAN_SET(norm->span, parameters, out_take(norm));
}

/* ---- messages ---- */

static void hash_set(struct norm *norm, enum field field, const struct buf *canon)
{
    if (!norm->config->content_hash || canon->len == 0 || buf_failed(canon) ||
        span_knows(norm->span, field))
        return;
    str hash =
        norm->config->content_hash(norm->config->content_hash_arg, norm->arena, buf_str(canon));
    if (str_is_none(hash)) {
        norm->spent = true;
        return;
    }
    *(str *)span_field(norm->span, field) = hash;
    span_mark(norm->span, field);
}

static void hash_text(struct norm *norm, enum field field, str text)
{
    buf_reset(&norm->canon);
    buf_add_str(&norm->canon, text);
    hash_set(norm, field, &norm->canon);
}

/* Canonical messages of value: itself when it is, else rebuilt. */
static str messages_of(struct norm *norm, const struct value *value, bool output,
                       struct collected *ret)
{
    if (value->type == VALUE_STR && looks_like_json(value->text) &&
        collect_messages(norm, value->text, ret))
        return value->text;
    uint32_t count = 0;
    buf_reset(&norm->out);
    buf_add_char(&norm->out, '[');
    messages_add(norm, value, output, &count);
    buf_add_char(&norm->out, ']');
    str json = out_take(norm);
    (void)collect_messages(norm, json, ret);
    return json;
}

/* The flattened attributes of a family have lost against another source. */
static void flats_to_others(struct norm *norm, enum family family)
{
    for (uint32_t i = 0; i < norm->flats_count; i++)
        if (norm->flats[i].family == family)
            other_add(norm, norm->flats[i].attr);
}

/* LiteLLM writes a message without parts for an answer that is a call. */
static bool says_nothing(const struct value *value)
{
    static const str empty = STR("\"parts\": []");
    return value->type == VALUE_STR && str_find(value->text, empty) < value->text.len &&
           str_find(value->text, STR_OF("\"type\"")) == value->text.len;
}

/* The source of one kind of content, by precedence; false: there is none. */
static bool source_of(struct norm *norm, enum target target, enum family family, struct value *ret)
{
    const struct value *value = held(norm, target);
    struct value tree;
    bool is_flat = flat_tree(norm, family, &tree);
    if (value) {
        const struct attr *attr = norm->winner[target].attr;
        bool is_first = str_starts(attr->key, STR_OF("gen_ai.")) &&
                        !str_equal_c(attr->key, "gen_ai.prompt") &&
                        !str_equal_c(attr->key, "gen_ai.completion");
        if (!is_flat || (is_first && !says_nothing(value))) {
            if (is_flat)
                flats_to_others(norm, family);
            *ret = *value;
            return true;
        }
        other_add(norm, attr);
    }
    if (is_flat)
        *ret = tree;
    return is_flat;
}

static bool message_source(struct norm *norm, bool output, struct value *ret)
{
    enum family family = output ? FAMILY_FLAT_OUTPUT : FAMILY_FLAT_INPUT;
    if (source_of(norm, output ? TARGET_text_output : TARGET_text_input, family, ret))
        return true;
    if (!output && source_of(norm, TARGET_text_input, FAMILY_FLAT_EMBEDDINGS, ret)) {
        for (uint32_t i = 0; ret->type == VALUE_ARRAY && i < ret->count; i++) {
            const struct value *inner = map_get(&ret->items[i], "embedding");
            if (inner)
                ret->items[i] = *inner; /* {text} reads as a message */
        }
        return true;
    }
    uint32_t count = norm->event_items_count[output];
    *ret = (struct value){ .type = VALUE_ARRAY, .count = count };
    ret->items = norm->event_items[output];
    return count > 0;
}

static void system_add(struct norm *norm, size_t *chars)
{
    const struct value *value = held(norm, TARGET_text_system);
    if (!value)
        return;
    struct collected got;
    str json = value->type == VALUE_STR ? value->text : STR_NONE;
    size_t start = norm->canon.len;
    if (str_is_none(json) || !collect_parts(norm, json, &got)) {
        uint32_t count = 0;
        buf_reset(&norm->out);
        buf_add_char(&norm->out, '[');
        parts_add(norm, value, &count);
        buf_add_char(&norm->out, ']');
        json = out_take(norm);
        (void)collect_parts(norm, json, &got);
    }
    if (!buf_failed(&norm->canon))
        buf_add(&norm->canon_system, norm->canon.ptr + start, norm->canon.len - start);
    *chars += got.chars;
    part_add(norm, CONTENT_SYSTEM, json);
}

static void input_add(struct norm *norm)
{
    struct collected got = { 0 };
    struct value value;
    size_t chars = 0;
    buf_reset(&norm->canon);
    buf_reset(&norm->canon_system);
    system_add(norm, &chars);
    bool any = message_source(norm, false, &value);
    if (any)
        part_add(norm, CONTENT_INPUT, messages_of(norm, &value, false, &got));
    if (!any && norm->canon.len == 0)
        return;
    if (!SPAN_KNOWS(norm->span, prompt_length))
        SPAN_SET(norm->span, prompt_length, (int64_t)(chars + got.chars));
    hash_set(norm, FIELD_prompt_hash, &norm->canon);
    hash_set(norm, FIELD_system_prompt_hash, &norm->canon_system);
}

static void finish_from(struct norm *norm, const struct collected *got)
{
    if (got->finish_count == 0 || SPAN_KNOWS(norm->span, finish_reason))
        return;
    str *items = arena_new(norm->arena, str, got->finish_count);
    if (!items) {
        norm->spent = true;
        return;
    }
    for (uint32_t i = 0; i < got->finish_count; i++)
        items[i] = got->finish[i];
    SPAN_SET(norm->span, finish_reason, (struct strs){ items, got->finish_count });
}

/* Text, tool calls and reasoning that came as attributes of their own are one message. */
static bool answer_join(struct norm *norm, bool any, struct value *ret)
{
    const struct value *calls = held(norm, TARGET_text_calls);
    const struct value *reasoning = held(norm, TARGET_text_reasoning);
    if (!calls && !reasoning)
        return any;
    struct attr *members = arena_new(norm->arena, struct attr, 3);
    if (!members) {
        norm->spent = true;
        return any;
    }
    uint32_t count = 0;
    if (reasoning)
        members[count++] = (struct attr){ STR_OF("reasoning_content"), *reasoning };
    if (any)
        members[count++] = (struct attr){ STR_OF("content"), *ret };
    if (calls)
        members[count++] = (struct attr){ STR_OF("tool_calls"), *calls };
    *ret = (struct value){ .type = VALUE_MAP, .count = count };
    ret->attrs = members;
    return true;
}

static void output_add(struct norm *norm)
{
    struct collected got = { 0 };
    struct value value;
    if (!answer_join(norm, message_source(norm, true, &value), &value))
        return;
    buf_reset(&norm->canon);
    part_add(norm, CONTENT_OUTPUT, messages_of(norm, &value, true, &got));
    if (!SPAN_KNOWS(norm->span, response_length))
        SPAN_SET(norm->span, response_length, (int64_t)got.chars);
    finish_from(norm, &got);
    if (got.refused && !SPAN_KNOWS(norm->span, refusal_flag))
        SPAN_SET(norm->span, refusal_flag, true);
    hash_set(norm, FIELD_answer_hash, &norm->canon);
}

/* ---- single values ---- */

/* Valid JSON of a value: JSON text as it is, other text as a string. */
static str json_of(struct norm *norm, const struct value *value)
{
    if (value->type == VALUE_STR && looks_like_json(value->text)) {
        if (json_check(value->text))
            return value->text;
        norm->odd |= ODD_JSON_BROKEN;
    }
    buf_reset(&norm->out);
    value_to_json(&norm->out, value);
    return out_take(norm);
}

/* {"args": [], "kwargs": {...}}, as tracers of functions write a call: the named ones. */
static const struct value *named_arguments(struct norm *norm, const struct value *value,
                                           struct value *tree)
{
    const struct value *kwargs = object_of(norm, value, tree) ? map_get(tree, "kwargs") : NULL;
    const struct value *args = kwargs ? map_get(tree, "args") : NULL;
    bool only_named = kwargs && kwargs->type == VALUE_MAP && (!args || args->count == 0);
    return only_named ? kwargs : value;
}

/* The result in a tool message of LangChain's, an output of LlamaIndex's, or what ADK puts
 * around a result that is no object; NULL: none of these. */
static const struct value *wrapped_result(struct norm *norm, const struct value *tree)
{
    const struct value *message = unwrapped(unwrapped(tree));
    const struct value *id = map_get(message, "tool_call_id");
    str text;
    if (id && !SPAN_KNOWS(norm->span, tool_call_id) && convert_text(norm, id, &text))
        SPAN_SET(norm->span, tool_call_id, text);
    if (id)
        return map_get(message, "content");
    if (map_get(message, "tool_name"))
        return map_get(message, "raw_output");
    return tree->type == VALUE_MAP && tree->count == 1 ? map_get(tree, "result") : NULL;
}

/* A tool's result without what libraries put around it. */
static const struct value *tool_result(struct norm *norm, const struct value *value,
                                       struct value *tree)
{
    if (value->type != VALUE_STR || !looks_like_json(value->text) ||
        !parse_json(norm, value->text, tree))
        return value;
    const struct value *content = wrapped_result(norm, tree);
    if (content)
        return content;
    if (tree->type == VALUE_STR && looks_like_json(tree->text))
        return tree; /* JSON in JSON: MLflow */
    const struct value *only = sole_text(tree);
    return only == tree ? value : only;
}

static void value_add(struct norm *norm, enum target target, enum content_role role)
{
    const struct value *value = held(norm, target);
    struct value tree = { .type = VALUE_NULL };
    if (!value)
        return;
    if (role == CONTENT_TOOL_ARGUMENTS)
        value = named_arguments(norm, value, &tree);
    if (value != held(norm, target) && tree.count > 2)
        other_add(norm, norm->winner[target].attr);
    if (role == CONTENT_TOOL_RESULT)
        value = tool_result(norm, value, &tree);
    str json = json_of(norm, value);
    part_add(norm, role, json);
    if (role == CONTENT_TOOL_ARGUMENTS)
        hash_text(norm, FIELD_tool_arguments_hash, json);
}

static void query_add(struct norm *norm)
{
    const struct value *value = held(norm, TARGET_text_query);
    struct value tree;
    if (!value)
        return;
    if (object_of(norm, value, &tree)) { /* the arguments of a function */
        const struct value *bundle = map_get(&tree, "query_bundle");
        const struct value *query =
            map_get(bundle ? bundle : &tree, bundle ? "query_str" : "query");
        const struct value *sole = unwrapped(&tree); /* {"input": "..."} */
        value = query ? query : sole != &tree && sole->type == VALUE_STR ? sole : value;
    }
    buf_reset(&norm->out);
    value_to_json(&norm->out, value);
    str json = out_take(norm);
    part_add(norm, CONTENT_QUERY, json);
    hash_text(norm, FIELD_query_hash, json);
}

/* A definition; OpenLLMetry's flat form has its schema as text. */
static void tool_add(struct norm *norm, const struct value *tool)
{
    struct buf *out = &norm->out;
    if (tool->type != VALUE_MAP || tool->count == 0) {
        value_to_json(out, tool);
        return;
    }
    for (uint32_t i = 0; i < tool->count; i++) {
        const struct attr *member = &tool->attrs[i];
        bool is_schema = str_equal_c(member->key, "parameters") &&
                         member->value.type == VALUE_STR && json_check(member->value.text);
        buf_add_char(out, i ? ',' : '{');
        buf_add_json_str(out, member->key);
        buf_add_char(out, ':');
        if (is_schema)
            buf_add_str(out, member->value.text);
        else
            value_to_json(out, &member->value);
    }
    buf_add_char(out, '}');
}

/* Those of a whole request, {"messages": [...], "tools": [...]}. */
static bool tools_of_request(struct norm *norm, struct value *ret)
{
    static const str member = STR("\"tools\"");
    const struct value *input = held(norm, TARGET_text_input);
    struct value tree;
    if (norm->step != STEP_MODEL || !input || input->type != VALUE_STR ||
        str_find(input->text, member) == input->text.len || !object_of(norm, input, &tree))
        return false;
    const struct value *tools = map_get(&tree, "tools");
    if (!tools || tools->type != VALUE_ARRAY || tools->count == 0)
        return false;
    *ret = *tools;
    return true;
}

/* Tool definitions as an array; items that are JSON texts become JSON. */
static void tools_add(struct norm *norm)
{
    struct value value;
    if (!source_of(norm, TARGET_text_tools, FAMILY_FLAT_TOOLS, &value) &&
        !tools_of_request(norm, &value))
        return;
    if (value.type != VALUE_ARRAY) {
        str json = json_of(norm, &value);
        bool is_list = str_starts(str_trim(json), STR_OF("["));
        part_add(norm, CONTENT_TOOLS,
                 is_list ? json : arena_printf(norm->arena, "[%.*s]", STR_ARG(json)));
        return;
    }
    buf_reset(&norm->out);
    for (uint32_t i = 0; i < value.count; i++) {
        const struct value *item = &value.items[i];
        const struct value *inner = map_get(item, "tool"); /* llm.tools.N.tool.json_schema */
        const struct value *schema = map_get(inner ? inner : item, "json_schema");
        const struct value *data = map_get(item, "data"); /* Haystack */
        schema = !schema && map_get(data, "name") ? data : schema;
        item = schema ? schema : item;
        buf_add_char(&norm->out, i ? ',' : '[');
        if (item->type == VALUE_STR && looks_like_json(item->text) && json_check(item->text))
            buf_add_str(&norm->out, item->text);
        else
            tool_add(norm, item);
    }
    buf_add_c(&norm->out, value.count ? "]" : "[]");
    part_add(norm, CONTENT_TOOLS, out_take(norm));
}

/* {document:{...}} of OpenInference, or the document itself. */
static const struct value *document_of(const struct value *item)
{
    const struct value *document = map_get(item, "document");
    return document && document->type == VALUE_MAP ? document : item;
}

/* A member of a document, or of its metadata where some stores put it. */
static const struct value *document_member(struct norm *norm, const struct value *document,
                                           const char *key, struct value *tree)
{
    const struct value *member = map_get(document, key);
    const struct value *metadata = map_get(document, "metadata");
    if (member || !metadata || !object_of(norm, metadata, tree))
        return member;
    return map_get(tree, key);
}

static void scores_from(struct norm *norm, const struct value *items, uint32_t list_count)
{
    double *scores = arena_new(norm->arena, double, list_count);
    str *ids = arena_new(norm->arena, str, list_count);
    uint32_t count = 0, id_count = 0;
    struct value tree;
    for (uint32_t i = 0; scores && ids && i < list_count; i++) {
        const struct value *document = document_of(&items[i]);
        const struct value *score = document_member(norm, document, "score", &tree);
        count += score && value_as_f64(score, &scores[count]);
        const struct value *id = map_get(document, "id");
        id_count += id && convert_text(norm, id, &ids[id_count]);
    }
    norm->spent = norm->spent || !scores || !ids;
    if (count && !SPAN_KNOWS(norm->span, document_scores))
        SPAN_SET(norm->span, document_scores, (struct f64s){ scores, count });
    if (id_count && !SPAN_KNOWS(norm->span, source_ids))
        SPAN_SET(norm->span, source_ids, (struct strs){ ids, id_count });
    if (!SPAN_KNOWS(norm->span, top_k_returned))
        SPAN_SET(norm->span, top_k_returned, list_count);
}

/* The list of documents that value holds, itself or under a name, else NULL. */
static const struct value *document_list(const struct value *value)
{
    static const char *const names[] = { "documents", "outputs", "output" };
    const struct value *list = value;
    for (size_t i = 0; value->type == VALUE_MAP && list == value && i < COUNT_OF(names); i++)
        list = map_get(value, names[i]) ? map_get(value, names[i]) : list;
    if (list->type != VALUE_ARRAY || list->count == 0)
        return NULL;
    for (uint32_t i = 0; i < list->count; i++)
        if (!map_get(&list->items[i], "content") && !map_get(&list->items[i], "text") &&
            !map_get(&list->items[i], "page_content") && !map_get(&list->items[i], "pageContent"))
            return NULL;
    return list;
}

/* A document as it came, but its text under "content". */
static void document_write(struct norm *norm, const struct value *document)
{
    struct buf *out = &norm->out;
    if (document->type != VALUE_MAP) {
        buf_add_c(out, "{\"content\":");
        value_to_json(out, document);
        buf_add_char(out, '}');
        return;
    }
    bool has_content = map_get(document, "content") != NULL;
    buf_add_char(out, '{');
    for (uint32_t i = 0; i < document->count; i++) {
        str key = document->attrs[i].key;
        bool is_text = str_equal_c(key, "page_content") || str_equal_c(key, "pageContent");
        if (i)
            buf_add_char(out, ',');
        buf_add_json_str(out, is_text && !has_content ? STR_OF("content") : key);
        buf_add_char(out, ':');
        value_to_json(out, &document->attrs[i].value);
    }
    buf_add_char(out, '}');
}

static void documents_add(struct norm *norm)
{
    struct value value, tree;
    if (!source_of(norm, TARGET_text_documents, FAMILY_FLAT_DOCUMENTS, &value))
        return;
    if (value.type == VALUE_STR && looks_like_json(value.text) &&
        parse_json(norm, value.text, &tree))
        value = tree;
    if (value.type == VALUE_MAP && document_list(&value))
        value = *document_list(&value);
    bool is_list = value.type == VALUE_ARRAY;
    const struct value *items = is_list ? value.items : &value; /* anything else is one chunk */
    uint32_t count = is_list ? value.count : 1;
    buf_reset(&norm->out);
    buf_add_char(&norm->out, '[');
    for (uint32_t i = 0; i < count; i++) {
        const struct value *document = document_of(&items[i]);
        buf_add_c(&norm->out, i ? "," : "");
        document_write(norm, document);
    }
    buf_add_char(&norm->out, ']');
    part_add(norm, CONTENT_DOCUMENTS, out_take(norm));
    if (is_list)
        scores_from(norm, items, count);
}

/* What input and output mean on a span that is no model call (dialects.md 3). */
static void reroute(struct norm *norm)
{
    static const struct {
        enum step step;
        enum target from, to;
    } routes[] = {
        { STEP_TOOL, TARGET_text_input, TARGET_text_arguments },
        { STEP_TOOL, TARGET_text_output, TARGET_text_result },
        { STEP_RETRIEVAL, TARGET_text_input, TARGET_text_query },
        { STEP_SEARCH, TARGET_text_input, TARGET_text_query },
        { STEP_RERANK, TARGET_text_input, TARGET_text_query },
        { STEP_RETRIEVAL, TARGET_text_output, TARGET_text_documents },
    };
    bool is_definition =
        norm->step == STEP_TOOL && has(norm, TARGET_text_input) &&
        has(norm, TARGET_text_arguments) &&
        str_equal_c(norm->winner[TARGET_text_arguments].attr->key, "tool.parameters");
    if (is_definition) { /* OpenInference: the schema; the arguments are the input */
        other_add(norm, norm->winner[TARGET_text_arguments].attr);
        norm->score[TARGET_text_arguments] = 0;
    }
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        if (routes[i].step != norm->step || !has(norm, routes[i].from) || has(norm, routes[i].to))
            continue;
        norm->winner[routes[i].to] = norm->winner[routes[i].from];
        norm->score[routes[i].to] = norm->score[routes[i].from];
        norm->score[routes[i].from] = 0;
    }
}

/* Strands tells a tool's arguments and result as events: the one message of a side. */
static void tool_events(struct norm *norm, bool output, enum target target)
{
    if (norm->event_items_count[output] != 1 || has(norm, target))
        return;
    const struct value *item = &norm->event_items[output][0];
    const struct value *message = map_get(item, "message");
    const struct value *content = map_get(message ? message : item, "content");
    content = content ? content : message;
    struct attr *attr = content ? arena_new(norm->arena, struct attr, 1) : NULL;
    if (!attr)
        return;
    *attr = (struct attr){ STR_OF("message"), *content };
    norm->winner[target] = (struct winner){ attr, true };
    norm->score[target] = 1;
    norm->event_items_count[output] = 0;
    norm->has_content = true;
}

void norm_content(struct norm *norm)
{
    if (norm->step == STEP_TOOL) {
        tool_events(norm, false, TARGET_text_arguments);
        tool_events(norm, true, TARGET_text_result);
    }
    if (norm->parameters_count || norm->invocation.type == VALUE_MAP)
        add_parameters(norm);
    bool has_events = norm->event_items_count[0] || norm->event_items_count[1];
    if (!norm->has_content && !has_events) {
        norm_events_part(norm);
        return;
    }
    reroute(norm);
    input_add(norm);
    output_add(norm);
    tools_add(norm);
    value_add(norm, TARGET_text_arguments, CONTENT_TOOL_ARGUMENTS);
    value_add(norm, TARGET_text_result, CONTENT_TOOL_RESULT);
    query_add(norm);
    documents_add(norm);
    value_add(norm, TARGET_text_parsed, CONTENT_PARSED);
    norm_events_part(norm);
    flats_to_others(norm, FAMILY_FLAT_CANDIDATES);
    if (has(norm, TARGET_text_other))
        other_add(norm, norm->winner[TARGET_text_other].attr);
    part_add_attrs(norm, CONTENT_OTHER, norm->others, norm->others_count);
}
