/* http1.h -- HTTP/1.1 request framing: where a request ends, and nothing lenient about it.
 *
 * A pull parser over bytes, without sockets or clock, so that it can be fuzzed and
 * tested byte by byte.  Each form by which two HTTP parsers could disagree about the
 * length of a message (smuggling) is a fault, never a guess.
 *
 *      HEAD --http1_next: HTTP1_HEAD, then http1_head_parse--> BODY (fixed or chunked)
 *        ^                                                        | HTTP1_DATA pieces
 *        +------------------- HTTP1_END --------------------------+
 *
 * The caller keeps the bytes of an unfinished head (used is 0 then) and offers them again
 * with more behind; bytes of a body are always consumed at once.
 *
 * Memory:  no allocation; pieces point into the caller's bytes.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/err.h"
#include "net/net.h"

enum {
    HTTP1_CHUNK_LINE_MAX = 256,      /* chunk size with its extensions, in bytes */
    HTTP1_CHUNK_DIGITS_MAX = 16,     /* hex digits, leading zeros included */
    HTTP1_EXTENSION_BYTES_MAX = 8192 /* chunk extensions of one request */
};

enum http1_state {
    HTTP1_STATE_HEAD,
    HTTP1_STATE_PARSE, /* head found, http1_head_parse not called yet */
    HTTP1_STATE_FIXED,
    HTTP1_STATE_SIZE, /* digits of a chunk's size */
    HTTP1_STATE_EXTENSION,
    HTTP1_STATE_SIZE_LF,
    HTTP1_STATE_DATA,
    HTTP1_STATE_DATA_CR,
    HTTP1_STATE_DATA_LF,
    HTTP1_STATE_TRAILER_START, /* first byte of a trailer line */
    HTTP1_STATE_TRAILER_NAME,
    HTTP1_STATE_TRAILER_VALUE,
    HTTP1_STATE_TRAILER_LF,
    HTTP1_STATE_END_LF,
    HTTP1_STATE_FAULT
};

enum http1_event {
    HTTP1_MORE,  /* give me more bytes */
    HTTP1_HEAD,  /* a head is complete: copy the piece and call http1_head_parse */
    HTTP1_DATA,  /* a piece of the body */
    HTTP1_END,   /* the request is complete */
    HTTP1_FAULT, /* answer with http1->status and close */
};

struct http1 {
    enum http1_state state;
    int status; /* HTTP status of the fault */
    size_t head_bytes_max;
    size_t scanned_bytes;   /* of an unfinished head */
    size_t line_start;      /* offset of its current line */
    uint64_t left_bytes;    /* of a fixed body or a chunk */
    size_t line_bytes;      /* of the chunk size line */
    size_t extension_bytes; /* of all chunk extensions */
    size_t trailer_bytes;
    uint32_t trailer_count;
};

/* What a head says.  Everything points into the bytes given to http1_head_parse. */
struct http1_head {
    str method;
    str path; /* percent-decoded; never empty */
    str query;
    struct header *headers; /* caller's array of REQUEST_HEADERS_MAX */
    size_t header_count;
    int64_t content_length; /* -1: none */
    bool is_chunked;
    bool is_http10;
    bool is_keep_alive;
    bool expects_continue;
};

void http1_init(struct http1 *http1, size_t head_bytes_max);
/* The next event in bytes; *ret_used of them were consumed. *reterr_why on HTTP1_FAULT. */
enum http1_event http1_next(struct http1 *http1, str bytes, size_t *ret_used, str *ret_piece,
                            struct diag *reterr_why);
/* Parse the head that http1_next found, in place (names are lowered, the path decoded).
 * False: answer with http1->status. */
MUST_CHECK bool http1_head_parse(struct http1 *http1, char *bytes, size_t len,
                                 struct http1_head *head, struct diag *reterr_why);
/* Bytes still missing of a body of known length; 0 for any other state. */
uint64_t http1_fixed_left(const struct http1 *http1);
/* The caller read `len` of those bytes by itself. */
void http1_fixed_skip(struct http1 *http1, size_t len);
/* Between two requests with nothing of the next one seen. */
bool http1_is_idle(const struct http1 *http1);
/* Decode %XX in place. False: a bad escape or NUL. */
MUST_CHECK bool http1_path_decode(char *bytes, size_t *len);
/* Cut a request target into head->path and head->query, in place; head->method is set.
 * NULL, or what is wrong with it. */
MUST_CHECK const char *http1_target_parse(char *bytes, size_t len, struct http1_head *head);
/* Digits only, no sign, no space, fits int64. */
MUST_CHECK bool http1_length_parse(str text, int64_t *ret_length);
