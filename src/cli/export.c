/* export.c -- `telltale export`: everything that a filter finds, page by page, to a file.
 *
 * The range is made fixed at the beginning and asked for from its oldest end by cursor, so that
 * an export ends and what comes in meanwhile is not in it.  At most a page, and what its spans say
 * when content is asked for, is in memory.  Parquet goes through a file of lines
 * (store/parquet.h).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/text.h"
#include "cli/export_int.h"
#include "cli/progress.h"
#include "cli/span_form.h"
#include "store/parquet.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "wire/json.h"
#include <stdio.h>

enum {
    PAGE_BYTES_MAX = 512 * 1024 * 1024,
    ARENA_BYTES_MAX = 1024 * 1024 * 1024,
    LINE_BYTES_MAX = 512 * 1024 * 1024,
    HELD_FULL = 1024 * 1024,
    REQUEST_SPANS_MAX = 500, /* of a line of OTLP */
    REQUEST_BYTES_MAX = 4 * 1024 * 1024,
    NOTE_EVERY = 8, /* pages */
    PATH_BYTES_MAX = 64 * 1024,
    LINE_RESUMED_MAX = 64 * 1024 * 1024,
};

enum format { JSONL, CSV, PARQUET, OTLP, FORMAT_COUNT };
static const char *const format_names[FORMAT_COUNT] = { "jsonl", "csv", "parquet", "otlp" };
static const char *const kind_paths[][2] = {
    { "spans", "/api/v1/spans" },   { "traces", "/api/v1/traces" }, { "scores", "/api/v1/scores" },
    { "events", "/api/v1/events" }, { "logs", "/api/v1/logs" },
};

struct export
{
    struct cli_call *call;
    const char *kind;
    enum format format;
    struct export_out out;
    struct export_place place; /* the end of the last whole page */
    int64_t rows;
    struct progress progress;
    struct arena arena; /* of what is held back */
    struct value *spans;
    uint32_t span_count;
    size_t span_bytes, line_max;
    struct buf page, line, cursor;
};

static bool is_stopped(void *arg)
{
    (void)arg;
    return cli_interrupted;
}

static enum err interrupted(struct diag *why)
{
    return diag_set(why, ERR_UNAVAILABLE, "interrupted");
}

/* ---- the content of a span ---- */

/* Whether the span has any: its member "payload" names the roles. */
static bool has_content(const struct value *span)
{
    const struct value *roles = cli_member(span, "payload");
    return roles && roles->count > 0;
}

/* The answer of .../payload, as the last member of the line. */
static enum err add_content(struct export *export, const struct value *span, struct diag *why)
{
    char path[160];
    struct buf body;
    int status = 0;
    const char *reason = export->call->options.reason;
    snprintf(path, sizeof path, "/api/v1/spans/%.*s/%.*s/payload",
             STR_ARG(str_sub(cli_member_str(span, "trace_id"), 0, 32)),
             STR_ARG(str_sub(cli_member_str(span, "span_id"), 0, 16)));
    buf_init(&body, LINE_BYTES_MAX);
    struct cli_get get = { .path = path,
                           .reason = reason ? reason : "telltale export --content",
                           .is_stopped = is_stopped };
    enum err err = cli_http_get(export->call, &get, &status, &body, why);
    if (!err && cli_interrupted)
        err = interrupted(why);
    if (!err && status != 200 && status != 404) /* 404: expired */
        err = cli_http_problem(export->call, status, buf_str(&body), why);
    if (!err && status == 200) {
        export->line.len--; /* } */
        buf_add_c(&export->line, ",\"content\":");
        buf_add_str(&export->line, str_trim(buf_str(&body)));
        buf_add_char(&export->line, '}');
    }
    buf_clear(&body);
    return err;
}

/* ---- a row ---- */

static enum err flush_spans(struct export *export, struct diag *why)
{
    uint32_t bad = 0;
    if (export->span_count == 0)
        return ERR_OK;
    if (!spans_to_otlp(&export->out.held, export->spans, export->span_count, &bad))
        return diag_set(why, ERR_BAD_INPUT, "a span without an id or a time: %.*s",
                        STR_ARG(str_sub(cli_member_str(&export->spans[bad], "span_id"), 0, 16)));
    buf_add_char(&export->out.held, '\n');
    export->span_count = 0;
    export->span_bytes = 0;
    arena_reset(&export->arena);
    export->spans = arena_new(&export->arena, struct value, REQUEST_SPANS_MAX);
    return export_out_flush(&export->out, why);
}

static enum err row_parse(struct export *export, struct value *ret_row, struct diag *why)
{
    str kept = arena_str(&export->arena, buf_str(&export->line));
    return str_is_none(kept) ? diag_set(why, ERR_LIMIT, "a span is too large")
                             : cli_json_parse(&export->arena, kept, ret_row, why);
}

static enum err row_write(struct export *export, struct diag *why)
{
    struct value row;
    struct buf *held = &export->out.held;
    if (export->format == JSONL || export->format == PARQUET) {
        buf_add_str(held, buf_str(&export->line));
        buf_add_char(held, '\n');
        return held->len < HELD_FULL ? ERR_OK : export_out_flush(&export->out, why);
    }
    if (export->format == CSV)
        arena_reset(&export->arena);
    enum err err = row_parse(export, &row, why);
    if (err)
        return err;
    if (export->format == CSV) {
        csv_add_span(held, &row, export->call->options.content);
        return held->len < HELD_FULL ? ERR_OK : export_out_flush(&export->out, why);
    }
    export->spans[export->span_count++] = row;
    export->span_bytes += export->line.len;
    bool is_full =
        export->span_count == REQUEST_SPANS_MAX || export->span_bytes > REQUEST_BYTES_MAX;
    return is_full ? flush_spans(export, why) : ERR_OK;
}

static bool has_enough(const struct export *export)
{
    int64_t limit = export->call->options.limit;
    return limit && export->rows >= limit;
}

static enum err take_row(struct export *export, str raw, struct diag *why)
{
    enum err err = ERR_OK;
    if (has_enough(export))
        return ERR_OK;
    buf_reset(&export->line);
    buf_add_str(&export->line, raw);
    if (export->call->options.content) {
        struct arena arena;
        struct value span;
        arena_init(&arena, 64 * MIB);
        err = cli_json_parse(&arena, raw, &span, why);
        if (!err && has_content(&span))
            err = add_content(export, &span, why);
        arena_clear(&arena);
    }
    if (!err)
        err = row_write(export, why);
    export->line_max = MAX(export->line_max, export->line.len);
    export->rows++;
    export->progress.done++;
    export->progress.bytes = (uint64_t) export->out.length + export->out.held.len;
    progress_show(&export->progress);
    return err;
}

/* ---- a page ---- */

static enum err ask_page(struct export *export, struct diag *why)
{
    struct buf path;
    int status = 0;
    buf_init(&path, PATH_BYTES_MAX);
    buf_reset(&export->page);
    buf_add_str(&path, export->place.question);
    if (export->place.cursor.len)
        buf_printf(&path, "&cursor=%.*s", STR_ARG(export->place.cursor));
    buf_add_char(&path, '\0');
    struct cli_get get = { .path = path.ptr, .is_stopped = is_stopped };
    enum err err = buf_failed(&path)
                       ? diag_set(why, ERR_LIMIT, "the filter is too long")
                       : cli_http_get(export->call, &get, &status, &export->page, why);
    if (!err && cli_interrupted)
        err = interrupted(why);
    if (!err && status != 200)
        err = cli_http_problem(export->call, status, buf_str(&export->page), why);
    buf_clear(&path);
    return err;
}

/* {"items":[...],"next_cursor":...}: each item as it is written there. */
static enum err take_page(struct export *export, str *ret_cursor, struct diag *why)
{
    struct json json;
    enum json_token token = JSON_ERROR;
    enum err err = ERR_OK;
    *ret_cursor = STR_OF("");
    json_init(&json, NULL, buf_str(&export->page), JSON_DEPTH_MAX);
    (void)json_next(&json);
    while (!err && (token = json_next(&json)) == JSON_KEY) {
        bool is_items = str_equal_c(json.text, "items");
        bool is_cursor = str_equal_c(json.text, "next_cursor");
        token = json_next(&json);
        if (is_cursor && token == JSON_STRING)
            *ret_cursor = json.text; /* no escapes in a cursor */
        if (!is_items && !json_skip(&json, token))
            return json_error(&json, why);
        while (is_items && !err && (token = json_next(&json)) != JSON_ARRAY_END) {
            str raw;
            if (!json_raw(&json, token, &raw))
                return json_error(&json, why);
            err = take_row(export, raw, why);
        }
    }
    return err || token == JSON_OBJECT_END ? err : json_error(&json, why);
}

static str cursor_keep(struct export *export, str cursor)
{
    buf_reset(&export->cursor);
    buf_add_str(&export->cursor, cursor);
    return buf_str(&export->cursor);
}

static enum err take_all(struct export *export, struct diag *why)
{
    enum err err = ERR_OK;
    bool has_more = true;
    for (int pages = 1; has_more && !err; pages++) {
        str cursor = STR_OF("");
        err = ask_page(export, why);
        if (!err)
            err = take_page(export, &cursor, why);
        if (!err && export->format == OTLP)
            err = flush_spans(export, why);
        if (!err)
            err = export_out_flush(&export->out, why);
        has_more = cursor.len > 0 && !has_enough(export);
        if (err)
            break;
        export->place.cursor = cursor_keep(export, cursor);
        export->place.length = export->out.length;
        export->place.rows = export->rows;
        if (!err && has_more && pages % NOTE_EVERY == 0)
            err = export_out_note(&export->out, &export->place, why);
    }
    return err;
}

/* ---- the question ---- */

/* "now-7d" would be another time on the next page. */
static const char *fixed_time(struct cli_call *call, const char *time, int64_t now_ns)
{
    str text = str_from_c(time);
    int64_t distance = 0;
    struct buf out;
    if (!str_starts(text, STR_OF("now")))
        return time;
    if (text.len > 3 &&
        (!strchr("+-", text.ptr[3]) || !duration_parse(str_from(text, 4), &distance)))
        return time; /* the server says what is wrong with it */
    buf_init(&out, KIB);
    time_format(&out, text.len > 3 && text.ptr[3] == '-' ? now_ns - distance : now_ns + distance,
                9);
    str kept = arena_printf(&call->arena, "%.*s", STR_ARG(buf_str(&out)));
    buf_clear(&out);
    return kept.ptr;
}

static str question(struct export *export, const char *path)
{
    struct cli_call *call = export->call;
    struct cli_options *options = &call->options;
    bool is_list = strcmp(export->kind, "spans") == 0 || strcmp(export->kind, "traces") == 0;
    int64_t now_ns = clock_now_ns();
    options->from =
        fixed_time(call, options->from ? options->from : "1970-01-02T00:00:00Z", now_ns);
    options->to = fixed_time(call, options->to ? options->to : "now", now_ns);
    options->sort = is_list ? "oldest" : NULL;
    const char *asked = cli_question(call, path,
                                     is_list                             ? "q from to sort limit"
                                     : strcmp(export->kind, "logs") == 0 ? "q from to limit"
                                                                         : "from to limit");
    if (!asked)
        return STR_NONE;
    return options->limit ? str_from_c(asked)
                          : arena_printf(&call->arena, "%s&limit=%d", asked, CLI_PAGE_MAX);
}

static int format_pick(struct export *export)
{
    const struct cli_options *options = &export->call->options;
    str output = str_from_c(options->output);
    for (int i = 0; i < FORMAT_COUNT; i++)
        if (options->format ? strcmp(options->format, format_names[i]) == 0
                            : output.len && str_ends(output, str_from_c(format_names[i])))
            export->format = (enum format)i;
    if (options->format && strcmp(options->format, format_names[export->format]) != 0)
        return cli_misuse(export->call, "--format=%.60s is none of jsonl, csv, parquet, otlp",
                          options->format);
    bool is_file = output.len && !str_equal_c(output, "-");
    if (export->format == PARQUET && !is_file)
        return cli_misuse(export->call, "Parquet needs a file: --output=NAME.parquet");
    if (options->resume && !is_file)
        return cli_misuse(export->call, "--resume needs the file: --output=NAME");
    if (strcmp(export->kind, "spans") != 0 && (export->format != JSONL || options->content))
        return cli_misuse(export->call, "%s are exported as jsonl, without content", export->kind);
    return CLI_OK;
}

/* ---- the command ---- */

static enum err make(struct export *export, str asked, struct diag *why)
{
    struct export_place *place = &export->place;
    enum err err = export_out_open(&export->out, export->call, place, why);
    const char *made = NULL;
    if (err)
        return err;
    if (place->question.len == 0)
        place->question = asked;
    export->rows = place->rows;
    export->progress.done = (uint64_t)place->rows;
    if (place->rows)
        export->line_max = LINE_RESUMED_MAX; /* of those before nobody knows */
    if (export->format == CSV && export->out.length == 0)
        csv_add_names(&export->out.held, export->call->options.content);
    err = take_all(export, why);
    if (!err && export->format == PARQUET) {
        made = arena_printf(&export->call->arena, "%s.part.parquet", export->out.path).ptr;
        err = export_out_flush(&export->out, why);
        if (!err)
            err = parquet_from_lines(&(struct parquet_job){ export->out.part, made,
                                                            export->call->options.content,
                                                            export->line_max },
                                     why);
    }
    if (!err)
        err = export_out_finish(&export->out, made, why);
    else if (place->cursor.len && export_out_note(&export->out, place, NULL) == ERR_OK &&
             export->out.path)
        diag_hint(why, "%.80s.part is kept; the same command with --resume goes on",
                  export->out.path);
    return err;
}

static void say_done(const struct export *export)
{
    const struct cli_call *call = export->call;
    struct buf out;
    if (!export->out.path)
        return;
    buf_init(&out, 4 * KIB);
    if (call->options.json) {
        buf_printf(&out, "{\"%s\":%lld,\"format\":\"%s\",\"file\":", export->kind,
                   (long long)export->place.rows, format_names[export->format]);
        buf_add_json_str(&out, str_from_c(export->out.path));
        buf_printf(&out, ",\"bytes\":%lld}\n", (long long)file_size(export->out.path));
        cli_print(&out);
    } else {
        buf_printf(&out, "exported %lld %s to ", (long long)export->place.rows, export->kind);
        cli_clean(&out, str_from_c(export->out.path), CLI_ONE_LINE);
        buf_add_char(&out, '\n');
        fwrite(out.ptr, 1, out.len, stderr);
    }
    buf_clear(&out);
}

int cli_export(struct cli_call *call)
{
    struct export *export = arena_new(&call->arena, struct export, 1);
    struct diag why = DIAG_NONE;
    assert(export);
    export->call = call;
    export->kind = "spans";
    const char *path = kind_paths[0][1];
    for (size_t i = 0; i < COUNT_OF(kind_paths) && call->arg_count; i++)
        if (str_equal_c(call->args[0], kind_paths[i][0])) {
            export->kind = kind_paths[i][0];
            path = kind_paths[i][1];
        }
    int status = format_pick(export);
    if (status)
        return status;
    str asked = question(export, path);
    if (str_is_none(asked))
        return cli_misuse(call, "the filter is too long");
    arena_init(&export->arena, ARENA_BYTES_MAX);
    buf_init(&export->page, PAGE_BYTES_MAX);
    buf_init(&export->line, LINE_BYTES_MAX);
    buf_init(&export->cursor, PATH_BYTES_MAX);
    export->spans = arena_new(&export->arena, struct value, REQUEST_SPANS_MAX);
    progress_start(&export->progress, "exported", export->kind);
    cli_catch();
    enum err err = make(export, asked, &why);
    progress_end(&export->progress);
    status = err ? cli_fail(err, &why) : CLI_OK;
    if (!err)
        say_done(export);
    export_out_close(&export->out);
    buf_clear(&export->line);
    buf_clear(&export->cursor);
    buf_clear(&export->page);
    arena_clear(&export->arena);
    return status;
}
