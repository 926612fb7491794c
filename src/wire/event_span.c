/* event_span.c -- calls, whole traces and version objects: forms that become a span.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/hash.h"
#include "base/text.h"
#include "wire/event_form_int.h"
#include <string.h>

enum { KIND_OF_CLIENT = 3, STATUS_OK = 1, STATUS_ERROR = 2, HTTP_FAILED = 400 };

/* What our tables call it; the other members keep their name. */
static const struct {
    str from, to;
} renames[] = {
    { STR("service"), STR("service.name") },
    { STR("version"), STR("service.version") },
    { STR("response_time_ms"), STR("latency_ms") },
};

/* Members that are the span's own, no attributes. */
static const str own[] = { STR("event"), STR("id"),        STR("trace_id"),       STR("span_id"),
                           STR("ts"),    STR("timestamp"), STR("parent_span_id"), STR("time") };

static bool is_own(str key)
{
    for (size_t i = 0; i < COUNT_OF(own); i++)
        if (str_equal(key, own[i]))
            return true;
    return false;
}

bool event_digest(struct event_reader *reader, const struct value *object, int64_t time_ns,
                  str *ret_text)
{
    str json = tree_json(reader->arena, object);
    *ret_text = STR_NONE;
    if (str_is_none(json))
        return event_spent(reader);
    uint64_t hash = hash_bytes_seeded(json.ptr, json.len, (uint64_t)time_ns);
    *ret_text = arena_printf(reader->arena, "event:%016llx%016llx", (unsigned long long)hash,
                             (unsigned long long)hash_bytes_seeded(json.ptr, json.len, hash));
    return !str_is_none(*ret_text) || event_spent(reader);
}

static bool add(struct event_reader *reader, struct native_attrs *attrs, str key,
                struct value value)
{
    return native_attr_add(reader->arena, attrs, key, value) || event_spent(reader);
}

static bool attrs_of(struct event_reader *reader, const struct value *object, enum event_kind kind,
                     str trace_text, struct raw_span *span)
{
    struct native_attrs attrs = { 0 };
    bool fits = true;
    if (!tree_get(object, "gen_ai.operation.name"))
        fits = add(reader, &attrs, STR_OF("gen_ai.operation.name"),
                   value_str(kind == EVENT_VERSIONS ? STR_OF("versions") : STR_OF("chat")));
    if (fits && !str_is_none(trace_text))
        fits = add(reader, &attrs, STR_OF("event.trace_id"), value_str(trace_text));
    for (uint32_t i = 0; i < object->count && fits; i++) {
        str key = object->attrs[i].key;
        if (is_own(key) || object->attrs[i].value.type == VALUE_NULL)
            continue;
        for (size_t k = 0; k < COUNT_OF(renames); k++)
            if (str_equal(key, renames[k].from))
                key = renames[k].to;
        if (attrs.count >= reader->limits->attrs_max)
            span->dropped_attr_count++;
        else
            fits = add(reader, &attrs, key, object->attrs[i].value);
    }
    span->attrs = attrs.items;
    span->attr_count = attrs.count;
    return fits;
}

/* "error": true or what was wrong; "status": "ok", "error" or an HTTP status. */
static bool status_of(struct event_reader *reader, const struct value *object,
                      struct raw_span *span)
{
    const struct value *error = tree_get(object, "error"), *status = tree_get(object, "status");
    str word = tree_text(object, "status");
    int64_t number;
    bool failed = false;
    span->status_message = STR_OF("");
    if (error && error->type == VALUE_STR && !value_as_bool(error, &failed)) {
        failed = error->text.len > 0;
        span->status_message = error->text;
    } else if (error && error->type != VALUE_STR && !value_as_bool(error, &failed)) {
        return event_refuse(reader, "error", "must be true, false or a text");
    }
    if (!error)
        failed = tree_get(object, "error_type") || str_equal_nocase(word, STR_OF("error")) ||
                 (status && value_as_i64(status, &number) && number >= HTTP_FAILED);
    if (failed)
        span->status_code = STATUS_ERROR;
    else if (str_equal_nocase(word, STR_OF("ok")))
        span->status_code = STATUS_OK;
    return true;
}

/* What happened ended at its time. */
static void times_of(const struct value *object, int64_t end_ns, struct raw_span *span)
{
    const struct value *latency = tree_get(object, "latency_ms");
    double ms = 0;
    if (!latency)
        latency = tree_get(object, "response_time_ms");
    if (latency)
        (void)value_as_f64(latency, &ms);
    bool is_sane = ms > 0 && ms < (double)end_ns / (double)NS_PER_MS;
    span->end_ns = (uint64_t)end_ns;
    span->start_ns = span->end_ns - (is_sane ? (uint64_t)(ms * (double)NS_PER_MS) : 0);
}

static struct id8 trace_root_of(struct id16 trace_id)
{
    char digits[2 * sizeof trace_id + 1];
    hex_encode(&trace_id, sizeof trace_id, digits);
    return native_root_id(str_from_c(digits));
}

/* Its ids: those that are told, else of what was said. */
static bool ids_of(struct event_reader *reader, const struct value *object, enum event_kind kind,
                   int64_t seed_ns, struct raw_span *span)
{
    str id, span_id, parent, digest;
    if (!event_text(reader, object, "id", &id) ||
        !event_text(reader, object, "span_id", &span_id) ||
        !event_text(reader, object, "parent_span_id", &parent) ||
        !event_digest(reader, object, seed_ns, &digest))
        return false;
    if (id16_is_zero(span->trace_id) && kind != EVENT_CALL)
        return event_refuse(reader, "trace_id", "is missing");
    if (id16_is_zero(span->trace_id))
        span->trace_id = native_trace_id(str_is_none(id) ? digest : id);
    if (kind == EVENT_TRACE)
        span->span_id = trace_root_of(span->trace_id);
    else if (!str_is_none(span_id))
        span->span_id = native_span_id(span_id);
    else
        span->span_id = native_span_id(str_is_none(id) ? digest : id);
    if (!str_is_none(parent) && kind != EVENT_TRACE)
        span->parent_span_id = native_span_id(parent);
    else if (kind != EVENT_TRACE)
        span->parent_span_id = reader->span_id;
    return true;
}

bool event_take_span(struct event_reader *reader, const struct value *object, enum event_kind kind)
{
    struct raw_span span = { .scope = reader->scope, .kind = KIND_OF_CLIENT };
    int64_t end_ns;
    bool is_told;
    str trace_text, name;
    if (!event_time(reader, object, &end_ns, &is_told) ||
        !event_trace(reader, object, &span.trace_id, &trace_text) ||
        !event_text(reader, object, "name", &name))
        return false;
    /* The same object again is the same span; without a trace and a time it is another call. */
    int64_t seed_ns = is_told || !id16_is_zero(span.trace_id) ? 0 : end_ns;
    if (!ids_of(reader, object, kind, seed_ns, &span) || !status_of(reader, object, &span) ||
        !attrs_of(reader, object, kind, trace_text, &span))
        return false;
    const char *const names[] = { [EVENT_TRACE] = EVENT_TRACE_NAME,
                                  [EVENT_CALL] = EVENT_CALL_NAME,
                                  [EVENT_VERSIONS] = EVENT_VERSIONS_NAME };
    bool is_named = kind == EVENT_CALL && !str_is_none(name);
    span.name = is_named ? name : str_from_c(names[kind]);
    times_of(object, end_ns, &span);
    struct raw_span *to = native_span_new(reader->arena, &reader->items);
    if (!to)
        return event_spent(reader);
    *to = span;
    return true;
}
