/* fuzz_mlflow.c -- any bytes as a call of MLflow's API: refused, or items that hold.
 *
 * The first byte says which call.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "wire/json.h"
#include "wire/mlflow.h"

#include <math.h>

enum { INPUT_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void items_hold(const struct raw_batch *batch)
{
    for (uint32_t i = 0; i < batch->score_count; i++) {
        const struct score *score = &batch->scores[i].score;
        assert(score->name.len > 0 && score->name.len <= SCORE_NAME_BYTES_MAX);
        assert(score->has_trace_id && (!score->has_value || isfinite(score->value)));
        assert(batch->scores[i].sender_id.len > 0);
    }
    for (uint32_t i = 0; i < batch->span_count; i++)
        assert(batch->spans[i].is_addition && !id16_is_zero(batch->spans[i].trace_id));
    assert(json_check(batch->reply) && batch->reply_status == 200);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > INPUT_MAX)
        return 0;
    char *bytes = xmalloc(size);
    memcpy(bytes, data, size);
    struct arena arena;
    struct raw_batch batch;
    struct diag why = DIAG_NONE;
    enum mlflow_call call = (enum mlflow_call)(data[0] % (MLFLOW_IGNORED + 1));
    bool has_id = call == MLFLOW_ASSESSMENT_CHANGED || call == MLFLOW_ASSESSMENT_DELETED;
    struct mlflow_body body = { .call = call,
                                .trace_id = STR_OF("tr-1"),
                                .assessment_id = has_id ? STR_OF("a-14") : STR_NONE,
                                .bytes = str_make(bytes + 1, size - 1),
                                .limits = &otlp_limits_default };
    arena_init(&arena, 64 * MIB);
    enum err err = mlflow_decode(&arena, &body, &batch, &why);
    assert(err == ERR_OK || why.text[0]);
    if (!err)
        items_hold(&batch);
    arena_clear(&arena);
    xfree(bytes);
    return 0;
}
