/* trace_content.c -- what was asked and answered, span by span, as a conversation.
 *
 * Each span's payload is a read that the server writes to its audit log first; the output
 * begins by saying so.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/trace_int.h"
#include <stdio.h>

enum { TEXT_BYTES_MAX = 512 * 1024 * 1024, DEFAULT_INDENT = 4 };

/* Every line indented, so that no content can pass for one of our headings. */
static void add_indented(struct buf *out, str text, uint32_t indent)
{
    struct buf clean;
    buf_init(&clean, TEXT_BYTES_MAX);
    cli_clean(&clean, text, CLI_MANY_LINES);
    str rest = buf_str(&clean);
    for (str line; str_next(&rest, '\n', &line);) {
        if (line.len)
            cli_add_spaces(out, indent);
        buf_add_str(out, line);
        buf_add_char(out, '\n');
    }
    buf_clear(&clean);
}

static void add_json(struct buf *out, const char *what, const struct value *value)
{
    struct buf json;
    buf_init(&json, TEXT_BYTES_MAX);
    if (what[0])
        buf_printf(&json, "%s ", what);
    value_to_json(&json, value);
    add_indented(out, buf_str(&json), DEFAULT_INDENT);
    buf_clear(&json);
}

static void add_named(struct buf *out, const char *what, str name, const struct value *detail)
{
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    buf_printf(&text, "[%s", what);
    if (!str_is_empty(name))
        buf_printf(&text, " %.*s", STR_ARG(str_sub(name, 0, 200)));
    buf_add_c(&text, "] ");
    if (detail && detail->type == VALUE_STR)
        buf_add_str(&text, detail->text);
    else if (detail)
        value_to_json(&text, detail);
    add_indented(out, buf_str(&text), DEFAULT_INDENT);
    buf_clear(&text);
}

/* One part of a message: text as it is, calls by name, anything else as JSON. */
static void add_part(struct buf *out, const struct value *part)
{
    str type = cli_member_str(part, "type");
    const struct value *content = cli_member(part, "content");
    if (part->type == VALUE_STR)
        add_indented(out, part->text, DEFAULT_INDENT);
    else if (str_equal_c(type, "text") && content && content->type == VALUE_STR)
        add_indented(out, content->text, DEFAULT_INDENT);
    else if (str_equal_c(type, "reasoning"))
        add_named(out, "reasoning", STR_NONE, content);
    else if (str_equal_c(type, "tool_call"))
        add_named(out, "tool call", cli_member_str(part, "name"), cli_member(part, "arguments"));
    else if (str_equal_c(type, "tool_call_response")) {
        const struct value *result = cli_member(part, "result");
        add_named(out, "tool result", cli_member_str(part, "id"),
                  result ? result : cli_member(part, "response"));
    } else
        add_json(out, "", part);
}

static void add_parts(struct buf *out, const struct value *parts)
{
    if (!parts)
        return;
    if (parts->type != VALUE_ARRAY) {
        add_part(out, parts);
        return;
    }
    for (uint32_t i = 0; i < parts->count; i++)
        add_part(out, &parts->items[i]);
}

static void add_heading(const struct cli_call *call, struct buf *out, str role, const char *more)
{
    struct buf text;
    buf_init(&text, 4 * KIB);
    buf_add_c(&text, "  ");
    cli_clean(&text, str_is_empty(role) ? STR_OF("message") : str_sub(role, 0, 60), CLI_ONE_LINE);
    buf_add_c(&text, more);
    cli_paint(out, &call->screen, CLI_BOLD, buf_str(&text));
    buf_add_char(out, '\n');
    buf_clear(&text);
}

static void add_messages(const struct cli_call *call, struct buf *out, const struct value *messages,
                         const char *more)
{
    for (uint32_t i = 0; cli_item(messages, i); i++) {
        const struct value *message = cli_item(messages, i);
        add_heading(call, out, cli_member_str(message, "role"), more);
        add_parts(out, cli_member(message, "parts"));
    }
}

/* Most senders put the system prompt among the messages; the server then gives it twice. */
static bool has_system(const struct value *messages)
{
    for (uint32_t i = 0; cli_item(messages, i); i++) {
        str role = cli_member_str(cli_item(messages, i), "role");
        if (str_equal_c(role, "system") || str_equal_c(role, "developer"))
            return true;
    }
    return false;
}

static void add_payload(const struct cli_call *call, struct buf *out, const struct value *payload)
{
    const struct value *system = cli_member(payload, "system");
    const struct value *tools = cli_member(payload, "tools");
    const struct value *documents = cli_member(payload, "documents");
    const struct value *raw = cli_member(payload, "raw");
    if (system && !has_system(cli_member(payload, "input"))) {
        add_heading(call, out, STR_OF("system"), "");
        add_parts(out, system);
    }
    if (tools) {
        add_heading(call, out, STR_OF("tools offered"), "");
        add_json(out, "", tools);
    }
    add_messages(call, out, cli_member(payload, "input"), "");
    if (documents && documents->count) {
        add_heading(call, out, STR_OF("documents"), "");
        for (uint32_t i = 0; cli_item(documents, i); i++)
            add_json(out, "", cli_item(documents, i));
    }
    add_messages(call, out, cli_member(payload, "output"), " (answer)");
    for (uint32_t i = 0; raw && raw->type == VALUE_MAP && i < raw->count; i++) {
        if (str_equal_c(raw->attrs[i].key, "preview"))
            continue;
        add_heading(call, out, raw->attrs[i].key, "");
        add_parts(out, &raw->attrs[i].value);
    }
}

static enum err read_one(struct cli_call *call, str trace_id, const struct tree_node *node,
                         struct value *ret_payload, struct diag *why)
{
    const char *reason = call->options.reason ? call->options.reason : "telltale trace --content";
    str path = arena_printf(&call->arena, "/api/v1/spans/%.*s/%.*s/payload", STR_ARG(trace_id),
                            STR_ARG(node->id));
    struct buf body;
    int status = 0;
    buf_init(&body, CLI_BODY_BYTES_MAX);
    enum err err = cli_http_get(call, &(struct cli_get){ .path = path.ptr, .reason = reason },
                                &status, &body, why);
    if (!err && status != 200)
        err = cli_http_problem(call, status, buf_str(&body), why);
    str kept = err ? STR_NONE : arena_str(&call->arena, buf_str(&body));
    if (!err)
        err = str_is_none(kept) ? diag_set(why, ERR_LIMIT, "the content is too large to show")
                                : cli_json_parse(&call->arena, kept, ret_payload, why);
    buf_clear(&body);
    return err;
}

static void print_one(const struct cli_call *call, const struct tree_node *node,
                      const struct value *payload)
{
    struct buf out, name;
    buf_init(&out, TEXT_BYTES_MAX);
    buf_init(&name, 16 * KIB);
    buf_add_c(&name, "\n\xE2\x94\x80\xE2\x94\x80 ");
    cli_clean(&name, str_sub(cli_member_str(node->span, "name"), 0, 500), CLI_ONE_LINE);
    buf_printf(&name, " %.*s\n", STR_ARG(str_sub(node->id, 0, 16)));
    cli_paint(&out, &call->screen, CLI_CYAN, buf_str(&name));
    add_payload(call, &out, payload);
    cli_print(&out);
    buf_clear(&name);
    buf_clear(&out);
}

int trace_content(struct cli_call *call, str trace_id, const struct tree *tree)
{
    uint32_t shown = 0;
    int result = CLI_OK;
    struct buf note;
    buf_init(&note, KIB);
    cli_paint(&note, &call->screen, CLI_YELLOW,
              STR_OF("\ncontent, redacted; the server records each of these reads in its audit "
                     "log\n"));
    for (uint32_t at = tree->first_root; at != TREE_NONE; at = tree_next(tree, at)) {
        const struct value *roles = cli_member(tree->nodes[at].span, "payload");
        if (!roles || roles->count == 0)
            continue;
        struct value payload;
        struct diag why = DIAG_NONE;
        if (shown++ == 0)
            cli_print(&note);
        enum err err = read_one(call, trace_id, &tree->nodes[at], &payload, &why);
        if (!err) {
            print_one(call, &tree->nodes[at], &payload);
            continue;
        }
        result = cli_fail(err, &why);
        if (err != ERR_NOT_FOUND) /* one that expired says nothing about the next */
            break;
    }
    if (!shown)
        puts("\nno content is stored for these spans");
    buf_clear(&note);
    return result;
}
