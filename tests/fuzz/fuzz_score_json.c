/* fuzz_score_json.c -- any bytes as posted scores: refused with a reason, or scores that hold.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "wire/score_json.h"

#include <math.h>

enum { INPUT_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void score_holds(const struct raw_score *raw)
{
    const struct score *score = &raw->score;
    assert(!str_is_none(score->name) && score->name.len > 0);
    assert(score->name.len <= SCORE_NAME_BYTES_MAX);
    assert(score->has_trace_id || !str_is_none(score->session_id) ||
           !str_is_none(score->response_id));
    assert(!score->has_span_id || score->has_trace_id);
    assert(score->has_value || !str_is_none(score->label));
    assert(!score->has_value || isfinite(score->value));
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
    enum err err = score_json_decode(&arena, str_make(bytes, size), NULL, &batch, &why);
    assert(err == ERR_OK || why.text[0] || err == ERR_LIMIT);
    for (uint32_t i = 0; !err && i < batch.score_count; i++)
        score_holds(&batch.scores[i]);
    arena_clear(&arena);
    xfree(bytes);
    return 0;
}
