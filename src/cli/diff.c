/* diff.c -- `telltale diff A B`: what differs between two traces, of the server or of files.
 *
 * As diff(1): status 0 when they are the same, 1 when they differ, 2 when that cannot be said.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "cli/diff_int.h"
#include "cli/records.h"
#include "cli/span_form.h"
#include "sys/file.h"
#include <stdio.h>

enum { SAME, DIFFERENT, TROUBLE }; /* exit status */
enum {
    OUTPUT_BYTES_MAX = 64 * 1024 * 1024,
    SHOWN_BYTES = 160,
    FIELD_COLUMNS = 22,
    SPANS_MAX = 1000000
};

struct side {
    const char *name; /* as it was given */
    struct value spans;
};

/* ---- a file ---- */

/* A span, or something with spans in it: a trace of `telltale trace --json`. */
static bool take(struct cli_call *call, struct value *spans, const struct value *item)
{
    const struct value *inside = cli_member(item, "spans");
    uint32_t count = inside && inside->type == VALUE_ARRAY ? inside->count : 1;
    if ((!inside && !span_is_readable(item)) || spans->count + count > SPANS_MAX)
        return false;
    if (!spans->items)
        spans->items = arena_new(&call->arena, struct value, SPANS_MAX);
    if (!spans->items)
        return false;
    spans->type = VALUE_ARRAY;
    for (uint32_t i = 0; i < count; i++)
        spans->items[spans->count++] = inside ? inside->items[i] : *item;
    return true;
}

static enum err one_trace(const struct side *side, struct diag *why)
{
    for (uint32_t i = 1; i < side->spans.count; i++)
        if (!str_equal(cli_member_str(&side->spans.items[i], "trace_id"),
                       cli_member_str(&side->spans.items[0], "trace_id"))) {
            diag_set(why, ERR_BAD_INPUT, "%.160s has spans of several traces", side->name);
            diag_hint(why, "export one: telltale export -q trace_id:ID -o FILE");
            return ERR_BAD_INPUT;
        }
    return side->spans.count ? ERR_OK
                             : diag_set(why, ERR_BAD_INPUT, "%.160s has no spans", side->name);
}

static enum err load_file(struct cli_call *call, struct side *side, struct diag *why)
{
    struct records *records;
    enum err err = records_open(side->name, &records, why);
    while (!err) {
        str record;
        enum record_form form;
        uint64_t line;
        struct value item;
        err = records_next(records, &record, &form, &line, why);
        if (err)
            break;
        str kept = arena_str(&call->arena, record);
        if (form != RECORD_JSON || str_is_none(kept) ||
            cli_json_parse(&call->arena, kept, &item, NULL) != ERR_OK ||
            !take(call, &side->spans, &item)) {
            diag_set(why, ERR_BAD_INPUT, "%.160s:%llu is no span of ours", side->name,
                     (unsigned long long)line);
            diag_hint(why,
                      "it takes what `telltale export` (jsonl) and `telltale trace --json` write");
            err = ERR_BAD_INPUT;
        }
    }
    records_close(records);
    return err == ERR_NOT_FOUND ? one_trace(side, why) : err;
}

/* ---- a trace of the server ---- */

/* With its content as one member more, as an export has it. */
static enum err add_content(struct cli_call *call, struct value *span, struct diag *why)
{
    const struct value *roles = cli_member(span, "payload");
    struct value *content = arena_new(&call->arena, struct value, 1);
    struct attr *attrs = arena_new(&call->arena, struct attr, (size_t)span->count + 1);
    struct buf body;
    int status = 0;
    if (!roles || roles->count == 0)
        return ERR_OK;
    str path = arena_printf(&call->arena, "/api/v1/spans/%.*s/%.*s/payload",
                            STR_ARG(cli_member_str(span, "trace_id")),
                            STR_ARG(cli_member_str(span, "span_id")));
    if (!content || !attrs || !path.ptr)
        return diag_set(why, ERR_LIMIT, "the trace is too large to compare");
    const char *reason = call->options.reason ? call->options.reason : "telltale diff --content";
    buf_init(&body, CLI_BODY_BYTES_MAX);
    enum err err = cli_http_get(call, &(struct cli_get){ .path = path.ptr, .reason = reason },
                                &status, &body, why);
    if (!err && status != 200)
        err = cli_http_problem(call, status, buf_str(&body), why);
    str kept = err ? STR_NONE : arena_str(&call->arena, buf_str(&body));
    buf_clear(&body);
    if (!err)
        err = cli_json_parse(&call->arena, kept, content, why);
    if (err)
        return err;
    memcpy(attrs, span->attrs, span->count * sizeof *attrs);
    attrs[span->count++] = (struct attr){ STR_OF("content"), *content };
    span->attrs = attrs;
    return ERR_OK;
}

static int load_trace(struct cli_call *call, struct side *side)
{
    struct value answer;
    struct diag why = DIAG_NONE;
    enum err err = ERR_OK;
    bool wants_json = call->options.json;
    call->options.json = false; /* of ours, not of the API */
    int status = trace_fetch(call, str_from_c(side->name), &answer);
    call->options.json = wants_json;
    const struct value *spans = status ? NULL : cli_member(&answer, "spans");
    if (!spans)
        return TROUBLE;
    side->spans = *spans;
    for (uint32_t i = 0; call->options.content && !err && i < spans->count; i++)
        err = add_content(call, &side->spans.items[i], &why);
    if (!err)
        return SAME;
    (void)cli_fail(err, &why);
    return TROUBLE;
}

static int load(struct cli_call *call, struct side *side)
{
    struct diag why = DIAG_NONE;
    if (file_exists(side->name) || strcmp(side->name, "-") == 0) {
        enum err err = load_file(call, side, &why);
        if (err)
            (void)cli_fail(err, &why);
        return err ? TROUBLE : SAME;
    }
    if (trace_is_id(str_from_c(side->name)))
        return load_trace(call, side);
    return cli_misuse(call, "\"%.100s\" is neither a file nor a trace id", side->name);
}

/* ---- the answer ---- */

static void add_shown(struct cli_call *call, struct buf *out, const struct value *value)
{
    struct buf text, clean, cut;
    buf_init(&text, OUTPUT_BYTES_MAX);
    buf_init(&clean, OUTPUT_BYTES_MAX);
    buf_init(&cut, OUTPUT_BYTES_MAX);
    if (!value)
        buf_add_str(&text, CLI_UNKNOWN);
    else if (value->type == VALUE_STR)
        buf_add_str(&text, value->text);
    else
        value_to_json(&text, value);
    cli_clean(&clean, buf_str(&text), CLI_ONE_LINE);
    cli_add_cut(&cut, buf_str(&clean), call->screen.is_tty ? SHOWN_BYTES / 4 : SHOWN_BYTES);
    buf_add_str(out, str_trim(buf_str(&cut)));
    buf_clear(&cut);
    buf_clear(&clean);
    buf_clear(&text);
}

static bool has_item(const struct value *list, const struct value *item)
{
    for (uint32_t i = 0; list && i < list->count; i++)
        if (list->items[i].type == VALUE_STR && str_equal(list->items[i].text, item->text))
            return true;
    return false;
}

static bool is_texts(const struct value *value)
{
    bool is = !value || value->type == VALUE_ARRAY;
    for (uint32_t i = 0; is && value && i < value->count; i++)
        is = value->items[i].type == VALUE_STR;
    return is;
}

/* "-d2 +d3", when lists of ids differ in more than their order. */
static bool add_ids(struct cli_call *call, struct buf *out, const struct difference *difference)
{
    const struct value *lists[2] = { difference->a, difference->b };
    static const enum cli_colour colours[2] = { CLI_RED, CLI_GREEN };
    bool any = false;
    if (!is_texts(lists[0]) || !is_texts(lists[1]))
        return false;
    for (int side = 0; side < 2; side++)
        for (uint32_t i = 0; lists[side] && i < lists[side]->count; i++) {
            const struct value *item = &lists[side]->items[i];
            struct buf text;
            if (has_item(lists[1 - side], item))
                continue;
            buf_init(&text, 64 * KIB);
            buf_add_c(&text, side ? "+" : "-");
            cli_clean(&text, str_sub(item->text, 0, 4000), CLI_ONE_LINE);
            buf_add_c(out, any ? " " : "");
            cli_paint(out, &call->screen, colours[side], buf_str(&text));
            buf_clear(&text);
            any = true;
        }
    return any;
}

static void add_span_name(struct cli_call *call, struct buf *out, const struct value *span)
{
    struct buf text;
    buf_init(&text, 64 * KIB);
    cli_clean(&text, cli_member_str(span, "step"), CLI_ONE_LINE);
    buf_add_char(&text, ' ');
    cli_clean(&text, str_sub(cli_member_str(span, "name"), 0, 2000), CLI_ONE_LINE);
    cli_paint(out, &call->screen, CLI_BOLD, buf_str(&text));
    buf_clear(&text);
}

static void add_line(struct cli_call *call, struct buf *out, const struct difference *difference)
{
    struct buf field;
    buf_init(&field, 64 * KIB);
    cli_clean(&field, str_sub(difference->field, 0, 1000), CLI_ONE_LINE);
    buf_printf(out, "  %-10s  ", diff_group_names[difference->group]);
    cli_paint(out, &call->screen, CLI_CYAN, buf_str(&field));
    uint32_t used = cli_columns(buf_str(&field));
    cli_add_spaces(out, used < FIELD_COLUMNS ? FIELD_COLUMNS - used + 2 : 2);
    if (!add_ids(call, out, difference)) {
        add_shown(call, out, difference->a);
        buf_add_c(out, " \xE2\x86\x92 ");
        add_shown(call, out, difference->b);
    }
    buf_add_char(out, '\n');
    buf_clear(&field);
}

static void print_text(struct cli_call *call, const struct side *sides,
                       const struct differences *found)
{
    struct buf out;
    const struct value *last = NULL;
    buf_init(&out, OUTPUT_BYTES_MAX);
    for (size_t i = 0; i < found->count; i++) {
        const struct difference *difference = &found->items[i];
        const struct value *span = difference->span_a ? difference->span_a : difference->span_b;
        if (difference->field.len == 0) {
            buf_printf(&out, "only in %s: ", difference->span_a ? "A" : "B");
            add_span_name(call, &out, span);
            buf_add_char(&out, '\n');
            last = NULL;
            continue;
        }
        if (span != last) {
            add_span_name(call, &out, span);
            buf_add_char(&out, '\n');
        }
        last = span;
        add_line(call, &out, difference);
    }
    if (found->count)
        buf_printf(&out, "%zu difference%s between ", found->count, found->count == 1 ? "" : "s");
    else
        buf_add_c(&out, "no difference between ");
    cli_clean(&out, str_from_c(sides[0].name), CLI_ONE_LINE);
    buf_add_c(&out, " and ");
    cli_clean(&out, str_from_c(sides[1].name), CLI_ONE_LINE);
    buf_printf(&out, " (%u and %u spans)\n", sides[0].spans.count, sides[1].spans.count);
    cli_print(&out);
    buf_clear(&out);
}

static void add_json_value(struct buf *out, const char *name, const struct value *value)
{
    buf_printf(out, ",\"%s\":", name);
    if (value)
        value_to_json(out, value);
    else
        buf_add_c(out, "null");
}

static void print_json(struct cli_call *call, const struct differences *found)
{
    struct buf out;
    buf_init(&out, CLI_BODY_BYTES_MAX);
    buf_printf(&out, "{\"same\":%s,\"differences\":[", found->count ? "false" : "true");
    for (size_t i = 0; i < found->count; i++) {
        const struct difference *item = &found->items[i];
        const struct value *span = item->span_a ? item->span_a : item->span_b;
        buf_printf(&out, "%s{\"group\":\"%s\"", i ? "," : "", diff_group_names[item->group]);
        add_json_value(&out, "step", cli_member(span, "step"));
        add_json_value(&out, "name", cli_member(span, "name"));
        add_json_value(&out, "span_a", cli_member(item->span_a, "span_id"));
        add_json_value(&out, "span_b", cli_member(item->span_b, "span_id"));
        if (item->field.len) {
            buf_add_c(&out, ",\"field\":");
            buf_add_json_str(&out, item->field);
            add_json_value(&out, "a", item->a);
            add_json_value(&out, "b", item->b);
        }
        buf_add_char(&out, '}');
    }
    buf_add_c(&out, "]}\n");
    cli_print_json(call, buf_str(&out));
    buf_clear(&out);
}

/* ---- the command ---- */

static int ignored_groups(const struct cli_call *call, uint32_t *ret_groups)
{
    str rest = str_from_c(call->options.ignore);
    *ret_groups = 0;
    for (str word; rest.len && str_next(&rest, ',', &word);) {
        int group = 0;
        while (group < DIFF_GROUP_COUNT && !str_equal_c(word, diff_group_names[group]))
            group++;
        if (group == DIFF_GROUP_COUNT)
            return cli_misuse(call,
                              "--ignore=%.*s is none of shape, prompt, parameters, versions, "
                              "retrieval, output, timing, cost, context, attributes",
                              STR_ARG(str_sub(word, 0, 60)));
        *ret_groups |= 1U << group;
    }
    return CLI_OK;
}

int cli_diff(struct cli_call *call)
{
    struct side sides[2] = { { 0 }, { 0 } };
    struct differences found;
    uint32_t ignored;
    int status = ignored_groups(call, &ignored);
    for (int i = 0; i < 2 && !status; i++) {
        sides[i].name = arena_printf(&call->arena, "%.*s", STR_ARG(call->args[i])).ptr;
        assert(sides[i].name);
        status = load(call, &sides[i]);
    }
    if (status)
        return status;
    if (!diff_spans(&call->arena, &sides[0].spans, &sides[1].spans, ignored, &found)) {
        (void)cli_fail(ERR_LIMIT, &(struct diag){ .text = "the traces are too large to compare" });
        return TROUBLE;
    }
    if (call->options.json)
        print_json(call, &found);
    else
        print_text(call, sides, &found);
    return found.count ? DIFFERENT : SAME;
}
