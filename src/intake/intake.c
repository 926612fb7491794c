/* intake.c -- the list of sources, and what they share.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "intake/intake.h"
#include "base/check.h"
#include "base/text.h"
#include "sys/clock.h"
#include "wire/events_json.h"

const struct source_ops *const intake_sources[] = {
    &source_otlp_grpc, &source_otlp_http,  &source_scores,
    &source_langfuse,  &source_langfuse,   &source_langsmith,
    &source_opik,      &source_weave,      &source_datadog,
    &source_helicone,  &source_helicone,   &source_phoenix,
    &source_mlflow,    &source_braintrust, &source_posthog,
    &source_events,    &source_text_logs,  NULL
};

enum err intake_match(const struct request_head *head, struct intake_route *ret_route,
                      struct diag *reterr_why)
{
    for (size_t i = 0; intake_sources[i]; i++) {
        enum err err = intake_sources[i]->match(head, ret_route, reterr_why);
        if (err == ERR_NOT_FOUND)
            continue;
        ret_route->source = intake_sources[i];
        return err;
    }
    return diag_set(reterr_why, ERR_NOT_FOUND, "no such path");
}

str intake_message(struct arena *arena, const struct intake_answer *answer)
{
    assert(answer->err);
    const struct diag *why = answer->why;
    if (!why)
        return str_from_c(err_text(answer->err));
    str place =
        why->offset == SIZE_MAX ? STR_OF("") : arena_printf(arena, " (at byte %zu)", why->offset);
    str text = arena_printf(arena, "%s%.*s%s%s", why->text, STR_ARG(place),
                            why->hint[0] ? "; " : "", why->hint);
    return str_is_none(text) ? str_from_c(err_text(answer->err)) : text;
}

static void add_header(struct response *response, const char *name, str value)
{
    assert(response->extra_count < COUNT_OF(response->extra));
    response->extra[response->extra_count++] = (struct header){ str_from_c(name), value };
}

void intake_add_cors(const struct request_head *head, struct response *response)
{
    str origin = request_header(head, STR_OF("origin"));
    if (str_is_none(origin))
        return;
    add_header(response, "access-control-allow-origin", origin);
    add_header(response, "access-control-allow-credentials", STR_OF("true"));
    add_header(response, "vary", STR_OF("Origin"));
    if (!str_equal_c(head->method, "OPTIONS"))
        return;
    str asked = request_header(head, STR_OF("access-control-request-headers"));
    add_header(response, "access-control-allow-methods", STR_OF("POST, OPTIONS"));
    add_header(response, "access-control-allow-headers",
               str_is_none(asked) ? STR_OF("content-type, content-encoding, authorization, "
                                           "x-api-key, traceparent, x-requested-with")
                                  : asked);
    add_header(response, "access-control-max-age", STR_OF("7200"));
}

str intake_media_type(const struct request_head *head)
{
    str value = request_header(head, STR_OF("content-type"));
    str type;
    return str_next(&value, ';', &type) ? str_trim(type) : STR_OF("");
}

enum err intake_want_json(const struct request_head *head, struct diag *reterr_why)
{
    str type = intake_media_type(head);
    if (type.len == 0 || str_equal_nocase(type, STR_OF("application/json")))
        return ERR_OK;
    diag_set(reterr_why, ERR_MEDIA_TYPE, "content type \"%.*s\" is not JSON",
             STR_ARG(str_sub(type, 0, 80)));
    diag_hint(reterr_why, "send application/json");
    return ERR_MEDIA_TYPE;
}

str intake_query_parameter(struct arena *arena, str query, const char *name)
{
    str rest = query, pair;
    while (!str_is_none(rest) && str_next(&rest, '&', &pair)) {
        size_t equals = str_find_char(pair, '='), len = 0;
        str value = str_from(pair, equals + 1);
        if (!str_equal_c(str_sub(pair, 0, equals), name) || value.len > INTAKE_QUERY_BYTES_MAX)
            continue;
        char *text = arena_alloc(arena, value.len + 1);
        for (size_t i = 0; text && i < value.len; i++) {
            uint8_t byte;
            bool is_escape = value.ptr[i] == '%' && hex_decode(str_sub(value, i + 1, 2), &byte, 1);
            text[len++] = is_escape ? (char)byte : value.ptr[i] == '+' ? ' ' : value.ptr[i];
            i += is_escape ? 2 : 0;
        }
        return text ? str_make(text, len) : STR_NONE;
    }
    return STR_NONE;
}

enum err intake_unpack(const struct request_head *head, struct decompress *decompress, str body,
                       struct buf *out, str *ret_plain, struct diag *reterr_why)
{
    str encoding = str_trim(request_header(head, STR_OF("content-encoding")));
    if (str_is_empty(encoding) || str_equal_nocase(encoding, STR_OF("identity"))) {
        *ret_plain = body;
        return ERR_OK;
    }
    enum decompress_format format;
    if (!decompress_format_by_name(encoding, &format)) {
        diag_set(reterr_why, ERR_BAD_INPUT, "content encoding \"%.*s\" is unknown",
                 STR_ARG(str_sub(encoding, 0, 40)));
        diag_hint(reterr_why, "use gzip, deflate, zstd or none");
        return ERR_BAD_INPUT;
    }
    if (body.len == 0) { /* an empty request stays one */
        *ret_plain = body;
        return ERR_OK;
    }
    enum err err = decompress_all(decompress, format, body, out, reterr_why);
    *ret_plain = buf_str(out);
    return err == ERR_LIMIT ? ERR_TOO_LARGE : err;
}

enum err intake_decode_otlp(struct arena *arena, const struct intake_body *body,
                            struct raw_batch *ret_batch, struct diag *reterr_why)
{
    enum err err = otlp_decode(arena, body->signal, body->encoding, body->bytes, body->limits,
                               ret_batch, reterr_why);
    if (!err && ret_batch->log_count)
        err = events_of_logs(arena, body->limits, clock_now_ns(), ret_batch, reterr_why);
    return err;
}

static void retry_header(struct response *response, struct arena *arena, int64_t retry_after_ms)
{
    if (retry_after_ms <= 0)
        return;
    str seconds = arena_printf(arena, "%lld", (long long)((retry_after_ms + 999) / 1000));
    if (str_is_none(seconds))
        seconds = STR_OF("1");
    response->extra[response->extra_count++] = (struct header){ STR("retry-after"), seconds };
}

void intake_set_error(struct arena *arena, const struct intake_answer *answer,
                      struct response *response)
{
    response->status = err_http_status(answer->err);
    if (err_is_retryable(answer->err))
        retry_header(response, arena, answer->retry_after_ms);
    if (answer->err == ERR_METHOD)
        add_header(response, "allow", STR_OF("POST, OPTIONS"));
    if (answer->err == ERR_UNAUTHENTICATED)
        add_header(response, "www-authenticate", STR_OF("Bearer"));
}
