#!/usr/bin/env python3
"""A model that answers from a script, so that every SDK makes the very same calls.

OpenAI's /v1/chat/completions, /v1/responses and /v1/embeddings, Anthropic's /v1/messages and Gemini's generateContent, whole and streamed.  What a conversation is told
depends on its last message alone; counts are written down here, with a cached and a reasoning part, and are not counted.
A model that is not in MODELS gets 404.

usage: script_server.py PORT (0: any), or Script() from Python.
SPDX-License-Identifier: Apache-2.0
"""
import base64
import json
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODELS = {"gpt-4o-mini": "gpt-4o-mini-2024-07-18", "text-embedding-3-small": "text-embedding-3-small",
          "claude-haiku-4-5": "claude-haiku-4-5-20251001", "gemini-2.5-flash": "gemini-2.5-flash"}
CREATED = 1780000000
CALL_ID, CALL_NAME, CALL_ARGUMENTS = "call_lookup17", "lookup_order", '{"order_id":"A-17"}'
# what is told, and (input, of it cached, output, of it reasoning)
TOLD = {"days": ("The shop is open from Monday to Saturday.", (120, 64, 30, 12)),
        "call": (None, (140, 0, 18, 0)),
        "order": ("Order A-17 has been shipped.", (180, 128, 10, 0))}


def text_of(content):
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content or [])


def plot(last, tools):
    """Which line of the script follows the last message or item."""
    if last.get("role") == "tool" or last.get("type") == "function_call_output":
        return "order"
    return "call" if tools and "A-17" in text_of(last.get("content")) else "days"


def pieces(text):
    words = text.split(" ")
    return [word if i == 0 else " " + word for i, word in enumerate(words)]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def json(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, events, done=False):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        for name, value in events:
            text = (f"event: {name}\n" if name else "") + "data: " + json.dumps(value) + "\n\n"
            self.wfile.write(text.encode())
            self.wfile.flush()
            time.sleep(0.004)
        if done:
            self.wfile.write(b"data: [DONE]\n\n")

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
        path = self.path.split("?")[0]
        if ":" in path:  # Gemini has model and method in the path
            request["model"], _, method = path.rsplit("/", 1)[1].partition(":")
            path = ":" + method
        answer = {"/v1/chat/completions": self.chat, "/v1/responses": self.respond,
                  "/v1/embeddings": self.embeddings, "/v1/messages": self.messages,
                  ":generateContent": self.generate, ":streamGenerateContent": self.generate}.get(path)
        if answer is None or request.get("model") not in MODELS:
            text = f"The model `{request.get('model')}` does not exist or you do not have access to it."
            self.json(404, {"error": {"message": text, "type": "invalid_request_error", "param": None, "code": "model_not_found"}})
            return
        answer(request, MODELS[request["model"]])

    # ---- chat completions ----

    def chat(self, request, model):
        line = plot(request["messages"][-1], request.get("tools"))
        text, (tokens_in, cached, tokens_out, reasoning) = TOLD[line]
        usage = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out,
                 "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
                 "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": 0}}
        base = {"id": "chatcmpl-" + line, "created": CREATED, "model": model, "service_tier": "default", "system_fingerprint": "fp_script"}
        call = {"id": CALL_ID, "type": "function", "function": {"name": CALL_NAME, "arguments": CALL_ARGUMENTS}}
        if not request.get("stream"):
            message = {"role": "assistant", "content": text, "refusal": None}
            if text is None:
                message["tool_calls"] = [call]
            choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop" if text else "tool_calls"}
            self.json(200, dict(base, object="chat.completion", choices=[choice], usage=usage))
            return
        deltas = [{"role": "assistant", "content": "" if text else None}]
        deltas += [{"content": piece} for piece in pieces(text)] if text else [{"tool_calls": [dict(call, index=0)]}]
        chunk = dict(base, object="chat.completion.chunk")
        events = [dict(chunk, choices=[{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}]) for delta in deltas]
        finish = "stop" if text else "tool_calls"
        events.append(dict(chunk, choices=[{"index": 0, "delta": {}, "logprobs": None, "finish_reason": finish}]))
        if (request.get("stream_options") or {}).get("include_usage"):
            events.append(dict(chunk, choices=[], usage=usage))
        self.stream([(None, event) for event in events], done=True)

    # ---- responses ----

    def respond(self, request, model):
        items = request["input"]
        items = [{"role": "user", "content": items}] if isinstance(items, str) else items
        line = plot(items[-1], request.get("tools"))
        text, (tokens_in, cached, tokens_out, reasoning) = TOLD[line]
        usage = {"input_tokens": tokens_in, "input_tokens_details": {"cached_tokens": cached}, "output_tokens": tokens_out,
                 "output_tokens_details": {"reasoning_tokens": reasoning}, "total_tokens": tokens_in + tokens_out}
        if text:
            item = {"type": "message", "id": "msg_" + line, "status": "completed", "role": "assistant",
                    "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]}
        else:
            item = {"type": "function_call", "id": "fc_" + line, "status": "completed", "call_id": CALL_ID, "name": CALL_NAME,
                    "arguments": CALL_ARGUMENTS}
        whole = {"id": "resp_" + line, "object": "response", "created_at": CREATED, "status": "completed", "error": None,
                 "incomplete_details": None, "instructions": request.get("instructions"), "model": model, "output": [item],
                 "parallel_tool_calls": True, "temperature": request.get("temperature"), "tool_choice": "auto",
                 "tools": request.get("tools") or [], "service_tier": "default", "usage": usage,
                 "max_output_tokens": request.get("max_output_tokens"), "metadata": {}}
        if request.get("stream"):
            self.stream(self.response_events(whole, item, text))
        else:
            self.json(200, whole)

    @staticmethod
    def response_events(whole, item, text):
        begun = dict(whole, status="in_progress", output=[], usage=None)
        events = [{"type": "response.created", "response": begun}, {"type": "response.in_progress", "response": begun}]
        where = {"item_id": item["id"], "output_index": 0}
        if text:
            part = item["content"][0]
            events.append({"type": "response.output_item.added", "output_index": 0, "item": dict(item, status="in_progress", content=[])})
            events.append({"type": "response.content_part.added", **where, "content_index": 0, "part": dict(part, text="")})
            events += [{"type": "response.output_text.delta", **where, "content_index": 0, "delta": piece, "logprobs": []} for piece in pieces(text)]
            events.append({"type": "response.output_text.done", **where, "content_index": 0, "text": text, "logprobs": []})
            events.append({"type": "response.content_part.done", **where, "content_index": 0, "part": part})
        else:
            events.append({"type": "response.output_item.added", "output_index": 0, "item": dict(item, status="in_progress", arguments="")})
            events.append({"type": "response.function_call_arguments.delta", **where, "delta": item["arguments"]})
            events.append({"type": "response.function_call_arguments.done", **where, "arguments": item["arguments"]})
        events.append({"type": "response.output_item.done", "output_index": 0, "item": item})
        events.append({"type": "response.completed", "response": whole})
        return [(event["type"], dict(event, sequence_number=number)) for number, event in enumerate(events)]

    # ---- Anthropic's messages: input excludes what came from the cache ----

    def messages(self, request, model):
        text, (tokens_in, cached, tokens_out, _) = TOLD["days"]
        usage = {"input_tokens": tokens_in - cached, "cache_read_input_tokens": cached, "cache_creation_input_tokens": 0, "output_tokens": tokens_out}
        whole = {"id": "msg_days", "type": "message", "role": "assistant", "model": model, "content": [{"type": "text", "text": text}],
                 "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}
        if not request.get("stream"):
            self.json(200, whole)
            return
        begun = dict(whole, content=[], stop_reason=None, usage=dict(usage, output_tokens=1))
        events = [{"type": "message_start", "message": begun},
                  {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}]
        events += [{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}} for piece in pieces(text)]
        events += [{"type": "content_block_stop", "index": 0},
                   {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": tokens_out}},
                   {"type": "message_stop"}]
        self.stream([(event["type"], event) for event in events])

    # ---- Gemini: input includes what came from the cache, output is without the thoughts ----

    def generate(self, request, model):
        last = request["contents"][-1]["parts"]
        has_result = any("functionResponse" in part for part in last)
        line = plot({"role": "tool"} if has_result else {"content": last}, request.get("tools"))
        text, (tokens_in, cached, tokens_out, reasoning) = TOLD[line]
        usage = {"promptTokenCount": tokens_in, "cachedContentTokenCount": cached, "candidatesTokenCount": tokens_out - reasoning,
                 "thoughtsTokenCount": reasoning, "totalTokenCount": tokens_in + tokens_out}
        part = {"text": text} if text else {"functionCall": {"name": CALL_NAME, "args": json.loads(CALL_ARGUMENTS)}}
        if (request.get("generationConfig") or {}).get("responseMimeType") == "application/json":
            part = {"text": "{}"}
        whole = {"candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}], "usageMetadata": usage,
                 "modelVersion": model, "responseId": "gen-" + line}
        if "streamGenerateContent" in self.path:
            self.stream([(None, whole)])
        else:
            self.json(200, whole)

    # ---- embeddings ----

    def embeddings(self, request, model):
        texts = [request["input"]] if isinstance(request["input"], str) else request["input"]
        vector = [0.5, -0.25, 0.125, 0.0625]
        coded = base64.b64encode(struct.pack("<4f", *vector)).decode() if request.get("encoding_format") == "base64" else vector
        self.json(200, {"object": "list", "model": model, "usage": {"prompt_tokens": 2 * len(texts), "total_tokens": 2 * len(texts)},
                        "data": [{"object": "embedding", "index": i, "embedding": coded} for i in range(len(texts))]})


class Script:
    """The server in a thread of its own, on a free port."""

    def __init__(self, port=0):
        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


if __name__ == "__main__":
    script = Script(int(sys.argv[1]))
    print(script.url, flush=True)
    threading.Event().wait()
