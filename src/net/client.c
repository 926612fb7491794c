/* client.c -- blocking outbound HTTP over libcurl's easy interface.
 *
 * For threads that may wait: the CLI, webhooks, judges, exporters.  One handle per client
 * keeps its connections.  The environment decides nothing (no proxy from variables, no
 * netrc), redirects are not followed, and only http and https are spoken.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "net/client.h"
#include "base/arena.h"
#include "base/check.h"
#include <curl/curl.h>

enum { CLIENT_MAGIC = 0x636c6e74, CLIENT_CONNECT_TIMEOUT_MS = 10000 };

struct client {
    uint32_t magic;
    CURL *curl;
};

/* One client_do under way. */
struct exchange {
    const struct client_request *request;
    struct buf *body;
    bool is_too_large;
    bool is_stopped;
};

struct client *client_new(void)
{
    struct client *client = xcalloc(1, sizeof *client);
    client->magic = CLIENT_MAGIC;
    client->curl = curl_easy_init();
    assert(client->curl);
    return client;
}

void client_free(struct client *client)
{
    if (!client)
        return;
    CHECK(client, CLIENT_MAGIC);
    curl_easy_cleanup(client->curl);
    client->magic = 0;
    xfree(client);
}

static size_t on_piece(char *ptr, size_t size, size_t count, void *arg)
{
    struct exchange *exchange = arg;
    size_t len = size * count;
    if (exchange->request->piece) {
        exchange->is_stopped =
            !exchange->request->piece(exchange->request->arg, str_make(ptr, len));
        return exchange->is_stopped ? CURL_WRITEFUNC_ERROR : len;
    }
    if (exchange->body) {
        buf_add(exchange->body, ptr, len);
        exchange->is_too_large = buf_failed(exchange->body);
    }
    return exchange->is_too_large ? CURL_WRITEFUNC_ERROR : len;
}

/* A header line of the answer. */
static size_t on_header(char *ptr, size_t size, size_t count, void *arg)
{
    static const str name = STR("retry-after:");
    struct exchange *exchange = arg;
    str line = str_make(ptr, size * count);
    if (str_equal_nocase(str_sub(line, 0, name.len), name)) {
        str value = str_sub(str_trim(str_from(line, name.len)), 0, CLIENT_RETRY_AFTER_BYTES - 1);
        memcpy(exchange->request->ret_retry_after, value.ptr, value.len);
        exchange->request->ret_retry_after[value.len] = '\0';
    }
    return line.len;
}

static int on_progress(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    struct exchange *exchange = arg;
    (void)down_total;
    (void)down;
    (void)up_total;
    (void)up;
    exchange->is_stopped |= exchange->request->is_stopped(exchange->request->arg);
    return exchange->is_stopped;
}

static void method_set(CURL *curl, const struct client_request *request)
{
    bool is_get = strcmp(request->method, "GET") == 0;
    if (request->body.len || !(is_get || strcmp(request->method, "HEAD") == 0)) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.ptr ? request->body.ptr : "");
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    } else if (!is_get) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    }
}

static void options_set(CURL *curl, const struct client_request *request, struct exchange *exchange)
{
    long timeout_ms = (long)(request->timeout_ns / NS_PER_MS);
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CLIENT_CONNECT_TIMEOUT_MS);
    if (request->ca_path) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, request->ca_path);
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL); /* these and no others */
    }
    if (request->timeout_ns > 0)
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, MAX(timeout_ms, 1L));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_piece);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange);
    if (request->ret_retry_after) {
        request->ret_retry_after[0] = '\0';
        curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
        curl_easy_setopt(curl, CURLOPT_HEADERDATA, exchange);
    }
    if (request->is_stopped) {
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, exchange);
    }
    method_set(curl, request);
}

static enum err failure_map(CURLcode code, const struct exchange *exchange, const char *detail,
                            struct diag *reterr_why)
{
    if (exchange->is_too_large)
        return diag_set(reterr_why, ERR_LIMIT, "the answer is larger than %zu bytes",
                        exchange->body->max_bytes);
    const char *text = detail[0] ? detail : curl_easy_strerror(code);
    switch ((int)code) {
    case CURLE_OPERATION_TIMEDOUT:
        return diag_set(reterr_why, ERR_DEADLINE, "%s", text);
    case CURLE_PEER_FAILED_VERIFICATION:
        return diag_set(reterr_why, ERR_FORBIDDEN, "%s", text);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return diag_set(reterr_why, ERR_BAD_INPUT, "%s", text);
    default:
        return diag_set(reterr_why, ERR_UNAVAILABLE, "%s", text);
    }
}

enum err client_do(struct client *client, const struct client_request *request, int *ret_status,
                   struct buf *ret_body, struct diag *reterr_why)
{
    CHECK(client, CLIENT_MAGIC);
    assert(request->method && request->url);
    CURL *curl = client->curl;
    struct exchange exchange = { .request = request, .body = ret_body };
    char detail[CURL_ERROR_SIZE] = "";
    curl_easy_reset(curl); /* keeps connections */
    options_set(curl, request, &exchange);
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    for (size_t i = 0; request->headers && request->headers[i]; i++) {
        struct curl_slist *longer = curl_slist_append(headers, request->headers[i]);
        assert(longer);
        headers = longer;
    }
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);

    CURLcode code = curl_easy_perform(curl);
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
    if (code != CURLE_OK && !exchange.is_stopped)
        return failure_map(code, &exchange, detail, reterr_why);
    if (ret_status)
        *ret_status = (int)status;
    return ERR_OK;
}
