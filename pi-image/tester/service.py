"""The Debian package under a real systemd: a small Debian in QEMU, in which the package is installed, broken in every way, and taken away.

Debian comes by debootstrap, which wants root; it is packed as an initramfs, so the machine needs no disk and no driver, and has no network but
its own loopback. It is emulated: what is virtual itself has no KVM to offer, or one that does not start.
"""

import os
import pathlib
import platform
import shutil
import subprocess
import time

from builder import needs
from builder.failure import Failure
from builder.places import WORK
from builder.progress import say, step
from tester.bench import check
from tester.console import SHELL, Console, Missed

FOLDER = WORK / "debian"
# Debian's name of the processor, QEMU's, its machine, and its serial line.
PROCESSORS = {"x86_64": ("amd64", "qemu-system-x86_64", "q35", "ttyS0"), "aarch64": ("arm64", "qemu-system-aarch64", "virt", "ttyAMA0")}
SUITE = "bookworm"
# What the console is asked after the start; it has no prompt and no echo.
TEST_SHELL = f"""#!/bin/sh
stty -echo
echo "the shell is there"
{SHELL}"""
SHELL_UNIT = """[Unit]
After=multi-user.target
[Service]
ExecStart=/usr/local/bin/test-shell
StandardInput=tty-force
StandardOutput=tty
TTYPath=/dev/{line}
[Install]
WantedBy=multi-user.target
"""
# Longer than systemd takes to notice a server that does not answer (WatchdogSec=30).
HUNG_SECONDS = 90


def architecture():
    """Debian's name of this processor; none if the package is not built for it."""
    return PROCESSORS.get(platform.machine(), (None,))[0]


def lacks():
    """Why it cannot be done here, if it cannot."""
    debian, emulator, _, _ = PROCESSORS[platform.machine()]
    missing = [name for name in ("debootstrap", "cpio", emulator) if not shutil.which(name, path=needs.PATH)]
    if missing:
        return f"not installed: {', '.join(missing)}"
    if os.getuid() != 0:
        return "debootstrap wants root"
    name = f"linux-image-cloud-{debian}"
    found = subprocess.run(["apt-cache", "show", name], capture_output=True)
    return "" if found.returncode == 0 and found.stdout else f"apt has no {name}"


def run(*words, **options):
    """Runs a command that has to succeed."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise Failure(f"{' '.join(map(str, words))}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def kernel(debian):
    """Debian's kernel for machines in a cloud, which is the smallest."""
    folder = FOLDER / "kernel"
    if not (found := list(folder.glob("boot/vmlinuz-*"))):
        folder.mkdir(parents=True, exist_ok=True)
        lines = run("apt-cache", "depends", f"linux-image-cloud-{debian}").splitlines()
        name = next(line.split()[1] for line in lines if "Depends:" in line)
        run("apt-get", "download", name, cwd=folder)
        run("dpkg-deb", "-x", next(folder.glob("*.deb")), folder)
        found = list(folder.glob("boot/vmlinuz-*"))
    return found[0]


def build(package):
    """The initramfs of a Debian with the package, and its kernel."""
    debian, _, _, line = PROCESSORS[platform.machine()]
    base, root = FOLDER / "base", FOLDER / "root"
    if not (FOLDER / "base-is-whole").exists():
        shutil.rmtree(base, ignore_errors=True)
        FOLDER.mkdir(parents=True, exist_ok=True)
        run("debootstrap", "--variant=minbase", "--include=systemd-sysv,init-system-helpers,iproute2", SUITE, base)
        (FOLDER / "base-is-whole").touch()
    shutil.rmtree(root, ignore_errors=True)
    run("cp", "-a", base, root)
    for path in ("usr/share/doc", "usr/share/locale", "usr/share/man", "var/cache/apt", "var/lib/apt/lists"):
        shutil.rmtree(root / path, ignore_errors=True)
    shutil.copy(package, root / "root/chat-host.deb")
    (root / "usr/local/bin/test-shell").write_text(TEST_SHELL)
    (root / "usr/local/bin/test-shell").chmod(0o755)
    (root / "etc/systemd/system/test-shell.service").write_text(SHELL_UNIT.format(line=line))
    run("chroot", root, "systemctl", "enable", "test-shell.service")
    run("chroot", root, "systemctl", "mask", f"serial-getty@{line}.service", "getty@tty1.service")
    # As an installation does it: nothing runs yet, and the service starts with the machine.
    run("chroot", root, "dpkg", "-i", "/root/chat-host.deb")
    (root / "init").symlink_to("sbin/init")
    initramfs = FOLDER / "initramfs"
    with open(initramfs, "wb") as file:
        subprocess.run("find . | cpio --quiet -H newc -o", shell=True, cwd=root, stdout=file, check=True)
    return kernel(debian), initramfs


class Debian(Console):
    """The machine, from power-on to power-off."""

    def __init__(self, image, initramfs):
        _, emulator, machine, line = PROCESSORS[platform.machine()]
        process = subprocess.Popen(
            [emulator, "-M", machine, "-accel", "tcg", "-cpu", "max", "-m", "1500", "-nic", "none", "-display", "none", "-monitor", "none", "-serial", "stdio",
             "-no-reboot", "-kernel", image, "-initrd", initramfs, "-append", f"console={line} quiet systemd.show_status=no"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        super().__init__(process, FOLDER / "console.log")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def one(self, command, seconds=30):
        """What a command prints, in one line."""
        return " ".join(self.run(command, seconds)).strip()

    def until(self, what, command, expected, seconds=30):
        """Runs a command each half second until it prints this; how long that took."""
        begin = time.monotonic()
        while (found := self.one(command)) != expected:
            if time.monotonic() - begin > seconds:
                raise Missed(f"{what}: {command} says {found!r} after {seconds} s, not {expected!r}")
            time.sleep(0.5)
        return time.monotonic() - begin

    def until_well(self, what, options="", seconds=30):
        """Waits until the service runs and answers; how long that took."""
        return self.until(what, f"chat-host check {options} --seconds 1 >/dev/null 2>&1 && systemctl is-active chat-host", "active", seconds)


def starts_with_the_machine(machine):
    """Enabled by the installation alone."""
    machine.until_well("start", seconds=60)
    user = machine.one("stat -c %u /proc/$(systemctl show -P MainPID chat-host)")
    check(user.isdigit() and int(user) >= 61184, f"it runs as user {user}, not as a dynamic one (systemd.exec(5), DynamicUser)")
    return f"active and answering, as user {user}"


def ends_again_and_again(machine):
    """More ends in a row than systemd allows by default."""
    for number in range(8):
        machine.until("start", "systemctl is-active chat-host", "active", 20)
        machine.one("systemctl kill -s KILL chat-host")
    seconds = machine.until_well("after 8 kills")
    return f"8 times kill -9; well {seconds:.1f} s after the last"


def hangs(machine):
    """A server that is stopped does not answer: the watchdog notices."""
    before = machine.one("systemctl show -P MainPID chat-host")
    machine.one(f"kill -STOP {before}")
    seconds = machine.until("watchdog", f"systemctl show -P MainPID chat-host | grep -qvx -e {before} -e 0 && echo new", "new", HUNG_SECONDS)
    machine.until_well("after the watchdog")
    return f"SIGSTOP; another process after {seconds:.0f} s"


def start_without_the_port(machine):
    """Starts the service while another program holds its port."""
    machine.one("systemctl stop chat-host")
    machine.one("chat-host serve --tcp [::]:9191 --web off >/dev/null 2>&1 & echo $! >/run/holder; systemctl start chat-host --no-block")


def free_the_port(machine):
    """Ends that program."""
    machine.one("kill $(cat /run/holder)")


def port_is_taken(machine):
    """Another program holds the port for 15 s."""
    start_without_the_port(machine)
    machine.one("sleep 15")
    check(machine.one("systemctl is-failed chat-host") != "failed", "systemd has given up")
    free_the_port(machine)
    seconds = machine.until_well("after the port is free")
    return f"port held for 15 s; well {seconds:.1f} s after it was free"


def port_is_taken_under_a_limit_of_starts(machine):
    """The same with a limit of five starts, as systemd has it and the unit takes it away: the service stays down for good, and so this
    harness is seen to notice it. The limit is of a minute, where systemd's is of ten seconds, in which a busy machine makes fewer starts."""
    folder = "/run/systemd/system/chat-host.service.d"
    machine.one(f"mkdir -p {folder} && printf '[Unit]\\nStartLimitIntervalSec=60\\n' >{folder}/limit.conf && systemctl daemon-reload")
    start_without_the_port(machine)
    seconds = machine.until("end of the starts", "journalctl -u chat-host | grep -c 'Start request repeated too quickly'", "1", 60)
    free_the_port(machine)
    machine.one("sleep 12")
    check(machine.one("systemctl is-failed chat-host") == "failed", "systemd has not given up")
    machine.one(f"rm -r {folder} && systemctl daemon-reload && systemctl reset-failed chat-host && systemctl start chat-host")
    machine.until_well("the unit as it is again")
    return f"given up after {seconds:.0f} s, and down though the port is free"


def address_comes_late(machine):
    """An address that the machine gets 12 s after the start of the service."""
    machine.one("echo 'CHAT_HOST_OPTIONS=\"--tcp 192.0.2.7:9191 --udp 192.0.2.7:9090\"' >/etc/default/chat-host")
    begin = time.monotonic()
    machine.one("systemctl restart chat-host")
    check(time.monotonic() - begin < 10, "the start waits for the address")
    machine.until("what it waits for", "systemctl status chat-host | grep -c 'Status: .waiting for the address 192.0.2.7'", "1")
    machine.one("sleep 12")
    check(machine.one("systemctl show -P NRestarts chat-host") == "0", "it was started anew while it waited")
    machine.one("ip address add 192.0.2.7/32 dev lo")
    seconds = machine.until_well("late address", "--tcp 192.0.2.7 --udp 192.0.2.7")
    machine.one("echo 'CHAT_HOST_OPTIONS=\"\"' >/etc/default/chat-host; systemctl restart chat-host")
    machine.until_well("usual addresses again")
    return f"said in its status; well {seconds:.1f} s after the address came, without a restart"


def upgrade_with_members(machine):
    """Installed once more while somebody is in the room: the member comes back by itself."""
    machine.one("chat-host client --tcp 127.0.0.1 --name ann --headless --json >/run/ann 2>&1 &")
    machine.until("member", "grep -c '\"event\":\"welcome\"' /run/ann", "1")
    before = machine.one("systemctl show -P MainPID chat-host")
    machine.one("dpkg -i /root/chat-host.deb", 60)
    check(machine.one("systemctl show -P MainPID chat-host") != before, "the old server still runs")
    machine.one("echo 'hello after the upgrade' | chat-host client --tcp 127.0.0.1 --name bob")
    machine.until("the member hears again", "grep -c 'hello after the upgrade' /run/ann", "1")
    return "the member is back by itself and hears"


def purge(machine):
    """Nothing is left."""
    machine.one("dpkg --purge chat-host", 60)
    left = machine.one("systemctl is-active chat-host; systemctl is-enabled chat-host 2>/dev/null; ls /etc/default/chat-host 2>/dev/null; "
                       "find /etc/systemd /lib/systemd /var/lib/systemd/deb-systemd-helper-enabled -name '*chat-host*'; ss -lntu | grep -E ':(9090|9191|9393) '")
    check(left in ("inactive", "unknown"), f"left: {left}")
    return "no process, no port, no file"


SCENARIOS = [starts_with_the_machine, ends_again_and_again, hangs, port_is_taken, port_is_taken_under_a_limit_of_starts,
             address_comes_late, upgrade_with_members, purge]


def test(package):
    """Boots a Debian with the package, and runs the scenarios one after the other."""
    os.environ["PATH"] = needs.PATH
    with step("a Debian with the package"):
        image, initramfs = build(package)
    with step("the package under systemd"), Debian(image, initramfs) as machine:
        machine.wait_for("the shell is there", 180)
        say(f"   {machine.seconds():6.1f} s  the machine is there: {machine.one('systemctl --version | head -n 1')}")
        for scenario in SCENARIOS:
            begin = time.monotonic()
            try:
                note = scenario(machine)
            except Missed as missed:
                log = "\n".join(machine.run("journalctl -u chat-host --no-pager | tail -n 20"))
                raise Failure(f"{scenario.__name__.replace('_', ' ')}: {missed}\n{log}") from missed
            say(f"   {time.monotonic() - begin:6.1f} s  {scenario.__name__.replace('_', ' ')}: {note}")
