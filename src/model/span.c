/* span.c -- the field table and a span's JSON.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/span.h"
#include "base/hash.h"
#include "base/text.h"

const struct field_info field_table[FIELD_COUNT] = {
#define FIELD(name, type, column, json, doc)                                                       \
    { #name, json, doc, FIELD_TYPE_##type, FIELD_COLUMN_##column, offsetof(struct span, name) },
#include "model/fields.def"
#undef FIELD
};

static const char *const role_names[CONTENT_ROLE_COUNT] = {
    "input",     "output", "system",  "tools",      "tool_arguments", "tool_result", "query",
    "documents", "parsed", "preview", "attributes", "events",         "log_body",    "other",
};

const char *content_role_name(enum content_role role)
{
    assert(role >= 0 && role < CONTENT_ROLE_COUNT);
    return role_names[role];
}

enum field field_by_name(str name)
{
    for (unsigned i = 0; i < FIELD_COUNT; i++)
        if (str_equal_c(name, field_table[i].name) || str_equal_c(name, field_table[i].json))
            return (enum field)i;
    return FIELD_COUNT;
}

bool span_add_part(struct span *span, enum content_role role, str json)
{
    assert(json.ptr);
    if (span->part_count == SPAN_PARTS_MAX)
        return false;
    span->parts[span->part_count++] = (struct content_part){ .role = role, .json = json };
    return true;
}

bool span_add_flag(struct span *span, struct arena *arena, str flag)
{
    uint32_t count = SPAN_KNOWS(span, flags) ? span->flags.count : 0;
    for (uint32_t i = 0; i < count; i++) {
        if (str_equal(span->flags.items[i], flag))
            return true;
    }
    str *items = arena_new(arena, str, (size_t)count + 1);
    if (!items)
        return false;
    if (count)
        memcpy(items, span->flags.items, count * sizeof items[0]);
    items[count] = flag;
    SPAN_SET(span, flags, (struct strs){ items, count + 1 });
    return true;
}

const struct content_part *span_part(const struct span *span, enum content_role role)
{
    for (uint32_t i = 0; i < span->part_count; i++)
        if (span->parts[i].role == role)
            return &span->parts[i];
    return NULL;
}

static void ms_to_json(struct buf *out, int64_t ns)
{
    buf_add_f64(out, (double)ns / 1e6);
}

void strs_to_json(struct buf *out, const struct strs *list)
{
    buf_add_char(out, '[');
    for (uint32_t i = 0; i < list->count; i++) {
        if (i)
            buf_add_char(out, ',');
        buf_add_json_str(out, list->items[i]);
    }
    buf_add_char(out, ']');
}

void f64s_to_json(struct buf *out, const struct f64s *list)
{
    buf_add_char(out, '[');
    for (uint32_t i = 0; i < list->count; i++) {
        if (i)
            buf_add_char(out, ',');
        buf_add_f64(out, list->items[i]);
    }
    buf_add_char(out, ']');
}

void id_to_json(struct buf *out, const void *id, size_t len)
{
    buf_add_char(out, '"');
    buf_add_hex(out, id, len);
    buf_add_char(out, '"');
}

void span_field_to_json(struct buf *out, const struct span *span, enum field field)
{
    if (!span_knows(span, field)) {
        buf_add_c(out, "null");
        return;
    }
    const void *at = span_field_const(span, field);
    switch (field_table[field].type) {
    case FIELD_TYPE_ID16:
        id_to_json(out, at, 16);
        break;
    case FIELD_TYPE_ID8:
        id_to_json(out, at, 8);
        break;
    case FIELD_TYPE_STR:
        buf_add_json_str(out, *(const str *)at);
        break;
    case FIELD_TYPE_I64:
        buf_add_i64(out, *(const int64_t *)at);
        break;
    case FIELD_TYPE_F64:
        buf_add_f64(out, *(const double *)at);
        break;
    case FIELD_TYPE_BOOL:
        buf_add_c(out, *(const bool *)at ? "true" : "false");
        break;
    case FIELD_TYPE_TIME:
        buf_add_char(out, '"');
        time_format(out, *(const int64_t *)at, 9);
        buf_add_char(out, '"');
        break;
    case FIELD_TYPE_NS:
        ms_to_json(out, *(const int64_t *)at);
        break;
    case FIELD_TYPE_NANO:
        buf_add_nanousd(out, *(const int64_t *)at);
        break;
    case FIELD_TYPE_STRS:
        strs_to_json(out, at);
        break;
    case FIELD_TYPE_F64S:
        f64s_to_json(out, at);
        break;
    case FIELD_TYPE_JSON:
        buf_add_str(out, *(const str *)at);
        break;
    }
}

/* "usage.input_fresh" -> prefix "usage", member "input_fresh"; no dot: prefix empty. */
static str json_prefix(const char *path)
{
    const char *dot = strchr(path, '.');
    return dot ? str_make(path, (size_t)(dot - path)) : STR_OF("");
}

void span_fields_to_json(struct buf *out, const struct span *span)
{
    str open = STR_OF("");
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        const char *path = field_table[i].json;
        str prefix = json_prefix(path);
        if (open.len && !str_equal(prefix, open))
            buf_add_char(out, '}');
        if (i)
            buf_add_char(out, ',');
        if (prefix.len && !str_equal(prefix, open)) {
            buf_add_json_str(out, prefix);
            buf_add_c(out, ":{");
        }
        open = prefix;
        buf_add_json_str(out, str_from_c(prefix.len ? path + prefix.len + 1 : path));
        buf_add_char(out, ':');
        span_field_to_json(out, span, (enum field)i);
    }
    if (open.len)
        buf_add_char(out, '}');
}
