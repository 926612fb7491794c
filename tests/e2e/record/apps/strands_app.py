"""Strands Agents with its own telemetry: strands_app.py SCENARIO

SPDX-License-Identifier: Apache-2.0
"""
import sys

import shop
from strands import Agent, tool
from strands.models.openai import OpenAIModel
from telemetry import start


def agent_for(model, **more):
    source = OpenAIModel(client_args={"api_key": shop.KEY, "base_url": shop.URL, "max_retries": 0}, model_id=model,
                         params={"temperature": 0.2, "max_tokens": 24})
    return Agent(name="support", model=source, system_prompt=shop.SYSTEM, callback_handler=None,
                 trace_attributes={"session.id": shop.SESSION, "user.id": shop.USER, "tag.tags": shop.TAGS}, **more)


def chat():
    print(agent_for(shop.MODEL)(shop.QUESTION))


def tools():
    print(agent_for(shop.MODEL, tools=[tool(shop.lookup_order)])(shop.ORDER))


def error():
    try:
        agent_for(shop.BAD_MODEL)(shop.QUESTION)
    except Exception as fault:
        print(type(fault).__name__)


def main():
    end = start("shop")
    globals()[sys.argv[1]]()
    end()


if __name__ == "__main__":
    main()
