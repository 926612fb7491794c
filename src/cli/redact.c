/* redact.c -- `telltale redact test FILE|-`: what redaction makes of a text.
 *
 * The rules are the server's, the key of hashes is random: a hash shown here is not the
 * one that the server would write.  Nothing is stored.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "redact/redact.h"
#include "cli/cli_int.h"
#include "sys/file.h"
#include <stdio.h>

enum { TEXT_BYTES_MAX = 64 * 1024 * 1024, KINDS_MAX = 256 };
static const str mark = STR("[REDACTED:");

struct kind {
    str name;
    int64_t count;
};

struct kinds {
    struct kind items[KINDS_MAX];
    size_t count;
};

static enum err read_text(struct cli_call *call, struct buf *text, struct diag *why)
{
    str path = call->args[1];
    if (!str_equal_c(path, "-"))
        return file_read(path.ptr, text, why);
    char piece[4096];
    size_t len;
    while ((len = fread(piece, 1, sizeof piece, stdin)) > 0)
        buf_add(text, piece, len);
    if (buf_failed(text))
        return diag_set(why, ERR_LIMIT, "the text is larger than %d bytes", TEXT_BYTES_MAX);
    return ferror(stdin) ? diag_set(why, ERR_IO, "cannot read the standard input") : ERR_OK;
}

static void kinds_add(struct kinds *kinds, str name, int64_t count)
{
    for (size_t i = 0; i < kinds->count; i++)
        if (str_equal(kinds->items[i].name, name)) {
            kinds->items[i].count += count;
            return;
        }
    if (kinds->count < KINDS_MAX)
        kinds->items[kinds->count++] = (struct kind){ name, count };
}

/* Marks of a text redacted with names, less those that it came with. */
static void kinds_count(struct kinds *kinds, str text, int64_t sign)
{
    for (size_t at; (at = str_find(text, mark)) < text.len;) {
        text = str_from(text, at + mark.len);
        size_t end = str_find_char(text, ']');
        kinds_add(kinds, str_sub(text, 0, end), sign);
    }
}

static bool policy_of(const struct cli_call *call, struct redact_policy *ret_policy)
{
    static const struct {
        const char *name;
        enum redact_action action;
    } actions[] = { { "mask", REDACT_MASK }, { "hash", REDACT_HASH }, { "keep", REDACT_KEEP } };
    *ret_policy = redact_policy_default;
    ret_policy->name_kind = call->options.name_kind;
    if (!call->options.pii)
        return true;
    for (size_t i = 0; i < COUNT_OF(actions); i++)
        if (strcmp(call->options.pii, actions[i].name) == 0) {
            ret_policy->pii = actions[i].action;
            return true;
        }
    return false;
}

static void print_json(str text, uint32_t count, const struct kinds *kinds)
{
    struct buf out;
    buf_init(&out, 8 * (size_t)TEXT_BYTES_MAX);
    buf_printf(&out, "{\"count\":%u,\"kinds\":{", count);
    bool is_first = true;
    for (size_t i = 0; i < kinds->count; i++) {
        if (kinds->items[i].count <= 0)
            continue;
        buf_add_c(&out, is_first ? "" : ",");
        buf_add_json_str(&out, kinds->items[i].name);
        buf_printf(&out, ":%lld", (long long)kinds->items[i].count);
        is_first = false;
    }
    buf_add_c(&out, "},\"text\":");
    buf_add_json_str(&out, text);
    buf_add_c(&out, "}\n");
    cli_print(&out);
    buf_clear(&out);
}

/* The text alone goes to stdout, so that it can be piped on; the counts to stderr. */
static void print_text(const struct cli_call *call, str text, uint32_t count,
                       const struct kinds *kinds)
{
    struct buf out;
    buf_init(&out, 4 * (size_t)TEXT_BYTES_MAX);
    if (call->screen.is_tty)
        cli_clean(&out, text, CLI_MANY_LINES);
    else
        buf_add_str(&out, text);
    if (call->screen.is_tty && text.len && text.ptr[text.len - 1] != '\n')
        buf_add_char(&out, '\n');
    cli_print(&out);
    buf_clear(&out);
    fflush(stdout);
    fprintf(stderr, "%u replaced", count);
    for (size_t i = 0, shown = 0; i < kinds->count; i++)
        if (kinds->items[i].count > 0)
            fprintf(stderr, "%s%.*s %lld", shown++ ? ", " : ": ", STR_ARG(kinds->items[i].name),
                    (long long)kinds->items[i].count);
    fprintf(stderr, "\n");
}

static int test_text(struct cli_call *call, const struct redactor *redactor, str text,
                     struct diag *why)
{
    struct redact_policy policy;
    if (!policy_of(call, &policy))
        return cli_misuse(call, "--pii=%.40s is none of: mask hash keep", call->options.pii);
    struct redact_policy named = policy;
    named.name_kind = true;
    if (named.pii == REDACT_HASH)
        named.pii = REDACT_MASK;
    struct redact_scratch *scratch = redact_scratch_new(redactor);
    struct kinds kinds = { .count = 0 };
    str clean = STR_NONE, with_names = STR_NONE;
    uint32_t count = 0, again = 0;
    enum err err = redact_text(redactor, scratch, &policy, &call->arena, text, &clean, &count);
    if (!err)
        err = redact_text(redactor, scratch, &named, &call->arena, text, &with_names, &again);
    redact_scratch_free(scratch);
    if (err)
        return cli_fail(diag_set(why, err, "the text is too large"), why);
    kinds_count(&kinds, with_names, 1);
    kinds_count(&kinds, text, -1);
    if (call->options.json)
        print_json(clean, count, &kinds);
    else
        print_text(call, clean, count, &kinds);
    return CLI_OK;
}

int cli_redact(struct cli_call *call)
{
    struct diag why = DIAG_NONE;
    struct redactor *redactor = NULL;
    struct crypt_key key;
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    crypt_random(&key, sizeof key);
    enum err err = read_text(call, &text, &why);
    if (!err)
        err = redactor_new(&key, &redactor, &why);
    int status = err ? cli_fail(err, &why) : test_text(call, redactor, buf_str(&text), &why);
    redactor_free(redactor);
    buf_clear(&text);
    return status;
}
