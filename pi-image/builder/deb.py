"""Reading packages of the distribution without installing or unpacking them: their files, by path, in memory."""

import io
import subprocess
import tarfile

from builder.failure import Failure


class Contents:
    """The files of one package."""

    def __init__(self, path):
        done = subprocess.run(["dpkg-deb", "--fsys-tarfile", path], capture_output=True)
        if done.returncode != 0:
            raise Failure(f"dpkg-deb cannot read {path}: {done.stderr.decode().strip()}")
        self.tar = tarfile.open(fileobj=io.BytesIO(done.stdout))
        self.members = {member.name.removeprefix("./"): member for member in self.tar if member.isfile()}

    def names(self):
        """The paths of all files."""
        return self.members.keys()

    def read(self, name):
        """The bytes of one file."""
        if name not in self.members:
            raise Failure(f"there is no {name} in the package: what the lock file names is not what the build expects")
        return self.tar.extractfile(self.members[name]).read()

    def only(self, prefix, suffix=""):
        """The one path that begins and ends so."""
        found = [name for name in self.members if name.startswith(prefix) and name.endswith(suffix)]
        if len(found) != 1:
            raise Failure(f"{len(found)} files {prefix}*{suffix} in the package, not one")
        return found[0]
