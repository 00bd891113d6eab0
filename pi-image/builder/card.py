"""The card's image: a partition table and one FAT32 partition, made in a plain file with the distribution's own tools.

No root and no loop mount: mtools writes into the file. Serial numbers are fixed, names sorted and dates set, so that the same
files make the same bytes.
"""

import os
import pathlib
import subprocess
import tempfile

from builder.failure import Failure

SECTOR_BYTES = 512
# QEMU takes cards of a power of two alone; FAT32 needs 65,525 clusters, and with those of a sector this is the smallest.
IMAGE_BYTES = 64 << 20
PARTITION_START = 1 << 20
# The partition type is FAT32 with LBA, which the Pi's firmware and every PC read.
TABLE = "label: dos\nlabel-id: 0x43484154\nstart={start}, size={size}, type=c, bootable\n"
LABEL = "CHATPI"
SERIAL = "43484154"


def tool(arguments, date, cwd=None, text=None):
    """Runs a tool at the image's date, in one time zone."""
    environment = dict(os.environ, TZ="UTC", LC_ALL="C", SOURCE_DATE_EPOCH=str(date), MTOOLS_SKIP_CHECK="1",
                       PATH=os.environ["PATH"] + ":/sbin:/usr/sbin")
    done = subprocess.run(arguments, env=environment, cwd=cwd, input=text, text=True, capture_output=True, timeout=120)
    if done.returncode != 0:
        raise Failure(f"{' '.join(map(str, arguments))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def write(path, files, date):
    """Writes the image with these files (contents by path) to a path."""
    with open(path, "wb") as image:
        image.truncate(IMAGE_BYTES)
    start, size = PARTITION_START // SECTOR_BYTES, (IMAGE_BYTES - PARTITION_START) // SECTOR_BYTES
    tool(["sfdisk", "--quiet", path], date, text=TABLE.format(start=start, size=size))
    tool(["mkfs.vfat", "--invariant", "-F", "32", "-s", "1", "-S", str(SECTOR_BYTES), "-i", SERIAL, "-n", LABEL,
          "--offset", str(start), path, str(size // 2)], date)
    with tempfile.TemporaryDirectory() as folder:
        unpack(pathlib.Path(folder), files, date)
        for name in sorted(os.listdir(folder)):
            # -m keeps the dates, -s takes folders with what is in them.
            tool(["mcopy", "-m", "-s", "-i", f"{path}@@{PARTITION_START}", name, "::/"], date, cwd=folder)


def unpack(folder, files, date):
    """Puts files into a folder, all with one date."""
    for name, content in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        os.utime(target, (date, date))
    for parent, _, _ in os.walk(folder):
        os.utime(parent, (date, date))


def check(path, date):
    """Lets other people's tools judge the image."""
    if "No errors" not in (verified := tool(["sfdisk", "--verify", path], date)):
        raise Failure(f"sfdisk --verify: {verified}")
    with tempfile.NamedTemporaryFile() as partition:
        with open(path, "rb") as image:
            image.seek(PARTITION_START)
            partition.write(image.read())
        partition.flush()
        tool(["fsck.vfat", "-n", partition.name], date)
