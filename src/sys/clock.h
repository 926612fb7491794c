/* clock.h -- the time, replaceable in tests.
 *
 * Memory:  none.
 * Threads: any; clock_set_offset only in tests, before threads start.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/base.h"

int64_t clock_now_ns(void);       /* wall clock, ns since 1970, plus the test offset */
int64_t clock_monotonic_ns(void); /* for intervals */
int64_t clock_thread_cpu_ns(void);
void clock_set_offset(int64_t offset_ns);
void clock_sleep_ns(int64_t ns); /* for background threads only */
