/* fuzz_price_overrides.c -- any YAML is a table that prices, or an error.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "price/price.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first bytes also serve as a model's name. */
static void call_price(const struct price_table *table, str model)
{
    struct arena arena;
    arena_init(&arena, 64 * KIB);
    struct span span = { 0 };
    SPAN_SET(&span, provider, STR_OF("openai"));
    SPAN_SET(&span, request_model, model);
    SPAN_SET(&span, input_fresh, 1001);
    SPAN_SET(&span, output_text, 7);
    SPAN_SET(&span, start_time, INT64_C(1785000000) * 1000000000);
    enum err err = price_span(table, &arena, &span);
    assert(err == ERR_OK);
    assert(!SPAN_KNOWS(&span, cost_nanousd) || span.cost_nanousd >= 0);
    arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char prices[] = "telltale-prices\t1\n"
                                 "source\ts\t2026-01-01\tx\n"
                                 "provider\t*\nprovider\topenai\topenai.chat\n"
                                 "entry\ts\ts/m\nperiod\t-\t-\nrate\tstd\t0\tinput=5\toutput=6\n"
                                 "names\topenai\nn\t0\tm\n";
    str text = str_make((const char *)data, size);
    struct price_source source = { .prices = { prices, sizeof prices - 1 },
                                   .overrides = text,
                                   .overrides_name = STR_OF("f") };
    struct price_table *table;
    struct diag why = DIAG_NONE;
    enum err err = price_table_load(&source, &table, &why);
    assert(err == ERR_OK || why.text[0]);
    if (err)
        return 0;
    str rest = text, line;
    for (int i = 0; i < 8 && str_next(&rest, '\n', &line); i++)
        call_price(table, str_sub(line, 0, str_find_char(line, ':')));
    call_price(table, STR_OF("m"));
    price_table_unref(table);
    return 0;
}
