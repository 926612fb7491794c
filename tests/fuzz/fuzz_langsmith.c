/* fuzz_langsmith.c -- bodies of LangSmith's API: what comes out is within its limits.
 *
 * The first byte of the input chooses the kind of body; the boundary of a form is "B".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz_vendor.h"
#include "wire/langsmith.h"

enum { ITEMS_MAX = 8, ATTRS_MAX = 16 }; /* small, so that they are met too */

static enum err decode(uint8_t form, struct arena *arena, str bytes, struct raw_batch *ret_batch,
                       struct diag *reterr_why)
{
    struct otlp_limits limits = otlp_limits_default;
    limits.items_max = ITEMS_MAX;
    limits.attrs_max = ATTRS_MAX;
    const struct langsmith_input input = {
        .kind = (enum langsmith_body)(form % (LANGSMITH_FEEDBACK_PATCH + 1)),
        .body = bytes,
        .id = STR_OF("1"),
        .content_type = STR_OF("multipart/form-data; boundary=B"),
        .limits = &limits,
    };
    return langsmith_decode(arena, &input, ret_batch, reterr_why);
}

static void span_holds(const struct raw_span *span)
{
    assert(span->attr_count <= ATTRS_MAX);
}

static void batch_holds(const struct raw_batch *batch)
{
    assert(batch->span_count + batch->score_count <= ITEMS_MAX + 1);
}

FUZZ_VENDOR(.has_form = true, .lacks_names = true, .small_arena_if = UINT8_MAX, .decode = decode,
            .span_holds = span_holds, .batch_holds = batch_holds)
