/* otlp_int.h -- what the protobuf and the JSON reader of OTLP share.
 *
 * Both walk the same table (otlp.def) and only differ in how they read a
 * scalar and open a message inside.  What a message means, which item is bad, what is
 * over a limit: that is otlp_batch.c, once.
 *
 * Memory:  as otlp.h.
 * Threads: as otlp.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "model/record.h"
#include "wire/json.h"
#include "wire/otlp.h"

enum { OTLP_NUMBER_COUNT = 17, OTLP_WIRE_NEVER = 7, OTLP_REASON_MAX = 120 };

/* Messages; behind them the enumerations, which share the column `sub`. */
enum otlp_message {
#define MESSAGE(name) OTLP_MSG_##name,
#include "wire/otlp.def"
#undef MESSAGE
    OTLP_MESSAGE_COUNT,
    OTLP_MSG_span_kind = OTLP_MESSAGE_COUNT,
    OTLP_MSG_status_code,
    OTLP_MSG_temporality,
    OTLP_MSG_severity,
};

/* How a field is read.  The order matters: the last four are repeated scalars. */
#define OTLP_KINDS(X)                                                                              \
    X(NONE, OTLP_WIRE_NEVER)                                                                       \
    X(STR, 2)     /* str, repaired UTF-8 */                                                        \
    X(ID16, 2)    /* struct id16 */                                                                \
    X(ID8, 2)     /* struct id8 */                                                                 \
    X(U32, 0)     /* uint32_t */                                                                   \
    X(ENUM, 0)    /* int32_t */                                                                    \
    X(SINT32, 0)  /* int32_t, zigzag */                                                            \
    X(BOOL, 0)    /* bool */                                                                       \
    X(FIX32, 5)   /* uint32_t */                                                                   \
    X(FIX64, 1)   /* uint64_t or int64_t */                                                        \
    X(F64, 1)     /* double */                                                                     \
    X(OPT_F64, 1) /* struct otlp_optional */                                                       \
    X(OPT_I64, 1) /* the same, from a whole number */                                              \
    X(V_STR, 2)   /* the members of AnyValue: struct value */                                      \
    X(V_BOOL, 0)                                                                                   \
    X(V_I64, 0)                                                                                    \
    X(V_F64, 1)                                                                                    \
    X(V_BYTES, 2)                                                                                  \
    X(V_NULL, 0)                                                                                   \
    X(V_ARRAY, 2) /* messages inside; from here on otlp_enter() knows what to do */                \
    X(V_MAP, 2)                                                                                    \
    X(VALUE, 2)                                                                                    \
    X(MSG, 2)                                                                                      \
    X(DATA, 2)  /* one of the five shapes of a metric */                                           \
    X(ATTRS, 2) /* lists of messages, with their limits */                                         \
    X(EVENTS, 2)                                                                                   \
    X(LINKS, 2)                                                                                    \
    X(V_ATTRS, 2) /* lists without a limit of their own */                                         \
    X(V_ITEMS, 2)                                                                                  \
    X(QUANTILES, 2)                                                                                \
    X(RESOURCES, 2)                                                                                \
    X(SCOPES, 2)                                                                                   \
    X(METRICS, 2)                                                                                  \
    X(ITEMS, 2)  /* spans, log records, points: each can be rejected alone */                      \
    X(FIX64S, 1) /* lists of scalars */                                                            \
    X(U64S, 0)                                                                                     \
    X(F64S, 1)

enum otlp_kind {
#define KIND(name, wire) KIND_##name,
    OTLP_KINDS(KIND)
#undef KIND
};

struct otlp_field {
    uint8_t kind;
    uint8_t wire;
    uint8_t sub; /* enum otlp_message */
    uint8_t number;
    uint16_t offset; /* in the struct of the message */
};
struct otlp_field_name {
    str snake;
    str camel;
};
/* By message and field number; rows that do not exist have kind KIND_NONE. */
extern const struct otlp_field otlp_fields[OTLP_MESSAGE_COUNT][OTLP_NUMBER_COUNT];
extern const struct otlp_field_name otlp_field_names[OTLP_MESSAGE_COUNT][OTLP_NUMBER_COUNT];
bool otlp_enum_by_name(enum otlp_message enumeration, str name, int32_t *ret_number);

/* The beginning of every array-and-count pair in raw.h and span.h. */
struct otlp_list {
    void *items;
    uint32_t count;
};

struct otlp_optional {
    double value;
    bool is_set;
};
struct otlp_buckets {
    int32_t offset;
    struct otlp_list counts; /* uint64_t */
};
struct otlp_quantile {
    double quantile;
    double value;
};
/* A data point of any of the five kinds, before it becomes a raw_metric. */
struct otlp_point {
    struct raw_metric metric;
    struct otlp_optional value, min, max;
    int32_t scale;
    uint64_t zero_count;
    double zero_threshold;
    struct otlp_buckets positive, negative;
    struct otlp_list bounds;    /* double */
    struct otlp_list quantiles; /* struct otlp_quantile */
};
struct otlp_metric {
    str name;
    str unit;
    enum otlp_message data; /* none, gauge ... summary */
    int32_t temporality;
    bool is_monotonic;
    uint32_t first; /* its first point in the batch */
};

struct otlp;
/* Read one message: `source` is its struct pb, or NULL for JSON, where the reader
 * stands behind the opening brace. */
struct otlp_ops {
    enum err (*walk)(struct otlp *otlp, const void *source, enum otlp_message message,
                     void *target);
};

/* The state of one otlp_decode. */
struct otlp {
    const struct otlp_ops *ops;
    struct arena *arena;
    struct otlp_limits limits;
    enum otlp_signal signal;
    str body;
    struct json *json; /* NULL: protobuf */
    struct raw_batch batch;
    struct otlp_list *items; /* the one of batch that this signal fills */
    size_t item_bytes;
    uint32_t item_room;                                    /* free places behind items->count */
    uint32_t item_index;                                   /* in its scope, from 1 */
    uint32_t depth;                                        /* of the value being read, from 1 */
    uint32_t dropped_attrs, dropped_events, dropped_links; /* of the item, by our limits */
    struct raw_resource *resource;
    struct raw_scope *scope;
    struct otlp_metric *metric;
    struct otlp_point point;
    struct buf text;                        /* buckets_json under construction */
    const struct raw_scope *rejected_scope; /* of the first rejected item */
    uint32_t rejected_index;
    char rejected_reason[OTLP_REASON_MAX];
    struct diag why;
};

/* Free places of the lists of one message being read: attrs, events, links or others. */
struct otlp_rooms {
    uint32_t of[3];
};

/* ERR_BAD_INPUT with its reason: of the item, or of the request when outside of one. */
enum err otlp_bad(struct otlp *otlp, const void *at, const char *format, ...) PRINTF(3, 4);
enum err otlp_no_room(struct otlp *otlp);
/* The JSON reader stopped: its own error becomes ours. */
enum err otlp_bad_json(struct otlp *otlp);

/* Room for at least one more element (`run` are expected); false: no arena left. */
bool otlp_list_grow(struct otlp *otlp, struct otlp_list *list, size_t item_bytes, uint32_t *room,
                    uint32_t run);
MUST_CHECK enum err otlp_text(struct otlp *otlp, str bytes, str *ret_text);
MUST_CHECK enum err otlp_attr_push(struct otlp *otlp, struct otlp_list *list, uint32_t *room,
                                   uint32_t run, struct attr **ret_attr);
/* True when the list has all it may have: the element is to be skipped; counted. */
bool otlp_list_is_full(struct otlp *otlp, const struct otlp_field *row, uint32_t count);
/* One message inside, of any kind from V_ARRAY on; `run`: how many of them follow at
 * least, this one included. */
MUST_CHECK enum err otlp_enter(struct otlp *otlp, const struct otlp_field *row, void *place,
                               struct otlp_rooms *rooms, uint32_t run, const void *source);
/* What a data point became: metric.buckets_json, value, checks. */
MUST_CHECK enum err otlp_point_finish(struct otlp *otlp, struct otlp_point *point);

extern const struct otlp_ops otlp_pb_ops;
extern const struct otlp_ops otlp_json_ops;
MUST_CHECK enum err otlp_pb_request(struct otlp *otlp, enum otlp_message request);
MUST_CHECK enum err otlp_json_request(struct otlp *otlp, enum otlp_message request);
