/* memory_shares.c -- for how many spans a condition holds, in the reference store.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/memory_int.h"

#include <stdlib.h>

struct group {
    struct store_share_group answer;
    int64_t newest_ns[STORE_CONDITIONS_MAX]; /* of those that lack it */
};

struct shares {
    struct store *store;
    const struct store_shares *ask;
    struct memory_hits of_traces[STORE_CONDITIONS_MAX]; /* spans that a trace_filter found */
    struct group *groups;
    size_t count, capacity;
};

static bool leaf_of_span(const struct filter *leaf, void *arg)
{
    const struct store_span *row = arg;
    return leaf_matches(leaf, &row->span, row->attrs_json);
}

static bool filter_is_met(const struct filter *filter, const struct store_span *row)
{
    struct store_span copy = *row;
    return filter_holds(filter, leaf_of_span, &copy);
}

static bool trace_is_met(const struct memory_hits *hits, struct id16 trace_id)
{
    for (size_t i = 0; i < hits->count; i++)
        if (memcmp(&hits->spans[i]->span.trace_id, &trace_id, sizeof trace_id) == 0)
            return true;
    return false;
}

static bool same_text(str a, str b)
{
    return !str_is_none(a) && !str_is_none(b) && str_equal(a, b);
}

static bool is_about(const struct score *score, const struct span *span)
{
    if (score->has_trace_id &&
        memcmp(&score->trace_id, &span->trace_id, sizeof span->trace_id) != 0)
        return false;
    if (score->has_span_id)
        return memcmp(&score->span_id, &span->span_id, sizeof span->span_id) == 0 ||
               (SPAN_KNOWS(span, parent_span_id) &&
                memcmp(&score->span_id, &span->parent_span_id, sizeof span->span_id) == 0);
    if (score->has_trace_id)
        return true;
    if (!str_is_none(score->response_id))
        return SPAN_KNOWS(span, response_id) && same_text(score->response_id, span->response_id);
    return SPAN_KNOWS(span, session_id) && same_text(score->session_id, span->session_id);
}

static bool is_scored(const struct shares *run, const struct span *span, uint32_t sources)
{
    const struct store_scope *scope = &run->ask->scope;
    for (size_t i = 0; i < run->store->score_count; i++) {
        const struct memory_score *row = &run->store->scores[i];
        const struct score *score = &row->row.score;
        bool is_ours = str_equal(row->project, scope->project) &&
                       (str_is_none(scope->tenant) || score->has_trace_id ||
                        same_text(score->tenant_id, scope->tenant));
        if (is_ours && (sources >> score->source & 1) && is_about(score, span))
            return true;
    }
    return false;
}

static bool condition_holds(const struct shares *run, uint32_t index, const struct store_span *row)
{
    const struct store_condition *condition = &run->ask->conditions[index];
    bool holds = condition->filter && filter_is_met(condition->filter, row);
    if (!holds && condition->trace_filter)
        holds = trace_is_met(&run->of_traces[index], row->span.trace_id);
    if (!holds && condition->score_sources)
        holds = is_scored(run, &row->span, condition->score_sources);
    return holds && (!condition->only || filter_is_met(condition->only, row));
}

static struct group *group_get(struct shares *run, const struct span *span)
{
    struct group new_group = { .answer = { .first_ns = INT64_MAX, .last_ns = INT64_MIN } };
    for (uint32_t b = 0; b < run->ask->by_count; b++) {
        enum field field = run->ask->by[b];
        new_group.answer.by[b] =
            span_knows(span, field) ? *(const str *)span_field_const(span, field) : STR_NONE;
    }
    for (size_t i = 0; i < run->count; i++) {
        bool same = true;
        for (uint32_t b = 0; b < run->ask->by_count && same; b++) {
            str a = run->groups[i].answer.by[b], c = new_group.answer.by[b];
            same = str_is_none(a) == str_is_none(c) && str_equal(a, c);
        }
        if (same)
            return &run->groups[i];
    }
    if (run->count == run->capacity) {
        run->capacity = MAX(run->capacity * 2, (size_t)16);
        run->groups = xrealloc(run->groups, run->capacity * sizeof *run->groups);
    }
    run->groups[run->count] = new_group;
    return &run->groups[run->count++];
}

static void span_count(struct shares *run, const struct store_span *row)
{
    struct group *group = group_get(run, &row->span);
    int64_t start = row->span.start_time;
    group->answer.count++;
    group->answer.first_ns = MIN(group->answer.first_ns, start);
    group->answer.last_ns = MAX(group->answer.last_ns, start);
    for (uint32_t i = 0; i < run->ask->condition_count; i++) {
        bool is_first = group->answer.holds[i] + 1 == group->answer.count;
        if (condition_holds(run, i, row)) {
            group->answer.holds[i]++;
        } else if (is_first || start > group->newest_ns[i]) {
            group->newest_ns[i] = start;
            group->answer.lacks[i] = row->span.trace_id;
        }
    }
}

static void trace_count(const struct trace_row *trace, void *arg)
{
    struct shares *run = arg;
    struct store_span row = { .attrs_json = STR_NONE };
    trace_to_span(trace, &row.span);
    if (!run->ask->filter || filter_is_met(run->ask->filter, &row))
        span_count(run, &row);
}

static void spans_count(struct shares *run)
{
    const struct store_shares *ask = run->ask;
    struct memory_hits hits;
    for (uint32_t i = 0; i < ask->condition_count; i++)
        if (ask->conditions[i].trace_filter)
            memory_select(run->store, &ask->scope, ask->conditions[i].trace_filter,
                          &run->of_traces[i]);
    memory_select(run->store, &ask->scope, ask->filter, &hits);
    for (size_t i = 0; i < hits.count; i++)
        span_count(run, hits.spans[i]);
    xfree(hits.spans);
}

static int largest_first(const void *a, const void *b)
{
    return share_group_cmp(&((const struct group *)a)->answer, &((const struct group *)b)->answer);
}

static bool groups_answer(struct shares *run, struct arena *arena,
                          struct store_share_group **ret_groups, size_t *ret_count)
{
    if (run->count > 0)
        qsort(run->groups, run->count, sizeof *run->groups, largest_first);
    *ret_count = MIN(run->count, (size_t)run->ask->limit);
    *ret_groups = arena_new(arena, struct store_share_group, *ret_count + 1);
    bool fits = *ret_groups != NULL;
    for (size_t i = 0; i < *ret_count && fits; i++) {
        struct store_share_group *to = &(*ret_groups)[i];
        *to = run->groups[i].answer;
        for (uint32_t b = 0; b < run->ask->by_count && fits; b++)
            if (!str_is_none(to->by[b]))
                fits = !str_is_none(to->by[b] = arena_str(arena, to->by[b]));
    }
    return fits;
}

enum err memory_shares(struct store *store, const struct store_shares *ask, struct arena *arena,
                       struct store_share_group **ret_groups, size_t *ret_count,
                       struct diag *reterr_why)
{
    enum err code = shares_check(ask, reterr_why);
    if (code == ERR_OK)
        code = memory_deadline(&ask->scope, reterr_why);
    if (code != ERR_OK)
        return code;
    struct shares *run = xcalloc(1, sizeof *run);
    run->store = store;
    run->ask = ask;
    pthread_rwlock_rdlock(&store->lock);
    if (ask->of_traces)
        memory_each_trace(store, &ask->scope, trace_count, run);
    else
        spans_count(run);
    if (!groups_answer(run, arena, ret_groups, ret_count))
        code = diag_set(reterr_why, ERR_LIMIT, "no room for the answer");
    pthread_rwlock_unlock(&store->lock);
    for (uint32_t i = 0; i < STORE_CONDITIONS_MAX; i++)
        xfree(run->of_traces[i].spans);
    xfree(run->groups);
    xfree(run);
    return code;
}
