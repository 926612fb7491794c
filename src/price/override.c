/* override.c -- the operator's prices, from YAML.
 *
 * Two forms, which may be mixed in one file.  By model name:
 *     gpt-4o: { input_per_million: 2.5, output_per_million: 10 }
 * and as a list, for patterns, providers and dates:
 *     prices:
 *       - { provider: openai, match: "gpt-4o*", from: 2026-09-01, input_per_million: 2 }
 * Prices are decimal dollars and must be whole femto-dollars.  A row whose prices
 * are all 0 is a placeholder and ignored, unless it says `free: true`: an unknown
 * price must not become 0.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "conf/nearest.h"
#include "conf/yaml.h"
#include "price/price_int.h"

enum { OVERRIDE_YAML_BYTES_MAX = 32 << 20 }; /* arena of the parsed text */

static const struct {
    const char *key;
    enum price_rate rate;
    int exponent; /* femto-dollars per unit = written price x 10^exponent */
} rate_keys[] = {
    { "input_per_million", PRICE_INPUT, 9 },
    { "output_per_million", PRICE_OUTPUT, 9 },
    { "cache_read_per_million", PRICE_CACHE_READ, 9 },
    { "cache_write_per_million", PRICE_CACHE_WRITE_5M, 9 },
    { "cache_write_1h_per_million", PRICE_CACHE_WRITE_1H, 9 },
    { "reasoning_per_million", PRICE_REASONING, 9 },
    { "audio_input_per_million", PRICE_AUDIO_IN, 9 },
    { "audio_output_per_million", PRICE_AUDIO_OUT, 9 },
    { "image_input_per_million", PRICE_IMAGE_IN, 9 },
    { "image_output_per_million", PRICE_IMAGE_OUT, 9 },
    { "per_request", PRICE_REQUEST, 15 },
};
static const char *const other_keys[] = { "provider", "match", "from", "free",
                                          "tiers",    "batch", "flex", "priority" };

struct reader {
    struct price_table *table;
    const struct yaml *yaml;
    struct diag *why;
};

/* One override as read. */
struct item {
    str match;
    str provider;
    int64_t from_ns;
    str date;
    bool is_free;
    bool has_price; /* some rate is not 0 */
    struct price_rows rows;
};

static enum err too_large(const struct reader *reader)
{
    return diag_set(reader->why, ERR_LIMIT, "%.*s: too many prices", STR_ARG(reader->yaml->file));
}

static enum err unknown_key(const struct reader *reader, const struct yaml_node *node, bool top)
{
    struct nearest nearest;
    nearest_init(&nearest, node->key);
    for (size_t i = 0; i < COUNT_OF(rate_keys); i++)
        nearest_consider(&nearest, str_from_c(rate_keys[i].key));
    for (size_t i = 0; i < COUNT_OF(other_keys) && top; i++)
        nearest_consider(&nearest, str_from_c(other_keys[i]));
    str best = nearest_best(&nearest);
    yaml_fail(reader->yaml, node, reader->why, "unknown key '%.*s'",
              STR_ARG(str_sub(node->key, 0, 60)));
    return str_is_none(best) ? ERR_BAD_INPUT
                             : diag_hint(reader->why, "did you mean '%.*s'?", STR_ARG(best));
}

static bool rate_find(str key, size_t *ret_index)
{
    for (size_t i = 0; i < COUNT_OF(rate_keys); i++) {
        if (str_equal_c(key, rate_keys[i].key)) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

static enum err rate_read(const struct reader *reader, const struct yaml_node *node, size_t index,
                          struct item *item, struct price_row *row)
{
    uint64_t femto;
    if (node->kind != YAML_SCALAR ||
        !price_decimal_parse(node->text, rate_keys[index].exponent, &femto))
        return yaml_fail(reader->yaml, node, reader->why,
                         "%s must be dollars, not negative, with at most %d decimals",
                         rate_keys[index].key, rate_keys[index].exponent);
    row->femto[rate_keys[index].rate] = femto;
    item->has_price |= femto > 0;
    return ERR_OK;
}

static enum err row_make(const struct reader *reader, const struct yaml_node *node,
                         enum price_tier tier, uint64_t above, struct price_row **ret_row,
                         struct item *item)
{
    *ret_row = price_rows_at(&item->rows, tier, above);
    return *ret_row ? ERR_OK : yaml_fail(reader->yaml, node, reader->why, "too many tiers");
}

/* tiers: [ { above: 200000, input_per_million: 6, ... } ] */
static enum err tiers_read(const struct reader *reader, const struct yaml_node *list,
                           enum price_tier tier, struct item *item)
{
    if (list->kind != YAML_LIST)
        return yaml_fail(reader->yaml, list, reader->why, "tiers must be a list");
    if (list->child_count > PRICE_THRESHOLDS_MAX)
        return yaml_fail(reader->yaml, list, reader->why, "at most %d tiers", PRICE_THRESHOLDS_MAX);
    YAML_EACH(node, list)
    {
        const struct yaml_node *above_node = yaml_get(node, "above");
        uint64_t above;
        if (!above_node || !str_to_u64(above_node->text, &above) || above == 0 ||
            above > PRICE_UNITS_MAX)
            return yaml_fail(reader->yaml, above_node ? above_node : node, reader->why,
                             "a tier needs above: a number of input tokens");
        struct price_row *row;
        enum err err = row_make(reader, node, tier, above, &row, item);
        YAML_EACH(child, node)
        {
            size_t index;
            if (err || child == above_node)
                continue;
            err = rate_find(child->key, &index) ? rate_read(reader, child, index, item, row)
                                                : unknown_key(reader, child, false);
        }
        if (err)
            return err;
    }
    return ERR_OK;
}

/* batch: { input_per_million: ..., tiers: [...] } */
static enum err service_read(const struct reader *reader, const struct yaml_node *map,
                             enum price_tier tier, struct item *item)
{
    if (map->kind != YAML_MAP)
        return yaml_fail(reader->yaml, map, reader->why, "%s must be a map of prices",
                         price_tier_names[tier]);
    struct price_row *row;
    enum err err = row_make(reader, map, tier, 0, &row, item);
    YAML_EACH(node, map)
    {
        size_t index;
        if (err)
            break;
        if (str_equal_c(node->key, "tiers"))
            err = tiers_read(reader, node, tier, item);
        else
            err = rate_find(node->key, &index) ? rate_read(reader, node, index, item, row)
                                               : unknown_key(reader, node, false);
    }
    return err;
}

static enum err date_read(const struct reader *reader, const struct yaml_node *node,
                          struct item *item)
{
    enum { DATE_LEN = 10 };
    if (node->kind != YAML_SCALAR || node->text.len != DATE_LEN ||
        !time_parse(node->text, &item->from_ns))
        return yaml_fail(reader->yaml, node, reader->why, "from must be a date: 2026-09-01");
    item->date = node->text;
    return ERR_OK;
}

static enum err text_read(const struct reader *reader, const struct yaml_node *node, str *ret)
{
    if (node->kind != YAML_SCALAR || str_is_empty(str_trim(node->text)) ||
        node->text.len > PRICE_NAME_MAX)
        return yaml_fail(reader->yaml, node, reader->why, "%.*s must be a name",
                         STR_ARG(str_sub(node->key, 0, 60)));
    *ret = node->text;
    return ERR_OK;
}

static enum err key_read(const struct reader *reader, const struct yaml_node *node,
                         struct item *item)
{
    str key = node->key;
    size_t index;
    if (rate_find(key, &index)) {
        struct price_row *row = price_rows_at(&item->rows, TIER_STANDARD, 0);
        assert(row);
        return rate_read(reader, node, index, item, row);
    }
    if (str_equal_c(key, "tiers"))
        return tiers_read(reader, node, TIER_STANDARD, item);
    for (size_t tier = TIER_BATCH; tier < TIER_COUNT; tier++) {
        if (str_equal_c(key, price_tier_names[tier]))
            return service_read(reader, node, (enum price_tier)tier, item);
    }
    if (str_equal_c(key, "from"))
        return date_read(reader, node, item);
    if (str_equal_c(key, "provider"))
        return text_read(reader, node, &item->provider);
    if (str_equal_c(key, "match") && str_is_none(item->match))
        return text_read(reader, node, &item->match);
    if (str_equal_c(key, "free")) {
        item->is_free = str_equal_c(node->text, "true");
        if (!item->is_free && !str_equal_c(node->text, "false"))
            return yaml_fail(reader->yaml, node, reader->why, "free must be true or false");
        return ERR_OK;
    }
    return unknown_key(reader, node, true);
}

/* ---- into the table ---- */

/* Lower-case copy that lives as long as the table. */
static str lower_keep(const struct reader *reader, str text)
{
    char lower[PRICE_NAME_MAX];
    str name = price_lower(text, lower);
    return str_is_none(name) ? name : arena_str(&reader->table->arena, name);
}

static enum err provider_number(const struct reader *reader, str provider, uint32_t *ret_number)
{
    struct price_table *table = reader->table;
    *ret_number = price_provider_find(table, provider);
    if (*ret_number != PRICE_PROVIDER_UNKNOWN)
        return ERR_OK;
    str name = lower_keep(reader, provider);
    if (table->provider_count == PRICE_PROVIDERS_MAX || str_is_none(name))
        return too_large(reader);
    *ret_number = (uint32_t)table->provider_count;
    table->providers[table->provider_count++] = name;
    price_name_add(table, PRICE_SPACE_ALIAS, name, *ret_number);
    return ERR_OK;
}

/* The entry of that provider and pattern if an earlier row made it: rows with
 * other dates then are its periods. */
static struct price_entry *entry_find(const struct price_table *table, uint32_t provider, str match,
                                      bool is_glob)
{
    if (!is_glob) {
        uint32_t number = price_name_find(table, provider + PRICE_SPACE_OVERRIDE, match);
        return number == UINT32_MAX ? NULL : &table->entries[number];
    }
    for (size_t i = 0; i < table->glob_count; i++) {
        if (table->globs[i].provider == provider && str_equal(table->globs[i].pattern, match))
            return &table->entries[table->globs[i].entry];
    }
    return NULL;
}

static struct price_entry *entry_new(const struct reader *reader, uint32_t provider, str match,
                                     bool is_glob)
{
    struct price_table *table = reader->table;
    uint32_t number = (uint32_t)table->entry_count++;
    assert(table->entries);
    struct price_entry *entry = &table->entries[number];
    str id = provider == PRICE_PROVIDER_ANY
                 ? arena_printf(&table->arena, "override/%.*s", STR_ARG(match))
                 : arena_printf(&table->arena, "override/%.*s/%.*s",
                                STR_ARG(table->providers[provider]), STR_ARG(match));
    *entry = (struct price_entry){ .id = id, .is_override = true };
    if (is_glob)
        table->globs[table->glob_count++] = (struct price_glob){ provider, match, number };
    else
        price_name_add(table, provider + PRICE_SPACE_OVERRIDE, match, number);
    table->has_overrides = true;
    return str_is_none(id) ? NULL : entry;
}

/* Insert by date; false when there is one of that date. */
static enum err period_add(const struct reader *reader, const struct yaml_node *node,
                           struct price_entry *entry, const struct item *item)
{
    struct price_table *table = reader->table;
    struct price_period *periods =
        arena_new(&table->arena, struct price_period, entry->period_count + 1);
    struct price_period period = { .from_ns = item->from_ns, .window_from_s = -1 };
    if (!periods)
        return too_large(reader);
    if (!str_is_none(item->date))
        period.date = arena_str(&table->arena, item->date);
    if (!price_rows_finish(&table->arena, &item->rows, &period))
        return too_large(reader);
    uint32_t at = 0;
    while (at < entry->period_count && entry->periods[at].from_ns < item->from_ns)
        at++;
    if (at < entry->period_count && entry->periods[at].from_ns == item->from_ns)
        return yaml_fail(reader->yaml, node, reader->why,
                         "'%.*s' has a price from that date already",
                         STR_ARG(str_sub(item->match, 0, 60)));
    for (uint32_t i = 0; i < entry->period_count; i++)
        periods[i + (i >= at)] = entry->periods[i];
    periods[at] = period;
    entry->periods = periods;
    entry->period_count++;
    return ERR_OK;
}

static enum err item_add(const struct reader *reader, const struct yaml_node *node,
                         struct item *item)
{
    struct price_row *base = price_rows_at(&item->rows, TIER_STANDARD, 0);
    assert(base);
    if (item->is_free && item->has_price)
        return yaml_fail(reader->yaml, node, reader->why, "free: true, yet a price is given");
    if (item->is_free)
        base->femto[PRICE_INPUT] = base->femto[PRICE_OUTPUT] = 0;
    else if (!item->rows.count || (base->femto[PRICE_INPUT] == PRICE_RATE_NONE &&
                                   base->femto[PRICE_OUTPUT] == PRICE_RATE_NONE &&
                                   base->femto[PRICE_REQUEST] == PRICE_RATE_NONE))
        return yaml_fail(reader->yaml, node, reader->why, "no input_per_million given");
    else if (!item->has_price)
        return ERR_OK; /* a placeholder */
    uint32_t provider;
    enum err err = provider_number(reader, item->provider, &provider);
    if (err)
        return err;
    str match = lower_keep(reader, item->match);
    if (str_is_none(match))
        return too_large(reader);
    bool is_glob = str_find_char(match, '*') < match.len || str_find_char(match, '?') < match.len;
    struct price_entry *entry = entry_find(reader->table, provider, match, is_glob);
    if (!entry)
        entry = entry_new(reader, provider, match, is_glob);
    return entry ? period_add(reader, node, entry, item) : too_large(reader);
}

static enum err item_read(const struct reader *reader, const struct yaml_node *node, str match)
{
    if (node->kind != YAML_MAP)
        return yaml_fail(reader->yaml, node, reader->why, "a price must be a map of keys");
    struct item item = { .match = match, .from_ns = INT64_MIN };
    YAML_EACH(child, node)
    {
        enum err err = key_read(reader, child, &item);
        if (err)
            return err;
    }
    if (str_is_none(item.match))
        return yaml_fail(reader->yaml, node, reader->why, "a price in a list needs match:");
    return item_add(reader, node, &item);
}

static enum err list_read(const struct reader *reader, const struct yaml_node *list)
{
    YAML_EACH(node, list)
    {
        enum err err = item_read(reader, node, STR_NONE);
        if (err)
            return err;
    }
    return ERR_OK;
}

static enum err root_read(const struct reader *reader, const struct yaml_node *root)
{
    if (root->kind == YAML_LIST)
        return list_read(reader, root);
    if (root->kind != YAML_MAP)
        return yaml_fail(reader->yaml, root, reader->why, "the file must be a map of models");
    YAML_EACH(node, root)
    {
        bool is_list = str_equal_c(node->key, "prices") && node->kind == YAML_LIST;
        if (!is_list && (str_is_empty(str_trim(node->key)) || node->key.len > PRICE_NAME_MAX))
            return yaml_fail(reader->yaml, node, reader->why, "not a model's name");
        enum err err = is_list ? list_read(reader, node) : item_read(reader, node, node->key);
        if (err)
            return err;
    }
    return ERR_OK;
}

enum err price_overrides_load(struct price_table *table, str name, str text, struct diag *why)
{
    struct arena scratch;
    arena_init(&scratch, OVERRIDE_YAML_BYTES_MAX);
    struct yaml yaml;
    struct reader reader = { .table = table, .yaml = &yaml, .why = why };
    enum err err = yaml_parse(&scratch, name, text, &yaml, why);
    if (!err)
        err = root_read(&reader, yaml.root);
    arena_clear(&scratch);
    return err;
}
