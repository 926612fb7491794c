/* meter.c -- sets of labels and their numbers: found by hash, made within limits, published.
 *
 * One look-up finds all numbers that a span adds to under the same labels: the texts of the span
 * are hashed and compared as they are.  Only when there is no such set each value is looked up in
 * the table of values, where it may turn out to be one too many and become "other".
 *
 * Writing takes no lock and no locked instruction: one thread writes, so a load and a store of a
 * relaxed atomic are enough.  A reader may see the number of a bucket before the sum it belongs
 * to; the next scrape has both.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "pipeline/meter_int.h"
#include "sys/clock.h"
#include <math.h>

#define OTHER STR_OF("other")

static const double ms_bounds[] = { 5,    10,   25,    50,    100,   250,    500,    1000,   2000,
                                    4000, 8000, 15000, 30000, 60000, 120000, 300000, 600000, 0 };
static const double score_bounds[] = { 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1, 0 };
static const double rating_bounds[] = { 0.25, 0.5, 0.75, 1, 2, 3, 4, 5, 7, 10, 0 };
static const double count_bounds[] = { 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 0 };
static const double chars_bounds[] = { 100,   300,    1000,   3000,    10000,
                                       30000, 100000, 300000, 1000000, 0 };

const struct meter_info meter_table[METER_COUNT] = {
#define METER(id, set, name, type, scale, bounds, unit, help)                                      \
    [METER_##id] = { name, unit, help, METER_SET_##set, METER_##type, scale, (bounds) },
#include "pipeline/meter.def"
#undef METER
};
const char *const meter_set_labels[METER_SETS][METER_OWN_MAX] = {
#define SET(id, a, b, c, d, e) [METER_SET_##id] = { a, b, c, d, e },
#include "pipeline/meter_set.def"
#undef SET
};
const char *const meter_common_labels[METER_COMMON] = { "project", "tenant_id", "feature",
                                                        "environment" };

/* A value of a label in a project; its text is the sets'. */
struct meter_value {
    struct meter_value *next;
    uint64_t hash;
    uint32_t count; /* of the entry that counts a project's values of a label: its text is none */
    const char *label;
    str project, text;
};

static void layout_init(struct meter *meter)
{
    for (int id = 0; id < METER_COUNT; id++) {
        const struct meter_info *info = &meter_table[id];
        uint32_t count = 0;
        for (; info->bounds && info->bounds[count] > 0; count++)
            meter->bounds[id][count] = llround(info->bounds[count] * info->scale);
        assert(count <= METER_BOUNDS_MAX);
        meter->bound_counts[id] = count;
        meter->cells[id] = (uint16_t)meter->cell_counts[info->set];
        meter->cell_counts[info->set] += info->type == METER_HISTOGRAM ? count + 2 : 1;
        meter->bits[info->set] |= UINT64_C(1) << id;
    }
}

struct meter *meter_new(const struct meter_config *config)
{
    assert(config->values_max > 0 && config->sets_max > 0);
    assert(config->sets_max <= METER_SETS_MAX);
    struct meter *meter = xcalloc(1, sizeof *meter);
    meter->config = *config;
    meter->started_ns = clock_now_ns();
    layout_init(meter);
    meter->scores = meter_scores_new(config->wait_ns);
    return meter;
}

static void str_free(str text)
{
    xfree((void *)(uintptr_t)text.ptr);
}

void meter_free(struct meter *meter)
{
    if (!meter)
        return;
    for (size_t i = 0; i < METER_BUCKETS; i++) {
        for (struct meter_set *set = meter->buckets[i], *next; set; set = next) {
            next = set->next;
            xfree(set);
        }
        for (struct meter_value *value = meter->values[i], *next; value; value = next) {
            next = value->next;
            str_free(value->project);
            str_free(value->text);
            xfree(value);
        }
    }
    for (size_t i = 0; i < METER_CHUNKS; i++)
        xfree((void *)atomic_load(&meter->chunks[i]));
    meter_scores_free(meter->scores);
    xfree(meter);
}

/* -- values -- */

static str str_keep(str text)
{
    if (str_is_none(text))
        return STR_NONE;
    return str_make(xstrdup_str(text), text.len);
}

/* text none: the entry that counts. */
static struct meter_value *value_get(struct meter *meter, str project, const char *label, str text,
                                     bool may_make)
{
    uint64_t hash = hash_bytes_seeded(label, strlen(label), hash_str(project));
    hash = str_is_none(text) ? hash : hash_bytes_seeded(text.ptr, text.len, hash + 1);
    struct meter_value **bucket = &meter->values[hash % METER_BUCKETS];
    for (struct meter_value *value = *bucket; value; value = value->next)
        if (value->hash == hash && strcmp(value->label, label) == 0 &&
            str_is_none(value->text) == str_is_none(text) && str_equal(value->text, text) &&
            str_equal(value->project, project))
            return value;
    if (!may_make)
        return NULL;
    struct meter_value *value = xcalloc(1, sizeof *value);
    *value = (struct meter_value){ *bucket, hash, 0, label, str_keep(project), str_keep(text) };
    *bucket = value;
    return value;
}

/* A tenant's name is never cut: what is left could be another's. */
static str value_cut(const char *label, str text)
{
    if (text.len <= METER_LABEL_BYTES_MAX)
        return text;
    if (label == meter_common_labels[METER_TENANT])
        return OTHER;
    text.len = METER_LABEL_BYTES_MAX;
    return str_sub(text, 0, utf8_valid_prefix(text));
}

/* The value under which `text` is counted: itself, kept, or "other". */
static str value_map(struct meter *meter, str project, const char *label, str text)
{
    if (str_is_empty(text))
        return STR_NONE;
    text = value_cut(label, text);
    struct meter_value *value = value_get(meter, project, label, text, false);
    if (value)
        return value->text;
    struct meter_value *counts = value_get(meter, project, label, STR_NONE, true);
    if (counts->count >= meter->config.values_max) {
        atomic_fetch_add_explicit(&meter->overflows, 1, memory_order_relaxed);
        return OTHER;
    }
    counts->count++;
    return value_get(meter, project, label, text, true)->text;
}

/* -- sets -- */

static uint64_t set_hash(enum meter_set_id id, const str labels[METER_LABELS_MAX])
{
    uint64_t hash = (uint64_t)id + 1;
    for (size_t i = 0; i < METER_LABELS_MAX; i++)
        hash = labels[i].len ? hash_bytes_seeded(labels[i].ptr, labels[i].len, hash)
                             : hash * UINT64_C(0x9e3779b97f4a7c15) + i;
    return hash;
}

static struct meter_set *set_find(struct meter *meter, enum meter_set_id id, uint64_t hash,
                                  const str labels[METER_LABELS_MAX])
{
    for (struct meter_set *set = meter->buckets[hash % METER_BUCKETS]; set; set = set->next) {
        if (set->hash != hash || set->id != id)
            continue;
        size_t same = 0;
        while (same < METER_LABELS_MAX && str_equal(set->labels[same], labels[same]))
            same++;
        if (same == METER_LABELS_MAX)
            return set;
    }
    return NULL;
}

static struct meter_set *set_make(struct meter *meter, enum meter_set_id id, uint64_t hash,
                                  const str labels[METER_LABELS_MAX])
{
    size_t index = atomic_load_explicit(&meter->set_count, memory_order_relaxed);
    struct meter_set *set = xcalloc(1, sizeof *set + meter->cell_counts[id] * sizeof set->cells[0]);
    set->id = id;
    set->hash = hash;
    memcpy(set->labels, labels, sizeof set->labels);
    set->next = meter->buckets[hash % METER_BUCKETS];
    meter->buckets[hash % METER_BUCKETS] = set;
    struct meter_set **chunk =
        atomic_load_explicit(&meter->chunks[index / METER_CHUNK], memory_order_relaxed);
    if (!chunk) {
        chunk = xcalloc(METER_CHUNK, sizeof(struct meter_set *));
        atomic_store_explicit(&meter->chunks[index / METER_CHUNK], chunk, memory_order_relaxed);
    }
    chunk[index % METER_CHUNK] = set;
    atomic_store_explicit(&meter->set_count, index + 1, memory_order_release);
    return set;
}

/* Every label but the project's: one set of each kind, for what there is no room for. */
static void labels_other(struct meter *meter, enum meter_set_id id, str labels[METER_LABELS_MAX])
{
    for (size_t i = 1; i < METER_LABELS_MAX; i++)
        labels[i] = i < METER_COMMON || meter_set_labels[id][i - METER_COMMON] ? OTHER : STR_NONE;
    atomic_fetch_add_explicit(&meter->overflows, 1, memory_order_relaxed);
}

struct meter_set *meter_set_get(struct meter *meter, enum meter_set_id id,
                                const str labels[METER_LABELS_MAX])
{
    uint64_t hash = set_hash(id, labels);
    struct meter_set *set = set_find(meter, id, hash, labels);
    if (set)
        return set;
    str kept[METER_LABELS_MAX];
    kept[0] = value_get(meter, labels[0], "", labels[0], true)->text; /* projects are ours */
    for (size_t i = 1; i < METER_LABELS_MAX; i++) {
        const char *label =
            i < METER_COMMON ? meter_common_labels[i] : meter_set_labels[id][i - METER_COMMON];
        kept[i] = label ? value_map(meter, labels[0], label, labels[i]) : STR_NONE;
    }
    hash = set_hash(id, kept);
    set = set_find(meter, id, hash, kept);
    if (!set && atomic_load(&meter->set_count) >= meter->config.sets_max) {
        labels_other(meter, id, kept);
        hash = set_hash(id, kept);
        set = set_find(meter, id, hash, kept);
        if (!set && atomic_load(&meter->set_count) >= (size_t)METER_CHUNK * METER_CHUNKS)
            return NULL; /* thousands of projects, each with an "other" of each kind */
    }
    return set ? set : set_make(meter, id, hash, kept);
}

static void cell_add(_Atomic int64_t *cell, int64_t value)
{
    int64_t old = atomic_load_explicit(cell, memory_order_relaxed), sum;
    if (!__builtin_add_overflow(old, value, &sum))
        atomic_store_explicit(cell, sum, memory_order_relaxed);
}

void meter_set_add(struct meter *meter, struct meter_set *set, const struct meter_reading *reading)
{
    uint64_t bits = reading->known & meter->bits[set->id];
    uint64_t known = atomic_load_explicit(&set->known, memory_order_relaxed);
    for (uint64_t left = bits; left; left &= left - 1) {
        int id = __builtin_ctzll(left);
        int64_t value = reading->values[id];
        _Atomic int64_t *cells = &set->cells[meter->cells[id]];
        uint32_t count = meter->bound_counts[id], bucket = 0;
        if (count == 0) {
            cell_add(cells, value);
            continue;
        }
        while (bucket < count && value > meter->bounds[id][bucket])
            bucket++;
        cell_add(&cells[bucket], 1);
        cell_add(&cells[count + 1], value);
    }
    atomic_store_explicit(&set->known, known | bits, memory_order_release);
}

/* -- reading -- */

const struct meter_set *meter_set_at(const struct meter *meter, size_t index)
{
    if (index >= atomic_load_explicit(&meter->set_count, memory_order_acquire))
        return NULL;
    struct meter_set **chunk =
        atomic_load_explicit(&meter->chunks[index / METER_CHUNK], memory_order_relaxed);
    return chunk[index % METER_CHUNK];
}

bool meter_set_is_seen(const struct meter_set *set, const struct meter_scope *scope)
{
    if (!str_is_none(scope->project) && !str_equal(set->labels[0], scope->project))
        return false;
    return str_is_none(scope->tenant) || (str_equal(set->labels[METER_TENANT], scope->tenant) &&
                                          !str_equal(scope->tenant, OTHER));
}

void meter_status(const struct meter *meter, struct meter_status *ret_status)
{
    *ret_status = (struct meter_status){
        .sets = atomic_load(&meter->set_count),
        .overflows = atomic_load(&meter->overflows),
    };
    meter_scores_status(meter->scores, ret_status);
}
