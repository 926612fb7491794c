/* convert.c -- how a value is read: one function per conversion of dialect.def.
 *
 * A conversion writes its field only when the whole value can be read; else
 * the attribute stays as it came.  Texts that are kept become valid UTF-8 here and are
 * cut at text_field_bytes_max with a flag.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/utf8.h"
#include "norm/norm_int.h"
#include <math.h>

enum { LIST_ITEMS_MAX = 1024 };
#define COUNT_ABSURD INT64_C(1000000000000) /* tokens in one call */

str text_repair(struct norm *norm, str text)
{
    const char *at = text.ptr, *end = text.ptr + text.len;
    uint64_t high = 0;
    for (; end - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        high |= word;
    }
    for (; at < end; at++)
        high |= (unsigned char)*at;
    if (!(high & UINT64_C(0x8080808080808080)))
        return text;
    str clean = utf8_repair(norm->arena, text);
    if (!str_is_none(clean))
        return clean;
    norm->spent = true;
    return STR_OF("");
}

static bool text_keep(struct norm *norm, str text, str *ret_text)
{
    if (str_is_empty(text))
        return false;
    if (text.len > norm->config->text_field_bytes_max) {
        text = str_sub(text, 0, norm->config->text_field_bytes_max);
        while (text.len > 0 && ((unsigned char)text.ptr[text.len - 1] & 0xc0) == 0x80)
            text.len--; /* back to the start of the cut character */
        if (text.len > 0 && ((unsigned char)text.ptr[text.len - 1] & 0x80))
            text.len--;
        norm->odd |= ODD_TRUNCATED;
        norm->lossy = true;
    }
    *ret_text = text_clean(norm, text);
    return true;
}

bool convert_text(struct norm *norm, const struct value *value, str *ret_text)
{
    if (value->type == VALUE_STR)
        return text_keep(norm, value->text, ret_text);
    if (value->type != VALUE_I64 && value->type != VALUE_F64 && value->type != VALUE_BOOL)
        return false;
    buf_reset(&norm->out);
    value_to_json(&norm->out, value);
    *ret_text = out_take(norm);
    return true;
}

static bool text_into(struct norm *norm, const struct value *value, str *field)
{
    str text;
    if (!convert_text(norm, value, &text))
        return false;
    *field = text;
    return true;
}

/* MLflow writes every value as JSON: a text has quotes. */
static bool json_text_into(struct norm *norm, const struct value *value, str *field)
{
    struct value inner;
    if (value->type == VALUE_STR && value->text.len >= 2 && value->text.ptr[0] == '"' &&
        parse_json(norm, value->text, &inner))
        return text_into(norm, &inner, field);
    return text_into(norm, value, field);
}

static bool path_into(struct norm *norm, const struct value *value, str *field)
{
    if (value->type != VALUE_STR)
        return false;
    return text_keep(norm, str_sub(value->text, 0, str_find_char(value->text, '?')), field);
}

static str text_lower(struct norm *norm, str text)
{
    char *lower = arena_alloc(norm->arena, text.len);
    if (!lower) {
        norm->spent = true;
        return text;
    }
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    return str_make(lower, text.len);
}

static bool provider_into(struct norm *norm, const struct value *value, str *field)
{
    if (value->type != VALUE_STR || str_is_empty(value->text))
        return false;
    bool framework;
    str canonical = provider_canonical(value->text, &framework);
    if (framework) {
        norm->odd |= ODD_FRAMEWORK;
        return false;
    }
    if (str_is_none(canonical)) { /* an open set: keep the word, in lower case */
        if (!text_keep(norm, value->text, field))
            return false;
        canonical = text_lower(norm, *field);
        if (norm->spent)
            return false;
    }
    norm->lossy = norm->lossy || !str_equal(canonical, value->text);
    *field = canonical;
    return true;
}

static bool output_into(struct norm *norm, const struct value *value, str *field)
{
    if (!text_into(norm, value, field))
        return false;
    if (str_starts(*field, STR_OF("json")))
        *field = STR_OF("json");
    return true;
}

static bool verdict_into(struct norm *norm, const struct value *value, str *field)
{
    static const char *const passes[] = { "true", "pass", "passed", "ok", "success", "1" };
    static const char *const fails[] = { "false", "fail", "failed", "blocked", "failure", "0" };
    str text;
    if (!text_into(norm, value, &text))
        return false;
    *field = text;
    for (size_t i = 0; i < COUNT_OF(passes); i++) {
        if (str_equal_nocase(text, str_from_c(passes[i])))
            *field = STR_OF("pass");
        if (str_equal_nocase(text, str_from_c(fails[i])))
            *field = STR_OF("fail");
    }
    return true;
}

/* ---- lists ---- */

static bool strs_from_array(struct norm *norm, const struct value *array, struct strs *field)
{
    uint32_t count = MIN(array->count, (uint32_t)LIST_ITEMS_MAX);
    str *items = arena_new(norm->arena, str, count);
    if (!items) {
        norm->spent = true;
        return false;
    }
    uint32_t used = 0;
    for (uint32_t i = 0; i < count; i++)
        used += convert_text(norm, &array->items[i], &items[used]);
    if (array->count > count)
        norm->lossy = true;
    *field = (struct strs){ items, used };
    return used > 0;
}

static bool strs_from_csv(struct norm *norm, str text, struct strs *field)
{
    str *items = arena_new(norm->arena, str, LIST_ITEMS_MAX);
    if (!items) {
        norm->spent = true;
        return false;
    }
    uint32_t used = 0;
    for (str piece, rest = text; used < LIST_ITEMS_MAX && str_next(&rest, ',', &piece);)
        used += text_keep(norm, str_trim(piece), &items[used]);
    norm->lossy = norm->lossy || used == LIST_ITEMS_MAX;
    *field = (struct strs){ items, used };
    return used > 0;
}

static bool strs_into(struct norm *norm, const struct value *value, bool split, struct strs *field)
{
    if (value->type == VALUE_ARRAY)
        return strs_from_array(norm, value, field);
    struct value tree;
    if (value->type == VALUE_STR && str_starts(str_trim(value->text), STR_OF("[")) &&
        parse_json(norm, value->text, &tree) && tree.type == VALUE_ARRAY)
        return strs_from_array(norm, &tree, field);
    if (split && value->type == VALUE_STR)
        return strs_from_csv(norm, value->text, field);
    return strs_from_array(
        norm,
        &(struct value){ .type = VALUE_ARRAY, .count = 1, .items = (struct value[]){ *value } },
        field);
}

static bool f64s_into(struct norm *norm, const struct value *value, struct f64s *field)
{
    struct value list = *value;
    if (value->type == VALUE_STR) {
        str text = str_trim(value->text);
        struct strs pieces;
        if (str_starts(text, STR_OF("["))) {
            if (!parse_json(norm, text, &list))
                return false;
        } else if (strs_from_csv(norm, text, &pieces)) {
            list = (struct value){ .type = VALUE_ARRAY, .count = pieces.count };
            list.items = arena_new(norm->arena, struct value, pieces.count);
            norm->spent = norm->spent || !list.items;
            for (uint32_t i = 0; list.items && i < pieces.count; i++)
                list.items[i] = value_str(pieces.items[i]);
        }
    }
    if (list.type != VALUE_ARRAY || norm->spent)
        return false;
    uint32_t count = MIN(list.count, (uint32_t)LIST_ITEMS_MAX);
    double *items = arena_new(norm->arena, double, count);
    if (!items) {
        norm->spent = true;
        return false;
    }
    for (uint32_t i = 0; i < count; i++)
        if (!value_as_f64(&list.items[i], &items[i]))
            return false;
    *field = (struct f64s){ items, count };
    return count > 0;
}

/* ---- numbers ---- */

static bool scaled_into(const struct value *value, double scale, int64_t *field)
{
    double number;
    if (!value_as_f64(value, &number) || !(number >= 0) || number * scale > 9e18)
        return false;
    *field = (int64_t)llround(number * scale);
    return true;
}

/* What the amounts of an object come to where it has no total. */
static bool usd_sum(const struct value *map, int64_t *field)
{
    int64_t total = 0, part;
    for (uint32_t i = 0; i < map->count; i++)
        if (!scaled_into(&map->attrs[i].value, 1e9, &part) || ADD_OVERFLOWS(total, part, &total))
            return false;
    *field = total;
    return map->count > 0;
}

/* An amount, or a JSON object of amounts, perhaps with their total (Langfuse, MLflow). */
static bool usd_into(struct norm *norm, const struct value *value, int64_t *field)
{
    struct value map;
    if (value->type != VALUE_STR || !str_starts(str_trim(value->text), STR_OF("{")))
        return scaled_into(value, 1e9, field);
    if (!parse_json(norm, value->text, &map))
        return false;
    const struct value *total = map_get(&map, "total");
    total = total ? total : map_get(&map, "total_cost");
    return total ? scaled_into(total, 1e9, field) : map.type == VALUE_MAP && usd_sum(&map, field);
}

static bool f64_into(const struct value *value, double *field)
{
    double number;
    if (!value_as_f64(value, &number) || !isfinite(number))
        return false;
    *field = number;
    return true;
}

static bool count_into(struct norm *norm, const struct value *value, int64_t *field)
{
    int64_t count;
    if (!value_as_i64(value, &count) || count < 0 || count > COUNT_ABSURD) {
        norm->odd |= ODD_USAGE_INVALID;
        return false;
    }
    norm->lossy = norm->lossy || value->type == VALUE_STR;
    *field = count;
    return true;
}

static bool convert_number(struct norm *norm, const struct row *row, const struct value *value,
                           void *field)
{
    int64_t whole;
    bool truth;
    switch (row->conversion) {
    case CONV_I64:
        return value_as_i64(value, &whole) && (*(int64_t *)field = whole, true);
    case CONV_F64:
        return f64_into(value, field);
    case CONV_BOOL:
        return value_as_bool(value, &truth) && (*(bool *)field = truth, true);
    case CONV_SEC:
        return scaled_into(value, 1e9, field);
    case CONV_MS:
        return scaled_into(value, 1e6, field);
    case CONV_USD:
        return usd_into(norm, value, field);
    default:
        return false;
    }
}

/* "FinishReason.STOP", what Python prints for a member of an enum, is "stop". */
static bool finish_into(struct norm *norm, const struct value *value, struct strs *field)
{
    static const str prefix = STR("FinishReason.");
    if (!strs_into(norm, value, false, field))
        return false;
    if (!str_starts(field->items[0], prefix))
        return true;
    str *items = arena_new(norm->arena, str, field->count);
    if (!items) {
        norm->spent = true;
        return false;
    }
    for (uint32_t i = 0; i < field->count; i++) {
        bool is_member = str_starts(field->items[i], prefix);
        items[i] =
            is_member ? text_lower(norm, str_from(field->items[i], prefix.len)) : field->items[i];
        norm->lossy = norm->lossy || is_member;
    }
    field->items = items;
    return !norm->spent;
}

static bool convert_field(struct norm *norm, const struct row *row, const struct value *value,
                          void *field)
{
    switch (row->conversion) {
    case CONV_STR:
        return text_into(norm, value, field);
    case CONV_JSTR:
        return json_text_into(norm, value, field);
    case CONV_PATH:
        return path_into(norm, value, field);
    case CONV_PROVIDER:
        return provider_into(norm, value, field);
    case CONV_OUTPUT:
        return output_into(norm, value, field);
    case CONV_VERDICT:
        return verdict_into(norm, value, field);
    case CONV_STRS:
        return strs_into(norm, value, false, field);
    case CONV_FINISH:
        return finish_into(norm, value, field);
    case CONV_CSV:
        return strs_into(norm, value, true, field);
    case CONV_F64S:
        return f64s_into(norm, value, field);
    default:
        return convert_number(norm, row, value, field);
    }
}

bool convert(struct norm *norm, const struct row *row, const struct value *value)
{
    norm->lossy = false;
    if (row->conversion == CONV_HOLD)
        return value->type != VALUE_NULL;
    if (row->conversion == CONV_NOTE)
        return true;
    if (row->conversion == CONV_COUNT)
        return count_into(norm, value, &norm->use[row->target - USE_FIRST]);
    assert(row->target < (unsigned)FIELD_COUNT);
    if (!convert_field(norm, row, value, span_field(norm->span, (enum field)row->target)))
        return false;
    span_mark(norm->span, (enum field)row->target);
    return true;
}

bool text_has_nocase(str text, const char *lower_needle)
{
    size_t len = strlen(lower_needle);
    for (size_t i = 0; i + len <= text.len; i++)
        if ((text.ptr[i] | 0x20) == lower_needle[0] &&
            str_equal_nocase(str_make(text.ptr + i, len), str_make(lower_needle, len)))
            return true;
    return false;
}

static struct value clean_tree(struct norm *norm, const struct value *value, int depth)
{
    struct value copy = *value;
    if (value->type == VALUE_STR)
        copy.text = text_clean(norm, value->text);
    if (depth >= VALUE_DEPTH_MAX || value->count == 0)
        return copy;
    if (value->type == VALUE_ARRAY) {
        copy.items = arena_new(norm->arena, struct value, value->count);
        norm->spent = norm->spent || !copy.items;
        for (uint32_t i = 0; copy.items && i < value->count; i++)
            copy.items[i] = clean_tree(norm, &value->items[i], depth + 1);
    } else if (value->type == VALUE_MAP) {
        copy.attrs = arena_new(norm->arena, struct attr, value->count);
        norm->spent = norm->spent || !copy.attrs;
        for (uint32_t i = 0; copy.attrs && i < value->count; i++) {
            copy.attrs[i].key = text_clean(norm, value->attrs[i].key);
            copy.attrs[i].value = clean_tree(norm, &value->attrs[i].value, depth + 1);
        }
    } else {
        return copy;
    }
    if (norm->spent)
        copy = (struct value){ .type = VALUE_NULL };
    return copy;
}

struct value value_clean(struct norm *norm, const struct value *value)
{
    return clean_tree(norm, value, 0);
}
