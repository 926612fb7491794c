/* progress.h -- how far long work is, on one line of stderr.
 *
 * Shown when stderr is a terminal, a few times a second; the line is cleared at the end.
 *
 * Memory:  none kept.
 * Threads: the main thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/buf.h"

struct progress {
    const char *verb, *unit; /* "exported", "spans" */
    uint64_t done;           /* of units */
    uint64_t bytes, total;   /* of the input or output; total 0: unknown */
    int64_t start_ns, shown_ns;
    bool is_shown;
};
void progress_start(struct progress *progress, const char *verb, const char *unit);
void progress_show(struct progress *progress); /* when it is time to */
void progress_end(struct progress *progress);
/* The line itself: "exported 12.3k spans  4.1 MiB  [####    ] 48%  2.1k/s  12 s left". */
void progress_line(struct buf *out, const struct progress *progress, int64_t now_ns);
