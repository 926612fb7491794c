/* yaml.h -- a YAML text as a small tree that knows where each node stood.
 *
 * What an operator writes (configuration, price overrides, alert and redaction
 * rules) is YAML; every later complaint must name file, line and column, so the
 * tree keeps them.  libyaml parses; we bound it and leave out what only causes
 * accidents: anchors and aliases, tags, several documents, duplicate keys and
 * keys that are not plain text are errors.  Scalars stay text: the reader's
 * table (bind.h) decides what is a number, so that `no` or `1e3` never change type.
 *
 * Memory:  nodes and texts are copied into the arena; nothing borrows the input.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum {
    YAML_BYTES_MAX = 4 << 20, /* of input */
    YAML_NODES_MAX = 100000,
    YAML_DEPTH_MAX = 16,
};

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
    enum yaml_kind kind;
    bool quoted;          /* scalar written in quotes or as a block */
    uint32_t line;        /* from 1; of the key when there is one */
    uint32_t column;      /* from 1 */
    uint32_t child_count; /* of a list or map */
    str key;              /* when the parent is a map, else STR_NONE */
    str text;             /* scalar */
    struct yaml_node *first;
    struct yaml_node *next;
};

struct yaml {
    str file;               /* as named by the caller, for messages */
    struct yaml_node *root; /* never NULL; an empty text is an empty map */
};

/* ERR_BAD_INPUT (not YAML, or refused as above), ERR_LIMIT. */
MUST_CHECK enum err yaml_parse(struct arena *arena, str file, str text, struct yaml *ret_yaml,
                               struct diag *reterr_why);

/* "prices.yaml:12:3: <message>", code ERR_BAD_INPUT. */
enum err yaml_fail(const struct yaml *yaml, const struct yaml_node *node, struct diag *reterr_why,
                   const char *format, ...) PRINTF(4, 5);

/* The child of a map with that key, NULL when absent (or when it is no map). */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);
/* Absent: `key:` with nothing, `~` or `null`, not quoted. */
bool yaml_is_null(const struct yaml_node *node);
#define YAML_EACH(node, parent)                                                                    \
    for (const struct yaml_node *node = (parent)->first; node; node = node->next)
