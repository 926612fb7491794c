"""Langfuse's Python SDK 2: everything by batch ingestion.  Environment: LANGFUSE_HOST.

SPDX-License-Identifier: Apache-2.0
"""
import datetime
import time
import types

from langfuse import Langfuse

PROMPT = types.SimpleNamespace(name="support-answer", version=3, is_fallback=False)
MESSAGES = [{"role": "user", "content": "Where is order 7?"}]


def main():
    langfuse = Langfuse(public_key="pk", secret_key="test-key", release="r7", environment="staging", threads=1)
    assert langfuse.auth_check()
    trace = langfuse.trace(name="support", user_id="user-1", session_id="session-1", tags=["gold", "eu"],
                           metadata={"tier": "gold", "seats": 3, "deep": {"a": [1]}}, version="v2", input={"question": "Where?"})
    span = trace.span(name="lookup", input={"order": 7}, metadata={"db": "orders"})
    call = span.generation(name="answer", model="gpt-4o-mini", model_parameters={"temperature": 0.2, "max_tokens": 100},
                           input=MESSAGES, prompt=PROMPT)
    langfuse.flush()  # created and updated by two requests
    time.sleep(0.05)
    first = datetime.datetime.now(datetime.timezone.utc)
    time.sleep(0.02)
    call.end(output="It is on its way.", usage_details={"input": 80, "output": 20, "input_cached_tokens": 30},
             cost_details={"input": 0.001, "output": 0.002}, completion_start_time=first)
    old = trace.generation(name="old", model="gpt-4o-mini", input="q", usage={"input": 10, "output": 5, "unit": "TOKENS", "total_cost": 0.5})
    old.end(level="ERROR", status_message="RateLimitError: 429 too many")
    shaped = trace.generation(name="shaped", model="gpt-4o-mini", input="q")
    shaped.end(output="a", usage_details={"prompt_tokens": 50, "completion_tokens": 9, "total_tokens": 59,
                                          "prompt_tokens_details": {"cached_tokens": 20},
                                          "completion_tokens_details": {"reasoning_tokens": 4}})
    span.event(name="cache-miss", input={"key": "7"})
    span.end(output={"state": "shipped"})
    trace.update(output={"answer": "It is on its way."})
    call.score(name="correct", value=1, data_type="BOOLEAN", comment="fine")
    trace.score(name="helpful", value=0.9)
    trace.score(name="tone", value="friendly")
    langfuse.flush()
    langfuse.shutdown()


main()
