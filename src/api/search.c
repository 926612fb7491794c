/* search.c -- GET /api/v1/search: words in prompts and answers, for who may read content.
 *
 * A hit is one field (the prompt, the answer, ...) of one span that holds all words; the snippet
 * around them is content as it is stored, redacted.  Searches have a thread of their own and run
 * one after the other, each for a limited time: what is left is said, and the cursor goes on
 * there.  One record of the audit log, with a keyed hash of the words, is on disk before the
 * answer leaves (docs/decisions/0049).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "api/search_int.h"
#include "base/hash.h"
#include "base/text.h"
#include "keys/keys.h"
#include "sys/clock.h"
#include "sys/log.h"

enum { CURSOR_VERSION = 1, CURSOR_BYTES = 56, LIMIT_DEFAULT = 20, LIMIT_MAX = 200, HASH_SHOWN = 8 };
#define STORED_SLACK_NS (600 * NS_PER_S) /* clocks of senders that are ahead */
#define ANSWER_NS (500 * NS_PER_MS)      /* of the question's time is kept for the answer */

/* ---- the cursor ---- */

struct cursor_bytes {
    uint8_t version, in_content;
    uint8_t reserved[2];
    uint32_t offset;
    uint64_t segment;
    int64_t start_ns;
    struct id16 trace_id;
    struct id8 span_id;
    uint32_t item;
    uint32_t crc;
};
_Static_assert(sizeof(struct cursor_bytes) == CURSOR_BYTES, "no padding");

static enum err cursor_read(str text, struct search_cursor *ret_cursor, struct diag *why)
{
    struct cursor_bytes bytes;
    *ret_cursor = (struct search_cursor){ .start_ns = INT64_MAX, .below.segment = UINT64_MAX };
    if (str_is_empty(text))
        return ERR_OK;
    if (text.len != 2 * sizeof bytes || !hex_decode(text, &bytes, sizeof bytes) ||
        bytes.crc != hash_crc32c(0, &bytes, offsetof(struct cursor_bytes, crc)) ||
        bytes.version != CURSOR_VERSION) {
        diag_set(why, ERR_BAD_INPUT, "cursor: this is none of a search");
        return diag_hint(why, "use next_cursor of the page before as it is");
    }
    *ret_cursor = (struct search_cursor){ .in_content = bytes.in_content,
                                          .start_ns = bytes.start_ns,
                                          .trace_id = bytes.trace_id,
                                          .span_id = bytes.span_id,
                                          .below = { bytes.segment, bytes.offset, bytes.item } };
    return ERR_OK;
}

static void cursor_add(struct buf *out, const struct search_cursor *cursor)
{
    struct cursor_bytes bytes = { .version = CURSOR_VERSION,
                                  .in_content = cursor->in_content,
                                  .offset = cursor->below.offset,
                                  .segment = cursor->below.segment,
                                  .start_ns = cursor->start_ns,
                                  .trace_id = cursor->trace_id,
                                  .span_id = cursor->span_id,
                                  .item = cursor->below.item };
    bytes.crc = hash_crc32c(0, &bytes, offsetof(struct cursor_bytes, crc));
    buf_add_char(out, '"');
    buf_add_hex(out, &bytes, sizeof bytes);
    buf_add_char(out, '"');
}

/* ---- the question ---- */

static enum err words_read(const struct api_job *job, struct searching *searching, struct diag *why)
{
    str words = query_param_find(job->query, job->query_count, STR_OF("words"));
    if (str_is_none(words)) {
        diag_set(why, ERR_BAD_INPUT, "words: what is to be searched for?");
        return diag_hint(why, "words=refund policy, or words=\"refund policy\" for that order");
    }
    enum err err = search_parse(&searching->job->arena, words, &searching->query, why);
    if (!err || !why)
        return err;
    char text[DIAG_TEXT_MAX];
    memcpy(text, why->text, sizeof text);
    size_t offset = why->offset;
    char hint[sizeof why->hint];
    memcpy(hint, why->hint, sizeof hint);
    diag_set_at(why, err, offset, "words: %.*s", DIAG_TEXT_MAX - 16, text);
    memcpy(why->hint, hint, sizeof hint);
    return err;
}

/* q, from and to as lists have them. */
static enum err list_read(struct api_job *job, struct store_list *ret_list, struct diag *why)
{
    struct query_param *params = arena_new(&job->arena, struct query_param, QUERY_PARAMS_MAX);
    size_t count = 0;
    if (!params)
        return ERR_LIMIT;
    for (size_t i = 0; i < job->query_count; i++)
        if (str_equal_c(job->query[i].name, "q") || str_equal_c(job->query[i].name, "from") ||
            str_equal_c(job->query[i].name, "to"))
            params[count++] = job->query[i];
    enum err err = query_plan_list(&job->arena, params, count, clock_now_ns(), ret_list, why);
    struct store_scope scope = api_scope(job);
    scope.range = ret_list->scope.range;
    ret_list->scope = scope;
    return err;
}

static enum err limit_read(const struct api_job *job, uint32_t *ret_limit, struct diag *why)
{
    str text = query_param_find(job->query, job->query_count, STR_OF("limit"));
    uint64_t limit = LIMIT_DEFAULT;
    if (!str_is_none(text) && (!str_to_u64(text, &limit) || limit < 1 || limit > LIMIT_MAX))
        return diag_set(why, ERR_BAD_INPUT, "limit: must be a number from 1 to %d", LIMIT_MAX);
    *ret_limit = (uint32_t)limit;
    return ERR_OK;
}

static enum err searching_init(struct api_job *job, struct searching *searching, struct diag *why)
{
    static const char *const allowed[] = {
        "words", "q", "from", "to", "limit", "cursor", "reason"
    };
    const struct api_config *config = &job->worker->api->config;
    int64_t stop_ns = clock_monotonic_ns() + config->search_time_ns;
    *searching = (struct searching){ .job = job,
                                     .stop_ns = MIN(stop_ns, job->deadline_ns - ANSWER_NS),
                                     .log_complete = true,
                                     .stored_from_ns = INT64_MAX };
    enum err err =
        query_params_check(job->query, job->query_count, allowed, COUNT_OF(allowed), why);
    if (!err)
        err = words_read(job, searching, why);
    if (!err)
        err = list_read(job, &searching->list, why);
    if (!err)
        err = limit_read(job, &searching->list.limit, why);
    str cursor = query_param_find(job->query, job->query_count, STR_OF("cursor"));
    return err ? err : cursor_read(cursor, &searching->cursor, why);
}

/* ---- content ---- */

static enum err keys_get(const struct searching *searching, struct search_ask *ask,
                         struct diag *why)
{
    const struct api_config *config = &searching->job->worker->api->config;
    struct crypt_key key;
    uint64_t key_id;
    enum err err = keystore_subject_key(config->keystore, searching->job->who.project, STR_NONE,
                                        STR_NONE, &key, &key_id, why);
    crypt_wipe(&key, sizeof key);
    return err ? err : keystore_search_key(config->keystore, key_id, &ask->project, &ask->key);
}

/* Hits of one run, until the page is full. */
static enum err hits_show(struct searching *searching, const struct search_answer *answer,
                          struct diag *why)
{
    const struct store_span *spans[SEARCH_CHECKED_AT_ONCE];
    for (size_t from = 0; from < answer->count; from += SEARCH_CHECKED_AT_ONCE) {
        const struct search_hit *hits = answer->hits + from;
        size_t count = MIN(answer->count - from, (size_t)SEARCH_CHECKED_AT_ONCE);
        enum err err = search_check(searching, hits, count, spans, why);
        if (err)
            return err;
        for (size_t i = 0; i < count; i++) {
            if (spans[i])
                search_hit_json(searching, spans[i], hits[i].role, &hits[i].snippet);
            searching->cursor.below = hits[i].position;
            bool is_last = from + i + 1 == answer->count;
            if (searching->count == searching->list.limit && !is_last)
                return ERR_OK;
        }
    }
    searching->cursor.below = answer->below;
    searching->is_done = answer->is_done;
    return ERR_OK;
}

static enum err content_search(struct searching *searching, struct diag *why)
{
    struct search *search = searching->job->worker->api->config.search;
    struct arena *arena = &searching->job->arena;
    struct search_ask ask = { .query = searching->query, .stop_ns = searching->stop_ns };
    bool has_conditions = searching->list.filter || !str_is_none(searching->list.scope.tenant);
    int64_t from_ns = searching->list.scope.range.from_ns;
    ask.stored_from_ns =
        from_ns < INT64_MIN + STORED_SLACK_NS ? INT64_MIN : from_ns - STORED_SLACK_NS;
    enum err err = keys_get(searching, &ask, why);
    while (!err && !searching->is_done && searching->count < searching->list.limit) {
        struct search_answer answer;
        ask.below = searching->cursor.below;
        ask.hits_max = has_conditions ? LIMIT_MAX : searching->list.limit - searching->count;
        err = search_run(search, &ask, arena, &answer, why);
        if (!err)
            err = hits_show(searching, &answer, why);
        searching->bytes_read += answer.bytes_read;
        searching->bytes_left = answer.bytes_left;
        searching->unreadable += answer.unreadable;
        bool is_all_shown =
            memcmp(&searching->cursor.below, &answer.below, sizeof answer.below) == 0;
        if (!err && is_all_shown)
            searching->stored_from_ns = MIN(searching->stored_from_ns, answer.stored_from_ns);
        searching->was_stopped = clock_monotonic_ns() > searching->stop_ns && !searching->is_done;
        if (searching->was_stopped)
            break;
    }
    crypt_wipe(&ask.key, sizeof ask.key);
    return err;
}

/* ---- the answer ---- */

void search_hit_json(struct searching *searching, const struct store_span *span,
                     enum content_role role, const struct search_snippet *snippet)
{
    struct buf *out = &searching->job->body;
    const struct span *s = &span->span;
    buf_add_c(out, searching->count++ ? ",{\"trace_id\":\"" : "{\"trace_id\":\"");
    buf_add_hex(out, s->trace_id.bytes, 16);
    buf_add_c(out, "\",\"span_id\":\"");
    buf_add_hex(out, s->span_id.bytes, 8);
    buf_add_c(out, "\",\"start_time\":\"");
    time_format(out, s->start_time, 9);
    buf_add_c(out, "\",\"name\":");
    buf_add_json_str(out, s->name);
    buf_add_c(out, ",\"generator_model\":");
    if (SPAN_KNOWS(s, generator_model))
        buf_add_json_str(out, s->generator_model);
    else
        buf_add_c(out, "null");
    buf_add_c(out, ",\"field\":");
    buf_add_json_str(out, str_from_c(content_role_name(role)));
    buf_add_c(out, span->settled ? ",\"settled\":true" : ",\"settled\":false");
    buf_add_c(out, ",\"snippet\":");
    buf_add_json_str(out, snippet->text);
    buf_add_c(out, ",\"matches\":[");
    for (uint32_t i = 0; i < snippet->mark_count; i++)
        buf_printf(out, "%s[%u,%u]", i ? "," : "", snippet->marks[i].from, snippet->marks[i].to);
    buf_add_c(out, "]}");
}

API_HANDLER(api_deny)
{
    const struct api_config *config = &job->worker->api->config;
    struct audit *audit = config->search_audit;
    struct audit_event event = {
        .time_ns = clock_now_ns(),
        .actor = job->who.key_id,
        .action = STR("content.search.denied"),
        .project = job->who.project,
        .tenant = job->who.tenant,
        .reason = job->reason,
        .source = job->peer,
    };
    enum err err = audit ? audit_append(audit, &event, NULL) : ERR_OK;
    if (err) /* it is refused all the same */
        log_warn("a refusal could not be recorded in the audit log", KV_ERR(err));
    *reterr_why = *job->denied;
    return ERR_FORBIDDEN;
}

/* Who searched, and how much was found; of the words only a hash under the project's key. */
static enum err audit_search(const struct searching *searching, struct diag *why)
{
    struct api_job *job = searching->job;
    struct audit *audit = job->worker->api->config.search_audit;
    struct crypt_key key;
    uint8_t hash[CRYPT_SHA256_BYTES];
    char hex[2 * HASH_SHOWN + 1];
    str words = search_query_words(&job->arena, searching->query);
    enum err err =
        keystore_hash_key(job->worker->api->config.keystore, job->who.project, &key, why);
    if (err || str_is_none(words))
        return err ? err : diag_set(why, ERR_LIMIT, "the search needs too much memory");
    struct crypt_mac *mac = crypt_mac_new(&key);
    crypt_mac_once(mac, words.ptr, words.len, hash);
    crypt_mac_free(mac);
    crypt_wipe(&key, sizeof key);
    hex_encode(hash, HASH_SHOWN, hex);
    struct audit_event event = {
        .time_ns = clock_now_ns(),
        .actor = job->who.key_id,
        .action = STR("content.search"),
        .project = job->who.project,
        .tenant = job->who.tenant,
        .object = arena_printf(&job->arena, "words=%s hits=%u", hex, searching->count),
        .reason = job->reason,
        .source = job->peer,
    };
    err = audit_append(audit, &event, why);
    if (err)
        return diag_set(why, ERR_UNAVAILABLE,
                        "the search could not be recorded in the audit log, so it is refused");
    return ERR_OK;
}

static void answer_end(struct searching *searching)
{
    struct buf *out = &searching->job->body;
    buf_add_c(out, "],\"next_cursor\":");
    if (searching->is_done)
        buf_add_c(out, "null");
    else
        cursor_add(out, &searching->cursor);
    buf_printf(out, ",\"complete\":%s", searching->is_done ? "true" : "false");
    buf_printf(out, ",\"stopped_by\":%s",
               searching->is_done       ? "null"
               : searching->was_stopped ? "\"time\""
                                        : "\"limit\"");
    buf_printf(out, ",\"unsettled_complete\":%s", searching->log_complete ? "true" : "false");
    buf_add_c(out, ",\"searched_from\":");
    if (searching->stored_from_ns == INT64_MAX || searching->stored_from_ns < 0) {
        buf_add_c(out, "null");
    } else {
        buf_add_char(out, '"');
        time_format(out, searching->stored_from_ns, 9);
        buf_add_char(out, '"');
    }
    buf_printf(out, ",\"bytes_read\":%llu,\"stored_bytes_left\":%llu,\"unreadable_frames\":%llu}\n",
               (unsigned long long)searching->bytes_read, (unsigned long long)searching->bytes_left,
               (unsigned long long)searching->unreadable);
}

API_HANDLER(api_search)
{
    struct searching searching;
    const struct api_config *config = &job->worker->api->config;
    if (!config->search_audit)
        return diag_set(reterr_why, ERR_UNAVAILABLE,
                        "the audit log is not open, so content stays closed");
    enum err err = searching_init(job, &searching, reterr_why);
    if (err)
        return err;
    buf_add_c(&job->body, "{\"items\":[");
    if (!searching.cursor.in_content)
        err = search_log(&searching, reterr_why);
    if (!err && searching.cursor.in_content)
        err = content_search(&searching, reterr_why);
    if (!err)
        err = audit_search(&searching, reterr_why);
    if (err)
        return err;
    atomic_fetch_add(&job->worker->api->searches, 1);
    answer_end(&searching);
    return ERR_OK;
}
