"""A master key that is missing, wrong or in danger, and files that a disk damaged: said by name, never made worse.

SPDX-License-Identifier: Apache-2.0
"""
import glob
import hashlib
import json
import os
import shutil
import subprocess

import pytest
from conftest import BINARY, CLEAN_ENV, JSON, json_request, make_span, wait_until

LONG = {"settle__after_root": "10m", "settle__after_idle": "10m", "log__segment": "1MiB"}


def call(number, pad=0):
    return make_span({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini", "user.id": f"user-{number}",
                      "gen_ai.usage.input_tokens": number, "gen_ai.usage.output_tokens": 1,
                      "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [
                          {"type": "text", "content": f"question {number} " + "word " * pad}]}])})


def send(server, count, pad=0):
    spans = [call(number, pad) for number in range(1, count + 1)]
    for span in spans:
        assert server.post(json.dumps(json_request([span])).encode(), kind=JSON).status == 200
    return spans


def question(server, span):
    return server.request("GET", f"/api/v1/spans/{span['traceId']}/{span['spanId']}/payload")


def tree(folder):
    """Every file's hash, but for those that the mere try to start touches."""
    found = {}
    for path in glob.glob(folder + "/**", recursive=True):
        if os.path.isfile(path) and not os.path.basename(path).startswith(("lock", "meta.sqlite")):
            with open(path, "rb") as file:
                found[path] = hashlib.sha256(file.read()).hexdigest()
    return found


def refused(server):
    with pytest.raises(RuntimeError) as ended:
        server.start(seconds=30)
    assert "ended with 1" in str(ended.value) and "cannot start" in str(ended.value), ended.value
    return str(ended.value)


def command(server, *arguments):
    return subprocess.run([BINARY, *arguments, f"--data_dir={server.data_dir}"], capture_output=True, text=True,
                          env=CLEAN_ENV, timeout=60, check=False)


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x55]))


# ---- the master key ----

@pytest.fixture
def used(new_server):
    """A stopped server with a stored trace; its master key; the span."""
    server = new_server().start()
    span = send(server, 1)[0]
    server.wait_trace(span["traceId"])
    server.stop()
    return server, server.data_dir + ".keys/master.key", span


def check_works_again(server, span):
    server.start()
    assert "question 1" in question(server, span).text


def break_missing(path):
    os.rename(path, path + ".away")


def break_wrong(path):
    shutil.copyfile(path, path + ".away")
    with open(path, "w", encoding="ascii") as file:
        file.write("ab" * 32 + "\n")


def break_truncated(path):
    shutil.copyfile(path, path + ".away")
    os.truncate(path, 40)


def break_unreadable(path):
    os.rename(path, path + ".away")
    os.mkdir(path)


def break_open(path):
    shutil.copyfile(path, path + ".away")
    os.chmod(path, 0o644)


@pytest.mark.parametrize("how, named", [
    (break_missing, "restore"), (break_wrong, "fingerprint"), (break_truncated, "64 hex digits"),
    (break_unreadable, "master.key"), (break_open, "chmod")], ids=lambda how: getattr(how, "__name__", None))
def test_a_bad_master_key_is_named_with_the_way_out_and_nothing_changes(used, how, named):
    server, path, span = used
    how(path)
    before = tree(server.folder)
    text = refused(server)
    assert path in text or os.path.dirname(path) in text, text
    assert named in text, text
    assert {key: value for key, value in tree(server.folder).items() if "stderr" not in key} == \
        {key: value for key, value in before.items() if "stderr" not in key}
    if os.path.isdir(path):
        os.rmdir(path)
    os.rename(path + ".away", path)
    os.chmod(path, 0o600)
    check_works_again(server, span)


def test_no_new_keys_are_made_beside_data_of_old_ones(used):
    server, path, span = used
    folder = os.path.dirname(path)
    os.rename(folder, folder + ".away")
    text = refused(server)
    assert folder in text and "bring back" in text, text
    assert not os.path.exists(path)
    shutil.rmtree(folder, ignore_errors=True)
    os.rename(folder + ".away", folder)
    check_works_again(server, span)


def test_a_damaged_keystore_is_said_and_a_torn_end_is_cut(used):
    server, path, span = used
    store = os.path.join(os.path.dirname(path), "keystore")
    with open(store, "ab") as file:
        file.write(b"torn")
    check_works_again(server, span)
    server.stop()
    flip(store, 3)
    assert "keystore" in refused(server)
    flip(store, 3)
    check_works_again(server, span)


# ---- the log ----

@pytest.fixture
def logged(new_server):
    """A killed server whose spans are in the log alone, over several segments."""
    server = new_server(**LONG).start()
    spans = send(server, 60, pad=12000)
    server.wait_spans("", len(spans))
    server.kill()
    segments = sorted(glob.glob(server.data_dir + "/log/wal-*.log"))
    assert len(segments) >= 3
    return server, spans, segments


def found_after_start(server, count):
    """The ids of the spans found; `count` are waited for, more would be seen too."""
    server.start()
    wait_until(lambda: server.metric("telltale_drain_sequence") >= server.metric("telltale_log_sequence"), what="replay")
    wait_until(lambda: len(server.spans()) >= count, what=f"{count} spans")
    return {span["span_id"] for span in server.spans()}


def test_a_whole_log_verifies(logged):
    server, spans, _ = logged
    shown = command(server, "log", "verify")
    assert shown.returncode == 0 and "the log is whole" in shown.stdout and "60 spans" in shown.stdout, shown
    assert found_after_start(server, len(spans)) == {span["spanId"] for span in spans}


def test_a_torn_tail_is_cut_and_only_that(logged):
    server, spans, segments = logged
    with open(segments[-1], "ab") as file:
        file.write(os.urandom(777))
    shown = command(server, "log", "verify")
    assert shown.returncode == 0 and "torn tail: 777 bytes" in shown.stdout, shown
    assert found_after_start(server, len(spans)) == {span["spanId"] for span in spans}
    assert server.metric("telltale_log_torn_bytes") == 777
    assert "half written" in server.stderr()


def test_flipped_bits_lose_one_record_and_are_reported(logged):
    server, spans, segments = logged
    flip(segments[0], os.path.getsize(segments[0]) // 2)
    shown = command(server, "log", "verify")
    assert shown.returncode == 1 and "DAMAGED: 1 places" in shown.stdout and "59 spans" in shown.stdout, shown
    found = found_after_start(server, len(spans) - 1)
    assert len({span["spanId"] for span in spans} - found) == 1
    assert server.metric("telltale_drain_corrupt_records_total") >= 1
    assert "damaged" in server.stderr()


def test_a_deleted_segment_loses_what_was_in_it_and_is_reported(logged):
    server, spans, segments = logged
    os.remove(segments[1])
    shown = command(server, "log", "verify")
    assert shown.returncode == 1 and "MISSING" in shown.stdout, shown
    lost = {span["spanId"] for span in spans} - found_after_start(server, len(spans) - 30)
    assert 0 < len(lost) < 30
    assert "damaged" in server.stderr(), server.stderr()
    assert server.post(json.dumps(json_request([call(1)])).encode(), kind=JSON).status == 200


# ---- content ----

def test_flipped_bits_in_content_are_an_error_there_and_nowhere_else(new_server):
    server = new_server().start()
    spans = send(server, 5, pad=50)
    for span in spans:
        server.wait_trace(span["traceId"])
    server.stop()
    segment = max(glob.glob(server.data_dir + "/content/*.seg"), key=os.path.getsize)
    flip(segment, os.path.getsize(segment) // 2)
    server.start()
    answers = [question(server, span) for span in spans]
    bad = [answer for answer in answers if answer.status != 200]
    assert len(bad) == 1, answers
    assert bad[0].json["error"]["message"] and "question" not in bad[0].text, bad
    assert all(f"question {number} " in answer.text for number, answer in enumerate(answers, 1) if answer.status == 200)
    for span in spans:
        assert server.trace(span["traceId"])["spans"][0]["input_tokens"], "numbers do not depend on content"
