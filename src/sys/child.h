/* child.h -- this program again, as a child that can do nothing but compute and talk to us.
 *
 * For work that must not be trusted with the process: a statement of a user may make the
 * engine take all memory, run for ever, or crash.  The child is the same executable, started
 * anew (not a copy of this process, so that it has none of its memory), with an empty
 * environment and two pipes.  It gives up its rights with child_confine before it looks at
 * anything from outside: from then on it can open no file and no socket, write no file, and take
 * no more memory than it was given.
 *
 * Messages: 4 bytes length of what follows (little-endian), 1 byte kind, payload.
 *
 * Memory:  struct child is caller's storage; payloads go to the caller's buffer.
 * Threads: one at a time per child.  It ends when the thread that started it ends.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include <sys/types.h>

struct child {
    pid_t pid; /* 0: this is the child's own side */
    int from, to;
};

/* Run this executable with `role` as its only argument. */
MUST_CHECK enum err child_start(const char *role, struct child *ret_child, struct diag *reterr_why);
/* Kill it, whatever it does, and wait for it. */
void child_end(struct child *child);

/* In the child, first thing: closes everything that was inherited but the pipes and stderr. */
void child_attach(struct child *ret_parent);
/* In the child: it takes `memory_bytes` more than it has now and `cpu_s` of the processor at most,
 * or it is ended by the system.  Nothing can be opened from here on.  False: the system refuses. */
MUST_CHECK bool child_confine(uint64_t memory_bytes, uint64_t cpu_s);
/* In the child: end at once, without tidying up. */
void child_exit(int status) __attribute__((noreturn));

/* Deadline: clock_monotonic_ns, past it ERR_DEADLINE; 0: none.  ERR_IO: the other side is gone;
 * ERR_LIMIT: the message is larger than the buffer's maximum. */
MUST_CHECK enum err child_send(const struct child *to, uint8_t kind, str payload,
                               int64_t deadline_ns);
MUST_CHECK enum err child_recv(const struct child *from, uint8_t *ret_kind, struct buf *payload,
                               int64_t deadline_ns);
