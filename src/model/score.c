/* score.c -- names of sources, and when two scores are the same.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/score.h"
#include "base/hash.h"

static const str source_names[SCORE_SOURCE_COUNT] = {
    [SCORE_BY_API] = STR("api"),       [SCORE_BY_USER] = STR("user"),
    [SCORE_BY_JUDGE] = STR("judge"),   [SCORE_BY_CODE] = STR("code"),
    [SCORE_BY_HUMAN] = STR("human"),   [SCORE_IS_OUTCOME] = STR("outcome"),
    [SCORE_IS_DEPLOY] = STR("deploy"),
};

str score_source_name(enum score_source source)
{
    return source_names[source];
}

bool score_source_of(str name, enum score_source *ret_source)
{
    static const struct {
        str name;
        enum score_source source;
    } others[] = {
        { STR("llm"), SCORE_BY_JUDGE },       { STR("model"), SCORE_BY_JUDGE },
        { STR("llm_judge"), SCORE_BY_JUDGE }, { STR("ai_judge"), SCORE_BY_JUDGE },
        { STR("eval"), SCORE_BY_JUDGE },      { STR("online_scoring"), SCORE_BY_JUDGE },
        { STR("app"), SCORE_BY_API },         { STR("sdk"), SCORE_BY_API },
        { STR("ui"), SCORE_BY_HUMAN },        { STR("annotation"), SCORE_BY_HUMAN },
        { STR("feedback"), SCORE_BY_USER },   { STR("end_user"), SCORE_BY_USER },
    };
    *ret_source = SCORE_BY_API;
    for (int i = 0; i < SCORE_IS_DEPLOY; i++)
        if (str_equal_nocase(name, source_names[i])) {
            *ret_source = (enum score_source)i;
            return true;
        }
    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (str_equal_nocase(name, others[i].name)) {
            *ret_source = others[i].source;
            return true;
        }
    return false;
}

void score_texts(struct score *score, str *ret_texts[SCORE_TEXTS])
{
    str *const texts[SCORE_TEXTS] = { &score->session_id,        &score->response_id,
                                      &score->tenant_id,         &score->label,
                                      &score->comment,           &score->evaluator,
                                      &score->evaluator_version, &score->judge_model };
    memcpy(ret_texts, texts, sizeof texts);
}

static uint64_t text_hash(str text, uint64_t seed)
{
    return str_is_none(text) ? hash_bytes_seeded("", 0, seed + 1)
                             : hash_bytes_seeded(text.ptr, text.len, seed);
}

static uint64_t identity_half(str project, const struct score *score, str sender_id, uint64_t seed)
{
    uint64_t hash = text_hash(project, seed);
    if (!str_is_none(sender_id) && sender_id.len > 0)
        return text_hash(sender_id, hash + 1);
    const uint8_t flags[] = { score->has_trace_id, score->has_span_id, (uint8_t)score->source };
    hash = hash_bytes_seeded(flags, sizeof flags, hash);
    if (score->has_trace_id)
        hash = hash_bytes_seeded(&score->trace_id, sizeof score->trace_id, hash);
    if (score->has_span_id)
        hash = hash_bytes_seeded(&score->span_id, sizeof score->span_id, hash);
    hash = text_hash(score->session_id, hash);
    hash = text_hash(score->response_id, hash);
    hash = text_hash(score->evaluator, hash);
    return text_hash(score->name, hash);
}

struct id16 score_identity(str project, const struct score *score, str sender_id)
{
    const uint64_t halves[] = { identity_half(project, score, sender_id, 1),
                                identity_half(project, score, sender_id, 2) };
    struct id16 id;
    memcpy(id.bytes, halves, sizeof id.bytes);
    return id;
}
