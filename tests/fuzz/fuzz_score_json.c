/* fuzz_score_json.c -- any bytes as posted scores: refused with a reason, or scores that hold.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz_vendor.h"
#include "wire/score_json.h"

static enum err decode(uint8_t form, struct arena *arena, str bytes, struct raw_batch *ret_batch,
                       struct diag *reterr_why)
{
    (void)form;
    return score_json_decode(arena, bytes, NULL, ret_batch, reterr_why);
}

static void score_holds(const struct raw_score *raw)
{
    const struct score *score = &raw->score;
    assert(score->has_trace_id || !str_is_none(score->session_id) ||
           !str_is_none(score->response_id));
    assert(!score->has_span_id || score->has_trace_id);
    assert(score->has_value || !str_is_none(score->label));
}

FUZZ_VENDOR(.decode = decode, .score_holds = score_holds)
