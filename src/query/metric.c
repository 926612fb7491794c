/* metric.c -- from names of metrics to what a store is asked for them.
 *
 * A metric is a row of metric.def or is written out, OP(WHAT) with or without "where FILTER".
 * Both become measures, of which equal ones are asked for once, and a way to combine them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "query/query_int.h"

#include <stdlib.h>

enum { TEXT_MAX = 512, SHOWN_MAX = 60, PERCENT_MAX = 100 };

static const struct metric_row {
    const char *name, *json;
    enum query_kind kind;
    enum query_combine combine;
    const char *top, *bottom, *unknown;
} rows[] = {
#define METRIC(name, json, kind, combine, top, bottom, unknown, doc)                               \
    { name, json, QUERY_KIND_##kind, QUERY_COMBINE_##combine, top, bottom, unknown },
#include "query/metric.def"
#undef METRIC
};

/* Words of the table's filters. */
static const struct {
    const char *word, *text;
} words[] = {
    { "@answers", "(step:model and not rollup:true and not status:error and not refusal_flag:true "
                  "and not safety_blocked:true and not parse_ok:false and not answered:false and "
                  "not success:false)" },
    { "@billed", "((step:model or step:embedding) and not rollup:true)" },
    { "@calls", "(step:model and not rollup:true)" },
    { "@cut", "(finish_reason:length or finish_reason:max_tokens or finish_reason:MAX_TOKENS)" },
    { "@searches", "(step:retrieval or step:search)" },
};

struct planner {
    struct arena *arena;
    struct query_aggregate *plan;
    struct {
        str text;
        const struct filter *filter;
    } filters[STORE_MEASURES_MAX];
    uint32_t filter_count;
    bool of_table; /* what is parsed is ours */
    struct diag *why;
};

/* A measure as written, and what its number is. */
struct written {
    struct store_measure measure;
    enum query_kind kind;
    str op, what, where;
};

static enum err refuse(struct planner *planner, str text, const char *why)
{
    return diag_set(planner->why, ERR_BAD_INPUT, "'%.*s': %s",
                    (int)MIN(text.len, (size_t)SHOWN_MAX), text.ptr, why);
}

/* -- filters -- */

static str words_expand(struct planner *planner, str text)
{
    str rest = text, out = STR_OF("");
    for (;;) {
        size_t at = str_find_char(rest, '@'), word = 0;
        while (word < COUNT_OF(words) &&
               !str_starts(str_from(rest, at), str_from_c(words[word].word)))
            word++;
        if (at == rest.len || word == COUNT_OF(words))
            return arena_printf(planner->arena, "%.*s%.*s", STR_ARG(out), STR_ARG(rest));
        out = arena_printf(planner->arena, "%.*s%.*s%s", STR_ARG(out), (int)at, rest.ptr,
                           words[word].text);
        rest = str_from(rest, at + strlen(words[word].word));
    }
}

/* Equal texts give the same tree, which stores take for the same question. */
static enum err filter_of(struct planner *planner, str text, const struct filter **ret_filter)
{
    for (uint32_t i = 0; i < planner->filter_count; i++)
        if (str_equal(planner->filters[i].text, text)) {
            *ret_filter = planner->filters[i].filter;
            return ERR_OK;
        }
    str whole = planner->of_table ? words_expand(planner, text) : text;
    if (str_is_none(whole) || planner->filter_count == COUNT_OF(planner->filters))
        return diag_set(planner->why, ERR_LIMIT, "too many metrics");
    enum err code =
        query_parse_filter(planner->arena, whole, planner->plan->now_ns, ret_filter, planner->why);
    if (code == ERR_OK) {
        planner->filters[planner->filter_count].text = text;
        planner->filters[planner->filter_count++].filter = *ret_filter;
    }
    return code;
}

/* -- OP(WHAT) where FILTER -- */

/* Where the bracket that is open at `from` closes; text.len: nowhere. */
static size_t closing(str text, size_t from)
{
    size_t depth = 0;
    bool is_quoted = false;
    for (size_t i = from; i < text.len; i++) {
        char c = text.ptr[i];
        if (is_quoted && c == '\\')
            i++;
        else if (c == '"')
            is_quoted = !is_quoted;
        else if (!is_quoted && c == '(')
            depth++;
        else if (!is_quoted && c == ')' && --depth == 0)
            return i;
    }
    return text.len;
}

static enum err split(struct planner *planner, str text, struct written *to)
{
    size_t open = str_find_char(text, '('), close = closing(text, open);
    if (open == text.len || close == text.len)
        return refuse(planner, text, "is not written OP(WHAT), as in p90(latency)");
    to->op = str_trim(str_sub(text, 0, open));
    to->what = str_trim(str_sub(text, open + 1, close - open - 1));
    str rest = str_trim(str_from(text, close + 1));
    if (planner->of_table && str_starts(rest, STR_OF("of evaluated"))) {
        to->measure.is_evaluated = true;
        rest = str_trim(str_from(rest, strlen("of evaluated")));
    }
    to->where = str_trim(str_from(rest, strlen("where ")));
    if (!str_is_empty(rest) && (!str_starts(rest, STR_OF("where ")) || str_is_empty(to->where)))
        return refuse(planner, rest, "what follows a metric is 'where' and a filter");
    return ERR_OK;
}

static bool percentile_of(str op, double *ret_quantile)
{
    double percent;
    if (str_equal_c(op, "median")) {
        *ret_quantile = 0.5;
        return true;
    }
    if (op.len < 2 || op.ptr[0] != 'p' || !str_to_f64(str_from(op, 1), &percent) ||
        !(percent >= 0 && percent <= PERCENT_MAX))
        return false;
    *ret_quantile = percent / PERCENT_MAX;
    return true;
}

static bool word_is_source(str word, uint32_t *sources)
{
    for (int source = 0; source < SCORE_SOURCE_COUNT; source++)
        if (str_equal(word, score_source_name((enum score_source)source))) {
            *sources |= UINT32_C(1) << source;
            return true;
        }
    return false;
}

/* "scores" or "score.NAME", then "by user", "pass", "fail". */
static enum err of_scores(struct planner *planner, struct written *to)
{
    str rest = to->what, word;
    struct store_measure *measure = &to->measure;
    (void)str_next(&rest, ' ', &word);
    measure->of = STORE_OF_SCORES;
    measure->name =
        str_starts(word, STR_OF("score.")) ? str_from(word, strlen("score.")) : STR_NONE;
    to->kind = QUERY_KIND_NUMBER;
    while (!str_is_none(rest) && str_next(&rest, ' ', &word)) {
        if (str_equal_c(word, "pass"))
            measure->verdict = STORE_VERDICT_PASS;
        else if (str_equal_c(word, "fail"))
            measure->verdict = STORE_VERDICT_FAIL;
        else if (!str_is_empty(word) && !str_equal_c(word, "by") &&
                 !word_is_source(word, &measure->sources))
            return refuse(planner, word,
                          "of scores one says 'pass', 'fail' or 'by' and api, "
                          "user, judge, code or human");
    }
    if (measure->sources == 0) /* deploys are none, outcomes only by their name */
        measure->sources =
            str_is_none(measure->name) ? (1 << SCORE_IS_OUTCOME) - 1 : SCORE_SOURCES_OF_ANSWERS;
    return ERR_OK;
}

static enum query_kind kind_of(enum field field)
{
    switch ((int)field_table[field].type) {
    case FIELD_TYPE_NS:
        return QUERY_KIND_NS;
    case FIELD_TYPE_NANO:
        return QUERY_KIND_NANO;
    case FIELD_TYPE_TIME:
        return QUERY_KIND_TIME;
    case FIELD_TYPE_I64:
    case FIELD_TYPE_BOOL:
        return QUERY_KIND_COUNT;
    default:
        return QUERY_KIND_NUMBER;
    }
}

static bool is_number(enum field field)
{
    enum field_type type = field_table[field].type;
    return type == FIELD_TYPE_I64 || type == FIELD_TYPE_F64 || type == FIELD_TYPE_BOOL ||
           type == FIELD_TYPE_TIME || type == FIELD_TYPE_NS || type == FIELD_TYPE_NANO ||
           type == FIELD_TYPE_F64S;
}

static bool is_groupable(enum field field)
{
    enum field_type type = field_table[field].type;
    return type == FIELD_TYPE_STR || type == FIELD_TYPE_I64 || type == FIELD_TYPE_BOOL;
}

/* A field or an attribute. */
static enum err of_name(struct planner *planner, struct written *to)
{
    struct name_target target;
    str name = to->what;
    bool is_quoted = name.len > 2 && name.ptr[0] == '"' && name.ptr[name.len - 1] == '"';
    if (is_quoted)
        name = str_sub(name, 1, name.len - 2);
    enum err code = name_resolve(name, is_quoted, SIZE_MAX, &target, planner->why);
    if (code != ERR_OK)
        return code;
    bool is_distinct = to->measure.op == STORE_OP_DISTINCT;
    if (target.field == FIELD_COUNT) {
        to->measure.of = STORE_OF_ATTR;
        to->measure.name = target.attr_key;
        to->kind = QUERY_KIND_NUMBER;
        return is_distinct ? refuse(planner, to->what, "only fields can be counted by distinct()")
                           : ERR_OK;
    }
    if (!(is_distinct ? is_groupable(target.field) : is_number(target.field)))
        return refuse(planner, to->what,
                      is_distinct ? "is no text, number or boolean" : "is no number");
    to->measure.of = STORE_OF_FIELD;
    to->measure.field = target.field;
    to->kind = kind_of(target.field);
    return ERR_OK;
}

static enum err of_what(struct planner *planner, struct written *to)
{
    str what = to->what;
    if (str_starts(what, STR_OF("score.")) || str_equal_c(what, "scores") ||
        str_starts(what, STR_OF("scores ")))
        return of_scores(planner, to);
    if (str_equal_c(what, "end") && to->measure.op != STORE_OP_DISTINCT) {
        to->measure.of = STORE_OF_END;
        to->kind = QUERY_KIND_TIME;
        return ERR_OK;
    }
    if (planner->of_table && str_starts(what, STR_OF("bucket."))) {
        to->measure.of = STORE_OF_BUCKET;
        to->measure.name = str_from(what, strlen("bucket."));
        to->kind = QUERY_KIND_NANO;
        return ERR_OK;
    }
    return of_name(planner, to);
}

static const struct {
    const char *name;
    enum store_op op;
    bool of_spans; /* WHAT is a filter, or nothing */
} ops[] = {
    { "count", STORE_OP_COUNT, true },  { "traces", STORE_OP_TRACES, true },
    { "known", STORE_OP_COUNT, false }, { "distinct", STORE_OP_DISTINCT, false },
    { "sum", STORE_OP_SUM, false },     { "min", STORE_OP_MIN, false },
    { "max", STORE_OP_MAX, false },     { "var", STORE_OP_VARIANCE, false },
};

static enum err where_add(struct planner *planner, struct written *to, str filter)
{
    if (str_is_empty(filter))
        return ERR_OK;
    if (to->measure.of == STORE_OF_SCORES)
        return refuse(planner, filter, "'where' is of spans, not of scores: use q=");
    return filter_of(planner, filter, &to->measure.filter);
}

/* count() and traces() count what their filter chooses; count(score.x) scores. */
static enum err of_filter(struct planner *planner, struct written *to)
{
    to->kind = QUERY_KIND_COUNT;
    if (to->measure.op == STORE_OP_COUNT && str_starts(to->what, STR_OF("score"))) {
        enum err code = of_scores(planner, to);
        to->kind = QUERY_KIND_COUNT;
        return code == ERR_OK ? where_add(planner, to, to->where) : code;
    }
    if (!str_is_empty(to->what) && !str_is_empty(to->where))
        return refuse(planner, to->what, "a filter stands in the brackets or after 'where'");
    return where_add(planner, to, str_is_empty(to->what) ? to->where : to->what);
}

static enum err parse(struct planner *planner, str text, struct written *to)
{
    *to = (struct written){ .measure.name = STR_NONE };
    enum err code = split(planner, text, to);
    if (code != ERR_OK)
        return code;
    size_t i = 0;
    while (i < COUNT_OF(ops) && !str_equal_c(to->op, ops[i].name))
        i++;
    if (i < COUNT_OF(ops))
        to->measure.op = ops[i].op;
    else if (percentile_of(to->op, &to->measure.quantile))
        to->measure.op = STORE_OP_QUANTILE;
    else
        return refuse(planner, to->op,
                      "is no operation: count, share, traces, known, distinct, sum, avg, min, max, "
                      "var, median or p0 to p100");
    if (i < COUNT_OF(ops) && ops[i].of_spans)
        return of_filter(planner, to);
    code = of_what(planner, to);
    if (to->measure.op == STORE_OP_COUNT || to->measure.op == STORE_OP_DISTINCT)
        to->kind = QUERY_KIND_COUNT;
    else if (to->measure.op == STORE_OP_VARIANCE)
        to->kind = QUERY_KIND_NUMBER;
    return code == ERR_OK ? where_add(planner, to, to->where) : code;
}

/* -- into the plan -- */

static bool measures_equal(const struct store_measure *a, const struct store_measure *b)
{
    bool is_same_name = str_is_none(a->name) == str_is_none(b->name) && str_equal(a->name, b->name);
    return a->op == b->op && a->of == b->of && a->field == b->field && is_same_name &&
           !(a->quantile < b->quantile) && !(a->quantile > b->quantile) && a->filter == b->filter &&
           a->is_evaluated == b->is_evaluated && a->verdict == b->verdict &&
           a->sources == b->sources;
}

static enum err measure_put(struct planner *planner, str text, struct written *written,
                            uint32_t *ret_index)
{
    struct store_aggregate *ask = &planner->plan->ask;
    enum err code = parse(planner, text, written);
    if (code != ERR_OK)
        return code;
    uint32_t index = 0;
    while (index < ask->measure_count && !measures_equal(&ask->measures[index], &written->measure))
        index++;
    /* What groups are ordered by is found in the first two places. */
    if (planner->plan->metric_count == 0)
        index = ask->measure_count;
    if (index == STORE_MEASURES_MAX)
        return diag_set(planner->why, ERR_LIMIT, "too many metrics");
    if (index == ask->measure_count)
        ask->measures[ask->measure_count++] = written->measure;
    *ret_index = index;
    return ERR_OK;
}

static enum err put_parts(struct planner *planner, struct query_metric *metric, str top, str bottom,
                          str unknown)
{
    struct written written;
    enum err code = measure_put(planner, top, &written, &metric->top);
    if (code == ERR_OK && metric->kind == QUERY_KIND_COUNT_OF)
        metric->kind = written.kind;
    if (code == ERR_OK && !str_is_empty(bottom))
        code = measure_put(planner, bottom, &written, &metric->bottom);
    if (code == ERR_OK && !str_is_empty(unknown)) {
        metric->has_unknown = true;
        code = measure_put(planner, unknown, &written, &metric->unknown);
    }
    return code;
}

/* avg(x) and share(f) are ratios of two of the others. */
static enum err put_written(struct planner *planner, str text, struct query_metric *metric)
{
    struct written parts = { .measure.name = STR_NONE };
    *metric = (struct query_metric){ .name = text, .json = text, .kind = QUERY_KIND_COUNT_OF };
    enum err code = split(planner, text, &parts);
    bool is_avg = str_equal_c(parts.op, "avg"), is_share = str_equal_c(parts.op, "share");
    if (code != ERR_OK || !(is_avg || is_share))
        return code == ERR_OK ? put_parts(planner, metric, text, STR_NONE, STR_NONE) : code;
    str rest = str_from(text, str_find_char(text, '('));
    metric->combine = QUERY_COMBINE_RATIO;
    if (is_avg) {
        code = put_parts(planner, metric, arena_printf(planner->arena, "sum%.*s", STR_ARG(rest)),
                         arena_printf(planner->arena, "known%.*s", STR_ARG(rest)), STR_NONE);
        if (metric->kind == QUERY_KIND_COUNT)
            metric->kind = QUERY_KIND_NUMBER;
        return code;
    }
    if (str_is_empty(parts.what))
        return refuse(planner, text, "share() needs a filter");
    str where = str_from(text, closing(text, text.len - rest.len) + 1);
    str both = str_is_empty(parts.where) ? parts.what
                                         : arena_printf(planner->arena, "(%.*s) and (%.*s)",
                                                        STR_ARG(parts.what), STR_ARG(parts.where));
    metric->kind = QUERY_KIND_SHARE;
    return put_parts(planner, metric, arena_printf(planner->arena, "count(%.*s)", STR_ARG(both)),
                     arena_printf(planner->arena, "count()%.*s", STR_ARG(where)), STR_NONE);
}

static enum err unknown_name(struct planner *planner, str name)
{
    const char *names[COUNT_OF(rows)];
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        names[i] = rows[i].name;
    (void)diag_set(planner->why, ERR_BAD_INPUT, "unknown '%.*s'",
                   (int)MIN(name.len, (size_t)SHOWN_MAX), name.ptr);
    const char *nearest = name_nearest(name, names, COUNT_OF(names));
    if (nearest)
        (void)diag_hint(planner->why, "did you mean '%s'?", nearest);
    else
        (void)diag_hint(planner->why, "a name of docs/metrics.md, or written as p90(latency)");
    return ERR_BAD_INPUT;
}

static enum err put_metric(struct planner *planner, str name, struct query_metric *metric)
{
    planner->of_table = false;
    if (str_find_char(name, '(') < name.len)
        return put_written(planner, name, metric);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct metric_row *row = &rows[i];
        if (!str_equal_c(name, row->name))
            continue;
        *metric = (struct query_metric){ .name = str_from_c(row->name),
                                         .json = str_from_c(row->json),
                                         .kind = row->kind,
                                         .combine = row->combine };
        planner->of_table = true;
        return put_parts(planner, metric, str_from_c(row->top), str_from_c(row->bottom),
                         str_from_c(row->unknown));
    }
    return unknown_name(planner, name);
}

/* The next item of a comma list; commas in brackets and quotes are its own. */
static str next_item(str *rest)
{
    size_t depth = 0, i = 0;
    bool is_quoted = false;
    for (; i < rest->len; i++) {
        char c = rest->ptr[i];
        if (c == '"')
            is_quoted = !is_quoted;
        else if (!is_quoted && c == '(')
            depth++;
        else if (!is_quoted && c == ')' && depth > 0)
            depth--;
        else if (!is_quoted && c == ',' && depth == 0)
            break;
    }
    str item = str_trim(str_sub(*rest, 0, i));
    *rest = i < rest->len ? str_from(*rest, i + 1) : STR_NONE;
    return item;
}

enum err metrics_plan(struct arena *arena, str list, struct query_aggregate *plan,
                      struct diag *reterr_why)
{
    struct planner *planner = xcalloc(1, sizeof *planner);
    *planner = (struct planner){ .arena = arena, .plan = plan, .why = reterr_why };
    enum err code = ERR_OK;
    str rest = list;
    do {
        str item = next_item(&rest);
        uint32_t i = 0;
        while (i < plan->metric_count && !str_equal(plan->metrics[i].name, item))
            i++;
        if (i < plan->metric_count)
            continue;
        if (i == QUERY_METRICS_MAX)
            code = diag_set(reterr_why, ERR_LIMIT, "at most %d metrics", QUERY_METRICS_MAX);
        else
            code = put_metric(planner, item, &plan->metrics[i]);
        plan->metric_count += code == ERR_OK;
    } while (code == ERR_OK && !str_is_none(rest));
    enum query_combine combine = plan->metrics[0].combine;
    plan->ask.order = combine == QUERY_COMBINE_RATIO || combine == QUERY_COMBINE_PER_NS
                          ? STORE_ORDER_RATIO
                      : combine == QUERY_COMBINE_DIFFERENCE ? STORE_ORDER_DIFFERENCE
                                                            : STORE_ORDER_VALUE;
    xfree(planner);
    return code;
}
