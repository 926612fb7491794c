/* cli_http.c -- questions to a server, and its refusals in words.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "cli/cli_int.h"
#include "net/client.h"
#include "sys/crypt.h"
#include "sys/file.h"
#include <stdio.h>
#include <stdlib.h>

enum { KEY_FILE_BYTES_MAX = 4096, URL_BYTES_MAX = 64 * 1024, TIMEOUT_S = 30 };

const char *cli_server(const struct cli_call *call)
{
    const char *url = call->options.server ? call->options.server : getenv("TELLTALE_SERVER");
    return url && url[0] ? url : "http://127.0.0.1:4320";
}

static str server_base(const struct cli_call *call)
{
    str base = str_from_c(cli_server(call));
    while (base.len && base.ptr[base.len - 1] == '/')
        base.len--;
    return base;
}

void cli_add_encoded(struct buf *path, str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || (c && strchr("-._~", c));
        if (is_plain)
            buf_add_char(path, c);
        else
            buf_printf(path, "%%%02X", (unsigned)(unsigned char)c);
    }
}

void cli_query_add(struct buf *path, const char *name, const char *value)
{
    if (!value)
        return;
    bool is_first = str_find_char(buf_str(path), '?') == path->len;
    buf_printf(path, "%c%s=", is_first ? '?' : '&', name);
    cli_add_encoded(path, str_from_c(value));
}

/* "authorization: Bearer ..."; NULL when no key is given. */
static enum err key_header(struct cli_call *call, struct arena *arena, const char **ret_header,
                           struct diag *why)
{
    struct buf text;
    buf_init(&text, KEY_FILE_BYTES_MAX);
    enum err err = ERR_OK;
    if (call->options.key_file)
        err = file_read(call->options.key_file, &text, why);
    else if (getenv("TELLTALE_KEY"))
        buf_add_c(&text, getenv("TELLTALE_KEY"));
    str key = str_trim(buf_str(&text));
    for (size_t i = 0; i < key.len && !err; i++)
        if (key.ptr[i] <= ' ' || key.ptr[i] > '~')
            err = diag_set(why, ERR_BAD_INPUT, "the API key has characters that no key has");
    *ret_header = NULL;
    if (!err && key.len)
        *ret_header = arena_printf(arena, "authorization: Bearer %.*s", STR_ARG(key)).ptr;
    crypt_wipe(text.ptr, text.len);
    buf_clear(&text);
    return err;
}

/* Checked here: libcurl's complaint would name no file. */
static enum err ca_file(const struct cli_call *call, const char **ret_path, struct diag *why)
{
    const char *path = call->options.ca_file ? call->options.ca_file : getenv("TELLTALE_CA_FILE");
    *ret_path = path && path[0] ? path : NULL;
    if (!*ret_path || file_exists(path))
        return ERR_OK;
    return diag_set(why, ERR_NOT_FOUND, "there is no file of certificates %.180s", path);
}

/* A header takes one line of visible ASCII. */
static const char *reason_header(struct arena *arena, const char *reason)
{
    if (!reason)
        return NULL;
    str copy = arena_printf(arena, "x-telltale-reason: %s", reason);
    char *at = arena_alloc(arena, copy.len + 1);
    assert(copy.ptr && at);
    for (size_t i = 0; i < copy.len; i++)
        at[i] = copy.ptr[i] >= ' ' && copy.ptr[i] <= '~' ? copy.ptr[i] : '?';
    at[copy.len] = '\0';
    return at;
}

static enum err explain(const struct cli_call *call, enum err err, struct diag *why)
{
    char detail[DIAG_TEXT_MAX];
    str base = str_sub(server_base(call), 0, 100);
    if (!err || !why)
        return err;
    memcpy(detail, why->text, sizeof detail);
    if (err == ERR_UNAVAILABLE) {
        diag_set(why, err, "no server at %.*s (%.120s)", STR_ARG(base), detail);
        diag_hint(why, "start it with ./run or `telltale serve`, or name another by --server=URL "
                       "or TELLTALE_SERVER");
    } else if (err == ERR_DEADLINE) {
        diag_set(why, err, "%.*s does not answer (%.120s)", STR_ARG(base), detail);
        diag_hint(why, "is it Telltale, and on this port? a shorter range (--from) asks for less");
    } else if (err == ERR_FORBIDDEN) {
        diag_set(why, err, "the certificate of %.*s is not trusted (%.120s)", STR_ARG(base),
                 detail);
        diag_hint(why, "give it, or who signed it, by --ca-file=PATH or TELLTALE_CA_FILE");
    } else if (err == ERR_BAD_INPUT) {
        diag_set(why, err, "--server=%.*s: %.120s", STR_ARG(base), detail);
        diag_hint(why, "write it as http://127.0.0.1:4320");
    }
    return err;
}

static int64_t retry_after_ns(str value)
{
    int64_t seconds;
    return str_to_i64(str_trim(value), &seconds) && seconds > 0 ? seconds * NS_PER_S : 0;
}

static enum err exchange(struct cli_call *call, struct arena *arena, const struct cli_get *get,
                         int *ret_status, struct buf *ret_body, struct diag *reterr_why)
{
    const char *headers[4] = { NULL, NULL, NULL, NULL };
    bool is_post = !str_is_empty(get->body);
    const char *ca_path = NULL;
    enum err err = key_header(call, arena, &headers[0], reterr_why);
    if (!err)
        err = ca_file(call, &ca_path, reterr_why);
    if (err)
        return err;
    size_t count = headers[0] ? 1 : 0;
    headers[count] = reason_header(arena, get->reason);
    count += headers[count] != NULL;
    if (is_post && get->content_type)
        headers[count] = arena_printf(arena, "content-type: %s", get->content_type).ptr;
    else if (is_post)
        headers[count] =
            get->is_json ? "content-type: application/json" : "content-type: text/plain";
    if (!call->client)
        call->client = client_new();
    str url = arena_printf(arena, "%.*s%s", STR_ARG(server_base(call)), get->path);
    assert(url.ptr && url.len < (size_t)URL_BYTES_MAX * 4);
    int64_t timeout_ns = get->timeout_ns ? get->timeout_ns : TIMEOUT_S * NS_PER_S;
    char retry_after[CLIENT_RETRY_AFTER_BYTES] = "";
    struct client_request request = { .method = is_post ? "POST" : "GET",
                                      .url = url.ptr,
                                      .headers = headers,
                                      .ca_path = ca_path,
                                      .body = get->body,
                                      .timeout_ns = MAX(timeout_ns, (int64_t)0),
                                      .piece = get->piece,
                                      .is_stopped = get->is_stopped,
                                      .arg = get->arg,
                                      .ret_retry_after = retry_after };
    err = client_do(call->client, &request, ret_status, ret_body, reterr_why);
    if (get->ret_retry_after_ns)
        *get->ret_retry_after_ns = retry_after_ns(str_from_c(retry_after));
    return explain(call, err, reterr_why);
}

enum err cli_http_get(struct cli_call *call, const struct cli_get *get, int *ret_status,
                      struct buf *ret_body, struct diag *reterr_why)
{
    struct arena arena; /* its own: some commands ask a million times */
    arena_init(&arena, MIB);
    enum err err = exchange(call, &arena, get, ret_status, ret_body, reterr_why);
    arena_clear(&arena);
    return err;
}

static enum err code_of_status(int status)
{
    switch (status) {
    case 400:
        return ERR_BAD_INPUT;
    case 401:
        return ERR_UNAUTHENTICATED;
    case 403:
        return ERR_FORBIDDEN;
    case 404:
        return ERR_NOT_FOUND;
    default:
        return ERR_UNAVAILABLE;
    }
}

enum err cli_http_problem(struct cli_call *call, int status, str body, struct diag *reterr_why)
{
    struct value answer = { 0 };
    enum err code = code_of_status(status);
    bool is_json = cli_json_parse(&call->arena, body, &answer, NULL) == ERR_OK;
    const struct value *error = is_json ? cli_member(&answer, "error") : NULL;
    str message = cli_member_str(error, "message"), hint = cli_member_str(error, "hint");
    if (str_is_empty(message)) {
        diag_set(reterr_why, code, "%s answered HTTP %d: is it a Telltale server?",
                 cli_server(call), status);
        return code;
    }
    diag_set(reterr_why, code, "%.*s", STR_ARG(str_sub(message, 0, DIAG_TEXT_MAX - 1)));
    if (status == 401)
        diag_hint(reterr_why, "give the API key by --key-file=PATH or TELLTALE_KEY; "
                              "`telltale key create` makes one");
    else if (status == 403 && str_is_empty(hint))
        diag_hint(reterr_why, "`telltale key create --permissions=...` makes a key that has it");
    else if (!str_is_empty(hint))
        diag_hint(reterr_why, "%.*s", STR_ARG(str_sub(hint, 0, DIAG_HINT_MAX - 1)));
    return code;
}

int cli_ask(struct cli_call *call, const char *path, struct value *ret_value)
{
    struct diag why = DIAG_NONE;
    struct buf body;
    int status = 0;
    buf_init(&body, CLI_BODY_BYTES_MAX);
    enum err err = cli_http_get(call, &(struct cli_get){ .path = path }, &status, &body, &why);
    if (!err && status != 200)
        err = cli_http_problem(call, status, buf_str(&body), &why);
    *ret_value = (struct value){ .type = VALUE_NULL };
    if (!err && call->options.json)
        cli_print_json(call, buf_str(&body));
    if (!err) {
        str kept = arena_str(&call->arena, buf_str(&body)); /* the tree borrows from it */
        err = str_is_none(kept) ? ERR_LIMIT : cli_json_parse(&call->arena, kept, ret_value, &why);
    }
    buf_clear(&body);
    return err ? cli_fail(err, &why) : CLI_OK;
}
