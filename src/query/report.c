/* report.c -- questions within what a request asks, and JSON members of reports.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "query/report.h"
#include "base/text.h"
#include "query/query_int.h"

enum { PARTS_PARAMS_MAX = 8 };

enum err report_plan(struct arena *arena, const struct report_request *request,
                     const struct report_part *part, struct query_aggregate *ret_plan,
                     struct diag *reterr_why)
{
    static const char *const shared[] = { "q", "from", "to" };
    struct query_param *params = arena_new(arena, struct query_param, PARTS_PARAMS_MAX);
    const struct aggregate_defaults defaults = { part->metrics, part->by, part->filter };
    struct asked whole = { request->params, request->count, request->now_ns };
    struct asked asked = { params, 0, request->now_ns };
    if (!params)
        return ERR_LIMIT;
    for (size_t i = 0; i < COUNT_OF(shared); i++) {
        str value = asked_for(&whole, shared[i]);
        if (!str_is_none(value))
            params[asked.count++] = (struct query_param){ str_from_c(shared[i]), value };
    }
    if (part->compare)
        params[asked.count++] =
            (struct query_param){ STR_OF("compare"), str_from_c(part->compare) };
    if (part->step)
        params[asked.count++] = (struct query_param){ STR_OF("step"), str_from_c(part->step) };
    enum err code = plan_groups(arena, &asked, &defaults, ret_plan, reterr_why);
    if (code == ERR_OK && part->limit > 0)
        ret_plan->ask.limit = part->limit;
    return code;
}

void report_member(struct buf *out, const char *name)
{
    char before = out->len ? out->ptr[out->len - 1] : '{';
    buf_printf(out, "%s\"%s\":", before == '{' ? "" : ",", name);
}

void report_text(struct buf *out, const char *name, str text)
{
    report_member(out, name);
    if (str_is_none(text))
        buf_add_c(out, "null");
    else
        buf_add_json_str(out, text);
}

void report_word(struct buf *out, const char *name, const char *word)
{
    report_text(out, name, word ? str_from_c(word) : STR_NONE);
}

void report_count(struct buf *out, const char *name, uint64_t value)
{
    report_member(out, name);
    buf_add_u64(out, value);
}

void report_bool(struct buf *out, const char *name, bool value)
{
    report_member(out, name);
    buf_add_c(out, value ? "true" : "false");
}

void report_value(struct buf *out, const char *name, enum query_kind kind, const double *value)
{
    report_member(out, name);
    query_value_json(out, kind, value != NULL, value ? *value : 0);
}

void report_time(struct buf *out, const char *name, int64_t time_ns)
{
    report_member(out, name);
    buf_add_char(out, '"');
    time_format(out, time_ns, 9);
    buf_add_char(out, '"');
}

void report_trace_id(struct buf *out, const char *name, struct id16 id)
{
    report_member(out, name);
    if (id16_is_zero(id)) {
        buf_add_c(out, "null");
        return;
    }
    buf_add_char(out, '"');
    buf_add_hex(out, id.bytes, sizeof id.bytes);
    buf_add_char(out, '"');
}

void report_range(struct buf *out, const char *name, const struct time_range *range)
{
    report_member(out, name);
    buf_add_char(out, '{');
    report_time(out, "from", range->from_ns);
    report_time(out, "to", range->to_ns);
    buf_add_char(out, '}');
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

void report_url_value(struct buf *out, str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (is_plain(text.ptr[i]))
            buf_add_char(out, text.ptr[i]);
        else
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)text.ptr[i]);
    }
}
