/* top_draw.c -- one screen of `telltale top`; see top_int.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "cli/top_int.h"
#include <math.h>
#include <stdlib.h>

enum { HEAD_LINES = 5, LINE_BYTES_MAX = 16 * 1024 };

static const struct {
    const char *title;
    uint32_t from; /* columns that the screen must have; the one sorted by is always there */
} columns[TOP_COLUMN_COUNT] = {
    [TOP_NAME] = { NULL, 0 },           [TOP_COST] = { "COST", 0 },
    [TOP_COST_RATE] = { "$/H", 110 },   [TOP_CALLS] = { "SPANS", 0 },
    [TOP_RATE] = { "/S", 60 },          [TOP_ERRORS] = { "ERR", 110 },
    [TOP_ERROR_SHARE] = { "ERR%", 50 }, [TOP_P50] = { "P50", 110 },
    [TOP_P95] = { "P95", 0 },           [TOP_INPUT] = { "IN", 110 },
    [TOP_OUTPUT] = { "OUT", 110 },      [TOP_TREND] = { "SPEND", 78 },
};

/* qsort has no argument of its own. */
struct keyed {
    struct top_row row;
    double key;
    bool by_name, is_reversed;
};

static int compare(const void *a, const void *b)
{
    const struct keyed *left = a, *right = b;
    int order = 0;
    if (!left->by_name && left->key > right->key)
        order = -1;
    else if (!left->by_name && left->key < right->key)
        order = 1;
    else
        order = str_cmp(left->row.name, right->row.name);
    return left->is_reversed ? -order : order;
}

void top_sort(struct top_table *table, const struct top_view *view)
{
    struct keyed *rows = xcalloc(MAX(table->count, 1U), sizeof *rows);
    for (uint32_t i = 0; i < table->count; i++) {
        double key = table->rows[i].values[view->sort];
        rows[i] = (struct keyed){ .row = table->rows[i],
                                  .key = isnan(key) ? -1 : key,
                                  .by_name = view->sort == TOP_NAME,
                                  .is_reversed = view->is_reversed };
        if (str_is_none(rows[i].row.name))
            rows[i].row.name = STR_OF("");
    }
    qsort(rows, table->count, sizeof *rows, compare);
    for (uint32_t i = 0; i < table->count; i++)
        table->rows[i] = rows[i].row;
    xfree(rows);
}

static str shown(struct arena *arena, enum top_column column, double v)
{
    struct value value = value_f64(v);
    if (isnan(v))
        return CLI_UNKNOWN;
    switch (column) {
    case TOP_COST:
    case TOP_COST_RATE:
        return v >= 0.01 || v <= 0 ? arena_printf(arena, "$%.2f", v) : cli_human_usd(arena, &value);
    case TOP_RATE:
        return arena_printf(arena, v < 10 ? "%.2f" : "%.0f", v);
    case TOP_ERROR_SHARE:
        return arena_printf(arena, "%.1f%%", v * 100);
    case TOP_P50:
    case TOP_P95:
        return cli_human_ms(arena, &value);
    case TOP_CALLS:
    case TOP_ERRORS:
    case TOP_INPUT:
    case TOP_OUTPUT:
    case TOP_NAME:
    case TOP_TREND:
    case TOP_COLUMN_COUNT:
        break;
    }
    return cli_human_count(arena, &value);
}

static str spark_of(struct arena *arena, const double *values)
{
    struct buf text;
    buf_init(&text, KIB);
    cli_add_spark(&text, values, TOP_SLOTS);
    str kept = arena_str(arena, buf_str(&text));
    buf_clear(&text);
    return kept;
}

/* A line of ours, cut to the screen. */
static void add_line(struct buf *out, const struct cli_screen *screen, enum cli_colour colour,
                     str text)
{
    struct buf clean, cut;
    buf_init(&clean, LINE_BYTES_MAX);
    buf_init(&cut, LINE_BYTES_MAX);
    cli_clean(&clean, str_sub(text, 0, LINE_BYTES_MAX / 4), CLI_ONE_LINE);
    cli_add_cut(&cut, buf_str(&clean), screen->width ? screen->width : UINT32_MAX);
    cli_paint(out, screen, colour, buf_str(&cut));
    buf_add_char(out, '\n');
    buf_clear(&cut);
    buf_clear(&clean);
}

static void add_head(struct arena *arena, const struct cli_screen *screen,
                     const struct top_view *view, const struct top_table *table, struct buf *out)
{
    const struct top_row *total = &table->total;
    struct buf line;
    buf_init(&line, LINE_BYTES_MAX);
    buf_printf(&line, "telltale top  last %s  ", view->window);
    time_format(&line, view->now_ns, 0);
    buf_printf(&line, "  %s%s", view->server, view->is_paused ? "  PAUSED" : "");
    add_line(out, screen, CLI_BOLD, buf_str(&line));
    buf_reset(&line);
    str cost = shown(arena, TOP_COST, total->values[TOP_COST]);
    str hourly = shown(arena, TOP_COST_RATE, total->values[TOP_COST_RATE]);
    str spend = spark_of(arena, total->cost);
    buf_printf(&line, "spend  %.*s  %.*s/h  %.*s", STR_ARG(cost), STR_ARG(hourly), STR_ARG(spend));
    str errors = shown(arena, TOP_ERROR_SHARE, total->values[TOP_ERROR_SHARE]);
    str p50 = shown(arena, TOP_P50, total->values[TOP_P50]),
        p95 = shown(arena, TOP_P95, total->values[TOP_P95]);
    buf_printf(&line, "  errors  %.*s  p50  %.*s  p95  %.*s", STR_ARG(errors), STR_ARG(p50),
               STR_ARG(p95));
    add_line(out, screen, CLI_PLAIN, buf_str(&line));
    buf_reset(&line);
    str count = shown(arena, TOP_CALLS, total->values[TOP_CALLS]),
        rate = shown(arena, TOP_RATE, total->values[TOP_RATE]),
        rates = spark_of(arena, table->rate);
    buf_printf(&line, "spans  %.*s  %.*s/s  %.*s  by %s", STR_ARG(count), STR_ARG(rate),
               STR_ARG(rates), view->dimension);
    add_line(out, screen, CLI_PLAIN, buf_str(&line));
    buf_reset(&line);
    if (view->is_typing)
        buf_printf(&line, "filter: %s_", view->filter);
    else if (view->trouble.len)
        buf_add_str(&line, view->trouble);
    else if (view->filter[0])
        buf_printf(&line, "filter: %s", view->filter);
    add_line(out, screen, view->trouble.len && !view->is_typing ? CLI_RED : CLI_YELLOW,
             buf_str(&line));
    buf_clear(&line);
}

/* Those that the screen has room for; their number. */
static size_t choose_columns(struct arena *arena, uint32_t screen_width,
                             const struct top_view *view, struct cli_column *chosen,
                             enum top_column *which)
{
    uint32_t width = screen_width ? screen_width : UINT32_MAX;
    size_t count = 0;
    for (int i = 0; i < TOP_COLUMN_COUNT; i++) {
        const char *title = columns[i].title ? columns[i].title : view->dimension;
        bool is_sorted = view->sort == (enum top_column)i;
        if (width < columns[i].from && !is_sorted)
            continue;
        if (is_sorted)
            title = arena_printf(arena, "%s%s", title,
                                 view->is_reversed ? "\xE2\x96\xB2" : "\xE2\x96\xBC")
                        .ptr;
        which[count] = (enum top_column)i;
        chosen[count++] =
            (struct cli_column){ title, i != TOP_NAME && i != TOP_TREND, i == TOP_NAME };
    }
    return count;
}

static void add_cell(struct arena *arena, struct cli_table *table, const struct top_row *row,
                     enum top_column column)
{
    bool is_bad = column == TOP_ERROR_SHARE && row->values[TOP_ERROR_SHARE] > 0.01;
    if (column == TOP_NAME)
        cli_table_add(table, row->name.len ? row->name : STR_NONE, CLI_PLAIN);
    else if (column == TOP_TREND)
        cli_table_add(table, spark_of(arena, row->cost), CLI_GREEN);
    else
        cli_table_add(table, shown(arena, column, row->values[column]),
                      is_bad ? CLI_RED : CLI_PLAIN);
}

static void add_table(struct arena *arena, const struct cli_screen *screen,
                      const struct top_view *view, const struct top_table *table, uint32_t rows,
                      struct buf *out)
{
    struct cli_column chosen[TOP_COLUMN_COUNT];
    enum top_column which[TOP_COLUMN_COUNT];
    size_t count = choose_columns(arena, screen->width, view, chosen, which);
    struct cli_table drawn;
    cli_table_init(&drawn, arena, chosen, count);
    for (uint32_t r = 0; r < MIN(rows, table->count); r++)
        for (size_t c = 0; c < count; c++)
            add_cell(arena, &drawn, &table->rows[r], which[c]);
    cli_table_print(&drawn, screen, out);
    cli_table_clear(&drawn);
}

void top_draw(struct arena *arena, const struct cli_screen *screen, const struct top_view *view,
              const struct top_table *table, uint32_t lines, struct buf *out)
{
    uint32_t around = HEAD_LINES + (view->is_live ? 1 : 0);
    uint32_t rows = lines == 0 ? UINT32_MAX : lines > around ? lines - around : 0;
    add_head(arena, screen, view, table, out);
    add_table(arena, screen, view, table, rows, out);
    if (view->is_live)
        add_line(out, screen, CLI_DIM,
                 STR_OF("q quit  < > sort  r reverse  d D dimension  / filter  p pause"));
}
