/* merge.c -- versions of one span into one.
 *
 * Create and update pairs, pending spans that are sent again when they end, log
 * events with the messages of a span, retries after a lost answer: all arrive as
 * records with the same key.  Merging is per field, so that a late addition never
 * wipes what was known.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "pipeline/assemble.h"
#include "wire/json.h"
#include <stdlib.h>

static const size_t type_sizes[] = {
    [FIELD_TYPE_ID16] = 16,
    [FIELD_TYPE_ID8] = 8,
    [FIELD_TYPE_STR] = sizeof(str),
    [FIELD_TYPE_I64] = 8,
    [FIELD_TYPE_F64] = 8,
    [FIELD_TYPE_BOOL] = sizeof(bool),
    [FIELD_TYPE_TIME] = 8,
    [FIELD_TYPE_NS] = 8,
    [FIELD_TYPE_NANO] = 8,
    [FIELD_TYPE_STRS] = sizeof(struct strs),
    [FIELD_TYPE_F64S] = sizeof(struct f64s),
    [FIELD_TYPE_JSON] = sizeof(str),
};

/* A field in which an addition may not overrule a whole span. */
static bool is_envelope(enum field field)
{
    return field == FIELD_name || field == FIELD_kind || field == FIELD_start_time ||
           field == FIELD_latency_ns || field == FIELD_status || field == FIELD_step ||
           field == FIELD_received_time || field == FIELD_parent_span_id ||
           field == FIELD_operation || field == FIELD_dialect;
}

/* Created and updated: both are versions of the span, none is an event about it. */
static bool are_versions(const struct span *a, const struct span *b)
{
    return a->is_addition && b->is_addition && SPAN_KNOWS(b, source_id);
}

/* What is known already and stays so. */
static bool is_held(const struct span *into, const struct span *from, enum field field)
{
    if (field == FIELD_usage_source && str_equal_c(from->usage_source, "unknown"))
        return true;
    if (are_versions(into, from)) /* a later one that says no more of the step than that */
        return field == FIELD_step && str_equal_c(from->step, "other");
    return from->is_addition && !into->is_addition && is_envelope(field);
}

/* Of versions of a span the earliest start: an update may tell of its own time.  0: one of them
 * does not know it. */
static int64_t merged_start(const struct span *into, const struct span *from)
{
    if (SPAN_KNOWS(into, start_time) && SPAN_KNOWS(from, start_time))
        return MIN(into->start_time, from->start_time);
    return 0;
}

/* When it ended, as the later of two versions says that says it; 0: neither does. */
static int64_t merged_end(const struct span *into, const struct span *from)
{
    const struct span *const versions[] = { from, into };
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        const struct span *span = versions[i];
        if (SPAN_KNOWS(span, latency_ns) && SPAN_KNOWS(span, start_time))
            return span->start_time + span->latency_ns;
        if (SPAN_KNOWS(span, end_time))
            return span->end_time;
    }
    return 0;
}

static void merge_fields(struct span *into, const struct span *from)
{
    bool has_versions = are_versions(into, from);
    int64_t start = has_versions ? merged_start(into, from) : 0;
    int64_t end = has_versions ? merged_end(into, from) : 0;
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        enum field field = (enum field)i;
        if (!span_knows(from, field))
            continue;
        if (span_knows(into, field) && is_held(into, from, field))
            continue;
        memcpy(span_field(into, field), span_field_const(from, field),
               type_sizes[field_table[i].type]);
        span_mark(into, field);
    }
    if (start)
        SPAN_SET(into, start_time, start);
    if (end) {
        SPAN_SET(into, end_time, end);
        span_forget(into, FIELD_latency_ns); /* complete_times() */
    }
}

/* "[a]" and "[b]" to "[a,b]"; anything else: the second. */
static str join_arrays(struct arena *arena, str a, str b)
{
    bool are_arrays = a.len >= 2 && b.len >= 2 && a.ptr[0] == '[' && b.ptr[0] == '[';
    if (!are_arrays || a.len == 2)
        return b;
    if (b.len == 2)
        return a;
    char *joined = arena_alloc(arena, a.len + b.len - 1);
    if (!joined)
        return b;
    memcpy(joined, a.ptr, a.len - 1);
    joined[a.len - 1] = ',';
    memcpy(joined + a.len, b.ptr + 1, b.len - 1);
    return str_make(joined, a.len + b.len - 1);
}

static bool is_nothing(str raw)
{
    return str_equal_c(raw, "null") || str_equal_c(raw, "\"\"");
}

/* The members of an object, each as the JSON it is; VALUE_NULL when it is none. */
static struct value members_of(struct arena *arena, str json)
{
    struct json reader;
    struct value map = { .type = VALUE_NULL };
    uint32_t capacity = 0;
    json_init(&reader, arena, json, JSON_DEPTH_MAX);
    if (json_next(&reader) != JSON_OBJECT)
        return map;
    while (json_next(&reader) == JSON_KEY) {
        str key = reader.text, raw;
        if (!json_raw(&reader, json_next(&reader), &raw))
            return (struct value){ .type = VALUE_NULL };
        if (map.count == capacity) {
            capacity = capacity ? capacity * 2 : 8;
            struct attr *more = arena_new(arena, struct attr, capacity);
            if (!more)
                return (struct value){ .type = VALUE_NULL };
            if (map.count)
                memcpy(more, map.attrs, map.count * sizeof *more);
            map.attrs = more;
        }
        map.attrs[map.count++] = (struct attr){ key, value_str(raw) };
    }
    map.type = VALUE_MAP;
    return map;
}

/* Two objects of parts of a span: the later member wins, unless it says nothing. */
static str join_objects(struct arena *arena, str earlier, str later)
{
    struct value known = members_of(arena, later);
    struct value older = members_of(arena, earlier);
    struct buf out;
    if (known.type != VALUE_MAP || older.type != VALUE_MAP)
        return later;
    buf_init(&out, earlier.len + later.len + 16);
    for (uint32_t i = 0; i < known.count; i++) {
        const struct attr *same = attr_find(older.attrs, older.count, known.attrs[i].key);
        if (same && is_nothing(known.attrs[i].value.text))
            known.attrs[i].value.text = same->value.text;
    }
    for (uint32_t i = 0; i < known.count + older.count; i++) {
        const struct attr *attr = i < known.count ? &known.attrs[i] : &older.attrs[i - known.count];
        if (i >= known.count && attr_find(known.attrs, known.count, attr->key))
            continue;
        buf_add_char(&out, out.len ? ',' : '{');
        buf_add_json_str(&out, attr->key);
        buf_add_char(&out, ':');
        buf_add_str(&out, attr->value.text);
    }
    buf_add_c(&out, out.len ? "}" : "{}");
    str joined = buf_failed(&out) ? STR_NONE : arena_str(arena, buf_str(&out));
    buf_clear(&out);
    return str_is_none(joined) ? later : joined;
}

static bool is_object_role(enum content_role role)
{
    return role == CONTENT_PREVIEW || role == CONTENT_ATTRS || role == CONTENT_OTHER;
}

static struct content_part *part_of(struct span *span, enum content_role role)
{
    for (uint32_t i = 0; i < span->part_count; i++)
        if (span->parts[i].role == role)
            return &span->parts[i];
    return NULL;
}

/* A whole span's later content replaces; messages of several events follow each other;
 * what a span says itself wins over what events say about it. */
static void merge_parts(struct arena *arena, struct span *into, const struct span *from)
{
    bool both_additions = into->is_addition && from->is_addition;
    bool has_versions = are_versions(into, from);
    for (uint32_t i = 0; i < from->part_count; i++) {
        const struct content_part *part = &from->parts[i];
        struct content_part *same = part_of(into, part->role);
        bool is_messages = part->role == CONTENT_INPUT || part->role == CONTENT_OUTPUT;
        if (!same)
            span_add_part(into, part->role, part->json);
        else if (has_versions && is_object_role(part->role))
            same->json = join_objects(arena, same->json, part->json);
        else if (both_additions && is_messages && !has_versions)
            same->json = join_arrays(arena, same->json, part->json);
        else if (!from->is_addition || both_additions)
            same->json = part->json;
    }
}

/* A whole span's attributes are all of them; parts of a span add theirs, a later one's value
 * of the same name wins, but never over the whole span's own. */
static void merge_attrs(struct arena *arena, struct span *into, const struct span *from)
{
    bool are_parts = into->is_addition || from->is_addition;
    struct attr *both = NULL;
    if (are_parts && into->attr_count && from->attr_count)
        both = arena_new(arena, struct attr, (size_t)into->attr_count + from->attr_count);
    if (!both) {
        if (from->attr_count >= into->attr_count) {
            into->attrs = from->attrs;
            into->attr_count = from->attr_count;
        }
        return;
    }
    bool is_less = from->is_addition && !into->is_addition; /* the span's own word wins */
    const struct span *first = is_less ? into : from, *then = is_less ? from : into;
    uint32_t count = first->attr_count;
    memcpy(both, first->attrs, count * sizeof *both);
    for (uint32_t i = 0; i < then->attr_count; i++) {
        if (!attr_find(first->attrs, first->attr_count, then->attrs[i].key))
            both[count++] = then->attrs[i];
    }
    into->attrs = both;
    into->attr_count = count;
}

void span_merge(struct arena *arena, struct span *into, const struct span *from)
{
    if (into->is_addition && !from->is_addition) { /* the span itself comes second */
        struct span whole = *from;
        span_merge(arena, &whole, into);
        *into = whole;
        return;
    }
    merge_fields(into, from);
    merge_parts(arena, into, from);
    merge_attrs(arena, into, from);
    into->dropped_attr_count = MAX(into->dropped_attr_count, from->dropped_attr_count);
    if (from->link_count >= into->link_count) {
        into->links = from->links;
        into->link_count = from->link_count;
    }
}

struct keyed {
    struct span *span;
    size_t arrival;
    bool begins; /* a part that begins the span and no more: the first, whenever it came */
};

static bool begins(const struct span *span)
{
    return span_is_open(span) && SPAN_KNOWS(span, start_time) && SPAN_KNOWS(span, name);
}

static int by_id_then_arrival(const void *a, const void *b)
{
    const struct keyed *left = a, *right = b;
    int order = memcmp(&left->span->span_id, &right->span->span_id, sizeof(struct id8));
    if (order)
        return order;
    if (left->begins != right->begins)
        return left->begins ? -1 : 1;
    return left->arrival < right->arrival ? -1 : left->arrival > right->arrival;
}

static int by_start(const void *a, const void *b)
{
    const struct span *left = *(struct span *const *)a, *right = *(struct span *const *)b;
    if (left->start_time != right->start_time)
        return left->start_time < right->start_time ? -1 : 1;
    return memcmp(&left->span_id, &right->span_id, sizeof(struct id8));
}

static bool same_id(const struct span *a, const struct span *b)
{
    return memcmp(&a->span_id, &b->span_id, sizeof(struct id8)) == 0;
}

/* The text of [{"parts":[{"content":text}]}]; STR_NONE: it is no single text. */
static str sole_text(struct arena *arena, str messages)
{
    struct json json;
    struct value list;
    json_init(&json, arena, messages, JSON_DEPTH_MAX);
    if (!json_value(&json, json_next(&json), &list) || list.type != VALUE_ARRAY ||
        list.count != 1 || list.items[0].type != VALUE_MAP)
        return STR_NONE;
    const struct attr *parts = attr_find(list.items[0].attrs, list.items[0].count, STR_OF("parts"));
    if (!parts || parts->value.type != VALUE_ARRAY || parts->value.count != 1 ||
        parts->value.items[0].type != VALUE_MAP)
        return STR_NONE;
    const struct value *part = &parts->value.items[0];
    const struct attr *content = attr_find(part->attrs, part->count, STR_OF("content"));
    bool is_text = content && content->value.type == VALUE_STR;
    return is_text ? content->value.text : STR_NONE;
}

/* What a tool was given and gave, told by a part that did not know it was of a tool, came as
 * messages. */
static void derive_tool(struct arena *arena, struct span *span)
{
    static const enum content_role roles[][2] = { { CONTENT_INPUT, CONTENT_TOOL_ARGUMENTS },
                                                  { CONTENT_OUTPUT, CONTENT_TOOL_RESULT } };
    for (size_t i = 0; i < COUNT_OF(roles); i++) {
        struct content_part *part = part_of(span, roles[i][0]);
        str text = part && !part_of(span, roles[i][1]) ? sole_text(arena, part->json) : STR_NONE;
        if (str_is_none(text) || !json_check(text))
            continue;
        part->role = roles[i][1];
        part->json = text;
    }
}

/* What is derived from fields that may have come in different parts (norm/span.c, usage.c). */
static void derive(struct span *span)
{
    bool is_root = !SPAN_KNOWS(span, parent_span_id);
    if (!SPAN_KNOWS(span, step))
        SPAN_SET(span, step, is_root ? STR_OF("request") : STR_OF("other"));
    bool uses = str_equal_c(span->step, "model") || str_equal_c(span->step, "embedding");
    if (uses && !SPAN_KNOWS(span, usage_source))
        SPAN_SET(span, usage_source, STR_OF("unknown"));
    if (!SPAN_KNOWS(span, generator_model) && SPAN_KNOWS(span, request_model))
        SPAN_SET(span, generator_model, span->request_model);
    if (is_root && !SPAN_KNOWS(span, endpoint) && SPAN_KNOWS(span, name))
        SPAN_SET(span, endpoint, span->name);
}

/* Times that count from the start, which another part told. */
static void complete_times(struct arena *arena, struct span *span)
{
    bool has_begun = SPAN_KNOWS(span, start_time);
    if (!has_begun) { /* its beginning never came */
        SPAN_SET(span, start_time,
                 SPAN_KNOWS(span, end_time) ? span->end_time : span->received_time);
        if (span->is_addition)
            (void)span_add_flag(span, arena, STR_OF(ASSEMBLE_START_UNKNOWN));
    }
    if (has_begun && SPAN_KNOWS(span, end_time) && !SPAN_KNOWS(span, latency_ns) &&
        span->end_time >= span->start_time)
        SPAN_SET(span, latency_ns, span->end_time - span->start_time);
    if (!has_begun || !SPAN_KNOWS(span, first_token_time))
        return;
    if (!SPAN_KNOWS(span, ttft_ns) && span->first_token_time >= span->start_time)
        SPAN_SET(span, ttft_ns, span->first_token_time - span->start_time);
    span_forget(span, FIELD_first_token_time);
}

/* What the parts of a span did not say. */
static void complete(struct arena *arena, struct span *span)
{
    complete_times(arena, span);
    if (!SPAN_KNOWS(span, status))
        SPAN_SET(span, status, STR_OF("unset"));
    if (span->is_addition && SPAN_KNOWS(span, source_id)) {
        derive(span);
        if (str_equal_c(span->step, "tool"))
            derive_tool(arena, span);
    }
    span->is_addition = false; /* one without its span stands for itself */
}

static void flag_remove(struct arena *arena, struct span *span, const char *flag)
{
    str *items = arena_new(arena, str, span->flags.count + 1);
    uint32_t count = 0;
    for (uint32_t i = 0; items && i < span->flags.count; i++)
        if (!str_equal_c(span->flags.items[i], flag))
            items[count++] = span->flags.items[i];
    if (items && count)
        SPAN_SET(span, flags, (struct strs){ items, count });
    else
        span_forget(span, FIELD_flags);
}

static bool has_flag(const struct span *span, const char *flag)
{
    for (uint32_t i = 0; SPAN_KNOWS(span, flags) && i < span->flags.count; i++)
        if (str_equal_c(span->flags.items[i], flag))
            return true;
    return false;
}

void assemble_reopen(struct arena *arena, struct span *span)
{
    if (!SPAN_KNOWS(span, source_id))
        return;
    span->is_addition = true;
    if (has_flag(span, ASSEMBLE_START_UNKNOWN)) {
        flag_remove(arena, span, ASSEMBLE_START_UNKNOWN);
        span_forget(span, FIELD_start_time);
        span_forget(span, FIELD_latency_ns);
    }
    if (!SPAN_KNOWS(span, name)) /* then nothing told the step either */
        span_forget(span, FIELD_step);
    if (SPAN_KNOWS(span, status) && str_equal_c(span->status, "unset"))
        span_forget(span, FIELD_status);
    if (SPAN_KNOWS(span, usage_source) && str_equal_c(span->usage_source, "unknown"))
        span_forget(span, FIELD_usage_source);
    if (SPAN_KNOWS(span, generator_model) && SPAN_KNOWS(span, request_model) &&
        str_equal(span->generator_model, span->request_model))
        span_forget(span, FIELD_generator_model);
}

/* Records first[0..count) of one span: whole ones in order, then the additions. */
static struct span *merge_records(struct arena *arena, const struct keyed *first, size_t count)
{
    struct span *whole = NULL, *addition = NULL;
    for (size_t i = 0; i < count; i++) {
        struct span **kind = first[i].span->is_addition ? &addition : &whole;
        if (*kind)
            span_merge(arena, *kind, first[i].span);
        else
            *kind = first[i].span;
    }
    if (whole && addition)
        span_merge(arena, whole, addition);
    return whole ? whole : addition;
}

/* What somebody said of the trace is its root's: the first without a parent, or the first.
 * Alone it stands for itself. */
static void give_root(struct arena *arena, struct span **spans, size_t count, struct span *said)
{
    size_t root = 0;
    while (root < count && SPAN_KNOWS(spans[root], parent_span_id))
        root++;
    struct span *to = spans[root < count ? root : 0];
    said->span_id = to->span_id;
    said->is_addition = true; /* it may have stood for itself before */
    span_merge(arena, to, said);
    for (uint32_t i = 0; i < to->attr_count;
         i++) { /* of what was said before, too, the later wins */
        const struct attr *attr = attr_find(said->attrs, said->attr_count, to->attrs[i].key);
        if (attr)
            to->attrs[i].value = attr->value;
    }
}

void assemble_merge(struct arena *arena, struct span **spans, size_t count, size_t *ret_count)
{
    const struct id8 root_id = id8_of_root();
    struct span *of_root = NULL;
    struct keyed *keyed = xcalloc(count, sizeof *keyed);
    for (size_t i = 0; i < count; i++)
        keyed[i] = (struct keyed){ spans[i], i, begins(spans[i]) };
    qsort(keyed, count, sizeof *keyed, by_id_then_arrival);
    size_t kept = 0;
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && same_id(keyed[i].span, keyed[end].span); end++)
            continue;
        struct span *merged = merge_records(arena, &keyed[i], end - i);
        if (memcmp(&merged->span_id, &root_id, sizeof root_id) == 0) {
            of_root = merged;
            continue;
        }
        complete(arena, merged);
        spans[kept++] = merged;
    }
    xfree(keyed);
    qsort(spans, kept, sizeof(struct span *), by_start);
    if (of_root && kept) {
        give_root(arena, spans, kept, of_root);
    } else if (of_root) {
        complete(arena, of_root);
        spans[kept++] = of_root;
    }
    *ret_count = kept;
}
