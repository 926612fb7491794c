/* test_override.c -- the operator's own prices, and what is said of bad ones.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* before base/check.h, which redefines assert */
#include <cmocka.h>

#include "base/check.h"
#include "base/text.h"
#include "price/price.h"

static struct price_table *load(const char *yaml)
{
    struct price_source source = { .prices = price_shipped(),
                                   .overrides = str_from_c(yaml),
                                   .overrides_name = STR_OF("prices.yaml") };
    struct price_table *table = NULL;
    struct diag why = DIAG_NONE;
    if (price_table_load(&source, &table, &why))
        fail_msg("%s", why.text);
    return table;
}

static void expect_error(const char *yaml, const char *text, const char *hint)
{
    struct price_source source = { .prices = price_shipped(),
                                   .overrides = str_from_c(yaml),
                                   .overrides_name = STR_OF("prices.yaml") };
    struct price_table *table = NULL;
    struct diag why = DIAG_NONE;
    assert_int_equal(price_table_load(&source, &table, &why), ERR_BAD_INPUT);
    assert_null(table);
    assert_string_equal(why.text, text);
    assert_string_equal(why.hint, hint);
}

struct asked {
    const char *provider, *model, *day, *tier;
    int64_t input, output;
};

/* The cost, -1 when unknown; the price's id into ret_id. */
static int64_t cost_of(const struct price_table *table, const struct asked *asked, char ret_id[64])
{
    struct arena arena;
    arena_init(&arena, 64 * KIB);
    struct span span = { 0 };
    if (asked->provider)
        SPAN_SET(&span, provider, str_from_c(asked->provider));
    SPAN_SET(&span, request_model, str_from_c(asked->model));
    int64_t start = INT64_C(1785000000) * NS_PER_S;
    if (asked->day)
        assert_true(time_parse(str_from_c(asked->day), &start));
    SPAN_SET(&span, start_time, start);
    if (asked->tier)
        SPAN_SET(&span, service_tier, str_from_c(asked->tier));
    SPAN_SET(&span, input_fresh, asked->input);
    SPAN_SET(&span, output_text, asked->output);
    assert_int_equal(price_span(table, &arena, &span), ERR_OK);
    str id = str_sub(span.price_id, 0, 63);
    if (id.len)
        memcpy(ret_id, id.ptr, id.len);
    ret_id[id.len] = '\0';
    if (id.len && str_starts(id, STR_OF("override/")))
        assert_true(str_equal_c(span.cost_source, "override"));
    int64_t cost = SPAN_KNOWS(&span, cost_nanousd) ? span.cost_nanousd : -1;
    arena_clear(&arena);
    return cost;
}

static void expect(const struct price_table *table, struct asked asked, const char *id,
                   int64_t nanousd)
{
    char got_id[64];
    int64_t got = cost_of(table, &asked, got_id);
    assert_string_equal(got_id, id);
    assert_int_equal(got, nanousd);
}

/* shows: G1 G2 */
static void the_flat_form_prices_a_model_by_name(void **state)
{
    (void)state;
    struct price_table *table = load("my-model:\n"
                                     "  input_per_million: 0.8\n"
                                     "  output_per_million: 3.25\n"
                                     "gpt-4o: { input_per_million: 2, output_per_million: 8 }\n");
    /* 1842 x 800 + 318 x 3250 = 1473600 + 1033500 */
    expect(table, (struct asked){ NULL, "my-model", NULL, NULL, 1842, 318 }, "override/my-model",
           2507100);
    expect(table, (struct asked){ "vllm", "my-model", NULL, NULL, 1842, 318 }, "override/my-model",
           2507100);
    /* before both lists, and for dated names of the model too */
    expect(table, (struct asked){ "openai", "gpt-4o", NULL, NULL, 1000, 10 }, "override/gpt-4o",
           2080000);
    expect(table, (struct asked){ "openai", "GPT-4o-2024-08-06", NULL, NULL, 1000, 10 },
           "override/gpt-4o", 2080000);
    expect(table, (struct asked){ "openai", "gpt-4o-mini", NULL, NULL, 1000, 0 },
           "genai-prices/openai/gpt-4o-mini", 150000);
    price_table_unref(table);
}

/* shows: G2 */
static void the_flat_form_may_be_json(void **state)
{
    (void)state;
    struct price_table *table =
        load("{ \"m\": { \"input_per_million\": 1.5, \"output_per_million\": 2 } }");
    expect(table, (struct asked){ NULL, "m", NULL, NULL, 2, 1 }, "override/m", 5000);
    price_table_unref(table);
}

/* shows: G2 G3 */
static void the_list_form_has_providers_patterns_and_dates(void **state)
{
    (void)state;
    struct price_table *table =
        load("prices:\n"
             "  - provider: openai\n"
             "    match: \"acme-*\"\n"
             "    input_per_million: 5\n"
             "    from: 2026-06-01\n"
             "  - { provider: openai, match: \"acme-*\", from: 2026-01-01,\n"
             "      input_per_million: 4 }\n"
             "  - { provider: in-house, match: llama, input_per_million: 1,\n"
             "      output_per_million: 1 }\n");
    expect(table, (struct asked){ "openai", "acme-1", "2026-06-01", NULL, 1000, 0 },
           "override/openai/acme-*", 5000000);
    expect(table, (struct asked){ "openai", "acme-1", "2026-05-31T23:59:59Z", NULL, 1000, 0 },
           "override/openai/acme-*", 4000000);
    expect(table, (struct asked){ "openai", "acme-1", "2025-12-31", NULL, 1000, 0 }, "", -1);
    expect(table, (struct asked){ "anthropic", "acme-1", "2026-06-01", NULL, 1000, 0 }, "", -1);
    expect(table, (struct asked){ "In-House", "llama", NULL, NULL, 1000, 1 },
           "override/in-house/llama", 1001000);
    expect(table, (struct asked){ "openai", "llama", NULL, NULL, 1000, 1 }, "", -1);
    price_table_unref(table);
}

/* shows: G3 */
static void before_its_date_an_override_leaves_the_shipped_price(void **state)
{
    (void)state;
    struct price_table *table =
        load("gpt-4o: { from: 2026-07-01, input_per_million: 1, output_per_million: 1 }");
    expect(table, (struct asked){ "openai", "gpt-4o", "2026-06-30", NULL, 1000, 0 },
           "genai-prices/openai/gpt-4o", 2500000);
    expect(table, (struct asked){ "openai", "gpt-4o", "2026-07-01", NULL, 1000, 0 },
           "override/gpt-4o", 1000000);
    price_table_unref(table);
}

/* shows: G5 */
static void overrides_have_context_and_service_tiers(void **state)
{
    (void)state;
    struct price_table *table = load("m:\n"
                                     "  input_per_million: 1\n"
                                     "  output_per_million: 2\n"
                                     "  tiers:\n"
                                     "    - above: 1000\n"
                                     "      input_per_million: 3\n"
                                     "  batch:\n"
                                     "    input_per_million: 0.5\n");
    expect(table, (struct asked){ NULL, "m", NULL, NULL, 1000, 1 }, "override/m", 1002000);
    expect(table, (struct asked){ NULL, "m", NULL, NULL, 1001, 1 }, "override/m", 3005000);
    expect(table, (struct asked){ NULL, "m", NULL, "batch", 1000, 1 }, "override/m", 502000);
    price_table_unref(table);
}

/* shows: G4 T22 */
static void a_placeholder_of_zero_is_not_a_price(void **state)
{
    (void)state;
    struct price_table *table = load("a: { input_per_million: 0.0, output_per_million: 0.0 }\n"
                                     "b: { free: true }\n");
    expect(table, (struct asked){ NULL, "a", NULL, NULL, 1000, 1 }, "", -1);
    expect(table, (struct asked){ NULL, "b", NULL, NULL, 1000, 1 }, "override/b", 0);
    price_table_unref(table);
}

static void each_bucket_rounds_once_half_to_even(void **state)
{
    (void)state;
    /* $0.0005 per million is half a nano-dollar a token */
    struct price_table *table =
        load("m: { input_per_million: 0.0005, output_per_million: 0.0005 }\n"
             "n: { input_per_million: 0.000499999 }\n"
             "o: { input_per_million: 0.000500001 }\n");
    static const int64_t expected[] = { 0, 0, 1, 2, 2, 2, 3, 4 }; /* of n x 0.5 */
    for (int64_t n = 0; n < (int64_t)COUNT_OF(expected); n++)
        expect(table, (struct asked){ NULL, "m", NULL, NULL, n, 0 }, "override/m", expected[n]);
    /* 0.5 + 0.5 are two buckets, each 0: the parts are what is shown */
    expect(table, (struct asked){ NULL, "m", NULL, NULL, 1, 1 }, "override/m", 0);
    expect(table, (struct asked){ NULL, "n", NULL, NULL, 1, 0 }, "override/n", 0);
    expect(table, (struct asked){ NULL, "o", NULL, NULL, 1, 0 }, "override/o", 1);
    price_table_unref(table);
}

/* Past 64 bits the product is exact; past an int64 of nano-dollars the cost is unknown. */
static void huge_costs_are_exact_or_unknown_and_never_wrap(void **state)
{
    (void)state;
    struct price_table *table = load("m: { input_per_million: 1000000, output_per_million: 1 }\n"
                                     "x: { input_per_million: 1000000000 }\n");
    /* 2^40 x $1 = 1099511627776 x 10^9 nano > 2^63? no: 1.0995e21 > 9.22e18, so unknown */
    expect(table, (struct asked){ NULL, "m", NULL, NULL, PRICE_UNITS_MAX, 0 }, "", -1);
    /* 9 x 10^9 tokens x $1 = 9 x 10^18 nano, its femto-dollars need 83 bits */
    expect(table, (struct asked){ NULL, "m", NULL, NULL, 9000000000, 0 }, "override/m",
           INT64_C(9000000000000000000));
    expect(table, (struct asked){ NULL, "m", NULL, NULL, 9300000000, 0 }, "", -1);
    /* the sum overflows though its parts do not */
    expect(table, (struct asked){ NULL, "m", NULL, NULL, 9223372036, PRICE_UNITS_MAX }, "", -1);
    expect(table, (struct asked){ NULL, "x", NULL, NULL, 1000, 0 }, "override/x",
           INT64_C(1000000000000000));
    price_table_unref(table);
}

static void errors_name_file_line_and_the_nearest_key(void **state)
{
    (void)state;
    expect_error("m:\n  input_per_million: 1\n  ouput_per_million: 2\n",
                 "prices.yaml:3:3: unknown key 'ouput_per_million'",
                 "did you mean 'output_per_million'?");
    expect_error("m: { input_per_million: 1, form: 2026-01-01 }\n",
                 "prices.yaml:1:28: unknown key 'form'", "did you mean 'from'?");
    expect_error("m:\n  input_per_million: -1\n",
                 "prices.yaml:2:3: input_per_million must be dollars, not negative, with at most 9 "
                 "decimals",
                 "");
    expect_error("m: { input_per_million: 0.0000000001 }\n",
                 "prices.yaml:1:6: input_per_million must be dollars, not negative, with at most 9 "
                 "decimals",
                 "");
    expect_error("m: { input_per_million: 1, from: tomorrow }\n",
                 "prices.yaml:1:28: from must be a date: 2026-09-01", "");
    expect_error("m: 3\n", "prices.yaml:1:1: a price must be a map of keys", "");
    expect_error("m: { provider: x }\n", "prices.yaml:1:1: no input_per_million given", "");
    expect_error("- { input_per_million: 1 }\n",
                 "prices.yaml:1:3: a price in a list needs match:", "");
    expect_error("m: { input_per_million: 1 }\nM: { input_per_million: 2 }\n",
                 "prices.yaml:2:1: 'M' has a price from that date already", "");
    expect_error("m: { input_per_million: 1, tiers: [ { input_per_million: 2 } ] }\n",
                 "prices.yaml:1:37: a tier needs above: a number of input tokens", "");
    expect_error("m: { free: true, input_per_million: 1 }\n",
                 "prices.yaml:1:1: free: true, yet a price is given", "");
    expect_error("hello\n", "prices.yaml:1:1: the file must be a map of models", "");
}

static void a_damaged_table_names_its_line(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "nonsense\n",
        "telltale-prices\t1\nrate\tstd\t0\tinput=1\n",
        "telltale-prices\t1\nentry\tx\ty\nperiod\tsoon\t-\n",
        "telltale-prices\t1\nentry\tx\ty\nperiod\t-\t-\nrate\tstd\t0\tinput=-1\n",
        "telltale-prices\t1\nentry\tx\ty\ncontext\t0\n",
        "telltale-prices\t1\ncontext\t5\n",
        "telltale-prices\t1\nprovider\t*\nnames\topenai\n",
        "telltale-prices\t1\nprovider\t*\nnames\t*\nn\t0\tm\n",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct price_source source = { .prices = str_from_c(texts[i]) };
        struct price_table *table = NULL;
        struct diag why = DIAG_NONE;
        assert_int_equal(price_table_load(&source, &table, &why), ERR_CORRUPT);
        assert_non_null(strstr(why.text, "line "));
    }
}

static void a_table_lives_until_its_last_reference(void **state)
{
    (void)state;
    struct price_table *table = load("m: { input_per_million: 1 }");
    size_t count = price_table_count(table);
    assert_true(count > 2000);
    struct price_table *second = price_table_ref(table);
    price_table_unref(table);
    assert_int_equal(price_table_count(second), count);
    price_table_unref(second);
    price_table_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_flat_form_prices_a_model_by_name),
        cmocka_unit_test(the_flat_form_may_be_json),
        cmocka_unit_test(the_list_form_has_providers_patterns_and_dates),
        cmocka_unit_test(before_its_date_an_override_leaves_the_shipped_price),
        cmocka_unit_test(overrides_have_context_and_service_tiers),
        cmocka_unit_test(a_placeholder_of_zero_is_not_a_price),
        cmocka_unit_test(each_bucket_rounds_once_half_to_even),
        cmocka_unit_test(huge_costs_are_exact_or_unknown_and_never_wrap),
        cmocka_unit_test(errors_name_file_line_and_the_nearest_key),
        cmocka_unit_test(a_damaged_table_names_its_line),
        cmocka_unit_test(a_table_lives_until_its_last_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
