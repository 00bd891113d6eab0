"""What a test adds to the initramfs of a machine that it wants to look into: something at the console that runs what is typed.

The image has none, and nothing that could start one; so the test hands the kernel a second archive behind the image's own.
"""

from builder.initramfs import Archive
from builder.places import IMAGE
from tester.console import SHELL


def shell():
    """The archive: the image's own inittab with one line more, and what that line starts. It has no prompt and no echo."""
    archive = Archive(0)
    inittab = (IMAGE / "root/etc/inittab").read_bytes() + b"::respawn:/etc/test-shell\n"
    archive.add_file("etc/inittab", inittab)
    archive.add_file("etc/test-shell", f"#!/bin/sh\nstty -echo\n{SHELL}".encode(), 0o755)
    return archive.pack()
