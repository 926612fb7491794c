/* complete.c -- what may be typed next at a place of a filter.
 *
 * The text up to the cursor is read as the parser reads it, but without judging it: half a
 * filter is no filter yet.  Names and operators are known here, values are the caller's to look
 * for in the store.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/buf.h"
#include "query/query_int.h"

static bool ends_word(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '(' || c == ')' || c == ',' ||
           c == '"' || c == ':' || c == '=' || c == '!' || c == '<' || c == '>' || c == '~';
}

struct scan {
    struct lexer lexer;
    struct diag why;
    struct query_completion *found;
};

/* The cursor stands at the end of that token. */
static bool is_last(const struct scan *scan)
{
    return scan->lexer.at == scan->lexer.text.len;
}

static void found_names(struct scan *scan, str prefix, size_t from)
{
    scan->found->wants = COMPLETE_NAME;
    scan->found->prefix = prefix;
    scan->found->from = from;
}

static void found_value(struct scan *scan, str name, bool is_quoted_name, const struct token *value)
{
    struct query_completion *found = scan->found;
    struct name_target target;
    found->prefix = value->text;
    found->from = value->offset;
    if (name_resolve_condition(name, is_quoted_name, false, &target, NULL) != ERR_OK)
        return;
    found->wants = COMPLETE_VALUE;
    found->field = target.field;
    found->attr_key = target.attr_key;
    found->score = target.score;
    found->other = target.mode == NAME_SAME ? FIELD_COUNT : target.other;
}

/* The rest of the text from an unclosed quote on, as a value that is being typed. */
static struct token open_quote(const struct scan *scan, size_t offset)
{
    return (struct token){ TOKEN_QUOTED, OPERATOR_MATCH, str_from(scan->lexer.text, offset + 1),
                           offset };
}

/* A value, maybe one of a list; true: the cursor is in it. */
static bool scan_value(struct scan *scan, str name, bool is_quoted_name)
{
    bool in_list = false;
    do {
        struct token token = lexer_value(&scan->lexer);
        if (token.type == TOKEN_OPEN) {
            in_list = true;
            continue;
        }
        if (token.type == TOKEN_CLOSE)
            return false;
        if (token.type == TOKEN_COMMA)
            continue;
        bool is_open = token.type != TOKEN_QUOTED;
        if (token.type == TOKEN_ERROR) {
            token = open_quote(scan, token.offset);
            scan->lexer.at = scan->lexer.text.len;
            is_open = true;
        }
        if (token.type == TOKEN_END || (is_last(scan) && is_open)) {
            found_value(scan, name, is_quoted_name, &token);
            return true;
        }
    } while (in_list);
    return false;
}

/* has: is followed by a name. */
static bool scan_has(struct scan *scan)
{
    struct token token = lexer_value(&scan->lexer);
    if (!is_last(scan) || (token.type != TOKEN_WORD && token.type != TOKEN_END))
        return false;
    found_names(scan, token.text, token.offset);
    return true;
}

static bool scan_word(struct scan *scan, const struct token *token)
{
    if (is_last(scan) && token->type == TOKEN_WORD) {
        found_names(scan, token->text, token->offset);
        return true;
    }
    struct token operator_token = lexer_operator_maybe(&scan->lexer);
    if (operator_token.type == TOKEN_ERROR)
        return true;
    if (operator_token.type != TOKEN_OPERATOR)
        return false;
    if (token->type == TOKEN_WORD && lexer_word_is(token->text, "has"))
        return scan_has(scan);
    return scan_value(scan, token->text, token->type == TOKEN_QUOTED);
}

static void scan_terms(struct scan *scan)
{
    for (;;) {
        struct token token = lexer_term(&scan->lexer);
        if (token.type == TOKEN_END) {
            found_names(scan, STR_OF(""), token.offset);
            return;
        }
        if (token.type == TOKEN_ERROR)
            return;
        bool is_name = token.type == TOKEN_WORD || token.type == TOKEN_QUOTED;
        if (is_name && scan_word(scan, &token))
            return;
    }
}

enum err query_complete(struct arena *arena, str text, size_t at,
                        struct query_completion *ret_completion, struct diag *reterr_why)
{
    assert(arena && ret_completion);
    if (text.len > QUERY_TEXT_BYTES_MAX)
        return diag_set(reterr_why, ERR_LIMIT, "q: the filter is longer than %d bytes",
                        QUERY_TEXT_BYTES_MAX);
    if (at > text.len)
        return diag_set(reterr_why, ERR_BAD_INPUT, "at: is past the end of q");
    struct query_completion found = {
        .wants = COMPLETE_NOTHING, .from = at, .field = FIELD_COUNT, .other = FIELD_COUNT
    };
    struct scan scan = { .why = DIAG_NONE, .found = &found };
    lexer_init(&scan.lexer, arena, str_sub(text, 0, at), &scan.why);
    scan_terms(&scan);
    if (scan.lexer.failed == ERR_LIMIT)
        return diag_set(reterr_why, ERR_LIMIT, "filter needs too much memory");
    for (found.to = at; found.to < text.len && !ends_word(text.ptr[found.to]);)
        found.to++;
    found.from = MIN(found.from, at);
    *ret_completion = found;
    return ERR_OK;
}

/* -- items -- */

void query_completion_add(struct query_items *items, str text, const char *kind, const char *detail)
{
    for (size_t i = 0; i < items->count; i++)
        if (str_equal(items->items[i].text, text))
            return;
    bool is_begun = text.len >= items->prefix.len &&
                    str_equal_nocase(str_sub(text, 0, items->prefix.len), items->prefix);
    if (is_begun && items->count < QUERY_ITEMS_MAX)
        items->items[items->count++] = (struct query_item){ text, kind, detail };
}

static void add_names(struct query_items *items)
{
    static const char *const keywords[] = { "and", "or", "not", "has:" };
    for (size_t i = 0; name_at(i); i++) {
        enum field field = field_by_name(str_from_c(name_at(i)));
        query_completion_add(items, str_from_c(name_at(i)),
                             field == FIELD_COUNT ? "alias" : "field",
                             field == FIELD_COUNT ? "" : field_table[field].doc);
    }
    for (size_t i = 0; filter_call_name(i); i++)
        query_completion_add(items, str_from_c(filter_call_name(i)), "function",
                             "asks the spans of the trace; put ( after it");
    for (size_t i = 0; i < COUNT_OF(keywords); i++)
        query_completion_add(items, str_from_c(keywords[i]), "keyword", "");
}

/* Behind a name that is whole already. */
static void add_operators(struct query_items *items, str name)
{
    static const char *const of_text[] = { ":", "!=", "~" };
    static const char *const of_number[] = { ":", "!=", ">", ">=", "<", "<=" };
    struct name_target target;
    if (name_resolve_condition(name, false, false, &target, NULL) != ERR_OK ||
        target.field == FIELD_COUNT) /* of attributes and scores nobody knows when they are whole */
        return;
    enum field_type type = field_table[target.field].type;
    bool is_text = type == FIELD_TYPE_STR || type == FIELD_TYPE_STRS || type == FIELD_TYPE_ID16 ||
                   type == FIELD_TYPE_ID8 || type == FIELD_TYPE_BOOL;
    const char *const *operators = is_text ? of_text : of_number;
    size_t count = is_text ? COUNT_OF(of_text) : COUNT_OF(of_number);
    for (size_t i = 0; i < count && items->count < QUERY_ITEMS_MAX; i++) {
        str text = arena_printf(items->arena, "%.*s%s", STR_ARG(name), operators[i]);
        if (!str_is_none(text))
            query_completion_add(items, text, "operator", "");
    }
}

/* 12 may become 12ms. */
static void add_units(struct query_items *items, const char *const *units, size_t count)
{
    bool is_number = items->prefix.len > 0;
    for (size_t i = 0; i < items->prefix.len; i++) {
        char c = items->prefix.ptr[i];
        is_number = is_number && ((c >= '0' && c <= '9') || c == '.');
    }
    for (size_t i = 0; i < count && is_number; i++) {
        str text = arena_printf(items->arena, "%.*s%s", STR_ARG(items->prefix), units[i]);
        if (!str_is_none(text))
            query_completion_add(items, text, "unit", "");
    }
}

static void add_known_values(struct query_items *items, enum field field)
{
    static const char *const durations[] = { "ms", "s", "m", "h", "us" };
    static const char *const counts[] = { "k", "M", "G" };
    static const char *const times[] = { "now-15m", "now-1h", "now-24h", "now-7d", "now" };
    static const char *const booleans[] = { "true", "false" };
    switch ((int)field_table[field].type) {
    case FIELD_TYPE_NS:
        add_units(items, durations, COUNT_OF(durations));
        break;
    case FIELD_TYPE_I64:
        add_units(items, counts, COUNT_OF(counts));
        break;
    case FIELD_TYPE_TIME:
        for (size_t i = 0; i < COUNT_OF(times); i++)
            query_completion_add(items, str_from_c(times[i]), "value", "");
        break;
    case FIELD_TYPE_BOOL:
        for (size_t i = 0; i < COUNT_OF(booleans); i++)
            query_completion_add(items, str_from_c(booleans[i]), "value", "");
        break;
    default:
        break;
    }
}

void query_completion_known(const struct query_completion *completion, struct query_items *items)
{
    items->prefix = completion->prefix;
    if (completion->wants == COMPLETE_NAME) {
        if (completion->prefix.len)
            add_operators(items, completion->prefix);
        add_names(items);
    } else if (completion->wants == COMPLETE_VALUE && completion->field != FIELD_COUNT) {
        add_known_values(items, completion->field);
    }
}

/* One plain value: not beginning like an operator, nothing in it that ends a word. */
static bool is_plain(str text)
{
    if (text.len == 0 || ends_word(text.ptr[0]) || text.ptr[0] == '-' || text.ptr[0] == '/')
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (strchr(" \t\n\r(),\"*\\", text.ptr[i]))
            return false;
    return true;
}

str query_quoted_if_needed(struct arena *arena, str text)
{
    if (is_plain(text))
        return text;
    struct buf out;
    buf_init(&out, 2 * text.len + 2);
    buf_add_char(&out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            buf_add_char(&out, '\\');
        buf_add_char(&out, text.ptr[i]);
    }
    buf_add_char(&out, '"');
    str copy = arena_str(arena, buf_str(&out));
    buf_clear(&out);
    return copy;
}
