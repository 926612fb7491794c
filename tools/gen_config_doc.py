#!/usr/bin/env python3
"""Make docs/config.md from src/server/options.def.

usage: tools/gen_config_doc.py          write it
       tools/gen_config_doc.py --check  fail when it is stale

SPDX-License-Identifier: Apache-2.0
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TABLE, DOC = "src/server/options.def", "docs/config.md"
CELL = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^,"]+?))\s*(?:,|$)')
HEAD = """# Options of the server

Made by `tools/gen_config_doc.py` from `src/server/options.def`; do not edit.

Every option exists in four places; a later one wins: its default, the YAML file given by `--config=FILE`, the environment
(`TELLTALE_SECTION_KEY`), the command line (`--section.key=value`):

```sh
telltale serve --config=telltale.yaml --listen.otlp=0.0.0.0:4318
TELLTALE_LISTEN_OTLP=127.0.0.1:0 telltale serve
```

```yaml
listen:
  otlp: 127.0.0.1:4318
redact:
  pii: hash
```

An unknown name is an error that says the nearest one. `telltale serve --check-config` (as the last argument) checks and ends;
`telltale serve --help-config` prints this table; `GET /api/v1/config` shows each value in force and where it came from.
Bytes take `KiB MiB GiB`, durations `ns us ms s m h d`. A secret is never accepted on the command line.
"""
UNITS = {"BYTES": [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)],
         "DURATION": [("h", 3600 * 10**9), ("m", 60 * 10**9), ("s", 10**9), ("ms", 10**6), ("us", 10**3)]}


def read_rows():
    with open(os.path.join(ROOT, TABLE), encoding="utf-8") as file:
        for line in file:
            match = re.match(r"OPTION\((.*)\)\s*$", line)
            if match:
                cells = [m[1] if m[1] is not None else m[2] for m in CELL.finditer(match[1]) if m[0]]
                if len(cells) != 10:
                    sys.exit(f"{TABLE}: cannot read: {line}")
                yield cells


def amount(kind, text):
    value = int(text)
    for unit, size in UNITS.get(kind, []):
        if value >= size and value % size == 0:
            return f"{value // size} {unit}"
    return {"BYTES": f"{value} B", "DURATION": "0" if value == 0 else f"{value} ns"}.get(kind, str(value))


def allowed(kind, low, high, unit):
    if kind in ("CHOICE", "BOOL"):
        return (unit or "true|false").replace("|", ", ")
    if kind == "STR":
        return unit or "text"
    text = f"{amount(kind, low)} to {amount(kind, high)}"
    return text + (f" {unit}" if unit and kind == "I64" else "")


def render():
    out, section = [HEAD], None
    for name, key, kind, _, default, low, high, unit, _, text in read_rows():
        if name != section:
            section = name
            out.append(f"\n## {section}\n\n| option | default | allowed | what it does |\n| --- | --- | --- | --- |\n")
        value = f"`{default}`" if default else "none"
        out.append(f"| `{name}.{key}` | {value} | {allowed(kind, low, high, unit)} | {text.replace('|', ', ')} |\n")
    return "".join(out)


def main():
    text, path = render(), os.path.join(ROOT, DOC)
    if sys.argv[1:] == ["--check"]:
        with open(path, encoding="utf-8") as file:
            if file.read() != text:
                print(f"{DOC}:1: stale: run tools/gen_config_doc.py")
                return 1
        return 0
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
