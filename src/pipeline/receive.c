/* receive.c -- the only file that knows the order of the write path.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pipeline/receive.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/text.h"
#include "norm/norm.h"
#include "pipeline/cut.h"
#include "sys/clock.h"
#include <stdatomic.h>

enum { PROJECT_MACS_MAX = 64, RECORD_BYTES_MAX = 64 * 1024 * 1024 - 4096, SPARE_RECORDS = 8 };
#define SPARE_BYTES_MAX (1 * MIB)

struct project_mac {
    char *project;
    struct crypt_mac *mac;
};

/* Counters are written by one worker and read by others: relaxed atomics. */
struct counters {
    _Atomic uint64_t requests, bytes, spans_in, logs_in, metrics_in, rejected, spans_out, logs_out,
        metrics_out, scores_in, scores_out, redactions, failed_requests, retagged_spans;
};

/* Memory of a record that is durable, for one to come: fresh pages cost as much as encoding.
 * This stands at its start. */
struct spare {
    size_t capacity;
};

struct receiver {
    struct receive_config config;
    _Atomic(struct spare *) spares[SPARE_RECORDS]; /* given by the log's thread */
    struct arena arena;
    struct redact_scratch *scratch;
    struct unmapped *unmapped;
    struct crypt_gcm *gcm;
    struct project_mac macs[PROJECT_MACS_MAX];
    size_t mac_count;
    struct crypt_mac *current_mac;
    struct counters counters;
};

struct receiver *receiver_new(const struct receive_config *config)
{
    struct receiver *receiver = xcalloc(1, sizeof *receiver);
    receiver->config = *config;
    receiver->config.prices = price_table_ref(config->prices);
    arena_init(&receiver->arena, config->arena_bytes_max);
    receiver->scratch = redact_scratch_new(config->redactor);
    receiver->unmapped = unmapped_new();
    receiver->gcm = crypt_gcm_new();
    return receiver;
}

void receiver_free(struct receiver *receiver)
{
    if (!receiver)
        return;
    for (size_t i = 0; i < receiver->mac_count; i++) {
        xfree(receiver->macs[i].project);
        crypt_mac_free(receiver->macs[i].mac);
    }
    for (size_t i = 0; i < SPARE_RECORDS; i++)
        xfree(receiver->spares[i]);
    redact_scratch_free(receiver->scratch);
    unmapped_free(receiver->unmapped);
    crypt_gcm_free(receiver->gcm);
    price_table_unref(receiver->config.prices);
    arena_clear(&receiver->arena);
    xfree(receiver);
}

static void count(_Atomic uint64_t *counter, uint64_t amount)
{
    atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
}

/* The project's keyed hash, made on first use. */
static enum err use_project(struct receiver *receiver, str project, struct diag *why)
{
    for (size_t i = 0; i < receiver->mac_count; i++) {
        if (!str_equal_c(project, receiver->macs[i].project))
            continue;
        receiver->current_mac = receiver->macs[i].mac;
        return ERR_OK;
    }
    struct crypt_key key;
    enum err err = keystore_hash_key(receiver->config.keystore, project, &key, why);
    if (err)
        return err;
    size_t slot = receiver->mac_count % PROJECT_MACS_MAX;
    if (receiver->mac_count == PROJECT_MACS_MAX) { /* many projects: start over */
        for (size_t i = 0; i < PROJECT_MACS_MAX; i++) {
            xfree(receiver->macs[i].project);
            crypt_mac_free(receiver->macs[i].mac);
        }
        receiver->mac_count = 0;
    }
    receiver->macs[slot] = (struct project_mac){ xstrdup_str(project), crypt_mac_new(&key) };
    receiver->mac_count++;
    crypt_wipe(&key, sizeof key);
    receiver->current_mac = receiver->macs[slot].mac;
    return ERR_OK;
}

static str content_hash(void *arg, struct arena *arena, str bytes)
{
    struct receiver *receiver = arg;
    uint8_t hash[CRYPT_SHA256_BYTES];
    static const char prefix[] = "hmac-sha256:";
    crypt_mac_once(receiver->current_mac, bytes.ptr, bytes.len, hash);
    char *text = arena_alloc(arena, sizeof prefix + 2 * sizeof hash);
    if (!text)
        return STR_NONE;
    memcpy(text, prefix, sizeof prefix - 1);
    hex_encode(hash, sizeof hash, text + sizeof prefix - 1);
    return str_make(text, sizeof prefix - 1 + 2 * sizeof hash);
}

/* What is over the sender's limits goes, and counts; what it sent counts against its rate. */
static enum err keep_limits(struct receiver *receiver, const struct receive_input *input,
                            struct raw_batch *raw, struct diag *why)
{
    struct policy *policy = receiver->config.tenants;
    const struct policy_limits *sender = input->sender;
    if (!policy || !sender)
        return ERR_OK;
    const struct policy_values *values = &sender->values;
    if (values->items_per_s || values->bytes_per_s)
        policy_charge(policy, sender,
                      (uint64_t)raw->span_count + raw->log_count + raw->metric_count +
                          raw->score_count + raw->rejected_count,
                      input->body.bytes.len, clock_monotonic_ns());
    policy_count(policy, sender->rule, POLICY_CUT_ATTRS, raw->cut_attr_count);
    bool is_small = (uint64_t)values->attr_value_cut_bytes >= input->body.bytes.len;
    if (is_small && (uint64_t)values->attrs_max >= receiver->config.limits.attrs_max)
        return ERR_OK; /* nothing can be over them */
    struct cut_limits limits = { .value_bytes_max = (size_t)values->attr_value_cut_bytes,
                                 .attrs_max = (uint32_t)values->attrs_max };
    struct cut_counts counts;
    enum err err = cut_batch(&receiver->arena, &limits, raw, &counts);
    policy_count(policy, sender->rule, POLICY_CUT_VALUE, counts.values);
    policy_count(policy, sender->rule, POLICY_CUT_ATTRS, counts.attrs);
    return err ? diag_set(why, err, "the request needs more than %zu bytes of memory",
                          receiver->config.arena_bytes_max)
               : ERR_OK;
}

/* A name that is kept for people to see; STR_NONE when there is no memory for it. */
static str clean_name(void *arg, struct arena *arena, str name)
{
    struct receiver *receiver = arg;
    str clean;
    uint32_t replaced;
    enum err err = redact_text(receiver->config.redactor, receiver->scratch,
                               &receiver->config.policy, arena, name, &clean, &replaced);
    return err ? STR_NONE : clean;
}

/* A key bound to a tenant writes as that tenant, whatever was sent (DECISIONS 11). */
static void bind_tenant(struct receiver *receiver, str tenant, struct batch *batch)
{
    if (str_is_none(tenant))
        return;
    uint64_t changed = 0;
    for (uint32_t i = 0; i < batch->span_count; i++) {
        struct span *span = &batch->spans[i];
        changed += SPAN_KNOWS(span, tenant_id) && !str_equal(span->tenant_id, tenant);
        SPAN_SET(span, tenant_id, tenant);
    }
    for (uint32_t i = 0; i < batch->score_count; i++)
        batch->scores[i].tenant_id = tenant;
    count(&receiver->counters.retagged_spans, changed);
}

static enum err understand(struct receiver *receiver, const struct receive_input *input,
                           const struct raw_batch *raw, struct batch *ret_batch, struct diag *why)
{
    struct norm_config norm = {
        .project = input->project,
        .received_ns = clock_now_ns(),
        .attr_value_bytes_max = receiver->config.attr_value_bytes_max,
        .text_field_bytes_max = receiver->config.attr_value_bytes_max,
        .content_hash = content_hash,
        .content_hash_arg = receiver,
        .pins = receiver->config.pins
                    ? atomic_load_explicit(&receiver->config.pins->current, memory_order_acquire)
                    : NULL,
        .tenant = input->tenant,
        .unmapped = receiver->unmapped,
        .clean_name = clean_name,
        .clean_name_arg = receiver,
    };
    enum err err = norm_batch(&receiver->arena, &norm, raw, ret_batch, why);
    if (err)
        return err;
    bind_tenant(receiver, input->tenant, ret_batch);
    for (uint32_t i = 0; i < ret_batch->span_count && !err; i++)
        err = price_span(receiver->config.prices, &receiver->arena, &ret_batch->spans[i]);
    if (err)
        return diag_set(why, err, "the request needs more than %zu bytes of memory",
                        receiver->config.arena_bytes_max);
    uint64_t sender = hash_bytes_seeded(input->tenant.ptr, input->tenant.len,
                                        hash_str(input->project) + (uint64_t)input->body.signal);
    if (input->body.head) /* a path may name what is changed: the same change of two is no retry */
        sender = hash_bytes_seeded(input->body.head->path.ptr, input->body.head->path.len, sender);
    if (raw->may_repeat)
        sender = hash_bytes_seeded(&norm.received_ns, sizeof norm.received_ns, sender);
    ret_batch->body_hash = hash_bytes_seeded(input->body.bytes.ptr, input->body.bytes.len, sender);
    return redact_batch(receiver->config.redactor, receiver->scratch, &receiver->config.policy,
                        &receiver->arena, ret_batch, why);
}

/* Sum of the numbers in {"kind":n,...}. */
static uint64_t redaction_count(const struct batch *batch)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < batch->span_count; i++) {
        if (!SPAN_KNOWS(&batch->spans[i], redactions))
            continue;
        str rest = batch->spans[i].redactions, kind;
        while (str_next(&rest, ':', &kind)) {
            size_t digits = 0;
            while (digits < rest.len && rest.ptr[digits] >= '0' && rest.ptr[digits] <= '9')
                digits++;
            uint64_t number = 0;
            if (str_to_u64(str_sub(rest, 0, digits), &number))
                total += number;
        }
    }
    return total;
}

/* in = out + rejected, per kind of item. */
static void count_items(struct counters *counters, enum otlp_signal signal,
                        const struct raw_batch *raw, const struct batch *batch)
{
    const uint64_t rejected = raw->rejected_count - raw->rejected_scores;
    count(&counters->spans_in, raw->span_count + (signal == OTLP_TRACES ? rejected : 0));
    count(&counters->logs_in, raw->log_count + (signal == OTLP_LOGS ? rejected : 0));
    count(&counters->metrics_in, raw->metric_count + (signal == OTLP_METRICS ? rejected : 0));
    count(&counters->scores_in, raw->score_count + raw->rejected_scores);
    count(&counters->rejected, raw->rejected_count);
    count(&counters->spans_out, batch->span_count);
    count(&counters->logs_out, batch->log_count);
    count(&counters->metrics_out, batch->metric_count);
    count(&counters->scores_out, batch->score_count);
    count(&counters->redactions, redaction_count(batch));
}

static void record_take(struct receiver *receiver, size_t capacity, struct buf *ret_record)
{
    buf_init(ret_record, RECORD_BYTES_MAX);
    for (size_t i = 0; i < SPARE_RECORDS && !ret_record->ptr; i++) {
        struct spare *spare = atomic_exchange(&receiver->spares[i], NULL);
        ret_record->ptr = (char *)spare;
        ret_record->capacity = spare ? spare->capacity : 0;
    }
    (void)buf_reserve(ret_record, MIN(capacity, (size_t)RECORD_BYTES_MAX));
}

static void record_give(struct receiver *receiver, char *bytes, size_t capacity)
{
    struct spare *spare = (struct spare *)(void *)bytes;
    bool is_kept = false;
    if (capacity >= sizeof *spare && capacity <= SPARE_BYTES_MAX) {
        spare->capacity = capacity;
        for (size_t i = 0; i < SPARE_RECORDS && !is_kept; i++) {
            struct spare *none = NULL;
            is_kept = atomic_compare_exchange_strong(&receiver->spares[i], &none, spare);
        }
    }
    if (!is_kept)
        xfree(bytes);
}

/* The log's thread runs this in the order of the log. */
static void entry_done(struct wal_entry *entry)
{
    struct receive_ticket *ticket = entry->arg;
    struct digests *digests = ticket->receiver->config.digests;
    struct digest *digest = ticket->digest;
    ticket->digest = NULL;
    if (digest && !entry->result) {
        digest->sequence = entry->sequence;
        digest->position = entry->position;
        digest_send(digests, digest);
    } else {
        digest_drop(digests, digest);
    }
    record_give(ticket->receiver, entry->bytes, entry->capacity);
    entry->bytes = NULL;
    ticket->done(ticket);
}

/* `bytes_expected`: of the record, a guess that saves growing step by step. */
static enum err submit(struct receiver *receiver, const struct batch *batch, size_t bytes_expected,
                       struct receive_ticket *ticket, struct diag *why)
{
    struct buf record;
    record_take(receiver, bytes_expected, &record);
    batch_encode(&record, batch);
    (void)buf_reserve(&record, CRYPT_TAG_BYTES); /* the log encrypts in place */
    if (buf_failed(&record)) {
        buf_clear(&record);
        return diag_set(why, ERR_TOO_LARGE, "the request is larger than %d bytes once decoded",
                        RECORD_BYTES_MAX);
    }
    size_t len, capacity = record.capacity;
    char *bytes = buf_take(&record, &len);
    ticket->receiver = receiver;
    ticket->digest = digest_make(receiver->config.digests, batch);
    ticket->entry = (struct wal_entry){
        .bytes = bytes, .len = len, .capacity = capacity, .done = entry_done, .arg = ticket
    };
    enum err err = wal_submit(receiver->config.wal, receiver->gcm, &ticket->entry);
    if (!err)
        return ERR_OK;
    digest_drop(receiver->config.digests, ticket->digest);
    record_give(receiver, bytes, capacity);
    diag_set(why, err, "%s", err_text(err));
    if (err == ERR_BUSY)
        diag_hint(why, "the log is catching up; senders keep the data and retry");
    if (err == ERR_DISK_FULL)
        diag_hint(why,
                  "free space on the disk of the data directory; nothing acknowledged is lost");
    return err;
}

/* The answer waits for the log, the arena does not. */
static void keep_reply(struct receive_ticket *ticket, const struct raw_batch *raw)
{
    ticket->reply_status = raw->reply_status;
    if (str_is_empty(raw->reply))
        return;
    ticket->reply = xmalloc(raw->reply.len);
    memcpy(ticket->reply, raw->reply.ptr, raw->reply.len);
    ticket->reply_len = raw->reply.len;
}

enum err receive_take(struct receiver *receiver, const struct receive_input *input,
                      struct receive_ticket *ticket, bool *ret_in_flight, struct diag *reterr_why)
{
    arena_reset(&receiver->arena);
    *ret_in_flight = false;
    ticket->rejected_count = 0;
    struct raw_batch raw = { 0 };
    struct batch batch = { 0 };
    struct intake_body body = input->body;
    body.limits = &receiver->config.limits;
    enum err err = input->source->decode(&receiver->arena, &body, &raw, reterr_why);
    if (!err)
        err = keep_limits(receiver, input, &raw, reterr_why);
    if (!err)
        err = use_project(receiver, input->project, reterr_why);
    if (!err)
        err = understand(receiver, input, &raw, &batch, reterr_why);
    uint64_t items =
        (uint64_t)batch.span_count + batch.log_count + batch.metric_count + batch.score_count;
    if (!err) {
        ticket->rejected_count = raw.rejected_count;
        memcpy(ticket->rejected_why, raw.rejected_why, sizeof ticket->rejected_why);
        keep_reply(ticket, &raw);
        if (items)
            err = submit(receiver, &batch, body.bytes.len + body.bytes.len / 2, ticket, reterr_why);
        if (!err) {
            *ret_in_flight = items > 0;
            count_items(&receiver->counters, body.signal, &raw, &batch);
        }
    }
    count(&receiver->counters.requests, 1);
    count(&receiver->counters.bytes, body.bytes.len);
    if (err)
        count(&receiver->counters.failed_requests, 1);
    return err;
}

void receive_stats(const struct receiver *receiver, struct receive_stats *ret_stats)
{
    const struct counters *from = &receiver->counters;
    *ret_stats = (struct receive_stats){
        .requests = from->requests,
        .bytes = from->bytes,
        .spans_in = from->spans_in,
        .logs_in = from->logs_in,
        .metrics_in = from->metrics_in,
        .rejected = from->rejected,
        .spans_out = from->spans_out,
        .logs_out = from->logs_out,
        .metrics_out = from->metrics_out,
        .scores_in = from->scores_in,
        .scores_out = from->scores_out,
        .redactions = from->redactions,
        .failed_requests = from->failed_requests,
        .retagged_spans = from->retagged_spans,
        .unmapped_attrs = unmapped_total(receiver->unmapped),
    };
}

const struct unmapped *receiver_unmapped(const struct receiver *receiver)
{
    return receiver->unmapped;
}
