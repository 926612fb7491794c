/* top_int.h -- the parts of `telltale top`: what is asked, and how a screen of it looks.
 *
 * Memory:  a table of rows lives in the arena of its answer, until the next.
 * Threads: the main thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "cli/cli_int.h"

enum { TOP_SLOTS = 20, TOP_FILTER_BYTES = 512 };

enum top_column {
    TOP_NAME,
    TOP_COST,
    TOP_COST_RATE,
    TOP_CALLS,
    TOP_RATE,
    TOP_ERRORS,
    TOP_ERROR_SHARE,
    TOP_P50,
    TOP_P95,
    TOP_INPUT,
    TOP_OUTPUT,
    TOP_TREND,
    TOP_COLUMN_COUNT
};

struct top_row {
    str name;                        /* STR_NONE: unknown */
    double values[TOP_COLUMN_COUNT]; /* NAN: unknown */
    double cost[TOP_SLOTS];          /* over the window, oldest first */
};
struct top_table {
    struct top_row *rows;
    uint32_t count;
    struct top_row total;
    double rate[TOP_SLOTS]; /* spans */
};
struct top_view {
    const char *server, *dimension, *window;
    enum top_column sort;
    bool is_reversed, is_paused, is_typing, is_live; /* is_live: on a terminal, with keys */
    char filter[TOP_FILTER_BYTES];
    str trouble; /* what went wrong with the last question; empty */
    int64_t now_ns;
};

void top_sort(struct top_table *table, const struct top_view *view);
/* A screen: lines of at most screen->width columns, at most `lines` of them (0: all). */
void top_draw(struct arena *arena, const struct cli_screen *screen, const struct top_view *view,
              const struct top_table *table, uint32_t lines, struct buf *out);
