/* maturity.h -- how far an application's observability has come: four stages (B15).
 *
 *   0 blind        nothing, or plain text only
 *   1 traced       model calls as spans, with the model that answered, tokens and latency
 *   2 measured     some of production is evaluated by a judge or by code, and what is measured can
 * be told by version: of the prompt, or of the release 3 closed_loop  users' feedback arrives, and
 * two versions were evaluated while both ran: a change was proved better before it went to all
 *
 * A share is enough from MATURITY_SHARE on; of evaluations and feedback some are, since they are
 * samples.  An application without model calls and without logs has no stage.
 *
 * Memory:  none of its own.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/base.h"
#include <stdint.h>

enum { MATURITY_BLIND, MATURITY_TRACED, MATURITY_MEASURED, MATURITY_CLOSED_LOOP, MATURITY_COUNT };
enum { MATURITY_UNKNOWN = -1, MATURITY_NEEDS_MAX = 4 };
#define MATURITY_SHARE 0.9

struct maturity_evidence {
    uint64_t call_count, log_count;
    uint64_t model_version, tokens, latency; /* of the calls */
    uint64_t attributed, automated, feedback;
    bool has_compared; /* two versions, evaluated while both ran */
};

struct maturity_need {
    const char *what; /* name of a share of share.def, "model_calls" or "versions_compared" */
    bool has_share;
    double share, needed; /* needed 0: any at all */
    const char *how;
};

struct maturity {
    int stage;
    struct maturity_need needs[MATURITY_NEEDS_MAX]; /* what the next stage lacks */
    uint32_t need_count;
};

const char *maturity_name(int stage);
void maturity_of(const struct maturity_evidence *evidence, struct maturity *ret_maturity);
