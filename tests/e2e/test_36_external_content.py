"""Content in an object store: what was said goes there as ciphertext, is read back by trace id, and nothing of it is
lost while the store is away, slow, wrong or killed in the middle.

The store is s3rver (npm), which checks signatures of version 4, answers ranges and keeps each object as a file, so that
a test can look at what arrived and damage it.

SPDX-License-Identifier: Apache-2.0
"""
import glob
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

import pytest
from conftest import BINARY, CLEAN_ENV, ROOT, Server, make_span, wait_until

OBJECTS = os.path.join(ROOT, "tests/e2e/objects")
KEYS = {"AWS_ACCESS_KEY_ID": "test-key", "AWS_SECRET_ACCESS_KEY": "test-key-secret"}
QUICK = {"content__external_after": "200ms", "content__external_keep_local": "0s", "content__external_timeout": "1s"}
SECRETS = ("test-key-secret", "wrong-secret")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Store:
    """s3rver with one bucket; `start` again after `stop` has the same port and objects."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="telltale-s3-")
        self.port, self.process = free_port(), None

    def start(self):
        self.process = subprocess.Popen(["node", "server.js", self.folder, str(self.port)], cwd=OBJECTS,
                                        stdout=subprocess.PIPE, text=True, env=CLEAN_ENV)
        assert self.process.stdout.readline().startswith("port ")
        return self

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def objects(self, ending=""):
        return sorted(glob.glob(f"{self.folder}/prompts/**/*{ending}._S3rver_object", recursive=True))

    def options(self, **more):
        return dict(QUICK, content__external_url="s3://prompts/node-1",
                    content__external_endpoint=f"http://127.0.0.1:{self.port}", **more)


@pytest.fixture
def store():
    made = Store().start()
    yield made
    made.stop()
    shutil.rmtree(made.folder, ignore_errors=True)


@pytest.fixture
def node(store):
    """A server whose content goes to the store."""
    made = Server(env=KEYS, **store.options()).start()
    yield made
    made.kill()
    made.remove()


def say(server, text, count=1):
    """Traces with that text; their (trace id, span id)."""
    spans = [make_span({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o",
                        "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"%s %d"}]}]' % (text, i)})
             for i in range(count)]
    server.send_spans(*spans)
    for span in spans:
        server.wait_trace(span["traceId"])
    return [(span["traceId"], span["spanId"]) for span in spans]


def said(server, ids):
    return server.payload(*ids)["input"][0]["parts"][0]["content"]


def local_segments(server):
    return glob.glob(f"{server.data_dir}/content/*.seg") + glob.glob(f"{server.data_dir}/content/*.prv")


def stage(server, name):
    return server.api("/status")["stages"]["content_external_" + name]


def wait_gone_up(server, at_least=1):
    """Everything that was said is in the store, and nothing of it here."""
    wait_until(lambda: stage(server, "segments") >= at_least and stage(server, "waiting_segments") == 0 and
               not local_segments(server), 20, "content in the store")


def test_content_goes_up_as_ciphertext_leaves_here_and_is_read_back_by_trace_id(node, store):
    """shows: R15"""
    ids = say(node, "the whale is white", count=3)
    wait_gone_up(node, 1)
    assert [said(node, each) for each in ids] == [f"the whale is white {i}" for i in range(3)]
    assert stage(node, "reads_total") >= 1 and stage(node, "up") == 1
    everything = b"".join(open(name, "rb").read() for name in store.objects())
    assert everything and b"whale" not in everything
