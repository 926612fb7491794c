/* fuzz_helicone.c -- any bytes as a logged call, its feedback or its scores: refused with a reason,
 * or items that hold.  The first byte says which.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz_vendor.h"
#include "wire/helicone.h"

static enum err decode(uint8_t form, struct arena *arena, str bytes, struct raw_batch *ret_batch,
                       struct diag *reterr_why)
{
    struct helicone_body body = { .bytes = bytes, .request_id = STR("r") };
    if (form % 3 == 0)
        return helicone_decode_log(arena, &body, NULL, ret_batch, reterr_why);
    if (form % 3 == 1)
        return helicone_decode_feedback(arena, &body, ret_batch, reterr_why);
    return helicone_decode_scores(arena, &body, NULL, ret_batch, reterr_why);
}

static void span_holds(const struct raw_span *span)
{
    assert(span->scope && span->scope->resource);
    for (uint32_t i = 0; i < span->attr_count; i++)
        assert(!str_is_none(span->attrs[i].key) && span->attrs[i].value.type != VALUE_NULL);
}

FUZZ_VENDOR(.has_form = true, .decode = decode, .span_holds = span_holds)
