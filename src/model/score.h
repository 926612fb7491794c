/* score.h -- what somebody thinks of an answer: a judge's number, a user's thumb, a label.
 *
 * A score names what it is about by what its sender knew: a span, a trace, a session, or
 * the id of the provider's response.  It may come weeks after that, or before it.  The same
 * score_id again replaces what was said before; without a name it only changes what it says, of
 * the score that is there (pipeline/held.c).
 *
 * Memory:  texts and arrays live in the arena of who made it.
 * Threads: plain data.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "model/span.h"

enum score_type {
    SCORE_NUMBER, /* value */
    SCORE_BOOL,   /* value: 0 or 1 */
    SCORE_LABEL,  /* label; maybe a value beside it */
};

/* Who says it (ARCHITECTURE: score).  The last two are no opinions but events that are kept the
 * same way (docs/decisions/0041): what became of an answer (name: of the outcome), and that a
 * version was deployed (name: of the service, label: the version, comment: the text; no target). */
enum score_source {
    SCORE_BY_API,
    SCORE_BY_USER,
    SCORE_BY_JUDGE,
    SCORE_BY_CODE,
    SCORE_BY_HUMAN,
    SCORE_IS_OUTCOME,
    SCORE_IS_DEPLOY,
};
enum { SCORE_SOURCE_COUNT = SCORE_IS_DEPLOY + 1 };
/* Bits of sources: all that are about an answer. */
enum { SCORE_SOURCES_OF_ANSWERS = (1 << SCORE_IS_DEPLOY) - 1 };

struct score {
    struct id16 score_id; /* score_identity() */
    bool has_trace_id, has_span_id;
    struct id16 trace_id;
    struct id8 span_id;
    str session_id, response_id; /* STR_NONE: not said, as with all texts here */
    str tenant_id;
    str name;
    enum score_type type;
    bool has_value;
    double value;
    str label;
    str comment;
    enum score_source source;
    str evaluator, evaluator_version; /* who computed it: a rule, a prompt, a person's name */
    str judge_model;
    int64_t time_ns; /* when it was given */
    struct attr *attrs;
    uint32_t attr_count;
};
/* The texts that may be absent, in the order of the binary form; the name is not among them. */
enum { SCORE_TEXTS = 8 };
void score_texts(struct score *score, str *ret_texts[SCORE_TEXTS]);

enum { SCORE_NAME_BYTES_MAX = 256, SCORE_TEXT_BYTES_MAX = 4096 };

/* "api", "user", "judge", "code", "human", "outcome", "deploy". */
str score_source_name(enum score_source source);
/* Also the words of others: "annotator_kind" LLM, CODE, HUMAN; "model", "app", "sdk", "ui".
 * False: unknown (a deploy is none), and *ret_source is SCORE_BY_API. */
bool score_source_of(str name, enum score_source *ret_source);
/* Of the sender's own id where there is one; else of target, name and source, so that a
 * second opinion of the same kind replaces the first. */
struct id16 score_identity(str project, const struct score *score, str sender_id);
