/* cli_table.c -- columns that line up, also with wide and combining characters.
 *
 * On a terminal the flexible columns give way until a row fits; into a pipe nothing is cut.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "cli/cli_int.h"

enum { COLUMNS_MAX = 16, GAP = 2, FLEXIBLE_MIN = 8, CELL_BYTES_MAX = 64 * 1024 };

void cli_table_init(struct cli_table *table, struct arena *arena, const struct cli_column *columns,
                    size_t column_count)
{
    assert(column_count > 0 && column_count <= COLUMNS_MAX);
    *table = (struct cli_table){ .arena = arena, .columns = columns, .column_count = column_count };
}

void cli_table_clear(struct cli_table *table)
{
    xfree(table->cells);
    *table = (struct cli_table){ 0 };
}

void cli_table_add(struct cli_table *table, str text, enum cli_colour colour)
{
    if (table->cell_count == table->cell_capacity) {
        table->cell_capacity = MAX(table->cell_capacity * 2, (size_t)128);
        table->cells = xrealloc(table->cells, table->cell_capacity * sizeof *table->cells);
    }
    struct buf clean;
    buf_init(&clean, CELL_BYTES_MAX);
    cli_clean(&clean, str_sub(text, 0, CELL_BYTES_MAX / 4), CLI_ONE_LINE);
    str copy = str_is_none(text) ? CLI_UNKNOWN : arena_str(table->arena, buf_str(&clean));
    buf_clear(&clean);
    table->cells[table->cell_count++] = (struct cli_cell){ copy, colour };
}

static void natural_widths(const struct cli_table *table, uint32_t widths[COLUMNS_MAX])
{
    for (size_t c = 0; c < table->column_count; c++)
        widths[c] = cli_columns(str_from_c(table->columns[c].title));
    for (size_t i = 0; i < table->cell_count; i++) {
        uint32_t columns = cli_columns(table->cells[i].text);
        size_t c = i % table->column_count;
        widths[c] = MAX(widths[c], columns);
    }
}

/* Take a column off the widest flexible one until the row fits. */
static void fit(const struct cli_table *table, uint32_t screen, uint32_t widths[COLUMNS_MAX])
{
    uint32_t total = (uint32_t)(GAP * (table->column_count - 1));
    for (size_t c = 0; c < table->column_count; c++)
        total += widths[c];
    while (total > screen) {
        size_t widest = table->column_count;
        for (size_t c = 0; c < table->column_count; c++)
            if (table->columns[c].is_flexible && widths[c] > FLEXIBLE_MIN &&
                (widest == table->column_count || widths[c] > widths[widest]))
                widest = c;
        if (widest == table->column_count)
            return;
        widths[widest]--;
        total--;
    }
}

static void print_cell(struct buf *out, const struct cli_screen *screen,
                       const struct cli_column *column, const struct cli_cell *cell, uint32_t width)
{
    struct buf cut;
    buf_init(&cut, CELL_BYTES_MAX);
    cli_add_cut(&cut, cell->text, width);
    uint32_t used = cli_columns(buf_str(&cut));
    if (column->is_right)
        cli_add_spaces(out, width > used ? width - used : 0);
    cli_paint(out, screen, cell->colour, buf_str(&cut));
    if (!column->is_right)
        cli_add_spaces(out, width > used ? width - used : 0);
    buf_clear(&cut);
}

static void print_row(const struct cli_table *table, const struct cli_screen *screen,
                      const struct cli_cell *cells, const uint32_t *widths, struct buf *out)
{
    for (size_t c = 0; c < table->column_count; c++) {
        if (c)
            cli_add_spaces(out, GAP);
        print_cell(out, screen, &table->columns[c], &cells[c], widths[c]);
    }
    while (out->len && out->ptr[out->len - 1] == ' ')
        out->len--;
    buf_add_char(out, '\n');
}

void cli_table_print(const struct cli_table *table, const struct cli_screen *screen,
                     struct buf *out)
{
    assert(table->cell_count % table->column_count == 0);
    uint32_t widths[COLUMNS_MAX];
    struct cli_cell titles[COLUMNS_MAX];
    natural_widths(table, widths);
    if (screen->width)
        fit(table, screen->width, widths);
    for (size_t c = 0; c < table->column_count; c++)
        titles[c] = (struct cli_cell){ str_from_c(table->columns[c].title), CLI_DIM };
    print_row(table, screen, titles, widths, out);
    for (size_t i = 0; i < table->cell_count; i += table->column_count)
        print_row(table, screen, &table->cells[i], widths, out);
}
