/* score_redaction.c -- precision and recall of redaction on the labelled files.
 *
 * score_redaction FOLDER [--misses]: reads secrets_dev, pii_dev and
 * pii_synth_dev (.jsonl.gz).  A secret is found when no run of eight of its
 * bytes is left of it; a negative row must stay as it is.  Secrets are
 * weighed by rule, since one generated secret stands in some 26 rows.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/check.h"
#include "redact/redact.h"
#include "wire/json.h"
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

enum { LINE_BYTES_MAX = 1 << 20, NAMES_MAX = 400, ARENA_BYTES = 64 << 20, LEFT_MIN = 8 };

struct tally {
    char name[64];
    unsigned wanted, found, negatives, hurt;
};
struct points {
    struct redactor *redactor;
    struct redact_scratch *scratch;
    struct arena arena;
    struct tally tallies[NAMES_MAX];
    size_t count;
    bool show_misses;
};

static struct tally *tally_of(struct points *score, str name)
{
    for (size_t i = 0; i < score->count; i++)
        if (str_equal_c(name, score->tallies[i].name))
            return &score->tallies[i];
    assert(score->count < NAMES_MAX);
    struct tally *tally = &score->tallies[score->count++];
    snprintf(tally->name, sizeof tally->name, "%.*s", STR_ARG(name));
    return tally;
}

static const struct value *member(const struct value *object, const char *name)
{
    const struct attr *attr = attr_find(object->attrs, object->count, str_from_c(name));
    return attr ? &attr->value : NULL;
}

static str text_member(const struct value *object, const char *name)
{
    const struct value *value = member(object, name);
    return value && value->type == VALUE_STR ? value->text : STR_NONE;
}

static str redacted(struct points *score, str text, uint32_t *ret_count)
{
    str safe = text;
    enum err code = redact_text(score->redactor, score->scratch, &redact_policy_default,
                                &score->arena, text, &safe, ret_count);
    assert(code == ERR_OK);
    return safe;
}

/* Nothing of eight bytes or more of the value is left. */
static bool is_gone(str safe, str value)
{
    size_t len = MIN(value.len, (size_t)LEFT_MIN);
    if (str_find(safe, value) < safe.len)
        return false;
    for (size_t i = 0; value.len >= 2 * LEFT_MIN && i + len <= value.len; i++)
        if (str_find(safe, str_sub(value, i, len)) < safe.len)
            return false;
    return true;
}

static void secret_row(struct points *score, const struct value *row)
{
    uint32_t count = 0;
    str text = text_member(row, "text");
    str secret = text_member(row, "secret");
    struct tally *tally = tally_of(score, text_member(row, "rule"));
    const struct value *positive = member(row, "positive");
    str safe = redacted(score, text, &count);
    if (positive && positive->type == VALUE_BOOL && positive->boolean) {
        bool found = is_gone(safe, secret);
        tally->wanted++;
        tally->found += found;
        if (!found && score->show_misses)
            printf("MISS %s | %.*s\n", tally->name, (int)MIN(safe.len, (size_t)160), safe.ptr);
    } else {
        tally->negatives++;
        tally->hurt += count > 0;
        if (count > 0 && score->show_misses)
            printf("HURT %s | %.*s\n", tally->name, (int)MIN(safe.len, (size_t)160), safe.ptr);
    }
}

static void pii_row(struct points *score, const struct value *row)
{
    uint32_t count = 0;
    str text = text_member(row, "text");
    str safe = redacted(score, text, &count);
    str type = text_member(row, "entity_type");
    const struct value *spans = member(row, "spans");
    if (!spans || spans->type != VALUE_ARRAY)
        return;
    if (spans->count == 0 && type.ptr) {
        struct tally *tally = tally_of(score, type);
        tally->negatives++;
        tally->hurt += count > 0;
    }
    for (uint32_t i = 0; i < spans->count; i++) {
        const struct value *span = &spans->items[i];
        struct tally *tally = tally_of(score, text_member(span, "entity_type"));
        bool found = str_find(safe, text_member(span, "value")) == safe.len;
        tally->wanted++;
        tally->found += found;
        if (!found && score->show_misses)
            printf("MISS %s | %.*s\n", tally->name, (int)MIN(safe.len, (size_t)160), safe.ptr);
    }
}

static void file_score(struct points *score, const char *folder, const char *name,
                       void (*each)(struct points *, const struct value *))
{
    static char line[LINE_BYTES_MAX];
    char path[512];
    snprintf(path, sizeof path, "%s/%s.jsonl.gz", folder, name);
    gzFile file = gzopen(path, "rb");
    assert(file);
    score->count = 0;
    memset(score->tallies, 0, sizeof score->tallies);
    while (gzgets(file, line, sizeof line)) {
        struct json json;
        struct value row;
        arena_reset(&score->arena);
        json_init(&json, &score->arena, str_trim(str_from_c(line)), JSON_DEPTH_MAX);
        if (json_value(&json, json_next(&json), &row))
            each(score, &row);
    }
    gzclose(file);
}

static void tallies_print(const struct points *score, const char *title)
{
    unsigned wanted = 0, found = 0, negatives = 0, hurt = 0, rules = 0;
    double recall_sum = 0;
    printf("\n%s\n%-40s %7s %7s %7s %9s %6s\n", title, "", "wanted", "found", "recall", "negatives",
           "hurt");
    for (size_t i = 0; i < score->count; i++) {
        const struct tally *tally = &score->tallies[i];
        double recall = tally->wanted ? (double)tally->found / tally->wanted : 0;
        printf("%-40s %7u %7u %7.3f %9u %6u\n", tally->name, tally->wanted, tally->found, recall,
               tally->negatives, tally->hurt);
        wanted += tally->wanted;
        found += tally->found;
        negatives += tally->negatives;
        hurt += tally->hurt;
        rules += tally->wanted > 0;
        recall_sum += recall;
    }
    printf("rows: recall %.3f (%u of %u), negatives hurt %u of %u, precision %.3f\n",
           wanted ? (double)found / wanted : 0, found, wanted, hurt, negatives,
           found + hurt ? (double)found / (found + hurt) : 0);
    printf("weighted by name: recall %.3f over %u\n", rules ? recall_sum / rules : 0, rules);
}

int main(int argc, char **argv)
{
    static struct points score;
    struct diag why = DIAG_NONE;
    if (argc < 2) {
        fprintf(stderr, "usage: score_redaction FOLDER [--misses]\n");
        return 2;
    }
    score.show_misses = argc > 2;
    arena_init(&score.arena, ARENA_BYTES);
    if (redactor_new(NULL, &score.redactor, &why) != ERR_OK) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    score.scratch = redact_scratch_new(score.redactor);
    file_score(&score, argv[1], "secrets_dev", secret_row);
    tallies_print(&score, "secrets, by rule");
    file_score(&score, argv[1], "pii_dev", pii_row);
    tallies_print(&score, "personal data, by type");
    file_score(&score, argv[1], "pii_synth_dev", pii_row);
    tallies_print(&score, "personal data in sentences, by type");
    redact_scratch_free(score.scratch);
    redactor_free(score.redactor);
    arena_clear(&score.arena);
    return 0;
}
