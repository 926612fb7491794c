/* name.c -- from the names a sender gives to a price, without guessing.
 *
 * The index holds exact names.  A name that is not there is tried without what
 * carries no price: a date, "latest", a version of Bedrock or Vertex, a path, a
 * provider prefix, a region.  Every step only cuts, never replaces, and the
 * result must again be an exact name; so "gpt-4o-2027-01-01" is gpt-4o, and
 * "gpt-4o-prod" is unknown.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "price/price_int.h"

struct search {
    const struct price_table *table;
    int64_t time_ns;
    uint32_t space_add; /* PRICE_SPACE_OVERRIDE while searching overrides */
    const struct price_entry *entry;
    const struct price_period *period;
};

str price_lower(str text, char out[PRICE_NAME_MAX])
{
    text = str_trim(text);
    if (str_is_empty(text) || text.len > PRICE_NAME_MAX)
        return STR_NONE;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        out[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    return (str){ out, text.len };
}

uint32_t price_provider_find(const struct price_table *table, str provider)
{
    char lower[PRICE_NAME_MAX];
    str name = price_lower(provider, lower);
    if (str_is_none(name))
        return PRICE_PROVIDER_ANY;
    uint32_t number = price_name_find(table, PRICE_SPACE_ALIAS, name);
    return number == UINT32_MAX ? PRICE_PROVIDER_UNKNOWN : number;
}

/* ---- periods ---- */

static bool window_holds(const struct price_period *period, int64_t time_ns)
{
    if (period->window_from_s < 0)
        return true;
    int64_t second = (time_ns / NS_PER_S) % 86400;
    second += second < 0 ? 86400 : 0;
    if (period->window_from_s <= period->window_to_s)
        return second >= period->window_from_s && second < period->window_to_s;
    return second >= period->window_from_s || second < period->window_to_s; /* over midnight */
}

static bool entry_take(struct search *search, uint32_t number)
{
    if (number == UINT32_MAX)
        return false;
    const struct price_entry *entry = &search->table->entries[number];
    for (uint32_t i = entry->period_count; i-- > 0;) {
        const struct price_period *period = &entry->periods[i];
        if (search->time_ns >= period->from_ns && window_holds(period, search->time_ns)) {
            search->entry = entry;
            search->period = period;
            return true;
        }
    }
    return false;
}

/* ---- names ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* `pattern` against the end of name, where 9 stands for a digit; the length of
 * what matched, or 0. */
static size_t tail_match(str name, const char *pattern)
{
    size_t len = strlen(pattern);
    if (name.len <= len)
        return 0;
    const char *tail = name.ptr + name.len - len;
    for (size_t i = 0; i < len; i++) {
        if (pattern[i] == '9' ? !is_digit(tail[i]) : tail[i] != pattern[i])
            return 0;
    }
    return len;
}

static bool has_prefix(const struct price_table *table, uint32_t provider, const char *prefix)
{
    return provider < table->provider_count &&
           str_starts(table->providers[provider], str_from_c(prefix));
}

/* Cut one suffix that carries no price. */
static bool suffix_cut(const struct price_table *table, uint32_t provider, str *name)
{
    static const struct {
        const char *only_for; /* prefix of the canonical provider */
        const char *pattern;
    } suffixes[] = {
        { "", "-2099-99-99" }, { "", "@2099-99-99" },  { "", "-20999999" },  { "", "@20999999" },
        { "", "-latest" },     { "", ":latest" },      { "", "@latest" },    { "", "@default" },
        { "aws.", "-v9:9" },   { "aws.", ":9" },       { "gcp.", "-009" },   { "gcp.", "@009" },
        { "gcp.", "-maas" },   { "gcp.", "-99-2099" }, { "gcp.", "-99-99" },
    };
    assert(name->len > 0);
    char last = name->ptr[name->len - 1];
    if (!is_digit(last) && last != 't' && last != 's')
        return false; /* how none of them ends */
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        size_t cut = tail_match(*name, suffixes[i].pattern);
        if (cut && (!*suffixes[i].only_for || has_prefix(table, provider, suffixes[i].only_for))) {
            name->len -= cut;
            return true;
        }
    }
    return false;
}

/* Exact, then shorter and shorter. */
static bool find_in(struct search *search, uint32_t provider, str name)
{
    if (provider == PRICE_PROVIDER_UNKNOWN && !search->space_add)
        return false;
    do {
        uint32_t space = provider + search->space_add;
        if (entry_take(search, price_name_find(search->table, space, name)))
            return true;
    } while (suffix_cut(search->table, provider, &name));
    return false;
}

/* A cloud's path: models/x, publishers/google/models/x, arn:...:inference-profile/x */
static bool path_cut(str *name)
{
    str rest = *name;
    size_t at = str_starts(rest, STR_OF("models/")) ? 7 : 0;
    for (size_t i; (i = str_find(str_from(rest, at), STR_OF("/models/"))) < rest.len - at;)
        at += i + 8;
    if (str_starts(rest, STR_OF("arn:"))) {
        for (size_t i = 0; i < rest.len; i++)
            at = rest.ptr[i] == '/' ? i + 1 : at;
    }
    *name = str_from(rest, at);
    return at > 0 && name->len > 0;
}

static bool region_cut(str *name)
{
    static const char *const regions[] = { "us.",     "eu.", "apac.", "ap.", "jp.", "au.",    "ca.",
                                           "us-gov.", "sa.", "me.",   "uk.", "in.", "global." };
    for (size_t i = 0; i < COUNT_OF(regions); i++) {
        str region = str_from_c(regions[i]);
        if (str_starts(*name, region) && name->len > region.len) {
            *name = str_from(*name, region.len);
            return true;
        }
    }
    return false;
}

/* Whether a model called "<prefix>/..." and reported under `provider` was billed
 * by the provider of the prefix. */
static bool prefix_counts(const struct price_table *table, uint32_t provider, uint32_t other,
                          str prefix)
{
    /* Also names of organisations that publish weights anyone may serve. */
    static const char *const publishers[] = { "mistralai",     "deepseek-ai", "google",
                                              "perplexity-ai", "moonshotai",  "zai",
                                              "z-ai" };
    if (other == provider)
        return true;
    if (provider != PRICE_PROVIDER_ANY && !has_prefix(table, provider, "openai") &&
        !has_prefix(table, provider, "anthropic"))
        return (has_prefix(table, provider, "gcp.") && has_prefix(table, other, "gcp.")) ||
               (has_prefix(table, provider, "azure.") && has_prefix(table, other, "azure."));
    for (size_t i = 0; i < COUNT_OF(publishers); i++) {
        if (str_equal_c(prefix, publishers[i]))
            return false;
    }
    return true;
}

/* Cut "openai/" or "openai:" and move to the provider it names. */
static bool prefix_cut(const struct price_table *table, uint32_t *provider, str *name)
{
    size_t at = MIN(str_find_char(*name, '/'), str_find_char(*name, ':'));
    if (at == 0 || at + 1 >= name->len)
        return false;
    str prefix = str_sub(*name, 0, at);
    uint32_t other = price_name_find(table, PRICE_SPACE_ALIAS, prefix);
    if (other == UINT32_MAX || !prefix_counts(table, *provider, other, prefix))
        return false;
    *provider = other == PRICE_PROVIDER_ANY ? *provider : other;
    *name = str_from(*name, at + 1);
    return true;
}

/* ft:gpt-4o-2024-08-06:org:name:id -> ft:gpt-4o-2024-08-06 */
static bool tuned_cut(str *name)
{
    if (!str_starts(*name, STR_OF("ft:")))
        return false;
    size_t end = str_find_char(str_from(*name, 3), ':') + 3;
    if (end >= name->len)
        return false;
    name->len = end;
    return true;
}

static bool variants_find(struct search *search, uint32_t provider, str name)
{
    enum { PREFIXES_MAX = 3 };
    if (find_in(search, provider, name))
        return true;
    str cut = name;
    if (path_cut(&cut) && find_in(search, provider, cut))
        return true;
    for (int i = 0; i < PREFIXES_MAX && prefix_cut(search->table, &provider, &name); i++) {
        if (find_in(search, provider, name))
            return true;
    }
    if (tuned_cut(&name) && find_in(search, provider, name))
        return true;
    bool dotted = provider == PRICE_PROVIDER_ANY || has_prefix(search->table, provider, "aws.");
    path_cut(&name);
    return dotted && region_cut(&name) && find_in(search, provider, name);
}

/* ---- overrides ---- */

static bool override_find(struct search *search, uint32_t provider, str name)
{
    search->space_add = PRICE_SPACE_OVERRIDE;
    bool found =
        variants_find(search, provider, name) ||
        (provider != PRICE_PROVIDER_ANY && variants_find(search, PRICE_PROVIDER_ANY, name));
    search->space_add = 0;
    for (size_t i = 0; i < search->table->glob_count && !found; i++) {
        const struct price_glob *glob = &search->table->globs[i];
        if (glob->provider == PRICE_PROVIDER_ANY || glob->provider == provider)
            found = str_matches_glob(name, glob->pattern, true) && entry_take(search, glob->entry);
    }
    return found;
}

bool price_model_find(const struct price_table *table, uint32_t provider, str model,
                      int64_t time_ns, const struct price_entry **ret_entry,
                      const struct price_period **ret_period)
{
    char lower[PRICE_NAME_MAX];
    str name = price_lower(model, lower);
    struct search search = { .table = table, .time_ns = time_ns };
    if (str_is_none(name))
        return false;
    bool found = (table->has_overrides && override_find(&search, provider, name)) ||
                 variants_find(&search, provider, name);
    if (!found)
        return false;
    *ret_entry = search.entry;
    *ret_period = search.period;
    return true;
}
