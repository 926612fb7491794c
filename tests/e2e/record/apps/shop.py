"""The shop that every application of a framework serves: one question, one tool, one search, one user.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os

MODEL, SYSTEM = "gpt-4o-mini", "You are the support assistant of a shop. Answer in one sentence."
QUESTION, ORDER = "What is the capital of France?", "Where is my order A-17?"
SEARCH = "How many days do I have to send a parcel back?"
DOCUMENTS = [("doc_12", "Parcels can be returned within 30 days of delivery.", 0.91), ("doc_19", "Shipping to France takes three days.", 0.72)]
USER, SESSION, TAGS = "user-31", "chat-9", ["shop", "france"]
URL, KEY, BAD_MODEL = os.environ["MODEL_URL"], "test-key", "gpt-9-huge"
os.environ.setdefault("OPENAI_API_KEY", KEY)
os.environ.setdefault("OPENAI_BASE_URL", URL)
os.environ.setdefault("OPENAI_API_BASE", URL)


def lookup_order(order_id: str) -> str:
    """State of an order.

    Args:
        order_id: number of the order
    """
    return json.dumps({"order_id": order_id, "status": "shipped"})
