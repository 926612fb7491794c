/* fuzz_opik.c -- any bytes as Opik's objects or scores: refused with a reason, or items that hold.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz_vendor.h"
#include "wire/opik.h"

static const struct otlp_limits limits = { .items_max = 64, .attrs_max = 16 };

static enum err decode(uint8_t form, struct arena *arena, str bytes, struct raw_batch *ret_batch,
                       struct diag *reterr_why)
{
    struct opik_request request = { .kind = (enum opik_kind)((form & 3) % 3),
                                    .is_list = (form & 4) != 0,
                                    .id = form & 8 ? STR_OF("path") : STR_NONE,
                                    .body = bytes,
                                    .limits = &limits };
    if (form & 16)
        return opik_scores_decode(arena, &request, ret_batch, reterr_why);
    if (request.kind == OPIK_THREAD)
        request.kind = OPIK_SPAN;
    return opik_items_decode(arena, &request, ret_batch, reterr_why);
}

static void span_holds(const struct raw_span *span)
{
    assert(span->is_addition && span->scope);
    assert(span->source_id.len > 0);
}

static void score_holds(const struct raw_score *raw)
{
    const struct score *score = &raw->score;
    assert(score->has_trace_id || score->has_span_id || !str_is_none(score->session_id));
    assert(score->has_value);
}

static void batch_holds(const struct raw_batch *batch)
{
    assert(batch->reply_status == 201 || batch->reply_status == 204);
}

FUZZ_VENDOR(.has_form = true, .small_arena_if = 32, .decode = decode, .span_holds = span_holds,
            .score_holds = score_holds, .batch_holds = batch_holds)
