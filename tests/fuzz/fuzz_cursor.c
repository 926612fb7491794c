/* fuzz_cursor.c -- any text as a cursor: refused, or exactly one that we would write.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "query/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct store_list list;
    struct query_param param = { STR("cursor"), { (const char *)data, size } };
    arena_init(&arena, MIB);
    if (query_plan_list(&arena, &param, 1, 0, &list, NULL) == ERR_OK && list.has_after) {
        struct store_span row = { .settled = false };
        row.span.start_time = list.after_start_ns;
        row.span.trace_id = list.after_trace_id;
        row.span.span_id = list.after_span_id;
        str again = query_cursor_of_span(&arena, STORE_SORT_START, &row);
        assert(list.after_value != list.after_start_ns || str_equal(again, param.value));
    }
    arena_clear(&arena);
    return 0;
}
