"""What other processes see: /_control, the program by hand, the server that only counts."""
import http.client
import json
import pathlib
import signal
import socket
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[0] = str(HERE.parent)
from loki import faults  # noqa: E402
from loki.counting import Counting  # noqa: E402
from loki.limits import Clock  # noqa: E402
from loki.server import Loki  # noqa: E402
from loki.testing import DAY, NOW, SECOND, main, push, request  # noqa: E402

GOOD = ('{app="good"}', [(NOW, "good")])


class Controlled(unittest.TestCase):
    def setUp(self):
        self.loki = Loki(clock=Clock(NOW), control_port=0, keep_bodies=True).start()
        self.addCleanup(self.loki.__exit__)

    def control(self, method, route, body=None, status=200):
        answer = request(self.loki, method, "/_control" + route, None if body is None else json.dumps(body), port=self.loki.control_port)
        self.assertEqual(answer.status, status, answer.text)
        return json.loads(answer.body)

    def test_faults(self):
        numbers = self.control("POST", "/faults", [{"preset": "unavailable", "times": 1}, {"status": 429, "skip": 1}])["numbers"]
        self.assertEqual([push(self.loki, GOOD).status for _ in range(3)], [503, 204, 429])
        self.assertEqual([(f["number"], f["taken"], f["name"]) for f in self.control("GET", "/faults")],
                         [(numbers[0], 1, "unavailable"), (numbers[1], 1, "")])
        self.control("DELETE", f"/faults?number={numbers[1]}")
        self.assertEqual(len(self.control("GET", "/faults")), 1)
        self.control("DELETE", "/faults")
        self.assertEqual((self.control("GET", "/faults"), push(self.loki, GOOD).status), ([], 204))
        self.assertEqual(set(self.control("GET", "/presets")), set(faults.PRESETS))

    def test_everything_that_a_preset_is_comes_through_json(self):
        for name in faults.PRESETS:
            self.control("POST", "/faults", {"preset": name})
        self.assertEqual(len(self.control("GET", "/faults")), len(faults.PRESETS))

    def test_journal_entries_audit_and_bodies(self):
        for _ in range(2):
            push(self.loki, GOOD, X_Scope_OrgID="one")
        push(self.loki, ('{app="b"}', [(NOW, "x", {"k": "v"})]))
        journal = self.control("GET", "/journal")
        self.assertEqual([(r["tenant"], r["status"], r["stored"], r["duplicates"]) for r in journal], [("one", 204, 1, 0), ("one", 204, 0, 1), ("fake", 204, 1, 0)])
        self.assertEqual(journal[0]["sha256"], journal[1]["sha256"])
        self.assertEqual([r["number"] for r in self.control("GET", f"/journal?since={journal[1]['number']}")], [journal[2]["number"]])
        self.assertEqual(len(self.control("GET", "/journal?limit=2")), 2)
        entries = self.control("GET", "/entries?selector=%7Bapp%3D%22b%22%7D")
        self.assertEqual(entries, [{"tenant": "fake", "labels": {"app": "b", "service_name": "b"}, "time": NOW, "line": "x", "metadata": {"k": "v"}}])
        self.assertEqual(len(self.control("GET", "/entries?offset=1")), 1)
        body = bytes.fromhex(self.control("GET", f"/body?number={journal[0]['number']}"))
        self.assertEqual(len(body), journal[0]["bytes"])
        audit, summary = self.control("GET", "/audit"), self.control("GET", "")
        self.assertEqual((audit["stored"], audit["resent_batches"], summary["duplicates"], summary["requests"]), (2, 1, 1, 3))
        self.control("POST", "/forget")
        self.assertEqual((self.control("GET", "/journal"), self.control("GET", "")["stored"]), ([], 0))

    def test_limits_clock_and_ready(self):
        self.assertEqual(self.control("POST", "/limits", {"max_line_bytes": 3})["max_line_bytes"], 3)
        self.assertEqual(push(self.loki, GOOD).status, 400)
        self.control("POST", "/limits", {"max_line_bytes": 30})
        self.assertEqual(self.control("POST", "/clock", {"advance": 8 * 86400})["now"], NOW + 8 * DAY)
        self.assertEqual(push(self.loki, GOOD).status, 400)
        self.control("POST", "/clock", {"now": NOW + SECOND})
        self.assertEqual(push(self.loki, GOOD).status, 204)
        self.control("POST", "/ready", {"ready": False})
        self.assertEqual(request(self.loki, "GET", "/ready").status, 503)

    def test_port(self):
        self.control("POST", "/port", {"state": "closed"})
        with self.assertRaises(ConnectionRefusedError):
            push(self.loki, GOOD)
        self.control("POST", "/port", {"state": "open"})
        self.assertEqual(push(self.loki, GOOD).status, 204)
        self.control("POST", "/port", {"state": "mute"})
        with self.assertRaises(TimeoutError):
            request(self.loki, "GET", "/ready", timeout=0.3)
        self.control("POST", "/port", {"state": "open"})
        self.assertEqual(push(self.loki, GOOD).status, 204)

    def test_is_on_the_first_port_too_and_not_in_the_journal(self):
        answer = request(self.loki, "GET", "/_control")
        self.assertEqual(json.loads(answer.body)["port"], self.loki.port)
        self.assertEqual(self.loki.journal.records(), [])

    def test_mistakes(self):
        self.control("GET", "/nothing", status=404)
        for route, body in (("/faults", {"preset": "x"}), ("/faults", {"x": 1}), ("/limits", {"x": 1}), ("/port", {"state": "ajar"}), ("/clock", None)):
            self.assertIn("error", self.control("POST", route, body, status=400))
        self.control("GET", "/entries?selector=x", status=400)


class Program(unittest.TestCase):
    def start(self, *args):
        process = subprocess.Popen([sys.executable, "-B", HERE / "loki.py", *args], stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process, json.loads(process.stdout.readline())

    def ask(self, port, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.addCleanup(connection.close)
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def test_by_hand(self):
        process, told = self.start("--fault", "unavailable", "--fault", '{"status": 500}', "--limit", "auth_enabled=true", "--no-rates")
        self.assertEqual(self.ask(told["port"], "POST", "/loki/api/v1/push", "{}")[0], 503)
        self.assertEqual(self.ask(told["control_port"], "DELETE", "/_control/faults")[0], 200)
        self.assertEqual(self.ask(told["port"], "POST", "/loki/api/v1/push", "{}"), (401, b"no org id\n"))
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(30), 0)

    def test_reads_and_answers_204(self):
        _, told = self.start("--read-and-204")
        for _ in range(3):
            self.assertEqual(self.ask(told["port"], "POST", "/loki/api/v1/push", "x" * 1000)[0], 204)
        self.assertEqual(json.loads(self.ask(told["port"], "GET", "/")[1]), {"requests": 3, "body_bytes": 3000})


class Counts(unittest.TestCase):
    def test_bodies_of_any_size_over_one_connection(self):
        with Counting() as server:
            connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
            self.addCleanup(connection.close)
            for size in (0, 1, 100, 70_000, 20_000_000, 5):
                connection.request("POST", "/loki/api/v1/push", b"\r\n\r\n" * (size // 4) + b"x" * (size % 4))
                answer = connection.getresponse()
                self.assertEqual((answer.status, answer.read()), (204, b""))
            self.assertEqual((server.requests, server.body_bytes), (6, 20_070_106))

    def test_requests_in_one_piece(self):
        with Counting() as server, socket.create_connection((server.host, server.port), timeout=30) as sock:
            sock.sendall(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc" * 3 + b"GET / HTTP/1.1\r\n\r\n")
            found = b""
            while b"}" not in found:
                found += sock.recv(65536)
            self.assertEqual((found.count(b"204 No Content"), found[found.index(b"{"):]), (3, b'{"requests": 3, "body_bytes": 9}'))


if __name__ == "__main__":
    main()
