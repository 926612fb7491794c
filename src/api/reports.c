/* reports.c -- answers made of several questions: the three verdicts, conversations,
 * the dearest requests.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "api/api_int.h"
#include "query/conversation.h"
#include "query/expensive.h"
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

/* -- conversations -- */

static int64_t context_of(const void *arg, str provider, str model)
{
    return price_context(arg, provider, model);
}

static void scope_fill(const struct api_job *job, struct store_scope *scope)
{
    struct time_range range = scope->range;
    *scope = api_scope(job);
    scope->range = range;
}

static enum err ask_turns(struct api_job *job, struct conversation_ask *ask,
                          struct conversation_found *found, struct diag *why)
{
    const struct api_config *config = &job->worker->api->config;
    struct {
        struct store_list *list;
        const struct trace_row **rows;
        size_t *count;
    } lists[] = { { &ask->turns, &found->turns, &found->turn_count },
                  { &ask->refused, &found->refused, &found->refused_count },
                  { &ask->cut, &found->cut, &found->cut_count } };
    enum err err = ERR_OK;
    for (size_t i = 0; i < COUNT_OF(lists) && !err; i++) {
        struct trace_row *rows = NULL;
        scope_fill(job, &lists[i].list->scope);
        err = config->store_ops->traces(config->store, lists[i].list, &job->arena, &rows,
                                        lists[i].count, why);
        *lists[i].rows = rows;
    }
    return err;
}

static enum err ask_marks(struct api_job *job, struct conversation_ask *ask,
                          struct conversation_found *found, struct diag *why)
{
    const struct api_config *config = &job->worker->api->config;
    struct {
        struct store_scores *scores;
        const struct store_score **rows;
        size_t *count;
    } lists[] = { { &ask->votes, &found->votes, &found->vote_count },
                  { &ask->escalations, &found->escalations, &found->escalation_count },
                  { &ask->resolutions, &found->resolutions, &found->resolution_count } };
    enum err err = ERR_OK;
    for (size_t i = 0; i < COUNT_OF(lists) && !err; i++) {
        struct store_score *rows = NULL;
        scope_fill(job, &lists[i].scores->scope);
        err = config->store_ops->scores(config->store, lists[i].scores, &job->arena, &rows,
                                        lists[i].count, why);
        *lists[i].rows = rows;
    }
    return err;
}

static enum err ask_totals(struct api_job *job, struct conversation_ask *ask,
                           struct conversation_found *found, struct diag *why)
{
    struct store_group *totals = NULL, *hours = NULL, *inputs = NULL;
    enum err err = api_ask_groups(job, &ask->totals.ask, &totals, &found->total_count, why);
    if (!err && ask->hours.metric_count > 0)
        err = api_ask_groups(job, &ask->hours.ask, &hours, &found->hour_count, why);
    if (!err)
        err = api_ask_groups(job, &ask->inputs.ask, &inputs, &found->input_count, why);
    found->totals = totals;
    found->hours = hours;
    found->inputs = inputs;
    return err;
}

API_HANDLER(api_conversations)
{
    struct conversation_ask *ask = arena_new(&job->arena, struct conversation_ask, 1);
    struct conversation_found found = { .context_of = context_of,
                                        .context_arg = job->worker->api->config.prices };
    if (!ask)
        return ERR_LIMIT;
    enum err err = query_plan_conversations(&job->arena, job->query, job->query_count,
                                            clock_now_ns(), ask, reterr_why);
    if (!err)
        err = ask_totals(job, ask, &found, reterr_why);
    if (!err)
        err = ask_turns(job, ask, &found, reterr_why);
    if (!err)
        err = ask_marks(job, ask, &found, reterr_why);
    if (!err)
        err = query_conversations_json(&job->body, &job->arena, ask, &found, reterr_why);
    buf_add_char(&job->body, '\n');
    return err;
}

/* -- the dearest requests -- */

API_HANDLER(api_expensive)
{
    const struct api_config *config = &job->worker->api->config;
    struct expensive_ask *ask = arena_new(&job->arena, struct expensive_ask, 1);
    struct trace_row *traces;
    struct store_group *groups;
    size_t count, group_count;
    if (!ask)
        return ERR_LIMIT;
    enum err err = query_plan_expensive(&job->arena, job->query, job->query_count, clock_now_ns(),
                                        ask, reterr_why);
    if (err)
        return err;
    scope_fill(job, &ask->traces.scope);
    err = config->store_ops->traces(config->store, &ask->traces, &job->arena, &traces, &count,
                                    reterr_why);
    if (!err)
        err = api_ask_groups(job, &ask->totals.ask, &groups, &group_count, reterr_why);
    if (err)
        return err;
    buf_add_char(&job->body, '{');
    query_expensive_json(&job->body, ask, traces, count, group_count ? &groups[0] : NULL);
    buf_add_c(&job->body, "}\n");
    return ERR_OK;
}
