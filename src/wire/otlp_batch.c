/* otlp_batch.c -- what the fields of OTLP mean, for both encodings.
 *
 * The readers call otlp_enter() for each message inside a message.  Here the
 * arrays grow, limits are kept, and an item that turns out bad is left out alone: its
 * place in the array is simply used again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/utf8.h"
#include "wire/otlp_int.h"
#include <stdio.h>

enum {
    SCOPE_NAME_CHARS_MAX = 60, /* of a scope's name quoted in a reason */
    BUCKETS_JSON_BYTES_MAX = 16 * 1024 * 1024,
};

const struct otlp_limits otlp_limits_default = {
    .items_max = 100000,
    .attrs_max = 4096,
    .events_max = 4096,
    .links_max = 1024,
    .depth_max = VALUE_DEPTH_MAX,
};

/* What each signal's requests are called and made of. */
static const struct signal_info {
    enum otlp_message request;
    const char *noun;
    size_t item_bytes;
    size_t list_offset;
} signals[] = {
    [OTLP_TRACES] = { OTLP_MSG_request_traces, "span", sizeof(struct raw_span),
                      offsetof(struct raw_batch, spans) },
    [OTLP_LOGS] = { OTLP_MSG_request_logs, "record", sizeof(struct raw_log),
                    offsetof(struct raw_batch, logs) },
    [OTLP_METRICS] = { OTLP_MSG_request_metrics, "point", sizeof(struct raw_metric),
                       offsetof(struct raw_batch, metrics) },
};

/* --- errors ------------------------------------------------------------------ */

enum err otlp_bad(struct otlp *otlp, const void *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    otlp->why.code = ERR_BAD_INPUT;
    otlp->why.offset = (size_t)((const char *)at - otlp->body.ptr);
    otlp->why.hint[0] = '\0';
    vsnprintf(otlp->why.text, sizeof otlp->why.text, format, args);
    va_end(args);
    return ERR_BAD_INPUT;
}

enum err otlp_no_room(struct otlp *otlp)
{
    return diag_set(&otlp->why, ERR_LIMIT,
                    "the request needs more than the %zu bytes of memory it may use when decoded",
                    otlp->arena->budget_bytes);
}

enum err otlp_bad_json(struct otlp *otlp)
{
    return json_error(otlp->json, &otlp->why);
}

/* --- lists ------------------------------------------------------------------- */

bool otlp_list_grow(struct otlp *otlp, struct otlp_list *list, size_t item_bytes, uint32_t *room,
                    uint32_t run)
{
    if (*room > 0)
        return true;
    if (list->count > UINT32_MAX / 4)
        return false;
    /* What is known to come; at least double, so that growing stays linear. */
    uint32_t more = MAX(MAX(run, list->count), (uint32_t)1);
    void *larger = arena_alloc(otlp->arena, ((size_t)list->count + more) * item_bytes);
    if (!larger)
        return false;
    if (list->count)
        memcpy(larger, list->items, list->count * item_bytes);
    list->items = larger;
    *room = more;
    return true;
}

enum err otlp_text(struct otlp *otlp, str bytes, str *ret_text)
{
    str text = utf8_repair(otlp->arena, bytes);
    if (str_is_none(text) && bytes.len)
        return otlp_no_room(otlp);
    *ret_text = text;
    return ERR_OK;
}

enum err otlp_attr_push(struct otlp *otlp, struct otlp_list *list, uint32_t *room, uint32_t run,
                        struct attr **ret_attr)
{
    if (!otlp_list_grow(otlp, list, sizeof(struct attr), room, run))
        return otlp_no_room(otlp);
    struct attr *attr = (struct attr *)list->items + list->count;
    attr->key = STR_OF("");
    attr->value.type = VALUE_NULL;
    attr->value.count = 0;
    attr->value.text = STR_NONE;
    list->count++;
    --*room;
    *ret_attr = attr;
    return ERR_OK;
}

bool otlp_list_is_full(struct otlp *otlp, const struct otlp_field *row, uint32_t count)
{
    if (row->kind == KIND_ATTRS && count >= otlp->limits.attrs_max) {
        otlp->dropped_attrs++;
        otlp->batch.cut_attr_count++;
        return true;
    }
    if (row->kind == KIND_EVENTS && count >= otlp->limits.events_max) {
        otlp->dropped_events++;
        return true;
    }
    if (row->kind == KIND_LINKS && count >= otlp->limits.links_max) {
        otlp->dropped_links++;
        return true;
    }
    return false;
}

/* A zeroed element at the end of a list; NULL: no arena left. */
static void *list_push(struct otlp *otlp, struct otlp_list *list, size_t item_bytes, uint32_t *room,
                       uint32_t run)
{
    if (!otlp_list_grow(otlp, list, item_bytes, room, run))
        return NULL;
    void *item = (char *)list->items + list->count * item_bytes;
    memset(item, 0, item_bytes);
    list->count++;
    --*room;
    return item;
}

/* --- items: spans, log records, points ---------------------------------------- */

static uint32_t add_clamped(uint32_t a, uint32_t b)
{
    return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

static enum err span_finish(struct otlp *otlp, struct raw_span *span)
{
    if (id16_is_zero(span->trace_id))
        return otlp_bad(otlp, otlp->body.ptr, "trace_id is missing or all zero");
    if (id8_is_zero(span->span_id))
        return otlp_bad(otlp, otlp->body.ptr, "span_id is missing or all zero");
    span->dropped_attr_count = add_clamped(span->dropped_attr_count, otlp->dropped_attrs);
    span->dropped_event_count = add_clamped(span->dropped_event_count, otlp->dropped_events);
    span->dropped_link_count = add_clamped(span->dropped_link_count, otlp->dropped_links);
    return ERR_OK;
}

/* Field 12; before it existed an attribute; some put it into the body. */
static void log_find_event_name(struct raw_log *log)
{
    const struct attr *attr = NULL;
    if (log->event_name.len == 0)
        attr = attr_find(log->attrs, log->attr_count, STR_OF("event.name"));
    if (log->event_name.len == 0 && !attr && log->body.type == VALUE_MAP)
        attr = attr_find(log->body.attrs, log->body.count, STR_OF("event.name"));
    if (attr && attr->value.type == VALUE_STR)
        log->event_name = attr->value.text;
}

static enum err item_finish(struct otlp *otlp, void *item)
{
    if (otlp->signal == OTLP_TRACES)
        return span_finish(otlp, item);
    if (otlp->signal == OTLP_METRICS)
        return otlp_point_finish(otlp, item);
    struct raw_log *log = item;
    if (log->time_ns == 0)
        log->time_ns = log->observed_ns;
    log_find_event_name(log);
    return ERR_OK;
}

static void item_reject(struct otlp *otlp, uint32_t count)
{
    if (otlp->batch.rejected_count == 0) {
        otlp->rejected_scope = otlp->scope;
        otlp->rejected_index = otlp->item_index;
        snprintf(otlp->rejected_reason, sizeof otlp->rejected_reason, "%.*s", OTLP_REASON_MAX - 1,
                 otlp->why.text);
    }
    otlp->batch.rejected_count += count;
}

/* After ERR_BAD_INPUT inside an element: can the rest of the request be read?  In protobuf the
 * element's length says where it ends; in JSON its braces, if it is JSON at all. */
static enum err recover(struct otlp *otlp, uint32_t json_depth)
{
    otlp->depth = 1;
    if (!otlp->json)
        return ERR_OK;
    if (otlp->json->error || !json_unwind(otlp->json, json_depth - 1))
        return otlp_bad_json(otlp);
    return ERR_OK;
}

static enum err item_enter(struct otlp *otlp, enum otlp_message message, uint32_t run,
                           const void *source)
{
    bool is_point = otlp->signal == OTLP_METRICS;
    if (otlp->items->count + otlp->batch.rejected_count >= otlp->limits.items_max)
        return diag_set(&otlp->why, ERR_LIMIT, "more than %u %ss in one request",
                        otlp->limits.items_max, signals[otlp->signal].noun);
    if (!otlp_list_grow(otlp, otlp->items, otlp->item_bytes, &otlp->item_room, run))
        return otlp_no_room(otlp);
    void *slot = (char *)otlp->items->items + otlp->items->count * otlp->item_bytes;
    void *item = is_point ? &otlp->point : slot;
    memset(item, 0, is_point ? sizeof otlp->point : otlp->item_bytes);
    /* Each item begins with its scope. */
    *(const struct raw_scope **)item = otlp->scope;
    otlp->item_index++;
    otlp->depth = 1;
    otlp->dropped_attrs = otlp->dropped_events = otlp->dropped_links = 0;

    uint32_t json_depth = otlp->json ? otlp->json->depth : 0;
    enum err code = otlp->ops->walk(otlp, source, message, item);
    bool is_read = !code;
    if (!code)
        code = item_finish(otlp, item);
    if (code == ERR_BAD_INPUT) {
        enum err fatal = is_read ? ERR_OK : recover(otlp, json_depth);
        if (!fatal)
            item_reject(otlp, 1);
        return fatal;
    }
    if (code)
        return code;
    if (is_point)
        *(struct raw_metric *)slot = otlp->point.metric;
    otlp->items->count++;
    otlp->item_room--;
    return ERR_OK;
}

_Static_assert(offsetof(struct raw_span, scope) == 0 && offsetof(struct raw_log, scope) == 0 &&
                   offsetof(struct raw_metric, scope) == 0,
               "item_enter writes the scope first");

/* --- metrics ------------------------------------------------------------------- */

_Static_assert(OTLP_MSG_summary - OTLP_MSG_gauge == METRIC_SUMMARY - METRIC_GAUGE,
               "the five shapes stand in the same order");

static void metric_forget(struct otlp *otlp, struct otlp_metric *metric)
{
    otlp->item_room += otlp->items->count - metric->first;
    otlp->items->count = metric->first;
}

/* Name, unit and shape may come after the points: they are set at the end. */
static enum err metric_enter(struct otlp *otlp, const void *source)
{
    struct otlp_metric metric = { .name = STR(""), .first = otlp->items->count };
    uint32_t json_depth = otlp->json ? otlp->json->depth : 0;
    otlp->metric = &metric;
    enum err code = otlp->ops->walk(otlp, source, OTLP_MSG_metric, &metric);
    otlp->metric = NULL;
    if (code == ERR_BAD_INPUT) {
        uint32_t lost = otlp->items->count - metric.first;
        enum err fatal = recover(otlp, json_depth);
        if (!fatal)
            item_reject(otlp, MAX(lost, (uint32_t)1));
        metric_forget(otlp, &metric);
        return fatal;
    }
    struct raw_metric *points = otlp->items->items;
    for (uint32_t i = metric.first; !code && i < otlp->items->count; i++) {
        points[i].type = (int32_t)metric.data - (int32_t)OTLP_MSG_gauge + METRIC_GAUGE;
        points[i].name = metric.name;
        points[i].unit = metric.unit;
        points[i].temporality = metric.temporality;
        points[i].is_monotonic = metric.is_monotonic;
    }
    return code;
}

/* The shape is a oneof: a second, different one replaces the first. */
static enum err data_enter(struct otlp *otlp, enum otlp_message data, struct otlp_metric *metric,
                           const void *source)
{
    if (metric->data != data) {
        metric_forget(otlp, metric);
        metric->data = data;
        metric->temporality = 0;
        metric->is_monotonic = false;
    }
    return otlp->ops->walk(otlp, source, data, metric);
}

/* --- messages inside messages --------------------------------------------------- */

static enum err resource_enter(struct otlp *otlp, enum otlp_message message, const void *source)
{
    otlp->resource = arena_new(otlp->arena, struct raw_resource, 1);
    if (!otlp->resource)
        return otlp_no_room(otlp);
    otlp->depth = 1;
    return otlp->ops->walk(otlp, source, message, otlp->resource);
}

static enum err scope_enter(struct otlp *otlp, enum otlp_message message, const void *source)
{
    otlp->scope = arena_new(otlp->arena, struct raw_scope, 1);
    if (!otlp->scope)
        return otlp_no_room(otlp);
    otlp->scope->resource = otlp->resource;
    otlp->item_index = 0;
    otlp->depth = 1;
    return otlp->ops->walk(otlp, source, message, otlp->scope);
}

static enum err event_enter(struct otlp *otlp, struct otlp_list *list, uint32_t *room, uint32_t run,
                            const void *source)
{
    struct span_event *event = list_push(otlp, list, sizeof *event, room, run);
    if (!event)
        return otlp_no_room(otlp);
    return otlp->ops->walk(otlp, source, OTLP_MSG_event, event);
}

/* A link that points nowhere is dropped and counted; its span stays. */
static enum err link_enter(struct otlp *otlp, struct otlp_list *list, uint32_t *room, uint32_t run,
                           const void *source)
{
    struct span_link *link = list_push(otlp, list, sizeof *link, room, run);
    if (!link)
        return otlp_no_room(otlp);
    uint32_t json_depth = otlp->json ? otlp->json->depth : 0;
    enum err code = otlp->ops->walk(otlp, source, OTLP_MSG_link, link);
    if (code && code != ERR_BAD_INPUT)
        return code;
    if (!code && !id16_is_zero(link->trace_id) && !id8_is_zero(link->span_id))
        return ERR_OK;
    list->count--;
    ++*room;
    otlp->dropped_links++;
    return code ? recover(otlp, json_depth) : ERR_OK;
}

/* The list inside an array or map value. */
static enum err value_child_enter(struct otlp *otlp, const struct otlp_field *row,
                                  struct value *value, struct otlp_rooms *rooms, uint32_t run,
                                  const void *source)
{
    if (otlp->depth > otlp->limits.depth_max)
        return otlp_bad(otlp, otlp->body.ptr, "a value is nested deeper than %u levels",
                        otlp->limits.depth_max);
    bool is_map = row->kind == KIND_V_ATTRS;
    struct otlp_list list = { .items = is_map ? (void *)value->attrs : (void *)value->items,
                              .count = value->count };
    struct attr *attr = NULL;
    struct value *item = NULL;
    enum err code = ERR_OK;
    if (is_map)
        code = otlp_attr_push(otlp, &list, &rooms->of[0], run, &attr);
    else if (!(item = list_push(otlp, &list, sizeof *item, &rooms->of[0], run)))
        code = otlp_no_room(otlp);
    if (code)
        return code;
    value->count = list.count;
    if (is_map)
        value->attrs = list.items;
    else
        value->items = list.items;
    return otlp->ops->walk(otlp, source, row->sub, is_map ? (void *)attr : (void *)item);
}

static enum err container_enter(struct otlp *otlp, const struct otlp_field *row,
                                struct value *value, const void *source)
{
    enum value_type type = row->kind == KIND_V_ARRAY ? VALUE_ARRAY : VALUE_MAP;
    if (value->type != type)
        *value = (struct value){ .type = type };
    otlp->depth++;
    enum err code = otlp->ops->walk(otlp, source, row->sub, value);
    otlp->depth--;
    return code;
}

enum err otlp_enter(struct otlp *otlp, const struct otlp_field *row, void *place,
                    struct otlp_rooms *rooms, uint32_t run, const void *source)
{
    struct otlp_list *list = place;
    struct attr *attr = NULL;
    enum err code;
    switch (row->kind) {
    case KIND_ATTRS:
        code = otlp_attr_push(otlp, list, &rooms->of[0], run, &attr);
        return code ? code : otlp->ops->walk(otlp, source, OTLP_MSG_key_value, attr);
    case KIND_EVENTS:
        return event_enter(otlp, list, &rooms->of[1], run, source);
    case KIND_LINKS:
        return link_enter(otlp, list, &rooms->of[2], run, source);
    case KIND_V_ARRAY:
    case KIND_V_MAP:
        return container_enter(otlp, row, place, source);
    case KIND_V_ATTRS:
    case KIND_V_ITEMS:
        return value_child_enter(otlp, row, place, rooms, run, source);
    case KIND_QUANTILES:
        place = list_push(otlp, list, sizeof(struct otlp_quantile), &rooms->of[1], run);
        return place ? otlp->ops->walk(otlp, source, row->sub, place) : otlp_no_room(otlp);
    case KIND_RESOURCES:
        return resource_enter(otlp, row->sub, source);
    case KIND_SCOPES:
        return scope_enter(otlp, row->sub, source);
    case KIND_METRICS:
        return metric_enter(otlp, source);
    case KIND_DATA:
        return data_enter(otlp, row->sub, place, source);
    case KIND_ITEMS:
        return item_enter(otlp, row->sub, run, source);
    default: /* VALUE, MSG */
        return otlp->ops->walk(otlp, source, row->sub, place);
    }
}

/* --- the request ------------------------------------------------------------------ */

static void rejected_why_write(struct otlp *otlp)
{
    if (otlp->batch.rejected_count == 0)
        return;
    str name = otlp->rejected_scope ? utf8_prefix(otlp->rejected_scope->name, SCOPE_NAME_CHARS_MAX)
                                    : STR_NONE;
    snprintf(otlp->batch.rejected_why, sizeof otlp->batch.rejected_why,
             "%s %u of scope \"%.*s\": ", signals[otlp->signal].noun, otlp->rejected_index,
             (int)name.len, name.ptr ? name.ptr : "");
    size_t len = strlen(otlp->batch.rejected_why);
    snprintf(otlp->batch.rejected_why + len, sizeof otlp->batch.rejected_why - len, "%s",
             otlp->rejected_reason);
    str whole = str_from_c(otlp->batch.rejected_why);
    otlp->batch.rejected_why[utf8_valid_prefix(whole)] = '\0'; /* cut in a character at most */
}

enum err otlp_decode(struct arena *arena, enum otlp_signal signal, enum otlp_encoding encoding,
                     str body, const struct otlp_limits *limits, struct raw_batch *ret_batch,
                     struct diag *reterr_why)
{
    assert(arena);
    assert(ret_batch);
    assert((size_t)signal < COUNT_OF(signals));
    const struct signal_info *info = &signals[signal];
    struct otlp otlp = {
        .ops = encoding == OTLP_JSON ? &otlp_json_ops : &otlp_pb_ops,
        .arena = arena,
        .limits = limits ? *limits : otlp_limits_default,
        .signal = signal,
        .body = body.ptr ? body : STR_OF(""),
        .item_bytes = info->item_bytes,
        .depth = 1,
    };
    otlp.limits.depth_max = MIN(otlp.limits.depth_max, (uint32_t)VALUE_DEPTH_MAX);
    otlp.items = (struct otlp_list *)(void *)((char *)&otlp.batch + info->list_offset);
    buf_init(&otlp.text, BUCKETS_JSON_BYTES_MAX);
    enum err code = encoding == OTLP_JSON ? otlp_json_request(&otlp, info->request)
                                          : otlp_pb_request(&otlp, info->request);
    buf_clear(&otlp.text);
    if (code) {
        assert(otlp.why.code == code);
        if (reterr_why)
            *reterr_why = otlp.why;
        return code;
    }
    rejected_why_write(&otlp);
    *ret_batch = otlp.batch;
    return ERR_OK;
}
