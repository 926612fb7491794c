/* norm_int.h -- what the files of norm/ share: targets, rows, the state of one batch.
 *
 * A span is understood in one walk over its attributes (span.c) and a few
 * finishing steps, each in a file of its own: usage.c, step.c, event.c, content.c,
 * error.c.  Between them they share `struct norm`: per target the score of the
 * attribute that holds it now.  Score = level, then row order; so a span's own
 * attribute beats its resource's, and the first row of dialect.def beats the next.
 *
 * Memory:  arrays and texts in the arena; `out`, `canon` and `canon_system` are heap
 *          buffers that live for one norm_batch.  When the arena's budget is
 *          spent `spent` is set and the batch fails with ERR_LIMIT.
 * Threads: one struct norm per call.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/check.h"
#include "norm/norm.h"
#include "norm/pin.h"
#include "norm/unmapped.h"

enum target {
#define FIELD(name, type, column, json, doc) TARGET_##name,
#include "model/fields.def"
#undef FIELD
#define TARGET(name) TARGET_##name,
#include "norm/target.def"
#undef TARGET
    TARGET_COUNT
};
enum { USE_FIRST = TARGET_use_input, USE_COUNT = TARGET_use_image_out - TARGET_use_input + 1 };

enum conversion {
    CONV_STR,      /* any scalar as text */
    CONV_JSTR,     /* text that may be a JSON string, quotes and all */
    CONV_PATH,     /* text up to the '?' */
    CONV_PROVIDER, /* provider.def */
    CONV_OUTPUT,   /* response format -> output type */
    CONV_VERDICT,  /* bool or word -> pass, fail */
    CONV_I64,
    CONV_F64,
    CONV_BOOL,
    CONV_STRS,   /* array, JSON array text, or one text */
    CONV_FINISH, /* as STRS; a Python enum's name becomes its word */
    CONV_CSV,    /* as STRS; a text is split at commas */
    CONV_F64S,
    CONV_SEC,   /* seconds -> ns */
    CONV_MS,    /* milliseconds -> ns */
    CONV_USD,   /* dollars -> nano-dollars */
    CONV_COUNT, /* tokens, into use[] */
    CONV_HOLD,  /* looked at later */
    CONV_NOTE,  /* only tells the dialect */
};

enum dialect {
#define DIALECT(name, text) DIALECT_##name,
#include "norm/dialect_name.def"
#undef DIALECT
    DIALECT_COUNT
};

enum family {
    FAMILY_PARAMETER,
    FAMILY_RETRY,
    FAMILY_TEXT,
    FAMILY_VECTOR,
    FAMILY_FLAT_INPUT, /* the FLAT_ families are last */
    FAMILY_FLAT_OUTPUT,
    FAMILY_FLAT_TOOLS,
    FAMILY_FLAT_DOCUMENTS,
    FAMILY_FLAT_CANDIDATES,
    FAMILY_FLAT_EMBEDDINGS,
    FAMILY_COUNT
};

/* Order is the order of step_names[] in step.c. */
enum step {
    STEP_NONE,
    STEP_REQUEST,
    STEP_PROMPT,
    STEP_REWRITE,
    STEP_RETRIEVAL,
    STEP_SEARCH,
    STEP_RERANK,
    STEP_MODEL,
    STEP_EMBEDDING,
    STEP_TOOL,
    STEP_AGENT,
    STEP_WORKFLOW,
    STEP_GUARD,
    STEP_EVALUATION,
    STEP_HTTP,
    STEP_DB,
    STEP_OTHER,
    STEP_COUNT
};

enum odd { /* bits of struct norm.odd; texts in span.c */
           ODD_END_BEFORE_START = 1 << 0,
           ODD_TIME_SUSPECT = 1 << 1,
           ODD_TRUNCATED = 1 << 2,        /* a text field was cut */
           ODD_JSON_BROKEN = 1 << 3,      /* content that should be JSON is not: kept as text */
           ODD_USAGE_INVALID = 1 << 4,    /* a negative or absurd count was ignored */
           ODD_USAGE_EXCLUSIVE = 1 << 5,  /* input came without its cached part; added */
           ODD_USAGE_MISMATCH = 1 << 6,   /* the sender's total is not the sum */
           ODD_ATTRS_DROPPED = 1 << 7,    /* by the sender's limits or ours */
           ODD_PARTS_LOST = 1 << 8,       /* more content parts than fit */
           ODD_FRAMEWORK = 1 << 9,        /* the provider attribute named a framework */
           ODD_LATENCY_DIFFERS = 1 << 10, /* sender's latency is > 5 % off the span's */
           ODD_COUNT = 11
};

struct row {
    str key;
    uint16_t target;
    uint8_t conversion;
    uint8_t dialect;
    bool keep;
    uint8_t since, until; /* versions of the tables; until 0: it holds */
};
enum { ROWS_MAX = 4096, LEVEL_MAX = 3 };
enum level { LEVEL_RESOURCE = 1, LEVEL_RETRY = 2, LEVEL_SPAN = 3 }; /* higher wins */

/* A row of the operator's file (mapping.h). */
enum map_action {
    MAP_FIELD,
    MAP_IGNORE, /* dropped, and counted as such */
    MAP_STRIP,  /* looked up again without the prefix */
    MAP_FAMILY,
};
struct mapped_row {
    struct row row;    /* its key is without the '*' */
    str scope;         /* none: any */
    uint32_t dialects; /* bits of enum dialect; 0: any */
    uint32_t line;
    uint16_t order; /* in the file, from 1 */
    uint16_t next;  /* of the same name: its place in the table + 1 */
    uint8_t action;
    uint8_t family;
    bool is_prefix, scope_is_prefix;
};

struct winner {
    const struct attr *attr;
    bool kept; /* also in kept[] */
};

struct flat {
    str path; /* after the prefix: "0.message.role" */
    uint8_t family;
    const struct attr *attr;
};

/* What scope and resource give to each of their spans: made once per scope. */
struct place {
    const struct raw_scope *scope;
    const struct pin *pin;
    struct span span;
    uint16_t score[TARGET_COUNT];
    int64_t use[USE_COUNT];
    uint16_t held[TARGET_COUNT]; /* targets that have a winner */
    struct winner held_winner[TARGET_COUNT];
    uint32_t held_count;
    struct attr *rest; /* attributes without a row */
    uint32_t rest_count;
    uint32_t dropped_count; /* past NORM_PLACE_ATTRS_MAX */
    uint32_t ignored_count;
    uint32_t dialects;
    uint32_t odd;
};

struct event_seen {
    const struct span_event *event;
    bool is_message;  /* its body is content */
    bool is_consumed; /* its body is a message of the span already */
};

struct norm {
    struct arena *arena;
    const struct norm_config *config;
    const struct mapping *mapping; /* of the pin in force: NULL, none */
    const struct pin *pin;         /* of the span being made, */
    uint32_t tables;               /* and its version of the tables */
    const struct pin *pin_base;    /* of spans without a tenant */
    struct pin pin_default;        /* where there are no pins */
    bool by_tenant;                /* some tenant of the project has a pin of its own */
    bool is_utf8;                  /* all that came is, and texts are cut between characters only */
    bool spent;

    struct span *span; /* being made */
    uint16_t score[TARGET_COUNT];
    struct winner winner[TARGET_COUNT]; /* valid where score is not 0 */
    int64_t use[USE_COUNT];             /* likewise */
    uint32_t dialects;                  /* bits of enum dialect */
    uint32_t odd;                       /* bits of enum odd */
    bool has_content;                   /* some text_* or flat is there */
    bool is_exclusive;                  /* input is told to exclude its cached part */
    bool lossy;                         /* set by a conversion: keep the original too */
    enum step step;

    /* Scratch of `attrs_max` each, allocated once. */
    uint32_t attrs_max;
    struct attr *kept;
    const struct attr **others; /* content without a part of its own */
    const struct attr **longs;  /* kept attributes whose value is content */
    const struct attr **parameters;
    struct flat *flats;
    const struct attr **unmapped; /* kept ones that no row knows */
    uint32_t kept_count, others_count, longs_count, parameters_count, flats_count, unmapped_count;

    uint32_t dropped_count;          /* attributes left out by us: vectors */
    uint32_t ignored_count;          /* likewise, as the operator's file says */
    const struct value *reply_usage; /* an object of counts in the answer itself, or NULL */
    struct value invocation;         /* a JSON object of request parameters, or VALUE_NULL */
    struct value *event_items[2];    /* messages of span events: input, output */
    uint32_t event_items_count[2];
    struct event_seen *events;
    uint32_t events_count;
    bool events_are_content; /* not all of them is in the field */

    struct buf out;          /* JSON being written */
    struct buf canon;        /* text that prompt or answer hash is made from */
    struct buf canon_system; /* likewise, system prompt */

    uint64_t prefix_heads[4]; /* bit per prefix_head() of those of dialect_prefix() */
    uint32_t dialects_cached; /* the mask whose text is dialects_text */
    str dialects_text;
    str scope_name;         /* of the place, and */
    uint32_t span_dialects; /* of all of the span's attributes: a row may be bound to one */
    struct place place;
};

/* ---- dialect.c: tables ---- */
const struct row *dialect_find(str key); /* in the newest version */
const struct row *dialect_find_at(str key, unsigned tables);
unsigned dialect_row_index(const struct row *row);
size_t dialect_row_count(void);
const struct row *dialect_row(size_t index);
/* Of the first two letters: a bit set of those that prefixes have tells most names at once. */
static inline uint8_t prefix_head(str name)
{
    return name.len < 2 ? 0 : (uint8_t)((uint8_t)name.ptr[0] + 5u * (uint8_t)name.ptr[1]);
}
void dialect_prefix_heads(uint64_t ret_heads[4]);
/* The family a name belongs to; *ret_rest is what follows the prefix. */
bool dialect_prefix(str key, unsigned tables, enum family *ret_family, enum dialect *ret_dialect,
                    str *ret_rest);
/* The n-th prefix with its '*'; false past the last one. */
bool dialect_prefix_row(size_t index, str *ret_text, enum family *ret_family,
                        enum dialect *ret_dialect, unsigned *ret_since);
str dialect_name(enum dialect dialect);
/* "openinference+openllmetry", of a bit set. */
void dialect_names_add(struct buf *out, uint32_t mask);
str dialect_text(struct norm *norm);
/* Canonical provider; STR_NONE when unknown; *ret_framework: it is none at all. */
str provider_canonical(str text, bool *ret_framework);
bool word_find(str text, enum step *ret_step, str *ret_operation); /* any case */
bool name_find(str text, enum step *ret_step);                     /* any case */

/* ---- pin.c ---- */
static inline const struct row *norm_row(const struct norm *norm, str key)
{
    return norm->tables == MAPPING_TABLES ? dialect_find(key) : dialect_find_at(key, norm->tables);
}
void norm_pin_begin(struct norm *norm);
/* norm->place for an item of that scope with these attributes, by the mapping of its tenant. */
void norm_place_for(struct norm *norm, const struct raw_scope *scope, const struct attr *attrs,
                    uint32_t count);
/* With pins, of a span that is not read by the newest mapping: would that read the name? */
bool norm_newer_reads(const struct norm *norm, str name);

/* ---- mapping.c, mapped.c: only with norm->mapping ---- */
const struct mapped_row *mapping_find(const struct norm *norm, str key);
const struct mapped_row *mapping_find_exact(const struct norm *norm, str key); /* no prefixes */
bool mapping_wants_dialects(const struct mapping *mapping);
/* Before the attributes of a span are taken. */
void mapping_begin(struct norm *norm, const struct raw_span *raw);
/* By a row of the operator's; false: there is none. */
bool take_mapped(struct norm *norm, const struct attr *attr, enum level level);
/* The same for the rest of a name of a metadata family. */
bool take_mapped_rest(struct norm *norm, const struct attr *attr, str rest);
/* norm->unmapped, once all is known about who sent them; with or without a mapping. */
void norm_count_unmapped(struct norm *norm);
/* A target as a mapping file calls it. */
str target_text(unsigned target);
str mapping_family_text(enum family family);

/* ---- convert.c ---- */
/* Read value by the row's conversion into its target; false: it can't be. */
bool convert(struct norm *norm, const struct row *row, const struct value *value);
/* As a kept text: valid UTF-8, at most text_field_bytes_max; false when empty or no scalar. */
bool convert_text(struct norm *norm, const struct value *value, str *ret_text);
/* Valid UTF-8; the same bytes when they are. */
str text_repair(struct norm *norm, str text);
static inline str text_clean(struct norm *norm, str text)
{
    return norm->is_utf8 ? text : text_repair(norm, text);
}
bool text_has_nocase(str text, const char *lower_needle);
struct value value_clean(struct norm *norm, const struct value *value);

/* ---- span.c ---- */
void take_attr(struct norm *norm, const struct attr *attr, enum level level);
void take_by_row(struct norm *norm, const struct row *row, const struct attr *attr, uint16_t score);
void take_family(struct norm *norm, const struct attr *attr, enum family family, str rest);
void keep_attr(struct norm *norm, const struct attr *attr); /* as it came */
void keep_unmapped(struct norm *norm, const struct attr *attr);
/* What a built-in row is worth, or, when there is one, the operator's: more than any other. */
static inline uint16_t row_score(const struct row *row, const struct mapped_row *mapped,
                                 enum level level)
{
    unsigned floor = (unsigned)level * ROWS_MAX;
    return (uint16_t)(mapped ? (LEVEL_MAX + 1) * ROWS_MAX + floor - mapped->order
                             : floor - dialect_row_index(row));
}
void norm_span(struct norm *norm, const struct raw_span *raw, struct span *span);
/* A span made of log events: begin, take_attr() or event_items, then finish. */
void norm_begin(struct norm *norm, const struct raw_span *raw, struct span *span);
void norm_addition_finish(struct norm *norm, const struct raw_span *raw);
/* Make norm->place for that scope. */
void norm_place(struct norm *norm, const struct raw_scope *scope);
static inline bool has(const struct norm *norm, enum target target)
{
    return norm->score[target] != 0;
}
/* The held value of a target, or NULL. */
static inline const struct value *held(const struct norm *norm, enum target target)
{
    return norm->score[target] ? &norm->winner[target].attr->value : NULL;
}
/* A member of a JSON object as if it were an attribute of the span, but weaker. */
void take_members(struct norm *norm, const struct value *map);

/* ---- explain.c: only with norm->config->explained ---- */
void norm_explain(struct norm *norm, const struct raw_span *raw, struct norm_explained *ret);

/* ---- object.c: fields inside of JSON objects that name none of our attributes ---- */
void norm_objects(struct norm *norm);
void norm_first_token_time(struct norm *norm);

/* ---- usage.c, step.c, error.c, reply.c ---- */
void norm_usage(struct norm *norm);
/* What only the body of the answer says: model, usage, end. */
void norm_reply(struct norm *norm);
void norm_step(struct norm *norm, const struct raw_span *raw);
/* A guard's verdict in its library's words: after norm_step. */
void norm_guard(struct norm *norm, const struct raw_span *raw);
/* The verdict of a model whose answer is one: after norm_content. */
void norm_guard_model(struct norm *norm);
const char *step_name(enum step step);
void norm_error(struct norm *norm, const struct raw_span *raw);

/* ---- event.c: span events; messages in events and log records ---- */
void norm_events(struct norm *norm, const struct raw_span *raw);
/* A message event's name: which side it belongs to and its default role. */
struct message_event {
    bool output;
    const char *role; /* "" when the value is a whole list of messages */
};
bool message_event_find(str name, struct message_event *ret);
/* CONTENT_EVENTS, when the field does not hold everything. */
void norm_events_part(struct norm *norm);
/* One message event as a tree that messages_add() understands. */
struct value message_event_value(struct norm *norm, const struct message_event *event,
                                 const struct attr *attrs, uint32_t count,
                                 const struct value *body);
bool attr_is_message_body(str key);

/* ---- content.c ---- */
/* Before the step is known: JSON objects that hold fields. */
void norm_early(struct norm *norm);
void norm_content(struct norm *norm);
void part_add(struct norm *norm, enum content_role role, str json);
/* Attributes as one JSON object {key: value}. */
void part_add_attrs(struct norm *norm, enum content_role role, const struct attr *const *attrs,
                    uint32_t count);
bool value_is_long(const struct norm *norm, const struct value *value);
str out_take(struct norm *norm); /* norm->out as a text in the arena */
bool parse_json(struct norm *norm, str text, struct value *ret_value);
bool looks_like_json(str text);

/* ---- flat.c ---- */
/* The tree that the flats of one family spell; false when there are none. */
bool flat_tree(struct norm *norm, enum family family, struct value *ret_tree);

/* ---- messages.c: any shape -> {"role","parts"} ---- */
/* Append to norm->out the messages of value, comma separated, without [ ]. */
void messages_add(struct norm *norm, const struct value *value, bool output, uint32_t *count);
/* What serialisers put around a message or a value is off; the value itself when nothing is. */
const struct value *unwrapped(const struct value *value);
/* The text of [{"text": ...}], else the value. */
const struct value *sole_text(const struct value *value);
/* Append parts of a system prompt. */
void parts_add(struct norm *norm, const struct value *value, uint32_t *count);

/* ---- collect.c: what a canonical list says ---- */
struct collected {
    size_t chars;        /* of text parts */
    size_t system_chars; /* of those, in system messages */
    uint32_t messages;
    str finish[16];
    uint32_t finish_count;
    bool refused;
};
/* Walk canonical messages (or bare parts) and write their text to norm->canon; false when
 * the text is not in canonical form, with canon as it was. */
bool collect_messages(struct norm *norm, str json, struct collected *ret);
bool collect_parts(struct norm *norm, str json, struct collected *ret);

/* ---- log.c ---- */
void norm_logs(struct norm *norm, const struct raw_batch *raw, struct batch *batch);

/* ---- log_span.c: events of coding agents ---- */
bool log_is_call(const struct raw_log *log);
/* The call that an event tells of; false: it is none. */
bool log_span(struct norm *norm, const struct raw_log *log, struct span *ret_span);

/* ---- scores (score.c) ---- */
uint32_t norm_scores_max(const struct raw_batch *raw);
/* What was sent as scores, and the evaluation events of spans. */
void norm_scores(struct norm *norm, const struct raw_batch *raw, struct batch *batch);
/* True: the record was an evaluation and is a score. */
bool norm_log_score(struct norm *norm, const struct raw_log *log, str event_name,
                    struct batch *batch);

/* ---- value helpers (flat.c) ---- */
const struct value *map_get(const struct value *map, const char *key);
str map_text(const struct value *map, const char *key); /* STR_NONE when not a text */
