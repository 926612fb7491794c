/* segment.c -- the log's files by name, and the table of the live segments.
 *
 * The newest segment is never unlinked: it remembers the sequence over a restart.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "sys/clock.h"
#include "wal/wal_int.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

static const str segment_prefix = STR("wal-");
static const str spare_prefix = STR("spare-");
static const str name_suffix = STR(".log");
enum { NUMBER_DIGITS_MIN = 8 };

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

struct lists {
    struct wal_numbers segments, spares;
};

static void list_each(const char *name, void *arg)
{
    struct lists *lists = arg;
    str s = str_from_c(name);
    bool is_spare = str_starts(s, spare_prefix);
    str prefix = is_spare ? spare_prefix : segment_prefix;
    uint64_t number;
    if (!str_starts(s, prefix) || !str_ends(s, name_suffix) ||
        s.len < prefix.len + name_suffix.len + NUMBER_DIGITS_MIN)
        return;
    str digits = str_sub(s, prefix.len, s.len - prefix.len - name_suffix.len);
    if (!str_to_u64(digits, &number) || number == 0 || number >= UINT32_MAX)
        return;
    if (is_spare)
        numbers_add(&lists->spares, (uint32_t)number);
    else
        numbers_add(&lists->segments, (uint32_t)number);
}

static int by_number(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

static void numbers_sort(struct wal_numbers *numbers)
{
    if (numbers->count)
        qsort(numbers->items, numbers->count, sizeof numbers->items[0], by_number);
}

void wal_numbers_clear(struct wal_numbers *numbers)
{
    xfree(numbers->items);
    *numbers = (struct wal_numbers){ 0 };
}

enum err wal_segment_list(const char *dir, struct wal_numbers *ret_segments,
                          struct wal_numbers *ret_spares, struct diag *reterr_why)
{
    struct lists lists = { 0 };
    enum err err = dir_list(dir, list_each, &lists, reterr_why);
    if (err) {
        wal_numbers_clear(&lists.segments);
        wal_numbers_clear(&lists.spares);
        return err;
    }
    numbers_sort(&lists.segments);
    numbers_sort(&lists.spares);
    *ret_segments = lists.segments;
    *ret_spares = lists.spares;
    return ERR_OK;
}

uint64_t wal_segment_known_end(const char *dir, const struct sys_files *files, uint32_t number)
{
    char path[WAL_PATH_MAX];
    wal_segment_path(dir, number + 1, path);
    int fd = files->open(path, O_RDONLY, 0);
    if (fd < 0)
        return 0;
    struct wal_segment_header header;
    struct wal_cursor cursor;
    wal_cursor_init(&cursor, files, fd, number + 1, WAL_CHUNK_RANDOM);
    int64_t size = file_size(path);
    enum wal_header_state state =
        wal_cursor_begin(&cursor, size < 0 ? 0 : (uint64_t)size, 0, &header);
    wal_cursor_clear(&cursor);
    return state == WAL_HEADER_OK ? header.previous_end : 0;
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
