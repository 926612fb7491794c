/* fuzz_params.c -- any query string through decoding and both plans.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "query/query.h"
#include "store/store_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct query_param *params;
    size_t count;
    struct diag why = DIAG_NONE;
    const int64_t now_ns = INT64_C(1795258800) * NS_PER_S;
    arena_init(&arena, 8 * MIB);
    str query = { (const char *)data, size };
    if (query_parse_params(&arena, query, &params, &count, &why) == ERR_OK) {
        struct store_list list;
        struct query_aggregate plan;
        if (query_plan_list(&arena, params, count, now_ns, &list, &why) == ERR_OK)
            assert(list.limit >= 1 && list.limit <= QUERY_LIMIT_MAX &&
                   list.scope.range.from_ns < list.scope.range.to_ns);
        if (query_plan_aggregate(&arena, params, count, now_ns, &plan, &why) == ERR_OK)
            assert(plan.metric_count >= 1 && plan.ask.by_count <= STORE_BY_MAX &&
                   aggregate_check(&plan.ask, &why) == ERR_OK);
    }
    arena_clear(&arena);
    return 0;
}
