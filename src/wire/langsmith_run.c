/* langsmith_run.c -- one run into a part of a span.
 *
 * What its exporter for OpenTelemetry writes as attributes has the same names here; what that
 * exporter leaves out (options, runtime, unknown members) is kept under langsmith.*.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/text.h"
#include "wire/langsmith_int.h"

/* A span being filled. */
struct filling {
    struct langsmith *langsmith;
    const struct langsmith_run *run;
    struct native_attrs attrs;
    str kind; /* run_type */
};

static void add(struct filling *filling, str key, struct value value)
{
    struct langsmith *langsmith = filling->langsmith;
    if (value.type != VALUE_NULL && !native_attr_add(langsmith->arena, &filling->attrs, key, value))
        langsmith->is_spent = true;
}

static void add_text(struct filling *filling, const char *key, str text)
{
    if (!str_is_empty(text))
        add(filling, str_from_c(key), value_str(text));
}

static str prefixed(struct filling *filling, const char *prefix, str name)
{
    str key = arena_printf(filling->langsmith->arena, "%s%.*s", prefix, STR_ARG(name));
    filling->langsmith->is_spent = filling->langsmith->is_spent || str_is_none(key);
    return str_is_none(key) ? STR_OF("") : key;
}

static str member(const struct filling *filling, const char *key)
{
    return langsmith_member(&filling->run->members, key);
}

static str text(const struct filling *filling, const char *key)
{
    return langsmith_text(filling->langsmith, &filling->run->members, key);
}

/* ---- ids and times ---- */

/* "<time>Z<uuid>" of a dotted order: its first segment is the root's, the last the run's own. */
static str segment_id(str segment)
{
    size_t z = str_find_char(segment, 'Z');
    return z < segment.len ? str_from(segment, z + 1) : STR_NONE;
}

struct order {
    str root, parent, own; /* ids; STR_NONE: not said */
    str time;              /* of the run itself: YYYYMMDDTHHMMSSffffff */
};

static struct order order_of(str dotted)
{
    struct order order = { STR_NONE, STR_NONE, STR_NONE, STR_NONE };
    str segment;
    while (!str_is_none(dotted) && str_next(&dotted, '.', &segment)) {
        order.parent = order.own;
        order.own = segment_id(segment);
        order.root = str_is_none(order.root) ? order.own : order.root;
        order.time = str_sub(segment, 0, str_find_char(segment, 'Z'));
    }
    return order;
}

/* 20240429T004912090000 */
static uint64_t order_time(struct langsmith *langsmith, str time)
{
    enum { SECONDS = 15, FRACTION_MAX = 9 };
    int64_t time_ns;
    if (time.len < SECONDS || time.len > SECONDS + FRACTION_MAX || time.ptr[8] != 'T')
        return 0;
    const char *at = time.ptr;
    str iso =
        arena_printf(langsmith->arena, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2s.%.*s0Z", at, at + 4, at + 6,
                     at + 9, at + 11, at + 13, (int)(time.len - SECONDS), at + SECONDS);
    return !str_is_none(iso) && time_parse(iso, &time_ns) && time_ns > 0 ? (uint64_t)time_ns : 0;
}

static void take_identity(struct filling *filling, struct raw_span *span)
{
    struct order order = order_of(text(filling, "dotted_order"));
    str id = filling->run->id, trace = text(filling, "trace_id");
    str parent = text(filling, "parent_run_id");
    parent = str_is_empty(parent) ? order.parent : parent;
    trace = str_is_empty(trace) ? order.root : trace;
    if (str_is_empty(trace)) /* of old clients: the parent is the root, or there is none */
        trace = str_is_empty(parent) ? id : parent;
    span->trace_id = native_trace_id(trace);
    span->span_id = native_span_id(id);
    span->parent_span_id = native_span_id(parent);
    span->source_id = id;
    span->name = text(filling, "name");
    span->start_ns = langsmith_time(filling->langsmith, member(filling, "start_time"));
    if (!span->start_ns)
        span->start_ns = order_time(filling->langsmith, order.time);
    span->end_ns = langsmith_time(filling->langsmith, member(filling, "end_time"));
    /* JavaScript's start has microseconds that only order runs, its end has none */
    if (span->end_ns && span->end_ns < span->start_ns && span->start_ns - span->end_ns < NS_PER_MS)
        span->end_ns = span->start_ns;
}

/* ---- what went in and how ---- */

static bool is_structure(const struct value *value)
{
    return value->type == VALUE_MAP || value->type == VALUE_ARRAY;
}

static struct value json_text(struct filling *filling, const struct value *value)
{
    struct buf out;
    buf_init(&out, 64 * MIB);
    value_to_json(&out, value);
    str text = buf_failed(&out) ? STR_NONE : arena_str(filling->langsmith->arena, buf_str(&out));
    buf_clear(&out);
    filling->langsmith->is_spent = filling->langsmith->is_spent || str_is_none(text);
    struct value none = { .type = VALUE_NULL };
    return str_is_none(text) ? none : value_str(text);
}

/* Request parameters: the model, its tools, and numbers. */
static void take_invocation(struct filling *filling, const struct value *params)
{
    static const char *const models[] = { "model", "model_name", "model_id" };
    for (uint32_t i = 0; params->type == VALUE_MAP && i < params->count; i++) {
        str key = params->attrs[i].key;
        const struct value *value = &params->attrs[i].value;
        bool is_model = false;
        for (size_t j = 0; j < COUNT_OF(models); j++)
            is_model = is_model || str_equal_c(key, models[j]);
        if (is_model)
            add(filling, STR_OF("gen_ai.request.model"), *value);
        else if (str_equal_c(key, "tools") || str_equal_c(key, "functions"))
            add(filling, STR_OF("gen_ai.tool.definitions"), json_text(filling, value));
        else if (str_starts(key, STR_OF("_")))
            continue; /* "_type": the name of LangChain's class */
        else
            add(filling, prefixed(filling, "gen_ai.request.", key),
                is_structure(value) ? json_text(filling, value) : *value);
    }
}

static void take_metadata(struct filling *filling, const struct value *metadata)
{
    for (uint32_t i = 0; metadata->type == VALUE_MAP && i < metadata->count; i++) {
        str key = metadata->attrs[i].key;
        const struct value *value = &metadata->attrs[i].value;
        if (str_equal_c(key, "ls_invocation_params") && value->type == VALUE_MAP)
            take_invocation(filling, value);
        else
            add(filling, prefixed(filling, "langsmith.metadata.", key),
                is_structure(value) ? json_text(filling, value) : *value);
    }
}

static void take_extra(struct filling *filling)
{
    struct value extra = langsmith_value(filling->langsmith, member(filling, "extra"));
    if (extra.type != VALUE_MAP) {
        add(filling, STR_OF("langsmith.extra"), extra);
        return;
    }
    for (uint32_t i = 0; i < extra.count; i++) {
        str key = extra.attrs[i].key;
        const struct value *value = &extra.attrs[i].value;
        if (str_equal_c(key, "metadata") && value->type == VALUE_MAP)
            take_metadata(filling, value);
        else if (str_equal_c(key, "invocation_params") && value->type == VALUE_MAP)
            take_invocation(filling, value);
        else if (str_equal_c(key, "runtime"))
            add(filling, STR_OF("langsmith.span.runtime"), json_text(filling, value));
        else if (value->type != VALUE_NULL && !(is_structure(value) && value->count == 0))
            add(filling, prefixed(filling, "langsmith.extra.", key),
                is_structure(value) ? json_text(filling, value) : *value);
    }
}

/* ---- events and errors ---- */

static bool event_of(struct filling *filling, const struct value *from, uint64_t fallback_ns,
                     struct span_event *ret_event)
{
    const struct attr *name = attr_find(from->attrs, from->count, STR_OF("name"));
    const struct attr *time = attr_find(from->attrs, from->count, STR_OF("time"));
    const struct attr *rest = attr_find(from->attrs, from->count, STR_OF("kwargs"));
    if (!name || name->value.type != VALUE_STR)
        return false;
    uint64_t time_ns = 0;
    if (time) {
        struct value json = json_text(filling, &time->value);
        time_ns = json.type == VALUE_STR ? langsmith_time(filling->langsmith, json.text) : 0;
    }
    *ret_event = (struct span_event){ .name = name->value.text,
                                      .time_ns = (int64_t)(time_ns ? time_ns : fallback_ns) };
    if (rest && rest->value.type == VALUE_MAP) {
        ret_event->attrs = rest->value.attrs;
        ret_event->attr_count = MIN(rest->value.count, filling->langsmith->limits->attrs_max);
    }
    return true;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.';
}

/* "ValueError('no')\n\nTraceback..." or "ValueError: no": the name in front. */
static str error_type(str error)
{
    enum { NAME_MAX_BYTES = 128 };
    size_t len = 0;
    while (len < error.len && len < NAME_MAX_BYTES && is_name_char(error.ptr[len]))
        len++;
    str name = str_sub(error, 0, len), after = str_sub(error, len, 1);
    bool is_error =
        str_find(name, STR_OF("Err")) < name.len || str_find(name, STR_OF("Exc")) < name.len;
    bool is_call = name.len > 0 && str_equal_c(after, "(");
    return is_call || (is_error && str_equal_c(after, ":")) ? name : STR_NONE;
}

/* As its exporter does: an event of OpenTelemetry's. */
static void add_exception(struct filling *filling, struct raw_span *span, str message, str whole)
{
    struct langsmith *langsmith = filling->langsmith;
    struct native_attrs attrs = { 0 };
    bool is_added =
        native_text_add(langsmith->arena, &attrs, STR_OF("exception.type"), error_type(whole)) &&
        native_text_add(langsmith->arena, &attrs, STR_OF("exception.message"), message) &&
        (message.len == whole.len ||
         native_text_add(langsmith->arena, &attrs, STR_OF("exception.stacktrace"), whole));
    langsmith->is_spent = langsmith->is_spent || !is_added;
    span->events[span->event_count++] =
        (struct span_event){ .name = STR_OF("exception"),
                             .time_ns = (int64_t)(span->end_ns ? span->end_ns : span->start_ns),
                             .attrs = attrs.items,
                             .attr_count = attrs.count };
}

static void take_error(struct filling *filling, struct raw_span *span)
{
    struct value error = langsmith_value(filling->langsmith, member(filling, "error"));
    if (error.type == VALUE_NULL || (error.type == VALUE_STR && error.text.len == 0)) {
        span->status_code = span->end_ns ? 1 : 0;
        return;
    }
    if (error.type != VALUE_STR)
        error = json_text(filling, &error);
    span->status_code = 2;
    if (error.type != VALUE_STR)
        return;
    size_t trace = str_find(error.text, STR_OF("Traceback (most recent call last)"));
    size_t stack = str_find(error.text, STR_OF("\n    at ")); /* JavaScript's */
    str message = str_trim(str_sub(error.text, 0, MIN(trace, stack)));
    span->status_message = message.len ? message : error.text;
    add_text(filling, "error.type", error_type(error.text));
    add_exception(filling, span, span->status_message, error.text);
}

/* What failed, then what was told.  A stream tells of each token: the first is kept, and how many
 * there were. */
static void take_events(struct filling *filling, struct raw_span *span)
{
    struct langsmith *langsmith = filling->langsmith;
    struct value events = langsmith_value(langsmith, member(filling, "events"));
    uint32_t tokens = 0, room = langsmith->limits->events_max;
    uint32_t count = events.type == VALUE_ARRAY ? events.count : 0;
    span->events = arena_new(langsmith->arena, struct span_event, MIN(count, room) + 1);
    langsmith->is_spent = langsmith->is_spent || !span->events;
    if (span->events)
        take_error(filling, span);
    for (uint32_t i = 0; span->events && i < count; i++) {
        struct span_event event;
        bool is_event = events.items[i].type == VALUE_MAP &&
                        event_of(filling, &events.items[i], span->start_ns, &event);
        bool is_token = is_event && str_equal_c(event.name, "new_token");
        tokens += is_token;
        if (is_token && tokens > 1)
            continue;
        if (is_event && span->event_count < room)
            span->events[span->event_count++] = event;
        else
            span->dropped_event_count++;
    }
    if (tokens) {
        add(filling, STR_OF("langsmith.request.streaming"), value_bool(true));
        add(filling, STR_OF("langsmith.new_tokens"), value_i64(tokens));
    }
}

/* ---- all of it ---- */

static bool is_read(str key)
{
    static const char *const names[] = { "id",     "trace_id",     "dotted_order", "parent_run_id",
                                         "name",   "start_time",   "end_time",     "run_type",
                                         "inputs", "outputs",      "extra",        "events",
                                         "error",  "session_name", "tags",         "session_id" };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_equal_c(key, names[i]))
            return true;
    return false;
}

static void take_rest(struct filling *filling)
{
    const struct native_attrs *members = &filling->run->members;
    for (uint32_t i = 0; i < members->count; i++) {
        if (is_read(members->items[i].key) || str_equal_c(members->items[i].value.text, "null"))
            continue;
        struct value value = langsmith_value(filling->langsmith, members->items[i].value.text);
        if (is_structure(&value) && value.count == 0)
            continue;
        add(filling, prefixed(filling, "langsmith.", members->items[i].key),
            is_structure(&value) ? value_str(members->items[i].value.text) : value);
    }
    for (uint32_t i = 0; i < filling->run->attachments.count; i++)
        add(filling,
            prefixed(filling, "langsmith.attachment.", filling->run->attachments.items[i].key),
            json_text(filling, &filling->run->attachments.items[i].value));
}

/* A patch of old clients does not say what kind of run it completes; its answer may. */
static str kind_of(struct filling *filling, str outputs)
{
    str kind = text(filling, "run_type");
    if (!str_is_empty(kind) || str_is_none(outputs))
        return kind;
    if (str_starts(outputs, STR_OF("{\"generations\"")))
        return STR_OF("llm");
    return str_starts(outputs, STR_OF("{\"documents\"")) ? STR_OF("retriever") : STR_NONE;
}

/* wrap_openai has the tools beside the messages. */
static void take_tools(struct filling *filling, str inputs)
{
    struct native_attrs members = { 0 };
    if (!str_equal_c(filling->kind, "llm") ||
        !langsmith_members(filling->langsmith, inputs, &members))
        return;
    str tools = langsmith_member(&members, "tools");
    if (str_starts(tools, STR_OF("[")))
        add_text(filling, "gen_ai.tool.definitions", tools);
}

static void take_sides(struct filling *filling)
{
    str inputs = member(filling, "inputs"), outputs = member(filling, "outputs");
    filling->kind = kind_of(filling, outputs);
    add_text(filling, "langsmith.span.kind", filling->kind);
    if (!str_is_none(inputs) && !str_equal_c(inputs, "{}")) {
        add_text(filling, "gen_ai.prompt", inputs);
        take_tools(filling, inputs);
    }
    if (str_is_none(outputs) || str_equal_c(outputs, "{}") ||
        str_equal_c(outputs, "{\"output\":null}")) /* what a function without a result gives */
        return;
    add_text(filling, "gen_ai.completion", outputs);
    if (str_is_empty(filling->kind) || str_equal_c(filling->kind, "llm") ||
        str_equal_c(filling->kind, "embedding"))
        langsmith_answer(filling->langsmith, outputs, &filling->attrs);
}

bool langsmith_span(struct langsmith *langsmith, const struct langsmith_run *run,
                    const char **ret_why)
{
    struct filling filling = { .langsmith = langsmith, .run = run };
    struct raw_span span = { .scope = langsmith->scope, .is_addition = true };
    if (str_is_empty(run->id)) {
        *ret_why = "its id is missing";
        return false;
    }
    take_identity(&filling, &span);
    if (!run->is_patch && !span.start_ns && str_is_empty(span.name)) {
        *ret_why = "it has neither name nor start_time";
        return false;
    }
    take_sides(&filling);
    take_events(&filling, &span);
    take_extra(&filling);
    add_text(&filling, "langsmith.trace.session_name", text(&filling, "session_name"));
    add_text(&filling, "langsmith.trace.session_id", text(&filling, "session_id"));
    struct value tags = langsmith_value(langsmith, member(&filling, "tags"));
    if (!is_structure(&tags) || tags.count)
        add(&filling, STR_OF("langsmith.span.tags"), tags);
    take_rest(&filling);
    native_span_set_attrs(&span, &filling.attrs, langsmith->limits->attrs_max);
    langsmith->is_spent |= !native_span_add(langsmith->arena, &langsmith->items, &span);
    return true;
}
