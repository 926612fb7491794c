"""The Anthropic SDK against the same local model: anthropic_app.py INSTRUMENTATION SCENARIO

SPDX-License-Identifier: Apache-2.0
"""
import os
import sys

import anthropic
from telemetry import instrument, start

MODEL = os.environ.get("APP_MODEL", "claude-3-5-haiku-latest")
REQUEST = {"model": MODEL, "max_tokens": 32, "system": "You are a friendly guide. Answer in one sentence.",
           "messages": [{"role": "user", "content": "Which sea is north of Germany?"}]}


def messages(client):
    client.messages.create(**REQUEST)


def stream(client):
    for _ in client.messages.create(**REQUEST, stream=True):
        pass


def error(client):
    try:
        client.messages.create(**dict(REQUEST, model="claude-0"))
    except anthropic.APIStatusError as fault:
        print(fault.status_code)


def main():
    end = start("city-guide")
    instrument(sys.argv[1])
    client = anthropic.Anthropic(base_url=os.environ["MODEL_URL"].removesuffix("/v1"), api_key="unused", max_retries=0)
    globals()[sys.argv[2]](client)
    end()


if __name__ == "__main__":
    main()
