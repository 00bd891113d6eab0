"""Networks without QEMU: the image's own scripts and programs, each machine of them in namespaces of its own, on cables of one bridge.

What runs is the initramfs as this processor runs it: busybox of the same version, `pi-guest` linked the same way, the scripts from
pi-image/root. The kernel and its drivers are this machine's, and there is no room: what is seen here is what the Pi does to its network,
in seconds and not in minutes. Nothing leaves the namespace of the test.
"""

import itertools
import os
import pathlib
import platform
import re
import shutil
import subprocess

from builder import cross, fetch, lock as lockfile
from builder.apt import Apt
from builder.deb import Contents as Deb
from builder.places import IMAGE
from tester.console import SHELL, Console, Missed

# What the image's inittab starts, as far as it has to do with the network.
TASKS = ("network", "name", "clock")
START = """#!/bin/sh
. /etc/rc/lib
mkdir -p /run/settings /run/clock
ip link set lo up
echo untrusted >/run/clock/state
pi-guest settings /etc/settings.txt /run/settings
for task in {tasks}; do
    while :; do /etc/rc/$task 2>&1; sleep 1; done 2>/dev/null &
done
{shell}"""
# Debian's name of this processor, the target of the programs, and the role of the C library in the lock file.
PROCESSORS = {"x86_64": (cross.PC_TRIPLE, "libc of PCs", "busybox of PCs"), "aarch64": (cross.TRIPLE, "libc", "busybox")}


def command(*words):
    """Runs a command that has to succeed."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode != 0:
        raise Missed(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


def lacks(std=None):
    """Why machines in namespaces are not possible here, if they are not."""
    triple = PROCESSORS.get(platform.machine(), (None,))[0]
    ways = [way for way in cross.WAYS if triple and std in (None, way) and cross.is_possible(way, triple)]
    if not ways:
        return f"no Rust library for this processor: rustup target add {triple or 'TARGET'}"
    mounts = "mount -t proc proc /proc && mount -t sysfs sysfs /sys && mount --rbind /dev /mnt"
    done = subprocess.run(["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "sh", "-c", mounts],
                          capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stderr.strip()


def build(folder, std=None):
    """The root folder that all machines start from; to be called where the network can be reached."""
    triple, libc, role = PROCESSORS[platform.machine()]
    lock = lockfile.read()

    def package(name):
        return Deb(fetch.fetch_one(lock.package(name), lambda: Apt(lock, None)))
    program = cross.build(cross.choose(std, triple), ["pi-guest"], package(libc), triple=triple)["pi-guest"]
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("bin", "sbin", "proc", "sys", "dev", "run", "tmp"):
        (folder / name).mkdir(parents=True)
    (folder / "bin/busybox").write_bytes(package(role).read("bin/busybox"))
    (folder / "bin/busybox").chmod(0o755)
    (folder / "bin/sh").symlink_to("busybox")
    shutil.copy(program, folder / "bin/pi-guest")
    shutil.copytree(IMAGE / "root/etc", folder / "etc")
    for script in (folder / "etc/rc").iterdir():
        script.chmod(0o755)
    (folder / "etc/resolv.conf").symlink_to("/run/resolv.conf")
    (folder / "etc/build-date").write_text(f"{lock.date}\n")
    start = folder / "etc/start"
    start.write_text(START.format(tasks=" ".join(TASKS), shell=SHELL))
    start.chmod(0o755)


class Net:
    """A switch: a bridge in the namespace of the test, at which the test itself may have addresses."""

    numbers = itertools.count()

    def __init__(self, *addresses):
        self.name = f"net{next(Net.numbers)}"
        command("ip", "link", "add", self.name, "type", "bridge", "stp_state", 0, "forward_delay", 0, "mcast_snooping", 0)
        # Without a link-local address of its own it is no part of what is tested.
        pathlib.Path(f"/proc/sys/net/ipv6/conf/{self.name}/accept_ra").write_text("0")
        for address in addresses:
            command("ip", "address", "add", address, "dev", self.name, *(["nodad"] if ":" in address else []))
        command("ip", "link", "set", self.name, "up")

    def tap(self):
        """A new socket of this switch for a machine in QEMU; its name. It is gone with the switch's namespace."""
        name = f"tap{next(Net.numbers)}"
        command("ip", "tuntap", "add", name, "mode", "tap")
        command("ip", "link", "set", name, "master", self.name, "up")
        return name

    def join(self, other):
        """Connects two switches."""
        command("ip", "link", "add", f"{self.name}-j", "type", "veth", "peer", "name", f"{other.name}-j")
        for net in (self, other):
            command("ip", "link", "set", f"{net.name}-j", "master", net.name, "up")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["ip", "link", "delete", f"{self.name}-j"], capture_output=True)
        command("ip", "link", "delete", self.name)


class Pi(Console):
    """One machine; its cable leads to a switch, or with None to nothing."""

    numbers = itertools.count(1)

    def __init__(self, bench, name, net, settings="", hardware=None):
        number = next(Pi.numbers)
        # The number keeps what machines choose by chance apart, and the same in each run.
        self.hardware = hardware or f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"
        self.cable = f"pi{number}"
        root = bench.folder / "lan" / f"{name}-{number}"
        shutil.copytree(bench.lan, root, symlinks=True)
        (root / "etc/settings.txt").write_text(settings)
        script = (f"mount --rbind /dev {root}/dev && mount -t proc proc {root}/proc && mount -t sysfs sysfs {root}/sys && echo ready && "
                  f"read -r go && exec chroot {root} /etc/start 2>&1")
        process = subprocess.Popen(["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", script],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        super().__init__(process, bench.folder / "lan" / f"{name}-{number}.log")
        self.wait_for("^ready")
        command("ip", "link", "add", self.cable, "type", "veth", "peer", "name", "eth0", "address", self.hardware, "netns", process.pid)
        if net:
            self.plug(net)
        self.type("go")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pull_plug()

    def plug(self, net):
        """Puts the other end of the cable into a switch."""
        command("ip", "link", "set", self.cable, "master", net.name, "up")

    def unplug(self):
        """Pulls the cable out of the switch."""
        command("ip", "link", "set", self.cable, "nomaster", "down")

    def address(self, seconds=60):
        """The IPv4 address that the console named last; waits for the first."""
        self.wait_for(r"eth0 (has the address|takes) ([0-9.]+)", seconds)
        with self.changed:
            found = [text for _, text in self.lines if "eth0 has the address" in text or "eth0 takes" in text]
        return re.search(r"(?:address|takes) ([0-9.]+)", found[-1])[1]

    def pull_plug(self):
        """Off, at once."""
        self.process.kill()
        self.process.wait()
        self.reader.join(5)


class Peer:
    """A program of the distribution that the machines meet, in the namespace of the test; its output is kept."""

    def __init__(self, bench, name, *words):
        self.log = bench.folder / "lan" / f"{name}.log"
        self.log.parent.mkdir(exist_ok=True)
        self.output = open(self.log, "w")
        self.process = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output,
                                        env=dict(os.environ, LC_ALL="C"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.output.close()
