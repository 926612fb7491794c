/* name.c -- what a name in a filter or in by= means, and what was probably meant.
 *
 * Names are those of the API's JSON, the aliases of alias.def, or attributes as sent.
 * A dotted name that starts like one of our own groups ("usage.", "tool.") but is none of
 * its members is an error and not silently an attribute: a misspelt field must not match
 * nothing.  The attribute of that name is reached by quoting it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "norm/norm.h"
#include "query/query_int.h"

enum { NEAREST_WORD_MAX = 48, NEAREST_DISTANCE_MAX = 3 };

static const struct {
    str name;
    enum name_mode mode;
    enum field field, other;
} aliases[] = {
#define ALIAS(name, mode, field, other) { STR(name), NAME_##mode, FIELD_##field, FIELD_##other },
#include "query/alias.def"
#undef ALIAS
};

/* Fields whose unit is in their JSON name have only that name: latency_ns would have to
 * mean nanoseconds. */
static enum field field_of_filter(str name)
{
    enum field field = field_by_name(name);
    if (field == FIELD_COUNT)
        return field;
    enum field_type type = field_table[field].type;
    bool has_unit = type == FIELD_TYPE_NS || type == FIELD_TYPE_NANO;
    return has_unit && !str_equal_c(name, field_table[field].json) ? FIELD_COUNT : field;
}

/* A sent attribute name that became a field (X4): found under the sent name too.  Not
 * where the sender's unit differs from the field's. */
static enum field field_of_sent_name(str name)
{
    enum field field = norm_field_of_attr(name);
    if (field == FIELD_COUNT)
        return field;
    enum field_type type = field_table[field].type;
    bool has_unit = type == FIELD_TYPE_NS || type == FIELD_TYPE_NANO || type == FIELD_TYPE_TIME;
    return has_unit ? FIELD_COUNT : field;
}

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Edits (insert, delete, replace, swap of neighbours) from a to b. */
static unsigned edit_distance(str a, str b)
{
    unsigned rows[3][NEAREST_WORD_MAX + 1];
    unsigned *before_last = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b.len; j++)
        last[j] = (unsigned)j;
    for (size_t i = 1; i <= a.len; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.len; j++) {
            char x = fold(a.ptr[i - 1]), y = fold(b.ptr[j - 1]);
            row[j] = MIN(MIN(last[j], row[j - 1]) + 1, last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == fold(b.ptr[j - 2]) && fold(a.ptr[i - 2]) == y)
                row[j] = MIN(row[j], before_last[j - 2] + 1);
        }
        unsigned *spare = before_last;
        before_last = last;
        last = row;
        row = spare;
    }
    return last[b.len];
}

const char *name_nearest(str word, const char *const *candidates, size_t count)
{
    if (word.len < 2 || word.len > NEAREST_WORD_MAX)
        return NULL;
    const char *best = NULL;
    unsigned best_distance = (unsigned)MIN((size_t)NEAREST_DISTANCE_MAX, word.len / 2) + 1;
    for (size_t i = 0; i < count; i++) {
        str candidate = str_from_c(candidates[i]);
        if (candidate.len > NEAREST_WORD_MAX)
            continue;
        unsigned distance = edit_distance(word, candidate);
        if (distance < best_distance) {
            best_distance = distance;
            best = candidates[i];
        }
    }
    return best;
}

const char *name_at(size_t index)
{
    if (index < COUNT_OF(aliases))
        return aliases[index].name.ptr;
    index -= COUNT_OF(aliases);
    return index < FIELD_COUNT ? field_table[index].json : NULL;
}

static const char *nearest_name(str word)
{
    const char *names[FIELD_COUNT + COUNT_OF(aliases)];
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(aliases); i++)
        names[count++] = aliases[i].name.ptr;
    for (size_t i = 0; i < FIELD_COUNT; i++)
        names[count++] = field_table[i].json;
    return name_nearest(word, names, count);
}

/* The part before the first dot is a group of ours: "usage" of "usage.cache_read". */
static bool is_own_group(str name)
{
    str group = str_sub(name, 0, str_find_char(name, '.') + 1);
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (str_starts(str_from_c(field_table[i].json), group))
            return true;
    return str_equal_c(group, "score.") || str_equal_c(group, "trace.");
}

static bool is_dotted(str name)
{
    size_t dot = str_find_char(name, '.');
    return dot > 0 && dot + 1 < name.len;
}

enum err name_resolve(str name, bool is_quoted, size_t offset, struct name_target *ret_target,
                      struct diag *reterr_why)
{
    assert(ret_target);
    struct name_target target = { .mode = NAME_SAME, .field = FIELD_COUNT, .other = FIELD_COUNT };
    if (is_quoted) {
        if (str_is_empty(name))
            return diag_set_at(reterr_why, ERR_BAD_INPUT, offset, "an empty name");
        target.field = field_of_sent_name(name);
        target.attr_key = name;
        *ret_target = target;
        return ERR_OK;
    }
    for (size_t i = 0; i < COUNT_OF(aliases); i++) {
        if (!str_equal(name, aliases[i].name))
            continue;
        *ret_target = (struct name_target){ .mode = aliases[i].mode,
                                            .field = aliases[i].field,
                                            .other = aliases[i].other };
        return ERR_OK;
    }
    target.field = field_of_filter(name);
    if (target.field == FIELD_COUNT) {
        if (!is_dotted(name) || is_own_group(name)) {
            (void)diag_set_at(reterr_why, ERR_BAD_INPUT, offset, "unknown field '%.*s'",
                              (int)MIN(name.len, (size_t)NEAREST_WORD_MAX), name.ptr);
            const char *nearest = nearest_name(name);
            if (nearest)
                (void)diag_hint(reterr_why, "did you mean '%s'?", nearest);
            else
                (void)diag_hint(reterr_why, "put the name in quotes if it is an attribute");
            return ERR_BAD_INPUT;
        }
        target.field = field_of_sent_name(name);
        target.attr_key = name;
    }
    *ret_target = target;
    return ERR_OK;
}

static enum err score_resolve(str name, struct name_target *ret_target, struct diag *reterr_why)
{
    bool is_quoted = str_starts(name, STR_OF("\""));
    name = str_from(name, is_quoted);
    if (str_is_empty(name)) {
        (void)diag_set(reterr_why, ERR_BAD_INPUT, "a score needs its name after score.");
        return diag_hint(reterr_why, "as in score.faithfulness<0.7 or score.\"my score\":good");
    }
    enum field field = is_quoted ? FIELD_COUNT : field_of_score(name);
    *ret_target = (struct name_target){ .field = field, .other = FIELD_COUNT };
    if (field == FIELD_COUNT) {
        ret_target->score = name;
        return ERR_OK;
    }
    ret_target->mode = NAME_EITHER;
    ret_target->other_score = name;
    return ERR_OK;
}

/* Only fields that a trace's own row has. */
static enum err narrow_to_trace(str name, struct name_target *target, struct diag *reterr_why)
{
    bool has_first = target->field != FIELD_COUNT && trace_has_field(target->field);
    bool has_other =
        target->mode != NAME_SAME && target->other != FIELD_COUNT && trace_has_field(target->other);
    target->of_trace = true;
    if (!has_first)
        target->field = target->other;
    if (!has_first || !has_other) {
        target->mode = NAME_SAME;
        target->other_score = STR_NONE;
    }
    if (has_first || has_other)
        return ERR_OK;
    (void)diag_set(reterr_why, ERR_BAD_INPUT, "a trace's own row has no '%.*s'",
                   (int)MIN(name.len, (size_t)NEAREST_WORD_MAX), name.ptr);
    return diag_hint(reterr_why, "any(...) asks the spans of the trace");
}

enum err name_resolve_condition(str name, bool is_quoted, bool in_trace,
                                struct name_target *ret_target, struct diag *reterr_why)
{
    static const str of_score = STR("score."), of_trace = STR("trace.");
    bool is_trace = !is_quoted && str_starts(name, of_trace);
    if (is_trace)
        name = str_from(name, of_trace.len);
    struct name_target target;
    enum err code;
    if (!is_quoted && str_starts(name, of_score))
        code = score_resolve(str_from(name, of_score.len), &target, reterr_why);
    else
        code = name_resolve(name, is_quoted, SIZE_MAX, &target, reterr_why);
    if (code == ERR_OK && (is_trace || in_trace))
        code = narrow_to_trace(name, &target, reterr_why);
    if (code == ERR_OK)
        *ret_target = target;
    return code;
}
