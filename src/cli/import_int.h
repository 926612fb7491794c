/* import_int.h -- the parts of `telltale import`: what a record is, and what it is sent as.
 *
 * Memory:  struct import lives while the command runs; records are borrowed for the call.
 * Threads: the main thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "cli/cli_int.h"
#include "cli/progress.h"
#include "cli/records.h"

/* Where records go; one request gathers many of a kind. */
enum import_lane {
    LANE_TRACES, /* elements of resourceSpans */
    LANE_LOGS,
    LANE_METRICS,
    LANE_SPANS,    /* ours, sent as OTLP */
    LANE_LANGFUSE, /* events of its batch API */
    LANE_RUNS,     /* of LangSmith */
    LANE_SCORES,   /* ours */
    LANE_COUNT
};

struct import_batch {
    struct buf items;    /* with commas between them */
    struct value *spans; /* of LANE_SPANS, in `arena` */
    struct arena arena;
    uint32_t count;
    uint64_t first_line, last_line;
};

struct import {
    struct cli_call *call;
    const char *path;
    uint64_t line; /* of the record at hand */
    struct import_batch batches[LANE_COUNT];
    struct progress progress;
    uint64_t failed, requests, told;
    bool was_answered, is_stopped; /* is_stopped: no more is read */
};

/* What is wrong with a line: told (the first few), counted; with --strict nothing more is read. */
void import_complain(struct import *import, uint64_t line, const char *why);

/* One JSON record by its members, into its batch; full batches are sent. */
void import_record(struct import *import, str record);

/* ---- import_send.c ---- */
/* Add to a batch; sends it when it is full. */
void import_add(struct import *import, enum import_lane lane, str item);
void import_add_span(struct import *import, str item);
/* A whole request as it is. */
void import_send(struct import *import, enum import_lane lane, const char *content_type, str body);
/* Send what is there of each kind. */
void import_flush(struct import *import);
bool import_is_interrupted(void *arg);
