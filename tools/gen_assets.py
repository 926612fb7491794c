#!/usr/bin/env python3
"""Embed the built web UI: gen_assets.py WEB_DIST OUTPUT.c

Writes the table of src/api/asset.h.  Without a built UI (a build of the server
alone) one page is embedded that says how to build it.
"""
import os
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".json": "application/json",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
FALLBACK = b"<!doctype html><title>Telltale</title><p>The web UI was not built. Run ./run once."


def files(folder):
    found = []
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            if os.path.splitext(name)[1] in TYPES:
                found.append(("/" + os.path.relpath(path, folder).replace(os.sep, "/"), path))
    return sorted(found)


def generate(entries):
    out = ['#include "api/asset.h"']
    for i, (_, data) in enumerate(entries):
        out.append(f"static const uint8_t bytes_{i}[] = {{")
        out += [",".join(map(str, data[at:at + 32])) + "," for at in range(0, len(data), 32)]
        out.append("};")
    out.append("const struct asset asset_table[] = {")
    for i, (name, data) in enumerate(entries):
        kind = TYPES[os.path.splitext(name)[1]]
        out.append(f'    {{ "{name}", "{kind}", bytes_{i}, {len(data)} }},')
    out.append(f"}};\nconst size_t asset_count = {len(entries)};\n")
    return "\n".join(out)


def main():
    folder, output = sys.argv[1], sys.argv[2]
    entries = []
    for name, path in files(folder):
        with open(path, "rb") as file:
            entries.append((name, file.read()))
    if not any(name == "/index.html" for name, _ in entries):
        entries = [("/index.html", FALLBACK)]
    text = generate(entries)
    try:  # unchanged: keep the time stamp, so that nothing is compiled again
        with open(output, encoding="utf-8") as old:
            if old.read() == text:
                return
    except OSError:
        pass
    with open(output, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main()
