/* upkeep.c -- the thread that makes rollups and drops what has been kept long enough.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pipeline/upkeep.h"
#include "base/text.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"
#include "sys/queue.h"
#include "sys/thread.h"

#include <stdatomic.h>
#include <stdio.h>

enum { TEXT_BYTES_MAX = 64 * 1024, REQUESTS_MAX = 1 };
static const int64_t day_ns = INT64_C(86400) * NS_PER_S;

struct request {
    char actor[64];
};

struct upkeep {
    struct upkeep_config config;
    struct arena arena;
    struct store_keep projects[UPKEEP_PROJECTS_MAX]; /* spans_before_ns: how long */
    size_t project_count;
    struct queue *requests;
    struct thread thread;
    int64_t started_ns, looked_ns; /* monotonic; 0: not yet */
    _Atomic bool is_running, is_stopping;
    _Atomic uint64_t runs, day_count, span_count, score_count, rollup_count, segment_count,
        disk_bytes;
    _Atomic int64_t last_ns;
    _Atomic int last_err;
};

/* -- the policy -- */

static enum err project_take(struct upkeep *upkeep, str item, struct diag *reterr_why)
{
    size_t equals = str_find_char(item, '=');
    str name = str_trim(str_sub(item, 0, equals)), text = STR_OF("");
    int64_t keep_ns;
    if (equals < item.len)
        text = str_trim(str_from(item, equals + 1));
    if (str_is_empty(name) || !duration_parse(text, &keep_ns) || keep_ns < day_ns) {
        (void)diag_set(reterr_why, ERR_BAD_INPUT, "retention.projects: '%.*s' is not NAME=DAYS",
                       STR_ARG(str_sub(item, 0, 60)));
        return diag_hint(reterr_why, "as in shop=30d,lab=7d; a day at least");
    }
    if (upkeep->project_count == UPKEEP_PROJECTS_MAX)
        return diag_set(reterr_why, ERR_LIMIT, "retention.projects: more than %d",
                        UPKEEP_PROJECTS_MAX);
    upkeep->projects[upkeep->project_count++] =
        (struct store_keep){ .project = arena_str(&upkeep->arena, name),
                             .spans_before_ns = keep_ns };
    return ERR_OK;
}

static enum err policy_take(struct upkeep *upkeep, struct diag *reterr_why)
{
    const struct upkeep_policy *policy = &upkeep->config.policy;
    str rest = policy->projects, item;
    enum err code = ERR_OK;
    while (code == ERR_OK && !str_is_none(rest) && !str_is_empty(rest) &&
           str_next(&rest, ',', &item))
        code = project_take(upkeep, item, reterr_why);
    int64_t longest = policy->spans_ns; /* for ever: rollups stay with their spans */
    for (size_t i = 0; i < upkeep->project_count; i++)
        longest = MAX(longest, upkeep->projects[i].spans_before_ns);
    if (code == ERR_OK && policy->rollups_ns && policy->rollups_ns < longest) {
        (void)diag_set(reterr_why, ERR_BAD_INPUT,
                       "retention.rollups: rollups are kept at least as long as spans");
        return diag_hint(reterr_why, "make it longer than retention.spans and retention.projects");
    }
    return code;
}

static int64_t before(int64_t now_ns, int64_t keep_ns)
{
    return keep_ns && keep_ns < now_ns ? now_ns - keep_ns : INT64_MIN;
}

/* The first is of all that are not named. */
static size_t keeps_of(const struct upkeep *upkeep, int64_t now_ns, struct store_keep *ret_keeps)
{
    const struct upkeep_policy *policy = &upkeep->config.policy;
    ret_keeps[0] = (struct store_keep){ .project = STR_NONE,
                                        .spans_before_ns = before(now_ns, policy->spans_ns),
                                        .scores_before_ns = before(now_ns, policy->scores_ns),
                                        .rollups_before_ns = before(now_ns, policy->rollups_ns) };
    for (size_t i = 0; i < upkeep->project_count; i++) {
        ret_keeps[i + 1] = ret_keeps[0];
        ret_keeps[i + 1].project = upkeep->projects[i].project;
        ret_keeps[i + 1].spans_before_ns = before(now_ns, upkeep->projects[i].spans_before_ns);
    }
    return upkeep->project_count + 1;
}

/* -- the clock -- */

static int64_t clock_seen(const struct upkeep *upkeep)
{
    struct buf text;
    int64_t seen_ns = 0;
    if (!upkeep->config.clock_path)
        return 0;
    buf_init(&text, TEXT_BYTES_MAX);
    if (file_read(upkeep->config.clock_path, &text, NULL) != ERR_OK ||
        !str_to_i64(str_trim(buf_str(&text)), &seen_ns))
        seen_ns = 0;
    buf_clear(&text);
    return seen_ns;
}

static void clock_see(const struct upkeep *upkeep, int64_t now_ns)
{
    char text[32];
    struct diag why = DIAG_NONE;
    if (!upkeep->config.clock_path)
        return;
    snprintf(text, sizeof text, "%lld\n", (long long)now_ns);
    if (file_replace(upkeep->config.clock_path, str_from_c(text), 0600, &why) != ERR_OK)
        log_warn("the time of retention was not noted", KV_WHY(&why));
}

static bool clock_has_jumped(const struct upkeep *upkeep, int64_t now_ns)
{
    int64_t seen_ns = clock_seen(upkeep);
    bool is_trusted = clock_monotonic_ns() - upkeep->started_ns > day_ns;
    return seen_ns && now_ns - seen_ns > UPKEEP_JUMP_NS && !is_trusted;
}

/* -- what would go -- */

enum err upkeep_plan(struct upkeep *upkeep, struct upkeep_plan *ret_plan, struct diag *reterr_why)
{
    const struct upkeep_policy *policy = &upkeep->config.policy;
    int64_t now_ns = clock_now_ns();
    struct store_keep keeps[UPKEEP_PROJECTS_MAX + 1];
    struct store_expiry expiry = { .keeps = keeps,
                                   .keep_count = keeps_of(upkeep, now_ns, keeps),
                                   .is_plan = true };
    struct store_status stored;
    struct upkeep_plan plan = {
        .now_ns = now_ns,
        .content_before_ns = before(now_ns, policy->content_ns),
        .previews_before_ns = before(now_ns, policy->previews_ns),
        .spans_before_ns = keeps[0].spans_before_ns,
        .scores_before_ns = keeps[0].scores_before_ns,
        .rollups_before_ns = keeps[0].rollups_before_ns,
        .expired.to_ns = INT64_MIN,
        .has_jumped = clock_has_jumped(upkeep, now_ns),
    };
    enum err code =
        upkeep->config.store_ops->expire(upkeep->config.store, &expiry, &plan.expired, reterr_why);
    if (code != ERR_OK)
        return code;
    upkeep->config.store_ops->status(upkeep->config.store, &stored);
    plan.is_all = plan.expired.span_count > 0 && plan.expired.span_count >= stored.span_count;
    *ret_plan = plan;
    return ERR_OK;
}

/* -- dropping it -- */

static enum err record(const struct upkeep *upkeep, const struct upkeep_plan *plan, str actor,
                       struct diag *reterr_why)
{
    struct audit *audit;
    char object[AUDIT_TEXT_BYTES_MAX];
    const struct store_expired *expired = &plan->expired;
    snprintf(object, sizeof object, "spans=%llu days=%llu scores=%llu rollups=%llu",
             (unsigned long long)expired->span_count, (unsigned long long)expired->day_count,
             (unsigned long long)expired->score_count, (unsigned long long)expired->rollup_count);
    enum err code =
        audit_open(upkeep->config.audit_path, &sys_files_real, &audit, NULL, reterr_why);
    if (code != ERR_OK)
        return code;
    struct audit_event event = { .time_ns = plan->now_ns,
                                 .actor = actor,
                                 .action = STR("retention.run"),
                                 .project = STR_NONE,
                                 .tenant = STR_NONE,
                                 .trace_id = STR_NONE,
                                 .span_id = STR_NONE,
                                 .object = str_from_c(object),
                                 .reason = STR_NONE,
                                 .source = STR_NONE };
    code = audit_append(audit, &event, reterr_why);
    audit_close(audit);
    return code;
}

static void progress_set(struct upkeep *upkeep, const struct store_expired *expired)
{
    atomic_store(&upkeep->day_count, expired->day_count);
    atomic_store(&upkeep->span_count, expired->span_count);
    atomic_store(&upkeep->score_count, expired->score_count);
    atomic_store(&upkeep->rollup_count, expired->rollup_count);
    atomic_store(&upkeep->disk_bytes, expired->disk_bytes);
}

static enum err content_drop(struct upkeep *upkeep, const struct upkeep_plan *plan,
                             struct diag *reterr_why)
{
    enum err code = ERR_OK;
    for (int previews = 0; previews < 2 && code == ERR_OK; previews++) {
        uint64_t count = 0;
        int64_t before_ns = previews ? plan->previews_before_ns : plan->content_before_ns;
        if (before_ns != INT64_MIN)
            code = content_expire(upkeep->config.content, previews, before_ns, &count, reterr_why);
        atomic_fetch_add(&upkeep->segment_count, count);
    }
    return code;
}

static enum err drop(struct upkeep *upkeep, const struct upkeep_plan *plan, str actor,
                     struct diag *reterr_why)
{
    struct store_keep keeps[UPKEEP_PROJECTS_MAX + 1];
    struct store_expiry expiry = { .keeps = keeps,
                                   .keep_count = keeps_of(upkeep, plan->now_ns, keeps),
                                   .grace_ns = upkeep->config.grace_ns };
    struct store_expired expired = { .to_ns = INT64_MIN, .more = true };
    enum err code = record(upkeep, plan, actor, reterr_why);
    if (code == ERR_OK)
        code = content_drop(upkeep, plan, reterr_why);
    while (code == ERR_OK && expired.more && !atomic_load(&upkeep->is_stopping)) {
        code =
            upkeep->config.store_ops->expire(upkeep->config.store, &expiry, &expired, reterr_why);
        progress_set(upkeep, &expired);
    }
    return code;
}

static void run(struct upkeep *upkeep, const struct upkeep_plan *plan, str actor)
{
    struct diag why = DIAG_NONE;
    struct store_expired none = { 0 };
    progress_set(upkeep, &none);
    atomic_store(&upkeep->segment_count, 0);
    enum err code = drop(upkeep, plan, actor, &why);
    clock_see(upkeep, plan->now_ns);
    atomic_store(&upkeep->last_err, (int)code);
    atomic_store(&upkeep->last_ns, clock_now_ns());
    atomic_fetch_add(&upkeep->runs, 1);
    if (code != ERR_OK)
        log_warn("retention stopped early", KV_ERR(code), KV_WHY(&why));
    else if (atomic_load(&upkeep->span_count) + atomic_load(&upkeep->segment_count) > 0)
        log_info("retention", KV_U64("spans", atomic_load(&upkeep->span_count)),
                 KV_U64("days", atomic_load(&upkeep->day_count)),
                 KV_U64("segments", atomic_load(&upkeep->segment_count)));
}

enum err upkeep_run(struct upkeep *upkeep, str actor, bool force, struct diag *reterr_why)
{
    struct upkeep_plan plan;
    if (!upkeep->config.audit_path)
        return diag_set(reterr_why, ERR_UNAVAILABLE, "there is no audit log to note it in");
    enum err code = upkeep_plan(upkeep, &plan, reterr_why);
    if (code != ERR_OK)
        return code;
    if (!force && (plan.is_all || plan.has_jumped)) {
        (void)diag_set(reterr_why, ERR_CONFLICT,
                       plan.is_all ? "all spans that there are would go"
                                   : "the clock is more than 7 days past the last look");
        (void)diag_hint(reterr_why,
                        "if the clock and the plan are right, say --force (force=true)");
        return ERR_CONFLICT;
    }
    struct request *request = xcalloc(1, sizeof *request);
    snprintf(request->actor, sizeof request->actor, "%.*s", (int)MIN(actor.len, (size_t)60),
             str_is_none(actor) ? "" : actor.ptr);
    if (!atomic_exchange(&upkeep->is_running, true) && queue_send(upkeep->requests, request))
        return ERR_OK;
    xfree(request);
    return diag_set(reterr_why, ERR_BUSY, "a run is under way");
}

void upkeep_status(const struct upkeep *upkeep, struct upkeep_status *ret_status)
{
    *ret_status = (struct upkeep_status){
        .is_running = atomic_load(&upkeep->is_running),
        .runs = atomic_load(&upkeep->runs),
        .last_err = (enum err)atomic_load(&upkeep->last_err),
        .last_ns = atomic_load(&upkeep->last_ns),
        .day_count = atomic_load(&upkeep->day_count),
        .span_count = atomic_load(&upkeep->span_count),
        .score_count = atomic_load(&upkeep->score_count),
        .rollup_count = atomic_load(&upkeep->rollup_count),
        .segment_count = atomic_load(&upkeep->segment_count),
        .disk_bytes = atomic_load(&upkeep->disk_bytes),
    };
}

/* -- the thread -- */

/* By itself, when nothing speaks against it. */
static void look(struct upkeep *upkeep)
{
    struct upkeep_plan plan;
    struct diag why = DIAG_NONE;
    upkeep->looked_ns = clock_monotonic_ns();
    if (!upkeep->config.audit_path || atomic_exchange(&upkeep->is_running, true))
        return; /* or a run was asked for */
    enum err code = upkeep_plan(upkeep, &plan, &why);
    if (code != ERR_OK && code != ERR_UNSUPPORTED)
        log_warn("retention has no plan", KV_ERR(code), KV_WHY(&why));
    else if (code == ERR_OK && plan.has_jumped)
        log_warn("retention waits: the clock is more than 7 days past the last look; see "
                 "`telltale retention plan`",
                 KV_I64("now", plan.now_ns));
    else if (code == ERR_OK && plan.is_all)
        log_warn(
            "retention waits: all spans that there are would go; see `telltale retention plan`",
            KV_U64("spans", plan.expired.span_count));
    else if (code == ERR_OK)
        run(upkeep, &plan, STR_OF("retention"));
    atomic_store(&upkeep->is_running, false);
}

static void roll(struct upkeep *upkeep)
{
    struct diag why = DIAG_NONE;
    enum err code = ERR_OK;
    for (bool more = true; more && code == ERR_OK && !atomic_load(&upkeep->is_stopping);)
        code = upkeep->config.store_ops->roll(upkeep->config.store, &more, &why);
    if (code != ERR_OK)
        log_warn("rollups were not made", KV_ERR(code), KV_WHY(&why));
}

static void requests_run(struct upkeep *upkeep, struct request *request)
{
    struct upkeep_plan plan;
    struct diag why = DIAG_NONE;
    if (upkeep_plan(upkeep, &plan, &why) == ERR_OK)
        run(upkeep, &plan, str_from_c(request->actor));
    xfree(request);
    atomic_store(&upkeep->is_running, false);
}

static void thread_run(void *arg)
{
    struct upkeep *upkeep = arg;
    const int64_t turn_ns = MIN(upkeep->config.every_ns, 60 * NS_PER_S);
    while (!queue_is_closed(upkeep->requests)) {
        void *message;
        if (queue_wait(upkeep->requests, &message, 1, turn_ns) == 1) {
            requests_run(upkeep, message);
            continue;
        }
        if (queue_is_closed(upkeep->requests))
            break;
        roll(upkeep);
        int64_t since_ns = clock_monotonic_ns() - MAX(upkeep->looked_ns, upkeep->started_ns);
        if (since_ns >= upkeep->config.every_ns)
            look(upkeep);
    }
}

enum err upkeep_new(const struct upkeep_config *config, struct upkeep **ret_upkeep,
                    struct diag *reterr_why)
{
    assert(config->every_ns > 0);
    struct upkeep *upkeep = xcalloc(1, sizeof *upkeep);
    upkeep->config = *config;
    arena_init(&upkeep->arena, TEXT_BYTES_MAX);
    upkeep->requests = queue_new(REQUESTS_MAX);
    upkeep->started_ns = clock_monotonic_ns();
    enum err code = policy_take(upkeep, reterr_why);
    if (code != ERR_OK) {
        upkeep_free(upkeep);
        return code;
    }
    if (clock_seen(upkeep) == 0)
        clock_see(upkeep, clock_now_ns());
    *ret_upkeep = upkeep;
    return ERR_OK;
}

void upkeep_start(struct upkeep *upkeep)
{
    thread_start_behind(&upkeep->thread, "upkeep", thread_run, upkeep);
}

void upkeep_stop(struct upkeep *upkeep)
{
    atomic_store(&upkeep->is_stopping, true);
    queue_close(upkeep->requests);
    thread_join(&upkeep->thread);
}

void upkeep_free(struct upkeep *upkeep)
{
    if (!upkeep)
        return;
    queue_free(upkeep->requests);
    arena_clear(&upkeep->arena);
    xfree(upkeep);
}
