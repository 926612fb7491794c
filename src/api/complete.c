/* complete.c -- GET /api/v1/complete: what may be typed next in a filter.
 *
 * Names, operators and units are known; values, names of scores and of attributes are those that
 * the asker's own project (and tenant) has had in the range, the frequent or the newest first.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "api/api_int.h"
#include "sys/clock.h"
#include "wire/json.h"

enum { VALUES_MAX = 30, SCORES_LOOKED_AT = 1000, SPANS_LOOKED_AT = 100 };

struct completing {
    struct api_job *job;
    const struct api_config *config;
    struct store_scope scope;
    const struct query_completion *what;
    struct query_items *items;
};

/* from and to as for a list. */
static enum err range_of(struct api_job *job, struct time_range *ret_range, struct diag *why)
{
    struct query_param params[2];
    size_t count = 0;
    for (size_t i = 0; i < job->query_count && count < COUNT_OF(params); i++)
        if (str_equal_c(job->query[i].name, "from") || str_equal_c(job->query[i].name, "to"))
            params[count++] = job->query[i];
    struct store_list list;
    enum err code = query_plan_list(&job->arena, params, count, clock_now_ns(), &list, why);
    if (code == ERR_OK)
        *ret_range = list.scope.range;
    return code;
}

static enum err at_of(const struct api_job *job, str q, size_t *ret_at, struct diag *why)
{
    str text = query_param_find(job->query, job->query_count, STR_OF("at"));
    uint64_t at = q.len;
    if (!str_is_none(text) && !str_to_u64(text, &at))
        return diag_set(why, ERR_BAD_INPUT, "at: must be a number of bytes");
    if (at > q.len)
        return diag_set(why, ERR_BAD_INPUT, "at: is past the end of q");
    *ret_at = (size_t)at;
    return ERR_OK;
}

static bool can_list(enum field field)
{
    return field_table[field].type == FIELD_TYPE_STR;
}

/* What begins as it was typed, written as a filter needs it. */
static void add_written(struct completing *c, str plain, str written, const char *kind)
{
    size_t before = c->items->count;
    for (size_t i = 0; i < before; i++)
        if (str_equal(c->items->items[i].text, written))
            return;
    query_completion_add(c->items, plain, kind, "");
    if (c->items->count > before && !str_is_none(written))
        c->items->items[before].text = written;
}

static void add_value(struct completing *c, str value)
{
    add_written(c, value, query_quoted_if_needed(&c->job->arena, value), "value");
}

/* Most frequent first. */
static enum err add_values(struct completing *c, enum field field, struct diag *why)
{
    str pattern = arena_printf(&c->job->arena, "%.*s*", STR_ARG(c->what->prefix));
    if (str_is_none(pattern))
        return diag_set(why, ERR_LIMIT, "the completion needs too much memory");
    struct filter begins = { .op = FILTER_LIKE,
                             .field = field,
                             .attr_key = c->what->attr_key,
                             .value = value_str(pattern) };
    struct store_aggregate ask = {
        .scope = c->scope,
        .filter = &begins,
        .measures = { { .op = STORE_OP_COUNT, .of = STORE_OF_SPANS, .name = STR_NONE } },
        .measure_count = 1,
        .by = { field },
        .by_attr = { c->what->attr_key },
        .by_count = 1,
        .limit = VALUES_MAX
    };
    struct store_group *groups;
    size_t count = 0;
    enum err code = c->config->store_ops->aggregate(c->config->store, &ask, &c->job->arena, &groups,
                                                    &count, why);
    for (size_t i = 0; i < count && code == ERR_OK; i++)
        if (!str_is_none(groups[i].by[0]) && groups[i].by[0].len > 0)
            add_value(c, groups[i].by[0]);
    return code;
}

/* Names of scores, or labels of the score whose value is typed. */
static enum err add_scores(struct completing *c, struct diag *why)
{
    bool of_labels = c->what->wants == COMPLETE_VALUE;
    struct store_scores ask = { .scope = c->scope,
                                .name = of_labels ? c->what->score : STR_NONE,
                                .limit = SCORES_LOOKED_AT };
    struct store_score *scores;
    size_t count;
    enum err code =
        c->config->store_ops->scores(c->config->store, &ask, &c->job->arena, &scores, &count, why);
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        const struct score *score = &scores[i].score;
        if (of_labels) {
            if (!str_is_none(score->label))
                add_value(c, score->label);
            continue;
        }
        str name = query_quoted_if_needed(&c->job->arena, score->name);
        str plain = arena_printf(&c->job->arena, "score.%.*s", STR_ARG(score->name));
        str written = arena_printf(&c->job->arena, "score.%.*s", STR_ARG(name));
        if (str_is_none(plain) || str_is_none(written))
            return diag_set(why, ERR_LIMIT, "the completion needs too much memory");
        add_written(c, plain, written, "score");
    }
    return code;
}

static void add_attrs_of(struct completing *c, str attrs_json)
{
    struct json json;
    if (str_is_none(attrs_json))
        return;
    json_init(&json, &c->job->arena, attrs_json, JSON_DEPTH_MAX);
    if (json_next(&json) != JSON_OBJECT)
        return;
    while (json_next(&json) == JSON_KEY) {
        str key = json.text;
        size_t dot = str_find_char(key, '.');
        bool is_dotted = dot > 0 && dot + 1 < key.len && str_find_char(key, ':') == key.len;
        str text = is_dotted ? query_quoted_if_needed(&c->job->arena, key)
                             : arena_printf(&c->job->arena, "\"%.*s\"", STR_ARG(key));
        if (!str_is_none(text) && (is_dotted || str_find_char(key, '"') == key.len))
            add_written(c, key, text, "attribute");
        if (!json_skip(&json, json_next(&json)))
            return;
    }
}

/* Names of attributes that the newest spans have. */
static enum err add_attrs(struct completing *c, struct diag *why)
{
    struct store_list ask = { .scope = c->scope, .limit = SPANS_LOOKED_AT };
    struct store_span *spans;
    size_t count;
    enum err code =
        c->config->store_ops->spans(c->config->store, &ask, &c->job->arena, &spans, &count, why);
    for (size_t i = 0; code == ERR_OK && i < count; i++)
        add_attrs_of(c, spans[i].attrs_json);
    return code;
}

static enum err add_seen(struct completing *c, struct diag *why)
{
    const struct query_completion *what = c->what;
    if (what->wants == COMPLETE_NAME) {
        enum err code = add_scores(c, why);
        return code == ERR_OK ? add_attrs(c, why) : code;
    }
    if (what->wants == COMPLETE_NOTHING)
        return ERR_OK;
    if (!str_is_none(what->score))
        return add_scores(c, why);
    enum err code = ERR_OK;
    if (what->field == FIELD_COUNT || can_list(what->field))
        code = add_values(c, what->field, why);
    if (code == ERR_OK && what->other != FIELD_COUNT && can_list(what->other))
        code = add_values(c, what->other, why);
    return code;
}

static void items_json(struct buf *out, const struct query_completion *what,
                       const struct query_items *items)
{
    buf_add_c(out, "{\"items\":[");
    for (size_t i = 0; i < items->count; i++) {
        buf_add_c(out, i ? ",{\"text\":" : "{\"text\":");
        buf_add_json_str(out, items->items[i].text);
        buf_printf(out, ",\"kind\":\"%s\",\"detail\":", items->items[i].kind);
        buf_add_json_str(out, str_from_c(items->items[i].detail));
        buf_add_char(out, '}');
    }
    buf_printf(out, "],\"from\":%zu,\"to\":%zu}\n", what->from, what->to);
}

API_HANDLER(api_complete)
{
    static const char *const allowed[] = { "q", "at", "from", "to" };
    struct query_completion what;
    size_t at = 0;
    enum err err =
        query_params_check(job->query, job->query_count, allowed, COUNT_OF(allowed), reterr_why);
    str q = query_param_find(job->query, job->query_count, STR_OF("q"));
    q = str_is_none(q) ? STR_OF("") : q;
    if (!err)
        err = at_of(job, q, &at, reterr_why);
    if (!err)
        err = query_complete(&job->arena, q, at, &what, reterr_why);
    if (err)
        return err;
    struct query_items *items = arena_new(&job->arena, struct query_items, 1);
    if (!items)
        return diag_set(reterr_why, ERR_LIMIT, "the completion needs too much memory");
    items->arena = &job->arena;
    query_completion_known(&what, items);
    struct completing c = { .job = job,
                            .config = &job->worker->api->config,
                            .scope = api_scope(job),
                            .what = &what,
                            .items = items };
    err = range_of(job, &c.scope.range, reterr_why);
    if (!err)
        err = add_seen(&c, reterr_why);
    if (!err)
        items_json(&job->body, &what, items);
    return err;
}
