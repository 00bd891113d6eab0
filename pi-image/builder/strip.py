"""Takes out of a kernel module what the kernel on the card has no use for: its signature, and its types for BPF programs.

A signature keeps foreign modules out of a kernel whose own bytes are checked at the start (Secure Boot), which a Pi does not do; without
one the kernel calls itself tainted (kernel, Documentation/admin-guide/module-signing.rst). Types (section `.BTF`) are for tracing. Both
together are a twentieth of the initramfs, and checking and reading them takes time at each start.
"""

import struct

from builder.failure import Failure

# Behind the module stand its signature, a record of 12 bytes that ends with the signature's length, and these words
# (kernel, include/linux/module_signature.h).
SIGNED = b"~Module signature appended~\n"
RECORD_BYTES = 12
# ELF-64, little endian (elf(5)): the header's first bytes, and where in it stand the table of sections, then its size of an entry, its
# number of entries and the section with the names.
ELF, TABLE_AT, COUNTS_AT = b"\x7fELF\x02\x01", 40, 58
# A section's entry: name, type, flags, address, offset, size, link, info, alignment, size of what is in it.
SECTION = struct.Struct("<IIQQQQIIQQ")
OFFSET_AT, SIZE_AT = 24, 32
# No section of a module wants more, so the others stay where they may stand if a multiple of it is cut out before them.
ALIGNMENT_MAX = 64


def without_signature(module):
    """The module as it was before it was signed; it may not be."""
    if not module.endswith(SIGNED):
        return module
    end = len(module) - len(SIGNED)
    length = int.from_bytes(module[end - 4:end], "big")
    return module[:end - RECORD_BYTES - length]


def without_section(module, name):
    """The module with a section emptied: it stays in the table, so that the others keep their numbers, but has no bytes."""
    if not module.startswith(ELF):
        raise Failure("a kernel module is not what builder/strip.py expects: no ELF of 64 bits, little endian")
    [table] = struct.unpack_from("<Q", module, TABLE_AT)
    entry_bytes, count, names_number = struct.unpack_from("<HHH", module, COUNTS_AT)
    entries = range(table, table + count * entry_bytes, entry_bytes)
    sections = [SECTION.unpack_from(module, entry) for entry in entries]
    names = sections[names_number][4]
    found = [entry for entry, section in zip(entries, sections) if module.startswith(name + b"\0", names + section[0])]
    if not found:
        return module
    [entry] = found
    start, size = SECTION.unpack_from(module, entry)[4:6]
    if any(section[8] > ALIGNMENT_MAX for section in sections):
        raise Failure(f"a kernel module has a section that is aligned to more than {ALIGNMENT_MAX} bytes")
    cut = size // ALIGNMENT_MAX * ALIGNMENT_MAX
    stripped = bytearray(module)
    struct.pack_into("<Q", stripped, entry + SIZE_AT, 0)
    for each, section in zip(entries, sections):
        if section[4] >= start + size:
            struct.pack_into("<Q", stripped, each + OFFSET_AT, section[4] - cut)
    if table >= start + size:
        struct.pack_into("<Q", stripped, TABLE_AT, table - cut)
    del stripped[start:start + cut]
    return bytes(stripped)


def strip(module):
    """What is left of a module."""
    return without_section(without_signature(module), b".BTF")
