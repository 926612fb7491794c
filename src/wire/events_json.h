/* events_json.h -- bodies of POST /api/v1/events: one event, a list, {"events":[...]} or JSON
 * lines.
 *
 * An event that cannot be read is left out and told in the prepared answer (raw_batch.reply), its
 * place counted from 0:
 *   {"accepted":1,"rejected":1,"errors":[{"index":1,"field":"rating","message":"rating must be
 * ..."}]} The status is 200, or 400 with an "error" beside it when none can be read.
 * docs/events.md.
 *
 * Memory:  borrows from the body; arrays and unescaped texts come from the arena.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "wire/otlp.h"

struct events_body {
    str bytes;
    bool is_lines; /* each line a document; else told by the bytes */
    const struct otlp_limits *limits;
    int64_t now_ns; /* the time of events that tell none */
};

enum { EVENTS_ERRORS_TOLD = 100 }; /* in one answer; the others are only counted */

/* ERR_BAD_INPUT (with offset) when the body is damaged as a whole, ERR_LIMIT. */
MUST_CHECK enum err events_json_decode(struct arena *arena, const struct events_body *body,
                                       struct raw_batch *ret_batch, struct diag *reterr_why);

/* Log records whose body (a map, or its JSON as a text) or attributes are a flat form: what they
 * say is added to the batch, the records stay.  A record with an event name of another kind is
 * none, nor is an opinion that names neither its event nor what it is about.  ERR_LIMIT. */
MUST_CHECK enum err events_of_logs(struct arena *arena, const struct otlp_limits *limits,
                                   int64_t now_ns, struct raw_batch *batch,
                                   struct diag *reterr_why);
