/* table.c -- reads the compiled price table and indexes its names.
 *
 * The text (docs/formats/prices.md) is counted once, so that every array has its
 * size, then read once.  It is ours, but checked like anyone's: a damaged one is
 * ERR_CORRUPT with its line.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "price/price_int.h"

const char *const price_tier_names[TIER_COUNT] = { "std", "batch", "flex", "priority" };

static const char *const rate_names[PRICE_RATE_COUNT] = {
    "input",    "output",    "cache_read", "cache_write_5m", "cache_write_1h", "reasoning",
    "audio_in", "audio_out", "image_in",   "image_out",      "request",
};

struct loader {
    struct price_table *table;
    struct diag *why;
    size_t line;
    size_t entry_capacity;
    size_t period_left;
    struct price_period *period_next;
    str source_date; /* of the entry being read */
    struct {
        str name, date;
    } sources[4];
    size_t source_count;
    uint32_t space; /* of the names being read */
    struct price_rows rows;
};

/* ---- names ---- */

/* Eight bytes a step.  Senders choose what is looked up but never what is stored,
 * so a stronger hash would only cost time. */
static uint64_t name_hash(uint32_t space, str name)
{
    const uint64_t factor = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t hash = (space + name.len) * factor;
    size_t at = 0;
    for (uint64_t word; at + sizeof word <= name.len; at += sizeof word) {
        memcpy(&word, name.ptr + at, sizeof word);
        hash = (hash ^ word) * factor;
        hash ^= hash >> 32;
    }
    uint64_t tail = 0;
    for (; at < name.len; at++)
        tail = tail << 8 | (uint8_t)name.ptr[at];
    hash = (hash ^ tail) * factor;
    return hash ^ hash >> 32;
}

void price_name_add(struct price_table *table, uint32_t space, str name, uint32_t number)
{
    assert(table->name_count < table->name_capacity);
    assert(table->name_capacity <= table->slot_mask);
    size_t at = name_hash(space, name) & table->slot_mask;
    for (; table->slots[at]; at = (at + 1) & table->slot_mask) {
        struct price_name *there = &table->names[table->slots[at] - 1];
        if (there->space == space && str_equal(there->name, name))
            return; /* the first stands */
    }
    table->names[table->name_count] = (struct price_name){ name, space, number };
    table->slots[at] = (uint32_t)++table->name_count;
}

uint32_t price_name_find(const struct price_table *table, uint32_t space, str name)
{
    size_t at = name_hash(space, name) & table->slot_mask;
    for (; table->slots[at]; at = (at + 1) & table->slot_mask) {
        const struct price_name *there = &table->names[table->slots[at] - 1];
        if (there->space == space && str_equal(there->name, name))
            return there->number;
    }
    return UINT32_MAX;
}

/* ---- rates ---- */

/* Digits with an optional point into *ret_value, and how many stood after it. */
static bool digits_parse(str text, uint64_t *ret_value, int *ret_places)
{
    uint64_t value = 0;
    int places = -1;
    size_t digits = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '.' && places < 0) {
            places = 0;
            continue;
        }
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        if (MUL_OVERFLOWS(value, (uint64_t)10, &value) ||
            ADD_OVERFLOWS(value, (uint64_t)(text.ptr[i] - '0'), &value))
            return false;
        digits++;
        places += places >= 0;
    }
    *ret_value = value;
    *ret_places = places < 0 ? 0 : places;
    return digits > 0;
}

bool price_decimal_parse(str text, int exponent, uint64_t *ret_value)
{
    enum { EXPONENT_MAX = 40 };
    size_t e = MIN(str_find_char(text, 'e'), str_find_char(text, 'E'));
    int64_t written = 0;
    uint64_t value;
    int places;
    str power = str_from(text, e + 1);
    if (e < text.len && str_starts(power, STR_OF("+")))
        power = str_from(power, 1);
    if (e < text.len &&
        (!str_to_i64(power, &written) || written > EXPONENT_MAX || written < -EXPONENT_MAX))
        return false;
    if (!digits_parse(str_sub(text, 0, e), &value, &places))
        return false;
    int64_t shift = exponent + written - places;
    for (; value && shift > 0; shift--) {
        if (MUL_OVERFLOWS(value, (uint64_t)10, &value))
            return false;
    }
    for (; value && shift < 0; shift++) {
        if (value % 10)
            return false;
        value /= 10;
    }
    *ret_value = value;
    return value <= PRICE_FEMTO_MAX;
}

struct price_row *price_rows_at(struct price_rows *rows, enum price_tier tier, uint64_t above)
{
    for (size_t i = 0; i < rows->count; i++) {
        if (rows->items[i].tier == tier && rows->items[i].above == above)
            return &rows->items[i];
    }
    if (rows->count == COUNT_OF(rows->items))
        return NULL;
    struct price_row *row = &rows->items[rows->count++];
    *row = (struct price_row){ .tier = tier, .above = above };
    for (size_t i = 0; i < PRICE_RATE_COUNT; i++)
        row->femto[i] = PRICE_RATE_NONE;
    return row;
}

/* The rate for a request of that tier and size: the highest threshold that gives
 * one, of the tier itself or else of the standard tier, wins. */
static uint64_t rate_resolve(const struct price_rows *rows, enum price_tier tier, uint64_t above,
                             size_t rate)
{
    uint64_t found = PRICE_RATE_NONE, found_above = 0;
    bool found_own = false;
    for (size_t i = 0; i < rows->count; i++) {
        const struct price_row *row = &rows->items[i];
        bool own = row->tier == tier;
        if ((!own && row->tier != TIER_STANDARD) || row->above > above ||
            row->femto[rate] == PRICE_RATE_NONE)
            continue;
        bool better = found == PRICE_RATE_NONE || row->above > found_above ||
                      (row->above == found_above && own && !found_own);
        if (better) {
            found = row->femto[rate];
            found_above = row->above;
            found_own = own;
        }
    }
    return found;
}

/* What is not sold apart is billed as what it is part of (price.h). */
static void fallbacks_apply(uint64_t femto[PRICE_RATE_COUNT])
{
    static const struct {
        enum price_rate rate, from;
    } order[] = {
        { PRICE_CACHE_READ, PRICE_INPUT }, { PRICE_CACHE_WRITE_5M, PRICE_INPUT },
        { PRICE_REASONING, PRICE_OUTPUT }, { PRICE_AUDIO_IN, PRICE_INPUT },
        { PRICE_AUDIO_OUT, PRICE_OUTPUT }, { PRICE_IMAGE_IN, PRICE_INPUT },
        { PRICE_IMAGE_OUT, PRICE_OUTPUT },
    };
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        if (femto[order[i].rate] == PRICE_RATE_NONE)
            femto[order[i].rate] = femto[order[i].from];
    }
    uint64_t write_5m = femto[PRICE_CACHE_WRITE_5M], write_1h = femto[PRICE_CACHE_WRITE_1H];
    if (write_1h == PRICE_RATE_NONE || (write_5m != PRICE_RATE_NONE && write_1h < write_5m))
        femto[PRICE_CACHE_WRITE_1H] = write_5m;
    if (femto[PRICE_REQUEST] == PRICE_RATE_NONE)
        femto[PRICE_REQUEST] = 0;
}

/* The different thresholds of all rows, ascending; 0 is always one of them. */
static size_t thresholds_collect(const struct price_rows *rows,
                                 uint64_t ret_above[PRICE_THRESHOLDS_MAX + 1])
{
    size_t count = 1;
    ret_above[0] = 0;
    for (size_t i = 0; i < rows->count; i++) {
        uint64_t above = rows->items[i].above;
        size_t at = count;
        while (at > 0 && ret_above[at - 1] > above)
            at--;
        if ((at > 0 && ret_above[at - 1] == above) || count > PRICE_THRESHOLDS_MAX)
            continue;
        memmove(&ret_above[at + 1], &ret_above[at], (count - at) * sizeof ret_above[0]);
        ret_above[at] = above;
        count++;
    }
    return count;
}

bool price_rows_finish(struct arena *arena, const struct price_rows *rows,
                       struct price_period *period)
{
    uint64_t above[PRICE_THRESHOLDS_MAX + 1];
    size_t above_count = thresholds_collect(rows, above);
    bool has[TIER_COUNT] = { [TIER_STANDARD] = true };
    for (size_t i = 0; i < rows->count; i++)
        has[rows->items[i].tier] = true;
    size_t tier_count = (size_t)has[0] + has[1] + has[2] + has[3];
    struct price_row *out = arena_new(arena, struct price_row, tier_count * above_count);
    if (!out)
        return false;
    size_t count = 0;
    for (size_t tier = 0; tier < TIER_COUNT; tier++) {
        for (size_t i = 0; has[tier] && i < above_count; i++) {
            struct price_row *row = &out[count++];
            row->tier = (enum price_tier)tier;
            row->above = above[i];
            for (size_t rate = 0; rate < PRICE_RATE_COUNT; rate++)
                row->femto[rate] = rate_resolve(rows, row->tier, row->above, rate);
            fallbacks_apply(row->femto);
        }
    }
    assert(count == tier_count * above_count);
    period->rows = out;
    period->row_count = (uint32_t)count;
    return true;
}

/* ---- the compiled text ---- */

static enum err damaged(const struct loader *loader, const char *what)
{
    return diag_set(loader->why, ERR_CORRUPT, "price table, line %zu: %s", loader->line, what);
}

static bool tier_parse(str text, enum price_tier *ret_tier)
{
    for (size_t i = 0; i < TIER_COUNT; i++) {
        if (str_equal_c(text, price_tier_names[i])) {
            *ret_tier = (enum price_tier)i;
            return true;
        }
    }
    return false;
}

static struct price_period *current_period(const struct loader *loader)
{
    const struct price_table *table = loader->table;
    if (!table->entry_count || !table->entries[table->entry_count - 1].period_count)
        return NULL;
    const struct price_entry *entry = &table->entries[table->entry_count - 1];
    return &entry->periods[entry->period_count - 1];
}

static enum err rows_flush(struct loader *loader)
{
    struct price_period *period = current_period(loader);
    if (!loader->rows.count)
        return ERR_OK;
    if (!period)
        return damaged(loader, "rates without a period");
    if (!price_rows_finish(&loader->table->arena, &loader->rows, period))
        return diag_set(loader->why, ERR_LIMIT, "the price table is too large");
    loader->rows.count = 0;
    return ERR_OK;
}

static enum err on_source(struct loader *loader, str rest)
{
    str name, date;
    if (loader->source_count == COUNT_OF(loader->sources) || !str_next(&rest, '\t', &name) ||
        !str_next(&rest, '\t', &date))
        return damaged(loader, "bad source");
    loader->sources[loader->source_count].name = name;
    loader->sources[loader->source_count++].date = date;
    return ERR_OK;
}

static enum err on_provider(struct loader *loader, str rest)
{
    struct price_table *table = loader->table;
    if (table->provider_count == PRICE_PROVIDERS_MAX || str_is_empty(rest))
        return damaged(loader, "bad provider");
    uint32_t number = (uint32_t)table->provider_count++;
    str spelling;
    for (bool first = true; str_next(&rest, '\t', &spelling); first = false) {
        if (first)
            table->providers[number] = spelling;
        price_name_add(table, PRICE_SPACE_ALIAS, spelling, number);
    }
    return ERR_OK;
}

static enum err on_entry(struct loader *loader, str rest)
{
    struct price_table *table = loader->table;
    str source;
    if (!str_next(&rest, '\t', &source) || table->entry_count == loader->entry_capacity)
        return damaged(loader, "bad entry");
    loader->source_date = STR_NONE;
    for (size_t i = 0; i < loader->source_count; i++) {
        if (str_equal(source, loader->sources[i].name))
            loader->source_date = loader->sources[i].date;
    }
    table->entries[table->entry_count++] =
        (struct price_entry){ .id = rest, .periods = loader->period_next };
    return ERR_OK;
}

static enum err on_context(struct loader *loader, str rest)
{
    struct price_table *table = loader->table;
    int64_t tokens;
    if (!table->entry_count || !str_to_i64(rest, &tokens) || tokens < 1)
        return damaged(loader, "bad context");
    table->entries[table->entry_count - 1].context_tokens = tokens;
    return ERR_OK;
}

static enum err on_period(struct loader *loader, str rest)
{
    struct price_table *table = loader->table;
    str date;
    if (!table->entry_count || !loader->period_left || !str_next(&rest, '\t', &date))
        return damaged(loader, "bad period");
    struct price_period period = { .from_ns = INT64_MIN,
                                   .date = loader->source_date,
                                   .window_from_s = -1 };
    if (!str_equal_c(date, "-")) {
        period.date = date;
        if (!time_parse(date, &period.from_ns))
            return damaged(loader, "bad date");
    }
    if (!str_equal_c(rest, "-")) {
        size_t dash = str_find_char(rest, '-');
        int64_t from, to;
        if (!str_to_i64(str_sub(rest, 0, dash), &from) ||
            !str_to_i64(str_from(rest, dash + 1), &to) || from < 0 || to < 0 || from > 86400 ||
            to > 86400)
            return damaged(loader, "bad window");
        period.window_from_s = (int32_t)from;
        period.window_to_s = (int32_t)to;
    }
    *loader->period_next++ = period;
    loader->period_left--;
    table->entries[table->entry_count - 1].period_count++;
    return ERR_OK;
}

static enum err on_rate(struct loader *loader, str rest)
{
    str tier_text, above_text;
    enum price_tier tier;
    uint64_t above;
    if (!str_next(&rest, '\t', &tier_text) || !str_next(&rest, '\t', &above_text) ||
        !tier_parse(tier_text, &tier) || !str_to_u64(above_text, &above))
        return damaged(loader, "bad rate");
    struct price_row *row = price_rows_at(&loader->rows, tier, above);
    if (!row)
        return damaged(loader, "too many tiers");
    for (str pair; str_next(&rest, '\t', &pair);) {
        size_t equal = str_find_char(pair, '=');
        size_t rate = 0;
        while (rate < PRICE_RATE_COUNT && !str_equal_c(str_sub(pair, 0, equal), rate_names[rate]))
            rate++;
        if (rate == PRICE_RATE_COUNT ||
            !price_decimal_parse(str_from(pair, equal + 1), 0, &row->femto[rate]))
            return damaged(loader, "bad rate");
    }
    return ERR_OK;
}

static enum err on_names(struct loader *loader, str provider)
{
    loader->space = price_name_find(loader->table, PRICE_SPACE_ALIAS, provider);
    return loader->space == UINT32_MAX ? damaged(loader, "unknown provider") : ERR_OK;
}

static enum err on_name(struct loader *loader, str rest)
{
    str number_text;
    uint64_t number;
    if (!str_next(&rest, '\t', &number_text) || !str_to_u64(number_text, &number) ||
        number >= loader->table->entry_count || loader->space == UINT32_MAX)
        return damaged(loader, "bad name");
    price_name_add(loader->table, loader->space, rest, (uint32_t)number);
    return ERR_OK;
}

static enum err on_line(struct loader *loader, str line)
{
    static const struct {
        str word;
        enum err (*read)(struct loader *loader, str rest);
    } kinds[] = {
        { STR("n"), on_name },          { STR("rate"), on_rate },
        { STR("period"), on_period },   { STR("entry"), on_entry },
        { STR("context"), on_context }, { STR("provider"), on_provider },
        { STR("names"), on_names },     { STR("source"), on_source },
    };
    str rest = line, word;
    if (!str_next(&rest, '\t', &word) || str_is_none(rest))
        return damaged(loader, "no value");
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (!str_equal(word, kinds[i].word))
            continue;
        enum err err = kinds[i].read == on_rate ? ERR_OK : rows_flush(loader);
        return err ? err : kinds[i].read(loader, rest);
    }
    return damaged(loader, "unknown line");
}

/* Room for every array, from a count of lines and tabs. */
static enum err tables_make(struct loader *loader, str text, size_t override_count)
{
    struct price_table *table = loader->table;
    size_t names = 0;
    str rest = text;
    for (str line; str_next(&rest, '\n', &line);) {
        loader->entry_capacity += str_starts(line, STR_OF("entry\t"));
        loader->period_left += str_starts(line, STR_OF("period\t"));
        names += str_starts(line, STR_OF("n\t"));
        if (str_starts(line, STR_OF("provider\t"))) {
            for (size_t i = 0; i < line.len; i++)
                names += line.ptr[i] == '\t';
        }
    }
    table->name_capacity = names + 2 * override_count; /* a name and a new provider each */
    size_t slots = 16;
    while (slots < 2 * table->name_capacity + 2)
        slots *= 2;
    table->slot_mask = slots - 1;
    table->slots = arena_new(&table->arena, uint32_t, slots);
    table->names = arena_new(&table->arena, struct price_name, table->name_capacity);
    table->entries =
        arena_new(&table->arena, struct price_entry, loader->entry_capacity + override_count);
    table->globs = arena_new(&table->arena, struct price_glob, override_count);
    loader->period_next = arena_new(&table->arena, struct price_period, loader->period_left);
    if (!table->slots || !table->names || !table->entries || !table->globs || !loader->period_next)
        return diag_set(loader->why, ERR_LIMIT, "the price table is too large");
    return ERR_OK;
}

static enum err text_load(struct loader *loader, str text, size_t override_count)
{
    enum err err = tables_make(loader, text, override_count);
    str rest = text, line;
    loader->line = 1;
    if (!err && (!str_next(&rest, '\n', &line) || !str_equal_c(line, "telltale-prices\t1")))
        err = damaged(loader, "not a price table of version 1");
    while (!err && str_next(&rest, '\n', &line)) {
        loader->line++;
        if (!str_is_empty(line))
            err = on_line(loader, line);
    }
    return err ? err : rows_flush(loader);
}

enum err price_table_load(const struct price_source *source, struct price_table **ret_table,
                          struct diag *reterr_why)
{
    assert(source && ret_table);
    struct price_table *table = xcalloc(1, sizeof *table);
    table->magic = PRICE_TABLE_MAGIC;
    atomic_init(&table->refs, 1);
    arena_init(&table->arena, PRICE_TABLE_BYTES_MAX);
    struct loader loader = { .table = table, .why = reterr_why, .space = UINT32_MAX };
    /* Every override needs at least one line of its own, or a comma or brace. */
    size_t override_count = 0;
    for (size_t i = 0; i < source->overrides.len; i++) {
        char c = source->overrides.ptr[i];
        override_count += c == '\n' || c == '{' || c == ',';
    }
    override_count += !str_is_empty(source->overrides);
    str text = arena_str(&table->arena, source->prices);
    enum err err = str_is_none(text)
                       ? diag_set(reterr_why, ERR_LIMIT, "no price table, or too large")
                       : text_load(&loader, text, override_count);
    if (!err && !str_is_empty(source->overrides))
        err = price_overrides_load(table, source->overrides_name, source->overrides, reterr_why);
    if (err) {
        price_table_unref(table);
        return err;
    }
    *ret_table = table;
    return ERR_OK;
}

struct price_table *price_table_ref(struct price_table *table)
{
    CHECK(table, PRICE_TABLE_MAGIC);
    atomic_fetch_add_explicit(&table->refs, 1, memory_order_relaxed);
    return table;
}

void price_table_unref(struct price_table *table)
{
    if (!table)
        return;
    CHECK(table, PRICE_TABLE_MAGIC);
    if (atomic_fetch_sub_explicit(&table->refs, 1, memory_order_acq_rel) != 1)
        return;
    table->magic = 0;
    arena_clear(&table->arena);
    xfree(table);
}

size_t price_table_count(const struct price_table *table)
{
    CHECK(table, PRICE_TABLE_MAGIC);
    return table->entry_count;
}
