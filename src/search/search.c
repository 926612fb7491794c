/* search.c -- the door: opening, and the thread that makes the index.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "search/search_int.h"

enum err search_open(const struct search_config *config, struct search **ret_search,
                     struct diag *reterr_why)
{
    assert(config->content && config->dir && config->files && config->key_of);
    assert(config->threads >= 1 && config->threads <= SEARCH_THREADS_MAX);
    enum err err = dir_ensure(config->dir, 0700, reterr_why);
    if (err)
        return err;
    struct search *search = xcalloc(1, sizeof *search);
    search->config = *config;
    search->dir = xstrdup_str(str_from_c(config->dir));
    search->config.dir = search->dir;
    search->stop = queue_new(1);
    *ret_search = search;
    return ERR_OK;
}

void search_start(struct search *search)
{
    if (search->config.makes_index)
        thread_start_behind(&search->builder, "search-index", builder_run, search);
}

void search_stop(struct search *search)
{
    queue_close(search->stop);
    thread_join(&search->builder);
}

void search_close(struct search *search)
{
    if (!search)
        return;
    search_stop(search);
    queue_free(search->stop);
    xfree(search->dir);
    xfree(search);
}

void search_status(const struct search *search, struct search_status *ret_status)
{
    *ret_status = (struct search_status){ .plain_bytes = atomic_load(&search->plain_bytes),
                                          .index_bytes = atomic_load(&search->index_bytes),
                                          .waiting_bytes = atomic_load(&search->waiting_bytes) };
}
