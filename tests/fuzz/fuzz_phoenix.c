/* fuzz_phoenix.c -- any bytes as a request to Phoenix's API: refused, or items that hold.
 *
 * The first byte says which list.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz_vendor.h"
#include "wire/json.h"
#include "wire/phoenix.h"

static enum err decode(uint8_t form, struct arena *arena, str bytes, struct raw_batch *ret_batch,
                       struct diag *reterr_why)
{
    struct phoenix_body body = { .list = (enum phoenix_list)(form % (PHOENIX_SESSION_NOTES + 1)),
                                 .project = STR_OF("p"),
                                 .bytes = bytes,
                                 .limits = &otlp_limits_default };
    return phoenix_decode(arena, &body, ret_batch, reterr_why);
}

static void span_holds(const struct raw_span *span)
{
    assert(span->scope && span->scope->resource && span->name.len > 0);
}

static void score_holds(const struct raw_score *raw)
{
    const struct score *score = &raw->score;
    assert(score->has_trace_id || score->has_span_id || !str_is_none(score->session_id));
    assert(!str_is_none(raw->sender_id));
}

static void batch_holds(const struct raw_batch *batch)
{
    assert(json_check(batch->reply) && batch->reply_status >= 200);
}

FUZZ_VENDOR(.has_form = true, .decode = decode, .span_holds = span_holds,
            .score_holds = score_holds, .batch_holds = batch_holds)
