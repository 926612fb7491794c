/* instrumentation_report.c -- from what the store found to the report.
 *
 * The groups of model calls are finer than the report: they are added up by service, and by service
 * and span name for the gaps; of versions only whether two were evaluated side by side is asked.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "query/instrumentation.h"
#include "query/maturity.h"
#include "query/query_int.h"

#include <stdlib.h>

enum { BY_SERVICE, BY_NAME, BY_TEMPLATE, BY_VERSION, BY_RELEASE };
enum { APP_SPANS_MAX = INSTRUMENTATION_GROUPS_MAX };

/* Model calls of one service, or of one span name of it. */
struct calls {
    str service, name;
    uint64_t count, holds[SHARE_COUNT];
    struct id16 lacks[SHARE_COUNT];
    int64_t lacks_ns[SHARE_COUNT]; /* last start in the group that the trace is of */
};

struct app {
    struct calls calls;
    uint64_t span_count, log_count, unstructured_count, trace_count, rootless_count;
    bool has_compared;
};

struct gap {
    enum share share;
    const struct calls *calls; /* of a span name */
    uint64_t missing;
};

struct report {
    struct arena *arena;
    const struct instrumentation_found *found;
    struct app *apps;
    size_t app_count;
    struct calls *names;
    size_t name_count;
    struct gap *gaps;
    size_t gap_count;
    struct app all;
};

/* -- adding up -- */

static bool same_text(str a, str b)
{
    return str_is_none(a) == str_is_none(b) && str_equal(a, b);
}

static struct app *app_get(struct report *report, str service)
{
    if (str_is_empty(service))
        service = STR_NONE;
    for (size_t i = 0; i < report->app_count; i++)
        if (same_text(report->apps[i].calls.service, service))
            return &report->apps[i];
    report->apps[report->app_count] = (struct app){ .calls = { .service = service } };
    return &report->apps[report->app_count++];
}

static struct calls *name_get(struct report *report, str service, str name)
{
    for (size_t i = report->name_count; i-- > 0;)
        if (same_text(report->names[i].service, service) && same_text(report->names[i].name, name))
            return &report->names[i];
    report->names[report->name_count] = (struct calls){ .service = service, .name = name };
    return &report->names[report->name_count++];
}

static void calls_add(struct calls *to, const struct store_share_group *group)
{
    for (size_t i = 0; i < SHARE_COUNT; i++) {
        bool is_newer = to->holds[i] == to->count || group->last_ns > to->lacks_ns[i];
        if (group->holds[i] < group->count && is_newer) {
            to->lacks[i] = group->lacks[i];
            to->lacks_ns[i] = group->last_ns;
        }
        to->holds[i] += group->holds[i];
    }
    to->count += group->count;
}

static bool differ(str a, str b)
{
    return !str_is_none(a) && !str_is_none(b) && !str_equal(a, b);
}

/* Two versions of one prompt, or two releases, that ran at the same time, each with evaluations. */
static bool is_compared(const struct store_share_group *a, const struct store_share_group *b)
{
    bool is_prompt = same_text(a->by[BY_TEMPLATE], b->by[BY_TEMPLATE]) &&
                     differ(a->by[BY_VERSION], b->by[BY_VERSION]);
    return same_text(a->by[BY_SERVICE], b->by[BY_SERVICE]) &&
           (is_prompt || differ(a->by[BY_RELEASE], b->by[BY_RELEASE])) &&
           a->holds[SHARE_automated] > 0 && b->holds[SHARE_automated] > 0 &&
           a->first_ns <= b->last_ns && b->first_ns <= a->last_ns;
}

static void versions_compare(struct report *report)
{
    const struct instrumentation_found *found = report->found;
    for (size_t i = 0; i < found->call_groups; i++) {
        const struct store_share_group *group = &found->calls[i];
        struct app *app =
            group->holds[SHARE_automated] ? app_get(report, group->by[BY_SERVICE]) : NULL;
        for (size_t k = i + 1; app && !app->has_compared && k < found->call_groups; k++)
            app->has_compared = is_compared(group, &found->calls[k]);
    }
}

static void traces_add(struct report *report)
{
    for (size_t i = 0; i < report->found->trace_groups; i++) {
        const struct store_share_group *group = &report->found->traces[i];
        struct app *app = app_get(report, group->by[BY_SERVICE]);
        app->trace_count += group->count;
        app->rootless_count += group->count - group->holds[0];
    }
}

static void found_add(struct report *report)
{
    const struct instrumentation_found *found = report->found;
    for (size_t i = 0; i < found->call_groups; i++) {
        const struct store_share_group *group = &found->calls[i];
        calls_add(&app_get(report, group->by[BY_SERVICE])->calls, group);
        calls_add(name_get(report, group->by[BY_SERVICE], group->by[BY_NAME]), group);
        calls_add(&report->all.calls, group);
    }
    versions_compare(report);
    traces_add(report);
    for (size_t i = 0; i < found->span_groups; i++)
        app_get(report, found->spans[i].by[0])->span_count += (uint64_t)found->spans[i].values[0];
    for (size_t i = 0; i < found->log_groups; i++) {
        struct app *app = app_get(report, found->logs[i].service);
        app->log_count += found->logs[i].count;
        app->unstructured_count += found->logs[i].unstructured_count;
    }
    for (size_t i = 0; i < report->app_count; i++) {
        const struct app *app = &report->apps[i];
        report->all.span_count += app->span_count;
        report->all.log_count += app->log_count;
        report->all.unstructured_count += app->unstructured_count;
        report->all.trace_count += app->trace_count;
        report->all.rootless_count += app->rootless_count;
    }
}

static int app_cmp(const void *a, const void *b)
{
    const struct app *x = a, *y = b;
    if (x->calls.count != y->calls.count)
        return x->calls.count > y->calls.count ? -1 : 1;
    return str_cmp(x->calls.service, y->calls.service);
}

static int gap_cmp(const void *a, const void *b)
{
    const struct gap *x = a, *y = b;
    if (x->missing != y->missing)
        return x->missing > y->missing ? -1 : 1;
    if (x->share != y->share)
        return x->share < y->share ? -1 : 1;
    int order = str_cmp(x->calls->service, y->calls->service);
    return order ? order : str_cmp(x->calls->name, y->calls->name);
}

static void gaps_find(struct report *report)
{
    for (size_t i = 0; i < report->name_count; i++)
        for (size_t s = 0; s < SHARE_COUNT; s++) {
            const struct calls *calls = &report->names[i];
            if (share_table[s].is_shown && calls->holds[s] < calls->count)
                report->gaps[report->gap_count++] =
                    (struct gap){ (enum share)s, calls, calls->count - calls->holds[s] };
        }
    qsort(report->gaps, report->gap_count, sizeof *report->gaps, gap_cmp);
}

/* -- JSON -- */

static void add_name(struct buf *out, const char *key, str text)
{
    buf_printf(out, "\"%s\":", key);
    if (str_is_none(text))
        buf_add_c(out, "null");
    else
        buf_add_json_str(out, text);
}

static void add_share(struct buf *out, uint64_t part, uint64_t whole)
{
    if (whole)
        buf_add_f64(out, (double)part / (double)whole);
    else
        buf_add_c(out, "null");
}

static void add_shares(struct buf *out, const struct calls *calls)
{
    buf_printf(out, "\"model_calls\":%llu,\"shares\":{", (unsigned long long)calls->count);
    for (size_t i = 0; i < SHARE_COUNT; i++) {
        if (!share_table[i].is_shown)
            continue;
        buf_printf(out, "%s\"%s\":{\"count\":%llu,\"share\":", i ? "," : "", share_table[i].name,
                   (unsigned long long)calls->holds[i]);
        add_share(out, calls->holds[i], calls->count);
        buf_add_char(out, '}');
    }
    buf_add_char(out, '}');
}

static void add_counts(struct buf *out, const struct app *app)
{
    buf_printf(out,
               ",\"spans\":%llu,\"traces\":%llu,\"no_request_root\":%llu,"
               "\"logs\":%llu,\"unstructured_logs\":%llu",
               (unsigned long long)app->span_count, (unsigned long long)app->trace_count,
               (unsigned long long)app->rootless_count, (unsigned long long)app->log_count,
               (unsigned long long)app->unstructured_count);
}

static void add_need(struct buf *out, const struct maturity_need *need)
{
    buf_printf(out, "{\"what\":\"%s\",\"share\":", need->what);
    if (need->has_share)
        buf_add_f64(out, need->share);
    else
        buf_add_c(out, "null");
    buf_add_c(out, ",\"needed\":");
    if (need->needed > 0)
        buf_add_f64(out, need->needed);
    else
        buf_add_c(out, "null");
    buf_add_c(out, ",\"how\":");
    buf_add_json_str(out, str_from_c(need->how));
    buf_add_char(out, '}');
}

static void add_stage(struct buf *out, const struct app *app)
{
    const uint64_t *holds = app->calls.holds;
    const struct maturity_evidence evidence = {
        .call_count = app->calls.count,
        .log_count = app->log_count,
        .model_version = holds[SHARE_model_version],
        .tokens = holds[SHARE_tokens],
        .latency = holds[SHARE_latency],
        .attributed = holds[SHARE_attributed],
        .automated = holds[SHARE_automated],
        .feedback = holds[SHARE_feedback],
        .has_compared = app->has_compared,
    };
    struct maturity maturity;
    maturity_of(&evidence, &maturity);
    buf_add_c(out, ",\"stage\":");
    if (maturity.stage == MATURITY_UNKNOWN) {
        buf_add_c(out, "null");
        return;
    }
    buf_printf(out, "{\"number\":%d,\"name\":\"%s\",\"next\":", maturity.stage,
               maturity_name(maturity.stage));
    if (maturity.need_count > 0)
        buf_printf(out, "\"%s\"", maturity_name(maturity.stage + 1));
    else
        buf_add_c(out, "null");
    buf_add_c(out, ",\"missing\":[");
    for (uint32_t i = 0; i < maturity.need_count; i++) {
        buf_add_c(out, i ? "," : "");
        add_need(out, &maturity.needs[i]);
    }
    buf_add_c(out, "]}");
}

static void add_trace(struct buf *out, struct id16 trace_id)
{
    buf_add_c(out, ",\"exemplar_trace_id\":\"");
    buf_add_hex(out, trace_id.bytes, sizeof trace_id.bytes);
    buf_add_c(out, "\"}");
}

static void add_gaps(struct buf *out, const struct report *report, uint32_t limit)
{
    buf_add_c(out, ",\"gaps\":[");
    for (size_t i = 0; i < MIN(report->gap_count, (size_t)limit); i++) {
        const struct gap *gap = &report->gaps[i];
        buf_printf(out, "%s{\"what\":\"%s\",", i ? "," : "", share_table[gap->share].name);
        add_name(out, "service", gap->calls->service);
        buf_add_char(out, ',');
        add_name(out, "span_name", gap->calls->name);
        buf_printf(out, ",\"missing\":%llu,\"model_calls\":%llu,\"how\":",
                   (unsigned long long)gap->missing, (unsigned long long)gap->calls->count);
        buf_add_json_str(out, str_from_c(share_table[gap->share].how));
        add_trace(out, gap->calls->lacks[gap->share]);
    }
    buf_printf(out, "],\"gap_count\":%zu", report->gap_count);
}

static void add_rootless(struct buf *out, const struct report *report, uint32_t limit)
{
    uint32_t shown = 0;
    buf_add_c(out, ",\"partially_traced\":[");
    for (size_t i = 0; i < report->found->trace_groups && shown < limit; i++) {
        const struct store_share_group *group = &report->found->traces[i];
        if (group->holds[0] == group->count)
            continue;
        buf_add_c(out, shown++ ? ",{" : "{");
        add_name(out, "service", group->by[BY_SERVICE]);
        buf_add_char(out, ',');
        add_name(out, "span_name", group->by[BY_NAME]);
        buf_printf(out, ",\"traces\":%llu", (unsigned long long)(group->count - group->holds[0]));
        add_trace(out, group->lacks[0]);
    }
    buf_add_char(out, ']');
}

static void add_emitters(struct buf *out, const struct instrumentation_found *found)
{
    static const char *const names[] = { "scope", "scope_version", "dialect", "convention" };
    buf_add_c(out, ",\"emitters\":[");
    for (size_t i = 0; i < found->emitter_groups; i++) {
        buf_add_c(out, i ? ",{" : "{");
        for (size_t b = 0; b < COUNT_OF(names); b++) {
            add_name(out, names[b], found->emitters[i].by[b]);
            buf_add_char(out, ',');
        }
        buf_printf(out, "\"model_calls\":%.0f}", found->emitters[i].values[0]);
    }
    buf_add_char(out, ']');
}

static void add_unmapped(struct buf *out, const struct instrumentation_found *found)
{
    buf_add_c(out, ",\"unmapped\":");
    if (!found->has_unmapped)
        buf_add_c(out, "null");
    else
        buf_printf(
            out, "{\"names\":%llu,\"attributes\":%llu,\"href\":\"/api/v1/mapping/unmapped\"}",
            (unsigned long long)found->unmapped_names, (unsigned long long)found->unmapped_count);
}

static void add_time(struct buf *out, const char *key, int64_t time_ns)
{
    buf_printf(out, "\"%s\":\"", key);
    time_format(out, time_ns, 9);
    buf_add_c(out, "\",");
}

static void add_report(struct buf *out, const struct report *report,
                       const struct instrumentation_ask *ask)
{
    const struct instrumentation_found *found = report->found;
    const struct time_range *range = &ask->calls.scope.range;
    bool is_cut =
        found->call_groups == ask->calls.limit || found->trace_groups == ask->traces.limit ||
        found->span_groups == ask->spans.limit || found->emitter_groups == ask->emitters.limit;
    buf_add_char(out, '{');
    add_time(out, "from", range->from_ns);
    add_time(out, "to", range->to_ns);
    add_time(out, "made", found->made_ns);
    add_shares(out, &report->all.calls);
    add_counts(out, &report->all);
    buf_add_c(out, ",\"services\":[");
    for (size_t i = 0; i < report->app_count; i++) {
        buf_add_c(out, i ? ",{" : "{");
        add_name(out, "service", report->apps[i].calls.service);
        buf_add_char(out, ',');
        add_shares(out, &report->apps[i].calls);
        add_counts(out, &report->apps[i]);
        add_stage(out, &report->apps[i]);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
    add_gaps(out, report, ask->limit);
    add_rootless(out, report, ask->limit);
    add_emitters(out, found);
    add_unmapped(out, found);
    buf_printf(out, ",\"truncated\":%s}\n", is_cut ? "true" : "false");
}

enum err query_instrumentation_json(struct buf *out, struct arena *arena,
                                    const struct instrumentation_ask *ask,
                                    const struct instrumentation_found *found,
                                    struct diag *reterr_why)
{
    struct report report = { .arena = arena, .found = found };
    size_t apps_max =
        found->call_groups + found->trace_groups + found->span_groups + found->log_groups;
    report.apps = arena_new(arena, struct app, apps_max + 1);
    report.names = arena_new(arena, struct calls, found->call_groups + 1);
    report.gaps = arena_new(arena, struct gap, found->call_groups * SHARE_COUNT + 1);
    if (!report.apps || !report.names || !report.gaps)
        return diag_set(reterr_why, ERR_LIMIT, "the report needs too much memory");
    found_add(&report);
    qsort(report.apps, report.app_count, sizeof *report.apps, app_cmp);
    gaps_find(&report);
    add_report(out, &report, ask);
    return ERR_OK;
}
