/* memory_int.h -- the reference store's data: a table of traces, each with its own memory.
 *
 * Memory:  each trace owns its rows; a commit frees what it replaces.
 * Threads: one lock around everything: writers alone, readers together.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "store/store_int.h"

#include <pthread.h>

enum { MEMORY_BUCKETS = 4096 };
#define MEMORY_TRACE_BYTES_MAX (1024 * MIB)

struct memory_trace {
    struct memory_trace *next;
    struct id16 trace_id;
    str project;
    bool settled;
    struct trace_row row; /* when settled */
    struct store_span *finals;
    uint32_t final_count;
    struct arena final_arena;
    struct store_span *hot; /* not settled */
    uint32_t hot_count, hot_capacity;
    struct arena hot_arena;
};

struct memory_log {
    str project;
    struct store_log row;
    struct arena arena;
};

struct memory_score {
    str project;
    struct store_score row;
    struct arena arena;
};

struct memory_point {
    uint64_t identity;
    str project;
    struct store_point row;
    struct arena arena;
};

struct store {
    pthread_rwlock_t lock;
    struct memory_trace *buckets[MEMORY_BUCKETS];
    struct memory_log *logs;
    size_t log_count, log_capacity;
    struct memory_score *scores;
    size_t score_count, score_capacity;
    struct memory_point *points;
    size_t point_count, point_capacity;
    uint64_t checkpoint_sequence, items_sequence;
};

/* All spans of the scope that match, by pointer: settled and not.  xfree it. */
struct memory_hits {
    const struct store_span **spans;
    size_t count, capacity;
};
void memory_select(struct store *store, const struct store_scope *scope,
                   const struct filter *filter, struct memory_hits *ret_hits);
/* ERR_DEADLINE when it has passed: the reference looks at it once. */
MUST_CHECK enum err memory_deadline(const struct store_scope *scope, struct diag *reterr_why);
void memory_hits_add(struct memory_hits *hits, const struct store_span *span);
/* A field that can be grouped by as text; STR_NONE: unknown. */
str memory_field_text(struct arena *arena, const struct span *span, enum field field);

/* memory_measure.c: what each measure's own filter chooses, and its number for some spans. */
struct memory_measures {
    struct store *store;
    const struct store_aggregate *ask;
    struct memory_hits chosen[STORE_MEASURES_MAX]; /* sorted by address */
};
void memory_measures_begin(struct store *store, const struct store_aggregate *ask,
                           struct memory_measures *ret_measures);
void memory_measures_end(struct memory_measures *measures);
/* False: no value. */
bool memory_measure(const struct memory_measures *measures, uint32_t index,
                    const struct memory_hits *hits, struct arena *scratch, double *ret);
MUST_CHECK enum err memory_aggregate(struct store *store, const struct store_aggregate *aggregate,
                                     struct arena *arena, struct store_group **ret_groups,
                                     size_t *ret_count, struct diag *reterr_why);
MUST_CHECK enum err memory_spans(struct store *store, const struct store_list *list,
                                 struct arena *arena, struct store_span **ret_spans,
                                 size_t *ret_count, struct diag *reterr_why);
MUST_CHECK enum err memory_traces(struct store *store, const struct store_list *list,
                                  struct arena *arena, struct trace_row **ret_traces,
                                  size_t *ret_count, struct diag *reterr_why);
/* As one JSON object; STR_NONE: there are none. */
str memory_attrs_text(struct arena *arena, const struct attr *attrs, uint32_t count);
/* Has the scope's tenant, if there is one, a span of that trace? */
bool memory_trace_is_visible(struct store *store, const struct store_scope *scope,
                             struct id16 trace_id);

/* Rows of traces of the scope, settled or not: each once. */
void memory_each_trace(struct store *store, const struct store_scope *scope,
                       void (*each)(const struct trace_row *row, void *arg), void *arg);

/* memory_logs.c, memory_shares.c */
MUST_CHECK enum err memory_log_list(struct store *store, const struct store_log_list *ask,
                                    struct arena *arena, struct store_log **ret_logs,
                                    size_t *ret_count, struct diag *reterr_why);
MUST_CHECK enum err memory_log_counts(struct store *store, const struct store_scope *scope,
                                      struct arena *arena, struct store_log_count **ret_counts,
                                      size_t *ret_count, struct diag *reterr_why);
MUST_CHECK enum err memory_shares(struct store *store, const struct store_shares *ask,
                                  struct arena *arena, struct store_share_group **ret_groups,
                                  size_t *ret_count, struct diag *reterr_why);

/* memory_points.c */
MUST_CHECK enum err memory_point_put(struct store *store, str project,
                                     const struct metric_point *point, struct diag *reterr_why);
MUST_CHECK enum err memory_points(struct store *store, const struct store_points *ask,
                                  struct arena *arena, struct store_point **ret_points,
                                  size_t *ret_count, struct diag *reterr_why);
MUST_CHECK enum err memory_point_names(struct store *store, const struct store_scope *scope,
                                       struct arena *arena, struct store_point_name **ret_names,
                                       size_t *ret_count, struct diag *reterr_why);
void memory_points_clear(struct store *store);

/* memory_scores.c */
MUST_CHECK enum err memory_score_put(struct store *store, str project, const struct score *score,
                                     struct diag *reterr_why);
MUST_CHECK enum err memory_scores(struct store *store, const struct store_scores *ask,
                                  struct arena *arena, struct store_score **ret_scores,
                                  size_t *ret_count, struct diag *reterr_why);
void memory_scores_clear(struct store *store);
