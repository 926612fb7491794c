/* records.c -- see records.h.
 *
 * Bytes come in pieces into one buffer; what was given out is cut off its front when more is
 * needed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/records.h"
#include "base/arena.h"
#include "base/check.h"
#include "sys/file.h"
#include "wire/decompress.h"
#include "wire/json.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { PIECE_BYTES = 64 * 1024, HEAD_BYTES = 64 * 1024, COLUMNS_MAX = 256, LENGTH_BYTES = 4 };

enum layout { UNSEEN, LINES, DOCUMENT, ELEMENTS, CSV, MESSAGE, MESSAGES };

struct records {
    int fd; /* -1: none */
    bool is_stdin, is_at_end, is_packed, is_begun;
    uint64_t read, size, line;
    struct decompress *decompress;
    struct buf raw, text; /* as it is in the file; what it says */
    size_t at;            /* of text: what was given out */
    enum layout layout;
    struct buf row; /* a row of CSV as an object */
    str columns[COLUMNS_MAX];
    uint32_t column_count;
    struct arena arena; /* of the columns */
};

static struct records *records_new(void)
{
    struct records *records = xcalloc(1, sizeof *records);
    records->fd = -1;
    records->line = 1;
    buf_init(&records->raw, PIECE_BYTES);
    buf_init(&records->text, (size_t)RECORD_BYTES_MAX + 2 * (size_t)HEAD_BYTES);
    buf_init(&records->row, RECORD_BYTES_MAX);
    arena_init(&records->arena, MIB);
    return records;
}

enum err records_open(const char *path, struct records **ret_records, struct diag *reterr_why)
{
    struct records *records = records_new();
    records->is_stdin = strcmp(path, "-") == 0;
    if (!records->is_stdin) {
        records->fd = sys_files_real.open(path, O_RDONLY, 0);
        records->size = (uint64_t)MAX(file_size(path), (int64_t)0);
    }
    if (!records->is_stdin && records->fd < 0) {
        records_close(records);
        return diag_set(reterr_why, ERR_NOT_FOUND, "cannot read %.200s", path);
    }
    *ret_records = records;
    return ERR_OK;
}

struct records *records_of(str bytes)
{
    struct records *records = records_new();
    buf_add_str(&records->text, bytes);
    records->is_begun = records->is_at_end = true;
    return records;
}

void records_close(struct records *records)
{
    if (!records)
        return;
    if (records->fd >= 0)
        sys_files_real.close(records->fd);
    decompress_free(records->decompress);
    buf_clear(&records->raw);
    buf_clear(&records->text);
    buf_clear(&records->row);
    arena_clear(&records->arena);
    xfree(records);
}

uint64_t records_read(const struct records *records)
{
    return records->read;
}

uint64_t records_size(const struct records *records)
{
    return records->size;
}

/* ---- bytes ---- */

static enum err read_piece(struct records *records, struct diag *why)
{
    int64_t got;
    buf_reset(&records->raw);
    char *to = buf_reserve(&records->raw, PIECE_BYTES);
    assert(to);
    if (records->is_stdin) {
        got = (int64_t)fread(to, 1, PIECE_BYTES, stdin);
        got = ferror(stdin) ? -1 : got;
    } else {
        got = sys_files_real.pread(records->fd, to, PIECE_BYTES, (int64_t)records->read);
    }
    if (got < 0)
        return diag_set(why, ERR_IO, "the file cannot be read");
    records->raw.len = (size_t)got;
    records->read += (uint64_t)got;
    records->is_at_end = got == 0;
    return ERR_OK;
}

static void begin(struct records *records)
{
    static const str gzip = STR("\x1f\x8b"), zstd = STR("\x28\xb5\x2f\xfd");
    str head = buf_str(&records->raw);
    bool is_gzip = str_starts(head, gzip);
    records->is_begun = true;
    records->is_packed = is_gzip || str_starts(head, zstd);
    if (!records->is_packed)
        return;
    records->decompress = decompress_new();
    decompress_begin(records->decompress, is_gzip ? DECOMPRESS_GZIP : DECOMPRESS_ZSTD,
                     &records->text);
}

/* More text, behind what is there.  ERR_LIMIT: no room. */
static enum err more(struct records *records, struct diag *why)
{
    struct buf *text = &records->text;
    if (records->at) {
        memmove(text->ptr, text->ptr + records->at, text->len - records->at);
        text->len -= records->at;
        records->at = 0;
    }
    enum err err = read_piece(records, why);
    if (!err && !records->is_begun)
        begin(records);
    if (!err && records->is_packed)
        err = records->is_at_end
                  ? decompress_end(records->decompress, why)
                  : decompress_feed(records->decompress, buf_str(&records->raw), why);
    else if (!err)
        buf_add_str(text, buf_str(&records->raw));
    if (err || buf_failed(text))
        records->is_at_end = true;
    if (!err && buf_failed(text))
        err =
            diag_set(why, ERR_LIMIT, "a record is larger than %d MiB", RECORD_BYTES_MAX / (int)MIB);
    return err == ERR_BAD_INPUT ? diag_set(why, ERR_IO, "the compressed file is damaged") : err;
}

static str rest_of(const struct records *records)
{
    return str_from(buf_str(&records->text), records->at);
}

static void give(struct records *records, size_t len)
{
    str given = str_sub(rest_of(records), 0, len);
    for (const char *at = given.ptr;
         (at = memchr(at, '\n', (size_t)(given.ptr + given.len - at))) != NULL; at++)
        records->line++;
    records->at += given.len;
}

static enum err skip_space(struct records *records, const char *also, struct diag *why)
{
    enum err err = ERR_OK;
    for (;;) {
        str rest = rest_of(records);
        size_t len = 0;
        while (len < rest.len && rest.ptr[len] &&
               (strchr(" \t\r\n", rest.ptr[len]) || strchr(also, rest.ptr[len])))
            len++;
        give(records, len);
        if (len < rest.len || records->is_at_end || err)
            return err;
        err = more(records, why);
    }
}

/* ---- what it is ---- */

static bool is_whole_line(str line)
{
    line = str_trim(line);
    return line.len > 1 && strchr("{[", line.ptr[0]) && json_check(line);
}

static enum layout layout_of_text(str head, bool is_all)
{
    str rest = head, line;
    char first = head.ptr[0];
    for (int lines = 0; lines < 2 && str_next(&rest, '\n', &line);)
        if (str_trim(line).len) {
            bool is_cut = str_is_none(rest) && !is_all;
            if (is_whole_line(line) || is_cut) /* a line longer than the head */
                return LINES;
            lines++;
        }
    if (first == '{')
        return DOCUMENT;
    return first == '[' ? ELEMENTS : CSV;
}

/* Protobuf by its first bytes: a field 1 of bytes, or a length before that. */
static bool is_protobuf(str head, enum layout *ret_layout)
{
    unsigned char first = (unsigned char)head.ptr[0];
    bool has_length = head.len > LENGTH_BYTES && first < 2 && head.ptr[LENGTH_BYTES] == '\n';
    bool is_message = first == '\n' && head.len > 2 && !memchr(" \t\r\n{[", head.ptr[1], 6);
    *ret_layout = has_length ? MESSAGES : MESSAGE;
    return has_length || is_message;
}

static enum err look(struct records *records, struct diag *why)
{
    enum err err = ERR_OK;
    while (!err && !records->is_at_end && rest_of(records).len < HEAD_BYTES)
        err = more(records, why);
    str head = rest_of(records);
    if (err || head.len == 0)
        return err;
    if (str_starts(head, STR_OF("\xEF\xBB\xBF")))
        give(records, 3);
    if (is_protobuf(head, &records->layout))
        return ERR_OK;
    records->layout = UNSEEN;
    err = skip_space(records, "", why);
    head = rest_of(records);
    if (!err && head.len)
        records->layout = layout_of_text(head, records->is_at_end);
    if (records->layout == ELEMENTS)
        give(records, 1);
    return err;
}

/* ---- records ---- */

static enum err all_of(struct records *records, struct diag *why)
{
    enum err err = ERR_OK;
    while (!err && !records->is_at_end)
        err = more(records, why);
    return err;
}

static enum err next_line(struct records *records, str *ret_record, struct diag *why)
{
    enum err err = skip_space(records, "", why);
    size_t seen = 0;
    while (!err) {
        str rest = rest_of(records);
        size_t end = seen + str_find_char(str_from(rest, seen), '\n');
        if (end < rest.len || records->is_at_end) {
            if (rest.len == 0)
                return ERR_NOT_FOUND;
            *ret_record = str_trim(str_sub(rest, 0, end));
            give(records, end);
            return ERR_OK;
        }
        seen = rest.len;
        err = more(records, why);
    }
    return err;
}

/* The length of the value that text starts with; 0: it does not end here. */
static size_t value_len(str text)
{
    bool in_string = false;
    size_t depth = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (in_string) {
            i += c == '\\';
            in_string = c != '"';
            continue;
        }
        in_string = c == '"';
        depth += c == '{' || c == '[';
        if (c == '}' || c == ']') {
            if (depth == 0)
                return i; /* of a bare word or number before it */
            if (--depth == 0)
                return i + 1;
        }
        if (depth == 0 && c == ',')
            return i;
    }
    return 0;
}

static enum err next_element(struct records *records, str *ret_record, struct diag *why)
{
    enum err err = skip_space(records, ",", why);
    while (!err) {
        str rest = rest_of(records);
        size_t len = value_len(rest);
        if (rest.len && rest.ptr[0] == ']') { /* maybe another list behind it */
            give(records, 1);
            err = skip_space(records, ",[", why);
            continue;
        }
        if (len || records->is_at_end) {
            if (rest.len == 0)
                return ERR_NOT_FOUND;
            *ret_record = str_trim(str_sub(rest, 0, len ? len : rest.len));
            give(records, len ? len : rest.len);
            return ERR_OK;
        }
        err = more(records, why);
    }
    return err;
}

static enum err next_document(struct records *records, str *ret_record, struct diag *why)
{
    enum err err = all_of(records, why);
    str rest = str_trim(rest_of(records));
    if (!err && rest.len == 0)
        return ERR_NOT_FOUND;
    *ret_record = rest;
    give(records, rest_of(records).len);
    return err;
}

/* Until that many bytes are there, or all. */
static enum err want(struct records *records, size_t len, struct diag *why)
{
    enum err err = ERR_OK;
    while (!err && !records->is_at_end && rest_of(records).len < len)
        err = more(records, why);
    return err;
}

/* All that is left is one message. */
static enum err only_message(struct records *records, str *ret_record, struct diag *why)
{
    enum err err = all_of(records, why);
    *ret_record = rest_of(records);
    records->at += ret_record->len;
    return err || ret_record->len ? err : ERR_NOT_FOUND;
}

static enum err next_message(struct records *records, str *ret_record, struct diag *why)
{
    size_t len = 0;
    enum err err = want(records, LENGTH_BYTES, why);
    str rest = rest_of(records);
    if (err || rest.len == 0)
        return err ? err : ERR_NOT_FOUND;
    for (size_t i = 0; i < MIN((size_t)LENGTH_BYTES, rest.len); i++)
        len = len << 8 | (unsigned char)rest.ptr[i];
    if (len > RECORD_BYTES_MAX)
        return diag_set(why, ERR_LIMIT, "a message is larger than %d MiB",
                        RECORD_BYTES_MAX / (int)MIB);
    err = want(records, LENGTH_BYTES + len, why);
    rest = rest_of(records);
    *ret_record = str_sub(rest, LENGTH_BYTES, len);
    records->at += MIN(rest.len, LENGTH_BYTES + len); /* it has no lines */
    bool is_cut = rest.len < LENGTH_BYTES + len;
    return err || !is_cut ? err : diag_set(why, ERR_BAD_INPUT, "the last message is cut off");
}

/* ---- CSV ---- */

/* In quotes, from behind the first; the place of the closing one, or the end. */
static size_t quoted_read(str text, struct buf *cell)
{
    size_t i = 1;
    for (; i < text.len; i++) {
        if (text.ptr[i] != '"')
            buf_add_char(cell, text.ptr[i]);
        else if (i + 1 < text.len && text.ptr[i + 1] == '"')
            buf_add_char(cell, text.ptr[i++]);
        else
            break;
    }
    return i;
}

/* The cell that text starts with, its quotes undone into *cell; false: it does not end here. */
static bool cell_read(str text, bool is_all, struct buf *cell, size_t *ret_len)
{
    size_t i = 0;
    if (text.len == 0 || text.ptr[0] != '"') {
        while (i < text.len && text.ptr[i] != ',' && text.ptr[i] != '\n')
            i++;
        buf_add_str(cell, str_sub(text, 0, i > 0 && text.ptr[i - 1] == '\r' ? i - 1 : i));
        *ret_len = i;
        return i < text.len || is_all;
    }
    i = quoted_read(text, cell);
    bool is_closed = i + 1 < text.len || is_all; /* else the other of two quotes may come */
    i += i < text.len;
    *ret_len = i + (i < text.len && text.ptr[i] == '\r');
    return is_closed;
}

/* Of an export of ours a text may have an apostrophe before what looks like a formula. */
static str without_guard(str text)
{
    bool is_guarded = text.len > 1 && text.ptr[0] == '\'' &&
                      (strchr("=+-@", text.ptr[1]) || (unsigned char)text.ptr[1] < ' ');
    return is_guarded ? str_from(text, 1) : text;
}

static void cell_take(struct records *records, uint32_t column, str text, bool is_head)
{
    if (is_head && column < COLUMNS_MAX) {
        records->columns[column] = arena_str(&records->arena, str_trim(text));
        records->column_count = column + 1;
    }
    if (is_head || column >= records->column_count || text.len == 0)
        return; /* an empty cell says nothing */
    buf_add_char(&records->row, records->row.len > 1 ? ',' : ' ');
    buf_add_json_str(&records->row, records->columns[column]);
    buf_add_char(&records->row, ':');
    buf_add_json_str(&records->row, without_guard(text));
}

/* One row; false: it does not end here. */
static bool row_take(struct records *records, bool is_head, size_t *ret_len)
{
    str rest = rest_of(records);
    size_t at = 0, len;
    struct buf cell;
    bool is_whole = true;
    buf_init(&cell, RECORD_BYTES_MAX);
    buf_reset(&records->row);
    buf_add_char(&records->row, '{');
    for (uint32_t column = 0; is_whole; column++) {
        buf_reset(&cell);
        is_whole = cell_read(str_from(rest, at), records->is_at_end, &cell, &len);
        cell_take(records, column, buf_str(&cell), is_head);
        at += len;
        if (at >= rest.len || rest.ptr[at] != ',')
            break;
        at++;
    }
    buf_add_char(&records->row, '}');
    buf_clear(&cell);
    *ret_len = MIN(at + 1, rest.len);
    return is_whole;
}

static enum err next_row(struct records *records, str *ret_record, uint64_t *ret_line,
                         struct diag *why)
{
    for (;;) {
        bool is_head = records->column_count == 0;
        size_t len;
        enum err err = skip_space(records, "", why);
        if (err)
            return err;
        if (rest_of(records).len == 0)
            return ERR_NOT_FOUND;
        *ret_line = records->line;
        while (!row_take(records, is_head, &len)) {
            if (is_head) {
                arena_reset(&records->arena);
                records->column_count = 0;
            }
            err = more(records, why);
            if (err)
                return err;
        }
        give(records, len);
        if (is_head && records->column_count < 2)
            return diag_set(why, ERR_LIMIT, "the first line names no columns");
        if (is_head)
            continue;
        *ret_record = buf_str(&records->row);
        return ERR_OK;
    }
}

enum err records_next(struct records *records, str *ret_record, enum record_form *ret_form,
                      uint64_t *ret_line, struct diag *reterr_why)
{
    enum err err = records->layout == UNSEEN ? look(records, reterr_why) : ERR_OK;
    *ret_form = RECORD_JSON;
    *ret_line = records->line;
    bool is_text = records->layout != MESSAGE && records->layout != MESSAGES;
    if (!err && is_text)
        err = skip_space(records, records->layout == ELEMENTS ? "," : "", reterr_why);
    *ret_line = records->line;
    if (err)
        return err;
    switch (records->layout) {
    case UNSEEN:
        return ERR_NOT_FOUND; /* nothing is in it */
    case LINES:
        return next_line(records, ret_record, reterr_why);
    case ELEMENTS:
        return next_element(records, ret_record, reterr_why);
    case DOCUMENT:
        return next_document(records, ret_record, reterr_why);
    case CSV:
        return next_row(records, ret_record, ret_line, reterr_why);
    case MESSAGE:
        *ret_form = RECORD_PROTOBUF;
        return only_message(records, ret_record, reterr_why);
    case MESSAGES:
        *ret_form = RECORD_PROTOBUF;
        return next_message(records, ret_record, reterr_why);
    }
    return ERR_NOT_FOUND;
}
