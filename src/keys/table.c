/* table.c -- keys by id and by name: two open-addressing tables over one array.
 *
 * Ids are random and names are HMACs, so their first bytes are the hash; only the
 * hours of log keys need mixing.  Destroyed and damaged entries are in no table.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "base/hash.h"
#include "keys/keys_int.h"

static uint64_t name_hash(unsigned kind, const uint8_t name[KEYS_NAME_BYTES])
{
    return hash_bytes_seeded(name, KEYS_NAME_BYTES, kind);
}

static void slot_put(struct keys_table *table, uint64_t hash, size_t index)
{
    size_t at = (size_t)hash & (table->capacity - 1);
    while (table->slots[at])
        at = (at + 1) & (table->capacity - 1);
    table->slots[at] = (uint32_t)index + 1;
    table->used++;
}

static void table_clear(struct keys_table *table, size_t capacity)
{
    xfree(table->slots);
    *table = (struct keys_table){ .slots = xcalloc(capacity, sizeof table->slots[0]),
                                  .capacity = capacity };
}

static void entry_index(struct keystore *keystore, size_t index)
{
    const struct keys_entry *entry = &keystore->entries[index];
    if (entry->damaged || (entry->record.flags & KEYS_FLAG_DESTROYED))
        return;
    slot_put(&keystore->by_id, entry->record.id, index);
    slot_put(&keystore->by_name, name_hash(entry->record.kind, entry->record.name), index);
}

void keys_tables_rebuild(struct keystore *keystore)
{
    size_t capacity = 64;
    while (capacity < 2 * (keystore->count + 1))
        capacity *= 2;
    table_clear(&keystore->by_id, capacity);
    table_clear(&keystore->by_name, capacity);
    for (size_t i = 0; i < keystore->count; i++)
        entry_index(keystore, i);
}

struct keys_entry *keys_entry_add(struct keystore *keystore, const struct keys_record *record)
{
    assert(keystore->count < UINT32_MAX / 4);
    if (keystore->count == keystore->capacity) {
        keystore->capacity = MAX(keystore->capacity * 2, (size_t)64);
        keystore->entries =
            xrealloc(keystore->entries, keystore->capacity * sizeof keystore->entries[0]);
    }
    keystore->entries[keystore->count++] = (struct keys_entry){ .record = *record };
    if (keystore->by_id.capacity < 2 * (keystore->count + 1))
        keys_tables_rebuild(keystore);
    else
        entry_index(keystore, keystore->count - 1);
    return &keystore->entries[keystore->count - 1];
}

struct keys_entry *keys_find_id(struct keystore *keystore, uint64_t id)
{
    const struct keys_table *table = &keystore->by_id;
    if (!table->capacity)
        return NULL;
    for (size_t at = (size_t)id & (table->capacity - 1); table->slots[at];
         at = (at + 1) & (table->capacity - 1)) {
        struct keys_entry *entry = &keystore->entries[table->slots[at] - 1];
        if (entry->record.id == id)
            return entry;
    }
    return NULL;
}

struct keys_entry *keys_find_name(struct keystore *keystore, enum keys_kind kind,
                                  const uint8_t name[KEYS_NAME_BYTES])
{
    const struct keys_table *table = &keystore->by_name;
    if (!table->capacity)
        return NULL;
    for (size_t at = (size_t)name_hash(kind, name) & (table->capacity - 1); table->slots[at];
         at = (at + 1) & (table->capacity - 1)) {
        struct keys_entry *entry = &keystore->entries[table->slots[at] - 1];
        if (entry->record.kind == kind && memcmp(entry->record.name, name, KEYS_NAME_BYTES) == 0)
            return entry;
    }
    return NULL;
}
