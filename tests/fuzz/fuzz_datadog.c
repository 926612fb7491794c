/* fuzz_datadog.c -- any bytes as what a Datadog tracer sends: refused with a reason, or items that
 * hold.  The first byte says which of the forms it is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz_vendor.h"
#include "wire/datadog.h"

static enum err decode(uint8_t form, struct arena *arena, str bytes, struct raw_batch *ret_batch,
                       struct diag *reterr_why)
{
    if (form % 4 == 0)
        return datadog_decode_events(arena, bytes, NULL, ret_batch, reterr_why);
    if (form % 4 == 1)
        return datadog_decode_scores(arena, bytes, NULL, ret_batch, reterr_why);
    struct datadog_body body = { .bytes = bytes,
                                 .format =
                                     form % 4 == 2 ? DATADOG_TRACES_V04 : DATADOG_TRACES_V05 };
    return datadog_decode_traces(arena, &body, NULL, ret_batch, reterr_why);
}

static void span_holds(const struct raw_span *span)
{
    assert(span->scope && span->scope->resource);
    assert(span->attr_count == 0 || span->attrs);
    assert(span->attr_count <= otlp_limits_default.attrs_max);
    assert(span->link_count <= otlp_limits_default.links_max);
    for (uint32_t i = 0; i < span->attr_count; i++)
        assert(!str_is_none(span->attrs[i].key) && span->attrs[i].value.type != VALUE_NULL);
}

static void score_holds(const struct raw_score *raw)
{
    assert(raw->score.has_value || !str_is_none(raw->score.label));
}

static void batch_holds(const struct raw_batch *batch)
{
    assert(!batch->rejected_count || batch->rejected_why[0]);
}

FUZZ_VENDOR(.has_form = true, .decode = decode, .span_holds = span_holds,
            .score_holds = score_holds, .batch_holds = batch_holds)
