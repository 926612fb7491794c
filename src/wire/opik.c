/* opik.c -- see opik.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/opik.h"
#include "wire/native_item.h"
#include <math.h>

enum { CREATED = 201, NO_CONTENT = 204, STATUS_ERROR = 2 };

enum what {
    WHAT_ID,
    WHAT_TRACE_ID,
    WHAT_PARENT_ID,
    WHAT_NAME,
    WHAT_START,
    WHAT_END,
    WHAT_LIST,    /* of texts */
    WHAT_MEMBERS, /* each for itself */
    WHAT_ERROR,
    WHAT_NOTHING, /* when the SDK sent it */
};

/* Of both; a trace says less.  What stands not here is opik.<its name>. */
static const struct {
    str key;
    enum what what;
    str attr;
} members[] = {
    { STR("id"), WHAT_ID, STR("") },
    { STR("trace_id"), WHAT_TRACE_ID, STR("") },
    { STR("parent_span_id"), WHAT_PARENT_ID, STR("") },
    { STR("name"), WHAT_NAME, STR("") },
    { STR("start_time"), WHAT_START, STR("") },
    { STR("end_time"), WHAT_END, STR("") },
    { STR("tags"), WHAT_LIST, STR("opik.tags") },
    { STR("usage"), WHAT_MEMBERS, STR("opik.usage") },
    { STR("metadata"), WHAT_MEMBERS, STR("opik.metadata") },
    { STR("error_info"), WHAT_ERROR, STR("") },
    { STR("last_updated_at"), WHAT_NOTHING, STR("") },
};

static struct raw_resource no_resource;
static const struct raw_scope scope = { .resource = &no_resource, .name = STR("opik") };

/* A body being read. */
struct reading {
    struct arena *arena;
    const struct opik_request *request;
    const char *list; /* the member with the objects */
    bool are_scores;
    struct native_batch items;
    struct native_fault fault;
};

/* An object being read. */
struct item {
    const struct opik_request *request;
    struct native_item native;
    str id, trace_id, parent_id, name;
    uint64_t start_ns, end_ns;
    struct value error; /* VALUE_MAP: it failed */
};

static enum err no_room(struct diag *reterr_why)
{
    return diag_set(reterr_why, ERR_LIMIT, "the request needs too much memory when decoded");
}

static bool member_read(struct item *item, size_t row, enum json_token token)
{
    struct native_item *native = &item->native;
    str key = members[row].key;
    switch (members[row].what) {
    case WHAT_ID:
        return native_text(native, key, token, &item->id);
    case WHAT_TRACE_ID:
        return native_text(native, key, token, &item->trace_id);
    case WHAT_PARENT_ID:
        return native_text(native, key, token, &item->parent_id);
    case WHAT_NAME:
        return native_text(native, key, token, &item->name);
    case WHAT_START:
        return native_time(native, key, token, &item->start_ns);
    case WHAT_END:
        return native_time(native, key, token, &item->end_ns);
    case WHAT_LIST:
        return native_add_list(native, members[row].attr, token);
    case WHAT_MEMBERS:
        return native_add_members(native, members[row].attr, token);
    case WHAT_ERROR:
        return json_value(&native->json, token, &item->error);
    case WHAT_NOTHING:
        return json_skip(&native->json, token);
    }
    return false;
}

static bool members_read(struct item *item, str object)
{
    struct native_item *native = &item->native;
    json_init(&native->json, native->arena, object, JSON_DEPTH_MAX);
    enum json_token token = json_next(&native->json);
    if (token != JSON_OBJECT)
        return native_refuse(native->fault, STR_OF("it"), "must be an object");
    while ((token = json_next(&native->json)) == JSON_KEY) {
        str key = native->json.text;
        size_t row = 0;
        while (row < COUNT_OF(members) && !str_equal(key, members[row].key))
            row++;
        token = json_next(&native->json);
        str name = row < COUNT_OF(members) ? key : native_joined(native, STR_OF("opik"), key);
        bool is_read = row < COUNT_OF(members)
                           ? member_read(item, row, token)
                           : !str_is_none(name) && native_add_read(native, name, token);
        if (!is_read)
            return native_unreadable(native, key);
    }
    return token == JSON_OBJECT_END ||
           native_refuse(native->fault, STR_OF("it"), "must be an object");
}

/* {"exception_type","message","traceback"} as the event that OpenTelemetry has for it. */
static bool error_set(struct item *item, struct raw_span *span)
{
    static const struct {
        const char *from;
        str to;
    } names[] = { { "exception_type", STR("exception.type") },
                  { "message", STR("exception.message") },
                  { "traceback", STR("exception.stacktrace") } };
    if (item->error.type != VALUE_MAP)
        return true;
    struct native_attrs attrs = { 0 };
    struct span_event *event = arena_new(item->native.arena, struct span_event, 1);
    bool is_whole = event != NULL;
    for (size_t i = 0; i < COUNT_OF(names) && is_whole; i++) {
        const struct attr *attr =
            attr_find(item->error.attrs, item->error.count, str_from_c(names[i].from));
        if (attr && attr->value.type == VALUE_STR)
            is_whole = native_text_add(item->native.arena, &attrs, names[i].to, attr->value.text);
    }
    item->native.fault->is_spent |= !is_whole;
    if (!is_whole)
        return false;
    *event =
        (struct span_event){ .time_ns = (int64_t)(item->end_ns ? item->end_ns : item->start_ns),
                             .name = STR("exception"),
                             .attrs = attrs.items,
                             .attr_count = attrs.count };
    span->events = event;
    span->event_count = 1;
    span->status_code = STATUS_ERROR;
    return true;
}

/* Which object it is; false: that is not said. */
static bool ids_of(struct item *item)
{
    bool is_update = !str_is_none(item->request->id);
    if (is_update)
        item->id = item->request->id;
    if (str_is_empty(item->id))
        return native_refuse(item->native.fault, STR_OF("id"), "is missing");
    if (item->request->kind == OPIK_TRACE)
        item->trace_id = item->id;
    return !str_is_empty(item->trace_id) ||
           native_refuse(item->native.fault, STR_OF("trace_id"), "is missing");
}

static bool item_read(struct reading *reading, str object)
{
    struct item item = { .request = reading->request,
                         .native = { .arena = reading->arena,
                                     .fault = &reading->fault,
                                     .attrs_max = reading->request->limits->attrs_max } };
    if (!members_read(&item, object) || !ids_of(&item))
        return false;
    bool is_trace = reading->request->kind == OPIK_TRACE;
    struct raw_span *span = native_span_new(reading->arena, &reading->items);
    reading->fault.is_spent |= !span;
    if (!span)
        return false;
    *span =
        (struct raw_span){ .scope = &scope,
                           .trace_id = native_trace_id(item.trace_id),
                           .span_id = is_trace ? native_root_id(item.id) : native_span_id(item.id),
                           .name = item.name,
                           .start_ns = item.start_ns,
                           .end_ns = item.end_ns,
                           .attrs = item.native.attrs.items,
                           .attr_count = item.native.attrs.count,
                           .dropped_attr_count = item.native.dropped_count,
                           .source_id = item.id,
                           .is_addition = true };
    if (!str_is_empty(item.parent_id))
        span->parent_span_id = native_span_id(item.parent_id);
    else if (!is_trace && str_is_none(reading->request->id))
        span->parent_span_id = native_root_id(item.trace_id);
    return error_set(&item, span);
}

/* ---- scores ---- */

/* STR_NONE: not said, or no text. */
static str text_of(const struct value *map, const char *key)
{
    const struct attr *attr = attr_find(map->attrs, map->count, str_from_c(key));
    bool is_text = attr && attr->value.type == VALUE_STR && attr->value.text.len > 0;
    return is_text ? attr->value.text : STR_NONE;
}

/* What it is about. */
static bool target_of(struct reading *reading, const struct value *map, struct score *score)
{
    bool is_thread = reading->request->kind == OPIK_THREAD;
    str id = reading->request->id;
    if (str_is_none(id))
        id = text_of(map, is_thread ? "thread_id" : "id");
    if (str_is_none(id) && is_thread)
        id = text_of(map, "id");
    if (str_is_none(id))
        return native_refuse(&reading->fault, str_from_c(is_thread ? "thread_id" : "id"),
                             "is missing");
    score->session_id = is_thread ? id : STR_NONE;
    score->has_trace_id = reading->request->kind == OPIK_TRACE;
    score->has_span_id = reading->request->kind == OPIK_SPAN; /* its trace is not said */
    if (score->has_trace_id)
        score->trace_id = native_trace_id(id);
    if (score->has_span_id)
        score->span_id = native_span_id(id);
    return true;
}

static bool score_of(struct reading *reading, const struct value *map, struct score *score)
{
    const struct attr *value = attr_find(map->attrs, map->count, STR_OF("value"));
    *score = (struct score){ .name = text_of(map, "name"),
                             .label = text_of(map, "category_name"),
                             .comment = text_of(map, "reason"),
                             .type = SCORE_NUMBER,
                             .has_value = true };
    if (str_is_none(score->name) || score->name.len > SCORE_NAME_BYTES_MAX)
        return native_refuse(&reading->fault, STR_OF("name"),
                             str_is_none(score->name) ? "is missing" : "is too long");
    if (!value || value->value.type == VALUE_BOOL || !value_as_f64(&value->value, &score->value) ||
        !isfinite(score->value))
        return native_refuse(&reading->fault, STR_OF("value"), "must be a number");
    bool is_known = score_source_of(text_of(map, "source"), &score->source);
    (void)is_known; /* an unknown word is the API */
    return target_of(reading, map, score);
}

static bool score_read(struct reading *reading, str object)
{
    struct json json;
    struct value map;
    struct score score;
    json_init(&json, reading->arena, object, JSON_DEPTH_MAX);
    if (!json_value(&json, json_next(&json), &map)) {
        reading->fault.is_spent |= json_error(&json, NULL) == ERR_LIMIT;
        return native_refuse(&reading->fault, STR_OF("it"), "cannot be read");
    }
    if (map.type != VALUE_MAP)
        return native_refuse(&reading->fault, STR_OF("it"), "must be an object");
    if (!score_of(reading, &map, &score))
        return false;
    struct raw_score *raw = native_score_new(reading->arena, &reading->items);
    struct native_attrs project = { 0 };
    bool is_whole = raw && native_text_add(reading->arena, &project, STR_OF("project_name"),
                                           text_of(&map, "project_name"));
    reading->fault.is_spent |= !is_whole;
    if (!is_whole)
        return false;
    score.attrs = project.items;
    score.attr_count = project.count;
    *raw = (struct raw_score){ .score = score, .sender_id = STR_NONE };
    return true;
}

/* ---- bodies ---- */

static enum err object_read(struct reading *reading, str object, uint32_t number,
                            struct raw_batch *batch, struct diag *reterr_why)
{
    reading->fault.why[0] = '\0';
    if (reading->are_scores ? score_read(reading, object) : item_read(reading, object))
        return ERR_OK;
    if (reading->fault.is_spent)
        return no_room(reterr_why);
    native_reject(batch, "item %u: %s", number, reading->fault.why);
    batch->rejected_scores += reading->are_scores;
    return ERR_OK;
}

/* The objects of the list, from behind its "[". */
static enum err objects_read(struct reading *reading, struct json *json, struct raw_batch *batch,
                             struct diag *reterr_why)
{
    enum json_token token;
    for (uint32_t number = 1; (token = json_next(json)) != JSON_ARRAY_END; number++) {
        str object;
        if (!json_raw(json, token, &object))
            return json_error(json, reterr_why);
        if (number > reading->request->limits->items_max)
            return diag_set(reterr_why, ERR_LIMIT, "more than the limit of %u items",
                            reading->request->limits->items_max);
        enum err err = object_read(reading, object, number, batch, reterr_why);
        if (err)
            return err;
    }
    return ERR_OK;
}

static enum err list_read(struct reading *reading, struct raw_batch *batch, struct diag *reterr_why)
{
    struct json json;
    bool has_list = false;
    json_init(&json, reading->arena, reading->request->body, JSON_DEPTH_MAX);
    enum json_token token = json_next(&json);
    while (token == JSON_OBJECT && (token = json_next(&json)) == JSON_KEY) {
        bool is_list = str_equal_c(json.text, reading->list);
        token = json_next(&json);
        if (is_list && token == JSON_ARRAY) {
            has_list = true;
            enum err err = objects_read(reading, &json, batch, reterr_why);
            if (err)
                return err;
        } else if (!json_skip(&json, token)) {
            return json_error(&json, reterr_why);
        }
        token = JSON_OBJECT; /* the next member */
    }
    if (token != JSON_OBJECT_END || json_next(&json) != JSON_END)
        return json_error(&json, reterr_why);
    return has_list ? ERR_OK
                    : diag_set(reterr_why, ERR_BAD_INPUT, "%s must be a list", reading->list);
}

static enum err body_read(struct reading *reading, struct raw_batch *ret_batch,
                          struct diag *reterr_why)
{
    const struct opik_request *request = reading->request;
    *ret_batch = (struct raw_batch){ 0 };
    enum err err = request->is_list
                       ? list_read(reading, ret_batch, reterr_why)
                       : object_read(reading, str_trim(request->body), 1, ret_batch, reterr_why);
    native_give(&reading->items, ret_batch);
    bool is_empty = ret_batch->span_count == 0 && ret_batch->score_count == 0;
    if (!err && is_empty && ret_batch->rejected_count)
        return diag_set(reterr_why, ERR_BAD_INPUT, "%s", ret_batch->rejected_why);
    bool is_created = !request->is_list && str_is_none(request->id) && !reading->are_scores;
    ret_batch->reply_status = is_created ? CREATED : NO_CONTENT;
    return err;
}

enum err opik_items_decode(struct arena *arena, const struct opik_request *request,
                           struct raw_batch *ret_batch, struct diag *reterr_why)
{
    struct reading reading = { .arena = arena,
                               .request = request,
                               .list = request->kind == OPIK_TRACE ? "traces" : "spans" };
    return body_read(&reading, ret_batch, reterr_why);
}

enum err opik_scores_decode(struct arena *arena, const struct opik_request *request,
                            struct raw_batch *ret_batch, struct diag *reterr_why)
{
    struct reading reading = {
        .arena = arena, .request = request, .list = "scores", .are_scores = true
    };
    return body_read(&reading, ret_batch, reterr_why);
}
