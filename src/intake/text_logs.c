/* text_logs.c -- POST /api/v1/logs: plain text, one log record a line ("stage 0").
 *
 * For what can only write text: `curl -H 'content-type: text/plain' --data-binary @app.log`.  Whose
 * lines they are is said by the headers x-telltale-service and x-telltale-environment.  The other
 * methods of the path are the API's: GET searches log records.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "intake/intake.h"
#include "wire/text_lines.h"

static enum err match(const struct request_head *head, struct intake_route *ret_route,
                      struct diag *reterr_why)
{
    *ret_route = (struct intake_route){ .signal = OTLP_LOGS, .encoding = OTLP_JSON };
    if (head->is_grpc || !str_equal_c(head->path, "/api/v1/logs"))
        return ERR_NOT_FOUND;
    if (str_equal_c(head->method, "OPTIONS")) {
        ret_route->is_options = true;
        return ERR_OK;
    }
    if (!str_equal_c(head->method, "POST"))
        return ERR_NOT_FOUND;
    str type = intake_media_type(head);
    if (type.len == 0 || str_equal_nocase(type, STR_OF("text/plain")))
        return ERR_OK;
    diag_set(reterr_why, ERR_MEDIA_TYPE, "content type \"%.*s\" is not plain text",
             STR_ARG(str_sub(type, 0, 80)));
    diag_hint(reterr_why, "send text/plain, one record a line; OTLP goes to /v1/logs");
    return ERR_MEDIA_TYPE;
}

static str header_text(const struct request_head *head, const char *name)
{
    str text = head ? request_header(head, str_from_c(name)) : STR_NONE;
    return str_is_none(text) ? STR_OF("") : str_trim(text);
}

static enum err decode(struct arena *arena, const struct intake_body *body,
                       struct raw_batch *ret_batch, struct diag *reterr_why)
{
    const struct text_lines lines = {
        .body = body->bytes,
        .service = header_text(body->head, "x-telltale-service"),
        .environment = header_text(body->head, "x-telltale-environment"),
    };
    return text_lines_decode(arena, &lines, body->limits, ret_batch, reterr_why);
}

static void answer(struct request *request, const struct intake_route *route,
                   const struct intake_answer *outcome)
{
    source_scores.answer(request, route, outcome); /* {"rejected":n,"message"}, or the error */
}

const struct source_ops source_text_logs = {
    .name = "text_logs",
    .match = match,
    .unpack = intake_unpack,
    .decode = decode,
    .answer = answer,
};
