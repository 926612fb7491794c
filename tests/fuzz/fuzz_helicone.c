/* fuzz_helicone.c -- any bytes as a logged call, its feedback or its scores: refused with a reason,
 * or items that hold.  The first byte says which.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "wire/helicone.h"

#include <math.h>

enum { INPUT_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void span_holds(const struct raw_span *span)
{
    assert(span->scope && span->scope->resource);
    assert(!id8_is_zero(span->span_id) && !id16_is_zero(span->trace_id));
    for (uint32_t i = 0; i < span->attr_count; i++)
        assert(!str_is_none(span->attrs[i].key) && span->attrs[i].value.type != VALUE_NULL);
}

static enum err decode(uint8_t form, struct arena *arena, const struct helicone_body *body,
                       struct raw_batch *batch, struct diag *why)
{
    if (form % 3 == 0)
        return helicone_decode_log(arena, body, NULL, batch, why);
    if (form % 3 == 1)
        return helicone_decode_feedback(arena, body, batch, why);
    return helicone_decode_scores(arena, body, NULL, batch, why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > INPUT_MAX)
        return 0;
    char *bytes = xmalloc(size); /* of its own, so that a read past the end is seen */
    memcpy(bytes, data + 1, size - 1);
    struct arena arena;
    struct raw_batch batch;
    struct diag why = DIAG_NONE;
    struct helicone_body body = { .bytes = str_make(bytes, size - 1), .request_id = STR("r") };
    arena_init(&arena, 64 * MIB);
    enum err err = decode(data[0], &arena, &body, &batch, &why);
    assert(err == ERR_OK || why.text[0]);
    for (uint32_t i = 0; !err && i < batch.span_count; i++)
        span_holds(&batch.spans[i]);
    for (uint32_t i = 0; !err && i < batch.score_count; i++)
        assert(isfinite(batch.scores[i].score.value) && batch.scores[i].score.name.len);
    arena_clear(&arena);
    xfree(bytes);
    return 0;
}
