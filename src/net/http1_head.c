/* http1_head.c -- parses one head: request line, headers, and how long the body is.
 *
 * Works in place on a copy that dies with the request.  The line ends were already
 * found to be CRLF by http1.c; here each line is cut into name and value, and the few
 * headers that decide about framing are collected in struct facts and judged at the
 * end, when all of them are known (order must not matter).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "net/http1_int.h"

/* Framing facts of one head. */
struct facts {
    uint32_t host_count;
    uint32_t length_count;
    uint32_t coding_count;
    str coding;
    bool has_close;
    bool has_keep_alive;
};

bool http1_is_token_char(char c)
{
    char folded = (char)(c | 0x20);
    if ((folded >= 'a' && folded <= 'z') || (c >= '0' && c <= '9') || c == '-')
        return true;
    return c != '\0' && strchr("!#$%&'*+.^_`|~", c) != NULL;
}

bool http1_length_parse(str text, int64_t *ret_length)
{
    int64_t length = 0;
    if (text.len == 0)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c < '0' || c > '9' || MUL_OVERFLOWS(length, 10, &length) ||
            ADD_OVERFLOWS(length, c - '0', &length))
            return false;
    }
    *ret_length = length;
    return true;
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool http1_path_decode(char *bytes, size_t *len)
{
    char *out = memchr(bytes, '%', *len);
    if (!out)
        return true;
    const char *end = bytes + *len;
    for (const char *in = out; in < end; in++) {
        if (*in != '%') {
            *out++ = *in;
            continue;
        }
        if (end - in < 3)
            return false;
        int high = nibble(in[1]), low = nibble(in[2]);
        if (high < 0 || low < 0 || (high | low) == 0)
            return false;
        *out++ = (char)(high << 4 | low);
        in += 2;
    }
    *len = (size_t)(out - bytes);
    return true;
}

/* "http://host/path" -> offset of "/path"; authority alone -> len. */
static size_t absolute_skip(str target)
{
    static const str schemes[] = { STR("http://"), STR("https://") };
    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        size_t start = schemes[i].len;
        if (target.len <= start || !str_equal_nocase(str_sub(target, 0, start), schemes[i]))
            continue;
        while (start < target.len && target.ptr[start] != '/' && target.ptr[start] != '?')
            start++;
        return start;
    }
    return 0;
}

const char *http1_target_parse(char *bytes, size_t len, struct http1_head *head)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte <= ' ' || byte >= 0x7f || byte == '#')
            return "bad byte in the request target";
    }
    size_t skip = absolute_skip(str_make(bytes, len));
    bytes += skip;
    len -= skip;
    size_t path_len = str_find_char(str_make(bytes, len), '?');
    head->query = path_len < len ? str_make(bytes + path_len + 1, len - path_len - 1) : STR_NONE;
    if (path_len == 0) { /* "http://host" or "http://host?query" */
        head->path = STR_OF("/");
        return skip ? NULL : "empty request target";
    }
    bool is_star = path_len == 1 && bytes[0] == '*' && str_equal_c(head->method, "OPTIONS");
    if (bytes[0] != '/' && !is_star)
        return "request target is not a path";
    if (!http1_path_decode(bytes, &path_len))
        return "bad percent escape in the request target";
    head->path = str_make(bytes, path_len);
    return NULL;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* 0, or the status to refuse with. */
static int version_parse(str text, struct http1_head *head)
{
    if (text.len != 8 || memcmp(text.ptr, "HTTP/", 5) != 0 || !is_digit(text.ptr[5]) ||
        text.ptr[6] != '.' || !is_digit(text.ptr[7]))
        return 400;
    if (text.ptr[5] != '1')
        return 505;
    head->is_http10 = text.ptr[7] == '0';
    return 0;
}

static bool line_parse(struct http1 *http1, char *line, size_t len, struct http1_head *head,
                       struct diag *reterr_why)
{
    size_t method_len = 0;
    while (method_len < len && http1_is_token_char(line[method_len]))
        method_len++;
    if (method_len == 0 || method_len == len || line[method_len] != ' ')
        return http1_fault(http1, 400, reterr_why, "bad method"), false;
    head->method = str_make(line, method_len);
    char *target = line + method_len + 1;
    size_t rest = len - method_len - 1;
    char *space = memchr(target, ' ', rest);
    if (!space)
        return http1_fault(http1, 400, reterr_why, "no HTTP version"), false;
    size_t target_len = (size_t)(space - target);
    int status = version_parse(str_make(space + 1, rest - target_len - 1), head);
    if (status)
        return http1_fault(http1, status, reterr_why, "HTTP version is not 1.0 or 1.1"), false;
    if (str_equal_c(head->method, "CONNECT"))
        return http1_fault(http1, 501, reterr_why, "CONNECT is not supported"), false;
    const char *fault = http1_target_parse(target, target_len, head);
    return !fault || (http1_fault(http1, 400, reterr_why, fault), false);
}

static void connection_parse(str list, struct facts *facts)
{
    for (str piece; str_next(&list, ',', &piece);) {
        piece = str_trim(piece);
        facts->has_close |= str_equal_nocase(piece, STR_OF("close"));
        facts->has_keep_alive |= str_equal_nocase(piece, STR_OF("keep-alive"));
    }
}

static bool host_is_valid(str host)
{
    for (size_t i = 0; i < host.len; i++) {
        unsigned char byte = (unsigned char)host.ptr[i];
        if (byte <= ' ' || byte >= 0x7f || strchr(",/@\\?#", byte))
            return false;
    }
    return true;
}

/* Collect what one header says about framing; a text when it is wrong by itself. */
static const char *fact_add(const struct header *header, struct http1_head *head,
                            struct facts *facts)
{
    switch (header->name.len) {
    case 4:
        if (!str_equal_c(header->name, "host"))
            break;
        facts->host_count++;
        return host_is_valid(header->value) ? NULL : "bad Host";
    case 6:
        if (!str_equal_c(header->name, "expect") || head->is_http10)
            break;
        head->expects_continue = str_equal_nocase(header->value, STR_OF("100-continue"));
        return head->expects_continue ? NULL : "unknown expectation";
    case 10:
        if (str_equal_c(header->name, "connection"))
            connection_parse(header->value, facts);
        break;
    case 14:
        if (!str_equal_c(header->name, "content-length"))
            break;
        facts->length_count++;
        if (!http1_length_parse(header->value, &head->content_length))
            return "bad Content-Length";
        break;
    case 17:
        if (!str_equal_c(header->name, "transfer-encoding"))
            break;
        facts->coding_count++;
        facts->coding = header->value;
        break;
    default:
        break;
    }
    return NULL;
}

/* Cut "Name: value" (without CRLF); lowers the name. */
static const char *header_parse(char *line, size_t len, struct header *header)
{
    size_t name_len = 0;
    for (; name_len < len && http1_is_token_char(line[name_len]); name_len++) {
        if (line[name_len] >= 'A' && line[name_len] <= 'Z')
            line[name_len] = (char)(line[name_len] | 0x20);
    }
    if (name_len == 0 && (line[0] == ' ' || line[0] == '\t'))
        return "folded header";
    if (name_len == 0 || name_len == len || line[name_len] != ':')
        return "bad header name";
    size_t start = name_len + 1, end = len;
    while (start < end && (line[start] == ' ' || line[start] == '\t'))
        start++;
    while (end > start && (line[end - 1] == ' ' || line[end - 1] == '\t'))
        end--;
    for (size_t i = start; i < end; i++) {
        if (!http1_is_value_char(line[i]))
            return "bad byte in a header";
    }
    *header = (struct header){ { line, name_len }, { line + start, end - start } };
    return NULL;
}

/* The length of the body, judged when all headers are known. */
static bool framing_judge(struct http1 *http1, struct http1_head *head, const struct facts *facts,
                          struct diag *reterr_why)
{
    const char *fault = NULL;
    int status = 400;
    if (facts->host_count > 1 || (facts->host_count == 0 && !head->is_http10))
        fault = "exactly one Host is needed";
    else if (facts->length_count > 1)
        fault = "more than one Content-Length";
    else if (facts->coding_count && facts->length_count)
        fault = "both Content-Length and Transfer-Encoding";
    else if (facts->coding_count > 1 || (facts->coding_count && facts->coding.len == 0))
        fault = "bad Transfer-Encoding";
    else if (facts->coding_count && head->is_http10)
        fault = "Transfer-Encoding in HTTP/1.0";
    else if (facts->coding_count && !str_equal_nocase(facts->coding, STR_OF("chunked"))) {
        fault = "only the transfer coding chunked is supported";
        status = 501;
    }
    if (fault)
        return http1_fault(http1, status, reterr_why, fault), false;
    head->is_chunked = facts->coding_count == 1;
    head->is_keep_alive = !facts->has_close && (!head->is_http10 || facts->has_keep_alive);
    http1->left_bytes = head->content_length > 0 ? (uint64_t)head->content_length : 0;
    http1->state = head->is_chunked ? HTTP1_STATE_SIZE : HTTP1_STATE_FIXED;
    http1->line_bytes = 0;
    return true;
}

bool http1_head_parse(struct http1 *http1, char *bytes, size_t len, struct http1_head *head,
                      struct diag *reterr_why)
{
    assert(http1->state == HTTP1_STATE_PARSE);
    assert(len >= 4 && bytes[len - 1] == '\n');
    struct facts facts = { 0 };
    struct header *headers = head->headers;
    *head = (struct http1_head){ .headers = headers, .content_length = -1 };

    char *end = bytes + len - 2; /* the blank line */
    char *lf = memchr(bytes, '\n', len);
    assert(lf && lf < end);
    if (!line_parse(http1, bytes, (size_t)(lf - bytes) - 1, head, reterr_why))
        return false;
    for (char *line = lf + 1; line < end; line = lf + 1) {
        lf = memchr(line, '\n', (size_t)(end - line));
        assert(lf);
        if (head->header_count == REQUEST_HEADERS_MAX)
            return http1_fault(http1, 431, reterr_why, "too many request headers"), false;
        struct header *header = &headers[head->header_count++];
        const char *fault = header_parse(line, (size_t)(lf - line) - 1, header);
        if (!fault)
            fault = fact_add(header, head, &facts);
        int status = fault && strcmp(fault, "unknown expectation") == 0 ? 417 : 400;
        if (fault)
            return http1_fault(http1, status, reterr_why, fault), false;
    }
    return framing_judge(http1, head, &facts, reterr_why);
}
