/* bind.c -- walks option rows; see bind.h.
 *
 * A value is always read from text by value_set(), whatever it came from; the
 * callers only know how to find the row and how to name the place in errors.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conf/bind.h"
#include "base/check.h"
#include "base/text.h"
#include "conf/nearest.h"

#include <math.h>

static const struct {
    const char *suffix;
    int64_t factor;
} byte_units[] = {
    { "KiB", INT64_C(1) << 10 },
    { "MiB", INT64_C(1) << 20 },
    { "GiB", INT64_C(1) << 30 },
    { "TiB", INT64_C(1) << 40 },
    { "KB", 1000 },
    { "MB", 1000000 },
    { "GB", 1000000000 },
    { "TB", 1000000000000 },
    { "B", 1 },
    { "", 1 },
};

static bool bytes_parse(str text, int64_t *ret_bytes)
{
    for (size_t i = 0; i < COUNT_OF(byte_units); i++) {
        str suffix = str_from_c(byte_units[i].suffix);
        if (!str_ends(text, suffix))
            continue;
        int64_t count;
        str digits = str_trim(str_sub(text, 0, text.len - suffix.len));
        return str_to_i64(digits, &count) && count >= 0 &&
               !MUL_OVERFLOWS(count, byte_units[i].factor, ret_bytes);
    }
    return false;
}

static bool bool_parse(str text, bool *ret)
{
    static const char *const words[] = { "false", "true", "no", "yes", "off", "on", "0", "1" };
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (str_equal_nocase(text, str_from_c(words[i]))) {
            *ret = i % 2 == 1;
            return true;
        }
    }
    return false;
}

static bool choice_parse(const char *choices, str text, int32_t *ret_index)
{
    str rest = str_from_c(choices);
    int32_t index = 0;
    for (str choice; str_next(&rest, '|', &choice); index++) {
        if (str_equal(choice, text)) {
            *ret_index = index;
            return true;
        }
    }
    return false;
}

static bool in_bounds(const struct bind_row *row, int64_t value)
{
    return row->min >= row->max || (value >= row->min && value <= row->max);
}

static enum err bad_value(const struct bind_row *row, str text, struct diag *why)
{
    const char *unit = row->unit ? row->unit : "";
    if (row->type == BIND_CHOICE) {
        struct nearest nearest;
        nearest_init(&nearest, text);
        str rest = str_from_c(unit);
        for (str choice; str_next(&rest, '|', &choice);)
            nearest_consider(&nearest, choice);
        diag_set(why, ERR_BAD_INPUT, "%s must be one of %s", row->key, unit);
        str best = nearest_best(&nearest);
        return str_is_none(best) ? ERR_BAD_INPUT
                                 : diag_hint(why, "did you mean '%.*s'?", STR_ARG(best));
    }
    if (row->min < row->max)
        return diag_set(why, ERR_BAD_INPUT, "%s must be %s from %lld to %lld%s%s", row->key,
                        bind_type_name(row->type), (long long)row->min, (long long)row->max,
                        *unit ? " " : "", unit);
    return diag_set(why, ERR_BAD_INPUT, "%s must be %s", row->key, bind_type_name(row->type));
}

static enum err strs_set(struct binding *binding, str text, struct bind_strs *ret, struct diag *why)
{
    size_t count = 0;
    str rest = text;
    for (str piece; !str_is_empty(text) && str_next(&rest, ',', &piece);)
        count++;
    str *items = arena_new(binding->arena, str, count);
    if (!items)
        return diag_set(why, ERR_LIMIT, "the configuration is too large");
    rest = text;
    for (size_t i = 0; i < count; i++) {
        str piece;
        if (!str_next(&rest, ',', &piece))
            break;
        items[i] = str_trim(piece);
    }
    *ret = (struct bind_strs){ items, count };
    return ERR_OK;
}

/* Whole numbers of four kinds: read, check, store. */
static bool number_set(const struct bind_row *row, str text, void *field)
{
    int64_t number;
    bool ok = row->type == BIND_I64        ? str_to_i64(text, &number)
              : row->type == BIND_DURATION ? duration_parse(text, &number)
                                           : bytes_parse(text, &number);
    if (!ok || !in_bounds(row, number))
        return false;
    *(int64_t *)field = number;
    return true;
}

static bool f64_set(const struct bind_row *row, str text, double *field)
{
    double number;
    if (!str_to_f64(text, &number) || !isfinite(number))
        return false;
    if (row->min < row->max && (number < (double)row->min || number > (double)row->max))
        return false;
    *field = number;
    return true;
}

static enum err value_set(struct binding *binding, const struct bind_row *row, str text,
                          struct diag *why)
{
    void *field = (char *)binding->target + row->offset;
    str copy = arena_str(binding->arena, text);
    if (str_is_none(copy))
        return diag_set(why, ERR_LIMIT, "the configuration is too large");
    bool ok = false;
    switch (row->type) {
    case BIND_STR:
        ok = in_bounds(row, (int64_t)copy.len);
        if (ok)
            *(str *)field = copy;
        break;
    case BIND_BOOL:
        ok = bool_parse(copy, field);
        break;
    case BIND_I64:
    case BIND_DURATION:
    case BIND_BYTES:
        ok = number_set(row, copy, field);
        break;
    case BIND_F64:
        ok = f64_set(row, copy, field);
        break;
    case BIND_CHOICE:
        ok = choice_parse(row->unit, copy, field);
        break;
    case BIND_STRS:
        return strs_set(binding, copy, field, why);
    }
    return ok ? ERR_OK : bad_value(row, copy, why);
}

/* Put "<before><name>: " before what value_set said. */
static enum err place_add(struct diag *why, enum err code, const char *before, str name)
{
    if (!why)
        return code;
    struct diag inner = *why;
    diag_set(why, code, "%s%.*s: %s", before, STR_ARG(str_sub(name, 0, 100)), inner.text);
    memcpy(why->hint, inner.hint, sizeof why->hint);
    return code;
}

enum err bind_init(struct binding *binding, void *target, size_t target_bytes,
                   struct diag *reterr_why)
{
    assert(binding && binding->arena && binding->rows);
    binding->target = target;
    memset(target, 0, target_bytes);
    binding->origins = arena_new(binding->arena, enum bind_origin, binding->count);
    if (!binding->origins)
        return diag_set(reterr_why, ERR_LIMIT, "the configuration is too large");
    for (size_t i = 0; i < binding->count; i++) {
        const struct bind_row *row = &binding->rows[i];
        assert(row->offset < target_bytes);
        if (!row->default_text)
            continue;
        enum err err = value_set(binding, row, str_from_c(row->default_text), reterr_why);
        assert(err != ERR_BAD_INPUT);
        if (err)
            return err;
    }
    return ERR_OK;
}

const struct bind_row *bind_find(const struct binding *binding, str section, str key)
{
    for (size_t i = 0; i < binding->count; i++) {
        const struct bind_row *row = &binding->rows[i];
        if (str_equal_c(section, row->section) && str_equal_c(key, row->key))
            return row;
    }
    return NULL;
}

static void origin_set(struct binding *binding, const struct bind_row *row, enum bind_origin origin)
{
    binding->origins[row - binding->rows] = origin;
}

static enum err node_text(struct binding *binding, const struct bind_row *row,
                          const struct yaml *yaml, const struct yaml_node *node, str *ret_text,
                          struct diag *why)
{
    if (node->kind == YAML_SCALAR) {
        *ret_text = yaml_is_null(node) ? STR_NONE : node->text;
        return ERR_OK;
    }
    if (row->type != BIND_STRS || node->kind != YAML_LIST)
        return yaml_fail(yaml, node, why, "%s must be %s", row->key, bind_type_name(row->type));
    struct buf joined;
    buf_init(&joined, YAML_BYTES_MAX);
    YAML_EACH(item, node)
    {
        if (item->kind != YAML_SCALAR || str_find_char(item->text, ',') < item->text.len) {
            buf_clear(&joined);
            return yaml_fail(yaml, item, why, "%s must be a list of plain texts", row->key);
        }
        if (item != node->first)
            buf_add_char(&joined, ',');
        buf_add_str(&joined, item->text);
    }
    *ret_text = arena_str(binding->arena, buf_str(&joined));
    buf_clear(&joined);
    return str_is_none(*ret_text) ? diag_set(why, ERR_LIMIT, "the configuration is too large")
                                  : ERR_OK;
}

static enum err unknown_key(const struct binding *binding, const struct yaml *yaml,
                            const struct yaml_node *node, const char *section, struct diag *why)
{
    struct nearest nearest;
    nearest_init(&nearest, node->key);
    for (size_t i = 0; i < binding->count; i++) {
        if (str_equal_c(str_from_c(section), binding->rows[i].section))
            nearest_consider(&nearest, str_from_c(binding->rows[i].key));
    }
    yaml_fail(yaml, node, why, "unknown key '%.*s'%s%s", STR_ARG(str_sub(node->key, 0, 60)),
              *section ? " in section " : "", section);
    str best = nearest_best(&nearest);
    return str_is_none(best) ? ERR_BAD_INPUT
                             : diag_hint(why, "did you mean '%.*s'?", STR_ARG(best));
}

static enum err node_set(struct binding *binding, const struct yaml *yaml,
                         const struct yaml_node *node, const struct bind_row *row, struct diag *why)
{
    str text = STR_NONE;
    enum err err = node_text(binding, row, yaml, node, &text, why);
    if (err || str_is_none(text))
        return err; /* `key:` with nothing keeps the default */
    struct diag inner = DIAG_NONE;
    err = value_set(binding, row, text, &inner);
    if (err) {
        yaml_fail(yaml, node, why, "%s", inner.text);
        return *inner.hint ? diag_hint(why, "%s", inner.hint) : err;
    }
    origin_set(binding, row, BIND_FILE);
    return ERR_OK;
}

enum err bind_map(struct binding *binding, const struct yaml *yaml, const struct yaml_node *map,
                  const char *section, struct diag *reterr_why)
{
    if (yaml_is_null(map))
        return ERR_OK;
    if (map->kind != YAML_MAP)
        return yaml_fail(yaml, map, reterr_why, "'%s' must be a map of keys", section);
    YAML_EACH(node, map)
    {
        const struct bind_row *row = bind_find(binding, str_from_c(section), node->key);
        enum err err = row ? node_set(binding, yaml, node, row, reterr_why)
                           : unknown_key(binding, yaml, node, section, reterr_why);
        if (err)
            return err;
    }
    return ERR_OK;
}

/* The section of that name as a C text of the table; NULL and a suggestion when unknown. */
static const char *section_find(const struct binding *binding, str name, struct nearest *nearest)
{
    nearest_init(nearest, name);
    for (size_t i = 0; i < binding->count; i++) {
        const struct bind_row *row = &binding->rows[i];
        if (*row->section && str_equal_c(name, row->section))
            return row->section;
        nearest_consider(nearest, str_from_c(*row->section ? row->section : row->key));
    }
    return NULL;
}

enum err bind_yaml(struct binding *binding, const struct yaml *yaml, struct diag *reterr_why)
{
    assert(binding && yaml && yaml->root);
    if (yaml->root->kind != YAML_MAP)
        return yaml_fail(yaml, yaml->root, reterr_why, "the file must be a map of sections");
    YAML_EACH(node, yaml->root)
    {
        const struct bind_row *row = bind_find(binding, STR_OF(""), node->key);
        struct nearest nearest;
        const char *section = row ? NULL : section_find(binding, node->key, &nearest);
        enum err err = ERR_OK;
        if (row) {
            err = node_set(binding, yaml, node, row, reterr_why);
        } else if (section) {
            err = bind_map(binding, yaml, node, section, reterr_why);
        } else {
            str best = nearest_best(&nearest);
            err = yaml_fail(yaml, node, reterr_why, "unknown section '%.*s'",
                            STR_ARG(str_sub(node->key, 0, 60)));
            if (!str_is_none(best))
                diag_hint(reterr_why, "did you mean '%.*s'?", STR_ARG(best));
        }
        if (err)
            return err;
    }
    return ERR_OK;
}

/* Name of a row as the environment writes it: SECTION_KEY. */
static str row_env_name(const struct bind_row *row, struct buf *out)
{
    buf_reset(out);
    buf_printf(out, "%s%s%s", row->section, *row->section ? "_" : "", row->key);
    for (size_t i = 0; i < out->len; i++) {
        char c = out->ptr[i];
        out->ptr[i] = c >= 'a' && c <= 'z' ? (char)(c - 32) : c == '-' || c == '.' ? '_' : c;
    }
    return buf_str(out);
}

static enum err set_from(struct binding *binding, const struct bind_row *row, str text, str where,
                         enum bind_origin origin, struct diag *why)
{
    enum err err = value_set(binding, row, text, why);
    if (err)
        return place_add(why, err, origin == BIND_ARGUMENT ? "--" : "environment ", where);
    origin_set(binding, row, origin);
    return ERR_OK;
}

enum err bind_environment(struct binding *binding, const char *prefix, const char *entry,
                          struct diag *reterr_why)
{
    str all = str_from_c(entry);
    size_t equal = str_find_char(all, '=');
    str name = str_sub(all, 0, equal);
    if (equal == all.len || !str_starts(name, str_from_c(prefix)))
        return ERR_OK;
    str short_name = str_from(name, strlen(prefix));
    enum { NAME_MAX_BYTES = 256 };
    struct buf text;
    buf_init(&text, NAME_MAX_BYTES);
    size_t best = binding->count, best_distance = MAX(short_name.len / 3, (size_t)1) + 1;
    for (size_t i = 0; i < binding->count && best_distance; i++) {
        str candidate = row_env_name(&binding->rows[i], &text);
        size_t distance = str_equal(candidate, short_name)
                              ? 0
                              : nearest_distance(short_name, candidate, best_distance - 1);
        if (distance < best_distance && (distance > 0 || str_equal(candidate, short_name))) {
            best = i;
            best_distance = distance;
        }
    }
    enum err err;
    if (best < binding->count && best_distance == 0) {
        err = set_from(binding, &binding->rows[best], str_from(all, equal + 1), name,
                       BIND_ENVIRONMENT, reterr_why);
    } else {
        err = diag_set(reterr_why, ERR_BAD_INPUT, "unknown environment variable %.*s",
                       STR_ARG(str_sub(name, 0, 100)));
        if (best < binding->count) {
            str suggestion = row_env_name(&binding->rows[best], &text);
            diag_hint(reterr_why, "did you mean '%s%.*s'?", prefix, STR_ARG(suggestion));
        }
    }
    buf_clear(&text);
    return err;
}

enum err bind_argument(struct binding *binding, str argument, struct diag *reterr_why)
{
    if (str_starts(argument, STR_OF("--")))
        argument = str_from(argument, 2);
    size_t equal = str_find_char(argument, '=');
    str name = str_sub(argument, 0, equal);
    if (equal == argument.len)
        return diag_set(reterr_why, ERR_BAD_INPUT, "--%.*s needs a value: --%.*s=VALUE",
                        STR_ARG(str_sub(name, 0, 60)), STR_ARG(str_sub(name, 0, 60)));
    struct buf text;
    buf_init(&text, (size_t)4 * NEAREST_TEXT_MAX);
    struct nearest nearest;
    nearest_init(&nearest, name);
    const struct bind_row *found = NULL;
    const struct bind_row *near = NULL;
    for (size_t i = 0; i < binding->count && !found; i++) {
        const struct bind_row *row = &binding->rows[i];
        buf_reset(&text);
        buf_printf(&text, "%s%s%s", row->section, *row->section ? "." : "", row->key);
        if (str_equal(buf_str(&text), name))
            found = row;
        size_t before = nearest.best_distance;
        nearest_consider(&nearest, buf_str(&text));
        near = nearest.best_distance < before ? row : near;
    }
    buf_clear(&text);
    if (found)
        return set_from(binding, found, str_from(argument, equal + 1), name, BIND_ARGUMENT,
                        reterr_why);
    diag_set(reterr_why, ERR_BAD_INPUT, "unknown option --%.*s", STR_ARG(str_sub(name, 0, 100)));
    if (near)
        diag_hint(reterr_why, "did you mean '--%s%s%s'?", near->section, *near->section ? "." : "",
                  near->key);
    return ERR_BAD_INPUT;
}
