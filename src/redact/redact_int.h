/* redact_int.h -- what the files of this folder share: rules, shapes, hits.
 *
 * A rule has a trigger, which vectorscan finds, and a C check that decides and
 * gives the exact range.  Stage one triggers (literals) look at all bytes;
 * stage two patterns only at the windows that window.c flags.
 *
 * Memory:  rules and shapes belong to the redactor; hits to the scratch.
 * Threads: rules are immutable; a scratch belongs to one thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/buf.h"
#include "redact/redact.h"
#include <hs/hs.h>

/* ---- shape.c: patterns of character classes, matched without backtracking ---- */

enum {
    SHAPE_ELEMS_MAX = 40,
    SHAPE_HEAD_MAX = 512,
    SHAPE_RUNS_MAX = 32,      /* classes whose last run is remembered; more only cost time */
    SHAPE_MANY = 0xFFFF,      /* {n,} */
    SHAPE_HEAD_CLASS_MAX = 6, /* class characters after the literal in a trigger */
};

struct shape_set {
    uint64_t bits[4];
};
struct shape_elem {
    struct shape_set set;
    uint16_t min, max;
    const char *source; /* of the element without its quantifier */
    uint16_t source_len;
};
struct shape {
    struct shape_elem elems[SHAPE_ELEMS_MAX];
    uint32_t count;
};
/* The last run of one class that was walked, so that many triggers in one run cost one walk. */
struct shape_run {
    struct shape_set set;
    size_t start, end;
};
struct shape_runs {
    uint32_t count;
    struct shape_run items[SHAPE_RUNS_MAX];
};

static inline bool shape_has(const struct shape_set *set, char c)
{
    uint8_t byte = (uint8_t)c;
    return (set->bits[byte / 64] >> (byte % 64)) & 1;
}
/* Literals, [classes], {n} {n,} {n,m} ? + *; no groups, no alternatives. */
bool shape_parse(const char *pattern, struct shape *ret_shape);
/* Offset after the longest match that starts at `start`, SIZE_MAX when none. */
size_t shape_match(const struct shape *shape, str text, size_t start, struct shape_runs *runs);
/* The fixed-width beginning of the shape as a regular expression; returns its width. */
size_t shape_head(const struct shape *shape, char ret_regex[SHAPE_HEAD_MAX]);

/* ---- rules ---- */

enum rule_form {
    RULE_PREFIX,  /* a literal followed by a shape */
    RULE_ASSIGN,  /* a word, an operator, a value with a shape */
    RULE_NEAR,    /* a word, and soon after it a value with a shape */
    RULE_SPECIAL, /* a literal and a function */
    RULE_PATTERN, /* stage two: a regular expression and a check */
};
struct candidate;
struct rule {
    enum rule_form form;
    bool is_secret;
    const char *kind;
    const char *trigger; /* ASSIGN, NEAR: the word; SPECIAL: a shape; PATTERN: the expression */
    const char *pattern; /* PREFIX, ASSIGN, NEAR: the shape */
    bool (*check)(struct candidate *candidate);
    const char *context; /* words, separated by |, that `check` may ask for */
};

/* A place that a trigger found; `check` may move both ends. */
struct candidate {
    str text;
    size_t start, end;
    const struct rule *rule;
    struct redact_scratch *scratch;
};

extern const struct rule rule_table[];
extern const size_t rule_count;

/* ---- checks: check_secret.c, check_pii.c, check_special.c ---- */

/* clang-format off */
#define CHECKS(X) \
    X(any) X(exact) X(digit) X(strong) X(hex_token) X(generic) X(basic_auth) X(p1_assignment) \
    X(quoted_key) X(email) X(url_password) X(url_parameter) X(private_key) X(card) X(iban) \
    X(ssn) X(ssn_loose) X(nino) X(nhs) X(de_tax_id) X(fr_nir) X(es_nif) X(es_nie) X(it_cf) \
    X(nl_bsn) X(pl_pesel) X(aadhaar) X(br_cpf) X(br_cnpj) X(ca_sin) X(au_tfn) X(au_medicare) \
    X(sg_nric) X(ipv4) X(ipv6) X(mac) X(btc_base58) X(aba_routing) X(generic_word) X(vendor) \
    X(bearer) X(spoken) X(telegram) X(terraform) X(phone_plus) X(phone_nanp) X(phone_local) \
    X(context) X(date) X(bech32) X(eth) X(curl_user)
/* clang-format on */
/* What stands at a place of the text, and before the candidate: a space beyond either end. */
static inline char char_at(str text, size_t at)
{
    return at < text.len ? text.ptr[at] : ' ';
}
static inline char char_before(const struct candidate *candidate)
{
    return candidate->start > 0 ? candidate->text.ptr[candidate->start - 1] : ' ';
}

#define X(name) bool check_##name(struct candidate *candidate);
CHECKS(X)
#undef X

/* One of the rule's context words stands near the candidate (not inside a replacement). */
bool candidate_has_context(const struct candidate *candidate);
bool candidate_has_word(const struct candidate *candidate, const char *words);
/* Its digits, at most `max`; returns their number, SIZE_MAX when there are more. */
size_t candidate_digits(const struct candidate *candidate, char *out, size_t max);
/* Bits per byte of the text. */
double text_entropy(str text);
/* The key's last word says that its value is a secret ("x-api-key"). */
bool key_is_sensitive(str key);
/* Values of such keys that are none: "", "***", "true", an earlier replacement. */
bool value_is_placeholder(str value);
/* An earlier replacement that contains text[at], or starts there: its range. */
bool marker_around(str text, size_t at, size_t *ret_start, size_t *ret_end);

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static inline bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}
static inline bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || is_upper(c);
}
static inline bool is_alnum(char c)
{
    return is_digit(c) || is_alpha(c);
}
static inline bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
static inline bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}
static inline char to_lower(char c)
{
    return is_upper(c) ? (char)(c + ('a' - 'A')) : c;
}

/* ---- redactor and scratch ---- */

struct redactor {
    hs_database_t *literals; /* stage one */
    hs_database_t *patterns; /* stage two */
    struct shape *shapes;    /* per rule: the value's shape */
    uint32_t *head_widths;   /* per rule: width of the trigger */
    uint32_t *kinds;         /* rule -> kind */
    const char **kind_names;
    size_t kind_count;
    uint64_t fingerprint; /* of the rules and of vectorscan */
    bool is_prepared;     /* nothing had to be compiled */
    bool has_key;
    struct crypt_key key;
};

struct hit {
    size_t start, end;
    uint32_t rule;
};
enum { CLEAN_SLOTS = 4096, PENDING_MAX = 1024 };

struct redact_scratch {
    const struct redactor *redactor;
    hs_scratch_t *hs;
    struct crypt_mac *mac; /* NULL without a key */
    struct hit *hits;
    size_t hit_count, hit_capacity;
    uint32_t *counts;              /* per kind, since the span began */
    uint32_t replaced_count;       /* their sum */
    struct arena temporary;        /* decoded texts that nobody keeps */
    struct buf gather, gather_ids; /* asked about; in ids only secrets count */
    struct buf flat, joined, out[2];
    struct shape_runs runs;
    size_t pem_end_from, pem_end_at; /* memo of the search for the end of a PEM block */
    uint64_t field_mask[(FIELD_COUNT + 63) / 64]; /* fields that hold a sender's text */
    bool whole_text;                              /* tests: stage two sees everything */
    bool only_ask;                                /* stop at the first hit */
    uint64_t clean_seed;
    uint64_t pending[PENDING_MAX]; /* hashes of what is being asked about */
    uint32_t pending_count;        /* may be more: then all is forgotten when something is found */
    uint64_t clean[CLEAN_SLOTS];   /* hashes of texts in which nothing was found */
};

/* rules.c: the tables of a redactor; what was prepared is used when it fits, else compiled. */
MUST_CHECK enum err rules_load(struct redactor *redactor, str prepared, struct diag *reterr_why);
/* What rules_load() takes. */
MUST_CHECK enum err rules_prepare(const struct redactor *redactor, struct buf *out);
/* Made by prepare.c when the server is built. */
extern const uint64_t rules_prepared[];
extern const size_t rules_prepared_bytes;

/* window.c: the parts of a text that stage two must see, one after the other. */
enum { WINDOW_BLOCK = 64, WINDOWS_MAX = WINDOW_BLOCK * 2 };
struct cluster {
    size_t start, last;
    unsigned count, dots, gaps;
};
struct window {
    size_t start, end;
};
struct window_walk {
    str text;
    size_t block;
    uint64_t digits, marks; /* of the block */
    size_t id_end;          /* digits before it are of an id: no number */
    size_t iban_end;        /* what stands before it may be of an IBAN */
    struct cluster number, colons, hyphens;
    uint32_t count, given;
    struct window windows[WINDOWS_MAX];
};
void window_init(struct window_walk *walk, str text);
bool window_next(struct window_walk *walk, size_t *ret_start, size_t *ret_end);

/* scan.c: fill scratch->hits with what was found in the text, merged and sorted. */
void scan_hits(struct redact_scratch *scratch, const struct redact_policy *policy, str text);
/* Something may be in it: faster than scan_hits. */
bool scan_any(struct redact_scratch *scratch, str text);
bool scan_any_secret(struct redact_scratch *scratch, str text); /* personal data do not count */
/* Replace until nothing is found; *ret_text is the text itself when nothing was.
 * `key` (may be none) names the text: it may tell that the value is a secret. */
MUST_CHECK enum err scan_replace(struct redact_scratch *scratch, const struct redact_policy *policy,
                                 struct arena *arena, str key, str text, str *ret_text);
/* batch.c: what scratch->field_mask must be. */
void batch_fields_mask(uint64_t ret_mask[(FIELD_COUNT + 63) / 64]);
/* part.c: the same for a JSON text, which stays valid. */
MUST_CHECK enum err part_redact(struct redact_scratch *scratch, const struct redact_policy *policy,
                                struct arena *arena, str json, str *ret_json);
/* preview.c: add CONTENT_PREVIEW from the (redacted) messages. */
MUST_CHECK enum err preview_add(struct redact_scratch *scratch, const struct redact_policy *policy,
                                struct arena *arena, struct span *span);
