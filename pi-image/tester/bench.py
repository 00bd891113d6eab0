"""What scenarios are given, and how they are run: two machines at a time, each scenario with its seconds and what it found out."""

import concurrent.futures
import dataclasses
import hashlib
import pathlib
import time
import traceback

from tester.console import Missed
from tester.machine import Machine, with_settings
from tester.talk import Program


def sha256(path):
    """The checksum of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclasses.dataclass
class Bench:
    """The image, what was taken out of it, the program to talk with, and the folder for what is kept."""

    image: pathlib.Path
    boot: pathlib.Path
    program: Program
    folder: pathlib.Path
    build_date: int
    # The image with the other library, if there is one.
    other: pathlib.Path
    # The root folder of machines in namespaces.
    lan: pathlib.Path
    # Figures that scenarios have measured, by name.
    figures: dict = dataclasses.field(default_factory=dict)

    def card(self, name, settings=None):
        """A card of its own for a scenario, with other settings if there are any."""
        path = self.folder / f"{name}.img"
        if settings is None:
            settings = (pathlib.Path(__file__).parent.parent / "card/settings.txt").read_bytes()
        return with_settings(self.image, path, settings)

    def start(self, name, card, **options):
        """Turns a machine on."""
        return Machine(card, options.pop("boot", self.boot), self.folder / f"{name}.log", **options)


@dataclasses.dataclass
class Outcome:
    """How a scenario has ended."""

    name: str
    seconds: float
    note: str
    has_passed: bool


def check(condition, what):
    """Fails the scenario with these words unless the condition holds."""
    if not condition:
        raise Missed(what)


def run_one(bench, scenario):
    """Runs one scenario."""
    start = time.monotonic()
    try:
        note, has_passed = scenario(bench), True
    except Missed as missed:
        note, has_passed = str(missed), False
    except Exception:
        # A fault of the test's own is a failure like any other, but nobody can do without its trace.
        note, has_passed = traceback.format_exc(), False
    return Outcome(scenario.__name__.replace("_", " "), time.monotonic() - start, note or "", has_passed)


def run_all(bench, scenarios, machines):
    """Runs scenarios side by side, and prints each as it ends; those that failed."""
    if not scenarios:
        return []
    start, failed = time.monotonic(), []
    with concurrent.futures.ThreadPoolExecutor(machines) as pool:
        running = [pool.submit(run_one, bench, scenario) for scenario in scenarios]
        print(f"\n{'seconds':>8}  scenario", flush=True)
        for done in concurrent.futures.as_completed(running):
            outcome = done.result()
            if not outcome.has_passed:
                failed.append(outcome)
            mark = "" if outcome.has_passed else "FAILED: "
            print(f"{outcome.seconds:8.1f}  {outcome.name}: {mark}{outcome.note}", flush=True)
    print(f"{time.monotonic() - start:8.1f}  in all, {machines} machines at a time; consoles in {bench.folder}\n", flush=True)
    return failed
