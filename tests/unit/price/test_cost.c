/* test_cost.c -- costs worked out by hand, against the shipped table.
 *
 * Money below is nano-dollars: $1 per million tokens is 1000 nano-dollars each.
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

struct fixture {
    struct price_table *table;
    struct arena arena;
};

static int setup(void **state)
{
    static struct fixture fixture;
    struct price_source source = { .prices = price_shipped() };
    arena_init(&fixture.arena, 16 * MIB);
    *state = &fixture;
    return price_table_load(&source, &fixture.table, NULL) != ERR_OK;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    price_table_unref(fixture->table);
    arena_clear(&fixture->arena);
    return 0;
}

/* One call: who, what model, when, which service tier, how much of what. */
struct call {
    const char *provider, *model, *day, *tier;
    int64_t input_fresh, cache_read, cache_write_5m, cache_write_1h;
    int64_t output_text, reasoning, audio_in, audio_out, image;
};

static struct span span_of(const struct call *call)
{
    struct span span = { 0 };
    if (call->provider)
        SPAN_SET(&span, provider, str_from_c(call->provider));
    SPAN_SET(&span, generator_model, str_from_c(call->model));
    int64_t start = INT64_C(1785000000) * NS_PER_S; /* 2026-07-25 */
    if (call->day)
        assert_true(time_parse(str_from_c(call->day), &start));
    SPAN_SET(&span, start_time, start);
    if (call->tier)
        SPAN_SET(&span, service_tier, str_from_c(call->tier));
    SPAN_SET(&span, input_fresh, call->input_fresh);
    SPAN_SET(&span, cache_read, call->cache_read);
    SPAN_SET(&span, cache_write_5m, call->cache_write_5m);
    SPAN_SET(&span, cache_write_1h, call->cache_write_1h);
    SPAN_SET(&span, output_text, call->output_text);
    SPAN_SET(&span, reasoning, call->reasoning);
    SPAN_SET(&span, audio_in, call->audio_in);
    SPAN_SET(&span, audio_out, call->audio_out);
    SPAN_SET(&span, image, call->image);
    return span;
}

static struct span priced(struct fixture *fixture, const struct call *call)
{
    struct span span = span_of(call);
    assert_int_equal(price_span(fixture->table, &fixture->arena, &span), ERR_OK);
    return span;
}

static void expect(struct fixture *fixture, const struct call *call, const char *price_id,
                   int64_t nanousd)
{
    struct span span = priced(fixture, call);
    if (!SPAN_KNOWS(&span, price_id))
        fail_msg("%s %s is unpriced", call->provider, call->model);
    if (!str_equal_c(span.price_id, price_id))
        fail_msg("%s priced as %.*s", call->model, STR_ARG(span.price_id));
    assert_int_equal(span.cost_nanousd, nanousd);
    assert_true(str_equal_c(span.cost_source, "table"));
}

static void expect_unknown(struct fixture *fixture, const struct call *call)
{
    struct span span = priced(fixture, call);
    if (SPAN_KNOWS(&span, price_id))
        fail_msg("%s priced as %.*s", call->model, STR_ARG(span.price_id));
    assert_true(str_equal_c(span.cost_source, "unknown"));
    assert_false(SPAN_KNOWS(&span, cost_nanousd));
    assert_false(SPAN_KNOWS(&span, cost_by_bucket));
    assert_false(SPAN_KNOWS(&span, price_date));
}

/* shows: A63 G1 */
static void costs_of_plain_calls_equal_hand_computed_ones(void **state)
{
    static const struct {
        struct call call;
        const char *price_id;
        int64_t nanousd;
    } cases[] = {
        /* 1842 x 2500 + 318 x 10000 = 4605000 + 3180000 */
        { { "openai", "gpt-4o", .input_fresh = 1842, .output_text = 318 },
          "genai-prices/openai/gpt-4o",
          7785000 },
        /* 1842 x 150 + 318 x 600 = 276300 + 190800 */
        { { "openai", "gpt-4o-mini", .input_fresh = 1842, .output_text = 318 },
          "genai-prices/openai/gpt-4o-mini",
          467100 },
        /* 1000 x 1250 + 500 x 10000 */
        { { "openai", "gpt-5", .input_fresh = 1000, .output_text = 500 },
          "genai-prices/openai/gpt-5",
          6250000 },
        /* 1000 x 15000 + 10 x 60000 */
        { { "openai", "o1", .input_fresh = 1000, .output_text = 10 },
          "genai-prices/openai/o1",
          15600000 },
        /* 8191 x 20 */
        { { "openai", "text-embedding-3-small", .input_fresh = 8191 },
          "genai-prices/openai/text-embedding-3-small",
          163820 },
        /* 1000 x 3000 + 200 x 15000 */
        { { "anthropic", "claude-sonnet-4-5", .input_fresh = 1000, .output_text = 200 },
          "genai-prices/anthropic/claude-sonnet-4-5",
          6000000 },
        /* 1000 x 1250 + 100 x 10000 */
        { { "gcp.gemini", "gemini-2.5-pro", .input_fresh = 1000, .output_text = 100 },
          "genai-prices/google/gemini-2.5-pro",
          2250000 },
        /* 1000 x 150 + 100 x 600 */
        { { "cohere", "command-r", .input_fresh = 1000, .output_text = 100 },
          "genai-prices/cohere/command-r",
          210000 },
        /* 1000 x 50 + 100 x 80 */
        { { "groq", "llama-3.1-8b-instant", .input_fresh = 1000, .output_text = 100 },
          "genai-prices/groq/llama-3.1-8b-instant",
          58000 },
        /* 1000 x 60 + 100 x 240 */
        { { "aws.bedrock", "amazon.nova-lite-v1:0", .input_fresh = 1000, .output_text = 100 },
          "genai-prices/aws/amazon.nova-lite-v1:0",
          84000 },
        /* 1000 x 2500 + 10 x 10000: LiteLLM has Azure's own row */
        { { "azure.ai.openai", "gpt-4o-2024-08-06", .input_fresh = 1000, .output_text = 10 },
          "litellm/azure/gpt-4o-2024-08-06",
          2600000 },
        /* 1000 x 500 + 10 x 1500 */
        { { "azure.ai.openai", "gpt-35-turbo", .input_fresh = 1000, .output_text = 10 },
          "litellm/azure/gpt-35-turbo",
          515000 },
        /* 1000 x 2750 + 10 x 11000: in the EU */
        { { "azure.ai.openai", "eu/gpt-4o-2024-08-06", .input_fresh = 1000, .output_text = 10 },
          "litellm/azure/eu/gpt-4o-2024-08-06",
          2860000 },
        /* 2 x 1000 + 1 x 1000 + one request at $12 per thousand = 12000000 */
        { { "perplexity", "sonar", .input_fresh = 2, .output_text = 1 },
          "genai-prices/perplexity/sonar",
          12003000 },
        /* 1000 x 2500 + 10 x 10000: of OpenRouter's own list */
        { { "openrouter", "openai/gpt-4o", .input_fresh = 1000, .output_text = 10 },
          "genai-prices/openrouter/openai/gpt-4o",
          2600000 },
        /* 1000 x 800 + 10 x 4000 */
        { { "aws.bedrock", "us.anthropic.claude-3-5-haiku-20241022-v1:0", .input_fresh = 1000,
            .output_text = 10 },
          "litellm/bedrock/us.anthropic.claude-3-5-haiku-20241022-v1:0",
          840000 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        expect(*state, &cases[i].call, cases[i].price_id, cases[i].nanousd);
}

/* shows: G5 */
static void every_bucket_has_its_own_price(void **state)
{
    static const struct {
        struct call call;
        const char *price_id;
        int64_t nanousd;
    } cases[] = {
        /* 100 x 3000 + 1000 x 300 + 200 x 3750 + 300 x 6000 + 50 x 15000
         * = 300000 + 300000 + 750000 + 1800000 + 750000 */
        { { "anthropic", "claude-sonnet-4-5", .input_fresh = 100, .cache_read = 1000,
            .cache_write_5m = 200, .cache_write_1h = 300, .output_text = 50 },
          "genai-prices/anthropic/claude-sonnet-4-5",
          3900000 },
        /* 1000 x 2500 + 2000 x 1250 + 10 x 10000: half price from the cache */
        { { "openai", "gpt-4o", .input_fresh = 1000, .cache_read = 2000, .output_text = 10 },
          "genai-prices/openai/gpt-4o",
          5100000 },
        /* 1000 x 150 x 2: no cache price for command-r, so the input price */
        { { "cohere", "command-r", .input_fresh = 1000, .cache_read = 1000 },
          "genai-prices/cohere/command-r",
          300000 },
        /* 100 x 2000 + 20 x 8000 + 1000 x 8000: reasoning at the output price */
        { { "openai", "o3", .input_fresh = 100, .output_text = 20, .reasoning = 1000 },
          "genai-prices/openai/o3",
          8360000 },
        /* 100 x 400 + 20 x 1200 + 1000 x 4000: reasoning has its own */
        { { "dashscope", "qwen-plus-latest", .input_fresh = 100, .output_text = 20,
            .reasoning = 1000 },
          "litellm/dashscope/qwen-plus-latest",
          4064000 },
        /* 10 x 300 + 100 x 1000 + 5 x 2500 */
        { { "gcp.vertex_ai", "gemini-2.5-flash", .input_fresh = 10, .audio_in = 100,
            .output_text = 5 },
          "genai-prices/google/gemini-2.5-flash",
          115500 },
        /* 10 x 2500 + 100 x 80000 + 5 x 10000: audio out */
        { { "openai", "gpt-4o-audio-preview", .input_fresh = 10, .audio_out = 100,
            .output_text = 5 },
          "genai-prices/openai/gpt-4o-audio-preview",
          8075000 },
        /* 100 x 5000 + 1000 x 10000: image in */
        { { "openai", "gpt-image-1", .input_fresh = 100, .image = 1000 },
          "litellm/gpt-image-1",
          10500000 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        expect(*state, &cases[i].call, cases[i].price_id, cases[i].nanousd);
}

/* shows: G5 */
static void image_tokens_of_an_image_answer_cost_the_output_price(void **state)
{
    struct fixture *fixture = *state;
    struct call call = { "openai", "gpt-image-1", .input_fresh = 100, .image = 1000 };
    struct span span = span_of(&call);
    SPAN_SET(&span, output_type, STR_OF("image"));
    assert_int_equal(price_span(fixture->table, &fixture->arena, &span), ERR_OK);
    assert_int_equal(span.cost_nanousd, 40500000); /* 100 x 5000 + 1000 x 40000 */
}

/* shows: G5 */
static void the_whole_request_is_billed_at_the_tier_its_input_passes(void **state)
{
    static const struct {
        struct call call;
        int64_t nanousd;
    } cases[] = {
        /* at 200000: 200000 x 1250 + 10 x 10000 */
        { { "gcp.gemini", "gemini-2.5-pro", .input_fresh = 200000, .output_text = 10 }, 250100000 },
        /* one past: 200001 x 2500 + 10 x 15000, not only the excess */
        { { "gcp.gemini", "gemini-2.5-pro", .input_fresh = 200001, .output_text = 10 }, 500152500 },
        /* the cache counts: 1 x 2500 + 200000 x 250 */
        { { "gcp.gemini", "gemini-2.5-pro", .input_fresh = 1, .cache_read = 200000 }, 50002500 },
        /* output does not: 1 x 1250 + 300000 x 10000 */
        { { "gcp.gemini", "gemini-2.5-pro", .input_fresh = 1, .output_text = 300000 }, 3000001250 },
        /* LiteLLM, ranges: 32000 x 300, 32001 x 500, 128001 x 800, 256001 x 1600 */
        { { "dashscope", "qwen3-coder-flash", .input_fresh = 32000 }, 9600000 },
        { { "dashscope", "qwen3-coder-flash", .input_fresh = 32001 }, 16000500 },
        { { "dashscope", "qwen3-coder-flash", .input_fresh = 128001 }, 102400800 },
        { { "dashscope", "qwen3-coder-flash", .input_fresh = 256001 }, 409601600 },
        /* 272000 x 2500; 272001 x 5000 */
        { { "openai", "gpt-5.4", .input_fresh = 272000 }, 680000000 },
        { { "openai", "gpt-5.4", .input_fresh = 272001 }, 1360005000 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct span span = priced(*state, &cases[i].call);
        assert_true(SPAN_KNOWS(&span, cost_nanousd));
        assert_int_equal(span.cost_nanousd, cases[i].nanousd);
    }
}

/* shows: G3 */
static void a_call_has_the_price_of_its_day(void **state)
{
    static const struct {
        struct call call;
        const char *date;
        int64_t nanousd;
    } cases[] = {
        /* o3 fell from $10 to $2 on 2025-06-10 */
        { { "openai", "o3", "2025-06-09T23:59:59.999999999Z", .input_fresh = 1000 },
          "2026-08-21",
          10000000 },
        { { "openai", "o3", "2025-06-10T00:00:00Z", .input_fresh = 1000 }, "2025-06-10", 2000000 },
        /* claude-sonnet-5 rises from $2 to $3 on 2026-09-01 */
        { { "anthropic", "claude-sonnet-5", "2026-08-31T23:59:59Z", .input_fresh = 1000 },
          "2026-08-21",
          2000000 },
        { { "anthropic", "claude-sonnet-5", "2026-09-01T00:00:00Z", .input_fresh = 1000 },
          "2026-09-01",
          3000000 },
        /* claude-sonnet-4-6 lost its long-context tier on 2026-03-13 */
        { { "anthropic", "claude-sonnet-4-6", "2026-03-12", .input_fresh = 200001 },
          "2026-08-21",
          1200006000 },
        { { "anthropic", "claude-sonnet-4-6", "2026-03-13", .input_fresh = 200001 },
          "2026-03-13",
          600003000 },
        /* deepseek-chat: $0.27 from 00:30 to 16:30 UTC, else $0.135 */
        { { "deepseek", "deepseek-chat", "2025-03-01T00:29:59Z", .input_fresh = 1000 },
          "2026-08-21",
          135000 },
        { { "deepseek", "deepseek-chat", "2025-03-01T00:30:00Z", .input_fresh = 1000 },
          "2026-08-21",
          270000 },
        { { "deepseek", "deepseek-chat", "2025-03-01T16:29:59Z", .input_fresh = 1000 },
          "2026-08-21",
          270000 },
        { { "deepseek", "deepseek-chat", "2025-03-01T16:30:00Z", .input_fresh = 1000 },
          "2026-08-21",
          135000 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct span span = priced(*state, &cases[i].call);
        assert_true(SPAN_KNOWS(&span, cost_nanousd));
        assert_int_equal(span.cost_nanousd, cases[i].nanousd);
        assert_true(str_equal_c(span.price_date, cases[i].date));
    }
}

/* shows: G5 */
static void service_tiers_have_their_price_or_the_standard_one_with_a_flag(void **state)
{
    static const struct {
        struct call call;
        int64_t nanousd;
        bool flagged;
    } cases[] = {
        /* 1000 x 1250 + 10 x 5000 */
        { { "openai", "gpt-4o", .tier = "batch", .input_fresh = 1000, .output_text = 10 },
          1300000,
          false },
        /* 1000 x 4250 + 1000 x 2125 */
        { { "openai", "gpt-4o", .tier = "priority", .input_fresh = 1000, .cache_read = 1000 },
          6375000,
          false },
        /* batch has no cache price of its own: 1000 x 1250 + 1000 x 1250 */
        { { "openai", "gpt-4o", .tier = "BATCH", .input_fresh = 1000, .cache_read = 1000 },
          2500000,
          false },
        /* 1000 x 625 + 10 x 5000 */
        { { "openai", "gpt-5", .tier = "flex", .input_fresh = 1000, .output_text = 10 },
          675000,
          false },
        /* command-r has no priority: 1000 x 150 */
        { { "cohere", "command-r", .tier = "priority", .input_fresh = 1000 }, 150000, true },
        /* "default" is the standard tier */
        { { "openai", "gpt-4o", .tier = "default", .input_fresh = 1000 }, 2500000, false },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct span span = priced(*state, &cases[i].call);
        assert_true(SPAN_KNOWS(&span, cost_nanousd));
        assert_int_equal(span.cost_nanousd, cases[i].nanousd);
        assert_int_equal(SPAN_KNOWS(&span, flags), cases[i].flagged);
        if (cases[i].flagged)
            assert_true(str_equal_c(span.flags.items[0], "price_tier_missing"));
    }
}

/* shows: G5 */
static void names_with_dates_prefixes_and_regions_find_their_model(void **state)
{
    static const struct {
        const char *provider, *model, *price_id;
    } cases[] = {
        { "openai", "gpt-4o-2024-08-06", "genai-prices/openai/gpt-4o" },
        { "openai", "gpt-4o-2031-12-24", "genai-prices/openai/gpt-4o" },
        { "OpenAI", "GPT-4o", "genai-prices/openai/gpt-4o" },
        { "openai", "openai/gpt-4o", "genai-prices/openai/gpt-4o" },
        { "openai", "openai:gpt-4o", "genai-prices/openai/gpt-4o" },
        { NULL, "gpt-4o", "genai-prices/openai/gpt-4o" },
        { NULL, "openai/gpt-4o", "genai-prices/openai/gpt-4o" },
        { "litellm", "anthropic/claude-sonnet-4-5", "genai-prices/anthropic/claude-sonnet-4-5" },
        { "openai", "anthropic/claude-sonnet-4-5", "genai-prices/anthropic/claude-sonnet-4-5" },
        { "anthropic", "claude-sonnet-4-5-20250929", "genai-prices/anthropic/claude-sonnet-4-5" },
        { "anthropic", "claude-sonnet-4-5-latest", "genai-prices/anthropic/claude-sonnet-4-5" },
        /* a snapshot at a price of its own is not its family */
        { "openai", "gpt-4o-2024-05-13", "litellm/gpt-4o-2024-05-13" },
        { "openai", "ft:gpt-4o-mini-2024-07-18:acme::abc", "litellm/ft:gpt-4o-mini-2024-07-18" },
        { "gcp.vertex_ai", "claude-3-5-sonnet@20240620", "genai-prices/google/claude-3-5-sonnet" },
        { "gcp.vertex_ai", "publishers/google/models/gemini-2.5-pro",
          "genai-prices/google/gemini-2.5-pro" },
        { "gcp.gemini", "models/gemini-2.0-flash-001", "genai-prices/google/gemini-2.0-flash" },
        { "aws.bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
          "genai-prices/aws/regional.anthropic.claude-sonnet-4-5-20250929-v1:0" },
        { "bedrock", "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
          "genai-prices/aws/regional.anthropic.claude-sonnet-4-5-20250929-v1:0" },
        { "aws.bedrock", "sa.amazon.nova-lite-v1:0", "genai-prices/aws/amazon.nova-lite-v1:0" },
        { "aws.bedrock",
          "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0",
          "litellm/us.amazon.nova-lite-v1:0" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct call call = { cases[i].provider, cases[i].model, .input_fresh = 1 };
        struct span span = priced(*state, &call);
        if (!str_equal_c(span.price_id, cases[i].price_id))
            fail_msg("%s is %.*s", cases[i].model, STR_ARG(span.price_id));
    }
}

/* shows: G4 A63 */
static void a_model_has_its_context_under_every_name_and_an_unknown_one_none(void **state)
{
    const struct fixture *fixture = *state;
    static const struct {
        const char *provider, *model;
        int64_t tokens;
    } rows[] = {
        { "openai", "gpt-4o-mini", 128000 },  { "openai", "gpt-4o-mini-2024-07-18", 128000 },
        { "azure_openai", "gpt-4o", 128000 }, { "anthropic", "claude-3-haiku-20240307", 200000 },
        { "openai", "no-such-model", 0 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(
            price_context(fixture->table, str_from_c(rows[i].provider), str_from_c(rows[i].model)),
            rows[i].tokens);
    assert_int_equal(price_context(fixture->table, STR_NONE, STR_OF("gpt-4o")), 128000);
    assert_int_equal(price_context(fixture->table, STR_OF("openai"), STR_NONE), 0);
}

static void an_unknown_model_is_unknown_and_never_free(void **state)
{
    static const struct {
        const char *provider, *model;
    } cases[] = {
        { "openai", "no-such" },
        { "openai", "gpt-4o-prod" }, /* a deployment's name */
        { "openai", "gpt-4"
                    "o-" },                    /* nearly a name */
        { "openai", "gpt-4o-2024-13-99x" },    /* not a date */
        { "openai", "claude-sonnet-4-5" },     /* not sold there */
        { "ollama", "llama3" },                /* 0 in the list: nobody sells it */
        { "cohere", "rerank-v3.5" },           /* billed by query, not by token */
        { "vllm", "gpt-4o" },                  /* a provider without prices */
        { "openai", "google/gemma-2-27b-it" }, /* weights that anyone may serve */
        { NULL, "meta-llama/Llama-3.1-8B-Instruct" },
        { "openai", "/" },
        { "openai", "::" },
        { "aws.bedrock", "us." },
        { "openai", "models/" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct call call = { cases[i].provider, cases[i].model, .input_fresh = 1000,
                             .output_text = 1 };
        expect_unknown(*state, &call);
    }
}

static void the_response_model_counts_before_the_requested_one(void **state)
{
    struct fixture *fixture = *state;
    struct call call = { "openai", "gpt-4o-mini", .input_fresh = 1000 };
    struct span span = span_of(&call);
    SPAN_SET(&span, request_model, STR_OF("gpt-4o"));
    assert_int_equal(price_span(fixture->table, &fixture->arena, &span), ERR_OK);
    assert_int_equal(span.cost_nanousd, 150000);
    SPAN_SET(&span, generator_model, STR_OF("my-deployment"));
    assert_int_equal(price_span(fixture->table, &fixture->arena, &span), ERR_OK);
    assert_int_equal(span.cost_nanousd, 2500000);
}

static void totals_stand_in_for_buckets_that_are_not_known(void **state)
{
    struct fixture *fixture = *state;
    struct span span = { 0 };
    SPAN_SET(&span, provider, STR_OF("openai"));
    SPAN_SET(&span, generator_model, STR_OF("gpt-4o"));
    SPAN_SET(&span, input_tokens, 3000);
    SPAN_SET(&span, cache_read, 2000);
    SPAN_SET(&span, output_tokens, 10);
    assert_int_equal(price_span(fixture->table, &fixture->arena, &span), ERR_OK);
    assert_int_equal(span.cost_nanousd, 5100000); /* 1000 x 2500 + 2000 x 1250 + 10 x 10000 */
}

static void a_span_without_usage_or_model_is_left_alone(void **state)
{
    struct fixture *fixture = *state;
    struct span span = { 0 };
    SPAN_SET(&span, generator_model, STR_OF("gpt-4o"));
    assert_int_equal(price_span(fixture->table, &fixture->arena, &span), ERR_OK);
    assert_false(SPAN_KNOWS(&span, cost_source));
    span_forget(&span, FIELD_generator_model);
    SPAN_SET(&span, input_tokens, 5);
    assert_int_equal(price_span(fixture->table, &fixture->arena, &span), ERR_OK);
    assert_false(SPAN_KNOWS(&span, cost_source));
}

/* shows: A63 */
static void the_senders_cost_is_never_touched(void **state)
{
    struct fixture *fixture = *state;
    struct call call = { "openai", "gpt-4o", .input_fresh = 1000 };
    struct span span = span_of(&call);
    SPAN_SET(&span, sender_cost_nanousd, 42);
    assert_int_equal(price_span(fixture->table, &fixture->arena, &span), ERR_OK);
    assert_int_equal(span.sender_cost_nanousd, 42);
    assert_int_equal(span.cost_nanousd, 2500000);
}

/* shows: A63 */
static void the_senders_cost_counts_where_no_price_is_known(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        int64_t sent;
        bool counts;
    } cases[] = { { 1, true }, { 12300000, true }, { 0, false }, { -1, false } };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct call call = { "openai", "no-such", .input_fresh = 1000 };
        struct span span = span_of(&call);
        SPAN_SET(&span, sender_cost_nanousd, cases[i].sent);
        assert_int_equal(price_span(fixture->table, &fixture->arena, &span), ERR_OK);
        assert_int_equal(SPAN_KNOWS(&span, cost_nanousd), cases[i].counts);
        assert_true(str_equal_c(span.cost_source, cases[i].counts ? "sender" : "unknown"));
        assert_false(SPAN_KNOWS(&span, price_id));
        if (cases[i].counts)
            assert_int_equal(span.cost_nanousd, cases[i].sent);
    }
}

static void parts_are_json_in_nano_dollars_and_add_up(void **state)
{
    struct call call = { "openai", "gpt-4o", .input_fresh = 1842, .output_text = 318 };
    struct span span = priced(*state, &call);
    assert_true(
        str_equal_c(span.cost_by_bucket, "{\"input_fresh\":4605000,\"output_text\":3180000}"));
    call.input_fresh = call.output_text = 0;
    span = priced(*state, &call);
    assert_true(str_equal_c(span.cost_by_bucket, "{}"));
    assert_int_equal(span.cost_nanousd, 0); /* known usage of nothing */
}

/* A cost of buckets together is the sum of the costs of each alone. */
static void price_is_additive_over_buckets(void **state)
{
    uint64_t seed = 20261121;
    for (int round = 0; round < 500; round++) {
        int64_t n[9];
        for (size_t i = 0; i < 9; i++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
            n[i] = (int64_t)(seed >> 33) % 20000;
        }
        struct call all = { "anthropic", "claude-sonnet-4-5",
                            NULL,        NULL,
                            n[0],        n[1],
                            n[2],        n[3],
                            n[4],        n[5],
                            n[6],        n[7],
                            n[8] };
        int64_t sum = 0;
        for (size_t i = 0; i < 9; i++) {
            int64_t one[9] = { 0 };
            one[i] = n[i];
            struct call part = { "anthropic", "claude-sonnet-4-5",
                                 NULL,        NULL,
                                 one[0],      one[1],
                                 one[2],      one[3],
                                 one[4],      one[5],
                                 one[6],      one[7],
                                 one[8] };
            sum += priced(*state, &part).cost_nanousd;
        }
        assert_int_equal(priced(*state, &all).cost_nanousd, sum);
        struct fixture *fixture = *state;
        arena_reset(&fixture->arena);
    }
}

static void implausible_counts_are_unknown_and_flagged(void **state)
{
    static const int64_t counts[] = { PRICE_UNITS_MAX + 1, INT64_C(1) << 62, INT64_MAX, -1,
                                      INT64_MIN };
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        struct call call = { "openai", "gpt-4o", .input_fresh = counts[i] };
        expect_unknown(*state, &call);
        struct span span = priced(*state, &call);
        assert_int_equal(span.flags.count, 1);
        assert_true(str_equal_c(span.flags.items[0], "usage_implausible"));
    }
    struct call call = { "openai", "gpt-4o", .input_fresh = PRICE_UNITS_MAX };
    struct span span = priced(*state, &call);
    assert_int_equal(span.cost_nanousd, PRICE_UNITS_MAX * 2500);
}

static void flags_of_the_span_are_kept(void **state)
{
    struct fixture *fixture = *state;
    static const str flags[] = { STR("end_before_start") };
    struct call call = { "openai", "gpt-4o", .input_fresh = -5 };
    struct span span = span_of(&call);
    SPAN_SET(&span, flags, (struct strs){ flags, 1 });
    assert_int_equal(price_span(fixture->table, &fixture->arena, &span), ERR_OK);
    assert_int_equal(price_span(fixture->table, &fixture->arena, &span), ERR_OK);
    assert_int_equal(span.flags.count, 2);
    assert_true(str_equal_c(span.flags.items[0], "end_before_start"));
}

static void a_spent_arena_is_an_error_not_a_crash(void **state)
{
    struct fixture *fixture = *state;
    struct arena small;
    arena_init(&small, 16);
    struct call call = { "openai", "gpt-4o", .input_fresh = 1000 };
    struct span span = span_of(&call);
    assert_int_equal(price_span(fixture->table, &small, &span), ERR_LIMIT);
    arena_clear(&small);
}

static void an_explanation_shows_count_times_price(void **state)
{
    struct fixture *fixture = *state;
    struct buf out;
    buf_init(&out, 4096);
    struct call call = { "openai", "gpt-4o", .input_fresh = 1842, .output_text = 318 };
    struct span span = span_of(&call);
    price_explain(&out, fixture->table, &span);
    assert_true(str_equal_c(buf_str(&out), "input_fresh 1842 x $2.5/M = 0.004605\n"
                                           "output_text 318 x $10/M = 0.00318\n"
                                           "genai-prices/openai/gpt-4o of 2026-08-21\n"));
    buf_clear(&out);
}

static void a_quote_gives_the_rates_of_a_tier(void **state)
{
    struct fixture *fixture = *state;
    struct price_question question = { STR_OF("gcp.gemini"), STR_OF("gemini-2.5-pro"), STR_NONE,
                                       INT64_MAX, 200001 };
    struct price_quote quote;
    assert_true(price_find(fixture->table, &question, &quote));
    assert_int_equal(quote.femto[PRICE_INPUT], 2500000000);
    question.context_tokens = 200000;
    assert_true(price_find(fixture->table, &question, &quote));
    assert_int_equal(quote.femto[PRICE_INPUT], 1250000000);
    question.model = STR_OF("no-such");
    assert_false(price_find(fixture->table, &question, &quote));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(costs_of_plain_calls_equal_hand_computed_ones),
        cmocka_unit_test(every_bucket_has_its_own_price),
        cmocka_unit_test(image_tokens_of_an_image_answer_cost_the_output_price),
        cmocka_unit_test(the_whole_request_is_billed_at_the_tier_its_input_passes),
        cmocka_unit_test(a_call_has_the_price_of_its_day),
        cmocka_unit_test(service_tiers_have_their_price_or_the_standard_one_with_a_flag),
        cmocka_unit_test(names_with_dates_prefixes_and_regions_find_their_model),
        cmocka_unit_test(a_model_has_its_context_under_every_name_and_an_unknown_one_none),
        cmocka_unit_test(an_unknown_model_is_unknown_and_never_free),
        cmocka_unit_test(the_response_model_counts_before_the_requested_one),
        cmocka_unit_test(totals_stand_in_for_buckets_that_are_not_known),
        cmocka_unit_test(a_span_without_usage_or_model_is_left_alone),
        cmocka_unit_test(the_senders_cost_is_never_touched),
        cmocka_unit_test(the_senders_cost_counts_where_no_price_is_known),
        cmocka_unit_test(parts_are_json_in_nano_dollars_and_add_up),
        cmocka_unit_test(price_is_additive_over_buckets),
        cmocka_unit_test(implausible_counts_are_unknown_and_flagged),
        cmocka_unit_test(flags_of_the_span_are_kept),
        cmocka_unit_test(a_spent_arena_is_an_error_not_a_crash),
        cmocka_unit_test(an_explanation_shows_count_times_price),
        cmocka_unit_test(a_quote_gives_the_rates_of_a_tier),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
