/* memory.c -- the reference store: everything in lists, answers by looking at all of it.
 *
 * It is the meaning of store.h in the fewest lines; the DuckDB store is tested
 * against it.  Also what `--store=memory` and other layers' tests run on.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/hash.h"
#include "store/memory_int.h"

#include <stdlib.h>

static void *grow(void *items, size_t *capacity, size_t count, size_t size)
{
    if (count < *capacity)
        return items;
    *capacity = MAX(*capacity * 2, (size_t)16);
    return xrealloc(items, *capacity * size);
}

static enum err memory_open(const struct store_config *config, struct store **ret_store,
                            struct diag *reterr_why)
{
    (void)config;
    (void)reterr_why;
    struct store *store = xcalloc(1, sizeof *store);
    pthread_rwlock_init(&store->lock, NULL);
    *ret_store = store;
    return ERR_OK;
}

static void trace_free(struct memory_trace *trace)
{
    arena_clear(&trace->final_arena);
    arena_clear(&trace->hot_arena);
    xfree(trace->hot);
    xfree((void *)(uintptr_t)trace->project.ptr);
    xfree(trace);
}

static void log_free(struct memory_log *log)
{
    arena_clear(&log->arena);
}

static void memory_close(struct store *store)
{
    if (!store)
        return;
    for (size_t i = 0; i < MEMORY_BUCKETS; i++)
        for (struct memory_trace *trace = store->buckets[i], *next; trace; trace = next) {
            next = trace->next;
            trace_free(trace);
        }
    for (size_t i = 0; i < store->log_count; i++)
        log_free(&store->logs[i]);
    xfree(store->logs);
    memory_scores_clear(store);
    memory_points_clear(store);
    pthread_rwlock_destroy(&store->lock);
    xfree(store);
}

static struct memory_trace **trace_slot(struct store *store, str project, struct id16 trace_id)
{
    uint64_t hash = hash_bytes_seeded(trace_id.bytes, 16, hash_str(project));
    struct memory_trace **slot = &store->buckets[hash % MEMORY_BUCKETS];
    while (*slot && (memcmp(&(*slot)->trace_id, &trace_id, 16) != 0 ||
                     !str_equal((*slot)->project, project)))
        slot = &(*slot)->next;
    return slot;
}

static struct memory_trace *trace_get(struct store *store, str project, struct id16 trace_id)
{
    struct memory_trace **slot = trace_slot(store, project, trace_id);
    struct memory_trace *trace = *slot;
    if (trace)
        return trace;
    trace = xcalloc(1, sizeof *trace);
    trace->trace_id = trace_id;
    trace->project = (str){ xstrdup_str(project), project.len };
    arena_init(&trace->final_arena, MEMORY_TRACE_BYTES_MAX);
    arena_init(&trace->hot_arena, MEMORY_TRACE_BYTES_MAX);
    *slot = trace;
    return trace;
}

str memory_attrs_text(struct arena *arena, const struct attr *attrs, uint32_t count)
{
    if (count == 0)
        return STR_NONE;
    struct buf text;
    buf_init(&text, STORE_ATTRS_BYTES_MAX);
    attrs_to_json(&text, attrs, count);
    str copy = buf_failed(&text) ? STR_NONE : arena_str(arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

static enum err row_copy(struct arena *arena, const struct store_span *from,
                         struct store_span *ret_row, struct diag *reterr_why)
{
    enum err code = span_clone(arena, &from->span, &ret_row->span, reterr_why);
    if (code != ERR_OK)
        return code;
    ret_row->log_segment = from->log_segment;
    ret_row->log_offset = from->log_offset;
    ret_row->log_index = from->log_index;
    ret_row->content_roles = from->content_roles;
    ret_row->attrs_json = memory_attrs_text(arena, from->span.attrs, from->span.attr_count);
    return ERR_OK;
}

static struct store_span *span_find(struct store_span *rows, uint32_t count, struct id8 span_id)
{
    for (uint32_t i = 0; i < count; i++)
        if (memcmp(&rows[i].span.span_id, &span_id, sizeof span_id) == 0)
            return &rows[i];
    return NULL;
}

static enum err append_one(struct store *store, const struct store_span *row,
                           struct diag *reterr_why)
{
    struct memory_trace *trace = trace_get(store, row->span.project, row->span.trace_id);
    if (span_find(trace->finals, trace->final_count, row->span.span_id))
        return ERR_OK;
    struct store_span copy = { .settled = false };
    enum err code = row_copy(&trace->hot_arena, row, &copy, reterr_why);
    if (code != ERR_OK)
        return code;
    struct store_span *same = span_find(trace->hot, trace->hot_count, row->span.span_id);
    if (same) {
        *same = copy;
        return ERR_OK;
    }
    size_t capacity = trace->hot_capacity;
    trace->hot = grow(trace->hot, &capacity, trace->hot_count, sizeof copy);
    trace->hot_capacity = (uint32_t)capacity;
    trace->hot[trace->hot_count++] = copy;
    return ERR_OK;
}

static enum err memory_append(struct store *store, const struct store_span *spans, size_t count,
                              struct diag *reterr_why)
{
    enum err code = ERR_OK;
    pthread_rwlock_wrlock(&store->lock);
    for (size_t i = 0; i < count && code == ERR_OK; i++)
        code = append_one(store, &spans[i], reterr_why);
    pthread_rwlock_unlock(&store->lock);
    return code;
}

static enum err commit_trace(struct store *store, const struct trace_row *row,
                             const struct store_span *spans, uint32_t count,
                             struct diag *reterr_why)
{
    struct memory_trace *trace = trace_get(store, row->project, row->trace_id);
    arena_clear(&trace->final_arena);
    arena_clear(&trace->hot_arena);
    trace->hot_count = 0;
    trace->final_count = 0;
    trace->settled = false;
    trace->finals = arena_new(&trace->final_arena, struct store_span, count);
    if (!trace->finals)
        return diag_set(reterr_why, ERR_LIMIT, "no room for a trace");
    for (uint32_t i = 0; i < count; i++) {
        enum err code = row_copy(&trace->final_arena, &spans[i], &trace->finals[i], reterr_why);
        if (code != ERR_OK)
            return code;
        trace->finals[i].settled = true;
        trace->final_count++;
    }
    enum err code = trace_clone(&trace->final_arena, row, &trace->row, reterr_why);
    trace->row.settled = true;
    trace->settled = code == ERR_OK;
    return code;
}

static enum err commit_log(struct store *store, str project, const struct log_record *record,
                           struct diag *reterr_why)
{
    struct memory_log log = { 0 };
    arena_init(&log.arena, MEMORY_TRACE_BYTES_MAX);
    log.project = arena_str(&log.arena, project);
    log.row.log = *record;
    log.row.log.attrs = NULL;
    log.row.log.attr_count = 0;
    log.row.log.body_json = STR_NONE;
    str *texts[] = { &log.row.log.severity_text, &log.row.log.event_name, &log.row.log.service };
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (!str_is_none(*texts[i]) && str_is_none(*texts[i] = arena_str(&log.arena, *texts[i])))
            return diag_set(reterr_why, ERR_LIMIT, "no room for a log record");
    log.row.attrs_json = memory_attrs_text(&log.arena, record->attrs, record->attr_count);
    for (size_t i = 0; i < store->log_count; i++) {
        if (memcmp(&store->logs[i].row.log.log_id, &record->log_id, sizeof record->log_id) == 0 &&
            str_equal(store->logs[i].project, project)) {
            log_free(&store->logs[i]);
            store->logs[i] = log;
            return ERR_OK;
        }
    }
    store->logs = grow(store->logs, &store->log_capacity, store->log_count, sizeof log);
    store->logs[store->log_count++] = log;
    return ERR_OK;
}

static enum err memory_commit(struct store *store, const struct store_commit *commit,
                              struct diag *reterr_why)
{
    enum err code = ERR_OK;
    pthread_rwlock_wrlock(&store->lock);
    for (size_t i = 0; i < commit->trace_count && code == ERR_OK; i++)
        code = commit_trace(store, &commit->traces[i], commit->spans[i], commit->span_counts[i],
                            reterr_why);
    for (size_t i = 0; i < commit->log_count && code == ERR_OK; i++)
        code = commit_log(store, commit->log_projects[i], &commit->logs[i], reterr_why);
    for (size_t i = 0; i < commit->metric_count && code == ERR_OK; i++)
        code = memory_point_put(store, commit->metric_projects[i], &commit->metrics[i], reterr_why);
    for (size_t i = 0; i < commit->score_count && code == ERR_OK; i++)
        code = memory_score_put(store, commit->score_projects[i], &commit->scores[i], reterr_why);
    if (code == ERR_OK)
        store->checkpoint_sequence = MAX(store->checkpoint_sequence, commit->checkpoint_sequence);
    if (code == ERR_OK)
        store->items_sequence = MAX(store->items_sequence, commit->items_sequence);
    pthread_rwlock_unlock(&store->lock);
    return code;
}

static enum err memory_known(struct store *store, const str *projects, const struct id16 *trace_ids,
                             size_t count, bool *ret_known, struct diag *reterr_why)
{
    (void)reterr_why;
    pthread_rwlock_rdlock(&store->lock);
    for (size_t i = 0; i < count; i++) {
        struct memory_trace *trace = *trace_slot(store, projects[i], trace_ids[i]);
        ret_known[i] = trace && trace->settled;
    }
    pthread_rwlock_unlock(&store->lock);
    return ERR_OK;
}

static int log_cmp(const void *a, const void *b)
{
    const struct log_record *x = &((const struct store_log *)a)->log;
    const struct log_record *y = &((const struct store_log *)b)->log;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return memcmp(&x->log_id, &y->log_id, sizeof x->log_id);
}

bool memory_trace_is_visible(struct store *store, const struct store_scope *scope,
                             struct id16 trace_id)
{
    if (str_is_none(scope->tenant))
        return true;
    struct store_scope all = *scope;
    all.range = (struct time_range){ INT64_MIN, INT64_MAX };
    char hex[33];
    struct filter filter = { .op = FILTER_EQ, .field = FIELD_trace_id };
    filter.value = value_str(id_text(trace_id.bytes, 16, hex));
    struct memory_hits hits;
    memory_select(store, &all, &filter, &hits);
    xfree(hits.spans);
    return hits.count > 0;
}

static enum err logs_collect(struct store *store, const struct store_scope *scope,
                             struct id16 trace_id, struct arena *arena, struct store_log **ret_logs,
                             size_t *ret_count)
{
    struct store_log *logs = arena_new(arena, struct store_log, store->log_count);
    size_t count = 0;
    if (!logs)
        return ERR_LIMIT;
    bool visible = memory_trace_is_visible(store, scope, trace_id);
    for (size_t i = 0; i < store->log_count && visible; i++) {
        const struct log_record *log = &store->logs[i].row.log;
        if (memcmp(&log->trace_id, &trace_id, sizeof trace_id) == 0 &&
            str_equal(store->logs[i].project, scope->project) &&
            log->time_ns >= scope->range.from_ns && log->time_ns < scope->range.to_ns &&
            !log_clone(arena, &store->logs[i].row, &logs[count++]))
            return ERR_LIMIT;
    }
    qsort(logs, count, sizeof *logs, log_cmp);
    *ret_logs = logs;
    *ret_count = count;
    return ERR_OK;
}

static enum err memory_logs(struct store *store, const struct store_scope *scope,
                            struct id16 trace_id, struct arena *arena, struct store_log **ret_logs,
                            size_t *ret_count, struct diag *reterr_why)
{
    pthread_rwlock_rdlock(&store->lock);
    enum err code = logs_collect(store, scope, trace_id, arena, ret_logs, ret_count);
    pthread_rwlock_unlock(&store->lock);
    if (code != ERR_OK)
        return diag_set(reterr_why, code, "no room for the log records");
    return ERR_OK;
}

static enum err memory_sql(struct store *store, const struct store_sql *ask, struct buf *out,
                           struct store_sql_answer *ret_answer, struct diag *reterr_why)
{
    (void)store, (void)ask, (void)out, (void)ret_answer;
    diag_set(reterr_why, ERR_UNSUPPORTED, "the store in memory has no SQL");
    return diag_hint(reterr_why, "SQL needs store.kind=duckdb, the default");
}

static void memory_status(struct store *store, struct store_status *ret_status)
{
    struct store_status status = { 0 };
    pthread_rwlock_rdlock(&store->lock);
    for (size_t i = 0; i < MEMORY_BUCKETS; i++)
        for (struct memory_trace *trace = store->buckets[i]; trace; trace = trace->next) {
            status.span_count += trace->final_count;
            status.unsettled_count += trace->hot_count;
            status.trace_count += trace->settled;
            status.memory_bytes += trace->final_arena.used_bytes + trace->hot_arena.used_bytes;
        }
    status.log_count = store->log_count;
    status.metric_count = store->point_count;
    status.score_count = store->score_count;
    status.checkpoint_sequence = store->checkpoint_sequence;
    status.items_sequence = store->items_sequence;
    pthread_rwlock_unlock(&store->lock);
    *ret_status = status;
}

/* Nothing is too far away to be looked at. */
static enum err memory_roll(struct store *store, bool *ret_more, struct diag *reterr_why)
{
    (void)store;
    (void)reterr_why;
    *ret_more = false;
    return ERR_OK;
}

static enum err memory_expire(struct store *store, const struct store_expiry *expiry,
                              struct store_expired *expired, struct diag *reterr_why)
{
    (void)store;
    (void)expiry;
    (void)expired;
    return diag_set(reterr_why, ERR_UNSUPPORTED, "the store in memory keeps everything");
}

const struct store_ops store_memory = {
    .name = "memory",
    .open = memory_open,
    .close = memory_close,
    .append = memory_append,
    .commit = memory_commit,
    .known = memory_known,
    .spans = memory_spans,
    .traces = memory_traces,
    .aggregate = memory_aggregate,
    .logs = memory_logs,
    .log_list = memory_log_list,
    .log_counts = memory_log_counts,
    .points = memory_points,
    .point_names = memory_point_names,
    .shares = memory_shares,
    .scores = memory_scores,
    .sql = memory_sql,
    .roll = memory_roll,
    .expire = memory_expire,
    .status = memory_status,
};
