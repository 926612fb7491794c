/* duckdb_list.c -- lists of spans and traces, and the logs of a trace.
 *
 * Newest first (the usual question) walks: memory first, then days backwards,
 * and stops when no older day can add anything.  Memory first, because a trace
 * only ever moves from memory to disk: it can then be seen twice, which is
 * noticed by its key, but never missed.  All other orders are one statement
 * over all days, fixed under the lock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/duckdb_int.h"

#include <stdio.h>
#include <stdlib.h>

struct item {
    struct sort_key key;
    bool settled;
    struct store_span *span; /* one of them */
    struct trace_row *trace;
};

struct list_run {
    struct store *store;
    const struct store_list *list;
    struct arena *arena;
    bool of_traces;
    struct sql *sql;
    struct item *items;
    size_t count, capacity;
    struct keyset seen; /* hash -> index + 1 */
};

struct source {
    const char *name; /* of the day; NULL: memory */
    struct bounds times;
};

/* -- SQL -- */

static void add_number(struct buf *text, uint64_t number)
{
    buf_printf(text, "%llu::UBIGINT", (unsigned long long)number);
}

static const char *sort_sql(enum store_sort sort)
{
    switch (sort) {
    case STORE_SORT_LATENCY:
        return "coalesce(latency_ns,-1)";
    case STORE_SORT_COST:
        return "coalesce(cost_nanousd,-1)";
    case STORE_SORT_TOKENS:
        return "coalesce(total_tokens,-1)";
    case STORE_SORT_START:
        break;
    }
    return "start_time";
}

static void add_after(struct list_run *run)
{
    const struct store_list *list = run->list;
    struct buf *text = &run->sql->text;
    const char *value = sort_sql(list->sort);
    buf_printf(text,
               " AND %s<=CAST('%lld' AS BIGINT) AND (%s,start_time,trace_id_hi,trace_id_lo%s"
               ")<(CAST('%lld' AS BIGINT),CAST('%lld' AS BIGINT),",
               value, (long long)list->after_value, value, run->of_traces ? "" : ",span_id",
               (long long)list->after_value, (long long)list->after_start_ns);
    add_number(text, id_high(list->after_trace_id));
    buf_add_char(text, ',');
    add_number(text, id_low(list->after_trace_id));
    if (!run->of_traces) {
        buf_add_char(text, ',');
        add_number(text, id8_number(list->after_span_id));
    }
    buf_add_char(text, ')');
}

static void add_order(struct list_run *run)
{
    const char *value = sort_sql(run->list->sort);
    buf_printf(&run->sql->text, " ORDER BY %s DESC%s,trace_id_hi DESC,trace_id_lo DESC%s LIMIT %u",
               value, run->list->sort == STORE_SORT_START ? "" : ",start_time DESC",
               run->of_traces ? "" : ",span_id DESC", run->list->limit);
}

/* -- the row of a trace that is not settled, by SQL -- */

#define HOT_SPANS "(SELECT * FROM memory.main.spans WHERE late=0)"
#define IS_ROOT " FILTER (coalesce(parent_span_id,0)=0)"

static void add_step_in(struct sql *sql, const char *a, const char *b)
{
    buf_add_char(&sql->text, '(');
    sql_dict_is(sql, FIELD_step, a);
    buf_add_c(&sql->text, " OR ");
    sql_dict_is(sql, FIELD_step, b);
    buf_add_char(&sql->text, ')');
}

/* Sum over model steps, clamped to 64 bits; unknown when no step knows it. */
static void add_model_sum(struct sql *sql, const char *expression, const char *known)
{
    buf_printf(&sql->text,
               "CASE WHEN count(%s) FILTER (counted)>0 THEN "
               "greatest(least(coalesce(sum(%s) FILTER (counted),0),"
               "9223372036854775807),-9223372036854775808) END",
               known, expression);
}

static void add_last(struct sql *sql, const char *expression, const char *step, const char *or_step)
{
    buf_printf(&sql->text, "arg_max(%s,start_time) FILTER (", expression);
    add_step_in(sql, step, or_step);
    buf_add_char(&sql->text, ')');
}

/* As add_last, where a negative number is unknown. */
static void add_last_positive(struct sql *sql, const char *expression, const char *step,
                              const char *or_step)
{
    buf_add_c(&sql->text, "CASE WHEN ");
    add_last(sql, expression, step, or_step);
    buf_add_c(&sql->text, ">=0 THEN ");
    add_last(sql, expression, step, or_step);
    buf_add_c(&sql->text, " END");
}

static void rare_sql(char *out, size_t size, enum field field, const char *type)
{
    snprintf(out, size, "TRY_CAST(json_extract_string(rare,'$.%s') AS %s)", field_table[field].name,
             type);
}

static void add_open_rare(struct sql *sql, enum field field)
{
    char text[128];
    switch ((int)field) {
    case FIELD_index_version:
        rare_sql(text, sizeof text, field, "VARCHAR");
        add_last(sql, text, "retrieval", "search");
        break;
    case FIELD_top_k_returned:
        rare_sql(text, sizeof text, field, "BIGINT");
        add_last_positive(sql, text, "retrieval", "search");
        break;
    case FIELD_source_ids:
        snprintf(text, sizeof text, "CAST(json_extract(rare,'$.source_ids') AS VARCHAR)");
        add_last(sql, text, "retrieval", "search");
        break;
    case FIELD_retry_count:
        rare_sql(text, sizeof text, field, "BIGINT");
        buf_printf(&sql->text, "least(coalesce(sum(greatest(%s,0)),0),4294967295)", text);
        break;
    case FIELD_faithfulness:
        rare_sql(text, sizeof text, field, "DOUBLE");
        buf_printf(&sql->text, "any_value(%s)", text);
        break;
    default:
        rare_sql(text, sizeof text, field, "BOOLEAN");
        buf_printf(&sql->text, "bool_or(%s)", text);
        break;
    }
}

static void add_open_field(struct sql *sql, enum field field)
{
    const char *name = field_table[field].name;
    switch ((int)field) {
    case FIELD_start_time:
        buf_add_c(&sql->text, "min(start_time)");
        break;
    case FIELD_latency_ns:
        buf_add_c(&sql->text,
                  "least(least(max(start_time::HUGEINT+coalesce(latency_ns,0)),9223372036854775807)"
                  "-min(start_time),9223372036854775807)");
        break;
    case FIELD_span_id:
        buf_printf(&sql->text, "arg_min(\"%s\",start_time)" IS_ROOT, name);
        break;
    case FIELD_name:
    case FIELD_step:
    case FIELD_service:
    case FIELD_status: /* while the root is not here, of the earliest span */
        buf_printf(&sql->text,
                   "coalesce(arg_min(\"%s\",start_time)" IS_ROOT ",arg_min(\"%s\",start_time))",
                   name, name);
        break;
    case FIELD_input_tokens:
    case FIELD_output_tokens:
        add_model_sum(sql, name, "coalesce(input_tokens,output_tokens)");
        break;
    case FIELD_total_tokens:
        add_model_sum(sql, "coalesce(input_tokens,0)::HUGEINT+coalesce(output_tokens,0)",
                      "coalesce(input_tokens,output_tokens)");
        break;
    case FIELD_cost_nanousd:
        add_model_sum(sql, name, name);
        break;
    case FIELD_ttft_ns:
        add_last_positive(sql, name, "model", "model");
        break;
    case FIELD_provider:
    case FIELD_generator_model:
    case FIELD_prompt_version:
    case FIELD_prompt_template_id:
    case FIELD_prompt_hash:
        add_last(sql, name, "model", "model");
        break;
    case FIELD_retriever:
        add_last(sql, name, "retrieval", "search");
        break;
    default:
        if (field_is_rare(field))
            add_open_rare(sql, field);
        else
            buf_printf(&sql->text, "any_value(\"%s\")", name);
        break;
    }
}

static void add_open_number(struct sql *sql, uint32_t number)
{
    switch (number) {
    case TRACE_SPANS:
        buf_add_c(&sql->text, "count(*)");
        return;
    case TRACE_ERRORS:
        buf_add_c(&sql->text, "count(*) FILTER (");
        sql_dict_is(sql, FIELD_status, "error");
        break;
    case TRACE_MODEL_CALLS:
        buf_add_c(&sql->text, "count(*) FILTER (counted");
        break;
    case TRACE_TOOL_CALLS:
        buf_add_c(&sql->text, "count(*) FILTER (");
        sql_dict_is(sql, FIELD_step, "tool");
        break;
    default:
        buf_add_c(&sql->text, "count(*) FILTER (counted AND ");
        sql_dict_is(sql, FIELD_cost_source, "unknown");
        break;
    }
    buf_add_char(&sql->text, ')');
}

static void add_open_column(struct sql *sql, const struct column *column)
{
    static const char *const types[] = {
        [COLUMN_ID_HIGH] = "UBIGINT", [COLUMN_ID_LOW] = "UBIGINT",    [COLUMN_ID8] = "UBIGINT",
        [COLUMN_DICT] = "UINTEGER",   [COLUMN_TEXT] = "VARCHAR",      [COLUMN_I64] = "BIGINT",
        [COLUMN_F64] = "DOUBLE",      [COLUMN_BOOL] = "BOOLEAN",      [COLUMN_STRS] = "VARCHAR",
        [COLUMN_NUMBER] = "UINTEGER", [COLUMN_LONG_TEXT] = "VARCHAR",
    };
    buf_add_c(&sql->text, ",CAST(");
    if (column->kind == COLUMN_NUMBER)
        add_open_number(sql, column->index);
    else if (column->kind == COLUMN_LONG_TEXT)
        buf_add_c(&sql->text, "NULL");
    else
        add_open_field(sql, column->field);
    buf_printf(&sql->text, " AS %s) AS \"%s\"", types[column->kind], column->name);
}

/* Open traces as a relation with the columns of the traces table. */
static void add_open_traces(struct sql *sql)
{
    const struct columns *columns = &sql->store->trace_columns;
    buf_add_c(&sql->text, "(SELECT project,trace_id_hi,trace_id_lo");
    for (uint32_t i = 0; i < columns->count; i++) {
        const struct column *column = &columns->items[i];
        if (column->field != FIELD_trace_id && column->field != FIELD_project)
            add_open_column(sql, column);
    }
    buf_add_c(&sql->text, " FROM (SELECT *,(rollup IS NOT TRUE AND ");
    add_step_in(sql, "model", "embedding");
    buf_add_c(&sql->text, ") AS counted FROM memory.main.spans WHERE late=0 AND ");
    sql_scope(sql, false);
    buf_add_c(&sql->text, ") GROUP BY project,trace_id_hi,trace_id_lo)");
}

/* SELECT of one source, ordered and cut. */
static void add_source(struct list_run *run, const struct source *source)
{
    struct sql *sql = run->sql;
    char spans_from[48];
    const struct columns *columns =
        run->of_traces ? &run->store->trace_columns : &run->store->span_columns;
    snprintf(spans_from, sizeof spans_from, "%s.spans", source->name ? source->name : "");
    sql->spans_from = source->name ? spans_from : HOT_SPANS;
    buf_add_c(&sql->text, "SELECT ");
    columns_names(columns, &sql->text);
    buf_printf(&sql->text, ",%s AS settled FROM ", source->name ? "true" : "false");
    if (source->name)
        buf_printf(&sql->text, "%s.%s", source->name, run->of_traces ? "traces" : "spans");
    else if (run->of_traces)
        add_open_traces(sql);
    else
        buf_add_c(&sql->text, "memory.main.spans");
    buf_add_c(&sql->text, " WHERE ");
    sql_scope(sql, true);
    if (run->list->has_after)
        add_after(run);
    if (run->list->filter) {
        buf_add_c(&sql->text, " AND ");
        sql_filter(sql, run->list->filter, false);
    }
    add_order(run);
    sql->spans_from = NULL;
}

/* -- reading -- */

static enum err contents_read(str text, struct trace_row *trace, struct diag *reterr_why)
{
    for (str piece; trace->content_count < TRACE_CONTENT_MAX && str_next(&text, ',', &piece);) {
        uint64_t segment, offset, len;
        str part[3];
        for (size_t i = 0; i < 3; i++)
            if (!str_next(&piece, ':', &part[i]))
                return diag_set(reterr_why, ERR_CORRUPT, "content pointer cannot be read");
        if (!str_to_u64(part[0], &segment) || !str_to_u64(part[1], &offset) ||
            !str_to_u64(part[2], &len))
            return diag_set(reterr_why, ERR_CORRUPT, "content pointer cannot be read");
        trace->content[trace->content_count++] =
            (struct trace_content){ segment, (uint32_t)offset, (uint32_t)len };
    }
    return ERR_OK;
}

static enum err trace_read(struct list_run *run, const struct span *span, const struct row *row,
                           struct item *item, struct diag *reterr_why)
{
    struct trace_row *trace = arena_new(run->arena, struct trace_row, 1);
    if (!trace)
        return diag_set(reterr_why, ERR_LIMIT, "no room for the answer");
    trace_from_span(span, trace);
    trace->span_count = row->numbers[TRACE_SPANS];
    trace->error_count = row->numbers[TRACE_ERRORS];
    trace->model_call_count = row->numbers[TRACE_MODEL_CALLS];
    trace->tool_call_count = row->numbers[TRACE_TOOL_CALLS];
    trace->unpriced_count = row->numbers[TRACE_UNPRICED];
    trace->settled = item->settled;
    item->trace = trace;
    item->key.span_id = (struct id8){ { 0 } };
    return contents_read(row->texts[TRACE_CONTENT], trace, reterr_why);
}

static enum err span_read(struct list_run *run, const struct span *span, const struct row *row,
                          struct item *item, struct diag *reterr_why)
{
    struct store_span *answer = arena_new(run->arena, struct store_span, 1);
    if (!answer)
        return diag_set(reterr_why, ERR_LIMIT, "no room for the answer");
    answer->span = *span;
    answer->log_segment = row->numbers[SPAN_LOG_SEGMENT];
    answer->log_offset = row->numbers[SPAN_LOG_OFFSET];
    answer->log_index = row->numbers[SPAN_LOG_INDEX];
    answer->content_roles = row->numbers[SPAN_ROLES];
    answer->settled = item->settled;
    answer->attrs_json = row->texts[SPAN_ATTRS];
    item->span = answer;
    return str_is_none(row->texts[SPAN_RARE])
               ? ERR_OK
               : rare_decode(run->arena, row->texts[SPAN_RARE], &answer->span, reterr_why);
}

/* A key seen before moved to disk while we read: the settled row wins. */
static void item_add(struct list_run *run, const struct item *item)
{
    bool was_there;
    struct key id = { 0, id_high(item->key.trace_id), id_low(item->key.trace_id) };
    uint64_t *index =
        keyset_get(&run->seen, key_hash(id, id8_number(item->key.span_id)), &was_there);
    if (was_there) {
        if (item->settled)
            run->items[*index] = *item;
        return;
    }
    if (run->count == run->capacity) {
        run->capacity = MAX(run->capacity * 2, (size_t)64);
        run->items = xrealloc(run->items, run->capacity * sizeof *run->items);
    }
    *index = run->count;
    run->items[run->count++] = *item;
}

static enum err item_read(struct list_run *run, duckdb_data_chunk chunk, idx_t index,
                          struct diag *reterr_why)
{
    const struct columns *columns =
        run->of_traces ? &run->store->trace_columns : &run->store->span_columns;
    struct span span;
    struct row row;
    struct item item = { .span = NULL };
    enum err code =
        row_read(&run->store->dicts, columns, chunk, index, run->arena, &span, &row, reterr_why);
    if (code != ERR_OK)
        return code;
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, columns->count);
    item.settled = ((const bool *)duckdb_vector_get_data(vector))[index];
    item.key = sort_key_of(&span, run->list->sort);
    code = run->of_traces ? trace_read(run, &span, &row, &item, reterr_why)
                          : span_read(run, &span, &row, &item, reterr_why);
    if (code == ERR_OK)
        item_add(run, &item);
    return code;
}

static enum err chunk_read(duckdb_data_chunk chunk, void *arg, struct diag *reterr_why)
{
    enum err code = ERR_OK;
    for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk) && code == ERR_OK; i++)
        code = item_read(arg, chunk, i, reterr_why);
    return code;
}

/* -- which sources, in which order -- */

static int newest_first(const void *a, const void *b)
{
    const struct day_view *x = a, *y = b;
    return (x->times.max < y->times.max) - (x->times.max > y->times.max);
}

static struct day_view *days_in_range(struct list_run *run, uint32_t *ret_count)
{
    struct store *store = run->store;
    const struct time_range *range = &run->list->scope.range;
    struct day_view *views = xcalloc(store->day_count + 1, sizeof *views);
    uint32_t count = 0;
    for (uint32_t i = 0; i < store->day_count; i++) {
        const struct day *day = store->days[i];
        struct day_view view = { .times = run->of_traces ? day->trace_times : day->span_times };
        memcpy(view.name, day->name, sizeof view.name);
        if (view.times.min <= view.times.max && view.times.min < range->to_ns &&
            view.times.max >= range->from_ns)
            views[count++] = view;
    }
    qsort(views, count, sizeof *views, newest_first);
    *ret_count = count;
    return views;
}

static enum err source_run(struct list_run *run, const char *name, struct diag *reterr_why)
{
    struct source source = { .name = name };
    sql_restart(run->sql);
    add_source(run, &source);
    return sql_run(run->sql, chunk_read, run, reterr_why);
}

/* No row of that day, or of older ones, can be among the first `limit`. */
static bool is_complete(const struct list_run *run, int64_t day_max)
{
    size_t newer = 0;
    for (size_t i = 0; i < run->count && newer < run->list->limit; i++)
        newer += run->items[i].key.start_ns > day_max;
    return newer >= run->list->limit;
}

static enum err walk(struct list_run *run, struct diag *reterr_why)
{
    uint32_t day_count;
    enum err code = source_run(run, NULL, reterr_why);
    if (code != ERR_OK)
        return code;
    pthread_rwlock_rdlock(&run->store->lock);
    struct day_view *days = days_in_range(run, &day_count);
    pthread_rwlock_unlock(&run->store->lock);
    for (uint32_t i = 0; i < day_count && code == ERR_OK; i++) {
        if (is_complete(run, days[i].times.max))
            break;
        if (!run->list->has_after || days[i].times.min <= run->list->after_start_ns)
            code = source_run(run, days[i].name, reterr_why);
    }
    xfree(days);
    return code;
}

/* Orders other than by time: all sources in one statement. */
static enum err sweep(struct list_run *run, struct diag *reterr_why)
{
    struct store *store = run->store;
    struct statement statement;
    duckdb_connection connection;
    uint32_t day_count;
    enum err code = duck_connect(store, run->list->scope.deadline_ns, &connection, reterr_why);
    if (code != ERR_OK)
        return code;
    struct source source = { .name = NULL };
    pthread_rwlock_rdlock(&store->lock);
    struct day_view *days = days_in_range(run, &day_count);
    sql_restart(run->sql);
    buf_add_c(&run->sql->text, "SELECT * FROM ((");
    add_source(run, &source);
    for (uint32_t i = 0; i < day_count; i++) {
        buf_add_c(&run->sql->text, ") UNION ALL (");
        source.name = days[i].name;
        add_source(run, &source);
    }
    buf_add_c(&run->sql->text, "))");
    add_order(run);
    code = sql_prepare(run->sql, connection, &statement, reterr_why);
    pthread_rwlock_unlock(&store->lock);
    xfree(days);
    return code == ERR_OK ? sql_execute(run->sql, &statement, chunk_read, run, reterr_why) : code;
}

static int item_cmp(const void *a, const void *b)
{
    return sort_key_cmp(&((const struct item *)a)->key, &((const struct item *)b)->key);
}

static enum err list_run(struct list_run *run, struct diag *reterr_why)
{
    enum err code = run->list->filter ? filter_check(run->list->filter, 0, reterr_why) : ERR_OK;
    if (code != ERR_OK || run->list->limit == 0)
        return code;
    run->sql = xcalloc(1, sizeof *run->sql);
    sql_init(run->sql, run->store, run->arena, &run->list->scope);
    run->sql->of_traces = run->of_traces;
    code = run->list->sort == STORE_SORT_START ? walk(run, reterr_why) : sweep(run, reterr_why);
    sql_clear(run->sql);
    xfree(run->sql);
    if (code == ERR_OK && run->count > 0)
        qsort(run->items, run->count, sizeof *run->items, item_cmp);
    run->count = MIN(run->count, (size_t)run->list->limit);
    return code;
}

static void list_clear(struct list_run *run)
{
    keyset_clear(&run->seen);
    xfree(run->items);
}

enum err duck_spans(struct store *store, const struct store_list *list, struct arena *arena,
                    struct store_span **ret_spans, size_t *ret_count, struct diag *reterr_why)
{
    struct list_run run = { .store = store, .list = list, .arena = arena };
    enum err code = list_run(&run, reterr_why);
    struct store_span *spans =
        code == ERR_OK ? arena_new(arena, struct store_span, run.count) : NULL;
    if (code == ERR_OK && !spans)
        code = diag_set(reterr_why, ERR_LIMIT, "no room for the answer");
    for (size_t i = 0; i < run.count && code == ERR_OK; i++)
        spans[i] = *run.items[i].span;
    if (code == ERR_OK) {
        *ret_spans = spans;
        *ret_count = run.count;
    }
    list_clear(&run);
    return code;
}

enum err duck_traces(struct store *store, const struct store_list *list, struct arena *arena,
                     struct trace_row **ret_traces, size_t *ret_count, struct diag *reterr_why)
{
    struct list_run run = { .store = store, .list = list, .arena = arena, .of_traces = true };
    enum err code = list_run(&run, reterr_why);
    struct trace_row *traces =
        code == ERR_OK ? arena_new(arena, struct trace_row, run.count) : NULL;
    if (code == ERR_OK && !traces)
        code = diag_set(reterr_why, ERR_LIMIT, "no room for the answer");
    for (size_t i = 0; i < run.count && code == ERR_OK; i++)
        traces[i] = *run.items[i].trace;
    if (code == ERR_OK) {
        *ret_traces = traces;
        *ret_count = run.count;
    }
    list_clear(&run);
    return code;
}
