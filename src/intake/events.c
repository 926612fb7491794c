/* events.c -- POST /api/v1/events: the flat JSON forms, one, a list, or a line each.
 *
 * The other methods of the path are the API's: GET lists events.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "intake/reply.h"
#include "sys/clock.h"
#include "wire/events_json.h"

enum { ANSWER_BYTES_MAX = 4096 };
enum endpoint { AT_DOCUMENT, AT_LINES };

static bool is_lines_type(str type)
{
    static const str types[] = { STR("application/x-ndjson"), STR("application/ndjson"),
                                 STR("application/jsonl"), STR("application/x-jsonlines"),
                                 STR("application/jsonlines") };
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (str_equal_nocase(type, types[i]))
            return true;
    return false;
}

static enum err match(const struct request_head *head, struct intake_route *ret_route,
                      struct diag *reterr_why)
{
    *ret_route = (struct intake_route){ .encoding = OTLP_JSON, .endpoint = AT_DOCUMENT };
    if (head->is_grpc || !str_equal_c(head->path, "/api/v1/events"))
        return ERR_NOT_FOUND;
    ret_route->is_options = str_equal_c(head->method, "OPTIONS");
    if (ret_route->is_options)
        return ERR_OK;
    if (!str_equal_c(head->method, "POST"))
        return ERR_NOT_FOUND;
    str type = intake_media_type(head);
    if (is_lines_type(type))
        ret_route->endpoint = AT_LINES;
    if (type.len == 0 || is_lines_type(type) || str_equal_nocase(type, STR_OF("application/json")))
        return ERR_OK;
    diag_set(reterr_why, ERR_MEDIA_TYPE, "content type \"%.*s\" is not JSON",
             STR_ARG(str_sub(type, 0, 80)));
    diag_hint(reterr_why, "send application/json, or application/x-ndjson for lines");
    return ERR_MEDIA_TYPE;
}

static enum err decode(struct arena *arena, const struct intake_body *body,
                       struct raw_batch *ret_batch, struct diag *reterr_why)
{
    struct events_body events = { .bytes = body->bytes,
                                  .is_lines = body->endpoint == AT_LINES,
                                  .limits = body->limits,
                                  .now_ns = clock_now_ns() };
    return events_json_decode(arena, &events, ret_batch, reterr_why);
}

static void answer(struct request *request, const struct intake_route *route,
                   const struct intake_answer *outcome)
{
    struct intake_reply reply;
    intake_reply_begin(&reply, request, route, outcome, ANSWER_BYTES_MAX);
    if (outcome->err)
        intake_reply_error(&reply, "{\"error\":{\"code\":$n,\"message\":$m}}");
    intake_reply_send(&reply);
}

const struct source_ops source_events = {
    .name = "events",
    .match = match,
    .unpack = intake_unpack,
    .decode = decode,
    .answer = answer,
};
