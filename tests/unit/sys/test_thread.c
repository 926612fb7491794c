/* test_thread.c -- threads: named, joined once, deaf to signals.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include "sys/thread.h"
#include <signal.h>
#include <sys/resource.h>

struct seen {
    char name[16];
    bool blocks_term;
};

static void look(void *arg)
{
    struct seen *seen = arg;
    sigset_t mask;
    pthread_getname_np(pthread_self(), seen->name, sizeof seen->name);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    seen->blocks_term = sigismember(&mask, SIGTERM) == 1;
}

static void a_name_of_fifteen_bytes_is_kept_and_a_longer_one_cut(void **state)
{
    (void)state;
    struct seen seen;
    struct thread thread = { 0 };
    thread_start(&thread, "fifteen-bytes-x", look, &seen);
    thread_join(&thread);
    assert_string_equal(seen.name, "fifteen-bytes-x");
    thread_start(&thread, "sixteen-bytes-xy", look, &seen);
    thread_join(&thread);
    assert_string_equal(seen.name, "sixteen-bytes-x");
}

static void signals_stay_with_the_main_thread(void **state)
{
    (void)state;
    struct seen seen;
    struct thread thread = { 0 };
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    thread_start(&thread, "deaf", look, &seen);
    thread_join(&thread);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_true(seen.blocks_term);
    assert_int_equal(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
}

static void look_at_nice(void *arg)
{
    *(int *)arg = getpriority(PRIO_PROCESS, 0);
}

/* Nobody but the thread itself: the log's thread must not be slowed by its starter. */
static void a_thread_behind_has_a_lower_priority_than_its_starter(void **state)
{
    (void)state;
    struct thread thread = { 0 };
    int before = getpriority(PRIO_PROCESS, 0), behind, beside;
    thread_start_behind(&thread, "behind", look_at_nice, &behind);
    thread_join(&thread);
    thread_start(&thread, "beside", look_at_nice, &beside);
    thread_join(&thread);
    assert_true(behind > before || before == 19); /* 19: there is no lower */
    assert_int_equal(beside, before);
    assert_int_equal(getpriority(PRIO_PROCESS, 0), before);
}

static void joining_twice_or_without_a_start_is_harmless(void **state)
{
    (void)state;
    struct seen seen;
    struct thread thread = { 0 };
    thread_join(&thread);
    thread_start(&thread, "once", look, &seen);
    assert_true(thread.started);
    thread_join(&thread);
    assert_false(thread.started);
    thread_join(&thread);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_of_fifteen_bytes_is_kept_and_a_longer_one_cut),
        cmocka_unit_test(signals_stay_with_the_main_thread),
        cmocka_unit_test(a_thread_behind_has_a_lower_priority_than_its_starter),
        cmocka_unit_test(joining_twice_or_without_a_start_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
