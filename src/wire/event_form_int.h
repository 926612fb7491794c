/* event_form_int.h -- what the files of the flat forms share.
 *
 * Memory:  as event_form.h.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "wire/event_form.h"
#include "wire/tree.h"

enum { EVENT_SCORES = 11 };
/* Members of an evaluation that are a score each; the flags are the last three. */
extern const char *const event_scores[EVENT_SCORES];

/* False, always; the first reason stays. */
bool event_refuse(struct event_reader *reader, const char *field, const char *what);
bool event_spent(struct event_reader *reader);
/* A text (or a number as one) that is short enough; null, "" and none are STR_NONE. */
MUST_CHECK bool event_text(struct event_reader *reader, const struct value *object,
                           const char *name, str *ret_text);
/* "ts", "time" or "timestamp"; the reader's now when there is none. */
MUST_CHECK bool event_time(struct event_reader *reader, const struct value *object, int64_t *ret_ns,
                           bool *ret_is_told);
/* The trace that is named, or the log record's; *ret_text is the name where it is not the id's own
 * spelling, else STR_NONE. */
MUST_CHECK bool event_trace(struct event_reader *reader, const struct value *object,
                            struct id16 *ret_id, str *ret_text);
/* Of the object and its time: the same for the same at any time. */
MUST_CHECK bool event_digest(struct event_reader *reader, const struct value *object,
                             int64_t time_ns, str *ret_text);

MUST_CHECK bool event_take_span(struct event_reader *reader, const struct value *object,
                                enum event_kind kind);
MUST_CHECK bool event_take_score(struct event_reader *reader, const struct value *object,
                                 enum event_kind kind);
