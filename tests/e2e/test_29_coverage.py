"""The page that says what arrives from each emitter is made from the recordings, and is of today.

SPDX-License-Identifier: Apache-2.0"""
import importlib.machinery
import importlib.util
import os

import pytest
from conftest import ROOT


@pytest.fixture(scope="module")
def tool():
    """tools/coverage as a module."""
    loader = importlib.machinery.SourceFileLoader("coverage_tool", os.path.join(ROOT, "tools/coverage"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made(tool, server):
    return tool.replay_all(server)


def test_the_coverage_page_is_what_the_recordings_give(tool, made):
    """A new recording, or a field that is got or lost, changes the page: run tools/coverage."""
    with open(os.path.join(ROOT, tool.DOC), encoding="utf-8") as page:
        assert page.read() == tool.page(made), "docs/coverage.md is stale: run tools/coverage and look at what changed"


def test_every_mark_is_decided_by_the_recording(tool, made):
    """What was got needs no list of emitters: each field is looked for in each recording it can be in."""
    marks = {mark for cell in tool.marks(made).values() for mark in cell}
    assert marks <= {tool.GOT, tool.ESTIMATED, tool.ABSENT, tool.MISSED} and {tool.GOT, tool.ABSENT} <= marks
    assert {recording.family for recording, _ in made} == set(tool.versions(made))


def test_what_a_recording_says_is_found_also_inside_of_json(tool):
    leaves = list(tool.from_plain('{"a": [{"B": "{\\"c\\": 5}"}]}', "x"))
    assert tool.Leaf("x.a.b.c", 5) in leaves
