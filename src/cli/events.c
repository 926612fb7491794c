/* events.c -- `telltale deploy` says that a version went out; `telltale events` lists what
 * happened.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "cli/cli_int.h"
#include "sys/clock.h"

enum { BODY_BYTES_MAX = 64 * 1024 };

static const struct cli_column columns[] = {
    { "TIME (UTC)", false, false }, { "KIND", false, false }, { "WHAT", false, false },
    { "VALUE", false, false },      { "WHERE", false, true }, { "TEXT", false, true },
};

static void add_member(struct buf *body, const char *name, const char *text)
{
    if (!text)
        return;
    buf_printf(body, ",\"%s\":", name);
    buf_add_json_str(body, str_from_c(text));
}

int cli_deploy(struct cli_call *call)
{
    const struct cli_options *options = &call->options;
    struct diag why = DIAG_NONE;
    struct buf body, answer;
    int status = 0;
    if (!options->service || !options->service[0])
        return cli_misuse(call, "--service is missing: which service was deployed");
    if (!options->version || !options->version[0])
        return cli_misuse(call, "--version is missing: which version of it went out");
    buf_init(&body, BODY_BYTES_MAX);
    buf_init(&answer, CLI_BODY_BYTES_MAX);
    buf_add_c(&body, "{\"event\":\"deploy\",\"ts\":\"");
    time_format(&body, clock_now_ns(), 9);
    buf_add_char(&body, '"');
    add_member(&body, "service", options->service);
    add_member(&body, "version", options->version);
    add_member(&body, "environment", options->environment);
    add_member(&body, "text", options->text);
    buf_add_char(&body, '}');
    struct cli_get post = { .path = "/api/v1/events", .body = buf_str(&body), .is_json = true };
    enum err err = buf_failed(&body) ? diag_set(&why, ERR_TOO_LARGE, "the text is too long")
                                     : cli_http_get(call, &post, &status, &answer, &why);
    if (!err && status != 200)
        err = cli_http_problem(call, status, buf_str(&answer), &why);
    if (!err && options->json)
        cli_print_json(call, buf_str(&answer));
    buf_reset(&answer);
    if (!err && !options->json) {
        buf_add_c(&answer, "noted: ");
        cli_clean(&answer, str_from_c(options->service), CLI_ONE_LINE);
        buf_add_char(&answer, ' ');
        cli_clean(&answer, str_from_c(options->version), CLI_ONE_LINE);
        buf_add_char(&answer, '\n');
        cli_print(&answer);
    }
    buf_clear(&body);
    buf_clear(&answer);
    return err ? cli_fail(err, &why) : CLI_OK;
}

static str value_text(struct arena *arena, const struct value *event)
{
    const struct value *value = cli_member(event, "value");
    str label = cli_member_str(event, "label");
    struct buf text;
    if (!value || !str_is_empty(label))
        return label;
    buf_init(&text, KIB);
    value_to_json(&text, value);
    str kept = arena_str(arena, buf_str(&text));
    buf_clear(&text);
    return kept;
}

static str first_of(const struct value *event, const char *name, const char *other)
{
    str text = cli_member_str(event, name);
    return str_is_none(text) ? cli_member_str(event, other) : text;
}

static void add_row(struct cli_table *table, const struct value *event)
{
    bool is_deploy = str_equal_c(cli_member_str(event, "kind"), "deploy");
    str what = cli_member_str(event, is_deploy ? "service" : "name");
    str where = is_deploy ? cli_member_str(event, "environment")
                          : first_of(event, "trace_id", "session_id");
    cli_table_add(table, cli_human_time(table->arena, cli_member(event, "time")), CLI_DIM);
    cli_table_add(table, cli_member_str(event, "kind"), CLI_PLAIN);
    cli_table_add(table, what, CLI_CYAN);
    cli_table_add(table,
                  is_deploy ? cli_member_str(event, "version") : value_text(table->arena, event),
                  CLI_PLAIN);
    cli_table_add(table, where, CLI_DIM);
    cli_table_add(table, cli_member_str(event, "text"), CLI_PLAIN);
}

int cli_events(struct cli_call *call)
{
    struct cli_list list = {
        .path = cli_question(call, "/api/v1/events", "kind service from to limit"),
        .columns = columns,
        .column_count = COUNT_OF(columns),
        .add_row = add_row,
        .none = "no events; the range is the last 24 hours unless --from says more",
    };
    return cli_list(call, &list);
}
