/* multipart.c -- see multipart.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/multipart.h"
#include "base/check.h"

/* A parameter of a header: name=token or name="text".  STR_NONE: it has none. */
static str parameter(str header, str name)
{
    size_t at = str_find_char(header, ';');
    while (at < header.len) {
        str rest = str_trim(str_from(header, at + 1));
        size_t equals = str_find_char(rest, '=');
        str key = str_trim(str_sub(rest, 0, equals));
        str value = str_from(rest, equals + 1);
        bool is_quoted = str_starts(value, STR_OF("\""));
        size_t end =
            is_quoted ? 1 + str_find_char(str_from(value, 1), '"') : str_find_char(value, ';');
        if (equals < rest.len && str_equal_nocase(key, name))
            return is_quoted ? str_sub(value, 1, end - 1) : str_trim(str_sub(value, 0, end));
        if (equals == rest.len || end >= value.len)
            return STR_NONE;
        header = str_from(value, end);
        at = str_find_char(header, ';');
    }
    return STR_NONE;
}

enum err multipart_boundary(str content_type, str *ret_boundary, struct diag *reterr_why)
{
    str boundary = parameter(content_type, STR_OF("boundary"));
    bool is_good = boundary.len > 0 && boundary.len <= MULTIPART_BOUNDARY_MAX;
    for (size_t i = 0; i < boundary.len && is_good; i++)
        is_good = boundary.ptr[i] >= ' ' && boundary.ptr[i] < 0x7f;
    if (!is_good)
        return diag_set(reterr_why, ERR_BAD_INPUT, "the content type has no usable boundary");
    *ret_boundary = boundary;
    return ERR_OK;
}

void multipart_init(struct multipart *multipart, str body, str boundary)
{
    assert(boundary.len > 0 && boundary.len <= MULTIPART_BOUNDARY_MAX);
    *multipart = (struct multipart){ .body = body, .mark_len = boundary.len + 4 };
    memcpy(multipart->mark, "\r\n--", 4);
    memcpy(multipart->mark + 4, boundary.ptr, boundary.len);
}

/* Behind a boundary: is it one, where does its line end, is it the last? */
static bool boundary_ends(struct multipart *multipart, size_t at)
{
    str rest = str_from(multipart->body, at);
    if (str_starts(rest, STR_OF("--"))) {
        multipart->is_over = true;
        return true;
    }
    size_t blank = 0;
    while (blank < rest.len && (rest.ptr[blank] == ' ' || rest.ptr[blank] == '\t'))
        blank++;
    if (!str_starts(str_from(rest, blank), STR_OF("\r\n")))
        return false;
    multipart->at = at + blank + 2;
    return true;
}

/* The next boundary from `from` on; what stands before it ends at *ret_end. */
static bool boundary_find(struct multipart *multipart, size_t from, size_t *ret_end)
{
    str mark = str_make(multipart->mark, multipart->mark_len);
    for (;;) {
        size_t at = from + str_find(str_from(multipart->body, from), mark);
        if (at >= multipart->body.len)
            return false;
        *ret_end = at;
        if (boundary_ends(multipart, at + mark.len))
            return true;
        from = at + 2;
    }
}

static bool begin(struct multipart *multipart)
{
    size_t end;
    str mark = str_make(multipart->mark + 2, multipart->mark_len - 2);
    multipart->is_begun =
        (str_starts(multipart->body, mark) && boundary_ends(multipart, mark.len)) ||
        boundary_find(multipart, 0, &end);
    return multipart->is_begun;
}

/* One line of a part's head. */
static void take_header(str line, struct multipart_part *part)
{
    size_t colon = str_find_char(line, ':');
    str name = str_trim(str_sub(line, 0, colon));
    str value = str_trim(str_from(line, colon + 1));
    if (str_equal_nocase(name, STR_OF("content-type"))) {
        part->type = value;
    } else if (str_equal_nocase(name, STR_OF("content-disposition"))) {
        part->name = parameter(value, STR_OF("name"));
        part->filename = parameter(value, STR_OF("filename"));
    }
}

enum err multipart_next(struct multipart *multipart, struct multipart_part *ret_part,
                        struct diag *reterr_why)
{
    if (!multipart->is_begun && !begin(multipart)) {
        diag_set(reterr_why, ERR_BAD_INPUT, "the body does not begin with its boundary");
        return ERR_BAD_INPUT;
    }
    if (multipart->is_over)
        return ERR_NOT_FOUND;
    struct multipart_part part = { STR_NONE, STR_NONE, STR_NONE, STR_NONE };
    size_t at = multipart->at;
    for (size_t head_end = at + MULTIPART_HEAD_BYTES_MAX;;) {
        str line = str_from(multipart->body, at);
        size_t len = str_find(str_sub(line, 0, head_end - at), STR_OF("\r\n"));
        if (at + len >= MIN(head_end, multipart->body.len))
            return diag_set(reterr_why, ERR_BAD_INPUT, "a part's head does not end");
        at += len + 2;
        if (len == 0)
            break;
        take_header(str_sub(line, 0, len), &part);
    }
    size_t end;
    /* A part without bytes: its boundary begins with the line end of its head. */
    if (!boundary_find(multipart, at - 2, &end))
        return diag_set(reterr_why, ERR_BAD_INPUT, "the body ends inside a part");
    part.bytes = end > at ? str_sub(multipart->body, at, end - at) : STR_OF("");
    *ret_part = part;
    return ERR_OK;
}
