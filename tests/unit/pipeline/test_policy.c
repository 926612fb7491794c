/* test_policy.c -- rules of senders, their pace, what is cut, and whose content is kept.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/cut.h"
#include "pipeline/policy.h"
#include "pipeline/rate.h"
#include "sys/thread.h"
#include <stdatomic.h>
#include <stdio.h>

#define T0 (INT64_C(1000) * NS_PER_S)
enum { TRACES = 20000, CHARGES = 20000, THREADS = 4 };

static const struct policy_values open_to_all = {
    .content_sample = 1, .debug_sample = 1, .attr_value_cut_bytes = 1 << 20, .attrs_max = 4096
};

static struct policy *policy_with(const struct policy_values *values, const char *yaml)
{
    struct policy *policy;
    struct diag why = DIAG_NONE;
    enum err err =
        policy_load(values, NS_PER_S, STR_OF("limits.yaml"), str_from_c(yaml), &policy, &why);
    if (err)
        print_message("%s\n", why.text);
    assert_int_equal(err, ERR_OK);
    return policy;
}

static struct policy_limits limits_of(const struct policy *policy, const char *project,
                                      const char *tenant, const char *key)
{
    const struct policy_sender who = { str_from_c(project), str_from_c(tenant), str_from_c(key) };
    struct policy_limits limits;
    policy_find(policy, &who, &limits);
    return limits;
}

/* ---- rules ---- */

static void a_later_rule_wins_in_what_it_says_and_nothing_else(void **state)
{
    (void)state;
    struct policy *policy =
        policy_with(&open_to_all, "rules:\n"
                                  "  - { rate: 100, attributes: 64 }\n"
                                  "  - { project: shop, rate: 50, content_sample: 0.5 }\n"
                                  "  - { project: shop, tenant: acme, attribute_size: 4KiB }\n"
                                  "  - { key: k1, bytes_rate: 1MiB }\n");
    struct policy_limits limits = limits_of(policy, "shop", "acme", "k2");
    assert_int_equal(limits.values.items_per_s, 50);
    assert_int_equal(limits.values.attrs_max, 64);
    assert_int_equal(limits.values.attr_value_cut_bytes, 4096);
    assert_int_equal(limits.values.bytes_per_s, 0);
    assert_true(limits.values.content_sample == 0.5 && limits.values.debug_sample == 1);
    assert_int_equal(limits.rule, 3);
    limits = limits_of(policy, "other", NULL, "k1");
    assert_int_equal(limits.values.items_per_s, 100);
    assert_int_equal(limits.values.bytes_per_s, MIB);
    assert_int_equal(limits.rule, 4);
    struct policy_rule_status rule;
    policy_rule(policy, 3, &rule);
    assert_int_equal(rule.line, 4);
    assert_true(str_equal_c(rule.tenant, "acme"));
    policy_free(policy);
}

static void without_a_file_the_options_hold_for_all(void **state)
{
    (void)state;
    struct policy *policy = policy_with(&open_to_all, NULL);
    assert_int_equal(limits_of(policy, "p", NULL, NULL).values.attrs_max, 4096);
    assert_false(policy_samples(policy));
    policy_free(policy);
}

static void a_bad_file_is_refused_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *place;
    } rows[] = {
        { "rules:\n  - { rate: -1 }\n", "limits.yaml:2" },
        { "rules:\n  - { content_sample: 1.5 }\n", "limits.yaml:2" },
        { "rules:\n  - { rates: 5 }\n", "limits.yaml:2" },
        { "rules:\n  - { attribute_size: 15 }\n", "limits.yaml:2" },
        { "rules:\n  - { attributes: 0 }\n", "limits.yaml:2" },
        { "rules:\n  - acme\n", "limits.yaml:2" },
        { "rules: 5\n", "limits.yaml:1" },
        { "tenants: []\n", "limits.yaml:1" },
        { "rules: []\nmore: 1\n", "limits.yaml:2" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct policy *policy = NULL;
        struct diag why = DIAG_NONE;
        assert_int_equal(policy_load(&open_to_all, 0, STR_OF("limits.yaml"),
                                     str_from_c(rows[i].yaml), &policy, &why),
                         ERR_BAD_INPUT);
        assert_true(str_starts(str_from_c(why.text), str_from_c(rows[i].place)));
        assert_null(policy);
    }
}

static void rules_are_read_to_their_limit_and_one_more_is_refused(void **state)
{
    (void)state;
    struct buf yaml;
    buf_init(&yaml, MIB);
    for (int more = 0; more < 2; more++) {
        struct policy *policy = NULL;
        buf_reset(&yaml);
        buf_add_c(&yaml, "rules:\n");
        for (int i = 0; i < POLICY_RULES_MAX + more; i++)
            buf_add_c(&yaml, "  - { rate: 5 }\n");
        assert_int_equal(policy_load(&open_to_all, 0, STR_OF("f"), buf_str(&yaml), &policy, NULL),
                         more ? ERR_BAD_INPUT : ERR_OK);
        policy_free(policy);
    }
    buf_clear(&yaml);
}

/* ---- pace ---- */

/* shows: C7 */
static void a_sender_waits_when_it_is_more_than_the_burst_ahead(void **state)
{
    (void)state;
    struct policy_values values = open_to_all;
    values.items_per_s = 10;
    struct policy *policy = policy_with(&values, NULL); /* a burst of a second: ten items */
    struct policy_limits acme = limits_of(policy, "p", "acme", NULL);
    struct policy_limits other = limits_of(policy, "p", "other", NULL);
    assert_int_equal(policy_wait_ns(policy, &acme, T0), 0);
    policy_charge(policy, &acme, 10, 0, T0);
    assert_int_equal(policy_wait_ns(policy, &acme, T0), 0);
    policy_charge(policy, &acme, 1, 0, T0);
    assert_int_equal(policy_wait_ns(policy, &acme, T0), NS_PER_S / 10);
    assert_int_equal(policy_wait_ns(policy, &other, T0), 0);
    assert_int_equal(policy_wait_ns(policy, &acme, T0 + NS_PER_S / 10), 0);
    policy_free(policy);
}

static void bytes_have_a_pace_of_their_own(void **state)
{
    (void)state;
    struct policy_values values = open_to_all;
    values.bytes_per_s = 1000;
    struct policy *policy = policy_with(&values, NULL);
    struct policy_limits limits = limits_of(policy, "p", NULL, NULL);
    policy_charge(policy, &limits, 1000000, 1000, T0);
    assert_int_equal(policy_wait_ns(policy, &limits, T0), 0);
    policy_charge(policy, &limits, 0, 500, T0);
    assert_int_equal(policy_wait_ns(policy, &limits, T0), NS_PER_S / 2);
    policy_free(policy);
}

static void keys_share_the_pace_of_their_tenant_unless_a_rule_names_one(void **state)
{
    (void)state;
    struct policy *policy =
        policy_with(&open_to_all, "rules:\n  - { rate: 10 }\n  - { key: k1, rate: 10 }\n");
    assert_true(limits_of(policy, "p", "t", "k2").sender ==
                limits_of(policy, "p", "t", "k3").sender);
    assert_true(limits_of(policy, "p", "t", "k1").sender !=
                limits_of(policy, "p", "t", "k2").sender);
    assert_true(limits_of(policy, "p", "t", NULL).sender !=
                limits_of(policy, "t", "p", NULL).sender);
    policy_free(policy);
}

static void more_senders_than_places_still_have_a_pace_each(void **state)
{
    (void)state;
    struct rates *rates = rates_new();
    for (uint64_t i = 1; i <= RATE_SENDERS_MAX * 2; i++)
        rates_charge(rates, i, RATE_ITEMS, T0, 1e9);
    for (uint64_t i = 1; i <= RATE_SENDERS_MAX * 2; i++)
        assert_true(rates_wait_ns(rates, i, T0, 0) >= NS_PER_S);
    /* quiet ones give way */
    assert_int_equal(rates_wait_ns(rates, UINT64_MAX, T0 + 100 * NS_PER_S, 0), 0);
    rates_free(rates);
}

static struct rates *shared_rates;

static void charge_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < CHARGES; i++)
        rates_charge(shared_rates, 7, RATE_ITEMS, T0, 1000);
}

static void no_charge_of_several_threads_is_lost(void **state)
{
    (void)state;
    struct thread threads[THREADS] = { 0 };
    shared_rates = rates_new();
    for (int i = 0; i < THREADS; i++)
        thread_start(&threads[i], "charge", charge_many, NULL);
    for (int i = 0; i < THREADS; i++)
        thread_join(&threads[i]);
    assert_int_equal(rates_wait_ns(shared_rates, 7, T0, 0), (int64_t)THREADS * CHARGES * 1000);
    rates_free(shared_rates);
}

/* ---- content ---- */

static struct id16 trace_of(uint64_t number)
{
    struct id16 id = { { 1 } };
    memcpy(id.bytes + 8, &number, sizeof number);
    return id;
}

static uint32_t kept_of(const struct policy_limits *limits, bool is_debug)
{
    uint32_t kept = 0;
    for (uint64_t i = 0; i < TRACES; i++)
        kept += policy_keeps_content(limits, trace_of(i), is_debug);
    return kept;
}

static void a_share_of_traces_keeps_its_content_and_a_larger_share_the_same_and_more(void **state)
{
    (void)state;
    struct policy_limits tenth = { .values = { .content_sample = 0.1, .debug_sample = 1 } };
    struct policy_limits half = { .values = { .content_sample = 0.5, .debug_sample = 0 } };
    assert_in_range(kept_of(&tenth, false), TRACES / 10 - 200, TRACES / 10 + 200);
    assert_int_equal(kept_of(&tenth, true), TRACES);
    assert_int_equal(kept_of(&half, true), 0);
    for (uint64_t i = 0; i < TRACES; i++)
        if (policy_keeps_content(&tenth, trace_of(i), false))
            assert_true(policy_keeps_content(&half, trace_of(i), false));
}

/* ---- cutting ---- */

static struct arena arena;

static struct cut_counts cut_span(struct attr *attrs, uint32_t count, uint32_t attrs_max,
                                  struct raw_span *ret_span)
{
    static struct raw_resource resource;
    static struct raw_scope scope = { .resource = &resource };
    struct cut_limits limits = { .value_bytes_max = 16, .attrs_max = attrs_max };
    struct cut_counts counts;
    *ret_span = (struct raw_span){ .scope = &scope, .attrs = attrs, .attr_count = count };
    struct raw_batch batch = { .spans = ret_span, .span_count = 1 };
    assert_int_equal(cut_batch(&arena, &limits, &batch, &counts), ERR_OK);
    return counts;
}

/* shows: C7 */
static void a_value_is_whole_at_the_limit_and_cut_with_a_marker_past_it(void **state)
{
    (void)state;
    struct raw_span span;
    struct value inner[] = { value_str(STR_OF("12345678901234567")) };
    struct attr attrs[] = {
        { STR("at"), value_str(STR_OF("1234567890123456")) },
        { STR("past"), value_str(STR_OF("12345678901234567")) },
        { STR("character"), value_str(STR_OF("12345678901234\xe2\x82\xac.")) },
        { STR("list"), { .type = VALUE_ARRAY, .count = 1, .items = inner } },
        { STR("number"), value_i64(INT64_MAX) },
    };
    arena_init(&arena, MIB);
    struct cut_counts counts = cut_span(attrs, COUNT_OF(attrs), 5, &span);
    assert_true(str_equal_c(attrs[0].value.text, "1234567890123456"));
    assert_true(str_equal_c(attrs[1].value.text, "1234567890123456" CUT_MARKER));
    assert_true(str_equal_c(attrs[2].value.text, "12345678901234" CUT_MARKER));
    assert_true(str_equal_c(inner[0].text, "1234567890123456" CUT_MARKER));
    assert_int_equal(counts.values, 3);
    assert_int_equal(counts.attrs, 0);
    counts = cut_span(attrs, COUNT_OF(attrs), 5, &span);
    assert_int_equal(counts.values, 0); /* what is cut stays as it is */
    counts = cut_span(attrs, COUNT_OF(attrs), 4, &span);
    assert_int_equal(counts.attrs, 1);
    assert_int_equal(span.attr_count, 4);
    assert_int_equal(span.dropped_attr_count, 1);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_later_rule_wins_in_what_it_says_and_nothing_else),
        cmocka_unit_test(without_a_file_the_options_hold_for_all),
        cmocka_unit_test(a_bad_file_is_refused_with_its_line),
        cmocka_unit_test(rules_are_read_to_their_limit_and_one_more_is_refused),
        cmocka_unit_test(a_sender_waits_when_it_is_more_than_the_burst_ahead),
        cmocka_unit_test(bytes_have_a_pace_of_their_own),
        cmocka_unit_test(keys_share_the_pace_of_their_tenant_unless_a_rule_names_one),
        cmocka_unit_test(more_senders_than_places_still_have_a_pace_each),
        cmocka_unit_test(no_charge_of_several_threads_is_lost),
        cmocka_unit_test(a_share_of_traces_keeps_its_content_and_a_larger_share_the_same_and_more),
        cmocka_unit_test(a_value_is_whole_at_the_limit_and_cut_with_a_marker_past_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
