/* fuzz_langfuse.c -- any bytes as Langfuse's batch, score or media question: refused with a
 * reason, or items that hold and an answer that is JSON.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "wire/json.h"
#include "wire/langfuse.h"

#include <math.h>

enum { INPUT_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void batch_holds(const struct raw_batch *batch)
{
    assert(batch->reply_status >= 200 && batch->reply_status < 300);
    assert(json_check(batch->reply));
    assert(batch->rejected_scores <= batch->rejected_count);
    for (uint32_t i = 0; i < batch->span_count; i++) {
        assert(batch->spans[i].is_addition && batch->spans[i].scope);
        assert(!id8_is_zero(batch->spans[i].span_id));
        assert(!id16_is_zero(batch->spans[i].trace_id));
    }
    for (uint32_t i = 0; i < batch->score_count; i++) {
        const struct score *score = &batch->scores[i].score;
        assert(!str_is_none(score->name) && score->name.len <= SCORE_NAME_BYTES_MAX);
        assert(score->has_trace_id || !str_is_none(score->session_id));
        assert(!score->has_value || isfinite(score->value));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > INPUT_MAX)
        return 0;
    char *bytes = xmalloc(size);
    memcpy(bytes, data + 1, size - 1);
    str body = str_make(bytes, size - 1);
    struct arena arena;
    struct raw_batch batch;
    struct diag why = DIAG_NONE;
    static const struct otlp_limits limits = { .items_max = 64, .attrs_max = 16 };
    arena_init(&arena, data[0] & 4 ? 256 * KIB : 64 * MIB);
    enum err err;
    if ((data[0] & 3) == 0)
        err = langfuse_score_decode(&arena, body, &limits, &batch, &why);
    else if ((data[0] & 3) == 1)
        err = langfuse_media_decode(&arena, body, &batch, &why);
    else
        err = langfuse_batch_decode(&arena, body, &limits, &batch, &why);
    assert(err == ERR_OK || why.text[0] || err == ERR_LIMIT);
    if (!err)
        batch_holds(&batch);
    arena_clear(&arena);
    xfree(bytes);
    return 0;
}
