/* client.h -- outbound HTTP, blocking, for the CLI and background threads (libcurl).
 *
 * Memory:  the answer's body is appended to the caller's buf (its maximum is the limit).
 * Threads: a client belongs to one thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/buf.h"
#include "base/err.h"

enum { CLIENT_RETRY_AFTER_BYTES = 32 };

struct client;
struct client *client_new(void);
void client_free(struct client *client);

/* AWS Signature Version 4, by which S3-compatible stores know who asks. */
struct client_signature {
    const char *region, *service; /* "eu-central-1", "s3" */
    const char *key_id, *secret;
};

/* A body that is read while it is sent, in place of client_request.body; maybe from 0 again. */
struct client_upload {
    bool (*read)(void *arg, uint64_t offset, char *ret_bytes, size_t len); /* false: give up */
    void *arg;
    uint64_t bytes; /* at least 1 */
};

struct client_request {
    const char *method; /* "GET", "POST" */
    const char *url;
    const char *const *headers; /* "name: value", NULL-terminated; may be NULL */
    const char *ca_path;        /* PEM file of trusted certificates; NULL: the system's */
    str body;
    const struct client_upload *upload;       /* NULL: none */
    const struct client_signature *signature; /* NULL: not signed */
    int64_t timeout_ns;                       /* of the whole; 0: none */
    int64_t stall_ns;  /* ends when less than 1 KiB/s went for so long; 0: never */
    bool errors_apart; /* the body of an answer of 300 and more is collected, not given to piece */
    /* For streams (SSE): called with each piece instead of collecting; false stops. */
    bool (*piece)(void *arg, str bytes);
    /* Asked at least once a second, and when a signal came: true ends the exchange as a
     * piece that returned false does.  May be NULL. */
    bool (*is_stopped)(void *arg);
    void *arg;
    char *ret_retry_after; /* CLIENT_RETRY_AFTER_BYTES: the answer's header, cut; may be NULL */
};
/* ERR_FORBIDDEN: the server's certificate is not trusted. */
MUST_CHECK enum err client_do(struct client *client, const struct client_request *request,
                              int *ret_status, struct buf *ret_body, struct diag *reterr_why);
