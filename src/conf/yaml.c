/* yaml.c -- libyaml's events into our tree.
 *
 * Event by event instead of libyaml's document API: that one resolves aliases,
 * which makes "a few bytes, a billion nodes" possible.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conf/yaml.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/utf8.h"

#include <stdio.h>
#include <yaml.h>

struct reader {
    struct arena *arena;
    struct yaml *yaml;
    struct diag *why;
    yaml_parser_t parser;
    yaml_event_t event;
    struct yaml_node *open[YAML_DEPTH_MAX]; /* lists and maps not yet closed */
    struct yaml_node *last[YAML_DEPTH_MAX]; /* their last child */
    size_t depth;
    size_t node_count;
    size_t document_count;
    str key; /* waiting for its value */
    yaml_mark_t key_mark;
};

static struct yaml_node node_at(yaml_mark_t mark)
{
    return (struct yaml_node){ .line = (uint32_t)mark.line + 1,
                               .column = (uint32_t)mark.column + 1 };
}

enum err yaml_fail(const struct yaml *yaml, const struct yaml_node *node, struct diag *reterr_why,
                   const char *format, ...)
{
    char text[DIAG_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    str file = str_is_empty(yaml->file) ? STR_OF("(text)") : yaml->file;
    return diag_set(reterr_why, ERR_BAD_INPUT, "%.*s:%u:%u: %s", STR_ARG(str_sub(file, 0, 100)),
                    node->line, node->column, text);
}

static enum err fail_at(struct reader *reader, yaml_mark_t mark, const char *what)
{
    struct yaml_node node = node_at(mark);
    return yaml_fail(reader->yaml, &node, reader->why, "%s", what);
}

static enum err limit(struct reader *reader, const char *what)
{
    return diag_set(reader->why, ERR_LIMIT, "%.*s: %s",
                    STR_ARG(str_sub(reader->yaml->file, 0, 100)), what);
}

/* Add a node to the open list or map (or as the root). */
static enum err node_add(struct reader *reader, enum yaml_kind kind, struct yaml_node **ret_node)
{
    if (++reader->node_count > YAML_NODES_MAX)
        return limit(reader, "too many nodes");
    struct yaml_node *node = arena_new(reader->arena, struct yaml_node, 1);
    if (!node)
        return limit(reader, "too large");
    bool in_map = reader->depth && reader->open[reader->depth - 1]->kind == YAML_MAP;
    *node = node_at(in_map ? reader->key_mark : reader->event.start_mark);
    node->kind = kind;
    node->key = in_map ? reader->key : STR_NONE;
    reader->key = STR_NONE;
    if (!reader->depth) {
        reader->yaml->root = node;
    } else {
        struct yaml_node *parent = reader->open[reader->depth - 1];
        struct yaml_node **last = &reader->last[reader->depth - 1];
        if (*last)
            (*last)->next = node;
        else
            parent->first = node;
        *last = node;
        parent->child_count++;
    }
    *ret_node = node;
    return ERR_OK;
}

static enum err on_scalar(struct reader *reader)
{
    const yaml_event_t *event = &reader->event;
    if (event->data.scalar.anchor)
        return fail_at(reader, event->start_mark, "anchors are not allowed");
    if (event->data.scalar.tag)
        return fail_at(reader, event->start_mark, "tags are not allowed");
    str text = arena_str(
        reader->arena, str_make((const char *)event->data.scalar.value, event->data.scalar.length));
    if (str_is_none(text))
        return limit(reader, "too large");
    bool in_map = reader->depth && reader->open[reader->depth - 1]->kind == YAML_MAP;
    if (in_map && str_is_none(reader->key)) {
        reader->key = text;
        reader->key_mark = event->start_mark;
        return ERR_OK;
    }
    struct yaml_node *node;
    enum err err = node_add(reader, YAML_SCALAR, &node);
    if (err)
        return err;
    node->text = text;
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return ERR_OK;
}

static enum err on_open(struct reader *reader, enum yaml_kind kind)
{
    const yaml_event_t *event = &reader->event;
    bool is_map = kind == YAML_MAP;
    if (is_map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor)
        return fail_at(reader, event->start_mark, "anchors are not allowed");
    if (is_map ? event->data.mapping_start.tag : event->data.sequence_start.tag)
        return fail_at(reader, event->start_mark, "tags are not allowed");
    if (reader->depth == YAML_DEPTH_MAX)
        return limit(reader, "nested too deeply");
    if (reader->depth && reader->open[reader->depth - 1]->kind == YAML_MAP &&
        str_is_none(reader->key))
        return fail_at(reader, event->start_mark, "a key must be plain text");
    struct yaml_node *node;
    enum err err = node_add(reader, kind, &node);
    if (err)
        return err;
    reader->open[reader->depth] = node;
    reader->last[reader->depth] = NULL;
    reader->depth++;
    return ERR_OK;
}

/* Keys of a map must differ; a small hash set keeps that linear. */
static enum err keys_differ(struct reader *reader, const struct yaml_node *map)
{
    size_t size = 8;
    while (size < 2 * (size_t)map->child_count)
        size *= 2;
    const struct yaml_node **set = arena_new(reader->arena, const struct yaml_node *, size);
    if (!set)
        return limit(reader, "too large");
    YAML_EACH(node, map)
    {
        size_t at = hash_str(node->key) & (size - 1);
        for (; set[at]; at = (at + 1) & (size - 1)) {
            if (str_equal(set[at]->key, node->key))
                return yaml_fail(reader->yaml, node, reader->why,
                                 "'%.*s' is given twice, first in line %u",
                                 STR_ARG(str_sub(node->key, 0, 60)), set[at]->line);
        }
        set[at] = node;
    }
    return ERR_OK;
}

static enum err on_close(struct reader *reader)
{
    assert(reader->depth > 0);
    const struct yaml_node *node = reader->open[--reader->depth];
    return node->kind == YAML_MAP ? keys_differ(reader, node) : ERR_OK;
}

static enum err on_event(struct reader *reader)
{
    switch (reader->event.type) {
    case YAML_SCALAR_EVENT:
        return on_scalar(reader);
    case YAML_SEQUENCE_START_EVENT:
        return on_open(reader, YAML_LIST);
    case YAML_MAPPING_START_EVENT:
        return on_open(reader, YAML_MAP);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return on_close(reader);
    case YAML_ALIAS_EVENT:
        return fail_at(reader, reader->event.start_mark, "aliases are not allowed");
    case YAML_DOCUMENT_START_EVENT:
        if (++reader->document_count > 1)
            return fail_at(reader, reader->event.start_mark, "only one document is allowed");
        return ERR_OK;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
    default:
        return ERR_OK;
    }
}

static enum err read_events(struct reader *reader)
{
    for (bool done = false; !done;) {
        if (!yaml_parser_parse(&reader->parser, &reader->event)) {
            const char *problem = reader->parser.problem ? reader->parser.problem : "not YAML";
            return fail_at(reader, reader->parser.problem_mark, problem);
        }
        enum err err = on_event(reader);
        done = reader->event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&reader->event);
        if (err)
            return err;
    }
    return ERR_OK;
}

enum err yaml_parse(struct arena *arena, str file, str text, struct yaml *ret_yaml,
                    struct diag *reterr_why)
{
    assert(arena);
    assert(ret_yaml);
    struct yaml yaml = { .file = file };
    struct reader reader = { .arena = arena, .yaml = &yaml, .why = reterr_why, .key = STR_NONE };
    if (text.len > YAML_BYTES_MAX)
        return limit(&reader, "too large");
    size_t valid = utf8_valid_prefix(text);
    if (valid != text.len)
        return diag_set_at(reterr_why, ERR_BAD_INPUT, valid, "%.*s: not UTF-8 at byte %zu",
                           STR_ARG(str_sub(file, 0, 100)), valid);
    if (!yaml_parser_initialize(&reader.parser))
        return diag_set(reterr_why, ERR_INTERNAL, "no YAML parser");
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)(text.len ? text.ptr : ""),
                                 text.len);
    enum err err = read_events(&reader);
    yaml_parser_delete(&reader.parser);
    if (err)
        return err;
    if (!yaml.root || yaml_is_null(yaml.root)) {
        yaml.root = arena_new(arena, struct yaml_node, 1);
        if (!yaml.root)
            return limit(&reader, "too large");
        *yaml.root = (struct yaml_node){ .kind = YAML_MAP, .line = 1, .column = 1 };
    }
    assert(reader.depth == 0);
    *ret_yaml = yaml;
    return ERR_OK;
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    if (!map || map->kind != YAML_MAP)
        return NULL;
    YAML_EACH(node, map)
    {
        if (str_equal_c(node->key, key))
            return node;
    }
    return NULL;
}

bool yaml_is_null(const struct yaml_node *node)
{
    if (node->kind != YAML_SCALAR || node->quoted)
        return false;
    return str_is_empty(node->text) || str_equal_c(node->text, "~") ||
           str_equal_c(node->text, "null");
}
