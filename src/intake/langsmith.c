/* langsmith.c -- LangSmith's own API: /info, /runs..., /feedback, /sessions.
 *
 * Clients append the paths to a base that may end in /api or /api/v1.  /info is their first
 * question, and the one that Datadog's clients ask an agent: one answer serves both.  A session
 * is a project of LangSmith's; here it is only a name on its runs, so each one asked for exists.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/langsmith.h"
#include "base/check.h"
#include "base/text.h"
#include "intake/reply.h"
#include "version.h"
#include "wire/json.h"

enum endpoint {
    ENDPOINT_INFO,
    ENDPOINT_RUN,
    ENDPOINT_RUN_PATCH,
    ENDPOINT_BATCH,
    ENDPOINT_MULTIPART,
    ENDPOINT_FEEDBACK,
    ENDPOINT_FEEDBACK_PATCH,
    ENDPOINT_SESSIONS,    /* ?name= */
    ENDPOINT_SESSION_NEW, /* and its changes */
    ENDPOINT_SETTINGS,
};

struct path_row {
    str path; /* with a '/' at its end: an id follows */
    const char *method;
    enum endpoint endpoint;
    bool is_open, is_query;
};
static const struct path_row paths[] = {
    { STR("/info"), "GET", ENDPOINT_INFO, true, false },
    { STR("/runs"), "POST", ENDPOINT_RUN, false, false },
    { STR("/runs/batch"), "POST", ENDPOINT_BATCH, false, false },
    { STR("/runs/multipart"), "POST", ENDPOINT_MULTIPART, false, false },
    { STR("/runs/"), "PATCH", ENDPOINT_RUN_PATCH, false, false },
    { STR("/feedback"), "POST", ENDPOINT_FEEDBACK, false, false },
    { STR("/feedback/"), "PATCH", ENDPOINT_FEEDBACK_PATCH, false, false },
    { STR("/sessions"), "GET", ENDPOINT_SESSIONS, false, true },
    { STR("/sessions"), "POST", ENDPOINT_SESSION_NEW, false, false },
    { STR("/sessions/"), "PATCH", ENDPOINT_SESSION_NEW, false, false },
    { STR("/settings"), "GET", ENDPOINT_SETTINGS, false, true },
};

/* Nobody's tenant: what its clients want to see in a project. */
#define TENANT_ID "00000000-0000-0000-0000-000000000000"

static str without_prefix(str path)
{
    if (str_starts(path, STR_OF("/api/v1/")))
        return str_from(path, STR_OF("/api/v1").len);
    return str_starts(path, STR_OF("/api/")) ? str_from(path, STR_OF("/api").len) : path;
}

static bool path_is(str path, const struct path_row *row, str *ret_id)
{
    bool has_id = str_ends(row->path, STR_OF("/"));
    *ret_id = has_id ? str_from(path, row->path.len) : STR_NONE;
    if (!has_id)
        return str_equal(path, row->path);
    return str_starts(path, row->path) && ret_id->len > 0 &&
           str_find_char(*ret_id, '/') == ret_id->len;
}

static enum err check_type(const struct request_head *head, enum endpoint endpoint,
                           struct diag *reterr_why)
{
    static const char *const json[] = { "application/json", "text/plain",
                                        "application/octet-stream" };
    str type = intake_media_type(head);
    bool wants_parts = endpoint == ENDPOINT_MULTIPART;
    bool is_good =
        wants_parts ? str_equal_nocase(type, STR_OF("multipart/form-data")) : type.len == 0;
    for (size_t i = 0; i < COUNT_OF(json) && !wants_parts; i++)
        is_good = is_good || str_equal_nocase(type, str_from_c(json[i]));
    if (is_good)
        return ERR_OK;
    diag_set(reterr_why, ERR_MEDIA_TYPE, "content type \"%.*s\" is not what belongs here",
             STR_ARG(str_sub(type, 0, 80)));
    diag_hint(reterr_why, wants_parts ? "send multipart/form-data" : "send application/json");
    return ERR_MEDIA_TYPE;
}

/* GET /api/v1/sessions is ours as well (sessions of users); LangSmith's clients name a project. */
static bool is_our_sessions(const struct request_head *head, enum endpoint endpoint)
{
    str query = head->query;
    bool has_name =
        str_starts(query, STR_OF("name=")) || str_find(query, STR_OF("&name=")) < query.len;
    return endpoint == ENDPOINT_SESSIONS && str_equal_c(head->path, "/api/v1/sessions") &&
           !str_equal_c(head->method, "OPTIONS") && !has_name;
}

static enum err match(const struct request_head *head, struct intake_route *ret_route,
                      struct diag *reterr_why)
{
    *ret_route = (struct intake_route){ .signal = OTLP_TRACES, .encoding = OTLP_JSON };
    str path = head->is_grpc ? STR_NONE : without_prefix(head->path), id;
    bool is_options = str_equal_c(head->method, "OPTIONS");
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        const struct path_row *row = &paths[i];
        if (!path_is(path, row, &id) || (!is_options && !str_equal_c(head->method, row->method)) ||
            is_our_sessions(head, row->endpoint))
            continue;
        ret_route->endpoint = (int)row->endpoint;
        ret_route->is_options = is_options;
        ret_route->is_open = row->is_open;
        ret_route->is_query = row->is_query;
        bool has_body = !is_options && !row->is_open && !row->is_query;
        return has_body ? check_type(head, row->endpoint, reterr_why) : ERR_OK;
    }
    return ERR_NOT_FOUND;
}

/* ---- projects ---- */

static void add_uuid(struct buf *out, struct id16 id)
{
    static const size_t groups[] = { 4, 2, 2, 2, 6 };
    const uint8_t *at = id.bytes;
    for (size_t i = 0; i < COUNT_OF(groups); at += groups[i++]) {
        buf_add_c(out, i ? "-" : "");
        buf_add_hex(out, at, groups[i]);
    }
}

/* A project: the same name has the same id at any time. */
static void add_session(struct buf *out, str name, str id, int64_t now_ns)
{
    buf_add_c(out, "{\"id\":\"");
    add_uuid(out, native_trace_id(str_is_empty(id) ? name : id));
    buf_add_c(out, "\",\"tenant_id\":\"" TENANT_ID "\",\"name\":");
    buf_add_json_str(out, name);
    buf_add_c(out, ",\"start_time\":\"");
    time_format(out, now_ns, 6);
    buf_add_c(out, "\",\"end_time\":null,\"description\":null,\"extra\":null,"
                   "\"reference_dataset_id\":null}");
}

static str member_text(struct arena *arena, str body, const char *key)
{
    struct json json;
    struct value value;
    json_init(&json, arena, body, JSON_DEPTH_MAX);
    if (json_next(&json) != JSON_OBJECT || !json_value(&json, JSON_OBJECT, &value))
        return STR_NONE;
    const struct attr *attr = attr_find(value.attrs, value.count, str_from_c(key));
    return attr && attr->value.type == VALUE_STR ? attr->value.text : STR_NONE;
}

static enum err decode_session(struct arena *arena, const struct intake_body *body,
                               struct raw_batch *ret_batch, struct diag *reterr_why)
{
    struct buf out;
    str name = member_text(arena, body->bytes, "name");
    str id = member_text(arena, body->bytes, "id");
    *ret_batch = (struct raw_batch){ 0 };
    if (str_is_none(name) && str_equal_c(body->head->method, "POST"))
        return diag_set(reterr_why, ERR_BAD_INPUT, "name is missing");
    buf_init(&out, 64 * KIB);
    add_session(&out, str_is_none(name) ? STR_OF("") : str_sub(name, 0, 1024), id,
                body->head->received_ns);
    return intake_reply_prepare(arena, &out, ret_batch, reterr_why);
}

static enum err decode(struct arena *arena, const struct intake_body *body,
                       struct raw_batch *ret_batch, struct diag *reterr_why)
{
    static const enum langsmith_body kinds[] = {
        [ENDPOINT_RUN] = LANGSMITH_RUN,
        [ENDPOINT_RUN_PATCH] = LANGSMITH_RUN_PATCH,
        [ENDPOINT_BATCH] = LANGSMITH_BATCH,
        [ENDPOINT_MULTIPART] = LANGSMITH_MULTIPART,
        [ENDPOINT_FEEDBACK] = LANGSMITH_FEEDBACK,
        [ENDPOINT_FEEDBACK_PATCH] = LANGSMITH_FEEDBACK_PATCH,
    };
    if (body->endpoint == ENDPOINT_SESSION_NEW)
        return decode_session(arena, body, ret_batch, reterr_why);
    assert(body->endpoint > 0 && (size_t)body->endpoint < COUNT_OF(kinds));
    str path = body->head->path;
    size_t slash = path.len;
    while (slash > 0 && path.ptr[slash - 1] != '/')
        slash--;
    const struct langsmith_input input = {
        .kind = kinds[body->endpoint],
        .body = body->bytes,
        .id = str_from(path, slash),
        .content_type = request_header(body->head, STR_OF("content-type")),
        .limits = body->limits,
    };
    return langsmith_decode(arena, &input, ret_batch, reterr_why);
}

/* ---- answers ---- */

/* The members that each vendor's clients look for. */
static void add_info(struct buf *out)
{
    buf_add_c(out, "{\"version\":\"0.12.0\",\"telltale_version\":\"" TELLTALE_VERSION "\","
                   "\"license_expiration_time\":null,"
                   "\"batch_ingest_config\":{\"use_multipart_endpoint\":true,"
                   "\"scale_up_qsize_trigger\":1000,\"scale_up_nthreads_limit\":16,"
                   "\"scale_down_nempty_trigger\":4,\"size_limit\":100,"
                   "\"size_limit_bytes\":20971520},"
                   "\"instance_flags\":{\"zstd_compression_enabled\":true},"
                   "\"endpoints\":[\"/v0.3/traces\",\"/v0.4/traces\",\"/v0.5/traces\","
                   "\"/evp_proxy/v2/\"],\"client_drop_p0s\":false,\"config\":{}}");
}

static void add_sessions(struct buf *out, struct request *request)
{
    const struct request_head *head = request_head(request);
    str name = intake_query_parameter(request_arena(request), head->query, "name");
    buf_add_char(out, '[');
    add_session(out, str_is_empty(name) ? STR_OF("default") : name, STR_NONE, head->received_ns);
    buf_add_char(out, ']');
}

static void add_success(struct intake_reply *reply, enum endpoint endpoint)
{
    const struct intake_answer *outcome = reply->outcome;
    struct buf *out = &reply->body;
    if (endpoint == ENDPOINT_INFO) {
        add_info(out);
    } else if (endpoint == ENDPOINT_SESSIONS) {
        add_sessions(out, reply->request);
    } else if (endpoint == ENDPOINT_SETTINGS) {
        buf_add_c(out, "{\"id\":\"" TENANT_ID "\",\"display_name\":\"Telltale\","
                       "\"created_at\":\"1970-01-01T00:00:00Z\",\"tenant_handle\":null}");
    } else if (!str_is_empty(outcome->reply)) {
        buf_add_str(out, outcome->reply);
    } else if (outcome->rejected_count) {
        intake_reply_rejected(reply);
    } else {
        buf_add_c(out, "{}");
    }
}

static int success_status(enum endpoint endpoint)
{
    bool is_run = endpoint == ENDPOINT_RUN || endpoint == ENDPOINT_RUN_PATCH ||
                  endpoint == ENDPOINT_BATCH || endpoint == ENDPOINT_MULTIPART;
    return is_run ? 202 : 200;
}

static void answer(struct request *request, const struct intake_route *route,
                   const struct intake_answer *outcome)
{
    enum endpoint endpoint = (enum endpoint)route->endpoint;
    struct intake_reply reply;
    intake_reply_begin(&reply, request, route, outcome, 64 * KIB);
    if (!route->is_options)
        reply.response.status = success_status(endpoint);
    if (outcome->err)
        intake_reply_error(&reply, "{\"detail\":$m}");
    else
        add_success(&reply, endpoint);
    if (outcome->err == ERR_BAD_INPUT) /* as its server says it */
        reply.response.status = 422;
    intake_reply_send(&reply);
}

const struct source_ops source_langsmith = {
    .name = "langsmith",
    .match = match,
    .unpack = intake_unpack,
    .decode = decode,
    .answer = answer,
};
