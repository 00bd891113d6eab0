#!/usr/bin/env python3
"""Writes docs/names.tsv and the packed tables of core/src/username/table.rs from Unicode 15.0.

    apt-get install unicode-data    # of Debian 12: Unicode 15.0, in /usr/share/unicode
    python3 docs/names.py

It is run once: the tables are frozen (docs/names.md, NAME-3), and another version of Unicode is refused. Running it
again changes nothing. tests/names.rs compares core with docs/names.tsv.
"""

import hashlib
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TSV = ROOT / "docs/names.tsv"
TABLE = ROOT / "core/src/username/table.rs"
UNICODE = pathlib.Path("/usr/share/unicode")

# UnicodeData.txt does not say its version; these are the files of 15.0.
SHA256 = {
    "UnicodeData.txt": "806e9aed65037197f1ec85e12be6e8cd870fc5608b4de0fffd990f689f376a73",
    "DerivedCoreProperties.txt": "d367290bc0867e6b484c68370530bdd1a08b6b32404601b8c7accaf83e05628d",
    "DerivedNormalizationProps.txt": "d5687a48c95c7d6e1ec59cb29c0f2e8b052018eb069a4371b7368d0561e12a29",
}

CLASSES = {"Mn": "mark", "Mc": "mark", "Nd": "digit"} | dict.fromkeys(["Lu", "Ll", "Lt", "Lm", "Lo"], "letter")

# Letters of these code points, and whatever is the key of one of them, are Latin.
LATIN = [range(0x0041, 0x005B), range(0x0061, 0x007B), range(0x00C0, 0x0250), range(0x1E00, 0x1F00)]

# Separate accents: a name that has one is not composed.
ACCENTS = range(0x0300, 0x0370)

# What is left out of these categories, beside Default_Ignorable_Code_Point; docs/names.md says why.
EXCLUDED = [
    range(0x0080, 0x00C0),
    range(0x0300, 0x0370),
    range(0x2000, 0x2C00),
    range(0xFB00, 0xFB07),
    range(0xFF00, 0xFFF0),
    range(0x1D400, 0x1D800),
]

# The one allowed character whose lower case is two characters (SpecialCasing.txt); UnicodeData.txt has only the first.
DOTTED_I, DOTTED_I_KEY = 0x0130, (0x0069, 0x0307)
FINAL_SIGMA, SIGMA = 0x03C2, 0x03C3

BLOCK_ROWS = 64
LINE_BYTES = 18

HEADER = """\
# The characters that names may have beside "-", "_" and ".", and their keys. The rule: docs/names.md.
# Written by docs/names.py (python3 docs/names.py), once. Frozen: later versions of Unicode change nothing here.
# Source: Unicode Character Database 15.0.0, https://www.unicode.org/ucd/: UnicodeData.txt, DerivedCoreProperties.txt,
#   DerivedNormalizationProps.txt
# Copyright (c) 1991-2022 Unicode, Inc. Licence: Unicode-DFS-2016, whole text at the end of docs/names.md.
# Columns, separated by tabs, code points in hexadecimal:
#   first, last, class: all code points from first to last have this class: latin, letter, mark, digit, not-composed
#   first, last, "key", step, to: for n = 0, step, 2*step, ... the code point first + n, up to last, has the key to + n
#     (U+0130 alone has a key of two code points). All code points in no such line are their own key.
"""


def lines(name):
    """The lines of a file of the database, refused if it is of another version."""
    content = (UNICODE / name).read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256[name]:
        sys.exit(f"{UNICODE / name} is not of Unicode 15.0.0: nothing written")
    return content.decode().splitlines()


def points_with(name, *wanted):
    """The code points that have this property in this file."""
    points = set()
    for line in lines(name):
        fields = [field.strip() for field in line.split("#")[0].split(";")]
        if fields[1:] == list(wanted):
            first, _, last = fields[0].partition("..")
            points.update(range(int(first, 16), int(last or first, 16) + 1))
    return points


def characters():
    """The class of each allowed code point, and the key of each that is not its own, as a tuple of code points."""
    classes, keys = {}, {}
    left_out = points_with("DerivedCoreProperties.txt", "Default_Ignorable_Code_Point").union(*EXCLUDED)
    range_first = None
    for line in lines("UnicodeData.txt"):
        fields = line.split(";")
        last = int(fields[0], 16)
        if fields[1].endswith(", First>"):
            range_first = last
            continue
        first, range_first = (last if range_first is None else range_first), None
        for point in range(first, last + 1):
            if fields[2] in CLASSES and point not in left_out:
                classes[point] = CLASSES[fields[2]]
                if fields[13]:
                    keys[point] = (int(fields[13], 16),)
    keys[DOTTED_I] = DOTTED_I_KEY
    keys[FINAL_SIGMA] = (SIGMA,)
    latin = {point for point in classes if classes[point] == "letter" and any(point in part for part in LATIN)}
    latin |= {keys[point][0] for point in latin if point in keys and len(keys[point]) == 1}
    classes |= dict.fromkeys(latin, "latin")
    never_in_nfc = points_with("DerivedNormalizationProps.txt", "NFC_QC", "N")
    not_composed = {point for point in classes if point in never_in_nfc}
    classes |= dict.fromkeys(not_composed.union(ACCENTS), "not-composed")
    return classes, {point: key for point, key in keys.items() if point not in not_composed}


def class_rows(classes):
    """Runs of one class: (first, last, class)."""
    rows = []
    for point in sorted(classes):
        if rows and rows[-1][1] == point - 1 and rows[-1][2] == classes[point]:
            rows[-1][1] = point
        else:
            rows.append([point, point, classes[point]])
    return rows


def key_rows(keys):
    """Runs of one step (1 or 2) and one distance: (first, last, step, to)."""
    rows = []
    for point in sorted(keys):
        if rows and len(rows[-1][3]) == len(keys[point]) == 1:
            first, last, step, to = rows[-1]
            gap = point - last
            if keys[point][0] - point == to[0] - first and (gap == step or (first == last and gap == 2)):
                rows[-1][1:3] = point, gap
                continue
        rows.append([point, point, 1, keys[point]])
    return rows


def tsv(classes, keys):
    """The text of docs/names.tsv."""
    text = [HEADER]
    text += [f"{first:04X}\t{last:04X}\t{kind}\n" for first, last, kind in classes]
    for first, last, step, to in keys:
        text.append(f"{first:04X}\t{last:04X}\tkey\t{step}\t{' '.join(f'{point:04X}' for point in to)}\n")
    return "".join(text)


def varint(value):
    """Seven bits per byte, the lowest first, the top bit set on all but the last."""
    packed = []
    while value >= 0x80:
        packed.append(value & 0x7F | 0x80)
        value >>= 7
    return packed + [value]


def field(value, bits):
    """What of a value goes into so many bits of a head byte, and the bytes that follow it."""
    full = (1 << bits) - 1
    return (value, []) if value < full else (full, varint(value - full))


def packed_classes(classes):
    """The classes that the packed class rows have. What is Latin or not composed is told by tables of its own, so that there it
    is of the class that makes the rows the longest; separate accents are no table's."""
    packed = {}
    for point in sorted(classes):
        kind = classes[point]
        if kind == "latin":
            packed[point] = "letter"
        elif kind != "not-composed":
            packed[point] = kind
        elif point not in ACCENTS:
            before = packed.get(point - 1)
            packed[point] = before if before in ("letter", "mark") else "letter"
    return packed


def pack_not_composed(classes):
    """The rows of what is not composed: those of names.tsv, each up to the last before a character of another class."""
    packed, after, row = [], 0, None
    for point in sorted(classes):
        if classes[point] != "not-composed":
            row = None
        elif row is None:
            packed += [varint(point - after), varint(1)]
            row, after = point, point + 1
        else:
            packed[-1], after = varint(point - row + 1), point + 1
    return sum(packed, [])


def pack_classes(rows):
    """The class rows as table.rs describes them, with the start of every block of rows."""
    packed, blocks, after = [], [], 0
    for number, (first, last, kind) in enumerate(rows):
        if number % BLOCK_ROWS == 0:
            blocks.append((after, len(packed)))
        assert kind != "digit" or last - first == 9
        gap, gap_more = field(first - after, 3)
        length, length_more = field(0 if kind == "digit" else last - first + 1, 4)
        packed += [(kind == "mark") << 7 | gap << 4 | length] + gap_more + length_more
        after = last + 1
    return packed, blocks


def pack_keys(rows):
    """The key rows as table.rs describes them; U+0130 is not among them."""
    packed, after = [], 0
    for first, last, step, to in rows:
        if len(to) > 1:
            assert (first, last, to) == (DOTTED_I, DOTTED_I, DOTTED_I_KEY)
            continue
        distance = to[0] - first
        gap, gap_more = field(first - after, 3)
        count, count_more = field((last - first) // step, 3)
        packed += [(step == 2) << 7 | (distance == 1) << 6 | gap << 3 | count] + gap_more + count_more
        if distance != 1:
            packed += varint(2 * distance if distance > 0 else -2 * distance - 1)
        after = last + 1
    return packed


def rust_bytes(doc, name, packed):
    """A constant of bytes."""
    text = [f"/// {doc}\n#[rustfmt::skip]\nconst {name}: [u8; {len(packed)}] = [\n"]
    for start in range(0, len(packed), LINE_BYTES):
        text.append("    " + " ".join(f"0x{byte:02x}," for byte in packed[start : start + LINE_BYTES]) + "\n")
    return "".join(text) + "];\n"


def rust(classes, keys):
    """The constants of table.rs."""
    packed, blocks = pack_classes(class_rows(packed_classes(classes)))
    latin = [point for point in sorted(classes) if classes[point] == "latin" and not any(point in part for part in LATIN)]
    text = [
        f"/// The end of the row before every {BLOCK_ROWS}th one, and where that one stands in [`CLASSES`].\n"
        f"#[rustfmt::skip]\nconst BLOCKS: [(u32, u16); {len(blocks)}] = [\n"
    ]
    text += [f"    (0x{after:04x}, {offset}),\n" for after, offset in blocks]
    text.append("];\n\n")
    text.append(rust_bytes("The class rows.", "CLASSES", packed) + "\n")
    text.append(rust_bytes("The rows of what is not composed.", "NOT_COMPOSED", pack_not_composed(classes)) + "\n")
    text.append(f"/// Latin letters beyond those ranges, ascending.\n#[rustfmt::skip]\nconst LATIN: [u16; {len(latin)}] = [\n")
    for start in range(0, len(latin), LINE_BYTES // 2):
        text.append("    " + " ".join(f"0x{point:04x}," for point in latin[start : start + LINE_BYTES // 2]) + "\n")
    text.append("];\n\n")
    text.append(rust_bytes("The key rows.", "KEYS", pack_keys(key_rows(keys))))
    return "".join(text)


def main():
    """Writes both files."""
    classes, keys = characters()
    begin, end = "// Written by docs/names.py from here\n", "// to here.\n"
    before, rest = TABLE.read_text().split(begin)
    _, behind = rest.split(end)
    TABLE.write_text(before + begin + "\n" + rust(classes, keys) + "\n" + end + behind)
    TSV.write_text(tsv(class_rows(classes), key_rows(keys)))


if __name__ == "__main__":
    main()
