/* oracle.c -- random messages, JSON both ways: all by protobuf-c's descriptors.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "oracle.h"
#include "base/check.h"
#include "base/text.h"
#include <jansson.h>
#include <math.h>
#include <otlp_oracle.h>

/* protobuf-c writes no -0.0: it takes it for the default. */
enum { DEPTH_MAX = 14, LIST_MAX = 3, ENVELOPE_DEPTH = 2 };

static uint64_t next(struct oracle *oracle, uint64_t below)
{
    oracle->seed = oracle->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (oracle->seed >> 33) % below;
}

static void *place_of(const ProtobufCMessage *message, unsigned offset)
{
    return (char *)(uintptr_t)message + offset;
}

static ProtobufCMessage *message_new(struct oracle *oracle,
                                     const ProtobufCMessageDescriptor *descriptor)
{
    ProtobufCMessage *message = arena_alloc(oracle->arena, descriptor->sizeof_message);
    assert(message);
    protobuf_c_message_init(descriptor, message);
    return message;
}

static const ProtobufCMessageDescriptor *request_of(enum otlp_signal signal)
{
    return signal == OTLP_TRACES ? &opentelemetry__proto__trace__v1__traces_data__descriptor
           : signal == OTLP_LOGS ? &opentelemetry__proto__logs__v1__logs_data__descriptor
                                 : &opentelemetry__proto__metrics__v1__metrics_data__descriptor;
}

static size_t size_of(ProtobufCType type)
{
    switch ((int)type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 4;
    }
}

static bool is_id(const ProtobufCFieldDescriptor *field)
{
    return field->type == PROTOBUF_C_TYPE_BYTES && str_ends(str_from_c(field->name), STR_OF("_id"));
}

/* --- random messages ----------------------------------------------------------- */

static ProtobufCMessage *message_random(struct oracle *oracle,
                                        const ProtobufCMessageDescriptor *descriptor, int depth);

static double double_random(struct oracle *oracle)
{
    static const double rare[] = { 0.0,        1e300, 5e-324, (double)INFINITY, -(double)INFINITY,
                                   (double)NAN };
    if (next(oracle, 8) == 0)
        return rare[next(oracle, COUNT_OF(rare))];
    return ((double)next(oracle, 1u << 30) - 5e8) / 1024.0;
}

static uint64_t bits_random(struct oracle *oracle)
{
    uint64_t bits =
        next(oracle, 1u << 31) << 40 ^ next(oracle, 1u << 31) << 20 ^ next(oracle, 1u << 31);
    return bits >> next(oracle, 64);
}

static char *text_random(struct oracle *oracle)
{
    static const char *const pieces[] = { "a",
                                          "key",
                                          "gen_ai.request.model",
                                          "\"quoted\"",
                                          "\\",
                                          "\n\t",
                                          "\x01",
                                          "\xc3\xa9",
                                          "\xf0\x9f\x98\x80",
                                          "a longer text of more than sixteen bytes",
                                          "/" };
    struct buf text;
    buf_init(&text, KIB);
    for (uint64_t i = next(oracle, 4); i > 0; i--)
        buf_add_c(&text, pieces[next(oracle, COUNT_OF(pieces))]);
    buf_add_char(&text, '\0');
    str kept = arena_str(oracle->arena, buf_str(&text));
    buf_clear(&text);
    return (char *)(uintptr_t)kept.ptr;
}

static ProtobufCBinaryData bytes_random(struct oracle *oracle,
                                        const ProtobufCFieldDescriptor *field)
{
    size_t len = next(oracle, 20);
    if (is_id(field))
        len = str_equal_c(str_from_c(field->name), "trace_id") ? 16 : 8;
    ProtobufCBinaryData data = { .len = len, .data = arena_alloc(oracle->arena, len + 1) };
    for (size_t i = 0; i < len; i++)
        data.data[i] = (uint8_t)(1 + next(oracle, 255));
    return data;
}

static void scalar_random(struct oracle *oracle, const ProtobufCFieldDescriptor *field, void *place,
                          int depth)
{
    const ProtobufCEnumDescriptor *names = field->descriptor;
    switch ((int)field->type) {
    case PROTOBUF_C_TYPE_DOUBLE:
        *(double *)place = double_random(oracle);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)place = next(oracle, 2) == 1;
        break;
    case PROTOBUF_C_TYPE_ENUM:
        *(int *)place = names->values[next(oracle, names->n_values)].value;
        break;
    case PROTOBUF_C_TYPE_STRING:
        *(char **)place = text_random(oracle);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        *(ProtobufCBinaryData *)place = bytes_random(oracle, field);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        *(ProtobufCMessage **)place = message_random(oracle, field->descriptor, depth + 1);
        break;
    default:
        if (size_of(field->type) == 8)
            *(uint64_t *)place = bits_random(oracle);
        else
            *(uint32_t *)place = (uint32_t)bits_random(oracle);
    }
}

static void list_random(struct oracle *oracle, const ProtobufCFieldDescriptor *field,
                        ProtobufCMessage *message, size_t count, int depth)
{
    size_t size = size_of(field->type);
    char *items = arena_calloc(oracle->arena, count + 1, size);
    for (size_t i = 0; i < count; i++)
        scalar_random(oracle, field, items + i * size, depth);
    *(size_t *)place_of(message, field->quantifier_offset) = count;
    *(char **)place_of(message, field->offset) = items;
}

static ProtobufCMessage *message_random(struct oracle *oracle,
                                        const ProtobufCMessageDescriptor *descriptor, int depth)
{
    ProtobufCMessage *message = message_new(oracle, descriptor);
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        bool must = depth <= ENVELOPE_DEPTH || is_id(field) ||
                    str_equal_c(str_from_c(field->name), "data_points");
        bool is_deep = depth > DEPTH_MAX && field->type == PROTOBUF_C_TYPE_MESSAGE;
        if ((next(oracle, 4) == 0 && !must) || is_deep)
            continue;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            size_t least = depth <= ENVELOPE_DEPTH ? 1 : 0; /* so that it is not all empty */
            list_random(oracle, field, message, least + next(oracle, LIST_MAX + 1), depth);
            continue;
        }
        if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
            int *chosen = place_of(message, field->quantifier_offset);
            if (*chosen || next(oracle, 3))
                continue;
            *chosen = (int)field->id;
        }
        scalar_random(oracle, field, place_of(message, field->offset), depth);
    }
    if (descriptor == &opentelemetry__proto__metrics__v1__histogram_data_point__descriptor) {
        Opentelemetry__Proto__Metrics__V1__HistogramDataPoint *point = (void *)message;
        list_random(oracle,
                    protobuf_c_message_descriptor_get_field_by_name(descriptor, "bucket_counts"),
                    message, point->n_explicit_bounds + 1, depth);
    }
    return message;
}

ProtobufCMessage *oracle_random(struct oracle *oracle, enum otlp_signal signal)
{
    return message_random(oracle, request_of(signal), 0);
}

/* --- to JSON ------------------------------------------------------------------- */

static void name_to_json(struct oracle *oracle, const char *snake, struct buf *out)
{
    bool is_snake = oracle->is_lenient && next(oracle, 2);
    buf_add_char(out, '"');
    for (; *snake; snake++)
        if (*snake == '_' && !is_snake && snake[1])
            buf_add_char(out, (char)(*++snake - ('a' - 'A')));
        else
            buf_add_char(out, *snake);
    buf_add_c(out, "\":");
}

static void double_to_json(double number, struct buf *out)
{
    if (isnan(number))
        buf_add_c(out, "\"NaN\"");
    else if (isinf(number))
        buf_add_c(out, number > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    else
        buf_printf(out, "%.17g", number);
}

static void whole_to_json(struct oracle *oracle, const ProtobufCFieldDescriptor *field,
                          const void *place, struct buf *out)
{
    bool is_long = size_of(field->type) == 8;
    bool is_text = is_long != (oracle->is_lenient && next(oracle, 2));
    bool is_unsigned =
        field->type == PROTOBUF_C_TYPE_UINT64 || field->type == PROTOBUF_C_TYPE_FIXED64 ||
        field->type == PROTOBUF_C_TYPE_UINT32 || field->type == PROTOBUF_C_TYPE_FIXED32;
    if (is_long && oracle->is_lenient && next(oracle, 3) == 0) {
        uint64_t bits = *(const uint64_t *)place;
        buf_printf(out, "{\"low\":%d,\"high\":%d,\"unsigned\":%s}", (int)(uint32_t)bits,
                   (int)(bits >> 32), is_unsigned ? "true" : "false");
        return;
    }
    buf_add_c(out, is_text ? "\"" : "");
    if (is_long && is_unsigned)
        buf_add_u64(out, *(const uint64_t *)place);
    else if (is_long)
        buf_add_i64(out, *(const int64_t *)place);
    else if (is_unsigned)
        buf_add_u64(out, *(const uint32_t *)place);
    else
        buf_add_i64(out, *(const int32_t *)place);
    buf_add_c(out, is_text ? "\"" : "");
}

static void bytes_to_json(struct oracle *oracle, const ProtobufCFieldDescriptor *field,
                          const ProtobufCBinaryData *data, struct buf *out)
{
    buf_add_char(out, '"');
    if (is_id(field) && !(oracle->is_lenient && next(oracle, 2)))
        buf_add_hex(out, data->data, data->len);
    else
        base64_encode(out, data->data, data->len);
    buf_add_char(out, '"');
}

static void scalar_to_json(struct oracle *oracle, const ProtobufCFieldDescriptor *field,
                           const void *place, struct buf *out)
{
    const ProtobufCEnumValue *name;
    switch ((int)field->type) {
    case PROTOBUF_C_TYPE_DOUBLE:
        double_to_json(*(const double *)place, out);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        buf_add_c(out, *(const protobuf_c_boolean *)place ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_ENUM:
        name = protobuf_c_enum_descriptor_get_value(field->descriptor, *(const int *)place);
        if (oracle->is_lenient && next(oracle, 2))
            buf_printf(out, "\"%s\"", name->name);
        else
            buf_add_i64(out, *(const int *)place);
        break;
    case PROTOBUF_C_TYPE_STRING:
        buf_add_json_str(out, str_from_c(*(char *const *)place));
        break;
    case PROTOBUF_C_TYPE_BYTES:
        bytes_to_json(oracle, field, place, out);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        oracle_to_json(oracle, *(ProtobufCMessage *const *)place, out);
        break;
    default:
        whole_to_json(oracle, field, place, out);
    }
}

void oracle_to_json(struct oracle *oracle, const ProtobufCMessage *message, struct buf *out)
{
    buf_add_char(out, '{');
    bool has_one = false;
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        char *place = place_of(message, field->offset);
        bool is_list = field->label == PROTOBUF_C_LABEL_REPEATED;
        bool is_oneof = field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
        if (is_oneof && *(int *)place_of(message, field->quantifier_offset) != (int)field->id)
            continue;
        if (!is_list && field->type == PROTOBUF_C_TYPE_MESSAGE && !*(void **)(void *)place)
            continue;
        buf_add_c(out, has_one ? "," : "");
        has_one = true;
        name_to_json(oracle, field->name, out);
        if (!is_list) {
            scalar_to_json(oracle, field, place, out);
            continue;
        }
        buf_add_char(out, '[');
        size_t count = *(size_t *)place_of(message, field->quantifier_offset);
        for (size_t k = 0; k < count; k++) {
            buf_add_c(out, k ? "," : "");
            scalar_to_json(oracle, field, *(char **)(void *)place + k * size_of(field->type), out);
        }
        buf_add_char(out, ']');
    }
    buf_add_char(out, '}');
}

/* --- from JSON as the specification has it ---------------------------------------- */

static ProtobufCMessage *message_from(struct oracle *oracle,
                                      const ProtobufCMessageDescriptor *descriptor,
                                      const json_t *object);

static ProtobufCBinaryData bytes_from(struct oracle *oracle, const ProtobufCFieldDescriptor *field,
                                      const char *text)
{
    size_t len = strlen(text);
    ProtobufCBinaryData data = { .data = arena_alloc(oracle->arena, len + 4) };
    if (is_id(field)) {
        data.len = len / 2;
        assert(hex_decode(str_from_c(text), data.data, data.len));
    } else {
        assert(base64_decode(str_from_c(text), data.data, &data.len));
    }
    return data;
}

static void scalar_from(struct oracle *oracle, const ProtobufCFieldDescriptor *field,
                        const json_t *json, void *place)
{
    int64_t whole = json_is_string(json) ? strtoll(json_string_value(json), NULL, 10)
                                         : (int64_t)json_number_value(json);
    switch ((int)field->type) {
    case PROTOBUF_C_TYPE_DOUBLE:
        *(double *)place = json_number_value(json);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)place = json_is_true(json);
        break;
    case PROTOBUF_C_TYPE_STRING:
        *(const char **)place = arena_str(oracle->arena, str_make(json_string_value(json),
                                                                  json_string_length(json) + 1))
                                    .ptr;
        break;
    case PROTOBUF_C_TYPE_BYTES:
        *(ProtobufCBinaryData *)place = bytes_from(oracle, field, json_string_value(json));
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        *(ProtobufCMessage **)place = message_from(oracle, field->descriptor, json);
        break;
    default:
        if (size_of(field->type) == 8)
            *(int64_t *)place = whole;
        else
            *(int32_t *)place = (int32_t)whole;
    }
}

static ProtobufCMessage *message_from(struct oracle *oracle,
                                      const ProtobufCMessageDescriptor *descriptor,
                                      const json_t *object)
{
    ProtobufCMessage *message = message_new(oracle, descriptor);
    struct oracle plain = { .arena = oracle->arena };
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        struct buf name;
        buf_init(&name, KIB);
        name_to_json(&plain, field->name, &name);
        const json_t *json = json_object_getn(object, name.ptr + 1, name.len - 3);
        buf_clear(&name);
        if (!json)
            continue;
        void *place = place_of(message, field->offset);
        if (field->label != PROTOBUF_C_LABEL_REPEATED) {
            if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
                *(int *)place_of(message, field->quantifier_offset) = (int)field->id;
            scalar_from(oracle, field, json, place);
            continue;
        }
        size_t count = json_array_size(json), size = size_of(field->type);
        char *items = arena_calloc(oracle->arena, count + 1, size);
        for (size_t k = 0; k < count; k++)
            scalar_from(oracle, field, json_array_get(json, k), items + k * size);
        *(size_t *)place_of(message, field->quantifier_offset) = count;
        *(char **)place = items;
    }
    return message;
}

ProtobufCMessage *oracle_from_json(struct oracle *oracle, enum otlp_signal signal, const char *path)
{
    json_t *json = json_load_file(path, 0, NULL);
    assert(json);
    ProtobufCMessage *message = message_from(oracle, request_of(signal), json);
    json_decref(json);
    return message;
}
