/* objects_int.h -- what a kind of object store has to do, and the S3 parts that tests reach.
 *
 * Memory:  texts borrow from the configuration.
 * Threads: as objects.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "content/objects.h"

struct objects_ops {
    const char *scheme; /* "s3://" */
    enum err (*open)(const struct objects_config *config, void **ret_state, struct diag *why);
    void (*close)(void *state);
    enum err (*put)(void *state, const char *name, const struct object_body *body,
                    struct diag *why);
    /* Range as in objects_get; *ret_bytes went to the sink. */
    enum err (*get)(void *state, const char *name, struct object_range range,
                    const struct object_sink *sink, struct diag *why);
    enum err (*remove)(void *state, const char *name, struct diag *why);
};
extern const struct objects_ops objects_s3, objects_file;

/* objects_s3.c */
struct s3_credentials {
    char key_id[256], secret[256], token[4096]; /* token: "" when there is none */
};
/* The profile "default" of a file as AWS's tools have it: lines of NAME = VALUE. */
MUST_CHECK enum err s3_credentials_parse(str text, struct s3_credentials *ret_credentials,
                                         struct diag *reterr_why);
/* What <Code> says in the XML of a refusal; none when there is no such thing. */
str s3_error_code(str xml);
