/* helicone.h -- logs of single calls as Helicone's manual loggers send them, feedback and scores.
 *
 * A log holds what was sent to a provider and what came back, in the provider's own form (OpenAI,
 * Anthropic, Gemini) or in Helicone's for a tool, a vector database or any data; what it is part
 * of is told by Helicone-* headers, which may also stand in the log (`meta`).  It becomes one raw
 * span with `helicone.*` attributes.  Requests of one session are one trace; without a session each
 * is its own.  Helicone has no ids of spans: the request's id, or the log itself, is hashed.
 *
 * Memory:  borrows from `body` and headers; arrays and unescaped texts come from the arena.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "wire/otlp.h"

struct helicone_body {
    str bytes;
    const struct attr *headers; /* lower-case names: those of the request, texts */
    uint32_t header_count;
    str provider;   /* of the path: "openai", "anthropic"...; STR_NONE: any */
    str request_id; /* of the path: what feedback and scores are about */
};

MUST_CHECK enum err helicone_decode_log(struct arena *arena, const struct helicone_body *body,
                                        const struct otlp_limits *limits,
                                        struct raw_batch *ret_batch, struct diag *reterr_why);
/* {"rating": true} */
MUST_CHECK enum err helicone_decode_feedback(struct arena *arena, const struct helicone_body *body,
                                             struct raw_batch *ret_batch, struct diag *reterr_why);
/* {"scores": {name: number or boolean}} */
MUST_CHECK enum err helicone_decode_scores(struct arena *arena, const struct helicone_body *body,
                                           const struct otlp_limits *limits,
                                           struct raw_batch *ret_batch, struct diag *reterr_why);
