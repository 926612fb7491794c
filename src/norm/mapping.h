/* mapping.h -- the operator's own rows, from YAML, beside those of dialect.def.
 *
 * By attribute name, the plain form:
 *     acme.llm.model: request_model
 *     acme.llm.wait:  { field: queue_ms, as: seconds }
 *     acme.debug.*:   ignore
 * and as a list, where one name means several things:
 *     mappings:
 *       - { attribute: acme.tokens, field: input_tokens, scope: acme.tracer }
 * A row of the file wins over every built-in row, and wherever its attribute stands: on the
 * span, its scope or its resource.  A name beats a prefix, a longer prefix a shorter one, a
 * row bound to a scope or dialect one that is not, else the first in the file.
 * docs/mapping.md is the manual.
 *
 * Memory:  one arena; immutable once loaded.  Freed after the last norm_batch that used it.
 * Threads: read by any.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

/* The version of the built-in tables: the largest `since` of dialect.def and prefix.def. */
enum { MAPPING_TABLES = 2 };

struct mapping;

/* `file` is the name for messages.  ERR_BAD_INPUT with file:line:column and the nearest
 * known word, ERR_LIMIT. */
MUST_CHECK enum err mapping_load(str file, str yaml, struct mapping **ret_mapping,
                                 struct diag *reterr_why);
void mapping_free(struct mapping *mapping);
size_t mapping_row_count(const struct mapping *mapping);
str mapping_file(const struct mapping *mapping);
/* Some row is for that name, in some scope or dialect. */
bool mapping_names(const struct mapping *mapping, str name);

/* A built-in row as an operator would write it; for `telltale map list`. */
struct mapping_row_info {
    str attribute; /* a prefix ends in '*' */
    str field;     /* field, or what else it becomes */
    str as;
    str dialect;
    bool keep;             /* stays an attribute too */
    uint32_t since, until; /* versions of the tables that read it so; until 0: it holds */
};
/* False past the last one. */
bool mapping_built_in(size_t index, struct mapping_row_info *ret);
