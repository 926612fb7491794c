/* clock.c -- the clocks of Linux, with an offset for tests.
 *
 * The offset is the one exception to "no global state": it exists so that tests
 * can move the time of a whole process, and is set before threads start.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sys/clock.h"
#include <stdatomic.h>
#include <time.h>

static _Atomic int64_t test_offset_ns;

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t clock_now_ns(void)
{
    return read_clock(CLOCK_REALTIME) + atomic_load_explicit(&test_offset_ns, memory_order_relaxed);
}

int64_t clock_monotonic_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_thread_cpu_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

void clock_set_offset(int64_t offset_ns)
{
    atomic_store(&test_offset_ns, offset_ns);
}

void clock_sleep_ns(int64_t ns)
{
    struct timespec time = { .tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S };
    nanosleep(&time, NULL);
}
