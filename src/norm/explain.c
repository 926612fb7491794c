/* explain.c -- for each attribute of a span: what it became and by which row.
 *
 * Asked for by `telltale map test` only.  Nothing is recorded while a span is understood:
 * afterwards each attribute is looked up again and compared with who won its target.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "norm/norm_int.h"

static bool is_held(unsigned target)
{
    return target >= TARGET_text_input; /* content and clues, looked at and let go */
}

static void explain_row(const struct norm *norm, const struct row *row, const struct attr *attr,
                        uint16_t score, struct norm_origin *origin)
{
    unsigned target = row->target;
    origin->target = target_text(target);
    origin->field = field_by_name(origin->target);
    if (target == TARGET_none || norm->winner[target].attr == attr)
        origin->fate = NORM_FATE_USED;
    else if (norm->score[target] > score)
        origin->fate = NORM_FATE_BEATEN;
    else
        origin->fate = is_held(target) ? NORM_FATE_USED : NORM_FATE_UNREADABLE;
}

static void explain_family(const struct norm *norm, const struct attr *attr, enum level level,
                           struct norm_origin *origin)
{
    enum family family;
    enum dialect dialect;
    str rest;
    origin->fate = NORM_FATE_UNMAPPED;
    if (level == LEVEL_RESOURCE ||
        !dialect_prefix(attr->key, norm->tables, &family, &dialect, &rest))
        return;
    origin->dialect = dialect_name(dialect);
    const struct mapped_row *mapped =
        norm->mapping && family == FAMILY_RETRY ? mapping_find_exact(norm, rest) : NULL;
    const struct row *row = family == FAMILY_RETRY ? norm_row(norm, rest) : NULL;
    if (mapped && mapped->action == MAP_IGNORE) {
        origin->line = mapped->line;
        origin->fate = NORM_FATE_IGNORED;
    } else if (mapped && mapped->action == MAP_FIELD) {
        origin->line = mapped->line;
        explain_row(norm, &mapped->row, attr, row_score(NULL, mapped, LEVEL_RETRY), origin);
    } else if (row) {
        explain_row(norm, row, attr, row_score(row, NULL, LEVEL_RETRY), origin);
    } else if (family != FAMILY_RETRY) {
        origin->fate = NORM_FATE_USED;
        origin->target = mapping_family_text(family);
        origin->field = field_by_name(origin->target);
    }
}

static void explain_mapped(const struct norm *norm, const struct mapped_row *mapped,
                           const struct attr *attr, enum level level, struct norm_origin *origin)
{
    origin->line = mapped->line;
    origin->fate = NORM_FATE_IGNORED;
    if (mapped->action == MAP_FIELD) {
        explain_row(norm, &mapped->row, attr, row_score(NULL, mapped, level), origin);
    } else if (mapped->action == MAP_FAMILY) {
        origin->fate = NORM_FATE_USED;
        origin->target = mapping_family_text((enum family)mapped->family);
    } else if (mapped->action == MAP_STRIP) {
        str rest = str_from(attr->key, mapped->row.key.len);
        const struct mapped_row *inner = mapping_find_exact(norm, rest);
        const struct row *row = inner ? &inner->row : norm_row(norm, rest);
        origin->line = inner ? inner->line : mapped->line;
        if (row && (!inner || inner->action == MAP_FIELD))
            explain_row(norm, row, attr, row_score(row, inner, level), origin);
        else if (!inner)
            origin->fate = NORM_FATE_UNMAPPED;
    }
}

static void explain_attr(const struct norm *norm, const struct attr *attr, enum level level,
                         struct norm_origin *origin)
{
    *origin = (struct norm_origin){ .attribute = attr->key, .field = FIELD_COUNT };
    const struct mapped_row *mapped = norm->mapping ? mapping_find(norm, attr->key) : NULL;
    const struct row *row = norm_row(norm, attr->key);
    if (mapped && (mapped->action != MAP_FAMILY || level != LEVEL_RESOURCE)) {
        explain_mapped(norm, mapped, attr, level, origin);
    } else if (row) {
        origin->dialect = dialect_name((enum dialect)row->dialect);
        explain_row(norm, row, attr, row_score(row, NULL, level), origin);
    } else {
        explain_family(norm, attr, level, origin);
    }
}

void norm_explain(struct norm *norm, const struct raw_span *raw, struct norm_explained *ret)
{
    const struct raw_scope *scope = raw->scope;
    const struct raw_resource *resource = scope->resource;
    size_t count = (size_t)raw->attr_count + scope->attr_count + resource->attr_count;
    *ret = (struct norm_explained){ .origins = arena_new(norm->arena, struct norm_origin, count) };
    if (!ret->origins) {
        norm->spent = true;
        return;
    }
    for (uint32_t i = 0; i < raw->attr_count; i++)
        explain_attr(norm, &raw->attrs[i], LEVEL_SPAN, &ret->origins[ret->count++]);
    for (uint32_t i = 0; i < scope->attr_count; i++)
        explain_attr(norm, &scope->attrs[i], LEVEL_RESOURCE, &ret->origins[ret->count++]);
    for (uint32_t i = 0; i < resource->attr_count; i++)
        explain_attr(norm, &resource->attrs[i], LEVEL_RESOURCE, &ret->origins[ret->count++]);
}
