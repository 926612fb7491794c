/* oracle_dump.c -- one text form for what protobuf-c read and what we read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "model/record.h"
#include "oracle.h"
#include <otlp_oracle.h>

#define COMMON(name) Opentelemetry__Proto__Common__V1__##name
#define TRACE(name) Opentelemetry__Proto__Trace__V1__##name
#define LOGS(name) Opentelemetry__Proto__Logs__V1__##name
#define METRICS(name) Opentelemetry__Proto__Metrics__V1__##name

/* --- shared forms ------------------------------------------------------------- */

static void text_dump(struct buf *out, const char *name, str text)
{
    buf_printf(out, " %s=", name);
    buf_add_json_str(out, text.ptr ? text : STR_OF(""));
}

static void attrs_dump(struct buf *out, const struct attr *attrs, size_t count)
{
    buf_add_char(out, ' ');
    attrs_to_json(out, attrs, count);
}

static void scope_dump(const struct raw_scope *scope, struct buf *out)
{
    attrs_dump(out, scope->resource->attrs, scope->resource->attr_count);
    text_dump(out, "resource_url", scope->resource->schema_url);
    text_dump(out, "scope", scope->name);
    text_dump(out, "version", scope->version);
    attrs_dump(out, scope->attrs, scope->attr_count);
    text_dump(out, "scope_url", scope->schema_url);
}

static void span_dump(const struct raw_span *span, struct buf *out)
{
    buf_add_c(out, "span ");
    buf_add_hex(out, &span->trace_id, 16);
    buf_add_hex(out, &span->span_id, 8);
    buf_add_hex(out, &span->parent_span_id, 8);
    text_dump(out, "state", span->trace_state);
    text_dump(out, "name", span->name);
    buf_printf(out, " kind=%d start=%llu end=%llu dropped=%u,%u,%u flags=%u status=%d", span->kind,
               (unsigned long long)span->start_ns, (unsigned long long)span->end_ns,
               span->dropped_attr_count, span->dropped_event_count, span->dropped_link_count,
               span->flags, span->status_code);
    text_dump(out, "message", span->status_message);
    attrs_dump(out, span->attrs, span->attr_count);
    for (uint32_t i = 0; i < span->event_count; i++) {
        buf_printf(out, "\n  event %lld", (long long)span->events[i].time_ns);
        text_dump(out, "name", span->events[i].name);
        attrs_dump(out, span->events[i].attrs, span->events[i].attr_count);
    }
    for (uint32_t i = 0; i < span->link_count; i++) {
        buf_add_c(out, "\n  link ");
        buf_add_hex(out, &span->links[i].trace_id, 16);
        buf_add_hex(out, &span->links[i].span_id, 8);
        attrs_dump(out, span->links[i].attrs, span->links[i].attr_count);
    }
    scope_dump(span->scope, out);
    buf_add_char(out, '\n');
}

static void log_dump(const struct raw_log *log, struct buf *out)
{
    buf_printf(out, "log %llu %llu severity=%d", (unsigned long long)log->time_ns,
               (unsigned long long)log->observed_ns, log->severity);
    text_dump(out, "severity_text", log->severity_text);
    text_dump(out, "event", log->event_name);
    buf_add_c(out, " body=");
    value_to_json(out, &log->body);
    attrs_dump(out, log->attrs, log->attr_count);
    buf_add_hex(out, &log->trace_id, 16);
    buf_add_hex(out, &log->span_id, 8);
    scope_dump(log->scope, out);
    buf_add_char(out, '\n');
}

static void metric_dump(const struct raw_metric *metric, struct buf *out)
{
    buf_printf(out, "point type=%d", metric->type);
    text_dump(out, "name", metric->name);
    text_dump(out, "unit", metric->unit);
    buf_printf(out, " start=%llu time=%llu monotonic=%d temporality=%d flags=%u has=%d value=%.17g",
               (unsigned long long)metric->start_ns, (unsigned long long)metric->time_ns,
               metric->is_monotonic, metric->temporality, metric->flags, metric->has_value,
               metric->has_value ? metric->value : 0);
    buf_printf(out, " count=%llu buckets=%.*s", (unsigned long long)metric->count,
               STR_ARG(metric->buckets_json));
    attrs_dump(out, metric->attrs, metric->attr_count);
    scope_dump(metric->scope, out);
    buf_add_char(out, '\n');
}

void raw_dump(const struct raw_batch *batch, struct buf *out)
{
    for (uint32_t i = 0; i < batch->span_count; i++)
        span_dump(&batch->spans[i], out);
    for (uint32_t i = 0; i < batch->log_count; i++)
        log_dump(&batch->logs[i], out);
    for (uint32_t i = 0; i < batch->metric_count; i++)
        metric_dump(&batch->metrics[i], out);
    buf_printf(out, "rejected %u %s\n", batch->rejected_count, batch->rejected_why);
}

/* --- protobuf-c's structs in ours ------------------------------------------------ */

static struct attr *attrs_of(struct oracle *oracle, COMMON(KeyValue) *const *pairs, size_t count);

static struct value value_of(struct oracle *oracle, const COMMON(AnyValue) * any)
{
    struct value value = { .type = VALUE_NULL };
    if (!any)
        return value;
    switch ((int)any->value_case) {
    case 1:
        return value_str(str_from_c(any->string_value));
    case 2:
        return value_bool(any->bool_value);
    case 3:
        return value_i64(any->int_value);
    case 4:
        return value_f64(any->double_value);
    case 5:
        value.type = VALUE_ARRAY;
        value.count = (uint32_t)any->array_value->n_values;
        value.items = arena_new(oracle->arena, struct value, value.count);
        for (uint32_t i = 0; i < value.count; i++)
            value.items[i] = value_of(oracle, any->array_value->values[i]);
        break;
    case 6:
        value.type = VALUE_MAP;
        value.count = (uint32_t)any->kvlist_value->n_values;
        value.attrs = attrs_of(oracle, any->kvlist_value->values, value.count);
        break;
    case 7:
        value.type = VALUE_BYTES;
        value.text = str_make((const char *)any->bytes_value.data, any->bytes_value.len);
        break;
    default:
        break;
    }
    return value;
}

static struct attr *attrs_of(struct oracle *oracle, COMMON(KeyValue) *const *pairs, size_t count)
{
    struct attr *attrs = arena_new(oracle->arena, struct attr, count);
    for (size_t i = 0; i < count; i++)
        attrs[i] = (struct attr){ str_from_c(pairs[i]->key), value_of(oracle, pairs[i]->value) };
    return attrs;
}

#define ATTRS_OF(message)                                                                          \
    .attrs = attrs_of(oracle, (message)->attributes, (message)->n_attributes),                     \
    .attr_count = (uint32_t)(message)->n_attributes

static void id_of(void *id, size_t len, ProtobufCBinaryData data)
{
    memset(id, 0, len);
    if (data.len == len)
        memcpy(id, data.data, len);
}

static struct raw_resource resource_of(struct oracle *oracle,
                                       const Opentelemetry__Proto__Resource__V1__Resource *resource,
                                       const char *url)
{
    struct raw_resource ours = { .schema_url = str_from_c(url) };
    if (resource)
        ours = (struct raw_resource){ ATTRS_OF(resource), .schema_url = str_from_c(url) };
    return ours;
}

static struct raw_scope scope_of(struct oracle *oracle, const struct raw_resource *resource,
                                 const COMMON(InstrumentationScope) * scope, const char *url)
{
    struct raw_scope ours = { .resource = resource, .schema_url = str_from_c(url) };
    if (scope)
        ours = (struct raw_scope){ .resource = resource,
                                   .name = str_from_c(scope->name),
                                   .version = str_from_c(scope->version),
                                   ATTRS_OF(scope),
                                   .schema_url = str_from_c(url) };
    return ours;
}

static void span_dump_theirs(struct oracle *oracle, const TRACE(Span) * span,
                             const struct raw_scope *scope, struct buf *out)
{
    struct raw_span ours = {
        .scope = scope,
        .trace_state = str_from_c(span->trace_state),
        .name = str_from_c(span->name),
        .kind = (int32_t)span->kind,
        .start_ns = span->start_time_unix_nano,
        .end_ns = span->end_time_unix_nano,
        ATTRS_OF(span),
        .dropped_attr_count = span->dropped_attributes_count,
        .dropped_event_count = span->dropped_events_count,
        .dropped_link_count = span->dropped_links_count,
        .events = arena_new(oracle->arena, struct span_event, span->n_events),
        .event_count = (uint32_t)span->n_events,
        .links = arena_new(oracle->arena, struct span_link, span->n_links),
        .link_count = (uint32_t)span->n_links,
        .status_code = span->status ? (int32_t)span->status->code : 0,
        .status_message = str_from_c(span->status ? span->status->message : NULL),
        .flags = span->flags,
    };
    id_of(&ours.trace_id, 16, span->trace_id);
    id_of(&ours.span_id, 8, span->span_id);
    id_of(&ours.parent_span_id, 8, span->parent_span_id);
    for (size_t i = 0; i < span->n_events; i++)
        ours.events[i] = (struct span_event){ .time_ns = (int64_t)span->events[i]->time_unix_nano,
                                              .name = str_from_c(span->events[i]->name),
                                              ATTRS_OF(span->events[i]) };
    for (size_t i = 0; i < span->n_links; i++) {
        ours.links[i] = (struct span_link){ ATTRS_OF(span->links[i]) };
        id_of(&ours.links[i].trace_id, 16, span->links[i]->trace_id);
        id_of(&ours.links[i].span_id, 8, span->links[i]->span_id);
    }
    span_dump(&ours, out);
}

static void log_dump_theirs(struct oracle *oracle, const LOGS(LogRecord) * record,
                            const struct raw_scope *scope, struct buf *out)
{
    struct raw_log ours = {
        .scope = scope,
        .time_ns =
            record->time_unix_nano ? record->time_unix_nano : record->observed_time_unix_nano,
        .observed_ns = record->observed_time_unix_nano,
        .severity = (int32_t)record->severity_number,
        .severity_text = str_from_c(record->severity_text),
        .body = value_of(oracle, record->body),
        ATTRS_OF(record),
        .event_name = str_from_c(record->event_name),
    };
    id_of(&ours.trace_id, 16, record->trace_id);
    id_of(&ours.span_id, 8, record->span_id);
    log_dump(&ours, out);
}

static void counts_print(struct buf *out, const uint64_t *counts, size_t count)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s%llu", i ? "," : "", (unsigned long long)counts[i]);
    buf_add_char(out, ']');
}

static void optional_print(struct buf *out, const char *name, bool is_set, double value)
{
    if (!is_set)
        return;
    buf_printf(out, ",\"%s\":", name);
    buf_add_f64(out, value);
}

static str kept(struct oracle *oracle, struct buf *text)
{
    str result = arena_str(oracle->arena, buf_str(text));
    buf_clear(text);
    return result;
}

static str histogram_of(struct oracle *oracle, const METRICS(HistogramDataPoint) * point)
{
    struct buf text;
    buf_init(&text, MIB);
    buf_add_c(&text, "{\"bounds\":[");
    for (size_t i = 0; i < point->n_explicit_bounds; i++) {
        buf_add_c(&text, i ? "," : "");
        buf_add_f64(&text, point->explicit_bounds[i]);
    }
    buf_add_c(&text, "],\"counts\":");
    counts_print(&text, point->bucket_counts, point->n_bucket_counts);
    optional_print(&text, "min", point->opt_min_case, point->min);
    optional_print(&text, "max", point->opt_max_case, point->max);
    buf_add_char(&text, '}');
    return kept(oracle, &text);
}

static str exponential_of(struct oracle *oracle,
                          const METRICS(ExponentialHistogramDataPoint) * point)
{
    struct buf text;
    buf_init(&text, MIB);
    const METRICS(ExponentialHistogramDataPoint__Buckets) none = { 0 };
    const METRICS(
        ExponentialHistogramDataPoint__Buckets) *up = point->positive ? point->positive : &none,
                                                *down = point->negative ? point->negative : &none;
    buf_printf(&text, "{\"scale\":%d,\"zero_count\":%llu,\"zero_threshold\":", point->scale,
               (unsigned long long)point->zero_count);
    buf_add_f64(&text, point->zero_threshold);
    buf_printf(&text, ",\"offset\":%d,\"counts\":", up->offset);
    counts_print(&text, up->bucket_counts, up->n_bucket_counts);
    buf_printf(&text, ",\"negative_offset\":%d,\"negative_counts\":", down->offset);
    counts_print(&text, down->bucket_counts, down->n_bucket_counts);
    optional_print(&text, "min", point->opt_min_case, point->min);
    optional_print(&text, "max", point->opt_max_case, point->max);
    buf_add_char(&text, '}');
    return kept(oracle, &text);
}

static str summary_of(struct oracle *oracle, const METRICS(SummaryDataPoint) * point)
{
    struct buf text;
    buf_init(&text, MIB);
    buf_add_c(&text, "{\"quantiles\":[");
    for (size_t i = 0; i < point->n_quantile_values; i++) {
        buf_add_c(&text, i ? ",[" : "[");
        buf_add_f64(&text, point->quantile_values[i]->quantile);
        buf_add_char(&text, ',');
        buf_add_f64(&text, point->quantile_values[i]->value);
        buf_add_char(&text, ']');
    }
    buf_add_c(&text, "]}");
    return kept(oracle, &text);
}

/* The members that all shapes of points share. */
#define POINT_OF(point)                                                                            \
    .scope = scope, .name = str_from_c(metric->name), .unit = str_from_c(metric->unit),            \
    .start_ns = (point)->start_time_unix_nano, .time_ns = (point)->time_unix_nano,                 \
    .flags = (point)->flags, ATTRS_OF(point)

static void numbers_dump(struct oracle *oracle, const METRICS(Metric) * metric,
                         const struct raw_scope *scope, struct buf *out)
{
    bool is_sum = metric->data_case == 7;
    size_t count = is_sum ? metric->sum->n_data_points : metric->gauge->n_data_points;
    for (size_t i = 0; i < count; i++) {
        const METRICS(NumberDataPoint) *point =
            is_sum ? metric->sum->data_points[i] : metric->gauge->data_points[i];
        struct raw_metric ours = {
            POINT_OF(point),
            .type = is_sum ? METRIC_SUM : METRIC_GAUGE,
            .is_monotonic = is_sum && metric->sum->is_monotonic,
            .temporality = is_sum ? (int32_t)metric->sum->aggregation_temporality : 0,
            .has_value = point->value_case && !(point->flags & 1),
            .value = point->value_case == 6 ? (double)point->as_int : point->as_double,
        };
        metric_dump(&ours, out);
    }
}

static void histograms_dump(struct oracle *oracle, const METRICS(Metric) * metric,
                            const struct raw_scope *scope, struct buf *out)
{
    bool is_plain = metric->data_case == 9;
    size_t count =
        is_plain ? metric->histogram->n_data_points : metric->exponential_histogram->n_data_points;
    for (size_t i = 0; i < count; i++) {
        struct raw_metric ours;
        if (is_plain) {
            const METRICS(HistogramDataPoint) *point = metric->histogram->data_points[i];
            ours = (struct raw_metric){ POINT_OF(point),
                                        .type = METRIC_HISTOGRAM,
                                        .has_value = point->opt_sum_case && !(point->flags & 1),
                                        .value = point->sum,
                                        .count = point->count,
                                        .buckets_json = histogram_of(oracle, point) };
            ours.temporality = (int32_t)metric->histogram->aggregation_temporality;
        } else {
            const METRICS(ExponentialHistogramDataPoint) *point =
                metric->exponential_histogram->data_points[i];
            ours = (struct raw_metric){ POINT_OF(point),
                                        .type = METRIC_EXP_HISTOGRAM,
                                        .has_value = point->opt_sum_case && !(point->flags & 1),
                                        .value = point->sum,
                                        .count = point->count,
                                        .buckets_json = exponential_of(oracle, point) };
            ours.temporality = (int32_t)metric->exponential_histogram->aggregation_temporality;
        }
        metric_dump(&ours, out);
    }
}

static void summaries_dump(struct oracle *oracle, const METRICS(Metric) * metric,
                           const struct raw_scope *scope, struct buf *out)
{
    for (size_t i = 0; i < metric->summary->n_data_points; i++) {
        const METRICS(SummaryDataPoint) *point = metric->summary->data_points[i];
        struct raw_metric ours = {
            POINT_OF(point),     .type = METRIC_SUMMARY, .has_value = !(point->flags & 1),
            .value = point->sum, .count = point->count,  .buckets_json = summary_of(oracle, point)
        };
        metric_dump(&ours, out);
    }
}

static void metric_dump_theirs(struct oracle *oracle, const METRICS(Metric) * metric,
                               const struct raw_scope *scope, struct buf *out)
{
    if (metric->data_case == 5 || metric->data_case == 7)
        numbers_dump(oracle, metric, scope, out);
    else if (metric->data_case == 11)
        summaries_dump(oracle, metric, scope, out);
    else if (metric->data_case)
        histograms_dump(oracle, metric, scope, out);
}

/* The envelopes of the three signals differ in names only. */
#define ENVELOPE_DUMP(Data, resources, Resources, scopes, items, item_dump)                        \
    for (size_t r = 0; r < (Data)->n_##resources; r++) {                                           \
        struct raw_resource resource =                                                             \
            resource_of(oracle, (Data)->resources[r]->resource, (Data)->resources[r]->schema_url); \
        for (size_t s = 0; s < (Data)->resources[r]->n_##scopes; s++) {                            \
            const Resources *part = (Data)->resources[r]->scopes[s];                               \
            struct raw_scope scope = scope_of(oracle, &resource, part->scope, part->schema_url);   \
            for (size_t i = 0; i < part->n_##items; i++)                                           \
                item_dump(oracle, part->items[i], &scope, out);                                    \
        }                                                                                          \
    }

void oracle_dump(struct oracle *oracle, enum otlp_signal signal, const ProtobufCMessage *message,
                 struct buf *out)
{
    if (signal == OTLP_TRACES) {
        const TRACE(TracesData) *data = (const void *)message;
        ENVELOPE_DUMP(data, resource_spans, TRACE(ScopeSpans), scope_spans, spans, span_dump_theirs)
    } else if (signal == OTLP_LOGS) {
        const LOGS(LogsData) *data = (const void *)message;
        ENVELOPE_DUMP(data, resource_logs, LOGS(ScopeLogs), scope_logs, log_records,
                      log_dump_theirs)
    } else {
        const METRICS(MetricsData) *data = (const void *)message;
        ENVELOPE_DUMP(data, resource_metrics, METRICS(ScopeMetrics), scope_metrics, metrics,
                      metric_dump_theirs)
    }
    buf_add_c(out, "rejected 0 \n");
}
