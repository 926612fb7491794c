/* fuzz_datadog.c -- any bytes as what a Datadog tracer sends: refused with a reason, or items that
 * hold.  The first byte says which of the forms it is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "wire/datadog.h"

#include <math.h>

enum { INPUT_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void span_holds(const struct raw_span *span)
{
    assert(span->scope && span->scope->resource);
    assert(!id8_is_zero(span->span_id) && !id16_is_zero(span->trace_id));
    assert(span->attr_count == 0 || span->attrs);
    assert(span->attr_count <= otlp_limits_default.attrs_max);
    assert(span->link_count <= otlp_limits_default.links_max);
    for (uint32_t i = 0; i < span->attr_count; i++)
        assert(!str_is_none(span->attrs[i].key) && span->attrs[i].value.type != VALUE_NULL);
}

static void score_holds(const struct raw_score *raw)
{
    const struct score *score = &raw->score;
    assert(score->name.len > 0 && score->name.len <= SCORE_NAME_BYTES_MAX);
    assert(score->has_value || !str_is_none(score->label));
    assert(!score->has_value || isfinite(score->value));
}

static enum err decode(uint8_t form, struct arena *arena, str bytes, struct raw_batch *batch,
                       struct diag *why)
{
    if (form % 4 == 0)
        return datadog_decode_events(arena, bytes, NULL, batch, why);
    if (form % 4 == 1)
        return datadog_decode_scores(arena, bytes, NULL, batch, why);
    struct datadog_body body = { .bytes = bytes,
                                 .format =
                                     form % 4 == 2 ? DATADOG_TRACES_V04 : DATADOG_TRACES_V05 };
    return datadog_decode_traces(arena, &body, NULL, batch, why);
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
    arena_init(&arena, 64 * MIB);
    enum err err = decode(data[0], &arena, str_make(bytes, size - 1), &batch, &why);
    assert(err == ERR_OK || why.text[0]);
    for (uint32_t i = 0; !err && i < batch.span_count; i++)
        span_holds(&batch.spans[i]);
    for (uint32_t i = 0; !err && i < batch.score_count; i++)
        score_holds(&batch.scores[i]);
    assert(err || !batch.rejected_count || batch.rejected_why[0]);
    arena_clear(&arena);
    xfree(bytes);
    return 0;
}
