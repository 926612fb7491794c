/* intake.h -- the front ends: which requests carry telemetry, and how each is answered.
 *
 * A source (struct source_ops) recognises its requests by their head, before a
 * body is read; turns a body into the plain bytes a codec understands; and
 * answers in its protocol's own words.  Sources do not know the pipeline:
 * pipeline/ingest.c puts them together.
 *
 * Statuses (OTLP 1.11 and the Collector's practice): 405 for another method, 415 for
 * another content type, 400 for an unknown encoding or a damaged body, 413 for a
 * body too large before or after decompression, 429/503 with Retry-After.
 *
 * Memory:  plain bytes go to the caller's buf.
 * Threads: const tables; a decompressor belongs to one worker.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "net/net.h"
#include "wire/decompress.h"
#include "wire/otlp.h"

struct source_ops;

struct intake_route {
    const struct source_ops *source;
    enum otlp_signal signal;
    enum otlp_encoding encoding;
    int endpoint;    /* the source's own: which of its paths */
    bool is_options; /* a CORS preflight: answer it, there is no body */
    bool is_open;    /* a question anybody may ask (a version): answered at once, without a key */
    bool is_query;   /* a question with a key and without a body: answered at once */
};

/* A body, unpacked, and what the head said of it. */
struct intake_body {
    enum otlp_signal signal;
    enum otlp_encoding encoding;
    int endpoint;                    /* of the route */
    const struct request_head *head; /* for decode only: gone when the client is */
    str bytes;
    const struct otlp_limits *limits;
};

/* What became of a request. */
struct intake_answer {
    enum err err;
    const struct diag *why; /* when err */
    uint32_t rejected_count;
    str rejected_why;
    int64_t retry_after_ms; /* with a retryable error */
    int reply_status;       /* when no err: what decode prepared (raw_batch); 0: the usual */
    str reply;
    str project; /* of the key, for a query; else STR_NONE */
};

struct source_ops {
    const char *name;
    /* Is it ours?  ERR_NOT_FOUND: no.  Another error: ours, but refused. */
    MUST_CHECK enum err (*match)(const struct request_head *head, struct intake_route *ret_route,
                                 struct diag *reterr_why);
    /* The body as plain bytes: `body` itself or decompressed into *out. */
    MUST_CHECK enum err (*unpack)(const struct request_head *head, struct decompress *decompress,
                                  str body, struct buf *out, str *ret_plain,
                                  struct diag *reterr_why);
    /* Plain bytes as items.  It may prepare the answer, which waits until they are durable.  A
     * batch of nothing is fine: the request is answered at once, nothing is stored. */
    MUST_CHECK enum err (*decode)(struct arena *arena, const struct intake_body *body,
                                  struct raw_batch *ret_batch, struct diag *reterr_why);
    void (*answer)(struct request *request, const struct intake_route *route,
                   const struct intake_answer *answer);
};

extern const struct source_ops source_otlp_http;
extern const struct source_ops source_otlp_grpc;
extern const struct source_ops source_scores;
extern const struct source_ops source_events;
extern const struct source_ops source_text_logs;
extern const struct source_ops source_langfuse;
extern const struct source_ops source_opik;
extern const struct source_ops source_langsmith;
extern const struct source_ops source_weave;
extern const struct source_ops source_datadog;
extern const struct source_ops source_helicone;
extern const struct source_ops source_phoenix;
extern const struct source_ops source_mlflow;
extern const struct source_ops source_braintrust;
extern const struct source_ops source_posthog;
/* All of them, NULL-terminated; asked in order. */
extern const struct source_ops *const intake_sources[];

/* For source_ops.decode: the body is OTLP. */
MUST_CHECK enum err intake_decode_otlp(struct arena *arena, const struct intake_body *body,
                                       struct raw_batch *ret_batch, struct diag *reterr_why);
/* Vendors name the project in a header: it becomes an attribute of every resource that does not
 * say it itself. */
MUST_CHECK enum err intake_add_context(struct arena *arena, const struct request_head *head,
                                       struct raw_batch *batch, struct diag *reterr_why);
/* The first source that says the request is its own; ERR_NOT_FOUND when none does. */
MUST_CHECK enum err intake_match(const struct request_head *head, struct intake_route *ret_route,
                                 struct diag *reterr_why);
/* `body` as it is, or decompressed as its Content-Encoding says: for source_ops.unpack. */
MUST_CHECK enum err intake_unpack(const struct request_head *head, struct decompress *decompress,
                                  str body, struct buf *out, str *ret_plain,
                                  struct diag *reterr_why);
/* Of the Content-Type, without parameters such as "; charset=utf-8"; "" when there is none. */
str intake_media_type(const struct request_head *head);
/* For source_ops.match: a body is JSON, or does not say what it is; else ERR_MEDIA_TYPE. */
MUST_CHECK enum err intake_want_json(const struct request_head *head, struct diag *reterr_why);
enum { INTAKE_QUERY_BYTES_MAX = 4096 };
/* A parameter of the query, percent-decoded; STR_NONE: absent, longer than INTAKE_QUERY_BYTES_MAX
 * as it came, or no room in the arena. */
str intake_query_parameter(struct arena *arena, str query, const char *name);
/* Status and headers that every source gives with an error: Retry-After, Allow, WWW-Authenticate.
 */
void intake_set_error(struct arena *arena, const struct intake_answer *answer,
                      struct response *response);
/* What an error answer says: the fault, its place in the body, what to do. */
str intake_message(struct arena *arena, const struct intake_answer *answer);
/* Adds Access-Control-* for browsers when the request has an Origin: the origin is
 * echoed, credentials are allowed, preflights are cached for two hours. */
void intake_add_cors(const struct request_head *head, struct response *response);
