/* query.c -- what is searched for: words, "phrases", begin* -- and what a filter must have of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/utf8.h"
#include "search/search_int.h"

static enum err word_take(struct search_query *query, const struct words *words,
                          const struct word *word, struct diag *why)
{
    if (query->count == SEARCH_WORDS_MAX)
        return diag_set_at(why, ERR_BAD_INPUT, word->from, "more than %d words", SEARCH_WORDS_MAX);
    struct query_word *to = &query->words[query->count++];
    *to = (struct query_word){ .hash = word->hash, .len = words->len };
    memcpy(to->folded, words->folded, words->len);
    return ERR_OK;
}

static void probe_add(struct search_query *query, uint64_t hash)
{
    for (uint32_t i = 0; i < query->probe_count; i++)
        if (query->probes[i] == hash)
            return;
    query->probes[query->probe_count++] = hash;
}

/* One term: the words of a piece stand side by side. */
static enum err term_add(struct search_query *query, str piece, bool is_prefix, struct diag *why)
{
    struct words words;
    struct word word, before = { .is_single = false };
    uint32_t first = query->count;
    words_init(&words, piece);
    while (words_next(&words, &word)) {
        enum err err = word_take(query, &words, &word, why);
        if (err)
            return err;
        bool is_last = words.at == piece.len;
        struct query_word *taken = &query->words[query->count - 1];
        taken->is_prefix = is_prefix && is_last && !word.is_single;
        if (before.is_single && word.is_single)
            probe_add(query, word_pair(before.hash, word.hash));
        if (!taken->is_prefix)
            probe_add(query, word.hash);
        before = word;
    }
    if (query->count > first) {
        query->starts |= UINT64_C(1) << first;
        query->ends |= UINT64_C(1) << (query->count - 1);
    }
    return ERR_OK;
}

/* The piece at *at, up to white space or, of a phrase, up to its quote. */
static str piece_take(str text, size_t *at)
{
    bool is_phrase = text.ptr[*at] == '"';
    size_t from = *at + is_phrase, to = from;
    while (to < text.len && (is_phrase ? text.ptr[to] != '"'
                                       : !strchr(" \t\r\n\"", text.ptr[to] ? text.ptr[to] : 1)))
        to++;
    *at = to + (is_phrase && to < text.len);
    return str_sub(text, from, to - from);
}

enum err search_parse(struct arena *arena, str text, struct search_query **ret_query,
                      struct diag *reterr_why)
{
    struct search_query *query = arena_new(arena, struct search_query, 1);
    if (!query)
        return diag_set(reterr_why, ERR_LIMIT, "no room for the question");
    if (text.len > SEARCH_TEXT_BYTES_MAX)
        return diag_set(reterr_why, ERR_BAD_INPUT, "longer than %d bytes", SEARCH_TEXT_BYTES_MAX);
    if (!utf8_is_valid(text))
        return diag_set(reterr_why, ERR_BAD_INPUT, "not valid UTF-8");
    enum err err = ERR_OK;
    for (size_t at = 0; at < text.len && !err;) {
        if (strchr(" \t\r\n", text.ptr[at]) && text.ptr[at]) {
            at++;
            continue;
        }
        bool is_phrase = text.ptr[at] == '"';
        str piece = piece_take(text, &at);
        bool is_prefix = !is_phrase && str_ends(piece, STR_OF("*"));
        err = term_add(query, str_sub(piece, 0, piece.len - is_prefix), is_prefix, reterr_why);
    }
    if (err)
        return err;
    if (query->count == 0) {
        diag_set(reterr_why, ERR_BAD_INPUT, "there is no word to search for");
        return diag_hint(reterr_why,
                         "words=refund policy, or words=\"refund policy\" for that order");
    }
    *ret_query = query;
    return ERR_OK;
}

str search_query_words(struct arena *arena, const struct search_query *query)
{
    char *out = arena_alloc(arena, (size_t)query->count * (WORD_BYTES_MAX + 2) + 1);
    size_t len = 0;
    for (uint32_t i = 0; out && i < query->count; i++) {
        memcpy(out + len, query->words[i].folded, query->words[i].len);
        len += query->words[i].len;
        if (query->words[i].is_prefix)
            out[len++] = '*';
        out[len++] = query->ends >> i & 1 ? '\n' : ' ';
    }
    return out ? str_make(out, len) : STR_NONE;
}
