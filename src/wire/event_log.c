/* event_log.c -- log records that hold a flat form: see events_json.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/event_form.h"
#include "wire/events_json.h"
#include "wire/tree.h"

enum { TEXT_BYTES_MAX = 64 * 1024 }; /* a longer body is no flat form */

static str event_name_of(const struct raw_log *log)
{
    if (log->event_name.len)
        return log->event_name;
    const struct attr *attr = attr_find(log->attrs, log->attr_count, STR_OF("event.name"));
    return attr && attr->value.type == VALUE_STR ? attr->value.text : STR_OF("");
}

/* What is said of an answer must name its event or the answer: logs have ratings too. */
static bool is_form(const struct value *object)
{
    static const char *const targets[] = { "trace_id", "session_id", "conversation_id",
                                           "request_id" };
    enum event_kind kind = event_kind_of(object);
    if (kind == EVENT_NONE || kind == EVENT_CALL || tree_get(object, "event"))
        return kind != EVENT_NONE;
    for (size_t i = 0; i < COUNT_OF(targets); i++)
        if (tree_get(object, targets[i]))
            return true;
    return false;
}

/* The object with the record's event name as its "event"; NULL: no room. */
static const struct value *with_event(struct arena *arena, const struct value *object, str name)
{
    struct value *named = arena_new(arena, struct value, 1);
    struct attr *attrs = arena_new(arena, struct attr, object->count + 1);
    if (!named || !attrs)
        return NULL;
    if (object->count)
        memcpy(attrs, object->attrs, object->count * sizeof *attrs);
    attrs[object->count] = (struct attr){ STR_OF("event"), value_str(name) };
    *named = (struct value){ .type = VALUE_MAP, .count = object->count + 1, .attrs = attrs };
    return named;
}

static bool is_object_text(const struct value *body)
{
    str text = body->type == VALUE_STR ? str_trim(body->text) : STR_OF("");
    return text.len > 1 && text.len <= TEXT_BYTES_MAX && text.ptr[0] == '{' &&
           text.ptr[text.len - 1] == '}';
}

/* The form that a record holds; NULL: none, or no room for it. */
static const struct value *form_of(struct arena *arena, const struct raw_log *log)
{
    str name = event_name_of(log);
    bool is_named = name.len > 0;
    if (is_named && event_kind_named(name) == EVENT_NONE)
        return NULL;
    struct value *object = arena_new(arena, struct value, 1);
    if (!object)
        return NULL;
    *object = log->body;
    if (is_object_text(&log->body) && tree_parse(arena, log->body.text, object, NULL))
        return NULL;
    if (object->type != VALUE_MAP)
        *object =
            (struct value){ .type = VALUE_MAP, .count = log->attr_count, .attrs = log->attrs };
    const struct value *form = object;
    if (is_named && !tree_get(object, "event"))
        form = with_event(arena, object, name);
    return form && is_form(form) ? form : NULL;
}

/* Most records are no form: told without memory. */
static bool may_be_form(const struct raw_log *log)
{
    return log->body.type == VALUE_MAP || is_object_text(&log->body) || log->attr_count > 1;
}

enum err events_of_logs(struct arena *arena, const struct otlp_limits *limits, int64_t now_ns,
                        struct raw_batch *batch, struct diag *reterr_why)
{
    struct event_reader reader = { .arena = arena, .limits = limits };
    reader.items.spans = batch->spans;
    reader.items.span_count = reader.items.span_capacity = batch->span_count;
    reader.items.scores = batch->scores;
    reader.items.score_count = reader.items.score_capacity = batch->score_count;
    for (uint32_t i = 0; i < batch->log_count && !reader.fault.is_spent; i++) {
        const struct raw_log *log = &batch->logs[i];
        const struct value *form = may_be_form(log) ? form_of(arena, log) : NULL;
        uint64_t time = log->time_ns ? log->time_ns : log->observed_ns;
        if (!form)
            continue;
        reader.scope = log->scope;
        reader.trace_id = log->trace_id;
        reader.span_id = log->span_id;
        reader.now_ns = time && time < (uint64_t)INT64_MAX ? (int64_t)time : now_ns;
        if (event_take(&reader, form))
            continue; /* what is malformed stays a record */
    }
    batch->spans = reader.items.spans;
    batch->span_count = reader.items.span_count;
    batch->scores = reader.items.scores;
    batch->score_count = reader.items.score_count;
    return reader.fault.is_spent ? diag_set(reterr_why, ERR_LIMIT, "no room for the events of logs")
                                 : ERR_OK;
}
