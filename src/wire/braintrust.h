/* braintrust.h -- rows of Braintrust's log (POST /logs3).
 *
 * A row is a span, or a part of one (_is_merge): parts come in any order.  Its members become
 * attributes braintrust.input_json, .output_json, .expected, .metadata.*, .metrics.*,
 * .span_attributes.type.  Scores of a row become scores.  Feedback names only the row: its
 * score has the row's id as response_id, and spans have it as source_id.
 *
 * Memory:  everything comes from the arena; texts borrow from the body.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "wire/otlp.h"

/* ERR_BAD_INPUT, ERR_LIMIT. */
MUST_CHECK enum err braintrust_decode(struct arena *arena, str body,
                                      const struct otlp_limits *limits, struct raw_batch *ret_batch,
                                      struct diag *reterr_why);
