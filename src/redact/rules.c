/* rules.c -- detect.def as tables, and as databases of vectorscan.
 *
 * Compiling takes a fifth of a second, so it is done when the server is built
 * (prepare.c) and the result is part of the binary.  It is made for any
 * processor: vectorscan chooses its code when it scans.  What was prepared names
 * the rules and the vectorscan version it was made from; under any other
 * version the rules are compiled at the start.
 *
 * Prepared: magic 8, fingerprint 8, checksum 8, two lengths of 8, two databases.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/hash.h"
#include "redact/redact_int.h"

/* clang-format off */
#define CLASS_secret true
#define CLASS_pii false
const struct rule rule_table[] = {
#define PREFIX(kind, shape, check)           { RULE_PREFIX, true, kind, NULL, shape, check_##check, "" },
#define ASSIGN(kind, word, shape, check)     { RULE_ASSIGN, true, kind, word, shape, check_##check, "" },
#define NEAR(kind, word, shape, check)       { RULE_NEAR, false, kind, word, shape, check_##check, "" },
#define SPECIAL(kind, class, trigger, check) { RULE_SPECIAL, CLASS_##class, kind, trigger, NULL, check_##check, "" },
#define PATTERN(kind, expr, check, context)  { RULE_PATTERN, false, kind, expr, NULL, check_##check, context },
#include "redact/detect.def"
};
/* clang-format on */
const size_t rule_count = COUNT_OF(rule_table);

enum { PREPARED_VERSION = 1 };
static const uint64_t prepared_magic = UINT64_C(0x3163736e61636574); /* "tecansc1" */

struct prepared_head {
    uint64_t magic;
    uint64_t fingerprint; /* of the rules and of vectorscan */
    uint64_t checksum;    /* of all that follows the head */
    uint64_t literals_len;
    uint64_t patterns_len;
};
_Static_assert(sizeof(struct prepared_head) == 40, "no padding");

/* What one database is made from. */
struct source {
    const char **expressions;
    unsigned *flags;
    unsigned *ids;
    unsigned count;
};

static void source_add(struct source *source, const char *expression, unsigned flags, size_t id)
{
    source->expressions[source->count] = expression;
    source->flags[source->count] = flags;
    source->ids[source->count] = (unsigned)id;
    source->count++;
}

static void source_init(struct source *source)
{
    *source = (struct source){ .expressions = xcalloc(rule_count, sizeof(char *)),
                               .flags = xcalloc(rule_count, sizeof(unsigned)),
                               .ids = xcalloc(rule_count, sizeof(unsigned)) };
}

static void source_clear(struct source *source)
{
    xfree(source->expressions);
    xfree(source->flags);
    xfree(source->ids);
}

static uint64_t rules_fingerprint(char (*heads)[SHAPE_HEAD_MAX])
{
    uint64_t hash = hash_bytes_seeded(hs_version(), strlen(hs_version()), PREPARED_VERSION);
    for (size_t i = 0; i < rule_count; i++) {
        const struct rule *rule = &rule_table[i];
        const char *expression = rule->form == RULE_PATTERN ? rule->trigger : heads[i];
        hash = hash_bytes_seeded(expression, strlen(expression), hash + rule->form);
    }
    return hash;
}

/* Shapes, widths and trigger expressions of every rule but the patterns. */
static void rules_parse(struct redactor *redactor, char (*heads)[SHAPE_HEAD_MAX])
{
    for (size_t i = 0; i < rule_count; i++) {
        const struct rule *rule = &rule_table[i];
        struct shape trigger;
        bool is_good = true;
        if (rule->pattern)
            is_good = shape_parse(rule->pattern, &redactor->shapes[i]);
        if (rule->form == RULE_PATTERN)
            continue;
        if (rule->form == RULE_PREFIX)
            trigger = redactor->shapes[i];
        else
            is_good = is_good && shape_parse(rule->trigger, &trigger);
        assert(is_good);
        redactor->head_widths[i] = (uint32_t)shape_head(&trigger, heads[i]);
        assert(redactor->head_widths[i] >= 3);
    }
}

static enum err database_compile(const struct source *source, hs_database_t **ret_database,
                                 struct diag *reterr_why)
{
    const hs_platform_info_t any = { .tune = HS_TUNE_FAMILY_GENERIC };
    hs_compile_error_t *error = NULL;
    if (hs_compile_multi(source->expressions, source->flags, source->ids, source->count,
                         HS_MODE_BLOCK, &any, ret_database, &error) == HS_SUCCESS)
        return ERR_OK;
    int which = error ? error->expression : -1;
    diag_set(reterr_why, ERR_INTERNAL, "redaction rule %d (%s) does not compile: %s", which,
             which >= 0 ? source->expressions[which] : "?", error ? error->message : "?");
    hs_free_compile_error(error);
    return ERR_INTERNAL;
}

static enum err databases_compile(struct redactor *redactor, char (*heads)[SHAPE_HEAD_MAX],
                                  struct diag *reterr_why)
{
    struct source literals;
    struct source patterns;
    source_init(&literals);
    source_init(&patterns);
    for (size_t i = 0; i < rule_count; i++) {
        const struct rule *rule = &rule_table[i];
        bool folds = rule->form != RULE_PREFIX;
        if (rule->form == RULE_PATTERN)
            source_add(&patterns, rule->trigger, HS_FLAG_SOM_LEFTMOST, i);
        else
            source_add(&literals, heads[i], folds ? HS_FLAG_CASELESS : 0, i);
    }
    enum err code = database_compile(&literals, &redactor->literals, reterr_why);
    if (code == ERR_OK)
        code = database_compile(&patterns, &redactor->patterns, reterr_why);
    source_clear(&literals);
    source_clear(&patterns);
    return code;
}

static bool prepared_parse(struct redactor *redactor, str prepared, uint64_t fingerprint)
{
    struct prepared_head head;
    if (prepared.len < sizeof head)
        return false;
    memcpy(&head, prepared.ptr, sizeof head);
    str body = str_from(prepared, sizeof head);
    if (head.magic != prepared_magic || head.fingerprint != fingerprint ||
        head.literals_len > body.len || head.patterns_len != body.len - head.literals_len ||
        head.checksum != hash_str(body))
        return false;
    if (hs_deserialize_database(body.ptr, head.literals_len, &redactor->literals) != HS_SUCCESS)
        return false;
    str rest = str_from(body, head.literals_len);
    if (hs_deserialize_database(rest.ptr, rest.len, &redactor->patterns) == HS_SUCCESS)
        return true;
    hs_free_database(redactor->literals);
    redactor->literals = NULL;
    return false;
}

enum err rules_load(struct redactor *redactor, str prepared, struct diag *reterr_why)
{
    char(*heads)[SHAPE_HEAD_MAX] = xcalloc(rule_count, SHAPE_HEAD_MAX);
    rules_parse(redactor, heads);
    redactor->fingerprint = rules_fingerprint(heads);
    redactor->is_prepared = prepared_parse(redactor, prepared, redactor->fingerprint);
    enum err code = ERR_OK;
    if (!redactor->is_prepared)
        code = databases_compile(redactor, heads, reterr_why);
    xfree(heads);
    return code;
}

enum err rules_prepare(const struct redactor *redactor, struct buf *out)
{
    char *bytes[2] = { NULL, NULL };
    size_t lens[2] = { 0, 0 };
    bool is_good = hs_serialize_database(redactor->literals, &bytes[0], &lens[0]) == HS_SUCCESS &&
                   hs_serialize_database(redactor->patterns, &bytes[1], &lens[1]) == HS_SUCCESS;
    if (is_good) {
        struct buf body;
        buf_init(&body, lens[0] + lens[1]);
        buf_add(&body, bytes[0], lens[0]);
        buf_add(&body, bytes[1], lens[1]);
        struct prepared_head head = { .magic = prepared_magic,
                                      .fingerprint = redactor->fingerprint,
                                      .checksum = hash_str(buf_str(&body)),
                                      .literals_len = lens[0],
                                      .patterns_len = lens[1] };
        buf_add(out, &head, sizeof head);
        buf_add_str(out, buf_str(&body));
        buf_clear(&body);
    }
    free(bytes[0]); /* vectorscan's own allocator is malloc */
    free(bytes[1]);
    return is_good && !buf_failed(out) ? ERR_OK : ERR_INTERNAL;
}
