/* price.h -- what a call cost, in integers.
 *
 * A price table is an immutable, reference-counted snapshot made from the shipped
 * data (two sources, effective-dated) and the operator's overrides.  Prices are
 * femto-dollars per unit; each bucket is rounded once, half to even, to
 * nano-dollars (DECISIONS 7).  A model without a price is "unknown", never 0.
 *
 * Which price: an override before genai-prices (dated) before LiteLLM (a seed
 * without dates); the response's model before the request's; the exact name
 * before the name without date, version or provider prefix.  Nothing is matched
 * by resemblance.  The whole request is billed at the tier its input reaches.
 * Rules in full: docs/formats/prices.md.
 *
 * Memory:  price_table is shared by reference and keeps copies of its sources;
 *          results are written into the span (its texts borrow from the table, so
 *          the table must outlive them, or live in the arena).
 * Threads: a table is read-only after price_table_load; the count is atomic.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "model/span.h"

/* More units than this in one bucket is not a usage but a mistake: the cost is
 * unknown and the span is flagged "usage_implausible". */
#define PRICE_UNITS_MAX (INT64_C(1) << 40)

struct price_table;

struct price_source {
    str prices;         /* compiled table made by tools/gen_prices.py: price_shipped() */
    str overrides;      /* operator's YAML text, or none */
    str overrides_name; /* file name, for messages */
};
/* The table embedded in the binary. */
str price_shipped(void);

MUST_CHECK enum err price_table_load(const struct price_source *source,
                                     struct price_table **ret_table, struct diag *reterr_why);
struct price_table *price_table_ref(struct price_table *table);
void price_table_unref(struct price_table *table);
/* Prices in it, overrides included. */
size_t price_table_count(const struct price_table *table);

/* Set cost_nanousd, cost_by_bucket, cost_source, price_id, price_date from the
 * span's provider, models, service tier, usage buckets and start time.  A span
 * without usage or model is left alone; an unpriced model gets
 * the cost that its sender gave (cost_source "sender"), or "unknown" and no cost.
 * sender_cost_nanousd is never touched.  The texts it
 * sets live in the arena.  price_date is the day the price holds from; for a
 * price without dates the day of its source; absent for an undated override.
 * Adds to span->flags: "usage_implausible" (negative or absurd counts, cost
 * unknown), "price_tier_missing" (batch, flex or priority asked for, the
 * standard price used).  ERR_LIMIT when the arena is spent. */
MUST_CHECK enum err price_span(const struct price_table *table, struct arena *arena,
                               struct span *span);

/* The same computation, told: one line per bucket "input_fresh 1842 x $2.5/M =
 * 0.004605", then the price's id and date; nothing when the span has no price. */
void price_explain(struct buf *out, const struct price_table *table, const struct span *span);

/* What a model costs: for a price page or a what-if.  Rates are femto-dollars
 * per token, PRICE_RATE_NONE when not sold; fallbacks (below) already applied. */
#define PRICE_RATE_NONE UINT64_MAX
enum price_rate {
    PRICE_INPUT,
    PRICE_OUTPUT,
    PRICE_CACHE_READ,     /* else input */
    PRICE_CACHE_WRITE_5M, /* else input */
    PRICE_CACHE_WRITE_1H, /* else, and at least, cache_write_5m */
    PRICE_REASONING,      /* else output */
    PRICE_AUDIO_IN,       /* else input */
    PRICE_AUDIO_OUT,      /* else output */
    PRICE_IMAGE_IN,       /* else input */
    PRICE_IMAGE_OUT,      /* else output */
    PRICE_REQUEST,        /* per call, else 0 */
    PRICE_RATE_COUNT
};
struct price_quote {
    str price_id;
    str price_date; /* may be none */
    bool is_override;
    bool tier_missing;
    uint64_t femto[PRICE_RATE_COUNT];
};
struct price_question {
    str provider; /* any spelling, or none */
    str model;
    str service_tier; /* or none */
    int64_t time_ns;
    int64_t context_tokens; /* all input, for the tier */
};
/* False: unknown. */
MUST_CHECK bool price_find(const struct price_table *table, const struct price_question *question,
                           struct price_quote *ret_quote);

/* Tokens of input that a model takes at most, by the shipped lists; 0: unknown.  provider: any
 * spelling, or none. */
int64_t price_context(const struct price_table *table, str provider, str model);
