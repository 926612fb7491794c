/* test_alias.c -- every alias of group A gives its canonical field, and span names their step.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "norm_help.h"

#define TEXT(literal)                                                                              \
    {                                                                                              \
        .type = VALUE_STR, .text = STR(literal)                                                    \
    }
#define INT(number)                                                                                \
    {                                                                                              \
        .type = VALUE_I64, .i64 = number                                                           \
    }
#define DOUBLE(number)                                                                             \
    {                                                                                              \
        .type = VALUE_F64, .f64 = number                                                           \
    }
#define TRUTH(truth)                                                                               \
    {                                                                                              \
        .type = VALUE_BOOL, .boolean = truth                                                       \
    }

static struct value three_texts[] = { TEXT("a"), TEXT("b"), TEXT("c") };
static struct value one_text[] = { TEXT("stop") };
static struct value two_numbers[] = { DOUBLE(0.5), DOUBLE(0.25) };
#define TEXTS                                                                                      \
    {                                                                                              \
        .type = VALUE_ARRAY, .count = 3, .items = three_texts                                      \
    }

/* clang-format off */
static const struct {
    const char *id, *key;
    struct value value;
    const char *field, *json;
} aliases[] = {
    { "A3",  "request_id",                   TEXT("req_123"), "request_id", "\"req_123\"" },
    { "A3",  "app.request_id",               TEXT("req_123"), "request_id", "\"req_123\"" },
    { "A3",  "x-request-id",                 TEXT("req_123"), "request_id", "\"req_123\"" },
    { "A4",  "correlation_id",               TEXT("c1"),      "correlation_id", "\"c1\"" },
    { "A4",  "x-correlation-id",             TEXT("c1"),      "correlation_id", "\"c1\"" },
    { "A7",  "app.feature",                  TEXT("support_assistant"), "feature", "\"support_assistant\"" },
    { "A7",  "feature",                      TEXT("support_assistant"), "feature", "\"support_assistant\"" },
    { "A8",  "app.tenant_id",                TEXT("tenant_abc"), "tenant_id", "\"tenant_abc\"" },
    { "A8",  "tenant_id",                    TEXT("tenant_abc"), "tenant_id", "\"tenant_abc\"" },
    { "A8",  "tenant.id",                    TEXT("tenant_abc"), "tenant_id", "\"tenant_abc\"" },
    { "A9",  "user.id",                      TEXT("u1"), "user_id", "\"u1\"" },
    { "A9",  "user_id",                      TEXT("u1"), "user_id", "\"u1\"" },
    { "A9",  "enduser.id",                   INT(7),     "user_id", "\"7\"" },
    { "A10", "session.id",                   TEXT("s1"), "session_id", "\"s1\"" },
    { "A10", "session_id",                   TEXT("s1"), "session_id", "\"s1\"" },
    { "A10", "gen_ai.conversation.id",       TEXT("s1"), "session_id", "\"s1\"" },
    { "A10", "conversation_id",              TEXT("s1"), "session_id", "\"s1\"" },
    { "A11", "deployment.environment",       TEXT("prod"), "environment", "\"prod\"" },
    { "A11", "deployment.environment.name",  TEXT("prod"), "environment", "\"prod\"" },
    { "A11", "environment",                  TEXT("prod"), "environment", "\"prod\"" },
    { "A12", "cloud.region",                 TEXT("eu"), "region", "\"eu\"" },
    { "A12", "region",                       TEXT("eu"), "region", "\"eu\"" },
    { "A12", "server.region",                TEXT("eu"), "region", "\"eu\"" },
    { "A13", "http.route",                   TEXT("/ask"), "endpoint", "\"/ask\"" },
    { "A13", "http.target",                  TEXT("/ask?q=1"), "endpoint", "\"/ask\"" },
    { "A13", "url.path",                     TEXT("/ask"), "endpoint", "\"/ask\"" },
    { "A14", "service.name",                 TEXT("svc"), "service", "\"svc\"" },
    { "A14", "peer.service",                 TEXT("db"), "peer_service", "\"db\"" },
    { "A14", "server.address",               TEXT("api.x"), "peer_service", "\"api.x\"" },
    { "A15", "service.version",              TEXT("1.2"), "release", "\"1.2\"" },
    { "A15", "app.release",                  TEXT("1.2"), "release", "\"1.2\"" },
    { "A15", "release",                      TEXT("1.2"), "release", "\"1.2\"" },
    { "A16", "app.source",                   TEXT("batch"), "source", "\"batch\"" },
    { "A16", "app.integration",              TEXT("slack"), "source", "\"slack\"" },
    { "A16", "source",                       TEXT("batch"), "source", "\"batch\"" },
    { "A17", "app.query_category",           TEXT("billing"), "query_category", "\"billing\"" },
    { "A17", "query_category",               TEXT("billing"), "query_category", "\"billing\"" },
    { "A17", "query_type",                   TEXT("billing"), "query_category", "\"billing\"" },
    { "A18", "gen_ai.system",                TEXT("openai"), "provider", "\"openai\"" },
    { "A18", "gen_ai.provider.name",         TEXT("openai"), "provider", "\"openai\"" },
    { "A18", "provider",                     TEXT("openai"), "provider", "\"openai\"" },
    { "A19", "gen_ai.operation.name",        TEXT("chat"), "operation", "\"chat\"" },
    { "A20", "gen_ai.request.model",         TEXT("gpt-4o-mini"), "request_model", "\"gpt-4o-mini\"" },
    { "A20", "model",                        TEXT("gpt-4o-mini"), "request_model", "\"gpt-4o-mini\"" },
    { "A21", "gen_ai.response.model",        TEXT("gpt-4o-mini"), "generator_model", "\"gpt-4o-mini\"" },
    { "A21", "generator_model",              TEXT("gpt-4o-mini"), "generator_model", "\"gpt-4o-mini\"" },
    { "A21", "gen_ai.request.model",         TEXT("gpt-4o-mini"), "generator_model", "\"gpt-4o-mini\"" },
    { "A21", "model",                        TEXT("gpt-4o-mini"), "generator_model", "\"gpt-4o-mini\"" },
    { "A22", "gen_ai.request.temperature",   DOUBLE(0.5), "temperature", "0.5" },
    { "A22", "temperature",                  TEXT("0.5"), "temperature", "0.5" },
    { "A23", "gen_ai.request.top_p",         DOUBLE(0.5), "top_p", "0.5" },
    { "A23", "top_p",                        DOUBLE(0.5), "top_p", "0.5" },
    { "A24", "gen_ai.request.max_tokens",    INT(100), "max_tokens", "100" },
    { "A24", "max_tokens",                   TEXT("100"), "max_tokens", "100" },
    { "A25", "gen_ai.request.top_k",         INT(5), "parameters", "{\"top_k\":5}" },
    { "A26", "app.prompt_version",           TEXT("support-v17"), "prompt_version", "\"support-v17\"" },
    { "A26", "llm.prompt.version",           TEXT("support-v17"), "prompt_version", "\"support-v17\"" },
    { "A26", "prompt_version",               TEXT("support-v17"), "prompt_version", "\"support-v17\"" },
    { "A26", "gen_ai.prompt.version",        TEXT("support-v17"), "prompt_version", "\"support-v17\"" },
    { "A27", "prompt_template_id",           TEXT("t"), "prompt_template_id", "\"t\"" },
    { "A27", "gen_ai.prompt.name",           TEXT("t"), "prompt_template_id", "\"t\"" },
    { "A27", "llm.prompt_template.id",       TEXT("t"), "prompt_template_id", "\"t\"" },
    { "A28", "llm.prompt.hash",              TEXT("sha256:ab"), "prompt_hash", "\"sha256:ab\"" },
    { "A28", "prompt_hash",                  TEXT("ab12"), "prompt_hash", "\"ab12\"" },
    { "A29", "system_prompt_hash",           TEXT("sha256:ab"), "system_prompt_hash", "\"sha256:ab\"" },
    { "A29", "llm.system_prompt.hash",       TEXT("sha256:ab"), "system_prompt_hash", "\"sha256:ab\"" },
    { "A30", "llm.answer.hash",              TEXT("sha256:ab"), "answer_hash", "\"sha256:ab\"" },
    { "A30", "llm.completion.hash",          TEXT("sha256:ab"), "answer_hash", "\"sha256:ab\"" },
    { "A30", "answer_hash",                  TEXT("sha256:ab"), "answer_hash", "\"sha256:ab\"" },
    { "A33", "prompt_length",                INT(9), "prompt_length", "9" },
    { "A33", "llm.prompt.length",            INT(9), "prompt_length", "9" },
    { "A34", "system_prompt_version",        TEXT("v2"), "system_prompt_version", "\"v2\"" },
    { "A34", "app.system_prompt_version",    TEXT("v2"), "system_prompt_version", "\"v2\"" },
    { "A35", "llm.context.chunk_count",      INT(4), "context_chunk_count", "4" },
    { "A36", "app.rag.enabled",              TRUTH(true), "rag_enabled", "true" },
    { "A39", "gen_ai.response.finish_reason", TEXT("stop"), "finish_reason", "[\"stop\"]" },
    { "A39", "gen_ai.response.finish_reasons", { .type = VALUE_ARRAY, .count = 1, .items = one_text }, "finish_reason", "[\"stop\"]" },
    { "A39", "gen_ai.response.finish_reasons", TEXT("stop"), "finish_reason", "[\"stop\"]" },
    { "A39", "gen_ai.response.finish_reasons", TEXT("[\"stop\"]"), "finish_reason", "[\"stop\"]" },
    { "A39", "finish_reason",                TEXT("stop"), "finish_reason", "[\"stop\"]" },
    { "A40", "llm.parse.ok",                 TRUTH(false), "parse_ok", "false" },
    { "A40", "llm.parse.error",              TEXT("bad"), "parse_error", "\"bad\"" },
    { "A40", "parse_error",                  TEXT("bad"), "parse_error", "\"bad\"" },
    { "A41", "gen_ai.tool.name",             TEXT("search"), "tool_name", "\"search\"" },
    { "A41", "gen_ai.tool.call.id",          TEXT("c1"), "tool_call_id", "\"c1\"" },
    { "A42", "agent.tool.approval",          TEXT("denied"), "tool_approval", "\"denied\"" },
    { "A42", "agent.tool.risk",              TEXT("dangerous"), "tool_risk", "\"dangerous\"" },
    { "A43", "agent.loop.iteration",         INT(3), "agent_iteration", "3" },
    { "A43", "agent_loop_iterations",        INT(3), "agent_iteration", "3" },
    { "A44", "refusal",                      TRUTH(true), "refusal_flag", "true" },
    { "A44", "refusal_flag",                 TRUTH(true), "refusal_flag", "true" },
    { "A48", "llm.confidence",               DOUBLE(0.5), "confidence", "0.5" },
    { "A48", "confidence",                   DOUBLE(0.5), "confidence", "0.5" },
    { "A49", "llm.latency_ms",               INT(2000), "sender_latency_ns", "2000" },
    { "A49", "latency_ms",                   DOUBLE(2000.5), "sender_latency_ns", "2000.5" },
    { "A50", "llm.first_token_latency_ms",   INT(250), "ttft_ns", "250" },
    { "A50", "gen_ai.response.time_to_first_chunk", DOUBLE(0.25), "ttft_ns", "250" },
    { "A52", "llm.queue_time_ms",            INT(12), "queue_ns", "12" },
    { "A52", "gen_ai.latency.time_in_queue", DOUBLE(0.012), "queue_ns", "12" },
    { "A55", "llm.retry.count",              INT(2), "retry_count", "2" },
    { "A55", "retry_count",                  INT(2), "retry_count", "2" },
    { "A55", "http.request.resend_count",    INT(2), "retry_count", "2" },
    { "A56", "llm.fallback",                 TRUTH(true), "fallback", "true" },
    { "A56", "llm.fallback.from",            TEXT("gpt-4o"), "fallback_from", "\"gpt-4o\"" },
    { "A56", "llm.fallback.reason",          TEXT("429"), "fallback_reason", "\"429\"" },
    { "A57", "error.type",                   TEXT("timeout"), "error_type", "\"timeout\"" },
    { "A59", "gen_ai.usage.input_tokens",    INT(12), "input_tokens", "12" },
    { "A59", "gen_ai.usage.prompt_tokens",   INT(12), "input_tokens", "12" },
    { "A59", "input_tokens",                 TEXT("12"), "input_tokens", "12" },
    { "A59", "prompt_tokens",                DOUBLE(12), "input_tokens", "12" },
    { "A59", "tokens_in",                    INT(12), "input_tokens", "12" },
    { "A60", "gen_ai.usage.output_tokens",   INT(12), "output_tokens", "12" },
    { "A60", "gen_ai.usage.completion_tokens", INT(12), "output_tokens", "12" },
    { "A60", "output_tokens",                INT(12), "output_tokens", "12" },
    { "A60", "completion_tokens",            INT(12), "output_tokens", "12" },
    { "A60", "tokens_out",                   INT(12), "output_tokens", "12" },
    { "A61", "gen_ai.usage.total_tokens",    INT(12), "total_tokens", "12" },
    { "A61", "total_tokens",                 INT(12), "total_tokens", "12" },
    { "A62", "gen_ai.usage.cache_read.input_tokens", INT(12), "cache_read", "12" },
    { "A62", "gen_ai.usage.cache_creation.input_tokens", INT(12), "cache_write_5m", "12" },
    { "A62", "cache_read_tokens",            INT(12), "cache_read", "12" },
    { "A62", "cache_write_tokens",           INT(12), "cache_write_5m", "12" },
    { "A63", "estimated_cost_usd",           DOUBLE(0.0015), "sender_cost_nanousd", "0.0015" },
    { "A63", "cost_estimate",                DOUBLE(0.0015), "sender_cost_nanousd", "0.0015" },
    { "A63", "gen_ai.usage.cost",            DOUBLE(0.0015), "sender_cost_nanousd", "0.0015" },
    { "A66", "rag.query.hash",               TEXT("h"), "query_hash", "\"h\"" },
    { "A67", "rag.retriever",                TEXT("hybrid_rrf"), "retriever", "\"hybrid_rrf\"" },
    { "A67", "rag.retriever",                TEXT("hybrid_rrf"), "retriever_family", "\"hybrid\"" },
    { "A67", "retriever",                    TEXT("BM25"), "retriever_family", "\"bm25\"" },
    { "A67", "retriever",                    TEXT("dense"), "retriever_family", "\"dense\"" },
    { "A67", "retriever",                    TEXT("graph_rag"), "retriever_family", "\"graph\"" },
    { "A68", "rag.embedding_model",          TEXT("e5"), "embedding_model_version", "\"e5\"" },
    { "A68", "embedding_model_version",      TEXT("e5"), "embedding_model_version", "\"e5\"" },
    { "A69", "rag.index",                    TEXT("support_docs_v42"), "index_name", "\"support_docs\"" },
    { "A69", "rag.index",                    TEXT("support_docs_v42"), "index_version", "\"v42\"" },
    { "A69", "rag.index",                    TEXT("plain"), "index_name", "\"plain\"" },
    { "A69", "index_version",                TEXT("v42"), "index_version", "\"v42\"" },
    { "A69", "rag.index.version",            TEXT("v42"), "index_version", "\"v42\"" },
    { "A70", "rag.top_k.requested",          INT(8), "top_k_requested", "8" },
    { "A70", "rag.top_k.returned",           INT(6), "top_k_returned", "6" },
    { "A70", "top_k_returned",               INT(6), "top_k_returned", "6" },
    { "A71", "rag.reranker_model",           TEXT("r"), "reranker_model_version", "\"r\"" },
    { "A71", "reranker_model_version",       TEXT("r"), "reranker_model_version", "\"r\"" },
    { "A72", "rag.source_ids",               TEXT("a, b,c"), "source_ids", "[\"a\",\"b\",\"c\"]" },
    { "A72", "source_ids",                   TEXTS, "source_ids", "[\"a\",\"b\",\"c\"]" },
    { "A72", "source_ids",                   TEXT("[\"a\",\"b\",\"c\"]"), "source_ids", "[\"a\",\"b\",\"c\"]" },
    { "A73", "rag.chunk_ids",                TEXT("a,b,c"), "chunk_ids", "[\"a\",\"b\",\"c\"]" },
    { "A73", "chunk_ids",                    TEXTS, "chunk_ids", "[\"a\",\"b\",\"c\"]" },
    { "A74", "rag.scores",                   { .type = VALUE_ARRAY, .count = 2, .items = two_numbers }, "document_scores", "[0.5,0.25]" },
    { "A74", "rag.scores",                   TEXT("0.5,0.25"), "document_scores", "[0.5,0.25]" },
    { "A76", "retrieval_pipeline_version",   TEXT("rag-hybrid-v6"), "retrieval_pipeline_version", "\"rag-hybrid-v6\"" },
    { "A76", "rag.pipeline.version",         TEXT("rag-hybrid-v6"), "retrieval_pipeline_version", "\"rag-hybrid-v6\"" },
    { "A78", "faithfulness",                 DOUBLE(0.5), "faithfulness", "0.5" },
    { "A78", "answer_relevance",             DOUBLE(0.5), "answer_relevance", "0.5" },
    { "A78", "context_recall",               DOUBLE(0.5), "context_recall", "0.5" },
    { "A79", "toxicity_flag",                TRUTH(true), "toxicity_flag", "true" },
    { "A79", "hallucination_flag",           TRUTH(true), "hallucination_flag", "true" },
    { "A80", "eval_sampled",                 TRUTH(true), "eval_sampled", "true" },
    { "A80", "sample_type",                  TEXT("offline"), "sample_type", "\"offline\"" },
    { "A81", "judge_model",                  TEXT("j"), "judge_model", "\"j\"" },
    { "A82", "safety_blocked",               TRUTH(true), "safety_blocked", "true" },
    { "A82", "safety.stage",                 TEXT("input"), "safety_stage", "\"input\"" },
    { "A82", "safety.policy_version",        TEXT("p3"), "safety_policy_version", "\"p3\"" },
    { "A83", "guardrail.name",               TEXT("pii"), "guard_name", "\"pii\"" },
    { "A83", "guardrail.passed",             TRUTH(true), "guard_verdict", "\"pass\"" },
    { "A83", "guardrail.passed",             TRUTH(false), "guard_verdict", "\"fail\"" },
    { "A83", "guardrail.result",             TEXT("blocked"), "guard_verdict", "\"fail\"" },
    { "A86", "app.answered",                 TRUTH(true), "answered", "true" },
    { "A86", "app.success",                  TRUTH(true), "success", "true" },
    { "A88", "tool_manifest_version",        TEXT("tools-2026-04-08"), "tool_manifest_version", "\"tools-2026-04-08\"" },
    { "A88", "app.tool_manifest_version",    TEXT("tools-2026-04-08"), "tool_manifest_version", "\"tools-2026-04-08\"" },
};

static const struct {
    const char *name, *step;
    bool is_root;
} names[] = {
    { "llm.chat", "model", false },             { "chat.completion", "model", false },
    { "rag.query", "request", true },           { "rag.query", "workflow", false },
    { "retrieval", "retrieval", false },        { "assistant.answer", "request", true },
    { "POST /api/assistant/query", "request", true },
    { "render_prompt", "prompt", false },       { "rag.rewrite_query", "rewrite", false },
    { "rag.retrieve", "retrieval", false },     { "vector_search", "search", false },
    { "bm25_search", "search", false },         { "rerank", "rerank", false },
    { "safety.check_response", "guard", false }, { "response.serialize", "other", false },
    { "embedding lookup", "embedding", false }, { "eval sampling", "evaluation", false },
    { "auth and tenant lookup", "other", false }, { "tool call", "tool", false },
    { "LLM prompt", "model", false },           { "RAG step", "retrieval", false },
    { "chat gpt-4o", "model", false },          { "execute_tool search", "tool", false },
    { "invoke_agent planner", "agent", false }, { "embeddings e5", "embedding", false },
    { "anything", "request", true },            { "anything", "other", false },
};
/* clang-format on */

static struct help help;

/* shows: A3 A4 A7 A8 A9 A10 A11 A12 A13 A14 A15 A16 A17 A18 A19 A20 A21 A22 A23 A24 A25 A26 A27 A28
 * A29 A30 A33 A34 A35 A36 A39 A40 A41 A42 A43 A44 A48 A49 A50 A52 A55 A56 A57 A59 A60 A61 A62
 * A63 A66 A67 A68 A69 A70 A71 A72 A73 A74 A76 A78 A79 A80 A81 A82 A83 A86 A88 T7 T8 V1 */
static void each_alias_gives_its_canonical_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(aliases); i++) {
        help_reset(&help);
        help_attr(&help, aliases[i].key, aliases[i].value);
        struct span *span = help_run(&help);
        const char *json = help_field(&help, span, aliases[i].field);
        if (strcmp(json, aliases[i].json) != 0)
            fail_msg("%s %s: %s is %s, not %s", aliases[i].id, aliases[i].key, aliases[i].field,
                     json, aliases[i].json);
    }
}

/* shows: A6 V1 */
static void a_listed_span_name_alone_gives_the_step(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        help_reset(&help);
        help.span.name = str_from_c(names[i].name);
        if (names[i].is_root)
            memset(&help.span.parent_span_id, 0, sizeof help.span.parent_span_id);
        struct span *span = help_run(&help);
        if (!str_equal_c(span->step, names[i].step))
            fail_msg("'%s' is a %.*s, not a %s", names[i].name, STR_ARG(span->step), names[i].step);
    }
}

/* shows: X4 */
static void a_sent_name_finds_the_field_it_became(void **state)
{
    (void)state;
    assert_int_equal(norm_field_of_attr(STR_OF("gen_ai.request.model")), FIELD_request_model);
    assert_int_equal(norm_field_of_attr(STR_OF("tokens_in")), FIELD_input_tokens);
    assert_int_equal(norm_field_of_attr(STR_OF("x.y.z")), FIELD_COUNT);
    assert_int_equal(norm_field_of_attr(STR_OF("")), FIELD_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_alias_gives_its_canonical_field),
        cmocka_unit_test(a_listed_span_name_alone_gives_the_step),
        cmocka_unit_test(a_sent_name_finds_the_field_it_became),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
