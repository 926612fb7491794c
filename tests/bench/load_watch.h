/* load_watch.h -- what the server says of itself, and what the kernel says of it.
 *
 * Memory:  plain data.
 * Threads: one thread; blocking.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/base.h"

struct watch_counters { /* of /metrics */
    double drain_spans, spans_settled, drain_behind_s, store_disk_bytes, content_stored_bytes,
        corrupt, store_errors, duplicates;
};
struct watch_process { /* of /proc */
    double cpu_s;
    double rss_kib, rss_peak_kib;
};

/* A socket to 127.0.0.1:port; -1 when nobody listens. */
int watch_connect(int port);
/* False when the server does not answer. */
bool watch_counters(int port, struct watch_counters *ret_counters);
/* Status of GET path, 0 without an answer. */
int watch_get(int port, const char *path, char *ret_body, size_t body_size);
bool watch_process(int pid, struct watch_process *ret_process);
