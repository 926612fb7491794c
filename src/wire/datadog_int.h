/* datadog_int.h -- what the codecs of Datadog's forms share: a span in the making.
 *
 * An LLM span is the same tree in an event and in a span's meta_struct; datadog_llm.c reads it for
 * both.  Over a limit attributes are dropped and counted.
 *
 * Memory:  as datadog.h.
 * Threads: as datadog.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "wire/datadog.h"
#include "wire/tree.h"

/* The state of one decode. */
struct datadog {
    struct arena *arena;
    const struct otlp_limits *limits;
    struct raw_batch *batch; /* counts what is rejected */
    struct native_batch out;
    const struct raw_scope *scope;
    bool spent; /* the arena's budget */
};

/* A span in the making. */
struct datadog_item {
    struct raw_span span;
    struct native_attrs attrs;
    str kind; /* of an LLM span */
    str error_type, error_message, error_stack;
    uint32_t said; /* bits of enum datadog_said: what its envelope told already */
};
enum datadog_said {
    DATADOG_SAID_SERVICE = 1 << 0,
    DATADOG_SAID_ENV = 1 << 1,
    DATADOG_SAID_VERSION = 1 << 2,
    DATADOG_SAID_LANGUAGE = 1 << 3,
    DATADOG_SAID_SESSION = 1 << 4,
    DATADOG_SAID_APP = 1 << 5,
    DATADOG_SAID_ERROR_TYPE = 1 << 6,
};

/* ERR_LIMIT: no memory for it.  NULL limits: the default. */
MUST_CHECK enum err datadog_begin(struct datadog *datadog, struct arena *arena,
                                  const struct otlp_limits *limits, struct raw_batch *batch,
                                  struct diag *reterr_why);
/* The batch is what was made; ERR_LIMIT when memory ran out. */
MUST_CHECK enum err datadog_finish(struct datadog *datadog, struct diag *reterr_why);
/* False: there are as many spans as a request may have (*reterr_why), or no memory. */
MUST_CHECK bool datadog_span_add(struct datadog *datadog, struct datadog_item *item,
                                 struct diag *reterr_why);

void datadog_attr(struct datadog *datadog, struct datadog_item *item, str key, struct value value);
/* Under prefix and name together. */
void datadog_attr_under(struct datadog *datadog, struct datadog_item *item, const char *prefix,
                        str name, struct value value);
/* A tag of a span: env, version, service... under the names that OTel has for them. */
void datadog_tag(struct datadog *datadog, struct datadog_item *item, str key, struct value value);
/* What an LLM span says of itself: an event without its envelope, or meta_struct's "_llmobs". */
void datadog_llm(struct datadog *datadog, struct datadog_item *item, const struct value *tree);

/* Decimal of 64 bits, or 16 hex digits, or any text; zero: none ("", "0", "undefined"). */
struct id8 datadog_span_id(str text);
/* 32 hex digits, or decimal of 64 or 128 bits, or any text; zero: none. */
struct id16 datadog_trace_id(str text);
struct id8 datadog_id8(uint64_t number);
