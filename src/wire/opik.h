/* opik.h -- bodies of Opik's own API: traces, spans, their updates, feedback scores.
 *
 * A span becomes a part of a span (raw_span.is_addition), for it is sent again or patched when
 * it ends.  A trace is an object of its own there: here it is the root span, as with Langfuse
 * (docs/decisions/0035).  Attributes are named opik.*; norm's tables read them.
 *
 * Memory:  borrows from the body; arrays come from the arena.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "wire/native.h"
#include "wire/otlp.h"

enum opik_kind { OPIK_TRACE, OPIK_SPAN, OPIK_THREAD };

/* What the path says, and the body. */
struct opik_request {
    enum opik_kind kind;
    bool is_list; /* {"traces":[...]}, {"spans":[...]}: else one object */
    str id;       /* in the path: of what is updated or scored; STR_NONE: the body says it */
    str body;
    const struct otlp_limits *limits;
};

/* An object that cannot be read is left out and counted: these answers have no words for it.
 * ERR_BAD_INPUT when none is left, ERR_LIMIT (items, or the arena's budget). */
MUST_CHECK enum err opik_items_decode(struct arena *arena, const struct opik_request *request,
                                      struct raw_batch *ret_batch, struct diag *reterr_why);
/* PUT .../feedback-scores: {"scores":[...]}, or one about request->id. */
MUST_CHECK enum err opik_scores_decode(struct arena *arena, const struct opik_request *request,
                                       struct raw_batch *ret_batch, struct diag *reterr_why);
