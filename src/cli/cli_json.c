/* cli_json.c -- the server's answers, as a tree of values.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli_int.h"
#include "wire/json.h"

enum err cli_json_parse(struct arena *arena, str text, struct value *ret_value,
                        struct diag *reterr_why)
{
    struct json *json = arena_alloc(arena, sizeof *json);
    if (!json)
        return diag_set(reterr_why, ERR_LIMIT, "the answer is too large");
    json_init(json, arena, text, JSON_DEPTH_MAX);
    struct value value;
    if (!json_value(json, json_next(json), &value) || json_next(json) != JSON_END) {
        enum err err = json_error(json, reterr_why);
        return err ? err : diag_set(reterr_why, ERR_BAD_INPUT, "the answer is not JSON");
    }
    *ret_value = value;
    return ERR_OK;
}

const struct value *cli_member(const struct value *object, const char *key)
{
    if (!object || object->type != VALUE_MAP)
        return NULL;
    const struct attr *attr = attr_find(object->attrs, object->count, str_from_c(key));
    return attr && attr->value.type != VALUE_NULL ? &attr->value : NULL;
}

str cli_member_str(const struct value *object, const char *key)
{
    const struct value *value = cli_member(object, key);
    return value && value->type == VALUE_STR ? value->text : STR_NONE;
}

bool cli_member_f64(const struct value *object, const char *key, double *ret)
{
    const struct value *value = cli_member(object, key);
    return value && value_as_f64(value, ret);
}

const struct value *cli_item(const struct value *array, uint32_t index)
{
    if (!array || array->type != VALUE_ARRAY || index >= array->count)
        return NULL;
    return &array->items[index];
}
