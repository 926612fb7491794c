/* memory_list.c -- lists of spans and traces of the reference store.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/memory_int.h"
#include "sys/clock.h"

#include <math.h>
#include <stdlib.h>

enum err memory_deadline(const struct store_scope *scope, struct diag *reterr_why)
{
    if (scope->deadline_ns && clock_monotonic_ns() >= scope->deadline_ns)
        return diag_set(reterr_why, ERR_DEADLINE, "the question took too long");
    return ERR_OK;
}

void memory_hits_add(struct memory_hits *hits, const struct store_span *span)
{
    if (hits->count == hits->capacity) {
        hits->capacity = MAX(hits->capacity * 2, (size_t)64);
        hits->spans = xrealloc(hits->spans, hits->capacity * sizeof *hits->spans);
    }
    hits->spans[hits->count++] = span;
}

/* What spans are asked; `trace` is NULL when that is nothing beyond the span. */
struct selection {
    const struct filter *filter;
    const struct match_trace *trace;
};

static bool span_in_scope(const struct store_span *row, const struct store_scope *scope)
{
    if (str_is_none(scope->tenant))
        return true;
    return SPAN_KNOWS(&row->span, tenant_id) && str_equal(row->span.tenant_id, scope->tenant);
}

static bool in_range(int64_t time_ns, const struct time_range *range)
{
    return time_ns >= range->from_ns && time_ns < range->to_ns;
}

static bool leaf_of_span(const struct filter *leaf, void *arg)
{
    const struct store_span *row = arg;
    return leaf_matches(leaf, &row->span, row->attrs_json);
}

static void select_rows(struct store_span *rows, uint32_t count, const struct store_scope *scope,
                        const struct selection *selection, struct memory_hits *hits)
{
    const struct filter *filter = selection->filter;
    for (uint32_t i = 0; i < count; i++) {
        if (!span_in_scope(&rows[i], scope) || !in_range(rows[i].span.start_time, &scope->range))
            continue;
        bool holds = !filter || (selection->trace ? match_span(filter, selection->trace, &rows[i])
                                                  : filter_holds(filter, leaf_of_span, &rows[i]));
        if (holds)
            memory_hits_add(hits, &rows[i]);
    }
}

/* -- traces that are not settled: their row -- */

static bool is_step(const struct span *span, const char *step)
{
    return SPAN_KNOWS(span, step) && str_equal_c(span->step, step);
}

static void open_totals(const struct span *span, struct trace_row *row)
{
    row->span_count++;
    row->error_count += SPAN_KNOWS(span, status) && str_equal_c(span->status, "error");
    row->tool_call_count += is_step(span, "tool");
    if (SPAN_KNOWS(span, retry_count) && span->retry_count > 0)
        row->retry_count =
            (uint32_t)MIN(i64_add(row->retry_count, span->retry_count), (int64_t)UINT32_MAX);
    if ((!is_step(span, "model") && !is_step(span, "embedding")) ||
        (SPAN_KNOWS(span, rollup) && span->rollup))
        return;
    row->model_call_count++;
    row->unpriced_count +=
        SPAN_KNOWS(span, cost_source) && str_equal_c(span->cost_source, "unknown");
    row->has_input = row->has_input || SPAN_KNOWS(span, input_tokens);
    row->has_output = row->has_output || SPAN_KNOWS(span, output_tokens);
    if (SPAN_KNOWS(span, input_tokens))
        row->input_tokens = i64_add(row->input_tokens, span->input_tokens);
    if (SPAN_KNOWS(span, output_tokens))
        row->output_tokens = i64_add(row->output_tokens, span->output_tokens);
    if (SPAN_KNOWS(span, cost_nanousd)) {
        row->has_cost = true;
        row->cost_nanousd = i64_add(row->cost_nanousd, span->cost_nanousd);
    }
}

/* Last known value of a field among spans of one of the steps, by start. */
static const struct span *last_known(const struct store_span *const *spans, size_t count,
                                     enum field field, const char *step, const char *or_step)
{
    const struct span *last = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct span *span = &spans[i]->span;
        if (span_knows(span, field) && (is_step(span, step) || is_step(span, or_step)) &&
            (!last || span->start_time > last->start_time))
            last = span;
    }
    return last;
}

static const struct span *any_known(const struct store_span *const *spans, size_t count,
                                    enum field field)
{
    for (size_t i = 0; i < count; i++)
        if (span_knows(&spans[i]->span, field))
            return &spans[i]->span;
    return NULL;
}

static void open_dimensions(const struct store_span *const *spans, size_t count,
                            struct trace_row *row)
{
    const struct span *from;
#define ANY(name)                                                                                  \
    row->name = (from = any_known(spans, count, FIELD_##name)) ? from->name : STR_NONE;
    ANY(tenant_id)
    ANY(user_id)
    ANY(session_id)
    ANY(feature)
    ANY(environment)
    ANY(release)
    ANY(request_id)
    ANY(endpoint)
#undef ANY
#define LAST(name, step, or_step)                                                                  \
    from = last_known(spans, count, FIELD_##name, (step), (or_step));                              \
    row->name = from ? from->name : STR_NONE;
    LAST(provider, "model", "model")
    LAST(generator_model, "model", "model")
    LAST(prompt_version, "model", "model")
    LAST(prompt_template_id, "model", "model")
    LAST(prompt_hash, "model", "model")
    LAST(retriever, "retrieval", "search")
    LAST(index_version, "retrieval", "search")
#undef LAST
    from = last_known(spans, count, FIELD_ttft_ns, "model", "model");
    row->ttft_ns = from ? from->ttft_ns : -1;
    from = last_known(spans, count, FIELD_top_k_returned, "retrieval", "search");
    row->top_k_returned = from ? from->top_k_returned : -1;
    from = last_known(spans, count, FIELD_source_ids, "retrieval", "search");
    row->source_ids = from ? from->source_ids : (struct strs){ 0 };
    from = any_known(spans, count, FIELD_faithfulness);
    row->faithfulness = from ? from->faithfulness : (double)NAN;
}

static bool is_root(const struct span *span)
{
    return !SPAN_KNOWS(span, parent_span_id) || id8_is_zero(span->parent_span_id);
}

/* The first span, or the first root, that knows the field. */
static const struct span *first_knowing(const struct store_span *const *spans, size_t count,
                                        enum field field, bool of_roots)
{
    const struct span *first = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct span *span = &spans[i]->span;
        if ((!of_roots || is_root(span)) && span_knows(span, field) &&
            (!first || span->start_time < first->start_time))
            first = span;
    }
    return first;
}

/* Of the root; while it is not here, of the earliest span. */
static const struct span *root_knowing(const struct store_span *const *spans, size_t count,
                                       enum field field)
{
    const struct span *root = first_knowing(spans, count, field, true);
    return root ? root : first_knowing(spans, count, field, false);
}

static void open_root(const struct store_span *const *spans, size_t count, struct trace_row *row)
{
    const struct span *root = first_knowing(spans, count, FIELD_span_id, true);
    if (root)
        row->root_span_id = root->span_id;
    if ((root = root_knowing(spans, count, FIELD_name)))
        row->root_name = root->name;
    if ((root = root_knowing(spans, count, FIELD_step)))
        row->root_step = root->step;
    if ((root = root_knowing(spans, count, FIELD_service)))
        row->service = root->service;
    if ((root = root_knowing(spans, count, FIELD_status)))
        row->status = root->status;
}

static void open_flag(const struct span *span, enum field field, int *flag)
{
    if (span_knows(span, field))
        *flag = MAX(*flag, *(const bool *)span_field_const(span, field) ? 1 : 0);
}

static int64_t end_of(const struct span *span)
{
    return SPAN_KNOWS(span, latency_ns) ? i64_add(span->start_time, span->latency_ns)
                                        : span->start_time;
}

static void trace_open(const struct store_span *const *spans, size_t count,
                       struct trace_row *ret_row)
{
    struct trace_row row = {
        .start_ns = INT64_MAX, .end_ns = INT64_MIN, .safety_blocked = -1, .eval_sampled = -1
    };
    for (size_t i = 0; i < count; i++) {
        const struct span *span = &spans[i]->span;
        open_totals(span, &row);
        open_flag(span, FIELD_safety_blocked, &row.safety_blocked);
        open_flag(span, FIELD_eval_sampled, &row.eval_sampled);
        row.start_ns = MIN(row.start_ns, span->start_time);
        row.end_ns = MAX(row.end_ns, end_of(span));
    }
    row.trace_id = spans[0]->span.trace_id;
    row.project = spans[0]->span.project;
    open_dimensions(spans, count, &row);
    open_root(spans, count, &row);
    *ret_row = row;
}

/* -- which rows -- */

/* All rows of a trace that the scope may see, of any time, and the trace's own row. */
struct trace_view {
    struct memory_hits spans;
    struct trace_row trace;
    struct span row; /* the same as a span */
    struct match_trace match;
};

static const struct score **scores_of(struct store *store, const struct store_scope *scope,
                                      size_t *ret_count)
{
    const struct score **scores = xcalloc(store->score_count + 1, sizeof(void *));
    size_t count = 0;
    for (size_t i = 0; i < store->score_count; i++)
        if (str_equal(store->scores[i].project, scope->project))
            scores[count++] = &store->scores[i].row.score;
    *ret_count = count;
    return scores;
}

/* The trace's own row; false: the scope may not see it.  Its spans are in view->spans. */
static bool view_row(struct memory_trace *trace, const struct store_scope *scope,
                     struct trace_view *view)
{
    static const struct selection all = { NULL, NULL };
    struct store_scope any_time = *scope;
    any_time.range = (struct time_range){ INT64_MIN, INT64_MAX };
    view->spans.count = 0;
    if (trace->settled) {
        if (!str_is_none(scope->tenant) && !str_equal(trace->row.tenant_id, scope->tenant))
            return false;
        select_rows(trace->finals, trace->final_count, &any_time, &all, &view->spans);
        view->trace = trace->row;
    } else {
        select_rows(trace->hot, trace->hot_count, &any_time, &all, &view->spans);
        if (view->spans.count == 0)
            return false;
        trace_open(view->spans.spans, view->spans.count, &view->trace);
    }
    trace_to_span(&view->trace, &view->row);
    return true;
}

/* For conditions of spans: late ones belong to the trace too. */
static void view_all(struct memory_trace *trace, const struct store_scope *scope,
                     struct trace_view *view)
{
    static const struct selection all = { NULL, NULL };
    struct store_scope any_time = *scope;
    any_time.range = (struct time_range){ INT64_MIN, INT64_MAX };
    view->match.row = view_row(trace, scope, view) ? &view->row : NULL;
    view->spans.count = 0;
    select_rows(trace->finals, trace->final_count, &any_time, &all, &view->spans);
    select_rows(trace->hot, trace->hot_count, &any_time, &all, &view->spans);
    view->match.spans = view->spans.spans;
    view->match.span_count = view->spans.count;
}

static void view_begin(struct store *store, const struct store_scope *scope,
                       struct trace_view *view)
{
    *view = (struct trace_view){ .match.tenant = scope->tenant };
    view->match.scores = scores_of(store, scope, &view->match.score_count);
}

static void view_end(struct trace_view *view)
{
    xfree(view->spans.spans);
    xfree((void *)(uintptr_t)view->match.scores);
}

void memory_select(struct store *store, const struct store_scope *scope,
                   const struct filter *filter, struct memory_hits *ret_hits)
{
    struct selection selection = { filter, NULL };
    struct trace_view view;
    view_begin(store, scope, &view);
    if (filter_beyond_span(filter, false))
        selection.trace = &view.match;
    *ret_hits = (struct memory_hits){ 0 };
    for (size_t i = 0; i < MEMORY_BUCKETS; i++)
        for (struct memory_trace *trace = store->buckets[i]; trace; trace = trace->next) {
            if (!str_equal(trace->project, scope->project))
                continue;
            if (selection.trace)
                view_all(trace, scope, &view);
            select_rows(trace->finals, trace->final_count, scope, &selection, ret_hits);
            select_rows(trace->hot, trace->hot_count, scope, &selection, ret_hits);
        }
    view_end(&view);
}

/* -- lists -- */

struct hit {
    struct sort_key key;
    const struct store_span *span;
    struct trace_row trace;
};

static int hit_cmp(const void *a, const void *b)
{
    return sort_key_cmp(&((const struct hit *)a)->key, &((const struct hit *)b)->key);
}

static enum err spans_answer(const struct store_list *list, struct memory_hits *rows,
                             struct arena *arena, struct store_span **ret_spans, size_t *ret_count,
                             struct diag *reterr_why)
{
    struct hit *hits = xcalloc(rows->count + 1, sizeof *hits);
    size_t count = 0;
    for (size_t i = 0; i < rows->count; i++) {
        struct hit hit = { .key = sort_key_of(&rows->spans[i]->span, list->sort),
                           .span = rows->spans[i] };
        if (list_is_after(list, &hit.key))
            hits[count++] = hit;
    }
    qsort(hits, count, sizeof *hits, hit_cmp);
    count = MIN(count, (size_t)list->limit);
    struct store_span *spans = arena_new(arena, struct store_span, count);
    enum err code = spans ? ERR_OK : diag_set(reterr_why, ERR_LIMIT, "no room for the answer");
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        spans[i] = *hits[i].span;
        code = span_clone(arena, &hits[i].span->span, &spans[i].span, reterr_why);
        if (code == ERR_OK && !str_is_none(spans[i].attrs_json) &&
            str_is_none(spans[i].attrs_json = arena_str(arena, spans[i].attrs_json)))
            code = diag_set(reterr_why, ERR_LIMIT, "no room for the answer");
    }
    xfree(hits);
    if (code == ERR_OK) {
        *ret_spans = spans;
        *ret_count = count;
    }
    return code;
}

enum err memory_spans(struct store *store, const struct store_list *list, struct arena *arena,
                      struct store_span **ret_spans, size_t *ret_count, struct diag *reterr_why)
{
    enum err code = list->filter ? filter_check(list->filter, 0, reterr_why) : ERR_OK;
    if (code == ERR_OK)
        code = memory_deadline(&list->scope, reterr_why);
    if (code != ERR_OK)
        return code;
    struct memory_hits rows;
    pthread_rwlock_rdlock(&store->lock);
    memory_select(store, &list->scope, list->filter, &rows);
    code = spans_answer(list, &rows, arena, ret_spans, ret_count, reterr_why);
    pthread_rwlock_unlock(&store->lock);
    xfree(rows.spans);
    return code;
}

static size_t traces_select(struct store *store, const struct store_list *list, struct hit **hits)
{
    size_t count = 0, capacity = 0;
    struct trace_view view;
    view_begin(store, &list->scope, &view);
    for (size_t i = 0; i < MEMORY_BUCKETS; i++)
        for (struct memory_trace *trace = store->buckets[i]; trace; trace = trace->next) {
            struct hit hit = { 0 };
            if (!str_equal(trace->project, list->scope.project) ||
                !view_row(trace, &list->scope, &view) ||
                !in_range(view.trace.start_ns, &list->scope.range))
                continue;
            view.match.row = &view.row;
            view.match.spans = view.spans.spans;
            view.match.span_count = view.spans.count;
            if (list->filter && !match_row(list->filter, &view.match))
                continue;
            hit.trace = view.trace;
            hit.key = sort_key_of(&view.row, list->sort);
            hit.key.span_id = (struct id8){ { 0 } };
            if (!list_is_after(list, &hit.key))
                continue;
            if (count == capacity) {
                capacity = MAX(capacity * 2, (size_t)64);
                *hits = xrealloc(*hits, capacity * sizeof **hits);
            }
            (*hits)[count++] = hit;
        }
    view_end(&view);
    if (count > 0)
        qsort(*hits, count, sizeof **hits, hit_cmp);
    return MIN(count, (size_t)list->limit);
}

enum err memory_traces(struct store *store, const struct store_list *list, struct arena *arena,
                       struct trace_row **ret_traces, size_t *ret_count, struct diag *reterr_why)
{
    enum err code = list->filter ? filter_check(list->filter, 0, reterr_why) : ERR_OK;
    if (code == ERR_OK)
        code = memory_deadline(&list->scope, reterr_why);
    if (code != ERR_OK)
        return code;
    struct hit *hits = NULL;
    pthread_rwlock_rdlock(&store->lock);
    size_t count = traces_select(store, list, &hits);
    struct trace_row *traces = arena_new(arena, struct trace_row, count);
    if (!traces)
        code = diag_set(reterr_why, ERR_LIMIT, "no room for the answer");
    for (size_t i = 0; i < count && code == ERR_OK; i++)
        code = trace_clone(arena, &hits[i].trace, &traces[i], reterr_why);
    pthread_rwlock_unlock(&store->lock);
    xfree(hits);
    if (code != ERR_OK)
        return code;
    *ret_traces = traces;
    *ret_count = count;
    return ERR_OK;
}

void memory_each_trace(struct store *store, const struct store_scope *scope,
                       void (*each)(const struct trace_row *row, void *arg), void *arg)
{
    struct trace_view view = { 0 };
    for (size_t i = 0; i < MEMORY_BUCKETS; i++)
        for (struct memory_trace *trace = store->buckets[i]; trace; trace = trace->next)
            if (str_equal(trace->project, scope->project) && view_row(trace, scope, &view))
                each(&view.trace, arg);
    view_end(&view);
}
