/* shares.c -- what may be asked of shares, and the order of their groups.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/store_int.h"

static enum err condition_check(const struct store_shares *ask,
                                const struct store_condition *condition, struct diag *reterr_why)
{
    const struct filter *const filters[] = { condition->filter, condition->trace_filter,
                                             condition->only };
    enum err code = ERR_OK;
    for (size_t i = 0; i < COUNT_OF(filters) && code == ERR_OK; i++)
        if (filters[i])
            code = filter_check(filters[i], 0, reterr_why);
    if (code == ERR_OK && ask->of_traces && (condition->trace_filter || condition->score_sources))
        code = diag_set(reterr_why, ERR_BAD_INPUT, "of traces only their own rows are asked");
    return code;
}

enum err shares_check(const struct store_shares *ask, struct diag *reterr_why)
{
    enum err code = ask->filter ? filter_check(ask->filter, 0, reterr_why) : ERR_OK;
    if (ask->condition_count > STORE_CONDITIONS_MAX || ask->by_count > STORE_SHARES_BY_MAX)
        return diag_set(reterr_why, ERR_LIMIT, "too many conditions");
    for (uint32_t i = 0; i < ask->by_count && code == ERR_OK; i++)
        if (ask->by[i] >= FIELD_COUNT || field_table[ask->by[i]].column != FIELD_COLUMN_DICT)
            code = diag_set(reterr_why, ERR_BAD_INPUT, "shares are grouped by dictionary texts");
    for (uint32_t i = 0; i < ask->condition_count && code == ERR_OK; i++)
        code = condition_check(ask, &ask->conditions[i], reterr_why);
    return code;
}

int share_group_cmp(const void *a, const void *b)
{
    const struct store_share_group *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    for (size_t i = 0; i < STORE_SHARES_BY_MAX; i++) {
        if (str_is_none(x->by[i]) != str_is_none(y->by[i]))
            return str_is_none(x->by[i]) ? -1 : 1;
        int order = str_cmp(x->by[i], y->by[i]);
        if (order != 0)
            return order;
    }
    return 0;
}
