#!/usr/bin/env python3
"""A small peer of the mesh (docs/mesh-protocol.md section 2), in the standard library of Python 3.

    peer.py --name NAME --join HOST:PORT... [--listen ADDRESS:PORT]

It joins the group of the named peers, says each line of its input, and shows what others say. At the end of its input it
leaves. Numbers such as MESH-MIN-4 are those of the document.
"""
import argparse, hashlib, os, select, socket, struct, sys, time
from collections import namedtuple

JOINING, MEMBER, DEAD, LEFT = 0, 1, 2, 3
LAST = 2 ** 64 - 1
(FROM, SEEK, FOUND, ROWS_ASK, ROWS, CLAIM, WELCOME, OBJECT, LEAVES, PING, ACK, VIA, HEADS, SAY, TOOK, ASK, NONE,
 VECTOR_ASK, VECTOR, RECENT_ASK, RECENT) = range(21)
# The fields of each item (section 6): w 8 bytes, h v q varint of 16, 32 and 64 bits, s signed, b byte, o bool, n name, t text,
# i item, a addresses, r optional row, R list of rows, P list of pairs.
FIELDS = {FROM: "wvw", SEEK: "wv", FOUND: "wwvbw", ROWS_ASK: "ww", ROWS: "wwR", CLAIM: "wvwna", WELCOME: "wwqvvw", OBJECT: "whr",
          LEAVES: "v", PING: "w", ACK: "ww", VIA: "wwi", HEADS: "vwP", SAY: "wvqsbnt", TOOK: "v", ASK: "wvv", NONE: "wv",
          VECTOR_ASK: "w", VECTOR: "wwP", RECENT_ASK: "", RECENT: "oP"}
REASONS = {16: "the name is taken", 17: "somebody else is asking for this name", 19: "a member does not allow this name",
           20: "it is full", 40: "no answer in time"}
DATAGRAM_MAX, NAME_MAX, TEXT_MAX = 1200, 32, 1024       # in bytes
OTHERS_MAX, SAYS_MAX = 255, 100_000                     # rows and messages for which there is room
UNPROVEN_MAX, ACCOUNTS_MAX = 1000, 64                   # bytes to an address that is not proven, and such addresses: MESH-PROOF-7


class Malformed(Exception):
    pass


# --- Section 3: fields -----------------------------------------------------------------------------------------------------

def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def word(number):
    return struct.pack("<Q", number)


def block(data):
    return varint(len(data)) + data


def address_out(address):
    host, port = address[:2]
    if ":" in host:
        return b"\1" + socket.inet_pton(socket.AF_INET6, host) + varint(port)
    return b"\0" + socket.inet_aton(host) + varint(port)


class Reader:
    """Takes fields from the front of some bytes."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise Malformed
        self.at += count
        return self.data[self.at - count:self.at]

    def byte(self):
        return self.take(1)[0]

    def varint(self, bits=32):
        number = shift = 0
        while True:
            byte = self.byte()
            number |= (byte & 127) << shift
            if byte == 0 and shift or number >> bits:
                raise Malformed                         # longer than it need be, or too large (MESH-ENC-2)
            if byte < 128:
                return number
            shift += 7

    def word(self):
        return struct.unpack("<Q", self.take(8))[0]

    def block(self):
        return self.take(self.varint())

    def bool(self):
        """No or yes; any other byte is malformed."""
        byte = self.byte()
        if byte > 1:
            raise Malformed
        return byte == 1

    def text(self, most):
        """A text of 1 to so many bytes (MESH-ENC-3)."""
        data = self.block()
        if not 1 <= len(data) <= most:
            raise Malformed
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise Malformed from None

    def addresses(self):
        count, out = self.varint(), []
        if count > 4:
            raise Malformed
        for _ in range(count):
            kind = self.byte()
            if kind > 1:
                raise Malformed
            family, length = ((socket.AF_INET, 4), (socket.AF_INET6, 16))[kind]
            out.append((socket.inet_ntop(family, self.take(length)), self.varint(16)))
        return out

    def row(self):
        id, incarnation, state = self.word(), self.varint(), self.byte()
        if state > 5:
            raise Malformed
        if state > 3:
            return Row(id, incarnation, state - 2, 0, 0, None, [])
        return Row(id, incarnation, state, self.varint(64), self.byte(), self.text(NAME_MAX), self.addresses())

    def field(self, kind):
        if kind in "hvqs":
            number = self.varint({"h": 16, "v": 32}.get(kind, 64))
            return (number >> 1) ^ -(number & 1) if kind == "s" else number
        if kind in "nt":
            return self.text(NAME_MAX if kind == "n" else TEXT_MAX)
        if kind == "r":
            return self.row() if self.bool() else None
        if kind == "R":
            return entries(self.block(), Reader.row)
        if kind == "P":
            return entries(self.block(), lambda reader: (reader.word(), reader.varint()))
        return {"w": self.word, "b": self.byte, "o": self.bool, "i": self.block, "a": self.addresses}[kind]()


Row = namedtuple("Row", "id incarnation state rank capacity name addresses")


def row_out(row):
    head = word(row.id) + varint(row.incarnation)
    if row.name is None:
        return head + bytes([row.state + 2])
    return head + bytes([row.state]) + varint(row.rank) + bytes([row.capacity]) + block(row.name.encode()) + addresses_out(row.addresses)


def addresses_out(addresses):
    return varint(len(addresses)) + b"".join(map(address_out, addresses))


def item(tag, *values):
    """An item with its tag: what stands in a datagram behind its length."""
    out = varint(tag)
    for kind, value in zip(FIELDS[tag], values, strict=True):
        if kind == "r":
            out += b"\0" if value is None else b"\1" + row_out(value)
        elif kind == "P":
            out += block(b"".join(word(id) + varint(number) for id, number in value))
        elif kind in "nt":
            out += block(value.encode())
        elif kind in "bo":
            out += bytes([value])
        else:
            out += {"w": word, "h": varint, "v": varint, "q": varint, "s": lambda number: varint((number << 1) ^ (number >> 63)),
                    "i": block, "a": addresses_out, "R": lambda rows: block(b"".join(map(row_out, rows)))}[kind](value)
    return out


def read_item(data):
    """Tag and fields of an item. Bytes behind the fields are ignored (MESH-DGRAM-3)."""
    reader = Reader(data)
    tag = reader.varint()
    if tag not in FIELDS:
        raise Malformed
    return tag, [reader.field(kind) for kind in FIELDS[tag]]


def entries(data, read):
    """The entries of a list; one that passes its end makes the item malformed (MESH-ENC-3)."""
    reader, out = Reader(data), []
    while reader.at < len(data):
        out.append(read(reader))
    return out


def fnv(data):
    number = 0xcbf29ce484222325
    for byte in data:
        number = (number ^ byte) * 0x100000001b3 % 2 ** 64
    return number


def nonce():
    return int.from_bytes(os.urandom(8), "little") or 1


def key(name):
    return name.lower().replace("ς", "σ")


class Other:
    """What this peer knows of another one: its row, and how to reach it."""

    def __init__(self, row):
        self.row, self.address, self.token = row, None, 0
        self.proven = self.welcomed = False             # proven: whether it is at this address
        self.tries, self.since = 0, time.monotonic()    # since: when it came here, or claimed last
        self.ask_again()

    def ask_again(self):
        """What it has answered does not count any more: the next PINGs have another nonce."""
        self.answered, self.nonce = False, nonce()

    def prove(self, address):
        """It is at this address: our token or our nonce came back from there (MESH-PROOF-2)."""
        self.address, self.proven = address, True

    def where(self):
        """As long as no address is proven, all of the row take turns (MESH-ADDR-1)."""
        addresses = [self.address] if self.address else self.row.addresses
        return addresses[self.tries % len(addresses)] if addresses else None


class Peer:
    def __init__(self, name, joins, listen):
        family = socket.AF_INET6 if ":" in listen[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind(listen)
        self.name, self.joins = name, joins
        self.id, self.incarnation, self.rank, self.lamport = nonce(), 1, 0, 0
        self.secret = os.urandom(16)
        self.state, self.since = "seeking", time.monotonic()
        self.nonce, self.claim_nonce = nonce(), nonce()
        self.sponsor, self.sponsor_asked = None, 0
        self.walk, self.turns = None, []                # whose rows we are asking for, and whose are next
        self.after, self.tries = 0, 0                   # of the pages that we are asking for
        self.accounts = {}                              # address that is not proven: when it got something, bytes left for it
        self.source, self.came = None, 0                # of the last datagram: bytes that have not been answered yet
        self.table = {}                                 # id: Other
        self.waits = 0
        self.vector, self.settled = {}, {}              # id: number shown or lost; when it last changed
        self.known, self.missing = {}, {}               # id: highest number heard of; since when something is missing
        self.says = {}                                  # (id, number): the item's bytes
        self.giver, self.handing = None, None
        self.ten = None
        self.lines, self.part, self.open = [], b"", True    # of the input: whole lines, the rest, whether more may come
        self.pace = 0                                   # when the next message may be said, if there was none for a while
        self.mine = {}                                  # own number: [who has not taken it, tries]
        self.due = {}                                   # what is done when
        self.lefts = 0
        self.code = None
        self.at("tick", 0)

    # --- Sending ---

    def at(self, what, delay):
        self.due[what] = time.monotonic() + delay

    def give_token(self, id, address):
        """The token for this id at this address (MESH-PROOF-1)."""
        return self.keyed(word(id) + repr(address[:2]).encode())

    def keyed(self, data):
        """A keyed hash of our own choice: opaque to others."""
        return struct.unpack("<Q", hashlib.blake2b(data, digest_size=8, key=self.secret).digest())[0] or 1

    def own_row(self):
        state = MEMBER if self.is_member() else JOINING
        return Row(self.id, self.incarnation, state, self.rank, 8, self.name, [])

    def is_member(self):
        return self.state in ("handing over", "in", "leaving")

    def send(self, address, items, token=0, pad=0, proven=False):
        """As many datagrams as the items need (MESH-DGRAM-1)."""
        head = data = b"CHM\1" + block(item(FROM, self.id, self.incarnation, token))
        for each in map(block, items):
            if len(data) + len(each) > DATAGRAM_MAX:
                self.send_datagram(address, data, proven)
                data = head
            data += each
        self.send_datagram(address, data.ljust(pad, b"\0"), proven)

    def send_datagram(self, address, data, proven):
        """One datagram, if the address may get it."""
        if proven or self.may_get(address, len(data)):
            try:
                self.socket.sendto(data, address)
            except OSError:
                pass                                    # unreachable: as good as lost

    def may_get(self, address, size):
        """MESH-PROOF-7: an address that is not proven gets as much as has come from it, and 1,000 bytes in 60 s besides."""
        if address == self.source and size <= self.came:
            self.came -= size
            return True
        now = time.monotonic()
        self.accounts = {each: (last, left) for each, (last, left) in self.accounts.items() if now - last < 60}
        _, left = self.accounts.get(address, (now, UNPROVEN_MAX if len(self.accounts) < ACCOUNTS_MAX else 0))
        if size > left:
            return False
        self.accounts[address] = now, left - size
        return True

    def tell(self, other, *items, pad=0):
        """To a peer of the table. Our own row rides until it has answered something (MESH-MIN-2)."""
        items = list(items)
        if self.is_member() and not other.answered:
            items.append(item(ROWS, 0, 0, [self.own_row()]))
        if other.row.state in (DEAD, LEFT):             # MESH-RUMOUR-3
            items.append(item(ROWS, 0, 0, [other.row._replace(name=None)]))
        address = other.where()
        if address:
            self.send(address, items, other.token, pad, other.proven)

    def ping(self, other):
        """One PING, as long as its answer (MESH-DGRAM-5)."""
        other.tries += 1
        self.tell(other, item(PING, other.nonce), pad=64)

    def live(self):
        """Whose row is live; of a sponsor's we know only the id until its first page comes."""
        return [other for other in self.table.values() if other.row.state in (JOINING, MEMBER) and other.row.name is not None]

    def members(self):
        return [other for other in self.live() if other.row.state == MEMBER]

    def table_hash(self):
        rows = [other.row for other in self.live()] + ([self.own_row()] if self.state not in ("seeking", "gathering") else [])
        data = [word(row.id) + struct.pack("<IB", row.incarnation, row.state) for row in sorted(rows)]
        return fnv(b"".join(data))

    def heads(self):
        """HEADS, with the hash over entries of members that did not change for 5 s."""
        now, ids = time.monotonic(), {other.row.id for other in self.members()} | {self.id}
        old = sorted((id, number) for id, number in self.vector.items() if id in ids and now - self.settled[id] >= 5)
        data = b"".join(word(id) + struct.pack("<I", number) for id, number in old)
        return item(HEADS, self.vector.get(self.id, 0), fnv(data), [])

    def set_vector(self, id, number):
        if self.vector.get(id) != number:
            self.vector[id], self.settled[id] = number, time.monotonic()

    # --- What is done by time ---

    def run(self):
        host, port = self.socket.getsockname()[:2]
        self.show(f"peer {host}:{port}" if ":" not in host else f"peer [{host}]:{port}")
        while self.code is None:
            now = time.monotonic()
            for what in [what for what, due in self.due.items() if due <= now]:
                del self.due[what]
                getattr(self, "do_" + what)()
            self.say_lines()
            if self.code is not None:
                break
            wait = max(0, min(self.due.values(), default=now + 1) - time.monotonic())
            reads = self.open and self.state == "in" and not self.lines
            ready = select.select([self.socket, sys.stdin] if reads else [self.socket], [], [], wait)[0]
            if self.socket in ready:
                self.receive()
            if sys.stdin in ready:
                self.read_input()
        return self.code

    def read_input(self):
        """Takes what is there of the input, once all lines before have been said."""
        data = os.read(sys.stdin.fileno(), 4096)
        *self.lines, self.part = (self.part + data).split(b"\n")
        self.part = self.part[:TEXT_MAX + 1]            # longer than allowed, however much of it is kept
        if not data:
            self.lines, self.open = [self.part], False
            self.at("finish", 0)

    def say_lines(self):
        """At most 16 may be under way (MESH-SAY-3): 10 at once, then 5 a second (MESH-SAY-6)."""
        while self.lines and self.state == "in" and len(self.mine) < 16 and self.pace <= time.monotonic():
            line = self.lines.pop(0)
            if len(line) > TEXT_MAX:
                self.show("not said, a text has 1 to 1,024 bytes")
            elif line.strip():
                try:
                    self.say(line.decode())
                except UnicodeDecodeError:
                    self.show("not said, it is not UTF-8")

    def do_tick(self):
        self.at("tick", 0.3)
        now = time.monotonic()
        if self.state == "seeking":                     # MESH-SEEK-1
            for address in self.joins:
                self.send(address, [item(SEEK, self.nonce, 0)], pad=64, proven=True)   # our user has named it
        if self.walk and self.state in ("gathering", "claiming"):
            self.ask_rows()
        for id in [id for id, other in self.table.items() if other.row.state == JOINING and now - other.since > 40]:
            del self.table[id]                          # it has given up (MESH-CLAIM-8), or somebody has forged its claim
        if self.state == "claiming":
            if now - self.sponsor_asked > 2:            # MESH-CLAIM-4
                self.begin_walk(self.sponsor)
            self.claim_all()
            if now - self.since > 30:
                self.give_up(40, None)
        elif self.state == "handing over":
            self.ask_giver()
        if self.is_member():
            for other in self.members():
                if not other.answered:                  # it may not know yet that we are a member
                    self.ping(other)
            self.repeat()
            self.ask_missing(now)

    def do_claim_again(self):
        """Behind a pause, with a higher incarnation (MESH-CLAIM-6)."""
        self.incarnation += 1
        self.begin_claims()

    def do_finish(self):
        """The end of the input: leave once everything is confirmed."""
        if self.mine or self.lines:
            self.at("finish", 0.05)
        else:
            self.state, self.lefts = "leaving", 0
            self.do_left()

    def do_left(self):
        """LEFT to all, three times over 1 s (MESH-CLAIM-9, MESH-MIN-9)."""
        if self.state not in ("ended", "waiting", "leaving"):
            return                                      # it claims again already
        self.lefts += 1
        for other in self.live():
            self.tell(other, item(LEAVES, self.incarnation))
        if self.lefts < 3:
            self.at("left", 0.5)
        elif self.state != "waiting":
            self.code = 1 if self.state == "ended" else 0

    # --- Joining ---

    def begin_walk(self, other):
        """Asks for somebody's rows, page by page, or later if pages are under way already (MESH-CLAIM-4)."""
        if self.walk is None:
            self.walk, self.after, self.tries = other, 0, 0
            self.ask_rows()
        elif other is not self.walk and other not in self.turns:
            self.turns.append(other)

    def ask_rows(self):
        """Each 300 ms, five times (MESH-GATHER-1)."""
        self.tries += 1
        if self.tries > 5:
            return self.end_walk(False)
        self.tell(self.walk, item(ROWS_ASK, self.after, self.token_of(self.walk)))

    def on_page(self, other, after, until):
        """The rows of a page have been taken."""
        if other is not self.walk or after != self.after or until <= after:
            return
        self.after, self.tries = until, 0
        if until == LAST:
            self.end_walk(True)
        else:
            self.ask_rows()

    def end_walk(self, complete):
        """Behind the last page, or when five requests were in vain (MESH-CLAIM-7)."""
        self.walk, self.sponsor_asked = None, time.monotonic()
        if self.state == "gathering" and complete:
            self.since = self.sponsor_asked
            self.begin_claims()
        elif self.state == "gathering":
            self.state = "seeking"
        elif self.state == "claiming" and self.turns:
            self.begin_walk(self.turns.pop(0))

    def begin_claims(self):
        self.state, self.claim_nonce = "claiming", nonce()
        for other in self.table.values():
            other.welcomed, other.tries = False, 0
        self.claim_all()

    def claim_all(self):
        for other in list(self.table.values()):
            tries_max = 5 if other.row.state == DEAD else 10 ** 6
            if other.row.state == LEFT or other.welcomed or other.row.name is None or other.tries >= tries_max:
                continue
            if other.proven or other.tries < 2:
                self.claim(other)
            else:                                       # two were not answered; the ACK brings the next: MESH-CLAIM-11
                self.ping(other)
            friends = [friend for friend in self.table.values() if friend.welcomed][:2]
            if other.tries > 3:                         # a second of silence: MESH-CLAIM-3
                for friend in friends:
                    claim = item(CLAIM, self.nonce_for(other), self.incarnation, 0, self.name, [])
                    self.tell(friend, item(VIA, other.row.id, self.id, claim), pad=200)
        self.look_whether_admitted()

    def claim(self, other):
        """One CLAIM (MESH-CLAIM-3)."""
        items = [item(CLAIM, self.nonce_for(other), self.incarnation, self.token_of(other), self.name, [])]
        if other.tries and not other.token:             # an OBJECT brings no token, the ACK to a PING does
            items.append(item(PING, other.nonce))
        self.tell(other, *items, pad=200)
        other.tries += 1

    def nonce_for(self, other):
        """Another for each row and incarnation (MESH-CLAIM-3), which tells nothing of the others."""
        return self.keyed(word(self.claim_nonce) + word(other.row.id))

    def token_of(self, other):
        address = other.where()
        return self.give_token(other.row.id, address) if address else 0

    def look_whether_admitted(self):
        """MESH-CLAIM-7."""
        if self.state != "claiming" or self.walk:
            return
        if not self.live():
            self.state = "seeking"
            return
        dead = [other for other in self.table.values() if other.row.state == DEAD and other.row.name is not None]
        if all(other.welcomed for other in self.live()) and all(other.welcomed or other.tries >= 5 for other in dead):
            if self.members() and self.sponsor not in self.live():
                self.sponsor = self.members()[0]        # it may know of others who came since: MESH-CLAIM-4
                return self.begin_walk(self.sponsor)
            self.rank = self.lamport = self.lamport + 1
            self.state = "handing over"
            self.set_vector(self.id, 0)
            self.show(f"joined as {self.name}")
            for other in self.members():
                other.ask_again()
                self.ping(other)
            self.ask_giver()

    def give_up(self, reason, by):
        sentence = REASONS.get(reason, "refused")
        self.show(f"refused: {sentence} (reason {reason})" + (f", says {by}" if by else ""))
        self.state, self.lefts = "ended", 0
        self.do_left()

    def objected(self, other, reason, row):
        """MESH-CLAIM-5 and MESH-CLAIM-6."""
        if row is not None and row.id != self.id and row.id not in self.table:
            self.merge(row)
        if reason in (18, 23) or other.welcomed:
            return                                      # it goes on
        if reason == 50:
            self.id = nonce()
            self.begin_claims()
        elif reason == 17 and row is not None and row.id < self.id:
            self.waits += 1
            if self.waits > 10:
                self.give_up(reason, other.row.name)
            else:
                self.state, self.lefts = "waiting", 0
                self.do_left()
                self.at("claim_again", 0.5 + int.from_bytes(os.urandom(2), "little") / 43690)
        elif reason == 16 and key(other.row.name) == key(self.name) or reason not in (16, 17):
            self.give_up(reason, other.row.name)

    # --- Handing over (section 7.5) ---

    def ask_giver(self):
        if self.handing is None:
            givers = sorted((other.row.rank, other.row.id) for other in self.members())
            tried = self.giver
            later = [id for rank, id in givers if tried is None or (rank, id) > tried]
            if not later:
                return self.begin([])
            self.giver = next((rank, id) for rank, id in givers if id == later[0])
            self.handing, self.tries, self.after, self.pages = "vector", 0, 0, {}
        other = self.table.get(self.giver[1])
        self.tries += 1
        if other is None or self.tries > 10 and self.handing == "ten" or self.tries > 5 and self.handing != "ten":
            if self.handing == "ten":
                return self.begin(self.ten)             # after 3 s it goes on with what there is
            self.handing = None
            return self.ask_giver()
        if self.handing == "vector":
            self.tell(other, item(VECTOR_ASK, self.after))
        elif self.handing == "recent":
            self.tell(other, item(RECENT_ASK))
        else:
            for pair in [pair for pair in self.ten if pair not in self.says]:
                self.tell(other, item(ASK, pair[0], pair[1], 1))

    def on_vector(self, other, after, until, numbers):
        if self.handing == "vector" and self.giver[1] == other.row.id and after == self.after and until > after:
            self.pages.update(numbers)
            self.after, self.tries = until, 0
            if until == LAST:
                for id, number in self.pages.items():
                    if id != self.id:                   # nobody else knows better how much we have said
                        self.set_vector(id, number)
                self.handing = "recent"
            self.ask_giver()

    def on_recent(self, other, no_giver, recent):
        if self.state != "handing over" or self.giver is None or self.giver[1] != other.row.id:
            return
        if no_giver:
            self.handing = None
            self.ask_giver()
        elif self.handing == "recent":
            self.ten, self.handing, self.tries = recent[:10], "ten", 0
            self.look_whether_fetched()
            if self.state == "handing over":
                self.ask_giver()

    def look_whether_fetched(self):
        if self.handing == "ten" and all(pair in self.says for pair in self.ten):
            self.begin(self.ten)

    def begin(self, ten):
        """MESH-HAND-4: what is not above the vector is history; the rest is live."""
        self.state = "in"
        for pair in ten:
            if pair in self.says and pair[1] <= self.vector.get(pair[0], 0):
                self.show_say(self.says[pair], "history ")
        for origin in list(self.vector):
            self.show_live(origin)

    # --- Messages (section 9) ---

    def say(self, text):
        now, number = time.monotonic(), self.vector[self.id] + 1
        self.pace = max(self.pace, now - 1.8) + 0.2
        self.lamport += 1
        said = item(SAY, self.id, number, self.lamport, int(time.time() * 1000), 1, self.name, text)
        self.says[self.id, number] = said
        self.set_vector(self.id, number)
        self.mine[number] = [{other.row.id for other in self.members()}, 0]
        for other in self.members():
            self.tell(other, said, self.heads())

    def repeat(self):
        """MESH-MIN-6."""
        for number, (waits, tries) in list(self.mine.items()):
            waits &= {other.row.id for other in self.members()}
            if not waits or tries >= 5:
                if waits:
                    self.show(f"not confirmed by all: message {number}")
                del self.mine[number]
                continue
            self.mine[number][1] += 1
            for id in waits:
                self.tell(self.table[id], self.says[self.id, number])

    def show_say(self, said, before=""):
        fields = read_item(said)[1]
        name, text = fields[5], fields[6]
        self.show(f"{before}* {name} {text}" if fields[4] & 2 else f"{before}{name}: {text}")

    def show_live(self, origin):
        """Shows what comes next of an origin, as far as it is there."""
        while self.state == "in" and (origin, self.vector[origin] + 1) in self.says and origin != self.id:
            self.set_vector(origin, self.vector[origin] + 1)
            self.missing.pop(origin, None)
            self.show_say(self.says[origin, self.vector[origin]])

    def heard_of(self, origin, number):
        if origin in self.table:
            self.known[origin] = max(number, self.known.get(origin, 0))

    def ask_missing(self, now):
        """MESH-GAP-2, with the origin and everybody else in turn, and MESH-GAP-3."""
        for origin, number in list(self.known.items()):
            first = self.vector.get(origin, number) + 1
            if origin == self.id or first > number:
                continue
            since = self.missing.setdefault(origin, now)
            if now - since > 10 and self.state == "in":
                there = [n for id, n in self.says if id == origin and n >= first]
                lost = min(there, default=number + 1) - first
                self.show(f"lost {lost} of {self.table[origin].row.name if origin in self.table else origin}")
                self.set_vector(origin, first + lost - 1)
                self.missing.pop(origin)
                self.show_live(origin)
                continue
            bits = sum(1 << n for n in range(32) if first + n <= number and (origin, first + n) not in self.says)
            asked = [self.table[origin]] if origin in self.table and self.table[origin].row.state == MEMBER else self.members()[:2]
            for other in asked if bits else []:
                self.tell(other, item(ASK, origin, first, bits))

    def on_say(self, other, said, origin, number, lamport, flags):
        if lamport > self.lamport + 2 ** 32 or number == 0:
            return                                      # MESH-RANK-1
        self.lamport = max(self.lamport, lamport)
        if origin != self.id:
            self.says.setdefault((origin, number), said)
            self.heard_of(origin, number)
            if len(self.says) > SAYS_MAX:
                del self.says[next(iter(self.says))]    # that which came first
        if origin in self.vector:
            self.show_live(origin)
        self.look_whether_fetched()
        if flags & 1 and other.row.id == origin and origin in self.vector:
            number = self.vector[origin]
            while (origin, number + 1) in self.says:
                number += 1
            self.tell(other, item(TOOK, number))

    def on_ask(self, other, origin, first, bits):
        lowest = min((number for id, number in self.says if id == origin), default=0)
        for n in range(32):
            if bits >> n & 1:
                self.tell(other, self.says.get((origin, first + n)) or item(NONE, origin, lowest))

    # --- The table ---

    def merge(self, row):
        """MESH-ROW-1 and MESH-ROW-5."""
        if row.rank > self.lamport + 2 ** 32:
            return
        if row.id == self.id:
            if row.state in (DEAD, LEFT) and row.incarnation >= self.incarnation and self.state not in ("leaving", "ended"):
                self.incarnation = min(row.incarnation + 1, 2 ** 32 - 1)
                for other in self.table.values():
                    other.ask_again()                   # everybody is told
                if self.state == "claiming":
                    self.begin_claims()
            return
        self.lamport = max(self.lamport, row.rank)
        other = self.table.get(row.id)
        if other is None:
            if row.name is None or row.state not in (JOINING, MEMBER):
                return
            if self.has_room():
                self.table[row.id] = Other(row)
            elif self.state in ("gathering", "claiming"):
                self.give_up(20, None)                  # MESH-CLAIM-2
            return
        old = other.row
        if (row.incarnation, row.state) <= (old.incarnation, old.state):
            return
        other.row = row if row.name is not None else old._replace(incarnation=row.incarnation, state=row.state)
        if row.incarnation > old.incarnation:
            other.welcomed = False
        if self.state == "in" and row.state in (DEAD, LEFT) and old.state == MEMBER:
            self.show(f"{old.name} has {'left' if row.state == LEFT else 'died'}")

    def has_room(self):
        """For one more row; the dead and the left give way."""
        tombs = [id for id, other in self.table.items() if other.row.state in (DEAD, LEFT)]
        if len(self.table) >= OTHERS_MAX and tombs:
            del self.table[tombs[0]]
        return len(self.table) < OTHERS_MAX

    def on_claim(self, id, address, proven, claim, reply):
        """MESH-GUARD-1, as far as it concerns a small peer."""
        its_nonce, incarnation, token, name, addresses = claim
        other = self.table.get(id)
        known = [each for each in (other.address, *other.row.addresses) if each] if other in self.live() else []
        if address and known and address not in known:
            return reply(item(OBJECT, its_nonce, 50, None))
        if other is not None and other.row.state in (DEAD, LEFT) and incarnation <= other.row.incarnation:
            return reply(item(ROWS, 0, 0, [other.row._replace(name=None)]))
        if other is not None and incarnation < other.row.incarnation:
            return                                      # it was long on its way
        if key(name) == key(self.name):
            reason = 16 if self.is_member() else 17
            return reply(item(OBJECT, its_nonce, reason, self.own_row()))
        for rival in self.live():
            if rival.row.id != id and key(rival.row.name) == key(name):
                return reply(item(OBJECT, its_nonce, 18 if rival.row.state == MEMBER else 17, rival.row))
        if other is None and not self.has_room():
            return reply(item(OBJECT, its_nonce, 20, None))
        other = self.table.setdefault(id, other or Other(Row(id, 0, JOINING, 0, 8, name, addresses)))
        if incarnation > other.row.incarnation:
            other.row, other.welcomed = Row(id, incarnation, JOINING, 0, 8, name, addresses), False
            other.ask_again()
        other.since = time.monotonic()
        # Also if its row came from others before its claim: all that it says from now on is shown (MESH-VECTOR-1).
        self.vector.setdefault(id, 0)
        self.settled.setdefault(id, time.monotonic())
        if proven or not other.token:                   # MESH-GUARD-7
            other.token = token or other.token
        if address and not other.proven:
            other.address = address
        given = self.give_token(id, address) if address else 0
        head, members = self.vector.get(self.id, 0), len(self.members()) + self.is_member()
        reply(item(WELCOME, its_nonce, given, self.lamport, head, members, self.table_hash()))

    # --- Receiving ---

    def receive(self):
        data, address = self.socket.recvfrom(2048)
        self.source, self.came = address[:2], len(data)
        address = self.source
        if len(data) > DATAGRAM_MAX or data[:4] != b"CHM\1":
            return
        reader, items = Reader(data), []
        reader.take(4)
        while reader.at < len(data):
            try:
                each = reader.take(reader.varint(16))
            except Malformed:
                break                                   # MESH-DGRAM-4
            if each:
                try:
                    items.append((*read_item(each), each))
                except Malformed:
                    items.append((None, [], each))
        if not items or items[0][0] != FROM or items[0][1][0] == self.id:
            return
        id, incarnation, token = items[0][1]
        proven = token == self.give_token(id, address)
        other = self.table.get(id)
        if other is not None and proven:
            other.prove(address)
        for tag, fields, raw in items[1:]:
            if tag is not None:
                self.take(id, incarnation, address, proven, tag, fields, raw)

    def take(self, id, incarnation, address, proven, tag, fields, raw):
        other = self.table.get(id)

        def reply(*items, token=other.token if other else 0):
            self.send(address, items, token, proven=proven)

        asked = other and self.state == "claiming" and tag in (WELCOME, OBJECT) and fields[0] == self.nonce_for(other)
        if asked and address:                           # not by VIA (MESH-PROOF-2)
            other.prove(address)
        if tag == FOUND and fields[0] == self.nonce and self.state == "seeking":
            self.sponsor = self.table[id] = Other(Row(id, incarnation, MEMBER, 0, fields[3], None, []))
            self.sponsor.prove(address)
            self.sponsor.token, self.state = fields[1], "gathering"
            self.begin_walk(self.sponsor)
        elif tag == CLAIM and self.state in ("claiming", "handing over", "in"):
            self.on_claim(id, address, proven, fields, lambda *items: reply(*items, token=fields[2]))
        elif tag == CLAIM and self.state in ("ended", "waiting", "leaving"):
            reply(item(LEAVES, self.incarnation), token=fields[2])      # MESH-CLAIM-9
        elif tag == WELCOME and asked:
            if address:                                 # MESH-CLAIM-12
                other.token = fields[1] or other.token
                self.tell(other, item(ACK, fields[0], self.token_of(other)))
            self.welcomed(other, fields[2], fields[5])
        elif tag == OBJECT and asked:
            self.objected(other, fields[1], fields[2])
        elif tag == PING:                               # MESH-MIN-4
            answer = [item(ACK, fields[0], self.give_token(id, address))]
            if self.is_member():
                answer.append(self.heads())
            if self.state in ("ended", "waiting", "leaving"):
                answer.append(item(LEAVES, self.incarnation))
            reply(*answer)
        elif tag == ACK and other and fields[0] == other.nonce:     # to a PING of ours, no other counts (MESH-PROOF-2)
            first = not other.proven
            other.prove(address)
            other.token = fields[1] or other.token
            other.answered = other.answered or self.is_member()
            if first and self.state == "claiming" and not other.welcomed:
                self.claim(other)                       # MESH-CLAIM-11
        elif proven and other:
            self.take_proven(other, incarnation, tag, fields, raw)

    def welcomed(self, other, lamport, table_hash):
        """A row has welcomed us; if its table is another one, we ask for it (MESH-CLAIM-4)."""
        if lamport > self.lamport + 2 ** 32:
            return                                      # MESH-RANK-1
        other.welcomed = True
        self.lamport = max(self.lamport, lamport)
        if table_hash != self.table_hash():             # MESH-CLAIM-4
            self.begin_walk(other if other.row.state == MEMBER else self.sponsor)
        self.look_whether_admitted()

    def take_proven(self, other, incarnation, tag, fields, raw):
        """MESH-PROOF-3: what only a proven source may say."""
        if tag == ROWS:
            after, until, rows = fields
            for row in rows:
                page = (after, until) != (0, 0)
                gathering = self.state in ("gathering", "claiming")
                if not page or row.state in (JOINING, MEMBER):
                    self.merge_page(row)
                elif gathering and row.state == DEAD and row.id not in self.table and row.name is not None:
                    self.table[row.id] = Other(row)     # asked too, and never told (MESH-ROWS-2)
            self.on_page(other, after, until)
            self.look_whether_admitted()
        elif tag == ROWS_ASK and self.is_member():
            other.token = fields[1] or other.token
            self.send_rows(other, fields[0])
        elif tag == LEAVES and fields[0] == other.row.incarnation:
            self.merge(other.row._replace(state=LEFT))
            self.look_whether_admitted()
        elif tag == VIA:
            self.on_via(other, fields)
        elif tag == HEADS and self.is_member():
            if self.state == "in" and other.row.id not in self.vector:
                self.set_vector(other.row.id, fields[0])    # the first contact: MESH-VECTOR-1
            self.heard_of(other.row.id, fields[0])
            for origin, number in fields[2]:
                self.heard_of(origin, number)
        elif tag == SAY and self.is_member():
            self.on_say(other, raw, fields[0], fields[1], fields[2], fields[4])
        elif tag == TOOK:
            for number, (waits, _) in list(self.mine.items()):
                if number <= fields[0]:
                    waits.discard(other.row.id)
            self.repeat_confirmed()
        elif tag == ASK:
            self.on_ask(other, *fields)
        elif tag == VECTOR:
            self.on_vector(other, *fields)
        elif tag in (VECTOR_ASK, RECENT_ASK) and self.is_member():
            self.tell(other, item(RECENT, True, []))      # no giver: the next one is asked (MESH-HAND-2)
        elif tag == RECENT:
            self.on_recent(other, *fields)

    def merge_page(self, row):
        known = self.table.get(row.id)
        if known is not None and known.row.name is None and row.name is not None:
            known.row = row                             # the sponsor's own row
        else:
            self.merge(row)

    def repeat_confirmed(self):
        for number in [number for number, (waits, _) in self.mine.items() if not waits]:
            del self.mine[number]

    def send_rows(self, other, after):
        rows = sorted([each.row for each in self.live()] + [self.own_row()])
        page = [row for row in rows if row.id > after]
        size, taken = 0, []
        for row in page:
            size += len(row_out(row))
            if size > 1000:
                break
            taken.append(row)
        self.tell(other, item(ROWS, after, taken[-1].id if len(taken) < len(page) else LAST, taken))

    def on_via(self, relay, fields):
        """An item that came through somebody else; the answer goes the same way (MESH-VIA-2)."""
        target, id, data = fields
        if target != self.id or id == self.id:
            return                                      # passing on may be left out (MESH-MIN-8)
        try:
            tag, inner = read_item(data)
        except Malformed:
            return

        def back(*items):
            self.tell(relay, item(VIA, id, self.id, items[0]))

        other = self.table.get(id)
        if tag == PING:
            back(item(ACK, inner[0], 0))
        elif tag == CLAIM:
            self.on_claim(id, None, False, inner, back)
        elif tag in (WELCOME, OBJECT) and other:
            self.take(id, other.row.incarnation, None, False, tag, inner, data)

    def show(self, line):
        """MESH-TEXT-1: nothing in a name or a text may act on the terminal."""
        print("".join(c if c.isprintable() else "\ufffd" for c in line), flush=True)


def endpoint(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def username(text):
    """Members do not answer a name that names.md does not allow; this sees the coarsest of it."""
    if not 1 <= len(text.encode(errors="surrogateescape")) <= NAME_MAX or not text.isprintable():
        raise argparse.ArgumentTypeError("a name has 1 to 32 bytes, and nothing that cannot be printed")
    return text


def main():
    parser = argparse.ArgumentParser(description="a small peer of the mesh")
    parser.add_argument("--name", required=True, type=username)
    parser.add_argument("--join", required=True, action="append", type=endpoint, metavar="HOST:PORT")
    parser.add_argument("--listen", default=("0.0.0.0", 0), type=endpoint, metavar="ADDRESS:PORT")
    arguments = parser.parse_args()
    sys.stdout.reconfigure(errors="replace")            # what this terminal cannot show
    return Peer(arguments.name, arguments.join, arguments.listen).run()


if __name__ == "__main__":
    sys.exit(main())
