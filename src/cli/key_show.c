/* key_show.c -- `telltale key status|list`: reading only, so also beside a server.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "auth/auth.h"
#include "base/text.h"
#include "cli/cli_int.h"
#include "cli/key_int.h"
#include "keys/keys.h"
#include "meta/meta.h"
#include "sys/clock.h"
#include <stdio.h>
#include <sys/stat.h>

static const struct cli_column columns[] = {
    { "ID", false, false },          { "PROJECT", false, true }, { "TENANT", false, true },
    { "PERMISSIONS", false, false }, { "LABEL", false, true },   { "CREATED", false, false },
    { "EXPIRES", false, false },     { "STATE", false, false },
};

static str time_text(struct arena *arena, int64_t ns)
{
    if (!ns)
        return STR_NONE;
    struct buf text;
    buf_init(&text, KIB);
    time_format(&text, ns, 0);
    str copy = arena_str(arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

static const char *state_of(const struct meta_key *key, int64_t now_ns)
{
    if (key->revoked_ns)
        return "revoked";
    return key->expires_ns && key->expires_ns <= now_ns ? "expired" : "in force";
}

static str permissions_text(struct arena *arena, uint32_t permissions)
{
    struct buf text;
    buf_init(&text, KIB);
    auth_permissions_format(&text, permissions);
    str copy = arena_str(arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

static void list_json(struct arena *arena, const struct meta_key *keys, size_t count,
                      struct buf *out)
{
    buf_add_c(out, "{\"items\":[");
    for (size_t i = 0; i < count; i++) {
        const struct {
            const char *name;
            str text;
        } members[] = {
            { "id", keys[i].id },
            { "project", keys[i].project },
            { "tenant", keys[i].tenant },
            { "label", keys[i].label },
            { "permissions", permissions_text(arena, keys[i].permissions) },
            { "created_time", time_text(arena, keys[i].created_ns) },
            { "expires_time", time_text(arena, keys[i].expires_ns) },
            { "revoked_time", time_text(arena, keys[i].revoked_ns) },
        };
        for (size_t m = 0; m < COUNT_OF(members); m++) {
            buf_printf(out, "%s\"%s\":", m ? "," : i ? ",{" : "{", members[m].name);
            if (str_is_none(members[m].text))
                buf_add_c(out, "null");
            else
                buf_add_json_str(out, members[m].text);
        }
        buf_add_char(out, '}');
    }
    buf_add_c(out, "]}\n");
}

static void list_text(struct cli_call *call, const struct meta_key *keys, size_t count,
                      struct buf *out)
{
    struct cli_table table;
    int64_t now_ns = clock_now_ns();
    cli_table_init(&table, &call->arena, columns, COUNT_OF(columns));
    for (size_t i = 0; i < count; i++) {
        const char *state = state_of(&keys[i], now_ns);
        cli_table_add(&table, keys[i].id, CLI_CYAN);
        cli_table_add(&table, keys[i].project, CLI_PLAIN);
        cli_table_add(&table, keys[i].tenant, CLI_PLAIN);
        cli_table_add(&table, permissions_text(&call->arena, keys[i].permissions), CLI_PLAIN);
        cli_table_add(&table, keys[i].label, CLI_PLAIN);
        cli_table_add(&table, time_text(&call->arena, keys[i].created_ns), CLI_DIM);
        cli_table_add(&table, time_text(&call->arena, keys[i].expires_ns), CLI_DIM);
        cli_table_add(&table, str_from_c(state), strcmp(state, "in force") ? CLI_RED : CLI_GREEN);
    }
    if (count)
        cli_table_print(&table, &call->screen, out);
    else
        buf_add_c(out, "no API keys; a server that needs one makes the first when it starts\n");
    cli_table_clear(&table);
}

int key_list(struct cli_call *call)
{
    struct meta *meta = NULL;
    struct meta_key *keys = NULL;
    size_t count = 0;
    struct diag why = DIAG_NONE;
    enum err err = cli_data_check(call, &why);
    if (!err)
        err = cli_meta_open(call, &meta, &why);
    if (!err)
        err = meta_keys(meta, call->options.all, &call->arena, &keys, &count, &why);
    if (!err) {
        struct buf out;
        buf_init(&out, 256 * MIB);
        if (call->options.json)
            list_json(&call->arena, keys, count, &out);
        else
            list_text(call, keys, count, &out);
        cli_print(&out);
        buf_clear(&out);
    }
    if (meta)
        meta_close(meta);
    return err ? cli_fail(err, &why) : CLI_OK;
}

/* "0600", or what is wrong with it. */
static void add_mode(struct cli_call *call, struct buf *out, const char *name)
{
    struct stat st;
    const char *path = cli_path(call, cli_keys_dir(call), name);
    buf_printf(out, "%-12s ", name[0] ? name : "folder");
    cli_clean(out, str_from_c(path), CLI_ONE_LINE);
    if (stat(path, &st) != 0)
        buf_add_c(out, "  not there\n");
    else
        buf_printf(out, "  %04o%s\n", (unsigned)(st.st_mode & 07777),
                   st.st_mode & 077 ? "  OPEN TO OTHERS: chmod go= it" : "");
}

static void status_json(const struct keystore_status *status, struct buf *out)
{
    buf_printf(out,
               "{\"master_fingerprint\":\"%s\",\"project_keys\":%u,\"tenant_keys\":%u,"
               "\"subject_keys\":%u,\"log_keys\":%u,\"destroyed\":%u,\"damaged\":%u,"
               "\"master_file_too_open\":%s}\n",
               status->master_fingerprint, status->project_keys, status->tenant_keys,
               status->subject_keys, status->log_keys, status->destroyed, status->damaged,
               status->master_file_too_open ? "true" : "false");
}

int key_status(struct cli_call *call)
{
    struct keystore *keystore = NULL;
    struct keystore_status status;
    struct diag why = DIAG_NONE;
    enum err err = cli_keystore_open(call, &keystore, &why);
    if (err)
        return cli_fail(err, &why);
    keystore_status(keystore, &status);
    keystore_free(keystore);
    struct buf out;
    buf_init(&out, 64 * KIB);
    if (call->options.json) {
        status_json(&status, &out);
    } else {
        buf_printf(&out, "master       fingerprint %s\n", status.master_fingerprint);
        buf_printf(&out, "keys         %u projects, %u tenants, %u users, %u hours of the log\n",
                   status.project_keys, status.tenant_keys, status.subject_keys, status.log_keys);
        buf_printf(&out, "destroyed    %u\n", status.destroyed);
        if (status.damaged)
            buf_printf(&out, "DAMAGED      %u records fail their checksum; restore the keystore\n",
                       status.damaged);
        add_mode(call, &out, "");
        add_mode(call, &out, "master.key");
        add_mode(call, &out, "keystore");
    }
    cli_print(&out);
    buf_clear(&out);
    return status.damaged ? CLI_FAILED : CLI_OK;
}
