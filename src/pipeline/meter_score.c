/* meter_score.c -- scores count when they join their trace, which gives them its labels.
 *
 * A score often comes before its trace has settled, or long after.  All wait in a ring, found by
 * trace; a trace that settles takes its own out, meter_join() asks the store for traces of earlier
 * commits.  What waits too long, or is pushed out, counts with the labels that it has itself.
 *
 * The same score again is not counted again, as far as a table of recent ones knows; with another
 * value it is another event.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/hash.h"
#include "base/text.h"
#include "pipeline/meter_int.h"
#include <math.h>

enum {
    TRACE_BUCKETS = 1024,
    RECENT_COUNT = 16384,
    ASK_MAX = 64, /* traces in one question */
    TEXT_BYTES_MAX = 512,
};

struct waiting {
    bool is_used;
    uint32_t next; /* of the same bucket: index + 1 */
    struct id16 trace_id;
    bool has_span_id;
    struct id8 span_id;
    int64_t since_ns;
    enum meter_id id; /* what it counts in */
    int64_t value;
    str project, tenant, name, judge_model; /* in `texts` */
    char *texts;
};

struct meter_scores {
    int64_t wait_ns;
    struct waiting ring[METER_WAITING_MAX];
    uint32_t buckets[TRACE_BUCKETS]; /* index + 1; 0: none */
    size_t first, next;              /* of all that ever came: index is modulo the ring */
    size_t asked;                    /* those before are asked for */
    _Atomic uint64_t waiting_count, unlabelled;
    uint64_t recent[RECENT_COUNT];
};

struct meter_scores *meter_scores_new(int64_t wait_ns)
{
    struct meter_scores *scores = xcalloc(1, sizeof *scores);
    scores->wait_ns = wait_ns;
    return scores;
}

void meter_scores_free(struct meter_scores *scores)
{
    if (!scores)
        return;
    for (size_t i = 0; i < METER_WAITING_MAX; i++)
        xfree(scores->ring[i].texts);
    xfree(scores);
}

void meter_scores_status(const struct meter_scores *scores, struct meter_status *ret_status)
{
    ret_status->scores_waiting = atomic_load(&scores->waiting_count);
    ret_status->scores_unlabelled = atomic_load(&scores->unlabelled);
}

int64_t meter_raw_score(double value)
{
    double raw = value * 1e9;
    if (!(raw > -9e18))
        return isnan(raw) ? 0 : INT64_MIN / 2;
    return raw < 9e18 ? llround(raw) : INT64_MAX / 2;
}

/* -- which metric -- */

static bool is_recall(str name)
{
    return str_equal_c(name, "recall_at_k") || str_starts(name, STR_OF("recall@")) ||
           str_starts(name, STR_OF("recall_at_"));
}

/* A score of these names counts when it passes. */
static bool event_of(str name, enum meter_id *ret_id)
{
    static const struct {
        const char *name;
        enum meter_id id;
    } events[] = {
        { "correction", METER_corrections }, { "regeneration", METER_regenerations },
        { "escalation", METER_escalations }, { "resolution", METER_resolutions },
        { "conversion", METER_conversions },
    };
    for (size_t i = 0; i < COUNT_OF(events); i++)
        if (str_equal_c(name, events[i].name)) {
            *ret_id = events[i].id;
            return true;
        }
    return false;
}

static bool number_of(const struct score *score, enum meter_id *ret_id)
{
    str name = score->name;
    if (!score->has_value || isnan(score->value))
        return false;
    if (str_equal_c(name, "rating") || str_equal_c(name, "user_rating"))
        *ret_id = METER_rating;
    else if (score->source == SCORE_BY_USER)
        return false;
    else if (str_equal_c(name, "faithfulness"))
        *ret_id = METER_faithfulness;
    else if (str_equal_c(name, "answer_relevance"))
        *ret_id = METER_answer_relevance;
    else if (str_equal_c(name, "context_precision"))
        *ret_id = METER_context_precision;
    else
        *ret_id = is_recall(name) ? METER_recall_at_k : METER_eval;
    return true;
}

/* False: it counts in none. */
static bool metric_of(const struct score *score, enum meter_id *ret_id, int64_t *ret_value)
{
    bool passes = score_verdict(score) == STORE_VERDICT_PASS;
    *ret_value = 1;
    if (score->source == SCORE_IS_DEPLOY)
        return false;
    if (event_of(score->name, ret_id))
        return passes;
    if (score->source == SCORE_IS_OUTCOME)
        return false;
    if (number_of(score, ret_id)) {
        *ret_value = meter_raw_score(score->value);
        return true;
    }
    *ret_id = passes ? METER_thumbs_up : METER_thumbs_down;
    return score->source == SCORE_BY_USER;
}

static bool is_repeated(struct meter_scores *scores, const struct score *score)
{
    uint64_t hash = hash_bytes(&score->score_id, sizeof score->score_id);
    size_t slot = hash % RECENT_COUNT;
    hash = hash_bytes_seeded(&score->value, score->has_value ? sizeof score->value : 0, hash);
    hash = hash_bytes_seeded(score->label.len ? score->label.ptr : "", score->label.len, hash);
    bool is_known = scores->recent[slot] == hash;
    scores->recent[slot] = hash;
    return is_known;
}

/* -- counting -- */

/* The number of "recall@5", else what the retrieval returned. */
static str recall_k(const struct waiting *score, const struct trace_row *row, char text[24])
{
    size_t at = score->name.len;
    while (at > 0 && score->name.ptr[at - 1] >= '0' && score->name.ptr[at - 1] <= '9')
        at--;
    if (at < score->name.len)
        return str_from(score->name, at);
    if (!row || row->top_k_returned < 0)
        return STR_NONE;
    struct buf number;
    buf_init(&number, 24);
    buf_add_i64(&number, row->top_k_returned);
    memcpy(text, number.ptr, number.len);
    str k = str_make(text, number.len);
    buf_clear(&number);
    return k;
}

static void labels_own(const struct waiting *score, const struct trace_row *row,
                       const struct span *span, str *own, char text[24])
{
    str model = span ? meter_model(span) : STR_NONE;
    if (str_is_none(model) && row)
        model = row->generator_model;
    str version = span && SPAN_KNOWS(span, prompt_version) ? span->prompt_version
                  : row                                    ? row->prompt_version
                                                           : STR_NONE;
    str retriever = row ? row->retriever : STR_NONE;
    str sample = span && SPAN_KNOWS(span, sample_type) ? span->sample_type : STR_NONE;
    size_t at = 0;
    switch ((int)meter_table[score->id].set) {
    case METER_SET_JUDGED:
    case METER_SET_EVAL:
        if (meter_table[score->id].set == METER_SET_EVAL)
            own[at++] = score->name;
        own[at++] = model;
        own[at++] = version;
        if (meter_table[score->id].set == METER_SET_JUDGED)
            own[at++] = retriever;
        own[at++] = score->judge_model;
        own[at] = sample;
        break;
    case METER_SET_RECALL:
    case METER_SET_PRECISION:
        own[0] = retriever;
        own[1] = row ? row->index_version : STR_NONE;
        if (meter_table[score->id].set == METER_SET_RECALL)
            own[2] = recall_k(score, row, text);
        break;
    default:
        own[0] = model;
        own[1] = version;
    }
}

/* row NULL: its trace is not known. */
static void score_count(struct meter *meter, const struct waiting *score,
                        const struct trace_row *row, const struct span *span)
{
    char text[24];
    str labels[METER_LABELS_MAX];
    for (size_t i = 0; i < METER_LABELS_MAX; i++)
        labels[i] = STR_NONE;
    labels[0] = score->project;
    labels[METER_TENANT] = row ? row->tenant_id : score->tenant;
    labels[2] = row ? row->feature : STR_NONE;
    labels[3] = row ? row->environment : STR_NONE;
    labels_own(score, row, span, labels + METER_COMMON, text);
    struct meter_reading reading = { .known = 0 };
    meter_read(&reading, score->id, score->value);
    struct meter_set *set = meter_set_get(meter, meter_table[score->id].set, labels);
    if (set)
        meter_set_add(meter, set, &reading);
    if (!row)
        atomic_fetch_add(&meter->scores->unlabelled, 1);
}

/* -- waiting -- */

static uint32_t *bucket_of(struct meter_scores *scores, const struct id16 *trace_id)
{
    return &scores->buckets[hash_bytes(trace_id, sizeof *trace_id) % TRACE_BUCKETS];
}

static void waiting_remove(struct meter_scores *scores, struct waiting *at)
{
    uint32_t number = (uint32_t)(at - scores->ring) + 1;
    uint32_t *link = bucket_of(scores, &at->trace_id);
    while (*link != number)
        link = &scores->ring[*link - 1].next;
    *link = at->next;
    xfree(at->texts);
    *at = (struct waiting){ .texts = NULL };
    atomic_fetch_sub(&scores->waiting_count, 1);
}

static void oldest_count(struct meter *meter)
{
    struct meter_scores *scores = meter->scores;
    struct waiting *oldest = &scores->ring[scores->first % METER_WAITING_MAX];
    if (oldest->is_used) {
        score_count(meter, oldest, NULL, NULL);
        waiting_remove(scores, oldest);
    }
    scores->first++;
    scores->asked = MAX(scores->asked, scores->first);
}

static str text_keep(char **at, str text)
{
    text = str_sub(text, 0, TEXT_BYTES_MAX);
    if (str_is_none(text))
        return STR_NONE;
    memcpy(*at, text.ptr, text.len);
    str kept = str_make(*at, text.len);
    *at += text.len;
    return kept;
}

void meter_score(struct meter *meter, str project, const struct score *score, int64_t now_ns)
{
    struct meter_scores *scores = meter->scores;
    struct waiting made = { .is_used = true,
                            .trace_id = score->trace_id,
                            .has_span_id = score->has_span_id,
                            .span_id = score->span_id,
                            .since_ns = now_ns,
                            .project = project,
                            .tenant = score->tenant_id,
                            .name = score->name,
                            .judge_model = score->judge_model };
    if (is_repeated(scores, score) || !metric_of(score, &made.id, &made.value))
        return;
    if (!score->has_trace_id) {
        score_count(meter, &made, NULL, NULL);
        return;
    }
    if (scores->next - scores->first == METER_WAITING_MAX)
        oldest_count(meter);
    char *to = made.texts = xmalloc((size_t)4 * TEXT_BYTES_MAX);
    made.project = text_keep(&to, project);
    made.tenant = text_keep(&to, made.tenant);
    made.name = text_keep(&to, made.name);
    made.judge_model = text_keep(&to, made.judge_model);
    struct waiting *at = &scores->ring[scores->next++ % METER_WAITING_MAX];
    uint32_t *bucket = bucket_of(scores, &made.trace_id);
    made.next = *bucket;
    *bucket = (uint32_t)(at - scores->ring) + 1;
    *at = made;
    atomic_fetch_add(&scores->waiting_count, 1);
}

void meter_scores_settle(struct meter *meter, const struct trace_row *row,
                         const struct store_span *spans, size_t count)
{
    struct meter_scores *scores = meter->scores;
    if (atomic_load_explicit(&scores->waiting_count, memory_order_relaxed) == 0)
        return;
    for (uint32_t number = *bucket_of(scores, &row->trace_id), next; number; number = next) {
        struct waiting *at = &scores->ring[number - 1];
        const struct span *span = NULL;
        next = at->next;
        if (memcmp(&at->trace_id, &row->trace_id, sizeof row->trace_id) != 0 ||
            !str_equal(at->project, row->project))
            continue;
        for (size_t i = 0; i < count && at->has_span_id && !span; i++)
            if (memcmp(&spans[i].span.span_id, &at->span_id, sizeof at->span_id) == 0)
                span = &spans[i].span;
        score_count(meter, at, row, span);
        waiting_remove(scores, at);
    }
}

/* -- traces of earlier commits -- */

static const struct filter *trace_filter(struct arena *arena, const struct filter *others,
                                         const struct id16 *trace_id)
{
    char hex[33];
    hex_encode(trace_id->bytes, sizeof trace_id->bytes, hex);
    str text = arena_str(arena, str_make(hex, 32));
    struct filter *pair = arena_new(arena, struct filter, 2);
    if (!pair || str_is_none(text))
        return NULL;
    pair[0] = (struct filter){ .op = FILTER_EQ, .field = FIELD_trace_id, .value = value_str(text) };
    if (!others)
        return &pair[0];
    pair[1] = (struct filter){ .op = FILTER_OR, .left = others, .right = &pair[0] };
    return &pair[1];
}

/* The next scores of one project that were not asked for: their traces; NULL: none. */
static const struct filter *next_question(struct meter_scores *scores, struct arena *arena,
                                          str *ret_project, size_t *ret_count)
{
    const struct filter *filter = NULL;
    *ret_count = 0;
    for (; scores->asked < scores->next && *ret_count < ASK_MAX; scores->asked++) {
        const struct waiting *at = &scores->ring[scores->asked % METER_WAITING_MAX];
        if (!at->is_used)
            continue;
        if (*ret_count && !str_equal(at->project, *ret_project))
            break;
        *ret_project = arena_str(arena, at->project);
        filter = trace_filter(arena, filter, &at->trace_id);
        if (!filter || str_is_none(*ret_project))
            return NULL;
        ++*ret_count;
    }
    return filter;
}

/* The row of a trace and its spans, where both were found. */
static void rows_join(struct meter *meter, const struct trace_row *rows, size_t row_count,
                      struct store_span *spans, size_t span_count)
{
    for (size_t i = 0; i < row_count; i++) {
        size_t kept = 0;
        if (!rows[i].settled)
            continue; /* it comes by itself */
        for (size_t k = 0; k < span_count; k++)
            if (memcmp(&spans[k].span.trace_id, &rows[i].trace_id, sizeof rows[i].trace_id) == 0) {
                struct store_span found = spans[k];
                spans[k] = spans[kept];
                spans[kept++] = found;
            }
        meter_scores_settle(meter, &rows[i], spans, kept);
    }
}

void meter_join(struct meter *meter, const struct store_ops *ops, struct store *store,
                struct arena *arena, size_t max, int64_t now_ns)
{
    struct meter_scores *scores = meter->scores;
    for (size_t done = 0, count = 0; done < max && scores->asked < scores->next; done += count) {
        str project = STR_NONE;
        struct trace_row *rows;
        struct store_span *spans;
        size_t row_count = 0, span_count = 0;
        struct store_list list = { .limit = METER_WAITING_MAX };
        list.filter = next_question(scores, arena, &project, &count);
        if (!list.filter)
            break;
        list.scope = (struct store_scope){ .project = project,
                                           .tenant = STR_NONE,
                                           .range = { INT64_MIN / 2, INT64_MAX } };
        if (ops->traces(store, &list, arena, &rows, &row_count, NULL) ||
            (row_count && ops->spans(store, &list, arena, &spans, &span_count, NULL)))
            break; /* they go on waiting */
        if (row_count)
            rows_join(meter, rows, row_count, spans, span_count);
    }
    while (scores->first < scores->next) {
        const struct waiting *oldest = &scores->ring[scores->first % METER_WAITING_MAX];
        if (oldest->is_used && now_ns - oldest->since_ns < scores->wait_ns)
            break;
        oldest_count(meter);
    }
}
