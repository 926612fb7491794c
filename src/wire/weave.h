/* weave.h -- the trace server of W&B Weave: calls, started, ended or complete, and feedback.
 *
 * A call that is started and ended by two requests is two parts of a span.  An end names its
 * trace only in newer clients; of others the trace id is zero and pipeline/named_spans.h finds
 * it.  The sums of usage that parents carry are left out: a model's own
 * call has its usage.
 *
 * Memory:  borrows from the body; trees, arrays and the answer come from the arena.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "wire/native.h"
#include "wire/otlp.h"

enum weave_body {
    WEAVE_START,          /* {"start":{...}} */
    WEAVE_END,            /* {"end":{...}} */
    WEAVE_BATCH,          /* {"batch":[{"mode":"start"|"end","req":{"start"|"end":{...}}}]} */
    WEAVE_COMPLETE,       /* {"batch":[call]} */
    WEAVE_UPDATE,         /* {"call_id","display_name"} */
    WEAVE_FEEDBACK,       /* one feedback */
    WEAVE_FEEDBACK_BATCH, /* {"batch":[feedback]} */
};

struct weave_input {
    enum weave_body kind;
    str body;
    int64_t now_ns; /* for the answer */
    const struct otlp_limits *limits;
};

/* With the answer in ret_batch->reply.  ERR_BAD_INPUT: no JSON, or nothing in it can be read;
 * ERR_LIMIT. */
MUST_CHECK enum err weave_decode(struct arena *arena, const struct weave_input *input,
                                 struct raw_batch *ret_batch, struct diag *reterr_why);
