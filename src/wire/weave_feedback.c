/* weave_feedback.c -- feedback of Weave into a score: reactions, notes, annotations, scorers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/check.h"
#include "base/text.h"
#include "wire/weave_int.h"
#include <math.h>

/* "weave:///e/p/call/<id>": what it is about; STR_NONE: not a call. */
static str call_of(str ref)
{
    size_t at = str_find(ref, STR_OF("/call/"));
    str id = str_from(ref, at + STR_OF("/call/").len);
    return at < ref.len ? str_sub(id, 0, str_find_char(id, '/')) : STR_NONE;
}

/* A number, a yes or no, or a word. */
static void take_value(struct score *score, const struct value *value)
{
    double number;
    if (value && value->type == VALUE_STR && value->text.len) {
        score->label = str_sub(value->text, 0, SCORE_TEXT_BYTES_MAX);
    } else if (value && value->type == VALUE_BOOL) {
        score->type = SCORE_BOOL;
        score->value = value->boolean;
        score->has_value = true;
    } else if (value && (value->type == VALUE_I64 || value->type == VALUE_F64) &&
               value_as_f64(value, &number) && isfinite(number)) {
        score->type = SCORE_NUMBER;
        score->value = number;
        score->has_value = true;
    }
}

/* Its name and value by Weave's own kinds; others name themselves. */
static void take_kind(struct score *score, str kind, const struct value *payload)
{
    static const str human = STR("wandb.annotation."), code = STR("wandb.runnable.");
    score->name = kind;
    if (str_equal_c(kind, "wandb.reaction.1")) {
        score->name = STR_OF("reaction");
        score->source = SCORE_BY_HUMAN;
        take_value(score, tree_get(payload, "emoji"));
        return;
    }
    if (str_equal_c(kind, "wandb.note.1")) {
        score->name = STR_OF("note");
        score->source = SCORE_BY_HUMAN;
        score->comment = tree_text_as_sent(payload, "note");
        return;
    }
    if (str_starts(kind, human)) {
        score->name = str_from(kind, human.len);
        score->source = SCORE_BY_HUMAN;
    } else if (str_starts(kind, code)) {
        score->name = str_from(kind, code.len);
        score->source = SCORE_BY_CODE;
    }
    const struct value *value = tree_get(payload, "value");
    const struct value *output = tree_get(payload, "output");
    value = value ? value : output;
    for (int depth = 0; value && value->type == VALUE_MAP && value->count == 1 && depth < 4;
         depth++)
        value = &value->attrs[0].value; /* a scorer's {"passed": true} */
    take_value(score, value);
}

static void write_answer(struct weave *weave, str id, const struct value *payload)
{
    struct buf *out = &weave->reply;
    buf_add_c(out, "{\"id\":");
    buf_add_json_str(out, id);
    buf_add_c(out, ",\"created_at\":\"");
    time_format(out, weave->now_ns, 6);
    buf_add_c(out, "\",\"wb_user_id\":\"\",\"payload\":");
    if (payload)
        value_to_json(out, payload);
    else
        buf_add_c(out, "{}");
    buf_add_char(out, '}');
}

/* The sender's, or one made of what it says. */
static str id_of(struct weave *weave, const struct value *feedback)
{
    str id = tree_text_as_sent(feedback, "id");
    if (!str_is_empty(id))
        return id;
    struct value json = weave_json(weave, feedback);
    struct id16 hash = native_trace_id(json.type == VALUE_STR ? json.text : STR_OF("?"));
    char hex[33];
    hex_encode(&hash, sizeof hash, hex);
    str made = arena_printf(weave->arena, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
                            hex + 16, hex + 20);
    weave->is_spent = weave->is_spent || str_is_none(made);
    return str_is_none(made) ? STR_OF("") : made;
}

bool weave_score(struct weave *weave, const struct value *feedback, const char **ret_why)
{
    struct score score = { .type = SCORE_LABEL, .source = SCORE_BY_API };
    str *texts[SCORE_TEXTS];
    score_texts(&score, texts);
    for (size_t i = 0; i < SCORE_TEXTS; i++)
        *texts[i] = STR_NONE;
    const struct value *payload = tree_get(feedback, "payload");
    str kind = tree_text_as_sent(feedback, "feedback_type"),
        ref = tree_text_as_sent(feedback, "weave_ref");
    str call = str_is_none(ref) ? STR_NONE : call_of(ref);
    *ret_why = "feedback_type is missing or too long";
    if (str_is_empty(kind) || kind.len > SCORE_NAME_BYTES_MAX)
        return false;
    *ret_why = "weave_ref does not name a call";
    if (str_is_empty(call))
        return false;
    score.span_id = native_span_id(call);
    score.has_span_id = true;
    take_kind(&score, kind, payload);
    score.evaluator = tree_text_as_sent(feedback, "runnable_ref");
    struct native_attrs attrs = { 0 };
    for (uint32_t i = 0; payload && payload->type == VALUE_MAP && i < payload->count; i++)
        if (payload->attrs[i].value.type == VALUE_MAP ||
            payload->attrs[i].value.type == VALUE_ARRAY)
            weave->is_spent = !native_attr_add(weave->arena, &attrs, payload->attrs[i].key,
                                               payload->attrs[i].value) ||
                              weave->is_spent;
    str creator = tree_text_as_sent(feedback, "creator");
    weave->is_spent =
        !native_text_add(weave->arena, &attrs, STR_OF("creator"), creator) || weave->is_spent;
    score.attrs = attrs.items;
    score.attr_count = MIN(attrs.count, weave->limits->attrs_max);
    struct raw_score *to = native_score_new(weave->arena, &weave->items);
    weave->is_spent = weave->is_spent || !to;
    str id = id_of(weave, feedback);
    if (to)
        *to = (struct raw_score){ score, id };
    write_answer(weave, id, payload);
    return true;
}
