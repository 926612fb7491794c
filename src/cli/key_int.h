/* key_int.h -- the verbs of `telltale key`.
 *
 * Memory:  none kept.
 * Threads: the main thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
struct cli_call;
int key_status(struct cli_call *call);
int key_list(struct cli_call *call);
int key_create(struct cli_call *call);
int key_revoke(struct cli_call *call);
