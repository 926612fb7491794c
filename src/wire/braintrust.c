/* braintrust.c -- see braintrust.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/braintrust.h"
#include "base/text.h"
#include "wire/tree.h"
#include <math.h>

enum { REPLY_BYTES_MAX = 16 * MIB };

/* One request being read. */
struct reading {
    struct arena *arena;
    const struct otlp_limits *limits;
    struct raw_batch *batch;
    struct native_batch items;
    struct buf ids;
    const struct raw_scope *scope; /* of the last project */
    str project;
    bool is_spent;
};

/* ---- spans ---- */

static const struct raw_scope *scope_of(struct reading *reading, str project)
{
    bool is_same = reading->scope && str_equal(reading->project, project);
    if (is_same)
        return reading->scope;
    struct raw_resource *resource = arena_new(reading->arena, struct raw_resource, 1);
    struct raw_scope *scope = arena_new(reading->arena, struct raw_scope, 1);
    struct native_attrs attrs = { 0 };
    if (!resource || !scope ||
        !native_text_add(reading->arena, &attrs, STR_OF("braintrust.project_id"), project))
        return NULL;
    resource->attrs = attrs.items;
    resource->attr_count = attrs.count;
    scope->resource = resource;
    reading->scope = scope;
    reading->project = project;
    return scope;
}

static bool attr_add(struct reading *reading, struct raw_span *span, struct native_attrs *attrs,
                     str key, const struct value *value)
{
    if (!value)
        return true;
    if (attrs->count < reading->limits->attrs_max)
        return native_attr_add(reading->arena, attrs, key, *value);
    span->dropped_attr_count++;
    return true;
}

/* Members of an object under "braintrust.NAME.". */
static bool members_add(struct reading *reading, const struct value *row, const char *name,
                        struct raw_span *span, struct native_attrs *attrs)
{
    const struct value *map = tree_get(row, name);
    if (!map || map->type != VALUE_MAP)
        return true;
    for (uint32_t i = 0; i < map->count; i++) {
        str key =
            arena_printf(reading->arena, "braintrust.%s.%.*s", name, STR_ARG(map->attrs[i].key));
        if (str_is_none(key) || !attr_add(reading, span, attrs, key, &map->attrs[i].value))
            return false;
    }
    return true;
}

static bool span_attrs(struct reading *reading, const struct value *row, struct raw_span *span)
{
    static const struct {
        const char *member;
        str attr;
    } members[] = { { "input", STR("braintrust.input_json") },
                    { "output", STR("braintrust.output_json") },
                    { "expected", STR("braintrust.expected") },
                    { "tags", STR("braintrust.tags") },
                    { "context", STR("braintrust.context") },
                    { "experiment_id", STR("braintrust.experiment_id") },
                    { "dataset_id", STR("braintrust.dataset_id") } };
    static const char *const maps[] = { "metadata", "metrics", "span_attributes" };
    struct native_attrs attrs = { 0 };
    bool fits = true;
    for (size_t i = 0; i < COUNT_OF(members) && fits; i++)
        fits = attr_add(reading, span, &attrs, members[i].attr, tree_get(row, members[i].member));
    for (size_t i = 0; i < COUNT_OF(maps) && fits; i++)
        fits = members_add(reading, row, maps[i], span, &attrs);
    span->attrs = attrs.items;
    span->attr_count = attrs.count;
    return fits;
}

/* "Traceback ...\nTimeoutError: too slow": the last line says what and why. */
static bool error_event(struct reading *reading, const struct value *error, struct raw_span *span)
{
    struct native_attrs attrs = { 0 };
    str text = error->type == VALUE_STR ? error->text : tree_json(reading->arena, error), line;
    str rest = str_trim(text), last = rest;
    span->events = arena_new(reading->arena, struct span_event, 1);
    if (str_is_none(text) || !span->events)
        return false;
    while (str_next(&rest, '\n', &line))
        if (str_trim(line).len)
            last = str_trim(line);
    size_t colon = str_find(last, STR_OF(": "));
    bool has_type = colon < last.len && str_find_char(str_sub(last, 0, colon), ' ') == colon;
    span->status_code = 2;
    span->status_message = last;
    bool fits = native_text_add(reading->arena, &attrs, STR_OF("exception.type"),
                                has_type ? str_sub(last, 0, colon) : STR_NONE) &&
                native_text_add(reading->arena, &attrs, STR_OF("exception.message"),
                                has_type ? str_from(last, colon + 2) : last) &&
                native_text_add(reading->arena, &attrs, STR_OF("exception.stacktrace"), text);
    span->events[0] = (struct span_event){ .name = STR_OF("exception"),
                                           .time_ns = (int64_t)MAX(span->start_ns, span->end_ns),
                                           .attrs = attrs.items,
                                           .attr_count = attrs.count };
    span->event_count = 1;
    return fits;
}

static bool span_add(struct reading *reading, const struct value *row)
{
    const struct value *metrics = tree_get(row, "metrics"), *error = tree_get(row, "error");
    const struct value *parents;
    int64_t at;
    struct raw_span span = { .is_addition = true, .source_id = tree_text(row, "id") };
    span.scope = scope_of(reading, tree_text(row, "project_id"));
    span.trace_id = native_trace_id(tree_text(row, "root_span_id"));
    span.span_id = native_span_id(tree_text(row, "span_id"));
    span.name = tree_text(tree_get(row, "span_attributes"), "name");
    if (tree_items(row, "span_parents", &parents) && parents[0].type == VALUE_STR)
        span.parent_span_id = native_span_id(parents[0].text);
    if (tree_time(metrics, "start", &at))
        span.start_ns = (uint64_t)at;
    if (tree_time(metrics, "end", &at))
        span.end_ns = (uint64_t)at;
    if (!span.scope || !span_attrs(reading, row, &span) ||
        (error && !error_event(reading, error, &span)))
        return false;
    return native_span_add(reading->arena, &reading->items, &span);
}

/* ---- scores ---- */

/* About the row `id`; NULL: no room. */
static struct score *score_new(struct reading *reading, const struct value *row, str id, str name)
{
    struct raw_score *raw = native_score_new(reading->arena, &reading->items);
    const struct value *audit = tree_get(row, "_audit_metadata");
    str *texts[SCORE_TEXTS];
    if (!raw)
        return NULL;
    *raw = (struct raw_score){ .score.name = name };
    struct score *score = &raw->score;
    score_texts(score, texts);
    for (size_t i = 0; i < SCORE_TEXTS; i++)
        *texts[i] = STR_NONE;
    score->type = SCORE_LABEL;
    (void)score_source_of(tree_text(row, "_audit_source"), &score->source);
    str trace = tree_text(row, "root_span_id"), span = tree_text(row, "span_id");
    score->has_trace_id = !str_is_none(trace) && !str_is_none(span);
    score->has_span_id = score->has_trace_id;
    score->trace_id = native_trace_id(trace);
    score->span_id = native_span_id(span);
    if (!score->has_trace_id)
        score->response_id = id;
    if (!tree_time(row, "created", &score->time_ns))
        score->time_ns = 0;
    if (audit && audit->type == VALUE_MAP) {
        score->attrs = audit->attrs;
        score->attr_count = audit->count;
    }
    raw->sender_id =
        arena_printf(reading->arena, "braintrust:%.*s:%.*s", STR_ARG(id), STR_ARG(name));
    return str_is_none(raw->sender_id) ? NULL : score;
}

/* {"name": number or null}; anything else is no score. */
static bool scores_add(struct reading *reading, const struct value *row)
{
    const struct value *scores = tree_get(row, "scores");
    if (!scores || scores->type != VALUE_MAP)
        return true;
    for (uint32_t i = 0; i < scores->count; i++) {
        const struct attr *attr = &scores->attrs[i];
        double number;
        bool is_number = attr->value.type == VALUE_I64 || attr->value.type == VALUE_F64;
        if (!is_number || !value_as_f64(&attr->value, &number) || !isfinite(number) ||
            attr->key.len == 0 || attr->key.len > SCORE_NAME_BYTES_MAX)
            continue;
        struct score *score = score_new(reading, row, tree_text(row, "id"), attr->key);
        if (!score)
            return false;
        score->type = SCORE_NUMBER;
        score->value = number;
        score->has_value = true;
    }
    return true;
}

/* What feedback says besides scores: a comment, what was expected. */
static bool words_add(struct reading *reading, const struct value *row)
{
    str comment = tree_text(tree_get(row, "comment"), "text");
    str about = tree_text(tree_get(row, "origin"), "id");
    const struct value *expected = tree_get(row, "expected");
    if (!str_is_none(comment)) {
        str name = arena_printf(reading->arena, "%.*s", STR_ARG(tree_text(row, "id")));
        struct score *score = str_is_none(about) || str_is_none(name)
                                  ? NULL
                                  : score_new(reading, row, about, STR_OF("comment"));
        if (!score)
            return str_is_none(about);
        score->comment = comment;
        reading->items.scores[reading->items.score_count - 1].sender_id = name;
    }
    if (!expected || !str_is_none(tree_text(row, "span_id")))
        return true;
    struct score *score = score_new(reading, row, tree_text(row, "id"), STR_OF("expected"));
    if (!score)
        return false;
    score->label =
        expected->type == VALUE_STR ? expected->text : tree_json(reading->arena, expected);
    return !str_is_none(score->label);
}

/* ---- the request ---- */

static void take_row(struct reading *reading, uint32_t i, const struct value *row)
{
    str id = tree_text(row, "id");
    bool has_span =
        !str_is_none(tree_text(row, "span_id")) && !str_is_none(tree_text(row, "root_span_id"));
    if (row->type != VALUE_MAP || str_is_none(id)) {
        native_reject(reading->batch, "row %u: id is missing", i + 1);
        return;
    }
    reading->is_spent = (has_span && !span_add(reading, row)) || !scores_add(reading, row) ||
                        !words_add(reading, row);
    buf_add_c(&reading->ids, reading->ids.len ? "," : "");
    buf_add_json_str(&reading->ids, id);
}

static enum err finish(struct reading *reading, struct diag *reterr_why)
{
    struct raw_batch *batch = reading->batch;
    struct buf out;
    buf_init(&out, REPLY_BYTES_MAX);
    buf_add_c(&out, "{\"row_ids\":[");
    buf_add_str(&out, buf_str(&reading->ids));
    buf_add_c(&out, "],\"xact_id\":\"1\"}");
    batch->reply = tree_take(reading->arena, &out);
    batch->reply_status = 200;
    batch->is_utf8 = true;
    native_give(&reading->items, batch);
    if (reading->is_spent || buf_failed(&reading->ids) || str_is_none(batch->reply))
        return diag_set(reterr_why, ERR_LIMIT, "the request needs too much memory");
    if (batch->rejected_count && reading->ids.len == 0)
        return diag_set(reterr_why, ERR_BAD_INPUT, "%s", batch->rejected_why);
    return ERR_OK;
}

enum err braintrust_decode(struct arena *arena, str body, const struct otlp_limits *limits,
                           struct raw_batch *ret_batch, struct diag *reterr_why)
{
    struct value root;
    const struct value *rows;
    struct reading reading = { .arena = arena, .limits = limits, .batch = ret_batch };
    *ret_batch = (struct raw_batch){ 0 };
    enum err err = tree_parse(arena, body, &root, reterr_why);
    if (err)
        return err;
    const struct value *list = tree_get(&root, "rows");
    uint32_t count = tree_items(&root, "rows", &rows);
    if (!list || list->type != VALUE_ARRAY)
        return diag_set(reterr_why, ERR_BAD_INPUT, "\"rows\" must be a list");
    if (count > limits->items_max)
        return diag_set(reterr_why, ERR_LIMIT, "%u rows are over the limit of %u", count,
                        limits->items_max);
    buf_init(&reading.ids, REPLY_BYTES_MAX);
    for (uint32_t i = 0; i < count && !reading.is_spent; i++)
        take_row(&reading, i, &rows[i]);
    err = finish(&reading, reterr_why);
    buf_clear(&reading.ids);
    return err;
}
