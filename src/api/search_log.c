/* search_log.c -- the search in what has not settled: its content is still in the log.
 *
 * There is no index of the log, which holds minutes: the newest spans are looked at, and the
 * parts of those that have not settled are read.  How far that went is said.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "api/search_int.h"
#include "model/record.h"
#include "sys/clock.h"

enum {
    RECORD_BYTES_MAX = 80 * 1024 * 1024,
    SPAN_ARENA_BYTES = 128 * 1024 * 1024,
    PAGE_SPANS = QUERY_LIMIT_MAX,
    PAGES_MAX = 8,
};
#define LOG_TIME_NS (400 * NS_PER_MS)

struct log_search {
    struct searching *searching;
    struct buf record, scratch;
    struct wal_position at; /* of the record; segment 0: none */
    struct arena arena;     /* of one span */
    int64_t stop_ns;
    uint64_t unsettled; /* seen so far */
};

static bool record_get(struct log_search *log, const struct store_span *span)
{
    struct wal_position at = { span->log_segment, span->log_offset };
    if (log->at.segment == at.segment && log->at.offset == at.offset)
        return true;
    buf_reset(&log->record);
    log->at = (struct wal_position){ 0 };
    if (wal_read_at(log->searching->job->thread->wal_reader, at, &log->record, NULL) != ERR_OK)
        return false; /* it settled meanwhile: its content is searched after this */
    log->at = at;
    return true;
}

static void span_search(struct log_search *log, const struct store_span *row)
{
    struct searching *searching = log->searching;
    struct search_snippet snippet;
    arena_reset(&log->arena);
    struct span *span = arena_alloc(&log->arena, sizeof *span);
    if (!span || !record_get(log, row) ||
        batch_decode_span(&log->arena, buf_str(&log->record), row->log_index, span, NULL) != ERR_OK)
        return;
    for (uint32_t i = 0; i < span->part_count; i++)
        if (span->parts[i].role != CONTENT_PREVIEW &&
            search_item(searching->query, span->parts[i].json, &log->scratch, &log->arena,
                        &snippet))
            search_hit_json(searching, row, span->parts[i].role, &snippet);
}

/* False: the page is full, or the time is up. */
static bool page_search(struct log_search *log, const struct store_span *spans, size_t count)
{
    struct searching *searching = log->searching;
    for (size_t i = 0; i < count; i++) {
        if (searching->count >= searching->list.limit || clock_monotonic_ns() > log->stop_ns)
            return false;
        log->unsettled += !spans[i].settled;
        if (!spans[i].settled && spans[i].content_roles)
            span_search(log, &spans[i]);
        searching->cursor.start_ns = spans[i].span.start_time;
        searching->cursor.trace_id = spans[i].span.trace_id;
        searching->cursor.span_id = spans[i].span.span_id;
    }
    return true;
}

static enum err pages_search(struct log_search *log, struct diag *why)
{
    struct searching *searching = log->searching;
    const struct api_config *config = &searching->job->worker->api->config;
    struct store_status status;
    config->store_ops->status(config->store, &status);
    for (int page = 0; page < PAGES_MAX; page++) {
        struct store_list list = searching->list;
        struct store_span *spans;
        size_t count = 0;
        list.limit = PAGE_SPANS;
        list.sort = STORE_SORT_START;
        list.has_after = searching->cursor.start_ns != INT64_MAX;
        list.after_value = list.after_start_ns = searching->cursor.start_ns;
        list.after_trace_id = searching->cursor.trace_id;
        list.after_span_id = searching->cursor.span_id;
        searching->log_complete = log->unsettled >= status.unsettled_count;
        if (searching->log_complete)
            return ERR_OK;
        enum err err = config->store_ops->spans(config->store, &list, &searching->job->arena,
                                                &spans, &count, why);
        if (err || !page_search(log, spans, count))
            return err;
        searching->log_complete = count < list.limit;
        if (searching->log_complete)
            return ERR_OK;
    }
    return ERR_OK;
}

enum err search_log(struct searching *searching, struct diag *reterr_why)
{
    struct log_search log = { .searching = searching,
                              .stop_ns = clock_monotonic_ns() + LOG_TIME_NS };
    buf_init(&log.record, RECORD_BYTES_MAX);
    buf_init(&log.scratch, CONTENT_FRAME_BYTES_MAX);
    arena_init(&log.arena, SPAN_ARENA_BYTES);
    enum err err = pages_search(&log, reterr_why);
    buf_clear(&log.record);
    buf_clear(&log.scratch);
    arena_clear(&log.arena);
    if (!err && searching->count < searching->list.limit)
        searching->cursor.in_content = true;
    return err;
}
