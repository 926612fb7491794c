/* held.c -- see held.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pipeline/held.h"
#include "base/utf8.h"
#include "wire/json.h"

enum {
    HELD_MAX = 65536, /* of a kind, in one commit */
    HELD_ARENA_BYTES = 512 * 1024 * 1024,
};

void held_init(struct held *held)
{
    *held = (struct held){ .logs = { 0 } };
    arena_init(&held->arena, HELD_ARENA_BYTES);
}

static void list_clear(struct held_list *list)
{
    xfree(list->items);
    xfree(list->projects);
}

void held_clear(struct held *held)
{
    list_clear(&held->logs);
    list_clear(&held->metrics);
    list_clear(&held->scores);
    arena_clear(&held->arena);
}

/* The body of a log record is an attribute of its row, as much of it as a column takes. */
static void body_to_attr(struct arena *arena, struct log_record *log)
{
    if (log->body_json.len == 0)
        return;
    struct attr *attrs = arena_new(arena, struct attr, log->attr_count + 1);
    if (!attrs)
        return;
    if (log->attr_count)
        memcpy(attrs, log->attrs, log->attr_count * sizeof *attrs);
    struct json json;
    struct value value;
    json_init(&json, arena, log->body_json, JSON_DEPTH_MAX);
    enum json_token token = json_next(&json);
    if (token == JSON_ERROR || !json_value(&json, token, &value))
        return;
    if (value.type != VALUE_STR)
        value = value_str(log->body_json);
    value.text = str_sub(value.text, 0, LOG_BODY_BYTES);
    value.text.len = utf8_valid_prefix(value.text);
    attrs[log->attr_count] = (struct attr){ STR(LOG_BODY_ATTR), value };
    log->attrs = attrs;
    log->attr_count++;
}

/* Room for `more` items; where the first goes. */
static void *list_grow(struct held_list *list, str project, size_t more, size_t size)
{
    if (list->count + more > list->capacity) {
        list->capacity = MAX(list->capacity * 2, list->count + more);
        list->items = xrealloc(list->items, list->capacity * size);
        list->projects = xrealloc(list->projects, list->capacity * sizeof(str));
    }
    for (size_t i = 0; i < more; i++)
        list->projects[list->count + i] = project;
    void *first = (char *)list->items + list->count * size;
    list->count += more;
    return first;
}

static void list_add(struct held_list *list, str project, const void *items, size_t count,
                     size_t size)
{
    if (count > 0)
        memcpy(list_grow(list, project, count, size), items, count * size);
}

enum err held_add(struct held *held, str bytes)
{
    struct batch batch;
    str copy = arena_str(&held->arena, bytes);
    if (str_is_none(copy))
        return ERR_LIMIT;
    enum err err = batch_decode(&held->arena, copy, &batch, NULL);
    if (err)
        return err;
    for (uint32_t i = 0; i < batch.log_count; i++)
        body_to_attr(&held->arena, &batch.logs[i]);
    list_add(&held->logs, batch.project, batch.logs, batch.log_count, sizeof *batch.logs);
    list_add(&held->metrics, batch.project, batch.metrics, batch.metric_count,
             sizeof *batch.metrics);
    list_add(&held->scores, batch.project, batch.scores, batch.score_count, sizeof *batch.scores);
    return ERR_OK;
}

size_t held_count(const struct held *held)
{
    return held->logs.count + held->metrics.count + held->scores.count;
}

bool held_is_full(const struct held *held)
{
    return held->logs.count > HELD_MAX || held->metrics.count > HELD_MAX ||
           held->scores.count > HELD_MAX;
}

/* ---- scores that change others ---- */

/* What `change` does not say is what `old` says. */
static void score_complete(struct arena *arena, struct score *change, const struct score *old)
{
    str *ours[SCORE_TEXTS], *olds[SCORE_TEXTS];
    struct score copy = *old;
    score_texts(change, ours);
    score_texts(&copy, olds);
    bool says_value = change->has_value || !str_is_none(change->label);
    change->name = old->name;
    change->source = old->source;
    change->time_ns = old->time_ns;
    change->has_trace_id = old->has_trace_id;
    change->has_span_id = old->has_span_id;
    change->trace_id = old->trace_id;
    change->span_id = old->span_id;
    if (!says_value) {
        change->type = old->type;
        change->has_value = old->has_value;
        change->value = old->value;
    }
    for (size_t i = 0; i < SCORE_TEXTS; i++)
        if (str_is_none(*ours[i]))
            *ours[i] = *olds[i];
    struct attr *attrs = arena_new(arena, struct attr, change->attr_count + old->attr_count + 1);
    uint32_t count = 0;
    for (uint32_t i = 0; attrs && i < change->attr_count; i++)
        attrs[count++] = change->attrs[i];
    for (uint32_t i = 0; attrs && i < old->attr_count; i++)
        if (!attr_find(change->attrs, change->attr_count, old->attrs[i].key))
            attrs[count++] = old->attrs[i];
    change->attrs = attrs;
    change->attr_count = count;
}

static bool stored_score(struct held *held, const struct store_ops *ops, struct store *store,
                         struct store_scope scope, const struct id16 *score_id,
                         struct score *ret_score)
{
    scope.range = (struct time_range){ INT64_MIN / 2, INT64_MAX };
    struct store_scores ask = { .scope = scope,
                                .session_id = STR_NONE,
                                .name = STR_NONE,
                                .has_score_id = true,
                                .score_id = *score_id,
                                .limit = 1 };
    struct store_score *found;
    size_t count = 0;
    struct json json;
    struct value attrs;
    if (ops->scores(store, &ask, &held->arena, &found, &count, NULL) || count == 0)
        return false;
    *ret_score = found->score;
    json_init(&json, &held->arena, found->attrs_json, JSON_DEPTH_MAX);
    if (!str_is_none(found->attrs_json) && json_next(&json) == JSON_OBJECT &&
        json_value(&json, JSON_OBJECT, &attrs)) {
        ret_score->attrs = attrs.attrs;
        ret_score->attr_count = attrs.count;
    }
    return true;
}

bool held_stored_score(struct held *held, const struct store_ops *ops, struct store *store,
                       str project, const struct id16 *score_id, struct score *ret_score)
{
    struct store_scope scope = { .project = project, .tenant = STR_NONE };
    return stored_score(held, ops, store, scope, score_id, ret_score);
}

void held_add_score(struct held *held, str project, const struct score *score)
{
    list_add(&held->scores, project, score, 1, sizeof *score);
}

static bool held_score(const struct held *held, size_t index, struct score *ret_score)
{
    const struct score *scores = held->scores.items;
    for (size_t i = index; i-- > 0;) {
        bool is_same =
            memcmp(&scores[i].score_id, &scores[index].score_id, sizeof scores[i].score_id) == 0;
        if (!is_same || !str_equal(held->scores.projects[i], held->scores.projects[index]))
            continue;
        *ret_score = scores[i];
        return true;
    }
    return false;
}

size_t held_complete_scores(struct held *held, const struct store_ops *ops, struct store *store)
{
    struct score *scores = held->scores.items;
    size_t kept = 0, count = held->scores.count;
    for (size_t i = 0; i < count; i++) {
        struct score old;
        bool is_whole = scores[i].name.len > 0;
        scores[kept] = scores[i];
        held->scores.projects[kept] = held->scores.projects[i];
        if (!is_whole) {
            struct store_scope scope = { .project = held->scores.projects[kept],
                                         .tenant = scores[kept].tenant_id };
            is_whole = held_score(held, kept, &old) ||
                       stored_score(held, ops, store, scope, &scores[kept].score_id, &old);
            if (is_whole)
                score_complete(&held->arena, &scores[kept], &old);
        }
        kept += is_whole;
    }
    held->scores.count = kept;
    return count - kept;
}

void held_commit(const struct held *held, struct store_commit *commit)
{
    commit->logs = held->logs.items;
    commit->log_projects = held->logs.projects;
    commit->log_count = held->logs.count;
    commit->metrics = held->metrics.items;
    commit->metric_projects = held->metrics.projects;
    commit->metric_count = held->metrics.count;
    commit->scores = held->scores.items;
    commit->score_projects = held->scores.projects;
    commit->score_count = held->scores.count;
}

void held_reset(struct held *held)
{
    held->logs.count = held->metrics.count = held->scores.count = 0;
    arena_reset(&held->arena);
}
