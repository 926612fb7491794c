/* duckdb_rollup.c -- sums that outlive the spans, made of whole days.
 *
 * The rollups of a day's file are made of all its spans at once, by the engine, when the file
 * has been quiet for a while: nothing is added up at arrival, and a late span needs no
 * correction, since the day is made again.  `generation` counts the changes of a file's spans, in
 * the same transaction as they; rollups carry the generation that they are of.  As long as both
 * are equal, rollups say what the spans say; otherwise questions go to the spans.  So a crash at
 * any instant loses at most work.
 *
 * When a project's spans of a day have expired, its rollups stay as they were last made (seals).
 *
 * All rollups are in one file, `roll`: 25 months are 760 days, too many files to open at a start.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "store/duckdb_int.h"
#include "sys/clock.h"

#include <stdio.h>

#define ROLLED_NONE UINT64_MAX

/* -- tables -- */

static const char *dim_type(enum field field)
{
    return field == FIELD_parent_span_id                ? "UBIGINT"
           : field_table[field].type == FIELD_TYPE_BOOL ? "BOOLEAN"
                                                        : "UINTEGER";
}

static void table_ddl(struct buf *out, const struct rollup_table *table, const char *name)
{
    buf_printf(out, "CREATE TABLE %s.%s(file INTEGER,project UINTEGER,start_time BIGINT", name,
               table->name);
    for (uint32_t dim = 0; dim < table->dims; dim++)
        buf_printf(out, ",\"%s\" %s", field_table[rollup_dims[dim]].name,
                   dim_type(rollup_dims[dim]));
    buf_add_c(out, ",n UBIGINT");
    if (table->is_of_bins) {
        buf_add_c(out, ",number UTINYINT,bin INTEGER");
    } else {
        buf_add_c(out, ",first BIGINT,last DOUBLE,trace_id_hi UBIGINT,trace_id_lo UBIGINT");
        for (int i = 0; i < ROLLUP_NUMBERS; i++) {
            const char *number = field_table[rollup_numbers[i]].name;
            buf_printf(out, ",%s_n UBIGINT,%s_s HUGEINT", number, number);
            if (i < ROLLUP_BOUNDED)
                buf_printf(out, ",%s_lo BIGINT,%s_hi BIGINT", number, number);
        }
    }
    buf_add_char(out, ')');
}

static enum err text_run(duckdb_connection connection, struct buf *text, struct diag *reterr_why)
{
    buf_add_char(text, '\0');
    enum err code = buf_failed(text) ? diag_set(reterr_why, ERR_LIMIT, "a statement is too large")
                                     : duck_text(connection, text->ptr, reterr_why);
    buf_reset(text);
    return code;
}

static enum err tables_make(struct store *store, const char *name, struct diag *reterr_why)
{
    struct buf text;
    buf_init(&text, 64 * KIB);
    enum err code = duck_run(store->write, reterr_why, "BEGIN");
    for (int i = 0; i < ROLLUP_TABLES && code == ERR_OK; i++) {
        table_ddl(&text, &rollup_tables[i], name);
        code = text_run(store->write, &text, reterr_why);
    }
    buf_clear(&text);
    if (code == ERR_OK)
        code = duck_run(store->write, reterr_why,
                        "CREATE TABLE %s.done(file INTEGER, generation UBIGINT, tables UBIGINT)",
                        name);
    if (code == ERR_OK)
        code = duck_run(store->write, reterr_why,
                        "CREATE TABLE %s.seals(project UINTEGER, through INTEGER)", name);
    if (code == ERR_OK)
        code = duck_run(store->write, reterr_why, "CREATE TABLE %s.gone(file INTEGER)", name);
    if (code == ERR_OK)
        code = duck_state_make(store, name, reterr_why);
    if (code == ERR_OK)
        return duck_run(store->write, reterr_why, "COMMIT");
    duck_rollback(store->write);
    return code;
}

/* Rows of (project, date); a date alone is of a day that is gone. */
static enum err seals_load(struct store *store, struct diag *reterr_why)
{
    duckdb_result result;
    if (duckdb_query(store->write,
                     "SELECT project, max(through)::INTEGER FROM roll.seals GROUP BY project UNION "
                     "ALL SELECT NULL, file FROM roll.gone",
                     &result) != DuckDBSuccess) {
        enum err code = duck_error(ERR_IO, duckdb_result_error_type(&result),
                                   duckdb_result_error(&result), reterr_why);
        duckdb_destroy_result(&result);
        return code;
    }
    duckdb_data_chunk chunk;
    while ((chunk = duckdb_fetch_chunk(result))) {
        const uint32_t *projects = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
        const int32_t *dates = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 1));
        uint64_t *known = duckdb_vector_get_validity(duckdb_data_chunk_get_vector(chunk, 0));
        for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk); i++) {
            bool is_seal = !known || duckdb_validity_row_is_valid(known, i);
            if (is_seal && store->seal_count < DUCK_SEALS_MAX)
                store->seals[store->seal_count++] = (struct seal){ projects[i], dates[i] };
            else if (!is_seal && store->gone_count < DUCK_DAYS_MAX)
                store->gone[store->gone_count++] = dates[i];
        }
        duckdb_destroy_data_chunk(&chunk);
    }
    duckdb_destroy_result(&result);
    return ERR_OK;
}

enum err rollups_open(struct store *store, struct diag *reterr_why)
{
    enum err code = duck_file_open(store, "rollups.duckdb", "roll", tables_make, reterr_why);
    if (code == ERR_OK && duckdb_connect(store->database, &store->upkeep) != DuckDBSuccess)
        code = diag_set(reterr_why, ERR_UNAVAILABLE, "the engine gives no connection");
    return code == ERR_OK ? seals_load(store, reterr_why) : code;
}

enum err rollups_of_day(struct store *store, struct day *day, struct diag *reterr_why)
{
    uint64_t has_rollups = 0;
    /* Files of earlier versions do not count their changes yet. */
    enum err code = duck_run(store->write, reterr_why,
                             "INSERT INTO %s.state SELECT 'generation',1 WHERE NOT EXISTS (SELECT "
                             "1 FROM %s.state WHERE key='generation')",
                             day->name, day->name);
    if (code == ERR_OK)
        code = duck_count(store->write, &day->generation, reterr_why,
                          "SELECT value FROM %s.state WHERE key='generation'", day->name);
    if (code == ERR_OK)
        code = duck_count(store->write, &has_rollups, reterr_why,
                          "SELECT count(*)::UBIGINT FROM roll.done WHERE file=%d", day->date);
    day->rolled = ROLLED_NONE;
    if (code == ERR_OK && has_rollups)
        code = duck_count(store->write, &day->rolled, reterr_why,
                          "SELECT max(generation) FROM roll.done WHERE file=%d", day->date);
    if (code == ERR_OK && has_rollups)
        code = duck_count(store->write, &day->tables, reterr_why,
                          "SELECT max(tables) FROM roll.done WHERE file=%d", day->date);
    return code;
}

/* -- seals -- */

bool date_is_gone(const struct store *store, int32_t date)
{
    for (uint32_t i = 0; i < store->gone_count; i++)
        if (store->gone[i] == date)
            return true;
    return false;
}

int32_t seal_through(const struct store *store, str project)
{
    uint32_t id = dict_find((struct dicts *)(uintptr_t)&store->dicts, FIELD_project, project);
    for (uint32_t i = 0; i < store->seal_count; i++)
        if (store->seals[i].project == id)
            return store->seals[i].through;
    return 0;
}

int64_t filed_time(const struct store *store, int64_t time_ns)
{
    int64_t keep_ns = store->config.spans_keep_ns, now_ns = keep_ns ? clock_now_ns() : 0;
    if (keep_ns && time_ns < now_ns - keep_ns)
        return now_ns;
    if (store->gone_count && date_is_gone(store, day_from_time(MAX(time_ns, INT64_C(0)))))
        return clock_now_ns();
    return time_ns;
}

int64_t seal_time(const struct store *store, uint32_t project, int64_t time_ns)
{
    int64_t filed_ns = filed_time(store, time_ns);
    if (store->seal_count == 0 || filed_ns != time_ns)
        return filed_ns;
    int32_t date = day_from_time(MAX(time_ns, INT64_C(0)));
    for (uint32_t i = 0; i < store->seal_count; i++)
        if (store->seals[i].project == project && date <= store->seals[i].through)
            return clock_now_ns();
    return time_ns;
}

/* "AND project NOT IN (...)": those whose rollups of that day stay. */
static void add_unsealed(struct store *store, struct buf *out, int32_t date)
{
    bool is_first = true;
    for (uint32_t i = 0; i < store->seal_count; i++) {
        if (store->seals[i].through < date)
            continue;
        buf_printf(out, "%s%u", is_first ? " AND project NOT IN (" : ",", store->seals[i].project);
        is_first = false;
    }
    buf_add_c(out, is_first ? "" : ")");
}

/* -- making them -- */

static void add_floor(struct buf *out, int64_t width_ns)
{
    buf_printf(out, "((start_time//%lld - CASE WHEN start_time%%%lld<0 THEN 1 ELSE 0 END)*%lld)",
               (long long)width_ns, (long long)width_ns, (long long)width_ns);
}

static void add_dims(struct buf *out, uint32_t count, bool of_spans)
{
    for (uint32_t dim = 0; dim < count; dim++) {
        const char *name = field_table[rollup_dims[dim]].name;
        if (of_spans && rollup_dims[dim] == FIELD_parent_span_id)
            buf_printf(out, ",CASE WHEN %s IS NOT NULL THEN 0::UBIGINT END AS %s", name, name);
        else
            buf_printf(out, ",\"%s\"", name);
    }
}

static void add_sums_of_spans(struct buf *out)
{
    buf_add_c(out, ",count(*) AS n,min(start_time),max(least(CAST(start_time AS DOUBLE)+"
                   "CAST(latency_ns AS DOUBLE),9223372036854775807)),"
                   "coalesce(arg_max(trace_id_hi,latency_ns),max(trace_id_hi)),"
                   "coalesce(arg_max(trace_id_lo,latency_ns),arg_max(trace_id_lo,trace_id_hi))");
    for (int i = 0; i < ROLLUP_NUMBERS; i++) {
        const char *number = field_table[rollup_numbers[i]].name;
        buf_printf(out, ",count(%s),sum(%s)", number, number);
        if (i < ROLLUP_BOUNDED)
            buf_printf(out, ",min(%s),max(%s)", number, number);
    }
}

/* Of finer rows of the same dimensions. */
static void add_sums_of_sums(struct buf *out)
{
    buf_add_c(out, ",sum(n),min(first),max(last),"
                   "coalesce(arg_max(trace_id_hi,latency_ns_hi),max(trace_id_hi)),"
                   "coalesce(arg_max(trace_id_lo,latency_ns_hi),arg_max(trace_id_lo,trace_id_hi))");
    for (int i = 0; i < ROLLUP_NUMBERS; i++) {
        const char *number = field_table[rollup_numbers[i]].name;
        buf_printf(out, ",sum(%s_n),sum(%s_s)", number, number);
        if (i < ROLLUP_BOUNDED)
            buf_printf(out, ",min(%s_lo),max(%s_hi)", number, number);
    }
}

void rollup_bin_add(struct buf *out, const char *number)
{
    buf_printf(out,
               "CAST(CASE WHEN %s<%d THEN greatest(%s,0) ELSE %d+floor(ln(%s/%d.0)/"
               "ln(" ROLLUP_GAMMA ")) END AS INTEGER)",
               number, ROLLUP_EXACT, number, ROLLUP_EXACT, number, ROLLUP_EXACT);
}

/* The finer table of which a day's is made, where it is kept; ROLLUP_TABLES: of spans. */
static enum rollup_table_id made_of(enum rollup_table_id id, uint64_t tables)
{
    enum rollup_table_id finer = id == ROLLUP_SUMS_DAY   ? ROLLUP_SUMS_HOUR
                                 : id == ROLLUP_BINS_DAY ? ROLLUP_BINS_HOUR
                                                         : ROLLUP_TABLES;
    return finer != ROLLUP_TABLES && (tables >> finer & 1) ? finer : ROLLUP_TABLES;
}

static void add_key(struct buf *out, const struct rollup_table *table, bool of_spans)
{
    buf_add_c(out, "project,");
    add_floor(out, table->width_ns);
    buf_add_c(out, " AS bucket");
    add_dims(out, table->dims, of_spans);
}

/* One table's rows of a day; of bins by number. */
static void add_rows(struct store *store, struct buf *out, enum rollup_table_id id, int32_t date,
                     uint64_t tables)
{
    const struct rollup_table *table = &rollup_tables[id];
    enum rollup_table_id source = made_of(id, tables);
    bool of_spans = source == ROLLUP_TABLES;
    int parts = table->is_of_bins && of_spans ? ROLLUP_BINNED : 1;
    buf_printf(out, "INSERT INTO roll.%s ", table->name);
    for (int i = 0; i < parts; i++) {
        const char *number = field_table[rollup_numbers[i]].name;
        buf_printf(out, "%sSELECT %d,", i ? " UNION ALL " : "", date);
        add_key(out, table, of_spans);
        if (!table->is_of_bins) {
            (of_spans ? add_sums_of_spans : add_sums_of_sums)(out);
        } else if (!of_spans) {
            buf_add_c(out, ",sum(n),number,bin");
        } else {
            buf_printf(out, ",count(*),%d,", i);
            rollup_bin_add(out, number);
            buf_add_c(out, " AS bin");
        }
        if (of_spans)
            buf_printf(out, " FROM d%08d.spans WHERE true", date);
        else
            buf_printf(out, " FROM roll.%s WHERE file=%d", rollup_tables[source].name, date);
        if (table->is_of_bins && of_spans)
            buf_printf(out, " AND %s IS NOT NULL", number);
        add_unsealed(store, out, date);
        buf_add_c(out, " GROUP BY ALL");
    }
}

/* Does it have so many fewer rows than the day has spans that it is worth its room? */
static enum err table_pays(struct store *store, enum rollup_table_id id, int32_t date,
                           bool *ret_pays, struct diag *reterr_why)
{
    const struct rollup_table *table = &rollup_tables[id];
    uint64_t rows = 0, spans = 0;
    struct buf text;
    *ret_pays = table->is_always;
    if (table->is_always)
        return ERR_OK;
    buf_init(&text, 64 * KIB);
    buf_add_c(&text, "SELECT count(*)::UBIGINT FROM (SELECT DISTINCT ");
    add_key(&text, table, true);
    if (table->is_of_bins) { /* of one number, as of all */
        buf_add_char(&text, ',');
        rollup_bin_add(&text, field_table[rollup_numbers[0]].name);
    }
    buf_printf(&text, " FROM d%08d.spans)", date);
    buf_add_char(&text, '\0');
    enum err code =
        buf_failed(&text) ? diag_set(reterr_why, ERR_LIMIT, "a statement is too large") : ERR_OK;
    if (code == ERR_OK)
        code = duck_count_text(store->upkeep, text.ptr, &rows, reterr_why);
    buf_clear(&text);
    if (code == ERR_OK)
        code = duck_count(store->upkeep, &spans, reterr_why,
                          "SELECT count(*)::UBIGINT FROM d%08d.spans", date);
    uint64_t few = store->config.roll_rows_few ? store->config.roll_rows_few : ROLLUP_ROWS_FEW;
    *ret_pays = rows <= MAX(spans / ROLLUP_SPARING, few);
    return code;
}

static enum err table_fill(struct store *store, enum rollup_table_id id, int32_t date,
                           uint64_t *tables, struct diag *reterr_why)
{
    struct buf text;
    bool pays = false;
    buf_init(&text, 256 * KIB);
    buf_printf(&text, "DELETE FROM roll.%s WHERE file=%d", rollup_tables[id].name, date);
    add_unsealed(store, &text, date);
    enum err code = text_run(store->upkeep, &text, reterr_why);
    if (code == ERR_OK)
        code = table_pays(store, id, date, &pays, reterr_why);
    if (code == ERR_OK && pays) {
        add_rows(store, &text, id, date, *tables);
        code = text_run(store->upkeep, &text, reterr_why);
        *tables |= UINT64_C(1) << id;
    }
    buf_clear(&text);
    return code;
}

struct made {
    uint64_t generation, tables;
};

static enum err rows_make(struct store *store, int32_t date, struct made *made,
                          struct diag *reterr_why)
{
    static const enum rollup_table_id order[ROLLUP_TABLES] = {
        ROLLUP_SUMS_MINUTE, ROLLUP_SUMS_HOUR, ROLLUP_SUMS_DAY,
        ROLLUP_BINS_HOUR,   ROLLUP_BINS_DAY,  ROLLUP_BINS_WIDE,
    };
    enum err code = duck_count(store->upkeep, &made->generation, reterr_why,
                               "SELECT value FROM d%08d.state WHERE key='generation'", date);
    for (int i = 0; i < ROLLUP_TABLES && code == ERR_OK; i++)
        code = table_fill(store, order[i], date, &made->tables, reterr_why);
    if (code == ERR_OK)
        code = duck_run(store->upkeep, reterr_why, "DELETE FROM roll.done WHERE file=%d", date);
    if (code == ERR_OK)
        code =
            duck_run(store->upkeep, reterr_why, "INSERT INTO roll.done VALUES (%d,%llu,%llu)", date,
                     (unsigned long long)made->generation, (unsigned long long)made->tables);
    return code;
}

struct day *day_find(struct store *store, int32_t date)
{
    for (uint32_t i = 0; i < store->day_count; i++)
        if (store->days[i]->date == date)
            return store->days[i];
    return NULL;
}

enum err rollups_make(struct store *store, int32_t date, struct diag *reterr_why)
{
    struct made made = { 0 };
    enum err code = duck_run(store->upkeep, reterr_why, "BEGIN");
    if (code != ERR_OK)
        return code;
    code = rows_make(store, date, &made, reterr_why);
    if (code != ERR_OK) {
        duck_rollback(store->upkeep);
        return code;
    }
    /* Readers see the rows and the generation together. */
    pthread_rwlock_wrlock(&store->lock);
    code = duck_run(store->upkeep, reterr_why, "COMMIT");
    struct day *day = day_find(store, date);
    if (code == ERR_OK && day) {
        day->rolled = made.generation;
        day->tables = made.tables;
    }
    pthread_rwlock_unlock(&store->lock);
    if (code != ERR_OK)
        duck_rollback(store->upkeep);
    return code;
}

/* The oldest day whose rollups are not of what it is, and that has been quiet. */
static bool day_next(struct store *store, int32_t *ret_date, bool *ret_more)
{
    int64_t now_ns = clock_monotonic_ns();
    uint32_t found = 0;
    pthread_rwlock_rdlock(&store->lock);
    for (uint32_t i = 0; i < store->day_count; i++) {
        const struct day *day = store->days[i];
        bool is_quiet =
            day->changed_ns == 0 || now_ns - day->changed_ns >= store->config.roll_quiet_ns;
        if (day->rolled == day->generation || !is_quiet)
            continue;
        if (found++ == 0)
            *ret_date = day->date;
    }
    pthread_rwlock_unlock(&store->lock);
    *ret_more = found > 1;
    return found > 0;
}

enum err duck_roll(struct store *store, bool *ret_more, struct diag *reterr_why)
{
    int32_t date = 0;
    enum err code = ERR_OK;
    pthread_mutex_lock(&store->upkeep_lock);
    if (day_next(store, &date, ret_more))
        code = rollups_make(store, date, reterr_why);
    pthread_mutex_unlock(&store->upkeep_lock);
    return code;
}
