"""What is in the image, seen without starting it."""

import struct

from builder import fetch, lock as lockfile, modules
from builder.apt import Apt
from builder.deb import Contents as Deb
from tester.bench import check

# A section's entry in its table (elf(5)): name, type, flags, address, offset, size, link, info, alignment, size of what is in it.
ENTRY = struct.Struct("<IIQQQQIIQQ")
# The type of sections that have no bytes in the file.
NOBITS = 8


def sections(module):
    """The sections of a kernel module in their order: name, all fields of the entry but offset and size, offset, bytes."""
    [table] = struct.unpack_from("<Q", module, 40)
    size, count, names_number = struct.unpack_from("<HHH", module, 58)
    entries = [ENTRY.unpack_from(module, table + number * size) for number in range(count)]
    names = entries[names_number][4]
    for entry in entries:
        start, length = entry[4], 0 if entry[1] == NOBITS else entry[5]
        name = module[names + entry[0]:module.index(b"\0", names + entry[0])].decode()
        yield name, entry[:4] + entry[6:], start, module[start:start + length]


def modules_lose_signature_and_types_alone(bench):
    """Every module in the image, also those that no machine in QEMU loads: all other sections are as Debian has them, and aligned."""
    lock = lockfile.read()
    kernel = Deb(fetch.fetch_one(lock.package("kernel"), lambda: Apt(lock)))
    picked = {path: content for path, content in modules.pick(kernel).items() if path.endswith(".ko")}
    saved, with_types = 0, 0
    for path, stripped in picked.items():
        whole = kernel.read(path)
        saved += len(whole) - len(stripped)
        before, after = list(sections(whole)), list(sections(stripped))
        check(len(before) == len(after), f"{path}: {len(after)} sections, not {len(before)}")
        for (name, fields, _, content), (name_after, fields_after, start, content_after) in zip(before, after):
            kept = b"" if name == ".BTF" else content
            check((name, fields, kept) == (name_after, fields_after, content_after), f"{path}: section {name} is not the same")
            check(start % max(1, fields_after[-2]) == 0, f"{path}: section {name} is not aligned")
            with_types += name == ".BTF"
        check(b"Module signature appended" in whole and b"Module signature appended" not in stripped, f"{path}: the signature")
    check(len(picked) > 40 and with_types > 40, f"{with_types} of {len(picked)} modules had types: Debian has changed its packages")
    return f"{len(picked)} modules, {saved / 1e3:.0f} kB less"
