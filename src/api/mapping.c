/* mapping.c -- what senders say that no row of the mapping understands: names, never values; and
 * who is read by which version of the mapping.
 *
 * Each worker counts in a table of its own; here they are added up.  A key bound to a tenant
 * may not ask: names are counted per project.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "api/api_int.h"
#include "base/text.h"
#include "norm/pin.h"
#include "norm/unmapped.h"
#include "sys/clock.h"

static enum err limit_of(const struct api_job *job, size_t *ret_limit, struct diag *why)
{
    str text = query_param_find(job->query, job->query_count, STR_OF("limit"));
    uint64_t limit = QUERY_LIMIT_DEFAULT;
    if (!str_is_none(text) && (!str_to_u64(text, &limit) || limit < 1 || limit > QUERY_LIMIT_MAX))
        return diag_set(why, ERR_BAD_INPUT, "limit must be a number from 1 to %d", QUERY_LIMIT_MAX);
    *ret_limit = (size_t)limit;
    return ERR_OK;
}

static void add_text(struct buf *out, const char *key, str text)
{
    buf_printf(out, ",\"%s\":", key);
    if (text.len)
        buf_add_json_str(out, text);
    else
        buf_add_c(out, "null");
}

static void add_time(struct buf *out, const char *key, int64_t time_ns)
{
    buf_printf(out, ",\"%s\":\"", key);
    time_format(out, time_ns, 3);
    buf_add_char(out, '"');
}

static void add_item(struct buf *out, const struct unmapped_item *item)
{
    buf_add_c(out, "{\"name\":");
    buf_add_json_str(out, item->name);
    buf_printf(out, ",\"count\":%llu,\"newer_count\":%llu", (unsigned long long)item->count,
               (unsigned long long)item->newer_count);
    add_time(out, "first_seen", item->first_ns);
    add_time(out, "last_seen", item->last_ns);
    add_text(out, "scope", item->scope);
    add_text(out, "service", item->service);
    add_text(out, "dialect", item->dialect);
    buf_add_char(out, '}');
}

uint32_t api_unmapped_tables(const struct api *api, const struct unmapped **ret_tables)
{
    uint32_t count = atomic_load(&api->worker_count);
    for (uint32_t i = 0; i < count; i++)
        ret_tables[i] = receiver_unmapped(ingest_receiver(api->workers[i]->ingest));
    return count;
}

API_HANDLER(api_list_unmapped)
{
    static const char *const allowed[] = { "prefix", "limit" };
    const struct api *api = job->worker->api;
    size_t limit = 0;
    if (!str_is_none(job->who.tenant)) {
        diag_set(reterr_why, ERR_FORBIDDEN, "names are counted for a project, not for a tenant");
        diag_hint(reterr_why, "ask with a key that is not bound to a tenant");
        return ERR_FORBIDDEN;
    }
    enum err err =
        query_params_check(job->query, job->query_count, allowed, COUNT_OF(allowed), reterr_why);
    if (!err)
        err = limit_of(job, &limit, reterr_why);
    if (err)
        return err;
    const struct unmapped *tables[API_WORKERS_MAX];
    uint32_t count = api_unmapped_tables(api, tables);
    struct unmapped_items found;
    str prefix = query_param_find(job->query, job->query_count, STR_OF("prefix"));
    err = unmapped_list(&job->arena, tables, count, job->who.project, prefix, &found);
    if (err)
        return diag_set(reterr_why, err, "too many names for one answer");
    buf_add_c(&job->body, "{\"items\":[");
    for (size_t i = 0; i < MIN(limit, found.count); i++) {
        buf_add_c(&job->body, i ? "," : "");
        add_item(&job->body, &found.items[i]);
    }
    int64_t uptime_ns = clock_monotonic_ns() - api->config.started_ns;
    buf_add_c(&job->body, "],\"next_cursor\":null");
    add_time(&job->body, "since", clock_now_ns() - uptime_ns);
    buf_printf(&job->body, ",\"name_count\":%zu,\"other_count\":%llu}\n", found.count,
               (unsigned long long)found.other_count);
    return ERR_OK;
}

static void add_pin(struct buf *out, const struct pin *pin)
{
    buf_add_c(out, "{\"version\":");
    buf_add_json_str(out, pin->text);
    add_text(out, "tenant", pin->tenant);
    add_time(out, "set", pin->set_ns);
    buf_add_char(out, '}');
}

/* Those of the project; a key bound to a tenant sees what holds for that one. */
API_HANDLER(api_list_pins)
{
    enum err err = query_params_check(job->query, job->query_count, NULL, 0, reterr_why);
    const struct pins_place *place = job->worker->api->config.pins;
    const struct pins *pins =
        place ? atomic_load_explicit(&place->current, memory_order_acquire) : NULL;
    if (err || !pins)
        return err ? err : diag_set(reterr_why, ERR_UNSUPPORTED, "there is no mapping here");
    bool is_first = true;
    buf_add_c(&job->body, "{\"items\":[");
    for (size_t i = 0; i < pins_count(pins); i++) {
        const struct pin *pin = pins_at(pins, i);
        bool is_mine = str_is_none(job->who.tenant) || str_is_none(pin->tenant) ||
                       str_equal(pin->tenant, job->who.tenant);
        if (!is_mine || !str_equal(pin->project, job->who.project))
            continue;
        buf_add_c(&job->body, is_first ? "" : ",");
        add_pin(&job->body, pin);
        is_first = false;
    }
    buf_add_c(&job->body, "],\"next_cursor\":null,\"newest\":");
    buf_add_json_str(&job->body, pins_newest(pins)->text);
    buf_add_c(&job->body, ",\"in_force\":");
    buf_add_json_str(&job->body, pins_find(pins, job->who.project, job->who.tenant)->text);
    buf_add_c(&job->body, "}\n");
    return ERR_OK;
}
