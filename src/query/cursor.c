/* cursor.c -- where the next page begins, as opaque text.
 *
 * Bytes, little-endian: version 1, sort 1, value 8, start 8, trace 16, span 8, checksum 4
 * (CRC-32C of what is before); in base64url without padding.  It holds nothing that the
 * page did not show.  Keysets rather than offsets: rows that arrive meanwhile shift nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/hash.h"
#include "base/text.h"
#include "query/query_int.h"

enum { CURSOR_VERSION = 1, CURSOR_BODY_BYTES = 42, CURSOR_BYTES = 46, CURSOR_TEXT_LEN = 62 };

struct position {
    enum store_sort sort;
    int64_t value;
    int64_t start_ns;
    struct id16 trace_id;
    struct id8 span_id;
};

static void put_i64(uint8_t *out, int64_t value)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)((uint64_t)value >> (8 * i));
}

static int64_t get_i64(const uint8_t *in)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value |= (uint64_t)in[i] << (8 * i);
    return (int64_t)value;
}

static uint32_t checksum(const uint8_t *bytes)
{
    return hash_crc32c(0, bytes, CURSOR_BODY_BYTES);
}

static str cursor_text(struct arena *arena, const uint8_t bytes[CURSOR_BYTES])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char *out = arena_alloc(arena, CURSOR_TEXT_LEN);
    if (!out)
        return STR_NONE;
    uint32_t bits = 0, held = 0;
    size_t len = 0;
    for (size_t i = 0; i < CURSOR_BYTES; i++) {
        bits = bits << 8 | bytes[i];
        for (held += 8; held >= 6; held -= 6)
            out[len++] = digits[bits >> (held - 6) & 63];
    }
    out[len++] = digits[bits << (6 - held) & 63]; /* 46 bytes leave 2 bits */
    assert(len == CURSOR_TEXT_LEN);
    return (str){ out, len };
}

static str cursor_write(struct arena *arena, const struct position *position)
{
    uint8_t bytes[CURSOR_BYTES];
    bytes[0] = CURSOR_VERSION;
    bytes[1] = (uint8_t)position->sort;
    put_i64(bytes + 2, position->value);
    put_i64(bytes + 10, position->start_ns);
    memcpy(bytes + 18, position->trace_id.bytes, sizeof position->trace_id.bytes);
    memcpy(bytes + 34, position->span_id.bytes, sizeof position->span_id.bytes);
    uint32_t sum = checksum(bytes);
    for (int i = 0; i < 4; i++)
        bytes[CURSOR_BODY_BYTES + i] = (uint8_t)(sum >> (8 * i));
    return cursor_text(arena, bytes);
}

str query_cursor_of_span(struct arena *arena, enum store_sort sort, const struct store_span *span)
{
    const struct span *s = &span->span;
    struct position position = { sort, -1, s->start_time, s->trace_id, s->span_id };
    switch (sort) {
    case STORE_SORT_START:
        position.value = s->start_time;
        break;
    case STORE_SORT_LATENCY:
        position.value = SPAN_KNOWS(s, latency_ns) ? s->latency_ns : -1;
        break;
    case STORE_SORT_COST:
        position.value = SPAN_KNOWS(s, cost_nanousd) ? s->cost_nanousd : -1;
        break;
    case STORE_SORT_TOKENS:
        position.value = SPAN_KNOWS(s, total_tokens) ? s->total_tokens : -1;
        break;
    case STORE_SORT_OLDEST:
        position.value = -s->start_time;
        break;
    }
    return cursor_write(arena, &position);
}

str query_cursor_of_trace(struct arena *arena, enum store_sort sort, const struct trace_row *trace)
{
    struct position position = {
        .sort = sort, .value = -1, .start_ns = trace->start_ns, .trace_id = trace->trace_id
    };
    switch (sort) {
    case STORE_SORT_START:
        position.value = trace->start_ns;
        break;
    case STORE_SORT_LATENCY:
        position.value = trace->end_ns - trace->start_ns;
        break;
    case STORE_SORT_COST:
        position.value = trace->has_cost ? trace->cost_nanousd : -1;
        break;
    case STORE_SORT_TOKENS:
        position.value =
            trace->has_input || trace->has_output ? trace->input_tokens + trace->output_tokens : -1;
        break;
    case STORE_SORT_OLDEST:
        position.value = -trace->start_ns;
        break;
    }
    return cursor_write(arena, &position);
}

str query_cursor_of_score(struct arena *arena, const struct score *score)
{
    struct position position = { .sort = STORE_SORT_START,
                                 .value = score->time_ns,
                                 .start_ns = score->time_ns,
                                 .trace_id = score->score_id };
    return cursor_write(arena, &position);
}

str query_cursor_of_log(struct arena *arena, const struct log_record *log)
{
    struct position position = { .sort = STORE_SORT_START,
                                 .value = log->time_ns,
                                 .start_ns = log->time_ns,
                                 .span_id = log->log_id };
    return cursor_write(arena, &position);
}

static enum err cursor_error(struct diag *reterr_why, const char *text)
{
    (void)diag_set(reterr_why, ERR_BAD_INPUT, "%s", text);
    (void)diag_hint(reterr_why, "take next_cursor of the page before, unchanged, or leave it out");
    return ERR_BAD_INPUT;
}

/* -- cursors of any length -- */

enum { SEAL_VERSION = 2, SEAL_BYTES_MAX = 2048 };

str cursor_seal(struct arena *arena, const void *bytes, size_t len)
{
    uint8_t sealed[SEAL_BYTES_MAX];
    struct buf out;
    if (len + 5 > sizeof sealed)
        return STR_NONE;
    sealed[0] = SEAL_VERSION;
    memcpy(sealed + 1, bytes, len);
    uint32_t sum = hash_crc32c(0, sealed, len + 1);
    for (int i = 0; i < 4; i++)
        sealed[len + 1 + (size_t)i] = (uint8_t)(sum >> (8 * i));
    buf_init(&out, (size_t)2 * SEAL_BYTES_MAX);
    buf_add_hex(&out, sealed, len + 5);
    str text = arena_str(arena, buf_str(&out));
    buf_clear(&out);
    return text;
}

enum err cursor_open(struct arena *arena, str text, str *ret_bytes, struct diag *reterr_why)
{
    size_t len = text.len / 2;
    uint8_t *bytes = arena_alloc(arena, len + 1);
    if (!bytes)
        return ERR_LIMIT;
    if (len < 6 || len > SEAL_BYTES_MAX || text.len % 2 || !hex_decode(text, bytes, len))
        return cursor_error(reterr_why, "this is not a cursor");
    if (bytes[0] != SEAL_VERSION)
        return cursor_error(reterr_why, "the cursor is of another version of this server");
    uint32_t sum = 0;
    for (int i = 0; i < 4; i++)
        sum |= (uint32_t)bytes[len - 4 + (size_t)i] << (8 * i);
    if (sum != hash_crc32c(0, bytes, len - 4))
        return cursor_error(reterr_why, "the cursor was changed or cut");
    *ret_bytes = str_make((const char *)bytes + 1, len - 5);
    return ERR_OK;
}

enum err cursor_read(str text, struct store_list *list, struct diag *reterr_why)
{
    uint8_t bytes[(QUERY_CURSOR_BYTES_MAX / 4 + 1) * 3];
    size_t len;
    if (text.len > QUERY_CURSOR_BYTES_MAX || !base64_decode(text, bytes, &len) || len == 0)
        return cursor_error(reterr_why, "this is not a cursor");
    if (bytes[0] != CURSOR_VERSION)
        return cursor_error(reterr_why, "the cursor is of another version of this server");
    uint32_t sum = 0;
    for (int i = 0; len == CURSOR_BYTES && i < 4; i++)
        sum |= (uint32_t)bytes[CURSOR_BODY_BYTES + i] << (8 * i);
    /* the last digit has four bits to spare: only their zeros are ours */
    bool is_canonical = text.len == CURSOR_TEXT_LEN && strchr("AQgw", text.ptr[text.len - 1]);
    if (len != CURSOR_BYTES || sum != checksum(bytes) || !is_canonical)
        return cursor_error(reterr_why, "the cursor was changed or cut");
    if (bytes[1] != (uint8_t)list->sort)
        return cursor_error(reterr_why, "the cursor belongs to another sort order");
    list->has_after = true;
    list->after_value = get_i64(bytes + 2);
    list->after_start_ns = get_i64(bytes + 10);
    memcpy(list->after_trace_id.bytes, bytes + 18, sizeof list->after_trace_id.bytes);
    memcpy(list->after_span_id.bytes, bytes + 34, sizeof list->after_span_id.bytes);
    return ERR_OK;
}
