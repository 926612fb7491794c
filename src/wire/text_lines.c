/* text_lines.c -- see text_lines.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/text_lines.h"
#include "base/check.h"
#include "base/text.h"
#include "base/utf8.h"

#include <stdio.h>

enum { TIME_BYTES_MIN = 20, TIME_BYTES_MAX = 40 }; /* 2026-11-21T10:00:00Z, and with a zone */

/* The next line that has something in it, without its end. */
static bool line_next(str *rest, str *ret_line)
{
    while (str_next(rest, '\n', ret_line)) {
        if (ret_line->len > 0 && ret_line->ptr[ret_line->len - 1] == '\r')
            ret_line->len--;
        if (str_trim(*ret_line).len > 0)
            return true;
    }
    return false;
}

static uint64_t time_of(str line)
{
    int64_t time_ns;
    if (line.len > 0 && (line.ptr[0] == '[' || line.ptr[0] == '('))
        line = str_from(line, 1);
    size_t len = 0;
    while (len < MIN(line.len, (size_t)TIME_BYTES_MAX + 1) && line.ptr[len] != ' ' &&
           line.ptr[len] != '\t' && line.ptr[len] != ']' && line.ptr[len] != ')')
        len++;
    bool is_time = len >= TIME_BYTES_MIN && len <= TIME_BYTES_MAX && line.ptr[4] == '-' &&
                   time_parse(str_sub(line, 0, len), &time_ns) && time_ns > 0;
    return is_time ? (uint64_t)time_ns : 0;
}

static str line_cut(str line)
{
    if (line.len <= TEXT_LINE_BYTES_MAX)
        return line;
    line.len = TEXT_LINE_BYTES_MAX;
    size_t whole = utf8_valid_prefix(line);
    if (line.len - whole < 4) /* the cut went through a character */
        line.len = whole;
    return line;
}

static const struct raw_scope *scope_new(struct arena *arena, const struct text_lines *lines)
{
    struct raw_resource *resource = arena_new(arena, struct raw_resource, 1);
    struct raw_scope *scope = arena_new(arena, struct raw_scope, 1);
    struct attr *attrs = arena_new(arena, struct attr, 2);
    if (!resource || !scope || !attrs)
        return NULL;
    resource->attrs = attrs;
    if (lines->service.len > 0)
        attrs[resource->attr_count++] =
            (struct attr){ STR("service.name"), value_str(lines->service) };
    if (lines->environment.len > 0)
        attrs[resource->attr_count++] =
            (struct attr){ STR("deployment.environment.name"), value_str(lines->environment) };
    scope->resource = resource;
    return scope;
}

enum err text_lines_decode(struct arena *arena, const struct text_lines *lines,
                           const struct otlp_limits *limits, struct raw_batch *ret_batch,
                           struct diag *reterr_why)
{
    uint32_t count = 0, taken = 0;
    str line;
    for (str rest = lines->body; count < UINT32_MAX && line_next(&rest, &line);)
        count++;
    struct raw_batch batch = { .may_repeat = true, .log_count = MIN(count, limits->items_max) };
    const struct raw_scope *scope = scope_new(arena, lines);
    batch.logs = arena_new(arena, struct raw_log, batch.log_count + 1);
    if (!scope || !batch.logs)
        return diag_set(reterr_why, ERR_LIMIT, "the lines need too much memory");
    for (str rest = lines->body; taken < batch.log_count && line_next(&rest, &line); taken++)
        batch.logs[taken] = (struct raw_log){ .scope = scope,
                                              .time_ns = time_of(line),
                                              .body = value_str(line_cut(line)) };
    batch.rejected_count = count - taken;
    if (batch.rejected_count > 0)
        snprintf(batch.rejected_why, sizeof batch.rejected_why, "more than %u lines",
                 limits->items_max);
    *ret_batch = batch;
    return ERR_OK;
}
