/* ingest.h -- requests that carry telemetry: from the socket to the log and back.
 *
 * A net handler per worker: the head is matched to a source and authenticated
 * before a body is read; the body goes through receive.c; the answer waits in the
 * worker's queue until the log is durable.
 *
 * Memory:  one ingest per worker; a flight per request that waits for the log.
 * Threads: the worker's loop; the log's thread only sends on the queue.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "net/net.h"
#include "pipeline/receive.h"

struct ingest;

/* Who a request is from. Texts live in the request's arena. */
struct ingest_identity {
    str project;
    str tenant; /* STR_NONE: the key is bound to none */
    str key;    /* its id */
};

struct ingest_config {
    struct receive_config receive;
    struct loop *loop;
    size_t body_bytes_max;  /* compressed or not; default 64 MiB */
    size_t plain_bytes_max; /* after decompression; default 64 MiB */
    uint32_t flights_max;   /* requests waiting for the log, per worker; default 4096 */
    enum err (*authenticate)(void *arg, struct request *request, struct ingest_identity *ret_who,
                             struct diag *reterr_why);
    void *authenticate_arg;
};

struct ingest *ingest_new(const struct ingest_config *config);
/* After the loop has stopped and the log is closed. */
void ingest_free(struct ingest *ingest);
/* Its callbacks.  head() answers ERR_NOT_FOUND without responding when the request
 * is no telemetry; the caller then asks the next handler.  The object in
 * *request_slot starts with a pointer to this handler. */
const struct net_handler *ingest_handler(struct ingest *ingest);
const struct receiver *ingest_receiver(const struct ingest *ingest);
