/* memory_scores.c -- scores in the reference store: a list, newest first when asked.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/memory_int.h"

#include <stdlib.h>

static void score_free(struct memory_score *score)
{
    arena_clear(&score->arena);
}

void memory_scores_clear(struct store *store)
{
    for (size_t i = 0; i < store->score_count; i++)
        score_free(&store->scores[i]);
    xfree(store->scores);
}

static bool score_copy(struct arena *arena, const struct store_score *from,
                       struct store_score *ret_score)
{
    str *texts[SCORE_TEXTS];
    *ret_score = *from;
    ret_score->score.attrs = NULL;
    ret_score->score.attr_count = 0;
    score_texts(&ret_score->score, texts);
    for (size_t i = 0; i < SCORE_TEXTS; i++)
        if (!str_is_none(*texts[i]) && str_is_none(*texts[i] = arena_str(arena, *texts[i])))
            return false;
    ret_score->score.name = arena_str(arena, from->score.name);
    if (!str_is_none(from->attrs_json))
        ret_score->attrs_json = arena_str(arena, from->attrs_json);
    return !str_is_none(ret_score->score.name);
}

enum err memory_score_put(struct store *store, str project, const struct score *score,
                          struct diag *reterr_why)
{
    struct memory_score put = { 0 };
    const struct store_score row = { .score = *score, .attrs_json = STR_NONE };
    arena_init(&put.arena, MEMORY_TRACE_BYTES_MAX);
    put.project = arena_str(&put.arena, project);
    if (!score_copy(&put.arena, &row, &put.row)) {
        arena_clear(&put.arena);
        return diag_set(reterr_why, ERR_LIMIT, "no room for a score");
    }
    put.row.attrs_json = memory_attrs_text(&put.arena, score->attrs, score->attr_count);
    for (size_t i = 0; i < store->score_count; i++) {
        struct memory_score *old = &store->scores[i];
        if (memcmp(&old->row.score.score_id, &score->score_id, sizeof score->score_id) != 0 ||
            !str_equal(old->project, project))
            continue;
        score_free(old);
        *old = put;
        return ERR_OK;
    }
    if (store->score_count == store->score_capacity) {
        store->score_capacity = MAX(store->score_capacity * 2, (size_t)64);
        store->scores = xrealloc(store->scores, store->score_capacity * sizeof *store->scores);
    }
    store->scores[store->score_count++] = put;
    return ERR_OK;
}

/* Newest first, ties by id. */
static int score_cmp(const struct score *a, const struct score *b)
{
    if (a->time_ns != b->time_ns)
        return a->time_ns > b->time_ns ? -1 : 1;
    return memcmp(&a->score_id, &b->score_id, sizeof a->score_id);
}

static int row_cmp(const void *a, const void *b)
{
    return score_cmp(&((const struct store_score *)a)->score,
                     &((const struct store_score *)b)->score);
}

static bool text_is(str wanted, str text)
{
    return str_is_none(wanted) || (!str_is_none(text) && str_equal(wanted, text));
}

static bool is_of_trace(const struct store_scores *ask, const struct score *score)
{
    if (!ask->has_trace_id)
        return true;
    if (score->has_trace_id)
        return memcmp(&ask->trace_id, &score->trace_id, sizeof ask->trace_id) == 0;
    for (size_t i = 0; i < ask->response_id_count; i++)
        if (text_is(ask->response_ids[i], score->response_id))
            return true;
    for (size_t i = 0; i < ask->span_id_count && score->has_span_id; i++)
        if (memcmp(&ask->span_ids[i], &score->span_id, sizeof score->span_id) == 0)
            return true;
    return false;
}

/* A tenant sees what its keys gave, and what is said of a trace of its own. */
static bool is_visible(const struct store_scores *ask, const struct memory_score *row,
                       bool sees_trace)
{
    const struct score *score = &row->row.score;
    bool is_own = !str_is_none(score->tenant_id) && str_equal(score->tenant_id, ask->scope.tenant);
    return str_equal(row->project, ask->scope.project) &&
           (str_is_none(ask->scope.tenant) || is_own || (ask->has_trace_id && sees_trace));
}

static bool is_in_place(const struct store_scores *ask, const struct score *score)
{
    const struct score after = { .time_ns = ask->after_time_ns, .score_id = ask->after_id };
    return score->time_ns >= ask->scope.range.from_ns && score->time_ns < ask->scope.range.to_ns &&
           (!ask->has_after || score_cmp(score, &after) > 0);
}

static bool is_asked(const struct store_scores *ask, const struct score *score)
{
    bool is_of_span =
        score->has_span_id && memcmp(&ask->span_id, &score->span_id, sizeof ask->span_id) == 0;
    uint32_t sources = ask->sources ? ask->sources : SCORE_SOURCES_OF_ANSWERS;
    bool is_it =
        !ask->has_score_id || memcmp(&ask->score_id, &score->score_id, sizeof ask->score_id) == 0;
    return is_it && is_in_place(ask, score) && is_of_trace(ask, score) &&
           (!ask->has_span_id || is_of_span) && text_is(ask->session_id, score->session_id) &&
           text_is(ask->name, score->name) && (sources >> score->source & 1);
}

static enum err scores_collect(struct store *store, const struct store_scores *ask,
                               struct arena *arena, struct store_score **ret_scores,
                               size_t *ret_count)
{
    struct store_score *scores = arena_new(arena, struct store_score, store->score_count + 1);
    bool sees_trace =
        ask->has_trace_id && memory_trace_is_visible(store, &ask->scope, ask->trace_id);
    size_t count = 0;
    if (!scores)
        return ERR_LIMIT;
    for (size_t i = 0; i < store->score_count; i++)
        if (is_visible(ask, &store->scores[i], sees_trace) &&
            is_asked(ask, &store->scores[i].row.score) &&
            !score_copy(arena, &store->scores[i].row, &scores[count++]))
            return ERR_LIMIT;
    qsort(scores, count, sizeof *scores, row_cmp);
    *ret_scores = scores;
    *ret_count = MIN(count, (size_t)ask->limit);
    return ERR_OK;
}

enum err memory_scores(struct store *store, const struct store_scores *ask, struct arena *arena,
                       struct store_score **ret_scores, size_t *ret_count, struct diag *reterr_why)
{
    pthread_rwlock_rdlock(&store->lock);
    enum err code = scores_collect(store, ask, arena, ret_scores, ret_count);
    pthread_rwlock_unlock(&store->lock);
    return code == ERR_OK ? ERR_OK : diag_set(reterr_why, code, "no room for the scores");
}
