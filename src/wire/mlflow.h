/* mlflow.h -- MLflow's tracking API as its tracing SDK uses it: trace info, tags, assessments.
 *
 * The spans themselves come over OTLP.  What the SDK then says of the trace (metadata, tags)
 * becomes an addition to its root; metadata keeps its names, a tag KEY is mlflow.trace.tag.KEY.
 * Assessments become scores, by the id that we answer: an update replaces, a deletion leaves a
 * score without a value.  An id ends in a digit that says who assessed, since an update does not.
 *
 * An experiment is its name: the id is the name with bytes that no header may hold as %XX, and
 * "0" for "Default".
 *
 * Memory:  everything comes from the arena; texts borrow from the body.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "wire/otlp.h"

enum mlflow_call {
    MLFLOW_TRACE,
    MLFLOW_TAG,
    MLFLOW_TAG_DELETED,
    MLFLOW_ASSESSMENT,
    MLFLOW_ASSESSMENT_CHANGED,
    MLFLOW_ASSESSMENT_DELETED,
    MLFLOW_EXPERIMENT,
    MLFLOW_IGNORED, /* answered {} */
};

struct mlflow_body {
    enum mlflow_call call;
    str trace_id, assessment_id; /* of the path */
    str bytes;
    const struct otlp_limits *limits;
};

/* ERR_BAD_INPUT, ERR_LIMIT. */
MUST_CHECK enum err mlflow_decode(struct arena *arena, const struct mlflow_body *body,
                                  struct raw_batch *ret_batch, struct diag *reterr_why);
/* {"experiment":{...}} by name or by id. */
void mlflow_experiment_json(struct buf *out, str name, str id);
