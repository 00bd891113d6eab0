"""What a Pi does among other machines of its network: the image's scripts in namespaces (lan.py), beside programs of the distribution.

Each scenario is a function that gives a note or raises Missed; where a program is not installed, it says so and does nothing.
"""

import re
import shutil
import socket
import struct
import threading
import time

from builder import commands, needs
from builder.failure import Failure
from tester.bench import check
from tester.console import WAIT_SECONDS_MAX, Missed
from tester.lan import Net, Peer, Pi, command
from tester.wire import MDNS, MDNS_GROUP, packed

ETHERTYPE_ARP = 0x0806


def needs_program(*programs):
    """Marks a scenario that is left out where one of these programs is not installed."""
    def mark(scenario):
        def run(bench):
            lacks = [name for name in programs if not shutil.which(name, path=needs.PATH)]
            return f"left out: {', '.join(lacks)} not installed" if lacks else scenario(bench)
        run.__name__ = scenario.__name__
        return run
    return mark


def until(what, find, seconds=WAIT_SECONDS_MAX):
    """Waits until `find` gives something, which is looked for ten times a second."""
    deadline = time.monotonic() + seconds
    while not (found := find()):
        if time.monotonic() > deadline:
            raise Missed(f"no {what} within {seconds} s")
        time.sleep(0.1)
    return found


class Stranger:
    """A machine on a switch that says by ARP what the test wants, and keeps what it hears."""

    hardware = bytes.fromhex("02ffffffff01")

    def __init__(self, net):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE_ARP))
        self.socket.bind((net.name, ETHERTYPE_ARP))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def say(self, sender, target, kind=1):
        """Broadcasts an ARP packet: 1 asks, 2 answers."""
        body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, kind) + self.hardware + packed(sender) + bytes(6) + packed(target)
        self.socket.send(b"\xff" * 6 + self.hardware + struct.pack("!H", ETHERTYPE_ARP) + body + bytes(18))

    def hear(self, what, find, seconds=WAIT_SECONDS_MAX):
        """Waits for an ARP packet of which `find(kind, sender, target)` makes something."""
        deadline = time.monotonic() + seconds
        while (remaining := deadline - time.monotonic()) > 0:
            self.socket.settimeout(remaining)
            try:
                frame = self.socket.recv(100)
            except TimeoutError:
                break
            kind, sender, target = frame[21], socket.inet_ntoa(frame[28:32]), socket.inet_ntoa(frame[38:42])
            if frame[6:12] != self.hardware and (found := find(kind, sender, target)):
                return found
        raise Missed(f"no {what} within {seconds} s")


class Squatter:
    """A machine that has an address already: answers whoever asks for it, and says each second that it has it if it `insists`."""

    def __init__(self, net, address, insists=False):
        self.stranger, self.address, self.insists, self.is_over = Stranger(net), address, insists, threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()
        self.stranger.socket.close()

    def _run(self):
        while not self.is_over.is_set():
            try:
                self.stranger.hear("question", lambda kind, sender, target: kind == 1 and target == self.address, 1)
                self.stranger.say(self.address, self.address, kind=2)
            except Missed:
                if self.insists:
                    self.stranger.say(self.address, self.address)


def commands_that_the_image_lacks(bench):
    """The check over the scripts, which every build makes, finds what is missing wherever a script may call it."""
    for text in ("seed=$(cksum <file)", "if cksum; then :; fi", "a=1 cksum", "x | cksum", "x && ! cksum", "f() {\n cksum\n}", "$(a=$(cksum))",
                 "case $1 in\n a | b) cksum ;;\nesac", "echo \"$((1 + $(cksum)))\"", "find . | xargs cksum", "find . -exec cksum {} +",
                 "exec cksum", "while :; do\n  # a remark\n  cksum >/dev/null 2>&1\ndone"):
        found = commands.missing({"rc/new": text}, {"x", "find", "xargs"}, set())
        check(found == ["rc/new calls cksum"], f"{text!r}: {found}")
    for text in ("echo cksum", "# cksum", "echo 'cksum; cksum' \"cksum\"", "cksum=1", "for cksum in a cksum; do :; done",
                 "cksum() { :; }\ncksum", "x >cksum 2>&1", "case cksum in\n cksum) : ;;\nesac", "exec 3>/dev/watchdog"):
        found = commands.missing({"rc/new": text}, {"x"}, set())
        check(not found, f"{text!r}: {found}")
    try:
        commands.missing({"rc/new": "cat <<END\nEND\n"}, {"cat"}, set())
    except Failure:
        return "found in each of 13 places, and not where a word only looks like one"
    raise Missed("a script that cannot be read passes the check")


def two_pis_without_dhcp(bench):
    """Two addresses of their own choice; whoever comes first to one has it, also when both probe at once, and later."""
    with Net() as net, Stranger(net) as stranger, Pi(bench, "one", net) as one, Pi(bench, "two", net) as two:
        # Somebody else probes for the address that is probed for first, at the same time.
        first = stranger.hear("probe", lambda kind, sender, target: sender == "0.0.0.0" and target.startswith("169.254.") and target)
        stranger.say("0.0.0.0", first)
        addresses = [one.address(), two.address()]
        check(len({first, *addresses}) == 3, f"{addresses}, after {first} was probed for by another machine too")
        for pi, address in zip((one, two), addresses):
            check(f"inet {address}/16" in " ".join(pi.run("ip -4 addr show dev eth0")), f"{address} is not on the interface")
        check(one.run(f"ping -c 3 -W 5 {addresses[1]} >/dev/null && echo fine") == ["fine"], "they do not reach each other")
        # A machine that takes the address later: the first packet is answered, the second gives way.
        start = len(one.lines)
        stranger.say(addresses[0], addresses[0])
        stranger.hear("defence", lambda kind, sender, target: sender == target == addresses[0])
        stranger.say(addresses[0], addresses[0])
        one.wait_for(f"keeps the address {addresses[0]}: this one gives it up", start=start)
        moved = one.wait_for(r"eth0 takes ([0-9.]+)", start=start)[1]
        check(moved not in (first, *addresses), f"moved from {addresses[0]} to {moved}")
        check(addresses[0] not in " ".join(one.run("ip -4 addr show dev eth0")), "the old address is still there")
        return f"{addresses[0]} and {addresses[1]}, neither {first}; after a conflict {moved}"


def fixed_address_that_another_has(bench):
    """An address of the settings that is taken already: said, said again, not used; and used as soon as it is free."""
    settings = "address = 192.0.2.5/24\ngateway = 192.0.2.1\n"
    with Net() as net:
        with Squatter(net, "192.0.2.5"), Pi(bench, "fixed", net, settings) as pi:
            pi.wait_for(r"another machine \(02:ff:ff:ff:ff:01\) has the address 192.0.2.5 of settings.txt")
            check(not pi.run("ip -4 addr show dev eth0"), "the address is used all the same")
            pi.wait_for("has the address 192.0.2.5 of settings.txt", 90, len(pi.lines))
        with Pi(bench, "free", net, settings) as pi:
            pi.wait_for("eth0 has the address 192.0.2.5/24")
            with Squatter(net, "192.0.2.5", insists=True):
                pi.wait_for("uses the address 192.0.2.5 of this one too: change one of them")
                pi.wait_for("uses the address 192.0.2.5 of this one too", 90, len(pi.lines))
            check("192.0.2.5" in " ".join(pi.run("ip -4 addr show dev eth0")), "the address was given up")
            check("default via 192.0.2.1 dev eth0" in " ".join(pi.run("ip route")), "the router is not used")
            return "said twice in a minute each, before it is taken and after"


def two_pis_joined_later(bench):
    """Two networks with a Pi each, both `pi.local`, are joined when both have been there for long: one becomes `pi-2.local`, both answer, and
    the consoles say so; so they do when the other one goes."""
    with Net() as here, Net() as there, Pi(bench, "here", here) as one, Pi(bench, "there", there) as two:
        for pi in (one, two):
            pi.wait_for(rf"pi.local is {pi.address()}")
            # The name is probed for within a second; then there is nothing more to come.
            pi.run("sleep 3")
        here.join(there)
        begin = time.monotonic()
        renamed = until("new name", lambda: [pi for pi in (one, two) if pi.has_said(r"another machine has the name pi.local: this one is pi-2.local")], 60)
        seconds = time.monotonic() - begin
        check(len(renamed) == 1, "both have another name")
        [second] = renamed
        [first] = [pi for pi in (one, two) if pi is not second]
        second.wait_for(rf"pi-2.local is {second.address()}")
        with Asker(here) as asker:
            found = {name: asker.resolve(name) for name in ("pi.local", "pi-2.local")}
        check(found == {"pi.local": {first.address()}, "pi-2.local": {second.address()}}, f"{found}")
        start = len(second.lines)
        first.pull_plug()
        # What others keep in mind of a machine that says nothing before it goes ends after two minutes.
        second.wait_for("no machine has the name pi.local any more; this one stays pi-2.local", 150, start)
        return f"one renamed after {seconds:.0f} s, both answered, the other's going told"


class Asker:
    """Asks by multicast DNS at a switch, which gets an address for it."""

    def __init__(self, net):
        self.net, self.own = net, "169.254.0.77"
        command("ip", "address", "add", f"{self.own}/16", "dev", net.name)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((self.own, 0))
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(self.own))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        command("ip", "address", "del", f"{self.own}/16", "dev", self.net.name)

    def resolve(self, name, seconds=2):
        """All addresses that are answered for a name within this time. From another port than 5353 the answers come to the asker alone."""
        labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
        found = set()
        for _ in range(3):
            self.socket.sendto(struct.pack("!6H", 7, 0, 1, 0, 0, 0) + labels + struct.pack("!HH", 1, 1), (MDNS_GROUP, MDNS))
            deadline = time.monotonic() + seconds / 3
            while (remaining := deadline - time.monotonic()) > 0:
                self.socket.settimeout(remaining)
                try:
                    answer = self.socket.recv(1500)
                except TimeoutError:
                    break
                # A record of type A, of class 1 with or without the cache-flush bit, and its four bytes.
                for each in re.finditer(rb"\x00\x01[\x00\x80]\x01.{4}\x00\x04(.{4})", answer, re.S):
                    found.add(socket.inet_ntoa(each[1]))
        return found


class Dnsmasq(Peer):
    """A DHCP and name server for 10.1.NUMBER.100 to 150, on a switch that has 10.1.NUMBER.1; it may know what another one has leased."""

    def __init__(self, bench, net, number, *options, lease="1h", known=b""):
        self.leases = bench.folder / "lan" / f"leases-{net.name}-{time.monotonic_ns()}"
        self.leases.parent.mkdir(exist_ok=True)
        self.leases.write_bytes(known)
        super().__init__(bench, f"dnsmasq-{net.name}-{time.monotonic_ns()}", shutil.which("dnsmasq", path=needs.PATH), "--no-daemon", "--log-dhcp",
                         "--conf-file=/dev/null", "--no-hosts", "--no-resolv", "--user=root", "--group=root", "--bind-interfaces",
                         f"--interface={net.name}", "--except-interface=lo", "--pid-file=", "--no-ping", f"--dhcp-leasefile={self.leases}",
                         "--dhcp-authoritative", f"--dhcp-range=10.1.{number}.100,10.1.{number}.150,{lease}", *options)
        # Who asks before it listens waits for long.
        until("dnsmasq", lambda: "IP range 10.1." in self.log.read_text())


@needs_program("dnsmasq")
def lease_renewed_with_other_options(bench):
    """The same address again, with another router, name server and time server: all are taken."""
    with Net("10.1.1.1/24") as net:
        # Leases of two minutes are the shortest; the client renews after half of it, or when it is told to.
        with Dnsmasq(bench, net, 1, "--dhcp-option=option:ntp-server,10.1.1.7", "--dhcp-option=option:router,10.1.1.1",
                     "--dhcp-option=option:dns-server,10.1.1.1") as server:
            pi = Pi(bench, "renewed", net)
            try:
                address = pi.address()
                check(pi.run("cat /run/ntp-offered") == ["10.1.1.7"], "the time server is not taken")
                leases = server.leases.read_bytes()
            except BaseException:
                pi.pull_plug()
                raise
        with pi, Dnsmasq(bench, net, 1, "--dhcp-option=option:ntp-server,10.1.1.8", "--dhcp-option=option:router,10.1.1.2",
                         "--dhcp-option=option:dns-server,10.1.1.9", known=leases):
            pi.run("kill -USR1 $(cat /run/dhcp.pid)")
            until("new time server", lambda: pi.run("cat /run/ntp-offered") == ["10.1.1.8"])
            found = [line.strip() for line in pi.run("ip route | grep default; cat /etc/resolv.conf")]
            check(found == ["default via 10.1.1.2 dev eth0", "nameserver 10.1.1.9"], f"found {found}")
            check(pi.address() == address, "another address")
            return f"{address} kept; router, name server and time server new"


@needs_program("dnsmasq")
def cable_moved_to_another_network(bench):
    """Within its lease a Pi moves to another network, then to one without DHCP, and back."""
    with Net("10.1.2.1/24") as one, Net("10.1.3.1/24") as two, Net() as none, Dnsmasq(bench, one, 2), Dnsmasq(bench, two, 3), \
            Pi(bench, "moved", one) as pi:
        check(pi.address().startswith("10.1.2."), "no address of the first network")
        seconds = []
        for net, pattern in ((two, "eth0 has the address 10.1.3."), (none, "eth0 takes 169.254."), (one, "eth0 has the address 10.1.2.")):
            start, begin = len(pi.lines), time.monotonic()
            pi.unplug()
            pi.plug(net)
            pi.wait_for(pattern, start=start)
            seconds.append(time.monotonic() - begin)
            addresses = pi.run("ip -4 addr show dev eth0 | grep -c inet")
            check(addresses == ["1"], f"{addresses} addresses after the move")
        return "the new address after " + ", ".join(f"{one:.1f}" for one in seconds) + " s (another network, none, the first)"


def cable_that_comes_later(bench):
    """Without a cable no address is taken, as nobody who has it would hear the question; with the cable it is taken at once."""
    with Net() as net, Pi(bench, "later", None, "address = 192.0.2.5/24\n") as pi:
        # Longer than it takes to ask.
        pi.run("sleep 4")
        check(not pi.run("ip -4 addr show dev eth0") and not pi.has_said("has the address"), "an address is taken without a cable")
        begin = time.monotonic()
        pi.plug(net)
        pi.wait_for("eth0 has the address 192.0.2.5/24")
        return f"the address {time.monotonic() - begin:.1f} s after the cable"


@needs_program("dnsmasq")
def leased_address_that_another_has(bench):
    """What the server offers is in use: declined, and another one taken; the same when somebody takes it later."""
    with Net("10.1.4.1/24") as net, Dnsmasq(bench, net, 4, "--dhcp-host=02:00:00:0a:0a:0a,10.1.4.77") as server, Squatter(net, "10.1.4.77"), \
            Pi(bench, "declined", net, hardware="02:00:00:0a:0a:0a") as pi:
        # On a busy machine the squatter may answer too late for the client: then the address is given up a moment later.
        address = pi.wait_for(r"eth0 has the address (10\.1\.4\.1\d\d)", 90)[1]
        until("word of it at the server", lambda: "DHCPDECLINE" in server.log.read_text())
        start = len(pi.lines)
        with Squatter(net, address, insists=True):
            pi.wait_for(f"keeps the address {address}: this one gives it up", start=start)
            other = pi.wait_for(r"eth0 has the address (10\.1\.4\.1\d\d)", 90, start)[1]
            check(other != address, f"{other} again")
        until("second word of it at the server", lambda: server.log.read_text().count("DHCPDECLINE") >= 2)
        return f"10.1.4.77 declined for {address}, that one later for {other}"


ALL = [commands_that_the_image_lacks, two_pis_without_dhcp, lease_renewed_with_other_options, cable_moved_to_another_network,
       cable_that_comes_later, leased_address_that_another_has]
# Those that take minutes.
LONG = [two_pis_joined_later, fixed_address_that_another_has]
