/* memory_logs.c -- lists and counts of log records in the reference store.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/memory_int.h"

#include <stdlib.h>

static int row_cmp(const void *a, const void *b)
{
    return log_order(&((const struct store_log *)a)->log, &((const struct store_log *)b)->log);
}

static bool is_visible(struct store *store, const struct store_scope *scope,
                       const struct memory_log *row)
{
    return str_equal(row->project, scope->project) &&
           memory_trace_is_visible(store, scope, row->row.log.trace_id);
}

static enum err list_collect(struct store *store, const struct store_log_list *ask,
                             struct arena *arena, struct store_log **ret_logs, size_t *ret_count)
{
    struct store_log *logs = arena_new(arena, struct store_log, store->log_count + 1);
    size_t count = 0;
    if (!logs)
        return ERR_LIMIT;
    for (size_t i = 0; i < store->log_count; i++)
        if (is_visible(store, &ask->scope, &store->logs[i]) &&
            log_is_asked(ask, &store->logs[i].row) &&
            !log_clone(arena, &store->logs[i].row, &logs[count++]))
            return ERR_LIMIT;
    qsort(logs, count, sizeof *logs, row_cmp);
    *ret_logs = logs;
    *ret_count = MIN(count, (size_t)ask->limit);
    return ERR_OK;
}

enum err memory_log_list(struct store *store, const struct store_log_list *ask, struct arena *arena,
                         struct store_log **ret_logs, size_t *ret_count, struct diag *reterr_why)
{
    enum err code = log_list_check(ask, reterr_why);
    if (code == ERR_OK)
        code = memory_deadline(&ask->scope, reterr_why);
    if (code != ERR_OK)
        return code;
    pthread_rwlock_rdlock(&store->lock);
    code = list_collect(store, ask, arena, ret_logs, ret_count);
    pthread_rwlock_unlock(&store->lock);
    return code == ERR_OK ? ERR_OK : diag_set(reterr_why, code, "no room for the log records");
}

static struct store_log_count *count_get(struct store_log_count *counts, size_t *count, str service)
{
    for (size_t i = 0; i < *count; i++)
        if (str_equal(counts[i].service, service))
            return &counts[i];
    counts[*count] = (struct store_log_count){ .service = service };
    return &counts[(*count)++];
}

static int count_cmp(const void *a, const void *b)
{
    const struct store_log_count *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return str_cmp(x->service, y->service);
}

static bool counts_collect(struct store *store, const struct store_scope *scope,
                           struct arena *arena, struct store_log_count *counts, size_t *ret_count)
{
    for (size_t i = 0; i < store->log_count; i++) {
        const struct store_log *row = &store->logs[i].row;
        if (!str_equal(store->logs[i].project, scope->project) || !str_is_none(scope->tenant) ||
            row->log.time_ns < scope->range.from_ns || row->log.time_ns >= scope->range.to_ns)
            continue;
        struct store_log_count *at = count_get(counts, ret_count, row->log.service);
        at->count++;
        at->unstructured_count += log_is_unstructured(row->attrs_json);
    }
    for (size_t i = 0; i < *ret_count; i++) {
        str text = counts[i].service.len ? arena_str(arena, counts[i].service) : STR_OF("");
        if (str_is_none(text))
            return false;
        counts[i].service = text;
    }
    qsort(counts, *ret_count, sizeof *counts, count_cmp);
    return true;
}

enum err memory_log_counts(struct store *store, const struct store_scope *scope,
                           struct arena *arena, struct store_log_count **ret_counts,
                           size_t *ret_count, struct diag *reterr_why)
{
    size_t count = 0;
    enum err code = memory_deadline(scope, reterr_why);
    if (code != ERR_OK)
        return code;
    pthread_rwlock_rdlock(&store->lock);
    struct store_log_count *counts = arena_new(arena, struct store_log_count, store->log_count + 1);
    bool fits = counts && counts_collect(store, scope, arena, counts, &count);
    pthread_rwlock_unlock(&store->lock);
    if (!fits)
        return diag_set(reterr_why, ERR_LIMIT, "no room for the counts");
    *ret_counts = counts;
    *ret_count = count;
    return ERR_OK;
}
