/* request_help.h -- requests that need no network, for tests of sources.
 *
 * The functions of net/ that a source calls are written here: a request is what a test says it
 * is, and what was answered stays in it.  Include it in one file of a program.
 *
 * Memory:  texts of the response are in the request's arena.
 * Threads: one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/arena.h"
#include "net/net.h"
#include "unit.h"

enum { HELP_HEADERS_MAX = 8 };

struct request {
    struct request_head head;
    struct header headers[HELP_HEADERS_MAX];
    struct arena arena;
    struct response response;
};

static struct request request;

str request_header(const struct request_head *head, str name_lower)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (str_equal(head->headers[i].name, name_lower))
            return head->headers[i].value;
    return STR_NONE;
}

const struct request_head *request_head(const struct request *of)
{
    return &of->head;
}

struct arena *request_arena(struct request *of)
{
    return &of->arena;
}

void request_respond(struct request *of, const struct response *response)
{
    of->response = *response;
    of->response.body = arena_str(&of->arena, response->body);
    of->response.grpc_message = arena_str(&of->arena, response->grpc_message);
    of->response.grpc_details = arena_str(&of->arena, response->grpc_details);
    for (size_t i = 0; i < response->extra_count; i++)
        of->response.extra[i].value = arena_str(&of->arena, response->extra[i].value);
}

static inline int request_setup(void **state)
{
    (void)state;
    memset(&request, 0, sizeof request);
    arena_init(&request.arena, MIB);
    return 0;
}

static inline int request_teardown(void **state)
{
    (void)state;
    arena_clear(&request.arena);
    return 0;
}

static inline void head_is(const char *method, const char *path)
{
    request.head = (struct request_head){ .method = str_from_c(method),
                                          .path = str_from_c(path),
                                          .headers = request.headers };
}

static inline void header_is(const char *name, const char *value)
{
    request.headers[request.head.header_count++] =
        (struct header){ str_from_c(name), str_from_c(value) };
}

/* A header of the response; STR_NONE: it has none of that name. */
static inline str said(const char *name)
{
    for (size_t i = 0; i < request.response.extra_count; i++)
        if (str_equal_c(request.response.extra[i].name, name))
            return request.response.extra[i].value;
    return STR_NONE;
}
