"""Time servers on 127.0.0.1, honest and otherwise; a machine in QEMU reaches them at 10.0.2.2."""

import socket
import struct
import threading
import time

# From 1900, where NTP begins, to 1970.
EPOCH = 2_208_988_800


class TimeServer:
    """Answers with what `tell` makes of the present, in seconds since 1970; None is no answer. `delay` is before the answer."""

    def __init__(self, tell, delay=0.0):
        self.tell, self.delay, self.asked = tell, delay, 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.name = f"10.0.2.2:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def _serve(self):
        while True:
            try:
                question, client = self.socket.recvfrom(100)
            except OSError:
                return
            self.asked += 1
            seconds = self.tell(time.time())
            if seconds is None:
                continue
            stamp = struct.pack("!II", int(seconds + EPOCH) % 2**32, int(seconds % 1 * 2**32))
            # No leap second, version 4, server; stratum 1.
            head = bytes([0x24, 1, 0, 0]) + bytes(8) + b"TEST"
            answer = head + stamp + question[40:48] + stamp + stamp
            threading.Timer(self.delay, self._send, (answer, client)).start()

    def _send(self, answer, client):
        try:
            self.socket.sendto(answer, client)
        except OSError:
            pass
