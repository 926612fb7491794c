/* thread.c -- pthreads with names.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sys/thread.h"
#include "base/arena.h"
#include "base/check.h"
#include <signal.h>
#include <sys/resource.h>

enum { NICE_BEHIND = 5 }; /* about a third of the share of a thread that is not behind */

struct start {
    void (*run)(void *arg);
    void *arg;
    int nice;
    char name[16];
};

static void *thread_main(void *arg)
{
    struct start start = *(struct start *)arg;
    xfree(arg);
    pthread_setname_np(pthread_self(), start.name);
    if (start.nice) /* on Linux: of this thread; a refusal costs speed only */
        (void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + start.nice);
    start.run(start.arg);
    return NULL;
}

static void start_nice(struct thread *thread, const char *name, int nice, void (*run)(void *arg),
                       void *arg)
{
    assert(!thread->started);
    struct start *start = xcalloc(1, sizeof *start);
    start->run = run;
    start->arg = arg;
    start->nice = nice;
    size_t len = MIN(strlen(name), sizeof start->name - 1);
    memcpy(start->name, name, len);
    sigset_t all, before; /* signals are the main thread's business */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread->handle, NULL, thread_main, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    assert(!failed);
    thread->started = true;
}

void thread_start(struct thread *thread, const char *name, void (*run)(void *arg), void *arg)
{
    start_nice(thread, name, 0, run, arg);
}

void thread_start_behind(struct thread *thread, const char *name, void (*run)(void *arg), void *arg)
{
    start_nice(thread, name, NICE_BEHIND, run, arg);
}

void thread_join(struct thread *thread)
{
    if (!thread->started)
        return;
    pthread_join(thread->handle, NULL);
    thread->started = false;
}
