/* aggregate.c -- GET /api/v1/aggregate: its one to four questions to the store, put together.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "api/api_int.h"
#include "sys/clock.h"

#include <stdlib.h>

enum {
    TIME_OFF_NS = 512, /* of a time that was a double for a while */
    MARKERS_MAX = 200, /* the newest */
};

enum err api_ask_groups(struct api_job *job, struct store_aggregate *ask,
                        struct store_group **ret_groups, size_t *ret_count, struct diag *reterr_why)
{
    const struct api_config *config = &job->worker->api->config;
    ask->scope.project = job->who.project;
    ask->scope.tenant = job->who.tenant;
    ask->scope.deadline_ns = job->deadline_ns;
    *ret_count = 0;
    return config->store_ops->aggregate(config->store, ask, &job->arena, ret_groups, ret_count,
                                        reterr_why);
}

static struct store_aggregate *ask_new(struct api_job *job)
{
    return arena_new(&job->arena, struct store_aggregate, 1);
}

/* compare=release:1.5: since when are there spans of it? */
static enum err split_at_first(struct api_job *job, struct query_aggregate *plan, struct diag *why)
{
    struct store_aggregate *ask = ask_new(job);
    struct store_group *groups;
    size_t count;
    if (!ask)
        return ERR_LIMIT;
    query_plan_since(plan, ask);
    enum err err = api_ask_groups(job, ask, &groups, &count, why);
    if (err)
        return err;
    if (count == 0 || !groups[0].known[0]) {
        (void)diag_set(why, ERR_NOT_FOUND, "compare: no span of this range has that value");
        (void)diag_hint(why, "take a longer range with 'from'");
        return ERR_NOT_FOUND;
    }
    query_plan_split(plan, (int64_t)groups[0].values[0] - TIME_OFF_NS);
    return ERR_OK;
}

/* -- the largest groups and the rest -- */

static enum err ask_top(struct api_job *job, struct query_aggregate *plan,
                        struct query_answer *answer, struct diag *why)
{
    struct store_aggregate *largest = ask_new(job), *series = ask_new(job), *rest = ask_new(job);
    struct store_group *groups, *others = NULL;
    if (!largest || !series || !rest)
        return ERR_LIMIT;
    *largest = plan->ask;
    largest->step_ns = 0;
    largest->limit = plan->top;
    enum err err = api_ask_groups(job, largest, &groups, &answer->count, why);
    answer->groups = groups;
    answer->ask = &plan->ask;
    if (err || answer->count == 0)
        return err;
    err = query_plan_top(&job->arena, plan, groups, answer->count, true, rest);
    if (!err && plan->ask.step_ns > 0)
        err = query_plan_top(&job->arena, plan, groups, answer->count, false, series);
    if (!err)
        err = api_ask_groups(job, rest, &others, &answer->other_count, why);
    answer->others = others;
    if (!err && plan->ask.step_ns > 0) {
        err = api_ask_groups(job, series, &groups, &answer->count, why);
        answer->groups = groups;
    }
    return err;
}

/* -- what it is compared with -- */

static int group_key_cmp(const struct store_group *a, int64_t a_bucket, const struct store_group *b)
{
    if (a_bucket != b->bucket_ns)
        return a_bucket < b->bucket_ns ? -1 : 1;
    for (int i = 0; i < STORE_BY_MAX; i++) {
        if (str_is_none(a->by[i]) != str_is_none(b->by[i]))
            return str_is_none(a->by[i]) ? -1 : 1;
        int order = str_is_none(a->by[i]) ? 0 : str_cmp(a->by[i], b->by[i]);
        if (order)
            return order;
    }
    return 0;
}

static int by_key(const void *a, const void *b)
{
    const struct store_group *left = a;
    return group_key_cmp(left, left->bucket_ns, b);
}

static const struct store_group *find_group(const struct store_group *groups, size_t count,
                                            const struct store_group *like, int64_t bucket)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = group_key_cmp(like, bucket, &groups[middle]);
        if (order == 0)
            return &groups[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* How much earlier a step's counterpart is: the distance of the ranges, in whole steps. */
static int64_t shift_of(const struct query_aggregate *plan)
{
    int64_t step = plan->ask.step_ns;
    if (step <= 0 || plan->compare != QUERY_COMPARE_RANGE)
        return 0;
    int64_t apart;
    if (ADD_OVERFLOWS(plan->ask.scope.range.from_ns, -plan->baseline_range.from_ns, &apart))
        return 0;
    return apart / step * step;
}

static enum err ask_baseline(struct api_job *job, struct query_aggregate *plan,
                             struct query_answer *answer, struct diag *why)
{
    struct store_aggregate *ask = ask_new(job);
    struct store_group *groups;
    size_t count;
    const struct store_group **found =
        arena_new(&job->arena, const struct store_group *, answer->count + 1);
    if (!ask || !found)
        return ERR_LIMIT;
    query_plan_baseline(plan, ask);
    enum err err = api_ask_groups(job, ask, &groups, &count, why);
    if (err)
        return err;
    if (count > 0)
        qsort(groups, count, sizeof *groups, by_key);
    int64_t shift = shift_of(plan);
    for (size_t i = 0; i < answer->count; i++)
        found[i] = find_group(groups, count, &answer->groups[i],
                              plan->ask.step_ns > 0 ? answer->groups[i].bucket_ns - shift : 0);
    answer->baseline_ask = ask;
    answer->baselines = found;
    return ERR_OK;
}

static enum err ask_projection(struct api_job *job, struct query_aggregate *plan,
                               struct query_answer *answer, struct diag *why)
{
    struct store_aggregate *ask = ask_new(job);
    struct query_projection *projections =
        arena_new(&job->arena, struct query_projection, QUERY_METRICS_MAX);
    struct store_group *days;
    size_t count;
    if (!ask || !projections)
        return ERR_LIMIT;
    query_plan_days(plan, ask);
    enum err err = api_ask_groups(job, ask, &days, &count, why);
    for (uint32_t i = 0; i < plan->metric_count && !err; i++)
        query_project_metric(plan, days, count, i, &projections[i]);
    answer->projections = projections;
    return err;
}

/* The vertical lines of a chart. */
static enum err ask_markers(struct api_job *job, const struct query_aggregate *plan,
                            struct query_answer *answer, struct diag *why)
{
    const struct api_config *config = &job->worker->api->config;
    struct store_scores ask = { .scope = api_scope(job),
                                .session_id = STR_NONE,
                                .name = STR_NONE,
                                .sources = 1U << SCORE_IS_DEPLOY,
                                .limit = MARKERS_MAX };
    struct store_score *markers;
    ask.scope.range = plan->ask.scope.range;
    enum err err = config->store_ops->scores(config->store, &ask, &job->arena, &markers,
                                             &answer->marker_count, why);
    answer->markers = markers;
    return err;
}

enum err api_answer_groups(struct api_job *job, struct query_aggregate *plan,
                           struct query_answer *ret_answer, struct diag *reterr_why)
{
    struct store_group *groups;
    enum err err = ERR_OK;
    *ret_answer = (struct query_answer){ .ask = &plan->ask };
    if (plan->compare == QUERY_COMPARE_SINCE)
        err = split_at_first(job, plan, reterr_why);
    if (!err && plan->top) {
        err = ask_top(job, plan, ret_answer, reterr_why);
    } else if (!err) {
        err = api_ask_groups(job, &plan->ask, &groups, &ret_answer->count, reterr_why);
        ret_answer->groups = groups;
    }
    if (!err && plan->compare != QUERY_COMPARE_NONE)
        err = ask_baseline(job, plan, ret_answer, reterr_why);
    if (!err && plan->projection)
        err = ask_projection(job, plan, ret_answer, reterr_why);
    if (!err && plan->ask.step_ns > 0)
        err = ask_markers(job, plan, ret_answer, reterr_why);
    return err;
}

API_HANDLER(api_aggregate)
{
    struct query_aggregate *plan = arena_new(&job->arena, struct query_aggregate, 1);
    struct query_answer answer;
    if (!plan)
        return ERR_LIMIT;
    enum err err = query_plan_aggregate(&job->arena, job->query, job->query_count, clock_now_ns(),
                                        plan, reterr_why);
    if (!err)
        err = api_answer_groups(job, plan, &answer, reterr_why);
    if (err)
        return err;
    query_answer_json(&job->body, plan, &answer);
    buf_add_char(&job->body, '\n');
    return ERR_OK;
}
