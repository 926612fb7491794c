/* memory_aggregate.c -- sums and percentiles of the reference store.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/memory_int.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct group {
    int64_t bucket_ns;
    str by[STORE_BY_MAX];
    struct memory_hits hits;
    struct store_group answer;
};

struct groups {
    struct group *items;
    size_t count, capacity;
};

static str field_text(struct arena *arena, const struct span *span, enum field field)
{
    const void *at = span_field_const(span, field);
    if (!span_knows(span, field))
        return STR_NONE;
    switch ((int)field_table[field].type) {
    case FIELD_TYPE_STR:
        return *(const str *)at;
    case FIELD_TYPE_BOOL:
        return *(const bool *)at ? STR_OF("true") : STR_OF("false");
    default:
        return arena_printf(arena, "%" PRId64, *(const int64_t *)at);
    }
}

static str by_text(struct arena *arena, const struct store_span *row,
                   const struct store_aggregate *ask, uint32_t index)
{
    str text;
    if (ask->by[index] != FIELD_COUNT)
        return field_text(arena, &row->span, ask->by[index]);
    return attr_text(arena, row->attrs_json, ask->by_attr[index], &text) ? text : STR_NONE;
}

static int64_t bucket_of(int64_t time_ns, int64_t step_ns)
{
    if (step_ns <= 0)
        return 0;
    int64_t index = time_ns / step_ns - (time_ns % step_ns < 0);
    int64_t bucket;
    return MUL_OVERFLOWS(index, step_ns, &bucket) ? INT64_MIN : bucket;
}

static struct group *group_get(struct groups *groups, const struct group *like, uint32_t by_count)
{
    for (size_t i = 0; i < groups->count; i++) {
        struct group *group = &groups->items[i];
        bool same = group->bucket_ns == like->bucket_ns;
        for (uint32_t b = 0; b < by_count && same; b++)
            same = str_is_none(group->by[b]) == str_is_none(like->by[b]) &&
                   str_equal(group->by[b], like->by[b]);
        if (same)
            return group;
    }
    if (groups->count == groups->capacity) {
        groups->capacity = MAX(groups->capacity * 2, (size_t)16);
        groups->items = xrealloc(groups->items, groups->capacity * sizeof *groups->items);
    }
    groups->items[groups->count] = *like;
    return &groups->items[groups->count++];
}

static int i64_cmp(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The smallest value that at least a share q of all values does not exceed. */
static bool percentile(const struct memory_hits *hits, enum field field, double q, double *ret)
{
    int64_t *values = xcalloc(hits->count + 1, sizeof *values);
    size_t count = 0;
    for (size_t i = 0; i < hits->count; i++)
        if (span_knows(&hits->spans[i]->span, field))
            values[count++] = *(const int64_t *)span_field_const(&hits->spans[i]->span, field);
    qsort(values, count, sizeof *values, i64_cmp);
    if (count > 0) {
        double n = (double)count;
        size_t rank = MAX(count - (size_t)floor(n - q * n), (size_t)1);
        *ret = (double)values[rank - 1];
    }
    xfree(values);
    return count > 0;
}

static bool is_rollup(const struct span *span)
{
    return SPAN_KNOWS(span, rollup) && span->rollup;
}

static bool sum(const struct memory_hits *hits, enum field field, bool with_rollup, double *ret)
{
    long double total = 0;
    size_t count = 0;
    for (size_t i = 0; i < hits->count; i++) {
        const struct span *span = &hits->spans[i]->span;
        if (!span_knows(span, field) || (!with_rollup && is_rollup(span)))
            continue;
        total += (long double)*(const int64_t *)span_field_const(span, field);
        count++;
    }
    *ret = (double)(field == FIELD_latency_ns && count ? total / (long double)count : total);
    return count > 0;
}

static bool is_unpriced(const struct span *span)
{
    bool is_model = SPAN_KNOWS(span, step) &&
                    (str_equal_c(span->step, "model") || str_equal_c(span->step, "embedding"));
    return is_model && !is_rollup(span) && SPAN_KNOWS(span, cost_source) &&
           str_equal_c(span->cost_source, "unknown");
}

static int trace_id_cmp(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct id16));
}

static double count_of(const struct memory_hits *hits, enum store_metric metric)
{
    size_t count = 0;
    struct id16 *ids = xcalloc(hits->count + 1, sizeof *ids);
    for (size_t i = 0; i < hits->count; i++) {
        const struct span *span = &hits->spans[i]->span;
        ids[i] = span->trace_id;
        if (metric == STORE_COUNT ||
            (metric == STORE_ERRORS && SPAN_KNOWS(span, status) &&
             str_equal_c(span->status, "error")) ||
            (metric == STORE_UNPRICED && is_unpriced(span)))
            count++;
    }
    if (metric == STORE_TRACES) {
        qsort(ids, hits->count, sizeof *ids, trace_id_cmp);
        for (size_t i = 0; i < hits->count; i++)
            count += i == 0 || trace_id_cmp(&ids[i], &ids[i - 1]) != 0;
    }
    xfree(ids);
    return (double)count;
}

static bool metric_of(const struct memory_hits *hits, enum store_metric metric, double *ret)
{
    switch (metric) {
    case STORE_INPUT_TOKENS:
        return sum(hits, FIELD_input_tokens, false, ret);
    case STORE_OUTPUT_TOKENS:
        return sum(hits, FIELD_output_tokens, false, ret);
    case STORE_TOTAL_TOKENS:
        return sum(hits, FIELD_total_tokens, false, ret);
    case STORE_COST:
        return sum(hits, FIELD_cost_nanousd, false, ret);
    case STORE_LATENCY_AVG:
        return sum(hits, FIELD_latency_ns, true, ret);
    case STORE_LATENCY_P50:
        return percentile(hits, FIELD_latency_ns, 0.5, ret);
    case STORE_LATENCY_P95:
        return percentile(hits, FIELD_latency_ns, 0.95, ret);
    case STORE_LATENCY_P99:
        return percentile(hits, FIELD_latency_ns, 0.99, ret);
    case STORE_TTFT_P50:
        return percentile(hits, FIELD_ttft_ns, 0.5, ret);
    case STORE_TTFT_P95:
        return percentile(hits, FIELD_ttft_ns, 0.95, ret);
    case STORE_TTFT_P99:
        return percentile(hits, FIELD_ttft_ns, 0.99, ret);
    case STORE_COUNT:
    case STORE_ERRORS:
    case STORE_UNPRICED:
    case STORE_TRACES:
    case STORE_METRIC_COUNT:
        break;
    }
    *ret = count_of(hits, metric);
    return true;
}

static void group_answer(struct group *group, const struct store_aggregate *ask)
{
    struct store_group *answer = &group->answer;
    answer->bucket_ns = group->bucket_ns;
    for (uint32_t i = 0; i < ask->metric_count; i++)
        answer->known[i] = metric_of(&group->hits, ask->metrics[i], &answer->values[i]);
    const struct span *slowest = NULL;
    for (size_t i = 0; i < group->hits.count; i++) {
        const struct span *span = &group->hits.spans[i]->span;
        if (!slowest || (SPAN_KNOWS(span, latency_ns) && (!SPAN_KNOWS(slowest, latency_ns) ||
                                                          span->latency_ns > slowest->latency_ns)))
            slowest = span;
    }
    if (slowest)
        answer->exemplar_trace_id = slowest->trace_id;
}

static int group_cmp(const void *a, const void *b)
{
    const struct store_group *x = &((const struct group *)a)->answer;
    const struct store_group *y = &((const struct group *)b)->answer;
    if (x->bucket_ns != y->bucket_ns)
        return x->bucket_ns < y->bucket_ns ? -1 : 1;
    if (x->known[0] != y->known[0])
        return x->known[0] ? -1 : 1;
    return (x->values[0] < y->values[0]) - (x->values[0] > y->values[0]);
}

static void groups_fill(struct groups *groups, const struct memory_hits *hits,
                        const struct store_aggregate *ask, struct arena *scratch)
{
    for (size_t i = 0; i < hits->count; i++) {
        struct group like = { 0 };
        like.bucket_ns = bucket_of(hits->spans[i]->span.start_time, ask->step_ns);
        for (uint32_t b = 0; b < ask->by_count; b++)
            like.by[b] = by_text(scratch, hits->spans[i], ask, b);
        memory_hits_add(&group_get(groups, &like, ask->by_count)->hits, hits->spans[i]);
    }
    for (size_t i = 0; i < groups->count; i++)
        group_answer(&groups->items[i], ask);
    if (groups->count > 0)
        qsort(groups->items, groups->count, sizeof *groups->items, group_cmp);
}

static enum err groups_answer(const struct groups *groups, const struct store_aggregate *ask,
                              struct arena *arena, struct store_group **ret_groups,
                              size_t *ret_count, struct diag *reterr_why)
{
    size_t count = MIN(groups->count, (size_t)ask->limit);
    struct store_group *answer = arena_new(arena, struct store_group, count);
    bool whole = answer != NULL;
    for (size_t i = 0; i < count && whole; i++) {
        answer[i] = groups->items[i].answer;
        for (uint32_t b = 0; b < ask->by_count && whole; b++)
            if (!str_is_none(groups->items[i].by[b]))
                whole = !str_is_none(answer[i].by[b] = arena_str(arena, groups->items[i].by[b]));
    }
    if (!whole)
        return diag_set(reterr_why, ERR_LIMIT, "no room for the answer");
    *ret_groups = answer;
    *ret_count = count;
    return ERR_OK;
}

enum err memory_aggregate(struct store *store, const struct store_aggregate *ask,
                          struct arena *arena, struct store_group **ret_groups, size_t *ret_count,
                          struct diag *reterr_why)
{
    enum err code = aggregate_check(ask, reterr_why);
    if (code == ERR_OK)
        code = memory_deadline(&ask->scope, reterr_why);
    if (code != ERR_OK)
        return code;
    struct arena scratch;
    struct memory_hits hits;
    struct groups groups = { 0 };
    arena_init(&scratch, MEMORY_TRACE_BYTES_MAX);
    pthread_rwlock_rdlock(&store->lock);
    memory_select(store, &ask->scope, ask->filter, &hits);
    groups_fill(&groups, &hits, ask, &scratch);
    code = groups_answer(&groups, ask, arena, ret_groups, ret_count, reterr_why);
    pthread_rwlock_unlock(&store->lock);
    for (size_t i = 0; i < groups.count; i++)
        xfree(groups.items[i].hits.spans);
    xfree(groups.items);
    xfree(hits.spans);
    arena_clear(&scratch);
    return code;
}
