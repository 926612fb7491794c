/* health.c -- `telltale health`: for scripts and container health checks.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli_int.h"

int cli_health(struct cli_call *call)
{
    struct value answer;
    int status = cli_ask(call, "/readyz", &answer);
    if (status || call->options.json)
        return status;
    struct buf out;
    buf_init(&out, 4 * KIB);
    buf_add_c(&out, "ready: ");
    cli_clean(&out, str_from_c(cli_server(call)), CLI_ONE_LINE);
    buf_add_char(&out, '\n');
    cli_print(&out);
    buf_clear(&out);
    return CLI_OK;
}
