/* batch_write.c -- writes the binary form of a batch; batch.c says what it is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/hash.h"
#include "model/batch_int.h"
#include <stdatomic.h>

/* Computed once; every thread computes the same value, so a race is harmless. */
uint64_t batch_table_hash(void)
{
    static _Atomic uint64_t cached;
    uint64_t hash = atomic_load_explicit(&cached, memory_order_relaxed);
    if (hash)
        return hash;
    hash = FIELD_COUNT;
    for (unsigned i = 0; i < FIELD_COUNT; i++)
        hash = hash_bytes_seeded(field_table[i].name, strlen(field_table[i].name),
                                 hash + (uint64_t)field_table[i].type);
    atomic_store_explicit(&cached, hash, memory_order_relaxed);
    return hash;
}

/* The end of a buffer, held in registers: a span is some sixty small pieces.  What was written
 * counts for the buffer from writer_close() on. */
struct writer {
    char *at;
    const char *end;
    struct buf *buf;
};

static struct writer writer_open(struct buf *buf)
{
    char *at = buf_reserve(buf, 1);
    return (struct writer){ .at = at, .end = at ? buf->ptr + buf->capacity : at, .buf = buf };
}

static void writer_close(struct writer *out)
{
    if (out->at)
        out->buf->len = (size_t)(out->at - out->buf->ptr);
}

/* False past the buffer's maximum, and from then on. */
static __attribute__((noinline)) bool writer_grow(struct writer *out, size_t bytes)
{
    writer_close(out);
    out->at = out->at ? buf_reserve(out->buf, bytes) : NULL;
    out->end = out->at ? out->buf->ptr + out->buf->capacity : NULL;
    return out->at;
}

static inline bool writer_has(struct writer *out, size_t bytes)
{
    return bytes <= (size_t)(out->end - out->at) || writer_grow(out, bytes);
}

/* memcpy of at least one byte, without a call for the short texts that most are. */
static inline void bytes_copy(char *to, const char *from, size_t len)
{
    if (len > 32) {
        memcpy(to, from, len);
    } else if (len >= 16) {
        memcpy(to, from, 16);
        memcpy(to + len - 16, from + len - 16, 16);
    } else if (len >= 8) {
        memcpy(to, from, 8);
        memcpy(to + len - 8, from + len - 8, 8);
    } else if (len >= 4) {
        memcpy(to, from, 4);
        memcpy(to + len - 4, from + len - 4, 4);
    } else {
        to[0] = from[0];
        to[len / 2] = from[len / 2];
        to[len - 1] = from[len - 1];
    }
}

static inline void put_bytes(struct writer *out, const void *bytes, size_t len)
{
    if (len == 0 || !writer_has(out, len))
        return;
    bytes_copy(out->at, bytes, len);
    out->at += len;
}

static inline void put_char(struct writer *out, char c)
{
    if (writer_has(out, 1))
        *out->at++ = c;
}

static inline char *varint_write(char *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *at++ = (char)(value | 0x80);
    *at++ = (char)value;
    return at;
}

/* Near the end of what is reserved: not a byte more than it takes is asked for. */
static __attribute__((noinline)) void put_u64_exactly(struct writer *out, uint64_t value)
{
    char bytes[VARINT_BYTES_MAX];
    size_t len = (size_t)(varint_write(bytes, value) - bytes);
    if (!writer_has(out, len))
        return;
    assert(out->at);
    memcpy(out->at, bytes, len);
    out->at += len;
}

static inline void put_u64(struct writer *out, uint64_t value)
{
    if ((size_t)(out->end - out->at) >= VARINT_BYTES_MAX)
        out->at = varint_write(out->at, value);
    else
        put_u64_exactly(out, value);
}

static inline void put_i64(struct writer *out, int64_t value)
{
    put_u64(out, ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0));
}

static inline void put_str(struct writer *out, str s)
{
    put_u64(out, s.len);
    put_bytes(out, s.ptr, s.len);
}

static void put_value(struct writer *out, const struct value *value, int depth)
{
    bool too_deep = depth > VALUE_DEPTH_MAX;
    put_char(out, (char)(too_deep ? VALUE_NULL : value->type));
    if (too_deep)
        return;
    switch (value->type) {
    case VALUE_NULL:
        break;
    case VALUE_STR:
    case VALUE_BYTES:
        put_str(out, value->text);
        break;
    case VALUE_BOOL:
        put_char(out, (char)value->boolean);
        break;
    case VALUE_I64:
        put_i64(out, value->i64);
        break;
    case VALUE_F64:
        put_bytes(out, &value->f64, sizeof value->f64);
        break;
    case VALUE_ARRAY:
        put_u64(out, value->count);
        for (uint32_t i = 0; i < value->count; i++)
            put_value(out, &value->items[i], depth + 1);
        break;
    case VALUE_MAP:
        put_u64(out, value->count);
        for (uint32_t i = 0; i < value->count; i++) {
            put_str(out, value->attrs[i].key);
            put_value(out, &value->attrs[i].value, depth + 1);
        }
        break;
    }
}

static void put_attrs(struct writer *out, const struct attr *attrs, uint32_t count)
{
    put_u64(out, count);
    for (uint32_t i = 0; i < count; i++) {
        put_str(out, attrs[i].key);
        put_value(out, &attrs[i].value, 0);
    }
}

static void put_field(struct writer *out, const struct span *span, enum field field)
{
    const void *at = span_field_const(span, field);
    switch (field_table[field].type) {
    case FIELD_TYPE_ID16:
        put_bytes(out, at, 16);
        break;
    case FIELD_TYPE_ID8:
        put_bytes(out, at, 8);
        break;
    case FIELD_TYPE_STR:
    case FIELD_TYPE_JSON:
        put_str(out, *(const str *)at);
        break;
    case FIELD_TYPE_I64:
    case FIELD_TYPE_TIME:
    case FIELD_TYPE_NS:
    case FIELD_TYPE_NANO:
        put_i64(out, *(const int64_t *)at);
        break;
    case FIELD_TYPE_F64:
        put_bytes(out, at, 8);
        break;
    case FIELD_TYPE_BOOL:
        put_char(out, (char)*(const bool *)at);
        break;
    case FIELD_TYPE_STRS:
        put_u64(out, ((const struct strs *)at)->count);
        for (uint32_t i = 0; i < ((const struct strs *)at)->count; i++)
            put_str(out, ((const struct strs *)at)->items[i]);
        break;
    case FIELD_TYPE_F64S:
        put_u64(out, ((const struct f64s *)at)->count);
        put_bytes(out, ((const struct f64s *)at)->items,
                  (size_t)8 * ((const struct f64s *)at)->count);
        break;
    }
}

static void put_span(struct writer *out, const struct span *span)
{
    put_bytes(out, span->known, sizeof span->known);
    for (unsigned word = 0; word < KNOWN_WORDS; word++)
        for (uint64_t bits = span->known[word]; bits; bits &= bits - 1)
            put_field(out, span, (enum field)(word * 64 + (unsigned)__builtin_ctzll(bits)));
    put_attrs(out, span->attrs, span->attr_count);
    put_u64(out, span->dropped_attr_count);
    put_u64(out, span->link_count);
    for (uint32_t i = 0; i < span->link_count; i++) {
        put_bytes(out, &span->links[i].trace_id, 16);
        put_bytes(out, &span->links[i].span_id, 8);
        put_attrs(out, span->links[i].attrs, span->links[i].attr_count);
    }
    put_u64(out, span->part_count);
    for (uint32_t i = 0; i < span->part_count; i++) {
        put_char(out, (char)span->parts[i].role);
        put_str(out, span->parts[i].json);
    }
    put_char(out, (char)(span->is_addition + (span->is_addition && !span_is_open(span))));
}

static void put_log(struct writer *out, const struct log_record *log)
{
    put_bytes(out, &log->log_id, 8);
    put_bytes(out, &log->trace_id, 16);
    put_bytes(out, &log->span_id, 8);
    put_i64(out, log->time_ns);
    put_i64(out, log->severity);
    put_str(out, log->severity_text);
    put_str(out, log->event_name);
    put_str(out, log->service);
    put_str(out, log->body_json);
    put_attrs(out, log->attrs, log->attr_count);
}

static void put_metric(struct writer *out, const struct metric_point *point)
{
    put_char(out, (char)point->type);
    put_str(out, point->name);
    put_str(out, point->unit);
    put_str(out, point->service);
    put_i64(out, point->start_ns);
    put_i64(out, point->time_ns);
    put_char(out, (char)point->is_monotonic);
    put_i64(out, point->temporality);
    put_char(out, (char)point->has_value);
    put_bytes(out, &point->value, 8);
    put_u64(out, point->count);
    put_str(out, point->buckets_json);
    put_attrs(out, point->attrs, point->attr_count);
}

/* Absent texts are told from empty ones by what is known. */
static void put_score(struct writer *out, const struct score *score)
{
    struct score copy = *score;
    str *texts[SCORE_TEXTS];
    score_texts(&copy, texts);
    uint64_t known = (uint64_t)score->has_trace_id | (uint64_t)score->has_span_id << 1 |
                     (uint64_t)score->has_value << 2;
    for (size_t i = 0; i < SCORE_TEXTS; i++)
        known |= (uint64_t)!str_is_none(*texts[i]) << (i + 3);
    put_bytes(out, &score->score_id, 16);
    put_bytes(out, &score->trace_id, 16);
    put_bytes(out, &score->span_id, 8);
    put_u64(out, known);
    put_char(out, (char)score->type);
    put_char(out, (char)score->source);
    put_bytes(out, &score->value, 8);
    put_i64(out, score->time_ns);
    put_str(out, score->name);
    for (size_t i = 0; i < SCORE_TEXTS; i++)
        if (!str_is_none(*texts[i]))
            put_str(out, *texts[i]);
    put_attrs(out, score->attrs, score->attr_count);
}

static void put_u32_fixed(struct writer *out, uint32_t value)
{
    put_bytes(out, &value, sizeof value);
}

void batch_encode(struct buf *out, const struct batch *batch)
{
    uint64_t hash = batch_table_hash();
    size_t start = out->len;
    struct writer to = writer_open(out);
    put_u32_fixed(&to, BATCH_MAGIC);
    put_bytes(&to, &hash, sizeof hash);
    put_bytes(&to, &batch->received_ns, 8);
    put_bytes(&to, &batch->body_hash, 8);
    put_u32_fixed(&to, batch->span_count);
    put_u32_fixed(&to, batch->log_count);
    put_u32_fixed(&to, batch->metric_count);
    put_u32_fixed(&to, batch->score_count);
    put_str(&to, batch->project);
    size_t table = to.at ? (size_t)(to.at - out->ptr) : 0;
    for (uint32_t i = 0; i <= batch->span_count; i++)
        put_u32_fixed(&to, 0); /* offsets from `start`, one more than spans: the end */
    for (uint32_t i = 0; i <= batch->span_count && to.at; i++) {
        uint32_t offset = (uint32_t)((size_t)(to.at - out->ptr) - start);
        memcpy(out->ptr + table + 4 * (size_t)i, &offset, 4);
        if (i < batch->span_count)
            put_span(&to, &batch->spans[i]);
    }
    for (uint32_t i = 0; i < batch->log_count; i++)
        put_log(&to, &batch->logs[i]);
    for (uint32_t i = 0; i < batch->metric_count; i++)
        put_metric(&to, &batch->metrics[i]);
    for (uint32_t i = 0; i < batch->score_count; i++)
        put_score(&to, &batch->scores[i]);
    writer_close(&to);
}
