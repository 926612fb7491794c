/* sessions.c -- `telltale sessions`: a line each, or the turns of one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli_int.h"

enum { PATH_BYTES_MAX = 64 * 1024, OUTPUT_BYTES_MAX = 64 * 1024 * 1024 };

static const struct cli_column columns[] = {
    { "LAST SEEN (UTC)", false, false },
    { "SESSION", false, true },
    { "TURNS", true, false },
    { "LASTED", true, false },
    { "COST", true, false },
    { "IN", true, false },
    { "OUT", true, false },
    { "ERRORS", true, false },
    { "+", true, false },
    { "-", true, false },
};

static void add_row(struct cli_table *table, const struct value *session)
{
    struct arena *arena = table->arena;
    double errors = 0;
    (void)cli_member_f64(session, "errors", &errors);
    cli_table_add(table, cli_human_time(arena, cli_member(session, "last_seen")), CLI_DIM);
    cli_table_add(table, cli_member_str(session, "session_id"), CLI_CYAN);
    cli_table_add(table, cli_human_count(arena, cli_member(session, "turns")), CLI_PLAIN);
    cli_table_add(table, cli_human_ms(arena, cli_member(session, "elapsed_ms")), CLI_PLAIN);
    cli_table_add(table, cli_human_usd(arena, cli_member(session, "cost_usd")), CLI_BOLD);
    cli_table_add(table, cli_human_count(arena, cli_member(session, "input_tokens")), CLI_PLAIN);
    cli_table_add(table, cli_human_count(arena, cli_member(session, "output_tokens")), CLI_PLAIN);
    cli_table_add(table, cli_human_count(arena, cli_member(session, "errors")),
                  errors > 0 ? CLI_RED : CLI_PLAIN);
    cli_table_add(table, cli_human_count(arena, cli_member(session, "thumbs_up")), CLI_PLAIN);
    cli_table_add(table, cli_human_count(arena, cli_member(session, "thumbs_down")), CLI_PLAIN);
}

static void add_hint(const struct cli_call *call, const struct value *answer, struct buf *out)
{
    (void)call;
    buf_add_c(out, "`telltale sessions SESSION` shows the turns of one");
    if (cli_member(answer, "next_cursor"))
        buf_add_c(out, "; there are more: --limit, --sort, or -q to narrow");
}

static int list(struct cli_call *call)
{
    struct cli_list all = {
        .path = cli_question(call, "/api/v1/sessions", "q from to sort limit"),
        .columns = columns,
        .column_count = COUNT_OF(columns),
        .add_row = add_row,
        .none =
            "no sessions: spans with a session id, of the last 24 hours unless --from says more",
        .add_hint = add_hint,
    };
    return cli_list(call, &all);
}

static void add_head(struct cli_call *call, const struct value *session, struct buf *out)
{
    struct arena *arena = &call->arena;
    struct buf name;
    buf_init(&name, PATH_BYTES_MAX);
    cli_clean(&name, cli_member_str(session, "session_id"), CLI_ONE_LINE);
    buf_add_c(out, "session ");
    cli_paint(out, &call->screen, CLI_BOLD, buf_str(&name));
    buf_clear(&name);
    str turns = cli_human_count(arena, cli_member(session, "turns")),
        lasted = cli_human_ms(arena, cli_member(session, "elapsed_ms")),
        cost = cli_human_usd(arena, cli_member(session, "cost_usd")),
        errors = cli_human_count(arena, cli_member(session, "errors")),
        retries = cli_human_count(arena, cli_member(session, "regenerations"));
    buf_printf(out, "\n%.*s turns in %.*s, %.*s, %.*s errors, %.*s regenerations\n\n",
               STR_ARG(turns), STR_ARG(lasted), STR_ARG(cost), STR_ARG(errors), STR_ARG(retries));
}

static int one(struct cli_call *call)
{
    struct buf path, out;
    struct value answer;
    struct cli_table table;
    buf_init(&path, PATH_BYTES_MAX);
    buf_add_c(&path, "/api/v1/sessions/");
    cli_add_encoded(&path, call->args[0]);
    str begin =
        buf_failed(&path) ? STR_NONE : arena_printf(&call->arena, "%.*s", STR_ARG(buf_str(&path)));
    buf_clear(&path);
    if (str_is_none(begin))
        return cli_misuse(call, "the session id is too long");
    int status = cli_ask(call, cli_question(call, begin.ptr, "from to"), &answer);
    if (status || call->options.json)
        return status;
    const struct value *turns = cli_member(&answer, "traces");
    buf_init(&out, OUTPUT_BYTES_MAX);
    add_head(call, &answer, &out);
    cli_table_init(&table, &call->arena, cli_trace_columns, CLI_TRACE_COLUMNS);
    for (uint32_t i = 0; cli_item(turns, i); i++)
        cli_trace_add_row(&table, cli_item(turns, i));
    cli_table_print(&table, &call->screen, &out);
    cli_table_clear(&table);
    cli_print(&out);
    buf_clear(&out);
    return CLI_OK;
}

int cli_sessions(struct cli_call *call)
{
    return call->arg_count ? one(call) : list(call);
}
