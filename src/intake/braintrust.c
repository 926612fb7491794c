/* braintrust.c -- the part of Braintrust's API that its SDK needs to log.
 *
 * Login is the first question: it asks where the API is, which is where it asked.  A project
 * is its name.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/braintrust.h"
#include "intake/reply.h"
#include "wire/tree.h"

enum { ANSWER_BYTES_MAX = 16 * 1024 };

enum endpoint { AT_LOGS, AT_PROJECT_MADE, AT_LOGIN, AT_VERSION, AT_PROJECT };

static const str project_path = STR("/v1/project/");

static int endpoint_of(const struct request_head *head)
{
    static const struct {
        const char *method;
        str path;
        enum endpoint endpoint;
    } rows[] = { { "POST", STR("/logs3"), AT_LOGS },
                 { "POST", STR("/api/apikey/login"), AT_LOGIN },
                 { "POST", STR("/v1/project"), AT_PROJECT_MADE } };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (str_equal(head->path, rows[i].path) && str_equal_c(head->method, rows[i].method))
            return (int)rows[i].endpoint;
    bool is_get = str_equal_c(head->method, "GET");
    if (is_get && str_starts(head->path, project_path) && head->path.len > project_path.len)
        return AT_PROJECT;
    bool has_key = !str_is_none(request_header(head, STR_OF("authorization")));
    return is_get && has_key && str_equal_c(head->path, "/version") ? AT_VERSION : -1;
}

static enum err match(const struct request_head *head, struct intake_route *ret_route,
                      struct diag *reterr_why)
{
    int endpoint = head->is_grpc ? -1 : endpoint_of(head);
    *ret_route = (struct intake_route){ .encoding = OTLP_JSON, .endpoint = endpoint };
    if (endpoint < 0)
        return ERR_NOT_FOUND;
    ret_route->is_query = endpoint >= AT_LOGIN;
    return ret_route->is_query ? ERR_OK : intake_want_json(head, reterr_why);
}

static void project_json(struct buf *out, str name)
{
    buf_add_c(out, "{\"id\":");
    buf_add_json_str(out, name);
    buf_add_c(out, ",\"name\":");
    buf_add_json_str(out, name);
    buf_add_c(out, ",\"org_id\":\"telltale\"}");
}

static enum err decode(struct arena *arena, const struct intake_body *body,
                       struct raw_batch *ret_batch, struct diag *reterr_why)
{
    struct value root;
    struct buf out;
    if (body->endpoint == AT_LOGS)
        return braintrust_decode(arena, body->bytes, body->limits, ret_batch, reterr_why);
    *ret_batch = (struct raw_batch){ 0 };
    enum err err = tree_parse(arena, body->bytes, &root, reterr_why);
    if (err)
        return err;
    str name = tree_text(&root, "name");
    if (str_is_none(name))
        return diag_set(reterr_why, ERR_BAD_INPUT, "\"name\" is missing");
    buf_init(&out, ANSWER_BYTES_MAX);
    project_json(&out, name);
    return intake_reply_prepare(arena, &out, ret_batch, reterr_why);
}

static void login_json(struct arena *arena, const struct request_head *head, struct buf *out)
{
    str host = request_header(head, STR_OF("host"));
    str url = arena_printf(arena, "%s://%.*s", head->is_tls ? "https" : "http",
                           STR_ARG(str_is_none(host) ? STR_OF("localhost") : host));
    buf_add_c(out, "{\"org_info\":[{\"id\":\"telltale\",\"name\":\"telltale\",\"api_url\":");
    buf_add_json_str(out, url);
    buf_add_c(out, ",\"proxy_url\":");
    buf_add_json_str(out, url);
    buf_add_c(out, ",\"is_universal_api\":true,\"git_metadata\":null}]}");
}

static void answer(struct request *request, const struct intake_route *route,
                   const struct intake_answer *outcome)
{
    const struct request_head *head = request_head(request);
    struct intake_reply reply;
    intake_reply_begin(&reply, request, route, outcome, ANSWER_BYTES_MAX);
    if (outcome->err)
        intake_reply_error(&reply, "{\"error\":$m}");
    else if (route->endpoint == AT_LOGIN)
        login_json(request_arena(request), head, &reply.body);
    else if (route->endpoint == AT_VERSION)
        buf_add_c(&reply.body, "{\"version\":\"1.1.30\"}");
    else if (route->endpoint == AT_PROJECT)
        project_json(&reply.body, str_from(head->path, project_path.len));
    intake_reply_send(&reply);
}

const struct source_ops source_braintrust = {
    .name = "braintrust",
    .match = match,
    .unpack = intake_unpack,
    .decode = decode,
    .answer = answer,
};
