/* fuzz_langfuse.c -- any bytes as Langfuse's batch, score or media question: refused with a
 * reason, or items that hold and an answer that is JSON.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz_vendor.h"
#include "wire/json.h"
#include "wire/langfuse.h"

static const struct otlp_limits limits = { .items_max = 64, .attrs_max = 16 };

static enum err decode(uint8_t form, struct arena *arena, str bytes, struct raw_batch *ret_batch,
                       struct diag *reterr_why)
{
    if ((form & 3) == 0)
        return langfuse_score_decode(arena, bytes, &limits, ret_batch, reterr_why);
    if ((form & 3) == 1)
        return langfuse_media_decode(arena, bytes, ret_batch, reterr_why);
    return langfuse_batch_decode(arena, bytes, &limits, ret_batch, reterr_why);
}

static void span_holds(const struct raw_span *span)
{
    assert(span->is_addition && span->scope);
}

static void score_holds(const struct raw_score *raw)
{
    assert(raw->score.has_trace_id || !str_is_none(raw->score.session_id));
}

static void batch_holds(const struct raw_batch *batch)
{
    assert(batch->reply_status >= 200 && batch->reply_status < 300);
    assert(json_check(batch->reply));
}

FUZZ_VENDOR(.has_form = true, .small_arena_if = 4, .decode = decode, .span_holds = span_holds,
            .score_holds = score_holds, .batch_holds = batch_holds)
