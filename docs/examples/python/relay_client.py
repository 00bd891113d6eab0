"""relay_client.py HOST[:PORT], the smallest client of relay-protocol.md: says each line of standard input and prints what
comes. It ends behind the input, when the last text has come back or after 3 s. IPv6 is written like [::1]:9090."""
import contextlib, ipaddress, itertools, os, random, socket, sys, threading, time, urllib.parse

def varint(n):
    return bytes([n]) if n < 128 else bytes([n % 128 + 128]) + varint(n // 128)
def take(data, count):  # data is an iterator over bytes
    if len(taken := bytes(itertools.islice(data, count))) < count:
        raise ValueError("the end comes too early")
    return taken
def take_varint(data):
    byte = take(data, 1)[0]
    return byte if byte < 128 else byte - 128 + 128 * take_varint(data)
def shown(text):  # all that display.md replaces and the joiners of emoji; the seven are those that Python calls printable
    text = text.replace("\n", " \u23ce ").replace("\t", "    ")
    return "".join(c if c.isprintable() and c not in "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0" else "\ufffd" for c in text)
def send(*items):
    server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # forgets that an earlier datagram failed, else this is not sent
    with contextlib.suppress(OSError):
        server.send(b"CHR\1" + b"".join(varint(len(item)) + item for item in items))

def greet():
    while True:
        send(b"\0\0")
        time.sleep(10)

def hear():
    while True:
        with contextlib.suppress(OSError, ValueError, RuntimeError):  # nothing there, or the end of it
            datagram = server.recv(1201)
            rest = iter(datagram[4:] if datagram[:4] == b"CHR\1" and len(datagram) <= 1200 else b"")
            while item := iter(take(rest, take_varint(rest))):
                with contextlib.suppress(LookupError, ValueError, RuntimeError):  # a malformed item is skipped
                    tag = take(item, 1)
                    if tag == b"\3" and take(item, 1) == b"\x14":  # REFUSED
                        os._exit(print("! the relay is full", file=sys.stderr) or 1)
                    if tag == b"\2":  # INCOMING; all others are skipped
                        come, kind = take_varint(item), take_varint(item)
                        ip, port = ipaddress.ip_address(take(item, (4, 16)[kind])), take_varint(item)
                        text = shown(take(item, take_varint(item)).decode())
                        print(f"<From [{ip}]:{port}>: {text}" if kind else f"<From {ip}:{port}>: {text}", flush=True)
                        back.set() if come == number else None
if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
    sys.exit(print("usage: relay_client.py HOST[:PORT]", file=sys.stderr) or 2)
url = urllib.parse.urlsplit("//" + sys.argv[1])
family, kind, _, _, address = socket.getaddrinfo(url.hostname, url.port or 9090, type=socket.SOCK_DGRAM)[0]
server = socket.socket(family, kind)
server.connect(address)  # it hears nobody else now
number, back = random.getrandbits(31), threading.Event()
for task in greet, hear:
    threading.Thread(target=task, daemon=True).start()
for line in sys.stdin.buffer:
    number, text = number + 1, line.rstrip(b"\n").decode(errors="replace").encode()
    if not 1 <= len(text) <= 1024:
        print("! a text has 1 to 1,024 bytes", file=sys.stderr)
        continue
    back.clear()
    send(b"\0\0", b"\1" + varint(number) + varint(len(text)) + text)  # GREETING and MESSAGE
    back.wait(3) or print("! has not come back, and may have been said or not:", shown(text.decode()), file=sys.stderr)
os._exit(0)  # without waiting for the threads
