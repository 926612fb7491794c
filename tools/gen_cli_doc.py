#!/usr/bin/env python3
"""Make docs/cli.md from src/cli/command.def and src/cli/option.def.

usage: tools/gen_cli_doc.py          write it
       tools/gen_cli_doc.py --check  fail when it is stale

SPDX-License-Identifier: Apache-2.0
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
COMMANDS, OPTIONS, DOC = "src/cli/command.def", "src/cli/option.def", "docs/cli.md"
TEXT = r'"((?:[^"\\]|\\.)*)"'
REMOTE = ["server", "key_file", "ca_file", "json"]
HEAD = """# The command line

Made by `tools/gen_cli_doc.py` from `src/cli/command.def` and `src/cli/option.def`; do not edit.

`telltale serve` is the server ([config.md](config.md)). The other commands ask a running server, or read the files of its
data folder. `telltale --help` lists them, `telltale COMMAND --help` prints what stands here.

- **Which server.** `--server=URL` or `TELLTALE_SERVER`; else `http://127.0.0.1:4320`.
- **Which key.** `TELLTALE_KEY`, or `--key-file=PATH`. Never as an argument: every user of a machine sees those. A server on
  loopback needs none.
- **Which certificate.** For `https` the system's authorities, or those of `--ca-file=PATH` (`TELLTALE_CA_FILE`): give the
  server's own certificate there when it signed itself.
- **Which folder.** `--data_dir=PATH` or `TELLTALE_SERVER_DATA_DIR`; else `telltale-data`, as `serve` has it. The keystore is beside
  it: `PATH.keys`, or `--keys_dir`.
- **Exit status.** 0 done, 1 failed (no server, no such trace, damage found), 2 not understood.
- **Output.** Colour, hints and lines cut to the width are for terminals. A pipe gets whole texts without colour; so does a terminal
  with `NO_COLOR` set or `TERM=dumb`, but for the width. `--json` prints the API's own answer. Errors go to stderr, with what to do.
- **Names from spans** are printed with every control character made visible: they cannot move the cursor or forge a line.

Options are written `--name=VALUE`, `--name VALUE`, and `-qVALUE` where there is a letter. `-` and `_` are the same in a name.
"""
NOTES = {
    "trace": "Bars show when each span ran, within the time of the trace. On a narrow terminal bars go first, then cost, then\n"
             "tokens. `–` is unknown, never zero. `--content` needs a key with `payload:read`; the server writes each span whose\n"
             "content is read to its audit log, with the reason, before it answers.",
    "tail": "Ctrl-C ends it with status 0. When the server goes away it connects again, after half a second, then one, two, ... ten.",
    "diff": "Spans are paired along the two trees, by step and name in order. Ids and points in time are not compared; starts are, from the\n"
            "start of the trace. `--content` reads what was said of both from the server (audited); exported files have it when they were\n"
            "exported with it. The status is 0 when they are the same, 1 when they differ, 2 when that cannot be said.",
    "doctor": "Each line is `ok`, `warn` or `FAIL`, and says what to do. The status is 1 when a line is `FAIL`. It looks at the data\n"
              "folder (modes, free space, lock, clock of its files), the keystore, the audit log, the server (ready, version, first\n"
              "span received, rejected spans, lag, failed writes), ports and who has them, and the machine (open files, clock,\n"
              "Landlock, seccomp, versions of libraries).",
    "log": "`verify` checks every record and key; `dump` lists batches: place, size, hour, counts, project. Neither prints what is in\n"
           "a batch. A torn tail, of a crash or of a server that is writing now, is said and is no failure: nothing acknowledged is\n"
           "in it. The log holds the last minutes; what is stored is cut off it.",
    "key": "`status` is about the keystore, `list`, `create` and `revoke` about API keys. `create` prints the key alone to stdout, once.\n"
           "Each change is in the audit log before it is made.",
    "redact": "The text goes to stdout, the counts to stderr. The rules are the server's; a hash (`--pii=hash`) is not the one that the\n"
              "server would write, since its key is secret.",
    "audit": "Also beside a running server. A line that was changed, removed, inserted or moved is named. A chain cut short at its end\n"
             "is whole: compare the number and hash with those kept elsewhere. Format: [formats/audit.md](formats/audit.md).",
}


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)


def unquoted(text):
    return "".join(re.findall(TEXT, text)).replace("\\n", "\n").replace('\\"', '"')


def read_options():
    rows = re.findall(rf'^OPTION\((\w+),\s*{TEXT},\s*(\S+),\s*(\w+),\s*{TEXT},\s*{TEXT}\)$', read(OPTIONS), re.M)
    return {row[0]: dict(zip(("name", "letter", "kind", "value", "help"), row[1:])) for row in rows}


def read_commands():
    row = re.compile(rf'^COMMAND\((\w+), {TEXT}, (?:NULL|{TEXT}), \d+, \d+,\s*([^"]*?),\s*{TEXT},\s*((?:{TEXT}\s*)+)\)$', re.M)
    text = read(COMMANDS)
    found = [match.group(1, 2, 4, 5, 6) for match in row.finditer(text)]
    if len(found) != len(re.findall("^COMMAND", text, re.M)):
        sys.exit(f"{COMMANDS}: a row cannot be read")
    return found


def option_row(option):
    option = {key: value.replace("\\\"", '"').replace("|", "\\|") for key, value in option.items()}
    letter = "" if option["letter"] == "0" else f"`-{option['letter'].strip(chr(39))}`, "
    value = "=" + option["value"] if option["value"] else ""
    return f"| {letter}`--{option['name']}{value}` | {option['help']} |\n"


def render():
    options, out = read_options(), [HEAD]
    for name, arguments, mask, summary, examples in read_commands():
        ids = set(re.findall(r"O\((\w+)\)", mask)) | set(REMOTE if "REMOTE" in mask else [])
        examples, _, more = unquoted(examples).partition("\n\n")
        usage = f"telltale {name}" + (f" {arguments}" if arguments else "") + (" [options]" if ids else "")
        out.append(f"\n## {name}\n\n`{usage}`: {summary}.\n")
        out.extend(f"\n{note.strip()}\n" for note in (NOTES.get(name, ""), more) if note.strip())
        out.append("\n```sh\n" + re.sub("^  ", "", examples, flags=re.M).strip() + "\n```\n")
        if ids:
            out.append("\n| option | |\n| --- | --- |\n")
        out.extend(option_row(option) for key, option in options.items() if key in ids)
    return "".join(out)


def main():
    text, path = render(), os.path.join(ROOT, DOC)
    if sys.argv[1:] == ["--check"]:
        with open(path, encoding="utf-8") as file:
            if file.read() != text:
                print(f"{DOC}:1: stale: run tools/gen_cli_doc.py")
                return 1
        return 0
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
