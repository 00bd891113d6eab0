"""What a Pi does beside programs that others have written: avahi-daemon, chrony, radvd, and a second image. For `pi-image/test --full`.

Those without a machine in QEMU need neither image nor minutes; all leave out what is not installed.
"""

import os
import pathlib
import shutil
import time

from builder import needs
from tester.bench import check
from tester.lan import Net, Peer, Pi, command
from tester.neighbours import Asker, Dnsmasq, needs_program, until

# What QEMU's cables to a switch are made with.
TUN = "/dev/net/tun"


def program(name):
    """Where a program is."""
    return shutil.which(name, path=needs.PATH)


def configured(bench, name, net, text, *words, address=""):
    """Starts a program with a configuration of its own; `FILE` in the words stands for its path. /run is its own too.
    With an address it is a machine of its own at the switch; else it runs where the test does."""
    path = bench.folder / "lan" / f"{name}-{net.name}.conf"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    line = " ".join(words).replace("FILE", str(path))
    own = f"until ip link set eth0 up; do sleep 0.1; done; ip address add {address} dev eth0 && ip link set lo up && " if address else ""
    peer = Peer(bench, f"{name}-{net.name}", "unshare", "--mount", *(["--net"] if address else []), "sh", "-c",
                # Avahi gives its folder to a user of its own, which a namespace of one user does not have.
                "mount -t tmpfs none /run && mkdir /run/chrony && printf 'root:x:0:0::/:/bin/sh\\navahi:x:0:0::/:/bin/sh\\n' >/run/passwd && "
                "printf 'root:x:0:\\navahi:x:0:\\n' >/run/group && mount --bind /run/passwd /etc/passwd && mount --bind /run/group /etc/group && "
                f"{own}exec {line}")
    if address:
        # Once the shell runs, the namespace is there.
        until("shell", lambda: pathlib.Path(f"/proc/{peer.process.pid}/comm").read_text() == "sh\n")
        command("ip", "link", "add", f"{net.name}-p", "type", "veth", "peer", "name", "eth0", "netns", peer.process.pid)
        command("ip", "link", "set", f"{net.name}-p", "master", net.name, "up")
    return peer


def chrony(bench, net):
    """A time server at all addresses of the test; the clock of this machine is left alone."""
    text = "local stratum 1\nallow all\ncmdport 0\npidfile /run/chrony/pid\nbindcmdaddress /\n"
    return configured(bench, "chrony", net, text, program("chronyd"), "-x", "-d", "-u", "root", "-f", "FILE")


@needs_program("radvd", "chronyd", "dnsmasq")
def network_of_ipv6_alone(bench):
    """Nobody answers by IPv4: the address and the name server come from radvd, the time server's name is looked up there, and chrony asked,
    before a link-local address is taken."""
    with Net("2001:db8:7::1/64") as net:
        text = (f"interface {net.name} {{ AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 10; prefix 2001:db8:7::/64 {{ }}; "
                "RDNSS 2001:db8:7::1 { }; };\n")
        names = Peer(bench, f"names-{net.name}", program("dnsmasq"), "--no-daemon", "--conf-file=/dev/null", "--no-hosts", "--no-resolv",
                     "--user=root", "--group=root", "--pid-file=", "--bind-interfaces", "--listen-address=2001:db8:7::1",
                     "--host-record=time.example,2001:db8:7::1", "--local=/example/")
        radvd = configured(bench, "radvd", net, text, program("radvd"), "--nodaemon", "--logmethod=stderr", "--pidfile=/run/radvd",
                           "--config=FILE")
        with names, radvd, chrony(bench, net), Pi(bench, "ipv6", net, "time_server = time.example\n") as pi:
            # In a namespace nobody may set the clock: that it is tried shows that the answer was taken.
            pi.wait_for("cannot set the clock")
            seconds = pi.seconds()
            check(not pi.has_said("nobody gives an address"), "it has waited for an address of IPv4")
            check(pi.run("cat /etc/resolv.conf") == ["nameserver 2001:db8:7::1"], "the name server is not the advertised one")
            return f"asked for the time {seconds:.1f} s after its start"


@needs_program("avahi-daemon")
def name_that_avahi_has(bench):
    """A machine with Avahi has the name: the Pi takes another one; when that machine is shut down, the Pi tells so."""
    with Net() as net:
        text = (f"[server]\nhost-name=pi\nuse-ipv4=yes\nuse-ipv6=no\nallow-interfaces=eth0\nenable-dbus=no\n"
                "[publish]\npublish-workstation=no\n")
        with configured(bench, "avahi", net, text, program("avahi-daemon"), "--no-drop-root", "--no-chroot", "--no-rlimits", "--file=FILE",
                        address="169.254.0.5/16"):
            with Asker(net) as asker:
                check(asker.resolve("pi.local", 6) == {"169.254.0.5"}, "Avahi does not answer")
            pi = Pi(bench, "beside-avahi", net)
            try:
                pi.wait_for("another machine has the name pi.local: this one is pi-2.local")
                address = pi.address()
                time.sleep(2)
                with Asker(net) as asker:
                    found = {name: asker.resolve(name) for name in ("pi.local", "pi-2.local")}
                check(found == {"pi.local": {"169.254.0.5"}, "pi-2.local": {address}}, f"{found}")
            except BaseException:
                pi.pull_plug()
                raise
        with pi:
            pi.wait_for("no machine has the name pi.local any more; this one stays pi-2.local", 150)
            return "pi-2.local, both answered; Avahi's going told"


@needs_program("dnsmasq", "chronyd")
def image_among_dnsmasq_and_chrony(bench):
    """The image itself, in QEMU: a lease of dnsmasq, its options, the time from chrony."""
    if not os.access(TUN, os.R_OK | os.W_OK):
        return f"left out: {TUN} is not for us"
    with Net("10.1.9.1/24") as net, chrony(bench, net), Dnsmasq(bench, net, 9, "--dhcp-option=option:ntp-server,10.1.9.1"), \
            bench.start("peers", bench.card("peers", "time_server = off\n"), net=net) as machine:
        machine.wait_for("usb0 has the address 10.1.9.")
        machine.wait_for("the clock is set by 10.1.9.1")
        return "lease taken, clock set"


def two_images_on_one_cable(bench):
    """Two images without DHCP, each alone for half a minute and then joined by a cable: two addresses, `pi.local` and `pi-2.local`."""
    if not os.access(TUN, os.R_OK | os.W_OK):
        return f"left out: {TUN} is not for us"
    with Net() as here, Net() as there, bench.start("left", bench.card("left"), net=here) as one, \
            bench.start("right", bench.card("right"), net=there) as two:
        for machine in (one, two):
            machine.wait_for(r"pi.local is 169\.254\.")
            # Below the code: phones on the same cable can open it.
            machine.wait_for(r"http://169\.254\.\d+\.\d+/")
        time.sleep(max(0.0, 30 - one.seconds()))
        start = {one: len(one.lines), two: len(two.lines)}
        here.join(there)
        deadline = time.monotonic() + 90
        while not (renamed := [each for each in start if each.has_said("this one is pi-2.local")]):
            check(time.monotonic() < deadline, "neither has another name")
            time.sleep(0.2)
        [second] = renamed
        [first] = [each for each in start if each is not second]
        addresses = [each.wait_for(r"usb0 takes ([0-9.]+)")[1] for each in (first, second)]
        check(addresses[0] != addresses[1], f"both have {addresses[0]}")
        second.wait_for(rf"pi-2.local is {addresses[1]}")
        time.sleep(2)
        with Asker(here) as asker:
            found = {name: asker.resolve(name, 6) for name in ("pi.local", "pi-2.local")}
        check(found == {"pi.local": {addresses[0]}, "pi-2.local": {addresses[1]}}, f"{found}")
        return f"{addresses[0]} is pi.local, {addresses[1]} is pi-2.local"


# In namespaces alone, and with QEMU.
LAN = [network_of_ipv6_alone, name_that_avahi_has]
MACHINES = [image_among_dnsmasq_and_chrony, two_images_on_one_cable]
