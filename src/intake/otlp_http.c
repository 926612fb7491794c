/* otlp_http.c -- OTLP over HTTP: POST /v1/traces, /v1/logs, /v1/metrics.
 *
 * Vendors mount the same three paths under prefixes; those that SDKs are known to
 * use are accepted.  A user who sets the traces endpoint to a bare host posts to
 * "/": that is taken as traces.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "intake/intake.h"

struct path_row {
    str suffix;
    enum otlp_signal signal;
};
static const struct path_row paths[] = {
    { STR("/v1/traces"), OTLP_TRACES },
    { STR("/v1/logs"), OTLP_LOGS },
    { STR("/v1/metrics"), OTLP_METRICS },
};

/* Where vendors mount the three paths (native documentation of each). */
static const str prefixes[] = {
    STR(""),
    STR("/api/public/otel"),
    STR("/otel"),
    STR("/api/otel"),
    STR("/api/v1/otel"),
    STR("/otlp"),
    STR("/api/v1/private/otel"),
    STR("/api/v1/otlp"),
    STR("/opik/api/v1/private/otel"),
    STR("/v1/private/otel"),
};

static bool match_path(str path, enum otlp_signal *ret_signal)
{
    if (path.len > 1 && path.ptr[path.len - 1] == '/')
        path.len--;
    if (str_equal_c(path, "/")) {
        *ret_signal = OTLP_TRACES;
        return true;
    }
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        if (!str_ends(path, paths[i].suffix))
            continue;
        str prefix = str_sub(path, 0, path.len - paths[i].suffix.len);
        for (size_t j = 0; j < COUNT_OF(prefixes); j++) {
            if (!str_equal(prefix, prefixes[j]))
                continue;
            *ret_signal = paths[i].signal;
            return true;
        }
    }
    return false;
}

static enum err match(const struct request_head *head, struct intake_route *ret_route,
                      struct diag *reterr_why)
{
    *ret_route = (struct intake_route){ .encoding = OTLP_PROTOBUF };
    if (head->is_grpc || !match_path(head->path, &ret_route->signal))
        return ERR_NOT_FOUND;
    bool is_root = str_equal_c(head->path, "/");
    if (is_root && !str_equal_c(head->method, "POST"))
        return ERR_NOT_FOUND; /* a browser looking for a page */
    if (str_equal_c(head->method, "OPTIONS")) {
        ret_route->is_options = true;
        return ERR_OK;
    }
    if (!str_equal_c(head->method, "POST"))
        return diag_set(reterr_why, ERR_METHOD, "%.*s is not allowed here, send POST",
                        STR_ARG(str_sub(head->method, 0, 20)));
    str type = intake_media_type(head);
    if (str_equal_nocase(type, STR_OF("application/json"))) {
        ret_route->encoding = OTLP_JSON;
        return ERR_OK;
    }
    if (str_equal_nocase(type, STR_OF("application/x-protobuf")) ||
        str_equal_nocase(type, STR_OF("application/protobuf")))
        return ERR_OK;
    diag_set(reterr_why, ERR_MEDIA_TYPE, "content type \"%.*s\" is not OTLP",
             STR_ARG(str_sub(type, 0, 80)));
    diag_hint(reterr_why, "send application/x-protobuf or application/json");
    return ERR_MEDIA_TYPE;
}

static void answer(struct request *request, const struct intake_route *route,
                   const struct intake_answer *outcome)
{
    const struct request_head *head = request_head(request);
    struct response response = { .status = route->is_options ? 204 : 200, .grpc_status = -1 };
    struct buf body;
    buf_init(&body, 4 * KIB);
    bool plain = outcome->err == ERR_METHOD || outcome->err == ERR_MEDIA_TYPE;
    str message = outcome->err ? intake_message(request_arena(request), outcome) : STR_NONE;
    if (route->is_options) {
        response.content_type = STR_NONE;
    } else if (outcome->err && plain) { /* as the Collector does: the encoding is not known */
        response.content_type = STR_OF("text/plain; charset=utf-8");
        buf_add_str(&body, message);
        buf_add_char(&body, '\n');
    } else {
        response.content_type = route->encoding == OTLP_JSON ? STR_OF("application/json")
                                                             : STR_OF("application/x-protobuf");
        if (outcome->err)
            otlp_write_status(&body, route->encoding, err_grpc_code(outcome->err), message,
                              outcome->retry_after_ms);
        else
            otlp_write_response(&body, route->signal, route->encoding, outcome->rejected_count,
                                outcome->rejected_why);
    }
    if (outcome->err)
        intake_set_error(request_arena(request), outcome, &response);
    intake_add_cors(head, &response);
    response.body = buf_str(&body);
    request_respond(request, &response);
    buf_clear(&body);
}

const struct source_ops source_otlp_http = {
    .name = "otlp_http",
    .match = match,
    .unpack = intake_unpack,
    .decode = intake_decode_otlp,
    .answer = answer,
};
