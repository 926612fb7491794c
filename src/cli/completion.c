/* completion.c -- `telltale completion bash|zsh|fish`, from the tables.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli_int.h"

enum { OUTPUT_BYTES_MAX = 256 * 1024 };

static bool accepts(const struct cli_command *command, int option)
{
    return (command->options >> option) & 1;
}

/* Words of one command: its verbs and options; those with a value end in '='. */
static void add_words(struct buf *out, const struct cli_command *command)
{
    if (command->verbs)
        buf_printf(out, "%s ", command->verbs);
    for (int i = 0; i < CLI_OPTION_COUNT; i++)
        if (accepts(command, i))
            buf_printf(out, "--%s%s ", cli_option_table[i].name,
                       cli_option_table[i].value[0] ? "=" : "");
    buf_add_c(out, "--help");
}

static void add_names(struct buf *out)
{
    buf_add_c(out, "serve");
    for (const struct cli_command *at = cli_commands; at->name; at++)
        buf_printf(out, " %s", at->name);
}

static void add_bash(struct buf *out)
{
    buf_add_c(out, "# bash completion of telltale: source <(telltale completion bash)\n"
                   "_telltale() {\n"
                   "    local word=\"${COMP_WORDS[COMP_CWORD]}\" words=\"\"\n"
                   "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words=\"");
    add_names(out);
    buf_add_c(out, "\"\n    else\n        case \"${COMP_WORDS[1]}\" in\n");
    for (const struct cli_command *at = cli_commands; at->name; at++) {
        buf_printf(out, "        %s) words=\"", at->name);
        add_words(out, at);
        buf_add_c(out, "\" ;;\n");
    }
    buf_add_c(out, "        esac\n    fi\n"
                   "    COMPREPLY=( $(compgen -W \"$words\" -- \"$word\") )\n"
                   "    case \"${COMPREPLY[0]}\" in *=) compopt -o nospace ;; esac\n"
                   "}\n"
                   "complete -o default -F _telltale telltale\n");
}

/* For single quotes of zsh and fish, and zsh's own brackets and colons. */
static void add_quoted(struct buf *out, const char *text, const char *special)
{
    for (const char *at = text; *at; at++) {
        if (*at == '\'')
            buf_add_c(out, "'\\'");
        else if (strchr(special, *at))
            buf_add_char(out, '\\');
        buf_add_char(out, *at);
    }
}

static void add_zsh(struct buf *out)
{
    buf_add_c(out, "#compdef telltale\n"
                   "# zsh completion of telltale: a file _telltale in a folder of $fpath\n"
                   "_telltale() {\n    if (( CURRENT == 2 )); then\n        local -a names=(\n"
                   "            'serve:receive, store and show telemetry'\n");
    for (const struct cli_command *at = cli_commands; at->name; at++) {
        buf_printf(out, "            '%s:", at->name);
        add_quoted(out, at->summary, ":");
        buf_add_c(out, "'\n");
    }
    buf_add_c(out, "        )\n        _describe command names\n        return\n    fi\n"
                   "    case \"${words[2]}\" in\n");
    for (const struct cli_command *at = cli_commands; at->name; at++) {
        buf_printf(out, "    %s) _arguments '*:file:_files'", at->name);
        if (at->verbs)
            buf_printf(out, " '2:verb:(%s)'", at->verbs);
        for (int i = 0; i < CLI_OPTION_COUNT; i++) {
            const struct cli_option_info *info = &cli_option_table[i];
            if (!accepts(at, i))
                continue;
            buf_printf(out, " '--%s%s[", info->name, info->value[0] ? "=" : "");
            add_quoted(out, info->help, "[]:");
            buf_printf(out, "]%s%s'", info->value[0] ? ":" : "", info->value);
        }
        buf_add_c(out, " ;;\n");
    }
    buf_add_c(out, "    esac\n}\ncompdef _telltale telltale\n");
}

static void add_fish(struct buf *out)
{
    buf_add_c(out, "# fish completion of telltale\n"
                   "complete -c telltale -f -n __fish_use_subcommand -a serve"
                   " -d 'receive, store and show telemetry'\n");
    for (const struct cli_command *at = cli_commands; at->name; at++) {
        buf_printf(out, "complete -c telltale -f -n __fish_use_subcommand -a %s -d '", at->name);
        add_quoted(out, at->summary, "\\");
        buf_add_c(out, "'\n");
        if (at->verbs)
            buf_printf(out, "complete -c telltale -f -n '__fish_seen_subcommand_from %s' -a '%s'\n",
                       at->name, at->verbs);
        for (int i = 0; i < CLI_OPTION_COUNT; i++) {
            const struct cli_option_info *info = &cli_option_table[i];
            if (!accepts(at, i))
                continue;
            buf_printf(out, "complete -c telltale -n '__fish_seen_subcommand_from %s' -l %s%s -d '",
                       at->name, info->name, info->value[0] ? " -r" : "");
            add_quoted(out, info->help, "\\");
            buf_add_c(out, "'\n");
        }
    }
}

int cli_completion(struct cli_call *call)
{
    struct buf out;
    buf_init(&out, OUTPUT_BYTES_MAX);
    if (str_equal_c(call->args[0], "bash"))
        add_bash(&out);
    else if (str_equal_c(call->args[0], "zsh"))
        add_zsh(&out);
    else
        add_fish(&out);
    cli_print(&out);
    buf_clear(&out);
    return CLI_OK;
}
