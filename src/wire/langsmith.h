/* langsmith.h -- LangSmith's own API: runs, alone, in batches and as multipart; feedback.
 *
 * A run is created by one object and completed by a "patch" that may come in another request,
 * before it or without it: both become parts of a span (raw_span.is_addition).  Attributes carry
 * the names that LangSmith's OpenTelemetry exporter uses (norm/dialect.def).  A run that cannot be
 * read is left out alone and counted.  Attachments are described, not kept.
 *
 * Memory:  borrows from the body; arrays and unescaped texts come from the arena.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "wire/native.h"
#include "wire/otlp.h"

enum langsmith_body {
    LANGSMITH_RUN,       /* one run object */
    LANGSMITH_RUN_PATCH, /* what changes of the run `id` */
    LANGSMITH_BATCH,     /* {"post":[run],"patch":[run]} */
    LANGSMITH_MULTIPART, /* parts post.<id>, patch.<id>, <either>.inputs, attachment.<id>.<name>,
                            ... */
    LANGSMITH_FEEDBACK,  /* one feedback object */
    LANGSMITH_FEEDBACK_PATCH, /* what changes of the feedback `id`: a score without a name */
};

struct langsmith_input {
    enum langsmith_body kind;
    str body;
    str id;           /* of the path */
    str content_type; /* of a multipart body */
    const struct otlp_limits *limits;
};

/* ERR_BAD_INPUT: no JSON, no multipart, or nothing in it can be read; ERR_LIMIT. */
MUST_CHECK enum err langsmith_decode(struct arena *arena, const struct langsmith_input *input,
                                     struct raw_batch *ret_batch, struct diag *reterr_why);
