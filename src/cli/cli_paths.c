/* cli_paths.c -- where the data is, who holds it, and how errors are printed.
 *
 * The folders are found as `serve` finds them: option, environment, default.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "cli/cli_int.h"
#include "keys/keys.h"
#include "meta/meta.h"
#include "sys/file.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int cli_fail(enum err err, const struct diag *why)
{
    struct buf out;
    buf_init(&out, 8 * KIB);
    buf_add_c(&out, "telltale: ");
    cli_clean(&out, str_from_c(why->text[0] ? why->text : err_text(err)), CLI_ONE_LINE);
    buf_add_char(&out, '\n');
    if (why->hint[0]) {
        buf_add_c(&out, "  ");
        cli_clean(&out, str_from_c(why->hint), CLI_ONE_LINE);
        buf_add_char(&out, '\n');
    }
    fflush(stdout);
    fwrite(out.ptr, 1, out.len, stderr);
    buf_clear(&out);
    return CLI_FAILED;
}

void cli_print(struct buf *text)
{
    fwrite(text->ptr ? text->ptr : "", 1, text->len, stdout);
    buf_reset(text);
}

static const char *from(const char *option, const char *variable, const char *fallback)
{
    const char *value = option ? option : getenv(variable);
    return value && value[0] ? value : fallback;
}

const char *cli_data_dir(struct cli_call *call)
{
    return from(call->options.data_dir, "TELLTALE_SERVER_DATA_DIR", "telltale-data");
}

const char *cli_path(struct cli_call *call, const char *dir, const char *name)
{
    str path = arena_printf(&call->arena, "%s/%s", dir, name);
    assert(path.ptr);
    return path.ptr;
}

const char *cli_keys_dir(struct cli_call *call)
{
    str fallback = arena_printf(&call->arena, "%s.keys", cli_data_dir(call));
    assert(fallback.ptr);
    return from(call->options.keys_dir, "TELLTALE_KEYS_DIR", fallback.ptr);
}

enum err cli_keystore_open(struct cli_call *call, struct keystore **ret_keystore,
                           struct diag *reterr_why)
{
    const char *dir = cli_keys_dir(call);
    struct keys_config config = {
        .master_path = from(NULL, "TELLTALE_KEYS_MASTER_FILE", cli_path(call, dir, "master.key")),
        .master_hex = from(NULL, "TELLTALE_KEYS_MASTER_HEX", NULL),
        .store_path = cli_path(call, dir, "keystore"),
        .read_only = true,
    };
    bool created;
    return keystore_open(&config, ret_keystore, &created, reterr_why);
}

enum err cli_data_check(struct cli_call *call, struct diag *reterr_why)
{
    const char *dir = cli_data_dir(call);
    if (access(dir, R_OK | X_OK) == 0)
        return ERR_OK;
    diag_set(reterr_why, ERR_NOT_FOUND, "cannot read the data folder %.180s", dir);
    diag_hint(reterr_why, "name it by --data_dir=PATH; a server makes it when it first starts");
    return ERR_NOT_FOUND;
}

enum err cli_meta_open(struct cli_call *call, struct meta **ret_meta, struct diag *reterr_why)
{
    const char *path = cli_path(call, cli_data_dir(call), "meta.sqlite");
    if (file_exists(path))
        return meta_open(path, ret_meta, reterr_why);
    diag_set(reterr_why, ERR_NOT_FOUND, "there is no %.200s", path);
    diag_hint(reterr_why, "is --data_dir right? a server makes the file when it first starts");
    return ERR_NOT_FOUND;
}

int cli_lock_held(struct cli_call *call)
{
    return file_is_locked(cli_path(call, cli_data_dir(call), "lock"));
}
