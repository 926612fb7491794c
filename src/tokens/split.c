/* split.c -- the split patterns of the two encodings, by hand.
 *
 * data/tokens/encodings.json has the patterns; a general engine with their look-ahead would be
 * a dependency and many times slower.  Each alternative is a function that says how long it
 * matches, 0 for not at all; they are asked in the pattern's order and the first that matches
 * wins, as in the engines that OpenAI uses.  Where an alternative gives characters back to
 * match at all, the function says so.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tokens/tokens_int.h"

struct character {
    uint32_t code;
    uint8_t bytes;
    uint8_t class;
};

static uint8_t class_of(uint32_t code)
{
    return class_blocks[class_index[code >> 8]][code & 0xff];
}

/* A byte that begins no valid character is one of its own. */
static struct character decode_long(const unsigned char *at, size_t left)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    uint8_t bytes = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    uint32_t code = at[0] & (0x7fu >> bytes);
    bool is_valid = at[0] >= 0xc2 && at[0] < 0xf5 && bytes <= left;
    for (uint8_t i = 1; is_valid && i < bytes; i++) {
        is_valid = (at[i] & 0xc0) == 0x80;
        code = code << 6 | (at[i] & 0x3fu);
    }
    if (!is_valid || code < least[bytes] || code > 0x10ffff)
        return (struct character){ at[0], 1, CLASS_OTHER };
    return (struct character){ code, bytes, class_of(code) };
}

static inline struct character at(str text, size_t index)
{
    if (index >= text.len)
        return (struct character){ 0, 0, CLASS_OTHER };
    unsigned char first = (unsigned char)text.ptr[index];
    if (first < 0x80)
        return (struct character){ first, 1, class_blocks[0][first] };
    return decode_long((const unsigned char *)text.ptr + index, text.len - index);
}

static inline bool is_letter(uint8_t class)
{
    return class >= CLASS_UPPER && class <= CLASS_LETTER;
}
static inline bool is_space(uint8_t class)
{
    return class >= CLASS_SPACE;
}
/* [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] */
static inline bool is_upper(uint8_t class)
{
    return class == CLASS_UPPER || class == CLASS_LETTER || class == CLASS_MARK;
}
/* [\p{Ll}\p{Lm}\p{Lo}\p{M}] */
static inline bool is_lower(uint8_t class)
{
    return class >= CLASS_LOWER && class <= CLASS_MARK;
}
/* [^\s\p{L}\p{N}] */
static inline bool is_symbol(uint8_t class)
{
    return class == CLASS_OTHER || class == CLASS_MARK;
}
/* [^\r\n\p{L}\p{N}] */
static inline bool is_prefix(struct character c)
{
    return c.bytes && !is_letter(c.class) && c.class != CLASS_NUMBER && c.class != CLASS_NEWLINE;
}

static inline uint32_t lower(uint32_t code)
{
    return code >= 'A' && code <= 'Z' ? code + 32 : code == 0x17f ? 's' : code; /* long s */
}

/* (?i:'s|'t|'re|'ve|'m|'ll|'d) */
static size_t contraction(str text, size_t index)
{
    if (index >= text.len || text.ptr[index] != '\'')
        return 0;
    struct character one = at(text, index + 1);
    uint32_t first = lower(one.code);
    if (first == 's' || first == 't' || first == 'm' || first == 'd')
        return 1u + one.bytes;
    uint32_t second = lower(at(text, index + 2).code);
    bool is_two =
        (first == 'l' && second == 'l') || ((first == 'v' || first == 'r') && second == 'e');
    return is_two ? 3 : 0;
}

/* \p{N}{1,3} */
static size_t numbers(str text)
{
    size_t len = 0;
    for (int i = 0; i < 3; i++) {
        struct character c = at(text, len);
        if (c.class != CLASS_NUMBER)
            break;
        len += c.bytes;
    }
    return len;
}

/* ` ?[^\s\p{L}\p{N}]+[\r\n]*`, with / among the last for o200k */
static size_t symbols(str text, bool with_slash)
{
    size_t start = text.ptr[0] == ' ', len = start;
    for (struct character c; (c = at(text, len)).bytes && is_symbol(c.class);)
        len += c.bytes;
    if (len == start)
        return 0;
    while (len < text.len &&
           (text.ptr[len] == '\r' || text.ptr[len] == '\n' || (with_slash && text.ptr[len] == '/')))
        len++;
    return len;
}

/* A run of white space: its length, where its last character begins, and the end of its last
 * newline. */
struct run {
    size_t len, last, newline;
};

static struct run space_run(str text)
{
    struct run run = { 0 };
    for (struct character c; (c = at(text, run.len)).bytes && is_space(c.class);) {
        run.last = run.len;
        run.len += c.bytes;
        if (c.class == CLASS_NEWLINE)
            run.newline = run.len;
    }
    return run;
}

/* `[^\r\n\p{L}\p{N}]?+\p{L}++` */
static size_t word_cl100k(str text)
{
    struct character first = at(text, 0);
    size_t start = is_prefix(first) ? first.bytes : 0, len = start;
    for (struct character c; (c = at(text, len)).bytes && is_letter(c.class);)
        len += c.bytes;
    return len > start ? len : 0;
}

size_t piece_cl100k(str text)
{
    size_t len = contraction(text, 0);
    len = len ? len : word_cl100k(text);
    len = len ? len : numbers(text);
    len = len ? len : symbols(text, false);
    if (len)
        return len;
    struct run run = space_run(text);
    if (run.len == text.len) /* \s++$ */
        return run.len;
    if (run.newline) /* \s*[\r\n] */
        return run.newline;
    return run.last ? run.last : run.len; /* \s+(?!\S), or the one \s that there is */
}

/* `U*W+` or `U+W*` behind a prefix of `start` bytes, where U is is_upper and W is is_lower.
 * U* takes all it can; when no W follows it gives back, up to its last character that is
 * both.  Only when there is none the second form is tried, which all of U* matches. */
static size_t word_o200k(str text, size_t start, bool is_second)
{
    size_t len = start, last_both = 0;
    struct character c;
    for (; (c = at(text, len)).bytes && is_upper(c.class); len += c.bytes)
        if (is_lower(c.class))
            last_both = len + c.bytes;
    if (is_second)
        return len > start ? len + contraction(text, len) : 0;
    size_t uppers = len;
    for (; (c = at(text, len)).bytes && is_lower(c.class);)
        len += c.bytes;
    len = len > uppers ? len : last_both;
    return len ? len + contraction(text, len) : 0;
}

size_t piece_o200k(str text)
{
    struct character first = at(text, 0);
    size_t start = is_prefix(first) ? first.bytes : 0, len = 0;
    for (int second = 0; second < 2 && !len; second++) {
        len = word_o200k(text, start, second);
        if (!len && start)
            len = word_o200k(text, 0, second);
    }
    len = len ? len : numbers(text);
    len = len ? len : symbols(text, true);
    if (len)
        return len;
    struct run run = space_run(text);
    if (run.newline) /* \s*[\r\n]+ */
        return run.newline;
    if (run.len == text.len || !run.last) /* \s+(?!\S) at the end, or \s+ */
        return run.len;
    return run.last; /* \s+(?!\S): the last one belongs to what follows */
}
