/* otlp_point.c -- a data point of OTLP becomes a raw_metric: value, buckets as JSON, checks.
 *
 * Buckets are kept as one JSON text, since nothing here computes with them:
 *   histogram              {"bounds":[...],"counts":[...]}
 *   exponential histogram  {"scale":n,"zero_count":n,"zero_threshold":x,
 *                           "offset":n,"counts":[...],"negative_offset":n,"negative_counts":[...]}
 *   summary                {"quantiles":[[q,v],...]}
 * min and max follow in the first two when they were sent.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/otlp_int.h"

enum { FLAG_NO_RECORDED_VALUE = 1 };

static void counts_write(struct buf *out, const char *name, const struct otlp_list *list)
{
    const uint64_t *counts = list->items;
    buf_add_c(out, name);
    for (uint32_t i = 0; i < list->count; i++) {
        if (i)
            buf_add_char(out, ',');
        buf_add_u64(out, counts[i]);
    }
    buf_add_char(out, ']');
}

static void min_max_write(struct buf *out, const struct otlp_point *point)
{
    if (point->min.is_set) {
        buf_add_c(out, ",\"min\":");
        buf_add_f64(out, point->min.value);
    }
    if (point->max.is_set) {
        buf_add_c(out, ",\"max\":");
        buf_add_f64(out, point->max.value);
    }
    buf_add_char(out, '}');
}

static void histogram_write(struct buf *out, const struct otlp_point *point)
{
    const double *bounds = point->bounds.items;
    buf_add_c(out, "{\"bounds\":[");
    for (uint32_t i = 0; i < point->bounds.count; i++) {
        if (i)
            buf_add_char(out, ',');
        buf_add_f64(out, bounds[i]);
    }
    counts_write(out, "],\"counts\":[", &point->positive.counts);
    min_max_write(out, point);
}

static void exponential_write(struct buf *out, const struct otlp_point *point)
{
    buf_add_c(out, "{\"scale\":");
    buf_add_i64(out, point->scale);
    buf_add_c(out, ",\"zero_count\":");
    buf_add_u64(out, point->zero_count);
    buf_add_c(out, ",\"zero_threshold\":");
    buf_add_f64(out, point->zero_threshold);
    buf_add_c(out, ",\"offset\":");
    buf_add_i64(out, point->positive.offset);
    counts_write(out, ",\"counts\":[", &point->positive.counts);
    buf_add_c(out, ",\"negative_offset\":");
    buf_add_i64(out, point->negative.offset);
    counts_write(out, ",\"negative_counts\":[", &point->negative.counts);
    min_max_write(out, point);
}

static void summary_write(struct buf *out, const struct otlp_point *point)
{
    const struct otlp_quantile *quantiles = point->quantiles.items;
    buf_add_c(out, "{\"quantiles\":[");
    for (uint32_t i = 0; i < point->quantiles.count; i++) {
        buf_add_c(out, i ? ",[" : "[");
        buf_add_f64(out, quantiles[i].quantile);
        buf_add_char(out, ',');
        buf_add_f64(out, quantiles[i].value);
        buf_add_char(out, ']');
    }
    buf_add_c(out, "]}");
}

static enum err buckets_keep(struct otlp *otlp, struct otlp_point *point, enum otlp_message data)
{
    buf_reset(&otlp->text);
    if (data == OTLP_MSG_histogram)
        histogram_write(&otlp->text, point);
    else if (data == OTLP_MSG_exp_histogram)
        exponential_write(&otlp->text, point);
    else
        summary_write(&otlp->text, point);
    if (!buf_failed(&otlp->text))
        point->metric.buckets_json = arena_str(otlp->arena, buf_str(&otlp->text));
    return point->metric.buckets_json.ptr ? ERR_OK : otlp_no_room(otlp);
}

enum err otlp_point_finish(struct otlp *otlp, struct otlp_point *point)
{
    struct raw_metric *metric = &point->metric;
    enum otlp_message data = otlp->metric->data;
    bool is_stale = metric->flags & FLAG_NO_RECORDED_VALUE;
    metric->has_value = (point->value.is_set || data == OTLP_MSG_summary) && !is_stale;
    metric->value = metric->has_value ? point->value.value : 0;
    if (data == OTLP_MSG_gauge || data == OTLP_MSG_sum)
        return ERR_OK;
    uint32_t bounds = point->bounds.count, counts = point->positive.counts.count;
    if (data == OTLP_MSG_histogram && (bounds || counts) && counts != bounds + 1)
        return otlp_bad(otlp, otlp->body.ptr, "bucket_counts has %u entries for %u explicit_bounds",
                        counts, bounds);
    return buckets_keep(otlp, point, data);
}
