"""The command line: what people and scripts see.  SPDX-License-Identifier: Apache-2.0"""
import fcntl
import glob
import json
import os
import pty
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import termios
import time

import pytest
from conftest import BINARY, CLEAN_ENV, ROOT, make_span, new_span_id, new_trace_id, wait_until

MODEL = {"gen_ai.system": "openai", "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini",
         "gen_ai.usage.input_tokens": 1842, "gen_ai.usage.output_tokens": 318}
SECRET_TEXT = "the raven counts 4711 silver spoons"
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
with open(os.path.join(ROOT, "src/cli/command.def"), encoding="utf-8") as table:
    COMMANDS = ["serve", *re.findall(r"^COMMAND\((\w+)", table.read(), re.M)]


def environment(server, env=None):
    return dict(CLEAN_ENV, TELLTALE_SERVER=f"http://127.0.0.1:{server.api_port}", LC_ALL="C.UTF-8",
                TELLTALE_SERVER_DATA_DIR=server.data_dir, **(env or {}))


def cli(server, *arguments, env=None, **more):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=60, check=False,
                          env=environment(server, env), **more)


def done(server, *arguments, **more):
    """What it prints; it must end with 0."""
    shown = cli(server, *arguments, **more)
    assert shown.returncode == 0, shown
    return shown.stdout


def on_terminal(server, *arguments, columns=80, env=None):
    """What a terminal of that width gets."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen([BINARY, *arguments], stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL,
                               env=environment(server, dict({"TERM": "xterm"}, **(env or {}))))
    os.close(theirs)
    text = b""
    try:
        while piece := os.read(ours, 65536):
            text += piece
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert process.wait(30) == 0, text
    return text.decode().replace("\r\n", "\n")


@pytest.fixture(scope="module")
def shop(server):
    """A request with a retrieval, a failed tool and a model call; its ids."""
    trace_id, root, agent = new_trace_id(), new_span_id(), new_span_id()
    start = time.time_ns() - 5 * 10**9
    messages = json.dumps([{"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
                           {"role": "user", "parts": [{"type": "text", "content": SECRET_TEXT + " for jo@example.org"}]}])
    tenant = {"tenant.id": "acme"}
    spans = [
        make_span(tenant, "POST /ask", trace_id, root, start=start, ms=2000, kind=2),
        make_span({**tenant, "gen_ai.operation.name": "invoke_agent"}, "invoke_agent shop", trace_id, agent, root,
                  start + 10**7, 1900),
        make_span({**tenant, "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "orders"}, "execute_tool orders",
                  trace_id, parent=agent, start=start + 2 * 10**7, ms=100, status={"code": 2, "message": "no such order"}),
        make_span({**tenant, **MODEL, "gen_ai.input.messages": messages}, "llm.chat", trace_id, parent=agent,
                  start=start + 10**9, ms=800),
    ]
    server.send_spans(*spans)
    server.wait_trace(trace_id, count=4)
    return trace_id


# ---- traces ----

def test_traces_lists_name_model_tokens_cost_and_latency(server, shop):
    """shows: E40"""
    lines = done(server, "traces").splitlines()
    row = next(line for line in lines if shop[:8] in line)
    assert lines[0].split()[:2] == ["TIME", "(UTC)"]
    for part in ("POST /ask", "gpt-4o-mini", "1.8k", "318", "$0.000467", "2.0 s"):
        assert part in row, (part, row)


def test_traces_takes_a_filter_a_limit_and_an_order(server, shop):
    for i in range(3):
        server.send_spans(make_span(MODEL, f"limit-{i}", ms=100 * (i + 1)))
    server.wait_spans("name:limit-*", 3, settled=True)
    rows = done(server, "traces", "-q", "name:limit-*", "--limit=2", "--sort", "latency").splitlines()[1:]
    assert ["limit-2" in rows[0], "limit-1" in rows[1], len(rows)] == [True, True, 2]
    assert shop[:8] in done(server, "traces", "-qtenant:acme")
    assert "24 hours" in done(server, "traces", "-q", "name:nothing-has-this-name")


def test_traces_json_is_the_answer_of_the_api(server, shop):
    answer = json.loads(done(server, "traces", "--json", "-q", "tenant:acme"))
    assert [item["trace_id"] for item in answer["items"]] == [shop]
    assert answer["items"] == server.api("/traces", q="tenant:acme")["items"]


def test_a_pipe_gets_no_colour_no_hint_and_nothing_cut(server):
    name = "long-name of more than any terminal has columns " * 5
    server.send_spans(make_span(MODEL, name))
    server.wait_spans("name:long-name*", settled=True)
    text = done(server, "traces", env={"TERM": "xterm"})
    assert name.strip() in text and "\x1b" not in text and "telltale trace" not in text


def test_a_terminal_gets_colour_a_hint_and_rows_that_fit(server, shop):
    text = on_terminal(server, "traces", columns=100)
    assert "\x1b[36m" + shop[:8] in text
    assert "telltale trace " in text.splitlines()[-1]
    assert max(len(ESCAPE.sub("", line)) for line in text.splitlines()) <= 100


# ---- trace ----

def test_trace_draws_children_under_their_parents(server, shop):
    """shows: A1 B4"""
    text = done(server, "trace", shop[:10])
    assert shop in text.splitlines()[0]
    tree = [line for line in text.splitlines() if " ms" in line or " s " in line][1:]
    assert tree[0].startswith("request POST /ask")
    assert tree[1].startswith("└─ agent invoke_agent shop")
    assert tree[2].startswith("   ├─ tool execute_tool orders")
    assert tree[3].startswith("   └─ model llm.chat") and "1.8k→318" in tree[3] and "$0.000467" in tree[3]
    assert "no such order" in text
    bars = [re.search("█+", line).start() for line in tree]
    assert bars[3] > bars[2] >= bars[1] >= bars[0], "each bar begins when its span did"


@pytest.mark.parametrize("columns", [40, 60, 80, 133])
def test_trace_fits_a_terminal_of_any_width(server, shop, columns):
    text = on_terminal(server, "trace", shop, columns=columns)
    lines = [ESCAPE.sub("", line) for line in text.splitlines()]
    body = lines[1:]  # the first has the whole id, for copying
    assert max(len(line) for line in body) <= columns, body
    assert ("█" in text) == (columns >= 80), "the bars go first"
    assert ("$0.000467" in body[-1]) == (columns >= 60), "then the cost"
    assert "\x1b[32mmodel\x1b[0m" in text and "\x1b[31m" in text


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": ""}])
def test_no_colour_when_asked_for_none(server, shop, env):
    text = on_terminal(server, "trace", shop, env=env)
    assert "POST /ask" in text and "\x1b" not in text


def test_an_escape_sequence_in_a_name_does_not_reach_the_terminal(server):
    """shows: P19"""
    trace_id = new_trace_id()
    evil = "a\x1b[2J\x1b]0;title\x07b\u202etxt\nforged line\x9b31m"
    server.send_spans(make_span(dict(MODEL, **{"gen_ai.request.model": "m\x1b[8mhidden"}), evil, trace_id,
                                status={"code": 2, "message": "\x1b[1;31m\rgone"}))
    server.wait_trace(trace_id)
    for arguments in (("traces",), ("trace", trace_id), ("traces", "--json"), ("trace", trace_id, "--json")):
        text = on_terminal(server, *arguments, columns=200)
        rest = ESCAPE.sub("", text) if "--json" not in arguments else text
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", rest), (arguments, rest)
        assert not re.search("^forged", rest, re.M)


def test_spans_without_their_parent_and_in_a_ring_are_shown_too(server):
    trace_id, one, two = new_trace_id(), new_span_id(), new_span_id()
    server.send_spans(make_span({}, "orphan", trace_id, parent=new_span_id()),
                      make_span({}, "ring-one", trace_id, one, two), make_span({}, "ring-two", trace_id, two, one),
                      make_span({}, "own-parent", trace_id, *[new_span_id()] * 2))
    server.wait_trace(trace_id, 4, settled=False)
    text = done(server, "trace", trace_id)
    for name in ("orphan", "ring-one", "ring-two", "own-parent"):
        assert text.count(name) >= 1, text


def test_a_deep_trace_is_drawn_to_its_end(server):
    trace_id, ids = new_trace_id(), [new_span_id() for _ in range(200)]
    server.send_spans(*(make_span({}, f"level-{i}", trace_id, ids[i], ids[i - 1] if i else None) for i in range(200)))
    server.wait_trace(trace_id, 200)
    text = done(server, "trace", trace_id)
    assert "level-199" in text and "(199)" in text


def test_a_trace_that_is_not_there_is_1_and_what_is_no_id_is_2(server):
    gone = cli(server, "trace", "0123456789abcdef")
    assert gone.returncode == 1 and "no trace 0123456789abcdef" in gone.stderr
    wrong = cli(server, "trace", "../../etc")
    assert wrong.returncode == 2 and "hex" in wrong.stderr


def test_content_is_printed_only_when_asked_for_redacted_and_audited(server, shop):
    """shows: P7"""
    assert SECRET_TEXT not in done(server, "trace", shop)
    text = done(server, "trace", shop, "--content", "--reason=ticket 812")
    assert SECRET_TEXT in text and "audit" in text
    assert "jo@example.org" not in text and "[REDACTED" in text
    assert text.count("Be brief.") == 1
    with open(os.path.join(server.data_dir, "audit.log"), encoding="utf-8") as lines:
        last = json.loads(lines.readlines()[-1])
    assert (last["action"], last["trace_id"], last["reason"]) == ("payload.read", shop, "ticket 812")


# ---- cost ----

def test_cost_is_what_a_hand_computes(server, shop):
    """shows: G1

    1842 x 0.15e-6 + 318 x 0.60e-6 = 0.0004671 dollars."""
    row = next(line for line in done(server, "cost", "--by=tenant").splitlines() if "acme" in line)
    assert "$0.000467" in row and "1.8k" in row
    answer = json.loads(done(server, "cost", "-q", "tenant:acme", "--json"))
    assert answer["items"][0]["values"]["cost_usd"] == pytest.approx(0.0004671, abs=1e-9)


def test_cost_says_which_calls_have_no_price(server):
    """shows: G4"""
    server.send_spans(make_span(dict(MODEL, **{"gen_ai.request.model": "own-model-7"}), "unpriced"))
    server.wait_spans("request_model:own-model-7", settled=True)
    text = done(server, "cost")
    assert re.search(r"^own-model-7\s+–\s+–\s", text, re.M), text
    assert "have no price" in text


def test_cost_by_an_unknown_field_is_an_error_that_names_it(server):
    shown = cli(server, "cost", "--by=nonsense")
    assert shown.returncode == 1 and "nonsense" in shown.stderr


# ---- tail ----

class Tail:
    def __init__(self, server, *arguments):
        self.process = subprocess.Popen([BINARY, "tail", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=environment(server))
        self.text = b""
        os.set_blocking(self.process.stdout.fileno(), False)

    def read(self):
        self.text += self.process.stdout.read() or b""
        return self.text.decode()

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=10)
        return self.process.returncode, self.text.decode() + out.decode(), err.decode()


@pytest.fixture
def tail():
    made = []

    def start(*arguments):
        made.append(Tail(*arguments))
        return made[-1]
    yield start
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


def send_until(server, tail, name, seconds=15):
    """Send spans of that name until the tail shows one: it may still be connecting."""
    def look():
        server.send_spans(make_span(MODEL, name))
        return name in tail.read()
    return wait_until(look, seconds, f"{name} in the tail")


def test_tail_shows_spans_as_they_arrive_and_ends_with_0_at_ctrl_c(server, tail):
    running = tail(server)
    send_until(server, running, "tail-me")
    started = time.monotonic()
    status, text, errors = running.interrupt()
    assert (status, errors) == (0, "") and time.monotonic() - started < 3
    line = next(line for line in text.splitlines() if "tail-me" in line)
    assert "gpt-4o-mini" in line and "1.8k→318" in line and "$0.000467" in line


def test_tail_filters_counts_and_writes_a_line_of_json_each(server, tail):
    running = tail(server, "-q", "name:wanted", "--limit=2", "--json")

    def look():
        server.send_spans(make_span(MODEL, "unwanted"), make_span(MODEL, "wanted"))
        running.read()
        return running.process.poll() is not None
    wait_until(look, 15, "the end of the tail")
    lines = running.read().splitlines()
    assert running.process.returncode == 0
    assert [json.loads(line)["name"] for line in lines] == ["wanted", "wanted"]


def test_tail_goes_on_after_the_server_was_started_anew(new_server, tail):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    made = new_server(listen__api=f"127.0.0.1:{port}").start()
    running = tail(made)
    send_until(made, running, "before-restart")
    made.stop()
    made.start()
    send_until(made, running, "after-restart")
    status, _, errors = running.interrupt()
    assert status == 0 and "went away" in errors


def test_tail_of_a_wrong_filter_ends_at_once(server):
    shown = cli(server, "tail", "-q", "nonsense:(")
    assert shown.returncode == 1 and "nonsense" in shown.stderr


# ---- a server that is away, or wants a key ----

@pytest.mark.parametrize("command", ["traces", "tail", "cost", "health", "config"])
def test_no_server_is_said_with_its_address_and_what_to_do(server, command):
    shown = cli(server, command, "--server=http://127.0.0.1:1")
    assert shown.returncode == 1 and shown.stdout == ""
    assert "http://127.0.0.1:1" in shown.stderr and "telltale serve" in shown.stderr
    assert len(shown.stderr.splitlines()) == 2


def test_what_is_no_telltale_server_is_said(server, tmp_path):
    shown = cli(server, "traces", f"--server=http://127.0.0.1:{server.otlp_port}")
    assert shown.returncode == 1 and shown.stderr
    wrong = cli(server, "traces", "--server=foo://x")
    assert wrong.returncode == 1 and "http://127.0.0.1:4320" in wrong.stderr


def test_a_certificate_of_ones_own_is_trusted_when_given(new_server, tmp_path):
    """shows: D9"""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2",
                    "-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")], capture_output=True, check=True)
    made = new_server(listen__tls_cert=str(tmp_path / "cert.pem"), listen__tls_key=str(tmp_path / "key.pem")).start()
    url = f"--server=https://127.0.0.1:{made.api_port}"
    refused = cli(made, "health", url)
    assert refused.returncode == 1 and "not trusted" in refused.stderr and "--ca-file" in refused.stderr
    assert done(made, "health", url, f"--ca-file={tmp_path}/cert.pem").startswith("ready")
    assert done(made, "health", url, env={"TELLTALE_CA_FILE": str(tmp_path / "cert.pem")}).startswith("ready")
    gone = cli(made, "health", url, "--ca-file=/no/such/file")
    assert gone.returncode == 1 and "/no/such/file" in gone.stderr


def test_keys_made_and_revoked_beside_a_server_count_at_once(new_server, tmp_path):
    made = new_server(auth__mode="on").start()
    refused = cli(made, "traces")
    assert refused.returncode == 1
    assert "TELLTALE_KEY" in refused.stderr and "--key-file" in refused.stderr
    assert done(made, "health").startswith("ready"), "a probe needs no key"
    created = cli(made, "key", "create", "--project=shop", "--permissions=read,ingest", "--label=a label", "--expires=1h")
    token = created.stdout.strip()
    assert re.fullmatch("tt_[0-9a-f]{16}_[0-9a-f]{64}", token) and token not in created.stderr
    key = {"TELLTALE_KEY": token}
    wait_until(lambda: cli(made, "traces", env=key).returncode == 0, 15, "the key to be in force")
    file = tmp_path / "key"
    file.write_text(token + "\n")
    assert cli(made, "traces", f"--key-file={file}").returncode == 0
    trace_id = new_trace_id()
    made.headers = {"authorization": f"Bearer {token}"}
    made.send_spans(make_span(dict(MODEL, **{"gen_ai.input.messages": json.dumps(
        [{"role": "user", "parts": [{"type": "text", "content": SECRET_TEXT}]}])}), trace_id=trace_id))
    made.wait_trace(trace_id)
    denied = cli(made, "trace", trace_id, "--content", env=key)
    assert denied.returncode == 1 and "payload:read" in denied.stderr and SECRET_TEXT not in denied.stdout
    listed = json.loads(done(made, "key", "list", "--json"))["items"]
    mine = next(item for item in listed if item["label"] == "a label")
    assert mine["project"] == "shop" and mine["id"] == token[3:19] and mine["expires_time"]
    assert token[20:] not in done(made, "key", "list", "--json")
    done(made, "key", "revoke", mine["id"])
    wait_until(lambda: "not valid" in cli(made, "traces", env=key).stderr, 15, "the end of the key")
    assert mine["id"] not in done(made, "key", "list")
    assert "revoked" in done(made, "key", "list", "--all")
    with open(os.path.join(made.data_dir, "audit.log"), encoding="utf-8") as lines:
        actions = [(line["action"], line["object"]) for line in map(json.loads, lines)]
    assert actions[-2:] == [("key.create", mine["id"]), ("key.revoke", mine["id"])]
    assert done(made, "audit", "verify").startswith("the chain holds")


@pytest.mark.parametrize("arguments, named", [
    (["create", "--permissions=reed"], "reed"), (["create", "--expires=yesterday"], "yesterday"),
    (["create", "--permissions="], "permission"), (["revoke", "0123456789abcdef"], "no such key"),
    (["revoke", "xyz"], "xyz"), (["revoke"], "ID"), (["stats"], "status")])
def test_a_wrong_key_command_says_what_is_wrong(server, arguments, named):
    shown = cli(server, "key", *arguments)
    assert shown.returncode in (1, 2) and named in shown.stderr and shown.stdout == ""


def test_a_key_is_not_taken_from_the_command_line(server):
    shown = cli(server, "traces", "--key=tt_x")
    assert shown.returncode == 2 and "TELLTALE_KEY" in shown.stderr


# ---- a stopped server's folder ----

@pytest.fixture
def stopped(new_server):
    """A folder with three batches of spans in its log, and no server."""
    made = new_server(store__kind="memory").start()  # which keeps its log
    for i in range(3):
        made.send_spans(make_span(dict(MODEL, **{"gen_ai.input.messages": json.dumps(
            [{"role": "user", "parts": [{"type": "text", "content": SECRET_TEXT}]}])}), f"kept-{i}"))
    made.wait_spans("name:kept-*", 3)
    made.stop()
    return made


def segments(server):
    return sorted(path for path in glob.glob(os.path.join(server.data_dir, "log", "*")) if os.path.getsize(path) > 200)


def verify(server, *more):
    shown = cli(server, "log", "verify", "--json", *more)
    return shown.returncode, json.loads(shown.stdout)


def test_log_verify_reads_a_stopped_and_a_running_folder(server, shop, stopped):
    status, report = verify(stopped)
    assert (status, report["ok"], report["records"], report["spans"]) == (0, True, 3, 3)
    status, report = verify(server)
    assert (status, report["ok"]) == (0, True) and report["spans"] >= 4
    assert "the log is whole" in done(server, "log", "verify")


def test_log_verify_says_torn_tail_and_that_it_is_no_failure(stopped):
    with open(segments(stopped)[-1], "ab") as segment:
        segment.write(os.urandom(77))
    shown = done(stopped, "log", "verify")
    assert "torn tail: 77 bytes" in shown and "the log is whole" in shown
    assert verify(stopped)[1]["torn_tail_bytes"] == 77


def test_log_verify_fails_on_damage_before_whole_records(stopped):
    path = segments(stopped)[-1]
    first = json.loads(done(stopped, "log", "dump", "--json").splitlines()[0])
    with open(path, "r+b") as segment:
        segment.seek(first["offset"] + first["bytes"] // 2)
        byte = segment.read(1)
        segment.seek(-1, os.SEEK_CUR)
        segment.write(bytes([byte[0] ^ 0x40]))
    status, report = verify(stopped)
    assert (status, report["ok"], report["damaged"], report["records"]) == (1, False, 1, 2)
    assert "DAMAGED" in cli(stopped, "log", "verify").stdout


def test_log_verify_says_when_keys_are_missing_or_do_not_fit(stopped, new_server):
    shown = cli(stopped, "log", "verify", "--keys_dir=/nowhere")
    assert shown.returncode == 0 and "no keystore" in shown.stdout
    other = new_server().start()
    other.stop()
    status, report = verify(stopped, f"--keys_dir={other.data_dir}.keys")
    assert (status, report["locked"]) == (1, 3)


def test_log_dump_shows_batches_and_never_what_is_in_them(stopped):
    text = done(stopped, "log", "dump")
    rows = [line.split() for line in text.splitlines()[1:]]
    assert len(rows) == 3 and all(row[-1] == "default" for row in rows)
    items = [json.loads(line) for line in done(stopped, "log", "dump", "--json").splitlines()]
    assert [(item["state"], item["spans"]) for item in items] == [("ok", 1)] * 3
    assert len(done(stopped, "log", "dump", "--json", "--limit=2").splitlines()) == 2
    for shown in (text, json.dumps(items)):
        assert SECRET_TEXT not in shown and "kept-" not in shown


def test_a_folder_that_is_not_there_is_said(server):
    for command in (["log", "verify"], ["log", "dump"], ["audit", "verify"], ["key", "list"], ["key", "create"]):
        shown = cli(server, *command, "--data_dir=/no/such/folder")
        assert shown.returncode == 1 and "/no/such/folder" in shown.stderr and "--data_dir" in shown.stderr
    assert not os.path.exists("/no")


def test_key_status_counts_keys_and_shows_modes(stopped):
    text = done(stopped, "key", "status")
    assert re.search(r"fingerprint [0-9a-f]{16}", text) and re.search(r"[1-9]\d* projects", text) and "0600" in text
    with open(os.path.join(stopped.data_dir + ".keys", "master.key"), encoding="ascii") as secret:
        assert secret.read().strip() not in text
    os.chmod(os.path.join(stopped.data_dir + ".keys", "keystore"), 0o644)
    assert "OPEN TO OTHERS" in done(stopped, "key", "status")


def test_audit_verify_finds_a_changed_line(new_server):
    """shows: P8"""
    made = new_server(auth__mode="on").start()
    for _ in range(3):
        assert cli(made, "key", "create").returncode == 0
    made.stop()
    report = json.loads(done(made, "audit", "verify", "--json"))
    assert report["ok"] and report["sequence"] == 3
    path = os.path.join(made.data_dir, "audit.log")
    with open(path, encoding="utf-8") as lines:
        text = lines.read()
    with open(path, "w", encoding="utf-8") as lines:
        lines.write(text.replace("key.create", "key.revoke", 1))
    shown = cli(made, "audit", "verify")
    assert shown.returncode == 1 and "line 1" in shown.stderr and "changed" in shown.stderr
    assert json.loads(cli(made, "audit", "verify", "--json").stdout)["ok"] is False


# ---- redact ----

TEXT = "write to jo@example.org, card 4111 1111 1111 1111\n"


def test_redact_test_prints_the_text_and_counts_apart(server, tmp_path):
    """shows: P2"""
    file = tmp_path / "prompt.txt"
    file.write_text(TEXT)
    shown = cli(server, "redact", "test", str(file))
    assert (shown.returncode, shown.stdout) == (0, "write to [REDACTED], card [REDACTED]\n")
    assert "2 replaced" in shown.stderr and "email 1" in shown.stderr and "credit_card 1" in shown.stderr
    named = cli(server, "redact", "test", "-", "--name-kind", input=TEXT)
    assert named.stdout == "write to [REDACTED:email], card [REDACTED:credit_card]\n"
    kept = cli(server, "redact", "test", "-", "--pii=keep", input=TEXT)
    assert "jo@example.org" in kept.stdout
    report = json.loads(cli(server, "redact", "test", "-", "--json", input=TEXT).stdout)
    assert report == {"count": 2, "kinds": {"email": 1, "credit_card": 1}, "text": "write to [REDACTED], card [REDACTED]\n"}


def test_redact_test_of_nothing_and_of_wrong_words_is_clear(server):
    assert cli(server, "redact", "test", "-", input="").stdout == ""
    gone = cli(server, "redact", "test", "/no/such/file")
    assert gone.returncode == 1 and "/no/such/file" in gone.stderr
    wrong = cli(server, "redact", "test", "-", "--pii=blur", input=TEXT)
    assert wrong.returncode == 2 and "blur" in wrong.stderr and "jo@" not in wrong.stdout


# ---- doctor, health, config ----

def doctor(server, *more, env=None):
    shown = cli(server, "doctor", "--json", *more, env=env)
    report = json.loads(shown.stdout)
    return shown.returncode, {check["name"]: check for check in report["checks"]}


def test_doctor_misses_the_first_span_and_then_finds_it(new_server):
    made = new_server().start()
    status, checks = doctor(made)
    assert (status, checks["spans"]["status"]) == (0, "warn") and "OTEL_EXPORTER" in checks["spans"]["hint"]
    made.send_spans(make_span(MODEL))
    made.wait_spans("")
    status, checks = doctor(made)
    assert (status, checks["spans"]["status"]) == (0, "ok")
    assert checks["instrumentation"]["status"] == "warn" and "telltale instrumentation" in checks["instrumentation"]["hint"]
    assert "1 of 1 calls of" in checks["instrumentation"]["detail"]
    for name in ("data folder", "disk", "lock", "keystore", "audit log", "server", "version", "clock", "libraries"):
        assert checks[name]["status"] in ("ok", "warn"), checks[name]
    assert str(made.process.pid) in checks["lock"]["detail"]


def test_doctor_says_what_to_do_about_each_failure(stopped):
    key = os.path.join(stopped.data_dir + ".keys", "master.key")
    os.chmod(key, 0o644)
    with open(os.path.join(stopped.data_dir, "audit.log"), "a", encoding="utf-8") as audit:
        audit.write("{}\n")
    shown = cli(stopped, "doctor", "--server=http://127.0.0.1:1")
    assert shown.returncode == 1
    lines = shown.stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("FAIL") and "master.key" in line)
    assert "chmod" in lines[at + 1]
    assert any(line.startswith("FAIL  audit log") for line in lines)
    assert any(line.startswith("warn  server") and "127.0.0.1:1" in line for line in lines), "not to run is no failure"
    assert re.search(r"\d+ ok, \d+ warnings, [2-9] failures$", lines[-1])


def test_doctor_of_an_empty_machine_warns_only(server, tmp_path):
    shown = cli(server, "doctor", f"--data_dir={tmp_path}/none", "--server=http://127.0.0.1:1")
    assert shown.returncode == 0 and "is not there" in shown.stdout and "0 failures" in shown.stdout


def test_doctor_finds_files_of_the_future_and_a_lost_keystore(stopped):
    future = time.time() + 7200
    os.utime(os.path.join(stopped.data_dir, "audit.log"), (future, future))
    shutil.rmtree(stopped.data_dir + ".keys")
    shown = cli(stopped, "doctor", "--server=http://127.0.0.1:1")
    assert shown.returncode == 1
    assert re.search(r"^FAIL  clock .* in the future", shown.stdout, re.M)
    assert re.search(r"^FAIL  keystore .* is not there", shown.stdout, re.M)


def test_doctor_says_who_has_a_port(server, tmp_path):
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            other.bind(("127.0.0.1", 4317))
        except OSError:
            pytest.skip("port 4317 is in use here")
        other.listen()
        shown = cli(server, "doctor", f"--data_dir={tmp_path}/none", "--server=http://127.0.0.1:1")
    assert re.search(rf"^warn  port OTLP/gRPC +4317 is used by .*process {os.getpid()}$", shown.stdout, re.M), shown.stdout
    assert "--listen.grpc=" in shown.stdout


def test_health_is_an_exit_status(server, new_server):
    assert cli(server, "health").returncode == 0
    assert json.loads(done(server, "health", "--json"))["status"] == "ready"
    made = new_server().start()
    made.stop()
    assert cli(made, "health").returncode == 1


def test_config_shows_values_and_where_they_came_from(server):
    row = next(line for line in done(server, "config").splitlines() if line.startswith("settle.tick "))
    assert "50ms" in row and "argument" in row


# ---- the command line itself ----

def test_help_lists_every_command(server):
    assert re.findall(r"^  ([a-z]+) ", done(server, "--help"), re.M) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_goes_to_stdout(server, command):
    shown = cli(server, command, "--help")
    assert shown.returncode == 0 and shown.stderr == "" and shown.stdout.startswith(f"usage: telltale {command}")
    assert cli(server, command, "-h").returncode == 0
    assert done(server, "help", command) == shown.stdout


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "serve"])
def test_examples_of_the_help_are_understood(server, command, tmp_path):
    text = done(server, command, "--help").split("examples:\n")[1]
    examples = [line.strip() for line in text.splitlines() if line.startswith("  telltale")]
    assert examples
    for example in examples:
        words = [word for word in shlex.split(re.split(r" [|>]+ ", example)[0])[1:] if not word.startswith("--data_dir")]
        words += ["--limit=1"] if command == "tail" else []
        if command in ("tail", "key") and words[:2] != ["key", "status"]:
            words += ["--server=http://127.0.0.1:1"] if command == "tail" else ["--data_dir=/no/such/folder"]
        shown = cli(server, *words, cwd=tmp_path)
        is_diff_of_nothing = command == "diff" and re.search("no trace 4bf92f35|is neither a file nor a trace id", shown.stderr)
        assert shown.returncode in (0, 1) or (shown.returncode == 2 and is_diff_of_nothing), (example, shown)


@pytest.mark.parametrize("arguments, named", [
    (["tracess"], "traces"), (["traces", "--limt=3"], "--limit"), (["traces", "--limit=0"], "--limit"),
    (["traces", "--limit=many"], "many"), (["traces", "--limit"], "needs a value"), (["traces", "extra"], "extra"),
    (["traces", "--json=yes"], "--json"), (["trace"], "ID"), (["log", "verfy"], "verify"), (["log"], "verify"),
    (["completion", "tcsh"], "bash"), (["traces", "-x"], "-x"), (["health", "--sort=cost"], "--sort")])
def test_what_is_not_understood_is_2_and_named(server, arguments, named):
    shown = cli(server, *arguments)
    assert shown.returncode == 2 and named in shown.stderr and shown.stdout == ""


def test_a_closed_pipe_ends_it_quietly(server, shop):
    shown = subprocess.run(["sh", "-c", f"{shlex.quote(BINARY)} traces | head -1"], capture_output=True, text=True,
                           timeout=60, check=True, env=environment(server))
    assert shown.stdout.count("\n") == 1 and shown.stderr == ""


def test_output_that_cannot_be_written_is_a_failure(server, shop):
    with open("/dev/full", "w", encoding="ascii") as full:
        shown = subprocess.run([BINARY, "traces"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
                               check=False, env=environment(server))
    assert shown.returncode == 1 and "cannot be written" in shown.stderr


def complete(server, *words):
    """What bash offers for these words, the last of which is being written."""
    script = done(server, "completion", "bash")
    quoted = " ".join(shlex.quote(word) for word in words)
    ask = f'{script}\ncompopt() {{ :; }}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}\n_telltale\necho "${{COMPREPLY[@]}}"'
    shown = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, timeout=20, check=True)
    return shown.stdout.split()


def test_bash_completes_commands_verbs_and_options(server):
    assert complete(server, "telltale", "tra") == ["traces", "trace"]
    assert complete(server, "telltale", "key", "cr") == ["create"]
    assert complete(server, "telltale", "traces", "--li") == ["--limit="]
    assert complete(server, "telltale", "traces", "--pii") == []


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_accept_their_completion(server, shell, tmp_path):
    script = done(server, "completion", shell)
    for name in COMMANDS:
        assert name in script
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    file = tmp_path / "completion"
    file.write_text(script)
    checked = subprocess.run([shell, "-n", str(file)], capture_output=True, text=True, timeout=20, check=False)
    assert checked.returncode == 0 and checked.stderr == "", checked
