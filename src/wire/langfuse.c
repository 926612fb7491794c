/* langfuse.c -- the list of events and its answer; see langfuse.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/hash.h"
#include "base/text.h"
#include "wire/langfuse_int.h"
#include <stdio.h>
#include <stdlib.h>

enum { OK = 200, CREATED = 201, ACCEPTED = 202, MULTI_STATUS = 207, MEDIA_ID_CHARS = 22 };
#define REPLY_BYTES_MAX (64 * MIB)

static struct raw_resource no_resource;

static const struct {
    str type;
    enum langfuse_kind kind;
    bool is_update;
    str observation_type;
} event_types[] = {
    { STR("trace-create"), LANGFUSE_TRACE, false, STR("") },
    { STR("span-create"), LANGFUSE_OBSERVATION, false, STR("span") },
    { STR("span-update"), LANGFUSE_OBSERVATION, true, STR("span") },
    { STR("generation-create"), LANGFUSE_OBSERVATION, false, STR("generation") },
    { STR("generation-update"), LANGFUSE_OBSERVATION, true, STR("generation") },
    { STR("event-create"), LANGFUSE_OBSERVATION, false, STR("event") },
    { STR("observation-create"), LANGFUSE_OBSERVATION, false, STR("") },
    { STR("observation-update"), LANGFUSE_OBSERVATION, true, STR("") },
    { STR("agent-create"), LANGFUSE_OBSERVATION, false, STR("agent") },
    { STR("tool-create"), LANGFUSE_OBSERVATION, false, STR("tool") },
    { STR("chain-create"), LANGFUSE_OBSERVATION, false, STR("chain") },
    { STR("retriever-create"), LANGFUSE_OBSERVATION, false, STR("retriever") },
    { STR("evaluator-create"), LANGFUSE_OBSERVATION, false, STR("evaluator") },
    { STR("embedding-create"), LANGFUSE_OBSERVATION, false, STR("embedding") },
    { STR("guardrail-create"), LANGFUSE_OBSERVATION, false, STR("guardrail") },
    { STR("score-create"), LANGFUSE_SCORE, false, STR("") },
    { STR("sdk-log"), LANGFUSE_LOG, false, STR("") },
};

/* ---- one event ---- */

static bool envelope_member(struct langfuse *langfuse, struct json *json,
                            struct langfuse_event *event)
{
    str key = json->text;
    enum json_token token = json_next(json);
    str *text = str_equal_c(key, "id")     ? &event->id
                : str_equal_c(key, "type") ? &event->type
                                           : NULL;
    if (str_equal_c(key, "body"))
        return json_raw(json, token, &event->body);
    if (text && token == JSON_STRING) {
        *text = json->text;
        return true;
    }
    int64_t time_ns;
    if (str_equal_c(key, "timestamp") && token == JSON_STRING && time_parse(json->text, &time_ns))
        event->time_ns = (uint64_t)MAX(time_ns, (int64_t)0);
    else if (text)
        native_refuse(&langfuse->fault, key, "must be a text");
    return json_skip(json, token);
}

static bool event_read(struct langfuse *langfuse, struct langfuse_event *event)
{
    if (langfuse->fault.why[0])
        return false;
    if (str_is_empty(event->id))
        return native_refuse(&langfuse->fault, STR_OF("id"), "is missing");
    size_t row = 0;
    while (row < COUNT_OF(event_types) && !str_equal(event->type, event_types[row].type))
        row++;
    if (row == COUNT_OF(event_types))
        return native_refuse(&langfuse->fault, STR_OF("type"),
                             str_is_empty(event->type) ? "is missing" : "is unknown");
    event->kind = event_types[row].kind;
    event->is_update = event_types[row].is_update;
    event->observation_type = event_types[row].observation_type;
    if (event->kind == LANGFUSE_LOG)
        return true;
    if (str_is_none(event->body) || event->body.ptr[0] != '{')
        return native_refuse(&langfuse->fault, STR_OF("body"), "must be an object");
    if (event->kind == LANGFUSE_TRACE)
        return langfuse_trace_read(langfuse, event);
    if (event->kind == LANGFUSE_SCORE)
        return langfuse_score_read(langfuse, event);
    return langfuse_observation_read(langfuse, event);
}

/* ---- the answer ---- */

struct results {
    struct buf successes, errors;
};

static void result_add(struct results *results, const struct langfuse_event *event, const char *why)
{
    struct buf *out = why ? &results->errors : &results->successes;
    buf_add_c(out, out->len ? ",{\"id\":" : "{\"id\":");
    buf_add_json_str(out, str_is_empty(event->id) ? STR_OF("unknown") : event->id);
    if (!why) {
        buf_printf(out, ",\"status\":%d}", CREATED);
        return;
    }
    buf_add_c(out, ",\"status\":400,\"message\":\"Invalid request data\",\"error\":");
    buf_add_json_str(out, str_from_c(why));
    buf_add_char(out, '}');
}

static str reply_of(struct arena *arena, struct results *results)
{
    str successes = buf_str(&results->successes), errors = buf_str(&results->errors);
    bool is_whole = !buf_failed(&results->successes) && !buf_failed(&results->errors);
    return is_whole ? arena_printf(arena, "{\"successes\":[%.*s],\"errors\":[%.*s]}",
                                   STR_ARG(successes), STR_ARG(errors))
                    : STR_NONE;
}

/* ---- the root spans ---- */

static int by_trace(const void *a, const void *b)
{
    return memcmp(&((const struct langfuse_times *)a)->trace_id,
                  &((const struct langfuse_times *)b)->trace_id, sizeof(struct id16));
}

/* Each trace of the batch: a part of its root, as long as what is known of its observations. */
static bool roots_add(struct langfuse *langfuse)
{
    if (langfuse->time_count == 0)
        return true;
    struct langfuse_times *times = langfuse->times;
    qsort(times, langfuse->time_count, sizeof *times, by_trace);
    for (uint32_t i = 0, end; i < langfuse->time_count; i = end) {
        uint64_t start_ns = 0, end_ns = 0;
        for (end = i; end < langfuse->time_count && by_trace(&times[i], &times[end]) == 0; end++) {
            uint64_t start = times[end].start_ns;
            start_ns = start && (!start_ns || start < start_ns) ? start : start_ns;
            end_ns = MAX(end_ns, times[end].end_ns);
        }
        struct raw_span *root = native_span_new(langfuse->arena, &langfuse->items);
        if (!root)
            return false;
        *root = (struct raw_span){ .scope = langfuse->scope,
                                   .trace_id = times[i].trace_id,
                                   .span_id = native_root_id(times[i].text),
                                   .start_ns = start_ns,
                                   .end_ns = end_ns,
                                   .source_id = times[i].text,
                                   .is_addition = true };
    }
    return true;
}

/* ---- the batch ---- */

static enum err no_room(struct diag *reterr_why)
{
    return diag_set(reterr_why, ERR_LIMIT, "the batch needs too much memory when decoded");
}

/* The events, from behind the "[" to its end. */
static enum err events_read(struct langfuse *langfuse, struct json *json, struct results *results,
                            struct raw_batch *batch, struct diag *reterr_why)
{
    enum json_token token;
    for (uint32_t number = 1; (token = json_next(json)) != JSON_ARRAY_END; number++) {
        struct langfuse_event event = { .id = STR_NONE, .type = STR_NONE, .body = STR_NONE };
        if (number > langfuse->limits->items_max)
            return diag_set(reterr_why, ERR_LIMIT, "more than the limit of %u events",
                            langfuse->limits->items_max);
        langfuse->fault.why[0] = '\0';
        bool is_object = token == JSON_OBJECT, is_whole = is_object || json_skip(json, token);
        if (!is_object)
            (void)native_refuse(&langfuse->fault, STR_OF("it"), "must be an object");
        while (is_object && is_whole && (token = json_next(json)) != JSON_OBJECT_END)
            is_whole = token == JSON_KEY && envelope_member(langfuse, json, &event);
        if (!is_whole)
            return json_error(json, reterr_why);
        bool is_read = event_read(langfuse, &event);
        if (langfuse->fault.is_spent)
            return no_room(reterr_why);
        result_add(results, &event, is_read ? NULL : langfuse->fault.why);
        if (is_read)
            continue;
        native_reject(batch, "event %u: %s", number, langfuse->fault.why);
        batch->rejected_scores += str_equal_c(event.type, "score-create");
    }
    return ERR_OK;
}

/* "sdk_version" of the batch's metadata. */
static bool metadata_read(struct langfuse *langfuse, struct json *json)
{
    enum json_token token = json_next(json);
    if (token != JSON_OBJECT)
        return json_skip(json, token);
    while ((token = json_next(json)) == JSON_KEY) {
        bool is_version = str_equal_c(json->text, "sdk_version");
        token = json_next(json);
        if (is_version && token == JSON_STRING)
            langfuse->scope->version = json->text;
        else if (!json_skip(json, token))
            return false;
    }
    return token == JSON_OBJECT_END;
}

/* One member of the body; the reader stands at its key. */
static enum err body_member(struct langfuse *langfuse, struct json *json, struct results *results,
                            struct raw_batch *batch, struct diag *reterr_why)
{
    if (str_equal_c(json->text, "batch")) {
        if (json_next(json) != JSON_ARRAY)
            return diag_set(reterr_why, ERR_BAD_INPUT, "batch must be a list of events");
        batch->reply_status = MULTI_STATUS;
        return events_read(langfuse, json, results, batch, reterr_why);
    }
    bool is_read = str_equal_c(json->text, "metadata") ? metadata_read(langfuse, json)
                                                       : json_skip(json, json_next(json));
    return is_read ? ERR_OK : json_error(json, reterr_why);
}

static enum err members_read(struct langfuse *langfuse, str body, struct results *results,
                             struct raw_batch *batch, struct diag *reterr_why)
{
    struct json json;
    json_init(&json, langfuse->arena, body, JSON_DEPTH_MAX);
    enum json_token token = json_next(&json);
    if (token == JSON_ERROR || token == JSON_END)
        return json_error(&json, reterr_why);
    if (token != JSON_OBJECT)
        return diag_set(reterr_why, ERR_BAD_INPUT, "the body must be an object");
    while ((token = json_next(&json)) == JSON_KEY) {
        enum err err = body_member(langfuse, &json, results, batch, reterr_why);
        if (err)
            return err;
    }
    if (token != JSON_OBJECT_END || json_next(&json) != JSON_END)
        return json_error(&json, reterr_why);
    return batch->reply_status ? ERR_OK : diag_set(reterr_why, ERR_BAD_INPUT, "batch is missing");
}

static bool start(struct langfuse *langfuse, struct arena *arena, const struct otlp_limits *limits)
{
    struct raw_scope *scope = arena_new(arena, struct raw_scope, 1);
    *langfuse = (struct langfuse){ .arena = arena,
                                   .limits = limits ? limits : &otlp_limits_default,
                                   .scope = scope };
    if (scope)
        *scope = (struct raw_scope){ .resource = &no_resource, .name = STR_OF("langfuse-sdk") };
    return scope != NULL;
}

enum err langfuse_batch_decode(struct arena *arena, str body, const struct otlp_limits *limits,
                               struct raw_batch *ret_batch, struct diag *reterr_why)
{
    struct langfuse langfuse;
    struct results results;
    *ret_batch = (struct raw_batch){ 0 };
    if (!start(&langfuse, arena, limits))
        return no_room(reterr_why);
    buf_init(&results.successes, REPLY_BYTES_MAX);
    buf_init(&results.errors, REPLY_BYTES_MAX);
    enum err err = members_read(&langfuse, body, &results, ret_batch, reterr_why);
    if (!err && !roots_add(&langfuse))
        err = no_room(reterr_why);
    if (!err) {
        native_give(&langfuse.items, ret_batch);
        ret_batch->reply = reply_of(arena, &results);
        if (str_is_none(ret_batch->reply))
            err = no_room(reterr_why);
    }
    buf_clear(&results.successes);
    buf_clear(&results.errors);
    return err;
}

/* ---- one score, one file ---- */

/* Of a score without an id: the same for the same body, so that a retry is no second score. */
static str made_id(struct arena *arena, str body)
{
    uint64_t high = hash_bytes_seeded(body.ptr, body.len, 1),
             low = hash_bytes_seeded(body.ptr, body.len, 2);
    return arena_printf(arena, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(high >> 32),
                        (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xffff),
                        (unsigned)(low >> 48), (unsigned long long)(low & 0xffffffffffff));
}

static str json_text(struct arena *arena, str text)
{
    struct buf out;
    buf_init(&out, text.len * 6 + 16);
    buf_add_json_str(&out, text);
    str json = buf_failed(&out) ? STR_NONE : arena_str(arena, buf_str(&out));
    buf_clear(&out);
    return json;
}

/* One score, answered by its id. */
static enum err score_one(struct langfuse *langfuse, str body, struct raw_batch *batch,
                          struct diag *reterr_why)
{
    struct langfuse_event event = { .id = made_id(langfuse->arena, body), .body = body };
    langfuse->fault.is_spent = str_is_none(event.id);
    if (langfuse->fault.is_spent || !langfuse_score_read(langfuse, &event))
        return langfuse->fault.is_spent
                   ? no_room(reterr_why)
                   : diag_set(reterr_why, ERR_BAD_INPUT, "%s", langfuse->fault.why);
    str id = json_text(langfuse->arena, langfuse->items.scores[0].sender_id);
    batch->reply_status = OK;
    batch->reply = arena_printf(langfuse->arena, "{\"id\":%.*s}", STR_ARG(id));
    return str_is_none(id) || str_is_none(batch->reply) ? no_room(reterr_why) : ERR_OK;
}

/* The scores of a list, from behind its "["; what is wrong with some goes to *errors. */
static enum err scores_read(struct langfuse *langfuse, struct json *json, struct buf *errors,
                            struct raw_batch *batch, struct diag *reterr_why)
{
    enum json_token token;
    for (uint32_t number = 1; (token = json_next(json)) != JSON_ARRAY_END; number++) {
        struct langfuse_event event = { 0 };
        if (!json_raw(json, token, &event.body))
            return json_error(json, reterr_why);
        if (number > langfuse->limits->items_max)
            return diag_set(reterr_why, ERR_LIMIT, "more than the limit of %u scores",
                            langfuse->limits->items_max);
        langfuse->fault.why[0] = '\0';
        event.id = made_id(langfuse->arena, event.body);
        langfuse->fault.is_spent = str_is_none(event.id);
        if (!langfuse->fault.is_spent && langfuse_score_read(langfuse, &event))
            continue;
        if (langfuse->fault.is_spent)
            return no_room(reterr_why);
        native_reject(batch, "score %u: %s", number, langfuse->fault.why);
        batch->rejected_scores++;
        buf_add_c(errors, errors->len ? ",{\"message\":" : "{\"message\":");
        buf_add_json_str(errors, str_from_c(langfuse->fault.why));
        buf_add_char(errors, '}');
    }
    return json_next(json) == JSON_END ? ERR_OK : json_error(json, reterr_why);
}

/* A list, as Python's SDK 5 sends them: all accepted, or how many, and why the others are not. */
static enum err score_list(struct langfuse *langfuse, struct json *json, struct raw_batch *batch,
                           struct diag *reterr_why)
{
    struct buf errors;
    buf_init(&errors, REPLY_BYTES_MAX);
    enum err err = scores_read(langfuse, json, &errors, batch, reterr_why);
    batch->reply_status = batch->rejected_count ? MULTI_STATUS : ACCEPTED;
    batch->reply = STR_OF("{\"message\":\"Accepted\"}");
    if (!err && batch->rejected_count)
        batch->reply = arena_printf(
            langfuse->arena, "{\"accepted\":%u,\"rejected\":%u,\"errors\":[%.*s]}",
            langfuse->items.score_count, batch->rejected_count, STR_ARG(buf_str(&errors)));
    if (!err && (buf_failed(&errors) || str_is_none(batch->reply)))
        err = no_room(reterr_why);
    buf_clear(&errors);
    return err;
}

enum err langfuse_score_decode(struct arena *arena, str body, const struct otlp_limits *limits,
                               struct raw_batch *ret_batch, struct diag *reterr_why)
{
    struct langfuse langfuse;
    struct json json;
    *ret_batch = (struct raw_batch){ 0 };
    if (!start(&langfuse, arena, limits))
        return no_room(reterr_why);
    json_init(&json, arena, body, JSON_DEPTH_MAX);
    enum err err = json_next(&json) == JSON_ARRAY
                       ? score_list(&langfuse, &json, ret_batch, reterr_why)
                       : score_one(&langfuse, str_trim(body), ret_batch, reterr_why);
    if (!err)
        native_give(&langfuse.items, ret_batch);
    return err;
}

enum err langfuse_media_decode(struct arena *arena, str body, struct raw_batch *ret_batch,
                               struct diag *reterr_why)
{
    struct json json;
    struct value document;
    char id[MEDIA_ID_CHARS + 1] = "";
    *ret_batch = (struct raw_batch){ 0 };
    json_init(&json, arena, body, JSON_DEPTH_MAX);
    if (!json_value(&json, json_next(&json), &document) || json_next(&json) != JSON_END)
        return json_error(&json, reterr_why);
    const struct attr *hash = document.type == VALUE_MAP
                                  ? attr_find(document.attrs, document.count, STR_OF("sha256Hash"))
                                  : NULL;
    if (!hash || hash->value.type != VALUE_STR || hash->value.text.len < MEDIA_ID_CHARS)
        return diag_set(reterr_why, ERR_BAD_INPUT, "sha256Hash is missing");
    for (size_t i = 0; i < MEDIA_ID_CHARS; i++) { /* its beginning, url-safe */
        char c = hash->value.text.ptr[i];
        id[i] = c;
        if (c == '+')
            id[i] = '-';
        if (c == '/')
            id[i] = '_';
    }
    str text = json_text(arena, str_from_c(id));
    ret_batch->reply_status = CREATED;
    ret_batch->reply = arena_printf(arena, "{\"uploadUrl\":null,\"mediaId\":%.*s}", STR_ARG(text));
    return str_is_none(text) || str_is_none(ret_batch->reply) ? no_room(reterr_why) : ERR_OK;
}
