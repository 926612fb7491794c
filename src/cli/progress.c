/* progress.c -- one line that is written over and over; see progress.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/progress.h"
#include "cli/cli_int.h"
#include "sys/clock.h"
#include <stdio.h>
#include <unistd.h>

enum { BAR_COLUMNS = 20, SHOW_EVERY_MS = 200, LINE_BYTES_MAX = 1024 };

void progress_start(struct progress *progress, const char *verb, const char *unit)
{
    *progress = (struct progress){ .verb = verb,
                                   .unit = unit,
                                   .start_ns = clock_monotonic_ns(),
                                   .is_shown = isatty(STDERR_FILENO) };
}

void progress_line(struct buf *out, const struct progress *progress, int64_t now_ns)
{
    struct arena arena;
    arena_init(&arena, 64 * KIB);
    double seconds = (double)MAX(now_ns - progress->start_ns, NS_PER_MS) / (double)NS_PER_S;
    struct value done = value_f64((double)progress->done);
    struct value rate = value_f64((double)progress->done / seconds);
    str done_text = cli_human_count(&arena, &done), rate_text = cli_human_count(&arena, &rate);
    str bytes = cli_human_bytes(&arena, (double)progress->bytes);
    buf_printf(out, "%s %.*s %s  %.*s", progress->verb, STR_ARG(done_text), progress->unit,
               STR_ARG(bytes));
    if (progress->total) {
        double share = MIN((double)progress->bytes / (double)progress->total, 1.0);
        buf_add_c(out, "  [");
        cli_add_bar(out, share, BAR_COLUMNS);
        buf_printf(out, "] %.0f%%", share * 100);
    }
    buf_printf(out, "  %.*s/s", STR_ARG(rate_text));
    if (progress->total && progress->bytes && progress->bytes < progress->total) {
        double left =
            seconds * (double)(progress->total - progress->bytes) / (double)progress->bytes;
        struct value left_ms = value_f64(left * 1000);
        str text = cli_human_ms(&arena, &left_ms);
        buf_printf(out, "  %.*s left", STR_ARG(text));
    }
    arena_clear(&arena);
}

void progress_show(struct progress *progress)
{
    int64_t now_ns = clock_monotonic_ns();
    if (!progress->is_shown || now_ns - progress->shown_ns < SHOW_EVERY_MS * NS_PER_MS)
        return;
    struct buf line;
    progress->shown_ns = now_ns;
    buf_init(&line, LINE_BYTES_MAX);
    buf_add_c(&line, "\r");
    progress_line(&line, progress, now_ns);
    buf_add_c(&line, "\033[K");
    fwrite(line.ptr, 1, line.len, stderr);
    fflush(stderr);
    buf_clear(&line);
}

void progress_end(struct progress *progress)
{
    if (progress->is_shown && progress->shown_ns) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
}
