/* words.c -- a text into words that are compared by a hash.
 *
 * A word is a run of letters and digits, folded: lower case, without accents, wide forms as
 * narrow ones.  All else stands between words.  Most bytes are ASCII and go through one small
 * table.  The hash is not keyed: it never leaves the process, and two words that share one are
 * a false hit once in 2^64.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "search/fold.h"
#include "search/search_int.h"

/* Letters and digits of ASCII, folded; 0: something else. */
static const unsigned char ascii[256] = {
    ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4', ['5'] = '5', ['6'] = '6',
    ['7'] = '7', ['8'] = '8', ['9'] = '9', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd',
    ['E'] = 'e', ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k',
    ['L'] = 'l', ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r',
    ['S'] = 's', ['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y',
    ['Z'] = 'z', ['a'] = 'a', ['b'] = 'b', ['c'] = 'c', ['d'] = 'd', ['e'] = 'e', ['f'] = 'f',
    ['g'] = 'g', ['h'] = 'h', ['i'] = 'i', ['j'] = 'j', ['k'] = 'k', ['l'] = 'l', ['m'] = 'm',
    ['n'] = 'n', ['o'] = 'o', ['p'] = 'p', ['q'] = 'q', ['r'] = 'r', ['s'] = 's', ['t'] = 't',
    ['u'] = 'u', ['v'] = 'v', ['w'] = 'w', ['x'] = 'x', ['y'] = 'y', ['z'] = 'z',
};

static uint64_t mix(uint64_t hash)
{
    hash *= UINT64_C(0x9fb21c651e98df25);
    return hash ^ hash >> 32;
}

/* What stands behind the text, up to a multiple of eight, does not count. */
static uint64_t hash_of(const char *folded, uint32_t len)
{
    uint64_t hash = mix(len + UINT64_C(0x2545f4914f6cdd1d));
    for (uint32_t at = 0; at < len; at += 8) {
        uint64_t part;
        memcpy(&part, folded + at, sizeof part);
        if (len - at < 8)
            part &= (UINT64_C(1) << 8 * (len - at)) - 1;
        hash = mix(hash ^ part);
    }
    return mix(hash);
}

uint64_t word_pair(uint64_t first, uint64_t second)
{
    return mix(mix(first) + second);
}

void words_init(struct words *words, str text)
{
    assert(text.len <= UINT32_MAX);
    words->text = text;
    words->at = 0;
    words->len = 0;
}

/* A code point from a byte that is not ASCII; its length, 0 when it is not valid. */
static uint32_t code_point(const unsigned char *at, size_t left, uint32_t *ret_code)
{
    uint32_t need = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4 || need > left)
        return 0;
    uint32_t code = at[0] & (0xffU >> (need + 1));
    for (uint32_t i = 1; i < need; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3fU);
    }
    *ret_code = code;
    return need;
}

/* What a character at words->at is, its length, and the text it folds to. */
static enum fold_kind fold_at(const struct words *words, uint32_t *ret_len, str *ret_folded)
{
    const char *at = words->text.ptr + words->at;
    uint32_t code = 0;
    uint32_t len = code_point((const unsigned char *)at, words->text.len - words->at, &code);
    *ret_len = len ? len : 1;
    *ret_folded = str_make(at, len);
    if (!len)
        return FOLD_SEPARATOR;
    if (code >= FOLD_LAST)
        return code < 0x40000 ? FOLD_SINGLE : FOLD_SEPARATOR;
    uint32_t entry = fold_pages[fold_index[code / 256]][code % 256];
    if (entry >> 2 & 63)
        *ret_folded = str_make((const char *)fold_pool + (entry >> 8), entry >> 2 & 63);
    return (enum fold_kind)(entry & 3);
}

static void word_add(struct words *words, str folded)
{
    if (words->len < WORD_BYTES_MAX)
        memcpy(words->folded + words->len, folded.ptr, folded.len); /* the room is for one more */
    words->len = (uint32_t)MIN(words->len + folded.len, (size_t)WORD_BYTES_MAX);
}

/* At a byte that is not ASCII: true when the word ends there (or it is a word alone). */
static bool take_wide(struct words *words, struct word *word)
{
    uint32_t len;
    str folded;
    enum fold_kind kind = fold_at(words, &len, &folded);
    if (kind == FOLD_SEPARATOR || kind == FOLD_SINGLE) {
        if (words->len)
            return true;
        words->at += len;
        word->from = (uint32_t)(words->at - len);
        word->is_single = kind == FOLD_SINGLE;
        if (word->is_single)
            word_add(words, folded);
        word->to = (uint32_t)words->at;
        return word->is_single;
    }
    if (!words->len)
        word->from = (uint32_t)words->at;
    words->at += len;
    if (kind == FOLD_WORD) {
        word_add(words, folded);
        word->to = (uint32_t)words->at;
    }
    return false;
}

#define ONES UINT64_C(0x0101010101010101)

/* Eight bytes at once: letters and digits of ASCII at its beginning, folded, zeros behind. */
static uint32_t eight_take(const char *at, uint64_t *ret_folded)
{
    const uint64_t highs = ONES << 7;
    uint64_t raw;
    memcpy(&raw, at, sizeof raw);
    uint64_t low = raw & ~highs, lower = low | ONES * 0x20; /* no sum below carries */
    uint64_t letters = (lower + ONES * (0x80 - 'a')) & ~(lower + ONES * (0x80 - 'z' - 1));
    uint64_t digits = (low + ONES * (0x80 - '0')) & ~(low + ONES * (0x80 - '9' - 1));
    uint64_t ends = ~((letters | digits) & ~raw) & highs;
    if (!ends) {
        *ret_folded = lower;
        return 8;
    }
    uint64_t before = (ends & -ends) - 1; /* bits below the first end's */
    uint32_t len = (uint32_t)__builtin_ctzll(ends) / 8;
    *ret_folded = lower & before & ~(UINT64_C(0xff) << 8 * len);
    return len;
}

/* Letters and digits, as far as they go. */
static void ascii_take(struct words *words)
{
    const char *text = words->text.ptr;
    size_t at = words->at, end = words->text.len;
    uint32_t len = words->len;
    uint32_t got = 8;
    while (got == 8 && len % 8 == 0 && end - at >= 8) {
        uint64_t folded;
        got = eight_take(text + at, &folded);
        memcpy(words->folded + MIN(len, (uint32_t)WORD_BYTES_MAX), &folded, sizeof folded);
        len = MIN(len + got, (uint32_t)WORD_BYTES_MAX);
        at += got;
    }
    for (unsigned char c; at < end && got == 8 && (c = ascii[(unsigned char)text[at]]) != 0; at++) {
        words->folded[len] = (char)c;
        len += len < WORD_BYTES_MAX;
    }
    words->at = at;
    words->len = len;
}

bool words_next(struct words *words, struct word *ret_word)
{
    const unsigned char *text = (const unsigned char *)words->text.ptr;
    size_t end = words->text.len;
    struct word word = { .is_single = false };
    words->len = 0;
    while (words->at < end) {
        if (ascii[text[words->at]]) {
            if (!words->len)
                word.from = (uint32_t)words->at;
            ascii_take(words);
            word.to = (uint32_t)words->at;
        } else if (text[words->at] >= 0x80) {
            if (take_wide(words, &word))
                break;
        } else if (words->len) {
            break;
        } else {
            words->at++;
        }
    }
    if (!words->len)
        return false;
    word.hash = hash_of(words->folded, words->len);
    *ret_word = word;
    return true;
}
