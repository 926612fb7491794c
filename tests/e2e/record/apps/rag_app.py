"""Question answering over a few documents, with the span names and attributes of an application that names its
own steps: rag_app.py INSTRUMENTATION rag

SPDX-License-Identifier: Apache-2.0
"""
import hashlib
import json
import os
import sys

import openai
from opentelemetry import trace
from telemetry import instrument, start

DOCS = {
    "doc_12": ["Parcels can be returned within 30 days of delivery.", "Refunds reach the card in five working days."],
    "doc_19": ["Shipping to France takes three days and costs 6 euro."],
    "doc_27": ["The shop in Cologne opens at ten and closes at seven.", "On Sunday every shop is closed."],
}
MODEL, EMBEDDER = os.environ.get("APP_MODEL", "gpt-4o-mini"), "multilingual-e5-small"
QUESTION = "How many days do I have to send a parcel back?"
SYSTEM = "Answer from the given passages alone, in one sentence."
tracer = trace.get_tracer("assistant-api", "1.4.2")


def sha(text):
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def embed(client, texts, kind):
    answer = client.embeddings.create(model=EMBEDDER, input=texts, user=kind)
    return [item.embedding for item in answer.data]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def retrieve(client, query):
    chunks = [(f"{doc}#{i}", text) for doc, texts in DOCS.items() for i, text in enumerate(texts)]
    with tracer.start_as_current_span("rag.retrieve", attributes={
            "rag.query.hash": sha(query), "rag.retriever": "hybrid_rrf", "rag.embedding_model": EMBEDDER,
            "rag.index": "support_docs_v42", "rag.top_k.requested": 4, "rag.reranker_model": "e5-cosine-v1",
            "retrieval_pipeline_version": "rag-hybrid-v6"}) as span:
        with tracer.start_as_current_span("vector_search"):
            vectors = embed(client, [text for _, text in chunks], "passage")
            asked = embed(client, [query], "query")[0]
            by_vector = sorted(range(len(chunks)), key=lambda i: -dot(vectors[i], asked))
        with tracer.start_as_current_span("bm25_search"):
            words = set(query.lower().split())
            by_word = sorted(range(len(chunks)), key=lambda i: -len(words & set(chunks[i][1].lower().split())))
        fused = sorted(range(len(chunks)), key=lambda i: -(1 / (60 + by_vector.index(i)) + 1 / (60 + by_word.index(i))))[:4]
        with tracer.start_as_current_span("rerank", attributes={"rag.reranker_model": "e5-cosine-v1"}):
            best = sorted(fused, key=lambda i: -dot(vectors[i], asked))[:3]
        scores = [round(dot(vectors[i], asked), 4) for i in best]
        span.set_attributes({
            "rag.top_k.returned": len(best), "rag.chunk_ids": ",".join(chunks[i][0] for i in best),
            "rag.source_ids": ",".join(dict.fromkeys(chunks[i][0].split("#")[0] for i in best)), "rag.scores": scores})
    return [chunks[i][1] for i in best]


def answer(client, passages):
    user = "Passages: " + " ".join(passages) + " Question: " + QUESTION
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": user}]
    with tracer.start_as_current_span("llm.chat", kind=trace.SpanKind.CLIENT, attributes={
            "gen_ai.system": "openai", "gen_ai.operation.name": "chat", "gen_ai.request.model": MODEL,
            "gen_ai.request.temperature": 0.2, "llm.prompt.version": "support-v17", "llm.prompt.hash": sha(user),
            "llm.context.chunk_count": len(passages)}) as span:
        span.add_event("gen_ai.content.prompt", {"content": json.dumps(messages)})
        result = client.chat.completions.create(model=MODEL, messages=messages, temperature=0.2, max_tokens=40)
        span.set_attributes({
            "gen_ai.response.model": result.model, "gen_ai.response.id": result.id,
            "gen_ai.response.finish_reason": result.choices[0].finish_reason,
            "gen_ai.usage.input_tokens": result.usage.prompt_tokens,
            "gen_ai.usage.output_tokens": result.usage.completion_tokens})
        text = result.choices[0].message.content
        span.add_event("gen_ai.content.completion", {"content": json.dumps([{"role": "assistant", "content": text}])})
    return text


def rag(client):
    with tracer.start_as_current_span("POST /api/assistant/query", kind=trace.SpanKind.SERVER, attributes={
            "app.tenant_id": "tenant_abc", "user.id": "user-31", "app.feature": "support_assistant",
            "app.prompt_version": "support-v17", "app.rag.enabled": True, "request_id": "req_123",
            "http.route": "/api/assistant/query", "session.id": "chat-9"}):
        with tracer.start_as_current_span("render_prompt"):
            pass
        with tracer.start_as_current_span("rag.rewrite_query", attributes={"rag.query": QUESTION}):
            query = QUESTION.rstrip("?")
        text = answer(client, retrieve(client, query))
        with tracer.start_as_current_span("safety.check_response", attributes={
                "guardrail.name": "no-prices", "guardrail.passed": "$" not in text, "safety.stage": "response",
                "safety.policy_version": "p3", "safety_blocked": False}):
            pass
        with tracer.start_as_current_span("response.serialize"):
            json.dumps({"answer": text})


def main():
    end = start("assistant-api")
    if sys.argv[1] != "manual":
        instrument(sys.argv[1])
    rag(openai.OpenAI(base_url=os.environ["MODEL_URL"], api_key="unused"))
    end()


if __name__ == "__main__":
    main()
