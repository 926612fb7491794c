/* mapped.c -- attributes by the operator's rows, and the count of those that no row knows.
 *
 * Apart from span.c, so that the walk there stays as tight as it is without a mapping.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "norm/norm_int.h"

bool take_mapped_rest(struct norm *norm, const struct attr *attr, str rest)
{
    const struct mapped_row *mapped = mapping_find_exact(norm, rest);
    if (mapped && mapped->action == MAP_IGNORE)
        norm->ignored_count++;
    else if (mapped && mapped->action == MAP_FIELD)
        take_by_row(norm, &mapped->row, attr, row_score(NULL, mapped, LEVEL_RETRY));
    else
        return false;
    return true;
}

/* As if the name were the rest of it. */
static void take_stripped(struct norm *norm, const struct attr *attr, str rest, enum level level)
{
    const struct mapped_row *mapped = mapping_find_exact(norm, rest);
    const struct row *row = mapped ? &mapped->row : norm_row(norm, rest);
    if (mapped && mapped->action == MAP_IGNORE)
        norm->ignored_count++;
    else if (row)
        take_by_row(norm, row, attr, row_score(row, mapped, level));
    else
        keep_unmapped(norm, attr);
}

/* By a row of the operator's; false: there is none. */
bool take_mapped(struct norm *norm, const struct attr *attr, enum level level)
{
    const struct mapped_row *mapped = mapping_find(norm, attr->key);
    if (!mapped || (mapped->action == MAP_FAMILY && level == LEVEL_RESOURCE))
        return false;
    str rest = str_from(attr->key, mapped->row.key.len);
    switch ((enum map_action)mapped->action) {
    case MAP_FIELD:
        take_by_row(norm, &mapped->row, attr, row_score(NULL, mapped, level));
        break;
    case MAP_IGNORE:
        norm->ignored_count++;
        break;
    case MAP_STRIP:
        take_stripped(norm, attr, rest, level);
        break;
    case MAP_FAMILY:
        take_family(norm, attr, (enum family)mapped->family, rest);
        break;
    }
    return true;
}

/* Names that no row knows, once all is known about who sent them. */
void norm_count_unmapped(struct norm *norm)
{
    const struct norm_config *config = norm->config;
    if (!config->unmapped || norm->unmapped_count == 0)
        return;
    struct unmapped_sender sender = {
        .project = config->project,
        .scope = norm->scope_name,
        .service = SPAN_KNOWS(norm->span, service) ? norm->span->service : STR_OF(""),
        .dialects = norm->dialects & ~(1u << DIALECT_NONE),
        .now_ns = config->received_ns,
        .arena = norm->arena,
        .clean = config->clean_name,
        .clean_arg = config->clean_name_arg,
    };
    bool is_older = config->pins && norm->pin != pins_newest(config->pins);
    for (uint32_t i = 0; i < norm->unmapped_count; i++) {
        sender.newer_reads = is_older && norm_newer_reads(norm, norm->unmapped[i]->key);
        unmapped_add(config->unmapped, &sender, norm->unmapped[i]->key);
    }
}

/* The dialects of a span before its attributes are taken. */
void mapping_begin(struct norm *norm, const struct raw_span *raw)
{
    if (!mapping_wants_dialects(norm->mapping))
        return;
    norm->span_dialects = norm->dialects;
    for (uint32_t i = 0; i < raw->attr_count; i++) {
        const struct row *row = norm_row(norm, raw->attrs[i].key);
        enum family family;
        enum dialect dialect;
        str rest;
        if (row)
            norm->span_dialects |= 1u << row->dialect;
        else if (dialect_prefix(raw->attrs[i].key, norm->tables, &family, &dialect, &rest))
            norm->span_dialects |= 1u << dialect;
    }
    norm->span_dialects &= ~(1u << DIALECT_NONE);
}
