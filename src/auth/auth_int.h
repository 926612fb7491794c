/* auth_int.h -- the inside of a snapshot, for the files of auth/.
 *
 * Memory:  texts of keys live in the snapshot's arena.
 * Threads: immutable but for refs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "auth/auth.h"
#include "base/check.h"
#include <stdatomic.h>

enum { AUTH_SNAPSHOT_MAGIC = 0x736e6170 };

struct auth_snapshot {
    uint32_t magic;
    bool is_open;
    _Atomic int64_t refs;
    struct arena arena;
    struct auth_key *keys; /* sorted by id */
    size_t count;
};
