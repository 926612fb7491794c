/* arena.h -- memory that dies together, with a budget.
 *
 * One request, one batch, one query page: each has an arena and nothing in it
 * is freed alone.  The budget is the limit of STYLE.md section 7: when it is
 * spent arena_alloc returns NULL, which callers turn into ERR_LIMIT.  A real
 * failure of malloc aborts (in xalloc).  In sanitizer builds blocks are
 * poisoned and allocations have red zones, so an overrun is found at its line.
 *
 * Memory:  the arena owns its blocks; reset keeps 8 MiB of them, or as much as of late
 *          was used between two resets: what one peak needed fades away over some resets.
 * Threads: one thread at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/base.h"
#include "base/str.h"

struct arena_block;
struct arena {
    struct arena_block *first;
    struct arena_block *current;
    size_t used_bytes;   /* handed out since the last reset, red zones included */
    size_t recent_bytes; /* used between resets of late */
    size_t budget_bytes; /* arena_alloc fails beyond it */
};

void arena_init(struct arena *arena, size_t budget_bytes);
void arena_reset(struct arena *arena);
void arena_clear(struct arena *arena);

/* `size` bytes aligned to 16, not zeroed; NULL only when the budget is spent.
 * A size of 0 gives a valid pointer. */
MUST_CHECK void *arena_alloc(struct arena *arena, size_t size);
MUST_CHECK void *arena_calloc(struct arena *arena, size_t count, size_t size);
/* Copy of bytes; ptr == NULL when the budget is spent (or s was none). */
MUST_CHECK str arena_str(struct arena *arena, str s);
MUST_CHECK str arena_printf(struct arena *arena, const char *format, ...) PRINTF(2, 3);
/* Zeroed array of `count` of `type`; NULL when the budget is spent. */
#define arena_new(arena, type, count) ((type *)arena_calloc((arena), (count), sizeof(type)))

/* malloc that aborts in one place when the machine has no memory. */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
void xfree(void *ptr);
char *xstrdup_str(str s); /* NUL-terminated copy */
