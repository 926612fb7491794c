/* text_lines.h -- plain text as log records: one line, one record.
 *
 * What stands in a line is its body, as it came.  Only a time at its beginning is read, where it is
 * written as RFC 3339: "2026-11-21T10:00:00.123Z ERROR no answer", "[2026-11-21T10:00:00Z] ...".
 * A line without one has no time of its own.  Lines of white space are left out and not counted.
 * A longer line than TEXT_LINE_BYTES_MAX is cut there.  Past limits->items_max lines the rest are
 * rejected and counted.
 *
 * Memory:  borrows from `body`; arrays come from the arena.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "wire/otlp.h"

enum { TEXT_LINE_BYTES_MAX = 64 * 1024 };

struct text_lines {
    str body;
    str service, environment; /* of all of them; empty: unknown */
};

/* ERR_LIMIT. */
MUST_CHECK enum err text_lines_decode(struct arena *arena, const struct text_lines *lines,
                                      const struct otlp_limits *limits, struct raw_batch *ret_batch,
                                      struct diag *reterr_why);
