/* sse.c -- lines into events.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/sse.h"

void sse_init(struct sse *sse, bool (*event)(void *arg, str name, str data), void *arg)
{
    *sse = (struct sse){ .event = event, .arg = arg };
    buf_init(&sse->held, SSE_EVENT_BYTES_MAX);
    buf_init(&sse->name, SSE_EVENT_BYTES_MAX);
    buf_init(&sse->data, SSE_EVENT_BYTES_MAX);
}

void sse_clear(struct sse *sse)
{
    buf_clear(&sse->held);
    buf_clear(&sse->name);
    buf_clear(&sse->data);
}

void sse_reset(struct sse *sse)
{
    buf_reset(&sse->held);
    buf_reset(&sse->name);
    buf_reset(&sse->data);
}

static bool end_of_event(struct sse *sse)
{
    bool goes_on = true;
    if (sse->data.len)
        goes_on = sse->event(sse->arg, buf_str(&sse->name), buf_str(&sse->data));
    buf_reset(&sse->name);
    buf_reset(&sse->data);
    return goes_on;
}

static bool take_line(struct sse *sse, str line)
{
    if (line.len && line.ptr[line.len - 1] == '\r')
        line.len--;
    if (line.len == 0)
        return end_of_event(sse);
    size_t colon = str_find_char(line, ':');
    str field = str_sub(line, 0, colon), value = str_from(line, colon + 1);
    if (value.len && value.ptr[0] == ' ')
        value = str_from(value, 1);
    if (str_equal_c(field, "event")) {
        buf_reset(&sse->name);
        buf_add_str(&sse->name, value);
    } else if (str_equal_c(field, "data")) {
        if (sse->data.len)
            buf_add_char(&sse->data, '\n');
        buf_add_str(&sse->data, value);
    }
    return !buf_failed(&sse->name) && !buf_failed(&sse->data);
}

bool sse_feed(struct sse *sse, str bytes)
{
    for (size_t end; (end = str_find_char(bytes, '\n')) < bytes.len;) {
        str line = str_sub(bytes, 0, end);
        bytes = str_from(bytes, end + 1);
        bool goes_on;
        if (sse->held.len) {
            buf_add_str(&sse->held, line);
            goes_on = !buf_failed(&sse->held) && take_line(sse, buf_str(&sse->held));
            buf_reset(&sse->held);
        } else {
            goes_on = take_line(sse, line);
        }
        if (!goes_on)
            return false;
    }
    buf_add_str(&sse->held, bytes);
    return !buf_failed(&sse->held);
}
