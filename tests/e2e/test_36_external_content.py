"""Content in an object store: what was said goes there as ciphertext, is read back by trace id, and nothing of it is
lost while the store is away, slow, wrong or killed in the middle.

The store is nanio (PyPI), an S3 server that checks signatures of version 4, answers ranges and keeps each object as a
file, so that a test can look at what arrived and damage it.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import pytest
from conftest import BINARY, CLEAN_ENV, Server, make_span, wait_until

SECRETS = ("test-key-secret", "test-key-wrong")
KEYS = {"AWS_ACCESS_KEY_ID": "test-key", "AWS_SECRET_ACCESS_KEY": SECRETS[0]}
QUICK = {"content__external_after": "200ms", "content__external_keep_local": "0s", "content__external_timeout": "1s"}
HELD_AFTER = 64 * 1024  # bytes of an upload that Proxy lets through before it holds


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Store:
    """An S3 server with one bucket; `start` again after `stop` has the same port and objects."""

    def __init__(self, *tls):
        self.folder = tempfile.mkdtemp(prefix="telltale-s3-")
        os.mkdir(os.path.join(self.folder, "prompts"))
        self.port, self.process, self.tls = free_port(), None, tls

    def start(self):
        tls = [f"--ssl-{what}={path}" for what, path in zip(("keyfile", "certfile"), self.tls)]
        env = dict(CLEAN_ENV, NANIO_DATA_DIR=self.folder, NANIO_ACCESS_KEY="test-key", NANIO_SECRET_KEY=SECRETS[0])
        self.process = subprocess.Popen([sys.executable, "-m", "uvicorn", "--factory", "nanio.app:build_app", *tls,
                                         "--host=127.0.0.1", f"--port={self.port}", "--log-level=error"], env=env)
        wait_until(self.is_up, what="the S3 server")
        return self

    def is_up(self):
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
        except OSError:
            return False
        return True

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def files(self, ending=""):
        """Objects of content and indices: the note for people is not among them."""
        found = glob.glob(f"{self.folder}/prompts/node-1/*{ending}")
        return sorted(name for name in found if "README" not in name)

    def forget_size(self, name):
        """The store notes how long an object was; so it serves what is there."""
        for note in glob.glob(f"{self.folder}/**/*{os.path.basename(name)}*.json", recursive=True, include_hidden=True):
            os.unlink(note)

    def options(self, **more):
        scheme = "https" if self.tls else "http"
        return dict(QUICK, content__external_url="s3://prompts/node-1",
                    content__external_endpoint=f"{scheme}://127.0.0.1:{more.pop('port', self.port)}", **more)


@pytest.fixture
def store():
    made = Store().start()
    yield made
    made.stop()
    shutil.rmtree(made.folder, ignore_errors=True)


@pytest.fixture
def make_node(store):
    """A server whose content goes to the store; afterwards no secret may be in what it printed or tells."""
    made = []

    def make(env=None, **options):
        made.append(Server(env=KEYS if env is None else env, **store.options(**options)).start())
        return made[-1]
    yield make
    for server in made:
        told = server.request("GET", "/api/v1/config").text if server.process else ""
        server.kill()
        assert not any(secret in server.stderr() + server.stdout + told for secret in SECRETS)
        server.remove()


@pytest.fixture
def node(make_node):
    return make_node()


def span_saying(text, **more):
    messages = json.dumps([{"role": "user", "parts": [{"type": "text", "content": text}]}])
    return make_span({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o",
                      "gen_ai.input.messages": messages}, **more)


def say(server, *texts):
    """A trace for each text; their (trace id, span id)."""
    spans = [span_saying(text) for text in texts]
    server.send_spans(*spans)
    for span in spans:
        server.wait_trace(span["traceId"])
    return [(span["traceId"], span["spanId"]) for span in spans]


def ask(server, ids):
    return server.request("GET", f"/api/v1/spans/{ids[0]}/{ids[1]}/payload")


def said(server, ids):
    return server.payload(*ids)["input"][0]["parts"][0]["content"]


def local_segments(server):
    return glob.glob(f"{server.data_dir}/content/*.seg") + glob.glob(f"{server.data_dir}/content/*.prv")


def stage(server, name):
    return server.api("/status")["stages"]["content_external_" + name]


def wait_gone_up(server):
    """Everything that was said is in the store, and nothing of it here."""
    wait_until(lambda: not local_segments(server) and stage(server, "segments") > 0, 20, "content in the store")


def places(server, trace_id):
    return server.api(f"/traces/{trace_id}/content")["frames"]


def object_file(store, server, trace_id):
    frame = next(frame for frame in places(server, trace_id) if frame["kind"] == "content")
    return frame, next(name for name in store.files(".seg") if frame["object"] in name)


def cli(server, *arguments):
    return subprocess.run([BINARY, *arguments, f"--server=http://127.0.0.1:{server.api_port}"], capture_output=True,
                          text=True, timeout=30, env=CLEAN_ENV, check=False)


def doctor_line(server):
    shown = cli(server, "doctor", "--json", f"--data_dir={server.data_dir}")
    return next(check for check in json.loads(shown.stdout)["checks"] if check["name"] == "external content")


def test_content_goes_up_as_ciphertext_leaves_here_and_is_read_back_by_trace_id(node, store):
    """shows: R15"""
    ids = say(node, "the whale is white", "the sea is wide")
    wait_gone_up(node)
    assert [said(node, each) for each in ids] == ["the whale is white", "the sea is wide"]
    assert stage(node, "reads_total") >= 1 and stage(node, "up") == 1
    everything = b"".join(open(name, "rb").read() for name in store.files())
    assert everything and b"whale" not in everything and b"role" not in everything
    preview = node.trace(ids[0][0])["spans"][0]["preview"]
    assert preview["input"] == "the whale is white"
    node.stop()
    node.start()
    assert said(node, ids[0]) == "the whale is white"
    audited = open(os.path.join(node.data_dir, "audit.log"), encoding="utf-8").read()
    assert audited.count(ids[0][0]) == 2  # each read, wherever the content is


def test_an_operator_finds_the_object_and_the_range_of_a_trace(node, store):
    """shows: R15"""
    (ids, _) = say(node, "the whale is white", "the sea is wide")
    wait_gone_up(node)
    frame, name = object_file(store, node, ids[0])
    assert frame["place"] == "external"
    with open(name, "rb") as segment:
        segment.seek(frame["offset"])
        bytes_there = segment.read(frame["length"])
    assert bytes_there[16:32] == bytes.fromhex(ids[0])  # docs/formats/content.md: the frame's trace id
    with open(next(each for each in store.files(".index") if frame["index"] in each), encoding="ascii") as index:
        lines = index.read().splitlines()
    assert lines == sorted(lines) and f"{ids[0]} {frame['offset']:010} {frame['length']:010}" in lines
    shown = cli(node, "content", "where", ids[0][:12])
    assert shown.returncode == 0 and frame["object"] in shown.stdout and "s3://prompts/node-1" in shown.stdout


def test_wrong_credentials_lose_nothing_and_new_ones_are_taken_without_a_restart(make_node, store, tmp_path):
    path = tmp_path / "credentials"
    text = "[default]\naws_access_key_id = test-key\naws_secret_access_key = {}\n"
    path.write_text(text.format("test-key-wrong"))
    node = make_node(env={}, content__external_credentials=str(path))
    (ids,) = say(node, "kept here meanwhile")
    wait_until(lambda: stage(node, "failures_total") > 0 and stage(node, "waiting_segments") > 0, what="a refusal")
    assert said(node, ids) == "kept here meanwhile" and store.files() == []
    line = doctor_line(node)
    assert line["status"] == "warn" and "away" in line["detail"]
    wait_until(lambda: "SignatureDoesNotMatch" in node.stderr(), what="the reason in the log")
    path.write_text(text.format("test-key-secret"))
    wait_gone_up(node)
    assert said(node, ids) == "kept here meanwhile"
    assert doctor_line(node)["status"] == "ok"


def test_a_store_that_is_down_stops_no_ingest_and_gets_everything_later(node, store):
    (before,) = say(node, "before")
    wait_gone_up(node)
    store.stop()
    (during,) = say(node, "during")
    node.stop()
    node.start()
    answer = ask(node, before)
    assert answer.status == 503 and answer.json["error"]["code"] == "UNAVAILABLE", answer
    assert "external store" in answer.json["error"]["message"]
    assert said(node, during) == "during"
    assert node.trace(before[0])["spans"][0]["preview"] is None  # unknown for now, and no error
    assert len(node.spans()) == 2
    wait_until(lambda: stage(node, "up") == 0 and stage(node, "lag_seconds") > 0, what="the lag")
    store.start()
    wait_gone_up(node)
    wait_until(lambda: ask(node, before).status == 200, what="the store to be asked again")
    assert [said(node, ids) for ids in (before, during)] == ["before", "during"]


def test_a_store_that_never_answers_costs_its_time_limit_once(node, store):
    (ids,) = say(node, "patience")
    wait_gone_up(node)
    store.stop()
    with socket.create_server(("127.0.0.1", store.port)):
        started = time.monotonic()
        assert ask(node, ids).status == 503
        assert time.monotonic() - started < 5  # content.external_timeout is 1 s
        started = time.monotonic()
        for _ in range(5):
            assert ask(node, ids).status == 503
        assert time.monotonic() - started < 1


def test_damaged_objects_are_told_and_others_stay_readable(node, store):
    ids = []
    for text in ("whole", "cut", "flipped"):
        ids += say(node, text)
        wait_gone_up(node)
    frame, name = object_file(store, node, ids[1][0])
    os.truncate(name, frame["offset"] + frame["length"] - 1)
    store.forget_size(name)
    frame, name = object_file(store, node, ids[2][0])
    with open(name, "r+b") as segment:
        segment.seek(frame["offset"] + 70)
        byte = segment.read(1)
        segment.seek(-1, os.SEEK_CUR)
        segment.write(bytes([byte[0] ^ 1]))
    for damaged in ids[1:]:
        answer = ask(node, damaged)
        assert answer.json["error"]["code"] == "CORRUPT", answer
    assert "damaged" in ask(node, ids[2]).json["error"]["message"]
    assert said(node, ids[0]) == "whole"
    os.unlink(object_file(store, node, ids[0][0])[1])
    node.stop()
    node.start()
    assert ask(node, ids[0]).status == 404  # though its preview is there


def test_words_are_found_in_content_that_left_and_what_cannot_be_read_is_counted(node, store):
    ids = say(node, "the whale is white", "the sea is wide")
    wait_gone_up(node)

    def search():
        return node.api("/search", words="whale", **{"from": "now-1d"})
    wait_until(lambda: search()["items"], what="the word to be found")
    (hit,) = search()["items"]
    assert hit["trace_id"] == ids[0][0] and "whale" in hit["snippet"]
    store.stop()
    answer = search()
    assert answer["items"] == [] and answer["unreadable_frames"] > 0
    store.start()
    wait_until(lambda: search()["items"], what="the store to be asked again")


def test_expiry_deletes_the_objects(make_node, store):
    node = make_node(retention__content="3s", retention__previews="3s", retention__every="100ms")
    (ids,) = say(node, "soon forgotten")
    wait_gone_up(node)
    assert said(node, ids) == "soon forgotten" and store.files()
    wait_until(lambda: store.files() == [], 20, "the objects to be deleted")
    assert ask(node, ids).status == 404
    assert [frame["place"] for frame in places(node, ids[0])] == ["gone", "gone"]


def test_late_spans_join_a_trace_whose_content_is_away(node, store):
    """shows: X5"""
    root = span_saying("first")
    node.send_spans(root)
    node.wait_trace(root["traceId"])
    wait_gone_up(node)
    store.stop()
    late = span_saying("late", trace_id=root["traceId"], parent=root["spanId"])
    node.send_spans(late)
    node.wait_trace(root["traceId"], count=2)
    store.start()
    wait_gone_up(node)
    wait_until(lambda: ask(node, (root["traceId"], root["spanId"])).status == 200, what="the store to be asked again")
    assert said(node, (root["traceId"], root["spanId"])) == "first"
    assert said(node, (late["traceId"], late["spanId"])) == "late"


class Proxy:
    """Between server and store; holds an upload of a segment in the middle, once."""

    def __init__(self, port):
        self.to, self.held, self.is_holding = port, threading.Event(), True
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.to))
            threading.Thread(target=self.forward, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self.forward, args=(far, near, False), daemon=True).start()

    def forward(self, source, target, is_request):
        total, is_upload = 0, False
        try:
            while True:
                data = source.recv(16384)
                if not data:
                    break
                is_upload = is_upload or (is_request and data.startswith(b"PUT ") and b".seg HTTP" in data)
                total += len(data) if is_upload else 0
                if self.is_holding and total > HELD_AFTER:
                    self.held.set()
                    return  # neither closed nor read on
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            end.close()


def test_a_kill_in_the_middle_of_an_upload_loses_nothing(make_node, store):
    """shows: X5"""
    proxy = Proxy(store.port)
    node = make_node(port=proxy.port, content__external_after="2s", content__external_timeout="30s")
    texts = [base64.b64encode(os.urandom(60_000)).decode() for _ in range(8)]
    ids = say(node, *texts)
    before = [said(node, each) for each in ids]
    assert proxy.held.wait(20)
    node.kill(signal.SIGKILL)
    proxy.is_holding = False
    assert local_segments(node)
    node.start()
    wait_gone_up(node)
    assert [said(node, each) for each in ids] == before
    assert not glob.glob(f"{node.data_dir}/content/*.gone")
    proxy.listener.close()


def test_tls_is_verified(tmp_path):
    key, cert = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-out", cert, "-days", "1", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    store = Store(key, cert).start()
    node = Server(env=KEYS, **store.options())
    try:
        node.start()
        (ids,) = say(node, "over TLS")
        wait_until(lambda: "certificate" in node.stderr(), what="a refused certificate")
        assert store.files() == [] and said(node, ids) == "over TLS"
        node.stop()
        node.options["content.external_ca"] = cert
        node.start()
        wait_gone_up(node)
        assert said(node, ids) == "over TLS"
    finally:
        node.kill()
        node.remove()
        store.stop()
        shutil.rmtree(store.folder, ignore_errors=True)


def test_a_folder_that_is_mounted_will_do(tmp_path):
    node = Server(**QUICK, content__external_url=f"file://{tmp_path}")
    try:
        node.start()
        (ids,) = say(node, "on a share")
        wait_gone_up(node)
        assert said(node, ids) == "on a share"
        assert {name.split(".", 1)[1] for name in os.listdir(tmp_path)} == {"txt", "seg", "seg.index", "prv", "prv.index"}
    finally:
        node.kill()
        node.remove()


@pytest.mark.parametrize("option, says", [
    ("external_url=ftp://there/x", "s3://BUCKET/PREFIX"),
    ("external_url=s3://no", "bucket"),
    ("external_url=s3://prompts/a b", "prefix"),
])
def test_a_configuration_that_cannot_work_ends_the_start(option, says, tmp_path):
    ended = subprocess.run([BINARY, "serve", f"--server.data_dir={tmp_path}/data", f"--content.{option}",
                            *(f"--listen.{name}=127.0.0.1:0" for name in ("grpc", "otlp", "api"))],
                           capture_output=True, text=True, timeout=30, env=CLEAN_ENV, check=False)
    assert ended.returncode != 0 and says in ended.stderr, ended.stderr
