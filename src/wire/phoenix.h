/* phoenix.h -- Phoenix's own API: spans as JSON, annotations and notes.
 *
 * Spans carry OpenInference attributes already, so they become raw spans as they are, with the
 * project of the path as resource attribute openinference.project.name.  An annotation becomes
 * a score: the same name, target and identifier again replace it.  A note is a score with a
 * comment and no value; notes of one target stand beside each other.
 *
 * As Phoenix does, a request with a bad item is answered with an error that names each; unlike
 * there, the others are kept, so that sending all again is harmless and not needed.
 *
 * Memory:  everything comes from the arena; texts borrow from the body.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "wire/otlp.h"

enum phoenix_list {
    PHOENIX_SPANS,
    PHOENIX_SPAN_ANNOTATIONS,
    PHOENIX_TRACE_ANNOTATIONS,
    PHOENIX_SESSION_ANNOTATIONS,
    PHOENIX_DOCUMENT_ANNOTATIONS,
    PHOENIX_SPAN_NOTES,
    PHOENIX_TRACE_NOTES,
    PHOENIX_SESSION_NOTES,
};

struct phoenix_body {
    enum phoenix_list list;
    str project; /* of spans */
    str bytes;
    const struct otlp_limits *limits;
};

/* ERR_BAD_INPUT, ERR_LIMIT. */
MUST_CHECK enum err phoenix_decode(struct arena *arena, const struct phoenix_body *body,
                                   struct raw_batch *ret_batch, struct diag *reterr_why);
