/* value.c -- typed values: finding, converting, printing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/value.h"
#include "base/check.h"
#include "base/text.h"
#include <math.h>

const struct attr *attr_find(const struct attr *attrs, size_t count, str key)
{
    for (size_t i = 0; i < count; i++)
        if (str_equal(attrs[i].key, key))
            return &attrs[i];
    return NULL;
}

static void f64_to_json(struct buf *out, double number)
{
    if (isnan(number))
        buf_add_c(out, "\"NaN\"");
    else if (isinf(number))
        buf_add_c(out, number > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    else {
        size_t before = out->len;
        buf_add_f64(out, number);
        str text = str_make(out->ptr + before, out->len - before);
        if (str_find_char(text, '.') == text.len && str_find_char(text, 'e') == text.len)
            buf_add_c(out, ".0"); /* so that it reads back as a double */
    }
}

static void to_json(struct buf *out, const struct value *value, int depth)
{
    if (depth > VALUE_DEPTH_MAX) {
        buf_add_c(out, "null");
        return;
    }
    switch (value->type) {
    case VALUE_NULL:
        buf_add_c(out, "null");
        break;
    case VALUE_STR:
        buf_add_json_str(out, value->text);
        break;
    case VALUE_BOOL:
        buf_add_c(out, value->boolean ? "true" : "false");
        break;
    case VALUE_I64:
        buf_add_i64(out, value->i64);
        break;
    case VALUE_F64:
        f64_to_json(out, value->f64);
        break;
    case VALUE_BYTES:
        buf_add_char(out, '"');
        base64_encode(out, value->text.ptr, value->text.len);
        buf_add_char(out, '"');
        break;
    case VALUE_ARRAY:
        buf_add_char(out, '[');
        for (uint32_t i = 0; i < value->count; i++) {
            if (i)
                buf_add_char(out, ',');
            to_json(out, &value->items[i], depth + 1);
        }
        buf_add_char(out, ']');
        break;
    case VALUE_MAP:
        buf_add_char(out, '{');
        for (uint32_t i = 0; i < value->count; i++) {
            if (i)
                buf_add_char(out, ',');
            buf_add_json_str(out, value->attrs[i].key);
            buf_add_char(out, ':');
            to_json(out, &value->attrs[i].value, depth + 1);
        }
        buf_add_char(out, '}');
        break;
    }
}

void value_to_json(struct buf *out, const struct value *value)
{
    to_json(out, value, 0);
}

void attrs_to_json(struct buf *out, const struct attr *attrs, size_t count)
{
    struct value map = { .type = VALUE_MAP, .count = (uint32_t)count };
    struct attr *items = NULL;
    if (count) /* only read: a tree borrows its items */
        memcpy(&items, &attrs, sizeof items);
    map.attrs = items;
    to_json(out, &map, 0);
}

static bool f64_is_i64(double number, int64_t *ret)
{
    if (!(number >= -9223372036854775808.0 && number < 9223372036854775808.0) ||
        number != trunc(number))
        return false;
    *ret = (int64_t)number;
    return true;
}

bool value_as_i64(const struct value *value, int64_t *ret)
{
    double number;
    if (value->type == VALUE_I64) {
        *ret = value->i64;
        return true;
    }
    if (value->type == VALUE_F64)
        return f64_is_i64(value->f64, ret);
    if (value->type != VALUE_STR)
        return false;
    str text = str_trim(value->text);
    return str_to_i64(text, ret) || (str_to_f64(text, &number) && f64_is_i64(number, ret));
}

bool value_as_f64(const struct value *value, double *ret)
{
    if (value->type == VALUE_F64 && isfinite(value->f64)) {
        *ret = value->f64;
        return true;
    }
    if (value->type == VALUE_I64) {
        *ret = (double)value->i64;
        return true;
    }
    return value->type == VALUE_STR && str_to_f64(str_trim(value->text), ret);
}

bool value_as_bool(const struct value *value, bool *ret)
{
    if (value->type == VALUE_BOOL) {
        *ret = value->boolean;
        return true;
    }
    if (value->type == VALUE_I64 && (value->i64 == 0 || value->i64 == 1)) {
        *ret = value->i64 == 1;
        return true;
    }
    if (value->type != VALUE_STR)
        return false;
    bool is_true = str_equal_nocase(value->text, STR_OF("true")) || str_equal_c(value->text, "1");
    bool is_false = str_equal_nocase(value->text, STR_OF("false")) || str_equal_c(value->text, "0");
    *ret = is_true;
    return is_true || is_false;
}
