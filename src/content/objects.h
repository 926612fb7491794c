/* objects.h -- files of ours elsewhere: in an S3-compatible object store, or in a folder that
 * is mounted (struct objects_ops has one row for each).
 *
 * An object has a name, is written whole and never changed.  Nothing is kept open between
 * calls but connections; each call has its own time limit.
 *
 * Memory:  names and bodies borrow for the call.
 * Threads: a struct objects belongs to one thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include "sys/crypt.h"

enum objects_style { OBJECTS_STYLE_AUTO, OBJECTS_STYLE_ON, OBJECTS_STYLE_OFF };

/* The texts must outlive who uses them. */
struct objects_config {
    const char *url;               /* s3://BUCKET/PREFIX or file:///PATH */
    const char *endpoint;          /* https://HOST[:PORT]; NULL: Amazon's of the region */
    const char *region;            /* NULL: us-east-1 */
    enum objects_style path_style; /* bucket in the path; AUTO: where an endpoint is named */
    const char *credentials_path;  /* as AWS's tools have it; NULL: the environment */
    const char *ca_path;           /* PEM file; NULL: the system's */
    int64_t timeout_ns;            /* of an answer, and of a transfer that makes no progress */
    bool (*is_stopped)(void *arg); /* asked once a second: true ends a call; NULL: never */
    void *is_stopped_arg;
};
enum { OBJECT_NAME_MAX = 128, OBJECTS_URL_MAX = 1000 };

struct object_body {
    bool (*read)(void *arg, uint64_t offset, char *ret_bytes, size_t len);
    void *arg;
    uint64_t bytes;
    uint8_t sha256[CRYPT_SHA256_BYTES];
};
struct object_range {
    uint64_t offset, bytes; /* 0 bytes: the whole object */
};
struct object_sink {
    bool (*piece)(void *arg, str bytes); /* false: enough */
    void *arg;
};

struct objects;
/* Says what is wrong with the configuration (ERR_BAD_INPUT); talks to nobody. */
MUST_CHECK enum err objects_open(const struct objects_config *config, struct objects **ret_objects,
                                 struct diag *reterr_why);
void objects_close(struct objects *objects);
/* For each: ERR_UNAVAILABLE, it cannot be reached, refuses us or takes too long: try later. */
MUST_CHECK enum err objects_put(struct objects *objects, const char *name,
                                const struct object_body *body, struct diag *reterr_why);
/* ERR_NOT_FOUND: no such object; ERR_CORRUPT: it ends before the range does. */
MUST_CHECK enum err objects_get(struct objects *objects, const char *name,
                                struct object_range range, struct object_sink sink,
                                struct diag *reterr_why);
/* One that is not there is removed, too. */
MUST_CHECK enum err objects_remove(struct objects *objects, const char *name,
                                   struct diag *reterr_why);
