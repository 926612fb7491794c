/* step.c -- what kind of step a span is (DECISIONS 5).
 *
 * First clue wins: the operation the sender names; a kind attribute of a dialect;
 * a typed attribute that only one kind of span has; HTTP or database attributes;
 * the span's name alone (A6); the root of a trace is a request; else other.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "norm/norm_int.h"

static const str step_texts[STEP_COUNT] = {
    STR(""),       STR("request"),  STR("prompt"), STR("rewrite"),    STR("retrieval"),
    STR("search"), STR("rerank"),   STR("model"),  STR("embedding"),  STR("tool"),
    STR("agent"),  STR("workflow"), STR("guard"),  STR("evaluation"), STR("http"),
    STR("db"),     STR("other"),
};
enum { KIND_SERVER = 2, KIND_CLIENT = 3 };

const char *step_name(enum step step)
{
    assert(step < STEP_COUNT);
    return step_texts[step].ptr;
}

/* A value of a kind attribute, JSON quotes of MLflow off. */
static enum step from_word(struct norm *norm, enum target target)
{
    const struct value *value = held(norm, target);
    if (!value || value->type != VALUE_STR)
        return STEP_NONE;
    str text = value->text;
    if (text.len >= 2 && text.ptr[0] == '"' && text.ptr[text.len - 1] == '"')
        text = str_sub(text, 1, text.len - 2);
    enum step step;
    str operation;
    if (!word_find(text, &step, &operation))
        return STEP_NONE;
    if (operation.len && !SPAN_KNOWS(norm->span, operation))
        SPAN_SET(norm->span, operation, operation);
    return step;
}

static enum step from_operation(struct norm *norm)
{
    struct span *span = norm->span;
    if (!SPAN_KNOWS(span, operation))
        return STEP_NONE;
    enum step step;
    str operation;
    if (!word_find(span->operation, &step, &operation))
        return STEP_NONE;
    if (operation.len)
        span->operation = operation;
    return step;
}

static enum step from_kinds(struct norm *norm)
{
    static const enum target targets[] = { TARGET_is_openinference_kind, TARGET_is_observation_type,
                                           TARGET_is_traceloop_kind, TARGET_is_request_type };
    enum step best = STEP_NONE;
    for (size_t i = 0; i < COUNT_OF(targets) && (best == STEP_NONE || best == STEP_OTHER); i++) {
        enum step step = from_word(norm, targets[i]);
        best = step == STEP_NONE ? best : step;
    }
    return best;
}

static bool db_is_vector(const struct value *system)
{
    static const char *const engines[] = { "pinecone", "chroma",        "qdrant",
                                           "weaviate", "milvus",        "lancedb",
                                           "marqo",    "elasticsearch", "opensearch" };
    for (size_t i = 0; system->type == VALUE_STR && i < COUNT_OF(engines); i++)
        if (str_equal_nocase(system->text, str_from_c(engines[i])))
            return true;
    return false;
}

/* Haystack names a component's class: OpenAIChatGenerator, InMemoryEmbeddingRetriever. */
static enum step from_component(struct norm *norm)
{
    static const struct {
        const char *end;
        enum step step;
    } classes[] = {
        { "Generator", STEP_MODEL },     { "Embedder", STEP_EMBEDDING },
        { "Retriever", STEP_RETRIEVAL }, { "Ranker", STEP_RERANK },
        { "ToolInvoker", STEP_TOOL },    { "PromptBuilder", STEP_PROMPT },
        { "Agent", STEP_AGENT },
    };
    const struct value *type = held(norm, TARGET_is_component);
    for (size_t i = 0; type && type->type == VALUE_STR && i < COUNT_OF(classes); i++)
        if (str_ends(type->text, str_from_c(classes[i].end)))
            return classes[i].step;
    return STEP_NONE;
}

/* Haystack names no operation. */
static void component_operation(struct norm *norm)
{
    static const struct {
        enum step step;
        str operation;
    } operations[] = {
        { STEP_TOOL, STR("execute_tool") },        { STEP_AGENT, STR("invoke_agent") },
        { STEP_RETRIEVAL, STR("retrieval") },      { STEP_EMBEDDING, STR("embeddings") },
        { STEP_WORKFLOW, STR("invoke_workflow") },
    };
    bool is_silent = norm->dialects >> DIALECT_HAYSTACK & 1 && !SPAN_KNOWS(norm->span, operation);
    for (size_t i = 0; is_silent && i < COUNT_OF(operations); i++)
        if (operations[i].step == norm->step)
            SPAN_SET(norm->span, operation, operations[i].operation);
    const struct value *type = held(norm, TARGET_is_component);
    if (is_silent && norm->step == STEP_MODEL && type && type->type == VALUE_STR &&
        str_ends(type->text, STR_OF("ChatGenerator")))
        SPAN_SET(norm->span, operation, STR_OF("chat"));
}

static enum step from_fields(struct norm *norm, const struct raw_span *raw)
{
    const struct span *span = norm->span;
    if (SPAN_KNOWS(span, tool_name) || SPAN_KNOWS(span, tool_call_id))
        return STEP_TOOL;
    if (SPAN_KNOWS(span, guard_name) || SPAN_KNOWS(span, guard_verdict))
        return STEP_GUARD;
    if (has(norm, TARGET_is_reranker_model))
        return STEP_RERANK;
    if (has(norm, TARGET_is_embedding_model))
        return STEP_EMBEDDING;
    if (has(norm, TARGET_is_db)) {
        const struct value *system = held(norm, TARGET_is_db);
        return has(norm, TARGET_is_vector) || db_is_vector(system) ? STEP_SEARCH : STEP_DB;
    }
    if (SPAN_KNOWS(span, request_model) || SPAN_KNOWS(span, response_id) ||
        SPAN_KNOWS(span, finish_reason))
        return STEP_MODEL;
    if (SPAN_KNOWS(span, retriever) || SPAN_KNOWS(span, top_k_returned))
        return STEP_RETRIEVAL;
    if (has(norm, TARGET_is_http)) {
        bool is_entry = raw->kind == KIND_SERVER || !SPAN_KNOWS(span, parent_span_id);
        return is_entry && raw->kind != KIND_CLIENT ? STEP_REQUEST : STEP_HTTP;
    }
    return STEP_NONE;
}

static bool name_is_http(str name)
{
    static const str methods[] = { STR("GET "),    STR("POST "),  STR("PUT "),
                                   STR("DELETE "), STR("PATCH "), STR("HEAD ") };
    for (size_t i = 0; i < COUNT_OF(methods); i++)
        if (str_starts(name, methods[i]))
            return true;
    return false;
}

/* "chat gpt-4o", "execute_tool search": OTel's span names begin with the operation. */
static enum step from_first_word(str name)
{
    size_t space = str_find_char(name, ' ');
    enum step step;
    str operation;
    str first = str_sub(name, 0, space);
    bool whole = space == name.len && str_find_char(first, '_') == first.len;
    if (whole || !word_find(first, &step, &operation) || operation.len == 0)
        return STEP_NONE;
    return step;
}

static enum step from_name(struct norm *norm, const struct raw_span *raw)
{
    enum step step;
    bool is_root = id8_is_zero(raw->parent_span_id);
    if (name_find(raw->name, &step)) {
        if (step == STEP_REQUEST && !is_root)
            return name_is_http(raw->name) ? STEP_HTTP : STEP_WORKFLOW;
        return step;
    }
    if (name_is_http(raw->name))
        return raw->kind == KIND_SERVER || (is_root && raw->kind != KIND_CLIENT) ? STEP_REQUEST
                                                                                 : STEP_HTTP;
    (void)norm;
    return from_first_word(raw->name);
}

static bool name_is_specific(str name)
{
    enum step step;
    return name_find(name, &step) && step != STEP_REQUEST;
}

/* The operator's mapping says which attribute tells: one of our words or of the dialects'. */
static enum step from_mapping(struct norm *norm)
{
    const struct value *value = held(norm, TARGET_is_step);
    for (unsigned i = 1; value && value->type == VALUE_STR && i < STEP_COUNT; i++)
        if (str_equal_nocase(value->text, step_texts[i]))
            return (enum step)i;
    return from_word(norm, TARGET_is_step);
}

/* Senders whose operation is known to be wrong. */
static enum step corrected(struct norm *norm, const struct raw_span *raw, enum step step)
{
    enum step named;
    if (step == STEP_EMBEDDING && from_kinds(norm) == STEP_RETRIEVAL) {
        SPAN_SET(norm->span, operation, STR_OF("retrieval"));
        return STEP_RETRIEVAL; /* LangSmith's export has "embeddings" for a retriever */
    }
    if (step == STEP_MODEL && str_ends(raw->name, STR_OF("._prepare_chat_with_tools")))
        return STEP_PROMPT; /* LlamaIndex's LLM class at work, but no call */
    if (step == STEP_MODEL && name_find(raw->name, &named) && named == STEP_EMBEDDING) {
        SPAN_SET(norm->span, operation, STR_OF("embeddings"));
        return named; /* Langfuse's wrapper calls every call of OpenAI a generation */
    }
    return step;
}

/* What its attributes say. */
static enum step from_attributes(struct norm *norm, const struct raw_span *raw)
{
    bool is_mapped = has(norm, TARGET_is_step);
    enum step step = is_mapped ? from_mapping(norm) : STEP_NONE;
    if (step == STEP_NONE)
        step = from_operation(norm);
    if (step == STEP_NONE || step == STEP_OTHER) {
        enum step kind = from_kinds(norm);
        step = kind == STEP_NONE ? step : kind;
    }
    return is_mapped ? step : corrected(norm, raw, step);
}

void norm_step(struct norm *norm, const struct raw_span *raw)
{
    enum step step = from_attributes(norm, raw);
    if (step == STEP_NONE)
        step = from_component(norm);
    if (step == STEP_NONE && name_is_specific(raw->name))
        step = from_name(norm, raw);
    if (step == STEP_NONE || step == STEP_OTHER) {
        enum step field = from_fields(norm, raw);
        step = field == STEP_NONE ? step : field;
    }
    norm->step = step;
    if (step == STEP_NONE && raw->is_addition && raw->name.len == 0)
        return; /* a part that does not say: the other one will */
    if (step == STEP_NONE)
        step = from_name(norm, raw);
    if (step == STEP_NONE)
        step = id8_is_zero(raw->parent_span_id) ? STEP_REQUEST : STEP_OTHER;
    norm->step = step;
    component_operation(norm);
    SPAN_SET(norm->span, step, step_texts[step]);
}
