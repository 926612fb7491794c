"""Search in prompts and answers: what is found where, who may, what the audit log has, and what a crash or damage leaves.

SPDX-License-Identifier: Apache-2.0
"""
import glob
import json
import os
import random
import subprocess

import pytest
from conftest import BINARY, CLEAN_ENV, Server, make_span, new_span_id, new_trace_id, wait_until

ALL_TIME = {"from": "1970-01-02T00:00:00Z", "to": "2261-01-01T00:00:00Z"}
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini", "gen_ai.response.model": "gpt-4o-mini"}


def run(*arguments, env=None):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=60, check=False,
                          env=dict(CLEAN_ENV, **(env or {})))


def messages(role, *texts):
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]} for text in texts])


def chat(question, answer="fine", more=None, **how):
    return make_span({**CHAT, "gen_ai.input.messages": messages("user", question),
                      "gen_ai.output.messages": messages("assistant", answer), **(more or {})}, **how)


def search(server, words, expect=200, headers=None, **params):
    return server.api("/search", headers=headers, expect=expect, words=words, **{**ALL_TIME, **params})


def found(server, words, headers=None, **params):
    """Every hit, over all pages: (trace id, field)."""
    items, cursor = [], {}
    while True:
        page = search(server, words, headers=headers, **params, **cursor)
        items += page["items"]
        if not page["next_cursor"]:
            assert page["complete"]
            return [(item["trace_id"], item["field"]) for item in items]
        cursor = {"cursor": page["next_cursor"]}


def audit_lines(server):
    with open(os.path.join(server.data_dir, "audit.log"), encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def shop():
    """Projects a and b; of a a key for a tenant, and one that may not read content."""
    made = Server(auth__mode="on").start()
    made.keys = {}
    try:
        made.headers = {"authorization": f"Bearer {made.first_key}"}
        every = "--permissions=ingest,read,payload:read"
        for name, more in (("a", ["--project=a", every]), ("b", ["--project=b", every]),
                           ("tenant", ["--project=a", "--tenant=t-1", every]),
                           ("reader", ["--project=a", "--permissions=ingest,read"])):
            shown = run("key", "create", f"--data_dir={made.data_dir}", "--json", *more)
            assert shown.returncode == 0, shown
            made.keys[name] = {"authorization": "Bearer " + json.loads(shown.stdout)["token"]}
        wait_until(lambda: all(made.request("GET", "/api/v1/status", headers=key).status == 200
                               for key in made.keys.values()), what="the keys to count")
        made.ids = {name: new_trace_id() for name in ("one", "two", "other", "unicode", "tool")}
        ids = made.ids
        made.send_spans(
            chat("What is our Refund Policy for a broken heron?", "Within 30 days: see chapter four.",
                 {"app.tenant_id": "t-1", "gen_ai.response.model": "model-x"}, trace_id=ids["one"]),
            chat("policy of no refund", "heron\n\"quoted\" herons fly", {"app.tenant_id": "t-2"}, trace_id=ids["two"]),
            chat("Die Straße nach ZÜRICH; cafe\u0301 Ångström", "東京都に住んでいます。", trace_id=ids["unicode"]),
            make_span({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "pay",
                       "gen_ai.tool.call.arguments": json.dumps({"role": "payer-role", "amount": 48213, "iban": "none"})},
                      trace_id=ids["tool"]), headers=made.keys["a"])
        made.send_spans(chat("a refund policy of another project: heron", trace_id=ids["other"]), headers=made.keys["b"])
        wait_until(lambda: made.metric("telltale_traces_settled_total") >= 5, what="the traces to settle")
        made.headers = made.keys["a"]
        wait_until(lambda: len(made.spans()) == 4 and all(span["settled"] for span in made.spans()), what="the spans of a")
        yield made
    finally:
        made.stop()
        made.remove()


def test_words_find_the_texts_that_have_all_of_them(shop):
    """shows: E8"""
    ids = shop.ids
    assert set(found(shop, "refund policy")) == {(ids["one"], "input"), (ids["two"], "input")}
    assert found(shop, '"refund policy"') == [(ids["one"], "input")]
    assert found(shop, '"policy refund"') == []
    assert found(shop, "refund chapter") == []  # one is in the prompt, the other in the answer
    assert set(found(shop, "heron")) == {(ids["one"], "input"), (ids["two"], "output")}
    assert found(shop, "herons") == [(ids["two"], "output")]
    assert found(shop, "her* fly") == [(ids["two"], "output")]
    assert found(shop, '"four heron"') == []
    assert found(shop, "48213") == [(ids["tool"], "tool_arguments")]
    assert found(shop, "nothing-has-this-word") == []


def test_case_accents_and_scripts_without_spaces_do_not_matter(shop):
    here = [(shop.ids["unicode"], "input")]
    for words in ("strasse", "STRASSE zürich", "Zurich", "café", "cafe", "angstrom", "ＺＵＲＩＣＨ"):
        assert found(shop, words) == here, words
    for words in ("東京", "京都", "住んで", "都"):
        assert found(shop, words) == [(shop.ids["unicode"], "output")], words
    assert found(shop, "京東") == []


def test_names_of_structure_are_no_content(shop):
    for words in ("assistant", "role", "user parts"):
        assert found(shop, words) == [], words
    assert found(shop, "amount") == []  # the name of an argument, not a value


def test_a_snippet_shows_where(shop):
    hit, = search(shop, "chapter")["items"]
    assert hit["snippet"] == "Within 30 days: see chapter four." and hit["matches"] == [[20, 27]]
    assert hit["generator_model"] == "model-x" and hit["settled"] and hit["field"] == "output"
    hit, = search(shop, "京都")["items"]
    assert [hit["snippet"][a:b] for a, b in hit["matches"]] == ["京都"]


def test_the_filter_and_the_range_narrow(shop):
    ids = shop.ids
    assert found(shop, "refund", q="tenant:t-2") == [(ids["two"], "input")]
    assert found(shop, "refund", q="model:model-x") == [(ids["one"], "input")]
    assert found(shop, "refund", q="model:no-such-model") == []
    assert found(shop, "refund", **{"to": "now-1h"}) == []
    assert len(found(shop, "refund", **{"from": "now-1h", "to": "now+1h"})) == 2


def test_pages_have_each_hit_once(shop):
    page = search(shop, "refund", limit=1)
    assert len(page["items"]) == 1 and not page["complete"] and page["stopped_by"] == "limit"
    both = found(shop, "refund", limit=1)
    assert len(both) == 2 and set(both) == set(found(shop, "refund"))


def test_nobody_finds_what_is_another_projects_or_tenants(shop):
    """shows: P17"""
    ids = shop.ids
    assert found(shop, "refund policy", headers=shop.keys["b"]) == [(ids["other"], "input")]
    assert found(shop, "refund policy", headers=shop.keys["tenant"]) == [(ids["one"], "input")]
    assert found(shop, "herons", headers=shop.keys["tenant"]) == []
    before = len(audit_lines(shop))
    refused = search(shop, "refund", expect=403, headers=shop.keys["reader"])
    assert "payload:read" in refused["error"]["message"]
    line = audit_lines(shop)[before:]
    assert [entry["action"] for entry in line] == ["content.search.denied"] and line[0]["project"] == "a"
    assert shop.request("GET", "/api/v1/search?words=refund", headers={"authorization": "Bearer tt_none"}).status == 401


def test_each_search_is_in_the_audit_log_without_its_words(shop):
    """shows: P7"""
    before = len(audit_lines(shop))
    search(shop, "refund policy", reason="ticket 7")
    search(shop, "Refund  POLICY")
    search(shop, "violetword")
    lines = audit_lines(shop)[before:]
    assert [line["action"] for line in lines] == ["content.search"] * 3
    assert lines[0]["reason"] == "ticket 7" and lines[0]["project"] == "a" and lines[0]["actor"]
    hashes = [line["object"].split()[0] for line in lines]
    assert hashes[0] == hashes[1] != hashes[2]
    assert lines[0]["object"].endswith("hits=2") and lines[2]["object"].endswith("hits=0")
    with open(os.path.join(shop.data_dir, "audit.log"), encoding="utf-8") as text:
        assert "violetword" not in text.read()
    assert run("audit", "verify", f"--data_dir={shop.data_dir}").returncode == 0


@pytest.mark.parametrize("words,said", [("", "no word"), ("...", "no word"), ("a" * 1025, "longer than 1024"),
                                        (" ".join(f"w{i}" for i in range(65)), "more than 64"), ("\udcff", None)])
def test_a_question_that_is_none_is_explained(shop, words, said):
    if said is None:
        answer = shop.request("GET", "/api/v1/search?words=%ff%fe")
    else:
        answer = shop.request("GET", "/api/v1/search?words=" + words.replace(" ", "+"))
    assert answer.status == 400, answer
    assert said is None or answer.json["error"]["message"].startswith("words: ") and said in answer.json["error"]["message"]


def test_the_longest_question_is_answered(shop):
    assert found(shop, "a" * 1024) == []
    assert found(shop, " ".join(f"w{i}" for i in range(64))) == []


@pytest.mark.parametrize("param,value", [("cursor", "00"), ("cursor", "ff" * 56), ("limit", "0"), ("limit", "201"),
                                         ("q", "latency>"), ("from", "yesterday"), ("wrods", "x")])
def test_a_wrong_parameter_is_a_400(shop, param, value):
    answer = shop.request("GET", f"/api/v1/search?words=refund&{param}={value}")
    assert answer.status == 400 and answer.json["error"]["message"]


def test_what_has_not_settled_is_found_too(new_server):
    server = new_server(settle__after_root="600s", settle__after_idle="600s").start()
    trace = new_trace_id()
    server.send_spans(chat("an unsettled walrus", trace_id=trace))
    wait_until(lambda: server.spans(), what="the span")
    page = search(server, "walrus")
    assert [(hit["trace_id"], hit["settled"]) for hit in page["items"]] == [(trace, False)]
    assert page["complete"] and page["unsettled_complete"]


def test_a_trace_that_was_written_anew_is_found_once(new_server):
    server = new_server().start()
    trace, root = new_trace_id(), new_span_id()
    server.send_spans(chat("first walrus", trace_id=trace, span_id=root))
    server.wait_trace(trace)
    server.send_spans(chat("second walrus", trace_id=trace, parent=root))
    wait_until(lambda: len(server.trace(trace)["spans"]) == 2 and all(s["settled"] for s in server.trace(trace)["spans"]),
               what="both spans")
    assert found(server, "walrus") == [(trace, "input")] * 2


def fill(server, count, words, seed=1):
    """Texts of random words, so many that there are stretches with an index."""
    rng, ids = random.Random(seed), []
    for _ in range(count):
        ids.append(new_trace_id())
        server.send_spans(*(chat(" ".join(rng.choices(words, k=900)), trace_id=ids[-1]) for _ in range(4)))
    wait_until(lambda: server.metric("telltale_traces_settled_total") >= count, 30, "the traces to settle")
    return ids


def index_files(server):
    return glob.glob(os.path.join(server.data_dir, "search", "*.idx"))


@pytest.fixture(scope="module")
def library():
    """Some 4 MB of text, one needle among them, and an index of most of it."""
    made = Server().start()
    try:
        rng = random.Random(5)
        made.words = ["".join(rng.choices("abcdefghijklmnop", k=rng.randint(3, 9))) for _ in range(3000)]
        made.needle = new_trace_id()
        made.send_spans(chat("the needle zyzzyva is here", trace_id=made.needle))
        fill(made, 160, made.words)
        wait_until(lambda: made.metric("telltale_search_indexed_bytes_total") > 3_000_000, 30, "the index")
        yield made
    finally:
        made.stop()
        made.remove()


def test_the_index_leaves_most_text_unread(library):
    stored = library.metric("telltale_content_plain_bytes")
    page = search(library, "zyzzyva")
    assert [hit["trace_id"] for hit in page["items"]] == [library.needle]
    assert page["bytes_read"] < stored / 2, (page["bytes_read"], stored)
    with open(index_files(library)[0], "rb") as data:
        assert b"zyzzyva" not in data.read()


def test_an_index_that_is_damaged_missing_or_old_changes_no_answer(library):
    library.stop()
    library.options["search.index"] = "false"  # so that none is made again
    path, = index_files(library)
    with open(path, "rb") as data:
        whole = bytearray(data.read())
    word = library.words[7]
    library.start()
    expected = sorted(found(library, word, limit=200))
    assert found(library, "zyzzyva") == [(library.needle, "input")]
    rng = random.Random(3)
    flips = [0, 9, 30, 64, 70, 100, 130] + [rng.randrange(len(whole)) for _ in range(12)]
    for damaged in ([bytearray(), whole[:50], whole[:64], whole[:100], whole[:len(whole) // 2], whole + b"\0" * 100] +
                    [whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1:] for at in flips]):
        with open(path, "wb") as data:
            data.write(damaged)
        assert found(library, "zyzzyva") == [(library.needle, "input")]
    assert sorted(found(library, word, limit=200)) == expected
    os.unlink(path)
    assert sorted(found(library, word, limit=200)) == expected
    library.stop()
    library.options["search.index"] = "true"
    library.start()
    wait_until(lambda: library.metric("telltale_search_indexed_bytes_total") > 1_000_000, 30, "the index again")
    assert sorted(found(library, word, limit=200)) == expected


def test_a_kill_while_the_index_is_made_loses_no_hit(new_server):
    server = new_server().start()
    rng = random.Random(9)
    words = ["".join(rng.choices("abcdefghijklmnop", k=6)) for _ in range(2000)]
    needles = []
    for turn in range(4):
        needle = new_trace_id()
        needles.append((needle, "input"))
        server.send_spans(chat("a zyzzyva of turn " + str(turn), trace_id=needle))
        server.wait_trace(needle)
        for _ in range(12):
            server.send_spans(*(chat(" ".join(rng.choices(words, k=900))) for _ in range(4)))
        server.kill()
        server.start()
    wait_until(lambda: sorted(found(server, "zyzzyva")) == sorted(needles), 20, "every needle")


def test_a_search_that_runs_out_of_time_says_so_and_goes_on(new_server):
    server = new_server(search__time="10ms", search__index="false").start()
    rng = random.Random(2)
    words = ["".join(rng.choices("abcdefghijklmnop", k=6)) for _ in range(500)]
    needle = new_trace_id()
    server.send_spans(chat("old zyzzyva", trace_id=needle))
    server.wait_trace(needle)
    fill(server, 250, words)
    page = search(server, "zyzzyva")
    assert not page["complete"] and page["stopped_by"] == "time" and page["stored_bytes_left"] > 0
    assert found(server, "zyzzyva") == [(needle, "input")]


def test_the_command_line_searches(shop):
    url = f"http://127.0.0.1:{shop.api_port}"
    env = {"TELLTALE_SERVER": url, "TELLTALE_KEY": shop.keys["a"]["authorization"][7:]}
    shown = run("search", "refund policy", "--from=now-1h", "--width=200", env=env)
    assert shown.returncode == 0 and "Refund Policy for a broken heron" in shown.stdout, shown
    assert shop.ids["one"][:8] in shown.stdout and shop.ids["two"][:8] in shown.stdout
    answer = run("search", "refund", "-q", "tenant:t-2", "--json", env=env)
    assert [hit["trace_id"] for hit in json.loads(answer.stdout)["items"]] == [shop.ids["two"]], answer
    none = run("search", "nothinghasthis", env=env)
    assert none.returncode == 0 and "no prompt or answer" in none.stdout
    refused = run("search", "refund", env=dict(env, TELLTALE_KEY=shop.keys["reader"]["authorization"][7:]))
    assert refused.returncode == 1 and "payload:read" in refused.stderr
