#!/usr/bin/env python3
"""Pin what the live clients need, with hashes: each row of FILES becomes a file beside this one.

What the families' own files in record/requirements ask for is solved together; what they say of OpenTelemetry's and MCP's versions
is left open, as they were recorded one by one.  Hashes are of the wheels for x86-64 and arm64, Python 3.11.

usage: lock.py [NAME...]      with a Python that has pip
SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
FILES = {"agents": "agents autogen haystack langchain pydantic smolagents", "routers": "litellm llamaindex strands"}
OPEN = re.compile(r"^(opentelemetry-(?:sdk|exporter)[\w-]*|mcp)==.*", re.M)
ARM = ["--only-binary=:all:", "--python-version=3.11"] + [f"--platform={name}_aarch64" for name in (
    "manylinux2014", "manylinux_2_28", "manylinux_2_34", "linux")]


def solve(wanted, *more):
    """What pip would install: [(name, version, hash)]."""
    with tempfile.TemporaryDirectory() as folder:
        asked, told = os.path.join(folder, "asked.txt"), os.path.join(folder, "told.json")
        with open(asked, "w", encoding="utf-8") as out:
            out.write("\n".join(wanted))
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--dry-run", "--ignore-installed", "--report", told, "-r", asked,
                        *more, *(["--target", folder] if more else [])], check=True)
        with open(told, encoding="utf-8") as text:
            items = json.load(text)["install"]
    return [(re.sub(r"[_.]+", "-", item["metadata"]["name"].lower()), item["metadata"]["version"],
             item["download_info"]["archive_info"]["hashes"]["sha256"]) for item in items]


def main():
    for name in sys.argv[1:] or FILES:
        wanted = set()
        for family in FILES[name].split():
            with open(os.path.join(HERE, "../record/requirements", family + ".txt"), encoding="utf-8") as text:
                wanted |= {line for line in OPEN.sub(r"\1", text.read()).split("\n") if line and not line.startswith("#")}
        found = solve(sorted(wanted))
        pins = [f"{package}=={version}" for package, version, _ in found]
        hashes = {}
        for package, version, digest in found + solve(pins, "--no-deps", *ARM):
            hashes.setdefault(f"{package}=={version}", set()).add(digest)
        with open(os.path.join(HERE, name + ".txt"), "w", encoding="utf-8") as out:
            out.write(f"# Made by lock.py: {FILES[name]}, and all that they need.\n")
            out.writelines(" ".join([pin, *(f"--hash=sha256:{digest}" for digest in sorted(hashes[pin]))]) + "\n" for pin in sorted(hashes))


if __name__ == "__main__":
    main()
