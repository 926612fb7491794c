/* usage.c -- the sender's token numbers into disjoint buckets (DECISIONS 6).
 *
 * Canonical: input includes cache reads and writes, output includes reasoning
 * (OTel).  Senders disagree; an exclusive count gives itself away when its parts
 * exceed it, or when the sender's total only fits with the parts added.
 * Where nothing tells, the count is taken as inclusive.  Whenever a number was changed
 * sender_usage keeps all of them as sent.  Unknown stays unknown.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "norm/norm_int.h"

static bool knows(const struct norm *norm, enum target target)
{
    return norm->score[target] != 0;
}

/* The count, or 0 when unknown. */
static int64_t count_of(const struct norm *norm, enum target target)
{
    return knows(norm, target) ? norm->use[target - (unsigned)USE_FIRST] : 0;
}

static void use_set(struct norm *norm, enum target target, int64_t count)
{
    norm->use[target - (unsigned)USE_FIRST] = count;
    if (!norm->score[target]) {
        norm->score[target] = 1;
        norm->winner[target] = (struct winner){ NULL, true };
    }
}

/* ---- usage given as one JSON object (Langfuse, LangSmith, MLflow) ---- */

static void use_member(struct norm *norm, const struct value *map, const char *key,
                       enum target target)
{
    const struct value *value = map_get(map, key);
    int64_t count;
    if (value && !knows(norm, target) && value_as_i64(value, &count) && count >= 0)
        use_set(norm, target, count);
}

/* Subsets of a count, in an object of their own: OpenAI's names, then LangChain's. */
static void use_details(struct norm *norm, const struct value *map)
{
    static const struct {
        const char *group;
        const char *key;
        enum target target;
    } details[] = {
        { "prompt_tokens_details", "cached_tokens", TARGET_use_cache_read },
        { "prompt_tokens_details", "audio_tokens", TARGET_use_audio_in },
        { "completion_tokens_details", "reasoning_tokens", TARGET_use_reasoning },
        { "completion_tokens_details", "audio_tokens", TARGET_use_audio_out },
        { "input_tokens_details", "cached_tokens", TARGET_use_cache_read },
        { "output_tokens_details", "reasoning_tokens", TARGET_use_reasoning },
        { "input_token_details", "cache_read", TARGET_use_cache_read },
        { "input_token_details", "cache_creation", TARGET_use_cache_write },
        { "input_token_details", "audio", TARGET_use_audio_in },
        { "output_token_details", "reasoning", TARGET_use_reasoning },
        { "output_token_details", "audio", TARGET_use_audio_out },
    };
    for (size_t i = 0; i < COUNT_OF(details); i++) {
        const struct value *group = map_get(map, details[i].group);
        if (group && group->type == VALUE_MAP)
            use_member(norm, group, details[i].key, details[i].target);
    }
}

/* What Python prints for a dict of numbers, as LiteLLM sends it: quotes and None to JSON's. */
static bool parse_printed(struct norm *norm, str text, struct value *ret)
{
    struct buf *out = &norm->out;
    buf_reset(out);
    for (size_t i = 0; i < text.len; i++) {
        bool is_none = str_starts(str_from(text, i), STR_OF("None"));
        if (is_none)
            buf_add_c(out, "null");
        else
            buf_add_char(out, text.ptr[i] == '\'' ? '"' : text.ptr[i]);
        i += is_none ? 3 : 0;
    }
    return parse_json(norm, out_take(norm), ret);
}

static bool usage_object(struct norm *norm, struct value *ret)
{
    const struct value *value = held(norm, TARGET_use_json);
    if (value && value->type == VALUE_MAP) {
        *ret = *value;
        return true;
    }
    if (!value || value->type != VALUE_STR)
        return false;
    bool is_printed = str_starts(value->text, STR_OF("{'"));
    return (is_printed ? parse_printed(norm, value->text, ret)
                       : parse_json(norm, value->text, ret)) &&
           ret->type == VALUE_MAP;
}

static void take_json(struct norm *norm)
{
    static const struct {
        const char *key;
        enum target target;
    } members[] = {
        { "input", TARGET_use_input },
        { "input_tokens", TARGET_use_input },
        { "prompt_tokens", TARGET_use_input },
        { "promptTokens", TARGET_use_input },
        { "output", TARGET_use_output },
        { "output_tokens", TARGET_use_output },
        { "completion_tokens", TARGET_use_output },
        { "completionTokens", TARGET_use_output },
        { "total", TARGET_use_total },
        { "total_tokens", TARGET_use_total },
        { "totalTokens", TARGET_use_total },
        { "input_cached_tokens", TARGET_use_cache_read },
        { "input_cache_read", TARGET_use_cache_read },
        { "cache_read_input_tokens", TARGET_use_cache_read },
        { "input_cache_creation", TARGET_use_cache_write },
        { "cache_creation_input_tokens", TARGET_use_cache_write },
        { "input_cache_creation_5m", TARGET_use_cache_write_5m },
        { "input_cache_creation_1h", TARGET_use_cache_write_1h },
        { "output_reasoning_tokens", TARGET_use_reasoning },
        { "reasoning_tokens", TARGET_use_reasoning },
    };
    struct value map;
    if (norm->reply_usage)
        map = *norm->reply_usage;
    else if (!usage_object(norm, &map))
        return;
    bool input_is_new = !knows(norm, TARGET_use_input);
    bool output_is_new = !knows(norm, TARGET_use_output);
    for (size_t i = 0; i < COUNT_OF(members); i++)
        use_member(norm, &map, members[i].key, members[i].target);
    use_details(norm, &map);
    /* Langfuse's own keys exclude the cache; OpenAI's and Anthropic's names do not say. */
    int64_t cached = count_of(norm, TARGET_use_cache_read) + count_of(norm, TARGET_use_cache_write);
    if (input_is_new && map_get(&map, "input") && cached > 0) {
        use_set(norm, TARGET_use_input, count_of(norm, TARGET_use_input) + cached);
        norm->odd |= ODD_USAGE_EXCLUSIVE;
    }
    int64_t reasoning = count_of(norm, TARGET_use_reasoning);
    if (output_is_new && map_get(&map, "output") && reasoning > 0)
        use_set(norm, TARGET_use_output, count_of(norm, TARGET_use_output) + reasoning);
}

/* ---- raw numbers as sent ---- */

static void keep_sent(struct norm *norm)
{
    struct buf *out = &norm->out;
    buf_reset(out);
    buf_add_char(out, '{');
    for (unsigned i = 0; i < USE_COUNT; i++) {
        enum target target = (enum target)((unsigned)USE_FIRST + i);
        if (!knows(norm, target) || !norm->winner[target].attr)
            continue;
        if (out->len > 1)
            buf_add_char(out, ',');
        buf_add_json_str(out, norm->winner[target].attr->key);
        buf_add_char(out, ':');
        value_to_json(out, &norm->winner[target].attr->value);
    }
    buf_add_char(out, '}');
    if (out->len > 2)
        SPAN_SET(norm->span, sender_usage, out_take(norm));
}

/* ---- buckets ---- */

static int64_t cache_write_all(const struct norm *norm)
{
    int64_t parts =
        count_of(norm, TARGET_use_cache_write_5m) + count_of(norm, TARGET_use_cache_write_1h);
    return MAX(parts, count_of(norm, TARGET_use_cache_write));
}

/* Make input inclusive; true when it was changed. */
static bool fix_input(struct norm *norm)
{
    int64_t cached = count_of(norm, TARGET_use_cache_read) + cache_write_all(norm);
    if (!knows(norm, TARGET_use_input) || cached == 0)
        return false;
    int64_t input = count_of(norm, TARGET_use_input);
    int64_t total = count_of(norm, TARGET_use_total);
    bool by_total = knows(norm, TARGET_use_total) && knows(norm, TARGET_use_output) &&
                    total == input + cached + count_of(norm, TARGET_use_output);
    bool by_name = norm->is_exclusive || (norm->dialects >> DIALECT_CLAUDE_CODE & 1);
    if (cached <= input && !by_total && !by_name)
        return false;
    use_set(norm, TARGET_use_input, input + cached);
    norm->odd |= ODD_USAGE_EXCLUSIVE;
    return true;
}

/* Make output inclusive of reasoning; true when it was changed. */
static bool fix_output(struct norm *norm)
{
    int64_t reasoning = count_of(norm, TARGET_use_reasoning);
    int64_t output = count_of(norm, TARGET_use_output);
    int64_t total = count_of(norm, TARGET_use_total);
    if (!knows(norm, TARGET_use_output) || reasoning == 0)
        return false;
    bool by_total = knows(norm, TARGET_use_total) && knows(norm, TARGET_use_input) &&
                    total == count_of(norm, TARGET_use_input) + output + reasoning;
    if (reasoning <= output && !by_total)
        return false;
    use_set(norm, TARGET_use_output, output + reasoning);
    norm->odd |= ODD_USAGE_EXCLUSIVE;
    return true;
}

/* What a total tells about a missing side, and the total itself. */
static void fix_total(struct norm *norm)
{
    bool has_input = knows(norm, TARGET_use_input), has_output = knows(norm, TARGET_use_output);
    int64_t input = count_of(norm, TARGET_use_input), output = count_of(norm, TARGET_use_output);
    int64_t total = count_of(norm, TARGET_use_total);
    if (!knows(norm, TARGET_use_total)) {
        bool whole = has_input && (has_output || norm->step == STEP_EMBEDDING);
        if (whole)
            use_set(norm, TARGET_use_total, input + output);
        return;
    }
    if (has_input && !has_output && total >= input)
        use_set(norm, TARGET_use_output, total - input);
    else if (!has_input && has_output && total >= output)
        use_set(norm, TARGET_use_input, total - output);
    else if (has_input && has_output && total != input + output)
        norm->odd |= ODD_USAGE_MISMATCH;
}

static void set_input_buckets(struct norm *norm)
{
    struct span *span = norm->span;
    int64_t read = count_of(norm, TARGET_use_cache_read), write = cache_write_all(norm);
    int64_t audio = count_of(norm, TARGET_use_audio_in),
            image = count_of(norm, TARGET_use_image_in);
    if (knows(norm, TARGET_use_input)) {
        int64_t fresh = count_of(norm, TARGET_use_input) - read - write - audio - image;
        SPAN_SET(span, input_tokens, count_of(norm, TARGET_use_input));
        SPAN_SET(span, input_fresh, MAX(fresh, (int64_t)0));
    }
    if (knows(norm, TARGET_use_cache_read))
        SPAN_SET(span, cache_read, read);
    if (knows(norm, TARGET_use_cache_write_1h))
        SPAN_SET(span, cache_write_1h, count_of(norm, TARGET_use_cache_write_1h));
    if (knows(norm, TARGET_use_cache_write) || knows(norm, TARGET_use_cache_write_5m))
        SPAN_SET(span, cache_write_5m, write - count_of(norm, TARGET_use_cache_write_1h));
    if (SPAN_KNOWS(span, cache_write_5m) || SPAN_KNOWS(span, cache_write_1h))
        SPAN_SET(span, cache_write, write);
    if (knows(norm, TARGET_use_audio_in))
        SPAN_SET(span, audio_in, audio);
}

static void set_output_buckets(struct norm *norm)
{
    struct span *span = norm->span;
    int64_t reasoning = count_of(norm, TARGET_use_reasoning);
    int64_t audio = count_of(norm, TARGET_use_audio_out);
    int64_t image = count_of(norm, TARGET_use_image_out);
    if (knows(norm, TARGET_use_output)) {
        int64_t text = count_of(norm, TARGET_use_output) - reasoning - audio - image;
        SPAN_SET(span, output_tokens, count_of(norm, TARGET_use_output));
        SPAN_SET(span, output_text, MAX(text, (int64_t)0));
    }
    if (knows(norm, TARGET_use_reasoning))
        SPAN_SET(span, reasoning, reasoning);
    if (knows(norm, TARGET_use_audio_out))
        SPAN_SET(span, audio_out, audio);
    if (knows(norm, TARGET_use_image_in) || knows(norm, TARGET_use_image_out))
        SPAN_SET(span, image, image + count_of(norm, TARGET_use_image_in));
}

static bool has_counts(const struct norm *norm)
{
    bool any = false;
    for (unsigned i = 0; i < USE_COUNT; i++)
        any = any || norm->score[(unsigned)USE_FIRST + i];
    return any;
}

/* The word of an export of ours: its counts were put right when they were first received.  Any
 * other word, or one without counts, is an attribute like others. */
static bool is_settled(struct norm *norm, bool has_counts)
{
    static const char *const words[] = { "reported", "partial", "gateway", "estimated" };
    const struct winner *winner = &norm->winner[TARGET_usage_source];
    bool is_known = false;
    if (!SPAN_KNOWS(norm->span, usage_source))
        return false;
    for (size_t i = 0; i < COUNT_OF(words); i++)
        is_known = is_known || str_equal_c(norm->span->usage_source, words[i]);
    if (is_known && has_counts)
        return true;
    span_forget(norm->span, FIELD_usage_source);
    if (has(norm, TARGET_usage_source) && winner->attr && !winner->kept)
        keep_attr(norm, winner->attr);
    return false;
}

/* The sender's counts made inclusive and whole; what it said is kept when that changed something.
 */
static void put_right(struct norm *norm)
{
    bool changed = fix_input(norm);
    changed = fix_output(norm) || changed;
    fix_total(norm);
    if (changed || (norm->odd & (ODD_USAGE_EXCLUSIVE | ODD_USAGE_MISMATCH)))
        keep_sent(norm);
}

void norm_usage(struct norm *norm)
{
    struct span *span = norm->span;
    bool settled = is_settled(norm, has_counts(norm));
    if (!settled && (has(norm, TARGET_use_json) || norm->reply_usage))
        take_json(norm);
    if (!has_counts(norm)) {
        if (norm->step == STEP_MODEL || norm->step == STEP_EMBEDDING)
            SPAN_SET(span, usage_source, STR_OF("unknown"));
        return;
    }
    bool has_input = knows(norm, TARGET_use_input), has_output = knows(norm, TARGET_use_output);
    if (!settled)
        put_right(norm);
    set_input_buckets(norm);
    set_output_buckets(norm);
    if (knows(norm, TARGET_use_total))
        SPAN_SET(span, total_tokens, count_of(norm, TARGET_use_total));
    bool whole = has_input && (has_output || norm->step == STEP_EMBEDDING);
    if (!settled)
        SPAN_SET(span, usage_source, whole ? STR_OF("reported") : STR_OF("partial"));
}
