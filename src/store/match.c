/* match.c -- what a filter means, walked over one span.
 *
 * The memory store answers with it, the DuckDB store resolves texts of its
 * dictionaries with it, and the property test holds the SQL against it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "store/store_int.h"
#include "wire/json.h"

bool text_matches(str text, str pattern)
{
    size_t t = 0, p = 0, star = SIZE_MAX, resume = 0;
    while (t < text.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            resume = t;
        } else if (p < pattern.len && pattern.ptr[p] == text.ptr[t]) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

static bool order_holds(enum filter_op op, int order)
{
    switch ((int)op) {
    case FILTER_EQ:
        return order == 0;
    case FILTER_LT:
        return order < 0;
    case FILTER_LE:
        return order <= 0;
    case FILTER_GT:
        return order > 0;
    case FILTER_GE:
        return order >= 0;
    default:
        return false;
    }
}

bool text_compares(enum filter_op op, str text, str value)
{
    if (op == FILTER_LIKE)
        return text_matches(text, value);
    return order_holds(op, str_cmp(text, value));
}

bool leaf_compares_text(const struct filter *leaf, str text)
{
    if (leaf->op == FILTER_REGEX)
        return regex_matches(leaf->regex, text);
    return text_compares(leaf->op, text, leaf->value.text);
}

bool f64_compares(enum filter_op op, double number, double value)
{
    if (number != number || value != value)
        return false;
    return order_holds(op, (number > value) - (number < value));
}

bool i64_compares(enum filter_op op, int64_t number, const struct value *value)
{
    if (value->type == VALUE_F64)
        return f64_compares(op, (double)number, value->f64);
    if (value->type != VALUE_I64)
        return false;
    return order_holds(op, (number > value->i64) - (number < value->i64));
}

static bool value_to_f64(const struct value *value, double *ret)
{
    if (value->type == VALUE_F64)
        *ret = value->f64;
    else if (value->type == VALUE_I64)
        *ret = (double)value->i64;
    return value->type == VALUE_F64 || value->type == VALUE_I64;
}

/* Find the key's first value; *ret_token is JSON_NULL when there is none. */
static str attr_find_json(struct arena *arena, str attrs_json, str key, enum json_token *ret_token)
{
    struct json json;
    json_init(&json, arena, attrs_json, JSON_DEPTH_MAX);
    *ret_token = JSON_NULL;
    if (attrs_json.len == 0 || json_next(&json) != JSON_OBJECT)
        return STR_NONE;
    while (json_next(&json) == JSON_KEY) {
        bool found = str_equal(json.text, key);
        enum json_token token = json_next(&json);
        if (found) {
            *ret_token = token;
            return json.text;
        }
        if (!json_skip(&json, token))
            break;
    }
    return STR_NONE;
}

static bool number_is_whole(str text)
{
    return str_find_char(text, '.') == text.len && str_find_char(text, 'e') == text.len &&
           str_find_char(text, 'E') == text.len;
}

bool attr_text(struct arena *arena, str attrs_json, str key, str *ret_text)
{
    enum json_token token;
    str text = attr_find_json(arena, attrs_json, key, &token);
    if (token == JSON_TRUE)
        *ret_text = STR_OF("true");
    else if (token == JSON_FALSE)
        *ret_text = STR_OF("false");
    else if (token == JSON_STRING || (token == JSON_NUMBER && number_is_whole(text)))
        *ret_text = text;
    else
        return false;
    return true;
}

bool attr_number(struct arena *arena, str attrs_json, str key, double *ret_number)
{
    enum json_token token;
    str text = attr_find_json(arena, attrs_json, key, &token);
    return token == JSON_NUMBER && str_to_f64(text, ret_number);
}

static bool attr_number_compares(const struct filter *leaf, str text)
{
    int64_t whole;
    double number, value;
    if (leaf->value.type == VALUE_I64 && number_is_whole(text))
        return str_to_i64(text, &whole) && i64_compares(leaf->op, whole, &leaf->value);
    return value_to_f64(&leaf->value, &value) && str_to_f64(text, &number) &&
           f64_compares(leaf->op, number, value);
}

static bool attr_matches(struct arena *arena, const struct filter *leaf, str attrs_json)
{
    enum json_token token;
    str found = attr_find_json(arena, attrs_json, leaf->attr_key, &token);
    if (leaf->op == FILTER_EXISTS)
        return token != JSON_NULL && token != JSON_ERROR && token != JSON_END;
    if (leaf->value.type == VALUE_BOOL)
        return leaf->op == FILTER_EQ && (token == JSON_TRUE || token == JSON_FALSE) &&
               (token == JSON_TRUE) == leaf->value.boolean;
    if (leaf->value.type == VALUE_STR)
        return attr_text(arena, attrs_json, leaf->attr_key, &found) &&
               leaf_compares_text(leaf, found);
    return token == JSON_NUMBER && attr_number_compares(leaf, found);
}

str id_text(const void *id, size_t len, char out[33])
{
    assert(len <= 16);
    hex_encode(id, len, out);
    return (str){ out, 2 * len };
}

static bool id_matches(const struct filter *leaf, const void *id, size_t len)
{
    char text[33];
    uint8_t wanted[16];
    if (leaf->value.type != VALUE_STR)
        return false;
    if (leaf->op == FILTER_EQ)
        return hex_decode(leaf->value.text, wanted, len) && memcmp(wanted, id, len) == 0;
    return leaf_compares_text(leaf, id_text(id, len, text));
}

static bool list_matches(const struct filter *leaf, const void *field, enum field_type type)
{
    double value;
    if (type == FIELD_TYPE_STRS && leaf->value.type == VALUE_STR) {
        const struct strs *strs = field;
        for (uint32_t i = 0; i < strs->count; i++)
            if (leaf_compares_text(leaf, strs->items[i]))
                return true;
    } else if (type == FIELD_TYPE_F64S && value_to_f64(&leaf->value, &value)) {
        const struct f64s *f64s = field;
        for (uint32_t i = 0; i < f64s->count; i++)
            if (f64_compares(leaf->op, f64s->items[i], value))
                return true;
    }
    return false;
}

static bool field_matches(const struct filter *leaf, const struct span *span)
{
    const void *field = span_field_const(span, leaf->field);
    const struct value *value = &leaf->value;
    double number;
    switch (field_table[leaf->field].type) {
    case FIELD_TYPE_ID16:
        return id_matches(leaf, field, 16);
    case FIELD_TYPE_ID8:
        return id_matches(leaf, field, 8);
    case FIELD_TYPE_STR:
    case FIELD_TYPE_JSON:
        return value->type == VALUE_STR && leaf_compares_text(leaf, *(const str *)field);
    case FIELD_TYPE_I64:
    case FIELD_TYPE_TIME:
    case FIELD_TYPE_NS:
    case FIELD_TYPE_NANO:
        return i64_compares(leaf->op, *(const int64_t *)field, value);
    case FIELD_TYPE_F64:
        return value_to_f64(value, &number) &&
               f64_compares(leaf->op, *(const double *)field, number);
    case FIELD_TYPE_BOOL:
        return value->type == VALUE_BOOL && leaf->op == FILTER_EQ &&
               *(const bool *)field == value->boolean;
    case FIELD_TYPE_STRS:
    case FIELD_TYPE_F64S:
        return list_matches(leaf, field, field_table[leaf->field].type);
    }
    return false;
}

bool leaf_matches(const struct filter *leaf, const struct span *span, str attrs_json)
{
    if (leaf->field == FIELD_COUNT) {
        struct arena arena;
        arena_init(&arena, 4 * (size_t)STORE_ATTRS_BYTES_MAX);
        bool matches = attr_matches(&arena, leaf, attrs_json);
        arena_clear(&arena);
        return matches;
    }
    if (!span_knows(span, leaf->field))
        return false;
    return leaf->op == FILTER_EXISTS || field_matches(leaf, span);
}

bool filter_holds(const struct filter *filter, bool (*leaf)(const struct filter *leaf, void *arg),
                  void *arg)
{
    switch ((int)filter->op) {
    case FILTER_AND:
        return filter_holds(filter->left, leaf, arg) && filter_holds(filter->right, leaf, arg);
    case FILTER_OR:
        return filter_holds(filter->left, leaf, arg) || filter_holds(filter->right, leaf, arg);
    case FILTER_NOT:
        return !filter_holds(filter->left, leaf, arg);
    case FILTER_NE: {
        if (filter->fold != FOLD_NONE) /* of something known */
            return leaf(filter, arg);
        struct filter equal = *filter;
        equal.op = FILTER_EQ;
        return !leaf(&equal, arg);
    }
    default:
        return leaf(filter, arg);
    }
}

static bool is_number(enum field field)
{
    enum field_type type = field_table[field].type;
    return type == FIELD_TYPE_I64 || type == FIELD_TYPE_F64 || type == FIELD_TYPE_NS ||
           type == FIELD_TYPE_NANO || type == FIELD_TYPE_TIME;
}

static enum err fold_check(const struct filter *filter, struct diag *reterr_why)
{
    bool is_count = filter->fold == FOLD_COUNT;
    bool is_order = filter->op >= FILTER_EQ && filter->op <= FILTER_GE;
    bool is_value = filter->value.type == VALUE_I64 || filter->value.type == VALUE_F64;
    if (!is_order || !is_value || !str_is_none(filter->score))
        return diag_set(reterr_why, ERR_BAD_INPUT, "a sum is compared with a number");
    if (!is_count && filter->field != FIELD_COUNT && !is_number(filter->field))
        return diag_set(reterr_why, ERR_BAD_INPUT, "%s is no number",
                        field_table[filter->field].name);
    return ERR_OK;
}

enum err filter_check(const struct filter *filter, uint32_t depth, struct diag *reterr_why)
{
    if (depth >= STORE_FILTER_DEPTH_MAX)
        return diag_set(reterr_why, ERR_LIMIT, "filter nested deeper than %d",
                        STORE_FILTER_DEPTH_MAX);
    enum err code = ERR_OK;
    if (filter->fold != FOLD_NONE)
        code = fold_check(filter, reterr_why);
    if (filter->op == FILTER_REGEX && !filter->regex)
        code = diag_set(reterr_why, ERR_BAD_INPUT, "a regular expression that is not compiled");
    if (code == ERR_OK && filter->left)
        code = filter_check(filter->left, depth + 1, reterr_why);
    if (code == ERR_OK && filter->op <= FILTER_OR)
        code = filter_check(filter->right, depth + 1, reterr_why);
    return code;
}
