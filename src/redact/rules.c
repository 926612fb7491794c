/* rules.c -- detect.def as tables, compiled by vectorscan, kept in a cache file.
 *
 * Compiling takes most of a second, reading the cache a few milliseconds.  The
 * cache names the rules and the vectorscan version it was made from; any other
 * file, or a damaged one, is replaced.  A cache that cannot be written is no
 * error: the next start compiles again.
 *
 * Cache file: magic 8, fingerprint 8, checksum 8, two lengths of 8, two databases.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/hash.h"
#include "redact/redact_int.h"
#include "sys/file.h"

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

enum {
    CACHE_BYTES_MAX = 64 << 20,
    CACHE_VERSION = 1,
    FILE_MODE = 0600,
};
static const uint64_t cache_magic = UINT64_C(0x3163736e61636574); /* "tecansc1" */

struct cache_head {
    uint64_t magic;
    uint64_t fingerprint; /* of the rules and of vectorscan */
    uint64_t checksum;    /* of all that follows the head */
    uint64_t literals_len;
    uint64_t patterns_len;
};
_Static_assert(sizeof(struct cache_head) == 40, "on disk");

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
    uint64_t hash = hash_bytes_seeded(hs_version(), strlen(hs_version()), CACHE_VERSION);
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
    hs_compile_error_t *error = NULL;
    if (hs_compile_multi(source->expressions, source->flags, source->ids, source->count,
                         HS_MODE_BLOCK, NULL, ret_database, &error) == HS_SUCCESS)
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

static bool cache_parse(struct redactor *redactor, str file, uint64_t fingerprint)
{
    struct cache_head head;
    if (file.len < sizeof head)
        return false;
    memcpy(&head, file.ptr, sizeof head);
    str body = str_from(file, sizeof head);
    if (head.magic != cache_magic || head.fingerprint != fingerprint ||
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

static bool cache_read(struct redactor *redactor, const char *path, uint64_t fingerprint)
{
    struct buf file;
    buf_init(&file, CACHE_BYTES_MAX);
    bool is_good = file_read(path, &file, NULL) == ERR_OK &&
                   cache_parse(redactor, buf_str(&file), fingerprint);
    buf_clear(&file);
    return is_good;
}

static void cache_write(const struct redactor *redactor, const char *path, uint64_t fingerprint)
{
    char *bytes[2] = { NULL, NULL };
    size_t lens[2] = { 0, 0 };
    struct buf file;
    buf_init(&file, CACHE_BYTES_MAX);
    if (hs_serialize_database(redactor->literals, &bytes[0], &lens[0]) == HS_SUCCESS &&
        hs_serialize_database(redactor->patterns, &bytes[1], &lens[1]) == HS_SUCCESS) {
        struct cache_head head = { .magic = cache_magic,
                                   .fingerprint = fingerprint,
                                   .literals_len = lens[0],
                                   .patterns_len = lens[1] };
        buf_add(&file, &head, sizeof head);
        buf_add(&file, bytes[0], lens[0]);
        buf_add(&file, bytes[1], lens[1]);
    }
    if (file.len > 0 && !buf_failed(&file)) {
        uint64_t checksum = hash_str(str_from(buf_str(&file), sizeof(struct cache_head)));
        memcpy(file.ptr + offsetof(struct cache_head, checksum), &checksum, sizeof checksum);
        /* A cache that cannot be kept costs the next start time, nothing else. */
        enum err code = file_replace(path, buf_str(&file), FILE_MODE, NULL);
        (void)code;
    }
    free(bytes[0]); /* vectorscan's own allocator is malloc */
    free(bytes[1]);
    buf_clear(&file);
}

enum err rules_compile(struct redactor *redactor, const char *cache_path, struct diag *reterr_why)
{
    char(*heads)[SHAPE_HEAD_MAX] = xcalloc(rule_count, SHAPE_HEAD_MAX);
    rules_parse(redactor, heads);
    uint64_t fingerprint = rules_fingerprint(heads);
    enum err code = ERR_OK;
    if (cache_path)
        redactor->from_cache = cache_read(redactor, cache_path, fingerprint);
    if (!redactor->from_cache) {
        code = databases_compile(redactor, heads, reterr_why);
        if (code == ERR_OK && cache_path)
            cache_write(redactor, cache_path, fingerprint);
    }
    xfree(heads);
    return code;
}
