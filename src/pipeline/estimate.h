/* estimate.h -- tokens of a call that nobody counted, from what was asked and told.
 *
 * Streams often end without usage.  When such a call settles, and its content is there, its
 * tokens are counted with the tokenizer of its model (tokens/) and priced; its usage.source
 * says "estimated", so that no sum mixes the two unseen.  A model without a tokenizer of its
 * own is counted by the nearest, and flagged usage_approximate (docs/decisions/0036).
 *
 * Only a model call that counts, has an answer, and knows neither side of its usage; one
 * that failed only if it streamed.  And an embedding whose texts are there.
 *
 * Memory:  one vocabulary or two, from the first call on; what is set lives in the arena.
 * Threads: one thread at a time (drain's).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "model/span.h"
#include "price/price.h"

enum {
    ESTIMATE_MESSAGE_TOKENS = 3, /* what OpenAI's chat form puts around a message */
    ESTIMATE_REPLY_TOKENS = 3,   /* and before the answer */
    ESTIMATE_TOOLS_TOKENS = 12,  /* around the tools, */
    ESTIMATE_TOOL_TOKENS = 7,    /* each of them, */
    ESTIMATE_MEMBER_TOKENS = 3,  /* and each parameter */
};
/* A longer part is counted by its first bytes, and the rest at the same rate. */
#define ESTIMATE_BYTES_MAX (4 * MIB)

struct estimator;
/* `prices`, which outlive it, may be NULL: no cost. */
struct estimator *estimator_new(const struct price_table *prices);
void estimator_free(struct estimator *estimator);

/* True: *ret_done, the span's usage is now an estimate.  `estimator` NULL: never.  ERR_LIMIT: the
 * arena is spent. */
MUST_CHECK enum err estimate_usage(struct estimator *estimator, struct arena *arena,
                                   struct span *span, bool *ret_done);
