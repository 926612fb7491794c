"""Being told to stop, also in a hurry and by mistake; a second server; folders that will not do; a clock that jumps.

SPDX-License-Identifier: Apache-2.0
"""
import http.client
import json
import os
import shutil
import signal
import subprocess
import threading
import time

import pytest
from conftest import BINARY, CLEAN_ENV, JSON, json_request, make_span, wait_until

FREE_PORTS = [f"--listen.{name}=127.0.0.1:0" for name in ("grpc", "otlp", "api")]


def serve(*options, **more):
    return subprocess.run([BINARY, "serve", *options, *FREE_PORTS], capture_output=True, text=True, timeout=60,
                          env=CLEAN_ENV, check=False, **more)


def send_until_gone(port, acknowledged):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    while True:
        span = make_span()
        try:
            connection.request("POST", "/v1/traces", json.dumps(json_request([span])), {"content-type": JSON})
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return
        if answer.status == 200:
            acknowledged.append(span["spanId"])


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGTERM] * 3, [signal.SIGINT, signal.SIGTERM]],
                         ids=["once", "three times", "Ctrl-C and TERM"])
def test_a_stop_under_load_loses_nothing(new_server, signals):
    """shows: X5"""
    server = new_server().start()
    acknowledged = []
    senders = [threading.Thread(target=send_until_gone, args=(server.otlp_port, acknowledged)) for _ in range(4)]
    for sender in senders:
        sender.start()
    wait_until(lambda: len(acknowledged) > 200, what="some load")
    for number in signals:
        server.process.send_signal(number)
    status = server.process.wait(20)
    for sender in senders:
        sender.join()
    assert status == 0, (status, server.stderr())
    server.kill()
    server.start()
    wait_until(lambda: len(server.spans()) >= len(acknowledged), 30, "all that was acknowledged")
    found = [span["span_id"] for span in server.spans()]
    assert len(found) == len(set(found)) and set(acknowledged) <= set(found)


def test_a_second_server_is_refused_and_harms_nothing(new_server):
    server = new_server().start()
    span = make_span()
    server.send_spans(span)
    second = serve(f"--server.data_dir={server.data_dir}")
    assert second.returncode == 1 and server.data_dir in second.stderr and "another server" in second.stderr, second
    assert "choose another" in second.stderr, "the way out"
    keys = serve(f"--server.data_dir={server.folder}/other", f"--keys.dir={server.data_dir}.keys")
    assert keys.returncode == 1 and "in use by another process" in keys.stderr, keys
    server.wait_trace(span["traceId"])
    assert server.request("GET", "/readyz").status == 200


def test_the_lock_goes_with_the_process(new_server):
    server = new_server().start()
    server.kill()
    server.start()
    assert server.request("GET", "/readyz").status == 200


def test_a_folder_that_will_not_do_is_named(tmp_path):
    file = tmp_path / "file"
    file.write_text("not a folder")
    for path in (str(file), str(file / "below"), "/proc/nothing", "/dev/null/data"):
        shown = serve(f"--server.data_dir={path}")
        assert shown.returncode == 1 and path in shown.stderr and "cannot start" in shown.stderr, (path, shown)


def test_a_store_that_is_no_database_is_named_and_left_alone(new_server):
    server = new_server().start()
    server.send_spans(make_span())
    wait_until(lambda: server.metric("telltale_open_traces") == 0 and server.metric("telltale_store_spans") == 1, what="stored")
    server.stop()
    database = os.path.join(server.data_dir, "store/meta.duckdb")
    shutil.copyfile(database, database + ".away")
    with open(database, "r+b") as broken:
        broken.write(b"nonsense" * 1024)
    with pytest.raises(RuntimeError) as ended:
        server.start()
    assert "cannot start" in str(ended.value) and "meta.duckdb" in str(ended.value), ended.value
    os.replace(database + ".away", database)
    server.start()
    assert len(server.spans()) == 1


def test_a_clock_that_jumped_back_is_no_reason_to_stop(new_server):
    """Files of tomorrow are there; spans go on to be taken and found."""
    server = new_server().start()
    server.send_spans(make_span())
    server.wait_spans("")
    server.stop()
    tomorrow = time.time() + 86400
    for folder, _, names in os.walk(server.data_dir):
        for name in names:
            os.utime(os.path.join(folder, name), (tomorrow, tomorrow))
    server.start()
    span = make_span(start=time.time_ns() - 3 * 3600 * 10**9)
    server.send_spans(span)
    assert server.wait_trace(span["traceId"])["spans"][0]["span_id"] == span["spanId"]
    shown = subprocess.run([BINARY, "doctor", f"--data_dir={server.data_dir}",
                            f"--server=http://127.0.0.1:{server.api_port}"],
                           capture_output=True, text=True, env=CLEAN_ENV, timeout=60, check=False)
    assert "in the future" in shown.stdout, shown
