"""A request as an application traces it with ddtrace: a web span with an agent, a query of a database, a retrieval, an
embedding, a tool, a model call that is annotated and one that the openai integration sees, a task that fails; then
evaluations and feedback.  All settings come from the environment (DD_*); prints the ids it was given.

usage: datadog_app.py MODEL_URL
SPDX-License-Identifier: Apache-2.0"""
import json
import sys

import openai
from ddtrace import patch, tracer
from ddtrace.llmobs import LLMObs

patch(openai=True)
client = openai.OpenAI(api_key="test-key", base_url=sys.argv[1])
LLMObs.enable()
MESSAGES = [
    {"role": "system", "content": "Be brief"}, {"role": "user", "content": "Is the shop open? – ja 🙂"},
    {"role": "assistant", "content": "", "tool_calls": [{"name": "search", "arguments": {"q": "hours"}, "tool_id": "call_7", "type": "function"}]},
    {"role": "tool", "content": "", "tool_results": [{"name": "search", "result": "9-5", "tool_id": "call_7", "type": "tool_result"}]}]
TOOLS = [{"name": "search", "description": "finds", "schema": {"type": "object", "properties": {"q": {"type": "string"}}}}]


def work():
    with LLMObs.retrieval(name="find") as span:
        LLMObs.annotate(span, input_data="open hours", output_data=[
            {"id": "doc_1", "name": "faq", "text": "Open 9-5", "score": 0.9}, {"id": "doc_2", "name": "blog", "text": "Hi", "score": 0.4}])
    with LLMObs.embedding(model_name="text-embedding-3-small", model_provider="openai", name="embed") as span:
        LLMObs.annotate(span, input_data=[{"text": "open hours"}], output_data="[1 embedding of 1536]",
                        metrics={"input_tokens": 4, "total_tokens": 4})
    with LLMObs.tool(name="search") as span:
        LLMObs.annotate(span, input_data={"q": "hours"}, output_data={"open": True})
    with LLMObs.llm(model_name="claude-sonnet-4-20250514", model_provider="anthropic", name="answer") as span:
        LLMObs.annotate(span, prompt={"id": "support", "version": "17", "template": "Answer {{q}}", "variables": {"q": "open?"}},
                        input_data=MESSAGES, output_data=[{"role": "assistant", "content": "Yes, until five."}], tool_definitions=TOOLS,
                        metadata={"temperature": 0.2, "max_tokens": 500},
                        metrics={"input_tokens": 1842, "output_tokens": 318, "total_tokens": 2160, "cache_read_input_tokens": 1024,
                                 "cache_write_input_tokens": 100, "reasoning_output_tokens": 18, "time_to_first_token": 0.35})
        exported = LLMObs.export_span(span)
    try:
        with LLMObs.task(name="bad"):
            raise TimeoutError("too slow")
    except TimeoutError:
        pass
    client.chat.completions.create(model="gpt-4o-mini", temperature=0.1, messages=[{"role": "user", "content": "weather?"}], tools=[
        {"type": "function", "function": {"name": "search", "description": "finds", "parameters": {"type": "object"}}}])
    return exported


def judge(exported):
    LLMObs.submit_evaluation(label="faithful", metric_type="score", value=0.75, span=exported, reasoning="grounded", assessment="pass",
                             tags={"judge": "j-1"}, metadata={"run": 7})
    LLMObs.submit_evaluation(label="tone", metric_type="categorical", value="kind", span=exported)
    LLMObs.submit_evaluation(label="safe", metric_type="boolean", value=True, span=exported)
    LLMObs.submit_evaluation(label="parts", metric_type="json", value={"a": 1}, span=exported)
    LLMObs.submit_evaluation(label="tagged", metric_type="score", value=1, span_with_tag_value={"tag_key": "msg", "tag_value": "m-1"})
    LLMObs.submit_feedback(label="whole", metric_type="text", value="nice", trace_id=exported["trace_id"], submitter={"id": "u-1"})
    LLMObs.submit_feedback(label="thumb", metric_type="boolean", value=False, session_id="s-1", submitter={"id": "u-1", "type": "end_user"})


with tracer.trace("web.request", service="shop", resource="POST /ask", span_type="web") as web:
    web.set_tags({"http.method": "POST", "http.url": "http://shop/ask", "http.status_code": "200", "span.kind": "server"})
    with LLMObs.agent(name="support", session_id="s-1") as agent:
        LLMObs.annotate(agent, input_data="Is it open?", output_data="Yes", tags={"user.id": "u-1", "feature": "support_assistant"},
                        metadata={"plan": "gold"})
        with tracer.trace("postgres.query", service="db", resource="SELECT 1", span_type="sql") as query:
            query.set_tag("span.kind", "client")
        answer = work()
judge(answer)
LLMObs.flush()
tracer.flush()
tracer.shutdown()
print(json.dumps({"trace_id": f"{web.trace_id:032x}", "answer": answer}))
