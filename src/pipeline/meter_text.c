/* meter_text.c -- the series of a meter as Prometheus' text and as OTLP's JSON.
 *
 * Both walk the metrics and, for each, the sets that have it; a label without a value is left
 * out, which Prometheus takes for an empty one.  A histogram's count is the sum of its buckets,
 * read once, so that it agrees with them whatever is written meanwhile.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pipeline/meter_int.h"

static const char *label_name(const struct meter_set *set, size_t index)
{
    return index < METER_COMMON ? meter_common_labels[index]
                                : meter_set_labels[set->id][index - METER_COMMON];
}

static bool set_has(const struct meter_set *set, int id, const struct meter_scope *scope)
{
    uint64_t known = atomic_load_explicit(&set->known, memory_order_acquire);
    return set->id == meter_table[id].set && (known >> id & 1) && meter_set_is_seen(set, scope);
}

static void add_value(struct buf *out, int64_t raw, double scale)
{
    if (scale > 1)
        buf_add_f64(out, (double)raw / scale);
    else
        buf_add_i64(out, raw);
}

/* -- Prometheus -- */

static void add_escaped(struct buf *out, str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\n')
            buf_add_c(out, "\\n");
        else {
            if (c == '\\' || c == '"')
                buf_add_char(out, '\\');
            buf_add_char(out, c);
        }
    }
}

/* name_suffix{labels,le="bound"} with a space behind; bound NULL: no le. */
static void add_series(struct buf *out, int id, const struct meter_set *set, const char *suffix,
                       const double *bound)
{
    char separator = '{';
    buf_add_c(out, meter_table[id].name);
    buf_add_c(out, suffix);
    for (size_t i = 0; i < METER_LABELS_MAX; i++) {
        if (str_is_none(set->labels[i]))
            continue;
        buf_add_char(out, separator);
        buf_add_c(out, label_name(set, i));
        buf_add_c(out, "=\"");
        add_escaped(out, set->labels[i]);
        buf_add_char(out, '"');
        separator = ',';
    }
    if (bound) {
        buf_add_char(out, separator);
        buf_add_c(out, "le=\"");
        if (*bound > 0)
            buf_add_f64(out, *bound);
        else
            buf_add_c(out, "+Inf");
        buf_add_char(out, '"');
    }
    buf_add_c(out, "} ");
}

static void add_histogram(struct buf *out, const struct meter *meter, int id,
                          const struct meter_set *set)
{
    const struct meter_info *info = &meter_table[id];
    const _Atomic int64_t *cells = &set->cells[meter->cells[id]];
    int64_t count = 0;
    for (uint32_t i = 0; i <= meter->bound_counts[id]; i++) {
        count += meter_get(&cells[i]);
        add_series(out, id, set, "_bucket", &info->bounds[i]);
        buf_add_i64(out, count);
        buf_add_char(out, '\n');
    }
    add_series(out, id, set, "_sum", NULL);
    add_value(out, meter_get(&cells[meter->bound_counts[id] + 1]), info->scale);
    buf_add_char(out, '\n');
    add_series(out, id, set, "_count", NULL);
    buf_add_i64(out, count);
    buf_add_char(out, '\n');
}

void meter_write_text(const struct meter *meter, const struct meter_scope *scope, struct buf *out)
{
    for (int id = 0; id < METER_COUNT; id++) {
        const struct meter_info *info = &meter_table[id];
        const struct meter_set *set;
        bool is_first = true;
        for (size_t i = 0; (set = meter_set_at(meter, i)); i++) {
            if (!set_has(set, id, scope))
                continue;
            if (is_first)
                buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", info->name, info->help, info->name,
                           info->type == METER_HISTOGRAM ? "histogram" : "counter");
            is_first = false;
            if (info->type == METER_HISTOGRAM) {
                add_histogram(out, meter, id, set);
                continue;
            }
            add_series(out, id, set, "", NULL);
            add_value(out, meter_get(&set->cells[meter->cells[id]]), info->scale);
            buf_add_char(out, '\n');
        }
    }
}

/* -- OTLP -- */

static void add_point_head(struct buf *out, const struct meter *meter, const struct meter_set *set,
                           int64_t now_ns)
{
    bool is_first = true;
    buf_add_c(out, "{\"attributes\":[");
    for (size_t i = 0; i < METER_LABELS_MAX; i++) {
        if (str_is_none(set->labels[i]))
            continue;
        buf_printf(out, "%s{\"key\":\"%s\",\"value\":{\"stringValue\":", is_first ? "" : ",",
                   label_name(set, i));
        buf_add_json_str(out, set->labels[i]);
        buf_add_c(out, "}}");
        is_first = false;
    }
    buf_printf(out, "],\"startTimeUnixNano\":\"%lld\",\"timeUnixNano\":\"%lld\",",
               (long long)meter->started_ns, (long long)now_ns);
}

static void add_point(struct buf *out, const struct meter *meter, int id,
                      const struct meter_set *set)
{
    const struct meter_info *info = &meter_table[id];
    const _Atomic int64_t *cells = &set->cells[meter->cells[id]];
    uint32_t bounds = meter->bound_counts[id];
    if (info->type == METER_COUNTER) {
        buf_add_c(out, info->scale > 1 ? "\"asDouble\":" : "\"asInt\":\"");
        add_value(out, meter_get(cells), info->scale);
        buf_add_c(out, info->scale > 1 ? "}" : "\"}");
        return;
    }
    int64_t count = 0;
    buf_add_c(out, "\"bucketCounts\":[");
    for (uint32_t i = 0; i <= bounds; i++) {
        int64_t here = meter_get(&cells[i]);
        count += here;
        buf_printf(out, "%s\"%lld\"", i ? "," : "", (long long)here);
    }
    buf_add_c(out, "],\"explicitBounds\":[");
    for (uint32_t i = 0; i < bounds; i++) {
        buf_add_c(out, i ? "," : "");
        buf_add_f64(out, info->bounds[i]);
    }
    buf_printf(out, "],\"count\":\"%lld\",\"sum\":", (long long)count);
    add_value(out, meter_get(&cells[bounds + 1]), info->scale);
    buf_add_char(out, '}');
}

void meter_write_otlp(const struct meter *meter, const struct meter_scope *scope, int64_t now_ns,
                      struct buf *out)
{
    bool is_first_metric = true;
    buf_add_c(out, "{\"resourceMetrics\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\","
                   "\"value\":{\"stringValue\":\"telltale\"}}]},\"scopeMetrics\":[{\"scope\":{"
                   "\"name\":\"telltale\"},\"metrics\":[");
    for (int id = 0; id < METER_COUNT; id++) {
        const struct meter_info *info = &meter_table[id];
        bool is_sum = info->type == METER_COUNTER, is_first = true;
        const struct meter_set *set;
        for (size_t i = 0; (set = meter_set_at(meter, i)); i++) {
            if (!set_has(set, id, scope))
                continue;
            if (is_first) {
                buf_printf(out, "%s{\"name\":\"%s\",\"unit\":\"%s\",\"description\":",
                           is_first_metric ? "" : ",", info->name, info->unit);
                buf_add_json_str(out, str_from_c(info->help));
                buf_printf(out, ",\"%s\":{\"aggregationTemporality\":2,%s\"dataPoints\":[",
                           is_sum ? "sum" : "histogram", is_sum ? "\"isMonotonic\":true," : "");
            }
            buf_add_c(out, is_first ? "" : ",");
            add_point_head(out, meter, set, now_ns);
            add_point(out, meter, id, set);
            is_first = is_first_metric = false;
        }
        if (!is_first)
            buf_add_c(out, "]}}");
    }
    buf_add_c(out, "]}]}]}");
}
