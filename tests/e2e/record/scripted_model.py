"""A model that answers the same request with the same words and the same numbers, whoever asks.

What frameworks send about one logical call can be compared only when the call is one and the same, so nothing here
is computed: the answer follows from the last message and the tools, and usage from the kind of answer (USAGE).
Chat completions of OpenAI's shape, streamed or not, and embeddings.

SPDX-License-Identifier: Apache-2.0
"""
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODEL, DATED = "gpt-4o-mini", "gpt-4o-mini-2024-07-18"
ARGUMENTS = {"lookup_order": {"order_id": "A-17"}, "final_answer": {"answer": "Order A-17 has shipped."}}
# Kind of answer: prompt tokens, cached among them, completion tokens, reasoning among them.
USAGE = {"call": (182, 128, 11, 0), "told": (220, 128, 20, 4), "chat": (43, 16, 7, 0)}
WORDS = {"told": "Order A-17 has shipped.", "chat": "The capital of France is Paris."}


def text_of(message):
    content = message.get("content") or ""
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)


def decide(request):
    """Kind of answer and its message, by what the conversation holds after the last question."""
    messages = request["messages"]
    tools = [tool["function"]["name"] for tool in request.get("tools") or []]
    told = any(message["role"] == "tool" or "shipped" in text_of(message) for message in messages)
    wanted = "final_answer" if told and "final_answer" in tools else "lookup_order"
    name = next((tool for tool in tools if tool.endswith(wanted)), None)  # some put a plugin's name before
    if name and (not told or wanted == "final_answer"):
        call = {"id": f"call_{wanted}_1", "type": "function",
                "function": {"name": name, "arguments": json.dumps(ARGUMENTS[wanted])}}
        return "told" if told else "call", {"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls"
    kind = "told" if told else "chat"
    words = WORDS[kind]
    fields = re.findall(r"\[\[ ## (\w+) ## \]\]", " ".join(text_of(message) for message in messages))
    if fields:  # DSPy asks for named sections
        words = f"[[ ## answer ## ]]\n{words}\n\n[[ ## completed ## ]]"
    return kind, {"role": "assistant", "content": words}, "stop"


def usage_of(kind):
    taken, cached, made, thought = USAGE[kind]
    return {"prompt_tokens": taken, "completion_tokens": made, "total_tokens": taken + made,
            "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": thought, "audio_tokens": 0}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path.endswith("/embeddings"):
            texts = request["input"] if isinstance(request["input"], list) else [request["input"]]
            data = [{"object": "embedding", "index": i, "embedding": [0.6, 0.8]} for i in range(len(texts))]
            return self.answer(200, {"object": "list", "model": request["model"], "data": data,
                                     "usage": {"prompt_tokens": 6 * len(texts), "total_tokens": 6 * len(texts)}})
        if request["model"] != MODEL:
            return self.answer(404, {"error": {"message": f"The model `{request['model']}` does not exist.", "param": None,
                                               "type": "invalid_request_error", "code": "model_not_found"}})
        kind, message, finish = decide(request)
        base = {"id": "chatcmpl-" + kind, "created": 1781000000, "model": DATED, "system_fingerprint": "fp_1"}
        if request.get("stream"):
            return self.stream(base, message, finish, usage_of(kind))
        return self.answer(200, dict(base, object="chat.completion", usage=usage_of(kind), choices=[
            {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}]))

    def stream(self, base, message, finish, usage):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        calls = [dict(call, index=i) for i, call in enumerate(message.get("tool_calls") or [])]
        deltas = [{"role": "assistant", "content": ""}]
        deltas += [{"tool_calls": [call]} for call in calls] if calls else [{"content": word} for word in re.findall(r"\S+\s*", message["content"])]
        chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
        chunks += [{"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}, {"choices": [], "usage": usage}]
        for chunk in chunks:
            self.wfile.write(b"data: " + json.dumps(dict(base, object="chat.completion.chunk", **chunk)).encode() + b"\n\n")
        self.wfile.write(b"data: [DONE]\n\n")


def start():
    """The base URL of a server that lives as long as the process."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/v1"
