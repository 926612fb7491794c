/* meter_int.h -- what the files of the meter share: tables, readings, sets.
 *
 * Memory:  see meter.h.
 * Threads: see meter.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "pipeline/meter.h"
#include <stdatomic.h>

enum meter_set_id {
#define SET(id, a, b, c, d, e) METER_SET_##id,
#include "pipeline/meter_set.def"
#undef SET
    METER_SETS
};
enum meter_id {
#define METER(id, set, name, type, scale, bounds, unit, help) METER_##id,
#include "pipeline/meter.def"
#undef METER
    METER_COUNT
};
_Static_assert(METER_COUNT <= 64, "a reading has a bit for each");

enum meter_type { METER_COUNTER, METER_HISTOGRAM };
enum {
    METER_COMMON = 4, /* project, tenant_id, feature, environment */
    METER_TENANT = 1, /* of these */
    METER_OWN_MAX = 5,
    METER_LABELS_MAX = METER_COMMON + METER_OWN_MAX,
    METER_BOUNDS_MAX = 18,
};

struct meter_info {
    const char *name, *unit, *help;
    enum meter_set_id set;
    enum meter_type type;
    double scale;
    const double *bounds; /* in exposed units, ascending, 0 behind the last */
};
extern const struct meter_info meter_table[METER_COUNT];
extern const char *const meter_set_labels[METER_SETS][METER_OWN_MAX];
extern const char *const meter_common_labels[METER_COMMON];

/* What one span or score adds, in raw units. */
struct meter_reading {
    uint64_t known; /* bit per enum meter_id */
    int64_t values[METER_COUNT];
};
static inline void meter_read(struct meter_reading *reading, enum meter_id id, int64_t value)
{
    reading->known |= UINT64_C(1) << id;
    reading->values[id] = value;
}

/* Of one combination of labels: its numbers.  A counter is one cell; a histogram one for each
 * bound, one for what is above them, and the sum. */
struct meter_set {
    struct meter_set *next;   /* with the same hash */
    struct meter_set *coarse; /* of PLACE_CALL: its CALL; drain's thread */
    uint64_t hash;
    enum meter_set_id id;
    str labels[METER_LABELS_MAX]; /* STR_NONE: unknown */
    _Atomic uint64_t known;       /* bit per enum meter_id that has a value */
    _Atomic int64_t cells[];
};

enum { METER_BUCKETS = 4096, METER_CHUNK = 1024, METER_CHUNKS = 98 }; /* room for 100,000 sets */

struct meter_value; /* of a label */
struct meter {
    struct meter_config config;
    int64_t started_ns; /* clock_now_ns */
    uint32_t bound_counts[METER_COUNT];
    int64_t bounds[METER_COUNT][METER_BOUNDS_MAX]; /* in raw units */
    uint16_t cells[METER_COUNT];                   /* where a metric begins in its set */
    uint32_t cell_counts[METER_SETS];
    uint64_t bits[METER_SETS]; /* metrics of a set */
    struct meter_set *buckets[METER_BUCKETS];
    struct meter_value *values[METER_BUCKETS];
    _Atomic(struct meter_set **) chunks[METER_CHUNKS];
    _Atomic size_t set_count;
    _Atomic uint64_t overflows;
    struct meter_scores *scores;
};

/* The set of these labels, made when it is new; NULL: there is no room for it under "other" either.
 * labels[]: the common ones, then those of `id`. */
struct meter_set *meter_set_get(struct meter *meter, enum meter_set_id id,
                                const str labels[METER_LABELS_MAX]);
/* Add what is known of that set. */
void meter_set_add(struct meter *meter, struct meter_set *set, const struct meter_reading *reading);

/* ---- reading, any thread ---- */

/* Published sets, by number; NULL past the last. */
const struct meter_set *meter_set_at(const struct meter *meter, size_t index);
bool meter_set_is_seen(const struct meter_set *set, const struct meter_scope *scope);
static inline int64_t meter_get(const _Atomic int64_t *cell)
{
    return atomic_load_explicit(cell, memory_order_relaxed);
}

/* ---- meter_score.c ---- */
struct meter_scores *meter_scores_new(int64_t wait_ns);
void meter_scores_free(struct meter_scores *scores);
/* Those that wait for a trace that is now whole. */
void meter_scores_settle(struct meter *meter, const struct trace_row *row,
                         const struct store_span *spans, size_t count);
void meter_scores_status(const struct meter_scores *scores, struct meter_status *ret_status);
/* A score of 0 to 1 or anything else, in raw units. */
int64_t meter_raw_score(double value);
/* The first known of generator_model and request_model. */
str meter_model(const struct span *span);
