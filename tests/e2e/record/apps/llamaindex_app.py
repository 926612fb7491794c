"""LlamaIndex, instrumented by OpenInference: llamaindex_app.py SCENARIO

SPDX-License-Identifier: Apache-2.0
"""
import asyncio
import sys

import openai
import shop
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.llms import ChatMessage
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.llms.openai_like import OpenAILike
from openinference.instrumentation import using_attributes
from openinference.instrumentation.llama_index import LlamaIndexInstrumentor
from telemetry import start


class Shelf(BaseRetriever):
    """The shop's documents, whatever is asked."""

    def _retrieve(self, query_bundle):
        return [NodeWithScore(node=TextNode(id_=key, text=text), score=score) for key, text, score in shop.DOCUMENTS]


def model_for(name):
    return OpenAILike(model=name, api_base=shop.URL, api_key=shop.KEY, is_chat_model=True, is_function_calling_model=True, temperature=0.2,
                      max_tokens=24, max_retries=0)


def messages():
    return [ChatMessage(role="system", content=shop.SYSTEM), ChatMessage(role="user", content=shop.QUESTION)]


def chat():
    model_for(shop.MODEL).chat(messages())


def tools():
    async def run():
        agent = FunctionAgent(name="support", tools=[shop.lookup_order], llm=model_for(shop.MODEL), system_prompt=shop.SYSTEM, streaming=False)
        return str(await agent.run(shop.ORDER))
    print(asyncio.run(run()))


def retrieval():
    Shelf().retrieve(shop.SEARCH)


def error():
    try:
        model_for(shop.BAD_MODEL).chat(messages())
    except openai.NotFoundError as fault:
        print(fault.status_code)


def main():
    end = start("shop")
    LlamaIndexInstrumentor().instrument()
    with using_attributes(session_id=shop.SESSION, user_id=shop.USER, tags=shop.TAGS):
        globals()[sys.argv[1]]()
    end()


if __name__ == "__main__":
    main()
