/* guard.c -- what a guard found: libraries say it with words and shapes of their own.
 *
 * NeMo Guardrails: a rail that stopped.  Of its rails only those that check are guards; the
 * others make the answer.  Guardrails AI: a validator's outcome is in what it returned, and a
 * check that raised an exception blocked the answer.  Guard models (Llama Guard and its kind)
 * answer "safe" or "unsafe" and the policies violated: the call stays a model call, with a
 * verdict.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "norm/norm_int.h"

enum { ANSWER_BYTES_MAX = 4096 }; /* guard models say little */

static bool speaks(const struct norm *norm, enum dialect dialect)
{
    return norm->dialects >> dialect & 1;
}

static void step_is_workflow(struct norm *norm)
{
    norm->step = STEP_WORKFLOW;
    SPAN_SET(norm->span, step, STR_OF("workflow"));
}

static void set_verdict(struct span *span, bool is_pass)
{
    SPAN_SET(span, guard_verdict, is_pass ? STR_OF("pass") : STR_OF("fail"));
}

static void nemo(struct norm *norm)
{
    static const str makers[] = { STR("dialog"), STR("generation") };
    struct span *span = norm->span;
    for (size_t i = 0; SPAN_KNOWS(span, safety_stage) && i < COUNT_OF(makers); i++)
        if (str_equal(span->safety_stage, makers[i])) {
            step_is_workflow(norm);
            span_forget(span, FIELD_safety_blocked); /* nothing was checked */
            return;
        }
}

/* {"outcome": "fail", ...} as the validator returned it. */
static void take_outcome(struct norm *norm)
{
    const struct value *output = held(norm, TARGET_text_output);
    struct value result;
    if (!output || output->type != VALUE_STR || !str_starts(output->text, STR_OF("{")) ||
        !parse_json(norm, output->text, &result))
        return;
    const struct value *outcome = map_get(&result, "outcome");
    if (!outcome || outcome->type != VALUE_STR)
        return;
    bool is_pass = str_equal_c(outcome->text, "pass");
    if (is_pass || str_equal_c(outcome->text, "fail"))
        set_verdict(norm->span, is_pass);
}

static void guardrails_ai(struct norm *norm, const struct raw_span *raw)
{
    enum { STATUS_ERROR = 2 };
    struct span *span = norm->span;
    if (SPAN_KNOWS(span, user_id) && str_equal_c(span->user_id, "unknown"))
        span_forget(span, FIELD_user_id); /* it says so of everybody */
    if (str_equal_c(raw->name, "step") || str_equal_c(raw->name, "call")) {
        step_is_workflow(norm);
        return;
    }
    if (!SPAN_KNOWS(span, guard_verdict))
        take_outcome(norm);
    if (raw->status_code != STATUS_ERROR)
        return;
    set_verdict(span, false);
    SPAN_SET(span, safety_blocked, true);
}

void norm_guard(struct norm *norm, const struct raw_span *raw)
{
    struct span *span = norm->span;
    if (norm->step == STEP_GUARD && speaks(norm, DIALECT_NEMO))
        nemo(norm);
    if (norm->step == STEP_GUARD && speaks(norm, DIALECT_GUARDRAILS))
        guardrails_ai(norm, raw);
    if (norm->step == STEP_GUARD && SPAN_KNOWS(span, safety_blocked) &&
        !SPAN_KNOWS(span, guard_verdict))
        set_verdict(span, !span->safety_blocked);
}

/* ---- guard models ---- */

static bool is_guard_model(const struct span *span)
{
    static const str names[] = { STR("llama-guard"),      STR("llamaguard"),  STR("shieldgemma"),
                                 STR("granite-guardian"), STR("llama_guard"), STR("wildguard") };
    enum { NAME_MAX_LEN = 200 };
    char lower[NAME_MAX_LEN];
    bool has_own = SPAN_KNOWS(span, generator_model);
    if (!has_own && !SPAN_KNOWS(span, request_model))
        return false;
    str model = str_sub(has_own ? span->generator_model : span->request_model, 0, sizeof lower);
    for (size_t i = 0; i < model.len; i++)
        lower[i] =
            (char)(model.ptr[i] >= 'A' && model.ptr[i] <= 'Z' ? model.ptr[i] + 32 : model.ptr[i]);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_find(str_make(lower, model.len), names[i]) < model.len)
            return true;
    return false;
}

/* The first text of the answer in canonical form. */
static str answer_text(struct norm *norm)
{
    const struct content_part *part = span_part(norm->span, CONTENT_OUTPUT);
    struct value messages;
    if (!part || part->json.len > ANSWER_BYTES_MAX || !parse_json(norm, part->json, &messages) ||
        messages.type != VALUE_ARRAY || messages.count == 0)
        return STR_NONE;
    const struct value *parts = map_get(&messages.items[0], "parts");
    for (uint32_t i = 0; parts && parts->type == VALUE_ARRAY && i < parts->count; i++) {
        const struct value *content = map_get(&parts->items[i], "content");
        if (content && content->type == VALUE_STR)
            return str_trim(content->text);
    }
    return STR_NONE;
}

void norm_guard_model(struct norm *norm)
{
    struct span *span = norm->span;
    if (norm->step != STEP_MODEL || SPAN_KNOWS(span, guard_verdict) || !is_guard_model(span))
        return;
    str text = answer_text(norm);
    bool is_safe = str_equal_nocase(str_sub(text, 0, 4), STR_OF("safe"));
    if (!is_safe && !str_equal_nocase(str_sub(text, 0, 6), STR_OF("unsafe")))
        return;
    set_verdict(span, is_safe);
    if (!SPAN_KNOWS(span, guard_name))
        SPAN_SET(span, guard_name,
                 SPAN_KNOWS(span, generator_model) ? span->generator_model : span->request_model);
}
