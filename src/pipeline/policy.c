/* policy.c -- see policy.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pipeline/policy.h"
#include "base/check.h"
#include "base/hash.h"
#include "conf/bind.h"
#include "pipeline/rate.h"
#include <stdatomic.h>

enum { ARENA_BYTES_MAX = 32 * 1024 * 1024 };
static const uint64_t sample_seed = 0x636f6e74656e74; /* settled: a trace stays what it was */

struct rule {
    str project, tenant, key;
    struct policy_values values;
    enum bind_origin *said; /* by row of rows[]; NULL: all, it is the options */
    uint32_t line;
    _Atomic uint64_t cuts[POLICY_CUTS];
};

struct policy {
    struct arena arena;
    struct rule *rules; /* [0]: the options */
    uint32_t rule_count;
    int64_t burst_ns;
    bool samples;
    struct rates *rates;
};

/* One rule as it is written. */
struct written {
    str project, tenant, key;
    struct policy_values values;
};
#define SAID(member) offsetof(struct written, values.member)
#define ANY_BYTES (INT64_C(1) << 40)
enum row {
    ROW_PROJECT,
    ROW_TENANT,
    ROW_KEY,
    ROW_CONTENT,
    ROW_DEBUG,
    ROW_RATE,
    ROW_BYTES,
    ROW_SIZE,
    ROW_ATTRS
};
static const struct bind_row rows[] = {
    [ROW_PROJECT] = { "", "project", BIND_STR, offsetof(struct written, project), NULL, 1, 128, "",
                      0, "" },
    [ROW_TENANT] = { "", "tenant", BIND_STR, offsetof(struct written, tenant), NULL, 1, 128, "", 0,
                     "" },
    [ROW_KEY] = { "", "key", BIND_STR, offsetof(struct written, key), NULL, 1, 64, "", 0, "" },
    [ROW_CONTENT] = { "", "content_sample", BIND_F64, SAID(content_sample), NULL, 0, 1, "", 0, "" },
    [ROW_DEBUG] = { "", "debug_sample", BIND_F64, SAID(debug_sample), NULL, 0, 1, "", 0, "" },
    [ROW_RATE] = { "", "rate", BIND_I64, SAID(items_per_s), NULL, 0, 1000000000, "", 0, "" },
    [ROW_BYTES] = { "", "bytes_rate", BIND_BYTES, SAID(bytes_per_s), NULL, 0, ANY_BYTES, "", 0,
                    "" },
    [ROW_SIZE] = { "", "attribute_size", BIND_BYTES, SAID(attr_value_cut_bytes), NULL, 16,
                   ANY_BYTES, "", 0, "" },
    [ROW_ATTRS] = { "", "attributes", BIND_I64, SAID(attrs_max), NULL, 1, 1000000, "", 0, "" },
};

const char *policy_cut_name(enum policy_cut cut)
{
    static const char *const names[POLICY_CUTS] = { "rate", "attribute_size", "attributes",
                                                    "content_sample" };
    return names[cut];
}

/* ---- reading ---- */

static enum err rule_read(struct policy *policy, const struct yaml *yaml,
                          const struct yaml_node *node, struct diag *why)
{
    struct written *written = arena_new(&policy->arena, struct written, 1);
    struct binding binding = { .rows = rows, .count = COUNT_OF(rows), .arena = &policy->arena };
    if (!written)
        return diag_set(why, ERR_LIMIT, "%.*s: too many rules", STR_ARG(yaml->file));
    if (node->kind != YAML_MAP)
        return yaml_fail(yaml, node, why, "a rule must be a map, as { tenant: acme, rate: 500 }");
    enum err err = bind_init(&binding, written, sizeof *written, why);
    if (!err)
        err = bind_map(&binding, yaml, node, "", why);
    if (err)
        return err;
    struct rule *rule = &policy->rules[policy->rule_count++];
    const enum bind_origin *said = binding.origins;
    *rule = (struct rule){
        .project = said[ROW_PROJECT] == BIND_FILE ? written->project : STR_NONE,
        .tenant = said[ROW_TENANT] == BIND_FILE ? written->tenant : STR_NONE,
        .key = said[ROW_KEY] == BIND_FILE ? written->key : STR_NONE,
        .values = written->values,
        .said = binding.origins,
        .line = node->line,
    };
    return ERR_OK;
}

static enum err rules_read(struct policy *policy, const struct yaml *yaml, struct diag *why)
{
    assert(yaml->root);
    const struct yaml_node *list = yaml_get(yaml->root, "rules");
    if (yaml->root->kind != YAML_MAP || (yaml->root->child_count && !list))
        return yaml_fail(yaml, yaml->root, why, "the file must have one key, rules:, with a list");
    YAML_EACH(node, yaml->root)
    {
        if (node != list)
            return yaml_fail(yaml, node, why, "unknown key '%.*s'; there is only rules:",
                             STR_ARG(str_sub(node->key, 0, 60)));
    }
    if (!list || yaml_is_null(list))
        return ERR_OK;
    if (list->kind != YAML_LIST)
        return yaml_fail(yaml, list, why, "rules: must be a list");
    if (list->child_count > POLICY_RULES_MAX)
        return yaml_fail(yaml, list, why, "at most %d rules", POLICY_RULES_MAX);
    enum err err = ERR_OK;
    YAML_EACH(node, list)
    {
        err = err ? err : rule_read(policy, yaml, node, why);
    }
    return err;
}

/* Does any rule say less than all, so that traces are to be asked about? */
static bool some_are_left_out(const struct policy *policy)
{
    for (uint32_t i = 0; i < policy->rule_count; i++) {
        const struct rule *rule = &policy->rules[i];
        bool is_content = !rule->said || rule->said[ROW_CONTENT] == BIND_FILE;
        bool is_debug = !rule->said || rule->said[ROW_DEBUG] == BIND_FILE;
        if ((is_content && rule->values.content_sample < 1) ||
            (is_debug && rule->values.debug_sample < 1))
            return true;
    }
    return false;
}

enum err policy_load(const struct policy_values *options, int64_t burst_ns, str file, str yaml_text,
                     struct policy **ret_policy, struct diag *reterr_why)
{
    struct policy *policy = xcalloc(1, sizeof *policy);
    struct arena scratch;
    struct yaml yaml = { .file = file };
    enum err err = ERR_OK;
    arena_init(&policy->arena, ARENA_BYTES_MAX);
    arena_init(&scratch, ARENA_BYTES_MAX);
    policy->burst_ns = burst_ns;
    policy->rules = xcalloc(1 + POLICY_RULES_MAX, sizeof *policy->rules);
    policy->rules[0] = (struct rule){
        .project = STR_NONE, .tenant = STR_NONE, .key = STR_NONE, .values = *options
    };
    policy->rule_count = 1;
    policy->rates = rates_new();
    if (!str_is_none(yaml_text))
        err = yaml_parse(&scratch, file, yaml_text, &yaml, reterr_why);
    if (!err && !str_is_none(yaml_text))
        err = rules_read(policy, &yaml, reterr_why);
    arena_clear(&scratch);
    if (err) {
        policy_free(policy);
        return err;
    }
    policy->samples = some_are_left_out(policy);
    *ret_policy = policy;
    return ERR_OK;
}

void policy_free(struct policy *policy)
{
    if (!policy)
        return;
    rates_free(policy->rates);
    xfree(policy->rules);
    arena_clear(&policy->arena);
    xfree(policy);
}

/* ---- what holds ---- */

static bool is_it(str wanted, str text)
{
    return str_is_none(wanted) || (!str_is_none(text) && str_equal(wanted, text));
}

static void apply(const struct rule *rule, struct policy_values *values)
{
    const struct policy_values *from = &rule->values;
    if (rule->said[ROW_CONTENT] == BIND_FILE)
        values->content_sample = from->content_sample;
    if (rule->said[ROW_DEBUG] == BIND_FILE)
        values->debug_sample = from->debug_sample;
    if (rule->said[ROW_RATE] == BIND_FILE)
        values->items_per_s = from->items_per_s;
    if (rule->said[ROW_BYTES] == BIND_FILE)
        values->bytes_per_s = from->bytes_per_s;
    if (rule->said[ROW_SIZE] == BIND_FILE)
        values->attr_value_cut_bytes = from->attr_value_cut_bytes;
    if (rule->said[ROW_ATTRS] == BIND_FILE)
        values->attrs_max = from->attrs_max;
}

static uint64_t text_hash(str text, uint64_t seed)
{
    return str_is_none(text) ? seed * 31 : hash_bytes_seeded(text.ptr, text.len, seed);
}

void policy_find(const struct policy *policy, const struct policy_sender *who,
                 struct policy_limits *ret_limits)
{
    bool is_of_key = false;
    struct policy_limits limits = { .values = policy->rules[0].values };
    for (uint32_t i = 1; i < policy->rule_count; i++) {
        const struct rule *rule = &policy->rules[i];
        if (!is_it(rule->project, who->project) || !is_it(rule->tenant, who->tenant) ||
            !is_it(rule->key, who->key))
            continue;
        apply(rule, &limits.values);
        limits.rule = i;
        if (rule->said[ROW_RATE] == BIND_FILE || rule->said[ROW_BYTES] == BIND_FILE)
            is_of_key = !str_is_none(rule->key);
    }
    limits.sender = text_hash(who->tenant, text_hash(who->project, 1));
    if (is_of_key)
        limits.sender = text_hash(who->key, limits.sender);
    *ret_limits = limits;
}

int64_t policy_wait_ns(struct policy *policy, const struct policy_limits *limits, int64_t now_ns)
{
    if (!limits->values.items_per_s && !limits->values.bytes_per_s)
        return 0;
    return rates_wait_ns(policy->rates, limits->sender, now_ns, policy->burst_ns);
}

void policy_charge(struct policy *policy, const struct policy_limits *limits, uint64_t items,
                   uint64_t bytes, int64_t now_ns)
{
    const struct policy_values *values = &limits->values;
    double items_ns = values->items_per_s ? (double)items * 1e9 / (double)values->items_per_s : 0;
    double bytes_ns = values->bytes_per_s ? (double)bytes * 1e9 / (double)values->bytes_per_s : 0;
    if (items_ns > 0)
        rates_charge(policy->rates, limits->sender, RATE_ITEMS, now_ns, items_ns);
    if (bytes_ns > 0)
        rates_charge(policy->rates, limits->sender, RATE_BYTES, now_ns, bytes_ns);
}

bool policy_samples(const struct policy *policy)
{
    return policy->samples;
}

bool policy_keeps_content(const struct policy_limits *limits, struct id16 trace_id, bool is_debug)
{
    double share = is_debug ? limits->values.debug_sample : limits->values.content_sample;
    uint64_t hash = hash_bytes_seeded(trace_id.bytes, sizeof trace_id.bytes, sample_seed);
    return (double)(hash >> 11) < share * 0x1p53;
}

/* ---- counters ---- */

void policy_count(struct policy *policy, uint32_t rule, enum policy_cut cut, uint64_t amount)
{
    assert(rule < policy->rule_count && cut < POLICY_CUTS);
    if (amount)
        atomic_fetch_add_explicit(&policy->rules[rule].cuts[cut], amount, memory_order_relaxed);
}

uint32_t policy_rule_count(const struct policy *policy)
{
    return policy->rule_count;
}

void policy_rule(const struct policy *policy, uint32_t rule, struct policy_rule_status *ret_status)
{
    assert(rule < policy->rule_count);
    const struct rule *from = &policy->rules[rule];
    *ret_status = (struct policy_rule_status){
        .line = from->line, .project = from->project, .tenant = from->tenant, .key = from->key
    };
    for (size_t i = 0; i < POLICY_CUTS; i++)
        ret_status->cuts[i] = atomic_load_explicit(&from->cuts[i], memory_order_relaxed);
}
