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

struct client_request {
    const char *method; /* "GET", "POST" */
    const char *url;
    const char *const *headers; /* "name: value", NULL-terminated; may be NULL */
    const char *ca_path;        /* PEM file of trusted certificates; NULL: the system's */
    str body;
    int64_t timeout_ns;
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
