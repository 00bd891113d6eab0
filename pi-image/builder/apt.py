"""Finding and downloading packages of another architecture with the machine's own apt, without touching its state.

apt gets folders of its own under the work folder, and the sources that the machine is configured with, narrowed to the suite
of the lock file and widened to the components that it needs. Signatures are checked by apt, against the distribution's keyring.
"""

import os
import pathlib
import re
import subprocess
import threading

from builder.failure import Failure
from builder.places import WORK
from builder.progress import Bar

KEYRING = pathlib.Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class Apt:
    """apt with a private state."""

    def __init__(self, lock, mirror=None):
        self.lock = lock
        self.mirror = mirror
        self.state = WORK / "apt"
        for name in ("lists/partial", "cache/archives/partial"):
            (self.state / name).mkdir(parents=True, exist_ok=True)
        (self.state / "status").touch()
        (self.state / "sources.list").write_text("".join(f"{line}\n" for line in self.sources()))
        self.is_updated = False

    def sources(self):
        """Lines for sources.list: this machine's mirrors, or the one that was named."""
        suite, components = self.lock.suite, " ".join(self.lock.components)
        if not KEYRING.exists():
            raise Failure(f"{KEYRING} is missing: apt-get install debian-archive-keyring")
        if self.mirror:
            found = {f"{self.mirror} {suite}", f"{self.mirror} {suite}-updates"}
        else:
            listed = subprocess.run(
                ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"],
                capture_output=True, text=True, check=True).stdout
            found = {line for line in listed.splitlines()
                     if re.fullmatch(rf"\S*debian\S* {suite}(-updates|-security)?", line)}
        if not found:
            raise Failure(f"this machine's apt has no sources of Debian {suite}: name a mirror of it with --mirror URL")
        return sorted(f"deb [signed-by={KEYRING}] {line} {components}" for line in found)

    def run(self, *arguments, cwd=None):
        """Runs an apt command; its output, or None where it failed."""
        architecture = self.lock.architecture
        settings = {
            "Dir::State": self.state,
            "Dir::State::status": self.state / "status",
            "Dir::State::lists": self.state / "lists",
            "Dir::Cache": self.state / "cache",
            "Dir::Etc::sourcelist": self.state / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "APT::Architecture": architecture,
            "APT::Install-Recommends": "false",
            "Acquire::Languages": "none",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
            # Packages come into our own folders, which the user that apt changes to could not write to.
            "APT::Sandbox::User": "root" if os.getuid() == 0 else "",
        }
        settings = [*settings.items(), *(("APT::Architectures::", each) for each in self.lock.architectures())]
        options = [word for key, value in settings for word in ("-o", f"{key}={value}")]
        command = [arguments[0], *options, *arguments[1:]]
        environment = dict(os.environ, LC_ALL="C.UTF-8", DEBIAN_FRONTEND="noninteractive")
        done = subprocess.run(command, cwd=cwd, env=environment, text=True, timeout=900, capture_output=True)
        self.complaint = (done.stderr or "").strip()
        return done.stdout if done.returncode == 0 else None

    def update(self):
        """Fetches the lists of packages, once a run."""
        if not self.is_updated:
            if self.run("apt-get", "-q", "update") is None:
                raise Failure(f"apt cannot fetch the lists of packages:\n{self.complaint}")
            self.is_updated = True

    def candidate(self, name):
        """The newest version of a package: its record, by field."""
        shown = self.run("apt-cache", "show", "--no-all-versions", name)
        if not shown:
            raise Failure(f"the mirror has no package {name}")
        return dict(re.findall(r"^([A-Za-z0-9-]+): (.*)$", shown.split("\n\n")[0], re.MULTILINE))

    def watch(self, folder, stop, bar):
        """Shows how much apt has written, until it is told to stop."""
        folders = [pathlib.Path(folder), self.state / "cache/archives/partial"]
        while not stop.wait(0.2):
            bar.reach(sum(file.stat().st_size for each in folders for file in each.iterdir() if file.is_file()))
        bar.finish()

    def download(self, package, folder):
        """Downloads the locked version into a folder."""
        self.update()
        wanted = f"{package.qualified_name}={package.version}"
        stop, bar = threading.Event(), Bar(package.bytes)
        watch = threading.Thread(target=self.watch, args=(folder, stop, bar))
        watch.start()
        done = self.run("apt-get", "-q", "download", wanted, cwd=folder)
        stop.set()
        watch.join()
        if done is None:
            raise Failure(
                f"the mirror does not have {package.name} {package.version} any more, which pi-image/lock.json names "
                f"({self.complaint.splitlines()[-1] if self.complaint else 'no reason given'}).\n"
                "A point release removes old versions. Take the present ones:\n"
                "  pi-image/build --refresh-lock\nthen run the tests, and commit the lock file.")
