"""What every run of the tests sees of the image: one function each, which gives a note or raises Missed."""

import re
import time

from tester import overlay, wire
from tester.bench import check, sha256
from tester.talk import PROBE, wait_for_answer
from tester.timeserver import TimeServer

# A clock without a server starts on the day of the build and runs on; no boot of a test lasts so long.
BOOT_SECONDS = 300
# What the servers say when they have learned it.
TRUSTED = "clock is trusted"


def answered(bench, machine):
    """Waits for the first answer, and keeps its second as one of the figures."""
    second = wait_for_answer(machine)
    bench.figures.setdefault("seconds from power-on to the first answer", []).append(second)
    return second


def event(events, kind):
    """The first event of a kind."""
    found = next((one for one in events if one["event"] == kind), None)
    check(found, f"no event {kind} in {events}")
    return found


def check_clock_is_not_trusted(bench, welcome):
    """Nobody has told the time: the clock runs since the day of the build, and newcomers hear that it is not to be trusted."""
    late = welcome["time_ms"] / 1000 - bench.build_date
    check(not welcome["time_trusted"], f"the clock is trusted, {late:.0f} s after the build's date")
    check(0 <= late < BOOT_SECONDS, f"the clock is {late:.0f} s after the build's date")


def people_talk(bench):
    """The image as it is: room, relay, history and time, from outside."""
    with bench.start("talk", bench.card("talk")) as machine:
        second = answered(bench, machine)
        bench.program.check(machine)
        bench.program.room(machine, "ann", "good morning", "is anybody here?")
        events = bench.program.room(machine, "bob", "I am")
        said = [(one["name"], one["text"], one["history"]) for one in events if one["event"] == "message"]
        check(said == [("ann", "good morning", True), ("ann", "is anybody here?", True), ("bob", "I am", False)], f"heard {said}")
        check_clock_is_not_trusted(bench, event(events, "welcome"))
        stamps = [one["sent_ms"] for one in events if one["event"] == "message"]
        check(stamps == sorted(stamps), f"times go back: {stamps}")
        check(event(bench.program.relay(machine, "over UDP"), "incoming")["text"] == "over UDP", "the relay changes texts")
        check(not machine.has_said("(?i)login|password"), "somebody may log in")
        return f"first answer after {second:.1f} s"


def inside(bench):
    """What is seen from within: memory, ports, the card let go; and servers that are killed come back."""
    card = bench.card("inside")
    with bench.start("inside", card, overlay=overlay.shell()) as machine:
        answered(bench, machine)
        # All is started, and quiet.
        machine.wait_for("pi.local is 10.0.2.15")
        check(not machine.has_said("Ctrl-C"), "the console says what to press, where nobody can press anything")
        used = int(machine.run("free -k | grep Mem")[0].split()[2])
        status = " ".join(machine.run("grep Rss /proc/$(pidof chat-host)/status"))
        resident = {kind: int(amount) for kind, amount in re.findall(r"Rss(\w+):\s+(\d+)", status)}
        figures = bench.figures
        figures["kB of memory in use in the machine"] = [used]
        figures["kB resident of the servers"] = [sum(resident.values())]
        figures["kB of that their own, the rest is the program itself"] = [resident["Anon"]]
        check(used <= 26_000, f"{used} kB of memory in use, not 26,000 at most")
        # How much of the program the kernel maps at once varies by some pages.
        check(sum(resident.values()) <= 1_050, f"the servers have {resident} kB resident, not 1,050 at most")
        check(resident["Anon"] <= 320, f"the servers have {resident['Anon']} kB of their own, not 320 at most")
        listed = [line.split() for line in machine.run("netstat -lntu") if line[:3] in ("tcp", "udp")]
        # High UDP ports are questions under way: to name servers and time servers.
        ports = {(words[0], int(words[3].rpartition(":")[2])) for words in listed}
        ports = {(kind, port) for kind, port in ports if kind == "tcp" or port < 32_768}
        expected = {("tcp", 9191), ("tcp", 80), ("tcp", 9393), ("udp", 9090), ("udp", 5353)}
        check(ports == expected, f"ports that listen: {ports}")
        # The servers show it when the machine has another address.
        machine.wait_for(r"http://10\.0\.2\.15/")
        page = machine.run("wget -q -O - http://127.0.0.1/ | head -n 1")
        check(page == ["<!doctype html>"], f"the page begins with {page}")
        check(not machine.run("grep -E 'mmcblk|vfat' /proc/mounts"), "the card is still mounted")
        check(machine.run("hostname") == ["pi"], "the name is not pi")
        # Bit 13: modules without signatures. Nothing else is wrong with what was loaded.
        check(machine.run("cat /proc/sys/kernel/tainted") == [str(1 << 13)], "the kernel is tainted by more than unsigned modules")
        user = machine.run("grep Uid /proc/$(pidof chat-host)/status")[0].split()[1:]
        check(set(user) == {"1000"}, f"the servers run as {user}")
        seconds = [kill_servers(bench, machine, number) for number in (1, 2)]
        figures["seconds until killed servers answer again"] = seconds
        return f"{used} kB in use, servers {resident['Anon']} + {sum(resident.values()) - resident['Anon']} kB, " \
               f"back {max(seconds):.1f} s after kill -9"


def kill_servers(bench, machine, number):
    """Kills the servers; the seconds until they answer again."""
    bench.program.room(machine, "ann", "before")
    before = machine.run("pidof chat-host")
    start = time.monotonic()
    machine.run("kill -9 $(pidof chat-host)")
    machine.wait_for(rf"the server has ended \(code 137\), time {number}:")
    wait_for_answer(machine, machine.seconds() + BOOT_SECONDS)
    seconds = time.monotonic() - start
    check(machine.run("pidof chat-host") != before, "the servers were not killed")
    bench.program.check(machine)
    return seconds


def pulled_plug(bench):
    """The plug pulled in the middle of things, three times: the card stays as it was."""
    card = bench.card("plug")
    sum_before, seconds = sha256(card), []
    for number in range(3):
        with bench.start(f"plug-{number}", card) as machine:
            seconds.append(answered(bench, machine))
            bench.program.room(machine, "ann", "the light goes ou")
            machine.pull_plug()
        check(sha256(card) == sum_before, f"the card has changed at plug {number + 1}")
    return "3 times, the card unchanged; answers after " + ", ".join(f"{one:.1f}" for one in seconds) + " s"


# Each with what the console says of it. Line 1 is a comment.
GOOD = ["hostname = Room-7", "room_port=7001", "relay_port = 7002  # a remark", "page_port = 7003", "max_members = 200", "max_clients = 300",
        "rate = 20", "ADDRESS = 10.0.2.77/24", "gateway = 10.0.2.2", "dns = 10.0.2.3", "time_server = {server}"]
BAD = [("hostname = $(reboot)", r'hostname: "\$\(reboot\)" is not'), ("room_port = 80", 'room_port: "80" is not'),
       ("relay_port = 5353", 'relay_port: "5353" is not'), ("page_port = 443", 'page_port: "443" is not'), ("max_members = many", 'max_members: "many" is not'),
       ("max_clients = -1", 'max_clients: "-1" is not'), ("rate = 0", 'rate: "0" is not'),
       ("address = 10.0.2.77", 'address: "10.0.2.77" is not'), ("gateway = `id`", 'gateway: "`id`" is not'),
       ("dns = ::1", 'dns: "::1" is not'), ("time_server = a;reboot", 'time_server: "a;reboot" is not'),
       ("password = secret", 'there is no setting "password"'), ("just words", '"just words" is no setting'),
       ("hostname = " + "x" * 400, "longer than 300 bytes"), ("\x1b[2J = 1", "there is no setting")]


def settings(bench):
    """Every key with a good value, and with wrong ones after it; as an editor of Windows writes the file."""
    with TimeServer(lambda now: now) as server:
        lines = ["# the card of room 7", *GOOD, *(line for line, _ in BAD)]
        text = "\r\n".join(lines).replace("{server}", server.name)
        card = bench.card("settings", b"\xef\xbb\xbf" + text.encode() + b"\r\n\xff\xfe\r\n")
        options = {"address": "10.0.2.77", "ports": (7001, 7002), "overlay": overlay.shell()}
        with bench.start("settings", card, **options) as machine:
            answered(bench, machine)
            for number, (_, said) in enumerate(BAD, start=2 + len(GOOD)):
                check(machine.has_said(rf"settings.txt line {number}: {said}"), f"nothing is said of line {number}: {said}")
            machine.wait_for(TRUSTED)
            events = bench.program.room(machine, "ann", "hello")
            welcome = event(events, "welcome")
            check(welcome["time_trusted"], "the clock is set, and not trusted")
            off = abs(welcome["time_ms"] / 1000 - time.time())
            check(off < 5, f"the clock is off by {off:.1f} s")
            command = machine.run("tr '\\0' ' ' </proc/$(pidof chat-host)/cmdline; echo")[0]
            for part in ("--udp [::]:7002", "--tcp [::]:7001", "--web [::]:7003", "--max-members 200", "--max-clients 300", "--rate 20"):
                check(part in command, f"{part} is not in {command}")
            check(machine.run("hostname") == ["room-7"], "the name is not room-7")
            # A router of IPv6 may have named one more.
            check("nameserver 10.0.2.3" in machine.run("cat /etc/resolv.conf"), "the name server is not taken")
            check("default via 10.0.2.2" in machine.run("ip route")[0], "the router is not taken")
            return f"{len(GOOD)} taken, {len(BAD)} reported by line and skipped; clock off by {off * 1000:.0f} ms"


def lying_time_servers(bench):
    """Times before the build and of the year 2100 are refused; the clock runs, and is not trusted; then one server mends its ways."""
    offers = {"early": bench.build_date - 86_400, "far": 4_102_444_800}
    with TimeServer(lambda now: offers["early"]) as early, TimeServer(lambda now: offers["far"]) as far:
        card = bench.card("liars", f"time_server = {early.name}, {far.name}\n")
        with bench.start("liars", card) as machine:
            answered(bench, machine)
            machine.wait_for(rf"time server {early.name}: .* before this image was built: refused")
            machine.wait_for(rf"time server {far.name}: .* more than 20 years after .* refused")
            check_clock_is_not_trusted(bench, event(bench.program.room(machine, "ann", "hello"), "welcome"))
            people = bench.program.run("client", "--tcp", f"127.0.0.1:{machine.tcp}", "--name", "eve")
            check("not trust" in people.stderr or "may be wrong" in people.stderr, f"the client does not say so: {people.stderr}")
            offers["far"] = time.time()
            machine.wait_for(f"the clock is set by {far.name}")
            machine.wait_for(TRUSTED)
            check(event(bench.program.room(machine, "bob", "hello"), "welcome")["time_trusted"], "an honest server is not believed")
            return "both refused, clients told; the second was believed when it told the truth"


def nobody_gives_an_address(bench):
    """No DHCP server: a link-local address, pi.local answered, the servers there; and the first lease that is offered is taken."""
    router = "169.254.0.1"
    with wire.Wire(router) as cable, bench.start("no-dhcp", bench.card("no-dhcp"), wire=cable.port) as machine:
        options = cable.wait_for("DHCPDISCOVER", wire.asked_lease, 60)
        check(options.get(12) == b"pi", f"the name is not told: {options}")
        address = cable.wait_for("claim of a link-local address", wire.announced_address, 60)
        found, mac = cable.resolve("pi.local")
        check(found == address, f"pi.local is {found}, not {address}")
        probed = cable.ask(mac, address, 9090, PROBE)
        check(probed[:6] == PROBE[:5] + b"\5", f"no PROBED: {probed.hex()}")
        mask, gateway, clock = wire.packed("255.255.0.0"), wire.packed(router), wire.packed("169.254.0.9")
        cable.offer_leases("169.254.200.7", {1: mask, 3: gateway, 6: gateway, 42: clock})
        machine.wait_for("usb0 has the address 169.254.200.7")
        cable.wait_for("question to the time server that DHCP named", lambda frame: (one := wire.udp(frame)) and
                       one.port == 123 or frame[12:14] == b"\x08\x06" and frame[38:42] == clock, 30)
        return f"took {address}, answered for pi.local; then the lease that came"


def among_peers(bench):
    """With a name among the peers: it founds a group, takes others in, keeps what they say, and defends its name."""
    # Its peer takes the place of the relay behind the forwarded port.
    with bench.start("peers", bench.card("peers", "peer = lab\n"), ports=(9191, 9293)) as machine:
        machine.wait_for("in the group as lab")
        join = ["--listen", "127.0.0.1:0", "--no-discovery", "--join", f"127.0.0.1:{machine.udp}"]
        ann = bench.program.run("peer", "--name", "ann", *join, "--json", text="hello\n", seconds=60)
        check(ann.returncode == 0, f"ann has not said it: {ann.stderr}")
        check('"name":"lab"' in ann.stdout, f"lab is not there: {ann.stdout}")
        late = bench.program.run("peer", "--name", "bob", *join, seconds=60)
        check(late.returncode == 0 and "ann: hello" in late.stdout, f"the newcomer is not told: {late.stdout} {late.stderr}")
        thief = bench.program.run("peer", "--name", "Lab", *join, seconds=60)
        check(thief.returncode == 1 and "lab at" in thief.stderr, f"its name is taken: {thief.stderr}")
        check(not machine.has_said("hello"), "the console shows what is said")
        return "founds a group, takes in two, keeps what was said, and its name"


def no_card(bench):
    """Without a readable card it boots on defaults."""
    with bench.start("no-card", None) as machine:
        answered(bench, machine)
        machine.wait_for("no card can be read")
        bench.program.room(machine, "ann", "hello")
        return "boots on defaults"


# The longest first, so that two at a time end together.
ALL = [inside, nobody_gives_an_address, pulled_plug, settings, lying_time_servers, people_talk, among_peers, no_card]
