/* regex.c -- a regular expression as a list of steps, followed all at once.
 *
 * Thompson's construction: the pattern becomes a tree (regex_parse.c), the tree a list of steps
 * (a character of some ranges, a fork, an assertion, the end).  Matching keeps the set of steps it
 * may be at and moves all of them by one character: no backtracking, so no pattern is slow.  The
 * tree is also written in RE2's notation, character by character as \x{..}, for engines that
 * have RE2.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/regex.h"
#include "base/buf.h"
#include "base/check.h"
#include "base/regex_int.h"

enum { PORTABLE_BYTES_MAX = 1 << 20 };

enum step_type { STEP_CHAR, STEP_FORK, STEP_ASSERT, STEP_MATCH };
struct step {
    enum step_type type;
    enum assertion assertion;
    uint16_t next, other; /* FORK goes to both */
    const struct range *ranges;
    uint32_t range_count;
};

struct regex {
    struct step *steps;
    uint32_t count, start;
    const char *portable;
};

/* -- steps -- */

struct builder {
    struct arena *arena;
    struct step *steps;
    uint32_t count, cost;
    bool is_spent;
};

static uint16_t step_add(struct builder *builder, struct step step)
{
    builder->cost += MAX(step.range_count, 1U);
    if (builder->cost > REGEX_STEPS_MAX) {
        builder->is_spent = true;
        return 0;
    }
    builder->steps[builder->count] = step;
    return (uint16_t)builder->count++;
}

static uint16_t fork_add(struct builder *builder, uint16_t next, uint16_t other)
{
    return step_add(builder, (struct step){ .type = STEP_FORK, .next = next, .other = other });
}

/* Builds `node` so that it goes on at `next`; where it begins. */
static uint16_t node_build(struct builder *builder, const struct node *node, uint16_t next);

static uint16_t repeat_build(struct builder *builder, const struct node *node, uint16_t next)
{
    const struct node *item = node->items[0];
    uint16_t at = next;
    if (node->most == REGEX_NO_END) {
        at = fork_add(builder, next, next); /* its first way is set below */
        uint16_t body = node_build(builder, item, at);
        if (!builder->is_spent)
            builder->steps[at].next = body;
    }
    for (int i = node->least; i < node->most && !builder->is_spent; i++)
        at = fork_add(builder, node_build(builder, item, at), next);
    for (int i = 0; i < node->least && !builder->is_spent; i++) {
        at = node_build(builder, item, at);
        builder->is_spent = ++builder->cost > REGEX_STEPS_MAX; /* an empty copy has a price too */
    }
    return at;
}

static uint16_t node_build(struct builder *builder, const struct node *node, uint16_t next)
{
    uint16_t at = next;
    switch (node->type) {
    case NODE_EMPTY:
        break;
    case NODE_CHAR:
        at = step_add(builder, (struct step){ .type = STEP_CHAR,
                                              .next = next,
                                              .ranges = node->ranges,
                                              .range_count = node->range_count });
        break;
    case NODE_ASSERT:
        at = step_add(
            builder,
            (struct step){ .type = STEP_ASSERT, .next = next, .assertion = node->assertion });
        break;
    case NODE_JOIN:
        for (uint32_t i = node->item_count; i > 0 && !builder->is_spent; i--)
            at = node_build(builder, node->items[i - 1], at);
        break;
    case NODE_EITHER:
        at = node_build(builder, node->items[0], next);
        for (uint32_t i = 1; i < node->item_count && !builder->is_spent; i++)
            at = fork_add(builder, node_build(builder, node->items[i], next), at);
        break;
    case NODE_REPEAT:
        at = repeat_build(builder, node, next);
        break;
    }
    return at;
}

/* -- the notation of others -- */

static void ranges_write(struct buf *out, const struct range *ranges, uint32_t count)
{
    buf_add_char(out, '[');
    if (count == 0) /* nothing: what is not in everything */
        buf_printf(out, "^\\x{0}-\\x{%X}", (unsigned)REGEX_CODE_POINT_MAX);
    for (uint32_t i = 0; i < count; i++) {
        buf_printf(out, "\\x{%X}", (unsigned)ranges[i].first);
        if (ranges[i].last > ranges[i].first)
            buf_printf(out, "-\\x{%X}", (unsigned)ranges[i].last);
    }
    buf_add_char(out, ']');
}

static void node_write(struct buf *out, const struct node *node)
{
    static const char *const assertions[] = { [ASSERT_BEGIN] = "\\A",
                                              [ASSERT_END] = "\\z",
                                              [ASSERT_WORD] = "\\b",
                                              [ASSERT_NO_WORD] = "\\B" };
    bool is_one = node->range_count == 1 && node->ranges[0].first == node->ranges[0].last;
    switch (node->type) {
    case NODE_EMPTY:
        buf_add_c(out, "(?:)");
        return;
    case NODE_CHAR:
        if (is_one)
            buf_printf(out, "\\x{%X}", (unsigned)node->ranges[0].first);
        else
            ranges_write(out, node->ranges, node->range_count);
        return;
    case NODE_ASSERT:
        buf_add_c(out, assertions[node->assertion]);
        return;
    case NODE_JOIN:
    case NODE_EITHER:
    case NODE_REPEAT:
        break;
    }
    buf_add_c(out, "(?:");
    for (uint32_t i = 0; i < node->item_count; i++) {
        if (i > 0 && node->type == NODE_EITHER)
            buf_add_char(out, '|');
        node_write(out, node->items[i]);
    }
    buf_add_char(out, ')');
    if (node->type != NODE_REPEAT)
        return;
    if (node->least == 0 && node->most == REGEX_NO_END)
        buf_add_char(out, '*');
    else if (node->most == REGEX_NO_END)
        buf_printf(out, "{%d,}", node->least);
    else
        buf_printf(out, "{%d,%d}", node->least, node->most);
}

static const char *portable_of(struct arena *arena, const struct node *tree)
{
    struct buf out;
    buf_init(&out, PORTABLE_BYTES_MAX);
    node_write(&out, tree);
    buf_add_char(&out, '\0');
    str copy = buf_failed(&out) ? STR_NONE : arena_str(arena, buf_str(&out));
    buf_clear(&out);
    return copy.ptr;
}

/* -- compiling and matching -- */

static enum err too_large(struct diag *reterr_why)
{
    return diag_set_at(reterr_why, ERR_LIMIT, 0,
                       "the regular expression is too large: it has more than %d steps",
                       REGEX_STEPS_MAX);
}

enum err regex_compile(struct arena *arena, str pattern, const struct regex **ret_regex,
                       struct diag *reterr_why)
{
    enum err failed = ERR_OK;
    const struct node *tree = regex_parse(arena, pattern, &failed, reterr_why);
    if (!tree)
        return failed;
    struct regex *regex = arena_new(arena, struct regex, 1);
    struct builder builder = { .arena = arena };
    builder.steps = arena_new(arena, struct step, REGEX_STEPS_MAX + 1);
    if (!regex || !builder.steps)
        return too_large(reterr_why);
    builder.steps[builder.count++] = (struct step){ .type = STEP_MATCH };
    regex->start = node_build(&builder, tree, 0);
    regex->steps = builder.steps;
    regex->count = builder.count;
    regex->portable = builder.is_spent ? NULL : portable_of(arena, tree);
    if (!regex->portable)
        return too_large(reterr_why);
    *ret_regex = regex;
    return ERR_OK;
}

const char *regex_portable(const struct regex *regex)
{
    return regex->portable;
}

/* The steps that matching may be at: a set with its members in a list. */
struct places {
    uint16_t steps[REGEX_STEPS_MAX + 1];
    uint32_t count;
    uint64_t has[(REGEX_STEPS_MAX + 64) / 64];
};

static bool place_is_new(struct places *places, uint32_t step)
{
    uint64_t bit = UINT64_C(1) << (step % 64);
    bool is_new = !(places->has[step / 64] & bit);
    places->has[step / 64] |= bit;
    return is_new;
}

static bool is_word_char(uint32_t code)
{
    return (code >= '0' && code <= '9') || (code >= 'a' && code <= 'z') ||
           (code >= 'A' && code <= 'Z') || code == '_';
}

enum { NO_CHAR = UINT32_MAX >> 1 };

static bool assertion_holds(enum assertion assertion, uint32_t before, uint32_t after)
{
    switch (assertion) {
    case ASSERT_BEGIN:
        return before == NO_CHAR;
    case ASSERT_END:
        return after == NO_CHAR;
    case ASSERT_WORD:
        return is_word_char(before) != is_word_char(after);
    case ASSERT_NO_WORD:
        break;
    }
    return is_word_char(before) == is_word_char(after);
}

/* Adds a step and what can be reached from it without a character; true: the end. */
static bool places_add(const struct regex *regex, struct places *places, uint16_t step,
                       const uint32_t around[2])
{
    uint16_t pending[2 * REGEX_STEPS_MAX + 2];
    uint32_t count = 0;
    pending[count++] = step;
    while (count > 0) {
        uint16_t at = pending[--count];
        if (!place_is_new(places, at))
            continue;
        const struct step *here = &regex->steps[at];
        if (here->type == STEP_MATCH)
            return true;
        if (here->type == STEP_CHAR) {
            places->steps[places->count++] = at;
            continue;
        }
        if (here->type == STEP_ASSERT && !assertion_holds(here->assertion, around[0], around[1]))
            continue;
        pending[count++] = here->next;
        if (here->type == STEP_FORK)
            pending[count++] = here->other;
    }
    return false;
}

static bool step_takes(const struct step *step, uint32_t code)
{
    uint32_t low = 0, high = step->range_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (code < step->ranges[middle].first)
            high = middle;
        else if (code > step->ranges[middle].last)
            low = middle + 1;
        else
            return true;
    }
    return false;
}

static void places_clear(const struct regex *regex, struct places *places)
{
    places->count = 0;
    memset(places->has, 0, (regex->count + 63) / 64 * sizeof places->has[0]);
}

bool regex_matches(const struct regex *regex, str text)
{
    struct places sets[2];
    struct places *now = &sets[0], *then = &sets[1];
    size_t len, at = 0;
    uint32_t around[2] = { NO_CHAR, text.len ? regex_code_point(text, 0, &len) : NO_CHAR };
    places_clear(regex, now);
    if (places_add(regex, now, (uint16_t)regex->start, around))
        return true;
    while (at < text.len) {
        uint32_t code = regex_code_point(text, at, &len);
        at += len;
        around[0] = code;
        around[1] = at < text.len ? regex_code_point(text, at, &len) : NO_CHAR;
        places_clear(regex, then);
        for (uint32_t i = 0; i < now->count; i++) {
            const struct step *step = &regex->steps[now->steps[i]];
            if (step_takes(step, code) && places_add(regex, then, step->next, around))
                return true;
        }
        if (places_add(regex, then, (uint16_t)regex->start, around)) /* or begin here */
            return true;
        struct places *swapped = now;
        now = then;
        then = swapped;
    }
    return false;
}
