/* opik.c -- Opik's own API as its SDKs use it: /v1/private/..., below the paths where it is
 * mounted.
 *
 * Creates and updates are answered by a status without a body.  The key comes as it is in
 * Authorization, without a scheme.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/opik.h"
#include "intake/reply.h"

enum verb { CREATE, CREATE_LIST, UPDATE, SCORES, SCORE, QUERY };

/* The endpoint of a route: what is asked, of which kind. */
static int endpoint_of(enum verb verb, enum opik_kind kind)
{
    return (int)verb * 4 + (int)kind;
}

static const str prefixes[] = { STR("/api"), STR("/opik/api"), STR("") };

static const struct {
    str method, path;
    enum verb verb;
    enum opik_kind kind;
} paths[] = {
    { STR("POST"), STR("/v1/private/traces"), CREATE, OPIK_TRACE },
    { STR("POST"), STR("/v1/private/traces/batch"), CREATE_LIST, OPIK_TRACE },
    { STR("PUT"), STR("/v1/private/traces/feedback-scores"), SCORES, OPIK_TRACE },
    { STR("PUT"), STR("/v1/private/traces/threads/feedback-scores"), SCORES, OPIK_THREAD },
    { STR("POST"), STR("/v1/private/spans"), CREATE, OPIK_SPAN },
    { STR("POST"), STR("/v1/private/spans/batch"), CREATE_LIST, OPIK_SPAN },
    { STR("PUT"), STR("/v1/private/spans/feedback-scores"), SCORES, OPIK_SPAN },
    { STR("GET"), STR("/is-alive/ping"), QUERY, OPIK_TRACE },
    { STR("GET"), STR("/v1/private/toggles"), QUERY, OPIK_TRACE },
    { STR("GET"), STR("/v1/private/auth"), QUERY, OPIK_TRACE },
};

/* Paths with an id: of which object, and what follows it. */
static const struct {
    str method, before, after;
    enum verb verb;
    enum opik_kind kind;
} id_paths[] = {
    { STR("PATCH"), STR("/v1/private/traces/"), STR(""), UPDATE, OPIK_TRACE },
    { STR("PATCH"), STR("/v1/private/spans/"), STR(""), UPDATE, OPIK_SPAN },
    { STR("PUT"), STR("/v1/private/traces/"), STR("/feedback-scores"), SCORE, OPIK_TRACE },
    { STR("PUT"), STR("/v1/private/spans/"), STR("/feedback-scores"), SCORE, OPIK_SPAN },
};

/* The path below the mount; STR_NONE: not of this API. */
static str inner_path(str path)
{
    for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
        str rest = str_from(path, prefixes[i].len);
        if (str_starts(path, prefixes[i]) &&
            (str_starts(rest, STR_OF("/v1/private/")) || str_equal_c(rest, "/is-alive/ping")))
            return rest;
    }
    return STR_NONE;
}

/* The one part of the path that names an object; STR_NONE: the row is another's. */
static str id_in(str path, size_t row)
{
    str before = id_paths[row].before, after = id_paths[row].after;
    if (!str_starts(path, before) || !str_ends(path, after) || path.len <= before.len + after.len)
        return STR_NONE;
    str id = str_sub(path, before.len, path.len - before.len - after.len);
    return str_find_char(id, '/') < id.len || str_equal_c(id, "batch") ? STR_NONE : id;
}

static bool find(str method, str path, int *ret_endpoint, bool *ret_is_path)
{
    *ret_is_path = false;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        if (!str_equal(path, paths[i].path))
            continue;
        *ret_is_path = true;
        *ret_endpoint = endpoint_of(paths[i].verb, paths[i].kind);
        if (str_equal(method, paths[i].method))
            return true;
    }
    for (size_t i = 0; i < COUNT_OF(id_paths) && !*ret_is_path; i++) {
        if (str_is_none(id_in(path, i)) || !str_equal(method, id_paths[i].method))
            continue;
        *ret_is_path = true;
        *ret_endpoint = endpoint_of(id_paths[i].verb, id_paths[i].kind);
        return true;
    }
    return false;
}

static enum err match(const struct request_head *head, struct intake_route *ret_route,
                      struct diag *reterr_why)
{
    bool is_path;
    *ret_route = (struct intake_route){ .encoding = OTLP_JSON };
    str path = head->is_grpc ? STR_NONE : inner_path(head->path);
    bool is_found = !str_is_none(path) && find(head->method, path, &ret_route->endpoint, &is_path);
    if (str_is_none(path) || !is_path)
        return ERR_NOT_FOUND;
    ret_route->is_options = str_equal_c(head->method, "OPTIONS");
    bool is_query = is_found && ret_route->endpoint / 4 == QUERY;
    ret_route->is_open = is_query && str_ends(path, STR_OF("/ping"));
    ret_route->is_query = is_query && !ret_route->is_open;
    if (ret_route->is_options)
        return ERR_OK;
    if (!is_found)
        return diag_set(reterr_why, ERR_METHOD, "%.*s is not allowed here",
                        STR_ARG(str_sub(head->method, 0, 20)));
    return is_query ? ERR_OK : intake_want_json(head, reterr_why);
}

static enum err decode(struct arena *arena, const struct intake_body *body,
                       struct raw_batch *ret_batch, struct diag *reterr_why)
{
    enum verb verb = (enum verb)(body->endpoint / 4);
    struct opik_request request = { .kind = (enum opik_kind)(body->endpoint % 4),
                                    .is_list = verb == CREATE_LIST || verb == SCORES,
                                    .id = STR_NONE,
                                    .body = body->bytes,
                                    .limits = body->limits };
    str path = inner_path(body->head->path);
    for (size_t i = 0; i < COUNT_OF(id_paths) && (verb == UPDATE || verb == SCORE); i++)
        if (id_paths[i].verb == verb && id_paths[i].kind == request.kind)
            request.id = id_in(path, i);
    if (verb == SCORES || verb == SCORE)
        return opik_scores_decode(arena, &request, ret_batch, reterr_why);
    return opik_items_decode(arena, &request, ret_batch, reterr_why);
}

static void answer(struct request *request, const struct intake_route *route,
                   const struct intake_answer *outcome)
{
    struct intake_reply reply;
    intake_reply_begin(&reply, request, route, outcome, 4 * KIB);
    if (outcome->err)
        intake_reply_error(&reply, "{\"code\":$s,\"message\":$m}");
    else if (outcome->reply_status == 0)
        buf_add_c(&reply.body, "{}");
    intake_reply_send(&reply);
}

const struct source_ops source_opik = {
    .name = "opik",
    .match = match,
    .unpack = intake_unpack,
    .decode = decode,
    .answer = answer,
};
