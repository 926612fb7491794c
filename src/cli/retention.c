/* retention.c -- `telltale retention plan|run`: what has been kept long enough, and dropping it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli_int.h"
#include "sys/clock.h"
#include <stdio.h>

enum { ANSWER_BYTES_MAX = 1024 * 1024, LINE_BYTES_MAX = 4096 };
#define LOOK_NS (200 * NS_PER_MS)

static int ask(struct cli_call *call, const char *body, struct buf *text, struct value *ret_answer)
{
    struct diag why = DIAG_NONE;
    int status = 0;
    struct cli_get get = {
        .path = call->options.force && body ? "/api/v1/retention?force=true" : "/api/v1/retention",
        .body = body ? str_from_c(body) : STR_NONE,
        .is_json = true,
    };
    buf_reset(text);
    enum err err = cli_http_get(call, &get, &status, text, &why);
    if (!err && status != 200)
        err = cli_http_problem(call, status, buf_str(text), &why);
    if (!err)
        err = cli_json_parse(&call->arena, buf_str(text), ret_answer, &why);
    return err ? cli_fail(err, &why) : CLI_OK;
}

static str shown(struct cli_call *call, const struct value *object, const char *name)
{
    return cli_human_count(&call->arena, cli_member(object, name));
}

static void add_bytes(struct cli_call *call, struct buf *out, const struct value *object)
{
    double bytes;
    if (cli_member_f64(object, "bytes", &bytes) && bytes > 0)
        buf_printf(out, ", %.*s of files", STR_ARG(cli_human_bytes(&call->arena, bytes)));
}

static void plan_show(struct cli_call *call, const struct value *answer)
{
    static const char *const kinds[] = { "content", "previews", "spans", "scores", "rollups" };
    const struct value *plan = cli_member(answer, "plan"), *before = cli_member(answer, "before");
    const struct value *all = cli_member(answer, "would_drop_all_spans");
    const struct value *jumped = cli_member(answer, "clock_has_jumped");
    struct buf out;
    buf_init(&out, ANSWER_BYTES_MAX);
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        str time = cli_member_str(before, kinds[i]);
        buf_printf(&out, "%-9s ", kinds[i]);
        if (str_is_none(time))
            buf_add_c(&out, "kept for ever\n");
        else
            buf_printf(&out, "from before %.*s may go\n", STR_ARG(time));
    }
    buf_printf(&out,
               "\nto go now: %.*s spans in %.*s traces, %.*s log records, %.*s points, %.*s "
               "scores, %.*s rollups; %.*s whole days",
               STR_ARG(shown(call, plan, "spans")), STR_ARG(shown(call, plan, "traces")),
               STR_ARG(shown(call, plan, "logs")), STR_ARG(shown(call, plan, "metrics")),
               STR_ARG(shown(call, plan, "scores")), STR_ARG(shown(call, plan, "rollups")),
               STR_ARG(shown(call, plan, "days")));
    add_bytes(call, &out, plan);
    buf_add_char(&out, '\n');
    if (all && all->type == VALUE_BOOL && all->boolean)
        buf_add_c(&out, "these are all spans that there are: only --force drops them\n");
    if (jumped && jumped->type == VALUE_BOOL && jumped->boolean)
        buf_add_c(&out, "the clock is more than 7 days past the last look: is it right?\n");
    cli_print(&out);
    buf_clear(&out);
}

/* One line that is written over until the end; to a pipe only its last form. */
static void progress_show(struct cli_call *call, const struct value *answer, bool is_last)
{
    const struct value *last = cli_member(answer, "last");
    if (call->options.json || !(call->screen.is_tty || is_last))
        return;
    struct buf out;
    buf_init(&out, LINE_BYTES_MAX);
    buf_add_c(&out, call->screen.is_tty ? "\r\x1b[K" : "");
    buf_printf(&out, "%s %.*s spans, %.*s whole days, %.*s segments of content, %.*s scores",
               is_last ? "dropped" : "dropping", STR_ARG(shown(call, last, "spans")),
               STR_ARG(shown(call, last, "days")), STR_ARG(shown(call, last, "segments")),
               STR_ARG(shown(call, last, "scores")));
    add_bytes(call, &out, last);
    buf_add_c(&out, is_last ? "\n" : "");
    cli_print(&out);
    fflush(stdout);
    buf_clear(&out);
}

static bool is_running(const struct value *answer)
{
    const struct value *running = cli_member(answer, "running");
    return running && running->type == VALUE_BOOL && running->boolean;
}

static int finished(const struct value *answer)
{
    struct diag why = DIAG_NONE;
    str error = cli_member_str(cli_member(answer, "last"), "error");
    if (str_is_none(error))
        return CLI_OK;
    (void)diag_set(&why, ERR_INTERNAL, "the run stopped early: %.*s", STR_ARG(error));
    (void)diag_hint(&why, "the server's log says more; run it again to go on");
    return cli_fail(ERR_INTERNAL, &why);
}

int cli_retention(struct cli_call *call)
{
    struct value answer;
    struct buf text;
    bool is_run = str_equal_c(call->args[0], "run");
    buf_init(&text, ANSWER_BYTES_MAX);
    int status = ask(call, is_run ? "{}" : NULL, &text, &answer);
    while (status == CLI_OK && is_run && is_running(&answer)) {
        progress_show(call, &answer, false);
        clock_sleep_ns(LOOK_NS);
        status = ask(call, NULL, &text, &answer);
    }
    if (status == CLI_OK && call->options.json)
        cli_print_json(call, buf_str(&text));
    else if (status == CLI_OK && !is_run)
        plan_show(call, &answer);
    if (status == CLI_OK && is_run) {
        progress_show(call, &answer, true);
        status = finished(&answer);
    }
    buf_clear(&text);
    return status;
}
