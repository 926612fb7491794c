/* receive.h -- the write path: a request's body to a durable log record.
 *
 * decode -> norm -> price -> redact -> encode -> encrypt -> log, in this order
 * and nowhere else.  Everything happens on the worker's thread; the answer waits
 * for the log's fdatasync.
 *
 * Memory:  a receiver per worker, with an arena reset per request and some memory of
 *          records, which outlives its tickets in flight; a ticket per
 *          request in flight, owned by the caller until receive_take succeeded and
 *          again from the moment its `done` ran.
 * Threads: a receiver belongs to one worker; `done` runs on the log's thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/err.h"
#include "intake/intake.h"
#include "keys/keys.h"
#include "norm/pin.h"
#include "norm/unmapped.h"
#include "pipeline/digest.h"
#include "pipeline/policy.h"
#include "price/price.h"
#include "redact/redact.h"
#include "wal/wal.h"
#include "wire/otlp.h"

struct receive_config {
    struct wal *wal;
    struct keystore *keystore;
    struct digests *digests; /* for a drain that is behind; may be NULL */
    struct price_table *prices;
    const struct pins_place *pins; /* who is read by which mapping; NULL: all by ours alone */
    struct policy *tenants;        /* what a sender may; NULL: all that `limits` allow */
    const struct redactor *redactor;
    struct redact_policy policy;
    struct otlp_limits limits;
    size_t arena_bytes_max;        /* memory one request may take once decoded; default 256 MiB */
    uint32_t attr_value_bytes_max; /* longer attribute texts are content; default 1024 */
};

struct receive_input {
    const struct source_ops *source; /* its decode() */
    struct intake_body body;         /* decompressed; limits are the receiver's */
    str project;
    str tenant;                         /* of a tenant-bound key; STR_NONE: as sent */
    const struct policy_limits *sender; /* with a policy */
};

struct receive_ticket {
    struct wal_entry entry; /* entry.result and entry.done are the log's */
    struct receiver *receiver;
    struct digest *digest; /* on its way to drain, or NULL */
    uint32_t rejected_count;
    char rejected_why[200];
    int reply_status; /* see raw_batch; 0: none was prepared */
    char *reply;      /* xmalloc'd, the caller's to free; may be NULL */
    size_t reply_len;
    void (*done)(struct receive_ticket *ticket); /* on the log's thread */
    void *arg;
};

struct receive_stats { /* since start; in = stored + rejected, per kind of item */
    uint64_t requests, bytes, spans_in, logs_in, metrics_in, rejected, spans_out, logs_out,
        metrics_out, scores_in, scores_out, redactions, failed_requests, retagged_spans,
        unmapped_attrs;
};

struct receiver;
struct receiver *receiver_new(const struct receive_config *config);
void receiver_free(struct receiver *receiver);
/* ERR_OK with *ret_in_flight: ticket->done will run.  ERR_OK without: nothing to
 * store (an empty request); answer at once.  Else the request failed whole. */
MUST_CHECK enum err receive_take(struct receiver *receiver, const struct receive_input *input,
                                 struct receive_ticket *ticket, bool *ret_in_flight,
                                 struct diag *reterr_why);
void receive_stats(const struct receiver *receiver, struct receive_stats *ret_stats);
/* Attribute names that no row knows: to be read on any thread while the receiver lives. */
const struct unmapped *receiver_unmapped(const struct receiver *receiver);
