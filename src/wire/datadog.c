/* datadog.c -- ids of Datadog, and spans in the making.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "wire/datadog_int.h"

enum { TRACE_DIGITS = 32, DECIMAL_MAX = 39 }; /* 2^128 has 39 */

static bool is_decimal(str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    return text.len > 0;
}

static void store(uint8_t *to, uint64_t number)
{
    for (int i = 0; i < 8; i++)
        to[i] = (uint8_t)(number >> (56 - 8 * i));
}

struct id8 datadog_id8(uint64_t number)
{
    struct id8 id = { { 0 } };
    store(id.bytes, number);
    return id;
}

static bool is_none(str text)
{
    return str_is_empty(text) || str_equal_c(text, "undefined");
}

struct id8 datadog_span_id(str text)
{
    uint64_t number;
    if (is_none(text))
        return (struct id8){ { 0 } };
    if (is_decimal(text) && str_to_u64(text, &number))
        return datadog_id8(number);
    return native_span_id(text);
}

/* Ten times the number of four 32-bit digits, and one more; false: past 2^128. */
static bool shift_in(uint32_t number[4], uint32_t digit)
{
    uint64_t carry = digit;
    for (int i = 3; i >= 0; i--) {
        carry += (uint64_t)number[i] * 10;
        number[i] = (uint32_t)carry;
        carry >>= 32;
    }
    return carry == 0;
}

struct id16 datadog_trace_id(str text)
{
    struct id16 id = { { 0 } };
    if (is_none(text))
        return id;
    if (text.len == TRACE_DIGITS || text.len > DECIMAL_MAX || !is_decimal(text))
        return native_trace_id(text);
    uint32_t number[4] = { 0 };
    for (size_t i = 0; i < text.len; i++)
        if (!shift_in(number, (uint32_t)(text.ptr[i] - '0')))
            return native_trace_id(text);
    store(id.bytes, (uint64_t)number[0] << 32 | number[1]);
    store(id.bytes + 8, (uint64_t)number[2] << 32 | number[3]);
    return id;
}

enum err datadog_begin(struct datadog *datadog, struct arena *arena,
                       const struct otlp_limits *limits, struct raw_batch *batch,
                       struct diag *reterr_why)
{
    struct raw_scope *scope = arena_new(arena, struct raw_scope, 1);
    struct raw_resource *resource = arena_new(arena, struct raw_resource, 1);
    *batch = (struct raw_batch){ 0 };
    *datadog = (struct datadog){ .arena = arena,
                                 .limits = limits ? limits : &otlp_limits_default,
                                 .batch = batch,
                                 .scope = scope };
    if (!scope || !resource)
        return diag_set(reterr_why, ERR_LIMIT, "no memory is left for the request");
    scope->resource = resource;
    return ERR_OK;
}

enum err datadog_finish(struct datadog *datadog, struct diag *reterr_why)
{
    struct raw_batch *batch = datadog->batch;
    if (datadog->spent)
        return diag_set(reterr_why, ERR_LIMIT, "the request needs too much memory");
    native_give(&datadog->out, batch);
    return ERR_OK;
}

/* As OTel tells of an exception: norm reads type, message and stack from there. */
static void add_error(struct datadog *datadog, struct datadog_item *item)
{
    bool has_any = item->error_type.len || item->error_message.len || item->error_stack.len;
    if (!has_any)
        return;
    struct native_attrs attrs = { 0 };
    struct span_event *event = arena_new(datadog->arena, struct span_event, 1);
    bool good =
        event &&
        native_text_add(datadog->arena, &attrs, STR_OF("exception.type"), item->error_type) &&
        native_text_add(datadog->arena, &attrs, STR_OF("exception.message"), item->error_message) &&
        native_text_add(datadog->arena, &attrs, STR_OF("exception.stacktrace"), item->error_stack);
    if (!good) {
        datadog->spent = true;
        return;
    }
    *event = (struct span_event){ .time_ns = (int64_t)MIN(item->span.end_ns, (uint64_t)INT64_MAX),
                                  .name = STR("exception"),
                                  .attrs = attrs.items,
                                  .attr_count = attrs.count };
    item->span.events = event;
    item->span.event_count = 1;
    item->span.status_code = 2;
    if (str_is_empty(item->span.status_message))
        item->span.status_message = item->error_message;
    if (!(item->said & DATADOG_SAID_ERROR_TYPE) && item->error_type.len)
        datadog_attr(datadog, item, STR_OF("error.type"), value_str(item->error_type));
}

bool datadog_span_add(struct datadog *datadog, struct datadog_item *item, struct diag *reterr_why)
{
    if (datadog->out.span_count >= datadog->limits->items_max) {
        (void)diag_set(reterr_why, ERR_LIMIT, "more than %u spans in one request",
                       datadog->limits->items_max);
        return false;
    }
    add_error(datadog, item);
    struct raw_span *span = datadog->spent ? NULL : native_span_new(datadog->arena, &datadog->out);
    if (!span) {
        datadog->spent = true;
        (void)diag_set(reterr_why, ERR_LIMIT, "the request needs too much memory");
        return false;
    }
    *span = item->span;
    span->scope = datadog->scope;
    span->attrs = item->attrs.items;
    span->attr_count = item->attrs.count;
    return true;
}

void datadog_attr(struct datadog *datadog, struct datadog_item *item, str key, struct value value)
{
    if (value.type == VALUE_NULL)
        return;
    if (item->attrs.count >= datadog->limits->attrs_max)
        item->span.dropped_attr_count++;
    else if (!native_attr_add(datadog->arena, &item->attrs, key, value))
        datadog->spent = true;
}

void datadog_attr_under(struct datadog *datadog, struct datadog_item *item, const char *prefix,
                        str name, struct value value)
{
    if (value.type == VALUE_NULL)
        return;
    str key = arena_printf(datadog->arena, "%s%.*s", prefix, STR_ARG(name));
    if (str_is_none(key))
        datadog->spent = true;
    else
        datadog_attr(datadog, item, key, value);
}

/* Tags whose meaning OTel has a name for, and what they are told by already. */
static const struct {
    str tag;
    str name; /* empty: it says nothing more */
    uint32_t said;
} tag_names[] = {
    { STR("service"), STR("service.name"), DATADOG_SAID_SERVICE },
    { STR("env"), STR("deployment.environment.name"), DATADOG_SAID_ENV },
    { STR("version"), STR("service.version"), DATADOG_SAID_VERSION },
    { STR("language"), STR("telemetry.sdk.language"), DATADOG_SAID_LANGUAGE },
    { STR("ddtrace.version"), STR("telemetry.sdk.version"), 0 },
    { STR("ddtrace_version"), STR("telemetry.sdk.version"), 0 },
    { STR("session_id"), STR("_ml_obs.session_id"), DATADOG_SAID_SESSION },
    { STR("ml_app"), STR("_ml_obs.meta.ml_app"), DATADOG_SAID_APP },
    { STR("error_type"), STR("error.type"), DATADOG_SAID_ERROR_TYPE },
    { STR("error"), STR(""), 0 },         /* the span's status */
    { STR("agent_service"), STR(""), 0 }, /* ml_app again */
};

void datadog_tag(struct datadog *datadog, struct datadog_item *item, str key, struct value value)
{
    bool is_constant = value.type == VALUE_STR && str_equal_c(key, "source") &&
                       str_equal_c(value.text, "integration");
    if (is_constant || (value.type == VALUE_STR && value.text.len == 0))
        return; /* a tracer's own word, which is no source of a request */
    for (size_t i = 0; i < COUNT_OF(tag_names); i++) {
        if (!str_equal(key, tag_names[i].tag))
            continue;
        if (tag_names[i].name.len && !(item->said & tag_names[i].said))
            datadog_attr(datadog, item, tag_names[i].name, value);
        item->said |= tag_names[i].said;
        return;
    }
    datadog_attr(datadog, item, key, value);
}
