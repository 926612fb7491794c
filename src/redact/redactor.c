/* redactor.c -- making and unmaking the redactor and the per-thread scratch.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "redact/redact_int.h"

enum {
    GATHER_BYTES_MAX = 1 << 30,
    TEMPORARY_BYTES_MAX = 1 << 30,
    SPAN_PREVIEW_CHARS = 500,
};

const struct redact_policy redact_policy_default = {
    .secrets = REDACT_MASK,
    .pii = REDACT_MASK,
    .name_kind = false,
    .identity = REDACT_KEEP,
    .preview_chars_max = SPAN_PREVIEW_CHARS,
};

static void kinds_number(struct redactor *redactor)
{
    for (size_t i = 0; i < rule_count; i++) {
        size_t kind = 0;
        while (kind < redactor->kind_count &&
               strcmp(redactor->kind_names[kind], rule_table[i].kind) != 0)
            kind++;
        if (kind == redactor->kind_count)
            redactor->kind_names[redactor->kind_count++] = rule_table[i].kind;
        redactor->kinds[i] = (uint32_t)kind;
    }
}

enum err redactor_new(const struct crypt_key *hash_key, struct redactor **ret_redactor,
                      struct diag *reterr_why)
{
    struct redactor *redactor = xcalloc(1, sizeof *redactor);
    redactor->shapes = xcalloc(rule_count, sizeof *redactor->shapes);
    redactor->head_widths = xcalloc(rule_count, sizeof *redactor->head_widths);
    redactor->kinds = xcalloc(rule_count, sizeof *redactor->kinds);
    redactor->kind_names = xcalloc(rule_count, sizeof *redactor->kind_names);
    kinds_number(redactor);
    if (hash_key) {
        redactor->has_key = true;
        redactor->key = *hash_key;
    }
    str prepared = str_make((const char *)rules_prepared, rules_prepared_bytes);
    enum err code = rules_load(redactor, prepared, reterr_why);
    if (code != ERR_OK) {
        redactor_free(redactor);
        return code;
    }
    *ret_redactor = redactor;
    return ERR_OK;
}

void redactor_free(struct redactor *redactor)
{
    if (!redactor)
        return;
    hs_free_database(redactor->literals);
    hs_free_database(redactor->patterns);
    crypt_wipe(&redactor->key, sizeof redactor->key);
    xfree(redactor->shapes);
    xfree(redactor->head_widths);
    xfree(redactor->kinds);
    xfree(redactor->kind_names);
    xfree(redactor);
}

size_t redactor_kind_count(const struct redactor *redactor)
{
    return redactor->kind_count;
}

struct redact_scratch *redact_scratch_new(const struct redactor *redactor)
{
    struct redact_scratch *scratch = xcalloc(1, sizeof *scratch);
    scratch->redactor = redactor;
    hs_error_t code = hs_alloc_scratch(redactor->literals, &scratch->hs);
    if (code == HS_SUCCESS)
        code = hs_alloc_scratch(redactor->patterns, &scratch->hs);
    assert(code == HS_SUCCESS);
    if (redactor->has_key)
        scratch->mac = crypt_mac_new(&redactor->key);
    scratch->counts = xcalloc(redactor->kind_count, sizeof *scratch->counts);
    buf_init(&scratch->gather, GATHER_BYTES_MAX);
    buf_init(&scratch->gather_ids, GATHER_BYTES_MAX);
    buf_init(&scratch->flat, GATHER_BYTES_MAX);
    buf_init(&scratch->joined, GATHER_BYTES_MAX);
    buf_init(&scratch->out[0], GATHER_BYTES_MAX);
    buf_init(&scratch->out[1], GATHER_BYTES_MAX);
    arena_init(&scratch->temporary, TEMPORARY_BYTES_MAX);
    batch_fields_mask(scratch->field_mask);
    crypt_random(&scratch->clean_seed, sizeof scratch->clean_seed);
    return scratch;
}

void redact_scratch_free(struct redact_scratch *scratch)
{
    if (!scratch)
        return;
    hs_free_scratch(scratch->hs);
    if (scratch->mac)
        crypt_mac_free(scratch->mac);
    buf_clear(&scratch->gather);
    buf_clear(&scratch->gather_ids);
    buf_clear(&scratch->flat);
    buf_clear(&scratch->joined);
    buf_clear(&scratch->out[0]);
    buf_clear(&scratch->out[1]);
    arena_clear(&scratch->temporary);
    xfree(scratch->counts);
    xfree(scratch->hits);
    xfree(scratch);
}

enum err redact_text(const struct redactor *redactor, struct redact_scratch *scratch,
                     const struct redact_policy *policy, struct arena *arena, str text,
                     str *ret_text, uint32_t *ret_count)
{
    assert(scratch->redactor == redactor);
    memset(scratch->counts, 0, redactor->kind_count * sizeof *scratch->counts);
    scratch->replaced_count = 0;
    enum err code = scan_replace(scratch, policy, arena, STR_NONE, text, ret_text);
    if (code == ERR_OK && ret_count)
        *ret_count = scratch->replaced_count;
    return code;
}
