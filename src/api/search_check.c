/* search_check.c -- which hits of a search may be shown.
 *
 * The index and the frames know projects, but neither tenants, nor time, nor what is asked of a
 * span: the store does.  A frame may also be an old one, of a trace that was written anew since.
 * So each hit is asked for: its trace must point at the frame, and its span be found.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "api/search_int.h"
#include "base/text.h"

/* id == one of them; a balanced tree, as the engine's statements nest only so deep. */
static const struct filter *any_of(struct arena *arena, const struct filter *leaves, size_t count)
{
    if (count == 1)
        return leaves;
    struct filter *node = arena_new(arena, struct filter, 1);
    if (!node)
        return NULL;
    *node = (struct filter){ .op = FILTER_OR,
                             .left = any_of(arena, leaves, count / 2),
                             .right = any_of(arena, leaves + count / 2, count - count / 2) };
    return node->left && node->right ? node : NULL;
}

struct leaves {
    struct filter items[SEARCH_CHECKED_AT_ONCE];
    size_t count;
};

static bool leaf_add(struct arena *arena, struct leaves *leaves, enum field field,
                     const uint8_t *id, size_t len)
{
    char hex[33];
    hex_encode(id, len, hex);
    str text = str_make(hex, 2 * len);
    for (size_t i = 0; i < leaves->count; i++)
        if (str_equal(leaves->items[i].value.text, text))
            return true;
    text = arena_str(arena, text);
    leaves->items[leaves->count++] =
        (struct filter){ .op = FILTER_EQ, .field = field, .value = value_str(text) };
    return !str_is_none(text);
}

static const struct filter *both(struct arena *arena, const struct filter *left,
                                 const struct filter *right)
{
    if (!left || !right)
        return left;
    struct filter *node = arena_new(arena, struct filter, 1);
    if (node)
        *node = (struct filter){ .op = FILTER_AND, .left = left, .right = right };
    return node;
}

static bool points_at(const struct trace_row *rows, size_t count, const struct search_hit *hit)
{
    for (size_t r = 0; r < count; r++) {
        if (memcmp(&rows[r].trace_id, &hit->trace_id, sizeof hit->trace_id) != 0)
            continue;
        for (uint32_t i = 0; i < rows[r].content_count; i++)
            if (rows[r].content[i].segment == hit->pointer.segment &&
                rows[r].content[i].offset == hit->pointer.offset)
                return true;
    }
    return false;
}

static const struct store_span *span_of(const struct store_span *spans, size_t count,
                                        const struct search_hit *hit)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(&spans[i].span.trace_id, &hit->trace_id, sizeof hit->trace_id) == 0 &&
            memcmp(&spans[i].span.span_id, &hit->owner, sizeof hit->owner) == 0)
            return &spans[i];
    return NULL;
}

enum err search_check(struct searching *searching, const struct search_hit *hits, size_t count,
                      const struct store_span **ret_spans, struct diag *reterr_why)
{
    assert(count > 0 && count <= SEARCH_CHECKED_AT_ONCE);
    struct arena *arena = &searching->job->arena;
    const struct api_config *config = &searching->job->worker->api->config;
    struct leaves *traces = arena_new(arena, struct leaves, 2), *spans = traces + 1;
    bool ok = traces;
    for (size_t i = 0; ok && i < count; i++)
        ok = leaf_add(arena, traces, FIELD_trace_id, hits[i].trace_id.bytes, 16) &&
             leaf_add(arena, spans, FIELD_span_id, hits[i].owner.bytes, 8);
    const struct filter *of_traces = ok ? any_of(arena, traces->items, traces->count) : NULL;
    const struct filter *of_spans = ok ? any_of(arena, spans->items, spans->count) : NULL;
    const struct filter *wanted =
        both(arena, both(arena, of_traces, of_spans), searching->list.filter);
    if (!of_traces || !of_spans || !wanted)
        return diag_set(reterr_why, ERR_LIMIT, "the search needs too much memory");
    struct trace_row *rows;
    struct store_span *found;
    size_t row_count = 0, found_count = 0;
    struct store_list list = { .scope = api_scope(searching->job),
                               .filter = of_traces,
                               .limit = SEARCH_CHECKED_AT_ONCE };
    enum err err =
        config->store_ops->traces(config->store, &list, arena, &rows, &row_count, reterr_why);
    list.scope.range = searching->list.scope.range;
    list.filter = wanted;
    list.limit = QUERY_LIMIT_MAX;
    if (!err)
        err =
            config->store_ops->spans(config->store, &list, arena, &found, &found_count, reterr_why);
    for (size_t i = 0; i < count && !err; i++)
        ret_spans[i] =
            points_at(rows, row_count, &hits[i]) ? span_of(found, found_count, &hits[i]) : NULL;
    return err;
}
