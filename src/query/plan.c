/* plan.c -- from the parameters of a list or an aggregate to what a store is asked.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "query/query_int.h"

enum { SHOWN_MAX = 40, BUCKET_STEP_NS_MIN = 1000000000 };
static const int64_t range_default_ns = INT64_C(24) * 3600 * NS_PER_S;
static const int64_t ahead_default_ns = 300 * NS_PER_S;

/* The parameters of one request, found. */
struct asked {
    const struct query_param *params;
    size_t count;
    int64_t now_ns;
};

static str asked_for(const struct asked *asked, const char *name)
{
    return query_param_find(asked->params, asked->count, str_from_c(name));
}

/* Errors of parsers speak of their own text: say which parameter it was. */
static enum err in_param(enum err code, const char *name, struct diag *reterr_why)
{
    if (!reterr_why || code == ERR_OK)
        return code;
    char text[DIAG_TEXT_MAX];
    memcpy(text, reterr_why->text, sizeof text);
    text[DIAG_TEXT_MAX - 1] = '\0';
    str inner = str_sub(str_from_c(text), 0, DIAG_TEXT_MAX - 16);
    struct diag why = *reterr_why;
    (void)diag_set_at(&why, code, reterr_why->offset, "%s: %.*s", name, STR_ARG(inner));
    memcpy(why.hint, reterr_why->hint, sizeof why.hint);
    *reterr_why = why;
    return code;
}

static enum err plan_filter(struct arena *arena, const struct asked *asked,
                            const struct filter **ret_filter, struct diag *reterr_why)
{
    str text = asked_for(asked, "q");
    if (str_is_none(text)) {
        *ret_filter = NULL;
        return ERR_OK;
    }
    enum err code = query_parse_filter(arena, text, asked->now_ns, ret_filter, reterr_why);
    return in_param(code, "q", reterr_why);
}

static enum err plan_range(const struct asked *asked, struct time_range *ret_range,
                           struct diag *reterr_why)
{
    struct time_range range = { .to_ns = asked->now_ns + ahead_default_ns };
    str from = asked_for(asked, "from"), to = asked_for(asked, "to");
    enum err code = ERR_OK;
    if (!str_is_none(to))
        code = query_parse_time(to, asked->now_ns, &range.to_ns, reterr_why);
    if (code != ERR_OK)
        return in_param(code, "to", reterr_why);
    int64_t end = str_is_none(to) ? asked->now_ns : range.to_ns;
    if (ADD_OVERFLOWS(end, -range_default_ns, &range.from_ns))
        range.from_ns = INT64_MIN;
    if (!str_is_none(from))
        code = query_parse_time(from, asked->now_ns, &range.from_ns, reterr_why);
    if (code != ERR_OK)
        return in_param(code, "from", reterr_why);
    if (range.from_ns >= range.to_ns)
        return diag_set(reterr_why, ERR_BAD_INPUT, "from: is not before 'to'");
    *ret_range = range;
    return ERR_OK;
}

static enum err plan_limit(const struct asked *asked, uint32_t fallback, uint32_t max,
                           uint32_t *ret_limit, struct diag *reterr_why)
{
    str text = asked_for(asked, "limit");
    uint64_t limit = fallback;
    if (!str_is_none(text) && (!str_to_u64(text, &limit) || limit < 1 || limit > max))
        return diag_set(reterr_why, ERR_BAD_INPUT, "limit: must be a number from 1 to %u", max);
    *ret_limit = (uint32_t)limit;
    return ERR_OK;
}

/* One of names[]; the error suggests the nearest. */
static enum err pick(const char *param, str word, const char *const *names, size_t count,
                     size_t *ret_index, struct diag *reterr_why)
{
    for (size_t i = 0; i < count; i++)
        if (str_equal_c(word, names[i])) {
            *ret_index = i;
            return ERR_OK;
        }
    (void)diag_set(reterr_why, ERR_BAD_INPUT, "%s: unknown '%.*s'", param,
                   (int)MIN(word.len, (size_t)SHOWN_MAX), word.ptr);
    const char *nearest = name_nearest(word, names, count);
    if (nearest)
        (void)diag_hint(reterr_why, "did you mean '%s'?", nearest);
    else
        (void)diag_hint(reterr_why, "the first of them is '%s'", names[0]);
    return ERR_BAD_INPUT;
}

static enum err plan_sort(const struct asked *asked, enum store_sort *ret_sort,
                          struct diag *reterr_why)
{
    static const char *const names[] = {
        [STORE_SORT_START] = "start",   [STORE_SORT_LATENCY] = "latency",
        [STORE_SORT_COST] = "cost",     [STORE_SORT_TOKENS] = "tokens",
        [STORE_SORT_OLDEST] = "oldest",
    };
    size_t index = STORE_SORT_START;
    str word = asked_for(asked, "sort");
    if (!str_is_none(word)) {
        enum err code = pick("sort", word, names, COUNT_OF(names), &index, reterr_why);
        if (code != ERR_OK)
            return code;
    }
    *ret_sort = (enum store_sort)index;
    return ERR_OK;
}

enum err query_plan_list(struct arena *arena, const struct query_param *params, size_t count,
                         int64_t now_ns, struct store_list *ret_list, struct diag *reterr_why)
{
    assert(arena && ret_list);
    static const char *const allowed[] = { "q", "from", "to", "sort", "limit", "cursor" };
    struct asked asked = { params, count, now_ns };
    struct store_list list = { .scope.project = STR_NONE };
    enum err code = query_params_check(params, count, allowed, COUNT_OF(allowed), reterr_why);
    if (code == ERR_OK)
        code = plan_filter(arena, &asked, &list.filter, reterr_why);
    if (code == ERR_OK)
        code = plan_range(&asked, &list.scope.range, reterr_why);
    if (code == ERR_OK)
        code = plan_limit(&asked, QUERY_LIMIT_DEFAULT, QUERY_LIMIT_MAX, &list.limit, reterr_why);
    if (code == ERR_OK)
        code = plan_sort(&asked, &list.sort, reterr_why);
    str cursor = asked_for(&asked, "cursor");
    if (code == ERR_OK && !str_is_empty(cursor))
        code = in_param(cursor_read(cursor, &list, reterr_why), "cursor", reterr_why);
    if (code != ERR_OK)
        return code;
    *ret_list = list;
    return ERR_OK;
}

enum err query_plan_trace(const struct query_param *params, size_t count,
                          struct store_list *ret_list, struct diag *reterr_why)
{
    static const char *const allowed[] = { "limit", "cursor" };
    struct asked asked = { params, count, 0 };
    struct store_list list = { .scope.project = STR_NONE, .sort = STORE_SORT_OLDEST };
    str cursor = asked_for(&asked, "cursor");
    enum err code = query_params_check(params, count, allowed, COUNT_OF(allowed), reterr_why);
    if (code == ERR_OK)
        code = plan_limit(&asked, QUERY_TRACE_SPANS_MAX, QUERY_TRACE_SPANS_MAX, &list.limit,
                          reterr_why);
    if (code == ERR_OK && !str_is_empty(cursor))
        code = in_param(cursor_read(cursor, &list, reterr_why), "cursor", reterr_why);
    if (code == ERR_OK)
        *ret_list = list;
    return code;
}

static enum err plan_score_ids(const struct asked *asked, struct store_scores *scores,
                               struct diag *reterr_why)
{
    str trace = asked_for(asked, "trace_id"), span = asked_for(asked, "span_id");
    scores->has_trace_id = !str_is_none(trace);
    scores->has_span_id = !str_is_none(span);
    if (scores->has_trace_id &&
        (trace.len != 32 || !hex_decode(trace, &scores->trace_id, sizeof scores->trace_id)))
        return diag_set(reterr_why, ERR_BAD_INPUT, "trace_id: must be 32 hex digits");
    if (scores->has_span_id &&
        (span.len != 16 || !hex_decode(span, &scores->span_id, sizeof scores->span_id)))
        return diag_set(reterr_why, ERR_BAD_INPUT, "span_id: must be 16 hex digits");
    return ERR_OK;
}

static enum err plan_score_source(const struct asked *asked, struct store_scores *scores,
                                  struct diag *reterr_why)
{
    str word = asked_for(asked, "source");
    if (str_is_none(word))
        return ERR_OK;
    scores->has_source = true;
    if (score_source_of(word, &scores->source))
        return ERR_OK;
    return diag_set(reterr_why, ERR_BAD_INPUT, "source: must be api, user, judge, code or human");
}

enum err query_plan_scores(const struct query_param *params, size_t count, int64_t now_ns,
                           struct store_scores *ret_scores, struct diag *reterr_why)
{
    static const char *const allowed[] = { "trace_id", "span_id", "session_id", "name",  "source",
                                           "from",     "to",      "limit",      "cursor" };
    struct asked asked = { params, count, now_ns };
    struct store_scores scores = { .scope.project = STR_NONE };
    struct store_list list = { .sort = STORE_SORT_START };
    enum err code = query_params_check(params, count, allowed, COUNT_OF(allowed), reterr_why);
    if (code == ERR_OK)
        code = plan_score_ids(&asked, &scores, reterr_why);
    if (code == ERR_OK)
        code = plan_score_source(&asked, &scores, reterr_why);
    if (code == ERR_OK)
        code = plan_range(&asked, &scores.scope.range, reterr_why);
    if (code == ERR_OK)
        code = plan_limit(&asked, QUERY_LIMIT_DEFAULT, QUERY_LIMIT_MAX, &scores.limit, reterr_why);
    scores.session_id = asked_for(&asked, "session_id");
    scores.name = asked_for(&asked, "name");
    bool is_narrow = scores.has_trace_id || !str_is_none(scores.session_id);
    if (is_narrow && str_is_none(asked_for(&asked, "from")))
        scores.scope.range.from_ns = INT64_MIN / 2;
    str cursor = asked_for(&asked, "cursor");
    if (code == ERR_OK && !str_is_empty(cursor))
        code = in_param(cursor_read(cursor, &list, reterr_why), "cursor", reterr_why);
    if (code != ERR_OK)
        return code;
    scores.has_after = list.has_after;
    scores.after_time_ns = list.after_start_ns;
    scores.after_id = list.after_trace_id;
    *ret_scores = scores;
    return ERR_OK;
}

static enum err plan_metrics(const struct asked *asked, struct store_aggregate *aggregate,
                             struct diag *reterr_why)
{
    static const char *const names[] = {
#define METRIC(name, id, json, kind, doc) [STORE_##id] = name,
#include "query/metric.def"
#undef METRIC
    };
    str rest = asked_for(asked, "metric");
    if (str_is_none(rest))
        rest = STR_OF("count");
    bool taken[STORE_METRIC_COUNT] = { false };
    for (str piece; !str_is_none(rest) && str_next(&rest, ',', &piece);) {
        size_t index;
        enum err code = pick("metric", str_trim(piece), names, COUNT_OF(names), &index, reterr_why);
        if (code != ERR_OK)
            return code;
        if (taken[index])
            continue;
        taken[index] = true;
        aggregate->metrics[aggregate->metric_count++] = (enum store_metric)index;
    }
    return ERR_OK;
}

static bool can_group_by(enum field field)
{
    switch (field_table[field].type) {
    case FIELD_TYPE_STR:
    case FIELD_TYPE_I64:
    case FIELD_TYPE_BOOL:
        return true;
    case FIELD_TYPE_ID16:
    case FIELD_TYPE_ID8:
    case FIELD_TYPE_F64:
    case FIELD_TYPE_TIME:
    case FIELD_TYPE_NS:
    case FIELD_TYPE_NANO:
    case FIELD_TYPE_STRS:
    case FIELD_TYPE_F64S:
    case FIELD_TYPE_JSON:
        break;
    }
    return false;
}

static enum err plan_by(const struct asked *asked, struct store_aggregate *aggregate,
                        struct diag *reterr_why)
{
    str rest = asked_for(asked, "by");
    for (str piece; !str_is_none(rest) && str_next(&rest, ',', &piece);) {
        struct name_target target;
        str name = str_trim(piece);
        if (str_is_empty(name))
            continue;
        if (aggregate->by_count == STORE_BY_MAX)
            return diag_set(reterr_why, ERR_LIMIT, "by: at most %d names", STORE_BY_MAX);
        bool is_quoted = name.len > 2 && name.ptr[0] == '"' && name.ptr[name.len - 1] == '"';
        if (is_quoted)
            name = str_sub(name, 1, name.len - 2);
        enum err code = name_resolve(name, is_quoted, SIZE_MAX, &target, reterr_why);
        if (code != ERR_OK)
            return in_param(code, "by", reterr_why);
        if (target.field != FIELD_COUNT && !can_group_by(target.field))
            return diag_set(reterr_why, ERR_BAD_INPUT, "by: '%s' is no text, number or boolean",
                            name_of_field(target.field));
        aggregate->by[aggregate->by_count] = target.field;
        aggregate->by_attr[aggregate->by_count++] = target.attr_key;
    }
    return ERR_OK;
}

static enum err plan_step(const struct asked *asked, struct store_aggregate *aggregate,
                          struct diag *reterr_why)
{
    str text = asked_for(asked, "step");
    if (str_is_none(text))
        return ERR_OK;
    int64_t step;
    if (!duration_parse(text, &step) || step < BUCKET_STEP_NS_MIN)
        return diag_set(reterr_why, ERR_BAD_INPUT, "step: must be a duration of 1s or more");
    int64_t span;
    if (ADD_OVERFLOWS(aggregate->scope.range.to_ns, -aggregate->scope.range.from_ns, &span) ||
        span / step > QUERY_BUCKETS_MAX) {
        (void)diag_set(reterr_why, ERR_LIMIT, "step: more than %d steps in this range",
                       QUERY_BUCKETS_MAX);
        (void)diag_hint(reterr_why, "take a larger step or a shorter range");
        return ERR_LIMIT;
    }
    aggregate->step_ns = step;
    return ERR_OK;
}

enum err query_plan_aggregate(struct arena *arena, const struct query_param *params, size_t count,
                              int64_t now_ns, struct store_aggregate *ret_aggregate,
                              struct diag *reterr_why)
{
    assert(arena && ret_aggregate);
    static const char *const allowed[] = { "metric", "by", "step", "q", "from", "to", "limit" };
    struct asked asked = { params, count, now_ns };
    struct store_aggregate plan = { .scope.project = STR_NONE };
    enum err code = query_params_check(params, count, allowed, COUNT_OF(allowed), reterr_why);
    if (code == ERR_OK)
        code = plan_filter(arena, &asked, &plan.filter, reterr_why);
    if (code == ERR_OK)
        code = plan_range(&asked, &plan.scope.range, reterr_why);
    if (code == ERR_OK)
        code = plan_metrics(&asked, &plan, reterr_why);
    if (code == ERR_OK)
        code = plan_by(&asked, &plan, reterr_why);
    if (code == ERR_OK)
        code = plan_step(&asked, &plan, reterr_why);
    uint32_t fallback = plan.step_ns ? QUERY_STEP_ROWS_DEFAULT : QUERY_LIMIT_DEFAULT;
    uint32_t max = plan.step_ns ? QUERY_STEP_ROWS_MAX : QUERY_LIMIT_MAX;
    if (code == ERR_OK)
        code = plan_limit(&asked, fallback, max, &plan.limit, reterr_why);
    if (code != ERR_OK)
        return code;
    *ret_aggregate = plan;
    return ERR_OK;
}
