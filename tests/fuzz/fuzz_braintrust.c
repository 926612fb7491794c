/* fuzz_braintrust.c -- any bytes as rows of Braintrust's log: refused, or items that hold.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz_vendor.h"
#include "wire/braintrust.h"
#include "wire/json.h"

static enum err decode(uint8_t form, struct arena *arena, str bytes, struct raw_batch *ret_batch,
                       struct diag *reterr_why)
{
    (void)form;
    return braintrust_decode(arena, bytes, &otlp_limits_default, ret_batch, reterr_why);
}

static void span_holds(const struct raw_span *span)
{
    assert(span->is_addition && span->scope && span->scope->resource);
}

static void score_holds(const struct raw_score *raw)
{
    assert(raw->score.has_trace_id || raw->score.response_id.len > 0);
}

static void batch_holds(const struct raw_batch *batch)
{
    assert(json_check(batch->reply));
}

FUZZ_VENDOR(.decode = decode, .span_holds = span_holds, .score_holds = score_holds,
            .batch_holds = batch_holds)
