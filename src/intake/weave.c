/* weave.c -- the trace server of W&B Weave, as far as its clients need it to trace.
 *
 * Calls and feedback are kept.  Objects, tables and files (the code of traced functions among
 * them) are not: a client only wants their digests back, and gets the ones it computed or, like
 * Weave's own, SHA-256 of what it sent.  A project of W&B's exists as soon as it is asked for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/weave.h"
#include "base/check.h"
#include "base/text.h"
#include "intake/reply.h"
#include "sys/crypt.h"
#include "wire/json.h"
#include "wire/multipart.h"

enum endpoint {
    ENDPOINT_SERVER_INFO,
    ENDPOINT_HEALTH,
    ENDPOINT_START,
    ENDPOINT_END,
    ENDPOINT_BATCH,
    ENDPOINT_COMPLETE,
    ENDPOINT_UPDATE, /* of a call's shown name */
    ENDPOINT_FEEDBACK,
    ENDPOINT_FEEDBACK_BATCH,
    ENDPOINT_OBJECT,
    ENDPOINT_TABLE,
    ENDPOINT_TABLE_UPDATE,
    ENDPOINT_FILE,
    ENDPOINT_GRAPHQL, /* of W&B's own server: does the project exist? */
};

static const struct path_row {
    str path;
    const char *method;
    enum endpoint endpoint;
} paths[] = {
    { STR("/server_info"), "GET", ENDPOINT_SERVER_INFO },
    { STR("/health"), "GET", ENDPOINT_HEALTH },
    { STR("/call/start"), "POST", ENDPOINT_START },
    { STR("/call/end"), "POST", ENDPOINT_END },
    { STR("/call/upsert_batch"), "POST", ENDPOINT_BATCH },
    { STR("/calls/complete"), "POST", ENDPOINT_COMPLETE },
    { STR("/call/update"), "POST", ENDPOINT_UPDATE },
    { STR("/feedback/create"), "POST", ENDPOINT_FEEDBACK },
    { STR("/feedback/batch/create"), "POST", ENDPOINT_FEEDBACK_BATCH },
    { STR("/obj/create"), "POST", ENDPOINT_OBJECT },
    { STR("/table/create"), "POST", ENDPOINT_TABLE },
    { STR("/table/update"), "POST", ENDPOINT_TABLE_UPDATE },
    { STR("/file/create"), "POST", ENDPOINT_FILE },
    { STR("/files/create"), "POST", ENDPOINT_FILE },
    { STR("/graphql"), "POST", ENDPOINT_GRAPHQL },
};

/* Dedicated servers have it under /traces; newer calls name the project: /v2/entity/project. */
static str without_prefix(str path)
{
    if (str_starts(path, STR_OF("/traces/")))
        path = str_from(path, STR_OF("/traces").len);
    if (!str_starts(path, STR_OF("/v2/")))
        return path;
    str rest = str_from(path, STR_OF("/v2/").len);
    for (int names = 0; names < 2; names++) {
        size_t slash = str_find_char(rest, '/');
        if (slash == 0 || slash == rest.len)
            return path;
        rest = str_from(rest, slash + (names == 0));
    }
    return rest;
}

static enum err check_type(const struct request_head *head, enum endpoint endpoint,
                           struct diag *reterr_why)
{
    str type = intake_media_type(head);
    const char *wanted = endpoint == ENDPOINT_FILE ? "multipart/form-data" : "application/json";
    if (str_equal_nocase(type, str_from_c(wanted)) || (type.len == 0 && endpoint != ENDPOINT_FILE))
        return ERR_OK;
    diag_set(reterr_why, ERR_MEDIA_TYPE, "content type \"%.*s\" is not what belongs here",
             STR_ARG(str_sub(type, 0, 80)));
    diag_hint(reterr_why, "send %s", wanted);
    return ERR_MEDIA_TYPE;
}

static enum err match(const struct request_head *head, struct intake_route *ret_route,
                      struct diag *reterr_why)
{
    *ret_route = (struct intake_route){ .signal = OTLP_TRACES, .encoding = OTLP_JSON };
    str path = head->is_grpc ? STR_OF("/") : without_prefix(head->path);
    bool is_options = str_equal_c(head->method, "OPTIONS");
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        if (!str_equal(path, paths[i].path) ||
            (!is_options && !str_equal_c(head->method, paths[i].method)))
            continue;
        enum endpoint endpoint = paths[i].endpoint;
        ret_route->endpoint = (int)endpoint;
        ret_route->is_options = is_options;
        ret_route->is_open = endpoint == ENDPOINT_SERVER_INFO || endpoint == ENDPOINT_HEALTH;
        return is_options || ret_route->is_open ? ERR_OK : check_type(head, endpoint, reterr_why);
    }
    return ERR_NOT_FOUND;
}

/* ---- digests ---- */

/* 43 characters: base64 of SHA-256, its two signs as letters. */
static void add_digest(struct buf *out, str bytes)
{
    uint8_t hash[CRYPT_SHA256_BYTES];
    struct buf text;
    crypt_sha256(bytes.ptr, bytes.len, hash);
    buf_init(&text, 256);
    base64_encode(&text, hash, sizeof hash);
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] != '=')
            buf_add_char(out, text.ptr[i] == '+' ? 'X' : text.ptr[i] == '/' ? 'Y' : text.ptr[i]);
    buf_clear(&text);
}

/* A member of the object inside of the body: {"obj":{"val":...}}. */
static str raw_member(str object, const char *key)
{
    struct json json;
    str raw;
    json_init(&json, NULL, object, JSON_DEPTH_MAX);
    if (json_next(&json) != JSON_OBJECT)
        return STR_NONE;
    while (json_next(&json) == JSON_KEY) {
        bool is_it = str_equal_c(json.text, key);
        if (!json_raw(&json, json_next(&json), &raw))
            return STR_NONE;
        if (is_it)
            return str_equal_c(raw, "null") ? STR_NONE : raw;
    }
    return STR_NONE;
}

/* The text between the quotes; digests and ids have no escapes. */
static str unquoted(str raw)
{
    return raw.len >= 2 && raw.ptr[0] == '"' ? str_sub(raw, 1, raw.len - 2) : STR_NONE;
}

static enum err answer_object(struct buf *out, str body, struct diag *reterr_why)
{
    str object = raw_member(body, "obj");
    str value = str_is_none(object) ? STR_NONE : raw_member(object, "val");
    str expected = str_is_none(object) ? STR_NONE : unquoted(raw_member(object, "expected_digest"));
    if (str_is_none(value) && str_is_none(expected))
        return diag_set(reterr_why, ERR_BAD_INPUT, "obj.val is missing");
    buf_add_c(out, "{\"digest\":\"");
    if (str_is_none(expected))
        add_digest(out, value);
    else
        buf_add_str(out, expected);
    buf_add_c(out, "\"}");
    return ERR_OK;
}

/* {"digest", "<rows>": [digest of each]} */
static enum err answer_rows(struct buf *out, str rows, const char *name, struct diag *reterr_why)
{
    struct json json;
    str raw;
    bool any = false;
    enum json_token token;
    json_init(&json, NULL, rows, JSON_DEPTH_MAX);
    if (str_is_none(rows) || json_next(&json) != JSON_ARRAY)
        return diag_set(reterr_why, ERR_BAD_INPUT, "a list of rows is missing");
    buf_add_c(out, "{\"digest\":\"");
    add_digest(out, rows);
    buf_printf(out, "\",\"%s\":[", name);
    while ((token = json_next(&json)) != JSON_ARRAY_END) {
        if (!json_raw(&json, token, &raw))
            return json_error(&json, reterr_why);
        buf_add_c(out, any ? ",\"" : "\"");
        add_digest(out, raw);
        buf_add_char(out, '"');
        any = true;
    }
    buf_add_c(out, "]}");
    return ERR_OK;
}

static enum err answer_file(struct buf *out, const struct intake_body *body,
                            struct diag *reterr_why)
{
    struct multipart multipart;
    struct multipart_part part;
    str boundary, expected = STR_NONE, file = STR_NONE;
    enum err err = multipart_boundary(request_header(body->head, STR_OF("content-type")), &boundary,
                                      reterr_why);
    if (err)
        return err;
    multipart_init(&multipart, body->bytes, boundary);
    while ((err = multipart_next(&multipart, &part, reterr_why)) == ERR_OK) {
        if (!str_is_none(part.name) && str_equal_c(part.name, "expected_digest"))
            expected = part.bytes;
        else if (!str_is_none(part.name) && str_equal_c(part.name, "file"))
            file = part.bytes;
    }
    if (err != ERR_NOT_FOUND)
        return err;
    if (str_is_none(file))
        return diag_set(reterr_why, ERR_BAD_INPUT, "the form has no file");
    struct buf own;
    buf_init(&own, 256);
    add_digest(&own, file);
    buf_add_c(out, "{\"digest\":");
    buf_add_json_str(out, str_is_empty(expected) ? buf_str(&own) : str_sub(expected, 0, 128));
    buf_add_char(out, '}');
    buf_clear(&own);
    return ERR_OK;
}

/* What the client asks before it begins: its project, or who it is. */
static void answer_graphql(struct buf *out, str body)
{
    str variables = raw_member(body, "variables");
    str name = str_is_none(variables) ? STR_NONE : raw_member(variables, "name");
    str project = str_is_none(name) ? STR_OF("\"default\"") : name;
    buf_add_c(out, "{\"data\":{\"project\":{\"name\":");
    buf_add_str(out, project);
    buf_add_c(out, "},\"upsertModel\":{\"inserted\":false,\"model\":{\"name\":");
    buf_add_str(out, project);
    buf_add_c(out, "},\"project\":{\"name\":");
    buf_add_str(out, project);
    buf_add_c(out, "}},\"viewer\":{\"username\":\"telltale\",\"entity\":\"telltale\","
                   "\"defaultEntity\":{\"name\":\"telltale\"}}}}");
}

static enum err decode_other(struct arena *arena, const struct intake_body *body,
                             struct raw_batch *ret_batch, struct diag *reterr_why)
{
    struct buf out;
    enum err err = ERR_OK;
    str table = raw_member(body->bytes, "table");
    buf_init(&out, 16 * MIB);
    *ret_batch = (struct raw_batch){ 0 };
    if (body->endpoint == ENDPOINT_OBJECT)
        err = answer_object(&out, body->bytes, reterr_why);
    else if (body->endpoint == ENDPOINT_TABLE)
        err = answer_rows(&out, str_is_none(table) ? table : raw_member(table, "rows"),
                          "row_digests", reterr_why);
    else if (body->endpoint == ENDPOINT_TABLE_UPDATE)
        err = answer_rows(&out, raw_member(body->bytes, "updates"), "updated_row_digests",
                          reterr_why);
    else if (body->endpoint == ENDPOINT_FILE)
        err = answer_file(&out, body, reterr_why);
    else if (body->endpoint == ENDPOINT_GRAPHQL)
        answer_graphql(&out, body->bytes);
    else
        buf_add_c(&out, "{}");
    if (!err)
        return intake_reply_prepare(arena, &out, ret_batch, reterr_why);
    buf_clear(&out);
    return err;
}

static enum err decode(struct arena *arena, const struct intake_body *body,
                       struct raw_batch *ret_batch, struct diag *reterr_why)
{
    static const enum weave_body kinds[] = {
        [ENDPOINT_START] = WEAVE_START,
        [ENDPOINT_END] = WEAVE_END,
        [ENDPOINT_BATCH] = WEAVE_BATCH,
        [ENDPOINT_COMPLETE] = WEAVE_COMPLETE,
        [ENDPOINT_UPDATE] = WEAVE_UPDATE,
        [ENDPOINT_FEEDBACK] = WEAVE_FEEDBACK,
        [ENDPOINT_FEEDBACK_BATCH] = WEAVE_FEEDBACK_BATCH,
    };
    if (body->endpoint > ENDPOINT_FEEDBACK_BATCH)
        return decode_other(arena, body, ret_batch, reterr_why);
    assert(body->endpoint >= ENDPOINT_START);
    const struct weave_input input = { .kind = kinds[body->endpoint],
                                       .body = body->bytes,
                                       .now_ns = body->head->received_ns,
                                       .limits = body->limits };
    return weave_decode(arena, &input, ret_batch, reterr_why);
}

static void answer(struct request *request, const struct intake_route *route,
                   const struct intake_answer *outcome)
{
    struct intake_reply reply;
    intake_reply_begin(&reply, request, route, outcome, 4 * KIB);
    if (outcome->err)
        intake_reply_error(&reply, "{\"detail\":$m}");
    else if (route->endpoint == ENDPOINT_SERVER_INFO)
        buf_add_c(&reply.body, "{\"min_required_weave_python_version\":\"0.0.1\"}");
    else if (str_is_empty(outcome->reply))
        buf_add_c(&reply.body, "{}");
    if (outcome->err == ERR_BAD_INPUT) /* as its server says it */
        reply.response.status = 422;
    intake_reply_send(&reply);
}

const struct source_ops source_weave = {
    .name = "weave",
    .match = match,
    .unpack = intake_unpack,
    .decode = decode,
    .answer = answer,
};
