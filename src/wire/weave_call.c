/* weave_call.c -- one call, or a part of it, into a part of a span.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "wire/json.h"
#include "wire/weave_int.h"

/* A span being filled. */
struct filling {
    struct weave *weave;
    const struct value *call;
    struct native_attrs attrs;
    bool is_model;
};

static void add(struct filling *filling, str key, struct value value)
{
    if (value.type != VALUE_NULL &&
        !native_attr_add(filling->weave->arena, &filling->attrs, key, value))
        filling->weave->is_spent = true;
}

static bool is_structure(const struct value *value)
{
    return value->type == VALUE_MAP || value->type == VALUE_ARRAY;
}

static void add_value(struct filling *filling, const char *key, const struct value *value)
{
    if (value)
        add(filling, str_from_c(key),
            is_structure(value) ? weave_json(filling->weave, value) : *value);
}

static void add_prefixed(struct filling *filling, const char *prefix, const struct attr *attr)
{
    str key = arena_printf(filling->weave->arena, "%s%.*s", prefix, STR_ARG(attr->key));
    filling->weave->is_spent = filling->weave->is_spent || str_is_none(key);
    if (!str_is_none(key))
        add(filling, key,
            is_structure(&attr->value) ? weave_json(filling->weave, &attr->value) : attr->value);
}

/* ---- what went in and how ---- */

/* Arguments of a client's function that are no parameters of the request. */
static bool is_argument(const struct attr *attr)
{
    static const char *const names[] = { "self", "messages", "input", "prompt", "contents" };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_equal_c(attr->key, names[i]))
            return true;
    return attr->value.type == VALUE_NULL ||
           (attr->value.type == VALUE_STR &&
            (str_equal_c(attr->value.text, "NOT_GIVEN") || str_equal_c(attr->value.text, "Omit")));
}

static void take_request(struct filling *filling, const struct value *inputs)
{
    for (uint32_t i = 0; inputs && inputs->type == VALUE_MAP && i < inputs->count; i++) {
        const struct attr *attr = &inputs->attrs[i];
        if (is_argument(attr))
            continue;
        if (str_equal_c(attr->key, "tools"))
            add_value(filling, "gen_ai.tool.definitions", &attr->value);
        else
            add_prefixed(filling, "gen_ai.request.", attr);
    }
}

/* The messages alone where a model is called: beside them stand the client and its settings. */
static const struct value *prompt_of(const struct filling *filling, const struct value *inputs)
{
    static const char *const names[] = { "messages", "contents", "input", "prompt" };
    const struct value *prompt = NULL;
    for (size_t i = 0; filling->is_model && !prompt && i < COUNT_OF(names); i++)
        prompt = tree_get(inputs, names[i]);
    return prompt ? prompt : inputs;
}

static void take_usage(struct filling *filling, const struct value *summary)
{
    const struct value *usages = tree_get(summary, "usage");
    const struct value *usage = tree_get(tree_get(filling->call, "output"), "usage");
    if (usages && usages->type == VALUE_MAP && usages->count == 1)
        usage = &usages->attrs[0].value;
    if (filling->is_model && usage && usage->type == VALUE_MAP)
        add(filling, STR_OF("weave.usage"), weave_json(filling->weave, usage));
    for (uint32_t i = 0; summary && summary->type == VALUE_MAP && i < summary->count; i++)
        if (!str_equal_c(summary->attrs[i].key, "usage") &&
            !str_equal_c(summary->attrs[i].key, "status_counts"))
            add_prefixed(filling, "weave.summary.", &summary->attrs[i]);
}

static void take_attributes(struct filling *filling, const struct value *attributes)
{
    for (uint32_t i = 0; attributes && attributes->type == VALUE_MAP && i < attributes->count; i++)
        if (str_equal_c(attributes->attrs[i].key, "weave"))
            add_value(filling, "weave.client", &attributes->attrs[i].value);
        else
            add_prefixed(filling, "weave.attributes.", &attributes->attrs[i]);
}

/* ---- how it ended ---- */

static void take_exception(struct filling *filling, struct raw_span *span)
{
    struct weave *weave = filling->weave;
    str exception = tree_text_as_sent(filling->call, "exception");
    struct json json;
    struct value told;
    if (str_is_empty(exception)) {
        span->status_code = span->end_ns ? 1 : 0;
        return;
    }
    span->status_code = 2;
    span->status_message = exception;
    json_init(&json, weave->arena, exception, JSON_DEPTH_MAX);
    if (json_next(&json) != JSON_OBJECT || !json_value(&json, JSON_OBJECT, &told))
        return;
    struct native_attrs attrs = { 0 };
    str type = tree_text_as_sent(&told, "type"), message = tree_text_as_sent(&told, "message");
    const struct value *trace = tree_get(&told, "traceback");
    span->status_message = str_is_none(message) ? exception : message;
    if (!str_is_empty(type))
        add(filling, STR_OF("error.type"), value_str(type));
    span->events = arena_new(weave->arena, struct span_event, 1);
    bool is_added = span->events &&
                    native_text_add(weave->arena, &attrs, STR_OF("exception.type"), type) &&
                    native_text_add(weave->arena, &attrs, STR_OF("exception.message"), message) &&
                    (!trace || native_attr_add(weave->arena, &attrs, STR_OF("exception.stacktrace"),
                                               weave_json(weave, trace)));
    weave->is_spent = weave->is_spent || !is_added;
    if (!is_added)
        return;
    span->event_count = 1;
    span->events[0] = (struct span_event){ .name = STR_OF("exception"),
                                           .time_ns = (int64_t)span->end_ns,
                                           .attrs = attrs.items,
                                           .attr_count = attrs.count };
}

static void take_answer(struct filling *filling, const struct value *output)
{
    add_value(filling, "weave.output", output);
    if (!filling->is_model)
        return;
    add_value(filling, "gen_ai.response.model", tree_get(output, "model"));
    add_value(filling, "gen_ai.response.id", tree_get(output, "id"));
    add_value(filling, "gen_ai.response.service_tier", tree_get(output, "service_tier"));
}

/* ---- all of it ---- */

/* A model's call says so, or asks or answers as one does. */
static bool is_model(const struct value *call, str kind)
{
    static const char *const names[] = { "messages", "contents", "input", "prompt" };
    const struct value *output = tree_get(call, "output"), *inputs = tree_get(call, "inputs");
    bool is_one = tree_get(output, "model") && tree_get(output, "usage");
    for (size_t i = 0; tree_get(inputs, "model") && i < COUNT_OF(names); i++)
        is_one = is_one || tree_get(inputs, names[i]);
    return str_equal_c(kind, "llm") || (str_is_none(kind) && is_one);
}

/* The integration, or the library that the traced function is of: "openai.chat.completions...". */
static void take_provider(struct filling *filling, const struct value *attributes)
{
    const struct value *name = tree_get(tree_get(attributes, "integration"), "name");
    str op = tree_text_as_sent(filling->call, "op_name");
    str function = str_is_none(op) ? STR_OF("") : weave_ref_name(op);
    size_t dot = str_find_char(function, '.');
    if (name)
        add_value(filling, "gen_ai.provider.name", name);
    else if (dot < function.len)
        add(filling, STR_OF("gen_ai.provider.name"), value_str(str_sub(function, 0, dot)));
}

static bool is_read(str key)
{
    static const char *const names[] = { "id",           "trace_id",  "parent_id",  "op_name",
                                         "display_name", "inputs",    "output",     "attributes",
                                         "summary",      "exception", "started_at", "ended_at",
                                         "thread_id",    "otel_dump", "call_id" };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_equal_c(key, names[i]))
            return true;
    return false;
}

static void take_identity(struct filling *filling, struct raw_span *span, str id)
{
    const struct value *call = filling->call;
    str trace = tree_text_as_sent(call, "trace_id"), parent = tree_text_as_sent(call, "parent_id");
    str name = tree_text_as_sent(call, "display_name"), op = tree_text_as_sent(call, "op_name");
    span->trace_id = native_trace_id(trace); /* zero: that of its start (pipeline/named_spans.h) */
    span->span_id = native_span_id(id);
    span->parent_span_id = native_span_id(parent);
    span->source_id = id;
    span->name = !str_is_empty(name) ? name : str_is_none(op) ? STR_OF("") : weave_ref_name(op);
    span->start_ns = weave_time(call, "started_at");
    span->end_ns = weave_time(call, "ended_at");
    if (!str_is_empty(op))
        add(filling, STR_OF("weave.op_name"), value_str(op));
}

bool weave_span(struct weave *weave, const struct value *call, const char **ret_why)
{
    struct filling filling = { .weave = weave, .call = call };
    struct raw_span span = { .scope = weave->scope, .is_addition = true };
    str id = tree_text_as_sent(call, tree_get(call, "call_id") ? "call_id" : "id");
    if (str_is_empty(id)) {
        *ret_why = "its id is missing";
        return false;
    }
    const struct value *inputs = tree_get(call, "inputs");
    const struct value *attributes = tree_get(call, "attributes");
    str kind = tree_text_as_sent(tree_get(attributes, "weave"), "kind");
    filling.is_model = is_model(call, kind);
    take_identity(&filling, &span, id);
    if (filling.is_model || !str_is_empty(kind))
        add(&filling, STR_OF("weave.span.kind"),
            value_str(filling.is_model ? STR_OF("llm") : kind));
    add_value(&filling, "weave.inputs", prompt_of(&filling, inputs));
    if (filling.is_model) {
        take_request(&filling, inputs);
        take_provider(&filling, attributes);
    }
    take_answer(&filling, tree_get(call, "output"));
    take_usage(&filling, tree_get(call, "summary"));
    take_attributes(&filling, attributes);
    add_value(&filling, "wandb.thread_id", tree_get(call, "thread_id"));
    for (uint32_t i = 0; i < call->count; i++)
        if (!is_read(call->attrs[i].key))
            add_prefixed(&filling, "weave.", &call->attrs[i]);
    take_exception(&filling, &span);
    native_span_set_attrs(&span, &filling.attrs, weave->limits->attrs_max);
    weave->is_spent |= !native_span_add(weave->arena, &weave->items, &span);
    return true;
}
