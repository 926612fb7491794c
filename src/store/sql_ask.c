/* sql_ask.c -- a statement of a user: our side.  Starts the child, serves it, ends it in time.
 *
 * Whatever the child does, it is killed when its time is over; whatever it says is a piece of the
 * answer, an error, or a request for rows of the scope.  A child that ends without a word has
 * been ended by a limit.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/duckdb_int.h"
#include "store/sql_int.h"
#include "sys/child.h"
#include "sys/clock.h"

enum { ANSWER_SLACK_BYTES = 64 * 1024, CPU_SLACK_S = 2 };

struct ask_run {
    struct store *store;
    const struct store_sql *ask;
    struct store_scope scope;
    struct child child;
    struct sql_columns *tables;
    struct sql_scan *scans[SQL_SCANS_MAX];
    struct buf message, chunk;
    struct buf *out;
    size_t out_start;
    int64_t start_ns;
    struct store_sql_answer answer;
    bool is_done;
};

/* Of the child's, as it was made in sql_child.c. */
static enum err error_take(str payload, struct diag *reterr_why)
{
    bool ok = true;
    uint64_t code = sql_get(&payload, 2, &ok), offset = sql_get(&payload, 8, &ok);
    size_t text_len = str_find_char(payload, '\0');
    str text = str_sub(payload, 0, MIN(text_len, (size_t)DIAG_TEXT_MAX - 1));
    str hint = str_sub(payload, text_len + 1, DIAG_HINT_MAX - 1);
    bool is_known = code == ERR_LIMIT || code == ERR_INTERNAL;
    enum err err = ok && is_known ? (enum err)code : ERR_BAD_INPUT;
    if (offset == UINT64_MAX)
        diag_set(reterr_why, err, "%.*s", STR_ARG(text));
    else
        diag_set_at(reterr_why, err, (size_t)offset, "%.*s", STR_ARG(text));
    if (!str_is_empty(hint))
        diag_hint(reterr_why, "%.*s", STR_ARG(hint));
    return err;
}

static enum err reply(struct ask_run *run, uint8_t kind, str payload)
{
    return child_send(&run->child, kind, payload, run->scope.deadline_ns);
}

static enum err scan_take(struct ask_run *run, str payload, struct diag *reterr_why)
{
    bool ok = true;
    uint64_t id = sql_get(&payload, 1, &ok), table = sql_get(&payload, 1, &ok);
    uint64_t count = sql_get(&payload, 1, &ok);
    if (!ok || id >= SQL_SCANS_MAX || table >= SQL_TABLE_COUNT || payload.len != count)
        return diag_set(reterr_why, ERR_BAD_INPUT, "the statement cannot be run");
    if (!run->scans[id])
        run->scans[id] = sql_scan_new(run->store, &run->scope);
    return sql_scan_begin(run->scans[id], run->tables, payload, (enum sql_table)table, reterr_why);
}

static enum err next_take(struct ask_run *run, str payload, struct diag *reterr_why)
{
    bool ok = true;
    uint64_t id = sql_get(&payload, 1, &ok);
    if (!ok || id >= SQL_SCANS_MAX || !run->scans[id])
        return diag_set(reterr_why, ERR_BAD_INPUT, "the statement cannot be run");
    enum err err = sql_scan_next(run->scans[id], &run->chunk, reterr_why);
    return err ? err : reply(run, SQL_CHUNK, buf_str(&run->chunk));
}

static enum err bytes_take(struct ask_run *run, str payload, struct diag *reterr_why)
{
    if (run->out->len - run->out_start + payload.len > run->ask->bytes_max + ANSWER_SLACK_BYTES)
        return diag_set(reterr_why, ERR_LIMIT, "the answer is too large");
    buf_add_str(run->out, payload);
    return ERR_OK;
}

static void done_take(struct ask_run *run, str payload)
{
    bool ok = true;
    run->answer.row_count = sql_get(&payload, 8, &ok);
    run->answer.truncated = sql_get(&payload, 1, &ok) != 0;
    run->is_done = true;
}

static enum err message_take(struct ask_run *run, uint8_t kind, str payload,
                             struct diag *reterr_why)
{
    switch (kind) {
    case SQL_SCAN:
        return scan_take(run, payload, reterr_why);
    case SQL_NEXT:
        return next_take(run, payload, reterr_why);
    case SQL_BYTES:
        return bytes_take(run, payload, reterr_why);
    case SQL_DONE:
        done_take(run, payload);
        return ERR_OK;
    case SQL_ERROR:
        return error_take(payload, reterr_why);
    default:
        return diag_set(reterr_why, ERR_BAD_INPUT, "the statement cannot be run");
    }
}

static enum err send_statement(struct ask_run *run)
{
    const struct store_sql *ask = run->ask;
    sql_put(&run->message, ask->rows_max, 8);
    sql_put(&run->message, ask->bytes_max, 8);
    sql_put(&run->message, ask->memory_bytes_max, 8);
    sql_put(&run->message, (uint64_t)(ask->time_ns / NS_PER_S) + CPU_SLACK_S, 8);
    sql_put(&run->message, (uint64_t)ask->format, 1);
    buf_add_str(&run->message, ask->statement);
    return buf_failed(&run->message) ? ERR_LIMIT : reply(run, SQL_ASK, buf_str(&run->message));
}

/* What our own calls to the pipes say, for the user. */
static enum err explain(const struct ask_run *run, enum err err, struct diag *reterr_why)
{
    if (err == ERR_DEADLINE) {
        diag_set(reterr_why, err, "the statement took longer than %lld ms",
                 (long long)((run->scope.deadline_ns - run->start_ns) / NS_PER_MS));
        return diag_hint(reterr_why, "give a shorter range with from and to, or read fewer "
                                     "columns; query.sql_time is the limit");
    }
    if (err == ERR_IO) { /* it ended without a word */
        diag_set(reterr_why, ERR_LIMIT, "the statement needs more than %llu MiB of memory",
                 (unsigned long long)(run->ask->memory_bytes_max / MIB));
        return diag_hint(reterr_why, "group or filter before joining and sorting; "
                                     "query.sql_memory is the limit");
    }
    return err;
}

static enum err serve(struct ask_run *run, struct diag *reterr_why)
{
    enum err err = send_statement(run);
    while (!err && !run->is_done) {
        uint8_t kind = 0;
        err = child_recv(&run->child, &kind, &run->message, run->scope.deadline_ns);
        if (err)
            break;
        struct diag why = DIAG_NONE;
        err = message_take(run, kind, buf_str(&run->message), &why);
        bool is_said = err && why.text[0] && err != ERR_DEADLINE;
        if (is_said && reterr_why)
            *reterr_why = why;
        if (is_said)
            return err;
    }
    return err ? explain(run, err, reterr_why) : ERR_OK;
}

enum err duck_sql(struct store *store, const struct store_sql *ask, struct buf *out,
                  struct store_sql_answer *ret_answer, struct diag *reterr_why)
{
    struct ask_run run = {
        .store = store, .ask = ask, .scope = ask->scope, .out = out, .out_start = out->len
    };
    run.start_ns = clock_monotonic_ns();
    int64_t end_ns = run.start_ns + ask->time_ns;
    if (run.scope.deadline_ns == 0 || end_ns < run.scope.deadline_ns)
        run.scope.deadline_ns = end_ns;
    enum err err = child_start(SQL_CHILD_ROLE, &run.child, reterr_why);
    if (err)
        return err;
    run.tables = xcalloc(SQL_TABLE_COUNT, sizeof *run.tables);
    sql_tables_init(run.tables);
    buf_init(&run.message, SQL_MESSAGE_BYTES_MAX);
    buf_init(&run.chunk, SQL_MESSAGE_BYTES_MAX);
    err = serve(&run, reterr_why);
    child_end(&run.child);
    for (int i = 0; i < SQL_SCANS_MAX; i++)
        sql_scan_free(run.scans[i]);
    buf_clear(&run.message);
    buf_clear(&run.chunk);
    xfree(run.tables);
    if (!err)
        *ret_answer = run.answer;
    return err;
}
