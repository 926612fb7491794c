/* posthog.c -- where PostHog's SDKs post events.
 *
 * They send their key inside the body only, where ours cannot be: with authentication on, the
 * key must come in a header (a proxy can add it).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/posthog.h"
#include "intake/intake.h"

enum { ANSWER_BYTES_MAX = 4096 };

static bool is_ours(str path)
{
    static const str paths[] = { STR("/batch"), STR("/i/v0/e"), STR("/i/v0/ai/batch"),
                                 STR("/capture") };
    if (path.len > 1 && path.ptr[path.len - 1] == '/')
        path.len--;
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        if (str_equal(path, paths[i]))
            return true;
    return false;
}

static enum err match(const struct request_head *head, struct intake_route *ret_route,
                      struct diag *reterr_why)
{
    *ret_route = (struct intake_route){ .encoding = OTLP_JSON };
    if (head->is_grpc || !is_ours(head->path))
        return ERR_NOT_FOUND;
    ret_route->is_options = str_equal_c(head->method, "OPTIONS");
    if (ret_route->is_options)
        return ERR_OK;
    if (!str_equal_c(head->method, "POST"))
        return ERR_NOT_FOUND; /* a page of the UI may be called so */
    str type = intake_media_type(head);
    if (type.len == 0 || str_equal_nocase(type, STR_OF("application/json")))
        return ERR_OK;
    return diag_set(reterr_why, ERR_MEDIA_TYPE, "content type \"%.*s\" is not JSON",
                    STR_ARG(str_sub(type, 0, 80)));
}

static enum err decode(struct arena *arena, const struct intake_body *body,
                       struct raw_batch *ret_batch, struct diag *reterr_why)
{
    return posthog_decode(arena, body->bytes, body->limits, ret_batch, reterr_why);
}

static void answer(struct request *request, const struct intake_route *route,
                   const struct intake_answer *outcome)
{
    struct response response = { .status = route->is_options ? 204 : 200,
                                 .grpc_status = -1,
                                 .content_type = STR_OF("application/json") };
    struct buf body;
    buf_init(&body, ANSWER_BYTES_MAX);
    if (route->is_options) {
        response.content_type = STR_NONE;
    } else if (outcome->err) {
        buf_add_c(&body, "{\"type\":\"validation_error\",\"code\":");
        buf_add_json_str(&body, str_from_c(err_name(outcome->err)));
        buf_add_c(&body, ",\"detail\":");
        buf_add_json_str(&body, intake_message(request_arena(request), outcome));
        buf_add_char(&body, '}');
        intake_set_error(request_arena(request), outcome, &response);
    } else {
        buf_add_c(&body, "{\"status\":1}");
    }
    intake_add_cors(request_head(request), &response);
    response.body = buf_str(&body);
    request_respond(request, &response);
    buf_clear(&body);
}

const struct source_ops source_posthog = {
    .name = "posthog",
    .match = match,
    .unpack = intake_unpack,
    .decode = decode,
    .answer = answer,
};
