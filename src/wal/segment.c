/* segment.c -- segment files by name, and the table of the live ones.
 *
 * The newest segment is never unlinked: it remembers the sequence over a restart.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "sys/clock.h"
#include "wal/wal_int.h"
#include <stdio.h>
#include <stdlib.h>

static const str name_prefix = STR("wal-");
static const str name_suffix = STR(".log");

int64_t wal_clock_hour(void)
{
    return clock_now_ns() / WAL_HOUR_NS;
}

void wal_segment_path(const char *dir, uint32_t number, char ret_path[WAL_PATH_MAX])
{
    int len = snprintf(ret_path, WAL_PATH_MAX, "%s/wal-%08u.log", dir, number);
    assert(len > 0 && len < WAL_PATH_MAX);
}

static void numbers_add(struct wal_numbers *numbers, uint32_t number)
{
    if (numbers->count == numbers->capacity) {
        numbers->capacity = MAX(numbers->capacity * 2, (size_t)16);
        numbers->items = xrealloc(numbers->items, numbers->capacity * sizeof numbers->items[0]);
    }
    numbers->items[numbers->count++] = number;
}

static void list_each(const char *name, void *arg)
{
    str s = str_from_c(name);
    uint64_t number;
    if (!str_starts(s, name_prefix) || !str_ends(s, name_suffix) ||
        s.len < name_prefix.len + name_suffix.len + 8)
        return;
    str digits = str_sub(s, name_prefix.len, s.len - name_prefix.len - name_suffix.len);
    if (str_to_u64(digits, &number) && number > 0 && number < UINT32_MAX)
        numbers_add(arg, (uint32_t)number);
}

static int by_number(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

enum err wal_segment_list(const char *dir, struct wal_numbers *ret_numbers, struct diag *reterr_why)
{
    struct wal_numbers numbers = { 0 };
    enum err err = dir_list(dir, list_each, &numbers, reterr_why);
    if (err) {
        xfree(numbers.items);
        return err;
    }
    if (numbers.count)
        qsort(numbers.items, numbers.count, sizeof numbers.items[0], by_number);
    *ret_numbers = numbers;
    return ERR_OK;
}

struct wal_segment *wal_segment_add(struct wal *wal, const struct wal_segment *segment)
{
    if (wal->segment_count == wal->segment_capacity) {
        wal->segment_capacity = MAX(wal->segment_capacity * 2, (size_t)16);
        wal->segments = xrealloc(wal->segments, wal->segment_capacity * sizeof wal->segments[0]);
    }
    assert(wal->segment_count == 0 ||
           wal->segments[wal->segment_count - 1].number < segment->number);
    wal->segments[wal->segment_count] = *segment;
    wal->segment_bytes += segment->end;
    return &wal->segments[wal->segment_count++];
}

struct wal_segment *wal_segment_find(struct wal *wal, uint32_t number)
{
    for (size_t i = wal->segment_count; i > 0; i--) {
        if (wal->segments[i - 1].number == number)
            return &wal->segments[i - 1];
    }
    return NULL;
}

void wal_segments_take_released(struct wal *wal, struct wal_numbers *ret_numbers)
{
    size_t count = 0;
    while (count + 1 < wal->segment_count && wal->segments[count].last_sequence <= wal->released) {
        numbers_add(ret_numbers, wal->segments[count].number);
        wal->segment_bytes -= wal->segments[count].end;
        count++;
    }
    wal->segment_count -= count;
    if (count)
        memmove(wal->segments, wal->segments + count, wal->segment_count * sizeof wal->segments[0]);
}

/* One that cannot be unlinked now is released again after the next start. */
void wal_segments_unlink(struct wal *wal, struct wal_numbers *numbers)
{
    for (size_t i = 0; i < numbers->count; i++) {
        char path[WAL_PATH_MAX];
        wal_segment_path(wal->config.dir, numbers->items[i], path);
        (void)wal->config.files->unlink(path);
    }
    xfree(numbers->items);
    *numbers = (struct wal_numbers){ 0 };
}
