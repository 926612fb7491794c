/* changes.c -- GET /api/v1/changes: what explains that a number changed.
 *
 * Two questions for the whole, two for each four dimensions (or for each, where numbers do not add
 * up); for a dimension that the spans in question do not have, two for its values in traces and two
 * for each value whose share changed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "query/changes.h"
#include "api/api_int.h"
#include "sys/clock.h"

#include <math.h>
#include <stdlib.h>

static enum err ask_one(struct api_job *job, struct store_aggregate *ask, int period,
                        struct change_groups *both, struct diag *why)
{
    struct store_group *groups = NULL;
    enum err err = api_ask_groups(job, ask, &groups, &both->counts[period], why);
    both->groups[period] = both->counts[period] ? groups : NULL;
    return err;
}

/* -- a dimension that is looked up in the trace -- */

struct traced {
    str value;
    double share[2];
};

static int moved_cmp(const void *a, const void *b)
{
    const struct traced *x = a, *y = b;
    double order = fabs(y->share[1] - y->share[0]) - fabs(x->share[1] - x->share[0]);
    return order < 0 ? -1 : order > 0;
}

static size_t traced_values(const struct change_groups *both, struct traced *ret_values)
{
    size_t count = 0;
    for (int period = 0; period < 2; period++) {
        double sum = 0;
        for (size_t i = 0; i < both->counts[period]; i++)
            sum += both->groups[period][i].values[0];
        for (size_t i = 0; i < both->counts[period]; i++) {
            size_t at = 0;
            while (at < count && !str_equal(ret_values[at].value, both->groups[period][i].by[0]))
                at++;
            if (at == count)
                ret_values[count++] = (struct traced){ .value = both->groups[period][i].by[0] };
            ret_values[at].share[period] = both->groups[period][i].values[0] / sum;
        }
    }
    if (count > 0)
        qsort(ret_values, count, sizeof *ret_values, moved_cmp);
    return count;
}

/* What no value has is the last one. */
static void rest_make(const struct changes *changes, struct change *change)
{
    struct change_value *rest = &change->values[change->count++];
    *rest = (struct change_value){ .value = STR_NONE };
    for (int period = 0; period < 2; period++) {
        rest->top[period] = changes->top[period];
        rest->bottom[period] = changes->bottom[period];
        for (size_t i = 0; i + 1 < change->count; i++) {
            rest->top[period] -= change->values[i].top[period];
            rest->bottom[period] -= change->values[i].bottom[period];
        }
    }
}

static enum err ask_traced(struct api_job *job, const struct changes *changes,
                           struct change *change, struct diag *why)
{
    struct store_aggregate *ask = arena_new(&job->arena, struct store_aggregate, 1);
    struct traced *values = arena_new(&job->arena, struct traced, 2 * (size_t)CHANGES_VALUES_MAX);
    struct change_groups both = { .counts = { 0, 0 } };
    enum err err = ERR_OK;
    change->values = arena_new(&job->arena, struct change_value, CHANGES_TRACED_MAX + 1);
    change->count = 0;
    change->is_traced = true;
    if (!ask || !values || !change->values)
        return ERR_LIMIT;
    for (int period = 0; period < 2 && !err; period++) {
        changes_plan_traced(changes->plan, change->dimension, period == 0, ask);
        err = ask_one(job, ask, period, &both, why);
    }
    if (err)
        return err;
    size_t count = traced_values(&both, values);
    if (count == 0 || !(fabs(values[0].share[1] - values[0].share[0]) > 0))
        return ERR_OK; /* as it was */
    for (size_t i = 0; i < MIN(count, (size_t)CHANGES_TRACED_MAX) && !err; i++) {
        struct change_groups one = { .counts = { 0, 0 } };
        for (int period = 0; period < 2 && !err; period++) {
            err = changes_plan_value(&job->arena, changes->plan, change->dimension, values[i].value,
                                     period == 0, ask);
            if (!err)
                err = ask_one(job, ask, period, &one, why);
        }
        change->values[i].value = values[i].value;
        change->count = i + 1;
        changes_value(changes, one.groups[0], one.groups[1], &change->values[i]);
    }
    rest_make(changes, change);
    return err;
}

/* -- all -- */

/* One dimension of groups by several. */
static enum err add_dimension(struct api_job *job, struct changes *changes,
                              enum change_dimension dimension, const struct change_groups *groups,
                              uint32_t place, struct diag *why)
{
    struct change change = { .dimension = dimension };
    enum err err = changes_values(&job->arena, changes, groups, place, &change);
    if (!err && !changes_is_known(&change))
        err = ask_traced(job, changes, &change, why);
    if (!err)
        changes_add(changes, &change);
    return err;
}

static enum err ask_dimension(struct api_job *job, struct changes *changes,
                              enum change_dimension dimension, struct diag *why)
{
    struct store_aggregate *ask = arena_new(&job->arena, struct store_aggregate, 1);
    struct change_groups both = { .counts = { 0, 0 } };
    enum err err = ask ? ERR_OK : ERR_LIMIT;
    for (int period = 0; period < 2 && !err; period++) {
        changes_plan_dimension(changes->plan, dimension, period == 0, ask);
        err = ask_one(job, ask, period, &both, why);
    }
    return err ? err : add_dimension(job, changes, dimension, &both, 0, why);
}

/* Some dimensions from `first` on, in one question where that is possible. */
static enum err ask_dimensions(struct api_job *job, struct changes *changes, int first,
                               struct diag *why)
{
    struct store_aggregate *ask = arena_new(&job->arena, struct store_aggregate, 1);
    struct change_groups both = { .counts = { 0, 0 } };
    bool folds = changes_can_fold(changes->plan);
    int end = MIN(first + STORE_BY_MAX, (int)CHANGE_COUNT);
    enum err err = ask ? ERR_OK : ERR_LIMIT;
    for (int period = 0; period < 2 && !err && folds; period++) {
        changes_plan_fold(changes->plan, (enum change_dimension)first, period == 0, ask);
        err = ask_one(job, ask, period, &both, why);
        folds = both.counts[period] < CHANGES_GROUPS_MAX;
    }
    for (int i = first; i < end && !err; i++)
        err = folds ? add_dimension(job, changes, (enum change_dimension)i, &both,
                                    (uint32_t)(i - first), why)
                    : ask_dimension(job, changes, (enum change_dimension)i, why);
    return err;
}

static enum err ask_cost(struct api_job *job, const struct query_aggregate *plan, struct diag *why)
{
    struct query_aggregate *cost = arena_new(&job->arena, struct query_aggregate, 1);
    struct store_aggregate *ask = arena_new(&job->arena, struct store_aggregate, 1);
    struct cost_model *models =
        arena_new(&job->arena, struct cost_model, 4 * (size_t)QUERY_LIMIT_MAX);
    int64_t parts[COST_PART_COUNT];
    size_t count = 0;
    enum err err = cost && ask && models ? ERR_OK : ERR_LIMIT;
    for (int repeat = 0; repeat < 2 && !err; repeat++) {
        struct change_groups both = { .counts = { 0, 0 } };
        err = cost_plan(&job->arena, plan, job->query, job->query_count, repeat != 0, cost, why);
        for (int period = 0; period < 2 && !err; period++) {
            *ask = cost->ask;
            if (period == 0)
                ask->scope.range = cost->baseline_range;
            err = ask_one(job, ask, period, &both, why);
            if (!err)
                cost_models_add(models, &count, both.groups[period], both.counts[period],
                                repeat != 0, period);
        }
    }
    if (err)
        return err;
    cost_parts(models, count, parts);
    query_cost_parts_json(&job->body, parts);
    return ERR_OK;
}

static enum err ask_whole(struct api_job *job, struct query_aggregate *plan,
                          struct changes *changes, struct diag *why)
{
    struct query_answer answer;
    struct store_aggregate *before = arena_new(&job->arena, struct store_aggregate, 1);
    struct change_groups both = { .counts = { 0, 0 } };
    if (!before)
        return ERR_LIMIT;
    enum err err = api_answer_groups(job, plan, &answer, why); /* splits the range, if asked to */
    if (!err) {
        *before = plan->ask;
        before->scope.range = plan->baseline_range;
        err = ask_one(job, before, 0, &both, why);
    }
    if (!err)
        changes_begin(changes, plan, both.groups[0], answer.count ? &answer.groups[0] : NULL);
    return err;
}

API_HANDLER(api_changes)
{
    struct query_aggregate *plan = arena_new(&job->arena, struct query_aggregate, 1);
    struct changes *changes = arena_new(&job->arena, struct changes, 1);
    if (!plan || !changes)
        return ERR_LIMIT;
    enum err err = query_plan_changes(&job->arena, job->query, job->query_count, clock_now_ns(),
                                      plan, reterr_why);
    if (!err)
        err = ask_whole(job, plan, changes, reterr_why);
    for (int i = 0; i < CHANGE_COUNT && !err; i += STORE_BY_MAX)
        err = ask_dimensions(job, changes, i, reterr_why);
    if (err)
        return err;
    changes_rank(changes);
    buf_add_char(&job->body, '{');
    query_changes_json(&job->body, &job->arena, changes);
    if (str_equal_c(plan->metrics[0].name, "cost"))
        err = ask_cost(job, plan, reterr_why);
    buf_add_c(&job->body, "}\n");
    return err;
}
