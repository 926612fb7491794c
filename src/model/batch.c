/* batch.c -- reads the binary form of a batch, as it stands in the log.
 *
 * Little-endian.  Numbers are varints (signed ones zigzag), texts a varint length
 * and bytes.  A table of span offsets lets one span be decoded alone: drain
 * needs that when a trace settles.  A span is its known-bits, then the known
 * fields in the order of fields.def, so the format follows the table; the hash
 * of the table stands in the header, and a log written by another table is
 * refused rather than misread (the log lives for minutes; an upgrade drains it
 * first).  docs/formats/batch.md has it to the byte.
 *
 * batch_write.c writes it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/batch_int.h"

enum {
    WHOLE_BYTES_MAX = 1024, /* a span so short is copied faster than its content is found */
};

/* ---- reading: a cursor with a sticky error ---- */

struct cursor {
    const char *at;
    const char *end;
    struct arena *arena;
    bool failed;
};

static const char *get_bytes(struct cursor *in, size_t len)
{
    if (in->failed || len > (size_t)(in->end - in->at)) {
        in->failed = true;
        return NULL;
    }
    const char *bytes = in->at;
    in->at += len;
    return bytes;
}

static void get_fixed(struct cursor *in, void *ret, size_t len)
{
    const char *bytes = get_bytes(in, len);
    if (bytes)
        memcpy(ret, bytes, len);
    else
        memset(ret, 0, len);
}

static uint8_t get_byte(struct cursor *in)
{
    uint8_t byte;
    get_fixed(in, &byte, 1);
    return byte;
}

static uint64_t get_u64(struct cursor *in)
{
    if (!in->failed && in->at < in->end && !(*in->at & 0x80)) /* most of them */
        return (uint64_t)(unsigned char)*in->at++;
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = get_byte(in);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
    in->failed = true;
    return 0;
}

static int64_t get_i64(struct cursor *in)
{
    uint64_t value = get_u64(in);
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/* A count of things of at least `item_bytes` each: cannot exceed what is left. */
static uint32_t get_count(struct cursor *in, size_t item_bytes)
{
    uint64_t count = get_u64(in);
    if (count > (size_t)(in->end - in->at) / item_bytes || count > UINT32_MAX) {
        in->failed = true;
        return 0;
    }
    return (uint32_t)count;
}

static str get_str(struct cursor *in)
{
    uint64_t len = get_u64(in);
    const char *bytes = len <= (size_t)(in->end - in->at) ? get_bytes(in, (size_t)len) : NULL;
    if (!bytes)
        in->failed = true;
    return bytes ? str_make(bytes, (size_t)len) : STR_OF("");
}

static void *get_array(struct cursor *in, uint32_t count, size_t size)
{
    void *items = arena_calloc(in->arena, count, size);
    if (!items)
        in->failed = true;
    return items;
}

static struct attr *get_attrs(struct cursor *in, uint32_t *ret_count, int depth);

static void get_value(struct cursor *in, struct value *ret, int depth)
{
    *ret = (struct value){ 0 };
    uint8_t type = get_byte(in);
    if (type > VALUE_MAP || (depth > VALUE_DEPTH_MAX && type != VALUE_NULL)) {
        in->failed = true;
        return;
    }
    ret->type = (enum value_type)type;
    switch (ret->type) {
    case VALUE_NULL:
        break;
    case VALUE_STR:
    case VALUE_BYTES:
        ret->text = get_str(in);
        break;
    case VALUE_BOOL:
        ret->boolean = get_byte(in) != 0;
        break;
    case VALUE_I64:
        ret->i64 = get_i64(in);
        break;
    case VALUE_F64:
        get_fixed(in, &ret->f64, 8);
        break;
    case VALUE_ARRAY:
        ret->count = get_count(in, 1);
        ret->items = get_array(in, ret->count, sizeof *ret->items);
        for (uint32_t i = 0; i < ret->count && !in->failed; i++)
            get_value(in, &ret->items[i], depth + 1);
        break;
    case VALUE_MAP:
        ret->attrs = get_attrs(in, &ret->count, depth + 1);
        break;
    }
}

static struct attr *get_attrs(struct cursor *in, uint32_t *ret_count, int depth)
{
    *ret_count = get_count(in, 2);
    struct attr *attrs = get_array(in, *ret_count, sizeof *attrs);
    for (uint32_t i = 0; i < *ret_count && !in->failed; i++) {
        attrs[i].key = get_str(in);
        get_value(in, &attrs[i].value, depth);
    }
    return attrs;
}

static void get_strs(struct cursor *in, struct strs *ret)
{
    ret->count = get_count(in, 1);
    str *items = get_array(in, ret->count, sizeof *items);
    for (uint32_t i = 0; i < ret->count && !in->failed; i++)
        items[i] = get_str(in);
    ret->items = items;
}

static void get_f64s(struct cursor *in, struct f64s *ret)
{
    ret->count = get_count(in, 8);
    double *items = get_array(in, ret->count, sizeof *items);
    if (items)
        get_fixed(in, items, 8 * (size_t)ret->count);
    ret->items = items;
}

static void get_field(struct cursor *in, struct span *span, enum field field)
{
    void *at = span_field(span, field);
    switch (field_table[field].type) {
    case FIELD_TYPE_ID16:
        get_fixed(in, at, 16);
        break;
    case FIELD_TYPE_ID8:
    case FIELD_TYPE_F64:
        get_fixed(in, at, 8);
        break;
    case FIELD_TYPE_STR:
    case FIELD_TYPE_JSON:
        *(str *)at = get_str(in);
        break;
    case FIELD_TYPE_I64:
    case FIELD_TYPE_TIME:
    case FIELD_TYPE_NS:
    case FIELD_TYPE_NANO:
        *(int64_t *)at = get_i64(in);
        break;
    case FIELD_TYPE_BOOL:
        *(bool *)at = get_byte(in) != 0;
        break;
    case FIELD_TYPE_STRS:
        get_strs(in, at);
        break;
    case FIELD_TYPE_F64S:
        get_f64s(in, at);
        break;
    }
}

static void get_links(struct cursor *in, struct span *span)
{
    span->link_count = get_count(in, 25);
    span->links = get_array(in, span->link_count, sizeof *span->links);
    for (uint32_t i = 0; i < span->link_count && !in->failed; i++) {
        get_fixed(in, &span->links[i].trace_id, 16);
        get_fixed(in, &span->links[i].span_id, 8);
        span->links[i].attrs = get_attrs(in, &span->links[i].attr_count, 0);
    }
}

static void get_parts(struct cursor *in, struct span *span)
{
    span->part_count = get_count(in, 2);
    if (span->part_count > SPAN_PARTS_MAX) {
        in->failed = true;
        span->part_count = 0;
    }
    for (uint32_t i = 0; i < span->part_count && !in->failed; i++) {
        uint8_t role = get_byte(in);
        in->failed |= role >= CONTENT_ROLE_COUNT;
        span->parts[i] = (struct content_part){ (enum content_role)role, get_str(in) };
    }
}

/* Everything before the parts. */
static void get_lean(struct cursor *in, struct span *span)
{
    memset(span, 0, sizeof *span);
    get_fixed(in, span->known, sizeof span->known);
    if (FIELD_COUNT % 64 && span->known[KNOWN_WORDS - 1] >> (FIELD_COUNT % 64))
        in->failed = true;
    for (unsigned word = 0; word < KNOWN_WORDS && !in->failed; word++)
        for (uint64_t bits = span->known[word]; bits && !in->failed; bits &= bits - 1)
            get_field(in, span, (enum field)(word * 64 + (unsigned)__builtin_ctzll(bits)));
    span->attrs = get_attrs(in, &span->attr_count, 0);
    span->dropped_attr_count = (uint32_t)get_u64(in);
    get_links(in, span);
}

static void get_tail(struct cursor *in, struct span *span)
{
    get_parts(in, span);
    span->is_addition = get_byte(in) != 0;
}

static void get_span(struct cursor *in, struct span *span)
{
    get_lean(in, span);
    get_tail(in, span);
}

/* ---- passing over what get_lean() reads ---- */

static void skip_attrs(struct cursor *in, int depth);

static void skip_value(struct cursor *in, int depth)
{
    struct value scalar;
    if (in->at == in->end || (*in->at != VALUE_ARRAY && *in->at != VALUE_MAP)) {
        get_value(in, &scalar, depth);
        return;
    }
    if (depth > VALUE_DEPTH_MAX) {
        in->failed = true;
        return;
    }
    if (*in->at++ == VALUE_MAP) {
        skip_attrs(in, depth + 1);
        return;
    }
    for (uint32_t count = get_count(in, 1); count && !in->failed; count--)
        skip_value(in, depth + 1);
}

static void skip_attrs(struct cursor *in, int depth)
{
    for (uint32_t count = get_count(in, 2); count && !in->failed; count--) {
        (void)get_str(in);
        skip_value(in, depth);
    }
}

static void skip_field(struct cursor *in, enum field field)
{
    struct span scratch;
    enum field_type type = field_table[field].type;
    if (type == FIELD_TYPE_STRS)
        for (uint32_t count = get_count(in, 1); count && !in->failed; count--)
            (void)get_str(in);
    else if (type == FIELD_TYPE_F64S)
        get_bytes(in, (size_t)8 * get_count(in, 8));
    else
        get_field(in, &scratch, field);
}

/* Bytes of a span before its parts; 0: damaged. */
static size_t lean_len(str span)
{
    struct cursor in = { span.ptr, span.ptr + span.len, NULL, false };
    uint64_t known[KNOWN_WORDS];
    get_fixed(&in, known, sizeof known);
    if (FIELD_COUNT % 64 && known[KNOWN_WORDS - 1] >> (FIELD_COUNT % 64))
        return 0;
    for (unsigned word = 0; word < KNOWN_WORDS && !in.failed; word++)
        for (uint64_t bits = known[word]; bits && !in.failed; bits &= bits - 1)
            skip_field(&in, (enum field)(word * 64 + (unsigned)__builtin_ctzll(bits)));
    skip_attrs(&in, 0);
    (void)get_u64(&in);
    for (uint32_t links = get_count(&in, 25); links && !in.failed; links--) {
        get_bytes(&in, 24);
        skip_attrs(&in, 0);
    }
    return in.failed ? 0 : (size_t)(in.at - span.ptr);
}

static void get_log(struct cursor *in, struct log_record *log)
{
    get_fixed(in, &log->log_id, 8);
    get_fixed(in, &log->trace_id, 16);
    get_fixed(in, &log->span_id, 8);
    log->time_ns = get_i64(in);
    log->severity = (int32_t)get_i64(in);
    log->severity_text = get_str(in);
    log->event_name = get_str(in);
    log->service = get_str(in);
    log->body_json = get_str(in);
    log->attrs = get_attrs(in, &log->attr_count, 0);
}

static void get_metric(struct cursor *in, struct metric_point *point)
{
    uint8_t type = get_byte(in);
    in->failed |= type > METRIC_SUMMARY;
    point->type = (enum metric_type)type;
    point->name = get_str(in);
    point->unit = get_str(in);
    point->service = get_str(in);
    point->start_ns = get_i64(in);
    point->time_ns = get_i64(in);
    point->is_monotonic = get_byte(in) != 0;
    point->temporality = (int32_t)get_i64(in);
    point->has_value = get_byte(in) != 0;
    get_fixed(in, &point->value, 8);
    point->count = get_u64(in);
    point->buckets_json = get_str(in);
    point->attrs = get_attrs(in, &point->attr_count, 0);
}

static void get_score(struct cursor *in, struct score *score)
{
    str *texts[SCORE_TEXTS];
    score_texts(score, texts);
    get_fixed(in, &score->score_id, 16);
    get_fixed(in, &score->trace_id, 16);
    get_fixed(in, &score->span_id, 8);
    uint64_t known = get_u64(in);
    uint8_t type = get_byte(in), source = get_byte(in);
    in->failed |= known >> (SCORE_TEXTS + 3) || type > SCORE_LABEL || source >= SCORE_SOURCE_COUNT;
    score->has_trace_id = known & 1;
    score->has_span_id = known >> 1 & 1;
    score->has_value = known >> 2 & 1;
    score->type = (enum score_type)type;
    score->source = (enum score_source)source;
    get_fixed(in, &score->value, 8);
    score->time_ns = get_i64(in);
    score->name = get_str(in);
    for (size_t i = 0; i < SCORE_TEXTS; i++)
        *texts[i] = known >> (i + 3) & 1 ? get_str(in) : STR_NONE;
    score->attrs = get_attrs(in, &score->attr_count, 0);
}

/* Header, up to and without the offset table. */
static enum err get_header(struct cursor *in, struct batch_header *ret, struct diag *reterr_why)
{
    uint32_t magic;
    uint64_t hash;
    get_fixed(in, &magic, 4);
    get_fixed(in, &hash, 8);
    if (in->failed || magic != BATCH_MAGIC)
        return diag_set(reterr_why, ERR_CORRUPT, "not a batch");
    if (hash != batch_table_hash())
        return diag_set(reterr_why, ERR_UNSUPPORTED, "batch of another version's field table");
    get_fixed(in, &ret->received_ns, 8);
    get_fixed(in, &ret->body_hash, 8);
    get_fixed(in, &ret->span_count, 4);
    get_fixed(in, &ret->log_count, 4);
    get_fixed(in, &ret->metric_count, 4);
    get_fixed(in, &ret->score_count, 4);
    ret->project = get_str(in);
    size_t left = (size_t)(in->end - in->at);
    if (in->failed || ((size_t)ret->span_count + 1) * 4 > left || ret->log_count > left ||
        ret->metric_count > left || ret->score_count > left)
        return diag_set(reterr_why, ERR_CORRUPT, "damaged batch header");
    return ERR_OK;
}

static uint32_t table_entry(const struct cursor *in, uint32_t index)
{
    uint32_t offset;
    memcpy(&offset, in->at + 4 * (size_t)index, 4);
    return offset;
}

enum err batch_peek(str bytes, struct batch_header *ret_header, struct diag *reterr_why)
{
    struct cursor in = { bytes.ptr, bytes.ptr + bytes.len, NULL, false };
    return get_header(&in, ret_header, reterr_why);
}

/* The bytes of one span, from the offset table that `in` stands at. */
static bool span_bytes(const struct cursor *in, str bytes, uint32_t index, str *ret_bytes)
{
    uint32_t from = table_entry(in, index), to = table_entry(in, index + 1);
    if (from > to || to > bytes.len)
        return false;
    *ret_bytes = str_sub(bytes, from, to - from);
    return true;
}

static bool is_known(const uint64_t known[KNOWN_WORDS], enum field field)
{
    return known[field / 64] >> (field % 64) & 1;
}

enum err batch_peek_spans(struct arena *arena, str bytes, struct batch_span_ids **ret_ids,
                          struct diag *reterr_why)
{
    _Static_assert(FIELD_trace_id == 0 && FIELD_span_id == 1, "right behind the known-bits");
    struct cursor in = { bytes.ptr, bytes.ptr + bytes.len, arena, false };
    struct batch_header header;
    enum err err = get_header(&in, &header, reterr_why);
    if (err)
        return err;
    struct batch_span_ids *ids = arena_new(arena, struct batch_span_ids, header.span_count);
    if (!ids)
        return diag_set(reterr_why, ERR_LIMIT, "no room for %u ids", header.span_count);
    for (uint32_t i = 0; i < header.span_count; i++) {
        uint64_t known[KNOWN_WORDS];
        str span;
        if (!span_bytes(&in, bytes, i, &span) || span.len <= sizeof known)
            return diag_set(reterr_why, ERR_CORRUPT, "damaged span %u", i);
        memcpy(known, span.ptr, sizeof known);
        bool has_trace = is_known(known, FIELD_trace_id);
        if (has_trace && span.len <= sizeof known + sizeof ids[i].trace_id)
            return diag_set(reterr_why, ERR_CORRUPT, "damaged span %u", i);
        if (has_trace)
            memcpy(&ids[i].trace_id, span.ptr + sizeof known, sizeof ids[i].trace_id);
        size_t at = sizeof known + (has_trace ? sizeof ids[i].trace_id : 0);
        if (is_known(known, FIELD_span_id) && span.len > at + sizeof ids[i].span_id)
            memcpy(&ids[i].span_id, span.ptr + at, sizeof ids[i].span_id);
        ids[i].has_parent = is_known(known, FIELD_parent_span_id);
        ids[i].is_open = span.ptr[span.len - 1] == 1;
    }
    *ret_ids = ids;
    return ERR_OK;
}

static enum err span_find(str bytes, uint32_t index, str *ret_span, struct diag *reterr_why)
{
    struct cursor in = { bytes.ptr, bytes.ptr + bytes.len, NULL, false };
    struct batch_header header;
    enum err err = get_header(&in, &header, reterr_why);
    if (err)
        return err;
    if (index >= header.span_count)
        return diag_set(reterr_why, ERR_CORRUPT, "no span %u in the batch", index);
    if (!span_bytes(&in, bytes, index, ret_span))
        return diag_set(reterr_why, ERR_CORRUPT, "damaged offset table");
    return ERR_OK;
}

/* The first `len` bytes are copied and read from the copy, the rest where it is. */
static enum err span_decode(struct arena *arena, str span, size_t len, struct span *ret_span,
                            struct diag *reterr_why)
{
    str copy = arena_str(arena, str_sub(span, 0, len));
    if (str_is_none(copy))
        return diag_set(reterr_why, ERR_LIMIT, "no room for a span of the batch");
    struct cursor in = { copy.ptr, copy.ptr + copy.len, arena, false };
    get_lean(&in, ret_span);
    if (len < span.len) {
        in.failed |= in.at != in.end;
        in.at = span.ptr + len;
        in.end = span.ptr + span.len;
    }
    get_tail(&in, ret_span);
    return in.failed ? diag_set(reterr_why, ERR_CORRUPT, "damaged span") : ERR_OK;
}

enum err batch_decode_span(struct arena *arena, str bytes, uint32_t index, struct span *ret_span,
                           struct diag *reterr_why)
{
    str span;
    enum err err = span_find(bytes, index, &span, reterr_why);
    return err ? err : span_decode(arena, span, span.len, ret_span, reterr_why);
}

enum err batch_decode_span_lean(struct arena *arena, str bytes, uint32_t index,
                                struct span *ret_span, struct diag *reterr_why)
{
    str span;
    enum err err = span_find(bytes, index, &span, reterr_why);
    size_t len = err ? 0 : span.len <= WHOLE_BYTES_MAX ? span.len : lean_len(span);
    if (!err && len == 0)
        err = diag_set(reterr_why, ERR_CORRUPT, "damaged span %u", index);
    return err ? err : span_decode(arena, span, len, ret_span, reterr_why);
}

enum err batch_decode(struct arena *arena, str bytes, struct batch *ret_batch,
                      struct diag *reterr_why)
{
    struct cursor in = { bytes.ptr, bytes.ptr + bytes.len, arena, false };
    struct batch_header header;
    enum err err = get_header(&in, &header, reterr_why);
    if (err)
        return err;
    struct batch batch = { .project = header.project,
                           .received_ns = header.received_ns,
                           .body_hash = header.body_hash,
                           .span_count = header.span_count,
                           .log_count = header.log_count,
                           .metric_count = header.metric_count,
                           .score_count = header.score_count };
    batch.spans = get_array(&in, batch.span_count, sizeof *batch.spans);
    batch.logs = get_array(&in, batch.log_count, sizeof *batch.logs);
    batch.metrics = get_array(&in, batch.metric_count, sizeof *batch.metrics);
    batch.scores = get_array(&in, batch.score_count, sizeof *batch.scores);
    get_bytes(&in, ((size_t)batch.span_count + 1) * 4);
    for (uint32_t i = 0; i < batch.span_count && !in.failed; i++)
        get_span(&in, &batch.spans[i]);
    for (uint32_t i = 0; i < batch.log_count && !in.failed; i++)
        get_log(&in, &batch.logs[i]);
    for (uint32_t i = 0; i < batch.metric_count && !in.failed; i++)
        get_metric(&in, &batch.metrics[i]);
    for (uint32_t i = 0; i < batch.score_count && !in.failed; i++)
        get_score(&in, &batch.scores[i]);
    if (in.failed)
        return diag_set(reterr_why, ERR_CORRUPT, "damaged batch, or over the memory budget");
    *ret_batch = batch;
    return ERR_OK;
}
