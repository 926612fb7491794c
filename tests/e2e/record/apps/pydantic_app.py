"""Pydantic AI under Logfire, which also sends a pending span before each span: pydantic_app.py SCENARIO

SPDX-License-Identifier: Apache-2.0
"""
import os
import sys

import logfire
import shop
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError


def agent_for(model, **more):
    return Agent("openai-chat:" + model, name="support", instructions=shop.SYSTEM, model_settings={"temperature": 0.2, "max_tokens": 24}, **more)


def chat():
    agent_for(shop.MODEL).run_sync(shop.QUESTION, conversation_id=shop.SESSION)


def tools():
    agent_for(shop.MODEL, tools=[shop.lookup_order]).run_sync(shop.ORDER, conversation_id=shop.SESSION)


def error():
    try:
        agent_for(shop.BAD_MODEL).run_sync(shop.QUESTION)
    except ModelHTTPError as fault:
        print(fault.status_code)


def main():
    base = os.environ.pop("OTEL_EXPORTER_OTLP_ENDPOINT")
    logfire.configure(token="test-key", service_name="shop", environment="staging", console=False,
                      metrics=False, advanced=logfire.AdvancedOptions(base_url=base))
    logfire.instrument_pydantic_ai()
    with logfire.set_baggage(**{"user.id": shop.USER}):
        globals()[sys.argv[1]]()
    logfire.shutdown()


if __name__ == "__main__":
    main()
