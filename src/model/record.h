/* record.h -- what is written to the log: spans, log records, metric points, scores, understood.
 *
 * A batch is what one request became: the unit of the log, of encryption and of
 * acknowledgement.
 *
 * Memory:  arrays and texts live in the batch's arena or the request body.
 * Threads: plain data.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/err.h"
#include "model/score.h"

/* The first attribute of a record that is plain text, "stage 0": no event name, no attributes of
 * its own, no trace.  Ours alone: one of that name that was sent is left out. */
#define LOG_UNSTRUCTURED_ATTR "telltale.unstructured"
/* The attribute of its row that has the first LOG_BODY_BYTES of its body, redacted. */
#define LOG_BODY_ATTR "body"
enum { LOG_BODY_BYTES = 1024 };

/* A log record that is not a GenAI event (those become span additions). */
struct log_record {
    struct id8 log_id; /* random; names its body in the content store */
    struct id16 trace_id;
    struct id8 span_id;
    int64_t time_ns;
    int32_t severity; /* OTLP 1..24, 0 unknown */
    str severity_text;
    str event_name;
    str service;
    str body_json; /* redacted JSON value; content, not a column */
    struct attr *attrs;
    uint32_t attr_count;
};

enum metric_type {
    METRIC_GAUGE,
    METRIC_SUM,
    METRIC_HISTOGRAM,
    METRIC_EXP_HISTOGRAM,
    METRIC_SUMMARY
};

struct metric_point {
    enum metric_type type;
    str name;
    str unit;
    str service;
    int64_t start_ns;
    int64_t time_ns;
    bool is_monotonic;
    int32_t temporality; /* 0 unspecified, 1 delta, 2 cumulative */
    bool has_value;
    double value;     /* gauge, sum; the sum of a histogram */
    uint64_t count;   /* histograms, summaries */
    str buckets_json; /* {"bounds":[],"counts":[]}, or scale/offset form, or quantiles */
    struct attr *attrs;
    uint32_t attr_count;
};

struct batch {
    str project;
    int64_t received_ns;
    uint64_t body_hash; /* of the request as received: an equal one within 10 minutes is a retry */
    struct span *spans;
    uint32_t span_count;
    struct log_record *logs;
    uint32_t log_count;
    struct metric_point *metrics;
    uint32_t metric_count;
    struct score *scores;
    uint32_t score_count;
};

/* Binary form of a batch: the plaintext of one log record.  Format: docs/formats/batch.md.
 * Decoding borrows texts from `bytes`; arrays come from the arena. */
void batch_encode(struct buf *out, const struct batch *batch);
/* What drain needs first, without decoding the items. */
struct batch_header {
    str project;
    int64_t received_ns;
    uint64_t body_hash;
    uint32_t span_count, log_count, metric_count, score_count;
};
MUST_CHECK enum err batch_peek(str bytes, struct batch_header *ret_header, struct diag *reterr_why);
/* What drain keeps of each span until its trace settles, read without decoding the rest. */
struct batch_span_ids {
    struct id16 trace_id; /* zero: its sender names the span alone */
    struct id8 span_id;
    bool has_parent, is_open; /* span_is_open() */
};
/* Of all header.span_count spans, into the arena. */
MUST_CHECK enum err batch_peek_spans(struct arena *arena, str bytes,
                                     struct batch_span_ids **ret_ids, struct diag *reterr_why);
/* One span of an encoded batch, by its index; its texts are copied into the arena. */
MUST_CHECK enum err batch_decode_span(struct arena *arena, str bytes, uint32_t index,
                                      struct span *ret_span, struct diag *reterr_why);
/* The same, but the texts of its parts may stay where they are, in `bytes`. */
MUST_CHECK enum err batch_decode_span_lean(struct arena *arena, str bytes, uint32_t index,
                                           struct span *ret_span, struct diag *reterr_why);
MUST_CHECK enum err batch_decode(struct arena *arena, str bytes, struct batch *ret_batch,
                                 struct diag *reterr_why);
