/* search.c -- `telltale search`: words in prompts and answers, page after page.
 *
 * The server searches for a limited time per request and says what is left; this goes on until
 * there are as many hits as were asked for, or nothing is left.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli_int.h"
#include <stdio.h>

enum {
    PATH_BYTES_MAX = 64 * 1024,
    OUTPUT_BYTES_MAX = 64 * 1024 * 1024,
    ID_SHOWN = 8,
    HITS_DEFAULT = 20,
    PAGE_MAX = 200,
};

static const struct cli_column columns[] = {
    { "TIME (UTC)", false, false }, { "TRACE", false, false }, { "NAME", false, true },
    { "FIELD", false, false },      { "TEXT", false, true },
};

struct search_run {
    struct cli_call *call;
    struct cli_table table;
    uint32_t wanted, count;
    str cursor;
    bool is_done;
};

static void add_row(struct cli_table *table, const struct value *hit)
{
    cli_table_add(table, cli_human_time(table->arena, cli_member(hit, "start_time")), CLI_DIM);
    cli_table_add(table, str_sub(cli_member_str(hit, "trace_id"), 0, ID_SHOWN), CLI_CYAN);
    cli_table_add(table, cli_member_str(hit, "name"), CLI_PLAIN);
    cli_table_add(table, cli_member_str(hit, "field"), CLI_PLAIN);
    cli_table_add(table, cli_member_str(hit, "snippet"), CLI_PLAIN);
}

static const char *page_path(const struct search_run *run)
{
    struct cli_call *call = run->call;
    struct buf path;
    buf_init(&path, PATH_BYTES_MAX);
    buf_add_c(&path, "/api/v1/search");
    cli_query_add(&path, "words", arena_printf(&call->arena, "%.*s", STR_ARG(call->args[0])).ptr);
    cli_query_add(&path, "q", call->options.q);
    cli_query_add(&path, "from", call->options.from);
    cli_query_add(&path, "to", call->options.to);
    cli_query_add(&path, "reason", call->options.reason);
    uint32_t limit = MIN(run->wanted - run->count, (uint32_t)PAGE_MAX);
    cli_query_add(&path, "limit", arena_printf(&call->arena, "%u", limit).ptr);
    if (run->cursor.len)
        cli_query_add(&path, "cursor", run->cursor.ptr);
    str kept =
        buf_failed(&path) ? STR_NONE : arena_printf(&call->arena, "%.*s", STR_ARG(buf_str(&path)));
    buf_clear(&path);
    return kept.ptr;
}

/* To people who wait; gone when the answer is there. */
static void show_progress(const struct search_run *run, const struct value *answer)
{
    double left = 0;
    if (!run->call->screen.is_tty || run->call->options.json)
        return;
    if (run->is_done || !cli_member_f64(answer, "stored_bytes_left", &left)) {
        fprintf(stderr, "\r\033[K");
        return;
    }
    str text = cli_human_bytes(&run->call->arena, left);
    fprintf(stderr, "\r\033[K%u found, %.*s left to search ...", run->count, STR_ARG(text));
}

static int page_take(struct search_run *run)
{
    struct value answer;
    const char *path = page_path(run);
    if (!path)
        return cli_misuse(run->call, "the words or the filter are too long");
    int status = cli_ask(run->call, path, &answer);
    if (status)
        return status;
    const struct value *items = cli_member(&answer, "items");
    for (uint32_t i = 0; cli_item(items, i); i++, run->count++)
        add_row(&run->table, cli_item(items, i));
    str cursor = cli_member_str(&answer, "next_cursor");
    run->cursor = arena_printf(&run->call->arena, "%.*s", STR_ARG(cursor));
    run->is_done = str_is_empty(cursor) || run->count >= run->wanted;
    show_progress(run, &answer);
    return CLI_OK;
}

static void print_hits(const struct search_run *run)
{
    struct buf out;
    buf_init(&out, OUTPUT_BYTES_MAX);
    if (run->count)
        cli_table_print(&run->table, &run->call->screen, &out);
    else
        buf_add_c(&out, "no prompt or answer has these words; the range is the last 24 hours "
                        "unless --from says more\n");
    if (run->cursor.len && run->call->screen.is_tty)
        cli_paint(&out, &run->call->screen, CLI_DIM,
                  STR_OF("\nthere may be more: --limit=200, or -q to narrow\n"));
    cli_print(&out);
    buf_clear(&out);
}

int cli_search(struct cli_call *call)
{
    int64_t limit = call->options.limit ? call->options.limit : HITS_DEFAULT;
    struct search_run run = { .call = call, .wanted = (uint32_t)MIN(limit, (int64_t)100000) };
    int status = CLI_OK;
    cli_table_init(&run.table, &call->arena, columns, COUNT_OF(columns));
    while (!run.is_done && status == CLI_OK)
        status = page_take(&run);
    if (status == CLI_OK && !call->options.json)
        print_hits(&run);
    cli_table_clear(&run.table);
    return status;
}
