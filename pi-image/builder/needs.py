"""Programs of this machine that the build runs, and the packages which have them."""

import os
import shutil

from builder.failure import Failure

# Program to package, of Debian.
PROGRAMS = {
    "cargo": "cargo", "dpkg-deb": "dpkg", "apt-get": "apt", "mcopy": "mtools", "mkfs.vfat": "dosfstools",
    "sfdisk": "fdisk", "depmod": "kmod",
}
# Where administrators' programs are, which the PATH of others may leave out.
PATH = os.environ.get("PATH", "") + ":/sbin:/usr/sbin"


def missing(programs):
    """Packages of those programs that are not there."""
    return sorted({package for program, package in programs.items() if not shutil.which(program, path=PATH)})


def check():
    """Says what to install, if anything."""
    os.environ["PATH"] = PATH
    if packages := missing(PROGRAMS):
        raise Failure(f"something is missing: apt-get install --no-install-recommends {' '.join(packages)}")
