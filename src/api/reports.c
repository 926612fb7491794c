/* reports.c -- answers made of several questions: the three verdicts.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "api/api_int.h"
#include "query/verdict.h"
#include "sys/clock.h"

API_HANDLER(api_verdicts)
{
    const struct api_config *config = &job->worker->api->config;
    struct query_aggregate *plan = arena_new(&job->arena, struct query_aggregate, 1);
    struct query_answer answer;
    if (!plan)
        return ERR_LIMIT;
    enum err err = query_plan_verdicts(&job->arena, job->query, job->query_count, clock_now_ns(),
                                       plan, reterr_why);
    if (!err)
        err = api_answer_groups(job, plan, &answer, reterr_why);
    if (err)
        return err;
    struct verdicts_found found = {
        .plan = plan,
        .baseline_ask = answer.baseline_ask,
        .now = answer.count ? &answer.groups[0] : NULL,
        .before = answer.count ? answer.baselines[0] : NULL,
        .objectives = { config->objective_latency_ns, config->objective_cost_usd,
                        config->objective_quality },
        .q = query_param_find(job->query, job->query_count, STR_OF("q")),
    };
    err = query_verdicts_json(&job->body, &job->arena, &found, reterr_why);
    buf_add_char(&job->body, '\n');
    return err;
}
