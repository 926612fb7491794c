/* langfuse.c -- Langfuse's own API as its SDKs use it: /api/public/...
 *
 * Spans of newer SDKs come by OTLP (otlp_http.c has the prefix); everything of older ones, and the
 * scores of all of them, come here.  The key is the password of HTTP Basic: what the SDK calls
 * the secret key.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/langfuse.h"
#include "intake/reply.h"

enum endpoint { INGESTION, SCORES, MEDIA, MEDIA_DONE, HEALTH, PROJECTS };
#define VERSION "3.0.0" /* of the API that this is like */

static const struct {
    str method, path;
    enum endpoint endpoint;
} paths[] = {
    { STR("POST"), STR("/api/public/ingestion"), INGESTION },
    { STR("POST"), STR("/api/public/scores"), SCORES },
    { STR("POST"), STR("/api/public/media"), MEDIA },
    { STR("GET"), STR("/api/public/health"), HEALTH },
    { STR("GET"), STR("/api/public/projects"), PROJECTS },
};
static const str media_prefix = STR("/api/public/media/");

static bool find(const struct request_head *head, int *ret_endpoint, bool *ret_is_path)
{
    bool is_media = str_starts(head->path, media_prefix) && str_equal_c(head->method, "PATCH");
    *ret_is_path = is_media;
    *ret_endpoint = MEDIA_DONE;
    for (size_t i = 0; i < COUNT_OF(paths) && !is_media; i++) {
        if (!str_equal(head->path, paths[i].path))
            continue;
        *ret_is_path = true;
        *ret_endpoint = (int)paths[i].endpoint;
        if (str_equal(head->method, paths[i].method))
            return true;
    }
    return is_media;
}

static enum err match(const struct request_head *head, struct intake_route *ret_route,
                      struct diag *reterr_why)
{
    bool is_path;
    *ret_route = (struct intake_route){ .encoding = OTLP_JSON };
    bool is_found = !head->is_grpc && find(head, &ret_route->endpoint, &is_path);
    if (head->is_grpc || !is_path)
        return ERR_NOT_FOUND;
    ret_route->is_options = str_equal_c(head->method, "OPTIONS");
    ret_route->is_open = is_found && ret_route->endpoint == HEALTH;
    ret_route->is_query = is_found && ret_route->endpoint == PROJECTS;
    if (ret_route->is_options)
        return ERR_OK;
    if (!is_found)
        return diag_set(reterr_why, ERR_METHOD, "%.*s is not allowed here",
                        STR_ARG(str_sub(head->method, 0, 20)));
    bool has_body = !ret_route->is_open && !ret_route->is_query;
    return has_body ? intake_want_json(head, reterr_why) : ERR_OK;
}

static enum err decode(struct arena *arena, const struct intake_body *body,
                       struct raw_batch *ret_batch, struct diag *reterr_why)
{
    switch ((enum endpoint)body->endpoint) {
    case INGESTION:
        return langfuse_batch_decode(arena, body->bytes, body->limits, ret_batch, reterr_why);
    case SCORES:
        return langfuse_score_decode(arena, body->bytes, body->limits, ret_batch, reterr_why);
    case MEDIA:
        return langfuse_media_decode(arena, body->bytes, ret_batch, reterr_why);
    case MEDIA_DONE:
    case HEALTH:
    case PROJECTS:
        break;
    }
    *ret_batch = (struct raw_batch){ 0 };
    return ERR_OK;
}

static void body_of_query(struct buf *body, const struct intake_route *route, str project)
{
    if (route->endpoint == HEALTH) {
        buf_add_c(body, "{\"status\":\"OK\",\"version\":\"" VERSION "\"}");
    } else if (route->endpoint == PROJECTS) {
        buf_add_c(body, "{\"data\":[{\"id\":");
        buf_add_json_str(body, project);
        buf_add_c(body, ",\"name\":");
        buf_add_json_str(body, project);
        buf_add_c(body, ",\"organization\":{\"id\":\"telltale\",\"name\":\"telltale\"},"
                        "\"metadata\":{},\"retentionDays\":null}]}");
    } else {
        buf_add_c(body, "{}");
    }
}

static void answer(struct request *request, const struct intake_route *route,
                   const struct intake_answer *outcome)
{
    struct intake_reply reply;
    intake_reply_begin(&reply, request, route, outcome, 64 * KIB);
    if (outcome->err)
        intake_reply_error(&reply, "{\"message\":$m,\"error\":$n}");
    else if (outcome->reply_status == 0)
        body_of_query(&reply.body, route, outcome->project);
    intake_reply_send(&reply);
}

const struct source_ops source_langfuse = {
    .name = "langfuse",
    .match = match,
    .unpack = intake_unpack,
    .decode = decode,
    .answer = answer,
};
