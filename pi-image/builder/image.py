"""`pi-image/build`: from the lock file and this checkout to the card's image."""

import argparse
import lzma
import os
import pathlib
import time
import tomllib
import zipfile

from builder import card, cross, fetch, lock as lockfile, manifest, needs
from builder.apt import Apt
from builder.contents import Contents
from builder.deb import Contents as Deb
from builder.failure import Failure
from builder.places import ROOT, WORK
from builder.progress import say, squeeze, step

PROGRAMS = ("chat-host", "pi-guest")
# Limits in bytes that the documents promise.
CONTENTS_MAX, COMPRESSED_MAX, INITRAMFS_MAX = 20_000_000, 15_000_000, 1_900_000


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(prog="pi-image/build", description="Builds the card's image, pi.img. Needs no root.")
    parser.add_argument("--out", type=pathlib.Path, default=WORK, metavar="FOLDER", help=f"where it goes ({WORK})")
    parser.add_argument("--std", choices=cross.WAYS, help="the way to Rust's library for the Pi (see builder/cross.py)")
    parser.add_argument("--mirror", metavar="URL", help="a Debian mirror, where apt's own sources have no Debian 12")
    parser.add_argument("--refresh-lock", action="store_true", help="write the present versions into pi-image/lock.json")
    parser.add_argument("--no-xz", action="store_true", help="leave pi.img.xz out, which takes the longest")
    parser.add_argument("--which", action="store_true", help="only say whether it is possible here, and by which way")
    return parser.parse_args()


def build_date(lock):
    """The date of everything in the image, and of its clock at the start: that of the commit, unless the environment says."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    # An unpacked archive has no commit, and perhaps the machine no git.
    return max(int(cross.output("git", "log", "-1", "--format=%ct") or 0), lock.date)


def version():
    """Of all our programs: the workspace's."""
    with open(ROOT / "Cargo.toml", "rb") as file:
        return tomllib.load(file)["workspace"]["package"]["version"]


def pack(path, files, date):
    """The card's files alone, for who updates a card on a PC: all but the settings, which are the user's."""
    stamp = time.gmtime(date)[:6]
    with zipfile.ZipFile(path, "w") as archive:
        for name in sorted(set(files) - {"settings.txt"}):
            record = zipfile.ZipInfo(name, stamp)
            record.external_attr = 0o644 << 16
            archive.writestr(record, files[name], zipfile.ZIP_DEFLATED, 6)


def compress(path):
    """Writes the image once more, compressed: what people download."""
    compressed = path.with_name(path.name + ".xz")
    compressed.write_bytes(squeeze(lzma.LZMACompressor(preset=6, check=lzma.CHECK_CRC32), path.read_bytes()))
    return compressed


def check_limits(sizes):
    """Shows each size with its limit; one that is passed is a failure."""
    for name, (size, limit) in sizes.items():
        say(f"   {name}: {size / 1e6:.2f} MB (at most {limit / 1e6:.1f})")
    over = [name for name, (size, limit) in sizes.items() if size > limit]
    if over:
        raise Failure(f"too large: {', '.join(over)}")


def main():
    """Builds."""
    options = arguments()
    lock = lockfile.read()
    needs.check("package", "build")
    if options.which:
        way = cross.choose(options.std)
        if not fetch.is_cached(lock):
            Apt(lock, options.mirror)
        print(way)
        return 0
    with step("packages of the distribution"):
        apts = []

        def apt():
            if not apts:
                apts.append(Apt(lock, options.mirror))
            return apts[0]

        if options.refresh_lock:
            fetch.refresh(lock, apt())
            return 0
        packages = fetch.fetch(lock, apt)
    date = build_date(lock)
    way = cross.choose(options.std)
    with step(f"programs for {cross.TRIPLE} (library: {way})"):
        programs = cross.build(way, PROGRAMS, Deb(packages["libc"]), cross.FEATURES)
        for name, path in programs.items():
            say(f"   {name}: {path.stat().st_size / 1e3:.0f} kB")
    with step("initramfs and card"):
        contents = Contents(packages, programs, date)
        record = manifest.write(lock, contents, version(), cross.output(cross.compiler(way), "--version"), date)
        contents.card[manifest.NAME] = record
        options.out.mkdir(parents=True, exist_ok=True)
        image = options.out / "pi.img"
        card.write(image, contents.card, date)
        card.check(image, date)
        (options.out / "pi.img.spdx.json").write_bytes(record)
    sizes = {
        "contents": (sum(map(len, contents.card.values())), CONTENTS_MAX),
        "initramfs": (len(contents.card["initramfs.img"]), INITRAMFS_MAX),
    }
    made = [image, options.out / "pi.img.spdx.json"]
    if not options.no_xz:
        with step("pi.img.xz and pi-update.zip"):
            made.append(options.out / "pi-update.zip")
            pack(made[-1], contents.card, date)
            made.append(compress(image))
            sizes["pi.img.xz"] = (made[-1].stat().st_size, COMPRESSED_MAX)
    check_limits(sizes)
    sums = "".join(f"{fetch.sha256(path)}  {path.name}\n" for path in made)
    (options.out / "SHA256SUMS").write_text(sums)
    say(sums.rstrip())
    say(f"Write {image} to a card: docs/pi-image.md says how.")
    return 0
