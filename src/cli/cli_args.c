/* cli_args.c -- arguments by the tables: --name=VALUE, --name VALUE, -qVALUE, --, --help.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/text.h"
#include "cli/cli_int.h"
#include "conf/nearest.h"
#include "net/client.h"
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { ARENA_BYTES_MAX = 1024 * 1024 * 1024, WIDTH_MIN = 40, WIDTH_MAX = 1000 };

/* The server's own spelling of two of our options, so that a line can be reused. */
static const struct {
    str name;
    enum cli_option option;
} aliases[] = {
    { STR("server.data_dir"), CLI_OPTION_data_dir },
    { STR("keys.dir"), CLI_OPTION_keys_dir },
    { STR("filter"), CLI_OPTION_q },
};

bool cli_word(const char *list, size_t index, str *ret_word)
{
    str rest = str_from_c(list);
    for (str word; str_next(&rest, ' ', &word);)
        if (index-- == 0) {
            *ret_word = word;
            return true;
        }
    return false;
}

static bool accepts(const struct cli_command *command, enum cli_option option)
{
    return (command->options >> option) & 1;
}

static void help_option(struct buf *out, const struct cli_option_info *info)
{
    size_t start = out->len;
    if (info->letter)
        buf_printf(out, "  -%c, ", info->letter);
    else
        buf_add_c(out, "      ");
    buf_printf(out, "--%s%s%s", info->name, info->value[0] ? "=" : "", info->value);
    while (out->len - start < 28)
        buf_add_char(out, ' ');
    buf_printf(out, " %s\n", info->help);
}

static int help(const struct cli_command *command)
{
    struct buf out;
    buf_init(&out, 64 * KIB);
    buf_printf(&out, "usage: telltale %s%s%s%s\n\n%s\n", command->name,
               command->arguments[0] ? " " : "", command->arguments,
               command->options ? " [options]" : "", command->summary);
    if (command->options)
        buf_add_c(&out, "\noptions:\n");
    for (int i = 0; i < CLI_OPTION_COUNT; i++)
        if (accepts(command, (enum cli_option)i))
            help_option(&out, &cli_option_table[i]);
    buf_printf(&out, "\nexamples:\n%s", command->examples);
    cli_print(&out);
    buf_clear(&out);
    return CLI_OK;
}

int cli_misuse(const struct cli_call *call, const char *format, ...)
{
    char text[DIAG_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct buf out;
    buf_init(&out, 4 * KIB);
    cli_clean(&out, str_from_c(text), CLI_ONE_LINE);
    fprintf(stderr, "telltale %s: %.*s\n  `telltale %s --help` lists what it takes\n",
            call->command->name, STR_ARG(buf_str(&out)), call->command->name);
    buf_clear(&out);
    return CLI_USAGE;
}

/* '-' and '_' are the same in a name: --data-dir is --data_dir. */
static bool same_name(str given, const char *name)
{
    if (given.len != strlen(name))
        return false;
    for (size_t i = 0; i < given.len; i++)
        if (given.ptr[i] != name[i] && !(strchr("-_", given.ptr[i]) && strchr("-_", name[i])))
            return false;
    return true;
}

static int find_option(const struct cli_command *command, str name)
{
    for (int i = 0; i < CLI_OPTION_COUNT; i++)
        if (accepts(command, (enum cli_option)i) && same_name(name, cli_option_table[i].name))
            return i;
    for (size_t i = 0; i < COUNT_OF(aliases); i++)
        if (accepts(command, aliases[i].option) && str_equal(name, aliases[i].name))
            return (int)aliases[i].option;
    return -1;
}

static int unknown_option(const struct cli_call *call, str name)
{
    if (str_equal_c(name, "key") && accepts(call->command, CLI_OPTION_key_file))
        return cli_misuse(call, "a key in a command line is seen by every user of the machine: "
                                "give it by TELLTALE_KEY or --key-file=PATH");
    struct nearest nearest;
    nearest_init(&nearest, name);
    for (int i = 0; i < CLI_OPTION_COUNT; i++)
        if (accepts(call->command, (enum cli_option)i))
            nearest_consider(&nearest, str_from_c(cli_option_table[i].name));
    nearest_consider(&nearest, STR_OF("help"));
    str best = nearest_best(&nearest);
    if (str_is_none(best))
        return cli_misuse(call, "unknown option --%.*s", STR_ARG(str_sub(name, 0, 60)));
    return cli_misuse(call, "unknown option --%.*s; did you mean --%.*s?",
                      STR_ARG(str_sub(name, 0, 60)), STR_ARG(best));
}

static int set_option(struct cli_call *call, int option, const char *value)
{
    const struct cli_option_info *info = &cli_option_table[option];
    void *at = (char *)&call->options + info->offset;
    int64_t number;
    switch (info->kind) {
    case CLI_KIND_FLAG:
        if (value)
            return cli_misuse(call, "--%s takes no value", info->name);
        *(bool *)at = true;
        return CLI_OK;
    case CLI_KIND_TEXT:
        *(const char **)at = value;
        return CLI_OK;
    case CLI_KIND_COUNT:
        if (!str_to_i64(str_from_c(value), &number) || number < 1)
            return cli_misuse(call, "--%s=%.60s is not a whole number from 1", info->name, value);
        *(int64_t *)at = number;
        return CLI_OK;
    }
    return CLI_USAGE;
}

static int letter_option(const struct cli_command *command, char letter)
{
    for (int i = 0; i < CLI_OPTION_COUNT; i++)
        if (letter && accepts(command, (enum cli_option)i) && cli_option_table[i].letter == letter)
            return i;
    return -1;
}

/* argv[*at] is an option; moves *at over its value. */
static int parse_option(struct cli_call *call, int argc, char **argv, int *at)
{
    const char *word = argv[*at], *value = NULL;
    int option;
    if (word[1] == '-') {
        str name = str_from_c(word + 2);
        size_t equal = str_find_char(name, '=');
        if (equal < name.len)
            value = word + 2 + equal + 1;
        option = find_option(call->command, str_sub(name, 0, equal));
        if (option < 0)
            return unknown_option(call, str_sub(name, 0, equal));
    } else {
        option = letter_option(call->command, word[1]);
        if (option < 0)
            return cli_misuse(call, "unknown option %.60s", word);
        value = word[2] ? word + 2 + (word[2] == '=') : NULL;
    }
    if (!value && cli_option_table[option].kind != CLI_KIND_FLAG) {
        if (*at + 1 >= argc)
            return cli_misuse(call, "--%s needs a value", cli_option_table[option].name);
        value = argv[++*at];
    }
    return set_option(call, option, value);
}

static int check_arguments(const struct cli_call *call)
{
    const struct cli_command *command = call->command;
    if (call->arg_count < command->args_min)
        return cli_misuse(call, "needs %s", command->arguments);
    if (!command->verbs || call->arg_count == 0)
        return CLI_OK;
    struct nearest nearest;
    nearest_init(&nearest, call->args[0]);
    str verb;
    for (size_t i = 0; cli_word(command->verbs, i, &verb); i++) {
        if (str_equal(verb, call->args[0]))
            return CLI_OK;
        nearest_consider(&nearest, verb);
    }
    str best = nearest_best(&nearest);
    if (str_is_none(best))
        return cli_misuse(call, "\"%.*s\" is none of: %s", STR_ARG(str_sub(call->args[0], 0, 60)),
                          command->verbs);
    return cli_misuse(call, "unknown \"%.*s\"; did you mean \"%.*s\"?",
                      STR_ARG(str_sub(call->args[0], 0, 60)), STR_ARG(best));
}

static int parse(struct cli_call *call, int argc, char **argv)
{
    bool only_arguments = false;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (!only_arguments && strcmp(word, "--") == 0) {
            only_arguments = true;
        } else if (!only_arguments && word[0] == '-' && word[1]) {
            int status = parse_option(call, argc, argv, &i);
            if (status)
                return status;
        } else {
            if (call->arg_count == call->command->args_max)
                return cli_misuse(call, "does not take \"%.60s\"", word);
            assert(call->arg_count < CLI_ARGS_MAX);
            call->args[call->arg_count++] = str_from_c(word);
        }
    }
    return check_arguments(call);
}

/* --since=7d is --from=now-7d. */
static int take_since(struct cli_call *call)
{
    struct cli_options *options = &call->options;
    int64_t ns;
    if (!options->since || !accepts(call->command, CLI_OPTION_from))
        return CLI_OK;
    if (options->from)
        return cli_misuse(call, "--from and --since say the same: give one of them");
    if (!duration_parse(str_from_c(options->since), &ns))
        return cli_misuse(call, "--since=%.60s is not a duration, as 90m, 12h or 7d",
                          options->since);
    options->from = arena_printf(&call->arena, "now-%s", options->since).ptr;
    return CLI_OK;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static bool is_set(const char *name)
{
    const char *value = getenv(name);
    return value && value[0];
}

static void screen_init(struct cli_call *call)
{
    struct cli_screen *screen = &call->screen;
    struct winsize size;
    const char *term = getenv("TERM");
    int64_t columns = 0;
    screen->is_tty = isatty(STDOUT_FILENO);
    screen->has_colour =
        screen->is_tty && !is_set("NO_COLOR") && term && term[0] && strcmp(term, "dumb") != 0;
    if (screen->is_tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
        columns = size.ws_col;
    else if (screen->is_tty && !str_to_i64(str_from_c(getenv("COLUMNS")), &columns))
        columns = 80;
    if (call->options.width)
        columns = call->options.width;
    if (columns)
        screen->width = (uint32_t)MIN(MAX(columns, (int64_t)WIDTH_MIN), (int64_t)WIDTH_MAX);
}

int cli_run(const struct cli_command *command, int (*function)(struct cli_call *call), int argc,
            char **argv)
{
    if (wants_help(argc, argv))
        return help(command);
    /* Widths of characters (wcwidth) are the one thing asked of the locale. */
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    locale_t before = utf8 ? uselocale(utf8) : (locale_t)0;
    struct cli_call call = { .command = command };
    arena_init(&call.arena, ARENA_BYTES_MAX);
    call.args = arena_new(&call.arena, str, CLI_ARGS_MAX);
    assert(call.args);
    int status = parse(&call, argc, argv);
    screen_init(&call);
    if (!status)
        status = take_since(&call);
    if (!status)
        status = function(&call);
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == CLI_OK) {
        fprintf(stderr, "telltale: the output cannot be written\n");
        status = CLI_FAILED;
    }
    client_free(call.client);
    arena_clear(&call.arena);
    if (utf8) {
        uselocale(before);
        freelocale(utf8);
    }
    return status;
}
