"""What stands on the card and in the initramfs: which file of which package, and which of ours, goes where."""

import zlib

from builder import commands, deb, modules
from builder.initramfs import Archive, compress
from builder.places import IMAGE, ROOT
from builder.progress import squeeze

# Pi 3, 3A+, 3B+ and Zero 2 W start by bootcode.bin and start.elf, Pi 4 (with 400 and Compute Module 4) by start4.elf.
FIRMWARE = ("bootcode.bin", "start.elf", "fixup.dat", "start4.elf", "fixup4.dat")
DEVICE_TREES = ("bcm2837-rpi-zero-2-w", "bcm2837-rpi-3-b", "bcm2837-rpi-3-a-plus", "bcm2837-rpi-3-b-plus",
                "bcm2711-rpi-4-b", "bcm2711-rpi-400")
# Names by which the kernel, the scripts' first lines and inittab start busybox. Everything else its shell finds in itself.
LINKS = ("bin/sh", "sbin/init", "sbin/modprobe", "sbin/uevent")
FOLDERS = ("proc", "sys", "dev", "run", "tmp", "mnt", "root")


def zip_kernel(image):
    """As gzip does it at the highest level, without a name and a date."""
    return squeeze(zlib.compressobj(9, wbits=16 + zlib.MAX_WBITS), image)


class Contents:
    """The files of the card by path, those of the initramfs by path, and which part each of them belongs to."""

    def __init__(self, packages, programs, date):
        self.packages = {role: deb.Contents(path) for role, path in packages.items()}
        self.date = date
        # Path to the role of the package, or the name of the program, that a file is of; "ours" for scripts and settings.
        self.origins = {}
        self.initramfs = self._initramfs({name: path.read_bytes() for name, path in programs.items()})
        self.card = self._card()

    def _initramfs(self, programs):
        archive = Archive(self.date)

        def add(path, content, mode, origin):
            archive.add_file(path, content, mode)
            self.origins[f"initramfs.img/{path}"] = origin

        for folder in FOLDERS:
            archive.add_folder(folder)
        # The kernel opens it before anything is mounted.
        archive.add_device("dev/console", 5, 1)
        for link in LINKS:
            archive.add_link(link, "/bin/busybox")
        archive.add_link("etc/resolv.conf", "/run/resolv.conf")
        busybox = self.packages["busybox"].read("bin/busybox")
        add("bin/busybox", busybox, 0o755, "busybox")
        for name, content in programs.items():
            add(f"bin/{name}", content, 0o755, name)
        for path, content in modules.pick(self.packages["kernel"]).items():
            add(path, content, 0o644, "kernel")
        for file in sorted((IMAGE / "root").rglob("*")):
            if file.is_file():
                content = file.read_bytes()
                mode = 0o755 if content.startswith(b"#!") else 0o644
                add(str(file.relative_to(IMAGE / "root")), content, mode, "ours")
        add("etc/build-date", f"{self.date}\n".encode(), 0o644, "ours")
        commands.check(archive, busybox)
        return archive

    def _card(self):
        kernel, firmware = self.packages["kernel"], self.packages["firmware"]
        files = {}

        def add(path, content, origin):
            files[path] = content
            self.origins[path] = origin

        # The firmware unpacks it. No date and no name in it.
        add("kernel8.img", zip_kernel(kernel.read(kernel.only("boot/vmlinuz-"))), "kernel")
        trees = kernel.only("usr/lib/linux-image-", "/broadcom/bcm2837-rpi-3-b.dtb").rpartition("/")[0]
        for name in DEVICE_TREES:
            add(f"{name}.dtb", kernel.read(f"{trees}/{name}.dtb"), "kernel")
        for name in FIRMWARE:
            add(name, firmware.read(f"usr/lib/raspi-firmware/{name}"), "firmware")
        add("initramfs.img", compress(self.initramfs.pack()), "ours")
        for file in sorted((IMAGE / "card").iterdir()):
            content = file.read_bytes()
            # Files for people get the line ends that every editor of every system shows.
            if file.name in ("settings.txt", "readme.txt"):
                content = content.replace(b"\n", b"\r\n")
            add(file.name, content, "ours")
        for role, package in self.packages.items():
            [path] = [name for name in package.names() if name.startswith("usr/share/doc/") and name.endswith("/copyright")]
            add(f"licences/{role}.txt", package.read(path), role)
        for name in ("LICENSE-MIT", "LICENSE-APACHE"):
            add(f"licences/{name}.txt", (ROOT / name).read_bytes(), "ours")
        return files
