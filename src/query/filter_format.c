/* filter_format.c -- a filter tree back to text: what is shown, shared in links and stored.
 *
 * The text parses to the same tree.  Texts are always quoted and patterns written with ~,
 * so that nothing depends on which characters a plain word may have.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "query/query_int.h"

static void add_quoted(struct buf *out, str text)
{
    buf_add_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, text.ptr[i]);
    }
    buf_add_char(out, '"');
}

static void add_name(struct buf *out, const struct filter *filter)
{
    if (!str_is_none(filter->score)) {
        buf_add_c(out, "score.");
        add_quoted(out, filter->score);
    } else if (filter->field == FIELD_COUNT)
        add_quoted(out, filter->attr_key);
    else
        buf_add_c(out, name_of_field(filter->field));
}

/* count(...), sum(name), sum(name, ...) */
static void add_fold(struct buf *out, const struct filter *filter)
{
    buf_printf(out, "%s(", filter_fold_name(filter->fold));
    if (filter->fold != FOLD_COUNT) {
        add_name(out, filter);
        buf_add_c(out, filter->left ? ", " : "");
    }
    query_format_filter(out, filter->left);
    buf_add_char(out, ')');
}

/* Between slashes, so that a slash needs a backslash. */
static void add_regex(struct buf *out, str pattern)
{
    buf_add_char(out, '/');
    for (size_t i = 0; i < pattern.len; i++) {
        char c = pattern.ptr[i];
        if (c == '/')
            buf_add_char(out, '\\');
        buf_add_char(out, c);
        if (c == '\\' && i + 1 < pattern.len)
            buf_add_char(out, pattern.ptr[++i]);
    }
    buf_add_char(out, '/');
}

/* The largest unit that divides it. */
static void add_duration(struct buf *out, int64_t ns)
{
    static const struct {
        const char *unit;
        int64_t ns;
    } units[] = { { "h", 3600 * NS_PER_S },
                  { "s", NS_PER_S },
                  { "ms", NS_PER_MS },
                  { "us", NS_PER_US },
                  { "ns", 1 } };
    size_t i = 0;
    while (ns % units[i].ns != 0)
        i++;
    buf_add_i64(out, ns / units[i].ns);
    buf_add_c(out, ns == 0 ? "s" : units[i].unit);
}

static void add_f64(struct buf *out, double value)
{
    size_t before = out->len;
    buf_add_f64(out, value);
    str text = str_from(buf_str(out), before);
    bool looks_whole = str_find_char(text, '.') == text.len && str_find_char(text, 'e') == text.len;
    if (looks_whole) /* for attributes 2 and 2.0 are different types */
        buf_add_c(out, ".0");
}

static void add_value(struct buf *out, const struct filter *filter)
{
    const struct value *value = &filter->value;
    enum field_type type = FIELD_TYPE_STR;
    if (filter->field != FIELD_COUNT)
        type = field_table[filter->field].type;
    if (value->type == VALUE_STR)
        add_quoted(out, value->text);
    else if (value->type == VALUE_BOOL)
        buf_add_c(out, value->boolean ? "true" : "false");
    else if (value->type == VALUE_F64)
        add_f64(out, value->f64);
    else if (type == FIELD_TYPE_TIME)
        time_format(out, value->i64, 9);
    else if (type == FIELD_TYPE_NS)
        add_duration(out, value->i64);
    else if (type == FIELD_TYPE_NANO)
        buf_add_nanousd(out, value->i64);
    else
        buf_add_i64(out, value->i64);
}

static const char *operator_text(enum filter_op op)
{
    static const char *const texts[] = {
        [FILTER_EQ] = ":", [FILTER_NE] = "!=", [FILTER_LT] = "<",   [FILTER_LE] = "<=",
        [FILTER_GT] = ">", [FILTER_GE] = ">=", [FILTER_LIKE] = "~", [FILTER_REGEX] = "~",
    };
    assert(op >= FILTER_EQ && op <= FILTER_REGEX && texts[op]);
    return texts[op];
}

static void add_inner(struct buf *out, const struct filter *filter, bool is_right,
                      enum filter_op outer)
{
    /* or binds least; a right side of its own kind keeps its brackets, as trees lean left */
    bool is_joint = filter->op == FILTER_AND || filter->op == FILTER_OR;
    bool is_loose = filter->op == FILTER_OR && outer != FILTER_OR;
    bool brackets =
        is_joint && (outer == FILTER_NOT || is_loose || (is_right && filter->op == outer));
    if (brackets)
        buf_add_char(out, '(');
    query_format_filter(out, filter);
    if (brackets)
        buf_add_char(out, ')');
}

void query_format_filter(struct buf *out, const struct filter *filter)
{
    if (!filter)
        return;
    if (filter->op == FILTER_AND || filter->op == FILTER_OR) {
        add_inner(out, filter->left, false, filter->op);
        buf_add_c(out, filter->op == FILTER_AND ? " and " : " or ");
        add_inner(out, filter->right, true, filter->op);
        return;
    }
    if (filter->op == FILTER_NOT) {
        buf_add_c(out, "not ");
        add_inner(out, filter->left, true, FILTER_NOT);
        return;
    }
    if (filter->op >= FILTER_ANY) {
        buf_printf(out, "%s(", filter_scope_name(filter->op));
        query_format_filter(out, filter->left);
        buf_add_char(out, ')');
        return;
    }
    if (filter->op == FILTER_EXISTS) {
        buf_add_c(out, "has:");
        add_name(out, filter);
        return;
    }
    if (filter->fold != FOLD_NONE)
        add_fold(out, filter);
    else
        add_name(out, filter);
    buf_add_c(out, operator_text(filter->op));
    if (filter->op == FILTER_REGEX)
        add_regex(out, filter->value.text);
    else
        add_value(out, filter);
}
