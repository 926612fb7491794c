/* langfuse_int.h -- what the files of the Langfuse codec share.
 *
 * Memory:  as langfuse.h.
 * Threads: plain data.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "wire/langfuse.h"
#include "wire/native_item.h"

enum langfuse_kind { LANGFUSE_TRACE, LANGFUSE_OBSERVATION, LANGFUSE_SCORE, LANGFUSE_LOG };

/* An envelope. */
struct langfuse_event {
    str id, type;
    uint64_t time_ns; /* 0: not said */
    str body;         /* JSON as written; STR_NONE: there is none */
    enum langfuse_kind kind;
    bool is_update;
    str observation_type; /* "" where the body says it */
};

/* What a batch knows of a trace by one of its observations: the root's times. */
struct langfuse_times {
    struct id16 trace_id;
    str text; /* the sender's id of the trace */
    uint64_t start_ns, end_ns;
};

/* A batch being read. */
struct langfuse {
    struct arena *arena;
    const struct otlp_limits *limits;
    struct raw_scope *scope;
    struct native_batch items;
    struct langfuse_times *times;
    uint32_t time_count;
    struct native_fault fault; /* of the event that cannot be read */
};

/* False: the event cannot be read (langfuse->fault), or no memory. */
MUST_CHECK bool langfuse_trace_read(struct langfuse *langfuse, const struct langfuse_event *event);
MUST_CHECK bool langfuse_observation_read(struct langfuse *langfuse,
                                          const struct langfuse_event *event);
MUST_CHECK bool langfuse_score_read(struct langfuse *langfuse, const struct langfuse_event *event);
