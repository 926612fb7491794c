/* helicone.c -- what Helicone's manual loggers post: one call each, feedback, scores.
 *
 * The provider is in the path (`/oai/v1/log`), the rest in Helicone-* headers and the body;
 * feedback and scores name the request in their path.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/helicone.h"
#include "intake/reply.h"

enum endpoint { LOG_CUSTOM, LOG_OPENAI, LOG_ANTHROPIC, LOG_GOOGLE, FEEDBACK, SCORES };

static const struct {
    str path;
    enum endpoint endpoint;
} paths[] = {
    { STR("/custom/v1/log"), LOG_CUSTOM },
    { STR("/oai/v1/log"), LOG_OPENAI },
    { STR("/anthropic/v1/log"), LOG_ANTHROPIC },
    { STR("/googleapis/v1/log"), LOG_GOOGLE },
};

/* "/v1/request/{id}/feedback": the id. */
static str request_of(str path, enum endpoint *ret)
{
    static const str begin = STR("/v1/request/"), feedback = STR("/feedback"),
                     score = STR("/score");
    str end = str_ends(path, feedback) ? feedback : score;
    *ret = str_ends(path, feedback) ? FEEDBACK : SCORES;
    if (!str_starts(path, begin) || !str_ends(path, end) || path.len <= begin.len + end.len)
        return STR_NONE;
    str id = str_sub(path, begin.len, path.len - begin.len - end.len);
    return str_find_char(id, '/') == id.len ? id : STR_NONE;
}

static bool find(str path, enum endpoint *ret)
{
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        if (str_equal(path, paths[i].path)) {
            *ret = paths[i].endpoint;
            return true;
        }
    return !str_is_none(request_of(path, ret));
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
    if (!str_equal_c(head->method, "POST"))
        return diag_set(reterr_why, ERR_METHOD, "%.*s is not allowed here, send POST",
                        STR_ARG(str_sub(head->method, 0, 20)));
    return intake_want_json(head, reterr_why);
}

/* The headers as attributes: a codec knows no requests. */
static bool headers_of(struct arena *arena, const struct request_head *head,
                       struct helicone_body *body)
{
    struct attr *attrs = arena_new(arena, struct attr, head->header_count + 1);
    for (size_t i = 0; attrs && i < head->header_count; i++)
        attrs[i] = (struct attr){ head->headers[i].name, value_str(head->headers[i].value) };
    body->headers = attrs;
    body->header_count = attrs ? (uint32_t)head->header_count : 0;
    return attrs != NULL;
}

static enum err decode(struct arena *arena, const struct intake_body *body,
                       struct raw_batch *ret_batch, struct diag *reterr_why)
{
    static const char *const providers[] = {
        [LOG_OPENAI] = "openai", [LOG_ANTHROPIC] = "anthropic", [LOG_GOOGLE] = "google"
    };
    enum endpoint endpoint = (enum endpoint)body->endpoint, unused;
    struct helicone_body log = { .bytes = body->bytes };
    if (body->head && !headers_of(arena, body->head, &log))
        return diag_set(reterr_why, ERR_LIMIT, "the request needs too much memory");
    if (endpoint != FEEDBACK && endpoint != SCORES) {
        log.provider = str_from_c(providers[endpoint]);
        return helicone_decode_log(arena, &log, body->limits, ret_batch, reterr_why);
    }
    log.request_id = body->head ? request_of(body->head->path, &unused) : STR_NONE;
    if (str_is_none(log.request_id))
        return diag_set(reterr_why, ERR_BAD_INPUT, "the request's id is missing");
    return endpoint == FEEDBACK
               ? helicone_decode_feedback(arena, &log, ret_batch, reterr_why)
               : helicone_decode_scores(arena, &log, body->limits, ret_batch, reterr_why);
}

static void answer(struct request *request, const struct intake_route *route,
                   const struct intake_answer *outcome)
{
    struct intake_reply reply;
    intake_reply_begin(&reply, request, route, outcome, 4 * KIB);
    if (outcome->err)
        intake_reply_error(&reply, "{\"error\":$m}");
    else
        buf_add_c(&reply.body, "{\"data\":null,\"error\":null}");
    intake_reply_send(&reply);
}

const struct source_ops source_helicone = {
    .name = "helicone",
    .match = match,
    .unpack = intake_unpack,
    .decode = decode,
    .answer = answer,
};
