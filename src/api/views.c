/* views.c -- sessions and users as lists and one by one; tables of retrievers, prompts, models;
 * two versions compared.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "api/api_int.h"
#include "sys/clock.h"

enum { TURNS_MAX = 1000 };

static enum err answer_table(struct api_job *job, enum query_view view, struct diag *why)
{
    struct query_aggregate *plan = arena_new(&job->arena, struct query_aggregate, 1);
    struct query_answer answer;
    if (!plan)
        return ERR_LIMIT;
    enum err err = query_plan_table(&job->arena, view, job->query, job->query_count, clock_now_ns(),
                                    plan, why);
    if (!err)
        err = api_answer_groups(job, plan, &answer, why);
    if (err)
        return err;
    query_answer_json(&job->body, plan, &answer);
    buf_add_char(&job->body, '\n');
    return ERR_OK;
}

static enum err answer_list(struct api_job *job, enum query_view view, struct diag *why)
{
    struct query_aggregate *plan = arena_new(&job->arena, struct query_aggregate, 1);
    struct store_group *groups;
    size_t count;
    if (!plan)
        return ERR_LIMIT;
    enum err err =
        query_plan_keys(&job->arena, view, job->query, job->query_count, clock_now_ns(), plan, why);
    if (!err)
        err = api_ask_groups(job, &plan->ask, &groups, &count, why);
    if (err)
        return err;
    buf_add_c(&job->body, "{\"items\":[");
    for (size_t i = 0; i < count; i++) {
        buf_add_c(&job->body, i ? ",{" : "{");
        query_key_json(&job->body, plan, &groups[i]);
        buf_add_char(&job->body, '}');
    }
    buf_add_c(&job->body, "],\"next_cursor\":");
    str cursor = count == plan->ask.limit
                     ? query_cursor_of_group(&job->arena, plan, &groups[count - 1])
                     : STR_NONE;
    if (str_is_none(cursor))
        buf_add_c(&job->body, "null");
    else
        buf_add_json_str(&job->body, cursor);
    buf_add_c(&job->body, "}\n");
    return ERR_OK;
}

/* The newest traces of one key, oldest of them first. */
static enum err ask_turns(struct api_job *job, const struct query_aggregate *plan, str key,
                          struct trace_row **ret_turns, size_t *ret_count, struct diag *why)
{
    const struct api_config *config = &job->worker->api->config;
    struct filter *is_key = arena_new(&job->arena, struct filter, 1);
    if (!is_key)
        return ERR_LIMIT;
    *is_key = (struct filter){ .op = FILTER_EQ, .field = plan->ask.by[0], .value = value_str(key) };
    struct store_list list = {
        .scope = plan->ask.scope, .filter = is_key, .sort = STORE_SORT_START, .limit = TURNS_MAX
    };
    enum err err =
        config->store_ops->traces(config->store, &list, &job->arena, ret_turns, ret_count, why);
    for (size_t i = 0; !err && i < *ret_count / 2; i++) {
        struct trace_row row = (*ret_turns)[i];
        (*ret_turns)[i] = (*ret_turns)[*ret_count - 1 - i];
        (*ret_turns)[*ret_count - 1 - i] = row;
    }
    return err;
}

static enum err answer_key(struct api_job *job, enum query_view view, const char *turns,
                           struct diag *why)
{
    struct query_aggregate *plan = arena_new(&job->arena, struct query_aggregate, 1);
    struct store_group *groups;
    struct trace_row *traces = NULL;
    size_t count, trace_count = 0;
    const struct query_key of = { view, job->params[0] };
    if (!plan)
        return ERR_LIMIT;
    enum err err =
        query_plan_key(&job->arena, &of, job->query, job->query_count, clock_now_ns(), plan, why);
    if (!err)
        err = api_ask_groups(job, &plan->ask, &groups, &count, why);
    if (!err && count == 0) {
        (void)diag_set(why, ERR_NOT_FOUND, "nothing of that id in this range");
        (void)diag_hint(why, "the default range is the last 90 days: 'from' and 'to' change it");
        err = ERR_NOT_FOUND;
    }
    if (!err)
        err = ask_turns(job, plan, of.key, &traces, &trace_count, why);
    if (err)
        return err;
    buf_add_char(&job->body, '{');
    query_key_json(&job->body, plan, &groups[0]);
    buf_printf(&job->body, ",\"%s\":[", turns);
    for (size_t i = 0; i < trace_count; i++) {
        buf_add_c(&job->body, i ? "," : "");
        query_trace_json(&job->body, &traces[i]);
    }
    buf_add_c(&job->body, "]}\n");
    return ERR_OK;
}

API_HANDLER(api_list_sessions)
{
    return answer_list(job, QUERY_VIEW_SESSIONS, reterr_why);
}

API_HANDLER(api_get_session)
{
    return answer_key(job, QUERY_VIEW_SESSIONS, "traces", reterr_why);
}

API_HANDLER(api_list_users)
{
    return answer_list(job, QUERY_VIEW_USERS, reterr_why);
}

API_HANDLER(api_get_user)
{
    return answer_key(job, QUERY_VIEW_USERS, "latest_traces", reterr_why);
}

API_HANDLER(api_retrieval)
{
    return answer_table(job, QUERY_VIEW_RETRIEVAL, reterr_why);
}

API_HANDLER(api_prompts)
{
    return answer_table(job, QUERY_VIEW_PROMPTS, reterr_why);
}

API_HANDLER(api_models)
{
    return answer_table(job, QUERY_VIEW_MODELS, reterr_why);
}

API_HANDLER(api_compare)
{
    struct query_compare_plan *plan = arena_new(&job->arena, struct query_compare_plan, 1);
    struct store_group *groups;
    size_t count;
    if (!plan)
        return ERR_LIMIT;
    enum err err = query_plan_compare(&job->arena, job->query, job->query_count, clock_now_ns(),
                                      plan, reterr_why);
    if (!err)
        err = api_ask_groups(job, &plan->groups.ask, &groups, &count, reterr_why);
    if (err)
        return err;
    query_compare_json(&job->body, plan, groups, count);
    buf_add_char(&job->body, '\n');
    return ERR_OK;
}
