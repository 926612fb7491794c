/* price_driver.c -- prices one span per line of stdin, for oracle.py.
 *
 * In:  provider TAB request_model TAB service_tier TAB start_ns TAB the nine
 *      usage buckets in the order of DECISIONS 6, separated by commas ("-": unknown).
 * Out: cost_source TAB price_id TAB price_date TAB cost_nanousd TAB by_bucket TAB flags
 * With --bench: nanoseconds per price_span of a few typical spans instead.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "price/price.h"
#include "sys/clock.h"

#include <stdio.h>

enum { LINE_MAX_BYTES = 4096, ARENA_BYTES = 1 << 20 };

static void text_set(struct span *span, str text, enum field field, str *place)
{
    if (str_is_empty(text))
        return;
    *place = text;
    span_mark(span, field);
}

static void usage_set(struct span *span, str text)
{
    static const enum field fields[] = { FIELD_input_fresh,    FIELD_cache_read,
                                         FIELD_cache_write_5m, FIELD_cache_write_1h,
                                         FIELD_output_text,    FIELD_reasoning,
                                         FIELD_audio_in,       FIELD_audio_out,
                                         FIELD_image };
    str number;
    for (size_t i = 0; i < COUNT_OF(fields) && str_next(&text, ',', &number); i++) {
        int64_t count;
        if (!str_to_i64(number, &count))
            continue;
        *(int64_t *)span_field(span, fields[i]) = count;
        span_mark(span, fields[i]);
    }
}

static void line_price(const struct price_table *table, struct arena *arena, str line)
{
    struct span span = { 0 };
    str part[5] = { STR("") };
    for (size_t i = 0; i < COUNT_OF(part) && str_next(&line, '\t', &part[i]);)
        i++;
    text_set(&span, part[0], FIELD_provider, &span.provider);
    text_set(&span, part[1], FIELD_request_model, &span.request_model);
    text_set(&span, part[2], FIELD_service_tier, &span.service_tier);
    int64_t start;
    if (str_to_i64(part[3], &start))
        SPAN_SET(&span, start_time, start);
    usage_set(&span, part[4]);
    enum err err = price_span(table, arena, &span);
    assert(err == ERR_OK);
    printf("%.*s\t%.*s\t%.*s\t%lld\t%.*s\t%.*s\n", STR_ARG(span.cost_source),
           STR_ARG(span.price_id), STR_ARG(span.price_date),
           SPAN_KNOWS(&span, cost_nanousd) ? (long long)span.cost_nanousd : -1,
           STR_ARG(span.cost_by_bucket),
           STR_ARG(span.flags.count ? span.flags.items[0] : STR_OF("")));
}

static void bench(const struct price_table *table, struct arena *arena, const char *provider,
                  const char *model)
{
    enum { ROUNDS = 1000000 };
    int64_t begin = clock_thread_cpu_ns();
    for (int i = 0; i < ROUNDS; i++) {
        struct span *span = NULL;
        static struct span reused;
        span = &reused;
        span->known[0] = span->known[1] = 0;
        SPAN_SET(span, provider, str_from_c(provider));
        SPAN_SET(span, generator_model, str_from_c(model));
        SPAN_SET(span, input_fresh, 1842 + i % 7);
        SPAN_SET(span, cache_read, 1024);
        SPAN_SET(span, output_text, 318);
        SPAN_SET(span, reasoning, 64);
        SPAN_SET(span, start_time, INT64_C(1790000000) * NS_PER_S);
        enum err err = price_span(table, arena, span);
        assert(err == ERR_OK);
        if (i % 1000 == 0)
            arena_reset(arena);
    }
    int64_t spent = clock_thread_cpu_ns() - begin;
    printf("%-12s %-44s %lld ns\n", provider, model, (long long)(spent / ROUNDS));
}

int main(int argc, char **argv)
{
    struct price_table *table;
    struct diag why = DIAG_NONE;
    int64_t begin = clock_monotonic_ns();
    struct price_source source = { .prices = price_shipped() };
    if (price_table_load(&source, &table, &why)) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    fprintf(stderr, "%zu prices loaded in %lld us\n", price_table_count(table),
            (long long)((clock_monotonic_ns() - begin) / NS_PER_US));
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    if (argc > 1 && str_equal_c(STR_OF("--bench"), argv[1])) {
        bench(table, &arena, "openai", "gpt-4o");
        bench(table, &arena, "openai", "gpt-4o-2024-08-06");
        bench(table, &arena, "openai", "gpt-4o-2031-01-01");
        bench(table, &arena, "aws.bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0");
        bench(table, &arena, "openai", "no-such-model");
        bench(table, &arena, "no-such", "openai/gpt-4o");
    }
    char line[LINE_MAX_BYTES];
    while (argc == 1 && fgets(line, sizeof line, stdin)) {
        str text = str_from_c(line);
        if (text.len && text.ptr[text.len - 1] == '\n')
            text.len--;
        line_price(table, &arena, text);
        arena_reset(&arena);
    }
    arena_clear(&arena);
    price_table_unref(table);
    return 0;
}
