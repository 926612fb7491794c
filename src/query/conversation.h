/* conversation.h -- conversations: how deep, how long, where they are left, what they cost.
 *
 * A turn is a trace with a session id.  Numbers of the whole range (cost, tokens, corrections per
 * conversation, turns by hour) are aggregates of the store.  Depth, drop-off and what follows need
 * the turns in order: of those the newest CONVERSATION_TURNS_MAX of the range are read, and the
 * answer says when there are more.
 *
 * A conversation is left when its last turn ended `idle` before the end of the range (or now) and
 * nobody said that it was resolved or escalated.  What it was left after is the first that holds of
 * that last turn: it failed, was refused, was answered down, was cut, was slow; else nothing.
 *
 * Memory:  everything in the arena; texts borrow from the store's answers.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "query/report.h"

enum {
    CONVERSATION_TURNS_MAX = 20000,
    CONVERSATION_MARKS_MAX = 10000,  /* scores of a kind that are read */
    CONVERSATION_INPUTS_MAX = 10000, /* conversations by model, for the largest input */
    CONVERSATION_NEAR_MAX = 100,     /* listed */
    CONVERSATION_DEPTH_MAX = 50,     /* turns that have a row of their own; deeper: the last */
    CONVERSATION_GROUPS_MAX = 100,   /* values of by= */
};

enum left_after {
    LEFT_AFTER_NOTHING,
    LEFT_AFTER_ERROR,
    LEFT_AFTER_REFUSAL,
    LEFT_AFTER_DOWN_VOTE,
    LEFT_AFTER_TRUNCATION,
    LEFT_AFTER_SLOW,
    LEFT_AFTER_COUNT
};

/* What to ask the store; scopes but for ranges are the caller's to fill. */
struct conversation_ask {
    struct query_aggregate totals, hours, inputs;
    struct store_list turns, refused, cut;
    struct store_scores votes, escalations, resolutions;
    enum field by;   /* FIELD_COUNT: none */
    int64_t slow_ns; /* 0: the 95th percentile of the turns that are read */
    int64_t idle_ns, zone_ns;
    str zone;
};
/* GET /api/v1/conversations: q from to by tz slow idle. */
MUST_CHECK enum err query_plan_conversations(struct arena *arena, const struct query_param *params,
                                             size_t count, int64_t now_ns,
                                             struct conversation_ask *ret_ask,
                                             struct diag *reterr_why);

struct conversation_found {
    const struct store_group *totals, *hours, *inputs;
    size_t total_count, hour_count, input_count;
    const struct trace_row *turns, *refused, *cut;
    size_t turn_count, refused_count, cut_count;
    const struct store_score *votes, *escalations, *resolutions;
    size_t vote_count, escalation_count, resolution_count;
    /* Tokens that a model takes; 0: unknown. */
    int64_t (*context_of)(const void *arg, str provider, str model);
    const void *context_arg;
};
/* One turn, and what is known of it beyond its row. */
struct conversation_turn {
    const struct trace_row *row;
    bool is_refused, is_cut, is_down, is_escalated;
    int64_t resolved_ns; /* INT64_MAX: not */
};
struct conversation {
    const struct conversation_turn *turns; /* in order */
    uint32_t turn_count;
    bool is_left, is_escalated;
    int64_t resolved_ns; /* INT64_MAX: not */
    enum left_after after;
};
struct conversations {
    struct conversation_turn *turns;
    size_t turn_count;
    struct conversation *items; /* by session id */
    size_t count;
    int64_t slow_ns;
};
/* Turns put together as conversations.  ERR_LIMIT. */
MUST_CHECK enum err conversations_make(struct arena *arena, const struct conversation_ask *ask,
                                       const struct conversation_found *found,
                                       struct conversations *ret, struct diag *reterr_why);
/* A text of a trace's row; STR_NONE: unknown. */
str conversation_trace_text(const struct trace_row *row, enum field field);

MUST_CHECK enum err query_conversations_json(struct buf *out, struct arena *arena,
                                             const struct conversation_ask *ask,
                                             const struct conversation_found *found,
                                             struct diag *reterr_why);

/* "+02:00", "-0330", "Z", "UTC": how far ahead of UTC. */
bool conversation_zone(str text, int64_t *ret_ns);
