/* kept_report.c -- see kept_report.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "api/kept_report.h"
#include "base/arena.h"

enum { KEPT_TIMES = 20 };

static void item_clear(struct kept_report *item)
{
    xfree(item->key);
    xfree(item->body);
    *item = (struct kept_report){ .key = NULL };
}

void kept_reports_clear(struct kept_reports *kept)
{
    for (size_t i = 0; i < KEPT_REPORTS; i++)
        item_clear(&kept->items[i]);
}

static bool is_of(const struct kept_report *item, str key)
{
    return item->key && str_equal(str_make(item->key, item->key_len), key);
}

str kept_report_find(const struct kept_reports *kept, str key, int64_t now_ns)
{
    for (size_t i = 0; i < KEPT_REPORTS; i++)
        if (is_of(&kept->items[i], key) && now_ns < kept->items[i].until_ns)
            return str_make(kept->items[i].body, kept->items[i].body_len);
    return STR_NONE;
}

void kept_report_put(struct kept_reports *kept, str key, str body, int64_t took_ns, int64_t now_ns)
{
    if (took_ns < KEPT_REPORT_SLOW_NS || body.len > KEPT_REPORT_BYTES_MAX)
        return;
    struct kept_report *to = &kept->items[0];
    for (size_t i = 0; i < KEPT_REPORTS && !is_of(to, key); i++)
        if (is_of(&kept->items[i], key) || kept->items[i].until_ns < to->until_ns)
            to = &kept->items[i];
    item_clear(to);
    *to =
        (struct kept_report){ .key = xstrdup_str(key),
                              .body = xstrdup_str(body),
                              .key_len = key.len,
                              .body_len = body.len,
                              .until_ns = now_ns + MIN(took_ns * KEPT_TIMES, KEPT_REPORT_NS_MAX) };
}
