"""The other end of a machine's network cable: frames as they are, nobody else on the wire.

So a test sees what a machine without a router does, and can be that router when it likes. QEMU connects to a port of 127.0.0.1 and
puts the length before each frame.
"""

import ipaddress
import queue
import socket
import struct
import threading
import time

from tester.console import Missed

MAC = bytes.fromhex("020000000001")
BROADCAST = b"\xff" * 6
ARP, IPV4, UDP = 0x0806, 0x0800, 17
DHCP_SERVER, DHCP_CLIENT, MDNS = 67, 68, 5353
MDNS_GROUP = "224.0.0.251"


def packed(address):
    """The four bytes of an address."""
    return ipaddress.IPv4Address(address).packed


def checksum(content):
    """The Internet's checksum."""
    total = sum(struct.unpack(f"!{len(content) // 2}H", content))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Wire:
    """Has the address `own`, answers ARP for it, and keeps every frame that comes."""

    def __init__(self, own):
        self.own, self.frames, self.connection = own, queue.Queue(), None
        self.leases = None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        if self.connection:
            self.connection.close()

    def _read(self):
        try:
            self.connection, _ = self.listener.accept()
            stream = self.connection.makefile("rb")
            while head := stream.read(4):
                self._take(stream.read(struct.unpack("!I", head)[0]))
        except (OSError, ValueError, struct.error):
            # The machine is off, or the test is over.
            pass

    def _take(self, frame):
        kind = struct.unpack("!H", frame[12:14])[0]
        if kind == ARP and frame[20:22] == b"\0\1" and frame[38:42] == packed(self.own):
            self._send(frame[6:12], ARP, frame[14:20] + b"\0\2" + MAC + packed(self.own) + frame[22:32])
        elif kind == IPV4 and self.leases and (dhcp := udp(frame)) and dhcp.port == DHCP_SERVER:
            self._lease(dhcp.content)
        self.frames.put(frame)

    def _send(self, target, kind, content):
        frame = target + MAC + struct.pack("!H", kind) + content
        frame += bytes(max(0, 60 - len(frame)))
        self.connection.sendall(struct.pack("!I", len(frame)) + frame)

    def send_udp(self, target, address, source_port, port, content, source=None):
        """Sends a datagram."""
        source = packed(source or self.own)
        head = struct.pack("!BBHHHBBH", 0x45, 0, 28 + len(content), 0, 0, 255, UDP, 0) + source + packed(address)
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        self._send(target, IPV4, head + struct.pack("!HHHH", source_port, port, 8 + len(content), 0) + content)

    def offer_leases(self, address, options):
        """From now on whoever asks by DHCP gets this address, with these options (content by number)."""
        self.leases = (address, options)

    def _lease(self, question):
        address, options = self.leases
        kind = {1: 2, 3: 5}.get(dhcp_options(question).get(53, b"\0")[0])
        if kind is None:
            return
        head = b"\2\1\6\0" + question[4:8] + bytes(8) + packed(address) + packed(self.own) + bytes(4) + question[28:44]
        all_options = {53: bytes([kind]), 54: packed(self.own), 51: struct.pack("!I", 3600), **options}
        tail = b"".join(bytes([number, len(content)]) + content for number, content in all_options.items())
        content = head + bytes(192) + bytes.fromhex("63825363") + tail + b"\xff"
        self.send_udp(BROADCAST, "255.255.255.255", DHCP_SERVER, DHCP_CLIENT, content)

    def wait_for(self, what, find, seconds):
        """Waits for a frame of which `find` makes something; that."""
        deadline = time.monotonic() + seconds
        while (remaining := deadline - time.monotonic()) > 0:
            try:
                found = find(self.frames.get(timeout=remaining))
            except queue.Empty:
                break
            if found:
                return found
        raise Missed(f"no {what} on the wire within {seconds} s")

    def insist(self, what, ask, find, seconds=30):
        """Asks each second, as a frame may be lost, until there is a frame of which `find` makes something; that."""
        for _ in range(seconds):
            ask()
            try:
                return self.wait_for(what, find, 1)
            except Missed:
                continue
        raise Missed(f"no {what} on the wire, asked for {seconds} times")

    def ask(self, target, address, port, content):
        """Sends a datagram until one comes back; what that has in it."""
        own_port = 50_000
        return self.insist("answer", lambda: self.send_udp(target, address, own_port, port, content),
                           lambda frame: (one := udp(frame)) and one.port == own_port and one.content)

    def resolve(self, name):
        """Asks for a name by multicast DNS; the address in the answer, and the hardware address of who gave it."""
        labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
        question = struct.pack("!6H", 0, 0, 1, 0, 0, 0) + labels + struct.pack("!HH", 1, 1)
        record = labels + struct.pack("!HH", 1, 0x8001)

        def answer(frame):
            found = udp(frame)
            # A response, with the address among its records; the whole name stands before the first of them.
            if found and found.port == MDNS and found.content[2] & 0x80 and record in found.content:
                rest = found.content.split(record, 1)[1]
                return str(ipaddress.IPv4Address(rest[6:10])), frame[6:12]
            return None

        return self.insist(f"address of {name}",
                           lambda: self.send_udp(bytes.fromhex("01005e0000fb"), MDNS_GROUP, MDNS, MDNS, question), answer)


class Datagram:
    """A UDP datagram that came."""

    def __init__(self, source, target, source_port, port, content):
        self.source, self.target, self.source_port, self.port, self.content = source, target, source_port, port, content


def udp(frame):
    """The datagram in a frame, if there is one."""
    if frame[12:14] != struct.pack("!H", IPV4) or frame[23] != UDP:
        return None
    length = (frame[14] & 15) * 4
    source_port, port, size, _ = struct.unpack("!4H", frame[14 + length:22 + length])
    content = frame[22 + length:14 + length + size]
    return Datagram(ipaddress.IPv4Address(frame[26:30]), ipaddress.IPv4Address(frame[30:34]), source_port, port, content)


def dhcp_options(content):
    """The options of a DHCP message, by number."""
    options, position = {}, 240
    while position < len(content) and content[position] != 255:
        if content[position] == 0:
            position += 1
            continue
        number, length = content[position], content[position + 1]
        options[number] = content[position + 2:position + 2 + length]
        position += 2 + length
    return options


def asked_lease(frame):
    """The options of a DHCPDISCOVER, if the frame is one."""
    found = udp(frame)
    options = dhcp_options(found.content) if found and found.port == DHCP_SERVER else {}
    return options if options.get(53) == b"\1" else None


def announced_address(frame):
    """The link-local address that the frame claims by ARP (asked for by its owner), if it does."""
    is_arp = frame[12:14] == struct.pack("!H", ARP)
    own, asked = frame[28:32], frame[38:42]
    is_claim = is_arp and own == asked and own.startswith(bytes([169, 254]))
    return str(ipaddress.IPv4Address(own)) if is_claim else None
