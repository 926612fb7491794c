/* held.c -- see held.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pipeline/held.h"
#include "base/utf8.h"
#include "wire/json.h"

enum {
    HELD_MAX = 65536, /* of a kind, in one commit */
    LOG_BODY_COLUMN_BYTES = 1024,
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
    value.text = str_sub(value.text, 0, LOG_BODY_COLUMN_BYTES);
    value.text.len = utf8_valid_prefix(value.text);
    attrs[log->attr_count] = (struct attr){ STR("body"), value };
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
