/* map_int.h -- the verbs of `telltale map` that are about versions.
 *
 * Memory:  none kept.
 * Threads: the main thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
struct cli_call;
int map_versions(struct cli_call *call);
int map_pins(struct cli_call *call);
int map_pin(struct cli_call *call);
