/* span_csv.c -- spans as CSV (RFC 4180, lines end with LF); see span_form.h.
 *
 * One column for each field of fields.def, by its JSON path; lists and objects are JSON texts.
 * A cell that starts with = + - @ or a control character is a formula to a spreadsheet, which may
 * run it: such a text gets an apostrophe in front.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli_int.h"
#include "cli/span_form.h"
#include <math.h>

void csv_add_cell(struct buf *out, str text, bool is_text)
{
    bool is_formula = is_text && text.len &&
                      (strchr("=+-@", text.ptr[0]) != NULL || (unsigned char)text.ptr[0] < ' ');
    bool is_quoted = is_formula;
    for (size_t i = 0; i < text.len && !is_quoted; i++)
        is_quoted = (unsigned char)text.ptr[i] < ' ' || strchr("\",\x7f", text.ptr[i]);
    if (!is_quoted) {
        buf_add_str(out, text);
        return;
    }
    buf_add_c(out, is_formula ? "\"'" : "\"");
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"')
            buf_add_char(out, '"');
        buf_add_char(out, text.ptr[i]);
    }
    buf_add_char(out, '"');
}

static void add_value(struct buf *out, const struct value *value)
{
    struct buf json;
    if (!value || value->type == VALUE_NULL)
        return; /* unknown is an empty cell */
    if (value->type == VALUE_STR) {
        csv_add_cell(out, value->text, true);
        return;
    }
    buf_init(&json, CLI_BODY_BYTES_MAX);
    value_to_json(&json, value);
    csv_add_cell(out, buf_str(&json), false);
    buf_clear(&json);
}

static const char *const others[] = { "attributes", "links" };

void csv_add_names(struct buf *out, bool with_content)
{
    for (unsigned i = 0; i < FIELD_COUNT; i++)
        buf_printf(out, "%s%s", i ? "," : "", field_table[i].json);
    for (size_t i = 0; i < COUNT_OF(others); i++)
        buf_printf(out, ",%s", others[i]);
    buf_add_c(out, with_content ? ",content\n" : "\n");
}

void csv_add_span(struct buf *out, const struct value *span, bool with_content)
{
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        const struct value *value = span_at(span, field_table[i].json);
        double usd;
        buf_add_c(out, i ? "," : "");
        if (field_table[i].type == FIELD_TYPE_NANO && value && value_as_f64(value, &usd))
            buf_add_nanousd(out, llround(usd * 1e9));
        else
            add_value(out, value);
    }
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        buf_add_char(out, ',');
        add_value(out, cli_member(span, others[i]));
    }
    if (with_content) {
        buf_add_char(out, ',');
        add_value(out, cli_member(span, "content"));
    }
    buf_add_char(out, '\n');
}
