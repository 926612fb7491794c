/* doctor.h -- checks of `telltale doctor`, each a line: ok, warn or FAIL, and what to do.
 *
 * Memory:  results live in the call's arena.
 * Threads: the main thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "cli/cli_int.h"

enum doctor_state { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };
enum { DOCTOR_RESULTS_MAX = 64 };
struct doctor_result {
    const char *name;
    enum doctor_state state;
    str detail;
    str hint; /* STR_NONE: nothing to do */
};
struct doctor {
    struct cli_call *call;
    struct doctor_result results[DOCTOR_RESULTS_MAX];
    size_t count;
    int server_pid; /* 0: none found */
};
void doctor_add(struct doctor *doctor, enum doctor_state state, const char *name,
                const char *format, ...) PRINTF(4, 5);
void doctor_hint(struct doctor *doctor, const char *format, ...) PRINTF(2, 3); /* of the last */

void doctor_data(struct doctor *doctor);   /* folder, disk, lock, keystore, audit log */
void doctor_net(struct doctor *doctor);    /* the server, the default ports */
void doctor_system(struct doctor *doctor); /* kernel, limits, clock, libraries */

/* A process that has `link` (as /proc/PID/fd shows it) open, or 0; its name goes to
 * ret_name.  Only processes that we may look at are found. */
int doctor_holder(struct arena *arena, str link, str *ret_name);
