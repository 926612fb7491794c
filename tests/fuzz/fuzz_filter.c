/* fuzz_filter.c -- any text: parse, write, parse again, evaluate.
 *
 * Besides memory errors it holds the property that what is written for a parsed filter
 * parses, and is written the same again.
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
        static const struct span nothing;
        (void)filter_matches(filter, &nothing);
        query_format_filter(&first, filter);
        const struct filter *again = parse_again(&arena, &first);
        query_format_filter(&second, again);
        assert(!again || str_equal(buf_str(&first), buf_str(&second)));
    }
    buf_clear(&first);
    buf_clear(&second);
    arena_clear(&arena);
    return 0;
}
