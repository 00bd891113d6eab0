"""What the build says while it works: a line for each step with its seconds, and a bar on the long ones.

The bar is drawn only at a terminal. Everything goes to standard error and is flushed, so that it stands in the right order
among what cargo and apt print.
"""

import contextlib
import sys
import time

BAR_WIDTH = 30
CHUNK_BYTES = 1 << 20


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


def squeeze(compressor, content):
    """Compresses bytes in memory, with a bar."""
    bar, view, packed = Bar(len(content)), memoryview(content), []
    for start in range(0, len(content), CHUNK_BYTES):
        chunk = view[start:start + CHUNK_BYTES]
        packed.append(compressor.compress(chunk))
        bar.advance(len(chunk))
    bar.finish()
    return b"".join([*packed, compressor.flush()])


class Bar:
    """How far a step has got; shown ten times a second at most."""

    def __init__(self, total):
        self.total = max(total, 1)
        self.done = 0
        self.shown_at = 0.0
        self.is_shown = sys.stderr.isatty()

    def advance(self, amount):
        """So much more is done."""
        self.reach(self.done + amount)

    def reach(self, done):
        """So much is done."""
        self.done = done
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
