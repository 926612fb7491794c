/* options.c -- binds options.def to struct options.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "server/options.h"
#include "base/check.h"
#include "sys/file.h"

static const struct bind_row rows[] = {
#define OPTION(section, key, type, member, fallback, min, max, unit, flags, help)                  \
    { section, key,   BIND_##type, offsetof(struct options, member), fallback, min, max,           \
      unit,    flags, help },
#include "server/options.def"
#undef OPTION
};

static enum err load_file(struct options *options, str path, struct diag *why)
{
    struct buf text;
    buf_init(&text, YAML_BYTES_MAX);
    struct yaml yaml;
    enum err err = file_read(options_c(options, path), &text, why);
    if (!err)
        err = yaml_parse(&options->arena, path, buf_str(&text), &yaml, why);
    if (!err)
        err = bind_yaml(&options->binding, &yaml, why);
    buf_clear(&text);
    return err;
}

static enum err refuse_secret_argument(str argument, struct diag *why)
{
    if (!str_starts(argument, STR_OF("--keys.master_hex")))
        return ERR_OK;
    diag_set(why, ERR_BAD_INPUT,
             "a key on the command line is visible to every user of the machine");
    diag_hint(why, "use TELLTALE_KEYS_MASTER_HEX or --keys.master_file=PATH");
    return ERR_BAD_INPUT;
}

static bool is_config(str argument, str *ret_path)
{
    str prefix = STR_OF("--config=");
    if (!str_starts(argument, prefix))
        return false;
    *ret_path = str_from(argument, prefix.len);
    return true;
}

/* Variables of the other sub-commands, which may be set in the same shell. */
static bool is_for_client(const char *entry)
{
    return str_starts(str_from_c(entry), STR_OF("TELLTALE_SERVER=")) ||
           str_starts(str_from_c(entry), STR_OF("TELLTALE_KEY="));
}

enum err options_load(struct options *options, int argc, char **argv, char *const *environment,
                      struct diag *reterr_why)
{
    /* bind_init zeroes the target, so arena and binding are set up around it. */
    struct arena arena;
    arena_init(&arena, OPTIONS_ARENA_BYTES);
    struct binding binding = { .rows = rows, .count = COUNT_OF(rows), .arena = &arena };
    enum err err = bind_init(&binding, options, sizeof *options, reterr_why);
    options->arena = arena;
    options->binding = binding;
    options->binding.arena = &options->arena;
    str path;
    for (int i = 0; i < argc && !err; i++)
        if (is_config(str_from_c(argv[i]), &path))
            err = load_file(options, path, reterr_why);
    for (size_t i = 0; environment[i] && !err; i++)
        if (!is_for_client(environment[i]))
            err = bind_environment(&options->binding, "TELLTALE_", environment[i], reterr_why);
    for (int i = 0; i < argc && !err; i++) {
        str argument = str_from_c(argv[i]);
        if (is_config(argument, &path))
            continue;
        err = refuse_secret_argument(argument, reterr_why);
        if (!err)
            err = bind_argument(&options->binding, argument, reterr_why);
    }
    if (!err && (options->tls_cert.len != 0) != (options->tls_key.len != 0))
        err = diag_set(reterr_why, ERR_BAD_INPUT,
                       "listen.tls_cert and listen.tls_key are needed together");
    return err;
}

void options_clear(struct options *options)
{
    arena_clear(&options->arena);
}

const char *options_c(struct options *options, str text)
{
    char *copy = arena_alloc(&options->arena, text.len + 1);
    assert(copy);
    if (text.len)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return copy;
}

void options_help(struct buf *out)
{
    bind_help_print(out, rows, COUNT_OF(rows));
}

void options_to_json(struct buf *out, const struct options *options)
{
    buf_add_c(out, "{\"options\":[");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf value;
        buf_init(&value, 64 * KIB);
        bind_value_print(&value, &options->binding, &rows[i]);
        buf_printf(out, "%s{\"name\":\"%s.%s\",\"value\":", i ? "," : "", rows[i].section,
                   rows[i].key);
        buf_add_json_str(out, buf_str(&value));
        buf_printf(out,
                   ",\"origin\":\"%s\",\"help\":", bind_origin_name(options->binding.origins[i]));
        buf_add_json_str(out, str_from_c(rows[i].help));
        buf_add_char(out, '}');
        buf_clear(&value);
    }
    buf_add_c(out, "]}");
}
