/* cost.c -- `telltale cost`: who and what the money went to.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "cli/cli_int.h"
#include "sys/clock.h"
#include <stdlib.h>

enum {
    PATH_BYTES_MAX = 64 * 1024,
    OUTPUT_BYTES_MAX = 16 * 1024 * 1024,
    BAR_COLUMNS = 20,
    SLOTS_MAX = 40, /* of a trend: of more steps some share one */
};

static const struct {
    const char *word, *field;
} fields[] = {
    { "model", "generator_model" }, { "tenant", "tenant_id" },          { "user", "user_id" },
    { "session", "session_id" },    { "prompt", "prompt_template_id" },
};

struct row {
    str name;
    const struct value *values;
    double cost, tokens, unpriced;
    double *trend; /* SLOTS_MAX, of steps; NULL without --every */
};

struct sum {
    struct row *rows;
    uint32_t count, hidden;
    uint32_t slots; /* of the trends */
    double cost, cost_max, input, output, unpriced;
};

static const char *field_of(const char *by)
{
    if (!by)
        return fields[0].field;
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (strcmp(by, fields[i].word) == 0)
            return fields[i].field;
    return by;
}

static const char *question(struct cli_call *call, const char *field, bool has_steps)
{
    struct buf path;
    buf_init(&path, PATH_BYTES_MAX);
    buf_add_c(&path, "/api/v1/aggregate?metric=cost,input_tokens,output_tokens,unpriced,traces");
    cli_query_add(&path, "by", field);
    cli_query_add(&path, "limit", has_steps ? "10000" : "1000");
    buf_add_char(&path, '\0');
    const char *asked =
        buf_failed(&path)
            ? NULL
            : cli_question(call, path.ptr, has_steps ? "q from to step=every" : "q from to");
    buf_clear(&path);
    return asked;
}

static int by_cost(const void *a, const void *b)
{
    const struct row *left = a, *right = b;
    if (left->cost != right->cost)
        return left->cost > right->cost ? -1 : 1;
    if (left->tokens != right->tokens)
        return left->tokens > right->tokens ? -1 : 1;
    return str_cmp(left->name, right->name);
}

static str name_of(struct arena *arena, const struct value *by)
{
    if (!by || by->type != VALUE_MAP || by->count == 0)
        return STR_NONE;
    const struct value *value = &by->attrs[0].value;
    if (value->type == VALUE_STR)
        return value->text;
    struct buf text;
    buf_init(&text, 4 * KIB);
    if (value->type != VALUE_NULL)
        value_to_json(&text, value);
    str copy = text.len ? arena_str(arena, buf_str(&text)) : STR_NONE;
    buf_clear(&text);
    return copy;
}

static double number(const struct value *values, const char *name)
{
    double v;
    return cli_member_f64(values, name, &v) ? v : 0;
}

/* Groups without a model call have nothing to say about cost. */
static void sum_up(struct cli_call *call, const struct value *items, struct sum *sum)
{
    for (uint32_t i = 0; cli_item(items, i); i++) {
        const struct value *item = cli_item(items, i), *values = cli_member(item, "values");
        double input = number(values, "input_tokens"), output = number(values, "output_tokens");
        struct row row = { .name = name_of(&call->arena, cli_member(item, "by")),
                           .values = values,
                           .cost = number(values, "cost_usd"),
                           .tokens = input + output,
                           .unpriced = number(values, "unpriced") };
        if (row.cost == 0 && row.tokens == 0 && row.unpriced == 0) {
            sum->hidden++;
            continue;
        }
        sum->cost += row.cost;
        sum->cost_max = MAX(sum->cost_max, row.cost);
        sum->input += input;
        sum->output += output;
        sum->unpriced += row.unpriced;
        sum->rows[sum->count++] = row;
    }
    qsort(sum->rows, sum->count, sizeof *sum->rows, by_cost);
}

/* Where a row's bar would be: its cost over the time. */
static void add_trend(struct buf *out, const struct row *row, const struct sum *sum)
{
    if (row->trend)
        cli_add_spark(out, row->trend, sum->slots);
    else
        cli_add_bar(out, sum->cost_max > 0 ? row->cost / sum->cost_max : 0, BAR_COLUMNS);
}

static void add_row(struct cli_table *table, const struct row *row, const struct sum *sum)
{
    struct arena *arena = table->arena;
    struct buf bar;
    buf_init(&bar, KIB);
    add_trend(&bar, row, sum);
    cli_table_add(table, row->name, CLI_PLAIN);
    cli_table_add(table, cli_human_usd(arena, cli_member(row->values, "cost_usd")), CLI_BOLD);
    cli_table_add(table,
                  sum->cost > 0 && cli_member(row->values, "cost_usd")
                      ? arena_printf(arena, "%.0f%%", row->cost / sum->cost * 100)
                      : CLI_UNKNOWN,
                  CLI_DIM);
    cli_table_add(table, arena_str(arena, buf_str(&bar)), CLI_GREEN);
    cli_table_add(table, cli_human_count(arena, cli_member(row->values, "input_tokens")),
                  CLI_PLAIN);
    cli_table_add(table, cli_human_count(arena, cli_member(row->values, "output_tokens")),
                  CLI_PLAIN);
    cli_table_add(table, cli_human_count(arena, cli_member(row->values, "traces")), CLI_PLAIN);
    cli_table_add(table,
                  row->unpriced > 0 ? arena_printf(arena, "%.0f", row->unpriced) : STR_OF(""),
                  CLI_YELLOW);
    buf_clear(&bar);
}

static void print_sum(struct cli_call *call, const struct sum *sum, const char *field)
{
    const struct cli_column columns[] = {
        { field, false, true },    { "COST", true, false },
        { "SHARE", true, false },  { sum->slots ? "TREND" : "", false, false },
        { "IN", true, false },     { "OUT", true, false },
        { "TRACES", true, false }, { "UNPRICED", true, false },
    };
    uint32_t shown =
        call->options.limit ? (uint32_t)MIN(call->options.limit, (int64_t)sum->count) : sum->count;
    struct cli_table table;
    struct buf out;
    buf_init(&out, OUTPUT_BYTES_MAX);
    cli_table_init(&table, &call->arena, columns, COUNT_OF(columns));
    for (uint32_t i = 0; i < shown; i++)
        add_row(&table, &sum->rows[i], sum);
    cli_table_print(&table, &call->screen, &out);
    cli_table_clear(&table);
    struct value cost = value_f64(sum->cost), in = value_f64(sum->input),
                 answer = value_f64(sum->output);
    str total = cli_human_usd(&call->arena, &cost);
    str in_text = cli_human_count(&call->arena, &in);
    str out_text = cli_human_count(&call->arena, &answer);
    buf_printf(&out, "\ntotal %.*s, tokens %.*s in, %.*s out", STR_ARG(total), STR_ARG(in_text),
               STR_ARG(out_text));
    if (sum->unpriced > 0)
        buf_printf(&out, "; %.0f model calls have no price and are not in it", sum->unpriced);
    if (shown < sum->count)
        buf_printf(&out, "; %u more groups", sum->count - shown);
    buf_add_char(&out, '\n');
    cli_print(&out);
    buf_clear(&out);
}

static struct row *row_named(const struct sum *sum, str name)
{
    for (uint32_t i = 0; i < sum->count; i++)
        if (str_is_none(sum->rows[i].name) == str_is_none(name) &&
            str_equal(sum->rows[i].name, name))
            return &sum->rows[i];
    return NULL;
}

/* The answer by steps, onto the rows. */
static bool take_trends(struct cli_call *call, const struct value *answer, struct sum *sum)
{
    const struct value *items = cli_member(answer, "items");
    int64_t from_ns, to_ns, at;
    double step_ms;
    if (!time_parse(cli_member_str(answer, "from"), &from_ns) ||
        !time_parse(cli_member_str(answer, "to"), &to_ns) ||
        !cli_member_f64(answer, "step_ms", &step_ms) || step_ms < 1)
        return true;
    to_ns = MIN(to_ns, clock_now_ns()); /* what is to come is no trend */
    int64_t step_ns = (int64_t)(step_ms * (double)NS_PER_MS), first = from_ns / step_ns;
    int64_t steps = MAX(to_ns / step_ns - first + 1, (int64_t)1);
    sum->slots = (uint32_t)MIN(steps, (int64_t)SLOTS_MAX);
    for (uint32_t i = 0; i < sum->count; i++) {
        sum->rows[i].trend = arena_new(&call->arena, double, SLOTS_MAX);
        if (!sum->rows[i].trend)
            return false;
    }
    for (uint32_t i = 0; cli_item(items, i); i++) {
        const struct value *item = cli_item(items, i);
        struct row *row = row_named(sum, name_of(&call->arena, cli_member(item, "by")));
        if (!row || !time_parse(cli_member_str(item, "time"), &at))
            continue;
        int64_t slot = (at / step_ns - first) * sum->slots / steps;
        row->trend[MIN(MAX(slot, (int64_t)0), (int64_t)sum->slots - 1)] +=
            number(cli_member(item, "values"), "cost_usd");
    }
    return true;
}

int cli_cost(struct cli_call *call)
{
    struct value answer, steps;
    const char *field = field_of(call->options.by);
    bool has_steps = call->options.every != NULL;
    const char *path = question(call, field, has_steps && call->options.json);
    if (!path)
        return cli_misuse(call, "the filter is too long");
    int status = cli_ask(call, path, &answer);
    if (status || call->options.json)
        return status;
    if (has_steps)
        status = cli_ask(call, question(call, field, true), &steps);
    if (status)
        return status;
    const struct value *items = cli_member(&answer, "items");
    struct sum sum = { 0 };
    sum.rows = arena_new(&call->arena, struct row, items ? items->count : 0);
    struct diag why = DIAG_NONE;
    if (!sum.rows)
        return cli_fail(diag_set(&why, ERR_LIMIT, "too many groups"), &why);
    sum_up(call, items, &sum);
    if (has_steps && !take_trends(call, &steps, &sum))
        return cli_fail(diag_set(&why, ERR_LIMIT, "too many groups"), &why);
    print_sum(call, &sum, field);
    return CLI_OK;
}
