"""`pi-image/test`: builds the image, then boots it in QEMU in every way that matters.

The machines run in a network namespace of the test's own: whatever they send stays in it, and so do the forwarded ports.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

from builder import cross, needs
from builder.failure import Failure
from builder.places import CACHE, ROOT, TARGET, WORK
from tester import contents, hard, lan, neighbours, real, scenarios
from tester.bench import Bench, run_all
from tester.console import Missed
from tester.machine import take_out
from tester.talk import Program

# The image with the library of the other way.
OTHER = WORK / "other-way/pi.img"
# What machines in namespaces start from.
LAN = WORK / "lan"
# Set where the test already runs in its namespace.
INSIDE = "PI_IMAGE_NAMESPACE"


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(prog="pi-image/test", description="Builds the card's image and boots it in QEMU.")
    parser.add_argument("--full", action="store_true", help="also what takes long: 20 plugs, everything compiled twice")
    parser.add_argument("--machines", type=int, default=2, metavar="N", help="machines at a time (2)")
    parser.add_argument("--only", metavar="WORD", help="only scenarios with this word in their names")
    parser.add_argument("--lan", action="store_true", help="only the scenarios in namespaces, without the image and QEMU")
    parser.add_argument("--no-build", action="store_true", help="take the image that is there")
    parser.add_argument("--std", metavar="WAY", help="as pi-image/build has it")
    return parser.parse_args()


def build(options):
    """The image, the image once more in another folder, and the program to talk with."""
    if not options.no_build:
        command = [ROOT / "pi-image/build", *(["--std", options.std] if options.std else [])]
        subprocess.run(command, check=True)
        again = WORK / "again"
        shutil.rmtree(again, ignore_errors=True)
        environment = dict(os.environ, TZ="Asia/Tokyo")
        subprocess.run([*command, "--no-xz", "--out", again], env=environment, umask=0o077, check=True,
                       stderr=subprocess.DEVNULL)
        if (WORK / "pi.img").read_bytes() != (again / "pi.img").read_bytes():
            raise Failure(f"the image put together twice differs: cmp {WORK / 'pi.img'} {again / 'pi.img'}")
        print("Put together once more in another folder, time zone and umask: the same bytes.", flush=True)
        shutil.rmtree(again)
    subprocess.run(["cargo", "build", "--release", "--locked", "--package", "chat-host"], cwd=ROOT, check=True,
                   env=dict(os.environ, CARGO_TARGET_DIR=str(TARGET)))


def enter_namespace():
    """Starts this program anew in a network namespace of its own."""
    command = ["unshare", "--user", "--map-root-user", "--net", "--", sys.executable, *sys.argv]
    environment = dict(os.environ, **{INSIDE: "1"})
    return subprocess.run(command, env=environment).returncode


def show_figures(figures):
    """Prints what was measured, and keeps it."""
    medians = {name: statistics.median(values) for name, values in figures.items()}
    for name, value in medians.items():
        count = len(figures[name])
        print(f"{value:10.1f}  {name}{f' (median of {count})' if count > 1 else ''}", flush=True)
    (WORK / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")


def report_failed(failed):
    """Says at the very end, where one looks, which scenarios have failed, if any have."""
    if failed:
        raise Failure("\n".join(["these scenarios failed:", *(f"{one.name}: {one.note}" for one in failed)]))
    return 0


def main():
    """Tests."""
    options = arguments()
    needs.check("package", "build", "test")
    manifest = WORK / "pi.img.spdx.json"
    if not os.environ.get(INSIDE):
        shutil.rmtree(LAN, ignore_errors=True)
        if reason := lan.lacks(options.std):
            print(f"No machines in namespaces: {reason}", flush=True)
        else:
            lan.build(LAN, options.std)
        if options.lan:
            return enter_namespace()
        build(options)
        if options.full and not options.only:
            os.environ["PI_IMAGE_CACHE"] = str(CACHE)
            date = json.loads(manifest.read_text())["comment"].split()[-1]
            try:
                print(f"Compiled twice in different folders: {hard.check_compiled_twice(WORK / 'twice', WORK / 'pi.img', date)}", flush=True)
            except Missed as missed:
                raise Failure(str(missed)) from missed
        shutil.rmtree(OTHER.parent, ignore_errors=True)
        if options.full:
            hard.build_the_other_way(OTHER, cross.choose(options.std))
        return enter_namespace()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    folder = WORK / "test"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    image = WORK / "pi.img"
    program = Program(pathlib.Path(TARGET / "release/chat-host"))
    date = 0 if options.lan else int(json.loads(manifest.read_text())["comment"].split()[-1])
    bench = Bench(image, folder / "boot", program, folder, date, OTHER, LAN)

    def chosen(scenarios_there):
        return [one for one in scenarios_there if not options.only or options.only in one.__name__]
    # They wait more than they work.
    beside = neighbours.ALL + (neighbours.LONG + real.LAN if options.full else []) if LAN.exists() else []
    failed = run_all(bench, chosen(beside), len(beside))
    if options.lan:
        return report_failed(failed)
    take_out(image, bench.boot)
    every = scenarios.ALL + [contents.modules_lose_signature_and_types_alone] + (hard.ALL + real.MACHINES if options.full else [])
    if options.full:
        every.sort(key=lambda scenario: scenario is not hard.twenty_plugs_at_random_moments)
    failed += run_all(bench, chosen(every), options.machines)
    show_figures(bench.figures)
    for card in folder.glob("*.img"):
        # The consoles are kept, the cards are as many copies of the image.
        card.unlink()
    return report_failed(failed)
