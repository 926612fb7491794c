/* named_spans.c -- sets of eight, the oldest gives way.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pipeline/named_spans.h"
#include "base/check.h"
#include "base/hash.h"

enum { SET_SIZE = 8 };

static struct named_span *set_of(const struct named_spans *spans, uint32_t project,
                                 struct id8 span_id)
{
    uint64_t hash = hash_bytes_seeded(span_id.bytes, sizeof span_id.bytes, project);
    return &spans->items[hash % (NAMED_SPANS_MAX / SET_SIZE) * SET_SIZE];
}

static bool is_it(const struct named_span *at, uint32_t project, struct id8 span_id)
{
    return at->used && at->project == project &&
           memcmp(&at->span_id, &span_id, sizeof span_id) == 0;
}

void named_spans_clear(struct named_spans *spans)
{
    xfree(spans->items);
    *spans = (struct named_spans){ 0 };
}

void named_spans_put(struct named_spans *spans, str project, struct id8 span_id,
                     struct id16 trace_id)
{
    if (!spans->items)
        spans->items = xcalloc(NAMED_SPANS_MAX, sizeof *spans->items);
    uint32_t hash = (uint32_t)hash_str(project);
    struct named_span *set = set_of(spans, hash, span_id), *to = set;
    for (int i = 0; i < SET_SIZE; i++) {
        if (is_it(&set[i], hash, span_id)) {
            to = &set[i];
            break;
        }
        if (set[i].used < to->used)
            to = &set[i];
    }
    *to = (struct named_span){ trace_id, span_id, hash, ++spans->clock };
}

struct id16 named_spans_find(const struct named_spans *spans, str project, struct id8 span_id)
{
    struct id16 own;
    uint32_t hash = (uint32_t)hash_str(project);
    const struct named_span *set = spans->items ? set_of(spans, hash, span_id) : NULL;
    for (int i = 0; set && i < SET_SIZE; i++)
        if (is_it(&set[i], hash, span_id))
            return set[i].trace_id;
    memcpy(own.bytes, span_id.bytes, sizeof span_id.bytes);
    memcpy(own.bytes + sizeof span_id.bytes, span_id.bytes, sizeof span_id.bytes);
    return own;
}
