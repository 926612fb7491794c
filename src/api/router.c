/* router.c -- segment by segment against routes.def.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "api/router.h"
#include "base/check.h"
#include <stdio.h>

#define ROUTE(method, path, handler, permission, answer, params, summary)                          \
    enum err api_##handler(struct api_job *job, struct diag *reterr_why);
#define STREAM(method, path, handler, permission, answer, params, summary)
#include "api/routes.def"
#undef ROUTE
#undef STREAM

static const struct route routes[] = {
#define ROUTE(method, path, handler, permission, answer, params, summary)                          \
    { #method, path, #handler, AUTH_##permission, false, api_##handler },
#define STREAM(method, path, handler, permission, answer, params, summary)                         \
    { #method, path, #handler, AUTH_##permission, true, NULL },
#include "api/routes.def"
#undef ROUTE
#undef STREAM
};

/* Segments equal, or captured; *ret_literals counts the equal ones.  {name*} captures what is left,
 * slashes included: ids of applications have them. */
static bool path_matches(str pattern, str path, struct route_match *match, unsigned *ret_literals)
{
    str want, have;
    *ret_literals = 0;
    match->param_count = 0;
    while (!str_is_none(pattern) && !str_is_none(path)) {
        if (!str_next(&pattern, '/', &want) || !str_next(&path, '/', &have))
            return false;
        bool is_capture = want.len > 2 && want.ptr[0] == '{';
        if (is_capture) {
            if (str_is_empty(have))
                return false;
            assert(match->param_count < ROUTE_PARAMS_MAX);
            if (want.ptr[want.len - 2] == '*') {
                have = str_make(have.ptr, have.len + (str_is_none(path) ? 0 : 1 + path.len));
                path = STR_NONE;
            }
            match->params[match->param_count++] = have;
        } else if (str_equal(want, have)) {
            ++*ret_literals;
        } else {
            return false;
        }
    }
    return str_is_none(pattern) && str_is_none(path);
}

/* "GET, HEAD"; a method once. */
static void allow_add(char allow[ROUTE_ALLOW_MAX], str method)
{
    size_t len = strlen(allow);
    if (str_find(str_make(allow, len), method) < len)
        return;
    bool is_get = str_equal_c(method, "GET");
    int added = snprintf(allow + len, ROUTE_ALLOW_MAX - len, "%s%.*s%s", len ? ", " : "",
                         STR_ARG(method), is_get ? ", HEAD" : "");
    assert(added > 0 && len + (size_t)added < ROUTE_ALLOW_MAX);
}

enum err router_match(str method, str path, struct route_match *ret_match, struct diag *reterr_why)
{
    assert(ret_match);
    char allow[ROUTE_ALLOW_MAX] = "";
    bool is_head = str_equal_c(method, "HEAD");
    bool found = false;
    unsigned best_literals = 0;
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        struct route_match match = { .route = &routes[i], .is_head = is_head };
        unsigned literals;
        if (!path_matches(str_from_c(routes[i].path), path, &match, &literals))
            continue;
        allow_add(allow, str_from_c(routes[i].method));
        bool is_get = strcmp(routes[i].method, "GET") == 0;
        bool is_method = str_equal_c(method, routes[i].method) || (is_head && is_get);
        if (!is_method || (found && literals <= best_literals))
            continue;
        found = true;
        best_literals = literals;
        *ret_match = match;
    }
    if (found)
        return ERR_OK;
    if (allow[0] == '\0')
        return diag_set(reterr_why, ERR_NOT_FOUND, "there is nothing at this path");
    memcpy(ret_match->allow, allow, sizeof allow);
    return diag_set(reterr_why, ERR_METHOD, "this path allows %s", allow);
}

const struct route *router_routes(size_t *ret_count)
{
    *ret_count = COUNT_OF(routes);
    return routes;
}
