/* tree.c -- see tree.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/tree.h"
#include "base/text.h"
#include "wire/json.h"

enum { TEXT_BYTES_MAX = 64 * MIB };

enum err tree_parse(struct arena *arena, str text, struct value *ret_root, struct diag *reterr_why)
{
    struct json json;
    json_init(&json, arena, text, JSON_DEPTH_MAX);
    enum json_token token = json_next(&json);
    if (token == JSON_END)
        return diag_set(reterr_why, ERR_BAD_INPUT, "the body is empty");
    if (token == JSON_ERROR || !json_value(&json, token, ret_root) || json_next(&json) != JSON_END)
        return json_error(&json, reterr_why);
    return ERR_OK;
}

const struct value *tree_get(const struct value *map, const char *name)
{
    if (!map || map->type != VALUE_MAP)
        return NULL;
    const struct attr *attr = attr_find(map->attrs, map->count, str_from_c(name));
    return attr && attr->value.type != VALUE_NULL ? &attr->value : NULL;
}

str tree_text_as_sent(const struct value *map, const char *name)
{
    const struct value *value = tree_get(map, name);
    return value && value->type == VALUE_STR ? value->text : STR_NONE;
}

str tree_text(const struct value *map, const char *name)
{
    str text = tree_text_as_sent(map, name);
    return text.len ? text : STR_NONE;
}

uint32_t tree_items(const struct value *map, const char *name, const struct value **ret_items)
{
    const struct value *value = tree_get(map, name);
    bool is_array = value && value->type == VALUE_ARRAY;
    *ret_items = is_array ? value->items : NULL;
    return is_array ? value->count : 0;
}

bool tree_time(const struct value *map, const char *name, int64_t *ret_ns)
{
    enum { SCALES = 4 };
    static const int64_t per_unit[SCALES] = { NS_PER_S, NS_PER_MS, NS_PER_US, 1 };
    const struct value *value = tree_get(map, name);
    double number;
    int64_t whole;
    if (!value || value->type == VALUE_BOOL)
        return false;
    if (value->type == VALUE_STR && time_parse(value->text, ret_ns))
        return *ret_ns >= 0;
    if (!value_as_f64(value, &number) || !(number >= 0))
        return false;
    int scale = 0;
    for (double top = 1e11; scale < SCALES - 1 && number >= top; top *= 1e3)
        scale++;
    if (value_as_i64(value, &whole))
        return !MUL_OVERFLOWS(whole, per_unit[scale], ret_ns);
    if (number * (double)per_unit[scale] >= 9.2e18)
        return false;
    *ret_ns = (int64_t)(number * (double)per_unit[scale]);
    return true;
}

str tree_take(struct arena *arena, struct buf *buf)
{
    str copy = buf_failed(buf) ? STR_NONE : arena_str(arena, buf_str(buf));
    buf_clear(buf);
    return copy;
}

str tree_json(struct arena *arena, const struct value *value)
{
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    value_to_json(&text, value);
    return tree_take(arena, &text);
}
