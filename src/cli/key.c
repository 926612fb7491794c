/* key.c -- `telltale key status|list|create|revoke`.
 *
 * status is about the keystore (content and log keys), the others about API keys.  create
 * and revoke also work beside a server, which looks for changed keys every two seconds.
 * Every change is written to the audit log before it is made.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "audit/audit.h"
#include "auth/auth.h"
#include "base/text.h"
#include "cli/cli_int.h"
#include "cli/key_int.h"
#include "keys/keys.h"
#include "meta/meta.h"
#include "sys/clock.h"
#include <stdio.h>

struct change {
    struct meta *meta;
    struct audit *audit;
};

static enum err change_begin(struct cli_call *call, struct change *change, struct diag *why)
{
    *change = (struct change){ 0 };
    const char *dir = cli_data_dir(call);
    enum err err = cli_data_check(call, why);
    if (!err)
        err = cli_meta_open(call, &change->meta, why);
    return err ? err
               : audit_open(cli_path(call, dir, "audit.log"), &sys_files_real, &change->audit, NULL,
                            why);
}

static void change_end(struct change *change)
{
    if (change->audit)
        audit_close(change->audit);
    if (change->meta)
        meta_close(change->meta);
}

static enum err record(struct change *change, const char *action, str project, str tenant, str id,
                       struct diag *why)
{
    struct audit_event event = { .time_ns = clock_now_ns(),
                                 .actor = STR("cli"),
                                 .action = str_from_c(action),
                                 .project = project,
                                 .tenant = tenant,
                                 .object = id };
    return audit_append(change->audit, &event, why);
}

static enum err expiry_of(const struct cli_call *call, int64_t now_ns, int64_t *ret_ns,
                          struct diag *why)
{
    int64_t duration;
    str text = str_from_c(call->options.expires);
    *ret_ns = 0;
    if (str_is_none(text))
        return ERR_OK;
    if (duration_parse(text, &duration) && duration > 0 && !ADD_OVERFLOWS(now_ns, duration, ret_ns))
        return ERR_OK;
    if (time_parse(text, ret_ns) && *ret_ns > now_ns)
        return ERR_OK;
    return diag_set(why, ERR_BAD_INPUT,
                    "--expires=%.60s is neither a duration as 30d nor a time to come as 2030-01-01",
                    call->options.expires);
}

static enum err make(struct cli_call *call, struct change *change, struct auth_key *key,
                     char token[AUTH_TOKEN_LEN + 1], struct diag *why)
{
    int64_t now_ns = clock_now_ns();
    const char *project = call->options.project ? call->options.project : "default";
    const char *list = call->options.permissions ? call->options.permissions : "ingest,read";
    *key = (struct auth_key){ .project = str_from_c(project),
                              .tenant = str_from_c(call->options.tenant) };
    str label = call->options.label ? str_from_c(call->options.label) : STR_OF("");
    if (key->tenant.len > AUTH_NAME_BYTES_MAX || label.len > AUTH_NAME_BYTES_MAX)
        return diag_set(why, ERR_BAD_INPUT, "a tenant or label has at most %d bytes",
                        AUTH_NAME_BYTES_MAX);
    enum err err = auth_permissions_parse(str_from_c(list), &key->permissions, why);
    if (!err && !key->permissions)
        err = diag_set(why, ERR_BAD_INPUT, "a key without a permission is of no use");
    if (!err)
        err = expiry_of(call, now_ns, &key->expires_ns, why);
    if (!err)
        err = meta_project_create(change->meta, key->project, now_ns, why);
    if (err && err != ERR_CONFLICT) /* it exists */
        return err;
    auth_key_create(key, token);
    struct meta_key row = { .id = str_from_c(key->id),
                            .project = key->project,
                            .tenant = key->tenant,
                            .label = label,
                            .permissions = key->permissions,
                            .created_ns = now_ns,
                            .expires_ns = key->expires_ns };
    memcpy(row.secret_hash, key->secret_hash, sizeof row.secret_hash);
    err = record(change, "key.create", key->project, key->tenant, row.id, why);
    return err ? err : meta_key_create(change->meta, &row, why);
}

static const char *in_force_text(struct cli_call *call)
{
    return cli_lock_held(call) == 1 ? "the running server accepts it within two seconds"
                                    : "a server accepts it from its next start on";
}

int key_create(struct cli_call *call)
{
    struct change change;
    struct auth_key key;
    char token[AUTH_TOKEN_LEN + 1] = "";
    struct diag why = DIAG_NONE;
    enum err err = change_begin(call, &change, &why);
    if (!err)
        err = make(call, &change, &key, token, &why);
    change_end(&change);
    if (err)
        return cli_fail(err, &why);
    struct buf out;
    buf_init(&out, 8 * KIB);
    if (call->options.json) {
        buf_printf(&out, "{\"id\":\"%s\",\"token\":\"%s\",\"project\":", key.id, token);
        buf_add_json_str(&out, key.project);
        buf_add_c(&out, "}\n");
    } else {
        buf_printf(&out, "%s\n", token);
        fprintf(stderr,
                "key %s for project %.*s; the line above is shown only now\n"
                "  %s\n",
                key.id, STR_ARG(key.project), in_force_text(call));
    }
    cli_print(&out);
    crypt_wipe(token, sizeof token);
    buf_clear(&out);
    return CLI_OK;
}

int key_revoke(struct cli_call *call)
{
    if (call->arg_count < 2)
        return cli_misuse(call, "revoke needs the ID of a key; `telltale key list` shows them");
    str id = call->args[1];
    uint8_t bytes[META_KEY_ID_LEN / 2];
    if (!hex_decode(id, bytes, sizeof bytes))
        return cli_misuse(call, "\"%.*s\" is not the id of a key: %d hex digits",
                          STR_ARG(str_sub(id, 0, 40)), META_KEY_ID_LEN);
    struct change change;
    struct diag why = DIAG_NONE;
    enum err err = change_begin(call, &change, &why);
    if (!err)
        err = record(&change, "key.revoke", STR_NONE, STR_NONE, id, &why);
    if (!err)
        err = meta_key_revoke(change.meta, id, clock_now_ns(), &why);
    change_end(&change);
    if (err)
        return cli_fail(err, &why);
    printf("key %.*s is revoked; %s\n", STR_ARG(id),
           cli_lock_held(call) == 1 ? "the running server refuses it within two seconds"
                                    : "no server runs on this folder now");
    return CLI_OK;
}

int cli_key(struct cli_call *call)
{
    if (str_equal_c(call->args[0], "create"))
        return key_create(call);
    if (str_equal_c(call->args[0], "revoke"))
        return key_revoke(call);
    return str_equal_c(call->args[0], "list") ? key_list(call) : key_status(call);
}
