/* points.c -- metric points that senders sent: which there are, and numbers of them.
 *
 * They are apart from what is computed of spans, and never added to it.  They have no tenant: a
 * key that is bound to one sees none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "query/points.h"
#include "api/api_int.h"
#include "sys/clock.h"

API_HANDLER(api_list_metrics)
{
    const struct api_config *config = &job->worker->api->config;
    struct point_names_plan plan;
    struct store_point_name *names;
    size_t count;
    enum err err = query_plan_point_names(&job->arena, job->query, job->query_count, clock_now_ns(),
                                          &plan, reterr_why);
    if (err)
        return err;
    struct store_scope scope = api_scope(job);
    scope.range = plan.scope.range;
    err = config->store_ops->point_names(config->store, &scope, &job->arena, &names, &count,
                                         reterr_why);
    if (err)
        return err;
    return query_point_names_json(&job->body, &job->arena, &plan, names, count, reterr_why);
}

API_HANDLER(api_query_metric)
{
    const struct api_config *config = &job->worker->api->config;
    struct point_plan plan;
    struct point_answer answer;
    struct store_point *points;
    size_t count;
    enum err err = query_plan_points(&job->arena, job->query, job->query_count, clock_now_ns(),
                                     &plan, reterr_why);
    if (err)
        return err;
    struct time_range range = plan.ask.scope.range;
    plan.ask.scope = api_scope(job);
    plan.ask.scope.range = range;
    err = config->store_ops->points(config->store, &plan.ask, &job->arena, &points, &count,
                                    reterr_why);
    if (!err)
        err = query_points(&job->arena, &plan, points, count, &answer, reterr_why);
    if (!err)
        query_points_json(&job->body, &plan, &answer);
    return err;
}
