/* assets.c -- the web UI's files, embedded in the binary at build time.
 *
 * Any GET path that is no route and has no file extension is the app's own
 * (/traces/…): it gets index.html, and the app reads the URL.  Everything is served
 * under a strict Content-Security-Policy: no inline script, no other origin.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "api/api_int.h"
#include "api/asset.h"
#include "base/check.h"

static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static const struct asset *find_asset(str path)
{
    for (size_t i = 0; i < asset_count; i++)
        if (str_equal_c(path, asset_table[i].path))
            return &asset_table[i];
    return NULL;
}

static bool is_app_path(str path)
{
    for (size_t i = path.len; i > 0 && path.ptr[i - 1] != '/'; i--)
        if (path.ptr[i - 1] == '.')
            return false;
    return !str_starts(path, STR_OF("/api/")) && !str_starts(path, STR_OF("/v1/"));
}

static void add_header(struct response *response, const char *name, const char *value)
{
    assert(response->extra_count < COUNT_OF(response->extra));
    response->extra[response->extra_count++] =
        (struct header){ str_from_c(name), str_from_c(value) };
}

enum err api_serve_asset(struct request *request)
{
    const struct request_head *head = request_head(request);
    if (!str_equal_c(head->method, "GET") && !str_equal_c(head->method, "HEAD"))
        return ERR_NOT_FOUND;
    const struct asset *asset = find_asset(head->path);
    if (!asset && is_app_path(head->path))
        asset = find_asset(STR_OF("/index.html"));
    if (!asset)
        return ERR_NOT_FOUND;
    struct response response = { .status = 200, .grpc_status = -1 };
    response.content_type = str_from_c(asset->content_type);
    response.body = str_make((const char *)asset->bytes, asset->len);
    bool hashed = str_starts(str_from_c(asset->path), STR_OF("/assets/"));
    add_header(&response, "cache-control",
               hashed ? "public, max-age=31536000, immutable" : "no-cache");
    add_header(&response, "content-security-policy", policy);
    add_header(&response, "x-content-type-options", "nosniff");
    add_header(&response, "referrer-policy", "no-referrer");
    request_respond(request, &response);
    return ERR_OK;
}
