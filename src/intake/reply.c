/* reply.c -- see reply.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "intake/reply.h"
#include "base/check.h"

void intake_reply_begin(struct intake_reply *reply, struct request *request,
                        const struct intake_route *route, const struct intake_answer *outcome,
                        size_t body_bytes_max)
{
    int success = outcome->reply_status ? outcome->reply_status : 200;
    *reply = (struct intake_reply){
        .request = request,
        .outcome = outcome,
        .response = { .status = route->is_options ? 204 : success,
                      .grpc_status = -1,
                      .content_type = STR_OF("application/json") },
        .is_preflight = route->is_options,
    };
    buf_init(&reply->body, body_bytes_max);
}

void intake_reply_error(struct intake_reply *reply, const char *form)
{
    const struct intake_answer *outcome = reply->outcome;
    struct arena *arena = request_arena(reply->request);
    assert(outcome->err);
    if (reply->is_preflight)
        return;
    intake_set_error(arena, outcome, &reply->response);
    for (; *form; form++) {
        if (*form != '$') {
            buf_add_char(&reply->body, *form);
            continue;
        }
        switch (*++form) {
        case 'm':
            buf_add_json_str(&reply->body, intake_message(arena, outcome));
            break;
        case 'n':
            buf_add_json_str(&reply->body, str_from_c(err_name(outcome->err)));
            break;
        case 't':
            buf_add_json_str(&reply->body, str_from_c(err_text(outcome->err)));
            break;
        default:
            assert(*form == 's');
            buf_add_i64(&reply->body, reply->response.status);
        }
    }
}

void intake_reply_rejected(struct intake_reply *reply)
{
    buf_add_c(&reply->body, "{\"rejected\":");
    buf_add_u64(&reply->body, reply->outcome->rejected_count);
    if (reply->outcome->rejected_count) {
        buf_add_c(&reply->body, ",\"message\":");
        buf_add_json_str(&reply->body, reply->outcome->rejected_why);
    }
    buf_add_char(&reply->body, '}');
}

void intake_reply_send(struct intake_reply *reply)
{
    struct response *response = &reply->response;
    response->body = reply->body.len ? buf_str(&reply->body) : reply->outcome->reply;
    if (reply->is_preflight)
        response->body = STR_NONE;
    if (str_is_empty(response->body))
        response->content_type = STR_NONE;
    intake_add_cors(request_head(reply->request), response);
    request_respond(reply->request, response);
    buf_clear(&reply->body);
}

enum err intake_reply_prepare(struct arena *arena, struct buf *out, struct raw_batch *batch,
                              struct diag *reterr_why)
{
    batch->reply_status = 200;
    batch->reply = buf_failed(out) ? STR_NONE : arena_str(arena, buf_str(out));
    buf_clear(out);
    if (str_is_none(batch->reply))
        return diag_set(reterr_why, ERR_LIMIT, "the answer would be too large");
    return ERR_OK;
}
