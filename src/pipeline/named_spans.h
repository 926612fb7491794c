/* named_spans.h -- of which trace a span is, for senders whose later messages do not say it.
 *
 * Weave's client for JavaScript ends a call by its id alone.  The spans that came last are
 * remembered, so many that an end comes in time; what is forgotten stands in a trace of its own.
 *
 * Memory:  2 MiB, taken with the first span that is remembered.
 * Threads: drain's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "model/span.h"

enum { NAMED_SPANS_MAX = 1 << 16 };

struct named_span {
    struct id16 trace_id;
    struct id8 span_id;
    uint32_t project; /* hash of its name */
    uint32_t used;    /* when, for the oldest of a set to give way; 0: never */
};
struct named_spans {
    struct named_span *items; /* NULL: nothing remembered yet */
    uint32_t clock;
};

void named_spans_clear(struct named_spans *spans);
void named_spans_put(struct named_spans *spans, str project, struct id8 span_id,
                     struct id16 trace_id);
/* The trace of a span; of one that is not known, an id made of the span's. */
struct id16 named_spans_find(const struct named_spans *spans, str project, struct id8 span_id);
