/* redact.h -- nothing unredacted goes further than this.
 *
 * One pass over every text of a record (vectorscan: literal-anchored secrets on
 * all bytes, generic kinds where the bytes can match), validators (Luhn, IBAN
 * mod-97, checksums, entropy) on the hits, then replacement by policy.  JSON
 * parts stay valid JSON: leaves are scanned decoded.  Rules: detect.def.
 * Truncation to a preview comes after redaction, never before.
 *
 * Memory:  redactor is immutable and shared; redact_scratch is per worker.
 *          Replaced texts live in the arena.
 * Threads: one scratch per thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "model/record.h"
#include "sys/crypt.h"

enum redact_action { REDACT_MASK /* [REDACTED] or [REDACTED:kind] */, REDACT_HASH, REDACT_KEEP };

struct redact_policy {
    enum redact_action secrets; /* KEEP is refused for secrets (P1) */
    enum redact_action pii;
    bool name_kind;              /* [REDACTED:email] rather than [REDACTED] */
    enum redact_action identity; /* user_id, session_id: KEEP, HASH, or MASK = drop */
    uint32_t preview_chars_max;  /* default 500 */
};
extern const struct redact_policy redact_policy_default;

struct redactor;       /* compiled rules */
struct redact_scratch; /* per thread */

/* hash_key: of REDACT_HASH; without one (NULL) it masks. */
MUST_CHECK enum err redactor_new(const struct crypt_key *hash_key, struct redactor **ret_redactor,
                                 struct diag *reterr_why);
void redactor_free(struct redactor *redactor);
size_t redactor_kind_count(const struct redactor *redactor);
struct redact_scratch *redact_scratch_new(const struct redactor *redactor);
void redact_scratch_free(struct redact_scratch *scratch);

/* Redact every text of the batch in place (texts are replaced, not overwritten),
 * set `redactions` per span and add CONTENT_PREVIEW parts.  ERR_LIMIT only. */
MUST_CHECK enum err redact_batch(const struct redactor *redactor, struct redact_scratch *scratch,
                                 const struct redact_policy *policy, struct arena *arena,
                                 struct batch *batch, struct diag *reterr_why);
/* One text; *ret_count replaced.  For the CLI, error messages and tests. */
MUST_CHECK enum err redact_text(const struct redactor *redactor, struct redact_scratch *scratch,
                                const struct redact_policy *policy, struct arena *arena, str text,
                                str *ret_text, uint32_t *ret_count);
