/* protobuf.c -- the less hot half of the wire format reader, and its writers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/protobuf.h"

bool pb_varint_slow(struct pb *pb, uint64_t *ret_value)
{
    const uint8_t *at = pb->at;
    uint64_t value = 0;
    for (unsigned i = 0; i < PB_VARINT_BYTES_MAX; i++) {
        if (at == pb->end)
            return false;
        uint8_t byte = *at++;
        if (i == PB_VARINT_BYTES_MAX - 1 && byte > 1)
            return false; /* more than 64 bits */
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            pb->at = at;
            *ret_value = value;
            return true;
        }
    }
    return false;
}

uint32_t pb_run(const struct pb *pb, uint32_t number)
{
    struct pb ahead = *pb;
    uint32_t count = 0;
    uint64_t tag, len;
    while (ahead.at < ahead.end && pb_varint(&ahead, &tag) &&
           tag == ((uint64_t)number << 3 | PB_LEN) && pb_varint(&ahead, &len) &&
           len <= (uint64_t)(ahead.end - ahead.at)) {
        ahead.at += len;
        count++;
    }
    return count;
}

bool pb_packed_next(struct pb *pb, enum pb_wire wire, uint64_t *ret_bits)
{
    if (pb->at >= pb->end)
        return false;
    if (wire == PB_VARINT)
        return pb_varint(pb, ret_bits) || pb_failed(pb, "a number that does not end");
    size_t need = wire == PB_FIXED64 ? 8 : 4;
    if ((size_t)(pb->end - pb->at) < need)
        return pb_failed(pb, "a packed list that ends inside a number");
    *ret_bits = need == 8 ? pb_le64(pb->at) : pb_le32(pb->at);
    pb->at += need;
    return true;
}

void pb_write_varint(struct buf *out, uint64_t value)
{
    while (value >= 0x80) {
        buf_add_char(out, (char)(value | 0x80));
        value >>= 7;
    }
    buf_add_char(out, (char)value);
}

void pb_write_tag(struct buf *out, uint32_t number, enum pb_wire wire)
{
    pb_write_varint(out, (uint64_t)number << 3 | wire);
}

void pb_write_uint(struct buf *out, uint32_t number, uint64_t value)
{
    pb_write_tag(out, number, PB_VARINT);
    pb_write_varint(out, value);
}

void pb_write_bytes(struct buf *out, uint32_t number, str bytes)
{
    pb_write_tag(out, number, PB_LEN);
    pb_write_varint(out, bytes.len);
    buf_add_str(out, bytes);
}
