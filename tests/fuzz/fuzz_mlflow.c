/* fuzz_mlflow.c -- any bytes as a call of MLflow's API: refused, or items that hold.
 *
 * The first byte says which call.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz_vendor.h"
#include "wire/json.h"
#include "wire/mlflow.h"

static enum err decode(uint8_t form, struct arena *arena, str bytes, struct raw_batch *ret_batch,
                       struct diag *reterr_why)
{
    enum mlflow_call call = (enum mlflow_call)(form % (MLFLOW_IGNORED + 1));
    bool has_id = call == MLFLOW_ASSESSMENT_CHANGED || call == MLFLOW_ASSESSMENT_DELETED;
    struct mlflow_body body = { .call = call,
                                .trace_id = STR_OF("tr-1"),
                                .assessment_id = has_id ? STR_OF("a-14") : STR_NONE,
                                .bytes = bytes,
                                .limits = &otlp_limits_default };
    return mlflow_decode(arena, &body, ret_batch, reterr_why);
}

static void span_holds(const struct raw_span *span)
{
    assert(span->is_addition);
}

static void score_holds(const struct raw_score *raw)
{
    assert(raw->score.has_trace_id && raw->sender_id.len > 0);
}

static void batch_holds(const struct raw_batch *batch)
{
    assert(json_check(batch->reply) && batch->reply_status == 200);
}

FUZZ_VENDOR(.has_form = true, .decode = decode, .span_holds = span_holds,
            .score_holds = score_holds, .batch_holds = batch_holds)
