/* steps.c -- where the time went: of one trace, and of a range.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "query/steps.h"
#include "api/api_int.h"
#include "sys/clock.h"

API_HANDLER(api_get_trace_steps)
{
    struct trace_row *trace;
    struct store_span *spans;
    struct steps *steps = arena_new(&job->arena, struct steps, 1);
    size_t count;
    if (!steps)
        return ERR_LIMIT;
    enum err err = query_params_check(job->query, job->query_count, NULL, 0, reterr_why);
    if (!err)
        err = api_find_trace(job, job->params[0], &trace, reterr_why);
    if (!err)
        err = api_trace_spans(job, trace, &spans, &count, reterr_why);
    if (!err)
        err = steps_of_spans(&job->arena, spans, count, steps, reterr_why);
    if (err)
        return err;
    buf_add_char(&job->body, '{');
    report_trace_id(&job->body, "trace_id", trace->trace_id);
    report_bool(&job->body, "truncated", count < trace->span_count);
    query_trace_steps_json(&job->body, steps, spans, count);
    buf_add_c(&job->body, "}\n");
    return ERR_OK;
}

API_HANDLER(api_steps)
{
    struct query_aggregate *plan = arena_new(&job->arena, struct query_aggregate, 1);
    struct store_group *groups;
    size_t count;
    if (!plan)
        return ERR_LIMIT;
    enum err err = query_plan_steps(&job->arena, job->query, job->query_count, clock_now_ns(), plan,
                                    reterr_why);
    if (!err)
        err = api_ask_groups(job, &plan->ask, &groups, &count, reterr_why);
    if (err)
        return err;
    buf_add_char(&job->body, '{');
    query_steps_json(&job->body, plan, groups, count);
    buf_add_c(&job->body, "}\n");
    return ERR_OK;
}
