"""TLS: certificates good and bad, clients that have to show one, versions, an end without goodbye."""
import pathlib
import shutil
import socket
import ssl
import sys
import tempfile
import unittest

sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])
from loki.limits import Clock  # noqa: E402
from loki.server import Loki  # noqa: E402
from loki.testing import NOW, literal, main, message  # noqa: E402
from loki.tls import Certificates, Tls  # noqa: E402

BODY = literal(message(('{app="good"}', [(NOW, "good")])))
POST = (b"POST /loki/api/v1/push HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\nContent-Length: %d\r\n\r\n" % len(BODY)) + BODY


class Secured(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("openssl"):
            print("skipped: the command openssl is not here")
            sys.exit(77)
        cls.directory = tempfile.TemporaryDirectory()
        cls.made = Certificates(cls.directory.name)

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def serve(self, certificate="good", **more):
        loki = Loki(clock=Clock(NOW), tls=Tls(*self.made.server(certificate), **more), control_port=0).start()
        self.addCleanup(loki.__exit__)
        return loki

    def ask(self, loki, name="localhost", client=None, oldest=None):
        """The answer to a push, over a connection that checks the server."""
        context = ssl.create_default_context(cafile=self.made.ca)
        if client:
            context.load_cert_chain(*client)
        if oldest:
            context.minimum_version = oldest
        with socket.create_connection((loki.host, loki.port), timeout=10) as plain, context.wrap_socket(plain, server_hostname=name) as sock:
            sock.sendall(POST)
            return sock.recv(65536)

    def test_good_certificate_serves(self):
        loki = self.serve()
        self.assertTrue(self.ask(loki).startswith(b"HTTP/1.1 204"))
        self.assertTrue(self.ask(loki, "127.0.0.1").startswith(b"HTTP/1.1 204"))
        self.assertEqual((loki.stored(), loki.push_url), (1, f"https://127.0.0.1:{loki.port}/loki/api/v1/push"))

    def test_bad_certificates_are_refused_by_who_looks(self):
        for name, reason in (("expired", "expired"), ("not_yet", "not yet valid"), ("wrong_host", "Hostname mismatch"), ("self_signed", "self-signed")):
            with self.subTest(name):
                loki = self.serve(name)
                with self.assertRaisesRegex(ssl.SSLCertVerificationError, reason):
                    self.ask(loki)
                self.assertEqual(loki.stored(), 0)

    def test_certificate_changes_while_it_runs(self):
        loki = self.serve("expired")
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.ask(loki)
        loki.tls = Tls(*self.made.server())
        self.assertTrue(self.ask(loki).startswith(b"HTTP/1.1 204"))

    def test_client_needs_a_certificate_of_the_authority(self):
        loki = self.serve(client_ca=self.made.ca)
        self.assertTrue(self.ask(loki, client=self.made.client()).startswith(b"HTTP/1.1 204"))
        for client in (None, self.made.client("stranger", "another_ca")):
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                self.ask(loki, client=client) or self.fail("an answer without a certificate")
        self.assertEqual(loki.stored(), 1)

    def test_old_versions_only(self):
        loki = self.serve(newest=ssl.TLSVersion.TLSv1)
        with self.assertRaises(ssl.SSLError):
            self.ask(loki, oldest=ssl.TLSVersion.TLSv1_2)

    def test_truncation(self):
        for truncates, error in ((False, None), (True, ssl.SSLEOFError)):
            loki = self.serve(truncates=truncates)
            loki.fail("idle_close")
            context = ssl.create_default_context(cafile=self.made.ca)
            plain = socket.create_connection((loki.host, loki.port), timeout=10)
            with context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as sock:
                sock.sendall(POST)
                self.assertTrue(sock.recv(65536).startswith(b"HTTP/1.1 204"))
                if error:
                    with self.assertRaises(error):
                        sock.recv(1)
                else:
                    self.assertEqual(sock.recv(1), b"")

    def test_plain_text_to_a_tls_port_and_garbage_before_the_handshake(self):
        loki = self.serve()
        with socket.create_connection((loki.host, loki.port), timeout=10) as sock:
            sock.sendall(POST)
            try:
                self.assertNotIn(b"HTTP", sock.recv(65536))
            except ConnectionResetError:
                pass
        loki.fail("reset_on_connect", times=1)
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.ask(loki)
        self.assertTrue(self.ask(loki).startswith(b"HTTP/1.1 204"))


if __name__ == "__main__":
    main()
