/* rate.c -- see rate.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pipeline/rate.h"
#include "base/arena.h"
#include "base/check.h"
#include <stdatomic.h>

/* Nobody waits longer than that, whatever was sent. */
#define AHEAD_NS_MAX (INT64_C(3600) * NS_PER_S)

struct pace {
    _Atomic uint64_t sender; /* 0: free */
    _Atomic int64_t paid_to_ns[RATE_UNITS];
};

struct rates {
    struct pace paces[RATE_SENDERS_MAX];
};

struct rates *rates_new(void)
{
    return xcalloc(1, sizeof(struct rates));
}

void rates_free(struct rates *rates)
{
    xfree(rates);
}

static bool is_quiet(struct pace *pace, int64_t now_ns)
{
    for (size_t i = 0; i < RATE_UNITS; i++)
        if (atomic_load(&pace->paid_to_ns[i]) > now_ns)
            return false;
    return true;
}

/* The sender's own, or one that is free or quiet; else it shares the first. */
static struct pace *pace_of(struct rates *rates, uint64_t sender, int64_t now_ns)
{
    sender += sender == 0;
    struct pace *first = &rates->paces[sender % RATE_SENDERS_MAX];
    for (size_t i = 0; i < RATE_PROBES_MAX; i++) {
        struct pace *pace = &rates->paces[(sender + i) % RATE_SENDERS_MAX];
        if (atomic_load_explicit(&pace->sender, memory_order_relaxed) == sender)
            return pace;
    }
    for (size_t i = 0; i < RATE_PROBES_MAX; i++) {
        struct pace *pace = &rates->paces[(sender + i) % RATE_SENDERS_MAX];
        uint64_t old = atomic_load(&pace->sender);
        if (old && !is_quiet(pace, now_ns))
            continue;
        if (atomic_compare_exchange_strong(&pace->sender, &old, sender) || old == sender)
            return pace;
    }
    return first;
}

int64_t rates_wait_ns(struct rates *rates, uint64_t sender, int64_t now_ns, int64_t burst_ns)
{
    struct pace *pace = pace_of(rates, sender, now_ns);
    int64_t wait_ns = 0;
    for (size_t i = 0; i < RATE_UNITS; i++)
        wait_ns = MAX(wait_ns, atomic_load(&pace->paid_to_ns[i]) - now_ns - burst_ns);
    return wait_ns;
}

void rates_charge(struct rates *rates, uint64_t sender, enum rate_unit unit, int64_t now_ns,
                  double cost_ns)
{
    assert(unit < RATE_UNITS && cost_ns >= 0);
    _Atomic int64_t *paid_to_ns = &pace_of(rates, sender, now_ns)->paid_to_ns[unit];
    int64_t cost = cost_ns < (double)AHEAD_NS_MAX ? (int64_t)cost_ns : AHEAD_NS_MAX;
    int64_t old = atomic_load(paid_to_ns), to;
    do {
        to = MIN(MAX(old, now_ns) + cost, now_ns + AHEAD_NS_MAX);
    } while (!atomic_compare_exchange_weak(paid_to_ns, &old, MAX(old, to)));
}
