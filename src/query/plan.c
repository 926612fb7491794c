/* plan.c -- from the parameters of a list or an aggregate to what a store is asked.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "query/query_int.h"

enum { SHOWN_MAX = 40 };
static const int64_t range_default_ns = INT64_C(24) * 3600 * NS_PER_S;
static const int64_t ahead_default_ns = 300 * NS_PER_S;

str asked_for(const struct asked *asked, const char *name)
{
    return query_param_find(asked->params, asked->count, str_from_c(name));
}

enum err plan_in_param(enum err code, const char *name, struct diag *reterr_why)
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

enum err plan_filter(struct arena *arena, const struct asked *asked,
                     const struct filter **ret_filter, struct diag *reterr_why)
{
    str text = asked_for(asked, "q");
    if (str_is_none(text)) {
        *ret_filter = NULL;
        return ERR_OK;
    }
    enum err code = query_parse_filter(arena, text, asked->now_ns, ret_filter, reterr_why);
    return plan_in_param(code, "q", reterr_why);
}

enum err plan_range(const struct asked *asked, struct time_range *ret_range,
                    struct diag *reterr_why)
{
    struct time_range range = { .to_ns = asked->now_ns + ahead_default_ns };
    str from = asked_for(asked, "from"), to = asked_for(asked, "to");
    enum err code = ERR_OK;
    if (!str_is_none(to))
        code = query_parse_time(to, asked->now_ns, &range.to_ns, reterr_why);
    if (code != ERR_OK)
        return plan_in_param(code, "to", reterr_why);
    int64_t end = str_is_none(to) ? asked->now_ns : range.to_ns;
    if (ADD_OVERFLOWS(end, -range_default_ns, &range.from_ns))
        range.from_ns = INT64_MIN;
    if (!str_is_none(from))
        code = query_parse_time(from, asked->now_ns, &range.from_ns, reterr_why);
    if (code != ERR_OK)
        return plan_in_param(code, "from", reterr_why);
    if (range.from_ns >= range.to_ns)
        return diag_set(reterr_why, ERR_BAD_INPUT, "from: is not before 'to'");
    *ret_range = range;
    return ERR_OK;
}

enum err plan_limit(const struct asked *asked, uint32_t fallback, uint32_t max, uint32_t *ret_limit,
                    struct diag *reterr_why)
{
    str text = asked_for(asked, "limit");
    uint64_t limit = fallback;
    if (!str_is_none(text) && (!str_to_u64(text, &limit) || limit < 1 || limit > max))
        return diag_set(reterr_why, ERR_BAD_INPUT, "limit: must be a number from 1 to %u", max);
    *ret_limit = (uint32_t)limit;
    return ERR_OK;
}

enum err plan_pick(const char *param, str word, const char *const *names, size_t count,
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
        enum err code = plan_pick("sort", word, names, COUNT_OF(names), &index, reterr_why);
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
        code = plan_in_param(cursor_read(cursor, &list, reterr_why), "cursor", reterr_why);
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
        code = plan_in_param(cursor_read(cursor, &list, reterr_why), "cursor", reterr_why);
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
    enum score_source source;
    if (!score_source_of(word, &source))
        return diag_set(reterr_why, ERR_BAD_INPUT,
                        "source: must be api, user, judge, code, human or outcome");
    scores->sources = UINT32_C(1) << source;
    return ERR_OK;
}

/* Which of them: ids, range and page. */
static enum err plan_score_page(const struct asked *asked, struct store_scores *scores,
                                struct diag *reterr_why)
{
    struct store_list list = { .sort = STORE_SORT_START };
    enum err code = plan_score_ids(asked, scores, reterr_why);
    if (code == ERR_OK)
        code = plan_range(asked, &scores->scope.range, reterr_why);
    if (code == ERR_OK)
        code = plan_limit(asked, QUERY_LIMIT_DEFAULT, QUERY_LIMIT_MAX, &scores->limit, reterr_why);
    scores->session_id = asked_for(asked, "session_id");
    bool is_narrow = scores->has_trace_id || !str_is_none(scores->session_id);
    if (is_narrow && str_is_none(asked_for(asked, "from")))
        scores->scope.range.from_ns = INT64_MIN / 2;
    str cursor = asked_for(asked, "cursor");
    if (code == ERR_OK && !str_is_empty(cursor))
        code = plan_in_param(cursor_read(cursor, &list, reterr_why), "cursor", reterr_why);
    scores->has_after = list.has_after;
    scores->after_time_ns = list.after_start_ns;
    scores->after_id = list.after_trace_id;
    return code;
}

enum err query_plan_scores(const struct query_param *params, size_t count, int64_t now_ns,
                           struct store_scores *ret_scores, struct diag *reterr_why)
{
    static const char *const allowed[] = { "trace_id", "span_id", "session_id", "name",  "source",
                                           "from",     "to",      "limit",      "cursor" };
    struct asked asked = { params, count, now_ns };
    struct store_scores scores = { .scope.project = STR_NONE };
    enum err code = query_params_check(params, count, allowed, COUNT_OF(allowed), reterr_why);
    if (code == ERR_OK)
        code = plan_score_source(&asked, &scores, reterr_why);
    scores.name = asked_for(&asked, "name");
    if (code == ERR_OK)
        code = plan_score_page(&asked, &scores, reterr_why);
    if (code == ERR_OK)
        *ret_scores = scores;
    return code;
}

/* A comma list of kinds to the sources that they come from. */
static enum err plan_event_kinds(const struct asked *asked, uint32_t *ret_sources,
                                 struct diag *reterr_why)
{
    static const char *const names[] = { "deploy", "outcome", "feedback", "evaluation", "score" };
    static const uint32_t sources[] = { 1 << SCORE_IS_DEPLOY, 1 << SCORE_IS_OUTCOME,
                                        1 << SCORE_BY_USER, 1 << SCORE_BY_JUDGE,
                                        1 << SCORE_BY_API | 1 << SCORE_BY_CODE |
                                            1 << SCORE_BY_HUMAN };
    str rest = asked_for(asked, "kind"), word;
    *ret_sources = str_is_none(rest) ? (UINT32_C(1) << SCORE_SOURCE_COUNT) - 1 : 0;
    while (!str_is_none(rest) && str_next(&rest, ',', &word)) {
        size_t index;
        enum err code = plan_pick("kind", word, names, COUNT_OF(names), &index, reterr_why);
        if (code != ERR_OK)
            return code;
        *ret_sources |= sources[index];
    }
    return ERR_OK;
}

enum err query_plan_events(const struct query_param *params, size_t count, int64_t now_ns,
                           struct store_scores *ret_scores, struct diag *reterr_why)
{
    static const char *const allowed[] = { "kind", "service", "trace_id", "session_id",
                                           "from", "to",      "limit",    "cursor" };
    struct asked asked = { params, count, now_ns };
    struct store_scores scores = { .scope.project = STR_NONE };
    enum err code = query_params_check(params, count, allowed, COUNT_OF(allowed), reterr_why);
    if (code == ERR_OK)
        code = plan_event_kinds(&asked, &scores.sources, reterr_why);
    scores.name = asked_for(&asked, "service");
    if (!str_is_none(scores.name)) /* others have none */
        scores.sources &= 1 << SCORE_IS_DEPLOY;
    if (code == ERR_OK && scores.sources == 0)
        code = diag_set(reterr_why, ERR_BAD_INPUT, "service: is of deploys, which 'kind' excludes");
    if (code == ERR_OK)
        code = plan_score_page(&asked, &scores, reterr_why);
    if (code == ERR_OK)
        *ret_scores = scores;
    return code;
}
