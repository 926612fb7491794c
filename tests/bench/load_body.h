/* load_body.h -- OTLP requests that are made once and are new in every send.
 *
 * Encoding 250,000 spans a second would cost the load generator more than the
 * server.  So a request is encoded once, with a list of the places that must
 * differ: trace, span and parent ids, times, response id, token counts, the
 * user, and in content spans the prompt and the answer, which are slices of a
 * large text of random prose.  body_renew fills them in.
 *
 * Lean spans are about 480 bytes each, in traces of four: an HTTP root, a
 * retrieval, a model call, a tool.  Content spans are an agent and its model calls, 3.5 KB of
 * messages each; one text in ten has personal data.
 *
 * Memory:  a body owns its bytes; prose is shared and read-only.
 * Threads: a body belongs to one thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/buf.h"

enum { TRACE_SPANS = 4, PROMPT_BYTES = 2600, ANSWER_BYTES = 800 };

struct body_shape {
    uint32_t spans; /* per request */
    bool content;   /* 3.5 KB of messages per span */
    const char *host;
};

struct patch;
struct body {
    struct buf request; /* HTTP head and protobuf body */
    struct patch *patches;
    size_t patch_count;
    uint32_t span_count;
};

struct prose;
struct prose *prose_new(uint64_t seed);
void prose_free(struct prose *prose);

uint64_t random_next(uint64_t *state);
/* `variant` picks service, model and tools. */
void body_make(struct body *body, const struct body_shape *shape, uint32_t variant);
void body_clear(struct body *body);
/* Every span becomes one that was never sent; now_ns: when the last of them ended. */
void body_renew(struct body *body, const struct prose *prose, uint64_t *random, int64_t now_ns);
