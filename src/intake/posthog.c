/* posthog.c -- where PostHog's SDKs post events.
 *
 * They send their key inside the body only, where ours cannot be: with authentication on, the
 * key must come in a header (a proxy can add it).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/posthog.h"
#include "intake/reply.h"

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
    return intake_want_json(head, reterr_why);
}

static enum err decode(struct arena *arena, const struct intake_body *body,
                       struct raw_batch *ret_batch, struct diag *reterr_why)
{
    return posthog_decode(arena, body->bytes, body->limits, ret_batch, reterr_why);
}

static void answer(struct request *request, const struct intake_route *route,
                   const struct intake_answer *outcome)
{
    struct intake_reply reply;
    intake_reply_begin(&reply, request, route, outcome, ANSWER_BYTES_MAX);
    if (outcome->err)
        intake_reply_error(&reply, "{\"type\":\"validation_error\",\"code\":$n,\"detail\":$m}");
    else
        buf_add_c(&reply.body, "{\"status\":1}");
    intake_reply_send(&reply);
}

const struct source_ops source_posthog = {
    .name = "posthog",
    .match = match,
    .unpack = intake_unpack,
    .decode = decode,
    .answer = answer,
};
