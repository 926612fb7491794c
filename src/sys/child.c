/* child.c -- a confined process of this program, and messages through pipes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sys/child.h"
#include "base/check.h"
#include "sys/clock.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    HEAD_BYTES = 5,
    PIPE_BYTES = 1 << 20, /* fewer turns of the two processes; a refusal costs speed only */
    NICE_CHILD = 10,
    FIRST_INHERITED_FD = 3,
};

/* -- starting and ending -- */

static void pipe_close(int ends[2])
{
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
}

static int spawn(const char *role, int in, int out, pid_t *ret_pid)
{
    char name[] = "telltale", *argv[] = { name, NULL, NULL }, *env[] = { NULL };
    char copy[32];
    snprintf(copy, sizeof copy, "%s", role);
    argv[1] = copy;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE); /* it ends when we are gone */
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &defaults);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int failed = posix_spawn(ret_pid, "/proc/self/exe", &actions, &attr, argv, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

enum err child_start(const char *role, struct child *ret_child, struct diag *reterr_why)
{
    int down[2] = { -1, -1 }, up[2] = { -1, -1 };
    pid_t pid = 0;
    int failed = pipe2(down, O_CLOEXEC) != 0 || pipe2(up, O_CLOEXEC) != 0 ? errno : 0;
    if (!failed)
        failed = spawn(role, down[0], up[1], &pid);
    if (failed) {
        pipe_close(down);
        pipe_close(up);
        return diag_set(reterr_why, ERR_UNAVAILABLE, "cannot start a process: %s",
                        strerror(failed));
    }
    close(down[0]);
    close(up[1]);
    (void)fcntl(down[1], F_SETPIPE_SZ, PIPE_BYTES);
    (void)fcntl(up[0], F_SETPIPE_SZ, PIPE_BYTES);
    (void)fcntl(down[1], F_SETFL, O_NONBLOCK);
    (void)fcntl(up[0], F_SETFL, O_NONBLOCK);
    *ret_child = (struct child){ .pid = pid, .from = up[0], .to = down[1] };
    return ERR_OK;
}

void child_end(struct child *child)
{
    if (child->pid <= 0)
        return;
    kill(child->pid, SIGKILL);
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    close(child->from);
    close(child->to);
    *child = (struct child){ .from = -1, .to = -1 };
}

void child_attach(struct child *ret_parent)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)close_range(FIRST_INHERITED_FD, ~0U, 0);
    *ret_parent = (struct child){ .from = STDIN_FILENO, .to = STDOUT_FILENO };
}

void child_exit(int status)
{
    _exit(status);
}

/* -- confining -- */

/* Bytes of address space in use.  The first number of statm is pages. */
static uint64_t space_in_use(void)
{
    char text[128];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t got = read(fd, text, sizeof text);
    close(fd);
    uint64_t pages = 0;
    str all = str_make(text, got > 0 ? (size_t)got : 0);
    if (!str_to_u64(str_sub(all, 0, str_find_char(all, ' ')), &pages))
        return 0;
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static bool limit(__rlimit_resource_t what, uint64_t at_most)
{
    struct rlimit now = { 0, 0 };
    (void)getrlimit(what, &now);
    rlim_t value = MIN((rlim_t)at_most, now.rlim_max);
    return setrlimit(what, &(struct rlimit){ value, value }) == 0;
}

bool child_confine(uint64_t memory_bytes, uint64_t cpu_s)
{
    uint64_t in_use = space_in_use();
    (void)setpriority(PRIO_PROCESS, 0, NICE_CHILD); /* whoever receives comes first */
    return in_use > 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && limit(RLIMIT_CORE, 0) &&
           limit(RLIMIT_FSIZE, 0) && limit(RLIMIT_CPU, cpu_s) &&
           limit(RLIMIT_AS, in_use + memory_bytes) && limit(RLIMIT_NOFILE, 0);
}

/* -- messages -- */

static enum err wait_for(int fd, short events, int64_t deadline_ns)
{
    struct pollfd at = { .fd = fd, .events = events };
    for (;;) {
        int64_t left_ns = deadline_ns ? deadline_ns - clock_monotonic_ns() : NS_PER_S;
        if (left_ns <= 0)
            return ERR_DEADLINE;
        int ready = poll(&at, 1, (int)MIN((left_ns + NS_PER_MS - 1) / NS_PER_MS, INT64_C(60000)));
        if (ready > 0)
            return ERR_OK;
        if (ready < 0 && errno != EINTR)
            return ERR_IO;
    }
}

/* In the child the pipes block: poll is not for who may have no file. */
static enum err recv_all(int fd, char *to, size_t len, int64_t deadline_ns)
{
    while (len > 0) {
        ssize_t got = read(fd, to, len);
        if (got > 0) {
            to += got;
            len -= (size_t)got;
        } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            return ERR_IO;
        } else if (errno == EAGAIN) {
            enum err err = wait_for(fd, POLLIN, deadline_ns);
            if (err)
                return err;
        }
    }
    return ERR_OK;
}

static enum err send_all(int fd, const char *from, size_t len, int64_t deadline_ns)
{
    while (len > 0) {
        ssize_t sent = write(fd, from, len);
        if (sent >= 0) {
            from += sent;
            len -= (size_t)sent;
        } else if (errno != EAGAIN && errno != EINTR) {
            return ERR_IO;
        } else if (errno == EAGAIN) {
            enum err err = wait_for(fd, POLLOUT, deadline_ns);
            if (err)
                return err;
        }
    }
    return ERR_OK;
}

enum err child_send(const struct child *to, uint8_t kind, str payload, int64_t deadline_ns)
{
    assert(payload.len <= UINT32_MAX);
    char head[HEAD_BYTES];
    for (int i = 0; i < 4; i++)
        head[i] = (char)(payload.len >> (8 * i));
    head[4] = (char)kind;
    enum err err = send_all(to->to, head, sizeof head, deadline_ns);
    return err ? err : send_all(to->to, payload.ptr, payload.len, deadline_ns);
}

enum err child_recv(const struct child *from, uint8_t *ret_kind, struct buf *payload,
                    int64_t deadline_ns)
{
    unsigned char head[HEAD_BYTES];
    enum err err = recv_all(from->from, (char *)head, sizeof head, deadline_ns);
    if (err)
        return err;
    size_t len = 0;
    for (int i = 3; i >= 0; i--)
        len = len << 8 | head[i];
    buf_reset(payload);
    char *to = len ? buf_reserve(payload, len) : NULL;
    if (len && !to)
        return ERR_LIMIT;
    err = recv_all(from->from, to, len, deadline_ns);
    if (err)
        return err;
    payload->len = len;
    *ret_kind = head[4];
    return ERR_OK;
}
