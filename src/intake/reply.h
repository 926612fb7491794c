/* reply.h -- an answer of JSON, from its status to its sending: what most sources do alike.
 *
 * A source begins the reply, writes what success says into `body` or fills the words of its
 * protocol into the form of an error, and sends it.  It need not think of preflights, of
 * Retry-After, of browsers, of replies that decode prepared.
 *
 * Memory:  the body until intake_reply_send(); request, route and outcome outlive the reply.
 * Threads: the loop of the request.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "intake/intake.h"

struct intake_reply {
    struct request *request;
    const struct intake_answer *outcome;
    struct response response; /* its status and content type are the source's to change */
    struct buf body;          /* empty: what decode prepared is sent */
    bool is_preflight;        /* no body is sent, whatever was written */
};

/* 204 to a preflight; else the status that decode prepared, or 200; application/json. */
void intake_reply_begin(struct intake_reply *reply, struct request *request,
                        const struct intake_route *route, const struct intake_answer *outcome,
                        size_t body_bytes_max);
/* The status and headers of outcome->err, and `form` as the body: in it "$m" is the message and
 * "$n" the name of the error, "$t" what the name says, each as a JSON string; "$s" the status. */
void intake_reply_error(struct intake_reply *reply, const char *form);
/* What a success left out: {"rejected":N}, with a "message" when N is not 0. */
void intake_reply_rejected(struct intake_reply *reply);
/* With the headers that browsers want.  The reply is spent. */
void intake_reply_send(struct intake_reply *reply);

/* For source_ops.decode: `out` becomes the reply of a success, status 200, in the arena; `out` is
 * cleared.  ERR_LIMIT: it did not fit. */
MUST_CHECK enum err intake_reply_prepare(struct arena *arena, struct buf *out,
                                         struct raw_batch *batch, struct diag *reterr_why);
