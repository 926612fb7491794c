/* span_form.h -- spans of the API's JSON in the forms that other programs read.
 *
 * A span is the object that GET /api/v1/spans gives, parsed; with content exported it has one
 * member more, "content", which is the answer of .../payload.  Written as OTLP it comes back as
 * the same record, but for what the server that takes it says itself: received_time, project,
 * dialect, convention, flags about how it was sent, what was redacted, the sender's raw counts, and
 * the cost, which is computed anew from the same tokens.
 *
 * Memory:  appends to the caller's buffer; borrows the spans.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/buf.h"
#include "model/span.h"
#include "model/value.h"

/* The value at a path with dots; NULL: not there, or null. */
const struct value *span_at(const struct value *span, const char *path);

/* It has ids and a start: what OTLP cannot do without. */
bool span_is_readable(const struct value *span);
/* One ExportTraceServiceRequest as OTLP/JSON, without a line end; spans that follow each other and
 * are of one resource and scope share them.  False: an id or a time of a span cannot be read, and
 * *ret_bad is its place; nothing was added. */
bool spans_to_otlp(struct buf *out, const struct value *spans, uint32_t count, uint32_t *ret_bad);

/* A line of CSV with its end: the names of the columns, or a span's values.  A text that a
 * spreadsheet could take for a formula gets ' in front. */
void csv_add_names(struct buf *out, bool with_content);
void csv_add_span(struct buf *out, const struct value *span, bool with_content);
/* One cell; is_text: not a number or a word of ours. */
void csv_add_cell(struct buf *out, str text, bool is_text);
