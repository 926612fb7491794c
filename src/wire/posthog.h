/* posthog.h -- PostHog's events about models: $ai_generation, $ai_embedding, $ai_span, $ai_trace.
 *
 * An event is a span that ended at its timestamp and lasted $ai_latency seconds; its properties
 * keep their names.  $ai_trace is the root: its span id is made of the trace's.  $ai_metric and
 * $ai_feedback become scores.  Other events are not ours: they are taken and left out.
 *
 * Memory:  everything comes from the arena; texts borrow from the body.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "wire/otlp.h"

/* One event, a list, or {"batch": [...]}.  ERR_BAD_INPUT, ERR_LIMIT. */
MUST_CHECK enum err posthog_decode(struct arena *arena, str body, const struct otlp_limits *limits,
                                   struct raw_batch *ret_batch, struct diag *reterr_why);
