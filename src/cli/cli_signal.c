/* cli_signal.c -- commands that run long end in order when they are interrupted.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli_int.h"

volatile sig_atomic_t cli_interrupted;

static void on_signal(int number)
{
    (void)number;
    cli_interrupted = 1;
}

void cli_catch(void)
{
    struct sigaction action = { .sa_handler = on_signal };
    cli_interrupted = 0;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}
