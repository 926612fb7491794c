/* segment.c -- content segments by name and kind: NNNNNNNN.seg, NNNNNNNN.prv.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "content/content_int.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

static const str suffixes[CONTENT_KIND_COUNT] = { STR(".seg"), STR(".prv") };

void content_path(const char *dir, uint64_t segment, char ret_path[CONTENT_PATH_MAX])
{
    bool preview = segment & CONTENT_SEGMENT_PREVIEW;
    int len =
        snprintf(ret_path, CONTENT_PATH_MAX, "%s/%08llu%s", dir,
                 (unsigned long long)(segment & ~CONTENT_SEGMENT_PREVIEW), suffixes[preview].ptr);
    assert(len > 0 && len < CONTENT_PATH_MAX);
}

struct listing {
    str suffix;
    struct content_numbers numbers;
};

static void list_each(const char *name, void *arg)
{
    struct listing *listing = arg;
    str s = str_from_c(name), suffix = listing->suffix;
    uint64_t number;
    if (!str_ends(s, suffix) || !str_to_u64(str_sub(s, 0, s.len - suffix.len), &number) ||
        number == 0 || number >= CONTENT_SEGMENT_PREVIEW)
        return;
    struct content_numbers *numbers = &listing->numbers;
    if (numbers->count == numbers->capacity) {
        numbers->capacity = MAX(numbers->capacity * 2, (size_t)16);
        numbers->items = xrealloc(numbers->items, numbers->capacity * sizeof numbers->items[0]);
    }
    numbers->items[numbers->count++] = number;
}

static int by_number(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

enum err content_list(const char *dir, enum content_kind kind, struct content_numbers *ret_numbers,
                      struct diag *reterr_why)
{
    return content_list_ending(dir, kind, "", ret_numbers, reterr_why);
}

enum err content_list_ending(const char *dir, enum content_kind kind, const char *more,
                             struct content_numbers *ret_numbers, struct diag *reterr_why)
{
    char suffix[32];
    snprintf(suffix, sizeof suffix, "%.*s%s", STR_ARG(suffixes[kind]), more);
    struct listing listing = { .suffix = str_from_c(suffix) };
    enum err err = dir_list(dir, list_each, &listing, reterr_why);
    if (err) {
        xfree(listing.numbers.items);
        return err;
    }
    if (listing.numbers.count)
        qsort(listing.numbers.items, listing.numbers.count, sizeof listing.numbers.items[0],
              by_number);
    *ret_numbers = listing.numbers;
    return ERR_OK;
}

bool content_footer_read(const struct sys_files *files, const char *path,
                         struct content_footer *ret_footer)
{
    int64_t size = file_size(path);
    if (size < CONTENT_HEADER_BYTES + CONTENT_FOOTER_BYTES)
        return false;
    int fd = files->open(path, O_RDONLY, 0);
    if (fd < 0)
        return false;
    struct content_footer footer;
    bool ok = files->pread(fd, &footer, sizeof footer, size - CONTENT_FOOTER_BYTES) ==
                  (int64_t)sizeof footer &&
              content_footer_ok(&footer);
    files->close(fd);
    if (ok)
        *ret_footer = footer;
    return ok;
}
