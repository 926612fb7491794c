/* raw.h -- what a sender sent: decoded, not yet understood.
 *
 * The codecs of wire/ fill these; norm/ turns them into records (record.h).
 * Names and numbers are OTLP's own.
 *
 * Memory:  texts borrow from the request body (or the arena where an escape
 *          had to be decoded); arrays live in the arena.
 * Threads: plain data.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "model/score.h"

struct raw_resource {
    struct attr *attrs;
    uint32_t attr_count;
    str schema_url;
};
struct raw_scope {
    const struct raw_resource *resource; /* never NULL */
    str name;
    str version;
    struct attr *attrs;
    uint32_t attr_count;
    str schema_url;
};
struct span_event {
    int64_t time_ns;
    str name;
    struct attr *attrs;
    uint32_t attr_count;
};
struct raw_span {
    const struct raw_scope *scope; /* never NULL */
    struct id16 trace_id;
    struct id8 span_id;
    struct id8 parent_span_id; /* zero: none */
    str trace_state;
    str name;
    int32_t kind; /* OTLP SpanKind */
    uint64_t start_ns;
    uint64_t end_ns;
    struct attr *attrs;
    uint32_t attr_count;
    uint32_t dropped_attr_count;
    struct span_event *events;
    uint32_t event_count;
    uint32_t dropped_event_count;
    struct span_link *links;
    uint32_t link_count;
    uint32_t dropped_link_count;
    int32_t status_code; /* 0 unset, 1 ok, 2 error */
    str status_message;
    uint32_t flags;
    str source_id;    /* the sender's own id, where it is not an OpenTelemetry id */
    bool is_addition; /* a part of a span whose rest comes apart (create and update): what it
                       * does not say (no name, no start, no end, status 0) stays unknown, and
                       * of two parts the later one wins, member by member */
};
struct raw_log {
    const struct raw_scope *scope;
    uint64_t time_ns;
    uint64_t observed_ns;
    int32_t severity;
    str severity_text;
    struct value body;
    struct attr *attrs;
    uint32_t attr_count;
    struct id16 trace_id; /* zero: none */
    struct id8 span_id;   /* zero: none */
    str event_name;
};
struct raw_metric {
    const struct raw_scope *scope;
    int32_t type; /* enum metric_type of record.h */
    str name;
    str unit;
    uint64_t start_ns;
    uint64_t time_ns;
    bool is_monotonic;
    int32_t temporality;
    uint32_t flags; /* bit 0: no recorded value */
    bool has_value;
    double value; /* as_double, as_int, or sum */
    uint64_t count;
    str buckets_json; /* as in record.h */
    struct attr *attrs;
    uint32_t attr_count;
};

/* Decoded already: only its id, its tenant and maybe its time are missing. */
struct raw_score {
    struct score score;
    str sender_id; /* STR_NONE: none */
};

/* Everything one request held.  A bad item is left out alone and counted. */
struct raw_batch {
    bool is_utf8;    /* every text is valid UTF-8: the codec saw to it */
    bool may_repeat; /* the same body again is not a retry: lines of text say nothing of when */
    struct raw_span *spans;
    uint32_t span_count;
    struct raw_log *logs;
    uint32_t log_count;
    struct raw_metric *metrics;
    uint32_t metric_count;
    struct raw_score *scores;
    uint32_t score_count;
    uint32_t rejected_count;
    uint32_t rejected_scores; /* of rejected_count */
    uint32_t cut_attr_count;  /* attributes that the codec left out, there being too many */
    char rejected_why[200];   /* the first reason and its place: "span 3 of scope 'x': ..." */
    int reply_status; /* HTTP status of success, where the source prepares its answer; or 0 */
    str reply;        /* and its body */
};
