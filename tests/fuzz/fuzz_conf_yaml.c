/* fuzz_conf_yaml.c -- any bytes are a bounded tree or an error with a place.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "conf/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t nodes_count(const struct yaml_node *node, size_t depth)
{
    assert(depth <= YAML_DEPTH_MAX && node->line >= 1 && node->column >= 1);
    size_t count = 1, children = 0;
    YAML_EACH(child, node)
    {
        assert(str_is_none(child->key) == (node->kind != YAML_MAP));
        count += nodes_count(child, depth + 1);
        children++;
    }
    assert(children == node->child_count);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena, 4 * MIB);
    struct yaml yaml;
    struct diag why = DIAG_NONE;
    enum err err = yaml_parse(&arena, STR_OF("f"), str_make((const char *)data, size), &yaml, &why);
    assert(err ? why.code == err && why.text[0] : nodes_count(yaml.root, 0) <= YAML_NODES_MAX);
    arena_clear(&arena);
    return 0;
}
