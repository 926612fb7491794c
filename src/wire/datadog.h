/* datadog.h -- what Datadog's tracers send: LLM Observability events, evaluations, APM traces.
 *
 * A tracer has two ways to tell of a model call: an event of its own (JSON), or APM traces
 * (MessagePack) whose spans carry the same facts in `meta_struct`; sometimes both.  All become
 * raw spans of the APM trace, under the names that Datadog's tracers use inside (`_ml_obs.*`,
 * `_dd.llmobs.*`), so a request is one trace and a call is one span: where an APM span says that
 * its event comes apart, it is only an addition to it, without the counts.  Ids are decimal or
 * hexadecimal; the upper half of a trace id is in the tag `_dd.p.tid` of one span of its trace.
 *
 * Evaluations and feedback become scores.  They name a span by its id, and a trace by an id that
 * Datadog gives to LLM traces alone: that one is kept as the attribute `_ml_obs.trace_id`.
 *
 * Memory:  borrows from `body`; arrays and unescaped texts come from the arena.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "wire/otlp.h"

enum datadog_traces {
    DATADOG_TRACES_V04, /* and v0.3: spans are maps */
    DATADOG_TRACES_V05, /* a table of texts, spans are arrays */
};

/* What the headers of a request say of its sender; STR_NONE: nothing. */
struct datadog_sender {
    str language;
    str tracer_version;
};

/* /api/v2/llmobs: one event or a list, each with spans. */
MUST_CHECK enum err datadog_decode_events(struct arena *arena, str body,
                                          const struct otlp_limits *limits,
                                          struct raw_batch *ret_batch, struct diag *reterr_why);
/* /api/intake/llm-obs/v1|v2/eval-metric. */
MUST_CHECK enum err datadog_decode_scores(struct arena *arena, str body,
                                          const struct otlp_limits *limits,
                                          struct raw_batch *ret_batch, struct diag *reterr_why);
struct datadog_body {
    str bytes;
    enum datadog_traces format;
    struct datadog_sender sender;
};
/* /v0.3|4|5/traces. */
MUST_CHECK enum err datadog_decode_traces(struct arena *arena, const struct datadog_body *body,
                                          const struct otlp_limits *limits,
                                          struct raw_batch *ret_batch, struct diag *reterr_why);
