/* conversation_json.c -- GET /api/v1/conversations as JSON.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "query/conversation.h"
#include "query/query_int.h"

#include <stdlib.h>

enum { HOURS = 24 };
static const char *const after_names[LEFT_AFTER_COUNT] = { "nothing",   "error",      "refusal",
                                                           "down_vote", "truncation", "slow" };

static void add_share(struct buf *out, const char *name, size_t part, size_t whole)
{
    double share = whole ? (double)part / (double)whole : 0;
    report_value(out, name, QUERY_KIND_SHARE, whole ? &share : NULL);
}

/* -- depth and duration -- */

static int number_cmp(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* average, median, p90 and max of what is in values[], which is sorted. */
static void add_spread(struct buf *out, enum query_kind kind, double *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    double average = count ? sum / (double)count : 0;
    if (count > 0)
        qsort(values, count, sizeof *values, number_cmp);
    report_value(out, "average", kind == QUERY_KIND_COUNT ? QUERY_KIND_NUMBER : kind,
                 count ? &average : NULL);
    report_value(out, "median", kind, count ? &values[(count + 1) / 2 - 1] : NULL);
    report_value(out, "p90", kind, count ? &values[(count * 9 + 9) / 10 - 1] : NULL);
    report_value(out, "max", kind, count ? &values[count - 1] : NULL);
}

static void add_depth(struct buf *out, const struct conversations *all, double *room)
{
    size_t rows[CONVERSATION_DEPTH_MAX + 1] = { 0 };
    for (size_t i = 0; i < all->count; i++) {
        uint32_t depth = all->items[i].turn_count;
        room[i] = depth;
        rows[MIN(depth, (uint32_t)CONVERSATION_DEPTH_MAX)]++;
    }
    report_member(out, "depth");
    buf_add_char(out, '{');
    add_spread(out, QUERY_KIND_COUNT, room, all->count);
    report_member(out, "distribution");
    buf_add_char(out, '[');
    for (size_t turns = 1, shown = 0; turns <= CONVERSATION_DEPTH_MAX; turns++) {
        if (!rows[turns])
            continue;
        buf_add_c(out, shown++ ? ",{" : "{");
        report_count(out, "turns", turns);
        report_count(out, "conversations", rows[turns]);
        buf_add_char(out, '}');
    }
    buf_add_c(out, "]}");
}

static void add_duration(struct buf *out, const struct conversations *all, double *room)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct conversation *of = &all->items[i];
        int64_t end = INT64_MIN;
        for (uint32_t t = 0; t < of->turn_count; t++)
            end = MAX(end, of->turns[t].row->end_ns);
        room[i] = (double)(end - of->turns[0].row->start_ns);
    }
    report_member(out, "duration_ms");
    buf_add_char(out, '{');
    add_spread(out, QUERY_KIND_NS, room, all->count);
    buf_add_char(out, '}');
}

/* -- where they are left -- */

struct drop {
    size_t reached, left;
    size_t after[LEFT_AFTER_COUNT];
    struct id16 exemplar;
};

static size_t unhappy(const struct drop *drop)
{
    return drop->left - drop->after[LEFT_AFTER_NOTHING];
}

static void drops_count(const struct conversations *all, struct drop *drops)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct conversation *of = &all->items[i];
        uint32_t depth = MIN(of->turn_count, (uint32_t)CONVERSATION_DEPTH_MAX);
        for (uint32_t turn = 1; turn <= depth; turn++)
            drops[turn].reached++;
        if (!of->is_left)
            continue;
        drops[depth].left++;
        drops[depth].after[of->after]++;
        if (of->after != LEFT_AFTER_NOTHING || id16_is_zero(drops[depth].exemplar))
            drops[depth].exemplar = of->turns[of->turn_count - 1].row->trace_id;
    }
}

static void add_drop(struct buf *out, const struct drop *drop, size_t turn)
{
    buf_add_char(out, '{');
    report_count(out, "turn", turn);
    report_count(out, "reached", drop->reached);
    report_count(out, "left", drop->left);
    add_share(out, "share", drop->left, drop->reached);
    report_member(out, "after");
    buf_add_char(out, '{');
    for (size_t i = 0; i < LEFT_AFTER_COUNT; i++)
        report_count(out, after_names[i], drop->after[i]);
    buf_add_char(out, '}');
    report_trace_id(out, "exemplar_trace_id", drop->exemplar);
    buf_add_char(out, '}');
}

/* The turn after which most went away for a reason, and that reason. */
static void add_worst(struct buf *out, const struct drop *drops)
{
    size_t worst = 0, after = LEFT_AFTER_ERROR;
    for (size_t turn = 1; turn <= CONVERSATION_DEPTH_MAX; turn++)
        if (unhappy(&drops[turn]) > (worst ? unhappy(&drops[worst]) : 0))
            worst = turn;
    report_member(out, "worst");
    if (!worst) {
        buf_add_c(out, "null");
        return;
    }
    for (size_t i = LEFT_AFTER_ERROR; i < LEFT_AFTER_COUNT; i++)
        if (drops[worst].after[i] > drops[worst].after[after])
            after = i;
    buf_add_char(out, '{');
    report_count(out, "turn", worst);
    report_word(out, "after", after_names[after]);
    report_count(out, "left", drops[worst].after[after]);
    buf_add_char(out, '}');
}

static enum err add_drop_off(struct buf *out, struct arena *arena,
                             const struct conversation_ask *ask, const struct conversations *all)
{
    struct drop *drops = arena_new(arena, struct drop, CONVERSATION_DEPTH_MAX + 1);
    double slow = (double)all->slow_ns, idle = (double)ask->idle_ns;
    if (!drops)
        return ERR_LIMIT;
    drops_count(all, drops);
    report_member(out, "drop_off");
    buf_add_char(out, '{');
    report_value(out, "slow_ms", QUERY_KIND_NS, all->turn_count ? &slow : NULL);
    report_value(out, "idle_ms", QUERY_KIND_NS, &idle);
    add_worst(out, drops);
    report_member(out, "turns");
    buf_add_char(out, '[');
    for (size_t turn = 1; turn <= CONVERSATION_DEPTH_MAX && drops[turn].reached; turn++) {
        buf_add_c(out, turn > 1 ? "," : "");
        add_drop(out, &drops[turn], turn);
    }
    buf_add_c(out, "]}");
    return ERR_OK;
}

/* -- what became of them -- */

static void add_ends(struct buf *out, const struct conversations *all, double *room)
{
    size_t resolved = 0, escalated = 0;
    for (size_t i = 0; i < all->count; i++) {
        const struct conversation *of = &all->items[i];
        escalated += of->is_escalated;
        if (of->resolved_ns != INT64_MAX)
            room[resolved++] = (double)(of->resolved_ns - of->turns[0].row->start_ns);
    }
    report_member(out, "resolution");
    buf_add_char(out, '{');
    report_count(out, "conversations", resolved);
    add_share(out, "rate", resolved, all->count);
    report_member(out, "time_ms");
    buf_add_char(out, '{');
    add_spread(out, QUERY_KIND_NS, room, resolved);
    buf_add_c(out, "}}");
    report_member(out, "escalation");
    buf_add_char(out, '{');
    report_count(out, "conversations", escalated);
    add_share(out, "rate", escalated, all->count);
    buf_add_char(out, '}');
}

static void add_totals(struct buf *out, const struct conversation_ask *ask,
                       const struct conversation_found *found)
{
    enum { SESSIONS, TURNS, COST, TOKENS };
    static const char *const names[] = {
        [COST] = "cost_usd", [TOKENS] = "tokens", "regenerations",  "corrections",
        "user_retries",      "truncated_answers", "repeated_calls",
    };
    double sessions = 0, turns = 0;
    const struct query_aggregate *plan = &ask->totals;
    const struct store_group *group = found->total_count ? &found->totals[0] : NULL;
    bool has_any = group && query_metric_value(plan, &plan->ask, group, SESSIONS, &sessions) &&
                   query_metric_value(plan, &plan->ask, group, TURNS, &turns) && sessions > 0;
    report_value(out, "conversations", QUERY_KIND_COUNT, &sessions);
    report_value(out, "turns", QUERY_KIND_COUNT, &turns);
    report_count(out, "turns_read", found->turn_count);
    report_bool(out, "truncated", found->turn_count == CONVERSATION_TURNS_MAX);
    report_member(out, "per_conversation");
    buf_add_char(out, '{');
    for (uint32_t i = COST; i < COUNT_OF(names); i++) {
        double value;
        bool is_known = has_any && query_metric_value(plan, &plan->ask, group, i, &value);
        value = is_known ? value / sessions : 0;
        report_value(out, names[i], i == COST ? QUERY_KIND_NANO : QUERY_KIND_NUMBER,
                     is_known ? &value : NULL);
    }
    buf_add_char(out, '}');
}

static void add_hours(struct buf *out, const struct conversation_ask *ask,
                      const struct conversation_found *found)
{
    static const int64_t hour_ns = INT64_C(3600) * NS_PER_S;
    double hours[HOURS] = { 0 };
    size_t busiest = 0;
    report_member(out, "peak_hours");
    if (ask->hours.metric_count == 0) { /* the range is too long to count its hours */
        buf_add_c(out, "null");
        return;
    }
    for (size_t i = 0; i < found->hour_count; i++) {
        int64_t hour = (found->hours[i].bucket_ns + ask->zone_ns) / hour_ns % HOURS;
        hours[(hour + HOURS) % HOURS] += found->hours[i].values[0];
    }
    for (size_t i = 1; i < HOURS; i++)
        if (hours[i] > hours[busiest])
            busiest = i;
    buf_add_char(out, '{');
    report_text(out, "tz", ask->zone);
    double hour = (double)busiest;
    report_value(out, "busiest", QUERY_KIND_COUNT, hours[busiest] > 0 ? &hour : NULL);
    report_member(out, "turns");
    buf_add_char(out, '[');
    for (size_t i = 0; i < HOURS; i++) {
        buf_add_c(out, i ? "," : "");
        query_value_json(out, QUERY_KIND_COUNT, true, hours[i]);
    }
    buf_add_c(out, "]}");
}

/* -- context -- */

struct near {
    const struct store_group *group;
    int64_t context_tokens;
    double share;
};

static int near_cmp(const void *a, const void *b)
{
    const struct near *x = a, *y = b;
    return x->share > y->share ? -1 : x->share < y->share;
}

static enum err add_context(struct buf *out, struct arena *arena,
                            const struct conversation_found *found)
{
    static const double near_share = 0.8;
    struct near *all = arena_new(arena, struct near, found->input_count + 1);
    size_t count = 0, unknown = 0;
    if (!all)
        return ERR_LIMIT;
    for (size_t i = 0; i < found->input_count; i++) {
        const struct store_group *group = &found->inputs[i];
        int64_t tokens = found->context_of(found->context_arg, group->by[1], group->by[2]);
        double share = tokens > 0 ? group->values[0] / (double)tokens : 0;
        unknown += tokens == 0;
        if (group->known[0] && share > near_share)
            all[count++] = (struct near){ group, tokens, share };
    }
    if (count > 0)
        qsort(all, count, sizeof *all, near_cmp);
    report_member(out, "context");
    buf_add_char(out, '{');
    report_value(out, "near", QUERY_KIND_SHARE, &near_share);
    report_count(out, "near_limit", count);
    report_count(out, "unknown_limit", unknown);
    report_bool(out, "truncated", found->input_count == CONVERSATION_INPUTS_MAX);
    report_member(out, "items");
    buf_add_char(out, '[');
    for (size_t i = 0; i < MIN(count, (size_t)CONVERSATION_NEAR_MAX); i++) {
        buf_add_c(out, i ? ",{" : "{");
        report_text(out, "session_id", all[i].group->by[0]);
        report_text(out, "provider", all[i].group->by[1]);
        report_text(out, "generator_model", all[i].group->by[2]);
        report_value(out, "input_tokens", QUERY_KIND_COUNT, &all[i].group->values[0]);
        report_count(out, "context_tokens", (uint64_t)all[i].context_tokens);
        report_value(out, "share", QUERY_KIND_SHARE, &all[i].share);
        report_trace_id(out, "exemplar_trace_id", all[i].group->exemplar_trace_id);
        buf_add_char(out, '}');
    }
    buf_add_c(out, "]}");
    return ERR_OK;
}

/* -- by a dimension of the last turn -- */

struct group {
    str value;
    size_t conversations, turns, left, unhappy, escalated, resolved;
};

static struct group *group_of(struct group *groups, size_t *count, str value)
{
    for (size_t i = 0; i < *count; i++)
        if (str_is_none(groups[i].value) == str_is_none(value) &&
            (str_is_none(value) || str_equal(groups[i].value, value)))
            return &groups[i];
    if (*count == CONVERSATION_GROUPS_MAX)
        return NULL;
    groups[*count].value = value;
    return &groups[(*count)++];
}

static int size_cmp(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    return x->conversations > y->conversations ? -1 : x->conversations < y->conversations;
}

static enum err add_groups(struct buf *out, struct arena *arena, const struct conversation_ask *ask,
                           const struct conversations *all)
{
    struct group *groups = arena_new(arena, struct group, CONVERSATION_GROUPS_MAX);
    size_t count = 0;
    if (!groups)
        return ERR_LIMIT;
    report_word(out, "by", ask->by == FIELD_COUNT ? NULL : name_of_field(ask->by));
    for (size_t i = 0; i < all->count && ask->by != FIELD_COUNT; i++) {
        const struct conversation *of = &all->items[i];
        struct group *group = group_of(
            groups, &count, conversation_trace_text(of->turns[of->turn_count - 1].row, ask->by));
        if (!group)
            continue;
        group->conversations++;
        group->turns += of->turn_count;
        group->left += of->is_left;
        group->unhappy += of->is_left && of->after != LEFT_AFTER_NOTHING;
        group->escalated += of->is_escalated;
        group->resolved += of->resolved_ns != INT64_MAX;
    }
    if (count > 0)
        qsort(groups, count, sizeof *groups, size_cmp);
    report_member(out, "groups");
    buf_add_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        double depth = (double)groups[i].turns / (double)groups[i].conversations;
        buf_add_c(out, i ? ",{" : "{");
        report_text(out, "value", groups[i].value);
        report_count(out, "conversations", groups[i].conversations);
        report_value(out, "depth_average", QUERY_KIND_NUMBER, &depth);
        report_count(out, "left", groups[i].left);
        report_count(out, "left_unhappy", groups[i].unhappy);
        add_share(out, "escalation_rate", groups[i].escalated, groups[i].conversations);
        add_share(out, "resolution_rate", groups[i].resolved, groups[i].conversations);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
    return ERR_OK;
}

enum err query_conversations_json(struct buf *out, struct arena *arena,
                                  const struct conversation_ask *ask,
                                  const struct conversation_found *found, struct diag *reterr_why)
{
    struct conversations all;
    double *room = arena_new(arena, double, found->turn_count + 1);
    enum err code = room ? conversations_make(arena, ask, found, &all, reterr_why) : ERR_LIMIT;
    if (code != ERR_OK)
        return code;
    buf_add_char(out, '{');
    add_totals(out, ask, found);
    add_depth(out, &all, room);
    add_duration(out, &all, room);
    code = add_drop_off(out, arena, ask, &all);
    add_ends(out, &all, room);
    add_hours(out, ask, found);
    if (code == ERR_OK)
        code = add_context(out, arena, found);
    if (code == ERR_OK)
        code = add_groups(out, arena, ask, &all);
    report_range(out, "range", &ask->totals.ask.scope.range);
    buf_add_char(out, '}');
    return code;
}
