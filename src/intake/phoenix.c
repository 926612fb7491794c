/* phoenix.c -- Phoenix's own API, for its clients: annotations, notes, spans as JSON.
 *
 * A project is what the sender calls it: any name is one, and its id is the name.  What would
 * read or delete is not served.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/phoenix.h"
#include "intake/reply.h"
#include "wire/tree.h"

/* Has every call for writing; the clients ask before they use newer ones. */
#define VERSION "15.5.0"
enum { ANSWER_BYTES_MAX = 16 * 1024, UNPROCESSABLE = 422 };

enum endpoint { AT_LIST, AT_VERSION = 100, AT_PROJECTS, AT_PROJECT, AT_PROJECT_MADE };

static const struct {
    str path;
    enum phoenix_list list;
} lists[] = {
    { STR("/v1/span_annotations"), PHOENIX_SPAN_ANNOTATIONS },
    { STR("/v1/trace_annotations"), PHOENIX_TRACE_ANNOTATIONS },
    { STR("/v1/session_annotations"), PHOENIX_SESSION_ANNOTATIONS },
    { STR("/v1/document_annotations"), PHOENIX_DOCUMENT_ANNOTATIONS },
    { STR("/v1/span_notes"), PHOENIX_SPAN_NOTES },
    { STR("/v1/trace_notes"), PHOENIX_TRACE_NOTES },
    { STR("/v1/session_notes"), PHOENIX_SESSION_NOTES },
};

static const str projects_path = STR("/v1/projects"), spans_suffix = STR("/spans");

/* The name in /v1/projects/NAME or /v1/projects/NAME/spans; STR_NONE: another path. */
static str project_of(str path, bool *ret_is_spans)
{
    if (!str_starts(path, projects_path) || path.len < projects_path.len + 2 ||
        path.ptr[projects_path.len] != '/')
        return STR_NONE;
    str name = str_from(path, projects_path.len + 1);
    *ret_is_spans = str_ends(name, spans_suffix) && name.len > spans_suffix.len;
    if (*ret_is_spans)
        name = str_sub(name, 0, name.len - spans_suffix.len);
    return str_find_char(name, '/') < name.len ? STR_NONE : name;
}

/* -1: none of ours. */
static int endpoint_of(str path, bool is_post)
{
    bool is_spans;
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        if (str_equal(path, lists[i].path))
            return (int)lists[i].list;
    if (str_equal_c(path, "/arize_phoenix_version"))
        return AT_VERSION;
    if (str_equal(path, projects_path))
        return is_post ? AT_PROJECT_MADE : AT_PROJECTS;
    if (str_is_none(project_of(path, &is_spans)))
        return -1;
    return is_spans ? (int)PHOENIX_SPANS : AT_PROJECT;
}

static enum err match(const struct request_head *head, struct intake_route *ret_route,
                      struct diag *reterr_why)
{
    bool is_post = str_equal_c(head->method, "POST");
    int endpoint = head->is_grpc ? -1 : endpoint_of(head->path, is_post);
    *ret_route = (struct intake_route){ .encoding = OTLP_JSON, .endpoint = endpoint };
    if (endpoint < 0)
        return ERR_NOT_FOUND;
    ret_route->is_options = str_equal_c(head->method, "OPTIONS");
    if (ret_route->is_options)
        return ERR_OK;
    bool is_get = str_equal_c(head->method, "GET");
    bool is_question = endpoint >= AT_VERSION && endpoint <= AT_PROJECT;
    ret_route->is_open = is_get && endpoint == AT_VERSION;
    ret_route->is_query = is_get && is_question;
    if (is_get && is_question)
        return ERR_OK;
    if (!is_post || is_question)
        return diag_set(reterr_why, ERR_METHOD, "%.*s is not served here",
                        STR_ARG(str_sub(head->method, 0, 20)));
    return intake_want_json(head, reterr_why);
}

static void project_json(struct buf *out, str name, str description)
{
    buf_add_c(out, "{\"id\":");
    buf_add_json_str(out, name);
    buf_add_c(out, ",\"name\":");
    buf_add_json_str(out, name);
    buf_add_c(out, ",\"description\":");
    if (str_is_none(description))
        buf_add_c(out, "null");
    else
        buf_add_json_str(out, description);
    buf_add_char(out, '}');
}

static enum err decode_project(struct arena *arena, const struct intake_body *body,
                               struct raw_batch *ret_batch, struct diag *reterr_why)
{
    struct value root;
    struct buf out;
    enum err err = tree_parse(arena, body->bytes, &root, reterr_why);
    if (err)
        return err;
    str name = tree_text(&root, "name");
    if (str_is_none(name))
        return diag_set(reterr_why, ERR_BAD_INPUT, "\"name\" is missing");
    buf_init(&out, ANSWER_BYTES_MAX);
    buf_add_c(&out, "{\"data\":");
    project_json(&out, name, tree_text(&root, "description"));
    buf_add_char(&out, '}');
    return intake_reply_prepare(arena, &out, ret_batch, reterr_why);
}

static enum err decode(struct arena *arena, const struct intake_body *body,
                       struct raw_batch *ret_batch, struct diag *reterr_why)
{
    bool is_spans;
    *ret_batch = (struct raw_batch){ 0 };
    if (body->endpoint == AT_PROJECT_MADE)
        return decode_project(arena, body, ret_batch, reterr_why);
    struct phoenix_body phoenix = { .list = (enum phoenix_list)body->endpoint,
                                    .project = project_of(body->head->path, &is_spans),
                                    .bytes = body->bytes,
                                    .limits = body->limits };
    return phoenix_decode(arena, &phoenix, ret_batch, reterr_why);
}

static void answer_question(const struct request_head *head, int endpoint,
                            struct response *response, struct buf *out)
{
    bool is_spans;
    if (endpoint == AT_VERSION) {
        response->content_type = STR_OF("text/plain; charset=utf-8");
        buf_add_c(out, VERSION);
        return;
    }
    bool is_one = endpoint == AT_PROJECT;
    buf_add_c(out, is_one ? "{\"data\":" : "{\"data\":[");
    project_json(out, is_one ? project_of(head->path, &is_spans) : STR_OF("default"), STR_NONE);
    buf_add_c(out, is_one ? "}" : "],\"next_cursor\":null}");
}

/* A body that cannot be read is 422 with a list, as its framework says it; the rest a text. */
static void answer_error(struct intake_reply *reply)
{
    bool is_bad = reply->outcome->err == ERR_BAD_INPUT;
    intake_reply_error(
        reply, is_bad ? "{\"detail\":[{\"type\":\"json_invalid\",\"loc\":[\"body\"],\"msg\":$m}]}"
                      : "{\"detail\":$m}");
    if (is_bad)
        reply->response.status = UNPROCESSABLE;
}

static void answer(struct request *request, const struct intake_route *route,
                   const struct intake_answer *outcome)
{
    struct intake_reply reply;
    intake_reply_begin(&reply, request, route, outcome, ANSWER_BYTES_MAX);
    if (outcome->err)
        answer_error(&reply);
    else if (!route->is_options && !outcome->reply_status)
        answer_question(request_head(request), route->endpoint, &reply.response, &reply.body);
    reply.response.extra[reply.response.extra_count++] =
        (struct header){ STR("x-phoenix-server-version"), STR(VERSION) };
    intake_reply_send(&reply);
}

const struct source_ops source_phoenix = {
    .name = "phoenix",
    .match = match,
    .unpack = intake_unpack,
    .decode = decode,
    .answer = answer,
};
