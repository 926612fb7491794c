/* digest.c -- digests on their way from the workers to drain.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pipeline/digest.h"
#include "base/arena.h"
#include "sys/queue.h"
#include <stdatomic.h>

enum { DIGESTS_MAX = 8192 };
#define DIGEST_BYTES_MAX (8 * MIB) /* made and not yet dropped */

struct digests {
    struct queue *queue;
    struct digest *first; /* taken from the queue */
    _Atomic bool is_wanted;
    _Atomic uint64_t bytes;
};

static size_t digest_bytes(uint32_t span_count, size_t project_len)
{
    return sizeof(struct digest) + span_count * sizeof(struct batch_span_ids) + project_len;
}

struct digests *digests_new(void)
{
    struct digests *digests = xcalloc(1, sizeof *digests);
    digests->queue = queue_new(DIGESTS_MAX);
    return digests;
}

void digest_drop(struct digests *digests, struct digest *digest)
{
    if (!digest)
        return;
    atomic_fetch_sub(&digests->bytes,
                     digest_bytes(digest->header.span_count, digest->header.project.len));
    xfree(digest);
}

void digests_free(struct digests *digests)
{
    if (!digests)
        return;
    digest_drop(digests, digests->first);
    void *message;
    while (queue_take(digests->queue, &message, 1))
        digest_drop(digests, message);
    queue_free(digests->queue);
    xfree(digests);
}

void digests_want(struct digests *digests, bool wanted)
{
    atomic_store(&digests->is_wanted, wanted);
}

struct digest *digest_make(struct digests *digests, const struct batch *batch)
{
    if (!digests || !atomic_load(&digests->is_wanted) || batch->log_count || batch->metric_count ||
        batch->score_count)
        return NULL;
    size_t bytes = digest_bytes(batch->span_count, batch->project.len);
    if (atomic_fetch_add(&digests->bytes, bytes) + bytes > DIGEST_BYTES_MAX) {
        atomic_fetch_sub(&digests->bytes, bytes);
        return NULL;
    }
    struct digest *digest = xmalloc(bytes);
    char *project = (char *)&digest->ids[batch->span_count];
    memcpy(project, batch->project.ptr, batch->project.len);
    digest->header = (struct batch_header){ .project = str_make(project, batch->project.len),
                                            .received_ns = batch->received_ns,
                                            .body_hash = batch->body_hash,
                                            .span_count = batch->span_count };
    for (uint32_t i = 0; i < batch->span_count; i++)
        digest->ids[i] =
            (struct batch_span_ids){ .trace_id = batch->spans[i].trace_id,
                                     .span_id = batch->spans[i].span_id,
                                     .has_parent = SPAN_KNOWS(&batch->spans[i], parent_span_id),
                                     .is_open = span_is_open(&batch->spans[i]) };
    return digest;
}

void digest_send(struct digests *digests, struct digest *digest)
{
    if (!queue_send(digests->queue, digest))
        digest_drop(digests, digest);
}

const struct digest *digest_next(struct digests *digests, uint64_t sequence)
{
    while (!digests->first || digests->first->sequence < sequence) {
        void *message;
        digest_drop(digests, digests->first);
        digests->first = NULL;
        if (queue_take(digests->queue, &message, 1) == 0)
            return NULL;
        digests->first = message;
    }
    return digests->first->sequence == sequence ? digests->first : NULL;
}
