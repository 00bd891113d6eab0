"""Getting the locked packages: from the cache where they are, else by apt; nothing with another checksum is used."""

import hashlib
import tempfile
import time
import pathlib

from builder import lock as lockfile
from builder.failure import Failure
from builder.places import CACHE
from builder.progress import say


def sha256(path):
    """The checksum of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(lock, apt):
    """The image's packages, as paths by role."""
    return {package.role: fetch_one(package, apt) for package in lock.of_image()}


def is_cached(lock):
    """Whether nothing has to be downloaded."""
    return all((CACHE / f"{package.sha256}.deb").exists() for package in lock.of_image())


def fetch_one(package, apt):
    """One package, in the cache."""
    CACHE.mkdir(parents=True, exist_ok=True)
    path = CACHE / f"{package.sha256}.deb"
    if path.exists() and sha256(path) == package.sha256:
        say(f"   {package.name} {package.version}: there")
        return path
    say(f"   {package.name} {package.version}: downloading {package.bytes / 1e6:.1f} MB")
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        apt().download(package, folder)
        [file] = pathlib.Path(folder).iterdir()
        if (found := sha256(file)) != package.sha256:
            raise Failure(f"{package.name} {package.version} has the checksum {found}, the lock file has "
                          f"{package.sha256}: do not use this mirror before you know why")
        file.rename(path)
    return path


def refresh(lock, apt):
    """Writes a lock file with the newest version of every package."""
    apt.update()
    for package in lock.packages:
        if package.follows:
            package.name = apt.candidate(package.follows)["Depends"].split()[0]
        record = apt.candidate(package.qualified_name)
        before = package.version
        package.version, package.path = record["Version"], record["Filename"]
        package.bytes, package.sha256 = int(record["Size"]), record["SHA256"]
        news = "as before" if before == package.version else f"was {before or 'not locked'}"
        say(f"   {package.name} {package.version} ({news})")
    lock.date = int(time.time())
    lockfile.write(lock)
