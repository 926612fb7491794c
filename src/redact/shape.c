/* shape.c -- patterns of character classes, matched without backtracking.
 *
 * vectorscan says that a trigger ended here, not how long the secret is.  A
 * shape does: a row of classes with counts, each taken as long as it goes.
 * That is enough for every key format and is linear: long runs of one class
 * are remembered, so that a text of nothing but triggers stays linear too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "redact/redact_int.h"

enum { RUN_REMEMBERED_MIN = 64 };

static void set_add(struct shape_set *set, uint8_t from, uint8_t to)
{
    for (unsigned c = from; c <= to; c++)
        set->bits[c / 64] |= UINT64_C(1) << (c % 64);
}

/* One character, escaped or not. */
static uint8_t class_char(const char **at)
{
    if (**at != '\\')
        return (uint8_t) * (*at)++;
    char c = *++(*at);
    (*at)++;
    return c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : (uint8_t)c;
}

static const char *class_parse(const char *at, struct shape_set *set)
{
    bool negated = *at == '^';
    at += negated;
    while (*at && *at != ']') {
        uint8_t from = class_char(&at);
        uint8_t to = from;
        if (*at == '-' && at[1] && at[1] != ']') {
            at++;
            to = class_char(&at);
        }
        set_add(set, from, to);
    }
    for (unsigned i = 0; negated && i < 4; i++)
        set->bits[i] = ~set->bits[i];
    return *at ? at + 1 : NULL;
}

static const char *count_parse(const char *at, struct shape_elem *elem)
{
    unsigned long long numbers[2] = { 0, SHAPE_MANY };
    unsigned which = 0;
    bool has_second = false;
    for (at++; *at && *at != '}'; at++) {
        if (*at == ',') {
            which = 1;
            continue;
        }
        if (which == 1 && !has_second)
            numbers[1] = 0;
        has_second |= which == 1;
        numbers[which] = numbers[which] * 10 + (unsigned)(*at - '0');
    }
    elem->min = (uint16_t)numbers[0];
    elem->max = which == 0 ? elem->min : (uint16_t)numbers[1];
    return *at ? at + 1 : NULL;
}

static const char *quantifier_parse(const char *at, struct shape_elem *elem)
{
    elem->min = elem->max = 1;
    if (*at == '{')
        return count_parse(at, elem);
    if (*at == '?')
        elem->min = 0;
    else if (*at == '+')
        elem->max = SHAPE_MANY;
    else if (*at == '*')
        elem->min = 0, elem->max = SHAPE_MANY;
    else
        return at;
    return at + 1;
}

bool shape_parse(const char *pattern, struct shape *ret_shape)
{
    struct shape shape = { .count = 0 };
    for (const char *at = pattern; *at;) {
        if (shape.count == SHAPE_ELEMS_MAX)
            return false;
        struct shape_elem *elem = &shape.elems[shape.count++];
        elem->source = at;
        if (*at == '[') {
            at = class_parse(at + 1, &elem->set);
            if (!at)
                return false;
        } else {
            uint8_t c = class_char(&at);
            set_add(&elem->set, c, c);
        }
        elem->source_len = (uint16_t)(at - elem->source);
        at = quantifier_parse(at, elem);
        if (!at)
            return false;
    }
    *ret_shape = shape;
    return shape.count > 0;
}

/* The remembered run of that class; a new one while there is room. */
static struct shape_run *run_of(struct shape_runs *runs, const struct shape_set *set)
{
    for (uint32_t i = 0; i < runs->count; i++)
        if (memcmp(&runs->items[i].set, set, sizeof *set) == 0)
            return &runs->items[i];
    uint32_t slot = MIN(runs->count, (uint32_t)SHAPE_RUNS_MAX - 1);
    runs->count = slot + 1;
    runs->items[slot] = (struct shape_run){ .set = *set };
    return &runs->items[slot];
}

/* End of the run of that class from `at`. */
static size_t run_end(const struct shape_set *set, str text, size_t at, struct shape_runs *runs)
{
    size_t near = MIN(text.len, at + RUN_REMEMBERED_MIN);
    size_t end = at;
    while (end < near && shape_has(set, text.ptr[end]))
        end++;
    if (end < near || end == text.len)
        return end;
    struct shape_run *run = run_of(runs, set);
    if (at >= run->start && at < run->end)
        return run->end;
    while (end < text.len && shape_has(set, text.ptr[end]))
        end++;
    run->start = at;
    run->end = end;
    return end;
}

size_t shape_match(const struct shape *shape, str text, size_t start, struct shape_runs *runs)
{
    size_t at = start;
    for (uint32_t i = 0; i < shape->count; i++) {
        const struct shape_elem *elem = &shape->elems[i];
        size_t end = at;
        if (elem->max == SHAPE_MANY) {
            end = run_end(&elem->set, text, at, runs);
        } else {
            size_t limit = MIN(text.len, at + elem->max);
            while (end < limit && shape_has(&elem->set, text.ptr[end]))
                end++;
        }
        if (end - at < elem->min)
            return SIZE_MAX;
        at = end;
    }
    return at;
}

size_t shape_head(const struct shape *shape, char ret_regex[SHAPE_HEAD_MAX])
{
    size_t width = 0;
    size_t class_width = 0;
    size_t len = 0;
    for (uint32_t i = 0; i < shape->count; i++) {
        const struct shape_elem *elem = &shape->elems[i];
        bool is_class = elem->source[0] == '[';
        size_t take = elem->min;
        if (is_class)
            take = MIN(take, (size_t)SHAPE_HEAD_CLASS_MAX - class_width);
        if (take == 0 || len + elem->source_len * take + 8 > SHAPE_HEAD_MAX)
            break;
        for (size_t k = 0; k < take; k++) {
            bool is_special =
                !is_class && elem->source_len == 1 && strchr(".^$*+?()[]{}|/", elem->source[0]);
            if (is_special)
                ret_regex[len++] = '\\';
            memcpy(ret_regex + len, elem->source, elem->source_len);
            len += elem->source_len;
        }
        width += take;
        class_width += is_class ? take : 0;
        if (take < elem->max)
            break;
    }
    ret_regex[len] = '\0';
    return width;
}
