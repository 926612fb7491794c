/* duckdb_int.h -- the embedded store: its parts and what they share.
 *
 *   duckdb.c            open, settings, files, connections, status
 *   duckdb_dict.c       text <-> number for low-cardinality columns
 *   duckdb_column.c     the one table of columns: DDL, rows into cells, results into rows
 *   duckdb_recent.c     rows in memory: blocks of columns, the index by trace, snapshots
 *   duckdb_feed.c       those rows as a table function of the engine
 *   duckdb_write.c      append and commit
 *   duckdb_flush.c      settled rows from memory to the files of their days
 *   duckdb_items.c      log records and metric points
 *   duckdb_known.c      which traces and spans are on disk
 *   duckdb_sql.c        a filter as parameterised SQL
 *   duckdb_scope.c      its conditions on other spans of the trace, and on scores
 *   duckdb_list.c       spans, traces
 *   duckdb_open.c       the row of a trace that is not settled, by SQL
 *   duckdb_logs.c       logs of a trace
 *   duckdb_log_list.c   lists and counts of logs
 *   duckdb_scores.c     scores
 *   duckdb_aggregate.c  groups of spans
 *   duckdb_measure.c    the numbers of a group as SQL
 *   duckdb_shares.c     for how many spans a condition holds
 *   duckdb_rollup.c     sums that outlive the spans, made of whole days
 *   duckdb_expire.c     what has been kept long enough goes
 *   duckdb_rolled.c     aggregates over those, and over spans where there are none
 *   sql_*.c             users' SQL: sql_int.h
 *
 * Catalogs of the one engine instance: `meta` (dictionary, checkpoint),
 * `dYYYYMMDD` (a UTC day: spans, traces, logs, metrics, state), `roll` (rollups of all days).
 *
 * Memory:  the store owns all; answers are copied into the caller's arena.
 * Threads: `lock`: drain holds it alone for the few ms in which rows appear, go
 *          or move to disk, readers together while they fix what they see
 *          (docs/decisions).  Behind it: what readers see of `spans`, `traces`,
 *          `entries`, `days`.  `pool_lock`: the free connections and snapshots.
 *          Everything else is touched by drain alone, or never changes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "store/rollup.h"

#include <duckdb.h>
#include <pthread.h>

enum {
    DUCK_SCHEMA = 2,
    DUCK_DAYS_MAX = 1024,         /* further rows go to the nearest day there is */
    DUCK_POOL_MAX = 24,           /* connections: 16 for questions, 8 for SQL_SCANS_MAX */
    DUCK_CHUNK_ROWS = 2048,       /* the engine's vector size */
    DUCK_WAL_ROWS_MAX = 245760,   /* rows in a day's WAL before a checkpoint */
    DUCK_DIRECT_ROWS = 61440,     /* a row group: inserts of so many rows bypass the WAL */
    DUCK_GATHER_ROWS = 245760,    /* settled spans wait in memory for that many, */
    DUCK_GATHER_ROWS_FEW = 61440, /* or for so many while they keep much of the log */
    DUCK_SNAPSHOTS_MAX = 64,
    BLOCK_ROWS = DUCK_CHUNK_ROWS,
    BLOCK_SPARE_MAX = 320, /* empty blocks kept for the next rows */
    DUCK_COLUMNS_MAX = 64,
    DUCK_PARAMS_MAX = 1024,
    DUCK_SQL_BYTES_MAX = 32 << 20,
};

/* -- dictionary -- */
enum { DICT_BLOCK = 4096, DICT_BLOCKS_MAX = 1024, DICT_RECENT = 16 };
struct dict {
    str *blocks[DICT_BLOCKS_MAX];
    _Atomic uint32_t count;
    uint32_t saved_count; /* of them in meta */
    uint32_t *slots;      /* id + 1; 0: free */
    uint32_t slot_mask;
    str recent[DICT_RECENT]; /* drain's most recent texts, by a few of their bytes */
    uint32_t recent_ids[DICT_RECENT];
    _Atomic bool is_full; /* some rows have DICT_OVERFLOW */
};
struct dicts {
    pthread_mutex_t lock; /* around slots and the growth of count */
    struct arena texts;
    uint32_t values_max;             /* per field */
    struct dict fields[FIELD_COUNT]; /* DICT columns only are used */
};
#define DICT_NO_ID UINT32_MAX
/* Of every text past the limits: the exact text is among the rare fields of the row. */
#define DICT_OVERFLOW (UINT32_MAX - 1)
void dicts_init(struct dicts *dicts);
void dicts_clear(struct dicts *dicts);
/* Drain only.  DICT_NO_ID when it is not there yet. */
uint32_t dict_seen(struct dicts *dicts, enum field field, str text);
/* Drain only; the text is valid UTF-8.  DICT_OVERFLOW when the dictionary is full. */
uint32_t dict_intern(struct dicts *dicts, enum field field, str text);
uint32_t dict_find(struct dicts *dicts, enum field field, str text); /* DICT_NO_ID: not there */
str dict_text(const struct dicts *dicts, enum field field, uint32_t id);

/* -- columns -- */
enum { FIELD_WORDS = (FIELD_COUNT + 63) / 64 };
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
    uint32_t disk_count;           /* the rest are known of rows in memory only */
    uint8_t of_field[FIELD_COUNT]; /* index + 1 of a field's (first) column; 0: none */
    /* Fields by how they are written: sets like span.known. */
    uint64_t dict_fields[FIELD_WORDS], i64_fields[FIELD_WORDS], other_fields[FIELD_WORDS];
};
enum { ROW_NUMBERS_MAX = 6, ROW_TEXTS_MAX = 2 };
/* What is stored of a span or trace: its fields, and the rest by kind. */
struct row {
    const struct span *span;
    uint32_t numbers[ROW_NUMBERS_MAX];
    str texts[ROW_TEXTS_MAX];
};
enum span_number { SPAN_ROLES, SPAN_LOG_SEGMENT, SPAN_LOG_OFFSET, SPAN_LOG_INDEX, SPAN_STATE };
enum span_text { SPAN_ATTRS, SPAN_RARE };
enum trace_number {
    TRACE_SPANS,
    TRACE_ERRORS,
    TRACE_MODEL_CALLS,
    TRACE_TOOL_CALLS,
    TRACE_UNPRICED
};
enum trace_text { TRACE_CONTENT, TRACE_RARE };

void columns_of_spans(struct columns *columns);
void columns_of_traces(struct columns *columns);
void columns_ddl(const struct columns *columns, struct buf *out, const char *table);
/* All columns; of a row on disk those in memory only are 0. */
void columns_names(const struct columns *columns, struct buf *out, bool on_disk);
uint64_t id_high(struct id16 id);
uint64_t id_low(struct id16 id);
uint64_t id8_number(struct id8 id);

uint32_t column_bytes(enum column_kind kind);
duckdb_type column_type(enum column_kind kind);
enum { CELL_INLINE_BYTES = 12 };
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
enum { BLOOM_LEVELS = 20 };
struct bloom {
    uint64_t
        *bits[BLOOM_LEVELS]; /* lines of 512 bits; each level twice as large as the one before */
    uint32_t last;           /* level that is being filled */
    uint64_t count;          /* of its keys */
};
struct day {
    int32_t date;
    char name[16]; /* of the catalog */
    struct bounds span_times, trace_times, log_times;
    struct bloom traces; /* that are settled on disk; under the lock */
    uint64_t span_count, trace_count, log_count, metric_count;
    uint64_t checkpoint, items;   /* as its file says when opened */
    uint64_t wal_rows;            /* since its last checkpoint */
    uint64_t generation;          /* of its spans: counts their changes; under the lock */
    uint64_t rolled;              /* the generation that rollups are of; UINT64_MAX: none */
    uint64_t tables;              /* which rollups there are: bits by enum rollup_table_id */
    int64_t changed_ns;           /* monotonic: when generation last changed; 0: before the start */
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
void keyset_clear(struct keyset *set);
/* The value of that key, made 0 when it was not there. */
uint64_t *keyset_get(struct keyset *set, uint64_t key, bool *ret_was_there);
bool keyset_has(const struct keyset *set, uint64_t key);

/* -- rows in memory -- */
struct key {
    uint32_t project;
    uint64_t high, low;
};
uint64_t key_hash(struct key key, uint64_t span_id);
enum row_state {
    ROW_OPEN,    /* its trace is not settled */
    ROW_LATE,    /* came after its trace was settled */
    ROW_SETTLED, /* final, on its way to disk */
};
/* BLOCK_ROWS rows, column by column. */
struct block {
    uint32_t slot;
    _Atomic uint32_t refs;      /* the table and snapshots */
    uint32_t filled, published; /* rows written; rows that snapshots see */
    uint32_t alive;
    size_t text_bytes;                       /* of the rows published */
    void *memory;                            /* of all cells; pages nobody writes to cost nothing */
    void *cells[DUCK_COLUMNS_MAX];           /* in it */
    uint64_t known[BLOCK_ROWS];              /* bit per column that has a value */
    uint64_t used, used_published;           /* columns that have values in any row */
    _Atomic uint64_t removed_at[BLOCK_ROWS]; /* version from which a row is gone */
    uint32_t next[BLOCK_ROWS];               /* of the same trace: name + 1 */
    uint8_t state[BLOCK_ROWS];
    struct arena texts;
};
/* Blocks of one kind of rows.  A row's name is slot * BLOCK_ROWS + place. */
struct recent {
    const struct columns *columns;
    struct dicts *dicts;
    pthread_rwlock_t *lock; /* the store's */
    struct block **blocks;  /* by slot; NULL: free */
    uint32_t slot_count, slot_capacity;
    struct block *current; /* takes the next row */
    struct block *spare[BLOCK_SPARE_MAX];
    uint32_t spare_count, block_count;
    struct buf scratch;
};
/* What is in memory of one trace. */
struct entry {
    struct entry *next; /* of the same bucket, or free */
    struct key key;
    uint32_t first_row; /* newest, name + 1 */
    uint32_t row_count;
    uint32_t trace_row;  /* name + 1; 0: no settled version here */
    uint32_t wait_index; /* index + 1 in store->waiting */
    struct day *day;     /* of the settled version */
    bool on_disk;        /* a settled version is on disk */
    bool has_index;      /* too many rows to walk: store->big has them */
};
/* What a reader sees of a kind of rows: as of a version, or the rows named. */
struct snapshot {
    const struct recent *recent;
    uint64_t version;
    struct block **blocks; /* held */
    uint32_t *counts;      /* rows published in each */
    uint32_t block_count;
    uint32_t *rows; /* index of the block * BLOCK_ROWS + place; NULL: all alive */
    size_t row_count;
};
/* A project's spans of that day and before are gone: what comes later of them is kept with the
 * spans of the day on which it comes, since rollups of the days before cannot be made again. */
struct seal {
    uint32_t project;
    int32_t through; /* date */
};
enum { DUCK_SEALS_MAX = 4096 };
/* A day that new questions do not see; older ones may still read its file. */
struct grave {
    int32_t date;
    int64_t since_ns; /* monotonic */
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
    duckdb_connection write; /* drain's: meta and look-ups */
    struct recent spans, traces;
    uint64_t version; /* of what is published of them */
    struct entry **buckets, *entries_free;
    size_t bucket_count, entry_count;
    struct keyset big;      /* span -> row name + 1, of entries with has_index; 0: gone */
    size_t indexed_count;   /* entries with has_index */
    struct entry **waiting; /* settled in memory, not on disk */
    size_t waiting_count, waiting_capacity;
    uint64_t waiting_rows;
    int64_t waiting_since_ns;
    uint64_t waiting_checkpoint; /* durable when they are */
    _Atomic uint64_t open_rows, settled_rows, settled_traces;
    struct snapshot *snapshots[DUCK_SNAPSHOTS_MAX]; /* that statements may name */
    uint64_t checkpoint_sequence, items_sequence;   /* whole commits */
    _Atomic uint64_t score_count;
    uint64_t items_max;            /* parts of commits: what any file has seen */
    _Atomic int64_t measured_ns;   /* when engine_bytes was; 0: never */
    _Atomic uint64_t engine_bytes; /* memory of the engine */
    pthread_mutex_t pool_lock;
    pthread_cond_t pool_free;
    duckdb_connection pool[DUCK_POOL_MAX];
    uint32_t pool_idle, pool_made;
    pthread_mutex_t upkeep_lock;       /* around `upkeep`, held for as long as rollups are made */
    duckdb_connection upkeep;          /* sole writer of rollups */
    pthread_mutex_t write_lock;        /* held by drain while it writes: days may go between */
    struct seal seals[DUCK_SEALS_MAX]; /* under the lock */
    uint32_t seal_count;
    int32_t gone[DUCK_DAYS_MAX]; /* dates whose files go, or have gone: not made again */
    uint32_t gone_count;
    struct grave graves[DUCK_DAYS_MAX]; /* upkeep_lock: files that wait for their grace to end */
    uint32_t grave_count;
};

/* -- duckdb.c: statements -- */
MUST_CHECK enum err duck_run(duckdb_connection connection, struct diag *reterr_why,
                             const char *format, ...) PRINTF(3, 4);
MUST_CHECK enum err duck_text(duckdb_connection connection, const char *text,
                              struct diag *reterr_why);
/* For a statement with much to do. */
MUST_CHECK enum err duck_pending_finish(duckdb_connection connection, duckdb_pending_result pending,
                                        int64_t deadline_ns, struct diag *reterr_why);
/* First column of the first row, 0 when there is none. */
MUST_CHECK enum err duck_count(duckdb_connection connection, uint64_t *ret_count,
                               struct diag *reterr_why, const char *format, ...) PRINTF(4, 5);
MUST_CHECK enum err duck_count_text(duckdb_connection connection, const char *text,
                                    uint64_t *ret_count, struct diag *reterr_why);
enum err duck_error(enum err fallback, duckdb_error_type type, const char *text,
                    struct diag *reterr_why);
MUST_CHECK enum err duck_connect(struct store *store, int64_t deadline_ns,
                                 duckdb_connection *ret_connection, struct diag *reterr_why);
void duck_release(struct store *store, duckdb_connection connection);
MUST_CHECK enum err duck_day_get(struct store *store, int64_t time_ns, struct day **ret_day,
                                 struct diag *reterr_why);
void bounds_add(struct bounds *bounds, int64_t time);
/* A file and its tables, made now when it is new. */
MUST_CHECK enum err duck_file_open(struct store *store, const char *file, const char *name,
                                   enum err (*tables_make)(struct store *store, const char *name,
                                                           struct diag *reterr_why),
                                   struct diag *reterr_why);
MUST_CHECK enum err duck_state_make(struct store *store, const char *name, struct diag *reterr_why);

/* -- duckdb_recent.c -- */
#define ROW_NONE UINT32_MAX
void recent_init(struct recent *recent, const struct columns *columns, struct dicts *dicts,
                 pthread_rwlock_t *lock);
void recent_clear(struct recent *recent);
uint64_t recent_bytes(const struct recent *recent);
/* Write one row that nobody sees yet; ROW_NONE when its texts are too large. */
uint32_t recent_add_span(struct recent *recent, const struct store_span *span,
                         enum row_state state);
uint32_t recent_add_trace(struct recent *recent, const struct trace_row *trace);
/* Under the lock: written rows appear, rows go. */
void recent_publish(struct recent *recent);
void recent_remove(struct recent *recent, uint32_t row, uint64_t version);
enum row_state recent_state(const struct recent *recent, uint32_t row);
uint64_t recent_span_id(const struct recent *recent, uint32_t row);
int64_t recent_start(const struct recent *recent, uint32_t row);
uint32_t *recent_next(struct recent *recent, uint32_t row);

struct entry *entry_find(const struct store *store, struct key key);
/* Under the lock. */
struct entry *entry_get(struct store *store, struct key key);
void entry_drop(struct store *store, struct entry *entry); /* it has no rows */
void entries_clear(struct store *store);
void entry_link(struct store *store, struct entry *entry, uint32_t row);
void entry_unlink(struct store *store, struct entry *entry, uint32_t row);
/* Out of the index of spans only. */
void entry_forget(struct store *store, struct entry *entry, uint32_t row);
/* All its rows go, as of store->version. */
void entry_empty(struct store *store, struct entry *entry);
/* Its row of that span, or ROW_NONE. */
uint32_t entry_row(struct store *store, struct entry *entry, uint64_t span_id);

/* Under the lock, shared or alone; `rows` (names) may be NULL for all. */
void snapshot_take(const struct store *store, const struct recent *recent, const uint32_t *rows,
                   size_t row_count, struct snapshot *ret_snapshot);
/* The names of a trace's rows; xfree them. */
uint32_t *entry_rows(const struct store *store, const struct entry *entry, size_t *ret_count);
void snapshot_drop(struct store *store, struct snapshot *snapshot);
/* Are there spans that came after their trace was settled? */
bool snapshot_has_late(const struct snapshot *snapshot);

/* -- duckdb_feed.c: spans and traces in memory as relations of SQL -- */
MUST_CHECK enum err feed_register(struct store *store, struct diag *reterr_why);
/* From here to feed_end a statement may say recent_spans(id) or recent_traces(id). */
MUST_CHECK enum err feed_begin(struct store *store, struct snapshot *snapshot, uint32_t *ret_id,
                               struct diag *reterr_why);
void feed_end(struct store *store, uint32_t id);

/* -- duckdb_write.c -- */
MUST_CHECK enum err duck_append(struct store *store, const struct store_span *spans, size_t count,
                                struct diag *reterr_why);
MUST_CHECK enum err duck_commit(struct store *store, const struct store_commit *commit,
                                struct diag *reterr_why);
MUST_CHECK enum err duck_known(struct store *store, const str *projects,
                               const struct id16 *trace_ids, size_t count, bool *ret_known,
                               struct diag *reterr_why);

/* -- duckdb_flush.c -- */
/* Write settled traces that wait in memory to disk, with the checkpoint. */
MUST_CHECK enum err flush_waiting(struct store *store, struct diag *reterr_why);
/* Write traces that replace what is stored, on disk and in memory.  The entries
 * are the caller's; their rows are not published. */
MUST_CHECK enum err flush_direct(struct store *store, struct entry *const *entries, size_t count,
                                 struct diag *reterr_why);
void waiting_remove(struct store *store, struct entry *entry);
MUST_CHECK enum err duck_dict_save(struct store *store, struct diag *reterr_why);
void duck_rollback(duckdb_connection connection);

/* -- duckdb_items.c -- */
MUST_CHECK enum err items_write(struct store *store, const struct store_commit *commit,
                                struct diag *reterr_why);

/* -- duckdb_known.c -- */
void bloom_clear(struct bloom *bloom);
void bloom_add(struct bloom *bloom, uint64_t hash);
bool bloom_has(const struct bloom *bloom, uint64_t hash);
MUST_CHECK enum err bloom_load(struct store *store, struct day *day, struct diag *reterr_why);
/* Which of them are settled on disk: exact.  Drain only. */
MUST_CHECK enum err keys_known(struct store *store, const struct key *keys, size_t count,
                               bool *ret_known, struct diag *reterr_why);
/* Rows that the next statements of a commit look up or delete, by kind. */
enum probe_kind { PROBE_STORED, PROBE_LOG, PROBE_METRIC, PROBE_SPAN, PROBE_SCORE };
struct probe {
    duckdb_appender appender;
};
MUST_CHECK enum err probe_begin(struct store *store, struct probe *probe, struct diag *reterr_why);
void probe_add(struct probe *probe, enum probe_kind kind, struct key key, uint64_t span_id);
MUST_CHECK enum err probe_end(struct probe *probe, struct diag *reterr_why);
/* Hashes (key_hash) of the probed spans that a day has. */
MUST_CHECK enum err probe_spans(struct store *store, struct keyset *found, struct diag *reterr_why);

/* -- duckdb_sql.c -- */
struct sql {
    struct buf text;
    struct store *store;
    struct arena *arena;
    str params[DUCK_PARAMS_MAX];
    uint32_t param_count;
    bool failed;
    /* Where the rows of a condition lie: for conditions on spans of a trace. */
    const char *spans_from;           /* "d20251121.spans" */
    const char *traces_from;          /* their own rows; only when conditions look beyond a span */
    uint32_t spans_feed, traces_feed; /* ids of snapshots */
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
/* -- pieces of conditions -- */
const char *sql_operator(enum filter_op op);                 /* NULL: it is none of SQL's */
bool sql_number(struct sql *sql, const struct value *value); /* false: it is no number */
void sql_i64(struct sql *sql, int64_t number);
/* Around an expression that is a text: the leaf's operation on it. */
void sql_text_begin(struct sql *sql, const struct filter *leaf);
void sql_text_end(struct sql *sql, const struct filter *leaf);
/* A number of a span, or of one of its attributes. */
void sql_field_number(struct sql *sql, enum field field);
void sql_attr_number(struct sql *sql, str key);
/* A field, or an attribute's text, as an expression to group by. */
void sql_group_key(struct sql *sql, enum field field, str attr_key);
/* A statement whose tables are fixed: what it reads does not change any more. */
struct statement {
    duckdb_connection connection;
    duckdb_prepared_statement prepared;
};
/* End it and give the connection back. */
void sql_statement_end(struct sql *sql, struct statement *statement);
/* Both do so themselves, on failure too. */
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

/* -- duckdb_scope.c -- */
/* A condition on other spans of the trace, on its own row, on scores. */
void sql_beyond(struct sql *sql, const struct filter *filter, bool negated);
/* Puts `WITH ts AS (...), tt AS (...) ` in front, as far as the filter's conditions read them: all
 * spans, and all rows of traces, of the traces that a source has.  Sets spans_from (else it stays
 * as it is: one table will do) and traces_from. */
struct relations {
    const char *day;                /* "d20251121": of a day; NULL: of memory */
    const struct time_range *range; /* of several days: those with spans in it; else NULL */
    int state;                      /* of rows in memory that make a trace; -1: all */
};
void sql_relations(struct sql *sql, const struct relations *relations, const struct snapshot *spans,
                   const struct filter *filter);
/* -- duckdb_rollup.c -- */
MUST_CHECK enum err rollups_open(struct store *store, struct diag *reterr_why);
/* What rollups there are of a day that is being opened. */
MUST_CHECK enum err rollups_of_day(struct store *store, struct day *day, struct diag *reterr_why);
MUST_CHECK enum err duck_roll(struct store *store, bool *ret_more, struct diag *reterr_why);
/* Make the rollups of a day now, if they are not of what it is; by its date.  The caller has
 * upkeep_lock. */
MUST_CHECK enum err rollups_make(struct store *store, int32_t date, struct diag *reterr_why);
/* The time by which spans of that project are filed: their own, or now when their day's are gone.
 */
int64_t seal_time(const struct store *store, uint32_t project, int64_t time_ns);
/* The date through which the project's spans are gone; 0: none. */
int32_t seal_through(const struct store *store, str project);
/* Do the rollups say all that the day's spans say, of a project that is sealed through a date? */
static inline bool day_is_rolled(const struct day *day, int32_t through)
{
    return day->rolled == day->generation || day->date <= through;
}
bool date_is_gone(const struct store *store, int32_t date);
/* The same of any project: its own time, or now when its day is gone or too long ago. */
int64_t filed_time(const struct store *store, int64_t time_ns);
struct day *day_find(struct store *store, int32_t date);
/* -- duckdb_expire.c -- */
MUST_CHECK enum err duck_expire(struct store *store, const struct store_expiry *expiry,
                                struct store_expired *expired, struct diag *reterr_why);
/* At the start: files that a kill left behind. */
void gone_remove(struct store *store, int32_t date);
/* The bin of a number as an expression (rollup.h). */
void rollup_bin_add(struct buf *out, const char *number);
/* -- duckdb_rolled.c -- */
/* Is this question to be answered from rollups, and from which days?  Under the lock. */
bool rolled_choose(struct store *store, const struct store_aggregate *ask);
/* Appends the groups as a statement with the columns of the other kind; under the lock. */
void rolled_add(struct sql *sql, const struct store_aggregate *ask,
                void (*keys)(struct sql *sql, const struct store_aggregate *ask));
/* What the answer says of where it is from. */
void rolled_sources(struct store *store, const struct store_aggregate *ask, bool is_rolled);
/* -- duckdb_measure.c -- */
/* Quantiles of the same number and filter: one sort. */
bool measures_are_alike(const struct store_measure *a, const struct store_measure *b);
/* ",CAST(... AS DOUBLE) AS m0,...": those of spans, or those of scores; NULL for the others. */
void measures_add(struct sql *sql, const struct store_aggregate *ask, bool of_scores);
/* What `sources` adds, with a column for measures of evaluated traces where one asks. */
void measures_mark(struct sql *sql, const struct store_aggregate *ask,
                   void (*sources)(struct sql *sql));

/* -- duckdb_open.c -- */
/* Traces that are not settled as a relation with the columns of the traces table. */
void sql_open_traces(struct sql *sql);

/* -- duckdb_scores.c -- */
MUST_CHECK enum err scores_make(struct store *store, struct diag *reterr_why);
/* All of a commit, in one transaction; said again it changes nothing. */
MUST_CHECK enum err scores_write(struct store *store, const struct store_commit *commit,
                                 struct diag *reterr_why);
MUST_CHECK enum err duck_scores(struct store *store, const struct store_scores *ask,
                                struct arena *arena, struct store_score **ret_scores,
                                size_t *ret_count, struct diag *reterr_why);
void append_text(duckdb_appender appender, str text); /* STR_NONE: NULL */
/* A text of an answer, copied; STR_NONE for NULL.  False: no room. */
MUST_CHECK bool chunk_text(struct arena *arena, duckdb_data_chunk chunk, idx_t column, idx_t row,
                           str *ret_text);
void append_attrs(duckdb_appender appender, const struct attr *attrs, uint32_t count);
/* Has the scope's tenant, if there is one, a span of that trace? */
MUST_CHECK enum err duck_trace_is_visible(struct store *store, const struct store_scope *scope,
                                          struct id16 trace_id, struct arena *arena,
                                          bool *ret_visible, struct diag *reterr_why);

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
MUST_CHECK enum err duck_log_list(struct store *store, const struct store_log_list *ask,
                                  struct arena *arena, struct store_log **ret_logs,
                                  size_t *ret_count, struct diag *reterr_why);
MUST_CHECK enum err duck_points(struct store *store, const struct store_points *ask,
                                struct arena *arena, struct store_point **ret_points,
                                size_t *ret_count, struct diag *reterr_why);
MUST_CHECK enum err duck_point_names(struct store *store, const struct store_scope *scope,
                                     struct arena *arena, struct store_point_name **ret_names,
                                     size_t *ret_count, struct diag *reterr_why);
MUST_CHECK enum err duck_log_counts(struct store *store, const struct store_scope *scope,
                                    struct arena *arena, struct store_log_count **ret_counts,
                                    size_t *ret_count, struct diag *reterr_why);
MUST_CHECK enum err duck_shares(struct store *store, const struct store_shares *ask,
                                struct arena *arena, struct store_share_group **ret_groups,
                                size_t *ret_count, struct diag *reterr_why);
/* Spans in memory (snapshot sql->spans_feed) and of all days that can have some of the scope's
 * range, as one relation.  Under the lock. */
void sql_span_tables(struct sql *sql);
MUST_CHECK enum err duck_sql(struct store *store, const struct store_sql *ask, struct buf *out,
                             struct store_sql_answer *ret_answer, struct diag *reterr_why);
