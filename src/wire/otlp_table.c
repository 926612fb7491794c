/* otlp_table.c -- otlp.def as tables: fields by number, names, enumerations.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/otlp_int.h"

/* Places of otlp.def.  LIST also proves that the count stands right behind the array. */
#define AT(type, member) offsetof(struct type, member)
#define LIST(type, member, counter)                                                                \
    (offsetof(struct type, member) +                                                               \
     0 * sizeof(                                                                                   \
             char[offsetof(struct type, counter) == offsetof(struct type, member) + 8 ? 1 : -1]))
#define SAME 0

enum {
#define KIND(name, wire_type) WIRE_##name = (wire_type),
    OTLP_KINDS(KIND)
#undef KIND
};

const struct otlp_field otlp_fields[OTLP_MESSAGE_COUNT][OTLP_NUMBER_COUNT] = {
    [OTLP_MSG_none][0] = { .wire = OTLP_WIRE_NEVER },
#define FIELD(message, field_number, field_kind, field_sub, place, snake_name, camel_name)         \
    [OTLP_MSG_##message][field_number] = {                                                         \
        .kind = KIND_##field_kind,                                                                 \
        .wire = WIRE_##field_kind,                                                                 \
        .sub = OTLP_MSG_##field_sub,                                                               \
        .number = (field_number),                                                                  \
        .offset = (place),                                                                         \
    },
#include "wire/otlp.def"
#undef FIELD
};

const struct otlp_field_name otlp_field_names[OTLP_MESSAGE_COUNT][OTLP_NUMBER_COUNT] = {
#define FIELD(message, field_number, field_kind, field_sub, place, snake_name, camel_name)         \
    [OTLP_MSG_##message][field_number] = { STR(snake_name), STR(camel_name) },
#include "wire/otlp.def"
#undef FIELD
};

static const struct enum_name {
    enum otlp_message enumeration;
    int32_t number;
    str name;
} enum_names[] = {
#define ENUM_NAME(enumeration, number, name) { OTLP_MSG_##enumeration, number, STR(name) },
#include "wire/otlp.def"
#undef ENUM_NAME
};

bool otlp_enum_by_name(enum otlp_message enumeration, str name, int32_t *ret_number)
{
    for (size_t i = 0; i < COUNT_OF(enum_names); i++)
        if (enum_names[i].enumeration == enumeration && str_equal(enum_names[i].name, name)) {
            *ret_number = enum_names[i].number;
            return true;
        }
    return false;
}
