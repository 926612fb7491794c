/* batch.c -- every text of a record, in place.
 *
 * A lean span has some twenty short texts, most of them the same in each span.
 * Those that were found clean before are remembered by hash; the others, of all
 * records, are joined, each with its name, and scanned in one go.  Only if that
 * finds something are the records asked one by one, and the texts of those in
 * which something is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/hash.h"
#include "redact/redact_int.h"

enum mode {
    MODE_NONE,
    MODE_TEXT,     /* by policy */
    MODE_SECRET,   /* names of models, ids: only secrets are replaced */
    MODE_IDENTITY, /* hashed as a whole when something is found, or by policy */
    MODE_JSON,
};

enum {
    REMEMBERED_BYTES_MAX = 256, /* longer texts do not come again */
    IDENTITY_HASH_CHARS = 24,
    KEPT_BUFFER_BYTES_MAX = 1 << 20,
    GATHER_BYTES = 32 << 10, /* scanned at a time: what the cache holds */
    HARMLESS_BYTES_MAX = 3,
};
#define CARD_NUMBER_MIN INT64_C(1000000000000) /* thirteen digits */

/* clang-format off */
static const uint8_t field_modes[FIELD_COUNT] = {
#define TEXT(name) [FIELD_##name] = MODE_TEXT,
#define SECRET(name) [FIELD_##name] = MODE_SECRET,
    TEXT(name) TEXT(status_message) TEXT(error_type) TEXT(service) TEXT(environment) TEXT(region)
    TEXT(release) TEXT(endpoint) TEXT(peer_service) TEXT(feature) TEXT(request_id)
    TEXT(correlation_id) TEXT(source) TEXT(source_id) TEXT(query_category) TEXT(fallback_reason)
    TEXT(finish_reason) TEXT(prompt_template_id) TEXT(prompt_version) TEXT(system_prompt_version)
    TEXT(tool_manifest_version) TEXT(retrieval_pipeline_version) TEXT(output_type) TEXT(parse_error)
    TEXT(retriever) TEXT(retriever_family) TEXT(index_name) TEXT(index_version) TEXT(source_ids)
    TEXT(chunk_ids) TEXT(tool_name) TEXT(tool_call_id) TEXT(tool_type) TEXT(tool_approval)
    TEXT(tool_risk) TEXT(guard_name) TEXT(guard_verdict) TEXT(safety_stage)
    TEXT(safety_policy_version) TEXT(agent_name) TEXT(agent_id) TEXT(agent_version)
    TEXT(workflow_name) TEXT(sample_type) TEXT(scope_name) TEXT(scope_version) TEXT(schema_url)
    SECRET(provider) SECRET(request_model) SECRET(generator_model) SECRET(response_id)
    SECRET(service_tier) SECRET(fallback_from) SECRET(embedding_model_version)
    SECRET(reranker_model_version) SECRET(judge_model) SECRET(prompt_hash)
    SECRET(system_prompt_hash) SECRET(answer_hash) SECRET(query_hash) SECRET(tool_arguments_hash)
#undef TEXT
#undef SECRET
    [FIELD_tenant_id] = MODE_IDENTITY, [FIELD_user_id] = MODE_IDENTITY,
    [FIELD_session_id] = MODE_IDENTITY,
    [FIELD_parameters] = MODE_JSON, [FIELD_sender_usage] = MODE_JSON, [FIELD_events] = MODE_JSON,
};
static const str field_names[FIELD_COUNT] = {
#define FIELD(name, type, column, json, doc) STR(#name),
#include "model/fields.def"
#undef FIELD
};
/* clang-format on */

void batch_fields_mask(uint64_t ret_mask[(FIELD_COUNT + 63) / 64])
{
    memset(ret_mask, 0, sizeof(uint64_t) * ((FIELD_COUNT + 63) / 64));
    for (unsigned i = 0; i < FIELD_COUNT; i++)
        if (field_modes[i] != MODE_NONE)
            ret_mask[i / 64] |= UINT64_C(1) << (i % 64);
}

/* Texts of this batch that were gathered or known, by place: what a resource says stands in
 * each of its spans at the same address. */
enum { SEEN_SLOTS = 64 };
struct seen {
    const char *key, *text;
    size_t len;
};

struct work {
    struct redact_scratch *scratch;
    const struct redact_policy *policy;
    struct redact_policy secrets_only;
    struct arena *arena;
    struct seen *seen; /* while all records are asked, else NULL */
    bool is_asking;    /* gather, or replace */
    bool does_json;    /* JSON fields, which need no asking, are replaced in this pass */
};

/* What is clean of secrets may still be personal: `mode` counts. */
static uint64_t *clean_slot(struct redact_scratch *scratch, str key, str text, enum mode mode,
                            uint64_t *ret_hash)
{
    uint64_t seed = scratch->clean_seed + (mode == MODE_SECRET);
    uint64_t hash = hash_bytes_seeded(key.ptr, key.len, seed);
    *ret_hash = hash_bytes_seeded(text.ptr, text.len, hash) | 1;
    return &scratch->clean[*ret_hash >> 52];
}

static bool was_seen(struct work *work, str key, str text)
{
    if (!work->seen)
        return false;
    _Static_assert(SEEN_SLOTS == 1 << 6, "six bits");
    uint64_t place = (uint64_t)(uintptr_t)text.ptr * UINT64_C(0x9e3779b97f4a7c15);
    struct seen *seen = &work->seen[place >> 58];
    if (seen->text == text.ptr && seen->key == key.ptr && seen->len == text.len)
        return true;
    *seen = (struct seen){ key.ptr, text.ptr, text.len };
    return false;
}

/* Ask: add to the text that is scanned in one go, unless it is known to be clean. */
static void text_gather(struct work *work, str key, str text, enum mode mode)
{
    _Static_assert(CLEAN_SLOTS == 1 << 12, "clean_slot() takes twelve bits");
    struct redact_scratch *scratch = work->scratch;
    struct buf *gather = mode == MODE_SECRET ? &scratch->gather_ids : &scratch->gather;
    if (key.len + text.len <= REMEMBERED_BYTES_MAX) {
        uint64_t hash;
        uint64_t *slot = clean_slot(scratch, key, text, mode, &hash);
        if (*slot == hash)
            return;
        *slot = hash; /* unless something is found: pending_settle() */
        if (scratch->pending_count < PENDING_MAX)
            scratch->pending[scratch->pending_count] = hash;
        scratch->pending_count++;
    }
    char *out = buf_reserve(gather, key.len + text.len + 5);
    if (!out)
        return; /* sticky; record_redact() sees it */
    memcpy(out, key.ptr ? key.ptr : "", key.len);
    memcpy(out + key.len, "\":\"", 3);
    memcpy(out + key.len + 3, text.ptr, text.len);
    memcpy(out + key.len + 3 + text.len, "\"\n", 2);
    gather->len += key.len + text.len + 5;
}

/* What was gathered is clean, or else must not be remembered as such. */
static void pending_settle(struct redact_scratch *scratch, bool is_clean)
{
    if (!is_clean && scratch->pending_count > PENDING_MAX)
        memset(scratch->clean, 0, sizeof scratch->clean);
    for (uint32_t i = 0; !is_clean && i < MIN(scratch->pending_count, PENDING_MAX); i++) {
        uint64_t *slot = &scratch->clean[scratch->pending[i] >> 52];
        *slot = *slot == scratch->pending[i] ? 0 : *slot;
    }
    scratch->pending_count = 0;
}

static void gathered_reset(struct redact_scratch *scratch)
{
    buf_reset(&scratch->gather);
    buf_reset(&scratch->gather_ids);
}

/* Scan what was gathered since the last time. */
static bool gathered_is_clean(struct redact_scratch *scratch)
{
    str texts = buf_str(&scratch->gather);
    str ids = buf_str(&scratch->gather_ids);
    bool is_clean = !buf_failed(&scratch->gather) && !buf_failed(&scratch->gather_ids) &&
                    !scan_any(scratch, texts) && !scan_any_secret(scratch, ids);
    pending_settle(scratch, is_clean);
    if (is_clean)
        gathered_reset(scratch);
    return is_clean;
}

/* Hashed as one, in the form of a replacement so that it is known as one. */
static enum err identity_hash(struct work *work, str name, str *text)
{
    size_t start;
    size_t end;
    uint8_t hash[CRYPT_SHA256_BYTES];
    char hex[CRYPT_SHA256_BYTES * 2 + 1];
    if (marker_around(*text, 0, &start, &end) && end == text->len)
        return ERR_OK;
    if (!work->scratch->mac) {
        *text = STR_OF("[REDACTED]");
        return ERR_OK;
    }
    static const char digits[] = "0123456789abcdef";
    crypt_mac_once(work->scratch->mac, text->ptr, text->len, hash);
    for (size_t i = 0; i < IDENTITY_HASH_CHARS; i++)
        hex[i] = digits[hash[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
    *text = arena_printf(work->arena, "[%.*s:%.*s]", STR_ARG(name), IDENTITY_HASH_CHARS, hex);
    return str_is_none(*text) ? ERR_LIMIT : ERR_OK;
}

/* Replace what is in the text; one in which nothing was is remembered, so that spans that each
 * have a datum in one of their texts cost little more than that text. */
static enum err text_replace(struct work *work, str key, str *text, enum mode mode)
{
    struct redact_scratch *scratch = work->scratch;
    const struct redact_policy *policy = mode == MODE_SECRET ? &work->secrets_only : work->policy;
    bool is_short = key.len + text->len <= REMEMBERED_BYTES_MAX;
    bool is_whole = mode == MODE_SECRET || policy->pii != REDACT_KEEP; /* as when asking */
    uint64_t hash = 0;
    uint64_t *slot = is_short && is_whole ? clean_slot(scratch, key, *text, mode, &hash) : NULL;
    if (slot && *slot == hash)
        return ERR_OK;
    str safe = *text;
    uint32_t found_before = scratch->replaced_count;
    enum err code = scan_replace(scratch, policy, work->arena, key, *text, &safe);
    if (code == ERR_OK && slot && scratch->replaced_count == found_before)
        *slot = hash;
    if (code == ERR_OK && mode == MODE_IDENTITY && safe.ptr != text->ptr)
        return identity_hash(work, key, text);
    if (code == ERR_OK)
        *text = safe;
    return code;
}

static enum err text_apply(struct work *work, str key, str *text, enum mode mode)
{
    if (mode != MODE_JSON)
        return text_replace(work, key, text, mode);
    str safe = *text;
    enum err code = part_redact(work->scratch, work->policy, work->arena, *text, &safe);
    if (code == ERR_OK)
        *text = safe;
    return code;
}

static enum err text_visit(struct work *work, str key, str *text, enum mode mode)
{
    if (text->len <= HARMLESS_BYTES_MAX && !key_is_sensitive(key))
        return ERR_OK;
    if (mode == MODE_JSON ? work->does_json : !work->is_asking)
        return text_apply(work, key, text, mode);
    if (mode != MODE_JSON && !was_seen(work, key, *text))
        text_gather(work, key, *text, mode);
    return ERR_OK;
}

static enum err attrs_visit(struct work *work, struct attr *attrs, uint32_t count);

/* An integer that could be a card's number: as text, when it is one. */
static enum err i64_visit(struct work *work, str key, struct value *value)
{
    char digits[24];
    size_t len = 0;
    if (value->i64 < CARD_NUMBER_MIN)
        return ERR_OK;
    for (int64_t rest = value->i64; rest > 0; rest /= 10)
        digits[sizeof digits - ++len] = (char)('0' + rest % 10);
    char *first = digits + sizeof digits - len;
    if (*first < '2' || *first > '6')
        return ERR_OK;
    str text = str_make(first, len);
    str before = text;
    struct seen *seen = work->seen;
    work->seen = NULL; /* the next number will stand at the same place */
    enum err code = text_visit(work, key, &text, MODE_TEXT);
    work->seen = seen;
    if (code == ERR_OK && text.ptr != before.ptr)
        *value = value_str(text);
    return code;
}

static enum err value_visit(struct work *work, str key, struct value *value)
{
    enum err code = ERR_OK;
    switch (value->type) {
    case VALUE_STR:
        return text_visit(work, key, &value->text, MODE_TEXT);
    case VALUE_BYTES: {
        const char *before = value->text.ptr;
        code = text_visit(work, key, &value->text, MODE_TEXT);
        if (value->text.ptr != before)
            value->type = VALUE_STR;
        return code;
    }
    case VALUE_I64:
        return i64_visit(work, key, value);
    case VALUE_ARRAY:
        for (uint32_t i = 0; code == ERR_OK && i < value->count; i++)
            code = value_visit(work, key, &value->items[i]);
        return code;
    case VALUE_MAP:
        return attrs_visit(work, value->attrs, value->count);
    case VALUE_NULL:
    case VALUE_BOOL:
    case VALUE_F64:
    default:
        return ERR_OK;
    }
}

static enum err attrs_visit(struct work *work, struct attr *attrs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct attr *attr = &attrs[i];
        enum err code = ERR_OK;
        bool has_text = attr->value.type == VALUE_STR; /* gathered with its key */
        if (!work->is_asking || !has_text || attr->value.text.len <= HARMLESS_BYTES_MAX)
            code = text_visit(work, STR_NONE, &attr->key, MODE_TEXT);
        if (code == ERR_OK)
            code = value_visit(work, attr->key, &attr->value);
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
}

static enum err strs_visit(struct work *work, struct strs *list, str name)
{
    str *copy = NULL;
    for (uint32_t i = 0; i < list->count; i++) {
        str text = list->items[i];
        enum err code = text_visit(work, name, &text, MODE_TEXT);
        if (code != ERR_OK)
            return code;
        if (text.ptr == list->items[i].ptr)
            continue;
        if (!copy) {
            copy = arena_new(work->arena, str, list->count);
            if (!copy)
                return ERR_LIMIT;
            memcpy(copy, list->items, list->count * sizeof *copy);
            list->items = copy;
        }
        copy[i] = text;
    }
    return ERR_OK;
}

static enum err field_visit(struct work *work, struct span *span, enum field field)
{
    void *at = span_field(span, field);
    str name = field_names[field];
    if (field_table[field].type == FIELD_TYPE_STRS)
        return strs_visit(work, at, name);
    return text_visit(work, name, at, field_modes[field]);
}

static enum err fields_visit(struct work *work, struct span *span)
{
    for (unsigned word = 0; word < COUNT_OF(span->known); word++) {
        uint64_t bits = span->known[word] & work->scratch->field_mask[word];
        for (; bits; bits &= bits - 1) {
            enum field field = (enum field)(word * 64 + (unsigned)__builtin_ctzll(bits));
            enum err code = field_visit(work, span, field);
            if (code != ERR_OK)
                return code;
        }
    }
    return ERR_OK;
}

static enum err span_visit(struct work *work, struct span *span)
{
    enum err code = fields_visit(work, span);
    if (code == ERR_OK)
        code = attrs_visit(work, span->attrs, span->attr_count);
    for (uint32_t i = 0; code == ERR_OK && i < span->link_count; i++)
        code = attrs_visit(work, span->links[i].attrs, span->links[i].attr_count);
    return code;
}

static enum err log_visit(struct work *work, struct log_record *log)
{
    str *const texts[] = { &log->severity_text, &log->event_name, &log->service };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        enum err code = text_visit(work, STR_OF("log"), texts[i], MODE_TEXT);
        if (code != ERR_OK)
            return code;
    }
    return attrs_visit(work, log->attrs, log->attr_count);
}

static enum err metric_visit(struct work *work, struct metric_point *metric)
{
    str *const texts[] = { &metric->name, &metric->unit, &metric->service };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        enum err code = text_visit(work, STR_OF("metric"), texts[i], MODE_TEXT);
        if (code != ERR_OK)
            return code;
    }
    return attrs_visit(work, metric->attrs, metric->attr_count);
}

static enum err score_visit(struct work *work, struct score *score)
{
    str *texts[SCORE_TEXTS];
    score_texts(score, texts);
    enum err code = text_visit(work, STR_OF("score"), &score->name, MODE_TEXT);
    for (size_t i = 0; code == ERR_OK && i < SCORE_TEXTS; i++) {
        bool is_session = texts[i] == &score->session_id; /* found by what spans have */
        if (!str_is_none(*texts[i]))
            code = text_visit(work, is_session ? STR_OF("session_id") : STR_OF("score"), texts[i],
                              is_session ? MODE_IDENTITY : MODE_TEXT);
    }
    return code == ERR_OK ? attrs_visit(work, score->attrs, score->attr_count) : code;
}

/* What a record is to the two passes. */
struct record {
    struct span *span;
    struct log_record *log;
    struct metric_point *metric;
    struct score *score;
};

static enum err record_visit(struct work *work, const struct record *record)
{
    if (record->span)
        return span_visit(work, record->span);
    if (record->log)
        return log_visit(work, record->log);
    if (record->score)
        return score_visit(work, record->score);
    assert(record->metric);
    return metric_visit(work, record->metric);
}

static enum err record_redact(struct work *work, const struct record *record)
{
    struct redact_scratch *scratch = work->scratch;
    gathered_reset(scratch);
    work->is_asking = work->does_json = true;
    enum err code = record_visit(work, record);
    bool is_clean = gathered_is_clean(scratch);
    if (code == ERR_OK && (buf_failed(&scratch->gather) || buf_failed(&scratch->gather_ids)))
        code = ERR_LIMIT;
    if (code != ERR_OK || is_clean)
        return code;
    work->is_asking = work->does_json = false;
    return record_visit(work, record);
}

/* By policy: a hash, nothing (STR_NONE), or as it is. */
static enum err identity_text(struct work *work, enum field field, str *text)
{
    if (work->policy->identity == REDACT_HASH && work->scratch->mac)
        return identity_hash(work, str_from_c(field_table[field].name), text);
    if (work->policy->identity != REDACT_KEEP)
        *text = STR_NONE;
    return ERR_OK;
}

static enum err identity_apply(struct work *work, struct span *span, enum field field)
{
    str *text = span_field(span, field);
    if (!span_knows(span, field) || text->len == 0)
        return ERR_OK;
    enum err code = identity_text(work, field, text);
    if (str_is_none(*text))
        span_forget(span, field);
    return code;
}

static enum err redactions_set(struct work *work, struct span *span)
{
    const struct redactor *redactor = work->scratch->redactor;
    struct buf *out = &work->scratch->gather;
    buf_reset(out);
    for (size_t i = 0; i < redactor->kind_count; i++) {
        if (work->scratch->counts[i] == 0)
            continue;
        buf_add_char(out, out->len == 0 ? '{' : ',');
        buf_add_json_str(out, str_from_c(redactor->kind_names[i]));
        buf_add_char(out, ':');
        buf_add_u64(out, work->scratch->counts[i]);
    }
    if (out->len == 0)
        return ERR_OK;
    buf_add_char(out, '}');
    str json = arena_str(work->arena, buf_str(out));
    if (str_is_none(json))
        return ERR_LIMIT;
    SPAN_SET(span, redactions, json);
    return ERR_OK;
}

static enum err json_fields_redact(struct work *work, struct span *span)
{
    static const enum field fields[] = { FIELD_parameters, FIELD_sender_usage, FIELD_events };
    enum err code = ERR_OK;
    work->does_json = true;
    for (size_t i = 0; code == ERR_OK && i < COUNT_OF(fields); i++)
        if (span_knows(span, fields[i]))
            code = field_visit(work, span, fields[i]);
    return code;
}

/* `is_clean`: all but JSON was asked about already, and nothing was found. */
static enum err span_redact(struct work *work, struct span *span, bool is_clean)
{
    struct redact_scratch *scratch = work->scratch;
    if (scratch->replaced_count > 0)
        memset(scratch->counts, 0, scratch->redactor->kind_count * sizeof *scratch->counts);
    scratch->replaced_count = 0;
    enum err code = is_clean ? json_fields_redact(work, span)
                             : record_redact(work, &(struct record){ .span = span });
    for (uint32_t i = 0; code == ERR_OK && i < span->part_count; i++)
        code = part_redact(scratch, work->policy, work->arena, span->parts[i].json,
                           &span->parts[i].json);
    if (code == ERR_OK && scratch->replaced_count > 0)
        code = redactions_set(work, span);
    if (code == ERR_OK && span->part_count > 0)
        code = preview_add(scratch, work->policy, work->arena, span);
    return code;
}

static enum err log_redact(struct work *work, struct log_record *log, bool is_clean)
{
    enum err code = is_clean ? ERR_OK : record_redact(work, &(struct record){ .log = log });
    if (code == ERR_OK && log->body_json.len > 0)
        code =
            part_redact(work->scratch, work->policy, work->arena, log->body_json, &log->body_json);
    return code;
}

/* One huge request must not keep its memory for ever. */
static void buffers_trim(struct redact_scratch *scratch)
{
    struct buf *const buffers[] = { &scratch->gather, &scratch->gather_ids, &scratch->flat,
                                    &scratch->joined, &scratch->out[0],     &scratch->out[1] };
    for (size_t i = 0; i < COUNT_OF(buffers); i++)
        if (buffers[i]->capacity > KEPT_BUFFER_BYTES_MAX)
            buf_clear(buffers[i]);
    arena_reset(&scratch->temporary);
}

/* The i-th of all records: spans, logs, metrics, scores. */
static struct record record_at(const struct batch *batch, uint64_t i)
{
    if (i < batch->span_count)
        return (struct record){ .span = &batch->spans[i] };
    i -= batch->span_count;
    if (i < batch->log_count)
        return (struct record){ .log = &batch->logs[i] };
    i -= batch->log_count;
    if (i < batch->metric_count)
        return (struct record){ .metric = &batch->metrics[i] };
    return (struct record){ .score = &batch->scores[i - batch->metric_count] };
}

/* Ask about all records at once; JSON fields are left for later. */
static bool batch_is_clean(struct work *work, const struct batch *batch)
{
    struct redact_scratch *scratch = work->scratch;
    uint64_t count =
        (uint64_t)batch->span_count + batch->log_count + batch->metric_count + batch->score_count;
    struct seen seen[SEEN_SLOTS];
    bool is_clean = true;
    memset(seen, 0, sizeof seen);
    gathered_reset(scratch);
    work->is_asking = true;
    work->does_json = false;
    work->seen = seen;
    for (uint64_t i = 0; is_clean && i < count; i++) {
        struct record record = record_at(batch, i);
        enum err code = record_visit(work, &record);
        assert(code == ERR_OK); /* it only gathers */
        if (scratch->gather.len + scratch->gather_ids.len >= GATHER_BYTES)
            is_clean = gathered_is_clean(scratch);
    }
    work->seen = NULL;
    return is_clean && gathered_is_clean(scratch);
}

/* Of who gave it; events name a user as spans do. */
static enum err score_identity_apply(struct work *work, struct score *score)
{
    static const str users[] = { STR("user_id"), STR("user.id"), STR("enduser.id") };
    enum err code = ERR_OK;
    if (!str_is_none(score->session_id))
        code = identity_text(work, FIELD_session_id, &score->session_id);
    for (uint32_t i = 0; code == ERR_OK && i < score->attr_count; i++) {
        struct value *value = &score->attrs[i].value;
        bool is_user = false;
        for (size_t k = 0; k < COUNT_OF(users); k++)
            is_user |= str_equal(score->attrs[i].key, users[k]);
        if (!is_user || value->type != VALUE_STR || work->policy->identity == REDACT_KEEP)
            continue;
        code = identity_text(work, FIELD_user_id, &value->text);
        if (str_is_none(value->text))
            value->type = VALUE_NULL;
    }
    return code;
}

static enum err identities_apply(struct work *work, const struct batch *batch)
{
    enum err code = ERR_OK;
    for (uint32_t i = 0; code == ERR_OK && i < batch->span_count; i++) {
        code = identity_apply(work, &batch->spans[i], FIELD_user_id);
        if (code == ERR_OK)
            code = identity_apply(work, &batch->spans[i], FIELD_session_id);
    }
    for (uint32_t i = 0; code == ERR_OK && i < batch->score_count; i++)
        code = score_identity_apply(work, &batch->scores[i]);
    return code;
}

enum err redact_batch(const struct redactor *redactor, struct redact_scratch *scratch,
                      const struct redact_policy *policy, struct arena *arena, struct batch *batch,
                      struct diag *reterr_why)
{
    assert(scratch->redactor == redactor);
    struct work work = {
        .scratch = scratch, .policy = policy, .secrets_only = *policy, .arena = arena
    };
    work.secrets_only.pii = REDACT_KEEP;
    enum err code = identities_apply(&work, batch);
    bool is_clean = code == ERR_OK && batch_is_clean(&work, batch);
    for (uint32_t i = 0; code == ERR_OK && i < batch->span_count; i++)
        code = span_redact(&work, &batch->spans[i], is_clean);
    for (uint32_t i = 0; code == ERR_OK && i < batch->log_count; i++)
        code = log_redact(&work, &batch->logs[i], is_clean);
    for (uint32_t i = 0; code == ERR_OK && !is_clean && i < batch->metric_count; i++)
        code = record_redact(&work, &(struct record){ .metric = &batch->metrics[i] });
    for (uint32_t i = 0; code == ERR_OK && !is_clean && i < batch->score_count; i++)
        code = record_redact(&work, &(struct record){ .score = &batch->scores[i] });
    buffers_trim(scratch);
    if (code != ERR_OK)
        return diag_set(reterr_why, code, "no room to redact the batch");
    return ERR_OK;
}
