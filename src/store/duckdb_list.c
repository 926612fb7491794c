/* duckdb_list.c -- lists of spans and traces.
 *
 * Newest first (the usual question) walks: memory first, then days backwards,
 * and stops when no older day can add anything.  Memory first, because a trace
 * only ever moves from memory to disk: it can then be seen twice, which is
 * noticed by its key, but never missed.  All other orders are one statement
 * over all days, fixed under the lock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "store/duckdb_int.h"

#include <stdio.h>
#include <stdlib.h>

struct item {
    struct sort_key key;
    bool settled;
    struct store_span *span; /* one of them */
    struct trace_row *trace;
};

enum { FROM_RECENT, FROM_OPEN_TRACES, FROM_DAY };
enum { LIST_TRACES_MAX = 128 };

struct list_run {
    struct store *store;
    const struct store_list *list;
    struct arena *arena;
    bool of_traces;
    struct sql *sql;
    struct item *items;
    size_t count, capacity;
    struct keyset seen; /* hash -> index + 1 */
    struct snapshot spans, traces;
    bool has_spans, has_traces; /* in memory */
    bool looks_beyond;          /* conditions on other spans or on scores */
    /* The question is about these traces only. */
    bool of_some;
    uint32_t some_count;
    struct key some[LIST_TRACES_MAX];
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
    case STORE_SORT_OLDEST:
        return "-start_time";
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

/* What conditions on other spans read, of the traces of a source. */
static void add_relations(struct list_run *run, int kind, const char *day)
{
    const struct relations relations = {
        .day = kind == FROM_DAY ? day : NULL,
        .state = kind == FROM_OPEN_TRACES ? ROW_OPEN : ROW_SETTLED,
    };
    if (run->looks_beyond)
        sql_relations(run->sql, &relations, &run->spans, run->list->filter);
}

static void spans_of_source(const struct list_run *run, int kind, const char *day, char *out,
                            size_t size)
{
    uint32_t feed = run->sql->spans_feed;
    if (kind == FROM_DAY)
        snprintf(out, size, "%s.spans", day);
    else if (!run->of_traces)
        snprintf(out, size, "recent_spans(%u)", feed);
    else
        snprintf(out, size, "(SELECT * FROM recent_spans(%u) WHERE state=%d)", feed,
                 kind == FROM_RECENT ? ROW_SETTLED : ROW_OPEN);
}

/* SELECT of one source, ordered and cut. */
static void add_source(struct list_run *run, int kind, const char *day)
{
    struct sql *sql = run->sql;
    char spans_from[96];
    const struct columns *columns =
        run->of_traces ? &run->store->trace_columns : &run->store->span_columns;
    spans_of_source(run, kind, day, spans_from, sizeof spans_from);
    sql->spans_from = spans_from;
    add_relations(run, kind, day);
    buf_add_c(&sql->text, "SELECT ");
    columns_names(columns, &sql->text, kind == FROM_DAY);
    if (kind == FROM_RECENT && !run->of_traces)
        buf_printf(&sql->text, ",(state=%d) AS settled FROM ", ROW_SETTLED);
    else
        buf_printf(&sql->text, ",%s AS settled FROM ", kind == FROM_OPEN_TRACES ? "false" : "true");
    if (kind == FROM_DAY)
        buf_printf(&sql->text, "%s.%s", day, run->of_traces ? "traces" : "spans");
    else if (kind == FROM_OPEN_TRACES)
        sql_open_traces(sql);
    else
        buf_printf(&sql->text, run->of_traces ? "recent_traces(%u)" : "recent_spans(%u)",
                   run->of_traces ? sql->traces_feed : sql->spans_feed);
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

static enum err trace_read(struct list_run *run, struct span *span, const struct row *row,
                           struct item *item, struct diag *reterr_why)
{
    if (!str_is_none(row->texts[TRACE_RARE])) {
        enum err code = rare_decode(run->arena, row->texts[TRACE_RARE], span, reterr_why);
        if (code != ERR_OK)
            return code;
    }
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

static bool has_some(const struct list_run *run, const struct day *day)
{
    bool has = false;
    for (uint32_t i = 0; i < run->some_count && !has; i++)
        has = bloom_has(&day->traces, key_hash(run->some[i], 0));
    return has;
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
        if (view.times.min > view.times.max || view.times.min >= range->to_ns ||
            view.times.max < range->from_ns)
            continue;
        if (!run->of_some || has_some(run, day))
            views[count++] = view;
    }
    qsort(views, count, sizeof *views, newest_first);
    *ret_count = count;
    return views;
}

static bool trace_id_of(const struct filter *filter, struct id16 *ret_id)
{
    return filter->op == FILTER_EQ && filter->field == FIELD_trace_id &&
           filter->value.type == VALUE_STR &&
           hex_decode(filter->value.text, ret_id->bytes, sizeof ret_id->bytes);
}

/* Collect the traces that the filter names; false when others can match too. */
static bool names_traces(struct list_run *run, const struct filter *filter, uint32_t project)
{
    struct id16 id;
    if (!filter)
        return false;
    if (filter->op == FILTER_AND) {
        uint32_t before = run->some_count;
        if (names_traces(run, filter->left, project))
            return true;
        run->some_count = before;
        return names_traces(run, filter->right, project);
    }
    if (filter->op == FILTER_OR)
        return names_traces(run, filter->left, project) &&
               names_traces(run, filter->right, project);
    if (run->some_count == LIST_TRACES_MAX || !trace_id_of(filter, &id))
        return false;
    run->some[run->some_count++] = (struct key){ project, id_high(id), id_low(id) };
    return true;
}

static void snapshot_of_some(struct list_run *run)
{
    struct store *store = run->store;
    uint32_t trace_rows[LIST_TRACES_MAX], *rows = NULL;
    size_t count = 0, trace_count = 0;
    for (uint32_t i = 0; i < run->some_count; i++) {
        const struct entry *entry = entry_find(store, run->some[i]);
        bool again = false; /* named twice */
        for (uint32_t k = 0; k < i && !again; k++)
            again = entry && entry == entry_find(store, run->some[k]);
        if (!entry || again)
            continue;
        size_t more = 0;
        uint32_t *of_entry = entry_rows(store, entry, &more);
        rows = xrealloc(rows, (count + more + 1) * sizeof *rows);
        memcpy(rows + count, of_entry, more * sizeof *rows);
        count += more;
        xfree(of_entry);
        if (entry->trace_row)
            trace_rows[trace_count++] = entry->trace_row - 1;
    }
    snapshot_take(store, &store->spans, rows ? rows : trace_rows, count, &run->spans);
    if (run->of_traces || run->looks_beyond)
        snapshot_take(store, &store->traces, trace_rows, trace_count, &run->traces);
    xfree(rows);
}

/* Under the lock: what is in memory now. */
static void memory_fix(struct list_run *run)
{
    struct store *store = run->store;
    if (run->of_some) {
        snapshot_of_some(run);
    } else {
        snapshot_take(store, &store->spans, NULL, 0, &run->spans);
        if (run->of_traces || run->looks_beyond)
            snapshot_take(store, &store->traces, NULL, 0, &run->traces);
    }
    run->has_spans = run->spans.block_count > 0;
    run->has_traces = run->of_traces && run->traces.block_count > 0;
}

/* A source whose conditions read several relations: all as of one moment. */
static enum err source_run_fixed(struct list_run *run, int kind, const char *day,
                                 struct diag *reterr_why)
{
    struct store *store = run->store;
    struct statement statement;
    duckdb_connection connection;
    enum err code = duck_connect(store, run->list->scope.deadline_ns, &connection, reterr_why);
    if (code != ERR_OK)
        return code;
    snapshot_drop(store, &run->spans);
    snapshot_drop(store, &run->traces);
    pthread_rwlock_rdlock(&store->lock);
    memory_fix(run);
    sql_restart(run->sql);
    add_source(run, kind, day);
    code = sql_prepare(run->sql, connection, &statement, reterr_why);
    pthread_rwlock_unlock(&store->lock);
    return code == ERR_OK ? sql_execute(run->sql, &statement, chunk_read, run, reterr_why) : code;
}

static enum err source_run(struct list_run *run, int kind, const char *day, struct diag *reterr_why)
{
    if (run->looks_beyond)
        return source_run_fixed(run, kind, day, reterr_why);
    sql_restart(run->sql);
    add_source(run, kind, day);
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
    pthread_rwlock_rdlock(&run->store->lock);
    memory_fix(run);
    struct day_view *days = days_in_range(run, &day_count);
    pthread_rwlock_unlock(&run->store->lock);
    enum err code = ERR_OK;
    bool has_traces = run->has_traces; /* as memory was first: what it has lost is on disk */
    if (run->has_spans)
        code = source_run(run, run->of_traces ? FROM_OPEN_TRACES : FROM_RECENT, NULL, reterr_why);
    if (code == ERR_OK && has_traces)
        code = source_run(run, FROM_RECENT, NULL, reterr_why);
    for (uint32_t i = 0; i < day_count && code == ERR_OK; i++) {
        if (is_complete(run, days[i].times.max))
            break;
        if (!run->list->has_after || days[i].times.min <= run->list->after_start_ns)
            code = source_run(run, FROM_DAY, days[i].name, reterr_why);
    }
    xfree(days);
    return code;
}

static void add_sources(struct list_run *run, const struct day_view *days, uint32_t day_count)
{
    struct buf *text = &run->sql->text;
    buf_add_c(text, "SELECT * FROM ((");
    add_source(run, run->of_traces ? FROM_OPEN_TRACES : FROM_RECENT, NULL);
    if (run->has_traces) {
        buf_add_c(text, ") UNION ALL (");
        add_source(run, FROM_RECENT, NULL);
    }
    for (uint32_t i = 0; i < day_count; i++) {
        buf_add_c(text, ") UNION ALL (");
        add_source(run, FROM_DAY, days[i].name);
    }
    buf_add_c(text, "))");
    add_order(run);
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
    pthread_rwlock_rdlock(&store->lock);
    memory_fix(run);
    struct day_view *days = days_in_range(run, &day_count);
    sql_restart(run->sql);
    add_sources(run, days, day_count);
    code = sql_prepare(run->sql, connection, &statement, reterr_why);
    pthread_rwlock_unlock(&store->lock);
    xfree(days);
    return code == ERR_OK ? sql_execute(run->sql, &statement, chunk_read, run, reterr_why) : code;
}

static int item_cmp(const void *a, const void *b)
{
    return sort_key_cmp(&((const struct item *)a)->key, &((const struct item *)b)->key);
}

static enum err feeds_run(struct list_run *run, struct diag *reterr_why)
{
    struct store *store = run->store;
    struct sql *sql = run->sql;
    enum err code = feed_begin(store, &run->spans, &sql->spans_feed, reterr_why);
    if (code != ERR_OK)
        return code;
    code = feed_begin(store, &run->traces, &sql->traces_feed, reterr_why);
    if (code == ERR_OK) {
        code = run->list->sort == STORE_SORT_START ? walk(run, reterr_why) : sweep(run, reterr_why);
        feed_end(store, sql->traces_feed);
    }
    feed_end(store, sql->spans_feed);
    snapshot_drop(store, &run->spans);
    snapshot_drop(store, &run->traces);
    return code;
}

static enum err list_run(struct list_run *run, struct diag *reterr_why)
{
    enum err code = run->list->filter ? filter_check(run->list->filter, 0, reterr_why) : ERR_OK;
    if (code != ERR_OK || run->list->limit == 0)
        return code;
    run->sql = xcalloc(1, sizeof *run->sql);
    sql_init(run->sql, run->store, run->arena, &run->list->scope);
    run->sql->of_traces = run->of_traces;
    run->looks_beyond = filter_beyond_span(run->list->filter, false) != NULL;
    uint32_t project = dict_find(&run->store->dicts, FIELD_project, run->list->scope.project);
    run->of_some = project != DICT_NO_ID && names_traces(run, run->list->filter, project);
    code = feeds_run(run, reterr_why);
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
