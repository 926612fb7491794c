/* native_item.c -- see native_item.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/native_item.h"
#include "base/text.h"
#include <stdio.h>

enum { MEMBER_CHARS_MAX = 40 }; /* of a member's name in a reason */

bool native_refuse(struct native_fault *fault, str member, const char *what)
{
    if (!fault->why[0])
        snprintf(fault->why, sizeof fault->why, "%.*s %s",
                 STR_ARG(str_sub(member, 0, MEMBER_CHARS_MAX)), what);
    return false;
}

bool native_unreadable(struct native_item *item, str member)
{
    if (json_error(&item->json, NULL) == ERR_LIMIT)
        item->fault->is_spent = true;
    return native_refuse(item->fault, member, "cannot be read");
}

bool native_add(struct native_item *item, str key, struct value value)
{
    if (item->attrs.count >= item->attrs_max) {
        item->dropped_count++;
        return true;
    }
    bool is_added = native_attr_add(item->arena, &item->attrs, key, value);
    item->fault->is_spent = item->fault->is_spent || !is_added;
    return is_added;
}

str native_joined(struct native_item *item, str prefix, str name)
{
    str key = arena_printf(item->arena, "%.*s.%.*s", STR_ARG(prefix), STR_ARG(name));
    item->fault->is_spent = item->fault->is_spent || str_is_none(key);
    return key;
}

bool native_add_read(struct native_item *item, str key, enum json_token token)
{
    struct value value;
    str raw;
    if (token == JSON_OBJECT || token == JSON_ARRAY)
        return json_raw(&item->json, token, &raw) && native_add(item, key, value_str(raw));
    if (!json_value(&item->json, token, &value))
        return false;
    bool is_said = value.type != VALUE_NULL && (value.type != VALUE_STR || value.text.len > 0);
    return !is_said || native_add(item, key, value);
}

bool native_add_members(struct native_item *item, str prefix, enum json_token token)
{
    if (token != JSON_OBJECT)
        return native_add_read(item, prefix, token);
    while ((token = json_next(&item->json)) == JSON_KEY) {
        str key = native_joined(item, prefix, item->json.text);
        if (str_is_none(key) || !native_add_read(item, key, json_next(&item->json)))
            return false;
    }
    return token == JSON_OBJECT_END;
}

bool native_add_list(struct native_item *item, str key, enum json_token token)
{
    struct value value;
    return json_value(&item->json, token, &value) &&
           (value.type == VALUE_NULL || native_add(item, key, value));
}

bool native_text(struct native_item *item, str key, enum json_token token, str *ret)
{
    if (token == JSON_NULL)
        return true;
    if (token != JSON_STRING)
        return native_refuse(item->fault, key, "must be a text");
    *ret = item->json.text;
    return true;
}

bool native_time(struct native_item *item, str key, enum json_token token, uint64_t *ret_ns)
{
    str text = STR_NONE;
    int64_t time_ns;
    if (!native_text(item, key, token, &text) || str_is_none(text))
        return token == JSON_NULL;
    if (!time_parse(text, &time_ns) || time_ns <= 0)
        return native_refuse(item->fault, key, "must be a time of ISO 8601");
    *ret_ns = (uint64_t)time_ns;
    return true;
}
