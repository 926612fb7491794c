/* scores.c -- POST /api/v1/scores: what somebody thinks of an answer, as JSON.
 *
 * The other methods of the path are the API's: GET lists scores.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "intake/reply.h"
#include "wire/score_json.h"

static enum err match(const struct request_head *head, struct intake_route *ret_route,
                      struct diag *reterr_why)
{
    *ret_route = (struct intake_route){ .encoding = OTLP_JSON };
    if (head->is_grpc || !str_equal_c(head->path, "/api/v1/scores"))
        return ERR_NOT_FOUND;
    ret_route->is_options = str_equal_c(head->method, "OPTIONS");
    if (ret_route->is_options)
        return ERR_OK;
    if (!str_equal_c(head->method, "POST"))
        return ERR_NOT_FOUND;
    return intake_want_json(head, reterr_why);
}

static enum err decode(struct arena *arena, const struct intake_body *body,
                       struct raw_batch *ret_batch, struct diag *reterr_why)
{
    return score_json_decode(arena, body->bytes, body->limits, ret_batch, reterr_why);
}

static void answer(struct request *request, const struct intake_route *route,
                   const struct intake_answer *outcome)
{
    struct intake_reply reply;
    intake_reply_begin(&reply, request, route, outcome, 4 * KIB);
    if (outcome->err)
        intake_reply_error(&reply, "{\"error\":{\"code\":$n,\"message\":$m}}");
    else
        intake_reply_rejected(&reply);
    intake_reply_send(&reply);
}

const struct source_ops source_scores = {
    .name = "scores",
    .match = match,
    .unpack = intake_unpack,
    .decode = decode,
    .answer = answer,
};
