/* tail.c -- `telltale tail`: spans as they arrive, until Ctrl-C.
 *
 * The server's restart ends the stream, not the command: it connects again, after half a
 * second, then one, two, ... ten.  Only the first connection must succeed, so that a wrong
 * URL is an error and not a silence.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli_int.h"
#include "cli/sse.h"
#include "sys/clock.h"
#include <stdio.h>

enum {
    PATH_BYTES_MAX = 64 * 1024,
    REFUSAL_BYTES_MAX = 64 * 1024,
    BACKOFF_FIRST_MS = 500,
    BACKOFF_MAX_MS = 10000,
    BACKOFF_STEP_MS = 100,
    NAME_COLUMNS = 28,
    MODEL_COLUMNS = 22,
    STEP_COLUMNS = 10,
    WIDTH_WITH_MODEL = 116, /* narrower screens do without */
    OTHER_COLUMNS = 63,     /* of a line without name and model */
    NAME_COLUMNS_MIN = 12,
    TYPE_COLUMNS = 40,
};

struct tail {
    struct cli_call *call;
    struct sse sse;
    struct buf refusal; /* body of an answer that is no stream */
    struct buf line;
    struct arena arena; /* of one event */
    int64_t printed;
    bool is_connected, is_done;
};

static void add_padded(struct buf *out, const struct cli_screen *screen, enum cli_colour colour,
                       str text, uint32_t columns)
{
    struct buf clean, cut;
    buf_init(&clean, 64 * KIB);
    buf_init(&cut, 64 * KIB);
    cli_clean(&clean, str_sub(text, 0, 4000), CLI_ONE_LINE);
    cli_add_cut(&cut, buf_str(&clean), columns);
    cli_paint(out, screen, colour, buf_str(&cut));
    uint32_t used = cli_columns(buf_str(&cut));
    cli_add_spaces(out, used < columns ? columns - used + 1 : 1);
    buf_clear(&cut);
    buf_clear(&clean);
}

static void add_right(struct buf *out, str text, uint32_t columns)
{
    uint32_t used = cli_columns(text);
    cli_add_spaces(out, used < columns ? columns - used : 0);
    buf_add_str(out, text);
    buf_add_char(out, ' ');
}

static void add_span(struct tail *tail, const struct value *span)
{
    const struct cli_screen *screen = &tail->call->screen;
    struct buf *out = &tail->line;
    uint32_t width = screen->width, name_columns = NAME_COLUMNS;
    bool shows_model = width == 0 || width >= WIDTH_WITH_MODEL;
    if (!shows_model)
        name_columns = MIN(MAX(width, OTHER_COLUMNS + (uint32_t)NAME_COLUMNS_MIN) - OTHER_COLUMNS,
                           (uint32_t)NAME_COLUMNS);
    str status = cli_member_str(span, "status"), model = cli_member_str(span, "generator_model");
    bool is_error = str_equal_c(status, "error");
    if (str_is_none(model))
        model = cli_member_str(span, "request_model");
    str time = cli_member_str(span, "start_time");
    add_padded(out, screen, CLI_DIM, time.len >= 23 ? str_sub(time, 11, 12) : time, 12);
    add_padded(out, screen, CLI_CYAN, str_sub(cli_member_str(span, "trace_id"), 0, 8), 8);
    add_padded(out, screen, CLI_BLUE, cli_member_str(span, "step"), STEP_COLUMNS);
    add_padded(out, screen, is_error ? CLI_RED : CLI_PLAIN, cli_member_str(span, "name"),
               name_columns);
    if (shows_model)
        add_padded(out, screen, CLI_GREEN, str_is_none(model) ? STR_OF("") : model, MODEL_COLUMNS);
    add_right(out, cli_human_ms(&tail->arena, cli_member(span, "latency_ms")), 9);
    if (cli_member(span, "input_tokens") || cli_member(span, "output_tokens")) {
        str in = cli_human_count(&tail->arena, cli_member(span, "input_tokens"));
        str answer = cli_human_count(&tail->arena, cli_member(span, "output_tokens"));
        buf_printf(out, "%.*s\xE2\x86\x92%.*s ", STR_ARG(in), STR_ARG(answer));
        buf_add_str(out, cli_human_usd(&tail->arena, cli_member(span, "estimated_cost_usd")));
        buf_add_char(out, ' ');
    }
    if (is_error) {
        str type = cli_member_str(span, "error_type");
        add_padded(out, screen, CLI_RED, str_is_empty(type) ? status : type, TYPE_COLUMNS);
    }
    while (out->len && out->ptr[out->len - 1] == ' ')
        out->len--;
}

static void show_dropped(struct tail *tail, const struct value *event)
{
    str count = cli_human_count(&tail->arena, cli_member(event, "count"));
    fprintf(stderr, "telltale tail: %.*s spans were too fast for this terminal and are not shown\n",
            STR_ARG(count));
}

static bool on_event(void *arg, str name, str data)
{
    struct tail *tail = arg;
    struct value event;
    bool is_span = str_equal_c(name, "span");
    arena_reset(&tail->arena);
    if (is_span && tail->call->options.json) {
        cli_print_json(tail->call, data);
    } else {
        if (cli_json_parse(&tail->arena, data, &event, NULL) != ERR_OK)
            return true;
        if (is_span)
            add_span(tail, &event);
        else if (str_equal_c(name, "dropped"))
            show_dropped(tail, &event);
    }
    if (!is_span)
        return true;
    buf_add_char(&tail->line, '\n');
    cli_print(&tail->line);
    fflush(stdout);
    tail->is_done = ferror(stdout) || ++tail->printed == tail->call->options.limit;
    return !tail->is_done;
}

static bool on_piece(void *arg, str bytes)
{
    struct tail *tail = arg;
    if (!tail->is_connected && bytes.len && bytes.ptr[0] == '{') { /* an error, not events */
        buf_add_str(&tail->refusal, bytes);
        return true;
    }
    if (tail->refusal.len) {
        buf_add_str(&tail->refusal, bytes);
        return !buf_failed(&tail->refusal);
    }
    if (!tail->is_connected && tail->call->screen.is_tty)
        fprintf(stderr, "telltale tail: following %s; Ctrl-C ends it\n", cli_server(tail->call));
    tail->is_connected = true;
    return sse_feed(&tail->sse, bytes);
}

static bool is_stopped(void *arg)
{
    (void)arg;
    return cli_interrupted;
}

static enum err follow(struct tail *tail, const char *path, struct diag *why)
{
    struct cli_get get = {
        .path = path, .timeout_ns = -1, .piece = on_piece, .is_stopped = is_stopped, .arg = tail
    };
    int status = 0;
    tail->is_connected = false;
    sse_reset(&tail->sse);
    buf_reset(&tail->refusal);
    enum err err = cli_http_get(tail->call, &get, &status, NULL, why);
    if (!err && status != 200 && !cli_interrupted)
        err = cli_http_problem(tail->call, status, buf_str(&tail->refusal), why);
    return err;
}

static void back_off(int64_t ms)
{
    for (int64_t waited = 0; waited < ms && !cli_interrupted; waited += BACKOFF_STEP_MS)
        clock_sleep_ns(BACKOFF_STEP_MS * NS_PER_MS);
}

static int run(struct tail *tail, const char *path)
{
    int64_t wait_ms = BACKOFF_FIRST_MS;
    bool was_connected = false;
    while (!cli_interrupted && !tail->is_done) {
        struct diag why = DIAG_NONE;
        enum err err = follow(tail, path, &why);
        if (cli_interrupted || tail->is_done)
            break;
        bool may_pass = err == ERR_OK || err == ERR_UNAVAILABLE;
        if (!may_pass || !(was_connected || tail->is_connected))
            return cli_fail(err ? err : ERR_UNAVAILABLE, &why);
        if (tail->is_connected) {
            fprintf(stderr, "telltale tail: the server went away; trying again\n");
            wait_ms = BACKOFF_FIRST_MS;
        }
        was_connected = true;
        back_off(wait_ms);
        wait_ms = MIN(wait_ms * 2, (int64_t)BACKOFF_MAX_MS);
    }
    return CLI_OK;
}

int cli_tail(struct cli_call *call)
{
    struct buf path;
    buf_init(&path, PATH_BYTES_MAX);
    buf_add_c(&path, "/api/v1/live");
    cli_query_add(&path, "q", call->options.q);
    if (buf_failed(&path))
        return cli_misuse(call, "the filter is too long");
    buf_add_char(&path, '\0');
    struct tail tail = { .call = call };
    arena_init(&tail.arena, 256 * MIB);
    buf_init(&tail.line, 2 * (size_t)SSE_EVENT_BYTES_MAX);
    buf_init(&tail.refusal, REFUSAL_BYTES_MAX);
    sse_init(&tail.sse, on_event, &tail);
    cli_catch();
    int status = run(&tail, path.ptr);
    sse_clear(&tail.sse);
    buf_clear(&tail.refusal);
    buf_clear(&tail.line);
    buf_clear(&path);
    arena_clear(&tail.arena);
    return status;
}
