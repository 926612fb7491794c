/* norm.h -- from what was sent to what it means.
 *
 * dialect.def has a row per attribute name; norm walks the attributes of span,
 * scope and resource, fills the typed fields, assembles messages into the one
 * form of the OTel GenAI message schema, and puts all that is content into
 * parts.  Precedence is by row order (newest name first), resolved per field,
 * since one span can carry several dialects.  What has no row stays in attrs[]
 * with its type.  Unknown is left unknown.
 *
 * Memory:  results borrow from the raw batch and the arena.
 * Threads: const tables only; any worker.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "model/raw.h"
#include "model/record.h"
#include "norm/mapping.h"
#include "norm/pin.h"

struct unmapped;

/* Stands in attrs[] and `events` for a value that went to CONTENT_ATTRS or CONTENT_EVENTS. */
#define NORM_CONTENT_MARKER "[content]"

/* The field `events` holds as many events as fit. */
enum { NORM_EVENTS_BYTES_MAX = 16384 };

/* Attributes of scope and resource without a field that each of their spans gets a copy of;
 * more are counted in dropped_attr_count. */
enum { NORM_PLACE_ATTRS_MAX = 256 };

struct norm_config {
    str project;
    int64_t received_ns;
    uint32_t attr_value_bytes_max; /* a longer text value is content (default 1024) */
    uint32_t text_field_bytes_max; /* fields of type STR are cut there (default 1024), flagged */
    /* Keyed hash of canonical content, "hmac-sha256:<hex>" (DECISIONS 9). */
    str (*content_hash)(void *arg, struct arena *arena, str bytes);
    void *content_hash_arg;
    const struct mapping *mapping; /* the operator's rows, without pins; NULL: none */
    const struct pins *pins;       /* who is read under which version; NULL: all by the newest */
    str tenant;                    /* of a tenant-bound key; STR_NONE: as sent */
    struct unmapped *unmapped;     /* counts what no row knows; NULL: nobody does */
    /* Attribute and scope names before unmapped.h keeps them; NULL: as they are. */
    str (*clean_name)(void *arg, struct arena *arena, str name);
    void *clean_name_arg;
    struct norm_explained *explained; /* of as many as raw has spans, filled; NULL: no */
};

/* What became of an attribute, for people who write a mapping. */
enum norm_fate {
    NORM_FATE_USED,
    NORM_FATE_BEATEN,     /* another attribute of the span has that field */
    NORM_FATE_UNREADABLE, /* its value is none that the field can have */
    NORM_FATE_IGNORED,
    NORM_FATE_UNMAPPED,
};
struct norm_origin {
    str attribute;
    enum norm_fate fate;
    str target;       /* field's JSON path, or what else a mapping calls it */
    enum field field; /* FIELD_COUNT: none */
    str dialect;      /* of a built-in row; empty: everybody's */
    uint32_t line;    /* of the mapping file; 0: a built-in row */
};
struct norm_explained {
    struct norm_origin *origins; /* span's, scope's and resource's, in this order */
    uint32_t count;
};

/* Fill *ret_batch from *raw: spans (GenAI log events become additions), logs, metrics. */
MUST_CHECK enum err norm_batch(struct arena *arena, const struct norm_config *config,
                               const struct raw_batch *raw, struct batch *ret_batch,
                               struct diag *reterr_why);

/* The field that an attribute of that name becomes (filters accept the sent
 * names too); FIELD_COUNT when it becomes none. */
enum field norm_field_of_attr(str key);
