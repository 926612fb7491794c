/* fuzz_braintrust.c -- any bytes as rows of Braintrust's log: refused, or items that hold.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "wire/braintrust.h"
#include "wire/json.h"

#include <math.h>

enum { INPUT_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void items_hold(const struct raw_batch *batch)
{
    for (uint32_t i = 0; i < batch->score_count; i++) {
        const struct score *score = &batch->scores[i].score;
        assert(score->name.len > 0 && score->name.len <= SCORE_NAME_BYTES_MAX);
        assert(score->has_trace_id || score->response_id.len > 0);
        assert(!score->has_value || isfinite(score->value));
    }
    for (uint32_t i = 0; i < batch->span_count; i++) {
        const struct raw_span *span = &batch->spans[i];
        assert(span->is_addition && span->scope && span->scope->resource);
        assert(!id16_is_zero(span->trace_id) && !id8_is_zero(span->span_id));
    }
    assert(json_check(batch->reply));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > INPUT_MAX)
        return 0;
    char *bytes = xmalloc(size + 1);
    if (size)
        memcpy(bytes, data, size);
    struct arena arena;
    struct raw_batch batch;
    struct diag why = DIAG_NONE;
    arena_init(&arena, 64 * MIB);
    enum err err =
        braintrust_decode(&arena, str_make(bytes, size), &otlp_limits_default, &batch, &why);
    assert(err == ERR_OK || why.text[0]);
    if (!err)
        items_hold(&batch);
    arena_clear(&arena);
    xfree(bytes);
    return 0;
}
