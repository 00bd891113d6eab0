"""Programs of this machine that the build runs, and the packages which have them."""

import os
import shutil

from builder.failure import Failure
from builder.places import IMAGE

# Also read by the tests of the whole project, which say what is missing where there is no Python.
FILE = IMAGE / "needs.txt"
# Where administrators' programs are, which the PATH of others may leave out.
PATH = os.environ.get("PATH", "") + ":/sbin:/usr/sbin"


def missing(*purposes):
    """Packages of the programs for these purposes that are not there: `package` (of Debian), `build` (the image) and `test`."""
    lines = [line.split() for line in FILE.read_text().splitlines() if not line.startswith("#")]
    return sorted({package for purpose, program, package in lines
                   if purpose in purposes and not shutil.which(program, path=PATH)})


def check(*purposes):
    """Says what to install, if anything."""
    os.environ["PATH"] = PATH
    if packages := missing(*purposes):
        raise Failure(f"something is missing: apt-get install --no-install-recommends {' '.join(packages)}")
