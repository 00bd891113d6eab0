"""The initramfs: a cpio archive (format `newc`) of files in memory, compressed as the kernel can read it.

Sorted names, no owner but root, one date: the same files make the same bytes, whoever builds, wherever and when.
"""

import lzma
import stat

from builder.progress import squeeze

# The kernel's decoder has CRC32 alone. The dictionary is as large as the archive: more would only cost memory at boot.
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 8 << 20, "lc": 2, "lp": 2, "pb": 2}]


class Archive:
    """What is in it: files, links, folders and devices by path."""

    def __init__(self, date):
        self.date = date
        self.entries = {}

    def add_file(self, path, content, mode=0o644):
        """Adds a file, and the folders above it."""
        self._add_parents(path)
        self.entries[path] = (stat.S_IFREG | mode, content, (0, 0))

    def add_link(self, path, target):
        """Adds a symbolic link."""
        self._add_parents(path)
        self.entries[path] = (stat.S_IFLNK | 0o777, target.encode(), (0, 0))

    def add_folder(self, path):
        """Adds an empty folder."""
        self._add_parents(path)
        self.entries[path] = (stat.S_IFDIR | 0o755, b"", (0, 0))

    def add_device(self, path, major, minor):
        """Adds a character device."""
        self._add_parents(path)
        self.entries[path] = (stat.S_IFCHR | 0o600, b"", (major, minor))

    def _add_parents(self, path):
        parent = path.rpartition("/")[0]
        if parent and parent not in self.entries:
            self.add_folder(parent)

    def files(self):
        """Paths and contents of the files alone."""
        return {path: content for path, (mode, content, _) in sorted(self.entries.items()) if stat.S_ISREG(mode)}

    def pack(self):
        """The archive, not compressed. A folder stands before what is in it."""
        packed = bytearray()
        for number, (path, (mode, content, device)) in enumerate(sorted(self.entries.items()), start=1):
            _append(packed, path, number, mode, self.date, content, device)
        _append(packed, "TRAILER!!!", 0, 0, 0, b"", (0, 0))
        return bytes(packed)


def _append(packed, path, number, mode, date, content, device):
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (number, mode, 0, 0, links, date, len(content), 0, 0, *device, len(name), 0)
    packed += b"070701" + b"".join(b"%08X" % field for field in fields) + name
    packed += bytes(-len(packed) % 4) + content
    packed += bytes(-len(packed) % 4)


def compress(archive):
    """Compresses an archive for the kernel."""
    return squeeze(lzma.LZMACompressor(lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=FILTERS), archive)
