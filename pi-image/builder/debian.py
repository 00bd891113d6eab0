"""`pi-image/deb`: the Debian packages for people who have Raspberry Pi OS, Debian or Ubuntu already, on a Pi or a PC.

The same program as in the image, but with the clients, linked statically: it runs on every release. Put together with dpkg-deb
alone; the same inputs make the same bytes. The manual page lists the options, the changelog has what CHANGELOG.md says.
"""

import argparse
import gzip
import hashlib
import os
import pathlib
import platform
import re
import shutil
import subprocess
import tempfile
import textwrap
import time

from builder import cross, fetch, image, lock as lockfile, needs
from builder.apt import Apt
from builder.deb import Contents as Deb
from builder.failure import Failure
from builder.places import IMAGE, ROOT, WORK
from builder.progress import say, step
from tester import service

NAME = "chat-host"
# What each is compiled for, and which package of the lock file has its C library.
ARCHITECTURES = {"arm64": (cross.TRIPLE, "libc"), "amd64": (cross.PC_TRIPLE, "libc of PCs")}
# The folder with what goes into the package as it is: unit, settings, manual page, scripts of the package manager.
SOURCES = IMAGE / "debian"
# What shells complete; made by tests/manual, like the manual page.
COMPLETIONS = ROOT / "docs/completions"
MODES = {"usr/bin/chat-host": 0o755}


def compress(content):
    """As the distribution's tools do it: at the highest level, without name and date."""
    return gzip.compress(content, 9, mtime=0)


def changelog(version, date):
    """What CHANGELOG.md says of the newest version, in Debian's form."""
    newest = (ROOT / "CHANGELOG.md").read_text().split("\n## ")[1]
    changes = [" ".join(change.split()) for change in re.split(r"^(?:- |### .*\n)", newest, flags=re.MULTILINE)[1:]]
    listed = "\n".join(textwrap.fill(change, 78, initial_indent="  * ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
                       for change in changes if change)
    if not listed:
        raise Failure("CHANGELOG.md lists no change below its first heading of a version")
    stamp = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(date))
    author = "The chat-host developers <chat-host@localhost>"
    return f"{NAME} ({version}) stable; urgency=medium\n\n{listed}\n\n -- {author}  {stamp}\n"


def manual():
    """The manual page that tests/manual makes from the program's options, with what is there in the package alone."""
    page = (ROOT / "docs/man/chat-host.1").read_text()
    before, heading, after = page.partition(".SH EXIT STATUS\n")
    if not heading:
        raise Failure("docs/man/chat-host.1 has no section EXIT STATUS any more, before which the package's own part belongs")
    return (before + (SOURCES / "service.1").read_text() + heading + after).encode()


def files(program, version, date):
    """The files of the package by path."""
    documents = f"usr/share/doc/{NAME}"
    return {
        "usr/bin/chat-host": program,
        "lib/systemd/system/chat-host.service": (SOURCES / "chat-host.service").read_bytes(),
        "etc/default/chat-host": (SOURCES / "chat-host.default").read_bytes(),
        "usr/share/man/man1/chat-host.1.gz": compress(manual()),
        "usr/share/bash-completion/completions/chat-host": (COMPLETIONS / "chat-host.bash").read_bytes(),
        "usr/share/zsh/vendor-completions/_chat-host": (COMPLETIONS / "_chat-host").read_bytes(),
        "usr/share/fish/vendor_completions.d/chat-host.fish": (COMPLETIONS / "chat-host.fish").read_bytes(),
        "usr/share/lintian/overrides/chat-host": (SOURCES / "lintian-overrides").read_bytes(),
        f"{documents}/copyright": (SOURCES / "copyright").read_bytes(),
        f"{documents}/changelog.gz": compress(changelog(version, date).encode()),
        f"{documents}/command-line.md.gz": compress((ROOT / "docs/command-line.md").read_bytes()),
    }


def control(version, architecture, contents):
    """The package's own record."""
    kilobytes = sum(-(-len(content) // 1024) for content in contents.values())
    return f"""Package: {NAME}
Version: {version}
Section: net
Priority: optional
Architecture: {architecture}
Maintainer: The chat-host developers <chat-host@localhost>
Installed-Size: {kilobytes}
Description: chat server and client for small networks
 A room over TCP, with names and the last messages for newcomers, and an
 anonymous relay over UDP, for a Raspberry Pi in a classroom, on a boat or in
 a lab with no internet. Installing it starts both servers (TCP port 9191, UDP
 port 9090); the same program is the client.
"""


def write(path, program, version, architecture, date):
    """Puts the package together."""
    contents = files(program, version, date)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary) / "package"
        sums = "".join(f"{hashlib.md5(content, usedforsecurity=False).hexdigest()}  {name}\n"
                       for name, content in sorted(contents.items()) if not name.startswith("etc/"))
        records = {"control": control(version, architecture, contents).encode(), "md5sums": sums.encode(), "conffiles": b"/etc/default/chat-host\n"}
        records |= {name: (SOURCES / name).read_bytes() for name in ("postinst", "prerm", "postrm")}
        for name, content in contents.items() | {f"DEBIAN/{name}": content for name, content in records.items()}.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            target.chmod(0o755 if content.startswith(b"#!") or name in MODES else 0o644)
        for parent, _, names in os.walk(folder):
            os.chmod(parent, 0o755)
            for each in [parent, *(os.path.join(parent, name) for name in names)]:
                os.utime(each, (date, date))
        done = subprocess.run(["dpkg-deb", "--root-owner-group", "-Zxz", "--build", folder, path], text=True, capture_output=True,
                              env=dict(os.environ, SOURCE_DATE_EPOCH=str(date), TZ="UTC"))
        if done.returncode != 0:
            raise Failure(f"dpkg-deb: {done.stderr.strip()}")


def check(path):
    """What other people's tools say of it, as far as they are there."""
    with tempfile.TemporaryDirectory() as temporary:
        subprocess.run(["dpkg-deb", "-x", path, temporary], check=True)
        if platform.machine() == "x86_64" and path.name.endswith("amd64.deb"):
            say(f"   it runs: {subprocess.check_output([f'{temporary}/usr/bin/{NAME}', '--version'], text=True).strip()}")
        if shutil.which("groff"):
            page = gzip.decompress(pathlib.Path(f"{temporary}/usr/share/man/man1/chat-host.1.gz").read_bytes())
            done = subprocess.run(["groff", "-man", "-Tutf8", "-Kutf8", "-ww", "-z"], input=page, capture_output=True)
            if done.stderr:
                raise Failure(f"the manual page: {done.stderr.decode().strip()}")
        if shutil.which("systemd-analyze"):
            unit = f"{temporary}/lib/systemd/system/chat-host.service"
            # The program that it starts is not installed here.
            text = pathlib.Path(unit).read_text().replace("/usr/bin/chat-host", "/bin/true")
            pathlib.Path(unit).write_text(text)
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
            # systemd before version 254 leaves these two out.
            complaints = [line for line in done.stderr.splitlines() if "chat-host" in line and
                          not re.search(r"Unknown key (name )?'Restart(Steps|MaxDelaySec)'", line)]
            if done.returncode != 0 or complaints:
                raise Failure(f"systemd-analyze verify: {done.stderr.strip()}")
            security = subprocess.run(["systemd-analyze", "security", "--offline=true", unit], capture_output=True, text=True).stdout
            say(f"   systemd-analyze verify: fine; security: {security.strip().splitlines()[-1].lstrip('→ ')}")
    if shutil.which("lintian"):
        done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", path], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"lintian:\n{done.stdout.strip()}{done.stderr.strip()}")
        say("   lintian: neither errors nor warnings")


def build(architecture, options, lock):
    """Builds the package for one architecture."""
    triple, libc = ARCHITECTURES[architecture]
    date, version, way = image.build_date(lock), image.version(), cross.choose(options.std, triple)
    musl = Deb(fetch.fetch_one(lock.package(libc), lambda: Apt(lock, options.mirror)))
    with step(f"chat-host for {triple} (library: {way})"):
        program = cross.build(way, [NAME], musl, triple=triple)[NAME].read_bytes()
    with step("package"):
        options.out.mkdir(parents=True, exist_ok=True)
        path = options.out / f"{NAME}_{version}_{architecture}.deb"
        write(path, program, version, architecture, date)
        first = path.read_bytes()
        write(path, program, version, architecture, date)
        if path.read_bytes() != first:
            raise Failure("the package put together twice differs")
        check(path)
        say(f"   {path}: {path.stat().st_size / 1e3:.0f} kB, sha256 {fetch.sha256(path)}")
    return path


def main():
    """Builds them."""
    parser = argparse.ArgumentParser(prog="pi-image/deb", description="Builds the Debian packages, for a 64-bit Raspberry Pi OS and for PCs.")
    parser.add_argument("--architecture", choices=ARCHITECTURES, help="only the one for the Pi (arm64), or for PCs (amd64)")
    parser.add_argument("--out", type=pathlib.Path, default=WORK, metavar="FOLDER", help=f"where they go ({WORK})")
    parser.add_argument("--std", choices=cross.WAYS, help="the way to Rust's library (see builder/cross.py)")
    parser.add_argument("--mirror", metavar="URL", help="a Debian mirror, where apt's own sources have no Debian 12")
    parser.add_argument("--test", action="store_true", help="boot a Debian with the package of this processor in QEMU, under systemd; as root")
    parser.add_argument("--which", action="store_true", help="only say whether it is possible here, and by which ways")
    options = parser.parse_args()
    needs.check("package")
    lock = lockfile.read()
    packages = {}
    for architecture in [options.architecture] if options.architecture else ARCHITECTURES:
        if options.which:
            print(architecture, cross.choose(options.std, ARCHITECTURES[architecture][0]))
        else:
            packages[architecture] = build(architecture, options, lock)
    package = packages.get(service.architecture())
    if options.test and not package:
        raise Failure("--test takes the package of this processor, which is not built")
    if options.test and (reason := service.lacks()):
        say(f"== not tried under systemd: {reason}")
    elif options.test:
        service.test(package)
    return 0
