/* retention.c -- GET and POST /api/v1/retention: what would go, and that it shall.
 *
 * It is of all projects at once, so that it takes a key that may do everything.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "api/api_int.h"
#include "base/text.h"

static void add_time(struct buf *out, const char *name, int64_t time_ns)
{
    buf_printf(out, "\"%s\":", name);
    if (time_ns == INT64_MIN || time_ns == 0) {
        buf_add_c(out, "null");
        return;
    }
    buf_add_char(out, '"');
    time_format(out, time_ns, 0);
    buf_add_char(out, '"');
}

static void add_count(struct buf *out, const char *name, uint64_t count)
{
    buf_printf(out, ",\"%s\":%llu", name, (unsigned long long)count);
}

static void add_plan(struct buf *out, const struct upkeep_plan *plan)
{
    const struct store_expired *expired = &plan->expired;
    add_time(out, "now", plan->now_ns);
    buf_add_c(out, ",\"before\":{");
    add_time(out, "content", plan->content_before_ns);
    buf_add_char(out, ',');
    add_time(out, "previews", plan->previews_before_ns);
    buf_add_char(out, ',');
    add_time(out, "spans", plan->spans_before_ns);
    buf_add_char(out, ',');
    add_time(out, "scores", plan->scores_before_ns);
    buf_add_char(out, ',');
    add_time(out, "rollups", plan->rollups_before_ns);
    buf_add_c(out, "},\"plan\":{");
    add_time(out, "to", expired->to_ns);
    add_count(out, "days", expired->day_count);
    add_count(out, "spans", expired->span_count);
    add_count(out, "traces", expired->trace_count);
    add_count(out, "logs", expired->log_count);
    add_count(out, "metrics", expired->metric_count);
    add_count(out, "scores", expired->score_count);
    add_count(out, "rollups", expired->rollup_count);
    add_count(out, "bytes", expired->disk_bytes);
    buf_printf(out, "},\"would_drop_all_spans\":%s,\"clock_has_jumped\":%s",
               plan->is_all ? "true" : "false", plan->has_jumped ? "true" : "false");
}

static void add_status(struct buf *out, const struct upkeep_status *status)
{
    buf_printf(out, ",\"running\":%s,\"runs\":%llu,\"last\":{",
               status->is_running ? "true" : "false", (unsigned long long)status->runs);
    add_time(out, "time", status->last_ns);
    buf_add_c(out, ",\"error\":");
    if (status->last_err == ERR_OK)
        buf_add_c(out, "null");
    else
        buf_add_json_str(out, str_from_c(err_name(status->last_err)));
    add_count(out, "days", status->day_count);
    add_count(out, "spans", status->span_count);
    add_count(out, "scores", status->score_count);
    add_count(out, "rollups", status->rollup_count);
    add_count(out, "segments", status->segment_count);
    add_count(out, "bytes", status->disk_bytes);
    buf_add_c(out, "}}\n");
}

static enum err answer(struct api_job *job, struct diag *why)
{
    struct upkeep *upkeep = job->worker->api->config.upkeep;
    struct upkeep_plan plan;
    struct upkeep_status status;
    enum err err = upkeep_plan(upkeep, &plan, why);
    if (err)
        return err;
    upkeep_status(upkeep, &status);
    buf_add_char(&job->body, '{');
    add_plan(&job->body, &plan);
    add_status(&job->body, &status);
    return ERR_OK;
}

static enum err check(const struct api_job *job, const char *const *allowed, size_t count,
                      struct diag *why)
{
    if (!job->worker->api->config.upkeep)
        return diag_set(why, ERR_UNAVAILABLE, "this server has no retention");
    if (!str_is_none(job->who.tenant))
        return diag_set(why, ERR_FORBIDDEN, "retention is of all projects, not of one tenant");
    return query_params_check(job->query, job->query_count, allowed, count, why);
}

API_HANDLER(api_get_retention)
{
    enum err err = check(job, NULL, 0, reterr_why);
    return err ? err : answer(job, reterr_why);
}

API_HANDLER(api_run_retention)
{
    static const char *const allowed[] = { "force" };
    str force = query_param_find(job->query, job->query_count, STR_OF("force"));
    enum err err = check(job, allowed, COUNT_OF(allowed), reterr_why);
    if (!err && !str_is_none(force) && !str_equal_c(force, "true") && !str_equal_c(force, "false"))
        err = diag_set(reterr_why, ERR_BAD_INPUT, "force: must be 'true' or 'false'");
    if (!err)
        err = upkeep_run(job->worker->api->config.upkeep, job->who.key_id,
                         str_equal_c(force, "true"), reterr_why);
    return err ? err : answer(job, reterr_why);
}
