"""A Pi 3B in QEMU, with the image as its card.

Kernel, initramfs, command line and device tree are taken out of the image's own partition, because QEMU has no firmware that
would do so. The network is QEMU's own, forwarded to free ports of 127.0.0.1, or a wire that ends in the test (wire.py), or a
switch with other machines (lan.py).
"""

import itertools
import pathlib
import shutil
import subprocess

from tester.console import Console, Missed

BOOT_FILES = ("kernel8.img", "initramfs.img", "bcm2837-rpi-3-b.dtb", "cmdline.txt")
PARTITION = 1 << 20


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


class Machine(Console):
    """One machine, from power-on to power-off. Its console is kept in a file, each line with its second."""

    numbers = itertools.count(1)
    # Of the test's own network namespace, in which nobody else listens, and outside of the range of which clients get theirs.
    ports = itertools.count(20_000)

    def __init__(self, card, boot, log, *, arguments="", overlay=None, wire=None, net=None, address="10.0.2.15", ports=(9191, 9090),
                 watchdog=False):
        self.tcp, self.udp = next(Machine.ports), next(Machine.ports)
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
        if net:
            network = f"tap,id=n0,ifname={net.tap()},script=no,downscript=no"
        command = ["qemu-system-aarch64", "-M", "raspi3b", "-accel", "tcg,thread=single", "-no-reboot",
                   "-kernel", boot / "kernel8.img", "-initrd", initramfs, "-dtb", boot / "bcm2837-rpi-3-b.dtb",
                   "-append", command_line, "-display", "none", "-monitor", "none", "-serial", "null", "-serial", "stdio",
                   "-netdev", network, "-device", f"usb-net,netdev=n0,mac=52:54:00:00:00:{next(Machine.numbers) & 255:02x}"]
        if card:
            command += ["-drive", f"file={card},if=sd,format=raw"]
        self.errors = open(log.with_suffix(".qemu"), "w")
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors)
        super().__init__(process, log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pull_plug()

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
