/* span.h -- the record: one span, understood.
 *
 * `struct span` has one member per row of fields.def and a bit that says
 * whether it is known: unknown is never zero.  What has no row is kept with its
 * type in attrs[].  Texts that may be content (prompts, answers, documents,
 * tool arguments) are never fields: they are parts[], which go to the
 * encrypted content store, not into columns.
 *
 * Types of fields.def:
 *   ID16/ID8  bytes            STR   text           I64  integer     F64 double
 *   BOOL      true/false       TIME  ns since 1970  NS   duration in ns (JSON: ms)
 *   NANO      nano-dollars (JSON: dollars)          STRS/F64S  lists
 *   JSON      a valid JSON text
 *
 * Memory:  borrows everything; lives no longer than the arena and the buffer
 *          it was decoded into.  A zeroed span is valid: nothing known.
 * Threads: plain data.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/arena.h"
#include "base/base.h"
#include "base/check.h"
#include "model/value.h"

enum field_type {
    FIELD_TYPE_ID16,
    FIELD_TYPE_ID8,
    FIELD_TYPE_STR,
    FIELD_TYPE_I64,
    FIELD_TYPE_F64,
    FIELD_TYPE_BOOL,
    FIELD_TYPE_TIME,
    FIELD_TYPE_NS,
    FIELD_TYPE_NANO,
    FIELD_TYPE_STRS,
    FIELD_TYPE_F64S,
    FIELD_TYPE_JSON,
};
enum field_column { FIELD_COLUMN_KEY, FIELD_COLUMN_DICT, FIELD_COLUMN_COL, FIELD_COLUMN_RARE };

enum field {
#define FIELD(name, type, column, json, doc) FIELD_##name,
#include "model/fields.def"
#undef FIELD
    FIELD_COUNT
};

struct strs {
    const str *items;
    uint32_t count;
};
struct f64s {
    const double *items;
    uint32_t count;
};
struct id16 {
    uint8_t bytes[16];
};
struct id8 {
    uint8_t bytes[8];
};

#define FIELD_C_ID16 struct id16
#define FIELD_C_ID8 struct id8
#define FIELD_C_STR str
#define FIELD_C_I64 int64_t
#define FIELD_C_F64 double
#define FIELD_C_BOOL bool
#define FIELD_C_TIME int64_t
#define FIELD_C_NS int64_t
#define FIELD_C_NANO int64_t
#define FIELD_C_STRS struct strs
#define FIELD_C_F64S struct f64s
#define FIELD_C_JSON str

/* What a piece of content is.  The order is the order on disk: append only. */
enum content_role {
    CONTENT_INPUT,          /* JSON array of messages {role, parts} */
    CONTENT_OUTPUT,         /* JSON array of messages {role, parts, finish_reason?} */
    CONTENT_SYSTEM,         /* JSON array of parts */
    CONTENT_TOOLS,          /* JSON array of tool definitions */
    CONTENT_TOOL_ARGUMENTS, /* JSON value */
    CONTENT_TOOL_RESULT,    /* JSON value */
    CONTENT_QUERY,          /* JSON string: the retrieval query */
    CONTENT_DOCUMENTS,      /* JSON array of {id?, score?, content?, ...} */
    CONTENT_PARSED,         /* JSON value: parsed structured output */
    CONTENT_PREVIEW,        /* JSON {"input":text,"output":text}, each <= 500 characters */
    CONTENT_ATTRS,          /* JSON object: attribute values too long for columns */
    CONTENT_EVENTS,         /* JSON array: span events {name,time,attributes} */
    CONTENT_LOG_BODY,       /* JSON value: body of a log record */
    CONTENT_OTHER,          /* JSON object: anything else that is content, by its sent name */
    CONTENT_ROLE_COUNT
};
const char *content_role_name(enum content_role role); /* "input", "output", ... */

struct content_part {
    enum content_role role;
    str json; /* always valid JSON, valid UTF-8 */
};
enum { SPAN_PARTS_MAX = 24 };

struct span_link {
    struct id16 trace_id;
    struct id8 span_id;
    struct attr *attrs;
    uint32_t attr_count;
};

struct span {
    uint64_t known[(FIELD_COUNT + 63) / 64];
#define FIELD(name, type, column, json, doc) FIELD_C_##type name;
#include "model/fields.def"
#undef FIELD
    struct attr *attrs; /* attributes of span, scope and resource that have no field */
    uint32_t attr_count;
    uint32_t dropped_attr_count; /* by the sender's limits or ours */
    uint32_t link_count;
    struct span_link *links;
    struct content_part parts[SPAN_PARTS_MAX];
    uint32_t part_count;
    /* True when this record only adds to a span that comes by another way (a
     * log event with its messages): it has the key and what it adds. */
    bool is_addition;
};

struct field_info {
    const char *name;
    const char *json;
    const char *doc;
    enum field_type type;
    enum field_column column;
    uint32_t offset; /* in struct span */
};
extern const struct field_info field_table[FIELD_COUNT];

/* The field whose `name` or `json` is that text; FIELD_COUNT when there is none. */
enum field field_by_name(str name);

static inline bool span_knows(const struct span *span, enum field field)
{
    return (span->known[(unsigned)field / 64] >> ((unsigned)field % 64)) & 1;
}
static inline void span_mark(struct span *span, enum field field)
{
    span->known[(unsigned)field / 64] |= UINT64_C(1) << ((unsigned)field % 64);
}
static inline void span_forget(struct span *span, enum field field)
{
    span->known[(unsigned)field / 64] &= ~(UINT64_C(1) << ((unsigned)field % 64));
}
/* A part of a span that does not say how it ended: more is to come. */
static inline bool span_is_open(const struct span *span)
{
    return span->is_addition && !span_knows(span, FIELD_latency_ns) &&
           !span_knows(span, FIELD_end_time);
}
/* SPAN_SET(span, input_tokens, 12): assign and mark as known. */
#define SPAN_SET(span, field, ...) ((span)->field = (__VA_ARGS__), span_mark((span), FIELD_##field))
#define SPAN_KNOWS(span, field) span_knows((span), FIELD_##field)

static inline void *span_field(struct span *span, enum field field)
{
    return (char *)span + field_table[field].offset;
}
static inline const void *span_field_const(const struct span *span, enum field field)
{
    return (const char *)span + field_table[field].offset;
}
static inline bool id16_is_zero(struct id16 id)
{
    static const struct id16 zero;
    return memcmp(&id, &zero, sizeof id) == 0;
}
/* An addition with this id is about the root of its trace, whichever span that is.  The first
 * bytes of SHA-256("telltale: the root span of this trace"): no sender's span has it. */
static inline struct id8 id8_of_root(void)
{
    return (struct id8){ { 0xa0, 0xa2, 0xeb, 0x17, 0x4f, 0xd8, 0x55, 0x4d } };
}
static inline bool id8_is_zero(struct id8 id)
{
    static const struct id8 zero;
    return memcmp(&id, &zero, sizeof id) == 0;
}

/* Add a part; false (and nothing done) when SPAN_PARTS_MAX are there. */
bool span_add_part(struct span *span, enum content_role role, str json);
/* Add to span->flags unless it is there; false when the arena is spent. */
bool span_add_flag(struct span *span, struct arena *arena, str flag);
const struct content_part *span_part(const struct span *span, enum content_role role);

/* The flat JSON of ARCHITECTURE section 13, without previews, scores and payload
 * sizes, which the read path adds: every field, unknown ones as null, members
 * of a dotted path nested.  Writes the members only, no braces, so that the
 * caller can add its own. */
void span_fields_to_json(struct buf *out, const struct span *span);
/* A list as a JSON array; the bytes of an id as hex in quotes. */
void strs_to_json(struct buf *out, const struct strs *list);
void f64s_to_json(struct buf *out, const struct f64s *list);
void id_to_json(struct buf *out, const void *id, size_t len);
/* One field's JSON value. */
void span_field_to_json(struct buf *out, const struct span *span, enum field field);
