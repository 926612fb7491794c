"""Opik's Python SDK.  Environment: OPIK_URL_OVERRIDE.

SPDX-License-Identifier: Apache-2.0
"""
import os
import time

import opik


def main():
    client = opik.Opik(project_name="shop", workspace="default", host=os.environ["OPIK_URL_OVERRIDE"], api_key="test-key")
    trace = client.trace(name="support", input={"question": "Where?"}, metadata={"tier": "gold"}, tags=["gold", "eu"], thread_id="thread-1")
    lookup = trace.span(name="lookup", type="tool", input={"order": 7}, metadata={"db": "orders"})
    call = lookup.span(name="answer", type="llm", model="gpt-4o-mini", provider="openai",
                       input={"messages": [{"role": "user", "content": "Where is order 7?"}]})
    client.flush()  # created and updated by two requests
    time.sleep(0.05)
    call.end(output={"choices": [{"message": {"role": "assistant", "content": "It is on its way."}}]},
             usage={"prompt_tokens": 110, "completion_tokens": 20, "total_tokens": 130})
    broken = trace.span(name="broken", type="general", input={"a": 1})
    broken.end(error_info={"exception_type": "TimeoutError", "message": "no answer", "traceback": "Traceback: none"})
    lookup.end(output={"state": "shipped"})
    call.log_feedback_score("correct", 1.0, reason="fine")
    trace.log_feedback_score("helpful", 0.9, category_name="good")
    trace.end(output={"answer": "It is on its way."})
    client.flush()
    client.get_threads_client().log_threads_feedback_scores(
        scores=[{"id": "thread-1", "name": "tone", "value": 1.0, "reason": "kind"}], project_name="shop")
    client.end()


main()
