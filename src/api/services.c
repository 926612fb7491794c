/* services.c -- the service map of a range, and of one trace.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "query/services.h"
#include "api/api_int.h"
#include "sys/clock.h"

static enum err ask_calls(struct api_job *job, const struct services_ask *ask,
                          struct services *services, struct diag *why)
{
    struct store_aggregate *calls = arena_new(&job->arena, struct store_aggregate, 1);
    enum err err = calls ? ERR_OK : ERR_LIMIT;
    for (size_t first = 0; first < services->node_count && !err; first += SERVICES_ASKED_MAX) {
        struct store_group *groups;
        size_t count;
        err = services_plan_calls(&job->arena, ask, services, first, calls);
        if (!err)
            err = api_ask_groups(job, calls, &groups, &count, why);
        if (!err)
            services_add_calls(services, first, groups, count);
    }
    return err;
}

API_HANDLER(api_services)
{
    struct services_ask *ask = arena_new(&job->arena, struct services_ask, 1);
    struct services services;
    struct store_group *groups;
    size_t count;
    if (!ask)
        return ERR_LIMIT;
    enum err err = query_plan_services(&job->arena, job->query, job->query_count, clock_now_ns(),
                                       ask, reterr_why);
    if (!err)
        err = services_init(&services, &job->arena, reterr_why);
    if (!err)
        err = api_ask_groups(job, &ask->nodes.ask, &groups, &count, reterr_why);
    if (err)
        return err;
    services_add_nodes(&services, ask, groups, count);
    if (services.node_count > 1) /* one alone calls no other */
        err = ask_calls(job, ask, &services, reterr_why);
    if (!err)
        err = api_ask_groups(job, &ask->peers.ask, &groups, &count, reterr_why);
    if (err)
        return err;
    services_add_peers(&services, ask, groups, count);
    buf_add_char(&job->body, '{');
    query_services_json(&job->body, &services);
    report_range(&job->body, "range", &ask->nodes.ask.scope.range);
    buf_add_c(&job->body, "}\n");
    return ERR_OK;
}

API_HANDLER(api_get_trace_services)
{
    struct trace_row *trace;
    struct services services;
    struct store_span *spans;
    size_t count;
    enum err err = query_params_check(job->query, job->query_count, NULL, 0, reterr_why);
    if (!err)
        err = api_find_trace(job, job->params[0], &trace, reterr_why);
    if (!err)
        err = services_init(&services, &job->arena, reterr_why);
    if (!err)
        err = api_trace_spans(job, trace, &spans, &count, reterr_why);
    if (!err)
        err = services_of_spans(&services, spans, count, reterr_why);
    if (err)
        return err;
    buf_add_char(&job->body, '{');
    report_trace_id(&job->body, "trace_id", trace->trace_id);
    query_services_json(&job->body, &services);
    buf_add_c(&job->body, "}\n");
    return ERR_OK;
}
