/* duckdb_scores.c -- scores: few beside spans, changed by their id, asked about by trace.
 *
 * One table in `meta`, since a score of today may be about a trace of last month.  Writing
 * deletes what has the same id, so that a commit that is said again changes nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/duckdb_int.h"

#include <stdatomic.h>

enum err scores_make(struct store *store, struct diag *reterr_why)
{
    uint64_t count = 0;
    enum err code = duck_run(
        store->write, reterr_why,
        "CREATE TABLE IF NOT EXISTS meta.scores(project UINTEGER, id_hi UBIGINT, id_lo UBIGINT, "
        "time BIGINT, trace_id_hi UBIGINT, trace_id_lo UBIGINT, span_id UBIGINT, type UINTEGER, "
        "source UINTEGER, value DOUBLE, name VARCHAR, session_id VARCHAR, response_id VARCHAR, "
        "tenant_id VARCHAR, label VARCHAR, comment VARCHAR, evaluator VARCHAR, evaluator_version "
        "VARCHAR, judge_model VARCHAR, attrs VARCHAR)");
    if (code == ERR_OK)
        code = duck_count(store->write, &count, reterr_why,
                          "SELECT count(*)::UBIGINT FROM meta.scores");
    store->score_count = count;
    return code;
}

/* -- writing -- */

static void append_id(duckdb_appender to, uint64_t number, bool is_known)
{
    if (is_known)
        (void)duckdb_append_uint64(to, number);
    else
        (void)duckdb_append_null(to);
}

static enum err score_append(struct store *store, duckdb_appender to, str project,
                             const struct score *score, struct diag *reterr_why)
{
    struct score copy = *score;
    str *texts[SCORE_TEXTS];
    score_texts(&copy, texts);
    (void)duckdb_append_uint32(to, dict_intern(&store->dicts, FIELD_project, project));
    (void)duckdb_append_uint64(to, id_high(score->score_id));
    (void)duckdb_append_uint64(to, id_low(score->score_id));
    (void)duckdb_append_int64(to, score->time_ns);
    append_id(to, id_high(score->trace_id), score->has_trace_id);
    append_id(to, id_low(score->trace_id), score->has_trace_id);
    append_id(to, id8_number(score->span_id), score->has_span_id);
    (void)duckdb_append_uint32(to, (uint32_t)score->type);
    (void)duckdb_append_uint32(to, (uint32_t)score->source);
    if (score->has_value)
        (void)duckdb_append_double(to, score->value);
    else
        (void)duckdb_append_null(to);
    append_text(to, score->name);
    for (size_t i = 0; i < SCORE_TEXTS; i++)
        append_text(to, *texts[i]);
    append_attrs(to, score->attrs, score->attr_count);
    if (duckdb_appender_end_row(to) != DuckDBSuccess)
        return duck_error(ERR_IO, DUCKDB_ERROR_IO, duckdb_appender_error(to), reterr_why);
    return ERR_OK;
}

/* The last one of an id counts, if a commit has several. */
static bool is_last(const struct store_commit *commit, size_t index)
{
    for (size_t i = index + 1; i < commit->score_count; i++)
        if (memcmp(&commit->scores[i].score_id, &commit->scores[index].score_id,
                   sizeof(struct id16)) == 0 &&
            str_equal(commit->score_projects[i], commit->score_projects[index]))
            return false;
    return true;
}

static enum err rows_append(struct store *store, const struct store_commit *commit,
                            const bool *skip, struct diag *reterr_why)
{
    duckdb_appender appender = NULL;
    enum err code = ERR_OK;
    if (duckdb_appender_create_ext(store->write, "meta", "main", "scores", &appender) !=
        DuckDBSuccess)
        code = diag_set(reterr_why, ERR_IO, "the engine refuses an appender");
    for (size_t i = 0; i < commit->score_count && code == ERR_OK; i++)
        if (!skip[i])
            code = score_append(store, appender, commit->score_projects[i], &commit->scores[i],
                                reterr_why);
    if (code == ERR_OK && duckdb_appender_close(appender) != DuckDBSuccess)
        code = duck_error(ERR_IO, DUCKDB_ERROR_IO, duckdb_appender_error(appender), reterr_why);
    duckdb_appender_destroy(&appender);
    return code;
}

static enum err probes_fill(struct store *store, const struct store_commit *commit,
                            struct diag *reterr_why)
{
    struct probe probe;
    enum err code = probe_begin(store, &probe, reterr_why);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < commit->score_count; i++) {
        const struct score *score = &commit->scores[i];
        struct key key = { dict_intern(&store->dicts, FIELD_project, commit->score_projects[i]),
                           id_high(score->score_id), id_low(score->score_id) };
        probe_add(&probe, PROBE_SCORE, key, 0);
    }
    return probe_end(&probe, reterr_why);
}

enum err scores_write(struct store *store, const struct store_commit *commit,
                      struct diag *reterr_why)
{
    if (commit->score_count == 0)
        return ERR_OK;
    bool *skip = xcalloc(commit->score_count, sizeof *skip);
    uint64_t deleted = 0, added = 0;
    for (size_t i = 0; i < commit->score_count; i++) {
        skip[i] = !is_last(commit, i);
        added += !skip[i];
    }
    enum err code = probes_fill(store, commit, reterr_why);
    if (code == ERR_OK)
        code = duck_dict_save(store, reterr_why);
    if (code == ERR_OK)
        code = duck_run(store->write, reterr_why, "BEGIN");
    bool is_begun = code == ERR_OK;
    if (code == ERR_OK)
        code = duck_count(store->write, &deleted, reterr_why,
                          "DELETE FROM meta.scores WHERE (project, id_hi, id_lo) IN (SELECT "
                          "(project, hi, lo) FROM memory.main.probe WHERE kind=%d)",
                          PROBE_SCORE);
    if (code == ERR_OK)
        code = rows_append(store, commit, skip, reterr_why);
    if (code == ERR_OK)
        code = duck_run(store->write, reterr_why, "COMMIT");
    else if (is_begun)
        duck_rollback(store->write);
    if (code == ERR_OK)
        atomic_fetch_add(&store->score_count, added - deleted);
    xfree(skip);
    return code;
}

/* -- reading -- */

struct scores_run {
    const struct store_scores *ask;
    struct arena *arena;
    struct store_score *scores;
    size_t count;
};

static bool number_read(duckdb_data_chunk chunk, idx_t column, idx_t row, uint64_t *ret)
{
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, column);
    uint64_t *valid = duckdb_vector_get_validity(vector);
    if (valid && !duckdb_validity_row_is_valid(valid, row))
        return false;
    memcpy(ret, (const uint64_t *)duckdb_vector_get_data(vector) + row, sizeof *ret);
    return true;
}

static void number_bytes(uint64_t number, uint8_t *ret_bytes)
{
    for (int i = 7; i >= 0; i--, number >>= 8)
        ret_bytes[i] = (uint8_t)number;
}

enum { NUMBER_COLUMNS = 9 };

static bool score_read(struct scores_run *run, duckdb_data_chunk chunk, idx_t row,
                       struct store_score *to)
{
    struct score *score = &to->score;
    uint64_t numbers[NUMBER_COLUMNS] = { 0 };
    bool known[NUMBER_COLUMNS];
    str *texts[SCORE_TEXTS];
    *to = (struct store_score){ .attrs_json = STR_NONE };
    score_texts(score, texts);
    for (idx_t i = 0; i < NUMBER_COLUMNS; i++)
        known[i] = number_read(chunk, i, row, &numbers[i]);
    number_bytes(numbers[0], score->score_id.bytes);
    number_bytes(numbers[1], score->score_id.bytes + 8);
    score->time_ns = (int64_t)numbers[2];
    number_bytes(numbers[3], score->trace_id.bytes);
    number_bytes(numbers[4], score->trace_id.bytes + 8);
    number_bytes(numbers[5], score->span_id.bytes);
    score->has_trace_id = known[3];
    score->has_span_id = known[5];
    score->type = (enum score_type)MIN(numbers[6], (uint64_t)SCORE_LABEL);
    score->source = (enum score_source)MIN(numbers[7], (uint64_t)SCORE_IS_DEPLOY);
    score->has_value = known[8];
    memcpy(&score->value, &numbers[8], sizeof score->value);
    if (!chunk_text(run->arena, chunk, NUMBER_COLUMNS, row, &score->name))
        return false;
    for (idx_t i = 0; i < SCORE_TEXTS; i++)
        if (!chunk_text(run->arena, chunk, NUMBER_COLUMNS + 1 + i, row, texts[i]))
            return false;
    return chunk_text(run->arena, chunk, NUMBER_COLUMNS + 1 + SCORE_TEXTS, row, &to->attrs_json);
}

static enum err chunk_read(duckdb_data_chunk chunk, void *arg, struct diag *reterr_why)
{
    struct scores_run *run = arg;
    idx_t rows = duckdb_data_chunk_get_size(chunk);
    for (idx_t row = 0; row < rows && run->count < run->ask->limit; row++)
        if (!score_read(run, chunk, row, &run->scores[run->count++]))
            return diag_set(reterr_why, ERR_LIMIT, "no room for the scores");
    return ERR_OK;
}

static void text_condition(struct sql *sql, const char *column, str text)
{
    if (str_is_none(text))
        return;
    buf_printf(&sql->text, " AND %s=", column);
    sql_param(sql, text);
}

static void trace_condition(struct sql *sql, const struct store_scores *ask)
{
    if (!ask->has_trace_id)
        return;
    buf_printf(&sql->text, " AND ((trace_id_hi=%llu::UBIGINT AND trace_id_lo=%llu::UBIGINT)",
               (unsigned long long)id_high(ask->trace_id),
               (unsigned long long)id_low(ask->trace_id));
    for (size_t i = 0; i < ask->response_id_count; i++) {
        buf_add_c(&sql->text, i ? "," : " OR (trace_id_hi IS NULL AND response_id IN (");
        sql_param(sql, ask->response_ids[i]);
    }
    buf_add_c(&sql->text, ask->response_id_count ? "))" : "");
    for (size_t i = 0; i < ask->span_id_count; i++)
        buf_printf(&sql->text, "%s%llu::UBIGINT",
                   i ? "," : " OR (trace_id_hi IS NULL AND span_id IN (",
                   (unsigned long long)id8_number(ask->span_ids[i]));
    buf_add_c(&sql->text, ask->span_id_count ? ")))" : ")");
}

static void conditions(struct sql *sql, const struct store_scores *ask, bool sees_trace)
{
    buf_printf(&sql->text,
               " WHERE project=%u AND time>=CAST('%lld' AS BIGINT) AND time<CAST('%lld' AS BIGINT)",
               dict_find(&sql->store->dicts, FIELD_project, ask->scope.project),
               (long long)ask->scope.range.from_ns, (long long)ask->scope.range.to_ns);
    if (!sees_trace)
        text_condition(sql, "tenant_id", ask->scope.tenant);
    trace_condition(sql, ask);
    if (ask->has_span_id)
        buf_printf(&sql->text, " AND span_id=%llu::UBIGINT",
                   (unsigned long long)id8_number(ask->span_id));
    if (ask->has_score_id)
        buf_printf(&sql->text, " AND id_hi=%llu::UBIGINT AND id_lo=%llu::UBIGINT",
                   (unsigned long long)id_high(ask->score_id),
                   (unsigned long long)id_low(ask->score_id));
    text_condition(sql, "session_id", ask->session_id);
    text_condition(sql, "name", ask->name);
    buf_printf(&sql->text, " AND (%u >> source) %% 2 = 1",
               ask->sources ? ask->sources : (uint32_t)SCORE_SOURCES_OF_ANSWERS);
    if (ask->has_after)
        buf_printf(&sql->text,
                   " AND (time<CAST('%lld' AS BIGINT) OR (time=CAST('%lld' AS BIGINT) AND "
                   "(id_hi>%llu::UBIGINT OR (id_hi=%llu::UBIGINT AND id_lo>%llu::UBIGINT))))",
                   (long long)ask->after_time_ns, (long long)ask->after_time_ns,
                   (unsigned long long)id_high(ask->after_id),
                   (unsigned long long)id_high(ask->after_id),
                   (unsigned long long)id_low(ask->after_id));
}

enum err duck_scores(struct store *store, const struct store_scores *ask, struct arena *arena,
                     struct store_score **ret_scores, size_t *ret_count, struct diag *reterr_why)
{
    struct scores_run run = { .ask = ask, .arena = arena };
    bool sees_trace = false;
    enum err code = ERR_OK;
    *ret_count = 0;
    run.scores = arena_new(arena, struct store_score, ask->limit + 1);
    if (!run.scores)
        return diag_set(reterr_why, ERR_LIMIT, "no room for the scores");
    *ret_scores = run.scores;
    if (ask->has_trace_id)
        code = duck_trace_is_visible(store, &ask->scope, ask->trace_id, arena, &sees_trace,
                                     reterr_why);
    if (code != ERR_OK || dict_find(&store->dicts, FIELD_project, ask->scope.project) == DICT_NO_ID)
        return code;
    struct sql *sql = xcalloc(1, sizeof *sql);
    sql_init(sql, store, arena, &ask->scope);
    sql_restart(sql);
    buf_add_c(&sql->text,
              "SELECT id_hi,id_lo,time,trace_id_hi,trace_id_lo,span_id,type::UBIGINT,"
              "source::UBIGINT,value,name,session_id,response_id,tenant_id,label,comment,"
              "evaluator,evaluator_version,judge_model,attrs FROM meta.scores");
    conditions(sql, ask, sees_trace);
    buf_printf(&sql->text, " ORDER BY time DESC,id_hi,id_lo LIMIT %u", ask->limit);
    code = sql_run(sql, chunk_read, &run, reterr_why);
    sql_clear(sql);
    xfree(sql);
    *ret_count = run.count;
    return code;
}
