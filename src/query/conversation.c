/* conversation.c -- what to ask about conversations, and turns put together as conversations.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "query/conversation.h"
#include "base/text.h"
#include "query/query_int.h"

#include <stddef.h>
#include <stdlib.h>

static const int64_t hour_ns = INT64_C(3600) * NS_PER_S;
static const int64_t idle_default_ns = INT64_C(1800) * NS_PER_S;

/* -- the plan -- */

static const struct {
    enum field field;
    size_t offset;
} trace_texts[] = {
    { FIELD_service, offsetof(struct trace_row, service) },
    { FIELD_endpoint, offsetof(struct trace_row, endpoint) },
    { FIELD_environment, offsetof(struct trace_row, environment) },
    { FIELD_release, offsetof(struct trace_row, release) },
    { FIELD_tenant_id, offsetof(struct trace_row, tenant_id) },
    { FIELD_feature, offsetof(struct trace_row, feature) },
    { FIELD_provider, offsetof(struct trace_row, provider) },
    { FIELD_generator_model, offsetof(struct trace_row, generator_model) },
    { FIELD_prompt_template_id, offsetof(struct trace_row, prompt_template_id) },
    { FIELD_prompt_version, offsetof(struct trace_row, prompt_version) },
    { FIELD_retriever, offsetof(struct trace_row, retriever) },
    { FIELD_index_version, offsetof(struct trace_row, index_version) },
};

str conversation_trace_text(const struct trace_row *row, enum field field)
{
    for (size_t i = 0; i < COUNT_OF(trace_texts); i++)
        if (trace_texts[i].field == field)
            return *(const str *)(const void *)((const char *)row + trace_texts[i].offset);
    return STR_NONE;
}

static enum err plan_trace_by(const struct asked *asked, enum field *ret_by,
                              struct diag *reterr_why)
{
    const char *names[COUNT_OF(trace_texts)];
    str text = asked_for(asked, "by");
    struct name_target target;
    size_t index;
    *ret_by = FIELD_COUNT;
    if (str_is_none(text))
        return ERR_OK;
    for (size_t i = 0; i < COUNT_OF(trace_texts); i++)
        names[i] = name_of_field(trace_texts[i].field);
    bool is_name = name_resolve(text, false, SIZE_MAX, &target, NULL) == ERR_OK;
    str name =
        is_name && target.field != FIELD_COUNT ? str_from_c(name_of_field(target.field)) : text;
    enum err code = plan_pick("by", name, names, COUNT_OF(names), &index, reterr_why);
    if (code == ERR_OK)
        *ret_by = trace_texts[index].field;
    return code;
}

bool conversation_zone(str text, int64_t *ret_ns)
{
    enum { HOURS_MAX = 14, MINUTES = 60, QUARTER = 15 };
    uint64_t hours, minutes;
    *ret_ns = 0;
    if (str_equal_c(text, "Z") || str_equal_c(text, "UTC"))
        return true;
    bool has_colon = text.len == 6 && text.ptr[3] == ':';
    if (!(has_colon || text.len == 5) || !str_to_u64(str_sub(text, 1, 2), &hours) ||
        !str_to_u64(str_from(text, text.len - 2), &minutes))
        return false;
    /* + came as a space: it means one in a URL */
    bool is_ahead = text.ptr[0] == '+' || text.ptr[0] == ' ', is_behind = text.ptr[0] == '-';
    if (!(is_ahead || is_behind) || hours > HOURS_MAX || minutes >= MINUTES || minutes % QUARTER)
        return false;
    int64_t ns = ((int64_t)hours * MINUTES + (int64_t)minutes) * MINUTES * NS_PER_S;
    *ret_ns = is_ahead ? ns : -ns;
    return true;
}

static enum err plan_duration(const struct asked *asked, const char *name, int64_t *value,
                              struct diag *reterr_why)
{
    str text = asked_for(asked, name);
    if (str_is_none(text) || (duration_parse(text, value) && *value > 0))
        return ERR_OK;
    return diag_set(reterr_why, ERR_BAD_INPUT, "%s: must be a duration, as 8s", name);
}

static enum err plan_own(const struct asked *asked, struct conversation_ask *ask,
                         struct diag *reterr_why)
{
    str zone = asked_for(asked, "tz");
    ask->idle_ns = idle_default_ns;
    ask->zone = str_is_none(zone) ? STR_OF("UTC") : zone;
    if (!conversation_zone(ask->zone, &ask->zone_ns))
        return diag_set(reterr_why, ERR_BAD_INPUT,
                        "tz: must be UTC or an offset in quarters of an hour, as +02:00");
    enum err code = plan_trace_by(asked, &ask->by, reterr_why);
    if (code == ERR_OK)
        code = plan_duration(asked, "slow", &ask->slow_ns, reterr_why);
    return code == ERR_OK ? plan_duration(asked, "idle", &ask->idle_ns, reterr_why) : code;
}

static enum err plan_totals(struct arena *arena, const struct report_request *request,
                            struct conversation_ask *ask, struct diag *reterr_why)
{
    static const struct report_part totals = {
        .metrics = "sessions,turns,cost,total_tokens,regenerations,corrections,"
                   "count(score.retry pass),truncated,retries,escalations,resolutions",
        .filter = "has:session_id"
    };
    static const struct report_part inputs = {
        .metrics = "largest_input",
        .by = "session_id,provider,generator_model",
        .filter = "has:session_id and step:model and has:input_tokens and not rollup:true",
        .limit = CONVERSATION_INPUTS_MAX
    };
    enum err code = report_plan(arena, request, &totals, &ask->totals, reterr_why);
    if (code == ERR_OK)
        code = report_plan(arena, request, &inputs, &ask->inputs, reterr_why);
    return code;
}

/* Steps so wide that each lies in one hour of the zone.  Not asked of a range that is too long. */
static enum err plan_hours(struct arena *arena, const struct report_request *request,
                           struct conversation_ask *ask, struct diag *reterr_why)
{
    const struct time_range *range = &ask->totals.ask.scope.range;
    bool is_whole = ask->zone_ns % hour_ns == 0;
    int64_t length, step = is_whole ? hour_ns : hour_ns / 4;
    const struct report_part hours = { .metrics = "turns",
                                       .filter = "has:session_id",
                                       .step = is_whole ? "1h" : "15m",
                                       .limit = QUERY_STEP_ROWS_MAX };
    if (ADD_OVERFLOWS(range->to_ns, -range->from_ns, &length) || length / step > QUERY_BUCKETS_MAX)
        return ERR_OK;
    return report_plan(arena, request, &hours, &ask->hours, reterr_why);
}

static enum err plan_turns(struct arena *arena, const struct asked *asked, const char *what,
                           struct conversation_ask *ask, struct store_list *ret_list,
                           struct diag *reterr_why)
{
    const struct filter *own = NULL, *q = NULL;
    enum err code = plan_filter(arena, asked, &q, reterr_why);
    if (code == ERR_OK)
        code = query_parse_filter(arena, str_from_c(what), asked->now_ns, &own, reterr_why);
    *ret_list = (struct store_list){ .scope = ask->totals.ask.scope,
                                     .filter = filter_join(arena, FILTER_AND, own, q),
                                     .sort = STORE_SORT_START,
                                     .limit = CONVERSATION_TURNS_MAX };
    return code == ERR_OK && !ret_list->filter ? ERR_LIMIT : code;
}

static struct store_scores plan_marks(const struct conversation_ask *ask, const char *name,
                                      uint32_t sources)
{
    struct store_scores scores = { .scope = ask->totals.ask.scope,
                                   .session_id = STR_NONE,
                                   .name = name ? str_from_c(name) : STR_NONE,
                                   .sources = sources,
                                   .limit = CONVERSATION_MARKS_MAX };
    scores.scope.range.to_ns = INT64_MAX; /* what came of it is said later */
    return scores;
}

enum err query_plan_conversations(struct arena *arena, const struct query_param *params,
                                  size_t count, int64_t now_ns, struct conversation_ask *ret_ask,
                                  struct diag *reterr_why)
{
    static const char *const allowed[] = { "q", "from", "to", "by", "tz", "slow", "idle" };
    const struct report_request request = { params, count, now_ns };
    const struct asked asked = { params, count, now_ns };
    *ret_ask = (struct conversation_ask){ .by = FIELD_COUNT };
    enum err code = query_params_check(params, count, allowed, COUNT_OF(allowed), reterr_why);
    if (code == ERR_OK)
        code = plan_own(&asked, ret_ask, reterr_why);
    if (code == ERR_OK)
        code = plan_totals(arena, &request, ret_ask, reterr_why);
    if (code == ERR_OK)
        code = plan_hours(arena, &request, ret_ask, reterr_why);
    if (code == ERR_OK)
        code = plan_turns(arena, &asked, "has:session_id", ret_ask, &ret_ask->turns, reterr_why);
    if (code == ERR_OK)
        code = plan_turns(arena, &asked,
                          "has:session_id any(refusal_flag:true or safety_blocked:true)", ret_ask,
                          &ret_ask->refused, reterr_why);
    if (code == ERR_OK)
        code = plan_turns(arena, &asked,
                          "has:session_id any(finish_reason:length or finish_reason:max_tokens or "
                          "finish_reason:MAX_TOKENS)",
                          ret_ask, &ret_ask->cut, reterr_why);
    ret_ask->votes = plan_marks(ret_ask, NULL, 1U << SCORE_BY_USER);
    ret_ask->escalations = plan_marks(ret_ask, "escalation", 0);
    ret_ask->resolutions = plan_marks(ret_ask, "resolution", 0);
    return code;
}

/* -- turns become conversations -- */

static int id_cmp(const void *a, const void *b)
{
    const struct conversation_turn *x = a, *y = b;
    return memcmp(&x->row->trace_id, &y->row->trace_id, sizeof x->row->trace_id);
}

static int order_cmp(const void *a, const void *b)
{
    const struct conversation_turn *x = a, *y = b;
    int order = str_cmp(x->row->session_id, y->row->session_id);
    if (order)
        return order;
    if (x->row->start_ns != y->row->start_ns)
        return x->row->start_ns < y->row->start_ns ? -1 : 1;
    return id_cmp(a, b);
}

static int latency_cmp(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static int session_cmp(const void *key, const void *item)
{
    return str_cmp(*(const str *)key, ((const struct conversation *)item)->turns->row->session_id);
}

static struct conversation_turn *find_turn(const struct conversations *all,
                                           const struct trace_row *row)
{
    const struct conversation_turn key = { .row = row };
    return all->turn_count ? bsearch(&key, all->turns, all->turn_count, sizeof key, id_cmp) : NULL;
}

static struct conversation *find_session(const struct conversations *all, str session)
{
    return all->count && !str_is_none(session)
               ? bsearch(&session, all->items, all->count, sizeof *all->items, session_cmp)
               : NULL;
}

static struct conversation_turn *find_scored(const struct conversations *all,
                                             const struct score *score)
{
    const struct trace_row row = { .trace_id = score->trace_id };
    return score->has_trace_id ? find_turn(all, &row) : NULL;
}

/* Marks on turns, which are in the order of their ids. */
static void mark_turns(const struct conversations *all, const struct conversation_found *found)
{
    struct conversation_turn *turn;
    for (size_t i = 0; i < found->refused_count; i++)
        if ((turn = find_turn(all, &found->refused[i])))
            turn->is_refused = true;
    for (size_t i = 0; i < found->cut_count; i++)
        if ((turn = find_turn(all, &found->cut[i])))
            turn->is_cut = true;
    for (size_t i = 0; i < found->vote_count; i++)
        if ((turn = find_scored(all, &found->votes[i].score)) &&
            score_verdict(&found->votes[i].score) == STORE_VERDICT_FAIL)
            turn->is_down = true;
    for (size_t i = 0; i < found->escalation_count; i++)
        if ((turn = find_scored(all, &found->escalations[i].score)) &&
            score_verdict(&found->escalations[i].score) == STORE_VERDICT_PASS)
            turn->is_escalated = true;
    for (size_t i = 0; i < found->resolution_count; i++)
        if ((turn = find_scored(all, &found->resolutions[i].score)) &&
            score_verdict(&found->resolutions[i].score) == STORE_VERDICT_PASS)
            turn->resolved_ns = MIN(turn->resolved_ns, found->resolutions[i].score.time_ns);
}

/* Marks on whole conversations.  One of users' votes that names no turn counts for the last. */
static void mark_sessions(struct conversations *all, const struct conversation_found *found)
{
    struct conversation *of;
    for (size_t i = 0; i < found->vote_count; i++) {
        const struct score *score = &found->votes[i].score;
        of = score->has_trace_id ? NULL : find_session(all, score->session_id);
        if (of && score_verdict(score) == STORE_VERDICT_FAIL)
            all->turns[of->turns - all->turns + of->turn_count - 1].is_down = true;
    }
    for (size_t i = 0; i < found->escalation_count; i++) {
        const struct score *score = &found->escalations[i].score;
        of = score->has_trace_id ? NULL : find_session(all, score->session_id);
        if (of && score_verdict(score) == STORE_VERDICT_PASS)
            of->is_escalated = true;
    }
    for (size_t i = 0; i < found->resolution_count; i++) {
        const struct score *score = &found->resolutions[i].score;
        of = score->has_trace_id ? NULL : find_session(all, score->session_id);
        if (of && score_verdict(score) == STORE_VERDICT_PASS)
            of->resolved_ns = MIN(of->resolved_ns, score->time_ns);
    }
}

static enum left_after after_of(const struct conversation_turn *last, int64_t slow_ns)
{
    if (str_equal_c(last->row->status, "error"))
        return LEFT_AFTER_ERROR;
    if (last->is_refused || last->row->safety_blocked == 1)
        return LEFT_AFTER_REFUSAL;
    if (last->is_down)
        return LEFT_AFTER_DOWN_VOTE;
    if (last->is_cut)
        return LEFT_AFTER_TRUNCATION;
    return last->row->end_ns - last->row->start_ns >= slow_ns ? LEFT_AFTER_SLOW
                                                              : LEFT_AFTER_NOTHING;
}

static void group_turns(struct conversations *all)
{
    for (size_t i = 0; i < all->turn_count; i++) {
        struct conversation_turn *turn = &all->turns[i];
        bool is_same = i > 0 && str_equal(turn->row->session_id, all->turns[i - 1].row->session_id);
        if (!is_same)
            all->items[all->count++] =
                (struct conversation){ .turns = turn, .resolved_ns = INT64_MAX };
        struct conversation *of = &all->items[all->count - 1];
        of->turn_count++;
        of->is_escalated |= turn->is_escalated;
        of->resolved_ns = MIN(of->resolved_ns, turn->resolved_ns);
    }
}

static enum err find_slow(struct arena *arena, struct conversations *all)
{
    int64_t *latencies = arena_new(arena, int64_t, all->turn_count + 1);
    if (!latencies)
        return ERR_LIMIT;
    for (size_t i = 0; i < all->turn_count; i++)
        latencies[i] = all->turns[i].row->end_ns - all->turns[i].row->start_ns;
    if (all->turn_count > 0) {
        qsort(latencies, all->turn_count, sizeof *latencies, latency_cmp);
        all->slow_ns = latencies[(all->turn_count * 95 + 99) / 100 - 1];
    }
    return ERR_OK;
}

enum err conversations_make(struct arena *arena, const struct conversation_ask *ask,
                            const struct conversation_found *found, struct conversations *ret,
                            struct diag *reterr_why)
{
    const struct time_range *range = &ask->totals.ask.scope.range;
    int64_t end_ns = MIN(range->to_ns, MAX(ask->totals.now_ns, range->from_ns));
    *ret = (struct conversations){ .turn_count = found->turn_count, .slow_ns = ask->slow_ns };
    ret->turns = arena_new(arena, struct conversation_turn, found->turn_count + 1);
    ret->items = arena_new(arena, struct conversation, found->turn_count + 1);
    if (!ret->turns || !ret->items)
        return diag_set(reterr_why, ERR_LIMIT, "no room for the conversations");
    for (size_t i = 0; i < found->turn_count; i++)
        ret->turns[i] =
            (struct conversation_turn){ .row = &found->turns[i], .resolved_ns = INT64_MAX };
    if (ret->turn_count > 0)
        qsort(ret->turns, ret->turn_count, sizeof *ret->turns, id_cmp);
    mark_turns(ret, found);
    if (ret->turn_count > 0)
        qsort(ret->turns, ret->turn_count, sizeof *ret->turns, order_cmp);
    group_turns(ret);
    mark_sessions(ret, found);
    if (ask->slow_ns == 0 && find_slow(arena, ret) != ERR_OK)
        return diag_set(reterr_why, ERR_LIMIT, "no room for the conversations");
    for (size_t i = 0; i < ret->count; i++) {
        struct conversation *of = &ret->items[i];
        const struct conversation_turn *last = &of->turns[of->turn_count - 1];
        of->is_left = last->row->end_ns <= end_ns - ask->idle_ns && !of->is_escalated &&
                      of->resolved_ns == INT64_MAX;
        of->after = after_of(last, ret->slow_ns);
    }
    return ERR_OK;
}
