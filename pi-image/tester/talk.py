"""Talking to a machine as people do: with the real `chat-host client`, and a lone PROBE to see when it is there."""

import json
import socket
import subprocess
import time

from tester.console import WAIT_SECONDS_MAX, Missed

# docs/relay-protocol.md, the dump `probe`.
PROBE = bytes.fromhex("43 48 52 01 05 04 03 de ad 01")


class Program:
    """`chat-host` of this machine."""

    def __init__(self, path):
        self.path = path

    def run(self, *arguments, text="", seconds=60):
        """Runs it; what it prints, and its exit code."""
        return subprocess.run([self.path, *arguments], input=text, capture_output=True, text=True, timeout=seconds,
                              env={"TZ": "UTC"})

    def room(self, machine, name, *lines):
        """Says these lines in the room; all events that the client has seen."""
        return self._say(["--tcp", f"127.0.0.1:{machine.tcp}", "--name", name], lines)

    def relay(self, machine, *lines):
        """Says these lines through the relay; all events that the client has seen."""
        return self._say(["--udp", f"127.0.0.1:{machine.udp}"], lines)

    def _say(self, arguments, lines):
        done = self.run("client", *arguments, "--json", text="".join(f"{line}\n" for line in lines))
        if done.returncode != 0:
            raise Missed(f"client {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def check(self, machine, seconds=60):
        """Waits until both servers answer, as `chat-host check` sees it."""
        deadline = time.monotonic() + seconds
        servers = ["--tcp", f"127.0.0.1:{machine.tcp}", "--udp", f"127.0.0.1:{machine.udp}"]
        while (done := self.run("check", *servers, "--seconds", "2")).returncode != 0:
            if time.monotonic() > deadline:
                raise Missed(f"check: {done.stderr.strip()}")


def wait_for_answer(machine, seconds=WAIT_SECONDS_MAX):
    """The second after power-on at which the relay answers for the first time."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(0.1)
        while machine.seconds() < seconds:
            try:
                asker.sendto(PROBE, ("127.0.0.1", machine.udp))
                if asker.recv(100):
                    return machine.seconds()
            except (TimeoutError, ConnectionRefusedError):
                if machine.process.poll() is not None:
                    raise Missed("the machine went off while it started") from None
    raise Missed(f"no answer within {seconds} s; the console's last lines: {machine.lines[-3:]}")
