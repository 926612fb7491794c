/* unmapped.c -- the tables of unmapped.h.
 *
 * A name is found by its first bytes as they were sent, in an open-addressing hash that only
 * the writer looks at.  Readers walk the entries, of which the writer says with a release
 * how many there are.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "norm/unmapped.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "norm/norm_int.h"
#include <stdatomic.h>
#include <stdlib.h>

enum { SLOTS = 2 * UNMAPPED_NAMES_MAX, CLEAN_BYTES_MAX = 4096 };

struct name {
    str raw; /* as sent, cut: what it is found by */
    str shown, scope, service;
    uint32_t dialects;
    int64_t first_ns;
    _Atomic int64_t last_ns;
    _Atomic uint64_t count, newer_count;
};

struct project {
    str name;
    uint16_t slots[SLOTS]; /* place in names + 1 */
    struct name *names[UNMAPPED_NAMES_MAX];
    _Atomic uint32_t name_count;
    _Atomic uint64_t other;
};

struct unmapped {
    struct project *projects[UNMAPPED_PROJECTS_MAX];
    _Atomic uint32_t project_count;
    uint32_t name_count;     /* of all projects; the writer's */
    struct project *current; /* likewise */
    _Atomic uint64_t total;
};

struct unmapped *unmapped_new(void)
{
    return xcalloc(1, sizeof(struct unmapped));
}

static void text_free(str text)
{
    xfree((void *)(uintptr_t)text.ptr);
}

void unmapped_free(struct unmapped *unmapped)
{
    if (!unmapped)
        return;
    for (uint32_t i = 0; i < unmapped->project_count; i++) {
        struct project *project = unmapped->projects[i];
        for (uint32_t k = 0; k < project->name_count; k++) {
            struct name *name = project->names[k];
            text_free(name->raw);
            text_free(name->shown);
            text_free(name->scope);
            text_free(name->service);
            xfree(name);
        }
        text_free(project->name);
        xfree(project);
    }
    xfree(unmapped);
}

static str text_copy(str text)
{
    return str_make(xstrdup_str(text), text.len);
}

/* As it may be shown: redacted, valid, cut between characters. */
static str shown_copy(const struct unmapped_sender *sender, str text)
{
    text = str_sub(text, 0, CLEAN_BYTES_MAX);
    text = utf8_repair(sender->arena, text);
    if (!str_is_none(text) && sender->clean)
        text = sender->clean(sender->clean_arg, sender->arena, text);
    if (str_is_none(text))
        return text_copy(STR_OF("?"));
    size_t len = MIN(text.len, (size_t)UNMAPPED_NAME_BYTES_MAX);
    while (len < text.len && len > 0 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
        len--;
    return text_copy(str_sub(text, 0, len));
}

/* One writer: no need of a locked instruction. */
static void add_one(_Atomic uint64_t *counter)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + 1, memory_order_relaxed);
}

static struct project *project_find(struct unmapped *unmapped, str name)
{
    if (unmapped->current && str_equal(unmapped->current->name, name))
        return unmapped->current;
    uint32_t count = atomic_load_explicit(&unmapped->project_count, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++)
        if (str_equal(unmapped->projects[i]->name, name))
            return unmapped->current = unmapped->projects[i];
    if (count == UNMAPPED_PROJECTS_MAX)
        return NULL;
    struct project *project = xcalloc(1, sizeof *project);
    project->name = text_copy(name);
    unmapped->projects[count] = project;
    atomic_store_explicit(&unmapped->project_count, count + 1, memory_order_release);
    return unmapped->current = project;
}

static struct name *entry_new(const struct unmapped_sender *sender, str raw, str whole)
{
    struct name *name = xcalloc(1, sizeof *name);
    name->raw = text_copy(raw);
    name->shown = shown_copy(sender, whole);
    name->scope = shown_copy(sender, sender->scope);
    name->service = shown_copy(sender, sender->service);
    name->dialects = sender->dialects;
    name->first_ns = sender->now_ns;
    return name;
}

/* NULL: no room for one more. */
static struct name *entry_find(struct unmapped *unmapped, struct project *project,
                               const struct unmapped_sender *sender, str whole)
{
    str raw = str_sub(whole, 0, UNMAPPED_NAME_BYTES_MAX);
    size_t at = hash_str(raw) % SLOTS;
    for (; project->slots[at]; at = (at + 1) % SLOTS) {
        struct name *name = project->names[project->slots[at] - 1];
        if (str_equal(name->raw, raw))
            return name;
    }
    uint32_t count = atomic_load_explicit(&project->name_count, memory_order_relaxed);
    if (count == UNMAPPED_NAMES_MAX || unmapped->name_count == UNMAPPED_ALL_MAX)
        return NULL;
    struct name *name = entry_new(sender, raw, whole);
    project->names[count] = name;
    project->slots[at] = (uint16_t)(count + 1);
    unmapped->name_count++;
    atomic_store_explicit(&project->name_count, count + 1, memory_order_release);
    return name;
}

void unmapped_add(struct unmapped *unmapped, const struct unmapped_sender *sender, str name)
{
    add_one(&unmapped->total);
    struct project *project = project_find(unmapped, sender->project);
    if (!project)
        return;
    struct name *entry = entry_find(unmapped, project, sender, name);
    if (!entry) {
        add_one(&project->other);
        return;
    }
    if (sender->newer_reads)
        add_one(&entry->newer_count);
    add_one(&entry->count);
    atomic_store_explicit(&entry->last_ns, sender->now_ns, memory_order_relaxed);
}

uint64_t unmapped_total(const struct unmapped *unmapped)
{
    return atomic_load_explicit(&unmapped->total, memory_order_relaxed);
}

/* ---- reading ---- */

static const struct project *project_of(const struct unmapped *table, str name)
{
    uint32_t count = atomic_load_explicit(&table->project_count, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++)
        if (str_equal(table->projects[i]->name, name))
            return table->projects[i];
    return NULL;
}

static void items_add(struct unmapped_items *items, struct buf *dialect, struct arena *arena,
                      const struct name *name)
{
    uint64_t count = atomic_load_explicit(&name->count, memory_order_relaxed);
    if (count == 0) /* the writer has just made it, and counts it next */
        return;
    buf_reset(dialect);
    dialect_names_add(dialect, name->dialects);
    items->items[items->count++] = (struct unmapped_item){
        .name = name->shown,
        .scope = name->scope,
        .service = name->service,
        .dialect = arena_str(arena, buf_str(dialect)),
        .count = count,
        .newer_count = atomic_load_explicit(&name->newer_count, memory_order_relaxed),
        .first_ns = name->first_ns,
        .last_ns = atomic_load_explicit(&name->last_ns, memory_order_relaxed),
    };
}

static int by_name(const void *a, const void *b)
{
    const struct unmapped_item *left = a, *right = b;
    int order = str_cmp(left->name, right->name);
    return order ? order : (left->first_ns > right->first_ns) - (left->first_ns < right->first_ns);
}

static int by_count(const void *a, const void *b)
{
    const struct unmapped_item *left = a, *right = b;
    if (left->count != right->count)
        return left->count < right->count ? 1 : -1;
    return str_cmp(left->name, right->name);
}

/* Sorted by name and time: the first of a name stays, with what the others counted. */
static void items_fold(struct unmapped_items *items)
{
    size_t kept = 0;
    for (size_t i = 0; i < items->count; i++) {
        struct unmapped_item *item = &items->items[i];
        if (kept && str_equal(items->items[kept - 1].name, item->name)) {
            items->items[kept - 1].count += item->count;
            items->items[kept - 1].newer_count += item->newer_count;
            items->items[kept - 1].last_ns = MAX(items->items[kept - 1].last_ns, item->last_ns);
        } else {
            items->items[kept++] = *item;
        }
    }
    items->count = kept;
}

enum err unmapped_list(struct arena *arena, const struct unmapped *const *tables,
                       size_t table_count, str project_name, str prefix,
                       struct unmapped_items *ret_items)
{
    struct unmapped_items items = { .items = arena_new(arena, struct unmapped_item,
                                                       table_count * UNMAPPED_NAMES_MAX + 1) };
    if (!items.items)
        return ERR_LIMIT;
    struct buf dialect;
    buf_init(&dialect, 4 * KIB);
    for (size_t i = 0; i < table_count; i++) {
        const struct project *project = project_of(tables[i], project_name);
        if (!project)
            continue;
        items.other_count += atomic_load_explicit(&project->other, memory_order_relaxed);
        uint32_t count = atomic_load_explicit(&project->name_count, memory_order_acquire);
        for (uint32_t k = 0; k < count; k++)
            if (str_starts(project->names[k]->shown, prefix))
                items_add(&items, &dialect, arena, project->names[k]);
    }
    buf_clear(&dialect);
    qsort(items.items, items.count, sizeof *items.items, by_name);
    items_fold(&items);
    qsort(items.items, items.count, sizeof *items.items, by_count);
    *ret_items = items;
    return ERR_OK;
}
