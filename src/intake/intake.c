/* intake.c -- the list of sources, and what they share.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "intake/intake.h"
#include "base/check.h"

const struct source_ops *const intake_sources[] = { &source_otlp_grpc, &source_otlp_http, NULL };

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
