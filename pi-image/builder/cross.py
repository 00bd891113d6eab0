"""Compiling our programs for the Pi, 64-bit ARM Linux, and for PCs: linked statically with musl.

Two ways to a standard library for that target; the first that is possible is taken:
  installed  the toolchain in use has it (rustup target add aarch64-unknown-linux-musl or x86_64-unknown-linux-musl)
  sources    the distribution's compiler builds it from its sources, and Debian's musl-dev supplies the C library
             (apt-get install --no-install-recommends rustc-web rust-web-src lld)

Neither needs a C compiler for the other machine. Paths of this machine are mapped away, so that the programs are the same from any folder.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tomllib

from builder.failure import Failure
from builder.places import IMAGE, ROOT, TARGET, WORK

TRIPLE = "aarch64-unknown-linux-musl"
# Of PCs, for the Debian package alone.
PC_TRIPLE = "x86_64-unknown-linux-musl"
DISTRIBUTION_RUSTC = "/usr/bin/rustc"
# The initramfs is read and unpacked at each start, and a classroom is far from what the server can do.
# Nobody types at the Pi, so it has no clients; but it may be a peer that keeps the group.
FEATURES = ("--no-default-features", "--features", "chat-host/peer")
SMALL = ("--config", 'profile.release.opt-level="s"')
WAYS = ("installed", "sources")
# std names these for backtraces, which an image without symbols cannot print: nothing may call them.
UNWINDER = ("_Unwind_Backtrace", "_Unwind_GetIP", "_Unwind_GetIPInfo", "_Unwind_GetCFA")


def output(*command):
    """What a command prints; empty where it fails or is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def compiler(way):
    """The compiler of a way."""
    return DISTRIBUTION_RUSTC if way == "sources" else os.environ.get("RUSTC", "rustc")


def library_sources():
    """Where the distribution's compiler keeps the sources of its library."""
    sysroot = output(DISTRIBUTION_RUSTC, "--print", "sysroot")
    return pathlib.Path(sysroot or "/nowhere") / "lib/rustlib/src/rust/library"


def linker():
    """rustc brings its own as a rule; a distribution's compiler has it in a package of its own."""
    sysroot = output(os.environ.get("RUSTC", "rustc"), "--print", "sysroot")
    bundled = sorted(pathlib.Path(sysroot or "/nowhere").glob("lib/rustlib/*/bin/rust-lld"))
    return str(bundled[0]) if bundled else shutil.which("ld.lld")


def is_new_enough(rustc):
    """Whether a compiler takes the workspace."""
    def parts(text):
        return [int(part) for part in re.findall(r"\d+", text)[:2]]
    with open(ROOT / "Cargo.toml", "rb") as file:
        minimum = tomllib.load(file)["workspace"]["package"]["rust-version"]
    return parts(output(rustc, "--version")) >= parts(minimum)


def is_possible(way, triple=TRIPLE):
    """Whether a way can be gone here."""
    if not linker():
        return False
    if way == "sources":
        return (library_sources() / "Cargo.toml").exists() and is_new_enough(DISTRIBUTION_RUSTC)
    # The folder's name is printed whether it exists or not, and may be there without a library.
    folder = output(compiler(way), "--print", "target-libdir", "--target", triple)
    return bool(folder) and any(pathlib.Path(folder).glob("libstd-*.rlib"))


def choose(wanted=None, triple=TRIPLE):
    """The way that was asked for, or the first that is possible."""
    possible = [way for way in WAYS if is_possible(way, triple)]
    if wanted in possible:
        return wanted
    if possible and not wanted:
        return possible[0]
    raise Failure(
        f"no Rust library for {triple}{f' by the way {wanted!r}' if wanted else ''}. Run one of\n"
        f"  rustup target add {triple}\n"
        "  apt-get install --no-install-recommends rustc-web rust-web-src lld")


def common_flags():
    """Flags of both ways. The programs are started where they are linked to, so nothing is relocated."""
    home = os.environ.get("CARGO_HOME") or os.path.expanduser("~/.cargo")
    maps = {ROOT: "/chat-host", pathlib.Path(home) / "registry/src": "/registry", TARGET: "/target"}
    return [
        f"-Clinker={linker()}", "-Clinker-flavor=ld.lld",
        "-Ctarget-feature=+crt-static", "-Crelocation-model=static",
        f"-Clink-arg=-T{IMAGE / 'builder/link.ld'}",
        # Nothing of the build tells machines apart: not where the linker is, nor what it calls itself.
        "-Clink-arg=--build-id=none",
        *(f"--remap-path-prefix={path}={name}" for path, name in maps.items()),
    ]


def sources_flags(musl, triple):
    """Flags of the way `sources`: the start files and the library come from Debian's musl-dev, unpacked in a folder."""
    folder = WORK / "musl"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    prefix = f"usr/lib/{triple.split('-')[0]}-linux-musl/"
    for name in musl.names():
        if name.startswith(prefix):
            (folder / name.removeprefix(prefix)).write_bytes(musl.read(name))
    # std asks for it by name; panic = "abort" calls nothing in it.
    (folder / "libunwind.a").write_bytes(b"!<arch>\n")
    starts = [f"-Clink-arg={folder / name}" for name in ("crt1.o", "crti.o", "crtn.o")]
    stubs = [f"-Clink-arg=--defsym={name}=abort" for name in UNWINDER]
    return ["-Clink-self-contained=no", f"-Lnative={folder}", *starts, *stubs,
            f"--remap-path-prefix={library_sources().parent}=/rust", f"--remap-path-prefix={folder}=/musl"]


def build(way, packages, musl, arguments=(), triple=TRIPLE):
    """Compiles these packages of the workspace, with the C library of that machine; the paths of their programs by name."""
    # One folder for each way, or each would build everything anew.
    folder = TARGET / f"pi-{way}"
    command = ["cargo", "build", "--release", "--locked", "--target", triple, *SMALL, *arguments]
    command += [word for package in packages for word in ("-p", package)]
    flags = common_flags()
    environment = {name: value for name, value in os.environ.items() if name != "RUSTFLAGS"}
    if way == "sources":
        flags += sources_flags(musl, triple)
        command += ["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"]
        environment |= {"RUSTC": DISTRIBUTION_RUSTC, "RUSTC_BOOTSTRAP": "1"}
    environment |= {"CARGO_TARGET_DIR": str(folder), "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags)}
    if subprocess.run(command, cwd=ROOT, env=environment).returncode != 0:
        raise Failure("the programs could not be compiled: see above")
    return {package: folder / triple / "release" / package for package in packages}
