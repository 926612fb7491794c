#!/usr/bin/env python3
"""How characters count in words: gen_fold.py OUTPUT.c

Writes the tables of src/search/fold.h from Python's Unicode data.  A character folds to what is
left of its compatibility decomposition without marks, in lower case: "É", "E" with an accent after it
and "e" are one.  Scripts without spaces between words are taken a character at a time.
"""
import sys
import unicodedata

SEPARATOR, IGNORED, WORD, SINGLE = range(4)
LAST = 0x20000  # above are only rare Han characters, which stand for themselves
ALONE = [(0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x31F0, 0x31FF), (0x3400, 0x4DBF),
         (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xF900, 0xFAFF), (0x1B000, 0x1B16F)]
MARKS = [(0x0300, 0x036F), (0x0483, 0x0487), (0x0591, 0x05C7), (0x064B, 0x065F), (0x0670, 0x0670), (0x1AB0, 0x1AFF),
         (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F)]


def within(code, ranges):
    return any(first <= code <= last for first, last in ranges)


def is_part(char):
    return unicodedata.category(char)[0] in "LN" or unicodedata.category(char) in ("Mn", "Mc")


def fold(code):
    """The class of a code point, and the text that it becomes."""
    char = chr(code)
    category = unicodedata.category(char)
    if category in ("Cs", "Cn", "Co"):
        return SEPARATOR, ""
    if category == "Cf" or within(code, MARKS) or 0xFE00 <= code <= 0xFE0F:
        return IGNORED, ""
    if 0xAC00 <= code <= 0xD7A3:
        return SINGLE, char
    whole = unicodedata.normalize("NFKC", char)
    if len(whole) == 1 and within(ord(whole), ALONE):
        return (SINGLE, whole) if is_part(whole) else (SEPARATOR, "")
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).casefold())
    left = "".join(c for c in plain if is_part(c) and not within(ord(c), MARKS))
    return (WORD, left) if left else (SEPARATOR, "")


def main():
    pool, places, pages, index = bytearray(), {}, {}, []
    for page in range(LAST // 256):
        entries = []
        for code in range(page * 256, page * 256 + 256):
            kind, text = fold(code)
            data = b"" if text == chr(code) else text.encode()
            if data not in places:
                places[data] = len(pool)
                pool += data
            entries.append(kind | len(data) << 2 | places[data] << 8)
        index.append(pages.setdefault(tuple(entries), len(pages)))
    assert len(pages) < 65536 and len(pool) < 1 << 24
    with open(sys.argv[1], "w", encoding="ascii") as out:
        out.write('#include "search/fold.h"\n')
        out.write(f"const uint16_t fold_index[FOLD_PAGES] = {{{','.join(map(str, index))}}};\n")
        out.write(f"const unsigned char fold_pool[] = {{{','.join(map(str, pool))}}};\n")
        rows = ",\n".join("{" + ",".join(map(str, page)) + "}" for page in pages)
        out.write(f"const uint32_t fold_pages[][256] = {{{rows}}};\n")


main()
