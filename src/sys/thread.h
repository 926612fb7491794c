/* thread.h -- threads, and the lock and condition that sys/queue.c and the few
 * recorded exceptions (docs/decisions) are made of.
 *
 * Memory:  struct thread is caller's storage.
 * Threads: obviously.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/base.h"
#include <pthread.h>

struct thread {
    pthread_t handle;
    bool started;
};
/* Aborts when the system gives no thread. `name`: at most 15 bytes, shown by ps and gdb. */
void thread_start(struct thread *thread, const char *name, void (*run)(void *arg), void *arg);
/* As thread_start, for work that may wait a moment while a sender does: it and the threads it
 * starts run at a lower priority.  Only somewhat lower, since it holds locks that others need. */
void thread_start_behind(struct thread *thread, const char *name, void (*run)(void *arg),
                         void *arg);
void thread_join(struct thread *thread);
