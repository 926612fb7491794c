/* scores.c -- POST /api/v1/scores: what somebody thinks of an answer, as JSON.
 *
 * The other methods of the path are the API's: GET lists scores.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "intake/intake.h"
#include "wire/score_json.h"

static enum err match(const struct request_head *head, struct intake_route *ret_route,
                      struct diag *reterr_why)
{
    *ret_route = (struct intake_route){ .encoding = OTLP_JSON };
    if (head->is_grpc || !str_equal_c(head->path, "/api/v1/scores"))
        return ERR_NOT_FOUND;
    if (str_equal_c(head->method, "OPTIONS")) {
        ret_route->is_options = true;
        return ERR_OK;
    }
    if (!str_equal_c(head->method, "POST"))
        return ERR_NOT_FOUND;
    str type = intake_media_type(head);
    if (type.len == 0 || str_equal_nocase(type, STR_OF("application/json")))
        return ERR_OK;
    diag_set(reterr_why, ERR_MEDIA_TYPE, "content type \"%.*s\" is not JSON",
             STR_ARG(str_sub(type, 0, 80)));
    diag_hint(reterr_why, "send application/json");
    return ERR_MEDIA_TYPE;
}

static enum err decode(struct arena *arena, const struct intake_body *body,
                       struct raw_batch *ret_batch, struct diag *reterr_why)
{
    return score_json_decode(arena, body->bytes, body->limits, ret_batch, reterr_why);
}

static void answer(struct request *request, const struct intake_route *route,
                   const struct intake_answer *outcome)
{
    struct response response = { .status = route->is_options ? 204 : 200,
                                 .grpc_status = -1,
                                 .content_type = STR_OF("application/json") };
    struct buf body;
    buf_init(&body, 4 * KIB);
    if (route->is_options) {
        response.content_type = STR_NONE;
    } else if (outcome->err) {
        buf_add_c(&body, "{\"error\":{\"code\":");
        buf_add_json_str(&body, str_from_c(err_name(outcome->err)));
        buf_add_c(&body, ",\"message\":");
        buf_add_json_str(&body, intake_message(request_arena(request), outcome));
        buf_add_c(&body, "}}");
        intake_set_error(request_arena(request), outcome, &response);
    } else {
        buf_add_c(&body, "{\"rejected\":");
        buf_add_u64(&body, outcome->rejected_count);
        if (outcome->rejected_count) {
            buf_add_c(&body, ",\"message\":");
            buf_add_json_str(&body, outcome->rejected_why);
        }
        buf_add_char(&body, '}');
    }
    intake_add_cors(request_head(request), &response);
    response.body = buf_str(&body);
    request_respond(request, &response);
    buf_clear(&body);
}

const struct source_ops source_scores = {
    .name = "scores",
    .match = match,
    .unpack = intake_unpack,
    .decode = decode,
    .answer = answer,
};
