"""A Pi 3B in QEMU, with the image as its card.

Kernel, initramfs, command line and device tree are taken out of the image's own partition, because QEMU has no firmware that
would do so. The network is QEMU's own, forwarded to free ports of 127.0.0.1, or a wire that ends in the test (wire.py).
"""

import pathlib
import re
import shutil
import socket
import subprocess
import threading
import time

# More than any boot takes; that it is slow on a busy machine is no failure.
BOOT_SECONDS_MAX = 60
BOOT_FILES = ("kernel8.img", "initramfs.img", "bcm2837-rpi-3-b.dtb", "cmdline.txt")
PARTITION = 1 << 20


class Missed(Exception):
    """What a test waited for did not come; it fails."""


def free_port(kind=socket.SOCK_STREAM):
    """A port that nobody has at the moment."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def take_out(image, folder):
    """Copies the files that the firmware would read out of the image."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in BOOT_FILES:
        subprocess.run(["mcopy", "-n", "-o", "-i", f"{image}@@{PARTITION}", f"::/{name}", folder / name], check=True)


def with_settings(image, path, text):
    """A copy of the image with other settings."""
    shutil.copyfile(image, path)
    settings = pathlib.Path(f"{path}.txt")
    settings.write_bytes(text if isinstance(text, bytes) else text.encode())
    subprocess.run(["mcopy", "-n", "-o", "-i", f"{path}@@{PARTITION}", settings, "::/settings.txt"], check=True)
    return path


class Machine:
    """One machine, from power-on to power-off. Its console is kept in a file, each line with its second."""

    def __init__(self, card, boot, log, *, arguments="", overlay=None, wire=None, address="10.0.2.15", ports=(9191, 9090),
                 watchdog=False):
        self.lines, self.changed, self.started = [], threading.Condition(), time.monotonic()
        self.tcp, self.udp = free_port(), free_port(socket.SOCK_DGRAM)
        initramfs = boot / "initramfs.img"
        if overlay:
            # The kernel unpacks one archive after the other: what the test adds is not in the image.
            initramfs = log.with_suffix(".initramfs")
            packed = (boot / "initramfs.img").read_bytes()
            initramfs.write_bytes(packed + bytes(-len(packed) % 4) + overlay)
        command_line = (boot / "cmdline.txt").read_text().strip()
        # QEMU's watchdog resets at once. One core: emulated side by side they take twice as long.
        command_line += f" maxcpus=1 {'' if watchdog else 'pi.watchdog=0'} {arguments}"
        forwards = (f"hostfwd=tcp:127.0.0.1:{self.tcp}-{address}:{ports[0]},"
                    f"hostfwd=udp:127.0.0.1:{self.udp}-{address}:{ports[1]}")
        network = f"socket,id=n0,connect=127.0.0.1:{wire}" if wire else f"user,id=n0,{forwards}"
        command = ["qemu-system-aarch64", "-M", "raspi3b", "-accel", "tcg,thread=single", "-no-reboot",
                   "-kernel", boot / "kernel8.img", "-initrd", initramfs, "-dtb", boot / "bcm2837-rpi-3-b.dtb",
                   "-append", command_line, "-display", "none", "-monitor", "none", "-serial", "null", "-serial", "stdio",
                   "-netdev", network, "-device", "usb-net,netdev=n0"]
        if card:
            command += ["-drive", f"file={card},if=sd,format=raw"]
        self.errors = open(log.with_suffix(".qemu"), "w")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors)
        self.reader = threading.Thread(target=self._read, args=(log,), daemon=True)
        self.reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pull_plug()

    def seconds(self):
        """Since power-on."""
        return time.monotonic() - self.started

    def _read(self, log):
        with open(log, "w") as file:
            for line in self.process.stdout:
                text = re.sub(r"[^\x20-\x7e]", "", line.decode(errors="replace").replace("\t", " "))
                file.write(f"{self.seconds():7.2f}  {text}\n")
                file.flush()
                self._add(text)
        self._add("(the machine is off)")

    def _add(self, text):
        with self.changed:
            self.lines.append((self.seconds(), text))
            self.changed.notify_all()

    def wait_for(self, pattern, seconds=BOOT_SECONDS_MAX, start=0):
        """Waits for a line of the console, from line number `start`; its match."""
        deadline, position = time.monotonic() + seconds, start
        with self.changed:
            while True:
                for _, text in self.lines[position:]:
                    if found := re.search(pattern, text):
                        return found
                position = max(start, len(self.lines))
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    raise Missed(f"no line {pattern!r} on the console within {seconds} s; the last: {self.lines[-3:]}")
                self.changed.wait(remaining)

    def has_said(self, pattern):
        """Whether a line of the console so far is like this."""
        with self.changed:
            return any(re.search(pattern, text) for _, text in self.lines)

    def type(self, text):
        """Types a line at the console, where nobody listens unless the test's overlay does."""
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def run(self, command, seconds=20):
        """Runs a command in the overlay's shell; what it prints."""
        start = len(self.lines)
        self.type(command)
        self.wait_for(r"^DONE", seconds, start)
        with self.changed:
            texts = [text for _, text in self.lines[start:]]
        texts = texts[:next(i for i, text in enumerate(texts) if text.startswith("DONE"))]
        # What the machine says by itself may stand in between.
        return [text for text in texts if not text.startswith("pi: ")]

    def wait_off(self, seconds):
        """Waits until the machine is off by itself."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired as late:
            raise Missed(f"the machine still runs after {seconds} s") from late

    def pull_plug(self):
        """Off, at once, whatever it is doing."""
        self.process.kill()
        self.process.wait()
        self.reader.join(5)
        self.errors.close()
