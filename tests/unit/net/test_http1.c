/* test_http1.c -- the framer's acceptance list: each case in one write and byte by byte.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "net/http1.h"
#include <stdio.h>

enum { HEAD_MAX = 4096 };

/* What came of one input: a letter per event and the bodies.  "H(abc)E" */
struct outcome {
    char text[4096];
    size_t len;
    int status;
};

static void outcome_add(struct outcome *outcome, str bytes)
{
    assert_true(outcome->len + bytes.len < sizeof outcome->text);
    memcpy(outcome->text + outcome->len, bytes.ptr, bytes.len);
    outcome->len += bytes.len;
}

/* Feed what is there; the number of bytes used. */
static size_t feed(struct http1 *http1, str bytes, struct outcome *outcome)
{
    size_t used = 0, step;
    str piece;
    for (;;) {
        struct diag why = DIAG_NONE;
        enum http1_event event = http1_next(http1, str_from(bytes, used), &step, &piece, &why);
        used += step;
        if (event == HTTP1_MORE)
            return used;
        if (event == HTTP1_HEAD) {
            struct header headers[REQUEST_HEADERS_MAX];
            struct http1_head head = { .headers = headers };
            char copy[HEAD_MAX];
            memcpy(copy, piece.ptr, piece.len);
            outcome_add(outcome, STR_OF("H"));
            if (!http1_head_parse(http1, copy, piece.len, &head, &why))
                event = HTTP1_FAULT;
        } else if (event == HTTP1_DATA) {
            outcome_add(outcome, piece);
        } else if (event == HTTP1_END) {
            outcome_add(outcome, STR_OF("E"));
        }
        if (event == HTTP1_FAULT) {
            assert_true(why.text[0] != 0);
            outcome->status = http1->status;
            return bytes.len;
        }
        if (used == bytes.len && http1_is_idle(http1))
            return used;
    }
}

static void run_whole(str input, struct outcome *ret_outcome)
{
    struct http1 http1;
    *ret_outcome = (struct outcome){ 0 };
    http1_init(&http1, HEAD_MAX);
    feed(&http1, input, ret_outcome);
}

static void run_bytewise(str input, struct outcome *ret_outcome)
{
    struct http1 http1;
    *ret_outcome = (struct outcome){ 0 };
    http1_init(&http1, HEAD_MAX);
    size_t start = 0;
    for (size_t end = 1; end <= input.len && !ret_outcome->status; end++)
        start += feed(&http1, str_make(input.ptr + start, end - start), ret_outcome);
}

struct http1_case {
    const char *name;
    str input;
    int status;
    const char *outcome; /* NULL: any */
};

#define HEAD_11 "POST /v1/traces HTTP/1.1\r\nHost: a\r\n"
#define NEXT "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
#define CHUNKED HEAD_11 "Transfer-Encoding: chunked\r\n\r\n"
#define BAD(name, text)                                                                            \
    {                                                                                              \
        name, STR(text NEXT), 400, NULL                                                            \
    }
#define BAD_AS(name, text, status)                                                                 \
    {                                                                                              \
        name, STR(text NEXT), status, NULL                                                         \
    }
#define GOOD(name, text, outcome)                                                                  \
    {                                                                                              \
        name, STR(text), 0, outcome                                                                \
    }

static const struct http1_case cases[] = {
    BAD("length then coding", HEAD_11 "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
    BAD("coding then length", HEAD_11 "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
    BAD_AS("coding gzip, chunked", HEAD_11 "Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
    BAD_AS("coding chunked, identity", HEAD_11 "Transfer-Encoding: chunked, identity\r\n\r\n", 501),
    BAD_AS("coding xchunked", HEAD_11 "Transfer-Encoding: xchunked\r\n\r\n", 501),
    BAD("empty coding", HEAD_11 "Transfer-Encoding:\r\n\r\n"),
    BAD("two codings", HEAD_11 "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
    BAD("folded coding", HEAD_11 "Transfer-Encoding:\r\n chunked\r\n\r\n"),
    BAD("space before colon", HEAD_11 "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n"),
    BAD("two lengths", HEAD_11 "Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello"),
    BAD("two equal lengths", HEAD_11 "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    BAD("length with plus", HEAD_11 "Content-Length: +5\r\n\r\nhello"),
    BAD("length in hex", HEAD_11 "Content-Length: 0x5\r\n\r\nhello"),
    BAD("negative length", HEAD_11 "Content-Length: -1\r\n\r\n"),
    BAD("empty length", HEAD_11 "Content-Length:\r\n\r\n"),
    BAD("length list", HEAD_11 "Content-Length: 5, 5\r\n\r\nhello"),
    BAD("length with space inside", HEAD_11 "Content-Length: 1 0\r\n\r\nhello"),
    BAD("length over 2^64", HEAD_11 "Content-Length: 18446744073709551621\r\n\r\nhello"),
    BAD("length over 2^63", HEAD_11 "Content-Length: 9223372036854775808\r\n\r\nhello"),
    BAD("tab before colon", HEAD_11 "Content-Length\t: 5\r\n\r\nhello"),
    BAD("chunk size 0x5", CHUNKED "0x5\r\nhello\r\n0\r\n\r\n"),
    BAD("chunk size +5", CHUNKED "+5\r\nhello\r\n0\r\n\r\n"),
    BAD("chunk size 5 x", CHUNKED "5 x\r\nhello\r\n0\r\n\r\n"),
    BAD("chunk size with space", CHUNKED "5 \r\nhello\r\n0\r\n\r\n"),
    BAD("chunk size empty", CHUNKED "\r\nhello\r\n0\r\n\r\n"),
    BAD("chunk size of 17 digits", CHUNKED "00000000000000005\r\nhello\r\n0\r\n\r\n"),
    BAD("chunk line with bare LF", CHUNKED "5\nhello\r\n0\r\n\r\n"),
    BAD("no CRLF after chunk data", CHUNKED "5\r\nhello0\r\n\r\n"),
    BAD("LF after chunk data", CHUNKED "5\r\nhello\n0\r\n\r\n"),
    BAD("bare CR in an extension", CHUNKED "5;a\rb\r\nhello\r\n0\r\n\r\n"),
    BAD("folded trailer", CHUNKED "0\r\n a: b\r\n\r\n"),
    BAD("trailer without colon", CHUNKED "0\r\nabc\r\n\r\n"),
    BAD("LF ends the trailers", CHUNKED "0\r\n\n"),
    BAD("HTTP/1.0 with coding", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    BAD("folded header", HEAD_11 "A: b\r\n c\r\n\r\n"),
    BAD("bare LF", "GET / HTTP/1.1\nHost: a\n\n"),
    BAD("one bare LF", "GET / HTTP/1.1\r\nHost: a\nB: c\r\n\r\n"),
    BAD("NUL in a value", HEAD_11 "A: b\0c\r\n\r\n"),
    BAD("DEL in a value", HEAD_11 "A: b\x7f\r\n\r\n"),
    BAD("empty header name", HEAD_11 ": b\r\n\r\n"),
    BAD("space in a header name", HEAD_11 "A b: c\r\n\r\n"),
    BAD("first header folded", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    BAD("no Host", "GET / HTTP/1.1\r\n\r\n"),
    BAD("two Hosts", HEAD_11 "Host: b\r\n\r\n"),
    BAD("Host with a list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    BAD("Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    BAD("bare CR in a value", HEAD_11 "A: b\rc\r\n\r\n"),
    BAD("header without colon", HEAD_11 "abc\r\n\r\n"),
    BAD("blank line first", "\r\n"),
    BAD("no version", "GET /\r\nHost: a\r\n\r\n"),
    BAD("lower case version", "GET / http/1.1\r\nHost: a\r\n\r\n"),
    BAD("two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("space at the end", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
    BAD("tab in the line", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("NUL in the target", "GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("escaped NUL in the target", "GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("bad escape in the target", "GET /a%2 HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("target is no path", "GET abc HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("star without OPTIONS", "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("bad method", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD("TLS on a plain port", "\x16\x03\x01\x02\n"),
    BAD_AS("CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    BAD_AS("HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    BAD_AS("HTTP/0.9 spelled out", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505),
    BAD_AS("unknown expectation", HEAD_11 "Expect: tea\r\n\r\n", 417),
    GOOD("HTTP/1.9 is served as 1.1", "GET / HTTP/1.9\r\nHost: a\r\n\r\n", "HE"),
    GOOD("HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", "HE"),
    GOOD("no body", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HE"),
    GOOD("empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "HE"),
    GOOD("fixed body", HEAD_11 "Content-Length: 5\r\n\r\nhello", "HhelloE"),
    GOOD("zero body", HEAD_11 "Content-Length: 0\r\n\r\n", "HE"),
    GOOD("leading zeros", HEAD_11 "Content-Length: 0005\r\n\r\nhello", "HhelloE"),
    GOOD("value is trimmed", HEAD_11 "Content-Length: \t 5 \t\r\n\r\nhello", "HhelloE"),
    GOOD("chunks", CHUNKED "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "Hhello worldE"),
    GOOD("coding in capitals", HEAD_11 "Transfer-Encoding: Chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
         "HaE"),
    GOOD("chunk extension", CHUNKED "5;a=\"b c\"\r\nhello\r\n00;x\r\n\r\n", "HhelloE"),
    GOOD("chunk size of 16 digits", CHUNKED "0000000000000005\r\nhello\r\n0\r\n\r\n", "HhelloE"),
    GOOD("capital hex", CHUNKED "A\r\n0123456789\r\n0\r\n\r\n", "H0123456789E"),
    GOOD("trailers", CHUNKED "1\r\na\r\n0\r\nx-a: b\r\ny:\r\n\r\n", "HaE"),
    GOOD("pipelined", HEAD_11 "Content-Length: 2\r\n\r\nab" CHUNKED "1\r\nc\r\n0\r\n\r\n" NEXT,
         "HabEHcEHE"),
    GOOD("absolute form", "GET http://h/a?b HTTP/1.1\r\nHost: h\r\n\r\n", "HE"),
    GOOD("OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "HE"),
    GOOD("bytes from 0x80 in a value", HEAD_11 "A: \xc3\xa4\r\n\r\n", "HE"),
};

static void every_strictness_case_has_its_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct outcome whole, bytewise;
        run_whole(cases[i].input, &whole);
        run_bytewise(cases[i].input, &bytewise);
        if (whole.status != cases[i].status || bytewise.status != cases[i].status)
            fail_msg("%s: %d and %d, wanted %d", cases[i].name, whole.status, bytewise.status,
                     cases[i].status);
        if (cases[i].outcome && strcmp(whole.text, cases[i].outcome) != 0)
            fail_msg("%s: %s, wanted %s", cases[i].name, whole.text, cases[i].outcome);
        assert_string_equal(whole.text, bytewise.text);
    }
}

static int status_of(const struct buf *input)
{
    struct outcome whole, bytewise;
    run_whole(buf_str(input), &whole);
    run_bytewise(buf_str(input), &bytewise);
    assert_int_equal(whole.status, bytewise.status);
    return whole.status;
}

static int head_status(size_t head_bytes)
{
    struct buf input;
    buf_init(&input, 65536);
    buf_add_c(&input, HEAD_11 "A: ");
    while (input.len < head_bytes - 4)
        buf_add_char(&input, 'x');
    buf_add_c(&input, "\r\n\r\n");
    int status = status_of(&input);
    buf_clear(&input);
    return status;
}

static void head_bytes_are_limited(void **state)
{
    (void)state;
    assert_int_equal(head_status(HEAD_MAX), 0);
    assert_int_equal(head_status(HEAD_MAX + 1), 431);
}

static void endless_line_is_refused_without_its_end(void **state)
{
    (void)state;
    char line[HEAD_MAX + 1];
    memset(line, 'x', sizeof line);
    struct outcome outcome;
    run_whole(str_make(line, HEAD_MAX), &outcome);
    assert_int_equal(outcome.status, 0);
    run_whole(str_make(line, HEAD_MAX + 1), &outcome);
    assert_int_equal(outcome.status, 431);
}

static int count_status(int count, bool in_trailers)
{
    struct buf input;
    buf_init(&input, 65536);
    buf_add_c(&input, in_trailers ? CHUNKED "0\r\n" : HEAD_11);
    for (int i = 0; i < count; i++)
        buf_add_c(&input, "a: b\r\n");
    buf_add_c(&input, "\r\n");
    int status = status_of(&input);
    buf_clear(&input);
    return status;
}

static void header_count_is_limited(void **state)
{
    (void)state;
    assert_int_equal(count_status(REQUEST_HEADERS_MAX - 1, false), 0); /* and Host */
    assert_int_equal(count_status(REQUEST_HEADERS_MAX, false), 431);
    assert_int_equal(count_status(REQUEST_HEADERS_MAX, true), 0);
    assert_int_equal(count_status(REQUEST_HEADERS_MAX + 1, true), 431);
}

static int extension_status(size_t line_bytes, size_t repeat)
{
    struct buf input;
    buf_init(&input, 65536);
    buf_add_c(&input, CHUNKED);
    for (size_t i = 0; i < repeat; i++) {
        buf_add_c(&input, "1;");
        for (size_t j = 0; j < line_bytes - 4; j++)
            buf_add_char(&input, 'x');
        buf_add_c(&input, "\r\na\r\n");
    }
    buf_add_c(&input, "0\r\n\r\n");
    int status = status_of(&input);
    buf_clear(&input);
    return status;
}

static void chunk_extensions_are_limited(void **state)
{
    (void)state;
    assert_int_equal(extension_status(HTTP1_CHUNK_LINE_MAX, 1), 0);
    assert_int_equal(extension_status(HTTP1_CHUNK_LINE_MAX + 1, 1), 400);
    /* A line of 131 bytes has 128 bytes of extension with its CR. */
    assert_int_equal(extension_status(131, HTTP1_EXTENSION_BYTES_MAX / 128), 0);
    assert_int_equal(extension_status(131, HTTP1_EXTENSION_BYTES_MAX / 128 + 1), 400);
}

static struct http1_head parse(char *text, struct header *headers)
{
    struct http1 http1;
    http1_init(&http1, HEAD_MAX);
    size_t used;
    str piece;
    assert_int_equal(http1_next(&http1, str_from_c(text), &used, &piece, NULL), HTTP1_HEAD);
    struct http1_head head = { .headers = headers };
    assert_true(http1_head_parse(&http1, text, used, &head, NULL));
    return head;
}

static void head_is_cut_into_its_parts(void **state)
{
    (void)state;
    struct header headers[REQUEST_HEADERS_MAX];
    char text[] = "GET /a%20b%2Fc/?x=%20y HTTP/1.1\r\nHOST: h:1\r\nX-Thing:  v w \r\n"
                  "Connection: foo, Close\r\nExpect: 100-Continue\r\n\r\n";
    struct http1_head head = parse(text, headers);
    assert_true(str_equal_c(head.method, "GET"));
    assert_true(str_equal_c(head.path, "/a b/c/"));
    assert_true(str_equal_c(head.query, "x=%20y"));
    assert_int_equal(head.header_count, 4);
    assert_true(str_equal_c(headers[0].name, "host"));
    assert_true(str_equal_c(headers[1].name, "x-thing"));
    assert_true(str_equal_c(headers[1].value, "v w"));
    assert_false(head.is_keep_alive);
    assert_true(head.expects_continue);
    assert_int_equal(head.content_length, -1);
}

static void absolute_form_gives_the_path(void **state)
{
    (void)state;
    struct header headers[REQUEST_HEADERS_MAX];
    char with_path[] = "GET http://host:1/p?q HTTP/1.1\r\nHost: h\r\n\r\n";
    struct http1_head head = parse(with_path, headers);
    assert_true(str_equal_c(head.path, "/p"));
    assert_true(str_equal_c(head.query, "q"));
    char without[] = "GET http://host HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    head = parse(without, headers);
    assert_true(str_equal_c(head.path, "/"));
    assert_true(str_is_none(head.query));
    assert_true(head.is_keep_alive && head.is_http10);
    char plain[] = "GET / HTTP/1.0\r\n\r\n";
    assert_false(parse(plain, headers).is_keep_alive);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_strictness_case_has_its_answer),
        cmocka_unit_test(head_bytes_are_limited),
        cmocka_unit_test(endless_line_is_refused_without_its_end),
        cmocka_unit_test(header_count_is_limited),
        cmocka_unit_test(chunk_extensions_are_limited),
        cmocka_unit_test(head_is_cut_into_its_parts),
        cmocka_unit_test(absolute_form_gives_the_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
