/* fuzz_opik.c -- any bytes as Opik's objects or scores: refused with a reason, or items that hold.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "wire/opik.h"

#include <math.h>

enum { INPUT_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void batch_holds(const struct raw_batch *batch)
{
    assert(batch->reply_status == 201 || batch->reply_status == 204);
    assert(batch->rejected_scores <= batch->rejected_count);
    for (uint32_t i = 0; i < batch->span_count; i++) {
        assert(batch->spans[i].is_addition && batch->spans[i].scope);
        assert(!id8_is_zero(batch->spans[i].span_id));
        assert(!id16_is_zero(batch->spans[i].trace_id));
        assert(batch->spans[i].source_id.len > 0);
    }
    for (uint32_t i = 0; i < batch->score_count; i++) {
        const struct score *score = &batch->scores[i].score;
        assert(!str_is_none(score->name) && score->name.len <= SCORE_NAME_BYTES_MAX);
        assert(score->has_trace_id || score->has_span_id || !str_is_none(score->session_id));
        assert(score->has_value && isfinite(score->value));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > INPUT_MAX)
        return 0;
    char *bytes = xmalloc(size);
    memcpy(bytes, data + 1, size - 1);
    struct arena arena;
    struct raw_batch batch;
    struct diag why = DIAG_NONE;
    static const struct otlp_limits limits = { .items_max = 64, .attrs_max = 16 };
    struct opik_request request = { .kind = (enum opik_kind)((data[0] & 3) % 3),
                                    .is_list = (data[0] & 4) != 0,
                                    .id = data[0] & 8 ? STR_OF("path") : STR_NONE,
                                    .body = str_make(bytes, size - 1),
                                    .limits = &limits };
    bool are_scores = (data[0] & 16) != 0;
    if (!are_scores && request.kind == OPIK_THREAD)
        request.kind = OPIK_SPAN;
    arena_init(&arena, data[0] & 32 ? 256 * KIB : 64 * MIB);
    enum err err = are_scores ? opik_scores_decode(&arena, &request, &batch, &why)
                              : opik_items_decode(&arena, &request, &batch, &why);
    assert(err == ERR_OK || why.text[0] || err == ERR_LIMIT);
    if (!err)
        batch_holds(&batch);
    arena_clear(&arena);
    xfree(bytes);
    return 0;
}
