"""What stands around a Loki: a gateway that gives tokens, a forward proxy."""
import base64
import http.client
import json
import pathlib
import shutil
import socket
import ssl
import sys
import tempfile
import unittest

sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])
from loki.limits import Clock  # noqa: E402
from loki.oauth import Tokens  # noqa: E402
from loki.proxy import Proxy  # noqa: E402
from loki.server import Loki  # noqa: E402
from loki.testing import NOW, literal, main, message, push, request  # noqa: E402
from loki.tls import Certificates, Tls  # noqa: E402

GOOD = ('{app="good"}', [(NOW, "good")])
BODY = literal(message(GOOD))
KIND = {"Content-Type": "application/x-protobuf"}


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


class OAuth(unittest.TestCase):
    def setUp(self):
        self.loki = Loki(clock=Clock(NOW)).start()
        self.addCleanup(self.loki.stop)
        self.loki.tokens = Tokens("me", "secret", lifetime=60)

    def ask(self, form, **headers):
        answer = request(self.loki, "POST", "/oauth/token", form, {"Content-Type": "application/x-www-form-urlencoded", **headers})
        return answer.status, json.loads(answer.body)

    def test_token_lets_in_until_it_is_too_old_or_revoked(self):
        self.assertEqual(push(self.loki, GOOD).status, 401)
        for form, headers in (("grant_type=client_credentials&client_id=me&client_secret=secret", {}),
                              ("grant_type=client_credentials", {"Authorization": basic("me:secret")})):
            status, told = self.ask(form, **headers)
            self.assertEqual((status, told["expires_in"], told["token_type"]), (200, 60, "Bearer"))
            token = "Bearer " + told["access_token"]
            self.assertEqual(push(self.loki, GOOD, Authorization=token).status, 204)
            self.loki.clock.advance(61)
            self.assertEqual(push(self.loki, GOOD, Authorization=token).status, 401)
        _, told = self.ask("grant_type=client_credentials", Authorization=basic("me:secret"))
        self.loki.tokens.revoke()
        self.assertEqual(push(self.loki, GOOD, Authorization="Bearer " + told["access_token"]).status, 401)
        self.assertEqual(self.loki.stored(), 1)

    def test_refusals(self):
        for form, headers, status, error in (("grant_type=password", {}, 400, "unsupported_grant_type"),
                                             ("grant_type=client_credentials&client_id=me&client_secret=wrong", {}, 401, "invalid_client"),
                                             ("grant_type=client_credentials", {"Authorization": "Basic %%%"}, 401, "invalid_client")):
            self.assertEqual(self.ask(form, **headers), (status, {"error": error}))
        self.loki.tokens.scope = "logs:write"
        self.assertEqual(self.ask("grant_type=client_credentials", Authorization=basic("me:secret")), (400, {"error": "invalid_scope"}))
        self.assertEqual(self.ask("grant_type=client_credentials&scope=logs%3Awrite", Authorization=basic("me:secret"))[0], 200)
        self.loki.fail("unavailable", path="/oauth/token")
        self.assertEqual(request(self.loki, "POST", "/oauth/token", "x").status, 503)


class Forwarding(unittest.TestCase):
    def setUp(self):
        self.proxy = Proxy(authorization=basic("p:q")).start()
        self.addCleanup(self.proxy.stop)

    def post(self, address, **headers):
        connection = http.client.HTTPConnection(self.proxy.host, self.proxy.port, timeout=30)
        self.addCleanup(connection.close)
        connection.request("POST", address, BODY, {**KIND, **{k.replace("_", "-"): v for k, v in headers.items()}})
        return connection.getresponse().status

    def test_absolute_addresses(self):
        with Loki(clock=Clock(NOW)) as loki:
            self.assertEqual(self.post(loki.push_url), 407)
            self.assertEqual(self.post(loki.push_url, Proxy_Authorization=basic("p:q")), 204)
            self.assertNotIn("proxy-authorization", loki.journal.records()[0]["headers"])
            self.assertEqual((loki.stored(), self.proxy.asked[1][:2]), (1, ("POST", loki.push_url)))
            self.proxy.refuse = 503
            self.assertEqual(self.post(loki.push_url, Proxy_Authorization=basic("p:q")), 503)
        self.proxy.refuse = None
        self.assertEqual(self.post(loki.push_url, Proxy_Authorization=basic("p:q")), 502)

    @unittest.skipUnless(shutil.which("openssl"), "the command openssl is not here")
    def test_tunnel(self):
        self.proxy.authorization = None
        with tempfile.TemporaryDirectory() as directory:
            made = Certificates(directory)
            with Loki(clock=Clock(NOW), tls=Tls(*made.server())) as loki, socket.create_connection((self.proxy.host, self.proxy.port), timeout=30) as sock:
                sock.sendall(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\n\r\n" % loki.port)
                self.assertTrue(sock.recv(4096).startswith(b"HTTP/1.1 200"))
                inner = ssl.create_default_context(cafile=made.ca).wrap_socket(sock, server_hostname="localhost")
                inner.sendall(b"POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nContent-Type: a/b\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY)
                self.assertTrue(inner.recv(4096).startswith(b"HTTP/1.1 204"))
                inner.close()
                self.assertEqual(loki.stored(), 1)


if __name__ == "__main__":
    main()
