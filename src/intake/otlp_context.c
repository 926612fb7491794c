/* otlp_context.c -- what vendors say in a header of an OTLP request, as an attribute of its
 * resources.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/utf8.h"
#include "intake/intake.h"

static const struct {
    str header;
    str attr;
} rows[] = {
    { STR("x-project-name"), STR("openinference.project.name") }, /* Phoenix */
    { STR("x-mlflow-experiment-id"), STR("mlflow.experimentId") },
    { STR("x-mlflow-run-id"), STR("mlflow.sourceRun") },
};

/* What the head says; the last scope that was asked for and what it became. */
struct context {
    struct arena *arena;
    struct attr said[COUNT_OF(rows)];
    uint32_t count;
    const struct raw_scope *last, *replaced;
};

/* False: the arena's budget is spent. */
static bool read_head(struct context *context, const struct request_head *head)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        str value = str_trim(request_header(head, rows[i].header));
        if (str_is_empty(value))
            continue;
        value = utf8_repair(context->arena, value);
        if (str_is_none(value))
            return false;
        context->said[context->count++] = (struct attr){ rows[i].attr, value_str(value) };
    }
    return true;
}

/* A copy of the scope whose resource says it too; NULL: no room. */
static const struct raw_scope *scope_with(struct context *context, const struct raw_scope *scope)
{
    if (scope == context->last)
        return context->replaced;
    const struct raw_resource *old = scope->resource;
    struct raw_scope *copy = arena_new(context->arena, struct raw_scope, 1);
    struct raw_resource *resource = arena_new(context->arena, struct raw_resource, 1);
    struct attr *attrs =
        arena_new(context->arena, struct attr, (size_t)old->attr_count + context->count);
    if (!copy || !resource || !attrs)
        return NULL;
    *copy = *scope;
    *resource = *old;
    copy->resource = resource;
    if (old->attr_count)
        memcpy(attrs, old->attrs, old->attr_count * sizeof *attrs);
    resource->attrs = attrs;
    for (uint32_t i = 0; i < context->count; i++)
        if (!attr_find(old->attrs, old->attr_count, context->said[i].key))
            attrs[resource->attr_count++] = context->said[i];
    context->last = scope;
    context->replaced = copy;
    return copy;
}

enum err intake_add_context(struct arena *arena, const struct request_head *head,
                            struct raw_batch *batch, struct diag *reterr_why)
{
    struct context context = { .arena = arena };
    bool fits = read_head(&context, head);
    if (fits && context.count == 0)
        return ERR_OK;
    for (uint32_t i = 0; i < batch->span_count && fits; i++)
        fits = (batch->spans[i].scope = scope_with(&context, batch->spans[i].scope)) != NULL;
    for (uint32_t i = 0; i < batch->log_count && fits; i++)
        fits = (batch->logs[i].scope = scope_with(&context, batch->logs[i].scope)) != NULL;
    for (uint32_t i = 0; i < batch->metric_count && fits; i++)
        fits = (batch->metrics[i].scope = scope_with(&context, batch->metrics[i].scope)) != NULL;
    return fits ? ERR_OK : diag_set(reterr_why, ERR_LIMIT, "the request needs too much memory");
}
