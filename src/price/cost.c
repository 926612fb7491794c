/* cost.c -- units times price, rounded once per bucket.
 *
 * Femto-dollars (1e-15) because 138 real prices are not whole nano-dollars per
 * token; the product is exact in 128 bits, then rounded half to even to
 * nano-dollars (1e-9).  The total is the sum of the rounded buckets, so a cost
 * always equals its parts.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "price/price_int.h"

/* The one place for the GNU extension: counts below 2^40 times prices below 2^60. */
__extension__ typedef unsigned __int128 wide;

enum { FEMTO_PER_NANO = 1000000 };

enum bucket {
    BUCKET_INPUT_FRESH,
    BUCKET_CACHE_READ,
    BUCKET_CACHE_WRITE_5M,
    BUCKET_CACHE_WRITE_1H,
    BUCKET_OUTPUT_TEXT,
    BUCKET_REASONING,
    BUCKET_AUDIO_IN,
    BUCKET_AUDIO_OUT,
    BUCKET_IMAGE,
    BUCKET_REQUEST, /* not a usage bucket: one per call where calls cost */
    BUCKET_COUNT
};

static const struct {
    str name;
    enum field field;
    enum price_rate rate;
    bool is_input;
} buckets[BUCKET_COUNT] = {
    [BUCKET_INPUT_FRESH] = { STR("input_fresh"), FIELD_input_fresh, PRICE_INPUT, true },
    [BUCKET_CACHE_READ] = { STR("cache_read"), FIELD_cache_read, PRICE_CACHE_READ, true },
    [BUCKET_CACHE_WRITE_5M] = { STR("cache_write_5m"), FIELD_cache_write_5m, PRICE_CACHE_WRITE_5M,
                                true },
    [BUCKET_CACHE_WRITE_1H] = { STR("cache_write_1h"), FIELD_cache_write_1h, PRICE_CACHE_WRITE_1H,
                                true },
    [BUCKET_OUTPUT_TEXT] = { STR("output_text"), FIELD_output_text, PRICE_OUTPUT, false },
    [BUCKET_REASONING] = { STR("reasoning"), FIELD_reasoning, PRICE_REASONING, false },
    [BUCKET_AUDIO_IN] = { STR("audio_in"), FIELD_audio_in, PRICE_AUDIO_IN, true },
    [BUCKET_AUDIO_OUT] = { STR("audio_out"), FIELD_audio_out, PRICE_AUDIO_OUT, false },
    /* In and out are one bucket: billed as output when the answer is an image. */
    [BUCKET_IMAGE] = { STR("image"), FIELD_image, PRICE_IMAGE_IN, false },
    [BUCKET_REQUEST] = { STR("request"), FIELD_COUNT, PRICE_REQUEST, false },
};

struct usage {
    int64_t count[BUCKET_COUNT];
    int64_t context; /* all input tokens */
    bool is_known;
    bool is_implausible;
};
struct cost {
    const struct price_entry *entry;
    const struct price_period *period;
    const struct price_row *row;
    bool tier_missing;
    int64_t nano[BUCKET_COUNT];
    int64_t total;
};
enum outcome { COST_KNOWN, COST_UNKNOWN, COST_IMPLAUSIBLE };

/* ---- usage ---- */

static bool plausible(int64_t count)
{
    return count >= 0 && count <= PRICE_UNITS_MAX;
}

static void count_take(const struct span *span, struct usage *usage, enum bucket bucket,
                       int64_t value)
{
    if (!span_knows(span, buckets[bucket].field))
        return;
    usage->is_known = true;
    usage->is_implausible |= !plausible(value);
    usage->count[bucket] = value;
}

/* A total without its plain bucket: what the other buckets leave is plain. */
static void remainder_take(const struct span *span, struct usage *usage, bool is_input)
{
    enum bucket plain = is_input ? BUCKET_INPUT_FRESH : BUCKET_OUTPUT_TEXT;
    bool known = is_input ? SPAN_KNOWS(span, input_tokens) : SPAN_KNOWS(span, output_tokens);
    if (!known || span_knows(span, buckets[plain].field))
        return;
    int64_t rest = is_input ? span->input_tokens : span->output_tokens;
    usage->is_known = true;
    usage->is_implausible |= !plausible(rest);
    for (size_t i = 0; i < BUCKET_IMAGE && !usage->is_implausible; i++) {
        if (buckets[i].is_input == is_input)
            rest -= usage->count[i];
    }
    usage->count[plain] = MAX(rest, 0);
}

static struct usage usage_read(const struct span *span)
{
    struct usage usage = { 0 };
    count_take(span, &usage, BUCKET_INPUT_FRESH, span->input_fresh);
    count_take(span, &usage, BUCKET_CACHE_READ, span->cache_read);
    count_take(span, &usage, BUCKET_CACHE_WRITE_5M, span->cache_write_5m);
    count_take(span, &usage, BUCKET_CACHE_WRITE_1H, span->cache_write_1h);
    count_take(span, &usage, BUCKET_OUTPUT_TEXT, span->output_text);
    count_take(span, &usage, BUCKET_REASONING, span->reasoning);
    count_take(span, &usage, BUCKET_AUDIO_IN, span->audio_in);
    count_take(span, &usage, BUCKET_AUDIO_OUT, span->audio_out);
    count_take(span, &usage, BUCKET_IMAGE, span->image);
    remainder_take(span, &usage, true);
    remainder_take(span, &usage, false);
    usage.count[BUCKET_REQUEST] = 1;
    if (usage.is_implausible)
        return usage;
    for (size_t i = 0; i < BUCKET_IMAGE; i++)
        usage.context += buckets[i].is_input ? usage.count[i] : 0;
    if (SPAN_KNOWS(span, input_tokens) && plausible(span->input_tokens))
        usage.context = MAX(usage.context, span->input_tokens);
    return usage;
}

/* ---- price ---- */

/* The rows of a tier lie together by ascending threshold: the last one passed. */
static const struct price_row *row_find(const struct price_period *period, enum price_tier tier,
                                        int64_t context)
{
    const struct price_row *found = NULL;
    for (uint32_t i = 0; i < period->row_count; i++) {
        const struct price_row *row = &period->rows[i];
        if (row->tier == tier && (row->above == 0 || (uint64_t)context > row->above))
            found = row;
    }
    return found;
}

static enum price_tier service_tier(str name)
{
    static const struct {
        str name;
        enum price_tier tier;
    } known[] = {
        { STR("batch"), TIER_BATCH },
        { STR("batches"), TIER_BATCH },
        { STR("flex"), TIER_FLEX },
        { STR("priority"), TIER_PRIORITY },
        { STR("on_demand_priority"), TIER_PRIORITY },
    };
    for (size_t i = 0; i < COUNT_OF(known) && !str_is_empty(name); i++) {
        if (str_equal_nocase(name, known[i].name))
            return known[i].tier;
    }
    return TIER_STANDARD;
}

static void row_choose(struct cost *cost, str tier_name, int64_t context)
{
    enum price_tier tier = service_tier(tier_name);
    cost->row = row_find(cost->period, tier, context);
    cost->tier_missing = !cost->row;
    if (!cost->row)
        cost->row = row_find(cost->period, TIER_STANDARD, context);
    assert(cost->row); /* price_rows_finish always makes the standard row of threshold 0 */
}

static bool price_choose(const struct price_table *table, const struct span *span, int64_t context,
                         struct cost *ret_cost)
{
    uint32_t provider =
        price_provider_find(table, SPAN_KNOWS(span, provider) ? span->provider : STR_NONE);
    int64_t time_ns = SPAN_KNOWS(span, start_time) ? span->start_time : INT64_MAX;
    bool found = (SPAN_KNOWS(span, generator_model) &&
                  price_model_find(table, provider, span->generator_model, time_ns,
                                   &ret_cost->entry, &ret_cost->period)) ||
                 (SPAN_KNOWS(span, request_model) &&
                  price_model_find(table, provider, span->request_model, time_ns, &ret_cost->entry,
                                   &ret_cost->period));
    if (found)
        row_choose(ret_cost, SPAN_KNOWS(span, service_tier) ? span->service_tier : STR_NONE,
                   context);
    return found;
}

static enum price_rate bucket_rate(const struct span *span, enum bucket bucket)
{
    bool image_out = bucket == BUCKET_IMAGE && SPAN_KNOWS(span, output_type) &&
                     str_equal_c(span->output_type, "image");
    return image_out ? PRICE_IMAGE_OUT : buckets[bucket].rate;
}

/* count x femto / 10^6, half to even; false when it is no int64. */
static bool multiply(int64_t count, uint64_t femto, int64_t *ret_nano)
{
    uint64_t product;
    if (!MUL_OVERFLOWS((uint64_t)count, femto, &product)) {
        uint64_t whole = product / FEMTO_PER_NANO, part = product % FEMTO_PER_NANO;
        whole += part > FEMTO_PER_NANO / 2 || (part == FEMTO_PER_NANO / 2 && (whole & 1));
        *ret_nano = (int64_t)whole; /* < 2^64 / 10^6 */
        return true;
    }
    wide exact = (wide)(uint64_t)count * femto;
    wide whole = exact / FEMTO_PER_NANO;
    uint64_t part = (uint64_t)(exact % FEMTO_PER_NANO);
    whole += part > FEMTO_PER_NANO / 2 || (part == FEMTO_PER_NANO / 2 && (whole & 1));
    if (whole > INT64_MAX)
        return false;
    *ret_nano = (int64_t)whole;
    return true;
}

static enum outcome cost_compute(const struct price_table *table, const struct span *span,
                                 const struct usage *usage, struct cost *ret_cost)
{
    *ret_cost = (struct cost){ 0 };
    if (usage->is_implausible)
        return COST_IMPLAUSIBLE;
    if (!price_choose(table, span, usage->context, ret_cost))
        return COST_UNKNOWN;
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        if (!usage->count[i])
            continue;
        uint64_t femto = ret_cost->row->femto[bucket_rate(span, (enum bucket)i)];
        if (femto == PRICE_RATE_NONE)
            return COST_UNKNOWN; /* a part without a price: no half-known sum */
        if (!multiply(usage->count[i], femto, &ret_cost->nano[i]) ||
            ADD_OVERFLOWS(ret_cost->total, ret_cost->nano[i], &ret_cost->total))
            return COST_IMPLAUSIBLE;
    }
    return COST_KNOWN;
}

/* ---- into the span ---- */

static char *number_write(char *out, int64_t value)
{
    char digits[20];
    size_t count = 0;
    assert(value >= 0);
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    while (count)
        *out++ = digits[--count];
    return out;
}

static char *text_write(char *out, const char *text, size_t len)
{
    memcpy(out, text, len);
    return out + len;
}

enum { BUCKET_JSON_MAX = 16 + 20 + 4, COST_JSON_MAX = BUCKET_COUNT * BUCKET_JSON_MAX + 2 };

/* {"input_fresh":4605000,"output_text":3180000} */
static char *json_write(char *out, const struct usage *usage, const struct cost *cost)
{
    *out++ = '{';
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        if (!usage->count[i] || (i == BUCKET_REQUEST && !cost->nano[i]))
            continue;
        if (out[-1] != '{')
            *out++ = ',';
        *out++ = '"';
        out = text_write(out, buckets[i].name.ptr, buckets[i].name.len);
        *out++ = '"';
        *out++ = ':';
        out = number_write(out, cost->nano[i]);
    }
    *out++ = '}';
    return out;
}

/* The texts of the span in one piece of the arena: JSON, id, date. */
static enum err texts_set(struct arena *arena, struct span *span, const struct usage *usage,
                          const struct cost *cost)
{
    char json[COST_JSON_MAX];
    size_t json_len = (size_t)(json_write(json, usage, cost) - json);
    str id = cost->entry->id, date = cost->period->date;
    char *out = arena_alloc(arena, json_len + id.len + date.len);
    if (!out)
        return ERR_LIMIT;
    text_write(out, json, json_len);
    SPAN_SET(span, cost_by_bucket, str_make(out, json_len));
    text_write(out + json_len, id.ptr, id.len);
    SPAN_SET(span, price_id, str_make(out + json_len, id.len));
    if (str_is_none(date))
        return ERR_OK;
    text_write(out + json_len + id.len, date.ptr, date.len);
    SPAN_SET(span, price_date, str_make(out + json_len + id.len, date.len));
    return ERR_OK;
}

static void cost_forget(struct span *span)
{
    span_forget(span, FIELD_cost_nanousd);
    span_forget(span, FIELD_cost_by_bucket);
    span_forget(span, FIELD_price_id);
    span_forget(span, FIELD_price_date);
}

static bool has_model(const struct span *span)
{
    return (SPAN_KNOWS(span, generator_model) && !str_is_empty(span->generator_model)) ||
           (SPAN_KNOWS(span, request_model) && !str_is_empty(span->request_model));
}

enum err price_span(const struct price_table *table, struct arena *arena, struct span *span)
{
    CHECK(table, PRICE_TABLE_MAGIC);
    assert(arena && span);
    if (!has_model(span))
        return ERR_OK;
    struct usage usage = usage_read(span);
    if (!usage.is_known)
        return ERR_OK;
    struct cost cost;
    enum outcome outcome = cost_compute(table, span, &usage, &cost);
    cost_forget(span);
    if (outcome == COST_UNKNOWN && SPAN_KNOWS(span, sender_cost_nanousd) &&
        span->sender_cost_nanousd > 0) {
        SPAN_SET(span, cost_nanousd, span->sender_cost_nanousd);
        SPAN_SET(span, cost_source, STR_OF("sender"));
        return ERR_OK;
    }
    if (outcome != COST_KNOWN) {
        SPAN_SET(span, cost_source, STR_OF("unknown"));
        bool ok =
            outcome == COST_UNKNOWN || span_add_flag(span, arena, STR_OF("usage_implausible"));
        return ok ? ERR_OK : ERR_LIMIT;
    }
    if (texts_set(arena, span, &usage, &cost) ||
        (cost.tier_missing && !span_add_flag(span, arena, STR_OF("price_tier_missing")))) {
        cost_forget(span);
        return ERR_LIMIT;
    }
    SPAN_SET(span, cost_nanousd, cost.total);
    SPAN_SET(span, cost_source, cost.entry->is_override ? STR_OF("override") : STR_OF("table"));
    return ERR_OK;
}

/* ---- for people ---- */

/* Femto-dollars per unit as dollars per million: 2500000000 -> 2.5 */
static void per_million_add(struct buf *out, uint64_t femto)
{
    buf_add_nanousd(out, (int64_t)femto); /* 1e-15 per unit is 1e-9 per million */
}

void price_explain(struct buf *out, const struct price_table *table, const struct span *span)
{
    CHECK(table, PRICE_TABLE_MAGIC);
    struct usage usage = usage_read(span);
    struct cost cost;
    if (!usage.is_known || cost_compute(table, span, &usage, &cost) != COST_KNOWN)
        return;
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        if (!usage.count[i] || (i == BUCKET_REQUEST && !cost.nano[i]))
            continue;
        buf_printf(out, "%.*s %lld x $", STR_ARG(buckets[i].name), (long long)usage.count[i]);
        per_million_add(out, cost.row->femto[bucket_rate(span, (enum bucket)i)]);
        buf_add_c(out, "/M = ");
        buf_add_nanousd(out, cost.nano[i]);
        buf_add_char(out, '\n');
    }
    buf_add_str(out, cost.entry->id);
    if (!str_is_none(cost.period->date))
        buf_printf(out, " of %.*s", STR_ARG(cost.period->date));
    if (cost.row->above)
        buf_printf(out, ", input above %llu tokens", (unsigned long long)cost.row->above);
    if (cost.row->tier != TIER_STANDARD)
        buf_printf(out, ", %s", price_tier_names[cost.row->tier]);
    buf_add_char(out, '\n');
}

bool price_find(const struct price_table *table, const struct price_question *question,
                struct price_quote *ret_quote)
{
    CHECK(table, PRICE_TABLE_MAGIC);
    struct cost cost = { 0 };
    uint32_t provider = price_provider_find(table, question->provider);
    if (!price_model_find(table, provider, question->model, question->time_ns, &cost.entry,
                          &cost.period))
        return false;
    row_choose(&cost, question->service_tier, MAX(question->context_tokens, 0));
    *ret_quote = (struct price_quote){ .price_id = cost.entry->id,
                                       .price_date = cost.period->date,
                                       .is_override = cost.entry->is_override,
                                       .tier_missing = cost.tier_missing };
    memcpy(ret_quote->femto, cost.row->femto, sizeof ret_quote->femto);
    return true;
}

int64_t price_context(const struct price_table *table, str provider, str model)
{
    CHECK(table, PRICE_TABLE_MAGIC);
    const struct price_entry *entry;
    return price_model_find_shipped(table, price_provider_find(table, provider), model, &entry)
               ? entry->context_tokens
               : 0;
}
