/* commands.c -- the table of sub-commands.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli.h"
#include <stddef.h>

const struct cli_command cli_commands[] = {
    { NULL, NULL, NULL, NULL },
};
