/* store_help.h -- spans, traces and questions for tests of stores, in one line each.
 *
 * Memory:  `struct fixture` owns an arena that dies with it.
 * Threads: one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "store/store_int.h"

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define T0 (INT64_C(1795219200) * NS_PER_S) /* 2026-11-21T00:00:00Z */
#define EVER ((struct time_range){ INT64_MIN, INT64_MAX })

struct fixture {
    const struct store_ops *ops;
    struct store *store;
    struct arena arena;
    char dir[64];
    int64_t gather_ns;
    struct diag why;
};

static inline struct id16 trace_of(uint64_t number)
{
    struct id16 id = { { 0 } };
    memcpy(id.bytes + 8, &number, 8);
    id.bytes[0] = (uint8_t)(number * 37 + 1);
    return id;
}
static inline struct id8 span_of(uint64_t number)
{
    struct id8 id = { { 0 } };
    memcpy(id.bytes, &number, 8);
    return id;
}
static inline struct store_span span_make(uint64_t trace, uint64_t span, int64_t start_ns)
{
    struct store_span row = { .log_segment = 3, .log_offset = 7, .log_index = 9 };
    SPAN_SET(&row.span, project, STR_OF("p1"));
    SPAN_SET(&row.span, trace_id, trace_of(trace));
    SPAN_SET(&row.span, span_id, span_of(span));
    SPAN_SET(&row.span, name, STR_OF("chat"));
    SPAN_SET(&row.span, step, STR_OF("model"));
    SPAN_SET(&row.span, status, STR_OF("ok"));
    SPAN_SET(&row.span, start_time, start_ns);
    SPAN_SET(&row.span, latency_ns, INT64_C(1000000));
    return row;
}
static inline struct trace_row trace_make(const struct store_span *spans, uint32_t count)
{
    struct trace_row row = { .trace_id = spans[0].span.trace_id,
                             .project = spans[0].span.project,
                             .start_ns = INT64_MAX,
                             .end_ns = INT64_MIN,
                             .status = STR_OF("ok"),
                             .span_count = count,
                             .ttft_ns = -1,
                             .top_k_returned = -1,
                             .safety_blocked = -1,
                             .eval_sampled = -1,
                             .faithfulness = (double)NAN,
                             .settled = true };
    for (uint32_t i = 0; i < count; i++) {
        const struct span *span = &spans[i].span;
        row.start_ns = MIN(row.start_ns, span->start_time);
        row.end_ns = MAX(row.end_ns, i64_add(span->start_time, span->latency_ns));
        if (SPAN_KNOWS(span, tenant_id))
            row.tenant_id = span->tenant_id;
    }
    return row;
}
static inline enum err commit_trace_of(struct fixture *f, const struct store_span *spans,
                                       uint32_t count, uint64_t sequence)
{
    struct trace_row row = trace_make(spans, count);
    struct store_commit commit = { .traces = &row,
                                   .spans = &spans,
                                   .span_counts = &count,
                                   .trace_count = 1,
                                   .checkpoint_sequence = sequence };
    return f->ops->commit(f->store, &commit, &f->why);
}
static inline struct store_list list_of(const struct filter *filter, uint32_t limit)
{
    return (struct store_list){ .scope = { .project = STR_OF("p1"), .range = EVER },
                                .filter = filter,
                                .limit = limit };
}
static inline size_t count_spans(struct fixture *f, struct store_list list)
{
    struct store_span *spans;
    size_t count = 0;
    enum err code = f->ops->spans(f->store, &list, &f->arena, &spans, &count, &f->why);
    if (code != ERR_OK)
        fprintf(stderr, "# %s: %s\n", err_name(code), f->why.text);
    return code == ERR_OK ? count : SIZE_MAX;
}
static inline size_t count_traces(struct fixture *f, struct store_list list)
{
    struct trace_row *traces;
    size_t count = 0;
    enum err code = f->ops->traces(f->store, &list, &f->arena, &traces, &count, &f->why);
    if (code != ERR_OK)
        fprintf(stderr, "# %s: %s\n", err_name(code), f->why.text);
    return code == ERR_OK ? count : SIZE_MAX;
}
static inline struct filter leaf_of(enum filter_op op, enum field field, struct value value)
{
    return (struct filter){ .op = op, .field = field, .value = value };
}

/* Measures: of spans, of a field, of a score's values. */
static inline struct store_measure measure_of(enum store_op op)
{
    return (struct store_measure){ .op = op, .name = STR_NONE };
}
static inline struct store_measure measure_field(enum store_op op, enum field field)
{
    return (
        struct store_measure){ .op = op, .of = STORE_OF_FIELD, .field = field, .name = STR_NONE };
}
static inline struct store_measure measure_quantile(enum field field, double quantile)
{
    struct store_measure measure = measure_field(STORE_OP_QUANTILE, field);
    measure.quantile = quantile;
    return measure;
}
static inline struct store_measure measure_scores(enum store_op op, str name)
{
    return (struct store_measure){ .op = op, .of = STORE_OF_SCORES, .name = name };
}
static inline struct store_measure measure_where(struct store_measure measure,
                                                 const struct filter *filter)
{
    measure.filter = filter;
    return measure;
}

static inline int remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info;
    (void)type;
    (void)at;
    return remove(path);
}
static inline void dir_remove(const char *path)
{
    (void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
static inline bool fixture_open(struct fixture *f)
{
    struct store_config config = { .dir = f->dir[0] ? f->dir : NULL,
                                   .memory_bytes_max = 512 * MIB,
                                   .threads_max = 2,
                                   .gather_ns = f->gather_ns };
    enum err code = f->ops->open(&config, &f->store, &f->why);
    if (code != ERR_OK)
        fprintf(stderr, "# %s: %s\n", err_name(code), f->why.text);
    return code == ERR_OK;
}
static inline bool fixture_init_gathering(struct fixture *f, const struct store_ops *ops,
                                          int64_t gather_ns)
{
    *f = (struct fixture){ .ops = ops, .gather_ns = gather_ns, .why = DIAG_NONE };
    arena_init(&f->arena, 512 * MIB);
    snprintf(f->dir, sizeof f->dir, "/tmp/store-test-XXXXXX");
    return mkdtemp(f->dir) && fixture_open(f);
}
static inline bool fixture_init(struct fixture *f, const struct store_ops *ops)
{
    return fixture_init_gathering(f, ops, 0);
}
static inline void fixture_clear(struct fixture *f)
{
    f->ops->close(f->store);
    dir_remove(f->dir);
    arena_clear(&f->arena);
}
/* ---- cmocka's set-up and tear-down: a fixture per test ---- */
static inline int setup_of_store(void **state, const struct store_ops *ops, int64_t gather_ns)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    *state = f;
    return fixture_init_gathering(f, ops, gather_ns) ? 0 : -1;
}
static inline int setup_memory(void **state)
{
    return setup_of_store(state, &store_memory, 0);
}
static inline int setup_duckdb(void **state)
{
    return setup_of_store(state, &store_duckdb, 0);
}
static inline int teardown(void **state)
{
    struct fixture *f = *state;
    fixture_clear(f);
    xfree(f);
    return 0;
}
