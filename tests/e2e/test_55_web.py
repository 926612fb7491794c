"""The web UI in a real Chromium: each case of tests/e2e/web/*.cases.mjs is a test here.

Three servers run for the whole file: one with traces, an empty one, and one that asks
for a key.  TELLTALE_PICTURES=1 also takes the pictures of docs/images.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import re
import shutil
import subprocess

import pytest
from conftest import BINARY, CLEAN_ENV, ROOT, Server

CASES = os.path.join(ROOT, "tests/e2e/web")
NPM_NODE = os.path.join(ROOT, ".deps/node/bin/node")
NODE = NPM_NODE if os.access(NPM_NODE, os.X_OK) else shutil.which("node")
NAME = re.compile(r"^( *)test(?:\.\w+)?\((?:\"([^\"]+)\"|`([^`]+)`)", re.M)
THEMES = ("light", "dark")
SECONDS = 400  # on a machine that does much else; alone it takes about one minute


def case_names():
    for file in sorted(os.listdir(CASES)):
        if not file.endswith(".cases.mjs"):
            continue
        with open(os.path.join(CASES, file), encoding="utf-8") as text:
            for indent, plain, template in NAME.findall(text.read()):
                if template:
                    yield from (template.replace("${colorScheme}", theme) for theme in THEMES)
                elif not indent or os.environ.get("TELLTALE_PICTURES"):
                    yield plain


def address(made):
    return {"api": f"http://127.0.0.1:{made.api_port}", "otlp": f"http://127.0.0.1:{made.otlp_port}"}


def reader_key(made):
    """A key that may read traces but no content."""
    shown = subprocess.run([BINARY, "key", "create", f"--data_dir={made.data_dir}", "--permissions=read", "--label=reader"],
                           capture_output=True, text=True, timeout=30, check=True, env=CLEAN_ENV)
    return re.search(r"tt_\w+", shown.stdout).group(0)


@pytest.fixture(scope="module")
def results():
    """What each case gave, by name; all of them run once, in one browser."""
    page = Server()
    empty = Server(**{"settle.after_root": "2500ms"})
    locked = Server(**{"auth.mode": "on"})
    try:
        for made in (page, empty, locked):
            made.start()
        if page.request("GET", "/").body.find(b"/assets/") < 0:
            pytest.fail("this build has no web UI in it: tools/build-web")
        servers = {"main": dict(address(page), audit=os.path.join(page.data_dir, "audit.log")), "empty": address(empty),
                   "locked": dict(address(locked), key=locked.first_key, reader=reader_key(locked))}
        done = subprocess.run([NODE, os.path.join(CASES, "run.mjs"), json.dumps(servers)], capture_output=True, text=True,
                              timeout=SECONDS, check=False, cwd=ROOT,
                              env=dict(CLEAN_ENV, **{k: v for k, v in os.environ.items() if k in ("TELLTALE_PICTURES", "TELLTALE_SHOTS")}))
        if os.environ.get("TELLTALE_SHOTS"):
            with open(os.path.join(os.environ["TELLTALE_SHOTS"], "times.txt"), "w", encoding="utf-8") as out:
                out.write(done.stderr + done.stdout)
        found = {one["name"]: one for one in map(json.loads, done.stdout.splitlines())}
        found[None] = done.stderr
        yield found
    finally:
        for made in (page, empty, locked):
            made.kill()
            made.remove()


@pytest.mark.parametrize("name", list(case_names()))
def test_web(results, name):
    one = results.get(name)
    assert one, f"the case did not run: {results[None]}"
    assert not one["error"], one["error"]
