/* duckdb_known.c -- which traces and spans are stored already.
 *
 * Nearly all traces are new, so a Bloom filter of each day in memory (32 to 64
 * bits per settled trace) answers without the engine; only what may be there is
 * looked up.  A key sets 8 bits in each of two cache lines: one is read to find that
 * a trace is new, and a wrong "maybe" (one in a million per level) is rare enough
 * that the scan of a day's traces that it costs is not felt.  The filter is made
 * from the table of traces at start and grows by levels.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/hash.h"
#include "store/duckdb_int.h"

#include <stdio.h>

enum {
    BLOOM_KEYS_MIN = 1 << 14,
    BLOOM_KEYS_PER_LINE = 16, /* of 512 bits */
    BLOOM_LINE_WORDS = 8,
    BLOOM_BITS = 8, /* of a key in a line */
    LOOKUP_FEW = 8, /* keys that are said in the statement itself */
};

/* -- set of hashes -- */

void keyset_clear(struct keyset *set)
{
    xfree(set->keys);
    xfree(set->values);
    *set = (struct keyset){ .count = 0 };
}

static size_t keyset_slot(const struct keyset *set, uint64_t key)
{
    size_t at = key & set->mask;
    while (set->keys[at] != 0 && set->keys[at] != key)
        at = (at + 1) & set->mask;
    return at;
}

static void keyset_grow(struct keyset *set)
{
    struct keyset old = *set;
    size_t size = old.keys ? (old.mask + 1) * 2 : 1024;
    set->keys = xcalloc(size, sizeof *set->keys);
    set->values = xcalloc(size, sizeof *set->values);
    set->mask = size - 1;
    for (size_t i = 0; old.keys && i <= old.mask; i++) {
        if (old.keys[i] == 0)
            continue;
        size_t at = keyset_slot(set, old.keys[i]);
        set->keys[at] = old.keys[i];
        set->values[at] = old.values[i];
    }
    xfree(old.keys);
    xfree(old.values);
}

uint64_t *keyset_get(struct keyset *set, uint64_t key, bool *ret_was_there)
{
    key += key == 0; /* 0 marks a free slot */
    if (!set->keys || set->count * 2 > set->mask)
        keyset_grow(set);
    size_t at = keyset_slot(set, key);
    *ret_was_there = set->keys[at] == key;
    if (!*ret_was_there) {
        set->keys[at] = key;
        set->count++;
    }
    return &set->values[at];
}

bool keyset_has(const struct keyset *set, uint64_t key)
{
    key += key == 0;
    return set->keys && set->keys[keyset_slot(set, key)] == key;
}

uint64_t key_hash(struct key key, uint64_t span_id)
{
    uint64_t words[4] = { key.project, key.high, key.low, span_id };
    return hash_bytes(words, sizeof words);
}

/* -- Bloom filter -- */

static uint64_t level_lines(uint32_t level)
{
    return ((uint64_t)BLOOM_KEYS_MIN << level) / BLOOM_KEYS_PER_LINE;
}

void bloom_clear(struct bloom *bloom)
{
    for (uint32_t i = 0; i < BLOOM_LEVELS; i++)
        xfree(bloom->bits[i]);
    *bloom = (struct bloom){ .count = 0 };
}

static void level_open(struct bloom *bloom, uint32_t level)
{
    bloom->bits[level] = xcalloc(level_lines(level) * BLOOM_LINE_WORDS, sizeof *bloom->bits[level]);
    bloom->last = level;
    bloom->count = 0;
}

/* A key's line and its bits: all of them from different bits of the hash. */
static uint64_t *line_of(const struct bloom *bloom, uint32_t level, uint64_t hash)
{
    return &bloom->bits[level][(hash & (level_lines(level) - 1)) * BLOOM_LINE_WORDS];
}

static bool line_has(const uint64_t *line, uint64_t bits)
{
    for (int i = 0; i < BLOOM_BITS; i++, bits >>= 6)
        if (!(line[i] >> (bits & 63) & 1))
            return false;
    return true;
}

static void line_add(uint64_t *line, uint64_t bits)
{
    for (int i = 0; i < BLOOM_BITS; i++, bits >>= 6)
        line[i] |= UINT64_C(1) << (bits & 63);
}

/* Of the second line, and of the bits in both: as good as independent of the hash. */
static uint64_t hash_mixed(uint64_t hash, uint64_t seed)
{
    hash = (hash ^ seed) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

void bloom_add(struct bloom *bloom, uint64_t hash)
{
    bool is_full = bloom->count >= (uint64_t)BLOOM_KEYS_MIN << bloom->last;
    if (!bloom->bits[bloom->last])
        level_open(bloom, bloom->last);
    else if (is_full && bloom->last + 1 < BLOOM_LEVELS)
        level_open(bloom, bloom->last + 1);
    uint64_t other = hash_mixed(hash, 1);
    line_add(line_of(bloom, bloom->last, hash), hash_mixed(hash, 2));
    line_add(line_of(bloom, bloom->last, other), hash_mixed(other, 3));
    bloom->count++;
}

static bool level_has(const struct bloom *bloom, uint32_t level, uint64_t hash)
{
    if (!line_has(line_of(bloom, level, hash), hash_mixed(hash, 2)))
        return false;
    uint64_t other = hash_mixed(hash, 1);
    return line_has(line_of(bloom, level, other), hash_mixed(other, 3));
}

bool bloom_has(const struct bloom *bloom, uint64_t hash)
{
    for (uint32_t level = 0; level <= bloom->last; level++)
        if (bloom->bits[level] && level_has(bloom, level, hash))
            return true;
    return false;
}

/* Every key of a query (project, high, low[, span]) goes to `each`. */
static enum err keys_query(duckdb_connection connection, const char *text,
                           void (*each)(struct key key, uint64_t span_id, void *arg), void *arg,
                           struct diag *reterr_why)
{
    duckdb_result result;
    if (duckdb_query(connection, text, &result) != DuckDBSuccess) {
        enum err code = duck_error(ERR_IO, duckdb_result_error_type(&result),
                                   duckdb_result_error(&result), reterr_why);
        duckdb_destroy_result(&result);
        return code;
    }
    bool has_span = duckdb_column_count(&result) > 3;
    duckdb_data_chunk chunk;
    while ((chunk = duckdb_fetch_chunk(result))) {
        const uint32_t *projects = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
        const uint64_t *high = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 1));
        const uint64_t *low = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 2));
        const uint64_t *spans =
            has_span ? duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 3)) : NULL;
        for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk); i++)
            each((struct key){ projects[i], high[i], low[i] }, spans ? spans[i] : 0, arg);
        duckdb_destroy_data_chunk(&chunk);
    }
    duckdb_destroy_result(&result);
    return ERR_OK;
}

static void bloom_add_key(struct key key, uint64_t span_id, void *arg)
{
    bloom_add(arg, key_hash(key, span_id));
}

enum err bloom_load(struct store *store, struct day *day, struct diag *reterr_why)
{
    char text[128];
    while (day->traces.last + 1 < BLOOM_LEVELS &&
           (uint64_t)BLOOM_KEYS_MIN << day->traces.last < day->trace_count)
        day->traces.last++;
    if (day->trace_count == 0)
        return ERR_OK;
    snprintf(text, sizeof text, "SELECT project, trace_id_hi, trace_id_lo FROM %s.traces",
             day->name);
    return keys_query(store->write, text, bloom_add_key, &day->traces, reterr_why);
}

/* -- known -- */

static void found_add(struct key key, uint64_t span_id, void *arg)
{
    bool was_there;
    keyset_get(arg, key_hash(key, span_id), &was_there);
}

/* The traces keys[index[0..count)] in one statement: the engine compares with each of a few,
 * and makes a hash table of more. */
static enum err few_lookup(struct store *store, const char *day, const struct key *keys,
                           const uint32_t *index, size_t count, struct keyset *found,
                           struct diag *reterr_why)
{
    struct buf text;
    buf_init(&text, 4 * KIB);
    buf_printf(&text,
               "SELECT project, trace_id_hi, trace_id_lo FROM %s.traces WHERE trace_id_hi IN (",
               day);
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "%s%llu::UBIGINT", i ? "," : "", (unsigned long long)keys[index[i]].high);
    buf_add(&text, ")", 2);
    enum err code = keys_query(store->write, text.ptr, found_add, found, reterr_why);
    buf_clear(&text);
    return code;
}

static enum err many_lookup(struct store *store, const char *day, const struct key *keys,
                            const uint32_t *index, size_t count, struct keyset *found,
                            struct diag *reterr_why)
{
    struct probe probe;
    char text[256];
    enum err code = probe_begin(store, &probe, reterr_why);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < count; i++)
        probe_add(&probe, PROBE_STORED, keys[index[i]], 0);
    code = probe_end(&probe, reterr_why);
    snprintf(text, sizeof text,
             "SELECT project, trace_id_hi, trace_id_lo FROM %s.traces WHERE trace_id_hi IN "
             "(SELECT hi FROM memory.main.probe WHERE kind=%d)",
             day, PROBE_STORED);
    return code == ERR_OK ? keys_query(store->write, text, found_add, found, reterr_why) : code;
}

enum err keys_known(struct store *store, const struct key *keys, size_t count, bool *ret_known,
                    struct diag *reterr_why)
{
    uint32_t *maybe = xcalloc(count + 1, sizeof *maybe);
    uint64_t *hashes = xcalloc(count + 1, sizeof *hashes);
    struct keyset found = { .count = 0 };
    enum err code = ERR_OK;
    for (size_t i = 0; i < count; i++)
        hashes[i] = key_hash(keys[i], 0);
    for (uint32_t d = 0; d < store->day_count && code == ERR_OK; d++) {
        const struct day *day = store->days[d];
        size_t maybe_count = 0;
        for (size_t i = 0; i < count; i++)
            if (bloom_has(&day->traces, hashes[i]))
                maybe[maybe_count++] = (uint32_t)i;
        if (maybe_count > 0)
            code = (maybe_count > LOOKUP_FEW ? many_lookup : few_lookup)(
                store, day->name, keys, maybe, maybe_count, &found, reterr_why);
    }
    for (size_t i = 0; i < count && code == ERR_OK; i++)
        ret_known[i] = keyset_has(&found, hashes[i]);
    keyset_clear(&found);
    xfree(hashes);
    xfree(maybe);
    return code;
}

/* -- probe table -- */

enum err probe_begin(struct store *store, struct probe *probe, struct diag *reterr_why)
{
    probe->appender = NULL;
    enum err code = duck_run(store->write, reterr_why, "TRUNCATE memory.main.probe");
    if (code == ERR_OK && duckdb_appender_create_ext(store->write, "memory", "main", "probe",
                                                     &probe->appender) != DuckDBSuccess)
        code = diag_set(reterr_why, ERR_INTERNAL, "the engine refuses an appender");
    return code;
}

void probe_add(struct probe *probe, enum probe_kind kind, struct key key, uint64_t span_id)
{
    /* A failure shows when the appender is flushed. */
    (void)duckdb_append_uint32(probe->appender, kind);
    (void)duckdb_append_uint32(probe->appender, key.project);
    (void)duckdb_append_uint64(probe->appender, key.high);
    (void)duckdb_append_uint64(probe->appender, key.low);
    (void)duckdb_append_uint64(probe->appender, span_id);
    (void)duckdb_appender_end_row(probe->appender);
}

enum err probe_end(struct probe *probe, struct diag *reterr_why)
{
    enum err code = ERR_OK;
    if (probe->appender && duckdb_appender_close(probe->appender) != DuckDBSuccess)
        code =
            duck_error(ERR_IO, DUCKDB_ERROR_IO, duckdb_appender_error(probe->appender), reterr_why);
    duckdb_appender_destroy(&probe->appender);
    return code;
}

enum err probe_spans(struct store *store, struct keyset *found, struct diag *reterr_why)
{
    enum err code = ERR_OK;
    for (uint32_t i = 0; i < store->day_count && code == ERR_OK; i++) {
        char text[320];
        snprintf(text, sizeof text,
                 "SELECT project, trace_id_hi, trace_id_lo, span_id FROM %s.spans WHERE (project, "
                 "trace_id_hi, trace_id_lo, span_id) IN (SELECT (project, hi, lo, span) FROM "
                 "memory.main.probe WHERE kind=%d)",
                 store->days[i]->name, PROBE_SPAN);
        code = keys_query(store->write, text, found_add, found, reterr_why);
    }
    return code;
}
