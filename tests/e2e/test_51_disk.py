"""A full disk: said clearly, nothing acknowledged is lost, and it goes on by itself when there is space again.

The disk is a small tmpfs, filled to its last byte; without the right to mount one these tests are skipped, but for the
first, which uses up the reserve of log.disk_free on whatever disk there is.

SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import json
import os
import shutil
import subprocess
import tempfile

import grpc
import pytest
from conftest import BINARY, CLEAN_ENV, JSON, json_request, make_span, request_of, wait_until

MIB = 1 << 20


@pytest.fixture
def small_disk():
    """A folder on a disk of 64 MiB of its own."""
    folder = tempfile.mkdtemp(prefix="telltale-disk-")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=0700", "telltale-test", folder],
                             capture_output=True, check=False).returncode == 0
    if not mounted:
        os.rmdir(folder)
        pytest.skip("no right to mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
    os.rmdir(folder)


def fill(folder, leave=0):
    """A file that takes what is free, but for `leave` bytes."""
    path = os.path.join(folder, "filler")
    with open(path, "ab", buffering=0) as filler:
        with contextlib.suppress(OSError):
            while (free := free_bytes(folder) - leave) > 0:
                filler.write(b"\0" * min(free, MIB))
    return path


def free_bytes(folder):
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def call(number, pad=0):
    return make_span({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini",
                      "gen_ai.usage.input_tokens": number, "gen_ai.usage.output_tokens": 1,
                      "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [
                          {"type": "text", "content": f"question {number} " + os.urandom(pad).hex()}]}])})


def post(server, span):
    return server.post(json.dumps(json_request([span])).encode(), kind=JSON)


def doctor(server):
    return subprocess.run([BINARY, "doctor", f"--data_dir={server.data_dir}", f"--server=http://127.0.0.1:{server.api_port}"],
                          capture_output=True, text=True, env=CLEAN_ENV, timeout=60, check=False)


def check_refusal(server):
    answer = post(server, call(1))
    assert answer.status == 503 and int(answer.headers["retry-after"]) >= 1, answer
    assert "space" in answer.text or "disk" in answer.text, answer
    with pytest.raises(grpc.RpcError) as refused:
        server.send_grpc(request_of([call(2)]))
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    assert any(key == "grpc-status-details-bin" and b"RetryInfo" in value
               for key, value in refused.value.trailing_metadata()), "senders retry only with RetryInfo"
    ready = server.request("GET", "/readyz")
    assert ready.status == 503 and "space" in ready.text and ready.json["error"]["hint"], ready
    assert server.request("GET", "/healthz").status == 200, "alive, so nobody shall restart it"
    assert server.metric("telltale_log_disk_full") == 1


def test_the_reserve_is_kept_free(new_server):
    """shows: C10"""
    server = new_server()
    if free_bytes(server.folder) < 6144 * MIB:
        pytest.skip("too little space to take some away")
    server.options["log.disk_free"] = str(free_bytes(server.folder) - 2048 * MIB)
    server.start()
    kept = call(100)
    assert post(server, kept).status == 200
    filler = os.path.join(server.folder, "filler")
    with open(filler, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 3072 * MIB)
    wait_until(lambda: post(server, call(3)).status == 503, what="a refusal")
    check_refusal(server)
    assert server.wait_trace(kept["traceId"])["spans"][0]["input_tokens"] == 100, "reading goes on"
    os.remove(filler)
    wait_until(lambda: server.request("GET", "/readyz").status == 200, what="ready again by itself")
    assert post(server, call(4)).status == 200


def send_until_full(server, sent):
    """Acknowledged spans by id; ends when the server refuses."""
    for number in range(1, 100000):
        span = call(number, pad=8192)
        answer = post(server, span)
        if answer.status != 200:
            assert answer.status in (429, 503), answer
            if answer.status == 503:
                return
            continue
        sent[span["traceId"], span["spanId"]] = number
    pytest.fail("never full")


def check_all(server, sent):
    wait_until(lambda: len(server.spans()) >= len(sent), 60, f"{len(sent)} spans")
    found = {(span["trace_id"], span["span_id"]): span["input_tokens"] for span in server.spans()}
    assert {key: found.get(key) for key in sent} == sent


def test_a_disk_full_to_the_last_byte_loses_nothing(new_server, small_disk):
    """shows: C10 X5"""
    server = new_server(folder=small_disk, log__disk_free="1", log__segment="1MiB")
    server.start()
    sent = {}
    fill(small_disk, leave=12 * MIB)
    send_until_full(server, sent)
    assert len(sent) > 50
    fill(small_disk)
    wait_until(lambda: post(server, call(1)).status == 503, what="a refusal")
    check_refusal(server)
    said = doctor(server)
    assert said.returncode != 0 and "disk" in said.stdout and "free some space" in said.stdout, said
    assert server.process.poll() is None, server.stderr()
    os.remove(os.path.join(small_disk, "filler"))
    wait_until(lambda: server.request("GET", "/readyz").status == 200, what="ready again by itself")
    last = call(4711)
    assert post(server, last).status == 200
    sent[last["traceId"], last["spanId"]] = 4711
    wait_until(lambda: server.metric("telltale_open_traces") == 0, 60, "all settled")
    check_all(server, sent)
    server.stop()
    server.start()
    check_all(server, sent)
    trace_id, span_id = next(iter(sent))
    assert "question" in json.dumps(server.payload(trace_id, span_id)["input"])


def test_killed_on_a_full_disk_it_comes_back(new_server, small_disk):
    """shows: C10 X5"""
    server = new_server(folder=small_disk, log__disk_free="1", log__segment="1MiB")
    server.start()
    sent = {}
    fill(small_disk, leave=8 * MIB)
    send_until_full(server, sent)
    fill(small_disk)
    server.kill()
    try:
        server.start()  # it may: then it refuses writes
    except RuntimeError as refused:
        text = str(refused)
        assert "space" in text.lower() or "disk" in text.lower(), text
        assert "cannot start" in text, text
    server.kill()
    os.remove(os.path.join(small_disk, "filler"))
    server.start()
    check_all(server, sent)
    assert post(server, call(1)).status == 200


def test_a_read_that_cannot_be_audited_is_refused(new_server, small_disk):
    """shows: P7"""
    server = new_server(folder=small_disk, log__disk_free="1")
    server.start()
    span = call(1)
    assert post(server, span).status == 200
    server.wait_trace(span["traceId"])
    shutil.copyfile("/dev/null", os.path.join(small_disk, "filler"))
    fill(small_disk)

    def refused():
        return server.request("GET", f"/api/v1/spans/{span['traceId']}/{span['spanId']}/payload").status != 200
    wait_until(refused, what="the audit log's last block is full")
    answer = server.request("GET", f"/api/v1/spans/{span['traceId']}/{span['spanId']}/payload")
    assert answer.status >= 500 and "audit" in answer.text and "question" not in answer.text, answer
    os.remove(os.path.join(small_disk, "filler"))
    wait_until(lambda: not refused(), what="reading again")
