/* score_json.h -- scores as their senders post them: one object, a list, or {"scores":[...]}.
 *
 *   {"trace_id":"4bf9...","name":"faithfulness","value":0.82,"source":"judge"}
 *
 * A score that cannot be read is left out and counted, with the first reason and its place; when
 * there is none that can be read, the request fails with that reason.  Members that are not
 * named here are kept as attributes.  docs/api: POST /api/v1/scores.
 *
 * Memory:  borrows from `body`; arrays and unescaped texts come from the arena.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "wire/otlp.h"

/* ERR_BAD_INPUT (with offset where the JSON is damaged), ERR_LIMIT. */
MUST_CHECK enum err score_json_decode(struct arena *arena, str body,
                                      const struct otlp_limits *limits, struct raw_batch *ret_batch,
                                      struct diag *reterr_why);

enum { SCORE_JSON_WHY = 128 };
/* One object.  False: "member what is wrong with it" in ret_why. */
MUST_CHECK bool score_json_read(struct arena *arena, const struct value *object,
                                struct raw_score *ret_score, char ret_why[SCORE_JSON_WHY]);
