/* datadog.c -- what Datadog's tracers talk to: the LLM Observability intake and the trace agent.
 *
 * A tracer posts events and evaluations either straight to the intake, with a key in DD-API-KEY,
 * or to an agent's proxy (`/evp_proxy/v2/...`), and its traces to the agent (`/v0.4/traces`).  An
 * agent asks for no key, and tracers send it none: without a proxy in front that adds one, agent
 * mode is for a server whose keys are off.  What a tracer sends besides (its own telemetry,
 * statistics, questions for configuration) is taken and forgotten.
 *
 * Statuses: 202 `{}` as the intake; 200 with sampling rates as the agent, always 1: keep all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/datadog.h"
#include "intake/reply.h"

enum endpoint { EVENTS, SCORES, TRACES_V03, TRACES_V04, TRACES_V05, FORGOTTEN };

struct path_row {
    str path;
    enum endpoint endpoint;
};
static const struct path_row paths[] = {
    { STR("/api/v2/llmobs"), EVENTS },
    { STR("/api/intake/llm-obs/v1/eval-metric"), SCORES },
    { STR("/api/intake/llm-obs/v2/eval-metric"), SCORES },
    { STR("/v0.3/traces"), TRACES_V03 },
    { STR("/v0.4/traces"), TRACES_V04 },
    { STR("/v0.5/traces"), TRACES_V05 },
    { STR("/v0.6/stats"), FORGOTTEN },
    { STR("/v0.7/config"), FORGOTTEN },
    { STR("/telemetry/proxy/api/v2/apmtelemetry"), FORGOTTEN },
};

/* An agent's proxy passes on what is behind its path. */
static str without_proxy(str path)
{
    static const str proxies[] = { STR("/evp_proxy/v1"), STR("/evp_proxy/v2"), STR("/evp_proxy/v3"),
                                   STR("/evp_proxy/v4") };
    for (size_t i = 0; i < COUNT_OF(proxies); i++)
        if (str_starts(path, proxies[i]))
            return str_from(path, proxies[i].len);
    return path;
}

static bool find(str path, enum endpoint *ret)
{
    path = without_proxy(path);
    if (path.len > 1 && path.ptr[path.len - 1] == '/')
        path.len--;
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        if (str_equal(path, paths[i].path)) {
            *ret = paths[i].endpoint;
            return true;
        }
    return false;
}

static bool is_traces(enum endpoint endpoint)
{
    return endpoint == TRACES_V03 || endpoint == TRACES_V04 || endpoint == TRACES_V05;
}

static enum err match(const struct request_head *head, struct intake_route *ret_route,
                      struct diag *reterr_why)
{
    enum endpoint endpoint;
    *ret_route = (struct intake_route){ .encoding = OTLP_JSON };
    if (head->is_grpc || !find(head->path, &endpoint))
        return ERR_NOT_FOUND;
    ret_route->endpoint = (int)endpoint;
    ret_route->is_options = str_equal_c(head->method, "OPTIONS");
    if (ret_route->is_options)
        return ERR_OK;
    if (!str_equal_c(head->method, "POST") && !str_equal_c(head->method, "PUT"))
        return diag_set(reterr_why, ERR_METHOD, "%.*s is not allowed here, send POST",
                        STR_ARG(str_sub(head->method, 0, 20)));
    ret_route->is_open = endpoint == FORGOTTEN;
    str type = intake_media_type(head);
    str wanted = is_traces(endpoint) ? STR_OF("application/msgpack") : STR_OF("application/json");
    if (ret_route->is_open || type.len == 0 || str_equal_nocase(type, wanted))
        return ERR_OK;
    diag_set(reterr_why, ERR_MEDIA_TYPE, "content type \"%.*s\" is not taken here",
             STR_ARG(str_sub(type, 0, 80)));
    diag_hint(reterr_why, "send %.*s", STR_ARG(wanted));
    return ERR_MEDIA_TYPE;
}

static enum err decode(struct arena *arena, const struct intake_body *body,
                       struct raw_batch *ret_batch, struct diag *reterr_why)
{
    enum endpoint endpoint = (enum endpoint)body->endpoint;
    if (endpoint == EVENTS)
        return datadog_decode_events(arena, body->bytes, body->limits, ret_batch, reterr_why);
    if (endpoint == SCORES)
        return datadog_decode_scores(arena, body->bytes, body->limits, ret_batch, reterr_why);
    struct datadog_body traces = {
        .bytes = body->bytes,
        .format = endpoint == TRACES_V05 ? DATADOG_TRACES_V05 : DATADOG_TRACES_V04,
        .sender = { STR_NONE, STR_NONE },
    };
    if (body->head) {
        traces.sender.language = request_header(body->head, STR_OF("datadog-meta-lang"));
        traces.sender.tracer_version =
            request_header(body->head, STR_OF("datadog-meta-tracer-version"));
    }
    return datadog_decode_traces(arena, &traces, body->limits, ret_batch, reterr_why);
}

/* The intake refuses a key with 403, and JavaScript's tracer looks for these words. */
static void answer_error(struct intake_reply *reply)
{
    bool is_key = reply->outcome->err == ERR_UNAUTHENTICATED;
    intake_reply_error(reply, is_key ? "{\"errors\":[{\"status\":\"403\",\"title\":$t,"
                                       "\"detail\":\"API key is invalid\"}]}"
                                     : "{\"errors\":[{\"status\":\"$s\",\"title\":$t,"
                                       "\"detail\":$m}]}");
    if (is_key)
        reply->response.status = 403;
}

static void answer(struct request *request, const struct intake_route *route,
                   const struct intake_answer *outcome)
{
    enum endpoint endpoint = (enum endpoint)route->endpoint;
    struct intake_reply reply;
    intake_reply_begin(&reply, request, route, outcome, 4 * KIB);
    if (!route->is_options && (endpoint == EVENTS || endpoint == SCORES))
        reply.response.status = 202;
    if (outcome->err) {
        answer_error(&reply);
    } else if (endpoint == TRACES_V03) {
        reply.response.content_type = STR_OF("text/plain");
        buf_add_c(&reply.body, "OK\n");
    } else {
        buf_add_c(&reply.body,
                  is_traces(endpoint) ? "{\"rate_by_service\":{\"service:,env:\":1.0}}" : "{}");
    }
    intake_reply_send(&reply);
}

const struct source_ops source_datadog = {
    .name = "datadog",
    .match = match,
    .unpack = intake_unpack,
    .decode = decode,
    .answer = answer,
};
