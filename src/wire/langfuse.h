/* langfuse.h -- bodies of Langfuse's own API: batch ingestion, a score, a media question.
 *
 * A batch is a list of events; each creates or updates a trace, an observation or a score, and
 * each has a result of its own in the answer (207).  An observation becomes a part of a span
 * (raw_span.is_addition) under the attribute names of Langfuse's OTLP dialect.  A trace has no
 * span there: here it is the root span, with an id made of the trace's (docs/decisions/0035).
 * Ids are any text.
 *
 * Memory:  borrows from `body`; arrays, unescaped texts and the answer come from the arena.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "wire/native.h"
#include "wire/otlp.h"

/* POST /api/public/ingestion.  An event that cannot be read is left out alone and named in the
 * answer; ERR_BAD_INPUT when the body is no batch, ERR_LIMIT (events, or the arena's budget). */
MUST_CHECK enum err langfuse_batch_decode(struct arena *arena, str body,
                                          const struct otlp_limits *limits,
                                          struct raw_batch *ret_batch, struct diag *reterr_why);
/* POST /api/public/scores: one score, answered by its id, or a list of them. */
MUST_CHECK enum err langfuse_score_decode(struct arena *arena, str body,
                                          const struct otlp_limits *limits,
                                          struct raw_batch *ret_batch, struct diag *reterr_why);
/* POST /api/public/media: no upload is wanted; the answer has the id that the SDK expects. */
MUST_CHECK enum err langfuse_media_decode(struct arena *arena, str body,
                                          struct raw_batch *ret_batch, struct diag *reterr_why);
