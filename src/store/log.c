/* log.c -- what is asked of a log record, and its copies, the same in every store.
 *
 * A filter sees a record as a span with the few fields that a record has; its body is searched
 * as far as its row has it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "store/store_int.h"

enum { BODY_SCRATCH_BYTES = 64 * KIB };

bool log_is_unstructured(str attrs_json)
{
    return str_starts(attrs_json, STR_OF("{\"" LOG_UNSTRUCTURED_ATTR "\":true"));
}

int log_order(const struct log_record *a, const struct log_record *b)
{
    if (a->time_ns != b->time_ns)
        return a->time_ns > b->time_ns ? -1 : 1;
    return memcmp(&a->log_id, &b->log_id, sizeof a->log_id);
}

bool log_clone(struct arena *arena, const struct store_log *from, struct store_log *ret_log)
{
    *ret_log = *from;
    str *texts[] = { &ret_log->log.severity_text, &ret_log->log.event_name, &ret_log->log.service,
                     &ret_log->attrs_json };
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (!str_is_none(*texts[i]) && str_is_none(*texts[i] = arena_str(arena, *texts[i])))
            return false;
    return true;
}

static bool body_has(str attrs_json, str text)
{
    struct arena scratch;
    str body;
    arena_init(&scratch, BODY_SCRATCH_BYTES);
    bool has = attr_text(&scratch, attrs_json, STR_OF(LOG_BODY_ATTR), &body) &&
               str_find(body, text) < body.len;
    arena_clear(&scratch);
    return has;
}

struct seen {
    struct span span;
    str attrs_json;
};

static bool leaf_of_log(const struct filter *leaf, void *arg)
{
    const struct seen *seen = arg;
    return leaf_matches(leaf, &seen->span, seen->attrs_json);
}

static bool filter_is_met(const struct filter *filter, const struct store_log *row)
{
    const struct log_record *log = &row->log;
    struct seen seen = { .attrs_json = row->attrs_json };
    SPAN_SET(&seen.span, start_time, log->time_ns);
    if (!id16_is_zero(log->trace_id))
        SPAN_SET(&seen.span, trace_id, log->trace_id);
    if (!id8_is_zero(log->span_id))
        SPAN_SET(&seen.span, span_id, log->span_id);
    if (!str_is_empty(log->service))
        SPAN_SET(&seen.span, service, log->service);
    if (!str_is_empty(log->event_name))
        SPAN_SET(&seen.span, name, log->event_name);
    return filter_holds(filter, leaf_of_log, &seen);
}

bool log_is_asked(const struct store_log_list *ask, const struct store_log *row)
{
    const struct log_record *log = &row->log;
    const struct log_record after = { .time_ns = ask->after_time_ns, .log_id = ask->after_id };
    if (log->time_ns < ask->scope.range.from_ns || log->time_ns >= ask->scope.range.to_ns)
        return false;
    if (ask->has_after && log_order(log, &after) <= 0)
        return false;
    if (ask->has_trace_id && memcmp(&log->trace_id, &ask->trace_id, sizeof log->trace_id) != 0)
        return false;
    if (log->severity < ask->severity_min)
        return false;
    return (str_is_empty(ask->text) || body_has(row->attrs_json, ask->text)) &&
           (!ask->filter || filter_is_met(ask->filter, row));
}

enum err log_list_check(const struct store_log_list *ask, struct diag *reterr_why)
{
    return ask->filter ? filter_check(ask->filter, 0, reterr_why) : ERR_OK;
}
