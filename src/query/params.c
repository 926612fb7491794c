/* params.c -- the query string of a URL, decoded once and strictly.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "base/utf8.h"
#include "query/query_int.h"

static bool decode_byte(str text, size_t at, char *ret_byte)
{
    uint8_t byte;
    if (at + 2 >= text.len || !hex_decode(str_sub(text, at + 1, 2), &byte, 1))
        return false;
    *ret_byte = (char)byte;
    return byte != 0; /* no text of ours may have a NUL */
}

/* %41 and +; `start` is where `text` begins in the query, for errors. */
static enum err decode(struct arena *arena, str text, size_t start, str *ret_text,
                       struct diag *reterr_why)
{
    char *out = arena_alloc(arena, text.len + 1);
    if (!out)
        return diag_set(reterr_why, ERR_LIMIT, "the URL's parameters need too much memory");
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '+')
            c = ' ';
        if (c == '%') {
            if (!decode_byte(text, i, &c))
                return diag_set_at(reterr_why, ERR_BAD_INPUT, start + i, "a bad %% escape");
            i += 2;
        }
        out[len++] = c;
    }
    str decoded = { out, len };
    if (!utf8_is_valid(decoded))
        return diag_set_at(reterr_why, ERR_BAD_INPUT, start, "a parameter is not valid UTF-8");
    *ret_text = decoded;
    return ERR_OK;
}

static enum err parse_one(struct arena *arena, str query, str piece, struct query_param *ret_param,
                          struct diag *reterr_why)
{
    size_t start = (size_t)(piece.ptr - query.ptr);
    size_t equals = str_find_char(piece, '=');
    enum err code = decode(arena, str_sub(piece, 0, equals), start, &ret_param->name, reterr_why);
    if (code != ERR_OK)
        return code;
    return decode(arena, str_from(piece, equals + 1), start + MIN(equals + 1, piece.len),
                  &ret_param->value, reterr_why);
}

enum err query_parse_params(struct arena *arena, str query, struct query_param **ret_params,
                            size_t *ret_count, struct diag *reterr_why)
{
    assert(arena && ret_params && ret_count);
    struct query_param *params = arena_new(arena, struct query_param, QUERY_PARAMS_MAX);
    if (!params)
        return diag_set(reterr_why, ERR_LIMIT, "the URL's parameters need too much memory");
    size_t count = 0;
    str rest = query;
    for (str piece; !str_is_none(rest) && str_next(&rest, '&', &piece);) {
        if (str_is_empty(piece))
            continue;
        if (count == QUERY_PARAMS_MAX)
            return diag_set(reterr_why, ERR_LIMIT, "more than %d parameters", QUERY_PARAMS_MAX);
        enum err code = parse_one(arena, query, piece, &params[count], reterr_why);
        if (code != ERR_OK)
            return code;
        count++;
    }
    *ret_params = params;
    *ret_count = count;
    return ERR_OK;
}

str query_param_find(const struct query_param *params, size_t count, str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_equal(params[i].name, name))
            return params[i].value;
    return STR_NONE;
}

static bool is_among(str name, const char *const *allowed, size_t allowed_count)
{
    for (size_t i = 0; i < allowed_count; i++)
        if (str_equal_c(name, allowed[i]))
            return true;
    return false;
}

enum err query_params_check(const struct query_param *params, size_t count,
                            const char *const *allowed, size_t allowed_count,
                            struct diag *reterr_why)
{
    for (size_t i = 0; i < count; i++) {
        str name = params[i].name;
        int shown = (int)MIN(name.len, (size_t)40);
        if (!is_among(name, allowed, allowed_count)) {
            (void)diag_set(reterr_why, ERR_BAD_INPUT, "unknown parameter '%.*s'", shown, name.ptr);
            const char *nearest = name_nearest(name, allowed, allowed_count);
            if (nearest)
                (void)diag_hint(reterr_why, "did you mean '%s'?", nearest);
            return ERR_BAD_INPUT;
        }
        if (!str_is_none(query_param_find(params, i, name)))
            return diag_set(reterr_why, ERR_BAD_INPUT, "parameter '%.*s' is given twice", shown,
                            name.ptr);
    }
    return ERR_OK;
}
