/* top.c -- `telltale top`: spend, rate, latency and errors of the last minutes, by any field.
 *
 * On a terminal it takes the other screen, asks every two seconds and listens to keys between;
 * whatever ends it, the terminal is as it was.  Into a pipe, or with --once, one screen is printed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/text.h"
#include "cli/top_int.h"
#include "sys/clock.h"
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum {
    EVERY_MS = 2000,
    ANSWER_BYTES_MAX = 64 * 1024 * 1024,
    PATH_BYTES_MAX = 16 * 1024,
    FRAME_BYTES_MAX = 4 * 1024 * 1024,
    TIMEOUT_S = 10,
};

static const char *const dimensions[] = { "generator_model", "feature",     "tenant_id",
                                          "user_id",         "service",     "endpoint",
                                          "prompt_version",  "environment", "step" };

struct top {
    struct cli_call *call;
    struct top_view view;
    struct top_table table;
    struct arena arena; /* of the table */
    size_t dimension;   /* of dimensions, past its end: the one that was asked for */
    int64_t window_ns;
    struct termios before;
    bool is_raw;
};

/* ---- questions ---- */

static enum err ask(struct top *top, struct arena *arena, const char *metrics, bool is_grouped,
                    bool has_steps, struct value *ret_answer, struct diag *why)
{
    struct buf path, body;
    int status = 0;
    buf_init(&path, PATH_BYTES_MAX);
    buf_init(&body, ANSWER_BYTES_MAX);
    buf_printf(&path, "/api/v1/aggregate?metric=%s&limit=%d", metrics, has_steps ? 10000 : 1000);
    struct buf from;
    buf_init(&from, KIB);
    buf_printf(&from, "now-%s", top->view.window);
    buf_add_char(&from, '\0');
    cli_query_add(&path, "from", from.ptr);
    cli_query_add(&path, "to", "now");
    buf_clear(&from);
    if (is_grouped)
        cli_query_add(&path, "by", top->view.dimension);
    if (has_steps)
        buf_printf(&path, "&step=%llds",
                   (long long)MAX(top->window_ns / TOP_SLOTS / NS_PER_S, (int64_t)1));
    if (top->view.filter[0])
        cli_query_add(&path, "q", top->view.filter);
    buf_add_char(&path, '\0');
    struct cli_get get = { .path = path.ptr, .timeout_ns = TIMEOUT_S * NS_PER_S };
    enum err err = buf_failed(&path) ? diag_set(why, ERR_LIMIT, "the filter is too long")
                                     : cli_http_get(top->call, &get, &status, &body, why);
    if (!err && status != 200)
        err = cli_http_problem(top->call, status, buf_str(&body), why);
    str kept = err ? STR_NONE : arena_str(arena, buf_str(&body));
    if (!err && top->call->options.json && is_grouped && !has_steps)
        cli_print_json(top->call, kept);
    if (!err)
        err = str_is_none(kept) ? ERR_LIMIT : cli_json_parse(arena, kept, ret_answer, why);
    buf_clear(&path);
    buf_clear(&body);
    return err;
}

static double number(const struct value *values, const char *name)
{
    double v;
    return cli_member_f64(values, name, &v) ? v : (double)NAN;
}

static void fill(const struct top *top, const struct value *item, struct top_row *row)
{
    const struct value *values = cli_member(item, "values");
    double seconds = (double)top->window_ns / (double)NS_PER_S;
    double *to = row->values;
    to[TOP_COST] = number(values, "cost_usd");
    to[TOP_COST_RATE] = to[TOP_COST] / seconds * 3600;
    to[TOP_CALLS] = number(values, "count");
    to[TOP_RATE] = to[TOP_CALLS] / seconds;
    to[TOP_ERRORS] = number(values, "errors");
    to[TOP_ERROR_SHARE] = to[TOP_CALLS] > 0 ? to[TOP_ERRORS] / to[TOP_CALLS] : (double)NAN;
    to[TOP_P50] = number(values, "latency_p50_ms");
    to[TOP_P95] = number(values, "latency_p95_ms");
    to[TOP_INPUT] = number(values, "input_tokens");
    to[TOP_OUTPUT] = number(values, "output_tokens");
    to[TOP_TREND] = to[TOP_COST];
}

static str name_of(struct arena *arena, const struct value *item)
{
    const struct value *by = cli_member(item, "by");
    if (!by || by->type != VALUE_MAP || by->count == 0 || by->attrs[0].value.type == VALUE_NULL)
        return STR_NONE;
    if (by->attrs[0].value.type == VALUE_STR)
        return by->attrs[0].value.text;
    struct buf text;
    buf_init(&text, 4 * KIB);
    value_to_json(&text, &by->attrs[0].value);
    str kept = arena_str(arena, buf_str(&text));
    buf_clear(&text);
    return kept;
}

static struct top_row *row_named(struct top_table *table, str name)
{
    for (uint32_t i = 0; i < table->count; i++)
        if (str_is_none(table->rows[i].name) == str_is_none(name) &&
            str_equal(table->rows[i].name, name))
            return &table->rows[i];
    return NULL;
}

static void add_steps(const struct top *top, struct arena *arena, const struct value *answer,
                      struct top_table *table)
{
    const struct value *items = cli_member(answer, "items");
    int64_t step_ns = MAX(top->window_ns / TOP_SLOTS / NS_PER_S, (int64_t)1) * NS_PER_S, from_ns,
            at;
    if (!time_parse(cli_member_str(answer, "from"), &from_ns))
        return;
    for (uint32_t i = 0; cli_item(items, i); i++) {
        const struct value *item = cli_item(items, i), *values = cli_member(item, "values");
        if (!time_parse(cli_member_str(item, "time"), &at))
            continue;
        int64_t slot =
            MIN(MAX((at - from_ns + step_ns - 1) / step_ns, (int64_t)0), (int64_t)TOP_SLOTS - 1);
        double cost = number(values, "cost_usd"), count = number(values, "count");
        struct top_row *row = row_named(table, name_of(arena, item));
        table->rate[slot] += isnan(count) ? 0 : count;
        table->total.cost[slot] += isnan(cost) ? 0 : cost;
        if (row)
            row->cost[slot] += isnan(cost) ? 0 : cost;
    }
}

#define METRICS "cost,count,errors,latency_p50,latency_p95,input_tokens,output_tokens"

/* A new table; the old one stays when a question fails. */
static enum err refresh(struct top *top, struct diag *why)
{
    struct arena arena;
    struct value groups, total, steps;
    arena_init(&arena, 512 * MIB);
    enum err err = ask(top, &arena, METRICS, true, false, &groups, why);
    if (!err)
        err = ask(top, &arena, METRICS, false, false, &total, why);
    if (!err)
        err = ask(top, &arena, "cost,count", true, true, &steps, why);
    const struct value *items = err ? NULL : cli_member(&groups, "items");
    uint32_t count = items && items->type == VALUE_ARRAY ? items->count : 0;
    struct top_table table = { .rows = err ? NULL : arena_new(&arena, struct top_row, count) };
    if (err || !table.rows) {
        arena_clear(&arena);
        return err ? err : diag_set(why, ERR_LIMIT, "too many groups");
    }
    for (; table.count < count; table.count++) {
        struct top_row *row = &table.rows[table.count];
        row->name = name_of(&arena, &items->items[table.count]);
        fill(top, &items->items[table.count], row);
    }
    fill(top, cli_item(cli_member(&total, "items"), 0), &table.total);
    add_steps(top, &arena, &steps, &table);
    arena_clear(&top->arena);
    top->arena = arena;
    top->table = table;
    return ERR_OK;
}

/* ---- the terminal ---- */

static void on_resize(int signal_number)
{
    (void)signal_number; /* poll returns: that is all */
}

static void say(const char *sequence)
{
    fputs(sequence, stdout);
    fflush(stdout);
}

static bool terminal_take(struct top *top)
{
    struct termios raw;
    struct sigaction action = { .sa_handler = on_resize };
    if (tcgetattr(STDIN_FILENO, &top->before) != 0)
        return false;
    raw = top->before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    sigaction(SIGWINCH, &action, NULL);
    top->is_raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
    if (top->is_raw)
        say("\033[?1049h\033[?25l");
    return top->is_raw;
}

static void terminal_give_back(struct top *top)
{
    if (!top->is_raw)
        return;
    say("\033[?25h\033[?1049l");
    tcsetattr(STDIN_FILENO, TCSANOW, &top->before);
    top->is_raw = false;
}

static void draw(struct top *top)
{
    struct winsize size = { 0 };
    struct cli_screen screen = top->call->screen;
    struct buf frame, out;
    uint32_t lines = 0;
    if (top->is_raw && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col) {
        screen.width = size.ws_col;
        lines = size.ws_row;
    }
    struct arena arena;
    arena_init(&arena, 64 * MIB);
    buf_init(&frame, FRAME_BYTES_MAX);
    buf_init(&out, 2 * (size_t)FRAME_BYTES_MAX);
    top->view.now_ns = clock_now_ns();
    top_sort(&top->table, &top->view);
    top_draw(&arena, &screen, &top->view, &top->table, lines, &frame);
    if (!top->is_raw) {
        cli_print(&frame);
    } else {
        str rest = buf_str(&frame), line;
        buf_add_c(&out, "\033[H");
        for (uint32_t i = 0; i < lines && str_next(&rest, '\n', &line) && rest.ptr; i++) {
            buf_printf(&out, "%s", i ? "\n" : "");
            buf_add_str(&out, line);
            buf_add_c(&out, "\033[K");
        }
        buf_add_c(&out, "\033[J");
        cli_print(&out);
        fflush(stdout);
    }
    buf_clear(&out);
    buf_clear(&frame);
    arena_clear(&arena);
}

/* ---- keys ---- */

static void choose_dimension(struct top *top, int step)
{
    size_t count = COUNT_OF(dimensions);
    top->dimension = (MIN(top->dimension, count - 1) + count + (size_t)step) % count;
    if (step > 0 && top->view.dimension == top->call->options.by)
        top->dimension = 0;
    top->view.dimension = dimensions[top->dimension];
}

static void choose_sort(struct top *top, int step)
{
    int sort = (int)top->view.sort + step;
    top->view.sort = (enum top_column)((sort + TOP_TREND) % TOP_TREND); /* not the trend */
}

/* A key while a filter is typed; true when it is done and the question is another. */
static bool take_typed(struct top_view *view, const char *key)
{
    size_t len = strlen(view->filter);
    if (key[0] == '\n' || key[0] == '\r' || key[0] == '\033') {
        view->is_typing = false;
        if (key[0] == '\033')
            view->filter[0] = '\0';
        return true;
    }
    if ((key[0] == '\177' || key[0] == '\b') && len > 0)
        view->filter[len - 1] = '\0';
    else if ((unsigned char)key[0] >= ' ' && key[0] != '\177' && len + 1 < sizeof view->filter) {
        view->filter[len] = key[0];
        view->filter[len + 1] = '\0';
    }
    return false;
}

/* True when the question is another. */
static bool take_key(struct top *top, const char *key, bool *ret_quit)
{
    struct top_view *view = &top->view;
    if (view->is_typing)
        return take_typed(view, key);
    switch (key[0] == '\033' && key[1] ? key[2] : key[0]) {
    case 'q':
        *ret_quit = true;
        return false;
    case 'p':
    case ' ':
        view->is_paused = !view->is_paused;
        return !view->is_paused;
    case 'r':
        view->is_reversed = !view->is_reversed;
        return false;
    case '>':
    case 's':
    case 'C':
        choose_sort(top, 1);
        return false;
    case '<':
    case 'S':
        choose_sort(top, -1);
        return false;
    case 'd':
    case 'B':
        choose_dimension(top, 1);
        return true;
    case 'D': /* also the left arrow, whose last letter it is */
        if (key[0] == '\033')
            choose_sort(top, -1);
        else
            choose_dimension(top, -1);
        return key[0] != '\033';
    case 'A':
        choose_dimension(top, -1);
        return true;
    case '/':
        view->is_typing = true;
        return false;
    default:
        return false;
    }
}

/* The keys that were pressed; an escape sequence is one. */
static bool take_keys(struct top *top, bool *ret_quit)
{
    char bytes[64];
    ssize_t len = read(STDIN_FILENO, bytes, sizeof bytes);
    bool is_other = false;
    *ret_quit = len == 0; /* poll said that there is something: the terminal is gone */
    for (ssize_t i = 0; i < len && !*ret_quit; i++) {
        char key[4] = { bytes[i], 0, 0, 0 };
        if (bytes[i] == '\033' && i + 2 < len && (bytes[i + 1] == '[' || bytes[i + 1] == 'O')) {
            key[1] = bytes[i + 1];
            key[2] = bytes[i + 2];
            i += 2;
        }
        is_other = take_key(top, key, ret_quit) || is_other;
    }
    return is_other;
}

static void ask_again(struct top *top)
{
    struct diag why = DIAG_NONE;
    enum err err = refresh(top, &why);
    top->view.trouble = err ? arena_printf(&top->arena, "%s", why.text) : STR_OF("");
}

static void live(struct top *top)
{
    bool quits = false;
    int64_t asked_ns = clock_monotonic_ns();
    while (!quits && !cli_interrupted) {
        struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
        draw(top);
        int64_t left_ms = EVERY_MS - (clock_monotonic_ns() - asked_ns) / NS_PER_MS;
        int ready = poll(&input, 1, (int)MIN(MAX(left_ms, (int64_t)0), (int64_t)EVERY_MS));
        bool is_other = ready > 0 && take_keys(top, &quits);
        bool is_due = clock_monotonic_ns() - asked_ns >= EVERY_MS * NS_PER_MS;
        if (quits || !(is_other || is_due))
            continue;
        if (is_other || !top->view.is_paused)
            ask_again(top);
        asked_ns = clock_monotonic_ns();
    }
}

/* ---- the command ---- */

static int begin(struct top *top)
{
    const struct cli_options *options = &top->call->options;
    struct top_view *view = &top->view;
    const char *window = options->since ? options->since : "5m";
    if (!duration_parse(str_from_c(window), &top->window_ns) ||
        top->window_ns < TOP_SLOTS * NS_PER_S)
        return cli_misuse(top->call, "--since=%.60s is no duration of 20s or more, as 5m", window);
    if (options->q && strlen(options->q) >= sizeof view->filter)
        return cli_misuse(top->call, "the filter is too long");
    *view = (struct top_view){ .server = cli_server(top->call),
                               .dimension = options->by ? options->by : dimensions[0],
                               .window = window,
                               .sort = TOP_COST,
                               .trouble = STR_OF("") };
    if (options->q)
        memcpy(view->filter, options->q, strlen(options->q) + 1);
    return CLI_OK;
}

int cli_top(struct cli_call *call)
{
    struct top *top = arena_new(&call->arena, struct top, 1);
    struct diag why = DIAG_NONE;
    const char *term = getenv("TERM");
    assert(top);
    top->call = call;
    int status = begin(top);
    if (status)
        return status;
    arena_init(&top->arena, MIB);
    bool is_live = call->screen.is_tty && isatty(STDIN_FILENO) && !call->options.once &&
                   !call->options.json && term && term[0] && strcmp(term, "dumb") != 0;
    enum err err = refresh(top, &why);
    if (err) {
        status = cli_fail(err, &why);
    } else if (!call->options.json) {
        cli_catch();
        top->view.is_live = is_live && terminal_take(top);
        if (top->view.is_live)
            live(top);
        else
            draw(top);
        terminal_give_back(top);
    }
    arena_clear(&top->arena);
    return status;
}
