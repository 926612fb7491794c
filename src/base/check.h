/* check.h -- assertions that ship.
 *
 * assert() is for our bugs; errors (err.h) are for the world.  It stays on in
 * release builds: the durable log makes a crash safe, a wrong number is not.
 * assert_slow() is compiled out of release builds.
 *
 * Memory:  none.
 * Threads: any.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/base.h"

/* Print expression and place with a backtrace to stderr, then abort. */
NORETURN void check_failed(const char *expression, const char *file, int line);

#undef assert
#define assert(expression) ((expression) ? (void)0 : check_failed(#expression, __FILE__, __LINE__))

#ifdef DEBUG
#define assert_slow(expression) assert(expression)
#else
#define assert_slow(expression) ((void)0)
#endif

/* Long-lived objects start with `uint32_t magic`; CHECK proves it is still one. */
#define CHECK(object, object_magic) assert((object) && (object)->magic == (object_magic))
