/* mlflow.c -- the part of MLflow's tracking API that its tracing SDK needs.
 *
 * GET /version is MLflow's only for MLflow's client; everybody else asks for ours.  Other paths
 * of its API do not exist, and are said not to in its words.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/mlflow.h"
#include "base/text.h"
#include "intake/intake.h"

#define VERSION "3.17.0" /* spans over OTLP from 3.4 on */
enum { ANSWER_BYTES_MAX = 32 * 1024, QUERY_BYTES_MAX = 4096 };

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
    if (str_equal_c(head->method, "OPTIONS")) {
        ret_route->is_options = true;
        return ERR_OK;
    }
    ret_route->endpoint = endpoint_of(head, path);
    ret_route->is_query = ret_route->endpoint >= AT_VERSION;
    str type = intake_media_type(head);
    if (ret_route->is_query || type.len == 0 || head->content_length == 0 ||
        str_equal_nocase(type, STR_OF("application/json")))
        return ERR_OK;
    return diag_set(reterr_why, ERR_MEDIA_TYPE, "content type \"%.*s\" is not JSON",
                    STR_ARG(str_sub(type, 0, 80)));
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

/* A parameter of the query, percent-decoded into `room`; STR_NONE: absent or too long. */
static str query_text(str query, const char *name, char room[QUERY_BYTES_MAX])
{
    str rest = query, pair;
    while (!str_is_none(rest) && str_next(&rest, '&', &pair)) {
        size_t equals = str_find_char(pair, '='), len = 0;
        str value = str_from(pair, equals + 1);
        if (!str_equal_c(str_sub(pair, 0, equals), name) || equals >= pair.len ||
            value.len > QUERY_BYTES_MAX)
            continue;
        for (size_t i = 0; i < value.len; i++) {
            uint8_t byte;
            bool is_escape = value.ptr[i] == '%' && hex_decode(str_sub(value, i + 1, 2), &byte, 1);
            room[len++] = is_escape ? (char)byte : value.ptr[i] == '+' ? ' ' : value.ptr[i];
            i += is_escape ? 2 : 0;
        }
        return str_make(room, len);
    }
    return STR_NONE;
}

static void error_json(struct buf *out, const char *code, str message)
{
    buf_printf(out, "{\"error_code\":\"%s\",\"message\":", code);
    buf_add_json_str(out, message);
    buf_add_char(out, '}');
}

static void answer_question(const struct request_head *head, int endpoint,
                            struct response *response, struct buf *out)
{
    char room[QUERY_BYTES_MAX];
    bool by_name = endpoint == AT_EXPERIMENT_BY_NAME;
    str asked = query_text(head->query, by_name ? "experiment_name" : "experiment_id", room);
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

static void answer(struct request *request, const struct intake_route *route,
                   const struct intake_answer *outcome)
{
    const struct request_head *head = request_head(request);
    struct response response = { .status = route->is_options ? 204 : 200,
                                 .grpc_status = -1,
                                 .content_type = STR_OF("application/json") };
    struct buf body;
    buf_init(&body, ANSWER_BYTES_MAX);
    if (route->is_options) {
        response.content_type = STR_NONE;
    } else if (outcome->err) {
        error_json(&body, error_word(outcome->err),
                   intake_message(request_arena(request), outcome));
        intake_set_error(request_arena(request), outcome, &response);
    } else if (!outcome->reply_status) {
        answer_question(head, route->endpoint, &response, &body);
    }
    intake_add_cors(head, &response);
    response.body = outcome->reply_status ? outcome->reply : buf_str(&body);
    request_respond(request, &response);
    buf_clear(&body);
}

const struct source_ops source_mlflow = {
    .name = "mlflow",
    .match = match,
    .unpack = intake_unpack,
    .decode = decode,
    .answer = answer,
};
