/* window.c -- which parts of a text stage two must see.
 *
 * Personal data by form (cards, phones, IBANs, addresses of machines) are
 * clusters: digits close to each other, or colons and hyphens between
 * hexadecimal digits.  Their positions come sixteen bytes at a time; prose and
 * code between them cost nothing.  A window is a cluster and a margin; words of
 * context are read from the text itself, outside of it.
 *
 * Every expression of a PATTERN row matches only where one of these holds:
 *   - DIGITS_MIN digits, neighbours at most GAP_MAX apart, with nothing between
 *     them but letters and " .()/:+-", and no lower-case letter beside a space;
 *     a plain decimal fraction is none
 *   - four such digits with three dots (IPv4)
 *   - two colons, four hyphens, each beside a hexadecimal digit (IPv6, MAC)
 *   - a word of BASE58_MIN letters and digits that begins with 1 or 3
 * Random ids ("chatcmpl-1f0a93c2") are none of them and common: see is_id().
 * test_window.c compares the result with a scan of everything.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "redact/redact_int.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    DIGITS_MIN = 6,
    ADDRESS_DIGITS_MIN = 4,
    ADDRESS_DOTS_MIN = 3,
    GAP_MAX = 8,
    MARGIN = 24,
    JOIN_MAX = 32, /* windows nearer than this are one */
    COLONS_MIN = 2,
    COLON_GAP_MAX = 5,
    HYPHENS_MIN = 4,
    HYPHEN_GAP_MAX = 3,
    BASE58_MIN = 26,
    BASE58_MAX = 35,
    ID_MAX = 64, /* of a word that is looked at, on either side */
    IBAN_SPACED_MAX = 48,
    FISCAL_CODE = 16,
};

#ifdef __SSE2__
static void masks_of(const char *block, uint64_t *ret_digits, uint64_t *ret_marks)
{
    uint64_t digits = 0;
    uint64_t marks = 0;
    for (unsigned i = 0; i < 4; i++) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(block + (size_t)i * 16));
        __m128i from_zero = _mm_sub_epi8(bytes, _mm_set1_epi8('0'));
        __m128i digit = _mm_cmpeq_epi8(_mm_min_epu8(from_zero, _mm_set1_epi8(9)), from_zero);
        __m128i mark = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(':')),
                                    _mm_cmpeq_epi8(bytes, _mm_set1_epi8('-')));
        digits |= (uint64_t)(uint32_t)_mm_movemask_epi8(digit) << (i * 16);
        marks |= (uint64_t)(uint32_t)_mm_movemask_epi8(mark) << (i * 16);
    }
    *ret_digits = digits;
    *ret_marks = marks;
}
#else
static void masks_of(const char *block, uint64_t *ret_digits, uint64_t *ret_marks)
{
    uint64_t digits = 0;
    uint64_t marks = 0;
    for (unsigned i = 0; i < WINDOW_BLOCK; i++) {
        digits |= (uint64_t)is_digit(block[i]) << i;
        marks |= (uint64_t)(block[i] == ':' || block[i] == '-') << i;
    }
    *ret_digits = digits;
    *ret_marks = marks;
}
#endif

static void block_load(struct window_walk *walk)
{
    size_t left = walk->text.len - walk->block;
    const char *at = walk->text.ptr + walk->block;
    char padded[WINDOW_BLOCK];
    if (left < WINDOW_BLOCK) {
        memset(padded, 0, sizeof padded);
        memcpy(padded, at, left);
        at = padded;
    }
    masks_of(at, &walk->digits, &walk->marks);
}

/* A window to be seen: joined with the one that waits, or that one is given out. */
static void window_add(struct window_walk *walk, size_t start, size_t end)
{
    start = start > MARGIN ? start - MARGIN : 0;
    end = MIN(walk->text.len, end + MARGIN);
    struct window *last = walk->count > 0 ? &walk->windows[walk->count - 1] : NULL;
    if (last && start <= last->end + JOIN_MAX) {
        last->start = MIN(last->start, start);
        last->end = MAX(last->end, end);
    } else {
        walk->windows[walk->count++] = (struct window){ start, end };
    }
}

/* "0.734", "12.5e3": one dot, nothing else, no leading zero or plus as telephones have. */
static bool is_fraction(const struct window_walk *walk)
{
    const struct cluster *number = &walk->number;
    const char *text = walk->text.ptr;
    if (number->gaps != 1 || number->dots != 1)
        return false;
    bool leads = text[number->start] == '0' && text[number->start + 1] != '.';
    bool has_sign =
        number->start > 0 && (text[number->start - 1] == '+' || is_alpha(text[number->start - 1]));
    bool has_tail = number->last + 1 < walk->text.len && is_alpha(text[number->last + 1]);
    return !leads && !has_sign && !has_tail;
}

static void number_close(struct window_walk *walk)
{
    struct cluster *number = &walk->number;
    bool is_address = number->count >= ADDRESS_DIGITS_MIN && number->dots >= ADDRESS_DOTS_MIN;
    if (is_address || (number->count >= DIGITS_MIN && !is_fraction(walk)))
        window_add(walk, number->start, number->last + 1);
    *number = (struct cluster){ .count = 0 };
}

/* What stands between two digits of one cluster. */
static bool gap_joins(struct window_walk *walk, size_t from, size_t to)
{
    bool has_lower = false;
    bool has_space = false;
    unsigned dots = 0;
    if (to - from > GAP_MAX)
        return false;
    for (size_t i = from; i < to; i++) {
        char c = walk->text.ptr[i];
        has_lower = has_lower || (c >= 'a' && c <= 'z');
        has_space = has_space || c == ' ';
        dots += c == '.';
        if (!is_alpha(c) && (c == '\0' || !strchr(" .()/:+-", c)))
            return false;
    }
    if (has_lower && has_space)
        return false;
    walk->number.dots += dots;
    walk->number.gaps++;
    return true;
}

static bool is_base58_word(str text, size_t at)
{
    if ((text.ptr[at] != '1' && text.ptr[at] != '3') || (at > 0 && is_alnum(text.ptr[at - 1])))
        return false;
    size_t end = at;
    while (end < text.len && end - at <= BASE58_MAX && is_alnum(text.ptr[end]))
        end++;
    return end - at >= BASE58_MIN && end - at <= BASE58_MAX;
}

/* An IBAN begins a word with two letters and a digit: what follows may be of it. */
static void iban_step(struct window_walk *walk, size_t at)
{
    const char *text = walk->text.ptr;
    if (at >= 2 && is_alpha(text[at - 1]) && is_alpha(text[at - 2]) &&
        (at == 2 || !is_alnum(text[at - 3])))
        walk->iban_end = at + IBAN_SPACED_MAX;
}

/* The run of letters and digits around text[at], as far as ID_MAX on either side. */
static str word_around(str text, size_t at)
{
    size_t start = at;
    size_t end = at;
    while (start > 0 && at - start < ID_MAX && is_alnum(text.ptr[start - 1]))
        start--;
    while (end < text.len && end - at < ID_MAX && is_alnum(text.ptr[end]))
        end++;
    return str_sub(text, start, end - start);
}

/* The word around text[at], where its first digit stands, is letters and digits in a mix that
 * no datum has.  Expressions begin at the start of a word (or at a plus).  Of those that go on
 * through letters and then digits again an IBAN begins as it does, a fiscal code has 16
 * characters and three runs of digits, a French number has one capital letter.  A telephone
 * number may end inside of a word, but begins with 0 or a plus. */
static bool is_id(const struct window_walk *walk, size_t at, size_t *ret_end)
{
    if (at < walk->iban_end)
        return false;
    str word = word_around(walk->text, at);
    bool has_plus = word.ptr > walk->text.ptr && word.ptr[-1] == '+';
    unsigned runs = 0;
    bool has_lower = false;
    for (size_t i = 0; i < word.len; i++) {
        runs += is_digit(word.ptr[i]) && (i == 0 || !is_digit(word.ptr[i - 1]));
        has_lower = has_lower || (word.ptr[i] >= 'a' && word.ptr[i] <= 'z');
    }
    if (word.ptr[0] == '0' || has_plus || runs < 2)
        return false;
    if (runs < 4 && (!has_lower || word.len == FISCAL_CODE))
        return false;
    *ret_end = (size_t)(word.ptr - walk->text.ptr) + word.len;
    return true;
}

static void digit_step(struct window_walk *walk, size_t at)
{
    struct cluster *number = &walk->number;
    if (at < walk->id_end)
        return;
    iban_step(walk, at);
    bool joins =
        number->count > 0 && (at == number->last + 1 || gap_joins(walk, number->last + 1, at));
    if (!joins) {
        number_close(walk);
        number->start = at;
        if (is_base58_word(walk->text, at))
            window_add(walk, at, at + BASE58_MAX);
        if (is_id(walk, at, &walk->id_end))
            return;
    }
    number->count++;
    number->last = at;
}

static void marks_close(struct window_walk *walk, struct cluster *marks, unsigned count_min)
{
    if (marks->count >= count_min)
        window_add(walk, marks->start, marks->last + 1);
    *marks = (struct cluster){ .count = 0 };
}

static void mark_step(struct window_walk *walk, size_t at)
{
    str text = walk->text;
    bool is_colon = text.ptr[at] == ':';
    struct cluster *marks = is_colon ? &walk->colons : &walk->hyphens;
    char before = at > 0 ? text.ptr[at - 1] : ' ';
    char after = at + 1 < text.len ? text.ptr[at + 1] : ' ';
    bool left = is_hex(before) || (is_colon && before == ':');
    bool right = is_hex(after) || (is_colon && after == ':');
    if (!left || !right)
        return;
    size_t gap = is_colon ? COLON_GAP_MAX : HYPHEN_GAP_MAX;
    if (marks->count > 0 && at - marks->last > gap)
        marks_close(walk, marks, is_colon ? COLONS_MIN : HYPHENS_MIN);
    if (marks->count == 0)
        marks->start = at;
    marks->count++;
    marks->last = at;
}

/* Every digit and mark of the block, in order. */
static void block_walk(struct window_walk *walk)
{
    uint64_t bits = walk->digits | walk->marks;
    for (; bits; bits &= bits - 1) {
        unsigned bit = (unsigned)__builtin_ctzll(bits);
        if (walk->digits >> bit & 1)
            digit_step(walk, walk->block + bit);
        else
            mark_step(walk, walk->block + bit);
    }
}

void window_init(struct window_walk *walk, str text)
{
    memset(walk, 0, offsetof(struct window_walk, windows));
    walk->text = text;
}

bool window_next(struct window_walk *walk, size_t *ret_start, size_t *ret_end)
{
    /* The last window may still grow, so two must wait before one is given out. */
    while (walk->given + 1 >= walk->count && walk->block < walk->text.len) {
        if (walk->given > 0 && walk->count > 0) {
            walk->windows[0] = walk->windows[walk->count - 1];
            walk->count = walk->count - walk->given;
            walk->given = 0;
        }
        block_load(walk);
        block_walk(walk);
        walk->block += WINDOW_BLOCK;
        if (walk->block < walk->text.len)
            continue;
        number_close(walk);
        marks_close(walk, &walk->colons, COLONS_MIN);
        marks_close(walk, &walk->hyphens, HYPHENS_MIN);
    }
    if (walk->given >= walk->count)
        return false;
    *ret_start = walk->windows[walk->given].start;
    *ret_end = walk->windows[walk->given].end;
    walk->given++;
    return true;
}
