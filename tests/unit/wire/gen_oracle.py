"""Write otlp_oracle.c and otlp_oracle.h: the .proto files of OTLP compiled by protoc-c.

protoc-c knows no proto3 `optional`; such a field is a oneof of one member on the wire and is
written as one.

SPDX-License-Identifier: Apache-2.0
"""
import pathlib
import re
import subprocess
import sys

protoc, fixtures, out = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
protos = out / "oracle_protos"
names = sorted(path.relative_to(fixtures) for path in fixtures.glob("opentelemetry/**/*.proto"))
for name in names:
    text = re.sub(r"optional (\w+) (\w+) = (\d+);", r"oneof opt_\2 { \1 \2 = \3; }", (fixtures / name).read_text())
    (protos / name).parent.mkdir(parents=True, exist_ok=True)
    (protos / name).write_text(text)
subprocess.run([protoc, f"--c_out={out}", f"-I{protos}", *map(str, names)], check=True)
stems = [str(name.with_suffix("")) for name in names]
(out / "otlp_oracle.h").write_text("".join(f'#include "{stem}.pb-c.h"\n' for stem in stems))
(out / "otlp_oracle.c").write_text("".join((out / f"{stem}.pb-c.c").read_text() for stem in stems))
