/* fuzz_weave.c -- bodies of the trace server of Weave: what comes out is within its limits.
 *
 * The first byte of the input chooses the kind of body.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz_vendor.h"
#include "wire/weave.h"

enum { ITEMS_MAX = 8, ATTRS_MAX = 16 }; /* small, so that they are met too */

static enum err decode(uint8_t form, struct arena *arena, str bytes, struct raw_batch *ret_batch,
                       struct diag *reterr_why)
{
    struct otlp_limits limits = otlp_limits_default;
    limits.items_max = ITEMS_MAX;
    limits.attrs_max = ATTRS_MAX;
    const struct weave_input input = {
        .kind = (enum weave_body)(form % (WEAVE_FEEDBACK_BATCH + 1)),
        .body = bytes,
        .limits = &limits,
    };
    return weave_decode(arena, &input, ret_batch, reterr_why);
}

static void span_holds(const struct raw_span *span)
{
    assert(span->attr_count <= ATTRS_MAX);
}

static void batch_holds(const struct raw_batch *batch)
{
    assert(batch->span_count + batch->score_count <= ITEMS_MAX);
}

FUZZ_VENDOR(.has_form = true, .lacks_traces = true, .small_arena_if = UINT8_MAX, .decode = decode,
            .span_holds = span_holds, .batch_holds = batch_holds)
