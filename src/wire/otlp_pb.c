/* otlp_pb.c -- walks OTLP in protobuf by the table of otlp.def.
 *
 * One pass, no tree: each field goes to its place in the caller's struct.  A list's length
 * is found by looking ahead over the tags of its run, so that its array is made once.
 * A known number with another wire type is an unknown field, as protobuf has it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "wire/otlp_int.h"
#include "wire/protobuf.h"

enum { SHORT_TEXT_MAX = 256 }; /* looking twice at a longer one would cost */

/* Text is mostly short and ASCII: told here without a call. */
static inline bool is_ascii(str s)
{
    const uint64_t highs = UINT64_C(0x8080808080808080);
    uint64_t word, seen = 0;
    if (s.len < 8) {
        for (size_t i = 0; i < s.len; i++)
            seen |= (unsigned char)s.ptr[i];
        return !(seen & 0x80);
    }
    for (size_t i = 0; i + 8 < s.len; i += 8) {
        memcpy(&word, s.ptr + i, 8);
        seen |= word;
    }
    memcpy(&word, s.ptr + s.len - 8, 8);
    return !((seen | word) & highs);
}

static inline enum err text_read(struct otlp *otlp, str bytes, str *ret_text)
{
    if (!is_ascii(bytes))
        return otlp_text(otlp, bytes, ret_text);
    *ret_text = bytes;
    return ERR_OK;
}

static enum err id_read(struct otlp *otlp, enum otlp_message message, const struct otlp_field *row,
                        str bytes, void *place)
{
    size_t len = row->kind == KIND_ID16 ? 16 : 8;
    if (bytes.len == len)
        memcpy(place, bytes.ptr, len);
    else if (bytes.len == 0)
        memset(place, 0, len);
    else
        return otlp_bad(otlp, bytes.ptr, "%s has %zu bytes, not %zu",
                        otlp_field_names[message][row->number].snake.ptr, bytes.len, len);
    return ERR_OK;
}

/* The members of AnyValue that hold no message. */
static inline enum err any_read(struct otlp *otlp, unsigned kind, const struct pb_field *field,
                                struct value *value)
{
    switch (kind) {
    case KIND_V_STR:
        value->type = VALUE_STR;
        value->count = 0;
        return text_read(otlp, field->bytes, &value->text);
    case KIND_V_BOOL:
        *value = value_bool(field->scalar != 0);
        return ERR_OK;
    case KIND_V_I64:
        *value = value_i64((int64_t)field->scalar);
        return ERR_OK;
    case KIND_V_F64:
        *value = value_f64(pb_double(field->scalar));
        return ERR_OK;
    case KIND_V_BYTES:
        *value = (struct value){ .type = VALUE_BYTES, .text = field->bytes };
        return ERR_OK;
    default: /* V_NULL */
        *value = (struct value){ .type = VALUE_NULL };
        return ERR_OK;
    }
}

/* Numbers of one field each. */
static inline void number_read(unsigned kind, uint64_t bits, void *place)
{
    switch (kind) {
    case KIND_U32:
    case KIND_FIX32:
        *(uint32_t *)place = (uint32_t)bits;
        break;
    case KIND_ENUM:
        *(int32_t *)place = (int32_t)(uint32_t)bits;
        break;
    case KIND_SINT32:
        *(int32_t *)place = (int32_t)pb_zigzag((uint32_t)bits);
        break;
    case KIND_BOOL:
        *(bool *)place = bits != 0;
        break;
    case KIND_F64:
        *(double *)place = pb_double(bits);
        break;
    case KIND_OPT_F64:
        *(struct otlp_optional *)place = (struct otlp_optional){ pb_double(bits), true };
        break;
    case KIND_OPT_I64:
        *(struct otlp_optional *)place = (struct otlp_optional){ (double)(int64_t)bits, true };
        break;
    default: /* FIX64 */
        *(uint64_t *)place = bits;
        break;
    }
}

/* Repeated scalars: packed, or one at a time (wire types equal). */
static enum err numbers_read(struct otlp *otlp, const struct otlp_field *row,
                             const struct pb_field *field, struct otlp_list *list, uint32_t *room)
{
    struct pb packed = pb_make(field->wire == PB_LEN ? field->bytes : STR_NONE);
    uint64_t bits = field->scalar;
    uint32_t run = row->wire == PB_FIXED64 ? (uint32_t)MIN(field->bytes.len / 8, UINT32_MAX) : 1;
    if (field->wire != PB_LEN)
        run = 1;
    else if (!pb_packed_next(&packed, row->wire, &bits))
        return packed.error ? otlp_bad(otlp, packed.at, "%s", packed.error) : ERR_OK;
    do {
        if (!otlp_list_grow(otlp, list, sizeof bits, room, run))
            return otlp_no_room(otlp);
        memcpy((char *)list->items + list->count * sizeof bits, &bits, sizeof bits);
        list->count++;
        --*room;
    } while (pb_packed_next(&packed, row->wire, &bits));
    return packed.error ? otlp_bad(otlp, packed.at, "%s", packed.error) : ERR_OK;
}

/* How many elements to make room for: looked up only when there is none left. */
static uint32_t run_ahead(const struct otlp *otlp, const struct pb *pb,
                          const struct otlp_field *row, const struct otlp_rooms *rooms)
{
    uint32_t room = 0, max = UINT32_MAX;
    switch (row->kind) {
    case KIND_ATTRS:
        max = otlp->limits.attrs_max;
        room = rooms->of[0];
        break;
    case KIND_EVENTS:
        max = otlp->limits.events_max;
        room = rooms->of[1];
        break;
    case KIND_LINKS:
        max = otlp->limits.links_max;
        room = rooms->of[2];
        break;
    case KIND_ITEMS:
        max = otlp->limits.items_max;
        room = otlp->item_room;
        break;
    case KIND_V_ATTRS:
    case KIND_V_ITEMS:
        room = rooms->of[0];
        break;
    case KIND_QUANTILES:
        room = rooms->of[1];
        break;
    default:
        return 1;
    }
    return room ? 1 : MIN(1 + pb_run(pb, row->number), max);
}

static enum err walk(struct otlp *otlp, const void *source, enum otlp_message message,
                     void *target);

/* A tag and a length that reaches to the end, in at most three bytes: what stands behind them.
 * STR_NONE: it is something else. */
static inline str last_bytes(str text, uint8_t tag)
{
    const uint8_t *at = (const uint8_t *)text.ptr;
    if (text.len < 2 || at[0] != tag)
        return STR_NONE;
    if (at[1] < 0x80)
        return at[1] == text.len - 2 ? str_from(text, 2) : STR_NONE;
    bool is_whole = text.len > 3 && at[2] < 0x80 &&
                    ((size_t)at[1] & 0x7f) + ((size_t)at[2] << 7) == text.len - 3;
    return is_whole ? str_from(text, 3) : STR_NONE;
}

/* A short key and one text or number, nothing else: most of what is received.  False: it has
 * another form; nothing is lost by having tried. */
static inline bool plain_attr_read(str bytes, struct attr *attr)
{
    enum { KEY = 1 << 3 | PB_LEN, VALUE = 2 << 3 | PB_LEN };
    enum { TEXT = 1 << 3 | PB_LEN, I64 = 3 << 3 | PB_VARINT, F64 = 4 << 3 | PB_FIXED64 };
    const uint8_t *at = (const uint8_t *)bytes.ptr;
    if (bytes.len < 2 || at[0] != KEY || at[1] >= 0x80 || at[1] > bytes.len - 2)
        return false;
    str key = str_sub(bytes, 2, at[1]);
    str value = last_bytes(str_from(bytes, 2 + key.len), VALUE);
    if (value.len < 2 || !is_ascii(key))
        return false;
    str text = last_bytes(value, TEXT);
    struct pb number = pb_make(str_from(value, 1));
    uint64_t bits;
    if (!str_is_none(text) && text.len <= SHORT_TEXT_MAX && is_ascii(text))
        attr->value = value_str(text);
    else if (value.ptr[0] == I64 && pb_varint(&number, &bits) && number.at == number.end)
        attr->value = value_i64((int64_t)bits);
    else if (value.ptr[0] == F64 && value.len == 9)
        attr->value = value_f64(pb_double(pb_le64(value.ptr + 1)));
    else
        return false;
    attr->key = key;
    return true;
}

/* A field that holds a message: counted against its limit, then entered. */
static enum err message_read(struct otlp *otlp, const struct pb *pb, const struct otlp_field *row,
                             str bytes, void *place, struct otlp_rooms *rooms)
{
    bool has_limit = row->kind >= KIND_ATTRS && row->kind <= KIND_LINKS;
    if (has_limit && otlp_list_is_full(otlp, row, ((struct otlp_list *)place)->count))
        return ERR_OK;
    struct pb inner = pb_make(bytes);
    if (row->kind == KIND_ATTRS) {
        struct attr *attr;
        enum err code =
            otlp_attr_push(otlp, place, &rooms->of[0], run_ahead(otlp, pb, row, rooms), &attr);
        if (code || plain_attr_read(bytes, attr))
            return code;
        return walk(otlp, &inner, OTLP_MSG_key_value, attr);
    }
    if (row->kind == KIND_VALUE || row->kind == KIND_MSG) /* the short way */
        return walk(otlp, &inner, row->sub, place);
    return otlp_enter(otlp, row, place, rooms, run_ahead(otlp, pb, row, rooms), &inner);
}

/* One field to its place.  The kinds stand in groups, see otlp_int.h. */
static inline enum err field_read(struct otlp *otlp, const struct pb *pb, enum otlp_message message,
                                  const struct pb_field *field, void *target,
                                  struct otlp_rooms *rooms)
{
    const struct otlp_field *row = &otlp_fields[message][field->number];
    void *place = (char *)target + row->offset;
    if (row->wire != field->wire) {
        bool is_packed = row->kind >= KIND_FIX64S && field->wire == PB_LEN;
        return is_packed
                   ? numbers_read(otlp, row, field, place, &rooms->of[1 + (row->kind == KIND_F64S)])
                   : ERR_OK;
    }
    if (row->kind >= KIND_FIX64S)
        return numbers_read(otlp, row, field, place, &rooms->of[1 + (row->kind == KIND_F64S)]);
    if (row->kind >= KIND_V_ARRAY)
        return message_read(otlp, pb, row, field->bytes, place, rooms);
    if (row->kind >= KIND_V_STR)
        return any_read(otlp, row->kind, field, place);
    if (row->kind >= KIND_U32) {
        number_read(row->kind, field->scalar, place);
        return ERR_OK;
    }
    if (row->kind == KIND_STR)
        return text_read(otlp, field->bytes, place);
    return row->kind == KIND_NONE ? ERR_OK : id_read(otlp, message, row, field->bytes, place);
}

static enum err walk(struct otlp *otlp, const void *source, enum otlp_message message, void *target)
{
    struct pb pb = *(const struct pb *)source;
    struct otlp_rooms rooms = { 0 };
    enum err code = ERR_OK;
    struct pb_field field = { 0 };
    while (!code && pb_next(&pb, &field))
        if (field.number < OTLP_NUMBER_COUNT)
            code = field_read(otlp, &pb, message, &field, target, &rooms);
    if (!code && pb.error)
        return otlp_bad(otlp, pb.at, "%s", pb.error);
    return code;
}

const struct otlp_ops otlp_pb_ops = { .walk = walk };

enum err otlp_pb_request(struct otlp *otlp, enum otlp_message request)
{
    struct pb pb = pb_make(otlp->body);
    otlp->batch.is_utf8 = true; /* text_read() */
    return walk(otlp, &pb, request, &otlp->batch);
}
