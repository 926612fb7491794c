/* objects_s3.c -- an S3-compatible object store: PUT, GET of a range, DELETE, signed by version 4.
 *
 * Three requests are all that is used, without a query string, so that any store that calls
 * itself compatible has them: objects are smaller than the 5 GiB that one PUT takes.  A PUT
 * carries the SHA-256 of what is to arrive (signed, so a store checks it).  Credentials are
 * read anew for each request, as files of temporary ones change, and wiped after it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "base/text.h"
#include "content/objects_int.h"
#include "net/client.h"
#include "sys/file.h"
#include <stdio.h>
#include <stdlib.h>

enum {
    BASE_BYTES_MAX = 1200,
    REFUSAL_BYTES_MAX = 16 * 1024, /* of the XML that says why */
    CREDENTIALS_BYTES_MAX = 64 * 1024,
    BUCKET_LEN_MIN = 3,
    BUCKET_LEN_MAX = 63, /* S3's rules for names of buckets */
};
/* SHA-256 of nothing: what a request without a body says of it. */
static const char sha256_of_nothing[] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

struct s3 {
    const struct objects_config *config;
    struct client *client;
    char base[BASE_BYTES_MAX]; /* URL up to and with the slash before the name */
};

/* ---- configuration ---- */

static bool is_made_of(str text, const char *others)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_plain && str_find_char(str_from_c(others), c) == strlen(others))
            return false;
    }
    return true;
}

static enum err url_split(const char *url, str *ret_bucket, str *ret_prefix, struct diag *why)
{
    str rest = str_from(str_from_c(url), strlen(objects_s3.scheme));
    size_t slash = str_find_char(rest, '/');
    *ret_bucket = str_sub(rest, 0, slash);
    *ret_prefix = slash < rest.len ? str_from(rest, slash + 1) : STR_OF("");
    while (ret_prefix->len && ret_prefix->ptr[ret_prefix->len - 1] == '/')
        ret_prefix->len--;
    if (ret_bucket->len < BUCKET_LEN_MIN || ret_bucket->len > BUCKET_LEN_MAX ||
        !is_made_of(*ret_bucket, ".-"))
        return diag_set(why, ERR_BAD_INPUT,
                        "content.external_url: a bucket's name has %d to %d letters, digits, . "
                        "and -",
                        BUCKET_LEN_MIN, BUCKET_LEN_MAX);
    if (rest.len > OBJECTS_URL_MAX || !is_made_of(*ret_prefix, "._-/") ||
        str_find(*ret_prefix, STR_OF("//")) < ret_prefix->len ||
        str_starts(*ret_prefix, STR_OF("/")))
        return diag_set(why, ERR_BAD_INPUT,
                        "content.external_url: a prefix is made of letters, digits, . _ - and "
                        "single slashes");
    return ERR_OK;
}

static enum err endpoint_split(const char *endpoint, str *ret_scheme, str *ret_host,
                               struct diag *why)
{
    str text = str_from_c(endpoint);
    bool is_http = str_starts(text, STR_OF("http://"));
    *ret_scheme = is_http ? STR_OF("http://") : STR_OF("https://");
    *ret_host = str_starts(text, *ret_scheme) ? str_from(text, ret_scheme->len) : STR_NONE;
    if (ret_host->len && ret_host->ptr[ret_host->len - 1] == '/')
        ret_host->len--;
    if (ret_host->len == 0 || ret_host->len > 255 || !is_made_of(*ret_host, ".-:[]_"))
        return diag_set(why, ERR_BAD_INPUT,
                        "content.external_endpoint=%.80s is not https://HOST or https://HOST:PORT",
                        endpoint);
    return ERR_OK;
}

static const char *region_of(const struct objects_config *config)
{
    return config->region && config->region[0] ? config->region : "us-east-1";
}

static enum err base_make(struct s3 *s3, struct diag *why)
{
    const struct objects_config *config = s3->config;
    str bucket, prefix, scheme, host;
    char amazon[256];
    bool is_amazon = !config->endpoint || !config->endpoint[0];
    if (strlen(region_of(config)) > 40 || !is_made_of(str_from_c(region_of(config)), "-"))
        return diag_set(why, ERR_BAD_INPUT, "content.external_region is not a region's name");
    snprintf(amazon, sizeof amazon, "https://s3.%s.amazonaws.com", region_of(config));
    enum err err = url_split(config->url, &bucket, &prefix, why);
    if (!err)
        err = endpoint_split(is_amazon ? amazon : config->endpoint, &scheme, &host, why);
    if (err)
        return err;
    bool in_path = config->path_style == OBJECTS_STYLE_ON ||
                   (config->path_style == OBJECTS_STYLE_AUTO && !is_amazon);
    const char *slash = prefix.len ? "/" : "";
    if (in_path)
        snprintf(s3->base, sizeof s3->base, "%.*s%.*s/%.*s/%.*s%s", STR_ARG(scheme), STR_ARG(host),
                 STR_ARG(bucket), STR_ARG(prefix), slash);
    else
        snprintf(s3->base, sizeof s3->base, "%.*s%.*s.%.*s/%.*s%s", STR_ARG(scheme),
                 STR_ARG(bucket), STR_ARG(host), STR_ARG(prefix), slash);
    return ERR_OK;
}

/* ---- credentials ---- */

static bool keep(char *to, size_t size, str value)
{
    if (value.len == 0 || value.len >= size)
        return false;
    memcpy(to, value.ptr, value.len);
    to[value.len] = '\0';
    return true;
}

static bool is_missing(const struct s3_credentials *credentials)
{
    return !credentials->key_id[0] || !credentials->secret[0];
}

enum err s3_credentials_parse(str text, struct s3_credentials *ret_credentials,
                              struct diag *reterr_why)
{
    struct s3_credentials credentials = { 0 };
    bool is_ours = true, fits = true; /* before the first [profile], too */
    for (str line; str_next(&text, '\n', &line);) {
        line = str_trim(line);
        if (line.len && line.ptr[0] == '[')
            is_ours = str_equal_c(line, "[default]");
        size_t equals = str_find_char(line, '=');
        if (!is_ours || equals == line.len || line.ptr[0] == '#')
            continue;
        str name = str_trim(str_sub(line, 0, equals)), value = str_trim(str_from(line, equals + 1));
        if (str_equal_c(name, "aws_access_key_id"))
            fits &= keep(credentials.key_id, sizeof credentials.key_id, value);
        else if (str_equal_c(name, "aws_secret_access_key"))
            fits &= keep(credentials.secret, sizeof credentials.secret, value);
        else if (str_equal_c(name, "aws_session_token"))
            fits &= keep(credentials.token, sizeof credentials.token, value);
    }
    bool is_good = fits && !is_missing(&credentials);
    if (is_good)
        *ret_credentials = credentials;
    crypt_wipe(&credentials, sizeof credentials);
    if (is_good)
        return ERR_OK;
    diag_set(reterr_why, ERR_UNAVAILABLE,
             "content.external_credentials: the file has no pair of keys");
    diag_hint(reterr_why, "lines aws_access_key_id = ... and aws_secret_access_key = ...");
    return ERR_UNAVAILABLE;
}

static enum err credentials_of_environment(struct s3_credentials *ret_credentials, struct diag *why)
{
    const char *key_id = getenv("AWS_ACCESS_KEY_ID"), *secret = getenv("AWS_SECRET_ACCESS_KEY"),
               *token = getenv("AWS_SESSION_TOKEN");
    *ret_credentials = (struct s3_credentials){ 0 };
    bool fits = key_id && secret &&
                keep(ret_credentials->key_id, sizeof ret_credentials->key_id, str_from_c(key_id)) &&
                keep(ret_credentials->secret, sizeof ret_credentials->secret, str_from_c(secret));
    if (fits && token && token[0])
        fits = keep(ret_credentials->token, sizeof ret_credentials->token, str_from_c(token));
    if (fits)
        return ERR_OK;
    diag_set(why, ERR_UNAVAILABLE, "there are no credentials for the object store");
    diag_hint(why, "content.external_credentials=PATH, or AWS_ACCESS_KEY_ID and "
                   "AWS_SECRET_ACCESS_KEY in the environment");
    return ERR_UNAVAILABLE;
}

static enum err credentials_read(const struct s3 *s3, struct s3_credentials *ret_credentials,
                                 struct diag *why)
{
    const char *path = s3->config->credentials_path;
    if (!path || !path[0])
        return credentials_of_environment(ret_credentials, why);
    struct buf text;
    buf_init(&text, CREDENTIALS_BYTES_MAX);
    enum err err = file_read(path, &text, why);
    if (!err)
        err = s3_credentials_parse(buf_str(&text), ret_credentials, why);
    else
        err = ERR_UNAVAILABLE; /* it may come back */
    if (text.ptr)
        crypt_wipe(text.ptr, text.len);
    buf_clear(&text);
    return err;
}

/* ---- requests ---- */

str s3_error_code(str xml)
{
    size_t at = str_find(xml, STR_OF("<Code>"));
    if (at == xml.len)
        return STR_NONE;
    str rest = str_from(xml, at + 6);
    str code = str_sub(rest, 0, str_find_char(rest, '<'));
    return code.len && code.len <= 64 && is_made_of(code, "") ? code : STR_NONE;
}

struct s3_call {
    const char *method, *name;
    const struct object_body *body;
    const struct object_sink *sink;
    struct object_range range;
};

/* Our ranges are well formed, so a refusal of one says that the bytes are not there. */
static bool is_about_range(const struct s3_call *call, int status, str code)
{
    return call->range.bytes && (status == 416 || str_equal_c(code, "InvalidRange") ||
                                 (status == 400 && str_equal_c(code, "InvalidArgument")));
}

static enum err refusal(const struct s3_call *call, int status, str xml, struct diag *why)
{
    const char *name = call->name;
    str code = s3_error_code(xml);
    if (status == 404 && (str_is_none(code) || str_equal_c(code, "NoSuchKey")))
        return diag_set(why, ERR_NOT_FOUND, "there is no object %s", name);
    if (is_about_range(call, status, code))
        return diag_set(why, ERR_CORRUPT, "the object %s ends too early", name);
    if (str_is_none(code))
        diag_set(why, ERR_UNAVAILABLE, "the object store answers %d", status);
    else
        diag_set(why, ERR_UNAVAILABLE, "the object store answers %d %.*s", status, STR_ARG(code));
    if (status == 401 || status == 403)
        diag_hint(why, "look at the credentials, and whether they may get, put and delete objects");
    else if (status < 500)
        diag_hint(why, "look at content.external_url, external_endpoint and external_region");
    return ERR_UNAVAILABLE;
}

/* The client has one argument for both. */
struct listener {
    const struct object_sink *sink;
    const struct objects_config *config;
};

static bool on_piece(void *arg, str bytes)
{
    const struct listener *listener = arg;
    return listener->sink->piece(listener->sink->arg, bytes);
}

static bool is_stopped(void *arg)
{
    const struct listener *listener = arg;
    const struct objects_config *config = listener->config;
    return config->is_stopped && config->is_stopped(config->is_stopped_arg);
}

enum { HEADERS_MAX = 4, HEADER_BYTES_MAX = 4200 };
struct headers {
    char lines[HEADERS_MAX][HEADER_BYTES_MAX];
    const char *all[HEADERS_MAX + 1];
};

static void headers_make(struct headers *headers, const struct s3_call *call,
                         const struct s3_credentials *credentials)
{
    char hash[2 * CRYPT_SHA256_BYTES + 1];
    size_t count = 0;
    if (call->body)
        hex_encode(call->body->sha256, CRYPT_SHA256_BYTES, hash);
    snprintf(headers->lines[count++], HEADER_BYTES_MAX, "x-amz-content-sha256: %s",
             call->body ? hash : sha256_of_nothing);
    if (credentials->token[0])
        snprintf(headers->lines[count++], HEADER_BYTES_MAX, "x-amz-security-token: %s",
                 credentials->token);
    if (call->range.bytes)
        snprintf(headers->lines[count++], HEADER_BYTES_MAX, "range: bytes=%llu-%llu",
                 (unsigned long long)call->range.offset,
                 (unsigned long long)(call->range.offset + call->range.bytes - 1));
    for (size_t i = 0; i < count; i++)
        headers->all[i] = headers->lines[i];
    headers->all[count] = NULL;
}

static enum err s3_exchange(struct s3 *s3, const struct s3_call *call,
                            const struct client_request *given, struct diag *why)
{
    struct client_request request = *given;
    char url[BASE_BYTES_MAX + OBJECT_NAME_MAX];
    struct buf answer;
    int status = 0;
    snprintf(url, sizeof url, "%s%s", s3->base, call->name);
    request.url = url;
    buf_init(&answer, REFUSAL_BYTES_MAX);
    if (!s3->client)
        s3->client = client_new();
    struct diag detail = DIAG_NONE;
    enum err err = client_do(s3->client, &request, &status, &answer, &detail);
    if (is_stopped(request.arg))
        err = diag_set(why, ERR_UNAVAILABLE, "stopped amid a request to the object store");
    else if (err)
        err = diag_set(why, ERR_UNAVAILABLE, "the object store cannot be reached: %s", detail.text);
    else if (status < 200 || status >= 300)
        err = refusal(call, status, buf_str(&answer), why);
    else if (call->range.bytes && status != 206)
        err = diag_set(why, ERR_UNAVAILABLE, "the object store does not answer ranges");
    buf_clear(&answer);
    return err;
}

static enum err s3_call(struct s3 *s3, const struct s3_call *call, struct diag *why)
{
    struct s3_credentials credentials;
    enum err err = credentials_read(s3, &credentials, why);
    if (err)
        return err;
    const struct objects_config *config = s3->config;
    struct headers *headers = xcalloc(1, sizeof *headers);
    headers_make(headers, call, &credentials);
    const struct client_signature signature = { region_of(config), "s3", credentials.key_id,
                                                credentials.secret };
    struct client_upload upload = { 0 };
    if (call->body)
        upload = (struct client_upload){ call->body->read, call->body->arg, call->body->bytes };
    struct listener listener = { call->sink, config };
    bool is_long = call->body || (call->sink && !call->range.bytes);
    const struct client_request request = {
        .method = call->method,
        .headers = headers->all,
        .ca_path = config->ca_path && config->ca_path[0] ? config->ca_path : NULL,
        .upload = call->body ? &upload : NULL,
        .signature = &signature,
        .timeout_ns = is_long ? 0 : config->timeout_ns,
        .stall_ns = is_long ? config->timeout_ns : 0,
        .errors_apart = true,
        .piece = call->sink ? on_piece : NULL,
        .is_stopped = is_stopped,
        .arg = &listener,
    };
    err = s3_exchange(s3, call, &request, why);
    crypt_wipe(headers, sizeof *headers);
    xfree(headers);
    crypt_wipe(&credentials, sizeof credentials);
    return err;
}

/* ---- the row of objects.c ---- */

static enum err s3_open(const struct objects_config *config, void **ret_state, struct diag *why)
{
    struct s3 *s3 = xcalloc(1, sizeof *s3);
    s3->config = config;
    enum err err = base_make(s3, why);
    if (err) {
        xfree(s3);
        return err;
    }
    *ret_state = s3;
    return ERR_OK;
}

static void s3_close(void *state)
{
    struct s3 *s3 = state;
    client_free(s3->client);
    xfree(s3);
}

static enum err s3_put(void *state, const char *name, const struct object_body *body,
                       struct diag *why)
{
    const struct s3_call call = { .method = "PUT", .name = name, .body = body };
    enum err err = s3_call(state, &call, why);
    return err == ERR_NOT_FOUND ? ERR_UNAVAILABLE : err;
}

static enum err s3_get(void *state, const char *name, struct object_range range,
                       const struct object_sink *sink, struct diag *why)
{
    const struct s3_call call = { .method = "GET", .name = name, .sink = sink, .range = range };
    return s3_call(state, &call, why);
}

static enum err s3_remove(void *state, const char *name, struct diag *why)
{
    const struct s3_call call = { .method = "DELETE", .name = name };
    enum err err = s3_call(state, &call, why);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

const struct objects_ops objects_s3 = {
    .scheme = "s3://",
    .open = s3_open,
    .close = s3_close,
    .put = s3_put,
    .get = s3_get,
    .remove = s3_remove,
};
