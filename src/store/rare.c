/* rare.c -- rare fields of a span as one JSON object, and back.
 *
 * {"temperature":0.2,"source_ids":["a"],"retry_of":"0011223344556677"}; members
 * are the names of fields.def, ids are hex, fields of type JSON are texts (so
 * that they come back byte for byte).  "#links" and "#dropped" hold what is not
 * a field.  Numbers that are not finite are left out: they mean nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "store/store_int.h"
#include "wire/json.h"

#include <math.h>

enum { FIELD_WORDS = (FIELD_COUNT + 63) / 64 };
_Static_assert(FIELD_WORDS == 3, "rare_fields has a row per word");

/* As a set like span.known, and what stands before each value. */
#define IN_WORD(field, word) ((field) / 64 == (word) ? UINT64_C(1) << (field) % 64 : 0)
#define WORD_KEY(field, word) 0
#define WORD_DICT(field, word) 0
#define WORD_COL(field, word) 0
#define WORD_RARE(field, word) IN_WORD(field, word)
static const uint64_t rare_fields[FIELD_WORDS] = {
#define FIELD(name, type, column, json, doc) WORD_##column(FIELD_##name, 0) |
#include "model/fields.def"
    0,
#undef FIELD
#define FIELD(name, type, column, json, doc) WORD_##column(FIELD_##name, 1) |
#include "model/fields.def"
    0,
#undef FIELD
#define FIELD(name, type, column, json, doc) WORD_##column(FIELD_##name, 2) |
#include "model/fields.def"
    0,
#undef FIELD
};
static const str member_heads[FIELD_COUNT] = {
#define FIELD(name, type, column, json, doc)                                                       \
    [FIELD_##name] = { ",\"" #name "\":", sizeof ",\"" #name "\":" - 1 },
#include "model/fields.def"
#undef FIELD
};

bool field_is_rare(enum field field)
{
    return field_table[field].column == FIELD_COLUMN_RARE;
}

static void value_encode(struct buf *out, const struct span *span, enum field field)
{
    const void *at = span_field_const(span, field);
    switch (field_table[field].type) {
    case FIELD_TYPE_ID16:
        id_to_json(out, at, 16);
        break;
    case FIELD_TYPE_ID8:
        id_to_json(out, at, 8);
        break;
    case FIELD_TYPE_STR:
    case FIELD_TYPE_JSON:
        buf_add_json_str(out, *(const str *)at);
        break;
    case FIELD_TYPE_I64:
    case FIELD_TYPE_TIME:
    case FIELD_TYPE_NS:
    case FIELD_TYPE_NANO:
        buf_add_i64(out, *(const int64_t *)at);
        break;
    case FIELD_TYPE_F64:
        buf_add_f64(out, *(const double *)at);
        break;
    case FIELD_TYPE_BOOL:
        buf_add_c(out, *(const bool *)at ? "true" : "false");
        break;
    case FIELD_TYPE_STRS:
        strs_to_json(out, at);
        break;
    case FIELD_TYPE_F64S:
        f64s_to_json(out, at);
        break;
    }
}

/* `head` begins with the comma that the first one does not need. */
static void member_begin(struct buf *out, size_t start, str head)
{
    bool is_first = out->len == start;
    buf_add_str(out, head);
    if (is_first && !buf_failed(out))
        out->ptr[start] = '{';
}

static void links_encode(struct buf *out, const struct span *span)
{
    for (uint32_t i = 0; i < span->link_count; i++) {
        const struct span_link *link = &span->links[i];
        buf_add_c(out, i == 0 ? "[[" : ",[");
        id_to_json(out, link->trace_id.bytes, 16);
        buf_add_char(out, ',');
        id_to_json(out, link->span_id.bytes, 8);
        buf_add_char(out, ',');
        attrs_to_json(out, link->attrs, link->attr_count);
        buf_add_char(out, ']');
    }
    buf_add_char(out, ']');
}

void rare_encode(struct buf *out, const struct span *span, const uint64_t *also)
{
    size_t start = out->len;
    for (size_t word = 0; word < FIELD_WORDS; word++) {
        uint64_t bits = span->known[word] & (rare_fields[word] | also[word]);
        for (; bits != 0; bits &= bits - 1) {
            enum field field = (enum field)(word * 64 + (size_t)__builtin_ctzll(bits));
            if (field_table[field].type == FIELD_TYPE_F64 &&
                !isfinite(*(const double *)span_field_const(span, field)))
                continue;
            member_begin(out, start, member_heads[field]);
            value_encode(out, span, field);
        }
    }
    if (span->link_count > 0) {
        member_begin(out, start, STR_OF(",\"#links\":"));
        links_encode(out, span);
    }
    if (span->dropped_attr_count > 0) {
        member_begin(out, start, STR_OF(",\"#dropped\":"));
        buf_add_u64(out, span->dropped_attr_count);
    }
    if (out->len > start)
        buf_add_char(out, '}');
}

static uint32_t items_count(const struct value *list)
{
    return list->type == VALUE_ARRAY ? list->count : 0;
}

static bool strs_from_value(struct arena *arena, const struct value *list, struct strs *ret)
{
    uint32_t count = items_count(list);
    str *items = arena_new(arena, str, count);
    if (!items)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        items[i] = list->items[i].type == VALUE_STR ? list->items[i].text : STR_OF("");
        if (!items[i].ptr)
            items[i].ptr = "";
    }
    *ret = (struct strs){ items, count };
    return true;
}

static bool f64s_from_value(struct arena *arena, const struct value *list, struct f64s *ret)
{
    uint32_t count = items_count(list);
    double *items = arena_new(arena, double, count);
    if (!items)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!value_as_f64(&list->items[i], &items[i]))
            items[i] = (double)NAN;
    *ret = (struct f64s){ items, count };
    return true;
}

static bool value_decode(struct arena *arena, const struct value *value, struct span *span,
                         enum field field)
{
    void *at = span_field(span, field);
    switch (field_table[field].type) {
    case FIELD_TYPE_ID16:
        return value->type == VALUE_STR && hex_decode(value->text, at, 16);
    case FIELD_TYPE_ID8:
        return value->type == VALUE_STR && hex_decode(value->text, at, 8);
    case FIELD_TYPE_STR:
    case FIELD_TYPE_JSON:
        *(str *)at = value->text;
        return value->type == VALUE_STR;
    case FIELD_TYPE_I64:
    case FIELD_TYPE_TIME:
    case FIELD_TYPE_NS:
    case FIELD_TYPE_NANO:
        return value_as_i64(value, at);
    case FIELD_TYPE_F64:
        return value_as_f64(value, at);
    case FIELD_TYPE_BOOL:
        return value_as_bool(value, at);
    case FIELD_TYPE_STRS:
        return strs_from_value(arena, value, at);
    case FIELD_TYPE_F64S:
        return f64s_from_value(arena, value, at);
    }
    return false;
}

static bool link_decode(const struct value *row, struct span_link *ret_link)
{
    if (items_count(row) != 3 || row->items[2].type != VALUE_MAP)
        return false;
    ret_link->attrs = row->items[2].attrs;
    ret_link->attr_count = row->items[2].count;
    return hex_decode(row->items[0].text, ret_link->trace_id.bytes, 16) &&
           hex_decode(row->items[1].text, ret_link->span_id.bytes, 8);
}

static bool links_decode(struct arena *arena, const struct value *list, struct span *span)
{
    uint32_t count = items_count(list);
    span->links = arena_new(arena, struct span_link, count);
    if (!span->links)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!link_decode(&list->items[i], &span->links[i]))
            return false;
    span->link_count = count;
    return true;
}

static bool member_decode(struct arena *arena, str name, const struct value *value,
                          struct span *span)
{
    int64_t dropped = 0;
    if (str_equal_c(name, "#links"))
        return links_decode(arena, value, span);
    if (str_equal_c(name, "#dropped")) {
        bool is_number = value_as_i64(value, &dropped);
        span->dropped_attr_count = (uint32_t)dropped;
        return is_number;
    }
    enum field field = field_by_name(name);
    if (field == FIELD_COUNT)
        return true; /* of a later version */
    if (!value_decode(arena, value, span, field))
        return false;
    span_mark(span, field);
    return true;
}

enum err rare_decode(struct arena *arena, str text, struct span *span, struct diag *reterr_why)
{
    struct json json;
    json_init(&json, arena, text, JSON_DEPTH_MAX);
    if (json_next(&json) != JSON_OBJECT)
        return diag_set(reterr_why, ERR_CORRUPT, "rare fields are not an object");
    enum json_token token;
    while ((token = json_next(&json)) == JSON_KEY) {
        str name = json.text;
        struct value value;
        if (!json_value(&json, json_next(&json), &value))
            return json_error(&json, reterr_why);
        if (!member_decode(arena, name, &value, span))
            return diag_set(reterr_why, ERR_CORRUPT, "rare field cannot be read");
    }
    return token == JSON_OBJECT_END ? ERR_OK : json_error(&json, reterr_why);
}

enum err strs_decode(struct arena *arena, str text, struct strs *ret_strs, struct diag *reterr_why)
{
    struct json json;
    struct value value;
    json_init(&json, arena, text, JSON_DEPTH_MAX);
    if (!json_value(&json, json_next(&json), &value))
        return json_error(&json, reterr_why);
    if (!strs_from_value(arena, &value, ret_strs))
        return diag_set(reterr_why, ERR_LIMIT, "no room for a list");
    return ERR_OK;
}
