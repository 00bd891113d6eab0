"""What the build says while it works: a line for each step with its seconds, and a bar on the long ones.

The bar is drawn only at a terminal. Everything goes to standard error and is flushed, so that it stands in the right order
among what cargo and apt print.
"""

import contextlib
import sys
import time

BAR_WIDTH = 30


def say(text=""):
    """Prints one line."""
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(title):
    """Names a step before it, and its seconds after it."""
    say(f"== {title}")
    start = time.monotonic()
    yield
    say(f"   {time.monotonic() - start:.1f} s")


class Bar:
    """How far a step has got; shown ten times a second at most."""

    def __init__(self, total):
        self.total = max(total, 1)
        self.done = 0
        self.shown_at = 0.0
        self.is_shown = sys.stderr.isatty()

    def advance(self, amount):
        """So much more is done."""
        self.done += amount
        now = time.monotonic()
        if self.is_shown and (now - self.shown_at > 0.1 or self.done >= self.total):
            self.shown_at = now
            filled = BAR_WIDTH * min(self.done, self.total) // self.total
            bar = "#" * filled + "." * (BAR_WIDTH - filled)
            print(f"\r   [{bar}] {100 * self.done // self.total:3d} %", end="", file=sys.stderr, flush=True)

    def finish(self):
        """Takes the bar away again."""
        if self.is_shown:
            print("\r" + " " * (BAR_WIDTH + 12) + "\r", end="", file=sys.stderr, flush=True)
