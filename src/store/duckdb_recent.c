/* duckdb_recent.c -- rows in memory: written once, column by column, seen by snapshots.
 *
 * Spans that are not settled, and settled ones on their way to disk.  The engine
 * reads them through duckdb_feed.c, so that SQL has one meaning for memory and
 * disk; but writing a row here costs a tenth of an insert into a table of it.
 *
 * A row is written behind `published` where nobody looks, then published under
 * the lock; it is removed by the version from which it is gone.  A snapshot is
 * a version, the blocks (held) and how much of each was published.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/hash.h"
#include "base/utf8.h"
#include "store/duckdb_int.h"

#include <stdatomic.h>

enum { WALK_ROWS_MAX = 32, BUCKETS_MIN = 1024, CACHE_LINE_BYTES = 64 };
#define BLOCK_TEXT_BYTES_SOFT (32 * MIB) /* a block is not filled further */
#define BLOCK_TEXT_BYTES_MAX (256 * MIB)

/* -- blocks -- */

void recent_init(struct recent *recent, const struct columns *columns, struct dicts *dicts,
                 pthread_rwlock_t *lock)
{
    *recent = (struct recent){ .columns = columns, .dicts = dicts, .lock = lock };
    buf_init(&recent->scratch, STORE_RARE_BYTES_MAX);
}

static void block_free(struct block *block)
{
    xfree(block->memory);
    arena_clear(&block->texts);
    xfree(block);
}

void recent_clear(struct recent *recent)
{
    for (uint32_t i = 0; i < recent->slot_count; i++)
        if (recent->blocks[i])
            block_free(recent->blocks[i]);
    for (uint32_t i = 0; i < recent->spare_count; i++)
        block_free(recent->spare[i]);
    xfree(recent->blocks);
    buf_clear(&recent->scratch);
    *recent = (struct recent){ .columns = NULL };
}

uint64_t recent_bytes(const struct recent *recent)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < recent->slot_count; i++)
        if (recent->blocks[i])
            bytes +=
                sizeof(struct block) + recent->blocks[i]->text_bytes +
                (uint64_t)__builtin_popcountll(recent->blocks[i]->used_published) * 9 * BLOCK_ROWS;
    return bytes;
}

static void slot_take(struct recent *recent, struct block *block)
{
    uint32_t slot = 0;
    while (slot < recent->slot_count && recent->blocks[slot])
        slot++;
    if (slot == recent->slot_count) {
        if (recent->slot_count == recent->slot_capacity) {
            recent->slot_capacity = MAX(recent->slot_capacity * 2, 64U);
            recent->blocks =
                xrealloc(recent->blocks, recent->slot_capacity * sizeof(struct block *));
        }
        recent->slot_count++;
    }
    block->slot = slot;
    recent->blocks[slot] = block;
    recent->block_count++;
}

/* The engine's tables refer to it no more. */
static void block_release(struct recent *recent, struct block *block)
{
    assert(block->refs > 0);
    if (atomic_fetch_sub(&block->refs, 1) > 1)
        return;
    if (recent->spare_count == BLOCK_SPARE_MAX || block->texts.used_bytes > 8 * MIB) {
        block_free(block);
        return;
    }
    recent->spare[recent->spare_count++] = block;
}

static void block_retire(struct recent *recent, struct block *block)
{
    recent->blocks[block->slot] = NULL;
    recent->block_count--;
    if (recent->current == block)
        recent->current = NULL;
    block_release(recent, block);
}

static size_t cells_bytes(const struct column *column)
{
    return (size_t)column_bytes(column->kind) * BLOCK_ROWS + CACHE_LINE_BYTES;
}

/* Columns are some cache lines out of step: else the cells of one row, which are written
 * together, would all fall into the same few sets of the processor's cache. */
static void cells_place(struct block *block, const struct columns *columns)
{
    size_t total = 0;
    for (uint32_t i = 0; i < columns->count; i++)
        total += cells_bytes(&columns->items[i]);
    char *at = block->memory = xmalloc(total);
    for (uint32_t i = 0; i < columns->count; i++) {
        block->cells[i] = at;
        at += cells_bytes(&columns->items[i]);
    }
}

static struct block *block_new(struct recent *recent)
{
    struct block *block;
    if (recent->spare_count > 0) {
        block = recent->spare[--recent->spare_count];
        arena_reset(&block->texts);
    } else {
        block = xcalloc(1, sizeof *block);
        arena_init(&block->texts, BLOCK_TEXT_BYTES_MAX);
        cells_place(block, recent->columns);
    }
    block->refs = 1;
    block->filled = block->published = block->alive = 0;
    block->used = block->used_published = 0;
    block->text_bytes = 0;
    return block;
}

static struct block *block_for_row(struct recent *recent)
{
    struct block *block = recent->current;
    if (block && block->filled < BLOCK_ROWS && block->texts.used_bytes < BLOCK_TEXT_BYTES_SOFT)
        return block;
    pthread_rwlock_wrlock(recent->lock);
    if (block && block->alive == 0)
        block_retire(recent, block);
    block = block_new(recent);
    slot_take(recent, block);
    recent->current = block;
    pthread_rwlock_unlock(recent->lock);
    return block;
}

/* -- cells -- */

/* A row being written. */
struct draft {
    struct recent *recent;
    struct block *block;
    uint32_t at;
    bool is_too_large;
    uint64_t columns;               /* that have a value */
    uint64_t overflow[FIELD_WORDS]; /* fields whose dictionary is full */
};

static struct draft draft_begin(struct recent *recent)
{
    struct block *block = block_for_row(recent);
    return (struct draft){ .recent = recent, .block = block, .at = block->filled };
}

static void column_mark(struct draft *draft, uint32_t column)
{
    draft->columns |= UINT64_C(1) << column;
}

/* A text that is UTF-8; a copy unless it fits the cell. */
static void valid_keep(struct draft *draft, uint32_t column, str text)
{
    struct block *block = draft->block;
    bool is_empty = text.len == 0;
    if (text.len > CELL_INLINE_BYTES)
        text = arena_str(&block->texts, text);
    if (text.len > UINT32_MAX || (str_is_none(text) && !is_empty)) {
        draft->is_too_large = true;
        text = STR_OF("");
    }
    cell_text(block->cells[column], draft->at, text);
    column_mark(draft, column);
}

/* The engine must never see anything but UTF-8. */
static void text_keep(struct draft *draft, uint32_t column, str text)
{
    if (utf8_is_valid(text)) {
        valid_keep(draft, column, text);
        return;
    }
    text = utf8_repair(&draft->block->texts, text);
    draft->is_too_large = draft->is_too_large || str_is_none(text);
    valid_keep(draft, column, str_is_none(text) ? STR_OF("") : text);
}

/* A text that is new to the dictionary. */
static uint32_t dict_new(struct recent *recent, enum field field, str text)
{
    if (text.len == 0 || utf8_is_valid(text))
        return dict_intern(recent->dicts, field, text.len ? text : STR_OF(""));
    struct arena repaired;
    arena_init(&repaired, (size_t)4 * STORE_RARE_BYTES_MAX);
    uint32_t id = dict_intern(recent->dicts, field, utf8_repair(&repaired, text));
    arena_clear(&repaired);
    return id;
}

static uint32_t dict_keep(struct draft *draft, enum field field, str text)
{
    uint32_t id = dict_seen(draft->recent->dicts, field, text);
    if (id == DICT_NO_ID)
        id = dict_new(draft->recent, field, text);
    if (id == DICT_OVERFLOW)
        draft->overflow[field / 64] |= UINT64_C(1) << (field % 64);
    return id;
}

static void strs_keep(struct draft *draft, uint32_t column, struct strs list)
{
    struct buf *scratch = &draft->recent->scratch;
    buf_reset(scratch);
    strs_to_json(scratch, &list);
    draft->is_too_large = draft->is_too_large || buf_failed(scratch);
    valid_keep(draft, column, buf_str(scratch));
}

/* Of kinds that are rarer than the two below. */
static void cell_keep(struct draft *draft, uint32_t index, const void *field)
{
    void *cells = draft->block->cells[index];
    uint32_t at = draft->at;
    switch (draft->recent->columns->items[index].kind) {
    case COLUMN_ID_HIGH: /* the low half is the next column */
        ((uint64_t *)cells)[at] = id_high(*(const struct id16 *)field);
        ((uint64_t *)draft->block->cells[index + 1])[at] = id_low(*(const struct id16 *)field);
        column_mark(draft, index + 1);
        break;
    case COLUMN_ID8:
        ((uint64_t *)cells)[at] = id8_number(*(const struct id8 *)field);
        break;
    case COLUMN_TEXT:
        text_keep(draft, index, *(const str *)field);
        break;
    case COLUMN_F64:
        ((double *)cells)[at] = *(const double *)field;
        break;
    case COLUMN_BOOL:
        ((bool *)cells)[at] = *(const bool *)field;
        break;
    case COLUMN_STRS:
        strs_keep(draft, index, *(const struct strs *)field);
        break;
    case COLUMN_DICT:
    case COLUMN_I64:
    case COLUMN_ID_LOW:
    case COLUMN_NUMBER:
    case COLUMN_LONG_TEXT:
        assert(false); /* written elsewhere */
    }
    column_mark(draft, index);
}

static enum field field_at(size_t word, uint64_t bits)
{
    return (enum field)(word * 64 + (size_t)__builtin_ctzll(bits));
}

/* All known fields that have a column: kind by kind, which costs less than to ask each for
 * its kind. */
static void fields_keep(struct draft *draft, const struct span *span)
{
    const struct columns *columns = draft->recent->columns;
    void **cells = draft->block->cells;
    for (size_t word = 0; word < FIELD_WORDS; word++) {
        uint64_t known = span->known[word];
        for (uint64_t bits = known & columns->dict_fields[word]; bits; bits &= bits - 1) {
            enum field field = field_at(word, bits);
            uint32_t index = columns->of_field[field] - 1U;
            const str *text = span_field_const(span, field);
            ((uint32_t *)cells[index])[draft->at] = dict_keep(draft, field, *text);
            column_mark(draft, index);
        }
        for (uint64_t bits = known & columns->i64_fields[word]; bits; bits &= bits - 1) {
            enum field field = field_at(word, bits);
            uint32_t index = columns->of_field[field] - 1U;
            const int64_t *number = span_field_const(span, field);
            ((int64_t *)cells[index])[draft->at] = *number;
            column_mark(draft, index);
        }
        for (uint64_t bits = known & columns->other_fields[word]; bits; bits &= bits - 1) {
            enum field field = field_at(word, bits);
            cell_keep(draft, columns->of_field[field] - 1U, span_field_const(span, field));
        }
    }
}

static void number_keep(struct draft *draft, uint32_t column, uint32_t number)
{
    ((uint32_t *)draft->block->cells[column])[draft->at] = number;
    column_mark(draft, column);
}

/* The JSON text in the scratch buffer; nothing there is unknown. */
static void scratch_keep(struct draft *draft, uint32_t column)
{
    const struct buf *scratch = &draft->recent->scratch;
    if (scratch->len > 0 && !buf_failed(scratch))
        valid_keep(draft, column, buf_str(scratch));
}

static void rare_keep(struct draft *draft, uint32_t column, const struct span *span)
{
    buf_reset(&draft->recent->scratch);
    rare_encode(&draft->recent->scratch, span, draft->overflow);
    scratch_keep(draft, column);
}

static uint32_t draft_end(const struct draft *draft, enum row_state state)
{
    struct block *block = draft->block;
    uint32_t at = block->filled++;
    block->next[at] = 0;
    block->state[at] = (uint8_t)state;
    block->known[at] = draft->columns;
    block->used |= draft->columns;
    atomic_store_explicit(&block->removed_at[at], draft->is_too_large ? 0 : UINT64_MAX,
                          memory_order_relaxed);
    if (draft->is_too_large)
        return ROW_NONE;
    block->alive++;
    return block->slot * BLOCK_ROWS + at;
}

static uint32_t column_after_fields(const struct columns *columns, uint32_t back)
{
    return columns->disk_count - back;
}

uint32_t recent_add_span(struct recent *recent, const struct store_span *span, enum row_state state)
{
    struct draft draft = draft_begin(recent);
    uint32_t disk = recent->columns->disk_count;
    uint32_t roles = column_after_fields(recent->columns, 3);
    fields_keep(&draft, &span->span);
    number_keep(&draft, roles, span->content_roles);
    number_keep(&draft, disk, span->log_segment);
    number_keep(&draft, disk + 1, span->log_offset);
    number_keep(&draft, disk + 2, span->log_index);
    number_keep(&draft, disk + 3, state);
    buf_reset(&recent->scratch);
    if (span->span.attr_count > 0)
        attrs_to_json(&recent->scratch, span->span.attrs, span->span.attr_count);
    scratch_keep(&draft, roles + 1);
    rare_keep(&draft, roles + 2, &span->span);
    return draft_end(&draft, state);
}

uint32_t recent_add_trace(struct recent *recent, const struct trace_row *trace)
{
    struct draft draft = draft_begin(recent);
    struct span as_span;
    trace_to_span(trace, &as_span);
    uint32_t column = column_after_fields(recent->columns, 7);
    uint32_t numbers[] = { trace->span_count, trace->error_count, trace->model_call_count,
                           trace->tool_call_count, trace->unpriced_count };
    fields_keep(&draft, &as_span);
    for (uint32_t i = 0; i < COUNT_OF(numbers); i++)
        number_keep(&draft, column++, numbers[i]);
    buf_reset(&recent->scratch);
    for (uint32_t i = 0; i < trace->content_count && i < TRACE_CONTENT_MAX; i++)
        buf_printf(&recent->scratch, "%s%llu:%u:%u", i ? "," : "",
                   (unsigned long long)trace->content[i].segment, trace->content[i].offset,
                   trace->content[i].len);
    scratch_keep(&draft, column++);
    uint64_t any = 0;
    for (size_t i = 0; i < COUNT_OF(draft.overflow); i++)
        any |= draft.overflow[i];
    if (any) { /* rare fields of a trace have columns: the others only */
        for (size_t i = 0; i < COUNT_OF(draft.overflow); i++)
            as_span.known[i] &= draft.overflow[i];
        rare_keep(&draft, column, &as_span);
    }
    return draft_end(&draft, ROW_SETTLED);
}

/* -- publishing -- */

void recent_publish(struct recent *recent)
{
    for (uint32_t i = 0; i < recent->slot_count; i++) {
        struct block *block = recent->blocks[i];
        if (!block || block->published == block->filled)
            continue;
        block->published = block->filled;
        block->text_bytes = block->texts.used_bytes;
        block->used_published = block->used;
    }
}

static struct block *block_of(const struct recent *recent, uint32_t row)
{
    return recent->blocks[row / BLOCK_ROWS];
}

void recent_remove(struct recent *recent, uint32_t row, uint64_t version)
{
    struct block *block = block_of(recent, row);
    uint32_t at = row % BLOCK_ROWS;
    assert(atomic_load(&block->removed_at[at]) == UINT64_MAX);
    atomic_store(&block->removed_at[at], version);
    if (--block->alive == 0 && block != recent->current)
        block_retire(recent, block);
}

enum row_state recent_state(const struct recent *recent, uint32_t row)
{
    return (enum row_state)block_of(recent, row)->state[row % BLOCK_ROWS];
}

uint64_t recent_span_id(const struct recent *recent, uint32_t row)
{
    uint32_t column = recent->columns->of_field[FIELD_span_id] - 1U;
    return ((const uint64_t *)block_of(recent, row)->cells[column])[row % BLOCK_ROWS];
}

int64_t recent_start(const struct recent *recent, uint32_t row)
{
    uint32_t column = recent->columns->of_field[FIELD_start_time] - 1U;
    return ((const int64_t *)block_of(recent, row)->cells[column])[row % BLOCK_ROWS];
}

uint32_t *recent_next(struct recent *recent, uint32_t row)
{
    return &block_of(recent, row)->next[row % BLOCK_ROWS];
}

/* -- traces in memory -- */

static struct entry **bucket_of(const struct store *store, struct key key)
{
    return &store->buckets[key_hash(key, 0) & (store->bucket_count - 1)];
}

static bool key_equal(struct key a, struct key b)
{
    return a.low == b.low && a.high == b.high && a.project == b.project;
}

struct entry *entry_find(const struct store *store, struct key key)
{
    if (!store->buckets)
        return NULL;
    struct entry *entry = *bucket_of(store, key);
    while (entry && !key_equal(entry->key, key))
        entry = entry->next;
    return entry;
}

static void buckets_grow(struct store *store)
{
    struct entry **old = store->buckets;
    size_t old_count = store->bucket_count;
    store->bucket_count = old ? old_count * 2 : BUCKETS_MIN;
    store->buckets = xcalloc(store->bucket_count, sizeof(struct entry *));
    for (size_t i = 0; i < old_count; i++)
        for (struct entry *entry = old[i], *next; entry; entry = next) {
            next = entry->next;
            struct entry **bucket = bucket_of(store, entry->key);
            entry->next = *bucket;
            *bucket = entry;
        }
    xfree(old);
}

struct entry *entry_get(struct store *store, struct key key)
{
    struct entry *entry = entry_find(store, key);
    if (entry)
        return entry;
    if (store->entry_count >= store->bucket_count)
        buckets_grow(store);
    entry = store->entries_free;
    if (entry)
        store->entries_free = entry->next;
    else
        entry = xmalloc(sizeof *entry);
    struct entry **bucket = bucket_of(store, key);
    *entry = (struct entry){ .key = key, .next = *bucket };
    *bucket = entry;
    store->entry_count++;
    return entry;
}

void entry_drop(struct store *store, struct entry *entry)
{
    assert(entry->row_count == 0 && entry->trace_row == 0 && entry->wait_index == 0);
    struct entry **at = bucket_of(store, entry->key);
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    entry->next = store->entries_free;
    store->entries_free = entry;
    store->entry_count--;
    store->indexed_count -= entry->has_index;
    if (store->indexed_count == 0 && store->big.count > 0)
        keyset_clear(&store->big);
}

void entries_clear(struct store *store)
{
    for (size_t i = 0; i < store->bucket_count; i++)
        for (struct entry *entry = store->buckets[i], *next; entry; entry = next) {
            next = entry->next;
            xfree(entry);
        }
    for (struct entry *entry = store->entries_free, *next; entry; entry = next) {
        next = entry->next;
        xfree(entry);
    }
    xfree(store->buckets);
    keyset_clear(&store->big);
}

/* From here on the trace's rows are looked up by span. */
static void index_make(struct store *store, struct entry *entry)
{
    bool was_there;
    for (uint32_t row = entry->first_row; row; row = *recent_next(&store->spans, row - 1))
        *keyset_get(&store->big, key_hash(entry->key, recent_span_id(&store->spans, row - 1)),
                    &was_there) = row;
    entry->has_index = true;
    store->indexed_count++;
}

static uint32_t row_find(struct store *store, struct entry *entry, uint64_t span_id)
{
    if (entry->row_count > WALK_ROWS_MAX && !entry->has_index)
        index_make(store, entry);
    if (entry->has_index) {
        bool was_there;
        uint64_t row = *keyset_get(&store->big, key_hash(entry->key, span_id), &was_there);
        return was_there && row ? (uint32_t)row - 1 : ROW_NONE;
    }
    for (uint32_t row = entry->first_row; row; row = *recent_next(&store->spans, row - 1))
        if (recent_span_id(&store->spans, row - 1) == span_id)
            return row - 1;
    return ROW_NONE;
}

uint32_t entry_row(struct store *store, struct entry *entry, uint64_t span_id)
{
    return row_find(store, entry, span_id);
}

void entry_link(struct store *store, struct entry *entry, uint32_t row)
{
    *recent_next(&store->spans, row) = entry->first_row;
    entry->first_row = row + 1;
    entry->row_count++;
    if (entry->has_index) {
        bool was_there;
        uint64_t hash = key_hash(entry->key, recent_span_id(&store->spans, row));
        *keyset_get(&store->big, hash, &was_there) = row + 1;
    }
}

/* Take a row out of the trace's list; it is removed by the caller. */
void entry_unlink(struct store *store, struct entry *entry, uint32_t row)
{
    uint32_t *at = &entry->first_row;
    while (*at != row + 1)
        at = recent_next(&store->spans, *at - 1);
    *at = *recent_next(&store->spans, row);
    entry->row_count--;
    entry_forget(store, entry, row);
}

void entry_forget(struct store *store, struct entry *entry, uint32_t row)
{
    if (!entry->has_index)
        return;
    bool was_there;
    uint64_t hash = key_hash(entry->key, recent_span_id(&store->spans, row));
    uint64_t *indexed = keyset_get(&store->big, hash, &was_there);
    if (*indexed == row + 1)
        *indexed = 0;
}

void entry_empty(struct store *store, struct entry *entry)
{
    while (entry->first_row) {
        uint32_t row = entry->first_row - 1;
        entry->first_row = *recent_next(&store->spans, row);
        bool settled = recent_state(&store->spans, row) == ROW_SETTLED;
        atomic_fetch_sub(settled ? &store->settled_rows : &store->open_rows, 1);
        entry_forget(store, entry, row);
        recent_remove(&store->spans, row, store->version);
    }
    entry->row_count = 0;
    if (entry->trace_row) {
        recent_remove(&store->traces, entry->trace_row - 1, store->version);
        atomic_fetch_sub(&store->settled_traces, 1);
    }
    entry->trace_row = 0;
    waiting_remove(store, entry);
}

uint32_t *entry_rows(const struct store *store, const struct entry *entry, size_t *ret_count)
{
    uint32_t *rows = xcalloc(entry->row_count + 1, sizeof *rows);
    size_t count = 0;
    for (uint32_t row = entry->first_row; row;
         row = block_of(&store->spans, row - 1)->next[(row - 1) % BLOCK_ROWS])
        rows[count++] = row - 1;
    *ret_count = count;
    return rows;
}

/* -- snapshots -- */

static uint32_t block_hold(struct snapshot *snapshot, struct block *block)
{
    atomic_fetch_add(&block->refs, 1);
    snapshot->blocks[snapshot->block_count] = block;
    snapshot->counts[snapshot->block_count] = block->published;
    return snapshot->block_count++;
}

static void snapshot_rows(const struct recent *recent, const uint32_t *rows, size_t count,
                          struct snapshot *snapshot)
{
    uint32_t *held = xcalloc(recent->slot_count + 1, sizeof *held);
    snapshot->rows = xcalloc(count + 1, sizeof *snapshot->rows);
    snapshot->row_count = count;
    for (size_t i = 0; i < count; i++) {
        uint32_t slot = rows[i] / BLOCK_ROWS;
        if (!held[slot])
            held[slot] = block_hold(snapshot, recent->blocks[slot]) + 1;
        snapshot->rows[i] = (held[slot] - 1) * BLOCK_ROWS + rows[i] % BLOCK_ROWS;
    }
    xfree(held);
}

void snapshot_take(const struct store *store, const struct recent *recent, const uint32_t *rows,
                   size_t row_count, struct snapshot *snapshot)
{
    *snapshot = (struct snapshot){ .recent = recent, .version = store->version };
    snapshot->blocks = xcalloc(recent->block_count + 1, sizeof(struct block *));
    snapshot->counts = xcalloc(recent->block_count + 1, sizeof *snapshot->counts);
    if (rows) {
        snapshot_rows(recent, rows, row_count, snapshot);
        return;
    }
    for (uint32_t i = 0; i < recent->slot_count; i++)
        if (recent->blocks[i] && recent->blocks[i]->published > 0)
            (void)block_hold(snapshot, recent->blocks[i]);
}

void snapshot_drop(struct store *store, struct snapshot *snapshot)
{
    if (!snapshot->recent)
        return;
    struct recent *recent = snapshot->recent == &store->spans ? &store->spans : &store->traces;
    pthread_rwlock_wrlock(&store->lock);
    for (uint32_t i = 0; i < snapshot->block_count; i++)
        block_release(recent, snapshot->blocks[i]);
    pthread_rwlock_unlock(&store->lock);
    xfree(snapshot->blocks);
    xfree(snapshot->counts);
    xfree(snapshot->rows);
    *snapshot = (struct snapshot){ .recent = NULL };
}

bool snapshot_has_late(const struct snapshot *snapshot)
{
    for (size_t i = 0; snapshot->rows && i < snapshot->row_count; i++) {
        uint32_t row = snapshot->rows[i];
        if (snapshot->blocks[row / BLOCK_ROWS]->state[row % BLOCK_ROWS] == ROW_LATE)
            return true;
    }
    for (uint32_t i = 0; !snapshot->rows && i < snapshot->block_count; i++)
        if (memchr(snapshot->blocks[i]->state, ROW_LATE, snapshot->counts[i]))
            return true;
    return false;
}
