/* regex_parse.c -- reading a regular expression: from its text to a tree.
 *
 * Recursive descent, one function per rule, bounded in the depth of groups.  Case that does not
 * matter and classes end here: a character of the tree is a set of ranges of code points.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/regex_int.h"

enum { REPLACEMENT = 0xFFFD };

struct regex_parser {
    struct arena *arena;
    str text;
    size_t at;
    uint32_t depth;
    bool ignores_case;
    enum err failed;
    struct diag *why;
};

static const struct node *parse_either(struct regex_parser *parser);

static const struct node *refuse(struct regex_parser *parser, size_t offset, const char *text)
{
    if (parser->failed == ERR_OK)
        parser->failed = diag_set_at(parser->why, ERR_BAD_INPUT, offset, "%s", text);
    return NULL;
}

static void spent(struct regex_parser *parser)
{
    if (parser->failed == ERR_OK)
        parser->failed =
            diag_set_at(parser->why, ERR_LIMIT, parser->at, "the regular expression is too large");
}

static struct node *node_make(struct regex_parser *parser, enum node_type type)
{
    struct node *node = arena_new(parser->arena, struct node, 1);
    if (!node)
        spent(parser);
    else
        node->type = type;
    return node;
}

uint32_t regex_code_point(str text, size_t at, size_t *ret_len)
{
    const uint8_t *s = (const uint8_t *)text.ptr + at;
    size_t left = text.len - at, len = 0;
    uint32_t code = s[0];
    *ret_len = 1;
    if (s[0] < 0x80)
        return code;
    if (s[0] >= 0xC2 && s[0] < 0xE0) {
        len = 2;
        code = s[0] & 0x1FU;
    } else if (s[0] >= 0xE0 && s[0] < 0xF0) {
        len = 3;
        code = s[0] & 0x0FU;
    } else if (s[0] >= 0xF0 && s[0] < 0xF5) {
        len = 4;
        code = s[0] & 0x07U;
    }
    if (len == 0 || len > left)
        return REPLACEMENT;
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return REPLACEMENT;
        code = code << 6 | (s[i] & 0x3FU);
    }
    *ret_len = len;
    return code > REGEX_CODE_POINT_MAX ? REPLACEMENT : code;
}

static bool more(const struct regex_parser *parser)
{
    return parser->at < parser->text.len;
}

static char peek(const struct regex_parser *parser)
{
    return more(parser) ? parser->text.ptr[parser->at] : '\0';
}

/* -- sets of characters -- */

struct set {
    struct regex_parser *parser;
    struct range *ranges;
    uint32_t count, capacity;
};

static void set_add(struct set *set, uint32_t first, uint32_t last)
{
    if (set->count == set->capacity) {
        uint32_t capacity = set->capacity ? set->capacity * 2 : 8;
        struct range *ranges = NULL;
        if (set->count < 2 * REGEX_STEPS_MAX)
            ranges = arena_new(set->parser->arena, struct range, capacity);
        if (!ranges) {
            spent(set->parser);
            return;
        }
        if (set->count)
            memcpy(ranges, set->ranges, set->count * sizeof *ranges);
        set->ranges = ranges;
        set->capacity = capacity;
    }
    set->ranges[set->count++] = (struct range){ first, last };
}

/* With the other case of its ASCII letters. */
static void set_add_cases(struct set *set, uint32_t first, uint32_t last)
{
    set_add(set, first, last);
    if (!set->parser->ignores_case)
        return;
    uint32_t low = MAX(first, (uint32_t)'a'), high = MIN(last, (uint32_t)'z');
    if (low <= high)
        set_add(set, low - ('a' - 'A'), high - ('a' - 'A'));
    low = MAX(first, (uint32_t)'A');
    high = MIN(last, (uint32_t)'Z');
    if (low <= high)
        set_add(set, low + ('a' - 'A'), high + ('a' - 'A'));
}

static int range_cmp(const void *a, const void *b)
{
    const struct range *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

static void ranges_sort(struct range *ranges, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++)
        for (uint32_t k = i; k > 0 && range_cmp(&ranges[k - 1], &ranges[k]) > 0; k--) {
            struct range swapped = ranges[k];
            ranges[k] = ranges[k - 1];
            ranges[k - 1] = swapped;
        }
}

/* Sorted, and what touches joined. */
static void set_join(struct set *set)
{
    ranges_sort(set->ranges, set->count);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        struct range range = set->ranges[i];
        if (kept && range.first <= set->ranges[kept - 1].last + 1)
            set->ranges[kept - 1].last = MAX(set->ranges[kept - 1].last, range.last);
        else
            set->ranges[kept++] = range;
    }
    set->count = kept;
}

/* Everything that is not in `of`, which is joined. */
static void set_add_others(struct set *set, const struct range *of, uint32_t count)
{
    uint32_t next = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (of[i].first > next)
            set_add(set, next, of[i].first - 1);
        next = of[i].last + 1;
    }
    if (next <= REGEX_CODE_POINT_MAX)
        set_add(set, next, REGEX_CODE_POINT_MAX);
}

/* \d \w \s and their opposites; false: c is none of them. */
static bool set_add_named(struct set *set, char c)
{
    static const struct range digits[] = { { '0', '9' } };
    static const struct range words[] = { { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' } };
    static const struct range spaces[] = { { '\t', '\n' }, { '\f', '\r' }, { ' ', ' ' } };
    static const struct {
        char name;
        const struct range *ranges;
        uint32_t count;
    } named[] = { { 'd', digits, COUNT_OF(digits) },
                  { 'w', words, COUNT_OF(words) },
                  { 's', spaces, COUNT_OF(spaces) } };
    for (size_t i = 0; i < COUNT_OF(named); i++) {
        if (c == named[i].name - 'a' + 'A') {
            set_add_others(set, named[i].ranges, named[i].count);
            return true;
        }
        for (uint32_t k = 0; c == named[i].name && k < named[i].count; k++)
            set_add(set, named[i].ranges[k].first, named[i].ranges[k].last);
        if (c == named[i].name)
            return true;
    }
    return false;
}

static const struct node *set_node(struct set *set)
{
    if (set->parser->failed != ERR_OK)
        return NULL;
    set_join(set);
    struct node *node = node_make(set->parser, NODE_CHAR);
    if (!node)
        return NULL;
    node->ranges = set->ranges;
    node->range_count = set->count;
    return node;
}

/* A character written with \: punctuation or one of \t \n \r \f \v. */
static bool escaped_char(char c, uint32_t *ret_code)
{
    static const char from[] = "tnrfv", to[] = "\t\n\r\f\v";
    const char *found = c ? strchr(from, c) : NULL;
    bool is_word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    *ret_code = found ? (uint32_t)to[found - from] : (uint32_t)(uint8_t)c;
    return found || (!is_word && c > ' ' && c < 0x7F);
}

static const char bad_escape[] =
    "this escape is not known: \\ stands before punctuation, and in \\d \\w \\s \\b \\t \\n \\r";

/* One character of a class; sets *ret_named when it was \d and its like. */
static bool class_char(struct set *set, uint32_t *ret_code, bool *ret_named)
{
    struct regex_parser *parser = set->parser;
    size_t len;
    *ret_named = false;
    if (!more(parser))
        return false;
    *ret_code = regex_code_point(parser->text, parser->at, &len);
    size_t offset = parser->at;
    parser->at += len;
    if (*ret_code != '\\')
        return true;
    char c = peek(parser);
    parser->at++;
    if (set_add_named(set, c)) {
        *ret_named = true;
        return true;
    }
    if (!escaped_char(c, ret_code))
        (void)refuse(parser, offset, bad_escape);
    return true;
}

static bool class_range(struct set *set)
{
    struct regex_parser *parser = set->parser;
    uint32_t first, last;
    bool is_named;
    size_t offset = parser->at;
    if (!class_char(set, &first, &is_named))
        return false;
    if (is_named)
        return true;
    last = first;
    bool is_range = peek(parser) == '-' && parser->at + 1 < parser->text.len &&
                    parser->text.ptr[parser->at + 1] != ']';
    if (is_range) {
        parser->at++;
        if (!class_char(set, &last, &is_named))
            return false;
        if (is_named || last < first) {
            (void)refuse(parser, offset, "this range of characters is not in order");
            return true;
        }
    }
    set_add_cases(set, first, last);
    return true;
}

/* [...], the [ is taken. */
static const struct node *parse_class(struct regex_parser *parser)
{
    struct set set = { .parser = parser };
    size_t offset = parser->at - 1;
    bool is_negated = peek(parser) == '^';
    parser->at += is_negated;
    for (bool is_first = true; parser->failed == ERR_OK; is_first = false) {
        if (peek(parser) == ']' && !is_first)
            break;
        if (peek(parser) == '[' && str_starts(str_from(parser->text, parser->at), STR_OF("[:")))
            return refuse(parser, parser->at, "write \\d, \\w or \\s, or the characters");
        if (!class_range(&set))
            return refuse(parser, offset, "this [ is not closed");
    }
    parser->at++;
    if (!is_negated || parser->failed != ERR_OK)
        return set_node(&set);
    set_join(&set);
    struct set others = { .parser = parser };
    set_add_others(&others, set.ranges, set.count);
    return set_node(&others);
}

/* -- atoms and what follows them -- */

static const struct node *node_char(struct regex_parser *parser, uint32_t code)
{
    struct set set = { .parser = parser };
    set_add_cases(&set, code, code);
    return set_node(&set);
}

static const struct node *node_assert(struct regex_parser *parser, enum assertion assertion)
{
    struct node *node = node_make(parser, NODE_ASSERT);
    if (node)
        node->assertion = assertion;
    return node;
}

/* ( is taken. */
static const struct node *parse_group(struct regex_parser *parser)
{
    size_t offset = parser->at - 1;
    if (parser->depth == REGEX_DEPTH_MAX) {
        spent(parser);
        return NULL;
    }
    if (peek(parser) == '?') {
        if (!str_starts(str_from(parser->text, parser->at), STR_OF("?:")))
            return refuse(parser, offset,
                          "look-around, named groups and flags inside are not offered: (?: ) is");
        parser->at += 2;
    }
    parser->depth++;
    const struct node *inner = parse_either(parser);
    parser->depth--;
    if (parser->failed == ERR_OK && peek(parser) != ')')
        return refuse(parser, offset, "this ( is not closed");
    parser->at++;
    return inner;
}

static const struct node *parse_escape(struct regex_parser *parser)
{
    size_t offset = parser->at - 1;
    struct set set = { .parser = parser };
    uint32_t code;
    if (!more(parser))
        return refuse(parser, offset, "a \\ needs a character after it");
    char c = parser->text.ptr[parser->at++];
    if (c == 'b' || c == 'B')
        return node_assert(parser, c == 'b' ? ASSERT_WORD : ASSERT_NO_WORD);
    if (c >= '1' && c <= '9')
        return refuse(parser, offset, "back references are not offered");
    if (set_add_named(&set, c))
        return set_node(&set);
    if (!escaped_char(c, &code))
        return refuse(parser, offset, bad_escape);
    return node_char(parser, code);
}

static const struct node *parse_any(struct regex_parser *parser)
{
    static const struct range line_end = { '\n', '\n' };
    struct set set = { .parser = parser };
    set_add_others(&set, &line_end, 1);
    return set_node(&set);
}

static const struct node *parse_atom(struct regex_parser *parser)
{
    size_t len, offset = parser->at;
    uint32_t code = regex_code_point(parser->text, parser->at, &len);
    parser->at += len;
    switch (code) {
    case '(':
        return parse_group(parser);
    case '[':
        return parse_class(parser);
    case '\\':
        return parse_escape(parser);
    case '.':
        return parse_any(parser);
    case '^':
        return node_assert(parser, ASSERT_BEGIN);
    case '$':
        return node_assert(parser, ASSERT_END);
    case '*':
    case '+':
    case '?':
    case '{':
        return refuse(parser, offset, "nothing to repeat here: put \\ before it to mean it");
    default:
        return node_char(parser, code);
    }
}

static bool take_number(struct regex_parser *parser, int *ret_number)
{
    size_t digits = 0;
    int64_t number;
    while (parser->at + digits < parser->text.len && parser->text.ptr[parser->at + digits] >= '0' &&
           parser->text.ptr[parser->at + digits] <= '9')
        digits++;
    str text = str_sub(parser->text, parser->at, digits);
    if (!str_to_i64(text, &number) || number > REGEX_REPEAT_MAX)
        return false;
    parser->at += digits;
    *ret_number = (int)number;
    return true;
}

/* {n} {n,} {n,m}; the { is taken. */
static bool take_braces(struct regex_parser *parser, int *ret_least, int *ret_most)
{
    size_t offset = parser->at - 1;
    bool is_good = take_number(parser, ret_least);
    *ret_most = *ret_least;
    if (is_good && peek(parser) == ',') {
        parser->at++;
        if (peek(parser) == '}')
            *ret_most = REGEX_NO_END;
        else
            is_good = take_number(parser, ret_most) && *ret_most >= *ret_least;
    }
    if (!is_good || peek(parser) != '}') {
        (void)refuse(parser, offset, "a repeat is written {n}, {n,} or {n,m}, at most 1000");
        return false;
    }
    parser->at++;
    return true;
}

/* A list of nodes while it is read. */
struct items {
    const struct node **items;
    uint32_t count, capacity;
};

static void items_add(struct regex_parser *parser, struct items *items, const struct node *node)
{
    if (items->count == items->capacity) {
        uint32_t capacity = items->capacity ? items->capacity * 2 : 4;
        const struct node **more_items = NULL;
        if (items->count <= REGEX_STEPS_MAX)
            more_items = arena_new(parser->arena, const struct node *, capacity);
        if (!more_items) {
            spent(parser);
            return;
        }
        if (items->count)
            memcpy(more_items, items->items, items->count * sizeof *more_items);
        items->items = more_items;
        items->capacity = capacity;
    }
    items->items[items->count++] = node;
}

static const struct node *node_of_items(struct regex_parser *parser, enum node_type type,
                                        const struct items *items)
{
    if (parser->failed != ERR_OK)
        return NULL;
    if (items->count == 1 && type != NODE_REPEAT)
        return items->items[0];
    struct node *node = node_make(parser, items->count ? type : NODE_EMPTY);
    if (!node)
        return NULL;
    node->items = items->items;
    node->item_count = items->count;
    return node;
}

/* What a repeat says; false: there is none. */
static bool take_repeat(struct regex_parser *parser, int *ret_least, int *ret_most)
{
    char c = peek(parser);
    *ret_least = 0;
    *ret_most = REGEX_NO_END;
    if (!more(parser) || (c != '*' && c != '+' && c != '?' && c != '{'))
        return false;
    parser->at++;
    if (c == '{' && !take_braces(parser, ret_least, ret_most))
        return false;
    if (c == '+')
        *ret_least = 1;
    if (c == '?')
        *ret_most = 1;
    if (more(parser) && peek(parser) == '?') /* fewest first: the same texts match */
        parser->at++;
    return true;
}

static const struct node *parse_repeat(struct regex_parser *parser)
{
    struct items items = { 0 };
    int least, most;
    items_add(parser, &items, parse_atom(parser));
    if (parser->failed != ERR_OK || !items.items)
        return NULL;
    if (!take_repeat(parser, &least, &most))
        return items.items[0];
    size_t offset = parser->at;
    char c = peek(parser);
    if (more(parser) && (c == '*' || c == '+' || c == '?' || c == '{'))
        return refuse(parser, offset, "a repeat of a repeat needs brackets around the first");
    struct node *node = node_make(parser, NODE_REPEAT);
    if (!node)
        return NULL;
    node->items = items.items;
    node->item_count = 1;
    node->least = least;
    node->most = most;
    return node;
}

static const struct node *parse_join(struct regex_parser *parser)
{
    struct items items = { 0 };
    while (parser->failed == ERR_OK && more(parser) && peek(parser) != '|' && peek(parser) != ')')
        items_add(parser, &items, parse_repeat(parser));
    return node_of_items(parser, NODE_JOIN, &items);
}

static const struct node *parse_either(struct regex_parser *parser)
{
    struct items items = { 0 };
    items_add(parser, &items, parse_join(parser));
    while (parser->failed == ERR_OK && more(parser) && peek(parser) == '|') {
        parser->at++;
        items_add(parser, &items, parse_join(parser));
    }
    return node_of_items(parser, NODE_EITHER, &items);
}

const struct node *regex_parse(struct arena *arena, str pattern, enum err *ret_failed,
                               struct diag *reterr_why)
{
    static const str no_case = STR("(?i)");
    struct regex_parser parser = { .arena = arena, .text = pattern, .why = reterr_why };
    if (str_starts(pattern, no_case)) {
        parser.ignores_case = true;
        parser.at = no_case.len;
    }
    const struct node *tree = parse_either(&parser);
    if (parser.failed == ERR_OK && more(&parser))
        (void)refuse(&parser, parser.at, "this ) closes nothing");
    *ret_failed = parser.failed;
    return parser.failed == ERR_OK ? tree : NULL;
}
