/* duckdb_int.h -- the embedded store: its parts and what they share.
 *
 *   duckdb.c            open, settings, files, connections, status
 *   duckdb_dict.c       text <-> number for low-cardinality columns
 *   duckdb_column.c     one table of columns: DDL, rows into chunks, results into rows
 *   duckdb_write.c      append, commit, known
 *   duckdb_sql.c        a filter as parameterised SQL
 *   duckdb_list.c       spans, traces, logs
 *   duckdb_aggregate.c  sums and percentiles
 *
 * Catalogs of the one engine instance: `memory` (tables h0, h1: unsettled
 * spans), `meta` (dictionary, checkpoint), `dYYYYMMDD` (a UTC day: spans,
 * traces, logs, metrics, state).
 *
 * Memory:  the store owns all; answers are copied into the caller's arena.
 * Threads: `lock`: drain holds it alone for the few ms in which a trace moves
 *          from memory to disk, readers together while they fix what they see
 *          (docs/decisions).  `pool_lock`: the free connections.  Everything
 *          else is touched by drain alone, or never changes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "store/store_int.h"

#include <duckdb.h>
#include <pthread.h>

enum {
    DUCK_SCHEMA = 1,
    DUCK_DAYS_MAX = 1024,       /* further rows go to the nearest day there is */
    DUCK_POOL_MAX = 16,         /* connections for questions */
    DUCK_CHUNK_ROWS = 2048,     /* the engine's vector size */
    DUCK_HOT_SWITCH = 120000,   /* rows in the active hot table before the other is tried */
    DUCK_WAL_ROWS_MAX = 245760, /* rows in a day's WAL before a checkpoint */
    DUCK_DIRECT_ROWS = 122880,  /* commits of so many rows bypass the WAL */
    DUCK_COLUMNS_MAX = 96,
    DUCK_PARAMS_MAX = 1024,
    DUCK_SQL_BYTES_MAX = 32 << 20,
};

/* -- dictionary -- */
enum { DICT_BLOCK = 4096, DICT_BLOCKS_MAX = 1024 };
struct dict {
    str *blocks[DICT_BLOCKS_MAX];
    _Atomic uint32_t count;
    uint32_t saved_count; /* of them in meta */
    uint32_t *slots;      /* id + 1; 0: free */
    uint32_t slot_mask;
    str last; /* drain's most recent text and its id */
    uint32_t last_id;
};
struct dicts {
    pthread_mutex_t lock; /* around slots and the growth of count */
    struct arena texts;
    struct dict fields[FIELD_COUNT]; /* DICT columns only are used */
};
#define DICT_NO_ID UINT32_MAX
void dicts_init(struct dicts *dicts);
void dicts_clear(struct dicts *dicts);
/* Drain only.  DICT_NO_ID when the dictionary is full. */
uint32_t dict_intern(struct dicts *dicts, enum field field, str text);
uint32_t dict_find(struct dicts *dicts, enum field field, str text); /* DICT_NO_ID: not there */
str dict_text(const struct dicts *dicts, enum field field, uint32_t id);

/* -- columns -- */
enum column_kind {
    COLUMN_ID_HIGH,
    COLUMN_ID_LOW,
    COLUMN_ID8,
    COLUMN_DICT,
    COLUMN_TEXT,
    COLUMN_I64,
    COLUMN_F64,
    COLUMN_BOOL,
    COLUMN_STRS,
    COLUMN_NUMBER,    /* row.numbers[index] */
    COLUMN_LONG_TEXT, /* row.texts[index], zstd */
};
struct column {
    char name[40];
    enum column_kind kind;
    enum field field;
    uint32_t index;
};
struct columns {
    struct column items[DUCK_COLUMNS_MAX];
    uint32_t count;
    uint8_t of_field[FIELD_COUNT]; /* index + 1 of a field's (first) column; 0: none */
};
enum { ROW_NUMBERS_MAX = 6, ROW_TEXTS_MAX = 2 };
/* What is stored of a span or trace: its fields, and the rest by kind. */
struct row {
    const struct span *span;
    uint32_t numbers[ROW_NUMBERS_MAX];
    str texts[ROW_TEXTS_MAX];
};
enum span_number { SPAN_LOG_SEGMENT, SPAN_LOG_OFFSET, SPAN_LOG_INDEX, SPAN_ROLES, SPAN_LATE };
enum span_text { SPAN_ATTRS, SPAN_RARE };
enum trace_number {
    TRACE_SPANS,
    TRACE_ERRORS,
    TRACE_MODEL_CALLS,
    TRACE_TOOL_CALLS,
    TRACE_UNPRICED
};
enum trace_text { TRACE_CONTENT };

void columns_of_spans(struct columns *ret);
void columns_of_traces(struct columns *ret);
void columns_ddl(const struct columns *columns, struct buf *out, const char *table, bool on_disk);
void columns_names(const struct columns *columns, struct buf *out);
uint64_t id_high(struct id16 id);
uint64_t id_low(struct id16 id);
uint64_t id8_number(struct id8 id);

/* Rows go through here into a table, DUCK_CHUNK_ROWS at a time. */
struct writer {
    struct dicts *dicts;
    const struct columns *columns;
    duckdb_appender appender;
    duckdb_data_chunk chunk;
    struct row *rows;
    struct span *as_spans; /* of a writer of traces */
    uint32_t row_count;
    uint64_t written;
    struct arena texts; /* of the rows waiting */
    struct buf scratch;
};
MUST_CHECK enum err writer_open(struct writer *writer, struct dicts *dicts,
                                const struct columns *columns, duckdb_connection connection,
                                const char *catalog, const char *table, struct diag *reterr_why);
MUST_CHECK enum err writer_span(struct writer *writer, const struct store_span *span, bool late,
                                struct diag *reterr_why);
MUST_CHECK enum err writer_trace(struct writer *writer, const struct trace_row *trace,
                                 struct diag *reterr_why);
MUST_CHECK enum err writer_flush(struct writer *writer, struct diag *reterr_why);
/* Before the transaction's end: what was not flushed is flushed into it. */
void writer_close(struct writer *writer);
void cell_text(void *cells, uint32_t index, str text);
str cell_read(const void *cells, uint64_t index); /* lives as long as the chunk */

/* One row of a result: columns in the order of columns_names from `first`. */
MUST_CHECK enum err row_read(const struct dicts *dicts, const struct columns *columns,
                             duckdb_data_chunk chunk, uint64_t index, struct arena *arena,
                             struct span *ret_span, struct row *ret_row, struct diag *reterr_why);

/* -- store -- */
struct bounds {
    int64_t min, max; /* min > max: nothing */
};
struct day {
    int32_t date;
    char name[16]; /* of the catalog */
    struct bounds span_times, trace_times, log_times;
    uint64_t span_count, trace_count, log_count, metric_count;
    uint64_t checkpoint, items;   /* as its file says when opened */
    uint64_t wal_rows;            /* since its last checkpoint */
    duckdb_connection connection; /* drain's */
};
/* What a reader copies of a day under the lock. */
struct day_view {
    char name[16];
    struct bounds times;
};
/* Set of 64-bit hashes with a value; open addressing, never shrinks but by clear. */
struct keyset {
    uint64_t *keys;
    uint64_t *values;
    size_t mask, count;
};
struct hot_table {
    char name[4];
    uint64_t rows; /* that are alive */
    struct keyset keys;
};
struct store {
    struct store_config config;
    char *dir; /* NULL: nothing on disk */
    duckdb_database database;
    struct columns span_columns, trace_columns;
    struct dicts dicts;
    pthread_rwlock_t lock;
    struct day *days[DUCK_DAYS_MAX]; /* by date; readers look under the lock */
    uint32_t day_count;
    duckdb_connection write; /* drain's: hot tables and meta */
    struct hot_table hot[2];
    uint32_t hot_active;
    uint64_t batch_number;
    uint64_t *bloom; /* of (project, trace) that are settled */
    uint64_t bloom_bits, bloom_count;
    pthread_mutex_t bloom_lock;
    _Atomic uint64_t hot_rows;
    uint64_t checkpoint_sequence, items_sequence; /* whole commits */
    uint64_t sequence_max, items_max;             /* parts of commits: what any file has seen */
    pthread_mutex_t pool_lock;
    pthread_cond_t pool_free;
    duckdb_connection pool[DUCK_POOL_MAX];
    uint32_t pool_idle, pool_made;
};

/* -- duckdb.c: statements -- */
MUST_CHECK enum err duck_run(duckdb_connection connection, struct diag *reterr_why,
                             const char *format, ...) PRINTF(3, 4);
/* First column of the first row, 0 when there is none. */
MUST_CHECK enum err duck_count(duckdb_connection connection, uint64_t *ret_count,
                               struct diag *reterr_why, const char *format, ...) PRINTF(4, 5);
enum err duck_error(enum err fallback, duckdb_error_type type, const char *text,
                    struct diag *reterr_why);
MUST_CHECK enum err duck_connect(struct store *store, int64_t deadline_ns,
                                 duckdb_connection *ret_connection, struct diag *reterr_why);
void duck_release(struct store *store, duckdb_connection connection);
MUST_CHECK enum err duck_day_get(struct store *store, int64_t time_ns, struct day **ret_day,
                                 struct diag *reterr_why);
void bounds_add(struct bounds *bounds, int64_t time);

/* -- duckdb_write.c -- */
MUST_CHECK enum err duck_append(struct store *store, const struct store_span *spans, size_t count,
                                struct diag *reterr_why);
MUST_CHECK enum err duck_commit(struct store *store, const struct store_commit *commit,
                                struct diag *reterr_why);
MUST_CHECK enum err duck_known(struct store *store, const str *projects,
                               const struct id16 *trace_ids, size_t count, bool *ret_known,
                               struct diag *reterr_why);

/* -- duckdb_known.c -- */
struct key {
    uint32_t project;
    uint64_t high, low;
};
uint64_t key_hash(struct key key, uint64_t span_id);
MUST_CHECK enum err bloom_load(struct store *store, struct diag *reterr_why);
MUST_CHECK enum err bloom_add(struct store *store, const struct key *keys, size_t count,
                              struct diag *reterr_why);
/* Which of them are settled: exact. */
MUST_CHECK enum err keys_known(struct store *store, const struct key *keys, size_t count,
                               bool *ret_known, struct diag *reterr_why);
/* Rows that the next statements of a commit look up or delete, by kind. */
enum probe_kind { PROBE_STORED, PROBE_HOT, PROBE_LOG, PROBE_METRIC, PROBE_SPAN };
struct probe {
    duckdb_appender appender;
};
MUST_CHECK enum err probe_begin(struct store *store, struct probe *probe, struct diag *reterr_why);
void probe_add(struct probe *probe, enum probe_kind kind, struct key key, uint64_t span_id);
MUST_CHECK enum err probe_end(struct probe *probe, struct diag *reterr_why);
/* Hashes (key_hash) of the probed spans that a day has. */
MUST_CHECK enum err probe_spans(struct store *store, struct keyset *found, struct diag *reterr_why);
void keyset_clear(struct keyset *set);
/* The value of that key, made 0 when it was not there. */
uint64_t *keyset_get(struct keyset *set, uint64_t key, bool *ret_was_there);

/* -- duckdb_sql.c -- */
struct sql {
    struct buf text;
    struct store *store;
    struct arena *arena;
    str params[DUCK_PARAMS_MAX];
    uint32_t param_count;
    bool failed;
    /* Where the rows of a condition lie: for conditions on spans of a trace. */
    const char *spans_from; /* "d20251121.spans" */
    bool of_traces;
    const struct store_scope *scope;
};
void sql_init(struct sql *sql, struct store *store, struct arena *arena,
              const struct store_scope *scope);
void sql_clear(struct sql *sql);
void sql_restart(struct sql *sql); /* empties, for the next statement */
void sql_param(struct sql *sql, str text);
void sql_scope(struct sql *sql, bool with_range); /* project, tenant, range */
void sql_filter(struct sql *sql, const struct filter *filter, bool negated);
/* A field, or an attribute's text, as an expression to group by. */
void sql_group_key(struct sql *sql, enum field field, str attr_key);
/* A statement whose tables are fixed: what it reads does not change any more. */
struct statement {
    duckdb_connection connection;
    duckdb_prepared_statement prepared;
};
/* Both end the statement and give the connection back, on failure too. */
MUST_CHECK enum err sql_prepare(struct sql *sql, duckdb_connection connection,
                                struct statement *ret_statement, struct diag *reterr_why);
MUST_CHECK enum err sql_execute(struct sql *sql, struct statement *statement,
                                enum err (*each)(duckdb_data_chunk chunk, void *arg,
                                                 struct diag *reterr_why),
                                void *arg, struct diag *reterr_why);
/* A statement of one table: connect, prepare, execute. */
MUST_CHECK enum err sql_run(struct sql *sql,
                            enum err (*each)(duckdb_data_chunk chunk, void *arg,
                                             struct diag *reterr_why),
                            void *arg, struct diag *reterr_why);
void sql_dict_is(struct sql *sql, enum field field, const char *text);

/* -- reading -- */
MUST_CHECK enum err duck_spans(struct store *store, const struct store_list *list,
                               struct arena *arena, struct store_span **ret_spans,
                               size_t *ret_count, struct diag *reterr_why);
MUST_CHECK enum err duck_traces(struct store *store, const struct store_list *list,
                                struct arena *arena, struct trace_row **ret_traces,
                                size_t *ret_count, struct diag *reterr_why);
MUST_CHECK enum err duck_logs(struct store *store, const struct store_scope *scope,
                              struct id16 trace_id, struct arena *arena,
                              struct store_log **ret_logs, size_t *ret_count,
                              struct diag *reterr_why);
MUST_CHECK enum err duck_aggregate(struct store *store, const struct store_aggregate *ask,
                                   struct arena *arena, struct store_group **ret_groups,
                                   size_t *ret_count, struct diag *reterr_why);
