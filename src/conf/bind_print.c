/* bind_print.c -- options back to text: current values and help.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "conf/bind.h"

const char *bind_origin_name(enum bind_origin origin)
{
    static const char *const names[] = { "default", "file", "environment", "argument" };
    assert((size_t)origin < COUNT_OF(names));
    return names[origin];
}

const char *bind_type_name(enum bind_type type)
{
    static const char *const names[] = { "text",     "true or false",  "a number",
                                         "a number", "a duration",     "a size in bytes",
                                         "a choice", "a list of texts" };
    assert((size_t)type < COUNT_OF(names));
    return names[type];
}

static void duration_print(struct buf *out, int64_t ns)
{
    static const struct {
        int64_t ns;
        const char *unit;
    } units[] = { { 86400 * NS_PER_S, "d" },
                  { 3600 * NS_PER_S, "h" },
                  { 60 * NS_PER_S, "m" },
                  { NS_PER_S, "s" },
                  { NS_PER_MS, "ms" },
                  { NS_PER_US, "us" },
                  { 1, "ns" } };
    size_t i = ns == 0 ? 3 : 0;
    while (ns % units[i].ns)
        i++;
    buf_add_i64(out, ns / units[i].ns);
    buf_add_c(out, units[i].unit);
}

static void choice_print(struct buf *out, const char *choices, int32_t index)
{
    str rest = str_from_c(choices);
    for (str choice; str_next(&rest, '|', &choice); index--) {
        if (index == 0)
            buf_add_str(out, choice);
    }
}

static void strs_print(struct buf *out, const struct bind_strs *list)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < list->count; i++) {
        buf_add_c(out, i ? ", " : "");
        buf_add_json_str(out, list->items[i]);
    }
    buf_add_char(out, ']');
}

static bool is_set(const struct bind_row *row, const void *field)
{
    return row->type != BIND_STR || ((const str *)field)->len > 0;
}

void bind_value_print(struct buf *out, const struct binding *binding, const struct bind_row *row)
{
    const void *field = (const char *)binding->target + row->offset;
    if ((row->flags & BIND_SECRET) && is_set(row, field)) {
        buf_add_c(out, "***");
        return;
    }
    switch (row->type) {
    case BIND_STR:
        buf_add_json_str(out, *(const str *)field);
        break;
    case BIND_BOOL:
        buf_add_c(out, *(const bool *)field ? "true" : "false");
        break;
    case BIND_I64:
    case BIND_BYTES:
        buf_add_i64(out, *(const int64_t *)field);
        break;
    case BIND_F64:
        buf_add_f64(out, *(const double *)field);
        break;
    case BIND_DURATION:
        duration_print(out, *(const int64_t *)field);
        break;
    case BIND_CHOICE:
        choice_print(out, row->unit, *(const int32_t *)field);
        break;
    case BIND_STRS:
        strs_print(out, field);
        break;
    }
}

void bind_help_print(struct buf *out, const struct bind_row *rows, size_t count)
{
    const char *section = "";
    for (size_t i = 0; i < count; i++) {
        const struct bind_row *row = &rows[i];
        if (strcmp(section, row->section) != 0) {
            buf_printf(out, "%s:\n", row->section);
            section = row->section;
        }
        buf_printf(out, "  %s: %s", row->key, row->default_text ? row->default_text : "");
        buf_printf(out, "  # %s", row->help);
        if (row->type == BIND_CHOICE)
            buf_printf(out, "; %s", row->unit);
        else if (row->min < row->max)
            buf_printf(out, "; %lld to %lld%s%s", (long long)row->min, (long long)row->max,
                       row->unit ? " " : "", row->unit ? row->unit : "");
        buf_add_char(out, '\n');
    }
}
