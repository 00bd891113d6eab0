"""What a test adds to the initramfs of a machine that it wants to look into: something at the console that runs what is typed.

The image has none, and nothing that could start one; so the test hands the kernel a second archive behind the image's own.
"""

from builder.initramfs import Archive
from builder.places import IMAGE


def shell():
    """The archive: the image's own inittab with one line more, and what that line starts. It has no prompt and no echo."""
    archive = Archive(0)
    inittab = (IMAGE / "root/etc/inittab").read_bytes() + b"::respawn:/etc/test-shell\n"
    archive.add_file("etc/inittab", inittab)
    script = b'#!/bin/sh\nstty -echo\nwhile read -r line; do eval "$line"; echo DONE; done\n'
    archive.add_file("etc/test-shell", script, 0o755)
    return archive.pack()
