"""Which kernel modules go into the initramfs: those of modules.txt and what they depend on, with depmod's tables over these alone."""

import re
import subprocess
import tempfile
import pathlib

from builder.failure import Failure
from builder.places import IMAGE
from builder.strip import strip

# What modprobe of busybox reads; depmod writes more.
TABLES = ["modules.dep", "modules.alias", "modules.softdep"]


def listed():
    """The names in modules.txt, each with whether it is always loaded."""
    lines = (line.split("#")[0].split() for line in (IMAGE / "modules.txt").read_text().splitlines())
    return {words[0]: "always" in words[1:] for words in lines if words}


def dependencies(module):
    """What a module's own record names."""
    found = re.search(rb"\0depends=([^\0]*)\0", module)
    return [name for name in found.group(1).decode().split(",") if name] if found else []


def key(name):
    """Modules are named with - in some places and with _ in others."""
    return name.replace("-", "_")


def pick(kernel):
    """Files of the initramfs by path: the modules, depmod's tables, and the list of those that are always loaded."""
    available = {key(pathlib.PurePath(name).stem): name for name in kernel.names() if name.endswith(".ko")}
    folder = "/".join(next(iter(available.values())).split("/")[:3])
    wanted, files = [key(name) for name in listed()], {}
    while wanted:
        name = wanted.pop()
        if name not in available:
            raise Failure(f"the kernel has no module {name}, which modules.txt names")
        path = available[name]
        if path not in files:
            files[path] = strip(kernel.read(path))
            wanted += [key(dependency) for dependency in dependencies(files[path])]
    always = "".join(f"{key(name)}\n" for name, is_always in listed().items() if is_always)
    files |= {f"{folder}/{table}": content for table, content in run_depmod(kernel, folder, files).items()}
    return files | {"etc/modules-always": always.encode()}


def run_depmod(kernel, folder, files):
    """depmod's tables over these modules."""
    with tempfile.TemporaryDirectory() as temporary:
        base = pathlib.Path(temporary)
        builtin = {name: kernel.read(f"{folder}/{name}") for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order")}
        for path, content in (files | {f"{folder}/{name}": content for name, content in builtin.items()}).items():
            (base / path).parent.mkdir(parents=True, exist_ok=True)
            (base / path).write_bytes(content)
        version = folder.split("/")[-1]
        # -b wants lib/modules/VERSION beneath it.
        subprocess.run(["depmod", "-b", temporary, version], check=True)
        return {table: (base / folder / table).read_bytes() for table in TABLES if (base / folder / table).exists()}
