/* event_form.h -- the flat JSON forms of REQUIREMENTS A.9: one object to a span or to scores.
 *
 *   {"event":"llm.user_feedback","trace_id":"4bf9...","rating":"down","ts":1780000000}
 *
 * "event" names the form; without it the members tell: a rating is feedback, a name with a value a
 * score, tokens or a latency a call or (with generator_model) a whole trace, a quality figure an
 * evaluation, versions alone a version object.  A call, a trace and versions become a raw span
 * whose attributes carry the members' names, so that norm's tables read them; the rest become
 * scores, of which deploys and outcomes are told by their source (model/score.h).  What has no
 * meaning here stays an attribute.
 *
 * Memory:  texts borrow from the object; arrays and new texts come from the arena.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "wire/native.h"
#include "wire/otlp.h"

enum event_kind {
    EVENT_NONE, /* no form that we know */
    EVENT_FEEDBACK,
    EVENT_SCORE,
    EVENT_EVALUATION,
    EVENT_VERSIONS,
    EVENT_TRACE, /* the compact trace payload */
    EVENT_CALL,
    EVENT_DEPLOY,
    EVENT_OUTCOME,
};

/* A span made of a trace payload: it yields to calls that the trace has beside it. */
#define EVENT_TRACE_NAME "llm.trace"
#define EVENT_CALL_NAME "llm.chat"
#define EVENT_VERSIONS_NAME "llm.versions"
#define EVENT_FEEDBACK_NAME "user_feedback" /* of the score */

/* Why an object is not taken. */
struct event_fault {
    bool is_spent; /* the arena's budget is: no other object can be taken either */
    char field[64];
    char what[128]; /* "must be ..."; empty: no fault */
};

struct event_reader {
    struct arena *arena;
    const struct otlp_limits *limits;
    const struct raw_scope *scope; /* of the spans that are made */
    int64_t now_ns;                /* the time of what tells none */
    struct id16 trace_id;          /* of the log record around the object; zero: none */
    struct id8 span_id;            /* likewise */
    struct native_batch items;     /* what was made */
    struct event_fault fault;      /* of the last object */
};

enum event_kind event_kind_of(const struct value *object);
/* The form that an "event" member, or a log record's event name, means. */
enum event_kind event_kind_named(str name);
/* Add what the object is to reader->items; false: nothing was added, see reader->fault. */
MUST_CHECK bool event_take(struct event_reader *reader, const struct value *object);
