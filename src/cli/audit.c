/* audit.c -- `telltale audit verify`: does the chain of the audit log hold.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "audit/audit.h"
#include "cli/cli_int.h"
#include "sys/clock.h"

enum { RETRY_MS = 200 };

int cli_audit(struct cli_call *call)
{
    struct diag why = DIAG_NONE;
    struct audit_head head;
    enum err err = cli_data_check(call, &why);
    if (err)
        return cli_fail(err, &why);
    const char *path = cli_path(call, cli_data_dir(call), "audit.log");
    err = audit_verify(path, &sys_files_real, &head, &why);
    if (err == ERR_CORRUPT && cli_lock_held(call) == 1) { /* a server may be amid a line */
        clock_sleep_ns(RETRY_MS * NS_PER_MS);
        err = audit_verify(path, &sys_files_real, &head, &why);
    }
    struct buf out;
    buf_init(&out, 4 * KIB);
    if (!err && call->options.json)
        buf_printf(&out, "{\"ok\":true,\"sequence\":%llu,\"hash\":\"%s\"}\n",
                   (unsigned long long)head.sequence, head.hash);
    else if (!err)
        buf_printf(&out,
                   "the chain holds: %llu lines, last hash\n  %s\n"
                   "keep number and hash elsewhere: a chain that is cut short is whole too\n",
                   (unsigned long long)head.sequence, head.hash);
    else if (call->options.json) {
        buf_add_c(&out, "{\"ok\":false,\"why\":");
        buf_add_json_str(&out, str_from_c(why.text));
        buf_add_c(&out, "}\n");
    }
    cli_print(&out);
    buf_clear(&out);
    return err ? cli_fail(err, &why) : CLI_OK;
}
