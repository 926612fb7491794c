#!/usr/bin/env python3
"""gen_tokens.py -- vocabularies and character classes as C: gen_tokens.py CL100K O200K OUTPUT.c

A vocabulary is written as the tokens in the order of their ranks, each a byte of length and its
bytes, zlib-compressed: 1.5 MB for both.  The classes are those that the split patterns ask of a
character (src/tokens/tokens_int.h), by this Python's Unicode data, in blocks of 256.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import hashlib
import sys
import unicodedata
import zlib

SUMS = {"cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
        "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"}
UPPER, LOWER, LETTER, MARK, NUMBER, SPACE, NEWLINE, OTHER = 1, 2, 3, 4, 5, 6, 7, 0
SPACES = {0x09, 0x0B, 0x0C, 0x20, 0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, *range(0x2000, 0x200B)}
CATEGORIES = {"Lu": UPPER, "Lt": UPPER, "Ll": LOWER, "Lm": LETTER, "Lo": LETTER, "Mn": MARK, "Mc": MARK, "Me": MARK,
              "Nd": NUMBER, "Nl": NUMBER, "No": NUMBER}


def class_of(code):
    if code in (0x0A, 0x0D):
        return NEWLINE
    if code in SPACES:
        return SPACE
    return CATEGORIES.get(unicodedata.category(chr(code)), OTHER)


def vocabulary(name, path):
    with open(path, "rb") as file:
        data = file.read()
    if hashlib.sha256(data).hexdigest() != SUMS[name]:
        sys.exit(f"{path} is not the {name} that this was made for")
    packed = bytearray()
    for number, line in enumerate(data.splitlines()):
        token, rank = line.split()
        token = base64.b64decode(token)
        assert int(rank) == number and 0 < len(token) < 256
        packed += bytes([len(token)]) + token
    return number + 1, len(packed), zlib.compress(bytes(packed), 9)


def c_bytes(data):
    """String literals: many times faster to compile than a list of numbers."""
    return [f'    "{"".join(f"{chr(92)}{byte:03o}" for byte in data[at:at + 32])}"' for at in range(0, len(data), 32)]


def classes():
    blocks, index = {}, []
    for start in range(0, 0x110000, 256):
        block = bytes(class_of(code) for code in range(start, start + 256))
        index.append(blocks.setdefault(block, len(blocks)))
    assert len(blocks) < 256
    return index, list(blocks)


def main():
    files = dict(zip(SUMS, sys.argv[1:3]))
    index, blocks = classes()
    lines = ["/* Made by tools/gen_tokens.py from data/tokens/; do not edit. */", '#include "tokens/tokens_int.h"']
    sizes = []
    for name, path in files.items():
        count, size, packed = vocabulary(name, path)
        lines += [f"static const char {name}[] ="] + c_bytes(packed) + ["    ;"]
        sizes.append(f"    {{ {name}, {len(packed)}, {size}, {count} }},")
    lines += ["const struct packed_vocabulary packed_vocabularies[TOKENS_ENCODINGS] = {", *sizes, "};"]
    lines += ["const uint8_t class_index[0x1100] = {", ",".join(map(str, index)), "};",
              "const uint8_t class_blocks[][256] = {", *("{" + ",".join(map(str, block)) + "}," for block in blocks), "};", ""]
    with open(sys.argv[3], "w", encoding="utf-8") as out:
        out.write("\n".join(lines))


if __name__ == "__main__":
    main()
