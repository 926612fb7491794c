/* mapping.c -- reads a mapping file, and finds the row of a name.
 *
 * Exact names are in an open-addressing hash by the hash of keyhash.h, rows of one name in
 * a chain; prefixes in a list, longest first, asked only for names whose first two letters
 * some prefix has.  Without a file none of this is touched.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "norm/mapping.h"
#include "conf/nearest.h"
#include "conf/yaml.h"
#include "norm/keyhash.h"
#include "norm/norm_int.h"
#include <stdio.h>

enum {
    MAPPING_ROWS_MAX = 1024,
    MAPPING_PREFIXES_MAX = 64,
    MAPPING_NAME_MAX = 256,
    MAPPING_ARENA_BYTES = 4 << 20,
    MAPPING_YAML_BYTES = 32 << 20,
    MAPPING_SLOTS = 4 * MAPPING_ROWS_MAX,
    PREFIX_LEN_MIN = 2, /* dialect_prefix_heads() looks at so many letters */
};
_Static_assert((int)MAPPING_ROWS_MAX < (int)ROWS_MAX, "a score must hold every row");

struct mapping {
    struct arena arena;
    str file;
    struct mapped_row rows[MAPPING_ROWS_MAX];
    uint32_t count;
    uint16_t slots[MAPPING_SLOTS]; /* row number + 1 of the first of a name */
    struct mapped_row *prefixes[MAPPING_PREFIXES_MAX];
    uint32_t prefix_count;
    uint64_t prefix_heads[4];
    bool wants_dialects;
};

static const struct as {
    str name;
    uint8_t conversion;
    uint8_t type;
} ases[] = {
#define AS(name, conversion, type) { STR(name), CONV_##conversion, FIELD_TYPE_##type },
#define COUNTED(field, target)
#define WORD(name, target, conversion, family)
#define SERVER(field)
#include "norm/mapping.def"
#undef AS
#undef COUNTED
#undef WORD
#undef SERVER
};

/* What a file's `field:` may be besides a plain field. */
static const struct word {
    str name; /* none: that of the field */
    uint16_t field;
    uint16_t target;
    uint8_t conversion;
    uint8_t family; /* FAMILY_COUNT: none */
} words[] = {
#define FAMILY_NONE FAMILY_COUNT
#define AS(name, conversion, type)
#define COUNTED(field, target)                                                                     \
    { STR(""), FIELD_##field, TARGET_##target, CONV_COUNT, FAMILY_COUNT },
#define WORD(name, target, conversion, family)                                                     \
    { STR(name), FIELD_COUNT, TARGET_##target, CONV_##conversion, FAMILY_##family },
#define SERVER(field)
#include "norm/mapping.def"
#undef AS
#undef COUNTED
#undef WORD
#undef SERVER
#undef FAMILY_NONE
};

static const uint16_t server_fields[] = {
#define AS(name, conversion, type)
#define COUNTED(field, target)
#define WORD(name, target, conversion, family)
#define SERVER(field) FIELD_##field,
#include "norm/mapping.def"
#undef AS
#undef COUNTED
#undef WORD
#undef SERVER
};

static str word_name(const struct word *word)
{
    return word->field < FIELD_COUNT ? str_from_c(field_table[word->field].json) : word->name;
}

str target_text(unsigned target)
{
    static const str texts[] = {
#define FIELD(name, type, column, json, doc)
#define TARGET(name) STR(#name),
#include "norm/target.def"
#undef TARGET
#undef FIELD
    };
    if (target < (unsigned)FIELD_COUNT)
        return str_from_c(field_table[target].json);
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (words[i].target == target)
            return word_name(&words[i]);
    return texts[target - (unsigned)FIELD_COUNT];
}

static str as_text(uint8_t conversion)
{
    for (size_t i = 0; i < COUNT_OF(ases); i++)
        if (ases[i].conversion == conversion)
            return ases[i].name;
    return conversion == CONV_COUNT ? STR_OF("count") : STR_OF("");
}

/* ---- reading ---- */

struct reader {
    struct mapping *mapping;
    const struct yaml *yaml;
    struct diag *why;
};

static enum err hint(const struct reader *reader, const struct nearest *nearest)
{
    str best = nearest_best(nearest);
    return str_is_none(best) ? ERR_BAD_INPUT
                             : diag_hint(reader->why, "did you mean '%.*s'?", STR_ARG(best));
}

static enum err fail_unknown(const struct reader *reader, const struct yaml_node *node,
                             const char *what, str word)
{
    return yaml_fail(reader->yaml, node, reader->why, "unknown %s '%.*s'", what,
                     STR_ARG(str_sub(word, 0, 60)));
}

/* Set by the server, or of a type that no attribute is read as. */
static bool is_of_server(enum field field)
{
    bool has_reading = false;
    for (size_t i = 0; i < COUNT_OF(ases); i++)
        has_reading = has_reading || ases[i].type == (uint8_t)field_table[field].type;
    for (size_t i = 0; i < COUNT_OF(server_fields); i++)
        if (server_fields[i] == (uint16_t)field)
            return true;
    return !has_reading;
}

static enum err unknown_field(const struct reader *reader, const struct yaml_node *node)
{
    struct nearest nearest;
    nearest_init(&nearest, node->text);
    for (size_t i = 0; i < COUNT_OF(words); i++)
        nearest_consider(&nearest, word_name(&words[i]));
    for (unsigned field = 0; field < FIELD_COUNT; field++)
        if (!is_of_server((enum field)field))
            nearest_consider(&nearest, str_from_c(field_table[field].json));
    nearest_consider(&nearest, STR_OF("ignore"));
    nearest_consider(&nearest, STR_OF("strip"));
    fail_unknown(reader, node, "field", node->text);
    return hint(reader, &nearest);
}

/* The conversion that built-in rows of that field begin with, or the first of its type. */
static uint8_t usual_conversion(enum field field)
{
    for (size_t i = 0; i < dialect_row_count(); i++)
        if (dialect_row(i)->target == (unsigned)field && !dialect_row(i)->until)
            return dialect_row(i)->conversion;
    for (size_t i = 0; i < COUNT_OF(ases); i++)
        if (ases[i].type == (uint8_t)field_table[field].type)
            return ases[i].conversion;
    return CONV_STR;
}

static enum err field_read(const struct reader *reader, const struct yaml_node *node,
                           struct mapped_row *row)
{
    if (node->kind != YAML_SCALAR || yaml_is_null(node) || str_is_empty(node->text))
        return yaml_fail(reader->yaml, node, reader->why, "field must be a name");
    if (str_equal_c(node->text, "ignore") || str_equal_c(node->text, "strip")) {
        row->action = str_equal_c(node->text, "ignore") ? MAP_IGNORE : MAP_STRIP;
        return ERR_OK;
    }
    enum field field = field_by_name(node->text);
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        bool is_field = field != FIELD_COUNT && words[i].field == (uint16_t)field;
        if (!is_field && !str_equal(words[i].name, node->text))
            continue;
        row->row.target = words[i].target;
        row->row.conversion = words[i].conversion;
        row->family = words[i].family;
        row->row.keep = words[i].target == TARGET_is_step;
        return ERR_OK;
    }
    if (field == FIELD_COUNT)
        return unknown_field(reader, node);
    if (is_of_server(field))
        return yaml_fail(reader->yaml, node, reader->why,
                         "'%.*s' is set by the server and cannot be mapped", STR_ARG(node->text));
    row->row.target = (uint16_t)field;
    row->row.conversion = usual_conversion(field);
    return ERR_OK;
}

/* "text, json_text, ..." of a type. */
static void as_list(char *out, size_t size, unsigned type)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < COUNT_OF(ases); i++)
        if (ases[i].type == type && len < size)
            len +=
                (size_t)snprintf(out + len, size - len, "%s%s", len ? ", " : "", ases[i].name.ptr);
}

static enum err as_read(const struct reader *reader, const struct yaml_node *node,
                        struct mapped_row *row)
{
    char list[160];
    if (row->action != MAP_FIELD || row->row.target >= (unsigned)FIELD_COUNT)
        return yaml_fail(reader->yaml, node, reader->why, "as: is for fields that are no %s",
                         row->row.conversion == CONV_COUNT ? "token counts" : "content");
    struct nearest nearest;
    nearest_init(&nearest, node->text);
    const struct as *found = NULL;
    for (size_t i = 0; i < COUNT_OF(ases); i++) {
        nearest_consider(&nearest, ases[i].name);
        if (str_equal(ases[i].name, node->text))
            found = &ases[i];
    }
    if (!found) {
        fail_unknown(reader, node, "reading", node->text);
        return hint(reader, &nearest);
    }
    const struct field_info *field = &field_table[row->row.target];
    as_list(list, sizeof list, (unsigned)field->type);
    if (found->type != (uint8_t)field->type)
        return yaml_fail(reader->yaml, node, reader->why, "%s is read as one of: %s", field->json,
                         list);
    row->row.conversion = found->conversion;
    return ERR_OK;
}

static enum err dialect_read(const struct reader *reader, const struct yaml_node *node,
                             struct mapped_row *row)
{
    struct nearest nearest;
    nearest_init(&nearest, node->text);
    for (unsigned i = 1; i < DIALECT_COUNT; i++) {
        nearest_consider(&nearest, dialect_name((enum dialect)i));
        if (str_equal(dialect_name((enum dialect)i), node->text))
            row->dialects = 1u << i;
    }
    if (row->dialects)
        return ERR_OK;
    fail_unknown(reader, node, "dialect", node->text);
    return hint(reader, &nearest);
}

static enum err scope_read(const struct reader *reader, const struct yaml_node *node,
                           struct mapped_row *row)
{
    if (str_is_empty(node->text) || node->text.len > MAPPING_NAME_MAX)
        return yaml_fail(reader->yaml, node, reader->why,
                         "scope must be the name of an instrumentation scope");
    row->scope = node->text;
    row->scope_is_prefix = str_ends(node->text, STR_OF("*"));
    if (row->scope_is_prefix)
        row->scope.len--;
    return ERR_OK;
}

static enum err keep_read(const struct reader *reader, const struct yaml_node *node,
                          struct mapped_row *row)
{
    bool is_true = str_equal_c(node->text, "true");
    if (!is_true && !str_equal_c(node->text, "false"))
        return yaml_fail(reader->yaml, node, reader->why, "keep must be true or false");
    row->row.keep = row->row.keep || is_true;
    return ERR_OK;
}

static enum err attribute_read(const struct reader *reader, const struct yaml_node *node, str name,
                               struct mapped_row *row)
{
    size_t star = str_find_char(name, '*');
    if (str_is_empty(name) || name.len > MAPPING_NAME_MAX)
        return yaml_fail(reader->yaml, node, reader->why,
                         "an attribute's name has 1 to %d characters", MAPPING_NAME_MAX);
    if (star < name.len && (star + 1 < name.len || star < PREFIX_LEN_MIN))
        return yaml_fail(reader->yaml, node, reader->why,
                         "'*' stands at the end of a name, after %d characters or more",
                         PREFIX_LEN_MIN);
    row->is_prefix = star < name.len;
    row->row.key = str_sub(name, 0, star);
    return ERR_OK;
}

/* A name with '*' is many attributes, and a field holds one. */
static enum err prefix_check(const struct reader *reader, const struct yaml_node *node,
                             struct mapped_row *row)
{
    if (!row->is_prefix && row->action == MAP_STRIP)
        return yaml_fail(reader->yaml, node, reader->why, "strip is for a name that ends in '*'");
    if (!row->is_prefix || row->action != MAP_FIELD)
        return ERR_OK;
    row->action = MAP_FAMILY;
    if (row->family != FAMILY_COUNT)
        return ERR_OK;
    yaml_fail(reader->yaml, node, reader->why, "a name with '*' cannot become one field");
    return diag_hint(reader->why, "it can be ignore, strip, content.input, content.output, "
                                  "content.tools, content.documents or content.other");
}

static const char *const keys[] = { "attribute", "field", "as", "scope", "dialect", "keep" };

static enum err key_read(const struct reader *reader, const struct yaml_node *node,
                         struct mapped_row *row)
{
    size_t key = 0;
    while (key < COUNT_OF(keys) && !str_equal_c(node->key, keys[key]))
        key++;
    if (key == COUNT_OF(keys)) {
        struct nearest nearest;
        nearest_init(&nearest, node->key);
        for (size_t i = 0; i < COUNT_OF(keys); i++)
            nearest_consider(&nearest, str_from_c(keys[i]));
        fail_unknown(reader, node, "key", node->key);
        return hint(reader, &nearest);
    }
    if (node->kind != YAML_SCALAR)
        return yaml_fail(reader->yaml, node, reader->why, "%s must be a word", keys[key]);
    static enum err (*const readers[])(
        const struct reader *, const struct yaml_node *,
        struct mapped_row *) = { NULL, NULL, as_read, scope_read, dialect_read, keep_read };
    return readers[key] ? readers[key](reader, node, row) : ERR_OK; /* else read first */
}

/* ---- into the table ---- */

static bool same_binding(const struct mapped_row *a, const struct mapped_row *b)
{
    return str_equal(a->scope, b->scope) && a->scope_is_prefix == b->scope_is_prefix &&
           a->dialects == b->dialects;
}

static enum err row_add(const struct reader *reader, const struct yaml_node *node,
                        struct mapped_row *row)
{
    struct mapping *mapping = reader->mapping;
    for (uint32_t i = 0; i < mapping->count; i++) {
        const struct mapped_row *other = &mapping->rows[i];
        if (other->is_prefix == row->is_prefix && str_equal(other->row.key, row->row.key) &&
            same_binding(other, row))
            return yaml_fail(reader->yaml, node, reader->why, "'%.*s%s' has a row already: line %u",
                             STR_ARG(row->row.key), row->is_prefix ? "*" : "", other->line);
    }
    bool is_full = mapping->count == MAPPING_ROWS_MAX ||
                   (row->is_prefix && mapping->prefix_count == MAPPING_PREFIXES_MAX);
    str key = arena_str(&mapping->arena, row->row.key);
    str scope = arena_str(&mapping->arena, row->scope);
    if (is_full || str_is_none(key) || str_is_none(scope) != str_is_none(row->scope))
        return diag_set(reader->why, ERR_LIMIT, "%.*s: more than %d rows, or %d names with '*'",
                        STR_ARG(reader->yaml->file), MAPPING_ROWS_MAX, MAPPING_PREFIXES_MAX);
    row->row.key = key;
    row->scope = scope;
    row->line = node->line;
    row->order = (uint16_t)(mapping->count + 1);
    mapping->wants_dialects |= row->dialects != 0;
    mapping->rows[mapping->count] = *row;
    if (row->is_prefix)
        mapping->prefixes[mapping->prefix_count++] = &mapping->rows[mapping->count];
    mapping->count++;
    return ERR_OK;
}

/* The name of a row: its key in the map, or attribute: in the list. */
static enum err name_read(const struct reader *reader, const struct yaml_node *node, str key,
                          struct mapped_row *row)
{
    const struct yaml_node *name = yaml_get(node, "attribute");
    if (name && !str_is_none(key))
        return yaml_fail(reader->yaml, name, reader->why,
                         "attribute: is for rows of the list mappings:");
    if (!name && str_is_none(key))
        return yaml_fail(reader->yaml, node, reader->why, "a row of a list needs attribute:");
    return attribute_read(reader, name ? name : node, name ? name->text : key, row);
}

/* Every key but attribute: and field:, which were read first. */
static enum err keys_read(const struct reader *reader, const struct yaml_node *map,
                          struct mapped_row *row)
{
    YAML_EACH(node, map)
    {
        enum err err = key_read(reader, node, row);
        if (err)
            return err;
    }
    bool is_duration = row->action == MAP_FIELD && row->row.target < (unsigned)FIELD_COUNT &&
                       field_table[row->row.target].type == FIELD_TYPE_NS;
    if (is_duration && !yaml_get(map, "as"))
        return yaml_fail(reader->yaml, map, reader->why, "%s needs as: seconds or milliseconds",
                         field_table[row->row.target].json);
    return prefix_check(reader, map, row);
}

static enum err item_read(const struct reader *reader, const struct yaml_node *node, str key)
{
    struct mapped_row row = { .scope = STR_NONE, .family = FAMILY_COUNT };
    if (node->kind == YAML_LIST)
        return yaml_fail(reader->yaml, node, reader->why,
                         "a row is a field's name or a map of keys");
    const struct yaml_node *field = node->kind == YAML_MAP ? yaml_get(node, "field") : node;
    enum err err = name_read(reader, node, key, &row);
    if (!err && !field)
        return yaml_fail(reader->yaml, node, reader->why, "a row needs field:");
    if (!err)
        err = field_read(reader, field, &row);
    if (!err)
        err = keys_read(reader, node, &row);
    return err ? err : row_add(reader, node, &row);
}

static enum err list_read(const struct reader *reader, const struct yaml_node *list)
{
    enum err err = ERR_OK;
    YAML_EACH(node, list)
    {
        if (!err && node->kind != YAML_MAP)
            err = yaml_fail(reader->yaml, node, reader->why, "a row of a list is a map of keys");
        err = err ? err : item_read(reader, node, STR_NONE);
    }
    return err;
}

static enum err root_read(const struct reader *reader, const struct yaml_node *root)
{
    if (root->kind == YAML_LIST)
        return list_read(reader, root);
    if (root->kind != YAML_MAP)
        return yaml_fail(reader->yaml, root, reader->why, "the file must be a map of attributes");
    enum err err = ERR_OK;
    YAML_EACH(node, root)
    {
        bool is_list = str_equal_c(node->key, "mappings") && node->kind == YAML_LIST;
        if (!err)
            err = is_list ? list_read(reader, node) : item_read(reader, node, node->key);
    }
    return err;
}

static bool is_bound(const struct mapped_row *row)
{
    return !str_is_none(row->scope) || row->dialects;
}

/* Rows of one name form a chain in the order in which they are asked. */
static void chain_rows(struct mapping *mapping, bool bound)
{
    for (uint32_t i = 0; i < mapping->count; i++) {
        struct mapped_row *row = &mapping->rows[i];
        if (row->is_prefix || is_bound(row) != bound)
            continue;
        size_t at = key_hash(row->row.key, 0) & (MAPPING_SLOTS - 1);
        while (mapping->slots[at] &&
               !str_equal(mapping->rows[mapping->slots[at] - 1].row.key, row->row.key))
            at = (at + 1) & (MAPPING_SLOTS - 1);
        uint16_t *link = &mapping->slots[at];
        while (*link)
            link = &mapping->rows[*link - 1].next;
        *link = (uint16_t)(i + 1);
    }
}

static bool prefix_is_before(const struct mapped_row *a, const struct mapped_row *b)
{
    if (a->row.key.len != b->row.key.len)
        return a->row.key.len > b->row.key.len;
    return is_bound(a) && !is_bound(b);
}

static void sort_prefixes(struct mapping *mapping)
{
    for (uint32_t i = 0; i < mapping->prefix_count; i++) {
        struct mapped_row *row = mapping->prefixes[i];
        uint32_t at = i;
        for (; at > 0 && prefix_is_before(row, mapping->prefixes[at - 1]); at--)
            mapping->prefixes[at] = mapping->prefixes[at - 1];
        mapping->prefixes[at] = row;
        uint8_t head = prefix_head(row->row.key);
        mapping->prefix_heads[head / 64] |= UINT64_C(1) << (head % 64);
    }
}

enum err mapping_load(str file, str yaml_text, struct mapping **ret_mapping,
                      struct diag *reterr_why)
{
    struct arena scratch;
    arena_init(&scratch, MAPPING_YAML_BYTES);
    struct mapping *mapping = xcalloc(1, sizeof *mapping);
    arena_init(&mapping->arena, MAPPING_ARENA_BYTES);
    mapping->file = arena_str(&mapping->arena, file);
    struct yaml yaml;
    struct reader reader = { .mapping = mapping, .yaml = &yaml, .why = reterr_why };
    enum err err = yaml_parse(&scratch, file, yaml_text, &yaml, reterr_why);
    if (!err)
        err = root_read(&reader, yaml.root);
    arena_clear(&scratch);
    if (err) {
        mapping_free(mapping);
        return err;
    }
    chain_rows(mapping, true);
    chain_rows(mapping, false);
    sort_prefixes(mapping);
    *ret_mapping = mapping;
    return ERR_OK;
}

void mapping_free(struct mapping *mapping)
{
    if (!mapping)
        return;
    arena_clear(&mapping->arena);
    xfree(mapping);
}

size_t mapping_row_count(const struct mapping *mapping)
{
    return mapping->count;
}

str mapping_file(const struct mapping *mapping)
{
    return mapping->file;
}

/* ---- finding ---- */

bool mapping_wants_dialects(const struct mapping *mapping)
{
    return mapping->wants_dialects;
}

static bool row_applies(const struct norm *norm, const struct mapped_row *row)
{
    if (row->dialects && !(row->dialects & norm->span_dialects))
        return false;
    if (str_is_none(row->scope))
        return true;
    return row->scope_is_prefix ? str_starts(norm->scope_name, row->scope)
                                : str_equal(norm->scope_name, row->scope);
}

const struct mapped_row *mapping_find_exact(const struct norm *norm, str key)
{
    const struct mapping *mapping = norm->mapping;
    size_t at = key_hash(key, 0) & (MAPPING_SLOTS - 1);
    for (; mapping->slots[at]; at = (at + 1) & (MAPPING_SLOTS - 1)) {
        const struct mapped_row *row = &mapping->rows[mapping->slots[at] - 1];
        if (!str_equal(row->row.key, key))
            continue;
        while (row && !row_applies(norm, row))
            row = row->next ? &mapping->rows[row->next - 1] : NULL;
        return row;
    }
    return NULL;
}

/* As in dialect_prefix(): a list has a number behind its prefix. */
static bool prefix_fits(const struct mapped_row *row, str key)
{
    size_t len = row->row.key.len;
    if (key.len <= len || !str_starts(key, row->row.key))
        return false;
    bool is_list = row->action == MAP_FAMILY && row->family >= FAMILY_FLAT_INPUT;
    return !is_list || (key.ptr[len] >= '0' && key.ptr[len] <= '9');
}

const struct mapped_row *mapping_find(const struct norm *norm, str key)
{
    const struct mapping *mapping = norm->mapping;
    const struct mapped_row *row = mapping_find_exact(norm, key);
    uint8_t head = prefix_head(key);
    if (row || !(mapping->prefix_heads[head / 64] >> (head % 64) & 1))
        return row;
    for (uint32_t i = 0; i < mapping->prefix_count; i++)
        if (prefix_fits(mapping->prefixes[i], key) && row_applies(norm, mapping->prefixes[i]))
            return mapping->prefixes[i];
    return NULL;
}

bool mapping_names(const struct mapping *mapping, str name)
{
    for (uint32_t i = 0; i < mapping->count; i++) {
        const struct mapped_row *row = &mapping->rows[i];
        if (row->is_prefix ? prefix_fits(row, name) : str_equal(row->row.key, name))
            return true;
    }
    return false;
}

static str family_text(enum family family)
{
    static const str others[FAMILY_COUNT] = {
        [FAMILY_PARAMETER] = STR("parameters"),
        [FAMILY_RETRY] = STR("strip"),
        [FAMILY_VECTOR] = STR("ignore"),
        [FAMILY_FLAT_CANDIDATES] = STR("content.documents"),
        [FAMILY_FLAT_EMBEDDINGS] = STR("content.other"),
    };
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (words[i].family == family)
            return words[i].name;
    return others[family];
}

str mapping_family_text(enum family family)
{
    return family_text(family);
}

bool mapping_built_in(size_t index, struct mapping_row_info *ret)
{
    if (index < dialect_row_count()) {
        const struct row *row = dialect_row(index);
        *ret = (struct mapping_row_info){ row->key,
                                          target_text(row->target),
                                          as_text(row->conversion),
                                          dialect_name((enum dialect)row->dialect),
                                          row->keep,
                                          row->since,
                                          row->until };
        return true;
    }
    enum family family;
    enum dialect dialect;
    str text;
    unsigned since;
    if (!dialect_prefix_row(index - dialect_row_count(), &text, &family, &dialect, &since))
        return false;
    *ret = (struct mapping_row_info){
        text, family_text(family), STR_OF(""), dialect_name(dialect), false, since, 0
    };
    return true;
}
