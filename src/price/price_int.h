/* price_int.h -- the insides that table.c, name.c, override.c and cost.c share.
 *
 * Memory:  everything lives in the table's arena.
 * Threads: written only while loading.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/check.h"
#include "price/price.h"

#include <stdatomic.h>

enum {
    PRICE_TABLE_MAGIC = 0x70726963,
    PRICE_TABLE_BYTES_MAX = 64 << 20,
    PRICE_NAME_MAX = 200,   /* a longer model name is unknown */
    PRICE_PROVIDER_ANY = 0, /* "*": the provider is not known */
    PRICE_PROVIDERS_MAX = 1024,
    PRICE_THRESHOLDS_MAX = 8, /* context tiers of one price */
};
/* Name spaces beside the providers' own. */
#define PRICE_SPACE_ALIAS UINT32_C(0x20000)    /* spelling of a provider -> its number */
#define PRICE_SPACE_OVERRIDE UINT32_C(0x10000) /* added to a provider's number */
#define PRICE_PROVIDER_UNKNOWN UINT32_C(0x0ffff)
/* $1000 for one unit; keeps count x price far from 128 bits. */
#define PRICE_FEMTO_MAX UINT64_C(1000000000000000000)

enum price_tier { TIER_STANDARD, TIER_BATCH, TIER_FLEX, TIER_PRIORITY, TIER_COUNT };

/* Rates of one service tier when the input is above `above` tokens. */
struct price_row {
    enum price_tier tier;
    uint64_t above;
    uint64_t femto[PRICE_RATE_COUNT];
};
/* While reading: rows as given, with gaps. */
struct price_rows {
    struct price_row items[TIER_COUNT * (PRICE_THRESHOLDS_MAX + 1)];
    size_t count;
};
struct price_period {
    int64_t from_ns; /* INT64_MIN: always */
    str date;
    int32_t window_from_s; /* of the UTC day; -1: all day */
    int32_t window_to_s;
    const struct price_row *rows; /* gaps filled; by tier, then threshold ascending */
    uint32_t row_count;
};
struct price_entry {
    str id;
    bool is_override;
    int64_t context_tokens;       /* 0: unknown */
    struct price_period *periods; /* the last that holds wins */
    uint32_t period_count;
};
struct price_name {
    str name; /* lower case */
    uint32_t space;
    uint32_t number; /* of an entry, or of a provider */
};
struct price_glob {
    uint32_t provider; /* PRICE_PROVIDER_ANY: any */
    str pattern;       /* lower case */
    uint32_t entry;
};
struct price_table {
    uint32_t magic;
    _Atomic uint32_t refs;
    struct arena arena;
    struct price_entry *entries;
    size_t entry_count;
    struct price_name *names;
    size_t name_count;
    size_t name_capacity;
    uint32_t *slots; /* name index + 1, 0 is free; open addressing */
    size_t slot_mask;
    str providers[PRICE_PROVIDERS_MAX]; /* canonical spelling by number */
    size_t provider_count;
    struct price_glob *globs;
    size_t glob_count;
    bool has_overrides;
};

/* table.c */
void price_name_add(struct price_table *table, uint32_t space, str name, uint32_t number);
/* The number of that name, or UINT32_MAX. */
uint32_t price_name_find(const struct price_table *table, uint32_t space, str name);
/* Fill the gaps of rows and attach them; false when the arena is spent. */
bool price_rows_finish(struct arena *arena, const struct price_rows *rows,
                       struct price_period *period);
/* The row for that tier and threshold, made when missing; NULL when there are too many. */
struct price_row *price_rows_at(struct price_rows *rows, enum price_tier tier, uint64_t above);
/* "1.25" dollars times 10^exponent, exactly, as a whole number; false otherwise. */
bool price_decimal_parse(str text, int exponent, uint64_t *ret_value);
extern const char *const price_tier_names[TIER_COUNT];

/* override.c */
enum err price_overrides_load(struct price_table *table, str name, str text, struct diag *why);

/* name.c */
/* Lower case into out; STR_NONE when empty or too long. */
str price_lower(str text, char out[PRICE_NAME_MAX]);
uint32_t price_provider_find(const struct price_table *table, str provider);
/* The entry and period for that model at that time; false: unknown. */
bool price_model_find(const struct price_table *table, uint32_t provider, str model,
                      int64_t time_ns, const struct price_entry **ret_entry,
                      const struct price_period **ret_period);
/* The shipped entry, whatever overrides say. */
bool price_model_find_shipped(const struct price_table *table, uint32_t provider, str model,
                              const struct price_entry **ret_entry);
