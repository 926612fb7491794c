/* parked.c -- see parked.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pipeline/parked.h"
#include "base/text.h"
#include "wire/native.h"

#define TEXT_ATTR "trace_id"
#define PARKED_ATTR "parked"

struct parked_score {
    char *project;
    struct id16 score_id;
    struct id16 prefix, mask; /* a trace that begins so: id & mask == prefix */
    bool is_due;
};

enum found { FOUND_ONE, FOUND_NONE, FOUND_MANY, FOUND_ERROR };

struct parking {
    struct parked *parked;
    struct held *held;
    const struct parked_place *place;
    size_t lookups;
};

static void item_free(struct parked_score *item)
{
    xfree(item->project);
}

static void item_remove(struct parked *parked, size_t index)
{
    parked->due_count -= parked->items[index].is_due;
    item_free(&parked->items[index]);
    memmove(&parked->items[index], &parked->items[index + 1],
            (parked->count - index - 1) * sizeof *parked->items);
    parked->count--;
}

void parked_clear(struct parked *parked)
{
    for (size_t i = 0; i < parked->count; i++)
        item_free(&parked->items[i]);
    xfree(parked->items);
    *parked = (struct parked){ .count = 0 };
}

static bool is_hex(str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))
            return false;
    }
    return true;
}

/* The text that the score names its trace by, if that can be the beginning of an id. */
static str prefix_of(const struct score *score)
{
    const struct attr *attr = attr_find(score->attrs, score->attr_count, STR_OF(TEXT_ATTR));
    if (!score->has_trace_id || !attr || attr->value.type != VALUE_STR)
        return STR_NONE;
    str text = attr->value.text;
    struct id16 id = native_trace_id(text);
    bool is_its = memcmp(&id, &score->trace_id, sizeof id) == 0;
    bool is_prefix = text.len >= PARKED_DIGITS_MIN && text.len <= PARKED_DIGITS_MAX && is_hex(text);
    return is_its && is_prefix ? text : STR_NONE;
}

static void bounds_of(str text, struct parked_score *item)
{
    char digits[2 * sizeof item->prefix.bytes], mask[sizeof digits];
    memset(digits, '0', sizeof digits);
    memset(mask, '0', sizeof mask);
    memcpy(digits, text.ptr, text.len);
    memset(mask, 'f', text.len);
    bool is_good = hex_decode(str_make(digits, sizeof digits), &item->prefix, 16) &&
                   hex_decode(str_make(mask, sizeof mask), &item->mask, 16);
    assert(is_good);
}

static void park(struct parked *parked, str project, const struct score *score, bool is_due)
{
    if (!parked->items)
        parked->items = xcalloc(PARKED_MAX, sizeof *parked->items);
    if (parked->count == PARKED_MAX)
        item_remove(parked, 0);
    struct parked_score *item = &parked->items[parked->count++];
    *item = (struct parked_score){ .project = xstrdup_str(project),
                                   .score_id = score->score_id,
                                   .is_due = is_due };
    bounds_of(prefix_of(score), item);
    parked->due_count += is_due;
}

/* ---- looking ---- */

static enum found traces_find(struct parking *parking, str project, str tenant, str text,
                              bool is_whole, struct id16 *ret_id)
{
    struct arena *arena = &parking->held->arena;
    struct filter filter = { .op = is_whole ? FILTER_EQ : FILTER_LIKE, .field = FIELD_trace_id };
    char lower[PARKED_DIGITS_MAX + 2];
    size_t len = 0;
    for (; !is_whole && len < text.len; len++)
        lower[len] = (char)(text.ptr[len] >= 'A' && text.ptr[len] <= 'F' ? text.ptr[len] + 32
                                                                         : text.ptr[len]);
    lower[len++] = '*';
    filter.value = value_str(is_whole ? text : str_make(lower, len));
    struct store_list list = {
        .scope = { .project = project, .tenant = tenant, .range = { INT64_MIN / 2, INT64_MAX } },
        .filter = &filter,
        .limit = 2
    };
    struct trace_row *rows;
    size_t count = 0;
    if (parking->place->ops->traces(parking->place->store, &list, arena, &rows, &count, NULL))
        return FOUND_ERROR;
    if (count == 1)
        *ret_id = rows[0].trace_id;
    return count == 0 ? FOUND_NONE : count == 1 ? FOUND_ONE : FOUND_MANY;
}

/* By the text itself first: then its id is right as it is. */
static enum found trace_find(struct parking *parking, str project, const struct score *score,
                             struct id16 *ret_id)
{
    char whole[2 * sizeof score->trace_id.bytes + 1];
    hex_encode(&score->trace_id, sizeof score->trace_id, whole);
    parking->lookups++;
    enum found found =
        traces_find(parking, project, score->tenant_id, str_from_c(whole), true, ret_id);
    return found == FOUND_NONE
               ? traces_find(parking, project, score->tenant_id, prefix_of(score), false, ret_id)
               : found;
}

/* Its attribute `parked`: a word, or none. */
static void mark(struct arena *arena, struct score *score, const char *word)
{
    struct attr *attrs = arena_new(arena, struct attr, score->attr_count + 1);
    uint32_t count = 0;
    for (uint32_t i = 0; attrs && i < score->attr_count; i++)
        if (!str_equal_c(score->attrs[i].key, PARKED_ATTR))
            attrs[count++] = score->attrs[i];
    if (!attrs)
        return;
    if (word)
        attrs[count++] = (struct attr){ STR_OF(PARKED_ATTR), value_str(str_from_c(word)) };
    score->attrs = attrs;
    score->attr_count = count;
}

static void settle_score(struct parking *parking, struct score *score, enum found found,
                         struct id16 trace_id)
{
    static const char *const words[] = {
        [FOUND_ONE] = NULL, [FOUND_NONE] = "unknown", [FOUND_MANY] = "ambiguous"
    };
    if (found == FOUND_ONE) {
        parking->parked->joined++;
        score->trace_id = trace_id;
    }
    mark(&parking->held->arena, score, words[found]);
}

/* ---- the scores of a commit ---- */

static void held_look(struct parking *parking, size_t index)
{
    struct held_list *list = &parking->held->scores;
    struct score *score = &((struct score *)list->items)[index];
    struct id16 trace_id;
    if (str_is_none(prefix_of(score)))
        return;
    enum found found = FOUND_ERROR;
    if (parking->lookups < PARKED_LOOKUPS_MAX)
        found = trace_find(parking, list->projects[index], score, &trace_id);
    if (found == FOUND_NONE || found == FOUND_ERROR)
        park(parking->parked, list->projects[index], score, found == FOUND_ERROR);
    if (found == FOUND_ERROR) /* not looked up yet: due at the next commit */
        return;
    parking->parked->unknown += found == FOUND_NONE;
    parking->parked->ambiguous += found == FOUND_MANY;
    settle_score(parking, score, found, trace_id);
}

/* A stored one again.  True: it need not be tried any more. */
static bool stored_look(struct parking *parking, const struct parked_score *item)
{
    struct score score;
    struct id16 trace_id;
    str project = str_from_c(item->project);
    if (!held_stored_score(parking->held, parking->place->ops, parking->place->store, project,
                           &item->score_id, &score) ||
        str_is_none(prefix_of(&score)))
        return true; /* replaced since, or gone */
    enum found found = trace_find(parking, project, &score, &trace_id);
    if (found == FOUND_ERROR)
        return false;
    bool was_unknown = attr_find(score.attrs, score.attr_count, STR_OF(PARKED_ATTR)) != NULL;
    if (found == FOUND_NONE && was_unknown)
        return false;
    parking->parked->unknown += found == FOUND_NONE;
    parking->parked->unknown -= found != FOUND_NONE && was_unknown;
    parking->parked->ambiguous += found == FOUND_MANY;
    settle_score(parking, &score, found, trace_id);
    held_add_score(parking->held, arena_str(&parking->held->arena, project), &score);
    return found != FOUND_NONE;
}

static bool begins_so(const struct parked_score *item, const struct trace_row *row)
{
    for (size_t i = 0; i < sizeof row->trace_id.bytes; i++)
        if ((row->trace_id.bytes[i] & item->mask.bytes[i]) != item->prefix.bytes[i])
            return false;
    return str_equal_c(row->project, item->project);
}

/* What this commit brings may not be visible before it: such are due at the next one. */
static void rows_look(struct parking *parking)
{
    struct parked *parked = parking->parked;
    for (size_t i = 0; i < parked->count; i++) {
        struct parked_score *item = &parked->items[i];
        for (size_t k = 0; !item->is_due && k < parking->place->row_count; k++)
            item->is_due = begins_so(item, &parking->place->rows[k]);
    }
    parked->due_count = 0;
    for (size_t i = 0; i < parked->count; i++)
        parked->due_count += parked->items[i].is_due;
}

void parked_join(struct parked *parked, struct held *held, const struct parked_place *place)
{
    struct parking parking = { .parked = parked, .held = held, .place = place };
    size_t count = held->scores.count;
    for (size_t i = 0; parked->due_count && i < parked->count;) {
        struct parked_score *item = &parked->items[i];
        if (!item->is_due || parking.lookups >= PARKED_LOOKUPS_MAX) {
            i++;
            continue;
        }
        if (stored_look(&parking, item)) {
            item_remove(parked, i);
            continue;
        }
        item->is_due = false;
        parked->due_count--;
        i++;
    }
    for (size_t i = 0; i < count; i++)
        held_look(&parking, i);
    rows_look(&parking);
}
