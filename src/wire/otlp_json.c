/* otlp_json.c -- walks OTLP in JSON by the table of otlp.def, as leniently as the Collector.
 *
 * Accepted beyond the specification, because senders rely on it: snake_case keys,
 * names of enumerations, texts for numbers and numbers for texts of digits, base64
 * ids (told by their length), url-safe base64, {low, high, unsigned} for 64-bit numbers, null
 * for anything.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/text.h"
#include "wire/otlp_int.h"
#include <math.h>

/* Where a field is, for reasons: its row and its message. */
struct place {
    enum otlp_message message;
    const struct otlp_field *row;
    void *at;
    struct otlp_rooms *rooms;
};

static enum err bad(struct otlp *otlp, const struct place *place, const char *what)
{
    if (otlp->json->error)
        return otlp_bad_json(otlp);
    return otlp_bad(otlp, otlp->json->start + otlp->json->token_offset, "%s %s",
                    otlp_field_names[place->message][place->row->number].snake.ptr, what);
}

static enum err skip(struct otlp *otlp, enum json_token token)
{
    return json_skip(otlp->json, token) ? ERR_OK : otlp_bad_json(otlp);
}

/* --- scalars ------------------------------------------------------------------ */

/* A whole number in any notation, as 64 bits: -1 and 2^64-1 are the same. */
static bool bits_from_text(str text, uint64_t *ret_bits)
{
    int64_t whole;
    double real;
    if (str_to_u64(text, ret_bits))
        return true;
    if (str_to_i64(text, &whole)) {
        *ret_bits = (uint64_t)whole;
        return true;
    }
    if (!str_to_f64(text, &real) || real != floor(real))
        return false;
    /* cppcheck-suppress incorrectLogicOperator; it misreads the hexadecimal constants */
    if (real < -0x1p63 || real >= 0x1p64)
        return false;
    *ret_bits = real < 0 ? (uint64_t)(int64_t)real : (uint64_t)real;
    return true;
}

/* {"low":n,"high":n,"unsigned":b}: what protobuf.js makes of a 64-bit number. */
static enum err long_read(struct otlp *otlp, const struct place *place, uint64_t *ret_bits)
{
    uint64_t low = 0, high = 0, bits;
    bool has_low = false;
    for (;;) {
        enum json_token token = json_next(otlp->json);
        if (token == JSON_OBJECT_END)
            break;
        if (token == JSON_ERROR)
            return otlp_bad_json(otlp);
        bool is_low = str_equal_c(otlp->json->text, "low");
        bool is_high = str_equal_c(otlp->json->text, "high");
        token = json_next(otlp->json);
        if (!is_low && !is_high) {
            enum err code = skip(otlp, token);
            if (code)
                return code;
            continue;
        }
        if (token != JSON_NUMBER || !bits_from_text(otlp->json->text, &bits))
            return bad(otlp, place, "is not a whole number");
        has_low |= is_low;
        *(is_low ? &low : &high) = bits;
    }
    if (!has_low)
        return bad(otlp, place, "is not a whole number");
    *ret_bits = high << 32 | (uint32_t)low;
    return ERR_OK;
}

static enum err bits_read(struct otlp *otlp, const struct place *place, enum json_token token,
                          uint64_t *ret_bits)
{
    if (token == JSON_OBJECT)
        return long_read(otlp, place, ret_bits);
    if (token == JSON_STRING && otlp->json->text.len == 0) {
        *ret_bits = 0;
        return ERR_OK;
    }
    bool is_text = token == JSON_NUMBER || token == JSON_STRING;
    if (!is_text || !bits_from_text(otlp->json->text, ret_bits))
        return bad(otlp, place, "is not a whole number");
    return ERR_OK;
}

static enum err double_read(struct otlp *otlp, const struct place *place, enum json_token token,
                            double *ret)
{
    static const struct {
        str name;
        double value;
    } rows[] = { { STR("NaN"), (double)NAN },
                 { STR("Infinity"), (double)INFINITY },
                 { STR("-Infinity"), (double)-INFINITY } };
    str text = otlp->json->text;
    for (size_t i = 0; token == JSON_STRING && i < COUNT_OF(rows); i++)
        if (str_equal(rows[i].name, text)) {
            *ret = rows[i].value;
            return ERR_OK;
        }
    if ((token != JSON_NUMBER && token != JSON_STRING) || !str_to_f64(text, ret))
        return bad(otlp, place, "is not a number");
    return ERR_OK;
}

static enum err bool_read(struct otlp *otlp, const struct place *place, enum json_token token,
                          bool *ret)
{
    bool is_text = token == JSON_STRING;
    if (token == JSON_TRUE || (is_text && str_equal_c(otlp->json->text, "true")))
        *ret = true;
    else if (token == JSON_FALSE || (is_text && str_equal_c(otlp->json->text, "false")))
        *ret = false;
    else
        return bad(otlp, place, "is not true or false");
    return ERR_OK;
}

static enum err enum_read(struct otlp *otlp, const struct place *place, enum json_token token,
                          int32_t *ret)
{
    uint64_t bits;
    if (token == JSON_STRING && otlp_enum_by_name(place->row->sub, otlp->json->text, ret))
        return ERR_OK;
    bool is_text = token == JSON_NUMBER || token == JSON_STRING;
    if (!is_text || !bits_from_text(otlp->json->text, &bits))
        return bad(otlp, place, "is no known name and no number");
    *ret = (int32_t)(uint32_t)bits;
    return ERR_OK;
}

/* Hex as specified; base64 as generic printers of protobuf write it, told by its length. */
static enum err id_read(struct otlp *otlp, const struct place *place, enum json_token token)
{
    size_t len = place->row->kind == KIND_ID16 ? 16 : 8;
    uint8_t bytes[24];
    size_t got = 0;
    str text = otlp->json->text;
    if (token != JSON_STRING)
        return bad(otlp, place, "is not a text");
    if (text.len == 0) {
        memset(place->at, 0, len);
        return ERR_OK;
    }
    bool is_base64 =
        len == 16 ? text.len == 24 || text.len == 22 : text.len == 12 || text.len == 11;
    bool ok = is_base64 ? base64_decode(text, bytes, &got) && got == len
                        : text.len == 2 * len && hex_decode(text, bytes, len);
    if (!ok)
        return bad(otlp, place, len == 16 ? "is not 32 hex digits" : "is not 16 hex digits");
    memcpy(place->at, bytes, len);
    return ERR_OK;
}

static enum err text_read(struct otlp *otlp, const struct place *place, enum json_token token,
                          str *ret)
{
    if (token != JSON_STRING)
        return bad(otlp, place, "is not a text");
    return otlp_text(otlp, otlp->json->text, ret);
}

static enum err bytes_read(struct otlp *otlp, const struct place *place, enum json_token token,
                           struct value *value)
{
    if (token != JSON_STRING)
        return bad(otlp, place, "is not base64");
    size_t len;
    char *bytes = arena_alloc(otlp->arena, base64_decoded_max(otlp->json->text.len));
    if (!bytes)
        return otlp_no_room(otlp);
    if (!base64_decode(otlp->json->text, bytes, &len))
        return bad(otlp, place, "is not base64");
    *value = (struct value){ .type = VALUE_BYTES, .text = str_make(bytes, len) };
    return ERR_OK;
}

/* A number of 32 bits, which has to be one. */
static enum err bits32_read(struct otlp *otlp, const struct place *place, enum json_token token)
{
    uint64_t bits = 0;
    enum err code = bits_read(otlp, place, token, &bits);
    if (code)
        return code;
    bool is_signed = place->row->kind == KIND_SINT32;
    int64_t number = (int64_t)bits;
    bool fits = is_signed ? number >= INT32_MIN && number <= INT32_MAX : bits <= UINT32_MAX;
    if (!fits)
        return bad(otlp, place, "does not fit 32 bits");
    *(uint32_t *)place->at = (uint32_t)bits;
    return ERR_OK;
}

static enum err optional_read(struct otlp *otlp, const struct place *place, enum json_token token)
{
    struct otlp_optional optional = { .is_set = true };
    enum err code;
    if (place->row->kind == KIND_OPT_I64) {
        uint64_t bits = 0;
        code = bits_read(otlp, place, token, &bits);
        optional.value = (double)(int64_t)bits;
    } else {
        code = double_read(otlp, place, token, &optional.value);
    }
    if (!code)
        *(struct otlp_optional *)place->at = optional;
    return code;
}

/* The members of AnyValue that hold no message. */
static enum err any_read(struct otlp *otlp, const struct place *place, enum json_token token)
{
    struct value value = { .type = VALUE_NULL };
    uint64_t bits = 0;
    enum err code;
    switch (place->row->kind) {
    case KIND_V_STR:
        value.type = VALUE_STR;
        code = text_read(otlp, place, token, &value.text);
        break;
    case KIND_V_BOOL:
        value.type = VALUE_BOOL;
        code = bool_read(otlp, place, token, &value.boolean);
        break;
    case KIND_V_I64:
        code = bits_read(otlp, place, token, &bits);
        value = value_i64((int64_t)bits);
        break;
    case KIND_V_F64:
        value.type = VALUE_F64;
        code = double_read(otlp, place, token, &value.f64);
        break;
    case KIND_V_BYTES:
        code = bytes_read(otlp, place, token, &value);
        break;
    default: /* V_NULL */
        code = skip(otlp, token);
        break;
    }
    if (!code)
        *(struct value *)place->at = value;
    return code;
}

static enum err scalar_read(struct otlp *otlp, const struct place *place, enum json_token token)
{
    switch (place->row->kind) {
    case KIND_STR:
        return text_read(otlp, place, token, place->at);
    case KIND_ID16:
    case KIND_ID8:
        return id_read(otlp, place, token);
    case KIND_U32:
    case KIND_FIX32:
    case KIND_SINT32:
        return bits32_read(otlp, place, token);
    case KIND_ENUM:
        return enum_read(otlp, place, token, place->at);
    case KIND_BOOL:
        return bool_read(otlp, place, token, place->at);
    case KIND_FIX64:
        return bits_read(otlp, place, token, place->at);
    case KIND_F64:
        return double_read(otlp, place, token, place->at);
    case KIND_OPT_F64:
    case KIND_OPT_I64:
        return optional_read(otlp, place, token);
    default:
        return any_read(otlp, place, token);
    }
}

/* --- lists and messages --------------------------------------------------------- */

static enum err number_push(struct otlp *otlp, const struct place *place, enum json_token token)
{
    struct otlp_list *list = place->at;
    uint32_t *room = &place->rooms->of[1 + (place->row->kind == KIND_F64S)];
    uint64_t bits;
    double real;
    enum err code;
    if (place->row->kind == KIND_F64S) {
        code = double_read(otlp, place, token, &real);
        memcpy(&bits, &real, sizeof bits);
    } else {
        code = bits_read(otlp, place, token, &bits);
    }
    if (code)
        return code;
    if (!otlp_list_grow(otlp, list, sizeof bits, room, 1))
        return otlp_no_room(otlp);
    memcpy((char *)list->items + list->count * sizeof bits, &bits, sizeof bits);
    list->count++;
    --*room;
    return ERR_OK;
}

static enum err message_push(struct otlp *otlp, const struct place *place, enum json_token token)
{
    unsigned kind = place->row->kind;
    if (token == JSON_NULL && kind != KIND_V_ITEMS)
        return ERR_OK;
    if (token != JSON_OBJECT && token != JSON_NULL)
        return bad(otlp, place, "holds something that is not an object");
    bool has_limit = kind == KIND_ATTRS || kind == KIND_EVENTS || kind == KIND_LINKS;
    if (has_limit && otlp_list_is_full(otlp, place->row, ((struct otlp_list *)place->at)->count))
        return skip(otlp, token);
    /* A null in an array is a null value: a message that ends at once. */
    const void *is_null = token == JSON_NULL ? otlp : NULL;
    return otlp_enter(otlp, place->row, place->at, place->rooms, 1, is_null);
}

static enum err list_read(struct otlp *otlp, const struct place *place, enum json_token token)
{
    if (token != JSON_ARRAY)
        return bad(otlp, place, "is not an array");
    bool is_numbers = place->row->kind >= KIND_FIX64S;
    for (;;) {
        token = json_next(otlp->json);
        if (token == JSON_ARRAY_END)
            return ERR_OK;
        if (token == JSON_ERROR)
            return otlp_bad_json(otlp);
        enum err code =
            is_numbers ? number_push(otlp, place, token) : message_push(otlp, place, token);
        if (code)
            return code;
    }
}

static enum err field_read(struct otlp *otlp, const struct place *place, enum json_token token)
{
    if (place->row->kind < KIND_V_ARRAY)
        return scalar_read(otlp, place, token);
    if (place->row->kind >= KIND_ATTRS)
        return list_read(otlp, place, token);
    if (token != JSON_OBJECT)
        return bad(otlp, place, "is not an object");
    return otlp_enter(otlp, place->row, place->at, place->rooms, 1, NULL);
}

/* Senders write fields mostly in the order of their numbers: look behind the last first. */
static const struct otlp_field *row_find(enum otlp_message message, str key, uint32_t *at)
{
    for (uint32_t i = 0; i < OTLP_NUMBER_COUNT; i++) {
        uint32_t number = (*at + 1 + i) % OTLP_NUMBER_COUNT;
        const struct otlp_field_name *name = &otlp_field_names[message][number];
        if (otlp_fields[message][number].kind == KIND_NONE)
            continue;
        if (!str_equal(name->camel, key) && !str_equal(name->snake, key))
            continue;
        *at = number;
        return &otlp_fields[message][number];
    }
    return NULL;
}

static enum err walk(struct otlp *otlp, const void *source, enum otlp_message message, void *target)
{
    if (source) /* see message_push */
        return ERR_OK;
    struct otlp_rooms rooms = { 0 };
    uint32_t at = 0;
    for (;;) {
        enum json_token token = json_next(otlp->json);
        if (token == JSON_OBJECT_END)
            return ERR_OK;
        if (token == JSON_ERROR)
            return otlp_bad_json(otlp);
        const struct otlp_field *row = row_find(message, otlp->json->text, &at);
        token = json_next(otlp->json);
        if (token == JSON_ERROR)
            return otlp_bad_json(otlp);
        enum err code;
        if (!row || token == JSON_NULL) {
            code = skip(otlp, token);
        } else {
            struct place place = { message, row, (char *)target + row->offset, &rooms };
            code = field_read(otlp, &place, token);
        }
        if (code)
            return code;
    }
}

const struct otlp_ops otlp_json_ops = { .walk = walk };

static enum err request_read(struct otlp *otlp, struct json *json, enum otlp_message request)
{
    otlp->json = json;
    if (json_next(json) != JSON_OBJECT)
        return json->error ? otlp_bad_json(otlp)
                           : otlp_bad(otlp, json->start, "the request is not a JSON object");
    enum err code = walk(otlp, NULL, request, &otlp->batch);
    if (!code && json_next(json) != JSON_END)
        code = otlp_bad_json(otlp);
    return code;
}

enum err otlp_json_request(struct otlp *otlp, enum otlp_message request)
{
    struct json json;
    if (str_trim(otlp->body).len == 0)
        return ERR_OK;
    json_init(&json, otlp->arena, otlp->body, JSON_DEPTH_MAX);
    enum err code = request_read(otlp, &json, request);
    otlp->json = NULL;
    return code;
}
