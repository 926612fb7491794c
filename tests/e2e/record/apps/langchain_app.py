"""LangChain and LangGraph, instrumented by OpenInference or by LangSmith's OTel export: langchain_app.py SCENARIO

SPDX-License-Identifier: Apache-2.0
"""
import os
import sys

import openai
import shop
from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from telemetry import start

CONFIG = {"metadata": {"session_id": shop.SESSION, "user_id": shop.USER}, "tags": shop.TAGS}


class Shelf(BaseRetriever):
    """The shop's documents, whatever is asked."""

    def _get_relevant_documents(self, query, *, run_manager):
        return [Document(id=key, page_content=text, metadata={"score": score, "source": key}) for key, text, score in shop.DOCUMENTS]


def model_for(name):
    return ChatOpenAI(model=name, temperature=0.2, max_tokens=24, max_retries=0)


def messages():
    return [SystemMessage(shop.SYSTEM), HumanMessage(shop.QUESTION)]


def chat():
    model_for(shop.MODEL).invoke(messages(), CONFIG)


def stream():
    for _ in ChatOpenAI(model=shop.MODEL, temperature=0.2, max_tokens=24, stream_usage=True).stream(messages(), CONFIG):
        pass


def tools():
    agent = create_agent(model_for(shop.MODEL), tools=[tool(shop.lookup_order)], system_prompt=shop.SYSTEM, name="support")
    agent.invoke({"messages": [{"role": "user", "content": shop.ORDER}]}, CONFIG)


def retrieval():
    Shelf().invoke(shop.SEARCH, CONFIG)


def error():
    try:
        model_for(shop.BAD_MODEL).invoke(messages(), CONFIG)
    except openai.NotFoundError as fault:
        print(fault.status_code)


def main():
    end = start("shop")
    if os.environ.get("LANGSMITH_TRACING"):
        globals()[sys.argv[1]]()
        from langchain_core.tracers.langchain import wait_for_all_tracers
        wait_for_all_tracers()
    else:
        from openinference.instrumentation.langchain import LangChainInstrumentor
        LangChainInstrumentor().instrument()
        globals()[sys.argv[1]]()
    end()


if __name__ == "__main__":
    main()
