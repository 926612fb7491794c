/* fuzz_posthog.c -- any bytes as events of PostHog: refused, or items that hold.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz_vendor.h"
#include "wire/posthog.h"

static enum err decode(uint8_t form, struct arena *arena, str bytes, struct raw_batch *ret_batch,
                       struct diag *reterr_why)
{
    (void)form;
    return posthog_decode(arena, bytes, &otlp_limits_default, ret_batch, reterr_why);
}

static void span_holds(const struct raw_span *span)
{
    assert(span->scope && span->scope->resource && span->start_ns <= span->end_ns);
}

static void score_holds(const struct raw_score *raw)
{
    assert(raw->score.has_trace_id);
}

FUZZ_VENDOR(.decode = decode, .span_holds = span_holds, .score_holds = score_holds)
