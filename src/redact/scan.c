/* scan.c -- find in one text, decide, merge, replace.
 *
 * Stage one runs the literal triggers over all bytes, stage two the forms of
 * personal data over the windows of window.c.  Finds that overlap are merged:
 * no byte of any of them stays, and a secret gives its name to the whole.  What
 * was replaced may bring a context word closer to a number, so a changed text
 * is looked at again until nothing is found: that makes redaction idempotent.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "redact/redact_int.h"

enum {
    NEAR_BYTES_MAX = 40,        /* from the word to the datum */
    ASSIGN_NAME_BYTES_MAX = 24, /* from the word to the operator */
    ASSIGN_GAP_MAX = 5,
    PASSES_MAX = 8,
    JOINED_BYTES_MAX = 4096, /* longer texts carry their own context */
    HASH_CHARS = 12,
};

/* For vectorscan's callback. */
struct walk {
    struct redact_scratch *scratch;
    str text;
    size_t base; /* of the window in the text */
    bool wants_pii;
};

static bool char_at_is(str text, size_t at, bool (*is)(char))
{
    return at < text.len && is(text.ptr[at]);
}

static bool is_word_char(char c)
{
    return is_alnum(c);
}

/* Nothing glued to it on either side. */
static bool stands_alone(str text, size_t start, size_t end)
{
    bool glued_before = start > 0 && is_alnum(text.ptr[start - 1]) && is_alnum(text.ptr[start]);
    bool glued_after = char_at_is(text, end, is_word_char) && is_alnum(text.ptr[end - 1]);
    return !glued_before && !glued_after;
}

/* The find is an earlier replacement, or lies in one. */
static bool is_marker(str text, size_t start, size_t end)
{
    size_t marker_start;
    size_t marker_end;
    return marker_around(text, start, &marker_start, &marker_end) && end <= marker_end;
}

static void hit_add(struct walk *walk, uint32_t rule, size_t start, size_t end)
{
    struct redact_scratch *scratch = walk->scratch;
    assert(start < end && end <= walk->text.len);
    if (is_marker(walk->text, start, end))
        return;
    if (scratch->hit_count == scratch->hit_capacity) {
        scratch->hit_capacity = scratch->hit_capacity ? scratch->hit_capacity * 2 : 64;
        scratch->hits = xrealloc(scratch->hits, scratch->hit_capacity * sizeof *scratch->hits);
    }
    scratch->hits[scratch->hit_count++] = (struct hit){ start, end, rule };
}

static void candidate_decide(struct walk *walk, uint32_t rule, size_t start, size_t end)
{
    struct candidate candidate = { .text = walk->text,
                                   .start = start,
                                   .end = end,
                                   .rule = &rule_table[rule],
                                   .scratch = walk->scratch };
    if (rule_table[rule].check(&candidate))
        hit_add(walk, rule, candidate.start, candidate.end);
}

static void prefix_found(struct walk *walk, uint32_t rule, size_t start)
{
    struct redact_scratch *scratch = walk->scratch;
    const struct rule *row = &rule_table[rule];
    size_t end = shape_match(&scratch->redactor->shapes[rule], walk->text, start, &scratch->runs);
    if (end == SIZE_MAX)
        return;
    if (row->check != check_exact && !stands_alone(walk->text, start, end))
        return;
    candidate_decide(walk, rule, start, end);
}

static bool is_operator(char c)
{
    return c == '=' || c == ':' || c == '>' || c == ',' || c == '|' || c == '?';
}

static bool is_name_char(char c)
{
    return is_alnum(c) || c == '_' || c == '-' || c == '.' || c == ' ' || c == '\t';
}

static bool is_gap(char c)
{
    return c == '"' || c == '\'' || c == '`' || is_space(c) || c == '=' || c == '\\' || c == '(';
}

static size_t skip_while(str text, size_t at, size_t max, bool (*is)(char))
{
    size_t limit = MIN(text.len, at + max);
    while (at < limit && is(text.ptr[at]))
        at++;
    return at;
}

/* word ... operator value */
static void assign_found(struct walk *walk, uint32_t rule, size_t at)
{
    str text = walk->text;
    at = skip_while(text, at, ASSIGN_NAME_BYTES_MAX, is_name_char);
    at = skip_while(text, at, 3, is_gap);
    /* "name = value": the gap may have taken the '=' */
    size_t value = skip_while(text, at, 3, is_operator);
    bool has_operator = value > at;
    for (size_t back = at; !has_operator && back > 0 && at - back < 3 && is_gap(text.ptr[back - 1]);
         back--)
        has_operator = text.ptr[back - 1] == '=';
    if (!has_operator)
        return;
    value = skip_while(text, value, ASSIGN_GAP_MAX, is_gap);
    size_t end =
        shape_match(&walk->scratch->redactor->shapes[rule], text, value, &walk->scratch->runs);
    if (end != SIZE_MAX && end > value && stands_alone(text, value, end))
        candidate_decide(walk, rule, value, end);
}

static void near_found(struct walk *walk, uint32_t rule, size_t at)
{
    str text = walk->text;
    const struct shape *shape = &walk->scratch->redactor->shapes[rule];
    size_t limit = MIN(text.len, at + NEAR_BYTES_MAX);
    for (; at < limit; at++) {
        if (at > 0 && is_alnum(text.ptr[at - 1]))
            continue;
        size_t end = shape_match(shape, text, at, &walk->scratch->runs);
        if (end == SIZE_MAX || !stands_alone(text, at, end))
            continue;
        size_t hit_count = walk->scratch->hit_count;
        candidate_decide(walk, rule, at, end);
        if (walk->scratch->hit_count > hit_count)
            return;
    }
}

static int literal_found(unsigned id, unsigned long long from, unsigned long long to,
                         unsigned flags, void *arg)
{
    (void)from;
    (void)flags;
    struct walk *walk = arg;
    const struct rule *row = &rule_table[id];
    if (!row->is_secret && !walk->wants_pii)
        return 0;
    size_t start = (size_t)to - walk->scratch->redactor->head_widths[id];
    switch (row->form) {
    case RULE_PREFIX:
        prefix_found(walk, id, start);
        break;
    case RULE_ASSIGN:
        assign_found(walk, id, (size_t)to);
        break;
    case RULE_NEAR:
        near_found(walk, id, (size_t)to);
        break;
    case RULE_SPECIAL:
    case RULE_PATTERN:
    default:
        candidate_decide(walk, id, start, (size_t)to);
        break;
    }
    return walk->scratch->only_ask && walk->scratch->hit_count > 0;
}

static int pattern_found(unsigned id, unsigned long long from, unsigned long long to,
                         unsigned flags, void *arg)
{
    (void)flags;
    struct walk *walk = arg;
    candidate_decide(walk, id, walk->base + (size_t)from, walk->base + (size_t)to);
    return walk->scratch->only_ask && walk->scratch->hit_count > 0;
}

static void database_scan(const hs_database_t *database, struct walk *walk, str part,
                          match_event_handler found)
{
    enum { PART_MAX = 1 << 30 };
    assert(part.len <= PART_MAX);
    hs_error_t code =
        hs_scan(database, part.ptr, (unsigned)part.len, 0, walk->scratch->hs, found, walk);
    assert(code == HS_SUCCESS || code == HS_SCAN_TERMINATED);
}

static bool is_done(const struct redact_scratch *scratch)
{
    return scratch->only_ask && scratch->hit_count > 0;
}

static void text_scan(struct redact_scratch *scratch, str text, bool wants_pii)
{
    const struct redactor *redactor = scratch->redactor;
    struct walk walk = { .scratch = scratch, .text = text, .wants_pii = wants_pii };
    scratch->hit_count = 0;
    scratch->runs.count = 0;
    scratch->pem_end_from = scratch->pem_end_at = SIZE_MAX;
    if (text.len == 0)
        return;
    database_scan(redactor->literals, &walk, text, literal_found);
    struct window_walk windows;
    size_t end;
    if (!wants_pii || is_done(scratch))
        return;
    if (scratch->whole_text) {
        database_scan(redactor->patterns, &walk, text, pattern_found);
        return;
    }
    window_init(&windows, text);
    while (!is_done(scratch) && window_next(&windows, &walk.base, &end))
        database_scan(redactor->patterns, &walk, str_sub(text, walk.base, end - walk.base),
                      pattern_found);
}

static int hit_compare(const void *left, const void *right)
{
    const struct hit *a = left;
    const struct hit *b = right;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    return a->end == b->end ? 0 : a->end > b->end ? -1 : 1;
}

/* Which of two overlapping finds names the whole. */
static uint32_t rule_choose(const struct hit *a, const struct hit *b)
{
    bool a_secret = rule_table[a->rule].is_secret;
    bool b_secret = rule_table[b->rule].is_secret;
    if (a_secret != b_secret)
        return a_secret ? a->rule : b->rule;
    size_t a_len = a->end - a->start;
    size_t b_len = b->end - b->start;
    if (a_len == b_len) /* keys: the more specific row stands later; data: the named one first */
        return a_secret ? MAX(a->rule, b->rule) : MIN(a->rule, b->rule);
    return a_len > b_len ? a->rule : b->rule;
}

static void hits_merge(struct redact_scratch *scratch)
{
    if (scratch->hit_count < 2)
        return;
    qsort(scratch->hits, scratch->hit_count, sizeof *scratch->hits, hit_compare);
    size_t kept = 0;
    for (size_t i = 1; i < scratch->hit_count; i++) {
        struct hit *last = &scratch->hits[kept];
        const struct hit *next = &scratch->hits[i];
        if (next->start < last->end) {
            last->rule = rule_choose(last, next);
            last->end = MAX(last->end, next->end);
        } else {
            scratch->hits[++kept] = *next;
        }
    }
    scratch->hit_count = kept + 1;
}

void scan_hits(struct redact_scratch *scratch, const struct redact_policy *policy, str text)
{
    scratch->only_ask = false;
    text_scan(scratch, text, policy->pii != REDACT_KEEP);
    hits_merge(scratch);
}

static bool any_found(struct redact_scratch *scratch, str text, bool wants_pii)
{
    scratch->only_ask = true;
    text_scan(scratch, text, wants_pii);
    scratch->only_ask = false;
    return scratch->hit_count > 0;
}

bool scan_any(struct redact_scratch *scratch, str text)
{
    return any_found(scratch, text, true);
}

bool scan_any_secret(struct redact_scratch *scratch, str text)
{
    return any_found(scratch, text, false);
}

static void marker_add(struct redact_scratch *scratch, const struct redact_policy *policy,
                       uint32_t rule, str original, struct buf *out)
{
    uint32_t kind = scratch->redactor->kinds[rule];
    const char *name = scratch->redactor->kind_names[kind];
    enum redact_action action = rule_table[rule].is_secret ? policy->secrets : policy->pii;
    scratch->counts[kind]++;
    scratch->replaced_count++;
    if (action == REDACT_HASH && scratch->mac) {
        uint8_t hash[CRYPT_SHA256_BYTES];
        crypt_mac_once(scratch->mac, original.ptr, original.len, hash);
        buf_add_char(out, '[');
        buf_add_c(out, name);
        buf_add_char(out, ':');
        buf_add_hex(out, hash, HASH_CHARS / 2);
        buf_add_char(out, ']');
    } else if (policy->name_kind) {
        buf_add_c(out, "[REDACTED:");
        buf_add_c(out, name);
        buf_add_char(out, ']');
    } else {
        buf_add_c(out, "[REDACTED]");
    }
}

static void hits_replace(struct redact_scratch *scratch, const struct redact_policy *policy,
                         str text, struct buf *out)
{
    size_t at = 0;
    buf_reset(out);
    for (size_t i = 0; i < scratch->hit_count; i++) {
        const struct hit *hit = &scratch->hits[i];
        buf_add(out, text.ptr + at, hit->start - at);
        marker_add(scratch, policy, hit->rule, str_sub(text, hit->start, hit->end - hit->start),
                   out);
        at = hit->end;
    }
    buf_add(out, text.ptr + at, text.len - at);
}

/* The text with its name before it, so that the name counts as context. */
static str text_join(struct redact_scratch *scratch, str key, str text)
{
    buf_reset(&scratch->joined);
    buf_add_str(&scratch->joined, key);
    buf_add_c(&scratch->joined, "\":\"");
    buf_add_str(&scratch->joined, text);
    buf_add_char(&scratch->joined, '"');
    return buf_str(&scratch->joined);
}

/* Finds in the joined text, moved and cut to the text itself. */
static void hits_clip(struct redact_scratch *scratch, size_t before, size_t len)
{
    size_t kept = 0;
    for (size_t i = 0; i < scratch->hit_count; i++) {
        struct hit hit = scratch->hits[i];
        hit.start = hit.start > before ? hit.start - before : 0;
        hit.end = hit.end > before ? MIN(hit.end - before, len) : 0;
        if (hit.start < hit.end)
            scratch->hits[kept++] = hit;
    }
    scratch->hit_count = kept;
}

/* The row that stands for the value of a sensitive key. */
static uint32_t rule_of_sensitive_key(void)
{
    uint32_t rule = 0;
    while (rule_table[rule].check != check_quoted_key)
        rule++;
    return rule;
}

static void find_named(struct redact_scratch *scratch, const struct redact_policy *policy, str key,
                       str text)
{
    if (key.len == 0) {
        scan_hits(scratch, policy, text);
        return;
    }
    if (key_is_sensitive(key)) {
        scratch->hit_count = 0;
        struct walk walk = { .scratch = scratch, .text = text };
        if (!value_is_placeholder(text))
            hit_add(&walk, rule_of_sensitive_key(), 0, text.len);
        return;
    }
    if (text.len > JOINED_BYTES_MAX) {
        scan_hits(scratch, policy, text);
        return;
    }
    scan_hits(scratch, policy, text_join(scratch, key, text));
    hits_clip(scratch, key.len + 3, text.len);
}

enum err scan_replace(struct redact_scratch *scratch, const struct redact_policy *policy,
                      struct arena *arena, str key, str text, str *ret_text)
{
    str now = text;
    for (unsigned pass = 0; pass < PASSES_MAX; pass++) {
        find_named(scratch, policy, key, now);
        if (scratch->hit_count == 0)
            break;
        struct buf *out = &scratch->out[pass % 2];
        hits_replace(scratch, policy, now, out);
        if (buf_failed(out))
            return ERR_LIMIT;
        if (str_equal(buf_str(out), now))
            break;
        now = buf_str(out);
    }
    if (now.ptr != text.ptr) {
        now = arena_str(arena, now);
        if (str_is_none(now))
            return ERR_LIMIT;
    }
    *ret_text = now;
    return ERR_OK;
}
