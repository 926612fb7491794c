/* mlflow.c -- the part of MLflow's tracking API that its tracing SDK needs.
 *
 * GET /version is MLflow's only for MLflow's client; everybody else asks for ours.  Other paths
 * of its API do not exist, and are said not to in its words.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/mlflow.h"
#include "intake/reply.h"

#define VERSION "3.17.0" /* spans over OTLP from 3.4 on */
enum { ANSWER_BYTES_MAX = 32 * 1024 };

enum endpoint {
    AT_CALL = 0, /* and an enum mlflow_call */
    AT_VERSION = 100,
    AT_EXPERIMENT_BY_NAME,
    AT_EXPERIMENT,
    AT_EXPERIMENTS,
    AT_NOTHING,
};

/* What stands behind /api/N.0/mlflow/; with trace: behind traces/ID/ there. */
static const struct row {
    const char *method;
    str path;
    bool is_of_trace;
    int endpoint;
} rows[] = {
    { "GET", STR("experiments/get-by-name"), false, AT_EXPERIMENT_BY_NAME },
    { "GET", STR("experiments/get"), false, AT_EXPERIMENT },
    { "GET", STR("experiments/search"), false, AT_EXPERIMENTS },
    { "POST", STR("experiments/search"), false, AT_EXPERIMENTS },
    { "POST", STR("experiments/create"), false, MLFLOW_EXPERIMENT },
    { "POST", STR("experiments/set-experiment-tag"), false, MLFLOW_IGNORED },
    { "POST", STR("traces"), false, MLFLOW_TRACE },
    { "PATCH", STR("tags"), true, MLFLOW_TAG },
    { "DELETE", STR("tags"), true, MLFLOW_TAG_DELETED },
    { "POST", STR("assessments"), true, MLFLOW_ASSESSMENT },
    { "PATCH", STR("assessments/*"), true, MLFLOW_ASSESSMENT_CHANGED },
    { "DELETE", STR("assessments/*"), true, MLFLOW_ASSESSMENT_DELETED },
};

/* Behind the prefix; STR_NONE: another path. */
static str inner_path(str path)
{
    static const str prefixes[] = { STR("/api/2.0/mlflow/"), STR("/api/3.0/mlflow/") };
    for (size_t i = 0; i < COUNT_OF(prefixes); i++)
        if (str_starts(path, prefixes[i]))
            return str_from(path, prefixes[i].len);
    return STR_NONE;
}

/* "traces/ID/rest" -> ID and rest. */
static bool split_trace(str path, str *ret_trace_id, str *ret_rest)
{
    static const str traces = STR("traces/");
    str rest = str_starts(path, traces) ? str_from(path, traces.len) : STR_NONE;
    size_t slash = str_is_none(rest) ? 0 : str_find_char(rest, '/');
    if (slash == 0 || slash >= rest.len)
        return false;
    *ret_trace_id = str_sub(rest, 0, slash);
    *ret_rest = str_from(rest, slash + 1);
    return true;
}

static bool path_fits(str path, str wanted)
{
    size_t len = wanted.len - 1;
    if (wanted.ptr[len] != '*')
        return str_equal(path, wanted);
    return path.len > len && str_starts(path, str_sub(wanted, 0, len)) &&
           str_find_char(str_from(path, len), '/') == path.len - len;
}

static int endpoint_of(const struct request_head *head, str path)
{
    str trace_id, rest;
    bool is_of_trace = split_trace(path, &trace_id, &rest);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (str_equal_c(head->method, rows[i].method) && rows[i].is_of_trace == is_of_trace &&
            path_fits(is_of_trace ? rest : path, rows[i].path))
            return rows[i].endpoint;
    return AT_NOTHING;
}

static bool is_mlflow_client(const struct request_head *head)
{
    return str_starts(request_header(head, STR_OF("user-agent")), STR_OF("mlflow"));
}

static enum err match(const struct request_head *head, struct intake_route *ret_route,
                      struct diag *reterr_why)
{
    *ret_route = (struct intake_route){ .encoding = OTLP_JSON };
    if (head->is_grpc)
        return ERR_NOT_FOUND;
    if (str_equal_c(head->path, "/version") && is_mlflow_client(head)) {
        ret_route->endpoint = AT_VERSION;
        ret_route->is_open = true;
        return ERR_OK;
    }
    str path = inner_path(head->path);
    if (str_is_none(path))
        return ERR_NOT_FOUND;
    ret_route->is_options = str_equal_c(head->method, "OPTIONS");
    if (ret_route->is_options)
        return ERR_OK;
    ret_route->endpoint = endpoint_of(head, path);
    ret_route->is_query = ret_route->endpoint >= AT_VERSION;
    bool has_body = !ret_route->is_query && head->content_length != 0;
    return has_body ? intake_want_json(head, reterr_why) : ERR_OK;
}

static enum err decode(struct arena *arena, const struct intake_body *body,
                       struct raw_batch *ret_batch, struct diag *reterr_why)
{
    str trace_id = STR_NONE, rest = STR_NONE;
    bool is_of_trace = split_trace(inner_path(body->head->path), &trace_id, &rest);
    size_t slash = is_of_trace ? str_find_char(rest, '/') : 0;
    struct mlflow_body mlflow = { .call = (enum mlflow_call)body->endpoint,
                                  .trace_id = trace_id,
                                  .assessment_id =
                                      slash < rest.len ? str_from(rest, slash + 1) : STR_NONE,
                                  .bytes = body->bytes,
                                  .limits = body->limits };
    return mlflow_decode(arena, &mlflow, ret_batch, reterr_why);
}

static void error_json(struct buf *out, const char *code, str message)
{
    buf_printf(out, "{\"error_code\":\"%s\",\"message\":", code);
    buf_add_json_str(out, message);
    buf_add_char(out, '}');
}

static void answer_question(struct request *request, int endpoint, struct response *response,
                            struct buf *out)
{
    bool by_name = endpoint == AT_EXPERIMENT_BY_NAME;
    str asked = intake_query_parameter(request_arena(request), request_head(request)->query,
                                       by_name ? "experiment_name" : "experiment_id");
    if (endpoint == AT_VERSION) {
        response->content_type = STR_OF("text/plain; charset=utf-8");
        buf_add_c(out, VERSION);
    } else if (endpoint == AT_EXPERIMENTS) {
        struct buf one;
        buf_init(&one, ANSWER_BYTES_MAX);
        mlflow_experiment_json(&one, STR_OF("Default"), STR_NONE);
        static const str head_text = STR("{\"experiment\":");
        str object = str_from(buf_str(&one), head_text.len);
        buf_add_c(out, "{\"experiments\":[");
        buf_add_str(out, str_sub(object, 0, object.len - 1));
        buf_add_c(out, "]}");
        buf_clear(&one);
    } else if (endpoint == AT_NOTHING) {
        response->status = 404;
        error_json(out, "ENDPOINT_NOT_FOUND", STR_OF("Telltale does not serve this path"));
    } else if (str_is_empty(asked)) {
        response->status = 400;
        error_json(out, "INVALID_PARAMETER_VALUE", STR_OF("which experiment?"));
    } else {
        mlflow_experiment_json(out, by_name ? asked : STR_NONE, by_name ? STR_NONE : asked);
    }
}

/* The word that its SDK reads an error by. */
static const char *error_word(enum err err)
{
    static const struct {
        enum err err;
        const char *word;
    } words[] = { { ERR_UNAUTHENTICATED, "UNAUTHENTICATED" },
                  { ERR_FORBIDDEN, "PERMISSION_DENIED" },
                  { ERR_BUSY, "REQUEST_LIMIT_EXCEEDED" },
                  { ERR_BAD_INPUT, "INVALID_PARAMETER_VALUE" } };
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (words[i].err == err)
            return words[i].word;
    return err_is_retryable(err)         ? "TEMPORARILY_UNAVAILABLE"
           : err_http_status(err) >= 500 ? "INTERNAL_ERROR"
                                         : "BAD_REQUEST";
}

static void answer_error(struct intake_reply *reply)
{
    const struct intake_answer *outcome = reply->outcome;
    struct arena *arena = request_arena(reply->request);
    error_json(&reply->body, error_word(outcome->err), intake_message(arena, outcome));
    intake_set_error(arena, outcome, &reply->response);
}

static void answer(struct request *request, const struct intake_route *route,
                   const struct intake_answer *outcome)
{
    struct intake_reply reply;
    intake_reply_begin(&reply, request, route, outcome, ANSWER_BYTES_MAX);
    if (outcome->err)
        answer_error(&reply);
    else if (!route->is_options && !outcome->reply_status)
        answer_question(request, route->endpoint, &reply.response, &reply.body);
    intake_reply_send(&reply);
}

const struct source_ops source_mlflow = {
    .name = "mlflow",
    .match = match,
    .unpack = intake_unpack,
    .decode = decode,
    .answer = answer,
};
