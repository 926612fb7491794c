/* maturity.c -- see maturity.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "query/maturity.h"
#include "query/instrumentation.h"

const char *maturity_name(int stage)
{
    static const char *const names[MATURITY_COUNT] = { "blind", "traced", "measured",
                                                       "closed_loop" };
    return stage >= 0 && stage < MATURITY_COUNT ? names[stage] : "unknown";
}

static void need_add(struct maturity *to, struct maturity_need need)
{
    assert(to->need_count < MATURITY_NEEDS_MAX);
    to->needs[to->need_count++] = need;
}

static void need_share(struct maturity *to, enum share share, uint64_t count, uint64_t calls)
{
    double part = calls ? (double)count / (double)calls : 0;
    if (part >= MATURITY_SHARE)
        return;
    need_add(to, (struct maturity_need){ share_table[share].name, true, part, MATURITY_SHARE,
                                         share_table[share].how });
}

static void need_some(struct maturity *to, enum share share, uint64_t count)
{
    if (count == 0)
        need_add(to, (struct maturity_need){ share_table[share].name, true, 0, 0,
                                             share_table[share].how });
}

static void needs_of(const struct maturity_evidence *e, int stage, struct maturity *to)
{
    switch (stage) {
    case MATURITY_TRACED:
        if (e->call_count == 0) {
            need_add(to,
                     (struct maturity_need){ "model_calls", false, 0, 0,
                                             "trace model calls as spans, not as lines of text" });
            return;
        }
        need_share(to, SHARE_model_version, e->model_version, e->call_count);
        need_share(to, SHARE_tokens, e->tokens, e->call_count);
        need_share(to, SHARE_latency, e->latency, e->call_count);
        break;
    case MATURITY_MEASURED:
        need_some(to, SHARE_automated, e->automated);
        need_share(to, SHARE_attributed, e->attributed, e->call_count);
        break;
    default:
        need_some(to, SHARE_feedback, e->feedback);
        if (!e->has_compared)
            need_add(to, (struct maturity_need){
                             "versions_compared", false, 0, 0,
                             "run the next version of a prompt or release beside the one before, "
                             "and evaluate both, before it goes to all" });
        break;
    }
}

void maturity_of(const struct maturity_evidence *evidence, struct maturity *ret_maturity)
{
    *ret_maturity = (struct maturity){ .stage = MATURITY_BLIND };
    if (evidence->call_count == 0 && evidence->log_count == 0)
        ret_maturity->stage = MATURITY_UNKNOWN;
    for (int next = MATURITY_TRACED; next < MATURITY_COUNT; next++) {
        needs_of(evidence, next, ret_maturity);
        if (ret_maturity->need_count > 0)
            return;
        ret_maturity->stage = next;
    }
}
