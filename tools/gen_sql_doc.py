#!/usr/bin/env python3
"""Make the tables of docs/sql.md from src/store/sql.def and src/model/fields.def.

usage: tools/gen_sql_doc.py          write it
       tools/gen_sql_doc.py --check  fail when it is stale

What stands above the line "<!-- tables -->" is written by hand and kept.

SPDX-License-Identifier: Apache-2.0
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TABLES, FIELDS, DOC = "src/store/sql.def", "src/model/fields.def", "docs/sql.md"
LINE = "<!-- tables: made by tools/gen_sql_doc.py, do not edit below -->\n"
TYPES = {"TEXT": "VARCHAR", "STR": "VARCHAR", "DICT": "VARCHAR", "ID16": "VARCHAR", "ID8": "VARCHAR", "JSON": "JSON",
         "TEXTS": "VARCHAR[]", "STRS": "VARCHAR[]", "NUMBERS": "DOUBLE[]", "F64S": "DOUBLE[]", "I64": "BIGINT",
         "F64": "DOUBLE", "BOOL": "BOOLEAN", "TIME": "TIMESTAMP", "MS": "DOUBLE", "NS": "DOUBLE",
         "USD": "DECIMAL(20,9)", "NANO": "DECIMAL(20,9)"}
CELL = re.compile(r'"((?:[^"\\]|\\.)*)"|([^,\s"][^,]*)')


def rows(path):
    """(macro, [cells]) of every row of a table."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as text:
        for line in text:
            match = re.match(r"([A-Z_]+)\((.*)\)\s*$", line)
            if match:
                yield match[1], [c[1] if c[1] is not None else c[2].strip() for c in CELL.finditer(match[2])]


def tables():
    fields, found, docs = {}, {}, {}
    for _, (name, kind, _, json, doc) in rows(FIELDS):
        fields[name] = (kind, json, doc)
    for macro, cells in rows(TABLES):
        if macro == "TABLE":
            docs[cells[0]], found[cells[0]] = cells[1], []
            if cells[0] == "spans":
                found["spans"] = [(json.replace(".", "_"), TYPES[kind], doc) for kind, json, doc in fields.values()]
        elif macro == "COLUMN":
            found[cells[0]].append((cells[1], TYPES[cells[2]], cells[4]))
        else:
            found[cells[0]].append((cells[1], TYPES[fields[cells[2]][0]], cells[3]))
    return docs, found


def made():
    docs, found = tables()
    out = []
    for name, columns in found.items():
        out.append(f"\n## {name}\n\n{docs[name][0].upper()}{docs[name][1:]}.\n\n| column | type | what |\n| --- | --- | --- |\n")
        out += [f"| `{column}` | {kind} | {doc} |\n" for column, kind, doc in columns]
    return "".join(out)


def main():
    path = os.path.join(ROOT, DOC)
    with open(path, encoding="utf-8") as text:
        before = text.read()
    after = before.split(LINE)[0] + LINE + made()
    if sys.argv[1:] == ["--check"]:
        if after != before:
            sys.exit("its document is stale: tools/gen_sql_doc.py makes it anew")
        return
    with open(path, "w", encoding="utf-8") as text:
        text.write(after)


if __name__ == "__main__":
    main()
