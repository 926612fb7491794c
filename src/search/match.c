/* match.c -- does a text hold what is searched for, and what of it is shown.
 *
 * All words of all terms are one row of bits.  A word of the text that equals word i of the row
 * moves bit i-1 to bit i, and words that begin a term need no bit before them: so any number of
 * phrases, overlapping or not, are followed in one pass.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/utf8.h"
#include "search/search_int.h"

enum { BYTES_BEFORE = 90, BYTES_AFTER = 200 };

static uint64_t equal_bits(const struct search_query *query, const struct words *words,
                           const struct word *word)
{
    uint64_t bits = 0;
    for (uint32_t i = 0; i < query->count; i++) {
        const struct query_word *q = &query->words[i];
        bool is_equal = q->is_prefix
                            ? words->len >= q->len && memcmp(words->folded, q->folded, q->len) == 0
                            : q->hash == word->hash;
        bits |= (uint64_t)is_equal << i;
    }
    return bits;
}

static uint64_t step(const struct search_query *query, uint64_t state, const struct words *words,
                     const struct word *word)
{
    uint64_t equal = equal_bits(query, words, word);
    return equal ? (state << 1 | query->starts) & equal : 0;
}

/* Ends of the terms that the text holds. */
static uint64_t text_ends(const struct search_query *query, str text)
{
    struct words words;
    struct word word;
    uint64_t state = 0, found = 0;
    words_init(&words, text);
    while (words_next(&words, &word)) {
        state = step(query, state, &words, &word);
        found |= state & query->ends;
    }
    return found;
}

/* ---- the snippet ---- */

/* Words of the term that ends at bit `end`. */
static uint32_t term_length(const struct search_query *query, uint32_t end)
{
    uint32_t len = 1;
    while (!(query->starts >> (end + 1 - len) & 1))
        len++;
    return len;
}

static size_t char_start(str text, size_t at)
{
    while (at > 0 && at < text.len && ((unsigned char)text.ptr[at] & 0xc0) == 0x80)
        at--;
    return at;
}

struct shown {
    size_t from, to; /* bytes of the text; to 0: nothing found yet */
    struct search_snippet *snippet;
    str text;
};

static void mark_add(struct shown *shown, size_t from, size_t to)
{
    if (!shown->to) {
        shown->from = char_start(shown->text, from > BYTES_BEFORE ? from - BYTES_BEFORE : 0);
        shown->to = char_start(shown->text, MIN(from + BYTES_AFTER, shown->text.len));
    }
    struct search_snippet *snippet = shown->snippet;
    to = MIN(to, shown->to);
    if (from < shown->from || from >= to || snippet->mark_count == SEARCH_MARKS_MAX)
        return;
    str before = str_sub(shown->text, shown->from, from - shown->from);
    uint32_t start = (uint32_t)utf8_count(before);
    uint32_t len = (uint32_t)utf8_count(str_sub(shown->text, from, to - from));
    snippet->marks[snippet->mark_count++] = (struct search_mark){ start, start + len };
}

/* The text holds some term. */
static bool snippet_make(const struct search_query *query, str text, struct arena *arena,
                         struct search_snippet *ret_snippet)
{
    struct words words;
    struct word word;
    uint32_t starts[SEARCH_WORDS_MAX] = { 0 }; /* of the last words, by their number */
    uint64_t state = 0;
    struct shown shown = { .snippet = ret_snippet, .text = text };
    *ret_snippet = (struct search_snippet){ .mark_count = 0 };
    words_init(&words, text);
    for (uint32_t number = 0; words_next(&words, &word); number++) {
        starts[number % SEARCH_WORDS_MAX] = word.from;
        state = step(query, state, &words, &word);
        for (uint64_t ended = state & query->ends; ended; ended &= ended - 1) {
            uint32_t len = term_length(query, (uint32_t)__builtin_ctzll(ended));
            mark_add(&shown, starts[(number + 1 - len) % SEARCH_WORDS_MAX], word.to);
        }
        if (shown.to && word.from >= shown.to)
            break;
    }
    ret_snippet->text = arena_str(arena, str_sub(text, shown.from, shown.to - shown.from));
    return !str_is_none(ret_snippet->text);
}

bool search_item(const struct search_query *query, str json, struct buf *scratch,
                 struct arena *arena, struct search_snippet *ret_snippet)
{
    struct texts texts;
    uint64_t found = 0;
    size_t first = SIZE_MAX; /* the text with the first term: its number */
    str text;
    texts_init(&texts, json, scratch);
    for (size_t i = 0; found != query->ends && texts_next(&texts, &text); i++) {
        uint64_t ends = text_ends(query, text);
        first = ends && !found ? i : first;
        found |= ends;
    }
    if (found != query->ends)
        return false;
    if (!ret_snippet)
        return true;
    texts_init(&texts, json, scratch);
    for (size_t i = 0; i <= first; i++)
        if (!texts_next(&texts, &text))
            return false;
    return snippet_make(query, text, arena, ret_snippet);
}
