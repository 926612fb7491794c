/* instrumentation.c -- what the telemetry says and what it leaves out: "Instrumentation health".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "query/instrumentation.h"
#include "api/api_int.h"
#include "norm/unmapped.h"
#include "sys/clock.h"

static void scope_fill(const struct api_job *job, struct store_scope *scope)
{
    struct time_range range = scope->range;
    *scope = api_scope(job);
    scope->range = range;
}

static enum err store_ask(struct api_job *job, struct instrumentation_ask *ask,
                          struct instrumentation_found *found, struct diag *why)
{
    const struct api_config *config = &job->worker->api->config;
    const struct store_ops *ops = config->store_ops;
    struct store_share_group *calls = NULL, *traces = NULL;
    struct store_group *spans = NULL, *emitters = NULL;
    struct store_log_count *logs = NULL;
    struct store_scope *const scopes[] = { &ask->calls.scope, &ask->traces.scope, &ask->spans.scope,
                                           &ask->emitters.scope };
    for (size_t i = 0; i < COUNT_OF(scopes); i++)
        scope_fill(job, scopes[i]);
    enum err err =
        ops->shares(config->store, &ask->calls, &job->arena, &calls, &found->call_groups, why);
    if (!err)
        err = ops->shares(config->store, &ask->traces, &job->arena, &traces, &found->trace_groups,
                          why);
    if (!err)
        err = ops->aggregate(config->store, &ask->spans, &job->arena, &spans, &found->span_groups,
                             why);
    if (!err)
        err = ops->aggregate(config->store, &ask->emitters, &job->arena, &emitters,
                             &found->emitter_groups, why);
    if (!err)
        err = ops->log_counts(config->store, &ask->calls.scope, &job->arena, &logs,
                              &found->log_groups, why);
    found->calls = calls;
    found->traces = traces;
    found->spans = spans;
    found->emitters = emitters;
    found->logs = logs;
    return err;
}

static enum err unmapped_ask(struct api_job *job, struct instrumentation_found *found,
                             struct diag *why)
{
    const struct unmapped *tables[API_WORKERS_MAX];
    struct unmapped_items items;
    const struct api *api = job->worker->api;
    if (!str_is_none(job->who.tenant)) /* see mapping.c */
        return ERR_OK;
    uint32_t count = api_unmapped_tables(api, tables);
    enum err err = unmapped_list(&job->arena, tables, count, job->who.project, STR_NONE, &items);
    if (err)
        return diag_set(why, err, "too many names for one answer");
    found->has_unmapped = true;
    found->unmapped_names = items.count;
    found->unmapped_count = items.other_count;
    for (size_t i = 0; i < items.count; i++)
        found->unmapped_count += items.items[i].count;
    return ERR_OK;
}

/* With its length, so that no two lists of texts are the same. */
static void key_add(struct buf *key, str text)
{
    buf_printf(key, "%zu:", text.len);
    buf_add_str(key, text);
}

/* Whose report of what: project, tenant, and the parameters as they were written. */
static str key_of(struct api_job *job)
{
    struct buf key;
    buf_init(&key, MIB);
    key_add(&key, job->who.project);
    buf_add_char(&key, str_is_none(job->who.tenant) ? '*' : '=');
    key_add(&key, job->who.tenant);
    for (size_t i = 0; i < job->query_count; i++) {
        key_add(&key, job->query[i].name);
        key_add(&key, job->query[i].value);
    }
    str copy = buf_failed(&key) ? STR_NONE : arena_str(&job->arena, buf_str(&key));
    buf_clear(&key);
    return copy;
}

static enum err report_make(struct api_job *job, struct diag *reterr_why)
{
    struct instrumentation_ask ask;
    struct instrumentation_found found = { .made_ns = clock_now_ns() };
    enum err err = query_plan_instrumentation(&job->arena, job->query, job->query_count,
                                              clock_now_ns(), &ask, reterr_why);
    if (!err)
        err = store_ask(job, &ask, &found, reterr_why);
    if (!err)
        err = unmapped_ask(job, &found, reterr_why);
    return err ? err
               : query_instrumentation_json(&job->body, &job->arena, &ask, &found, reterr_why);
}

API_HANDLER(api_get_instrumentation)
{
    int64_t start_ns = clock_monotonic_ns();
    struct kept_reports *kept = &job->thread->reports;
    str key = key_of(job);
    str body = str_is_none(key) ? STR_NONE : kept_report_find(kept, key, start_ns);
    if (!str_is_none(body)) {
        buf_add_str(&job->body, body);
        return ERR_OK;
    }
    enum err err = report_make(job, reterr_why);
    int64_t now_ns = clock_monotonic_ns();
    if (!err && !str_is_none(key) && !buf_failed(&job->body))
        kept_report_put(kept, key, buf_str(&job->body), now_ns - start_ns, now_ns);
    return err;
}
