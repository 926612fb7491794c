/* object.c -- attributes that are JSON objects with fields of ours inside.
 *
 * Their members have names that mean something only there ("name", "version",
 * "cache_read"), so dialect.def cannot have rows for them.  The attribute itself stays in
 * attrs[] as it came; a field that the span has by an attribute of its own wins.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/text.h"
#include "norm/norm_int.h"

static bool object_of(struct norm *norm, enum target target, struct value *ret)
{
    const struct value *value = held(norm, target);
    if (!value)
        return false;
    *ret = *value;
    if (value->type == VALUE_STR && !parse_json(norm, value->text, ret))
        return false;
    return ret->type == VALUE_MAP;
}

/* {"name":"support","version":17} of a prompt store. */
static void take_prompt(struct norm *norm, const struct value *map)
{
    const struct value *name = map_get(map, "name"), *version = map_get(map, "version");
    str text;
    if (name && !SPAN_KNOWS(norm->span, prompt_template_id) && convert_text(norm, name, &text))
        SPAN_SET(norm->span, prompt_template_id, text);
    if (version && !SPAN_KNOWS(norm->span, prompt_version) && convert_text(norm, version, &text))
        SPAN_SET(norm->span, prompt_version, text);
}

/* A count of the provider's own that the SDK did not make an attribute of. */
static void take_count(struct norm *norm, const struct value *map, const char *key,
                       enum target target)
{
    const struct value *value = map_get(map, key);
    int64_t count;
    if (!value || has(norm, target) || !value_as_i64(value, &count) || count < 0)
        return;
    norm->use[target - (unsigned)USE_FIRST] = count;
    norm->score[target] = 1;
    norm->winner[target] = (struct winner){ NULL, true };
}

/* AI SDK: {"anthropic":{"usage":{...}}}, {"openai":{"serviceTier":...}}. */
static void take_provider(struct norm *norm, const struct value *map)
{
    const struct value *usage = map_get(map_get(map, "anthropic"), "usage");
    const struct value *written = map_get(usage, "cache_creation");
    const struct value *tier = map_get(map_get(map, "openai"), "serviceTier");
    str text;
    const struct value *raw_input = map_get(usage, "input_tokens");
    int64_t input;
    take_count(norm, usage, "cache_read_input_tokens", TARGET_use_cache_read);
    take_count(norm, usage, "cache_creation_input_tokens", TARGET_use_cache_write);
    if (raw_input && value_as_i64(raw_input, &input) && has(norm, TARGET_use_input) &&
        input == norm->use[TARGET_use_input - (unsigned)USE_FIRST])
        norm->is_exclusive = true; /* Anthropic's own number, passed on unchanged */
    take_count(norm, written, "ephemeral_5m_input_tokens", TARGET_use_cache_write_5m);
    take_count(norm, written, "ephemeral_1h_input_tokens", TARGET_use_cache_write_1h);
    usage = map_get(map_get(map, "bedrock"), "usage");
    take_count(norm, usage, "cacheReadInputTokens", TARGET_use_cache_read);
    take_count(norm, usage, "cacheWriteInputTokens", TARGET_use_cache_write);
    usage = map_get(map, "openai");
    take_count(norm, usage, "cachedPromptTokens", TARGET_use_cache_read);
    take_count(norm, usage, "reasoningTokens", TARGET_use_reasoning);
    if (tier && !SPAN_KNOWS(norm->span, service_tier) && convert_text(norm, tier, &text))
        SPAN_SET(norm->span, service_tier, text);
}

/* LangSmith: what of the input was read from a cache, what of the output was thought. */
static void take_details(struct norm *norm)
{
    struct value map;
    if (object_of(norm, TARGET_object_input_details, &map)) {
        take_count(norm, &map, "cache_read", TARGET_use_cache_read);
        take_count(norm, &map, "cache_creation", TARGET_use_cache_write);
        take_count(norm, &map, "audio", TARGET_use_audio_in);
    }
    if (object_of(norm, TARGET_object_output_details, &map)) {
        take_count(norm, &map, "reasoning", TARGET_use_reasoning);
        take_count(norm, &map, "audio", TARGET_use_audio_out);
    }
}

void norm_objects(struct norm *norm)
{
    struct value map;
    take_details(norm);
    if (object_of(norm, TARGET_object_prompt, &map))
        take_prompt(norm, &map);
    if (object_of(norm, TARGET_object_provider, &map))
        take_provider(norm, &map);
}

/* The time of the first token as a time of day, perhaps in quotes of its own. */
void norm_first_token_time(struct norm *norm)
{
    struct span *span = norm->span;
    const struct value *value = held(norm, TARGET_is_first_token_time);
    int64_t time_ns;
    if (!value || value->type != VALUE_STR || SPAN_KNOWS(span, ttft_ns))
        return;
    str text = str_trim(value->text);
    if (text.len >= 2 && text.ptr[0] == '"')
        text = str_sub(text, 1, text.len - 2);
    if (!time_parse(text, &time_ns))
        return;
    if (!SPAN_KNOWS(span, start_time)) {
        SPAN_SET(span, first_token_time, time_ns);
        return;
    }
    if (time_ns + NS_PER_MS <= span->start_time)
        return; /* clocks of JavaScript cut to milliseconds */
    SPAN_SET(span, ttft_ns, MAX(time_ns - span->start_time, (int64_t)0));
}
