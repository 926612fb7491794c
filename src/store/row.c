/* row.c -- rows apart from any engine: trace rows seen as spans, copies, sort keys.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/hash.h"
#include "store/store_int.h"

#include <math.h>

/* Fields that a trace row has, and where: ROW(field, member). */
#define TRACE_TEXTS(ROW)                                                                           \
    ROW(project, project)                                                                          \
    ROW(service, service)                                                                          \
    ROW(endpoint, endpoint)                                                                        \
    ROW(status, status)                                                                            \
    ROW(tenant_id, tenant_id)                                                                      \
    ROW(user_id, user_id)                                                                          \
    ROW(session_id, session_id)                                                                    \
    ROW(feature, feature)                                                                          \
    ROW(environment, environment)                                                                  \
    ROW(release, release)                                                                          \
    ROW(request_id, request_id)                                                                    \
    ROW(provider, provider)                                                                        \
    ROW(generator_model, generator_model)                                                          \
    ROW(prompt_version, prompt_version)                                                            \
    ROW(prompt_template_id, prompt_template_id)                                                    \
    ROW(prompt_hash, prompt_hash)                                                                  \
    ROW(retriever, retriever)                                                                      \
    ROW(index_version, index_version)

static const enum field trace_numbers[] = {
    FIELD_trace_id,       FIELD_start_time,    FIELD_latency_ns,   FIELD_ttft_ns,
    FIELD_input_tokens,   FIELD_output_tokens, FIELD_total_tokens, FIELD_cost_nanousd,
    FIELD_top_k_returned, FIELD_source_ids,    FIELD_retry_count,  FIELD_safety_blocked,
    FIELD_eval_sampled,   FIELD_faithfulness,
};

bool trace_has_field(enum field field)
{
#define ROW(name, member)                                                                          \
    if (field == FIELD_##name)                                                                     \
        return true;
    TRACE_TEXTS(ROW)
#undef ROW
    for (size_t i = 0; i < COUNT_OF(trace_numbers); i++)
        if (trace_numbers[i] == field)
            return true;
    return false;
}

int64_t i64_add(int64_t a, int64_t b)
{
    int64_t sum;
    if (ADD_OVERFLOWS(a, b, &sum))
        return a < 0 ? INT64_MIN : INT64_MAX;
    return sum;
}

static int64_t subtract_saturated(int64_t a, int64_t b)
{
    int64_t difference;
    if (__builtin_sub_overflow(a, b, &difference))
        return a < b ? INT64_MIN : INT64_MAX;
    return difference;
}

static void trace_totals_to_span(const struct trace_row *row, struct span *span)
{
    if (row->has_input)
        SPAN_SET(span, input_tokens, row->input_tokens);
    if (row->has_output)
        SPAN_SET(span, output_tokens, row->output_tokens);
    if (row->has_input || row->has_output)
        SPAN_SET(span, total_tokens,
                 i64_add(row->has_input ? row->input_tokens : 0,
                         row->has_output ? row->output_tokens : 0));
    if (row->has_cost)
        SPAN_SET(span, cost_nanousd, row->cost_nanousd);
    if (row->ttft_ns >= 0)
        SPAN_SET(span, ttft_ns, row->ttft_ns);
    if (row->top_k_returned >= 0)
        SPAN_SET(span, top_k_returned, row->top_k_returned);
    if (row->source_ids.count > 0)
        SPAN_SET(span, source_ids, row->source_ids);
    if (row->safety_blocked >= 0)
        SPAN_SET(span, safety_blocked, row->safety_blocked == 1);
    if (row->eval_sampled >= 0)
        SPAN_SET(span, eval_sampled, row->eval_sampled == 1);
    if (isfinite(row->faithfulness))
        SPAN_SET(span, faithfulness, row->faithfulness);
}

void trace_to_span(const struct trace_row *row, struct span *ret_span)
{
    *ret_span = (struct span){ 0 };
    SPAN_SET(ret_span, trace_id, row->trace_id);
    SPAN_SET(ret_span, start_time, row->start_ns);
    SPAN_SET(ret_span, latency_ns, subtract_saturated(row->end_ns, row->start_ns));
    SPAN_SET(ret_span, retry_count, row->retry_count);
    if (!id8_is_zero(row->root_span_id))
        SPAN_SET(ret_span, span_id, row->root_span_id);
    if (!str_is_none(row->root_name))
        SPAN_SET(ret_span, name, row->root_name);
    if (!str_is_none(row->root_step))
        SPAN_SET(ret_span, step, row->root_step);
#define ROW(field, member)                                                                         \
    if (!str_is_none(row->member))                                                                 \
        SPAN_SET(ret_span, field, row->member);
    TRACE_TEXTS(ROW)
#undef ROW
    trace_totals_to_span(row, ret_span);
}

static int flag_of(const struct span *span, enum field field)
{
    return span_knows(span, field) ? *(const bool *)span_field_const(span, field) : -1;
}

void trace_from_span(const struct span *span, struct trace_row *row)
{
    row->trace_id = span->trace_id;
    row->start_ns = span->start_time;
    row->end_ns = i64_add(span->start_time, span->latency_ns);
    row->retry_count = (uint32_t)span->retry_count;
    row->root_span_id = span->span_id;
    row->root_name = SPAN_KNOWS(span, name) ? span->name : STR_NONE;
    row->root_step = SPAN_KNOWS(span, step) ? span->step : STR_NONE;
#define ROW(field, member) row->member = SPAN_KNOWS(span, field) ? span->field : STR_NONE;
    TRACE_TEXTS(ROW)
#undef ROW
    row->has_input = SPAN_KNOWS(span, input_tokens);
    row->has_output = SPAN_KNOWS(span, output_tokens);
    row->input_tokens = row->has_input ? span->input_tokens : 0;
    row->output_tokens = row->has_output ? span->output_tokens : 0;
    row->has_cost = SPAN_KNOWS(span, cost_nanousd);
    row->cost_nanousd = span->cost_nanousd;
    row->ttft_ns = SPAN_KNOWS(span, ttft_ns) ? span->ttft_ns : -1;
    row->top_k_returned = SPAN_KNOWS(span, top_k_returned) ? span->top_k_returned : -1;
    row->source_ids = span->source_ids;
    row->safety_blocked = flag_of(span, FIELD_safety_blocked);
    row->eval_sampled = flag_of(span, FIELD_eval_sampled);
    row->faithfulness = SPAN_KNOWS(span, faithfulness) ? span->faithfulness : (double)NAN;
}

static bool str_clone(struct arena *arena, str *text)
{
    if (str_is_none(*text))
        return true;
    *text = arena_str(arena, *text);
    return !str_is_none(*text);
}

static bool strs_clone(struct arena *arena, struct strs *list)
{
    str *items = arena_new(arena, str, list->count);
    if (!items)
        return false;
    for (uint32_t i = 0; i < list->count; i++) {
        items[i] = str_is_none(list->items[i]) ? STR_OF("") : list->items[i];
        if (!str_clone(arena, &items[i]))
            return false;
    }
    list->items = items;
    return true;
}

static bool f64s_clone(struct arena *arena, struct f64s *list)
{
    double *items = arena_new(arena, double, list->count);
    if (!items)
        return false;
    if (list->count > 0)
        memcpy(items, list->items, list->count * sizeof *items);
    list->items = items;
    return true;
}

static bool field_clone(struct arena *arena, struct span *span, enum field field)
{
    void *at = span_field(span, field);
    switch ((int)field_table[field].type) {
    case FIELD_TYPE_STR:
    case FIELD_TYPE_JSON:
        if (str_is_none(*(str *)at))
            *(str *)at = STR_OF("");
        return str_clone(arena, at);
    case FIELD_TYPE_STRS:
        return strs_clone(arena, at);
    case FIELD_TYPE_F64S:
        return f64s_clone(arena, at);
    case FIELD_TYPE_F64:
        if (!isfinite(*(double *)at))
            span_forget(span, field);
        return true;
    default:
        return true;
    }
}

static bool value_clone(struct arena *arena, struct value *value);

static bool attrs_clone(struct arena *arena, struct attr **attrs, uint32_t count)
{
    struct attr *copy = arena_new(arena, struct attr, count);
    for (uint32_t i = 0; copy && i < count; i++) {
        copy[i] = (*attrs)[i];
        if (!str_clone(arena, &copy[i].key) || !value_clone(arena, &copy[i].value))
            return false;
    }
    *attrs = copy;
    return copy != NULL;
}

static bool value_clone(struct arena *arena, struct value *value)
{
    if (value->type == VALUE_STR || value->type == VALUE_BYTES)
        return str_clone(arena, &value->text);
    if (value->type == VALUE_MAP)
        return attrs_clone(arena, &value->attrs, value->count);
    if (value->type != VALUE_ARRAY)
        return true;
    struct value *items = arena_new(arena, struct value, value->count);
    for (uint32_t i = 0; items && i < value->count; i++) {
        items[i] = value->items[i];
        if (!value_clone(arena, &items[i]))
            return false;
    }
    value->items = items;
    return items != NULL;
}

static bool links_clone(struct arena *arena, struct span *span)
{
    struct span_link *links = arena_new(arena, struct span_link, span->link_count);
    for (uint32_t i = 0; links && i < span->link_count; i++) {
        links[i] = span->links[i];
        if (!attrs_clone(arena, &links[i].attrs, links[i].attr_count))
            return false;
    }
    span->links = links;
    return links != NULL;
}

enum err span_clone(struct arena *arena, const struct span *span, struct span *ret_span,
                    struct diag *reterr_why)
{
    struct span copy = *span;
    bool whole = links_clone(arena, &copy);
    copy.attrs = NULL;
    copy.attr_count = 0;
    copy.part_count = 0;
    for (size_t word = 0; whole && word < COUNT_OF(copy.known); word++)
        for (uint64_t bits = span->known[word]; whole && bits != 0; bits &= bits - 1)
            whole =
                field_clone(arena, &copy, (enum field)(word * 64 + (size_t)__builtin_ctzll(bits)));
    if (!whole)
        return diag_set(reterr_why, ERR_LIMIT, "no room for a span");
    *ret_span = copy;
    return ERR_OK;
}

enum err trace_clone(struct arena *arena, const struct trace_row *row, struct trace_row *ret_row,
                     struct diag *reterr_why)
{
    struct trace_row copy = *row;
    bool whole = str_clone(arena, &copy.root_name) && str_clone(arena, &copy.root_step) &&
                 strs_clone(arena, &copy.source_ids);
#define ROW(field, member) whole = whole && str_clone(arena, &copy.member);
    TRACE_TEXTS(ROW)
#undef ROW
    if (!whole)
        return diag_set(reterr_why, ERR_LIMIT, "no room for a trace");
    *ret_row = copy;
    return ERR_OK;
}

static int64_t sort_value(const struct span *span, enum store_sort sort)
{
    switch (sort) {
    case STORE_SORT_START:
        return span->start_time;
    case STORE_SORT_LATENCY:
        return SPAN_KNOWS(span, latency_ns) ? span->latency_ns : -1;
    case STORE_SORT_COST:
        return SPAN_KNOWS(span, cost_nanousd) ? span->cost_nanousd : -1;
    case STORE_SORT_TOKENS:
        return SPAN_KNOWS(span, total_tokens) ? span->total_tokens : -1;
    case STORE_SORT_OLDEST:
        return -span->start_time;
    }
    return -1;
}

struct sort_key sort_key_of(const struct span *span, enum store_sort sort)
{
    return (struct sort_key){ sort_value(span, sort), span->start_time, span->trace_id,
                              span->span_id };
}

int sort_key_cmp(const struct sort_key *a, const struct sort_key *b)
{
    if (a->value != b->value)
        return a->value > b->value ? -1 : 1;
    if (a->start_ns != b->start_ns)
        return a->start_ns > b->start_ns ? -1 : 1;
    int order = memcmp(&b->trace_id, &a->trace_id, sizeof a->trace_id);
    return order ? order : memcmp(&b->span_id, &a->span_id, sizeof a->span_id);
}

bool list_is_after(const struct store_list *list, const struct sort_key *key)
{
    struct sort_key after = { list->after_value, list->after_start_ns, list->after_trace_id,
                              list->after_span_id };
    return !list->has_after || sort_key_cmp(key, &after) > 0;
}

uint64_t metric_identity(str project, const struct metric_point *point)
{
    struct buf attrs;
    buf_init(&attrs, STORE_ATTRS_BYTES_MAX);
    attrs_to_json(&attrs, point->attrs, point->attr_count);
    uint64_t hash =
        hash_bytes_seeded(attrs.ptr ? attrs.ptr : "", attrs.len, (uint64_t)point->time_ns);
    buf_clear(&attrs);
    hash = hash_bytes_seeded(project.ptr, project.len, hash);
    hash = hash_bytes_seeded(point->name.ptr, point->name.len, hash);
    hash = hash_bytes_seeded(point->service.ptr, point->service.len, hash);
    return hash_bytes_seeded(&point->start_ns, sizeof point->start_ns, hash);
}
