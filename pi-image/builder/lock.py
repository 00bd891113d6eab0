"""The lock file: every package of the distribution that becomes part of the image or compiles it, by version and checksum.

The list of packages is what people edit; versions, paths, sizes and checksums are written by `pi-image/build --refresh-lock`.
"""

import dataclasses
import json

from builder.places import IMAGE

FILE = IMAGE / "lock.json"


@dataclasses.dataclass
class Package:
    """One package of the distribution.

    `licence` is an SPDX expression, looked up by hand in its copyright file. `follows` is a package that depends on the newest
    one of this kind: the kernel's own name changes with every version of its interface to modules. `architecture` is there where it
    is not the image's.
    """

    role: str
    name: str
    licence: str
    follows: str = ""
    architecture: str = ""
    version: str = ""
    path: str = ""
    bytes: int = 0
    sha256: str = ""

    @property
    def qualified_name(self):
        """What apt calls it."""
        return f"{self.name}:{self.architecture}" if self.architecture else self.name

    @property
    def file_name(self):
        """What it is called in a mirror and in the cache."""
        return self.path.rsplit("/", 1)[-1]


@dataclasses.dataclass
class Lock:
    """The whole file. `suite` and `components` say where in a mirror to look; `date` is when it was last refreshed."""

    suite: str
    components: list
    architecture: str
    date: int
    packages: list

    def package(self, role):
        """The package that plays this role."""
        return next(package for package in self.packages if package.role == role)

    def of_image(self):
        """The packages that become part of the image or compile it."""
        return [package for package in self.packages if not package.architecture]

    def architectures(self):
        """Those that packages are for, the image's first."""
        return [self.architecture, *{package.architecture for package in self.packages if package.architecture}]


def read():
    """Reads the lock file."""
    content = json.loads(FILE.read_text())
    content["packages"] = [Package(**package) for package in content["packages"]]
    return Lock(**content)


def write(lock):
    """Writes it, so that a refresh without news changes no byte but the date."""
    FILE.write_text(json.dumps(dataclasses.asdict(lock), indent=2) + "\n")
