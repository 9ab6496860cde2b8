"""The name server, asked by hand."""
import pathlib
import socket
import struct
import sys
import unittest

sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])
from loki.resolver import Resolver  # noqa: E402
from loki.testing import main  # noqa: E402


class Names(unittest.TestCase):
    def setUp(self):
        self.resolver = Resolver(["127.0.0.7", "::1"]).start()
        self.addCleanup(self.resolver.stop)

    def ask(self, kind, timeout=10):
        """(code, truncated, [addresses]) or None."""
        question = struct.pack("!6H", 77, 0x0100, 1, 0, 0, 0) + b"\x04loki\x07example\x00" + struct.pack("!2H", kind, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(timeout)
            sock.sendto(question, (self.resolver.host, self.resolver.port))
            try:
                answer = sock.recv(4096)
            except TimeoutError:
                return None
        number, flags, asked, found, _, _ = struct.unpack("!6H", answer[:12])
        self.assertEqual((number, asked, bool(flags & 0x8000)), (77, 1, True))
        at, addresses = len(question), []
        for _ in range(found):
            pointer, record, _, ttl, size = struct.unpack("!HHHIH", answer[at:at + 12])
            self.assertEqual((pointer, record, ttl), (0xC00C, kind, 1))
            addresses.append(socket.inet_ntop(socket.AF_INET if size == 4 else socket.AF_INET6, answer[at + 12:at + 12 + size]))
            at += 12 + size
        self.assertEqual(at, len(answer))
        return flags & 15, bool(flags & 0x0200), addresses

    def test_addresses_and_their_change(self):
        self.assertEqual(self.ask(1), (0, False, ["127.0.0.7"]))
        self.assertEqual(self.ask(28), (0, False, ["::1"]))
        self.resolver.addresses = ["127.0.0.8", "127.0.0.9"]
        self.assertEqual(self.ask(1), (0, False, ["127.0.0.8", "127.0.0.9"]))
        self.assertEqual(self.resolver.asked, [("loki.example", "A"), ("loki.example", "AAAA"), ("loki.example", "A")])

    def test_faults(self):
        for fault, expected in (("nxdomain", (3, False, [])), ("servfail", (2, False, [])), ("refused", (5, False, [])), ("truncated", (0, True, []))):
            with self.subTest(fault):
                self.resolver.fault = fault
                self.assertEqual(self.ask(1), expected)
        self.resolver.fault = "silence"
        self.assertIsNone(self.ask(1, timeout=0.2))


if __name__ == "__main__":
    main()
