/* content.c -- `telltale content where TRACE_ID`: in which segment or object its content lies.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli_int.h"

enum { OUTPUT_BYTES_MAX = 1024 * 1024 };

static str number_of(struct arena *arena, const struct value *frame, const char *name)
{
    double value = 0;
    if (!cli_member_f64(frame, name, &value))
        return CLI_UNKNOWN;
    return arena_printf(arena, "%.0f", value);
}

static void add_frames(struct cli_call *call, const struct value *frames, struct buf *out)
{
    static const struct cli_column columns[] = {
        { "KIND", false, false },  { "PLACE", false, false }, { "SEGMENT", true, false },
        { "OFFSET", true, false }, { "LENGTH", true, false }, { "OBJECT", false, true },
    };
    struct cli_table table;
    cli_table_init(&table, &call->arena, columns, COUNT_OF(columns));
    for (uint32_t i = 0; cli_item(frames, i); i++) {
        const struct value *frame = cli_item(frames, i);
        str object = cli_member_str(frame, "object");
        cli_table_add(&table, cli_member_str(frame, "kind"), CLI_PLAIN);
        cli_table_add(&table, cli_member_str(frame, "place"), CLI_CYAN);
        cli_table_add(&table, number_of(&call->arena, frame, "segment"), CLI_PLAIN);
        cli_table_add(&table, number_of(&call->arena, frame, "offset"), CLI_PLAIN);
        cli_table_add(&table, number_of(&call->arena, frame, "length"), CLI_PLAIN);
        cli_table_add(&table, str_is_none(object) ? CLI_UNKNOWN : object, CLI_PLAIN);
    }
    cli_table_print(&table, &call->screen, out);
    cli_table_clear(&table);
}

int cli_content(struct cli_call *call)
{
    struct value answer;
    str path = arena_printf(&call->arena, "/api/v1/traces/%.*s/content", STR_ARG(call->args[1]));
    int status = cli_ask(call, path.ptr, &answer);
    if (status != CLI_OK || call->options.json)
        return status;
    struct buf out;
    buf_init(&out, OUTPUT_BYTES_MAX);
    const struct value *frames = cli_member(&answer, "frames");
    str url = cli_member_str(&answer, "external_url");
    if (!str_is_none(url))
        buf_printf(&out, "objects are in %.*s\n\n", STR_ARG(url));
    if (cli_item(frames, 0))
        add_frames(call, frames, &out);
    else
        buf_add_c(&out, "no content, or it is in the log still: the trace has not settled\n");
    cli_print(&out);
    buf_clear(&out);
    return CLI_OK;
}
