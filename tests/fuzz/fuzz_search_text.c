/* fuzz_search_text.c -- any bytes as the JSON of an item, and as what is searched for: every text
 * that is found in an item is found by a search for its first words.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/utf8.h"
#include "search/search_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void snippet_check(const struct search_snippet *snippet)
{
    size_t chars = utf8_count(snippet->text);
    for (uint32_t i = 0; i < snippet->mark_count; i++)
        assert(snippet->marks[i].from <= snippet->marks[i].to && snippet->marks[i].to <= chars);
}

/* The first bytes of a text, as a phrase. */
static void phrase_check(str json, str text, struct arena *arena)
{
    struct search_query *query;
    struct search_snippet snippet;
    struct words words;
    struct word word;
    struct buf scratch;
    char phrase[66] = "\"";
    size_t len = 0, end = 0;
    words_init(&words, text);
    while (words_next(&words, &word) && word.to <= 64)
        end = word.to;
    for (; len < end; len++)
        phrase[len + 1] = text.ptr[len] == '"' ? ' ' : text.ptr[len];
    if (search_parse(arena, str_make(phrase, len + 1), &query, NULL) != ERR_OK)
        return;
    buf_init(&scratch, 1 << 20);
    assert(search_item(query, json, &scratch, arena, &snippet));
    snippet_check(&snippet);
    buf_clear(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct buf scratch, copy;
    struct texts texts;
    struct search_query *query;
    struct search_snippet snippet;
    str json = str_make((const char *)data, MIN(size, (size_t)1 << 16)), text;
    arena_init(&arena, 1 << 22);
    buf_init(&scratch, 1 << 20);
    buf_init(&copy, 1 << 20);
    texts_init(&texts, json, &scratch);
    for (int i = 0; i < 20 && texts_next(&texts, &text); i++) {
        buf_reset(&copy);
        buf_add_str(&copy, text);
        phrase_check(json, buf_str(&copy), &arena);
    }
    if (size > 8 && search_parse(&arena, str_sub(json, 0, data[0]), &query, NULL) == ERR_OK &&
        search_item(query, str_from(json, data[0]), &scratch, &arena, &snippet))
        snippet_check(&snippet);
    buf_clear(&scratch);
    buf_clear(&copy);
    arena_clear(&arena);
    return 0;
}
