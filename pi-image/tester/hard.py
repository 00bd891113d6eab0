"""What only `pi-image/test --full` sees: longer, and worth it before a release."""

import os
import pathlib
import random
import shutil
import subprocess
import time
import zipfile

from builder import cross
from builder.places import ROOT, TARGET
from tester import overlay
from tester.bench import check, sha256
from tester.machine import take_out
from tester.scenarios import answered, check_clock_is_not_trusted, event
from tester.timeserver import TimeServer

KILLS = 20
# A boot takes less; so some plugs are pulled while it starts, and some while it serves.
KILL_SECONDS_MAX = 9


def twenty_plugs_at_random_moments(bench):
    """Whatever it is doing, the card stays as it was."""
    seed = int(os.environ.get("CHAT_HOST_SEED") or bench.build_date)
    draw = random.Random(seed)
    card = bench.card("random-plug")
    before = sha256(card)
    for number in range(KILLS):
        with bench.start(f"random-plug-{number}", card) as machine:
            time.sleep(draw.uniform(0.1, KILL_SECONDS_MAX))
            machine.pull_plug()
        check(sha256(card) == before, f"the card has changed at plug {number + 1} (CHAT_HOST_SEED={seed})")
    with bench.start("random-plug-after", card) as machine:
        answered(bench, machine)
        bench.program.room(machine, "ann", "hello")
    check(sha256(card) == before, "the card has changed while it served")
    return f"{KILLS} times, the card unchanged, and it boots (CHAT_HOST_SEED={seed})"


def silent_and_late_time_servers(bench):
    """One never answers, one answers a second too late; nobody is believed until one answers in time."""
    with TimeServer(lambda now: None) as silent, TimeServer(lambda now: now, delay=3.0) as late:
        card = bench.card("late", f"time_server = {silent.name}, {late.name}\n")
        with bench.start("late", card) as machine:
            answered(bench, machine)
            machine.wait_for(rf"time server {silent.name}: no answer")
            machine.wait_for(rf"time server {late.name}: no answer")
            check_clock_is_not_trusted(bench, event(bench.program.room(machine, "ann", "hello"), "welcome"))
            late.delay = 0.0
            machine.wait_for(f"the clock is set by {late.name}")
            return f"neither believed; asked {silent.asked} and {late.asked} times"


def armed_watchdog(bench):
    """QEMU's watchdog resets as soon as it is armed, which ends QEMU: that it is armed is all that can be seen."""
    with bench.start("watchdog", bench.card("watchdog"), watchdog=True) as machine:
        machine.wait_for("the watchdog watches")
        machine.wait_off(20)
        return "armed after the first healthy check; QEMU ends"


def damaged_cards(bench):
    """A card without settings, and one that is no file system any more: it boots on defaults, and says so."""
    card = bench.card("no-settings")
    subprocess.run(["mdel", "-i", f"{card}@@1M", "::/settings.txt"], check=True)
    with bench.start("no-settings", card) as machine:
        answered(bench, machine)
        machine.wait_for("settings.txt: No such file or directory")
    torn = bench.card("torn")
    with open(torn, "r+b") as file:
        file.seek(1 << 20)
        file.write(b"\xa5" * (1 << 20))
    with bench.start("torn", torn) as machine:
        answered(bench, machine)
        machine.wait_for("no card can be read")
        bench.program.room(machine, "ann", "hello")
    return "both boot on defaults"


def card_updated_on_a_pc(bench):
    """A card whose files are broken, with those of pi-update.zip copied over them: it boots, and the settings are still the user's."""
    card = bench.card("update", "hostname = room-9\n")
    folder = bench.folder / "update"
    with zipfile.ZipFile(bench.image.with_name("pi-update.zip")) as archive:
        names = archive.namelist()
        archive.extractall(folder)
    partition = f"{card}@@1M"
    broken = bench.folder / "broken"
    broken.write_bytes(b"\xa5" * 1000)
    for name in names:
        subprocess.run(["mcopy", "-n", "-o", "-i", partition, broken, f"::/{name}"], check=True)
    for name in sorted(path.name for path in folder.iterdir()):
        subprocess.run(["mcopy", "-n", "-o", "-s", "-i", partition, folder / name, "::/"], check=True)
    boot = bench.folder / "boot-update"
    take_out(card, boot)
    with bench.start("update", card, boot=boot) as machine:
        answered(bench, machine)
        machine.wait_for("hostname = room-9")
        bench.program.room(machine, "ann", "hello")
    return f"{len(names)} files; it boots, with its settings"


def library_by_the_other_way(bench):
    """The image with the programs that the other way to Rust's library makes."""
    if not bench.other.exists():
        return "not possible here"
    boot = bench.folder / "boot-other"
    take_out(bench.other, boot)
    with bench.start("other", bench.other, boot=boot, overlay=overlay.shell()) as machine:
        second = answered(bench, machine)
        bench.program.room(machine, "ann", "hello")
        bench.program.relay(machine, "hello")
        amounts = machine.run("grep Rss /proc/$(pidof chat-host)/status")
        resident = sum(int(line.split()[1]) for line in amounts)
        return f"first answer after {second:.1f} s, servers {resident} kB"


def build_the_other_way(image, taken):
    """Builds the image with the library that was not taken, if that is possible here."""
    for way in cross.WAYS:
        if way != taken and cross.is_possible(way):
            subprocess.run([ROOT / "pi-image/build", "--std", way, "--no-xz", "--out", image.parent], check=True)


def build_elsewhere(folder, name, umask, zone):
    """Copies the checkout into a folder, compiles and builds everything there; the image's checksum and the programs'."""
    place = folder / name / "checkout"
    shutil.rmtree(folder / name, ignore_errors=True)
    # Everything but what was built: from an unpacked archive as from a checkout.
    built = {".git", "target", "__pycache__"}
    shutil.copytree(ROOT, place, ignore=lambda parent, names: [
        each for each in names if each in built or pathlib.Path(parent, each) == TARGET])
    target = folder / name / "target"
    environment = dict(os.environ, CARGO_TARGET_DIR=str(target), TZ=zone)
    # The packages were downloaded already.
    cache = pathlib.Path(os.environ["PI_IMAGE_CACHE"])
    (target / "pi-image").mkdir(parents=True)
    shutil.copytree(cache, target / "pi-image/cache")
    subprocess.run(["pi-image/build", "--no-xz"], cwd=place, env=environment, umask=umask, check=True)
    return sha256(target / "pi-image/pi.img")


def check_compiled_twice(folder, image, date):
    """Everything compiled in two other folders, under other circumstances: the same bytes as the image."""
    os.environ["SOURCE_DATE_EPOCH"] = str(date)
    sums = [build_elsewhere(folder, "one", 0o022, "UTC"), build_elsewhere(folder, "another-folder", 0o077, "Asia/Tokyo")]
    sums.append(sha256(image))
    check(len(set(sums)) == 1, f"builds differ: {sums}; compare with `cmp` in {folder}")
    shutil.rmtree(folder)
    return sums[0]


ALL = [twenty_plugs_at_random_moments, silent_and_late_time_servers, damaged_cards, card_updated_on_a_pc, library_by_the_other_way,
       armed_watchdog]
