"""The console of a machine that runs: its lines as they come, kept in a file too, and commands that are typed at it."""

import re
import threading
import time

# Begins each line that a command at the console prints: a machine says things by itself at any moment, and which line belongs to whom must
# not depend on chance.
MARK = "shell: "
# The line behind the last of them.
DONE = "shell done"
# What a shell at the console runs, so that `Console.run` can give it commands.
SHELL = f"""while read -r line; do
    eval "$line" 2>&1 | while IFS= read -r text; do echo "{MARK}$text"; done
    echo "{DONE}"
done
"""
# More than any boot takes, and any other wait: that a busy machine is slow is no failure.
WAIT_SECONDS_MAX = 60


class Missed(Exception):
    """What a test waited for did not come; it fails."""


class Console:
    """Standard input and output of a process, from its start on. Each line has its second."""

    def __init__(self, process, log):
        self.lines, self.changed, self.started = [], threading.Condition(), time.monotonic()
        self.process = process
        self.reader = threading.Thread(target=self._read, args=(log,), daemon=True)
        self.reader.start()

    def seconds(self):
        """Since power-on."""
        return time.monotonic() - self.started

    def _read(self, log):
        with open(log, "w") as file:
            for line in self.process.stdout:
                text = re.sub(r"[^\x20-\x7e]", "", line.decode(errors="replace").replace("\t", " "))
                file.write(f"{self.seconds():7.2f}  {text}\n")
                file.flush()
                self._add(text)
        self._add("(the machine is off)")

    def _add(self, text):
        with self.changed:
            self.lines.append((self.seconds(), text))
            self.changed.notify_all()

    def wait_for(self, pattern, seconds=WAIT_SECONDS_MAX, start=0):
        """Waits for a line of the console, from line number `start`; its match."""
        deadline, position = time.monotonic() + seconds, start
        with self.changed:
            while True:
                for _, text in self.lines[position:]:
                    if found := re.search(pattern, text):
                        return found
                position = max(start, len(self.lines))
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    raise Missed(f"no line {pattern!r} on the console within {seconds} s; the last: {self.lines[-3:]}")
                self.changed.wait(remaining)

    def has_said(self, pattern):
        """Whether a line of the console so far is like this."""
        with self.changed:
            return any(re.search(pattern, text) for _, text in self.lines)

    def type(self, text):
        """Types a line at the console, where nobody listens unless the test's overlay does."""
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def run(self, command, seconds=WAIT_SECONDS_MAX):
        """Runs a command in the shell at the console (SHELL); the lines that it prints."""
        start = len(self.lines)
        self.type(command)
        self.wait_for(f"^{DONE}$", seconds, start)
        with self.changed:
            texts = [text for _, text in self.lines[start:]]
        return [text.removeprefix(MARK) for text in texts[:texts.index(DONE)] if text.startswith(MARK)]
