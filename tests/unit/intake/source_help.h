/* source_help.h -- what is asked of a vendor's source, and its answers.
 *
 * Memory:  request_help.h.
 * Threads: one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "intake/intake.h"
#include "request_help.h"

static struct intake_route route;
static struct diag why;

static inline int source_setup(void **state)
{
    why = DIAG_NONE;
    return request_setup(state);
}

/* What the source of that path says of a request of that content type (NULL: none). */
static inline enum err asked(const char *method, const char *path, const char *type)
{
    head_is(method, path);
    if (type)
        header_is("content-type", type);
    return intake_match(&request.head, &route, &why);
}

/* The body of its answer. */
static inline str answered(enum err err)
{
    struct intake_answer outcome = { .err = err, .why = err ? &why : NULL };
    route.source->answer(&request, &route, &outcome);
    return request.response.body;
}
