/* aggregate_json.c -- an aggregate's answer as JSON, with units.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "query/query_int.h"

#include <math.h>

static void add_name(struct buf *out, bool *is_first, str name)
{
    if (!*is_first)
        buf_add_char(out, ',');
    *is_first = false;
    buf_add_json_str(out, name);
    buf_add_char(out, ':');
}

static void add_time(struct buf *out, int64_t time_ns)
{
    buf_add_char(out, '"');
    time_format(out, time_ns, 9);
    buf_add_char(out, '"');
}

void query_value_json(struct buf *out, enum query_kind kind, bool is_known, double value)
{
    bool is_whole = isfinite(value) && fabs(value) < 9e18;
    if (!is_known || !isfinite(value))
        buf_add_c(out, "null");
    else if (kind == QUERY_KIND_NS)
        buf_add_f64(out, value / (double)NS_PER_MS);
    else if (kind == QUERY_KIND_NANO && is_whole)
        buf_add_nanousd(out, llround(value));
    else if (kind == QUERY_KIND_TIME && is_whole)
        add_time(out, llround(value / NS_PER_US) * NS_PER_US); /* more a double does not hold */
    else if (kind == QUERY_KIND_COUNT && is_whole)
        buf_add_i64(out, llround(value));
    else
        buf_add_f64(out, value);
}

static void add_by_value(struct buf *out, enum field field, str text)
{
    int64_t number;
    enum field_type type = field == FIELD_COUNT ? FIELD_TYPE_STR : field_table[field].type;
    bool is_plain =
        (type == FIELD_TYPE_I64 && str_to_i64(text, &number)) ||
        (type == FIELD_TYPE_BOOL && (str_equal_c(text, "true") || str_equal_c(text, "false")));
    if (str_is_none(text))
        buf_add_c(out, "null");
    else if (is_plain)
        buf_add_str(out, text);
    else
        buf_add_json_str(out, text);
}

static str by_name(const struct store_aggregate *ask, uint32_t index)
{
    enum field field = ask->by[index];
    return field == FIELD_COUNT ? ask->by_attr[index] : str_from_c(name_of_field(field));
}

static void add_exemplar(struct buf *out, const struct store_group *group)
{
    buf_add_c(out, ",\"exemplar_trace_id\":");
    if (id16_is_zero(group->exemplar_trace_id)) {
        buf_add_c(out, "null");
        return;
    }
    buf_add_char(out, '"');
    buf_add_hex(out, group->exemplar_trace_id.bytes, sizeof group->exemplar_trace_id.bytes);
    buf_add_char(out, '"');
}

void query_values_json(struct buf *out, const struct query_aggregate *plan,
                       const struct store_aggregate *ask, const struct store_group *group)
{
    bool is_first = true;
    buf_add_char(out, '{');
    for (uint32_t i = 0; i < plan->metric_count; i++) {
        double value;
        bool is_known = query_metric_value(plan, ask, group, i, &value);
        add_name(out, &is_first, plan->metrics[i].json);
        query_value_json(out, plan->metrics[i].kind, is_known, value);
    }
    buf_add_char(out, '}');
}

void query_key_json(struct buf *out, const struct query_aggregate *plan,
                    const struct store_group *group)
{
    buf_add_json_str(out, by_name(&plan->ask, 0));
    buf_add_char(out, ':');
    add_by_value(out, plan->ask.by[0], group->by[0]);
    for (uint32_t i = 0; i < plan->metric_count; i++) {
        double value;
        bool is_known = query_metric_value(plan, &plan->ask, group, i, &value), is_first = false;
        add_name(out, &is_first, plan->metrics[i].json);
        query_value_json(out, plan->metrics[i].kind, is_known, value);
    }
    add_exemplar(out, group);
}

/* Of metrics that say nothing about some of the spans: about how many. */
static void add_unknown(struct buf *out, const struct query_aggregate *plan,
                        const struct store_group *group)
{
    bool is_first = true, is_any = false;
    for (uint32_t i = 0; i < plan->metric_count; i++)
        is_any |= plan->metrics[i].has_unknown;
    if (!is_any)
        return;
    buf_add_c(out, ",\"unknown\":{");
    for (uint32_t i = 0; i < plan->metric_count; i++) {
        const struct query_metric *metric = &plan->metrics[i];
        if (!metric->has_unknown)
            continue;
        add_name(out, &is_first, metric->json);
        query_value_json(out, QUERY_KIND_COUNT, group->known[metric->unknown],
                         group->values[metric->unknown]);
    }
    buf_add_char(out, '}');
}

/* How much more than before, as a share of before; null where that is unknown or 0. */
static void add_changes(struct buf *out, const struct query_aggregate *plan,
                        const struct query_answer *answer, const struct store_group *group,
                        const struct store_group *baseline)
{
    bool is_first = true;
    buf_add_c(out, ",\"change\":{");
    for (uint32_t i = 0; i < plan->metric_count; i++) {
        double now, before;
        bool is_known = query_metric_value(plan, answer->ask, group, i, &now) &&
                        query_metric_value(plan, answer->baseline_ask, baseline, i, &before) &&
                        (before < 0 || before > 0) && plan->metrics[i].kind != QUERY_KIND_TIME;
        add_name(out, &is_first, plan->metrics[i].json);
        query_value_json(out, QUERY_KIND_NUMBER, is_known,
                         is_known ? (now - before) / fabs(before) : 0);
    }
    buf_add_char(out, '}');
}

static void add_baseline(struct buf *out, const struct query_aggregate *plan,
                         const struct query_answer *answer, const struct store_group *group,
                         const struct store_group *baseline)
{
    if (!baseline) {
        buf_add_c(out, ",\"baseline\":null,\"change\":null");
        return;
    }
    buf_add_c(out, ",\"baseline\":{\"time\":");
    if (answer->ask->step_ns > 0)
        add_time(out, baseline->bucket_ns);
    else
        buf_add_c(out, "null");
    buf_add_c(out, ",\"values\":");
    query_values_json(out, plan, answer->baseline_ask, baseline);
    add_unknown(out, plan, baseline);
    add_exemplar(out, baseline);
    buf_add_char(out, '}');
    add_changes(out, plan, answer, group, baseline);
}

static void add_group(struct buf *out, const struct query_aggregate *plan,
                      const struct query_answer *answer, const struct store_group *group,
                      bool is_other)
{
    bool is_first = true;
    buf_add_c(out, "{\"time\":");
    if (answer->ask->step_ns > 0)
        add_time(out, group->bucket_ns);
    else
        buf_add_c(out, "null");
    buf_add_c(out, ",\"by\":{");
    for (uint32_t i = 0; i < plan->ask.by_count && !is_other; i++) {
        add_name(out, &is_first, by_name(&plan->ask, i));
        add_by_value(out, plan->ask.by[i], group->by[i]);
    }
    buf_add_c(out, "},\"values\":");
    query_values_json(out, plan, answer->ask, group);
    add_unknown(out, plan, group);
    add_exemplar(out, group);
}

static void add_range(struct buf *out, const char *name, const struct time_range *range)
{
    buf_printf(out, ",\"%s\":{\"from\":", name);
    add_time(out, range->from_ns);
    buf_add_c(out, ",\"to\":");
    add_time(out, range->to_ns);
    buf_add_char(out, '}');
}

static void add_others(struct buf *out, const struct query_aggregate *plan,
                       const struct query_answer *answer)
{
    buf_add_c(out, ",\"other\":[");
    for (size_t i = 0; i < answer->other_count; i++) {
        buf_add_c(out, i ? "," : "");
        add_group(out, plan, answer, &answer->others[i], true);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

static void add_projections(struct buf *out, const struct query_aggregate *plan,
                            const struct query_projection *projections)
{
    bool is_first = true;
    buf_add_c(out, ",\"projection\":{");
    for (uint32_t i = 0; i < plan->metric_count; i++) {
        const struct query_projection *of = &projections[i];
        enum query_kind kind = plan->metrics[i].kind;
        add_name(out, &is_first, plan->metrics[i].json);
        buf_add_c(out, "{\"so_far\":");
        query_value_json(out, kind, true, of->spent);
        buf_add_c(out, ",\"month\":");
        query_value_json(out, kind, of->is_known, of->expected);
        buf_add_c(out, ",\"low\":");
        query_value_json(out, kind, of->is_known, of->low);
        buf_add_c(out, ",\"high\":");
        query_value_json(out, kind, of->is_known, of->high);
        buf_printf(out, ",\"confidence\":0.9,\"days\":%u,\"weekdays\":%s}", of->day_count,
                   of->has_weekdays ? "true" : "false");
    }
    buf_add_char(out, '}');
}

/* Of which tables the numbers are, and from when on spans are still there. */
static void add_sources(struct buf *out, const struct store_sources *sources)
{
    static const char *const names[] = { "spans", "minutes", "hours", "days" };
    bool is_first = true;
    buf_add_c(out, ",\"source\":[");
    for (uint32_t i = 0; i < COUNT_OF(names); i++) {
        if (!(sources->tables >> i & 1))
            continue;
        buf_printf(out, "%s\"%s\"", is_first ? "" : ",", names[i]);
        is_first = false;
    }
    buf_printf(out,
               "],\"approximate\":%s,\"spans_from\":", sources->is_approximate ? "true" : "false");
    if (sources->spans_from_ns != INT64_MIN)
        add_time(out, sources->spans_from_ns);
    else
        buf_add_c(out, "null");
}

void query_answer_json(struct buf *out, const struct query_aggregate *plan,
                       const struct query_answer *answer)
{
    buf_add_c(out, "{\"items\":[");
    for (size_t i = 0; i < answer->count; i++) {
        buf_add_c(out, i ? "," : "");
        add_group(out, plan, answer, &answer->groups[i], false);
        if (answer->baseline_ask)
            add_baseline(out, plan, answer, &answer->groups[i], answer->baselines[i]);
        buf_add_char(out, '}');
    }
    buf_add_c(out, "],\"next_cursor\":null,\"metrics\":[");
    for (uint32_t i = 0; i < plan->metric_count; i++) {
        buf_add_c(out, i ? "," : "");
        buf_add_json_str(out, plan->metrics[i].json);
    }
    buf_add_c(out, "],\"by\":[");
    for (uint32_t i = 0; i < plan->ask.by_count; i++) {
        buf_add_c(out, i ? "," : "");
        buf_add_json_str(out, by_name(&plan->ask, i));
    }
    buf_add_c(out, "],\"step_ms\":");
    query_value_json(out, QUERY_KIND_NS, plan->ask.step_ns > 0, (double)plan->ask.step_ns);
    buf_add_c(out, ",\"from\":");
    add_time(out, plan->ask.scope.range.from_ns);
    buf_add_c(out, ",\"to\":");
    add_time(out, plan->ask.scope.range.to_ns);
    if (answer->baseline_ask)
        add_range(out, "baseline", &answer->baseline_ask->scope.range);
    if (plan->ask.step_ns > 0) {
        buf_add_c(out, ",\"markers\":[");
        for (size_t i = 0; i < answer->marker_count; i++) {
            buf_add_c(out, i ? "," : "");
            query_event_json(out, &answer->markers[i]);
        }
        buf_add_char(out, ']');
    }
    if (plan->top)
        add_others(out, plan, answer);
    if (answer->projections)
        add_projections(out, plan, answer->projections);
    add_sources(out, &plan->sources);
    buf_add_char(out, '}');
}
