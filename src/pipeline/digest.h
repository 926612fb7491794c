/* digest.h -- what drain must know of a log record until its traces settle, without reading it.
 *
 * When drain is behind it reads each record twice: for the ids of its spans, and again when
 * their traces settle.  The worker that wrote the record knows the ids: it sends them along,
 * and drain reads once.  A digest may be missing (drain was not behind then, or too much
 * waited): then drain reads the record.
 *
 * Memory:  a digest is one block, owned by who holds it; what waits is bounded.
 * Threads: digest_make on any worker, digest_send on the log's thread (in the order of the
 *          log), digest_next on drain's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "model/record.h"
#include "wal/wal.h"

struct digest {
    uint64_t sequence;
    struct wal_position position;
    struct batch_header header; /* its project is part of the block */
    struct batch_span_ids ids[];
};

struct digests;
struct digests *digests_new(void);
void digests_free(struct digests *digests);
/* Is drain behind?  Until it says so, digest_make gives none. */
void digests_want(struct digests *digests, bool wanted);
/* Of a batch of spans only; NULL: it is not wanted, or too much waits. */
struct digest *digest_make(struct digests *digests, const struct batch *batch);
/* Takes the digest.  It is dropped when too much waits. */
void digest_send(struct digests *digests, struct digest *digest);
void digest_drop(struct digests *digests, struct digest *digest); /* NULL: nothing */
/* That of the record `sequence`, NULL when there is none; borrowed until the next call.
 * Those of earlier records are dropped. */
const struct digest *digest_next(struct digests *digests, uint64_t sequence);
