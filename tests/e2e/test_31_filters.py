"""The filter language over the wire: other spans, sums, scores, patterns, completion; and what it refuses.

SPDX-License-Identifier: Apache-2.0"""
import json
import subprocess
import urllib.parse

import pytest
from conftest import BINARY, CLEAN_ENV, JSON, make_span, new_span_id, new_trace_id, wait_until


def get(server, path, expect=200, key=None, **params):
    headers = {"authorization": f"Bearer {key}"} if key else {}
    answer = server.request("GET", f"/api/v1/{path}?" + urllib.parse.urlencode(params), None, headers, server.api_port)
    assert answer.status == expect, answer
    return answer.json


def names(server, q, path="spans", **params):
    return sorted(item["name" if path == "spans" else "trace_id"] for item in get(server, path, q=q, **params)["items"])


def tree(server, mark, tools, model, cost, answer):
    """root > agent > tools and a model call, all with one attribute that finds them"""
    trace_id, root, agent = new_trace_id(), new_span_id(), new_span_id()

    def span(name, op, parent=None, span_id=None, **more):
        return make_span(trace_id=trace_id, span_id=span_id or new_span_id(), parent=parent, name=f"{mark} {name}",
                         attributes={"gen_ai.operation.name": op, "test.mark": mark, **more})
    spans = [span("root", "invoke_workflow", span_id=root), span("agent", "invoke_agent", root, agent)]
    spans += [span(f"tool {i}", "execute_tool", agent, **{"gen_ai.tool.name": f"run_{i}", "shop.items": i}) for i in range(tools)]
    spans.append(span("chat", "chat", agent, **{"gen_ai.request.model": model, "gen_ai.response.model": model,
                                                "gen_ai.response.id": answer, "gen_ai.usage.input_tokens": 10,
                                                "gen_ai.usage.output_tokens": 5, "gen_ai.usage.cost": cost}))
    server.send_spans(*spans)
    return trace_id


@pytest.fixture(name="trees", scope="module")
def sent_trees(server):
    many = tree(server, "many", 3, "model-a", 0.8, "resp-many")
    few = tree(server, "few", 1, "model-b", 0.1, "resp-few")
    scores = [{"trace_id": many, "name": "rating", "value": "down", "source": "user"},
              {"trace_id": few, "name": "rating", "value": "up", "source": "user"},
              {"response_id": "resp-few", "name": "odd \"name\"", "value": 0.25}]
    answer = server.request("POST", "/api/v1/scores", json.dumps(scores), {"content-type": JSON}, server.api_port)
    assert answer.status == 200
    wait_until(lambda: len(get(server, "spans", q="has:test.mark")["items"]) == 10 and
               get(server, "spans", q='has:score.rating score."odd name":*')["items"] == [] and
               len(get(server, "scores")["items"]) == 3, 15, "all is there")
    return many, few


def test_a_filter_asks_the_other_spans_of_the_trace(server, trees):
    many, few = trees
    assert names(server, "any(op:tool) root(name:few*)") == ["few agent", "few chat", "few root", "few tool 0"]
    assert names(server, "op:chat parent(op:agent child(tool:run_2))") == ["many chat"]
    assert names(server, "op:tool ancestor(name:few*)") == ["few tool 0"]
    assert names(server, "not has:parent descendant(tool:run_1)") == ["many root"]
    assert names(server, "count(op:tool)>2", "traces") == [many]
    assert names(server, "count(op:tool)<2", "traces") == [few]
    assert names(server, "op:agent sum(shop.items)>2") == ["many agent"]
    assert names(server, "tool~/^RUN_[1-9]$/i") == ["many tool 1", "many tool 2"]


def test_one_query_groups_by_model_filters_by_cost_and_joins_the_rating(server, trees):
    """shows: X1"""
    answer = get(server, "aggregate", metric="count,cost", by="generator_model", q="cost>0.05 score.rating:down")
    assert [(g["by"]["generator_model"], g["values"]["count"], g["values"]["cost_usd"]) for g in answer["items"]] == [("model-a", 1, 0.8)]
    assert names(server, 'score."odd \\"name\\"">0.2') == ["few chat"]
    assert names(server, "score.rating:up trace.cost<0.5 op:tool") == ["few tool 0"]


def test_what_may_be_typed_next_is_known_and_seen(server, trees):
    def texts(q, **more):
        return [item["text"] for item in get(server, "complete", q=q, **more)["items"]]
    assert {"tenant", "tenant_id"} <= set(texts("ten"))
    assert texts("model:mod") == ["model-a", "model-b"] or texts("model:mod") == ["model-b", "model-a"]
    assert texts("any(tool:run_)", at=13)[:1] and set(texts("any(tool:run_)", at=13)) == {"run_0", "run_1", "run_2"}
    assert "score.rating" in texts("score.r") and 'score."odd \\"name\\""' in texts("score.o")
    assert "test.mark" in texts("test.")
    assert set(texts("score.rating:")) == {"up", "down"}
    assert texts("latency>5")[:2] == ["5ms", "5s"]
    assert texts("model:mod", **{"from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z"}) == []
    answer = get(server, "complete", q="status:er x", at=9)
    assert (answer["from"], answer["to"]) == (7, 9)
    assert "at:" in get(server, "complete", expect=400, q="a", at=2)["error"]["message"]
    assert "'at'" in get(server, "complete", expect=400, q="a", att=1)["error"]["hint"]


def test_a_bad_filter_is_an_answer_that_helps(server, trees):
    for q, offset, hint in [("anny(op:tool)", 0, "any("), ("any(tol:x)", 4, "tool"), ("count(op:tool)", 14, ""),
                            ("name~/a(/", 7, ""), ("sum(name)>1", 4, ""), ("trace.tool:x", 0, "any("), ("score.:1", 0, "score.")]:
        for path in ("spans", "traces", "aggregate", "live"):
            error = get(server, path, expect=400, q=q)["error"]
            assert error["offset"] == offset and hint in (error.get("hint") or ""), (q, error)
    for q in ("any(op:tool)", "count()>1", "score.mine<1", "trace.cost>1"):
        error = get(server, "live", expect=400, q=q)["error"]
        assert "live" in error["message"] and "/api/v1/spans" in error["hint"]


def test_no_condition_reaches_another_tenant_or_project(new_server):
    server = new_server(**{"auth.mode": "on"}).start()
    mine, theirs = new_trace_id(), new_trace_id()

    def key(*args):
        done = subprocess.run([BINARY, "key", "create", f"--data_dir={server.data_dir}", "--json", *args], env=CLEAN_ENV,
                              stdout=subprocess.PIPE, check=True, text=True)
        token = json.loads(done.stdout)["token"]
        wait_until(lambda: server.request("GET", "/api/v1/status", None, {"authorization": f"Bearer {token}"}, server.api_port).status in (200, 403)
                   and server.request("POST", "/v1/traces", b"", {"content-type": JSON, "authorization": f"Bearer {token}"}).status in (200, 403),
                   what="the key")
        return token
    all_of_it = key("--project=p1", "--permissions=ingest,read")
    bound = key("--project=p1", "--permissions=read", "--tenant=t1")
    other = key("--project=p2", "--permissions=read")
    for trace_id, tenant in ((mine, "t1"), (theirs, "t2")):
        server.send_spans(make_span({"app.tenant_id": tenant, "gen_ai.conversation.id": "same", "x.secret": tenant}, trace_id=trace_id),
                          headers={"authorization": f"Bearer {all_of_it}"})
    scored = [{"trace_id": theirs, "name": "rating", "value": "theirs"}, {"session_id": "same", "name": "session", "value": 1}]
    answer = server.request("POST", "/api/v1/scores", json.dumps(scored),
                            {"content-type": JSON, "authorization": f"Bearer {all_of_it}"}, server.api_port)
    assert answer.status == 200
    wait_until(lambda: len(get(server, "spans", key=all_of_it, q="has:score.session")["items"]) == 2, 15, "all is there")

    def found(who, q, path="spans"):
        return [item["trace_id"] for item in get(server, path, key=who, q=q)["items"]]
    assert found(all_of_it, "any(tenant:t2)") == [theirs] and found(all_of_it, "score.rating:theirs") == [theirs]
    for path in ("spans", "traces"):
        assert found(bound, "", path) == [mine]
        assert found(bound, "not any(tenant:t2)", path) == [mine]
        for q in ("any(tenant:t2)", "root(x.secret:t2)", "count(tenant:t2)>0", "has:score.rating", "has:score.session", "trace.tenant:t2"):
            assert found(bound, q, path) == [] and found(other, q, path) == [], q
        assert found(other, "not any(tenant:t2)", path) == []
    for q in ("x.secret:", "tenant:", "score.rating:", "score.r"):
        seen = json.dumps(get(server, "complete", key=bound, q=q)["items"])
        assert "t2" not in seen and "theirs" not in seen and "rating" not in seen, (q, seen)
        assert not [i for i in get(server, "complete", key=other, q=q)["items"] if i["kind"] == "value"]
