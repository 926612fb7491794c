/* policy.h -- how much each sender may send, and of how many traces content is kept.
 *
 * The options are the rule for everybody; a YAML file refines it for a project, a tenant or a key.
 * Every rule that matches a sender is applied in the file's order: what it says wins over what
 * stood before.  Nothing here judges one record: rate.h keeps the pace, cut.h cuts what is too
 * large, settle.c drops content.  What each rule cut is counted here.
 *
 *   rules:
 *     - { project: shop, tenant: acme, rate: 500, attribute_size: 4KiB, content_sample: 0.1 }
 *
 * Memory:  the policy owns its rules; limits are plain values.
 * Threads: immutable but for its counters and paces, which are atomic: any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/err.h"
#include "model/span.h"

enum { POLICY_RULES_MAX = 1000 };

/* What may be said; in a rule, and by the options. */
struct policy_values {
    double content_sample;        /* share of traces whose content is kept, 0 to 1 */
    double debug_sample;          /* the same of traces that say they are for debugging */
    int64_t items_per_s;          /* spans, records, points and scores; 0: as many as come */
    int64_t bytes_per_s;          /* of plain bodies; 0 likewise */
    int64_t attr_value_cut_bytes; /* a longer attribute value is cut */
    int64_t attrs_max;            /* per span, record, event or score; more are dropped */
};

/* Who sends.  STR_NONE: not known. */
struct policy_sender {
    str project, tenant, key;
};

/* What holds for one sender. */
struct policy_limits {
    struct policy_values values;
    uint32_t rule;   /* the last that matched, for counters; 0: the options alone */
    uint64_t sender; /* whose pace it is: a project and tenant, or a key that a rule names */
};

enum policy_cut {
    POLICY_CUT_RATE,    /* requests refused */
    POLICY_CUT_VALUE,   /* attribute values cut */
    POLICY_CUT_ATTRS,   /* attributes dropped, there being too many */
    POLICY_CUT_CONTENT, /* traces whose content was not kept */
    POLICY_CUTS
};
const char *policy_cut_name(enum policy_cut cut); /* "rate", "attribute_size", ... */

struct policy;
/* `yaml` may be STR_NONE.  ERR_BAD_INPUT names file and line. */
MUST_CHECK enum err policy_load(const struct policy_values *options, int64_t burst_ns, str file,
                                str yaml, struct policy **ret_policy, struct diag *reterr_why);
void policy_free(struct policy *policy); /* NULL: nothing */

void policy_find(const struct policy *policy, const struct policy_sender *who,
                 struct policy_limits *ret_limits);
/* ns until the sender may send again; 0: now. */
int64_t policy_wait_ns(struct policy *policy, const struct policy_limits *limits, int64_t now_ns);
/* What the sender sent counts against its rate. */
void policy_charge(struct policy *policy, const struct policy_limits *limits, uint64_t items,
                   uint64_t bytes, int64_t now_ns);
/* Some rule keeps the content of a part only: else there is no need to ask. */
bool policy_samples(const struct policy *policy);
/* By a hash of the trace's id alone: all of a trace agrees, at any time. */
bool policy_keeps_content(const struct policy_limits *limits, struct id16 trace_id, bool is_debug);

void policy_count(struct policy *policy, uint32_t rule, enum policy_cut cut, uint64_t amount);
/* Rules with the options as rule 0, and what each cut since the start. */
struct policy_rule_status {
    uint32_t line;            /* in the file; 0: the options */
    str project, tenant, key; /* STR_NONE: any */
    uint64_t cuts[POLICY_CUTS];
};
uint32_t policy_rule_count(const struct policy *policy);
void policy_rule(const struct policy *policy, uint32_t rule, struct policy_rule_status *ret_status);
