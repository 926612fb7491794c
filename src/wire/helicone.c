/* helicone.c -- see helicone.h.
 *
 * What a log does not say (a prompt left out by Helicone-Omit-Request, counts that the provider
 * did not give) stays unknown.  Keys and provider tokens among the headers are never read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "wire/helicone_int.h"
#include "wire/json.h"
#include <math.h>

struct log {
    struct arena *arena;
    const struct otlp_limits *limits;
    const struct helicone_body *body;
    struct raw_span span;
    struct native_attrs attrs;
    const struct value *request, *response; /* objects; NULL: none */
    struct value streamed;
    str text; /* an answer that is no JSON */
    str type, session_id, session_path, request_id, model;
    bool omits_request, omits_response;
    bool spent;
};

static void add(struct log *log, str key, struct value value)
{
    if (value.type == VALUE_NULL || (value.type == VALUE_STR && value.text.len == 0))
        return;
    if (log->attrs.count >= log->limits->attrs_max)
        log->span.dropped_attr_count++;
    else if (!native_attr_add(log->arena, &log->attrs, key, value))
        log->spent = true;
}

static void add_text(struct log *log, const char *key, str text)
{
    if (text.len)
        add(log, str_from_c(key), value_str(text));
}

static void add_under(struct log *log, const char *prefix, str name, struct value value)
{
    str key = arena_printf(log->arena, "%s%.*s", prefix, STR_ARG(name));
    log->spent = log->spent || str_is_none(key);
    if (!log->spent)
        add(log, key, value);
}

static struct value pair(struct log *log, const char *first_key, const struct value *first,
                         const char *second_key, const struct value *second)
{
    struct value map = { .type = VALUE_MAP };
    map.attrs = arena_new(log->arena, struct attr, 2);
    log->spent = log->spent || !map.attrs;
    if (map.attrs && first)
        map.attrs[map.count++] = (struct attr){ str_from_c(first_key), *first };
    if (map.attrs && second)
        map.attrs[map.count++] = (struct attr){ str_from_c(second_key), *second };
    return map;
}

/* ---- what the headers say ---- */

static bool is_true(str text)
{
    return str_equal_nocase(text, STR_OF("true")) || str_equal_c(text, "1");
}

static void header(struct log *log, str name, str text)
{
    static const str property = STR("property-");
    const struct {
        const char *name;
        str *to;
        const char *key;
    } rows[] = {
        { "user-id", NULL, "helicone.user_id" },
        { "session-id", &log->session_id, "helicone.session.id" },
        { "session-path", &log->session_path, "helicone.session.path" },
        { "session-name", NULL, "helicone.session.name" },
        { "prompt-id", NULL, "helicone.prompt_id" },
        { "request-id", &log->request_id, NULL },
        { "model-override", &log->model, NULL },
    };
    if (str_equal_c(name, "auth") || text.len == 0)
        return;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (!str_equal_c(name, rows[i].name))
            continue;
        if (rows[i].to)
            *rows[i].to = text;
        if (rows[i].key)
            add_text(log, rows[i].key, text);
        return;
    }
    if (str_equal_c(name, "omit-request"))
        log->omits_request = is_true(text);
    else if (str_equal_c(name, "omit-response"))
        log->omits_response = is_true(text);
    else if (str_starts(name, property))
        add_under(log, "helicone.property.", str_from(name, property.len), value_str(text));
    else
        add_under(log, "helicone.", name, value_str(text));
}

static str lower(struct log *log, str text)
{
    char *copy = arena_alloc(log->arena, text.len + 1);
    log->spent = log->spent || !copy;
    for (size_t i = 0; copy && i < text.len; i++)
        copy[i] = text.ptr[i] >= 'A' && text.ptr[i] <= 'Z' ? (char)(text.ptr[i] + 32) : text.ptr[i];
    return copy ? str_make(copy, text.len) : STR_OF("");
}

static void headers(struct log *log, const struct value *meta)
{
    static const str prefix = STR("helicone-");
    for (uint32_t i = 0; i < log->body->header_count; i++) {
        const struct attr *one = &log->body->headers[i];
        if (str_starts(one->key, prefix) && one->value.type == VALUE_STR)
            header(log, str_from(one->key, prefix.len), one->value.text);
    }
    for (uint32_t i = 0; meta && meta->type == VALUE_MAP && i < meta->count; i++) {
        const struct attr *one = &meta->attrs[i];
        str name = lower(log, one->key);
        if (str_starts(name, prefix) && one->value.type == VALUE_STR)
            header(log, str_from(name, prefix.len), one->value.text);
    }
}

/* ---- ids and times ---- */

static void ids(struct log *log)
{
    str own = log->request_id.len ? log->request_id : log->body->bytes;
    log->span.trace_id = native_trace_id(log->session_id.len ? log->session_id : own);
    log->span.span_id = native_span_id(own);
    if (log->request_id.len)
        log->span.source_id = log->request_id;
}

/* {seconds, milliseconds}; 0: not said. */
static uint64_t moment(const struct value *time)
{
    double seconds = 0, milliseconds = 0;
    const struct value *whole = tree_get(time, "seconds"), *rest = tree_get(time, "milliseconds");
    bool good = whole && value_as_f64(whole, &seconds) && seconds > 0 && seconds < 9e9;
    if (!good || (rest && (!value_as_f64(rest, &milliseconds) || !(milliseconds >= 0) ||
                           milliseconds > 1e6)))
        return 0;
    return (uint64_t)(seconds * 1e3 + milliseconds + 0.5) * (uint64_t)NS_PER_MS;
}

static void times(struct log *log, const struct value *timing)
{
    const struct value *first = tree_get(timing, "timeToFirstToken");
    log->span.start_ns = moment(tree_get(timing, "startTime"));
    log->span.end_ns = moment(tree_get(timing, "endTime"));
    if (first)
        add(log, STR_OF("helicone.time_to_first_token_ms"), *first);
}

/* ---- a call of a model ---- */

static const struct value *any_of(const struct value *map, const char *const *keys, size_t count)
{
    const struct value *found = NULL;
    for (size_t i = 0; i < count && !found; i++)
        found = tree_get(map, keys[i]);
    return found;
}

/* Messages with their system prompt, or the one thing that was asked. */
static void asked(struct log *log)
{
    static const char *const systems[] = { "system", "instructions", "systemInstruction",
                                           "system_instruction" };
    static const char *const lists[] = { "messages", "input", "contents", "prompt" };
    const struct value *system = any_of(log->request, systems, COUNT_OF(systems));
    const struct value *list = any_of(log->request, lists, COUNT_OF(lists));
    const struct value *tools = tree_get(log->request, "tools");
    if (log->omits_request)
        return;
    if (system)
        add(log, STR_OF("helicone.request"), pair(log, "system", system, "prompt", list));
    else if (list)
        add(log, STR_OF("helicone.request"), *list);
    if (tools)
        add(log, STR_OF("helicone.tools"), *tools);
}

/* Everything else of a request: its model and parameters. */
static void parameters(struct log *log)
{
    static const char *const content[] = {
        "messages",          "input", "contents",          "prompt", "system", "instructions",
        "systemInstruction", "tools", "system_instruction"
    };
    for (uint32_t i = 0; i < log->request->count; i++) {
        const struct attr *member = &log->request->attrs[i];
        bool is_content = str_equal_c(member->key, "model") && log->model.len;
        for (size_t j = 0; j < COUNT_OF(content); j++)
            is_content = is_content || str_equal_c(member->key, content[j]);
        if (!is_content)
            add_under(log, "helicone.request.", member->key, member->value);
    }
    add_text(log, "helicone.request.model", log->model);
}

/* Counts of a kind where the input is without what the cache had: Anthropic's own. */
static struct value exclusive(struct log *log, const struct value *usage)
{
    static const struct {
        const char *from;
        str to;
    } names[] = {
        { "input_tokens", STR("input") },
        { "output_tokens", STR("output_tokens") },
        { "cache_read_input_tokens", STR("input_cache_read") },
        { "cache_creation_input_tokens", STR("input_cache_creation") },
    };
    const struct value *written = tree_get(usage, "cache_creation");
    const struct value *hour = tree_get(written, "ephemeral_1h_input_tokens");
    struct value map = { .type = VALUE_MAP };
    map.attrs = arena_new(log->arena, struct attr, COUNT_OF(names) + 1);
    log->spent = log->spent || !map.attrs;
    for (size_t i = 0; map.attrs && i < COUNT_OF(names); i++) {
        const struct value *count = tree_get(usage, names[i].from);
        if (count)
            map.attrs[map.count++] = (struct attr){ names[i].to, *count };
    }
    if (map.attrs && hour)
        map.attrs[map.count++] = (struct attr){ STR("input_cache_creation_1h"), *hour };
    return map;
}

/* Norm reads a JSON text. */
static void usage(struct log *log, const struct value *counts)
{
    struct buf out;
    if (!counts || counts->type != VALUE_MAP)
        return;
    bool is_exclusive =
        !tree_get(counts, "total_tokens") && (tree_get(counts, "cache_read_input_tokens") ||
                                              tree_get(counts, "cache_creation_input_tokens"));
    struct value map = is_exclusive ? exclusive(log, counts) : *counts;
    buf_init(&out, MIB);
    value_to_json(&out, &map);
    str text = buf_failed(&out) ? STR_NONE : arena_str(log->arena, buf_str(&out));
    buf_clear(&out);
    log->spent = log->spent || str_is_none(text);
    add_text(log, "helicone.usage", text);
    if (tree_get(counts, "cost"))
        add(log, STR_OF("helicone.cost"), *tree_get(counts, "cost"));
}

/* What came back. Vectors are no answer that anybody reads. */
static void answered(struct log *log)
{
    const struct value *response = log->response;
    add_text(log, "helicone.response.model", tree_text_as_sent(response, "model"));
    add_text(log, "helicone.response.id", tree_text_as_sent(response, "id"));
    add_text(log, "helicone.finish_reason", tree_text_as_sent(response, "stop_reason"));
    add_text(log, "helicone.request.service_tier", tree_text_as_sent(response, "service_tier"));
    usage(log, tree_get(response, "usage"));
    if (log->omits_response)
        return;
    const struct value *output = tree_get(response, "output"); /* OpenAI's Responses */
    bool is_answer = tree_get(response, "choices") || tree_get(response, "content") ||
                     tree_get(response, "candidates");
    if (output)
        add(log, STR_OF("helicone.response"), *output);
    else if (is_answer)
        add(log, STR_OF("helicone.response"), *response);
    else
        add_text(log, "helicone.response", log->text);
}

static bool is_embedding(const struct log *log)
{
    const struct value *data = tree_get(log->response, "data");
    const struct value *first =
        data && data->type == VALUE_ARRAY && data->count ? data->items : NULL;
    return tree_get(first, "embedding") ||
           (tree_get(log->request, "input") && !tree_get(log->response, "output") &&
            tree_get(log->request, "encoding_format"));
}

static str last_of(str path)
{
    str last = STR_OF(""), piece;
    while (str_next(&path, '/', &piece))
        last = piece.len ? piece : last;
    return last;
}

static void model_call(struct log *log)
{
    bool embeds = is_embedding(log);
    str model = log->model.len ? log->model : tree_text_as_sent(log->request, "model");
    str name = last_of(log->session_path);
    if (!name.len)
        name = arena_printf(log->arena, "%s%s%.*s", embeds ? "embeddings" : "chat",
                            model.len ? " " : "", STR_ARG(model));
    log->span.name = name;
    log->spent = log->spent || str_is_none(name);
    log->span.kind = 3;
    add_text(log, "helicone.kind", embeds ? STR_OF("embedding") : STR_OF("llm"));
    add_text(log, "helicone.provider", log->body->provider);
    asked(log);
    parameters(log);
    answered(log);
}

/* ---- other steps ---- */

/* An object without the members that name it. */
static struct value without(struct log *log, const struct value *map, const char *const *names,
                            size_t count)
{
    struct value rest = { .type = VALUE_MAP };
    if (!map || map->type != VALUE_MAP)
        return (struct value){ .type = VALUE_NULL };
    rest.attrs = arena_new(log->arena, struct attr, map->count + 1);
    log->spent = log->spent || !rest.attrs;
    for (uint32_t i = 0; rest.attrs && i < map->count; i++) {
        bool is_named = map->attrs[i].value.type == VALUE_NULL;
        for (size_t j = 0; j < count; j++)
            is_named = is_named || str_equal_c(map->attrs[i].key, names[j]);
        if (!is_named)
            rest.attrs[rest.count++] = map->attrs[i];
    }
    return rest.count ? rest : (struct value){ .type = VALUE_NULL };
}

static void step_answer(struct log *log)
{
    static const char *const named[] = { "_type", "toolName", "name" };
    struct value rest = without(log, log->response, named, COUNT_OF(named));
    if (log->omits_response)
        return;
    if (rest.type == VALUE_MAP)
        add(log, STR_OF("helicone.response"), rest);
    else
        add_text(log, "helicone.response", log->text);
}

static void tool(struct log *log)
{
    str name = tree_text_as_sent(log->request, "toolName");
    const struct value *input = tree_get(log->request, "input");
    log->span.name = name.len ? name : STR_OF("tool");
    add_text(log, "helicone.kind", STR_OF("tool"));
    add_text(log, "helicone.tool_name", name);
    if (input && !log->omits_request)
        add(log, STR_OF("helicone.request"), *input);
}

static void vector_db(struct log *log)
{
    static const struct {
        const char *from, *to;
    } members[] = { { "topK", "helicone.request.top_k_requested" },
                    { "databaseName", "helicone.request.index_name" },
                    { "operation", "helicone.request.operation_name" },
                    { "filters", "helicone.request.filters" } };
    str operation = tree_text_as_sent(log->request, "operation");
    const struct value *text = tree_get(log->request, "text");
    log->span.name = operation.len ? operation : STR_OF("vector_db");
    add_text(log, "helicone.kind", STR_OF("vector_db"));
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        const struct value *member = tree_get(log->request, members[i].from);
        if (member)
            add(log, str_from_c(members[i].to), *member);
    }
    if (text && !log->omits_request)
        add(log, STR_OF("helicone.request"), *text);
}

static void data(struct log *log)
{
    static const char *const named[] = { "_type", "name" };
    str name = tree_text_as_sent(log->request, "name");
    struct value rest = without(log, log->request, named, COUNT_OF(named));
    log->span.name = name.len ? name : log->type;
    add_text(log, "helicone.kind", STR_OF("span"));
    if (!log->omits_request)
        add(log, STR_OF("helicone.request"), rest);
}

/* ---- the whole ---- */

static str first_line(str text)
{
    if (text.len == 0)
        return STR_NONE;
    return str_sub(text, 0, str_find_char(text, '\n'));
}

static void outcome(struct log *log, const struct value *response)
{
    const struct value *status = tree_get(response, "status"),
                       *error = tree_get(log->response, "error");
    int64_t code = 0;
    bool has_code = status && value_as_i64(status, &code);
    bool failed = has_code && (code < 0 || code >= 400);
    str message = tree_text_as_sent(error, "message"), type = tree_text_as_sent(error, "type");
    if (has_code)
        add(log, STR_OF("http.response.status_code"), value_i64(code));
    log->span.status_code = failed || error ? 2 : has_code ? 1 : 0;
    if (log->span.status_code != 2)
        return;
    if (!message.len && error && error->type == VALUE_STR)
        message = error->text;
    if (!message.len)
        message = code < 0 ? STR_OF("cancelled") : first_line(log->text);
    log->span.status_message = message;
    add_text(log, "error.type", type);
}

/* Is it a piece of a stream?  One alone looks like an answer. */
static bool is_chunk(const struct value *answer)
{
    const struct value *choices = tree_get(answer, "choices");
    bool has_choice = choices && choices->type == VALUE_ARRAY && choices->count;
    return tree_get(answer, "delta") || (has_choice && tree_get(choices->items, "delta"));
}

/* An answer that was logged as text: JSON, a stream, or what went wrong. */
static void text_answer(struct log *log, str text)
{
    struct json json;
    bool spent = false;
    json_init(&json, log->arena, text, JSON_DEPTH_MAX);
    bool is_one = json_value(&json, json_next(&json), &log->streamed) &&
                  json_next(&json) == JSON_END && log->streamed.type == VALUE_MAP &&
                  !is_chunk(&log->streamed);
    if (is_one || helicone_stream(log->arena, text, &log->streamed, &spent))
        log->response = &log->streamed;
    else
        log->text = text;
    log->spent = log->spent || spent;
}

static const struct value *object(const struct value *value)
{
    return value && value->type == VALUE_MAP ? value : NULL;
}

/* What was asked and what came, as objects. */
static void sides(struct log *log, const struct value *request, const struct value *response)
{
    const struct value *came = object(tree_get(response, "json"));
    str text = tree_text_as_sent(response, "textBody");
    log->request = object(tree_get(request, "json"));
    log->response = came && came->count ? came : NULL;
    log->type = tree_text_as_sent(log->request, "_type");
    if (text.len)
        text_answer(log, text);
}

static void read_log(struct log *log, const struct value *tree)
{
    const struct value *request = tree_get(tree, "providerRequest");
    const struct value *response = tree_get(tree, "providerResponse");
    headers(log, tree_get(request, "meta"));
    ids(log);
    times(log, tree_get(tree, "timing"));
    sides(log, request, response);
    if (str_is_empty(log->type) || str_equal_c(log->type, "unknown") || !log->request) {
        static const struct value nothing = { .type = VALUE_MAP };
        log->request = log->request ? log->request : &nothing;
        model_call(log);
    } else {
        if (str_equal_c(log->type, "tool"))
            tool(log);
        else if (str_equal_c(log->type, "vector_db"))
            vector_db(log);
        else
            data(log);
        step_answer(log);
    }
    outcome(log, response);
}

static enum err object_of(struct arena *arena, str body, struct value *ret, struct diag *reterr_why)
{
    enum err err = tree_parse(arena, body, ret, reterr_why);
    if (!err && ret->type != VALUE_MAP)
        err = diag_set(reterr_why, ERR_BAD_INPUT, "the body must be an object");
    return err;
}

static enum err no_room(struct diag *reterr_why)
{
    return diag_set(reterr_why, ERR_LIMIT, "the request needs too much memory");
}

static enum err log_finish(struct log *log, struct raw_batch *batch, struct diag *reterr_why)
{
    struct native_batch out = { 0 };
    struct raw_scope *scope = arena_new(log->arena, struct raw_scope, 1);
    struct raw_resource *resource = arena_new(log->arena, struct raw_resource, 1);
    struct raw_span *span = log->spent ? NULL : native_span_new(log->arena, &out);
    if (!span || !scope || !resource)
        return no_room(reterr_why);
    scope->resource = resource;
    *span = log->span;
    span->scope = scope;
    span->attrs = log->attrs.items;
    span->attr_count = log->attrs.count;
    native_give(&out, batch);
    return ERR_OK;
}

enum err helicone_decode_log(struct arena *arena, const struct helicone_body *body,
                             const struct otlp_limits *limits, struct raw_batch *ret_batch,
                             struct diag *reterr_why)
{
    struct value tree;
    struct log log = { .arena = arena,
                       .limits = limits ? limits : &otlp_limits_default,
                       .body = body };
    *ret_batch = (struct raw_batch){ 0 };
    enum err err = object_of(arena, body->bytes, &tree, reterr_why);
    if (err)
        return err;
    if (!tree_get(&tree, "providerRequest") && !tree_get(&tree, "providerResponse"))
        return diag_set(reterr_why, ERR_BAD_INPUT, "providerRequest is missing");
    read_log(&log, &tree);
    return log_finish(&log, ret_batch, reterr_why);
}

/* ---- feedback and scores ---- */

/* Of the request with that id; by `source`. NULL: no memory. */
static struct score *score_new(struct arena *arena, struct native_batch *out, str request_id,
                               str name)
{
    struct raw_score *raw = native_score_new(arena, out);
    str *texts[SCORE_TEXTS];
    if (!raw)
        return NULL;
    raw->sender_id = STR_NONE;
    score_texts(&raw->score, texts);
    for (size_t i = 0; i < SCORE_TEXTS; i++)
        *texts[i] = STR_NONE;
    raw->score.name = name;
    raw->score.span_id = native_span_id(request_id);
    raw->score.has_span_id = true;
    raw->score.has_value = true;
    return &raw->score;
}

enum err helicone_decode_feedback(struct arena *arena, const struct helicone_body *body,
                                  struct raw_batch *ret_batch, struct diag *reterr_why)
{
    struct value tree;
    struct native_batch out = { 0 };
    bool is_good;
    *ret_batch = (struct raw_batch){ 0 };
    enum err err = object_of(arena, body->bytes, &tree, reterr_why);
    if (err)
        return err;
    const struct value *rating = tree_get(&tree, "rating");
    if (!rating || !value_as_bool(rating, &is_good))
        return diag_set(reterr_why, ERR_BAD_INPUT, "rating must be true or false");
    struct score *score = score_new(arena, &out, body->request_id, STR_OF("feedback"));
    if (!score)
        return no_room(reterr_why);
    score->type = SCORE_BOOL;
    score->value = is_good ? 1 : 0;
    score->source = SCORE_BY_USER;
    native_give(&out, ret_batch);
    return ERR_OK;
}

/* False: it is no number with a name. */
static bool number_of(const struct attr *one, double *ret)
{
    bool is_bool = one->value.type == VALUE_BOOL;
    *ret = is_bool && one->value.boolean ? 1 : 0;
    bool good = is_bool || (value_as_f64(&one->value, ret) && isfinite(*ret));
    return good && one->key.len > 0 && one->key.len <= SCORE_NAME_BYTES_MAX;
}

enum err helicone_decode_scores(struct arena *arena, const struct helicone_body *body,
                                const struct otlp_limits *limits, struct raw_batch *ret_batch,
                                struct diag *reterr_why)
{
    struct value tree;
    struct native_batch out = { 0 };
    *ret_batch = (struct raw_batch){ 0 };
    enum err err = object_of(arena, body->bytes, &tree, reterr_why);
    if (err)
        return err;
    const struct value *scores = tree_get(&tree, "scores");
    if (!scores || scores->type != VALUE_MAP)
        return diag_set(reterr_why, ERR_BAD_INPUT, "scores must be an object of numbers");
    uint32_t max = limits ? limits->items_max : otlp_limits_default.items_max;
    if (scores->count > max)
        return diag_set(reterr_why, ERR_LIMIT, "%u scores are over the limit of %u", scores->count,
                        max);
    for (uint32_t i = 0; i < scores->count; i++) {
        const struct attr *one = &scores->attrs[i];
        double number;
        if (!number_of(one, &number)) {
            native_reject(ret_batch, "score %u: it must be a number with a name", i + 1);
            ret_batch->rejected_scores++;
            continue;
        }
        struct score *score = score_new(arena, &out, body->request_id, one->key);
        if (!score)
            return no_room(reterr_why);
        score->type = one->value.type == VALUE_BOOL ? SCORE_BOOL : SCORE_NUMBER;
        score->value = number;
    }
    native_give(&out, ret_batch);
    return ERR_OK;
}
