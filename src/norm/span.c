/* span.c -- one span: the walk over its attributes, and the order of the finishing steps.
 *
 * The walk is the hot path: per attribute one look-up and one conversion.  A
 * span starts as a copy of what its scope and resource give (norm_place), so
 * those attributes cost nothing per span but the copies of what has no row.
 *
 * Nothing is lost silently: an attribute becomes a field, stays in attrs[],
 * becomes content, or counts as dropped.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "norm/norm_int.h"
#include <stdlib.h>

#define TIME_EARLIEST_NS (INT64_C(946684800) * NS_PER_S) /* 2000-01-01 */
#define TIME_LATEST_NS (INT64_MAX - 1)                   /* ranges of time are half open */
#define DAY_NS (INT64_C(86400) * NS_PER_S)

static const char *const odd_texts[ODD_COUNT] = {
    "end_before_start", "time_suspect",          "truncated",       "json_broken",
    "usage_invalid",    "usage_exclusive",       "usage_mismatch",  "attributes_dropped",
    "content_lost",     "framework_as_provider", "latency_differs",
};

static void keep(struct norm *norm, const struct attr *attr)
{
    assert(norm->kept_count < norm->attrs_max);
    norm->kept[norm->kept_count++] = *attr;
}

static bool is_text_target(unsigned target)
{
    return target >= TARGET_text_input && target <= TARGET_text_metadata;
}

static void other_add(struct norm *norm, const struct attr *attr)
{
    assert(norm->others_count < norm->attrs_max);
    norm->others[norm->others_count++] = attr;
    norm->has_content = true;
}

/* An attribute that did not get its target. */
static void lose(struct norm *norm, unsigned target, const struct attr *attr)
{
    if (is_text_target(target) && attr->value.type != VALUE_NULL)
        other_add(norm, attr);
    else
        keep(norm, attr);
}

static inline void take_row(struct norm *norm, const struct row *row, const struct attr *attr,
                            uint16_t score)
{
    unsigned target = row->target;
    uint16_t old = norm->score[target];
    if (score <= old || !convert(norm, row, &attr->value)) {
        lose(norm, target, attr);
        return;
    }
    bool kept = row->keep || norm->lossy;
    if (old && !norm->winner[target].kept && target != TARGET_none)
        lose(norm, target, norm->winner[target].attr);
    if (kept)
        keep(norm, attr);
    norm->has_content = norm->has_content || is_text_target(target);
    norm->score[target] = target == TARGET_none ? 0 : score;
    norm->winner[target] = (struct winner){ attr, kept };
}

void take_by_row(struct norm *norm, const struct row *row, const struct attr *attr, uint16_t score)
{
    take_row(norm, row, attr, score);
}

void keep_attr(struct norm *norm, const struct attr *attr)
{
    keep(norm, attr);
}

void keep_unmapped(struct norm *norm, const struct attr *attr)
{
    assert(norm->unmapped_count < norm->attrs_max);
    norm->unmapped[norm->unmapped_count++] = attr;
    keep(norm, attr);
}

/* Langfuse writes metadata as JSON: a text has quotes.  The same attribute without them. */
static const struct attr *unquoted(struct norm *norm, const struct attr *attr)
{
    struct value inner;
    if (attr->value.type != VALUE_STR || !str_starts(attr->value.text, STR_OF("\"")) ||
        !parse_json(norm, attr->value.text, &inner) || inner.type != VALUE_STR)
        return attr;
    struct attr *plain = arena_new(norm->arena, struct attr, 1);
    norm->spent = norm->spent || !plain;
    if (!plain)
        return attr;
    *plain = (struct attr){ attr->key, inner };
    return plain;
}

/* A member of a metadata family: its name without the prefix may be one we know. */
static void take_retry(struct norm *norm, const struct attr *attr, str rest)
{
    if (norm->mapping && take_mapped_rest(norm, attr, rest))
        return;
    const struct row *row = norm_row(norm, rest);
    unsigned target = row ? row->target : TARGET_none;
    bool is_field = row && target < (unsigned)FIELD_COUNT;
    uint16_t score = (uint16_t)(LEVEL_RETRY * ROWS_MAX - (row ? dialect_row_index(row) : 0));
    if (is_field && score > norm->score[target])
        take_by_row(norm, row, unquoted(norm, attr), score);
    else if (row)
        keep(norm, attr);
    else
        keep_unmapped(norm, attr);
}

static bool may_have_prefix(const struct norm *norm, str key)
{
    uint8_t head = prefix_head(key);
    return norm->prefix_heads[head / 64] >> (head % 64) & 1;
}

/* An embedding is huge, and of no use to a reader. */
static void vector_drop(struct norm *norm)
{
    norm->dropped_count++;
    norm->odd |= ODD_ATTRS_DROPPED;
}

void take_family(struct norm *norm, const struct attr *attr, enum family family, str rest)
{
    switch (family) {
    case FAMILY_PARAMETER:
        norm->parameters[norm->parameters_count++] = attr;
        keep(norm, attr);
        break;
    case FAMILY_RETRY:
        take_retry(norm, attr, rest);
        break;
    case FAMILY_TEXT:
        other_add(norm, attr);
        break;
    case FAMILY_VECTOR:
        vector_drop(norm);
        break;
    case FAMILY_FLAT_INPUT:
    case FAMILY_FLAT_OUTPUT:
    case FAMILY_FLAT_TOOLS:
    case FAMILY_FLAT_DOCUMENTS:
    case FAMILY_FLAT_CANDIDATES:
    case FAMILY_FLAT_EMBEDDINGS:
    case FAMILY_COUNT:
        if (family == FAMILY_FLAT_EMBEDDINGS && str_ends(rest, STR_OF("vector"))) {
            vector_drop(norm);
            break;
        }
        norm->flats[norm->flats_count++] =
            (struct flat){ .path = rest, .family = (uint8_t)family, .attr = attr };
        norm->has_content = true;
        break;
    }
}

static void take_unknown(struct norm *norm, const struct attr *attr, enum level level)
{
    enum family family;
    enum dialect dialect;
    str rest;
    if (level == LEVEL_RESOURCE || !may_have_prefix(norm, attr->key) ||
        !dialect_prefix(attr->key, norm->tables, &family, &dialect, &rest)) {
        keep_unmapped(norm, attr);
        return;
    }
    norm->dialects |= 1u << dialect;
    take_family(norm, attr, family, rest);
}

void take_attr(struct norm *norm, const struct attr *attr, enum level level)
{
    const struct row *row = norm_row(norm, attr->key);
    if (row)
        norm->dialects |= 1u << row->dialect;
    if (norm->mapping && take_mapped(norm, attr, level))
        return;
    if (!row) {
        take_unknown(norm, attr, level);
        return;
    }
    take_row(norm, row, attr, row_score(row, NULL, level));
}

void take_members(struct norm *norm, const struct value *map)
{
    if (map->type != VALUE_MAP)
        return;
    for (uint32_t i = 0; i < map->count; i++) {
        const struct attr *member = &map->attrs[i];
        const struct mapped_row *mapped =
            norm->mapping ? mapping_find_exact(norm, member->key) : NULL;
        const struct row *row = mapped ? &mapped->row : norm_row(norm, member->key);
        if (mapped && mapped->action != MAP_FIELD)
            continue;
        if (!row || row->target >= (unsigned)FIELD_COUNT || norm->score[row->target])
            continue; /* the whole object is kept as content */
        if (convert(norm, row, &member->value)) {
            norm->score[row->target] = 1;
            norm->winner[row->target] = (struct winner){ member, true };
        }
    }
}

static void begin(struct norm *norm)
{
    norm->kept_count = norm->others_count = norm->longs_count = 0;
    norm->parameters_count = norm->flats_count = norm->dropped_count = 0;
    norm->unmapped_count = norm->ignored_count = 0;
    norm->event_items_count[0] = norm->event_items_count[1] = norm->events_count = 0;
    norm->events_are_content = false;
    norm->invocation.type = VALUE_NULL;
    norm->reply_usage = NULL;
    norm->has_content = norm->is_exclusive = false;
    norm->step = STEP_NONE;
}

void norm_place(struct norm *norm, const struct raw_scope *scope)
{
    struct place *place = &norm->place;
    begin(norm);
    memset(&place->span, 0, sizeof place->span);
    memset(norm->score, 0, sizeof norm->score);
    norm->span = &place->span;
    norm->dialects = norm->odd = norm->span_dialects = 0;
    norm->scope_name = scope->name;
    for (uint32_t i = 0; i < scope->attr_count; i++)
        take_attr(norm, &scope->attrs[i], LEVEL_RESOURCE);
    const struct raw_resource *resource = scope->resource;
    for (uint32_t i = 0; i < resource->attr_count; i++)
        take_attr(norm, &resource->attrs[i], LEVEL_RESOURCE);

    SPAN_SET(&place->span, project, norm->config->project);
    if (!str_is_none(norm->pin->text))
        SPAN_SET(&place->span, mapping_version, norm->pin->text);
    SPAN_SET(&place->span, received_time, norm->config->received_ns);
    str text;
    if (convert_text(norm, &(struct value){ .type = VALUE_STR, .text = scope->name }, &text))
        SPAN_SET(&place->span, scope_name, text);
    if (convert_text(norm, &(struct value){ .type = VALUE_STR, .text = scope->version }, &text))
        SPAN_SET(&place->span, scope_version, text);
    str schema = scope->schema_url.len ? scope->schema_url : resource->schema_url;
    if (convert_text(norm, &(struct value){ .type = VALUE_STR, .text = schema }, &text))
        SPAN_SET(&place->span, schema_url, text);

    place->scope = scope;
    place->pin = norm->pin;
    place->ignored_count = norm->ignored_count;
    place->dialects = norm->dialects;
    place->odd = norm->odd;
    memcpy(place->score, norm->score, sizeof place->score);
    memcpy(place->use, norm->use, sizeof place->use);
    place->held_count = 0;
    for (unsigned target = 0; target < TARGET_COUNT; target++) {
        if (!norm->score[target])
            continue;
        place->held[place->held_count] = (uint16_t)target;
        place->held_winner[place->held_count++] = norm->winner[target];
    }
    for (uint32_t i = 0; i < norm->others_count; i++) /* content on a resource: too odd to type */
        keep(norm, norm->others[i]);
    place->rest_count = MIN(norm->kept_count, (uint32_t)NORM_PLACE_ATTRS_MAX);
    place->dropped_count = norm->kept_count - place->rest_count;
    place->rest = arena_alloc(norm->arena, (place->rest_count + 1) * sizeof(struct attr));
    if (place->rest)
        memcpy(place->rest, norm->kept, place->rest_count * sizeof(struct attr));
    else
        norm->spent = true;
    norm_count_unmapped(norm);
}

/* What the place has without a row, unless the span says it itself. */
static void add_rest(struct norm *norm)
{
    uint32_t own_count = norm->kept_count;
    norm->ignored_count += norm->place.ignored_count;
    norm->dropped_count += norm->place.dropped_count;
    if (norm->place.dropped_count)
        norm->odd |= ODD_ATTRS_DROPPED;
    for (uint32_t i = 0; i < norm->place.rest_count; i++) {
        const struct attr *rest = &norm->place.rest[i];
        if (!attr_find(norm->kept, own_count, rest->key))
            keep(norm, rest);
    }
}

/* ---- the span's own members ---- */

static void take_times(struct norm *norm, const struct raw_span *raw)
{
    struct span *span = norm->span;
    int64_t start = (int64_t)MIN(raw->start_ns, (uint64_t)TIME_LATEST_NS);
    int64_t end = (int64_t)MIN(raw->end_ns, (uint64_t)TIME_LATEST_NS);
    if (raw->is_addition && !start) {
        if (end)
            SPAN_SET(span, end_time, end);
        return;
    }
    bool suspect = start < TIME_EARLIEST_NS || start > norm->config->received_ns + DAY_NS;
    SPAN_SET(span, start_time, start ? start : norm->config->received_ns);
    if (end >= start && start)
        SPAN_SET(span, latency_ns, end - start);
    else if (end)
        norm->odd |= ODD_END_BEFORE_START;
    if (end && end < start) /* so that what was sent can be told */
        SPAN_SET(span, sender_latency_ns, end - start);
    if (suspect) {
        norm->odd |= ODD_TIME_SUSPECT;
        SPAN_SET(span, time_suspect, true);
    }
}

static void take_members_of_span(struct norm *norm, const struct raw_span *raw)
{
    static const str kinds[] = { STR(""),       STR("internal"), STR("server"),
                                 STR("client"), STR("producer"), STR("consumer") };
    static const str statuses[] = { STR("unset"), STR("ok"), STR("error") };
    struct span *span = norm->span;
    SPAN_SET(span, trace_id, raw->trace_id);
    SPAN_SET(span, span_id, raw->span_id);
    if (!id8_is_zero(raw->parent_span_id))
        SPAN_SET(span, parent_span_id, raw->parent_span_id);
    str text;
    bool has_name = raw->name.len || !raw->is_addition;
    if (has_name &&
        convert_text(norm, &(struct value){ .type = VALUE_STR, .text = raw->name }, &text))
        SPAN_SET(span, name, text);
    if (raw->kind > 0 && raw->kind < (int)COUNT_OF(kinds))
        SPAN_SET(span, kind, kinds[raw->kind]);
    bool known = raw->status_code >= 0 && raw->status_code < (int)COUNT_OF(statuses);
    if (raw->status_code || !raw->is_addition)
        SPAN_SET(span, status, statuses[known ? raw->status_code : 0]);
    if (raw->source_id.len &&
        convert_text(norm, &(struct value){ .type = VALUE_STR, .text = raw->source_id }, &text))
        SPAN_SET(span, source_id, text);
    if (raw->status_message.len) { /* weightier than an attribute with a message */
        struct value message = value_str(raw->status_message);
        if (convert_text(norm, &message, &text))
            SPAN_SET(span, status_message, text);
    }
    take_times(norm, raw);
}

/* ---- derived fields ---- */

static void derive_endpoint(struct norm *norm, const struct raw_span *raw)
{
    struct span *span = norm->span;
    bool is_client = raw->kind == 3;
    if (is_client && SPAN_KNOWS(span, endpoint) && norm->winner[TARGET_endpoint].kept)
        span_forget(span, FIELD_endpoint); /* http.* of a client is the other side's */
    if (!SPAN_KNOWS(span, endpoint) && !SPAN_KNOWS(span, parent_span_id) && SPAN_KNOWS(span, name))
        SPAN_SET(span, endpoint, span->name);
}

static str retriever_family(str retriever)
{
    if (text_has_nocase(retriever, "hybrid") || text_has_nocase(retriever, "rrf"))
        return STR_OF("hybrid");
    if (text_has_nocase(retriever, "graph"))
        return STR_OF("graph");
    if (text_has_nocase(retriever, "bm25") || text_has_nocase(retriever, "keyword") ||
        text_has_nocase(retriever, "sparse") || text_has_nocase(retriever, "lexical"))
        return STR_OF("bm25");
    if (text_has_nocase(retriever, "dense") || text_has_nocase(retriever, "vector") ||
        text_has_nocase(retriever, "embedding") || text_has_nocase(retriever, "semantic"))
        return STR_OF("dense");
    return STR_NONE;
}

/* "support_docs_v42" -> "support_docs", "v42" (A69). */
static void split_index(struct span *span)
{
    str name = span->index_name;
    size_t at = name.len;
    while (at > 0 && name.ptr[at - 1] >= '0' && name.ptr[at - 1] <= '9')
        at--;
    if (at == name.len || at < 3 || name.ptr[at - 1] != 'v' || name.ptr[at - 2] != '_')
        return;
    if (!SPAN_KNOWS(span, index_version))
        SPAN_SET(span, index_version, str_from(name, at - 1));
    span->index_name = str_sub(name, 0, at - 2);
}

static void derive_retrieval(struct norm *norm)
{
    struct span *span = norm->span;
    if (SPAN_KNOWS(span, index_name))
        split_index(span);
    if (SPAN_KNOWS(span, retriever)) {
        str family = retriever_family(span->retriever);
        if (!str_is_none(family))
            SPAN_SET(span, retriever_family, family);
    }
    if (!SPAN_KNOWS(span, top_k_returned) && SPAN_KNOWS(span, source_ids))
        SPAN_SET(span, top_k_returned, span->source_ids.count);
}

/* Tracers of functions name the span after the tool and say no more. */
static void derive_tool(struct norm *norm)
{
    struct span *span = norm->span;
    bool is_named =
        has(norm, TARGET_is_openinference_kind) || has(norm, TARGET_is_observation_type);
    if (norm->step == STEP_TOOL && is_named && !SPAN_KNOWS(span, tool_name) &&
        SPAN_KNOWS(span, name))
        SPAN_SET(span, tool_name, span->name);
}

static bool finish_is(const struct span *span, const char *reason)
{
    for (uint32_t i = 0; SPAN_KNOWS(span, finish_reason) && i < span->finish_reason.count; i++)
        if (str_equal_nocase(span->finish_reason.items[i], str_from_c(reason)))
            return true;
    return false;
}

/* Whoever times a chunk has streamed. */
static void derive_stream(struct norm *norm)
{
    bool has_ttft = has(norm, TARGET_ttft_ns) && norm->winner[TARGET_ttft_ns].attr;
    if (has_ttft && !SPAN_KNOWS(norm->span, stream) &&
        text_has_nocase(norm->winner[TARGET_ttft_ns].attr->key, "chunk"))
        SPAN_SET(norm->span, stream, true);
}

/* MLflow has one name for the model that was asked and the one that answered; OpenInference
 * has one of its own for the model of an embedding. */
static void derive_models(struct norm *norm, const struct raw_span *raw)
{
    struct span *span = norm->span;
    const struct value *embedder = held(norm, TARGET_is_embedding_model);
    str text;
    if (embedder && norm->step == STEP_EMBEDDING && !SPAN_KNOWS(span, request_model) &&
        convert_text(norm, embedder, &text))
        SPAN_SET(span, request_model, text);
    /* of a part: the other may name the model that answered (pipeline/merge.c) */
    if (!raw->is_addition && !SPAN_KNOWS(span, generator_model) && SPAN_KNOWS(span, request_model))
        SPAN_SET(span, generator_model, span->request_model); /* A21 */
    if (!SPAN_KNOWS(span, request_model) && has(norm, TARGET_generator_model) &&
        str_equal_c(norm->winner[TARGET_generator_model].attr->key, "mlflow.llm.model"))
        SPAN_SET(span, request_model, span->generator_model);
}

static void derive(struct norm *norm, const struct raw_span *raw)
{
    struct span *span = norm->span;
    derive_models(norm, raw);
    derive_endpoint(norm, raw);
    derive_retrieval(norm);
    derive_tool(norm);
    if (!SPAN_KNOWS(span, refusal_flag) && finish_is(span, "refusal"))
        SPAN_SET(span, refusal_flag, true);
    derive_stream(norm);
    if (!SPAN_KNOWS(span, fallback) && SPAN_KNOWS(span, fallback_from))
        SPAN_SET(span, fallback, true);
    if (SPAN_KNOWS(span, latency_ns) && SPAN_KNOWS(span, sender_latency_ns)) {
        int64_t gap = span->latency_ns - span->sender_latency_ns;
        if ((gap < 0 ? -gap : gap) > span->latency_ns / 20)
            norm->odd |= ODD_LATENCY_DIFFERS; /* A49 */
    }
}

static void finish_flags(struct norm *norm)
{
    if (norm->odd == 0)
        return;
    str *items = arena_new(norm->arena, str, ODD_COUNT);
    if (!items) {
        norm->spent = true;
        return;
    }
    uint32_t count = 0;
    for (unsigned i = 0; i < ODD_COUNT; i++)
        if (norm->odd >> i & 1)
            items[count++] = str_from_c(odd_texts[i]);
    SPAN_SET(norm->span, flags, (struct strs){ items, count });
}

static void finish_attrs(struct norm *norm, const struct raw_span *raw)
{
    struct span *span = norm->span;
    span->dropped_attr_count = raw->dropped_attr_count + norm->dropped_count + norm->ignored_count;
    span->attr_count = norm->kept_count;
    if (norm->kept_count == 0)
        return;
    span->attrs = arena_alloc(norm->arena, norm->kept_count * sizeof(struct attr));
    if (!span->attrs) {
        norm->spent = true;
        span->attr_count = 0;
        return;
    }
    for (uint32_t i = 0; i < norm->kept_count; i++) {
        const struct attr *attr = &norm->kept[i];
        bool is_long = value_is_long(norm, &attr->value);
        if (norm->is_utf8 && !is_long && attr->value.count == 0) { /* a tree needs a copy */
            span->attrs[i] = *attr;
            continue;
        }
        span->attrs[i].key = text_clean(norm, attr->key);
        if (is_long) {
            norm->longs[norm->longs_count++] = attr;
            span->attrs[i].value = value_str(STR_OF(NORM_CONTENT_MARKER));
        } else {
            span->attrs[i].value = value_clean(norm, &attr->value);
        }
    }
    part_add_attrs(norm, CONTENT_ATTRS, norm->longs, norm->longs_count);
}

void norm_begin(struct norm *norm, const struct raw_span *raw, struct span *span)
{
    const struct place *place = &norm->place;
    assert(place->scope == raw->scope);
    begin(norm);
    memcpy(span, &place->span, offsetof(struct span, parts));
    span->part_count = 0;
    span->is_addition = false;
    memcpy(norm->score, place->score, sizeof norm->score);
    memcpy(norm->use, place->use, sizeof norm->use);
    norm->span = span;
    norm->dialects = place->dialects;
    norm->odd = place->odd;
    for (uint32_t i = 0; i < place->held_count; i++) {
        norm->winner[place->held[i]] = place->held_winner[i];
        norm->has_content = norm->has_content || is_text_target(place->held[i]);
    }
}

/* What SDKs put into a schema URL is often not what they write: the names are asked. */
static void finish_convention(struct norm *norm)
{
    static const struct {
        const char *key;
        enum target target;
        str convention;
    } names[] = {
#define NAME(key, target, convention) { key, TARGET_##target, STR(convention) },
#include "norm/convention.def"
#undef NAME
    };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const struct winner *winner = &norm->winner[names[i].target];
        if (!norm->score[names[i].target] || !winner->attr ||
            !str_equal_c(winner->attr->key, names[i].key))
            continue;
        SPAN_SET(norm->span, convention, names[i].convention);
        return;
    }
}

static void finish_dialect(struct norm *norm)
{
    finish_convention(norm);
    str dialect = dialect_text(norm);
    if (dialect.len)
        SPAN_SET(norm->span, dialect, dialect);
}

/* Logfire tells of the start of a span by a placeholder, a child of the span that is to come. */
static bool is_placeholder(const struct norm *norm, const struct raw_span *raw)
{
    const struct value *kind = held(norm, TARGET_is_pending);
    return kind && kind->type == VALUE_STR && str_equal_c(kind->text, "pending_span") &&
           !id8_is_zero(raw->parent_span_id);
}

/* An addition to the span that it stands for, or that span as far as known. */
static void placeholder_finish(struct norm *norm, const struct raw_span *raw)
{
    const struct value *parent = held(norm, TARGET_is_pending_parent);
    struct raw_span real = *raw;
    real.span_id = raw->parent_span_id;
    real.end_ns = 0; /* it has only begun */
    if (!parent || parent->type != VALUE_STR ||
        !hex_decode(parent->text, &real.parent_span_id, sizeof real.parent_span_id))
        real.parent_span_id = (struct id8){ 0 };
    take_members_of_span(norm, &real);
    norm_early(norm);
    norm_step(norm, &real);
    norm_content(norm);
    norm_usage(norm);
    finish_attrs(norm, &real);
    finish_flags(norm);
    finish_dialect(norm);
    norm->span->is_addition = true;
}

void norm_span(struct norm *norm, const struct raw_span *raw, struct span *span)
{
    norm_begin(norm, raw, span);
    if (norm->mapping)
        mapping_begin(norm, raw);
    for (uint32_t i = 0; i < raw->attr_count; i++)
        take_attr(norm, &raw->attrs[i], LEVEL_SPAN);
    add_rest(norm);
    if (is_placeholder(norm, raw)) {
        placeholder_finish(norm, raw);
        return;
    }
    take_members_of_span(norm, raw);
    norm_first_token_time(norm);
    if (raw->dropped_attr_count)
        norm->odd |= ODD_ATTRS_DROPPED;

    norm_early(norm);
    norm_objects(norm);
    norm_step(norm, raw);
    norm_guard(norm, raw);
    norm_reply(norm);
    if (raw->event_count)
        norm_events(norm, raw);
    norm_content(norm);
    norm_guard_model(norm);
    norm_usage(norm);
    if (raw->is_addition && SPAN_KNOWS(span, usage_source) &&
        str_equal_c(span->usage_source, "unknown")) /* the other part may have it */
        span_forget(span, FIELD_usage_source);
    norm_error(norm, raw);
    derive(norm, raw);
    finish_attrs(norm, raw);
    finish_flags(norm);
    finish_dialect(norm);
    norm_count_unmapped(norm);
    span->links = raw->links;
    span->link_count = raw->link_count;
    span->is_addition = raw->is_addition;
}

void norm_addition_finish(struct norm *norm, const struct raw_span *raw)
{
    struct span *span = norm->span;
    SPAN_SET(span, trace_id, raw->trace_id);
    SPAN_SET(span, span_id, raw->span_id);
    span->is_addition = true;
    span_forget(span, FIELD_scope_name); /* the logger's, not the span's */
    span_forget(span, FIELD_scope_version);
    span_forget(span, FIELD_schema_url);
    norm_early(norm);
    norm_content(norm);
    norm_usage(norm);
    finish_attrs(norm, raw);
    finish_flags(norm);
    finish_dialect(norm);
    norm_count_unmapped(norm);
}
