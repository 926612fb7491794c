/* fuzz_filter.c -- any text: parse, write, parse again, evaluate; complete at some places.
 *
 * Besides memory errors it holds the property that what is written for a parsed filter
 * parses, and is written the same again; and of a regular expression that it is written anew
 * without a byte of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "query/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct filter *parse_again(struct arena *arena, struct buf *text)
{
    const struct filter *filter = NULL;
    enum err code = query_parse_filter(arena, buf_str(text), 0, &filter, NULL);
    assert(code == ERR_OK || code == ERR_LIMIT); /* longer and deeper than what was read */
    return code == ERR_OK ? filter : NULL;
}

static void evaluate(const struct filter *filter)
{
    static const char *const texts[] = { "", "chat gpt-4o", "a/b.c \xc3\xa9\n" };
    for (size_t i = 0; i < 3 && query_check_local(filter, NULL) == ERR_OK; i++) {
        struct span span = { 0 };
        if (i) {
            SPAN_SET(&span, name, str_from_c(texts[i]));
            SPAN_SET(&span, tool_name, str_from_c(texts[i]));
            SPAN_SET(&span, faithfulness, 0.5);
        }
        (void)filter_matches(filter, &span);
    }
}

static void complete(struct arena *arena, str text)
{
    struct query_completion what;
    struct query_items *items = arena_new(arena, struct query_items, 1);
    for (size_t part = 0; items && part <= 3; part++) {
        size_t at = text.len * part / 3;
        if (query_complete(arena, text, at, &what, NULL) != ERR_OK)
            return;
        assert(what.from <= at && at <= what.to && what.to <= text.len);
        *items = (struct query_items){ .arena = arena };
        query_completion_known(&what, items);
        (void)query_quoted_if_needed(arena, what.prefix);
    }
}

static void regex(struct arena *arena, str text)
{
    const struct regex *regex = NULL;
    struct diag why = DIAG_NONE;
    enum err code = regex_compile(arena, text, &regex, &why);
    assert(code == ERR_OK || why.code == code);
    assert(code == ERR_OK || why.offset <= text.len);
    if (code != ERR_OK)
        return;
    (void)regex_matches(regex, STR_OF("gpt-4o \xc3\xa9\xff a_b"));
    (void)regex_matches(regex, text);
    const char *portable = regex_portable(regex);
    assert(strspn(portable, "0123456789ABCDEFxzb\\{}()[]?:|*,^-") == strlen(portable));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct buf first, second;
    const struct filter *filter = NULL;
    struct diag why = DIAG_NONE;
    arena_init(&arena, 8 * MIB);
    buf_init(&first, MIB);
    buf_init(&second, MIB);
    str text = { (const char *)data, size };
    enum err code = query_parse_filter(&arena, text, 0, &filter, &why);
    assert(code == ERR_OK || why.code == code);
    assert(code == ERR_OK || why.offset == SIZE_MAX || why.offset <= size);
    if (code == ERR_OK && filter) {
        evaluate(filter);
        query_format_filter(&first, filter);
        const struct filter *again = parse_again(&arena, &first);
        query_format_filter(&second, again);
        assert(!again || str_equal(buf_str(&first), buf_str(&second)));
    }
    complete(&arena, text);
    arena_reset(&arena);
    regex(&arena, text);
    buf_clear(&first);
    buf_clear(&second);
    arena_clear(&arena);
    return 0;
}
