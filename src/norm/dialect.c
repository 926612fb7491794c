/* dialect.c -- the tables of the .def files here, and their look-ups.
 *
 * Each table is a const array in file order plus a generated open-addressing
 * hash of row numbers, so a look-up costs one hash and, nearly always, one
 * comparison.  Nothing is built at run time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "norm/keyhash.h"
#include "norm/norm_int.h"
#include "norm_tables.h"

static const struct row rows[] = {
#define OF(key, target, conversion, dialect, keep, since, until)                                   \
    { STR(key), TARGET_##target, CONV_##conversion, DIALECT_##dialect, keep, since, until },
#define ROW(key, target, conversion, dialect) OF(key, target, conversion, dialect, false, 1, 0)
#define KEEP(key, target, conversion, dialect) OF(key, target, conversion, dialect, true, 1, 0)
#define ROW_SINCE(key, target, conversion, dialect, since)                                         \
    OF(key, target, conversion, dialect, false, since, 0)
#define KEEP_SINCE(key, target, conversion, dialect, since)                                        \
    OF(key, target, conversion, dialect, true, since, 0)
#define WAS(key, target, conversion, dialect, until)                                               \
    OF(key, target, conversion, dialect, false, 1, until)
#include "norm/dialect.def"
#undef OF
#undef ROW
#undef KEEP
#undef ROW_SINCE
#undef KEEP_SINCE
#undef WAS
};
_Static_assert(COUNT_OF(rows) < ROWS_MAX, "a score must hold every row");

static const struct prefix {
    str text;
    uint8_t family;
    uint8_t dialect;
    uint8_t since;
} prefixes[] = {
#define PREFIX(text, family, dialect) { STR(text), FAMILY_##family, DIALECT_##dialect, 1 },
#define PREFIX_SINCE(text, family, dialect, since)                                                 \
    { STR(text), FAMILY_##family, DIALECT_##dialect, since },
#include "norm/prefix.def"
#undef PREFIX
#undef PREFIX_SINCE
};

static const struct provider {
    str text;
    str canonical; /* empty: a framework */
} providers[] = {
#define ALIAS(text, canonical) { STR(text), STR(canonical) },
#define FRAMEWORK(text) { STR(text), STR("") },
#include "norm/provider.def"
#undef ALIAS
#undef FRAMEWORK
};

static const struct word {
    str text;
    str operation;
    enum step step;
} words[] = {
#define WORD(text, step, operation) { STR(text), STR(operation), STEP_##step },
#define NAME(text, step)
#include "norm/step.def"
#undef WORD
#undef NAME
};

static const struct word names[] = {
#define WORD(text, step, operation)
#define NAME(text, step) { STR(text), STR(""), STEP_##step },
#include "norm/step.def"
#undef WORD
#undef NAME
};

static const str dialect_names[DIALECT_COUNT] = {
#define DIALECT(name, text) STR(text),
#include "norm/dialect_name.def"
#undef DIALECT
};

/* Row number of `key`, or SIZE_MAX.  Rows of any table start with their key. */
static inline size_t table_find(const uint16_t *slots, size_t mask, uint64_t seed,
                                const void *table, size_t row_bytes, str key)
{
    size_t at = key_hash(key, seed) & mask;
    for (int probe = 0; probe < KEY_PROBES_MAX && slots[at]; probe++) {
        size_t index = slots[at] - 1u;
        str found;
        memcpy(&found, (const char *)table + index * row_bytes, sizeof found);
        if (str_equal(found, key))
            return index;
        at = (at + 1) & mask;
    }
    return SIZE_MAX;
}

const struct row *dialect_find(str key)
{
    size_t index =
        table_find(dialect_hash, DIALECT_HASH_MASK, DIALECT_HASH_SEED, rows, sizeof rows[0], key);
    return index == SIZE_MAX ? NULL : &rows[index];
}

/* Of the rows that a name has lost, the first that held in that version, or NULL. */
static const struct row *was_find(str key, unsigned tables)
{
    const struct row *found = NULL;
    for (size_t i = 0; i < COUNT_OF(dialect_was); i++) {
        const struct row *row = &rows[dialect_was[i]];
        if (row->until >= tables && str_equal(row->key, key) &&
            (!found || row->until < found->until))
            found = row;
    }
    return found;
}

const struct row *dialect_find_at(str key, unsigned tables)
{
    const struct row *was = was_find(key, tables);
    const struct row *row = was ? was : dialect_find(key);
    return row && row->since <= tables ? row : NULL;
}

unsigned dialect_row_index(const struct row *row)
{
    return (unsigned)(row - rows);
}

size_t dialect_row_count(void)
{
    return COUNT_OF(rows);
}

const struct row *dialect_row(size_t index)
{
    assert(index < COUNT_OF(rows));
    return &rows[index];
}

void dialect_prefix_heads(uint64_t ret_heads[4])
{
    memset(ret_heads, 0, 4 * sizeof *ret_heads);
    for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
        uint8_t head = prefix_head(prefixes[i].text);
        ret_heads[head / 64] |= UINT64_C(1) << (head % 64);
    }
}

bool dialect_prefix(str key, unsigned tables, enum family *ret_family, enum dialect *ret_dialect,
                    str *ret_rest)
{
    if (str_is_empty(key))
        return false;
    for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
        const struct prefix *prefix = &prefixes[i];
        if (prefix->text.ptr[0] != key.ptr[0] || key.len <= prefix->text.len ||
            prefix->since > tables || !str_starts(key, prefix->text))
            continue;
        str rest = str_from(key, prefix->text.len);
        if (prefix->family >= FAMILY_FLAT_INPUT && (rest.ptr[0] < '0' || rest.ptr[0] > '9'))
            continue;
        *ret_family = (enum family)prefix->family;
        *ret_dialect = (enum dialect)prefix->dialect;
        *ret_rest = rest;
        return true;
    }
    return false;
}

bool dialect_prefix_row(size_t index, str *ret_text, enum family *ret_family,
                        enum dialect *ret_dialect, unsigned *ret_since)
{
    static const str texts[] = {
#define PREFIX(text, family, dialect) STR(text "*"),
#define PREFIX_SINCE(text, family, dialect, since) STR(text "*"),
#include "norm/prefix.def"
#undef PREFIX
#undef PREFIX_SINCE
    };
    if (index >= COUNT_OF(prefixes))
        return false;
    *ret_text = texts[index];
    *ret_family = (enum family)prefixes[index].family;
    *ret_dialect = (enum dialect)prefixes[index].dialect;
    *ret_since = prefixes[index].since;
    return true;
}

str dialect_name(enum dialect dialect)
{
    assert(dialect < DIALECT_COUNT);
    return dialect_names[dialect];
}

void dialect_names_add(struct buf *out, uint32_t mask)
{
    size_t start = out->len;
    for (unsigned i = 1; i < DIALECT_COUNT; i++) {
        if (!(mask >> i & 1))
            continue;
        if (out->len > start)
            buf_add_char(out, '+');
        buf_add_str(out, dialect_names[i]);
    }
}

str dialect_text(struct norm *norm)
{
    uint32_t mask = norm->dialects & ~(1u << DIALECT_NONE);
    if (mask == norm->dialects_cached)
        return norm->dialects_text;
    buf_reset(&norm->out);
    dialect_names_add(&norm->out, mask);
    norm->dialects_text = out_take(norm);
    norm->dialects_cached = mask;
    return norm->dialects_text;
}

enum { FOLD_MAX = 64 };

/* ASCII lower case into `to`; STR_NONE when too long for any table. */
static str fold(str text, char *to)
{
    if (text.len > FOLD_MAX)
        return STR_NONE;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        to[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    return str_make(to, text.len);
}

str provider_canonical(str text, bool *ret_framework)
{
    char lower[FOLD_MAX];
    str key = fold(text, lower);
    *ret_framework = false;
    if (str_is_none(key))
        return STR_NONE;
    size_t index = table_find(provider_hash, PROVIDER_HASH_MASK, PROVIDER_HASH_SEED, providers,
                              sizeof providers[0], key);
    if (index == SIZE_MAX)
        return STR_NONE;
    *ret_framework = str_is_empty(providers[index].canonical);
    return providers[index].canonical;
}

bool word_find(str text, enum step *ret_step, str *ret_operation)
{
    char lower[FOLD_MAX];
    str key = fold(str_trim(text), lower);
    if (str_is_none(key))
        return false;
    size_t index =
        table_find(word_hash, WORD_HASH_MASK, WORD_HASH_SEED, words, sizeof words[0], key);
    if (index == SIZE_MAX)
        return false;
    *ret_step = words[index].step;
    *ret_operation = words[index].operation;
    return true;
}

bool name_find(str text, enum step *ret_step)
{
    char lower[FOLD_MAX];
    str key = fold(text, lower);
    if (str_is_none(key))
        return false;
    size_t index =
        table_find(name_hash, NAME_HASH_MASK, NAME_HASH_SEED, names, sizeof names[0], key);
    if (index == SIZE_MAX)
        return false;
    *ret_step = names[index].step;
    return true;
}

enum field norm_field_of_attr(str key)
{
    static const struct {
        enum target target;
        enum field field;
    } counts[] = { /* whose field has the same meaning */
                   { TARGET_use_input, FIELD_input_tokens },
                   { TARGET_use_output, FIELD_output_tokens },
                   { TARGET_use_total, FIELD_total_tokens },
                   { TARGET_use_cache_read, FIELD_cache_read },
                   { TARGET_use_cache_write, FIELD_cache_write_5m },
                   { TARGET_use_cache_write_5m, FIELD_cache_write_5m },
                   { TARGET_use_cache_write_1h, FIELD_cache_write_1h },
                   { TARGET_use_reasoning, FIELD_reasoning },
                   { TARGET_use_audio_in, FIELD_audio_in },
                   { TARGET_use_audio_out, FIELD_audio_out }
    };
    const struct row *row = dialect_find(key);
    if (row && row->target < (unsigned)FIELD_COUNT)
        return (enum field)row->target;
    for (size_t i = 0; row && i < COUNT_OF(counts); i++)
        if (row->target == (unsigned)counts[i].target)
            return counts[i].field;
    return FIELD_COUNT;
}
