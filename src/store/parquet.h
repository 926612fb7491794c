/* parquet.h -- spans of the API's JSON, a line each, as a Parquet file.
 *
 * The engine reads the lines and writes row groups as it goes, in memory of a fixed size: the
 * file may be larger than the machine's memory.  One column for each field of fields.def, named by
 * its JSON path: texts VARCHAR, whole numbers BIGINT, numbers and durations (milliseconds) DOUBLE,
 * booleans BOOLEAN, times TIMESTAMP_NS (UTC), money (dollars) DECIMAL(18,9),
 * lists VARCHAR[] or DOUBLE[], JSON as its text; then attributes, links and, when asked for,
 * content as JSON texts.  Unknown is NULL.
 *
 * Memory:  none kept.
 * Threads: one at a time, with two of the engine's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/err.h"

struct parquet_job {
    const char *lines_path, *path; /* read, written (and replaced) */
    bool with_content;
    size_t line_bytes_max; /* of the longest line */
};
/* ERR_IO with the engine's words. */
MUST_CHECK enum err parquet_from_lines(const struct parquet_job *job, struct diag *reterr_why);
