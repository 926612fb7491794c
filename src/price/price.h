/* price.h -- what a call cost, in integers.
 *
 * A price table is an immutable, reference-counted snapshot made from the shipped
 * data (two sources, effective-dated) and the operator's overrides.  Prices are
 * femto-dollars per unit; each bucket is rounded once, half to even, to
 * nano-dollars (DECISIONS 7).  A model without a price is "unknown", never 0.
 *
 * Memory:  price_table is shared by reference; results are written into the span.
 * Threads: a table is read-only after price_table_load.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "model/span.h"

struct price_table;

struct price_source {
    str prices;    /* compiled table made by tools/gen_prices.py, embedded */
    str overrides; /* operator's YAML text, or none */
    str overrides_name; /* file name, for messages */
};
MUST_CHECK enum err price_table_load(const struct price_source *source,
                                     struct price_table **ret_table, struct diag *reterr_why);
struct price_table *price_table_ref(struct price_table *table);
void price_table_unref(struct price_table *table);
size_t price_table_count(const struct price_table *table);

/* Set cost_nanousd, cost_by_bucket, cost_source, price_id, price_date from the
 * span's provider, models, service tier, usage buckets and start time.  A span
 * without usage or model is left alone; an unpriced model gets cost_source
 * "unknown" and no cost.  sender_cost_nanousd is never touched. */
MUST_CHECK enum err price_span(const struct price_table *table, struct arena *arena,
                               struct span *span);
