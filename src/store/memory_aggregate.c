/* memory_aggregate.c -- the groups of an aggregate in the reference store.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/memory_int.h"

#include <inttypes.h>

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

str memory_field_text(struct arena *arena, const struct span *span, enum field field)
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
        return memory_field_text(arena, &row->span, ask->by[index]);
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

static void group_answer(struct group *group, const struct memory_measures *measures,
                         struct arena *scratch)
{
    struct store_group *answer = &group->answer;
    answer->bucket_ns = group->bucket_ns;
    memcpy(answer->by, group->by, sizeof answer->by);
    for (uint32_t i = 0; i < measures->ask->measure_count; i++)
        answer->known[i] = memory_measure(measures, i, &group->hits, scratch, &answer->values[i]);
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
}

/* The groups that are wanted, sorted and cut.  xfree them. */
static struct store_group *groups_choose(struct groups *groups,
                                         const struct memory_measures *measures,
                                         struct arena *scratch, size_t *ret_count)
{
    struct store_group *answer = xcalloc(groups->count + 1, sizeof *answer);
    size_t count = 0;
    for (size_t i = 0; i < groups->count; i++) {
        group_answer(&groups->items[i], measures, scratch);
        if (group_is_wanted(measures->ask, &groups->items[i].answer))
            answer[count++] = groups->items[i].answer;
    }
    groups_sort(measures->ask, answer, count);
    *ret_count = MIN(count, (size_t)measures->ask->limit);
    return answer;
}

static enum err groups_copy(const struct store_group *groups, size_t count, struct arena *arena,
                            struct store_group **ret_groups, struct diag *reterr_why)
{
    struct store_group *answer = arena_new(arena, struct store_group, count);
    bool whole = answer != NULL;
    for (size_t i = 0; i < count && whole; i++) {
        answer[i] = groups[i];
        for (uint32_t b = 0; b < STORE_BY_MAX && whole; b++)
            if (!str_is_none(groups[i].by[b]))
                whole = !str_is_none(answer[i].by[b] = arena_str(arena, groups[i].by[b]));
    }
    if (!whole)
        return diag_set(reterr_why, ERR_LIMIT, "no room for the answer");
    *ret_groups = answer;
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
    struct memory_measures measures;
    struct store_group *chosen;
    arena_init(&scratch, MEMORY_TRACE_BYTES_MAX);
    if (ask->sources)
        ask->sources->tables |= STORE_FROM_SPANS;
    pthread_rwlock_rdlock(&store->lock);
    memory_select(store, &ask->scope, ask->filter, &hits);
    groups_fill(&groups, &hits, ask, &scratch);
    memory_measures_begin(store, ask, &measures);
    chosen = groups_choose(&groups, &measures, &scratch, ret_count);
    memory_measures_end(&measures);
    code = groups_copy(chosen, *ret_count, arena, ret_groups, reterr_why);
    pthread_rwlock_unlock(&store->lock);
    xfree(chosen);
    for (size_t i = 0; i < groups.count; i++)
        xfree(groups.items[i].hits.spans);
    xfree(groups.items);
    xfree(hits.spans);
    arena_clear(&scratch);
    return code;
}
