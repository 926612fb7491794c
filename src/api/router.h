/* router.h -- from method and path to a row of routes.def.
 *
 * The table is small and static, so matching walks it; nothing is compiled or allocated.
 * HEAD is answered where GET is.  A path that exists with other methods is ERR_METHOD with
 * the text of the Allow header; anything else is ERR_NOT_FOUND.  Paths are compared
 * exactly: no trailing slash, no empty segment.
 *
 * Memory:  captured segments borrow from the path.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "auth/auth.h"
#include "base/err.h"
#include "base/str.h"

enum { ROUTE_PARAMS_MAX = 4, ROUTE_ALLOW_MAX = 64 };

struct api_job;
struct route {
    const char *method;
    const char *path;    /* with {names} */
    const char *name;    /* of the handler, for counters and logs */
    uint32_t permission; /* bits that the key must have; 0: anybody */
    bool is_stream;
    enum err (*handle)(struct api_job *job, struct diag *reterr_why); /* NULL for streams */
};

struct route_match {
    const struct route *route;
    bool is_head;                 /* answer without the body */
    str params[ROUTE_PARAMS_MAX]; /* captured, in order of the path; never empty */
    uint32_t param_count;
    char allow[ROUTE_ALLOW_MAX]; /* "GET, HEAD": written for ERR_METHOD only */
};

/* ERR_METHOD writes ret_match->allow and nothing else of it. */
MUST_CHECK enum err router_match(str method, str path, struct route_match *ret_match,
                                 struct diag *reterr_why);
/* The table, for counters and tests. */
const struct route *router_routes(size_t *ret_count);

/* The OpenAPI 3.1 document, made at build time by tools/gen_openapi.py. */
extern const char openapi_json[];
extern const size_t openapi_json_len;
