/* store_int.h -- what the stores share: the meaning of a filter, copies, the rare-fields text.
 *
 * A trace row is looked at as a span with the fields it has (trace_to_span), so
 * that filters, columns and cursors have one meaning for both.
 *
 * Meaning of a filter (query/ and both stores rely on it):
 *   - A comparison with an unknown field or attribute is false; NOT of it is
 *     true; NE is NOT EQ.
 *   - A value whose type does not fit the field's is a comparison that is false.
 *   - Whole numbers compare exactly, with a fraction as doubles; texts by bytes.
 *   - Lists compare by "some item does".  Ids compare as lower-case hex.
 *   - A condition on other spans is asked of the spans of the same trace that the question may
 *     see, of any time: settled ones and those that came later.  In a list of traces they are
 *     those that made the row, and what is asked of "the span" (parent, child, ancestor,
 *     descendant) holds when it does of some span.  A fold's NE is "known and not equal".
 *   - An attribute compares as a text when the value is a text (texts, whole
 *     numbers, booleans), as a number when it is a number, and never if it is a
 *     list or an object; null attributes are unknown.
 *
 * Memory:  results in the given arena.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "store/store.h"

enum {
    STORE_FILTER_DEPTH_MAX = 64,
    STORE_RARE_BYTES_MAX = 4 << 20,  /* rare fields of one span, as text */
    STORE_ATTRS_BYTES_MAX = 4 << 20, /* attributes of one span, as text */
};

/* -- match.c -- */
bool text_matches(str text, str pattern); /* * is any run of bytes */
bool text_compares(enum filter_op op, str text, str value);
bool f64_compares(enum filter_op op, double number, double value);
bool i64_compares(enum filter_op op, int64_t number, const struct value *value);
/* The leaf's operation with its value, pattern or regular expression. */
bool leaf_compares_text(const struct filter *leaf, str text);
/* The number of an attribute; false: it is none. */
bool attr_number(struct arena *arena, str attrs_json, str key, double *ret_number);
/* One condition (no AND, OR, NOT, NE, nothing beyond the span) against one span. */
bool leaf_matches(const struct filter *leaf, const struct span *span, str attrs_json);
/* AND, OR, NOT, NE over `leaf`. */
bool filter_holds(const struct filter *filter, bool (*leaf)(const struct filter *leaf, void *arg),
                  void *arg);
MUST_CHECK enum err filter_check(const struct filter *filter, uint32_t depth,
                                 struct diag *reterr_why);
/* The text of an attribute that is a text, a whole number or a boolean. */
bool attr_text(struct arena *arena, str attrs_json, str key, str *ret_text);
bool attr_number(struct arena *arena, str attrs_json, str key, double *ret_number);
/* Lower-case hex of an id field. */
str id_text(const void *id, size_t len, char out[33]);

/* -- match_trace.c: conditions on other spans and on scores, walked -- */
struct match_trace {
    const struct store_span *const *spans; /* of the trace, that may be seen */
    size_t span_count;
    const struct span *row;            /* the trace's own, or NULL */
    const struct score *const *scores; /* of the project */
    size_t score_count;
    str tenant; /* of the question; STR_NONE: none */
};
bool match_span(const struct filter *filter, const struct match_trace *trace,
                const struct store_span *span);
bool match_row(const struct filter *filter, const struct match_trace *trace);
/* -- log.c -- */
bool log_is_unstructured(str attrs_json);
/* Newest first, ties by id: <0: a comes first. */
int log_order(const struct log_record *a, const struct log_record *b);
MUST_CHECK bool log_clone(struct arena *arena, const struct store_log *from,
                          struct store_log *ret_log);
/* All but project, tenant and limit. */
bool log_is_asked(const struct store_log_list *ask, const struct store_log *row);
MUST_CHECK enum err log_list_check(const struct store_log_list *ask, struct diag *reterr_why);
/* -- shares.c -- */
MUST_CHECK enum err shares_check(const struct store_shares *ask, struct diag *reterr_why);
/* Most spans first, then by what they are grouped by. */
int share_group_cmp(const void *a, const void *b);
/* -- measure.c -- */
enum { STORE_BUCKET_BYTES_MAX = 32, SCORE_PASS_LABELS = 9, STORE_SCORE_GROUPS_MAX = 20000 };
bool field_is_number(enum field field);
/* Known measures, groupable fields, limits. */
MUST_CHECK enum err aggregate_check(const struct store_aggregate *aggregate,
                                    struct diag *reterr_why);
/* What a group is ordered by; false: it has no such value, and comes after those that have. */
bool group_order_value(const struct store_aggregate *ask, const struct store_group *group,
                       double *ret_value);
int group_cmp(const struct store_aggregate *ask, const struct store_group *a,
              const struct store_group *b);
void groups_sort(const struct store_aggregate *ask, struct store_group *groups, size_t count);
/* Is it after the page before, and known if it must be? */
bool group_is_wanted(const struct store_aggregate *ask, const struct store_group *group);
bool aggregate_has_scores(const struct store_aggregate *ask);
/* Labels, case ignored, by which a score without a value passes. */
extern const char *const score_pass_labels[SCORE_PASS_LABELS];
enum store_verdict score_verdict(const struct score *score);
/* Whose scores are evaluations: not those of users. */
#define SCORE_EVALUATIONS                                                                          \
    (1U << SCORE_BY_API | 1U << SCORE_BY_JUDGE | 1U << SCORE_BY_CODE | 1U << SCORE_BY_HUMAN)

/* -- rare.c -- */
bool field_is_rare(enum field field);
/* Known rare fields, those of the bit set `also`, links and drop counts as one
 * JSON object; nothing when there are none. */
void rare_encode(struct buf *out, const struct span *span, const uint64_t *also);
MUST_CHECK enum err rare_decode(struct arena *arena, str json, struct span *span,
                                struct diag *reterr_why);
MUST_CHECK enum err strs_decode(struct arena *arena, str json, struct strs *ret_strs,
                                struct diag *reterr_why);

/* -- row.c -- */
int64_t i64_add(int64_t a, int64_t b); /* saturates */
void trace_to_span(const struct trace_row *row, struct span *ret_span);
void trace_from_span(const struct span *span, struct trace_row *ret_row);
MUST_CHECK enum err span_clone(struct arena *arena, const struct span *span, struct span *ret_span,
                               struct diag *reterr_why);
MUST_CHECK enum err trace_clone(struct arena *arena, const struct trace_row *row,
                                struct trace_row *ret_row, struct diag *reterr_why);
/* What a list is sorted by: value, then start, then ids, all descending. */
struct sort_key {
    int64_t value, start_ns;
    struct id16 trace_id;
    struct id8 span_id;
};
struct sort_key sort_key_of(const struct span *span, enum store_sort sort);
int sort_key_cmp(const struct sort_key *a, const struct sort_key *b); /* <0: a comes first */
bool list_is_after(const struct store_list *list, const struct sort_key *key);
/* Identity of a metric point, so that a replay does not store it twice. */
uint64_t metric_identity(str project, const struct metric_point *point);
