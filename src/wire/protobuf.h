/* protobuf.h -- zero-copy reader of the protobuf wire format.
 *
 * Walks the fields of one message in the order they came.  Which number means
 * what is the caller's table (otlp.def); here are only the four wire types.
 * Groups are refused.  The functions are inline: this is the hottest loop there is.
 *
 *   struct pb pb = pb_make(bytes);
 *   for (struct pb_field field; pb_next(&pb, &field);) ...
 *   if (pb.error) ...
 *
 * Memory:  borrows the input.
 * Threads: pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/buf.h"
#include "base/str.h"

enum pb_wire {
    PB_VARINT = 0,
    PB_FIXED64 = 1,
    PB_LEN = 2,
    PB_GROUP = 3, /* refused, as is its end */
    PB_GROUP_END = 4,
    PB_FIXED32 = 5,
};

enum { PB_VARINT_BYTES_MAX = 10, PB_NUMBER_MAX = (1 << 29) - 1 };

struct pb {
    const uint8_t *at;
    const uint8_t *end;
    const char *error; /* set when pb_next stopped because of it; at is near it */
};

struct pb_field {
    uint32_t number;
    enum pb_wire wire;
    uint64_t scalar; /* varint and fixed: the bits as they are; PB_LEN: the length */
    str bytes;       /* PB_LEN */
};

static inline struct pb pb_make(str bytes)
{
    const uint8_t *start = (const uint8_t *)bytes.ptr;
    return (struct pb){ .at = start, .end = start ? start + bytes.len : start };
}

/* More than one byte, or near the end; false (nothing moved) when it does not end in
 * time or has more than 64 bits. */
bool pb_varint_slow(struct pb *pb, uint64_t *ret_value);

static inline bool pb_varint(struct pb *pb, uint64_t *ret_value)
{
    if (pb->at < pb->end && *pb->at < 0x80) {
        *ret_value = *pb->at++;
        return true;
    }
    return pb_varint_slow(pb, ret_value);
}

static inline uint64_t pb_le64(const void *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline uint32_t pb_le32(const void *bytes)
{
    uint32_t word;
    memcpy(&word, bytes, 4);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap32(word);
#endif
    return word;
}

static inline double pb_double(uint64_t bits)
{
    double number;
    memcpy(&number, &bits, 8);
    return number;
}

static inline int64_t pb_zigzag(uint64_t bits)
{
    return (int64_t)(bits >> 1 ^ (~(bits & 1) + 1));
}

static inline bool pb_failed(struct pb *pb, const char *what)
{
    pb->error = what;
    return false;
}

/* The next field; false at the end, or with pb->error. */
static inline bool pb_next(struct pb *pb, struct pb_field *ret_field)
{
    if (pb->at >= pb->end)
        return false;
    uint64_t tag;
    if (!pb_varint(pb, &tag) || tag > UINT32_MAX || tag < 8)
        return pb_failed(pb, "a field tag that does not exist");
    size_t left = (size_t)(pb->end - pb->at);
    ret_field->number = (uint32_t)(tag >> 3);
    ret_field->wire = (enum pb_wire)(tag & 7);
    switch (tag & 7) {
    case PB_LEN:
        if (!pb_varint(pb, &ret_field->scalar))
            return pb_failed(pb, "a length that does not end");
        left = (size_t)(pb->end - pb->at);
        if (ret_field->scalar > left)
            return pb_failed(pb, "a length beyond the end of its message");
        ret_field->bytes = str_make((const char *)pb->at, (size_t)ret_field->scalar);
        pb->at += ret_field->scalar;
        return true;
    case PB_VARINT:
        return pb_varint(pb, &ret_field->scalar) || pb_failed(pb, "a number that does not end");
    case PB_FIXED64:
        if (left < 8)
            return pb_failed(pb, "eight bytes expected, the message ends");
        ret_field->scalar = pb_le64(pb->at);
        pb->at += 8;
        return true;
    case PB_FIXED32:
        if (left < 4)
            return pb_failed(pb, "four bytes expected, the message ends");
        ret_field->scalar = pb_le32(pb->at);
        pb->at += 4;
        return true;
    default:
        return pb_failed(pb, "a group or an unknown wire type");
    }
}

/* How many fields with exactly this one-byte-or-longer tag follow without another between
 * them: the size of the array to make.  Counts PB_LEN fields only; never fails. */
uint32_t pb_run(const struct pb *pb, uint32_t number);

/* One element of a repeated scalar in packed form; false at the end, or with pb->error. */
bool pb_packed_next(struct pb *pb, enum pb_wire wire, uint64_t *ret_bits);

/* Writers, for answers and tests. */
void pb_write_varint(struct buf *out, uint64_t value);
void pb_write_tag(struct buf *out, uint32_t number, enum pb_wire wire);
void pb_write_uint(struct buf *out, uint32_t number, uint64_t value);
void pb_write_bytes(struct buf *out, uint32_t number, str bytes);
