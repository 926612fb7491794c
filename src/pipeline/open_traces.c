/* open_traces.c -- hash map, lazily checked wheel, creation order.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pipeline/open_traces.h"
#include "base/check.h"
#include "base/hash.h"

enum { WHEEL_SLOTS = 8192, BUCKETS_MIN = 1024, PROJECTS_MAX = 65536 };
static const int64_t tick_ns = 100 * NS_PER_MS;

const struct settle_times settle_times_default = { 10 * NS_PER_S, 60 * NS_PER_S, 600 * NS_PER_S };

struct open_traces {
    struct settle_times times;
    struct open_trace **buckets;
    size_t bucket_count, count, ref_bytes;
    struct open_trace *wheel[WHEEL_SLOTS];
    int64_t wheel_tick; /* the next tick to look at */
    struct open_trace *oldest, *newest;
    struct open_trace *free_list;
    char **projects;
    uint32_t project_count;
};

struct open_traces *open_traces_new(const struct settle_times *times)
{
    struct open_traces *traces = xcalloc(1, sizeof *traces);
    traces->times = *times;
    traces->bucket_count = BUCKETS_MIN;
    traces->buckets = xcalloc(BUCKETS_MIN, sizeof *traces->buckets);
    return traces;
}

static void trace_free(struct open_trace *trace)
{
    if (trace->refs != trace->inline_refs)
        xfree(trace->refs);
    xfree(trace);
}

void open_traces_free(struct open_traces *traces)
{
    if (!traces)
        return;
    for (struct open_trace *at = traces->oldest, *next; at; at = next) {
        next = at->newer;
        trace_free(at);
    }
    for (struct open_trace *at = traces->free_list, *next; at; at = next) {
        next = at->map_next;
        xfree(at);
    }
    for (uint32_t i = 0; i < traces->project_count; i++)
        xfree(traces->projects[i]);
    xfree(traces->projects);
    xfree(traces->buckets);
    xfree(traces);
}

static uint32_t project_index(struct open_traces *traces, str project)
{
    for (uint32_t i = 0; i < traces->project_count; i++)
        if (str_equal_c(project, traces->projects[i]))
            return i;
    assert(traces->project_count < PROJECTS_MAX);
    traces->projects =
        xrealloc(traces->projects, (traces->project_count + 1) * sizeof *traces->projects);
    traces->projects[traces->project_count] = xstrdup_str(project);
    return traces->project_count++;
}

str open_traces_project(const struct open_traces *traces, uint32_t project)
{
    assert(project < traces->project_count);
    return str_from_c(traces->projects[project]);
}

static struct open_trace **bucket_of(struct open_traces *traces, uint32_t project,
                                     const struct id16 *trace_id)
{
    uint64_t hash = hash_bytes_seeded(trace_id->bytes, sizeof trace_id->bytes, project);
    return &traces->buckets[hash & (traces->bucket_count - 1)];
}

static void grow(struct open_traces *traces)
{
    xfree(traces->buckets);
    traces->bucket_count *= 2;
    traces->buckets = xcalloc(traces->bucket_count, sizeof *traces->buckets);
    for (struct open_trace *at = traces->oldest; at; at = at->newer) {
        struct open_trace **bucket = bucket_of(traces, at->project, &at->trace_id);
        at->map_next = *bucket;
        *bucket = at;
    }
}

static int64_t due_ns(const struct open_traces *traces, const struct open_trace *trace)
{
    int64_t due = trace->root_seen_ns ? trace->root_seen_ns + traces->times.root_ns
                                      : trace->last_seen_ns + traces->times.idle_ns;
    return MIN(due, trace->first_seen_ns + traces->times.max_ns);
}

static void wheel_put(struct open_traces *traces, struct open_trace *trace)
{
    int64_t tick = due_ns(traces, trace) / tick_ns + 1;
    tick = MIN(MAX(tick, traces->wheel_tick), traces->wheel_tick + WHEEL_SLOTS - 1);
    struct open_trace **slot = &traces->wheel[tick % WHEEL_SLOTS];
    trace->wheel_next = *slot;
    if (*slot)
        (*slot)->wheel_link = &trace->wheel_next;
    *slot = trace;
    trace->wheel_link = slot;
}

static void wheel_remove(struct open_trace *trace)
{
    *trace->wheel_link = trace->wheel_next;
    if (trace->wheel_next)
        trace->wheel_next->wheel_link = trace->wheel_link;
}

static struct open_trace *trace_new(struct open_traces *traces)
{
    struct open_trace *trace = traces->free_list;
    if (trace)
        traces->free_list = trace->map_next;
    else
        trace = xmalloc(sizeof *trace);
    *trace = (struct open_trace){ .ref_capacity = OPEN_TRACE_INLINE_REFS };
    trace->refs = trace->inline_refs;
    return trace;
}

struct open_trace *open_traces_get(struct open_traces *traces, str project, struct id16 trace_id,
                                   uint64_t sequence, int64_t now_ns)
{
    uint32_t index = project_index(traces, project);
    struct open_trace **bucket = bucket_of(traces, index, &trace_id);
    for (struct open_trace *at = *bucket; at; at = at->map_next)
        if (at->project == index && memcmp(&at->trace_id, &trace_id, sizeof trace_id) == 0)
            return at;
    if (traces->count >= traces->bucket_count) {
        grow(traces);
        bucket = bucket_of(traces, index, &trace_id);
    }
    if (traces->wheel_tick == 0)
        traces->wheel_tick = now_ns / tick_ns;
    struct open_trace *trace = trace_new(traces);
    trace->trace_id = trace_id;
    trace->project = index;
    trace->first_sequence = sequence;
    trace->first_seen_ns = trace->last_seen_ns = now_ns;
    trace->map_next = *bucket;
    *bucket = trace;
    trace->older = traces->newest;
    *(traces->newest ? &traces->newest->newer : &traces->oldest) = trace;
    traces->newest = trace;
    traces->count++;
    wheel_put(traces, trace);
    return trace;
}

void open_traces_add_ref(struct open_traces *traces, struct open_trace *trace, struct span_ref ref,
                         bool is_root, int64_t now_ns)
{
    if (trace->ref_count == trace->ref_capacity) {
        uint32_t capacity = trace->ref_capacity * 2;
        bool was_inline = trace->refs == trace->inline_refs;
        struct span_ref *refs = xrealloc(was_inline ? NULL : trace->refs, capacity * sizeof *refs);
        if (was_inline)
            memcpy(refs, trace->inline_refs, sizeof trace->inline_refs);
        traces->ref_bytes += (capacity - (was_inline ? 0 : trace->ref_capacity)) * sizeof *refs;
        trace->refs = refs;
        trace->ref_capacity = capacity;
    }
    trace->refs[trace->ref_count++] = ref;
    trace->last_seen_ns = now_ns;
    if (!is_root)
        return;
    bool is_first_root = trace->root_seen_ns == 0;
    trace->root_seen_ns = now_ns;
    if (is_first_root) { /* the one thing that brings a due time forward */
        wheel_remove(trace);
        wheel_put(traces, trace);
    }
}

static void take_out(struct open_traces *traces, struct open_trace *trace)
{
    struct open_trace **at = bucket_of(traces, trace->project, &trace->trace_id);
    while (*at != trace)
        at = &(*at)->map_next;
    *at = trace->map_next;
    wheel_remove(trace);
}

static size_t take_oldest(struct open_traces *traces, struct open_trace **ret_traces, size_t max)
{
    size_t count = 0;
    for (struct open_trace *at = traces->oldest; at && count < max; at = at->newer) {
        take_out(traces, at);
        ret_traces[count++] = at;
    }
    return count;
}

/* A slot's list begins with what was put there last. */
static void turn_round(struct open_trace **traces, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        struct open_trace *left = traces[i];
        traces[i] = traces[count - 1 - i];
        traces[count - 1 - i] = left;
    }
}

size_t open_traces_take_due(struct open_traces *traces, int64_t now_ns, bool force,
                            struct open_trace **ret_traces, size_t max)
{
    if (force)
        return take_oldest(traces, ret_traces, max);
    size_t count = 0;
    for (; traces->count && traces->wheel_tick <= now_ns / tick_ns; traces->wheel_tick++) {
        struct open_trace *next, *at = traces->wheel[traces->wheel_tick % WHEEL_SLOTS];
        size_t first = count;
        for (; at && count < max; at = next) {
            next = at->wheel_next;
            if (due_ns(traces, at) > now_ns) { /* heard of since: later then */
                wheel_remove(at);
                traces->wheel_tick++;
                wheel_put(traces, at);
                traces->wheel_tick--;
                continue;
            }
            take_out(traces, at);
            ret_traces[count++] = at;
        }
        turn_round(ret_traces + first, count - first);
        if (count == max)
            break; /* the rest of this tick next time */
    }
    return count;
}

void open_traces_done(struct open_traces *traces, struct open_trace *trace)
{
    *(trace->older ? &trace->older->newer : &traces->oldest) = trace->newer;
    *(trace->newer ? &trace->newer->older : &traces->newest) = trace->older;
    if (trace->refs != trace->inline_refs) {
        traces->ref_bytes -= trace->ref_capacity * sizeof *trace->refs;
        xfree(trace->refs);
    }
    trace->map_next = traces->free_list;
    traces->free_list = trace;
    traces->count--;
}

uint64_t open_traces_first_sequence(const struct open_traces *traces)
{
    return traces->oldest ? traces->oldest->first_sequence : UINT64_MAX;
}

size_t open_traces_count(const struct open_traces *traces)
{
    return traces->count;
}

size_t open_traces_memory(const struct open_traces *traces)
{
    return traces->count * sizeof(struct open_trace) + traces->ref_bytes;
}
