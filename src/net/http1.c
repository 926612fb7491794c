/* http1.c -- the framer: finds the end of a head, walks a body.
 *
 * The head's lines are found with memchr, so a head costs one pass; chunk lines and
 * trailers are walked byte by byte with all state in struct http1, so that any split
 * of the input gives the same events.  Parsing of a head is in http1_head.c.
 *
 * Why strict: a proxy in front that reads a length in another way lets an attacker
 * hide a second request.  So: CRLF only, one length only, digits only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "net/http1.h"
#include "base/check.h"
#include "net/http1_int.h"

void http1_init(struct http1 *http1, size_t head_bytes_max)
{
    *http1 = (struct http1){ .state = HTTP1_STATE_HEAD, .head_bytes_max = head_bytes_max };
}

enum http1_event http1_fault(struct http1 *http1, int status, struct diag *reterr_why,
                             const char *text)
{
    static const struct {
        int status;
        enum err code;
    } codes[] = { { 431, ERR_HEADER_TOO_LARGE },
                  { 501, ERR_UNSUPPORTED },
                  { 505, ERR_UNSUPPORTED } };
    enum err code = ERR_BAD_INPUT;
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        code = codes[i].status == status ? codes[i].code : code;
    http1->state = HTTP1_STATE_FAULT;
    http1->status = status;
    (void)diag_set(reterr_why, code, "%s", text);
    return HTTP1_FAULT;
}

bool http1_is_idle(const struct http1 *http1)
{
    return http1->state == HTTP1_STATE_HEAD && http1->scanned_bytes == 0;
}

uint64_t http1_fixed_left(const struct http1 *http1)
{
    return http1->state == HTTP1_STATE_FIXED ? http1->left_bytes : 0;
}

void http1_fixed_skip(struct http1 *http1, size_t len)
{
    assert(http1->state == HTTP1_STATE_FIXED && len <= http1->left_bytes);
    http1->left_bytes -= len;
}

/* A line without CRLF, or the end of the head. */
static enum http1_event head_next(struct http1 *http1, str bytes, size_t *ret_used, str *ret_piece,
                                  struct diag *reterr_why)
{
    assert(http1->scanned_bytes <= bytes.len);
    for (;;) {
        const char *from = bytes.ptr + http1->scanned_bytes;
        size_t left = bytes.len - http1->scanned_bytes;
        const char *lf = left ? memchr(from, '\n', left) : NULL;
        size_t end = lf ? (size_t)(lf - bytes.ptr) + 1 : bytes.len;
        if (end > http1->head_bytes_max)
            return http1_fault(http1, 431, reterr_why, "request header is too large");
        http1->scanned_bytes = end;
        if (!lf)
            return HTTP1_MORE;
        size_t line_bytes = end - http1->line_start;
        if (line_bytes < 2 || lf[-1] != '\r')
            return http1_fault(http1, 400, reterr_why, "line feed without carriage return");
        if (line_bytes == 2 && http1->line_start == 0)
            return http1_fault(http1, 400, reterr_why, "empty request line");
        http1->line_start = end;
        if (line_bytes > 2)
            continue;
        http1->state = HTTP1_STATE_PARSE;
        *ret_used = end;
        *ret_piece = str_sub(bytes, 0, end);
        return HTTP1_HEAD;
    }
}

static enum http1_event body_end(struct http1 *http1)
{
    http1_init(http1, http1->head_bytes_max);
    return HTTP1_END;
}

/* A piece of a fixed body or of one chunk. */
static enum http1_event data_next(struct http1 *http1, str bytes, size_t *ret_used, str *ret_piece)
{
    size_t len = bytes.len < http1->left_bytes ? bytes.len : (size_t)http1->left_bytes;
    http1->left_bytes -= len;
    *ret_used = len;
    *ret_piece = str_sub(bytes, 0, len);
    if (http1->state == HTTP1_STATE_DATA && http1->left_bytes == 0)
        http1->state = HTTP1_STATE_DATA_CR;
    return HTTP1_DATA;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One byte of "1A;name=value\r\n"; a text when it does not belong there. */
static const char *size_step(struct http1 *http1, char c)
{
    if (++http1->line_bytes > HTTP1_CHUNK_LINE_MAX)
        return "chunk line is too long";
    if (http1->state == HTTP1_STATE_SIZE) {
        int digit = hex_value(c);
        if (digit >= 0 && http1->line_bytes > HTTP1_CHUNK_DIGITS_MAX)
            return "chunk size has too many digits";
        if (digit >= 0) {
            http1->left_bytes = http1->left_bytes << 4 | (uint64_t)digit;
            return NULL;
        }
        if (http1->line_bytes == 1 || (c != ';' && c != '\r'))
            return "chunk size is not a hexadecimal number";
        http1->state = c == ';' ? HTTP1_STATE_EXTENSION : HTTP1_STATE_SIZE_LF;
        return NULL;
    }
    if (http1->state == HTTP1_STATE_EXTENSION) {
        if (++http1->extension_bytes > HTTP1_EXTENSION_BYTES_MAX)
            return "chunk extensions are too long";
        if (c == '\r')
            http1->state = HTTP1_STATE_SIZE_LF;
        return c == '\r' || http1_is_value_char(c) ? NULL : "bad byte in a chunk extension";
    }
    assert(http1->state == HTTP1_STATE_SIZE_LF);
    if (c != '\n')
        return "carriage return without line feed";
    http1->line_bytes = 0;
    http1->state = http1->left_bytes ? HTTP1_STATE_DATA : HTTP1_STATE_TRAILER_START;
    return NULL;
}

/* One byte of the trailers, which are checked and dropped. */
static const char *trailer_step(struct http1 *http1, char c)
{
    switch ((int)http1->state) {
    case HTTP1_STATE_TRAILER_START:
        if (c == '\r') {
            http1->state = HTTP1_STATE_END_LF;
            return NULL;
        }
        http1->trailer_count++;
        http1->state = HTTP1_STATE_TRAILER_NAME;
        return http1_is_token_char(c) ? NULL : "bad byte at the start of a trailer";
    case HTTP1_STATE_TRAILER_NAME:
        if (c == ':')
            http1->state = HTTP1_STATE_TRAILER_VALUE;
        return c == ':' || http1_is_token_char(c) ? NULL : "bad byte in a trailer's name";
    case HTTP1_STATE_TRAILER_VALUE:
        if (c == '\r')
            http1->state = HTTP1_STATE_TRAILER_LF;
        return c == '\r' || http1_is_value_char(c) ? NULL : "bad byte in a trailer";
    default:
        assert(http1->state == HTTP1_STATE_TRAILER_LF);
        http1->state = HTTP1_STATE_TRAILER_START;
        return c == '\n' ? NULL : "carriage return without line feed";
    }
}

/* One byte between chunks' data. */
static const char *gap_step(struct http1 *http1, char c)
{
    if (http1->state == HTTP1_STATE_DATA_CR) {
        http1->state = HTTP1_STATE_DATA_LF;
        return c == '\r' ? NULL : "no line end after a chunk's data";
    }
    assert(http1->state == HTTP1_STATE_DATA_LF);
    http1->state = HTTP1_STATE_SIZE;
    http1->left_bytes = 0;
    return c == '\n' ? NULL : "no line end after a chunk's data";
}

/* Framing bytes of a chunked body up to the next data, the end, or the end of bytes. */
static enum http1_event chunk_next(struct http1 *http1, str bytes, size_t *ret_used, str *ret_piece,
                                   struct diag *reterr_why)
{
    for (size_t i = 0; i < bytes.len; i++) {
        char c = bytes.ptr[i];
        const char *fault;
        if (http1->state == HTTP1_STATE_DATA) {
            enum http1_event event = data_next(http1, str_from(bytes, i), ret_used, ret_piece);
            *ret_used += i;
            return event;
        }
        if (http1->state == HTTP1_STATE_END_LF) {
            if (c != '\n')
                return http1_fault(http1, 400, reterr_why, "carriage return without line feed");
            *ret_used = i + 1;
            return body_end(http1);
        }
        if (http1->state >= HTTP1_STATE_TRAILER_START) {
            fault = trailer_step(http1, c);
            if (++http1->trailer_bytes > http1->head_bytes_max ||
                http1->trailer_count > REQUEST_HEADERS_MAX)
                return http1_fault(http1, 431, reterr_why, "request trailers are too large");
        } else if (http1->state >= HTTP1_STATE_DATA_CR) {
            fault = gap_step(http1, c);
        } else {
            fault = size_step(http1, c);
        }
        if (fault)
            return http1_fault(http1, 400, reterr_why, fault);
    }
    *ret_used = bytes.len;
    return HTTP1_MORE;
}

enum http1_event http1_next(struct http1 *http1, str bytes, size_t *ret_used, str *ret_piece,
                            struct diag *reterr_why)
{
    *ret_used = 0;
    *ret_piece = STR_OF("");
    if (http1->state == HTTP1_STATE_HEAD)
        return head_next(http1, bytes, ret_used, ret_piece, reterr_why);
    assert(http1->state != HTTP1_STATE_PARSE);
    if (http1->state == HTTP1_STATE_FAULT)
        return HTTP1_FAULT;
    if (http1->state != HTTP1_STATE_FIXED)
        return chunk_next(http1, bytes, ret_used, ret_piece, reterr_why);
    if (http1->left_bytes == 0)
        return body_end(http1);
    return bytes.len ? data_next(http1, bytes, ret_used, ret_piece) : HTTP1_MORE;
}
