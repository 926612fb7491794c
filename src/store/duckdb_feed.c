/* duckdb_feed.c -- rows in memory as relations: recent_spans(id), recent_traces(id).
 *
 * A statement names a snapshot by its number; only the columns that it uses are
 * copied, in runs of rows that lie together.  Texts are not copied: the snapshot
 * holds their blocks until the statement has ended.
 *
 * Rows that are named (a flush to disk) are scanned by several threads, each a row
 * group at a time, so that the thread that writes and the engine's share the work.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/duckdb_int.h"

#include <stdatomic.h>

/* A scan. */
struct feed {
    const struct snapshot *snapshot;
    _Atomic size_t next; /* of named rows: not taken by a thread */
    uint32_t column_count;
    uint32_t columns[DUCK_COLUMNS_MAX];
};

struct run {
    const struct block *block;
    uint32_t first, count;
    uint64_t any, all; /* columns that some of its rows have, that all have */
};
struct runs {
    struct run items[BLOCK_ROWS];
    uint32_t count, row_count;
};

/* Where one thread of a scan is. */
struct feed_part {
    uint32_t block, at; /* of all rows: one thread has them all */
    size_t next, end;   /* of named rows */
    struct runs runs;
    uint64_t known[BLOCK_ROWS];                        /* of its rows: bit per column */
    uint64_t valid[DUCK_COLUMNS_MAX][BLOCK_ROWS / 64]; /* the same: bit per row */
};

/* -- which rows -- */

static void run_add(struct runs *runs, const struct block *block, uint32_t at)
{
    struct run *last = runs->count ? &runs->items[runs->count - 1] : NULL;
    uint64_t known = block->known[at];
    if (last && last->block == block && last->first + last->count == at) {
        last->count++;
        last->any |= known;
        last->all &= known;
    } else {
        runs->items[runs->count++] = (struct run){ block, at, 1, known, known };
    }
    runs->row_count++;
}

/* A row group's worth of the named rows that no thread has taken. */
static bool part_take(struct feed *feed, struct feed_part *part)
{
    size_t count = feed->snapshot->row_count;
    size_t next = atomic_fetch_add(&feed->next, (size_t)DUCK_DIRECT_ROWS);
    part->next = MIN(next, count);
    part->end = MIN(part->next + DUCK_DIRECT_ROWS, count);
    return part->next < part->end;
}

static void runs_of_named(struct feed *feed, struct feed_part *part)
{
    const struct snapshot *snapshot = feed->snapshot;
    if (part->next == part->end && !part_take(feed, part))
        return;
    while (part->next < part->end && part->runs.row_count < DUCK_CHUNK_ROWS) {
        uint32_t row = snapshot->rows[part->next++];
        run_add(&part->runs, snapshot->blocks[row / BLOCK_ROWS], row % BLOCK_ROWS);
    }
}

/* Those of one block that are alive, so that texts of two blocks rarely mix. */
static void runs_of_all(const struct feed *feed, struct feed_part *part)
{
    const struct snapshot *snapshot = feed->snapshot;
    while (part->block < snapshot->block_count && part->runs.row_count < DUCK_CHUNK_ROWS) {
        struct block *block = snapshot->blocks[part->block];
        if (part->at == snapshot->counts[part->block]) {
            part->block++;
            part->at = 0;
            continue;
        }
        uint64_t removed_at =
            atomic_load_explicit(&block->removed_at[part->at], memory_order_relaxed);
        if (removed_at > snapshot->version)
            run_add(&part->runs, block, part->at);
        part->at++;
    }
}

/* -- copying -- */

/* Rows and columns of 64 times 64 bits change places. */
static void bits_transpose(uint64_t bits[64])
{
    uint64_t mask = UINT32_MAX;
    for (uint32_t half = 32; half > 0; half /= 2, mask ^= mask << half)
        for (uint32_t i = 0; i < 64; i = ((i | half) + 1) & ~half) {
            uint64_t swapped = ((bits[i] >> half) ^ bits[i | half]) & mask;
            bits[i] ^= swapped << half;
            bits[i | half] ^= swapped;
        }
}

/* What is known in each column, from what is known of each row. */
static void part_valid(struct feed_part *part)
{
    uint32_t to = 0;
    for (uint32_t i = 0; i < part->runs.count; i++) {
        const struct run *run = &part->runs.items[i];
        memcpy(part->known + to, run->block->known + run->first, run->count * sizeof *part->known);
        to += run->count;
    }
    for (uint32_t first = 0; first < to; first += 64) {
        uint64_t bits[64];
        memcpy(bits, part->known + first, sizeof bits); /* past the rows: nobody looks */
        bits_transpose(bits);
        for (uint32_t column = 0; column < DUCK_COLUMNS_MAX; column++)
            part->valid[column][first / 64] = bits[column];
    }
}

static void column_copy(const struct feed_part *part, const struct columns *columns,
                        uint32_t column, duckdb_vector vector)
{
    uint32_t bytes = column_bytes(columns->items[column].kind), to = 0;
    char *cells = duckdb_vector_get_data(vector);
    uint64_t all = UINT64_MAX;
    for (uint32_t i = 0; i < part->runs.count; i++) {
        const struct run *run = &part->runs.items[i];
        const char *from = run->block->cells[column];
        if (run->any >> column & 1)
            memcpy(cells + (size_t)to * bytes, from + (size_t)run->first * bytes,
                   (size_t)run->count * bytes);
        else
            memset(cells + (size_t)to * bytes, 0, (size_t)run->count * bytes);
        all &= run->all;
        to += run->count;
    }
    if (to == 0 || all >> column & 1)
        return;
    duckdb_vector_ensure_validity_writable(vector);
    memcpy(duckdb_vector_get_validity(vector), part->valid[column],
           (to + 63) / 64 * sizeof part->valid[column][0]);
}

/* -- the table function -- */

static void feed_free(void *feed)
{
    xfree(feed);
}

static void ignore(void *nothing)
{
    (void)nothing;
}

static void feed_bind(duckdb_bind_info info)
{
    struct store *store = duckdb_bind_get_extra_info(info);
    duckdb_value value = duckdb_bind_get_parameter(info, 0);
    int64_t id = duckdb_get_int64(value);
    duckdb_destroy_value(&value);
    pthread_mutex_lock(&store->pool_lock);
    struct snapshot *snapshot = id >= 0 && id < DUCK_SNAPSHOTS_MAX ? store->snapshots[id] : NULL;
    pthread_mutex_unlock(&store->pool_lock);
    if (!snapshot) {
        duckdb_bind_set_error(info, "no such snapshot");
        return;
    }
    const struct columns *columns = snapshot->recent->columns;
    for (uint32_t i = 0; i < columns->count; i++) {
        duckdb_logical_type type = duckdb_create_logical_type(column_type(columns->items[i].kind));
        duckdb_bind_add_result_column(info, columns->items[i].name, type);
        duckdb_destroy_logical_type(&type);
    }
    size_t rows = snapshot->rows ? snapshot->row_count : (size_t)snapshot->block_count * BLOCK_ROWS;
    duckdb_bind_set_cardinality(info, rows, false);
    duckdb_bind_set_bind_data(info, snapshot, ignore);
}

static void feed_init(duckdb_init_info info)
{
    struct feed *feed = xcalloc(1, sizeof *feed);
    feed->snapshot = duckdb_init_get_bind_data(info);
    feed->column_count = (uint32_t)duckdb_init_get_column_count(info);
    assert(feed->column_count <= DUCK_COLUMNS_MAX);
    for (uint32_t i = 0; i < feed->column_count; i++) {
        idx_t column = duckdb_init_get_column_index(info, i);
        feed->columns[i] = column < DUCK_COLUMNS_MAX ? (uint32_t)column : UINT32_MAX;
    }
    size_t parts = (feed->snapshot->row_count + DUCK_DIRECT_ROWS - 1) / DUCK_DIRECT_ROWS;
    duckdb_init_set_max_threads(info, feed->snapshot->rows ? MAX(parts, (size_t)1) : 1);
    duckdb_init_set_init_data(info, feed, feed_free);
}

static void feed_part_init(duckdb_init_info info)
{
    duckdb_init_set_init_data(info, xcalloc(1, sizeof(struct feed_part)), feed_free);
}

static void feed_scan(duckdb_function_info info, duckdb_data_chunk output)
{
    struct feed *feed = duckdb_function_get_init_data(info);
    struct feed_part *part = duckdb_function_get_local_init_data(info);
    struct runs *runs = &part->runs;
    runs->count = runs->row_count = 0;
    if (feed->snapshot->rows)
        runs_of_named(feed, part);
    else
        runs_of_all(feed, part);
    part_valid(part);
    const struct columns *columns = feed->snapshot->recent->columns;
    for (uint32_t i = 0; i < feed->column_count; i++)
        if (feed->columns[i] < columns->count) /* else: a row number nobody reads */
            column_copy(part, columns, feed->columns[i], duckdb_data_chunk_get_vector(output, i));
    duckdb_data_chunk_set_size(output, runs->row_count);
}

static enum err function_register(struct store *store, const char *name, struct diag *reterr_why)
{
    duckdb_table_function function = duckdb_create_table_function();
    duckdb_logical_type number = duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
    duckdb_table_function_set_name(function, name);
    duckdb_table_function_add_parameter(function, number);
    duckdb_table_function_set_extra_info(function, store, ignore);
    duckdb_table_function_set_bind(function, feed_bind);
    duckdb_table_function_set_init(function, feed_init);
    duckdb_table_function_set_local_init(function, feed_part_init);
    duckdb_table_function_set_function(function, feed_scan);
    duckdb_table_function_supports_projection_pushdown(function, true);
    duckdb_state state = duckdb_register_table_function(store->write, function);
    duckdb_destroy_logical_type(&number);
    duckdb_destroy_table_function(&function);
    if (state != DuckDBSuccess)
        return diag_set(reterr_why, ERR_INTERNAL, "the engine refuses a table function");
    return ERR_OK;
}

enum err feed_register(struct store *store, struct diag *reterr_why)
{
    enum err code = function_register(store, "recent_spans", reterr_why);
    return code == ERR_OK ? function_register(store, "recent_traces", reterr_why) : code;
}

enum err feed_begin(struct store *store, struct snapshot *snapshot, uint32_t *ret_id,
                    struct diag *reterr_why)
{
    uint32_t id = 0;
    pthread_mutex_lock(&store->pool_lock);
    while (id < DUCK_SNAPSHOTS_MAX && store->snapshots[id])
        id++;
    if (id < DUCK_SNAPSHOTS_MAX)
        store->snapshots[id] = snapshot;
    pthread_mutex_unlock(&store->pool_lock);
    if (id == DUCK_SNAPSHOTS_MAX)
        return diag_set(reterr_why, ERR_BUSY, "too many questions at a time");
    *ret_id = id;
    return ERR_OK;
}

void feed_end(struct store *store, uint32_t id)
{
    pthread_mutex_lock(&store->pool_lock);
    store->snapshots[id] = NULL;
    pthread_mutex_unlock(&store->pool_lock);
}
