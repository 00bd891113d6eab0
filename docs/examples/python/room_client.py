"""room_client.py HOST[:PORT] NAME, the smallest client of room-protocol.md: says each line of standard input and prints
what is said. It ends behind the input, when the last text has come back or after 3 s. IPv6 is written like [::1]:9191."""
import contextlib, os, re, socket, sys, threading, time, unicodedata, urllib.parse
REASONS = {10: "the name is empty", 11: "the name is too long", 12: "the name has a character that is not allowed",
           15: "the name mixes scripts", 16: "the name is taken", 20: "it is full", 44: "the server ends"}
def varint(n):
    return bytes([n]) if n < 128 else bytes([n % 128 + 128]) + varint(n // 128)
def take(data, count):  # data is an iterator over bytes; RuntimeError says that it has fewer, and so is malformed
    return bytes(next(data) for _ in range(count))
def take_varint(data):
    byte = take(data, 1)[0]
    return byte if byte < 128 else byte - 128 + 128 * take_varint(data)
def shown(text):  # all that display.md replaces and the joiners of emoji; the seven are those that Python calls printable
    text = text.decode().replace("\n", " \u23ce ").replace("\t", "    ")
    return "".join(c if c.isprintable() and c not in "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0" else "\ufffd" for c in text)
def send(message):  # as runs without a 0, each behind its length plus 1; a run ends at a 0 or with 254 bytes
    runs = [run.rstrip(b"\0") for run in re.findall(rb"[^\0]{254}|[^\0]*\0", message + b"\0")]
    with contextlib.suppress(OSError):  # hear() meets it too
        server.sendall(b"".join(bytes([len(run) + 1]) + run for run in runs) + b"\0")
def take_message(message):
    tag = take(message, 1)[0]
    if tag == 5: send(b"\6")  # PING, PONG
    if tag == 8: joined.set(), was_in.set()  # the end of history: only what comes behind it can be our own
    if tag == 11:  # SAID
        sent, its_number, kind = [take_varint(message) for _ in range(3)][1:] + [take(message, 1)]
        name, text = take(message, take_varint(message)), take(message, take_varint(message))
        clock = time.strftime("[%H:%M:%S]", time.localtime(sent // 2000 % 2**32))  # sent is twice the milliseconds
        print(clock, f"* {shown(name)}" if kind == b"\1" else f"{shown(name)}:", shown(text), flush=True)
        back.set() if (name, its_number) == (own_name, number) else None
    if tag == 13 and take_varint(message) == number:  # UNSAID
        back.set() or print("! the room has not taken the last line", file=sys.stderr)
    if tag == 15:  # REFUSED
        reason = take_varint(message)
        print(f"! refused ({reason}): {REASONS.get(reason, 'see refusals.md')}", file=sys.stderr)
        if reason not in (23, 40, 41, 44) and not (reason == 16 and was_in.is_set()): os._exit(1)
def hear():
    global server, number
    while True:
        with contextlib.suppress(OSError, RuntimeError, ValueError):  # the connection breaks, or something is malformed
            server, number, buffer = socket.create_connection((url.hostname, url.port or 9191)), 0, b""
            send(b"\0\1" + bytes(17) + varint(len(own_name)) + own_name)  # JOIN
            while piece := server.recv(4096):
                *frames, buffer = (buffer + piece).split(b"\0")
                for rest in map(iter, filter(None, frames)):
                    take_message(iter(b"".join(take(rest, n - 1) + b"\0" * (n < 255) for n in rest).removesuffix(b"\0")))
        joined.clear() or print("! no connection; trying again in 2 s", file=sys.stderr)
        time.sleep(2)
if len(sys.argv) != 3 or sys.argv[1].startswith("-"):
    sys.exit(print("usage: room_client.py HOST[:PORT] NAME", file=sys.stderr) or 2)
url, own_name = urllib.parse.urlsplit("//" + sys.argv[1]), unicodedata.normalize("NFC", sys.argv[2]).encode()
joined, was_in, back = threading.Event(), threading.Event(), threading.Event()
threading.Thread(target=hear, daemon=True).start()
while joined.wait() and (line := sys.stdin.buffer.readline()):
    text = line.rstrip(b"\n").decode(errors="replace").encode()
    back.clear()
    if right := 1 <= len(text) <= 1024:
        send(b"\2" + varint(number := number + 1) + b"\0" + varint(len(text)) + text)  # SAY
    fault = "has not come back, and may have been said or not" if right else "not said, a text has 1 to 1,024 bytes"
    right and back.wait(3) or print(f"! {fault}:", shown(text), file=sys.stderr)
os._exit(0)  # without waiting for the thread
