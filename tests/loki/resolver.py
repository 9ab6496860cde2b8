"""A name server on UDP whose answers are set: NXDOMAIN, SERVFAIL, silence, an address that changes.

For a program that takes its servers from /etc/resolv.conf: in a mount and network namespace of its own (`unshare -Urmn`) with this
on 127.0.0.1:53, or by whatever way the program has to be told of a server with a port.
"""
import ipaddress
import socket
import struct
import threading

_CODES = {"nxdomain": 3, "servfail": 2, "refused": 5}


class Resolver:
    """`addresses` for every name, or what is in `fault`: "nxdomain", "servfail", "refused", "silence", "truncated", "garbage", None.

    `delay` seconds before each answer; `asked` is [(name, type)]. All may be changed while it runs.
    """

    def __init__(self, addresses=("127.0.0.1",), host="127.0.0.1", port=0, ttl=1):
        self.addresses, self.host, self.port, self.ttl = list(addresses), host, port, ttl
        self.fault, self.delay = None, 0
        self.asked = []
        self._over = threading.Event()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self._over.clear()
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind((self.host, self.port))
        self.port = self._sock.getsockname()[1]
        self._sock.settimeout(0.1)
        threading.Thread(target=self._run, args=(self._sock,), daemon=True).start()
        return self

    def stop(self):
        self._over.set()

    def _run(self, sock):
        with sock:
            while not self._over.is_set():
                try:
                    question, peer = sock.recvfrom(4096)
                except TimeoutError:
                    continue
                threading.Thread(target=self._reply, args=(sock, question, peer), daemon=True).start()

    def _reply(self, sock, question, peer):
        try:
            found = self.answer(question)
            if self.delay:
                self._over.wait(self.delay)
            if found is not None:
                sock.sendto(found, peer)
        except (OSError, struct.error, IndexError):
            pass

    def answer(self, question):
        """The reply to one message, or None for silence."""
        number, flags, _, _, _, _ = struct.unpack("!6H", question[:12])
        at, parts = 12, []
        while question[at]:
            parts.append(question[at + 1:at + 1 + question[at]].decode("latin-1"))
            at += 1 + question[at]
        kind, = struct.unpack("!H", question[at + 1:at + 3])
        asked = question[12:at + 5]
        self.asked.append((".".join(parts), {1: "A", 28: "AAAA"}.get(kind, str(kind))))
        if self.fault == "silence":
            return None
        if self.fault == "garbage":
            return question[:2] + b"\xff" * 30
        code = _CODES.get(self.fault, 0)
        records = b""
        count = 0
        if not code and self.fault != "truncated":
            for address in map(ipaddress.ip_address, self.addresses):
                if {4: 1, 6: 28}[address.version] == kind:
                    records += b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, self.ttl, len(address.packed)) + address.packed
                    count += 1
        flags = 0x8000 | flags & 0x0100 | 0x0080 | (0x0200 if self.fault == "truncated" else 0) | code
        return struct.pack("!6H", number, flags, 1, count, 0, 0) + asked + records
