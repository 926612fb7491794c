/* status.c -- health, readiness, metrics, configuration, and the OpenAPI document.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "api/api_int.h"
#include "base/check.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "version.h"

struct snapshot {
    struct receive_stats receive;
    struct net_status net;
    struct wal_status wal;
    struct drain_status drain;
    struct store_status store;
    struct content_status content;
    struct search_status search;
    struct meter_status meter;
    struct {
        uint64_t queries, queries_failed, queries_refused, payload_reads, searches;
    } api;
    uint64_t cuts[POLICY_CUTS];
    double uptime_s, drain_behind_s;
    bool ready;
    int64_t disk_free;
};

static uint32_t rule_count(const struct api *api)
{
    return api->config.tenants ? policy_rule_count(api->config.tenants) : 0;
}

static void add_cuts(const struct api *api, struct snapshot *sum)
{
    for (uint32_t i = 0; i < rule_count(api); i++) {
        struct policy_rule_status rule;
        policy_rule(api->config.tenants, i, &rule);
        for (size_t cut = 0; cut < POLICY_CUTS; cut++)
            sum->cuts[cut] += rule.cuts[cut];
    }
}

/* A label per rule of the file: as many as the operator wrote. */
static void add_rule_stats(struct buf *out, const struct api *api)
{
    buf_add_c(out,
              "# HELP telltale_limited_total What each rule of limits.tenants cut, by its line; "
              "0: the options\n# TYPE telltale_limited_total counter\n");
    for (uint32_t i = 0; i < rule_count(api); i++) {
        struct policy_rule_status rule;
        policy_rule(api->config.tenants, i, &rule);
        for (size_t cut = 0; cut < POLICY_CUTS; cut++)
            buf_printf(out, "telltale_limited_total{rule=\"%u\",reason=\"%s\"} %llu\n", rule.line,
                       policy_cut_name((enum policy_cut)cut), (unsigned long long)rule.cuts[cut]);
    }
}

static void add_name(struct buf *out, const char *name, str text)
{
    buf_printf(out, "\"%s\":", name);
    if (str_is_none(text))
        buf_add_c(out, "null,");
    else {
        buf_add_json_str(out, text);
        buf_add_char(out, ',');
    }
}

/* Rules of others are not named to a key. */
static bool is_seen(const struct policy_rule_status *rule, const struct auth_principal *who)
{
    bool is_project = str_is_none(rule->project) || str_equal(rule->project, who->project);
    bool is_tenant = str_is_none(who->tenant) ||
                     (!str_is_none(rule->tenant) && str_equal(rule->tenant, who->tenant));
    return is_project && is_tenant;
}

static void add_limits(struct buf *out, const struct api_job *job)
{
    const struct api *api = job->worker->api;
    bool first = true;
    buf_add_c(out, ",\"limits\":[");
    for (uint32_t i = 0; i < rule_count(api); i++) {
        struct policy_rule_status rule;
        policy_rule(api->config.tenants, i, &rule);
        if (!is_seen(&rule, &job->who))
            continue;
        buf_printf(out, "%s{\"rule\":%u,", first ? "" : ",", rule.line);
        add_name(out, "project", rule.project);
        add_name(out, "tenant", rule.tenant);
        add_name(out, "key", rule.key);
        buf_add_c(out, "\"cut\":{");
        for (size_t cut = 0; cut < POLICY_CUTS; cut++)
            buf_printf(out, "%s\"%s\":%llu", cut ? "," : "", policy_cut_name((enum policy_cut)cut),
                       (unsigned long long)rule.cuts[cut]);
        buf_add_c(out, "}}");
        first = false;
    }
    buf_add_char(out, ']');
}

static void add_worker(struct snapshot *sum, const struct api_worker *worker)
{
    struct net_status net;
    struct receive_stats receive;
    loop_status(worker->loop, &net);
    receive_stats(ingest_receiver(worker->ingest), &receive);
    sum->net.connections += net.connections;
    sum->net.connections_total += net.connections_total;
    sum->net.requests_total += net.requests_total;
    sum->net.refused_total += net.refused_total;
    sum->net.body_bytes_held += net.body_bytes_held;
    sum->net.slow_callbacks_total += net.slow_callbacks_total;
    sum->receive.requests += receive.requests;
    sum->receive.failed_requests += receive.failed_requests;
    sum->receive.bytes += receive.bytes;
    sum->receive.spans_in += receive.spans_in;
    sum->receive.logs_in += receive.logs_in;
    sum->receive.metrics_in += receive.metrics_in;
    sum->receive.scores_in += receive.scores_in;
    sum->receive.rejected += receive.rejected;
    sum->receive.retagged_spans += receive.retagged_spans;
    sum->receive.unmapped_attrs += receive.unmapped_attrs;
}

static void take_snapshot(struct api *api, struct snapshot *ret)
{
    *ret = (struct snapshot){ 0 };
    for (uint32_t i = 0; i < atomic_load(&api->worker_count); i++)
        add_worker(ret, api->workers[i]);
    wal_status(api->config.wal, &ret->wal);
    drain_status(api->drain, &ret->drain);
    api->config.store_ops->status(api->config.store, &ret->store);
    content_status(api->config.content, &ret->content);
    search_status(api->config.search, &ret->search);
    if (api->config.meter)
        meter_status(api->config.meter, &ret->meter);
    add_cuts(api, ret);
    ret->api.queries = api->queries;
    ret->api.queries_failed = api->queries_failed;
    ret->api.queries_refused = api->queries_refused;
    ret->api.payload_reads = api->payload_reads;
    ret->api.searches = api->searches;
    ret->uptime_s = (double)(clock_monotonic_ns() - api->config.started_ns) / 1e9;
    ret->drain_behind_s = (double)ret->drain.behind_ns / 1e9;
    ret->ready = atomic_load(&api->ready);
    ret->disk_free = disk_free_bytes(api->config.data_dir);
}

static void add_stat(struct buf *out, const char *name, const char *type, double value,
                     const char *help)
{
    buf_printf(out, "# HELP telltale_%s %s\n# TYPE telltale_%s %s\ntelltale_%s ", name, help, name,
               type, name);
    buf_add_f64(out, value);
    buf_add_char(out, '\n');
}

static void write_server_metrics(struct api_job *job)
{
    struct snapshot s;
    take_snapshot(job->worker->api, &s);
    const struct receive_stats receive = s.receive;
    const struct net_status net = s.net;
    const struct wal_status wal = s.wal;
    const struct drain_status drain = s.drain;
    const struct store_status store = s.store;
    const struct content_status content = s.content;
    const struct search_status search = s.search;
    const struct meter_status meter = s.meter;
    const uint64_t *cuts = s.cuts;
    const double uptime_s = s.uptime_s, drain_behind_s = s.drain_behind_s;
    const bool ready = s.ready;
    const int64_t disk_free = s.disk_free;
#define api s.api
#define STAT(name, type, source, help) add_stat(&job->body, #name, #type, (double)(source), help);
#include "api/stats.def"
#undef STAT
#undef api
    add_rule_stats(&job->body, job->worker->api);
}

/* Whose metrics a key sees: those of its project, and of its tenant alone where it has one. */
static struct meter_scope meter_scope_of(const struct api_job *job)
{
    return (struct meter_scope){ .project = job->who.project, .tenant = job->who.tenant };
}

/* ?part=server or ?part=application; both without it. */
static enum err metrics_part(const struct api_job *job, bool *ret_server, bool *ret_application,
                             struct diag *reterr_why)
{
    *ret_server = *ret_application = true;
    for (size_t i = 0; i < job->query_count; i++) {
        if (!str_equal_c(job->query[i].name, "part"))
            return diag_set(reterr_why, ERR_BAD_INPUT, "the only parameter here is part");
        *ret_server = str_equal_c(job->query[i].value, "server");
        *ret_application = str_equal_c(job->query[i].value, "application");
        if (!*ret_server && !*ret_application)
            return diag_set(reterr_why, ERR_BAD_INPUT, "part: must be server or application");
    }
    return ERR_OK;
}

API_HANDLER(api_metrics_otlp)
{
    const struct meter *meter = job->worker->api->config.meter;
    struct meter_scope scope = meter_scope_of(job);
    if (!meter)
        return diag_set(reterr_why, ERR_UNSUPPORTED, "no metrics are kept");
    meter_write_otlp(meter, &scope, clock_now_ns(), &job->body);
    return ERR_OK;
}

API_HANDLER(api_metrics)
{
    bool server, application;
    enum err err = metrics_part(job, &server, &application, reterr_why);
    if (!err && server)
        write_server_metrics(job);
    if (!err && application && job->worker->api->config.meter) {
        struct meter_scope scope = meter_scope_of(job);
        meter_write_text(job->worker->api->config.meter, &scope, &job->body);
    }
    job->content_type = "text/plain; version=0.0.4; charset=utf-8";
    return err;
}

API_HANDLER(api_get_status)
{
    (void)reterr_why;
    struct snapshot s;
    take_snapshot(job->worker->api, &s);
    buf_printf(&job->body, "{\"version\":\"%s\",\"data_dir_free_bytes\":%lld", TELLTALE_VERSION,
               (long long)s.disk_free);
    buf_printf(&job->body, ",\"prices\":%u,\"redaction_kinds\":%u,\"stages\":{",
               job->worker->api->config.price_count, job->worker->api->config.redaction_kinds);
    const struct receive_stats receive = s.receive;
    const struct net_status net = s.net;
    const struct wal_status wal = s.wal;
    const struct drain_status drain = s.drain;
    const struct store_status store = s.store;
    const struct content_status content = s.content;
    const struct search_status search = s.search;
    const struct meter_status meter = s.meter;
    const uint64_t *cuts = s.cuts;
    const double uptime_s = s.uptime_s, drain_behind_s = s.drain_behind_s;
    const bool ready = s.ready;
    const int64_t disk_free = s.disk_free;
    bool first = true;
#define api s.api
#define STAT(name, type, source, help)                                                             \
    buf_printf(&job->body, first ? "\"%s\":" : ",\"%s\":", #name);                                 \
    buf_add_f64(&job->body, (double)(source));                                                     \
    first = false;
#include "api/stats.def"
#undef STAT
#undef api
    buf_add_char(&job->body, '}');
    add_limits(&job->body, job);
    buf_add_c(&job->body, "}\n");
    return ERR_OK;
}

API_HANDLER(api_healthz)
{
    (void)reterr_why;
    buf_add_c(&job->body, "{\"status\":\"ok\"}\n");
    return ERR_OK;
}

API_HANDLER(api_readyz)
{
    struct api *api = job->worker->api;
    struct wal_status wal;
    wal_status(api->config.wal, &wal);
    if (!atomic_load(&api->ready))
        return diag_set(reterr_why, ERR_UNAVAILABLE, "starting or stopping");
    if (wal.disk_full) {
        diag_set(reterr_why, ERR_UNAVAILABLE, "no space left for the log: writes are refused");
        diag_hint(reterr_why, "free space on the disk of the data directory");
        return ERR_UNAVAILABLE;
    }
    buf_add_c(&job->body, "{\"status\":\"ready\"}\n");
    return ERR_OK;
}

API_HANDLER(api_get_config)
{
    (void)reterr_why;
    buf_add_str(&job->body, job->worker->api->config.config_json);
    buf_add_char(&job->body, '\n');
    return ERR_OK;
}

API_HANDLER(api_openapi)
{
    (void)reterr_why;
    buf_add(&job->body, openapi_json, openapi_json_len);
    return ERR_OK;
}
