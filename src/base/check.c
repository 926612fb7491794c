/* check.c -- what a failed assertion prints before it aborts.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>

enum { BACKTRACE_MAX = 32 };

void check_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "assertion failed: %s at %s:%d\n", expression, file, line);
    void *frames[BACKTRACE_MAX];
    int count = backtrace(frames, BACKTRACE_MAX);
    backtrace_symbols_fd(frames, count, 2);
    abort();
}
