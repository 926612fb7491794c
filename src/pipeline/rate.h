/* rate.h -- the pace of each sender, without a lock.
 *
 * Per sender and unit one number: the time up to which what was sent is paid (GCRA, the virtual
 * scheduling form of a token bucket).  Sending moves it on by its cost; while it is more than the
 * burst ahead of the clock, the sender waits.  A request is judged by what came before it, so that
 * its head is enough; then it is charged for what it held.
 *
 * Senders are found in a table of fixed size by their hash.  When its places near that hash are
 * taken, a sender that has been quiet gives way; when none has, two share a pace: never is a
 * sender without one.
 *
 * Memory:  96 KiB.
 * Threads: any; the workers share one table, as a sender's connections spread over them.  A charge
 *          is one compare-and-swap (measured in docs/limits.md).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/base.h"
#include <stdint.h>

enum rate_unit { RATE_ITEMS, RATE_BYTES, RATE_UNITS };
enum { RATE_SENDERS_MAX = 4096, RATE_PROBES_MAX = 16 };

struct rates;
struct rates *rates_new(void);
void rates_free(struct rates *rates);
/* ns until all units are at most `burst_ns` ahead; 0: now. */
int64_t rates_wait_ns(struct rates *rates, uint64_t sender, int64_t now_ns, int64_t burst_ns);
void rates_charge(struct rates *rates, uint64_t sender, enum rate_unit unit, int64_t now_ns,
                  double cost_ns);
