/* trace_draw.c -- a trace as lines: branches, step, name, numbers, and when in the trace.
 *
 *   request  POST /ask               1.2 s                        ██████████████████████
 *   ├─ retrieval  vector_search      80 ms                        ▕█
 *   └─ model  chat gpt-4o            1.0 s   1.2k→87  $0.004605     ███████████████████
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "cli/trace_int.h"
#include <math.h>

enum {
    WIDTH_DEFAULT = 120,
    DEPTH_MAX = 24,
    LATENCY_COLUMNS = 8,
    LABEL_MIN = 24,
    BAR_MIN = 12,
    BAR_MAX = 48,
    LABEL_BYTES_MAX = 64 * 1024,
};

/* Columns; of tokens, cost and bar 0: not shown. */
struct layout {
    uint32_t label, latency, tokens, cost, bar;
    uint32_t depth_max; /* spans that are deeper are not indented further */
};

static str tokens_text(struct arena *arena, const struct value *span)
{
    if (!cli_member(span, "input_tokens") && !cli_member(span, "output_tokens"))
        return STR_OF("");
    str in = cli_human_count(arena, cli_member(span, "input_tokens"));
    str answer = cli_human_count(arena, cli_member(span, "output_tokens"));
    return arena_printf(arena, "%.*s\xE2\x86\x92%.*s", STR_ARG(in), STR_ARG(answer));
}

/* Of a step that uses no model nothing is said; of a model without a price: unknown. */
static str cost_text(struct arena *arena, const struct value *span)
{
    bool has_cost = cli_member(span, "input_tokens") || cli_member(span, "output_tokens") ||
                    cli_member(span, "estimated_cost_usd");
    return has_cost ? cli_human_usd(arena, cli_member(span, "estimated_cost_usd")) : STR_OF("");
}

static uint32_t fixed_columns(const struct layout *layout)
{
    return layout->latency + 1 + (layout->tokens ? layout->tokens + 1 : 0) +
           (layout->cost ? layout->cost + 1 : 0);
}

/* Numbers take what they need, the rest is shared by names and bars.  On a narrow screen
 * bars go first, then cost, then tokens. */
static struct layout layout_for(const struct cli_screen *screen, struct arena *arena,
                                const struct tree *tree)
{
    struct layout layout = { .latency = LATENCY_COLUMNS };
    uint32_t width = screen->width ? screen->width : WIDTH_DEFAULT;
    for (uint32_t i = 0; i < tree->count; i++) {
        const struct value *span = tree->nodes[i].span;
        layout.tokens = MAX(layout.tokens, cli_columns(tokens_text(arena, span)));
        layout.cost = MAX(layout.cost, cli_columns(cost_text(arena, span)));
    }
    if (fixed_columns(&layout) + LABEL_MIN > width)
        layout.cost = 0;
    if (fixed_columns(&layout) + LABEL_MIN > width)
        layout.tokens = 0;
    uint32_t rest = MAX(width - fixed_columns(&layout), (uint32_t)LABEL_MIN);
    layout.bar = rest < LABEL_MIN + BAR_MIN ? 0 : MIN(rest * 2 / 5, (uint32_t)BAR_MAX);
    layout.label = rest - layout.bar;
    layout.depth_max = MIN(MAX((layout.label - LABEL_MIN) / 3, 2u), (uint32_t)DEPTH_MAX);
    return layout;
}

/* "  name value  name value", broken where the screen ends. */
struct facts {
    struct buf *out;
    uint32_t width, used;
};

static void add_part(struct facts *facts, str text)
{
    uint32_t columns = cli_columns(text) + 2;
    if (facts->width && facts->used && facts->used + columns > facts->width) {
        buf_add_char(facts->out, '\n');
        facts->used = 0;
    }
    facts->used += columns;
    buf_add_c(facts->out, "  ");
    buf_add_str(facts->out, text);
}

static void add_fact(struct facts *facts, const char *name, str value)
{
    if (str_is_empty(value))
        return;
    struct buf text;
    buf_init(&text, 4 * KIB);
    buf_printf(&text, "%s ", name);
    cli_clean(&text, str_sub(value, 0, 200), CLI_ONE_LINE);
    add_part(facts, buf_str(&text));
    buf_clear(&text);
}

static void facts_end(struct facts *facts)
{
    if (facts->used)
        buf_add_char(facts->out, '\n');
    facts->used = 0;
}

static void add_measures(struct facts *facts, struct arena *arena, const struct value *trace)
{
    str in = cli_human_count(arena, cli_member(trace, "input_tokens"));
    str answer = cli_human_count(arena, cli_member(trace, "output_tokens"));
    double unpriced;
    add_fact(facts, "latency", cli_human_ms(arena, cli_member(trace, "latency_ms")));
    add_fact(facts, "first token", cli_human_ms(arena, cli_member(trace, "ttft_ms")));
    add_fact(facts, "cost", cli_human_usd(arena, cli_member(trace, "estimated_cost_usd")));
    add_part(facts, arena_printf(arena, "tokens %.*s in, %.*s out", STR_ARG(in), STR_ARG(answer)));
    add_fact(facts, "spans", cli_human_count(arena, cli_member(trace, "span_count")));
    if (cli_member_f64(trace, "unpriced_count", &unpriced) && unpriced > 0)
        add_part(facts, arena_printf(arena, "(%.0f model calls without a price)", unpriced));
    facts_end(facts);
}

void trace_header(const struct cli_call *call, struct arena *arena, const struct value *trace,
                  struct buf *out)
{
    static const char *const names[] = { "service", "environment", "release", "tenant_id",
                                         "user_id", "session_id",  "feature", "prompt_version" };
    struct buf name;
    buf_init(&name, LABEL_BYTES_MAX);
    cli_clean(&name, str_sub(cli_member_str(trace, "name"), 0, 2000), CLI_ONE_LINE);
    str status = cli_member_str(trace, "status");
    cli_paint(out, &call->screen, CLI_BOLD, name.len ? buf_str(&name) : STR_OF("(no name)"));
    buf_clear(&name);
    buf_add_c(out, "  ");
    cli_paint(out, &call->screen, CLI_CYAN, cli_member_str(trace, "trace_id"));
    if (str_equal_c(status, "error")) {
        buf_add_c(out, "  ");
        cli_paint(out, &call->screen, CLI_RED, status);
    }
    const struct value *settled = cli_member(trace, "settled");
    if (settled && settled->type == VALUE_BOOL && !settled->boolean)
        cli_paint(out, &call->screen, CLI_YELLOW, STR_OF("  still open"));
    buf_add_char(out, '\n');
    struct facts facts = { .out = out, .width = call->screen.width };
    str time = str_sub(cli_member_str(trace, "start_time"), 0, 19);
    if (time.len)
        add_part(&facts, arena_printf(arena, "%.*sZ", STR_ARG(time)));
    add_measures(&facts, arena, trace);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        add_fact(&facts, names[i], cli_member_str(trace, names[i]));
    facts_end(&facts);
    buf_add_char(out, '\n');
}

static str score_value(struct arena *arena, const struct value *score)
{
    const struct value *value = cli_member(score, "value");
    double number;
    if (value && value->type == VALUE_BOOL)
        return value->boolean ? STR_OF("yes") : STR_OF("no");
    if (value && value->type == VALUE_STR)
        return value->text;
    return value && value_as_f64(value, &number) ? arena_printf(arena, "%g", number) : STR_OF("-");
}

void trace_scores(const struct cli_call *call, struct arena *arena, const struct value *scores,
                  struct buf *out)
{
    static const char *const who[][2] = { { "by", "source" },
                                          { "evaluator", "evaluator" },
                                          { "model", "judge_model" } };
    if (!scores || scores->type != VALUE_ARRAY)
        return;
    for (uint32_t i = 0; i < scores->count; i++) {
        const struct value *score = &scores->items[i];
        struct facts facts = { .out = out, .width = call->screen.width };
        add_part(&facts, STR_OF("score"));
        struct buf text;
        buf_init(&text, LABEL_BYTES_MAX);
        str name = str_sub(cli_member_str(score, "name"), 0, 200);
        str value = str_sub(score_value(arena, score), 0, 200);
        cli_clean(&text, arena_printf(arena, "%.*s %.*s", STR_ARG(name), STR_ARG(value)),
                  CLI_ONE_LINE);
        add_part(&facts, buf_str(&text));
        buf_clear(&text);
        for (size_t k = 0; k < COUNT_OF(who); k++)
            add_fact(&facts, who[k][0], cli_member_str(score, who[k][1]));
        add_fact(&facts, "says", cli_member_str(score, "comment"));
        facts_end(&facts);
    }
    if (scores->count)
        buf_add_char(out, '\n');
}

/* "│  ├─ " : whether each ancestor has a span after it.  A span that is too deep to be
 * indented says how deep it is. */
static void add_branches(struct buf *out, const struct tree *tree, uint32_t at, uint32_t depth_max)
{
    uint32_t levels[DEPTH_MAX];
    uint32_t shown = MIN(tree->nodes[at].depth, depth_max);
    uint32_t node = at;
    assert(depth_max <= DEPTH_MAX);
    for (uint32_t i = shown; i-- > 0;) {
        levels[i] = node;
        node = tree->nodes[node].parent;
    }
    for (uint32_t i = 0; i < shown; i++) {
        bool is_own = levels[i] == at, goes_on = tree->nodes[levels[i]].next != TREE_NONE;
        if (is_own)
            buf_add_c(out, goes_on ? "\xE2\x94\x9C\xE2\x94\x80 " : "\xE2\x94\x94\xE2\x94\x80 ");
        else
            buf_add_c(out, goes_on ? "\xE2\x94\x82  " : "   ");
    }
    if (tree->nodes[at].depth > depth_max)
        buf_printf(out, "(%u) ", tree->nodes[at].depth);
}

static enum cli_colour step_colour(str step)
{
    static const struct {
        const char *step;
        enum cli_colour colour;
    } colours[] = {
        { "model", CLI_GREEN }, { "tool", CLI_YELLOW },   { "retrieval", CLI_BLUE },
        { "search", CLI_BLUE }, { "rerank", CLI_BLUE },   { "embedding", CLI_BLUE },
        { "agent", CLI_CYAN },  { "workflow", CLI_CYAN }, { "guard", CLI_YELLOW },
    };
    for (size_t i = 0; i < COUNT_OF(colours); i++)
        if (str_equal_c(step, colours[i].step))
            return colours[i].colour;
    return CLI_DIM;
}

static void add_label(const struct cli_call *call, struct buf *out, const struct tree *tree,
                      uint32_t at, const struct layout *layout)
{
    uint32_t columns = layout->label;
    struct buf text;
    buf_init(&text, LABEL_BYTES_MAX);
    add_branches(&text, tree, at, layout->depth_max);
    uint32_t indent = cli_columns(buf_str(&text));
    cli_paint(out, &call->screen, CLI_DIM, buf_str(&text));
    const struct value *span = tree->nodes[at].span;
    str step = cli_member_str(span, "step");
    bool is_error = str_equal_c(cli_member_str(span, "status"), "error");
    buf_reset(&text);
    cli_clean(&text, str_is_empty(step) ? STR_OF("span") : str_sub(step, 0, 40), CLI_ONE_LINE);
    uint32_t used = indent + cli_columns(buf_str(&text)) + 1;
    cli_paint(out, &call->screen, step_colour(step), buf_str(&text));
    buf_add_char(out, ' ');
    buf_reset(&text);
    cli_clean(&text, str_sub(cli_member_str(span, "name"), 0, 2000), CLI_ONE_LINE);
    str model = cli_member_str(span, "generator_model");
    if (str_is_none(model))
        model = cli_member_str(span, "request_model");
    if (!str_is_empty(model) &&
        str_find(cli_member_str(span, "name"), model) == cli_member_str(span, "name").len) {
        buf_add_c(&text, "  ");
        cli_clean(&text, str_sub(model, 0, 200), CLI_ONE_LINE);
    }
    struct buf cut;
    buf_init(&cut, LABEL_BYTES_MAX);
    cli_add_cut(&cut, buf_str(&text), columns > used + 4 ? columns - used : 4);
    used += cli_columns(buf_str(&cut));
    cli_paint(out, &call->screen, is_error ? CLI_RED : CLI_PLAIN, buf_str(&cut));
    cli_add_spaces(out, columns > used ? columns - used : 0);
    buf_clear(&cut);
    buf_clear(&text);
}

static void add_right(struct buf *out, str text, uint32_t columns)
{
    uint32_t used = cli_columns(text);
    cli_add_spaces(out, columns + 1 > used ? columns + 1 - used : 1);
    buf_add_str(out, text);
}

static void add_numbers(struct arena *arena, const struct value *span, const struct layout *layout,
                        struct buf *out)
{
    add_right(out, cli_human_ms(arena, cli_member(span, "latency_ms")), layout->latency);
    if (layout->tokens)
        add_right(out, tokens_text(arena, span), layout->tokens);
    if (layout->cost)
        add_right(out, cost_text(arena, span), layout->cost);
}

/* Where in the trace's time the span lies. */
static void add_time_bar(const struct cli_call *call, struct buf *out, const struct tree *tree,
                         const struct tree_node *node, uint32_t columns)
{
    double total = (double)(tree->end_ns - tree->start_ns);
    if (!node->start_ns || total <= 0)
        return;
    double from = (double)(node->start_ns - tree->start_ns) / total * columns;
    double to = from + (double)node->latency_ns / total * columns;
    uint32_t start = MIN((uint32_t)from, columns - 1);
    uint32_t end = MIN(MAX((uint32_t)lround(to), start + 1), columns);
    struct buf bar;
    buf_init(&bar, 4 * KIB);
    cli_add_bar(&bar, 1, end - start);
    cli_add_spaces(out, start + 1);
    cli_paint(out, &call->screen, step_colour(cli_member_str(node->span, "step")), buf_str(&bar));
    buf_clear(&bar);
}

static void add_problem(const struct cli_call *call, struct buf *out, const struct tree *tree,
                        uint32_t at, uint32_t depth_max)
{
    const struct value *span = tree->nodes[at].span;
    str type = cli_member_str(span, "error_type"), text = cli_member_str(span, "status_message");
    if (!str_equal_c(cli_member_str(span, "status"), "error") ||
        (str_is_empty(type) && str_is_empty(text)))
        return;
    struct buf line;
    buf_init(&line, LABEL_BYTES_MAX);
    cli_add_spaces(&line, MIN(tree->nodes[at].depth, depth_max) * 3 + 3);
    cli_clean(&line, str_sub(type, 0, 200), CLI_ONE_LINE);
    if (!str_is_empty(type) && !str_is_empty(text))
        buf_add_c(&line, ": ");
    cli_clean(&line, str_sub(text, 0, 2000), CLI_ONE_LINE);
    struct buf cut;
    buf_init(&cut, LABEL_BYTES_MAX);
    cli_add_cut(&cut, buf_str(&line), call->screen.width ? call->screen.width : UINT32_MAX);
    cli_paint(out, &call->screen, CLI_RED, buf_str(&cut));
    buf_add_char(out, '\n');
    buf_clear(&cut);
    buf_clear(&line);
}

void trace_spans(const struct cli_call *call, struct arena *arena, const struct tree *tree,
                 struct buf *out)
{
    struct layout layout = layout_for(&call->screen, arena, tree);
    for (uint32_t at = tree->first_root; at != TREE_NONE; at = tree_next(tree, at)) {
        const struct tree_node *node = &tree->nodes[at];
        add_label(call, out, tree, at, &layout);
        add_numbers(arena, node->span, &layout, out);
        if (layout.bar)
            add_time_bar(call, out, tree, node, layout.bar - 1);
        while (out->len && out->ptr[out->len - 1] == ' ')
            out->len--;
        buf_add_char(out, '\n');
        add_problem(call, out, tree, at, layout.depth_max);
    }
}
