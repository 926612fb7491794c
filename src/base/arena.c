/* arena.c -- bump allocation in growing blocks, poisoned under ASan.
 *
 * Blocks double from 16 KiB to 1 MiB; a larger request gets a block of its own
 * size.  reset keeps what batches of late used, so an ordinary one costs no malloc.
 * Under ASan every allocation is followed by 16 poisoned bytes and fresh blocks
 * are poisoned whole (STYLE.md section 7 tells what happened without).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISON 1
#endif
#endif
#ifdef ARENA_POISON
#include <sanitizer/asan_interface.h>
enum { RED_ZONE_BYTES = 16 };
#else
#define ASAN_POISON_MEMORY_REGION(ptr, size) ((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(ptr, size) ((void)0)
enum { RED_ZONE_BYTES = 0 };
#endif

enum {
    ALIGN_BYTES = 16,
    BLOCK_BYTES_MIN = 16 * 1024,
    BLOCK_BYTES_MAX = 1024 * 1024,
    KEEP_BYTES_MIN = 8 * 1024 * 1024,
    FADE = 8, /* an eighth of a peak is forgotten per reset */
};

struct arena_block {
    struct arena_block *next;
    size_t capacity;
    size_t used;
    size_t pad; /* keeps data[] aligned */
    char data[];
};

void arena_init(struct arena *arena, size_t budget_bytes)
{
    *arena = (struct arena){ .budget_bytes = budget_bytes };
}

static struct arena_block *block_new(size_t capacity)
{
    struct arena_block *block = xmalloc(sizeof *block + capacity);
    *block = (struct arena_block){ .capacity = capacity };
    ASAN_POISON_MEMORY_REGION(block->data, capacity);
    return block;
}

static void block_free(struct arena_block *block)
{
    ASAN_UNPOISON_MEMORY_REGION(block->data, block->capacity);
    xfree(block);
}

static void blocks_free(struct arena_block *block)
{
    while (block) {
        struct arena_block *next = block->next;
        block_free(block);
        block = next;
    }
}

/* Blocks stay for the next batch: page faults cost more than memory. */
void arena_reset(struct arena *arena)
{
    size_t faded = arena->recent_bytes - arena->recent_bytes / FADE;
    arena->recent_bytes = MAX(arena->used_bytes, faded);
    size_t keep = MAX(arena->recent_bytes, (size_t)KEEP_BYTES_MIN);
    arena->used_bytes = 0;
    arena->current = arena->first;
    size_t kept = 0;
    for (struct arena_block *at = arena->first; at; at = at->next) {
        at->used = 0;
        ASAN_POISON_MEMORY_REGION(at->data, at->capacity);
        kept += at->capacity;
        if (kept < keep)
            continue;
        blocks_free(at->next);
        at->next = NULL;
    }
}

void arena_clear(struct arena *arena)
{
    blocks_free(arena->first);
    arena_init(arena, arena->budget_bytes);
}

/* The next kept block if it is large enough, else a new one after the current. */
static void *alloc_in_next_block(struct arena *arena, size_t bytes)
{
    struct arena_block *kept = arena->current ? arena->current->next : NULL;
    if (kept && kept->capacity >= bytes) {
        arena->current = kept;
        kept->used = bytes;
        return kept->data;
    }
    size_t capacity = arena->current ? arena->current->capacity * 2 : BLOCK_BYTES_MIN;
    capacity = MIN(capacity, (size_t)BLOCK_BYTES_MAX);
    struct arena_block *block = block_new(MAX(capacity, bytes));
    block->next = kept;
    if (arena->current)
        arena->current->next = block;
    else
        arena->first = block;
    arena->current = block;
    block->used = bytes;
    return block->data;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    assert(arena);
    if (size > arena->budget_bytes || size > SIZE_MAX / 2) /* the sum below must not wrap */
        return NULL;
    size_t bytes = (size + RED_ZONE_BYTES + ALIGN_BYTES - 1) & ~(size_t)(ALIGN_BYTES - 1);
    bytes = MAX(bytes, (size_t)ALIGN_BYTES);
    if (bytes > arena->budget_bytes - MIN(arena->used_bytes, arena->budget_bytes))
        return NULL;
    arena->used_bytes += bytes;
    struct arena_block *block = arena->current;
    void *result;
    if (block && block->capacity - block->used >= bytes) {
        result = block->data + block->used;
        block->used += bytes;
    } else {
        result = alloc_in_next_block(arena, bytes);
    }
    ASAN_UNPOISON_MEMORY_REGION(result, size);
    return result;
}

void *arena_calloc(struct arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (MUL_OVERFLOWS(count, size, &bytes))
        return NULL;
    void *result = arena_alloc(arena, bytes);
    if (result)
        memset(result, 0, bytes);
    return result;
}

str arena_str(struct arena *arena, str s)
{
    if (str_is_none(s))
        return STR_NONE;
    char *copy = arena_alloc(arena, s.len);
    if (!copy)
        return STR_NONE;
    if (s.len)
        memcpy(copy, s.ptr, s.len);
    return str_make(copy, s.len);
}

str arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = len < 0 ? NULL : arena_alloc(arena, (size_t)len + 1);
    if (text)
        vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text ? str_make(text, (size_t)len) : STR_NONE;
}

static void *checked(void *ptr)
{
    if (ptr)
        return ptr;
    static const char message[] = "out of memory\n";
    fwrite(message, 1, sizeof message - 1, stderr);
    abort();
}

void *xmalloc(size_t size)
{
    return checked(malloc(size ? size : 1));
}

void *xcalloc(size_t count, size_t size)
{
    return checked(calloc(count ? count : 1, size ? size : 1));
}

void *xrealloc(void *old, size_t size)
{
    return checked(realloc(old, size ? size : 1));
}

void xfree(void *ptr)
{
    free(ptr);
}

char *xstrdup_str(str s)
{
    char *copy = xmalloc(s.len + 1);
    if (s.len)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return copy;
}
