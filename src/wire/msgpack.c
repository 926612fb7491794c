/* msgpack.c -- see msgpack.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wire/msgpack.h"
#include "base/check.h"
#include <inttypes.h>

static const char error_cut[] = "the MessagePack ends in the middle of a value";
static const char error_count[] = "a MessagePack count is larger than the bytes that are left";
static const char error_type[] = "0xc1 is no MessagePack";
static const char error_key[] = "a MessagePack key is neither text nor number";
static const char error_depth[] = "the MessagePack is nested too deep";
static const char error_spent[] = "no memory is left for the MessagePack";

void msgpack_init(struct msgpack *msgpack, str input)
{
    const uint8_t *start = (const uint8_t *)(input.ptr ? input.ptr : "");
    *msgpack = (struct msgpack){ .start = start, .at = start, .end = start + input.len };
}

static enum msgpack_type fail(struct msgpack *msgpack, const char *error)
{
    if (!msgpack->error)
        msgpack->error = error;
    return MSGPACK_ERROR;
}

static size_t left(const struct msgpack *msgpack)
{
    return (size_t)(msgpack->end - msgpack->at);
}

/* A big-endian number of 1, 2, 4 or 8 bytes. */
static bool number(struct msgpack *msgpack, unsigned bytes, uint64_t *ret)
{
    *ret = 0;
    if (left(msgpack) < bytes) {
        fail(msgpack, error_cut);
        return false;
    }
    for (unsigned i = 0; i < bytes; i++)
        *ret = *ret << 8 | *msgpack->at++;
    return true;
}

static enum msgpack_type take_bytes(struct msgpack *msgpack, enum msgpack_type type, uint64_t len,
                                    struct msgpack_item *item)
{
    if (len > left(msgpack))
        return fail(msgpack, error_cut);
    item->text = str_make((const char *)msgpack->at, (size_t)len);
    msgpack->at += len;
    return item->type = type;
}

/* Each item is a byte at least. */
static enum msgpack_type take_count(struct msgpack *msgpack, enum msgpack_type type, uint64_t count,
                                    struct msgpack_item *item)
{
    uint64_t items = type == MSGPACK_MAP ? 2 * count : count;
    if (items > left(msgpack))
        return fail(msgpack, error_count);
    item->count = (uint32_t)count;
    return item->type = type;
}

static enum msgpack_type take_int(int64_t value, struct msgpack_item *item)
{
    if (value >= 0)
        item->u64 = (uint64_t)value;
    else
        item->i64 = value;
    return item->type = value >= 0 ? MSGPACK_UINT : MSGPACK_INT;
}

static enum msgpack_type take_float(uint64_t bits, unsigned bytes, struct msgpack_item *item)
{
    uint32_t half = (uint32_t)bits;
    float small;
    memcpy(&small, &half, sizeof small);
    item->f64 = (double)small;
    if (bytes == 8)
        memcpy(&item->f64, &bits, sizeof item->f64);
    return item->type = MSGPACK_F64;
}

/* The types whose length or value follows: 0xc4 to 0xdf. */
static enum msgpack_type take_long(struct msgpack *msgpack, uint8_t head, struct msgpack_item *item)
{
    static const struct {
        uint8_t type;  /* of take_*: B bytes, E extension, F float, U unsigned, I signed, ... */
        uint8_t bytes; /* of the number that follows */
    } heads[] = {
        { 'B', 1 }, { 'B', 2 }, { 'B', 4 },                          /* c4 bin */
        { 'E', 1 }, { 'E', 2 }, { 'E', 4 },                          /* c7 ext */
        { 'F', 4 }, { 'F', 8 },                                      /* ca float */
        { 'U', 1 }, { 'U', 2 }, { 'U', 4 }, { 'U', 8 },              /* cc uint */
        { 'I', 1 }, { 'I', 2 }, { 'I', 4 }, { 'I', 8 },              /* d0 int */
        { 'X', 1 }, { 'X', 2 }, { 'X', 4 }, { 'X', 8 }, { 'X', 16 }, /* d4 fixext: bytes of data */
        { 'S', 1 }, { 'S', 2 }, { 'S', 4 },                          /* d9 str */
        { 'A', 2 }, { 'A', 4 }, { 'M', 2 }, { 'M', 4 },              /* dc array, de map */
    };
    uint8_t type = heads[head - 0xc4].type, bytes = heads[head - 0xc4].bytes;
    uint64_t value;
    if (type == 'X') /* a byte of type, then the data */
        return take_bytes(msgpack, MSGPACK_EXT, (uint64_t)bytes + 1, item);
    if (!number(msgpack, bytes, &value))
        return MSGPACK_ERROR;
    unsigned unused = 64 - 8U * bytes;
    switch (type) {
    case 'B':
        return take_bytes(msgpack, MSGPACK_BIN, value, item);
    case 'E':
        return take_bytes(msgpack, MSGPACK_EXT, value + 1, item);
    case 'F':
        return take_float(value, bytes, item);
    case 'U':
        item->u64 = value;
        return item->type = MSGPACK_UINT;
    case 'I': /* the sign bit moves to the top and back */
        return take_int((int64_t)(value << unused) / ((int64_t)1 << unused), item);
    case 'S':
        return take_bytes(msgpack, MSGPACK_STR, value, item);
    default:
        return take_count(msgpack, type == 'A' ? MSGPACK_ARRAY : MSGPACK_MAP, value, item);
    }
}

enum msgpack_type msgpack_next(struct msgpack *msgpack, struct msgpack_item *ret_item)
{
    *ret_item = (struct msgpack_item){ .type = MSGPACK_ERROR };
    if (msgpack->error)
        return MSGPACK_ERROR;
    if (msgpack->at == msgpack->end)
        return ret_item->type = MSGPACK_END;
    uint8_t head = *msgpack->at++;
    if (head < 0x80)
        return take_int(head, ret_item);
    if (head < 0x90)
        return take_count(msgpack, MSGPACK_MAP, head & 0x0f, ret_item);
    if (head < 0xa0)
        return take_count(msgpack, MSGPACK_ARRAY, head & 0x0f, ret_item);
    if (head < 0xc0)
        return take_bytes(msgpack, MSGPACK_STR, head & 0x1f, ret_item);
    if (head >= 0xe0)
        return take_int((int8_t)head, ret_item);
    if (head == 0xc0)
        return ret_item->type = MSGPACK_NIL;
    if (head == 0xc1) {
        msgpack->at--;
        return fail(msgpack, error_type);
    }
    if (head <= 0xc3) {
        ret_item->boolean = head == 0xc3;
        return ret_item->type = MSGPACK_BOOL;
    }
    return take_long(msgpack, head, ret_item);
}

static uint64_t items_in(const struct msgpack_item *item)
{
    if (item->type == MSGPACK_MAP)
        return 2 * (uint64_t)item->count;
    return item->type == MSGPACK_ARRAY ? item->count : 0;
}

bool msgpack_skip(struct msgpack *msgpack, const struct msgpack_item *item)
{
    if (item->type == MSGPACK_ERROR || item->type == MSGPACK_END)
        return false;
    for (uint64_t pending = items_in(item); pending > 0; pending--) {
        struct msgpack_item next;
        enum msgpack_type type = msgpack_next(msgpack, &next);
        if (type == MSGPACK_END)
            fail(msgpack, error_cut);
        if (type == MSGPACK_ERROR || type == MSGPACK_END)
            return false;
        pending += items_in(&next);
    }
    return true;
}

/* ---- trees ---- */

struct tree {
    struct msgpack *msgpack;
    struct arena *arena;
    uint32_t depth_max;
};

static bool tree_fail(struct tree *tree, const char *error)
{
    fail(tree->msgpack, error);
    return false;
}

static bool scalar(struct tree *tree, const struct msgpack_item *item, struct value *ret)
{
    switch (item->type) {
    case MSGPACK_NIL:
        *ret = (struct value){ .type = VALUE_NULL };
        return true;
    case MSGPACK_BOOL:
        *ret = value_bool(item->boolean);
        return true;
    case MSGPACK_UINT:
        *ret =
            item->u64 <= INT64_MAX ? value_i64((int64_t)item->u64) : value_f64((double)item->u64);
        return true;
    case MSGPACK_INT:
        *ret = value_i64(item->i64);
        return true;
    case MSGPACK_F64:
        *ret = value_f64(item->f64);
        return true;
    case MSGPACK_STR:
        *ret = value_str(item->text);
        return true;
    case MSGPACK_BIN:
    case MSGPACK_EXT:
        *ret = (struct value){ .type = VALUE_BYTES, .text = item->text };
        return true;
    case MSGPACK_END:
        return tree_fail(tree, error_cut);
    case MSGPACK_ERROR:
    case MSGPACK_ARRAY:
    case MSGPACK_MAP:
        break;
    }
    return false;
}

static bool key_text(struct tree *tree, str *ret)
{
    struct msgpack_item item;
    enum msgpack_type type = msgpack_next(tree->msgpack, &item);
    if (type == MSGPACK_STR) {
        *ret = item.text;
        return true;
    }
    if (type == MSGPACK_UINT)
        *ret = arena_printf(tree->arena, "%" PRIu64, item.u64);
    else if (type == MSGPACK_INT)
        *ret = arena_printf(tree->arena, "%" PRId64, item.i64);
    else
        return tree_fail(tree, type == MSGPACK_END ? error_cut : error_key);
    return str_is_none(*ret) ? tree_fail(tree, error_spent) : true;
}

static bool value_at(struct tree *tree, const struct msgpack_item *item, uint32_t depth,
                     struct value *ret);

static bool members(struct tree *tree, uint32_t count, uint32_t depth, struct value *ret)
{
    struct attr *attrs = arena_new(tree->arena, struct attr, (size_t)count + 1);
    if (!attrs)
        return tree_fail(tree, error_spent);
    for (uint32_t i = 0; i < count; i++) {
        struct msgpack_item item;
        if (!key_text(tree, &attrs[i].key))
            return false;
        msgpack_next(tree->msgpack, &item);
        if (!value_at(tree, &item, depth + 1, &attrs[i].value))
            return false;
    }
    *ret = (struct value){ .type = VALUE_MAP, .count = count };
    ret->attrs = attrs;
    return true;
}

static bool items(struct tree *tree, uint32_t count, uint32_t depth, struct value *ret)
{
    struct value *values = arena_new(tree->arena, struct value, (size_t)count + 1);
    if (!values)
        return tree_fail(tree, error_spent);
    for (uint32_t i = 0; i < count; i++) {
        struct msgpack_item item;
        msgpack_next(tree->msgpack, &item);
        if (!value_at(tree, &item, depth + 1, &values[i]))
            return false;
    }
    *ret = (struct value){ .type = VALUE_ARRAY, .count = count };
    ret->items = values;
    return true;
}

/* Recursion is bounded by depth_max <= VALUE_DEPTH_MAX. */
static bool value_at(struct tree *tree, const struct msgpack_item *item, uint32_t depth,
                     struct value *ret)
{
    if (item->type != MSGPACK_ARRAY && item->type != MSGPACK_MAP)
        return scalar(tree, item, ret);
    if (depth > tree->depth_max)
        return tree_fail(tree, error_depth);
    return item->type == MSGPACK_MAP ? members(tree, item->count, depth, ret)
                                     : items(tree, item->count, depth, ret);
}

bool msgpack_value(struct msgpack *msgpack, struct arena *arena, const struct msgpack_item *item,
                   uint32_t depth_max, struct value *ret_value)
{
    assert(depth_max <= VALUE_DEPTH_MAX);
    struct tree tree = { .msgpack = msgpack, .arena = arena, .depth_max = depth_max };
    struct value value;
    if (!value_at(&tree, item, 1, &value))
        return false;
    *ret_value = value;
    return true;
}

enum err msgpack_error(const struct msgpack *msgpack, struct diag *reterr_why)
{
    if (msgpack->error == error_spent)
        return diag_set(reterr_why, ERR_LIMIT, "%s", msgpack->error);
    (void)diag_set(reterr_why, ERR_BAD_INPUT, "%s",
                   msgpack->error ? msgpack->error : "the body is not what is expected here");
    if (reterr_why)
        reterr_why->offset = (size_t)(msgpack->at - msgpack->start);
    return ERR_BAD_INPUT;
}
