/* kept_report.h -- answers that took long, given again for a while.
 *
 * The report of instrumentation reads every span of its range: over a million spans it takes
 * seconds.  One that took KEPT_REPORT_SLOW_NS or more is kept for twenty times as long, at most
 * KEPT_REPORT_NS_MAX, and says in `made` when it was made.  Quicker ones are made anew each time.
 *
 * All of these questions are asked of one query thread (jobs.c), which owns what is kept.
 *
 * Memory:  owns copies: KEPT_REPORTS answers of KEPT_REPORT_BYTES_MAX at most.
 * Threads: its query thread's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/buf.h"
#include "base/str.h"

enum { KEPT_REPORTS = 16, KEPT_REPORT_BYTES_MAX = 1 << 20 };
#define KEPT_REPORT_SLOW_NS (250 * NS_PER_MS)
#define KEPT_REPORT_NS_MAX (120 * NS_PER_S)

struct kept_reports {
    struct kept_report {
        char *key, *body; /* NULL: none */
        size_t key_len, body_len;
        int64_t until_ns;
    } items[KEPT_REPORTS];
};
void kept_reports_clear(struct kept_reports *kept);
/* What was kept under that key, borrowed until the next call; STR_NONE: nothing, or too old.
 * Times are monotonic. */
str kept_report_find(const struct kept_reports *kept, str key, int64_t now_ns);
/* Keep it, if it took long enough and fits; in the place of the one that ends first. */
void kept_report_put(struct kept_reports *kept, str key, str body, int64_t took_ns, int64_t now_ns);
