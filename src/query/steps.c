/* steps.c -- time and money by kind of step.
 *
 * One sweep over starts and ends.  Let k(t) be the number of spans that run without a running
 * child; a span that is one of them from a to b gets the integral of 1 / k from a to b, which is
 * kept as one running sum, so that no event touches more than a span and its parent.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "query/steps.h"
#include "query/query_int.h"

#include <stdlib.h>

#define NO_SPAN UINT32_MAX

struct event {
    int64_t time_ns;
    uint32_t span;
    bool is_end;
};
struct running {
    uint32_t parent, children; /* children that run */
    bool runs;
    double since; /* of the running sum, while it runs without a child */
};
struct sweep {
    struct running *spans;
    struct event *events;
    double *self_ns;
    size_t event_count;
    double sum, idle_ns;
    size_t alone; /* that run without a running child */
};
struct named {
    struct id8 id;
    uint32_t index;
};

static int event_cmp(const void *a, const void *b)
{
    const struct event *x = a, *y = b;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    if (x->is_end != y->is_end) /* what ends makes room first */
        return x->is_end ? -1 : 1;
    return x->span < y->span ? -1 : x->span > y->span;
}

static int named_cmp(const void *a, const void *b)
{
    return memcmp(&((const struct named *)a)->id, &((const struct named *)b)->id,
                  sizeof(struct id8));
}

static void alone_begin(struct sweep *sweep, struct running *span)
{
    span->since = sweep->sum;
    sweep->alone++;
}

static void alone_end(struct sweep *sweep, uint32_t index)
{
    sweep->self_ns[index] += sweep->sum - sweep->spans[index].since;
    sweep->alone--;
}

static void on_start(struct sweep *sweep, uint32_t index)
{
    struct running *span = &sweep->spans[index];
    span->runs = true;
    if (span->children == 0)
        alone_begin(sweep, span);
    if (span->parent == NO_SPAN)
        return;
    struct running *parent = &sweep->spans[span->parent];
    if (parent->children++ == 0 && parent->runs)
        alone_end(sweep, span->parent);
}

static void on_end(struct sweep *sweep, uint32_t index)
{
    struct running *span = &sweep->spans[index];
    if (span->children == 0)
        alone_end(sweep, index);
    span->runs = false;
    if (span->parent == NO_SPAN)
        return;
    struct running *parent = &sweep->spans[span->parent];
    if (--parent->children == 0 && parent->runs)
        alone_begin(sweep, parent);
}

static void sweep_run(struct sweep *sweep)
{
    for (size_t i = 0; i < sweep->event_count; i++) {
        const struct event *event = &sweep->events[i];
        double passed = i ? (double)(event->time_ns - sweep->events[i - 1].time_ns) : 0;
        if (sweep->alone > 0)
            sweep->sum += passed / (double)sweep->alone;
        else
            sweep->idle_ns += passed;
        if (event->is_end)
            on_end(sweep, event->span);
        else
            on_start(sweep, event->span);
    }
}

static uint32_t parent_of(const struct named *names, size_t count, const struct span *span,
                          size_t own)
{
    const struct named key = { .id = span->parent_span_id };
    const struct named *parent = SPAN_KNOWS(span, parent_span_id)
                                     ? bsearch(&key, names, count, sizeof *names, named_cmp)
                                     : NULL;
    return parent && parent->index != own ? parent->index : NO_SPAN;
}

/* Of a span that took time. */
static void add_events(struct sweep *sweep, const struct span *span, uint32_t index)
{
    int64_t end;
    if (!SPAN_KNOWS(span, start_time) || !SPAN_KNOWS(span, latency_ns) || span->latency_ns <= 0 ||
        ADD_OVERFLOWS(span->start_time, span->latency_ns, &end))
        return;
    sweep->events[sweep->event_count++] = (struct event){ span->start_time, index, false };
    sweep->events[sweep->event_count++] = (struct event){ end, index, true };
}

/* Starts and ends in order, and who is whose parent. */
static enum err sweep_make(struct arena *arena, const struct store_span *spans, size_t count,
                           struct sweep *sweep)
{
    struct named *names = arena_new(arena, struct named, count + 1);
    *sweep = (struct sweep){ .spans = arena_new(arena, struct running, count + 1),
                             .events = arena_new(arena, struct event, 2 * count + 1),
                             .self_ns = arena_new(arena, double, count + 1) };
    if (!names || !sweep->spans || !sweep->events || !sweep->self_ns)
        return ERR_LIMIT;
    for (size_t i = 0; i < count; i++)
        names[i] = (struct named){ spans[i].span.span_id, (uint32_t)i };
    if (count > 0)
        qsort(names, count, sizeof *names, named_cmp);
    for (size_t i = 0; i < count; i++) {
        sweep->spans[i].parent = parent_of(names, count, &spans[i].span, i);
        add_events(sweep, &spans[i].span, (uint32_t)i);
    }
    if (sweep->event_count > 0)
        qsort(sweep->events, sweep->event_count, sizeof *sweep->events, event_cmp);
    return ERR_OK;
}

static str kind_of(const struct span *span)
{
    bool is_repeat = (SPAN_KNOWS(span, attempt) && span->attempt > 1) || SPAN_KNOWS(span, retry_of);
    if (!SPAN_KNOWS(span, step))
        return STR_NONE;
    return is_repeat && str_equal_c(span->step, "model") ? STR_OF("retries") : span->step;
}

static struct step_kind *find_kind(struct steps *steps, str name)
{
    for (size_t i = 0; i < steps->count; i++)
        if (str_is_none(steps->kinds[i].name) == str_is_none(name) &&
            (str_is_none(name) || str_equal(steps->kinds[i].name, name)))
            return &steps->kinds[i];
    if (steps->count == STEP_KINDS_MAX) /* there are some twenty */
        return &steps->kinds[STEP_KINDS_MAX - 1];
    steps->kinds[steps->count].name = name;
    return &steps->kinds[steps->count++];
}

static int kind_cmp(const void *a, const void *b)
{
    const struct step_kind *x = a, *y = b;
    return x->self_ns > y->self_ns ? -1 : x->self_ns < y->self_ns;
}

enum err steps_of_spans(struct arena *arena, const struct store_span *spans, size_t count,
                        struct steps *ret_steps, struct diag *reterr_why)
{
    struct sweep sweep;
    *ret_steps = (struct steps){ .count = 0 };
    if (sweep_make(arena, spans, count, &sweep) != ERR_OK)
        return diag_set(reterr_why, ERR_LIMIT, "no room for the steps");
    sweep_run(&sweep);
    ret_steps->self_ns = sweep.self_ns;
    ret_steps->idle_ns = sweep.idle_ns;
    if (sweep.event_count > 0)
        ret_steps->total_ns =
            (double)(sweep.events[sweep.event_count - 1].time_ns - sweep.events[0].time_ns);
    for (size_t i = 0; i < count; i++) {
        const struct span *span = &spans[i].span;
        struct step_kind *kind = find_kind(ret_steps, kind_of(span));
        bool is_first = kind->count++ == 0;
        kind->errors += SPAN_KNOWS(span, status) && str_equal_c(span->status, "error");
        kind->self_ns += sweep.self_ns[i];
        if (is_first || sweep.self_ns[i] > kind->longest_ns) {
            kind->longest_ns = sweep.self_ns[i];
            kind->longest = span->span_id;
        }
        if (SPAN_KNOWS(span, cost_nanousd) && !(SPAN_KNOWS(span, rollup) && span->rollup)) {
            kind->has_cost = true;
            kind->cost_nanousd += (double)span->cost_nanousd;
        }
    }
    qsort(ret_steps->kinds, ret_steps->count, sizeof ret_steps->kinds[0], kind_cmp);
    return ERR_OK;
}

/* -- the answers -- */

static void add_span_id(struct buf *out, const char *name, struct id8 id)
{
    report_member(out, name);
    buf_add_char(out, '"');
    buf_add_hex(out, id.bytes, sizeof id.bytes);
    buf_add_char(out, '"');
}

static void add_kind(struct buf *out, const struct step_kind *kind, double total_ns)
{
    double share = total_ns > 0 ? kind->self_ns / total_ns : 0;
    report_text(out, "step", kind->name);
    report_count(out, "count", kind->count);
    report_count(out, "errors", kind->errors);
    report_value(out, "self_ms", QUERY_KIND_NS, &kind->self_ns);
    report_value(out, "share", QUERY_KIND_SHARE, total_ns > 0 ? &share : NULL);
    report_value(out, "cost_usd", QUERY_KIND_NANO, kind->has_cost ? &kind->cost_nanousd : NULL);
}

static void add_bottleneck(struct buf *out, const struct step_kind *kind)
{
    report_text(out, "bottleneck", kind && kind->self_ns > 0 ? kind->name : STR_NONE);
}

void query_trace_steps_json(struct buf *out, const struct steps *steps,
                            const struct store_span *spans, size_t count)
{
    report_value(out, "total_ms", QUERY_KIND_NS, &steps->total_ns);
    report_value(out, "idle_ms", QUERY_KIND_NS, &steps->idle_ns);
    add_bottleneck(out, steps->count ? &steps->kinds[0] : NULL);
    report_member(out, "items");
    buf_add_char(out, '[');
    for (size_t i = 0; i < steps->count; i++) {
        buf_add_c(out, i ? ",{" : "{");
        add_kind(out, &steps->kinds[i], steps->total_ns);
        add_span_id(out, "longest_span_id", steps->kinds[i].longest);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
    report_member(out, "spans");
    buf_add_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        buf_add_c(out, i ? ",{" : "{");
        add_span_id(out, "span_id", spans[i].span.span_id);
        report_value(out, "self_ms", QUERY_KIND_NS, &steps->self_ns[i]);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

enum { STEP_COUNT, STEP_ERRORS, STEP_TIME, STEP_COST };

enum err query_plan_steps(struct arena *arena, const struct query_param *params, size_t count,
                          int64_t now_ns, struct query_aggregate *ret_plan, struct diag *reterr_why)
{
    static const char *const allowed[] = { "q", "from", "to" };
    static const struct report_part part = { .metrics = "count,errors,sum(latency_ms),cost",
                                             .by = "step",
                                             .filter = "not child(has:start_time)",
                                             .limit = STEP_KINDS_MAX };
    const struct report_request request = { params, count, now_ns };
    enum err code = query_params_check(params, count, allowed, COUNT_OF(allowed), reterr_why);
    return code == ERR_OK ? report_plan(arena, &request, &part, ret_plan, reterr_why) : code;
}

void query_steps_json(struct buf *out, const struct query_aggregate *plan,
                      const struct store_group *groups, size_t count)
{
    struct step_kind kinds[STEP_KINDS_MAX] = { { .count = 0 } };
    double total = 0;
    count = MIN(count, (size_t)STEP_KINDS_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct store_group *group = &groups[i];
        double number = 0;
        kinds[i].name = group->by[0];
        if (query_metric_value(plan, &plan->ask, group, STEP_COUNT, &number))
            kinds[i].count = (uint64_t)number;
        if (query_metric_value(plan, &plan->ask, group, STEP_ERRORS, &number))
            kinds[i].errors = (uint64_t)number;
        (void)query_metric_value(plan, &plan->ask, group, STEP_TIME, &kinds[i].self_ns);
        kinds[i].has_cost =
            query_metric_value(plan, &plan->ask, group, STEP_COST, &kinds[i].cost_nanousd);
        total += kinds[i].self_ns;
    }
    qsort(kinds, count, sizeof kinds[0], kind_cmp);
    report_value(out, "total_ms", QUERY_KIND_NS, &total);
    add_bottleneck(out, count ? &kinds[0] : NULL);
    report_member(out, "items");
    buf_add_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        buf_add_c(out, i ? ",{" : "{");
        add_kind(out, &kinds[i], total);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
    report_range(out, "range", &plan->ask.scope.range);
}
