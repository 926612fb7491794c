"""Langfuse's Python SDK 3 and 4: spans by OTLP, scores by batch ingestion.  Environment: LANGFUSE_HOST.

SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import datetime
import time
import types

import langfuse as package
from langfuse import Langfuse
from langfuse.media import LangfuseMedia

PROMPT = types.SimpleNamespace(name="support-answer", version=3, is_fallback=False)
PIXEL = b"\x89PNG\r\n\x1a\n" + bytes(64)
FACTS = {"user_id": "user-1", "session_id": "session-1", "tags": ["gold", "eu"], "metadata": {"tier": "gold"}, "version": "v2"}


def facts_of(root):
    """What is said of the whole trace."""
    if hasattr(root, "update_trace"):
        root.update_trace(name="support trace", **FACTS)
        return contextlib.nullcontext()
    return package.propagate_attributes(trace_name="support trace", **FACTS)


def main():
    langfuse = Langfuse(public_key="pk", secret_key="test-key", release="r7", environment="staging")
    assert langfuse.auth_check()
    with langfuse.start_as_current_observation(as_type="span", name="support", input={"question": "Where?"}) as root, facts_of(root):
        with langfuse.start_as_current_observation(
                as_type="generation", name="answer", model="gpt-4o-mini", prompt=PROMPT,
                model_parameters={"temperature": 0.2, "max_tokens": 100}, input=[{"role": "user", "content": "Where is order 7?"}],
                metadata={"picture": LangfuseMedia(content_bytes=PIXEL, content_type="image/png")}) as call:
            time.sleep(0.03)
            call.update(output="It is on its way.", completion_start_time=datetime.datetime.now(datetime.timezone.utc),
                        usage_details={"input": 80, "output": 20, "input_cached_tokens": 30}, cost_details={"input": 0.001, "output": 0.002})
            call.score(name="correct", value=1, data_type="BOOLEAN", comment="fine")
        with langfuse.start_as_current_observation(as_type="tool", name="lookup", input={"order": 7}) as tool:
            tool.update(output={"state": "shipped"}, level="ERROR", status_message="TimeoutError: no answer")
        langfuse.create_event(name="cache-miss", input={"key": "7"})
        root.update(output={"answer": "It is on its way."})
        root.score_trace(name="helpful", value=0.9)
        langfuse.create_score(name="tone", value="friendly", session_id="session-1")
    langfuse.flush()
    langfuse.shutdown()


main()
