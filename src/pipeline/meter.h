/* meter.h -- metrics of applications, for machines: counters and histograms of settled traces.
 *
 * What a trace adds is counted when its commit has succeeded, so that a call is counted once
 * (DECISIONS 3); scores when they join their trace.  meter.def has the names.  A series is a value
 * of each label; of one label a project has at most `values_max`, and there are at most `sets_max`
 * combinations in all: what is past them is counted under the value "other".
 *
 * Counters begin at 0 with the process and never go back.  When a trace changes after it was
 * counted (a late span, a later version), what its numbers grew by is added and a histogram gets
 * what was unknown before; what shrank stays counted.  Unknown is not 0: it adds nothing.
 *
 * Memory:  owns all; at most about 2 KiB for each of sets_max, and the texts of their labels.
 * Threads: drain writes, any other reads at the same time: every number is an atomic that has one
 *          writer, a set is published when it is whole and stays until the end (decision 52).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "store/store.h"

struct meter;
struct meter_older;

enum {
    METER_LABEL_BYTES_MAX = 128, /* a longer value is cut there */
    METER_VALUES_MAX = 10000,
    METER_SETS_MAX = 50000,
    METER_WAITING_MAX = 4096, /* scores whose trace has not settled; the oldest gives way */
};

struct meter_config {
    uint32_t values_max; /* of one label in one project, 1 to METER_VALUES_MAX */
    uint32_t sets_max;   /* combinations of labels, 1 to METER_SETS_MAX */
    int64_t wait_ns;     /* a score waits so long for its trace, then counts without its labels */
};

struct meter *meter_new(const struct meter_config *config);
void meter_free(struct meter *meter); /* NULL: nothing */

/* ---- drain's thread ---- */

/* What was counted of the spans of a trace that was stored before: room for `max` of them, in the
 * arena; NULL when it is spent.  Each before anything of it changes. */
struct meter_older *meter_older_new(struct arena *arena, size_t max);
void meter_older_add(struct meter_older *older, const struct span *span);
/* A trace that was stored; `older`: what it was before, NULL: it is new. */
void meter_trace(struct meter *meter, const struct trace_row *row, const struct store_span *spans,
                 size_t count, struct meter_older *older);
/* A score waits for its trace.  One that names none counts at once. */
void meter_score(struct meter *meter, str project, const struct score *score, int64_t now_ns);
/* Join scores to traces that were stored before them, at most `max`, and count those that have
 * waited too long.  The arena is scratch. */
void meter_join(struct meter *meter, const struct store_ops *ops, struct store *store,
                struct arena *arena, size_t max, int64_t now_ns);

/* ---- any thread ---- */

struct meter_scope {
    str project; /* STR_NONE: all of them */
    str tenant;  /* STR_NONE: all of the project; else "other" is not shown, as it is not his alone
                  */
};
/* Prometheus' text format, version 0.0.4. */
void meter_write_text(const struct meter *meter, const struct meter_scope *scope, struct buf *out);
/* An OTLP ExportMetricsServiceRequest as JSON; all counts are cumulative since the start. */
void meter_write_otlp(const struct meter *meter, const struct meter_scope *scope, int64_t now_ns,
                      struct buf *out);

struct meter_status {
    uint64_t sets;              /* combinations of labels */
    uint64_t overflows;         /* values that were counted as "other" for want of room */
    uint64_t scores_waiting;    /* for their trace */
    uint64_t scores_unlabelled; /* whose trace did not come in time */
};
void meter_status(const struct meter *meter, struct meter_status *ret_status);
